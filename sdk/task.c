/* Tasks: what the code waits for, from the first try to the end. */
#include "base/assert.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/limits.h"
#include "sdk/instance.h"

struct pawl_task *pawl_task_new(struct pawl_workflow_ctx *ctx, enum pawl_task_kind kind)
{
    struct pawl_task *task = pawl_instance_alloc(ctx, &ctx->pool, sizeof *task);
    if (!task) return NULL;
    task->kind = kind;
    task->op_id = -1;
    return task;
}

void pawl_task_end(struct pawl_workflow_ctx *ctx, struct pawl_task *task, pawl_err err)
{
    PAWL_ASSERT(!task->done);
    task->done = true;
    task->err = err;
    task->ended_order = ctx->ended_count++;
    task->op_id = -1;
    /* After pawl_when_any has what it needs, others may still end in the same batch. */
    if (task->awaited && ctx->waiting_count > 0) ctx->waiting_count--;
}

/* Activities and children --------------------------------------------------------- */

/* Stable over all tries, and the same in every replay. */
static struct pawl_id make_task_execution(const struct pawl_workflow_ctx *ctx, uint32_t op_id)
{
    uint8_t number[5] = { 't', (uint8_t)(op_id >> 24), (uint8_t)(op_id >> 16),
                          (uint8_t)(op_id >> 8), (uint8_t)op_id };
    uint8_t seed[32];
    memcpy(seed, ctx->execution.bytes, 16);
    memcpy(seed + 16, ctx->inc.bytes, 16);
    return pawl_hash_id(pawl_bytes_make(seed, sizeof seed), pawl_bytes_make(number, sizeof number));
}

/* A parent id that is too long is cut at a character and its hash put in place of the rest. */
struct pawl_bytes pawl_instance_next_child_id(struct pawl_workflow_ctx *ctx)
{
    char *text = pawl_pool_format(&ctx->pool, "%.*s.%u.%u", PAWL_BYTES_FMT(ctx->id), ctx->gen,
                                  ctx->ops_count);
    if (text && strlen(text) > PAWL_INSTANCE_ID_SIZE_MAX) {
        size_t size = 200;
        while (size > 0 && (ctx->id.data[size] & 0xC0) == 0x80) size--;
        text = pawl_pool_format(
            &ctx->pool, "%.*s~%016llx.%u.%u", (int)size, (const char *)ctx->id.data,
            (unsigned long long)pawl_hash_stable(ctx->id), ctx->gen, ctx->ops_count);
    }
    if (!text) {
        pawl_instance_give_up_for_memory(ctx);
        return PAWL_BYTES_ABSENT;
    }
    return pawl_bytes_str(text);
}

void pawl_task_try(struct pawl_workflow_ctx *ctx, struct pawl_task *task, struct pawl_bytes input)
{
    bool is_child = task->kind == PAWL_TASK_CHILD;
    if (task->attempts == 0) {
        task->first_ms = ctx->now_ms;
        task->task_execution = make_task_execution(ctx, ctx->ops_count);
    }
    task->attempts++;
    if (is_child && !task->instance_chosen) {
        task->instance = pawl_instance_next_child_id(ctx);
        if (pawl_bytes_is_absent(task->instance)) return;
    }
    struct pawl_action action = {
        .kind = is_child ? PAWL_ACTION_CHILD : PAWL_ACTION_ACTIVITY,
        .name = task->name,
        .version = task->version,
        .target_app = task->app,
        .start_within_ms = task->start_within_ms,
        .start_to_close_ms = task->start_to_close_ms,
        .heartbeat_ms = task->heartbeat_ms,
        .parent_close = task->parent_close,
        .progress = task->progress,
        .payload = input,
        .instance = task->instance,
    };
    if (!is_child) action.task_execution = task->task_execution;
    pawl_instance_act(ctx, action, task);
}

/* first * coefficient^(tries - 1), within the bounds. Multiplied step by step, so that
 * every machine and library gets the same number. */
static int64_t retry_interval(const struct pawl_retry *retry, uint32_t attempts)
{
    double interval = retry->first_interval_ms > 0 ? (double)retry->first_interval_ms : 1000.0;
    double interval_max = retry->interval_ms_max > 0 ? (double)retry->interval_ms_max : 1e15;
    double coefficient = retry->backoff_coefficient > 1.0 ? retry->backoff_coefficient : 1.0;
    bool grows = coefficient > 1.0;
    for (uint32_t i = 1; i < attempts && grows && interval < interval_max; i++) {
        interval *= coefficient;
    }
    return interval < interval_max ? (int64_t)interval : (int64_t)interval_max;
}

/* True and *ret_at_ms when the policy wants another try. */
static bool wants_retry(const struct pawl_workflow_ctx *ctx, const struct pawl_task *task,
                        int64_t *ret_at_ms)
{
    const struct pawl_retry *retry = task->retry;
    if (!retry || task->attempts >= retry->attempts_max) return false;
    if (retry->should_retry) {
        if (!retry->should_retry(retry->context, task->failure, task->attempts)) return false;
    } else if (task->failure->non_retriable) {
        return false;
    }
    int64_t at_ms = ctx->now_ms + retry_interval(retry, task->attempts);
    if (retry->timeout_ms > 0 && at_ms - task->first_ms > retry->timeout_ms) return false;
    *ret_at_ms = at_ms;
    return true;
}

