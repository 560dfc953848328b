/* One SQLite database as the operations see it: cached statements and an error that
 * sticks. Private to state/io/sqlite*.c.
 *
 * After the first error of an operation every further call does nothing, so that an
 * operation reads straight down; whoever runs it looks at `failed` once, at the end,
 * and rolls the whole transaction back.
 *
 * Every table below an instance is keyed by its number `n`, which is new for each
 * incarnation: short keys, and rows of a former incarnation can never be met. */
#ifndef PAWL_STATE_IO_SQLITE_DB_H
#define PAWL_STATE_IO_SQLITE_DB_H

#include <sqlite3.h>

#include "base/tags.h"
#include "state/store.h"

/* The columns of an instance in the order that pawl_sqlite_instance_read expects. */
#define INSTANCE_COLUMNS INSTANCE_COLUMNS_AS("created_ms", "completed_ms", "id")
#define INSTANCE_COLUMNS_AS(created, completed, id)                                  \
    "n, inc, gen, last, turn, history_count, history_size, inbox_head, inbox_tail, " \
    "status, " created ", start_at_ms, started_ms, updated_ms, " completed           \
    ", name, version, request_id, parent, parent_key, custom_status, " id ", tags"

/* Queries. One arm per status, each in the order of its index; SQLite merges them and asks
 * an arm for a row when it needs it (EXPLAIN QUERY PLAN: MERGE, no sorting). ?1 partition,
 * keys from ?2 and below (?3, id ?4), ?5 statuses, ?6 name or tag. No row is ever
 * CONTINUED_AS_NEW (2). */
#define ARM(from, status) from #status " AND ?5 >> " #status " & 1"
#define ARMS_ENDED(from) \
    ARM(from, 1) " UNION ALL " ARM(from, 3) " UNION ALL " ARM(from, 4) " UNION ALL " ARM(from, 5)
#define ARMS(from)                                                           \
    ARMS_ENDED(from)                                                         \
    " UNION ALL " ARM(from, 0) " UNION ALL " ARM(from, 6) " UNION ALL " ARM( \
        from, 7) " UNION ALL " ARM(from, 8)
#define BY_CREATED   " ORDER BY created_ms DESC, id DESC"
#define BY_COMPLETED " ORDER BY completed_ms DESC, id DESC"
#define FROM_INSTANCE(index, key, more)                                                    \
    "SELECT " INSTANCE_COLUMNS " FROM instance INDEXED BY " index " WHERE p = ?1 AND " key \
    " >= ?2 AND (" key ", id) < (?3, ?4)" more " AND status = "
#define FROM_TAG(columns, index, key, more)                                                 \
    "SELECT " columns " FROM tag INDEXED BY " index " CROSS JOIN instance ON n = tag_n "    \
    "WHERE tag_p = ?1 AND tag = ?6 AND " key " >= ?2 AND (" key ", tag_id) < (?3, ?4)" more \
    " AND tag_status = "
#define FROM_TAG_CREATED                                                                          \
    FROM_TAG(INSTANCE_COLUMNS_AS("tag_created_ms AS created_ms", "completed_ms", "tag_id AS id"), \
             "tag_created", "tag_created_ms", "")
#define FROM_TAG_COMPLETED                                                                     \
    FROM_TAG(                                                                                  \
        INSTANCE_COLUMNS_AS("created_ms", "tag_completed_ms AS completed_ms", "tag_id AS id"), \
        "tag_completed", "tag_completed_ms", " AND tag_completed_ms > 0")
/* ?1 partition, ?2 status, keys from ?3 and below ?4, ?5 name or tag. */
#define COUNT_INSTANCE(index, key, more)                                                       \
    "SELECT count(*) FROM instance INDEXED BY " index " WHERE p = ?1 AND status = ?2 AND " key \
    " >= ?3 AND " key " < ?4" more
#define COUNT_TAG(index, key, more)                                                       \
    "SELECT count(*) FROM tag INDEXED BY " index " WHERE tag_p = ?1 AND tag_status = ?2 " \
    "AND " key " >= ?3 AND " key " < ?4 AND tag = ?5" more

