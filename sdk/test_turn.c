#include "sdk/test_turn.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "sdk/recorded.h"

void *pawl_test_grow(struct pawl_arena *arena, void *items, uint32_t count, uint32_t *capacity,
                     size_t item_size)
{
    if (count < *capacity) return items;
    *capacity = *capacity ? *capacity * 2 : 8;
    void *grown = pawl_arena_alloc(arena, *capacity * item_size);
    if (count) memcpy(grown, items, count * item_size);
    return grown;
}

/* Operations ------------------------------------------------------------ */

struct pawl_test_op *pawl_test_op_find(const struct pawl_test_instance *instance, char kind,
                                       uint32_t id)
{
    uint32_t low = 0, high = instance->ops_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (instance->ops[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == instance->ops_count) return NULL;
    struct pawl_test_op *op = &instance->ops[low];
    return op->id == id && (!kind || op->kind == kind) ? op : NULL;
}

/* Building a turn ------------------------------------------------------------ */

void pawl_test_draft_init(struct pawl_test_engine *engine,
                          const struct pawl_test_instance *instance, struct pawl_test_draft *draft)
{
    *draft = (struct pawl_test_draft){ .status = instance->status };
    pawl_arena_init(&draft->arena);
    draft->self = pawl_arena_copy(&draft->arena, instance->id);
    draft->id = pawl_rng_id(&engine->rng);
    draft->now_ms = engine->now_ms;
}

void pawl_test_draft_deinit(struct pawl_test_instance *instance, struct pawl_test_draft *draft)
{
    for (uint32_t i = 0; i < instance->ops_count; i++) instance->ops[i].taken = false;
    pawl_arena_deinit(&draft->arena);
}

static void draft_add_packed(struct pawl_test_draft *draft, struct pawl_bytes event)
{
    *PAWL_TEST_PUSH(&draft->arena, draft, events) = event;
    draft->events_size += event.size;
}

void pawl_test_draft_add(struct pawl_test_draft *draft, const struct pawl_history_event *event)
{
    draft_add_packed(draft, pawl_history_event_pack(&draft->arena, event));
}

static void draft_add_message(struct pawl_test_draft *draft, struct pawl_test_message message,
                              const struct pawl_history_event *event)
{
    if (event) message.event = pawl_history_event_pack(&draft->arena, event);
    *PAWL_TEST_PUSH(&draft->arena, draft, messages) = message;
}

static void op_take(struct pawl_test_draft *draft, struct pawl_test_op *op)
{
    op->taken = true;
    draft->resolved_count++;
}

char pawl_test_result_op_kind(enum pawl_event_kind kind)
{
    switch (kind) {
    case PAWL_EVENT_TASK_COMPLETED:
    case PAWL_EVENT_TASK_FAILED: return 'a';
    case PAWL_EVENT_CHILD_COMPLETED:
    case PAWL_EVENT_CHILD_FAILED: return 'c';
    default: return 0;
    }
}

static void take_input(struct pawl_test_instance *instance, struct pawl_test_draft *draft,
                       const struct pawl_test_input *input)
{
    draft->inputs_taken++;
    if (input->kind == PAWL_EVENT_EXECUTION_TERMINATED) return; /* the ending turn says it */
    char kind = pawl_test_result_op_kind(input->kind);
    if (kind) {
        struct pawl_test_op *op = pawl_test_op_find(instance, kind, (uint32_t)input->ref);
        bool counts = op && !op->taken && input->gen == instance->gen && input->nonce == op->nonce;
        if (!counts) return;
        op_take(draft, op);
    }
    draft_add_packed(draft, pawl_history_event_restamp(&draft->arena, input->event, draft->now_ms));
}

static void take_timers(struct pawl_test_engine *engine, struct pawl_test_instance *instance,
                        struct pawl_test_draft *draft)
{
    for (uint32_t i = 0; i < instance->ops_count; i++) {
        struct pawl_test_op *op = &instance->ops[i];
        if (op->kind != 't' || op->taken || op->fire_at_ms > engine->now_ms) continue;
        if (draft->events_count >= PAWL_TURN_EVENTS_MAX) return;
        struct pawl_history_event event =
            pawl_history_event_make(PAWL_EVENT_TIMER_FIRED, engine->now_ms);
        event.ref = (int32_t)op->id;
        event.fire_at_ms = op->fire_at_ms;
        pawl_test_draft_add(draft, &event);
        op_take(draft, op);
    }
}

void pawl_test_draft_take_inputs(struct pawl_test_engine *engine,
                                 struct pawl_test_instance *instance, struct pawl_test_draft *draft)
{
    struct pawl_history_event started =
        pawl_history_event_make(PAWL_EVENT_WORKFLOW_STARTED, engine->now_ms);
    pawl_test_draft_add(draft, &started);
    struct pawl_list *link = instance->inputs.next;
    for (; link != &instance->inputs; link = link->next) {
        const struct pawl_test_input *input = PAWL_CONTAINER_OF(link, struct pawl_test_input, link);
        if (draft->events_count >= PAWL_TURN_EVENTS_MAX) break;
        if (draft->events_count > 1 && draft->events_size + input->event.size > PAWL_TURN_SIZE_MAX)
            break;
        take_input(instance, draft, input);
    }
    take_timers(engine, instance, draft);
    draft->inputs_events_count = draft->events_count;
}

/* Actions ------------------------------------------------------------ */

static struct pawl_test_op *draft_add_op(struct pawl_test_engine *engine,
                                         struct pawl_test_draft *draft, char kind,
                                         const struct pawl_action *action)
{
    uint32_t capacity = draft->ops_capacity;
    draft->op_events = pawl_test_grow(&draft->arena, draft->op_events, draft->ops_count, &capacity,
                                      sizeof(uint32_t));
    draft->op_events[draft->ops_count] = draft->events_count; /* the event is added next */
    struct pawl_test_op *op = PAWL_TEST_PUSH(&draft->arena, draft, ops);
    *op = (struct pawl_test_op){ .kind = kind,
                                 .id = (uint32_t)action->id,
                                 .nonce = pawl_rng_next(&engine->rng),
                                 .fire_at_ms = action->fire_at_ms,
                                 .name = action->name,
                                 .child = action->instance,
                                 .parent_close = action->parent_close };
    return op;
}

/* A timer or activity that is answered in this very turn has its event already; giving it
 * up is then too late and means nothing. */
static void cancel_op(struct pawl_test_instance *instance, struct pawl_test_draft *draft, char kind,
                      const struct pawl_history_event *cancelled)
{
    struct pawl_test_op *op = pawl_test_op_find(instance, kind, (uint32_t)cancelled->ref);
    if (op && !op->taken) {
        op_take(draft, op);
        pawl_test_draft_add(draft, cancelled);
        return;
    }
    for (uint32_t i = 0; i < draft->ops_count; i++) {
        op = &draft->ops[i];
        if (op->kind != kind || op->id != (uint32_t)cancelled->ref || op->taken) continue;
        op->taken = true; /* never added, never run */
        pawl_test_draft_add(draft, cancelled);
        return;
    }
}

static void start_child(struct pawl_test_engine *engine, struct pawl_test_instance *instance,
                        struct pawl_test_draft *draft, const struct pawl_action *action,
                        const struct pawl_history_event *created)
{
    const struct pawl_test_op *op = draft_add_op(engine, draft, 'c', action);
    pawl_test_draft_add(draft, created);
    struct pawl_parent parent = { .instance = draft->self,
                                  .inc = instance->inc,
                                  .gen = instance->gen,
                                  .op_id = op->id,
                                  .nonce = op->nonce };
    draft_add_message(draft,
                      (struct pawl_test_message){ .kind = PAWL_TEST_MESSAGE_CHILD_START,
                                                  .instance = action->instance,
                                                  .parent = parent },
                      created);
}

static void start_detached(struct pawl_test_draft *draft, const struct pawl_action *action,
                           const struct pawl_history_event *created)
{
    pawl_test_draft_add(draft, created);
    draft_add_message(draft,
                      (struct pawl_test_message){ .kind = PAWL_TEST_MESSAGE_DETACHED_START,
                                                  .instance = action->instance,
                                                  .sender = draft->self },
                      created);
}

static void send_event(struct pawl_test_engine *engine, struct pawl_test_draft *draft,
                       const struct pawl_action *action, const struct pawl_history_event *sent)
{
    pawl_test_draft_add(draft, sent);
    struct pawl_history_event raised =
        pawl_history_event_make(PAWL_EVENT_EVENT_RAISED, engine->now_ms);
    raised.name = action->name;
    raised.payload = action->payload;
    draft_add_message(
        draft,
        (struct pawl_test_message){ .kind = PAWL_TEST_MESSAGE_EVENT, .instance = action->instance },
        &raised);
}

static void tell_parent(struct pawl_test_engine *engine, struct pawl_test_instance *instance,
                        struct pawl_test_draft *draft, struct pawl_bytes output,
                        const struct pawl_failure_view *failure)
{
    if (pawl_bytes_is_absent(instance->parent.instance)) return;
    struct pawl_history_event event = pawl_history_event_make(
        failure->present ? PAWL_EVENT_CHILD_FAILED : PAWL_EVENT_CHILD_COMPLETED, engine->now_ms);
    event.ref = (int32_t)instance->parent.op_id;
    event.payload = output;
    event.failure = *failure;
    draft_add_message(draft,
                      (struct pawl_test_message){ .kind = PAWL_TEST_MESSAGE_CHILD_DONE,
                                                  .instance = instance->parent.instance,
                                                  .parent = instance->parent },
                      &event);
}

static void complete(struct pawl_test_engine *engine, struct pawl_test_draft *draft,
                     enum pawl_status status, struct pawl_bytes output,
                     const struct pawl_failure_view *failure)
{
    struct pawl_history_event event =
        pawl_history_event_make(PAWL_EVENT_EXECUTION_COMPLETED, engine->now_ms);
    event.status = status;
    event.payload = output;
    event.failure = *failure;
    pawl_test_draft_add(draft, &event);
    draft->status = status;
    draft->set_output = true;
    draft->output = output;
    if (!failure->present) return;
    draft->set_failure = true;
    draft->failure = pawl_failure_pack(&draft->arena, failure);
}

/* Those that this very turn would start are not started. */
static void withdraw_starts(struct pawl_test_draft *draft)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < draft->messages_count; i++) {
        const struct pawl_test_message *message = &draft->messages[i];
        bool is_withdrawn = false;
        for (uint32_t k = 0; k < draft->ops_count; k++)
            is_withdrawn |= message->kind == PAWL_TEST_MESSAGE_CHILD_START
                            && draft->ops[k].nonce == message->parent.nonce
                            && draft->ops[k].parent_close == PAWL_PARENT_CLOSE_TERMINATE;
        if (!is_withdrawn) draft->messages[kept++] = *message;
    }
    draft->messages_count = kept;
}

