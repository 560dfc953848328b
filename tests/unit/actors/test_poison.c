/* Poison: what kills its workers is counted over crashes and moves, and ends in a stall that a
 * person resumes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include "actors/attempts.h"
#include "actors/stalled.h"
#include "actors/workflow.h"
#include "tests/unit/actors/cluster.h"
#include "tests/unit/actors/fixture.h"

#define LONG_MS (2 * PAWL_TURN_RETRY_MS_MAX) /* every rest is over */

static struct fixture *new_fixture(void)
{
    struct pawl_node_config config = { .partitions = 1,
                                       .turn_attempts_max = 4,
                                       .activity_attempts_max = 4 };
    return fixture_new(&config);
}

/* An instance "i" that has called "A" so often and waits for all. */
static void begin(struct fixture *fixture, uint32_t calls)
{
    struct pawl_action actions[3];
    fixture_connect(fixture, 1, 10, 10);
    fixture_start(fixture, "i");
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    for (uint32_t i = 0; i < calls; i++)
        actions[i] = fixture_action(PAWL_ACTION_ACTIVITY, (int32_t)i);
    fixture_turn_done(fixture, 1, &turn->turn, calls, actions);
}

static void control(struct fixture *fixture, enum pawl_request_op op)
{
    fixture_call(fixture, &(struct pawl_request){ .op = op, .instance = PAWL_BYTES_LITERAL("i") });
    assert_int_equal(fixture->answer_errs[fixture->answers_count - 1], PAWL_OK);
}

/* The next worker takes up the activity and dies of it. */
static void lose_worker(struct fixture *fixture, uint64_t worker, uint32_t attempt)
{
    fixture_connect(fixture, worker, 10, 10);
    fixture_pass(fixture, LONG_MS);
    const struct pawl_frame *item = fixture_next(fixture, PAWL_FRAME_ACTIVITY);
    assert_non_null(item);
    assert_int_equal(item->activity.attempt, attempt);
    fixture_disconnect(fixture, worker);
}

static void assert_stalled(struct fixture *fixture, const char *text)
{
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_STALLED);
    assert_true(pawl_bytes_is_str(fixture->answer_failure.type, "WorkerLost"));
    assert_true(pawl_bytes_is_str(fixture->answer_failure.message, text));
}

static const char *activity_text = "the worker went away each of the 4 times it ran activity 'A' "
                                   "(call 0); resume the workflow when the cause is mended";

static void a_poison_activity_stalls_its_instance_until_it_is_resumed(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    begin(fixture, 1);
    assert_non_null(fixture_next(fixture, PAWL_FRAME_ACTIVITY));
    fixture_disconnect(fixture, 1);
    for (uint32_t attempt = 2; attempt <= 4; attempt++) lose_worker(fixture, attempt, attempt);
    assert_stalled(fixture, activity_text);

    fixture_connect(fixture, 9, 10, 10);
    fixture_pass(fixture, 3600000);
    assert_null(fixture_next(fixture, PAWL_FRAME_ACTIVITY)); /* it waits for a person */
    fixture_restart(fixture);
    fixture_connect(fixture, 9, 10, 10);
    fixture_pass(fixture, 3600000);
    assert_null(fixture_next(fixture, PAWL_FRAME_ACTIVITY)); /* after a crash, too */

    control(fixture, PAWL_REQUEST_RESUME);
    const struct pawl_frame *item = fixture_next(fixture, PAWL_FRAME_ACTIVITY);
    assert_non_null(item);
    assert_int_equal(item->activity.attempt, 1); /* counted anew */
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_RUNNING);
    fixture_activity_done(fixture, 9, &item->activity);
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    assert_non_null(turn);
    fixture_free(fixture);
}

