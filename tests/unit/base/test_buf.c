#include "tests/unit/base/expect.h"

#include <string.h>

#include "base/buf.h"

static void appended_pieces_are_seen_in_order(void **state)
{
    (void)state;
    struct pawl_buf buf;
    pawl_buf_init(&buf, 1000);
    assert_null(buf.data); /* no memory before the first append */
    pawl_buf_append(&buf, "ab", 2);
    pawl_buf_append_bytes(&buf, PAWL_BYTES_LITERAL("cd"));
    pawl_buf_append_bytes(&buf, PAWL_BYTES_ABSENT);
    pawl_buf_append_str(&buf, "ef");
    pawl_buf_printf(&buf, "%d-%s", 7, "x");
    EXPECT_BYTES(pawl_buf_view(&buf), PAWL_BYTES_LITERAL("abcdef7-x"));
    assert_int_equal(buf.bad, PAWL_OK);
    pawl_buf_deinit(&buf);
}

static void the_limit_is_exact_and_what_was_there_stays(void **state)
{
    (void)state;
    struct pawl_buf buf;
    pawl_buf_init(&buf, 5);
    pawl_buf_append_str(&buf, "12345");
    assert_int_equal(buf.bad, PAWL_OK);
    assert_true(buf.capacity <= 5);
    pawl_buf_append_str(&buf, "6");
    assert_int_equal(buf.bad, PAWL_E_TOO_LARGE);
    EXPECT_BYTES(pawl_buf_view(&buf), PAWL_BYTES_LITERAL("12345"));
    pawl_buf_deinit(&buf);
}

static void a_bad_buffer_ignores_appends_until_it_is_cleared(void **state)
{
    (void)state;
    struct pawl_buf buf;
    pawl_buf_init(&buf, 8);
    pawl_buf_append_str(&buf, "abc");
    pawl_buf_append_str(&buf, "too much");
    assert_int_equal(buf.bad, PAWL_E_TOO_LARGE);
    pawl_buf_append_str(&buf, "d");
    pawl_buf_printf(&buf, "e");
    assert_null(pawl_buf_reserve(&buf, 1));
    EXPECT_BYTES(pawl_buf_view(&buf), PAWL_BYTES_LITERAL("abc"));

    uint8_t *memory = buf.data;
    pawl_buf_clear(&buf);
    assert_int_equal(buf.bad, PAWL_OK);
    pawl_buf_append_str(&buf, "new");
    EXPECT_BYTES(pawl_buf_view(&buf), PAWL_BYTES_LITERAL("new"));
    assert_ptr_equal(buf.data, memory);
    pawl_buf_deinit(&buf);
}

static void a_hostile_size_becomes_an_error_and_no_overflow(void **state)
{
    (void)state;
    struct pawl_buf buf;
    pawl_buf_init(&buf, 100);
    pawl_buf_append_str(&buf, "x");
    assert_null(pawl_buf_reserve(&buf, SIZE_MAX));
    assert_int_equal(buf.bad, PAWL_E_TOO_LARGE);
    pawl_buf_deinit(&buf);
}

static void memory_that_cannot_be_had_makes_the_buffer_bad(void **state)
{
    (void)state;
    struct pawl_buf buf;
    pawl_buf_init(&buf, SIZE_MAX);
    pawl_buf_append_str(&buf, "kept");
    assert_null(pawl_buf_reserve(&buf, SIZE_MAX / 4));
    assert_int_equal(buf.bad, PAWL_E_NOMEM);
    EXPECT_BYTES(pawl_buf_view(&buf), PAWL_BYTES_LITERAL("kept"));
    pawl_buf_deinit(&buf);
}

static void printing_is_exact_at_every_distance_from_the_limit(void **state)
{
    (void)state;
    for (size_t size_max = 0; size_max < 200; size_max++) {
        struct pawl_buf buf;
        pawl_buf_init(&buf, size_max);
        size_t fits = 0;
        while (buf.bad == PAWL_OK) {
            pawl_buf_printf(&buf, "%03d", 7);
            if (buf.bad == PAWL_OK) fits++;
        }
        assert_int_equal(fits, size_max / 3);
        assert_int_equal(buf.size, 3 * fits);
        for (size_t i = 0; i < buf.size; i += 3) assert_memory_equal(buf.data + i, "007", 3);
        pawl_buf_deinit(&buf);
    }
}

static void reserved_room_is_filled_by_the_caller(void **state)
{
    (void)state;
    struct pawl_buf buf;
    pawl_buf_init(&buf, 10000);
    pawl_buf_append_str(&buf, ">");
    uint8_t *room = pawl_buf_reserve(&buf, 5000);
    assert_non_null(room);
    memset(room, 'r', 5000);
    buf.size += 4000; /* fewer than reserved is fine */
    assert_int_equal(pawl_buf_view(&buf).size, 4001);
    assert_int_equal(buf.data[0], '>');
    assert_int_equal(buf.data[4000], 'r');
    pawl_buf_deinit(&buf);
}

static void consuming_drops_from_the_front(void **state)
{
    (void)state;
    struct pawl_buf buf;
    pawl_buf_init(&buf, 100);
    pawl_buf_append_str(&buf, "headtail");
    pawl_buf_consume(&buf, 0);
    pawl_buf_consume(&buf, 4);
    EXPECT_BYTES(pawl_buf_view(&buf), PAWL_BYTES_LITERAL("tail"));
    pawl_buf_consume(&buf, 4);
    EXPECT_BYTES(pawl_buf_view(&buf), PAWL_BYTES_LITERAL(""));
    pawl_buf_deinit(&buf);
}

static void the_view_of_an_untouched_buffer_is_empty_and_not_absent(void **state)
{
    (void)state;
    struct pawl_buf buf;
    pawl_buf_init(&buf, 10);
    assert_false(pawl_bytes_is_absent(pawl_buf_view(&buf)));
    assert_int_equal(pawl_buf_view(&buf).size, 0);
    pawl_buf_deinit(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appended_pieces_are_seen_in_order),
        cmocka_unit_test(the_limit_is_exact_and_what_was_there_stays),
        cmocka_unit_test(a_bad_buffer_ignores_appends_until_it_is_cleared),
        cmocka_unit_test(a_hostile_size_becomes_an_error_and_no_overflow),
        cmocka_unit_test(memory_that_cannot_be_had_makes_the_buffer_bad),
        cmocka_unit_test(printing_is_exact_at_every_distance_from_the_limit),
        cmocka_unit_test(reserved_room_is_filled_by_the_caller),
        cmocka_unit_test(consuming_drops_from_the_front),
        cmocka_unit_test(the_view_of_an_untouched_buffer_is_empty_and_not_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
