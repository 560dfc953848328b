/* The change log of the reference store. */
#include "base/bytes.h"
#include "base/mem.h"
#include "state/mem_rows.h"

static struct pawl_mem_change *change_of(struct pawl_list *link)
{
    return PAWL_CONTAINER_OF(link, struct pawl_mem_change, link);
}

static void change_free(struct pawl_mem_partition *partition, struct pawl_mem_change *change)
{
    pawl_list_remove(&change->link);
    partition->changes_count--;
    pawl_mem_bytes_free(&change->row.instance);
    pawl_mem_bytes_free(&change->row.name);
    pawl_mem_bytes_free(&change->row.custom_status);
    pawl_mem_free(change);
}

void pawl_mem_changes_clear(struct pawl_mem_partition *partition)
{
    while (!pawl_list_is_empty(&partition->changes))
        change_free(partition, change_of(partition->changes.next));
}

void pawl_mem_change_add(struct pawl_mem_partition *partition, uint32_t max, uint32_t what,
                         const struct pawl_mem_instance *instance, int64_t at_ms)
{
    if (max == 0) return;
    bool has_custom = what & PAWL_CHANGE_CUSTOM_STATUS;
    if (has_custom && instance->custom_status.size > PAWL_CHANGE_CUSTOM_SIZE_MAX) {
        has_custom = false;
        what |= PAWL_CHANGE_CUSTOM_OMITTED;
    }
    struct pawl_mem_change *change = PAWL_NEW(struct pawl_mem_change);
    change->row = (struct pawl_change){
        .number = ++partition->changes_last,
        .at_ms = at_ms,
        .what = what,
        .status = instance->metadata.status,
        .gen = instance->metadata.gen,
        .turn = instance->metadata.turn,
        .inc = instance->metadata.inc,
        .instance = pawl_mem_bytes_copy(instance->id),
        .name = pawl_mem_bytes_copy(instance->metadata.name),
        .custom_status =
            has_custom ? pawl_mem_bytes_copy(instance->custom_status) : PAWL_BYTES_ABSENT,
    };
    pawl_list_push_tail(&partition->changes, &change->link);
    partition->changes_count++;
    while (partition->changes_count > max)
        change_free(partition, change_of(partition->changes.next));
}

static void change_copy(struct pawl_arena *arena, const struct pawl_change *row,
                        struct pawl_change *ret_copy)
{
    *ret_copy = *row;
    ret_copy->instance = pawl_arena_copy(arena, row->instance);
    ret_copy->name = pawl_arena_copy(arena, row->name);
    ret_copy->custom_status = pawl_arena_copy(arena, row->custom_status);
}

void pawl_mem_changes(const struct pawl_mem_partition *partition,
                      const struct pawl_changes *changes, struct pawl_arena *arena,
                      struct pawl_store_reply *reply)
{
    uint64_t last = partition->changes_last;
    uint32_t kept =
        partition->changes_count < changes->keep ? partition->changes_count : changes->keep;
    uint64_t first = last - kept + 1;
    uint64_t from = changes->after + 1 > first ? changes->after + 1 : first;
    reply->changes.first = first;
    reply->changes.last = last;
    if (changes->after >= last || from > last || changes->max == 0) return;

    uint64_t count = last - from + 1 < changes->max ? last - from + 1 : changes->max;
    reply->changes.items = PAWL_ARENA_ARRAY(arena, struct pawl_change, (uint32_t)count);
    /* Readers are near the end. */
    struct pawl_list *link = partition->changes.prev;
    while (change_of(link)->row.number > from) link = link->prev;
    for (; reply->changes.count < count; link = link->next)
        change_copy(arena, &change_of(link)->row, &reply->changes.items[reply->changes.count++]);
}
