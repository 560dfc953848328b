#include "sidecar/loop.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/io/stream.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "sidecar/app_stream.h"

#define HANDLES_COUNT 4u

enum loop_state { RUNNING = 1, STOPPING, ENDING, STOPPED, CLOSED };

/* A management call, from its asking to its answer.
 *
 *   QUEUED -> ASKED -> answered
 *      |        '----> GONE (its asker has left, the node is not told yet) -> told
 *      '-> REFUSED instead of ASKED, when there are too many or we are stopping */
enum call_state { CALL_QUEUED = 1, CALL_REFUSED, CALL_ASKED, CALL_GONE };

struct call {
    struct pawl_list link; /* on loop->queue, but for ASKED */
    enum call_state state;
    uint64_t token;
    pawl_api_on_answer *on_answer;
    void *context;
    struct pawl_request request; /* QUEUED; its texts lie behind this struct */
};

struct pawl_loop {
    struct pawl_api api; /* first: fronts have a pointer to it */
    struct pawl_loop_config config;
    enum loop_state state;

    uv_async_t hub_async;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_timer_t timer;
    uint32_t handles_open;

    struct pawl_node *node;
    struct pawl_effects effects;
    bool stepping;
    bool was_ready;

    struct pawl_store *store;
    bool store_dirty; /* something was submitted since the last flush */
    bool store_ready;
    char store_why[256];
    int64_t give_up_ms; /* the store is away: answer then whom it leaves waiting; 0: no */

    struct pawl_hub *hub;
    struct pawl_app_stream *app;
    char app_endpoint[256];

    struct pawl_map calls; /* by token */
    struct pawl_list queue;
    uint64_t next_token;
    struct pawl_arena info_arena; /* of one loop turn */

    int64_t clock_offset_ms; /* Unix time minus the steady clock */
    int64_t started_ms;
    int64_t node_wake_ms;
    int64_t stop_by_ms;
    int64_t armed_ms; /* what the timer is set to; 0: it is not */
};

/* Time --------------------------------------------------------------------------------- */

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) != 0) PAWL_UNREACHABLE("both clocks exist on Linux");
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Unix time as it was at start plus the steady clock since then: it never goes back,
 * whatever happens to the wall clock. BOOTTIME, because timers of workflows go on
 * while a laptop sleeps. */
static int64_t loop_now_ms(const struct pawl_loop *loop)
{
    return loop->clock_offset_ms + clock_ms(CLOCK_BOOTTIME);
}

/* The earlier of two times, where 0 means never. */
static int64_t earlier(int64_t a_ms, int64_t b_ms)
{
    if (a_ms == 0) return b_ms;
    if (b_ms == 0) return a_ms;
    return a_ms < b_ms ? a_ms : b_ms;
}

static void on_timer(uv_timer_t *timer);

static void timer_arm(struct pawl_loop *loop)
{
    int64_t wake_ms = earlier(loop->node_wake_ms, pawl_app_stream_wake_at_ms(loop->app));
    wake_ms = earlier(wake_ms, loop->stop_by_ms);
    wake_ms = earlier(wake_ms, loop->give_up_ms);
    if (wake_ms == loop->armed_ms) return;

    loop->armed_ms = wake_ms;
    if (wake_ms == 0) {
        uv_timer_stop(&loop->timer);
        return;
    }
    int64_t now_ms = loop_now_ms(loop);
    uv_update_time(loop->config.uv);
    int rc = uv_timer_start(&loop->timer, on_timer,
                            wake_ms > now_ms ? (uint64_t)(wake_ms - now_ms) : 0, 0);
    PAWL_ASSERT(rc == 0);
}

/* The node ------------------------------------------------------------------------------ */

static void call_free(struct pawl_loop *loop, struct call *call)
{
    if (pawl_list_is_linked(&call->link)) pawl_list_remove(&call->link);
    (void)pawl_map_remove(&loop->calls, pawl_bytes_make(&call->token, sizeof call->token));
    pawl_mem_free(call);
}

static void call_answer(struct pawl_loop *loop, struct call *call, const struct pawl_answer *answer)
{
    pawl_api_on_answer *on_answer = call->on_answer;
    void *context = call->context;
    bool wanted = call->state != CALL_GONE;
    call_free(loop, call);
    if (wanted) on_answer(context, answer);
}

