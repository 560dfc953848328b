/* Rows of the reference store as they are, for the audit. Pages go by key: the cursor is
 * the key of the last row. */
#include "base/assert.h"
#include "base/bytes.h"
#include "state/keys.h"
#include "state/mem_rows.h"

#define ITEM(node, type, member) PAWL_CONTAINER_OF(node, struct type, member)

static void inspect_partition(const struct pawl_mem_partition *partition, struct pawl_arena *arena,
                              struct pawl_stored_partition *stored)
{
    stored->epoch = partition->epoch;
    if (partition->epoch) {
        stored->owner = pawl_arena_copy(arena, partition->owner);
        stored->table_version = partition->table_version;
        stored->since_ms = partition->since_ms;
    }
    for (int i = 0; i < PAWL_STATUS_COUNT; i++) stored->counts[i] = (int64_t)partition->counts[i];
    stored->has_tally = true;
    for (struct pawl_tree_node *node = pawl_tree_first(&partition->instances); node;
         node = pawl_tree_next(node))
        stored->tally[ITEM(node, pawl_mem_instance, by_id)->metadata.status]++;
    stored->instances = partition->instances.count;
    stored->reminders = partition->due.count;
    stored->messages = partition->outbox.count;
    stored->quarantined = partition->quarantine.count;
    struct pawl_tree_node *first = pawl_tree_first(&partition->due);
    if (first) stored->first_due_ms = ITEM(first, pawl_mem_reminder, by_due)->row.due_ms;
}

/* One instance ----------------------------------------------------------------- */

static bool has_reminder(const struct pawl_mem_partition *partition, struct pawl_arena *arena,
                         const struct pawl_mem_instance *instance,
                         const struct pawl_pending *pending)
{
    struct pawl_reminder reminder = { .kind = (enum pawl_reminder_kind)pending->op.kind,
                                      .instance = instance->id,
                                      .inc = instance->metadata.inc,
                                      .gen = instance->metadata.gen,
                                      .op = pending->op,
                                      .nonce = pending->nonce };
    return pawl_mem_reminder_find(partition, pawl_reminder_format(arena, &reminder)) != NULL;
}

static void inspect_pending(const struct pawl_mem_partition *partition,
                            const struct pawl_mem_instance *instance, struct pawl_arena *arena,
                            struct pawl_stored_instance *stored)
{
    stored->pending = PAWL_ARENA_ARRAY(arena, struct pawl_stored_pending, instance->pending.count);
    for (struct pawl_tree_node *node = pawl_tree_first(&instance->pending); node;
         node = pawl_tree_next(node)) {
        const struct pawl_pending *row = &ITEM(node, pawl_mem_pending, node)->row;
        stored->pending[stored->pending_count++] = (struct pawl_stored_pending){
            .row = *row,
            .name = pawl_op_format(arena, row->op),
            .has_reminder = has_reminder(partition, arena, instance, row),
        };
    }
}

static void inspect_history(const struct pawl_mem_instance *instance,
                            const struct pawl_inspect *inspect, struct pawl_arena *arena,
                            struct pawl_stored_instance *stored)
{
    stored->history_from = inspect->history_from;
    uint32_t count = instance->metadata.history_count;
    if (inspect->history_from >= count) return;
    count -= inspect->history_from;
    if (count > inspect->limit) count = inspect->limit;
    stored->history = PAWL_ARENA_ARRAY(arena, struct pawl_bytes, count);
    size_t size = 0;
    while (stored->history_count < count && size < inspect->size_max) {
        struct pawl_bytes event = instance->history[inspect->history_from + stored->history_count];
        stored->history[stored->history_count++] = pawl_arena_copy(arena, event);
        size += event.size;
    }
}

