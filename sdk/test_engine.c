#include "sdk/test_engine.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "sdk/test_verify.h"

/* A planned call. */
struct due_call {
    struct pawl_test_due head;
    void (*run)(void *context);
    void *context;
};

/* A result on its way to whoever asked for it. */
struct due_result {
    struct pawl_test_due head;
    struct pawl_parent to; /* the instance's id is owned */
    struct pawl_id task_execution;
    bool is_child;
    struct pawl_bytes payload;  /* owned */
    struct pawl_bytes failure;  /* owned, encoded; absent: it went well */
    struct pawl_bytes progress; /* owned; of an activity that failed */
};

static void instance_advance(struct pawl_test_engine *engine, struct pawl_test_instance *instance);

/* Memory ------------------------------------------------------------ */

static struct pawl_bytes bytes_dup(struct pawl_bytes bytes)
{
    if (pawl_bytes_is_absent(bytes)) return bytes;
    uint8_t *copy = pawl_mem_alloc(bytes.size + 1);
    if (bytes.size) memcpy(copy, bytes.data, bytes.size);
    return pawl_bytes_make(copy, bytes.size);
}

static void bytes_free(struct pawl_bytes bytes)
{
    pawl_mem_free((void *)(uintptr_t)bytes.data);
}

static void bytes_set(struct pawl_bytes *bytes, struct pawl_bytes value)
{
    struct pawl_bytes copy = bytes_dup(value);
    bytes_free(*bytes);
    *bytes = copy;
}

void pawl_test_engine_init(struct pawl_test_engine *engine, int64_t now_ms, uint64_t seed)
{
    *engine = (struct pawl_test_engine){ .now_ms = now_ms, .replay_every = 1 };
    pawl_rng_init(&engine->rng, seed);
    pawl_map_init(&engine->instances, seed);
    pawl_list_init(&engine->ready);
    pawl_heap_init(&engine->due);
    pawl_buf_init(&engine->problem_text, 1u << 16);
}

static void result_free(struct due_result *result)
{
    bytes_free(result->to.instance);
    bytes_free(result->payload);
    bytes_free(result->failure);
    bytes_free(result->progress);
    pawl_mem_free(result);
}

static void input_remove(struct pawl_test_instance *instance, struct pawl_test_input *input)
{
    pawl_list_remove(&input->link);
    instance->inputs_count--;
    pawl_mem_free(input);
}

static struct pawl_test_input *input_first(const struct pawl_test_instance *instance)
{
    if (pawl_list_is_empty(&instance->inputs)) return NULL;
    return PAWL_CONTAINER_OF(instance->inputs.next, struct pawl_test_input, link);
}

static void instance_free(struct pawl_test_engine *engine, struct pawl_test_instance *instance)
{
    for (struct pawl_test_input *input; (input = input_first(instance)) != NULL;)
        input_remove(instance, input);
    if (pawl_list_is_linked(&instance->ready_link)) pawl_list_remove(&instance->ready_link);
    pawl_heap_remove(&engine->due, &instance->alarm.node);
    pawl_replay_on_evict(engine->replay, instance->id);
    pawl_replay_on_evict(engine->shadow, instance->id);
    pawl_map_remove(&engine->instances, instance->id);
    struct pawl_bytes *owned[] = { &instance->id,      &instance->name,
                                   &instance->version, &instance->input,
                                   &instance->output,  &instance->custom_status,
                                   &instance->failure, &instance->parent.instance };
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) bytes_free(*owned[i]);
    pawl_arena_deinit(&instance->generation);
    pawl_mem_free(instance);
}

static void due_free(struct pawl_test_due *due)
{
    if (due->kind == PAWL_TEST_DUE_RESULT)
        result_free(PAWL_CONTAINER_OF(due, struct due_result, head));
    else
        pawl_mem_free(PAWL_CONTAINER_OF(due, struct due_call, head));
}

void pawl_test_engine_deinit(struct pawl_test_engine *engine)
{
    uint32_t cursor = 0;
    for (struct pawl_test_instance *instance;
         (instance = pawl_map_next(&engine->instances, &cursor)) != NULL;)
        instance_free(engine, instance);
    for (struct pawl_heap_node *node; (node = pawl_heap_peek(&engine->due)) != NULL;) {
        pawl_heap_remove(&engine->due, node);
        due_free(PAWL_CONTAINER_OF(node, struct pawl_test_due, node));
    }
    pawl_map_deinit(&engine->instances);
    pawl_heap_deinit(&engine->due);
    pawl_buf_deinit(&engine->problem_text);
}

void pawl_test_engine_note(struct pawl_test_engine *engine, pawl_err err, const char *format, ...)
{
    char text[4096];
    if (engine->problem != PAWL_OK) return;
    engine->problem = err;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    pawl_buf_clear(&engine->problem_text);
    pawl_buf_append(&engine->problem_text, text, strlen(text) + 1);
}

