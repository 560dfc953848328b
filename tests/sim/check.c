/* Checks: global observers with perfect knowledge of the store. */
#include <stdio.h>

#include "actors/envelope.h"
#include "base/hash.h"
#include "base/map.h"
#include "sdk/schedule.h"
#include "state/keys.h"
#include "tests/sim/sim.h"
#include "tests/sim/starts.h"

#define IDS_MAX 256

/* What the events so far allow to follow. */
struct grammar {
    uint8_t scheduled[IDS_MAX], resolved[IDS_MAX];
    int64_t fire_at_ms[IDS_MAX];
    int64_t last_raised;
    uint32_t started, completed;
};

/* What was seen of one instance's history, to see that it only grows. */
struct shadow {
    struct pawl_bytes instance; /* owned */
    uint32_t partition;
    struct pawl_id inc;
    uint32_t gen;
    uint32_t count;
    uint64_t *hashes; /* of each event */
    struct grammar grammar;
    uint32_t capacity;
    bool was_removed; /* purged or replaced, once at least */
    bool was_rewound;
    struct pawl_bytes removed; /* owned: request id that starts nothing any more */
    struct logged {            /* what somebody knows who reads nothing but the change log */
        bool is_known;         /* false: nothing yet, or the log has lost its end */
        bool is_there;
        bool has_custom; /* custom_hash counts: it was not too large */
        struct pawl_id inc;
        uint32_t gen;
        uint32_t turn;
        enum pawl_status status;
        uint64_t custom_hash;
    } logged;
};

struct sim_check {
    struct pawl_mem *mems[SIM_APPS];
    struct pawl_map shadows;
    struct sim_starts *starts;
    struct owner {
        struct pawl_id nonce; /* of the last acquire */
        uint64_t table_version;
    } owners[SIM_APPS][SIM_PARTITIONS];
    uint64_t changes_read[SIM_APPS][SIM_PARTITIONS]; /* number of the last entry */
};

const char *sim_app_name(uint32_t app)
{
    return app == 0 ? "a" : "b";
}

uint32_t sim_app_of(struct pawl_bytes instance)
{
    struct pawl_bytes schedule = pawl_schedule_id(instance);
    if (!pawl_bytes_is_absent(schedule)) instance = schedule;
    PAWL_ASSERT(instance.size > 0 && (instance.data[0] == 'a' || instance.data[0] == 'b'));
    return instance.data[0] == 'a' ? 0 : 1;
}

struct sim_check *sim_check_new(struct pawl_mem *const mems[SIM_APPS])
{
    struct sim_check *check = PAWL_NEW(struct sim_check);
    memcpy(check->mems, mems, sizeof check->mems);
    pawl_map_init(&check->shadows, 1);
    check->starts = sim_starts_new();
    return check;
}

void sim_check_free(struct sim_check *check)
{
    uint32_t cursor = 0;
    for (struct shadow *shadow; (shadow = pawl_map_next(&check->shadows, &cursor)) != NULL;) {
        pawl_mem_free((void *)(uintptr_t)shadow->instance.data);
        pawl_mem_free((void *)(uintptr_t)shadow->removed.data);
        pawl_mem_free(shadow->hashes);
        pawl_mem_free(shadow);
    }
    pawl_map_deinit(&check->shadows);
    sim_starts_free(check->starts);
    pawl_mem_free(check);
}

static struct shadow *shadow_of(struct sim_check *check, struct pawl_bytes instance)
{
    struct shadow *shadow = pawl_map_find(&check->shadows, instance);
    if (shadow) return shadow;
    shadow = PAWL_NEW(struct shadow);
    uint8_t *copy = pawl_mem_alloc(instance.size);
    memcpy(copy, instance.data, instance.size);
    shadow->instance = pawl_bytes_make(copy, instance.size);
    shadow->partition = pawl_hash_partition(instance, SIM_PARTITIONS);
    pawl_map_insert(&check->shadows, shadow->instance, shadow);
    return shadow;
}

