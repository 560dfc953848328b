#include "sidecar/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/io/clock.h"
#include "base/io/stream.h"
#include "base/limits.h"
#include "base/mem.h"
#include "sidecar/loop_internal.h"

#define EVENTS_MAX     200u
#define PARTITIONS     8u
#define REPLY_AT_FLUSH 7u /* token of a store request that is answered inside the flush */

/* The node: it records what it is given and gives back what the test has put down. */
struct pawl_node {
    uint32_t events_count;
    struct pawl_node_event events[EVENTS_MAX];
    char instance[32]; /* of the last REQUEST */
    uint64_t token;
    bool stepping;
    bool ready;
    bool quiet;
    bool runs_activities;
    bool runs_workflows;
    int64_t wake_at_ms;
    uint32_t ticks_count;
    struct pawl_effect next[4]; /* effects of the next step that is not an OWN */
    uint32_t next_count;
    struct pawl_node_metrics metrics;
};

static struct pawl_node *node;

void pawl_effects_init(struct pawl_effects *effects)
{
    *effects = (struct pawl_effects){ .count = 0 };
}

void pawl_effects_deinit(struct pawl_effects *effects)
{
    pawl_mem_free(effects->items);
}

struct pawl_node *pawl_node_new(const struct pawl_node_config *config)
{
    assert_int_equal(config->partitions, PARTITIONS);
    node = PAWL_NEW(struct pawl_node);
    node->quiet = true;
    return node;
}

void pawl_node_free(struct pawl_node *self)
{
    pawl_mem_free(self);
}

const struct pawl_node_metrics *pawl_node_metrics(const struct pawl_node *self)
{
    return &self->metrics;
}

bool pawl_node_is_ready(const struct pawl_node *self)
{
    return self->ready;
}

bool pawl_node_runs_activities(const struct pawl_node *self)
{
    return self->runs_activities;
}

bool pawl_node_runs_workflows(const struct pawl_node *self)
{
    return self->runs_workflows;
}

uint64_t pawl_node_table_version(const struct pawl_node *self)
{
    (void)self;
    return 0;
}

bool pawl_node_is_quiet(const struct pawl_node *self)
{
    return self->quiet;
}

static void effect_add(struct pawl_effects *effects, struct pawl_effect effect)
{
    effects->items[effects->count++] = effect;
}

void pawl_node_step(struct pawl_node *self, const struct pawl_node_event *event,
                    struct pawl_effects *effects)
{
    static struct pawl_store_request acquire;
    assert_false(self->stepping);
    assert_true(self->events_count < EVENTS_MAX);
    self->stepping = true;
    if (self->events_count > 0) {
        assert_true(event->now_ms >= self->events[self->events_count - 1].now_ms);
    }
    self->events[self->events_count++] = *event;
    if (!effects->items) effects->items = pawl_mem_alloc(8 * sizeof *effects->items);
    effects->count = 0;
    if (event->type == PAWL_NODE_TICK) {
        self->ticks_count++;
        self->wake_at_ms = 0;
    }
    effects->wake_at_ms = self->wake_at_ms;
    if (event->type == PAWL_NODE_REQUEST) {
        struct pawl_bytes id = event->request.request->instance;
        snprintf(self->instance, sizeof self->instance, "%.*s", PAWL_BYTES_FMT(id));
        self->token = event->request.token;
    }
    if (event->type == PAWL_NODE_OWN) {
        acquire = (struct pawl_store_request){ .token = event->own.partition,
                                               .op = PAWL_STORE_ACQUIRE,
                                               .partition = event->own.partition };
        effect_add(effects, (struct pawl_effect){ .type = PAWL_EFFECT_STORE, .store = &acquire });
    } else {
        for (uint32_t i = 0; i < self->next_count; i++) effect_add(effects, self->next[i]);
        self->next_count = 0;
    }
    self->stepping = false;
}

/* The store: counts, and answers one request from inside its flush. */
struct fake_store {
    struct pawl_store store;
    struct pawl_loop_store_events events;
    uint32_t submits_count;
    uint32_t flushes_count;
    bool reply_wanted;
    bool closed;
};

