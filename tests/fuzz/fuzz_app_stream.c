/* The sidecar's side of a worker connection, fed with any frames in any order: it never
 * breaks its promises to the node. The input: frames, each behind a length of two
 * bytes; an empty one lets 5 s pass. */
#include "fuzz.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "sidecar/app_stream.h"

#define CONN  UINT64_C(7)
#define START INT64_C(1700000000000)

/* What the world has seen of the one connection. */
struct world {
    struct pawl_api api;
    struct pawl_arena arena;
    uint64_t token; /* of the last management call */
    uint32_t calls_count;
    uint32_t cancelled_count;
    bool is_open; /* WORKER_OPENED was said, WORKER_CLOSED not yet */
    bool is_ended;
};

static struct world world;

static uint64_t api_call(struct pawl_api *api, const struct pawl_request *request,
                         pawl_api_on_answer *on_answer, void *context)
{
    struct pawl_bytes message;
    PAWL_ASSERT(api == &world.api);
    PAWL_ASSERT(on_answer != NULL);
    PAWL_ASSERT(context != NULL);
    PAWL_ASSERT(pawl_request_check(request, &world.arena, &message) == PAWL_OK);
    world.calls_count++;
    return ++world.token;
}

static void api_cancel(struct pawl_api *api, uint64_t token)
{
    PAWL_ASSERT(api == &world.api);
    PAWL_ASSERT(token > 0 && token <= world.token);
    world.cancelled_count++;
}

static pawl_err on_send(void *context, uint64_t conn, struct pawl_bytes bytes)
{
    (void)context;
    PAWL_ASSERT(conn == CONN);
    struct pawl_frame frame;
    PAWL_ASSERT(pawl_frame_decode(bytes, &world.arena, &frame) == PAWL_OK);
    return PAWL_OK;
}

static void on_end(void *context, uint64_t conn, bool linger)
{
    (void)context;
    (void)linger;
    PAWL_ASSERT(conn == CONN);
    PAWL_ASSERT(!world.is_ended); /* once is enough */
    world.is_ended = true;
}

static void on_step(void *context, const struct pawl_node_event *event)
{
    (void)context;
    PAWL_ASSERT(event->worker == CONN);
    if (event->type == PAWL_NODE_WORKER_OPENED) {
        PAWL_ASSERT(!world.is_open);
        world.is_open = true;
        return;
    }
    PAWL_ASSERT(world.is_open); /* nothing before it was opened or after it was closed */
    if (event->type == PAWL_NODE_WORKER_CLOSED) world.is_open = false;
}

static void feed(struct pawl_app_stream *stream, const uint8_t *data, size_t size)
{
    int64_t now_ms = START;
    while (size >= 2) {
        size_t frame_size = (size_t)(data[0] << 8 | data[1]);
        data += 2;
        size -= 2;
        if (frame_size > size) frame_size = size;
        if (frame_size == 0) {
            now_ms += 5000;
            pawl_app_stream_on_tick(stream, now_ms);
        } else {
            pawl_app_stream_on_frame(stream, CONN, pawl_bytes_make(data, frame_size), now_ms);
        }
        data += frame_size;
        size -= frame_size;
    }
    pawl_app_stream_on_close(stream, CONN, "the input ends", now_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct pawl_api_ops api_ops = { .call = api_call, .cancel = api_cancel };
    world = (struct world){ .api = { .ops = &api_ops } };
    pawl_arena_init(&world.arena);
    const struct pawl_app_stream_config config = {
        .app = "shop",
        .name = "fuzzed",
        .frame_size_max = PAWL_FRAME_SIZE_MAX,
        .api = &world.api,
        .outside = { .send = on_send, .end = on_end, .step = on_step },
    };
    struct pawl_app_stream *stream = pawl_app_stream_new(&config);
    pawl_app_stream_on_open(stream, CONN, 1, START);
    feed(stream, data, size);
    PAWL_ASSERT(!world.is_open);
    PAWL_ASSERT(world.cancelled_count == world.calls_count); /* none was answered */
    pawl_app_stream_free(stream);
    pawl_arena_deinit(&world.arena);
    return 0;
}
