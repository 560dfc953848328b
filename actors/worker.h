/* Worker: the connected apps' workers, their credit, and the lanes in front of them.
 *
 * A lane holds the work that waits under one name (of a workflow or an activity), in
 * order. A worker takes from the lanes of the names it registered, in turns, so that
 * no name starves another. One that does not say what it has (a gRPC worker) takes from
 * the lanes that nobody registered. Workers take in turns, too. A turn whose instance is still in a
 * worker's cache waits at that worker.
 */
#ifndef PAWL_ACTORS_WORKER_H
#define PAWL_ACTORS_WORKER_H

#include "actors/node_internal.h"

struct pawl_lane {
    struct pawl_bytes name;   /* owned */
    struct pawl_list waiting; /* pawl_workflow.lane_link or pawl_activity.link */
    uint32_t workers_count;   /* connected workers that registered the name */
};

struct pawl_worker {
    uint64_t id;
    uint8_t key[8]; /* id, for the map */
    bool leaving;   /* said BYE: gets nothing new */
    uint32_t minor; /* of its HELLO: which frames it knows */
    bool any_name;  /* takes from every lane that no other worker has registered */
    uint32_t turn_credit;
    uint32_t task_credit;
    struct pawl_list sticky;     /* workflows that wait for exactly this worker */
    struct pawl_list turns;      /* workflows that it is running */
    struct pawl_list activities; /* activities that it is running */
    uint32_t turn_lanes_count;
    struct pawl_lane **turn_lanes;
    uint32_t turn_lanes_cursor;
    uint32_t task_lanes_count;
    struct pawl_lane **task_lanes;
    uint32_t task_lanes_cursor;
};

struct pawl_worker *pawl_worker_find(const struct pawl_node *node, uint64_t id);

/* Queue ready work. When workers are connected and none has registered the name, the
 * item fails with PAWL_E_NOT_REGISTERED at the next pump. */
struct pawl_lane *pawl_worker_lane(struct pawl_map *lanes, struct pawl_bytes name);

void pawl_worker_on_opened(struct pawl_node *node, uint64_t id, const struct pawl_hello *hello);
void pawl_worker_on_closed(struct pawl_node *node, uint64_t id);
void pawl_worker_on_credit(struct pawl_node *node, uint64_t id, struct pawl_credit credit);
void pawl_worker_on_bye(struct pawl_node *node, uint64_t id);

/* Give waiting work to workers with credit. Runs at the end of every step. */
void pawl_worker_pump(struct pawl_node *node);

void pawl_workers_deinit(struct pawl_node *node);

#endif /* PAWL_ACTORS_WORKER_H */
