#include "engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> /* needs the standard ones above */

#include "base/bytes.h"
#include "base/hash.h"
#include "base/limits.h"
#include "sdk/io/stack.h"

static void *counted_alloc(void *context, size_t size)
{
    struct engine *engine = context;
    if (engine->allocations_left == 0) return NULL;
    if (engine->allocations_left > 0) engine->allocations_left--;
    engine->allocated++;
    return malloc(size);
}

static void counted_free(void *context, void *memory)
{
    struct engine *engine = context;
    if (memory) engine->allocated--;
    free(memory);
}

static void *take_stack(void *stacks, bool *ret_guarded)
{
    return pawl_stack_take(stacks, ret_guarded);
}

static void give_stack(void *stacks, void *stack, bool guarded)
{
    pawl_stack_give(stacks, stack, guarded);
}

static void keep_log(void *context, enum pawl_level level, const char *text)
{
    struct engine *engine = context;
    size_t used = strlen(engine->log);
    (void)level;
    (void)snprintf(engine->log + used, sizeof engine->log - used, "%s\n", text);
}

/* With a new instance and no version asked for, the last function added is chosen. */
static bool find_function(void *context, const struct pawl_code_wanted *wanted,
                          struct pawl_code *ret_code)
{
    struct engine *engine = context;
    bool found = false;
    for (size_t i = 0; i < engine->functions_count; i++) {
        const struct engine_function *function = &engine->functions[i];
        struct pawl_bytes version = pawl_bytes_str(function->version);
        if (!pawl_bytes_is_str(wanted->name, function->name)) continue;
        bool fits = pawl_bytes_is_absent(version) || wanted->is_new
                    || pawl_bytes_is_equal(version, wanted->version);
        if (!fits) continue;
        found = true;
        *ret_code = (struct pawl_code){ function->run, function->user, version };
    }
    return found;
}

void engine_init(struct engine *engine, uint32_t cache_max)
{
    memset(engine, 0, sizeof *engine);
    pawl_arena_init(&engine->arena);
    engine->allocations_left = -1;
    engine->allocator = (struct pawl_allocator){ engine, counted_alloc, counted_free };
    assert_int_equal(pawl_stack_pool_new(65536, &engine->stacks), PAWL_OK);
    struct pawl_replay_config config = {
        .host = { .allocator = &engine->allocator,
                  .stack_size = pawl_stack_pool_size(engine->stacks),
                  .stacks = engine->stacks,
                  .stack_take = take_stack,
                  .stack_give = give_stack,
                  .log = keep_log,
                  .log_context = engine },
        .cache_max = cache_max,
        .seed = 7,
        .find = find_function,
        .find_context = engine,
    };
    assert_int_equal(pawl_replay_new(&config, &engine->replay), PAWL_OK);
    engine->sticky = cache_max > 0;
    engine->now_ms = 1000000;
}

void engine_deinit(struct engine *engine)
{
    pawl_replay_free(engine->replay);
    assert_int_equal(engine->allocated, 0);
    pawl_stack_pool_free(engine->stacks);
    pawl_arena_deinit(&engine->arena);
}

void engine_add(struct engine *engine, const char *name, pawl_workflow_fn *run, void *user)
{
    assert_true(engine->functions_count < ENGINE_FUNCTIONS_MAX);
    engine->functions[engine->functions_count++] =
        (struct engine_function){ .name = name, .run = run, .user = user };
}

void engine_add_version(struct engine *engine, const char *name, const char *version,
                        pawl_workflow_fn *run)
{
    engine_add(engine, name, run, NULL);
    engine->functions[engine->functions_count - 1].version = version;
}

void engine_push(struct engine *engine, const struct pawl_history_event *event)
{
    assert_true(engine->pending_count < ENGINE_EVENTS_MAX);
    engine->pending[engine->pending_count++] = pawl_history_event_pack(&engine->arena, event);
}

static struct pawl_id make_id(struct engine *engine, const char *what, uint64_t number)
{
    struct pawl_bytes text =
        pawl_arena_printf(&engine->arena, "%s %llu", what, (unsigned long long)number);
    return pawl_hash_id(text, pawl_bytes_str(engine->instance));
}

static void push_start(struct engine *engine, struct pawl_bytes input)
{
    struct pawl_history_event event =
        pawl_history_event_make(PAWL_EVENT_EXECUTION_STARTED, engine->now_ms);
    event.name = pawl_bytes_str(engine->name);
    event.payload = input;
    event.execution = make_id(engine, "execution", engine->gen);
    engine_push(engine, &event);
}

void engine_begin(struct engine *engine, const char *instance, const char *name,
                  struct pawl_bytes input)
{
    engine->instance = instance;
    engine->name = name;
    engine->gen = 1;
    engine->history_count = 0;
    engine->pending_count = 0;
    engine->held = false;
    push_start(engine, input);
}

static void push_result(struct engine *engine, enum pawl_event_kind kind, int32_t ref,
                        struct pawl_bytes output)
{
    struct pawl_history_event event = pawl_history_event_make(kind, engine->now_ms);
    event.ref = ref;
    event.payload = output;
    engine_push(engine, &event);
}

