#include "sidecar/loop.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "sidecar/loop_internal.h"

#define HANDLES_COUNT 5u

/* Time --------------------------------------------------------------------------------- */

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
    wake_ms = earlier(wake_ms, pawl_grpc_workers_wake_at_ms(loop->grpc_workers));
    wake_ms = earlier(wake_ms, pawl_loop_peers_wake_at_ms(loop));
    wake_ms = earlier(wake_ms, loop->stop_by_ms);
    if (loop->state == LOOP_LEAVING) wake_ms = earlier(wake_ms, loop->leave_by_ms);
    wake_ms = earlier(wake_ms, loop->give_up_ms);
    if (wake_ms == loop->armed_ms) return;

    loop->armed_ms = wake_ms;
    if (wake_ms == 0) {
        uv_timer_stop(&loop->timer);
        return;
    }
    uv_update_time(loop->config.uv);
    int rc = uv_timer_start(&loop->timer, on_timer, pawl_loop_clock_wait_ms(loop, wake_ms), 0);
    PAWL_ASSERT(rc == 0);
}

/* The node ------------------------------------------------------------------------------ */

static void send_carry_out(struct pawl_loop *loop, const struct pawl_effect *effect, int64_t now_ms)
{
    uint64_t worker = effect->send.worker;
    if (worker & PAWL_GRPC_WORKER_BIT)
        pawl_grpc_workers_send(loop->grpc_workers, worker, effect->send.frame, now_ms);
    else
        pawl_app_stream_send(loop->app, worker, effect->send.frame, now_ms);
}

static void effect_carry_out(struct pawl_loop *loop, const struct pawl_effect *effect,
                             int64_t now_ms)
{
    switch (effect->type) {
    case PAWL_EFFECT_STORE:
        loop->store->ops->submit(loop->store, effect->store);
        loop->store_dirty = true;
        return;
    case PAWL_EFFECT_SEND: send_carry_out(loop, effect, now_ms); return;
    case PAWL_EFFECT_ANSWER:
        pawl_loop_calls_answer(loop, effect->answer.token, effect->answer.answer);
        return;
    case PAWL_EFFECT_PEER_SEND:
        PAWL_ASSERT(loop->peers);
        pawl_peer_stream_send(loop->peers, effect->peer.host, effect->peer.frame, now_ms);
        return;
    case PAWL_EFFECT_LOG:
        pawl_log((enum pawl_log_level)effect->log.level, "node", "%.*s",
                 PAWL_BYTES_FMT(effect->log.text));
        return;
    }
    PAWL_UNREACHABLE("the node made an effect of no known type");
}

void pawl_loop_step(struct pawl_loop *loop, const struct pawl_node_event *event)
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

struct pawl_api *pawl_loop_api(struct pawl_loop *loop)
{
    return &loop->api;
}

const char *pawl_loop_not_ready(struct pawl_loop *loop)
{
    if (loop->state != LOOP_RUNNING) return "the sidecar is stopping";
    if (!loop->store_ready) return loop->store_why;
    const char *missing = pawl_loop_peers_missing(loop);
    if (missing) return missing;
    if (!pawl_node_is_ready(loop->node)) return "waiting for the store to hand over all partitions";
    return NULL;
}

/* The end of a loop turn ------------------------------------------------------------------ */

static void ending_begin(struct pawl_loop *loop)
{
    int64_t now_ms = pawl_loop_now_ms(loop);
    loop->state = LOOP_ENDING;
    loop->stop_by_ms = now_ms + PAWL_STOP_LINGER_MS;
    pawl_app_stream_end_all(loop->app, now_ms);
    pawl_grpc_workers_end_all(loop->grpc_workers);
    if (loop->peers) pawl_peer_stream_end_all(loop->peers, now_ms);
}

/* Apps get nothing new from here on. */
static void stopping_begin(struct pawl_loop *loop)
{
    loop->state = LOOP_STOPPING;
    pawl_app_stream_stop(loop->app, pawl_loop_now_ms(loop));
    pawl_grpc_workers_stop(loop->grpc_workers);
}

