#include "base/map.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/mem.h"

#define CAPACITY_MIN 8u
#define SLOT_FREE    0u
#define SLOT_REMOVED UINT32_MAX

void pawl_map_init(struct pawl_map *map, uint64_t seed)
{
    *map = (struct pawl_map){ .seed = { seed, ~seed } };
}

void pawl_map_deinit(struct pawl_map *map)
{
    pawl_mem_free(map->entries);
    pawl_mem_free(map->slots);
    pawl_map_init(map, map->seed[0]);
}

/* Of a number or an id: a mix of all of its bits. */
static uint32_t number_hash(struct pawl_bytes key)
{
    uint64_t number, rest = 0;
    memcpy(&number, key.data, sizeof number);
    if (key.size > sizeof number) memcpy(&rest, key.data + sizeof number, sizeof rest);
    number ^= rest << 32 | rest >> 32;
    number = (number ^ number >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ number >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(number >> 32);
}

static uint32_t map_hash(const struct pawl_map *map, struct pawl_bytes key)
{
    bool is_number = key.size == sizeof(uint64_t) || key.size == 2 * sizeof(uint64_t);
    if (map->seed[0] == 0 && is_number) return number_hash(key);
    return (uint32_t)pawl_hash_keyed((const uint8_t *)map->seed, key);
}

static bool entry_has_key(const struct pawl_map_entry *entry, uint32_t hash, struct pawl_bytes key)
{
    return entry->hash == hash && pawl_bytes_is_equal(entry->key, key);
}

/* The slot that holds the key or, when there is none, the free slot that ended
 * the search. At most half of the slots are used, so there always is one. */
static uint32_t map_probe(const struct pawl_map *map, uint32_t hash, struct pawl_bytes key)
{
    uint32_t mask = map->slots_count - 1;
    for (uint32_t slot = hash & mask;; slot = (slot + 1) & mask) {
        uint32_t content = map->slots[slot];
        if (content == SLOT_FREE) return slot;
        if (content == SLOT_REMOVED) continue;
        if (entry_has_key(&map->entries[content - 1], hash, key)) return slot;
    }
}

/* Close the holes and choose room for as many entries again as there are, so
 * that the cost of this is shared by that many inserts. Grows and shrinks. */
static void map_rebuild(struct pawl_map *map)
{
    PAWL_ASSERT(map->count <= UINT32_MAX / 8);
    uint32_t capacity = CAPACITY_MIN;
    while (capacity < 2 * map->count) capacity *= 2;

    uint32_t live = 0;
    for (uint32_t i = 0; i < map->entries_count; i++) {
        if (map->entries[i].value) map->entries[live++] = map->entries[i];
    }
    PAWL_ASSERT(live == map->count);
    map->entries = (struct pawl_map_entry *)pawl_mem_resize(
        map->entries, capacity * sizeof(struct pawl_map_entry));
    map->entries_capacity = capacity;
    map->entries_count = live;
    map->entries_first = 0;

    pawl_mem_free(map->slots);
    map->slots_count = 2 * capacity;
    map->slots = (uint32_t *)pawl_mem_alloc(map->slots_count * sizeof(uint32_t));
    map->slots_used = live;
    uint32_t mask = map->slots_count - 1;
    for (uint32_t i = 0; i < live; i++) {
        uint32_t slot = map->entries[i].hash & mask;
        while (map->slots[slot] != SLOT_FREE) slot = (slot + 1) & mask;
        map->slots[slot] = i + 1;
    }
}

void *pawl_map_find(const struct pawl_map *map, struct pawl_bytes key)
{
    if (map->count == 0) return NULL;
    uint32_t content = map->slots[map_probe(map, map_hash(map, key), key)];
    return content == SLOT_FREE ? NULL : map->entries[content - 1].value;
}

void pawl_map_insert(struct pawl_map *map, struct pawl_bytes key, void *value)
{
    PAWL_ASSERT(value != NULL);
    if (map->entries_count == map->entries_capacity) map_rebuild(map);
    uint32_t hash = map_hash(map, key);
    uint32_t slot = map_probe(map, hash, key);
    PAWL_ASSERT(map->slots[slot] == SLOT_FREE); /* the key is not in the map */

    map->entries[map->entries_count++] = (struct pawl_map_entry){ key, value, hash };
    map->slots[slot] = map->entries_count;
    map->slots_used++;
    map->count++;
}

void *pawl_map_remove(struct pawl_map *map, struct pawl_bytes key)
{
    if (map->count == 0) return NULL;
    uint32_t slot = map_probe(map, map_hash(map, key), key);
    uint32_t content = map->slots[slot];
    if (content == SLOT_FREE) return NULL;

    struct pawl_map_entry *entry = &map->entries[content - 1];
    void *value = entry->value;
    *entry = (struct pawl_map_entry){ .value = NULL };
    map->slots[slot] = SLOT_REMOVED;
    map->count--;
    /* Taking the oldest again and again must not walk over the same holes. */
    while (map->entries_first < map->entries_count && !map->entries[map->entries_first].value) {
        map->entries_first++;
    }
    return value;
}

void *pawl_map_next(const struct pawl_map *map, uint32_t *cursor)
{
    uint32_t index = *cursor > map->entries_first ? *cursor : map->entries_first;
    for (; index < map->entries_count; index++) {
        if (!map->entries[index].value) continue;
        *cursor = index + 1;
        return map->entries[index].value;
    }
    *cursor = index;
    return NULL;
}
