/* Commit: everything one turn changes. */
#include "base/bytes.h"
#include "base/limits.h"
#include "state/io/sqlite_db.h"
#include "state/keys.h"

/* What the statements of one commit share. */
struct turn {
    struct pawl_sqlite_db *db;
    struct pawl_arena *arena;
    uint32_t partition;
    const struct pawl_commit *commit;
    struct pawl_sqlite_instance *row; /* becomes what is stored */
};

/* Checks ----------------------------------------------------------------------- */

static bool consumed_row_is(struct turn *turn, uint32_t index, struct pawl_id delivery)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(turn->db, PAWL_SQL_INBOX_DELIVERY);
    pawl_sqlite_bind_int(turn->db, stmt, 1, turn->row->n);
    pawl_sqlite_bind_int(turn->db, stmt, 2, index);
    if (!pawl_sqlite_row(turn->db, stmt)) {
        pawl_sqlite_fail(turn->db, SQLITE_CORRUPT, "table inbox: a row of an instance is missing");
        return false;
    }
    struct pawl_id stored =
        pawl_sqlite_id(turn->db, stmt, 0, "table inbox, column delivery: not 16 bytes");
    pawl_sqlite_end(stmt);
    return pawl_id_is_equal(stored, delivery);
}

static pawl_err check(struct turn *turn)
{
    const struct pawl_commit *commit = turn->commit;
    const struct pawl_metadata *metadata = &turn->row->metadata;
    if (!pawl_id_is_equal(metadata->inc, commit->inc)) return PAWL_E_CONFLICT;
    if (metadata->gen != commit->gen) return PAWL_E_CONFLICT;
    if (!pawl_id_is_equal(metadata->last, commit->last)) return PAWL_E_CONFLICT;
    if (pawl_store_status_is_terminal(metadata->status)) return PAWL_E_CONFLICT;

    uint32_t head = commit->inbox_consumed;
    if (head < metadata->inbox_head || head > metadata->inbox_tail) return PAWL_E_CONFLICT;
    if (commit->consumed_count != head - metadata->inbox_head) return PAWL_E_CONFLICT;
    for (uint32_t i = 0; i < commit->consumed_count; i++)
        if (!consumed_row_is(turn, metadata->inbox_head + i, commit->consumed[i]))
            return PAWL_E_CONFLICT;

    uint64_t history_count = (uint64_t)metadata->history_count + commit->events_count;
    return history_count > commit->history_max ? PAWL_E_TOO_LARGE : PAWL_OK;
}

/* Writes ----------------------------------------------------------------------- */

static void write_history(struct turn *turn)
{
    struct pawl_metadata *metadata = &turn->row->metadata;
    for (uint32_t i = 0; i < turn->commit->events_count; i++) {
        struct pawl_bytes event = turn->commit->events[i];
        sqlite3_stmt *stmt = pawl_sqlite_use(turn->db, PAWL_SQL_HISTORY_ADD);
        pawl_sqlite_bind_int(turn->db, stmt, 1, turn->row->n);
        pawl_sqlite_bind_int(turn->db, stmt, 2, metadata->history_count);
        pawl_sqlite_bind_bytes(turn->db, stmt, 3, event);
        pawl_sqlite_run(turn->db, stmt);
        metadata->history_count++;
        metadata->history_size += event.size;
    }
}

static void consume_inbox(struct turn *turn, uint32_t head)
{
    struct pawl_metadata *metadata = &turn->row->metadata;
    if (head == metadata->inbox_head) return;
    metadata->inbox_head = head;
    sqlite3_stmt *stmt = pawl_sqlite_use(turn->db, PAWL_SQL_INBOX_CONSUME);
    pawl_sqlite_bind_int(turn->db, stmt, 1, turn->row->n);
    pawl_sqlite_bind_int(turn->db, stmt, 2, head);
    pawl_sqlite_run(turn->db, stmt);
}

static void pending_remove(struct turn *turn, struct pawl_op op)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(turn->db, PAWL_SQL_PENDING_REMOVE);
    pawl_sqlite_bind_int(turn->db, stmt, 1, turn->row->n);
    pawl_sqlite_bind_int(turn->db, stmt, 2, op.kind);
    pawl_sqlite_bind_int(turn->db, stmt, 3, op.id);
    pawl_sqlite_run(turn->db, stmt);
}

