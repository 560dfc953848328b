/* Activities: the pool of threads that runs them.
 *
 * The I/O thread hands items in and takes finished ones out; a finished item carries its
 * ACTIVITY_DONE frame, encoded on the pool's thread. An item remembers the connection it
 * came over, because its token means nothing on another one.
 */
#ifndef PAWL_SDK_IO_ACTIVITIES_H
#define PAWL_SDK_IO_ACTIVITIES_H

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
