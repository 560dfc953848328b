/* Activities whose name some workers of the app know and others do not: a newer version of it
 * is being rolled out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
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

/* An instance of X1 after its first turn, in which it called these. */
static void begin(struct cluster *cluster, const char *instance, uint32_t actions_count,
                  struct pawl_action *actions)
{
    assert_int_equal(cluster_start(cluster, X1, instance), PAWL_OK);
    cluster_turn(cluster, X1, actions_count, actions);
}

#define MANY 12u /* activities: the ring has some of them begin at either sidecar */

static uint32_t done_at(struct cluster *cluster, enum cluster_host host)
{
    uint32_t count = 0;
    for (const struct pawl_frame *frame;
         (frame = cluster_next(cluster, host, PAWL_FRAME_ACTIVITY)) != NULL; count++) {
        const struct pawl_activity_item item = frame->activity;
        cluster_activity_done(cluster, host, &item);
    }
    return count;
}

static void check_all_done(struct cluster *cluster, enum cluster_host newer)
{
    struct pawl_action actions[MANY];
    for (uint32_t i = 0; i < MANY; i++) actions[i] = cluster_activity((int32_t)i, NULL, 0);
    begin(cluster, cluster_instance(cluster, X1, 0), MANY, actions);
    assert_int_equal(done_at(cluster, newer), 10); /* its credit */
    cluster_step(cluster, newer,
                 (struct pawl_node_event){
                     .type = PAWL_NODE_WORKER_CREDIT, .worker = TASKS, .credit = { 0, 10 } });
    assert_int_equal(done_at(cluster, newer), MANY - 10);
}

static void what_the_owner_does_not_know_another_does(void **state)
{
    struct cluster *cluster = *state;
    cluster_connect(cluster, X1, TURNS);
    cluster_connect(cluster, X1, OLDER);
    cluster_connect(cluster, X2, TASKS);
    cluster_tell_members(cluster);
    check_all_done(cluster, X2);
    assert_int_equal(cluster->sent[PAWL_PEER_RUN_REFUSED], 0);
}

static void what_another_does_not_know_the_owner_does(void **state)
{
    struct cluster *cluster = *state;
    cluster_connect(cluster, X1, TURNS);
    cluster_connect(cluster, X1, TASKS);
    cluster_connect(cluster, X2, OLDER);
    cluster_tell_members(cluster);
    check_all_done(cluster, X1);
    assert_true(cluster->sent[PAWL_PEER_RUN_REFUSED] > 0);
}

static void assert_string(const char *expected, struct pawl_bytes actual)
{
    assert_int_equal(actual.size, strlen(expected));
    assert_memory_equal(expected, actual.data, actual.size);
}

static void check_fails(struct cluster *cluster, const char *target_app, const char *message)
{
    struct pawl_action action = cluster_activity(0, target_app, 0);
    begin(cluster, cluster_instance(cluster, X1, 0), 1, &action);
    cluster_pass(cluster, 1);
    struct pawl_failure_view failure = cluster_failure(cluster, X1);
    assert_string("ActivityNotRegistered", failure.type);
    assert_string(message, failure.message);
}

static void what_nobody_knows_fails_when_all_were_asked(void **state)
{
    struct cluster *cluster = *state;
    cluster_connect(cluster, X1, TURNS);
    cluster_connect(cluster, X1, OLDER);
    cluster_connect(cluster, X2, OLDER);
    cluster_tell_members(cluster);
    check_fails(cluster, NULL,
                "no connected worker of app 'x' has registered an activity named 'A'");
    /* Whoever was asked before it came here is asked once more. */
    assert_in_range(cluster->sent[PAWL_PEER_RUN], 1, 2);
}

static void what_nobody_of_another_app_knows_fails(void **state)
{
    struct cluster *cluster = *state;
    cluster_connect(cluster, X1, TURNS);
    cluster_connect(cluster, X2, TASKS);
    cluster_connect(cluster, Y1, OLDER);
    cluster_tell_members(cluster);
    check_fails(cluster, "y",
                "no connected worker of app 'y' has registered an activity named 'A'");
}

/* Its worker is not heard of for a moment, and it is the only one who knows. */
static void who_is_silent_is_asked_before_it_fails(void **state)
{
    struct cluster *cluster = *state;
    cluster_connect(cluster, X1, TURNS);
    cluster_connect(cluster, X1, OLDER);
    cluster_connect(cluster, X2, TASKS);
    cluster_tell_members(cluster);
    struct pawl_node_event down = { .type = PAWL_NODE_PEER_DOWN };
    down.peer.host = PAWL_BYTES_LITERAL("x2");
    down.peer.app = PAWL_BYTES_LITERAL("x");
    cluster_step(cluster, X1, down);
    struct pawl_action action = cluster_activity(0, NULL, 0);
    begin(cluster, cluster_instance(cluster, X1, 0), 1, &action);
    assert_int_equal(done_at(cluster, X2), 1);
}

/* The sidecar that has it in its queue for another has become the owner itself: nobody is
 * left to give it back to. */
static void what_a_new_owner_has_in_its_queue_is_not_forgotten(void **state)
{
    struct cluster *cluster = *state;
    const char *instance = cluster_instance(cluster, X1, 0);
    cluster_connect(cluster, X1, TURNS);
    cluster_connect(cluster, X2, BUSY);
    cluster_tell_members(cluster);
    struct pawl_action action = cluster_activity(0, NULL, 0);
    begin(cluster, instance, 1, &action);
    assert_int_equal(cluster->sent[PAWL_PEER_RUN], 1);
    cluster_kill(cluster, X1);
    cluster_connect(cluster, X2, TURNS);
    cluster_tell_members(cluster);
    cluster_pass(cluster, 5000); /* its wake-up has it read there */
    assert_int_equal(cluster->sent[PAWL_PEER_RUN], 1);
    cluster_connect(cluster, X2, OLDER);
    cluster_disconnect(cluster, X2, BUSY);
    cluster_pass(cluster, 1);
    assert_string("ActivityNotRegistered", cluster_failure(cluster, X2).type);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(what_the_owner_does_not_know_another_does),
        TEST(what_another_does_not_know_the_owner_does),
        TEST(what_nobody_knows_fails_when_all_were_asked),
        TEST(what_nobody_of_another_app_knows_fails),
        TEST(who_is_silent_is_asked_before_it_fails),
        TEST(what_a_new_owner_has_in_its_queue_is_not_forgotten),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