static void pending_put(struct turn *turn, const struct pawl_pending *pending,
                        uint32_t history_before)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(turn->db, PAWL_SQL_PENDING_PUT);
    pawl_sqlite_bind_int(turn->db, stmt, 1, turn->row->n);
    pawl_sqlite_bind_int(turn->db, stmt, 2, pending->op.kind);
    pawl_sqlite_bind_int(turn->db, stmt, 3, pending->op.id);
    pawl_sqlite_bind_int(turn->db, stmt, 4, (int64_t)pending->nonce);
    pawl_sqlite_bind_int(turn->db, stmt, 5, PAWL_PENDING_OPEN);
    pawl_sqlite_bind_int(turn->db, stmt, 6, (int64_t)history_before + pending->history_index);
    pawl_sqlite_run(turn->db, stmt);
}

static void write_pending(struct turn *turn, uint32_t history_before)
{
    const struct pawl_commit *commit = turn->commit;
    for (uint32_t i = 0; i < commit->pending_done_count; i++)
        pending_remove(turn, commit->pending_done[i]);
    for (uint32_t i = 0; i < commit->pending_added_count; i++)
        pending_put(turn, &commit->pending_added[i], history_before);
}

static void write_reminders(struct turn *turn)
{
    const struct pawl_commit *commit = turn->commit;
    for (uint32_t i = 0; i < commit->reminders_removed_count; i++)
        pawl_sqlite_reminder_remove(turn->db, turn->arena, turn->partition,
                                    &commit->reminders_removed[i]);
    for (uint32_t i = 0; i < commit->reminders_added_count; i++)
        pawl_sqlite_reminder_put(turn->db, turn->arena, turn->partition,
                                 &commit->reminders_added[i]);
}

static void write_messages(struct turn *turn)
{
    for (uint32_t i = 0; i < turn->commit->messages_count; i++) {
        const struct pawl_message_row *message = &turn->commit->messages[i];
        sqlite3_stmt *stmt = pawl_sqlite_use(turn->db, PAWL_SQL_OUTBOX_PUT);
        pawl_sqlite_bind_int(turn->db, stmt, 1, turn->partition);
        pawl_sqlite_bind_id(turn->db, stmt, 2, &message->id);
        pawl_sqlite_bind_bytes(turn->db, stmt, 3, message->body);
        pawl_sqlite_run(turn->db, stmt);

        struct pawl_reminder retry = { .kind = PAWL_REMINDER_OUTBOX,
                                       .due_ms = turn->commit->now_ms + PAWL_LEASE_OUTBOX_MS,
                                       .message = message->id };
        pawl_sqlite_reminder_put(turn->db, turn->arena, turn->partition, &retry);
    }
}

static void payload_put_if_set(struct turn *turn, enum pawl_sqlite_payload kind,
                               struct pawl_bytes body)
{
    if (pawl_bytes_is_absent(body)) return;
    pawl_sqlite_payload_put(turn->db, turn->row->n, kind, body);
}

static void payload_remove(struct turn *turn, enum pawl_sqlite_payload kind)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(turn->db, PAWL_SQL_PAYLOAD_REMOVE);
    pawl_sqlite_bind_int(turn->db, stmt, 1, turn->row->n);
    pawl_sqlite_bind_int(turn->db, stmt, 2, kind);
    pawl_sqlite_run(turn->db, stmt);
}

static void write_text(struct turn *turn, enum pawl_sqlite_sql sql, struct pawl_bytes text)
{
    sqlite3_stmt *stmt = pawl_sqlite_use(turn->db, sql);
    pawl_sqlite_bind_int(turn->db, stmt, 1, turn->row->n);
    pawl_sqlite_bind_bytes(turn->db, stmt, 2, text);
    pawl_sqlite_run(turn->db, stmt);
}

static void write_payloads(struct turn *turn)
{
    const struct pawl_commit *commit = turn->commit;
    payload_put_if_set(turn, PAWL_SQLITE_INPUT, commit->payloads.input);
    payload_put_if_set(turn, PAWL_SQLITE_OUTPUT, commit->payloads.output);
    payload_put_if_set(turn, PAWL_SQLITE_FAILURE, commit->payloads.failure);
    bool attempts_go = !pawl_bytes_is_absent(commit->attempts) && commit->attempts.size == 0;
    if (attempts_go)
        payload_remove(turn, PAWL_SQLITE_ATTEMPTS);
    else
        payload_put_if_set(turn, PAWL_SQLITE_ATTEMPTS, commit->attempts);
    if (!commit->custom_status_set) return;
    write_text(turn, PAWL_SQL_INSTANCE_CUSTOM, commit->custom_status);
}

