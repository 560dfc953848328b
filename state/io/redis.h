/* Redis: one server, a master behind sentinels, or a cluster. See backends.h for how it is
 * opened; this header is for tests, which cannot wait as long as an operator can. What it
 * consists of is in redis_store.h.
 *
 *   submit    encodes the request at once and puts it at the end of its node's `waiting`
 *   flush     makes everything that waits eligible and sends it, in one write per node
 *   replies   come in the order of sending; `in_flight` is that order
 *   trouble   what was written gets PAWL_E_UNKNOWN, what was not waits for the next
 *             connection
 *   moved     what a cluster sends back is held by its partition's route until the slot is
 *             at rest; the first one tries, the others follow
 *
 * A request that cannot be sent (too large, queue full) takes its place in the queues
 * like any other and is answered when it gets to the front: replies of one partition
 * never overtake each other.
 */
#ifndef PAWL_STATE_IO_REDIS_H
#define PAWL_STATE_IO_REDIS_H

#include "state/io/backends.h"

struct pawl_redis_options {
    uint32_t timeout_ms;  /* PAWL_STORE_TIMEOUT_MS; for as long no byte went either way */
    uint32_t waiting_max; /* PAWL_STORE_WAITING_MAX */
    uint32_t held_ms;     /* PAWL_STORE_HELD_MS_MAX */
    uint32_t clock_ms;    /* 0: PAWL_STORE_CLOCK_MS */
    uint32_t wait_ms;     /* for replicas (d2); 0: as the URL says */
};

/* As pawl_store_redis_open. close must not be called from a callback. */
PAWL_MUST_USE pawl_err pawl_redis_store_open(const struct pawl_store_config *config,
                                             const struct pawl_redis_options *options,
                                             struct pawl_store **ret_store,
                                             const char **ret_message);

#endif /* PAWL_STATE_IO_REDIS_H */
