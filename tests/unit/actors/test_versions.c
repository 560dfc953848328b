#include <stdio.h>

#include "tests/unit/base/expect.h"

#include "base/limits.h"
#include "tests/unit/actors/fixture.h"

#define WORKER 1u

static struct fixture *new_fixture(void)
{
    struct pawl_node_config config = { .partitions = 2 };
    return fixture_new(&config);
}

static void connect_hello(struct fixture *fixture, uint64_t worker, struct pawl_hello hello)
{
    hello.minor = PAWL_PROTOCOL_MINOR;
    fixture_step(fixture, (struct pawl_node_event){
                              .type = PAWL_NODE_WORKER_OPENED, .worker = worker, .hello = &hello });
    fixture_credit(fixture, worker, 100, 100);
}

/* A worker of "W" in this version; NULL: in every version. */
static void connect_version(struct fixture *fixture, uint64_t worker, const char *version,
                            bool latest)
{
    struct pawl_registration workflow = { .name = PAWL_BYTES_LITERAL("W"),
                                          .version = pawl_bytes_str(version),
                                          .latest = latest };
    connect_hello(fixture, worker,
                  (struct pawl_hello){ .workflows_count = 1, .workflows = &workflow });
}

/* One that says nothing of what it has. */
static void connect_any(struct fixture *fixture, uint64_t worker)
{
    connect_hello(fixture, worker, (struct pawl_hello){ .any_name = true });
}

static void connect_rule(struct fixture *fixture, uint64_t worker, enum pawl_version_match match,
                         const char *version, bool fails)
{
    struct pawl_registration workflow = { .name = PAWL_BYTES_LITERAL("W") };
    connect_hello(fixture, worker,
                  (struct pawl_hello){ .workflows_count = 1,
                                       .workflows = &workflow,
                                       .match = match,
                                       .match_version = pawl_bytes_str(version),
                                       .mismatch_fails = fails });
}

static void start(struct fixture *fixture, const char *instance, const char *version)
{
    struct pawl_request request = { .op = PAWL_REQUEST_START,
                                    .instance = pawl_bytes_str(instance),
                                    .name = PAWL_BYTES_LITERAL("W"),
                                    .version = pawl_bytes_str(version) };
    fixture_call(fixture, &request);
}

static pawl_err control(struct fixture *fixture, enum pawl_request_op op, const char *instance)
{
    struct pawl_request request = { .op = op, .instance = pawl_bytes_str(instance) };
    fixture_call(fixture, &request);
    return fixture->answer_errs[fixture->answers_count - 1];
}

/* The worker of the next unseen turn; 0: there is none. */
static uint64_t next_turn(struct fixture *fixture, const struct pawl_turn **ret_turn)
{
    const struct pawl_frame *frame = fixture_next(fixture, PAWL_FRAME_TURN);
    if (!frame) return 0;
    if (ret_turn) *ret_turn = &frame->turn;
    return fixture->sent_to[fixture->sent_seen - 1];
}

static void answer(struct fixture *fixture, uint64_t worker, const struct pawl_turn *turn,
                   pawl_err err, const char *message)
{
    struct pawl_turn_done done = { .turn = turn->turn,
                                   .instance = turn->instance,
                                   .err = err,
                                   .message = pawl_bytes_str(message) };
    fixture_step(fixture, (struct pawl_node_event){
                              .type = PAWL_NODE_TURN_DONE, .worker = worker, .turn_done = &done });
}

static uint32_t stalls_in_history(struct fixture *fixture, const char *instance)
{
    struct pawl_request request = { .op = PAWL_REQUEST_HISTORY,
                                    .instance = pawl_bytes_str(instance) };
    uint32_t count = 0;
    fixture->history_kinds_count = 0;
    fixture_call(fixture, &request);
    for (uint32_t i = 0; i < fixture->history_kinds_count; i++)
        if (fixture->history_kinds[i] == PAWL_EVENT_EXECUTION_STALLED) count++;
    return count;
}

static void each_version_goes_to_a_worker_that_has_it(void **state)
{
    struct fixture *fixture = new_fixture();
    const struct pawl_turn *turn = NULL;
    (void)state;
    connect_version(fixture, 1, "1", false);
    connect_version(fixture, 2, "2", true);
    start(fixture, "a", "1");
    assert_int_equal(next_turn(fixture, NULL), 1);
    start(fixture, "b", "2");
    assert_int_equal(next_turn(fixture, NULL), 2);
    start(fixture, "c", NULL);
    assert_int_equal(next_turn(fixture, &turn), 2);
    assert_true(pawl_bytes_is_absent(turn->version));
    fixture_free(fixture);
}

