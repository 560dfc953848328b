#include "actors/schedule_plan.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/civil.h"

/* 9999-12-31: what lies behind cannot be shown. */
#define TIME_MS_MAX INT64_C(253402300799999)

static const struct pawl_schedule_run no_run = { .time_ms = 0 };

static bool run_is_none(struct pawl_schedule_run run)
{
    return run.time_ms == 0;
}

/* Times -------------------------------------------------------------------------------------- */

static int64_t spec_next_interval_ms(const struct pawl_schedule_spec *spec, int64_t after_ms)
{
    int64_t count = pawl_floor_div(after_ms - spec->offset_ms, spec->every_ms) + 1;
    if (count > TIME_MS_MAX / spec->every_ms) return 0;
    return spec->offset_ms + count * spec->every_ms;
}

int64_t pawl_schedule_next_ms(const struct pawl_schedule_spec *spec, const struct pawl_zone *zone,
                              int64_t after_ms)
{
    int64_t next_ms = 0;
    if (after_ms < spec->from_ms - 1) after_ms = spec->from_ms - 1;
    if (after_ms >= TIME_MS_MAX) return 0;
    if (spec->every_ms) {
        next_ms = spec_next_interval_ms(spec, after_ms);
    } else {
        struct pawl_arena arena;
        struct pawl_cron cron;
        struct pawl_bytes why;
        pawl_arena_init(&arena);
        bool is_good = pawl_cron_parse(spec->cron, &arena, &cron, &why);
        PAWL_ASSERT(is_good); /* the spec was checked */
        int64_t next_s = pawl_cron_next(&cron, zone, pawl_floor_div(after_ms, 1000));
        next_ms = next_s == PAWL_CRON_NEVER ? 0 : next_s * 1000;
        pawl_arena_deinit(&arena);
    }
    if (next_ms > TIME_MS_MAX || next_ms <= 0) return 0;
    return spec->until_ms && next_ms >= spec->until_ms ? 0 : next_ms;
}

static int64_t spec_catch_up_ms(const struct pawl_schedule_spec *spec)
{
    return spec->catch_up_ms ? spec->catch_up_ms : (int64_t)PAWL_SCHEDULE_CATCH_UP_MS;
}

/* Pass over all times before one, and count them: of an interval at once, of a cron line
 * one by one, up to a bound. */
static void state_pass(struct pawl_schedule_state *state, const struct pawl_zone *zone,
                       int64_t before_ms, uint64_t *counter)
{
    const struct pawl_schedule_spec *spec = &state->spec;
    if (spec->until_ms && before_ms > spec->until_ms) before_ms = spec->until_ms;
    if (spec->every_ms) {
        int64_t first_ms = pawl_schedule_next_ms(spec, zone, state->last_ms);
        int64_t more = (before_ms - 1 - first_ms) / spec->every_ms;
        *counter += (uint64_t)more + 1;
        state->last_ms = first_ms + more * spec->every_ms;
        return;
    }
    for (uint32_t i = 0; i < PAWL_SCHEDULE_MISSED_STEP; i++) {
        int64_t next_ms = pawl_schedule_next_ms(spec, zone, state->last_ms);
        if (next_ms == 0 || next_ms >= before_ms) return;
        *counter += 1;
        state->last_ms = next_ms;
    }
    state->last_ms = before_ms - 1;
}

/* Life ---------------------------------------------------------------------------------------- */

struct pawl_schedule_state pawl_schedule_begin(const struct pawl_schedule_spec *spec,
                                               int64_t now_ms)
{
    return (struct pawl_schedule_state){ .spec = *spec, .paused = spec->paused, .last_ms = now_ms };
}

bool pawl_schedule_pause(struct pawl_schedule_state *state, struct pawl_bytes reason)
{
    if (state->paused) return false;
    state->paused = true;
    state->reason = reason.size ? reason : PAWL_BYTES_ABSENT;
    return true;
}

/* What came due during the pause is not made up for. */
bool pawl_schedule_resume(struct pawl_schedule_state *state, int64_t now_ms)
{
    if (!state->paused) return false;
    state->paused = false;
    state->reason = PAWL_BYTES_ABSENT;
    if (state->last_ms < now_ms) state->last_ms = now_ms;
    return true;
}

bool pawl_schedule_trigger(struct pawl_schedule_state *state, int64_t now_ms, uint32_t tag)
{
    if (state->triggered_count == PAWL_SCHEDULE_TRIGGERS_MAX) {
        state->skipped++;
        return true;
    }
    state->triggered[state->triggered_count++] =
        (struct pawl_schedule_run){ .time_ms = now_ms, .tag = tag ? tag : 1 };
    return true;
}

