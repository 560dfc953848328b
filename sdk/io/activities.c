#include "sdk/io/activities.h"

#include <pthread.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "sdk/io/link.h"
#include "sdk/io/thread.h"

struct pawl_activities {
    const struct pawl_allocator *allocator;
    void (*wake)(void *context);
    void *context;
    pthread_mutex_t lock; /* guards what follows, up to threads_count */
    pthread_cond_t work;
    struct pawl_list waiting;
    struct pawl_list running;
    struct pawl_list finished;
    struct pawl_list beating; /* beat_link of items with a heartbeat to send */
    bool ending;
    uint32_t threads_count;
    pthread_t threads[];
};

/* The activity's side ----------------------------------------------------------------- */

pawl_err pawl_activity_return(struct pawl_activity_ctx *ctx, struct pawl_bytes output)
{
    if (output.size > PAWL_PAYLOAD_SIZE_MAX) return PAWL_E_TOO_LARGE;
    return pawl_pool_copy(&ctx->pool, output, &ctx->output) ? PAWL_OK : PAWL_E_NOMEM;
}

static struct pawl_bytes copy_text(struct pawl_activity_ctx *ctx, const char *text)
{
    struct pawl_bytes copy = PAWL_BYTES_ABSENT;
    if (!pawl_pool_copy(&ctx->pool, pawl_bytes_str(text ? text : ""), &copy)) {
        return PAWL_BYTES_LITERAL("");
    }
    return copy;
}

pawl_err pawl_activity_fail_with(struct pawl_activity_ctx *ctx, const struct pawl_failure *failure)
{
    ctx->failure = (struct pawl_failure_view){ .present = true,
                                               .non_retriable = failure->non_retriable,
                                               .type = copy_text(ctx, failure->type),
                                               .message = copy_text(ctx, failure->message) };
    /* Details that are too large or find no memory are left out, not the failure. */
    if (failure->details.size <= PAWL_PAYLOAD_SIZE_MAX
        && !pawl_pool_copy(&ctx->pool, failure->details, &ctx->failure.details)) {
        ctx->failure.details = PAWL_BYTES_ABSENT;
    }
    return PAWL_E_FAILED;
}

pawl_err pawl_activity_fail(struct pawl_activity_ctx *ctx, const char *type, const char *format,
                            ...)
{
    va_list arguments;
    va_start(arguments, format);
    const char *message = pawl_pool_vformat(&ctx->pool, format, arguments);
    va_end(arguments);
    return pawl_activity_fail_with(
        ctx, &(struct pawl_failure){ .type = type, .message = message ? message : "" });
}

pawl_err pawl_activity_heartbeat(struct pawl_activity_ctx *ctx, struct pawl_bytes progress)
{
    if (atomic_load(&ctx->cancelled)) return PAWL_E_CANCELLED;
    if (progress.size > PAWL_PROGRESS_SIZE_MAX) return PAWL_E_TOO_LARGE;
    return ctx->beat ? ctx->beat(ctx, progress) : PAWL_OK;
}

bool pawl_activity_is_cancelled(const struct pawl_activity_ctx *ctx)
{
    return atomic_load(&ctx->cancelled);
}

struct pawl_bytes pawl_activity_last_progress(const struct pawl_activity_ctx *ctx)
{
    return ctx->last_progress;
}

const char *pawl_activity_instance(const struct pawl_activity_ctx *ctx)
{
    return (const char *)ctx->instance.data;
}

const char *pawl_activity_name(const struct pawl_activity_ctx *ctx)
{
    return (const char *)ctx->name.data;
}

uint32_t pawl_activity_attempt(const struct pawl_activity_ctx *ctx)
{
    return ctx->attempt;
}

struct pawl_id pawl_activity_execution(const struct pawl_activity_ctx *ctx)
{
    return ctx->execution;
}

const char *pawl_activity_execution_text(const struct pawl_activity_ctx *ctx)
{
    return ctx->execution_text;
}

void *pawl_activity_user(const struct pawl_activity_ctx *ctx)
{
    return ctx->user;
}

/* Items ---------------------------------------------------------------------------------- */

