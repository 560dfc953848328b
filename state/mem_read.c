#include "state/mem_rows.h"

#include <stdlib.h>

#include "base/mutant.h"

#include "base/bytes.h"
#include "state/keys.h"
#include "state/query.h"

/* Load ------------------------------------------------------------------------- */

void pawl_mem_metadata_copy(struct pawl_arena *arena, const struct pawl_metadata *metadata,
                            struct pawl_metadata *ret_metadata)
{
    *ret_metadata = *metadata;
    ret_metadata->name = pawl_arena_copy(arena, metadata->name);
    ret_metadata->version = pawl_arena_copy(arena, metadata->version);
    ret_metadata->request_id = pawl_arena_copy(arena, metadata->request_id);
    ret_metadata->parent = pawl_arena_copy(arena, metadata->parent);
    ret_metadata->tags = pawl_arena_copy(arena, metadata->tags);
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
    if (load->want & PAWL_LOAD_PENDING) {
        pending_copy(instance, arena, ret_snapshot);
        ret_snapshot->attempts = pawl_arena_copy(arena, instance->attempts);
    }
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

static struct pawl_tree_node *due_from(const struct pawl_mem_partition *partition, int64_t from_ms)
{
    if (from_ms == 0) return pawl_tree_first(&partition->due);
    struct pawl_mem_reminder probe = { .row.due_ms = from_ms };
    return pawl_tree_lower(&partition->due, &probe.by_due);
}

/* The rows to look at, before any of them moves. Returns their count. */
static uint32_t due_pick(const struct pawl_mem_partition *partition, const struct pawl_poll *poll,
                         struct pawl_arena *arena, struct pawl_mem_reminder ***ret_picked)
{
    int64_t until_ms = poll->until_ms > poll->now_ms ? poll->until_ms : poll->now_ms;
    uint32_t count_max = poll->max < partition->due.count ? poll->max : partition->due.count;
    *ret_picked = PAWL_ARENA_ARRAY(arena, struct pawl_mem_reminder *, count_max);