static pawl_err check_load(struct sim_check *check, struct pawl_bytes instance, uint32_t want,
                           struct pawl_arena *arena, struct pawl_snapshot *ret_snapshot)
{
    struct pawl_store_request request = { .op = PAWL_STORE_LOAD,
                                          .partition = shadow_of(check, instance)->partition };
    struct pawl_store_reply reply;
    request.load = (struct pawl_load){ .instance = instance,
                                       .want = want,
                                       .history_max = UINT32_MAX,
                                       .history_size_max = UINT32_MAX };
    pawl_mem_store_apply(check->mems[sim_app_of(instance)], &request, arena, &reply);
    if (reply.err == PAWL_OK) *ret_snapshot = reply.load.snapshot;
    return reply.err;
}

/* Grammar of a history: scheduled once, resolved at most once and afterwards, timers
 * never early, external events in order. */
static void check_event(struct grammar *grammar, const struct pawl_history_event *event)
{
    PAWL_ASSERT(grammar->completed == 0); /* nothing follows the end */
    switch (event->kind) {
    case PAWL_EVENT_EXECUTION_STARTED: grammar->started++; break;
    case PAWL_EVENT_EXECUTION_COMPLETED: grammar->completed++; break;
    case PAWL_EVENT_TASK_SCHEDULED:
    case PAWL_EVENT_CHILD_CREATED:
    case PAWL_EVENT_DETACHED_CREATED:
    case PAWL_EVENT_EVENT_SENT:
    case PAWL_EVENT_TIMER_CREATED:
        PAWL_ASSERT(event->id >= 0 && event->id < IDS_MAX);
        PAWL_ASSERT(!grammar->scheduled[event->id]); /* each fact once */
        grammar->scheduled[event->id] = 1;
        grammar->fire_at_ms[event->id] = event->fire_at_ms;
        break;
    case PAWL_EVENT_TASK_COMPLETED:
    case PAWL_EVENT_TASK_FAILED:
    case PAWL_EVENT_CHILD_COMPLETED:
    case PAWL_EVENT_CHILD_FAILED:
    case PAWL_EVENT_TASK_CANCELLED:
    case PAWL_EVENT_TIMER_CANCELLED:
    case PAWL_EVENT_TIMER_FIRED:
        PAWL_ASSERT(event->ref >= 0 && event->ref < IDS_MAX);
        PAWL_ASSERT(grammar->scheduled[event->ref]); /* a result answers a schedule */
        PAWL_ASSERT(!grammar->resolved[event->ref]); /* at most once */
        grammar->resolved[event->ref] = 1;
        if (event->kind == PAWL_EVENT_TIMER_FIRED)
            PAWL_ASSERT(event->timestamp_ms >= grammar->fire_at_ms[event->ref]);
        break;
    case PAWL_EVENT_EVENT_RAISED: {
        int64_t value = 0;
        if (pawl_bytes_is_str(event->name, SIM_TELL)) break; /* see program.c */
        for (size_t k = 0; k < event->payload.size; k++)
            value = value * 10 + (event->payload.data[k] - '0');
        PAWL_ASSERT(value > grammar->last_raised);
        grammar->last_raised = value;
        break;
    }
    default: break;
    }
    PAWL_ASSERT(grammar->started <= 1);
}

/* The events from `from` on; those before are what they were. */
static void check_history(struct grammar *grammar, const struct pawl_snapshot *snapshot,
                          uint32_t from)
{
    if (from == 0) *grammar = (struct grammar){ .last_raised = -1 };
    for (uint32_t i = from; i < snapshot->history_count; i++) {
        struct pawl_history_event event;
        pawl_err err = pawl_history_event_decode(snapshot->history[i], &event);
        PAWL_ASSERT(err == PAWL_OK);
        check_event(grammar, &event);
    }
}

