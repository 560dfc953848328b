#include "actors/import.h"

#include "actors/again.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "base/codec.h"
#include "base/limits.h"
#include "base/map.h"

enum { FIELDS = 10, FIELDS_MAX = 32 };

/* Bytes -------------------------------------------------------------------------------------- */

static void list_write(struct pawl_buf *buf, uint32_t count, const struct pawl_bytes *items)
{
    pawl_write_array(buf, count);
    for (uint32_t i = 0; i < count; i++) pawl_write_bytes(buf, items[i]);
}

static uint32_t list_read(struct pawl_reader *reader, struct pawl_arena *arena,
                          struct pawl_bytes **ret_items)
{
    uint32_t count = pawl_read_array(reader, PAWL_SEED_EVENTS_MAX);
    *ret_items = PAWL_ARENA_ARRAY(arena, struct pawl_bytes, count);
    for (uint32_t i = 0; i < count; i++) (*ret_items)[i] = pawl_read_bytes(reader);
    return count;
}

struct pawl_bytes pawl_import_pack(struct pawl_arena *arena, const struct pawl_import *import)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_SEED_SIZE_MAX);
    pawl_write_array(&buf, FIELDS);
    pawl_write_bytes(&buf, import->source);
    pawl_write_uint(&buf, import->source_gen);
    pawl_write_uint(&buf, (uint64_t)import->status);
    pawl_write_int(&buf, import->created_ms);
    pawl_write_int(&buf, import->started_ms);
    pawl_write_int(&buf, import->updated_ms);
    pawl_write_int(&buf, import->completed_ms);
    pawl_write_bytes(&buf, import->custom_status);
    list_write(&buf, import->events_count, import->events);
    list_write(&buf, import->waiting_count, import->waiting);
    struct pawl_bytes packed = PAWL_BYTES_ABSENT;
    if (buf.bad == PAWL_OK) packed = pawl_arena_copy(arena, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
    return packed;
}

pawl_err pawl_import_unpack(struct pawl_arena *arena, struct pawl_bytes bytes,
                            struct pawl_import *ret_import)
{
    struct pawl_reader reader;
    struct pawl_import import;
    pawl_reader_init(&reader, bytes);
    uint32_t fields = pawl_read_array(&reader, FIELDS_MAX);
    import.source = pawl_read_bytes(&reader);
    import.source_gen = (uint32_t)pawl_read_uint(&reader, UINT32_MAX);
    import.status = (enum pawl_status)pawl_read_uint(&reader, PAWL_STATUS_COUNT - 1);
    import.created_ms = pawl_read_int(&reader);
    import.started_ms = pawl_read_int(&reader);
    import.updated_ms = pawl_read_int(&reader);
    import.completed_ms = pawl_read_int(&reader);
    import.custom_status = pawl_read_bytes(&reader);
    import.events_count = list_read(&reader, arena, &import.events);
    import.waiting_count = list_read(&reader, arena, &import.waiting);
    for (uint32_t i = FIELDS; i < fields; i++) pawl_read_skip(&reader);
    if (pawl_reader_finish(&reader) != PAWL_OK || fields < FIELDS) return PAWL_E_CORRUPT;
    if (!pawl_name_is_valid(import.source, PAWL_INSTANCE_ID_SIZE_MAX)) return PAWL_E_CORRUPT;
    *ret_import = import;
    return PAWL_OK;
}

/* Checks ------------------------------------------------------------------------------------- */

/* A history that is walked through, event by event. The first thing that is wrong ends it. */
struct walk {
    const struct pawl_import_target *target;
    const struct pawl_import *import;
    bool has_ended;
    struct pawl_map calls;
    uint32_t open_count;
    uint32_t index;
    struct pawl_history_event event;
    bool has_turn;
    bool is_started;
    bool is_suspended;
    bool is_completed;
    struct pawl_history_event started;
    struct pawl_history_event completed;
    pawl_err err;
    struct pawl_bytes message;
};

#define REFUSE(walk, code, ...)                                                  \
    do {                                                                         \
        (walk)->err = (code);                                                    \
        (walk)->message = pawl_arena_printf((walk)->target->arena, __VA_ARGS__); \
    } while (0)

/* About the present event. */
#define REFUSE_EVENT(walk, text, ...)                                    \
    REFUSE((walk), PAWL_E_INVALID, "event %u (%s) " text, (walk)->index, \
           pawl_event_kind_name((int)(walk)->event.kind), __VA_ARGS__)

