#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "suite.h"

static void put_bytes(struct pawl_buf *buf, const char *name, struct pawl_bytes bytes)
{
    pawl_buf_printf(buf, " %s=", name);
    if (pawl_bytes_is_absent(bytes)) {
        pawl_buf_append_str(buf, "-");
        return;
    }
    pawl_buf_append_str(buf, "\"");
    for (size_t i = 0; i < bytes.size; i++) {
        uint8_t c = bytes.data[i];
        if (c > ' ' && c < 0x7f && c != '"' && c != '\\')
            pawl_buf_append(buf, &c, 1);
        else
            pawl_buf_printf(buf, "\\x%02x", c);
    }
    pawl_buf_append_str(buf, "\"");
}

static void put_id(struct pawl_buf *buf, const char *name, struct pawl_id id)
{
    char text[PAWL_ID_TEXT_SIZE];
    pawl_id_format(id, text);
    pawl_buf_printf(buf, " %s=%s", name, text);
}

static void put_op(struct pawl_buf *buf, struct pawl_op op)
{
    if (op.kind)
        pawl_buf_printf(buf, " %c:%" PRIu32, op.kind, op.id);
    else
        pawl_buf_append_str(buf, " -");
}

static void put_metadata(struct pawl_buf *buf, const struct pawl_metadata *metadata)
{
    put_id(buf, "inc", metadata->inc);
    put_id(buf, "last", metadata->last);
    pawl_buf_printf(buf, " gen=%" PRIu32 " turn=%" PRIu32 " history=%" PRIu32 "/%" PRIu64,
                    metadata->gen, metadata->turn, metadata->history_count, metadata->history_size);
    pawl_buf_printf(buf, " inbox=%" PRIu32 "..%" PRIu32 " status=%d", metadata->inbox_head,
                    metadata->inbox_tail, (int)metadata->status);
    pawl_buf_printf(buf, " created=%" PRId64 " start_at=%" PRId64 " started=%" PRId64,
                    metadata->created_ms, metadata->start_at_ms, metadata->started_ms);
    pawl_buf_printf(buf, " updated=%" PRId64 " completed=%" PRId64, metadata->updated_ms,
                    metadata->completed_ms);
    put_bytes(buf, "name", metadata->name);
    put_bytes(buf, "version", metadata->version);
    put_bytes(buf, "request_id", metadata->request_id);
    put_bytes(buf, "parent", metadata->parent);
    put_bytes(buf, "tags", metadata->tags);
}

static void put_snapshot(struct pawl_buf *buf, const struct pawl_snapshot *snapshot)
{
    put_metadata(buf, &snapshot->metadata);
    put_bytes(buf, "custom", snapshot->custom_status);
    put_bytes(buf, "input", snapshot->payloads.input);
    put_bytes(buf, "output", snapshot->payloads.output);
    put_bytes(buf, "failure", snapshot->payloads.failure);
    put_bytes(buf, "attempts", snapshot->attempts);
    for (uint32_t i = 0; i < snapshot->pending_count; i++) {
        const struct pawl_pending *pending = &snapshot->pending[i];
        pawl_buf_append_str(buf, "\n  pending");
        put_op(buf, pending->op);
        pawl_buf_printf(buf, " nonce=%" PRIx64 " state=%d index=%" PRIu32, pending->nonce,
                        (int)pending->state, pending->history_index);
        put_bytes(buf, "event", pending->event);
    }
    for (uint32_t i = 0; i < snapshot->inbox_count; i++) {
        pawl_buf_printf(buf, "\n  inbox %" PRIu32, snapshot->inbox[i].index);
        put_id(buf, "delivery", snapshot->inbox[i].delivery);
        put_bytes(buf, "body", snapshot->inbox[i].body);
    }
    for (uint32_t i = 0; i < snapshot->history_count; i++) {
        pawl_buf_printf(buf, "\n  history %" PRIu32, snapshot->history_from + i);
        put_bytes(buf, "event", snapshot->history[i]);
    }
}

static void put_reminder(struct pawl_buf *buf, const struct pawl_reminder *reminder)
{
    pawl_buf_printf(buf, " %c due=%" PRId64, (char)reminder->kind, reminder->due_ms);
    if (reminder->kind == PAWL_REMINDER_OUTBOX) {
        put_id(buf, "message", reminder->message);
        return;
    }
    put_bytes(buf, "instance", reminder->instance);
    put_id(buf, "inc", reminder->inc);
    pawl_buf_printf(buf, " gen=%" PRIu32, reminder->gen);
    put_op(buf, reminder->op);
    pawl_buf_printf(buf, " nonce=%" PRIx64, reminder->nonce);
}