#define PAWL_SQLITE_STATEMENTS(X)                                                                  \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                    \
    X(COMMIT, "COMMIT")                                                                            \
    X(ROLLBACK, "ROLLBACK")                                                                        \
    X(PROBE, "UPDATE meta SET version = version")                                                  \
    X(OWNER_GET, "SELECT epoch, nonce, table_version FROM owner WHERE p = ?1")                     \
    X(OWNER_PUT, "INSERT INTO owner (p, epoch, nonce, owner, table_version, since_ms) "            \
                 "VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (p) DO UPDATE SET "                  \
                 "epoch = ?2, nonce = ?3, owner = ?4, table_version = ?5, since_ms = ?6")          \
    X(COUNTS_GET, "SELECT status, count FROM counts WHERE p = ?1")                                 \
    X(COUNTS_ADD, "INSERT INTO counts (p, status, count) VALUES (?1, ?2, ?3) "                     \
                  "ON CONFLICT (p, status) DO UPDATE SET count = count + ?3")                      \
    X(INSTANCE_GET, "SELECT " INSTANCE_COLUMNS " FROM instance WHERE p = ?1 AND id = ?2")          \
    X(INSTANCE_ADD,                                                                                \
      "INSERT INTO instance (p, id, inc, gen, last, turn, history_count, history_size, "           \
      "inbox_head, inbox_tail, status, created_ms, start_at_ms, started_ms, updated_ms, "          \
      "completed_ms, name, version, request_id, parent, parent_key, tags) VALUES (?1, ?2, ?3, "    \
      "?4, ?5, 0, 0, 0, 0, 1, ?6, ?7, ?8, 0, ?7, 0, ?9, ?10, ?11, ?12, ?13, ?14)")                 \
    X(INSTANCE_TURN, "UPDATE instance SET gen = ?2, last = ?3, turn = ?4, history_count = ?5, "    \
                     "history_size = ?6, inbox_head = ?7, inbox_tail = ?8, started_ms = ?9, "      \
                     "updated_ms = ?10 WHERE n = ?1")                                              \
    X(INSTANCE_STATUS, "UPDATE instance SET status = ?2, completed_ms = ?3 WHERE n = ?1")          \
    X(INSTANCE_NAME, "UPDATE instance SET name = ?2 WHERE n = ?1")                                 \
    X(INSTANCE_VERSION, "UPDATE instance SET version = ?2 WHERE n = ?1")                           \
    X(TAG_ADD, "INSERT INTO tag (tag_n, tag, tag_p, tag_id, tag_status, tag_created_ms, "          \
               "tag_completed_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)")                             \
    X(INSTANCE_CUSTOM, "UPDATE instance SET custom_status = ?2 WHERE n = ?1")                      \
    X(INSTANCE_PARENT, "UPDATE instance SET parent = ?2, request_id = ?3 WHERE n = ?1")            \
    X(INSTANCE_REWIND,                                                                             \
      "UPDATE instance SET last = ?2, updated_ms = ?3, history_count = 0, history_size = 0"        \
      " WHERE n = ?1")                                                                             \
    X(INSTANCE_TAIL, "UPDATE instance SET inbox_tail = ?2 WHERE n = ?1")                           \
    X(INSTANCE_REMOVE, "DELETE FROM instance WHERE n = ?1")                                        \
    X(PAYLOAD_GET, "SELECT kind, body FROM payload WHERE n = ?1")                                  \
    X(PAYLOAD_OF_KIND, "SELECT body FROM payload WHERE n = ?1 AND kind = ?2")                      \
    X(PAYLOAD_PUT, "INSERT OR REPLACE INTO payload (n, kind, body) VALUES (?1, ?2, ?3)")           \
    X(PAYLOAD_REMOVE, "DELETE FROM payload WHERE n = ?1 AND kind = ?2")                            \
    X(PAYLOAD_CLEAR, "DELETE FROM payload WHERE n = ?1")                                           \
    X(HISTORY_GET, "SELECT i, event FROM history WHERE n = ?1 AND i >= ?2 ORDER BY i LIMIT ?3")    \
    X(HISTORY_ADD, "INSERT INTO history (n, i, event) VALUES (?1, ?2, ?3)")                        \
    X(HISTORY_CLEAR, "DELETE FROM history WHERE n = ?1")                                           \
    X(INBOX_GET,                                                                                   \
      "SELECT i, delivery, body FROM inbox WHERE n = ?1 AND i >= ?2 AND i < ?3 ORDER BY i")        \
    X(INBOX_DELIVERY, "SELECT delivery FROM inbox WHERE n = ?1 AND i = ?2")                        \
    X(INBOX_ADD, "INSERT INTO inbox (n, i, delivery, body) VALUES (?1, ?2, ?3, ?4)")               \
    X(INBOX_MOVE, "UPDATE inbox SET i = i + ?2 WHERE n = ?1 AND i < ?3")                           \
    X(INBOX_CONSUME, "DELETE FROM inbox WHERE n = ?1 AND i < ?2")                                  \
    X(PENDING_ALL,                                                                                 \
      "SELECT kind, op, nonce, state, pending.i, event FROM pending LEFT JOIN history "            \
      "ON history.n = pending.n AND history.i = pending.i WHERE pending.n = ?1 "                   \
      "ORDER BY kind, op")                                                                         \
    X(PENDING_GET, "SELECT nonce, state FROM pending WHERE n = ?1 AND kind = ?2 AND op = ?3")      \
    X(PENDING_PUT, "INSERT OR REPLACE INTO pending (n, kind, op, nonce, state, i) "                \
                   "VALUES (?1, ?2, ?3, ?4, ?5, ?6)")                                              \
    X(PENDING_DELIVERED, "UPDATE pending SET state = 2 WHERE n = ?1 AND kind = ?2 AND op = ?3")    \
    X(PENDING_REMOVE, "DELETE FROM pending WHERE n = ?1 AND kind = ?2 AND op = ?3")                \
    X(PENDING_CLEAR, "DELETE FROM pending WHERE n = ?1")                                           \
    X(SEEN_GET, "SELECT ms FROM seen WHERE n = ?1 AND request_id = ?2")                            \
    X(SEEN_COUNT, "SELECT count(*) FROM (SELECT 1 FROM seen WHERE n = ?1 AND ms >= ?2 LIMIT ?3)")  \
    X(SEEN_PUT, "INSERT INTO seen (n, request_id, ms) VALUES (?1, ?2, ?3)")                        \
    X(SEEN_DROP, "DELETE FROM seen WHERE n = ?1 AND ms < ?2")                                      \
    X(SEEN_CLEAR, "DELETE FROM seen WHERE n = ?1")                                                 \
    X(REMINDER_DUE, "SELECT due_ms, member FROM reminder WHERE p = ?1 AND due_ms <= ?2 "           \
                    "AND due_ms >= ?5 ORDER BY due_ms, member LIMIT ?3 OFFSET ?4")                 \
    X(REMINDER_FIRST, "SELECT due_ms FROM reminder WHERE p = ?1 ORDER BY due_ms LIMIT 1")          \
    X(REMINDER_PUT, "INSERT INTO reminder (p, member, due_ms) VALUES (?1, ?2, ?3) "                \
                    "ON CONFLICT (p, member) DO UPDATE SET due_ms = ?3")                           \
    X(REMINDER_ENSURE, "INSERT INTO reminder (p, member, due_ms) VALUES (?1, ?2, ?3) "             \
                       "ON CONFLICT (p, member) DO NOTHING")                                       \
    X(REMINDER_EARLIER, "INSERT INTO reminder (p, member, due_ms) VALUES (?1, ?2, ?3) "            \
                        "ON CONFLICT (p, member) DO UPDATE SET due_ms = ?3 WHERE due_ms > ?3")     \
    X(REMINDER_REMOVE, "DELETE FROM reminder WHERE p = ?1 AND member = ?2")                        \
    X(REMINDER_RANGE, "SELECT member FROM reminder WHERE p = ?1 AND member > ?2 AND member < ?3")  \
    X(QUARANTINE_PUT, "INSERT OR REPLACE INTO quarantine (p, member, due_ms) "                     \
                      "SELECT p, CAST(member AS BLOB), due_ms FROM reminder "                      \
                      "WHERE p = ?1 AND member = ?2")                                              \
    X(OUTBOX_GET, "SELECT body FROM outbox WHERE p = ?1 AND id = ?2")                              \
    X(OUTBOX_PUT, "INSERT OR REPLACE INTO outbox (p, id, body) VALUES (?1, ?2, ?3)")               \
    X(OUTBOX_REMOVE, "DELETE FROM outbox WHERE p = ?1 AND id = ?2")                                \
    X(TOMB_GET, "SELECT ms FROM tomb WHERE p = ?1 AND member = ?2")                                \
    X(TOMB_PUT, "INSERT OR REPLACE INTO tomb (p, member, ms) VALUES (?1, ?2, ?3)")                 \
    X(TOMB_DROP, "DELETE FROM tomb WHERE p = ?1 AND ms <= ?2")                                     \
    X(TOMB_TRIM, "DELETE FROM tomb WHERE p = ?1 AND member IN (SELECT member FROM tomb "           \
                 "WHERE p = ?1 ORDER BY ms DESC, member DESC LIMIT -1 OFFSET ?2)")                 \
    X(CHANGE_LAST, "SELECT max(i) FROM change WHERE p = ?1")                                       \
    X(CHANGE_FIRST, "SELECT min(i) FROM change WHERE p = ?1")                                      \
    X(CHANGE_ADD, "INSERT INTO change (p, i, ms, what, status, gen, turn, inc, id, name, custom) " \
                  "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")                         \
    X(CHANGE_TRIM, "DELETE FROM change WHERE p = ?1 AND i <= ?2")                                  \
    X(CHANGE_GET, "SELECT i, ms, what, status, gen, turn, inc, id, name, custom FROM change "      \
                  "WHERE p = ?1 AND i >= ?2 ORDER BY i LIMIT ?3")                                  \
    X(INSPECT_OWNER, "SELECT epoch, owner, table_version, since_ms FROM owner WHERE p = ?1")       \
    X(INSPECT_TALLY, "SELECT status, count(*) FROM instance WHERE p = ?1 GROUP BY status")         \
    X(INSPECT_SIZES, "SELECT (SELECT count(*) FROM instance WHERE p = ?1), "                       \
                     "(SELECT count(*) FROM reminder WHERE p = ?1), "                              \
                     "(SELECT count(*) FROM outbox WHERE p = ?1), "                                \
                     "(SELECT count(*) FROM quarantine WHERE p = ?1)")                             \
    X(INSPECT_IDS, "SELECT id FROM instance WHERE p = ?1 AND id > ?2 ORDER BY id LIMIT ?3")        \
    X(INSPECT_PENDING,                                                                             \
      "SELECT kind, op, nonce, state, i FROM pending WHERE n = ?1 ORDER BY kind, op")              \
    X(INSPECT_SEEN, "SELECT count(*) FROM seen WHERE n = ?1")                                      \
    X(INSPECT_BESIDE,                                                                              \
      "SELECT (SELECT count(*) FROM history WHERE n = ?1 AND (i < 0 OR i >= ?2)) + "               \
      "(SELECT count(*) FROM inbox WHERE n = ?1 AND (i < ?3 OR i >= ?4))")                         \
    X(INSPECT_DUE, "SELECT due_ms FROM reminder WHERE p = ?1 AND member = ?2")                     \
    X(INSPECT_FIRST, "SELECT due_ms, member FROM reminder WHERE p = ?1 ORDER BY member LIMIT ?3")  \
    X(INSPECT_NEXT, "SELECT due_ms, member FROM reminder WHERE p = ?1 AND member > ?2 "            \
                    "ORDER BY member LIMIT ?3")                                                    \
    X(INSPECT_QUARANTINE, "SELECT due_ms, member FROM quarantine WHERE p = ?1 AND member > ?2 "    \
                          "ORDER BY member LIMIT ?3")                                              \
    X(INSPECT_OUTBOX, "SELECT id, body FROM outbox WHERE p = ?1 AND id > ?2 ORDER BY id LIMIT ?3") \
    X(INSPECT_STRAYS, "SELECT 'history', n, count(*) FROM history "                                \
                      "WHERE n NOT IN (SELECT n FROM instance) GROUP BY n UNION ALL "              \
                      "SELECT 'inbox', n, count(*) FROM inbox "                                    \
                      "WHERE n NOT IN (SELECT n FROM instance) GROUP BY n UNION ALL "              \
                      "SELECT 'pending', n, count(*) FROM pending "                                \
                      "WHERE n NOT IN (SELECT n FROM instance) GROUP BY n UNION ALL "              \
                      "SELECT 'payload', n, count(*) FROM payload "                                \
                      "WHERE n NOT IN (SELECT n FROM instance) GROUP BY n UNION ALL "              \
                      "SELECT 'seen', n, count(*) FROM seen "                                      \
                      "WHERE n NOT IN (SELECT n FROM instance) GROUP BY n LIMIT ?1")               \
    X(QUERY, "SELECT " INSTANCE_COLUMNS " FROM instance INDEXED BY instance_created "              \
             "WHERE p = ?1 AND created_ms >= ?2 AND (created_ms, id) < (?3, ?4) "                  \
             "ORDER BY created_ms DESC, id DESC")                                                  \
    X(QUERY_ID, "SELECT " INSTANCE_COLUMNS " FROM instance INDEXED BY instance_id "                \
                "WHERE p = ?1 AND id >= ?2 AND id < ?4 ORDER BY id DESC")                          \
    X(QUERY_STATUS, ARMS(FROM_INSTANCE("instance_status", "created_ms", "")) BY_CREATED)           \
    X(QUERY_NAME, ARMS(FROM_INSTANCE("instance_name", "created_ms", " AND name = ?6")) BY_CREATED) \
    X(QUERY_TAG, ARMS(FROM_TAG_CREATED) BY_CREATED)                                                \
    X(QUERY_ENDED, ARMS_ENDED(FROM_INSTANCE("instance_ended", "completed_ms",                      \
                                            " AND completed_ms > 0")) BY_COMPLETED)                \
    X(QUERY_ENDED_NAME,                                                                            \
      ARMS_ENDED(FROM_INSTANCE("instance_ended_name", "completed_ms",                              \
                               " AND completed_ms > 0 AND name = ?6")) BY_COMPLETED)               \
    X(QUERY_ENDED_TAG, ARMS_ENDED(FROM_TAG_COMPLETED) BY_COMPLETED)                                \
    X(COUNT_STATUS, COUNT_INSTANCE("instance_status", "created_ms", ""))                           \
    X(COUNT_NAME, COUNT_INSTANCE("instance_name", "created_ms", " AND name = ?5"))                 \
    X(COUNT_TAG, COUNT_TAG("tag_created", "tag_created_ms", ""))                                   \
    X(COUNT_ENDED, COUNT_INSTANCE("instance_ended", "completed_ms", " AND completed_ms > 0"))      \
    X(COUNT_ENDED_NAME, COUNT_INSTANCE("instance_ended_name", "completed_ms",                      \
                                       " AND completed_ms > 0 AND name = ?5"))                     \
    X(COUNT_ENDED_TAG, COUNT_TAG("tag_completed", "tag_completed_ms", " AND tag_completed_ms > 0"))

