#include "actors/audit.h"

#include <inttypes.h>

#include "actors/envelope.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"
#include "state/keys.h"

#define ERROR PAWL_AUDIT_ERROR

/* Ids count the actions of a generation: no history has room for more. */
#define STEP_ID_MAX 1000000

/* Of what an app says about a timer; longer ones are not shown. */
#define NOTE_SIZE_MAX 1024u

/* One action of the workflow, by its id. */
struct step {
    char kind; /* 'a' 't' 'c'; 's': an event sent; 0: not scheduled */
    bool is_resolved;
    uint32_t index; /* of the event that scheduled it */
    int64_t since_ms;
    int64_t fire_at_ms;
    struct pawl_bytes name;
    struct pawl_bytes app;
    struct pawl_bytes instance;
    struct pawl_bytes note;        /* of a timer: more about what it is for */
    struct pawl_id task_execution; /* the same for each try of one activity */
};

/* A result in the inbox. */
struct arrival {
    uint32_t gen;
    uint64_t nonce;
};

struct pawl_instance_audit {
    struct pawl_arena arena; /* of one instance */
    struct pawl_metadata metadata;
    bool has_wake;
    int64_t wake_ms;
    uint32_t pending_count; /* as of the first page */
    struct pawl_stored_pending *pending;
    struct step *steps;
    uint32_t steps_count; /* ids below it may be in use */
    uint32_t steps_capacity;
    struct arrival *arrivals;
    uint32_t arrivals_count;
    uint32_t arrivals_capacity;
    int64_t first_arrival_ms;
    bool is_whole; /* nothing missing or unreadable so far */
    uint32_t started;
    bool is_completed;
    struct pawl_wait held; /* SUSPENDED or STALLED; kind 0: neither */
    struct pawl_wait *waits;
    uint32_t waits_count;
};

struct pawl_instance_audit *pawl_instance_audit_new(void)
{
    struct pawl_instance_audit *self = PAWL_NEW(struct pawl_instance_audit);
    pawl_arena_init(&self->arena);
    return self;
}

void pawl_instance_audit_free(struct pawl_instance_audit *self)
{
    if (!self) return;
    pawl_arena_deinit(&self->arena);
    pawl_mem_free(self->steps);
    pawl_mem_free(self->arrivals);
    pawl_mem_free(self);
}

static void begin(struct pawl_instance_audit *self, const struct pawl_stored_instance *stored)
{
    struct pawl_arena *arena = &self->arena;
    pawl_arena_reset(arena);
    if (self->steps_count) memset(self->steps, 0, self->steps_count * sizeof *self->steps);
    *self = (struct pawl_instance_audit){ .arena = *arena,
                                          .steps = self->steps,
                                          .steps_capacity = self->steps_capacity,
                                          .arrivals = self->arrivals,
                                          .arrivals_capacity = self->arrivals_capacity,
                                          .is_whole = true };
    self->metadata = stored->metadata;
    self->has_wake = stored->has_wake;
    self->wake_ms = stored->wake_ms;
    self->pending_count = stored->pending_count;
    self->pending = PAWL_ARENA_ARRAY(arena, struct pawl_stored_pending, stored->pending_count);
    for (uint32_t i = 0; i < stored->pending_count; i++) self->pending[i] = stored->pending[i];
}

/* History -------------------------------------------------------------------------------- */

/* Where this page is looked at. */
struct page {
    const struct pawl_audit *audit;
    struct pawl_bytes id;
    struct pawl_bytes subject; /* the row */
};

static struct step *step_of(struct pawl_instance_audit *self, uint32_t id)
{
    if (id >= self->steps_capacity) {
        uint32_t capacity = self->steps_capacity ? self->steps_capacity : 64;
        while (capacity <= id) capacity *= 2;
        self->steps = pawl_mem_resize(self->steps, capacity * sizeof *self->steps);
        memset(self->steps + self->steps_capacity, 0,
               (capacity - self->steps_capacity) * sizeof *self->steps);
        self->steps_capacity = capacity;
    }
    if (id >= self->steps_count) self->steps_count = id + 1;
    return &self->steps[id];
}