struct pawl_test_instance *pawl_test_engine_find(const struct pawl_test_engine *engine,
                                                 struct pawl_bytes id)
{
    return pawl_map_find(&engine->instances, id);
}

/* Inputs ------------------------------------------------------------ */

static void input_add(struct pawl_test_instance *instance, struct pawl_bytes event, bool durable,
                      uint32_t gen, uint64_t nonce)
{
    struct pawl_test_input *input = pawl_mem_alloc(sizeof *input + event.size);
    uint8_t *copy = (uint8_t *)(input + 1);
    memcpy(copy, event.data, event.size);
    input->event = pawl_bytes_make(copy, event.size);
    input->durable = durable;
    input->gen = gen;
    input->nonce = nonce;
    struct pawl_history_event decoded;
    pawl_err err = pawl_history_event_decode(input->event, &decoded);
    PAWL_ASSERT(err == PAWL_OK); /* encoded here */
    input->kind = decoded.kind;
    input->ref = decoded.ref;
    pawl_list_push_tail(&instance->inputs, &input->link);
    instance->inputs_count++;
}

static int64_t next_timer_ms(const struct pawl_test_instance *instance)
{
    int64_t next_ms = INT64_MAX;
    for (uint32_t i = 0; i < instance->ops_count; i++) {
        const struct pawl_test_op *op = &instance->ops[i];
        if (op->kind == 't' && op->fire_at_ms < next_ms) next_ms = op->fire_at_ms;
    }
    return next_ms;
}

static bool is_runnable(const struct pawl_test_instance *instance)
{
    return instance->status == PAWL_STATUS_RUNNING || instance->status == PAWL_STATUS_PENDING;
}

/* Results for an instance that does not run become rows, behind those that are rows. */
static void inputs_store(struct pawl_test_instance *instance)
{
    struct pawl_list later;
    pawl_list_init(&later);
    struct pawl_list *link = instance->inputs.next;
    while (link != &instance->inputs) {
        struct pawl_test_input *input = PAWL_CONTAINER_OF(link, struct pawl_test_input, link);
        link = link->next;
        if (input->durable) continue;
        input->durable = true;
        pawl_list_remove(&input->link);
        pawl_list_push_tail(&later, &input->link);
    }
    while (!pawl_list_is_empty(&later)) {
        link = later.next;
        pawl_list_remove(link);
        pawl_list_push_tail(&instance->inputs, link);
    }
}

/* A result counts when its operation still waits for it. */
static void deliver_result(struct pawl_test_engine *engine, const struct pawl_parent *to,
                           const struct pawl_history_event *event)
{
    struct pawl_test_instance *instance = pawl_test_engine_find(engine, to->instance);
    if (!instance || pawl_status_is_terminal(instance->status)) return;
    if (!pawl_id_is_equal(instance->inc, to->inc) || instance->gen != to->gen) return;
    const struct pawl_test_op *op =
        pawl_test_op_find(instance, pawl_test_result_op_kind(event->kind), to->op_id);
    if (!op || op->nonce != to->nonce) return;
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    input_add(instance, pawl_history_event_pack(&arena, event), !is_runnable(instance), to->gen,
              to->nonce);
    pawl_arena_deinit(&arena);
    instance_advance(engine, instance);
}

static void plan_result(struct pawl_test_engine *engine, const struct pawl_parent *to,
                        bool is_child, struct pawl_id task_execution,
                        const struct pawl_test_outcome *outcome)
{
    struct due_result *result = PAWL_NEW(struct due_result);
    result->head.kind = PAWL_TEST_DUE_RESULT;
    result->to = *to;
    result->to.instance = bytes_dup(to->instance);
    result->is_child = is_child;
    result->task_execution = task_execution;
    if (outcome->failure.present) {
        struct pawl_arena arena;
        pawl_arena_init(&arena);
        result->failure = bytes_dup(pawl_failure_pack(&arena, &outcome->failure));
        pawl_arena_deinit(&arena);
        if (!is_child) result->progress = bytes_dup(outcome->progress);
    } else {
        result->payload = bytes_dup(outcome->output);
    }
    int64_t takes_ms = outcome->takes_ms > 0 ? outcome->takes_ms : 0;
    int64_t at_ms = takes_ms < INT64_MAX - engine->now_ms ? engine->now_ms + takes_ms : INT64_MAX;
    pawl_heap_insert(&engine->due, &result->head.node, at_ms);
}

