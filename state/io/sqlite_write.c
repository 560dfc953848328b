/* The small writing operations: acquire, create, deliver, purge, outdone. */
#include "base/bytes.h"
#include "base/limits.h"
#include "state/io/sqlite_db.h"
#include "state/keys.h"

/* Acquire ---------------------------------------------------------------------- */

static void owner_put(struct pawl_sqlite_db *db, uint32_t partition,
                      const struct pawl_acquire *acquire, uint64_t epoch)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_OWNER_PUT);
    pawl_sqlite_bind_int(db, stmt, 1, partition);
    pawl_sqlite_bind_int(db, stmt, 2, (int64_t)epoch);
    pawl_sqlite_bind_id(db, stmt, 3, &acquire->nonce);
    pawl_sqlite_bind_bytes(db, stmt, 4, acquire->owner);
    pawl_sqlite_bind_int(db, stmt, 5, (int64_t)acquire->table_version);
    pawl_sqlite_bind_int(db, stmt, 6, acquire->now_ms);
    pawl_sqlite_run(db, stmt);
}

void pawl_sqlite_acquire(struct pawl_sqlite_db *db, const struct pawl_store_request *request,
                         struct pawl_arena *arena, struct pawl_store_reply *reply)
{
    (void)arena;
    const struct pawl_acquire *acquire = &request->acquire;
    struct pawl_sqlite_owner owner = pawl_sqlite_owner_get(db, request->partition);
    bool is_resent = owner.epoch != 0 && pawl_id_is_equal(owner.nonce, acquire->nonce);
    if (!is_resent && owner.table_version > acquire->table_version) {
        reply->err = PAWL_E_CONFLICT;
    } else if (!is_resent) {
        owner.epoch++;
        owner.table_version = acquire->table_version;
        owner_put(db, request->partition, acquire, owner.epoch);
    }
    reply->acquire.epoch = owner.epoch;
    reply->acquire.table_version = owner.table_version;
}

/* Removing an instance --------------------------------------------------------- */

static struct pawl_bytes member_prefix(struct pawl_arena *arena, char kind,
                                       struct pawl_bytes instance, char last)
{
    size_t size = instance.size + 3;
    uint8_t *prefix = pawl_arena_alloc(arena, size);
    prefix[0] = (uint8_t)kind;
    prefix[1] = '|';
    if (instance.size) memcpy(prefix + 2, instance.data, instance.size);
    prefix[size - 1] = (uint8_t)last;
    return pawl_bytes_make(prefix, size);
}

/* Reminders of one kind whose member begins with "<kind>|<instance>|". An id may hold
 * '|', so another instance can begin the same way: each one is looked at. */
static uint32_t reminders_of_kind(struct pawl_sqlite_db *db, struct pawl_arena *arena,
                                  uint32_t partition, struct pawl_bytes instance, char kind,
                                  struct pawl_bytes *members, uint32_t members_max)
{
    struct pawl_bytes from = member_prefix(arena, kind, instance, '|');
    struct pawl_bytes to = member_prefix(arena, kind, instance, '|' + 1);
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_REMINDER_RANGE);
    pawl_sqlite_bind_int(db, stmt, 1, partition);
    pawl_sqlite_bind_bytes(db, stmt, 2, from);
    pawl_sqlite_bind_bytes(db, stmt, 3, to);

    uint32_t count = 0;
    while (count < members_max && pawl_sqlite_row(db, stmt)) {
        struct pawl_bytes member = pawl_sqlite_bytes(arena, stmt, 0);
        struct pawl_reminder reminder;
        if (pawl_reminder_parse(member, &reminder)) continue; /* POLL moves it aside */
        if (pawl_bytes_is_equal(reminder.instance, instance)) members[count++] = member;
    }
    pawl_sqlite_end(stmt);
    return count;
}

