/* Two sidecars' loops, a placement service that says what the test wants, and the real
 * sockets between them. */
#include "sidecar/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/io/stream.h"
#include "base/limits.h"
#include "base/mem.h"

#define PARTITIONS 8u
#define CONNS_MAX  8u

/* The node: it counts what it hears and sends what the test has put down. */
struct pawl_node {
    const char *host;
    uint32_t owns_count;
    uint64_t members_version;
    uint32_t members_count;
    uint32_t frames_count;
    uint64_t last_token;
    char last_from[32];
    uint32_t downs_count;
    bool runs_activities;
    bool runs_workflows;
    uint64_t table_version; /* that the store knows */
    bool ready;
    bool quiet;
    const char *send_to; /* in the next step; NULL: nothing */
    uint64_t send_token;
    struct pawl_peer_frame frame;
    struct pawl_effect effect;
    struct pawl_node_metrics metrics;
};

static struct pawl_node *nodes[2];
static uint32_t nodes_count;

void pawl_effects_init(struct pawl_effects *effects)
{
    *effects = (struct pawl_effects){ .count = 0 };
}

void pawl_effects_deinit(struct pawl_effects *effects)
{
    (void)effects;
}

struct pawl_node *pawl_node_new(const struct pawl_node_config *config)
{
    assert_true(config->placed);
    assert_string_equal(config->namespace_, "prod");
    struct pawl_node *node = PAWL_NEW(struct pawl_node);
    node->host = config->host;
    node->ready = node->quiet = true;
    nodes[nodes_count++] = node;
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

bool pawl_node_is_quiet(const struct pawl_node *self)
{
    return self->quiet;
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
    return self->table_version;
}

void pawl_node_step(struct pawl_node *self, const struct pawl_node_event *event,
                    struct pawl_effects *effects)
{
    effects->count = 0;
    switch (event->type) {
    case PAWL_NODE_OWN: self->owns_count++; break;
    case PAWL_NODE_MEMBERS:
        self->members_version = event->members->version;
        self->members_count = event->members->count;
        break;
    case PAWL_NODE_PEER_FRAME:
        self->frames_count++;
        self->last_token = event->peer.frame->call.token;
        snprintf(self->last_from, sizeof self->last_from, "%.*s", PAWL_BYTES_FMT(event->peer.host));
        break;
    case PAWL_NODE_PEER_DOWN: self->downs_count++; break;
    default: break;
    }
    if (!self->send_to) return;
    self->frame =
        (struct pawl_peer_frame){ .type = PAWL_PEER_GONE, .call = { .token = self->send_token } };
    self->effect = (struct pawl_effect){
        .type = PAWL_EFFECT_PEER_SEND,
        .peer = { .host = pawl_bytes_str(self->send_to), .frame = &self->frame },
    };
    self->send_to = NULL;
    effects->items = &self->effect;
    effects->count = 1;
}

static void store_ignore_submit(struct pawl_store *self, const struct pawl_store_request *request)
{
    (void)self;
    (void)request;
}

static void store_ignore(struct pawl_store *self)
{
    (void)self;
}

static const struct pawl_store_ops store_ops = { store_ignore_submit, store_ignore, store_ignore };

struct sidecar {
    struct world *world;
    struct pawl_loop *loop;
    struct pawl_node *node;
    struct pawl_store store;
    struct pawl_loop_store_events events;
    char url[128];
    const char *urls[1];
    uint32_t ready_count;
    uint32_t stopped_count;
};

/* Placement: a sidecar's hub, its HELLO, and what was said last. */
struct told {
    pawl_conn_id conn;
    char host[32];
    char address[64];
    bool runs_activities;
    bool runs_workflows;
    bool leaving;
    uint64_t version;
};

struct world {
    uv_loop_t uv;
    struct pawl_arena arena;
    char folder[64];
    struct sidecar sidecars[2];
    struct pawl_hub *placement;
    uv_async_t async;
    char placement_url[64];
    struct pawl_bytes placement_address;
    struct told told[CONNS_MAX];
    uint32_t told_count;
    uint64_t version;
};

static void placement_notify(void *context)
{
    uv_async_send(&((struct world *)context)->async);
}

static void placement_on_async(uv_async_t *async)
{
    struct world *world = async->data;
    if (!world->placement) return;
    pawl_hub_drain(world->placement);
    pawl_hub_flush(world->placement);
}

static void placement_say(struct world *world, pawl_conn_id conn,
                          const struct pawl_placement_frame *frame)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_PLACEMENT_FRAME_SIZE_MAX);
    pawl_placement_frame_encode(&buf, frame);
    assert_int_equal(pawl_hub_send(world->placement, conn, pawl_buf_view(&buf)), PAWL_OK);
    pawl_buf_deinit(&buf);
}