static struct pawl_bytes note_of(struct pawl_instance_audit *self,
                                 const struct pawl_history_event *event)
{
    if (event->kind != PAWL_EVENT_TIMER_CREATED || event->payload.size > NOTE_SIZE_MAX)
        return PAWL_BYTES_ABSENT;
    return pawl_arena_copy(&self->arena, event->payload);
}

static void scheduled(struct pawl_instance_audit *self, const struct page *page, char kind,
                      uint32_t index, const struct pawl_history_event *event)
{
    if (event->id < 0 || event->id > STEP_ID_MAX) {
        pawl_audit_find(page->audit, PAWL_AUDIT_ONCE, ERROR, page->id, page->subject,
                        "row %.*s schedules a step under the number %" PRId32 ", which cannot be",
                        PAWL_BYTES_FMT(page->subject), event->id);
        return;
    }
    struct step *step = step_of(self, (uint32_t)event->id);
    if (step->kind) {
        pawl_audit_find(page->audit, PAWL_AUDIT_ONCE, ERROR, page->id, page->subject,
                        "row %.*s schedules step %" PRId32 " again; row %" PRIu32 " did so before",
                        PAWL_BYTES_FMT(page->subject), event->id, step->index);
        return;
    }
    *step = (struct step){ .kind = kind,
                           .index = index,
                           .since_ms = event->timestamp_ms,
                           .fire_at_ms = event->fire_at_ms,
                           .name = pawl_arena_copy(&self->arena, event->name),
                           .app = pawl_arena_copy(&self->arena, event->target_app),
                           .instance = pawl_arena_copy(&self->arena, event->instance),
                           .note = note_of(self, event),
                           .task_execution = event->task_execution };
}

static void resolved(struct pawl_instance_audit *self, const struct page *page, char kind,
                     const struct pawl_history_event *event)
{
    struct step *step = NULL;
    if (event->ref >= 0 && (uint32_t)event->ref < self->steps_count)
        step = &self->steps[event->ref];
    if (!step || step->kind != kind) {
        if (self->is_whole) /* else its schedule may be what is missing */
            pawl_audit_find(page->audit, PAWL_AUDIT_ONCE, ERROR, page->id, page->subject,
                            "row %.*s is the result of step %" PRId32
                            ", which no row before it schedules",
                            PAWL_BYTES_FMT(page->subject), event->ref);
        return;
    }
    if (step->is_resolved)
        pawl_audit_find(page->audit, PAWL_AUDIT_ONCE, ERROR, page->id, page->subject,
                        "row %.*s is a second result of step %" PRId32,
                        PAWL_BYTES_FMT(page->subject), event->ref);
    if (event->kind == PAWL_EVENT_TIMER_FIRED && event->timestamp_ms < step->fire_at_ms)
        pawl_audit_find(page->audit, PAWL_AUDIT_MATCH, ERROR, page->id, page->subject,
                        "row %.*s fires a timer %" PRId64 " ms early",
                        PAWL_BYTES_FMT(page->subject), step->fire_at_ms - event->timestamp_ms);
    step->is_resolved = true;
}

static void hold(struct pawl_instance_audit *self, enum pawl_wait_kind kind,
                 const struct pawl_history_event *event)
{
    self->held = (struct pawl_wait){ .kind = kind,
                                     .since_ms = event->timestamp_ms,
                                     .name = pawl_arena_copy(&self->arena, event->name),
                                     .text = pawl_arena_copy(&self->arena, event->payload) };
}