static void push_failure(struct engine *engine, enum pawl_event_kind kind, int32_t ref,
                         const char *type, bool non_retriable)
{
    struct pawl_history_event event = pawl_history_event_make(kind, engine->now_ms);
    event.ref = ref;
    event.failure = (struct pawl_failure_view){ .present = true,
                                                .non_retriable = non_retriable,
                                                .type = pawl_bytes_str(type),
                                                .message = PAWL_BYTES_LITERAL("it broke") };
    engine_push(engine, &event);
}

void engine_complete(struct engine *engine, int32_t ref, struct pawl_bytes output)
{
    push_result(engine, PAWL_EVENT_TASK_COMPLETED, ref, output);
}

void engine_fail(struct engine *engine, int32_t ref, const char *type, bool non_retriable)
{
    push_failure(engine, PAWL_EVENT_TASK_FAILED, ref, type, non_retriable);
}

void engine_child_complete(struct engine *engine, int32_t ref, struct pawl_bytes output)
{
    push_result(engine, PAWL_EVENT_CHILD_COMPLETED, ref, output);
}

void engine_child_fail(struct engine *engine, int32_t ref, const char *type)
{
    push_failure(engine, PAWL_EVENT_CHILD_FAILED, ref, type, false);
}

void engine_fire(struct engine *engine, int32_t ref)
{
    push_result(engine, PAWL_EVENT_TIMER_FIRED, ref, PAWL_BYTES_ABSENT);
}

void engine_raise(struct engine *engine, const char *name, struct pawl_bytes payload)
{
    struct pawl_history_event event =
        pawl_history_event_make(PAWL_EVENT_EVENT_RAISED, engine->now_ms);
    event.name = pawl_bytes_str(name);
    event.payload = payload;
    engine_push(engine, &event);
}

/* Turns ------------------------------------------------------------------------- */

static void keep(struct engine *engine, struct pawl_bytes encoded)
{
    assert_true(engine->history_count < ENGINE_EVENTS_MAX);
    engine->history[engine->history_count++] = encoded;
    engine->trace = pawl_hash_id(pawl_bytes_make(engine->trace.bytes, 16), encoded);
}

/* The event that records this action; absent for the ones that end a generation. */
static struct pawl_bytes record(struct engine *engine, const struct pawl_action *action)
{
    struct pawl_history_event event = pawl_history_event_make(0, engine->now_ms);
    switch (action->kind) {
    case PAWL_ACTION_ACTIVITY: event.kind = PAWL_EVENT_TASK_SCHEDULED; break;
    case PAWL_ACTION_TIMER: event.kind = PAWL_EVENT_TIMER_CREATED; break;
    case PAWL_ACTION_CANCEL_TIMER: event.kind = PAWL_EVENT_TIMER_CANCELLED; break;
    case PAWL_ACTION_CANCEL_ACTIVITY: event.kind = PAWL_EVENT_TASK_CANCELLED; break;
    case PAWL_ACTION_CHILD: event.kind = PAWL_EVENT_CHILD_CREATED; break;
    case PAWL_ACTION_SEND_EVENT: event.kind = PAWL_EVENT_EVENT_SENT; break;
    case PAWL_ACTION_DETACHED: event.kind = PAWL_EVENT_DETACHED_CREATED; break;
    case PAWL_ACTION_COMPLETE: event.kind = PAWL_EVENT_EXECUTION_COMPLETED; break;
    case PAWL_ACTION_CONTINUE: event.kind = PAWL_EVENT_CONTINUE_AS_NEW; break;
    }
    bool is_cancel =
        action->kind == PAWL_ACTION_CANCEL_TIMER || action->kind == PAWL_ACTION_CANCEL_ACTIVITY;
    event.id = is_cancel ? -1 : action->id;
    event.ref = is_cancel ? action->ref : -1;
    event.name = action->name;
    event.version = action->version;
    event.payload = action->payload;
    event.instance = action->instance;
    event.target_app = action->target_app;
    event.task_execution = action->task_execution;
    event.fire_at_ms = action->fire_at_ms;
    event.status = action->status;
    event.failure = action->failure;
    return pawl_history_event_pack(&engine->arena, &event);
}

static struct pawl_frame exchange(struct engine *engine, const struct pawl_turn *turn)
{
    struct pawl_buf out;
    pawl_buf_init(&out, PAWL_FRAME_SIZE_MAX);
    pawl_replay_on_turn(engine->replay, turn, &out);
    if (engine->may_lack_memory && out.bad == PAWL_E_NOMEM) {
        pawl_buf_deinit(&out);
        return (struct pawl_frame){ .type = 0 };
    }
    assert_int_equal(out.bad, PAWL_OK);
    struct pawl_bytes bytes = pawl_arena_copy(&engine->arena, pawl_buf_view(&out));
    pawl_buf_deinit(&out);
    struct pawl_frame frame;
    assert_int_equal(pawl_frame_decode(bytes, &engine->arena, &frame), PAWL_OK);
    return frame;
}

