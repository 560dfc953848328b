#include "state/io/sqlite_db.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "state/keys.h"

/* Statements ------------------------------------------------------------------- */

void pawl_sqlite_fail(struct pawl_sqlite_db *db, int code, const char *what)
{
    if (db->failed != SQLITE_OK) return;
    db->failed = code;
    db->is_value = code == SQLITE_CORRUPT;
    snprintf(db->message, sizeof db->message, "%s", what);
}

struct pawl_bytes pawl_sqlite_forgive(struct pawl_sqlite_db *db, struct pawl_arena *arena)
{
    if (db->failed != SQLITE_CORRUPT || !db->is_value) return PAWL_BYTES_ABSENT;
    db->failed = SQLITE_OK;
    return pawl_arena_printf(arena, "%s", db->message);
}

/* SQLite's own words for the error that just happened. */
static void fail_with_text(struct pawl_sqlite_db *db, int code)
{
    if (db->failed != SQLITE_OK) return;
    db->failed = sqlite3_extended_errcode(db->connection);
    if (db->failed == SQLITE_OK) db->failed = code;
    db->is_value = false;
    snprintf(db->message, sizeof db->message, "SQLite: %s", sqlite3_errmsg(db->connection));
}

sqlite3_stmt *pawl_sqlite_use(struct pawl_sqlite_db *db, enum pawl_sqlite_sql sql)
{
    return db->statements[sql];
}

static void note(struct pawl_sqlite_db *db, int code)
{
    if (code != SQLITE_OK) fail_with_text(db, code);
}

void pawl_sqlite_bind_int(struct pawl_sqlite_db *db, sqlite3_stmt *stmt, int at, int64_t value)
{
    note(db, sqlite3_bind_int64(stmt, at, value));
}

void pawl_sqlite_bind_bytes(struct pawl_sqlite_db *db, sqlite3_stmt *stmt, int at,
                            struct pawl_bytes value)
{
    if (pawl_bytes_is_absent(value))
        note(db, sqlite3_bind_null(stmt, at));
    else
        note(db, sqlite3_bind_blob64(stmt, at, value.data, value.size, SQLITE_STATIC));
}

void pawl_sqlite_bind_id(struct pawl_sqlite_db *db, sqlite3_stmt *stmt, int at,
                         const struct pawl_id *value)
{
    note(db, sqlite3_bind_blob(stmt, at, value->bytes, sizeof value->bytes, SQLITE_STATIC));
}

bool pawl_sqlite_row(struct pawl_sqlite_db *db, sqlite3_stmt *stmt)
{
    int code = SQLITE_DONE;
    if (db->failed == SQLITE_OK) code = sqlite3_step(stmt);
    if (code == SQLITE_ROW) return true;
    if (code != SQLITE_DONE) fail_with_text(db, code);
    pawl_sqlite_end(stmt);
    return false;
}

void pawl_sqlite_end(sqlite3_stmt *stmt)
{
    sqlite3_reset(stmt); /* repeats the error of the last step, which is known by now */
}

void pawl_sqlite_run(struct pawl_sqlite_db *db, sqlite3_stmt *stmt)
{
    bool has_row = pawl_sqlite_row(db, stmt);
    PAWL_ASSERT(!has_row);
}

/* Columns ---------------------------------------------------------------------- */

struct pawl_bytes pawl_sqlite_bytes(struct pawl_arena *arena, sqlite3_stmt *stmt, int at)
{
    if (sqlite3_column_type(stmt, at) == SQLITE_NULL) return PAWL_BYTES_ABSENT;
    const void *data = sqlite3_column_blob(stmt, at); /* NULL when empty */
    size_t size = (size_t)sqlite3_column_bytes(stmt, at);
    if (!data) return PAWL_BYTES_LITERAL("");
    return pawl_arena_copy(arena, pawl_bytes_make(data, size));
}

struct pawl_id pawl_sqlite_id(struct pawl_sqlite_db *db, sqlite3_stmt *stmt, int at,
                              const char *what)
{
    struct pawl_id id = { { 0 } };
    const void *data = sqlite3_column_blob(stmt, at);
    if (!data || sqlite3_column_bytes(stmt, at) != (int)sizeof id.bytes)
        pawl_sqlite_fail(db, SQLITE_CORRUPT, what);
    else
        memcpy(id.bytes, data, sizeof id.bytes);
    return id;
}

