/* Pace: what the clock wakes is worked on a few at a time, and never in the way of what
 * somebody has just asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "base/limits.h"
#include "tests/unit/actors/fixture.h"

#define WORKER      7u
#define SLEEPERS    100
#define PLACES      10
#define POLLED      8 /* the smallest number of reminders that a poll takes */
#define IN_A_MINUTE 60000
#define AN_HOUR     3600000

static struct pawl_turn waking[SLEEPERS]; /* turns that the worker has, unanswered */
static uint32_t waking_count;

/* As many as there are, each asleep until a minute after the start. */
static struct fixture *asleep(int64_t instance_idle_ms)
{
    struct pawl_node_config config = { .partitions = 1,
                                       .wakes_max = PLACES,
                                       .instance_idle_ms = instance_idle_ms };
    struct fixture *fixture = fixture_new(&config);
    fixture_connect(fixture, WORKER, 10000, 0);
    struct pawl_action timer = fixture_action(PAWL_ACTION_TIMER, 0);
    timer.fire_at_ms = fixture->now_ms + IN_A_MINUTE;
    for (int i = 0; i < SLEEPERS; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "i%d", i);
        fixture_start(fixture, id);
        fixture->answers_count = 0;
        const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
        assert_non_null(turn);
        fixture_turn_done(fixture, WORKER, &turn->turn, 1, &timer);
    }
    fixture_pass(fixture, timer.fire_at_ms - 1 - fixture->now_ms);
    assert_null(fixture_next(fixture, PAWL_FRAME_TURN));
    waking_count = 0;
    return fixture;
}

static uint32_t take_turns(struct fixture *fixture)
{
    uint32_t before = waking_count;
    for (const struct pawl_frame *turn; (turn = fixture_next(fixture, PAWL_FRAME_TURN)) != NULL;) {
        assert_true(waking_count < SLEEPERS);
        waking[waking_count++] = turn->turn;
    }
    return waking_count - before;
}

static void answer_turns(struct fixture *fixture)
{
    struct pawl_action timer = fixture_action(PAWL_ACTION_TIMER, 1);
    timer.fire_at_ms = fixture->now_ms + AN_HOUR;
    for (uint32_t i = 0; i < waking_count; i++)
        fixture_turn_done(fixture, WORKER, &waking[i], 1, &timer);
    waking_count = 0;
}

static void what_is_due_comes_in_pieces(struct fixture *fixture, uint32_t at_once_max)
{
    uint32_t woken = 0;
    for (int rounds = 0; woken < SLEEPERS && rounds < 1000; rounds++) {
        fixture_pass(fixture, 5);
        woken += take_turns(fixture);
        assert_true(waking_count <= at_once_max);
        answer_turns(fixture);
    }
    assert_int_equal(woken, SLEEPERS);
    fixture_pass(fixture, 5000);
    assert_int_equal(take_turns(fixture), 0);
}

static void what_is_due_in_the_store_comes_in_pieces(void **state)
{
    (void)state;
    struct fixture *fixture = asleep(1000);
    assert_int_equal(pawl_node_metrics(fixture->node)->active_instances, 0);
    what_is_due_comes_in_pieces(fixture, PLACES + POLLED);
    fixture_free(fixture);
}

static void what_is_due_in_memory_comes_in_pieces(void **state)
{
    (void)state;
    struct fixture *fixture = asleep(AN_HOUR);
    assert_int_equal(pawl_node_metrics(fixture->node)->active_instances, SLEEPERS);
    what_is_due_comes_in_pieces(fixture, PLACES);
    fixture_free(fixture);
}

static void new_work_needs_no_place(void **state)
{
    (void)state;
    struct fixture *fixture = asleep(AN_HOUR);
    fixture_pass(fixture, 1);
    assert_int_equal(take_turns(fixture), PLACES);
    fixture_start(fixture, "new");
    assert_int_equal(take_turns(fixture), 1);
    char last[16]; /* of the line: work for it has come */
    (void)snprintf(last, sizeof last, "i%d", SLEEPERS - 1);
    struct pawl_request raise = { .op = PAWL_REQUEST_RAISE,
                                  .instance = pawl_bytes_str(last),
                                  .name = PAWL_BYTES_LITERAL("go") };
    fixture_call(fixture, &raise);
    assert_int_equal(take_turns(fixture), 1);
    assert_true(pawl_bytes_is_equal(waking[waking_count - 1].instance, pawl_bytes_str(last)));
    fixture_free(fixture);
}

static void a_place_rests_as_long_as_it_was_taken(void **state)
{
    (void)state;
    struct fixture *fixture = asleep(AN_HOUR);
    fixture_pass(fixture, 1);
    assert_int_equal(take_turns(fixture), PLACES);
    fixture_pass(fixture, 20);
    answer_turns(fixture);
    fixture_pass(fixture, 19);
    assert_int_equal(take_turns(fixture), 0);
    fixture_pass(fixture, 1);
    assert_int_equal(take_turns(fixture), PLACES);
    fixture_pass(fixture, 900);
    answer_turns(fixture);
    fixture_pass(fixture, PAWL_WAKE_REST_MS_MAX - 1);
    assert_int_equal(take_turns(fixture), 0);
    fixture_pass(fixture, 1);
    assert_int_equal(take_turns(fixture), PLACES);
    fixture_free(fixture);
}

/* Workflow code that never comes back holds up itself and nobody else for good. */
static void turns_that_never_end_do_not_stop_the_others(void **state)
{
    (void)state;
    struct fixture *fixture = asleep(AN_HOUR);
    fixture_pass(fixture, 1);
    for (uint32_t i = 0; i < SLEEPERS / PLACES; i++) {
        assert_int_equal(take_turns(fixture), PLACES);
        fixture_pass(fixture, 1000);
    }
    assert_int_equal(waking_count, SLEEPERS);
    fixture_free(fixture);
}

static void as_many_as_the_limit_says_by_default(void **state)
{
    (void)state;
    struct pawl_node_config config = { .partitions = 1, .instance_idle_ms = AN_HOUR };
    struct fixture *fixture = fixture_new(&config);
    fixture_connect(fixture, WORKER, 10000, 0);
    struct pawl_action timer = fixture_action(PAWL_ACTION_TIMER, 0);
    timer.fire_at_ms = fixture->now_ms + IN_A_MINUTE;
    for (uint32_t i = 0; i < PAWL_WAKES_MAX + 50; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "i%u", i);
        fixture_start(fixture, id);
        fixture->answers_count = 0;
        fixture_turn_done(fixture, WORKER, &fixture_next(fixture, PAWL_FRAME_TURN)->turn, 1,
                          &timer);
    }
    fixture_pass(fixture, IN_A_MINUTE);
    uint32_t turns = 0;
    while (fixture_next(fixture, PAWL_FRAME_TURN)) turns++;
    assert_int_equal(turns, PAWL_WAKES_MAX);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_due_in_the_store_comes_in_pieces),
        cmocka_unit_test(what_is_due_in_memory_comes_in_pieces),
        cmocka_unit_test(new_work_needs_no_place),
        cmocka_unit_test(a_place_rests_as_long_as_it_was_taken),
        cmocka_unit_test(turns_that_never_end_do_not_stop_the_others),
        cmocka_unit_test(as_many_as_the_limit_says_by_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