enum pawl_sqlite_sql {
#define X(name, text) PAWL_SQL_##name,
    PAWL_SQLITE_STATEMENTS(X)
#undef X
        PAWL_SQL_COUNT
};

struct pawl_sqlite_db {
    sqlite3 *connection;
    sqlite3_stmt *statements[PAWL_SQL_COUNT];
    bool is_value;     /* it was a value that cannot be, not SQLite */
    int failed;        /* SQLITE_OK, or the first (extended) error since it was cleared */
    char message[256]; /* what failed, for a person */
};

/* Open ------------------------------------------------------------------------- */

struct pawl_sqlite_identity {
    const char *app;
    const char *namespace_;
    uint32_t partitions; /* with read_only 0: any; then the stored number */
    bool read_only;      /* the file must be there, and ours */
};

/* Open or create the file, take it for this process alone, check that it is ours.
 * On failure nothing stays open and db->message says what and where. */
PAWL_MUST_USE pawl_err pawl_sqlite_db_open(struct pawl_sqlite_db *db, const char *path,
                                           const char *synchronous,
                                           struct pawl_sqlite_identity *identity);
void pawl_sqlite_db_close(struct pawl_sqlite_db *db);

/* Statements ------------------------------------------------------------------- */

/* Ready to be bound. Begin each use with this. */
sqlite3_stmt *pawl_sqlite_use(struct pawl_sqlite_db *db, enum pawl_sqlite_sql sql);

