/* Places: what two sidecars of an app run together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "base/hash.h"
#include "base/limits.h"
#include "tests/unit/actors/cluster.h"

#define CALLS 12

static uint32_t frames_looked_at[CLUSTER_HOSTS];

static struct cluster *new_limited(uint32_t count, const struct pawl_limit_rule *rules)
{
    struct cluster *cluster = cluster_new_limited(count, rules);
    for (int host = X1; host <= X2; host++) {
        cluster_connect(cluster, (enum cluster_host)host, TURNS);
        cluster_connect(cluster, (enum cluster_host)host, TASKS);
        cluster_step(cluster, (enum cluster_host)host,
                     (struct pawl_node_event){
                         .type = PAWL_NODE_WORKER_CREDIT, .worker = TASKS, .credit = { 0, 100 } });
        frames_looked_at[host] = 0;
    }
    cluster_tell_members(cluster);
    return cluster;
}

/* An instance of this host calls "A" so often. */
static void start_calls(struct cluster *cluster, enum cluster_host host, uint32_t nth)
{
    struct pawl_action actions[CALLS];
    for (int i = 0; i < CALLS; i++) actions[i] = cluster_activity(i, NULL, 0);
    assert_int_equal(cluster_start(cluster, host, cluster_instance(cluster, host, nth)), PAWL_OK);
    cluster_turn(cluster, host, CALLS, actions);
}

static uint32_t running_at(const struct cluster *cluster, enum cluster_host host)
{
    return (uint32_t)pawl_node_metrics(cluster->nodes[host].node)->activities_running;
}

static uint32_t running(const struct cluster *cluster)
{
    uint32_t count = 0;
    for (int host = X1; host <= X2; host++)
        if (!cluster->nodes[host].is_dead) count += running_at(cluster, (enum cluster_host)host);
    return count;
}

/* The next activity at this host ends. */
static bool end_one(struct cluster *cluster, enum cluster_host host)
{
    const struct cluster_node *node = &cluster->nodes[host];
    while (frames_looked_at[host] < node->frames_count) {
        const struct pawl_frame *frame = node->frames[frames_looked_at[host]++];
        if (frame->type != PAWL_FRAME_ACTIVITY) continue;
        cluster_activity_done(cluster, host, &frame->activity);
        return true;
    }
    return false;
}

static void all_end(struct cluster *cluster, uint32_t count, uint32_t max)
{
    uint32_t ended = 0;
    for (int round = 0; ended < count && round < 1000; round++) {
        for (int host = X1; host <= X2; host++) {
            if (cluster->nodes[host].is_dead) continue;
            if (end_one(cluster, (enum cluster_host)host)) ended++;
            assert_true(running(cluster) <= max);
        }
        cluster_pass(cluster, 10);
        assert_true(running(cluster) <= max);
    }
    assert_int_equal(ended, count);
}

static void both_together_run_no_more_than_the_limit(void **state)
{
    const struct pawl_limit_rule rules[] = {
        { .is_task = true, .is_global = true, .name = PAWL_BYTES_LITERAL("A"), .max = 3 }
    };
    struct cluster *cluster = new_limited(1, rules);
    (void)state;
    start_calls(cluster, X1, 0);
    start_calls(cluster, X2, 0);
    assert_int_equal(running(cluster), 3);
    all_end(cluster, 2 * CALLS, 3);
    assert_int_equal(running(cluster), 0);
    cluster_free(cluster);
}

static void a_limit_for_all_and_one_by_name_hold_together(void **state)
{
    const struct pawl_limit_rule rules[] = {
        { .is_task = true, .is_global = true, .max = 3 },
        { .is_task = true, .is_global = true, .name = PAWL_BYTES_LITERAL("A"), .max = 1 }
    };
    struct cluster *cluster = new_limited(2, rules);
    (void)state;
    start_calls(cluster, X1, 0);
    start_calls(cluster, X2, 0);
    all_end(cluster, 2 * CALLS, 1);
    cluster_free(cluster);
}