/* Of the pause before a try: which one that is, for whoever looks at what an instance waits for. */
static struct pawl_bytes retry_note(struct pawl_workflow_ctx *ctx, const struct pawl_task *task)
{
    return pawl_bytes_str(pawl_pool_format(
        &ctx->turn, "try %u of %u of %s '%.*s'", task->attempts + 1, task->retry->attempts_max,
        task->kind == PAWL_TASK_CHILD ? "child workflow" : "activity", PAWL_BYTES_FMT(task->name)));
}

static void on_failed(struct pawl_workflow_ctx *ctx, struct pawl_task *task,
                      const struct pawl_history_event *event)
{
    struct pawl_failure_view present = event->failure;
    present.present = true;
    task->failure = pawl_failure_from_view(&ctx->pool, &present);
    if (!task->failure) {
        pawl_instance_give_up_for_memory(ctx);
        return;
    }
    int64_t at_ms;
    if (!wants_retry(ctx, task, &at_ms)) {
        pawl_task_end(ctx, task, PAWL_E_FAILED);
        return;
    }
    task->progress = pawl_instance_copy(ctx, &ctx->pool, event->progress);
    task->pausing = true;
    pawl_instance_act(ctx,
                      (struct pawl_action){ .kind = PAWL_ACTION_TIMER,
                                            .fire_at_ms = at_ms,
                                            .name = PAWL_BYTES_LITERAL("retry"),
                                            .payload = retry_note(ctx, task) },
                      task);
}

static void on_timer(struct pawl_workflow_ctx *ctx, struct pawl_task *task)
{
    if (task->pausing) {
        task->pausing = false;
        pawl_task_try(ctx, task, task->input);
        return;
    }
    if (task->kind == PAWL_TASK_TIMER) {
        pawl_task_end(ctx, task, PAWL_OK);
        return;
    }
    PAWL_ASSERT(task->kind == PAWL_TASK_EVENT);
    if (task->done) {
        /* Event and limit came in one batch, the event first: nothing to cancel. */
        task->op_id = -1;
        return;
    }
    pawl_list_remove(&task->waiter);
    pawl_task_end(ctx, task, PAWL_E_TIMEOUT);
}

void pawl_task_on_result(struct pawl_workflow_ctx *ctx, struct pawl_task *task,
                         const struct pawl_history_event *event)
{
    switch (event->kind) {
    case PAWL_EVENT_TIMER_FIRED: on_timer(ctx, task); break;
    case PAWL_EVENT_TASK_FAILED:
    case PAWL_EVENT_CHILD_FAILED: on_failed(ctx, task, event); break;
    case PAWL_EVENT_TASK_COMPLETED:
    case PAWL_EVENT_CHILD_COMPLETED:
        task->output = pawl_instance_copy(ctx, &ctx->pool, event->payload);
        pawl_task_end(ctx, task, PAWL_OK);
        break;
    default: PAWL_UNREACHABLE("not a result");
    }
}

/* External events ------------------------------------------------------------------ */

