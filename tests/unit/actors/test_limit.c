/* Limit: so many at once and no more, and whoever waits gets its turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "base/limits.h"
#include "tests/unit/actors/fixture.h"

#define WORKER 7u
#define MANY   20

static struct pawl_limit_rule limit_of(bool is_task, const char *name, uint32_t max)
{
    return (struct pawl_limit_rule){ .is_task = is_task,
                                     .name = name ? pawl_bytes_str(name) : PAWL_BYTES_ABSENT,
                                     .max = max };
}

static struct fixture *new_limited(uint32_t count, const struct pawl_limit_rule *rules)
{
    struct pawl_node_config config = { .partitions = 1, .limits_count = count, .limits = rules };
    return fixture_new(&config);
}

/* A worker of the workflow "W" and the activities "A" and "B". */
static void connect(struct fixture *fixture)
{
    struct pawl_registration workflow = { .name = PAWL_BYTES_LITERAL("W") };
    struct pawl_registration activities[] = { { .name = PAWL_BYTES_LITERAL("A") },
                                              { .name = PAWL_BYTES_LITERAL("B") } };
    struct pawl_hello hello = { .workflows_count = 1,
                                .workflows = &workflow,
                                .activities_count = 2,
                                .activities = activities };
    fixture_step(fixture, (struct pawl_node_event){
                              .type = PAWL_NODE_WORKER_OPENED, .worker = WORKER, .hello = &hello });
    fixture_credit(fixture, WORKER, 1000, 1000);
}

/* Its first turn calls the activity so many times. */
static void start_calls(struct fixture *fixture, const char *instance, const char *activity,
                        uint32_t count)
{
    struct pawl_action actions[MANY];
    fixture_start(fixture, instance);
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    assert_non_null(turn);
    assert_true(count <= MANY);
    for (uint32_t i = 0; i < count; i++) {
        actions[i] = fixture_action(PAWL_ACTION_ACTIVITY, (int32_t)i);
        actions[i].name = pawl_bytes_str(activity);
    }
    fixture_turn_done(fixture, WORKER, &turn->turn, count, actions);
}

static const struct pawl_activity_item *next_activity(struct fixture *fixture)
{
    const struct pawl_frame *frame = fixture_next(fixture, PAWL_FRAME_ACTIVITY);
    return frame ? &frame->activity : NULL;
}

static void no_more_run_at_once_than_the_limit_of_their_name(void **state)
{
    const struct pawl_limit_rule rules[] = { limit_of(true, "A", 2) };
    struct fixture *fixture = new_limited(1, rules);
    const struct pawl_activity_item *running[2];
    (void)state;
    connect(fixture);
    start_calls(fixture, "i", "A", 5);
    for (int i = 0; i < 2; i++) {
        running[i] = next_activity(fixture);
        assert_non_null(running[i]);
    }
    assert_null(next_activity(fixture));
    const struct pawl_node_metrics *metrics = pawl_node_metrics(fixture->node);
    assert_int_equal(metrics->limits_count, 1);
    assert_int_equal(metrics->limits[0].running, 2);
    assert_int_equal(metrics->limits[0].waiting, 3);

    start_calls(fixture, "other", "B", 3); /* no limit has its name */
    for (int i = 0; i < 3; i++) assert_true(pawl_bytes_is_str(next_activity(fixture)->name, "B"));

    for (uint32_t ended = 0; ended < 5; ended++) {
        fixture_activity_done(fixture, WORKER, running[ended % 2]);
        running[ended % 2] = next_activity(fixture);
        assert_int_equal(running[ended % 2] != NULL, ended < 3);
        assert_null(next_activity(fixture));
    }
    assert_int_equal(pawl_node_metrics(fixture->node)->limits[0].running, 0);
    fixture_free(fixture);
}

static void one_call_is_not_kept_waiting_by_a_fan_out_of_another(void **state)
{
    const struct pawl_limit_rule rules[] = { limit_of(true, NULL, 1) };
    struct fixture *fixture = new_limited(1, rules);
    (void)state;
    connect(fixture);
    start_calls(fixture, "wide", "A", MANY);
    const struct pawl_activity_item *item = next_activity(fixture);
    assert_non_null(item);
    start_calls(fixture, "narrow", "A", 1);
    start_calls(fixture, "two", "A", 2);
    static const char *const order[] = { "wide", "narrow", "two", "wide", "two", "wide", "wide" };
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        fixture_activity_done(fixture, WORKER, item);
        item = next_activity(fixture);
        assert_non_null(item);
        assert_true(pawl_bytes_is_str(item->instance, order[i]));
    }
    fixture_free(fixture);
}

