/* Start: what happens when the id is in use, and starts that raise an event as well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "sdk/history.h"
#include "tests/unit/actors/fixture.h"

#define WORKER 7u

static struct pawl_request start_request(const char *instance, enum pawl_reuse reuse)
{
    return (struct pawl_request){ .op = PAWL_REQUEST_START,
                                  .reuse = reuse,
                                  .instance = pawl_bytes_str(instance),
                                  .name = PAWL_BYTES_LITERAL("W") };
}

static pawl_err start(struct fixture *fixture, enum pawl_reuse reuse, const char *event,
                      const char *request_id)
{
    struct pawl_request request = start_request("i", reuse);
    request.event_name = pawl_bytes_str(event);
    if (event) request.event_data = PAWL_BYTES_LITERAL("data");
    request.request_id = pawl_bytes_str(request_id);
    uint32_t before = fixture->answers_count;
    fixture_call(fixture, &request);
    assert_int_equal(fixture->answers_count, before + 1);
    return fixture_last_err(fixture);
}

/* What a turn tells: one letter per event, s of a started execution, e of an event. */
static void assert_told(const struct pawl_frame *frame, const char *expected)
{
    char told[16] = "";
    assert_non_null(frame);
    assert_true(frame->turn.events_count < sizeof told);
    for (uint32_t i = 0; i < frame->turn.events_count; i++) {
        struct pawl_history_event event;
        assert_int_equal(pawl_history_event_decode(frame->turn.events[i], &event), PAWL_OK);
        told[i] = event.kind == PAWL_EVENT_WORKFLOW_STARTED    ? '.'
                  : event.kind == PAWL_EVENT_EXECUTION_STARTED ? 's'
                  : event.kind == PAWL_EVENT_EVENT_RAISED      ? 'e'
                                                               : '?';
        if (event.kind == PAWL_EVENT_EVENT_RAISED)
            assert_true(pawl_bytes_is_str(event.payload, "data"));
    }
    assert_string_equal(told, expected);
}

static void complete(struct fixture *fixture, const struct pawl_frame *frame)
{
    struct pawl_action action = fixture_action(PAWL_ACTION_COMPLETE, -1);
    fixture_turn_done(fixture, WORKER, &frame->turn, 1, &action);
}

static void an_instance_that_runs_is_terminated_and_replaced(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    assert_int_equal(start(fixture, PAWL_REUSE_TERMINATE, NULL, "one"), PAWL_OK);
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    struct pawl_action child = fixture_action(PAWL_ACTION_CHILD, 0);
    child.name = PAWL_BYTES_LITERAL("W");
    child.instance = PAWL_BYTES_LITERAL("c");
    fixture_turn_done(fixture, WORKER, &turn->turn, 1, &child);
    turn = fixture_next(fixture, PAWL_FRAME_TURN); /* the child's */
    fixture_turn_done(fixture, WORKER, &turn->turn, 0, NULL);

    assert_int_equal(start(fixture, PAWL_REUSE_TERMINATE, NULL, "two"), PAWL_OK);
    assert_told(fixture_next(fixture, PAWL_FRAME_TURN), ".s");
    assert_int_equal(fixture_status(fixture, "c"), PAWL_STATUS_TERMINATED);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_PENDING);

    /* Repeated, it is recognised: nothing is ended a second time. */
    assert_int_equal(start(fixture, PAWL_REUSE_TERMINATE, NULL, "two"), PAWL_OK);
    assert_null(fixture_next(fixture, PAWL_FRAME_TURN));
    assert_int_equal(start(fixture, PAWL_REUSE_TERMINATE, NULL, "one"), PAWL_E_TERMINAL);
    fixture_free(fixture);
}

/* Two attempts of one call: the first has found the old instance, and hears of it only when
 * the second has replaced it. */
static void a_late_attempt_leaves_the_new_instance_alone(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    assert_int_equal(start(fixture, PAWL_REUSE_TERMINATE, NULL, "one"), PAWL_OK);
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    fixture_turn_done(fixture, WORKER, &turn->turn, 0, NULL);

    struct pawl_request request = start_request("i", PAWL_REUSE_TERMINATE);
    request.request_id = PAWL_BYTES_LITERAL("two");
    fixture->reply_late = PAWL_STORE_CREATE;
    fixture_call(fixture, &request);
    assert_int_equal(start(fixture, PAWL_REUSE_TERMINATE, NULL, "two"), PAWL_OK);
    assert_told(fixture_next(fixture, PAWL_FRAME_TURN), ".s");
    fixture_reply_late(fixture);
    assert_int_equal(fixture_last_err(fixture), PAWL_OK);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_PENDING);
    fixture_free(fixture);
}

static void an_instance_that_has_ended_is_replaced_without_more(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    assert_int_equal(start(fixture, PAWL_REUSE_TERMINATE, NULL, "one"), PAWL_OK);
    complete(fixture, fixture_next(fixture, PAWL_FRAME_TURN));
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_COMPLETED);
    assert_int_equal(start(fixture, PAWL_REUSE_TERMINATE, NULL, "two"), PAWL_OK);
    assert_told(fixture_next(fixture, PAWL_FRAME_TURN), ".s");
    fixture_free(fixture);
}

