/* Router: calls to any of several sidecars find the instance's owner. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "base/hash.h"
#include "base/limits.h"
#include "tests/unit/actors/cluster.h"
#include "tests/unit/actors/fixture.h"

static int setup(void **state)
{
    *state = cluster_new();
    return 0;
}

static int teardown(void **state)
{
    cluster_free(*state);
    return 0;
}

static uint64_t ask_wait(struct cluster *cluster, enum cluster_host host, const char *instance)
{
    struct pawl_request request = { .op = PAWL_REQUEST_WAIT,
                                    .wait_for = PAWL_WAIT_COMPLETED,
                                    .timeout_ms = 60000,
                                    .instance = pawl_bytes_str(instance) };
    return cluster_ask(cluster, host, &request);
}

static void a_call_reaches_the_owner_in_one_hop(void **state)
{
    struct cluster *cluster = *state;
    const char *own = cluster_instance(cluster, X1, 0), *other = cluster_instance(cluster, X2, 0);
    assert_int_equal(cluster_start(cluster, X1, own), PAWL_OK);
    assert_int_equal(cluster->sent[PAWL_PEER_CALL], 0);
    assert_int_equal(cluster_start(cluster, X1, other), PAWL_OK);
    assert_int_equal(cluster->sent[PAWL_PEER_CALL], 1);
    assert_int_equal(cluster->sent[PAWL_PEER_RETURN], 1);
    assert_int_equal(cluster_call(cluster, X1, PAWL_REQUEST_SUSPEND, NULL, other), PAWL_OK);
    assert_int_equal(cluster->sent[PAWL_PEER_CALL], 2);
    /* The store of the app is the same everywhere. */
    assert_int_equal(cluster_get(cluster, X1, NULL, other).status, PAWL_STATUS_SUSPENDED);
    assert_int_equal(cluster->sent[PAWL_PEER_CALL], 2);
}

static void a_call_may_name_another_app(void **state)
{
    struct cluster *cluster = *state;
    const char *instance = cluster_instance(cluster, X2, 0);
    assert_int_equal(cluster_call(cluster, Y1, PAWL_REQUEST_START, "x", instance), PAWL_OK);
    assert_int_equal(cluster->sent[PAWL_PEER_CALL], 1);
    assert_int_equal(cluster_get(cluster, Y1, "x", instance).status, PAWL_STATUS_PENDING);
    assert_int_equal(cluster_call(cluster, Y1, PAWL_REQUEST_GET, NULL, instance), PAWL_E_NOT_FOUND);
}

static void a_call_follows_an_instance_that_has_moved(void **state)
{
    struct cluster *cluster = *state;
    const char *instance = cluster_instance(cluster, X2, 0);
    assert_int_equal(cluster_start(cluster, X2, instance), PAWL_OK);
    cluster->nodes[X2].is_leaving = true;
    cluster->nodes[X1].is_deaf = true;
    cluster_tell_members(cluster);

    struct pawl_request request = { .op = PAWL_REQUEST_TERMINATE,
                                    .instance = pawl_bytes_str(instance) };
    uint64_t token = cluster_ask(cluster, X1, &request);
    cluster_pass(cluster, 2 * PAWL_ROUTE_AGAIN_MS);
    assert_true(cluster->sent[PAWL_PEER_CALL] > 1); /* X1 still takes X2 for the owner */
    assert_int_equal(cluster->sent[PAWL_PEER_RETURN], cluster->sent[PAWL_PEER_CALL]);
    assert_null(cluster_answer(cluster, token));

    cluster->nodes[X1].is_deaf = false;
    cluster_tell_members(cluster);
    cluster_pass(cluster, PAWL_ROUTE_AGAIN_MS);
    assert_int_equal(cluster_answer(cluster, token)->err, PAWL_OK);
    assert_int_equal(cluster_get(cluster, X1, NULL, instance).status, PAWL_STATUS_TERMINATED);
}

