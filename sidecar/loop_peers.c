#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "sidecar/loop_internal.h"

/* What the hub is told with each connection. */
enum endpoint { ENDPOINT_LISTENER = 1, ENDPOINT_PEER, ENDPOINT_PLACEMENT };

/* A connection to placement: the follower has numbers of its own for them. */
struct placement_link {
    pawl_conn_id conn;
    uint64_t link;
};

static struct placement_link *link_of_conn(const struct pawl_loop *loop, pawl_conn_id conn)
{
    return pawl_map_find(&loop->placement_links, pawl_bytes_make(&conn, sizeof conn));
}

static pawl_conn_id conn_of_link(const struct pawl_loop *loop, uint64_t link)
{
    uint32_t cursor = 0;
    for (const struct placement_link *l;
         (l = pawl_map_next(&loop->placement_links, &cursor)) != NULL;) {
        if (l->link == link) return l->conn;
    }
    return 0;
}

static void link_free(struct pawl_loop *loop, struct placement_link *link)
{
    (void)pawl_map_remove(&loop->placement_links, pawl_bytes_make(&link->conn, sizeof link->conn));
    pawl_mem_free(link);
}

/* Placement ------------------------------------------------------------------------------ */

static void placement_dial(struct pawl_loop *loop, uint64_t number, struct pawl_bytes address)
{
    char url[PAWL_ADDRESS_SIZE_MAX + 1];
    snprintf(url, sizeof url, "%.*s", PAWL_BYTES_FMT(address));
    struct placement_link *link = PAWL_NEW(struct placement_link);
    link->conn = pawl_hub_dial(loop->peer_hub, url, ENDPOINT_PLACEMENT);
    link->link = number;
    pawl_map_insert(&loop->placement_links, pawl_bytes_make(&link->conn, sizeof link->conn), link);
}

static void placement_send(struct pawl_loop *loop, uint64_t link, struct pawl_bytes frame)
{
    pawl_err err = pawl_hub_send(loop->peer_hub, conn_of_link(loop, link), frame);
    PAWL_ASSERT(err != PAWL_E_TOO_LARGE); /* frames to placement are small */
}

/* News are told last: they step the node, and the node may want peers dialled. */
static void follower_step(struct pawl_loop *loop, struct pawl_follower_event event)
{
    event.now_ms = pawl_loop_now_ms(loop);
    bool has_news = false;
    struct pawl_follower_effects effects = pawl_follower_step(loop->follower, &event);
    for (uint32_t i = 0; i < effects.count; i++) {
        const struct pawl_follower_effect *effect = &effects.items[i];
        switch (effect->type) {
        case PAWL_FOLLOWER_DIAL: placement_dial(loop, effect->link, effect->address); break;
        case PAWL_FOLLOWER_SEND: placement_send(loop, effect->link, effect->frame); break;
        case PAWL_FOLLOWER_CLOSE:
            pawl_hub_end(loop->peer_hub, conn_of_link(loop, effect->link), false);
            break;
        case PAWL_FOLLOWER_NEWS: has_news = true; break;
        }
    }
    if (!has_news) return;
    pawl_peer_stream_on_members(loop->peers, pawl_follower_members(loop->follower), event.now_ms);
}

bool pawl_loop_peers_have_heard(const struct pawl_loop *loop)
{
    return !loop->follower || pawl_follower_has_left(loop->follower);
}

/* The hub -------------------------------------------------------------------------------- */

/* Any thread. */
static void on_notify(void *context)
{
    struct pawl_loop *loop = context;
    uv_async_send(&loop->peer_async);
}

void pawl_loop_peers_on_async(uv_async_t *async)
{
    struct pawl_loop *loop = async->data;
    if (loop->peer_hub && loop->is_begun) pawl_hub_drain(loop->peer_hub);
}

static void on_open(void *context, pawl_conn_id conn, uint32_t endpoint)
{
    struct pawl_loop *loop = context;
    const struct placement_link *link = link_of_conn(loop, conn);
    if (link) {
        follower_step(
            loop, (struct pawl_follower_event){ .type = PAWL_FOLLOWER_OPENED, .link = link->link });
        return;
    }
    pawl_peer_stream_on_open(loop->peers, conn, endpoint == ENDPOINT_PEER, pawl_loop_now_ms(loop));
}

static void on_frame(void *context, pawl_conn_id conn, struct pawl_bytes frame)
{
    struct pawl_loop *loop = context;
    const struct placement_link *link = link_of_conn(loop, conn);
    if (link) {
        follower_step(loop, (struct pawl_follower_event){
                                .type = PAWL_FOLLOWER_FRAME, .link = link->link, .frame = frame });
        return;
    }
    pawl_peer_stream_on_frame(loop->peers, conn, frame, pawl_loop_now_ms(loop));
}