/* The unconsumed rows move behind the carried ones, to indexes never used before. */
static void carry_inbox(struct turn *turn)
{
    struct pawl_metadata *metadata = &turn->row->metadata;
    uint32_t head = metadata->inbox_head, tail = metadata->inbox_tail;
    uint32_t carry_count = turn->commit->carry_count;
    if (head != tail) {
        sqlite3_stmt *stmt = pawl_sqlite_use(turn->db, PAWL_SQL_INBOX_MOVE);
        pawl_sqlite_bind_int(turn->db, stmt, 1, turn->row->n);
        pawl_sqlite_bind_int(turn->db, stmt, 2, (int64_t)tail + carry_count - head);
        pawl_sqlite_bind_int(turn->db, stmt, 3, tail);
        pawl_sqlite_run(turn->db, stmt);
    }
    for (uint32_t i = 0; i < carry_count; i++)
        pawl_sqlite_inbox_add(turn->db, turn->row->n, tail + i, &turn->commit->carry[i].delivery,
                              turn->commit->carry[i].body);
    metadata->inbox_head = tail;
    metadata->inbox_tail = tail + carry_count + (tail - head);
}

static void continue_as_new(struct turn *turn)
{
    const struct pawl_commit *commit = turn->commit;
    int64_t n = turn->row->n;
    pawl_sqlite_clear(turn->db, PAWL_SQL_HISTORY_CLEAR, n);
    pawl_sqlite_clear(turn->db, PAWL_SQL_PENDING_CLEAR, n);
    carry_inbox(turn);

    if (!pawl_bytes_is_equal(commit->name, turn->row->metadata.name))
        write_text(turn, PAWL_SQL_INSTANCE_NAME, commit->name);
    write_text(turn, PAWL_SQL_INSTANCE_VERSION, commit->version);

    if (pawl_bytes_is_absent(commit->payloads.input)) payload_remove(turn, PAWL_SQLITE_INPUT);
    turn->row->metadata.gen++;
    turn->row->metadata.history_count = 0;
    turn->row->metadata.history_size = 0;
}

static void end(struct turn *turn)
{
    consume_inbox(turn, turn->row->metadata.inbox_tail);
    pawl_sqlite_clear(turn->db, PAWL_SQL_PENDING_CLEAR, turn->row->n);
}

/* `rows_went`: this commit has consumed inbox rows. */
static void write_wake(struct turn *turn, bool rows_went)
{
    const struct pawl_commit *commit = turn->commit;
    const struct pawl_metadata *metadata = &turn->row->metadata;
    struct pawl_reminder wake = { .kind = PAWL_REMINDER_WAKE,
                                  .due_ms = commit->wake_at_ms,
                                  .instance = commit->instance,
                                  .inc = metadata->inc };
    int64_t lease_ms = commit->now_ms + PAWL_LEASE_WAKE_MS;
    bool rows_wait = metadata->inbox_head != metadata->inbox_tail;
    bool is_wanted = commit->wake_at_ms != 0 || rows_wait;
    bool is_kept = commit->wake_keep && !pawl_store_status_is_terminal(commit->status);
    if (!is_wanted && !is_kept) {
        pawl_sqlite_reminder_remove(turn->db, turn->arena, turn->partition, &wake);
        return;
    }
    if (wake.due_ms == 0 || (rows_wait && wake.due_ms > lease_ms)) wake.due_ms = lease_ms;
    if (!is_wanted && !rows_went) {
        pawl_sqlite_reminder_ensure(turn->db, turn->arena, turn->partition, &wake);
        return;
    }
    pawl_sqlite_reminder_put(turn->db, turn->arena, turn->partition, &wake);
}

/* By itself, because the indexes of queries are written anew for it; most turns change none. */
static void write_status(struct turn *turn)
{
    const struct pawl_commit *commit = turn->commit;
    if (turn->row->metadata.status == commit->status) return;
    bool is_ended = pawl_store_status_is_terminal(commit->status);
    pawl_sqlite_counts_add(turn->db, turn->partition, turn->row->metadata.status, -1);
    pawl_sqlite_counts_add(turn->db, turn->partition, commit->status, 1);
    sqlite3_stmt *stmt = pawl_sqlite_use(turn->db, PAWL_SQL_INSTANCE_STATUS);
    pawl_sqlite_bind_int(turn->db, stmt, 1, turn->row->n);
    pawl_sqlite_bind_int(turn->db, stmt, 2, commit->status);
    pawl_sqlite_bind_int(turn->db, stmt, 3,
                         is_ended ? pawl_commit_ms(commit, commit->completed_ms) : 0);
    pawl_sqlite_run(turn->db, stmt);
}

