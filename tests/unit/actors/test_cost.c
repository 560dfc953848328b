/* Cost: how many store operations, turns and bytes a step may take. These numbers are
 * a promise; they fail when somebody makes the engine more expensive. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "base/limits.h"
#include "tests/unit/actors/fixture.h"

#define WORKER 7u

static struct fixture *started(void)
{
    struct pawl_node_config config = { .partitions = 1 };
    struct fixture *fixture = fixture_new(&config);
    fixture_connect(fixture, WORKER, 1000, 10000);
    fixture_start(fixture, "i");
    return fixture;
}

static void an_activity_step_costs_one_store_operation(void **state)
{
    struct fixture *fixture = started();
    (void)state;
    enum { STEPS = 20 };
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    assert_non_null(turn);
    uint64_t before = fixture_operations(fixture);
    for (int32_t step = 0; step < STEPS; step++) {
        struct pawl_action action = fixture_action(PAWL_ACTION_ACTIVITY, step);
        fixture_turn_done(fixture, WORKER, &turn->turn, 1, &action);
        const struct pawl_frame *item = fixture_next(fixture, PAWL_FRAME_ACTIVITY);
        assert_non_null(item);
        fixture_activity_done(fixture, WORKER, &item->activity);
        turn = fixture_next(fixture, PAWL_FRAME_TURN);
        assert_non_null(turn);
    }
    assert_int_equal(fixture_operations(fixture) - before, STEPS);
    fixture_free(fixture);
}

static void a_workflow_of_five_activities_costs_seven_store_operations(void **state)
{
    struct pawl_node_config config = { .partitions = 1 };
    struct fixture *fixture = fixture_new(&config);
    (void)state;
    fixture_connect(fixture, WORKER, 100, 100);
    uint64_t before = fixture_operations(fixture);
    fixture_start(fixture, "i");
    for (int32_t step = 0; step < 5; step++) {
        struct pawl_action action = fixture_action(PAWL_ACTION_ACTIVITY, step);
        const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
        fixture_turn_done(fixture, WORKER, &turn->turn, 1, &action);
        const struct pawl_frame *item = fixture_next(fixture, PAWL_FRAME_ACTIVITY);
        fixture_activity_done(fixture, WORKER, &item->activity);
    }
    struct pawl_action complete = fixture_action(PAWL_ACTION_COMPLETE, -1);
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    fixture_turn_done(fixture, WORKER, &turn->turn, 1, &complete);
    /* create, and one commit for each of the six turns */
    assert_int_equal(fixture_operations(fixture) - before, 7);
    fixture_free(fixture);
}

static void a_held_instance_is_sent_only_what_is_new(void **state)
{
    struct fixture *fixture = started();
    (void)state;
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    struct pawl_id first = turn->turn.turn;
    assert_true(pawl_id_is_zero(turn->turn.base));
    assert_int_equal(turn->turn.events_count, 2); /* WorkflowStarted, ExecutionStarted */
    struct pawl_action action = fixture_action(PAWL_ACTION_ACTIVITY, 0);
    fixture_turn_done(fixture, WORKER, &turn->turn, 1, &action);
    fixture_activity_done(fixture, WORKER, &fixture_next(fixture, PAWL_FRAME_ACTIVITY)->activity);
    turn = fixture_next(fixture, PAWL_FRAME_TURN);
    assert_true(pawl_id_is_equal(turn->turn.base, first));
    assert_int_equal(turn->turn.events_count, 2); /* WorkflowStarted, TaskCompleted */
    fixture_free(fixture);
}