static void a_call_without_any_owner_is_given_up(void **state)
{
    struct cluster *cluster = *state;
    cluster_kill(cluster, Y1);
    cluster_tell_members(cluster);
    struct pawl_request request = { .op = PAWL_REQUEST_SUSPEND,
                                    .app = PAWL_BYTES_LITERAL("y"),
                                    .instance = PAWL_BYTES_LITERAL("i") };
    uint64_t token = cluster_ask(cluster, X1, &request);
    cluster_pass(cluster, PAWL_ROUTE_MS_MAX - 1000);
    assert_null(cluster_answer(cluster, token));
    cluster_pass(cluster, 2000);
    const struct cluster_answer *answer = cluster_answer(cluster, token);
    assert_int_equal(answer->err, PAWL_E_UNAVAILABLE);
    assert_true(pawl_bytes_is_equal(
        answer->message,
        PAWL_BYTES_LITERAL("no sidecar of app 'y' is known in namespace 'default'")));
}

static void check_repeated(struct cluster *cluster, enum pawl_request_op op, pawl_err again)
{
    const char *instance = cluster_instance(cluster, X2, op);
    struct pawl_request request = { .op = op, .force = true, .instance = pawl_bytes_str(instance) };
    assert_int_equal(cluster_start(cluster, X2, instance), PAWL_OK);
    if (op == PAWL_REQUEST_RESUME)
        assert_int_equal(cluster_call(cluster, X2, PAWL_REQUEST_SUSPEND, NULL, instance), PAWL_OK);
    cluster->lose[PAWL_PEER_RETURN] = true;
    uint64_t token = cluster_ask(cluster, X1, &request);
    assert_null(cluster_answer(cluster, token));
    cluster->lose[PAWL_PEER_RETURN] = false;
    cluster_pass(cluster, PAWL_PEER_REPEAT_MS);
    assert_int_equal(cluster_answer(cluster, token)->err, PAWL_OK);
    assert_int_equal(cluster_call(cluster, X1, op, NULL, instance), again);
}

static void what_a_repetition_finds_done_counts_as_done(void **state)
{
    check_repeated(*state, PAWL_REQUEST_TERMINATE, PAWL_E_TERMINAL);
    check_repeated(*state, PAWL_REQUEST_RESUME, PAWL_E_STATE);
    check_repeated(*state, PAWL_REQUEST_PURGE, PAWL_E_NOT_FOUND);
}

static void a_purge_whose_outcome_was_unknown_is_no_stranger_to_itself(void **state)
{
    struct cluster *cluster = *state;
    const char *instance = cluster_instance(cluster, X1, 0);
    struct pawl_request request = { .op = PAWL_REQUEST_PURGE,
                                    .force = true,
                                    .instance = pawl_bytes_str(instance) };
    assert_int_equal(cluster_start(cluster, X1, instance), PAWL_OK);
    cluster->unknown[PAWL_STORE_PURGE] = 1;
    uint64_t token = cluster_ask(cluster, X1, &request);
    cluster_pass(cluster, 5000);
    assert_int_equal(cluster_answer(cluster, token)->err, PAWL_OK); /* and not NOT_FOUND */
    assert_int_equal(cluster_call(cluster, X1, PAWL_REQUEST_GET, NULL, instance), PAWL_E_NOT_FOUND);
}

/* Given up by its client, it may come when the id is another's. */
static void a_purge_does_not_hit_what_was_started_since(void **state)
{
    struct cluster *cluster = *state;
    const char *instance = cluster_instance(cluster, X1, 0);
    struct pawl_store_request late = { .op = PAWL_STORE_PURGE,
                                       .partition = pawl_hash_partition(pawl_bytes_str(instance),
                                                                        CLUSTER_PARTITIONS) };
    assert_int_equal(cluster_start(cluster, X1, instance), PAWL_OK);
    assert_int_equal(cluster_call(cluster, X1, PAWL_REQUEST_TERMINATE, NULL, instance), PAWL_OK);
    assert_int_equal(cluster_call(cluster, X1, PAWL_REQUEST_PURGE, NULL, instance), PAWL_OK);
    late.purge = cluster->last_purge;
    assert_int_equal(cluster_start(cluster, X1, instance), PAWL_OK);
    assert_int_equal(cluster_call(cluster, X1, PAWL_REQUEST_TERMINATE, NULL, instance), PAWL_OK);

    struct pawl_store_reply reply;
    pawl_mem_store_apply(cluster->mems[0], &late, &cluster->arena, &reply);
    assert_int_equal(reply.err, PAWL_E_CONFLICT);
}

