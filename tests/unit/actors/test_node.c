/* Node: what one engine does, event by event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "base/limits.h"
#include "tests/unit/actors/fixture.h"

#define WORKER 7u

static struct fixture *new_fixture(void)
{
    struct pawl_node_config config = { .partitions = 1 };
    return fixture_new(&config);
}

static pawl_err control(struct fixture *fixture, enum pawl_request_op op)
{
    struct pawl_request request = { .op = op, .instance = PAWL_BYTES_LITERAL("i") };
    fixture_call(fixture, &request);
    return fixture_last_err(fixture);
}

static pawl_err raise(struct fixture *fixture, const char *request_id)
{
    struct pawl_request request = { .op = PAWL_REQUEST_RAISE,
                                    .instance = PAWL_BYTES_LITERAL("i"),
                                    .name = PAWL_BYTES_LITERAL("e"),
                                    .request_id = pawl_bytes_str(request_id) };
    fixture_call(fixture, &request);
    return fixture_last_err(fixture);
}

static void management_needs_no_worker(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    fixture_start(fixture, "i");
    assert_int_equal(fixture_last_err(fixture), PAWL_OK);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_PENDING);
    assert_int_equal(raise(fixture, "r"), PAWL_OK);
    assert_int_equal(control(fixture, PAWL_REQUEST_SUSPEND), PAWL_OK);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_SUSPENDED);
    assert_int_equal(control(fixture, PAWL_REQUEST_RESUME), PAWL_OK);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_PENDING);
    assert_int_equal(control(fixture, PAWL_REQUEST_TERMINATE), PAWL_OK);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_TERMINATED);
    assert_int_equal(control(fixture, PAWL_REQUEST_PURGE), PAWL_OK);
    assert_int_equal(control(fixture, PAWL_REQUEST_GET), PAWL_E_NOT_FOUND);
    fixture_free(fixture);
}

static void wrong_states_are_told_and_change_nothing(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    assert_int_equal(control(fixture, PAWL_REQUEST_SUSPEND), PAWL_E_NOT_FOUND);
    assert_int_equal(raise(fixture, "r"), PAWL_E_NOT_FOUND);
    fixture_start(fixture, "i");
    fixture_start(fixture, "i");
    assert_int_equal(fixture_last_err(fixture), PAWL_E_EXISTS);
    assert_int_equal(control(fixture, PAWL_REQUEST_RESUME), PAWL_E_STATE);
    assert_int_equal(control(fixture, PAWL_REQUEST_PURGE), PAWL_E_NOT_TERMINAL);
    assert_int_equal(control(fixture, PAWL_REQUEST_RERUN), PAWL_E_NOT_TERMINAL);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_PENDING);
    assert_int_equal(control(fixture, PAWL_REQUEST_TERMINATE), PAWL_OK);
    assert_int_equal(raise(fixture, "r"), PAWL_E_TERMINAL);
    assert_int_equal(control(fixture, PAWL_REQUEST_TERMINATE), PAWL_E_TERMINAL);
    fixture_free(fixture);
}

static void a_suspended_instance_gets_no_turn_until_it_is_resumed(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    fixture_connect(fixture, WORKER, 10, 10);
    fixture_start(fixture, "i");
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    fixture_turn_done(fixture, WORKER, &turn->turn, 0, NULL);
    assert_int_equal(control(fixture, PAWL_REQUEST_SUSPEND), PAWL_OK);
    assert_int_equal(raise(fixture, "r"), PAWL_OK);
    fixture_pass(fixture, 60000);
    assert_null(fixture_next(fixture, PAWL_FRAME_TURN));
    assert_int_equal(control(fixture, PAWL_REQUEST_RESUME), PAWL_OK);
    turn = fixture_next(fixture, PAWL_FRAME_TURN);
    assert_non_null(turn);
    assert_int_equal(turn->turn.events_count, 2); /* WorkflowStarted, EventRaised */
    fixture_free(fixture);
}

static void a_repeated_event_is_delivered_once(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    fixture_start(fixture, "i");
    assert_int_equal(raise(fixture, "same"), PAWL_OK);
    assert_int_equal(raise(fixture, "same"), PAWL_OK);
    fixture_connect(fixture, WORKER, 10, 10);
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    assert_int_equal(turn->turn.events_count, 3); /* started, started, one event */
    fixture_free(fixture);
}

static void a_repeated_event_counts_also_when_it_has_ended_the_workflow(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    fixture_start(fixture, "i");
    assert_int_equal(raise(fixture, "last"), PAWL_OK);
    fixture_connect(fixture, WORKER, 10, 10);
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    struct pawl_action complete = fixture_action(PAWL_ACTION_COMPLETE, -1);
    fixture_turn_done(fixture, WORKER, &turn->turn, 1, &complete);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_COMPLETED);
    assert_int_equal(raise(fixture, "last"), PAWL_OK);
    assert_int_equal(raise(fixture, "another"), PAWL_E_TERMINAL);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_COMPLETED);
    fixture_free(fixture);
}