static void reminders_remove(struct pawl_sqlite_db *db, struct pawl_arena *arena,
                             uint32_t partition, struct pawl_bytes instance)
{
    enum { BATCH = 64 };
    static const char kinds[] = { PAWL_REMINDER_WAKE, PAWL_REMINDER_ACTIVITY, PAWL_REMINDER_TIMER,
                                  PAWL_REMINDER_CHILD };
    for (size_t kind = 0; kind < sizeof kinds; kind++) {
        struct pawl_bytes members[BATCH];
        uint32_t count;
        do {
            count = reminders_of_kind(db, arena, partition, instance, kinds[kind], members, BATCH);
            for (uint32_t i = 0; i < count; i++) {
                sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_REMINDER_REMOVE);
                pawl_sqlite_bind_int(db, stmt, 1, partition);
                pawl_sqlite_bind_bytes(db, stmt, 2, members[i]);
                pawl_sqlite_run(db, stmt);
            }
        } while (count == BATCH && db->failed == SQLITE_OK);
    }
}

static void instance_remove(struct pawl_sqlite_db *db, struct pawl_arena *arena, uint32_t partition,
                            const struct pawl_sqlite_instance *row)
{
    reminders_remove(db, arena, partition, row->id);
    pawl_sqlite_clear(db, PAWL_SQL_PAYLOAD_CLEAR, row->n);
    pawl_sqlite_clear(db, PAWL_SQL_HISTORY_CLEAR, row->n);
    pawl_sqlite_clear(db, PAWL_SQL_PENDING_CLEAR, row->n);
    pawl_sqlite_clear(db, PAWL_SQL_SEEN_CLEAR, row->n);
    sqlite3_stmt *inbox = pawl_sqlite_use(db, PAWL_SQL_INBOX_CONSUME);
    pawl_sqlite_bind_int(db, inbox, 1, row->n);
    pawl_sqlite_bind_int(db, inbox, 2, row->metadata.inbox_tail);
    pawl_sqlite_run(db, inbox);
    pawl_sqlite_clear(db, PAWL_SQL_INSTANCE_REMOVE, row->n);
    pawl_sqlite_counts_add(db, partition, row->metadata.status, -1);
}

static void remember_request(struct pawl_sqlite_db *db, uint32_t partition,
                             struct pawl_bytes member, int64_t now_ms,
                             const struct pawl_tomb_limits *limits)
{
    if (limits->tomb_ms <= 0) return;
    sqlite3_stmt *drop = pawl_sqlite_use(db, PAWL_SQL_TOMB_DROP);
    pawl_sqlite_bind_int(db, drop, 1, partition);
    pawl_sqlite_bind_int(db, drop, 2, now_ms);
    pawl_sqlite_run(db, drop);

    sqlite3_stmt *put = pawl_sqlite_use(db, PAWL_SQL_TOMB_PUT);
    pawl_sqlite_bind_int(db, put, 1, partition);
    pawl_sqlite_bind_bytes(db, put, 2, member);
    pawl_sqlite_bind_int(db, put, 3, now_ms + limits->tomb_ms);
    pawl_sqlite_run(db, put);

    sqlite3_stmt *trim = pawl_sqlite_use(db, PAWL_SQL_TOMB_TRIM);
    pawl_sqlite_bind_int(db, trim, 1, partition);
    pawl_sqlite_bind_int(db, trim, 2, limits->tombs_max);
    pawl_sqlite_run(db, trim);
}

static void remember(struct pawl_sqlite_db *db, struct pawl_arena *arena, uint32_t partition,
                     const struct pawl_sqlite_instance *row, int64_t now_ms,
                     const struct pawl_tomb_limits *limits)
{
    struct pawl_bytes request_id = row->metadata.request_id;
    if (pawl_bytes_is_absent(request_id)) return;
    remember_request(db, partition, pawl_tomb_format(arena, PAWL_TOMB_REMOVED, row->id, request_id),
                     now_ms, limits);
}

static void remember_refused(struct pawl_sqlite_db *db, struct pawl_arena *arena,
                             uint32_t partition, const struct pawl_create *create)
{
    if (!create->keep_refusal || pawl_bytes_is_absent(create->request_id)) return;
    remember_request(
        db, partition,
        pawl_tomb_format(arena, PAWL_TOMB_REFUSED, create->instance, create->request_id),
        create->created_ms, &create->tombs);
}