static struct fake_store store;

static void store_submit(struct pawl_store *self, const struct pawl_store_request *request)
{
    (void)self;
    store.submits_count++;
    if (request->token == REPLY_AT_FLUSH) store.reply_wanted = true;
}

static void store_flush(struct pawl_store *self)
{
    (void)self;
    store.flushes_count++;
    if (!store.reply_wanted) return;
    store.reply_wanted = false;
    const struct pawl_store_reply reply = { .token = REPLY_AT_FLUSH, .op = PAWL_STORE_ACQUIRE };
    store.events.on_reply(store.events.context, &reply);
}

static void store_close(struct pawl_store *self)
{
    (void)self;
    store.closed = true;
    const struct pawl_store_reply lost = { .token = 1, .err = PAWL_E_UNKNOWN };
    store.events.on_reply(store.events.context, &lost); /* must be ignored by then */
}

static const struct pawl_store_ops store_ops = { store_submit, store_flush, store_close };

/* A sidecar on a loop, and a worker beside it. */
struct world {
    uv_loop_t uv;
    struct pawl_loop *loop;
    struct pawl_api *api;
    struct pawl_arena arena;
    char folder[64];
    char url[128];
    const char *urls[1];
    bool store_broken;
    uint32_t ready_count;
    uint32_t stopped_count;
    uint32_t answers_count;
    pawl_err answer_err;
    char answer_message[256];
    bool calling; /* inside api->call */
    uv_async_t worker_async;
    struct pawl_hub *worker;
    pawl_conn_id worker_conn;
    uint32_t worker_frames_count;
    struct pawl_frame worker_frame; /* the last one */
    bool worker_closed;
};

static pawl_err open_store(void *context, uv_loop_t *uv,
                           const struct pawl_loop_store_events *events, struct pawl_store **ret,
                           const char **ret_message)
{
    struct world *world = context;
    assert_ptr_equal(uv, &world->uv);
    if (world->store_broken) {
        *ret_message = "the disk is on fire";
        return PAWL_E_UNAVAILABLE;
    }
    store = (struct fake_store){ .store = { &store_ops }, .events = *events };
    *ret = &store.store;
    return PAWL_OK;
}

static void on_ready(void *context)
{
    ((struct world *)context)->ready_count++;
}

static void on_stopped(void *context)
{
    struct world *world = context;
    world->stopped_count++;
    pawl_loop_close(world->loop);
    world->loop = NULL;
}

static struct pawl_loop_config config_make(struct world *world)
{
    world->urls[0] = world->url;
    return (struct pawl_loop_config){
        .uv = &world->uv,
        .node = { .app = "shop", .host = "here", .partitions = PARTITIONS, .seed = 1 },
        .namespace_ = "default",
        .version = "1.2.3",
        .store_url = "mem://",
        .app_urls = world->urls,
        .app_urls_count = 1,
        .context = world,
        .store_open = open_store,
        .on_ready = on_ready,
        .on_stopped = on_stopped,
    };
}

static struct world *world_make(void)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    assert_int_equal(uv_loop_init(&world->uv), 0);
    pawl_arena_init(&world->arena);
    snprintf(world->folder, sizeof world->folder, "/tmp/pawl-loop-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    snprintf(world->url, sizeof world->url, "ipc://%s/s.sock", world->folder);
    return world;
}

/* A world whose store has not said anything yet. */
static struct world *world_waiting(void)
{
    struct world *world = world_make();
    struct pawl_loop_config config = config_make(world);
    const char *message = NULL;
    assert_int_equal(pawl_loop_open(&config, &world->loop, &world->arena, &message), PAWL_OK);
    world->api = pawl_loop_api(world->loop);
    return world;
}

/* The store has, and nobody has heard it yet. */
static struct world *world_opened(void)
{
    struct world *world = world_waiting();
    store.events.on_state(store.events.context, true, NULL);
    return world;
}

static struct world *world_new(void)
{
    struct world *world = world_opened();
    uv_run(&world->uv, UV_RUN_NOWAIT);
    return world;
}