/* The second of the three is in the store, and nobody here has heard of it. */
static void a_row_behind_an_unheard_one_waits_for_it(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    fixture_connect(fixture, WORKER, 10, 10);
    fixture_start(fixture, "i");
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    fixture_turn_done(fixture, WORKER, &turn->turn, 0, NULL);
    fixture_pass(fixture, 60000); /* it has left memory */
    fixture->reply_late = PAWL_STORE_LOAD;
    assert_int_equal(raise(fixture, "first"), PAWL_OK);
    assert_non_null(fixture->late);
    fixture->reply_lost = PAWL_STORE_DELIVER;
    raise(fixture, "second");
    assert_int_equal(raise(fixture, "third"), PAWL_OK);
    fixture_reply_late(fixture);
    turn = fixture_next(fixture, PAWL_FRAME_TURN);
    assert_non_null(turn);
    assert_int_equal(turn->turn.events_count, 4); /* started, and all three */
    fixture_free(fixture);
}

static void nothing_leaves_before_the_commit_is_known(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    fixture_connect(fixture, WORKER, 10, 10);
    fixture_start(fixture, "i");
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    struct pawl_action action = fixture_action(PAWL_ACTION_ACTIVITY, 0);
    fixture->store_away = true;
    /* The refused commit is tried again later; until then nothing may leave. */
    struct pawl_turn_done done = { .turn = turn->turn.turn,
                                   .instance = turn->turn.instance,
                                   .actions_count = 1,
                                   .actions = &action };
    fixture_step(fixture, (struct pawl_node_event){
                              .type = PAWL_NODE_TURN_DONE, .worker = WORKER, .turn_done = &done });
    fixture_pass(fixture, 30000);
    assert_null(fixture_next(fixture, PAWL_FRAME_ACTIVITY));
    fixture->store_away = false;
    fixture_pass(fixture, 10000);
    assert_non_null(fixture_next(fixture, PAWL_FRAME_ACTIVITY));
    fixture_free(fixture);
}

static void what_waits_for_the_store_does_not_wait_on_when_it_is_back(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    fixture_connect(fixture, WORKER, 10, 10);
    fixture_start(fixture, "i");
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    struct pawl_action action = fixture_action(PAWL_ACTION_ACTIVITY, 0);
    fixture->store_away = true;
    fixture_turn_done(fixture, WORKER, &turn->turn, 1, &action);
    fixture_pass(fixture, 60000); /* the pauses are long by now */
    fixture->store_away = false;
    fixture_step(fixture, (struct pawl_node_event){ .type = PAWL_NODE_STORE_BACK });
    fixture_pass(fixture, 1);
    assert_non_null(fixture_next(fixture, PAWL_FRAME_ACTIVITY));
    fixture_free(fixture);
}

static void work_in_flight_goes_back_when_its_worker_is_lost(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    fixture_connect(fixture, WORKER, 10, 10);
    fixture_start(fixture, "i");
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    fixture_disconnect(fixture, WORKER);
    fixture_connect(fixture, WORKER + 1, 10, 10);
    const struct pawl_frame *again = fixture_next(fixture, PAWL_FRAME_TURN);
    assert_non_null(again);
    assert_false(pawl_id_is_equal(turn->turn.turn, again->turn.turn));

    struct pawl_action action = fixture_action(PAWL_ACTION_ACTIVITY, 0);
    fixture_turn_done(fixture, WORKER, &turn->turn, 1, &action); /* late: ignored */
    assert_null(fixture_next(fixture, PAWL_FRAME_ACTIVITY));
    fixture_turn_done(fixture, WORKER + 1, &again->turn, 1, &action);
    const struct pawl_frame *first = fixture_next(fixture, PAWL_FRAME_ACTIVITY);
    assert_int_equal(first->activity.attempt, 1);
    fixture_disconnect(fixture, WORKER + 1);
    fixture_connect(fixture, WORKER + 2, 10, 10);
    const struct pawl_frame *second = fixture_next(fixture, PAWL_FRAME_ACTIVITY);
    assert_int_equal(second->activity.attempt, 2);
    fixture_activity_done(fixture, WORKER + 2, &first->activity); /* an old token: ignored */
    assert_null(fixture_next(fixture, PAWL_FRAME_TURN));
    fixture_activity_done(fixture, WORKER + 2, &second->activity);
    assert_non_null(fixture_next(fixture, PAWL_FRAME_TURN));
    fixture_free(fixture);
}

