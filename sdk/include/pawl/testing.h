/* Testing: run workflows in memory, with a clock that jumps.
 *
 *     struct pawl_test *test;
 *     pawl_err err = pawl_test_new(NULL, &test);
 *     if (!err) err = pawl_test_add_workflow(
 *                   test, &(struct pawl_workflow_def){ .name = "order", .run = order });
 *     if (!err) err = pawl_test_mock(
 *                   test, &(struct pawl_test_mock){ .activity = "charge",
 *                                                   .output = pawl_text("receipt 7") });
 *     if (!err) err = pawl_test_start(
 *                   test, &(struct pawl_start){ .name = "order", .id = "o-1" });
 *     if (!err) err = pawl_test_run_to_end(test, "o-1");
 *     if (err) puts(pawl_test_message(test));
 *     else puts(pawl_as_text(pawl_test_instance(test, "o-1")->output));
 *     pawl_test_free(test);
 *
 * No sidecar, no network, no thread: everything happens inside these calls. The rules are
 * those of the engine, so the history is the one that a sidecar would have written. Time
 * stands still while anything can happen, and then jumps to the next timer, result or
 * planned call; a workflow of a month takes a millisecond.
 *
 * Code that is not deterministic is found here and not in production: every n-th turn runs
 * from its history, and when a run rests, each workflow is run a second time over its
 * history, where every call must come out the same, with the same input. So a workflow
 * function runs several times in a test; let it count nothing.
 *
 * One thread at a time uses a test; any number of tests may exist. Activity functions run
 * on the calling thread; they may use the test (raise an event, say), but not run it. In
 * workflow functions no function of this file is allowed. When memory runs out, the
 * process ends with a message.
 *
 * Ownership. Inputs are copied. What the functions return lives until pawl_test_free.
 *
 * Errors. PAWL_E_INVALID: an argument, pawl_test_message says which; PAWL_E_STATE: called
 * from where it is not allowed. Further ones are named at each function. After every error
 * pawl_test_message has a sentence. Times are milliseconds, absolute ones since 1970 UTC.
 */
#ifndef PAWL_TESTING_H
#define PAWL_TESTING_H

#include "pawl/activity.h"
#include "pawl/client.h"
#include "pawl/worker.h"
#include "pawl/workflow.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pawl_test;

/* NULL and 0 mean the default. */
struct pawl_test_options {
    int64_t now_ms;        /* the clock at the beginning; 2026-01-01T00:00:00Z */
    uint32_t replay_every; /* every so many turns of an instance one runs from its history;
                              1: each of them; 4 */
    uint32_t turns_max;    /* of one call of a run function; 100000 */
    uint64_t seed;         /* of what is random: pawl_uuid, execution ids; 1 */
    size_t stack_size;     /* as in struct pawl_worker_options */
    pawl_log_fn *log;      /* receives pawl_log_message; NULL: nobody */
    void *log_context;
};

/* `options` may be NULL. PAWL_E_INVALID, PAWL_E_NOMEM. */
PAWL_API PAWL_MUST_USE pawl_err pawl_test_new(const struct pawl_test_options *options,
                                              struct pawl_test **ret_test);
PAWL_API void pawl_test_free(struct pawl_test *test);

/* What the last function that gave an error has to say about it; "" before. */
PAWL_API const char *pawl_test_message(const struct pawl_test *test);

/* What there is ------------------------------------------------------------------- */

/* As with a worker. PAWL_E_EXISTS: this name and version is taken. */
PAWL_API PAWL_MUST_USE pawl_err pawl_test_add_workflow(struct pawl_test *test,
                                                       const struct pawl_workflow_def *def);
PAWL_API PAWL_MUST_USE pawl_err pawl_test_add_activity(struct pawl_test *test,
                                                       const struct pawl_activity_def *def);

/* An answer in place of a function. One of `activity` and `child` must be set. Among
 * several that fit a call, one with its number goes before one for every call, and a
 * later one before an earlier one; any of them goes before a function. */
struct pawl_test_mock {
    const char *activity;               /* calls of this activity */
    const char *child;                  /* starts of this child or detached workflow: it
                                           never runs */
    uint32_t call;                      /* only the nth one, from 1, over all instances and
                                           retries; 0: every one */
    struct pawl_bytes output;           /* what it returns */
    const struct pawl_failure *failure; /* it fails with this instead */
    int64_t takes_ms;                   /* of the test's time */
    bool silent; /* an activity that sends no heartbeat: with a heartbeat_ms shorter than
                    takes_ms it fails with HeartbeatTimeout; else it sends all it should */
};

PAWL_API PAWL_MUST_USE pawl_err pawl_test_mock(struct pawl_test *test,
                                               const struct pawl_test_mock *mock);

/* From an activity function: its result comes so much later, counted from its beginning.
 * Between two heartbeats of the function this says when the next one is made. The limits
 * of the call hold: an attempt that takes longer than start_to_close_ms, or makes no
 * heartbeat for heartbeat_ms, fails at that time, and what it returns is ignored. */