    uint32_t skip = poll->skip, count = 0;
    for (struct pawl_tree_node *node = due_from(partition, poll->from_ms); node;
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
        reply->poll.skipped_until_ms = row->due_ms;
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
    pawl_mem_reminder_move(partition, reminder, pawl_poll_leased_until_ms(poll, row->kind));
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

/* Query: the rows of the index, sorted, then looked at one by one. The others have a
 * real index; here it is enough to find the same. --------------------------------------- */

static struct pawl_query_row row_view(const struct pawl_mem_instance *instance)
{
    return (struct pawl_query_row){ .instance = instance->id,
                                    .metadata = instance->metadata,
                                    .custom_status = instance->custom_status };
}

/* What the order's index holds of the query, and no more. */
static bool index_holds(const struct pawl_query *query, const struct pawl_query_facet *facet,
                        const struct pawl_mem_instance *instance)
{
    struct pawl_query_range range = pawl_query_range_of(query);
    int64_t key = pawl_query_key(query, &instance->metadata);
    if (query->order == PAWL_QUERY_ID) return pawl_bytes_starts_with(instance->id, query->prefix);
    if (!(pawl_query_mask(query) & UINT32_C(1) << instance->metadata.status)) return false;
    if (key < range.from_ms || key >= range.to_ms) return false;
    switch (facet->kind) {
    case PAWL_FACET_NONE: return true;
    case PAWL_FACET_NAME: return pawl_bytes_is_equal(query->name, instance->metadata.name);
    case PAWL_FACET_TAG: break;
    }
    struct pawl_tags tags;
    if (pawl_tags_unpack(instance->metadata.tags, &tags) != PAWL_OK) return false;
    for (uint32_t i = 0; i < tags.count; i++)
        if (pawl_bytes_is_equal(tags.items[i].key, facet->tag.key)
            && pawl_bytes_is_equal(tags.items[i].value, facet->tag.value))
            return true;
    return false;
}

/* Descending by key, then by id. */
static int index_order(int64_t key, struct pawl_bytes id, int64_t other_key,
                       struct pawl_bytes other_id)
{
    if (key != other_key) return key > other_key ? -1 : 1;
    return pawl_bytes_compare(other_id, id);
}

static int by_created(const void *a, const void *b)
{
    const struct pawl_query_row *x = a, *y = b;
    return index_order(x->metadata.created_ms, x->instance, y->metadata.created_ms, y->instance);
}

static int by_completed(const void *a, const void *b)
{
    const struct pawl_query_row *x = a, *y = b;
    return index_order(x->metadata.completed_ms, x->instance, y->metadata.completed_ms,
                       y->instance);
}

static int by_id(const void *a, const void *b)
{
    const struct pawl_query_row *x = a, *y = b;
    return pawl_bytes_compare(y->instance, x->instance);
}

static bool is_behind(const struct pawl_query *query, const struct pawl_mem_instance *instance)
{
    if (pawl_bytes_is_absent(query->before_instance)) return true;
    int64_t before = query->order == PAWL_QUERY_ID ? 0 : query->before_ms;
    return index_order(before, query->before_instance, pawl_query_key(query, &instance->metadata),
                       instance->id)
           < 0;
}

static uint32_t index_pick(const struct pawl_mem_partition *partition,
                           const struct pawl_query *query, struct pawl_arena *arena,
                           struct pawl_query_row **ret_rows)
{
    static int (*const orders[PAWL_QUERY_ORDERS_END])(const void *, const void *) = {
        [PAWL_QUERY_CREATED] = by_created,
        [PAWL_QUERY_COMPLETED] = by_completed,
        [PAWL_QUERY_ID] = by_id,
    };
    bool is_counted = pawl_query_is_counted_by_index(query);
    struct pawl_query_row *rows =
        PAWL_ARENA_ARRAY(arena, struct pawl_query_row, partition->instances.count);
    struct pawl_query_facet facet = pawl_query_facet_of(query);
    uint32_t count = 0;
    for (const struct pawl_tree_node *node = pawl_tree_first(&partition->instances); node;
         node = pawl_tree_next(node)) {
        const struct pawl_mem_instance *instance =
            PAWL_CONTAINER_OF(node, const struct pawl_mem_instance, by_id);
        if (!index_holds(query, &facet, instance)) continue;
        if (is_counted || is_behind(query, instance)) rows[count++] = row_view(instance);
    }
    if (count > 1) qsort(rows, count, sizeof *rows, orders[query->order]);
    *ret_rows = rows;
    return count;
}

static void query_take(const struct pawl_query_row *row, struct pawl_arena *arena,
                       struct pawl_store_reply *reply)
{
    struct pawl_query_row *taken = &reply->query.rows[reply->query.rows_count++];
    taken->instance = pawl_arena_copy(arena, row->instance);
    pawl_mem_metadata_copy(arena, &row->metadata, &taken->metadata);
    taken->custom_status = pawl_arena_copy(arena, row->custom_status);
}

void pawl_mem_query(const struct pawl_mem_partition *partition, const struct pawl_query *query,
                    struct pawl_arena *arena, struct pawl_store_reply *reply)
{
    struct pawl_query_row *rows;
    uint32_t count = index_pick(partition, query, arena, &rows);
    uint32_t limit = query->count_only ? UINT32_MAX : query->limit;
    uint32_t scan_max = pawl_query_is_counted_by_index(query) ? UINT32_MAX : query->scan_max;
    reply->query.rows =
        PAWL_ARENA_ARRAY(arena, struct pawl_query_row, limit < count ? limit : count);

    uint32_t scanned = 0;
    while (scanned < count && scanned < scan_max && reply->query.rows_count < limit) {
        const struct pawl_query_row *row = &rows[scanned++];
        if (!pawl_query_matches(query, row->instance, &row->metadata)) continue;
        if (query->count_only)
            reply->query.counts[row->metadata.status]++;
        else
            query_take(row, arena, reply);
    }
    if (scanned == count || scanned == 0) return;
    reply->query.more = true;
    reply->query.scanned_ms = pawl_query_key(query, &rows[scanned - 1].metadata);
    reply->query.scanned_instance = pawl_arena_copy(arena, rows[scanned - 1].instance);
}
