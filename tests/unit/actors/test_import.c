/* Import: what has ended comes in as it was, what has not goes on, and what cannot be is
 * refused with the event that it is about. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include "actors/import.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "tests/unit/actors/fixture.h"

#define WORKER   7u
#define LONG_AGO INT64_C(1000000)

static const struct pawl_snapshot *stored(struct fixture *fixture, const char *instance)
{
    static struct pawl_store_reply reply;
    struct pawl_store_request request = { .op = PAWL_STORE_LOAD };
    request.load = (struct pawl_load){ .instance = pawl_bytes_str(instance),
                                       .want = PAWL_LOAD_HISTORY | PAWL_LOAD_INBOX
                                               | PAWL_LOAD_PAYLOADS | PAWL_LOAD_PENDING,
                                       .history_max = 1000,
                                       .history_size_max = UINT32_MAX };
    pawl_mem_store_apply(fixture->mem, &request, &fixture->arena, &reply);
    assert_int_equal(reply.err, PAWL_OK);
    return &reply.load.snapshot;
}

/* As an export of it says. */
static struct pawl_import exported(struct fixture *fixture, const char *instance)
{
    const struct pawl_snapshot *snapshot = stored(fixture, instance);
    return (struct pawl_import){ .source = pawl_bytes_str(instance),
                                 .source_gen = snapshot->metadata.gen,
                                 .status = snapshot->metadata.status,
                                 .created_ms = snapshot->metadata.created_ms,
                                 .started_ms = snapshot->metadata.started_ms,
                                 .updated_ms = snapshot->metadata.updated_ms,
                                 .completed_ms = snapshot->metadata.completed_ms,
                                 .custom_status = snapshot->custom_status,
                                 .events_count = snapshot->history_count,
                                 .events = snapshot->history };
}

static pawl_err import_as(struct fixture *fixture, const char *instance, const char *request_id,
                          const struct pawl_import *import)
{
    struct pawl_request request = { .op = PAWL_REQUEST_IMPORT,
                                    .instance = pawl_bytes_str(instance),
                                    .request_id = pawl_bytes_str(request_id),
                                    .name = PAWL_BYTES_LITERAL("W"),
                                    .payload = pawl_import_pack(&fixture->arena, import) };
    fixture_call(fixture, &request);
    return fixture_last_err(fixture);
}

static pawl_err control(struct fixture *fixture, enum pawl_request_op op, const char *instance)
{
    struct pawl_request request = { .op = op, .instance = pawl_bytes_str(instance) };
    fixture_call(fixture, &request);
    return fixture_last_err(fixture);
}

/* One activity, a custom status, and the end. */
static void run_to_end(struct fixture *fixture, const char *instance)
{
    fixture_start(fixture, instance);
    struct pawl_action action = fixture_action(PAWL_ACTION_ACTIVITY, 0);
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 1, &action);
    fixture_pass(fixture, 500);
    fixture_activity_done(fixture, WORKER, &fixture_next(fixture, PAWL_FRAME_ACTIVITY)->activity);
    action = fixture_action(PAWL_ACTION_COMPLETE, -1);
    action.payload = PAWL_BYTES_LITERAL("done");
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 1, &action);
}

static void assert_same_events(const struct pawl_import *import,
                               const struct pawl_snapshot *snapshot)
{
    assert_int_equal(snapshot->history_count, import->events_count);
    for (uint32_t i = 0; i < import->events_count; i++)
        assert_true(pawl_bytes_is_equal(snapshot->history[i], import->events[i]));
}

static void what_has_ended_comes_in_as_it_was(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    run_to_end(fixture, "i");
    struct pawl_import import = exported(fixture, "i");
    import.custom_status = PAWL_BYTES_LITERAL("90%");
    fixture_disconnect(fixture, WORKER); /* nobody's code is needed */
    fixture_pass(fixture, 10000);
    assert_int_equal(import_as(fixture, "j", "r", &import), PAWL_OK);

    const struct pawl_snapshot *now = stored(fixture, "j");
    assert_int_equal(now->metadata.status, PAWL_STATUS_COMPLETED);
    assert_int_equal(now->metadata.created_ms, import.created_ms);
    assert_int_equal(now->metadata.started_ms, import.started_ms);
    assert_int_equal(now->metadata.updated_ms, import.updated_ms);
    assert_int_equal(now->metadata.completed_ms, import.completed_ms);
    assert_true(import.completed_ms < fixture->now_ms);
    assert_true(pawl_bytes_is_str(now->payloads.output, "done"));
    assert_true(pawl_bytes_is_str(now->custom_status, "90%"));
    assert_int_equal(now->inbox_count, 0);
    assert_int_equal(now->pending_count, 0);
    assert_same_events(&import, now);
    fixture_free(fixture);
}

