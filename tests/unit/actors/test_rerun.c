/* Rerun from an event: what is copied, what is made again, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "sdk/history.h"
#include "tests/unit/actors/fixture.h"

#define WORKER 7u

static void assert_refused(struct fixture *fixture, struct pawl_request request, pawl_err err,
                           const char *text)
{
    fixture_call(fixture, &request);
    assert_int_equal(fixture_last_err(fixture), err);
    assert_true(fixture_has_told(fixture, text));
}

static struct pawl_request rerun(const char *new_instance, uint32_t event_id)
{
    return (struct pawl_request){ .op = PAWL_REQUEST_RERUN,
                                  .instance = PAWL_BYTES_LITERAL("i"),
                                  .new_instance = pawl_bytes_str(new_instance),
                                  .has_event = true,
                                  .event_id = event_id };
}

static struct pawl_action activity(int32_t id, const char *input)
{
    struct pawl_action action = fixture_action(PAWL_ACTION_ACTIVITY, id);
    action.payload = pawl_bytes_str(input);
    return action;
}

/* The next activity that is given to the worker; its result is its input. */
static void do_activity(struct fixture *fixture, const char *expected_input)
{
    const struct pawl_frame *frame = fixture_next(fixture, PAWL_FRAME_ACTIVITY);
    assert_non_null(frame);
    assert_int_equal(frame->activity.payload.size, strlen(expected_input));
    assert_memory_equal(frame->activity.payload.size ? frame->activity.payload.data : NULL,
                        expected_input, strlen(expected_input));
    fixture_activity_done(fixture, WORKER, &frame->activity);
}

/* Activities 0, 1 and 2 one after the other, then the end; from turn `from` on. */
static void run_chain(struct fixture *fixture, int32_t from)
{
    static const char *const inputs[] = { "zero", "one", "two" };
    for (int32_t i = from; i < 3; i++) {
        struct pawl_action action = activity(i, inputs[i]);
        fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 1, &action);
        do_activity(fixture, inputs[i]);
    }
    struct pawl_action end = fixture_action(PAWL_ACTION_COMPLETE, -1);
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 1, &end);
}

static uint32_t kinds_of(uint32_t count, struct pawl_bytes *events, enum pawl_event_kind *kinds)
{
    for (uint32_t i = 0; i < count; i++) {
        struct pawl_history_event event;
        assert_int_equal(pawl_history_event_decode(events[i], &event), PAWL_OK);
        kinds[i] = event.kind;
    }
    return count;
}

static void the_turns_before_the_call_are_copied_and_the_rest_runs_anew(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    enum pawl_event_kind kinds[32];
    (void)state;
    fixture_start(fixture, "i");
    run_chain(fixture, 0);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_COMPLETED);

    struct pawl_request request = rerun("j", 1);
    fixture_call(fixture, &request);
    assert_int_equal(fixture_last_err(fixture), PAWL_OK);
    assert_int_equal(fixture_status(fixture, "j"), PAWL_STATUS_PENDING);

    const struct pawl_turn *turn = fixture_next_turn(fixture);
    assert_int_equal(turn->past_count, 3);
    assert_int_equal(kinds_of(turn->past_count, turn->events, kinds), 3);
    assert_int_equal(kinds[0], PAWL_EVENT_WORKFLOW_STARTED);
    assert_int_equal(kinds[1], PAWL_EVENT_EXECUTION_STARTED);
    assert_int_equal(kinds[2], PAWL_EVENT_TASK_SCHEDULED);
    assert_true(pawl_bytes_is_str(turn->instance, "j"));
    assert_int_equal(kinds_of(turn->events_count - 3, turn->events + 3, kinds), 2);
    assert_int_equal(kinds[0], PAWL_EVENT_WORKFLOW_STARTED);
    assert_int_equal(kinds[1], PAWL_EVENT_TASK_COMPLETED);

    struct pawl_action action = activity(1, "another one");
    fixture_turn_done(fixture, WORKER, turn, 1, &action);
    do_activity(fixture, "another one");
    run_chain(fixture, 2);
    assert_int_equal(fixture_status(fixture, "j"), PAWL_STATUS_COMPLETED);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_COMPLETED);
    fixture_free(fixture);
}

static void a_call_gets_another_input_or_none(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    fixture_start(fixture, "i");
    run_chain(fixture, 0);
    struct pawl_request request = rerun("j", 2);
    request.overwrite = true;
    request.payload = PAWL_BYTES_LITERAL("changed");
    fixture_call(fixture, &request);
    struct pawl_action action = activity(2, "two");
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 1, &action);
    do_activity(fixture, "changed");

    request = rerun("k", 2);
    request.overwrite = true;
    fixture_call(fixture, &request);
    (void)fixture_next_turn(fixture); /* what j does next */
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 1, &action);
    do_activity(fixture, "");
    fixture_free(fixture);
}

