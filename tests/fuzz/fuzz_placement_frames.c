/* What sidecars and the placement service send each other decodes or is refused with little
 * memory; what decodes is within every limit, and its own encoding decodes to the same. */
#include "fuzz.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "placement/frames.h"
#include "placement/names.h"

static struct pawl_bytes encode(struct pawl_arena *arena, const struct pawl_placement_frame *frame)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_PLACEMENT_FRAME_SIZE_MAX);
    pawl_placement_frame_encode(&buf, frame);
    PAWL_ASSERT(buf.bad == PAWL_OK);
    struct pawl_bytes bytes = pawl_arena_copy(arena, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
    return bytes;
}

static void check_members(const struct pawl_members *members)
{
    PAWL_ASSERT(members->version > 0 && members->version <= INT64_MAX);
    PAWL_ASSERT(members->count <= PAWL_PLACEMENT_MEMBERS_MAX);
    for (uint32_t i = 0; i < members->count; i++) {
        const struct pawl_member *member = &members->items[i];
        PAWL_ASSERT(pawl_placement_host_is_valid(member->host));
        PAWL_ASSERT(pawl_placement_app_is_valid(member->app));
        PAWL_ASSERT(pawl_placement_address_is_valid(member->address));
        PAWL_ASSERT(member->partitions > 0 && member->partitions <= PAWL_PARTITIONS_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    struct pawl_placement_frame frame, again;
    pawl_err err = pawl_placement_frame_decode(pawl_bytes_make(data, size), &arena, &frame);
    PAWL_ASSERT(err == PAWL_OK || err == PAWL_E_PROTOCOL);
    PAWL_ASSERT(arena.used <= 4096 + 64 * size); /* a member of one byte is the worst */
    if (err == PAWL_OK) {
        if (frame.type == PAWL_PLACEMENT_MEMBERS) check_members(&frame.members);
        struct pawl_bytes first = encode(&arena, &frame);
        PAWL_ASSERT(pawl_placement_frame_decode(first, &arena, &again) == PAWL_OK);
        PAWL_ASSERT(pawl_bytes_is_equal(encode(&arena, &again), first));
    }
    pawl_arena_deinit(&arena);
    return 0;
}