static void history_event(struct pawl_instance_audit *self, const struct page *page, uint32_t index,
                          const struct pawl_history_event *event)
{
    if (self->is_completed)
        pawl_audit_find(page->audit, PAWL_AUDIT_ONCE, ERROR, page->id, page->subject,
                        "row %.*s follows the end of the workflow", PAWL_BYTES_FMT(page->subject));
    switch (event->kind) {
    case PAWL_EVENT_EXECUTION_STARTED:
        if (self->started++)
            pawl_audit_find(page->audit, PAWL_AUDIT_ONCE, ERROR, page->id, page->subject,
                            "row %.*s starts the workflow a second time",
                            PAWL_BYTES_FMT(page->subject));
        return;
    case PAWL_EVENT_EXECUTION_COMPLETED: self->is_completed = true; return;
    case PAWL_EVENT_TASK_SCHEDULED: scheduled(self, page, 'a', index, event); return;
    case PAWL_EVENT_TIMER_CREATED: scheduled(self, page, 't', index, event); return;
    case PAWL_EVENT_CHILD_CREATED: scheduled(self, page, 'c', index, event); return;
    case PAWL_EVENT_DETACHED_CREATED:
    case PAWL_EVENT_EVENT_SENT: scheduled(self, page, 's', index, event); return;
    case PAWL_EVENT_TASK_COMPLETED:
    case PAWL_EVENT_TASK_CANCELLED:
    case PAWL_EVENT_TASK_FAILED: resolved(self, page, 'a', event); return;
    case PAWL_EVENT_TIMER_FIRED:
    case PAWL_EVENT_TIMER_CANCELLED: resolved(self, page, 't', event); return;
    case PAWL_EVENT_CHILD_COMPLETED:
    case PAWL_EVENT_CHILD_FAILED: resolved(self, page, 'c', event); return;
    case PAWL_EVENT_EXECUTION_SUSPENDED: hold(self, PAWL_WAIT_SUSPENDED, event); return;
    case PAWL_EVENT_EXECUTION_STALLED: hold(self, PAWL_WAIT_STALLED, event); return;
    case PAWL_EVENT_EXECUTION_RESUMED: self->held = (struct pawl_wait){ .since_ms = 0 }; return;
    case PAWL_EVENT_EXECUTION_TERMINATED:
    case PAWL_EVENT_EXECUTION_REWOUND:
    case PAWL_EVENT_WORKFLOW_STARTED:
    case PAWL_EVENT_EVENT_RAISED:
    case PAWL_EVENT_CONTINUE_AS_NEW: return;
    }
}

static void history_page(struct pawl_instance_audit *self, struct page *page,
                         const struct pawl_stored_instance *stored)
{
    for (uint32_t i = 0; i < stored->history_count; i++) {
        uint32_t index = stored->history_from + i;
        struct pawl_history_event event;
        if (pawl_bytes_is_absent(stored->history[i])) { /* reported by state/audit.c */
            self->is_whole = false;
            continue;
        }
        page->subject = pawl_arena_printf(page->audit->arena, "history-%06" PRIu32, index);
        if (pawl_history_event_decode(stored->history[i], &event) == PAWL_OK) {
            history_event(self, page, index, &event);
            continue;
        }
        self->is_whole = false;
        pawl_audit_find(page->audit, PAWL_AUDIT_STRUCT, ERROR, page->id, page->subject,
                        "row %.*s of its history is no event", PAWL_BYTES_FMT(page->subject));
    }
}

/* Inbox ---------------------------------------------------------------------------------- */

static void arrival_add(struct pawl_instance_audit *self, const struct pawl_inbox_body *body)
{
    if (self->arrivals_count == self->arrivals_capacity) {
        self->arrivals_capacity = self->arrivals_capacity ? self->arrivals_capacity * 2 : 16;
        self->arrivals =
            pawl_mem_resize(self->arrivals, self->arrivals_capacity * sizeof *self->arrivals);
    }
    self->arrivals[self->arrivals_count++] =
        (struct arrival){ .gen = body->gen, .nonce = body->nonce };
}

static void inbox_page(struct pawl_instance_audit *self, struct page *page,
                       const struct pawl_stored_instance *stored)
{
    for (uint32_t i = 0; i < stored->inbox_count; i++) {
        const struct pawl_stored_inbox *inbox = &stored->inbox[i];
        struct pawl_inbox_body body;
        struct pawl_history_event event;
        if (inbox->is_missing || inbox->is_unreadable) {
            self->is_whole = false;
            continue;
        }
        if (pawl_inbox_body_unpack(inbox->row.body, &body) == PAWL_OK
            && pawl_history_event_decode(body.event, &event) == PAWL_OK) {
            if (body.gen) arrival_add(self, &body);
            if (!self->first_arrival_ms) self->first_arrival_ms = event.timestamp_ms;
            continue;
        }
        self->is_whole = false;
        page->subject = pawl_arena_printf(page->audit->arena, "inbox-%06" PRIu32, inbox->row.index);
        pawl_audit_find(page->audit, PAWL_AUDIT_STRUCT, ERROR, page->id, page->subject,
                        "row %.*s of its inbox is no event", PAWL_BYTES_FMT(page->subject));
    }
}

