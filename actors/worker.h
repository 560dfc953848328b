/* Worker: the connected apps' workers, their credit, and what they are given.
 *
 * A worker takes from the lanes (actors/lane.h) of the names it registered, in turns, so
 * that no name starves another. One that does not say what it has (a gRPC worker) takes
 * what nobody else serves. Workers take in turns, too. A turn whose instance is still in a
 * worker's cache waits at that worker; one whose past a worker holds goes back there if
 * that worker has credit.
 */
#ifndef PAWL_ACTORS_WORKER_H
#define PAWL_ACTORS_WORKER_H

#include "actors/lane.h"

struct pawl_worker {
    uint64_t id;
    uint8_t key[8];  /* id, for the map */
    bool leaving;    /* said BYE: gets nothing new */
    uint32_t minor;  /* of its HELLO: which frames it knows */
    bool any_name;   /* takes from every queue that no other worker serves */
    bool filters;    /* has more than it registered: nothing is given up for want of code */
    bool holds_past; /* need not be told again what it was told in earlier turns */
    enum pawl_version_match match;
    struct pawl_bytes match_version; /* owned */
    bool mismatch_fails;
    uint32_t turn_credit;
    uint32_t task_credit;
    struct pawl_list sticky;     /* workflows that wait for exactly this worker */
    struct pawl_list turns;      /* workflows that it is running */
    struct pawl_list activities; /* activities that it is running */
    uint32_t turn_servings_count;
    struct pawl_serving *turn_servings;
    uint32_t turn_cursor;
    uint32_t task_servings_count;
    struct pawl_serving *task_servings;
    uint32_t task_cursor;
};

struct pawl_worker *pawl_worker_find(const struct pawl_node *node, uint64_t id);

/* Queue ready work. What no worker has the code for is given up on after a while: see
 * pawl_workflow_on_not_registered and pawl_activity_on_not_registered. */
void pawl_worker_put_turn(struct pawl_node *node, struct pawl_workflow *workflow);
void pawl_worker_put_activity(struct pawl_node *node, struct pawl_activity *activity);

/* True when a connected worker can run this workflow. */
bool pawl_worker_can_run(const struct pawl_node *node, struct pawl_bytes name,
                         struct pawl_bytes version);

/* True when a connected worker can take such an activity at once, and whatever waits already. */
bool pawl_worker_is_free_for(struct pawl_node *node, struct pawl_bytes name,
                             struct pawl_bytes version);

/* True when there is a worker that may have its code and has not refused it. */
bool pawl_worker_may_have_code(struct pawl_node *node, const struct pawl_workflow *workflow);

void pawl_worker_on_opened(struct pawl_node *node, uint64_t id, const struct pawl_hello *hello);
void pawl_worker_on_closed(struct pawl_node *node, uint64_t id);
void pawl_worker_on_credit(struct pawl_node *node, uint64_t id, struct pawl_credit credit);
void pawl_worker_on_bye(struct pawl_node *node, uint64_t id);

/* Give waiting work to workers with credit. Runs at the end of every step. */
void pawl_worker_pump(struct pawl_node *node);

void pawl_workers_init(struct pawl_node *node);
void pawl_workers_deinit(struct pawl_node *node);

#endif /* PAWL_ACTORS_WORKER_H */
