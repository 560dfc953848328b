/* Rows as they are, for the audit. Pages go by key: the cursor is the key of the last
 * row. The statements of one request run in one transaction. */
#include "base/assert.h"
#include "base/bytes.h"
#include "state/io/sqlite_db.h"
#include "state/keys.h"

/* Partition -------------------------------------------------------------------- */

static void owner_get(struct pawl_sqlite_db *db, uint32_t partition, struct pawl_arena *arena,
                      struct pawl_stored_partition *stored)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_INSPECT_OWNER);
    pawl_sqlite_bind_int(db, stmt, 1, partition);
    if (!pawl_sqlite_row(db, stmt)) return;
    stored->epoch = (uint64_t)sqlite3_column_int64(stmt, 0);
    stored->owner = pawl_sqlite_bytes(arena, stmt, 1);
    stored->table_version = (uint64_t)sqlite3_column_int64(stmt, 2);
    stored->since_ms = sqlite3_column_int64(stmt, 3);
    pawl_sqlite_end(stmt);
}

/* Pairs of status and number; false: one of them is no status. */
static bool numbers_get(struct pawl_sqlite_db *db, enum pawl_sqlite_sql sql, uint32_t partition,
                        int64_t numbers[PAWL_STATUS_COUNT])
{
    bool whole = true;
    sqlite3_stmt *stmt = pawl_sqlite_use(db, sql);
    pawl_sqlite_bind_int(db, stmt, 1, partition);
    while (pawl_sqlite_row(db, stmt)) {
        int64_t status = sqlite3_column_int64(stmt, 0);
        if (status >= 0 && status < PAWL_STATUS_COUNT)
            numbers[status] = sqlite3_column_int64(stmt, 1);
        else
            whole = false;
    }
    return whole;
}

static void sizes_get(struct pawl_sqlite_db *db, uint32_t partition,
                      struct pawl_stored_partition *stored)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_INSPECT_SIZES);
    pawl_sqlite_bind_int(db, stmt, 1, partition);
    if (!pawl_sqlite_row(db, stmt)) return;
    stored->instances = (uint64_t)sqlite3_column_int64(stmt, 0);
    stored->reminders = (uint64_t)sqlite3_column_int64(stmt, 1);
    stored->messages = (uint64_t)sqlite3_column_int64(stmt, 2);
    stored->quarantined = (uint64_t)sqlite3_column_int64(stmt, 3);
    pawl_sqlite_end(stmt);
}

static void inspect_partition(struct pawl_sqlite_db *db, uint32_t partition,
                              struct pawl_arena *arena, struct pawl_stored_partition *stored)
{
    owner_get(db, partition, arena, stored);
    if (!numbers_get(db, PAWL_SQL_COUNTS_GET, partition, stored->counts))
        stored->unreadable = PAWL_BYTES_LITERAL("its counters (table counts)");
    /* A status that is none shows at its instance. */
    (void)numbers_get(db, PAWL_SQL_INSPECT_TALLY, partition, stored->tally);
    stored->has_tally = true;
    sizes_get(db, partition, stored);
    sqlite3_stmt *first = pawl_sqlite_use(db, PAWL_SQL_REMINDER_FIRST);
    pawl_sqlite_bind_int(db, first, 1, partition);
    if (!pawl_sqlite_row(db, first)) return;
    stored->first_due_ms = sqlite3_column_int64(first, 0);
    pawl_sqlite_end(first);
}

/* One instance ----------------------------------------------------------------- */

static bool due_get(struct pawl_sqlite_db *db, struct pawl_arena *arena, uint32_t partition,
                    const struct pawl_reminder *reminder, int64_t *ret_due_ms)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_INSPECT_DUE);
    pawl_sqlite_bind_int(db, stmt, 1, partition);
    pawl_sqlite_bind_bytes(db, stmt, 2, pawl_reminder_format(arena, reminder));
    if (!pawl_sqlite_row(db, stmt)) return false;
    *ret_due_ms = sqlite3_column_int64(stmt, 0);
    pawl_sqlite_end(stmt);
    return true;
}

