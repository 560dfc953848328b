/* The links between sidecars, fed with any frames in any order: they never break their
 * promises to the node. The input: frames, each behind a length of two bytes whose highest
 * bit says on which connection it comes; an empty one lets 1 s pass, and on the second
 * connection the node sends something. */
#include "fuzz.h"

#include "actors/peer_frames.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "sidecar/peer_stream.h"

#define ACCEPTED UINT64_C(7)
#define START    INT64_C(1700000000000)
#define PEER     PAWL_BYTES_LITERAL("shop-1-77-c0ffee") /* as in the corpus */

/* What the world has seen. Connections that were dialled are 100, 101, … */
struct world {
    struct pawl_arena arena;
    uint64_t dialled; /* the last one; 0: none */
    uint64_t open[2]; /* not ended yet: the accepted one, the dialled one */
    bool owed;        /* the node has sent something since the last PEER_DOWN */
};

static struct world world;

static uint64_t on_dial(void *context, const char *url)
{
    (void)context;
    PAWL_ASSERT(pawl_bytes_is_str(pawl_bytes_str(url), "tcp://10.0.0.1:3502"));
    PAWL_ASSERT(world.open[1] == 0); /* one at a time */
    world.dialled = world.dialled ? world.dialled + 1 : 100;
    world.open[1] = world.dialled;
    return world.dialled;
}

static pawl_err on_send(void *context, uint64_t conn, struct pawl_bytes bytes)
{
    (void)context;
    PAWL_ASSERT(conn == world.open[0] || conn == world.open[1]);
    struct pawl_peer_frame frame;
    PAWL_ASSERT(pawl_peer_frame_decode(bytes, &world.arena, &frame) == PAWL_OK);
    return PAWL_OK;
}

static void on_end(void *context, uint64_t conn, bool linger)
{
    (void)context;
    (void)linger;
    PAWL_ASSERT(conn == world.open[0] || conn == world.open[1]); /* once is enough */
    world.open[conn == ACCEPTED ? 0 : 1] = 0;
}

static void on_step(void *context, const struct pawl_node_event *event)
{
    (void)context;
    if (event->type == PAWL_NODE_MEMBERS) return;
    PAWL_ASSERT(pawl_bytes_is_equal(event->peer.host, PEER));
    PAWL_ASSERT(pawl_bytes_is_str(event->peer.app, "shop"));
    if (event->type == PAWL_NODE_PEER_DOWN) {
        PAWL_ASSERT(world.owed);
        world.owed = false;
        return;
    }
    PAWL_ASSERT(event->type == PAWL_NODE_PEER_FRAME);
    PAWL_ASSERT(event->peer.frame->type >= PAWL_PEER_CALL);
}

static void node_sends(struct pawl_peer_stream *stream, int64_t now_ms)
{
    const struct pawl_peer_frame frame = { .type = PAWL_PEER_GONE, .call = { .token = 1 } };
    uint64_t before = world.open[1];
    world.owed = true;
    pawl_peer_stream_send(stream, PEER, &frame, now_ms);
    if (world.open[1] != before) pawl_peer_stream_on_open(stream, world.open[1], true, now_ms);
}

static void feed(struct pawl_peer_stream *stream, const uint8_t *data, size_t size)
{
    int64_t now_ms = START;
    while (size >= 2) {
        uint32_t which = data[0] >> 7;
        size_t frame_size = (size_t)((data[0] & 0x7f) << 8 | data[1]);
        data += 2;
        size -= 2;
        if (frame_size > size) frame_size = size;
        if (frame_size > 0) {
            pawl_peer_stream_on_frame(stream, which ? world.dialled : ACCEPTED,
                                      pawl_bytes_make(data, frame_size), now_ms);
        } else if (which) {
            node_sends(stream, now_ms);
        } else {
            now_ms += 1000;
            uint64_t before = world.open[1];
            pawl_peer_stream_on_tick(stream, now_ms);
            if (world.open[1] != 0 && world.open[1] != before)
                pawl_peer_stream_on_open(stream, world.open[1], true, now_ms);
        }
        data += frame_size;
        size -= frame_size;
    }
    pawl_peer_stream_on_close(stream, ACCEPTED, "the input ends", now_ms);
    pawl_peer_stream_on_close(stream, world.dialled, "the input ends", now_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    world = (struct world){ .open = { ACCEPTED, 0 } };
    pawl_arena_init(&world.arena);
    const struct pawl_peer_stream_config config = {
        .namespace_ = "prod",
        .app = "shop",
        .host = "self",
        .token = "secret",
        .frame_size_max = PAWL_PEER_FRAME_SIZE_MAX,
        .outside = { NULL, on_dial, on_send, on_end, on_step },
    };
    struct pawl_peer_stream *stream = pawl_peer_stream_new(&config);
    struct pawl_member member = { .host = PEER,
                                  .app = PAWL_BYTES_LITERAL("shop"),
                                  .address = PAWL_BYTES_LITERAL("tcp://10.0.0.1:3502"),
                                  .partitions = 8 };
    const struct pawl_members members = { .version = 1, .count = 1, .items = &member };
    pawl_peer_stream_on_members(stream, &members, START);
    pawl_peer_stream_on_open(stream, ACCEPTED, false, START);
    feed(stream, data, size);
    PAWL_ASSERT(pawl_peer_stream_metrics(stream)->links_ready == 0);
    pawl_peer_stream_free(stream);
    pawl_arena_deinit(&world.arena);
    return 0;
}
