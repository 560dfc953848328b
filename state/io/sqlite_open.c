/* Opening a file: is it there, is it ours alone, is it the state we think it is? Every
 * refusal names the file and what to do, because this is what a person meets first. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "state/io/sqlite_db.h"
#include "state/keys.h"

#define APPLICATION_ID 0x5061776c /* "Pawl" */

static const char schema[] =
    "CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL,"
    "  partitions INTEGER NOT NULL, app TEXT NOT NULL, namespace TEXT NOT NULL);"
    "CREATE TABLE owner (p INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, nonce BLOB NOT NULL,"
    "  owner BLOB, table_version INTEGER NOT NULL, since_ms INTEGER NOT NULL);"
    "CREATE TABLE counts (p INTEGER NOT NULL, status INTEGER NOT NULL, count INTEGER NOT NULL,"
    "  PRIMARY KEY (p, status)) WITHOUT ROWID;"
    "CREATE TABLE instance (n INTEGER PRIMARY KEY, p INTEGER NOT NULL, id BLOB NOT NULL,"
    "  inc BLOB NOT NULL, gen INTEGER NOT NULL, last BLOB NOT NULL, turn INTEGER NOT NULL,"
    "  history_count INTEGER NOT NULL, history_size INTEGER NOT NULL,"
    "  inbox_head INTEGER NOT NULL, inbox_tail INTEGER NOT NULL, status INTEGER NOT NULL,"
    "  created_ms INTEGER NOT NULL, start_at_ms INTEGER NOT NULL, started_ms INTEGER NOT NULL,"
    "  updated_ms INTEGER NOT NULL, completed_ms INTEGER NOT NULL, name BLOB, version BLOB,"
    "  request_id BLOB, parent BLOB, parent_key BLOB, custom_status BLOB);"
    "CREATE UNIQUE INDEX instance_id ON instance (p, id);"
    "CREATE INDEX instance_created ON instance (p, created_ms, id);"
    "CREATE TABLE payload (n INTEGER NOT NULL, kind INTEGER NOT NULL, body BLOB NOT NULL,"
    "  PRIMARY KEY (n, kind)) WITHOUT ROWID;"
    "CREATE TABLE history (n INTEGER NOT NULL, i INTEGER NOT NULL, event BLOB NOT NULL,"
    "  PRIMARY KEY (n, i)) WITHOUT ROWID;"
    "CREATE TABLE inbox (n INTEGER NOT NULL, i INTEGER NOT NULL, delivery BLOB NOT NULL,"
    "  body BLOB, PRIMARY KEY (n, i)) WITHOUT ROWID;"
    "CREATE TABLE pending (n INTEGER NOT NULL, kind INTEGER NOT NULL, op INTEGER NOT NULL,"
    "  nonce INTEGER NOT NULL, state INTEGER NOT NULL, i INTEGER NOT NULL,"
    "  PRIMARY KEY (n, kind, op)) WITHOUT ROWID;"
    "CREATE TABLE seen (n INTEGER NOT NULL, request_id BLOB NOT NULL, ms INTEGER NOT NULL,"
    "  PRIMARY KEY (n, request_id)) WITHOUT ROWID;"
    "CREATE INDEX seen_ms ON seen (n, ms);"
    "CREATE TABLE reminder (p INTEGER NOT NULL, member BLOB NOT NULL, due_ms INTEGER NOT NULL,"
    "  PRIMARY KEY (p, member)) WITHOUT ROWID;"
    "CREATE INDEX reminder_due ON reminder (p, due_ms, member);"
    "CREATE TABLE outbox (p INTEGER NOT NULL, id BLOB NOT NULL, body BLOB,"
    "  PRIMARY KEY (p, id)) WITHOUT ROWID;";

struct opening {
    struct pawl_sqlite_db *db;
    const char *path;
    struct pawl_sqlite_identity *identity;
};