static void one_place_goes_from_one_to_the_other(void **state)
{
    const struct pawl_limit_rule rules[] = { { .is_task = true, .is_global = true, .max = 1 } };
    struct cluster *cluster = new_limited(1, rules);
    uint32_t turns[2] = { 0, 0 };
    (void)state;
    start_calls(cluster, X1, 0);
    start_calls(cluster, X2, 0);
    for (int i = 0; i < 8; i++) {
        for (int round = 0; running(cluster) == 0 && round < 100; round++)
            cluster_pass(cluster, 10);
        assert_int_equal(running(cluster), 1);
        enum cluster_host host = running_at(cluster, X1) ? X1 : X2;
        turns[host]++;
        cluster_pass(cluster, PAWL_PLACES_RENEW_MS); /* the other one has said that it waits */
        assert_true(end_one(cluster, host));
    }
    assert_true(turns[X1] >= 3);
    assert_true(turns[X2] >= 3);
    cluster_free(cluster);
}

static void turns_of_both_together_wait_for_each_other(void **state)
{
    const struct pawl_limit_rule rules[] = {
        { .is_global = true, .name = PAWL_BYTES_LITERAL("W"), .max = 1 }
    };
    struct cluster *cluster = new_limited(1, rules);
    (void)state;
    for (int host = X1; host <= X2; host++)
        assert_int_equal(cluster_start(cluster, (enum cluster_host)host,
                                       cluster_instance(cluster, (enum cluster_host)host, 0)),
                         PAWL_OK);
    for (int ended = 0; ended < 2; ended++) {
        uint64_t counts[2] = { 0, 0 };
        for (int round = 0; counts[X1] + counts[X2] == 0 && round < 100; round++) {
            cluster_pass(cluster, 10);
            for (int host = X1; host <= X2; host++)
                counts[host] = pawl_node_metrics(cluster->nodes[host].node)->turns_running;
        }
        assert_int_equal(counts[X1] + counts[X2], 1);
        cluster_complete(cluster, counts[X1] ? X1 : X2, "done");
    }
    cluster_free(cluster);
}

static void start_turns(struct cluster *cluster, enum cluster_host host, uint32_t first,
                        uint32_t count)
{
    for (uint32_t nth = first; nth < first + count; nth++)
        assert_int_equal(cluster_start(cluster, host, cluster_instance(cluster, host, nth)),
                         PAWL_OK);
}

static uint64_t turns_at(const struct cluster *cluster, enum cluster_host host)
{
    return pawl_node_metrics(cluster->nodes[host].node)->turns_running;
}

/* Each has its equal part. What one has no use for any more goes to the other, who hears of it
 * though nothing else happens. */
static void the_part_of_the_idle_goes_to_the_other(enum cluster_host idle)
{
    const struct pawl_limit_rule rules[] = {
        { .is_global = true, .name = PAWL_BYTES_LITERAL("W"), .max = 2 }
    };
    struct cluster *cluster = new_limited(1, rules);
    enum cluster_host other = idle == X1 ? X2 : X1;
    start_turns(cluster, idle, 0, 1);
    start_turns(cluster, other, 0, 1);
    cluster_pass(cluster, 2 * PAWL_PLACES_RENEW_MS);
    assert_int_equal(turns_at(cluster, idle), 1);
    assert_int_equal(turns_at(cluster, other), 1);
    cluster_complete(cluster, idle, "done");
    start_turns(cluster, other, 1, 1);
    cluster_pass(cluster, PAWL_PLACES_RENEW_MS + PAWL_PLACES_AGAIN_MS); /* before a lease ends */
    assert_int_equal(turns_at(cluster, other), 2);
    cluster_free(cluster);
}

static void the_part_of_the_idle_keeper_and_of_the_idle_other_goes_to_who_works(void **state)
{
    (void)state;
    the_part_of_the_idle_goes_to_the_other(X1);
    the_part_of_the_idle_goes_to_the_other(X2);
}