static void put_poll(struct pawl_buf *buf, const struct pawl_store_reply *reply)
{
    pawl_buf_printf(buf,
                    " skipped=%" PRIu32 " skipped_until=%" PRId64 " unreadable=%" PRIu32
                    " next_due=%" PRId64,
                    reply->poll.skipped, reply->poll.skipped_until_ms, reply->poll.unreadable,
                    reply->poll.next_due_ms);
    for (int i = 0; i < PAWL_STATUS_COUNT; i++)
        pawl_buf_printf(buf, " %d:%" PRIu64, i, reply->poll.counts[i]);
    for (uint32_t i = 0; i < reply->poll.items_count; i++) {
        pawl_buf_append_str(buf, "\n  item");
        put_reminder(buf, &reply->poll.items[i].reminder);
        put_bytes(buf, "body", reply->poll.items[i].body);
    }
}

static void put_query(struct pawl_buf *buf, const struct pawl_store_reply *reply)
{
    if (reply->query.more) {
        pawl_buf_printf(buf, " more behind %" PRId64, reply->query.scanned_ms);
        put_bytes(buf, "instance", reply->query.scanned_instance);
    }
    for (int i = 0; i < PAWL_STATUS_COUNT; i++)
        if (reply->query.counts[i]) pawl_buf_printf(buf, " %d:%" PRIu64, i, reply->query.counts[i]);
    for (uint32_t i = 0; i < reply->query.rows_count; i++) {
        pawl_buf_append_str(buf, "\n  row");
        put_bytes(buf, "instance", reply->query.rows[i].instance);
        put_bytes(buf, "custom", reply->query.rows[i].custom_status);
        put_metadata(buf, &reply->query.rows[i].metadata);
    }
}

static int text_compare(const void *a, const void *b)
{
    return pawl_bytes_compare(*(const struct pawl_bytes *)a, *(const struct pawl_bytes *)b);
}

/* Lists come in the backend's order. */
static void put_sorted(struct pawl_buf *buf, struct pawl_bytes *lines, uint32_t count)
{
    if (count > 1) qsort(lines, count, sizeof *lines, text_compare);
    for (uint32_t i = 0; i < count; i++) pawl_buf_append(buf, lines[i].data, lines[i].size);
}

static void put_stored_partition(struct pawl_buf *buf, const struct pawl_stored_partition *stored)
{
    put_bytes(buf, "unreadable", stored->unreadable);
    pawl_buf_printf(buf, " epoch=%" PRIu64 " table=%" PRIu64 " since=%" PRId64, stored->epoch,
                    stored->table_version, stored->since_ms);
    put_bytes(buf, "owner", stored->owner);
    for (int i = 0; i < PAWL_STATUS_COUNT; i++)
        pawl_buf_printf(buf, " %d:%" PRId64 "/%" PRId64, i, stored->counts[i], stored->tally[i]);
    pawl_buf_printf(buf,
                    " instances=%" PRIu64 " reminders=%" PRIu64 " messages=%" PRIu64
                    " quarantined=%" PRIu64 " first=%" PRId64,
                    stored->instances, stored->reminders, stored->messages, stored->quarantined,
                    stored->first_due_ms);
}

static void put_stored_instance(struct pawl_buf *buf, const struct pawl_stored_instance *stored)
{
    pawl_buf_printf(buf, " indexed=%d/%" PRId64 " there=%d", stored->is_indexed, stored->indexed_ms,
                    stored->is_there);
    if (!stored->is_there) return;
    put_bytes(buf, "unreadable", stored->unreadable);
    put_metadata(buf, &stored->metadata);
    put_bytes(buf, "custom", stored->custom_status);
    pawl_buf_printf(buf, " wake=%d/%" PRId64 " seen=%" PRIu32 " strays=%" PRIu32, stored->has_wake,
                    stored->wake_ms, stored->seen_count, stored->strays);
    for (uint32_t i = 0; i < stored->pending_count; i++) {
        const struct pawl_stored_pending *pending = &stored->pending[i];
        put_bytes(buf, "\n  pending", pending->name);
        put_op(buf, pending->row.op);
        pawl_buf_printf(buf, " nonce=%" PRIx64 " state=%d index=%" PRIu32 " reminder=%d",
                        pending->row.nonce, (int)pending->row.state, pending->row.history_index,
                        pending->has_reminder);
    }
    for (uint32_t i = 0; i < stored->history_count; i++) {
        pawl_buf_printf(buf, "\n  history %" PRIu32, stored->history_from + i);
        put_bytes(buf, "event", stored->history[i]);
    }
    for (uint32_t i = 0; i < stored->inbox_count; i++) {
        const struct pawl_stored_inbox *inbox = &stored->inbox[i];
        pawl_buf_printf(buf, "\n  inbox %" PRIu32 " missing=%d unreadable=%d", inbox->row.index,
                        inbox->is_missing, inbox->is_unreadable);
        put_id(buf, "delivery", inbox->row.delivery);
        put_bytes(buf, "body", inbox->row.body);
    }
}

