#include "state/io/redis_decode.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "state/keys.h"

/* Reading with a sticky error: after the first wrong shape everything reads as zero,
 * absent or empty, and the decoder asks once, at the end. */
struct source {
    struct pawl_arena *arena;
    bool bad;
};

static const struct pawl_redis_value nothing = { .kind = PAWL_REDIS_NIL };

static const struct pawl_redis_value *item_at(struct source *source,
                                              const struct pawl_redis_value *list, uint32_t index)
{
    if (list->kind == PAWL_REDIS_ARRAY && index < list->count) return &list->items[index];
    source->bad = true;
    return &nothing;
}

static const struct pawl_redis_value *list_at(struct source *source,
                                              const struct pawl_redis_value *list, uint32_t index)
{
    const struct pawl_redis_value *item = item_at(source, list, index);
    if (item->kind != PAWL_REDIS_ARRAY) source->bad = true;
    return item;
}

/* Nil reads as absent. */
static struct pawl_bytes text_at(struct source *source, const struct pawl_redis_value *list,
                                 uint32_t index)
{
    const struct pawl_redis_value *item = item_at(source, list, index);
    if (item->kind == PAWL_REDIS_STRING) return item->text;
    if (item->kind != PAWL_REDIS_NIL) source->bad = true;
    return PAWL_BYTES_ABSENT;
}

static uint64_t decimal_parse(struct source *source, struct pawl_bytes text)
{
    uint64_t value = 0;
    if (text.size == 0) source->bad = true;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        uint64_t digit = (uint64_t)(c - '0');
        if (c < '0' || c > '9' || value > (UINT64_MAX - digit) / 10) {
            source->bad = true;
            return 0;
        }
        value = value * 10 + digit;
    }
    return value;
}

/* A number comes as an integer or as decimal text; nil reads as 0. */
static uint64_t uint_at(struct source *source, const struct pawl_redis_value *list, uint32_t index,
                        uint64_t max)
{
    const struct pawl_redis_value *item = item_at(source, list, index);
    uint64_t value = 0;
    switch (item->kind) {
    case PAWL_REDIS_NIL: return 0;
    case PAWL_REDIS_INTEGER:
        if (item->integer < 0) source->bad = true;
        value = (uint64_t)item->integer;
        break;
    case PAWL_REDIS_STRING: value = decimal_parse(source, item->text); break;
    case PAWL_REDIS_ERROR:
    case PAWL_REDIS_ARRAY: source->bad = true; break;
    }
    if (value > max) source->bad = true;
    return source->bad ? 0 : value;
}

static uint32_t uint32_at(struct source *source, const struct pawl_redis_value *list,
                          uint32_t index)
{
    return (uint32_t)uint_at(source, list, index, UINT32_MAX);
}

static int64_t time_at(struct source *source, const struct pawl_redis_value *list, uint32_t index)
{
    const struct pawl_redis_value *item = item_at(source, list, index);
    bool negative =
        item->kind == PAWL_REDIS_STRING && item->text.size > 1 && item->text.data[0] == '-';
    if (!negative) return (int64_t)uint_at(source, list, index, INT64_MAX);
    uint64_t value =
        decimal_parse(source, pawl_bytes_make(item->text.data + 1, item->text.size - 1));
    if (value > INT64_MAX) source->bad = true;
    return source->bad ? 0 : -(int64_t)value;
}

static struct pawl_id id_at(struct source *source, const struct pawl_redis_value *list,
                            uint32_t index)
{
    struct pawl_id id = { { 0 } };
    if (!pawl_id_parse(text_at(source, list, index), &id)) source->bad = true;
    return id;
}

/* Parts ------------------------------------------------------------------------ */