static struct pawl_again_call *call_find(struct walk *walk, char kind, int32_t id)
{
    struct pawl_again_key key = { (uint32_t)kind, (uint32_t)id };
    return pawl_map_find(&walk->calls, pawl_bytes_make(&key, sizeof key));
}

static struct pawl_again_call *call_add(struct walk *walk, char kind)
{
    struct pawl_again_call *call = PAWL_ARENA_NEW(walk->target->arena, struct pawl_again_call);
    call->key = (struct pawl_again_key){ (uint32_t)kind, (uint32_t)walk->event.id };
    pawl_map_insert(&walk->calls, pawl_bytes_make(&call->key, sizeof call->key), call);
    return call;
}

static void walk_call(struct walk *walk, char kind)
{
    const struct pawl_history_event *event = &walk->event;
    bool needs_name = kind != 't';
    if (event->id < 0) {
        REFUSE_EVENT(walk, "%s", "makes a call without an eventId");
        return;
    }
    if (needs_name && !pawl_name_is_valid(event->name, PAWL_NAME_SIZE_MAX)) {
        REFUSE_EVENT(walk, "%s", "names nothing that can be called");
        return;
    }
    if (kind == 'c' && !pawl_name_is_valid(event->instance, PAWL_INSTANCE_ID_SIZE_MAX)) {
        REFUSE_EVENT(walk, "%s", "has no instance id for the child");
        return;
    }
    if (event->target_app.size && !pawl_app_id_is_valid(event->target_app)) {
        REFUSE_EVENT(walk, "%s", "has an appID that is none");
        return;
    }
    struct pawl_again_call *call = call_find(walk, kind, event->id);
    if (call && call->is_open) {
        REFUSE_EVENT(walk, "makes call %d again, which event %u has made and nothing has answered",
                     event->id, call->index);
        return;
    }
    if (!call) call = call_add(walk, kind);
    call->index = walk->index;
    call->is_open = true;
    walk->open_count++;
}

static void walk_result(struct walk *walk, char kind)
{
    struct pawl_again_call *call = call_find(walk, kind, walk->event.ref);
    if (!call) {
        REFUSE_EVENT(walk, "answers call %d, which no event before it has made", walk->event.ref);
        return;
    }
    if (!call->is_open) {
        REFUSE_EVENT(walk, "answers call %d of event %u, which has been answered before",
                     walk->event.ref, call->index);
        return;
    }
    call->is_open = false;
    walk->open_count--;
}

static void walk_started(struct walk *walk)
{
    struct pawl_bytes name = walk->target->name;
    if (walk->is_started) {
        REFUSE_EVENT(walk, "%s", "is a second one");
        return;
    }
    if (!pawl_bytes_is_equal(walk->event.name, name)) {
        REFUSE_EVENT(walk, "is of workflow '%.*s', and the export of '%.*s'",
                     PAWL_BYTES_FMT(walk->event.name), PAWL_BYTES_FMT(name));
        return;
    }
    walk->is_started = true;
    walk->started = walk->event;
}

/* What code does, or is answered, belongs to a turn that began, of a workflow that was started. */
static void walk_in_turn(struct walk *walk)
{
    if (walk->is_started && walk->has_turn) return;
    REFUSE_EVENT(walk, "comes before %s",
                 walk->has_turn ? "ExecutionStarted" : "the first WorkflowStarted");
}

static void walk_kind(struct walk *walk)
{
    char made = pawl_again_made_kind(walk->event.kind);
    char ended = pawl_again_ended_kind(walk->event.kind);
    bool is_sent = walk->event.kind == PAWL_EVENT_EVENT_SENT
                   || walk->event.kind == PAWL_EVENT_DETACHED_CREATED;
    if (made || ended || is_sent) walk_in_turn(walk);
    if (walk->err != PAWL_OK) return;
    if (made) walk_call(walk, made);
    if (ended) walk_result(walk, ended);
    switch (walk->event.kind) {
    case PAWL_EVENT_EXECUTION_STARTED: walk_started(walk); break;
    case PAWL_EVENT_WORKFLOW_STARTED: walk->has_turn = true; break;
    case PAWL_EVENT_EXECUTION_SUSPENDED: walk->is_suspended = true; break;
    case PAWL_EVENT_EXECUTION_RESUMED: walk->is_suspended = false; break;
    case PAWL_EVENT_EXECUTION_COMPLETED:
        walk->is_completed = true;
        walk->completed = walk->event;
        break;
    default: break;
    }
}