static void results_of_others_are_kept_while_one_is_poison(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    begin(fixture, 2);
    assert_non_null(fixture_next(fixture, PAWL_FRAME_ACTIVITY));
    const struct pawl_frame *other = fixture_next(fixture, PAWL_FRAME_ACTIVITY);
    fixture_disconnect(fixture, 1);
    for (uint32_t attempt = 2; attempt <= 4; attempt++) {
        fixture_connect(fixture, attempt, 10, 10);
        fixture_pass(fixture, LONG_MS);
        const struct pawl_frame *first = fixture_next(fixture, PAWL_FRAME_ACTIVITY);
        const struct pawl_frame *second = fixture_next(fixture, PAWL_FRAME_ACTIVITY);
        if (attempt == 2) {
            other = first->activity.id == 1 ? first : second;
            fixture_activity_done(fixture, attempt, &other->activity);
            const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
            fixture_turn_done(fixture, attempt, &turn->turn, 0, NULL);
        }
        fixture_disconnect(fixture, attempt);
    }
    assert_stalled(fixture, activity_text);
    fixture_free(fixture);
}

static void attempts_are_counted_over_crashes_of_the_sidecar(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    begin(fixture, 1);
    assert_non_null(fixture_next(fixture, PAWL_FRAME_ACTIVITY));
    fixture_disconnect(fixture, 1);
    lose_worker(fixture, 2, 2);
    fixture_restart(fixture);
    lose_worker(fixture, 3, 3);
    fixture_restart(fixture);
    lose_worker(fixture, 4, 4);
    assert_stalled(fixture, activity_text);
    fixture_free(fixture);
}

/* Each attempt takes the sidecar with it, so nobody is there to count it afterwards. */
static void an_activity_that_kills_its_sidecar_too_ends(void **state)
{
    struct fixture *fixture = new_fixture();
    uint32_t runs = 1;
    (void)state;
    begin(fixture, 1);
    assert_non_null(fixture_next(fixture, PAWL_FRAME_ACTIVITY));
    for (int crash = 0; crash < 20; crash++) {
        fixture->now_ms += 60000;
        fixture_restart(fixture);
        fixture_connect(fixture, 2, 10, 10);
        fixture_pass(fixture, LONG_MS);
        runs += fixture_next(fixture, PAWL_FRAME_ACTIVITY) != NULL;
    }
    assert_in_range(runs, 4, 7); /* those of the first two minutes do not count */
    assert_stalled(fixture, activity_text);
    fixture_free(fixture);
}

static void a_workflow_that_kills_its_sidecar_too_ends(void **state)
{
    struct fixture *fixture = new_fixture();
    uint32_t runs = 1;
    (void)state;
    fixture_connect(fixture, 1, 10, 10);
    fixture_start(fixture, "i");
    assert_non_null(fixture_next(fixture, PAWL_FRAME_TURN));
    for (int crash = 0; crash < 20; crash++) {
        fixture->now_ms += 60000;
        fixture_restart(fixture);
        fixture_connect(fixture, 2, 10, 10);
        fixture_pass(fixture, LONG_MS);
        runs += fixture_next(fixture, PAWL_FRAME_TURN) != NULL;
    }
    assert_in_range(runs, 4, 7);
    assert_stalled(fixture, "the worker went away each of the 4 times it ran this workflow; "
                            "resume it when the cause is mended");
    control(fixture, PAWL_REQUEST_RESUME);
    assert_non_null(fixture_next(fixture, PAWL_FRAME_TURN));
    fixture_free(fixture);
}

static void turns_are_counted_over_crashes_of_the_sidecar(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    fixture_start(fixture, "i");
    for (uint32_t attempt = 1; attempt <= 4; attempt++) {
        fixture_connect(fixture, attempt, 10, 10);
        fixture_pass(fixture, LONG_MS);
        assert_non_null(fixture_next(fixture, PAWL_FRAME_TURN));
        fixture_disconnect(fixture, attempt);
        if (attempt == 3) fixture_restart(fixture);
    }
    fixture_pass(fixture, LONG_MS);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_STALLED);
    fixture_free(fixture);
}

/* Waiting for a worker is no attempt. */
static void what_waited_over_crashes_is_no_poison(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    begin(fixture, 1);
    for (int crash = 0; crash < 20; crash++) {
        fixture_restart(fixture);
        fixture_pass(fixture, 600000);
        assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_RUNNING);
    }
    fixture_connect(fixture, 2, 10, 10);
    fixture_pass(fixture, LONG_MS);
    assert_non_null(fixture_next(fixture, PAWL_FRAME_ACTIVITY));
    fixture_free(fixture);
}

