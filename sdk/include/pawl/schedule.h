/* Schedules: workflows that are started by the clock (docs/SCHEDULES.md).
 *
 *     struct pawl_schedule daily = { .id = "daily", .workflow = "Report",
 *                                    .cron = "0 9 * * MON-FRI", .timezone = "Europe/Berlin" };
 *     pawl_err err = pawl_client_create_schedule(client, &daily, NULL, NULL);
 *
 * A schedule is durable when create returns, and belongs to the app; it needs no worker to go
 * on. Each run is an instance with the id <schedule's id>-<time>, such as
 * daily-20260821T090000Z. Calls behave as those of pawl/client.h do.
 */
#ifndef PAWL_SCHEDULE_H
#define PAWL_SCHEDULE_H

#include "pawl/client.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What happens when a run comes due while the last one has not ended. */
enum pawl_overlap {
    PAWL_OVERLAP_IS_SKIPPED = 0, /* it is left out */
    PAWL_OVERLAP_IS_ALLOWED,
    PAWL_OVERLAP_IS_BUFFERED, /* it waits for the end; further ones are left out */
    PAWL_OVERLAP_TERMINATES   /* the last one is terminated first */
};

/* Either cron or every_ms must be set; NULL and 0 mean: none, or the default. Times are ms
 * since 1970. */
struct pawl_schedule {
    const char *id;       /* 1 to 200 bytes */
    const char *workflow; /* whose runs are started */
    const char *version;
    struct pawl_bytes input; /* at most 32 KiB */
    const char *cron;        /* "minute hour day month weekday", or with the second first */
    const char *timezone;    /* of cron, e.g. "Europe/Berlin"; NULL: UTC */
    int64_t every_ms;        /* at offset_ms + n * every_ms since 1970; at least 1000 */
    int64_t offset_ms;
    enum pawl_overlap overlap;
    int64_t catch_up_ms; /* a run that is later than this is left out; 0: an hour */
    int64_t from_ms;     /* no run before; 0: none */
    int64_t until_ms;    /* no run at or after; 0: none */
    bool paused;
};

/* What is known of one. */
struct pawl_schedule_info {
    struct pawl_schedule schedule; /* as it was created, but `paused` as it is now */
    const char *reason;            /* of the pause; "": none */
    int64_t next_ms;               /* of the next run; 0: none is to come */
    uint64_t started;
    uint64_t skipped;     /* left out because the last run had not ended */
    uint64_t missed;      /* left out because they were too late */
    uint64_t failed;      /* could not be started, e.g. because their id was in use */
    const char *last_run; /* instance id of the last one that was started or failed; "": none */
    int64_t last_run_ms;  /* its time; 0: none */
};

/* `request_id`: the same twice creates once; NULL: a random one. PAWL_E_EXISTS: to change a
 * schedule, delete it and create it anew. PAWL_E_INVALID: the message names the field and, for
 * a cron line, what is wrong with it. */
PAWL_API pawl_err pawl_client_create_schedule(struct pawl_client *client,
                                              const struct pawl_schedule *schedule,
                                              const char *request_id,
                                              struct pawl_result **ret_result);

/* See pawl_result_schedules. PAWL_E_NOT_FOUND. */
PAWL_API pawl_err pawl_client_get_schedule(struct pawl_client *client, const char *id,
                                           struct pawl_result **ret_result);

/* Newest first; `id_prefix`, `cursor` NULL: any, from the beginning; `limit` 1 to 1000, 0: 50. */
PAWL_API pawl_err pawl_client_list_schedules(struct pawl_client *client, const char *id_prefix,
                                             uint32_t limit, const char *cursor,
                                             struct pawl_result **ret_result);

/* Times that pass during a pause are not made up for. Pausing what is paused, and resuming
 * what is not, changes nothing. `reason` may be NULL. PAWL_E_NOT_FOUND. */
PAWL_API pawl_err pawl_client_pause_schedule(struct pawl_client *client, const char *id,
                                             const char *reason, struct pawl_result **ret_result);
PAWL_API pawl_err pawl_client_resume_schedule(struct pawl_client *client, const char *id,
                                              struct pawl_result **ret_result);

/* Start a run now, also during a pause. The rule for overlapping runs holds for it.
 * `request_id`: the same twice counts once; NULL: a random one. PAWL_E_NOT_FOUND. */
PAWL_API pawl_err pawl_client_trigger_schedule(struct pawl_client *client, const char *id,
                                               const char *request_id,
                                               struct pawl_result **ret_result);

/* Its runs stay. PAWL_E_NOT_FOUND. */
PAWL_API pawl_err pawl_client_delete_schedule(struct pawl_client *client, const char *id,
                                              struct pawl_result **ret_result);

/* Of get and list. They live until pawl_result_free. */
PAWL_API size_t pawl_result_schedules_count(const struct pawl_result *result);
PAWL_API const struct pawl_schedule_info *pawl_result_schedules(const struct pawl_result *result);

#ifdef __cplusplus
}
#endif

#endif /* PAWL_SCHEDULE_H */
