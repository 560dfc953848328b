/* Waiter: a client that waits for an instance to start or to end. */
#ifndef PAWL_ACTORS_WAITER_H
#define PAWL_ACTORS_WAITER_H

#include "actors/node_internal.h"

void pawl_waiter_on_wait(struct pawl_node *node, uint64_t token,
                         const struct pawl_request *request);

#endif /* PAWL_ACTORS_WAITER_H */