PAWL_API void pawl_test_take_time(struct pawl_test *test, int64_t ms);

/* Running -------------------------------------------------------------------------- */

PAWL_API int64_t pawl_test_now_ms(const struct pawl_test *test);

/* As pawl_client_start; without an id it is "<name>-1", "<name>-2", … Nothing runs yet.
 * PAWL_E_EXISTS, PAWL_E_TOO_LARGE. */
PAWL_API PAWL_MUST_USE pawl_err pawl_test_start(struct pawl_test *test,
                                                const struct pawl_start *start);

/* Errors of the run functions:
 *
 *   PAWL_E_NONDETERMINISM  a workflow did something else when it was run again
 *   PAWL_E_NOT_REGISTERED  a workflow or an activity has neither a function nor a mock
 *   PAWL_E_LIMIT           more turns than turns_max: a workflow that never rests?
 *
 * The run has stopped there. All else, such as the failure of a workflow, is no error:
 * look at the instance. */

/* Until nothing more can happen: every instance has ended, is suspended, or waits for an
 * event that nobody has planned. */
PAWL_API PAWL_MUST_USE pawl_err pawl_test_run(struct pawl_test *test);

/* Until the clock shows this time; all that is due by then has happened. */
PAWL_API PAWL_MUST_USE pawl_err pawl_test_run_until(struct pawl_test *test, int64_t at_ms);
PAWL_API PAWL_MUST_USE pawl_err pawl_test_run_for(struct pawl_test *test, int64_t ms);

/* Until this instance has ended. PAWL_E_NOT_FOUND; PAWL_E_TIMEOUT: nothing more can
 * happen and it has not ended; the message says what it waits for. */
PAWL_API PAWL_MUST_USE pawl_err pawl_test_run_to_end(struct pawl_test *test, const char *id);

/* From outside --------------------------------------------------------------------- */

/* Now. PAWL_E_NOT_FOUND, PAWL_E_TERMINAL; PAWL_E_BUSY: 10,000 events wait there. */
PAWL_API PAWL_MUST_USE pawl_err pawl_test_raise_event(struct pawl_test *test, const char *id,
                                                      const char *name, struct pawl_bytes payload);

/* As soon as the instance waits for an event of this name and nothing else can happen at
 * that instant. Of several such the first one comes first. An instance that never waits
 * for it never gets it. PAWL_E_NOT_FOUND. */
PAWL_API PAWL_MUST_USE pawl_err pawl_test_raise_when_waiting(struct pawl_test *test, const char *id,
                                                             const char *name,
                                                             struct pawl_bytes payload);

/* Call `run` at that time of the test, or now when it has passed; it may do what an
 * activity function may. `context` is the caller's. */
PAWL_API PAWL_MUST_USE pawl_err pawl_test_at(struct pawl_test *test, int64_t at_ms,
                                             void (*run)(struct pawl_test *test, void *context),
                                             void *context);

/* As the functions of pawl/client.h. PAWL_E_NOT_FOUND, PAWL_E_TERMINAL, PAWL_E_STATE. */
PAWL_API PAWL_MUST_USE pawl_err pawl_test_suspend(struct pawl_test *test, const char *id,
                                                  const char *reason);
PAWL_API PAWL_MUST_USE pawl_err pawl_test_resume(struct pawl_test *test, const char *id,
                                                 const char *reason);
PAWL_API PAWL_MUST_USE pawl_err pawl_test_terminate(struct pawl_test *test, const char *id,
                                                    struct pawl_bytes output, bool recursive);

/* Looking --------------------------------------------------------------------------- */

/* A snapshot; NULL: there is none with this id. */
PAWL_API const struct pawl_instance *pawl_test_instance(struct pawl_test *test, const char *id);

/* The history of its present generation; NULL and 0: there is no such instance. */
PAWL_API const struct pawl_history_item *pawl_test_history(struct pawl_test *test, const char *id,
                                                           size_t *ret_count);

/* The same as text, a line for each event, to be printed when a test fails. "" as above. */
PAWL_API const char *pawl_test_history_text(struct pawl_test *test, const char *id);

/* A call of an activity, or a start of a child workflow, that the test answered. */
struct pawl_test_call {
    const char *name;
    const char *instance_id; /* of the workflow that called */
    uint32_t number;         /* the nth of this name, from 1 */
    bool is_child;
    bool mocked; /* answered by a mock, not by a function */
    int64_t at_ms;
    struct pawl_bytes input;
};

/* All of them, in order. */
PAWL_API const struct pawl_test_call *pawl_test_calls(struct pawl_test *test, size_t *ret_count);

/* The nth call of an activity or child of this name, from 1; NULL: there were fewer. */
PAWL_API const struct pawl_test_call *pawl_test_call(struct pawl_test *test, const char *name,
                                                     uint32_t number);

/* How often an activity or child of this name was called. */
PAWL_API uint32_t pawl_test_calls_count(struct pawl_test *test, const char *name);

#ifdef __cplusplus
}
#endif

#endif /* PAWL_TESTING_H */
