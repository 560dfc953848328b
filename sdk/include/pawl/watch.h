/* Watch: be told of what happens to workflows (docs/EVENTS.md).
 *
 *     static bool on_event(void *context, const struct pawl_watch_event *event)
 *     {
 *         if (event->kind == PAWL_WATCH_CHANGE)
 *             printf("%s is %s\n", event->id, pawl_status_text(event->status));
 *         return true;
 *     }
 *
 *     struct pawl_watch *watch;
 *     struct pawl_watch_options options = { .name = "Order", .on_event = on_event };
 *     pawl_err err = pawl_client_watch(client, &options, &watch, NULL);
 *     ...
 *     pawl_watch_free(watch);
 *
 * A lost connection is made again and the watch goes on behind what it has told, at whichever
 * sidecar the client reaches. Nothing is missed; what was told may come again, with
 * the same key. Events of one instance come in their order.
 *
 * Threads. Each watch has a thread of its own, which calls `on_event`, one event at a time. It
 * may take its time, and may make calls with the client; the next events wait in the store.
 */
#ifndef PAWL_WATCH_H
#define PAWL_WATCH_H

#include "pawl/client.h"
#include "pawl/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pawl_watch;

enum pawl_watch_kind {
    PAWL_WATCH_CHANGE = 1, /* something has happened to an instance */
    PAWL_WATCH_STATE,      /* of one instance: `instance` is how it is at the beginning of a watch
                              without a position, and behind a gap */
    PAWL_WATCH_ABSENT,     /* the same, when it is not there */
    PAWL_WATCH_GAP,        /* events behind the position are no longer kept: read the state of what
                              you follow. Of one instance its state comes next */
    PAWL_WATCH_IDLE,       /* nothing has happened for 15 s; `position` has moved on */
    PAWL_WATCH_END         /* the watch ends for what no repetition mends: `err`, `message` */
};

/* Lives until the callback returns. Strings are never NULL. */
struct pawl_watch_event {
    enum pawl_watch_kind kind;
    /* For pawl_watch_options: a later watch from here misses nothing behind this event. Events
     * come in bundles, and inside of one it stands before the bundle. "": the watch has none
     * yet, begin without. */
    const char *position;
    /* Of a change: */
    const char *key;         /* the same whenever and wherever the event is told */
    const char *id;          /* the instance; of STATE and ABSENT, too */
    const char *name;        /* of the workflow */
    int64_t time_ms;         /* since 1970 */
    uint32_t what;           /* bits of enum pawl_change_what */
    enum pawl_status status; /* afterwards */
    uint32_t generation;
    const char *incarnation;         /* another one: the id was used again */
    struct pawl_bytes custom_status; /* with PAWL_CHANGE_CUSTOM_STATUS; absent: removed, or with
                                        PAWL_CHANGE_CUSTOM_OMITTED too large to be told */
    const struct pawl_instance *instance; /* STATE, without payloads; else NULL */
    pawl_err err;                         /* END; else PAWL_OK */
    const char *message;                  /* END */
};

/* False: no more events. The watch must still be freed, but not by this function. */
typedef bool pawl_watch_fn(void *context, const struct pawl_watch_event *event);

/* NULL and 0: all. Strings are copied. */
struct pawl_watch_options {
    const char *id;       /* one instance, which need not be there yet */
    const char *name;     /* instances of this workflow */
    uint32_t status_mask; /* bits 1 << status: only events after which it is one of these */
    const char *position; /* of an earlier event; NULL or "": from now on */
    pawl_watch_fn *on_event;
    void *context;
};

/* When it returns the watch has begun: what happens from now on is told, even if `on_event` has
 * not been called yet. PAWL_E_INVALID: an argument, or the position is none of such a watch;
 * PAWL_E_BUSY: the sidecar has too many. On errors there is no watch. */
PAWL_API PAWL_MUST_USE pawl_err pawl_client_watch(struct pawl_client *client,
                                                  const struct pawl_watch_options *options,
                                                  struct pawl_watch **ret_watch,
                                                  struct pawl_result **ret_result);

/* Ends it; waits for a callback that is running, and none comes afterwards. Before
 * pawl_client_free, and on any thread but the watch's own. NULL is fine. */
PAWL_API void pawl_watch_free(struct pawl_watch *watch);

#ifdef __cplusplus
}
#endif

#endif /* PAWL_WATCH_H */