/* Match ---------------------------------------------------------------------------------- */

static bool has_arrived(const struct pawl_instance_audit *self, const struct pawl_pending *pending)
{
    for (uint32_t i = 0; i < self->arrivals_count; i++)
        if (self->arrivals[i].nonce == pending->nonce
            && self->arrivals[i].gen == self->metadata.gen)
            return true;
    return false;
}

static void check_pending(const struct pawl_instance_audit *self, const struct page *page,
                          const struct pawl_stored_pending *stored)
{
    const struct pawl_pending *pending = &stored->row;
    const struct step *step =
        pending->op.id < self->steps_count ? &self->steps[pending->op.id] : NULL;
    const char *wrong = NULL;
    if (!step || step->kind != pending->op.kind)
        wrong = "is pending, but no row of the history schedules it";
    else if (step->is_resolved)
        wrong = "is pending, but the history has its result";
    else if (step->index != pending->history_index)
        wrong = "points to another row of the history than the one that schedules it";
    else if (pending->state == PAWL_PENDING_DELIVERED && !has_arrived(self, pending))
        wrong = "is marked as delivered, but its result is not in the inbox";
    if (wrong)
        pawl_audit_find(page->audit, PAWL_AUDIT_MATCH, ERROR, page->id, stored->name,
                        "operation %.*s %s", PAWL_BYTES_FMT(stored->name), wrong);
}

