/* Simulator: whole sidecars in one process, in virtual time, with every fault injected.
 *
 * The real engine (actors/), the real frames and the real reference store run in a
 * modelled world. What may fail here: a sidecar or an app at any moment (and it comes
 * back with an empty memory), a store request or its reply (lost, late, executed
 * twice, refused), a link between app and sidecar, ownership of partitions (moved
 * while the old owner still believes in it), a client's patience. What the store has
 * answered OK is never lost: durability levels are the business of the adapters.
 *
 * A seed is a whole run: everything random is drawn from it, one generator per
 * purpose, so that the same seed is the same run on every machine. First the safety
 * phase, with faults; then the liveness phase, without: everything must end, with the
 * output that the reference interpreter computes.
 */
#ifndef PAWL_TESTS_SIM_H
#define PAWL_TESTS_SIM_H

#include "actors/node.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/rng.h"
#include "sdk/frames.h"
#include "state/mem.h"

#define SIM_NODES      3u
#define SIM_PARTITIONS 4u
#define SIM_ROOTS_MAX  24u

/* Time in ms. */
#define SIM_START_MS    1000000
#define SIM_SAFETY_MS   60000
#define SIM_LIVENESS_MS 400000

/* Faults of one seed, in 1/1000 unless a time. */
struct sim_faults {
    uint32_t node_crash; /* per node and second */
    uint32_t app_crash;
    uint32_t link_cut;
    uint32_t churn;         /* ownership of a partition moves, per second */
    uint32_t store_refuse;  /* UNAVAILABLE, not applied */
    uint32_t request_lost;  /* UNKNOWN, not applied */
    uint32_t reply_lost;    /* UNKNOWN, applied */
    uint32_t request_late;  /* UNKNOWN, applied much later */
    uint32_t request_twice; /* applied again later */
    uint32_t cache_drop;    /* the app has forgotten an instance */
    uint32_t answer_lost;   /* a client does not hear the answer */
    uint32_t store_ms_max;
    uint32_t link_ms_max;
    uint32_t activity_ms_max;
};

/* What a seed has seen: a run that exercised nothing proves nothing. */
struct sim_coverage {
    uint64_t steps;
    uint64_t commits;
    uint64_t conflicts;
    uint64_t fenced;
    uint64_t unknown;
    uint64_t node_crashes;
    uint64_t app_crashes;
    uint64_t continued;
    uint64_t children;
    uint64_t events;
    uint64_t duplicates;
    uint64_t need_history;
    uint64_t timers;
    uint64_t terminated;
    uint64_t suspended;
};

struct sim;

/* Program: what a workflow does, drawn from its seed (program.c) ------------------------ */

/* Runs the code of an instance over its history and says what it does next. Encodes a
 * TURN_DONE frame into `ret_frame`. */
void sim_program_run(const struct pawl_turn *turn, uint32_t events_count,
                     const struct pawl_bytes *events, struct pawl_arena *arena,
                     struct pawl_turn_done *ret_done);

/* What an activity answers to an input. True: with a failure. */
bool sim_activity_result(struct pawl_bytes input, struct pawl_arena *arena,
                         struct pawl_bytes *ret_output);

/* The input of a root. */
struct pawl_bytes sim_program_input(struct pawl_arena *arena, uint64_t seed);

/* What the root must end with, and how many external events it waits for. */
struct pawl_bytes sim_program_expected(struct pawl_arena *arena, uint64_t seed,
                                       uint32_t *ret_events);

/* Check: what must hold at every moment and at the end (check.c) ------------------------- */

struct sim_check;
struct sim_check *sim_check_new(struct pawl_mem *mem);
void sim_check_free(struct sim_check *check);

/* Before a request is applied: a message is given up only when its effect is stored. */
void sim_check_applying(struct sim_check *check, const struct pawl_store_request *request);

/* After each applied request: histories only grow, each fact once, and in order. */
void sim_check_applied(struct sim_check *check, const struct pawl_store_request *request,
                       const struct pawl_store_reply *reply);

/* An activity left the engine: its schedule must be stored. */
void sim_check_activity(struct sim_check *check, const struct pawl_activity_item *item);

/* Every unfinished thing has a reminder. */
void sim_check_wake(struct sim_check *check);

/* A client was told that an instance exists, or that an event was taken. */
void sim_check_acknowledged(struct sim_check *check, struct pawl_bytes instance,
                            uint32_t events_acknowledged);

/* The end: everything terminal, nothing left over. False with a text if not. */
bool sim_check_is_finished(struct sim_check *check, struct pawl_arena *arena,
                           struct pawl_bytes *ret_why);

/* Run one seed; aborts by assertion when something is wrong. Returns a hash of the whole
 * run: equal seeds, equal hashes. */
uint64_t sim_run(uint64_t seed, bool verbose, struct sim_coverage *coverage);

#endif /* PAWL_TESTS_SIM_H */
