/* Limit: how many turns, or activities, may be at workers at once.
 *
 * A rule limits all turns or all activities, or those of one name; at this sidecar, or at
 * all sidecars of the app together. What has to pass the same rules passes the same gate.
 * It takes a place in each of them when it is given to a worker, and gives them back when
 * that worker has ended it, or has gone.
 *
 * Who finds a gate closed waits in its lane (actors/lane.h), where instances take turns.
 * Places of the app are handed out by one of its sidecars: see actors/places.h.
 */
#ifndef PAWL_ACTORS_LIMIT_H
#define PAWL_ACTORS_LIMIT_H

#include "actors/node_internal.h"

/* This sidecar, and the app; each for all names, and for one. */
#define PAWL_GATE_LIMITS_MAX 4u

struct pawl_limit {
    struct pawl_limit_rule rule; /* its name is owned */
    uint32_t running;
    uint32_t waiting; /* for a place, or for a worker */
    /* Of a global one, see actors/places.h: */
    uint32_t places;      /* so many of the app's are here */
    uint32_t goal;        /* … to come down to; UINT32_MAX: nothing */
    bool is_unused;       /* nothing has begun since they became more … */
    int64_t grown_ms;     /* … then */
    uint32_t held_told;   /* as the keeper knows it */
    uint32_t wanted_told; /* in the last question */
    uint32_t held_asked;  /* likewise */
    uint32_t lapsed;      /* so many ends take their place with them: see pawl_places_on_leave */
    uint32_t voided;      /* of those in the last question, lapsed and given up since */
};

struct pawl_gate {
    bool is_task;
    struct pawl_bytes name; /* of the limits; absent: for all names without one */
    uint32_t waiting;
    uint32_t limits_count;
    struct pawl_limit *limits[PAWL_GATE_LIMITS_MAX];
};

void pawl_limits_init(struct pawl_node *node);
void pawl_limits_deinit(struct pawl_node *node);

/* Where turns, or activities, of this name have to pass. It lives as long as the node. */
struct pawl_gate *pawl_limits_gate(struct pawl_node *node, bool is_task, struct pawl_bytes name);

/* True when there is a place in each of its limits. */
bool pawl_gate_is_open(const struct pawl_node *node, const struct pawl_gate *gate);

/* True when one of its limits is for the name alone, so that others may pass while it is
 * closed. */
bool pawl_gate_is_named(const struct pawl_gate *gate);

/* Something is in line now, or is no more. */
void pawl_gate_wait(struct pawl_node *node, struct pawl_gate *gate);
void pawl_gate_unwait(struct pawl_node *node, struct pawl_gate *gate);

/* Something goes through, or has ended. */
void pawl_gate_enter(struct pawl_node *node, struct pawl_gate *gate);
void pawl_gate_leave(struct pawl_node *node, struct pawl_gate *gate);

/* For the metrics; valid until the next step. */
const struct pawl_limit_metrics *pawl_limits_metrics(struct pawl_node *node);

#endif /* PAWL_ACTORS_LIMIT_H */
