#include "sidecar/grpc_items.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"

/* The items about one thing. There is more than one when the engine gave up on the first,
 * as it does when an instance is suspended while it runs. */
struct queue {
    struct pawl_bytes key; /* behind the struct */
    struct pawl_list items;
};

static struct pawl_bytes id_key(const struct pawl_id *id)
{
    return pawl_bytes_make(id->bytes, sizeof id->bytes);
}

/* The task, then the instance. */
#define KEY_SIZE_MAX (sizeof(int32_t) + PAWL_INSTANCE_ID_SIZE_MAX)

static struct pawl_bytes about_key(uint8_t room[KEY_SIZE_MAX], struct pawl_bytes instance,
                                   int32_t task)
{
    PAWL_ASSERT(instance.size <= PAWL_INSTANCE_ID_SIZE_MAX);
    memcpy(room, &task, sizeof task);
    if (instance.size) memcpy(room + sizeof task, instance.data, instance.size);
    return pawl_bytes_make(room, sizeof task + instance.size);
}

void pawl_grpc_items_init(struct pawl_grpc_items *items, uint64_t seed)
{
    pawl_map_init(&items->by_id, 0);
    pawl_map_init(&items->by_key, seed);
}

void pawl_grpc_items_deinit(struct pawl_grpc_items *items)
{
    PAWL_ASSERT(items->by_id.count == 0 && items->by_key.count == 0);
    pawl_map_deinit(&items->by_id);
    pawl_map_deinit(&items->by_key);
}

static struct queue *queue_of(struct pawl_grpc_items *items, struct pawl_bytes key)
{
    struct queue *queue = pawl_map_find(&items->by_key, key);
    if (queue) return queue;
    queue = pawl_mem_alloc(sizeof *queue + key.size);
    memcpy(queue + 1, key.data, key.size);
    queue->key = pawl_bytes_make(queue + 1, key.size);
    pawl_list_init(&queue->items);
    pawl_map_insert(&items->by_key, queue->key, queue);
    return queue;
}

struct pawl_grpc_item *pawl_grpc_item_new(struct pawl_grpc_items *items, uint64_t worker,
                                          struct pawl_id id, struct pawl_bytes instance,
                                          int32_t task)
{
    uint8_t room[KEY_SIZE_MAX];
    struct pawl_grpc_item *item = pawl_mem_alloc(sizeof *item + instance.size);
    item->worker = worker;
    item->id = id;
    memcpy(item + 1, instance.data, instance.size);
    item->instance = pawl_bytes_make(item + 1, instance.size);
    item->task = task;
    pawl_buf_init(&item->parts, PAWL_GRPC_MESSAGE_IN_SIZE_MAX);
    pawl_map_insert(&items->by_id, id_key(&item->id), item);
    pawl_list_push_tail(&queue_of(items, about_key(room, instance, task))->items, &item->of_key);
    return item;
}

void pawl_grpc_item_free(struct pawl_grpc_items *items, struct pawl_grpc_item *item)
{
    uint8_t room[KEY_SIZE_MAX];
    struct queue *queue =
        pawl_map_find(&items->by_key, about_key(room, item->instance, item->task));
    PAWL_ASSERT(queue != NULL);
    pawl_list_remove(&item->of_key);
    if (pawl_list_is_empty(&queue->items)) {
        pawl_map_remove(&items->by_key, queue->key);
        pawl_mem_free(queue);
    }
    pawl_map_remove(&items->by_id, id_key(&item->id));
    if (pawl_list_is_linked(&item->of_stream)) pawl_list_remove(&item->of_stream);
    pawl_buf_deinit(&item->parts);
    pawl_mem_free((void *)(uintptr_t)item->patches.data);
    pawl_mem_free((void *)(uintptr_t)item->trace.data);
    pawl_mem_free(item);
}

struct pawl_grpc_item *pawl_grpc_item_find(const struct pawl_grpc_items *items,
                                           struct pawl_bytes token, struct pawl_bytes instance,
                                           int32_t task)
{
    uint8_t room[KEY_SIZE_MAX];
    struct pawl_id id;
    if (token.size > 0)
        return pawl_id_parse(token, &id) ? pawl_map_find(&items->by_id, id_key(&id)) : NULL;
    if (instance.size > PAWL_INSTANCE_ID_SIZE_MAX) return NULL;
    const struct queue *queue = pawl_map_find(&items->by_key, about_key(room, instance, task));
    if (!queue) return NULL;
    return PAWL_CONTAINER_OF(queue->items.next, struct pawl_grpc_item, of_key);
}