static void check_growth(struct shadow *shadow, const struct pawl_snapshot *snapshot)
{
    bool is_same = pawl_id_is_equal(shadow->inc, snapshot->metadata.inc)
                   && shadow->gen == snapshot->metadata.gen;
    if (!is_same) {
        shadow->inc = snapshot->metadata.inc;
        shadow->gen = snapshot->metadata.gen;
        shadow->count = 0;
    }
    PAWL_ASSERT(snapshot->history_count == snapshot->metadata.history_count);
    PAWL_ASSERT(snapshot->history_count >= shadow->count); /* histories only grow */
    if (snapshot->history_count > shadow->capacity) {
        shadow->capacity = snapshot->history_count * 2;
        shadow->hashes = pawl_mem_resize(shadow->hashes, shadow->capacity * sizeof(uint64_t));
    }
    static const uint8_t key[16] = { 0 }; /* any: nobody else sees the hashes */
    for (uint32_t i = 0; i < snapshot->history_count; i++) {
        uint64_t hash = pawl_hash_keyed(key, snapshot->history[i]);
        if (i < shadow->count) PAWL_ASSERT(hash == shadow->hashes[i]); /* and never change */
        shadow->hashes[i] = hash;
    }
    check_history(&shadow->grammar, snapshot, shadow->count);
    shadow->count = snapshot->history_count;
}

/* No other program of the simulator fails, so the engine must have said it. It stalls when the
 * right code is not there, or for its workers' sake, and for nothing else. */
static void check_failure(const struct pawl_commit *commit)
{
    struct pawl_failure_view failure = { .present = false };
    if (commit->payloads.failure.size == 0) return;
    pawl_err err = pawl_failure_decode(commit->payloads.failure, &failure);
    PAWL_ASSERT(err == PAWL_OK);
    bool is_known = pawl_bytes_is_str(failure.type, "NonDeterminism")
                    || pawl_bytes_is_str(failure.type, "VersionNotAvailable")
                    || pawl_bytes_is_str(failure.type, "WorkerLost"); /* see operator.c */
    if (commit->status == PAWL_STATUS_STALLED && is_known) return;
    if (commit->status == PAWL_STATUS_FAILED && pawl_bytes_is_str(failure.type, SIM_BROKEN)) return;
    fprintf(stderr, "instance %.*s: %.*s: %.*s\n", PAWL_BYTES_FMT(commit->instance),
            PAWL_BYTES_FMT(failure.type), PAWL_BYTES_FMT(failure.message));
    PAWL_ASSERT(!failure.present);
}

static void check_removal(struct sim_check *check, const struct pawl_store_request *request,
                          const struct pawl_store_reply *reply)
{
    if (reply->err != PAWL_OK) return;
    if (request->op == PAWL_STORE_PURGE)
        shadow_of(check, request->purge.instance)->was_removed = true;
    if (request->op != PAWL_STORE_CREATE) return;
    struct shadow *shadow = shadow_of(check, request->create.instance);
    if (reply->create.metadata.gen > 1) shadow->was_removed = true;
    PAWL_ASSERT(shadow->removed.size == 0
                || !pawl_bytes_is_equal(request->create.request_id, shadow->removed));
}

/* Its history begins anew, and what is on its way may be of before. */
static void check_rewind(struct sim_check *check, const struct pawl_store_request *request,
                         const struct pawl_store_reply *reply)
{
    if (request->op != PAWL_STORE_DELIVER || reply->err != PAWL_OK) return;
    if (pawl_id_is_zero(request->deliver.rewind)) return;
    struct shadow *shadow = shadow_of(check, request->deliver.instance);
    shadow->count = 0;
    shadow->was_rewound = true;
}

