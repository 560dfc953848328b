/* Attempt: the limits of a running activity, its heartbeats, and calling it off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "base/limits.h"
#include "tests/unit/actors/fixture.h"

#define WORKER 7u

/* An instance that has called "A" with these limits; its activity is at WORKER. */
static struct fixture *new_running(struct pawl_action action,
                                   const struct pawl_activity_item **ret_item)
{
    struct pawl_node_config config = { .partitions = 1 };
    struct fixture *fixture = fixture_new(&config);
    fixture_connect(fixture, WORKER, 10, 10);
    fixture_start(fixture, "i");
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    fixture_turn_done(fixture, WORKER, &turn->turn, 1, &action);
    const struct pawl_frame *frame = fixture_next(fixture, PAWL_FRAME_ACTIVITY);
    assert_non_null(frame);
    *ret_item = &frame->activity;
    return fixture;
}

static void beat(struct fixture *fixture, const struct pawl_activity_item *item,
                 const char *progress)
{
    struct pawl_activity_beat beat = { .token = item->token, .progress = pawl_bytes_str(progress) };
    fixture_step(fixture, (struct pawl_node_event){ .type = PAWL_NODE_ACTIVITY_HEARTBEAT,
                                                    .worker = WORKER,
                                                    .activity_beat = &beat });
}

/* The result that the next turn brings. */
static struct pawl_history_event next_result(struct fixture *fixture)
{
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    struct pawl_history_event event;
    assert_non_null(turn);
    assert_int_equal(turn->turn.events_count, 2); /* WorkflowStarted, the result */
    assert_int_equal(pawl_history_event_decode(turn->turn.events[1], &event), PAWL_OK);
    return event;
}

static void assert_called_off(struct fixture *fixture, const struct pawl_activity_item *item)
{
    const struct pawl_frame *cancel = fixture_next(fixture, PAWL_FRAME_ACTIVITY_CANCEL);
    assert_non_null(cancel);
    assert_true(pawl_id_is_equal(cancel->activity_cancel, item->token));
}

static struct pawl_action limited(int64_t start_to_close_ms, int64_t heartbeat_ms)
{
    struct pawl_action action = fixture_action(PAWL_ACTION_ACTIVITY, 0);
    action.start_to_close_ms = start_to_close_ms;
    action.heartbeat_ms = heartbeat_ms;
    return action;
}

static void an_attempt_that_takes_too_long_fails_and_its_late_result_is_ignored(void **state)
{
    const struct pawl_activity_item *item;
    struct fixture *fixture = new_running(limited(5000, 0), &item);
    (void)state;
    assert_int_equal(item->start_to_close_ms, 5000);
    beat(fixture, item, NULL);
    fixture_pass(fixture, 4999);
    beat(fixture, item, "half"); /* a heartbeat gives no more time */
    assert_null(fixture_next(fixture, PAWL_FRAME_TURN));
    fixture_pass(fixture, 1);
    assert_called_off(fixture, item);
    struct pawl_history_event failed = next_result(fixture);
    assert_int_equal(failed.kind, PAWL_EVENT_TASK_FAILED);
    assert_true(pawl_bytes_is_str(failed.failure.type, "StartToCloseTimeout"));
    assert_false(failed.failure.non_retriable);
    assert_true(pawl_bytes_is_str(failed.progress, "half"));
    assert_int_equal(pawl_node_metrics(fixture->node)->activities_timed_out_total, 1);
    assert_int_equal(pawl_node_metrics(fixture->node)->activities_running, 0);

    fixture_activity_done(fixture, WORKER, item);
    fixture_pass(fixture, 60000);
    assert_null(fixture_next(fixture, PAWL_FRAME_TURN));
    assert_null(fixture_next(fixture, PAWL_FRAME_ACTIVITY));
    fixture_free(fixture);
}

static void an_attempt_that_falls_silent_fails(void **state)
{
    const struct pawl_activity_item *item;
    struct fixture *fixture = new_running(limited(0, 3000), &item);
    (void)state;
    beat(fixture, item, NULL);
    for (int i = 0; i < 20; i++) {
        fixture_pass(fixture, 2999);
        beat(fixture, item, i == 10 ? "10" : NULL);
    }
    assert_null(fixture_next(fixture, PAWL_FRAME_TURN));
    fixture_pass(fixture, 3000);
    assert_called_off(fixture, item);
    struct pawl_history_event failed = next_result(fixture);
    assert_true(pawl_bytes_is_str(failed.failure.type, "HeartbeatTimeout"));
    assert_false(failed.failure.non_retriable);
    assert_true(pawl_bytes_is_str(failed.progress, "10"));
    fixture_free(fixture);
}

