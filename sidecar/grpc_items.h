/* Grpc items: the work items in the hands of gRPC workers, found again by their completion
 * token or, for workers that do not echo it, by what they are about. Used by grpc_worker.c. */
#ifndef PAWL_SIDECAR_GRPC_ITEMS_H
#define PAWL_SIDECAR_GRPC_ITEMS_H

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "sdk/frames.h"
#include "sidecar/grpc_held.h"

#define PAWL_NO_TASK (-1) /* of a turn */

struct pawl_grpc_item {
    struct pawl_list of_stream; /* for the owner: pawl_grpc_item_free unlinks it */
    struct pawl_list of_key;
    uint64_t worker;
    struct pawl_id id;          /* of the turn, or the token of the activity */
    struct pawl_bytes instance; /* behind the struct */
    int32_t task;               /* PAWL_NO_TASK: a turn */
    struct pawl_buf parts;      /* of an answer that comes in parts */
    int64_t return_at_ms;       /* given back: then; 0: it is not */
    size_t size;                /* of its message */
    struct pawl_grpc_past past; /* of a turn: what the worker will hold once it is done */
    struct pawl_bytes patches;  /* owned; a turn: what its history recorded, packed */
    struct pawl_bytes trace;    /* owned; a turn: of its workflow, packed */
    bool has_span;              /* a turn: its worker was told the workflow's span */
};

struct pawl_grpc_items {
    struct pawl_map by_id;
    struct pawl_map by_key; /* instance and task -> queue, oldest first */
};

void pawl_grpc_items_init(struct pawl_grpc_items *items, uint64_t seed);
void pawl_grpc_items_deinit(struct pawl_grpc_items *items); /* it must be empty */

struct pawl_grpc_item *pawl_grpc_item_new(struct pawl_grpc_items *items, uint64_t worker,
                                          struct pawl_id id, struct pawl_bytes instance,
                                          int32_t task);
void pawl_grpc_item_free(struct pawl_grpc_items *items, struct pawl_grpc_item *item);

/* By token when there is one; NULL: it is not current. */
struct pawl_grpc_item *pawl_grpc_item_find(const struct pawl_grpc_items *items,
                                           struct pawl_bytes token, struct pawl_bytes instance,
                                           int32_t task);

#endif /* PAWL_SIDECAR_GRPC_ITEMS_H */