static void a_failure_comes_in_as_it_was(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    fixture_start(fixture, "i");
    struct pawl_action end = fixture_action(PAWL_ACTION_COMPLETE, -1);
    end.status = PAWL_STATUS_FAILED;
    end.failure = (struct pawl_failure_view){ .present = true,
                                              .type = PAWL_BYTES_LITERAL("Declined"),
                                              .message = PAWL_BYTES_LITERAL("no money") };
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 1, &end);
    struct pawl_import import = exported(fixture, "i");
    assert_int_equal(import_as(fixture, "j", "r", &import), PAWL_OK);
    assert_int_equal(fixture_status(fixture, "j"), PAWL_STATUS_FAILED);
    assert_true(pawl_bytes_is_str(fixture->answer_failure.type, "Declined"));
    fixture_free(fixture);
}

static void it_happens_once_and_takes_nobodys_id(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    run_to_end(fixture, "i");
    struct pawl_import import = exported(fixture, "i");
    assert_int_equal(import_as(fixture, "j", "r", &import), PAWL_OK);
    struct pawl_id last = stored(fixture, "j")->metadata.last;
    assert_int_equal(import_as(fixture, "j", "r", &import), PAWL_OK);
    assert_true(pawl_id_is_equal(stored(fixture, "j")->metadata.last, last));
    assert_int_equal(import_as(fixture, "j", "other", &import), PAWL_E_EXISTS);
    assert_int_equal(import_as(fixture, "i", "r", &import), PAWL_E_EXISTS); /* though it ended */
    assert_int_equal(control(fixture, PAWL_REQUEST_PURGE, "j"), PAWL_OK);
    assert_int_equal(import_as(fixture, "j", "other", &import), PAWL_OK);
    fixture_free(fixture);
}

static void the_next_owner_takes_what_the_first_one_could_not(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    run_to_end(fixture, "i");
    struct pawl_import import = exported(fixture, "i");
    fixture->refuse = PAWL_STORE_COMMIT;
    fixture->refuse_count = 1000;
    assert_int_equal(import_as(fixture, "j", "r", &import), PAWL_OK);
    assert_int_equal(fixture_status(fixture, "j"), PAWL_STATUS_PENDING);
    fixture->refuse_count = 0;
    fixture_restart(fixture);
    fixture_pass(fixture, 30000);
    assert_int_equal(fixture_status(fixture, "j"), PAWL_STATUS_COMPLETED);
    assert_same_events(&import, stored(fixture, "j"));
    fixture_free(fixture);
}

static void a_control_comes_after_the_past(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    run_to_end(fixture, "i");
    struct pawl_import import = exported(fixture, "i");
    fixture->refuse = PAWL_STORE_COMMIT;
    fixture->refuse_count = 2;
    assert_int_equal(import_as(fixture, "j", "r", &import), PAWL_OK);
    struct pawl_request request = { .op = PAWL_REQUEST_TERMINATE,
                                    .instance = PAWL_BYTES_LITERAL("j") };
    fixture_call(fixture, &request);
    fixture_pass(fixture, 30000);
    assert_int_equal(fixture_status(fixture, "j"), PAWL_STATUS_COMPLETED);
    assert_same_events(&import, stored(fixture, "j"));
    fixture_free(fixture);
}

static void it_can_be_run_again_from_an_event(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    run_to_end(fixture, "i");
    struct pawl_import import = exported(fixture, "i");
    assert_int_equal(import_as(fixture, "j", "r", &import), PAWL_OK);
    struct pawl_request request = { .op = PAWL_REQUEST_RERUN,
                                    .instance = PAWL_BYTES_LITERAL("j"),
                                    .new_instance = PAWL_BYTES_LITERAL("k"),
                                    .has_event = true,
                                    .event_id = 0 };
    fixture_call(fixture, &request);
    assert_int_equal(fixture_last_err(fixture), PAWL_OK);
    assert_true(pawl_bytes_is_str(fixture_next_turn(fixture)->instance, "k"));
    fixture_free(fixture);
}

