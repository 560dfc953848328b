/* Map: bytes -> pointer, iterated in insertion order.
 *
 * The order never depends on addresses or on the hash seed, so pure code may
 * iterate. Keys are not copied: the caller keeps them alive (usually inside the
 * value) as long as the entry is in the map. Removing the current entry while
 * iterating is allowed; inserting is not.
 */
#ifndef PAWL_BASE_MAP_H
#define PAWL_BASE_MAP_H

#include "pawl/types.h"

struct pawl_map_entry {
    struct pawl_bytes key;
    void *value; /* NULL: removed */
    uint32_t hash;
};

struct pawl_map {
    struct pawl_map_entry *entries; /* in insertion order, with holes */
    uint32_t *slots;                /* entry index + 1; 0: free, UINT32_MAX: removed */
    uint32_t slots_count;           /* 0 or a power of two */
    uint32_t slots_used;            /* live and removed */
    uint32_t entries_count;         /* live and removed */
    uint32_t entries_first;         /* everything before it is removed */
    uint32_t entries_capacity;
    uint32_t count; /* live */
    uint64_t seed[2];
};

/* `seed` keeps an attacker from choosing colliding keys; any value is correct. 0: nobody else
 * chooses the keys; numbers (8 bytes) and ids (16) are found at less cost then. */
void pawl_map_init(struct pawl_map *map, uint64_t seed);
void pawl_map_deinit(struct pawl_map *map);

/* NULL when there is none. */
void *pawl_map_find(const struct pawl_map *map, struct pawl_bytes key);

/* The key must not be in the map and `value` must not be NULL. */
void pawl_map_insert(struct pawl_map *map, struct pawl_bytes key, void *value);

/* The removed value, or NULL. */
void *pawl_map_remove(struct pawl_map *map, struct pawl_bytes key);

/* Start with *cursor = 0; NULL at the end. */
void *pawl_map_next(const struct pawl_map *map, uint32_t *cursor);

#endif /* PAWL_BASE_MAP_H */
