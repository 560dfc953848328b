/* Backends: how the concrete stores are opened. Only sidecar/main.c, tests and
 * benchmarks include this; everybody else sees state/store.h. */
#ifndef PAWL_STATE_IO_BACKENDS_H
#define PAWL_STATE_IO_BACKENDS_H

#include <uv.h>

#include "base/slew.h"
#include "state/store.h"

struct pawl_store_config {
    uv_loop_t *loop;        /* replies arrive on its thread */
    const char *url;        /* mem:// , sqlite:///path , redis://… and its kin: see redis_url.h */
    const char *app;        /* valid app id */
    const char *namespace_; /* valid namespace */
    uint32_t partitions;    /* wanted; an existing state with another number is an error */
    bool read_only;         /* to look at what is there: nothing is created, `partitions` 0
                               takes any number, see pawl_store.partitions; only INSPECT,
                               LOAD and QUERY may be asked */
    const char *synchronous; /* SQLite: "full" (default when NULL), "normal", "off" */
    pawl_store_on_reply *on_reply;
    /* The store became reachable (again) or went away; may be NULL. `why` is for the log.
     * With ready = true again: news of a store that stays usable, such as a part of a
     * cluster that is away. Called on the loop's thread, never from inside open. */
    void (*on_state)(void *context, bool ready, const char *why);
    /* What the store's own clock showed: before on_state says for the first time that it is
     * ready, and about every minute from then on. For a store without a clock of its own, and a
     * Redis that does not tell its time, it never comes. On the loop's thread; may be NULL. */
    void (*on_clock)(void *context, const struct pawl_clock_reading *reading);
    void *context;
};

/* Opening is finished when on_state(ready = true) comes; requests may be submitted
 * before that and wait. What can be known at once (URL, file permissions, another
 * schema version or partition count in SQLite, a file held by another sidecar) is
 * returned here; *ret_message (static or owned by the store library, valid until the
 * next call) says what and where. Redis answers schema problems through on_state with
 * ready = false and PAWL_E_VERSION on every request. */
PAWL_MUST_USE pawl_err pawl_store_open(const struct pawl_store_config *config,
                                       struct pawl_store **ret_store, const char **ret_message);

/* The three backends behind it; same contract. */
PAWL_MUST_USE pawl_err pawl_store_mem_open(const struct pawl_store_config *config,
                                           struct pawl_store **ret_store, const char **ret_message);
PAWL_MUST_USE pawl_err pawl_store_sqlite_open(const struct pawl_store_config *config,
                                              struct pawl_store **ret_store,
                                              const char **ret_message);
PAWL_MUST_USE pawl_err pawl_store_redis_open(const struct pawl_store_config *config,
                                             struct pawl_store **ret_store,
                                             const char **ret_message);

#endif /* PAWL_STATE_IO_BACKENDS_H */