static void fire_result(struct pawl_test_engine *engine, struct due_result *result)
{
    bool failed = !pawl_bytes_is_absent(result->failure);
    enum pawl_event_kind kind = result->is_child
                                    ? failed ? PAWL_EVENT_CHILD_FAILED : PAWL_EVENT_CHILD_COMPLETED
                                : failed ? PAWL_EVENT_TASK_FAILED
                                         : PAWL_EVENT_TASK_COMPLETED;
    struct pawl_history_event event = pawl_history_event_make(kind, engine->now_ms);
    event.ref = (int32_t)result->to.op_id;
    event.task_execution = result->task_execution;
    event.payload = result->payload;
    event.progress = result->progress;
    pawl_err err = pawl_failure_decode(result->failure, &event.failure);
    PAWL_ASSERT(err == PAWL_OK); /* encoded in plan_result */
    deliver_result(engine, &result->to, &event);
    result_free(result);
}

/* Creating ------------------------------------------------------------ */

static struct pawl_test_instance *instance_new(struct pawl_test_engine *engine,
                                               struct pawl_bytes id,
                                               const struct pawl_history_event *started,
                                               uint32_t gen)
{
    struct pawl_test_instance *instance = PAWL_NEW(struct pawl_test_instance);
    instance->id = bytes_dup(id);
    instance->name = bytes_dup(started->name);
    instance->version = bytes_dup(started->version);
    instance->input = bytes_dup(started->payload);
    instance->parent = started->parent;
    instance->parent.instance = bytes_dup(started->parent.instance);
    instance->inc = pawl_rng_id(&engine->rng);
    instance->status = PAWL_STATUS_PENDING;
    instance->gen = gen;
    instance->created_ms = engine->now_ms;
    instance->updated_ms = engine->now_ms;
    instance->start_at_ms = started->start_at_ms;
    instance->alarm.kind = PAWL_TEST_DUE_ALARM;
    pawl_arena_init(&instance->generation);
    pawl_list_init(&instance->inputs);
    pawl_map_insert(&engine->instances, instance->id, instance);

    struct pawl_arena arena;
    pawl_arena_init(&arena);
    input_add(instance, pawl_history_event_pack(&arena, started), true, 0, 0);
    pawl_arena_deinit(&arena);
    return instance;
}

/* Generations of an id go on counting when an ended instance is replaced. */
static void instance_create(struct pawl_test_engine *engine, struct pawl_bytes id,
                            const struct pawl_history_event *started)
{
    uint32_t gen = 1;
    struct pawl_test_instance *old = pawl_test_engine_find(engine, id);
    if (old) {
        gen = old->gen + 1;
        instance_free(engine, old);
    }
    instance_advance(engine, instance_new(engine, id, started, gen));
}

static void refuse_child(struct pawl_test_engine *engine, const struct pawl_test_message *message,
                         bool may_retry, const char *type, struct pawl_bytes text)
{
    struct pawl_history_event event =
        pawl_history_event_make(PAWL_EVENT_CHILD_FAILED, engine->now_ms);
    event.ref = (int32_t)message->parent.op_id;
    event.failure = (struct pawl_failure_view){
        .present = true, .non_retriable = !may_retry, .type = pawl_bytes_str(type), .message = text
    };
    deliver_result(engine, &message->parent, &event);
}

static void refuse_existing_child(struct pawl_test_engine *engine,
                                  const struct pawl_test_message *message)
{
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    refuse_child(engine, message, true, "WorkflowInstanceAlreadyExists",
                 pawl_arena_printf(&arena, "a workflow instance with id '%.*s' already exists",
                                   PAWL_BYTES_FMT(message->instance)));
    pawl_arena_deinit(&arena);
}

static bool is_taken(const struct pawl_test_engine *engine, struct pawl_bytes id)
{
    const struct pawl_test_instance *old = pawl_test_engine_find(engine, id);
    return old && !pawl_status_is_terminal(old->status);
}

static void create_from(struct pawl_test_engine *engine, const struct pawl_test_message *message,
                        const struct pawl_history_event *created)
{
    struct pawl_history_event started =
        pawl_history_event_make(PAWL_EVENT_EXECUTION_STARTED, created->timestamp_ms);
    started.name = created->name;
    started.version = created->version;
    started.payload = created->payload;
    started.start_at_ms = created->start_at_ms;
    started.execution = pawl_rng_id(&engine->rng);
    started.parent = message->parent;
    instance_create(engine, message->instance, &started);
}

static void send_child_start(struct pawl_test_engine *engine,
                             const struct pawl_test_message *message)
{
    struct pawl_history_event created;
    struct pawl_test_outcome outcome = { .takes_ms = 0 };
    pawl_err err = pawl_history_event_decode(message->event, &created);
    PAWL_ASSERT(err == PAWL_OK); /* encoded in start_child */
    if (!pawl_name_is_valid(message->instance, PAWL_INSTANCE_ID_SIZE_MAX)) {
        refuse_child(engine, message, false, "InvalidInstanceId",
                     PAWL_BYTES_LITERAL("the child's instance id must be 1 to 256 bytes of UTF-8 "
                                        "without control characters"));
        return;
    }
    if (engine->calls.child(engine->calls.context, message->parent.instance, &created, &outcome)) {
        plan_result(engine, &message->parent, true, (struct pawl_id){ { 0 } }, &outcome);
        return;
    }
    if (is_taken(engine, message->instance)) {
        refuse_existing_child(engine, message);
        return;
    }
    create_from(engine, message, &created);
}

