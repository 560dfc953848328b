/* Coroutines: the switch keeps everything that a function may rely on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> /* needs the four above */

#include <fenv.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sdk/coro.h"
#include "sdk/io/stack.h"

struct fixture {
    struct pawl_stack_pool *pool;
    struct pawl_coro coro;
    void *stack;
    bool guarded;
    int steps;
    char text[64];
    double number;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    assert_int_equal(pawl_stack_pool_new(65536, &fixture->pool), PAWL_OK);
    fixture->stack = pawl_stack_take(fixture->pool, &fixture->guarded);
    assert_non_null(fixture->stack);
    assert_true(fixture->guarded);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    pawl_stack_give(fixture->pool, fixture->stack, fixture->guarded);
    pawl_stack_pool_free(fixture->pool);
    free(fixture);
    return 0;
}

static void begin(struct fixture *fixture, void (*run)(void *argument))
{
    pawl_coro_init(&fixture->coro, fixture->stack, pawl_stack_pool_size(fixture->pool),
                   fixture->guarded, run, fixture);
}

static void three_steps(void *argument)
{
    struct fixture *fixture = argument;
    for (int i = 0; i < 3; i++) {
        fixture->steps++;
        pawl_coro_yield(&fixture->coro);
    }
}

static void a_coroutine_goes_on_where_it_yielded(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture, three_steps);
    for (int i = 1; i <= 3; i++) {
        assert_false(pawl_coro_resume(&fixture->coro));
        assert_int_equal(fixture->steps, i);
    }
    assert_true(pawl_coro_resume(&fixture->coro));
    assert_true(pawl_coro_is_intact(&fixture->coro));
    pawl_coro_deinit(&fixture->coro);
}

/* snprintf %g and friends use SSE registers with aligned stores. */
static void format_number(void *argument)
{
    struct fixture *fixture = argument;
    _Alignas(64) char aligned[128];
    assert_int_equal((uintptr_t)aligned % 64, 0);
    memset(aligned, 'x', sizeof aligned);
    pawl_coro_yield(&fixture->coro);
    (void)snprintf(fixture->text, sizeof fixture->text, "%g %s %.3f", fixture->number, "and",
                   (double)1.5L);
    assert_int_equal(aligned[127], 'x');
}

static void formatted_output_works_on_a_small_stack(void **state)
{
    struct fixture *fixture = *state;
    fixture->number = 0.25;
    begin(fixture, format_number);
    assert_false(pawl_coro_resume(&fixture->coro));
    assert_true(pawl_coro_resume(&fixture->coro));
    assert_string_equal(fixture->text, "0.25 and 1.500");
    pawl_coro_deinit(&fixture->coro);
}

static int descend(struct fixture *fixture, int depth)
{
    volatile char block[1024];
    block[0] = (char)depth;
    block[1023] = (char)depth;
    if (depth == 0) {
        pawl_coro_yield(&fixture->coro);
        return 0;
    }
    int below = descend(fixture, depth - 1);
    assert_int_equal(block[0], (char)depth);
    assert_int_equal(block[1023], (char)depth);
    return below + 1;
}

static void descend_far(void *argument)
{
    struct fixture *fixture = argument;
    fixture->steps = descend(fixture, 20);
}

static void a_deep_stack_survives_a_yield_at_its_bottom(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture, descend_far);
    assert_false(pawl_coro_resume(&fixture->coro));
    assert_true(pawl_coro_resume(&fixture->coro));
    assert_int_equal(fixture->steps, 20);
    assert_true(pawl_coro_is_intact(&fixture->coro));
    pawl_coro_deinit(&fixture->coro);
}

static void a_suspended_coroutine_can_be_dropped_and_its_stack_used_again(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 100; i++) {
        begin(fixture, descend_far);
        assert_false(pawl_coro_resume(&fixture->coro));
        pawl_coro_deinit(&fixture->coro);
    }
    begin(fixture, three_steps);
    assert_false(pawl_coro_resume(&fixture->coro));
    assert_int_equal(fixture->steps, 1);
    pawl_coro_deinit(&fixture->coro);
}

