/* Presence: whether workers that run workflows are here, as other sidecars are told.
 *
 *            the first came            it stays, or nobody else has one
 *   ABSENT ------------------> ARRIVED --------------------------------> PRESENT
 *    |  ^                         |                                       |   ^
 *    |  +------ the last went ----+                         the last went |   | one came
 *    |                                                                    v   |
 *    +<------------------------ nobody came back for long --------------- MISSED
 *
 * PRESENT and MISSED are told as "runs workflows": partitions belong to such sidecars while
 * there is one (placement/members.h). A worker that reconnects, or is replaced, moves nothing.
 * An app that comes and crashes, over and over, moves things ever less often: each time its
 * worker has to stay for twice as long, until it has stayed for long enough to be trusted.
 * Without placement nobody is told, and nothing here happens.
 */
#ifndef PAWL_ACTORS_PRESENCE_H
#define PAWL_ACTORS_PRESENCE_H

#include "actors/node_internal.h"

void pawl_presence_init(struct pawl_node *node);
void pawl_presence_deinit(struct pawl_node *node);

/* Workers have come, gone, or said that they go; or a new member list has. */
void pawl_presence_look(struct pawl_node *node);

bool pawl_presence_is_told(const struct pawl_node *node);

#endif /* PAWL_ACTORS_PRESENCE_H */