static void a_start_whose_answer_was_lost_starts_once(void **state)
{
    struct cluster *cluster = *state;
    struct pawl_request request = { .op = PAWL_REQUEST_START,
                                    .instance = pawl_bytes_str(cluster_instance(cluster, X2, 0)),
                                    .name = PAWL_BYTES_LITERAL("W") };
    cluster->lose[PAWL_PEER_RETURN] = true;
    uint64_t token = cluster_ask(cluster, X1, &request);
    cluster->lose[PAWL_PEER_RETURN] = false;
    cluster_pass(cluster, PAWL_PEER_REPEAT_MS);
    assert_int_equal(cluster_answer(cluster, token)->err, PAWL_OK); /* and not EXISTS */
}

static void a_start_goes_past_an_owner_that_cannot_be_reached(void **state)
{
    struct cluster *cluster = *state;
    const char *instance = cluster_instance(cluster, X2, 0);
    cluster_kill(cluster, X2); /* the list still has it */
    assert_int_equal(cluster_start(cluster, X1, instance), PAWL_OK);
    assert_int_equal(cluster_get(cluster, X1, NULL, instance).status, PAWL_STATUS_PENDING);
}

static void who_waits_hears_from_the_new_owner(void **state)
{
    struct cluster *cluster = *state;
    const char *instance = cluster_instance(cluster, X2, 0);
    assert_int_equal(cluster_start(cluster, X2, instance), PAWL_OK);
    uint64_t token = ask_wait(cluster, X1, instance);
    cluster_kill(cluster, X2);
    cluster_connect(cluster, X1, TURNS);
    assert_null(cluster_answer(cluster, token));
    cluster_tell_members(cluster);
    cluster_pass(cluster, 1000);
    cluster_complete(cluster, X1, "out");
    assert_int_equal(cluster_answer(cluster, token)->err, PAWL_OK);
    assert_true(cluster_answer(cluster, token)->reached);
}

static void who_waits_and_leaves_is_not_waited_for(void **state)
{
    struct cluster *cluster = *state;
    const char *instance = cluster_instance(cluster, X2, 0);
    assert_int_equal(cluster_start(cluster, X2, instance), PAWL_OK);
    uint64_t token = ask_wait(cluster, X1, instance);
    assert_int_equal(pawl_node_metrics(cluster->nodes[X2].node)->requests_waiting, 1);
    uint32_t returned = cluster->sent[PAWL_PEER_RETURN];

    struct pawl_node_event gone = { .type = PAWL_NODE_REQUEST_GONE };
    gone.request.token = token;
    cluster_step(cluster, X1, gone);
    assert_int_equal(cluster->sent[PAWL_PEER_GONE], 1);
    assert_int_equal(pawl_node_metrics(cluster->nodes[X2].node)->requests_waiting, 0);
    cluster_connect(cluster, X2, TURNS);
    cluster_complete(cluster, X2, "out");
    assert_int_equal(cluster->sent[PAWL_PEER_RETURN], returned);
    assert_null(cluster_answer(cluster, token));
}

static uint64_t owned(struct cluster *cluster, enum cluster_host host)
{
    return pawl_node_metrics(cluster->nodes[host].node)->partitions_owned;
}