static void placement_on_open(void *context, pawl_conn_id conn, uint32_t endpoint)
{
    (void)context;
    (void)conn;
    (void)endpoint;
}

static struct told *told_find(struct world *world, pawl_conn_id conn)
{
    for (uint32_t i = 0; i < world->told_count; i++) {
        if (world->told[i].conn == conn) return &world->told[i];
    }
    return NULL;
}

static void placement_on_hello(struct world *world, pawl_conn_id conn,
                               const struct pawl_placement_hello *hello)
{
    assert_true(world->told_count < CONNS_MAX);
    struct told *told = &world->told[world->told_count++];
    told->conn = conn;
    snprintf(told->host, sizeof told->host, "%.*s", PAWL_BYTES_FMT(hello->self.host));
    snprintf(told->address, sizeof told->address, "%.*s", PAWL_BYTES_FMT(hello->self.address));
    assert_int_equal(hello->self.partitions, PARTITIONS);
    assert_true(pawl_bytes_is_str(hello->self.app, "shop"));
    assert_true(pawl_bytes_is_str(hello->namespace_, "prod"));
    const struct pawl_placement_frame welcome = {
        .type = PAWL_PLACEMENT_WELCOME,
        .welcome = { .protocol_version = PAWL_PLACEMENT_PROTOCOL_VERSION,
                     .namespace_ = PAWL_BYTES_LITERAL("prod"),
                     .heartbeat_ms = PAWL_PLACEMENT_HEARTBEAT_MS },
    };
    placement_say(world, conn, &welcome);
}

static void placement_on_frame(void *context, pawl_conn_id conn, struct pawl_bytes bytes)
{
    struct world *world = context;
    struct pawl_placement_frame frame;
    assert_int_equal(pawl_placement_frame_decode(bytes, &world->arena, &frame), PAWL_OK);
    const struct pawl_placement_frame heartbeat = { .type = PAWL_PLACEMENT_HEARTBEAT };
    switch (frame.type) {
    case PAWL_PLACEMENT_HELLO: placement_on_hello(world, conn, &frame.hello); break;
    case PAWL_PLACEMENT_UPDATE:
        told_find(world, conn)->runs_activities = frame.update.runs_activities;
        told_find(world, conn)->runs_workflows = frame.update.runs_workflows;
        told_find(world, conn)->leaving = frame.update.leaving;
        told_find(world, conn)->version = frame.update.version;
        break;
    default: placement_say(world, conn, &heartbeat); break;
    }
}

static void placement_on_close(void *context, pawl_conn_id conn, pawl_err err, const char *why)
{
    (void)context;
    (void)conn;
    (void)err;
    (void)why;
}

static void placement_open(struct world *world)
{
    const struct pawl_hub_config config = { .frame_size_max = PAWL_PLACEMENT_FRAME_SIZE_MAX,
                                            .out_size_max = 2 * PAWL_PLACEMENT_FRAME_SIZE_MAX,
                                            .connections_max = CONNS_MAX,
                                            .context = world,
                                            .notify = placement_notify,
                                            .on_open = placement_on_open,
                                            .on_frame = placement_on_frame,
                                            .on_close = placement_on_close };
    const char *why = NULL;
    const char *url = world->placement_url[0] ? world->placement_url : "tcp://127.0.0.1:0";
    assert_int_equal(pawl_hub_open(&config, &world->placement), PAWL_OK);
    assert_int_equal(pawl_hub_listen(world->placement, url, 1, &why), PAWL_OK);
    snprintf(world->placement_url, sizeof world->placement_url, "tcp://127.0.0.1:%u",
             pawl_hub_port(world->placement, 1));
    world->placement_address = pawl_bytes_str(world->placement_url);
}

static void placement_close(struct world *world)
{
    pawl_hub_close(world->placement);
    world->placement = NULL;
}

