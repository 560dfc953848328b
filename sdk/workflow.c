/* The functions of pawl/workflow.h. They run on the workflow's own stack. */
#include "pawl/workflow.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/limits.h"
#include "sdk/instance.h"

/* Waiting -------------------------------------------------------------------------- */

static void suspend(struct pawl_workflow_ctx *ctx)
{
    PAWL_ASSERT(ctx->inside);
    PAWL_ASSERT(ctx->waiting_count > 0);
    ctx->inside = false;
    pawl_coro_yield(&ctx->coro);
    PAWL_ASSERT(ctx->inside);
    PAWL_ASSERT(ctx->waiting_count == 0);
}

/* Counts each task once even if the array has it twice. */
static uint32_t mark_awaited(struct pawl_task *const *tasks, size_t count)
{
    uint32_t pending = 0;
    for (size_t i = 0; i < count; i++) {
        if (tasks[i]->done || tasks[i]->awaited) continue;
        tasks[i]->awaited = true;
        pending++;
    }
    return pending;
}

static void unmark_awaited(struct pawl_task *const *tasks, size_t count)
{
    for (size_t i = 0; i < count; i++) tasks[i]->awaited = false;
}

static pawl_err report(struct pawl_workflow_ctx *ctx, const struct pawl_task *task)
{
    if (task->err == PAWL_E_FAILED) {
        ctx->last_failure = task->failure;
        ctx->last_failed = task;
    }
    return task->err;
}

pawl_err pawl_when_all(struct pawl_workflow_ctx *ctx, struct pawl_task *const *tasks, size_t count)
{
    PAWL_ASSERT(ctx->inside);
    ctx->waiting_count = mark_awaited(tasks, count);
    if (ctx->waiting_count > 0) suspend(ctx);
    unmark_awaited(tasks, count);
    for (size_t i = 0; i < count; i++) {
        if (tasks[i]->err != PAWL_OK) return report(ctx, tasks[i]);
    }
    return PAWL_OK;
}

static bool find_first_ended(struct pawl_task *const *tasks, size_t count, size_t *ret_index)
{
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        if (!tasks[i]->done) continue;
        if (found && tasks[i]->ended_order >= tasks[*ret_index]->ended_order) continue;
        found = true;
        *ret_index = i;
    }
    return found;
}

pawl_err pawl_when_any(struct pawl_workflow_ctx *ctx, struct pawl_task *const *tasks, size_t count,
                       size_t *ret_index)
{
    PAWL_ASSERT(ctx->inside);
    if (count == 0) return PAWL_E_INVALID;
    size_t index = 0;
    if (!find_first_ended(tasks, count, &index)) {
        (void)mark_awaited(tasks, count); /* one is enough, however many there are */
        ctx->waiting_count = 1;
        suspend(ctx);
        unmark_awaited(tasks, count);
        bool found = find_first_ended(tasks, count, &index);
        PAWL_ASSERT(found);
    }
    if (ret_index) *ret_index = index;
    return PAWL_OK;
}

pawl_err pawl_await(struct pawl_workflow_ctx *ctx, struct pawl_task *task,
                    struct pawl_bytes *ret_output)
{
    pawl_err err = pawl_when_all(ctx, &task, 1);
    if (err == PAWL_OK && ret_output) *ret_output = task->output;
    return err;
}

/* Activities and children ---------------------------------------------------------- */

static pawl_err check_name(struct pawl_bytes name, size_t size_max)
{
    return pawl_name_is_valid(name, size_max) ? PAWL_OK : PAWL_E_INVALID;
}

static bool limits_are_valid(enum pawl_task_kind kind, const struct pawl_call_options *options)
{
    if (options->schedule_to_start_ms < 0) return false;
    if (options->start_to_close_ms < 0 || options->heartbeat_ms < 0) return false;
    return kind == PAWL_TASK_ACTIVITY || !(options->start_to_close_ms || options->heartbeat_ms);
}

static bool policy_is_valid(enum pawl_task_kind kind, enum pawl_parent_close_policy policy)
{
    if (policy == PAWL_PARENT_CLOSE_ABANDON) return true;
    return kind == PAWL_TASK_CHILD && policy == PAWL_PARENT_CLOSE_TERMINATE;
}

static pawl_err check_call(enum pawl_task_kind kind, struct pawl_bytes name,
                           struct pawl_bytes input, const struct pawl_call_options *options)
{
    if (check_name(name, PAWL_NAME_SIZE_MAX)) return PAWL_E_INVALID;
    if (!limits_are_valid(kind, options)) return PAWL_E_INVALID;
    if (!policy_is_valid(kind, options->parent_close)) return PAWL_E_INVALID;
    if (options->app_id && !pawl_app_id_is_valid(pawl_bytes_str(options->app_id))) {
        return PAWL_E_INVALID;
    }
    if (options->version && check_name(pawl_bytes_str(options->version), PAWL_NAME_SIZE_MAX)) {
        return PAWL_E_INVALID;
    }
    if (options->instance_id
        && check_name(pawl_bytes_str(options->instance_id), PAWL_INSTANCE_ID_SIZE_MAX)) {
        return PAWL_E_INVALID;
    }
    return input.size > PAWL_PAYLOAD_SIZE_MAX ? PAWL_E_TOO_LARGE : PAWL_OK;
}

