/* Turn, children: what becomes of them when their parent's generation ends. */
#ifndef PAWL_ACTORS_TURN_CHILDREN_H
#define PAWL_ACTORS_TURN_CHILDREN_H

#include "actors/turn.h"

/* Children that are pending and are to end with their parent are sent `terminated`; with
 * `all`, the others, too. Before the instance's own end is added to the turn. */
void pawl_turn_close_children(struct pawl_node *node, const struct pawl_workflow *workflow,
                              struct pawl_turn_draft *turn,
                              const struct pawl_history_event *terminated, bool all);

/* The same when the instance ends, or continues as new, by itself. */
void pawl_turn_leave_children(struct pawl_node *node, const struct pawl_workflow *workflow,
                              struct pawl_turn_draft *turn);

#endif /* PAWL_ACTORS_TURN_CHILDREN_H */