static void who_leaves_owns_nothing(void **state)
{
    struct cluster *cluster = *state;
    const char *instance = cluster_instance(cluster, X2, 0);
    assert_int_equal(owned(cluster, X1) + owned(cluster, X2), CLUSTER_PARTITIONS);
    assert_true(owned(cluster, X1) > 0);
    cluster->nodes[X2].is_leaving = true;
    cluster_tell_members(cluster);
    assert_int_equal(owned(cluster, X1), CLUSTER_PARTITIONS);
    assert_int_equal(owned(cluster, X2), 0);
    assert_int_equal(cluster_start(cluster, X2, instance), PAWL_OK); /* it still answers */
    assert_int_equal(cluster->sent[PAWL_PEER_CALL], 1);
}

/* It hears of no list, and nobody calls it: its own poll tells it. It has just polled when the
 * other one acquires, which is the longest it can take. */
static void a_former_owner_learns_it_within_a_second(void **state)
{
    struct cluster *cluster = *state;
    cluster_connect(cluster, X1, TURNS);
    cluster_connect(cluster, X2, TURNS);
    cluster_tell_members(cluster);
    const char *instance = cluster_instance(cluster, X1, 0);
    assert_int_equal(cluster_start(cluster, X1, instance), PAWL_OK);
    assert_non_null(cluster_next(cluster, X1, PAWL_FRAME_TURN));
    cluster_pass(cluster, 2 * PAWL_POLL_EVERY_MS);
    uint64_t before = owned(cluster, X1);
    cluster->nodes[X1].is_leaving = true;
    cluster->nodes[X1].is_deaf = true;
    cluster_tell_members(cluster);
    assert_int_equal(owned(cluster, X2), CLUSTER_PARTITIONS);
    assert_int_equal(owned(cluster, X1), before); /* it knows nothing of it */
    const struct pawl_node_metrics *metrics = pawl_node_metrics(cluster->nodes[X1].node);
    assert_int_equal(metrics->active_instances, 1);
    cluster_pass(cluster, PAWL_POLL_EVERY_MS);
    assert_int_equal(owned(cluster, X1), 0);
    metrics = pawl_node_metrics(cluster->nodes[X1].node);
    assert_int_equal(metrics->fenced_total, before);
    assert_int_equal(metrics->active_instances, 0);
}

static void a_member_list_from_the_past_is_ignored(void **state)
{
    struct cluster *cluster = *state;
    uint64_t before = owned(cluster, X2);
    cluster_tell_members(cluster);
    cluster->nodes[X2].is_leaving = true;
    cluster->version -= 1; /* the same again, and then an older one */
    cluster_tell_members(cluster);
    assert_int_equal(owned(cluster, X2), before);
    cluster->version -= 2;
    cluster_tell_members(cluster);
    assert_int_equal(owned(cluster, X2), before);
}

static void a_call_that_cannot_be_read_is_refused(void **state)
{
    struct cluster *cluster = *state;
    struct pawl_peer_frame frame = { .type = PAWL_PEER_CALL };
    frame.call.token = 77;
    frame.call.frame = PAWL_BYTES_LITERAL("garbage");
    cluster_forge(cluster, Y1, X1, &frame);
    assert_int_equal(cluster->sent[PAWL_PEER_RETURN], 1);
    assert_int_equal(cluster_start(cluster, X1, cluster_instance(cluster, X1, 0)), PAWL_OK);
}

static void without_placement_there_are_no_other_apps(void **state)
{
    (void)state;
    struct pawl_node_config config = { .partitions = 1 };
    struct fixture *fixture = fixture_new(&config);
    struct pawl_request request = { .op = PAWL_REQUEST_GET,
                                    .app = PAWL_BYTES_LITERAL("other"),
                                    .instance = PAWL_BYTES_LITERAL("i") };
    fixture_call(fixture, &request);
    assert_int_equal(fixture->answer_errs[0], PAWL_E_UNAVAILABLE);
    assert_true(pawl_bytes_is_equal(
        fixture->answer_texts[0],
        PAWL_BYTES_LITERAL("app 'test' runs without placement and cannot reach app 'other'")));
    fixture_free(fixture);
}

