/* Which sidecar of an app runs an activity: the instance's own, for one at a time; any of them,
 * when there are many or nobody is free here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "base/limits.h"
#include "tests/unit/actors/cluster.h"
#include "tests/unit/actors/fixture.h"

#define MANY   16u
#define CREDIT 10u /* of a worker, see cluster_connect */

static int teardown(void **state)
{
    cluster_free(*state);
    return 0;
}

static int setup(void **state)
{
    struct cluster *cluster = cluster_new();
    cluster_connect(cluster, X1, TURNS);
    cluster_connect(cluster, X2, TURNS);
    cluster_connect(cluster, X2, TASKS);
    *state = cluster;
    return 0;
}

static void have_worker(struct cluster *cluster, enum cluster_worker worker)
{
    cluster_connect(cluster, X1, worker);
    cluster_tell_members(cluster);
}

static void begin(struct cluster *cluster, uint32_t nth, uint32_t count)
{
    struct pawl_action actions[MANY];
    for (uint32_t i = 0; i < count; i++) actions[i] = cluster_activity((int32_t)i, NULL, 0);
    assert_int_equal(cluster_start(cluster, X1, cluster_instance(cluster, X1, nth)), PAWL_OK);
    cluster_turn(cluster, X1, count, actions);
}

/* Each an instance with one activity. */
static void begin_each(struct cluster *cluster, uint32_t count)
{
    for (uint32_t nth = 0; nth < count; nth++) begin(cluster, nth, 1);
}

/* The next one that X1's worker has been given; the workflow then calls another. */
static void end_one_and_call(struct cluster *cluster, int32_t id)
{
    const struct pawl_frame *frame = cluster_next(cluster, X1, PAWL_FRAME_ACTIVITY);
    assert_non_null(frame);
    cluster_activity_done(cluster, X1, &frame->activity);
    cluster_step(cluster, X1,
                 (struct pawl_node_event){
                     .type = PAWL_NODE_WORKER_CREDIT, .worker = TASKS, .credit = { 0, 1 } });
    struct pawl_action next = cluster_activity(id, NULL, 0);
    cluster_turn(cluster, X1, 1, &next);
}

static uint64_t running_at(const struct cluster *cluster, enum cluster_host host)
{
    return pawl_node_metrics(cluster->nodes[host].node)->activities_running;
}

static void what_is_done_one_by_one_is_done_where_the_instance_is(void **state)
{
    struct cluster *cluster = *state;
    have_worker(cluster, TASKS);
    begin(cluster, 0, 1);
    for (int32_t id = 1; id < (int32_t)MANY; id++) end_one_and_call(cluster, id);
    assert_int_equal(running_at(cluster, X1), 1);
    assert_int_equal(cluster->sent[PAWL_PEER_RUN], 0);
}

static void what_fans_out_is_spread(void **state)
{
    struct cluster *cluster = *state;
    have_worker(cluster, TASKS);
    begin(cluster, 0, MANY);
    assert_in_range(cluster->sent[PAWL_PEER_RUN], MANY / 4, MANY * 3 / 4);
    assert_in_range(running_at(cluster, X2), MANY / 4, MANY * 3 / 4);
}

/* A window that moves over many is a fan-out, too: in the end some of it is at the other. */
static void one_more_beside_another_goes_by_its_key(void **state)
{
    struct cluster *cluster = *state;
    have_worker(cluster, TASKS);
    begin(cluster, 0, 2);
    const uint32_t sent = cluster->sent[PAWL_PEER_RUN];
    for (int32_t id = 2; cluster->sent[PAWL_PEER_RUN] == sent; id++) {
        assert_in_range(id, 2, 64);
        end_one_and_call(cluster, id);
    }
}

static void where_no_worker_is_free_it_goes_by_its_key(void **state)
{
    struct cluster *cluster = *state;
    have_worker(cluster, BUSY);
    begin_each(cluster, MANY);
    assert_int_equal(running_at(cluster, X1), 0);
    assert_in_range(cluster->sent[PAWL_PEER_RUN], MANY / 4, MANY * 3 / 4);
}

static void so_many_stay_as_a_worker_here_takes(void **state)
{
    struct cluster *cluster = *state;
    have_worker(cluster, TASKS);
    begin_each(cluster, CREDIT);
    assert_int_equal(running_at(cluster, X1), CREDIT);
    assert_int_equal(cluster->sent[PAWL_PEER_RUN], 0);
    for (uint32_t nth = CREDIT; nth < MANY; nth++) begin(cluster, nth, 1);
    assert_in_range(running_at(cluster, X2), 1, MANY - CREDIT);
}

static void what_takes_long_is_spread(void **state)
{
    struct cluster *cluster = *state;
    have_worker(cluster, TASKS);
    const uint32_t more = 40;
    cluster_step(cluster, X1,
                 (struct pawl_node_event){ .type = PAWL_NODE_WORKER_CREDIT,
                                           .worker = TASKS,
                                           .credit = { 0, PAWL_ACTIVITIES_KEPT_MAX + more } });
    begin_each(cluster, PAWL_ACTIVITIES_KEPT_MAX);
    assert_int_equal(running_at(cluster, X1), PAWL_ACTIVITIES_KEPT_MAX);
    for (uint32_t nth = 0; nth < more; nth++) begin(cluster, PAWL_ACTIVITIES_KEPT_MAX + nth, 1);
    assert_in_range(cluster->sent[PAWL_PEER_RUN], more / 4, more * 3 / 4);
}

/* It would have nothing to do. */
static void one_with_activities_alone_gets_some(void **state)
{
    struct cluster *cluster = *state;
    cluster_disconnect(cluster, X2, TURNS);
    cluster_pass(cluster, PAWL_SILENCE_MS);
    have_worker(cluster, TASKS);
    begin_each(cluster, CREDIT);
    assert_in_range(running_at(cluster, X2), CREDIT / 4, CREDIT * 3 / 4);
}

/* Whoever is free here, but knows another name, is no reason to keep it. */
static void what_no_worker_here_knows_goes_by_its_key(void **state)
{
    struct cluster *cluster = *state;
    have_worker(cluster, OLDER);
    begin_each(cluster, CREDIT);
    assert_int_equal(running_at(cluster, X2), CREDIT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(what_is_done_one_by_one_is_done_where_the_instance_is),
        TEST(what_fans_out_is_spread),
        TEST(one_more_beside_another_goes_by_its_key),
        TEST(where_no_worker_is_free_it_goes_by_its_key),
        TEST(so_many_stay_as_a_worker_here_takes),
        TEST(what_takes_long_is_spread),
        TEST(one_with_activities_alone_gets_some),
        TEST(what_no_worker_here_knows_goes_by_its_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