static struct pawl_bytes line_take(struct pawl_arena *arena, struct pawl_buf *line)
{
    struct pawl_bytes text = pawl_arena_copy(arena, pawl_buf_view(line));
    pawl_buf_deinit(line);
    return text;
}

static struct pawl_bytes reminder_line(struct pawl_arena *arena,
                                       const struct pawl_stored_reminder *stored)
{
    struct pawl_buf line;
    pawl_buf_init(&line, SIZE_MAX / 2);
    put_bytes(&line, "\n  member", stored->member);
    pawl_buf_printf(&line, " unreadable=%d target=%d", stored->is_unreadable, (int)stored->target);
    if (!stored->is_unreadable) put_reminder(&line, &stored->row);
    return line_take(arena, &line);
}

static struct pawl_bytes message_line(struct pawl_arena *arena,
                                      const struct pawl_stored_message *stored)
{
    struct pawl_buf line;
    pawl_buf_init(&line, SIZE_MAX / 2);
    put_id(&line, "\n  message", stored->row.id);
    put_bytes(&line, "body", stored->row.body);
    pawl_buf_printf(&line, " reminder=%d/%" PRId64, stored->has_reminder, stored->due_ms);
    return line_take(arena, &line);
}

static void put_inspected(struct pawl_buf *buf, struct pawl_arena *arena,
                          const struct pawl_inspected *inspected)
{
    pawl_buf_printf(buf, " what=%d", (int)inspected->what);
    struct pawl_bytes *lines = PAWL_ARENA_ARRAY(arena, struct pawl_bytes, inspected->count);
    switch (inspected->what) {
    case PAWL_INSPECT_PARTITION: put_stored_partition(buf, &inspected->partition); return;
    case PAWL_INSPECT_INSTANCE: put_stored_instance(buf, &inspected->instance); return;
    case PAWL_INSPECT_REMINDERS:
    case PAWL_INSPECT_QUARANTINE:
        for (uint32_t i = 0; i < inspected->count; i++)
            lines[i] = reminder_line(arena, &inspected->reminders[i]);
        break;
    case PAWL_INSPECT_OUTBOX:
        for (uint32_t i = 0; i < inspected->count; i++)
            lines[i] = message_line(arena, &inspected->messages[i]);
        break;
    case PAWL_INSPECT_INSTANCES:
    case PAWL_INSPECT_STRAYS:
        for (uint32_t i = 0; i < inspected->count; i++)
            lines[i] = pawl_arena_printf(arena, "\n  %.*s", PAWL_BYTES_FMT(inspected->names[i]));
        break;
    case PAWL_INSPECT_END: return;
    }
    put_sorted(buf, lines, inspected->count);
}

static void put_changes(struct pawl_buf *buf, const struct pawl_store_reply *reply)
{
    pawl_buf_printf(buf, " first=%" PRIu64 " last=%" PRIu64, reply->changes.first,
                    reply->changes.last);
    for (uint32_t i = 0; i < reply->changes.count; i++) {
        const struct pawl_change *change = &reply->changes.items[i];
        pawl_buf_printf(buf,
                        "\n  change %" PRIu64 " at=%" PRId64 " what=%" PRIu32
                        " status=%d gen=%" PRIu32 " turn=%" PRIu32,
                        change->number, change->at_ms, change->what, (int)change->status,
                        change->gen, change->turn);
        put_id(buf, "inc", change->inc);
        put_bytes(buf, "instance", change->instance);
        put_bytes(buf, "name", change->name);
        put_bytes(buf, "custom", change->custom_status);
    }
}