void sim_check_removed(struct sim_check *check, struct pawl_bytes instance,
                       struct pawl_bytes request_id)
{
    struct shadow *shadow = shadow_of(check, instance);
    if (shadow->removed.size) return;
    uint8_t *copy = pawl_mem_alloc(request_id.size);
    memcpy(copy, request_id.data, request_id.size);
    shadow->removed = pawl_bytes_make(copy, request_id.size);
}

/* The change log ---------------------------------------------------------------------------- */

static void change_take(struct sim_check *check, const struct pawl_change *change)
{
    struct logged *logged = &shadow_of(check, change->instance)->logged;
    bool is_new = (change->what & PAWL_CHANGE_CREATED) != 0;
    if (logged->is_known && logged->is_there && !is_new) {
        PAWL_ASSERT(pawl_id_is_equal(logged->inc, change->inc));
        bool is_rewind = logged->status == PAWL_STATUS_FAILED && change->turn == logged->turn;
        PAWL_ASSERT(change->turn > logged->turn || change->what == PAWL_CHANGE_PURGED || is_rewind);
        bool is_other = change->status != logged->status;
        PAWL_ASSERT(is_other == ((change->what & PAWL_CHANGE_STATUS) != 0));
    }
    if (logged->is_known && !logged->is_there) PAWL_ASSERT(is_new);
    if (is_new) {
        logged->is_known = true;
        logged->has_custom = true;
        logged->custom_hash = pawl_hash_stable(PAWL_BYTES_ABSENT);
    }
    logged->is_there = (change->what & PAWL_CHANGE_PURGED) == 0;
    logged->inc = change->inc;
    logged->gen = change->gen;
    logged->turn = change->turn;
    logged->status = change->status;
    if (!(change->what & PAWL_CHANGE_CUSTOM_STATUS)) return;
    logged->has_custom = (change->what & PAWL_CHANGE_CUSTOM_OMITTED) == 0;
    logged->custom_hash = pawl_hash_stable(change->custom_status);
}

static void changes_follow(struct sim_check *check, uint32_t app, uint32_t partition,
                           struct pawl_arena *arena)
{
    uint64_t *read = &check->changes_read[app][partition];
    struct pawl_store_request request = { .op = PAWL_STORE_CHANGES, .partition = partition };
    struct pawl_store_reply reply;
    request.changes = (struct pawl_changes){ *read, UINT32_MAX, PAWL_CHANGES_MAX };
    pawl_mem_store_apply(check->mems[app], &request, arena, &reply);
    PAWL_ASSERT(reply.changes.last >= *read);
    for (uint32_t i = 0; i < reply.changes.count; i++) {
        PAWL_ASSERT(reply.changes.items[i].number == *read + 1); /* without a gap */
        change_take(check, &reply.changes.items[i]);
        *read = reply.changes.items[i].number;
    }
    PAWL_ASSERT(*read == reply.changes.last);
}

/* Whoever follows the log knows what is stored. */
static void check_logged(struct sim_check *check, uint32_t app,
                         const struct pawl_store_request *request)
{
    struct pawl_bytes instance = PAWL_BYTES_ABSENT;
    switch (request->op) {
    case PAWL_STORE_CREATE: instance = request->create.instance; break;
    case PAWL_STORE_COMMIT: instance = request->commit.instance; break;
    case PAWL_STORE_PURGE: instance = request->purge.instance; break;
    case PAWL_STORE_DELIVER: instance = request->deliver.instance; break;
    default: return;
    }
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    changes_follow(check, app, request->partition, &arena);
    const struct logged *logged = &shadow_of(check, instance)->logged;
    struct pawl_snapshot snapshot;
    bool is_there = check_load(check, instance, 0, &arena, &snapshot) == PAWL_OK;
    if (logged->is_known) PAWL_ASSERT(logged->is_there == is_there);
    if (logged->is_known && is_there) {
        PAWL_ASSERT(logged->status == snapshot.metadata.status);
        PAWL_ASSERT(logged->gen == snapshot.metadata.gen);
        PAWL_ASSERT(pawl_id_is_equal(logged->inc, snapshot.metadata.inc));
        if (logged->has_custom)
            PAWL_ASSERT(logged->custom_hash == pawl_hash_stable(snapshot.custom_status));
    }
    pawl_arena_deinit(&arena);
}

