#include "tests/unit/base/expect.h"

#include <string.h>

#include "base/arena.h"
#include "base/rng.h"

static void memory_is_zeroed_and_aligned_even_when_it_is_used_again(void **state)
{
    (void)state;
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    for (int round = 0; round < 3; round++) {
        for (size_t size = 0; size < 300; size++) {
            uint8_t *memory = (uint8_t *)pawl_arena_alloc(&arena, size);
            assert_int_equal((uintptr_t)memory % _Alignof(max_align_t), 0);
            for (size_t i = 0; i < size; i++) assert_int_equal(memory[i], 0);
            memset(memory, 0xff, size);
        }
        pawl_arena_reset(&arena);
    }
    pawl_arena_deinit(&arena);
}

static void allocations_of_any_size_do_not_overlap(void **state)
{
    (void)state;
    enum { COUNT = 400 };
    static uint8_t *memory[COUNT];
    static size_t sizes[COUNT];
    struct pawl_arena arena;
    struct pawl_rng rng;
    pawl_arena_init(&arena);
    pawl_rng_init(&rng, 1);
    for (int i = 0; i < COUNT; i++) {
        /* Mostly small, now and then larger than any shared block. */
        sizes[i] = (size_t)pawl_rng_below(&rng, i % 97 == 0 ? 3u << 20 : 5000) + 1;
        memory[i] = (uint8_t *)pawl_arena_alloc(&arena, sizes[i]);
        memset(memory[i], i & 0xff, sizes[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        for (size_t at = 0; at < sizes[i]; at += 61) assert_int_equal(memory[i][at], i & 0xff);
        assert_int_equal(memory[i][sizes[i] - 1], i & 0xff);
    }
    pawl_arena_deinit(&arena);
}

static void a_steady_loop_gets_the_same_memory_after_each_reset(void **state)
{
    (void)state;
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    void *first = NULL;
    for (int round = 0; round < 20; round++) {
        pawl_arena_reset(&arena);
        assert_int_equal(arena.used, 0);
        void *start = pawl_arena_alloc(&arena, 100);
        for (int i = 0; i < 1000; i++) pawl_arena_alloc(&arena, 100);
        assert_true(arena.used >= 100100);
        if (round == 10) first = start;
        if (round > 10) assert_ptr_equal(start, first);
    }
    pawl_arena_deinit(&arena);
}

static void a_reset_gives_back_the_memory_of_one_large_payload(void **state)
{
    (void)state;
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    pawl_arena_alloc(&arena, 16u << 20);
    pawl_arena_reset(&arena);
    assert_null(arena.blocks); /* LeakSanitizer sees that it was freed */
    pawl_arena_alloc(&arena, 10);
    pawl_arena_alloc(&arena, 16u << 20);
    pawl_arena_reset(&arena);
    assert_non_null(arena.blocks);
    pawl_arena_deinit(&arena);
}

static void a_copy_keeps_absent_absent_and_empty_empty(void **state)
{
    (void)state;
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    assert_true(pawl_bytes_is_absent(pawl_arena_copy(&arena, PAWL_BYTES_ABSENT)));
    struct pawl_bytes empty = pawl_arena_copy(&arena, PAWL_BYTES_LITERAL(""));
    assert_false(pawl_bytes_is_absent(empty));
    assert_int_equal(empty.size, 0);

    char text[] = "payload";
    struct pawl_bytes copy = pawl_arena_copy(&arena, pawl_bytes_str(text));
    text[0] = 'X';
    EXPECT_BYTES(copy, PAWL_BYTES_LITERAL("payload"));
    pawl_arena_deinit(&arena);
}

static void a_formatted_text_ends_with_a_zero_that_is_not_counted(void **state)
{
    (void)state;
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    struct pawl_bytes text = pawl_arena_printf(&arena, "%s-%05d", "op", 42);
    EXPECT_BYTES(text, PAWL_BYTES_LITERAL("op-00042"));
    assert_int_equal(text.data[text.size], 0);
    struct pawl_bytes wide = pawl_arena_printf(&arena, "%9000d", 7);
    assert_int_equal(wide.size, 9000);
    assert_int_equal(wide.data[8999], '7');
    pawl_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_aligned_even_when_it_is_used_again),
        cmocka_unit_test(allocations_of_any_size_do_not_overlap),
        cmocka_unit_test(a_steady_loop_gets_the_same_memory_after_each_reset),
        cmocka_unit_test(a_reset_gives_back_the_memory_of_one_large_payload),
        cmocka_unit_test(a_copy_keeps_absent_absent_and_empty_empty),
        cmocka_unit_test(a_formatted_text_ends_with_a_zero_that_is_not_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
