/* Rewind and restart: what is done again, what stays, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "sdk/history.h"
#include "tests/unit/actors/fixture.h"

#define WORKER 7u

static pawl_err ask(struct fixture *fixture, enum pawl_request_op op, const char *instance,
                    const char *request_id)
{
    struct pawl_request request = { .op = op,
                                    .instance = pawl_bytes_str(instance),
                                    .request_id = pawl_bytes_str(request_id),
                                    .recursive = true };
    if (op == PAWL_REQUEST_REWIND) request.payload = PAWL_BYTES_LITERAL("mended");
    fixture_call(fixture, &request);
    return fixture_last_err(fixture);
}

static const struct pawl_activity_item *next_activity(struct fixture *fixture)
{
    const struct pawl_frame *frame = fixture_next(fixture, PAWL_FRAME_ACTIVITY);
    assert_non_null(frame);
    return &frame->activity;
}

static void fail_activity(struct fixture *fixture, const struct pawl_activity_item *item)
{
    struct pawl_activity_done done = {
        .token = item->token, .failure = { .present = true, .type = PAWL_BYTES_LITERAL("Unlucky") }
    };
    fixture_step(fixture, (struct pawl_node_event){ .type = PAWL_NODE_ACTIVITY_DONE,
                                                    .worker = WORKER,
                                                    .activity_done = &done });
}

static struct pawl_action call(enum pawl_action_kind kind, int32_t id)
{
    struct pawl_action action = fixture_action(kind, id);
    if (kind == PAWL_ACTION_CHILD) {
        action.name = PAWL_BYTES_LITERAL("W");
        action.instance = PAWL_BYTES_LITERAL("i:0000");
    }
    return action;
}

static void turn_call(struct fixture *fixture, enum pawl_action_kind kind, int32_t id)
{
    struct pawl_action action = call(kind, id);
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 1, &action);
}

static void turn_end(struct fixture *fixture, const struct pawl_turn *turn, enum pawl_status status)
{
    struct pawl_action end = fixture_action(PAWL_ACTION_COMPLETE, -1);
    end.status = status;
    end.failure.present = status == PAWL_STATUS_FAILED;
    fixture_turn_done(fixture, WORKER, turn, 1, &end);
}

/* The kinds of the turn's events, each as a letter, with a bar between its past and its news. */
static void assert_events(const struct pawl_turn *turn, const char *expected)
{
    char text[64] = { 0 };
    size_t size = 0;
    for (uint32_t i = 0; i < turn->events_count; i++) {
        struct pawl_history_event event;
        assert_int_equal(pawl_history_event_decode(turn->events[i], &event), PAWL_OK);
        if (i == turn->past_count && i > 0) text[size++] = '|';
        const char *letters = event.kind == PAWL_EVENT_WORKFLOW_STARTED    ? "w"
                              : event.kind == PAWL_EVENT_EXECUTION_STARTED ? "s"
                              : event.kind == PAWL_EVENT_TASK_SCHEDULED    ? "a"
                              : event.kind == PAWL_EVENT_TASK_COMPLETED    ? "c"
                              : event.kind == PAWL_EVENT_TASK_FAILED       ? "f"
                              : event.kind == PAWL_EVENT_TIMER_CREATED     ? "t"
                              : event.kind == PAWL_EVENT_TIMER_FIRED       ? "T"
                              : event.kind == PAWL_EVENT_CHILD_CREATED     ? "k"
                              : event.kind == PAWL_EVENT_EXECUTION_REWOUND ? "R"
                              : event.kind == PAWL_EVENT_EVENT_RAISED      ? "e"
                                                                           : "?";
        text[size++] = letters[0];
    }
    assert_string_equal(text, expected);
}

/* "i" has done activity 0, and has failed because of activity 1. */
static void fail_in_a_chain(struct fixture *fixture)
{
    fixture_start(fixture, "i");
    turn_call(fixture, PAWL_ACTION_ACTIVITY, 0);
    fixture_activity_done(fixture, WORKER, next_activity(fixture));
    turn_call(fixture, PAWL_ACTION_ACTIVITY, 1);
    fail_activity(fixture, next_activity(fixture));
    turn_end(fixture, fixture_next_turn(fixture), PAWL_STATUS_FAILED);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_FAILED);
}