static void effect_answer(struct pawl_loop *loop, uint64_t token, const struct pawl_answer *answer)
{
    struct call *call = pawl_map_find(&loop->calls, pawl_bytes_make(&token, sizeof token));
    if (call) call_answer(loop, call, answer);
}

static void effect_carry_out(struct pawl_loop *loop, const struct pawl_effect *effect,
                             int64_t now_ms)
{
    switch (effect->type) {
    case PAWL_EFFECT_STORE:
        loop->store->ops->submit(loop->store, effect->store);
        loop->store_dirty = true;
        return;
    case PAWL_EFFECT_SEND:
        pawl_app_stream_send(loop->app, effect->send.worker, effect->send.frame, now_ms);
        return;
    case PAWL_EFFECT_ANSWER:
        effect_answer(loop, effect->answer.token, effect->answer.answer);
        return;
    case PAWL_EFFECT_PEER_SEND: return;
    case PAWL_EFFECT_LOG:
        pawl_log((enum pawl_log_level)effect->log.level, "node", "%.*s",
                 PAWL_BYTES_FMT(effect->log.text));
        return;
    }
    PAWL_UNREACHABLE("the node made an effect of no known type");
}

/* The only place that steps the node. Carrying out its effects calls nothing that
 * could come back here: stores reply later, fronts only queue. */
static void loop_step(struct pawl_loop *loop, const struct pawl_node_event *event)
{
    PAWL_ASSERT(!loop->stepping);
    loop->stepping = true;
    pawl_node_step(loop->node, event, &loop->effects);
    for (uint32_t i = 0; i < loop->effects.count; i++) {
        effect_carry_out(loop, &loop->effects.items[i], event->now_ms);
    }
    loop->node_wake_ms = loop->effects.wake_at_ms;
    loop->stepping = false;
}

/* Calls of the fronts ------------------------------------------------------------------- */

static void call_run(struct pawl_loop *loop, struct call *call)
{
    struct pawl_node_event event = { .now_ms = loop_now_ms(loop) };
    switch (call->state) {
    case CALL_QUEUED:
        call->state = CALL_ASKED;
        event.type = PAWL_NODE_REQUEST;
        event.request.token = call->token;
        event.request.request = &call->request;
        loop_step(loop, &event); /* it may be answered and freed by this */
        return;
    case CALL_GONE:
        event.type = PAWL_NODE_REQUEST_GONE;
        event.request.token = call->token;
        call_free(loop, call);
        loop_step(loop, &event);
        return;
    case CALL_REFUSED: {
        const struct pawl_answer busy = {
            .err = PAWL_E_BUSY,
            .message = PAWL_BYTES_LITERAL("too many management calls are in flight on this "
                                          "sidecar; try again in a moment"),
        };
        const struct pawl_answer stopping = {
            .err = PAWL_E_UNAVAILABLE,
            .message = PAWL_BYTES_LITERAL("this sidecar is stopping; try again in a moment"),
        };
        const struct pawl_answer away = {
            .err = PAWL_E_UNAVAILABLE,
            .message = pawl_arena_printf(&loop->info_arena,
                                         "the workflow store cannot be reached: %s; try again in "
                                         "a moment",
                                         loop->store_why),
        };
        const struct pawl_answer *why = loop->state != RUNNING ? &stopping
                                        : !loop->store_ready   ? &away
                                                               : &busy;
        call_answer(loop, call, why);
        return;
    }
    case CALL_ASKED: break;
    }
    PAWL_UNREACHABLE("a call that was asked is not queued");
}

/* The store has been away for so long that clients had better hear of it. The engine
 * goes on with what they asked for, once the store is back. */
static void calls_give_up(struct pawl_loop *loop)
{
    struct pawl_list asked;
    uint32_t cursor = 0;
    pawl_list_init(&asked);
    for (struct call *call; (call = pawl_map_next(&loop->calls, &cursor)) != NULL;)
        if (call->state == CALL_ASKED) pawl_list_push_tail(&asked, &call->link);
    const struct pawl_answer answer = {
        .err = PAWL_E_UNKNOWN,
        .message =
            pawl_arena_printf(&loop->info_arena,
                              "the workflow store cannot be reached: %s; the call may or may "
                              "not have happened: look, or repeat it with the same request id",
                              loop->store_why),
    };
    while (!pawl_list_is_empty(&asked)) {
        struct call *call = PAWL_CONTAINER_OF(asked.next, struct call, link);
        pawl_list_remove(&call->link);
        call->state = CALL_GONE; /* and the engine is told so */
        pawl_list_push_tail(&loop->queue, &call->link);
        call->on_answer(call->context, &answer);
    }
}

