/* Activity: one execution of an activity as a machine.
 *
 *            pump                 done
 *   QUEUED --------> RUNNING ------------> (gone; the result goes to the owner)
 *      ^                |
 *      +----------------+ worker lost
 *
 * It holds no state in the store: the workflow keeps the operation pending, with a
 * lease reminder, until the result is committed. So an activity runs at least once.
 */
#ifndef PAWL_ACTORS_ACTIVITY_H
#define PAWL_ACTORS_ACTIVITY_H

#include "actors/node_internal.h"

enum pawl_activity_state {
    PAWL_ACTIVITY_QUEUED,
    PAWL_ACTIVITY_RUNNING,
    PAWL_ACTIVITY_STATES_COUNT,
};

struct pawl_activity {
    struct pawl_bytes key; /* behind the struct: inc, gen, op, instance */
    struct pawl_bytes instance;
    struct pawl_id inc;
    uint32_t gen;
    struct pawl_op op;
    uint64_t nonce;
    uint8_t state;
    uint32_t attempts;
    struct pawl_bytes event;             /* behind the struct: its TASK_SCHEDULED */
    struct pawl_history_event scheduled; /* decoded from event */
    struct pawl_list link;               /* on a lane or on its worker */
    uint64_t worker;
    struct pawl_id token; /* of this dispatch; key of node.activities_token */
    int64_t dispatched_ms;
};

/* Start an execution of a committed schedule. No-op when it is known already. */
void pawl_activity_spawn(struct pawl_node *node, struct pawl_bytes instance, struct pawl_id inc,
                         uint32_t gen, struct pawl_op op, uint64_t nonce, struct pawl_bytes event);

/* Forget a queued execution whose result nobody wants any more; a running one goes on
 * and its result is dropped. */
void pawl_activity_forget(struct pawl_node *node, struct pawl_bytes instance, struct pawl_id inc,
                          uint32_t gen, struct pawl_op op);

void pawl_activity_dispatch(struct pawl_node *node, struct pawl_activity *activity,
                            struct pawl_worker *worker);
void pawl_activity_on_done(struct pawl_node *node, uint64_t worker,
                           const struct pawl_activity_done *done);
void pawl_activity_on_worker_lost(struct pawl_node *node, struct pawl_activity *activity);
void pawl_activity_on_not_registered(struct pawl_node *node, struct pawl_activity *activity);

void pawl_activities_deinit(struct pawl_node *node);

#endif /* PAWL_ACTORS_ACTIVITY_H */