static void a_failed_activity_is_done_again_and_nothing_else(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    fail_in_a_chain(fixture);
    assert_int_equal(ask(fixture, PAWL_REQUEST_REWIND, "i", "r"), PAWL_OK);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_RUNNING);

    const struct pawl_turn *turn = fixture_next_turn(fixture);
    assert_events(turn, "wsawca|wR");
    assert_null(fixture_next(fixture, PAWL_FRAME_ACTIVITY)); /* not before that is committed */
    fixture_turn_done(fixture, WORKER, turn, 0, NULL);
    const struct pawl_activity_item *item = next_activity(fixture);
    assert_int_equal(item->id, 1);
    assert_null(fixture_next(fixture, PAWL_FRAME_ACTIVITY));
    fixture_activity_done(fixture, WORKER, item);
    turn_end(fixture, fixture_next_turn(fixture), PAWL_STATUS_COMPLETED);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_COMPLETED);

    struct pawl_request history = { .op = PAWL_REQUEST_HISTORY,
                                    .instance = PAWL_BYTES_LITERAL("i") };
    fixture_call(fixture, &history);
    for (uint32_t i = 0; i < fixture->history_kinds_count; i++)
        assert_int_not_equal(fixture->history_kinds[i], PAWL_EVENT_TASK_FAILED);
    fixture_free(fixture);
}

static void it_goes_on_after_a_crash(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    fail_in_a_chain(fixture);
    fixture_disconnect(fixture, WORKER);
    assert_int_equal(ask(fixture, PAWL_REQUEST_REWIND, "i", "r"), PAWL_OK);
    fixture_restart(fixture);
    fixture_connect(fixture, WORKER, 100, 100);
    fixture_pass(fixture, 30000);
    assert_events(fixture_next_turn(fixture), "wsawca|wR");
    fixture_free(fixture);
}

static void what_the_code_has_answered_stays(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    fixture_start(fixture, "i");
    turn_call(fixture, PAWL_ACTION_ACTIVITY, 0);
    fail_activity(fixture, next_activity(fixture));
    turn_call(fixture, PAWL_ACTION_ACTIVITY, 1); /* a retry */
    fail_activity(fixture, next_activity(fixture));
    turn_end(fixture, fixture_next_turn(fixture), PAWL_STATUS_FAILED);

    assert_int_equal(ask(fixture, PAWL_REQUEST_REWIND, "i", "r"), PAWL_OK);
    const struct pawl_turn *turn = fixture_next_turn(fixture);
    assert_events(turn, "wsawfa|wR");
    fixture_turn_done(fixture, WORKER, turn, 0, NULL);
    assert_int_equal(next_activity(fixture)->id, 1);
    fixture_free(fixture);
}

static void of_a_fan_out_only_what_failed_is_done_again(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    const struct pawl_activity_item *items[3];
    (void)state;
    fixture_start(fixture, "i");
    struct pawl_action calls[] = { call(PAWL_ACTION_ACTIVITY, 0), call(PAWL_ACTION_ACTIVITY, 1),
                                   call(PAWL_ACTION_ACTIVITY, 2) };
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 3, calls);
    for (uint32_t i = 0; i < 3; i++) items[i] = next_activity(fixture);
    fail_activity(fixture, items[0]);
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 0, NULL);
    fixture_activity_done(fixture, WORKER, items[1]);
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 0, NULL);
    fail_activity(fixture, items[2]);
    turn_end(fixture, fixture_next_turn(fixture), PAWL_STATUS_FAILED);

    assert_int_equal(ask(fixture, PAWL_REQUEST_REWIND, "i", "r"), PAWL_OK);
    const struct pawl_turn *turn = fixture_next_turn(fixture);
    assert_events(turn, "wsaaa|wRc");
    fixture_turn_done(fixture, WORKER, turn, 0, NULL);
    assert_int_equal(next_activity(fixture)->id, 0);
    assert_int_equal(next_activity(fixture)->id, 2);
    assert_null(fixture_next(fixture, PAWL_FRAME_ACTIVITY));
    fixture_free(fixture);
}

static void one_whose_code_failed_does_its_last_turn_anew(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    fixture_start(fixture, "i");
    turn_call(fixture, PAWL_ACTION_ACTIVITY, 0);
    fixture_activity_done(fixture, WORKER, next_activity(fixture));
    turn_end(fixture, fixture_next_turn(fixture), PAWL_STATUS_FAILED);
    assert_int_equal(ask(fixture, PAWL_REQUEST_REWIND, "i", "r"), PAWL_OK);
    const struct pawl_turn *turn = fixture_next_turn(fixture);
    assert_events(turn, "wsa|wRc");
    turn_end(fixture, turn, PAWL_STATUS_COMPLETED);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_COMPLETED);

    fixture_start(fixture, "first");
    turn_end(fixture, fixture_next_turn(fixture), PAWL_STATUS_FAILED);
    assert_int_equal(ask(fixture, PAWL_REQUEST_REWIND, "first", "r"), PAWL_OK);
    assert_events(fixture_next_turn(fixture), "wRs");
    fixture_free(fixture);
}

