/* Places: what a global limit lets run at this sidecar.
 *
 * The places of the app's global limits are handed out by one of its sidecars, the keeper
 * (actors/keeper.h): the owner of partition 0. Every other one tells it how many it holds and
 * how many it could use, and is answered with how many it may hold from then on:
 *
 *     PLACES_WANTED(number, of each limit: held, wanted) -> PLACES(number, of each: places, goal)
 *
 * Only an answer to the last question counts, so what was on its way when this sidecar gave
 * something back is void. A question is asked again until it is answered. An answer holds for
 * PAWL_PLACES_LEASE_MS from when its question was asked: who hears nothing begins nothing more.
 * What runs goes on, and holds its place until it ends; the place is not used again then, for
 * the keeper may have given it to somebody else.
 *
 * When others wait, the keeper names a goal: what is above it is given back as soon as
 * nothing runs on it, and so is what is not used. Else places stay here, and the next call
 * needs no message, until the sidecar has nothing to do when it would ask again: then it gives
 * all back, so that the keeper does not count on it.
 */
#ifndef PAWL_ACTORS_PLACES_H
#define PAWL_ACTORS_PLACES_H

#include "actors/limit.h"

void pawl_places_init(struct pawl_node *node);
void pawl_places_deinit(struct pawl_node *node);

/* How many of a global limit may run here now. */
uint32_t pawl_places_of(const struct pawl_node *node, const struct pawl_limit *limit);

/* Give up what others wait for. Runs before work is given to workers, which would use it
 * again. */
void pawl_places_yield(struct pawl_node *node);

/* Ask for what is missing, give back what is not needed. True when more may run now than
 * before. Runs at the end of every step. */
bool pawl_places_pump(struct pawl_node *node);

/* Something that held a place has ended. When it began before a lease that has been over, its
 * place goes with it. */
void pawl_places_on_leave(struct pawl_limit *limit);

void pawl_places_on_answer(struct pawl_node *node, const struct pawl_host *host,
                           const struct pawl_peer_places *answer);

#endif /* PAWL_ACTORS_PLACES_H */
