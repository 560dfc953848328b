/* Schedule plan: what a schedule decides, without any engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include "actors/schedule_plan.h"
#include "base/bytes.h"
#include "tests/unit/base/zones.h"

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS   (60 * MINUTE_MS)

static struct pawl_schedule_spec every(int64_t every_ms)
{
    return (struct pawl_schedule_spec){ .workflow = PAWL_BYTES_LITERAL("W"), .every_ms = every_ms };
}

static struct pawl_schedule_plan decide(struct pawl_schedule_state *state, int64_t now_ms,
                                        enum pawl_schedule_known known)
{
    struct pawl_schedule_plan plan;
    pawl_schedule_decide(state, NULL, false, now_ms, known, &plan);
    return plan;
}

/* The run that is wished for is started. */
static void start(struct pawl_schedule_state *state, int64_t now_ms)
{
    assert_true(state->starting.time_ms != 0);
    pawl_schedule_on_started(state, now_ms, PAWL_BYTES_ABSENT);
}

static uint64_t counted(const struct pawl_schedule_state *state)
{
    return state->started + state->skipped + state->missed + state->failed
           + (state->starting.time_ms != 0) + (state->buffered.time_ms != 0);
}

static void intervals_are_counted_from_1970(void **state)
{
    struct pawl_schedule_spec spec = every(HOUR_MS);
    (void)state;
    assert_int_equal(pawl_schedule_next_ms(&spec, NULL, 1), HOUR_MS);
    assert_int_equal(pawl_schedule_next_ms(&spec, NULL, HOUR_MS), 2 * HOUR_MS);
    spec.offset_ms = 10 * MINUTE_MS;
    assert_int_equal(pawl_schedule_next_ms(&spec, NULL, HOUR_MS), HOUR_MS + 10 * MINUTE_MS);
    spec.from_ms = 5 * HOUR_MS + 10 * MINUTE_MS;
    assert_int_equal(pawl_schedule_next_ms(&spec, NULL, 1), 5 * HOUR_MS + 10 * MINUTE_MS);
    spec.until_ms = 6 * HOUR_MS + 10 * MINUTE_MS;
    assert_int_equal(pawl_schedule_next_ms(&spec, NULL, 5 * HOUR_MS + 10 * MINUTE_MS), 0);
    spec.until_ms = 0;
    assert_int_equal(pawl_schedule_next_ms(&spec, NULL, INT64_C(253402300799999)), 0);
}

static void cron_lines_use_their_zone(void **state)
{
    struct pawl_schedule_spec spec = { .cron = PAWL_BYTES_LITERAL("0 9 * * *"),
                                       .timezone = PAWL_BYTES_LITERAL("Europe/Berlin") };
    struct pawl_zone *zone = zone_of(BERLIN);
    (void)state;
    /* 1970-01-01 09:00 in Berlin is 08:00 UTC. */
    assert_int_equal(pawl_schedule_next_ms(&spec, zone, 1), 8 * HOUR_MS);
    assert_int_equal(pawl_schedule_next_ms(&spec, zone, 8 * HOUR_MS - 1), 8 * HOUR_MS);
    assert_int_equal(pawl_schedule_next_ms(&spec, zone, 8 * HOUR_MS), 32 * HOUR_MS);
    pawl_zone_free(zone);
}

static void a_run_is_committed_as_starting_before_it_is_wished_for(void **state)
{
    struct pawl_schedule_spec spec = every(MINUTE_MS);
    struct pawl_schedule_state schedule = pawl_schedule_begin(&spec, 10);
    (void)state;
    struct pawl_schedule_plan plan = decide(&schedule, 20, PAWL_SCHEDULE_UNKNOWN);
    assert_int_equal(plan.wish, PAWL_SCHEDULE_REST);
    assert_int_equal(plan.next_ms, MINUTE_MS);
    plan = decide(&schedule, MINUTE_MS, PAWL_SCHEDULE_UNKNOWN);
    assert_true(plan.changed);
    assert_int_equal(plan.wish, PAWL_SCHEDULE_START);
    assert_int_equal(schedule.starting.time_ms, MINUTE_MS);
    plan = decide(&schedule, MINUTE_MS + 5, PAWL_SCHEDULE_UNKNOWN);
    assert_false(plan.changed);
    assert_int_equal(plan.wish, PAWL_SCHEDULE_START);
    start(&schedule, MINUTE_MS + 7);
    plan = decide(&schedule, MINUTE_MS + 8, PAWL_SCHEDULE_UNKNOWN);
    assert_int_equal(plan.wish, PAWL_SCHEDULE_REST);
    assert_int_equal(plan.next_ms, 2 * MINUTE_MS);
    assert_int_equal(schedule.recent_count, 1);
    assert_int_equal(schedule.running.time_ms, MINUTE_MS);
}

