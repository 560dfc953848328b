#include "tests/unit/base/expect.h"

#include <stdio.h>

#include "base/bytes.h"
#include "base/tags.h"

#define B PAWL_BYTES_LITERAL

static void tags_come_back_as_they_were_given(void **state)
{
    (void)state;
    struct pawl_arena arena;
    struct pawl_tags tags = { .count = 0 }, back;
    pawl_arena_init(&arena);
    assert_null(pawl_tags_add(&tags, B("team"), B("blue=red")));
    assert_null(pawl_tags_add(&tags, B("\xc3\xbc"), B("")));
    assert_null(pawl_tags_add_text(&tags, B("order=4=8")));
    assert_null(pawl_tags_add_text(&tags, B("urgent")));
    assert_int_equal(pawl_tags_unpack(pawl_tags_pack(&arena, &tags), &back), PAWL_OK);
    assert_int_equal(back.count, 4);
    assert_true(pawl_bytes_is_str(back.items[0].value, "blue=red"));
    assert_true(pawl_bytes_is_str(back.items[2].key, "order"));
    assert_true(pawl_bytes_is_str(back.items[2].value, "4=8"));
    assert_int_equal(back.items[3].value.size, 0);
    pawl_arena_deinit(&arena);
}

static void no_tags_are_absent_bytes(void **state)
{
    (void)state;
    struct pawl_arena arena;
    struct pawl_tags tags = { .count = 0 };
    pawl_arena_init(&arena);
    assert_true(pawl_bytes_is_absent(pawl_tags_pack(&arena, &tags)));
    tags.count = 7;
    assert_int_equal(pawl_tags_unpack(PAWL_BYTES_ABSENT, &tags), PAWL_OK);
    assert_int_equal(tags.count, 0);
    pawl_arena_deinit(&arena);
}

static void what_is_wrong_with_a_tag_is_said(void **state)
{
    (void)state;
    static char key[PAWL_TAG_KEY_SIZE_MAX + 1], value[PAWL_TAG_VALUE_SIZE_MAX + 1];
    struct pawl_tags tags = { .count = 0 };
    memset(key, 'k', sizeof key);
    memset(value, 'v', sizeof value);
    assert_non_null(strstr(pawl_tags_add(&tags, B(""), B("x")), "no key"));
    assert_non_null(strstr(pawl_tags_add_text(&tags, B("=x")), "no key"));
    assert_non_null(strstr(pawl_tags_add(&tags, B("a=b"), B("x")), "contains '='"));
    assert_non_null(strstr(pawl_tags_add(&tags, B("a\nb"), B("x")), "key is not 1 to 128"));
    assert_non_null(strstr(pawl_tags_add(&tags, B("a"), B("\xff")), "value is not 0 to 256"));
    assert_non_null(pawl_tags_add(&tags, pawl_bytes_make(key, sizeof key), B("x")));
    assert_non_null(pawl_tags_add(&tags, B("a"), pawl_bytes_make(value, sizeof value)));
    assert_int_equal(tags.count, 0);
    assert_null(pawl_tags_add(&tags, pawl_bytes_make(key, sizeof key - 1),
                              pawl_bytes_make(value, sizeof value - 1)));
    assert_non_null(
        strstr(pawl_tags_add(&tags, pawl_bytes_make(key, sizeof key - 1), B("x")), "used twice"));
}

static void more_tags_than_allowed_are_refused(void **state)
{
    (void)state;
    static char keys[PAWL_TAGS_MAX + 1][8];
    struct pawl_tags tags = { .count = 0 };
    for (uint32_t i = 0; i < PAWL_TAGS_MAX; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "k%u", (unsigned)i);
        assert_null(pawl_tags_add(&tags, pawl_bytes_str(keys[i]), B("v")));
    }
    assert_non_null(strstr(pawl_tags_add(&tags, B("more"), B("v")), "at most 32"));
}

static void tags_hold_what_is_among_them(void **state)
{
    (void)state;
    struct pawl_bytes tags = B("\x94\xa1"
                               "a\xa1x\xa1"
                               "b\xa1y");
    assert_true(pawl_tags_hold(tags, PAWL_BYTES_ABSENT));
    assert_true(pawl_tags_hold(tags, B("\x92\xa1"
                                       "b\xa1y")));
    assert_true(pawl_tags_hold(tags, tags));
    assert_false(pawl_tags_hold(tags, B("\x92\xa1"
                                        "b\xa1x")));
    assert_false(pawl_tags_hold(PAWL_BYTES_ABSENT, B("\x92\xa1"
                                                     "b\xa1y")));
    assert_false(pawl_tags_hold(tags, B("garbage")));
    assert_false(pawl_tags_hold(B("garbage"), B("\x92\xa1"
                                                "b\xa1y")));
}

static void bytes_that_are_no_tags_are_refused(void **state)
{
    (void)state;
    struct pawl_tags tags;
    assert_int_equal(pawl_tags_unpack(B(""), &tags), PAWL_E_CORRUPT);
    assert_int_equal(pawl_tags_unpack(B("\x90"), &tags), PAWL_E_CORRUPT);
    assert_int_equal(pawl_tags_unpack(B("\x91\xa1"
                                        "a"),
                                      &tags),
                     PAWL_E_CORRUPT);
    assert_int_equal(pawl_tags_unpack(B("\x92\xa1"
                                        "a\xc0"),
                                      &tags),
                     PAWL_E_CORRUPT);
    assert_int_equal(pawl_tags_unpack(B("\x92\xa1"
                                        "a\xa1x\x01"),
                                      &tags),
                     PAWL_E_CORRUPT);
    assert_int_equal(pawl_tags_unpack(B("\xdd\xff\xff\xff\xff\xa1"
                                        "a"),
                                      &tags),
                     PAWL_E_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_come_back_as_they_were_given),
        cmocka_unit_test(no_tags_are_absent_bytes),
        cmocka_unit_test(what_is_wrong_with_a_tag_is_said),
        cmocka_unit_test(more_tags_than_allowed_are_refused),
        cmocka_unit_test(tags_hold_what_is_among_them),
        cmocka_unit_test(bytes_that_are_no_tags_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