#if defined(__x86_64__) && !defined(PAWL_CORO_UCONTEXT)
static void change_rounding(void *argument)
{
    struct fixture *fixture = argument;
    fesetround(FE_UPWARD);
    pawl_coro_yield(&fixture->coro);
    fixture->steps = fegetround() == FE_UPWARD;
}

static void each_side_keeps_its_floating_point_rounding(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture, change_rounding);
    assert_false(pawl_coro_resume(&fixture->coro));
    assert_int_equal(fegetround(), FE_TONEAREST);
    assert_true(pawl_coro_resume(&fixture->coro));
    assert_int_equal(fixture->steps, 1);
    assert_int_equal(fegetround(), FE_TONEAREST);
    pawl_coro_deinit(&fixture->coro);
}
#endif

static void overwrite_the_end(void *argument)
{
    struct fixture *fixture = argument;
    ((volatile uint8_t *)fixture->stack)[3] = 0;
}

static void a_stack_that_grew_past_its_end_is_noticed(void **state)
{
    struct fixture *fixture = *state;
    fixture->guarded = false; /* as a stack beyond the first thousands */
    begin(fixture, overwrite_the_end);
    assert_true(pawl_coro_resume(&fixture->coro));
    assert_false(pawl_coro_is_intact(&fixture->coro));
    pawl_coro_deinit(&fixture->coro);
    fixture->guarded = true;
}

static void use_up_the_stack(void *argument)
{
    struct fixture *fixture = argument;
    /* Far past the low end, into the guard page. */
    volatile uint8_t *below = (volatile uint8_t *)fixture->stack - 8;
    *below = 1;
}

static void an_overflow_into_the_guard_page_ends_with_a_message(void **state)
{
    struct fixture *fixture = *state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        (void)signal(SIGSEGV, SIG_DFL); /* cmocka has its own */
        if (pawl_stack_watch(fixture->pool)) _exit(1);
        begin(fixture, use_up_the_stack);
        (void)pawl_coro_resume(&fixture->coro);
        _exit(0);
    }
    close(ends[1]);
    char text[16384];
    size_t size = 0;
    ssize_t count;
    while ((count = read(ends[0], text + size, sizeof text - 1 - size)) > 0) size += (size_t)count;
    text[size] = 0;
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_non_null(strstr(text, "used up its stack"));
}

static void many_stacks_are_distinct_and_all_usable(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 300 };
    static void *stacks[COUNT];
    size_t size = pawl_stack_pool_size(fixture->pool);
    for (int i = 0; i < COUNT; i++) {
        bool guarded;
        stacks[i] = pawl_stack_take(fixture->pool, &guarded);
        assert_non_null(stacks[i]);
        memset((uint8_t *)stacks[i] + size - 256, i & 0xff, 256);
        ((uint8_t *)stacks[i])[0] = (uint8_t)i;
    }
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(((uint8_t *)stacks[i])[size - 1], i & 0xff);
        assert_int_equal(((uint8_t *)stacks[i])[0], i & 0xff);
        pawl_stack_give(fixture->pool, stacks[i], true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_coroutine_goes_on_where_it_yielded),
        TEST(formatted_output_works_on_a_small_stack),
        TEST(a_deep_stack_survives_a_yield_at_its_bottom),
        TEST(a_suspended_coroutine_can_be_dropped_and_its_stack_used_again),
#if defined(__x86_64__) && !defined(PAWL_CORO_UCONTEXT)
        TEST(each_side_keeps_its_floating_point_rounding),
#endif
        TEST(a_stack_that_grew_past_its_end_is_noticed),
        TEST(an_overflow_into_the_guard_page_ends_with_a_message),
        TEST(many_stacks_are_distinct_and_all_usable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