void sim_check_applied(struct sim_check *check, uint32_t app,
                       const struct pawl_store_request *request,
                       const struct pawl_store_reply *reply)
{
    struct owner *owner = &check->owners[app][request->partition];
    if (request->op == PAWL_STORE_ACQUIRE && reply->err == PAWL_OK) {
        bool is_again = pawl_id_is_equal(owner->nonce, request->acquire.nonce);
        /* Nobody takes a partition on the strength of an older list. */
        PAWL_ASSERT(is_again || request->acquire.table_version >= owner->table_version);
        *owner = (struct owner){ request->acquire.nonce, request->acquire.table_version };
    }
    sim_starts_on_applied(check->starts, request, reply);
    check_removal(check, request, reply);
    check_rewind(check, request, reply);
    if (reply->err == PAWL_OK) check_logged(check, app, request);
    if (request->op != PAWL_STORE_COMMIT || reply->err != PAWL_OK) return;
    /* After an acquire no commit of an earlier owner is accepted. */
    PAWL_ASSERT(pawl_id_is_equal(request->commit.fence.nonce, owner->nonce));
    check_failure(&request->commit);
    struct pawl_arena arena;
    struct pawl_snapshot snapshot;
    pawl_arena_init(&arena);
    pawl_err err =
        check_load(check, request->commit.instance, PAWL_LOAD_HISTORY, &arena, &snapshot);
    PAWL_ASSERT(err == PAWL_OK);
    check_growth(shadow_of(check, request->commit.instance), &snapshot);
    pawl_arena_deinit(&arena);
}

static bool is_in(uint32_t partitions, uint32_t partition)
{
    return (partitions >> partition & 1u) != 0;
}

/* The store's replica has taken over without the tail of what was written: nothing of
 * that was answered, so nobody has seen it. Histories grow from where they are now. */
void sim_check_failed_over(struct sim_check *check, uint32_t app, uint32_t partitions,
                           struct pawl_mem *mem)
{
    check->mems[app] = mem;
    for (uint32_t i = 0; i < SIM_PARTITIONS; i++)
        if (is_in(partitions, i)) check->owners[app][i] = (struct owner){ .table_version = 0 };
    sim_starts_forget(check->starts, app);
    uint32_t cursor = 0;
    for (struct shadow *shadow; (shadow = pawl_map_next(&check->shadows, &cursor)) != NULL;) {
        if (sim_app_of(shadow->instance) != app) continue;
        if (!is_in(partitions, pawl_hash_partition(shadow->instance, SIM_PARTITIONS))) continue;
        shadow->count = 0;
        shadow->logged.is_known = false;
    }
    for (uint32_t partition = 0; partition < SIM_PARTITIONS; partition++) {
        struct pawl_store_request request = { .op = PAWL_STORE_CHANGES, .partition = partition };
        struct pawl_store_reply reply;
        struct pawl_arena arena;
        if (!is_in(partitions, partition)) continue;
        pawl_arena_init(&arena);
        pawl_mem_store_apply(mem, &request, &arena, &reply);
        check->changes_read[app][partition] = reply.changes.last;
        pawl_arena_deinit(&arena);
    }
}

void sim_check_owner(struct sim_check *check, uint32_t app,
                     const struct pawl_store_request *request, const struct pawl_store_reply *reply)
{
    if (request->op == PAWL_STORE_ACQUIRE && reply->err == PAWL_OK)
        check->owners[app][request->partition] =
            (struct owner){ request->acquire.nonce, request->acquire.table_version };
}

