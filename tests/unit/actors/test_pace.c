/* Pace: what the clock wakes is worked on a few at a time, and never in the way of what
 * somebody has just asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "base/limits.h"
#include "state/mem.h"
#include "tests/unit/actors/fixture.h"

#define WORKER      7u
#define SLEEPERS    100
#define PLACES      10
#define IN_A_MINUTE 60000
#define AN_HOUR     3600000
#define MANY        (PAWL_WAKES_MAX + 50) /* more than there ever are places */

static struct pawl_turn waking[MANY]; /* turns that the worker has, unanswered */
static uint32_t waking_count;

/* As many as there are, each asleep until a minute after the start. */
static struct fixture *asleep_in(uint32_t partitions, int64_t instance_idle_ms)
{
    struct pawl_node_config config = { .partitions = partitions,
                                       .wakes_max = PLACES,
                                       .instance_idle_ms = instance_idle_ms };
    struct fixture *fixture = fixture_new(&config);
    fixture_connect(fixture, WORKER, 10000, 0);
    struct pawl_action timer = fixture_action(PAWL_ACTION_TIMER, 0);
    timer.fire_at_ms = fixture->now_ms + IN_A_MINUTE;
    for (int i = 0; i < SLEEPERS; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "i%d", i);
        fixture_start(fixture, id);
        fixture->answers_count = 0;
        const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
        assert_non_null(turn);
        fixture_turn_done(fixture, WORKER, &turn->turn, 1, &timer);
    }
    fixture_pass(fixture, timer.fire_at_ms - 1 - fixture->now_ms);
    assert_null(fixture_next(fixture, PAWL_FRAME_TURN));
    waking_count = 0;
    return fixture;
}

static struct fixture *asleep(int64_t instance_idle_ms)
{
    return asleep_in(1, instance_idle_ms);
}

static uint32_t take_turns(struct fixture *fixture)
{
    uint32_t before = waking_count;
    for (const struct pawl_frame *turn; (turn = fixture_next(fixture, PAWL_FRAME_TURN)) != NULL;) {
        assert_true(waking_count < MANY);
        waking[waking_count++] = turn->turn;
    }
    return waking_count - before;
}

static void answer_turns(struct fixture *fixture)
{
    struct pawl_action timer = fixture_action(PAWL_ACTION_TIMER, 1);
    timer.fire_at_ms = fixture->now_ms + AN_HOUR;
    for (uint32_t i = 0; i < waking_count; i++)
        fixture_turn_done(fixture, WORKER, &waking[i], 1, &timer);
    waking_count = 0;
}

static void what_is_due_comes_in_pieces(struct fixture *fixture, uint32_t at_once_max)
{
    uint32_t woken = 0;
    for (int rounds = 0; woken < SLEEPERS && rounds < 1000; rounds++) {
        fixture_pass(fixture, 5);
        woken += take_turns(fixture);
        assert_true(waking_count <= at_once_max);
        answer_turns(fixture);
    }
    assert_int_equal(woken, SLEEPERS);
    fixture_pass(fixture, 5000);
    assert_int_equal(take_turns(fixture), 0);
}

static void what_is_due_in_the_store_comes_in_pieces(void **state)
{
    (void)state;
    struct fixture *fixture = asleep(1000);
    assert_int_equal(pawl_node_metrics(fixture->node)->active_instances, 0);
    what_is_due_comes_in_pieces(fixture, PLACES + PAWL_POLL_ITEMS_MIN);
    fixture_free(fixture);
}

/* Without the line, a partition would be asked once a second. */
static void partitions_are_polled_in_turn_as_places_get_free(void **state)
{
    (void)state;
    struct fixture *fixture = asleep_in(16, 1000);
    uint32_t woken = 0;
    for (int ms = 0; ms < 800 && woken < SLEEPERS; ms += 5) {
        fixture_pass(fixture, 5);
        woken += take_turns(fixture);
        answer_turns(fixture);
    }
    assert_int_equal(woken, SLEEPERS);
    fixture_free(fixture);
}

static void a_partition_leaves_the_line_when_it_is_lost(void **state)
{
    (void)state;
    struct fixture *fixture = asleep_in(16, 1000);
    fixture_pass(fixture, 1);
    assert_true(take_turns(fixture) > 0); /* unanswered: the others stand in line */
    for (uint32_t i = 0; i < 16; i++)
        fixture_step(fixture,
                     (struct pawl_node_event){ .type = PAWL_NODE_DISOWN, .own.partition = i });
    (void)take_turns(fixture);
    fixture_pass(fixture, 5000);
    assert_int_equal(take_turns(fixture), 0);
    fixture_free(fixture);
}