static void queue_run(struct pawl_loop *loop)
{
    while (!pawl_list_is_empty(&loop->queue)) {
        struct call *call = PAWL_CONTAINER_OF(loop->queue.next, struct call, link);
        pawl_list_remove(&call->link);
        call_run(loop, call);
    }
}

/* Move a text of the request behind the call; returns where the next one goes. */
static uint8_t *text_keep(struct pawl_bytes *text, uint8_t *to)
{
    if (!text->data) return to;
    if (text->size) memcpy(to, text->data, text->size);
    text->data = to;
    return to + text->size;
}

static struct call *call_new(const struct pawl_request *request)
{
    const struct pawl_request *r = request;
    size_t size = r->instance.size + r->new_instance.size + r->request_id.size + r->name.size
                  + r->version.size + r->payload.size + r->prefix.size + r->cursor.size;
    /* One byte more: an empty text at the end points somewhere of ours, too. */
    struct call *call = pawl_mem_alloc(sizeof *call + size + 1);
    call->request = *request;
    struct pawl_bytes *texts[] = { &call->request.instance,   &call->request.new_instance,
                                   &call->request.request_id, &call->request.name,
                                   &call->request.version,    &call->request.payload,
                                   &call->request.prefix,     &call->request.cursor };
    uint8_t *to = (uint8_t *)(call + 1);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) to = text_keep(texts[i], to);
    return call;
}

static uint64_t api_call(struct pawl_api *api, const struct pawl_request *request,
                         pawl_api_on_answer *on_answer, void *context)
{
    struct pawl_loop *loop = PAWL_CONTAINER_OF(api, struct pawl_loop, api);
    /* Without its store a sidecar can do nothing for a client, and says so at once. */
    bool refuse =
        loop->state != RUNNING || !loop->store_ready || loop->calls.count >= PAWL_REQUESTS_MAX;
    struct call *call = refuse ? PAWL_NEW(struct call) : call_new(request);
    call->state = refuse ? CALL_REFUSED : CALL_QUEUED;
    call->token = ++loop->next_token;
    call->on_answer = on_answer;
    call->context = context;
    pawl_map_insert(&loop->calls, pawl_bytes_make(&call->token, sizeof call->token), call);
    pawl_list_push_tail(&loop->queue, &call->link);
    return call->token;
}

static void api_cancel(struct pawl_api *api, uint64_t token)
{
    struct pawl_loop *loop = PAWL_CONTAINER_OF(api, struct pawl_loop, api);
    struct call *call = pawl_map_find(&loop->calls, pawl_bytes_make(&token, sizeof token));
    if (!call || call->state == CALL_GONE) return;
    if (call->state != CALL_ASKED) { /* the node has never heard of it */
        call_free(loop, call);
        return;
    }
    call->state = CALL_GONE;
    pawl_list_push_tail(&loop->queue, &call->link);
}

static const char *not_ready_text(const struct pawl_loop *loop)
{
    if (loop->state != RUNNING) return "the sidecar is stopping";
    if (!loop->store_ready) return loop->store_why;
    if (!pawl_node_is_ready(loop->node)) return "waiting for the store to hand over all partitions";
    return NULL;
}

static struct pawl_api_info api_info(struct pawl_api *api)
{
    struct pawl_loop *loop = PAWL_CONTAINER_OF(api, struct pawl_loop, api);
    struct pawl_api_info info = {
        .app = loop->config.node.app,
        .namespace_ = loop->config.namespace_,
        .host = loop->config.node.host,
        .version = loop->config.version,
        .store_url = loop->config.store_url,
        .app_endpoint = loop->app_endpoint,
        .started_ms = loop->started_ms,
        .not_ready = not_ready_text(loop),
        .metrics = pawl_node_metrics(loop->node),
    };
    info.ready = info.not_ready == NULL;
    info.workers = pawl_app_stream_workers(loop->app, &loop->info_arena, &info.workers_count);
    return info;
}

static const struct pawl_api_ops loop_api_ops = {
    .call = api_call,
    .cancel = api_cancel,
    .info = api_info,
};

struct pawl_api *pawl_loop_api(struct pawl_loop *loop)
{
    return &loop->api;
}

