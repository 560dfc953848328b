/* Test engine: the engine's rules over memory, for tests of workflow code.
 *
 * What becomes history, when a turn begins and what it takes, who is told what: as in
 * actors/turn.c and actors/workflow.c, which apps do not have; tests/unit/sdk/
 * test_differential.c runs random programs through both and compares the histories.
 * Nothing is durable, nothing is lost, and time stands still until everything that can
 * happen at this instant has happened; then it jumps to the next instant at which
 * something is due.
 *
 * Order within an instant: first all that is due is delivered, in the order in which it
 * was planned; then one turn is run, of the instance that has been ready the longest;
 * then again from the start. So results that are due together are one turn.
 *
 * Code that is not deterministic is found in two ways: every n-th turn runs from its
 * history, and each generation is run a second time, turn by turn, on a replay of its
 * own (the shadow), where each action must come out the same, inputs included.
 */
#ifndef PAWL_SDK_TEST_ENGINE_H
#define PAWL_SDK_TEST_ENGINE_H

#include "base/heap.h"
#include "base/map.h"
#include "base/rng.h"
#include "sdk/replay.h"
#include "sdk/request.h"

/* What comes of a call. */
struct pawl_test_outcome {
    int64_t takes_ms; /* of the test's time */
    struct pawl_bytes output;
    struct pawl_failure_view failure; /* present: it failed */
    int64_t silent_ms;          /* after so long its heartbeats had failed to come; 0: never */
    struct pawl_bytes progress; /* that its heartbeats told last, or were told by then */
};

/* Who answers calls. Views in *ret_outcome live until the next call. */
struct pawl_test_calls {
    void *context;
    void (*activity)(void *context, const struct pawl_activity_item *item,
                     struct pawl_test_outcome *ret_outcome);
    /* False: there is no stand-in, the child is to be run. */
    bool (*child)(void *context, struct pawl_bytes parent, const struct pawl_history_event *created,
                  struct pawl_test_outcome *ret_outcome);
};

/* An operation that was scheduled and is not resolved. */
struct pawl_test_op {
    char kind;  /* 'a' activity, 'c' child, 't' timer */
    bool taken; /* resolved by the turn that is being built */
    uint32_t id;
    uint64_t nonce;
    int64_t fire_at_ms;
    struct pawl_bytes name;  /* lives as long as the generation */
    struct pawl_bytes child; /* as above */
    enum pawl_parent_close_policy parent_close;
};

/* Something that is due at a time. */
enum pawl_test_due_kind { PAWL_TEST_DUE_RESULT, PAWL_TEST_DUE_CALL, PAWL_TEST_DUE_ALARM };

struct pawl_test_due {
    struct pawl_heap_node node;
    enum pawl_test_due_kind kind;
};

struct pawl_test_instance {
    struct pawl_bytes id; /* the strings here are owned */
    struct pawl_bytes name;
    struct pawl_bytes version;
    struct pawl_bytes input;
    struct pawl_bytes output;
    struct pawl_bytes custom_status;
    struct pawl_bytes failure; /* encoded */
    struct pawl_parent parent;
    struct pawl_id inc;
    enum pawl_status status;
    uint32_t gen;
    int64_t created_ms;
    int64_t started_ms;
    int64_t updated_ms;
    int64_t completed_ms;
    int64_t start_at_ms;

    struct pawl_arena generation; /* holds what follows */
    uint32_t events_count;
    uint32_t events_capacity;
    struct pawl_bytes *events;
    size_t events_size;
    uint32_t ops_count;
    uint32_t ops_capacity;
    struct pawl_test_op *ops; /* by id */

    struct pawl_list inputs; /* test_input, in order of arrival */
    uint32_t inputs_count;
    bool has_begun;       /* its start was consumed */
    uint32_t turns_count; /* of this generation */
    bool held;            /* by the replay, at the turn `base` */
    struct pawl_id base;
    uint32_t verified_count; /* events that the shadow has run over */
    struct pawl_id shadow_base;
    bool unsound; /* found not to be deterministic; told once */

    struct pawl_list ready_link;
    struct pawl_test_due alarm; /* its next timer, or its start */
};

struct pawl_test_engine {
    /* Set before the first use. */
    struct pawl_replay *replay;
    struct pawl_replay *shadow;
    struct pawl_test_calls calls;
    uint32_t replay_every; /* 1: each turn runs from its history */

    int64_t now_ms;
    struct pawl_rng rng;
    struct pawl_map instances;
    struct pawl_list ready;
    struct pawl_heap due;
    uint64_t turns_total;
    bool inside; /* workflow code is running */
    /* The first thing that went wrong since it was last asked for. */
    pawl_err problem;
    struct pawl_buf problem_text;
};

void pawl_test_engine_init(struct pawl_test_engine *engine, int64_t now_ms, uint64_t seed);
void pawl_test_engine_deinit(struct pawl_test_engine *engine);

/* Note a problem, unless there is one already. */
void pawl_test_engine_note(struct pawl_test_engine *engine, pawl_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* NULL: there is none. */
struct pawl_test_instance *pawl_test_engine_find(const struct pawl_test_engine *engine,
                                                 struct pawl_bytes id);

/* START, RAISE, SUSPEND, RESUME or TERMINATE, as a sidecar would: PAWL_OK or the error that
 * sdk/request.h gives for it. START wants an instance id. */
pawl_err pawl_test_engine_request(struct pawl_test_engine *engine,
                                  const struct pawl_request *request);

/* Plan a call of `run` for that time, or for now when it has passed. */
void pawl_test_engine_plan(struct pawl_test_engine *engine, int64_t at_ms,
                           void (*run)(void *context), void *context);

enum pawl_test_step {
    PAWL_TEST_STEP_DONE, /* something happened */
    PAWL_TEST_STEP_REST, /* nothing more can happen up to `until_ms` */
};

/* Do the next thing that is due by `until_ms`; the clock goes to it, not further. */
enum pawl_test_step pawl_test_engine_step(struct pawl_test_engine *engine, int64_t until_ms);

/* Run what has not been verified yet on the shadow. */
void pawl_test_engine_verify(struct pawl_test_engine *engine);

#endif /* PAWL_SDK_TEST_ENGINE_H */