static uint32_t kinds_of(uint32_t count, struct pawl_bytes *events, enum pawl_event_kind *kinds)
{
    for (uint32_t i = 0; i < count; i++)
        kinds[i] = (enum pawl_event_kind)pawl_history_event_kind(events[i]);
    return count;
}

static struct pawl_bytes raised(struct fixture *fixture, const char *name)
{
    struct pawl_history_event event = pawl_history_event_make(PAWL_EVENT_EVENT_RAISED, LONG_AGO);
    event.name = pawl_bytes_str(name);
    return pawl_history_event_pack(&fixture->arena, &event);
}

/* An activity and a timer wait, and the custom status is "half". */
static struct pawl_import half_done(struct fixture *fixture)
{
    fixture_start(fixture, "i");
    struct pawl_action actions[2] = { fixture_action(PAWL_ACTION_ACTIVITY, 0),
                                      fixture_action(PAWL_ACTION_TIMER, 1) };
    actions[1].fire_at_ms = fixture->now_ms + 60000;
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 2, actions);
    assert_non_null(fixture_next(fixture, PAWL_FRAME_ACTIVITY));
    struct pawl_import import = exported(fixture, "i");
    import.custom_status = PAWL_BYTES_LITERAL("half");
    return import;
}

static void what_runs_goes_on_with_what_waited(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    enum pawl_event_kind kinds[16];
    (void)state;
    struct pawl_import import = half_done(fixture);
    struct pawl_bytes waiting[] = { raised(fixture, "paid") };
    import.waiting = waiting;
    import.waiting_count = 1;
    assert_int_equal(import_as(fixture, "j", "r", &import), PAWL_OK);

    const struct pawl_turn *turn = fixture_next_turn(fixture);
    assert_true(pawl_bytes_is_str(turn->instance, "j"));
    assert_int_equal(turn->past_count, import.events_count);
    assert_int_equal(
        kinds_of(turn->events_count - turn->past_count, turn->events + turn->past_count, kinds), 2);
    assert_int_equal(kinds[0], PAWL_EVENT_WORKFLOW_STARTED);
    assert_int_equal(kinds[1], PAWL_EVENT_EVENT_RAISED);
    fixture_turn_done(fixture, WORKER, turn, 0, NULL);

    const struct pawl_frame *frame = fixture_next(fixture, PAWL_FRAME_ACTIVITY);
    assert_non_null(frame);
    assert_true(pawl_bytes_is_str(frame->activity.instance, "j"));
    const struct pawl_snapshot *now = stored(fixture, "j");
    assert_int_equal(now->metadata.status, PAWL_STATUS_RUNNING);
    assert_int_equal(now->metadata.started_ms, import.started_ms);
    assert_true(pawl_bytes_is_str(now->custom_status, "half"));
    assert_int_equal(now->pending_count, 2);
    fixture_activity_done(fixture, WORKER, &frame->activity);
    turn = fixture_next_turn(fixture);
    assert_true(pawl_bytes_is_str(turn->instance, "j"));
    fixture_turn_done(fixture, WORKER, turn, 0, NULL);

    control(fixture, PAWL_REQUEST_TERMINATE, "i");
    fixture_pass(fixture, 61000);
    turn = fixture_next_turn(fixture);
    assert_true(pawl_bytes_is_str(turn->instance, "j"));
    assert_int_equal(pawl_history_event_kind(turn->events[1]), PAWL_EVENT_TIMER_FIRED);
    fixture_free(fixture);
}

