/* A watch is WATCH requests one after another, each from the position of the last answer. So
 * the sidecar keeps nothing of it, and a lost connection costs a repetition. */
#include "pawl/watch.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "sdk/io/ask.h"
#include "sdk/io/thread.h"

#define BEAT_MS  15000 /* an answer comes then, though nothing has happened */
#define AGAIN_MS 500   /* after an error that may pass */

struct pawl_watch {
    struct pawl_client *client;
    struct pawl_allocator allocator;
    struct pawl_pool pool; /* what `request` points to */
    struct pawl_request request;
    pawl_watch_fn *on_event;
    void *context;
    struct pawl_result *before; /* its cursor is request.cursor; NULL: that is the options' */
    struct pawl_result *news;   /* what is behind request.cursor */
    struct pawl_cancel cancel;
    pthread_t thread;
};

/* Telling -------------------------------------------------------------------------------- */

/* What one answer is told as. */
struct telling {
    struct pawl_watch *watch;
    const char *position; /* before it */
    uint32_t left;        /* events that are not told yet */
    bool goes_on;
};

static void tell(struct telling *telling, struct pawl_watch_event event)
{
    struct pawl_watch *watch = telling->watch;
    if (!telling->goes_on) return;
    event.position = --telling->left == 0 ? pawl_result_cursor(watch->news) : telling->position;
    telling->goes_on = !pawl_client_is_cancelled(watch->client, &watch->cancel)
                       && watch->on_event(watch->context, &event);
}

static struct pawl_watch_event event_make(enum pawl_watch_kind kind)
{
    return (struct pawl_watch_event){ .kind = kind,
                                      .position = "",
                                      .key = "",
                                      .id = "",
                                      .name = "",
                                      .incarnation = "",
                                      .message = "" };
}

static void tell_present(struct telling *telling)
{
    const struct pawl_instance *instance = pawl_result_instance(telling->watch->news);
    struct pawl_watch_event event = event_make(instance ? PAWL_WATCH_STATE : PAWL_WATCH_ABSENT);
    event.id = pawl_result_id(telling->watch->news);
    event.instance = instance;
    if (instance) {
        event.name = instance->name;
        event.status = instance->status;
        event.generation = instance->generation;
    }
    tell(telling, event);
}

/* False: the callback wants no more. */
static bool watch_tell(struct pawl_watch *watch)
{
    const struct pawl_result *news = watch->news;
    bool has_gap = !news->reached;
    bool is_begin = pawl_bytes_is_absent(watch->request.cursor);
    bool has_present = !pawl_bytes_is_absent(watch->request.instance) && (is_begin || has_gap);
    uint32_t count = (uint32_t)news->changes_count + has_gap + has_present;
    bool is_idle = count == 0 && watch->request.timeout_ms > 0;
    struct telling telling = { .watch = watch,
                               .position = (const char *)watch->request.cursor.data,
                               .left = count + is_idle,
                               .goes_on = true };
    if (is_begin) telling.position = "";
    if (is_idle) tell(&telling, event_make(PAWL_WATCH_IDLE));
    if (has_gap) tell(&telling, event_make(PAWL_WATCH_GAP));
    if (has_present) tell_present(&telling);
    for (size_t i = 0; i < news->changes_count; i++) tell(&telling, news->changes[i]);
    return telling.goes_on;
}

static void watch_tell_end(struct pawl_watch *watch, pawl_err err, const struct pawl_result *result)
{
    const char *message = pawl_result_message(result);
    struct pawl_watch_event event = event_make(PAWL_WATCH_END);
    event.position = pawl_result_cursor(watch->before);
    event.err = err;
    event.message = message[0] ? message : pawl_err_text(err);
    (void)watch->on_event(watch->context, &event);
}

/* Asking --------------------------------------------------------------------------------- */

static pawl_err watch_ask(struct pawl_watch *watch, struct pawl_result **ret_result)
{
    pawl_err err =
        pawl_client_ask_until(watch->client, &watch->request, &watch->cancel, ret_result);
    bool is_answer = err != PAWL_OK || pawl_result_cursor(*ret_result);
    return is_answer ? err : PAWL_E_PROTOCOL; /* without a position it is none to a WATCH */
}

/* `news` is told: the next request goes on behind it. */
static void watch_advance(struct pawl_watch *watch)
{
    pawl_result_free(watch->before);
    watch->before = watch->news;
    watch->news = NULL;
    watch->request.cursor = pawl_bytes_str(pawl_result_cursor(watch->before));
    watch->request.timeout_ms = BEAT_MS;
}

