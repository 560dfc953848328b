/* Partitions belong to sidecars that have a worker for workflows, and do not follow each worker
 * that comes and goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "base/limits.h"
#include "tests/unit/actors/cluster.h"

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

static uint64_t owned(struct cluster *cluster, enum cluster_host host)
{
    return pawl_node_metrics(cluster->nodes[host].node)->partitions_owned;
}

/* What placement is told. */
static bool is_told(const struct cluster *cluster, enum cluster_host host)
{
    return pawl_node_runs_workflows(cluster->nodes[host].node);
}

/* Both have had a worker for so long that both are told. */
static void connect_both(struct cluster *cluster)
{
    cluster_connect(cluster, X1, TURNS);
    cluster_connect(cluster, X2, TURNS);
    cluster_tell_members(cluster);
    cluster_pass(cluster, PAWL_PRESENCE_STEADY_MS);
    cluster_tell_members(cluster);
    assert_true(is_told(cluster, X1) && is_told(cluster, X2));
    assert_true(owned(cluster, X1) > 0 && owned(cluster, X2) > 0);
}

static void who_has_no_worker_owns_nothing_while_another_has_one(void **state)
{
    struct cluster *cluster = *state;
    const char *instance = cluster_instance(cluster, X2, 0);
    assert_int_equal(cluster_start(cluster, X2, instance), PAWL_OK);
    assert_true(owned(cluster, X2) > 0);
    cluster_connect(cluster, X1, TURNS);
    cluster_tell_members(cluster);
    assert_int_equal(owned(cluster, X1), CLUSTER_PARTITIONS);
    assert_int_equal(owned(cluster, X2), 0);
    cluster_complete(cluster, X1, "out"); /* at once, not at its next poll */
    assert_int_equal(cluster_get(cluster, X2, NULL, instance).status, PAWL_STATUS_COMPLETED);
}

static void a_worker_for_activities_alone_owns_nothing(void **state)
{
    struct cluster *cluster = *state;
    cluster_connect(cluster, X1, TURNS);
    cluster_connect(cluster, X2, TASKS);
    cluster_tell_members(cluster);
    cluster_pass(cluster, PAWL_PRESENCE_STEADY_MS);
    assert_true(is_told(cluster, X1));
    assert_false(is_told(cluster, X2));
}

static void a_first_worker_is_told_at_once(void **state)
{
    struct cluster *cluster = *state;
    assert_false(is_told(cluster, X1));
    cluster_connect(cluster, X1, TURNS);
    assert_true(is_told(cluster, X1));
}

static void while_another_has_one_it_has_to_stay_a_moment(void **state)
{
    struct cluster *cluster = *state;
    cluster_connect(cluster, X1, TURNS);
    cluster_tell_members(cluster);
    cluster_connect(cluster, X2, TURNS);
    cluster_pass(cluster, PAWL_PRESENCE_STEADY_MS - 1);
    assert_false(is_told(cluster, X2));
    cluster_pass(cluster, 1);
    assert_true(is_told(cluster, X2));
}

/* … and at once again when the other has none any more. */
static void it_does_not_wait_for_another_that_is_gone(void **state)
{
    struct cluster *cluster = *state;
    cluster_connect(cluster, X1, TURNS);
    cluster_tell_members(cluster);
    cluster_connect(cluster, X2, TURNS);
    assert_false(is_told(cluster, X2));
    cluster_kill(cluster, X1);
    cluster_tell_members(cluster);
    assert_true(is_told(cluster, X2));
}

static void a_worker_that_reconnects_moves_nothing(void **state)
{
    struct cluster *cluster = *state;
    connect_both(cluster);
    for (int i = 0; i < 5; i++) {
        cluster_disconnect(cluster, X2, TURNS);
        cluster_pass(cluster, PAWL_PRESENCE_GRACE_MS - 1);
        assert_true(is_told(cluster, X2));
        cluster_connect(cluster, X2, TURNS);
        assert_true(is_told(cluster, X2));
    }
}

