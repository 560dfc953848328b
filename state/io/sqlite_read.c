/* The reading operations: load, poll (which also moves what it reads). */
#include "base/bytes.h"
#include "base/limits.h"
#include "state/io/sqlite_db.h"
#include "state/keys.h"

/* Load ------------------------------------------------------------------------- */

static void payloads_get(struct pawl_sqlite_db *db, int64_t n, struct pawl_arena *arena,
                         struct pawl_payloads *ret_payloads)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_PAYLOAD_GET);
    pawl_sqlite_bind_int(db, stmt, 1, n);
    while (pawl_sqlite_row(db, stmt)) {
        struct pawl_bytes body = pawl_sqlite_bytes(arena, stmt, 1);
        switch (sqlite3_column_int64(stmt, 0)) {
        case PAWL_SQLITE_INPUT: ret_payloads->input = body; break;
        case PAWL_SQLITE_OUTPUT: ret_payloads->output = body; break;
        case PAWL_SQLITE_FAILURE: ret_payloads->failure = body; break;
        case PAWL_SQLITE_ATTEMPTS: break;
        default: pawl_sqlite_fail(db, SQLITE_CORRUPT, "table payload, column kind: unknown");
        }
    }
}

static struct pawl_bytes attempts_get(struct pawl_sqlite_db *db, int64_t n,
                                      struct pawl_arena *arena)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_PAYLOAD_OF_KIND);
    pawl_sqlite_bind_int(db, stmt, 1, n);
    pawl_sqlite_bind_int(db, stmt, 2, PAWL_SQLITE_ATTEMPTS);
    if (!pawl_sqlite_row(db, stmt)) return PAWL_BYTES_ABSENT;
    struct pawl_bytes attempts = pawl_sqlite_bytes(arena, stmt, 0);
    pawl_sqlite_end(stmt);
    return attempts;
}

/* Room for one more of an array that doubles inside the arena. */
static void *array_grow(struct pawl_arena *arena, void *items, size_t size, uint32_t count)
{
    if (count != 0 && (count < 8 || (count & (count - 1)) != 0)) return items;
    void *grown = pawl_arena_alloc(arena, size * (count ? (size_t)count * 2 : 8));
    if (count) memcpy(grown, items, size * count);
    return grown;
}

static void pending_get(struct pawl_sqlite_db *db, int64_t n, struct pawl_arena *arena,
                        struct pawl_snapshot *snapshot)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_PENDING_ALL);
    pawl_sqlite_bind_int(db, stmt, 1, n);
    while (pawl_sqlite_row(db, stmt)) {
        snapshot->pending = array_grow(arena, snapshot->pending, sizeof *snapshot->pending,
                                       snapshot->pending_count);
        struct pawl_pending *pending = &snapshot->pending[snapshot->pending_count++];
        pending->op.kind = (char)sqlite3_column_int(stmt, 0);
        pending->op.id = pawl_sqlite_uint32(db, stmt, 1, "table pending, column op: out of range");
        pending->nonce = (uint64_t)sqlite3_column_int64(stmt, 2);
        pending->state = (enum pawl_pending_state)sqlite3_column_int(stmt, 3);
        pending->history_index =
            pawl_sqlite_uint32(db, stmt, 4, "table pending, column i: out of range");
        pending->event = pawl_sqlite_bytes(arena, stmt, 5);
        if (pawl_bytes_is_absent(pending->event))
            pawl_sqlite_fail(
                db, SQLITE_CORRUPT,
                "table history: the row that scheduled a pending operation is missing");
    }
}

static void inbox_get(struct pawl_sqlite_db *db, int64_t n, struct pawl_arena *arena,
                      struct pawl_snapshot *snapshot)
{
    const struct pawl_metadata *metadata = &snapshot->metadata;
    uint32_t expected = metadata->inbox_tail - metadata->inbox_head;
    if (db->failed != SQLITE_OK) return; /* the counters may be nonsense */

    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_INBOX_GET);
    pawl_sqlite_bind_int(db, stmt, 1, n);
    pawl_sqlite_bind_int(db, stmt, 2, metadata->inbox_head);
    pawl_sqlite_bind_int(db, stmt, 3, metadata->inbox_tail);
    while (pawl_sqlite_row(db, stmt)) {
        snapshot->inbox =
            array_grow(arena, snapshot->inbox, sizeof *snapshot->inbox, snapshot->inbox_count);
        struct pawl_inbox_row *row = &snapshot->inbox[snapshot->inbox_count++];
        row->index = pawl_sqlite_uint32(db, stmt, 0, "table inbox, column i: out of range");
        row->delivery = pawl_sqlite_id(db, stmt, 1, "table inbox, column delivery: not 16 bytes");
        row->body = pawl_sqlite_bytes(arena, stmt, 2);
    }
    if (snapshot->inbox_count != expected)
        pawl_sqlite_fail(db, SQLITE_CORRUPT, "table inbox: a row of an instance is missing");
}