static void a_long_activity_keeps_its_instance_and_what_the_worker_holds(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    fixture_connect(fixture, WORKER, 10, 10);
    fixture_start(fixture, "i");
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    struct pawl_id first = turn->turn.turn;
    struct pawl_action action = fixture_action(PAWL_ACTION_ACTIVITY, 0);
    fixture_turn_done(fixture, WORKER, &turn->turn, 1, &action);
    const struct pawl_frame *item = fixture_next(fixture, PAWL_FRAME_ACTIVITY);
    fixture_pass(fixture, 3600000);
    assert_null(fixture_next(fixture, PAWL_FRAME_ACTIVITY)); /* it runs once */
    fixture_activity_done(fixture, WORKER, &item->activity);
    turn = fixture_next(fixture, PAWL_FRAME_TURN);
    assert_true(pawl_id_is_equal(turn->turn.base, first));
    fixture_free(fixture);
}

static void a_workflow_that_kills_every_worker_stalls_and_can_be_resumed(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    fixture_start(fixture, "i");
    for (uint32_t i = 0; i < PAWL_TURN_ATTEMPTS_MAX; i++) {
        fixture_connect(fixture, WORKER + i, 10, 10);
        fixture_pass(fixture, 2 * PAWL_TURN_RETRY_MS_MAX);
        assert_non_null(fixture_next(fixture, PAWL_FRAME_TURN));
        fixture_disconnect(fixture, WORKER + i);
    }
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_STALLED);
    assert_true(pawl_bytes_is_str(fixture->answer_failure.type, "WorkerLost"));
    fixture_connect(fixture, 99, 10, 10);
    fixture_pass(fixture, 2 * PAWL_TURN_RETRY_MS_MAX);
    assert_null(fixture_next(fixture, PAWL_FRAME_TURN));
    assert_int_equal(control(fixture, PAWL_REQUEST_RESUME), PAWL_OK);
    assert_non_null(fixture_next(fixture, PAWL_FRAME_TURN));
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_PENDING);
    assert_false(fixture->answer_failure.present);
    fixture_free(fixture);
}

static void a_mismatch_stalls_with_the_workers_message(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    fixture_connect(fixture, WORKER, 10, 10);
    fixture_start(fixture, "i");
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    struct pawl_turn_done done = { .turn = turn->turn.turn,
                                   .instance = turn->turn.instance,
                                   .err = PAWL_E_NONDETERMINISM,
                                   .message = PAWL_BYTES_LITERAL("event 3 differs") };
    fixture_step(fixture, (struct pawl_node_event){
                              .type = PAWL_NODE_TURN_DONE, .worker = WORKER, .turn_done = &done });
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_STALLED);
    assert_true(pawl_bytes_is_str(fixture->answer_failure.message, "event 3 differs"));
    fixture_free(fixture);
}

static void an_unregistered_name_fails_at_once_but_a_client_alone_says_nothing(void **state)
{
    struct fixture *fixture = new_fixture();
    struct pawl_request request = { .op = PAWL_REQUEST_START,
                                    .instance = PAWL_BYTES_LITERAL("i"),
                                    .name = PAWL_BYTES_LITERAL("Unknown") };
    struct pawl_hello client = { .workflows_count = 0 };
    (void)state;
    fixture_step(fixture, (struct pawl_node_event){
                              .type = PAWL_NODE_WORKER_OPENED, .worker = 1, .hello = &client });
    fixture_call(fixture, &request);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_PENDING);
    fixture_connect(fixture, WORKER, 10, 10);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_FAILED);
    assert_true(pawl_bytes_is_str(fixture->answer_failure.type, "WorkflowNotRegistered"));
    fixture_free(fixture);
}

static void too_many_actions_fail_the_instance_and_no_other(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    static struct pawl_action actions[PAWL_TURN_ACTIONS_MAX + 1];
    for (uint32_t i = 0; i <= PAWL_TURN_ACTIONS_MAX; i++)
        actions[i] = fixture_action(PAWL_ACTION_TIMER, (int32_t)i);
    fixture_connect(fixture, WORKER, 10, 0);
    fixture_start(fixture, "i");
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    fixture_turn_done(fixture, WORKER, &turn->turn, PAWL_TURN_ACTIONS_MAX + 1, actions);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_FAILED);
    assert_true(pawl_bytes_is_str(fixture->answer_failure.type, "PawlLimitExceeded"));
    fixture_start(fixture, "k"); /* its end is no call */
    turn = fixture_next(fixture, PAWL_FRAME_TURN);
    actions[PAWL_TURN_ACTIONS_MAX] = fixture_action(PAWL_ACTION_COMPLETE, -1);
    fixture_turn_done(fixture, WORKER, &turn->turn, PAWL_TURN_ACTIONS_MAX + 1, actions);
    assert_int_equal(fixture_status(fixture, "k"), PAWL_STATUS_COMPLETED);
    fixture_start(fixture, "j");
    turn = fixture_next(fixture, PAWL_FRAME_TURN);
    fixture_turn_done(fixture, WORKER, &turn->turn, PAWL_TURN_ACTIONS_MAX, actions);
    assert_int_equal(fixture_status(fixture, "j"), PAWL_STATUS_RUNNING);
    fixture_free(fixture);
}