static void the_version_that_was_chosen_routes_later_turns_also_after_a_load(void **state)
{
    struct fixture *fixture = new_fixture();
    const struct pawl_turn *turn = NULL;
    (void)state;
    connect_version(fixture, 1, "1", true);
    start(fixture, "a", NULL);
    assert_int_equal(next_turn(fixture, &turn), 1);
    struct pawl_action timer = fixture_action(PAWL_ACTION_TIMER, 0);
    timer.fire_at_ms = fixture->now_ms + 600000;
    struct pawl_bytes patch = PAWL_BYTES_LITERAL("fraud");
    struct pawl_turn_done done = { .turn = turn->turn,
                                   .instance = turn->instance,
                                   .actions_count = 1,
                                   .actions = &timer,
                                   .version = PAWL_BYTES_LITERAL("1"),
                                   .patches_count = 1,
                                   .patches = &patch };
    fixture_step(fixture, (struct pawl_node_event){
                              .type = PAWL_NODE_TURN_DONE, .worker = 1, .turn_done = &done });
    fixture_disconnect(fixture, 1);
    connect_version(fixture, 2, "2", true);
    connect_version(fixture, 3, "1", false);
    fixture_pass(fixture, 700000); /* it left memory, and comes back when the timer is due */
    const struct pawl_frame *past = fixture_next(fixture, PAWL_FRAME_HISTORY);
    assert_non_null(past);
    struct pawl_history_event started;
    assert_int_equal(pawl_history_event_decode(past->history.events[0], &started), PAWL_OK);
    assert_int_equal(started.kind, PAWL_EVENT_WORKFLOW_STARTED);
    assert_true(pawl_bytes_is_str(started.version, "1"));
    struct pawl_bytes name;
    size_t cursor = 0;
    assert_true(pawl_patches_next(started.patches, &cursor, &name));
    assert_true(pawl_bytes_is_str(name, "fraud"));
    assert_false(pawl_patches_next(started.patches, &cursor, &name));
    assert_int_equal(next_turn(fixture, NULL), 3);
    fixture_free(fixture);
}

/* The turn of an instance that took version "1" when it began. */
static void turn_done_in_1(struct fixture *fixture, uint64_t worker, const struct pawl_turn *turn,
                           struct pawl_action action)
{
    struct pawl_turn_done done = { .turn = turn->turn,
                                   .instance = turn->instance,
                                   .actions_count = 1,
                                   .actions = &action,
                                   .version = PAWL_BYTES_LITERAL("1") };
    fixture_step(fixture, (struct pawl_node_event){
                              .type = PAWL_NODE_TURN_DONE, .worker = worker, .turn_done = &done });
}

static struct pawl_action timer_in(const struct fixture *fixture, int32_t id, int64_t ms)
{
    struct pawl_action timer = fixture_action(PAWL_ACTION_TIMER, id);
    timer.fire_at_ms = fixture->now_ms + ms;
    return timer;
}

static void rerun(struct fixture *fixture, const char *new_instance, uint32_t event)
{
    struct pawl_request request = { .op = PAWL_REQUEST_RERUN,
                                    .instance = PAWL_BYTES_LITERAL("a"),
                                    .new_instance = pawl_bytes_str(new_instance),
                                    .has_event = true,
                                    .event_id = event };
    fixture_call(fixture, &request);
    assert_int_equal(fixture_last_err(fixture), PAWL_OK);
}

static void a_rerun_keeps_the_version_that_was_chosen(void **state)
{
    struct fixture *fixture = new_fixture();
    const struct pawl_turn *turn = NULL;
    (void)state;
    connect_version(fixture, 1, "1", true);
    start(fixture, "a", NULL);
    for (int32_t id = 0; id < 2; id++) {
        assert_int_equal(next_turn(fixture, &turn), 1);
        turn_done_in_1(fixture, 1, turn, timer_in(fixture, id, 100));
        fixture_pass(fixture, 200);
    }
    assert_int_equal(next_turn(fixture, &turn), 1);
    turn_done_in_1(fixture, 1, turn, fixture_action(PAWL_ACTION_COMPLETE, -1));
    fixture_disconnect(fixture, 1);
    connect_version(fixture, 2, "2", true);
    connect_version(fixture, 3, "1", false);
    rerun(fixture, "from-1", 1);
    fixture_pass(fixture, 200);
    assert_int_equal(next_turn(fixture, NULL), 3);
    rerun(fixture, "from-0", 0); /* nothing of the code is kept: it takes the latest */
    assert_int_equal(next_turn(fixture, NULL), 2);
    fixture_free(fixture);
}

