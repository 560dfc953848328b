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
}

static void poll_decode(struct source *source, const struct pawl_redis_value *value,
                        struct pawl_store_reply *reply)
{
    const struct pawl_redis_value *rows = list_at(source, value, 1);
    uint32_t count = rows->count / 3;
    struct pawl_poll_item *items = PAWL_ARENA_ARRAY(source->arena, struct pawl_poll_item, count);
    for (uint32_t i = 0; i < count; i++) {
        if (pawl_reminder_parse(text_at(source, rows, 3 * i), &items[i].reminder))
            source->bad = true;
        items[i].reminder.due_ms = time_at(source, rows, 3 * i + 1);
        items[i].body = text_at(source, rows, 3 * i + 2);
    }
    reply->poll.items_count = count;
    reply->poll.items = items;
    reply->poll.skipped = uint32_at(source, value, 2);
    reply->poll.next_due_ms = time_at(source, value, 3);
    reply->poll.unreadable = uint32_at(source, value, 5);

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
    reply->query.more = uint32_at(source, value, 2) != 0;
    if (!reply->query.more) return;
    reply->query.scanned_created_ms = time_at(source, value, 3);
    reply->query.scanned_instance = text_at(source, value, 4);
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
