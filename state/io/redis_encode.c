#include "state/io/redis_encode.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/codec.h"
#include "base/limits.h"
#include "state/keys.h"
#include "state/query.h"

/* Pieces ----------------------------------------------------------------------- */

static void hex_write(struct pawl_buf *buf, struct pawl_id id)
{
    char text[PAWL_ID_TEXT_SIZE];
    pawl_id_format(id, text);
    pawl_write_bytes(buf, pawl_bytes_make(text, PAWL_ID_TEXT_SIZE - 1));
}

/* Decimal text without a detour through printf: several per request. */
static void decimal_write(struct pawl_buf *buf, uint64_t value)
{
    char text[20];
    size_t at = sizeof text;
    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    pawl_write_bytes(buf, pawl_bytes_make(text + at, sizeof text - at));
}

static void signed_write(struct pawl_buf *buf, int64_t value)
{
    if (value >= 0) {
        decimal_write(buf, (uint64_t)value);
        return;
    }
    char text[24];
    int size = snprintf(text, sizeof text, "%" PRId64, value);
    pawl_write_bytes(buf, pawl_bytes_make(text, (size_t)size));
}

#define NONCE_TEXT_SIZE 16u

static void nonce_format(uint64_t nonce, char text[static NONCE_TEXT_SIZE])
{
    for (int i = 0; i < (int)NONCE_TEXT_SIZE; i++)
        text[i] = "0123456789abcdef"[nonce >> (60 - 4 * i) & 15];
}

static void fence_write(struct pawl_buf *buf, const struct pawl_fence *fence)
{
    decimal_write(buf, fence->epoch);
    hex_write(buf, fence->nonce);
}

static void inbox_row_write(struct pawl_buf *buf, struct pawl_arena *arena, struct pawl_id delivery,
                            struct pawl_bytes body)
{
    size_t size = sizeof delivery.bytes + body.size;
    uint8_t *row = pawl_arena_alloc(arena, size);
    memcpy(row, delivery.bytes, sizeof delivery.bytes);
    if (body.size) memcpy(row + sizeof delivery.bytes, body.data, body.size);
    pawl_write_bytes(buf, pawl_bytes_make(row, size));
}

/* An empty list is nil: the scripts are spared a table. */
static void list_write(struct pawl_buf *buf, uint32_t count)
{
    if (count)
        pawl_write_array(buf, count);
    else
        pawl_write_nil(buf);
}

/* Field and value, unless the value is absent. */
static uint32_t field_count(struct pawl_bytes value)
{
    return pawl_bytes_is_absent(value) ? 0 : 2;
}

static void field_write(struct pawl_buf *buf, const char *field, struct pawl_bytes value)
{
    if (pawl_bytes_is_absent(value)) return;
    pawl_write_str(buf, field);
    pawl_write_bytes(buf, value);
}

static void number_field_write(struct pawl_buf *buf, const char *field, int64_t value)
{
    pawl_write_str(buf, field);
    signed_write(buf, value);
}

/* Operations, in the order of the port ------------------------------------------ */

static void acquire_encode(struct pawl_buf *buf, const struct pawl_acquire *acquire)
{
    pawl_write_array(buf, 4);
    hex_write(buf, acquire->nonce);
    decimal_write(buf, acquire->table_version);
    pawl_write_bytes(buf, pawl_bytes_is_absent(acquire->owner) ? PAWL_BYTES_LITERAL("")
                                                               : acquire->owner);
    signed_write(buf, acquire->now_ms);
}

static void tomb_until_write(struct pawl_buf *buf, int64_t now_ms,
                             const struct pawl_tomb_limits *limits)
{
    if (limits->tomb_ms > 0)
        signed_write(buf, now_ms + limits->tomb_ms);
    else
        pawl_write_nil(buf);
}

