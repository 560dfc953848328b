/* Workflow: what a workflow function may do.
 *
 *     static pawl_err greet(struct pawl_workflow_ctx *ctx, struct pawl_bytes name)
 *     {
 *         struct pawl_bytes text;
 *         pawl_err err = pawl_call_activity(ctx, "compose", name, NULL, &text);
 *         if (err) return err;                      // fails the workflow with the cause
 *         err = pawl_sleep(ctx, 60 * 1000);         // survives crashes and restarts
 *         if (err) return err;
 *         return pawl_return(ctx, text);
 *     }
 *
 * The function runs on its own small stack (64 KB unless configured). Where it
 * waits, it leaves the thread; when the result is there it goes on, in the same
 * process or, rebuilt from its history, in another one. So it must be
 * deterministic: same input and same results, same calls in the same order.
 *
 *   do      keep state in local variables and in pawl_alloc memory; use
 *           pawl_now_ms and pawl_uuid; put everything that touches the world
 *           into activities; give pawl_defer what must be undone
 *   do not  read the clock, random numbers, files, the environment or changing
 *           globals; start threads; block; hold a lock, an open file or malloc
 *           memory across a wait; longjmp out
 *
 * Every function here must be called from inside the workflow function (or a
 * helper that it calls), on the thread that runs it, with its own ctx.
 *
 * Ownership. Inputs are copied before a function returns. What the functions
 * return (payloads, tasks, failures, texts) belongs to the instance and lives
 * until the function returns or continues as new.
 *
 * Errors. PAWL_E_FAILED: an activity or child failed, see pawl_last_failure;
 * PAWL_E_TIMEOUT: no event came in time; PAWL_E_CANCELLED: the task was given up;
 * PAWL_E_INVALID, PAWL_E_TOO_LARGE: a bad argument, nothing was done. Out of
 * memory is never seen here: the turn is given up as a whole and tried again.
 * Times are milliseconds, absolute ones since 1970-01-01 UTC.
 */
#ifndef PAWL_WORKFLOW_H
#define PAWL_WORKFLOW_H

#include "pawl/value.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pawl_workflow_ctx;
struct pawl_task;

/* Returning PAWL_OK completes the workflow with the output given to pawl_return
 * (absent: none). Returning an error fails it: with the failure given to pawl_fail;
 * or else with the last failure met; or else with the error's name and text. */
typedef pawl_err pawl_workflow_fn(struct pawl_workflow_ctx *ctx, struct pawl_bytes input);

/* Try again when a call fails. Zero means the default. The same input is used
 * each time; each wait is a durable timer. */
struct pawl_retry {
    uint32_t attempts_max;      /* calls in all, the first included; default 1 */
    int64_t first_interval_ms;  /* before the second call; default 1000 */
    double backoff_coefficient; /* each interval is so much longer; default 1.0 */
    int64_t interval_ms_max;    /* an interval is never longer; default: no bound */
    int64_t timeout_ms;         /* no new call later than this after the first; default: no bound */
    /* Asked before each new call; false ends the retries. Must be deterministic and
     * must not call any function of this file. NULL: yes, unless non_retriable. */
    bool (*should_retry)(void *context, const struct pawl_failure *failure, uint32_t attempts);
    void *context; /* must live as long as the instance; given to should_retry */
};

struct pawl_call_options {
    const struct pawl_retry *retry; /* copied; NULL: no retries */
    const char *app_id;             /* the app that runs it, of the same namespace; NULL: this one.
                                       It need not be there yet: the call waits */
    const char *version;            /* NULL: none asked for */
    const char *instance_id;        /* child only; NULL: "<parent>.<generation>.<number>" */
    int64_t schedule_to_start_ms;   /* not begun so long after this: it fails with the type
                                       ScheduleToStartTimeout; 0: it waits as long as it takes */
    /* Activity only. Each attempt on its own; a retry policy tries again after either. */
    int64_t start_to_close_ms; /* not done so long after its function began: it fails with the
                                  type StartToCloseTimeout; 0: no limit */
    int64_t heartbeat_ms;      /* no pawl_activity_heartbeat for so long: it fails with the type
                                  HeartbeatTimeout; 0: no limit */
    /* Child only. Terminating the parent recursively ends it whatever this says. A retry has
     * the same. */
    enum pawl_parent_close_policy parent_close;
};

