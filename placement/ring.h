/* Ring: who owns which partition of an app. Pure, and the same on every machine.
 *
 * Consistent hashing with virtual nodes and bounded loads: each partition goes to the
 * next host clockwise that has room, where nobody takes more than
 * ceil(PAWL_RING_LOAD * partitions / hosts) (PAWL_RING_LOAD is 1.25). So no host is
 * overloaded, and a join or a leave moves little more than its share.
 * After: Mirrokni, Thorup, Zadimoghaddam, "Consistent Hashing with Bounded Loads".
 */
#ifndef PAWL_PLACEMENT_RING_H
#define PAWL_PLACEMENT_RING_H

#include "placement/members.h"

#define PAWL_RING_NOBODY UINT32_MAX

/* ret_owners[partition] = index into `hosts`; PAWL_RING_NOBODY for all when there are
 * none. `hosts` are distinct; their order does not matter to who gets what. */
void pawl_ring_assign(uint32_t hosts_count, const struct pawl_bytes *hosts, uint32_t partitions,
                      uint32_t *ret_owners);

/* Which of the hosts runs the thing with this key (an activity): rendezvous hashing, so
 * that only what ran on a lost host moves. PAWL_RING_NOBODY when there are none. */
uint32_t pawl_ring_pick(uint32_t hosts_count, const struct pawl_bytes *hosts,
                        struct pawl_bytes key);

#endif /* PAWL_PLACEMENT_RING_H */
