/* What tests, the simulator and `pawl doctor` see of the reference store. */
#include <inttypes.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "state/keys.h"
#include "state/mem_rows.h"

static bool is_plain(uint8_t c)
{
    return c > ' ' && c < 0x7f && c != '"' && c != '\\';
}

static void append_escaped(struct pawl_buf *buf, uint8_t c)
{
    static const char digits[] = "0123456789abcdef";
    const char text[] = { '\\', 'x', digits[c >> 4], digits[c & 15] };
    pawl_buf_append(buf, text, sizeof text);
}

/* Text as it is, everything else as \xNN; absent as -, so that it differs from empty. */
static void dump_bytes(struct pawl_buf *buf, const char *name, struct pawl_bytes bytes)
{
    pawl_buf_printf(buf, " %s=", name);
    if (pawl_bytes_is_absent(bytes)) {
        pawl_buf_append_str(buf, "-");
        return;
    }
    pawl_buf_append_str(buf, "\"");
    for (size_t i = 0; i < bytes.size;) {
        size_t from = i;
        while (i < bytes.size && is_plain(bytes.data[i])) i++;
        if (i > from)
            pawl_buf_append(buf, bytes.data + from, i - from);
        else
            append_escaped(buf, bytes.data[i++]);
    }
    pawl_buf_append_str(buf, "\"");
}

static void dump_id(struct pawl_buf *buf, const char *name, struct pawl_id id)
{
    char text[PAWL_ID_TEXT_SIZE];
    pawl_id_format(id, text);
    pawl_buf_printf(buf, " %s=%s", name, text);
}

static void dump_metadata(struct pawl_buf *buf, const struct pawl_mem_instance *instance)
{
    const struct pawl_metadata *metadata = &instance->metadata;
    dump_id(buf, "inc", metadata->inc);
    pawl_buf_printf(buf, " gen=%" PRIu32, metadata->gen);
    dump_id(buf, "last", metadata->last);
    pawl_buf_printf(buf,
                    " turn=%" PRIu32 " history=%" PRIu32 "/%" PRIu64 " inbox=%" PRIu32 "..%" PRIu32
                    " status=%d",
                    metadata->turn, metadata->history_count, metadata->history_size,
                    metadata->inbox_head, metadata->inbox_tail, (int)metadata->status);
    pawl_buf_printf(buf,
                    " created=%" PRId64 " start_at=%" PRId64 " started=%" PRId64 " updated=%" PRId64
                    " completed=%" PRId64,
                    metadata->created_ms, metadata->start_at_ms, metadata->started_ms,
                    metadata->updated_ms, metadata->completed_ms);
    dump_bytes(buf, "name", metadata->name);
    dump_bytes(buf, "version", metadata->version);
    dump_bytes(buf, "request_id", metadata->request_id);
    dump_bytes(buf, "parent", metadata->parent);
    dump_bytes(buf, "tags", metadata->tags);
    dump_bytes(buf, "parent_key", instance->parent_key);
    dump_bytes(buf, "custom_status", instance->custom_status);
    dump_bytes(buf, "input", instance->payloads.input);
    dump_bytes(buf, "output", instance->payloads.output);
    dump_bytes(buf, "failure", instance->payloads.failure);
    dump_bytes(buf, "attempts", instance->attempts);
}

/* "017 instance "a" <row>": the beginning of every line of an instance. */
static void line_begin(struct pawl_buf *buf, uint32_t partition,
                       const struct pawl_mem_instance *instance, const char *row)
{
    pawl_buf_printf(buf, "%03" PRIu32 " instance", partition);
    dump_bytes(buf, "id", instance->id);
    pawl_buf_printf(buf, " %s", row);
}

static void dump_rows(struct pawl_buf *buf, uint32_t partition,
                      const struct pawl_mem_instance *instance)
{
    const struct pawl_metadata *metadata = &instance->metadata;
    for (uint32_t i = 0; i < metadata->history_count; i++) {
        line_begin(buf, partition, instance, "history");
        pawl_buf_printf(buf, " %06" PRIu32, i);
        dump_bytes(buf, "event", instance->history[i]);
        pawl_buf_append_str(buf, "\n");
    }
    for (uint32_t i = metadata->inbox_head; i < metadata->inbox_tail; i++) {
        const struct pawl_inbox_row *row = pawl_mem_inbox_at(instance, i);
        line_begin(buf, partition, instance, "inbox");
        pawl_buf_printf(buf, " %06" PRIu32, row->index);
        dump_id(buf, "delivery", row->delivery);
        dump_bytes(buf, "body", row->body);
        pawl_buf_append_str(buf, "\n");
    }
}

