#include "state/audit_walk.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"

/* An instance that changes between its pages all the time is left alone after so many
 * tries: it is alive. */
#define RESTARTS_MAX 10u

void pawl_audit_walk_init(struct pawl_audit_walk *walk, uint32_t partition, int64_t now_ms,
                          pawl_audit_report *report, void *context, struct pawl_bytes only)
{
    *walk = (struct pawl_audit_walk){
        .audit = { .report = report, .context = context, .partition = partition, .now_ms = now_ms },
        .with_history = true,
        .what = PAWL_INSPECT_PARTITION,
        .only = only,
    };
    pawl_arena_init(&walk->cursor_arena[0]);
    pawl_arena_init(&walk->cursor_arena[1]);
    pawl_arena_init(&walk->ids_arena);
    pawl_arena_init(&walk->texts);
    if (pawl_bytes_is_absent(only)) return;
    walk->what = PAWL_INSPECT_INSTANCE;
    walk->ids = PAWL_ARENA_NEW(&walk->ids_arena, struct pawl_bytes);
    walk->ids[0] = pawl_arena_copy(&walk->ids_arena, only);
    walk->ids_count = 1;
    walk->is_last_page = true;
    walk->is_first = true;
}

void pawl_audit_walk_deinit(struct pawl_audit_walk *walk)
{
    pawl_arena_deinit(&walk->cursor_arena[0]);
    pawl_arena_deinit(&walk->cursor_arena[1]);
    pawl_arena_deinit(&walk->ids_arena);
    pawl_arena_deinit(&walk->texts);
}

/* Ask ---------------------------------------------------------------------------- */

static struct pawl_inspect instance_inspect(const struct pawl_audit_walk *walk)
{
    return (struct pawl_inspect){
        .what = PAWL_INSPECT_INSTANCE,
        .instance = walk->ids[walk->ids_next],
        .history_from = walk->with_history ? walk->history_next : UINT32_MAX,
        .inbox_from = walk->inbox_next,
        .limit = PAWL_INSPECT_ROWS_MAX,
        .size_max = PAWL_INSPECT_SIZE_MAX,
    };
}

bool pawl_audit_walk_next(struct pawl_audit_walk *walk, struct pawl_store_request *ret_request)
{
    if (walk->what == PAWL_INSPECT_END) return false;
    *ret_request =
        (struct pawl_store_request){ .op = PAWL_STORE_INSPECT, .partition = walk->audit.partition };
    if (walk->what == PAWL_INSPECT_INSTANCE)
        ret_request->inspect = instance_inspect(walk);
    else
        ret_request->inspect = (struct pawl_inspect){
            .what = walk->what,
            .cursor = walk->cursor,
            .limit = walk->what == PAWL_INSPECT_OUTBOX ? PAWL_INSPECT_MESSAGES_MAX
                                                       : PAWL_INSPECT_ROWS_MAX,
            .size_max = PAWL_INSPECT_SIZE_MAX,
        };
    return true;
}

/* Move on ------------------------------------------------------------------------ */

static void instance_begin(struct pawl_audit_walk *walk)
{
    walk->is_first = true;
    walk->history_next = 0;
    walk->inbox_next = 0;
    walk->history_size = 0;
    walk->history_is_whole = walk->with_history;
}

static void list_begin(struct pawl_audit_walk *walk, enum pawl_inspect_what what)
{
    walk->what = what;
    walk->cursor = PAWL_BYTES_ABSENT;
}

static void list_end(struct pawl_audit_walk *walk)
{
    switch (walk->what) {
    case PAWL_INSPECT_PARTITION: list_begin(walk, PAWL_INSPECT_INSTANCES); return;
    case PAWL_INSPECT_INSTANCES:
    case PAWL_INSPECT_INSTANCE: list_begin(walk, PAWL_INSPECT_REMINDERS); return;
    case PAWL_INSPECT_REMINDERS: list_begin(walk, PAWL_INSPECT_OUTBOX); return;
    case PAWL_INSPECT_OUTBOX: list_begin(walk, PAWL_INSPECT_QUARANTINE); return;
    case PAWL_INSPECT_QUARANTINE:
        list_begin(walk, walk->with_strays ? PAWL_INSPECT_STRAYS : PAWL_INSPECT_END);
        return;
    case PAWL_INSPECT_STRAYS:
    case PAWL_INSPECT_END: walk->what = PAWL_INSPECT_END; return;
    }
}

