/* Change: one lifecycle event of an instance, as it travels to a subscriber: in the answer
 * of a WATCH request, packed like a history event. */
#ifndef PAWL_SDK_CHANGE_H
#define PAWL_SDK_CHANGE_H

#include "base/arena.h"
#include "base/buf.h"
#include "pawl/err.h"
#include "pawl/types.h"

struct pawl_lifecycle_event {
    uint32_t partition;
    uint64_t number; /* with the partition it names the event */
    int64_t at_ms;
    uint32_t what; /* enum pawl_change_what */
    enum pawl_status status;
    uint32_t gen;
    uint32_t turn;
    struct pawl_id inc;
    struct pawl_bytes instance;
    struct pawl_bytes name;
    struct pawl_bytes custom_status; /* with CUSTOM_STATUS; absent: removed, or OMITTED */
};

/* The bytes, in the arena. */
struct pawl_bytes pawl_lifecycle_event_pack(struct pawl_arena *arena,
                                            const struct pawl_lifecycle_event *event);

/* Views point into `bytes`. PAWL_E_PROTOCOL: it is none. */
PAWL_MUST_USE pawl_err pawl_lifecycle_event_unpack(struct pawl_bytes bytes,
                                                   struct pawl_lifecycle_event *ret_event);

#endif /* PAWL_SDK_CHANGE_H */
