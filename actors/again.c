#include "actors/again.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/map.h"

/* The history, decoded. */
struct run {
    const struct pawl_again *again;
    struct pawl_history_event *events;
    bool is_rewind;
    bool is_import;
};

static bool run_read(const struct pawl_again *again, struct run *ret_run)
{
    *ret_run = (struct run){ .again = again };
    ret_run->events =
        PAWL_ARENA_ARRAY(again->arena, struct pawl_history_event, again->events_count);
    for (uint32_t i = 0; i < again->events_count; i++)
        if (pawl_history_event_decode(again->events[i], &ret_run->events[i]) != PAWL_OK)
            return false;
    return true;
}

char pawl_again_made_kind(enum pawl_event_kind kind)
{
    switch (kind) {
    case PAWL_EVENT_TASK_SCHEDULED: return 'a';
    case PAWL_EVENT_TIMER_CREATED: return 't';
    case PAWL_EVENT_CHILD_CREATED: return 'c';
    default: return 0;
    }
}

char pawl_again_ended_kind(enum pawl_event_kind kind)
{
    switch (kind) {
    case PAWL_EVENT_TASK_COMPLETED:
    case PAWL_EVENT_TASK_FAILED:
    case PAWL_EVENT_TASK_CANCELLED: return 'a';
    case PAWL_EVENT_TIMER_FIRED:
    case PAWL_EVENT_TIMER_CANCELLED: return 't';
    case PAWL_EVENT_CHILD_COMPLETED:
    case PAWL_EVENT_CHILD_FAILED: return 'c';
    default: return 0;
    }
}

/* True: what a workflow is told, as opposed to what it did or what the engine noted. */
static bool is_told(enum pawl_event_kind kind)
{
    switch (kind) {
    case PAWL_EVENT_EXECUTION_STARTED:
    case PAWL_EVENT_EVENT_RAISED:
    case PAWL_EVENT_TASK_COMPLETED:
    case PAWL_EVENT_TASK_FAILED:
    case PAWL_EVENT_TIMER_FIRED:
    case PAWL_EVENT_CHILD_COMPLETED:
    case PAWL_EVENT_CHILD_FAILED: return true;
    default: return false;
    }
}

/* Events, as the new run has them ------------------------------------------------------------ */

static bool is_word(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z')
           || (byte >= 'A' && byte <= 'Z') || byte >= 0x80;
}

static struct pawl_bytes bytes_from(struct pawl_bytes bytes, size_t from)
{
    return pawl_bytes_make(bytes.data + from, bytes.size - from);
}

/* An id that was made of the source's becomes the one that the code makes in the new run:
 * "<id>.<generation>.<n>" of libpawl, "<id>:<n>", or whatever a workflow puts behind its own. */
static struct pawl_bytes renamed_child(const struct pawl_again *again, struct pawl_bytes child)
{
    struct pawl_arena *arena = again->arena;
    size_t size = again->source.size;
    if (!pawl_bytes_starts_with(child, again->source) || child.size == size) return child;
    if (is_word(child.data[size])) return child; /* a longer word, and no id of ours */
    struct pawl_bytes rest = bytes_from(child, size);
    struct pawl_bytes old = pawl_arena_printf(arena, ".%u.", again->source_gen);
    if (!pawl_bytes_starts_with(rest, old))
        return pawl_arena_printf(arena, "%.*s%.*s", PAWL_BYTES_FMT(again->instance),
                                 PAWL_BYTES_FMT(rest));
    rest = bytes_from(rest, old.size);
    return pawl_arena_printf(arena, "%.*s.%u.%.*s", PAWL_BYTES_FMT(again->instance), again->gen,
                             PAWL_BYTES_FMT(rest));
}

static struct pawl_bytes copied(const struct run *run, uint32_t index)
{
    const struct pawl_again *again = run->again;
    struct pawl_history_event event = run->events[index];
    if (run->is_rewind) return again->events[index];
    switch (event.kind) {
    case PAWL_EVENT_EXECUTION_STARTED:
        event.execution = again->execution;
        event.parent = again->parent;
        if (!run->is_import) event.start_at_ms = 0;
        break;
    case PAWL_EVENT_DETACHED_CREATED:
    case PAWL_EVENT_CHILD_CREATED: {
        struct pawl_bytes child = renamed_child(again, event.instance);
        if (child.size <= PAWL_INSTANCE_ID_SIZE_MAX) event.instance = child;
        break;
    }
    default: return again->events[index];
    }
    return pawl_history_event_pack(again->arena, &event);
}

