/* Link: one connection to the sidecar that is made again whenever it is lost.
 *
 * It dials, says HELLO, answers PINGs, notices silence, and tells its owner when the
 * WELCOME came, what frames came, and that it went down. It has no thread: its owner
 * calls step and wait in a loop, and all callbacks run inside step.
 */
#ifndef PAWL_SDK_IO_LINK_H
#define PAWL_SDK_IO_LINK_H

#include "pawl/value.h"
#include "sdk/frames.h"

struct pawl_link;

struct pawl_link_config {
    const struct pawl_allocator *allocator;
    const char *endpoint;     /* copied */
    struct pawl_hello *hello; /* must live as long as the link */
    void *context;            /* for the three below */
    void (*on_up)(void *context);
    /* Views live for the call. */
    void (*on_frame)(void *context, const struct pawl_frame *frame);
    /* After on_up, or when no connection could be made. `refused` is the sidecar's own
     * reason, or PAWL_OK when it gave none. */
    void (*on_down)(void *context, bool was_up, pawl_err refused, const char *why);
};

PAWL_MUST_USE pawl_err pawl_link_new(const struct pawl_link_config *config,
                                     struct pawl_link **ret_link);
void pawl_link_free(struct pawl_link *link);

/* Do everything that can be done now, but for sending, which is the flush that must
 * follow; ms until the next call is due at the latest. */
int64_t pawl_link_step(struct pawl_link *link);

/* Sleep until something happens, somebody wakes it, or the time is over. */
void pawl_link_wait(struct pawl_link *link, int64_t timeout_ms);

/* End a wait, or the next one. Any thread, any signal handler. */
void pawl_link_wake(struct pawl_link *link);

/* Queue a frame; it leaves with the next flush. Dropped when the link is down. An error is
 * PAWL_E_NOMEM or PAWL_E_TOO_LARGE. */
PAWL_MUST_USE pawl_err pawl_link_send(struct pawl_link *link, const struct pawl_frame *frame);
PAWL_MUST_USE pawl_err pawl_link_send_bytes(struct pawl_link *link, struct pawl_bytes frame);
void pawl_link_flush(struct pawl_link *link);

bool pawl_link_is_up(const struct pawl_link *link);

/* Counts the connections; work of an older one must not be answered on a newer one. */
uint64_t pawl_link_epoch(const struct pawl_link *link);

/* Close this connection; a new one is made unless `for_good`. */
void pawl_link_end(struct pawl_link *link, bool for_good);

/* No connection, and none is being made. */
bool pawl_link_is_over(const struct pawl_link *link);

/* Milliseconds of a clock that only goes forward. */
int64_t pawl_link_now_ms(void);

#endif /* PAWL_SDK_IO_LINK_H */