static void world_free(struct world *world)
{
    pawl_loop_close(world->loop);
    pawl_hub_close(world->worker);
    if (world->worker) uv_close((uv_handle_t *)&world->worker_async, NULL);
    assert_int_equal(uv_run(&world->uv, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&world->uv), 0);
    pawl_arena_deinit(&world->arena);
    unlink(world->url + 6);
    rmdir(world->folder);
    free(world);
}

/* One turn that does not wait. */
static void turn(struct world *world)
{
    uv_run(&world->uv, UV_RUN_NOWAIT);
}

#define WAIT_FOR(world, condition) \
    while (!(condition)) uv_run(&(world)->uv, UV_RUN_ONCE)

static void on_answer(void *context, const struct pawl_answer *answer)
{
    struct world *world = context;
    assert_false(world->calling);
    world->answers_count++;
    world->answer_err = answer->err;
    snprintf(world->answer_message, sizeof world->answer_message, "%.*s",
             PAWL_BYTES_FMT(answer->message));
}

static uint64_t call_get(struct world *world, const char *instance)
{
    char text[32];
    snprintf(text, sizeof text, "%s", instance);
    const struct pawl_request request = { .op = PAWL_REQUEST_GET,
                                          .instance = pawl_bytes_str(text) };
    world->calling = true;
    uint64_t token = world->api->ops->call(world->api, &request, on_answer, world);
    world->calling = false;
    memset(text, 'x', sizeof text); /* the call must not need it any more */
    assert_int_not_equal(token, 0);
    return token;
}

static enum pawl_node_event_type last_type(void)
{
    return node->events[node->events_count - 1].type;
}

static const struct pawl_answer not_found = { .err = PAWL_E_NOT_FOUND };

static void node_answers(uint64_t token)
{
    node->next[node->next_count++] =
        (struct pawl_effect){ .type = PAWL_EFFECT_ANSWER, .answer = { token, &not_found } };
}

/* The node and the store ---------------------------------------------------------------- */

static void every_partition_is_owned_at_start_and_the_store_is_flushed_once(void **state)
{
    (void)state;
    struct world *world = world_waiting();
    turn(world);
    assert_int_equal(node->events_count, 0);
    store.events.on_state(store.events.context, true, NULL);
    turn(world);
    assert_int_equal(node->events_count, PARTITIONS + 1); /* the last one is a reply */
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        assert_int_equal(node->events[i].type, PAWL_NODE_OWN);
        assert_int_equal(node->events[i].own.partition, i);
        assert_true(node->events[i].own.table_version > 0);
    }
    assert_int_equal(store.submits_count, PARTITIONS);
    assert_int_equal(store.flushes_count, 1);
    turn(world);
    assert_int_equal(store.flushes_count, 1);
    world_free(world);
}

static void a_reply_from_inside_the_flush_steps_the_node_and_its_effects_are_flushed(void **state)
{
    (void)state;
    struct world *world = world_opened();
    static struct pawl_store_request more = { .token = 99, .op = PAWL_STORE_LOAD };
    node->next[0] = (struct pawl_effect){ .type = PAWL_EFFECT_STORE, .store = &more };
    node->next_count = 1;
    turn(world); /* partition 7 is the one that is answered in the flush */
    assert_int_equal(last_type(), PAWL_NODE_STORE_REPLY);
    assert_int_equal(store.submits_count, PARTITIONS + 1);
    assert_int_equal(store.flushes_count, 2);
    world_free(world);
}

static void a_call_without_a_store_is_refused_at_once_and_says_why(void **state)
{
    (void)state;
    struct world *world = world_new();
    store.events.on_state(store.events.context, false, "connection refused");
    call_get(world, "i");
    turn(world);
    assert_int_equal(world->answers_count, 1);
    assert_int_equal(world->answer_err, PAWL_E_UNAVAILABLE);
    assert_non_null(strstr(world->answer_message, "connection refused"));
    assert_int_not_equal(last_type(), PAWL_NODE_REQUEST);
    world_free(world);
}