static void create_metadata_write(struct pawl_buf *buf, const struct pawl_create *create)
{
    uint32_t count = 2 * 13 + field_count(create->name) + field_count(create->version)
                     + field_count(create->request_id) + field_count(create->parent)
                     + field_count(create->parent_key) + field_count(create->input)
                     + field_count(create->tags);
    pawl_write_array(buf, count);
    pawl_write_str(buf, "inc");
    hex_write(buf, create->inc);
    pawl_write_str(buf, "last");
    hex_write(buf, create->delivery);
    number_field_write(buf, "turn", 0);
    number_field_write(buf, "history_count", 0);
    number_field_write(buf, "history_size", 0);
    number_field_write(buf, "inbox_head", 0);
    number_field_write(buf, "inbox_tail", 1);
    number_field_write(buf, "status", PAWL_STATUS_PENDING);
    number_field_write(buf, "created_ms", create->created_ms);
    number_field_write(buf, "start_at_ms", create->start_at_ms);
    number_field_write(buf, "updated_ms", create->created_ms);
    number_field_write(buf, "wake", 1);
    number_field_write(buf, "reminders", 0);
    field_write(buf, "name", create->name);
    field_write(buf, "version", create->version);
    field_write(buf, "request_id", create->request_id);
    field_write(buf, "parent", create->parent);
    field_write(buf, "parent_key", create->parent_key);
    field_write(buf, "tags", create->tags);
    field_write(buf, "input", create->input);
}

static void create_encode(struct pawl_buf *buf, struct pawl_arena *arena,
                          const struct pawl_create *create)
{
    int64_t due_ms =
        create->created_ms > create->start_at_ms ? create->created_ms : create->start_at_ms;
    pawl_write_array(buf, 18);
    pawl_write_bytes(buf, create->instance);
    hex_write(buf, create->inc);
    pawl_write_bytes(buf, create->request_id);
    pawl_write_bytes(buf, create->parent_key);
    pawl_write_bytes(buf, create->parent);
    pawl_write_bool(buf, create->replace_terminal);
    inbox_row_write(buf, arena, create->delivery, create->body);
    signed_write(buf, create->created_ms);
    signed_write(buf, due_ms);
    create_metadata_write(buf, create);
    tomb_until_write(buf, create->created_ms, &create->tombs);
    pawl_write_uint(buf, create->tombs.tombs_max);
    pawl_write_bytes(buf, create->name);
    pawl_write_bytes(buf, create->tags);
    pawl_write_uint(buf, create->changes_max);
    pawl_write_bool(buf, create->rebind_ended);
    pawl_write_bool(buf, create->rebind_late);
    pawl_write_bool(buf, create->keep_refusal);
}

static void load_encode(struct pawl_buf *buf, const struct pawl_load *load)
{
    pawl_write_array(buf, 11);
    if (load->want & PAWL_LOAD_FENCED) {
        fence_write(buf, &load->fence);
    } else {
        pawl_write_nil(buf);
        pawl_write_nil(buf);
    }
    pawl_write_bytes(buf, load->instance);
    pawl_write_bool(buf, load->want & PAWL_LOAD_PENDING);
    pawl_write_bool(buf, load->want & PAWL_LOAD_INBOX);
    pawl_write_bool(buf, load->want & PAWL_LOAD_HISTORY);
    pawl_write_bool(buf, load->want & PAWL_LOAD_PAYLOADS);
    if (load->gen)
        decimal_write(buf, load->gen);
    else
        pawl_write_nil(buf);
    pawl_write_uint(buf, load->history_from);
    pawl_write_uint(buf, load->history_max);
    pawl_write_uint(buf, load->history_size_max);
}

static void commit_pending_write(struct pawl_buf *buf, struct pawl_arena *arena,
                                 const struct pawl_commit *commit)
{
    list_write(buf, commit->pending_done_count);
    for (uint32_t i = 0; i < commit->pending_done_count; i++)
        pawl_write_bytes(buf, pawl_op_format(arena, commit->pending_done[i]));

    list_write(buf, 3 * commit->pending_added_count);
    for (uint32_t i = 0; i < commit->pending_added_count; i++) {
        const struct pawl_pending *pending = &commit->pending_added[i];
        pawl_write_bytes(buf, pawl_op_format(arena, pending->op));
        char value[2 + NONCE_TEXT_SIZE + 1] = "1:"; /* open; the script adds the row's index */
        nonce_format(pending->nonce, value + 2);
        value[2 + NONCE_TEXT_SIZE] = ':';
        pawl_write_bytes(buf, pawl_bytes_make(value, sizeof value));
        pawl_write_uint(buf, pending->history_index);
    }
}

