#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"

#define BLOCK_SIZE_MIN ((size_t)4096)
/* Larger blocks serve one allocation and are not kept by a reset, so that one
 * large payload does not stay in memory for ever. */
#define BLOCK_SIZE_MAX ((size_t)1 << 20)

struct pawl_arena_block {
    struct pawl_arena_block *next;
    size_t size;
    size_t used;
    alignas(max_align_t) uint8_t data[];
};

static struct pawl_arena_block *block_new(size_t size)
{
    /* Not zeroed: each allocation zeroes what it hands out. */
    struct pawl_arena_block *block =
        (struct pawl_arena_block *)pawl_mem_resize(NULL, sizeof *block + size);
    block->next = NULL;
    block->size = size;
    block->used = 0;
    return block;
}

static void blocks_free(struct pawl_arena_block *block)
{
    while (block) {
        struct pawl_arena_block *next = block->next;
        pawl_mem_free(block);
        block = next;
    }
}

void pawl_arena_init(struct pawl_arena *arena)
{
    *arena = (struct pawl_arena){ .blocks = NULL };
}

void pawl_arena_deinit(struct pawl_arena *arena)
{
    blocks_free(arena->blocks);
    pawl_arena_init(arena);
}

void pawl_arena_reset(struct pawl_arena *arena)
{
    struct pawl_arena_block *kept = NULL;
    struct pawl_arena_block **link = NULL;
    for (struct pawl_arena_block **at = &arena->blocks; *at; at = &(*at)->next) {
        if ((*at)->size > BLOCK_SIZE_MAX) continue;
        if (link && (*at)->size <= (*link)->size) continue;
        link = at;
    }
    if (link) {
        kept = *link;
        *link = kept->next;
        kept->next = NULL;
        kept->used = 0;
    }
    blocks_free(arena->blocks);
    arena->blocks = kept;
    arena->used = 0;
}

/* A block with room for `size`; small allocations get growing ones. */
static struct pawl_arena_block *arena_grow(struct pawl_arena *arena, size_t size)
{
    struct pawl_arena_block *head = arena->blocks;
    if (size > BLOCK_SIZE_MAX && head) {
        /* Behind the head, which still has room for small ones. */
        struct pawl_arena_block *own = block_new(size);
        own->next = head->next;
        head->next = own;
        return own;
    }
    size_t block_size = head ? head->size * 2 : BLOCK_SIZE_MIN;
    if (block_size > BLOCK_SIZE_MAX) block_size = BLOCK_SIZE_MAX;
    while (block_size < size && block_size < BLOCK_SIZE_MAX) block_size *= 2;
    struct pawl_arena_block *block = block_new(block_size < size ? size : block_size);
    block->next = head;
    arena->blocks = block;
    return block;
}

void *pawl_arena_alloc(struct pawl_arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    PAWL_ASSERT(size <= PTRDIFF_MAX / 2);
    if (size == 0) size = 1;
    size = (size + align - 1) & ~(align - 1);

    struct pawl_arena_block *block = arena->blocks;
    if (!block || block->size - block->used < size) block = arena_grow(arena, size);
    void *memory = block->data + block->used;
    block->used += size;
    arena->used += size;
    return memset(memory, 0, size);
}

struct pawl_bytes pawl_arena_copy(struct pawl_arena *arena, struct pawl_bytes bytes)
{
    if (!bytes.data) return bytes;
    uint8_t *copy = (uint8_t *)pawl_arena_alloc(arena, bytes.size);
    if (bytes.size) memcpy(copy, bytes.data, bytes.size);
    return (struct pawl_bytes){ copy, bytes.size };
}

struct pawl_bytes pawl_arena_printf(struct pawl_arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    PAWL_ASSERT(size >= 0);

    char *text = (char *)pawl_arena_alloc(arena, (size_t)size + 1);
    va_start(args, format);
    int written = vsnprintf(text, (size_t)size + 1, format, args);
    va_end(args);
    PAWL_ASSERT(written == size);
    return (struct pawl_bytes){ (const uint8_t *)text, (size_t)size };
}