static void close_children(struct pawl_test_instance *instance, struct pawl_test_draft *draft,
                           const struct pawl_history_event *terminated, bool all)
{
    for (uint32_t i = 0; i < instance->ops_count; i++) {
        const struct pawl_test_op *op = &instance->ops[i];
        bool is_to_end = all || op->parent_close == PAWL_PARENT_CLOSE_TERMINATE;
        if (op->kind != 'c' || !is_to_end) continue;
        struct pawl_parent parent = { .instance = draft->self,
                                      .inc = instance->inc,
                                      .gen = instance->gen,
                                      .op_id = op->id,
                                      .nonce = op->nonce };
        draft_add_message(
            draft,
            (struct pawl_test_message){ .kind = PAWL_TEST_MESSAGE_TERMINATE,
                                        .instance = pawl_arena_copy(&draft->arena, op->child),
                                        .parent = parent },
            terminated);
    }
    withdraw_starts(draft);
}

static void leave_children(struct pawl_test_engine *engine, struct pawl_test_instance *instance,
                           struct pawl_test_draft *draft)
{
    struct pawl_history_event terminated =
        pawl_history_event_make(PAWL_EVENT_EXECUTION_TERMINATED, engine->now_ms);
    close_children(instance, draft, &terminated, false);
}

/* The instance fails with this reason, whatever the code answered. */
static void draft_fail(struct pawl_test_engine *engine, struct pawl_test_instance *instance,
                       struct pawl_test_draft *draft, const char *type, struct pawl_bytes message)
{
    draft->events_count = draft->inputs_events_count;
    draft->ops_count = 0;
    draft->messages_count = 0;
    draft->continued = NULL;
    draft->cached = false;
    leave_children(engine, instance, draft);
    struct pawl_failure_view failure = {
        .present = true, .non_retriable = true, .type = pawl_bytes_str(type), .message = message
    };
    complete(engine, draft, PAWL_STATUS_FAILED, PAWL_BYTES_ABSENT, &failure);
    tell_parent(engine, instance, draft, PAWL_BYTES_ABSENT, &failure);
}