/* A stand-in takes its place, too; nobody waits for what it says. */
static void send_detached_start(struct pawl_test_engine *engine,
                                const struct pawl_test_message *message)
{
    struct pawl_history_event created;
    struct pawl_test_outcome outcome = { .takes_ms = 0 };
    pawl_err err = pawl_history_event_decode(message->event, &created);
    PAWL_ASSERT(err == PAWL_OK); /* encoded in start_detached */
    if (engine->calls.child(engine->calls.context, message->sender, &created, &outcome)) return;
    if (!is_taken(engine, message->instance)) create_from(engine, message, &created);
}

static void send_message(struct pawl_test_engine *engine, const struct pawl_test_message *message)
{
    struct pawl_history_event event;
    struct pawl_test_instance *receiver = pawl_test_engine_find(engine, message->instance);
    switch (message->kind) {
    case PAWL_TEST_MESSAGE_CHILD_START: send_child_start(engine, message); return;
    case PAWL_TEST_MESSAGE_CHILD_DONE: {
        pawl_err err = pawl_history_event_decode(message->event, &event);
        PAWL_ASSERT(err == PAWL_OK); /* encoded in tell_parent */
        deliver_result(engine, &message->parent, &event);
        return;
    }
    case PAWL_TEST_MESSAGE_TERMINATE:
        if (!receiver || receiver->parent.nonce != message->parent.nonce
            || !pawl_bytes_is_equal(receiver->parent.instance, message->parent.instance))
            return; /* not its child any more */
        break;
    case PAWL_TEST_MESSAGE_DETACHED_START: send_detached_start(engine, message); return;
    case PAWL_TEST_MESSAGE_EVENT: break;
    }
    if (!receiver || pawl_status_is_terminal(receiver->status)) return;
    input_add(receiver, message->event, true, 0, 0);
    instance_advance(engine, receiver);
}

/* Committing
 * --------------------------------------------------------------------------------------- */

static void commit_inputs(struct pawl_test_instance *instance, const struct pawl_test_draft *draft)
{
    for (uint32_t i = 0; i < draft->inputs_taken; i++)
        input_remove(instance, input_first(instance));
    if (draft->inputs_taken > 0) instance->has_begun = true;
}

static void commit_ops(struct pawl_test_instance *instance, const struct pawl_test_draft *draft)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < instance->ops_count; i++)
        if (!instance->ops[i].taken) instance->ops[kept++] = instance->ops[i];
    instance->ops_count = kept;
    for (uint32_t i = 0; i < draft->ops_count; i++) {
        if (draft->ops[i].taken) continue;
        struct pawl_test_op *op = PAWL_TEST_PUSH(&instance->generation, instance, ops);
        *op = draft->ops[i];
        op->name = pawl_arena_copy(&instance->generation, op->name);
        op->child = pawl_arena_copy(&instance->generation, op->child);
    }
}

static void commit_events(struct pawl_test_instance *instance, const struct pawl_test_draft *draft)
{
    for (uint32_t i = 0; i < draft->events_count; i++) {
        *PAWL_TEST_PUSH(&instance->generation, instance, events) =
            pawl_arena_copy(&instance->generation, draft->events[i]);
        instance->events_size += draft->events[i].size;
    }
}

/* The next generation: its start, the events that come along, and what still waits. */
static void commit_continued(struct pawl_test_engine *engine, struct pawl_test_instance *instance,
                             struct pawl_test_draft *draft)
{
    const struct pawl_action *action = draft->continued;
    pawl_test_verify_generation(engine, instance, draft);
    pawl_arena_deinit(&instance->generation);
    pawl_arena_init(&instance->generation);
    instance->events = NULL;
    instance->events_count = instance->events_capacity = 0;
    instance->events_size = 0;
    instance->ops = NULL;
    instance->ops_count = instance->ops_capacity = 0;
    instance->turns_count = 0;
    instance->gen++;
    if (!pawl_bytes_is_absent(action->version)) bytes_set(&instance->version, action->version);
    bytes_set(&instance->input, action->payload);