/* The end of a loop turn ------------------------------------------------------------------ */

static void ending_begin(struct pawl_loop *loop)
{
    int64_t now_ms = loop_now_ms(loop);
    loop->state = ENDING;
    loop->stop_by_ms = now_ms + PAWL_STOP_LINGER_MS;
    pawl_app_stream_end_all(loop->app, now_ms);
}

static bool stop_is_over(const struct pawl_loop *loop)
{
    return loop_now_ms(loop) >= loop->stop_by_ms;
}

/* True: the loop has stopped, and the owner may have closed it. */
static bool stop_proceed(struct pawl_loop *loop)
{
    if (loop->state == STOPPING && (pawl_node_is_quiet(loop->node) || stop_is_over(loop))) {
        if (!pawl_node_is_quiet(loop->node)) {
            pawl_log(PAWL_LOG_WARN, "sidecar",
                     "stopping with work in flight after %u ms; it is done again after the restart",
                     PAWL_STOP_MS_MAX);
        }
        ending_begin(loop);
    }
    if (loop->state != ENDING) return false;
    if (pawl_app_stream_count(loop->app) > 0 && !stop_is_over(loop)) return false;
    loop->state = STOPPED;
    loop->stop_by_ms = 0;
    loop->config.on_stopped(loop->config.context);
    return true;
}

static void ready_report(struct pawl_loop *loop)
{
    if (loop->was_ready || not_ready_text(loop)) return;
    loop->was_ready = true;
    loop->config.on_ready(loop->config.context);
}

/* Send off what this turn has produced. A store may reply from inside its flush, which
 * steps the node again: so look twice. */
static void loop_settle(struct pawl_loop *loop)
{
    if (loop->state == STOPPED || loop->state == CLOSED) return;
    queue_run(loop);
    ready_report(loop);
    if (stop_proceed(loop)) return;
    while (loop->store_dirty) {
        loop->store_dirty = false;
        loop->store->ops->flush(loop->store);
        queue_run(loop);
    }
    pawl_hub_flush(loop->hub);
    pawl_arena_reset(&loop->info_arena);
    timer_arm(loop);
}

static void on_prepare(uv_prepare_t *handle)
{
    loop_settle(handle->data);
}

static void on_check(uv_check_t *handle)
{
    loop_settle(handle->data);
}

static void on_timer(uv_timer_t *timer)
{
    struct pawl_loop *loop = timer->data;
    loop->armed_ms = 0;
    int64_t now_ms = loop_now_ms(loop);
    pawl_app_stream_on_tick(loop->app, now_ms);
    if (loop->give_up_ms && now_ms >= loop->give_up_ms) {
        loop->give_up_ms = 0;
        calls_give_up(loop);
    }
    if (loop->node_wake_ms == 0 || now_ms < loop->node_wake_ms) return;
    const struct pawl_node_event tick = { .type = PAWL_NODE_TICK, .now_ms = now_ms };
    loop_step(loop, &tick);
}

/* The store -------------------------------------------------------------------------------- */

static void on_store_reply(void *context, const struct pawl_store_reply *reply)
{
    struct pawl_loop *loop = context;
    if (loop->state == STOPPED || loop->state == CLOSED) return; /* it is being closed */
    const struct pawl_node_event event = { .type = PAWL_NODE_STORE_REPLY,
                                           .now_ms = loop_now_ms(loop),
                                           .store_reply = reply };
    loop_step(loop, &event);
}

static void on_store_state(void *context, bool ready, const char *why)
{
    struct pawl_loop *loop = context;
    if (loop->state == CLOSED) return;
    if (ready == loop->store_ready && ready) return;
    if (ready)
        loop->give_up_ms = 0;
    else if (loop->store_ready)
        loop->give_up_ms = loop_now_ms(loop) + PAWL_STORE_TIMEOUT_MS;
    loop->store_ready = ready;
    snprintf(loop->store_why, sizeof loop->store_why, "%s",
             why ? why : "the store is not reachable");
    if (ready) {
        pawl_log(PAWL_LOG_INFO, "store", "%s is ready", loop->config.store_url);
        /* Usable, but its operator should know something. */
        if (why) pawl_log(PAWL_LOG_WARN, "store", "%s: %s", loop->config.store_url, why);
    } else {
        pawl_log(PAWL_LOG_WARN, "store", "%s is not available: %s", loop->config.store_url,
                 loop->store_why);
    }
}