/* A history that is shorter than the metadata says must never look like a short one. */
static void history_get(struct pawl_sqlite_db *db, int64_t n, const struct pawl_load *load,
                        struct pawl_arena *arena, struct pawl_snapshot *snapshot)
{
    snapshot->history_from = load->history_from;
    if (load->gen != 0 && load->gen != snapshot->metadata.gen) return;
    if (load->history_from >= snapshot->metadata.history_count) return;
    uint32_t expected = snapshot->metadata.history_count - load->history_from;
    if (expected > load->history_max) expected = load->history_max;

    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_HISTORY_GET);
    pawl_sqlite_bind_int(db, stmt, 1, n);
    pawl_sqlite_bind_int(db, stmt, 2, load->history_from);
    pawl_sqlite_bind_int(db, stmt, 3, expected);
    size_t size = 0;
    while (pawl_sqlite_row(db, stmt)) {
        int64_t index = (int64_t)load->history_from + snapshot->history_count;
        if (sqlite3_column_int64(stmt, 0) != index) break;
        snapshot->history = array_grow(arena, snapshot->history, sizeof *snapshot->history,
                                       snapshot->history_count);
        struct pawl_bytes event = pawl_sqlite_bytes(arena, stmt, 1);
        snapshot->history[snapshot->history_count++] = event;
        size += event.size;
        if (size >= load->history_size_max) {
            pawl_sqlite_end(stmt);
            return;
        }
    }
    pawl_sqlite_end(stmt);
    if (snapshot->history_count != expected)
        pawl_sqlite_fail(db, SQLITE_CORRUPT, "table history: a row of an instance is missing");
}

void pawl_sqlite_load(struct pawl_sqlite_db *db, const struct pawl_store_request *request,
                      struct pawl_arena *arena, struct pawl_store_reply *reply)
{
    const struct pawl_load *load = &request->load;
    if ((load->want & PAWL_LOAD_FENCED)
        && !pawl_sqlite_fence_holds(db, request->partition, &load->fence)) {
        reply->err = PAWL_E_FENCED;
        return;
    }
    struct pawl_sqlite_instance row =
        pawl_sqlite_instance_get(db, request->partition, load->instance, arena);
    if (row.n == 0) {
        reply->err = PAWL_E_NOT_FOUND;
        return;
    }
    struct pawl_snapshot *snapshot = &reply->load.snapshot;
    snapshot->metadata = row.metadata;
    snapshot->custom_status = row.custom_status;
    if (load->want & PAWL_LOAD_PENDING) {
        pending_get(db, row.n, arena, snapshot);
        snapshot->attempts = attempts_get(db, row.n, arena);
    }
    if (load->want & PAWL_LOAD_INBOX) inbox_get(db, row.n, arena, snapshot);
    if (load->want & PAWL_LOAD_HISTORY) history_get(db, row.n, load, arena, snapshot);
    if (load->want & PAWL_LOAD_PAYLOADS) payloads_get(db, row.n, arena, &snapshot->payloads);
}

/* Poll ------------------------------------------------------------------------- */

struct due_row {
    struct pawl_bytes member;
    struct pawl_reminder reminder;
    sqlite3_value *unreadable; /* the member as it is stored; NULL: it can be read */
};

/* The rows to look at, before any of them moves. Returns their count. */
static uint32_t due_get(struct pawl_sqlite_db *db, uint32_t partition, const struct pawl_poll *poll,
                        struct pawl_arena *arena, struct due_row **ret_rows)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_REMINDER_DUE);
    pawl_sqlite_bind_int(db, stmt, 1, partition);
    pawl_sqlite_bind_int(db, stmt, 2,
                         poll->until_ms > poll->now_ms ? poll->until_ms : poll->now_ms);
    pawl_sqlite_bind_int(db, stmt, 3, poll->max);
    pawl_sqlite_bind_int(db, stmt, 4, poll->skip);
    pawl_sqlite_bind_int(db, stmt, 5, poll->from_ms ? poll->from_ms : INT64_MIN);

    uint32_t count = 0;
    *ret_rows = NULL;
    while (pawl_sqlite_row(db, stmt)) {
        *ret_rows = array_grow(arena, *ret_rows, sizeof **ret_rows, count);
        struct due_row *row = &(*ret_rows)[count++];
        row->member = pawl_sqlite_bytes(arena, stmt, 1);
        row->unreadable = NULL;
        if (!pawl_sqlite_reminder_read(stmt, row->member, &row->reminder)) {
            row->unreadable = sqlite3_value_dup(sqlite3_column_value(stmt, 1));
            if (!row->unreadable) pawl_sqlite_fail(db, SQLITE_NOMEM, "SQLite: out of memory");
        }
        row->reminder.due_ms = sqlite3_column_int64(stmt, 0);
    }
    return count;
}