static void walk_event(struct walk *walk)
{
    if (pawl_history_event_decode(walk->import->events[walk->index], &walk->event) != PAWL_OK) {
        REFUSE(walk, PAWL_E_INVALID, "event %u cannot be read", walk->index);
        return;
    }
    if (walk->is_completed) {
        REFUSE_EVENT(walk, "%s", "comes after the end of the workflow");
        return;
    }
    if (walk->event.payload.size > PAWL_PAYLOAD_SIZE_MAX) {
        REFUSE(walk, PAWL_E_TOO_LARGE,
               "event %u (%s) has a payload of %zu bytes; at most %u are "
               "allowed",
               walk->index, pawl_event_kind_name((int)walk->event.kind), walk->event.payload.size,
               PAWL_PAYLOAD_SIZE_MAX);
        return;
    }
    walk_kind(walk);
}

/* What is said of the instance and what its events say. */
static void walk_status(struct walk *walk)
{
    enum pawl_status status = walk->import->status;
    const char *name = pawl_status_name((int)status);
    if (!walk->is_started)
        REFUSE(walk, PAWL_E_STATE,
               "the instance had not begun when it was exported: start it instead");
    else if (walk->has_ended && !walk->is_completed)
        REFUSE(walk, PAWL_E_INVALID,
               "the instance is said to be %s, but its last event (%u) is no ExecutionCompleted: "
               "the end is missing",
               name, walk->import->events_count - 1);
    else if (!walk->has_ended && walk->is_completed)
        REFUSE(walk, PAWL_E_INVALID,
               "the instance is said to be %s, but event %u (ExecutionCompleted) ends it", name,
               walk->import->events_count - 1);
    else if (walk->has_ended && walk->completed.status != status)
        REFUSE(walk, PAWL_E_INVALID,
               "the instance is said to be %s, but event %u (ExecutionCompleted) says %s", name,
               walk->import->events_count - 1, pawl_status_name((int)walk->completed.status));
    else if (status == PAWL_STATUS_SUSPENDED && !walk->is_suspended)
        REFUSE(walk, PAWL_E_INVALID,
               "the instance is said to be SUSPENDED, but none of its events suspends it");
    else if (status == PAWL_STATUS_RUNNING && walk->is_suspended)
        REFUSE(walk, PAWL_E_INVALID,
               "the instance is said to be RUNNING, but its events leave it suspended");
}

/* What waits goes on with the new instance, but for children: those would begin anew. */
static void walk_open(struct walk *walk)
{
    uint32_t cursor = 0;
    const struct pawl_again_call *first = NULL;
    for (const struct pawl_again_call *call; (call = pawl_map_next(&walk->calls, &cursor)) != NULL;)
        if (call->is_open && call->key.kind == 'c' && (!first || call->index < first->index))
            first = call;
    if (walk->open_count > PAWL_PENDING_OPS_MAX)
        REFUSE(walk, PAWL_E_TOO_LARGE, "%u calls wait for a result; at most %u may",
               walk->open_count, PAWL_PENDING_OPS_MAX);
    if (!first) return;
    struct pawl_history_event child;
    pawl_err err = pawl_history_event_decode(walk->import->events[first->index], &child);
    PAWL_ASSERT(err == PAWL_OK); /* it was walked through */
    REFUSE(walk, PAWL_E_STATE,
           "event %u (ChildWorkflowCreated): child workflow '%.*s' has not ended. An instance "
           "cannot be imported while a child of it runs: export it when the child has ended",
           first->index, PAWL_BYTES_FMT(child.instance));
}

static void walk_waiting(struct walk *walk)
{
    for (uint32_t i = 0; i < walk->import->waiting_count; i++) {
        struct pawl_history_event event;
        pawl_err err = pawl_history_event_decode(walk->import->waiting[i], &event);
        if (err == PAWL_OK && event.kind == PAWL_EVENT_EVENT_RAISED
            && event.payload.size <= PAWL_PAYLOAD_SIZE_MAX
            && pawl_name_is_valid(event.name, PAWL_NAME_SIZE_MAX))
            continue;
        REFUSE(walk, PAWL_E_INVALID, "waiting event %u is no event that can be raised", i);
        return;
    }
}

