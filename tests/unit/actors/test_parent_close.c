/* What becomes of children when their parent ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include "actors/envelope.h"
#include "actors/turn.h"
#include "base/bytes.h"
#include "tests/unit/actors/fixture.h"

#define WORKER 7u

static struct pawl_action child(int32_t id, const char *instance,
                                enum pawl_parent_close_policy policy)
{
    struct pawl_action action = fixture_action(PAWL_ACTION_CHILD, id);
    action.name = PAWL_BYTES_LITERAL("W");
    action.instance = pawl_bytes_str(instance);
    action.parent_close = policy;
    return action;
}

/* "i" has two children that run, "kept" and "ended". */
static void start_children(struct fixture *fixture)
{
    struct pawl_action actions[] = { child(0, "kept", PAWL_PARENT_CLOSE_ABANDON),
                                     child(1, "ended", PAWL_PARENT_CLOSE_TERMINATE) };
    fixture_start(fixture, "i");
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 2, actions);
    for (int i = 0; i < 2; i++)
        fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 0, NULL);
}

static const struct pawl_turn *wake(struct fixture *fixture)
{
    struct pawl_request raise = { .op = PAWL_REQUEST_RAISE,
                                  .instance = PAWL_BYTES_LITERAL("i"),
                                  .name = PAWL_BYTES_LITERAL("go") };
    fixture_call(fixture, &raise);
    return fixture_next_turn(fixture);
}

static void end(struct fixture *fixture, enum pawl_action_kind kind, enum pawl_status status)
{
    struct pawl_action action = fixture_action(kind, -1);
    action.status = status;
    action.failure.present = status == PAWL_STATUS_FAILED;
    fixture_turn_done(fixture, WORKER, wake(fixture), 1, &action);
}

static void terminate(struct fixture *fixture, bool recursive)
{
    struct pawl_request request = { .op = PAWL_REQUEST_TERMINATE,
                                    .instance = PAWL_BYTES_LITERAL("i"),
                                    .recursive = recursive };
    fixture_call(fixture, &request);
}

static void assert_children(struct fixture *fixture, enum pawl_status kept)
{
    assert_int_equal(fixture_status(fixture, "kept"), kept);
    assert_int_equal(fixture_status(fixture, "ended"), PAWL_STATUS_TERMINATED);
    fixture_free(fixture);
}

static void a_parent_that_completes_takes_those_along_that_are_to_end(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    start_children(fixture);
    end(fixture, PAWL_ACTION_COMPLETE, PAWL_STATUS_COMPLETED);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_COMPLETED);
    assert_children(fixture, PAWL_STATUS_RUNNING);
}

/* The start of another call of the same operation is late, and binds the child to that. */
static void bind(struct fixture *fixture, const char *child, int64_t calls_later)
{
    struct pawl_parent parent;
    struct pawl_store_reply reply;
    struct pawl_arena *arena = &fixture->arena;
    struct pawl_store_request load = { .op = PAWL_STORE_LOAD };
    load.load.instance = pawl_bytes_str(child);
    pawl_mem_store_apply(fixture->mem, &load, arena, &reply);
    assert_int_equal(pawl_parent_decode(reply.load.snapshot.metadata.parent, &parent), PAWL_OK);
    parent.nonce += (uint64_t)calls_later << 32;
    struct pawl_store_request create = { .op = PAWL_STORE_CREATE };
    create.create = (struct pawl_create){ .instance = pawl_bytes_str(child),
                                          .request_id = PAWL_BYTES_LITERAL("late"),
                                          .name = PAWL_BYTES_LITERAL("W"),
                                          .parent = pawl_parent_pack(arena, &parent),
                                          .parent_key = pawl_parent_key(arena, &parent),
                                          .created_ms = fixture->now_ms };
    pawl_mem_store_apply(fixture->mem, &create, arena, &reply);
    assert_int_equal(reply.err, PAWL_E_DUPLICATE);
}

static void one_that_an_earlier_call_has_bound_is_taken_along(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    start_children(fixture);
    bind(fixture, "ended", -1);
    end(fixture, PAWL_ACTION_COMPLETE, PAWL_STATUS_COMPLETED);
    assert_children(fixture, PAWL_STATUS_RUNNING);
}

static void one_that_a_later_call_has_bound_is_not(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    start_children(fixture);
    bind(fixture, "ended", 1);
    end(fixture, PAWL_ACTION_COMPLETE, PAWL_STATUS_COMPLETED);
    assert_int_equal(fixture_status(fixture, "ended"), PAWL_STATUS_RUNNING);
    fixture_free(fixture);
}

/* Of ten thousand calls in one turn two may have the same nonce: both are started. */
static void starts_of_calls_with_one_nonce_are_two_messages(void **state)
{
    struct pawl_op_ref one = { .instance = PAWL_BYTES_LITERAL("i"), .gen = 1, .nonce = 7 };
    struct pawl_op_ref other = one;
    (void)state;
    other.op.id = 1;
    assert_false(
        pawl_id_is_equal(pawl_turn_child_message_id(&one), pawl_turn_child_message_id(&other)));
    other = one;
    other.inc.bytes[0] = 1;
    assert_false(
        pawl_id_is_equal(pawl_turn_child_message_id(&one), pawl_turn_child_message_id(&other)));
}