/* False when the message is gone. */
static bool message_get(struct pawl_sqlite_db *db, uint32_t partition, const struct pawl_id *id,
                        struct pawl_arena *arena, struct pawl_bytes *ret_body)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_OUTBOX_GET);
    pawl_sqlite_bind_int(db, stmt, 1, partition);
    pawl_sqlite_bind_id(db, stmt, 2, id);
    if (!pawl_sqlite_row(db, stmt)) return false;
    *ret_body = pawl_sqlite_bytes(arena, stmt, 0);
    pawl_sqlite_end(stmt);
    return true;
}

static void member_remove(struct pawl_sqlite_db *db, uint32_t partition, struct pawl_bytes member)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_REMINDER_REMOVE);
    pawl_sqlite_bind_int(db, stmt, 1, partition);
    pawl_sqlite_bind_bytes(db, stmt, 2, member);
    pawl_sqlite_run(db, stmt);
}

static void member_move(struct pawl_sqlite_db *db, uint32_t partition, struct pawl_bytes member,
                        int64_t due_ms)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_REMINDER_PUT);
    pawl_sqlite_bind_int(db, stmt, 1, partition);
    pawl_sqlite_bind_bytes(db, stmt, 2, member);
    pawl_sqlite_bind_int(db, stmt, 3, due_ms);
    pawl_sqlite_run(db, stmt);
}

static void quarantine_run(struct pawl_sqlite_db *db, enum pawl_sqlite_sql sql, uint32_t partition,
                           const sqlite3_value *member)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(db, sql);
    pawl_sqlite_bind_int(db, stmt, 1, partition);
    if (sqlite3_bind_value(stmt, 2, member) != SQLITE_OK)
        pawl_sqlite_fail(db, SQLITE_NOMEM, "SQLite: out of memory");
    pawl_sqlite_run(db, stmt);
}

static void due_quarantine(struct pawl_sqlite_db *db, uint32_t partition, struct due_row *row,
                           struct pawl_store_reply *reply)
{
    quarantine_run(db, PAWL_SQL_QUARANTINE_PUT, partition, row->unreadable);
    quarantine_run(db, PAWL_SQL_REMINDER_REMOVE, partition, row->unreadable);
    sqlite3_value_free(row->unreadable);
    reply->poll.unreadable++;
}

static void due_take(struct pawl_sqlite_db *db, const struct pawl_store_request *request,
                     const struct due_row *row, struct pawl_arena *arena,
                     struct pawl_store_reply *reply)
{
    const struct pawl_poll *poll = &request->poll;
    enum pawl_reminder_kind kind = row->reminder.kind;
    if (kind == PAWL_REMINDER_TIMER && row->reminder.due_ms > poll->now_ms) {
        reply->poll.skipped++;
        reply->poll.skipped_until_ms = row->reminder.due_ms;
        return;
    }
    struct pawl_poll_item item = { .reminder = row->reminder };
    if (kind == PAWL_REMINDER_OUTBOX
        && !message_get(db, request->partition, &row->reminder.message, arena, &item.body)) {
        member_remove(db, request->partition, row->member);
        return;
    }
    reply->poll.items[reply->poll.items_count++] = item;
    member_move(db, request->partition, row->member, pawl_poll_leased_until_ms(poll, kind));
}

static void counts_get(struct pawl_sqlite_db *db, uint32_t partition,
                       uint64_t ret_counts[PAWL_STATUS_COUNT])
{
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_COUNTS_GET);
    pawl_sqlite_bind_int(db, stmt, 1, partition);
    while (pawl_sqlite_row(db, stmt)) {
        int64_t status = sqlite3_column_int64(stmt, 0);
        if (status < 0 || status >= PAWL_STATUS_COUNT)
            pawl_sqlite_fail(db, SQLITE_CORRUPT, "table counts, column status: no known status");
        else
            ret_counts[status] = (uint64_t)sqlite3_column_int64(stmt, 1);
    }
}

void pawl_sqlite_poll(struct pawl_sqlite_db *db, const struct pawl_store_request *request,
                      struct pawl_arena *arena, struct pawl_store_reply *reply)
{
    if (!pawl_sqlite_fence_holds(db, request->partition, &request->poll.fence)) {
        reply->err = PAWL_E_FENCED;
        return;
    }
    struct due_row *rows;
    uint32_t count = due_get(db, request->partition, &request->poll, arena, &rows);
    reply->poll.items = PAWL_ARENA_ARRAY(arena, struct pawl_poll_item, count);
    for (uint32_t i = 0; i < count; i++) {
        if (rows[i].unreadable)
            due_quarantine(db, request->partition, &rows[i], reply);
        else
            due_take(db, request, &rows[i], arena, reply);
    }

    sqlite3_stmt *first = pawl_sqlite_use(db, PAWL_SQL_REMINDER_FIRST);
    pawl_sqlite_bind_int(db, first, 1, request->partition);
    if (pawl_sqlite_row(db, first)) {
        reply->poll.next_due_ms = sqlite3_column_int64(first, 0);
        pawl_sqlite_end(first);
    }
    counts_get(db, request->partition, reply->poll.counts);
}