static void workflows_leave_a_sidecar_whose_workers_stay_away(void **state)
{
    struct cluster *cluster = *state;
    connect_both(cluster);
    const char *instance = cluster_instance(cluster, X2, 0);
    cluster_disconnect(cluster, X2, TURNS);
    assert_int_equal(cluster_start(cluster, X1, instance), PAWL_OK);
    cluster_pass(cluster, PAWL_PRESENCE_GRACE_MS);
    assert_false(is_told(cluster, X2));
    cluster_tell_members(cluster);
    assert_int_equal(owned(cluster, X1), CLUSTER_PARTITIONS);
    cluster_complete(cluster, X1, "out");
    assert_int_equal(cluster_get(cluster, X2, NULL, instance).status, PAWL_STATUS_COMPLETED);
}

static void who_has_lost_all_workers_owns_as_the_others_when_nobody_has_one(void **state)
{
    struct cluster *cluster = *state;
    connect_both(cluster);
    uint64_t before = owned(cluster, X2);
    cluster_disconnect(cluster, X1, TURNS);
    cluster_disconnect(cluster, X2, TURNS);
    cluster_pass(cluster, PAWL_PRESENCE_GRACE_MS);
    cluster_tell_members(cluster);
    assert_false(is_told(cluster, X1) || is_told(cluster, X2));
    assert_int_equal(owned(cluster, X2), before);
}

/* It finishes its activities, which may take long, and takes no turn meanwhile. */
static void a_worker_that_says_goodbye_is_gone(void **state)
{
    struct cluster *cluster = *state;
    connect_both(cluster);
    cluster_step(cluster, X2,
                 (struct pawl_node_event){ .type = PAWL_NODE_WORKER_BYE, .worker = TURNS });
    cluster_pass(cluster, PAWL_PRESENCE_GRACE_MS);
    assert_false(is_told(cluster, X2));
    cluster_disconnect(cluster, X2, TURNS);
    assert_false(is_told(cluster, X2));
    cluster_connect(cluster, X2, TURNS);
    cluster_pass(cluster, PAWL_PRESENCE_STEADY_MS_MAX);
    assert_true(is_told(cluster, X2));
}

/* How often it was told that X2 has workers, while its app stays for `stay_ms` each time and
 * then away until nobody waits for it. */
static uint32_t flap(struct cluster *cluster, uint32_t times, int64_t stay_ms)
{
    uint32_t told = 0;
    for (uint32_t i = 0; i < times; i++) {
        cluster_disconnect(cluster, X2, TURNS);
        cluster_pass(cluster, PAWL_PRESENCE_GRACE_MS);
        assert_false(is_told(cluster, X2));
        cluster_connect(cluster, X2, TURNS);
        cluster_pass(cluster, stay_ms);
        told += is_told(cluster, X2);
    }
    return told;
}

static void an_app_that_comes_and_crashes_moves_things_ever_less_often(void **state)
{
    struct cluster *cluster = *state;
    connect_both(cluster);
    assert_int_equal(flap(cluster, 20, 8 * PAWL_PRESENCE_STEADY_MS), 3); /* x2, x4, x8 */
    cluster_pass(cluster, PAWL_PRESENCE_STEADY_MS_MAX);
    assert_true(is_told(cluster, X2)); /* when it stays, it is told */
    cluster_pass(cluster, PAWL_PRESENCE_STEADY_MS_MAX);
    assert_int_equal(flap(cluster, 2, 8 * PAWL_PRESENCE_STEADY_MS), 2); /* and trusted again */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_has_no_worker_owns_nothing_while_another_has_one),
        TEST(a_worker_for_activities_alone_owns_nothing),
        TEST(a_first_worker_is_told_at_once),
        TEST(while_another_has_one_it_has_to_stay_a_moment),
        TEST(it_does_not_wait_for_another_that_is_gone),
        TEST(a_worker_that_reconnects_moves_nothing),
        TEST(workflows_leave_a_sidecar_whose_workers_stay_away),
        TEST(who_has_lost_all_workers_owns_as_the_others_when_nobody_has_one),
        TEST(a_worker_that_says_goodbye_is_gone),
        TEST(an_app_that_comes_and_crashes_moves_things_ever_less_often),
    };
    return cmocka_run_group_tests_name("actors/presence", tests, NULL, NULL);
}