static void send_chunks(struct engine *engine, struct pawl_id turn)
{
    for (uint32_t i = 0; i < engine->history_count; i += engine->chunk_size) {
        uint32_t left = engine->history_count - i;
        struct pawl_history_chunk chunk = {
            .turn = turn,
            .events_count = left < engine->chunk_size ? left : engine->chunk_size,
            .events = engine->history + i,
        };
        pawl_replay_on_history(engine->replay, &chunk);
    }
}

static struct pawl_frame send_full(struct engine *engine, struct pawl_turn turn,
                                   struct pawl_bytes *fresh, uint32_t fresh_count)
{
    turn.base = (struct pawl_id){ { 0 } };
    bool chunked = engine->chunk_size > 0 && engine->history_count > 0;
    if (chunked) {
        send_chunks(engine, turn.turn);
        turn.past_count = 0;
        turn.events = fresh;
        turn.events_count = fresh_count;
        return exchange(engine, &turn);
    }
    turn.past_count = engine->history_count;
    turn.events_count = engine->history_count + fresh_count;
    turn.events = PAWL_ARENA_ARRAY(&engine->arena, struct pawl_bytes, turn.events_count);
    for (uint32_t i = 0; i < engine->history_count; i++) turn.events[i] = engine->history[i];
    for (uint32_t i = 0; i < fresh_count; i++) turn.events[engine->history_count + i] = fresh[i];
    return exchange(engine, &turn);
}

static void continue_as_new(struct engine *engine, const struct pawl_action *action)
{
    engine->gen++;
    engine->history_count = 0;
    engine->pending_count = 0;
    push_start(engine, action->payload);
    for (uint32_t i = 0; i < action->carry_count; i++) {
        engine->pending[engine->pending_count++] = action->carry[i];
    }
}

/* Which code it was, in the turn's WORKFLOW_STARTED. */
static void record_code(struct engine *engine, struct pawl_bytes *first,
                        struct pawl_history_event *started)
{
    const struct pawl_turn_done *done = &engine->done;
    started->version = done->version;
    if (done->patches_count)
        started->patches = pawl_patches_pack(&engine->arena, done->patches_count, done->patches);
    *first = pawl_history_event_pack(&engine->arena, started);
}

pawl_err engine_turn(struct engine *engine)
{
    struct pawl_history_event started =
        pawl_history_event_make(PAWL_EVENT_WORKFLOW_STARTED, engine->now_ms);
    uint32_t fresh_count = engine->pending_count + 1;
    struct pawl_bytes *fresh = PAWL_ARENA_ARRAY(&engine->arena, struct pawl_bytes, fresh_count);
    fresh[0] = pawl_history_event_pack(&engine->arena, &started);
    for (uint32_t i = 1; i < fresh_count; i++) fresh[i] = engine->pending[i - 1];
    engine->pending_count = 0;

    struct pawl_turn turn = { .turn = make_id(engine, "turn", ++engine->turns_count),
                              .inc = make_id(engine, "inc", 0),
                              .gen = engine->gen,
                              .instance = pawl_bytes_str(engine->instance),
                              .name = pawl_bytes_str(engine->name) };
    struct pawl_frame frame;
    if (engine->sticky && engine->held) {
        turn.base = engine->base;
        turn.events = fresh;
        turn.events_count = fresh_count;
        frame = exchange(engine, &turn);
        if (frame.type == PAWL_FRAME_NEED_HISTORY) {
            engine->need_history_count++;
            turn.turn = make_id(engine, "turn", ++engine->turns_count);
            frame = send_full(engine, turn, fresh, fresh_count);
        }
    } else {
        frame = send_full(engine, turn, fresh, fresh_count);
    }
    if (frame.type == 0) return PAWL_E_NOMEM;
    assert_int_equal(frame.type, PAWL_FRAME_TURN_DONE);
    assert_true(pawl_id_is_equal(frame.turn_done.turn, turn.turn));
    engine->done = frame.turn_done;
    engine->held = frame.turn_done.cached;
    engine->base = turn.turn;
    (void)snprintf(engine->message, sizeof engine->message, "%.*s",
                   PAWL_BYTES_FMT(frame.turn_done.message));
    if (frame.turn_done.err) return frame.turn_done.err;

    record_code(engine, &fresh[0], &started);
    for (uint32_t i = 0; i < fresh_count; i++) keep(engine, fresh[i]);
    for (uint32_t i = 0; i < engine->done.actions_count; i++) {
        keep(engine, record(engine, &engine->done.actions[i]));
    }
    if (engine->done.actions_count > 0) {
        const struct pawl_action *last = &engine->done.actions[engine->done.actions_count - 1];
        if (last->kind == PAWL_ACTION_CONTINUE) continue_as_new(engine, last);
    }
    return PAWL_OK;
}

const struct pawl_action *engine_action(const struct engine *engine, uint32_t index)
{
    assert_true(index < engine->done.actions_count);
    return &engine->done.actions[index];
}

void engine_forget(struct engine *engine)
{
    pawl_replay_on_evict(engine->replay, pawl_bytes_str(engine->instance));
}