static bool is_remembered(struct pawl_sqlite_db *db, struct pawl_arena *arena, uint32_t partition,
                          enum pawl_tomb_kind kind, const struct pawl_create *create)
{
    if (pawl_bytes_is_absent(create->request_id)) return false;
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_TOMB_GET);
    pawl_sqlite_bind_int(db, stmt, 1, partition);
    pawl_sqlite_bind_bytes(db, stmt, 2,
                           pawl_tomb_format(arena, kind, create->instance, create->request_id));
    if (!pawl_sqlite_row(db, stmt)) return false;
    int64_t until_ms = sqlite3_column_int64(stmt, 0);
    pawl_sqlite_end(stmt);
    return until_ms > create->created_ms;
}

void pawl_sqlite_purge(struct pawl_sqlite_db *db, const struct pawl_store_request *request,
                       struct pawl_arena *arena, struct pawl_store_reply *reply)
{
    const struct pawl_purge *purge = &request->purge;
    struct pawl_sqlite_instance row =
        pawl_sqlite_instance_get(db, request->partition, purge->instance, arena);
    if (row.n == 0)
        reply->err = PAWL_E_NOT_FOUND;
    else if (!pawl_id_is_zero(purge->inc) && !pawl_id_is_equal(purge->inc, row.metadata.inc))
        reply->err = PAWL_E_CONFLICT;
    else if (!purge->force && !pawl_store_status_is_terminal(row.metadata.status))
        reply->err = PAWL_E_NOT_TERMINAL;
    if (reply->err) return;
    remember(db, arena, request->partition, &row, purge->now_ms, &purge->tombs);
    instance_remove(db, arena, request->partition, &row);
    const struct pawl_change change = { .at_ms = purge->now_ms,
                                        .status = row.metadata.status,
                                        .gen = row.metadata.gen,
                                        .turn = row.metadata.turn,
                                        .inc = row.metadata.inc,
                                        .instance = row.id,
                                        .name = row.metadata.name };
    pawl_sqlite_change_add(db, request->partition, purge->changes_max, PAWL_CHANGE_PURGED, &change);
}

/* Create ----------------------------------------------------------------------- */

static int64_t instance_add(struct pawl_sqlite_db *db, uint32_t partition,
                            const struct pawl_create *create, uint32_t gen)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_INSTANCE_ADD);
    pawl_sqlite_bind_int(db, stmt, 1, partition);
    pawl_sqlite_bind_bytes(db, stmt, 2, create->instance);
    pawl_sqlite_bind_id(db, stmt, 3, &create->inc);
    pawl_sqlite_bind_int(db, stmt, 4, gen);
    pawl_sqlite_bind_id(db, stmt, 5, &create->delivery);
    pawl_sqlite_bind_int(db, stmt, 6, PAWL_STATUS_PENDING);
    pawl_sqlite_bind_int(db, stmt, 7, create->created_ms);
    pawl_sqlite_bind_int(db, stmt, 8, create->start_at_ms);
    pawl_sqlite_bind_bytes(db, stmt, 9, create->name);
    pawl_sqlite_bind_bytes(db, stmt, 10, create->version);
    pawl_sqlite_bind_bytes(db, stmt, 11, create->request_id);
    pawl_sqlite_bind_bytes(db, stmt, 12, create->parent);
    pawl_sqlite_bind_bytes(db, stmt, 13, create->parent_key);
    pawl_sqlite_bind_bytes(db, stmt, 14, create->tags);
    pawl_sqlite_run(db, stmt);
    return sqlite3_last_insert_rowid(db->connection);
}