    struct pawl_list rest;
    pawl_list_init(&rest);
    while (!pawl_list_is_empty(&instance->inputs)) {
        struct pawl_list *link = instance->inputs.next;
        pawl_list_remove(link);
        pawl_list_push_tail(&rest, link);
    }
    struct pawl_history_event started =
        pawl_history_event_make(PAWL_EVENT_EXECUTION_STARTED, engine->now_ms);
    started.name = instance->name;
    started.version = instance->version;
    started.payload = action->payload;
    started.execution = pawl_rng_id(&engine->rng);
    started.parent = instance->parent;
    input_add(instance, pawl_history_event_pack(&draft->arena, &started), true, 0, 0);
    for (uint32_t i = 0; i < action->carry_count; i++)
        input_add(instance, action->carry[i], true, 0, 0);
    while (!pawl_list_is_empty(&rest)) {
        struct pawl_list *link = rest.next;
        pawl_list_remove(link);
        pawl_list_push_tail(&instance->inputs, link);
    }
}

/* The attempt has failed at that time, whatever it did after it. */
static void time_out(struct pawl_test_outcome *outcome, int64_t at_ms, struct pawl_bytes type,
                     struct pawl_bytes message)
{
    outcome->takes_ms = at_ms;
    outcome->failure =
        (struct pawl_failure_view){ .present = true, .type = type, .message = message };
}

/* As the sidecar that runs it does, in actors/activity.c. */
static void keep_limits(struct pawl_arena *arena, const struct pawl_history_event *scheduled,
                        struct pawl_test_outcome *outcome)
{
    int64_t close_ms = scheduled->start_to_close_ms, silent_ms = outcome->silent_ms;
    if (silent_ms && silent_ms < outcome->takes_ms)
        time_out(outcome, silent_ms, PAWL_BYTES_LITERAL("HeartbeatTimeout"),
                 pawl_arena_printf(arena, "attempt 1 sent no heartbeat for %lld ms (heartbeat_ms)",
                                   (long long)scheduled->heartbeat_ms));
    if (close_ms && close_ms < outcome->takes_ms)
        time_out(outcome, close_ms, PAWL_BYTES_LITERAL("StartToCloseTimeout"),
                 pawl_arena_printf(arena,
                                   "attempt 1 did not end within the %lld ms that it may take "
                                   "(start_to_close_ms)",
                                   (long long)close_ms));
}

static void release_activity(struct pawl_test_engine *engine, const struct pawl_parent *from,
                             struct pawl_bytes encoded)
{
    struct pawl_history_event event;
    pawl_err err = pawl_history_event_decode(encoded, &event);
    PAWL_ASSERT(err == PAWL_OK); /* encoded in this turn */
    struct pawl_activity_item item = { .instance = from->instance,
                                       .task_execution = event.task_execution,
                                       .id = event.id,
                                       .attempt = 1,
                                       .name = event.name,
                                       .version = event.version,
                                       .payload = event.payload,
                                       .takes_heartbeats = true,
                                       .start_to_close_ms = event.start_to_close_ms,
                                       .heartbeat_ms = event.heartbeat_ms,
                                       .progress = event.progress };
    struct pawl_test_outcome outcome = { .progress = event.progress };
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    engine->calls.activity(engine->calls.context, &item, &outcome);
    keep_limits(&arena, &event, &outcome);
    plan_result(engine, from, false, event.task_execution, &outcome);
    pawl_arena_deinit(&arena);
}

/* A result folds into its parent at once; what goes through the store comes after it. */
static bool is_direct(const struct pawl_test_engine *engine,
                      const struct pawl_test_message *message)
{
    const struct pawl_test_instance *receiver = pawl_test_engine_find(engine, message->instance);
    return message->kind == PAWL_TEST_MESSAGE_CHILD_DONE && receiver && is_runnable(receiver);
}

static void release_self(struct pawl_test_engine *engine, const struct pawl_parent *self)
{
    struct pawl_test_instance *instance = pawl_test_engine_find(engine, self->instance);
    if (instance && pawl_id_is_equal(instance->inc, self->inc)) instance_advance(engine, instance);
}

/* Only now does anything leave. The instance may be replaced by what that causes. */
static void release(struct pawl_test_engine *engine, struct pawl_parent self,
                    struct pawl_test_draft *draft)
{
    for (uint32_t i = 0; i < draft->ops_count; i++) {
        if (draft->ops[i].kind != 'a' || draft->ops[i].taken) continue;
        self.op_id = draft->ops[i].id;
        self.nonce = draft->ops[i].nonce;
        release_activity(engine, &self, draft->events[draft->op_events[i]]);
    }
    bool *sent = PAWL_ARENA_ARRAY(&draft->arena, bool, draft->messages_count);
    for (uint32_t i = 0; i < draft->messages_count; i++) {
        sent[i] = is_direct(engine, &draft->messages[i]);
        if (sent[i]) send_message(engine, &draft->messages[i]);
    }
    release_self(engine, &self);
    for (uint32_t i = 0; i < draft->messages_count; i++)
        if (!sent[i]) send_message(engine, &draft->messages[i]);
}