/* Everybody who said HELLO is told of all of them. `without` has left. */
static void placement_publish(struct world *world, const char *without)
{
    struct pawl_member items[CONNS_MAX];
    struct pawl_placement_frame frame = {
        .type = PAWL_PLACEMENT_MEMBERS, .members = { .version = ++world->version, .items = items }
    };
    for (uint32_t i = 0; i < 2; i++) { /* in the order of the names */
        for (uint32_t k = 0; k < world->told_count; k++) {
            const struct told *told = &world->told[k];
            if (told->host[0] != (char)('a' + i)) continue;
            if (without && strcmp(told->host, without) == 0) continue;
            items[frame.members.count++] = (struct pawl_member){
                .host = pawl_bytes_str(told->host),
                .app = PAWL_BYTES_LITERAL("shop"),
                .address = pawl_bytes_str(told->address),
                .partitions = PARTITIONS,
                .leaving = told->leaving,
            };
            break;
        }
    }
    for (uint32_t i = 0; i < world->told_count; i++) {
        placement_say(world, world->told[i].conn, &frame);
    }
    pawl_hub_flush(world->placement);
}

static pawl_err open_store(void *context, uv_loop_t *uv,
                           const struct pawl_loop_store_events *events, struct pawl_store **ret,
                           const char **ret_message)
{
    struct sidecar *sidecar = context;
    (void)uv;
    (void)ret_message;
    sidecar->store.ops = &store_ops;
    sidecar->events = *events;
    *ret = &sidecar->store;
    return PAWL_OK;
}

static void on_ready(void *context)
{
    ((struct sidecar *)context)->ready_count++;
}

static void on_stopped(void *context)
{
    struct sidecar *sidecar = context;
    sidecar->stopped_count++;
    pawl_loop_close(sidecar->loop);
    sidecar->loop = NULL;
}

