#include "sdk/instance.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "sdk/patch.h"

struct pawl_workflow_ctx *pawl_instance_new(const struct pawl_instance_host *host,
                                            const struct pawl_turn *turn, pawl_workflow_fn *run,
                                            void *user)
{
    struct pawl_workflow_ctx *ctx = host->allocator->alloc(host->allocator->context, sizeof *ctx);
    if (!ctx) return NULL;

    *ctx = (struct pawl_workflow_ctx){
        .host = host, .inc = turn->inc, .gen = turn->gen, .run = run, .user = user
    };
    pawl_pool_init(&ctx->pool, host->allocator);
    pawl_pool_init(&ctx->turn, host->allocator);
    pawl_list_init(&ctx->kept_events);
    ctx->cancels_end = &ctx->cancels;
    ctx->patches_end = &ctx->patches;
    if (!pawl_pool_copy(&ctx->pool, turn->instance, &ctx->id)
        || !pawl_pool_copy(&ctx->pool, turn->name, &ctx->name)
        || !pawl_pool_copy(&ctx->pool, turn->version, &ctx->version_asked)) {
        pawl_instance_free(ctx);
        return NULL;
    }
    return ctx;
}

bool pawl_instance_set_version(struct pawl_workflow_ctx *ctx, struct pawl_bytes version)
{
    return pawl_pool_copy(&ctx->pool, version, &ctx->version);
}

void pawl_instance_free(struct pawl_workflow_ctx *ctx)
{
    if (!ctx) return;
    PAWL_ASSERT(!ctx->inside);
    const struct pawl_instance_host *host = ctx->host;
    while (ctx->deferred) {
        struct pawl_deferred *deferred = ctx->deferred;
        ctx->deferred = deferred->next;
        deferred->cleanup(deferred->argument);
    }
    if (ctx->stack) {
        bool guarded = ctx->coro.guarded;
        pawl_coro_deinit(&ctx->coro);
        host->stack_give(host->stacks, ctx->stack, guarded);
    }
    pawl_pool_deinit(&ctx->pool);
    pawl_pool_deinit(&ctx->turn);
    host->allocator->free(host->allocator->context, ctx);
}

void pawl_instance_give_up(struct pawl_workflow_ctx *ctx, pawl_err err, const char *message)
{
    PAWL_ASSERT(err != PAWL_OK);
    if (ctx->given_up == PAWL_OK) {
        ctx->given_up = err;
        ctx->given_up_message = message;
    }
    while (ctx->inside) {
        ctx->inside = false;
        pawl_coro_yield(&ctx->coro);
        PAWL_UNREACHABLE("an instance that gave up was resumed");
    }
}

/* Memory ------------------------------------------------------------------------- */

void pawl_instance_give_up_for_memory(struct pawl_workflow_ctx *ctx)
{
    pawl_instance_give_up(ctx, PAWL_E_NOMEM, "the worker has no memory left to run this workflow");
}

void *pawl_instance_alloc(struct pawl_workflow_ctx *ctx, struct pawl_pool *pool, size_t size)
{
    void *memory = pawl_pool_alloc(pool, size);
    if (!memory) pawl_instance_give_up_for_memory(ctx);
    return memory;
}

struct pawl_bytes pawl_instance_copy(struct pawl_workflow_ctx *ctx, struct pawl_pool *pool,
                                     struct pawl_bytes bytes)
{
    struct pawl_bytes copy = PAWL_BYTES_ABSENT;
    if (!pawl_pool_copy(pool, bytes, &copy)) pawl_instance_give_up_for_memory(ctx);
    return copy;
}

/* Double an array of `count` elements in the pool; the old one is left behind. */
static void *grow(struct pawl_workflow_ctx *ctx, struct pawl_pool *pool, const void *old,
                  size_t element_size, uint32_t capacity, uint32_t capacity_new)
{
    void *array = pawl_instance_alloc(ctx, pool, element_size * capacity_new);
    if (array && capacity) memcpy(array, old, element_size * capacity);
    return array;
}

/* Actions ------------------------------------------------------------------------ */

static bool reserve_op(struct pawl_workflow_ctx *ctx)
{
    if (ctx->ops_count < ctx->ops_capacity) return true;
    uint32_t capacity = ctx->ops_capacity ? ctx->ops_capacity * 2 : 16;
    struct pawl_task **ops =
        grow(ctx, &ctx->pool, ctx->ops, sizeof *ops, ctx->ops_capacity, capacity);
    if (!ops) return false;
    ctx->ops = ops;
    ctx->ops_capacity = capacity;
    return true;
}