/* Calls that wait ------------------------------------------------------------- */

/* Run an activity and wait for its output. `options` and `ret_output` may be NULL;
 * *ret_output is set on PAWL_OK only. */
PAWL_API PAWL_MUST_USE pawl_err pawl_call_activity(struct pawl_workflow_ctx *ctx, const char *name,
                                                   struct pawl_bytes input,
                                                   const struct pawl_call_options *options,
                                                   struct pawl_bytes *ret_output);

/* Start a child workflow and wait for its output. A child that is terminated counts
 * as failed. As above otherwise. */
PAWL_API PAWL_MUST_USE pawl_err pawl_call_child_workflow(struct pawl_workflow_ctx *ctx,
                                                         const char *name, struct pawl_bytes input,
                                                         const struct pawl_call_options *options,
                                                         struct pawl_bytes *ret_output);

/* Wait at least so long; 0 and less still makes one turn. */
PAWL_API PAWL_MUST_USE pawl_err pawl_sleep(struct pawl_workflow_ctx *ctx, int64_t delay_ms);

/* Wait until then. */
PAWL_API PAWL_MUST_USE pawl_err pawl_sleep_until(struct pawl_workflow_ctx *ctx, int64_t at_ms);

#define PAWL_FOREVER INT64_C(-1)

/* Wait for an external event of this name (ASCII case does not matter). Events that
 * came before are kept and handed out first, in order. PAWL_E_TIMEOUT when none came
 * in `timeout_ms`; 0: only what is already here; PAWL_FOREVER: no limit. The ret may
 * be NULL. */
PAWL_API PAWL_MUST_USE pawl_err pawl_wait_for_event(struct pawl_workflow_ctx *ctx, const char *name,
                                                    int64_t timeout_ms,
                                                    struct pawl_bytes *ret_payload);

/* Tasks: start now, wait later ------------------------------------------------ */

/* These return at once and never NULL. A bad argument gives a task that has already
 * failed with PAWL_E_INVALID or PAWL_E_TOO_LARGE. What is started runs even if nobody
 * waits for it. */
PAWL_API struct pawl_task *pawl_schedule_activity(struct pawl_workflow_ctx *ctx, const char *name,
                                                  struct pawl_bytes input,
                                                  const struct pawl_call_options *options);
PAWL_API struct pawl_task *pawl_schedule_child_workflow(struct pawl_workflow_ctx *ctx,
                                                        const char *name, struct pawl_bytes input,
                                                        const struct pawl_call_options *options);
PAWL_API struct pawl_task *pawl_create_timer(struct pawl_workflow_ctx *ctx, int64_t delay_ms);
PAWL_API struct pawl_task *pawl_create_timer_at(struct pawl_workflow_ctx *ctx, int64_t at_ms);
PAWL_API struct pawl_task *pawl_expect_event(struct pawl_workflow_ctx *ctx, const char *name,
                                             int64_t timeout_ms);

/* Wait for one task and return its error. `ret_output` may be NULL and is set on
 * PAWL_OK only. Waiting again gives the same answer at once. */
PAWL_API PAWL_MUST_USE pawl_err pawl_await(struct pawl_workflow_ctx *ctx, struct pawl_task *task,
                                           struct pawl_bytes *ret_output);

/* Wait until every task has ended, well or badly. PAWL_OK when all went well, else
 * the error of the first in the array that did not; pawl_last_failure is its
 * failure. Nothing to wait for is PAWL_OK. */
PAWL_API PAWL_MUST_USE pawl_err pawl_when_all(struct pawl_workflow_ctx *ctx,
                                              struct pawl_task *const *tasks, size_t count);

