/* Frames: what a peer sends decodes or is refused with little memory; what decodes is
 * within every limit, and its own encoding decodes to the same. */
#include "fuzz.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "sdk/frames.h"

static struct pawl_bytes encode(struct pawl_arena *arena, const struct pawl_frame *frame)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_FRAME_SIZE_MAX);
    pawl_frame_encode(&buf, frame);
    PAWL_ASSERT(buf.bad == PAWL_OK);
    struct pawl_bytes bytes = pawl_arena_copy(arena, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
    return bytes;
}

static void check_turn_done(const struct pawl_turn_done *done)
{
    PAWL_ASSERT(done->actions_count <= PAWL_FRAME_ACTIONS_MAX);
    for (uint32_t i = 0; i < done->actions_count; i++) {
        const struct pawl_action *action = &done->actions[i];
        PAWL_ASSERT(action->kind >= PAWL_ACTION_ACTIVITY && action->kind <= PAWL_ACTION_DETACHED);
        PAWL_ASSERT(action->id >= 0 && action->ref >= 0);
        PAWL_ASSERT(pawl_utf8_is_valid(action->failure.message));
    }
}

static void check_frame(const struct pawl_frame *frame)
{
    if (frame->type == PAWL_FRAME_TURN_DONE) check_turn_done(&frame->turn_done);
    if (frame->type == PAWL_FRAME_TURN)
        PAWL_ASSERT(frame->turn.past_count <= frame->turn.events_count);
    if (frame->type == PAWL_FRAME_REFUSED)
        PAWL_ASSERT(frame->refused.message.size <= PAWL_MESSAGE_SIZE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    struct pawl_frame frame, again;
    pawl_err err = pawl_frame_decode(pawl_bytes_make(data, size), &arena, &frame);
    PAWL_ASSERT(err == PAWL_OK || err == PAWL_E_PROTOCOL);
    PAWL_ASSERT(arena.used <= 4096 + 1024 * size); /* an action of one byte is the worst */
    if (err == PAWL_OK) {
        check_frame(&frame);
        struct pawl_bytes first = encode(&arena, &frame);
        PAWL_ASSERT(pawl_frame_decode(first, &arena, &again) == PAWL_OK);
        PAWL_ASSERT(pawl_bytes_is_equal(encode(&arena, &again), first));
    }
    pawl_arena_deinit(&arena);
    return 0;
}
