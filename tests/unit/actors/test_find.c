/* An instance gets a new owner while its activities run: whoever is at them goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"
#include "tests/unit/actors/cluster.h"

#define MANY 8u /* activities: the ring has some of them begin at either sidecar */

struct find {
    struct cluster *cluster;
    const char *instance;
    struct pawl_activity_item items[CLUSTER_HOSTS][MANY]; /* what their workers were given */
    uint32_t count[CLUSTER_HOSTS];
};

static int setup(void **state)
{
    struct find *find = PAWL_NEW(struct find);
    find->cluster = cluster_new();
    *state = find;
    return 0;
}

static int teardown(void **state)
{
    struct find *find = *state;
    cluster_free(find->cluster);
    pawl_mem_free(find);
    return 0;
}

/* New since the last look. */
static uint32_t given(struct find *find, enum cluster_host host)
{
    uint32_t before = find->count[host];
    for (const struct pawl_frame *frame;
         (frame = cluster_next(find->cluster, host, PAWL_FRAME_ACTIVITY)) != NULL;) {
        assert_true(find->count[host] < MANY);
        find->items[host][find->count[host]++] = frame->activity;
    }
    return find->count[host] - before;
}

static void end_all(struct find *find, enum cluster_host host)
{
    for (uint32_t i = 0; i < find->count[host]; i++)
        cluster_activity_done(find->cluster, host, &find->items[host][i]);
}

static void connect_all(struct cluster *cluster)
{
    for (uint32_t host = X1; host <= Y1; host++) {
        cluster_connect(cluster, (enum cluster_host)host, TURNS);
        cluster_connect(cluster, (enum cluster_host)host, TASKS);
    }
    cluster_tell_members(cluster);
}

/* An instance of X1 has its activities run. Then X1 leaves, and X2 owns it. */
static void begin(struct find *find, const char *target_app)
{
    struct cluster *cluster = find->cluster;
    struct pawl_action actions[MANY];
    connect_all(cluster);
    for (uint32_t i = 0; i < MANY; i++) actions[i] = cluster_activity((int32_t)i, target_app, 0);
    find->instance = cluster_instance(cluster, X1, 0);
    assert_int_equal(cluster_start(cluster, X1, find->instance), PAWL_OK);
    cluster_turn(cluster, X1, MANY, actions);
    assert_int_equal(given(find, X1) + given(find, X2) + given(find, Y1), MANY);
}

static void leave(struct find *find, enum cluster_host host)
{
    find->cluster->nodes[host].is_leaving = true;
    cluster_tell_members(find->cluster);
}

/* All of them have come back, in as many turns as it takes. */
static void assert_goes_on(struct find *find, enum cluster_host owner)
{
    cluster_pass(find->cluster, 100);
    uint32_t results = 0;
    for (const struct pawl_frame *frame;
         (frame = cluster_next(find->cluster, owner, PAWL_FRAME_TURN)) != NULL;) {
        for (uint32_t i = 0; i < frame->turn.events_count; i++) {
            struct pawl_history_event event;
            assert_int_equal(pawl_history_event_decode(frame->turn.events[i], &event), PAWL_OK);
            results += event.kind == PAWL_EVENT_TASK_COMPLETED;
        }
        struct pawl_turn_done done = { .turn = frame->turn.turn,
                                       .instance = frame->turn.instance,
                                       .cached = true };
        cluster_step(find->cluster, owner,
                     (struct pawl_node_event){
                         .type = PAWL_NODE_TURN_DONE, .worker = TURNS, .turn_done = &done });
    }
    assert_int_equal(results, MANY);
}

static void what_runs_goes_on_for_the_new_owner(void **state)
{
    struct find *find = *state;
    struct cluster *cluster = find->cluster;
    begin(find, NULL);
    assert_true(find->count[X1] > 0 && find->count[X2] > 0);
    leave(find, X1);
    cluster_pass(cluster, PAWL_FIND_GATHER_MS);
    assert_int_equal(cluster->sent[PAWL_PEER_FIND], 1); /* for all of them */
    assert_int_equal(cluster->sent[PAWL_PEER_FOUND], 1);
    cluster_pass(cluster, (int64_t)PAWL_FIND_MS * PAWL_FIND_QUESTIONS_MAX * 2);
    assert_int_equal(given(find, X1) + given(find, X2), 0); /* nothing runs again */
    end_all(find, X1);
    end_all(find, X2);
    assert_goes_on(find, X2);
}

static void another_app_is_asked_for_its_activities(void **state)
{
    struct find *find = *state;
    begin(find, "y");
    assert_int_equal(find->count[Y1], MANY);
    leave(find, X1);
    cluster_pass(find->cluster, PAWL_FIND_GATHER_MS);
    assert_int_equal(find->cluster->sent[PAWL_PEER_FIND], 1);
    assert_int_equal(find->cluster->sent[PAWL_PEER_RUN], MANY); /* … of before */
    end_all(find, Y1);
    assert_int_equal(given(find, Y1), 0);
    assert_goes_on(find, X2);
}

/* It has ended, and its owner has not heard of it. */
static void what_has_ended_comes_at_once(void **state)
{
    struct find *find = *state;
    struct cluster *cluster = find->cluster;
    begin(find, "y");
    cluster->lose[PAWL_PEER_RESULT] = true;
    end_all(find, Y1);
    leave(find, X1);
    cluster->lose[PAWL_PEER_RESULT] = false;
    cluster_pass(cluster, PAWL_FIND_GATHER_MS);
    assert_int_equal(cluster->sent[PAWL_PEER_FOUND], 1);
    assert_goes_on(find, X2);
    assert_int_equal(given(find, Y1), 0);
}