void pawl_test_draft_terminate(struct pawl_test_engine *engine, struct pawl_test_instance *instance,
                               struct pawl_test_draft *draft, struct pawl_bytes output,
                               bool recursive)
{
    struct pawl_history_event event =
        pawl_history_event_make(PAWL_EVENT_EXECUTION_TERMINATED, engine->now_ms);
    event.payload = output;
    event.recursive = recursive;
    pawl_test_draft_add(draft, &event);
    close_children(instance, draft, &event, recursive);
    struct pawl_failure_view none = { .present = false };
    struct pawl_failure_view failure = { .present = true,
                                         .type = PAWL_BYTES_LITERAL("WorkflowTerminated"),
                                         .message = PAWL_BYTES_LITERAL(
                                             "the child workflow was terminated") };
    complete(engine, draft, PAWL_STATUS_TERMINATED, output, &none);
    tell_parent(engine, instance, draft, PAWL_BYTES_ABSENT, &failure);
}

/* What the engine refuses; NULL: nothing. */
static const char *check_actions(const struct pawl_test_instance *instance,
                                 const struct pawl_test_draft *draft,
                                 const struct pawl_turn_done *done)
{
    uint32_t scheduled = instance->ops_count - draft->resolved_count, ends = 0;
    for (uint32_t i = 0; i < done->actions_count; i++) {
        enum pawl_action_kind kind = done->actions[i].kind;
        if (kind == PAWL_ACTION_ACTIVITY || kind == PAWL_ACTION_TIMER || kind == PAWL_ACTION_CHILD)
            scheduled++;
        if (kind == PAWL_ACTION_COMPLETE || kind == PAWL_ACTION_CONTINUE) ends = 1;
    }
    if (done->actions_count > PAWL_TURN_ACTIONS_MAX + ends)
        return "the worker sent more actions in one turn than the limit allows (10000)";
    if (scheduled > PAWL_PENDING_OPS_MAX)
        return "more operations are pending than one workflow may have (10000): wait for some "
               "before scheduling more";
    if (instance->events_count + draft->events_count + done->actions_count
        > PAWL_HISTORY_EVENTS_MAX)
        return "the history has reached its limit of 50000 events: continue as new before that";
    if (instance->events_size + draft->events_size > PAWL_HISTORY_SIZE_MAX)
        return "the history has reached its limit of 50 MiB: continue as new before that";
    return NULL;
}