/* Wait until one task has ended, well or badly; *ret_index says which. Of several,
 * the one that ended first. The others go on. The return value only says whether the
 * wait worked (PAWL_E_INVALID: no tasks); ask pawl_task_error for the task's end. */
PAWL_API PAWL_MUST_USE pawl_err pawl_when_any(struct pawl_workflow_ctx *ctx,
                                              struct pawl_task *const *tasks, size_t count,
                                              size_t *ret_index);

PAWL_API bool pawl_task_is_done(const struct pawl_task *task);

/* PAWL_OK, the error it ended with, or PAWL_E_STATE while it has not ended. */
PAWL_API pawl_err pawl_task_error(const struct pawl_task *task);

/* The output or event payload; absent unless it ended with PAWL_OK. */
PAWL_API struct pawl_bytes pawl_task_output(const struct pawl_task *task);

/* NULL unless pawl_task_error is PAWL_E_FAILED. */
PAWL_API const struct pawl_failure *pawl_task_failure(const struct pawl_task *task);

/* The instance id of a child that was started; "" for any other task. */
PAWL_API const char *pawl_task_child_id(const struct pawl_task *task);

/* Give up a timer, an event wait or an activity: it ends with PAWL_E_CANCELLED at once. An
 * activity that is running is told (see pawl_activity_heartbeat), and may go on all the
 * same; what it returns is ignored, and no retry follows. No effect on a task that has
 * ended. Children cannot be given up: PAWL_E_STATE. */
PAWL_API pawl_err pawl_task_cancel(struct pawl_workflow_ctx *ctx, struct pawl_task *task);

/* Ending --------------------------------------------------------------------- */

/* Set the output; returns PAWL_OK so that it reads `return pawl_return(ctx, x);`. */
PAWL_API pawl_err pawl_return(struct pawl_workflow_ctx *ctx, struct pawl_bytes output);

/* Set the failure; returns PAWL_E_FAILED. The last failure met becomes its cause. */
PAWL_API pawl_err pawl_fail(struct pawl_workflow_ctx *ctx, const char *type, const char *format,
                            ...) __attribute__((format(printf, 3, 4)));

/* As pawl_fail with all fields chosen, `cause` included. Copied. */
PAWL_API pawl_err pawl_fail_with(struct pawl_workflow_ctx *ctx, const struct pawl_failure *failure);

/* The failure of the last wait that returned PAWL_E_FAILED; NULL before. */
PAWL_API const struct pawl_failure *pawl_last_failure(const struct pawl_workflow_ctx *ctx);

/* End this generation and begin the next with an empty history and a new input:
 * `return pawl_continue_as_new(ctx, input);`. Events that nobody has waited for yet
 * come along. What is still running is forgotten. Returns PAWL_OK. */
PAWL_API pawl_err pawl_continue_as_new(struct pawl_workflow_ctx *ctx, struct pawl_bytes input);

/* As above, but without the events. */
PAWL_API pawl_err pawl_continue_as_new_without_events(struct pawl_workflow_ctx *ctx,
                                                      struct pawl_bytes input);

/* Telling others --------------------------------------------------------------- */

/* Shown by queries from the end of this turn on; at most 64 KB. Absent: cleared. */
PAWL_API pawl_err pawl_set_custom_status(struct pawl_workflow_ctx *ctx, struct pawl_bytes status);

/* Raise an event in another instance. Does not wait; an instance that is not there is
 * no error. */
PAWL_API pawl_err pawl_send_event(struct pawl_workflow_ctx *ctx, const char *instance_id,
                                  const char *name, struct pawl_bytes payload);

/* The same, to an instance of another app of the namespace. NULL: this app. */
PAWL_API pawl_err pawl_send_event_to_app(struct pawl_workflow_ctx *ctx, const char *app_id,
                                         const char *instance_id, const char *name,
                                         struct pawl_bytes payload);