static void what_was_suspended_stays_so_until_it_is_resumed(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    (void)half_done(fixture);
    assert_int_equal(control(fixture, PAWL_REQUEST_SUSPEND, "i"), PAWL_OK);
    struct pawl_import import = exported(fixture, "i");
    import.custom_status = PAWL_BYTES_LITERAL("half");
    assert_int_equal(import_as(fixture, "j", "r", &import), PAWL_OK);
    assert_int_equal(fixture_status(fixture, "j"), PAWL_STATUS_SUSPENDED);
    assert_true(pawl_bytes_is_str(fixture->answer_custom_status, "half"));
    assert_null(fixture_next(fixture, PAWL_FRAME_TURN));
    assert_int_equal(control(fixture, PAWL_REQUEST_RESUME, "j"), PAWL_OK);
    assert_int_equal(control(fixture, PAWL_REQUEST_SUSPEND, "j"), PAWL_OK);
    fixture_restart(fixture);
    fixture_connect(fixture, WORKER, 100, 100);
    fixture_pass(fixture, 30000);
    fixture->sent_seen = fixture->sent_count; /* the turn that was taken back among them */
    assert_int_equal(fixture_status(fixture, "j"), PAWL_STATUS_SUSPENDED);
    assert_int_equal(control(fixture, PAWL_REQUEST_RESUME, "j"), PAWL_OK);

    const struct pawl_turn *turn = fixture_next_turn(fixture);
    assert_true(pawl_bytes_is_str(turn->instance, "j"));
    assert_int_equal(turn->past_count, import.events_count + 1);
    assert_int_equal(pawl_history_event_kind(turn->events[turn->past_count - 1]),
                     PAWL_EVENT_EXECUTION_RESUMED);
    fixture_turn_done(fixture, WORKER, turn, 0, NULL);
    assert_int_equal(fixture_status(fixture, "j"), PAWL_STATUS_RUNNING);
    /* It can be exported and brought in once more. */
    import = exported(fixture, "j");
    assert_int_equal(import_as(fixture, "k", "r", &import), PAWL_OK);
    fixture_free(fixture);
}

static void what_was_suspended_can_be_terminated(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    (void)half_done(fixture);
    assert_int_equal(control(fixture, PAWL_REQUEST_SUSPEND, "i"), PAWL_OK);
    struct pawl_import import = exported(fixture, "i");
    assert_int_equal(import_as(fixture, "j", "r", &import), PAWL_OK);
    assert_int_equal(control(fixture, PAWL_REQUEST_TERMINATE, "j"), PAWL_OK);
    assert_int_equal(fixture_status(fixture, "j"), PAWL_STATUS_TERMINATED);
    const struct pawl_snapshot *now = stored(fixture, "j");
    assert_true(now->history_count > import.events_count);
    assert_int_equal(now->pending_count, 0);
    fixture_free(fixture);
}

/* What is refused ---------------------------------------------------------------------------- */

struct event {
    enum pawl_event_kind kind;
    int32_t id;
    int32_t ref;
    enum pawl_status status;
};

#define E(kind)                      \
    {                                \
        PAWL_EVENT_##kind, -1, -1, 0 \
    }
#define CALL(kind, id)                 \
    {                                  \
        PAWL_EVENT_##kind, (id), -1, 0 \
    }
#define RESULT(kind, ref)               \
    {                                   \
        PAWL_EVENT_##kind, -1, (ref), 0 \
    }
#define END(status)                                                  \
    {                                                                \
        PAWL_EVENT_EXECUTION_COMPLETED, -1, -1, PAWL_STATUS_##status \
    }
#define BEGIN E(WORKFLOW_STARTED), E(EXECUTION_STARTED)

static struct pawl_bytes event_pack(struct pawl_arena *arena, const struct event *given)
{
    struct pawl_history_event event = pawl_history_event_make(given->kind, LONG_AGO);
    event.id = given->id;
    event.ref = given->ref;
    event.status = given->status;
    if (given->kind == PAWL_EVENT_EXECUTION_STARTED) event.name = PAWL_BYTES_LITERAL("W");
    if (given->kind == PAWL_EVENT_TASK_SCHEDULED) event.name = PAWL_BYTES_LITERAL("A");
    if (given->kind == PAWL_EVENT_CHILD_CREATED) event.name = PAWL_BYTES_LITERAL("W");
    if (given->kind == PAWL_EVENT_CHILD_CREATED) event.instance = PAWL_BYTES_LITERAL("child");
    return pawl_history_event_pack(arena, &event);
}