static void on_close(void *context, pawl_conn_id conn, pawl_err err, const char *why)
{
    struct pawl_loop *loop = context;
    (void)err; /* `why` says it in words */
    struct placement_link *link = link_of_conn(loop, conn);
    if (link) {
        uint64_t number = link->link;
        link_free(loop, link);
        follower_step(loop, (struct pawl_follower_event){
                                .type = PAWL_FOLLOWER_CLOSED, .link = number, .why = why });
        return;
    }
    pawl_peer_stream_on_close(loop->peers, conn, why, pawl_loop_now_ms(loop));
}

static uint64_t peer_dial(void *context, const char *url)
{
    struct pawl_loop *loop = context;
    return pawl_hub_dial(loop->peer_hub, url, ENDPOINT_PEER);
}

static pawl_err peer_send(void *context, uint64_t conn, struct pawl_bytes frame)
{
    struct pawl_loop *loop = context;
    return pawl_hub_send(loop->peer_hub, conn, frame);
}

static void peer_end(void *context, uint64_t conn, bool linger)
{
    struct pawl_loop *loop = context;
    pawl_hub_end(loop->peer_hub, conn, linger);
}

static void peer_step(void *context, const struct pawl_node_event *event)
{
    pawl_loop_step(context, event);
}

/* Turns and time --------------------------------------------------------------------------- */

/* There is placement, and the time is known, by which all of this goes. */
static bool is_at_work(const struct pawl_loop *loop)
{
    return loop->follower && loop->is_begun;
}

static void placement_update(struct pawl_loop *loop)
{
    bool runs_activities = pawl_node_runs_activities(loop->node);
    bool runs_workflows = pawl_node_runs_workflows(loop->node);
    bool leaving = loop->state != LOOP_RUNNING;
    uint64_t version = pawl_node_table_version(loop->node);
    bool is_news = runs_activities != loop->runs_activities
                   || runs_workflows != loop->runs_workflows || leaving != loop->leaving
                   || version > loop->version_told;
    if (!is_news) return;
    loop->runs_activities = runs_activities;
    loop->runs_workflows = runs_workflows;
    loop->leaving = leaving;
    loop->version_told = version;
    follower_step(loop, (struct pawl_follower_event){ .type = PAWL_FOLLOWER_UPDATE,
                                                      .runs_activities = runs_activities,
                                                      .runs_workflows = runs_workflows,
                                                      .leaving = leaving,
                                                      .version = version });
}

void pawl_loop_peers_settle(struct pawl_loop *loop)
{
    if (!is_at_work(loop)) return;
    placement_update(loop);
    pawl_hub_flush(loop->peer_hub);
}

void pawl_loop_peers_on_tick(struct pawl_loop *loop, int64_t now_ms)
{
    if (!is_at_work(loop)) return;
    pawl_peer_stream_on_tick(loop->peers, now_ms);
    if (now_ms < pawl_follower_wake_at_ms(loop->follower)) return;
    follower_step(loop, (struct pawl_follower_event){ .type = PAWL_FOLLOWER_TICK });
}

int64_t pawl_loop_peers_wake_at_ms(const struct pawl_loop *loop)
{
    if (!is_at_work(loop)) return 0;
    int64_t placement_ms = pawl_follower_wake_at_ms(loop->follower);
    int64_t peers_ms = pawl_peer_stream_wake_at_ms(loop->peers);
    return peers_ms && peers_ms < placement_ms ? peers_ms : placement_ms;
}

/* Opening and closing ------------------------------------------------------------------------ */

static pawl_err hub_open(struct pawl_loop *loop)
{
    const struct pawl_hub_config config = {
        .frame_size_max = PAWL_PEER_FRAME_SIZE_MAX,
        .out_size_max = PAWL_STREAM_OUT_SIZE_MAX,
        .connections_max = PAWL_PEER_CONNECTIONS_MAX,
        .context = loop,
        .notify = on_notify,
        .on_open = on_open,
        .on_frame = on_frame,
        .on_close = on_close,
    };
    return pawl_hub_open(&config, &loop->peer_hub);
}