void pawl_schedule_on_started(struct pawl_schedule_state *state, int64_t now_ms,
                              struct pawl_bytes why_not)
{
    PAWL_ASSERT(!run_is_none(state->starting));
    bool is_started = pawl_bytes_is_absent(why_not);
    uint32_t kept = state->recent_count;
    if (kept == PAWL_SCHEDULE_RECENT_MAX) kept--;
    memmove(&state->recent[1], &state->recent[0], kept * sizeof state->recent[0]);
    state->recent_count = kept + 1;
    state->recent[0] = (struct pawl_schedule_recent){
        .run = state->starting,
        .at_ms = now_ms,
        .outcome = is_started ? PAWL_SCHEDULE_STARTED : PAWL_SCHEDULE_FAILED,
        .message = why_not,
    };
    if (is_started) {
        state->started++;
        if (state->spec.overlap != PAWL_OVERLAP_ALLOW) state->running = state->starting;
    } else {
        state->failed++;
    }
    state->starting = no_run;
}

/* Decide -------------------------------------------------------------------------------------- */

/* The run that must be decided upon now, if any. */
static struct pawl_schedule_run state_due(const struct pawl_schedule_state *state,
                                          const struct pawl_schedule_plan *plan, int64_t now_ms)
{
    if (state->triggered_count) return state->triggered[0];
    if (plan->next_ms == 0 || plan->next_ms > now_ms) return no_run;
    return (struct pawl_schedule_run){ .time_ms = plan->next_ms };
}

static void state_take(struct pawl_schedule_state *state, struct pawl_schedule_run run)
{
    if (!run.tag) {
        state->last_ms = run.time_ms;
        return;
    }
    state->triggered_count--;
    memmove(&state->triggered[0], &state->triggered[1],
            state->triggered_count * sizeof state->triggered[0]);
}

/* The last run has not ended, and `run` is due. */
static void state_overlap(struct pawl_schedule_state *state, const struct pawl_zone *zone,
                          struct pawl_schedule_run run, int64_t now_ms)
{
    bool is_room = run_is_none(state->buffered);
    if (state->spec.overlap == PAWL_OVERLAP_TERMINATE) {
        state_take(state, run);
        state->starting = run;
        state->terminates = true;
    } else if (state->spec.overlap == PAWL_OVERLAP_BUFFER_ONE && is_room) {
        state_take(state, run);
        state->buffered = run;
    } else if (run.tag) {
        state_take(state, run);
        state->skipped++;
    } else {
        state_pass(state, zone, now_ms + 1, &state->skipped);
    }
}

static void plan_next(const struct pawl_schedule_state *state, const struct pawl_zone *zone,
                      struct pawl_schedule_plan *plan)
{
    bool is_still = state->paused || plan->zone_absent;
    plan->next_ms = is_still ? 0 : pawl_schedule_next_ms(&state->spec, zone, state->last_ms);
}

/* One step; true: there may be another one. */
static bool decide_step(struct pawl_schedule_state *state, const struct pawl_zone *zone,
                        int64_t now_ms, enum pawl_schedule_known *known,
                        struct pawl_schedule_plan *plan)
{
    if (!run_is_none(state->running) && *known == PAWL_SCHEDULE_ENDED) {
        state->running = no_run;
        state->terminates = false;
        return true;
    }
    if (!run_is_none(state->starting)) {
        plan->wish = state->terminates ? PAWL_SCHEDULE_TERMINATE : PAWL_SCHEDULE_START;
        return false;
    }
    if (!run_is_none(state->buffered) && run_is_none(state->running)) {
        state->starting = state->buffered;
        state->buffered = no_run;
        return true;
    }
    struct pawl_schedule_run run = state_due(state, plan, now_ms);
    if (run_is_none(run)) {
        plan->wish = run_is_none(state->buffered) ? PAWL_SCHEDULE_REST : PAWL_SCHEDULE_AWAIT;
        return false;
    }
    int64_t late_ms = now_ms - spec_catch_up_ms(&state->spec);
    if (!run.tag && run.time_ms < late_ms) {
        state_pass(state, zone, late_ms, &state->missed);
        return true;
    }
    if (run_is_none(state->running)) {
        state_take(state, run);
        state->starting = run;
        return true;
    }
    if (*known == PAWL_SCHEDULE_UNKNOWN) {
        plan->wish = PAWL_SCHEDULE_LOOK;
        return false;
    }
    state_overlap(state, zone, run, now_ms);
    return true;
}

void pawl_schedule_decide(struct pawl_schedule_state *state, const struct pawl_zone *zone,
                          bool zone_absent, int64_t now_ms, enum pawl_schedule_known known,
                          struct pawl_schedule_plan *ret_plan)
{
    struct pawl_schedule_plan plan = { .zone_absent = zone_absent };
    plan_next(state, zone, &plan);
    while (decide_step(state, zone, now_ms, &known, &plan)) {
        plan.changed = true;
        plan_next(state, zone, &plan);
    }
    if (state->next_ms != plan.next_ms) plan.changed = true;
    state->next_ms = plan.next_ms;
    *ret_plan = plan;
}