static void only_what_has_failed_can_be_rewound(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    assert_int_equal(ask(fixture, PAWL_REQUEST_REWIND, "i", "r"), PAWL_E_NOT_FOUND);
    fixture_start(fixture, "i");
    assert_int_equal(ask(fixture, PAWL_REQUEST_REWIND, "i", "r"), PAWL_E_STATE);
    assert_true(
        fixture_has_told(fixture, "'i' is PENDING: only one that has FAILED can be rewound"));
    turn_call(fixture, PAWL_ACTION_ACTIVITY, 0);
    assert_int_equal(ask(fixture, PAWL_REQUEST_REWIND, "i", "r"), PAWL_E_STATE);
    fixture_activity_done(fixture, WORKER, next_activity(fixture));
    turn_end(fixture, fixture_next_turn(fixture), PAWL_STATUS_COMPLETED);
    assert_int_equal(ask(fixture, PAWL_REQUEST_REWIND, "i", "r"), PAWL_E_STATE);
    assert_true(fixture_has_told(fixture, "'i' is COMPLETED"));
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_COMPLETED);
    assert_null(fixture_next(fixture, PAWL_FRAME_TURN));
    fixture_free(fixture);
}

static void a_repeated_request_rewinds_once(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    fail_in_a_chain(fixture);
    assert_int_equal(ask(fixture, PAWL_REQUEST_REWIND, "i", "r"), PAWL_OK);
    assert_int_equal(ask(fixture, PAWL_REQUEST_REWIND, "i", "r"), PAWL_OK);
    assert_int_equal(ask(fixture, PAWL_REQUEST_REWIND, "i", "other"), PAWL_E_STATE);
    const struct pawl_turn *turn = fixture_next_turn(fixture);
    fixture_turn_done(fixture, WORKER, turn, 0, NULL);
    fail_activity(fixture, next_activity(fixture));
    turn_end(fixture, fixture_next_turn(fixture), PAWL_STATUS_FAILED);
    /* Also when it has failed once more. */
    assert_int_equal(ask(fixture, PAWL_REQUEST_REWIND, "i", "r"), PAWL_OK);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_FAILED);
    assert_int_equal(ask(fixture, PAWL_REQUEST_REWIND, "i", "again"), PAWL_OK);
    assert_events(fixture_next_turn(fixture), "wsawcawR|wR");
    fixture_free(fixture);
}

static void a_lost_reply_rewinds_once(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    fail_in_a_chain(fixture);
    fixture->reply_lost = PAWL_STORE_DELIVER;
    (void)ask(fixture, PAWL_REQUEST_REWIND, "i", "r");
    fixture_pass(fixture, 30000);
    assert_int_equal(fixture->answer_errs[fixture->answers_count - 1], PAWL_OK);
    assert_events(fixture_next_turn(fixture), "wsawca|wR");
    assert_null(fixture_next(fixture, PAWL_FRAME_TURN));
    fixture_free(fixture);
}

static void one_that_failed_again_meanwhile_is_read_again(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    fail_in_a_chain(fixture);
    fixture->reply_late = PAWL_STORE_LOAD;
    (void)ask(fixture, PAWL_REQUEST_REWIND, "i", "slow");
    uint32_t answers_count = fixture->answers_count;
    assert_int_equal(ask(fixture, PAWL_REQUEST_REWIND, "i", "r"), PAWL_OK);
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 0, NULL);
    fail_activity(fixture, next_activity(fixture));
    turn_end(fixture, fixture_next_turn(fixture), PAWL_STATUS_FAILED);
    assert_int_equal(fixture->answers_count, answers_count + 1);
    fixture_reply_late(fixture);
    assert_int_equal(fixture->answer_errs[fixture->answers_count - 1], PAWL_OK);
    assert_events(fixture_next_turn(fixture), "wsawcawR|wR");
    fixture_free(fixture);
}