void pawl_sqlite_bind_int(struct pawl_sqlite_db *db, sqlite3_stmt *stmt, int at, int64_t value);
/* NULL when absent. The bytes must live until the statement is used again. */
void pawl_sqlite_bind_bytes(struct pawl_sqlite_db *db, sqlite3_stmt *stmt, int at,
                            struct pawl_bytes value);
void pawl_sqlite_bind_id(struct pawl_sqlite_db *db, sqlite3_stmt *stmt, int at,
                         const struct pawl_id *value);

/* True: a row is there; ask again or end it. False: no (more) rows, or failed; it has
 * ended itself. */
bool pawl_sqlite_row(struct pawl_sqlite_db *db, sqlite3_stmt *stmt);
void pawl_sqlite_end(sqlite3_stmt *stmt);

/* A statement without rows. */
void pawl_sqlite_run(struct pawl_sqlite_db *db, sqlite3_stmt *stmt);

/* Columns. A value that cannot be (an id of 15 bytes, a negative count) marks the
 * operation as failed with SQLITE_CORRUPT and names `what`. */
struct pawl_bytes pawl_sqlite_bytes(struct pawl_arena *arena, sqlite3_stmt *stmt, int at);
struct pawl_id pawl_sqlite_id(struct pawl_sqlite_db *db, sqlite3_stmt *stmt, int at,
                              const char *what);