static void commit(struct pawl_test_engine *engine, struct pawl_test_instance *instance,
                   struct pawl_test_draft *draft)
{
    struct pawl_parent from = { .instance = draft->self,
                                .inc = instance->inc,
                                .gen = instance->gen };
    bool ends = pawl_status_is_terminal(draft->status);
    instance->status = draft->status;
    instance->updated_ms = engine->now_ms;
    if (instance->started_ms == 0) instance->started_ms = engine->now_ms;
    if (draft->set_output) bytes_set(&instance->output, draft->output);
    if (draft->set_failure) bytes_set(&instance->failure, draft->failure);
    if (draft->set_custom_status) bytes_set(&instance->custom_status, draft->custom_status);
    instance->held = draft->cached && !draft->continued;
    if (draft->cached) instance->base = draft->id;
    /* Inputs are what some events show, so they go last. */
    if (draft->continued) {
        for (uint32_t i = 0; i < draft->events_count; i++)
            draft->events[i] = pawl_arena_copy(&draft->arena, draft->events[i]);
        commit_inputs(instance, draft);
        commit_continued(engine, instance, draft);
    } else {
        commit_events(instance, draft);
        commit_inputs(instance, draft);
        commit_ops(instance, draft);
    }
    draft->resolved_count = 0;
    if (ends) {
        instance->completed_ms = engine->now_ms;
        instance->ops_count = 0;
        pawl_replay_on_evict(engine->replay, instance->id);
        pawl_test_verify_instance(engine, instance);
        pawl_replay_on_evict(engine->shadow, instance->id);
    }
    if (draft->status == PAWL_STATUS_SUSPENDED || draft->status == PAWL_STATUS_STALLED)
        inputs_store(instance);
    release(engine, from, draft);
}

/* Turns of the engine's own
 * ------------------------------------------------------------------------ */

static void control_event(struct pawl_test_engine *engine, struct pawl_test_draft *draft,
                          enum pawl_event_kind kind, struct pawl_bytes name,
                          struct pawl_bytes payload)
{
    struct pawl_history_event event = pawl_history_event_make(kind, engine->now_ms);
    event.name = name;
    event.payload = payload;
    pawl_test_draft_add(draft, &event);
}

/* What the replay holds is behind the history then. */
static void commit_own(struct pawl_test_engine *engine, struct pawl_test_instance *instance,
                       struct pawl_test_draft *draft)
{
    draft->cached = false;
    commit(engine, instance, draft);
}

static void stall(struct pawl_test_engine *engine, struct pawl_test_instance *instance,
                  struct pawl_bytes why)
{
    struct pawl_test_draft draft;
    pawl_test_draft_init(engine, instance, &draft);
    struct pawl_failure_view failure = { .present = true,
                                         .type = PAWL_BYTES_LITERAL("NonDeterminism"),
                                         .message = why };
    control_event(engine, &draft, PAWL_EVENT_EXECUTION_STALLED, failure.type, why);
    draft.set_failure = true;
    draft.failure = pawl_failure_pack(&draft.arena, &failure);
    draft.status = PAWL_STATUS_STALLED;
    instance->unsound = true;
    pawl_test_engine_note(engine, PAWL_E_NONDETERMINISM, "Instance '%.*s': %.*s",
                          PAWL_BYTES_FMT(instance->id), PAWL_BYTES_FMT(why));
    commit_own(engine, instance, &draft);
    pawl_test_draft_deinit(instance, &draft);
}

static void terminate(struct pawl_test_engine *engine, struct pawl_test_instance *instance,
                      struct pawl_bytes output, bool recursive)
{
    struct pawl_test_draft draft;
    pawl_test_draft_init(engine, instance, &draft);
    output = pawl_arena_copy(&draft.arena, output);
    pawl_test_draft_take_inputs(engine, instance, &draft);
    pawl_test_draft_terminate(engine, instance, &draft, output, recursive);
    commit_own(engine, instance, &draft);
    pawl_test_draft_deinit(instance, &draft);
}

static void suspend(struct pawl_test_engine *engine, struct pawl_test_instance *instance,
                    struct pawl_bytes reason)
{
    struct pawl_test_draft draft;
    pawl_test_draft_init(engine, instance, &draft);
    control_event(engine, &draft, PAWL_EVENT_EXECUTION_SUSPENDED, PAWL_BYTES_ABSENT, reason);
    draft.status = PAWL_STATUS_SUSPENDED;
    commit_own(engine, instance, &draft);
    pawl_test_draft_deinit(instance, &draft);
}