static void tags_add(struct pawl_sqlite_db *db, struct pawl_arena *arena, uint32_t partition,
                     int64_t n, const struct pawl_create *create)
{
    struct pawl_tags tags;
    if (pawl_tags_unpack(create->tags, &tags) != PAWL_OK) return;
    for (uint32_t i = 0; i < tags.count; i++) {
        sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_TAG_ADD);
        pawl_sqlite_bind_int(db, stmt, 1, n);
        pawl_sqlite_bind_bytes(db, stmt, 2, pawl_sqlite_tag(arena, &tags.items[i]));
        pawl_sqlite_bind_int(db, stmt, 3, partition);
        pawl_sqlite_bind_bytes(db, stmt, 4, create->instance);
        pawl_sqlite_bind_int(db, stmt, 5, PAWL_STATUS_PENDING);
        pawl_sqlite_bind_int(db, stmt, 6, create->created_ms);
        pawl_sqlite_run(db, stmt);
    }
}

static void create_rows(struct pawl_sqlite_db *db, struct pawl_arena *arena, uint32_t partition,
                        const struct pawl_create *create, uint32_t gen)
{
    int64_t n = instance_add(db, partition, create, gen);
    tags_add(db, arena, partition, n, create);
    pawl_sqlite_counts_add(db, partition, PAWL_STATUS_PENDING, 1);
    if (!pawl_bytes_is_absent(create->input))
        pawl_sqlite_payload_put(db, n, PAWL_SQLITE_INPUT, create->input);
    pawl_sqlite_inbox_add(db, n, 0, &create->delivery, create->body);

    struct pawl_reminder wake = { .kind = PAWL_REMINDER_WAKE,
                                  .due_ms = create->start_at_ms > create->created_ms
                                                ? create->start_at_ms
                                                : create->created_ms,
                                  .instance = create->instance,
                                  .inc = create->inc };
    pawl_sqlite_reminder_put(db, arena, partition, &wake);
}

static bool is_child_of(const struct pawl_sqlite_instance *row, const struct pawl_create *create)
{
    return row->n != 0 && !pawl_bytes_is_absent(create->parent_key)
           && pawl_bytes_is_equal(create->parent_key, row->parent_key);
}

/* One that has ended answers for one attempt of its parent. */
static bool may_rebind(const struct pawl_sqlite_instance *row, const struct pawl_create *create)
{
    return is_child_of(row, create)
           && (!pawl_store_status_is_terminal(row->metadata.status) || create->rebind_ended
               || pawl_bytes_is_equal(create->parent, row->metadata.parent));
}

static void rebind(struct pawl_sqlite_db *db, struct pawl_arena *arena, uint32_t partition,
                   const struct pawl_sqlite_instance *row, const struct pawl_create *create)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_INSTANCE_PARENT);
    pawl_sqlite_bind_int(db, stmt, 1, row->n);
    pawl_sqlite_bind_bytes(db, stmt, 2, create->parent);
    pawl_sqlite_bind_bytes(db, stmt, 3, create->request_id);
    pawl_sqlite_run(db, stmt);
    if (!pawl_bytes_is_equal(create->request_id, row->metadata.request_id))
        remember(db, arena, partition, row, create->created_ms, &create->tombs);
}

static pawl_err create_decide(struct pawl_sqlite_db *db, struct pawl_arena *arena,
                              uint32_t partition, const struct pawl_sqlite_instance *row,
                              const struct pawl_create *create)
{
    bool is_child = may_rebind(row, create);
    bool is_own = row->n != 0 && pawl_bytes_is_equal(create->request_id, row->metadata.request_id);
    if (!is_own && create->keep_refusal
        && is_remembered(db, arena, partition, PAWL_TOMB_REFUSED, create))
        return PAWL_E_EXISTS;
    bool is_late = !is_own && is_remembered(db, arena, partition, PAWL_TOMB_REMOVED, create);
    if (is_late && !(is_child && create->rebind_late))
        return is_child_of(row, create) ? PAWL_E_DUPLICATE : PAWL_E_TERMINAL;
    if (is_child) rebind(db, arena, partition, row, create);
    if (is_child || is_own) return PAWL_E_DUPLICATE;
    if (row->n == 0) return PAWL_OK;
    bool is_ended = pawl_store_status_is_terminal(row->metadata.status);
    return is_ended && create->replace_terminal ? PAWL_OK : PAWL_E_EXISTS;
}

