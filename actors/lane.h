/* Lane: the work that waits under one name, of a workflow or an activity.
 *
 * Within a lane each version that is asked for has a queue of its own, because not every
 * worker that has the name can run each version. Who takes from a lane takes from its
 * queues in turns, so that no version starves another. Within a queue each instance has a
 * line of its own, in order, and lines are taken from in turns, too: the activities of one
 * instance, however many, are in nobody's way. Instances have one turn at a time, and share
 * a line.
 *
 * A lane whose gate is closed (actors/limit.h) is passed over.
 *
 * A queue for which no connected worker has the code is an orphan. What waits in it is
 * given up on after PAWL_CODE_WAIT_MS: a worker that restarts is back by then.
 */
#ifndef PAWL_ACTORS_LANE_H
#define PAWL_ACTORS_LANE_H

#include "actors/node_internal.h"

struct pawl_lane {
    struct pawl_bytes name; /* owned */
    const struct pawl_gate *gate;
    bool is_task;              /* of activities */
    struct pawl_list queues;   /* pawl_queue.of_lane, the next to be taken from first */
    struct pawl_list servings; /* pawl_serving.of_lane: workers that registered the name */
};

struct pawl_queue {
    struct pawl_list of_lane;
    struct pawl_lane *lane;
    struct pawl_bytes version; /* owned; absent: none is asked for */
    struct pawl_list lines;    /* pawl_line.of_queue, the next to be taken from first */
    struct pawl_map lines_of;  /* key -> struct pawl_line */
    uint32_t servers_count;    /* of the lane's servings */
    int64_t orphaned_ms;       /* since when something waits in vain; 0: nothing does */
};

/* What leaves it otherwise than by being taken leaves it by its link alone. So a line may be
 * empty; it is freed when somebody comes across it. */
struct pawl_line {
    struct pawl_list of_queue;
    struct pawl_bytes key;    /* behind the struct */
    struct pawl_list waiting; /* pawl_workflow.lane_link or pawl_activity.link */
};

/* What one worker registered under one name. */
struct pawl_serving {
    struct pawl_list of_lane;
    struct pawl_lane *lane;
    const struct pawl_worker *worker; /* its rule for versions is asked, too */
    bool any;                         /* a function for every version that has none of its own */
    bool latest;                      /* one of the versions is for new instances */
    uint32_t versions_count;
    struct pawl_bytes *versions; /* owned, with their bytes */
};

/* Put work at the end of its line. Lines with other keys get their turns. */
void pawl_lanes_put(struct pawl_node *node, bool is_task, struct pawl_bytes name,
                    struct pawl_bytes version, struct pawl_bytes key, struct pawl_list *link);

/* What is taken from the queue next; NULL: nothing waits in it. */
struct pawl_list *pawl_queue_first(struct pawl_queue *queue);

/* A worker comes: one serving for each name that it registered. */
struct pawl_serving *pawl_lanes_join(struct pawl_node *node, bool is_task,
                                     const struct pawl_worker *worker, uint32_t count,
                                     const struct pawl_registration *registrations,
                                     uint32_t *ret_count);
void pawl_lanes_leave(struct pawl_node *node, bool is_task, struct pawl_serving *servings,
                      uint32_t count);

/* The first of the queue whose turn it is among those that the worker can run; NULL: none.
 * `servings_cursor` is kept by the worker. */
struct pawl_list *pawl_lanes_next(const struct pawl_node *node, const struct pawl_serving *servings,
                                  uint32_t count, uint32_t *servings_cursor);

/* The same for a worker that does not say what it has: from queues that nobody serves. */
struct pawl_list *pawl_lanes_next_open(struct pawl_node *node, bool is_task, uint32_t *cursor);

/* True when a connected worker has registered code for it. */
bool pawl_lanes_serve(const struct pawl_map *lanes, struct pawl_bytes name,
                      struct pawl_bytes version);

bool pawl_serving_fits(const struct pawl_serving *serving, struct pawl_bytes version);

void pawl_lane_free_if_unused(struct pawl_map *lanes, struct pawl_lane *lane);
void pawl_lanes_deinit(struct pawl_map *lanes);

#endif /* PAWL_ACTORS_LANE_H */