/* It has failed at another sidecar, which its former owner has not noticed: what that has of it,
 * and its worker, is of before. */
static void a_rewind_at_a_former_owner_is_not_run_from_what_it_remembers(void **state)
{
    struct cluster *cluster = *state;
    const char *instance = cluster_instance(cluster, X1, 0);
    cluster_connect(cluster, X1, TURNS);
    cluster_connect(cluster, X2, TURNS);
    cluster_connect(cluster, Y1, TASKS);
    cluster_tell_members(cluster);
    assert_int_equal(cluster_start(cluster, X1, instance), PAWL_OK);
    struct pawl_action activity = cluster_activity(0, "y", 0);
    cluster_turn(cluster, X1, 1, &activity);
    cluster_kill(cluster, X1);
    cluster_tell_members(cluster);
    cluster_pass(cluster, 100);
    cluster_activity_done(cluster, Y1, &cluster_next(cluster, Y1, PAWL_FRAME_ACTIVITY)->activity);
    struct pawl_action end = { .kind = PAWL_ACTION_COMPLETE,
                               .id = -1,
                               .ref = -1,
                               .status = PAWL_STATUS_FAILED,
                               .failure = { .present = true,
                                            .type = PAWL_BYTES_LITERAL("T"),
                                            .message = PAWL_BYTES_LITERAL("m") } };
    cluster_turn(cluster, X2, 1, &end);
    assert_int_equal(cluster_get(cluster, X2, NULL, instance).status, PAWL_STATUS_FAILED);

    cluster_revive(cluster, X1);
    assert_int_equal(cluster_call(cluster, X1, PAWL_REQUEST_REWIND, NULL, instance), PAWL_OK);
    assert_null(cluster_next(cluster, X1, PAWL_FRAME_TURN));
}

/* What that has in memory waits for nothing: the call was made at the new owner. Who ran it forgets
 * a result that is acknowledged, and then somebody has to run it again. */
static void a_former_owner_does_not_acknowledge_a_result_that_it_does_not_wait_for(void **state)
{
    struct cluster *cluster = *state;
    const char *instance = cluster_instance(cluster, X1, 0);
    cluster_connect(cluster, X1, TURNS);
    cluster_connect(cluster, X2, TURNS);
    cluster_connect(cluster, Y1, TASKS);
    cluster_tell_members(cluster);
    assert_int_equal(cluster_start(cluster, X1, instance), PAWL_OK);
    cluster_turn(cluster, X1, 0, NULL);
    cluster->nodes[X1].is_leaving = true;
    cluster->nodes[X1].is_deaf = cluster->nodes[Y1].is_deaf = true;
    cluster_tell_members(cluster);
    struct pawl_request raise = { .op = PAWL_REQUEST_RAISE,
                                  .instance = pawl_bytes_str(instance),
                                  .name = PAWL_BYTES_LITERAL("e") };
    (void)cluster_ask(cluster, X2, &raise);
    struct pawl_action activity = cluster_activity(0, "y", 0);
    cluster_turn(cluster, X2, 1, &activity);
    cluster_activity_done(cluster, Y1, &cluster_next(cluster, Y1, PAWL_FRAME_ACTIVITY)->activity);
    assert_true(cluster->sent[PAWL_PEER_RESULT] > 0);

    cluster->nodes[X1].is_deaf = cluster->nodes[Y1].is_deaf = false;
    cluster_tell_members(cluster);
    cluster_pass(cluster, 2 * PAWL_POLL_EVERY_MS);
    const struct pawl_frame *turn = cluster_next(cluster, X2, PAWL_FRAME_TURN);
    assert_non_null(turn);
    cluster_pass(cluster, 2 * PAWL_RUN_ASK_EVERY_MS); /* so long its worker takes */
    assert_null(cluster_next(cluster, Y1, PAWL_FRAME_ACTIVITY));
}