static void a_scheduled_start_waits_for_its_time(void **state)
{
    struct fixture *fixture = new_fixture();
    struct pawl_request request = { .op = PAWL_REQUEST_START,
                                    .instance = PAWL_BYTES_LITERAL("i"),
                                    .name = PAWL_BYTES_LITERAL("W"),
                                    .start_at_ms = fixture->now_ms + 600000 };
    (void)state;
    fixture_connect(fixture, WORKER, 10, 10);
    fixture_call(fixture, &request);
    fixture_pass(fixture, 600000 - 1);
    assert_null(fixture_next(fixture, PAWL_FRAME_TURN));
    fixture_pass(fixture, 1000);
    assert_non_null(fixture_next(fixture, PAWL_FRAME_TURN));
    fixture_free(fixture);
}

static void a_wait_is_answered_when_it_is_so_or_when_time_is_up(void **state)
{
    struct fixture *fixture = new_fixture();
    struct pawl_request wait = { .op = PAWL_REQUEST_WAIT,
                                 .instance = PAWL_BYTES_LITERAL("i"),
                                 .wait_for = PAWL_WAIT_COMPLETED,
                                 .timeout_ms = 5000 };
    (void)state;
    fixture_call(fixture, &wait);
    assert_int_equal(fixture_last_err(fixture), PAWL_E_NOT_FOUND);
    fixture_start(fixture, "i");
    uint32_t answers = fixture->answers_count;
    fixture_call(fixture, &wait);
    assert_int_equal(fixture->answers_count, answers);
    fixture_pass(fixture, 5001);
    assert_int_equal(fixture->answers_count, answers + 1);
    assert_int_equal(fixture->answer_status, PAWL_STATUS_PENDING);
    fixture_call(fixture, &wait);
    assert_int_equal(control(fixture, PAWL_REQUEST_TERMINATE), PAWL_OK);
    assert_int_equal(fixture->answers_count, answers + 3);
    assert_int_equal(fixture->answer_status, PAWL_STATUS_TERMINATED);
    fixture_free(fixture);
}

static void a_wait_may_begin_before_the_instance_is_there(void **state)
{
    struct fixture *fixture = new_fixture();
    struct pawl_request wait = { .op = PAWL_REQUEST_WAIT,
                                 .instance = PAWL_BYTES_LITERAL("i"),
                                 .wait_for = PAWL_WAIT_STARTED,
                                 .may_be_absent = true,
                                 .timeout_ms = 5000 };
    (void)state;
    fixture_call(fixture, &wait);
    assert_int_equal(fixture->answers_count, 0);
    fixture_pass(fixture, 5001);
    assert_int_equal(fixture->answers_count, 1);
    assert_int_equal(fixture_last_err(fixture), PAWL_OK);
    assert_false(fixture->answer_reached);

    fixture_connect(fixture, WORKER, 1, 1);
    fixture_call(fixture, &wait);
    assert_int_equal(control(fixture, PAWL_REQUEST_SUSPEND), PAWL_E_NOT_FOUND);
    fixture_start(fixture, "i");
    assert_int_equal(fixture->answers_count, 3); /* of the start: it is PENDING */
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    fixture_turn_done(fixture, WORKER, &turn->turn, 0, NULL);
    assert_int_equal(fixture->answers_count, 4);
    assert_int_equal(fixture->answer_status, PAWL_STATUS_RUNNING);

    /* One that was there and is gone will not come again. */
    wait.wait_for = PAWL_WAIT_COMPLETED;
    fixture_pass(fixture, 1);
    fixture_call(fixture, &wait);
    assert_int_equal(fixture->answers_count, 4);
    struct pawl_request purge = { .op = PAWL_REQUEST_PURGE,
                                  .instance = PAWL_BYTES_LITERAL("i"),
                                  .force = true };
    fixture_call(fixture, &purge);
    assert_int_equal(fixture->answers_count, 6);
    assert_int_equal(fixture_last_err(fixture), PAWL_E_NOT_FOUND);
    fixture_free(fixture);
}

