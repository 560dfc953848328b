/* Positions in the lifecycle stream, which subscribers bring back: one that is accepted
 * is the same when it is written and read again. The first byte: of how many partitions. */
#include "fuzz.h"

#include "actors/position.h"
#include "base/assert.h"
#include "base/bytes.h"

#define PARTITIONS_MAX 16u

static void check(struct pawl_bytes text, uint32_t partitions, uint32_t first, uint32_t count)
{
    uint64_t numbers[PARTITIONS_MAX], again[PARTITIONS_MAX];
    if (!pawl_position_parse(text, partitions, first, count, numbers)) return;
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    struct pawl_bytes written = pawl_position_format(&arena, partitions, first, count, numbers);
    PAWL_ASSERT(pawl_position_parse(written, partitions, first, count, again));
    PAWL_ASSERT(memcmp(numbers, again, count * sizeof *numbers) == 0);
    PAWL_ASSERT(!pawl_position_parse(written, partitions + 1, first, count, again));
    pawl_arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    uint32_t partitions = 1 + data[0] % PARTITIONS_MAX;
    struct pawl_bytes text = pawl_bytes_make(data + 1, size - 1);
    check(text, partitions, 0, partitions);
    check(text, partitions, partitions - 1, 1);
    return 0;
}
