#include "state/mem_rows.h"

#include "base/mutant.h"

#include "base/bytes.h"
#include "state/keys.h"

/* Load ------------------------------------------------------------------------- */

void pawl_mem_metadata_copy(struct pawl_arena *arena, const struct pawl_metadata *metadata,
                            struct pawl_metadata *ret_metadata)
{
    *ret_metadata = *metadata;
    ret_metadata->name = pawl_arena_copy(arena, metadata->name);
    ret_metadata->version = pawl_arena_copy(arena, metadata->version);
    ret_metadata->request_id = pawl_arena_copy(arena, metadata->request_id);
    ret_metadata->parent = pawl_arena_copy(arena, metadata->parent);
}

static void pending_copy(const struct pawl_mem_instance *instance, struct pawl_arena *arena,
                         struct pawl_snapshot *snapshot)
{
    snapshot->pending = PAWL_ARENA_ARRAY(arena, struct pawl_pending, instance->pending.count);
    for (const struct pawl_tree_node *node = pawl_tree_first(&instance->pending); node;
         node = pawl_tree_next(node)) {
        struct pawl_pending *pending = &snapshot->pending[snapshot->pending_count++];
        *pending = PAWL_CONTAINER_OF(node, struct pawl_mem_pending, node)->row;
        if (pending->history_index < instance->metadata.history_count)
            pending->event = pawl_arena_copy(arena, instance->history[pending->history_index]);
    }
}

static void inbox_copy(const struct pawl_mem_instance *instance, struct pawl_arena *arena,
                       struct pawl_snapshot *snapshot)
{
    const struct pawl_metadata *metadata = &instance->metadata;
    snapshot->inbox_count = metadata->inbox_tail - metadata->inbox_head;
    snapshot->inbox = PAWL_ARENA_ARRAY(arena, struct pawl_inbox_row, snapshot->inbox_count);
    for (uint32_t i = 0; i < snapshot->inbox_count; i++) {
        snapshot->inbox[i] = *pawl_mem_inbox_at(instance, metadata->inbox_head + i);
        snapshot->inbox[i].body = pawl_arena_copy(arena, snapshot->inbox[i].body);
    }
}

static void history_copy(const struct pawl_mem_instance *instance, const struct pawl_load *load,
                         struct pawl_arena *arena, struct pawl_snapshot *snapshot)
{
    snapshot->history_from = load->history_from;
    if (load->gen != 0 && load->gen != instance->metadata.gen) return;
    if (load->history_from >= instance->metadata.history_count) return;

    uint32_t count = instance->metadata.history_count - load->history_from;
    if (count > load->history_max) count = load->history_max;
    snapshot->history = PAWL_ARENA_ARRAY(arena, struct pawl_bytes, count);
    size_t size = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct pawl_bytes event = instance->history[load->history_from + i];
        snapshot->history[snapshot->history_count++] = pawl_arena_copy(arena, event);
        size += event.size;
        if (size >= load->history_size_max) return;
    }
}

void pawl_mem_snapshot(const struct pawl_mem_instance *instance, const struct pawl_load *load,
                       struct pawl_arena *arena, struct pawl_snapshot *ret_snapshot)
{
    pawl_mem_metadata_copy(arena, &instance->metadata, &ret_snapshot->metadata);
    ret_snapshot->custom_status = pawl_arena_copy(arena, instance->custom_status);
    if (load->want & PAWL_LOAD_PENDING) pending_copy(instance, arena, ret_snapshot);
    if (load->want & PAWL_LOAD_INBOX) inbox_copy(instance, arena, ret_snapshot);
    if (load->want & PAWL_LOAD_HISTORY) history_copy(instance, load, arena, ret_snapshot);
    if (load->want & PAWL_LOAD_PAYLOADS) {
        ret_snapshot->payloads.input = pawl_arena_copy(arena, instance->payloads.input);
        ret_snapshot->payloads.output = pawl_arena_copy(arena, instance->payloads.output);
        ret_snapshot->payloads.failure = pawl_arena_copy(arena, instance->payloads.failure);
    }
}

void pawl_mem_load(const struct pawl_mem_partition *partition, const struct pawl_load *load,
                   struct pawl_arena *arena, struct pawl_store_reply *reply)
{
    if ((load->want & PAWL_LOAD_FENCED) && !pawl_mem_fence_holds(partition, &load->fence)) {
        reply->err = PAWL_E_FENCED;
        return;
    }
    const struct pawl_mem_instance *instance = pawl_mem_instance_find(partition, load->instance);
    if (!instance) {
        reply->err = PAWL_E_NOT_FOUND;
        return;
    }
    pawl_mem_snapshot(instance, load, arena, &reply->load.snapshot);
}

/* Poll ------------------------------------------------------------------------- */

static struct pawl_mem_reminder *reminder_of(struct pawl_tree_node *node)
{
    return PAWL_CONTAINER_OF(node, struct pawl_mem_reminder, by_due);
}

/* The rows to look at, before any of them moves. Returns their count. */
static uint32_t due_pick(const struct pawl_mem_partition *partition, const struct pawl_poll *poll,
                         struct pawl_arena *arena, struct pawl_mem_reminder ***ret_picked)
{
    int64_t until_ms = poll->until_ms > poll->now_ms ? poll->until_ms : poll->now_ms;
    uint32_t count_max = poll->max < partition->due.count ? poll->max : partition->due.count;
    *ret_picked = PAWL_ARENA_ARRAY(arena, struct pawl_mem_reminder *, count_max);

    uint32_t skip = poll->skip, count = 0;
    for (struct pawl_tree_node *node = pawl_tree_first(&partition->due); node;
         node = pawl_tree_next(node)) {
        if (count == count_max || reminder_of(node)->row.due_ms > until_ms) break;
        if (skip > 0)
            skip--;
        else
            (*ret_picked)[count++] = reminder_of(node);
    }
    return count;
}