/* The wake-up of the present incarnation follows from the commit itself, so the lists
 * have no say in it; the script counts on that. */
static bool reminder_is_own_wake(const struct pawl_commit *commit,
                                 const struct pawl_reminder *reminder)
{
    return reminder->kind == PAWL_REMINDER_WAKE && reminder->gen == 0
           && pawl_id_is_equal(reminder->inc, commit->inc)
           && pawl_bytes_is_equal(reminder->instance, commit->instance);
}

static uint32_t reminders_kept_count(const struct pawl_commit *commit, uint32_t count,
                                     const struct pawl_reminder *reminders)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) kept += !reminder_is_own_wake(commit, &reminders[i]);
    return kept;
}

static void commit_reminders_write(struct pawl_buf *buf, struct pawl_arena *arena,
                                   const struct pawl_commit *commit)
{
    const struct pawl_reminder *removed = commit->reminders_removed;
    uint32_t removed_count = commit->reminders_removed_count;
    list_write(buf, reminders_kept_count(commit, removed_count, removed));
    for (uint32_t i = 0; i < removed_count; i++)
        if (!reminder_is_own_wake(commit, &removed[i]))
            pawl_write_bytes(buf, pawl_reminder_format(arena, &removed[i]));

    const struct pawl_reminder *added = commit->reminders_added;
    uint32_t added_count = commit->reminders_added_count;
    list_write(buf, 2 * reminders_kept_count(commit, added_count, added));
    for (uint32_t i = 0; i < added_count; i++) {
        if (reminder_is_own_wake(commit, &added[i])) continue;
        signed_write(buf, added[i].due_ms);
        pawl_write_bytes(buf, pawl_reminder_format(arena, &added[i]));
    }
}

static void commit_messages_write(struct pawl_buf *buf, struct pawl_arena *arena,
                                  const struct pawl_commit *commit)
{
    list_write(buf, 2 * commit->messages_count);
    for (uint32_t i = 0; i < commit->messages_count; i++) {
        hex_write(buf, commit->messages[i].id);
        pawl_write_bytes(buf, commit->messages[i].body);
    }
    list_write(buf, 2 * commit->messages_count);
    for (uint32_t i = 0; i < commit->messages_count; i++) {
        struct pawl_reminder reminder = { .kind = PAWL_REMINDER_OUTBOX,
                                          .message = commit->messages[i].id };
        signed_write(buf, commit->now_ms + (int64_t)PAWL_LEASE_OUTBOX_MS);
        pawl_write_bytes(buf, pawl_reminder_format(arena, &reminder));
    }
}

/* What is set in the metadata beside what the script computes, and what leaves it. */
static void commit_fields_write(struct pawl_buf *buf, const struct pawl_commit *commit)
{
    bool carry = commit->carry_count > 0;
    struct pawl_bytes name = carry ? commit->name : PAWL_BYTES_ABSENT;
    struct pawl_bytes version = carry ? commit->version : PAWL_BYTES_ABSENT;
    const struct pawl_payloads *payloads = &commit->payloads;

    bool attempts_go = !pawl_bytes_is_absent(commit->attempts) && commit->attempts.size == 0;
    struct pawl_bytes attempts = attempts_go ? PAWL_BYTES_ABSENT : commit->attempts;

    list_write(buf, field_count(name) + field_count(version) + field_count(payloads->input)
                        + field_count(payloads->output) + field_count(payloads->failure)
                        + field_count(attempts));
    field_write(buf, "name", name);
    field_write(buf, "version", version);
    field_write(buf, "input", payloads->input);
    field_write(buf, "output", payloads->output);
    field_write(buf, "failure", payloads->failure);
    field_write(buf, "attempts", attempts);

    bool name_goes = carry && pawl_bytes_is_absent(commit->name);
    bool version_goes = carry && pawl_bytes_is_absent(commit->version);
    bool input_goes = carry && pawl_bytes_is_absent(payloads->input);
    list_write(buf, (uint32_t)name_goes + (uint32_t)version_goes + (uint32_t)input_goes
                        + (uint32_t)attempts_go);
    if (name_goes) pawl_write_str(buf, "name");
    if (version_goes) pawl_write_str(buf, "version");
    if (input_goes) pawl_write_str(buf, "input");
    if (attempts_go) pawl_write_str(buf, "attempts");
}