static void a_call_that_the_store_leaves_waiting_is_answered_and_the_node_told(void **state)
{
    (void)state;
    struct world *world = world_new();
    turn(world);
    call_get(world, "i");
    turn(world);
    assert_int_equal(last_type(), PAWL_NODE_REQUEST);
    store.events.on_state(store.events.context, false, "it is silent");
    assert_int_equal(world->answers_count, 0);
    WAIT_FOR(world, world->answers_count == 1);
    assert_int_equal(world->answer_err, PAWL_E_UNKNOWN);
    assert_non_null(strstr(world->answer_message, "it is silent"));
    turn(world);
    assert_int_equal(last_type(), PAWL_NODE_REQUEST_GONE);
    world_free(world);
}

static void ready_is_told_once_and_info_says_what_is_missing(void **state)
{
    (void)state;
    struct world *world = world_waiting();
    struct pawl_api_info info = world->api->ops->info(world->api);
    assert_false(info.ready);
    assert_non_null(strstr(info.not_ready, "store"));
    assert_string_equal(info.app, "shop");
    assert_string_equal(info.app_endpoint, world->url);

    node->ready = true;
    turn(world);
    assert_int_equal(world->ready_count, 0); /* the store has not said anything */
    store.events.on_state(store.events.context, true, NULL);
    turn(world);
    turn(world);
    assert_int_equal(world->ready_count, 1);
    assert_true(world->api->ops->info(world->api).ready);
    assert_null(world->api->ops->info(world->api).not_ready);

    store.events.on_state(store.events.context, false, "connection refused");
    info = world->api->ops->info(world->api);
    assert_false(info.ready);
    assert_string_equal(info.not_ready, "connection refused");
    store.events.on_state(store.events.context, true, NULL);
    turn(world);
    assert_int_equal(world->ready_count, 1);
    world_free(world);
}

static void the_node_is_ticked_when_it_asked_for_it_and_not_before(void **state)
{
    (void)state;
    struct world *world = world_new();
    turn(world);
    int64_t start_ms = node->events[0].now_ms;
    node->wake_at_ms = start_ms + 40;
    (void)call_get(world, "a"); /* any step tells the new time */
    WAIT_FOR(world, node->ticks_count == 1);
    assert_int_equal(last_type(), PAWL_NODE_TICK);
    assert_true(node->events[node->events_count - 1].now_ms >= start_ms + 40);
    assert_int_equal(uv_backend_timeout(&world->uv), -1); /* nothing wakes an idle sidecar */
    world_free(world);
}

/* The clock ------------------------------------------------------------------------------- */

#define HOUR_MS INT64_C(3600000)

/* The store's clock is `ahead_ms` ahead of this machine's. */
static void store_tells_time(int64_t ahead_ms)
{
    const struct pawl_clock_reading reading = { pawl_clock_ms(CLOCK_REALTIME) + ahead_ms,
                                                pawl_clock_ms(CLOCK_BOOTTIME),
                                                pawl_clock_ms(CLOCK_BOOTTIME) };
    store.events.on_clock(store.events.context, &reading);
}

/* By how much the last event of the node was ahead of this machine's clock. */
static int64_t last_ahead_ms(void)
{
    return node->events[node->events_count - 1].now_ms - pawl_clock_ms(CLOCK_REALTIME);
}

/* A busy machine may hold the test up between two looks at a clock. */
static void assert_near(int64_t ms, int64_t wanted_ms)
{
    assert_true(ms >= wanted_ms - HOUR_MS / 6);
    assert_true(ms <= wanted_ms + HOUR_MS / 6);
}

static void the_time_is_the_stores_before_the_node_hears_of_anything(void **state)
{
    (void)state;
    const int64_t aheads_ms[] = { HOUR_MS, -HOUR_MS };
    for (size_t i = 0; i < 2; i++) {
        struct world *world = world_waiting();
        turn(world);
        store_tells_time(aheads_ms[i]);
        turn(world);
        assert_int_equal(node->events_count, 0);
        store.events.on_state(store.events.context, true, NULL);
        turn(world);
        assert_true(node->events_count > PARTITIONS);
        assert_near(last_ahead_ms(), aheads_ms[i]);
        struct pawl_api_info info = world->api->ops->info(world->api);
        assert_near(info.clock_skew_ms, aheads_ms[i]);
        assert_int_equal(info.clock_left_ms, 0);
        assert_near(info.started_ms - pawl_clock_ms(CLOCK_REALTIME), 0);
        world_free(world);
    }
}