static uint64_t polls(const struct fixture *fixture)
{
    return pawl_mem_store_count(fixture->mem, PAWL_STORE_POLL);
}

/* As many as there are, each waiting for an activity, then taken over by a new owner. */
static struct fixture *taken_over(void)
{
    struct pawl_node_config config = { .partitions = 1, .wakes_max = PLACES };
    struct fixture *fixture = fixture_new(&config);
    fixture_connect(fixture, WORKER, 10000, 10000);
    struct pawl_action call = fixture_action(PAWL_ACTION_ACTIVITY, 0);
    call.name = PAWL_BYTES_LITERAL("A");
    for (int i = 0; i < SLEEPERS; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "i%d", i);
        fixture_start(fixture, id);
        fixture->answers_count = 0;
        fixture_turn_done(fixture, WORKER, &fixture_next(fixture, PAWL_FRAME_TURN)->turn, 1, &call);
    }
    fixture_step(fixture, (struct pawl_node_event){ .type = PAWL_NODE_DISOWN });
    assert_int_equal(pawl_node_metrics(fixture->node)->active_instances, 0);
    fixture_step(fixture,
                 (struct pawl_node_event){ .type = PAWL_NODE_OWN, .own.table_version = 2 });
    return fixture;
}

/* More rows are leased than a poll brings, and those that the recovery has leased itself
 * must not come again: each poll brings at least two that are new. */
static void a_recovery_brings_each_row_once(void **state)
{
    (void)state;
    struct fixture *fixture = taken_over();
    uint64_t before = polls(fixture);
    fixture_pass(fixture, 1000);
    assert_int_equal(pawl_node_metrics(fixture->node)->active_instances, SLEEPERS);
    assert_in_range(polls(fixture), 1, before + SLEEPERS / PAWL_WAKES_POLL_MIN);
    before = polls(fixture);
    fixture_pass(fixture, 10000);
    assert_in_range(polls(fixture) - before, 9, 11); /* one a second: it has ended */
    fixture_free(fixture);
}

/* The activities go on running: for as long as that lasts, each row is pushed forward once
 * per lease. */
static void after_a_recovery_leases_last_as_before(void **state)
{
    (void)state;
    struct fixture *fixture = taken_over();
    fixture_pass(fixture, PAWL_RECOVER_MS + 5000);
    uint64_t before = polls(fixture);
    fixture_pass(fixture, PAWL_LEASE_WAKE_MS);
    uint64_t rounds = PAWL_LEASE_WAKE_MS / PAWL_POLL_EVERY_MS;
    assert_in_range(polls(fixture) - before, 1, rounds + SLEEPERS / PAWL_WAKES_POLL_MIN + 2);
    fixture_free(fixture);
}

/* A sleeper's owner dies, and it has one more instance, whose activity runs. */
static struct fixture *asleep_and_one_at_work(void)
{
    struct fixture *fixture = asleep(1000);
    fixture_start(fixture, "at-work");
    struct pawl_action call = fixture_action(PAWL_ACTION_ACTIVITY, 0);
    call.name = PAWL_BYTES_LITERAL("A");
    fixture_turn_done(fixture, WORKER, &fixture_next(fixture, PAWL_FRAME_TURN)->turn, 1, &call);
    fixture_step(fixture, (struct pawl_node_event){ .type = PAWL_NODE_DISOWN });
    assert_int_equal(pawl_node_metrics(fixture->node)->active_instances, 0);
    return fixture;
}

/* All places are taken by what is overdue, and no turn ends. */
static void what_a_dead_owner_was_at_does_not_wait_behind_what_is_overdue(void **state)
{
    (void)state;
    struct fixture *fixture = asleep_and_one_at_work();
    fixture_pass(fixture, 2000);
    fixture_step(fixture,
                 (struct pawl_node_event){ .type = PAWL_NODE_OWN, .own.table_version = 2 });
    fixture_pass(fixture, 500);
    uint32_t turns = take_turns(fixture);
    assert_in_range(turns, PLACES, SLEEPERS / 2);
    assert_int_equal(pawl_node_metrics(fixture->node)->active_instances, turns + 1);
    fixture_free(fixture);
}

