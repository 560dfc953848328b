/* Simulator: whole clusters in one process, in virtual time, with every fault injected.
 *
 * The real engine (actors/), the real placement (both sides of it), the real frames and
 * the real reference store run in a modelled world: two apps, one with four sidecars and
 * one with two, each with its own store; two placement replicas; a network between all of
 * them. What may fail here: a sidecar, an app or a placement replica at any moment (and it
 * comes back with an empty memory); a sidecar or a replica stands still and goes on later;
 * a store request or its reply (lost, late, executed twice, refused); any link (cut, cut off
 * for a while, what was on it lost); a store (its replica takes over, and the last writes are
 * gone); a client's patience. What a store has answered is never lost: that is durability
 * level D2 (docs/STATE.md). A read may show what is lost later.
 *
 * A seed is a whole run: everything random is drawn from it, one generator per
 * purpose, so that the same seed is the same run on every machine. First the safety
 * phase, with faults; then the liveness phase, without: everything must end, with the
 * output that the reference interpreter computes.
 *
 * The first letter of an instance id is its app: 'a' or 'b'.
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

#define SIM_APPS          2u
#define SIM_NODES         6u /* the first four are app a's */
#define SIM_NODES_OF_A    4u
#define SIM_PLACEMENTS    2u
#define SIM_PARTITIONS    4u /* of each app */
#define SIM_ROOTS_MAX     24u
#define SIM_SCHEDULES_MAX 2u
#define SIM_WATCHERS_MAX  5u /* one per app, the others of single instances */

/* Time in ms. */
#define SIM_START_MS    1000000
#define SIM_SAFETY_MS   60000
#define SIM_LIVENESS_MS 1000000 /* programs may take half of it for their timers alone */
#define SIM_RESTLESS_MS 90000   /* after the last fault members may still come and go */

/* What goes wrong, in 1/1000 per target and second unless said otherwise. */
#define SIM_FAULT_MAP(X)                                                           \
    X(node_crash)                                                                  \
    X(node_pause) /* it stands still for up to 6 s */                              \
    X(node_leave) /* it stops in order, and starts again */                        \
    X(app_crash)                                                                   \
    X(app_old)      /* per connection: without its activities, for a while */      \
    X(app_away)     /* it stays away for up to 20 s */                             \
    X(apps_absent)  /* a bit per sidecar: … for ever, from the liveness phase */ \
    X(link_cut)     /* between app and sidecar */                                  \
    X(peer_cut)     /* between two sidecars: what was on it is lost */             \
    X(peer_isolate) /* … and cannot be made again for up to 8 s */               \
    X(peer_drop)    /* per frame: dropped at a full queue */                       \
    X(placement_crash)                                                             \
    X(placement_pause)                                                             \
    X(placement_cut)                                                               \
    X(failover)        /* per store: its replica takes over, the tail is lost */   \
    X(store_refuse)    /* per request: UNAVAILABLE, not applied */                 \
    X(request_lost)    /* per request: UNKNOWN, not applied */                     \
    X(reply_lost)      /* per request: UNKNOWN, applied */                         \
    X(request_late)    /* per request: UNKNOWN, applied much later */              \
    X(request_twice)   /* per request: applied again later */                      \
    X(cache_drop)      /* per turn: the app has forgotten an instance */           \
    X(answer_lost)     /* per answer: a client does not hear it */                 \
    X(replica_ms_max)  /* how late the replica is; 0: there is none */             \
    X(skew_ms_max)     /* how far a sidecar's clock may be off */                  \
    X(node_crash_amid) /* per step: between two of its effects */                  \
    X(crash_at)        /* the one whose effect is of this number dies before it */ \
    X(store_cut)       /* a sidecar does not reach its store for up to 8 s */      \
    X(store_deaf)      /* … or does not hear its answers */                      \
    X(failover_half)   /* of a store that is two: the other half is not touched */ \
    X(peer_stall)      /* what one sends another arrives up to 30 s later */       \
    X(link_stall)      /* … what a sidecar and its app send, up to 10 s */       \
    X(placement_away)  /* a sidecar reaches no replica for up to 20 s */           \
    X(lease_lost)      /* the store forgets who leads placement, in a failover */  \
    X(app_hostile)     /* per frame: it says it again, or answers for another */   \
    X(drift_permille)  /* how much faster or slower a sidecar's clock may be */    \
    X(store_ms_max)                                                                \
    X(link_ms_max)                                                                 \
    X(peer_ms_max)                                                                 \
    X(activity_ms_max)