static void dump_pending_and_seen(struct pawl_buf *buf, uint32_t partition,
                                  const struct pawl_mem_instance *instance)
{
    for (const struct pawl_tree_node *node = pawl_tree_first(&instance->pending); node;
         node = pawl_tree_next(node)) {
        const struct pawl_pending *row =
            &PAWL_CONTAINER_OF(node, const struct pawl_mem_pending, node)->row;
        line_begin(buf, partition, instance, "pending");
        pawl_buf_printf(buf, " %c:%" PRIu32 " state=%d nonce=%016" PRIx64 " history=%" PRIu32 "\n",
                        row->op.kind, row->op.id, (int)row->state, row->nonce, row->history_index);
    }
    for (const struct pawl_tree_node *node = pawl_tree_first(&instance->seen_by_id); node;
         node = pawl_tree_next(node)) {
        const struct pawl_mem_seen *seen =
            PAWL_CONTAINER_OF(node, const struct pawl_mem_seen, by_id);
        line_begin(buf, partition, instance, "seen");
        dump_bytes(buf, "request_id", seen->request_id);
        pawl_buf_printf(buf, " ms=%" PRId64 "\n", seen->seen_ms);
    }
}

static void dump_instance(struct pawl_buf *buf, uint32_t partition,
                          const struct pawl_mem_instance *instance)
{
    dump_rows(buf, partition, instance);
    line_begin(buf, partition, instance, "metadata");
    dump_metadata(buf, instance);
    pawl_buf_append_str(buf, "\n");
    dump_pending_and_seen(buf, partition, instance);
}

static void dump_partition(struct pawl_buf *buf, uint32_t index,
                           const struct pawl_mem_partition *partition)
{
    for (uint32_t status = 0; status < PAWL_STATUS_COUNT; status++)
        if (partition->counts[status])
            pawl_buf_printf(buf, "%03" PRIu32 " count %" PRIu32 " %" PRIu64 "\n", index, status,
                            partition->counts[status]);

    for (const struct pawl_tree_node *node = pawl_tree_first(&partition->instances); node;
         node = pawl_tree_next(node))
        dump_instance(buf, index, PAWL_CONTAINER_OF(node, const struct pawl_mem_instance, by_id));

    for (const struct pawl_tree_node *node = pawl_tree_first(&partition->outbox); node;
         node = pawl_tree_next(node)) {
        const struct pawl_message_row *row =
            &PAWL_CONTAINER_OF(node, const struct pawl_mem_message, node)->row;
        pawl_buf_printf(buf, "%03" PRIu32 " outbox", index);
        dump_id(buf, "id", row->id);
        dump_bytes(buf, "body", row->body);
        pawl_buf_append_str(buf, "\n");
    }
    for (const struct pawl_list *link = partition->changes.next; link != &partition->changes;
         link = link->next) {
        const struct pawl_change *row =
            &PAWL_CONTAINER_OF(link, const struct pawl_mem_change, link)->row;
        pawl_buf_printf(buf,
                        "%03" PRIu32 " change %" PRIu64 " at=%" PRId64 " what=%" PRIu32
                        " status=%d gen=%" PRIu32 " turn=%" PRIu32,
                        index, row->number, row->at_ms, row->what, (int)row->status, row->gen,
                        row->turn);
        dump_id(buf, "inc", row->inc);
        dump_bytes(buf, "instance", row->instance);
        dump_bytes(buf, "name", row->name);
        dump_bytes(buf, "custom", row->custom_status);
        pawl_buf_append_str(buf, "\n");
    }
    if (partition->epoch) {
        pawl_buf_printf(buf, "%03" PRIu32 " owner epoch=%" PRIu64, index, partition->epoch);
        dump_id(buf, "nonce", partition->nonce);
        dump_bytes(buf, "owner", partition->owner);
        pawl_buf_printf(buf, " table=%" PRIu64 " since=%" PRId64 "\n", partition->table_version,
                        partition->since_ms);
    }
    for (const struct pawl_tree_node *node = pawl_tree_first(&partition->members); node;
         node = pawl_tree_next(node)) {
        const struct pawl_mem_reminder *reminder =
            PAWL_CONTAINER_OF(node, const struct pawl_mem_reminder, by_member);
        pawl_buf_printf(buf, "%03" PRIu32 " reminder", index);
        dump_bytes(buf, "member", reminder->member);
        pawl_buf_printf(buf, " due=%" PRId64 "\n", reminder->row.due_ms);
    }
    for (const struct pawl_tree_node *node = pawl_tree_first(&partition->quarantine); node;
         node = pawl_tree_next(node)) {
        const struct pawl_mem_reminder *reminder =
            PAWL_CONTAINER_OF(node, const struct pawl_mem_reminder, by_member);
        pawl_buf_printf(buf, "%03" PRIu32 " quarantine", index);
        dump_bytes(buf, "member", reminder->member);
        pawl_buf_printf(buf, " due=%" PRId64 "\n", reminder->row.due_ms);
    }
}