static void who_wants_the_status_alone_is_told_without_a_read(void **state)
{
    struct fixture *fixture = new_fixture();
    struct pawl_request wait = { .op = PAWL_REQUEST_WAIT,
                                 .instance = PAWL_BYTES_LITERAL("i"),
                                 .wait_for = PAWL_WAIT_STARTED,
                                 .status_only = true,
                                 .timeout_ms = 5000 };
    (void)state;
    fixture_connect(fixture, WORKER, 1, 1);
    fixture_start(fixture, "i");
    fixture_call(fixture, &wait);
    fixture_call(fixture, &wait);
    uint64_t asked = fixture_operations(fixture);
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    fixture_turn_done(fixture, WORKER, &turn->turn, 0, NULL);
    assert_int_equal(fixture->answers_count, 3);
    assert_true(fixture->answer_reached);
    assert_int_equal(fixture->answer_status, PAWL_STATUS_RUNNING);
    assert_int_equal(fixture_operations(fixture), asked + 1); /* the commit */
    fixture_call(fixture, &wait);
    assert_int_equal(fixture->answers_count, 4); /* it is so already */
    fixture_free(fixture);
}

static void whoever_leaves_waits_for_nothing(void **state)
{
    struct fixture *fixture = new_fixture();
    struct pawl_request wait = { .op = PAWL_REQUEST_WAIT,
                                 .instance = PAWL_BYTES_LITERAL("i"),
                                 .wait_for = PAWL_WAIT_COMPLETED,
                                 .may_be_absent = true,
                                 .timeout_ms = 5000 };
    struct pawl_node_event gone = { .type = PAWL_NODE_REQUEST_GONE };
    (void)state;
    gone.request.token = fixture_call(fixture, &wait);
    fixture_step(fixture, gone);
    uint64_t asked = fixture_operations(fixture);
    fixture_pass(fixture, 6000);
    assert_int_equal(fixture_operations(fixture), asked);
    assert_int_equal(fixture->answers_count, 0);
    fixture_free(fixture);
}

static void a_full_sidecar_leaves_the_rest_in_the_store_and_loses_nothing(void **state)
{
    struct pawl_node_config config = { .partitions = 1, .instances_max = 2 };
    struct fixture *fixture = fixture_new(&config);
    const char *names[] = { "a", "b", "c", "d" };
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        fixture_start(fixture, names[i]);
        assert_int_equal(fixture_last_err(fixture), PAWL_OK);
    }
    assert_int_equal(pawl_node_metrics(fixture->node)->active_instances, 2);
    struct pawl_request suspend = { .op = PAWL_REQUEST_SUSPEND,
                                    .instance = PAWL_BYTES_LITERAL("c") };
    fixture_call(fixture, &suspend);
    assert_int_equal(fixture_last_err(fixture), PAWL_E_BUSY);

    fixture_connect(fixture, WORKER, 100, 0);
    struct pawl_action complete = fixture_action(PAWL_ACTION_COMPLETE, -1);
    for (size_t i = 0; i < 4; i++) {
        const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
        for (int waits = 0; !turn && waits < 60; waits++) {
            fixture_pass(fixture, 1000);
            turn = fixture_next(fixture, PAWL_FRAME_TURN);
        }
        assert_non_null(turn);
        fixture_turn_done(fixture, WORKER, &turn->turn, 1, &complete);
    }
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(fixture_status(fixture, names[i]), PAWL_STATUS_COMPLETED);
    fixture_free(fixture);
}

static void an_unreadable_reminder_stops_nobody_and_is_counted(void **state)
{
    (void)state;
    struct fixture *fixture = new_fixture();
    for (uint32_t i = 0; i < 3; i++)
        pawl_mem_store_plant_reminder(
            fixture->mem, 0, pawl_arena_printf(&fixture->arena, "w|broken|%u", (unsigned)i), 1);
    fixture_connect(fixture, WORKER, 1, 0);
    fixture_pass(fixture, PAWL_POLL_EVERY_MS);
    assert_int_equal(pawl_node_metrics(fixture->node)->reminders_unreadable_total, 3);
    fixture_start(fixture, "a");
    assert_non_null(fixture_next(fixture, PAWL_FRAME_TURN));
    fixture_pass(fixture, 5 * PAWL_POLL_EVERY_MS);
    assert_int_equal(pawl_node_metrics(fixture->node)->reminders_unreadable_total, 3);
    fixture_free(fixture);
}

static void connect_any(struct fixture *fixture, uint64_t worker)
{
    struct pawl_hello hello = { .any_name = true };
    fixture_step(fixture, (struct pawl_node_event){
                              .type = PAWL_NODE_WORKER_OPENED, .worker = worker, .hello = &hello });
    fixture_credit(fixture, worker, 100, 100);
}

static void start_named(struct fixture *fixture, const char *instance, const char *name)
{
    struct pawl_request request = { .op = PAWL_REQUEST_START,
                                    .instance = pawl_bytes_str(instance),
                                    .name = pawl_bytes_str(name) };
    fixture_call(fixture, &request);
}

