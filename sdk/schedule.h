/* Schedule: what a schedule says, what is known of it, and the bytes of both.
 *
 * A schedule is an instance of a workflow that the engine runs itself, named
 * PAWL_SCHEDULE_NAME, whose id is PAWL_SCHEDULE_PREFIX and the schedule's id. So the calls
 * for schedules are calls for instances:
 *
 *   create             START with the encoded spec as input
 *   get, list          GET, LIST by the name; the state is the custom status
 *   pause, resume,     RAISE of an event with this name; the payload is a reason, which
 *   trigger            trigger does not need
 *   delete             PURGE by force
 *
 * This is the contract between the engine (actors/schedule.c), the SDK and the HTTP API.
 */
#ifndef PAWL_SDK_SCHEDULE_H
#define PAWL_SDK_SCHEDULE_H

#include "base/arena.h"
#include "base/limits.h"
#include "pawl/err.h"

#define PAWL_SCHEDULE_NAME   "pawl.Schedule"
#define PAWL_SCHEDULE_PREFIX "pawl.schedule:"

#define PAWL_SCHEDULE_PAUSE   "pause"
#define PAWL_SCHEDULE_RESUME  "resume"
#define PAWL_SCHEDULE_TRIGGER "trigger"

/* What happens when a run comes due while the last one has not ended. */
#define PAWL_OVERLAP_MAP(X)                                                            \
    X(SKIP, 0, "skip")                                                                 \
    X(ALLOW, 1, "allow")                                                               \
    X(BUFFER_ONE, 2, "buffer")   /* one waits for the end; further ones are skipped */ \
    X(TERMINATE, 3, "terminate") /* the one that runs, and then the next begins */

enum pawl_overlap_policy {
#define X(name, value, text) PAWL_OVERLAP_##name = (value),
    PAWL_OVERLAP_MAP(X)
#undef X
};

const char *pawl_overlap_name(int policy); /* NULL: no such policy */
PAWL_MUST_USE bool pawl_overlap_parse(struct pawl_bytes text, enum pawl_overlap_policy *ret_policy);

/* Either cron or every_ms. Times are ms since 1970. */
struct pawl_schedule_spec {
    struct pawl_bytes workflow;
    struct pawl_bytes version; /* absent: none */
    struct pawl_bytes input;
    struct pawl_bytes cron;     /* base/cron.h; absent: every_ms counts */
    struct pawl_bytes timezone; /* of the cron line; absent: UTC */
    int64_t every_ms;           /* runs at offset_ms + n * every_ms since 1970 */
    int64_t offset_ms;          /* less than every_ms */
    enum pawl_overlap_policy overlap;
    int64_t catch_up_ms; /* a run that is later than this is missed; 0: the default */
    int64_t from_ms;     /* no run before; 0: none */
    int64_t until_ms;    /* no run at or after; 0: none */
    bool paused;         /* to begin with */
};

/* INVALID or TOO_LARGE with a text that names the field, as in HTTP, and what is wrong. */
PAWL_MUST_USE pawl_err pawl_schedule_check(const struct pawl_schedule_spec *spec,
                                           struct pawl_arena *arena,
                                           struct pawl_bytes *ret_message);

struct pawl_bytes pawl_schedule_spec_pack(struct pawl_arena *arena,
                                          const struct pawl_schedule_spec *spec);
PAWL_MUST_USE pawl_err pawl_schedule_spec_unpack(struct pawl_bytes bytes,
                                                 struct pawl_schedule_spec *ret_spec);

/* One run: by its time, or triggered. */
struct pawl_schedule_run {
    int64_t time_ms; /* 0: no run. The nominal time; of a triggered one when that was taken */
    uint32_t tag;    /* of a triggered one: not 0, tells it from others */
};

enum pawl_schedule_outcome {
    PAWL_SCHEDULE_STARTED = 1,
    PAWL_SCHEDULE_FAILED, /* it could not be started; the text says why */
};

struct pawl_schedule_recent {
    struct pawl_schedule_run run;
    int64_t at_ms; /* when it was started */
    enum pawl_schedule_outcome outcome;
    struct pawl_bytes message; /* FAILED */
};

/* Each run that came due or was triggered is counted once, at its end: started, skipped
 * (overlap), missed (late by more than the catch-up window) or failed. Until then it is
 * `starting`, `buffered` or one of the triggered. */
struct pawl_schedule_state {
    struct pawl_schedule_spec spec;
    bool paused;
    struct pawl_bytes reason; /* of the pause; absent: none */
    int64_t last_ms;          /* all times up to this one have come due */
    int64_t next_ms;          /* for a person: the next run; 0: none is to come */
    uint64_t started, skipped, missed, failed;
    bool terminates; /* first end `running`, then start `starting` */
    struct pawl_schedule_run starting;
    struct pawl_schedule_run buffered;
    struct pawl_schedule_run running; /* the last one that was started, if it may run still.
                                         Not kept for ALLOW */
    uint32_t triggered_count;
    struct pawl_schedule_run triggered[PAWL_SCHEDULE_TRIGGERS_MAX];
    uint32_t recent_count; /* newest first */
    struct pawl_schedule_recent recent[PAWL_SCHEDULE_RECENT_MAX];
};

struct pawl_bytes pawl_schedule_state_pack(struct pawl_arena *arena,
                                           const struct pawl_schedule_state *state);

/* Views point into `bytes`. */
PAWL_MUST_USE pawl_err pawl_schedule_state_unpack(struct pawl_bytes bytes,
                                                  struct pawl_schedule_state *ret_state);

/* The id of the instance that a schedule is. */
struct pawl_bytes pawl_schedule_instance(struct pawl_arena *arena, struct pawl_bytes id);

/* The schedule's id in that; absent when it is not a schedule's. */
struct pawl_bytes pawl_schedule_id(struct pawl_bytes instance);

/* The id of the instance that a run is: daily-20260821T090000Z, and for a triggered one
 * also its tag. */
struct pawl_bytes pawl_schedule_run_instance(struct pawl_arena *arena, struct pawl_bytes id,
                                             struct pawl_schedule_run run);

#endif /* PAWL_SDK_SCHEDULE_H */
