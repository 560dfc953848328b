#include "base/heap.h"

#include "base/assert.h"
#include "base/mem.h"

#define CAPACITY_MIN 16u

void pawl_heap_init(struct pawl_heap *heap)
{
    *heap = (struct pawl_heap){ .nodes = NULL };
}

void pawl_heap_deinit(struct pawl_heap *heap)
{
    pawl_mem_free(heap->nodes);
    pawl_heap_init(heap);
}

static bool is_before(const struct pawl_heap_node *a, const struct pawl_heap_node *b)
{
    if (a->due_ms != b->due_ms) return a->due_ms < b->due_ms;
    return a->order < b->order;
}

static void heap_put(struct pawl_heap *heap, uint32_t index, struct pawl_heap_node *node)
{
    heap->nodes[index] = node;
    node->position = index + 1;
}

/* Move the node that belongs at or above the free place `index` into it. */
static void heap_rise(struct pawl_heap *heap, uint32_t index, struct pawl_heap_node *node)
{
    while (index > 0) {
        uint32_t parent = (index - 1) / 2;
        if (!is_before(node, heap->nodes[parent])) break;
        heap_put(heap, index, heap->nodes[parent]);
        index = parent;
    }
    heap_put(heap, index, node);
}

/* The same for a node that belongs at or below it. */
static void heap_sink(struct pawl_heap *heap, uint32_t index, struct pawl_heap_node *node)
{
    for (;;) {
        uint32_t child = 2 * index + 1;
        if (child >= heap->count) break;
        if (child + 1 < heap->count && is_before(heap->nodes[child + 1], heap->nodes[child])) {
            child++;
        }
        if (!is_before(heap->nodes[child], node)) break;
        heap_put(heap, index, heap->nodes[child]);
        index = child;
    }
    heap_put(heap, index, node);
}

void pawl_heap_insert(struct pawl_heap *heap, struct pawl_heap_node *node, int64_t due_ms)
{
    PAWL_ASSERT(!pawl_heap_node_is_linked(node));
    if (heap->count == heap->capacity) {
        PAWL_ASSERT(heap->capacity <= UINT32_MAX / 4);
        heap->capacity = heap->capacity ? heap->capacity * 2 : CAPACITY_MIN;
        heap->nodes = (struct pawl_heap_node **)pawl_mem_resize(
            heap->nodes, heap->capacity * sizeof(struct pawl_heap_node *));
    }
    node->due_ms = due_ms;
    node->order = heap->next_order++;
    heap_rise(heap, heap->count++, node);
}

void pawl_heap_remove(struct pawl_heap *heap, struct pawl_heap_node *node)
{
    if (!pawl_heap_node_is_linked(node)) return;
    uint32_t index = node->position - 1;
    PAWL_ASSERT(index < heap->count);
    PAWL_ASSERT(heap->nodes[index] == node);
    node->position = 0;

    struct pawl_heap_node *last = heap->nodes[--heap->count];
    if (last == node) return;
    if (is_before(last, node)) {
        heap_rise(heap, index, last);
    } else {
        heap_sink(heap, index, last);
    }
}

struct pawl_heap_node *pawl_heap_peek(const struct pawl_heap *heap)
{
    return heap->count ? heap->nodes[0] : NULL;
}
