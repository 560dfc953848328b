#include "grpc_world.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"

#define WIRE_SIZE_MAX ((size_t)1 << 30)

static void on_wake(void *context)
{
    struct grpc_world *world = context;
    PAWL_ASSERT(!world->is_awake); /* asked once */
    world->is_awake = true;
}

static bool on_send(void *context, void *peer, struct pawl_bytes bytes)
{
    (void)context;
    struct grpc_link *link = peer;
    PAWL_ASSERT(!link->is_ended);
    PAWL_ASSERT(bytes.size > 0);
    link->writes_count++;
    pawl_buf_append_bytes(&link->to_client, bytes);
    return !link->is_stuck;
}

static void on_end(void *context, void *peer)
{
    (void)context;
    struct grpc_link *link = peer;
    PAWL_ASSERT(!link->is_ended);
    link->is_ended = true;
}

void grpc_world_init(struct grpc_world *world, const struct pawl_grpc_service *service,
                     const char *token)
{
    *world = (struct grpc_world){ .now_ms = GRPC_WORLD_START };
    const struct pawl_grpc_config config = {
        .service = *service,
        .token = token,
        .seed = 1,
        .outside = { .context = world, .wake = on_wake, .send = on_send, .end = on_end },
    };
    world->grpc = pawl_grpc_new(&config);
}

struct grpc_link *grpc_world_connect(struct grpc_world *world, uint32_t window)
{
    struct grpc_link *link = PAWL_NEW(struct grpc_link);
    link->world = world;
    pawl_buf_init(&link->to_client, WIRE_SIZE_MAX);
    pawl_buf_init(&link->to_server, WIRE_SIZE_MAX);
    grpc_client_init(&link->client, window);
    link->conn = pawl_grpc_open(world->grpc, link, "test:1", world->now_ms);
    world->links = pawl_mem_resize(world->links, (world->links_count + 1) * sizeof link);
    world->links[world->links_count++] = link;
    return link;
}

void grpc_link_cut(struct grpc_link *link)
{
    if (link->conn) pawl_grpc_on_close(link->conn, "the client is gone", link->world->now_ms);
    link->conn = NULL;
}

void grpc_link_feed(struct grpc_link *link, struct pawl_bytes bytes)
{
    if (link->conn) pawl_grpc_on_bytes(link->conn, bytes, link->world->now_ms);
}

/* True: something moved. */
static bool link_run(struct grpc_link *link)
{
    bool moved = false;
    if (!link->is_raw) {
        if (link->to_client.size > 0) {
            grpc_client_receive(&link->client, pawl_buf_view(&link->to_client));
            pawl_buf_clear(&link->to_client);
            moved = true;
        }
        if (!link->client.is_broken) grpc_client_take(&link->client, &link->to_server);
    }
    if (link->to_server.size > 0 && link->conn) {
        grpc_link_feed(link, pawl_buf_view(&link->to_server));
        moved = true;
    }
    pawl_buf_clear(&link->to_server);
    if (link->is_ended && link->conn && link->to_client.size == 0) {
        grpc_link_cut(link);
        moved = true;
    }
    return moved;
}

void grpc_world_run(struct grpc_world *world)
{
    bool moved;
    do {
        moved = world->is_awake;
        if (world->is_awake) {
            world->is_awake = false;
            pawl_grpc_flush(world->grpc, world->now_ms);
        }
        for (uint32_t i = 0; i < world->links_count; i++) {
            if (link_run(world->links[i])) moved = true;
        }
    } while (moved);
}

void grpc_world_pass(struct grpc_world *world, int64_t ms)
{
    int64_t until_ms = world->now_ms + ms;
    for (;;) {
        int64_t wake_ms = pawl_grpc_wake_at_ms(world->grpc);
        if (wake_ms == 0 || wake_ms > until_ms) break;
        if (wake_ms > world->now_ms) world->now_ms = wake_ms;
        pawl_grpc_on_tick(world->grpc, world->now_ms);
        PAWL_ASSERT(pawl_grpc_wake_at_ms(world->grpc) != wake_ms); /* time goes on */
        grpc_world_run(world);
    }
    world->now_ms = until_ms;
    grpc_world_run(world);
}

void grpc_world_deinit(struct grpc_world *world)
{
    for (uint32_t i = 0; i < world->links_count; i++) {
        struct grpc_link *link = world->links[i];
        grpc_link_cut(link);
        grpc_client_deinit(&link->client);
        pawl_buf_deinit(&link->to_client);
        pawl_buf_deinit(&link->to_server);
        pawl_mem_free(link);
    }
    pawl_mem_free(world->links);
    pawl_grpc_free(world->grpc);
}