static void walk_all(struct walk *walk)
{
    if (walk->import->events_count == 0)
        REFUSE(walk, PAWL_E_STATE,
               "the history is empty: the instance had not begun, or not gone on, when it was "
               "exported");
    if ((uint64_t)walk->import->events_count + walk->import->waiting_count > PAWL_SEED_EVENTS_MAX)
        REFUSE(walk, PAWL_E_TOO_LARGE, "the history has %u events; at most %u can be imported",
               walk->import->events_count, PAWL_SEED_EVENTS_MAX);
    pawl_map_init(&walk->calls, 0);
    for (; walk->index < walk->import->events_count && walk->err == PAWL_OK; walk->index++)
        walk_event(walk);
    if (walk->err == PAWL_OK) walk_status(walk);
    if (walk->err == PAWL_OK && !walk->has_ended) walk_open(walk);
    if (walk->err == PAWL_OK && !walk->has_ended) walk_waiting(walk);
    pawl_map_deinit(&walk->calls);
}

/* Begin -------------------------------------------------------------------------------------- */

static int64_t first_of(int64_t said_ms, int64_t otherwise_ms)
{
    return said_ms > 0 ? said_ms : otherwise_ms;
}

/* The times, from the history where nothing is said. It does not begin later than now. */
static void begin_times(const struct walk *walk, struct pawl_import_begin *begin)
{
    const struct pawl_import *import = walk->import;
    struct pawl_seed *seed = &begin->seed;
    int64_t first_ms = walk->started.timestamp_ms, last_ms = walk->event.timestamp_ms;
    int64_t now_ms = walk->target->now_ms;
    begin->created_ms = first_of(import->created_ms, first_of(first_ms, now_ms));
    seed->started_ms = first_of(import->started_ms, first_ms);
    seed->updated_ms = first_of(import->updated_ms, last_ms);
    seed->completed_ms = walk->has_ended ? first_of(import->completed_ms, last_ms) : 0;
    if (begin->created_ms > now_ms) begin->created_ms = now_ms; /* a clock's, that is ahead */
}

/* The first ExecutionStarted as it stands in the seed. */
static struct pawl_bytes begin_started(const struct pawl_seed *seed)
{
    for (uint32_t i = 0; i < seed->events_count; i++)
        if (pawl_history_event_kind(seed->events[i]) == PAWL_EVENT_EXECUTION_STARTED)
            return seed->events[i];
    PAWL_UNREACHABLE("the walk has seen one");
}

static void begin_fill(const struct walk *walk, struct pawl_import_begin *begin)
{
    const struct pawl_import_target *target = walk->target;
    const struct pawl_import *import = walk->import;
    struct pawl_parent nobody = { .op_id = 0 };
    begin->parent = walk->has_ended ? walk->started.parent : nobody;
    begin->input = walk->started.payload;
    struct pawl_again again = { .arena = target->arena,
                                .source = import->source,
                                .source_gen = import->source_gen,
                                .instance = target->instance,
                                .gen = 1,
                                .execution = walk->started.execution,
                                .parent = begin->parent,
                                .now_ms = target->now_ms,
                                .events_count = import->events_count,
                                .events = import->events };
    pawl_again_import(&again, walk->has_ended ? 0 : import->waiting_count, import->waiting,
                      !walk->has_ended, &begin->seed);
    begin->seed.is_import = true;
    begin->seed.status =
        import->status == PAWL_STATUS_STALLED ? PAWL_STATUS_RUNNING : import->status;
    begin->seed.custom_status = import->custom_status;
    begin->started = begin_started(&begin->seed);
    begin_times(walk, begin);
}

pawl_err pawl_import_begin_make(const struct pawl_import_target *target,
                                const struct pawl_import *import,
                                struct pawl_import_begin *ret_begin, struct pawl_bytes *ret_message)
{
    struct walk walk = { .target = target,
                         .import = import,
                         .has_ended = pawl_status_is_terminal(import->status) };
    *ret_begin = (struct pawl_import_begin){ .created_ms = 0 };
    walk_all(&walk);
    if (walk.err == PAWL_OK) begin_fill(&walk, ret_begin);
    *ret_message = walk.message;
    return walk.err;
}