static void events_of_before_count_once(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    struct pawl_request raise = { .op = PAWL_REQUEST_RAISE,
                                  .instance = PAWL_BYTES_LITERAL("i"),
                                  .name = PAWL_BYTES_LITERAL("e"),
                                  .request_id = PAWL_BYTES_LITERAL("raised") };
    (void)state;
    fixture_start(fixture, "i");
    turn_call(fixture, PAWL_ACTION_ACTIVITY, 0);
    const struct pawl_activity_item *item = next_activity(fixture);
    fixture_call(fixture, &raise);
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 0, NULL);
    fail_activity(fixture, item);
    turn_end(fixture, fixture_next_turn(fixture), PAWL_STATUS_FAILED);
    assert_int_equal(ask(fixture, PAWL_REQUEST_REWIND, "i", "r"), PAWL_OK);
    fixture_call(fixture, &raise);
    assert_events(fixture_next_turn(fixture), "wsawe|wR");
    fixture_free(fixture);
}

/* "i" has failed because its child has, because of an activity. */
static void fail_in_a_child(struct fixture *fixture)
{
    fixture_start(fixture, "i");
    turn_call(fixture, PAWL_ACTION_CHILD, 0);
    turn_call(fixture, PAWL_ACTION_ACTIVITY, 0); /* the child's */
    fail_activity(fixture, next_activity(fixture));
    turn_end(fixture, fixture_next_turn(fixture), PAWL_STATUS_FAILED);
    turn_end(fixture, fixture_next_turn(fixture), PAWL_STATUS_FAILED);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_FAILED);
    assert_int_equal(fixture_status(fixture, "i:0000"), PAWL_STATUS_FAILED);
}

static void a_failed_child_is_rewound_with_its_parent(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    fail_in_a_child(fixture);
    assert_int_equal(ask(fixture, PAWL_REQUEST_REWIND, "i", "r"), PAWL_OK);
    const struct pawl_turn *turn = fixture_next_turn(fixture);
    assert_events(turn, "wsk|wR");
    fixture_turn_done(fixture, WORKER, turn, 0, NULL);
    turn = fixture_next_turn(fixture);
    assert_true(pawl_bytes_is_str(turn->instance, "i:0000"));
    assert_events(turn, "wsa|wR");
    fixture_turn_done(fixture, WORKER, turn, 0, NULL);
    fixture_activity_done(fixture, WORKER, next_activity(fixture));
    turn_end(fixture, fixture_next_turn(fixture), PAWL_STATUS_COMPLETED);
    turn = fixture_next_turn(fixture);
    assert_true(pawl_bytes_is_str(turn->instance, "i"));
    turn_end(fixture, turn, PAWL_STATUS_COMPLETED);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_COMPLETED);
    fixture_free(fixture);
}

/* It runs on, and tells the call that its parent waits for now. */
static void a_child_that_still_runs_is_not_begun_again(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    struct pawl_action calls[] = { call(PAWL_ACTION_CHILD, 0), call(PAWL_ACTION_ACTIVITY, 1) };
    (void)state;
    fixture_start(fixture, "i");
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 2, calls);
    fail_activity(fixture, next_activity(fixture));
    const struct pawl_turn *first = fixture_next_turn(fixture),
                           *second = fixture_next_turn(fixture);
    bool is_child_first = pawl_bytes_is_str(first->instance, "i:0000");
    struct pawl_action step = call(PAWL_ACTION_ACTIVITY, 0);
    fixture_turn_done(fixture, WORKER, is_child_first ? first : second, 1, &step);
    turn_end(fixture, is_child_first ? second : first, PAWL_STATUS_FAILED);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_FAILED);
    const struct pawl_activity_item *childs = next_activity(fixture);

    assert_int_equal(ask(fixture, PAWL_REQUEST_REWIND, "i", "r"), PAWL_OK);
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 0, NULL);
    fixture_activity_done(fixture, WORKER, next_activity(fixture)); /* the parent's */
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 0, NULL);
    fixture_activity_done(fixture, WORKER, childs);
    const struct pawl_turn *turn = fixture_next_turn(fixture);
    assert_true(pawl_bytes_is_str(turn->instance, "i:0000"));
    assert_events(turn, "wc"); /* no rewind */
    turn_end(fixture, turn, PAWL_STATUS_COMPLETED);
    turn = fixture_next_turn(fixture); /* at once, not when it asks again */
    assert_true(pawl_bytes_is_str(turn->instance, "i"));
    turn_end(fixture, turn, PAWL_STATUS_COMPLETED);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_COMPLETED);
    fixture_free(fixture);
}