static void limits_count_from_when_the_function_begins(void **state)
{
    const struct pawl_activity_item *item;
    struct fixture *fixture = new_running(limited(3000, 3000), &item);
    (void)state;
    fixture_pass(fixture, 3600000); /* it waits for a thread of its worker */
    assert_null(fixture_next(fixture, PAWL_FRAME_TURN));
    beat(fixture, item, NULL);
    fixture_pass(fixture, 2999);
    fixture_activity_done(fixture, WORKER, item);
    assert_int_equal(next_result(fixture).kind, PAWL_EVENT_TASK_COMPLETED);
    assert_null(fixture_next(fixture, PAWL_FRAME_ACTIVITY_CANCEL));
    fixture_free(fixture);
}

static void a_worker_that_does_not_say_when_it_begins_begins_at_once(void **state)
{
    struct pawl_node_config config = { .partitions = 1 };
    struct fixture *fixture = fixture_new(&config);
    struct pawl_registration workflow = { .name = PAWL_BYTES_LITERAL("W") };
    struct pawl_registration activity = { .name = PAWL_BYTES_LITERAL("A") };
    struct pawl_hello hello = {
        .workflows_count = 1, .workflows = &workflow, .activities_count = 1, .activities = &activity
    };
    (void)state;
    fixture_step(fixture, (struct pawl_node_event){
                              .type = PAWL_NODE_WORKER_OPENED, .worker = WORKER, .hello = &hello });
    fixture_credit(fixture, WORKER, 10, 10);
    fixture_start(fixture, "i");
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    struct pawl_action action = limited(3000, 0);
    fixture_turn_done(fixture, WORKER, &turn->turn, 1, &action);
    assert_false(fixture_next(fixture, PAWL_FRAME_ACTIVITY)->activity.takes_heartbeats);
    uint32_t seen = fixture->sent_seen;
    fixture_pass(fixture, 3000);
    assert_true(pawl_bytes_is_str(next_result(fixture).failure.type, "StartToCloseTimeout"));
    fixture->sent_seen = seen;
    assert_null(fixture_next(fixture, PAWL_FRAME_ACTIVITY_CANCEL)); /* it would not know it */
    fixture_free(fixture);
}

static void progress_outlives_a_lost_worker(void **state)
{
    const struct pawl_activity_item *item;
    struct pawl_action action = limited(0, 3000);
    action.progress = PAWL_BYTES_LITERAL("of the try before");
    struct fixture *fixture = new_running(action, &item);
    (void)state;
    assert_true(pawl_bytes_is_str(item->progress, "of the try before"));
    beat(fixture, item, "7/9");
    beat(fixture, item, NULL); /* says nothing new */
    fixture_disconnect(fixture, WORKER);
    fixture_pass(fixture, 60000); /* its limits are over with the attempt */
    fixture_connect(fixture, WORKER, 10, 10);
    const struct pawl_frame *again = fixture_next(fixture, PAWL_FRAME_ACTIVITY);
    assert_int_equal(again->activity.attempt, 2);
    assert_true(pawl_bytes_is_str(again->activity.progress, "7/9"));
    fixture_pass(fixture, 60000);
    beat(fixture, item, "8/9"); /* of the lost attempt: ignored */
    fixture_pass(fixture, 60000);
    beat(fixture, &again->activity, NULL);
    fixture_pass(fixture, 3000);
    assert_true(pawl_bytes_is_str(next_result(fixture).progress, "7/9"));
    fixture_free(fixture);
}

static void a_failure_carries_the_progress_to_the_next_try(void **state)
{
    const struct pawl_activity_item *item;
    struct fixture *fixture = new_running(limited(0, 0), &item);
    (void)state;
    beat(fixture, item, "3/9");
    struct pawl_activity_done done = {
        .token = item->token, .failure = { .present = true, .type = PAWL_BYTES_LITERAL("Unlucky") }
    };
    fixture_step(fixture, (struct pawl_node_event){ .type = PAWL_NODE_ACTIVITY_DONE,
                                                    .worker = WORKER,
                                                    .activity_done = &done });
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    struct pawl_history_event failed;
    assert_int_equal(pawl_history_event_decode(turn->turn.events[1], &failed), PAWL_OK);
    assert_true(pawl_bytes_is_str(failed.progress, "3/9"));
    struct pawl_action again = fixture_action(PAWL_ACTION_ACTIVITY, 1);
    again.progress = failed.progress;
    fixture_turn_done(fixture, WORKER, &turn->turn, 1, &again);
    const struct pawl_frame *next = fixture_next(fixture, PAWL_FRAME_ACTIVITY);
    assert_true(pawl_bytes_is_str(next->activity.progress, "3/9"));
    assert_int_equal(next->activity.attempt, 1);
    fixture_free(fixture);
}