struct sim_faults {
#define X(name) uint32_t name;
    SIM_FAULT_MAP(X)
#undef X
};

/* A run, written down: what --shrink makes smaller and --plan repeats. */
struct sim_plan {
    uint64_t seed;
    struct sim_faults faults;
    uint32_t clients;
    uint32_t schedules;
    uint32_t safety_ms;
    uint32_t wide; /* 1: more operations (SIM_TELL) and more faults; half of the seeds */
};

/* The plan of a seed; a narrow one has nothing that only wide ones have, and is the same
 * otherwise. */
struct sim_plan sim_plan_draw(uint64_t seed);
struct sim_plan sim_plan_draw_narrow(uint64_t seed);

/* What a seed has seen: a run that exercised nothing proves nothing. */
#define SIM_COVERAGE_MAP(X)                   \
    X(steps, "steps")                         \
    X(commits, "commits")                     \
    X(conflicts, "conflicts")                 \
    X(fenced, "fenced")                       \
    X(unknown, "unknown outcomes")            \
    X(node_crashes, "sidecar crashes")        \
    X(effects, "effects")                     \
    X(crashes_amid, "crashes amid effects")   \
    X(store_cuts, "cut off from the store")   \
    X(stalls, "stalled links")                \
    X(half_failovers, "failovers of a half")  \
    X(tells, "events of workflows")           \
    X(forged, "answers for others")           \
    X(failovers, "store failovers")           \
    X(lost_writes, "lost writes")             \
    X(pauses, "pauses")                       \
    X(leaves, "orderly stops")                \
    X(app_crashes, "app crashes")             \
    X(apps_away, "apps away for long")        \
    X(apps_absent, "apps away for ever")      \
    X(placement_crashes, "placement crashes") \
    X(leases_lost, "lost leases")             \
    X(lists, "member lists")                  \
    X(peer_downs, "broken peer links")        \
    X(continued, "continued as new")          \
    X(children, "children")                   \
    X(cross_app, "children of another app")   \
    X(detached, "detached")                   \
    X(closed, "ended with their parent")      \
    X(left, "outlived their parent")          \
    X(events, "events")                       \
    X(duplicates, "duplicates")               \
    X(need_history, "cache misses")           \
    X(suspended, "suspended")                 \
    X(poison_resumed, "resumed as poison")    \
    X(terminated, "terminated")               \
    X(waited, "waited for")                   \
    X(purged, "purged")                       \
    X(again, "started again")                 \
    X(refused, "late starts refused")         \
    X(replaced, "replaced by a start")        \
    X(signals, "events raised by starts")     \
    X(rerun, "run again from an event")       \
    X(rewound, "rewound after a failure")     \
    X(imported, "imported")                   \
    X(batches, "terminated by a batch")       \
    X(listed, "listed")                       \
    X(swept, "removed by retention")          \
    X(watched, "lifecycle events told")       \
    X(runs, "runs of schedules")              \
    X(runs_skipped, "runs skipped")

struct sim_coverage {
#define X(name, text) uint64_t name;
    SIM_COVERAGE_MAP(X)
#undef X
    uint64_t peer_frames[PAWL_PEER_FRAME_TYPES_END];
};

/* "a" or "b", and back from the first letter of an instance id. */
const char *sim_app_name(uint32_t app);
uint32_t sim_app_of(struct pawl_bytes instance);

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