static void what_is_called_off_while_it_waits_takes_no_place(void **state)
{
    const struct pawl_limit_rule rules[] = { limit_of(true, "A", 1) };
    struct fixture *fixture = new_limited(1, rules);
    struct pawl_request terminate = { .op = PAWL_REQUEST_TERMINATE,
                                      .instance = PAWL_BYTES_LITERAL("first") };
    (void)state;
    connect(fixture);
    start_calls(fixture, "first", "A", MANY);
    const struct pawl_activity_item *item = next_activity(fixture);
    assert_true(pawl_bytes_is_str(item->instance, "first"));
    start_calls(fixture, "second", "A", 1);
    fixture_call(fixture, &terminate);
    item = next_activity(fixture);
    assert_non_null(item);
    assert_true(pawl_bytes_is_str(item->instance, "second"));
    const struct pawl_node_metrics *metrics = pawl_node_metrics(fixture->node);
    assert_int_equal(metrics->limits[0].running, 1);
    assert_int_equal(metrics->limits[0].waiting, 0);
    fixture_free(fixture);
}

static void a_worker_that_goes_away_gives_its_places_back(void **state)
{
    const struct pawl_limit_rule rules[] = { limit_of(true, "A", 1), limit_of(false, "W", 1) };
    struct fixture *fixture = new_limited(2, rules);
    (void)state;
    connect(fixture);
    start_calls(fixture, "i", "A", 1);
    assert_non_null(next_activity(fixture));
    fixture_start(fixture, "j");
    assert_non_null(fixture_next(fixture, PAWL_FRAME_TURN));
    fixture_disconnect(fixture, WORKER);
    const struct pawl_node_metrics *metrics = pawl_node_metrics(fixture->node);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(metrics->limits[i].running, 0);
        assert_int_equal(metrics->limits[i].waiting, 1);
    }
    connect(fixture);
    assert_non_null(fixture_next(fixture, PAWL_FRAME_TURN));
    assert_non_null(next_activity(fixture));
    fixture_free(fixture);
}

static void turns_of_one_name_wait_for_each_other(void **state)
{
    const struct pawl_limit_rule rules[] = { limit_of(false, "W", 1), limit_of(false, NULL, 5) };
    struct fixture *fixture = new_limited(2, rules);
    struct pawl_action activity = fixture_action(PAWL_ACTION_ACTIVITY, 0);
    const char *const ids[] = { "a", "b", "c" };
    (void)state;
    connect(fixture);
    for (int i = 0; i < 3; i++) fixture_start(fixture, ids[i]);
    for (int i = 0; i < 3; i++) {
        const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
        assert_non_null(turn);
        assert_true(pawl_bytes_is_str(turn->turn.instance, ids[i]));
        assert_null(fixture_next(fixture, PAWL_FRAME_TURN));
        const struct pawl_node_metrics *metrics = pawl_node_metrics(fixture->node);
        assert_int_equal(metrics->limits[0].running, 1);
        assert_int_equal(metrics->limits[1].running, 1);
        fixture_turn_done(fixture, WORKER, &turn->turn, 1, &activity);
    }
    assert_int_equal(pawl_node_metrics(fixture->node)->limits[0].running, 0);
    fixture_free(fixture);
}

/* A worker that holds the instance is sent only what is new, also after a wait. */
static void a_limited_turn_still_goes_where_its_instance_is_held(void **state)
{
    const struct pawl_limit_rule rules[] = { limit_of(false, "W", 1) };
    struct fixture *fixture = new_limited(1, rules);
    (void)state;
    connect(fixture);
    start_calls(fixture, "i", "A", 1);
    fixture_activity_done(fixture, WORKER, next_activity(fixture));
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    assert_non_null(turn);
    assert_int_equal(turn->turn.past_count, 0);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_more_run_at_once_than_the_limit_of_their_name),
        cmocka_unit_test(one_call_is_not_kept_waiting_by_a_fan_out_of_another),
        cmocka_unit_test(what_is_called_off_while_it_waits_takes_no_place),
        cmocka_unit_test(a_worker_that_goes_away_gives_its_places_back),
        cmocka_unit_test(turns_of_one_name_wait_for_each_other),
        cmocka_unit_test(a_limited_turn_still_goes_where_its_instance_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