static void sidecar_open(struct world *world, uint32_t index, const char *host)
{
    struct sidecar *sidecar = &world->sidecars[index];
    *sidecar = (struct sidecar){ .world = world };
    snprintf(sidecar->url, sizeof sidecar->url, "ipc://%s/%s.sock", world->folder, host);
    sidecar->urls[0] = sidecar->url;
    const struct pawl_loop_config config = {
        .uv = &world->uv,
        .node = { .app = "shop", .host = host, .partitions = PARTITIONS, .seed = index + 1 },
        .namespace_ = "prod",
        .version = "1.2.3",
        .store_url = "redis://store",
        .app_urls = sidecar->urls,
        .app_urls_count = 1,
        .placement = { .addresses_count = 1,
                       .addresses = &world->placement_address,
                       .process = { { (uint8_t)(index + 1) } },
                       .listen = "tcp://127.0.0.1:0",
                       .advertise_host = "127.0.0.1" },
        .context = sidecar,
        .store_open = open_store,
        .on_ready = on_ready,
        .on_stopped = on_stopped,
    };
    const char *message = NULL;
    nodes_count = 0;
    assert_int_equal(pawl_loop_open(&config, &sidecar->loop, &world->arena, &message), PAWL_OK);
    sidecar->node = nodes[0];
    sidecar->events.on_state(sidecar->events.context, true, NULL);
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    assert_int_equal(uv_loop_init(&world->uv), 0);
    assert_int_equal(uv_async_init(&world->uv, &world->async, placement_on_async), 0);
    world->async.data = world;
    pawl_arena_init(&world->arena);
    snprintf(world->folder, sizeof world->folder, "/tmp/pawl-peers-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    placement_open(world);
    sidecar_open(world, 0, "a");
    sidecar_open(world, 1, "b");
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    for (uint32_t i = 0; i < 2; i++) pawl_loop_close(world->sidecars[i].loop);
    placement_close(world);
    uv_close((uv_handle_t *)&world->async, NULL);
    assert_int_equal(uv_run(&world->uv, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&world->uv), 0);
    pawl_arena_deinit(&world->arena);
    for (uint32_t i = 0; i < 2; i++) unlink(world->sidecars[i].url + 6);
    rmdir(world->folder);
    free(world);
    return 0;
}

#define WAIT_FOR(world, condition) \
    while (!(condition)) uv_run(&(world)->uv, UV_RUN_ONCE)

/* Both have said HELLO and know of each other. */
static void meet(struct world *world)
{
    WAIT_FOR(world, world->told_count == 2);
    placement_publish(world, NULL);
    for (uint32_t i = 0; i < 2; i++) {
        WAIT_FOR(world, world->sidecars[i].node->members_version == world->version);
        assert_int_equal(world->sidecars[i].node->members_count, 2);
    }
}

/* Step the node of a sidecar, so that it sends. */
static void node_sends(struct sidecar *from, const char *to, uint64_t token)
{
    from->node->send_to = to;
    from->node->send_token = token;
    const struct pawl_store_reply reply = { .token = 1, .op = PAWL_STORE_POLL };
    from->events.on_reply(from->events.context, &reply);
}

static struct pawl_api_info info(struct sidecar *sidecar)
{
    struct pawl_api *api = pawl_loop_api(sidecar->loop);
    return api->ops->info(api);
}

static void a_sidecar_is_ready_when_placement_has_spoken(void **state)
{
    struct world *world = *state;
    struct sidecar *a = &world->sidecars[0];
    WAIT_FOR(world, world->told_count == 2);
    assert_int_equal(a->ready_count, 0);
    assert_non_null(strstr(info(a).not_ready, "placement"));
    assert_int_equal(a->node->owns_count, 0); /* the list says what to own */
    meet(world);
    WAIT_FOR(world, a->ready_count == 1);
    assert_true(info(a).ready);
    assert_true(info(a).placement->connected);
    assert_int_equal(info(a).placement->version, world->version);
    assert_int_equal(info(a).placement->members_count, 2);
    assert_int_equal(info(a).peers_count, 1);
    assert_string_equal(info(a).peer_endpoint, pawl_loop_peer_endpoint(a->loop));
}

static void what_one_node_sends_the_other_hears(void **state)
{
    struct world *world = *state;
    struct sidecar *a = &world->sidecars[0];
    struct sidecar *b = &world->sidecars[1];
    meet(world);
    node_sends(a, "b", 5);
    WAIT_FOR(world, b->node->frames_count == 1);
    assert_int_equal(b->node->last_token, 5);
    assert_string_equal(b->node->last_from, "a");
    assert_int_equal(info(a).peer_metrics->links_ready, 1);
    assert_string_equal(info(b).peers[0].state, "ready");

    node_sends(b, "a", 6); /* over the same link */
    WAIT_FOR(world, a->node->frames_count == 1);
    assert_int_equal(a->node->last_token, 6);
    assert_int_equal(info(b).peer_metrics->links_made_total, 1);
}

static void both_may_begin_at_once(void **state)
{
    struct world *world = *state;
    struct sidecar *a = &world->sidecars[0];
    struct sidecar *b = &world->sidecars[1];
    meet(world);
    node_sends(a, "b", 5);
    node_sends(b, "a", 6);
    WAIT_FOR(world, a->node->frames_count == 1 && b->node->frames_count == 1);
    assert_int_equal(info(a).peer_metrics->links_ready, 1);
    assert_int_equal(info(b).peer_metrics->links_ready, 1);
    assert_int_equal(a->node->downs_count + b->node->downs_count, 0);
}

static void placement_is_told_when_workers_come(void **state)
{
    struct world *world = *state;
    struct sidecar *a = &world->sidecars[0];
    meet(world);
    struct told *told = NULL;
    for (uint32_t i = 0; i < 2; i++) {
        if (world->told[i].host[0] == 'a') told = &world->told[i];
    }
    assert_non_null(told);
    a->node->runs_activities = true;
    node_sends(a, "b", 1); /* any turn */
    WAIT_FOR(world, told->runs_activities);
    assert_false(told->runs_workflows);
    a->node->runs_workflows = true;
    node_sends(a, "b", 2);
    WAIT_FOR(world, told->runs_workflows);
}

/* Placement was set up anew, and counts from below what the store has seen: it must hear of
 * that, or no sidecar could acquire anything. */
static void placement_is_told_when_the_store_knows_a_newer_table(void **state)
{
    struct world *world = *state;
    struct sidecar *a = &world->sidecars[0];
    meet(world);
    a->node->table_version = UINT64_C(9) << 32;
    node_sends(a, "b", 1); /* any turn */
    struct told *told = NULL;
    for (uint32_t i = 0; i < 2; i++) {
        if (world->told[i].host[0] == 'a') told = &world->told[i];
    }
    assert_non_null(told);
    WAIT_FOR(world, told->version == UINT64_C(9) << 32);
}

static void without_placement_a_sidecar_goes_on(void **state)
{
    struct world *world = *state;
    struct sidecar *a = &world->sidecars[0];
    struct sidecar *b = &world->sidecars[1];
    meet(world);
    WAIT_FOR(world, a->ready_count == 1);
    placement_close(world);
    WAIT_FOR(world, !info(a).placement->connected);
    assert_true(info(a).ready);
    node_sends(a, "b", 9);
    WAIT_FOR(world, b->node->frames_count == 1);

    world->told_count = 0;
    placement_open(world); /* and it is back */
    WAIT_FOR(world, world->told_count == 2);
    WAIT_FOR(world, info(a).placement->connected);
}

static void a_host_that_dies_is_down(void **state)
{
    struct world *world = *state;
    struct sidecar *a = &world->sidecars[0];
    struct sidecar *b = &world->sidecars[1];
    meet(world);
    node_sends(a, "b", 5);
    WAIT_FOR(world, b->node->frames_count == 1);
    pawl_loop_close(b->loop); /* without a word */
    b->loop = NULL;
    WAIT_FOR(world, a->node->downs_count == 1);
    node_sends(a, "b", 6); /* it is still in the list: tried, and found away */
    WAIT_FOR(world, a->node->downs_count == 2);
    world->told_count = 0;
}

static void one_that_stops_serves_until_the_others_know(void **state)
{
    struct world *world = *state;
    struct sidecar *a = &world->sidecars[0];
    struct sidecar *b = &world->sidecars[1];
    meet(world);
    pawl_loop_stop(a->loop);
    assert_false(info(a).ready);
    struct told *told = world->told[0].host[0] == 'a' ? &world->told[0] : &world->told[1];
    WAIT_FOR(world, told->leaving);
    node_sends(b, "a", 3); /* somebody who does not know yet */
    WAIT_FOR(world, a->node->frames_count == 1);
    assert_int_equal(a->stopped_count, 0);

    a->node->quiet = false; /* it has partitions to hand over */
    placement_publish(world, NULL);
    WAIT_FOR(world, b->node->members_version == world->version);
    assert_int_equal(a->stopped_count, 0);
    a->node->quiet = true;
    node_sends(a, "b", 4);
    WAIT_FOR(world, a->stopped_count == 1);
    WAIT_FOR(world, b->node->frames_count == 1); /* its last word arrives */
    told->conn = 0;
}

static void a_stop_does_not_wait_for_a_placement_that_is_away(void **state)
{
    struct world *world = *state;
    struct sidecar *a = &world->sidecars[0];
    meet(world);
    placement_close(world);
    uint64_t start = uv_hrtime();
    pawl_loop_stop(a->loop);
    WAIT_FOR(world, a->stopped_count == 1);
    assert_true((uv_hrtime() - start) / 1000000 + 2 >= PAWL_PLACEMENT_LEAVE_MS);
    world->told_count = 0;
}

static void an_occupied_peer_address_is_reported_with_what_to_do(void **state)
{
    struct world *world = *state;
    struct sidecar third = { .world = world };
    snprintf(third.url, sizeof third.url, "ipc://%s/c.sock", world->folder);
    third.urls[0] = third.url;
    const struct pawl_loop_config config = {
        .uv = &world->uv,
        .node = { .app = "shop", .host = "c", .partitions = PARTITIONS },
        .namespace_ = "prod",
        .store_url = "redis://store",
        .app_urls = third.urls,
        .app_urls_count = 1,
        .placement = { .addresses_count = 1,
                       .addresses = &world->placement_address,
                       .listen = pawl_loop_peer_endpoint(world->sidecars[0].loop),
                       .advertise_host = "127.0.0.1" },
        .context = &third,
        .store_open = open_store,
        .on_ready = on_ready,
        .on_stopped = on_stopped,
    };
    const char *message = NULL;
    nodes_count = 0;
    assert_int_equal(pawl_loop_open(&config, &third.loop, &world->arena, &message),
                     PAWL_E_UNAVAILABLE);
    assert_non_null(strstr(message, "in use"));
    assert_non_null(strstr(message, "--peer-listen"));
    unlink(third.url + 6);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_sidecar_is_ready_when_placement_has_spoken),
        TEST(what_one_node_sends_the_other_hears),
        TEST(both_may_begin_at_once),
        TEST(placement_is_told_when_workers_come),
        TEST(placement_is_told_when_the_store_knows_a_newer_table),
        TEST(without_placement_a_sidecar_goes_on),
        TEST(a_host_that_dies_is_down),
        TEST(one_that_stops_serves_until_the_others_know),
        TEST(a_stop_does_not_wait_for_a_placement_that_is_away),
        TEST(an_occupied_peer_address_is_reported_with_what_to_do),
    };
    return cmocka_run_group_tests_name("sidecar/loop_peers", tests, NULL, NULL);
}