static bool pending_read(sqlite3_stmt *stmt, struct pawl_pending *pending)
{
    int64_t kind = sqlite3_column_int64(stmt, 0), id = sqlite3_column_int64(stmt, 1);
    int64_t state = sqlite3_column_int64(stmt, 3), index = sqlite3_column_int64(stmt, 4);
    if (kind != 'a' && kind != 't' && kind != 'c') return false;
    if (id < 0 || id > UINT32_MAX || index < 0 || index > UINT32_MAX) return false;
    if (state != PAWL_PENDING_OPEN && state != PAWL_PENDING_DELIVERED) return false;
    pending->op = (struct pawl_op){ .kind = (char)kind, .id = (uint32_t)id };
    pending->nonce = (uint64_t)sqlite3_column_int64(stmt, 2);
    pending->state = (enum pawl_pending_state)state;
    pending->history_index = (uint32_t)index;
    return true;
}

/* Room for one more of an array that doubles inside the arena. */
static void *array_grow(struct pawl_arena *arena, void *items, size_t size, uint32_t count)
{
    if (count != 0 && (count < 8 || (count & (count - 1)) != 0)) return items;
    void *grown = pawl_arena_alloc(arena, size * (count ? (size_t)count * 2 : 8));
    if (count) memcpy(grown, items, size * count);
    return grown;
}

static void pending_get(struct pawl_sqlite_db *db, const struct pawl_sqlite_instance *row,
                        struct pawl_arena *arena, struct pawl_stored_instance *stored)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_INSPECT_PENDING);
    pawl_sqlite_bind_int(db, stmt, 1, row->n);
    while (pawl_sqlite_row(db, stmt)) {
        stored->pending =
            array_grow(arena, stored->pending, sizeof *stored->pending, stored->pending_count);
        struct pawl_stored_pending *pending = &stored->pending[stored->pending_count++];
        pending->is_unreadable = !pending_read(stmt, &pending->row);
        pending->name = pawl_arena_printf(arena, "%c:%lld", (char)sqlite3_column_int(stmt, 0),
                                          (long long)sqlite3_column_int64(stmt, 1));
    }
}

static void pending_find_reminders(struct pawl_sqlite_db *db, uint32_t partition,
                                   const struct pawl_sqlite_instance *row, struct pawl_arena *arena,
                                   struct pawl_stored_instance *stored)
{
    for (uint32_t i = 0; i < stored->pending_count; i++) {
        struct pawl_stored_pending *pending = &stored->pending[i];
        if (pending->is_unreadable) continue;
        struct pawl_reminder reminder = { .kind = (enum pawl_reminder_kind)pending->row.op.kind,
                                          .instance = row->id,
                                          .inc = row->metadata.inc,
                                          .gen = row->metadata.gen,
                                          .op = pending->row.op,
                                          .nonce = pending->row.nonce };
        int64_t due_ms;
        pending->has_reminder = due_get(db, arena, partition, &reminder, &due_ms);
    }
}

static void history_get(struct pawl_sqlite_db *db, const struct pawl_sqlite_instance *row,
                        const struct pawl_inspect *inspect, struct pawl_arena *arena,
                        struct pawl_stored_instance *stored)
{
    stored->history_from = inspect->history_from;
    if (inspect->history_from >= row->metadata.history_count) return;
    uint32_t count = row->metadata.history_count - inspect->history_from;
    if (count > inspect->limit) count = inspect->limit;
    stored->history = PAWL_ARENA_ARRAY(arena, struct pawl_bytes, count);

    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_HISTORY_GET);
    pawl_sqlite_bind_int(db, stmt, 1, row->n);
    pawl_sqlite_bind_int(db, stmt, 2, inspect->history_from);
    pawl_sqlite_bind_int(db, stmt, 3, count);
    size_t size = 0;
    while (size < inspect->size_max && pawl_sqlite_row(db, stmt)) {
        int64_t at = sqlite3_column_int64(stmt, 0) - inspect->history_from;
        if (at >= count) break;
        stored->history_count = (uint32_t)at + 1; /* what was passed over is missing */
        stored->history[at] = pawl_sqlite_bytes(arena, stmt, 1);
        size += stored->history[at].size;
    }
    pawl_sqlite_end(stmt);
    if (size < inspect->size_max) stored->history_count = count;
}

