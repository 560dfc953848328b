/* Arena: memory that dies together (a turn, a step, a reply).
 *
 * Allocation cannot fail (see base/mem.h). Nothing is freed one by one; reset
 * empties the arena and keeps one block, so a steady loop allocates nothing.
 */
#ifndef PAWL_BASE_ARENA_H
#define PAWL_BASE_ARENA_H

#include "pawl/types.h"

struct pawl_arena_block;

struct pawl_arena {
    struct pawl_arena_block *blocks; /* newest first */
    size_t used;                     /* bytes handed out since the last reset */
};

void pawl_arena_init(struct pawl_arena *arena);
void pawl_arena_deinit(struct pawl_arena *arena);
void pawl_arena_reset(struct pawl_arena *arena);

/* Zeroed memory, aligned for any type. `size` may be 0. */
void *pawl_arena_alloc(struct pawl_arena *arena, size_t size);

/* A copy that lives as long as the arena. Absent stays absent, empty empty. */
struct pawl_bytes pawl_arena_copy(struct pawl_arena *arena, struct pawl_bytes bytes);

/* A formatted, 0-terminated text; the view does not count the 0. */
struct pawl_bytes pawl_arena_printf(struct pawl_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define PAWL_ARENA_NEW(arena, type) ((type *)pawl_arena_alloc((arena), sizeof(type)))
#define PAWL_ARENA_ARRAY(arena, type, count) \
    ((type *)pawl_arena_alloc((arena), sizeof(type) * (size_t)(count)))

#endif /* PAWL_BASE_ARENA_H */