static bool leave_is_over(const struct pawl_loop *loop)
{
    return pawl_loop_peers_have_heard(loop) || pawl_loop_now_ms(loop) >= loop->leave_by_ms;
}

static void leave_report(const struct pawl_loop *loop)
{
    uint64_t kept = pawl_node_metrics(loop->node)->partitions_owned;
    uint64_t given = loop->leave_owned > kept ? loop->leave_owned - kept : 0;
    if (pawl_loop_peers_have_heard(loop))
        pawl_log(PAWL_LOG_INFO, "sidecar",
                 "left: gave up %u of %u partitions, and placement has told the other sidecars",
                 (unsigned)given, (unsigned)loop->leave_owned);
    else
        pawl_log(PAWL_LOG_WARN, "sidecar",
                 "placement has not confirmed within %u ms that this sidecar leaves; the others "
                 "take over its %u partitions when placement misses it",
                 PAWL_PLACEMENT_LEAVE_MS, (unsigned)kept);
}

static uint32_t links_count(const struct pawl_loop *loop)
{
    return pawl_app_stream_count(loop->app)
           + (loop->peers ? pawl_peer_stream_count(loop->peers) : 0);
}

static bool stop_is_over(const struct pawl_loop *loop)
{
    return pawl_loop_now_ms(loop) >= loop->stop_by_ms;
}

static bool is_quiet(const struct pawl_loop *loop)
{
    return pawl_node_is_quiet(loop->node) && pawl_loop_calls_are_over(loop);
}

/* True: the loop has stopped, and the owner may have closed it. */
static bool stop_proceed(struct pawl_loop *loop)
{
    if (loop->state == LOOP_LEAVING && leave_is_over(loop)) {
        leave_report(loop);
        stopping_begin(loop);
    }
    if (loop->state == LOOP_STOPPING && (is_quiet(loop) || stop_is_over(loop))) {
        if (!is_quiet(loop)) {
            pawl_log(PAWL_LOG_WARN, "sidecar",
                     "stopping with work in flight after %u ms; it is done again after the restart",
                     PAWL_STOP_MS_MAX);
        }
        ending_begin(loop);
    }
    if (loop->state != LOOP_ENDING) return false;
    if (links_count(loop) > 0 && !stop_is_over(loop)) return false;
    loop->state = LOOP_STOPPED;
    loop->stop_by_ms = 0;
    loop->config.on_stopped(loop->config.context);
    return true;
}

/* The store keeps them from doing harm, but they take the partitions from each other. */
static void rival_report(struct pawl_loop *loop)
{
    if (loop->config.node.placed || loop->rival_seen) return;
    if (pawl_node_metrics(loop->node)->fenced_total == 0) return;
    loop->rival_seen = true;
    pawl_log(PAWL_LOG_WARN, "sidecar",
             "another sidecar runs app %s on this store, and the two take its workflows from each "
             "other; start all sidecars of an app with --placement, or only one",
             loop->config.node.app);
}

static void ready_report(struct pawl_loop *loop)
{
    if (loop->was_ready || pawl_loop_not_ready(loop)) return;
    loop->was_ready = true;
    loop->config.on_ready(loop->config.context);
}

/* What the fronts have for the node since the last time. */
static void fronts_run(struct pawl_loop *loop)
{
    pawl_grpc_workers_settle(loop->grpc_workers);
    pawl_loop_calls_run(loop);
}

/* Not from inside the callback that told it, which may be the store's own submit. */
static void store_settle(struct pawl_loop *loop)
{
    if (!loop->store_is_back) return;
    loop->store_is_back = false;
    const struct pawl_node_event event = { .type = PAWL_NODE_STORE_BACK,
                                           .now_ms = pawl_loop_now_ms(loop) };
    pawl_loop_step(loop, &event);
}

