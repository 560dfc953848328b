/* Detached workflows: each is started once, whatever is lost, and belongs to nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "sdk/history.h"
#include "tests/unit/actors/fixture.h"

#define WORKER 7u

static struct pawl_action detached(int32_t id, const char *instance)
{
    struct pawl_action action = fixture_action(PAWL_ACTION_DETACHED, id);
    action.name = PAWL_BYTES_LITERAL("W");
    action.instance = pawl_bytes_str(instance);
    return action;
}

/* "i" starts "free"; the turn of that is the next one. */
static void start_detached(struct fixture *fixture)
{
    struct pawl_action action = detached(0, "free");
    fixture_start(fixture, "i");
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 1, &action);
}

static void end(struct fixture *fixture, const struct pawl_turn *turn, enum pawl_status status)
{
    struct pawl_action action = fixture_action(PAWL_ACTION_COMPLETE, -1);
    action.status = status;
    action.failure.present = status == PAWL_STATUS_FAILED;
    fixture_turn_done(fixture, WORKER, turn, 1, &action);
}

static pawl_err ask(struct fixture *fixture, struct pawl_request request)
{
    fixture_call(fixture, &request);
    return fixture_last_err(fixture);
}

static void assert_started_event(const struct pawl_turn *turn, int64_t start_at_ms)
{
    struct pawl_history_event event;
    assert_int_equal(turn->events_count, 2);
    assert_int_equal(pawl_history_event_decode(turn->events[1], &event), PAWL_OK);
    assert_int_equal(event.kind, PAWL_EVENT_EXECUTION_STARTED);
    assert_true(pawl_bytes_is_absent(event.parent.instance));
    assert_int_equal(event.start_at_ms, start_at_ms);
}

static void it_has_no_parent_and_its_end_is_told_to_nobody(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    start_detached(fixture);
    const struct pawl_turn *turn = fixture_next_turn(fixture);
    assert_true(pawl_bytes_is_str(turn->instance, "free"));
    assert_started_event(turn, 0);
    end(fixture, turn, PAWL_STATUS_FAILED);
    assert_int_equal(fixture_status(fixture, "free"), PAWL_STATUS_FAILED);
    assert_null(fixture_next(fixture, PAWL_FRAME_TURN));
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_RUNNING);
    fixture_free(fixture);
}

static void it_starts_when_it_was_asked_to_and_can_be_found_by_its_tags(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    struct pawl_action action = detached(0, "free");
    (void)state;
    action.start_at_ms = fixture->now_ms + 5000;
    action.tags = PAWL_BYTES_LITERAL("\x92\xa4team\xa6growth");
    fixture_start(fixture, "i");
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 1, &action);
    assert_null(fixture_next(fixture, PAWL_FRAME_TURN));
    assert_int_equal(fixture_status(fixture, "free"), PAWL_STATUS_PENDING);
    struct pawl_request list = { .op = PAWL_REQUEST_LIST, .tags = action.tags };
    assert_int_equal(ask(fixture, list), PAWL_OK);
    assert_int_equal(fixture->listed_count, 1);
    assert_true(pawl_bytes_is_str(fixture->listed[0], "free"));
    fixture_pass(fixture, 6000);
    assert_started_event(fixture_next_turn(fixture), action.start_at_ms);
    fixture_free(fixture);
}

/* The reply of its creation is lost; then the message is never acknowledged, and comes again
 * after a crash, when it has ended long since. */
static void it_is_started_once_although_its_start_comes_again(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    struct pawl_action action = detached(0, "free");
    (void)state;
    fixture_start(fixture, "i");
    fixture->reply_lost = PAWL_STORE_CREATE;
    fixture->refuse = PAWL_STORE_OUTDONE;
    fixture->refuse_count = 1000;
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 1, &action);
    fixture_pass(fixture, 1000);
    const struct pawl_turn *turn = fixture_next_turn(fixture);
    assert_true(pawl_bytes_is_str(turn->instance, "free"));
    end(fixture, turn, PAWL_STATUS_COMPLETED);
    fixture_restart(fixture);
    fixture_connect(fixture, WORKER, 100, 100);
    fixture_pass(fixture, 60000);
    assert_true(fixture->refuse_count < 1000);
    assert_null(fixture_next(fixture, PAWL_FRAME_TURN));
    assert_int_equal(fixture_status(fixture, "free"), PAWL_STATUS_COMPLETED);
    fixture_free(fixture);
}