static void resume(struct pawl_test_engine *engine, struct pawl_test_instance *instance,
                   struct pawl_bytes reason)
{
    struct pawl_test_draft draft;
    pawl_test_draft_init(engine, instance, &draft);
    control_event(engine, &draft, PAWL_EVENT_EXECUTION_RESUMED, PAWL_BYTES_ABSENT, reason);
    if (instance->status == PAWL_STATUS_STALLED) {
        draft.set_failure = true;
        draft.failure = PAWL_BYTES_ABSENT;
        instance->unsound = false;
        pawl_test_verify_reset(engine, instance);
    }
    draft.status = instance->has_begun ? PAWL_STATUS_RUNNING : PAWL_STATUS_PENDING;
    commit_own(engine, instance, &draft);
    pawl_test_draft_deinit(instance, &draft);
}

/* What follows
 * -------------------------------------------------------------------------------------- */

static const struct pawl_test_input *find_terminate(const struct pawl_test_instance *instance)
{
    const struct pawl_list *link = instance->inputs.next;
    for (; link != &instance->inputs; link = link->next) {
        const struct pawl_test_input *input = PAWL_CONTAINER_OF(link, struct pawl_test_input, link);
        if (input->kind == PAWL_EVENT_EXECUTION_TERMINATED) return input;
    }
    return NULL;
}

static void set_alarm(struct pawl_test_engine *engine, struct pawl_test_instance *instance,
                      int64_t at_ms)
{
    pawl_heap_remove(&engine->due, &instance->alarm.node);
    if (at_ms != INT64_MAX) pawl_heap_insert(&engine->due, &instance->alarm.node, at_ms);
}

static void instance_advance(struct pawl_test_engine *engine, struct pawl_test_instance *instance)
{
    if (pawl_status_is_terminal(instance->status)) {
        if (pawl_list_is_linked(&instance->ready_link)) pawl_list_remove(&instance->ready_link);
        set_alarm(engine, instance, INT64_MAX);
        return;
    }
    const struct pawl_test_input *ending = find_terminate(instance);
    if (ending) {
        struct pawl_history_event event;
        pawl_err err = pawl_history_event_decode(ending->event, &event);
        PAWL_ASSERT(err == PAWL_OK); /* decoded when it was added */
        terminate(engine, instance, event.payload, event.recursive);
        return;
    }
    bool is_ahead =
        instance->status == PAWL_STATUS_PENDING && instance->start_at_ms > engine->now_ms;
    int64_t wake_ms = is_ahead ? instance->start_at_ms : next_timer_ms(instance);
    bool is_ready = is_runnable(instance) && !is_ahead
                    && (instance->inputs_count > 0 || wake_ms <= engine->now_ms);
    bool is_queued = pawl_list_is_linked(&instance->ready_link);
    if (is_ready && !is_queued) pawl_list_push_tail(&engine->ready, &instance->ready_link);
    if (!is_ready && is_queued) pawl_list_remove(&instance->ready_link);
    set_alarm(engine, instance, is_runnable(instance) && !is_ready ? wake_ms : INT64_MAX);
}

static void run_turn(struct pawl_test_engine *engine, struct pawl_test_instance *instance)
{
    struct pawl_test_draft draft;
    struct pawl_frame frame;
    pawl_list_remove(&instance->ready_link);
    engine->turns_total++;
    instance->turns_count++;
    pawl_test_draft_init(engine, instance, &draft);
    pawl_test_draft_take_inputs(engine, instance, &draft);
    bool from_history = !instance->held || instance->turns_count % engine->replay_every == 0;
    pawl_test_ask_code(engine, engine->replay, instance, draft.id,
                       from_history ? NULL : &instance->base, instance->events_count,
                       draft.events_count, draft.events, &draft.arena, &frame);
    if (frame.turn_done.err == PAWL_E_NONDETERMINISM) {
        for (uint32_t i = 0; i < instance->ops_count; i++) instance->ops[i].taken = false;
        stall(engine, instance, frame.turn_done.message);
    } else {
        pawl_test_draft_apply(engine, instance, &draft, &frame.turn_done);
        commit(engine, instance, &draft);
    }
    pawl_arena_deinit(&draft.arena);
}

static void fire(struct pawl_test_engine *engine, struct pawl_test_due *due)
{
    pawl_heap_remove(&engine->due, &due->node);
    switch (due->kind) {
    case PAWL_TEST_DUE_RESULT:
        fire_result(engine, PAWL_CONTAINER_OF(due, struct due_result, head));
        return;
    case PAWL_TEST_DUE_ALARM:
        instance_advance(engine, PAWL_CONTAINER_OF(due, struct pawl_test_instance, alarm));
        return;
    case PAWL_TEST_DUE_CALL: {
        struct due_call *call = PAWL_CONTAINER_OF(due, struct due_call, head);
        call->run(call->context);
        pawl_mem_free(call);
        return;
    }
    }
}