/* One sidecar, no placement: every partition is ours. */
static void partitions_own(struct pawl_loop *loop)
{
    for (uint32_t i = 0; i < loop->config.node.partitions; i++) {
        const struct pawl_node_event own = { .type = PAWL_NODE_OWN,
                                             .now_ms = pawl_loop_now_ms(loop),
                                             .own = { .partition = i, .table_version = 1 } };
        pawl_loop_step(loop, &own);
    }
}

/* The time is known as well as it will be. Connections may have waited for that. */
static void begin_settle(struct pawl_loop *loop)
{
    if (loop->is_begun || !loop->store_was_ready || loop->state != LOOP_RUNNING) return;
    loop->is_begun = true;
    pawl_slew_use(&loop->clock);
    if (!loop->config.node.placed) partitions_own(loop);
    pawl_grpc_workers_hold(loop->grpc_workers, false);
    uv_async_send(&loop->hub_async);
    uv_async_send(&loop->peer_async);
}

/* Send off what this turn has produced. A store may reply from inside its flush, which
 * steps the node again: so look twice. */
static void loop_settle(struct pawl_loop *loop)
{
    if (loop->state == LOOP_STOPPED || loop->state == LOOP_CLOSED) return;
    begin_settle(loop);
    store_settle(loop);
    fronts_run(loop);
    ready_report(loop);
    rival_report(loop);
    if (stop_proceed(loop)) return;
    while (loop->store_dirty) {
        loop->store_dirty = false;
        loop->store->ops->flush(loop->store);
        fronts_run(loop);
    }
    pawl_hub_flush(loop->hub);
    pawl_loop_peers_settle(loop);
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
    int64_t now_ms = pawl_loop_now_ms(loop);
    pawl_app_stream_on_tick(loop->app, now_ms);
    pawl_grpc_workers_on_tick(loop->grpc_workers, now_ms);
    pawl_loop_peers_on_tick(loop, now_ms);
    if (loop->give_up_ms && now_ms >= loop->give_up_ms) {
        loop->give_up_ms = 0;
        pawl_loop_calls_give_up(loop);
    }
    if (loop->node_wake_ms == 0 || now_ms < loop->node_wake_ms) return;
    const struct pawl_node_event tick = { .type = PAWL_NODE_TICK, .now_ms = now_ms };
    pawl_loop_step(loop, &tick);
}

/* The store -------------------------------------------------------------------------------- */

static void on_store_reply(void *context, const struct pawl_store_reply *reply)
{
    struct pawl_loop *loop = context;
    if (loop->state == LOOP_STOPPED || loop->state == LOOP_CLOSED) return; /* it is being closed */
    const struct pawl_node_event event = { .type = PAWL_NODE_STORE_REPLY,
                                           .now_ms = pawl_loop_now_ms(loop),
                                           .store_reply = reply };
    pawl_loop_step(loop, &event);
}