static void huge_limits_are_as_good_as_none(void **state)
{
    const struct pawl_activity_item *item;
    struct pawl_action action = limited(INT64_MAX, INT64_MAX - 1);
    action.start_within_ms = INT64_MAX;
    struct fixture *fixture = new_running(action, &item);
    (void)state;
    beat(fixture, item, NULL);
    fixture_pass(fixture, INT64_C(86400000));
    assert_null(fixture_next(fixture, PAWL_FRAME_TURN));
    fixture_activity_done(fixture, WORKER, item);
    assert_int_equal(next_result(fixture).kind, PAWL_EVENT_TASK_COMPLETED);
    fixture_free(fixture);
}

static void control(struct fixture *fixture, enum pawl_request_op op)
{
    struct pawl_request request = { .op = op, .instance = PAWL_BYTES_LITERAL("i") };
    fixture_call(fixture, &request);
    assert_int_equal(fixture->answer_errs[fixture->answers_count - 1], PAWL_OK);
}

static void a_running_activity_is_called_off_when_its_instance_is_terminated(void **state)
{
    const struct pawl_activity_item *item;
    struct fixture *fixture = new_running(limited(5000, 5000), &item);
    (void)state;
    beat(fixture, item, NULL);
    control(fixture, PAWL_REQUEST_SUSPEND);
    control(fixture, PAWL_REQUEST_RESUME);
    assert_null(fixture_next(fixture, PAWL_FRAME_ACTIVITY_CANCEL));
    control(fixture, PAWL_REQUEST_TERMINATE);
    fixture->sent_seen = 0;
    assert_called_off(fixture, item);
    assert_int_equal(pawl_node_metrics(fixture->node)->activities_cancelled_total, 1);
    assert_int_equal(pawl_node_metrics(fixture->node)->activities_running, 0);
    fixture_activity_done(fixture, WORKER, item);
    fixture_disconnect(fixture, WORKER);
    fixture_pass(fixture, 60000);
    assert_int_equal(pawl_node_metrics(fixture->node)->activities_queued, 0);
    fixture_free(fixture);
}

static void a_running_activity_is_called_off_when_its_instance_ends_or_continues(void **state)
{
    static const enum pawl_action_kind ends[] = { PAWL_ACTION_COMPLETE, PAWL_ACTION_CONTINUE };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const struct pawl_activity_item *item;
        struct fixture *fixture = new_running(limited(0, 0), &item);
        struct pawl_request raise = { .op = PAWL_REQUEST_RAISE,
                                      .instance = PAWL_BYTES_LITERAL("i"),
                                      .name = PAWL_BYTES_LITERAL("e") };
        fixture_call(fixture, &raise);
        const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
        struct pawl_action end = fixture_action(ends[i], -1);
        fixture_turn_done(fixture, WORKER, &turn->turn, 1, &end);
        assert_called_off(fixture, item);
        fixture_free(fixture);
    }
}

/* Raise an event, so that there is a turn, and answer it with these actions. */
static void next_turn(struct fixture *fixture, uint32_t count, struct pawl_action *actions)
{
    struct pawl_request raise = { .op = PAWL_REQUEST_RAISE,
                                  .instance = PAWL_BYTES_LITERAL("i"),
                                  .name = PAWL_BYTES_LITERAL("e") };
    fixture_call(fixture, &raise);
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    assert_non_null(turn);
    fixture_turn_done(fixture, WORKER, &turn->turn, count, actions);
}

static struct pawl_action cancel_of(int32_t ref)
{
    struct pawl_action cancel = fixture_action(PAWL_ACTION_CANCEL_ACTIVITY, -1);
    cancel.ref = ref;
    return cancel;
}

static void an_activity_that_its_workflow_gives_up_is_called_off(void **state)
{
    const struct pawl_activity_item *item;
    struct fixture *fixture = new_running(limited(0, 0), &item);
    struct pawl_action cancels[] = { cancel_of(0), cancel_of(0), cancel_of(77) };
    (void)state;
    next_turn(fixture, 3, cancels); /* the second and third mean nothing */
    assert_called_off(fixture, item);
    fixture_activity_done(fixture, WORKER, item);
    fixture_pass(fixture, 60000);
    assert_null(fixture_next(fixture, PAWL_FRAME_TURN));
    assert_null(fixture_next(fixture, PAWL_FRAME_ACTIVITY));
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_RUNNING);
    fixture_free(fixture);
}