static bool reserve_action(struct pawl_workflow_ctx *ctx)
{
    if (ctx->actions_first == ctx->actions_count) {
        ctx->actions_first = 0;
        ctx->actions_count = 0;
    }
    if (ctx->actions_count < ctx->actions_capacity) return true;
    uint32_t capacity = ctx->actions_capacity ? ctx->actions_capacity * 2 : 16;
    struct pawl_action *actions =
        grow(ctx, &ctx->turn, ctx->actions, sizeof *actions, ctx->actions_capacity, capacity);
    uint32_t *made_at = grow(ctx, &ctx->turn, ctx->actions_made_at, sizeof *made_at,
                             ctx->actions_capacity, capacity);
    if (!actions || !made_at) return false;
    ctx->actions = actions;
    ctx->actions_made_at = made_at;
    ctx->actions_capacity = capacity;
    return true;
}

static bool action_has_id(enum pawl_action_kind kind)
{
    return kind == PAWL_ACTION_ACTIVITY || kind == PAWL_ACTION_TIMER || kind == PAWL_ACTION_CHILD
           || kind == PAWL_ACTION_SEND_EVENT || kind == PAWL_ACTION_DETACHED;
}

void pawl_instance_act(struct pawl_workflow_ctx *ctx, struct pawl_action action,
                       struct pawl_task *task)
{
    if (ctx->given_up != PAWL_OK) return;
    bool is_end = action.kind == PAWL_ACTION_COMPLETE || action.kind == PAWL_ACTION_CONTINUE;
    if (!is_end && ctx->actions_count - ctx->actions_first >= PAWL_TURN_ACTIONS_MAX) {
        pawl_instance_give_up(ctx, PAWL_E_LIMIT,
                              "the workflow made more than 10000 calls without waiting for any of "
                              "them; wait in between, or spread the work over child workflows");
        return;
    }
    if (!reserve_action(ctx)) return;
    action.id = -1;
    if (action_has_id(action.kind)) {
        if (!reserve_op(ctx)) return;
        action.id = (int32_t)ctx->ops_count;
        ctx->ops[ctx->ops_count++] = task;
        if (task) task->op_id = action.id;
    }
    ctx->actions_made_at[ctx->actions_count] = ctx->applied_index;
    ctx->actions[ctx->actions_count++] = action;
}

/* Events ------------------------------------------------------------------------- */

static void on_started(struct pawl_workflow_ctx *ctx, const struct pawl_history_event *event)
{
    if (ctx->started) {
        pawl_instance_give_up(ctx, PAWL_E_NONDETERMINISM, "the history begins twice");
        return;
    }
    ctx->started = true;
    ctx->execution = event->execution;
    ctx->input = pawl_instance_copy(ctx, &ctx->pool, event->payload);
    ctx->parent = pawl_instance_copy(ctx, &ctx->pool, event->parent.instance);
}

static bool result_fits(const struct pawl_task *task, enum pawl_event_kind kind)
{
    bool is_timer = task->kind == PAWL_TASK_TIMER || task->kind == PAWL_TASK_EVENT || task->pausing;
    switch (kind) {
    case PAWL_EVENT_TIMER_FIRED: return is_timer;
    case PAWL_EVENT_TASK_COMPLETED:
    case PAWL_EVENT_TASK_FAILED: return task->kind == PAWL_TASK_ACTIVITY && !is_timer;
    default: return task->kind == PAWL_TASK_CHILD && !is_timer;
    }
}

static void on_result(struct pawl_workflow_ctx *ctx, const struct pawl_history_event *event)
{
    if (event->ref < 0 || (uint32_t)event->ref >= ctx->ops_count) {
        char *message = pawl_pool_format(
            &ctx->turn,
            "The workflow code does not match its history: history event #%u (%s) is the result "
            "of action %d, but the code has made only %u actions so far.",
            ctx->history_index, pawl_event_kind_name((int)event->kind), event->ref, ctx->ops_count);
        pawl_instance_give_up(ctx, PAWL_E_NONDETERMINISM, message);
        return;
    }
    struct pawl_task *task = ctx->ops[event->ref];
    if (!task) return; /* answered or given up before */
    if (!result_fits(task, event->kind)) {
        char *message = pawl_pool_format(
            &ctx->turn,
            "The workflow code does not match its history: history event #%u is a %s for action "
            "%d, but that action of the code is of another kind.",
            ctx->history_index, pawl_event_kind_name((int)event->kind), event->ref);
        pawl_instance_give_up(ctx, PAWL_E_NONDETERMINISM, message);
        return;
    }
    ctx->ops[event->ref] = NULL;
    pawl_task_on_result(ctx, task, event);
}