void pawl_sqlite_create(struct pawl_sqlite_db *db, const struct pawl_store_request *request,
                        struct pawl_arena *arena, struct pawl_store_reply *reply)
{
    const struct pawl_create *create = &request->create;
    struct pawl_sqlite_instance row =
        pawl_sqlite_instance_get(db, request->partition, create->instance, arena);
    reply->err = create_decide(db, arena, request->partition, &row, create);
    if (reply->err == PAWL_E_TERMINAL) return;
    if (reply->err == PAWL_E_EXISTS) remember_refused(db, arena, request->partition, create);
    if (reply->err == PAWL_OK) {
        uint32_t gen = row.n != 0 ? row.metadata.gen + 1 : 1;
        if (row.n != 0) {
            remember(db, arena, request->partition, &row, create->created_ms, &create->tombs);
            instance_remove(db, arena, request->partition, &row);
        }
        create_rows(db, arena, request->partition, create, gen);
        const struct pawl_change change = { .at_ms = create->created_ms,
                                            .status = PAWL_STATUS_PENDING,
                                            .gen = gen,
                                            .inc = create->inc,
                                            .instance = create->instance,
                                            .name = create->name };
        pawl_sqlite_change_add(db, request->partition, create->changes_max, PAWL_CHANGE_CREATED,
                               &change);
    }
    row = pawl_sqlite_instance_get(db, request->partition, create->instance, arena);
    reply->create.metadata = row.metadata;
}

/* Deliver ---------------------------------------------------------------------- */

static pawl_err check_result(struct pawl_sqlite_db *db, const struct pawl_sqlite_instance *row,
                             const struct pawl_deliver *deliver)
{
    if (pawl_store_status_is_terminal(row->metadata.status)) return PAWL_E_TERMINAL;
    if (!pawl_id_is_equal(row->metadata.inc, deliver->inc)) return PAWL_E_CONFLICT;
    if (row->metadata.gen != deliver->gen) return PAWL_E_CONFLICT;
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_PENDING_GET);
    pawl_sqlite_bind_int(db, stmt, 1, row->n);
    pawl_sqlite_bind_int(db, stmt, 2, deliver->op.kind);
    pawl_sqlite_bind_int(db, stmt, 3, deliver->op.id);
    if (!pawl_sqlite_row(db, stmt)) return PAWL_E_CONFLICT;
    uint64_t nonce = (uint64_t)sqlite3_column_int64(stmt, 0);
    int64_t state = sqlite3_column_int64(stmt, 1);
    pawl_sqlite_end(stmt);
    if (nonce != deliver->nonce) return PAWL_E_CONFLICT;
    return state == PAWL_PENDING_DELIVERED ? PAWL_E_DUPLICATE : PAWL_OK;
}

/* At most seen_max rows are counted, so the cost of a full list is bounded. */
static bool seen_is_full(struct pawl_sqlite_db *db, int64_t n, int64_t since_ms, uint32_t seen_max)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_SEEN_COUNT);
    pawl_sqlite_bind_int(db, stmt, 1, n);
    pawl_sqlite_bind_int(db, stmt, 2, since_ms);
    pawl_sqlite_bind_int(db, stmt, 3, seen_max);
    if (!pawl_sqlite_row(db, stmt)) return true;
    int64_t count = sqlite3_column_int64(stmt, 0);
    pawl_sqlite_end(stmt);
    return count >= seen_max;
}

static pawl_err check_input(struct pawl_sqlite_db *db, const struct pawl_sqlite_instance *row,
                            const struct pawl_deliver *deliver)
{
    int64_t since_ms = deliver->now_ms - deliver->seen_ms_max;
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_SEEN_GET);
    pawl_sqlite_bind_int(db, stmt, 1, row->n);
    pawl_sqlite_bind_bytes(db, stmt, 2, deliver->request_id);
    if (pawl_sqlite_row(db, stmt)) {
        int64_t seen_ms = sqlite3_column_int64(stmt, 0);
        pawl_sqlite_end(stmt);
        if (seen_ms >= since_ms) return PAWL_E_DUPLICATE;
    }
    if (!pawl_id_is_zero(deliver->rewind)) {
        bool is_it = row->metadata.status == PAWL_STATUS_FAILED
                     && pawl_id_is_equal(row->metadata.last, deliver->rewind);
        if (!is_it) return PAWL_E_CONFLICT;
    } else if (pawl_store_status_is_terminal(row->metadata.status)) {
        return PAWL_E_TERMINAL;
    }
    return seen_is_full(db, row->n, since_ms, deliver->seen_max) ? PAWL_E_BUSY : PAWL_OK;
}