/* What went wrong ---------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static pawl_err refuse(struct opening *opening, pawl_err err,
                                                             const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(opening->db->message, sizeof opening->db->message, format, arguments);
    va_end(arguments);
    return err;
}

static pawl_err refuse_folder(struct opening *opening)
{
    char folder[512];
    snprintf(folder, sizeof folder, "%s", opening->path);
    char *slash = strrchr(folder, '/');
    if (slash) slash[slash == folder] = 0;

    struct stat info;
    if (stat(opening->path, &info) == 0 && S_ISDIR(info.st_mode))
        return refuse(opening, PAWL_E_INVALID, "state file %.180s is a folder; name a file in it",
                      opening->path);
    if (stat(folder, &info) != 0)
        return refuse(opening, PAWL_E_UNAVAILABLE,
                      "the folder %.150s of the state file does not exist; create it first",
                      folder);
    if (stat(opening->path, &info) == 0)
        return refuse(opening, PAWL_E_DENIED,
                      "state file %.150s cannot be read and written by this "
                      "user; check its owner and mode",
                      opening->path);
    return refuse(
        opening, PAWL_E_DENIED,
        "the state file cannot be created: the folder %.120s is not writable by this user", folder);
}

static pawl_err refuse_sqlite(struct opening *opening, int code)
{
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return refuse(opening, PAWL_E_BUSY,
                      "state file %.120s is in use by another process (a second sidecar?); one "
                      "sidecar owns a SQLite file, use Redis to run several",
                      opening->path);
    case SQLITE_NOTADB:
        return refuse(opening, PAWL_E_CORRUPT, "state file %.170s is not a SQLite database",
                      opening->path);
    case SQLITE_CORRUPT:
        return refuse(opening, PAWL_E_CORRUPT,
                      "state file %.120s is damaged (SQLite: %.60s); restore it from a backup",
                      opening->path, sqlite3_errmsg(opening->db->connection));
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM: return refuse_folder(opening);
    case SQLITE_FULL:
        return refuse(opening, PAWL_E_UNAVAILABLE, "no space is left for state file %.150s",
                      opening->path);
    default:
        return refuse(opening, PAWL_E_UNAVAILABLE, "state file %.120s: SQLite: %.80s",
                      opening->path, sqlite3_errmsg(opening->db->connection));
    }
}

/* Small questions ------------------------------------------------------------------ */

static int ask_int(struct opening *opening, const char *sql, int64_t *ret_value)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(opening->db->connection, sql, -1, &stmt, NULL);
    if (code == SQLITE_OK) code = sqlite3_step(stmt);
    if (code == SQLITE_ROW) *ret_value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

static int run(struct opening *opening, const char *sql)
{
    return sqlite3_exec(opening->db->connection, sql, NULL, NULL, NULL);
}

/* Steps ---------------------------------------------------------------------------- */

/* Inputs and outputs of workflows are nobody else's business; the log file gets the
 * same mode from SQLite. Only when it is new: closing a second descriptor of a file
 * would drop the locks that this process holds on it. */
static void create_private(const char *path)
{
    int file = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (file >= 0) close(file);
}

static pawl_err connect_file(struct opening *opening)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    struct stat info;
    if (opening->identity->read_only && stat(opening->path, &info) != 0)
        return refuse(opening, PAWL_E_NOT_FOUND, "state file %.170s: %.60s", opening->path,
                      strerror(errno));
    if (!opening->identity->read_only) {
        create_private(opening->path);
        flags |= SQLITE_OPEN_CREATE;
    }
    int code = sqlite3_open_v2(opening->path, &opening->db->connection, flags, NULL);
    if (code != SQLITE_OK) return refuse_sqlite(opening, code);
    sqlite3_extended_result_codes(opening->db->connection, 1);
    /* One that was killed is torn down by the system while its successor starts already. */
    sqlite3_busy_timeout(opening->db->connection, PAWL_SQLITE_LOCK_MS);
    /* SQLite opens a file that it may not write for reading only, without a word. */
    if (sqlite3_db_readonly(opening->db->connection, "main") == 1) return refuse_folder(opening);
    return PAWL_OK;
}

/* In this order: an exclusive lock asked for before the log is touched is held until
 * the connection closes, and the log then needs no shared memory file. */
static pawl_err take_alone(struct opening *opening, const char *synchronous)
{
    char sync_sql[64];
    snprintf(sync_sql, sizeof sync_sql, "PRAGMA synchronous = %s", synchronous);
    const char *const settings[] = {
        "PRAGMA locking_mode = EXCLUSIVE",
        "PRAGMA journal_mode = WAL",
        sync_sql,
        "PRAGMA cache_size = -2048",
        "PRAGMA temp_store = MEMORY",
        "PRAGMA trusted_schema = OFF",
        /* The rows of many instances lie scattered over the file. The more of them one
         * checkpoint covers, the more often a page is written once for several: four times
         * SQLite's own measure starts twice as many workflows per second. */
        "PRAGMA wal_autocheckpoint = 4000",
        "PRAGMA journal_size_limit = 33554432",
        "BEGIN IMMEDIATE",
        "COMMIT",
    };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        int code = run(opening, settings[i]);
        if (code != SQLITE_OK) return refuse_sqlite(opening, code);
    }
    sqlite3_busy_timeout(opening->db->connection, 0);
    return PAWL_OK;
}

