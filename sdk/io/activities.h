/* Activities: the pool of threads that runs them.
 *
 * The I/O thread hands items in and takes finished ones out; a finished item carries its
 * ACTIVITY_DONE frame, encoded on the pool's thread. An item remembers the connection it
 * came over, because its token means nothing on another one. Heartbeats wait in a list
 * until the I/O thread takes them; an item is in it once, with the newest progress.
 */
#ifndef PAWL_SDK_IO_ACTIVITIES_H
#define PAWL_SDK_IO_ACTIVITIES_H

#include <stdatomic.h>

#include "base/list.h"
#include "pawl/activity.h"
#include "sdk/frames.h"
#include "sdk/pool.h"

struct pawl_activities;

/* One activity under way; what its function sees. */
struct pawl_activity_ctx {
    struct pawl_list link;
    struct pawl_pool pool;
    uint64_t epoch; /* of the connection */
    struct pawl_id token;
    pawl_activity_fn *run;
    void *user;
    struct pawl_bytes instance;
    struct pawl_bytes name;
    struct pawl_bytes input;
    struct pawl_id execution;
    char execution_text[33];
    uint32_t attempt;
    struct pawl_bytes last_progress;
    int64_t heartbeat_ms;
    bool tells_beginning; /* it has a limit that counts from there */
    atomic_bool cancelled;
    /* PAWL_OK, PAWL_E_NOMEM; NULL: nobody takes heartbeats. */
    pawl_err (*beat)(struct pawl_activity_ctx *ctx, struct pawl_bytes progress);
    void *beat_context;
    /* Guarded by the pool's lock. */
    struct pawl_list beat_link;
    int64_t beat_at_ms; /* not before this */
    struct pawl_buf progress;
    bool progress_unsent;
    /* What came of it. */
    struct pawl_bytes output;
    struct pawl_failure_view failure;
    struct pawl_buf frame; /* ACTIVITY_DONE; bad: no memory for it */
};

/* `wake` is called from pool threads when finished items wait. PAWL_E_NOMEM. */
PAWL_MUST_USE pawl_err pawl_activities_new(const struct pawl_allocator *allocator,
                                           uint32_t threads_count, void (*wake)(void *context),
                                           void *context, struct pawl_activities **ret_activities);

/* Drops what has not begun and waits for what has. */
void pawl_activities_free(struct pawl_activities *activities);

/* Copies the item. PAWL_E_NOMEM. */
PAWL_MUST_USE pawl_err pawl_activities_submit(struct pawl_activities *activities,
                                              const struct pawl_activity_item *item, uint64_t epoch,
                                              pawl_activity_fn *run, void *user);

/* Tell an item that nobody waits for it. One that has not begun is finished at once. */
void pawl_activities_cancel(struct pawl_activities *activities, struct pawl_id token,
                            uint64_t epoch);

/* The same for all that have begun. */
void pawl_activities_cancel_all(struct pawl_activities *activities);

/* Append the ACTIVITY_HEARTBEAT frame of the next item that has one to send, and say of
 * which connection. False: none has. */
bool pawl_activities_take_beat(struct pawl_activities *activities, struct pawl_buf *out,
                               uint64_t *ret_epoch);

/* Of a finished item that failed: append a last one if it has progress that was not sent. */
bool pawl_activities_last_beat(struct pawl_activity_ctx *item, struct pawl_buf *out);

/* Drop what has not begun; how many that were. */
uint32_t pawl_activities_drop(struct pawl_activities *activities);

/* One item outside of any pool: made, run on the calling thread, freed. NULL: no memory. */
struct pawl_activity_ctx *pawl_activities_item_new(const struct pawl_allocator *allocator,
                                                   const struct pawl_activity_item *from);
void pawl_activities_item_run(struct pawl_activity_ctx *item);

/* A finished item, to be freed by the caller; NULL: none. */
struct pawl_activity_ctx *pawl_activities_take(struct pawl_activities *activities);
void pawl_activities_item_free(struct pawl_activity_ctx *item);

#endif /* PAWL_SDK_IO_ACTIVITIES_H */