/* The order of fields.lua. */
static struct pawl_metadata metadata_decode(struct source *source,
                                            const struct pawl_redis_value *list)
{
    uint64_t status = uint_at(source, list, 8, PAWL_STATUS_COUNT - 1);
    struct pawl_metadata metadata = {
        .inc = id_at(source, list, 0),
        .gen = uint32_at(source, list, 1),
        .last = id_at(source, list, 2),
        .turn = uint32_at(source, list, 3),
        .history_count = uint32_at(source, list, 4),
        .history_size = uint_at(source, list, 5, UINT64_MAX),
        .inbox_head = uint32_at(source, list, 6),
        .inbox_tail = uint32_at(source, list, 7),
        .status = (enum pawl_status)status,
        .created_ms = time_at(source, list, 9),
        .start_at_ms = time_at(source, list, 10),
        .started_ms = time_at(source, list, 11),
        .updated_ms = time_at(source, list, 12),
        .completed_ms = time_at(source, list, 13),
        .name = text_at(source, list, 14),
        .version = text_at(source, list, 15),
        .request_id = text_at(source, list, 16),
        .parent = text_at(source, list, 17),
        .tags = text_at(source, list, 18),
    };
    return metadata;
}

static uint32_t texts_decode(struct source *source, const struct pawl_redis_value *list,
                             struct pawl_bytes **ret_texts)
{
    struct pawl_bytes *texts = PAWL_ARENA_ARRAY(source->arena, struct pawl_bytes, list->count);
    for (uint32_t i = 0; i < list->count; i++) {
        texts[i] = text_at(source, list, i);
        if (pawl_bytes_is_absent(texts[i])) source->bad = true;
    }
    *ret_texts = texts;
    return list->count;
}

/* state:nonce:index, as "1:00000000000000ff:12" */
static void pending_value_parse(struct source *source, struct pawl_bytes text,
                                struct pawl_pending *pending)
{
    if (text.size < 20 || text.data[1] != ':' || text.data[18] != ':'
        || (text.data[0] != '1' && text.data[0] != '2')) {
        source->bad = true;
        return;
    }
    pending->state = text.data[0] == '1' ? PAWL_PENDING_OPEN : PAWL_PENDING_DELIVERED;
    for (size_t i = 2; i < 18; i++) {
        uint8_t c = text.data[i];
        bool digit = c >= '0' && c <= '9';
        if (!digit && (c < 'a' || c > 'f')) source->bad = true;
        pending->nonce = pending->nonce << 4 | (uint64_t)(digit ? c - '0' : c - 'a' + 10);
    }
    uint64_t index = decimal_parse(source, pawl_bytes_make(text.data + 19, text.size - 19));
    if (index > UINT32_MAX) source->bad = true;
    pending->history_index = (uint32_t)index;
}

static int pending_compare(const void *a, const void *b)
{
    const struct pawl_pending *x = a;
    const struct pawl_pending *y = b;
    if (x->op.kind != y->op.kind) return x->op.kind < y->op.kind ? -1 : 1;
    return x->op.id < y->op.id ? -1 : x->op.id > y->op.id;
}

static void pending_decode(struct source *source, const struct pawl_redis_value *rows,
                           const struct pawl_redis_value *events, struct pawl_snapshot *snapshot)
{
    uint32_t count = rows->count / 2;
    struct pawl_pending *pending = PAWL_ARENA_ARRAY(source->arena, struct pawl_pending, count);
    for (uint32_t i = 0; i < count; i++) {
        if (pawl_op_parse(text_at(source, rows, 2 * i), &pending[i].op)) source->bad = true;
        pending_value_parse(source, text_at(source, rows, 2 * i + 1), &pending[i]);
        pending[i].event = text_at(source, events, i);
    }
    if (count > 1) qsort(pending, count, sizeof *pending, pending_compare);
    snapshot->pending_count = count;
    snapshot->pending = pending;
}

static void inbox_decode(struct source *source, const struct pawl_redis_value *rows,
                         struct pawl_snapshot *snapshot)
{
    struct pawl_inbox_row *inbox =
        PAWL_ARENA_ARRAY(source->arena, struct pawl_inbox_row, rows->count);
    for (uint32_t i = 0; i < rows->count; i++) {
        struct pawl_bytes row = text_at(source, rows, i);
        if (row.size < sizeof inbox[i].delivery.bytes) {
            source->bad = true;
            return;
        }
        inbox[i].index = snapshot->metadata.inbox_head + i;
        memcpy(inbox[i].delivery.bytes, row.data, sizeof inbox[i].delivery.bytes);
        inbox[i].body = pawl_bytes_make(row.data + sizeof inbox[i].delivery.bytes,
                                        row.size - sizeof inbox[i].delivery.bytes);
    }
    snapshot->inbox_count = rows->count;
    snapshot->inbox = inbox;
}

