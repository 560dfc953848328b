/* Counts of attempts, as they are stored beside an instance: what is accepted comes back as it
 * is, within its bounds; of what is not, nothing is taken. */
#include "fuzz.h"

#include "actors/attempts.h"
#include "base/assert.h"
#include "base/bytes.h"

static void assert_same(const struct pawl_attempts *one, const struct pawl_attempts *other)
{
    PAWL_ASSERT(one->turn == other->turn && one->ops_count == other->ops_count);
    for (uint32_t i = 0; i < one->ops_count; i++)
        PAWL_ASSERT(one->ops[i].id == other->ops[i].id && one->ops[i].count == other->ops[i].count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pawl_attempts attempts, again;
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    if (pawl_attempts_unpack(pawl_bytes_make(data, size), &attempts) == PAWL_OK) {
        PAWL_ASSERT(attempts.ops_count <= PAWL_ATTEMPTS_OPS_MAX);
        struct pawl_bytes packed = pawl_attempts_pack(&arena, &attempts);
        pawl_err err = pawl_attempts_unpack(packed, &again);
        PAWL_ASSERT(err == PAWL_OK);
        assert_same(&attempts, &again);
        for (uint32_t i = 0; i < attempts.ops_count; i++)
            (void)pawl_attempts_of_op(&attempts, attempts.ops[i].id);
    } else {
        PAWL_ASSERT(attempts.turn == 0 && attempts.ops_count == 0);
    }
    pawl_arena_deinit(&arena);
    return 0;
}
