/* Import: an instance as it was exported, and how another one begins with it. Pure.
 *
 * One that has ended comes in whole, by a turn of the engine's own. One that has not goes on
 * from its last turn: what its code was told is past, the events that waited for it are news,
 * and the calls without a result are made again. What a history cannot be is refused here, so
 * that nothing is created that its code could not replay.
 */
#ifndef PAWL_ACTORS_IMPORT_H
#define PAWL_ACTORS_IMPORT_H

#include "actors/seed.h"
#include "sdk/history.h"

/* What an export says of an instance, besides its name, version and tags. */
struct pawl_import {
    struct pawl_bytes source; /* its id then */
    uint32_t source_gen;
    enum pawl_status status;
    int64_t created_ms; /* 0: not known; so the next three */
    int64_t started_ms;
    int64_t updated_ms;
    int64_t completed_ms;
    struct pawl_bytes custom_status; /* absent: none */
    uint32_t events_count;           /* the history of the last generation */
    struct pawl_bytes *events;       /* encoded */
    uint32_t waiting_count;          /* events raised that no turn had taken */
    struct pawl_bytes *waiting;
};

/* Absent when it would be larger than PAWL_SEED_SIZE_MAX. */
struct pawl_bytes pawl_import_pack(struct pawl_arena *arena, const struct pawl_import *import);

/* The lists go into the arena, everything else points into `bytes`. */
PAWL_MUST_USE pawl_err pawl_import_unpack(struct pawl_arena *arena, struct pawl_bytes bytes,
                                          struct pawl_import *ret_import);

/* The instance that begins with it. */
struct pawl_import_target {
    struct pawl_arena *arena; /* of everything that is made */
    struct pawl_bytes instance;
    struct pawl_bytes name; /* of the workflow */
    int64_t now_ms;
};

struct pawl_import_begin {
    struct pawl_seed seed;
    struct pawl_bytes started; /* its ExecutionStarted, encoded */
    struct pawl_bytes input;
    struct pawl_parent parent; /* of one that has ended; else nobody's child any more */
    int64_t created_ms;
};

/* On an error *ret_message says why, and names the event that it is about: INVALID (the events
 * contradict each other or what is said of the instance), STATE (it has not begun, or has a
 * child that runs), TOO_LARGE. */
PAWL_MUST_USE pawl_err pawl_import_begin_make(const struct pawl_import_target *target,
                                              const struct pawl_import *import,
                                              struct pawl_import_begin *ret_begin,
                                              struct pawl_bytes *ret_message);

#endif /* PAWL_ACTORS_IMPORT_H */
