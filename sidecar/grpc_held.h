/* Grpc held: how much of each instance's history the worker at the other end of a stream
 * holds, so that a turn needs to bring only the rest. For workers that say they hold
 * histories; when one has dropped what is counted on, it asks for all of it
 * (GetInstanceHistory). Used by grpc_worker.c. */
#ifndef PAWL_SIDECAR_GRPC_HELD_H
#define PAWL_SIDECAR_GRPC_HELD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/map.h"

/* The beginning of one execution's history. */
struct pawl_grpc_past {
    struct pawl_id inc;
    uint32_t gen;
    uint32_t events;          /* of the engine */
    uint32_t messages;        /* that they became */
    bool is_suspended;        /* by these events */
    struct pawl_id execution; /* as they say it */
};

/* The last PAWL_GRPC_HELD_MAX instances that were told. */
struct pawl_grpc_held {
    struct pawl_map by_instance;
    struct pawl_list oldest_first;
};

void pawl_grpc_held_init(struct pawl_grpc_held *held, uint64_t seed);
void pawl_grpc_held_deinit(struct pawl_grpc_held *held);

/* NULL: nothing of this execution. */
const struct pawl_grpc_past *pawl_grpc_held_find(const struct pawl_grpc_held *held,
                                                 struct pawl_bytes instance, struct pawl_id inc,
                                                 uint32_t gen);
void pawl_grpc_held_set(struct pawl_grpc_held *held, struct pawl_bytes instance,
                        const struct pawl_grpc_past *past);
void pawl_grpc_held_remove(struct pawl_grpc_held *held, struct pawl_bytes instance);

#endif /* PAWL_SIDECAR_GRPC_HELD_H */