/* How a detached workflow is started. Zero and NULL mean the default. */
struct pawl_detached_options {
    const char *instance_id; /* NULL: "<caller>.<generation>.<number>" */
    const char *app_id;      /* the app it belongs to, of the same namespace; NULL: this one. It
                                need not be there yet: the start waits */
    const char *version;     /* NULL: none asked for */
    int64_t start_at_ms;     /* its first turn is not before; 0: at once */
    size_t tags_count;       /* what it is found by, as with pawl_client_start */
    const struct pawl_instance_tag *tags;
};

/* Start a workflow that has no parent: it is started once, when this turn is stored, and
 * nobody waits for it. Its end is told to nobody, and terminating or purging this instance
 * leaves it alone. When an instance that has not ended has the id, none is started, and the
 * sidecar's log says so; one that has ended is replaced. `options` and `ret_instance_id`
 * may be NULL; the id lives as long as the instance. PAWL_E_INVALID, PAWL_E_TOO_LARGE. */
PAWL_API pawl_err pawl_start_detached_workflow(struct pawl_workflow_ctx *ctx, const char *name,
                                               struct pawl_bytes input,
                                               const struct pawl_detached_options *options,
                                               const char **ret_instance_id);

/* A log line, not repeated when the code is replayed. */
PAWL_API void pawl_log_message(struct pawl_workflow_ctx *ctx, enum pawl_level level,
                               const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Changing code ------------------------------------------------------------------- */

/* True for instances that come here for the first time with code that has this question,
 * false for those that passed here before: so a change goes into `if (pawl_patched(...))`,
 * and what was there before into `else`. The answer is recorded, and stays the same for the
 * whole generation. `name` is 1 to 256 bytes without control characters. */
PAWL_API bool pawl_patched(struct pawl_workflow_ctx *ctx, const char *name);

/* Facts ------------------------------------------------------------------------- */

PAWL_API const char *pawl_instance_id(const struct pawl_workflow_ctx *ctx);
PAWL_API const char *pawl_workflow_name(const struct pawl_workflow_ctx *ctx);
PAWL_API const char *pawl_workflow_version(const struct pawl_workflow_ctx *ctx); /* of the code
                                                                                    that runs; "":
                                                                                    none */
PAWL_API const char *pawl_parent_id(const struct pawl_workflow_ctx *ctx);        /* "": none */

/* 1 in the first generation, one more with each continue-as-new. */
PAWL_API uint32_t pawl_generation(const struct pawl_workflow_ctx *ctx);

/* When this turn began. The same in every replay; stands still within a turn. */
PAWL_API int64_t pawl_now_ms(const struct pawl_workflow_ctx *ctx);

/* True while the code repeats what it did in an earlier turn. For diagnosis: code
 * that branches on it is not deterministic. */
PAWL_API bool pawl_is_replaying(const struct pawl_workflow_ctx *ctx);

/* A new unique id, the same in every replay. */
PAWL_API struct pawl_id pawl_uuid(struct pawl_workflow_ctx *ctx);

/* The same as text, 36 characters. */
PAWL_API const char *pawl_uuid_text(struct pawl_workflow_ctx *ctx);

/* The pointer given at registration. */
PAWL_API void *pawl_workflow_user(const struct pawl_workflow_ctx *ctx);

/* Memory -------------------------------------------------------------------------- */

/* Zeroed memory of the instance, aligned for any type; never NULL, freed with it. */
PAWL_API void *pawl_alloc(struct pawl_workflow_ctx *ctx, size_t size);

/* A formatted text in such memory. */
PAWL_API char *pawl_format(struct pawl_workflow_ctx *ctx, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Call `cleanup(argument)` when the instance leaves this process: at its end, or when
 * it is dropped from the cache in the middle (a replay then runs the code again). Last
 * given, first called; not on the workflow's stack, no function of this file allowed. */
PAWL_API void pawl_defer(struct pawl_workflow_ctx *ctx, void (*cleanup)(void *argument),
                         void *argument);

#ifdef __cplusplus
}
#endif

#endif /* PAWL_WORKFLOW_H */