static void a_worker_of_any_name_gets_what_nobody_has_registered(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    fixture_connect(fixture, WORKER, 10, 10); /* W and A */
    connect_any(fixture, WORKER + 1);
    start_named(fixture, "own", "W");
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    assert_true(pawl_bytes_is_str(turn->turn.instance, "own"));
    assert_int_equal(fixture->sent_to[fixture->sent_seen - 1], WORKER);
    start_named(fixture, "other", "Unheard");
    turn = fixture_next(fixture, PAWL_FRAME_TURN);
    assert_true(pawl_bytes_is_str(turn->turn.instance, "other"));
    assert_int_equal(fixture->sent_to[fixture->sent_seen - 1], WORKER + 1);

    /* Its activities go the same ways. */
    struct pawl_action actions[2] = { fixture_action(PAWL_ACTION_ACTIVITY, 0),
                                      fixture_action(PAWL_ACTION_ACTIVITY, 1) };
    actions[1].name = PAWL_BYTES_LITERAL("unheard");
    fixture_turn_done(fixture, WORKER + 1, &turn->turn, 2, actions);
    const struct pawl_frame *item = fixture_next(fixture, PAWL_FRAME_ACTIVITY);
    uint64_t first_to = fixture->sent_to[fixture->sent_seen - 1];
    assert_int_equal(first_to, item->activity.id == 0 ? WORKER : WORKER + 1);
    item = fixture_next(fixture, PAWL_FRAME_ACTIVITY);
    assert_int_not_equal(fixture->sent_to[fixture->sent_seen - 1], first_to);

    /* Without it, nobody answers for the name. */
    fixture_disconnect(fixture, WORKER + 1);
    assert_int_equal(fixture_status(fixture, "other"), PAWL_STATUS_RUNNING);
    start_named(fixture, "third", "Unheard");
    assert_int_equal(fixture_status(fixture, "third"), PAWL_STATUS_FAILED);
    fixture_free(fixture);
}

static void workers_are_given_work_in_turns(void **state)
{
    struct fixture *fixture = new_fixture();
    const char *instances[] = { "a", "b", "c", "d" };
    uint32_t given[2] = { 0, 0 };
    (void)state;
    connect_any(fixture, WORKER);
    connect_any(fixture, WORKER + 1);
    for (size_t i = 0; i < 4; i++) {
        fixture_start(fixture, instances[i]);
        assert_non_null(fixture_next(fixture, PAWL_FRAME_TURN));
        given[fixture->sent_to[fixture->sent_seen - 1] - WORKER]++;
    }
    assert_int_equal(given[0], 2);
    assert_int_equal(given[1], 2);
    fixture_free(fixture);
}

static void turn_done_uncached(struct fixture *fixture, const struct pawl_turn *turn,
                               struct pawl_action *action)
{
    struct pawl_turn_done done = {
        .turn = turn->turn, .instance = turn->instance, .actions_count = 1, .actions = action
    };
    fixture_step(fixture, (struct pawl_node_event){
                              .type = PAWL_NODE_TURN_DONE, .worker = WORKER, .turn_done = &done });
}

/* Returns the timestamp of the last event. */
static int64_t check_times(uint32_t count, const struct pawl_bytes *events, int64_t from_ms)
{
    for (uint32_t i = 0; i < count; i++) {
        struct pawl_history_event event;
        assert_int_equal(pawl_history_event_decode(events[i], &event), PAWL_OK);
        assert_true(event.timestamp_ms >= from_ms);
        from_ms = event.timestamp_ms;
    }
    return from_ms;
}

static void a_worker_that_caches_nothing_is_sent_the_whole_history_without_reading_it(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    connect_any(fixture, WORKER);
    fixture_start(fixture, "i");
    uint64_t before = fixture_operations(fixture);
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    enum { STEPS = 5 };
    for (int32_t step = 0; step < STEPS; step++) {
        struct pawl_action action = fixture_action(PAWL_ACTION_ACTIVITY, step);
        turn_done_uncached(fixture, &turn->turn, &action);
        const struct pawl_frame *item = fixture_next(fixture, PAWL_FRAME_ACTIVITY);
        fixture_pass(fixture, 3);
        fixture_activity_done(fixture, WORKER, &item->activity);
        const struct pawl_frame *past = fixture_next(fixture, PAWL_FRAME_HISTORY);
        assert_int_equal(past->history.events_count, 3 * (step + 1));
        turn = fixture_next(fixture, PAWL_FRAME_TURN);
        assert_int_equal(turn->turn.events_count, 2);
        int64_t last_ms = check_times(past->history.events_count, past->history.events, 0);
        check_times(turn->turn.events_count, turn->turn.events, last_ms);
    }
    assert_int_equal(fixture_operations(fixture) - before, STEPS);
    fixture_free(fixture);
}

static void what_waits_for_its_turn_carries_the_turns_time(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    fixture_start(fixture, "i");
    assert_int_equal(raise(fixture, "r"), PAWL_OK);
    fixture_pass(fixture, 100);
    connect_any(fixture, WORKER);
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    assert_int_equal(turn->turn.events_count, 3);
    assert_int_equal(check_times(3, turn->turn.events, 0), fixture->now_ms);
    fixture_free(fixture);
}

