#include "tests/unit/base/expect.h"

#include <string.h>

static void absent_differs_from_empty(void **state)
{
    (void)state;
    struct pawl_bytes empty = PAWL_BYTES_LITERAL("");
    assert_true(pawl_bytes_is_equal(PAWL_BYTES_ABSENT, PAWL_BYTES_ABSENT));
    assert_true(pawl_bytes_is_equal(empty, pawl_bytes_str("")));
    assert_false(pawl_bytes_is_equal(empty, PAWL_BYTES_ABSENT));
    assert_false(pawl_bytes_is_equal(PAWL_BYTES_ABSENT, empty));
    assert_true(pawl_bytes_is_absent(pawl_bytes_str(NULL)));
    assert_true(pawl_bytes_is_str(PAWL_BYTES_LITERAL("x"), "x"));
    assert_false(pawl_bytes_is_str(PAWL_BYTES_LITERAL("x"), "xy"));
}

static void order_is_by_byte_and_a_prefix_comes_first(void **state)
{
    (void)state;
    static const char *const sorted[] = { "", "a", "a\x01", "aa", "ab", "b", "\x7f", "\xc3\xa9" };
    const size_t count = sizeof sorted / sizeof sorted[0];
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            int order = pawl_bytes_compare(pawl_bytes_str(sorted[i]), pawl_bytes_str(sorted[j]));
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
    }
}

static void a_prefix_is_recognised(void **state)
{
    (void)state;
    struct pawl_bytes text = PAWL_BYTES_LITERAL("order-17");
    assert_true(pawl_bytes_starts_with(text, PAWL_BYTES_LITERAL("")));
    assert_true(pawl_bytes_starts_with(text, PAWL_BYTES_ABSENT));
    assert_true(pawl_bytes_starts_with(text, PAWL_BYTES_LITERAL("order-")));
    assert_true(pawl_bytes_starts_with(text, text));
    assert_false(pawl_bytes_starts_with(text, PAWL_BYTES_LITERAL("order-171")));
    assert_false(pawl_bytes_starts_with(text, PAWL_BYTES_LITERAL("rder")));
}

static void an_id_survives_being_written_and_read(void **state)
{
    (void)state;
    struct pawl_id id = { { 0x00, 0x01, 0x0f, 0x10, 0x7f, 0x80, 0xab, 0xcd, 0xef, 0xff, 1, 2, 3, 4,
                            5, 6 } };
    char text[PAWL_ID_TEXT_SIZE];
    pawl_id_format(id, text);
    assert_string_equal(text, "00010f107f80abcdefff010203040506");

    struct pawl_id parsed;
    assert_true(pawl_id_parse(pawl_bytes_str(text), &parsed));
    assert_true(pawl_id_is_equal(parsed, id));
    assert_true(pawl_id_parse(PAWL_BYTES_LITERAL("00010F107F80ABCDEFFF010203040506"), &parsed));
    assert_true(pawl_id_is_equal(parsed, id));
    assert_false(pawl_id_is_zero(id));
    assert_true(pawl_id_is_zero((struct pawl_id){ { 0 } }));
}

static void what_is_no_id_is_refused_and_leaves_the_result_alone(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "00010f107f80abcdefff01020304050",
        "00010f107f80abcdefff0102030405060",
        "00010f107f80abcdefff01020304050g",
        "g0010f107f80abcdefff010203040506",
        "00010f10-f80abcdefff010203040506",
        "0x010f107f80abcdefff010203040506",
        "00010f107f80abcdefff01020304050 ",
        "00010f107f80abcdefff01020304050/",
        "00010f107f80abcdefff01020304050:",
        "00010f107f80abcdefff01020304050@",
        "00010f107f80abcdefff01020304050`",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct pawl_id id = { { 9 } };
        assert_false(pawl_id_parse(pawl_bytes_str(wrong[i]), &id));
        assert_int_equal(id.bytes[0], 9);
    }
    struct pawl_id id;
    assert_false(pawl_id_parse(PAWL_BYTES_ABSENT, &id));
}