/* The first run is under way and the second one is due. */
static struct pawl_schedule_state second_due(enum pawl_overlap_policy overlap)
{
    struct pawl_schedule_spec spec = every(MINUTE_MS);
    spec.overlap = overlap;
    struct pawl_schedule_state schedule = pawl_schedule_begin(&spec, 10);
    decide(&schedule, MINUTE_MS, PAWL_SCHEDULE_UNKNOWN);
    start(&schedule, MINUTE_MS);
    return schedule;
}

static void skip_passes_over_what_comes_due_during_a_run(void **state)
{
    struct pawl_schedule_state schedule = second_due(PAWL_OVERLAP_SKIP);
    (void)state;
    struct pawl_schedule_plan plan = decide(&schedule, 3 * MINUTE_MS, PAWL_SCHEDULE_UNKNOWN);
    assert_int_equal(plan.wish, PAWL_SCHEDULE_LOOK);
    assert_int_equal(schedule.last_ms, MINUTE_MS);
    plan = decide(&schedule, 3 * MINUTE_MS, PAWL_SCHEDULE_RUNS);
    assert_int_equal(plan.wish, PAWL_SCHEDULE_REST);
    assert_int_equal(schedule.skipped, 2);
    assert_int_equal(plan.next_ms, 4 * MINUTE_MS);
    plan = decide(&schedule, 4 * MINUTE_MS, PAWL_SCHEDULE_ENDED);
    assert_int_equal(plan.wish, PAWL_SCHEDULE_START);
    assert_int_equal(schedule.starting.time_ms, 4 * MINUTE_MS);
}

static void allow_asks_nobody(void **state)
{
    struct pawl_schedule_state schedule = second_due(PAWL_OVERLAP_ALLOW);
    (void)state;
    for (int64_t n = 2; n <= 4; n++) {
        struct pawl_schedule_plan plan = decide(&schedule, 4 * MINUTE_MS, PAWL_SCHEDULE_UNKNOWN);
        assert_int_equal(plan.wish, PAWL_SCHEDULE_START);
        assert_int_equal(schedule.starting.time_ms, n * MINUTE_MS);
        start(&schedule, 4 * MINUTE_MS);
    }
    assert_int_equal(decide(&schedule, 4 * MINUTE_MS, PAWL_SCHEDULE_UNKNOWN).wish,
                     PAWL_SCHEDULE_REST);
}

static void buffer_keeps_one_for_the_end_of_the_run(void **state)
{
    struct pawl_schedule_state schedule = second_due(PAWL_OVERLAP_BUFFER_ONE);
    (void)state;
    struct pawl_schedule_plan plan = decide(&schedule, 4 * MINUTE_MS, PAWL_SCHEDULE_RUNS);
    assert_int_equal(plan.wish, PAWL_SCHEDULE_AWAIT);
    assert_int_equal(plan.next_ms, 5 * MINUTE_MS);
    assert_int_equal(schedule.buffered.time_ms, 2 * MINUTE_MS);
    assert_int_equal(schedule.skipped, 2);
    plan = decide(&schedule, 4 * MINUTE_MS + 1, PAWL_SCHEDULE_ENDED);
    assert_int_equal(plan.wish, PAWL_SCHEDULE_START);
    assert_int_equal(schedule.starting.time_ms, 2 * MINUTE_MS);
    assert_int_equal(schedule.buffered.time_ms, 0);
}

static void terminate_ends_the_run_before_the_next_begins(void **state)
{
    struct pawl_schedule_state schedule = second_due(PAWL_OVERLAP_TERMINATE);
    (void)state;
    struct pawl_schedule_plan plan = decide(&schedule, 2 * MINUTE_MS, PAWL_SCHEDULE_RUNS);
    assert_int_equal(plan.wish, PAWL_SCHEDULE_TERMINATE);
    assert_int_equal(schedule.running.time_ms, MINUTE_MS);
    plan = decide(&schedule, 2 * MINUTE_MS, PAWL_SCHEDULE_ENDED);
    assert_int_equal(plan.wish, PAWL_SCHEDULE_START);
    assert_int_equal(schedule.starting.time_ms, 2 * MINUTE_MS);
    start(&schedule, 2 * MINUTE_MS);
    assert_int_equal(schedule.running.time_ms, 2 * MINUTE_MS);
    assert_int_equal(decide(&schedule, 2 * MINUTE_MS, PAWL_SCHEDULE_UNKNOWN).wish,
                     PAWL_SCHEDULE_REST);
}