static pawl_err hub_listen(struct pawl_loop *loop, struct pawl_arena *arena,
                           const char **ret_message)
{
    const struct pawl_loop_placement *placement = &loop->config.placement;
    const char *why = NULL;
    pawl_err err = pawl_hub_listen(loop->peer_hub, placement->listen, ENDPOINT_LISTENER, &why);
    if (err != PAWL_OK) {
        *ret_message = (const char *)pawl_arena_printf(
                           arena,
                           "cannot listen for other sidecars at %s: %s. Choose another address "
                           "with --peer-listen, or stop the process that has it",
                           placement->listen, why)
                           .data;
        return err;
    }
    uint16_t port = placement->advertise_port ? placement->advertise_port
                                              : pawl_hub_port(loop->peer_hub, ENDPOINT_LISTENER);
    snprintf(loop->peer_endpoint, sizeof loop->peer_endpoint, "tcp://%s:%u",
             placement->advertise_host, port);
    return PAWL_OK;
}

static void peers_new(struct pawl_loop *loop)
{
    const struct pawl_peer_stream_config config = {
        .namespace_ = loop->config.namespace_,
        .app = loop->config.node.app,
        .host = loop->config.node.host,
        .token = loop->config.token,
        .frame_size_max = PAWL_PEER_FRAME_SIZE_MAX,
        .outside = { loop, peer_dial, peer_send, peer_end, peer_step },
    };
    loop->peers = pawl_peer_stream_new(&config);
}

static void follower_new(struct pawl_loop *loop)
{
    const struct pawl_loop_config *config = &loop->config;
    const struct pawl_follower_config follower = {
        .namespace_ = pawl_bytes_str(config->namespace_),
        .token = pawl_bytes_str(config->token),
        .self = { .host = pawl_bytes_str(config->node.host),
                  .app = pawl_bytes_str(config->node.app),
                  .address = pawl_bytes_str(loop->peer_endpoint),
                  .partitions = config->node.partitions },
        .process = config->placement.process,
        .seed = config->node.seed,
        .addresses_count = config->placement.addresses_count,
        .addresses = config->placement.addresses,
    };
    loop->follower = pawl_follower_new(&follower);
}

pawl_err pawl_loop_peers_open(struct pawl_loop *loop, struct pawl_arena *arena,
                              const char **ret_message)
{
    pawl_map_init(&loop->placement_links, 0);
    if (!loop->config.node.placed) return PAWL_OK;
    pawl_err err = hub_open(loop);
    if (err == PAWL_OK) err = hub_listen(loop, arena, ret_message);
    if (err != PAWL_OK) return err;
    peers_new(loop);
    follower_new(loop);
    return PAWL_OK;
}

void pawl_loop_peers_close(struct pawl_loop *loop)
{
    pawl_hub_close(loop->peer_hub);
    loop->peer_hub = NULL;
    pawl_peer_stream_free(loop->peers);
    loop->peers = NULL;
    pawl_follower_free(loop->follower);
    loop->follower = NULL;
    uint32_t cursor = 0;
    for (struct placement_link *link;
         (link = pawl_map_next(&loop->placement_links, &cursor)) != NULL;) {
        link_free(loop, link);
    }
    pawl_map_deinit(&loop->placement_links);
}

/* Shown --------------------------------------------------------------------------------------- */

const char *pawl_loop_peer_endpoint(const struct pawl_loop *loop)
{
    return loop->follower ? loop->peer_endpoint : NULL;
}

const char *pawl_loop_peers_missing(struct pawl_loop *loop)
{
    if (!loop->follower || pawl_follower_members(loop->follower)->version > 0) return NULL;
    const struct pawl_follower_status status = pawl_follower_status(loop->follower);
    if (status.connected) return "waiting for the first member list of placement";
    if (status.message.size == 0) return "placement has not answered yet";
    return (const char *)pawl_arena_printf(&loop->info_arena, "no placement: %.*s",
                                           PAWL_BYTES_FMT(status.message))
        .data;
}

void pawl_loop_peers_info(struct pawl_loop *loop, struct pawl_api_info *info)
{
    if (!loop->follower) return;
    const struct pawl_follower_status status = pawl_follower_status(loop->follower);
    const struct pawl_members *members = pawl_follower_members(loop->follower);
    struct pawl_api_placement *placement =
        PAWL_ARENA_NEW(&loop->info_arena, struct pawl_api_placement);
    *placement = (struct pawl_api_placement){
        .connected = status.connected,
        .since_ms = status.since_ms,
        .address = pawl_arena_copy(&loop->info_arena, status.address),
        .message = pawl_arena_copy(&loop->info_arena, status.message),
        .version = members->version,
        .members_count = members->count,
    };
    info->placement = placement;
    info->peer_endpoint = loop->peer_endpoint;
    info->peers = pawl_peer_stream_peers(loop->peers, &loop->info_arena, &info->peers_count);
    info->peer_metrics = pawl_peer_stream_metrics(loop->peers);
}