static void cursor_keep(struct pawl_audit_walk *walk, struct pawl_bytes cursor)
{
    walk->cursor_turn ^= 1; /* the present one may be what the reply was made from */
    struct pawl_arena *arena = &walk->cursor_arena[walk->cursor_turn];
    pawl_arena_reset(arena);
    walk->cursor = pawl_arena_copy(arena, cursor);
    walk->is_last_page = pawl_bytes_is_absent(cursor);
}

static void page_end(struct pawl_audit_walk *walk, struct pawl_bytes cursor)
{
    cursor_keep(walk, cursor);
    if (walk->is_last_page) list_end(walk);
}

/* The instance is done: the next one of the page, or the next page. */
static void instance_end(struct pawl_audit_walk *walk)
{
    walk->restarts = 0;
    walk->ids_next++;
    instance_begin(walk);
    if (walk->ids_next < walk->ids_count) return;
    if (!pawl_bytes_is_absent(walk->only))
        walk->what = PAWL_INSPECT_END;
    else if (walk->is_last_page)
        list_end(walk);
    else
        walk->what = PAWL_INSPECT_INSTANCES;
}

/* Take --------------------------------------------------------------------------- */

static void take_ids(struct pawl_audit_walk *walk, const struct pawl_inspected *inspected)
{
    pawl_arena_reset(&walk->ids_arena);
    walk->ids_count = inspected->count;
    walk->ids_next = 0;
    walk->ids = PAWL_ARENA_ARRAY(&walk->ids_arena, struct pawl_bytes, inspected->count);
    for (uint32_t i = 0; i < inspected->count; i++)
        walk->ids[i] = pawl_arena_copy(&walk->ids_arena, inspected->names[i]);
    cursor_keep(walk, inspected->cursor);
    if (inspected->count) {
        walk->what = PAWL_INSPECT_INSTANCE;
        instance_begin(walk);
    } else if (walk->is_last_page) {
        list_end(walk);
    }
}

static bool instance_changed(const struct pawl_audit_walk *walk,
                             const struct pawl_stored_instance *stored)
{
    const struct pawl_metadata *metadata = &stored->metadata;
    if (walk->is_first) return false;
    return !stored->is_there || !pawl_id_is_equal(metadata->inc, walk->inc)
           || metadata->gen != walk->gen || !pawl_id_is_equal(metadata->last, walk->last);
}

static void instance_again(struct pawl_audit_walk *walk, struct pawl_bytes id)
{
    if (walk->visitor.on_changed) walk->visitor.on_changed(walk->visitor.context, id);
    if (++walk->restarts == RESTARTS_MAX)
        instance_end(walk);
    else
        instance_begin(walk);
}

static void history_add(struct pawl_audit_walk *walk, const struct pawl_stored_instance *stored)
{
    for (uint32_t i = 0; i < stored->history_count; i++) {
        walk->history_size += stored->history[i].size;
        if (pawl_bytes_is_absent(stored->history[i])) walk->history_is_whole = false;
    }
    walk->history_next += stored->history_count;
    walk->inbox_next = stored->inbox_from + stored->inbox_count;
}

static bool instance_is_complete(const struct pawl_audit_walk *walk,
                                 const struct pawl_stored_instance *stored)
{
    if (walk->with_history && walk->history_next < stored->metadata.history_count) return false;
    return walk->inbox_next >= stored->metadata.inbox_tail;
}