static pawl_err deliver_check(struct pawl_sqlite_db *db, const struct pawl_sqlite_instance *row,
                              const struct pawl_deliver *deliver)
{
    if (row->n == 0) return PAWL_E_NOT_FOUND;
    pawl_err err =
        deliver->op.kind ? check_result(db, row, deliver) : check_input(db, row, deliver);
    if (err) return err;
    const struct pawl_metadata *metadata = &row->metadata;
    bool is_full = metadata->inbox_tail - metadata->inbox_head >= deliver->inbox_max;
    return is_full ? PAWL_E_BUSY : PAWL_OK;
}

static void mark_delivered(struct pawl_sqlite_db *db, struct pawl_arena *arena, uint32_t partition,
                           int64_t n, const struct pawl_deliver *deliver)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_PENDING_DELIVERED);
    pawl_sqlite_bind_int(db, stmt, 1, n);
    pawl_sqlite_bind_int(db, stmt, 2, deliver->op.kind);
    pawl_sqlite_bind_int(db, stmt, 3, deliver->op.id);
    pawl_sqlite_run(db, stmt);
    if (deliver->op.kind != 't') return;
    struct pawl_reminder timer = { .kind = PAWL_REMINDER_TIMER,
                                   .instance = deliver->instance,
                                   .inc = deliver->inc,
                                   .gen = deliver->gen,
                                   .op = deliver->op,
                                   .nonce = deliver->nonce };
    pawl_sqlite_reminder_remove(db, arena, partition, &timer);
}

static void mark_seen(struct pawl_sqlite_db *db, int64_t n, const struct pawl_deliver *deliver)
{
    sqlite3_stmt *drop = pawl_sqlite_use(db, PAWL_SQL_SEEN_DROP);
    pawl_sqlite_bind_int(db, drop, 1, n);
    pawl_sqlite_bind_int(db, drop, 2, deliver->now_ms - deliver->seen_ms_max);
    pawl_sqlite_run(db, drop);

    sqlite3_stmt *put = pawl_sqlite_use(db, PAWL_SQL_SEEN_PUT);
    pawl_sqlite_bind_int(db, put, 1, n);
    pawl_sqlite_bind_bytes(db, put, 2, deliver->request_id);
    pawl_sqlite_bind_int(db, put, 3, deliver->now_ms);
    pawl_sqlite_run(db, put);
}

static void wake_by(struct pawl_sqlite_db *db, struct pawl_arena *arena, uint32_t partition,
                    const struct pawl_sqlite_instance *row, int64_t due_ms)
{
    struct pawl_reminder wake = { .kind = PAWL_REMINDER_WAKE,
                                  .instance = row->id,
                                  .inc = row->metadata.inc };
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_REMINDER_EARLIER);
    pawl_sqlite_bind_int(db, stmt, 1, partition);
    pawl_sqlite_bind_bytes(db, stmt, 2, pawl_reminder_format(arena, &wake));
    pawl_sqlite_bind_int(db, stmt, 3, due_ms);
    pawl_sqlite_run(db, stmt);
}

static void payload_remove(struct pawl_sqlite_db *db, int64_t n, enum pawl_sqlite_payload kind)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_PAYLOAD_REMOVE);
    pawl_sqlite_bind_int(db, stmt, 1, n);
    pawl_sqlite_bind_int(db, stmt, 2, kind);
    pawl_sqlite_run(db, stmt);
}