static void calls_without_a_result_are_made_again(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    fixture_start(fixture, "i");
    struct pawl_action calls[] = { activity(0, "zero"), activity(1, "one"),
                                   fixture_action(PAWL_ACTION_TIMER, 2) };
    calls[2].fire_at_ms = fixture->now_ms + 60000;
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 3, calls);
    do_activity(fixture, "zero");
    struct pawl_action later = activity(3, "three");
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 1, &later);
    struct pawl_request stop = { .op = PAWL_REQUEST_TERMINATE,
                                 .instance = PAWL_BYTES_LITERAL("i") };
    fixture_call(fixture, &stop);
    while (fixture_next(fixture, PAWL_FRAME_ACTIVITY)) {
    }

    struct pawl_request request = rerun("j", 3);
    fixture_call(fixture, &request);
    assert_int_equal(fixture_last_err(fixture), PAWL_OK);
    const struct pawl_turn *turn = fixture_next_turn(fixture);
    assert_null(fixture_next(fixture, PAWL_FRAME_ACTIVITY)); /* not before the code has run */

    /* An id that is in use is refused, as ever. */
    fixture_turn_done(fixture, WORKER, turn, 1, &later);
    do_activity(fixture, "one");
    do_activity(fixture, "three");
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 0, NULL); /* one */
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 0, NULL); /* three */
    fixture_pass(fixture, 61000);
    turn = fixture_next_turn(fixture); /* the timer */
    struct pawl_history_event event;
    assert_int_equal(pawl_history_event_decode(turn->events[turn->events_count - 1], &event),
                     PAWL_OK);
    assert_int_equal(event.kind, PAWL_EVENT_TIMER_FIRED);
    assert_int_equal(event.ref, 2);
    fixture_free(fixture);
}

static void an_action_under_the_id_of_a_call_that_is_made_again_is_refused(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    fixture_start(fixture, "i");
    struct pawl_action calls[] = { activity(0, "zero"), activity(1, "one") };
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 2, calls);
    do_activity(fixture, "zero");
    struct pawl_action later = activity(2, "two");
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 1, &later);
    struct pawl_request stop = { .op = PAWL_REQUEST_TERMINATE,
                                 .instance = PAWL_BYTES_LITERAL("i") };
    fixture_call(fixture, &stop);
    struct pawl_request request = rerun("j", 2);
    fixture_call(fixture, &request);
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 1, &calls[1]);
    assert_int_equal(fixture_status(fixture, "j"), PAWL_STATUS_FAILED);
    assert_true(pawl_bytes_is_str(fixture->answer_failure.type, "PawlLimitExceeded"));
    fixture_free(fixture);
}

static void what_cannot_be_run_anew_is_refused_and_nothing_changes(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    assert_refused(fixture, rerun("j", 0), PAWL_E_NOT_FOUND,
                   "workflow instance does not exist with ID 'i'");
    fixture_start(fixture, "i");
    struct pawl_action calls[] = { activity(0, "zero"), fixture_action(PAWL_ACTION_TIMER, 1),
                                   fixture_action(PAWL_ACTION_SEND_EVENT, 2),
                                   fixture_action(PAWL_ACTION_CHILD, 3),
                                   fixture_action(PAWL_ACTION_DETACHED, 4) };
    calls[4].name = PAWL_BYTES_LITERAL("W");
    calls[4].instance = PAWL_BYTES_LITERAL("free");
    calls[1].fire_at_ms = fixture->now_ms + 60000;
    calls[2].name = PAWL_BYTES_LITERAL("e");
    calls[2].instance = PAWL_BYTES_LITERAL("x");
    calls[3].name = PAWL_BYTES_LITERAL("W");
    calls[3].instance = PAWL_BYTES_LITERAL("i:0003");
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 5, calls);
    assert_refused(fixture, rerun("j", 0), PAWL_E_NOT_TERMINAL, "'i' is not in a terminal state");
    struct pawl_request stop = { .op = PAWL_REQUEST_TERMINATE,
                                 .instance = PAWL_BYTES_LITERAL("i"),
                                 .recursive = true };
    fixture_call(fixture, &stop);

    assert_refused(fixture, rerun("j", 9), PAWL_E_NOT_FOUND,
                   "does not have history event with ID '9'");
    assert_refused(fixture, rerun("j", 2), PAWL_E_NOT_FOUND, "is EventSent");
    assert_refused(fixture, rerun("j", 4), PAWL_E_INVALID, "is DetachedWorkflowCreated");
    assert_refused(fixture, rerun("i", 0), PAWL_E_INVALID, "another id");
    struct pawl_request request = rerun("j", 1);
    request.overwrite = true;
    assert_refused(fixture, request, PAWL_E_INVALID, "cannot write input to timer event '1'");
    request = rerun("j", 0);
    request.new_child = PAWL_BYTES_LITERAL("c");
    assert_refused(fixture, request, PAWL_E_INVALID, "is no child workflow");
    request = rerun("j", 0);
    request.instance = PAWL_BYTES_LITERAL("i:0003");
    assert_refused(fixture, request, PAWL_E_INVALID, "cannot rerun from child-workflows");
    struct pawl_request get = { .op = PAWL_REQUEST_GET, .instance = PAWL_BYTES_LITERAL("j") };
    fixture_call(fixture, &get);
    assert_int_equal(fixture_last_err(fixture), PAWL_E_NOT_FOUND);

    fixture_start(fixture, "j");
    assert_refused(fixture, rerun("j", 0), PAWL_E_EXISTS, "already exists");
    fixture_free(fixture);
}