/* What the last turn of a failed instance did is done again; this had its effect. */
static void a_rewind_does_not_start_it_again(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    fixture_start(fixture, "i");
    struct pawl_action actions[] = { detached(0, "free"),
                                     fixture_action(PAWL_ACTION_COMPLETE, -1) };
    actions[1].status = PAWL_STATUS_FAILED;
    actions[1].failure.present = true;
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 2, actions);
    end(fixture, fixture_next_turn(fixture), PAWL_STATUS_COMPLETED);
    struct pawl_request rewind = { .op = PAWL_REQUEST_REWIND,
                                   .instance = PAWL_BYTES_LITERAL("i"),
                                   .request_id = PAWL_BYTES_LITERAL("r") };
    assert_int_equal(ask(fixture, rewind), PAWL_OK);
    actions[1].status = PAWL_STATUS_COMPLETED;
    actions[1].failure.present = false;
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 2, actions);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_COMPLETED);
    assert_null(fixture_next(fixture, PAWL_FRAME_TURN));
    assert_int_equal(fixture_status(fixture, "free"), PAWL_STATUS_COMPLETED);
    fixture_free(fixture);
}

static void an_id_that_is_in_use_keeps_its_workflow(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    fixture_start(fixture, "free");
    end(fixture, fixture_next_turn(fixture), PAWL_STATUS_COMPLETED);
    start_detached(fixture); /* in the place of one that has ended */
    const struct pawl_turn *turn = fixture_next_turn(fixture);
    assert_true(pawl_bytes_is_str(turn->instance, "free"));
    fixture_turn_done(fixture, WORKER, turn, 0, NULL);

    fixture_start(fixture, "j");
    struct pawl_action again[] = { detached(0, "free"), fixture_action(PAWL_ACTION_COMPLETE, -1) };
    again[1].status = PAWL_STATUS_COMPLETED;
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 2, again);
    assert_int_equal(fixture_status(fixture, "j"), PAWL_STATUS_COMPLETED);
    fixture_pass(fixture, 30000);
    assert_null(fixture_next(fixture, PAWL_FRAME_TURN));
    assert_int_equal(fixture_status(fixture, "free"), PAWL_STATUS_RUNNING);
    fixture_free(fixture);
}

static void terminate_and_purge_leave_it_alone(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    start_detached(fixture);
    struct pawl_request request = { .op = PAWL_REQUEST_TERMINATE,
                                    .instance = PAWL_BYTES_LITERAL("i"),
                                    .recursive = true };
    assert_int_equal(ask(fixture, request), PAWL_OK);
    request.op = PAWL_REQUEST_PURGE;
    assert_int_equal(ask(fixture, request), PAWL_OK);
    end(fixture, fixture_next_turn(fixture), PAWL_STATUS_COMPLETED);
    assert_int_equal(fixture_status(fixture, "free"), PAWL_STATUS_COMPLETED);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_has_no_parent_and_its_end_is_told_to_nobody),
        cmocka_unit_test(it_starts_when_it_was_asked_to_and_can_be_found_by_its_tags),
        cmocka_unit_test(it_is_started_once_although_its_start_comes_again),
        cmocka_unit_test(a_rewind_does_not_start_it_again),
        cmocka_unit_test(an_id_that_is_in_use_keeps_its_workflow),
        cmocka_unit_test(terminate_and_purge_leave_it_alone),
    };
    return cmocka_run_group_tests_name("detached", tests, NULL, NULL);
}