void sim_check_activity(struct sim_check *check, const struct pawl_activity_item *item)
{
    struct pawl_arena arena;
    struct pawl_snapshot snapshot;
    const struct shadow *shadow = shadow_of(check, item->instance);
    if (shadow->was_removed || shadow->was_rewound) return; /* perhaps nobody waits for it */
    pawl_arena_init(&arena);
    pawl_err err = check_load(check, item->instance, PAWL_LOAD_HISTORY, &arena, &snapshot);
    PAWL_ASSERT(err == PAWL_OK);
    bool is_stored = snapshot.metadata.gen > 1; /* an older generation's rows are gone */
    for (uint32_t i = 0; i < snapshot.history_count && !is_stored; i++) {
        struct pawl_history_event event;
        err = pawl_history_event_decode(snapshot.history[i], &event);
        PAWL_ASSERT(err == PAWL_OK);
        is_stored = event.kind == PAWL_EVENT_TASK_SCHEDULED && event.id == item->id
                    && pawl_bytes_is_equal(event.payload, item->payload);
    }
    PAWL_ASSERT(is_stored); /* what is sent has been committed */
    pawl_arena_deinit(&arena);
}

/* Messages --------------------------------------------------------------------------------- */

static bool is_open(struct sim_check *check, const struct pawl_parent *parent,
                    struct pawl_arena *arena)
{
    struct pawl_snapshot snapshot;
    if (check_load(check, parent->instance, PAWL_LOAD_PENDING, arena, &snapshot) != PAWL_OK)
        return false;
    for (uint32_t i = 0; i < snapshot.pending_count; i++)
        if (snapshot.pending[i].nonce == parent->nonce)
            return snapshot.pending[i].state == PAWL_PENDING_OPEN;
    return false;
}

static bool is_in_outbox(struct sim_check *check, struct pawl_bytes sender,
                         enum pawl_message_kind kind, uint64_t nonce, struct pawl_arena *arena)
{
    struct pawl_message_row *rows;
    uint32_t partition = pawl_hash_partition(sender, SIM_PARTITIONS);
    uint32_t count =
        pawl_mem_store_outbox(check->mems[sim_app_of(sender)], partition, arena, &rows);
    for (uint32_t i = 0; i < count; i++) {
        struct pawl_message_body body;
        pawl_err err = pawl_message_body_unpack(rows[i].body, &body);
        PAWL_ASSERT(err == PAWL_OK);
        if (body.kind == kind && body.parent.nonce == nonce) return true;
    }
    return false;
}

static void check_given_up(struct sim_check *check, const struct pawl_message_body *body,
                           struct pawl_arena *arena)
{
    struct pawl_snapshot snapshot;
    if (body->kind == PAWL_MESSAGE_CHILD_DONE)
        PAWL_ASSERT(!is_open(check, &body->parent, arena)); /* the parent has the result */
    if (body->kind == PAWL_MESSAGE_START_CHILD && is_open(check, &body->parent, arena))
        PAWL_ASSERT(check_load(check, body->instance, 0, arena, &snapshot) == PAWL_OK);
    if (body->kind == PAWL_MESSAGE_START_DETACHED)
        PAWL_ASSERT(check_load(check, body->instance, 0, arena, &snapshot) == PAWL_OK);
}

void sim_check_applying(struct sim_check *check, uint32_t app,
                        const struct pawl_store_request *request)
{
    if (request->op != PAWL_STORE_OUTDONE) return;
    struct pawl_arena arena;
    struct pawl_message_row *rows;
    pawl_arena_init(&arena);
    uint32_t count = pawl_mem_store_outbox(check->mems[app], request->partition, &arena, &rows);
    for (uint32_t i = 0; i < count; i++) {
        bool is_named = false;
        for (uint32_t k = 0; k < request->outdone.ids_count; k++)
            is_named = is_named || pawl_id_is_equal(rows[i].id, request->outdone.ids[k]);
        if (!is_named) continue;
        struct pawl_message_body body;
        pawl_err err = pawl_message_body_unpack(rows[i].body, &body);
        PAWL_ASSERT(err == PAWL_OK);
        check_given_up(check, &body, &arena);
    }
    pawl_arena_deinit(&arena);
}

