/* A gRPC server, fed with any bytes: it keeps its books, ends each call exactly once, and
 * never says anything after the end. The input: pieces, each behind a length of two
 * bytes. The top bit of the length begins with the preface and SETTINGS, so that not each
 * input has to find them; an empty piece lets 7 s pass. */
#include "fuzz.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "sidecar/grpc_internal.h"

#define START     INT64_C(1700000000000)
#define CALLS_MAX 4096u

static const char greeting[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";

struct world {
    struct pawl_grpc *grpc;
    struct pawl_grpc_conn *conn;
    int64_t now_ms;
    bool is_awake;
    bool is_ended;
    uint32_t calls_count;
    uint64_t open[CALLS_MAX]; /* by order of arrival; 0: over */
    uint32_t open_count;
};

static struct world world;

static void on_wake(void *context)
{
    (void)context;
    PAWL_ASSERT(!world.is_awake);
    world.is_awake = true;
}

static bool on_send(void *context, void *peer, struct pawl_bytes bytes)
{
    (void)context;
    PAWL_ASSERT(peer == &world);
    PAWL_ASSERT(!world.is_ended && bytes.size > 0);
    return bytes.size % 7 != 0; /* sometimes the transport has enough */
}

static void on_end(void *context, void *peer)
{
    (void)context;
    PAWL_ASSERT(peer == &world);
    PAWL_ASSERT(!world.is_ended);
    world.is_ended = true;
}

static void on_echo(void *context, const struct pawl_grpc_call *call)
{
    (void)context;
    (void)pawl_grpc_metadata_find(call->metadata, "who");
    pawl_grpc_answer(world.grpc, call->id, call->message);
    PAWL_ASSERT(pawl_grpc_send(world.grpc, call->id, call->message) == PAWL_E_CANCELLED);
}

static void on_stream(void *context, const struct pawl_grpc_call *call)
{
    (void)context;
    if (world.calls_count == CALLS_MAX) {
        pawl_grpc_finish(world.grpc, call->id, PAWL_GRPC_UNAVAILABLE, PAWL_BYTES_ABSENT);
        return;
    }
    world.open[world.calls_count++] = call->id;
    world.open_count++;
    (void)pawl_grpc_send(world.grpc, call->id, call->message);
}

static void on_cancel(void *context, uint64_t call, const char *why, int64_t now_ms)
{
    (void)context;
    PAWL_ASSERT(why != NULL && now_ms == world.now_ms);
    for (uint32_t i = 0; i < world.calls_count; i++) {
        if (world.open[i] != call) continue;
        world.open[i] = 0;
        world.open_count--;
        return;
    }
    PAWL_UNREACHABLE("only a call that is open can be cancelled");
}

static void on_writable(void *context, uint64_t call, int64_t now_ms)
{
    (void)context;
    (void)call;
    PAWL_ASSERT(now_ms == world.now_ms);
}

static void turn(void)
{
    for (uint32_t i = 0; i < 4 && world.is_awake; i++) {
        world.is_awake = false;
        pawl_grpc_flush(world.grpc, world.now_ms);
    }
}

static void pass(void)
{
    world.now_ms += 7000;
    pawl_grpc_on_tick(world.grpc, world.now_ms);
    turn();
    if (!world.is_ended) pawl_grpc_on_writable(world.conn);
    /* The oldest call that still runs ends well. */
    for (uint32_t i = 0; i < world.calls_count; i++) {
        if (world.open[i] == 0) continue;
        pawl_grpc_finish(world.grpc, world.open[i], PAWL_GRPC_OK, PAWL_BYTES_ABSENT);
        world.open[i] = 0;
        world.open_count--;
        break;
    }
}

static void feed(const uint8_t *data, size_t size)
{
    while (size >= 2) {
        bool greets = (data[0] & 0x80) != 0;
        size_t piece = (size_t)(data[0] & 0x7f) << 8 | data[1];
        data += 2;
        size -= 2;
        if (piece > size) piece = size;
        if (greets)
            pawl_grpc_on_bytes(world.conn, pawl_bytes_make(greeting, sizeof greeting),
                               world.now_ms);
        if (piece == 0) {
            pass();
        } else {
            pawl_grpc_on_bytes(world.conn, pawl_bytes_make(data, piece), world.now_ms);
        }
        turn();
        data += piece;
        size -= piece;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct pawl_grpc_method methods[] = {
        { "/e", PAWL_GRPC_UNARY, on_echo },
        { "/s", PAWL_GRPC_SERVER_STREAM, on_stream },
        { "/", PAWL_GRPC_SERVER_STREAM, on_stream },
    };
    const struct pawl_grpc_config config = {
        .service = { .what = "a test",
                     .methods = methods,
                     .methods_count = sizeof methods / sizeof methods[0],
                     .on_cancel = on_cancel,
                     .on_writable = on_writable },
        .seed = 1,
        .outside = { .wake = on_wake, .send = on_send, .end = on_end },
    };
    world = (struct world){ .now_ms = START };
    world.grpc = pawl_grpc_new(&config);
    world.conn = pawl_grpc_open(world.grpc, &world, "fuzz:1", world.now_ms);
    feed(data, size);
    PAWL_ASSERT(world.grpc->out_size <= PAWL_GRPC_CONN_OUT_SIZE_MAX);
    PAWL_ASSERT(!world.is_ended || world.open_count == 0);
    pawl_grpc_on_close(world.conn, "the end", world.now_ms);
    PAWL_ASSERT(world.open_count == 0);
    pawl_grpc_free(world.grpc); /* asserts that nothing is left */
    return 0;
}