static void a_store_that_is_away_in_between_is_told_and_the_call_can_be_repeated(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    assert_int_equal(start(fixture, PAWL_REUSE_TERMINATE, NULL, "one"), PAWL_OK);
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    fixture_turn_done(fixture, WORKER, &turn->turn, 0, NULL);
    fixture->reply_lost = PAWL_STORE_COMMIT; /* of the end */
    struct pawl_request request = start_request("i", PAWL_REUSE_TERMINATE);
    request.request_id = PAWL_BYTES_LITERAL("two");
    uint32_t before = fixture->answers_count;
    fixture_call(fixture, &request);
    assert_int_equal(fixture->answers_count, before);
    fixture_pass(fixture, 10000);
    assert_int_equal(fixture->answers_count, before + 1);
    assert_int_equal(fixture_last_err(fixture), PAWL_OK);
    assert_told(fixture_next(fixture, PAWL_FRAME_TURN), ".s");
    fixture_free(fixture);
}

static void a_new_instance_has_its_event_from_the_beginning(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    assert_int_equal(start(fixture, PAWL_REUSE_TERMINAL, "e", "one"), PAWL_OK);
    assert_told(fixture_next(fixture, PAWL_FRAME_TURN), ".se");
    assert_int_equal(start(fixture, PAWL_REUSE_TERMINAL, "e", "one"), PAWL_OK); /* repeated */
    fixture_free(fixture);
}

static void an_instance_that_runs_gets_the_event(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    assert_int_equal(start(fixture, PAWL_REUSE_TERMINAL, NULL, "one"), PAWL_OK);
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    fixture_turn_done(fixture, WORKER, &turn->turn, 0, NULL);
    assert_int_equal(start(fixture, PAWL_REUSE_REFUSE, "e", "two"), PAWL_E_EXISTS);
    assert_int_equal(start(fixture, PAWL_REUSE_TERMINAL, "e", "three"), PAWL_OK);
    assert_int_equal(start(fixture, PAWL_REUSE_TERMINAL, "e", "three"), PAWL_OK); /* repeated */
    turn = fixture_next(fixture, PAWL_FRAME_TURN);
    assert_told(turn, ".e");
    fixture_turn_done(fixture, WORKER, &turn->turn, 0, NULL);
    assert_int_equal(start(fixture, PAWL_REUSE_RETURN, "e", "four"), PAWL_OK);
    turn = fixture_next(fixture, PAWL_FRAME_TURN);
    assert_told(turn, ".e");
    complete(fixture, turn);
    assert_int_equal(start(fixture, PAWL_REUSE_TERMINAL, "e", "three"), PAWL_OK); /* it had it */
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_COMPLETED);

    /* It has ended: the event would be lost on it. */
    assert_int_equal(start(fixture, PAWL_REUSE_RETURN, "e", "five"), PAWL_E_EXISTS);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_COMPLETED);
    assert_int_equal(start(fixture, PAWL_REUSE_TERMINAL, "e", "six"), PAWL_OK);
    assert_told(fixture_next(fixture, PAWL_FRAME_TURN), ".se");
    assert_int_equal(start(fixture, PAWL_REUSE_TERMINATE, "e", "seven"), PAWL_OK);
    assert_told(fixture_next(fixture, PAWL_FRAME_TURN), ".se");
    fixture_free(fixture);
}

static void what_comes_with_a_start_outlives_the_sidecar(void **state)
{
    struct pawl_node_config config = { .partitions = 1 };
    struct fixture *fixture = fixture_new(&config);
    (void)state;
    struct pawl_request request = start_request("i", PAWL_REUSE_TERMINAL);
    request.event_name = PAWL_BYTES_LITERAL("e");
    request.event_data = PAWL_BYTES_LITERAL("data");
    request.start_at_ms = fixture->now_ms + 600000;
    fixture_call(fixture, &request);
    fixture_pass(fixture, 300000); /* it left memory meanwhile */
    fixture_connect(fixture, WORKER, 10, 10);
    assert_null(fixture_next(fixture, PAWL_FRAME_TURN));
    struct pawl_request raise = { .op = PAWL_REQUEST_RAISE,
                                  .instance = PAWL_BYTES_LITERAL("i"),
                                  .name = PAWL_BYTES_LITERAL("e"),
                                  .payload = PAWL_BYTES_LITERAL("data") };
    fixture_call(fixture, &raise);
    fixture_pass(fixture, 60000);
    assert_null(fixture_next(fixture, PAWL_FRAME_TURN)); /* an event does not start it early */
    fixture_pass(fixture, 300000);
    assert_told(fixture_next(fixture, PAWL_FRAME_TURN), ".see");
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_instance_that_runs_is_terminated_and_replaced),
        cmocka_unit_test(a_late_attempt_leaves_the_new_instance_alone),
        cmocka_unit_test(an_instance_that_has_ended_is_replaced_without_more),
        cmocka_unit_test(a_store_that_is_away_in_between_is_told_and_the_call_can_be_repeated),
        cmocka_unit_test(a_new_instance_has_its_event_from_the_beginning),
        cmocka_unit_test(an_instance_that_runs_gets_the_event),
        cmocka_unit_test(what_comes_with_a_start_outlives_the_sidecar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
