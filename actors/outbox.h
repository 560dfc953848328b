/* Outbox: messages from one instance to another, from the commit that stored them
 * until the receiver's side has answered for good. At least once; the receiver's
 * store recognises repetitions.
 *
 *   LOCAL    being carried out here: the receiver is this app's, or came from a peer
 *   SENT     with the sidecar that owns the receiver; answered by MESSAGE_DONE
 *   WAITING  no such sidecar at present: sent when one is known
 *
 * A message from a peer is carried out like an own one, and its end told to the peer.
 */
#ifndef PAWL_ACTORS_OUTBOX_H
#define PAWL_ACTORS_OUTBOX_H

#include "actors/directory.h"
#include "actors/origin.h"

/* Deliver a stored message of `partition`. No-op while it is being delivered. */
void pawl_outbox_pump(struct pawl_node *node, uint32_t partition, struct pawl_id id,
                      struct pawl_bytes body);

/* Send what was acknowledged in this step: one operation per partition. */
void pawl_outbox_flush(struct pawl_node *node);

/* From peers. */
void pawl_outbox_on_message(struct pawl_node *node, struct pawl_host *host,
                            const struct pawl_peer_message *message);
void pawl_outbox_on_message_done(struct pawl_node *node, struct pawl_host *host,
                                 const struct pawl_peer_message_done *done);
void pawl_outbox_on_peer_down(struct pawl_node *node, struct pawl_host *host);
void pawl_outbox_on_host_gone(struct pawl_node *node, struct pawl_host *host);

/* The member list has changed: those that wait try again. */
void pawl_outbox_route_waiting(struct pawl_node *node);

/* The partition is another's now: its messages are pumped there. */
void pawl_outbox_on_partition_lost(struct pawl_node *node, const struct pawl_partition *partition);

void pawl_outbox_init(struct pawl_node *node);
void pawl_outbox_deinit(struct pawl_node *node);

#endif /* PAWL_ACTORS_OUTBOX_H */