static void put_ok(struct pawl_buf *buf, struct pawl_arena *arena,
                   const struct pawl_store_reply *reply)
{
    switch (reply->op) {
    case PAWL_STORE_ACQUIRE: pawl_buf_printf(buf, " epoch=%" PRIu64, reply->acquire.epoch); return;
    case PAWL_STORE_LOAD: put_snapshot(buf, &reply->load.snapshot); return;
    case PAWL_STORE_COMMIT:
        pawl_buf_printf(buf, " inbox=%" PRIu32 "..%" PRIu32, reply->commit.inbox_head,
                        reply->commit.inbox_tail);
        return;
    case PAWL_STORE_DELIVER: pawl_buf_printf(buf, " index=%" PRIu32, reply->deliver.index); return;
    case PAWL_STORE_POLL: put_poll(buf, reply); return;
    case PAWL_STORE_QUERY: put_query(buf, reply); return;
    case PAWL_STORE_CHANGES: put_changes(buf, reply); return;
    case PAWL_STORE_INSPECT: put_inspected(buf, arena, reply->inspect); return;
    default: return;
    }
}

static struct pawl_bytes take(struct pawl_arena *arena, struct pawl_buf *buf)
{
    PAWL_ASSERT(buf->bad == PAWL_OK);
    struct pawl_bytes text = pawl_arena_copy(arena, pawl_buf_view(buf));
    pawl_buf_deinit(buf);
    return text;
}

struct pawl_bytes suite_reply_text(struct pawl_arena *arena, const struct pawl_store_reply *reply)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, SIZE_MAX / 2);
    pawl_buf_printf(&buf, "%s %s token=%" PRIu64 " partition=%" PRIu32,
                    pawl_store_op_name((int)reply->op), pawl_err_name(reply->err), reply->token,
                    reply->partition);
    if (reply->op == PAWL_STORE_ACQUIRE)
        pawl_buf_printf(&buf, " table=%" PRIu64, reply->acquire.table_version);
    if (reply->op == PAWL_STORE_CREATE) put_metadata(&buf, &reply->create.metadata);
    if (reply->err == PAWL_OK) put_ok(&buf, arena, reply);
    return take(arena, &buf);
}

/* Requests, briefly ---------------------------------------------------------------- */

static void put_commit(struct pawl_buf *buf, const struct pawl_commit *commit)
{
    put_bytes(buf, "instance", commit->instance);
    put_id(buf, "id", commit->id);
    pawl_buf_printf(buf,
                    " gen=%" PRIu32 " consumed=%" PRIu32 " events=%" PRIu32 " done=%" PRIu32
                    " added=%" PRIu32 " carry=%" PRIu32 " status=%d wake_at=%" PRId64 "%s"
                    " now=%" PRId64 " times=%" PRId64 ",%" PRId64 ",%" PRId64,
                    commit->gen, commit->inbox_consumed, commit->events_count,
                    commit->pending_done_count, commit->pending_added_count, commit->carry_count,
                    (int)commit->status, commit->wake_at_ms, commit->wake_keep ? " keep" : "",
                    commit->now_ms, commit->started_ms, commit->updated_ms, commit->completed_ms);
    for (uint32_t i = 0; i < commit->reminders_removed_count; i++) {
        pawl_buf_append_str(buf, "\n  removed");
        put_reminder(buf, &commit->reminders_removed[i]);
    }
    for (uint32_t i = 0; i < commit->reminders_added_count; i++) {
        pawl_buf_append_str(buf, "\n  added");
        put_reminder(buf, &commit->reminders_added[i]);
    }
}

static void put_deliver(struct pawl_buf *buf, const struct pawl_deliver *deliver)
{
    put_bytes(buf, "instance", deliver->instance);
    put_op(buf, deliver->op);
    put_bytes(buf, "request_id", deliver->request_id);
    put_id(buf, "rewind", deliver->rewind);
    pawl_buf_printf(buf,
                    " gen=%" PRIu32 " nonce=%" PRIx64 " now=%" PRId64 " inbox_max=%" PRIu32
                    " seen_max=%" PRIu32 " seen_ms_max=%" PRId64,
                    deliver->gen, deliver->nonce, deliver->now_ms, deliver->inbox_max,
                    deliver->seen_max, deliver->seen_ms_max);
}

static void put_tomb_limits(struct pawl_buf *buf, const struct pawl_tomb_limits *limits)
{
    pawl_buf_printf(buf, " tomb_ms=%" PRId64 " tombs_max=%" PRIu32, limits->tomb_ms,
                    limits->tombs_max);
}

