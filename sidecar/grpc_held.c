#include "sidecar/grpc_held.h"

#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"

struct entry {
    struct pawl_list link;
    struct pawl_grpc_past past;
    struct pawl_bytes instance; /* behind the struct */
};

void pawl_grpc_held_init(struct pawl_grpc_held *held, uint64_t seed)
{
    pawl_map_init(&held->by_instance, seed);
    pawl_list_init(&held->oldest_first);
}

static void entry_free(struct pawl_grpc_held *held, struct entry *entry)
{
    pawl_map_remove(&held->by_instance, entry->instance);
    pawl_list_remove(&entry->link);
    pawl_mem_free(entry);
}

static struct entry *oldest(struct pawl_grpc_held *held)
{
    return PAWL_CONTAINER_OF(held->oldest_first.next, struct entry, link);
}

void pawl_grpc_held_deinit(struct pawl_grpc_held *held)
{
    while (!pawl_list_is_empty(&held->oldest_first)) entry_free(held, oldest(held));
    pawl_map_deinit(&held->by_instance);
}

const struct pawl_grpc_past *pawl_grpc_held_find(const struct pawl_grpc_held *held,
                                                 struct pawl_bytes instance, struct pawl_id inc,
                                                 uint32_t gen)
{
    const struct entry *entry = pawl_map_find(&held->by_instance, instance);
    if (!entry || entry->past.gen != gen || !pawl_id_is_equal(entry->past.inc, inc)) return NULL;
    return &entry->past;
}

void pawl_grpc_held_set(struct pawl_grpc_held *held, struct pawl_bytes instance,
                        const struct pawl_grpc_past *past)
{
    pawl_grpc_held_remove(held, instance);
    if (held->by_instance.count == PAWL_GRPC_HELD_MAX) entry_free(held, oldest(held));
    struct entry *entry = pawl_mem_alloc(sizeof *entry + instance.size);
    memcpy(entry + 1, instance.data, instance.size);
    entry->instance = pawl_bytes_make(entry + 1, instance.size);
    entry->past = *past;
    pawl_map_insert(&held->by_instance, entry->instance, entry);
    pawl_list_push_tail(&held->oldest_first, &entry->link);
}

void pawl_grpc_held_remove(struct pawl_grpc_held *held, struct pawl_bytes instance)
{
    struct entry *entry = pawl_map_find(&held->by_instance, instance);
    if (entry) entry_free(held, entry);
}
