/* Cases of docs/CONFORMANCE.md that need a store which fails at the right moment, or an engine
 * whose clock can be set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "tests/unit/actors/fixture.h"

#define WORKER 7u

/* Answer the next turn, which must be this instance's. */
static void turn(struct fixture *fixture, const char *instance, uint32_t count,
                 struct pawl_action *actions)
{
    const struct pawl_frame *frame = fixture_next(fixture, PAWL_FRAME_TURN);
    assert_non_null(frame);
    assert_true(pawl_bytes_is_str(frame->turn.instance, instance));
    fixture_turn_done(fixture, WORKER, &frame->turn, count, actions);
}

static struct pawl_action child(int32_t id, const char *instance)
{
    struct pawl_action action = fixture_action(PAWL_ACTION_CHILD, id);
    action.name = PAWL_BYTES_LITERAL("W");
    action.instance = pawl_bytes_str(instance);
    return action;
}

/* "root" has the children "a" and "b", and "a" has "leaf"; all of them wait. */
static struct fixture *new_family(void)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    struct pawl_action children[] = { child(0, "a"), child(1, "b") };
    struct pawl_action leaf = child(0, "leaf");
    fixture_start(fixture, "root");
    turn(fixture, "root", 2, children);
    turn(fixture, "a", 1, &leaf);
    turn(fixture, "b", 0, NULL);
    turn(fixture, "leaf", 0, NULL);
    return fixture;
}

static const char *const family[] = { "root", "a", "b", "leaf" };

static void a_recursive_terminate_goes_on_when_the_store_is_back(void **state)
{
    static const enum pawl_store_op ops[] = { PAWL_STORE_DELIVER, PAWL_STORE_COMMIT,
                                              PAWL_STORE_OUTDONE };
    (void)state;
    for (size_t i = 0; i < 2 * sizeof ops / sizeof *ops; i++) {
        struct fixture *fixture = new_family();
        enum pawl_store_op op = ops[i / 2];
        struct pawl_request terminate = { .op = PAWL_REQUEST_TERMINATE,
                                          .instance = PAWL_BYTES_LITERAL("root"),
                                          .recursive = true };
        if (i % 2 == 0) {
            fixture->refuse = op;
            fixture->refuse_count = 5;
        } else {
            fixture->reply_lost = op;
        }
        fixture_call(fixture, &terminate);
        fixture_pass(fixture, 120000);
        assert_int_equal(fixture->refuse_count, 0); /* it has failed, and was tried again */
        assert_int_equal(fixture->reply_lost, 0);
        /* A call whose first step was refused says so; then it is made again. */
        if (fixture_status(fixture, "root") != PAWL_STATUS_TERMINATED) {
            fixture_call(fixture, &terminate);
            fixture_pass(fixture, 120000);
        }
        for (size_t k = 0; k < sizeof family / sizeof *family; k++)
            assert_int_equal(fixture_status(fixture, family[k]), PAWL_STATUS_TERMINATED);
        fixture_free(fixture);
    }
}

static void an_instance_that_left_memory_comes_back_for_an_event(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_with_worker(WORKER);
    fixture_start(fixture, "i");
    turn(fixture, "i", 0, NULL);
    fixture_pass(fixture, 60000);
    assert_int_equal(pawl_node_metrics(fixture->node)->active_instances, 0);
    struct pawl_request raise = { .op = PAWL_REQUEST_RAISE,
                                  .instance = PAWL_BYTES_LITERAL("i"),
                                  .name = PAWL_BYTES_LITERAL("e") };
    fixture_call(fixture, &raise);
    const struct pawl_frame *frame = fixture_next(fixture, PAWL_FRAME_TURN);
    assert_non_null(frame);
    struct pawl_history_event event;
    struct pawl_bytes last = frame->turn.events[frame->turn.events_count - 1];
    assert_int_equal(pawl_history_event_decode(last, &event), PAWL_OK);
    assert_int_equal(event.kind, PAWL_EVENT_EVENT_RAISED);
    fixture_free(fixture);
}

static void a_stall_at_a_timer_leaves_all_in_order(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_with_worker(WORKER);
    fixture_start(fixture, "i");
    struct pawl_action timer = fixture_action(PAWL_ACTION_TIMER, 0);
    timer.fire_at_ms = fixture->now_ms + 5000;
    turn(fixture, "i", 1, &timer);
    fixture_pass(fixture, 6000);
    const struct pawl_frame *frame = fixture_next(fixture, PAWL_FRAME_TURN);
    struct pawl_turn_done done = { .turn = frame->turn.turn,
                                   .instance = frame->turn.instance,
                                   .err = PAWL_E_VERSION,
                                   .message = PAWL_BYTES_LITERAL("not this one") };
    fixture_step(fixture, (struct pawl_node_event){
                              .type = PAWL_NODE_TURN_DONE, .worker = WORKER, .turn_done = &done });
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_STALLED);
    fixture_pass(fixture, 120000); /* it leaves memory, and is looked at again */
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_STALLED);

    /* What the timer has brought is there for the worker that can go on from it. */
    fixture_disconnect(fixture, WORKER);
    fixture_connect(fixture, WORKER + 1, 100, 100);
    fixture_pass(fixture, 60000);
    frame = fixture_next(fixture, PAWL_FRAME_TURN);
    assert_non_null(frame);
    struct pawl_history_event event;
    bool has_fired = false;
    for (uint32_t i = 0; i < frame->turn.events_count; i++) {
        assert_int_equal(pawl_history_event_decode(frame->turn.events[i], &event), PAWL_OK);
        has_fired |= event.kind == PAWL_EVENT_TIMER_FIRED;
    }
    assert_true(has_fired);
    struct pawl_request purge = { .op = PAWL_REQUEST_PURGE,
                                  .instance = PAWL_BYTES_LITERAL("i"),
                                  .force = true };
    fixture_call(fixture, &purge);
    assert_int_equal(fixture->answer_errs[fixture->answers_count - 1], PAWL_OK);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recursive_terminate_goes_on_when_the_store_is_back),
        cmocka_unit_test(an_instance_that_left_memory_comes_back_for_an_event),
        cmocka_unit_test(a_stall_at_a_timer_leaves_all_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
