/* Seed: what an instance begins with that does not begin from nothing.
 *
 * It travels in the inbox row that creates the instance, so there is nothing between the
 * instance and its seed that could be lost. The first turn takes it: the past becomes
 * history as it is, the calls in it that lack a result are made anew, and the worker is
 * told the rest as news.
 */
#ifndef PAWL_ACTORS_SEED_H
#define PAWL_ACTORS_SEED_H

#include "base/arena.h"
#include "pawl/err.h"
#include "pawl/types.h"

struct pawl_seed {
    uint32_t past_count;       /* the first events are the past; at most events_count */
    uint32_t events_count;     /* at least 1, PAWL_SEED_EVENTS_MAX at most */
    struct pawl_bytes *events; /* encoded history events */
    uint32_t reopened_count;
    uint32_t *reopened; /* indexes in the past, ascending: calls that are made anew */
    /* One call of the first turn comes out otherwise than the code says. */
    bool has_change;
    int32_t change_id; /* of the call's action, also of a rerun that changes nothing */
    bool change_input;
    struct pawl_bytes input;
    struct pawl_bytes child;    /* instance id of the child; absent: the code's */
    struct pawl_bytes rerun_of; /* instance id that a rerun comes from: stands in the events of the
                                   calls that it makes again; absent: no rerun from an event */
    /* What is brought in is what it was: one that has ended is past altogether, what was
     * suspended is so again. */
    bool is_import;
    enum pawl_status status; /* RUNNING, SUSPENDED, or how it ended */
    int64_t started_ms;      /* 0: not known; so the next two */
    int64_t updated_ms;
    int64_t completed_ms;
    struct pawl_bytes custom_status; /* absent: none */
};

/* True: the engine needs nobody's code to take it. */
bool pawl_seed_is_settled(const struct pawl_seed *seed);

/* Absent when it would be larger than PAWL_SEED_SIZE_MAX. */
struct pawl_bytes pawl_seed_pack(struct pawl_arena *arena, const struct pawl_seed *seed);

/* The lists go into the arena, the events point into `bytes`. PAWL_E_CORRUPT: no seed, or one
 * whose events cannot be read. */
PAWL_MUST_USE pawl_err pawl_seed_unpack(struct pawl_arena *arena, struct pawl_bytes bytes,
                                        struct pawl_seed *ret_seed);

#endif /* PAWL_ACTORS_SEED_H */