/* Operations ------------------------------------------------------------------- */

static void acquire_decode(struct source *source, const struct pawl_redis_value *value,
                           struct pawl_store_reply *reply)
{
    reply->acquire.epoch = uint_at(source, value, 1, UINT64_MAX);
    reply->acquire.table_version = uint_at(source, value, 2, UINT64_MAX);
}

static void load_decode(struct source *source, const struct pawl_redis_value *value,
                        struct pawl_store_reply *reply)
{
    struct pawl_snapshot *snapshot = &reply->load.snapshot;
    snapshot->metadata = metadata_decode(source, list_at(source, value, 1));
    snapshot->custom_status = text_at(source, value, 2);
    const struct pawl_redis_value *payloads = list_at(source, value, 3);
    if (payloads->count > 0) {
        snapshot->payloads.input = text_at(source, payloads, 0);
        snapshot->payloads.output = text_at(source, payloads, 1);
        snapshot->payloads.failure = text_at(source, payloads, 2);
    }
    pending_decode(source, list_at(source, value, 4), list_at(source, value, 5), snapshot);
    inbox_decode(source, list_at(source, value, 6), snapshot);
    snapshot->history_count = texts_decode(source, list_at(source, value, 7), &snapshot->history);
    snapshot->attempts = text_at(source, value, 8);
}

static void poll_decode(struct source *source, const struct pawl_redis_value *value,
                        struct pawl_store_reply *reply)
{
    const struct pawl_redis_value *rows = list_at(source, value, 1);
    uint32_t count = rows->count / 3;
    struct pawl_poll_item *items = PAWL_ARENA_ARRAY(source->arena, struct pawl_poll_item, count);
    for (uint32_t i = 0; i < count; i++) {
        if (pawl_reminder_parse(text_at(source, rows, 3 * i), &items[i].reminder))
            source->bad = true; /* the script let it through */
        items[i].reminder.due_ms = time_at(source, rows, 3 * i + 1);
        items[i].body = text_at(source, rows, 3 * i + 2);
    }
    reply->poll.items_count = count;
    reply->poll.items = items;
    reply->poll.skipped = uint32_at(source, value, 2);
    reply->poll.next_due_ms = time_at(source, value, 3);
    reply->poll.unreadable = uint32_at(source, value, 5);
    reply->poll.skipped_until_ms = time_at(source, value, 6);

    const struct pawl_redis_value *counts = list_at(source, value, 4);
    for (uint32_t i = 0; i + 1 < counts->count; i += 2) {
        uint64_t status = uint_at(source, counts, i, PAWL_STATUS_COUNT - 1);
        reply->poll.counts[status] = uint_at(source, counts, i + 1, UINT64_MAX);
    }
}

static void query_decode(struct source *source, const struct pawl_redis_value *value,
                         struct pawl_store_reply *reply)
{
    const struct pawl_redis_value *found = list_at(source, value, 1);
    struct pawl_query_row *rows =
        PAWL_ARENA_ARRAY(source->arena, struct pawl_query_row, found->count);
    for (uint32_t i = 0; i < found->count; i++) {
        const struct pawl_redis_value *row = list_at(source, found, i);
        rows[i].instance = text_at(source, row, 0);
        rows[i].metadata = metadata_decode(source, list_at(source, row, 1));
        rows[i].custom_status = text_at(source, row, 2);
        if (pawl_bytes_is_absent(rows[i].instance)) source->bad = true;
    }
    reply->query.rows_count = found->count;
    reply->query.rows = rows;
    const struct pawl_redis_value *counts = list_at(source, value, 5);
    for (uint32_t i = 0; i + 1 < counts->count; i += 2) {
        uint64_t status = uint_at(source, counts, i, PAWL_STATUS_COUNT - 1);
        reply->query.counts[status] = uint_at(source, counts, i + 1, UINT64_MAX);
    }
    reply->query.more = uint32_at(source, value, 2) != 0;
    if (!reply->query.more) return;
    reply->query.scanned_ms = time_at(source, value, 3);
    reply->query.scanned_instance = text_at(source, value, 4);
}

