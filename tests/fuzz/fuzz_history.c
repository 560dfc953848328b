/* History events, failures and parents: what decodes comes back from its own encoding. */
#include "fuzz.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "sdk/history.h"

static void check_event(struct pawl_arena *arena, struct pawl_bytes bytes)
{
    struct pawl_history_event event, again;
    if (pawl_history_event_decode(bytes, &event) != PAWL_OK) return;
    PAWL_ASSERT(pawl_event_kind_name((int)event.kind) != NULL);
    PAWL_ASSERT(pawl_status_name((int)event.status) != NULL);

    struct pawl_bytes packed = pawl_history_event_pack(arena, &event);
    PAWL_ASSERT(pawl_history_event_decode(packed, &again) == PAWL_OK);
    PAWL_ASSERT(again.kind == event.kind);
    PAWL_ASSERT(again.id == event.id);
    PAWL_ASSERT(again.ref == event.ref);
    PAWL_ASSERT(again.timestamp_ms == event.timestamp_ms);
    PAWL_ASSERT(pawl_bytes_is_equal(again.payload, event.payload));
    PAWL_ASSERT(pawl_bytes_is_equal(packed, pawl_history_event_pack(arena, &again)));
}

static void check_failure(struct pawl_arena *arena, struct pawl_bytes bytes)
{
    struct pawl_failure_view failure, again;
    if (pawl_failure_decode(bytes, &failure) != PAWL_OK) return;
    struct pawl_bytes packed = pawl_failure_pack(arena, &failure);
    PAWL_ASSERT(pawl_failure_decode(packed, &again) == PAWL_OK);
    PAWL_ASSERT(again.present == failure.present);
    PAWL_ASSERT(pawl_bytes_is_equal(packed, pawl_failure_pack(arena, &again)));
}

static void check_parent(struct pawl_arena *arena, struct pawl_bytes bytes)
{
    struct pawl_parent parent, again;
    if (pawl_parent_decode(bytes, &parent) != PAWL_OK) return;
    struct pawl_bytes packed = pawl_parent_pack(arena, &parent);
    PAWL_ASSERT(pawl_parent_decode(packed, &again) == PAWL_OK);
    PAWL_ASSERT(pawl_bytes_is_equal(packed, pawl_parent_pack(arena, &again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    check_event(&arena, pawl_bytes_make(data, size));
    check_failure(&arena, pawl_bytes_make(data, size));
    check_parent(&arena, pawl_bytes_make(data, size));
    pawl_arena_deinit(&arena);
    return 0;
}
