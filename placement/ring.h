/* Ring: who owns which partition of an app. Pure, and the same on every machine.
 *
 * Consistent hashing with bounded loads. Each partition has its own order of preference
 * over the hosts, each host its own order over the partitions and a bound on how many it
 * takes; what a full host turns away goes to the next host of the partition's order
 * (deferred acceptance, so the order of hosts and partitions cannot matter).
 * After: Mirrokni, Thorup, Zadimoghaddam, "Consistent Hashing with Bounded Loads".
 *
 * Where the virtual nodes are: a host's order over the partitions is a random permutation
 * of all of them, drawn from its name. It is a circle of the host's own on which each
 * partition is one evenly spaced virtual node. One shared circle with 64 nodes per host
 * was measured first and moves up to twice its share on a join (mean 1.3 at 30 hosts and
 * 512 partitions, against 1.1): chance gives hosts uneven arcs, the bound then evens them
 * out by moving partitions along the circle, and each join shuffles that again. Evenly
 * spaced nodes halve the unevenness that there is to mend.
 *
 * The bound of a host is PAWL_RING_LOAD x the mean, rounded up or down by the host's name,
 * so that a join lowers the bounds of a few hosts and not of all at once.
 *
 * What holds, for every list of hosts:
 *   - nobody owns more than ceil(1.25 x mean); from 20 partitions per host on nobody owns
 *     more than 1.25 x mean (under 20 that would leave no room to round);
 *   - a join moves on average at most 1.3 x its share, from 20 partitions per host on
 *     (1.0 to 1.1 x in most cases); from 64 on every single join seen stays under that;
 *   - with fewer partitions per host the integers rule: a join moves up to 5 partitions
 *     more than its share. With fewer partitions than hosts nobody owns more than two,
 *     and some own none. Give an app 20 partitions for each sidecar it may ever have.
 * tests/unit/placement/test_ring.c measures all of it; docs/PLACEMENT.md has the figures.
 */
#ifndef PAWL_PLACEMENT_RING_H
#define PAWL_PLACEMENT_RING_H

#include "placement/members.h"

#define PAWL_RING_NOBODY UINT32_MAX

/* The bound on a host's load, as a multiple of the mean: 1.25. */
#define PAWL_RING_LOAD_NUM 5u
#define PAWL_RING_LOAD_DEN 4u

/* ret_owners[partition] = index into `hosts`; PAWL_RING_NOBODY for all when there are
 * none. `hosts` are distinct; their order does not matter to who gets what. `partitions`
 * is 1 to PAWL_PARTITIONS_MAX. Takes 4 x hosts x partitions bytes while it runs. */
void pawl_ring_assign(uint32_t hosts_count, const struct pawl_bytes *hosts, uint32_t partitions,
                      uint32_t *ret_owners);

/* Which of the hosts runs the thing with this key (an activity): rendezvous hashing, so
 * that only what ran on a lost host moves. PAWL_RING_NOBODY when there are none. Hashes
 * every name: for many keys over the same hosts use the two functions below. */
uint32_t pawl_ring_pick(uint32_t hosts_count, const struct pawl_bytes *hosts,
                        struct pawl_bytes key);

/* The same in two steps, with the same answer: the hash of each host once, then 64-bit
 * mixing per host and key. Equal hashes: the first in `hashes`. */
uint64_t pawl_ring_hash(struct pawl_bytes host);
uint32_t pawl_ring_pick_hashed(uint32_t hosts_count, const uint64_t *hashes, struct pawl_bytes key);

#endif /* PAWL_PLACEMENT_RING_H */
