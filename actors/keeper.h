/* Keeper: hands out the places of the app's global limits. It is the owner of partition 0.
 *
 * For each limit it knows how many places each sidecar may hold at most: what that one last
 * said it holds, and what it was given since. Nothing is given that would make their sum pass
 * the limit, and only the holder's own word makes a number smaller. The sum is above it while a
 * sidecar that was given up is back and still runs something. Free places go to whoever wants
 * some and has the fewest; when more are wanted than there are, each gets an equal goal, and the
 * one that was given something longest ago the remainder.
 *
 * It says nothing unless its ownership was confirmed by the store PAWL_KEEPER_LEASE_MS ago
 * or later, so there is never a second one that does.
 *
 * One that is new knows nothing of what was given by the one before. It repeats to each sidecar
 * what that one holds, and gives out nothing, until it is settled:
 *   - the one directly before said, on its way, that whoever holds places is in the present
 *     member list, and all in that list have reported; or
 *   - PAWL_KEEPER_SETTLE_MS have passed: neither the one before nor anybody who hears only that
 *     one begins anything any more; or
 *   - the partition never had an owner.
 *
 * A sidecar that has left the list keeps its places here until its own lease is over. What it
 * still runs then, cut off from everybody, is not counted any more: nobody can know it.
 */
#ifndef PAWL_ACTORS_KEEPER_H
#define PAWL_ACTORS_KEEPER_H

#include "actors/node_internal.h"
#include "actors/peer_frames.h"

void pawl_keeper_init(struct pawl_node *node);
void pawl_keeper_deinit(struct pawl_node *node);

/* A sidecar says what it holds and wants. */
void pawl_keeper_on_wanted(struct pawl_node *node, struct pawl_host *host,
                           const struct pawl_peer_places *wanted);

/* Partition 0: acquired, lost. */
void pawl_keeper_on_acquired(struct pawl_node *node);
void pawl_keeper_on_lost(struct pawl_node *node);

/* A new member list is taken, the one before had the version `before`; and then: everything
 * follows from the new one by now. */
void pawl_keeper_on_members(struct pawl_node *node, uint64_t before);
void pawl_keeper_after_members(struct pawl_node *node);

/* In which epoch of the partition this sidecar was the keeper, and settled, until the present
 * list came, without anybody who held places being lost; 0: it was not. Only who owns the
 * partition in the very next epoch may rely on it: nobody was the keeper between the two. */
uint64_t pawl_keeper_claim(const struct pawl_node *node);

#endif /* PAWL_ACTORS_KEEPER_H */