static void inspect_inbox(const struct pawl_mem_instance *instance,
                          const struct pawl_inspect *inspect, struct pawl_arena *arena,
                          struct pawl_stored_instance *stored)
{
    const struct pawl_metadata *metadata = &instance->metadata;
    stored->inbox_from =
        inspect->inbox_from > metadata->inbox_head ? inspect->inbox_from : metadata->inbox_head;
    if (stored->inbox_from >= metadata->inbox_tail) return;
    uint32_t count = metadata->inbox_tail - stored->inbox_from;
    if (count > inspect->limit) count = inspect->limit;
    stored->inbox = PAWL_ARENA_ARRAY(arena, struct pawl_stored_inbox, count);
    size_t size = 0;
    while (stored->inbox_count < count && size < inspect->size_max) {
        struct pawl_inbox_row row =
            *pawl_mem_inbox_at(instance, stored->inbox_from + stored->inbox_count);
        row.body = pawl_arena_copy(arena, row.body);
        stored->inbox[stored->inbox_count++] = (struct pawl_stored_inbox){ .row = row };
        size += sizeof row.delivery.bytes + row.body.size;
    }
}

static void inspect_instance(const struct pawl_mem_partition *partition,
                             const struct pawl_inspect *inspect, struct pawl_arena *arena,
                             struct pawl_stored_instance *stored)
{
    const struct pawl_mem_instance *instance = pawl_mem_instance_find(partition, inspect->instance);
    if (!instance) return;
    stored->is_indexed = true; /* both indexes are one record here */
    stored->indexed_ms = instance->metadata.created_ms;
    stored->is_there = true;
    pawl_mem_metadata_copy(arena, &instance->metadata, &stored->metadata);
    stored->custom_status = pawl_arena_copy(arena, instance->custom_status);
    struct pawl_reminder wake = pawl_mem_wake(instance, 0);
    const struct pawl_mem_reminder *found =
        pawl_mem_reminder_find(partition, pawl_reminder_format(arena, &wake));
    stored->has_wake = found != NULL;
    if (found) stored->wake_ms = found->row.due_ms;
    stored->seen_count = instance->seen_by_id.count;
    inspect_pending(partition, instance, arena, stored);
    inspect_history(instance, inspect, arena, stored);
    inspect_inbox(instance, inspect, arena, stored);
}

/* Lists ------------------------------------------------------------------------ */

/* Where a page begins: behind the probe's key, or at the start. */
static struct pawl_tree_node *page_first(const struct pawl_tree *tree,
                                         const struct pawl_inspect *inspect,
                                         const struct pawl_tree_node *probe)
{
    if (pawl_bytes_is_absent(inspect->cursor)) return pawl_tree_first(tree);
    struct pawl_tree_node *at = pawl_tree_lower(tree, probe);
    if (at && tree->compare(at, probe) == 0) at = pawl_tree_next(at);
    return at;
}

static uint32_t page_size(const struct pawl_tree *tree, const struct pawl_inspect *inspect)
{
    return inspect->limit < tree->count ? inspect->limit : tree->count;
}

static void inspect_instances(const struct pawl_mem_partition *partition,
                              const struct pawl_inspect *inspect, struct pawl_arena *arena,
                              struct pawl_inspected *reply)
{
    struct pawl_mem_instance probe = { .id = inspect->cursor };
    struct pawl_tree_node *node = page_first(&partition->instances, inspect, &probe.by_id);
    uint32_t limit = page_size(&partition->instances, inspect);
    reply->names = PAWL_ARENA_ARRAY(arena, struct pawl_bytes, limit);
    for (; node && reply->count < limit; node = pawl_tree_next(node))
        reply->names[reply->count++] =
            pawl_arena_copy(arena, ITEM(node, pawl_mem_instance, by_id)->id);
    if (node && reply->count) reply->cursor = reply->names[reply->count - 1];
}

static enum pawl_reminder_target target_of(const struct pawl_mem_partition *partition,
                                           const struct pawl_reminder *reminder)
{
    if (reminder->kind == PAWL_REMINDER_OUTBOX)
        return pawl_mem_message_find(partition, reminder->message) ? PAWL_TARGET_THERE
                                                                   : PAWL_TARGET_NO_MESSAGE;
    const struct pawl_mem_instance *instance =
        pawl_mem_instance_find(partition, reminder->instance);
    if (!instance) return PAWL_TARGET_NO_INSTANCE;
    const struct pawl_mem_pending *pending = pawl_mem_pending_find(instance, reminder->op);
    return pawl_reminder_target(reminder, &instance->metadata, pending ? &pending->row : NULL);
}