static void apply_action(struct pawl_test_engine *engine, struct pawl_test_instance *instance,
                         struct pawl_test_draft *draft, const struct pawl_action *action)
{
    if (action->kind == PAWL_ACTION_CONTINUE) {
        leave_children(engine, instance, draft);
        draft->continued = action;
        draft->status = PAWL_STATUS_RUNNING;
        return;
    }
    struct pawl_history_event event = pawl_recorded_event(action, engine->now_ms);
    switch (action->kind) {
    case PAWL_ACTION_ACTIVITY:
        draft_add_op(engine, draft, 'a', action);
        pawl_test_draft_add(draft, &event);
        return;
    case PAWL_ACTION_TIMER:
        draft_add_op(engine, draft, 't', action);
        pawl_test_draft_add(draft, &event);
        return;
    case PAWL_ACTION_CANCEL_TIMER: cancel_op(instance, draft, 't', &event); return;
    case PAWL_ACTION_CANCEL_ACTIVITY: cancel_op(instance, draft, 'a', &event); return;
    case PAWL_ACTION_CHILD: start_child(engine, instance, draft, action, &event); return;
    case PAWL_ACTION_DETACHED: start_detached(draft, action, &event); return;
    case PAWL_ACTION_SEND_EVENT: send_event(engine, draft, action, &event); return;
    case PAWL_ACTION_COMPLETE:
        leave_children(engine, instance, draft);
        complete(engine, draft, action->status, action->payload, &action->failure);
        tell_parent(engine, instance, draft, action->payload, &action->failure);
        return;
    case PAWL_ACTION_CONTINUE: return;
    }
}

