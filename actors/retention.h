/* Retention: what has ended is purged by itself after a while, as the configuration says for
 * its status.
 *
 * A sweep visits the own partitions that have anything ended, one after the other, and asks
 * the store for what ended long enough ago; so it finds old instances too, and what a dead
 * sidecar left. A few are purged at a time, each under its incarnation: one that was
 * started again under its id meanwhile is left alone. Children have times of their own. */
#ifndef PAWL_ACTORS_RETENTION_H
#define PAWL_ACTORS_RETENTION_H

#include "actors/node_internal.h"

void pawl_retention_init(struct pawl_node *node);
void pawl_retention_deinit(struct pawl_node *node);

#endif /* PAWL_ACTORS_RETENTION_H */