/* Payloads of the past are never sent again, so they need no copy. */
static struct pawl_bytes copy_payload(struct pawl_workflow_ctx *ctx, struct pawl_bytes payload)
{
    if (ctx->replaying) return PAWL_BYTES_ABSENT;
    return pawl_instance_copy(ctx, &ctx->turn, payload);
}

static struct pawl_task *schedule_call(struct pawl_workflow_ctx *ctx, enum pawl_task_kind kind,
                                       const char *name, struct pawl_bytes input,
                                       const struct pawl_call_options *options)
{
    static const struct pawl_call_options none;
    PAWL_ASSERT(ctx->inside);
    if (!options) options = &none;
    struct pawl_task *task = pawl_task_new(ctx, kind);
    pawl_err err = check_call(kind, pawl_bytes_str(name), input, options);
    if (err) {
        pawl_task_end(ctx, task, err);
        return task;
    }
    task->name = pawl_instance_copy(ctx, &ctx->pool, pawl_bytes_str(name));
    task->version = pawl_instance_copy(ctx, &ctx->pool, pawl_bytes_str(options->version));
    task->app = pawl_instance_copy(ctx, &ctx->pool, pawl_bytes_str(options->app_id));
    task->start_within_ms = options->schedule_to_start_ms;
    task->start_to_close_ms = options->start_to_close_ms;
    task->heartbeat_ms = options->heartbeat_ms;
    task->parent_close = options->parent_close;
    if (kind == PAWL_TASK_CHILD && options->instance_id) {
        task->instance_chosen = true;
        task->instance = pawl_instance_copy(ctx, &ctx->pool, pawl_bytes_str(options->instance_id));
    }
    if (options->retry) {
        struct pawl_retry *retry = pawl_instance_alloc(ctx, &ctx->pool, sizeof *retry);
        *retry = *options->retry;
        task->retry = retry;
        task->input = pawl_instance_copy(ctx, &ctx->pool, input);
        pawl_task_try(ctx, task, task->input);
    } else {
        pawl_task_try(ctx, task, copy_payload(ctx, input));
    }
    return task;
}

struct pawl_task *pawl_schedule_activity(struct pawl_workflow_ctx *ctx, const char *name,
                                         struct pawl_bytes input,
                                         const struct pawl_call_options *options)
{
    return schedule_call(ctx, PAWL_TASK_ACTIVITY, name, input, options);
}

struct pawl_task *pawl_schedule_child_workflow(struct pawl_workflow_ctx *ctx, const char *name,
                                               struct pawl_bytes input,
                                               const struct pawl_call_options *options)
{
    return schedule_call(ctx, PAWL_TASK_CHILD, name, input, options);
}

pawl_err pawl_call_activity(struct pawl_workflow_ctx *ctx, const char *name,
                            struct pawl_bytes input, const struct pawl_call_options *options,
                            struct pawl_bytes *ret_output)
{
    return pawl_await(ctx, pawl_schedule_activity(ctx, name, input, options), ret_output);
}

pawl_err pawl_call_child_workflow(struct pawl_workflow_ctx *ctx, const char *name,
                                  struct pawl_bytes input, const struct pawl_call_options *options,
                                  struct pawl_bytes *ret_output)
{
    return pawl_await(ctx, pawl_schedule_child_workflow(ctx, name, input, options), ret_output);
}

/* Timers and events ------------------------------------------------------------------ */

struct pawl_task *pawl_create_timer_at(struct pawl_workflow_ctx *ctx, int64_t at_ms)
{
    PAWL_ASSERT(ctx->inside);
    struct pawl_task *task = pawl_task_new(ctx, PAWL_TASK_TIMER);
    struct pawl_action action = { .kind = PAWL_ACTION_TIMER,
                                  .fire_at_ms = at_ms > ctx->now_ms ? at_ms : ctx->now_ms,
                                  .name = PAWL_BYTES_LITERAL("timer") };
    pawl_instance_act(ctx, action, task);
    return task;
}

struct pawl_task *pawl_create_timer(struct pawl_workflow_ctx *ctx, int64_t delay_ms)
{
    if (delay_ms < 0) delay_ms = 0;
    if (delay_ms > INT64_MAX / 2) delay_ms = INT64_MAX / 2;
    return pawl_create_timer_at(ctx, ctx->now_ms + delay_ms);
}