/* Its result comes while others are still asked. Whoever had it does not know it any more then. */
static void what_has_come_meanwhile_is_not_run_again(void **state)
{
    struct find *find = *state;
    struct cluster *cluster = find->cluster;
    begin(find, "y");
    cluster->lose[PAWL_PEER_RESULT] = true;
    end_all(find, Y1);
    cluster->lose[PAWL_PEER_FIND] = true;
    leave(find, X1);
    cluster_pass(cluster, PAWL_FIND_GATHER_MS);
    cluster->lose[PAWL_PEER_RESULT] = false;
    cluster_tell_members(cluster); /* results are told again */
    assert_goes_on(find, X2);
    cluster_pass(cluster, (int64_t)PAWL_FIND_MS * PAWL_FIND_QUESTIONS_MAX * 2);
    assert_int_equal(given(find, Y1), 0);
    assert_int_equal(cluster->sent[PAWL_PEER_RUN], MANY); /* … of before */
}

static void what_nobody_is_at_runs_anew(void **state)
{
    struct find *find = *state;
    struct cluster *cluster = find->cluster;
    begin(find, NULL);
    uint32_t of_x1 = find->count[X1];
    cluster->lose[PAWL_PEER_FOUND] = true;
    leave(find, X1);
    cluster_pass(cluster, PAWL_FIND_GATHER_MS);
    assert_int_equal(given(find, X2), 0);
    cluster_kill(cluster, X1);
    cluster_pass(cluster, 0);
    assert_int_equal(given(find, X2), of_x1);
    end_all(find, X2);
    assert_goes_on(find, X2);
}

static void an_answer_is_not_waited_for_long(void **state)
{
    struct find *find = *state;
    struct cluster *cluster = find->cluster;
    begin(find, NULL);
    uint32_t of_x1 = find->count[X1];
    cluster->lose[PAWL_PEER_FIND] = true;
    leave(find, X1);
    cluster_pass(cluster, (PAWL_FIND_GATHER_MS + PAWL_FIND_MS) * PAWL_FIND_QUESTIONS_MAX - 1);
    assert_int_equal(given(find, X2), 0);
    cluster_pass(cluster, 1);
    assert_int_equal(cluster->sent[PAWL_PEER_FIND], PAWL_FIND_QUESTIONS_MAX);
    assert_int_equal(given(find, X2), of_x1);
}

static void a_lost_question_is_asked_again(void **state)
{
    struct find *find = *state;
    struct cluster *cluster = find->cluster;
    begin(find, NULL);
    cluster->lose[PAWL_PEER_FIND] = true;
    leave(find, X1);
    cluster_pass(cluster, PAWL_FIND_GATHER_MS);
    cluster->lose[PAWL_PEER_FIND] = false;
    cluster_pass(cluster, (PAWL_FIND_GATHER_MS + PAWL_FIND_MS) * PAWL_FIND_QUESTIONS_MAX);
    assert_int_equal(cluster->sent[PAWL_PEER_FIND], 2);
    assert_int_equal(given(find, X2), 0);
}

static void who_is_alone_asks_nobody(void **state)
{
    struct find *find = *state;
    struct cluster *cluster = find->cluster;
    begin(find, NULL);
    uint32_t of_x1 = find->count[X1];
    cluster_kill(cluster, X1);
    cluster_tell_members(cluster);
    assert_int_equal(given(find, X2), of_x1);
    assert_int_equal(cluster->sent[PAWL_PEER_FIND], 0);
}

/* Between the question and its answer nobody wants it any more. */
static void what_is_called_off_meanwhile_is_called_off_there(void **state)
{
    struct find *find = *state;
    struct cluster *cluster = find->cluster;
    begin(find, NULL);
    cluster->lose[PAWL_PEER_FOUND] = true;
    leave(find, X1);
    cluster_pass(cluster, PAWL_FIND_GATHER_MS);
    assert_int_equal(cluster_call(cluster, X2, PAWL_REQUEST_TERMINATE, NULL, find->instance),
                     PAWL_OK);
    assert_int_equal(cluster->sent[PAWL_PEER_CANCEL], find->count[X1]);
    assert_int_equal(pawl_node_metrics(cluster->nodes[X1].node)->activities_running, 0);
}

/* Of what was not asked, and by whom was not asked. */
static void answers_to_no_question_change_nothing(void **state)
{
    struct find *find = *state;
    struct cluster *cluster = find->cluster;
    begin(find, NULL);
    struct pawl_id runs[2];
    memset(runs, 7, sizeof runs);
    struct pawl_peer_frame frame = { .type = PAWL_PEER_FOUND };
    frame.runs = (struct pawl_peer_runs){
        .known_count = 1, .known = &runs[0], .unknown_count = 1, .unknown = &runs[1]
    };
    cluster_forge(cluster, Y1, X1, &frame);
    end_all(find, X1);
    end_all(find, X2);
    assert_goes_on(find, X1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_runs_goes_on_for_the_new_owner, setup, teardown),
        cmocka_unit_test_setup_teardown(another_app_is_asked_for_its_activities, setup, teardown),
        cmocka_unit_test_setup_teardown(what_has_ended_comes_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_has_come_meanwhile_is_not_run_again, setup, teardown),
        cmocka_unit_test_setup_teardown(what_nobody_is_at_runs_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(an_answer_is_not_waited_for_long, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lost_question_is_asked_again, setup, teardown),
        cmocka_unit_test_setup_teardown(who_is_alone_asks_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_called_off_meanwhile_is_called_off_there, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(answers_to_no_question_change_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
