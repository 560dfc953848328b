/* What an instance begins with: what is accepted comes back as it is, and is sound. */
#include "fuzz.h"

#include "actors/envelope.h"
#include "actors/import.h"
#include "actors/seed.h"
#include "base/assert.h"
#include "base/bytes.h"

static void check_seed(struct pawl_arena *arena, struct pawl_bytes bytes)
{
    struct pawl_seed seed, again;
    if (pawl_seed_unpack(arena, bytes, &seed) != PAWL_OK) return;
    PAWL_ASSERT(seed.events_count > 0 && seed.past_count <= seed.events_count);
    for (uint32_t i = 0; i < seed.reopened_count; i++)
        PAWL_ASSERT(seed.reopened[i] < seed.past_count);
    struct pawl_bytes packed = pawl_seed_pack(arena, &seed);
    PAWL_ASSERT(pawl_seed_unpack(arena, packed, &again) == PAWL_OK);
    PAWL_ASSERT(pawl_bytes_is_equal(packed, pawl_seed_pack(arena, &again)));
}

static void check_import(struct pawl_arena *arena, struct pawl_bytes bytes)
{
    struct pawl_import import, again;
    if (pawl_import_unpack(arena, bytes, &import) != PAWL_OK) return;
    struct pawl_bytes packed = pawl_import_pack(arena, &import);
    PAWL_ASSERT(pawl_import_unpack(arena, packed, &again) == PAWL_OK);
    PAWL_ASSERT(pawl_bytes_is_equal(packed, pawl_import_pack(arena, &again)));
    struct pawl_import_target target = { .arena = arena,
                                         .instance = PAWL_BYTES_LITERAL("j"),
                                         .name = PAWL_BYTES_LITERAL("Order"),
                                         .now_ms = 1 };
    struct pawl_import_begin begin;
    struct pawl_bytes why = PAWL_BYTES_ABSENT;
    pawl_err err = pawl_import_begin_make(&target, &import, &begin, &why);
    if (err != PAWL_OK)
        PAWL_ASSERT(why.size > 0);
    else
        check_seed(arena, pawl_seed_pack(arena, &begin.seed));
}

static void check_body(struct pawl_arena *arena, struct pawl_bytes bytes)
{
    struct pawl_inbox_body body, again;
    if (pawl_inbox_body_unpack(bytes, &body) != PAWL_OK) return;
    struct pawl_bytes packed = pawl_inbox_body_pack(arena, &body);
    PAWL_ASSERT(pawl_inbox_body_unpack(packed, &again) == PAWL_OK);
    PAWL_ASSERT(pawl_bytes_is_equal(again.event, body.event));
    PAWL_ASSERT(pawl_bytes_is_equal(again.seed, body.seed));
    if (body.seed.size) check_seed(arena, body.seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    check_seed(&arena, pawl_bytes_make(data, size));
    check_import(&arena, pawl_bytes_make(data, size));
    check_body(&arena, pawl_bytes_make(data, size));
    pawl_arena_deinit(&arena);
    return 0;
}
