/* Outbox: messages from one instance to another, from the commit that stored them
 * until the receiver's side has answered for good. At least once; the receiver's
 * store recognises repetitions. */
#ifndef PAWL_ACTORS_OUTBOX_H
#define PAWL_ACTORS_OUTBOX_H

#include "actors/node_internal.h"

/* Deliver a stored message of `partition`. No-op while it is being delivered. */
void pawl_outbox_pump(struct pawl_node *node, uint32_t partition, struct pawl_id id,
                      struct pawl_bytes body);

/* The receiver's side is done with it: remove the row. A zero id is ignored. */
void pawl_outbox_ack(struct pawl_node *node, uint32_t partition, struct pawl_id id);

/* Send what was acknowledged in this step: one operation per partition. */
void pawl_outbox_flush(struct pawl_node *node);

/* Not now: the row's reminder will bring it back. A zero id is ignored. */
void pawl_outbox_release(struct pawl_node *node, struct pawl_id id);

void pawl_outbox_deinit(struct pawl_node *node);

#endif /* PAWL_ACTORS_OUTBOX_H */