/* A call that is made again has its time to start from now on. */
static struct pawl_bytes reopened(const struct run *run, struct pawl_bytes packed)
{
    struct pawl_history_event event;
    if (pawl_history_event_decode(packed, &event) != PAWL_OK) return packed;
    bool is_rewound = run->is_rewind && event.kind == PAWL_EVENT_CHILD_CREATED;
    bool is_rerun = !run->is_rewind && !run->is_import;
    if (event.start_within_ms == 0 && !is_rewound && !is_rerun) return packed;
    if (is_rerun) event.rerun_of = run->again->source;
    int64_t passed_ms = run->again->now_ms - event.timestamp_ms;
    if (event.start_within_ms > 0 && passed_ms > 0) event.start_within_ms += passed_ms;
    event.rewound = is_rewound;
    return pawl_history_event_pack(run->again->arena, &event);
}

/* Cutting ------------------------------------------------------------------------------------ */

static struct pawl_again_call *call_of(struct pawl_map *calls, char kind, int32_t id,
                                       struct pawl_again_call *made)
{
    struct pawl_again_key key = { (uint32_t)kind, (uint32_t)id };
    struct pawl_again_call *call = pawl_map_find(calls, pawl_bytes_make(&key, sizeof key));
    if (call || !made) return call;
    *made = (struct pawl_again_call){ .key = key };
    pawl_map_insert(calls, pawl_bytes_make(&made->key, sizeof made->key), made);
    return made;
}

/* Which calls of the past nothing in the seed answers. */
static void seed_reopen(const struct run *run, struct pawl_seed *seed)
{
    struct pawl_arena *arena = run->again->arena;
    struct pawl_again_call *made =
        PAWL_ARENA_ARRAY(arena, struct pawl_again_call, seed->past_count);
    bool *is_open = PAWL_ARENA_ARRAY(arena, bool, seed->past_count);
    struct pawl_map calls;
    pawl_map_init(&calls, 0);
    for (uint32_t i = 0; i < seed->events_count; i++) {
        struct pawl_history_event event;
        if (pawl_history_event_decode(seed->events[i], &event) != PAWL_OK) continue;
        char kind = pawl_again_made_kind(event.kind);
        if (kind && i < seed->past_count) {
            is_open[i] = true;
            call_of(&calls, kind, event.id, &made[i])->index = i;
            continue;
        }
        kind = pawl_again_ended_kind(event.kind);
        const struct pawl_again_call *call = kind ? call_of(&calls, kind, event.ref, NULL) : NULL;
        if (call) is_open[call->index] = false;
    }
    pawl_map_deinit(&calls);
    seed->reopened = PAWL_ARENA_ARRAY(arena, uint32_t, seed->past_count);
    for (uint32_t i = 0; i < seed->past_count; i++) {
        if (!is_open[i]) continue;
        seed->events[i] = reopened(run, seed->events[i]);
        seed->reopened[seed->reopened_count++] = i;
    }
}

static bool is_failure(enum pawl_event_kind kind)
{
    return kind == PAWL_EVENT_TASK_FAILED || kind == PAWL_EVENT_CHILD_FAILED;
}

/* The events before `turn` are the past; of those from there to before `end`, what the workflow
 * was told is news, behind `first` unless that is absent. */
static void seed_cut(const struct run *run, uint32_t turn, uint32_t end, struct pawl_bytes first,
                     struct pawl_seed *seed)
{
    seed->events = PAWL_ARENA_ARRAY(run->again->arena, struct pawl_bytes, end + 1);
    for (uint32_t i = 0; i < turn; i++) seed->events[seed->events_count++] = copied(run, i);
    seed->past_count = turn;
    if (!pawl_bytes_is_absent(first)) seed->events[seed->events_count++] = first;
    for (uint32_t i = turn; i < end; i++) {
        enum pawl_event_kind kind = run->events[i].kind;
        bool is_news = is_told(kind) && !(run->is_rewind && is_failure(kind));
        if (is_news) seed->events[seed->events_count++] = copied(run, i);
    }
    seed_reopen(run, seed);
}

/* From an event ------------------------------------------------------------------------------ */

#define MESSAGE(...) pawl_arena_printf(again->arena, __VA_ARGS__)

static pawl_err find_call(const struct run *run, uint32_t event_id, uint32_t *ret_index,
                          struct pawl_bytes *ret_message)
{
    const struct pawl_again *again = run->again;
    for (uint32_t i = 0; i < again->events_count; i++) {
        const struct pawl_history_event *event = &run->events[i];
        if (event->id < 0 || (uint32_t)event->id != event_id) continue;
        *ret_index = i;
        if (pawl_again_made_kind(event->kind)) return PAWL_OK;
        *ret_message = MESSAGE("event %u of workflow '%.*s' is %s; it can run anew only from "
                               "TaskScheduled, TimerCreated or ChildWorkflowCreated",
                               event_id, PAWL_BYTES_FMT(again->source),
                               pawl_event_kind_name((int)event->kind));
        return event->kind == PAWL_EVENT_DETACHED_CREATED ? PAWL_E_INVALID : PAWL_E_NOT_FOUND;
    }
    *ret_message = MESSAGE("workflow '%.*s' does not have history event with ID '%u'",
                           PAWL_BYTES_FMT(again->source), event_id);
    return PAWL_E_NOT_FOUND;
}