uint32_t pawl_sqlite_uint32(struct pawl_sqlite_db *db, sqlite3_stmt *stmt, int at,
                            const char *what);

/* Mark the running operation as failed unless it already is. */
void pawl_sqlite_fail(struct pawl_sqlite_db *db, int code, const char *what);

/* Whether the operation failed because of a value that cannot be, and nothing worse:
 * then what it was, and the operation may go on. Absent: it did not. */
struct pawl_bytes pawl_sqlite_forgive(struct pawl_sqlite_db *db, struct pawl_arena *arena);

/* Rows that several operations share ------------------------------------------- */

struct pawl_sqlite_owner {
    uint64_t epoch; /* 0: never acquired */
    struct pawl_id nonce;
    uint64_t table_version;
};

struct pawl_sqlite_instance {
    int64_t n; /* 0: there is none */
    struct pawl_bytes id;
    struct pawl_metadata metadata;
    struct pawl_bytes parent_key;
    struct pawl_bytes custom_status;
};

struct pawl_sqlite_owner pawl_sqlite_owner_get(struct pawl_sqlite_db *db, uint32_t partition);
bool pawl_sqlite_fence_holds(struct pawl_sqlite_db *db, uint32_t partition,
                             const struct pawl_fence *fence);

/* The row under the cursor, copied into `arena`. */
struct pawl_sqlite_instance pawl_sqlite_instance_read(struct pawl_sqlite_db *db, sqlite3_stmt *stmt,
                                                      struct pawl_arena *arena);
