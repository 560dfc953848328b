/* Schedule plan: what a schedule does next. Pure: state, zone and time in; a changed
 * state and a wish out. actors/schedule.c stores the one and does the other.
 */
#ifndef PAWL_ACTORS_SCHEDULE_PLAN_H
#define PAWL_ACTORS_SCHEDULE_PLAN_H

#include "base/cron.h"
#include "sdk/schedule.h"

/* What is known of state.running at present. */
enum pawl_schedule_known {
    PAWL_SCHEDULE_UNKNOWN = 0,
    PAWL_SCHEDULE_RUNS,
    PAWL_SCHEDULE_ENDED,
};

/* What must be done before anything else can be. */
enum pawl_schedule_wish {
    PAWL_SCHEDULE_REST = 0,  /* nothing before next_ms */
    PAWL_SCHEDULE_START,     /* state.starting */
    PAWL_SCHEDULE_TERMINATE, /* state.running, and then plan again with ENDED */
    PAWL_SCHEDULE_LOOK,      /* does state.running run still? */
    PAWL_SCHEDULE_AWAIT,     /* its end; also wake at next_ms */
};

struct pawl_schedule_plan {
    enum pawl_schedule_wish wish;
    bool changed;     /* the state was */
    bool zone_absent; /* a time zone is named and not there: nothing comes due */
    int64_t next_ms;  /* of the next run; 0: none is to come */
};

/* The first time after `after_ms` that the spec names; 0: none. The spec has passed
 * pawl_schedule_check. */
int64_t pawl_schedule_next_ms(const struct pawl_schedule_spec *spec, const struct pawl_zone *zone,
                              int64_t after_ms);

/* The state of a new schedule, made at `now_ms`. */
struct pawl_schedule_state pawl_schedule_begin(const struct pawl_schedule_spec *spec,
                                               int64_t now_ms);

/* Each changes the state; false: there was nothing to change. */
bool pawl_schedule_pause(struct pawl_schedule_state *state, struct pawl_bytes reason);
bool pawl_schedule_resume(struct pawl_schedule_state *state, int64_t now_ms);
bool pawl_schedule_trigger(struct pawl_schedule_state *state, int64_t now_ms, uint32_t tag);

/* `starting` was started, or never will be: then with the reason. */
void pawl_schedule_on_started(struct pawl_schedule_state *state, int64_t now_ms,
                              struct pawl_bytes why_not);

/* `zone` NULL: UTC, or zone_absent says that the named one is not there. */
void pawl_schedule_decide(struct pawl_schedule_state *state, const struct pawl_zone *zone,
                          bool zone_absent, int64_t now_ms, enum pawl_schedule_known known,
                          struct pawl_schedule_plan *ret_plan);

#endif /* PAWL_ACTORS_SCHEDULE_PLAN_H */