/* The fake node checks that no event is earlier than the one before. */
static void a_jump_of_the_stores_clock_is_followed_slowly(void **state)
{
    (void)state;
    const int64_t aheads_ms[] = { HOUR_MS, -HOUR_MS };
    for (size_t i = 0; i < 2; i++) {
        struct world *world = world_new();
        store_tells_time(aheads_ms[i]);
        (void)call_get(world, "a");
        turn(world);
        assert_int_equal(last_type(), PAWL_NODE_REQUEST);
        assert_near(last_ahead_ms(), 0);
        struct pawl_api_info info = world->api->ops->info(world->api);
        assert_near(info.clock_skew_ms, 0);
        assert_near(info.clock_left_ms, aheads_ms[i]);
        world_free(world);
    }
}

/* Calls ----------------------------------------------------------------------------------- */

static void a_call_reaches_the_node_later_with_its_own_copy_and_is_answered(void **state)
{
    (void)state;
    struct world *world = world_new();
    uint32_t before = node->events_count;
    uint64_t token = call_get(world, "order-1");
    node_answers(token);
    assert_int_equal(node->events_count, before);
    turn(world);
    assert_string_equal(node->instance, "order-1");
    assert_int_equal(node->token, token);
    assert_int_equal(world->answers_count, 1);
    assert_int_equal(world->answer_err, PAWL_E_NOT_FOUND);
    world->api->ops->cancel(world->api, token); /* too late: nothing happens */
    turn(world);
    assert_int_equal(node->events[before].type, PAWL_NODE_REQUEST);
    assert_int_not_equal(last_type(), PAWL_NODE_REQUEST_GONE);
    world_free(world);
}

static void a_call_cancelled_in_time_never_reaches_the_node(void **state)
{
    (void)state;
    struct world *world = world_new();
    turn(world);
    uint32_t before = node->events_count;
    world->api->ops->cancel(world->api, call_get(world, "a"));
    turn(world);
    assert_int_equal(node->events_count, before);
    assert_int_equal(world->answers_count, 0);
    world_free(world);
}

static void the_node_is_told_when_an_asker_leaves_and_its_answer_is_dropped(void **state)
{
    (void)state;
    struct world *world = world_new();
    turn(world);
    uint64_t token = call_get(world, "a");
    turn(world);
    world->api->ops->cancel(world->api, token);
    node_answers(token); /* crosses the cancellation */
    turn(world);
    assert_int_equal(last_type(), PAWL_NODE_REQUEST_GONE);
    assert_int_equal(node->events[node->events_count - 1].request.token, token);
    assert_int_equal(world->answers_count, 0);

    /* The other way round: the answer comes before the node can be told. */
    token = call_get(world, "b");
    turn(world);
    uint32_t before = node->events_count;
    world->api->ops->cancel(world->api, token);
    node_answers(token);
    const struct pawl_store_reply reply = { .token = 1 };
    store.events.on_reply(store.events.context, &reply);
    turn(world);
    assert_int_equal(node->events_count, before + 1);
    assert_int_equal(world->answers_count, 0);
    world_free(world);
}

static void more_calls_than_the_limit_are_busy(void **state)
{
    (void)state;
    struct world *world = world_new();
    turn(world);
    uint64_t first = call_get(world, "a");
    for (uint32_t i = 1; i < PAWL_REQUESTS_MAX; i++) (void)call_get(world, "a");
    uint64_t over = call_get(world, "a");
    world->api->ops->cancel(world->api, first);
    for (uint64_t token = first + 1; token < over; token++) {
        world->api->ops->cancel(world->api, token); /* the node need not see them all */
    }
    turn(world);
    assert_int_equal(world->answers_count, 1);
    assert_int_equal(world->answer_err, PAWL_E_BUSY);
    assert_non_null(strstr(world->answer_message, "too many"));
    world_free(world);
}

/* Workers ----------------------------------------------------------------------------------- */

static void worker_notify(void *context)
{
    uv_async_send(&((struct world *)context)->worker_async);
}