static void what_is_later_than_the_window_is_missed(void **state)
{
    struct pawl_schedule_spec spec = every(MINUTE_MS);
    spec.catch_up_ms = 10 * MINUTE_MS;
    spec.overlap = PAWL_OVERLAP_ALLOW;
    struct pawl_schedule_state schedule = pawl_schedule_begin(&spec, 10);
    (void)state;
    struct pawl_schedule_plan plan = decide(&schedule, HOUR_MS + 1, PAWL_SCHEDULE_UNKNOWN);
    assert_int_equal(plan.wish, PAWL_SCHEDULE_START);
    assert_int_equal(schedule.missed, 50);
    assert_int_equal(schedule.starting.time_ms, 51 * MINUTE_MS);
    assert_int_equal(counted(&schedule), 51);
}

static void years_of_missed_times_take_no_time(void **state)
{
    struct pawl_schedule_spec spec = every(SECOND_MS);
    struct pawl_schedule_state schedule = pawl_schedule_begin(&spec, 10);
    int64_t years_ms = 5 * 365 * 24 * HOUR_MS;
    (void)state;
    struct pawl_schedule_plan plan = decide(&schedule, years_ms, PAWL_SCHEDULE_UNKNOWN);
    assert_int_equal(plan.wish, PAWL_SCHEDULE_START);
    assert_int_equal(schedule.missed, (years_ms - HOUR_MS) / SECOND_MS - 1);

    spec = (struct pawl_schedule_spec){ .cron = PAWL_BYTES_LITERAL("* * * * * *") };
    schedule = pawl_schedule_begin(&spec, 10);
    plan = decide(&schedule, years_ms, PAWL_SCHEDULE_UNKNOWN);
    assert_int_equal(plan.wish, PAWL_SCHEDULE_START);
    assert_int_equal(schedule.missed, PAWL_SCHEDULE_MISSED_STEP);
    assert_int_equal(schedule.starting.time_ms, years_ms - HOUR_MS);
}

static void nothing_is_missed_behind_the_end_time(void **state)
{
    struct pawl_schedule_spec spec = every(MINUTE_MS);
    spec.until_ms = 3 * MINUTE_MS;
    struct pawl_schedule_state schedule = pawl_schedule_begin(&spec, 10);
    (void)state;
    struct pawl_schedule_plan plan = decide(&schedule, 10 * HOUR_MS, PAWL_SCHEDULE_UNKNOWN);
    assert_int_equal(plan.wish, PAWL_SCHEDULE_REST);
    assert_int_equal(plan.next_ms, 0);
    assert_int_equal(schedule.missed, 2);
}

static void a_pause_lets_times_pass_and_a_trigger_does_not_mind_it(void **state)
{
    struct pawl_schedule_spec spec = every(MINUTE_MS);
    struct pawl_schedule_state schedule = pawl_schedule_begin(&spec, 10);
    (void)state;
    assert_true(pawl_schedule_pause(&schedule, PAWL_BYTES_LITERAL("deploy")));
    assert_false(pawl_schedule_pause(&schedule, PAWL_BYTES_LITERAL("again")));
    assert_true(pawl_bytes_is_str(schedule.reason, "deploy"));
    struct pawl_schedule_plan plan = decide(&schedule, 5 * MINUTE_MS, PAWL_SCHEDULE_UNKNOWN);
    assert_int_equal(plan.wish, PAWL_SCHEDULE_REST);
    assert_int_equal(plan.next_ms, 0);

    pawl_schedule_trigger(&schedule, 5 * MINUTE_MS + 7, 0xabcd);
    plan = decide(&schedule, 5 * MINUTE_MS + 7, PAWL_SCHEDULE_UNKNOWN);
    assert_int_equal(plan.wish, PAWL_SCHEDULE_START);
    assert_int_equal(schedule.starting.tag, 0xabcd);
    start(&schedule, 5 * MINUTE_MS + 8);

    assert_true(pawl_schedule_resume(&schedule, 5 * MINUTE_MS + 9));
    assert_false(pawl_schedule_resume(&schedule, 5 * MINUTE_MS + 9));
    plan = decide(&schedule, 5 * MINUTE_MS + 9, PAWL_SCHEDULE_UNKNOWN);
    assert_int_equal(plan.next_ms, 6 * MINUTE_MS);
    assert_int_equal(schedule.started, 1);
    assert_int_equal(schedule.missed, 0);
}

static void too_many_triggers_are_skipped(void **state)
{
    struct pawl_schedule_spec spec = every(HOUR_MS);
    struct pawl_schedule_state schedule = pawl_schedule_begin(&spec, 10);
    (void)state;
    for (uint32_t i = 0; i < PAWL_SCHEDULE_TRIGGERS_MAX + 3; i++)
        pawl_schedule_trigger(&schedule, 20, i);
    assert_int_equal(schedule.triggered_count, PAWL_SCHEDULE_TRIGGERS_MAX);
    assert_int_equal(schedule.skipped, 3);
    assert_true(schedule.triggered[0].tag != 0);
}

