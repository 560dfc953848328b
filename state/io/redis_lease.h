/* Redis lease: the port of state/lease.h as one script on one key. */
#ifndef PAWL_STATE_IO_REDIS_LEASE_H
#define PAWL_STATE_IO_REDIS_LEASE_H

#include <uv.h>

#include "state/lease.h"

struct pawl_redis_lease_config {
    uv_loop_t *loop; /* replies arrive on its thread */
    const char *url; /* redis://… and its kin: see redis_url.h */
    const char *name;
    uint32_t timeout_ms; /* 0: PAWL_LEADER_TIMEOUT_MS; a test may have more time */
    pawl_lease_on_reply *on_reply;
    void *context;
};

/* Connects with the first request, and again with the next one after a failure. A request
 * that is not answered within timeout_ms is UNKNOWN. PAWL_E_INVALID: the URL;
 * *ret_message says what is wrong with it and never repeats it. */
PAWL_MUST_USE pawl_err pawl_redis_lease_open(const struct pawl_redis_lease_config *config,
                                             struct pawl_lease **ret_lease,
                                             const char **ret_message);

#endif /* PAWL_STATE_IO_REDIS_LEASE_H */
