/* Waiter: a client that waits for an instance to start or to end. */
#ifndef PAWL_ACTORS_WAITER_H
#define PAWL_ACTORS_WAITER_H

#include "actors/node_internal.h"

void pawl_waiter_on_wait(struct pawl_node *node, uint64_t token,
                         const struct pawl_request *request);

/* The partition is another's now: whoever waits for an instance of it is answered
 * PAWL_E_FENCED, and asks there (router.h). */
void pawl_waiters_on_partition_lost(struct pawl_node *node, const struct pawl_partition *partition);

#endif /* PAWL_ACTORS_WAITER_H */