/* The same program, which fails until the client has mended it: because of an activity, or of
 * a child's. */
enum sim_breaks { SIM_BREAKS_NOT, SIM_BREAKS, SIM_BREAKS_IN_CHILD };
#define SIM_BROKEN "Broken"
/* Of the clients that may. */
#define SIM_BREAKS_PERCENT 33
struct pawl_bytes sim_program_broken_input(struct pawl_arena *arena, uint64_t seed,
                                           enum sim_breaks breaks, uint32_t client, bool detaches,
                                           bool tells);

/* In wide worlds a child sends its parent this event, which the parent waits for as well; some
 * children may not wait long for their beginning; and the custom status is at last the output. */
#define SIM_TELL "tell"

/* How the ids of detached workflows end; those of the second kind are used by several. */
#define SIM_DETACHED        "-detached"
#define SIM_DETACHED_SHARED "-shared"
/* … and of children that nobody waits for: those that are to end with their parent, and those
 * that are to go on. */
#define SIM_CHILD_CLOSED "-closed"
#define SIM_CHILD_LEFT   "-left"

/* What the root must end with, and how many external events it waits for. */
struct pawl_bytes sim_program_expected(struct pawl_arena *arena, uint64_t seed,
                                       uint32_t *ret_events);

/* What an instance that was given this input must end with. */
struct pawl_bytes sim_program_expected_of(struct pawl_arena *arena, struct pawl_bytes input);

/* The same for a root that is started again under its id. It has no children, whose ids those
 * of the first may still have, and waits for no events. */
/* True: the program has no child in any generation. */
bool sim_program_is_alone(uint64_t seed);

struct pawl_bytes sim_program_again_input(struct pawl_arena *arena, uint64_t seed);
struct pawl_bytes sim_program_again_expected(struct pawl_arena *arena, uint64_t seed);

/* Check: what must hold at every moment and at the end (check.c) ------------------------- */

struct sim_check;
struct sim_check *sim_check_new(struct pawl_mem *const mems[SIM_APPS]);
void sim_check_free(struct sim_check *check);

/* Before a request is applied: a message is given up only when its effect is stored. */
void sim_check_applying(struct sim_check *check, uint32_t app,
                        const struct pawl_store_request *request);

/* After each applied request: histories only grow, each fact once, and in order. */
void sim_check_applied(struct sim_check *check, uint32_t app,
                       const struct pawl_store_request *request,
                       const struct pawl_store_reply *reply);

/* The store has lost its last writes, none of which it had answered, in the partitions of these
 * bits. Then the owners, as the kept requests made them. */
void sim_check_failed_over(struct sim_check *check, uint32_t app, uint32_t partitions,
                           struct pawl_mem *mem);
void sim_check_owner(struct sim_check *check, uint32_t app,
                     const struct pawl_store_request *request,
                     const struct pawl_store_reply *reply);

/* An activity left the engine: its schedule must be stored. */
void sim_check_activity(struct sim_check *check, const struct pawl_activity_item *item);

/* Every unfinished thing has a reminder. */
void sim_check_wake(struct sim_check *check);

/* A client was told that an instance exists, or that an event was taken. */
void sim_check_acknowledged(struct sim_check *check, struct pawl_bytes instance,
                            uint32_t events_acknowledged);

/* A client was told that what this request had started is purged or replaced: it never
 * starts anything again. */
void sim_check_removed(struct sim_check *check, struct pawl_bytes instance,
                       struct pawl_bytes request_id);

/* The end: everything terminal, nothing left over. False with a text if not. */
bool sim_check_is_finished(struct sim_check *check, struct pawl_arena *arena,
                           struct pawl_bytes *ret_why);

/* Run a plan; aborts by assertion when something is wrong. Returns a hash of the whole
 * run: equal plans, equal hashes. */
uint64_t sim_run(const struct sim_plan *plan, bool verbose, struct sim_coverage *coverage);

#endif /* PAWL_TESTS_SIM_H */