static void worker_on_async(uv_async_t *async)
{
    struct world *world = async->data;
    pawl_hub_drain(world->worker);
    pawl_hub_flush(world->worker);
}

static void worker_say(struct world *world, const struct pawl_frame *frame)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_FRAME_SIZE_MAX);
    pawl_frame_encode(&buf, frame);
    assert_int_equal(pawl_hub_send(world->worker, world->worker_conn, pawl_buf_view(&buf)),
                     PAWL_OK);
    pawl_buf_deinit(&buf);
    pawl_hub_flush(world->worker);
}

static void worker_on_open(void *context, pawl_conn_id conn, uint32_t endpoint)
{
    struct world *world = context;
    struct pawl_registration greet = { .name = PAWL_BYTES_LITERAL("greet") };
    (void)endpoint;
    world->worker_conn = conn;
    const struct pawl_frame hello = { .type = PAWL_FRAME_HELLO,
                                      .hello = { .protocol_version = PAWL_PROTOCOL_VERSION,
                                                 .app_id = PAWL_BYTES_LITERAL("shop"),
                                                 .worker = PAWL_BYTES_LITERAL("w:1"),
                                                 .workflows_count = 1,
                                                 .workflows = &greet } };
    worker_say(world, &hello);
}

static void worker_on_frame(void *context, pawl_conn_id conn, struct pawl_bytes frame)
{
    struct world *world = context;
    (void)conn;
    world->worker_frames_count++;
    struct pawl_bytes kept = pawl_arena_copy(&world->arena, frame);
    assert_int_equal(pawl_frame_decode(kept, &world->arena, &world->worker_frame), PAWL_OK);
}

static void worker_on_close(void *context, pawl_conn_id conn, pawl_err err, const char *why)
{
    struct world *world = context;
    (void)conn;
    (void)err;
    (void)why;
    world->worker_closed = true;
}

static void worker_dial(struct world *world)
{
    assert_int_equal(uv_async_init(&world->uv, &world->worker_async, worker_on_async), 0);
    world->worker_async.data = world;
    const struct pawl_hub_config config = { .frame_size_max = PAWL_FRAME_SIZE_MAX,
                                            .out_size_max = PAWL_FRAME_SIZE_MAX + 4,
                                            .connections_max = 1,
                                            .context = world,
                                            .notify = worker_notify,
                                            .on_open = worker_on_open,
                                            .on_frame = worker_on_frame,
                                            .on_close = worker_on_close };
    assert_int_equal(pawl_hub_open(&config, &world->worker), PAWL_OK);
    (void)pawl_hub_dial(world->worker, pawl_loop_app_endpoint(world->loop), 0);
}

static void worker_connect(struct world *world)
{
    worker_dial(world);
    WAIT_FOR(world, world->worker_frames_count == 1);
    assert_int_equal(world->worker_frame.type, PAWL_FRAME_WELCOME);
}

static void a_worker_connects_gets_frames_and_asks_through_the_node(void **state)
{
    (void)state;
    struct world *world = world_new();
    worker_connect(world);
    WAIT_FOR(world, last_type() == PAWL_NODE_WORKER_OPENED);
    uint64_t worker = node->events[node->events_count - 1].worker;
    assert_int_equal(world->api->ops->info(world->api).workers_count, 1);

    /* What the node sends arrives. */
    const struct pawl_frame evict = { .type = PAWL_FRAME_EVICT,
                                      .evict = { .instance = PAWL_BYTES_LITERAL("order-1") } };
    node->next[node->next_count++] =
        (struct pawl_effect){ .type = PAWL_EFFECT_SEND, .send = { worker, &evict } };
    const struct pawl_frame credit = { .type = PAWL_FRAME_CREDIT, .credit = { 1, 0 } };
    worker_say(world, &credit);
    WAIT_FOR(world, world->worker_frames_count == 2);
    assert_int_equal(world->worker_frame.type, PAWL_FRAME_EVICT);

    /* What it asks is answered. */
    const struct pawl_frame ask = {
        .type = PAWL_FRAME_REQUEST,
        .request = { .token = 5,
                     .request = { .op = PAWL_REQUEST_GET,
                                  .instance = PAWL_BYTES_LITERAL("order-2") } },
    };
    worker_say(world, &ask);
    WAIT_FOR(world, last_type() == PAWL_NODE_REQUEST);
    assert_string_equal(node->instance, "order-2");
    node_answers(node->token);
    const struct pawl_store_reply reply = { .token = 1 };
    store.events.on_reply(store.events.context, &reply);
    WAIT_FOR(world, world->worker_frames_count == 3);
    assert_int_equal(world->worker_frame.type, PAWL_FRAME_ANSWER);
    assert_int_equal(world->worker_frame.answer.token, 5);

    /* And it may go. */
    pawl_hub_end(world->worker, world->worker_conn, false);
    WAIT_FOR(world, last_type() == PAWL_NODE_WORKER_CLOSED);
    world_free(world);
}