uint32_t pawl_sqlite_uint32(struct pawl_sqlite_db *db, sqlite3_stmt *stmt, int at, const char *what)
{
    int64_t value = sqlite3_column_int64(stmt, at);
    if (value >= 0 && value <= UINT32_MAX) return (uint32_t)value;
    pawl_sqlite_fail(db, SQLITE_CORRUPT, what);
    return 0;
}

/* Shared rows ------------------------------------------------------------------ */

struct pawl_sqlite_owner pawl_sqlite_owner_get(struct pawl_sqlite_db *db, uint32_t partition)
{
    struct pawl_sqlite_owner owner = { .epoch = 0 };
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_OWNER_GET);
    pawl_sqlite_bind_int(db, stmt, 1, partition);
    if (!pawl_sqlite_row(db, stmt)) return owner;
    owner.epoch = (uint64_t)sqlite3_column_int64(stmt, 0);
    owner.nonce = pawl_sqlite_id(db, stmt, 1, "table owner, column nonce: not 16 bytes");
    owner.table_version = (uint64_t)sqlite3_column_int64(stmt, 2);
    pawl_sqlite_end(stmt);
    return owner;
}

bool pawl_sqlite_fence_holds(struct pawl_sqlite_db *db, uint32_t partition,
                             const struct pawl_fence *fence)
{
    struct pawl_sqlite_owner owner = pawl_sqlite_owner_get(db, partition);
    return owner.epoch != 0 && owner.epoch == fence->epoch
           && pawl_id_is_equal(owner.nonce, fence->nonce);
}

static enum pawl_status status_read(struct pawl_sqlite_db *db, sqlite3_stmt *stmt, int at)
{
    int64_t value = sqlite3_column_int64(stmt, at);
    if (value >= 0 && value < PAWL_STATUS_COUNT) return (enum pawl_status)value;
    pawl_sqlite_fail(db, SQLITE_CORRUPT, "table instance, column status: no known status");
    return PAWL_STATUS_STALLED;
}

struct pawl_sqlite_instance pawl_sqlite_instance_read(struct pawl_sqlite_db *db, sqlite3_stmt *stmt,
                                                      struct pawl_arena *arena)
{
    struct pawl_sqlite_instance row = { .n = sqlite3_column_int64(stmt, 0) };
    struct pawl_metadata *metadata = &row.metadata;
    metadata->inc = pawl_sqlite_id(db, stmt, 1, "table instance, column inc: not 16 bytes");
    metadata->gen = pawl_sqlite_uint32(db, stmt, 2, "table instance, column gen: out of range");
    metadata->last = pawl_sqlite_id(db, stmt, 3, "table instance, column last: not 16 bytes");
    metadata->turn = pawl_sqlite_uint32(db, stmt, 4, "table instance, column turn: out of range");
    metadata->history_count =
        pawl_sqlite_uint32(db, stmt, 5, "table instance, column history_count: out of range");
    metadata->history_size = (uint64_t)sqlite3_column_int64(stmt, 6);
    metadata->inbox_head =
        pawl_sqlite_uint32(db, stmt, 7, "table instance, column inbox_head: out of range");
    metadata->inbox_tail =
        pawl_sqlite_uint32(db, stmt, 8, "table instance, column inbox_tail: out of range");
    metadata->status = status_read(db, stmt, 9);
    metadata->created_ms = sqlite3_column_int64(stmt, 10);
    metadata->start_at_ms = sqlite3_column_int64(stmt, 11);
    metadata->started_ms = sqlite3_column_int64(stmt, 12);
    metadata->updated_ms = sqlite3_column_int64(stmt, 13);
    metadata->completed_ms = sqlite3_column_int64(stmt, 14);
    metadata->name = pawl_sqlite_bytes(arena, stmt, 15);
    metadata->version = pawl_sqlite_bytes(arena, stmt, 16);
    metadata->request_id = pawl_sqlite_bytes(arena, stmt, 17);
    metadata->parent = pawl_sqlite_bytes(arena, stmt, 18);
    row.parent_key = pawl_sqlite_bytes(arena, stmt, 19);
    row.custom_status = pawl_sqlite_bytes(arena, stmt, 20);
    row.id = pawl_sqlite_bytes(arena, stmt, 21);
    metadata->tags = pawl_sqlite_bytes(arena, stmt, 22);
    if (metadata->inbox_head > metadata->inbox_tail)
        pawl_sqlite_fail(db, SQLITE_CORRUPT, "table instance: inbox_head is behind inbox_tail");
    return row;
}

