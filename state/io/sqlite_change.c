/* The change log. Trimmed with each entry, so that it never holds more than what is kept. */
#include "base/bytes.h"
#include "base/limits.h"
#include "state/io/sqlite_db.h"

/* 0: the log is empty. */
static int64_t end_of_log(struct pawl_sqlite_db *db, enum pawl_sqlite_sql which, uint32_t partition)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(db, which);
    pawl_sqlite_bind_int(db, stmt, 1, partition);
    if (!pawl_sqlite_row(db, stmt)) return 0;
    int64_t number = sqlite3_column_int64(stmt, 0);
    pawl_sqlite_end(stmt);
    return number;
}

void pawl_sqlite_change_add(struct pawl_sqlite_db *db, uint32_t partition, uint32_t max,
                            uint32_t what, const struct pawl_change *change)
{
    if (max == 0) return;
    struct pawl_bytes custom = PAWL_BYTES_ABSENT;
    if (what & PAWL_CHANGE_CUSTOM_STATUS) custom = change->custom_status;
    if (custom.size > PAWL_CHANGE_CUSTOM_SIZE_MAX) {
        custom = PAWL_BYTES_ABSENT;
        what |= PAWL_CHANGE_CUSTOM_OMITTED;
    }
    int64_t number = end_of_log(db, PAWL_SQL_CHANGE_LAST, partition) + 1;
    sqlite3_stmt *add = pawl_sqlite_use(db, PAWL_SQL_CHANGE_ADD);
    pawl_sqlite_bind_int(db, add, 1, partition);
    pawl_sqlite_bind_int(db, add, 2, number);
    pawl_sqlite_bind_int(db, add, 3, change->at_ms);
    pawl_sqlite_bind_int(db, add, 4, what);
    pawl_sqlite_bind_int(db, add, 5, change->status);
    pawl_sqlite_bind_int(db, add, 6, change->gen);
    pawl_sqlite_bind_int(db, add, 7, change->turn);
    pawl_sqlite_bind_id(db, add, 8, &change->inc);
    pawl_sqlite_bind_bytes(db, add, 9, change->instance);
    pawl_sqlite_bind_bytes(db, add, 10, change->name);
    pawl_sqlite_bind_bytes(db, add, 11, custom);
    pawl_sqlite_run(db, add);
    if (number <= max) return;
    sqlite3_stmt *trim = pawl_sqlite_use(db, PAWL_SQL_CHANGE_TRIM);
    pawl_sqlite_bind_int(db, trim, 1, partition);
    pawl_sqlite_bind_int(db, trim, 2, number - max);
    pawl_sqlite_run(db, trim);
}

static void change_read(struct pawl_sqlite_db *db, sqlite3_stmt *stmt, struct pawl_arena *arena,
                        struct pawl_change *ret_change)
{
    uint32_t status = pawl_sqlite_uint32(db, stmt, 3, "table change, column status");
    if (status >= PAWL_STATUS_COUNT)
        pawl_sqlite_fail(db, SQLITE_CORRUPT, "table change, column status");
    *ret_change = (struct pawl_change){
        .number = (uint64_t)sqlite3_column_int64(stmt, 0),
        .at_ms = sqlite3_column_int64(stmt, 1),
        .what = pawl_sqlite_uint32(db, stmt, 2, "table change, column what"),
        .status = (enum pawl_status)status,
        .gen = pawl_sqlite_uint32(db, stmt, 4, "table change, column gen"),
        .turn = pawl_sqlite_uint32(db, stmt, 5, "table change, column turn"),
        .inc = pawl_sqlite_id(db, stmt, 6, "table change, column inc: not 16 bytes"),
        .instance = pawl_sqlite_bytes(arena, stmt, 7),
        .name = pawl_sqlite_bytes(arena, stmt, 8),
        .custom_status = pawl_sqlite_bytes(arena, stmt, 9),
    };
}

void pawl_sqlite_changes(struct pawl_sqlite_db *db, const struct pawl_store_request *request,
                         struct pawl_arena *arena, struct pawl_store_reply *reply)
{
    const struct pawl_changes *changes = &request->changes;
    uint64_t last = (uint64_t)end_of_log(db, PAWL_SQL_CHANGE_LAST, request->partition);
    uint64_t first = (uint64_t)end_of_log(db, PAWL_SQL_CHANGE_FIRST, request->partition);
    if (first == 0) first = 1;
    if (last - first + 1 > changes->keep) first = last - changes->keep + 1;
    reply->changes.first = first;
    reply->changes.last = last;
    if (changes->after >= last || first > last || changes->max == 0) return;

    uint64_t from = changes->after + 1 > first ? changes->after + 1 : first;
    uint64_t count = last - from + 1 < changes->max ? last - from + 1 : changes->max;
    reply->changes.items = PAWL_ARENA_ARRAY(arena, struct pawl_change, (uint32_t)count);
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_CHANGE_GET);
    pawl_sqlite_bind_int(db, stmt, 1, request->partition);
    pawl_sqlite_bind_int(db, stmt, 2, (int64_t)from);
    pawl_sqlite_bind_int(db, stmt, 3, (int64_t)count);
    while (reply->changes.count < count && pawl_sqlite_row(db, stmt))
        change_read(db, stmt, arena, &reply->changes.items[reply->changes.count++]);
    if (reply->changes.count == count) pawl_sqlite_end(stmt);
}
