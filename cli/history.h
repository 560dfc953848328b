/* History: a recorded history as `pawl workflow history --export` writes it. */
#ifndef PAWL_CLI_HISTORY_H
#define PAWL_CLI_HISTORY_H

#include "base/arena.h"
#include "base/buf.h"
#include "sdk/history.h"

struct pawl_cli_history {
    const char *file;
    struct pawl_bytes instance;
    struct pawl_bytes name;
    struct pawl_bytes version; /* absent: none */
    struct pawl_id inc;
    uint32_t gen;
    uint32_t events_count;
    struct pawl_bytes *events; /* encoded, as they were stored */
};

#endif /* PAWL_CLI_HISTORY_H */