struct pawl_bytes pawl_mem_store_dump(const struct pawl_mem *mem, struct pawl_arena *arena)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, SIZE_MAX / 2);
    for (uint32_t i = 0; i < mem->partitions_end; i++)
        if (mem->partitions[i]) dump_partition(&buf, i, mem->partitions[i]);
    PAWL_ASSERT(buf.bad == PAWL_OK);
    struct pawl_bytes dump = pawl_arena_copy(arena, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
    return dump;
}

/* Visit and outbox ------------------------------------------------------------- */

static uint32_t reminders_copy(const struct pawl_mem_instance *instance, struct pawl_arena *arena,
                               struct pawl_reminder **ret_reminders)
{
    uint32_t count = 0;
    const struct pawl_list *link;
    for (link = instance->reminders.next; link != &instance->reminders; link = link->next) count++;

    *ret_reminders = PAWL_ARENA_ARRAY(arena, struct pawl_reminder, count);
    count = 0;
    for (link = instance->reminders.next; link != &instance->reminders; link = link->next)
        (*ret_reminders)[count++] =
            PAWL_CONTAINER_OF(link, const struct pawl_mem_reminder, of_instance)->row;
    return count;
}

static void visit_instance(uint32_t partition, const struct pawl_mem_instance *instance,
                           uint32_t want, struct pawl_arena *arena, pawl_mem_visit *visit,
                           void *context)
{
    const struct pawl_load load = {
        .want = want,
        .history_max = UINT32_MAX,
        .history_size_max = UINT32_MAX,
    };
    struct pawl_snapshot snapshot = { .history_from = 0 };
    struct pawl_reminder *reminders;
    pawl_mem_snapshot(instance, &load, arena, &snapshot);
    uint32_t reminders_count = reminders_copy(instance, arena, &reminders);
    visit(context, partition, instance->id, &snapshot, reminders_count, reminders);
}

void pawl_mem_store_visit(const struct pawl_mem *mem, uint32_t want, pawl_mem_visit *visit,
                          void *context)
{
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    for (uint32_t i = 0; i < mem->partitions_end; i++) {
        if (!mem->partitions[i]) continue;
        const struct pawl_tree *instances = &mem->partitions[i]->instances;
        for (const struct pawl_tree_node *node = pawl_tree_first(instances); node;
             node = pawl_tree_next(node)) {
            pawl_arena_reset(&arena);
            visit_instance(i, PAWL_CONTAINER_OF(node, const struct pawl_mem_instance, by_id), want,
                           &arena, visit, context);
        }
    }
    pawl_arena_deinit(&arena);
}

uint32_t pawl_mem_store_outbox(const struct pawl_mem *mem, uint32_t partition,
                               struct pawl_arena *arena, struct pawl_message_row **ret_rows)
{
    const struct pawl_mem_partition *rows = mem->partitions[partition];
    uint32_t count = rows ? rows->outbox.count : 0;
    *ret_rows = PAWL_ARENA_ARRAY(arena, struct pawl_message_row, count);
    if (!rows) return 0;

    struct pawl_message_row *row = *ret_rows;
    for (const struct pawl_tree_node *node = pawl_tree_first(&rows->outbox); node;
         node = pawl_tree_next(node)) {
        *row = PAWL_CONTAINER_OF(node, const struct pawl_mem_message, node)->row;
        row->body = pawl_arena_copy(arena, row->body);
        row++;
    }
    return count;
}