static void so_does_one_that_fails(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    start_children(fixture);
    end(fixture, PAWL_ACTION_COMPLETE, PAWL_STATUS_FAILED);
    assert_children(fixture, PAWL_STATUS_RUNNING);
}

static void so_does_one_whose_answer_makes_no_sense(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    struct pawl_action again = child(0, "other", PAWL_PARENT_CLOSE_ABANDON);
    (void)state;
    start_children(fixture);
    fixture_turn_done(fixture, WORKER, wake(fixture), 1, &again); /* its id is in use */
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_FAILED);
    assert_children(fixture, PAWL_STATUS_RUNNING);
}

static void so_does_one_that_continues_as_new(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    start_children(fixture);
    end(fixture, PAWL_ACTION_CONTINUE, PAWL_STATUS_RUNNING);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_RUNNING);
    assert_children(fixture, PAWL_STATUS_RUNNING);
}

static void terminate_takes_all_along_when_it_is_recursive(void **state)
{
    (void)state;
    for (int recursive = 0; recursive <= 1; recursive++) {
        struct fixture *fixture = fixture_with_worker(WORKER);
        start_children(fixture);
        terminate(fixture, recursive != 0);
        assert_children(fixture, recursive ? PAWL_STATUS_TERMINATED : PAWL_STATUS_RUNNING);
    }
}

/* The choice is in the history, so it is known after a crash. */
static void the_choice_outlives_the_sidecar(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    (void)state;
    start_children(fixture);
    fixture_restart(fixture);
    fixture_connect(fixture, WORKER, 100, 100);
    end(fixture, PAWL_ACTION_COMPLETE, PAWL_STATUS_COMPLETED);
    assert_children(fixture, PAWL_STATUS_RUNNING);
}

static void a_child_that_the_last_turn_starts_is_not_started(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    struct pawl_action actions[] = { child(0, "kept", PAWL_PARENT_CLOSE_ABANDON),
                                     child(1, "ended", PAWL_PARENT_CLOSE_TERMINATE),
                                     fixture_action(PAWL_ACTION_COMPLETE, -1) };
    (void)state;
    actions[2].status = PAWL_STATUS_COMPLETED;
    fixture_start(fixture, "i");
    fixture_turn_done(fixture, WORKER, fixture_next_turn(fixture), 3, actions);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_COMPLETED);
    const struct pawl_turn *turn = fixture_next_turn(fixture);
    assert_true(pawl_bytes_is_str(turn->instance, "kept"));
    fixture_pass(fixture, 120000);
    assert_null(fixture_next(fixture, PAWL_FRAME_TURN));
    struct pawl_request get = { .op = PAWL_REQUEST_GET, .instance = PAWL_BYTES_LITERAL("ended") };
    fixture_call(fixture, &get);
    assert_int_equal(fixture_last_err(fixture), PAWL_E_NOT_FOUND);
    fixture_free(fixture);
}

static uint32_t outbox_count(const struct fixture *fixture)
{
    struct pawl_arena arena;
    struct pawl_message_row *rows;
    pawl_arena_init(&arena);
    uint32_t count = pawl_mem_store_outbox(fixture->mem, 0, &arena, &rows);
    pawl_arena_deinit(&arena);
    return count;
}

/* Its start may come behind; after a while there is none to come. */
static void a_child_that_is_not_there_is_looked_for_and_then_given_up(void **state)
{
    struct fixture *fixture = fixture_with_worker(WORKER);
    struct pawl_request purge = { .op = PAWL_REQUEST_PURGE,
                                  .instance = PAWL_BYTES_LITERAL("ended"),
                                  .force = true };
    (void)state;
    start_children(fixture);
    fixture_call(fixture, &purge);
    assert_int_equal(fixture_last_err(fixture), PAWL_OK);
    end(fixture, PAWL_ACTION_COMPLETE, PAWL_STATUS_COMPLETED);
    fixture_pass(fixture, 30000);
    assert_int_equal(outbox_count(fixture), 1);
    fixture_pass(fixture, 30000);
    assert_int_equal(outbox_count(fixture), 0);
    assert_int_equal(fixture_status(fixture, "kept"), PAWL_STATUS_RUNNING);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_parent_that_completes_takes_those_along_that_are_to_end),
        cmocka_unit_test(one_that_an_earlier_call_has_bound_is_taken_along),
        cmocka_unit_test(one_that_a_later_call_has_bound_is_not),
        cmocka_unit_test(starts_of_calls_with_one_nonce_are_two_messages),
        cmocka_unit_test(so_does_one_that_fails),
        cmocka_unit_test(so_does_one_whose_answer_makes_no_sense),
        cmocka_unit_test(so_does_one_that_continues_as_new),
        cmocka_unit_test(terminate_takes_all_along_when_it_is_recursive),
        cmocka_unit_test(the_choice_outlives_the_sidecar),
        cmocka_unit_test(a_child_that_the_last_turn_starts_is_not_started),
        cmocka_unit_test(a_child_that_is_not_there_is_looked_for_and_then_given_up),
    };
    return cmocka_run_group_tests_name("parent close", tests, NULL, NULL);
}
