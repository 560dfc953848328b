/* The bytes of schedules: what is read comes back when it is written and read again, and what
 * the check lets through the engine can use. */
#include "fuzz.h"

#include "actors/schedule_plan.h"
#include "base/assert.h"
#include "base/bytes.h"

static void check_spec(struct pawl_bytes bytes, struct pawl_arena *arena)
{
    struct pawl_schedule_spec spec, again;
    struct pawl_bytes why = PAWL_BYTES_ABSENT;
    if (pawl_schedule_spec_unpack(bytes, &spec) != PAWL_OK) return;
    struct pawl_bytes packed = pawl_schedule_spec_pack(arena, &spec);
    pawl_err err = pawl_schedule_spec_unpack(packed, &again);
    PAWL_ASSERT(err == PAWL_OK);
    PAWL_ASSERT(pawl_bytes_is_equal(packed, pawl_schedule_spec_pack(arena, &again)));
    if (pawl_schedule_check(&spec, arena, &why) != PAWL_OK) {
        PAWL_ASSERT(pawl_name_is_valid(why, PAWL_MESSAGE_SIZE_MAX));
        return;
    }
    struct pawl_schedule_state state = pawl_schedule_begin(&spec, 1);
    struct pawl_schedule_plan plan;
    for (int64_t now_ms = 1; now_ms < INT64_C(4000000000000); now_ms *= 7)
        pawl_schedule_decide(&state, NULL, false, now_ms, PAWL_SCHEDULE_UNKNOWN, &plan);
}

static void check_state(struct pawl_bytes bytes, struct pawl_arena *arena)
{
    struct pawl_schedule_state state, again;
    if (pawl_schedule_state_unpack(bytes, &state) != PAWL_OK) return;
    struct pawl_bytes packed = pawl_schedule_state_pack(arena, &state);
    if (pawl_bytes_is_absent(packed)) return; /* larger than a custom status */
    pawl_err err = pawl_schedule_state_unpack(packed, &again);
    PAWL_ASSERT(err == PAWL_OK);
    PAWL_ASSERT(pawl_bytes_is_equal(packed, pawl_schedule_state_pack(arena, &again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    check_spec(pawl_bytes_make(data, size), &arena);
    check_state(pawl_bytes_make(data, size), &arena);
    pawl_arena_deinit(&arena);
    return 0;
}
