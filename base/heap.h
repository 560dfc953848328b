/* Heap: timers by due time, intrusive. Equal times leave in arrival order. */
#ifndef PAWL_BASE_HEAP_H
#define PAWL_BASE_HEAP_H

#include "pawl/types.h"

/* Embed in the item; recover it with PAWL_CONTAINER_OF. Zero it before use. */
struct pawl_heap_node {
    int64_t due_ms;
    uint64_t order;    /* arrival, set by insert */
    uint32_t position; /* index + 1; 0: in no heap */
};

struct pawl_heap {
    struct pawl_heap_node **nodes;
    uint32_t count;
    uint32_t capacity;
    uint64_t next_order;
};

void pawl_heap_init(struct pawl_heap *heap);
void pawl_heap_deinit(struct pawl_heap *heap);

/* The node must be in no heap. */
void pawl_heap_insert(struct pawl_heap *heap, struct pawl_heap_node *node, int64_t due_ms);

/* No-op for a node that is in no heap. */
void pawl_heap_remove(struct pawl_heap *heap, struct pawl_heap_node *node);

/* Earliest, left in the heap; NULL when empty. */
struct pawl_heap_node *pawl_heap_peek(const struct pawl_heap *heap);

static inline bool pawl_heap_node_is_linked(const struct pawl_heap_node *node)
{
    return node->position != 0;
}

#endif /* PAWL_BASE_HEAP_H */