static void a_lost_worker_costs_one_operation_and_its_end_none(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    begin(fixture, 1);
    uint64_t before = fixture_operations(fixture);
    const struct pawl_frame *item = fixture_next(fixture, PAWL_FRAME_ACTIVITY);
    fixture_disconnect(fixture, 1);
    fixture_connect(fixture, 2, 10, 10);
    item = fixture_next(fixture, PAWL_FRAME_ACTIVITY);
    assert_int_equal(item->activity.attempt, 2);
    assert_int_equal(fixture_operations(fixture), before + 1); /* one loss: it is stored */
    fixture_activity_done(fixture, 2, &item->activity);
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    struct pawl_action again = fixture_action(PAWL_ACTION_ACTIVITY, 1);
    fixture_turn_done(fixture, 2, &turn->turn, 1, &again);
    item = fixture_next(fixture, PAWL_FRAME_ACTIVITY);
    fixture_activity_done(fixture, 2, &item->activity);
    turn = fixture_next(fixture, PAWL_FRAME_TURN);
    struct pawl_action end = fixture_action(PAWL_ACTION_COMPLETE, -1);
    end.status = PAWL_STATUS_COMPLETED;
    fixture_turn_done(fixture, 2, &turn->turn, 1, &end);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_COMPLETED);
    fixture_free(fixture);
}

static void a_suspended_instance_is_stalled_when_it_goes_on(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    begin(fixture, 1);
    assert_non_null(fixture_next(fixture, PAWL_FRAME_ACTIVITY));
    fixture_disconnect(fixture, 1);
    control(fixture, PAWL_REQUEST_SUSPEND);
    for (uint32_t attempt = 2; attempt <= 4; attempt++) lose_worker(fixture, attempt, attempt);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_SUSPENDED);
    control(fixture, PAWL_REQUEST_RESUME); /* it is a person's wish to try again */
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_RUNNING);
    lose_worker(fixture, 5, 1);
    for (uint32_t attempt = 2; attempt <= 4; attempt++) lose_worker(fixture, 4 + attempt, attempt);
    assert_stalled(fixture, activity_text);
    control(fixture, PAWL_REQUEST_TERMINATE);
    assert_int_equal(fixture_status(fixture, "i"), PAWL_STATUS_TERMINATED);
    fixture_free(fixture);
}

/* Its code is tried with its next input; without one, only the activity can bring it on. */
static void what_is_stalled_for_its_code_is_stalled_for_its_activity_when_that_is_all(void **state)
{
    struct pawl_workflow workflow = { .stall = PAWL_STALL_NONDETERMINISM };
    (void)state;
    workflow.metadata.status = PAWL_STATUS_STALLED;
    assert_false(pawl_poison_is_due(&workflow)); /* there is none */
    workflow.poison.ref.op.kind = 'a';
    assert_true(pawl_poison_is_due(&workflow));
    workflow.inputs_count = 1;
    assert_false(pawl_poison_is_due(&workflow));
    workflow.stall = PAWL_STALL_WORKER_LOST;
    assert_true(pawl_poison_is_due(&workflow));
    workflow.metadata.status = PAWL_STATUS_SUSPENDED;
    assert_false(pawl_poison_is_due(&workflow));
    workflow.metadata.status = PAWL_STATUS_RUNNING;
    assert_true(pawl_poison_is_due(&workflow));
}