static pawl_err create_schema(struct opening *opening)
{
    char *sql = sqlite3_mprintf(
        "BEGIN IMMEDIATE; PRAGMA application_id = %d; %s"
        "INSERT INTO meta (id, version, partitions, app, namespace) VALUES (1, %u, %u, %Q, %Q);"
        "COMMIT;",
        APPLICATION_ID, schema, PAWL_SCHEMA_VERSION, opening->identity->partitions,
        opening->identity->app, opening->identity->namespace_);
    if (!sql) return refuse_sqlite(opening, SQLITE_NOMEM);
    int code = run(opening, sql);
    sqlite3_free(sql);
    return code == SQLITE_OK ? PAWL_OK : refuse_sqlite(opening, code);
}

static pawl_err check_version(struct opening *opening)
{
    int64_t version = 0;
    int code = ask_int(opening, "SELECT version FROM meta", &version);
    if (code != SQLITE_OK) return refuse_sqlite(opening, code);
    if (version == PAWL_SCHEMA_VERSION) return PAWL_OK;
    return refuse(opening, PAWL_E_VERSION,
                  "state file %.120s has schema version %lld, this program reads version %u",
                  opening->path, (long long)version, PAWL_SCHEMA_VERSION);
}

static pawl_err check_partitions(struct opening *opening)
{
    int64_t partitions = 0;
    int code = ask_int(opening, "SELECT partitions FROM meta", &partitions);
    if (code != SQLITE_OK) return refuse_sqlite(opening, code);
    if (opening->identity->partitions == 0 && partitions > 0 && partitions <= PAWL_PARTITIONS_MAX)
        opening->identity->partitions = (uint32_t)partitions;
    if (partitions == opening->identity->partitions) return PAWL_OK;
    return refuse(opening, PAWL_E_VERSION,
                  "state file %.100s was created with %lld partitions, %u are configured; the "
                  "number is fixed when the state is first created",
                  opening->path, (long long)partitions, opening->identity->partitions);
}

static pawl_err check_text(struct opening *opening, const char *sql, const char *what,
                           const char *wanted)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(opening->db->connection, sql, -1, &stmt, NULL);
    if (code == SQLITE_OK) code = sqlite3_step(stmt);
    pawl_err err = PAWL_OK;
    if (code == SQLITE_ROW) {
        const char *found = (const char *)sqlite3_column_text(stmt, 0);
        if (!found || strcmp(found, wanted) != 0)
            err = refuse(opening, PAWL_E_INVALID,
                         "state file %.80s belongs to %s \"%.64s\", not to \"%.64s\"",
                         opening->path, what, found ? found : "", wanted);
    } else {
        err = refuse_sqlite(opening, code == SQLITE_DONE ? SQLITE_CORRUPT : code);
    }
    sqlite3_finalize(stmt);
    return err;
}

/* The indexes of queries. On a file from before, with a million instances, this takes some
 * seconds once. Triggers move the rows of tags, so that a program that knows no tags keeps
 * them right as well. */
static const char indexes[] =
    "CREATE INDEX IF NOT EXISTS instance_status ON instance (p, status, created_ms, id);"
    "CREATE INDEX IF NOT EXISTS instance_name ON instance (p, status, name, created_ms, id);"
    "CREATE INDEX IF NOT EXISTS instance_ended ON instance (p, status, completed_ms, id)"
    "  WHERE completed_ms > 0;"
    "CREATE INDEX IF NOT EXISTS instance_ended_name ON instance (p, status, name, completed_ms, id)"
    "  WHERE completed_ms > 0;"
    "CREATE TABLE IF NOT EXISTS tag (tag_n INTEGER NOT NULL, tag BLOB NOT NULL,"
    "  tag_p INTEGER NOT NULL, tag_id BLOB NOT NULL, tag_status INTEGER NOT NULL,"
    "  tag_created_ms INTEGER NOT NULL, tag_completed_ms INTEGER NOT NULL,"
    "  PRIMARY KEY (tag_n, tag)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS tag_created ON tag (tag_p, tag, tag_status, tag_created_ms, "
    "tag_id);"
    "CREATE INDEX IF NOT EXISTS tag_completed"
    "  ON tag (tag_p, tag, tag_status, tag_completed_ms, tag_id) WHERE tag_completed_ms > 0;"
    "CREATE TRIGGER IF NOT EXISTS tag_moves AFTER UPDATE OF status ON instance"
    "  WHEN old.tags IS NOT NULL AND old.status <> new.status BEGIN"
    "  UPDATE tag SET tag_status = new.status, tag_completed_ms = new.completed_ms"
    "  WHERE tag_n = new.n; END;"
    "CREATE TRIGGER IF NOT EXISTS tag_goes AFTER DELETE ON instance"
    "  WHEN old.tags IS NOT NULL BEGIN DELETE FROM tag WHERE tag_n = old.n; END;";