/* due_ms at column 0, a reminder's member at 1: true when both can be read. The type
 * counts: what is no blob is not found again by a blob of the same bytes. */
bool pawl_sqlite_reminder_read(sqlite3_stmt *stmt, struct pawl_bytes member,
                               struct pawl_reminder *ret_reminder);
struct pawl_sqlite_instance pawl_sqlite_instance_get(struct pawl_sqlite_db *db, uint32_t partition,
                                                     struct pawl_bytes id,
                                                     struct pawl_arena *arena);

void pawl_sqlite_counts_add(struct pawl_sqlite_db *db, uint32_t partition, enum pawl_status status,
                            int64_t change);
/* Add it, or leave the one that is there. */
void pawl_sqlite_reminder_ensure(struct pawl_sqlite_db *db, struct pawl_arena *arena,
                                 uint32_t partition, const struct pawl_reminder *reminder);
void pawl_sqlite_reminder_put(struct pawl_sqlite_db *db, struct pawl_arena *arena,
                              uint32_t partition, const struct pawl_reminder *reminder);
void pawl_sqlite_reminder_remove(struct pawl_sqlite_db *db, struct pawl_arena *arena,
                                 uint32_t partition, const struct pawl_reminder *reminder);
void pawl_sqlite_inbox_add(struct pawl_sqlite_db *db, int64_t n, uint32_t index,
                           const struct pawl_id *delivery, struct pawl_bytes body);