static void write_metadata(struct turn *turn)
{
    const struct pawl_commit *commit = turn->commit;
    struct pawl_metadata *metadata = &turn->row->metadata;
    if (metadata->turn == 0) metadata->started_ms = pawl_commit_ms(commit, commit->started_ms);

    sqlite3_stmt *stmt = pawl_sqlite_use(turn->db, PAWL_SQL_INSTANCE_TURN);
    pawl_sqlite_bind_int(turn->db, stmt, 1, turn->row->n);
    pawl_sqlite_bind_int(turn->db, stmt, 2, metadata->gen);
    pawl_sqlite_bind_id(turn->db, stmt, 3, &commit->id);
    pawl_sqlite_bind_int(turn->db, stmt, 4, (int64_t)metadata->turn + 1);
    pawl_sqlite_bind_int(turn->db, stmt, 5, metadata->history_count);
    pawl_sqlite_bind_int(turn->db, stmt, 6, (int64_t)metadata->history_size);
    pawl_sqlite_bind_int(turn->db, stmt, 7, metadata->inbox_head);
    pawl_sqlite_bind_int(turn->db, stmt, 8, metadata->inbox_tail);
    pawl_sqlite_bind_int(turn->db, stmt, 9, metadata->started_ms);
    pawl_sqlite_bind_int(turn->db, stmt, 10, pawl_commit_ms(commit, commit->updated_ms));
    pawl_sqlite_run(turn->db, stmt);
}

/* What of it others may wait for; 0: nothing. Before it is written. */
static uint32_t what_changes(const struct turn *turn)
{
    const struct pawl_commit *commit = turn->commit;
    uint32_t what = 0;
    if (turn->row->metadata.status != commit->status) what |= PAWL_CHANGE_STATUS;
    if (commit->custom_status_set
        && !pawl_bytes_is_equal(turn->row->custom_status, commit->custom_status))
        what |= PAWL_CHANGE_CUSTOM_STATUS;
    if (commit->carry_count > 0) what |= PAWL_CHANGE_CONTINUED;
    return what;
}

static void write_change(struct turn *turn, uint32_t what)
{
    const struct pawl_commit *commit = turn->commit;
    const struct pawl_metadata *metadata = &turn->row->metadata;
    const struct pawl_change change = {
        .at_ms = commit->now_ms,
        .status = commit->status,
        .gen = metadata->gen,
        .turn = metadata->turn + 1,
        .inc = metadata->inc,
        .instance = commit->instance,
        .name = commit->carry_count > 0 ? commit->name : metadata->name,
        .custom_status = commit->custom_status,
    };
    pawl_sqlite_change_add(turn->db, turn->partition, commit->changes_max, what, &change);
}

static void write(struct turn *turn)
{
    uint32_t what = what_changes(turn);
    uint32_t history_before = turn->row->metadata.history_count;
    bool rows_went = turn->commit->inbox_consumed != turn->row->metadata.inbox_head;
    write_history(turn);
    consume_inbox(turn, turn->commit->inbox_consumed);
    write_pending(turn, history_before);
    write_reminders(turn);
    write_messages(turn);
    write_payloads(turn);
    if (turn->commit->carry_count > 0) continue_as_new(turn);
    if (pawl_store_status_is_terminal(turn->commit->status)) end(turn);
    write_wake(turn, rows_went);
    write_status(turn);
    write_metadata(turn);
    if (what) write_change(turn, what);
}

void pawl_sqlite_commit(struct pawl_sqlite_db *db, const struct pawl_store_request *request,
                        struct pawl_arena *arena, struct pawl_store_reply *reply)
{
    const struct pawl_commit *commit = &request->commit;
    if (!pawl_sqlite_fence_holds(db, request->partition, &commit->fence)) {
        reply->err = PAWL_E_FENCED;
        return;
    }
    struct pawl_sqlite_instance row =
        pawl_sqlite_instance_get(db, request->partition, commit->instance, arena);
    if (row.n == 0) {
        reply->err = PAWL_E_NOT_FOUND;
        return;
    }
    struct turn turn = { db, arena, request->partition, commit, &row };
    bool is_applied = pawl_id_is_equal(row.metadata.last, commit->id);
    if (!is_applied) reply->err = check(&turn);
    if (reply->err) return;
    if (!is_applied) write(&turn);
    reply->commit.inbox_head = row.metadata.inbox_head;
    reply->commit.inbox_tail = row.metadata.inbox_tail;
}