void pawl_activities_item_free(struct pawl_activity_ctx *item)
{
    const struct pawl_allocator *allocator = item->pool.allocator;
    pawl_buf_deinit(&item->frame);
    pawl_buf_deinit(&item->progress);
    pawl_pool_deinit(&item->pool);
    allocator->free(allocator->context, item);
}

struct pawl_activity_ctx *pawl_activities_item_new(const struct pawl_allocator *allocator,
                                                   const struct pawl_activity_item *from)
{
    struct pawl_activity_ctx *item = allocator->alloc(allocator->context, sizeof *item);
    if (!item) return NULL;
    *item = (struct pawl_activity_ctx){ .token = from->token,
                                        .execution = from->task_execution,
                                        .attempt = from->attempt,
                                        .heartbeat_ms = from->heartbeat_ms };
    pawl_pool_init(&item->pool, allocator);
    pawl_buf_init(&item->frame, PAWL_FRAME_SIZE_MAX);
    pawl_buf_init(&item->progress, PAWL_PROGRESS_SIZE_MAX);
    item->tells_beginning =
        from->takes_heartbeats && (from->start_to_close_ms || from->heartbeat_ms);
    pawl_id_format(from->task_execution, item->execution_text);
    if (!pawl_pool_copy(&item->pool, from->instance, &item->instance)
        || !pawl_pool_copy(&item->pool, from->name, &item->name)
        || !pawl_pool_copy(&item->pool, from->payload, &item->input)
        || !pawl_pool_copy(&item->pool, from->progress, &item->last_progress)) {
        pawl_activities_item_free(item);
        return NULL;
    }
    return item;
}

void pawl_activities_item_run(struct pawl_activity_ctx *item)
{
    pawl_err err = item->run(item, item->input);
    struct pawl_frame frame = { .type = PAWL_FRAME_ACTIVITY_DONE };
    frame.activity_done.token = item->token;
    if (err == PAWL_OK) {
        frame.activity_done.payload = item->output;
    } else {
        if (!item->failure.present) {
            item->failure = (struct pawl_failure_view){
                .present = true,
                .type = pawl_bytes_str(pawl_err_name(err)),
                .message = pawl_bytes_str(pawl_err_text(err)),
            };
        }
        frame.activity_done.failure = item->failure;
    }
    pawl_frame_encode(&item->frame, &frame);
}

/* Heartbeats ------------------------------------------------------------------------------ */

static int64_t beat_every_ms(const struct pawl_activity_ctx *item)
{
    int64_t share_ms = item->heartbeat_ms / PAWL_BEATS_PER_TIMEOUT;
    bool is_share = item->heartbeat_ms > 0 && share_ms < PAWL_BEAT_EVERY_MS;
    return is_share ? share_ms : PAWL_BEAT_EVERY_MS;
}

/* Under the lock. True: the I/O thread must hear of it. */
static bool beat_queue(struct pawl_activities *activities, struct pawl_activity_ctx *item)
{
    if (pawl_list_is_linked(&item->beat_link)) return false;
    int64_t now_ms = pawl_link_now_ms();
    if (now_ms < item->beat_at_ms) return false;
    item->beat_at_ms = now_ms + beat_every_ms(item);
    pawl_list_push_tail(&activities->beating, &item->beat_link);
    return true;
}

/* pawl_activity_ctx.beat */
static pawl_err pool_beat(struct pawl_activity_ctx *item, struct pawl_bytes progress)
{
    struct pawl_activities *activities = item->beat_context;
    bool is_news = false;
    pthread_mutex_lock(&activities->lock);
    if (!pawl_bytes_is_absent(progress)) {
        pawl_buf_clear(&item->progress);
        pawl_buf_append_bytes(&item->progress, progress);
        item->progress_unsent = item->progress.bad == PAWL_OK;
    }
    pawl_err err = item->progress.bad;
    if (err == PAWL_OK) is_news = beat_queue(activities, item);
    pthread_mutex_unlock(&activities->lock);
    if (is_news) activities->wake(activities->context);
    return err;
}

/* A limit counts from here and not from when the item began to wait for a thread. */
static void tell_beginning(struct pawl_activity_ctx *item)
{
    if (item->tells_beginning) (void)pool_beat(item, PAWL_BYTES_ABSENT); /* needs no memory */
}