static uint8_t fold(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static bool is_same_folded(struct pawl_bytes folded, struct pawl_bytes name)
{
    if (folded.size != name.size) return false;
    for (size_t i = 0; i < name.size; i++) {
        if (folded.data[i] != fold(name.data[i])) return false;
    }
    return true;
}

/* NULL: no memory. */
static struct pawl_event_name *event_name_get(struct pawl_workflow_ctx *ctx, struct pawl_bytes name)
{
    uint32_t hash = 2166136261u; /* FNV-1a: a user's own event names, not worth a key */
    for (size_t i = 0; i < name.size; i++) hash = (hash ^ fold(name.data[i])) * 16777619u;
    struct pawl_event_name **bucket = &ctx->event_names[hash % PAWL_EVENT_BUCKETS];
    for (struct pawl_event_name *known = *bucket; known; known = known->next) {
        if (is_same_folded(known->name, name)) return known;
    }
    struct pawl_event_name *added = pawl_instance_alloc(ctx, &ctx->pool, sizeof *added);
    uint8_t *folded = pawl_instance_alloc(ctx, &ctx->pool, name.size + 1);
    if (!added || !folded) return NULL;
    for (size_t i = 0; i < name.size; i++) folded[i] = fold(name.data[i]);
    added->name = pawl_bytes_make(folded, name.size);
    pawl_list_init(&added->waiters);
    pawl_list_init(&added->kept);
    added->next = *bucket;
    *bucket = added;
    return added;
}

static void keep_event(struct pawl_workflow_ctx *ctx, struct pawl_event_name *name,
                       const struct pawl_history_event *event, struct pawl_bytes encoded)
{
    struct pawl_kept_event *kept = pawl_instance_alloc(ctx, &ctx->pool, sizeof *kept);
    if (!kept) return;
    kept->encoded = pawl_instance_copy(ctx, &ctx->pool, encoded);
    kept->payload = pawl_instance_copy(ctx, &ctx->pool, event->payload);
    pawl_list_push_tail(&name->kept, &kept->in_name);
    pawl_list_push_tail(&ctx->kept_events, &kept->in_order);
}

void pawl_task_on_raised(struct pawl_workflow_ctx *ctx, const struct pawl_history_event *event,
                         struct pawl_bytes encoded)
{
    struct pawl_event_name *name = event_name_get(ctx, event->name);
    if (!name) return;
    if (pawl_list_is_empty(&name->waiters)) {
        keep_event(ctx, name, event, encoded);
        return;
    }
    struct pawl_task *task = PAWL_CONTAINER_OF(name->waiters.next, struct pawl_task, waiter);
    pawl_list_remove(&task->waiter);
    task->output = pawl_instance_copy(ctx, &ctx->pool, event->payload);
    int32_t limit_id = task->op_id;
    pawl_task_end(ctx, task, PAWL_OK);
    if (limit_id < 0) return;
    task->op_id = limit_id;
    task->cancel_next = NULL;
    *ctx->cancels_end = task;
    ctx->cancels_end = &task->cancel_next;
}

void pawl_task_expect(struct pawl_workflow_ctx *ctx, struct pawl_task *task, struct pawl_bytes name,
                      int64_t timeout_ms)
{
    struct pawl_event_name *event_name = event_name_get(ctx, name);
    if (!event_name) return;
    task->event_name = event_name;
    if (!pawl_list_is_empty(&event_name->kept)) {
        struct pawl_kept_event *kept =
            PAWL_CONTAINER_OF(event_name->kept.next, struct pawl_kept_event, in_name);
        pawl_list_remove(&kept->in_name);
        pawl_list_remove(&kept->in_order);
        task->output = kept->payload;
        pawl_task_end(ctx, task, PAWL_OK);
        return;
    }
    if (timeout_ms == 0) {
        pawl_task_end(ctx, task, PAWL_E_TIMEOUT);
        return;
    }
    pawl_list_push_tail(&event_name->waiters, &task->waiter);
    if (timeout_ms < 0) return;
    pawl_instance_act(ctx,
                      (struct pawl_action){ .kind = PAWL_ACTION_TIMER,
                                            .fire_at_ms = ctx->now_ms + timeout_ms,
                                            .name = PAWL_BYTES_LITERAL("event time limit") },
                      task);
}

/* Whatever is under way for the task is not waited for any more. */
static void cancel_op(struct pawl_workflow_ctx *ctx, struct pawl_task *task)
{
    bool is_try = task->kind == PAWL_TASK_ACTIVITY && !task->pausing;
    enum pawl_action_kind kind = is_try ? PAWL_ACTION_CANCEL_ACTIVITY : PAWL_ACTION_CANCEL_TIMER;
    int32_t id = task->op_id;
    ctx->ops[id] = NULL;
    task->op_id = -1;
    pawl_instance_act(ctx, (struct pawl_action){ .kind = kind, .ref = id }, NULL);
}

void pawl_task_flush_cancels(struct pawl_workflow_ctx *ctx)
{
    for (struct pawl_task *task = ctx->cancels; task; task = task->cancel_next) {
        if (task->op_id >= 0) cancel_op(ctx, task);
    }
    ctx->cancels = NULL;
    ctx->cancels_end = &ctx->cancels;
}

pawl_err pawl_task_cancel(struct pawl_workflow_ctx *ctx, struct pawl_task *task)
{
    PAWL_ASSERT(ctx->inside);
    if (task->done) return PAWL_OK;
    switch (task->kind) {
    case PAWL_TASK_CHILD: return PAWL_E_STATE;
    case PAWL_TASK_EVENT: pawl_list_remove(&task->waiter); break;
    case PAWL_TASK_ACTIVITY:
    case PAWL_TASK_TIMER: break;
    }
    if (task->op_id >= 0) cancel_op(ctx, task);
    pawl_task_end(ctx, task, PAWL_E_CANCELLED);
    return PAWL_OK;
}

/* Questions ------------------------------------------------------------------------ */

bool pawl_task_is_done(const struct pawl_task *task)
{
    return task->done;
}

pawl_err pawl_task_error(const struct pawl_task *task)
{
    return task->done ? task->err : PAWL_E_STATE;
}

struct pawl_bytes pawl_task_output(const struct pawl_task *task)
{
    return task->done && task->err == PAWL_OK ? task->output : PAWL_BYTES_ABSENT;
}

const struct pawl_failure *pawl_task_failure(const struct pawl_task *task)
{
    return task->done && task->err == PAWL_E_FAILED ? task->failure : NULL;
}

const char *pawl_task_child_id(const struct pawl_task *task)
{
    return task->instance.data ? (const char *)task->instance.data : "";
}