/* 0: none. */
static void time_write(struct pawl_buf *buf, int64_t time_ms)
{
    if (time_ms)
        signed_write(buf, time_ms);
    else
        pawl_write_nil(buf);
}

static void commit_ending_write(struct pawl_buf *buf, const struct pawl_commit *commit)
{
    decimal_write(buf, (uint64_t)commit->status);
    pawl_write_bool(buf, pawl_store_status_is_terminal(commit->status));
    if (!commit->custom_status_set)
        pawl_write_nil(buf);
    else if (pawl_bytes_is_absent(commit->custom_status))
        pawl_write_bool(buf, false);
    else
        pawl_write_bytes(buf, commit->custom_status);
    time_write(buf, commit->wake_at_ms);
    signed_write(buf, commit->now_ms + (int64_t)PAWL_LEASE_WAKE_MS);
    pawl_write_bool(buf, commit->wake_keep);
    pawl_write_uint(buf, commit->changes_max);
    pawl_write_uint(buf, PAWL_CHANGE_CUSTOM_SIZE_MAX);
}

static void commit_times_write(struct pawl_buf *buf, const struct pawl_commit *commit)
{
    time_write(buf, commit->started_ms);
    time_write(buf, commit->updated_ms);
    time_write(buf, commit->completed_ms);
}

static void commit_encode(struct pawl_buf *buf, struct pawl_arena *arena,
                          const struct pawl_commit *commit)
{
    pawl_write_array(buf, 32);
    fence_write(buf, &commit->fence);
    pawl_write_bytes(buf, commit->instance);
    hex_write(buf, commit->inc);
    decimal_write(buf, commit->gen);
    hex_write(buf, commit->last);
    hex_write(buf, commit->id);
    signed_write(buf, commit->now_ms);
    pawl_write_uint(buf, commit->inbox_consumed);
    /* As one str, empty when there are none: the scripts cannot read bin. */
    pawl_write_bytes(buf,
                     pawl_bytes_make(commit->consumed_count ? (const void *)commit->consumed : "",
                                     commit->consumed_count * sizeof *commit->consumed));
    pawl_write_uint(buf, commit->history_max);
    list_write(buf, commit->events_count);
    for (uint32_t i = 0; i < commit->events_count; i++) pawl_write_bytes(buf, commit->events[i]);
    commit_pending_write(buf, arena, commit);
    commit_reminders_write(buf, arena, commit);
    commit_messages_write(buf, arena, commit);
    list_write(buf, commit->carry_count);
    for (uint32_t i = 0; i < commit->carry_count; i++)
        inbox_row_write(buf, arena, commit->carry[i].delivery, commit->carry[i].body);
    commit_fields_write(buf, commit);
    commit_ending_write(buf, commit);
    commit_times_write(buf, commit);
}