/* Rows as they are ------------------------------------------------------------- */

/* Decimal text that may be negative; false: it is none. */
static bool number_parse(struct pawl_bytes text, int64_t *ret_value)
{
    struct source own = { .bad = false };
    bool negative = text.size > 1 && text.data[0] == '-';
    if (negative) text = pawl_bytes_make(text.data + 1, text.size - 1);
    uint64_t value = decimal_parse(&own, text);
    if (own.bad || value > INT64_MAX) return false;
    *ret_value = negative ? -(int64_t)value : (int64_t)value;
    return true;
}

/* Status and number in turns, into an array by status; false: not all are such. */
static bool counts_decode(struct source *source, const struct pawl_redis_value *list,
                          int64_t counts[PAWL_STATUS_COUNT])
{
    bool whole = true;
    for (uint32_t i = 0; i + 1 < list->count; i += 2) {
        int64_t status = -1, count = 0;
        const struct pawl_redis_value *value = item_at(source, list, i + 1);
        bool is_status = number_parse(text_at(source, list, i), &status) && status >= 0
                         && status < PAWL_STATUS_COUNT;
        bool is_count = value->kind == PAWL_REDIS_INTEGER
                        || (value->kind == PAWL_REDIS_STRING && number_parse(value->text, &count));
        if (value->kind == PAWL_REDIS_INTEGER) count = value->integer;
        if (is_status && is_count)
            counts[status] = count;
        else
            whole = false;
    }
    return whole;
}

static void stored_partition_decode(struct source *source, const struct pawl_redis_value *value,
                                    struct pawl_stored_partition *stored)
{
    struct source owner = { .arena = source->arena };
    const struct pawl_redis_value *fields = list_at(source, value, 2);
    stored->epoch = uint_at(&owner, fields, 0, UINT64_MAX);
    stored->owner = text_at(&owner, fields, 1);
    stored->table_version = uint_at(&owner, fields, 2, UINT64_MAX);
    stored->since_ms = time_at(&owner, fields, 3);
    if (owner.bad) stored->unreadable = PAWL_BYTES_LITERAL("who owns it (key owner)");
    if (!counts_decode(source, list_at(source, value, 3), stored->counts))
        stored->unreadable = PAWL_BYTES_LITERAL("its counters (key counts)");
    stored->has_tally = item_at(source, value, 4)->kind == PAWL_REDIS_ARRAY;
    if (stored->has_tally) /* a status that is none shows at its instance */
        (void)counts_decode(source, list_at(source, value, 4), stored->tally);
    stored->instances = uint_at(source, value, 5, UINT64_MAX);
    stored->reminders = uint_at(source, value, 6, UINT64_MAX);
    stored->messages = uint_at(source, value, 7, UINT64_MAX);
    stored->quarantined = uint_at(source, value, 8, UINT64_MAX);
    stored->first_due_ms = time_at(source, value, 9);
}

static int stored_pending_compare(const void *a, const void *b)
{
    const struct pawl_stored_pending *x = a;
    const struct pawl_stored_pending *y = b;
    if (x->is_unreadable != y->is_unreadable) return x->is_unreadable ? 1 : -1;
    if (x->is_unreadable) return pawl_bytes_compare(x->name, y->name);
    return pending_compare(&x->row, &y->row);
}

