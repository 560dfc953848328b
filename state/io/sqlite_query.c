/* Query: lists and counts of instances, each through the index that fits it. */
#include "base/bytes.h"
#include "base/limits.h"
#include "state/io/sqlite_db.h"
#include "state/query.h"

/* The statement of each order and facet, and the one that counts by the same index. */
static enum pawl_sqlite_sql statement_of(const struct pawl_query *query,
                                         enum pawl_query_facet_kind facet)
{
    static const enum pawl_sqlite_sql created[] = {
        [PAWL_FACET_NONE] = PAWL_SQL_QUERY_STATUS,
        [PAWL_FACET_NAME] = PAWL_SQL_QUERY_NAME,
        [PAWL_FACET_TAG] = PAWL_SQL_QUERY_TAG,
    };
    static const enum pawl_sqlite_sql completed[] = {
        [PAWL_FACET_NONE] = PAWL_SQL_QUERY_ENDED,
        [PAWL_FACET_NAME] = PAWL_SQL_QUERY_ENDED_NAME,
        [PAWL_FACET_TAG] = PAWL_SQL_QUERY_ENDED_TAG,
    };
    if (query->order == PAWL_QUERY_ID) return PAWL_SQL_QUERY_ID;
    if (query->order == PAWL_QUERY_COMPLETED) return completed[facet];
    bool is_all = facet == PAWL_FACET_NONE && query->status_mask == 0;
    return is_all ? PAWL_SQL_QUERY : created[facet];
}

static enum pawl_sqlite_sql count_statement_of(const struct pawl_query *query,
                                               enum pawl_query_facet_kind facet)
{
    static const enum pawl_sqlite_sql created[] = {
        [PAWL_FACET_NONE] = PAWL_SQL_COUNT_STATUS,
        [PAWL_FACET_NAME] = PAWL_SQL_COUNT_NAME,
        [PAWL_FACET_TAG] = PAWL_SQL_COUNT_TAG,
    };
    static const enum pawl_sqlite_sql completed[] = {
        [PAWL_FACET_NONE] = PAWL_SQL_COUNT_ENDED,
        [PAWL_FACET_NAME] = PAWL_SQL_COUNT_ENDED_NAME,
        [PAWL_FACET_TAG] = PAWL_SQL_COUNT_ENDED_TAG,
    };
    return query->order == PAWL_QUERY_COMPLETED ? completed[facet] : created[facet];
}

static void facet_bind(struct pawl_sqlite_db *db, sqlite3_stmt *stmt, int at,
                       const struct pawl_query *query, const struct pawl_query_facet *facet,
                       struct pawl_arena *arena)
{
    switch (facet->kind) {
    case PAWL_FACET_NONE: return;
    case PAWL_FACET_NAME: pawl_sqlite_bind_bytes(db, stmt, at, query->name); return;
    case PAWL_FACET_TAG:
        pawl_sqlite_bind_bytes(db, stmt, at, pawl_sqlite_tag(arena, &facet->tag));
        return;
    }
}

/* Count ------------------------------------------------------------------------ */

static void count_by_index(struct pawl_sqlite_db *db, uint32_t partition,
                           const struct pawl_query *query, struct pawl_arena *arena,
                           uint64_t ret_counts[PAWL_STATUS_COUNT])
{
    struct pawl_query_facet facet = pawl_query_facet_of(query);
    struct pawl_query_range range = pawl_query_range_of(query);
    uint32_t mask = pawl_query_mask(query);
    for (int status = 0; status < PAWL_STATUS_COUNT; status++) {
        if (!(mask >> status & 1)) continue;
        sqlite3_stmt *stmt = pawl_sqlite_use(db, count_statement_of(query, facet.kind));
        pawl_sqlite_bind_int(db, stmt, 1, partition);
        pawl_sqlite_bind_int(db, stmt, 2, status);
        pawl_sqlite_bind_int(db, stmt, 3, range.from_ms);
        pawl_sqlite_bind_int(db, stmt, 4, range.to_ms);
        facet_bind(db, stmt, 5, query, &facet, arena);
        if (!pawl_sqlite_row(db, stmt)) return;
        ret_counts[status] = (uint64_t)sqlite3_column_int64(stmt, 0);
        pawl_sqlite_end(stmt);
    }
}

/* Scan ------------------------------------------------------------------------- */

static struct pawl_bytes column_view(sqlite3_stmt *stmt, int at)
{
    if (sqlite3_column_type(stmt, at) == SQLITE_NULL) return PAWL_BYTES_ABSENT;
    const void *data = sqlite3_column_blob(stmt, at);
    return pawl_bytes_make(data ? data : "", (size_t)sqlite3_column_bytes(stmt, at));
}

/* On the columns where they lie: rows that do not match are not copied. */
static bool row_matches(const struct pawl_query *query, sqlite3_stmt *stmt)
{
    int64_t status = sqlite3_column_int64(stmt, 9);
    if (status < 0 || status >= PAWL_STATUS_COUNT) return true; /* reading it fails */
    struct pawl_metadata view = {
        .status = (enum pawl_status)status,
        .created_ms = sqlite3_column_int64(stmt, 10),
        .updated_ms = sqlite3_column_int64(stmt, 13),
        .completed_ms = sqlite3_column_int64(stmt, 14),
        .name = column_view(stmt, 15),
        .tags = column_view(stmt, 22),
    };
    return pawl_query_matches(query, column_view(stmt, 21), &view);
}