static pawl_err check_change(const struct pawl_again *again, const struct pawl_again_change *change,
                             char kind, struct pawl_bytes *ret_message)
{
    if (change->change_input && kind == 't') {
        *ret_message =
            MESSAGE("cannot write input to timer event '%u': a timer has none", change->event_id);
        return PAWL_E_INVALID;
    }
    if (change->child.size && kind != 'c') {
        *ret_message = MESSAGE("event '%u' is no child workflow, so it can have no other instance "
                               "id for it",
                               change->event_id);
        return PAWL_E_INVALID;
    }
    return PAWL_OK;
}

pawl_err pawl_again_from_event(const struct pawl_again *again,
                               const struct pawl_again_change *change, struct pawl_seed *ret_seed,
                               struct pawl_bytes *ret_message)
{
    struct run run;
    uint32_t index = 0;
    *ret_message = PAWL_BYTES_LITERAL("the history of the workflow cannot be read");
    if (!run_read(again, &run)) return PAWL_E_CORRUPT;
    uint32_t event_id = change->event_id;
    pawl_err err = find_call(&run, event_id, &index, ret_message);
    if (err != PAWL_OK) return err;
    err = check_change(again, change, pawl_again_made_kind(run.events[index].kind), ret_message);
    if (err != PAWL_OK) return err;

    uint32_t turn = index;
    while (turn > 0 && run.events[turn].kind != PAWL_EVENT_WORKFLOW_STARTED) turn--;
    if (run.events[turn].kind != PAWL_EVENT_WORKFLOW_STARTED) return PAWL_E_CORRUPT;
    *ret_seed = (struct pawl_seed){ .has_change = change->change_input || change->child.size,
                                    .change_id = (int32_t)event_id,
                                    .change_input = change->change_input,
                                    .rerun_of = again->source,
                                    .input = change->input,
                                    .child = change->child };
    seed_cut(&run, turn, index, PAWL_BYTES_ABSENT, ret_seed);
    return ret_seed->events_count > 0 ? PAWL_OK : PAWL_E_CORRUPT;
}

/* Rewind ------------------------------------------------------------------------------------- */

/* True: what the code did, as opposed to its end. */
static bool is_done(enum pawl_event_kind kind)
{
    return pawl_again_made_kind(kind) || kind == PAWL_EVENT_EVENT_SENT
           || kind == PAWL_EVENT_DETACHED_CREATED || kind == PAWL_EVENT_TIMER_CANCELLED
           || kind == PAWL_EVENT_TASK_CANCELLED;
}

/* The beginning of the turn that the event is of; the count of events: of none. */
static uint32_t turn_of(const struct run *run, uint32_t index)
{
    for (uint32_t i = index + 1; i-- > 0;)
        if (run->events[i].kind == PAWL_EVENT_WORKFLOW_STARTED) return i;
    return run->again->events_count;
}

/* The turn before which it goes on. What the last turn did is done anew. */
static uint32_t rewind_turn(const struct run *run)
{
    uint32_t count = run->again->events_count;
    uint32_t last = turn_of(run, count - 1);
    uint32_t cut = last;
    for (uint32_t i = count; i-- > 0;) {
        if (i < last && is_done(run->events[i].kind)) break;
        if (is_failure(run->events[i].kind)) cut = turn_of(run, i);
    }
    return cut;
}

pawl_err pawl_again_rewind(const struct pawl_again *again, struct pawl_bytes rewound,
                           struct pawl_seed *ret_seed, struct pawl_bytes *ret_message)
{
    struct run run;
    *ret_message = PAWL_BYTES_LITERAL("the history of the workflow cannot be read");
    if (again->events_count == 0 || !run_read(again, &run)) return PAWL_E_CORRUPT;
    run.is_rewind = true;
    uint32_t turn = rewind_turn(&run);
    if (turn >= again->events_count) return PAWL_E_CORRUPT;

    *ret_seed = (struct pawl_seed){ .events = NULL };
    seed_cut(&run, turn, again->events_count, rewound, ret_seed);
    return PAWL_OK;
}

/* Import ------------------------------------------------------------------------------------- */

void pawl_again_import(const struct pawl_again *again, uint32_t waiting_count,
                       const struct pawl_bytes *waiting, bool goes_on, struct pawl_seed *ret_seed)
{
    struct run run;
    bool is_read = run_read(again, &run);
    PAWL_ASSERT(is_read); /* the caller has */
    run.is_import = true;
    uint32_t count = again->events_count;
    *ret_seed = (struct pawl_seed){ .past_count = count, .events_count = count + waiting_count };
    ret_seed->events = PAWL_ARENA_ARRAY(again->arena, struct pawl_bytes, count + waiting_count);
    for (uint32_t i = 0; i < count; i++) ret_seed->events[i] = copied(&run, i);
    for (uint32_t i = 0; i < waiting_count; i++) ret_seed->events[count + i] = waiting[i];
    if (goes_on) seed_reopen(&run, ret_seed);
}