/* False: it is over. */
static bool watch_await(struct pawl_watch *watch)
{
    for (;;) {
        struct pawl_result *result = NULL;
        pawl_err err = watch_ask(watch, &result);
        if (err == PAWL_OK) {
            watch->news = result;
            return true;
        }
        bool is_final = pawl_err_class(err) == PAWL_ERR_CLASS_NEVER && err != PAWL_E_CANCELLED;
        if (is_final) watch_tell_end(watch, err, result);
        pawl_result_free(result);
        if (is_final || !pawl_client_rest(watch->client, &watch->cancel, AGAIN_MS)) return false;
    }
}

static void *watch_main(void *argument)
{
    struct pawl_watch *watch = argument;
    while (watch_tell(watch)) {
        watch_advance(watch);
        if (!watch_await(watch)) break;
    }
    return NULL;
}

/* Life ----------------------------------------------------------------------------------- */

/* False: no memory. */
static bool text_copy(struct pawl_watch *watch, const char *text, struct pawl_bytes *ret_copy)
{
    return pawl_pool_copy(&watch->pool, pawl_bytes_str(text), ret_copy);
}

static pawl_err request_make(struct pawl_watch *watch, const struct pawl_watch_options *options)
{
    struct pawl_request *request = &watch->request;
    bool is_begin = !options->position || !options->position[0];
    request->op = PAWL_REQUEST_WATCH;
    request->status_mask = options->status_mask;
    bool is_whole = text_copy(watch, options->id, &request->instance)
                    && text_copy(watch, options->name, &request->name)
                    && text_copy(watch, is_begin ? NULL : options->position, &request->cursor);
    return is_whole ? PAWL_OK : PAWL_E_NOMEM;
}

static pawl_err watch_new(struct pawl_client *client, const struct pawl_watch_options *options,
                          struct pawl_watch **ret_watch)
{
    const struct pawl_allocator *allocator = pawl_client_allocator(client);
    struct pawl_watch *watch = allocator->alloc(allocator->context, sizeof *watch);
    if (!watch) return PAWL_E_NOMEM;
    *watch = (struct pawl_watch){ .client = client,
                                  .allocator = *allocator,
                                  .on_event = options->on_event,
                                  .context = options->context };
    pawl_pool_init(&watch->pool, &watch->allocator);
    pawl_cancel_init(client, &watch->cancel);
    *ret_watch = watch;
    return request_make(watch, options);
}

static void watch_delete(struct pawl_watch *watch)
{
    pawl_result_free(watch->before);
    pawl_result_free(watch->news);
    pawl_cancel_deinit(watch->client, &watch->cancel);
    pawl_pool_deinit(&watch->pool);
    struct pawl_allocator allocator = watch->allocator;
    allocator.free(allocator.context, watch);
}

/* The first request is made here and now, so that the watch begins with its position. */
static pawl_err watch_begin(struct pawl_watch *watch, struct pawl_result **ret_result)
{
    struct pawl_result *result = NULL;
    pawl_err err = watch_ask(watch, &result);
    if (err != PAWL_OK) {
        if (ret_result) *ret_result = result;
        if (!ret_result) pawl_result_free(result);
        return err;
    }
    watch->news = result;
    return pawl_thread_start(&watch->thread, watch_main, watch);
}

pawl_err pawl_client_watch(struct pawl_client *client, const struct pawl_watch_options *options,
                           struct pawl_watch **ret_watch, struct pawl_result **ret_result)
{
    *ret_watch = NULL;
    if (ret_result) *ret_result = NULL;
    if (!options->on_event) return pawl_client_refuse(client, "on_event is missing", ret_result);
    struct pawl_watch *watch = NULL;
    pawl_err err = watch_new(client, options, &watch);
    if (err == PAWL_OK) err = watch_begin(watch, ret_result);
    if (err == PAWL_OK)
        *ret_watch = watch;
    else if (watch)
        watch_delete(watch);
    return err;
}

void pawl_watch_free(struct pawl_watch *watch)
{
    if (!watch) return;
    PAWL_ASSERT(!pthread_equal(pthread_self(), watch->thread)); /* it would wait for itself */
    pawl_client_cancel(watch->client, &watch->cancel);
    pthread_join(watch->thread, NULL);
    watch_delete(watch);
}