static void on_store_state(void *context, bool ready, const char *why)
{
    struct pawl_loop *loop = context;
    if (loop->state == LOOP_CLOSED) return;
    if (ready && loop->store_ready) {
        if (why) pawl_log(PAWL_LOG_WARN, "store", "%s: %s", loop->config.store_url, why);
        return;
    }
    if (ready)
        loop->give_up_ms = 0;
    else if (loop->store_ready)
        loop->give_up_ms = pawl_loop_now_ms(loop) + PAWL_STORE_TIMEOUT_MS;
    loop->store_was_ready = loop->store_was_ready || ready;
    loop->store_is_back = ready && loop->store_was_away;
    loop->store_was_away = !ready;
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

/* Opening -------------------------------------------------------------------------------------- */

static void handles_init(struct pawl_loop *loop)
{
    uv_loop_t *uv = loop->config.uv;
    int rc = uv_async_init(uv, &loop->hub_async, pawl_loop_apps_on_async);
    PAWL_ASSERT(rc == 0); /* the first async of a loop needs two files, taken at start */
    rc = uv_async_init(uv, &loop->peer_async, pawl_loop_peers_on_async);
    PAWL_ASSERT(rc == 0);
    uv_prepare_init(uv, &loop->prepare);
    uv_check_init(uv, &loop->check);
    uv_timer_init(uv, &loop->timer);
    loop->hub_async.data = loop->peer_async.data = loop->prepare.data = loop->check.data =
        loop->timer.data = loop;
    loop->handles_open = HANDLES_COUNT;
}

static pawl_err store_open(struct pawl_loop *loop, const char **ret_message)
{
    const struct pawl_loop_store_events events = { .on_reply = on_store_reply,
                                                   .on_state = on_store_state,
                                                   .on_clock = pawl_loop_clock_on_reading,
                                                   .context = loop };
    snprintf(loop->store_why, sizeof loop->store_why, "the store has not answered yet");
    return loop->config.store_open(loop->config.context, loop->config.uv, &events, &loop->store,
                                   ret_message);
}

static struct pawl_loop *loop_new(const struct pawl_loop_config *config)
{
    struct pawl_loop *loop = PAWL_NEW(struct pawl_loop);
    loop->config = *config;
    loop->config.node.placed = config->placement.addresses_count > 0;
    loop->config.node.namespace_ = config->namespace_;
    loop->state = LOOP_RUNNING;
    pawl_loop_clock_init(loop);
    pawl_loop_calls_init(loop);
    pawl_arena_init(&loop->info_arena);
    pawl_effects_init(&loop->effects);
    loop->node = pawl_node_new(&loop->config.node);
    pawl_loop_apps_init(loop);
    pawl_loop_grpc_init(loop);
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
    pawl_err err = pawl_loop_apps_open(loop);
    if (err == PAWL_OK) err = store_open(loop, ret_message);
    if (err == PAWL_OK) err = pawl_loop_apps_listen(loop, arena, ret_message);
    if (err == PAWL_OK) err = pawl_loop_peers_open(loop, arena, ret_message);
    if (err != PAWL_OK) {
        pawl_loop_close(loop);
        return err;
    }
    uv_prepare_start(&loop->prepare, on_prepare);
    uv_check_start(&loop->check, on_check);
    *ret_loop = loop;
    return PAWL_OK;
}

/* Closing ----------------------------------------------------------------------------------------
 */

void pawl_loop_stop(struct pawl_loop *loop)
{
    if (loop->state != LOOP_RUNNING) return;
    int64_t now_ms = pawl_loop_now_ms(loop);
    loop->stop_by_ms = now_ms + PAWL_STOP_MS_MAX;
    if (loop->peers && loop->is_begun) {
        loop->state = LOOP_LEAVING;
        loop->leave_by_ms = now_ms + PAWL_PLACEMENT_LEAVE_MS;
        loop->leave_owned = pawl_node_metrics(loop->node)->partitions_owned;
    } else {
        stopping_begin(loop);
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct pawl_loop *loop = handle->data;
    if (--loop->handles_open == 0) pawl_mem_free(loop);
}

void pawl_loop_close(struct pawl_loop *loop)
{
    if (!loop) return;
    PAWL_ASSERT(loop->state != LOOP_CLOSED && !loop->stepping);
    loop->state = LOOP_CLOSED;
    pawl_hub_close(loop->hub);
    loop->hub = NULL;
    pawl_loop_peers_close(loop);
    if (loop->store) loop->store->ops->close(loop->store);
    pawl_app_stream_free(loop->app);
    pawl_grpc_workers_free(loop->grpc_workers);
    pawl_loop_calls_deinit(loop);
    pawl_effects_deinit(&loop->effects);
    pawl_node_free(loop->node);
    pawl_arena_deinit(&loop->info_arena);
    uv_close((uv_handle_t *)&loop->hub_async, on_handle_closed);
    uv_close((uv_handle_t *)&loop->peer_async, on_handle_closed);
    uv_close((uv_handle_t *)&loop->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&loop->check, on_handle_closed);
    uv_close((uv_handle_t *)&loop->timer, on_handle_closed);
}