pawl_err pawl_sleep(struct pawl_workflow_ctx *ctx, int64_t delay_ms)
{
    return pawl_await(ctx, pawl_create_timer(ctx, delay_ms), NULL);
}

pawl_err pawl_sleep_until(struct pawl_workflow_ctx *ctx, int64_t at_ms)
{
    return pawl_await(ctx, pawl_create_timer_at(ctx, at_ms), NULL);
}

struct pawl_task *pawl_expect_event(struct pawl_workflow_ctx *ctx, const char *name,
                                    int64_t timeout_ms)
{
    PAWL_ASSERT(ctx->inside);
    struct pawl_task *task = pawl_task_new(ctx, PAWL_TASK_EVENT);
    if (check_name(pawl_bytes_str(name), PAWL_NAME_SIZE_MAX)) {
        pawl_task_end(ctx, task, PAWL_E_INVALID);
        return task;
    }
    if (timeout_ms > INT64_MAX / 2) timeout_ms = INT64_MAX / 2;
    pawl_task_expect(ctx, task, pawl_bytes_str(name), timeout_ms);
    return task;
}

pawl_err pawl_wait_for_event(struct pawl_workflow_ctx *ctx, const char *name, int64_t timeout_ms,
                             struct pawl_bytes *ret_payload)
{
    return pawl_await(ctx, pawl_expect_event(ctx, name, timeout_ms), ret_payload);
}

pawl_err pawl_send_event(struct pawl_workflow_ctx *ctx, const char *instance_id, const char *name,
                         struct pawl_bytes payload)
{
    return pawl_send_event_to_app(ctx, NULL, instance_id, name, payload);
}

pawl_err pawl_send_event_to_app(struct pawl_workflow_ctx *ctx, const char *app_id,
                                const char *instance_id, const char *name,
                                struct pawl_bytes payload)
{
    PAWL_ASSERT(ctx->inside);
    if (check_name(pawl_bytes_str(name), PAWL_NAME_SIZE_MAX)) return PAWL_E_INVALID;
    if (check_name(pawl_bytes_str(instance_id), PAWL_INSTANCE_ID_SIZE_MAX)) return PAWL_E_INVALID;
    if (app_id && !pawl_app_id_is_valid(pawl_bytes_str(app_id))) return PAWL_E_INVALID;
    if (payload.size > PAWL_PAYLOAD_SIZE_MAX) return PAWL_E_TOO_LARGE;

    struct pawl_action action = { .kind = PAWL_ACTION_SEND_EVENT };
    action.name = pawl_instance_copy(ctx, &ctx->turn, pawl_bytes_str(name));
    action.instance = pawl_instance_copy(ctx, &ctx->turn, pawl_bytes_str(instance_id));
    action.target_app = pawl_instance_copy(ctx, &ctx->turn, pawl_bytes_str(app_id));
    action.payload = copy_payload(ctx, payload);
    pawl_instance_act(ctx, action, NULL);
    return PAWL_OK;
}

/* Ending ----------------------------------------------------------------------------- */

pawl_err pawl_return(struct pawl_workflow_ctx *ctx, struct pawl_bytes output)
{
    if (output.size > PAWL_PAYLOAD_SIZE_MAX) return PAWL_E_TOO_LARGE;
    ctx->output = pawl_instance_copy(ctx, &ctx->pool, output);
    return PAWL_OK;
}

static const struct pawl_failure *copy_failure(struct pawl_workflow_ctx *ctx,
                                               const struct pawl_failure *failure)
{
    /* To its view and back: the one deep copy there is. */
    struct pawl_failure_view view = pawl_failure_to_view(&ctx->turn, failure);
    const struct pawl_failure *copy = pawl_failure_from_view(&ctx->pool, &view);
    if (!copy) {
        pawl_instance_give_up_for_memory(ctx);
    }
    return copy;
}

pawl_err pawl_fail(struct pawl_workflow_ctx *ctx, const char *type, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const char *message = pawl_pool_vformat(&ctx->turn, format, arguments);
    va_end(arguments);
    struct pawl_failure failure = { .type = type,
                                    .message = message ? message : "",
                                    .cause = ctx->last_failure };
    ctx->failure = copy_failure(ctx, &failure);
    return PAWL_E_FAILED;
}

pawl_err pawl_fail_with(struct pawl_workflow_ctx *ctx, const struct pawl_failure *failure)
{
    ctx->failure = copy_failure(ctx, failure);
    return PAWL_E_FAILED;
}

const struct pawl_failure *pawl_last_failure(const struct pawl_workflow_ctx *ctx)
{
    return ctx->last_failure;
}