/* Which code it was, for each replay: in the turn's first event. */
static void record_code(struct pawl_test_draft *draft, const struct pawl_turn_done *done)
{
    struct pawl_history_event started;
    if (pawl_bytes_is_absent(done->version) && done->patches_count == 0) return;
    pawl_err err = pawl_history_event_decode(draft->events[0], &started);
    PAWL_ASSERT(err == PAWL_OK && started.kind == PAWL_EVENT_WORKFLOW_STARTED);
    started.version = done->version;
    if (done->patches_count)
        started.patches = pawl_patches_pack(&draft->arena, done->patches_count, done->patches);
    draft->events_size -= draft->events[0].size;
    draft->events[0] = pawl_history_event_pack(&draft->arena, &started);
    draft->events_size += draft->events[0].size;
}

void pawl_test_draft_apply(struct pawl_test_engine *engine, struct pawl_test_instance *instance,
                           struct pawl_test_draft *draft, const struct pawl_turn_done *done)
{
    if (done->err != PAWL_OK) {
        bool unknown = done->err == PAWL_E_NOT_REGISTERED;
        draft_fail(engine, instance, draft,
                   unknown ? "WorkflowNotRegistered" : pawl_err_name(done->err), done->message);
        if (unknown)
            pawl_test_engine_note(engine, done->err,
                                  "instance '%.*s': the test has neither a function nor an answer "
                                  "for workflow '%.*s': give it one with pawl_test_add_workflow, "
                                  "or, for a child, with pawl_test_mock",
                                  PAWL_BYTES_FMT(instance->id), PAWL_BYTES_FMT(instance->name));
        return;
    }
    const char *wrong = check_actions(instance, draft, done);
    if (wrong) {
        draft_fail(engine, instance, draft, "PawlLimitExceeded", pawl_bytes_str(wrong));
        return;
    }
    record_code(draft, done);
    draft->status = PAWL_STATUS_RUNNING;
    draft->cached = done->cached;
    draft->set_custom_status = done->custom_status_set;
    draft->custom_status = done->custom_status;
    for (uint32_t i = 0; i < done->actions_count; i++)
        apply_action(engine, instance, draft, &done->actions[i]);
}