static void a_version_that_nobody_has_stalls_after_a_while_and_goes_on_by_itself(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    connect_version(fixture, 1, "1", true);
    start(fixture, "a", "2");
    assert_int_equal(next_turn(fixture, NULL), 0);
    assert_int_equal(fixture_status(fixture, "a"), PAWL_STATUS_PENDING);
    fixture_pass(fixture, PAWL_CODE_WAIT_MS + 1);
    assert_int_equal(fixture_status(fixture, "a"), PAWL_STATUS_STALLED);
    assert_true(pawl_bytes_is_str(fixture->answer_failure.type, "VersionNotAvailable"));
    connect_version(fixture, 2, "2", false);
    const struct pawl_turn *turn = NULL;
    assert_int_equal(next_turn(fixture, &turn), 2);
    struct pawl_action end = fixture_action(PAWL_ACTION_COMPLETE, -1);
    fixture_turn_done(fixture, 2, turn, 1, &end);
    assert_int_equal(fixture_status(fixture, "a"), PAWL_STATUS_COMPLETED);
    assert_false(fixture->answer_failure.present);
    fixture_free(fixture);
}

static void one_that_has_left_memory_goes_on_as_well(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    connect_version(fixture, 1, "1", true);
    start(fixture, "a", "2");
    fixture_pass(fixture, PAWL_CODE_WAIT_MS + 1);
    fixture_pass(fixture, 2 * PAWL_INSTANCE_IDLE_MS);
    assert_int_equal(pawl_node_metrics(fixture->node)->active_instances, 0);
    connect_version(fixture, 2, "2", false);
    fixture_pass(fixture, 2 * PAWL_POLL_EVERY_MS);
    assert_int_equal(next_turn(fixture, NULL), 2);
    fixture_free(fixture);
}

static void a_worker_that_restarts_in_time_stalls_nothing(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    connect_version(fixture, 1, "1", true);
    start(fixture, "a", "2");
    fixture_pass(fixture, PAWL_CODE_WAIT_MS - 1);
    connect_version(fixture, 2, "2", false);
    assert_int_equal(next_turn(fixture, NULL), 2);
    fixture_pass(fixture, PAWL_CODE_WAIT_MS);
    assert_int_equal(stalls_in_history(fixture, "a"), 0);
    fixture_free(fixture);
}

static void a_stalled_one_is_operable(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    connect_version(fixture, 1, "1", true);
    start(fixture, "a", "2");
    start(fixture, "b", "2");
    fixture_pass(fixture, PAWL_CODE_WAIT_MS + 1);
    struct pawl_request raise = { .op = PAWL_REQUEST_RAISE,
                                  .instance = PAWL_BYTES_LITERAL("a"),
                                  .name = PAWL_BYTES_LITERAL("go") };
    fixture_call(fixture, &raise);
    assert_int_equal(fixture->answer_errs[fixture->answers_count - 1], PAWL_OK);
    assert_int_equal(control(fixture, PAWL_REQUEST_SUSPEND, "a"), PAWL_OK);
    assert_int_equal(control(fixture, PAWL_REQUEST_RESUME, "a"), PAWL_OK);
    fixture_pass(fixture, PAWL_CODE_WAIT_MS + 1);
    assert_int_equal(fixture_status(fixture, "a"), PAWL_STATUS_STALLED);
    assert_int_equal(control(fixture, PAWL_REQUEST_TERMINATE, "a"), PAWL_OK);
    assert_int_equal(fixture_status(fixture, "a"), PAWL_STATUS_TERMINATED);
    assert_false(fixture->answer_failure.present); /* not why it was stalled once */
    assert_int_equal(control(fixture, PAWL_REQUEST_PURGE, "a"), PAWL_OK);
    struct pawl_request force = { .op = PAWL_REQUEST_PURGE,
                                  .instance = PAWL_BYTES_LITERAL("b"),
                                  .force = true };
    fixture_call(fixture, &force);
    assert_int_equal(fixture->answer_errs[fixture->answers_count - 1], PAWL_OK);
    fixture_free(fixture);
}