static pawl_err create_indexes(struct opening *opening)
{
    int64_t has_tags = 0;
    int code =
        ask_int(opening, "SELECT count(*) FROM pragma_table_info('instance') WHERE name = 'tags'",
                &has_tags);
    if (code == SQLITE_OK) code = run(opening, "BEGIN IMMEDIATE");
    if (code == SQLITE_OK && !has_tags) code = run(opening, "ALTER TABLE instance ADD tags BLOB");
    if (code == SQLITE_OK) code = run(opening, indexes);
    if (code == SQLITE_OK) code = run(opening, "COMMIT");
    return code == SQLITE_OK ? PAWL_OK : refuse_sqlite(opening, code);
}

/* Beside version 1 of the schema: programs that do not know it never look at it. */
static pawl_err create_younger_tables(struct opening *opening)
{
    int code = run(opening, "CREATE TABLE IF NOT EXISTS quarantine (p INTEGER NOT NULL,"
                            "  member BLOB NOT NULL, due_ms NOT NULL, PRIMARY KEY (p, member))"
                            "  WITHOUT ROWID;"
                            "CREATE TABLE IF NOT EXISTS tomb (p INTEGER NOT NULL,"
                            "  member BLOB NOT NULL, ms INTEGER NOT NULL, PRIMARY KEY (p, member))"
                            "  WITHOUT ROWID;"
                            "CREATE INDEX IF NOT EXISTS tomb_ms ON tomb (p, ms, member);"
                            "CREATE TABLE IF NOT EXISTS change (p INTEGER NOT NULL,"
                            "  i INTEGER NOT NULL, ms INTEGER NOT NULL, what INTEGER NOT NULL,"
                            "  status INTEGER NOT NULL, gen INTEGER NOT NULL,"
                            "  turn INTEGER NOT NULL, inc BLOB NOT NULL, id BLOB NOT NULL,"
                            "  name BLOB, custom BLOB, PRIMARY KEY (p, i)) WITHOUT ROWID");
    return code == SQLITE_OK ? PAWL_OK : refuse_sqlite(opening, code);
}

static pawl_err check_schema(struct opening *opening)
{
    pawl_err err = check_version(opening);
    if (!err) err = check_text(opening, "SELECT app FROM meta", "app", opening->identity->app);
    if (!err)
        err = check_text(opening, "SELECT namespace FROM meta", "namespace",
                         opening->identity->namespace_);
    if (!err) err = check_partitions(opening);
    return err;
}

static pawl_err create_or_check(struct opening *opening)
{
    int64_t application_id = 0, tables = 0;
    int code = ask_int(opening, "PRAGMA application_id", &application_id);
    if (code == SQLITE_OK) code = ask_int(opening, "SELECT count(*) FROM sqlite_schema", &tables);
    if (code != SQLITE_OK) return refuse_sqlite(opening, code);
    if (application_id == APPLICATION_ID) return check_schema(opening);
    bool is_empty = tables == 0 && application_id == 0;
    if (is_empty && opening->identity->read_only)
        return refuse(opening, PAWL_E_NOT_FOUND, "nothing is stored in state file %.150s",
                      opening->path);
    if (is_empty) return create_schema(opening);
    return refuse(opening, PAWL_E_INVALID,
                  "state file %.150s is a SQLite database of another program", opening->path);
}

static pawl_err prepare_all(struct opening *opening)
{
    static const char *const texts[PAWL_SQL_COUNT] = {
#define X(name, text) [PAWL_SQL_##name] = text,
        PAWL_SQLITE_STATEMENTS(X)
#undef X
    };
    for (int i = 0; i < PAWL_SQL_COUNT; i++) {
        int code = sqlite3_prepare_v3(opening->db->connection, texts[i], -1,
                                      SQLITE_PREPARE_PERSISTENT, &opening->db->statements[i], NULL);
        if (code != SQLITE_OK) return refuse_sqlite(opening, code);
    }
    return PAWL_OK;
}

pawl_err pawl_sqlite_db_open(struct pawl_sqlite_db *db, const char *path, const char *synchronous,
                             struct pawl_sqlite_identity *identity)
{
    *db = (struct pawl_sqlite_db){ .failed = SQLITE_OK };
    struct opening opening = { db, path, identity };
    pawl_err err = connect_file(&opening);
    if (!err) err = take_alone(&opening, synchronous);
    if (!err) err = create_or_check(&opening);
    if (!err) err = create_younger_tables(&opening);
    if (!err) err = create_indexes(&opening);
    if (!err) err = prepare_all(&opening);
    if (err) pawl_sqlite_db_close(db);
    return err;
}

void pawl_sqlite_db_close(struct pawl_sqlite_db *db)
{
    for (int i = 0; i < PAWL_SQL_COUNT; i++) {
        sqlite3_finalize(db->statements[i]);
        db->statements[i] = NULL;
    }
    sqlite3_close(db->connection);
    db->connection = NULL;
}