static void start_again(struct fixture *fixture, const char *instance)
{
    struct pawl_request request = { .op = PAWL_REQUEST_START,
                                    .reuse = PAWL_REUSE_TERMINAL,
                                    .instance = pawl_bytes_str(instance),
                                    .request_id = pawl_bytes_str(instance),
                                    .name = PAWL_BYTES_LITERAL("W") };
    fixture_call(fixture, &request);
    assert_int_equal(fixture_last_err(fixture), PAWL_OK);
    fixture->answers_count = 0;
}

/* All are at their first turn when their owner dies, and no turn ends at the next one. */
static void who_starts_it_again_does_not_wait_until_a_dead_owners_work_is_recovered(void **state)
{
    (void)state;
    struct pawl_node_config config = { .partitions = 1, .wakes_max = PLACES };
    struct fixture *fixture = fixture_new(&config);
    fixture_connect(fixture, WORKER, 10000, 0);
    char id[16];
    for (int i = 0; i < SLEEPERS; i++) {
        (void)snprintf(id, sizeof id, "i%d", i);
        start_again(fixture, id);
        assert_non_null(fixture_next(fixture, PAWL_FRAME_TURN));
    }
    fixture_step(fixture, (struct pawl_node_event){ .type = PAWL_NODE_DISOWN });
    fixture_step(fixture,
                 (struct pawl_node_event){ .type = PAWL_NODE_OWN, .own.table_version = 2 });
    waking_count = 0;
    assert_in_range(take_turns(fixture), 1, SLEEPERS / 2);
    assert_null(fixture_next(fixture, PAWL_FRAME_TURN));
    start_again(fixture, id);
    const struct pawl_frame *turn = fixture_next(fixture, PAWL_FRAME_TURN);
    assert_non_null(turn);
    assert_true(pawl_bytes_is_equal(turn->turn.instance, pawl_bytes_str(id)));
    fixture_free(fixture);
}

/* Timers that are still to come lie before what is leased, more of them than a poll takes. */
static void a_recovery_passes_over_timers_that_are_not_due(void **state)
{
    (void)state;
    struct fixture *fixture = asleep_and_one_at_work();
    fixture_step(fixture,
                 (struct pawl_node_event){ .type = PAWL_NODE_OWN, .own.table_version = 2 });
    fixture_pass(fixture, 0);
    assert_int_equal(take_turns(fixture), 0);
    assert_int_equal(pawl_node_metrics(fixture->node)->active_instances, 1);
    fixture_free(fixture);
}

static void what_is_due_in_memory_comes_in_pieces(void **state)
{
    (void)state;
    struct fixture *fixture = asleep(AN_HOUR);
    assert_int_equal(pawl_node_metrics(fixture->node)->active_instances, SLEEPERS);
    what_is_due_comes_in_pieces(fixture, PLACES);
    fixture_free(fixture);
}

static void new_work_needs_no_place(void **state)
{
    (void)state;
    struct fixture *fixture = asleep(AN_HOUR);
    fixture_pass(fixture, 1);
    assert_int_equal(take_turns(fixture), PLACES);
    fixture_start(fixture, "new");
    assert_int_equal(take_turns(fixture), 1);
    char last[16]; /* of the line: work for it has come */
    (void)snprintf(last, sizeof last, "i%d", SLEEPERS - 1);
    struct pawl_request raise = { .op = PAWL_REQUEST_RAISE,
                                  .instance = pawl_bytes_str(last),
                                  .name = PAWL_BYTES_LITERAL("go") };
    fixture_call(fixture, &raise);
    assert_int_equal(take_turns(fixture), 1);
    assert_true(pawl_bytes_is_equal(waking[waking_count - 1].instance, pawl_bytes_str(last)));
    fixture_free(fixture);
}

static void a_place_rests_as_long_as_it_was_taken(void **state)
{
    (void)state;
    struct fixture *fixture = asleep(AN_HOUR);
    fixture_pass(fixture, 1);
    assert_int_equal(take_turns(fixture), PLACES);
    fixture_pass(fixture, 20);
    answer_turns(fixture);
    fixture_pass(fixture, 19);
    assert_int_equal(take_turns(fixture), 0);
    fixture_pass(fixture, 1);
    assert_int_equal(take_turns(fixture), PLACES);
    fixture_pass(fixture, 900);
    answer_turns(fixture);
    fixture_pass(fixture, PAWL_WAKE_REST_MS_MAX - 1);
    assert_int_equal(take_turns(fixture), 0);
    fixture_pass(fixture, 1);
    assert_int_equal(take_turns(fixture), PLACES);
    fixture_free(fixture);
}

