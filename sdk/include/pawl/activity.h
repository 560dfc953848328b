/* Activity: one step that touches the world.
 *
 * An activity runs on a thread of the worker's pool, as ordinary code: it may block,
 * do input and output, and use any library. It runs at least once: after a crash it
 * is run again, so let it be safe to repeat, e.g. by handing pawl_activity_execution
 * to the other side as an idempotency key.
 */
#ifndef PAWL_ACTIVITY_H
#define PAWL_ACTIVITY_H

#include "pawl/value.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pawl_activity_ctx;

/* PAWL_OK: done, with the output given to pawl_activity_return (absent: none). An error:
 * failed, with what pawl_activity_fail said or else the error's name and text. `input`
 * lives until the function returns. */
typedef pawl_err pawl_activity_fn(struct pawl_activity_ctx *ctx, struct pawl_bytes input);

/* Set the output, which is copied. PAWL_OK; PAWL_E_TOO_LARGE (over 4 MB) and
 * PAWL_E_NOMEM change nothing: `return pawl_activity_return(ctx, x);`. */
PAWL_API pawl_err pawl_activity_return(struct pawl_activity_ctx *ctx, struct pawl_bytes output);

/* Set the failure, copied; returns PAWL_E_FAILED. A retry policy may try again. */
PAWL_API pawl_err pawl_activity_fail(struct pawl_activity_ctx *ctx, const char *type,
                                     const char *format, ...) __attribute__((format(printf, 3, 4)));

/* As above with details and non_retriable; `cause` is not sent. Copied. */
PAWL_API pawl_err pawl_activity_fail_with(struct pawl_activity_ctx *ctx,
                                          const struct pawl_failure *failure);

/* Heartbeats ------------------------------------------------------------------ */

/* Say that the activity still runs, and how far it is. To be called often: what is more
 * than four times in heartbeat_ms (or once in 5 s) is not sent, only remembered.
 * `progress` is any payload, copied, at most 64 KB; absent: as before. The next attempt
 * gets the last one that was sent, see pawl_activity_last_progress; before a failure that
 * the function itself returns, the newest one is sent.
 *
 * PAWL_OK; PAWL_E_CANCELLED: nobody waits for the result any more (the workflow has ended
 * or has given the call up, a time limit has passed, the connection is lost): clean up and
 * return, what the function returns is ignored; PAWL_E_TOO_LARGE, PAWL_E_NOMEM: this
 * progress is not kept, and the heartbeat was not sent. On the function's thread only. */
PAWL_API pawl_err pawl_activity_heartbeat(struct pawl_activity_ctx *ctx,
                                          struct pawl_bytes progress);

/* Whether nobody waits for the result any more; no heartbeat. From any thread, until the
 * function returns. */
PAWL_API bool pawl_activity_is_cancelled(const struct pawl_activity_ctx *ctx);

/* What the attempt before this one said last of its progress, also when that was an
 * earlier try of a retry policy; absent: nothing, or it is not known: it is lost when the
 * sidecar that ran the attempt dies. Lives until the function returns. */
PAWL_API struct pawl_bytes pawl_activity_last_progress(const struct pawl_activity_ctx *ctx);

/* Facts ------------------------------------------------------------------------- */

/* These live until the function returns. */
PAWL_API const char *pawl_activity_instance(const struct pawl_activity_ctx *ctx);
PAWL_API const char *pawl_activity_name(const struct pawl_activity_ctx *ctx);

/* 1, 2, …: how often this one schedule was handed to a worker. A retry policy's new
 * try is a new schedule and begins with 1 again. */
PAWL_API uint32_t pawl_activity_attempt(const struct pawl_activity_ctx *ctx);

/* The same for every try of one call, retries included; different for every call. */
PAWL_API struct pawl_id pawl_activity_execution(const struct pawl_activity_ctx *ctx);

/* The same as 32 hex digits. */
PAWL_API const char *pawl_activity_execution_text(const struct pawl_activity_ctx *ctx);

/* The pointer given at registration. */
PAWL_API void *pawl_activity_user(const struct pawl_activity_ctx *ctx);

#ifdef __cplusplus
}
#endif

#endif /* PAWL_ACTIVITY_H */
