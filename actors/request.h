/* Request: management calls, from the event to exactly one answer. */
#ifndef PAWL_ACTORS_REQUEST_H
#define PAWL_ACTORS_REQUEST_H

#include "actors/node_internal.h"

void pawl_request_on_call(struct pawl_node *node, uint64_t token,
                          const struct pawl_request *request);
/* Draw what the caller left out, so that the same call can be made again: an instance id
 * and a request id. Texts live in the effects' arena. */
void pawl_request_complete(struct pawl_node *node, struct pawl_request *request);

void pawl_request_on_gone(struct pawl_node *node, uint64_t token);

/* The status of an instance was committed: somebody may wait for it. */
void pawl_request_on_status(struct pawl_node *node, struct pawl_bytes instance,
                            enum pawl_status status);

/* The instance was purged, or left memory: its waiters look for themselves. */
void pawl_request_on_purged(struct pawl_node *node, struct pawl_bytes instance);
void pawl_request_on_forgotten(struct pawl_node *node, struct pawl_bytes instance);

void pawl_requests_deinit(struct pawl_node *node);

#endif /* PAWL_ACTORS_REQUEST_H */