/* Whoever it was: the places of the dead come back when its lease is over, and those of the
 * living are never given twice. */
static void places_of_the_dead_come_back(enum cluster_host dead)
{
    const struct pawl_limit_rule rules[] = { { .is_task = true, .is_global = true, .max = 2 } };
    struct cluster *cluster = new_limited(1, rules);
    enum cluster_host other = dead == X1 ? X2 : X1;
    start_calls(cluster, other, 0);
    for (int round = 0; running_at(cluster, dead) == 0 && round < 100; round++) {
        cluster_pass(cluster, 100);
        if (running_at(cluster, dead) == 0) (void)end_one(cluster, other);
    }
    assert_true(running_at(cluster, dead) > 0);
    uint32_t left = running_at(cluster, other);
    cluster_kill(cluster, dead);
    cluster_tell_members(cluster);
    cluster_pass(cluster, PAWL_PLACES_LEASE_MS - 100);
    assert_int_equal(running_at(cluster, other), left); /* the dead may still live */
    cluster_pass(cluster, PAWL_KEEPER_SETTLE_MS + PAWL_PLACES_RENEW_MS);
    assert_int_equal(running_at(cluster, other), 2);
    cluster_free(cluster);
}

static void places_come_back_from_a_dead_keeper_and_from_a_dead_other(void **state)
{
    (void)state;
    places_of_the_dead_come_back(X1);
    places_of_the_dead_come_back(X2);
}

/* It is frozen for so long that its place is given to the other one. What it runs when it is
 * back is not counted; what would follow it there is. */
static void nothing_begins_on_a_place_that_was_given_away(enum cluster_host away)
{
    const struct pawl_limit_rule rules[] = { { .is_task = true, .is_global = true, .max = 2 } };
    struct cluster *cluster = new_limited(1, rules);
    enum cluster_host other = away == X1 ? X2 : X1;
    start_calls(cluster, other, 0);
    start_calls(cluster, away, 0);
    for (int round = 0; running_at(cluster, away) != 1 && round < 100; round++) {
        cluster_pass(cluster, 100);
        (void)end_one(cluster, running_at(cluster, away) ? away : other);
    }
    assert_int_equal(running_at(cluster, away), 1);
    cluster_kill(cluster, away);
    cluster_tell_members(cluster);
    cluster_pass(cluster, PAWL_PLACES_LOST_MS + PAWL_KEEPER_SETTLE_MS + PAWL_PLACES_RENEW_MS);
    assert_int_equal(running_at(cluster, other), 2);

    cluster_revive(cluster, away);
    cluster_tell_members(cluster);
    cluster_pass(cluster, 1000);
    assert_int_equal(running(cluster), 3);
    assert_true(end_one(cluster, away));
    assert_int_equal(running_at(cluster, away), 0);
    for (int round = 0; round < 40; round++) {
        cluster_pass(cluster, 200);
        assert_true(running(cluster) <= 2);
        (void)end_one(cluster, round % 2 ? away : other);
        assert_true(running(cluster) <= 2);
    }
    cluster_free(cluster);
}

static void nothing_begins_on_a_place_that_was_given_away_meanwhile(void **state)
{
    (void)state;
    nothing_begins_on_a_place_that_was_given_away(X1);
    nothing_begins_on_a_place_that_was_given_away(X2);
}

/* Who owns partition 0. */
static enum cluster_host keeper_of(struct cluster *cluster)
{
    for (uint32_t nth = 0; nth < 100; nth++) {
        const char *id = cluster_instance(cluster, X1, nth);
        if (pawl_hash_partition(pawl_bytes_str(id), CLUSTER_PARTITIONS) == 0) return X1;
    }
    return X2;
}

/* The other one was frozen before it heard that it is alone, and is so when that is no longer true:
 * it takes partition 0 by a list that is older than the keeper's, but not older than the one by
 * which the keeper has it. The keeper, frozen meanwhile, takes it back by its own list, under which
 * it has told itself that it was the keeper before. */