static void a_fan_out_of_1000_takes_at_most_20_turns(void **state)
{
    struct fixture *fixture = started();
    (void)state;
    enum { FAN = 1000 };
    static struct pawl_action actions[FAN];
    for (int32_t i = 0; i < FAN; i++) actions[i] = fixture_action(PAWL_ACTION_ACTIVITY, i);
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    fixture_turn_done(fixture, WORKER, &turn->turn, FAN, actions);

    uint32_t sent = fixture->sent_count, turns = 1;
    for (uint32_t i = 0; i < sent; i++) {
        const struct pawl_frame *frame = fixture->sent[i];
        if (frame->type == PAWL_FRAME_ACTIVITY)
            fixture_activity_done(fixture, WORKER, &frame->activity);
        /* The worker answers a turn as soon as it gets one. */
        while ((turn = fixture_next(fixture, PAWL_FRAME_TURN)) != NULL) {
            turns++;
            fixture_turn_done(fixture, WORKER, &turn->turn, 0, NULL);
        }
        if (i % 100 == 99) fixture_pass(fixture, 1);
    }
    fixture_pass(fixture, 10);
    while ((turn = fixture_next(fixture, PAWL_FRAME_TURN)) != NULL) {
        turns++;
        fixture_turn_done(fixture, WORKER, &turn->turn, 0, NULL);
        fixture_pass(fixture, 10);
    }
    assert_int_equal(pawl_node_metrics(fixture->node)->steps_total, FAN);
    assert_true(turns <= 20);
    fixture_free(fixture);
}

static void a_sleeping_instance_leaves_memory_and_comes_back(void **state)
{
    struct fixture *fixture = started();
    (void)state;
    struct pawl_action timer = fixture_action(PAWL_ACTION_TIMER, 0);
    timer.fire_at_ms = fixture->now_ms + 3600000;
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    fixture_turn_done(fixture, WORKER, &turn->turn, 1, &timer);
    assert_int_equal(pawl_node_metrics(fixture->node)->active_instances, 1);
    fixture_pass(fixture, 20000);
    assert_int_equal(pawl_node_metrics(fixture->node)->active_instances, 0);
    fixture_pass(fixture, 3600000 - 20000 - 1);
    assert_null(fixture_next(fixture, PAWL_FRAME_TURN)); /* never early */
    fixture_pass(fixture, 2);
    turn = fixture_next(fixture, PAWL_FRAME_TURN);
    assert_non_null(turn);
    fixture_free(fixture);
}

static void starts_without_a_worker_wait_in_the_store(void **state)
{
    struct pawl_node_config config = { .partitions = 1 };
    struct fixture *fixture = fixture_new(&config);
    enum { STARTS = PAWL_BACKLOG_MAX + 500 };
    (void)state;
    for (int i = 0; i < STARTS; i++) {
        char name[16];
        snprintf(name, sizeof name, "i%d", i);
        fixture_start(fixture, name);
        fixture->answers_count = 0;
    }
    assert_true(pawl_node_metrics(fixture->node)->active_instances <= PAWL_BACKLOG_MAX);
    fixture_pass(fixture, 120000);
    assert_true(pawl_node_metrics(fixture->node)->active_instances
                <= PAWL_BACKLOG_MAX + PAWL_POLL_ITEMS_MAX);
    assert_int_equal(pawl_node_metrics(fixture->node)->instances[PAWL_STATUS_PENDING], STARTS);

    fixture_connect(fixture, WORKER, STARTS, 0);
    fixture_pass(fixture, 120000); /* no turn is answered: a few go on per second */
    uint32_t turns = 0;
    while (fixture_next(fixture, PAWL_FRAME_TURN)) turns++;
    assert_int_equal(turns, STARTS);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_activity_step_costs_one_store_operation),
        cmocka_unit_test(a_workflow_of_five_activities_costs_seven_store_operations),
        cmocka_unit_test(a_held_instance_is_sent_only_what_is_new),
        cmocka_unit_test(a_fan_out_of_1000_takes_at_most_20_turns),
        cmocka_unit_test(starts_without_a_worker_wait_in_the_store),
        cmocka_unit_test(a_sleeping_instance_leaves_memory_and_comes_back),
    };
    return cmocka_run_group_tests_name("cost", tests, NULL, NULL);
}