/* Wake ------------------------------------------------------------------------------------- */

static bool has_reminder(uint32_t count, const struct pawl_reminder *reminders,
                         enum pawl_reminder_kind kind, struct pawl_op op, uint64_t nonce)
{
    for (uint32_t i = 0; i < count; i++) {
        if (reminders[i].kind != kind) continue;
        if (kind == PAWL_REMINDER_WAKE) return true;
        if (reminders[i].op.id == op.id && reminders[i].nonce == nonce) return true;
    }
    return false;
}

/* Somebody will answer an open child operation: the message that starts the child is
 * stored, or the child runs, or its result is on its way. */
static void check_child_op(struct sim_check *check, struct pawl_bytes parent,
                           const struct pawl_pending *pending)
{
    struct pawl_arena arena;
    struct pawl_history_event created;
    struct pawl_snapshot child;
    pawl_arena_init(&arena);
    pawl_err err = pawl_history_event_decode(pending->event, &created);
    PAWL_ASSERT(err == PAWL_OK);
    bool is_there = check_load(check, created.instance, 0, &arena, &child) == PAWL_OK;
    bool is_asked = is_in_outbox(check, parent, PAWL_MESSAGE_START_CHILD, pending->nonce, &arena);
    PAWL_ASSERT(is_there || is_asked);
    /* One that has ended and is asked for again is to be rewound, or tells again. A call that was
     * reopened may have to ask twice, by its reminder: a copy of the one before it came late. */
    bool may_ask_again = is_asked || created.rewound;
    if (is_there && pawl_status_is_terminal(child.metadata.status) && !may_ask_again)
        PAWL_ASSERT(
            is_in_outbox(check, created.instance, PAWL_MESSAGE_CHILD_DONE, pending->nonce, &arena));
    pawl_arena_deinit(&arena);
}

/* A schedule that has something to come has the row that will bring it back. */
static void check_schedule(const struct pawl_snapshot *snapshot, uint32_t reminders_count,
                           const struct pawl_reminder *reminders)
{
    struct pawl_schedule_state state;
    struct pawl_op none = { 0, 0 };
    if (!pawl_bytes_is_str(snapshot->metadata.name, PAWL_SCHEDULE_NAME)) return;
    PAWL_ASSERT(snapshot->metadata.status == PAWL_STATUS_PENDING
                || snapshot->metadata.status == PAWL_STATUS_RUNNING);
    if (snapshot->metadata.status == PAWL_STATUS_PENDING) return;
    pawl_err err = pawl_schedule_state_unpack(snapshot->custom_status, &state);
    PAWL_ASSERT(err == PAWL_OK);
    bool is_due = state.next_ms != 0 || state.starting.time_ms != 0 || state.buffered.time_ms != 0
                  || state.triggered_count > 0;
    if (is_due) PAWL_ASSERT(has_reminder(reminders_count, reminders, PAWL_REMINDER_WAKE, none, 0));
}