static uint32_t outbox_count(const struct cluster *cluster, const char *instance)
{
    struct pawl_arena arena;
    struct pawl_message_row *rows;
    uint32_t partition = pawl_hash_partition(pawl_bytes_str(instance), CLUSTER_PARTITIONS);
    pawl_arena_init(&arena);
    uint32_t count = pawl_mem_store_outbox(cluster->mems[0], partition, &arena, &rows);
    pawl_arena_deinit(&arena);
    return count;
}

/* It looked for the child when it lost the parent's partition: what it finds is the new owner's
 * to hear, and until then nobody's. */
static void a_terminate_that_a_former_owner_carries_out_is_not_kept_there(void **state)
{
    struct cluster *cluster = *state;
    const char *parent = cluster_instance(cluster, X2, 0);
    const char *child = cluster_instance(cluster, X1, 0);
    cluster_connect(cluster, X1, TURNS);
    cluster_connect(cluster, X2, TURNS);
    cluster->nodes[X2].is_leaving = true;
    cluster_tell_members(cluster);
    assert_int_equal(cluster_start(cluster, X1, parent), PAWL_OK);
    struct pawl_action call = cluster_child(0, NULL, child);
    call.parent_close = PAWL_PARENT_CLOSE_TERMINATE;
    cluster_turn(cluster, X1, 1, &call);
    cluster_turn(cluster, X1, 0, NULL);
    struct pawl_request purge = { .op = PAWL_REQUEST_PURGE,
                                  .instance = pawl_bytes_str(child),
                                  .force = true };
    struct pawl_request raise = { .op = PAWL_REQUEST_RAISE,
                                  .instance = pawl_bytes_str(parent),
                                  .name = PAWL_BYTES_LITERAL("e") };
    assert_int_equal(cluster_answer(cluster, cluster_ask(cluster, X1, &purge))->err, PAWL_OK);
    (void)cluster_ask(cluster, X1, &raise);
    cluster_complete(cluster, X1, "out");
    assert_int_equal(outbox_count(cluster, parent), 1);

    cluster->unknown[PAWL_STORE_LOAD] = 100;
    cluster->unknown[PAWL_STORE_POLL] = CLUSTER_PARTITIONS; /* each of them will look again */
    cluster_pass(cluster, PAWL_POLL_EVERY_MS);
    assert_int_equal(cluster->unknown[PAWL_STORE_POLL], 0);
    cluster->unknown[PAWL_STORE_LOAD] = 0;
    cluster->nodes[X2].is_leaving = false;
    cluster_tell_members(cluster);
    cluster_pass(cluster, 60000);
    assert_int_equal(outbox_count(cluster, parent), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_call_reaches_the_owner_in_one_hop),
        T(a_call_may_name_another_app),
        T(a_call_follows_an_instance_that_has_moved),
        T(a_call_without_any_owner_is_given_up),
        T(what_a_repetition_finds_done_counts_as_done),
        T(a_purge_whose_outcome_was_unknown_is_no_stranger_to_itself),
        T(a_purge_does_not_hit_what_was_started_since),
        T(a_start_whose_answer_was_lost_starts_once),
        T(a_start_goes_past_an_owner_that_cannot_be_reached),
        T(who_waits_hears_from_the_new_owner),
        T(who_waits_and_leaves_is_not_waited_for),
        T(who_leaves_owns_nothing),
        T(a_former_owner_learns_it_within_a_second),
        T(a_member_list_from_the_past_is_ignored),
        T(a_call_that_cannot_be_read_is_refused),
        T(a_rewind_at_a_former_owner_is_not_run_from_what_it_remembers),
        T(a_former_owner_does_not_acknowledge_a_result_that_it_does_not_wait_for),
        T(a_terminate_that_a_former_owner_carries_out_is_not_kept_there),
        cmocka_unit_test(without_placement_there_are_no_other_apps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