static void stored_counts_come_back_and_nothing_else_is_taken_for_them(void **state)
{
    struct pawl_attempts counts = { .turn = 3, .ops_count = 2 }, read;
    struct pawl_arena arena;
    (void)state;
    counts.ops[0].id = 7;
    counts.ops[0].count = 2;
    counts.ops[1].id = INT32_MAX;
    counts.ops[1].count = UINT32_MAX;
    pawl_arena_init(&arena);
    struct pawl_bytes packed = pawl_attempts_pack(&arena, &counts);
    assert_int_equal(pawl_attempts_unpack(packed, &read), PAWL_OK);
    assert_int_equal(read.turn, 3);
    assert_int_equal(pawl_attempts_of_op(&read, 7), 2);
    assert_int_equal(pawl_attempts_of_op(&read, INT32_MAX), UINT32_MAX);
    assert_int_equal(pawl_attempts_of_op(&read, 8), 0);
    for (size_t size = 1; size < packed.size; size++)
        assert_int_equal(pawl_attempts_unpack(pawl_bytes_make(packed.data, size), &read),
                         PAWL_E_CORRUPT);
    assert_int_equal(pawl_attempts_unpack(PAWL_BYTES_LITERAL("\x92\x01\x02"), &read),
                     PAWL_E_CORRUPT);
    assert_int_equal(read.ops_count, 0);
    counts.ops_count = PAWL_ATTEMPTS_OPS_MAX;
    packed = pawl_attempts_pack(&arena, &counts);
    assert_int_equal(pawl_attempts_unpack(packed, &read), PAWL_OK);
    assert_int_equal(read.ops_count, PAWL_ATTEMPTS_OPS_MAX);
    pawl_arena_deinit(&arena);
}

/* Several sidecars ---------------------------------------------------------------------------- */

/* X1 owns an instance, and the activity's worker is at X2. */
static const char *cluster_begin(struct cluster *cluster)
{
    cluster_connect(cluster, X1, TURNS);
    cluster_connect(cluster, X2, TASKS);
    cluster_tell_members(cluster);
    const char *id = cluster_instance(cluster, X1, 0);
    assert_int_equal(cluster_start(cluster, X1, id), PAWL_OK);
    struct pawl_action action = cluster_activity(0, NULL, 0);
    cluster_turn(cluster, X1, 1, &action);
    return id;
}

static const struct pawl_frame *cluster_lose(struct cluster *cluster, enum cluster_host host)
{
    const struct pawl_frame *item = cluster_next(cluster, host, PAWL_FRAME_ACTIVITY);
    assert_non_null(item);
    cluster_disconnect(cluster, host, TASKS);
    return item;
}

static void attempts_travel_from_host_to_host(void **state)
{
    struct cluster *cluster = cluster_new();
    (void)state;
    const char *id = cluster_begin(cluster);
    uint32_t attempts = 0;
    /* It goes back and forth, and kills the worker at either side. */
    enum cluster_host host = X2, other = X1;
    while (attempts < PAWL_ACTIVITY_ATTEMPTS_MAX) {
        const struct pawl_frame *item = cluster_lose(cluster, host);
        attempts++;
        assert_int_equal(item->activity.attempt, attempts);
        cluster_connect(cluster, other, TASKS);
        cluster_tell_members(cluster);
        cluster_pass(cluster, LONG_MS); /* nobody comes back: it is given back */
        enum cluster_host last = host;
        host = other;
        other = last;
    }
    struct cluster_answer answer = cluster_get(cluster, X1, NULL, id);
    assert_int_equal(answer.status, PAWL_STATUS_STALLED);
    assert_int_equal(cluster_call(cluster, X2, PAWL_REQUEST_RESUME, NULL, id), PAWL_OK);
    cluster_pass(cluster, LONG_MS);
    const struct pawl_frame *item = cluster_next(cluster, host, PAWL_FRAME_ACTIVITY);
    assert_non_null(item);
    assert_int_equal(item->activity.attempt, 1);
    cluster_free(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_poison_activity_stalls_its_instance_until_it_is_resumed),
        cmocka_unit_test(results_of_others_are_kept_while_one_is_poison),
        cmocka_unit_test(attempts_are_counted_over_crashes_of_the_sidecar),
        cmocka_unit_test(an_activity_that_kills_its_sidecar_too_ends),
        cmocka_unit_test(a_workflow_that_kills_its_sidecar_too_ends),
        cmocka_unit_test(turns_are_counted_over_crashes_of_the_sidecar),
        cmocka_unit_test(what_waited_over_crashes_is_no_poison),
        cmocka_unit_test(a_lost_worker_costs_one_operation_and_its_end_none),
        cmocka_unit_test(a_suspended_instance_is_stalled_when_it_goes_on),
        cmocka_unit_test(what_is_stalled_for_its_code_is_stalled_for_its_activity_when_that_is_all),
        cmocka_unit_test(stored_counts_come_back_and_nothing_else_is_taken_for_them),
        cmocka_unit_test(attempts_travel_from_host_to_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