static void put_create(struct pawl_buf *buf, const struct pawl_create *create)
{
    put_bytes(buf, "instance", create->instance);
    put_bytes(buf, "request_id", create->request_id);
    put_bytes(buf, "parent", create->parent);
    put_bytes(buf, "parent_key", create->parent_key);
    put_bytes(buf, "tags", create->tags);
    pawl_buf_printf(buf,
                    " created=%" PRId64 " start_at=%" PRId64 " replace=%d rebind=%d,%d keep=%d",
                    create->created_ms, create->start_at_ms, create->replace_terminal,
                    create->rebind_ended, create->rebind_late, create->keep_refusal);
    put_tomb_limits(buf, &create->tombs);
}

static void put_request_query(struct pawl_buf *buf, const struct pawl_query *query)
{
    put_bytes(buf, "name", query->name);
    put_bytes(buf, "prefix", query->prefix);
    put_bytes(buf, "tags", query->tags);
    put_bytes(buf, "before", query->before_instance);
    pawl_buf_printf(buf,
                    " order=%d count=%d mask=%" PRIx32 " created=%" PRId64 "..%" PRId64
                    " completed=%" PRId64 "..%" PRId64 " updated=%" PRId64 "..%" PRId64
                    " before_ms=%" PRId64 " limit=%" PRIu32 " scan_max=%" PRIu32,
                    (int)query->order, query->count_only, query->status_mask,
                    query->created_from_ms, query->created_to_ms, query->completed_from_ms,
                    query->completed_to_ms, query->updated_from_ms, query->updated_to_ms,
                    query->before_ms, query->limit, query->scan_max);
}

struct pawl_bytes suite_request_text(struct pawl_arena *arena,
                                     const struct pawl_store_request *request)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, SIZE_MAX / 2);
    pawl_buf_printf(&buf, "%s partition=%" PRIu32, pawl_store_op_name((int)request->op),
                    request->partition);
    switch (request->op) {
    case PAWL_STORE_CREATE: put_create(&buf, &request->create); break;
    case PAWL_STORE_COMMIT: put_commit(&buf, &request->commit); break;
    case PAWL_STORE_DELIVER: put_deliver(&buf, &request->deliver); break;
    case PAWL_STORE_QUERY: put_request_query(&buf, &request->query); break;
    case PAWL_STORE_LOAD:
        put_bytes(&buf, "instance", request->load.instance);
        pawl_buf_printf(&buf,
                        " want=%" PRIu32 " gen=%" PRIu32 " from=%" PRIu32 " max=%" PRIu32
                        " size_max=%" PRIu32,
                        request->load.want, request->load.gen, request->load.history_from,
                        request->load.history_max, request->load.history_size_max);
        break;
    case PAWL_STORE_POLL:
        pawl_buf_printf(&buf,
                        " now=%" PRId64 " from=%" PRId64 " until=%" PRId64 " skip=%" PRIu32
                        " max=%" PRIu32,
                        request->poll.now_ms, request->poll.from_ms, request->poll.until_ms,
                        request->poll.skip, request->poll.max);
        break;
    case PAWL_STORE_PURGE:
        put_bytes(&buf, "instance", request->purge.instance);
        pawl_buf_printf(&buf, " force=%d now=%" PRId64, request->purge.force,
                        request->purge.now_ms);
        put_tomb_limits(&buf, &request->purge.tombs);
        break;
    case PAWL_STORE_ACQUIRE:
        pawl_buf_printf(&buf, " table=%" PRIu64, request->acquire.table_version);
        break;
    case PAWL_STORE_INSPECT:
        put_bytes(&buf, "instance", request->inspect.instance);
        pawl_buf_printf(
            &buf, " what=%d history=%" PRIu32 " inbox=%" PRIu32 " limit=%" PRIu32 " size=%" PRIu32,
            (int)request->inspect.what, request->inspect.history_from, request->inspect.inbox_from,
            request->inspect.limit, request->inspect.size_max);
        break;
    case PAWL_STORE_CHANGES:
        pawl_buf_printf(&buf, " after=%" PRIu64 " max=%" PRIu32, request->changes.after,
                        request->changes.max);
        break;
    case PAWL_STORE_OUTDONE:
    case PAWL_STORE_OPS_END: break;
    }
    return take(arena, &buf);
}