static void expect_refused(struct fixture *fixture, enum pawl_status status, uint32_t count,
                           const struct event *events, pawl_err err, const char *text)
{
    struct pawl_bytes packed[16];
    struct pawl_import import = { .source = PAWL_BYTES_LITERAL("i"),
                                  .source_gen = 1,
                                  .status = status,
                                  .events_count = count,
                                  .events = packed };
    for (uint32_t i = 0; i < count; i++) packed[i] = event_pack(&fixture->arena, &events[i]);
    pawl_err got = import_as(fixture, "j", "r", &import);
    struct pawl_bytes told = fixture->answer_texts[fixture->answers_count - 1];
    const char *message =
        (const char *)pawl_arena_printf(&fixture->arena, "%.*s", PAWL_BYTES_FMT(told)).data;
    if (got != err || !strstr(message, text)) fail_msg("%d: %s, and not: %s", got, message, text);
    struct pawl_request get = { .op = PAWL_REQUEST_GET, .instance = PAWL_BYTES_LITERAL("j") };
    fixture_call(fixture, &get);
    assert_int_equal(fixture_last_err(fixture), PAWL_E_NOT_FOUND);
    fixture->answers_count = 0;
}

#define REFUSED(status, err, text, ...)                                                         \
    do {                                                                                        \
        const struct event events[] = { __VA_ARGS__ };                                          \
        expect_refused(fixture, PAWL_STATUS_##status, sizeof events / sizeof events[0], events, \
                       PAWL_E_##err, text);                                                     \
    } while (0)

static void what_contradicts_itself_is_refused(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    REFUSED(RUNNING, INVALID, "event 1 (TaskCompleted) comes before ExecutionStarted",
            E(WORKFLOW_STARTED), RESULT(TASK_COMPLETED, 0));
    REFUSED(RUNNING, INVALID, "event 1 (TaskScheduled) comes before the first WorkflowStarted",
            E(EXECUTION_STARTED), CALL(TASK_SCHEDULED, 0));
    REFUSED(RUNNING, INVALID, "event 2 (ExecutionStarted) is a second one", BEGIN,
            E(EXECUTION_STARTED));
    REFUSED(RUNNING, INVALID, "event 2 (TaskCompleted) answers call 4, which no event before",
            BEGIN, RESULT(TASK_COMPLETED, 4));
    REFUSED(RUNNING, INVALID, "event 3 (TimerFired) answers call 0, which no event before", BEGIN,
            CALL(TASK_SCHEDULED, 0), RESULT(TIMER_FIRED, 0));
    REFUSED(RUNNING, INVALID, "event 4 (TaskFailed) answers call 0 of event 2, which has been",
            BEGIN, CALL(TASK_SCHEDULED, 0), RESULT(TASK_COMPLETED, 0), RESULT(TASK_FAILED, 0));
    REFUSED(RUNNING, INVALID, "event 3 (TaskScheduled) makes call 0 again, which event 2", BEGIN,
            CALL(TASK_SCHEDULED, 0), CALL(TASK_SCHEDULED, 0));
    REFUSED(RUNNING, INVALID, "event 2 (TimerCreated) makes a call without an eventId", BEGIN,
            CALL(TIMER_CREATED, -1));
    REFUSED(COMPLETED, INVALID, "event 3 (WorkflowStarted) comes after the end", BEGIN,
            END(COMPLETED), E(WORKFLOW_STARTED));
    REFUSED(COMPLETED, INVALID, "is said to be COMPLETED, but its last event (1) is no", BEGIN);
    REFUSED(FAILED, INVALID, "is said to be FAILED, but event 2 (ExecutionCompleted) says", BEGIN,
            END(COMPLETED));
    REFUSED(RUNNING, INVALID, "is said to be RUNNING, but event 2 (ExecutionCompleted) ends", BEGIN,
            END(COMPLETED));
    REFUSED(SUSPENDED, INVALID, "none of its events suspends it", BEGIN);
    REFUSED(RUNNING, INVALID, "leave it suspended", BEGIN, E(EXECUTION_SUSPENDED));
    fixture_free(fixture);
}

static void what_cannot_go_on_is_refused(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    REFUSED(PENDING, STATE, "had not begun", E(WORKFLOW_STARTED));
    REFUSED(RUNNING, STATE, "event 3 (ChildWorkflowCreated): child workflow 'child' has not ended",
            BEGIN, CALL(TASK_SCHEDULED, 0), CALL(CHILD_CREATED, 1));
    expect_refused(fixture, PAWL_STATUS_RUNNING, 0, NULL, PAWL_E_STATE, "the history is empty");
    struct pawl_request request = { .op = PAWL_REQUEST_IMPORT,
                                    .instance = PAWL_BYTES_LITERAL("j"),
                                    .name = PAWL_BYTES_LITERAL("W"),
                                    .payload = PAWL_BYTES_LITERAL("nonsense") };
    fixture_call(fixture, &request);
    assert_int_equal(fixture_last_err(fixture), PAWL_E_INVALID);
    fixture_free(fixture);
}

static void what_is_too_large_is_refused(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    const uint32_t count = 17;
    struct pawl_bytes events[17];
    uint8_t *data = pawl_arena_alloc(&fixture->arena, PAWL_PAYLOAD_SIZE_MAX + 1);
    memset(data, 'x', PAWL_PAYLOAD_SIZE_MAX + 1);
    events[0] = event_pack(&fixture->arena, &(struct event)E(WORKFLOW_STARTED));
    events[1] = event_pack(&fixture->arena, &(struct event)E(EXECUTION_STARTED));
    for (uint32_t i = 2; i < count; i++) {
        struct pawl_history_event event =
            pawl_history_event_make(PAWL_EVENT_EVENT_RAISED, LONG_AGO);
        event.name = PAWL_BYTES_LITERAL("e");
        event.payload = pawl_bytes_make(data, i == 2 ? PAWL_PAYLOAD_SIZE_MAX + 1 : 1);
        events[i] = pawl_history_event_pack(&fixture->arena, &event);
    }
    struct pawl_import import = { .source = PAWL_BYTES_LITERAL("i"),
                                  .source_gen = 1,
                                  .status = PAWL_STATUS_RUNNING,
                                  .events_count = count,
                                  .events = events };
    assert_int_equal(import_as(fixture, "j", "r", &import), PAWL_E_TOO_LARGE);
    for (uint32_t i = 2; i < count; i++) {
        struct pawl_history_event event =
            pawl_history_event_make(PAWL_EVENT_EVENT_RAISED, LONG_AGO);
        event.name = PAWL_BYTES_LITERAL("e");
        event.payload = pawl_bytes_make(data, PAWL_SEED_SIZE_MAX / (count - 2));
        events[i] = pawl_history_event_pack(&fixture->arena, &event);
    }
    assert_true(pawl_bytes_is_absent(pawl_import_pack(&fixture->arena, &import)));
    fixture_free(fixture);
}

static void children_are_named_after_the_new_instance(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    struct pawl_bytes events[6];
    (void)state;
    const struct event given[] = { BEGIN, CALL(CHILD_CREATED, 0), RESULT(CHILD_COMPLETED, 0),
                                   END(COMPLETED) };
    for (uint32_t i = 0; i < 5; i++) events[i] = event_pack(&fixture->arena, &given[i]);
    struct pawl_history_event child;
    assert_int_equal(pawl_history_event_decode(events[2], &child), PAWL_OK);
    child.instance = PAWL_BYTES_LITERAL("i.5.0");
    events[2] = pawl_history_event_pack(&fixture->arena, &child);
    struct pawl_import import = { .source = PAWL_BYTES_LITERAL("i"),
                                  .source_gen = 5,
                                  .status = PAWL_STATUS_COMPLETED,
                                  .events_count = 5,
                                  .events = events };
    assert_int_equal(import_as(fixture, "j", "r", &import), PAWL_OK);
    const struct pawl_snapshot *now = stored(fixture, "j");
    assert_int_equal(now->metadata.created_ms, LONG_AGO); /* from its events, as nothing is said */
    assert_int_equal(now->metadata.completed_ms, LONG_AGO);
    assert_int_equal(pawl_history_event_decode(now->history[2], &child), PAWL_OK);
    assert_true(pawl_bytes_is_str(child.instance, "j.1.0"));
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_has_ended_comes_in_as_it_was),
        cmocka_unit_test(a_failure_comes_in_as_it_was),
        cmocka_unit_test(it_happens_once_and_takes_nobodys_id),
        cmocka_unit_test(the_next_owner_takes_what_the_first_one_could_not),
        cmocka_unit_test(a_control_comes_after_the_past),
        cmocka_unit_test(it_can_be_run_again_from_an_event),
        cmocka_unit_test(what_runs_goes_on_with_what_waited),
        cmocka_unit_test(what_was_suspended_stays_so_until_it_is_resumed),
        cmocka_unit_test(what_was_suspended_can_be_terminated),
        cmocka_unit_test(what_contradicts_itself_is_refused),
        cmocka_unit_test(what_cannot_go_on_is_refused),
        cmocka_unit_test(what_is_too_large_is_refused),
        cmocka_unit_test(children_are_named_after_the_new_instance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
