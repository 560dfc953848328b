/* Router: management calls find the owner of their instance, in one hop.
 *
 *   ask_new ---> HERE: request.c answers ---------------------------> answered
 *            |-> SENT: a CALL to the owner; its RETURN -------------> answered
 *            '-> PARKED: nobody to ask now; again soon, or when the
 *                member list changes; after PAWL_ROUTE_MS_MAX ------> UNAVAILABLE
 *
 *   HERE and SENT go back to PARKED when the instance has moved or the peer is gone. A
 *   repetition is recognised: starts and events carry a request id from before the first
 *   attempt; a control that finds its work done counts as done.
 *
 * Without placement there are no others, and nothing of this happens.
 */
#ifndef PAWL_ACTORS_ROUTER_H
#define PAWL_ACTORS_ROUTER_H

#include "actors/directory.h"

/* From this sidecar's clients; `token` is theirs. */
void pawl_router_on_request(struct pawl_node *node, uint64_t token,
                            const struct pawl_request *request);

/* From the engine itself. The answer lives until on_answer returns. */
typedef void pawl_router_on_answered(struct pawl_node *node, void *context,
                                     const struct pawl_answer *answer);
void pawl_router_ask(struct pawl_node *node, const struct pawl_request *request,
                     pawl_router_on_answered *on_answer, void *context);

/* The asker has left. `from` is the peer's number; 0: a client of this sidecar. */
void pawl_router_on_gone(struct pawl_node *node, uint64_t from, uint64_t token);

/* True for tokens of asks: their answers come through here. */
bool pawl_router_owns(uint64_t token);
void pawl_router_on_answer(struct pawl_node *node, uint64_t token,
                           const struct pawl_answer *answer);

/* From peers. */
void pawl_router_on_call(struct pawl_node *node, struct pawl_host *host,
                         const struct pawl_peer_call *call);
void pawl_router_on_return(struct pawl_node *node, struct pawl_host *host,
                           const struct pawl_peer_call *call);
void pawl_router_on_peer_down(struct pawl_node *node, struct pawl_host *host);
void pawl_router_on_host_gone(struct pawl_node *node, struct pawl_host *host);

/* The member list has changed: those that wait try again. */
void pawl_router_route_parked(struct pawl_node *node);

void pawl_router_deinit(struct pawl_node *node);

#endif /* PAWL_ACTORS_ROUTER_H */