/* Behind `before`, and within the range. */
static void range_bind(struct pawl_sqlite_db *db, sqlite3_stmt *stmt,
                       const struct pawl_query *query)
{
    struct pawl_query_range range = pawl_query_range_of(query);
    struct pawl_bytes below_id = PAWL_BYTES_LITERAL(""); /* no id is below it */
    if (!pawl_bytes_is_absent(query->before_instance) && query->before_ms < range.to_ms) {
        range.to_ms = query->before_ms;
        below_id = query->before_instance;
    }
    pawl_sqlite_bind_int(db, stmt, 2, range.from_ms);
    pawl_sqlite_bind_int(db, stmt, 3, range.to_ms);
    pawl_sqlite_bind_bytes(db, stmt, 4, below_id);
}

/* The ids with the prefix are from it up to its own bytes and a byte that no text has. */
static void prefix_bind(struct pawl_sqlite_db *db, sqlite3_stmt *stmt,
                        const struct pawl_query *query, struct pawl_arena *arena)
{
    struct pawl_bytes prefix =
        pawl_bytes_is_absent(query->prefix) ? PAWL_BYTES_LITERAL("") : query->prefix;
    struct pawl_bytes below = pawl_arena_printf(arena, "%.*s\xff", PAWL_BYTES_FMT(prefix));
    if (!pawl_bytes_is_absent(query->before_instance)
        && pawl_bytes_compare(query->before_instance, below) < 0)
        below = query->before_instance;
    pawl_sqlite_bind_bytes(db, stmt, 2, prefix);
    pawl_sqlite_bind_bytes(db, stmt, 4, below);
}

static sqlite3_stmt *scan_start(struct pawl_sqlite_db *db, uint32_t partition,
                                const struct pawl_query *query, struct pawl_arena *arena)
{
    struct pawl_query_facet facet = pawl_query_facet_of(query);
    enum pawl_sqlite_sql sql = statement_of(query, facet.kind);
    sqlite3_stmt *stmt = pawl_sqlite_use(db, sql);
    pawl_sqlite_bind_int(db, stmt, 1, partition);
    if (sql == PAWL_SQL_QUERY_ID) {
        prefix_bind(db, stmt, query, arena);
        return stmt;
    }
    range_bind(db, stmt, query);
    if (sql == PAWL_SQL_QUERY) return stmt;
    pawl_sqlite_bind_int(db, stmt, 5, pawl_query_mask(query));
    facet_bind(db, stmt, 6, query, &facet, arena);
    return stmt;
}

static void query_row_add(struct pawl_sqlite_db *db, sqlite3_stmt *stmt, struct pawl_arena *arena,
                          struct pawl_store_reply *reply)
{
    uint32_t count = reply->query.rows_count;
    if (count == 0 || (count >= 8 && (count & (count - 1)) == 0)) { /* doubles in the arena */
        struct pawl_query_row *grown =
            PAWL_ARENA_ARRAY(arena, struct pawl_query_row, count ? 2 * count : 8);
        if (count) memcpy(grown, reply->query.rows, count * sizeof *grown);
        reply->query.rows = grown;
    }
    struct pawl_sqlite_instance row = pawl_sqlite_instance_read(db, stmt, arena);
    reply->query.rows[reply->query.rows_count++] = (struct pawl_query_row){
        .instance = row.id, .metadata = row.metadata, .custom_status = row.custom_status
    };
}

static void query_take(struct pawl_sqlite_db *db, sqlite3_stmt *stmt,
                       const struct pawl_query *query, struct pawl_arena *arena,
                       struct pawl_store_reply *reply)
{
    if (!row_matches(query, stmt)) return;
    if (query->count_only)
        reply->query.counts[pawl_sqlite_instance_read(db, stmt, arena).metadata.status]++;
    else
        query_row_add(db, stmt, arena, reply);
}

static void scan(struct pawl_sqlite_db *db, uint32_t partition, const struct pawl_query *query,
                 struct pawl_arena *arena, struct pawl_store_reply *reply)
{
    sqlite3_stmt *stmt = scan_start(db, partition, query, arena);
    int key_column = query->order == PAWL_QUERY_COMPLETED ? 14 : 10;
    uint8_t scanned_id[PAWL_INSTANCE_ID_SIZE_MAX];
    size_t scanned_id_size = 0;
    uint32_t scanned_count = 0;
    while (pawl_sqlite_row(db, stmt)) {
        bool is_full = !query->count_only && reply->query.rows_count == query->limit;
        if (is_full || scanned_count == query->scan_max) {
            reply->query.more = scanned_count > 0;
            pawl_sqlite_end(stmt);
            break;
        }
        query_take(db, stmt, query, arena, reply);
        struct pawl_bytes id = column_view(stmt, 21);
        scanned_id_size = id.size < sizeof scanned_id ? id.size : sizeof scanned_id;
        if (scanned_id_size) memcpy(scanned_id, id.data, scanned_id_size);
        reply->query.scanned_ms = sqlite3_column_int64(stmt, key_column);
        scanned_count++;
    }
    if (query->order == PAWL_QUERY_ID || !reply->query.more) reply->query.scanned_ms = 0;
    if (!reply->query.more) return;
    reply->query.scanned_instance =
        pawl_arena_copy(arena, pawl_bytes_make(scanned_id, scanned_id_size));
}

void pawl_sqlite_query(struct pawl_sqlite_db *db, const struct pawl_store_request *request,
                       struct pawl_arena *arena, struct pawl_store_reply *reply)
{
    if (pawl_query_is_counted_by_index(&request->query))
        count_by_index(db, request->partition, &request->query, arena, reply->query.counts);
    else
        scan(db, request->partition, &request->query, arena, reply);
}