static void deliver_encode(struct pawl_buf *buf, struct pawl_arena *arena,
                           const struct pawl_deliver *deliver)
{
    bool has_op = deliver->op.kind != 0;
    bool is_rewind = !pawl_id_is_zero(deliver->rewind);
    pawl_write_array(buf, 15);
    pawl_write_bytes(buf, deliver->instance);
    pawl_write_bytes(buf, has_op ? pawl_op_format(arena, deliver->op) : PAWL_BYTES_ABSENT);
    hex_write(buf, deliver->inc);
    decimal_write(buf, deliver->gen);
    char nonce[NONCE_TEXT_SIZE];
    nonce_format(deliver->nonce, nonce);
    pawl_write_bytes(buf, pawl_bytes_make(nonce, sizeof nonce));
    if (deliver->op.kind == PAWL_REMINDER_TIMER) {
        struct pawl_reminder timer = { .kind = PAWL_REMINDER_TIMER,
                                       .instance = deliver->instance,
                                       .inc = deliver->inc,
                                       .gen = deliver->gen,
                                       .op = deliver->op,
                                       .nonce = deliver->nonce };
        pawl_write_bytes(buf, pawl_reminder_format(arena, &timer));
    } else {
        pawl_write_nil(buf);
    }
    pawl_write_bytes(buf, has_op ? PAWL_BYTES_ABSENT : deliver->request_id);
    inbox_row_write(buf, arena, deliver->delivery, deliver->body);
    signed_write(buf, deliver->now_ms);
    pawl_write_uint(buf, deliver->inbox_max);
    pawl_write_uint(buf, deliver->seen_max);
    signed_write(buf, deliver->now_ms - deliver->seen_ms_max);
    if (is_rewind)
        hex_write(buf, deliver->rewind);
    else
        pawl_write_nil(buf);
    hex_write(buf, deliver->delivery);
    pawl_write_uint(buf, deliver->changes_max);
}

static void poll_encode(struct pawl_buf *buf, const struct pawl_poll *poll)
{
    static const enum pawl_reminder_kind kinds[] = { PAWL_REMINDER_WAKE, PAWL_REMINDER_ACTIVITY,
                                                     PAWL_REMINDER_TIMER, PAWL_REMINDER_CHILD,
                                                     PAWL_REMINDER_OUTBOX };
    uint32_t kinds_count = sizeof kinds / sizeof *kinds;
    pawl_write_array(buf, 8);
    fence_write(buf, &poll->fence);
    pawl_write_int(buf, poll->now_ms);
    signed_write(buf, poll->until_ms > poll->now_ms ? poll->until_ms : poll->now_ms);
    decimal_write(buf, poll->skip);
    decimal_write(buf, poll->max);
    pawl_write_map(buf, kinds_count);
    for (uint32_t i = 0; i < kinds_count; i++) {
        char kind = (char)kinds[i];
        pawl_write_bytes(buf, pawl_bytes_make(&kind, 1));
        signed_write(buf, pawl_poll_leased_until_ms(poll, kinds[i]));
    }
    if (poll->from_ms)
        signed_write(buf, poll->from_ms);
    else
        pawl_write_bytes(buf, PAWL_BYTES_LITERAL("-inf"));
}

static void purge_encode(struct pawl_buf *buf, const struct pawl_purge *purge)
{
    pawl_write_array(buf, 7);
    pawl_write_bytes(buf, purge->instance);
    if (pawl_id_is_zero(purge->inc))
        pawl_write_nil(buf);
    else
        hex_write(buf, purge->inc);
    pawl_write_bool(buf, purge->force);
    tomb_until_write(buf, purge->now_ms, &purge->tombs);
    signed_write(buf, purge->now_ms);
    pawl_write_uint(buf, purge->tombs.tombs_max);
    pawl_write_uint(buf, purge->changes_max);
}

static void outdone_encode(struct pawl_buf *buf, const struct pawl_outdone *outdone)
{
    pawl_write_array(buf, outdone->ids_count);
    for (uint32_t i = 0; i < outdone->ids_count; i++) hex_write(buf, outdone->ids[i]);
}

/* Bounds of the created index, as Redis writes them; exclusive ones by the '('. */
static void time_or_nil_write(struct pawl_buf *buf, int64_t ms)
{
    if (ms)
        signed_write(buf, ms);
    else
        pawl_write_nil(buf);
}

static void statuses_write(struct pawl_buf *buf, uint32_t mask)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < PAWL_STATUS_COUNT; i++) count += mask >> i & 1;
    pawl_write_array(buf, count);
    for (uint32_t i = 0; i < PAWL_STATUS_COUNT; i++)
        if (mask >> i & 1) decimal_write(buf, i);
}