void pawl_instance_apply(struct pawl_workflow_ctx *ctx, const struct pawl_history_event *event,
                         struct pawl_bytes encoded)
{
    PAWL_ASSERT(!ctx->inside);
    if (ctx->given_up != PAWL_OK) return;
    ctx->applied_index = ctx->history_index;

    switch (event->kind) {
    case PAWL_EVENT_WORKFLOW_STARTED:
        ctx->now_ms = event->timestamp_ms;
        pawl_patch_turn_begins(ctx, event->patches);
        break;
    case PAWL_EVENT_EXECUTION_STARTED:
        on_started(ctx, event);
        ctx->dirty = true;
        break;
    case PAWL_EVENT_TASK_COMPLETED:
    case PAWL_EVENT_TASK_FAILED:
    case PAWL_EVENT_CHILD_COMPLETED:
    case PAWL_EVENT_CHILD_FAILED:
    case PAWL_EVENT_TIMER_FIRED:
        on_result(ctx, event);
        ctx->dirty = true;
        break;
    case PAWL_EVENT_EVENT_RAISED:
        pawl_task_on_raised(ctx, event, encoded);
        ctx->dirty = true;
        break;
    case PAWL_EVENT_EXECUTION_COMPLETED:
    case PAWL_EVENT_EXECUTION_TERMINATED:
    case PAWL_EVENT_CONTINUE_AS_NEW:
    case PAWL_EVENT_EXECUTION_SUSPENDED:
    case PAWL_EVENT_EXECUTION_RESUMED:
    case PAWL_EVENT_EXECUTION_REWOUND:
    case PAWL_EVENT_EXECUTION_STALLED: break; /* the engine's business, not the code's */
    case PAWL_EVENT_TASK_SCHEDULED:
    case PAWL_EVENT_CHILD_CREATED:
    case PAWL_EVENT_TIMER_CREATED:
    case PAWL_EVENT_EVENT_SENT:
    case PAWL_EVENT_DETACHED_CREATED:
    case PAWL_EVENT_TASK_CANCELLED:
    case PAWL_EVENT_TIMER_CANCELLED: PAWL_UNREACHABLE("a recorded action is compared, not applied");
    }
}

/* Running ------------------------------------------------------------------------ */

static void instance_main(void *argument)
{
    struct pawl_workflow_ctx *ctx = argument;
    ctx->result = ctx->run(ctx, ctx->input);
    ctx->returned = true;
    ctx->inside = false;
}

static bool begin(struct pawl_workflow_ctx *ctx)
{
    bool guarded = false;
    ctx->stack = ctx->host->stack_take(ctx->host->stacks, &guarded);
    if (!ctx->stack) {
        pawl_instance_give_up_for_memory(ctx);
        return false;
    }
    pawl_coro_init(&ctx->coro, ctx->stack, ctx->host->stack_size, guarded, instance_main, ctx);
    return true;
}

void pawl_instance_run(struct pawl_workflow_ctx *ctx)
{
    if (ctx->given_up != PAWL_OK || !ctx->dirty) return;
    ctx->dirty = false;
    pawl_task_flush_cancels(ctx);
    if (!ctx->started || ctx->returned || ctx->waiting_count > 0) return;
    if (!ctx->stack && !begin(ctx)) return;

    ctx->inside = true;
    (void)pawl_coro_resume(&ctx->coro); /* ctx->returned says the same */
    PAWL_ASSERT(!ctx->inside);
    if (!pawl_coro_is_intact(&ctx->coro)) {
        /* Memory below the stack may be damaged: nothing can be trusted any more. */
        ctx->host->log(ctx->host->log_context, PAWL_LEVEL_ERROR,
                       "a workflow function used up its stack (stack overflow): keep large arrays "
                       "in pawl_alloc memory, or set stack_size in struct pawl_worker_options");
        abort();
    }
    if (ctx->returned) pawl_instance_end(ctx);
}