static void an_answered_operation_may_be_scheduled_again_under_its_id(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    connect_any(fixture, WORKER);
    fixture_start(fixture, "i");
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    struct pawl_action action = fixture_action(PAWL_ACTION_ACTIVITY, 4);
    for (int attempt = 0; attempt < 3; attempt++) {
        turn_done_uncached(fixture, &turn->turn, &action);
        const struct pawl_frame *item = fixture_next(fixture, PAWL_FRAME_ACTIVITY);
        assert_int_equal(item->activity.id, 4);
        fixture_activity_done(fixture, WORKER, &item->activity);
        turn = fixture_next(fixture, PAWL_FRAME_TURN);
        assert_int_equal(turn->turn.events_count, 2); /* WorkflowStarted, the result */
    }
    struct pawl_action complete = fixture_action(PAWL_ACTION_COMPLETE, -1);
    turn_done_uncached(fixture, &turn->turn, &complete);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_COMPLETED);
    fixture_free(fixture);
}

static void an_activity_that_is_given_back_is_dispatched_anew(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    connect_any(fixture, WORKER);
    fixture_start(fixture, "i");
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    struct pawl_action action = fixture_action(PAWL_ACTION_ACTIVITY, 0);
    turn_done_uncached(fixture, &turn->turn, &action);
    const struct pawl_frame *first = fixture_next(fixture, PAWL_FRAME_ACTIVITY);
    struct pawl_node_event back = { .type = PAWL_NODE_ACTIVITY_RETURNED,
                                    .worker = WORKER,
                                    .activity_returned = first->activity.token };
    fixture_step(fixture, back);
    const struct pawl_frame *second = fixture_next(fixture, PAWL_FRAME_ACTIVITY);
    assert_false(pawl_id_is_equal(first->activity.token, second->activity.token));
    assert_int_equal(second->activity.attempt, 1);
    fixture_step(fixture, back); /* of the old dispatch: nothing happens */
    assert_null(fixture_next(fixture, PAWL_FRAME_ACTIVITY));
    fixture_activity_done(fixture, WORKER, &second->activity);
    assert_non_null(fixture_next(fixture, PAWL_FRAME_TURN));
    fixture_free(fixture);
}

static void what_a_person_can_mend_stalls_and_what_is_wrong_fails(void **state)
{
    static const struct {
        pawl_err err;
        enum pawl_status status;
        const char *type;
    } cases[] = { { PAWL_E_VERSION, PAWL_STATUS_STALLED, "VersionNotAvailable" },
                  { PAWL_E_LIMIT, PAWL_STATUS_STALLED, "PayloadTooLarge" },
                  { PAWL_E_INVALID, PAWL_STATUS_FAILED, "INVALID" },
                  { PAWL_E_TOO_LARGE, PAWL_STATUS_FAILED, "TOO_LARGE" } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture *fixture = new_fixture();
        connect_any(fixture, WORKER);
        fixture_start(fixture, "i");
        const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
        struct pawl_turn_done done = { .turn = turn->turn.turn,
                                       .instance = turn->turn.instance,
                                       .err = cases[i].err,
                                       .message = PAWL_BYTES_LITERAL("why") };
        fixture_step(fixture, (struct pawl_node_event){ .type = PAWL_NODE_TURN_DONE,
                                                        .worker = WORKER,
                                                        .turn_done = &done });
        assert_int_equal(fixture_status(fixture, "i"), cases[i].status);
        assert_true(pawl_bytes_is_str(fixture->answer_failure.type, cases[i].type));
        fixture_free(fixture);
    }
}

/* Placement is a hint, and may be given up: versions that it has left in the store do not
 * lock a sidecar out that runs without. */
static void a_store_that_knew_placement_is_taken_without(void **state)
{
    (void)state;
    struct fixture *fixture = new_fixture();
    struct pawl_store_request request = { .op = PAWL_STORE_ACQUIRE };
    struct pawl_store_reply reply;
    request.acquire = (struct pawl_acquire){ .table_version = UINT64_C(7) << 32,
                                             .nonce = { { 1 } },
                                             .owner = PAWL_BYTES_LITERAL("placed") };
    pawl_mem_store_apply(fixture->mem, &request, &fixture->arena, &reply);
    assert_int_equal(reply.err, PAWL_OK);

    fixture_pass(fixture, 5000); /* its poll is fenced, its next acquire refused for the version */
    assert_true(pawl_node_is_ready(fixture->node));
    assert_int_equal(pawl_node_metrics(fixture->node)->partitions_owned, 1);
    fixture_free(fixture);
}