static void a_mismatch_is_tried_with_each_new_worker_and_recorded_once(void **state)
{
    struct fixture *fixture = new_fixture();
    const struct pawl_turn *turn = NULL;
    (void)state;
    connect_version(fixture, 1, NULL, false);
    start(fixture, "a", NULL);
    assert_int_equal(next_turn(fixture, &turn), 1);
    answer(fixture, 1, turn, PAWL_E_NONDETERMINISM, "event 3 differs");
    assert_int_equal(fixture_status(fixture, "a"), PAWL_STATUS_STALLED);
    connect_version(fixture, 2, NULL, false);
    uint64_t worker = next_turn(fixture, &turn);
    assert_true(worker != 0);
    answer(fixture, worker, turn, PAWL_E_NONDETERMINISM, "event 3 differs");
    assert_int_equal(next_turn(fixture, NULL), 0);
    assert_int_equal(fixture_status(fixture, "a"), PAWL_STATUS_STALLED);
    assert_int_equal(stalls_in_history(fixture, "a"), 1);
    fixture_disconnect(fixture, 1);
    fixture_disconnect(fixture, 2);
    connect_version(fixture, 3, NULL, false);
    assert_int_equal(next_turn(fixture, &turn), 3);
    answer(fixture, 3, turn, PAWL_E_NONDETERMINISM, "event 4 differs");
    assert_int_equal(stalls_in_history(fixture, "a"), 2); /* that is news */
    fixture_free(fixture);
}

static void a_worker_that_comes_while_it_is_decided_is_asked_too(void **state)
{
    struct fixture *fixture = new_fixture();
    const struct pawl_turn *turn = NULL;
    (void)state;
    connect_version(fixture, 1, NULL, false);
    start(fixture, "a", NULL);
    assert_int_equal(next_turn(fixture, &turn), 1);
    connect_version(fixture, 2, NULL, false);
    answer(fixture, 1, turn, PAWL_E_NONDETERMINISM, "event 3 differs");
    assert_true(next_turn(fixture, NULL) != 0);
    fixture_free(fixture);
}

static void one_that_killed_its_workers_is_not_tried_by_itself(void **state)
{
    struct pawl_node_config config = { .partitions = 1, .turn_attempts_max = 1 };
    struct fixture *fixture = fixture_new(&config);
    (void)state;
    connect_version(fixture, 1, NULL, false);
    start(fixture, "a", NULL);
    assert_int_equal(next_turn(fixture, NULL), 1);
    fixture_disconnect(fixture, 1);
    assert_int_equal(fixture_status(fixture, "a"), PAWL_STATUS_STALLED);
    connect_version(fixture, 2, NULL, false);
    fixture_pass(fixture, 60000);
    assert_int_equal(next_turn(fixture, NULL), 0);
    assert_int_equal(control(fixture, PAWL_REQUEST_RESUME, "a"), PAWL_OK);
    assert_int_equal(next_turn(fixture, NULL), 2);
    fixture_free(fixture);
}

static void a_list_says_why_its_stalled_ones_are(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    connect_version(fixture, 1, "1", true);
    start(fixture, "a", "2");
    fixture_pass(fixture, PAWL_CODE_WAIT_MS + 1);
    struct pawl_request list = { .op = PAWL_REQUEST_LIST,
                                 .status_mask = 1u << PAWL_STATUS_STALLED };
    fixture_call(fixture, &list);
    assert_int_equal(fixture->listed_count, 1);
    assert_true(pawl_bytes_is_str(fixture->answer_failure.type, "VersionNotAvailable"));
    fixture_free(fixture);
}

static void workers_that_say_they_lack_the_version_are_asked_one_by_one(void **state)
{
    struct fixture *fixture = new_fixture();
    const struct pawl_turn *turn = NULL;
    (void)state;
    connect_any(fixture, 1);
    connect_any(fixture, 2);
    connect_any(fixture, 3);
    start(fixture, "a", NULL);
    uint32_t asked = 0;
    for (uint32_t i = 0; i < 3; i++) {
        uint64_t worker = next_turn(fixture, &turn);
        assert_true(worker >= 1 && worker <= 3);
        asked |= 1u << worker;
        answer(fixture, worker, turn, PAWL_E_VERSION, "not this one");
    }
    assert_int_equal(asked, 1u << 1 | 1u << 2 | 1u << 3);
    assert_int_equal(next_turn(fixture, NULL), 0);
    assert_int_equal(fixture_status(fixture, "a"), PAWL_STATUS_STALLED);
    connect_any(fixture, 4);
    assert_true(next_turn(fixture, NULL) != 0);
    fixture_free(fixture);
}

