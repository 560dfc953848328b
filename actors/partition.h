/* Partition: ownership of one bucket of instances.
 *
 *            OWN                acquired
 *   FREE -----------> ACQUIRING ----------> OWNED --- poll every second, or when due
 *    ^                   ^                    |
 *    | DISOWN            +------ FENCED ------+  forget every instance of it, wait, again
 *    +----------------------------------------+
 */
#ifndef PAWL_ACTORS_PARTITION_H
#define PAWL_ACTORS_PARTITION_H

#include "actors/node_internal.h"

void pawl_partitions_init(struct pawl_node *node);
void pawl_partitions_deinit(struct pawl_node *node);
void pawl_partition_on_own(struct pawl_node *node, uint32_t index, uint64_t table_version);
void pawl_partition_on_disown(struct pawl_node *node, uint32_t index);

/* The store said FENCED to somebody who used this fence. A late answer to an older
 * fence of ours means nothing. */
void pawl_partition_on_fenced(struct pawl_node *node, struct pawl_partition *partition,
                              const struct pawl_fence *fence);

/* Asks the store for what is due, or puts the partition in line when there is no room. */
void pawl_partition_poll(struct pawl_node *node, struct pawl_partition *partition);

bool pawl_partition_is_owned(const struct pawl_partition *partition);

#endif /* PAWL_ACTORS_PARTITION_H */