static void an_activity_given_up_in_the_turn_that_made_it_never_runs(void **state)
{
    const struct pawl_activity_item *item;
    struct fixture *fixture = new_running(limited(0, 0), &item);
    struct pawl_action actions[] = { fixture_action(PAWL_ACTION_ACTIVITY, 1), cancel_of(1) };
    (void)state;
    next_turn(fixture, 2, actions);
    fixture_pass(fixture, 120000);
    assert_null(fixture_next(fixture, PAWL_FRAME_ACTIVITY));
    assert_int_equal(pawl_node_metrics(fixture->node)->activities_queued, 0);
    fixture_free(fixture);
}

static void an_activity_given_up_before_it_began_never_does(void **state)
{
    const struct pawl_activity_item *item;
    struct fixture *fixture = new_running(limited(0, 0), &item);
    (void)state;
    struct pawl_action more[10]; /* with the first one more than the worker has credit for */
    for (int32_t id = 1; id <= 10; id++) more[id - 1] = fixture_action(PAWL_ACTION_ACTIVITY, id);
    next_turn(fixture, 10, more);
    assert_int_equal(pawl_node_metrics(fixture->node)->activities_queued, 1);
    struct pawl_action cancel = cancel_of(10);
    next_turn(fixture, 1, &cancel);
    assert_int_equal(pawl_node_metrics(fixture->node)->activities_queued, 0);
    assert_null(fixture_next(fixture, PAWL_FRAME_ACTIVITY_CANCEL));
    fixture_free(fixture);
}

static void an_activity_that_loses_its_workers_rests_ever_longer_and_then_stalls(void **state)
{
    struct pawl_node_config config = { .partitions = 1, .activity_attempts_max = 4 };
    struct fixture *fixture = fixture_new(&config);
    (void)state;
    fixture_connect(fixture, 1, 10, 10);
    fixture_start(fixture, "i");
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    struct pawl_action action = fixture_action(PAWL_ACTION_ACTIVITY, 0);
    fixture_turn_done(fixture, 1, &turn->turn, 1, &action);
    int64_t rested_ms = 0;
    for (uint32_t attempt = 1; attempt <= 4; attempt++) {
        const struct pawl_frame *item = fixture_next(fixture, PAWL_FRAME_ACTIVITY);
        assert_non_null(item);
        assert_int_equal(item->activity.attempt, attempt);
        fixture_disconnect(fixture, attempt);
        fixture_connect(fixture, attempt + 1, 10, 10);
        if (attempt < 2 || attempt == 4) continue; /* one loss may be bad luck */
        int64_t before_ms = fixture->now_ms, least_ms = rested_ms + 1;
        uint32_t sent = fixture->sent_count;
        while (fixture->sent_count == sent) fixture_pass(fixture, 10);
        rested_ms = fixture->now_ms - before_ms;
        assert_true(rested_ms >= PAWL_TURN_RETRY_MS_MIN && rested_ms >= least_ms);
    }
    assert_null(fixture_next(fixture, PAWL_FRAME_ACTIVITY));
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_STALLED);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_attempt_that_takes_too_long_fails_and_its_late_result_is_ignored),
        cmocka_unit_test(an_attempt_that_falls_silent_fails),
        cmocka_unit_test(limits_count_from_when_the_function_begins),
        cmocka_unit_test(a_worker_that_does_not_say_when_it_begins_begins_at_once),
        cmocka_unit_test(progress_outlives_a_lost_worker),
        cmocka_unit_test(a_failure_carries_the_progress_to_the_next_try),
        cmocka_unit_test(huge_limits_are_as_good_as_none),
        cmocka_unit_test(a_running_activity_is_called_off_when_its_instance_is_terminated),
        cmocka_unit_test(a_running_activity_is_called_off_when_its_instance_ends_or_continues),
        cmocka_unit_test(an_activity_that_its_workflow_gives_up_is_called_off),
        cmocka_unit_test(an_activity_given_up_in_the_turn_that_made_it_never_runs),
        cmocka_unit_test(an_activity_given_up_before_it_began_never_does),
        cmocka_unit_test(an_activity_that_loses_its_workers_rests_ever_longer_and_then_stalls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