static const struct {
    const char *text;
    bool is_utf8;
    bool is_name;
} texts[] = {
    { "", true, false },
    { "a", true, true },
    { "order 17/\"x\"", true, true },
    { "\x1f", true, false },
    { " ", true, true },
    { "~", true, true },
    { "a\nb", true, false },
    { "a\x7f", true, false },
    { "\xc2\x80", true, false }, /* U+0080 */
    { "\xc2\x9f", true, false }, /* U+009F */
    { "\xc2\xa0", true, true },  /* U+00A0 */
    { "gr\xc3\xb6\xc3\x9f"
      "e",
      true, true },
    { "\xdf\xbf", true, true },         /* U+07FF */
    { "\xe0\xa0\x80", true, true },     /* U+0800 */
    { "\xed\x9f\xbf", true, true },     /* U+D7FF */
    { "\xee\x80\x80", true, true },     /* U+E000 */
    { "\xef\xbf\xbf", true, true },     /* U+FFFF */
    { "\xf0\x90\x80\x80", true, true }, /* U+10000 */
    { "\xf4\x8f\xbf\xbf", true, true }, /* U+10FFFF */
    { "\x80", false, false },           /* a continuation without a start */
    { "\xbf", false, false },
    { "\xc0\x80", false, false }, /* overlong */
    { "\xc1\xbf", false, false },
    { "\xe0\x9f\xbf", false, false },
    { "\xf0\x8f\xbf\xbf", false, false },
    { "\xed\xa0\x80", false, false }, /* surrogates */
    { "\xed\xbf\xbf", false, false },
    { "\xf4\x90\x80\x80", false, false }, /* past U+10FFFF */
    { "\xf5\x80\x80\x80", false, false },
    { "\xff", false, false },
    { "\xc3", false, false }, /* cut short */
    { "\xe2\x82", false, false },
    { "\xf0\x9f\x98", false, false },
    { "\xc3"
      "a",
      false, false }, /* interrupted */
    { "\xe2\x82"
      "a",
      false, false },
    { "\xf0\x9f\x98"
      "a",
      false, false },
    { "\xe2"
      "a\xac",
      false, false },
    { "good then \xfe", false, false },
    { "eight by\xc3\xa9tes and m\xc3\xb6re", true, true },
    { "eight by\xfftes and more", false, false },
    { "sixteen letters..", true, true },
    { "sixteen letters.\x80", false, false },
};

static void utf8_and_names_are_judged_by_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        /* A copy without a final 0, so that ASan sees a read past the end. */
        size_t size = strlen(texts[i].text);
        uint8_t *copy = (uint8_t *)test_malloc(size + 1) + 1;
        memcpy(copy, texts[i].text, size);
        struct pawl_bytes text = pawl_bytes_make(copy, size);
        assert_int_equal(pawl_utf8_is_valid(text), texts[i].is_utf8);
        assert_int_equal(pawl_name_is_valid(text, 256), texts[i].is_name);
        test_free(copy - 1);
    }
    assert_true(pawl_utf8_is_valid(PAWL_BYTES_ABSENT));
    assert_false(pawl_name_is_valid(PAWL_BYTES_ABSENT, 256));
    assert_true(pawl_utf8_is_valid(PAWL_BYTES_LITERAL("a\0b")));
    assert_false(pawl_name_is_valid(PAWL_BYTES_LITERAL("a\0b"), 256));
}

static void a_name_may_be_as_long_as_its_limit_and_no_longer(void **state)
{
    (void)state;
    char name[257];
    memset(name, 'n', sizeof name);
    assert_true(pawl_name_is_valid(pawl_bytes_make(name, 256), 256));
    assert_false(pawl_name_is_valid(pawl_bytes_make(name, 257), 256));
    assert_false(pawl_name_is_valid(pawl_bytes_make(name, 0), 256));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_differs_from_empty),
        cmocka_unit_test(order_is_by_byte_and_a_prefix_comes_first),
        cmocka_unit_test(a_prefix_is_recognised),
        cmocka_unit_test(an_id_survives_being_written_and_read),
        cmocka_unit_test(what_is_no_id_is_refused_and_leaves_the_result_alone),
        cmocka_unit_test(utf8_and_names_are_judged_by_the_table),
        cmocka_unit_test(a_name_may_be_as_long_as_its_limit_and_no_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