/* The app stream ---------------------------------------------------------------------------- */

/* Any thread. */
static void on_hub_notify(void *context)
{
    struct pawl_loop *loop = context;
    uv_async_send(&loop->hub_async);
}

static void on_hub_async(uv_async_t *async)
{
    struct pawl_loop *loop = async->data;
    if (loop->hub) pawl_hub_drain(loop->hub);
}

static void on_hub_open(void *context, pawl_conn_id conn, uint32_t endpoint)
{
    struct pawl_loop *loop = context;
    (void)endpoint; /* all of them are for apps */
    pawl_app_stream_on_open(loop->app, conn, pawl_hub_peer_pid(loop->hub, conn), loop_now_ms(loop));
}

static void on_hub_frame(void *context, pawl_conn_id conn, struct pawl_bytes frame)
{
    struct pawl_loop *loop = context;
    pawl_app_stream_on_frame(loop->app, conn, frame, loop_now_ms(loop));
}

static void on_hub_close(void *context, pawl_conn_id conn, pawl_err err, const char *why)
{
    struct pawl_loop *loop = context;
    (void)err; /* `why` says it in words */
    pawl_app_stream_on_close(loop->app, conn, why, loop_now_ms(loop));
}

static pawl_err app_send(void *context, uint64_t conn, struct pawl_bytes frame)
{
    struct pawl_loop *loop = context;
    return pawl_hub_send(loop->hub, conn, frame);
}

static void app_end(void *context, uint64_t conn, bool linger)
{
    struct pawl_loop *loop = context;
    pawl_hub_end(loop->hub, conn, linger);
}

static void app_step(void *context, const struct pawl_node_event *event)
{
    loop_step(context, event);
}

/* Opening -------------------------------------------------------------------------------------- */

static void handles_init(struct pawl_loop *loop)
{
    uv_loop_t *uv = loop->config.uv;
    int rc = uv_async_init(uv, &loop->hub_async, on_hub_async);
    PAWL_ASSERT(rc == 0); /* the first async of a loop needs two files, taken at start */
    uv_prepare_init(uv, &loop->prepare);
    uv_check_init(uv, &loop->check);
    uv_timer_init(uv, &loop->timer);
    loop->hub_async.data = loop->prepare.data = loop->check.data = loop->timer.data = loop;
    loop->handles_open = HANDLES_COUNT;
}

static void app_stream_open(struct pawl_loop *loop)
{
    const struct pawl_app_stream_config config = {
        .app = loop->config.node.app,
        .name = loop->config.node.host,
        .token = loop->config.token,
        .frame_size_max = PAWL_FRAME_SIZE_MAX,
        .api = &loop->api,
        .outside = { loop, app_send, app_end, app_step },
    };
    loop->app = pawl_app_stream_new(&config);
}

static pawl_err hub_open(struct pawl_loop *loop)
{
    const struct pawl_hub_config config = {
        .frame_size_max = PAWL_FRAME_SIZE_MAX,
        .out_size_max = PAWL_STREAM_OUT_SIZE_MAX,
        .connections_max = PAWL_STREAM_CONNECTIONS_MAX,
        .context = loop,
        .notify = on_hub_notify,
        .on_open = on_hub_open,
        .on_frame = on_hub_frame,
        .on_close = on_hub_close,
    };
    return pawl_hub_open(&config, &loop->hub);
}

static pawl_err apps_listen(struct pawl_loop *loop, struct pawl_arena *arena,
                            const char **ret_message)
{
    for (uint32_t i = 0; i < loop->config.app_urls_count; i++) {
        const char *why = NULL;
        pawl_err err = pawl_hub_listen(loop->hub, loop->config.app_urls[i], i, &why);
        if (err == PAWL_OK) continue;
        *ret_message = (const char *)pawl_arena_printf(
                           arena,
                           "cannot listen for apps at %s: %s. Choose another address with "
                           "--app-listen, or stop the process that has it",
                           loop->config.app_urls[i], why)
                           .data;
        return err;
    }
    return PAWL_OK;
}

static void endpoint_note(struct pawl_loop *loop)
{
    const char *url = loop->config.app_urls[0];
    uint16_t port = pawl_hub_port(loop->hub, 0);
    if (port == 0) {
        snprintf(loop->app_endpoint, sizeof loop->app_endpoint, "%s", url);
        return;
    }
    int host_size = (int)(strrchr(url, ':') - url);
    snprintf(loop->app_endpoint, sizeof loop->app_endpoint, "%.*s:%u", host_size, url, port);
}