static void beat_encode(struct pawl_activity_ctx *item, struct pawl_buf *out)
{
    struct pawl_frame frame = { .type = PAWL_FRAME_ACTIVITY_HEARTBEAT };
    frame.activity_beat.token = item->token;
    if (item->progress_unsent) frame.activity_beat.progress = pawl_buf_view(&item->progress);
    pawl_frame_encode(out, &frame);
    item->progress_unsent = false;
}

bool pawl_activities_take_beat(struct pawl_activities *activities, struct pawl_buf *out,
                               uint64_t *ret_epoch)
{
    pthread_mutex_lock(&activities->lock);
    bool has_one = !pawl_list_is_empty(&activities->beating);
    if (has_one) {
        struct pawl_activity_ctx *item =
            PAWL_CONTAINER_OF(activities->beating.next, struct pawl_activity_ctx, beat_link);
        pawl_list_remove(&item->beat_link);
        *ret_epoch = item->epoch;
        beat_encode(item, out);
    }
    pthread_mutex_unlock(&activities->lock);
    return has_one;
}

bool pawl_activities_last_beat(struct pawl_activity_ctx *item, struct pawl_buf *out)
{
    if (!item->failure.present || !item->progress_unsent) return false;
    beat_encode(item, out);
    return true;
}

/* Threads -------------------------------------------------------------------------------- */

/* Under the lock. */
static struct pawl_activity_ctx *pop(struct pawl_list *list)
{
    if (pawl_list_is_empty(list)) return NULL;
    struct pawl_list *link = list->next;
    pawl_list_remove(link);
    return PAWL_CONTAINER_OF(link, struct pawl_activity_ctx, link);
}

static struct pawl_activity_ctx *wait_for_item(struct pawl_activities *activities)
{
    pthread_mutex_lock(&activities->lock);
    while (!activities->ending && pawl_list_is_empty(&activities->waiting)) {
        pthread_cond_wait(&activities->work, &activities->lock);
    }
    struct pawl_activity_ctx *item = activities->ending ? NULL : pop(&activities->waiting);
    if (item) pawl_list_push_tail(&activities->running, &item->link);
    pthread_mutex_unlock(&activities->lock);
    return item;
}

static void *thread_main(void *argument)
{
    struct pawl_activities *activities = argument;
    struct pawl_activity_ctx *item;
    while ((item = wait_for_item(activities)) != NULL) {
        tell_beginning(item);
        pawl_activities_item_run(item);
        pthread_mutex_lock(&activities->lock);
        pawl_list_remove(&item->link);
        pawl_list_push_tail(&activities->finished, &item->link);
        pthread_mutex_unlock(&activities->lock);
        activities->wake(activities->context);
    }
    return NULL;
}

pawl_err pawl_activities_new(const struct pawl_allocator *allocator, uint32_t threads_count,
                             void (*wake)(void *context), void *context,
                             struct pawl_activities **ret_activities)
{
    struct pawl_activities *activities = allocator->alloc(
        allocator->context, sizeof *activities + threads_count * sizeof activities->threads[0]);
    if (!activities) return PAWL_E_NOMEM;
    *activities =
        (struct pawl_activities){ .allocator = allocator, .wake = wake, .context = context };
    pthread_mutex_init(&activities->lock, NULL);
    pthread_cond_init(&activities->work, NULL);
    pawl_list_init(&activities->waiting);
    pawl_list_init(&activities->running);
    pawl_list_init(&activities->beating);
    pawl_list_init(&activities->finished);
    while (activities->threads_count < threads_count) {
        pthread_t *thread = &activities->threads[activities->threads_count];
        pawl_err err = pawl_thread_start(thread, thread_main, activities);
        if (err != PAWL_OK) {
            pawl_activities_free(activities);
            return err;
        }
        activities->threads_count++;
    }
    *ret_activities = activities;
    return PAWL_OK;
}