static void a_turn_that_is_given_back_again_and_again_ends_visibly(void **state)
{
    struct fixture *fixture = new_fixture();
    const struct pawl_turn *turn = NULL;
    (void)state;
    connect_any(fixture, 1);
    start(fixture, "a", NULL);
    for (uint32_t i = 0; i < PAWL_TURN_RETURNS_MAX; i++) {
        assert_int_equal(next_turn(fixture, &turn), 1);
        fixture_step(fixture,
                     (struct pawl_node_event){ .type = PAWL_NODE_TURN_RETURNED,
                                               .worker = 1,
                                               .need_history = { turn->turn, turn->instance } });
        fixture_credit(fixture, 1, 1, 0);
    }
    assert_int_equal(next_turn(fixture, NULL), 0);
    assert_int_equal(fixture_status(fixture, "a"), PAWL_STATUS_STALLED);
    assert_true(pawl_bytes_is_str(fixture->answer_failure.type, "TurnReturned"));
    fixture_free(fixture);
}

static void rules_of_workers_decide_by_version(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    connect_rule(fixture, 1, PAWL_MATCH_STRICT, "2.0", false);
    connect_rule(fixture, 2, PAWL_MATCH_CURRENT_OR_OLDER, "1.10", false);
    start(fixture, "a", "2.0");
    assert_int_equal(next_turn(fixture, NULL), 1);
    start(fixture, "b", "1.9");
    assert_int_equal(next_turn(fixture, NULL), 2);
    start(fixture, "c", NULL);
    assert_int_equal(next_turn(fixture, NULL), 2);
    start(fixture, "d", "1.11");
    fixture_pass(fixture, PAWL_CODE_WAIT_MS + 1);
    assert_int_equal(next_turn(fixture, NULL), 0);
    assert_int_equal(fixture_status(fixture, "d"), PAWL_STATUS_STALLED);
    fixture_free(fixture);
}

static void a_rule_may_have_a_mismatch_fail(void **state)
{
    struct fixture *fixture = new_fixture();
    (void)state;
    connect_rule(fixture, 1, PAWL_MATCH_STRICT, "2.0", true);
    start(fixture, "a", "1.0");
    fixture_pass(fixture, PAWL_CODE_WAIT_MS + 1);
    assert_int_equal(fixture_status(fixture, "a"), PAWL_STATUS_FAILED);
    assert_true(pawl_bytes_is_str(fixture->answer_failure.type, "VersionMismatch"));
    fixture_free(fixture);
}

static void versions_of_one_name_do_not_starve_each_other(void **state)
{
    struct fixture *fixture = new_fixture();
    const struct pawl_turn *turn = NULL;
    (void)state;
    for (int i = 0; i < 20; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "a%d", i);
        start(fixture, id, "1");
    }
    start(fixture, "b", "2");
    struct pawl_registration workflow = { .name = PAWL_BYTES_LITERAL("W") };
    struct pawl_hello hello = { .workflows_count = 1, .workflows = &workflow };
    fixture_step(fixture, (struct pawl_node_event){
                              .type = PAWL_NODE_WORKER_OPENED, .worker = WORKER, .hello = &hello });
    fixture_credit(fixture, WORKER, 2, 0);
    bool is_there = false;
    while (next_turn(fixture, &turn)) is_there |= pawl_bytes_is_str(turn->instance, "b");
    assert_true(is_there);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_version_goes_to_a_worker_that_has_it),
        cmocka_unit_test(the_version_that_was_chosen_routes_later_turns_also_after_a_load),
        cmocka_unit_test(a_rerun_keeps_the_version_that_was_chosen),
        cmocka_unit_test(a_version_that_nobody_has_stalls_after_a_while_and_goes_on_by_itself),
        cmocka_unit_test(one_that_has_left_memory_goes_on_as_well),
        cmocka_unit_test(a_worker_that_restarts_in_time_stalls_nothing),
        cmocka_unit_test(a_stalled_one_is_operable),
        cmocka_unit_test(a_mismatch_is_tried_with_each_new_worker_and_recorded_once),
        cmocka_unit_test(a_worker_that_comes_while_it_is_decided_is_asked_too),
        cmocka_unit_test(one_that_killed_its_workers_is_not_tried_by_itself),
        cmocka_unit_test(a_list_says_why_its_stalled_ones_are),
        cmocka_unit_test(workers_that_say_they_lack_the_version_are_asked_one_by_one),
        cmocka_unit_test(a_turn_that_is_given_back_again_and_again_ends_visibly),
        cmocka_unit_test(rules_of_workers_decide_by_version),
        cmocka_unit_test(a_rule_may_have_a_mismatch_fail),
        cmocka_unit_test(versions_of_one_name_do_not_starve_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