enum pawl_test_step pawl_test_engine_step(struct pawl_test_engine *engine, int64_t until_ms)
{
    struct pawl_heap_node *next = pawl_heap_peek(&engine->due);
    bool is_due = next && next->due_ms <= engine->now_ms;
    if (!is_due && !pawl_list_is_empty(&engine->ready)) {
        run_turn(engine,
                 PAWL_CONTAINER_OF(engine->ready.next, struct pawl_test_instance, ready_link));
        return PAWL_TEST_STEP_DONE;
    }
    if (!next || next->due_ms > until_ms) return PAWL_TEST_STEP_REST;
    if (next->due_ms > engine->now_ms) engine->now_ms = next->due_ms;
    fire(engine, PAWL_CONTAINER_OF(next, struct pawl_test_due, node));
    return PAWL_TEST_STEP_DONE;
}

void pawl_test_engine_plan(struct pawl_test_engine *engine, int64_t at_ms,
                           void (*run)(void *context), void *context)
{
    struct due_call *call = PAWL_NEW(struct due_call);
    call->head.kind = PAWL_TEST_DUE_CALL;
    call->run = run;
    call->context = context;
    pawl_heap_insert(&engine->due, &call->head.node,
                     at_ms > engine->now_ms ? at_ms : engine->now_ms);
}

/* Requests
 * ------------------------------------------------------------------------------------------ */

static pawl_err raise_event(struct pawl_test_engine *engine, struct pawl_test_instance *instance,
                            struct pawl_bytes name, struct pawl_bytes payload)
{
    if (instance->inputs_count >= PAWL_INBOX_ROWS_MAX) return PAWL_E_BUSY;
    struct pawl_arena arena;
    struct pawl_history_event raised =
        pawl_history_event_make(PAWL_EVENT_EVENT_RAISED, engine->now_ms);
    raised.name = name;
    raised.payload = payload;
    pawl_arena_init(&arena);
    input_add(instance, pawl_history_event_pack(&arena, &raised), true, 0, 0);
    pawl_arena_deinit(&arena);
    instance_advance(engine, instance);
    return PAWL_OK;
}

static void create(struct pawl_test_engine *engine, const struct pawl_request *request)
{
    struct pawl_history_event started =
        pawl_history_event_make(PAWL_EVENT_EXECUTION_STARTED, engine->now_ms);
    started.name = request->name;
    started.version = request->version;
    started.payload = request->payload;
    started.start_at_ms = request->start_at_ms;
    started.execution = pawl_rng_id(&engine->rng);
    instance_create(engine, request->instance, &started);
}

static pawl_err start(struct pawl_test_engine *engine, const struct pawl_request *request)
{
    bool has_event = !pawl_bytes_is_absent(request->event_name);
    struct pawl_test_instance *old = pawl_test_engine_find(engine, request->instance);
    bool is_active = old && !pawl_status_is_terminal(old->status);
    if (is_active && request->reuse == PAWL_REUSE_TERMINATE) {
        terminate(engine, old, PAWL_BYTES_ABSENT, true);
    } else if (old) {
        bool may_raise = is_active && has_event && request->reuse != PAWL_REUSE_REFUSE;
        bool may_replace =
            !is_active
            && (request->reuse == PAWL_REUSE_TERMINAL || request->reuse == PAWL_REUSE_TERMINATE);
        if (may_raise) return raise_event(engine, old, request->event_name, request->event_data);
        if (request->reuse == PAWL_REUSE_RETURN && !has_event) return PAWL_OK;
        if (!may_replace) return PAWL_E_EXISTS;
    }
    create(engine, request);
    if (!has_event) return PAWL_OK;
    return raise_event(engine, pawl_test_engine_find(engine, request->instance),
                       request->event_name, request->event_data);
}

pawl_err pawl_test_engine_request(struct pawl_test_engine *engine,
                                  const struct pawl_request *request)
{
    if (engine->inside) return PAWL_E_STATE;
    if (request->op == PAWL_REQUEST_START) return start(engine, request);
    struct pawl_test_instance *instance = pawl_test_engine_find(engine, request->instance);
    if (!instance) return PAWL_E_NOT_FOUND;
    if (pawl_status_is_terminal(instance->status)) return PAWL_E_TERMINAL;
    switch (request->op) {
    case PAWL_REQUEST_RAISE: return raise_event(engine, instance, request->name, request->payload);
    case PAWL_REQUEST_SUSPEND:
        if (instance->status != PAWL_STATUS_SUSPENDED) suspend(engine, instance, request->payload);
        return PAWL_OK;
    case PAWL_REQUEST_RESUME:
        if (instance->status != PAWL_STATUS_SUSPENDED && instance->status != PAWL_STATUS_STALLED)
            return PAWL_E_STATE;
        resume(engine, instance, request->payload);
        return PAWL_OK;
    case PAWL_REQUEST_TERMINATE:
        terminate(engine, instance, request->payload, request->recursive);
        return PAWL_OK;
    default: PAWL_UNREACHABLE("not one of the operations named in the header");
    }
}
