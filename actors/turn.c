#include "actors/turn.h"

#include "actors/again.h"
#include "actors/attempts.h"
#include "actors/directory.h"
#include "actors/envelope.h"
#include "actors/seed.h"
#include "actors/turn_children.h"
#include "actors/workflow.h"
#include "actors/workflow_state.h"
#include "base/hash.h"
#include "base/mutant.h"

/* Growing arrays in the turn's arena ------------------------------------------------ */

static void *turn_grow(struct pawl_turn_draft *turn, void *items, uint32_t count,
                       uint32_t *capacity, size_t item_size)
{
    if (count < *capacity) return items;
    uint32_t wanted = *capacity ? *capacity * 2 : 8;
    void *grown = pawl_arena_alloc(&turn->call->arena, wanted * item_size);
    if (count) memcpy(grown, items, count * item_size);
    *capacity = wanted;
    return grown;
}

#define TURN_PUSH(turn, field)                                                    \
    ((turn)->field = turn_grow((turn), (turn)->field, (turn)->field##_count,      \
                               &(turn)->field##_capacity, sizeof *(turn)->field), \
     &(turn)->field[(turn)->field##_count++])

static void turn_add_packed(struct pawl_turn_draft *turn, struct pawl_bytes event)
{
    *TURN_PUSH(turn, events) = event;
    turn->events_size += event.size;
}

void pawl_turn_add_event(struct pawl_turn_draft *turn, const struct pawl_history_event *event)
{
    turn_add_packed(turn, pawl_history_event_pack(&turn->call->arena, event));
}

struct pawl_turn_draft *pawl_turn_new(struct pawl_node *node, struct pawl_workflow *workflow,
                                      pawl_call_on_reply *on_committed)
{
    struct pawl_call *call =
        pawl_call_new(node, PAWL_STORE_COMMIT, workflow->partition->index, on_committed);
    struct pawl_turn_draft *turn = PAWL_ARENA_NEW(&call->arena, struct pawl_turn_draft);
    call->context = turn;
    call->instance = pawl_arena_copy(&call->arena, workflow->id);
    turn->call = call;
    turn->id = pawl_rng_id(&node->rng);
    turn->nth = workflow->metadata.turn + 1;
    turn->now_ms = node->now_ms;
    turn->status = workflow->metadata.status;
    turn->inbox_consumed = workflow->metadata.inbox_head;
    pawl_list_init(&turn->controls);
    return turn;
}

static void turn_untake(struct pawl_workflow *workflow)
{
    for (uint32_t i = 0; i < workflow->ops_count; i++) workflow->ops[i].taken = false;
}

void pawl_turn_drop(struct pawl_node *node, struct pawl_turn_draft *turn)
{
    PAWL_ASSERT(pawl_list_is_empty(&turn->controls));
    pawl_call_drop(node, turn->call);
}

/* Without placement there are no other apps to reach. */
static bool turn_is_refused(const struct pawl_node *node, struct pawl_bytes app)
{
    return !node->config.placed && !pawl_directory_is_own_app(node, app);
}

/* Inputs ------------------------------------------------------------------------------ */

static char input_op_kind(enum pawl_event_kind kind)
{
    switch (kind) {
    case PAWL_EVENT_TASK_COMPLETED:
    case PAWL_EVENT_TASK_FAILED: return 'a';
    case PAWL_EVENT_CHILD_COMPLETED:
    case PAWL_EVENT_CHILD_FAILED: return 'c';
    case PAWL_EVENT_TIMER_FIRED: return 't';
    default: return 0;
    }
}

static void turn_resolve(struct pawl_turn_draft *turn, struct pawl_pending_op *op)
{
    op->taken = true;
    *TURN_PUSH(turn, resolved) = op->op;
}

/* A result counts only when its operation is pending in this generation with this
 * nonce, and has not been resolved by another copy in the same turn. */
static bool turn_take_result(struct pawl_workflow *workflow, struct pawl_turn_draft *turn,
                             const struct pawl_input *input, char kind)
{
    struct pawl_pending_op *op =
        pawl_workflow_op_find(workflow, (struct pawl_op){ kind, (uint32_t)input->ref });
    if (PAWL_MUTANT(NO_DEDUPLICATION)) {
        if (op && !op->taken) turn_resolve(turn, op);
        return true;
    }
    if (!op || op->taken) return false;
    if (!PAWL_MUTANT(OLD_GENERATION_MATCHES)
        && (input->gen != workflow->metadata.gen || input->nonce != op->nonce))
        return false;
    turn_resolve(turn, op);
    return true;
}

static struct pawl_turn_op *turn_add_op(struct pawl_turn_draft *turn, char kind, int32_t id);
static void turn_begin_child(struct pawl_node *node, struct pawl_workflow *workflow,
                             struct pawl_turn_draft *turn, struct pawl_turn_op *op,
                             const struct pawl_history_event *created);

/* A call of the past that has no result is made again, where it stands in the history. */
static void turn_reopen(struct pawl_node *node, struct pawl_workflow *workflow,
                        struct pawl_turn_draft *turn, uint32_t index)
{
    struct pawl_history_event event;
    struct pawl_bytes *packed = &turn->events[index];
    pawl_err err = pawl_history_event_decode(*packed, &event);
    PAWL_ASSERT(err == PAWL_OK); /* looked at when the input was added */
    bool is_child = event.kind == PAWL_EVENT_CHILD_CREATED;
    bool is_timer = event.kind == PAWL_EVENT_TIMER_CREATED;
    struct pawl_turn_op *op = turn_add_op(turn, pawl_again_made_kind(event.kind), event.id);
    op->event_index = index;
    op->fire_at_ms = is_timer ? event.fire_at_ms : 0;
    if (!is_timer) op->refused = turn_is_refused(node, event.target_app);
    if (is_child) turn_begin_child(node, workflow, turn, op, &event);
    turn->reopened_count++;
}

/* It was suspended when it was exported; that it was resumed comes behind that. */
static void turn_add_resumed(const struct pawl_workflow *workflow, struct pawl_turn_draft *turn)
{
    const struct pawl_seed *seed = turn->seed;
    if (!seed->is_import || seed->status != PAWL_STATUS_SUSPENDED) return;
    if (workflow->metadata.status == PAWL_STATUS_SUSPENDED) return; /* it ends so */
    struct pawl_history_event resumed =
        pawl_history_event_make(PAWL_EVENT_EXECUTION_RESUMED, turn->now_ms);
    pawl_turn_add_event(turn, &resumed);
}

/* The past comes before the turn's own beginning. It is copied, for the commit may be sent
 * again when the input is no more. */
static void turn_take_past(struct pawl_node *node, struct pawl_workflow *workflow,
                           struct pawl_turn_draft *turn)
{
    const struct pawl_input *first = pawl_workflow_first_input(workflow);
    if (!first || !first->seed.size) return;
    struct pawl_arena *arena = &turn->call->arena;
    struct pawl_seed *seed = PAWL_ARENA_NEW(arena, struct pawl_seed);
    pawl_err err = pawl_seed_unpack(arena, pawl_arena_copy(arena, first->seed), seed);
    PAWL_ASSERT(err == PAWL_OK); /* looked at when the input was added */
    turn->seed = seed;
    for (uint32_t i = 0; i < seed->past_count; i++) turn_add_packed(turn, seed->events[i]);
    turn_add_resumed(workflow, turn);
    turn->past_count = turn->events_count;
    for (uint32_t i = 0; i < seed->reopened_count; i++)
        turn_reopen(node, workflow, turn, seed->reopened[i]);
}

static void turn_take_news(struct pawl_turn_draft *turn)
{
    const struct pawl_seed *seed = turn->seed;
    for (uint32_t i = seed->past_count; i < seed->events_count; i++)
        turn_add_packed(
            turn, pawl_history_event_restamp(&turn->call->arena, seed->events[i], turn->now_ms));
}

void pawl_turn_consume(struct pawl_turn_draft *turn, const struct pawl_input *input)
{
    turn->inputs_taken++;
    if (!input->durable) return;
    PAWL_ASSERT(input->index == turn->inbox_consumed);
    turn->inbox_consumed++;
    *TURN_PUSH(turn, consumed) = input->delivery;
}

static void turn_take_input(struct pawl_workflow *workflow, struct pawl_turn_draft *turn,
                            const struct pawl_input *input)
{
    pawl_turn_consume(turn, input);
    if (input->kind == PAWL_EVENT_EXECUTION_TERMINATED) return; /* the ending turn says it */
    if (input->seed.size) {
        turn_take_news(turn);
        return;
    }
    char kind = input_op_kind(input->kind);
    if (kind && !turn_take_result(workflow, turn, input, kind)) return;
    turn_add_packed(turn,
                    pawl_history_event_restamp(&turn->call->arena, input->event, turn->now_ms));
}

static void turn_take_timers(struct pawl_node *node, struct pawl_workflow *workflow,
                             struct pawl_turn_draft *turn)
{
    for (uint32_t i = 0; i < workflow->ops_count; i++) {
        struct pawl_pending_op *op = &workflow->ops[i];
        if (op->op.kind != 't' || op->taken || op->delivered) continue;
        if (op->fire_at_ms > node->now_ms && !PAWL_MUTANT(TIMER_EARLY)) continue;
        if (turn->events_count >= PAWL_TURN_EVENTS_MAX) return;
        struct pawl_history_event event =
            pawl_history_event_make(PAWL_EVENT_TIMER_FIRED, turn->now_ms);
        event.ref = (int32_t)op->op.id;
        event.fire_at_ms = op->fire_at_ms;
        pawl_turn_add_event(turn, &event);
        turn_resolve(turn, op);
    }
}

void pawl_turn_take_inputs(struct pawl_node *node, struct pawl_workflow *workflow,
                           struct pawl_turn_draft *turn)
{
    turn_untake(workflow);
    turn_take_past(node, workflow, turn);
    struct pawl_history_event started =
        pawl_history_event_make(PAWL_EVENT_WORKFLOW_STARTED, turn->now_ms);
    pawl_turn_add_event(turn, &started);

    struct pawl_list *link = workflow->inputs.next;
    for (; link != &workflow->inputs; link = link->next) {
        const struct pawl_input *input = PAWL_CONTAINER_OF(link, struct pawl_input, link);
        uint32_t told_count = turn->events_count - turn->past_count;
        if (told_count >= PAWL_TURN_EVENTS_MAX) break;
        /* One input always fits: it is bounded by the payload limit, or the seed's. */
        if (told_count > 1 && turn->events_size + input->event.size > PAWL_TURN_SIZE_MAX) break;
        turn_take_input(workflow, turn, input);
    }
    turn_take_timers(node, workflow, turn);
    turn->inputs_events_count = turn->events_count;
}

static void turn_take_ended(struct pawl_workflow *workflow, struct pawl_turn_draft *turn)
{
    const struct pawl_seed *seed = turn->seed;
    struct pawl_history_event end;
    pawl_err err = pawl_history_event_decode(seed->events[seed->events_count - 1], &end);
    PAWL_ASSERT(err == PAWL_OK && end.kind == PAWL_EVENT_EXECUTION_COMPLETED);
    pawl_turn_consume(turn, pawl_workflow_first_input(workflow));
    turn->payloads.output = end.payload;
    if (end.failure.present)
        turn->payloads.failure = pawl_failure_pack(&turn->call->arena, &end.failure);
}

void pawl_turn_take_import(struct pawl_workflow *workflow, struct pawl_turn_draft *turn)
{
    struct pawl_arena *arena = &turn->call->arena;
    const struct pawl_input *first = pawl_workflow_first_input(workflow);
    struct pawl_seed *seed = PAWL_ARENA_NEW(arena, struct pawl_seed);
    pawl_err err = pawl_seed_unpack(arena, pawl_arena_copy(arena, first->seed), seed);
    PAWL_ASSERT(err == PAWL_OK && pawl_seed_is_settled(seed));
    turn->seed = seed;
    turn->is_import = true;
    turn->status = seed->status;
    turn->custom_status_set = !pawl_bytes_is_absent(seed->custom_status);
    turn->custom_status = seed->custom_status;
    if (!pawl_status_is_terminal(seed->status)) return;
    for (uint32_t i = 0; i < seed->events_count; i++) turn_add_packed(turn, seed->events[i]);
    turn_take_ended(workflow, turn);
}

/* Actions ------------------------------------------------------------------------------ */

static struct pawl_id turn_message_id(const struct pawl_turn_draft *turn, const char *what,
                                      uint32_t id)
{
    uint8_t name[8] = { (uint8_t)what[0],    (uint8_t)what[1],   0,          0, (uint8_t)(id >> 24),
                        (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id };
    return pawl_hash_id(pawl_bytes_make(turn->id.bytes, sizeof turn->id.bytes),
                        pawl_bytes_make(name, sizeof name));
}

static void turn_add_message(struct pawl_turn_draft *turn, struct pawl_id id,
                             const struct pawl_message_body *body)
{
    struct pawl_bytes packed = pawl_message_body_pack(&turn->call->arena, body);
    *TURN_PUSH(turn, messages) = (struct pawl_message_row){ id, packed };
}

void pawl_turn_tell(struct pawl_turn_draft *turn, const char *what, uint32_t id,
                    const struct pawl_message_body *body)
{
    turn_add_message(turn, turn_message_id(turn, what, id), body);
}

static struct pawl_turn_op *turn_add_op(struct pawl_turn_draft *turn, char kind, int32_t id)
{
    struct pawl_turn_op *op = TURN_PUSH(turn, ops);
    *op = (struct pawl_turn_op){ .op = { kind, (uint32_t)id } };
    op->nonce = pawl_op_nonce(turn->id, turn->nth, op->op);
    op->event_index = turn->events_count; /* of the event added next */
    return op;
}

static struct pawl_history_event turn_action_event(const struct pawl_turn_draft *turn,
                                                   enum pawl_event_kind kind,
                                                   const struct pawl_action *action)
{
    struct pawl_history_event event = pawl_history_event_make(kind, turn->now_ms);
    event.id = action->id;
    event.name = action->name;
    event.version = action->version;
    event.payload = action->payload;
    event.target_app = action->target_app;
    event.instance = action->instance;
    event.task_execution = action->task_execution;
    event.fire_at_ms = action->fire_at_ms;
    event.start_at_ms = action->start_at_ms;
    event.parent_close = action->parent_close;
    event.extra = action->extra;
    event.tags = action->tags;
    event.start_within_ms = action->start_within_ms;
    event.start_to_close_ms = action->start_to_close_ms;
    event.heartbeat_ms = action->heartbeat_ms;
    event.progress = action->progress;
    if (turn->seed && turn->seed->change_id == action->id) event.rerun_of = turn->seed->rerun_of;
    return event;
}

static void turn_schedule_activity(struct pawl_node *node, struct pawl_turn_draft *turn,
                                   const struct pawl_action *action)
{
    struct pawl_turn_op *op = turn_add_op(turn, 'a', action->id);
    op->refused = turn_is_refused(node, action->target_app);
    struct pawl_history_event event = turn_action_event(turn, PAWL_EVENT_TASK_SCHEDULED, action);
    pawl_turn_add_event(turn, &event);
}

static void turn_create_timer(struct pawl_turn_draft *turn, const struct pawl_action *action)
{
    struct pawl_turn_op *op = turn_add_op(turn, 't', action->id);
    op->fire_at_ms = action->fire_at_ms;
    struct pawl_history_event event = turn_action_event(turn, PAWL_EVENT_TIMER_CREATED, action);
    pawl_turn_add_event(turn, &event);
}

/* A timer or activity that is answered in this very turn has its event already; giving it
 * up is then too late and means nothing. */
static void turn_cancel(struct pawl_workflow *workflow, struct pawl_turn_draft *turn,
                        const struct pawl_action *action)
{
    bool is_timer = action->kind == PAWL_ACTION_CANCEL_TIMER;
    struct pawl_op key = { is_timer ? 't' : 'a', (uint32_t)action->ref };
    struct pawl_pending_op *op = pawl_workflow_op_find(workflow, key);
    struct pawl_history_event event = pawl_history_event_make(
        is_timer ? PAWL_EVENT_TIMER_CANCELLED : PAWL_EVENT_TASK_CANCELLED, turn->now_ms);
    event.ref = action->ref;
    if (op && !op->taken) {
        turn_resolve(turn, op);
        if (!is_timer) *TURN_PUSH(turn, cancelled) = key;
        pawl_turn_add_event(turn, &event);
        return;
    }
    for (uint32_t i = 0; i < turn->ops_count; i++) {
        struct pawl_turn_op *added = &turn->ops[i];
        if (added->op.kind != key.kind || added->op.id != key.id || added->given_up) continue;
        added->given_up = true;
        pawl_turn_add_event(turn, &event);
        return;
    }
}

static void turn_start_child(struct pawl_node *node, struct pawl_workflow *workflow,
                             struct pawl_turn_draft *turn, const struct pawl_action *action)
{
    struct pawl_turn_op *op = turn_add_op(turn, 'c', action->id);
    op->refused = turn_is_refused(node, action->target_app);
    struct pawl_history_event created = turn_action_event(turn, PAWL_EVENT_CHILD_CREATED, action);
    pawl_turn_add_event(turn, &created);
    turn_begin_child(node, workflow, turn, op, &created);
}

static void turn_begin_child(struct pawl_node *node, struct pawl_workflow *workflow,
                             struct pawl_turn_draft *turn, struct pawl_turn_op *op,
                             const struct pawl_history_event *created)
{
    op->child = pawl_arena_copy(&turn->call->arena, created->instance);
    op->child_app = pawl_arena_copy(&turn->call->arena, created->target_app);
    op->parent_close = created->parent_close;
    if (op->refused) return;
    struct pawl_message_body body;
    pawl_turn_child_message(node, workflow, &turn->call->arena, op->op.id, op->nonce, created,
                            &body);
    struct pawl_op_ref call =
        pawl_workflow_op_ref(workflow, workflow->metadata.gen, op->op, op->nonce);
    turn_add_message(turn, pawl_turn_child_message_id(&call), &body);
}

/* All of the call, since a nonce alone is the number of its commit and 32 bits: of ten thousand
 * calls in one turn two may have the same. */
static struct pawl_id call_hash(const struct pawl_op_ref *call, struct pawl_bytes name)
{
    struct {
        struct pawl_id inc;
        uint64_t nonce;
        uint32_t gen;
        uint32_t op_id;
    } key = { call->inc, call->nonce, call->gen, call->op.id };
    return pawl_hash_id(pawl_bytes_make(&key, sizeof key), name);
}

struct pawl_id pawl_turn_child_message_id(const struct pawl_op_ref *call)
{
    return call_hash(call, call->instance);
}

void pawl_turn_child_message(const struct pawl_node *node, const struct pawl_workflow *workflow,
                             struct pawl_arena *arena, uint32_t op_id, uint64_t nonce,
                             const struct pawl_history_event *created,
                             struct pawl_message_body *ret_body)
{
    bool is_own = pawl_directory_is_own_app(node, created->target_app);
    struct pawl_parent parent = { .app = is_own ? PAWL_BYTES_ABSENT : pawl_bytes_str(node->app),
                                  .instance = workflow->id,
                                  .inc = workflow->metadata.inc,
                                  .gen = workflow->metadata.gen,
                                  .op_id = op_id,
                                  .nonce = nonce,
                                  .name = workflow->metadata.name };
    struct pawl_history_event started =
        pawl_history_event_make(PAWL_EVENT_EXECUTION_STARTED, created->timestamp_ms);
    started.name = created->name;
    started.version = created->version;
    started.payload = created->payload;
    started.tags = created->tags;
    started.extra = created->extra;
    struct pawl_op_ref call =
        pawl_workflow_op_ref(workflow, parent.gen, (struct pawl_op){ 'c', op_id }, nonce);
    started.execution = call_hash(&call, created->instance);
    started.parent = parent;
    int64_t within_ms = created->start_within_ms;
    *ret_body = (struct pawl_message_body){
        .kind = PAWL_MESSAGE_START_CHILD,
        .app = is_own || PAWL_MUTANT(TARGET_APP_IGNORED) ? PAWL_BYTES_ABSENT : created->target_app,
        .start_by_ms = within_ms ? created->timestamp_ms + within_ms : 0,
        .rewind = created->rewound,
        .instance = created->instance,
        .parent = parent,
        .event = pawl_history_event_pack(arena, &started)
    };
}

/* The same whenever this call is made again after a rewind, so that it starts it once. */
static struct pawl_id turn_detached_execution(const struct pawl_workflow *workflow,
                                              const struct pawl_action *action)
{
    struct {
        struct pawl_id inc;
        uint32_t gen;
        int32_t id;
    } call = { workflow->metadata.inc, workflow->metadata.gen, action->id };
    return pawl_hash_id(pawl_bytes_make(&call, sizeof call), action->instance);
}

static void turn_start_detached(struct pawl_workflow *workflow, struct pawl_turn_draft *turn,
                                const struct pawl_action *action)
{
    struct pawl_history_event created =
        turn_action_event(turn, PAWL_EVENT_DETACHED_CREATED, action);
    pawl_turn_add_event(turn, &created);
    struct pawl_history_event started =
        pawl_history_event_make(PAWL_EVENT_EXECUTION_STARTED, turn->now_ms);
    started.name = action->name;
    started.version = action->version;
    started.payload = action->payload;
    started.start_at_ms = action->start_at_ms;
    started.tags = action->tags;
    started.extra = action->extra;
    started.execution = turn_detached_execution(workflow, action);
    struct pawl_message_body body = { .kind = PAWL_MESSAGE_START_DETACHED,
                                      .app = action->target_app,
                                      .instance = action->instance,
                                      .event =
                                          pawl_history_event_pack(&turn->call->arena, &started) };
    turn_add_message(turn, turn_message_id(turn, "sd", (uint32_t)action->id), &body);
}

static void turn_send_event(struct pawl_turn_draft *turn, const struct pawl_action *action)
{
    struct pawl_history_event sent = turn_action_event(turn, PAWL_EVENT_EVENT_SENT, action);
    pawl_turn_add_event(turn, &sent);
    struct pawl_history_event raised =
        pawl_history_event_make(PAWL_EVENT_EVENT_RAISED, turn->now_ms);
    raised.name = action->name;
    raised.payload = action->payload;
    struct pawl_message_body body = { .kind = PAWL_MESSAGE_EVENT,
                                      .app = action->target_app,
                                      .instance = action->instance,
                                      .event =
                                          pawl_history_event_pack(&turn->call->arena, &raised) };
    turn_add_message(turn, turn_message_id(turn, "se", (uint32_t)action->id), &body);
}

/* The end ------------------------------------------------------------------------------ */

static void turn_tell_parent(struct pawl_workflow *workflow, struct pawl_turn_draft *turn,
                             struct pawl_bytes output, const struct pawl_failure_view *failure)
{
    if (pawl_bytes_is_absent(workflow->parent.instance) || PAWL_MUTANT(CHILD_UNTOLD)) return;
    struct pawl_history_event event = pawl_history_event_make(
        failure->present ? PAWL_EVENT_CHILD_FAILED : PAWL_EVENT_CHILD_COMPLETED, turn->now_ms);
    event.ref = (int32_t)workflow->parent.op_id;
    event.payload = output;
    event.failure = *failure;
    struct pawl_message_body body = {
        .kind = PAWL_MESSAGE_CHILD_DONE,
        .app = PAWL_MUTANT(PARENT_APP_IGNORED) ? PAWL_BYTES_ABSENT : workflow->parent.app,
        .instance = workflow->parent.instance,
        .parent = workflow->parent,
        .event = pawl_history_event_pack(&turn->call->arena, &event)
    };
    turn_add_message(turn, turn_message_id(turn, "cd", 0), &body);
}

/* Why it was stalled is stored as its failure. */
static void turn_forget_stall(const struct pawl_workflow *workflow, struct pawl_turn_draft *turn)
{
    if (workflow->metadata.status == PAWL_STATUS_STALLED)
        turn->payloads.failure = PAWL_BYTES_LITERAL("");
}

static void turn_complete(struct pawl_workflow *workflow, struct pawl_turn_draft *turn,
                          enum pawl_status status, struct pawl_bytes output,
                          const struct pawl_failure_view *failure)
{
    PAWL_ASSERT(pawl_status_is_terminal(status));
    struct pawl_history_event event =
        pawl_history_event_make(PAWL_EVENT_EXECUTION_COMPLETED, turn->now_ms);
    event.status = status;
    event.payload = output;
    event.failure = *failure;
    pawl_turn_add_event(turn, &event);

    turn->status = status;
    turn->payloads.output = pawl_arena_copy(&turn->call->arena, output);
    if (failure->present)
        turn->payloads.failure = pawl_failure_pack(&turn->call->arena, failure);
    else
        turn_forget_stall(workflow, turn);
    turn_tell_parent(workflow, turn, output, failure);
}

void pawl_turn_fail(struct pawl_node *node, struct pawl_workflow *workflow,
                    struct pawl_turn_draft *turn, const char *type, struct pawl_bytes message)
{
    turn->events_count = turn->inputs_events_count;
    turn->ops_count = 0;
    turn->messages_count = 0;
    pawl_turn_leave_children(node, workflow, turn);
    turn->continued = false;
    turn->cached = false;
    struct pawl_failure_view failure = {
        .present = true, .non_retriable = true, .type = pawl_bytes_str(type), .message = message
    };
    turn_complete(workflow, turn, PAWL_STATUS_FAILED, PAWL_BYTES_ABSENT, &failure);
}

void pawl_turn_terminate(struct pawl_node *node, struct pawl_workflow *workflow,
                         struct pawl_turn_draft *turn, struct pawl_bytes output, bool recursive)
{
    struct pawl_history_event event =
        pawl_history_event_make(PAWL_EVENT_EXECUTION_TERMINATED, turn->now_ms);
    event.payload = output;
    event.recursive = recursive;
    pawl_turn_add_event(turn, &event);
    turn->ops_count = 0; /* nothing of what a seed wanted made again */
    turn->messages_count = 0;

    pawl_turn_close_children(node, workflow, turn, &event, recursive);
    struct pawl_failure_view failure = {
        .present = !pawl_bytes_is_absent(workflow->parent.instance),
        .type = PAWL_BYTES_LITERAL("WorkflowTerminated"),
        .message = PAWL_BYTES_LITERAL("the child workflow was terminated")
    };
    struct pawl_failure_view none = { .present = false };
    turn_complete(workflow, turn, PAWL_STATUS_TERMINATED, output, &none);
    /* The parent must hear of a failure, although the instance itself has none. */
    if (failure.present) {
        turn->messages_count--;
        turn_tell_parent(workflow, turn, PAWL_BYTES_ABSENT, &failure);
    }
}

static void turn_continue(struct pawl_node *node, struct pawl_workflow *workflow,
                          struct pawl_turn_draft *turn, const struct pawl_action *action)
{
    struct pawl_arena *arena = &turn->call->arena;
    struct pawl_history_event started =
        pawl_history_event_make(PAWL_EVENT_EXECUTION_STARTED, turn->now_ms);
    started.name = workflow->metadata.name;
    started.version =
        pawl_bytes_is_absent(action->version) ? workflow->metadata.version : action->version;
    started.payload = action->payload;
    started.execution = pawl_rng_id(&node->rng);
    started.parent = workflow->parent;
    started.tags = workflow->metadata.tags;
    started.extra = action->extra;

    pawl_turn_leave_children(node, workflow, turn);
    uint32_t carried = PAWL_MUTANT(CARRY_LOST) ? 0 : action->carry_count;
    turn->continued = true;
    turn->carry_count = 1 + carried;
    turn->carry = PAWL_ARENA_ARRAY(arena, struct pawl_inbox_row, turn->carry_count);
    for (uint32_t i = 0; i < turn->carry_count; i++) {
        struct pawl_bytes event =
            i == 0 ? pawl_history_event_pack(arena, &started) : action->carry[i - 1];
        struct pawl_inbox_body body = { .event = event };
        turn->carry[i].delivery = pawl_rng_id(&node->rng);
        turn->carry[i].body = pawl_inbox_body_pack(arena, &body);
    }
    turn->new_name = pawl_arena_copy(arena, workflow->metadata.name);
    turn->new_version = pawl_arena_copy(arena, started.version);
    turn->payloads.input = pawl_arena_copy(arena, action->payload);
    turn->status = PAWL_STATUS_RUNNING;
}

/* The worker's answer ------------------------------------------------------------------ */

static bool turn_is_reopened(const struct pawl_turn_draft *turn, uint32_t id)
{
    for (uint32_t i = 0; i < turn->reopened_count; i++)
        if (turn->ops[i].op.id == id) return true;
    return false;
}

/* The end of a workflow comes on top of the actions that a turn may have. */
static bool turn_ends(const struct pawl_turn_done *done)
{
    if (done->actions_count == 0) return false;
    enum pawl_action_kind last = done->actions[done->actions_count - 1].kind;
    return last == PAWL_ACTION_COMPLETE || last == PAWL_ACTION_CONTINUE;
}

/* NULL when the actions make sense, else what is wrong with them. */
static const char *turn_check(struct pawl_workflow *workflow, const struct pawl_turn_draft *turn,
                              const struct pawl_turn_done *done)
{
    int32_t last_id = -1;
    uint32_t scheduled =
        workflow->ops_count - workflow->ops_resolved - turn->resolved_count + turn->ops_count;
    for (uint32_t i = 0; i < done->actions_count; i++) {
        const struct pawl_action *action = &done->actions[i];
        bool is_last = i + 1 == done->actions_count;
        switch (action->kind) {
        case PAWL_ACTION_COMPLETE:
        case PAWL_ACTION_CONTINUE:
            if (!is_last) return "the worker sent actions after the end of the workflow";
            break;
        case PAWL_ACTION_CANCEL_ACTIVITY:
        case PAWL_ACTION_CANCEL_TIMER: break;
        case PAWL_ACTION_ACTIVITY:
        case PAWL_ACTION_TIMER:
        case PAWL_ACTION_CHILD: scheduled++; /* fall through */
        case PAWL_ACTION_DETACHED:
        case PAWL_ACTION_SEND_EVENT:
            if (action->id <= last_id) return "the worker sent actions whose ids do not count up";
            last_id = action->id;
            if (pawl_workflow_op_is_known(workflow, (uint32_t)action->id)
                || turn_is_reopened(turn, (uint32_t)action->id))
                return "the worker scheduled an operation under an id that is in use";
            break;
        }
    }
    if (done->actions_count > PAWL_TURN_ACTIONS_MAX + turn_ends(done))
        return "the worker sent more actions in one turn than the limit allows (10000)";
    if (scheduled > PAWL_PENDING_OPS_MAX)
        return "more operations are pending than one workflow may have (10000): wait for some "
               "before scheduling more";
    if (workflow->metadata.history_count + turn->events_count + done->actions_count
        > PAWL_HISTORY_EVENTS_MAX)
        return "the history has reached its limit of 50000 events: continue as new before that";
    if (workflow->metadata.history_size + turn->events_size > PAWL_HISTORY_SIZE_MAX)
        return "the history has reached its limit of 50 MiB: continue as new before that";
    return NULL;
}

static void turn_apply_action(struct pawl_node *node, struct pawl_workflow *workflow,
                              struct pawl_turn_draft *turn, const struct pawl_action *action)
{
    switch (action->kind) {
    case PAWL_ACTION_ACTIVITY: turn_schedule_activity(node, turn, action); break;
    case PAWL_ACTION_TIMER: turn_create_timer(turn, action); break;
    case PAWL_ACTION_CANCEL_ACTIVITY:
    case PAWL_ACTION_CANCEL_TIMER: turn_cancel(workflow, turn, action); break;
    case PAWL_ACTION_CHILD: turn_start_child(node, workflow, turn, action); break;
    case PAWL_ACTION_DETACHED: turn_start_detached(workflow, turn, action); break;
    case PAWL_ACTION_SEND_EVENT: turn_send_event(turn, action); break;
    case PAWL_ACTION_COMPLETE:
        pawl_turn_leave_children(node, workflow, turn);
        turn_complete(workflow, turn, action->status, action->payload, &action->failure);
        break;
    case PAWL_ACTION_CONTINUE: turn_continue(node, workflow, turn, action); break;
    }
}

/* What the one who wanted the run again asked to be different. */
static void turn_change_action(const struct pawl_seed *seed, struct pawl_action *action)
{
    bool is_call = action->kind == PAWL_ACTION_ACTIVITY || action->kind == PAWL_ACTION_CHILD;
    if (!seed->has_change || !is_call || action->id != seed->change_id) return;
    if (seed->change_input) action->payload = seed->input;
    if (seed->child.size && action->kind == PAWL_ACTION_CHILD) action->instance = seed->child;
}

/* Which code it was goes into the turn's beginning, so that each replay is told. */
static void turn_record_code(struct pawl_turn_draft *turn, const struct pawl_turn_done *done)
{
    struct pawl_arena *arena = &turn->call->arena;
    struct pawl_history_event started;
    if (pawl_bytes_is_absent(done->version) && done->patches_count == 0 && done->extra.size == 0)
        return;
    PAWL_ASSERT(turn->events_count > turn->past_count);
    struct pawl_bytes *first = &turn->events[turn->past_count];
    pawl_err err = pawl_history_event_decode(*first, &started);
    PAWL_ASSERT(err == PAWL_OK && started.kind == PAWL_EVENT_WORKFLOW_STARTED);
    started.version = done->version;
    started.extra = done->extra;
    if (done->patches_count && !PAWL_MUTANT(PATCHES_LOST))
        started.patches = pawl_patches_pack(arena, done->patches_count, done->patches);
    turn->events_size -= first->size;
    *first = pawl_history_event_pack(arena, &started);
    turn->events_size += first->size;
    turn->code_version = pawl_arena_copy(arena, done->version);
}

void pawl_turn_apply(struct pawl_node *node, struct pawl_workflow *workflow,
                     struct pawl_turn_draft *turn, const struct pawl_turn_done *done)
{
    const char *wrong = turn_check(workflow, turn, done);
    if (wrong) {
        pawl_turn_fail(node, workflow, turn, "PawlLimitExceeded", pawl_bytes_str(wrong));
        return;
    }
    turn_forget_stall(workflow, turn);
    turn_record_code(turn, done);
    turn->status = PAWL_STATUS_RUNNING;
    turn->cached = done->cached;
    turn->custom_status_set = done->custom_status_set;
    turn->custom_status = pawl_arena_copy(&turn->call->arena, done->custom_status);
    bool is_brought = turn->seed && turn->seed->is_import && !done->custom_status_set;
    if (is_brought) turn->custom_status = turn->seed->custom_status;
    if (is_brought) turn->custom_status_set = !pawl_bytes_is_absent(turn->custom_status);
    for (uint32_t i = 0; i < done->actions_count; i++) {
        struct pawl_action action = done->actions[i];
        if (turn->seed) turn_change_action(turn->seed, &action);
        turn_apply_action(node, workflow, turn, &action);
    }
}

/* Rows --------------------------------------------------------------------------------- */

static struct pawl_reminder turn_reminder(const struct pawl_workflow *workflow, struct pawl_op op,
                                          uint64_t nonce, int64_t due_ms)
{
    return (struct pawl_reminder){ .kind = (enum pawl_reminder_kind)op.kind,
                                   .due_ms = due_ms,
                                   .instance = workflow->id,
                                   .inc = workflow->metadata.inc,
                                   .gen = workflow->metadata.gen,
                                   .op = op,
                                   .nonce = nonce };
}

static int64_t turn_op_due_ms(const struct pawl_turn_draft *turn, const struct pawl_turn_op *op)
{
    switch (op->op.kind) {
    case 'c': return turn->now_ms + PAWL_LEASE_CHILD_MS;
    default: return op->fire_at_ms;
    }
}

static void turn_seal_removed(const struct pawl_workflow *workflow, struct pawl_turn_draft *turn,
                              struct pawl_commit *commit, bool all)
{
    struct pawl_arena *arena = &turn->call->arena;
    uint32_t room = all ? workflow->ops_count : turn->resolved_count;
    commit->reminders_removed = PAWL_ARENA_ARRAY(arena, struct pawl_reminder, room);
    if (all) {
        for (uint32_t i = 0; i < workflow->ops_count; i++) {
            const struct pawl_pending_op *op = &workflow->ops[i];
            if (!op->op.kind || op->op.kind == 'a') continue;
            commit->reminders_removed[commit->reminders_removed_count++] =
                turn_reminder(workflow, op->op, op->nonce, 0);
        }
        return;
    }
    for (uint32_t i = 0; i < turn->resolved_count; i++) {
        const struct pawl_pending_op *op = pawl_workflow_op_find(workflow, turn->resolved[i]);
        PAWL_ASSERT(op != NULL);
        if (op->op.kind == 'a') continue;
        commit->reminders_removed[commit->reminders_removed_count++] =
            turn_reminder(workflow, op->op, op->nonce, 0);
    }
}

static void turn_seal_added(const struct pawl_workflow *workflow, struct pawl_turn_draft *turn,
                            struct pawl_commit *commit)
{
    struct pawl_arena *arena = &turn->call->arena;
    commit->pending_added = PAWL_ARENA_ARRAY(arena, struct pawl_pending, turn->ops_count);
    commit->reminders_added = PAWL_ARENA_ARRAY(arena, struct pawl_reminder, turn->ops_count);
    for (uint32_t i = 0; i < turn->ops_count; i++) {
        const struct pawl_turn_op *op = &turn->ops[i];
        if (op->given_up) continue;
        commit->pending_added[commit->pending_added_count++] =
            (struct pawl_pending){ .op = op->op,
                                   .nonce = op->nonce,
                                   .state = PAWL_PENDING_OPEN,
                                   .history_index = op->event_index };
        if (op->op.kind == 'a') continue; /* the instance's wake-up stands for them all */
        if (PAWL_MUTANT(NO_TIMER_ROW) && op->op.kind == 't') continue;
        commit->reminders_added[commit->reminders_added_count++] =
            turn_reminder(workflow, op->op, op->nonce, turn_op_due_ms(turn, op));
    }
}

/* Activities have no reminder each: while any is open, the instance keeps its wake-up
 * row, which after a crash brings it back to run them again. In a chain of activities
 * that row stays as it is, so a step writes no reminder at all. */
static bool turn_leaves_activities(const struct pawl_workflow *workflow,
                                   const struct pawl_turn_draft *turn)
{
    for (uint32_t i = 0; i < turn->ops_count; i++)
        if (turn->ops[i].op.kind == 'a' && !turn->ops[i].given_up) return true;
    uint32_t open = workflow->activities_open;
    for (uint32_t i = 0; i < turn->resolved_count; i++)
        if (turn->resolved[i].kind == 'a') open--;
    return open > 0;
}

/* What is brought in was begun, and perhaps ended, when it says. */
static void turn_seal_times(const struct pawl_turn_draft *turn, struct pawl_commit *commit)
{
    const struct pawl_seed *seed = turn->seed;
    if (!seed || !seed->is_import) return;
    commit->started_ms = seed->started_ms;
    if (!turn->is_import) return; /* it goes on now */
    commit->updated_ms = seed->updated_ms;
    commit->completed_ms = seed->completed_ms;
}

void pawl_turn_seal(struct pawl_node *node, struct pawl_workflow *workflow,
                    struct pawl_turn_draft *turn)
{
    struct pawl_commit *commit = &turn->call->request.commit;
    bool ends = turn->continued || pawl_status_is_terminal(turn->status);

    *commit = (struct pawl_commit){
        .fence = workflow->partition->fence,
        .instance = turn->call->instance,
        .inc = workflow->metadata.inc,
        .gen = workflow->metadata.gen,
        .last = workflow->metadata.last,
        .id = turn->id,
        .now_ms = node->now_ms,
        .inbox_consumed = turn->inbox_consumed,
        .consumed_count = turn->consumed_count,
        .consumed = turn->consumed,
        .history_max = PAWL_HISTORY_EVENTS_MAX + 2 * PAWL_TURN_EVENTS_MAX,
        .events_count = turn->continued ? 0 : turn->events_count,
        .events = turn->events,
        .messages_count = PAWL_MUTANT(NO_OUTBOX_ROW) ? 0 : turn->messages_count,
        .messages = turn->messages,
        .carry_count = turn->carry_count,
        .carry = turn->carry,
        .name = turn->new_name,
        .version = turn->new_version,
        .status = turn->status,
        .custom_status_set = turn->custom_status_set,
        .custom_status = turn->custom_status,
        .wake_at_ms = turn->wake_at_ms,
        .payloads = turn->payloads,
        .wake_keep = turn_leaves_activities(workflow, turn) && !PAWL_MUTANT(NO_ACTIVITY_LEASE),
        .changes_max = PAWL_CHANGES_MAX,
    };
    turn_seal_times(turn, commit);
    commit->attempts = pawl_attempts_seal(workflow, turn);
    if (!turn->continued) commit->carry_count = 0;
    /* Reminders point to the id, which the call's own copy outlives. */
    turn_seal_removed(workflow, turn, commit, ends);
    if (!ends) {
        commit->pending_done_count = turn->resolved_count;
        commit->pending_done = turn->resolved;
        turn_seal_added(workflow, turn, commit);
    }
    for (uint32_t i = 0; i < commit->reminders_removed_count; i++)
        commit->reminders_removed[i].instance = turn->call->instance;
    for (uint32_t i = 0; i < commit->reminders_added_count; i++)
        commit->reminders_added[i].instance = turn->call->instance;
}