/* DELETE … WHERE n = ?1: one of the CLEAR or REMOVE statements. */
void pawl_sqlite_clear(struct pawl_sqlite_db *db, enum pawl_sqlite_sql sql, int64_t n);

/* "key=value": a tag as the table of tags has it. */
struct pawl_bytes pawl_sqlite_tag(struct pawl_arena *arena, const struct pawl_tag *tag);

enum pawl_sqlite_payload {
    PAWL_SQLITE_INPUT = 1,
    PAWL_SQLITE_OUTPUT,
    PAWL_SQLITE_FAILURE,
    PAWL_SQLITE_ATTEMPTS, /* read with the pending operations */
};
void pawl_sqlite_payload_put(struct pawl_sqlite_db *db, int64_t n, enum pawl_sqlite_payload kind,
                             struct pawl_bytes body);

/* The change log, see store.h. change_add reads the instance as it is after the change. */
void pawl_sqlite_change_add(struct pawl_sqlite_db *db, uint32_t partition, uint32_t max,
                            uint32_t what, const struct pawl_change *change);
void pawl_sqlite_changes(struct pawl_sqlite_db *db, const struct pawl_store_request *request,
                         struct pawl_arena *arena, struct pawl_store_reply *reply);

/* Operations ------------------------------------------------------------------- */

/* Each fills `reply`; when db->failed is set afterwards the reply is void. */
void pawl_sqlite_acquire(struct pawl_sqlite_db *db, const struct pawl_store_request *request,
                         struct pawl_arena *arena, struct pawl_store_reply *reply);
void pawl_sqlite_create(struct pawl_sqlite_db *db, const struct pawl_store_request *request,
                        struct pawl_arena *arena, struct pawl_store_reply *reply);
void pawl_sqlite_load(struct pawl_sqlite_db *db, const struct pawl_store_request *request,
                      struct pawl_arena *arena, struct pawl_store_reply *reply);
void pawl_sqlite_commit(struct pawl_sqlite_db *db, const struct pawl_store_request *request,
                        struct pawl_arena *arena, struct pawl_store_reply *reply);
void pawl_sqlite_deliver(struct pawl_sqlite_db *db, const struct pawl_store_request *request,
                         struct pawl_arena *arena, struct pawl_store_reply *reply);
void pawl_sqlite_poll(struct pawl_sqlite_db *db, const struct pawl_store_request *request,
                      struct pawl_arena *arena, struct pawl_store_reply *reply);
void pawl_sqlite_purge(struct pawl_sqlite_db *db, const struct pawl_store_request *request,
                       struct pawl_arena *arena, struct pawl_store_reply *reply);
void pawl_sqlite_outdone(struct pawl_sqlite_db *db, const struct pawl_store_request *request,
                         struct pawl_arena *arena, struct pawl_store_reply *reply);
void pawl_sqlite_inspect(struct pawl_sqlite_db *db, const struct pawl_store_request *request,
                         struct pawl_arena *arena, struct pawl_store_reply *reply);
void pawl_sqlite_query(struct pawl_sqlite_db *db, const struct pawl_store_request *request,
                       struct pawl_arena *arena, struct pawl_store_reply *reply);

#endif /* PAWL_STATE_IO_SQLITE_DB_H */