static void inbox_get(struct pawl_sqlite_db *db, const struct pawl_sqlite_instance *row,
                      const struct pawl_inspect *inspect, struct pawl_arena *arena,
                      struct pawl_stored_instance *stored)
{
    const struct pawl_metadata *metadata = &row->metadata;
    stored->inbox_from =
        inspect->inbox_from > metadata->inbox_head ? inspect->inbox_from : metadata->inbox_head;
    if (stored->inbox_from >= metadata->inbox_tail) return;
    uint32_t count = metadata->inbox_tail - stored->inbox_from;
    if (count > inspect->limit) count = inspect->limit;
    stored->inbox = PAWL_ARENA_ARRAY(arena, struct pawl_stored_inbox, count);
    for (uint32_t i = 0; i < count; i++)
        stored->inbox[i] =
            (struct pawl_stored_inbox){ .row.index = stored->inbox_from + i, .is_missing = true };

    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_INBOX_GET);
    pawl_sqlite_bind_int(db, stmt, 1, row->n);
    pawl_sqlite_bind_int(db, stmt, 2, stored->inbox_from);
    pawl_sqlite_bind_int(db, stmt, 3, (int64_t)stored->inbox_from + count);
    size_t size = 0;
    while (size < inspect->size_max && pawl_sqlite_row(db, stmt)) {
        uint32_t at = (uint32_t)(sqlite3_column_int64(stmt, 0) - stored->inbox_from);
        struct pawl_stored_inbox *inbox = &stored->inbox[at];
        stored->inbox_count = at + 1;
        inbox->is_missing = false;
        inbox->row.delivery = pawl_sqlite_id(db, stmt, 1, "delivery");
        inbox->is_unreadable = !pawl_bytes_is_absent(pawl_sqlite_forgive(db, arena));
        inbox->row.body = pawl_sqlite_bytes(arena, stmt, 2);
        size += sizeof inbox->row.delivery.bytes + inbox->row.body.size;
    }
    pawl_sqlite_end(stmt);
    if (size < inspect->size_max) stored->inbox_count = count;
}

static int64_t number_get(struct pawl_sqlite_db *db, sqlite3_stmt *stmt)
{
    int64_t number = 0;
    if (!pawl_sqlite_row(db, stmt)) return 0;
    number = sqlite3_column_int64(stmt, 0);
    pawl_sqlite_end(stmt);
    return number;
}

static void around_get(struct pawl_sqlite_db *db, const struct pawl_sqlite_instance *row,
                       struct pawl_stored_instance *stored)
{
    sqlite3_stmt *seen = pawl_sqlite_use(db, PAWL_SQL_INSPECT_SEEN);
    pawl_sqlite_bind_int(db, seen, 1, row->n);
    stored->seen_count = (uint32_t)number_get(db, seen);

    sqlite3_stmt *beside = pawl_sqlite_use(db, PAWL_SQL_INSPECT_BESIDE);
    pawl_sqlite_bind_int(db, beside, 1, row->n);
    pawl_sqlite_bind_int(db, beside, 2, row->metadata.history_count);
    pawl_sqlite_bind_int(db, beside, 3, row->metadata.inbox_head);
    pawl_sqlite_bind_int(db, beside, 4, row->metadata.inbox_tail);
    stored->strays = (uint32_t)number_get(db, beside);
}

static void inspect_instance(struct pawl_sqlite_db *db, uint32_t partition,
                             const struct pawl_inspect *inspect, struct pawl_arena *arena,
                             struct pawl_stored_instance *stored)
{
    struct pawl_sqlite_instance row =
        pawl_sqlite_instance_get(db, partition, inspect->instance, arena);
    stored->unreadable = pawl_sqlite_forgive(db, arena);
    if (row.n == 0) return;
    stored->is_indexed = true; /* SQLite keeps its indexes itself */
    stored->indexed_ms = row.metadata.created_ms;
    stored->is_there = true;
    stored->metadata = row.metadata;
    if (!pawl_bytes_is_absent(stored->unreadable)) return;
    stored->custom_status = row.custom_status;
    struct pawl_reminder wake = { .kind = PAWL_REMINDER_WAKE,
                                  .instance = row.id,
                                  .inc = row.metadata.inc };
    stored->has_wake = due_get(db, arena, partition, &wake, &stored->wake_ms);
    pending_get(db, &row, arena, stored);
    pending_find_reminders(db, partition, &row, arena, stored);
    history_get(db, &row, inspect, arena, stored);
    inbox_get(db, &row, inspect, arena, stored);
    around_get(db, &row, stored);
}