static bool is_pending(const struct pawl_instance_audit *self, struct pawl_op op)
{
    /* In order of kind and id, the unreadable ones behind all others. */
    uint32_t low = 0, high = self->pending_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct pawl_stored_pending *at = &self->pending[middle];
        if (!at->is_unreadable && at->row.op.kind == op.kind && at->row.op.id == op.id) return true;
        bool is_before =
            !at->is_unreadable
            && (at->row.op.kind < op.kind || (at->row.op.kind == op.kind && at->row.op.id < op.id));
        if (is_before)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static void check_match(struct pawl_instance_audit *self, struct page *page)
{
    if (!self->is_whole || pawl_store_status_is_terminal(self->metadata.status)) return;
    for (uint32_t i = 0; i < self->pending_count; i++)
        if (!self->pending[i].is_unreadable) check_pending(self, page, &self->pending[i]);
    for (uint32_t id = 0; id < self->steps_count; id++) {
        const struct step *step = &self->steps[id];
        if (!step->kind || step->kind == 's' || step->is_resolved) continue;
        struct pawl_op op = { .kind = step->kind, .id = id };
        if (is_pending(self, op)) continue;
        page->subject = pawl_op_format(page->audit->arena, op);
        pawl_audit_find(page->audit, PAWL_AUDIT_MATCH, ERROR, page->id, page->subject,
                        "row %" PRIu32 " of the history schedules operation %.*s, which has no "
                        "result and is not pending",
                        step->index, PAWL_BYTES_FMT(page->subject));
    }
}

void pawl_instance_audit_page(struct pawl_instance_audit *self, const struct pawl_audit *audit,
                              struct pawl_bytes id, const struct pawl_stored_instance *stored,
                              bool is_first, bool is_last)
{
    struct page page = { .audit = audit, .id = id };
    if (is_first) {
        begin(self, stored);
        for (uint32_t i = 0; i < self->pending_count; i++)
            self->pending[i].name = pawl_arena_copy(&self->arena, self->pending[i].name);
    }
    history_page(self, &page, stored);
    inbox_page(self, &page, stored);
    if (is_last) check_match(self, &page);
}

/* Waits ---------------------------------------------------------------------------------- */

static struct pawl_wait *wait_add(struct pawl_instance_audit *self, enum pawl_wait_kind kind)
{
    struct pawl_wait *wait = &self->waits[self->waits_count++];
    wait->kind = kind;
    return wait;
}

static enum pawl_wait_kind timer_kind(const struct step *step)
{
    if (pawl_bytes_is_str(step->name, "retry")) return PAWL_WAIT_RETRY;
    if (pawl_bytes_is_str(step->name, "event time limit")) return PAWL_WAIT_EVENT;
    return PAWL_WAIT_TIMER;
}

/* Which try of its activity a step is; 0: not known. */
static uint32_t try_of(const struct pawl_instance_audit *self, uint32_t id)
{
    uint32_t tries = 1;
    if (pawl_id_is_zero(self->steps[id].task_execution)) return 0;
    for (uint32_t i = 0; i < id; i++)
        tries += pawl_id_is_equal(self->steps[i].task_execution, self->steps[id].task_execution);
    return tries;
}

static void pending_wait(struct pawl_instance_audit *self,
                         const struct pawl_stored_pending *pending)
{
    struct pawl_op op = pending->row.op;
    if (pending->is_unreadable || pending->row.state != PAWL_PENDING_OPEN) return;
    if (op.id >= self->steps_count || self->steps[op.id].kind != op.kind) return;
    const struct step *step = &self->steps[op.id];
    enum pawl_wait_kind kind = op.kind == 'a'   ? PAWL_WAIT_ACTIVITY
                               : op.kind == 'c' ? PAWL_WAIT_CHILD
                                                : timer_kind(step);
    struct pawl_wait *wait = wait_add(self, kind);
    wait->op = op;
    wait->nonce = pending->row.nonce;
    wait->since_ms = step->since_ms;
    wait->until_ms = op.kind == 't' ? step->fire_at_ms : 0;
    wait->name = step->name;
    wait->app = step->app;
    wait->instance = step->instance;
    wait->text = step->note;
    if (op.kind == 'a') wait->count = try_of(self, op.id);
}

uint32_t pawl_instance_audit_waits(struct pawl_instance_audit *self, int64_t now_ms,
                                   const struct pawl_wait **ret_waits)
{
    const struct pawl_metadata *metadata = &self->metadata;
    *ret_waits = self->waits =
        PAWL_ARENA_ARRAY(&self->arena, struct pawl_wait, self->pending_count + 3);
    self->waits_count = 0;
    if (pawl_store_status_is_terminal(metadata->status)) return 0;
    if (metadata->status == PAWL_STATUS_SUSPENDED || metadata->status == PAWL_STATUS_STALLED) {
        bool is_suspended = metadata->status == PAWL_STATUS_SUSPENDED;
        struct pawl_wait *wait =
            wait_add(self, is_suspended ? PAWL_WAIT_SUSPENDED : PAWL_WAIT_STALLED);
        enum pawl_wait_kind kind = wait->kind;
        if (self->held.kind == kind) *wait = self->held;
        if (wait->since_ms == 0) wait->since_ms = metadata->updated_ms;
        return self->waits_count; /* what else it waits for matters when it goes on */
    }
    uint32_t waiting = metadata->inbox_tail - metadata->inbox_head;
    if (metadata->start_at_ms > now_ms && metadata->turn == 0) {
        wait_add(self, PAWL_WAIT_START)->until_ms = metadata->start_at_ms;
        return self->waits_count;
    }
    if (waiting) {
        struct pawl_wait *wait = wait_add(self, PAWL_WAIT_TURN);
        wait->count = waiting;
        wait->since_ms = self->first_arrival_ms;
        if (metadata->start_at_ms > wait->since_ms) wait->since_ms = metadata->start_at_ms;
    }
    for (uint32_t i = 0; i < self->pending_count; i++) pending_wait(self, &self->pending[i]);
    if (self->waits_count == 0) wait_add(self, PAWL_WAIT_EVENT)->since_ms = metadata->updated_ms;
    return self->waits_count;
}

void pawl_message_audit(const struct pawl_audit *audit, const struct pawl_stored_message *stored)
{
    struct pawl_message_body body;
    char id[PAWL_ID_TEXT_SIZE];
    if (stored->is_unreadable || pawl_message_body_unpack(stored->row.body, &body) == PAWL_OK)
        return;
    pawl_id_format(stored->row.id, id);
    pawl_audit_find(audit, PAWL_AUDIT_STRUCT, ERROR, PAWL_BYTES_ABSENT,
                    pawl_arena_printf(audit->arena, "outbox %s", id),
                    "message %s of the outbox cannot be read", id);
}
