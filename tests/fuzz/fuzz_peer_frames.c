/* Peer frames: what another sidecar sends decodes or is refused with little memory; what
 * decodes is within every limit, and its own encoding decodes to the same. */
#include "fuzz.h"

#include "actors/peer_frames.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"

static struct pawl_bytes encode(struct pawl_arena *arena, const struct pawl_peer_frame *frame)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_PEER_FRAME_SIZE_MAX);
    pawl_peer_frame_encode(&buf, frame);
    PAWL_ASSERT(buf.bad == PAWL_OK);
    struct pawl_bytes bytes = pawl_arena_copy(arena, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
    return bytes;
}

static void check_frame(const struct pawl_peer_frame *frame)
{
    switch (frame->type) {
    case PAWL_PEER_REFUSED:
        PAWL_ASSERT(frame->refused.err != PAWL_OK);
        PAWL_ASSERT(frame->refused.message.size <= PAWL_MESSAGE_SIZE_MAX);
        break;
    case PAWL_PEER_CREDIT: PAWL_ASSERT(frame->credit <= PAWL_PEER_WINDOW); break;
    case PAWL_PEER_RUN:
    case PAWL_PEER_RESULT:
        PAWL_ASSERT(!pawl_id_is_zero(frame->run.run));
        PAWL_ASSERT(frame->run.op_id <= INT32_MAX);
        break;
    case PAWL_PEER_FIND:
        PAWL_ASSERT(frame->finds.count <= PAWL_PEER_RUNS_MAX);
        for (uint32_t i = 0; i < frame->finds.count; i++)
            PAWL_ASSERT(!pawl_id_is_zero(frame->finds.items[i].run));
        break;
    case PAWL_PEER_FOUND:
    case PAWL_PEER_ASKED:
        PAWL_ASSERT(frame->runs.known_count + frame->runs.unknown_count <= PAWL_PEER_RUNS_MAX);
        break;
    case PAWL_PEER_PLACES_WANTED:
    case PAWL_PEER_PLACES:
        PAWL_ASSERT(frame->places.items_count <= PAWL_PEER_PLACES_MAX);
        for (uint32_t i = 0; i < frame->places.items_count; i++)
            PAWL_ASSERT(frame->places.items[i].max > 0);
        break;
    case PAWL_PEER_NEWS:
        for (uint32_t i = 0; i < frame->news.count; i++)
            PAWL_ASSERT(frame->news.partitions[i] < PAWL_PARTITIONS_MAX);
        break;
    default: break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    struct pawl_peer_frame frame, again;
    pawl_err err = pawl_peer_frame_decode(pawl_bytes_make(data, size), &arena, &frame);
    PAWL_ASSERT(err == PAWL_OK || err == PAWL_E_PROTOCOL);
    PAWL_ASSERT(arena.used <= 4096 + 32 * size);
    if (err == PAWL_OK) {
        check_frame(&frame);
        struct pawl_bytes first = encode(&arena, &frame);
        PAWL_ASSERT(pawl_peer_frame_decode(first, &arena, &again) == PAWL_OK);
        PAWL_ASSERT(pawl_bytes_is_equal(encode(&arena, &again), first));
    }
    pawl_arena_deinit(&arena);
    return 0;
}