/* Lists ------------------------------------------------------------------------ */

static sqlite3_stmt *page_begin(struct pawl_sqlite_db *db, enum pawl_sqlite_sql sql,
                                uint32_t partition, const struct pawl_inspect *inspect)
{
    bool is_first = pawl_bytes_is_absent(inspect->cursor);
    sqlite3_stmt *stmt = pawl_sqlite_use(db, sql);
    pawl_sqlite_bind_int(db, stmt, 1, partition);
    pawl_sqlite_bind_bytes(db, stmt, 2, is_first ? PAWL_BYTES_LITERAL("") : inspect->cursor);
    pawl_sqlite_bind_int(db, stmt, 3, inspect->limit);
    return stmt;
}

static void inspect_instances(struct pawl_sqlite_db *db, uint32_t partition,
                              const struct pawl_inspect *inspect, struct pawl_arena *arena,
                              struct pawl_inspected *reply)
{
    sqlite3_stmt *stmt = page_begin(db, PAWL_SQL_INSPECT_IDS, partition, inspect);
    while (pawl_sqlite_row(db, stmt)) {
        reply->names = array_grow(arena, reply->names, sizeof *reply->names, reply->count);
        reply->names[reply->count++] = pawl_sqlite_bytes(arena, stmt, 0);
    }
    if (reply->count == inspect->limit) reply->cursor = reply->names[reply->count - 1];
}

/* An instance that cannot be read is there; what is wrong is said where it is looked at. */
static enum pawl_reminder_target target_of(struct pawl_sqlite_db *db, uint32_t partition,
                                           const struct pawl_reminder *reminder,
                                           struct pawl_arena *arena)
{
    if (reminder->kind == PAWL_REMINDER_OUTBOX) {
        sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_OUTBOX_GET);
        pawl_sqlite_bind_int(db, stmt, 1, partition);
        pawl_sqlite_bind_id(db, stmt, 2, &reminder->message);
        if (!pawl_sqlite_row(db, stmt)) return PAWL_TARGET_NO_MESSAGE;
        pawl_sqlite_end(stmt);
        return PAWL_TARGET_THERE;
    }
    struct pawl_sqlite_instance row =
        pawl_sqlite_instance_get(db, partition, reminder->instance, arena);
    if (!pawl_bytes_is_absent(pawl_sqlite_forgive(db, arena))) return PAWL_TARGET_THERE;
    if (row.n == 0) return PAWL_TARGET_NO_INSTANCE;
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_PENDING_GET);
    pawl_sqlite_bind_int(db, stmt, 1, row.n);
    pawl_sqlite_bind_int(db, stmt, 2, reminder->op.kind);
    pawl_sqlite_bind_int(db, stmt, 3, reminder->op.id);
    struct pawl_pending pending = { .op = reminder->op };
    bool is_pending = pawl_sqlite_row(db, stmt);
    if (is_pending) {
        pending.nonce = (uint64_t)sqlite3_column_int64(stmt, 0);
        pending.state = (enum pawl_pending_state)sqlite3_column_int64(stmt, 1);
        pawl_sqlite_end(stmt);
    }
    return pawl_reminder_target(reminder, &row.metadata, is_pending ? &pending : NULL);
}

static void inspect_reminders(struct pawl_sqlite_db *db, enum pawl_sqlite_sql sql,
                              uint32_t partition, const struct pawl_inspect *inspect,
                              struct pawl_arena *arena, struct pawl_inspected *reply)
{
    sqlite3_stmt *stmt = page_begin(db, sql, partition, inspect);
    while (pawl_sqlite_row(db, stmt)) {
        reply->reminders =
            array_grow(arena, reply->reminders, sizeof *reply->reminders, reply->count);
        struct pawl_stored_reminder *stored = &reply->reminders[reply->count++];
        stored->member = pawl_sqlite_bytes(arena, stmt, 1);
        stored->is_unreadable = !pawl_sqlite_reminder_read(stmt, stored->member, &stored->row);
        if (sqlite3_column_type(stmt, 0) == SQLITE_INTEGER)
            stored->row.due_ms = sqlite3_column_int64(stmt, 0);
    }
    for (uint32_t i = 0; i < reply->count; i++)
        if (!reply->reminders[i].is_unreadable)
            reply->reminders[i].target = target_of(db, partition, &reply->reminders[i].row, arena);
    if (reply->count == inspect->limit) reply->cursor = reply->reminders[reply->count - 1].member;
}