static void a_turn_that_never_reached_its_worker_takes_no_credit(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    fixture_connect(fixture, WORKER, 10, 0);
    fixture_start(fixture, "i");
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    struct pawl_action timer = fixture_action(PAWL_ACTION_TIMER, 0);
    timer.fire_at_ms = fixture->now_ms + 1000;
    fixture_turn_done(fixture, WORKER, &turn->turn, 1, &timer);
    fixture_disconnect(fixture, WORKER);

    /* The next worker needs the history, which the store does not give. */
    fixture_connect(fixture, WORKER + 1, 1, 0);
    fixture->store_away = true;
    fixture_pass(fixture, 1500);
    assert_null(fixture_next(fixture, PAWL_FRAME_TURN));
    struct pawl_request suspend = { .op = PAWL_REQUEST_SUSPEND,
                                    .instance = PAWL_BYTES_LITERAL("i") };
    fixture_call(fixture, &suspend);
    fixture->store_away = false;
    fixture_pass(fixture, 10000);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_SUSPENDED);
    assert_int_equal(control(fixture, PAWL_REQUEST_RESUME), PAWL_OK);
    fixture_pass(fixture, 1000);
    assert_non_null(fixture_next(fixture, PAWL_FRAME_TURN)); /* with its only credit */
    fixture_free(fixture);
}

/* Its first attempt has done it: that the second finds nothing is no news for the client. */
static void a_purge_whose_answer_is_lost_is_answered_well(void **state)
{
    (void)state;
    struct fixture *fixture = new_fixture();
    fixture_start(fixture, "i");
    struct pawl_request purge = { .op = PAWL_REQUEST_PURGE,
                                  .instance = PAWL_BYTES_LITERAL("i"),
                                  .force = true };
    fixture->reply_lost = PAWL_STORE_PURGE;
    fixture_call(fixture, &purge);
    fixture_pass(fixture, 2000);
    assert_int_equal(fixture_last_err(fixture), PAWL_OK);
    fixture_call(fixture, &purge);
    assert_int_equal(fixture_last_err(fixture), PAWL_E_NOT_FOUND);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(management_needs_no_worker),
        cmocka_unit_test(wrong_states_are_told_and_change_nothing),
        cmocka_unit_test(a_suspended_instance_gets_no_turn_until_it_is_resumed),
        cmocka_unit_test(a_repeated_event_is_delivered_once),
        cmocka_unit_test(a_row_behind_an_unheard_one_waits_for_it),
        cmocka_unit_test(a_repeated_event_counts_also_when_it_has_ended_the_workflow),
        cmocka_unit_test(nothing_leaves_before_the_commit_is_known),
        cmocka_unit_test(what_waits_for_the_store_does_not_wait_on_when_it_is_back),
        cmocka_unit_test(work_in_flight_goes_back_when_its_worker_is_lost),
        cmocka_unit_test(a_long_activity_keeps_its_instance_and_what_the_worker_holds),
        cmocka_unit_test(a_workflow_that_kills_every_worker_stalls_and_can_be_resumed),
        cmocka_unit_test(a_mismatch_stalls_with_the_workers_message),
        cmocka_unit_test(an_unregistered_name_fails_at_once_but_a_client_alone_says_nothing),
        cmocka_unit_test(too_many_actions_fail_the_instance_and_no_other),
        cmocka_unit_test(a_scheduled_start_waits_for_its_time),
        cmocka_unit_test(a_full_sidecar_leaves_the_rest_in_the_store_and_loses_nothing),
        cmocka_unit_test(an_unreadable_reminder_stops_nobody_and_is_counted),
        cmocka_unit_test(a_wait_is_answered_when_it_is_so_or_when_time_is_up),
        cmocka_unit_test(a_wait_may_begin_before_the_instance_is_there),
        cmocka_unit_test(who_wants_the_status_alone_is_told_without_a_read),
        cmocka_unit_test(whoever_leaves_waits_for_nothing),
        cmocka_unit_test(a_worker_of_any_name_gets_what_nobody_has_registered),
        cmocka_unit_test(workers_are_given_work_in_turns),
        cmocka_unit_test(a_worker_that_caches_nothing_is_sent_the_whole_history_without_reading_it),
        cmocka_unit_test(what_waits_for_its_turn_carries_the_turns_time),
        cmocka_unit_test(an_answered_operation_may_be_scheduled_again_under_its_id),
        cmocka_unit_test(an_activity_that_is_given_back_is_dispatched_anew),
        cmocka_unit_test(what_a_person_can_mend_stalls_and_what_is_wrong_fails),
        cmocka_unit_test(a_turn_that_never_reached_its_worker_takes_no_credit),
        cmocka_unit_test(a_store_that_knew_placement_is_taken_without),
        cmocka_unit_test(a_purge_whose_answer_is_lost_is_answered_well),
    };
    return cmocka_run_group_tests_name("node", tests, NULL, NULL);
}