static void reminder_take(struct pawl_mem_partition *partition, const struct pawl_poll *poll,
                          struct pawl_mem_reminder *reminder, struct pawl_arena *arena,
                          struct pawl_store_reply *reply)
{
    const struct pawl_reminder *row = &reminder->row;
    if (reminder->is_unreadable) {
        reply->poll.unreadable++;
        pawl_mem_reminder_quarantine(partition, reminder);
        return;
    }
    if (row->kind == PAWL_REMINDER_TIMER && row->due_ms > poll->now_ms) {
        reply->poll.skipped++;
        return;
    }
    struct pawl_poll_item item = { .reminder = *row };
    item.reminder.instance = pawl_arena_copy(arena, row->instance);
    if (row->kind == PAWL_REMINDER_OUTBOX) {
        const struct pawl_mem_message *message = pawl_mem_message_find(partition, row->message);
        if (!message) {
            pawl_mem_reminder_free(partition, reminder);
            return;
        }
        item.body = pawl_arena_copy(arena, message->row.body);
    }
    reply->poll.items[reply->poll.items_count++] = item;
    if (PAWL_MUTANT(POLL_FORGETS)) {
        pawl_mem_reminder_free(partition, reminder);
        return;
    }
    pawl_mem_reminder_move(partition, reminder, poll->now_ms + pawl_reminder_lease_ms(row->kind));
}

void pawl_mem_poll(struct pawl_mem_partition *partition, const struct pawl_poll *poll,
                   struct pawl_arena *arena, struct pawl_store_reply *reply)
{
    if (!pawl_mem_fence_holds(partition, &poll->fence)) {
        reply->err = PAWL_E_FENCED;
        return;
    }
    struct pawl_mem_reminder **picked;
    uint32_t count = due_pick(partition, poll, arena, &picked);
    reply->poll.items = PAWL_ARENA_ARRAY(arena, struct pawl_poll_item, count);
    for (uint32_t i = 0; i < count; i++) reminder_take(partition, poll, picked[i], arena, reply);

    struct pawl_tree_node *first = pawl_tree_first(&partition->due);
    if (first) reply->poll.next_due_ms = reminder_of(first)->row.due_ms;
    memcpy(reply->poll.counts, partition->counts, sizeof partition->counts);
}

/* Query ------------------------------------------------------------------------ */

static bool query_matches(const struct pawl_query *query, const struct pawl_mem_instance *instance)
{
    const struct pawl_metadata *metadata = &instance->metadata;
    if (query->status_mask && !(query->status_mask & UINT32_C(1) << metadata->status)) return false;
    if (!pawl_bytes_is_absent(query->name) && !pawl_bytes_is_equal(query->name, metadata->name))
        return false;
    return pawl_bytes_starts_with(instance->id, query->prefix);
}

/* Where the scan begins: behind `before`, and not above the created range. */
static const struct pawl_mem_instance *query_first(const struct pawl_mem_partition *partition,
                                                   const struct pawl_query *query)
{
    bool has_before = !pawl_bytes_is_absent(query->before_instance);
    bool has_to = query->created_to_ms != 0;
    if (has_before && (!has_to || query->before_created_ms < query->created_to_ms))
        return pawl_mem_instance_older(partition, query->before_created_ms, query->before_instance);
    if (has_to)
        return pawl_mem_instance_older(partition, query->created_to_ms, PAWL_BYTES_LITERAL(""));
    struct pawl_tree_node *last = pawl_tree_last(&partition->created);
    return last ? PAWL_CONTAINER_OF(last, struct pawl_mem_instance, by_created) : NULL;
}

static const struct pawl_mem_instance *query_next(const struct pawl_mem_instance *instance)
{
    struct pawl_tree_node *prev = pawl_tree_prev(&instance->by_created);
    return prev ? PAWL_CONTAINER_OF(prev, struct pawl_mem_instance, by_created) : NULL;
}

static void query_row_add(const struct pawl_mem_instance *instance, struct pawl_arena *arena,
                          struct pawl_store_reply *reply)
{
    struct pawl_query_row *row = &reply->query.rows[reply->query.rows_count++];
    row->instance = pawl_arena_copy(arena, instance->id);
    row->custom_status = pawl_arena_copy(arena, instance->custom_status);
    pawl_mem_metadata_copy(arena, &instance->metadata, &row->metadata);
}

void pawl_mem_query(const struct pawl_mem_partition *partition, const struct pawl_query *query,
                    struct pawl_arena *arena, struct pawl_store_reply *reply)
{
    uint32_t rows_max =
        query->limit < partition->created.count ? query->limit : partition->created.count;
    reply->query.rows = PAWL_ARENA_ARRAY(arena, struct pawl_query_row, rows_max);

    const struct pawl_mem_instance *scanned = NULL;
    uint32_t scanned_count = 0;
    const struct pawl_mem_instance *instance = query_first(partition, query);
    while (instance && instance->metadata.created_ms >= query->created_from_ms) {
        if (reply->query.rows_count == query->limit || scanned_count == query->scan_max) break;
        if (query_matches(query, instance)) query_row_add(instance, arena, reply);
        scanned = instance;
        scanned_count++;
        instance = query_next(instance);
    }
    bool is_at_end = !instance || instance->metadata.created_ms < query->created_from_ms;
    if (is_at_end || !scanned) return;
    reply->query.more = true;
    reply->query.scanned_created_ms = scanned->metadata.created_ms;
    reply->query.scanned_instance = pawl_arena_copy(arena, scanned->id);
}