static void inspect_reminders(const struct pawl_mem_partition *partition,
                              const struct pawl_tree *tree, const struct pawl_inspect *inspect,
                              struct pawl_arena *arena, struct pawl_inspected *reply)
{
    struct pawl_mem_reminder probe = { .member = inspect->cursor };
    struct pawl_tree_node *node = page_first(tree, inspect, &probe.by_member);
    uint32_t limit = page_size(tree, inspect);
    reply->reminders = PAWL_ARENA_ARRAY(arena, struct pawl_stored_reminder, limit);
    for (; node && reply->count < limit; node = pawl_tree_next(node)) {
        const struct pawl_mem_reminder *found = ITEM(node, pawl_mem_reminder, by_member);
        struct pawl_stored_reminder *stored = &reply->reminders[reply->count++];
        *stored = (struct pawl_stored_reminder){ .member = pawl_arena_copy(arena, found->member),
                                                 .is_unreadable = found->is_unreadable };
        pawl_err err = pawl_reminder_parse(stored->member, &stored->row);
        PAWL_ASSERT((err == PAWL_OK) == !found->is_unreadable);
        stored->row.due_ms = found->row.due_ms;
        if (!err) stored->target = target_of(partition, &stored->row);
    }
    if (node && reply->count) reply->cursor = reply->reminders[reply->count - 1].member;
}

static void inspect_outbox(const struct pawl_mem_partition *partition,
                           const struct pawl_inspect *inspect, struct pawl_arena *arena,
                           struct pawl_inspected *reply)
{
    struct pawl_mem_message probe = { .row = { .body = PAWL_BYTES_ABSENT } };
    if (inspect->cursor.size == sizeof probe.row.id)
        memcpy(probe.row.id.bytes, inspect->cursor.data, sizeof probe.row.id);
    struct pawl_tree_node *node = page_first(&partition->outbox, inspect, &probe.node);
    uint32_t limit = page_size(&partition->outbox, inspect);
    reply->messages = PAWL_ARENA_ARRAY(arena, struct pawl_stored_message, limit);
    for (; node && reply->count < limit; node = pawl_tree_next(node)) {
        const struct pawl_message_row *row = &ITEM(node, pawl_mem_message, node)->row;
        struct pawl_reminder reminder = { .kind = PAWL_REMINDER_OUTBOX, .message = row->id };
        const struct pawl_mem_reminder *found =
            pawl_mem_reminder_find(partition, pawl_reminder_format(arena, &reminder));
        reply->messages[reply->count++] = (struct pawl_stored_message){
            .row = { .id = row->id, .body = pawl_arena_copy(arena, row->body) },
            .has_reminder = found != NULL,
            .due_ms = found ? found->row.due_ms : 0,
        };
    }
    if (!node || !reply->count) return;
    const struct pawl_id *last = &reply->messages[reply->count - 1].row.id;
    reply->cursor = pawl_bytes_make(last->bytes, sizeof last->bytes);
}

void pawl_mem_inspect(const struct pawl_mem_partition *partition,
                      const struct pawl_inspect *inspect, struct pawl_arena *arena,
                      struct pawl_store_reply *reply)
{
    struct pawl_inspected *inspected = PAWL_ARENA_NEW(arena, struct pawl_inspected);
    *inspected = (struct pawl_inspected){ .what = inspect->what };
    reply->inspect = inspected;
    switch (inspect->what) {
    case PAWL_INSPECT_PARTITION: inspect_partition(partition, arena, &inspected->partition); return;
    case PAWL_INSPECT_INSTANCES: inspect_instances(partition, inspect, arena, inspected); return;
    case PAWL_INSPECT_INSTANCE:
        inspect_instance(partition, inspect, arena, &inspected->instance);
        return;
    case PAWL_INSPECT_REMINDERS:
        inspect_reminders(partition, &partition->members, inspect, arena, inspected);
        return;
    case PAWL_INSPECT_OUTBOX: inspect_outbox(partition, inspect, arena, inspected); return;
    case PAWL_INSPECT_QUARANTINE:
        inspect_reminders(partition, &partition->quarantine, inspect, arena, inspected);
        return;
    case PAWL_INSPECT_STRAYS: return; /* rows cannot be without their instance here */
    case PAWL_INSPECT_END: break;
    }
    PAWL_UNREACHABLE("every kind of row can be inspected");
}
