/* Positions: texts that subscribers keep, and bring back as they like. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include "actors/position.h"
#include "base/bytes.h"

static void they_are_written_as_they_always_were(void **state)
{
    (void)state;
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    const uint64_t all[] = { 0, 35, 36, UINT64_MAX };
    struct pawl_bytes text = pawl_position_format(&arena, 4, 0, 4, all);
    assert_true(pawl_bytes_is_str(text, "a4-.z.10.3w5e11264sgsf"));
    uint64_t read[4];
    assert_true(pawl_position_parse(text, 4, 0, 4, read));
    assert_memory_equal(read, all, sizeof all);
    text = pawl_position_format(&arena, 128, 104, 1, &all[1]);
    assert_true(pawl_bytes_is_str(text, "i3k-2w-z"));
    assert_true(pawl_position_parse(text, 128, 104, 1, read));
    assert_int_equal(read[0], 35);
    pawl_arena_deinit(&arena);
}

static void those_of_another_stream_and_nonsense_are_refused(void **state)
{
    (void)state;
    static const char *const of_all[] = { "",
                                          "a",
                                          "a4",
                                          "a4-",
                                          "a4-1.2.3",
                                          "a4-1.2.3.4.5",
                                          "a5-1.2.3.4",
                                          "i4-1-2",
                                          "a4-1.2.3.4 ",
                                          "a4-1.2.3.Z",
                                          "a4-1.2.3.3w5e11264sgsg",
                                          "A4-1.2.3.4" };
    uint64_t read[4];
    for (size_t i = 0; i < sizeof of_all / sizeof of_all[0]; i++)
        assert_false(pawl_position_parse(pawl_bytes_str(of_all[i]), 4, 0, 4, read));
    static const char *const of_one[] = {
        "", "i4-", "i4-2", "i4-3-1", "i5-2-1", "a4-1", "i4-2-1.1"
    };
    for (size_t i = 0; i < sizeof of_one / sizeof of_one[0]; i++)
        assert_false(pawl_position_parse(pawl_bytes_str(of_one[i]), 4, 2, 1, read));
    assert_true(pawl_position_parse(PAWL_BYTES_LITERAL("i4-2-"), 4, 2, 1, read));
    assert_int_equal(read[0], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_written_as_they_always_were),
        cmocka_unit_test(those_of_another_stream_and_nonsense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
