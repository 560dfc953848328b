/* Export: an instance with its history, as `pawl workflow history --export` writes it. */
#ifndef PAWL_SDK_EXPORT_H
#define PAWL_SDK_EXPORT_H

#include "base/arena.h"
#include "base/buf.h"
#include "sdk/history.h"

struct pawl_export {
    const char *file; /* for a person; set by whoever reads one */
    struct pawl_bytes instance;
    struct pawl_bytes name;
    struct pawl_bytes version; /* absent: none */
    struct pawl_id inc;
    uint32_t gen;
    bool has_status; /* files of older versions may not */
    enum pawl_status status;
    int64_t created_ms; /* 0: not said; so the next three */
    int64_t started_ms;
    int64_t updated_ms;
    int64_t completed_ms;
    struct pawl_bytes tags; /* base/tags.h; absent: none */
    struct pawl_bytes custom_status;
    uint32_t total; /* events that the history had, also those that are left out */
    uint32_t events_count;
    struct pawl_bytes *events; /* encoded, as they were stored */
    uint32_t waiting_count;    /* events raised that no turn had taken */
    struct pawl_bytes *waiting;
};

#endif /* PAWL_SDK_EXPORT_H */