const char *pawl_loop_app_endpoint(const struct pawl_loop *loop)
{
    return loop->app_endpoint;
}

static pawl_err store_open(struct pawl_loop *loop, const char **ret_message)
{
    const struct pawl_loop_store_events events = { on_store_reply, on_store_state, loop };
    snprintf(loop->store_why, sizeof loop->store_why, "the store has not answered yet");
    return loop->config.store_open(loop->config.context, loop->config.uv, &events, &loop->store,
                                   ret_message);
}

/* One sidecar, no placement: every partition is ours. */
static void partitions_own(struct pawl_loop *loop)
{
    for (uint32_t i = 0; i < loop->config.node.partitions; i++) {
        const struct pawl_node_event own = { .type = PAWL_NODE_OWN,
                                             .now_ms = loop_now_ms(loop),
                                             .own = { .partition = i, .table_version = 1 } };
        loop_step(loop, &own);
    }
}

static struct pawl_loop *loop_new(const struct pawl_loop_config *config)
{
    struct pawl_loop *loop = PAWL_NEW(struct pawl_loop);
    loop->api.ops = &loop_api_ops;
    loop->config = *config;
    loop->state = RUNNING;
    loop->clock_offset_ms = clock_ms(CLOCK_REALTIME) - clock_ms(CLOCK_BOOTTIME);
    loop->started_ms = loop_now_ms(loop);
    pawl_map_init(&loop->calls, config->node.seed);
    pawl_list_init(&loop->queue);
    pawl_arena_init(&loop->info_arena);
    pawl_effects_init(&loop->effects);
    loop->node = pawl_node_new(&loop->config.node);
    app_stream_open(loop);
    handles_init(loop);
    return loop;
}

pawl_err pawl_loop_open(const struct pawl_loop_config *config, struct pawl_loop **ret_loop,
                        struct pawl_arena *arena, const char **ret_message)
{
    PAWL_ASSERT(config->app_urls_count > 0);
    PAWL_ASSERT(config->on_ready && config->on_stopped && config->store_open);

    struct pawl_loop *loop = loop_new(config);
    *ret_message = "out of memory";
    pawl_err err = hub_open(loop);
    if (err == PAWL_OK) err = store_open(loop, ret_message);
    if (err == PAWL_OK) err = apps_listen(loop, arena, ret_message);
    if (err != PAWL_OK) {
        pawl_loop_close(loop);
        return err;
    }
    endpoint_note(loop);
    uv_prepare_start(&loop->prepare, on_prepare);
    uv_check_start(&loop->check, on_check);
    partitions_own(loop);
    *ret_loop = loop;
    return PAWL_OK;
}

/* Closing ----------------------------------------------------------------------------------------
 */

void pawl_loop_stop(struct pawl_loop *loop)
{
    if (loop->state != RUNNING) return;
    int64_t now_ms = loop_now_ms(loop);
    loop->state = STOPPING;
    loop->stop_by_ms = now_ms + PAWL_STOP_MS_MAX;
    pawl_app_stream_stop(loop->app, now_ms);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct pawl_loop *loop = handle->data;
    if (--loop->handles_open == 0) pawl_mem_free(loop);
}

void pawl_loop_close(struct pawl_loop *loop)
{
    if (!loop) return;
    PAWL_ASSERT(loop->state != CLOSED && !loop->stepping);
    loop->state = CLOSED;
    pawl_hub_close(loop->hub);
    loop->hub = NULL;
    if (loop->store) loop->store->ops->close(loop->store);
    pawl_app_stream_free(loop->app);
    uint32_t cursor = 0;
    for (struct call *call; (call = pawl_map_next(&loop->calls, &cursor)) != NULL;) {
        call_free(loop, call);
    }
    pawl_map_deinit(&loop->calls);
    pawl_effects_deinit(&loop->effects);
    pawl_node_free(loop->node);
    pawl_arena_deinit(&loop->info_arena);
    uv_close((uv_handle_t *)&loop->hub_async, on_handle_closed);
    uv_close((uv_handle_t *)&loop->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&loop->check, on_handle_closed);
    uv_close((uv_handle_t *)&loop->timer, on_handle_closed);
}
