#include "tests/unit/base/expect.h"

#include "base/heap.h"
#include "base/list.h"
#include "base/rng.h"

struct timer {
    int number;
    bool is_set;
    struct pawl_heap_node node;
};

static struct timer *first_timer(const struct pawl_heap *heap)
{
    struct pawl_heap_node *node = pawl_heap_peek(heap);
    return node ? PAWL_CONTAINER_OF(node, struct timer, node) : NULL;
}

static void timers_leave_by_due_time_also_negative_and_extreme_ones(void **state)
{
    (void)state;
    static const int64_t due[] = { 5, INT64_MAX, -3, 0, INT64_MIN, 4, 5000 };
    static const int order[] = { 4, 2, 3, 5, 0, 6, 1 };
    enum { COUNT = sizeof due / sizeof due[0] };
    struct timer timers[COUNT] = { 0 };
    struct pawl_heap heap;
    pawl_heap_init(&heap);
    assert_null(pawl_heap_peek(&heap));
    for (int i = 0; i < COUNT; i++) {
        timers[i].number = i;
        pawl_heap_insert(&heap, &timers[i].node, due[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        struct timer *first = first_timer(&heap);
        assert_int_equal(first->number, order[i]);
        pawl_heap_remove(&heap, &first->node);
        assert_false(pawl_heap_node_is_linked(&first->node));
    }
    assert_null(pawl_heap_peek(&heap));
    pawl_heap_deinit(&heap);
}

static void timers_of_the_same_time_leave_in_arrival_order(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    static struct timer timers[COUNT];
    struct pawl_heap heap;
    pawl_heap_init(&heap);
    for (int i = 0; i < COUNT; i++) {
        timers[i] = (struct timer){ .number = i };
        pawl_heap_insert(&heap, &timers[i].node, i % 2 ? 10 : 20);
    }
    int expected = 1;
    for (int i = 0; i < COUNT; i++) {
        struct timer *first = first_timer(&heap);
        assert_int_equal(first->number, expected);
        expected = expected == COUNT - 1 ? 0 : expected + 2;
        pawl_heap_remove(&heap, &first->node);
    }
    pawl_heap_deinit(&heap);
}

static void removing_a_timer_that_is_not_set_changes_nothing(void **state)
{
    (void)state;
    struct timer set = { 0 };
    struct timer unset = { 0 };
    struct pawl_heap heap;
    pawl_heap_init(&heap);
    pawl_heap_remove(&heap, &unset.node);
    pawl_heap_insert(&heap, &set.node, 1);
    pawl_heap_remove(&heap, &unset.node);
    assert_int_equal(heap.count, 1);
    pawl_heap_deinit(&heap);
}

/* The timer that a plain search finds: least due time, then least arrival. */
static struct timer *model_first(struct timer *timers, int count)
{
    struct timer *first = NULL;
    for (int i = 0; i < count; i++) {
        struct timer *timer = &timers[i];
        if (!timer->is_set) continue;
        if (!first || timer->node.due_ms < first->node.due_ms
            || (timer->node.due_ms == first->node.due_ms
                && timer->node.order < first->node.order)) {
            first = timer;
        }
    }
    return first;
}

static void any_mix_of_operations_agrees_with_a_plain_search(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct timer timers[COUNT] = { 0 };
        struct pawl_heap heap;
        struct pawl_rng rng;
        pawl_heap_init(&heap);
        pawl_rng_init(&rng, seed);
        uint32_t set = 0;
        for (int step = 0; step < 2000; step++) {
            struct timer *timer = &timers[pawl_rng_below(&rng, COUNT)];
            if (timer->is_set) {
                pawl_heap_remove(&heap, &timer->node);
                set--;
            } else {
                pawl_heap_insert(&heap, &timer->node, (int64_t)pawl_rng_below(&rng, 30));
                set++;
            }
            timer->is_set = !timer->is_set;
            assert_int_equal(heap.count, set);
            assert_ptr_equal(first_timer(&heap), model_first(timers, COUNT));
        }
        pawl_heap_deinit(&heap);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_leave_by_due_time_also_negative_and_extreme_ones),
        cmocka_unit_test(timers_of_the_same_time_leave_in_arrival_order),
        cmocka_unit_test(removing_a_timer_that_is_not_set_changes_nothing),
        cmocka_unit_test(any_mix_of_operations_agrees_with_a_plain_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