static void children_of_the_new_run_are_its_own(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    fixture_start(fixture, "i");
    struct pawl_action child = fixture_action(PAWL_ACTION_CHILD, 0);
    child.name = PAWL_BYTES_LITERAL("W");
    child.instance = PAWL_BYTES_LITERAL("i:0000");
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 1, &child);
    struct pawl_action end = fixture_action(PAWL_ACTION_COMPLETE, -1);
    struct pawl_request raise = { .op = PAWL_REQUEST_RAISE,
                                  .instance = PAWL_BYTES_LITERAL("i"),
                                  .name = PAWL_BYTES_LITERAL("e") };
    (void)fixture_next_turn(fixture); /* the child's, which never answers */
    fixture_call(fixture, &raise);
    struct pawl_action call = activity(1, "one");
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 1, &call);
    struct pawl_request stop = { .op = PAWL_REQUEST_TERMINATE,
                                 .instance = PAWL_BYTES_LITERAL("i"),
                                 .recursive = true };
    fixture_call(fixture, &stop);

    struct pawl_request request = rerun("j", 1); /* the child had no result by then */
    fixture_call(fixture, &request);
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 1, &call);
    const struct pawl_turn *turn = fixture_next_turn(fixture);
    assert_true(pawl_bytes_is_str(turn->instance, "j:0000"));
    fixture_turn_done(fixture, WORKER, turn, 1, &end);
    turn = fixture_next_turn(fixture); /* of j: the child's result */
    assert_true(pawl_bytes_is_str(turn->instance, "j"));
    assert_int_equal(fixture_status(fixture, "i:0000"), PAWL_STATUS_TERMINATED);

    request = rerun("k", 0);
    request.new_child = PAWL_BYTES_LITERAL("mine");
    fixture_call(fixture, &request);
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 1, &child);
    assert_true(pawl_bytes_is_str(fixture_next_turn(fixture)->instance, "mine"));
    fixture_free(fixture);
}

static void a_run_can_be_ended_before_its_first_turn(void **state)
{
    struct pawl_node_config config = { .partitions = 1 };
    struct fixture *fixture = fixture_new(&config);
    (void)state;
    fixture_connect(fixture, WORKER, 100, 100);
    fixture_start(fixture, "i");
    struct pawl_action child = fixture_action(PAWL_ACTION_CHILD, 0);
    child.name = PAWL_BYTES_LITERAL("W");
    child.instance = PAWL_BYTES_LITERAL("i:0000");
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 1, &child);
    struct pawl_request raise = { .op = PAWL_REQUEST_RAISE,
                                  .instance = PAWL_BYTES_LITERAL("i"),
                                  .name = PAWL_BYTES_LITERAL("e") };
    (void)fixture_next_turn(fixture);
    fixture_call(fixture, &raise);
    struct pawl_action calls[] = { activity(1, "one"), fixture_action(PAWL_ACTION_COMPLETE, -1) };
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 2, calls);
    fixture_disconnect(fixture, WORKER);

    struct pawl_request request = rerun("j", 1);
    fixture_call(fixture, &request);
    struct pawl_request stop = { .op = PAWL_REQUEST_TERMINATE,
                                 .instance = PAWL_BYTES_LITERAL("j"),
                                 .recursive = true };
    fixture_call(fixture, &stop);
    assert_int_equal(fixture_status(fixture, "j"), PAWL_STATUS_TERMINATED);
    fixture_pass(fixture, 120000);
    struct pawl_request get = { .op = PAWL_REQUEST_GET, .instance = PAWL_BYTES_LITERAL("j:0000") };
    fixture_call(fixture, &get);
    assert_int_equal(fixture_last_err(fixture), PAWL_E_NOT_FOUND); /* its child was never started */
    fixture_free(fixture);
}