static void a_worker_waits_until_the_store_has_answered(void **state)
{
    (void)state;
    struct world *world = world_waiting();
    worker_dial(world);
    WAIT_FOR(world, world->worker_conn != 0); /* it has said HELLO */
    for (int i = 0; i < 5; i++) turn(world);
    assert_int_equal(node->events_count, 0);
    assert_int_equal(world->api->ops->info(world->api).workers_count, 0);
    store_tells_time(-HOUR_MS);
    store.events.on_state(store.events.context, true, NULL);
    WAIT_FOR(world, node->events_count > 0 && last_type() == PAWL_NODE_WORKER_OPENED);
    assert_near(last_ahead_ms(), -HOUR_MS);
    WAIT_FOR(world, world->worker_frames_count == 1);
    assert_int_equal(world->worker_frame.type, PAWL_FRAME_WELCOME);
    world_free(world);
}

/* Stopping ------------------------------------------------------------------------------------ */

static void stopping_refuses_new_calls_and_waits_for_what_runs(void **state)
{
    (void)state;
    struct world *world = world_new();
    worker_connect(world);
    WAIT_FOR(world, last_type() == PAWL_NODE_WORKER_OPENED);
    node->quiet = false;
    pawl_loop_stop(world->loop);
    pawl_loop_stop(world->loop);
    assert_int_equal(last_type(), PAWL_NODE_WORKER_BYE);
    (void)call_get(world, "a");
    turn(world);
    assert_int_equal(world->answers_count, 1);
    assert_int_equal(world->answer_err, PAWL_E_UNAVAILABLE);
    assert_int_equal(world->stopped_count, 0);
    assert_false(world->api->ops->info(world->api).ready);

    node->quiet = true;
    const struct pawl_store_reply reply = { .token = 1 };
    store.events.on_reply(store.events.context, &reply);
    WAIT_FOR(world, world->stopped_count == 1);
    assert_true(store.closed);
    WAIT_FOR(world, world->worker_closed);
    world_free(world);
}

static void a_stop_waits_for_answers_but_not_for_waits(void **state)
{
    (void)state;
    struct world *world = world_new();
    uint64_t token = call_get(world, "a");
    const struct pawl_request wait = { .op = PAWL_REQUEST_WAIT,
                                       .instance = PAWL_BYTES_LITERAL("b") };
    const struct pawl_request watch = { .op = PAWL_REQUEST_WATCH,
                                        .instance = PAWL_BYTES_LITERAL("b") };
    (void)world->api->ops->call(world->api, &wait, on_answer, world);
    (void)world->api->ops->call(world->api, &watch, on_answer, world);
    turn(world);
    pawl_loop_stop(world->loop);
    for (int i = 0; i < 5; i++) turn(world);
    assert_int_equal(world->stopped_count, 0);
    assert_false(pawl_loop_calls_are_over(world->loop));
    node_answers(token);
    const struct pawl_store_reply reply = { .token = 1 };
    store.events.on_reply(store.events.context, &reply);
    assert_int_equal(world->answers_count, 1);
    assert_true(pawl_loop_calls_are_over(world->loop));
    WAIT_FOR(world, world->stopped_count == 1);
    world_free(world);
}