static void take_instance(struct pawl_audit_walk *walk, const struct pawl_stored_instance *stored)
{
    struct pawl_bytes id = walk->ids[walk->ids_next];
    if (instance_changed(walk, stored)) {
        instance_again(walk, id);
        return;
    }
    bool is_first = walk->is_first;
    if (is_first) pawl_audit_instance(&walk->audit, id, stored);
    if (!stored->is_there || !pawl_bytes_is_absent(stored->unreadable)) {
        instance_end(walk);
        return;
    }
    walk->is_first = false;
    walk->inc = stored->metadata.inc;
    walk->gen = stored->metadata.gen;
    walk->last = stored->metadata.last;
    pawl_audit_rows(&walk->audit, id, stored);
    history_add(walk, stored);
    bool is_last = instance_is_complete(walk, stored);
    if (walk->visitor.on_instance)
        walk->visitor.on_instance(walk->visitor.context, id, stored, is_first, is_last);
    if (!is_last) return;
    if (walk->history_is_whole)
        pawl_audit_size(&walk->audit, id, &stored->metadata, walk->history_size);
    instance_end(walk);
}

static void take_rows(struct pawl_audit_walk *walk, const struct pawl_inspected *inspected)
{
    const struct pawl_audit *audit = &walk->audit;
    const struct pawl_audit_visitor *visitor = &walk->visitor;
    for (uint32_t i = 0; i < inspected->count; i++) {
        pawl_arena_reset(&walk->texts);
        switch (walk->what) {
        case PAWL_INSPECT_REMINDERS:
            pawl_audit_reminder(audit, &inspected->reminders[i]);
            if (visitor->on_reminder)
                visitor->on_reminder(visitor->context, &inspected->reminders[i]);
            break;
        case PAWL_INSPECT_QUARANTINE:
            pawl_audit_quarantined(audit, &inspected->reminders[i]);
            break;
        case PAWL_INSPECT_OUTBOX:
            pawl_audit_message(audit, &inspected->messages[i]);
            if (visitor->on_message) visitor->on_message(visitor->context, &inspected->messages[i]);
            break;
        case PAWL_INSPECT_STRAYS: pawl_audit_stray(audit, inspected->names[i]); break;
        default: PAWL_UNREACHABLE("the other kinds are no lists of rows");
        }
    }
    page_end(walk, inspected->cursor);
}

/* Not even INSPECT can read it. */
static void take_corrupt(struct pawl_audit_walk *walk, struct pawl_bytes message)
{
    bool is_instance = walk->what == PAWL_INSPECT_INSTANCE;
    pawl_audit_find(&walk->audit, PAWL_AUDIT_STRUCT, PAWL_AUDIT_ERROR,
                    is_instance ? walk->ids[walk->ids_next] : PAWL_BYTES_ABSENT,
                    PAWL_BYTES_LITERAL("rows"), "its rows cannot be read: %.*s",
                    PAWL_BYTES_FMT(message));
    if (is_instance)
        instance_end(walk);
    else
        list_end(walk);
}

void pawl_audit_walk_take(struct pawl_audit_walk *walk, const struct pawl_store_reply *reply)
{
    pawl_arena_reset(&walk->texts);
    walk->audit.arena = &walk->texts;
    if (reply->err == PAWL_E_CORRUPT) {
        take_corrupt(walk, reply->message);
        return;
    }
    PAWL_ASSERT(reply->err == PAWL_OK);
    PAWL_ASSERT(reply->inspect->what == walk->what);
    switch (walk->what) {
    case PAWL_INSPECT_PARTITION:
        pawl_audit_partition(&walk->audit, &reply->inspect->partition);
        if (walk->visitor.on_partition)
            walk->visitor.on_partition(walk->visitor.context, &reply->inspect->partition);
        list_end(walk);
        return;
    case PAWL_INSPECT_INSTANCES: take_ids(walk, reply->inspect); return;
    case PAWL_INSPECT_INSTANCE: take_instance(walk, &reply->inspect->instance); return;
    case PAWL_INSPECT_STRAYS:
    case PAWL_INSPECT_REMINDERS:
    case PAWL_INSPECT_OUTBOX:
    case PAWL_INSPECT_QUARANTINE: take_rows(walk, reply->inspect); return;
    case PAWL_INSPECT_END: break;
    }
    PAWL_UNREACHABLE("a walk that is done takes nothing");
}