pawl_err pawl_continue_as_new(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    if (input.size > PAWL_PAYLOAD_SIZE_MAX) return PAWL_E_TOO_LARGE;
    ctx->continued = true;
    ctx->continued_with_events = true;
    ctx->continued_input = pawl_instance_copy(ctx, &ctx->pool, input);
    return PAWL_OK;
}

pawl_err pawl_continue_as_new_without_events(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    pawl_err err = pawl_continue_as_new(ctx, input);
    if (err == PAWL_OK) ctx->continued_with_events = false;
    return err;
}

/* Telling others ------------------------------------------------------------------------ */

pawl_err pawl_set_custom_status(struct pawl_workflow_ctx *ctx, struct pawl_bytes status)
{
    if (status.size > PAWL_CUSTOM_STATUS_SIZE_MAX) return PAWL_E_TOO_LARGE;
    if (ctx->replaying) return PAWL_OK;
    ctx->custom_status_set = true;
    ctx->custom_status = pawl_instance_copy(ctx, &ctx->turn, status);
    return PAWL_OK;
}

void pawl_log_message(struct pawl_workflow_ctx *ctx, enum pawl_level level, const char *format, ...)
{
    if (ctx->replaying) return;
    va_list arguments;
    va_start(arguments, format);
    char text[PAWL_MESSAGE_SIZE_MAX];
    int size = snprintf(text, sizeof text, "%.*s: ", PAWL_BYTES_FMT(ctx->id));
    if (size > 0 && (size_t)size < sizeof text) {
        (void)vsnprintf(text + size, sizeof text - (size_t)size, format, arguments);
    }
    va_end(arguments);
    ctx->host->log(ctx->host->log_context, level, text);
}

/* Facts ----------------------------------------------------------------------------------- */

static const char *as_text(struct pawl_bytes bytes)
{
    return bytes.data ? (const char *)bytes.data : "";
}

const char *pawl_instance_id(const struct pawl_workflow_ctx *ctx)
{
    return as_text(ctx->id);
}

const char *pawl_workflow_name(const struct pawl_workflow_ctx *ctx)
{
    return as_text(ctx->name);
}

const char *pawl_workflow_version(const struct pawl_workflow_ctx *ctx)
{
    return as_text(ctx->version);
}

const char *pawl_parent_id(const struct pawl_workflow_ctx *ctx)
{
    return as_text(ctx->parent);
}

uint32_t pawl_generation(const struct pawl_workflow_ctx *ctx)
{
    return ctx->gen;
}

int64_t pawl_now_ms(const struct pawl_workflow_ctx *ctx)
{
    return ctx->now_ms;
}

bool pawl_is_replaying(const struct pawl_workflow_ctx *ctx)
{
    return ctx->replaying;
}

struct pawl_id pawl_uuid(struct pawl_workflow_ctx *ctx)
{
    uint8_t seed[32];
    memcpy(seed, ctx->execution.bytes, 16);
    memcpy(seed + 16, ctx->inc.bytes, 16);
    uint64_t number = ctx->uuid_count++;
    uint8_t label[9] = { 'u' };
    for (unsigned int i = 0; i < 8; i++) label[1 + i] = (uint8_t)(number >> (8 * i));
    struct pawl_id id =
        pawl_hash_id(pawl_bytes_make(seed, sizeof seed), pawl_bytes_make(label, sizeof label));
    id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x80); /* version 8: custom */
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
    return id;
}

const char *pawl_uuid_text(struct pawl_workflow_ctx *ctx)
{
    struct pawl_id id = pawl_uuid(ctx);
    char hex[PAWL_ID_TEXT_SIZE];
    pawl_id_format(id, hex);
    return pawl_format(ctx, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
                       hex + 20);
}

void *pawl_workflow_user(const struct pawl_workflow_ctx *ctx)
{
    return ctx->user;
}

/* Memory ------------------------------------------------------------------------------------ */

void *pawl_alloc(struct pawl_workflow_ctx *ctx, size_t size)
{
    PAWL_ASSERT(ctx->inside);
    return pawl_instance_alloc(ctx, &ctx->pool, size);
}

char *pawl_format(struct pawl_workflow_ctx *ctx, const char *format, ...)
{
    PAWL_ASSERT(ctx->inside);
    va_list arguments;
    va_start(arguments, format);
    char *text = pawl_pool_vformat(&ctx->pool, format, arguments);
    va_end(arguments);
    if (!text) {
        pawl_instance_give_up_for_memory(ctx);
    }
    return text;
}

void pawl_defer(struct pawl_workflow_ctx *ctx, void (*cleanup)(void *argument), void *argument)
{
    PAWL_ASSERT(ctx->inside);
    struct pawl_deferred *deferred = pawl_instance_alloc(ctx, &ctx->pool, sizeof *deferred);
    *deferred = (struct pawl_deferred){ ctx->deferred, cleanup, argument };
    ctx->deferred = deferred;
}