static void query_encode(struct pawl_buf *buf, const struct pawl_query *query)
{
    bool goes_on = !pawl_bytes_is_absent(query->before_instance);
    bool is_all = query->status_mask == 0 && pawl_query_facet_of(query).kind == PAWL_FACET_NONE;
    bool wants_ended = query->order == PAWL_QUERY_COMPLETED || query->completed_from_ms != 0
                       || query->completed_to_ms != 0;
    pawl_write_array(buf, 19);
    pawl_write_uint(buf, (uint64_t)query->order);
    pawl_write_bool(buf, query->count_only);
    statuses_write(buf, pawl_query_mask(query));
    pawl_write_bytes(buf, query->name);
    pawl_write_bytes(buf, query->prefix.size ? query->prefix : PAWL_BYTES_ABSENT);
    pawl_write_bytes(buf, query->tags);
    signed_write(buf, query->created_from_ms);
    time_or_nil_write(buf, query->created_to_ms);
    signed_write(buf, query->completed_from_ms);
    time_or_nil_write(buf, query->completed_to_ms);
    pawl_write_bool(buf, wants_ended);
    signed_write(buf, query->updated_from_ms);
    time_or_nil_write(buf, query->updated_to_ms);
    if (goes_on)
        signed_write(buf, query->before_ms);
    else
        pawl_write_nil(buf);
    pawl_write_bytes(buf, query->before_instance);
    pawl_write_uint(buf, query->limit);
    pawl_write_uint(buf, query->scan_max);
    pawl_write_bool(buf, pawl_query_is_counted_by_index(query));
    pawl_write_bool(buf, is_all);
}

/* A cursor is Redis' own. */
static void inspect_encode(struct pawl_buf *buf, const struct pawl_inspect *inspect)
{
    pawl_write_array(buf, 7);
    pawl_write_uint(buf, (uint64_t)inspect->what);
    pawl_write_bytes(buf, inspect->instance);
    pawl_write_uint(buf, inspect->history_from);
    pawl_write_uint(buf, inspect->inbox_from);
    pawl_write_bytes(buf, pawl_bytes_is_absent(inspect->cursor) ? PAWL_BYTES_LITERAL("0")
                                                                : inspect->cursor);
    pawl_write_uint(buf, inspect->limit);
    pawl_write_uint(buf, inspect->size_max);
}

/* `after` as text: it may be beyond what Lua's numbers hold. */
static void changes_encode(struct pawl_buf *buf, const struct pawl_changes *changes)
{
    pawl_write_array(buf, 3);
    decimal_write(buf, changes->after);
    pawl_write_uint(buf, changes->max);
    pawl_write_uint(buf, changes->keep);
}

void pawl_redis_encode(struct pawl_buf *buf, struct pawl_arena *arena,
                       const struct pawl_store_request *request)
{
    switch (request->op) {
    case PAWL_STORE_ACQUIRE: acquire_encode(buf, &request->acquire); return;
    case PAWL_STORE_CREATE: create_encode(buf, arena, &request->create); return;
    case PAWL_STORE_LOAD: load_encode(buf, &request->load); return;
    case PAWL_STORE_COMMIT: commit_encode(buf, arena, &request->commit); return;
    case PAWL_STORE_DELIVER: deliver_encode(buf, arena, &request->deliver); return;
    case PAWL_STORE_POLL: poll_encode(buf, &request->poll); return;
    case PAWL_STORE_PURGE: purge_encode(buf, &request->purge); return;
    case PAWL_STORE_OUTDONE: outdone_encode(buf, &request->outdone); return;
    case PAWL_STORE_QUERY: query_encode(buf, &request->query); return;
    case PAWL_STORE_INSPECT: inspect_encode(buf, &request->inspect); return;
    case PAWL_STORE_CHANGES: changes_encode(buf, &request->changes); return;
    case PAWL_STORE_OPS_END: break;
    }
    PAWL_UNREACHABLE("a request has an operation");
}