static void a_run_that_cannot_start_is_told_and_the_next_one_comes(void **state)
{
    struct pawl_schedule_spec spec = every(MINUTE_MS);
    struct pawl_schedule_state schedule = pawl_schedule_begin(&spec, 10);
    (void)state;
    for (int64_t n = 1; n <= PAWL_SCHEDULE_RECENT_MAX + 2; n++) {
        decide(&schedule, n * MINUTE_MS, PAWL_SCHEDULE_UNKNOWN);
        pawl_schedule_on_started(&schedule, n * MINUTE_MS, PAWL_BYTES_LITERAL("id in use"));
    }
    assert_int_equal(schedule.failed, PAWL_SCHEDULE_RECENT_MAX + 2);
    assert_int_equal(schedule.recent_count, PAWL_SCHEDULE_RECENT_MAX);
    assert_int_equal(schedule.recent[0].run.time_ms, (PAWL_SCHEDULE_RECENT_MAX + 2) * MINUTE_MS);
    assert_int_equal(schedule.recent[0].outcome, PAWL_SCHEDULE_FAILED);
    assert_int_equal(schedule.running.time_ms, 0);
}

static void without_its_zone_nothing_comes_due(void **state)
{
    struct pawl_schedule_spec spec = { .cron = PAWL_BYTES_LITERAL("0 9 * * *"),
                                       .timezone = PAWL_BYTES_LITERAL("Mars/Olympus") };
    struct pawl_schedule_state schedule = pawl_schedule_begin(&spec, 10);
    struct pawl_schedule_plan plan;
    (void)state;
    pawl_schedule_decide(&schedule, NULL, true, 48 * HOUR_MS, PAWL_SCHEDULE_UNKNOWN, &plan);
    assert_int_equal(plan.wish, PAWL_SCHEDULE_REST);
    assert_true(plan.zone_absent);
    assert_int_equal(schedule.last_ms, 10);
}

/* Whatever happens in which order, each time is counted once. */
static void every_time_is_counted_once(void **state)
{
    (void)state;
    for (int policy = PAWL_OVERLAP_SKIP; policy <= PAWL_OVERLAP_TERMINATE; policy++) {
        struct pawl_schedule_spec spec = every(MINUTE_MS);
        spec.overlap = (enum pawl_overlap_policy)policy;
        spec.catch_up_ms = 7 * MINUTE_MS;
        struct pawl_schedule_state schedule = pawl_schedule_begin(&spec, 0);
        uint32_t random = 12345;
        int64_t now_ms = 0;
        for (int i = 0; i < 20000; i++) {
            random = random * 1664525 + 1013904223;
            now_ms += random >> 20 & 1 ? random >> 16 & 0xfff : (random >> 12 & 15) * MINUTE_MS;
            enum pawl_schedule_known known = (enum pawl_schedule_known)((random >> 8) % 3);
            if (schedule.running.time_ms == 0) known = PAWL_SCHEDULE_UNKNOWN;
            struct pawl_schedule_plan plan = decide(&schedule, now_ms, known);
            if (plan.wish == PAWL_SCHEDULE_START) start(&schedule, now_ms);
            assert_int_equal(counted(&schedule), schedule.last_ms / MINUTE_MS);
        }
        assert_true(schedule.started > 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intervals_are_counted_from_1970),
        cmocka_unit_test(cron_lines_use_their_zone),
        cmocka_unit_test(a_run_is_committed_as_starting_before_it_is_wished_for),
        cmocka_unit_test(skip_passes_over_what_comes_due_during_a_run),
        cmocka_unit_test(allow_asks_nobody),
        cmocka_unit_test(buffer_keeps_one_for_the_end_of_the_run),
        cmocka_unit_test(terminate_ends_the_run_before_the_next_begins),
        cmocka_unit_test(what_is_later_than_the_window_is_missed),
        cmocka_unit_test(years_of_missed_times_take_no_time),
        cmocka_unit_test(nothing_is_missed_behind_the_end_time),
        cmocka_unit_test(a_pause_lets_times_pass_and_a_trigger_does_not_mind_it),
        cmocka_unit_test(too_many_triggers_are_skipped),
        cmocka_unit_test(a_run_that_cannot_start_is_told_and_the_next_one_comes),
        cmocka_unit_test(without_its_zone_nothing_comes_due),
        cmocka_unit_test(every_time_is_counted_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