static void stored_pending_decode(struct source *source, const struct pawl_redis_value *rows,
                                  const struct pawl_redis_value *remembered,
                                  struct pawl_stored_instance *stored)
{
    uint32_t count = rows->count / 2;
    stored->pending = PAWL_ARENA_ARRAY(source->arena, struct pawl_stored_pending, count);
    for (uint32_t i = 0; i < count; i++) {
        struct source own = { .arena = source->arena };
        struct pawl_stored_pending *pending = &stored->pending[i];
        pending->name = text_at(source, rows, 2 * i);
        if (pawl_op_parse(pending->name, &pending->row.op)) own.bad = true;
        pending_value_parse(&own, text_at(source, rows, 2 * i + 1), &pending->row);
        pending->is_unreadable = own.bad;
        pending->has_reminder = uint32_at(source, remembered, i) != 0;
    }
    if (count > 1) qsort(stored->pending, count, sizeof *stored->pending, stored_pending_compare);
    stored->pending_count = count;
}

static void stored_inbox_decode(struct source *source, const struct pawl_redis_value *rows,
                                struct pawl_stored_instance *stored)
{
    stored->inbox = PAWL_ARENA_ARRAY(source->arena, struct pawl_stored_inbox, rows->count);
    stored->inbox_count = rows->count;
    for (uint32_t i = 0; i < rows->count; i++) {
        struct pawl_stored_inbox *inbox = &stored->inbox[i];
        struct pawl_bytes text = text_at(source, rows, i);
        size_t id_size = sizeof inbox->row.delivery.bytes;
        inbox->row.index = stored->inbox_from + i;
        inbox->is_missing = pawl_bytes_is_absent(text);
        inbox->is_unreadable = !inbox->is_missing && text.size < id_size;
        if (text.size < id_size) continue;
        memcpy(inbox->row.delivery.bytes, text.data, id_size);
        inbox->row.body = pawl_bytes_make(text.data + id_size, text.size - id_size);
    }
}

/* Absent ones are missing rows. */
static void stored_history_decode(struct source *source, const struct pawl_redis_value *rows,
                                  struct pawl_stored_instance *stored)
{
    stored->history = PAWL_ARENA_ARRAY(source->arena, struct pawl_bytes, rows->count);
    stored->history_count = rows->count;
    for (uint32_t i = 0; i < rows->count; i++) stored->history[i] = text_at(source, rows, i);
}

static void stored_instance_decode(struct source *source, const struct pawl_redis_value *value,
                                   struct pawl_stored_instance *stored)
{
    stored->is_indexed = item_at(source, value, 2)->kind != PAWL_REDIS_NIL;
    if (!number_parse(text_at(source, value, 2), &stored->indexed_ms)) stored->indexed_ms = 0;
    stored->is_there = value->count > 3;
    if (!stored->is_there) return;
    struct source own = { .arena = source->arena };
    stored->metadata = metadata_decode(&own, list_at(source, value, 3));
    if (own.bad || value->count == 4 || stored->metadata.inbox_head > stored->metadata.inbox_tail) {
        stored->unreadable = PAWL_BYTES_LITERAL("key metadata: a field is missing or no number");
        return;
    }
    stored->custom_status = text_at(source, value, 4);
    stored->has_wake = item_at(source, value, 5)->kind != PAWL_REDIS_NIL;
    if (!number_parse(text_at(source, value, 5), &stored->wake_ms)) stored->wake_ms = 0;
    stored->seen_count = uint32_at(source, value, 6);
    stored_pending_decode(source, list_at(source, value, 7), list_at(source, value, 8), stored);
    stored->history_from = uint32_at(source, value, 9);
    stored_history_decode(source, list_at(source, value, 10), stored);
    stored->inbox_from = uint32_at(source, value, 11);
    stored_inbox_decode(source, list_at(source, value, 12), stored);
    stored->strays = uint32_at(source, value, 13);
}