/* Workflow code that never comes back holds up itself and nobody else for good. */
static void turns_that_never_end_do_not_stop_the_others(void **state)
{
    (void)state;
    struct fixture *fixture = asleep(AN_HOUR);
    fixture_pass(fixture, 1);
    for (uint32_t i = 0; i < SLEEPERS / PLACES; i++) {
        assert_int_equal(take_turns(fixture), PLACES);
        fixture_pass(fixture, 1000);
    }
    assert_int_equal(waking_count, SLEEPERS);
    fixture_free(fixture);
}

/* Of so many instances, all due at once, how many are worked on. */
static uint32_t woken_at_once(struct fixture *fixture, const char *prefix)
{
    struct pawl_action timer = fixture_action(PAWL_ACTION_TIMER, 0);
    timer.fire_at_ms = fixture->now_ms + IN_A_MINUTE;
    for (uint32_t i = 0; i < MANY; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "%s%u", prefix, i);
        fixture_start(fixture, id);
        fixture->answers_count = 0;
        fixture_turn_done(fixture, WORKER, &fixture_next(fixture, PAWL_FRAME_TURN)->turn, 1,
                          &timer);
    }
    fixture_pass(fixture, IN_A_MINUTE);
    waking_count = 0;
    return take_turns(fixture);
}

/* Each of them, and of those that follow, takes so long. */
static void finish_after(struct fixture *fixture, int64_t ms)
{
    uint32_t woken = waking_count;
    fixture_pass(fixture, ms);
    answer_turns(fixture);
    while (woken < MANY) {
        fixture_pass(fixture, 1); /* until places have rested */
        uint32_t more = take_turns(fixture);
        if (more == 0) continue;
        woken += more;
        fixture_pass(fixture, ms);
        answer_turns(fixture);
    }
}

static void where_even_the_quickest_take_long_there_are_more_places(void **state)
{
    (void)state;
    struct pawl_node_config config = { .partitions = 1, .instance_idle_ms = AN_HOUR };
    struct fixture *fixture = fixture_new(&config);
    fixture_connect(fixture, WORKER, 10000, 0);
    assert_int_equal(woken_at_once(fixture, "a"), PAWL_WAKES_SHARED);
    finish_after(fixture, 10);
    assert_int_equal(woken_at_once(fixture, "b"), PAWL_WAKES_SHARED); /* it is early to tell */
    finish_after(fixture, 10);
    assert_int_equal(woken_at_once(fixture, "c"), 10 * PAWL_WAKES_PER_MS);
    finish_after(fixture, 100);
    assert_int_equal(woken_at_once(fixture, "d"), 10 * PAWL_WAKES_PER_MS); /* as just before */
    finish_after(fixture, 100);
    assert_int_equal(woken_at_once(fixture, "e"), PAWL_WAKES_MAX);
    finish_after(fixture, 1);
    assert_int_equal(woken_at_once(fixture, "f"), PAWL_WAKES_SHARED); /* one quick one is enough */
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_due_in_the_store_comes_in_pieces),
        cmocka_unit_test(partitions_are_polled_in_turn_as_places_get_free),
        cmocka_unit_test(a_partition_leaves_the_line_when_it_is_lost),
        cmocka_unit_test(a_recovery_brings_each_row_once),
        cmocka_unit_test(after_a_recovery_leases_last_as_before),
        cmocka_unit_test(what_a_dead_owner_was_at_does_not_wait_behind_what_is_overdue),
        cmocka_unit_test(who_starts_it_again_does_not_wait_until_a_dead_owners_work_is_recovered),
        cmocka_unit_test(a_recovery_passes_over_timers_that_are_not_due),
        cmocka_unit_test(what_is_due_in_memory_comes_in_pieces),
        cmocka_unit_test(new_work_needs_no_place),
        cmocka_unit_test(a_place_rests_as_long_as_it_was_taken),
        cmocka_unit_test(turns_that_never_end_do_not_stop_the_others),
        cmocka_unit_test(where_even_the_quickest_take_long_there_are_more_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