bool pawl_sqlite_reminder_read(sqlite3_stmt *stmt, struct pawl_bytes member,
                               struct pawl_reminder *ret_reminder)
{
    return sqlite3_column_type(stmt, 0) == SQLITE_INTEGER
           && sqlite3_column_type(stmt, 1) == SQLITE_BLOB
           && pawl_reminder_parse(member, ret_reminder) == PAWL_OK;
}

struct pawl_sqlite_instance pawl_sqlite_instance_get(struct pawl_sqlite_db *db, uint32_t partition,
                                                     struct pawl_bytes id, struct pawl_arena *arena)
{
    struct pawl_sqlite_instance row = { .n = 0 };
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_INSTANCE_GET);
    pawl_sqlite_bind_int(db, stmt, 1, partition);
    pawl_sqlite_bind_bytes(db, stmt, 2, id);
    if (!pawl_sqlite_row(db, stmt)) return row;
    row = pawl_sqlite_instance_read(db, stmt, arena);
    pawl_sqlite_end(stmt);
    return row;
}

void pawl_sqlite_counts_add(struct pawl_sqlite_db *db, uint32_t partition, enum pawl_status status,
                            int64_t change)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_COUNTS_ADD);
    pawl_sqlite_bind_int(db, stmt, 1, partition);
    pawl_sqlite_bind_int(db, stmt, 2, status);
    pawl_sqlite_bind_int(db, stmt, 3, change);
    pawl_sqlite_run(db, stmt);
}

static void reminder_write(struct pawl_sqlite_db *db, struct pawl_arena *arena,
                           enum pawl_sqlite_sql sql, uint32_t partition,
                           const struct pawl_reminder *reminder)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(db, sql);
    pawl_sqlite_bind_int(db, stmt, 1, partition);
    pawl_sqlite_bind_bytes(db, stmt, 2, pawl_reminder_format(arena, reminder));
    pawl_sqlite_bind_int(db, stmt, 3, reminder->due_ms);
    pawl_sqlite_run(db, stmt);
}

void pawl_sqlite_reminder_put(struct pawl_sqlite_db *db, struct pawl_arena *arena,
                              uint32_t partition, const struct pawl_reminder *reminder)
{
    reminder_write(db, arena, PAWL_SQL_REMINDER_PUT, partition, reminder);
}

void pawl_sqlite_reminder_ensure(struct pawl_sqlite_db *db, struct pawl_arena *arena,
                                 uint32_t partition, const struct pawl_reminder *reminder)
{
    reminder_write(db, arena, PAWL_SQL_REMINDER_ENSURE, partition, reminder);
}

void pawl_sqlite_reminder_remove(struct pawl_sqlite_db *db, struct pawl_arena *arena,
                                 uint32_t partition, const struct pawl_reminder *reminder)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_REMINDER_REMOVE);
    pawl_sqlite_bind_int(db, stmt, 1, partition);
    pawl_sqlite_bind_bytes(db, stmt, 2, pawl_reminder_format(arena, reminder));
    pawl_sqlite_run(db, stmt);
}

void pawl_sqlite_inbox_add(struct pawl_sqlite_db *db, int64_t n, uint32_t index,
                           const struct pawl_id *delivery, struct pawl_bytes body)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_INBOX_ADD);
    pawl_sqlite_bind_int(db, stmt, 1, n);
    pawl_sqlite_bind_int(db, stmt, 2, index);
    pawl_sqlite_bind_id(db, stmt, 3, delivery);
    pawl_sqlite_bind_bytes(db, stmt, 4, body);
    pawl_sqlite_run(db, stmt);
}

void pawl_sqlite_clear(struct pawl_sqlite_db *db, enum pawl_sqlite_sql sql, int64_t n)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(db, sql);
    pawl_sqlite_bind_int(db, stmt, 1, n);
    pawl_sqlite_run(db, stmt);
}

void pawl_sqlite_payload_put(struct pawl_sqlite_db *db, int64_t n, enum pawl_sqlite_payload kind,
                             struct pawl_bytes body)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_PAYLOAD_PUT);
    pawl_sqlite_bind_int(db, stmt, 1, n);
    pawl_sqlite_bind_int(db, stmt, 2, kind);
    pawl_sqlite_bind_bytes(db, stmt, 3, body);
    pawl_sqlite_run(db, stmt);
}

struct pawl_bytes pawl_sqlite_tag(struct pawl_arena *arena, const struct pawl_tag *tag)
{
    return pawl_arena_printf(arena, "%.*s=%.*s", PAWL_BYTES_FMT(tag->key),
                             PAWL_BYTES_FMT(tag->value));
}