static void stored_reminders_decode(struct source *source, const struct pawl_redis_value *rows,
                                    struct pawl_inspected *inspected)
{
    uint32_t count = rows->count / 3;
    inspected->reminders = PAWL_ARENA_ARRAY(source->arena, struct pawl_stored_reminder, count);
    inspected->count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct pawl_stored_reminder *stored = &inspected->reminders[i];
        stored->member = text_at(source, rows, 3 * i);
        uint64_t target = uint_at(source, rows, 3 * i + 2, PAWL_TARGET_NO_MESSAGE);
        stored->target = (enum pawl_reminder_target)target;
        int64_t due_ms = 0;
        bool has_due = number_parse(text_at(source, rows, 3 * i + 1), &due_ms);
        stored->is_unreadable =
            !has_due || target == 0 || pawl_reminder_parse(stored->member, &stored->row);
        stored->row.due_ms = due_ms;
    }
}

static void stored_messages_decode(struct source *source, const struct pawl_redis_value *rows,
                                   struct pawl_inspected *inspected)
{
    uint32_t count = rows->count / 3;
    inspected->messages = PAWL_ARENA_ARRAY(source->arena, struct pawl_stored_message, count);
    inspected->count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct pawl_stored_message *stored = &inspected->messages[i];
        stored->is_unreadable = !pawl_id_parse(text_at(source, rows, 3 * i), &stored->row.id);
        stored->row.body = text_at(source, rows, 3 * i + 1);
        stored->has_reminder = item_at(source, rows, 3 * i + 2)->kind != PAWL_REDIS_NIL;
        if (!number_parse(text_at(source, rows, 3 * i + 2), &stored->due_ms)) stored->due_ms = 0;
    }
}

/* The answer says what was asked for: the decoder sees no requests. */
static void inspect_decode(struct source *source, const struct pawl_redis_value *value,
                           struct pawl_store_reply *reply)
{
    struct pawl_inspected *inspected = PAWL_ARENA_NEW(source->arena, struct pawl_inspected);
    reply->inspect = inspected;
    uint64_t what = uint_at(source, value, 1, PAWL_INSPECT_END - 1);
    inspected->what = (enum pawl_inspect_what)what;
    switch (inspected->what) {
    case PAWL_INSPECT_PARTITION:
        stored_partition_decode(source, value, &inspected->partition);
        return;
    case PAWL_INSPECT_INSTANCE: stored_instance_decode(source, value, &inspected->instance); return;
    case PAWL_INSPECT_INSTANCES:
    case PAWL_INSPECT_STRAYS:
        inspected->cursor = text_at(source, value, 2);
        inspected->count = texts_decode(source, list_at(source, value, 3), &inspected->names);
        if (inspected->what == PAWL_INSPECT_STRAYS) inspected->server = text_at(source, value, 4);
        return;
    case PAWL_INSPECT_REMINDERS:
    case PAWL_INSPECT_QUARANTINE:
        inspected->cursor = text_at(source, value, 2);
        stored_reminders_decode(source, list_at(source, value, 3), inspected);
        return;
    case PAWL_INSPECT_OUTBOX:
        inspected->cursor = text_at(source, value, 2);
        stored_messages_decode(source, list_at(source, value, 3), inspected);
        return;
    case PAWL_INSPECT_END: break;
    }
    source->bad = true;
}

static void changes_decode(struct source *source, const struct pawl_redis_value *value,
                           struct pawl_store_reply *reply)
{
    reply->changes.first = uint_at(source, value, 1, UINT64_MAX);
    reply->changes.last = uint_at(source, value, 2, UINT64_MAX);
    const struct pawl_redis_value *rows = list_at(source, value, 3);
    reply->changes.items = PAWL_ARENA_ARRAY(source->arena, struct pawl_change, rows->count);
    reply->changes.count = rows->count;
    for (uint32_t i = 0; i < rows->count; i++) {
        const struct pawl_redis_value *row = list_at(source, rows, i);
        reply->changes.items[i] = (struct pawl_change){
            .number = uint_at(source, row, 0, UINT64_MAX),
            .at_ms = time_at(source, row, 1),
            .what = uint32_at(source, row, 2),
            .status = (enum pawl_status)uint_at(source, row, 3, PAWL_STATUS_COUNT - 1),
            .gen = uint32_at(source, row, 4),
            .turn = uint32_at(source, row, 5),
            .inc = id_at(source, row, 6),
            .instance = text_at(source, row, 7),
            .name = text_at(source, row, 8),
            .custom_status = text_at(source, row, 9),
        };
    }
}