static void a_keeper_does_not_believe_what_it_said_before_another_was_it(void **state)
{
    const struct pawl_limit_rule rules[] = { { .is_task = true, .is_global = true, .max = 2 } };
    struct cluster *cluster = new_limited(1, rules);
    enum cluster_host keeper = keeper_of(cluster), other = keeper == X1 ? X2 : X1;
    (void)state;
    start_calls(cluster, keeper, 0);
    start_calls(cluster, other, 0);
    cluster_pass(cluster, 1000);
    cluster_kill(cluster, other);
    uint64_t late_version = ++cluster->version;
    cluster_tell_members(cluster);
    cluster_pass(cluster, PAWL_PLACES_LOST_MS + PAWL_PLACES_RENEW_MS);
    assert_int_equal(running_at(cluster, keeper), 2);
    cluster_tell_members(cluster);
    cluster_pass(cluster, PAWL_PLACES_RENEW_MS);

    cluster_kill(cluster, keeper);
    cluster_revive(cluster, other);
    cluster_tell_alone(cluster, other, late_version);
    cluster_pass(cluster, PAWL_KEEPER_SETTLE_MS + PAWL_PLACES_RENEW_MS);
    assert_int_equal(running_at(cluster, other), 2);

    cluster_revive(cluster, keeper);
    while (end_one(cluster, keeper)) continue;
    cluster_pass(cluster, 2 * PAWL_PLACES_RENEW_MS);
    assert_int_equal(pawl_node_metrics(cluster->nodes[keeper].node)->partitions_owned,
                     CLUSTER_PARTITIONS);
    assert_int_equal(running_at(cluster, keeper), 0);
    cluster_pass(cluster, PAWL_KEEPER_SETTLE_MS);
    assert_int_equal(running_at(cluster, keeper), 2);
    cluster_free(cluster);
}

static void without_word_from_the_keeper_nothing_more_begins(void **state)
{
    const struct pawl_limit_rule rules[] = { { .is_task = true, .is_global = true, .max = 4 } };
    struct cluster *cluster = new_limited(1, rules);
    (void)state;
    start_calls(cluster, X1, 0);
    start_calls(cluster, X2, 0);
    cluster_pass(cluster, 1000);
    cluster->lose[PAWL_PEER_PLACES] = true;
    cluster_pass(cluster, PAWL_PLACES_LEASE_MS + 100);
    uint32_t at_other = 0;
    for (int host = X1; host <= X2; host++) {
        const struct pawl_node_metrics *metrics = pawl_node_metrics(cluster->nodes[host].node);
        if (metrics->limits[0].places != 0) continue;
        at_other++;
        while (end_one(cluster, (enum cluster_host)host)) continue;
        assert_int_equal(running_at(cluster, (enum cluster_host)host), 0);
    }
    assert_int_equal(at_other, 1); /* the keeper hears itself */
    cluster->lose[PAWL_PEER_PLACES] = false;
    cluster_pass(cluster, 1000);
    assert_int_equal(running(cluster), 4);
    cluster_free(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_together_run_no_more_than_the_limit),
        cmocka_unit_test(a_limit_for_all_and_one_by_name_hold_together),
        cmocka_unit_test(one_place_goes_from_one_to_the_other),
        cmocka_unit_test(turns_of_both_together_wait_for_each_other),
        cmocka_unit_test(the_part_of_the_idle_keeper_and_of_the_idle_other_goes_to_who_works),
        cmocka_unit_test(places_come_back_from_a_dead_keeper_and_from_a_dead_other),
        cmocka_unit_test(nothing_begins_on_a_place_that_was_given_away_meanwhile),
        cmocka_unit_test(a_keeper_does_not_believe_what_it_said_before_another_was_it),
        cmocka_unit_test(without_word_from_the_keeper_nothing_more_begins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