/* The history is in the row that comes. */
static void rewind_failed(struct pawl_sqlite_db *db, uint32_t partition,
                          const struct pawl_sqlite_instance *row,
                          const struct pawl_deliver *deliver)
{
    pawl_sqlite_clear(db, PAWL_SQL_HISTORY_CLEAR, row->n);
    payload_remove(db, row->n, PAWL_SQLITE_OUTPUT);
    payload_remove(db, row->n, PAWL_SQLITE_FAILURE);
    pawl_sqlite_counts_add(db, partition, PAWL_STATUS_FAILED, -1);
    pawl_sqlite_counts_add(db, partition, PAWL_STATUS_RUNNING, 1);

    sqlite3_stmt *status = pawl_sqlite_use(db, PAWL_SQL_INSTANCE_STATUS);
    pawl_sqlite_bind_int(db, status, 1, row->n);
    pawl_sqlite_bind_int(db, status, 2, PAWL_STATUS_RUNNING);
    pawl_sqlite_bind_int(db, status, 3, 0);
    pawl_sqlite_run(db, status);

    sqlite3_stmt *rewind = pawl_sqlite_use(db, PAWL_SQL_INSTANCE_REWIND);
    pawl_sqlite_bind_int(db, rewind, 1, row->n);
    pawl_sqlite_bind_id(db, rewind, 2, &deliver->delivery);
    pawl_sqlite_bind_int(db, rewind, 3, deliver->now_ms);
    pawl_sqlite_run(db, rewind);
    const struct pawl_change change = { .at_ms = deliver->now_ms,
                                        .status = PAWL_STATUS_RUNNING,
                                        .gen = row->metadata.gen,
                                        .turn = row->metadata.turn,
                                        .inc = row->metadata.inc,
                                        .instance = row->id,
                                        .name = row->metadata.name };
    pawl_sqlite_change_add(db, partition, deliver->changes_max, PAWL_CHANGE_STATUS, &change);
}

void pawl_sqlite_deliver(struct pawl_sqlite_db *db, const struct pawl_store_request *request,
                         struct pawl_arena *arena, struct pawl_store_reply *reply)
{
    const struct pawl_deliver *deliver = &request->deliver;
    struct pawl_sqlite_instance row =
        pawl_sqlite_instance_get(db, request->partition, deliver->instance, arena);
    reply->err = deliver_check(db, &row, deliver);
    if (reply->err) return;

    if (!pawl_id_is_zero(deliver->rewind)) rewind_failed(db, request->partition, &row, deliver);
    if (deliver->op.kind)
        mark_delivered(db, arena, request->partition, row.n, deliver);
    else
        mark_seen(db, row.n, deliver);
    uint32_t index = row.metadata.inbox_tail;
    pawl_sqlite_inbox_add(db, row.n, index, &deliver->delivery, deliver->body);
    sqlite3_stmt *tail = pawl_sqlite_use(db, PAWL_SQL_INSTANCE_TAIL);
    pawl_sqlite_bind_int(db, tail, 1, row.n);
    pawl_sqlite_bind_int(db, tail, 2, (int64_t)index + 1);
    pawl_sqlite_run(db, tail);
    wake_by(db, arena, request->partition, &row, deliver->now_ms);
    reply->deliver.index = index;
}

/* Outdone ---------------------------------------------------------------------- */

void pawl_sqlite_outdone(struct pawl_sqlite_db *db, const struct pawl_store_request *request,
                         struct pawl_arena *arena, struct pawl_store_reply *reply)
{
    (void)reply;
    for (uint32_t i = 0; i < request->outdone.ids_count; i++) {
        struct pawl_reminder retry = { .kind = PAWL_REMINDER_OUTBOX,
                                       .message = request->outdone.ids[i] };
        pawl_sqlite_reminder_remove(db, arena, request->partition, &retry);
        sqlite3_stmt *stmt = pawl_sqlite_use(db, PAWL_SQL_OUTBOX_REMOVE);
        pawl_sqlite_bind_int(db, stmt, 1, request->partition);
        pawl_sqlite_bind_id(db, stmt, 2, &request->outdone.ids[i]);
        pawl_sqlite_run(db, stmt);
    }
}
