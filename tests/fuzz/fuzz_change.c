/* Lifecycle events: what a sidecar sends decodes or is refused, is within its limits, and its
 * own encoding decodes to the same. */
#include "fuzz.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "sdk/change.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pawl_arena arena;
    struct pawl_lifecycle_event event, again;
    pawl_arena_init(&arena);
    pawl_err err = pawl_lifecycle_event_unpack(pawl_bytes_make(data, size), &event);
    PAWL_ASSERT(err == PAWL_OK || err == PAWL_E_PROTOCOL);
    if (err == PAWL_OK) {
        PAWL_ASSERT(event.partition < PAWL_PARTITIONS_MAX);
        PAWL_ASSERT(event.status < PAWL_STATUS_COUNT);
        PAWL_ASSERT(event.instance.size > 0);
        struct pawl_bytes packed = pawl_lifecycle_event_pack(&arena, &event);
        PAWL_ASSERT(pawl_lifecycle_event_unpack(packed, &again) == PAWL_OK);
        PAWL_ASSERT(pawl_bytes_is_equal(pawl_lifecycle_event_pack(&arena, &again), packed));
    }
    pawl_arena_deinit(&arena);
    return 0;
}