static void parts_decode(struct source *source, const struct pawl_redis_value *value,
                         struct pawl_store_reply *reply)
{
    switch (reply->op) {
    case PAWL_STORE_ACQUIRE:
        if (reply->err == PAWL_OK || reply->err == PAWL_E_CONFLICT)
            acquire_decode(source, value, reply);
        return;
    case PAWL_STORE_CREATE:
        if (reply->err == PAWL_E_TERMINAL) return;
        if (reply->err == PAWL_E_EXISTS && value->count == 1) return; /* refused before */
        reply->create.metadata = metadata_decode(source, list_at(source, value, 1));
        return;
    case PAWL_STORE_LOAD:
        if (reply->err == PAWL_OK) load_decode(source, value, reply);
        return;
    case PAWL_STORE_COMMIT:
        if (reply->err != PAWL_OK) return;
        reply->commit.inbox_head = uint32_at(source, value, 1);
        reply->commit.inbox_tail = uint32_at(source, value, 2);
        return;
    case PAWL_STORE_DELIVER:
        if (reply->err == PAWL_OK) reply->deliver.index = uint32_at(source, value, 1);
        return;
    case PAWL_STORE_POLL:
        if (reply->err == PAWL_OK) poll_decode(source, value, reply);
        return;
    case PAWL_STORE_QUERY:
        if (reply->err == PAWL_OK) query_decode(source, value, reply);
        return;
    case PAWL_STORE_INSPECT:
        if (reply->err == PAWL_OK) inspect_decode(source, value, reply);
        return;
    case PAWL_STORE_CHANGES:
        if (reply->err == PAWL_OK) changes_decode(source, value, reply);
        return;
    case PAWL_STORE_PURGE:
    case PAWL_STORE_OUTDONE:
    case PAWL_STORE_OPS_END: return;
    }
}

/* The names that scripts answer with. */
static bool answer_parse(struct pawl_bytes name, pawl_err *ret_err)
{
    static const pawl_err answers[] = {
        PAWL_OK,          PAWL_E_FENCED,       PAWL_E_NOT_FOUND, PAWL_E_CONFLICT,
        PAWL_E_DUPLICATE, PAWL_E_EXISTS,       PAWL_E_TERMINAL,  PAWL_E_BUSY,
        PAWL_E_TOO_LARGE, PAWL_E_NOT_TERMINAL, PAWL_E_CORRUPT,
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        if (!pawl_bytes_is_str(name, pawl_err_name(answers[i]))) continue;
        *ret_err = answers[i];
        return true;
    }
    return false;
}

static void reply_spoil(struct pawl_store_reply *reply, struct pawl_bytes message)
{
    *reply = (struct pawl_store_reply){ .token = reply->token,
                                        .op = reply->op,
                                        .partition = reply->partition,
                                        .err = PAWL_E_CORRUPT,
                                        .message = message };
}

void pawl_redis_decode(const struct pawl_redis_value *value, struct pawl_arena *arena,
                       struct pawl_store_reply *ret_reply)
{
    struct source source = { .arena = arena };
    pawl_err err = PAWL_OK;
    if (!answer_parse(text_at(&source, value, 0), &err)) {
        reply_spoil(ret_reply, pawl_arena_printf(arena, "the %s script gave no answer we know",
                                                 pawl_store_op_name((int)ret_reply->op)));
        return;
    }
    if (err == PAWL_E_CORRUPT) {
        struct pawl_bytes key = text_at(&source, value, 1);
        reply_spoil(ret_reply, pawl_arena_printf(arena, "Redis key %.*s is missing or damaged",
                                                 PAWL_BYTES_FMT(key)));
        return;
    }
    ret_reply->err = err;
    parts_decode(&source, value, ret_reply);
    if (source.bad)
        reply_spoil(ret_reply,
                    pawl_arena_printf(arena, "the answer of the %s script cannot be read",
                                      pawl_store_op_name((int)ret_reply->op)));
}