/* The simulator's seed 148827 found it reading what was freed. */
static void a_first_commit_that_is_sent_again_outlives_the_ownership(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    fixture_start(fixture, "i");
    run_chain(fixture, 0);
    struct pawl_request request = rerun("j", 1);
    fixture_call(fixture, &request);
    const struct pawl_turn *turn = fixture_next_turn(fixture);
    fixture->refuse = PAWL_STORE_COMMIT;
    fixture->refuse_count = 1;
    struct pawl_action end = fixture_action(PAWL_ACTION_COMPLETE, -1);
    fixture_turn_done(fixture, WORKER, turn, 1, &end);
    assert_int_equal(fixture->refuse_count, 0);
    fixture_step(fixture,
                 (struct pawl_node_event){ .type = PAWL_NODE_DISOWN, .own = { .partition = 0 } });
    fixture_pass(fixture, 5000);
    fixture_step(fixture,
                 (struct pawl_node_event){ .type = PAWL_NODE_OWN,
                                           .own = { .partition = 0, .table_version = 2 } });
    assert_int_equal(fixture_status(fixture, "j"), PAWL_STATUS_COMPLETED);
    fixture_call(fixture, &(struct pawl_request){ .op = PAWL_REQUEST_HISTORY,
                                                  .instance = PAWL_BYTES_LITERAL("j"),
                                                  .limit = 100 });
    assert_int_equal(fixture_last_err(fixture), PAWL_OK);
    assert_true(fixture->history_kinds_count > turn->past_count);
    fixture_free(fixture);
}

static void assert_rerun_of(struct pawl_bytes packed, const char *source)
{
    struct pawl_history_event event;
    assert_int_equal(pawl_history_event_decode(packed, &event), PAWL_OK);
    if (source)
        assert_true(pawl_bytes_is_str(event.rerun_of, source));
    else
        assert_true(pawl_bytes_is_absent(event.rerun_of));
}

static const struct pawl_snapshot *stored(struct fixture *fixture, const char *instance)
{
    static struct pawl_store_reply reply;
    struct pawl_store_request request = { .op = PAWL_STORE_LOAD };
    request.load = (struct pawl_load){ .instance = pawl_bytes_str(instance),
                                       .want = PAWL_LOAD_HISTORY,
                                       .history_max = 1000,
                                       .history_size_max = UINT32_MAX };
    pawl_mem_store_apply(fixture->mem, &request, &fixture->arena, &reply);
    assert_int_equal(reply.err, PAWL_OK);
    return &reply.load.snapshot;
}

static void calls_that_are_made_again_name_the_source(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    fixture_start(fixture, "i");
    struct pawl_action actions[] = { activity(0, "zero"), fixture_action(PAWL_ACTION_TIMER, 1) };
    actions[1].fire_at_ms = fixture->now_ms + 60000;
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 2, actions);
    do_activity(fixture, "zero");
    struct pawl_action second = activity(2, "two");
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 1, &second);
    do_activity(fixture, "two");
    struct pawl_action end = fixture_action(PAWL_ACTION_COMPLETE, -1);
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 1, &end);

    struct pawl_request request = rerun("j", 2);
    fixture_call(fixture, &request);
    assert_int_equal(fixture_last_err(fixture), PAWL_OK);
    const struct pawl_turn *turn = fixture_next_turn(fixture);
    struct pawl_action more[] = { second, activity(3, "three") };
    fixture_turn_done(fixture, WORKER, turn, 2, more);
    const struct pawl_snapshot *now = stored(fixture, "j");
    assert_int_equal(now->history_count, 8);
    assert_rerun_of(now->history[2], NULL); /* the activity has its result */
    assert_rerun_of(now->history[3], "i");  /* the timer is made again */
    assert_rerun_of(now->history[6], "i");  /* from here on it runs anew */
    assert_rerun_of(now->history[7], NULL);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_turns_before_the_call_are_copied_and_the_rest_runs_anew),
        cmocka_unit_test(a_call_gets_another_input_or_none),
        cmocka_unit_test(calls_without_a_result_are_made_again),
        cmocka_unit_test(an_action_under_the_id_of_a_call_that_is_made_again_is_refused),
        cmocka_unit_test(what_cannot_be_run_anew_is_refused_and_nothing_changes),
        cmocka_unit_test(children_of_the_new_run_are_its_own),
        cmocka_unit_test(a_run_can_be_ended_before_its_first_turn),
        cmocka_unit_test(a_first_commit_that_is_sent_again_outlives_the_ownership),
        cmocka_unit_test(calls_that_are_made_again_name_the_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