static void a_stop_before_the_store_has_answered_waits_for_nothing(void **state)
{
    (void)state;
    struct world *world = world_waiting();
    worker_dial(world);
    WAIT_FOR(world, world->worker_conn != 0);
    pawl_loop_stop(world->loop);
    store.events.on_state(store.events.context, true, NULL);
    while (world->stopped_count == 0) {
        assert_int_equal(node->events_count, 0);
        uv_run(&world->uv, UV_RUN_ONCE);
    }
    world_free(world);
}

static void a_stop_does_not_wait_for_ever(void **state)
{
    (void)state;
    struct world *world = world_new();
    node->quiet = false;
    uint64_t start = uv_hrtime();
    pawl_loop_stop(world->loop);
    WAIT_FOR(world, world->stopped_count == 1);
    uint64_t took_ms = (uv_hrtime() - start) / 1000000;
    assert_true(took_ms + 2 >= PAWL_STOP_MS_MAX);
    assert_true(took_ms < PAWL_STOP_MS_MAX + 120000);
    world_free(world);
}

/* Opening ---------------------------------------------------------------------------------------
 */

static void a_store_that_cannot_be_opened_is_reported_and_nothing_stays(void **state)
{
    (void)state;
    struct world *world = world_make();
    world->store_broken = true;
    struct pawl_loop_config config = config_make(world);
    const char *message = NULL;
    assert_int_equal(pawl_loop_open(&config, &world->loop, &world->arena, &message),
                     PAWL_E_UNAVAILABLE);
    assert_string_equal(message, "the disk is on fire");
    world_free(world);
}

static void an_occupied_address_is_reported_with_what_to_do(void **state)
{
    (void)state;
    struct world *first = world_new();
    struct world *second = world_make();
    struct pawl_loop_config config = config_make(second);
    second->urls[0] = first->url;
    struct fake_store kept = store;
    struct pawl_node *kept_node = node;
    const char *message = NULL;
    assert_int_equal(pawl_loop_open(&config, &second->loop, &second->arena, &message),
                     PAWL_E_UNAVAILABLE);
    assert_non_null(strstr(message, first->url));
    assert_non_null(strstr(message, "in use"));
    assert_non_null(strstr(message, "--app-listen"));
    assert_true(store.closed);
    store = kept;
    node = kept_node;
    world_free(second);
    world_free(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_partition_is_owned_at_start_and_the_store_is_flushed_once),
        cmocka_unit_test(a_reply_from_inside_the_flush_steps_the_node_and_its_effects_are_flushed),
        cmocka_unit_test(a_call_without_a_store_is_refused_at_once_and_says_why),
        cmocka_unit_test(a_call_that_the_store_leaves_waiting_is_answered_and_the_node_told),
        cmocka_unit_test(ready_is_told_once_and_info_says_what_is_missing),
        cmocka_unit_test(the_node_is_ticked_when_it_asked_for_it_and_not_before),
        cmocka_unit_test(a_call_reaches_the_node_later_with_its_own_copy_and_is_answered),
        cmocka_unit_test(a_call_cancelled_in_time_never_reaches_the_node),
        cmocka_unit_test(the_node_is_told_when_an_asker_leaves_and_its_answer_is_dropped),
        cmocka_unit_test(more_calls_than_the_limit_are_busy),
        cmocka_unit_test(a_worker_connects_gets_frames_and_asks_through_the_node),
        cmocka_unit_test(stopping_refuses_new_calls_and_waits_for_what_runs),
        cmocka_unit_test(a_stop_waits_for_answers_but_not_for_waits),
        cmocka_unit_test(the_time_is_the_stores_before_the_node_hears_of_anything),
        cmocka_unit_test(a_jump_of_the_stores_clock_is_followed_slowly),
        cmocka_unit_test(a_worker_waits_until_the_store_has_answered),
        cmocka_unit_test(a_stop_before_the_store_has_answered_waits_for_nothing),
        cmocka_unit_test(a_stop_does_not_wait_for_ever),
        cmocka_unit_test(a_store_that_cannot_be_opened_is_reported_and_nothing_stays),
        cmocka_unit_test(an_occupied_address_is_reported_with_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