static void inspect_outbox(struct pawl_sqlite_db *db, uint32_t partition,
                           const struct pawl_inspect *inspect, struct pawl_arena *arena,
                           struct pawl_inspected *reply)
{
    struct pawl_bytes last = PAWL_BYTES_ABSENT;
    sqlite3_stmt *stmt = page_begin(db, PAWL_SQL_INSPECT_OUTBOX, partition, inspect);
    while (pawl_sqlite_row(db, stmt)) {
        reply->messages = array_grow(arena, reply->messages, sizeof *reply->messages, reply->count);
        struct pawl_stored_message *stored = &reply->messages[reply->count++];
        last = pawl_sqlite_bytes(arena, stmt, 0);
        stored->row.id = pawl_sqlite_id(db, stmt, 0, "id");
        stored->is_unreadable = !pawl_bytes_is_absent(pawl_sqlite_forgive(db, arena));
        stored->row.body = pawl_sqlite_bytes(arena, stmt, 1);
    }
    for (uint32_t i = 0; i < reply->count; i++) {
        struct pawl_stored_message *stored = &reply->messages[i];
        struct pawl_reminder reminder = { .kind = PAWL_REMINDER_OUTBOX, .message = stored->row.id };
        stored->has_reminder = due_get(db, arena, partition, &reminder, &stored->due_ms);
    }
    if (reply->count == inspect->limit) reply->cursor = last;
}

/* Numbers of instances know no partition: the first one answers for all. */
static void inspect_strays(struct pawl_sqlite_db *db, uint32_t partition,
                           const struct pawl_inspect *inspect, struct pawl_arena *arena,
                           struct pawl_inspected *reply)
{
    if (partition != 0) return;
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_INSPECT_STRAYS);
    pawl_sqlite_bind_int(db, stmt, 1, inspect->limit);
    while (pawl_sqlite_row(db, stmt)) {
        reply->names = array_grow(arena, reply->names, sizeof *reply->names, reply->count);
        reply->names[reply->count++] = pawl_arena_printf(
            arena, "table %s, n = %lld: %lld rows", (const char *)sqlite3_column_text(stmt, 0),
            (long long)sqlite3_column_int64(stmt, 1), (long long)sqlite3_column_int64(stmt, 2));
    }
}

void pawl_sqlite_inspect(struct pawl_sqlite_db *db, const struct pawl_store_request *request,
                         struct pawl_arena *arena, struct pawl_store_reply *reply)
{
    const struct pawl_inspect *inspect = &request->inspect;
    struct pawl_inspected *inspected = PAWL_ARENA_NEW(arena, struct pawl_inspected);
    uint32_t partition = request->partition;
    bool is_first = pawl_bytes_is_absent(inspect->cursor);
    inspected->what = inspect->what;
    reply->inspect = inspected;
    switch (inspect->what) {
    case PAWL_INSPECT_PARTITION:
        inspect_partition(db, partition, arena, &inspected->partition);
        return;
    case PAWL_INSPECT_INSTANCES:
        inspect_instances(db, partition, inspect, arena, inspected);
        return;
    case PAWL_INSPECT_INSTANCE:
        inspect_instance(db, partition, inspect, arena, &inspected->instance);
        return;
    case PAWL_INSPECT_REMINDERS:
        inspect_reminders(db, is_first ? PAWL_SQL_INSPECT_FIRST : PAWL_SQL_INSPECT_NEXT, partition,
                          inspect, arena, inspected);
        return;
    case PAWL_INSPECT_QUARANTINE:
        inspect_reminders(db, PAWL_SQL_INSPECT_QUARANTINE, partition, inspect, arena, inspected);
        return;
    case PAWL_INSPECT_OUTBOX: inspect_outbox(db, partition, inspect, arena, inspected); return;
    case PAWL_INSPECT_STRAYS: inspect_strays(db, partition, inspect, arena, inspected); return;
    case PAWL_INSPECT_END: break;
    }
    PAWL_UNREACHABLE("every kind of row can be inspected");
}