static void a_child_that_was_purged_is_started_anew(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    fail_in_a_child(fixture);
    assert_int_equal(ask(fixture, PAWL_REQUEST_PURGE, "i:0000", NULL), PAWL_OK);
    assert_int_equal(ask(fixture, PAWL_REQUEST_REWIND, "i", "r"), PAWL_OK);
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 0, NULL);
    const struct pawl_turn *turn = fixture_next_turn(fixture);
    assert_true(pawl_bytes_is_str(turn->instance, "i:0000"));
    assert_events(turn, "ws");
    fixture_free(fixture);
}

static void a_child_that_was_mended_before_gives_its_result(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    fail_in_a_child(fixture);
    assert_int_equal(ask(fixture, PAWL_REQUEST_REWIND, "i:0000", "r"), PAWL_OK);
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 0, NULL);
    fixture_activity_done(fixture, WORKER, next_activity(fixture));
    turn_end(fixture, fixture_next_turn(fixture), PAWL_STATUS_COMPLETED);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_FAILED); /* it had ended */

    assert_int_equal(ask(fixture, PAWL_REQUEST_REWIND, "i", "r"), PAWL_OK);
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 0, NULL);
    const struct pawl_turn *turn = fixture_next_turn(fixture);
    assert_true(pawl_bytes_is_str(turn->instance, "i"));
    turn_end(fixture, turn, PAWL_STATUS_COMPLETED);
    fixture_free(fixture);
}

static void a_restart_begins_anew_under_the_same_id(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    assert_int_equal(ask(fixture, PAWL_REQUEST_RESTART, "i", "r"), PAWL_E_NOT_FOUND);
    fixture_start(fixture, "i");
    assert_int_equal(ask(fixture, PAWL_REQUEST_RESTART, "i", "r"), PAWL_E_NOT_TERMINAL);
    turn_call(fixture, PAWL_ACTION_ACTIVITY, 0);
    fail_activity(fixture, next_activity(fixture));
    turn_end(fixture, fixture_next_turn(fixture), PAWL_STATUS_FAILED);
    assert_int_equal(ask(fixture, PAWL_REQUEST_RESTART, "i", "r"), PAWL_OK);
    assert_int_equal(ask(fixture, PAWL_REQUEST_RESTART, "i", "r"), PAWL_OK); /* once */
    assert_int_equal(ask(fixture, PAWL_REQUEST_RESTART, "i", "s"), PAWL_E_NOT_TERMINAL);
    const struct pawl_turn *turn = fixture_next_turn(fixture);
    assert_events(turn, "ws");
    turn_end(fixture, turn, PAWL_STATUS_COMPLETED);
    assert_null(fixture_next(fixture, PAWL_FRAME_TURN));

    struct pawl_request another = { .op = PAWL_REQUEST_RESTART,
                                    .instance = PAWL_BYTES_LITERAL("i"),
                                    .new_instance = PAWL_BYTES_LITERAL("j") };
    fixture_call(fixture, &another);
    assert_true(pawl_bytes_is_str(fixture_next_turn(fixture)->instance, "j"));
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_COMPLETED);
    fixture_call(fixture, &another);
    assert_int_equal(fixture->answer_errs[fixture->answers_count - 1], PAWL_E_EXISTS);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_activity_is_done_again_and_nothing_else),
        cmocka_unit_test(it_goes_on_after_a_crash),
        cmocka_unit_test(what_the_code_has_answered_stays),
        cmocka_unit_test(of_a_fan_out_only_what_failed_is_done_again),
        cmocka_unit_test(one_whose_code_failed_does_its_last_turn_anew),
        cmocka_unit_test(only_what_has_failed_can_be_rewound),
        cmocka_unit_test(a_repeated_request_rewinds_once),
        cmocka_unit_test(a_lost_reply_rewinds_once),
        cmocka_unit_test(one_that_failed_again_meanwhile_is_read_again),
        cmocka_unit_test(events_of_before_count_once),
        cmocka_unit_test(a_failed_child_is_rewound_with_its_parent),
        cmocka_unit_test(a_child_that_still_runs_is_not_begun_again),
        cmocka_unit_test(a_child_that_was_purged_is_started_anew),
        cmocka_unit_test(a_child_that_was_mended_before_gives_its_result),
        cmocka_unit_test(a_restart_begins_anew_under_the_same_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