void pawl_activities_free(struct pawl_activities *activities)
{
    if (!activities) return;
    pawl_activities_cancel_all(activities);
    pthread_mutex_lock(&activities->lock);
    activities->ending = true;
    pthread_cond_broadcast(&activities->work);
    pthread_mutex_unlock(&activities->lock);
    for (uint32_t i = 0; i < activities->threads_count; i++) {
        pthread_join(activities->threads[i], NULL);
    }
    (void)pawl_activities_drop(activities);
    struct pawl_activity_ctx *item;
    while ((item = pawl_activities_take(activities)) != NULL) pawl_activities_item_free(item);
    pthread_cond_destroy(&activities->work);
    pthread_mutex_destroy(&activities->lock);
    activities->allocator->free(activities->allocator->context, activities);
}

pawl_err pawl_activities_submit(struct pawl_activities *activities,
                                const struct pawl_activity_item *from, uint64_t epoch,
                                pawl_activity_fn *run, void *user)
{
    struct pawl_activity_ctx *item = pawl_activities_item_new(activities->allocator, from);
    if (!item) return PAWL_E_NOMEM;
    item->epoch = epoch;
    if (from->takes_heartbeats) item->beat = pool_beat;
    item->beat_context = activities;
    item->run = run;
    item->user = user;
    pthread_mutex_lock(&activities->lock);
    pawl_list_push_tail(&activities->waiting, &item->link);
    pthread_cond_signal(&activities->work);
    pthread_mutex_unlock(&activities->lock);
    return PAWL_OK;
}

static struct pawl_activity_ctx *find_token(const struct pawl_list *list, struct pawl_id token,
                                            uint64_t epoch)
{
    for (struct pawl_list *link = list->next; link != list; link = link->next) {
        struct pawl_activity_ctx *item = PAWL_CONTAINER_OF(link, struct pawl_activity_ctx, link);
        if (item->epoch == epoch && pawl_id_is_equal(item->token, token)) return item;
    }
    return NULL;
}

static void finish_unbegun(struct pawl_activities *activities, struct pawl_activity_ctx *item)
{
    struct pawl_frame frame = { .type = PAWL_FRAME_ACTIVITY_DONE };
    frame.activity_done.token = item->token;
    frame.activity_done.failure = (struct pawl_failure_view){
        .present = true,
        .type = pawl_bytes_str(pawl_err_name(PAWL_E_CANCELLED)),
        .message = pawl_bytes_str(pawl_err_text(PAWL_E_CANCELLED)),
    };
    pawl_frame_encode(&item->frame, &frame);
    pawl_list_remove(&item->link);
    pawl_list_push_tail(&activities->finished, &item->link);
}

void pawl_activities_cancel(struct pawl_activities *activities, struct pawl_id token,
                            uint64_t epoch)
{
    pthread_mutex_lock(&activities->lock);
    struct pawl_activity_ctx *waiting = find_token(&activities->waiting, token, epoch);
    if (waiting) finish_unbegun(activities, waiting);
    struct pawl_activity_ctx *running = find_token(&activities->running, token, epoch);
    if (running) atomic_store(&running->cancelled, true);
    pthread_mutex_unlock(&activities->lock);
}

void pawl_activities_cancel_all(struct pawl_activities *activities)
{
    pthread_mutex_lock(&activities->lock);
    const struct pawl_list *running = &activities->running;
    for (struct pawl_list *link = running->next; link != running; link = link->next)
        atomic_store(&PAWL_CONTAINER_OF(link, struct pawl_activity_ctx, link)->cancelled, true);
    pthread_mutex_unlock(&activities->lock);
}

uint32_t pawl_activities_drop(struct pawl_activities *activities)
{
    uint32_t count = 0;
    pthread_mutex_lock(&activities->lock);
    struct pawl_activity_ctx *item;
    while ((item = pop(&activities->waiting)) != NULL) {
        pawl_activities_item_free(item);
        count++;
    }
    pthread_mutex_unlock(&activities->lock);
    return count;
}

struct pawl_activity_ctx *pawl_activities_take(struct pawl_activities *activities)
{
    pthread_mutex_lock(&activities->lock);
    struct pawl_activity_ctx *item = pop(&activities->finished);
    if (item && pawl_list_is_linked(&item->beat_link)) pawl_list_remove(&item->beat_link);
    pthread_mutex_unlock(&activities->lock);
    return item;
}