static void wake_visit(void *context, uint32_t partition, struct pawl_bytes instance,
                       const struct pawl_snapshot *snapshot, uint32_t reminders_count,
                       const struct pawl_reminder *reminders)
{
    (void)partition;
    struct pawl_op none = { 0, 0 };
    const struct pawl_metadata *metadata = &snapshot->metadata;
    PAWL_ASSERT(metadata->inbox_tail - metadata->inbox_head == snapshot->inbox_count);
    if (pawl_status_is_terminal(metadata->status)) {
        PAWL_ASSERT(snapshot->inbox_count == 0);
        PAWL_ASSERT(snapshot->pending_count == 0);
        PAWL_ASSERT(reminders_count == 0);
        return;
    }
    check_schedule(snapshot, reminders_count, reminders);
    if (snapshot->inbox_count > 0)
        PAWL_ASSERT(has_reminder(reminders_count, reminders, PAWL_REMINDER_WAKE, none, 0));
    for (uint32_t i = 0; i < snapshot->pending_count; i++) {
        const struct pawl_pending *pending = &snapshot->pending[i];
        if (pending->state != PAWL_PENDING_OPEN) continue;
        enum pawl_reminder_kind kind = pending->op.kind == 'a'
                                           ? PAWL_REMINDER_WAKE
                                           : (enum pawl_reminder_kind)pending->op.kind;
        PAWL_ASSERT(has_reminder(reminders_count, reminders, kind, pending->op, pending->nonce));
        if (pending->op.kind == 'c') check_child_op(context, instance, pending);
    }
}

void sim_check_wake(struct sim_check *check)
{
    for (uint32_t app = 0; app < SIM_APPS; app++)
        pawl_mem_store_visit(check->mems[app], PAWL_LOAD_PENDING | PAWL_LOAD_INBOX, wake_visit,
                             check);
}

void sim_check_acknowledged(struct sim_check *check, struct pawl_bytes instance,
                            uint32_t events_acknowledged)
{
    struct pawl_arena arena;
    struct pawl_snapshot snapshot;
    (void)events_acknowledged;
    pawl_arena_init(&arena);
    pawl_err err = check_load(check, instance, 0, &arena, &snapshot);
    PAWL_ASSERT(err == PAWL_OK); /* an acknowledged start exists for ever after */
    pawl_arena_deinit(&arena);
}

/* End --------------------------------------------------------------------------------------- */

struct unfinished {
    struct pawl_arena *arena;
    struct pawl_bytes why;
};

static void finished_visit(void *context, uint32_t partition, struct pawl_bytes instance,
                           const struct pawl_snapshot *snapshot, uint32_t reminders_count,
                           const struct pawl_reminder *reminders)
{
    struct unfinished *unfinished = context;
    (void)reminders;
    if (pawl_status_is_terminal(snapshot->metadata.status)) return;
    unfinished->why = pawl_arena_printf(
        unfinished->arena,
        "instance %.*s (partition %u) is %s: %u in its inbox, %u pending, %u reminders, %u events",
        PAWL_BYTES_FMT(instance), partition, pawl_status_name((int)snapshot->metadata.status),
        snapshot->inbox_count, snapshot->pending_count, reminders_count,
        snapshot->metadata.history_count);
}

static void finished_app(struct pawl_mem *mem, struct unfinished *unfinished)
{
    pawl_mem_store_visit(mem, PAWL_LOAD_PENDING | PAWL_LOAD_INBOX, finished_visit, unfinished);
    for (uint32_t i = 0; i < SIM_PARTITIONS && unfinished->why.size == 0; i++) {
        struct pawl_message_row *rows;
        uint32_t count = pawl_mem_store_outbox(mem, i, unfinished->arena, &rows);
        struct pawl_message_body body;
        if (count && pawl_message_body_unpack(rows[0].body, &body) == PAWL_OK)
            unfinished->why = pawl_arena_printf(
                unfinished->arena,
                "%u messages left in the outbox of partition %u, the first of kind %d to %.*s "
                "(parent %.*s)",
                count, i, (int)body.kind, PAWL_BYTES_FMT(body.instance),
                PAWL_BYTES_FMT(body.parent.instance));
    }
}

bool sim_check_is_finished(struct sim_check *check, struct pawl_arena *arena,
                           struct pawl_bytes *ret_why)
{
    struct unfinished unfinished = { .arena = arena };
    for (uint32_t app = 0; app < SIM_APPS && unfinished.why.size == 0; app++)
        finished_app(check->mems[app], &unfinished);
    *ret_why = unfinished.why;
    return unfinished.why.size == 0;
}
