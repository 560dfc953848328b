/* Worker: connects an app to its sidecar and runs its workflows and activities.
 *
 *     struct pawl_worker *worker;
 *     pawl_err err = pawl_worker_new(NULL, &worker);
 *     if (!err) err = pawl_worker_add_workflow(
 *                   worker, &(struct pawl_workflow_def){ .name = "greet", .run = greet });
 *     if (!err) err = pawl_worker_run(worker);   // until pawl_worker_stop
 *     pawl_worker_free(worker);
 *
 * One thread talks to the sidecar and runs every workflow turn; activities run on a
 * pool of threads. A lost connection is made again for ever, with growing pauses; the
 * sidecar gives the work that was under way to somebody again.
 */
#ifndef PAWL_WORKER_H
#define PAWL_WORKER_H

#include "pawl/activity.h"
#include "pawl/workflow.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pawl_worker;

/* NULL and 0 mean the default. Strings are copied. */
struct pawl_worker_options {
    const char *endpoint;      /* PAWL_APP_ENDPOINT, else "tcp://127.0.0.1:3501" */
    const char *app_id;        /* PAWL_APP_ID, else "app" */
    const char *token;         /* PAWL_TOKEN, else none */
    uint32_t turns_max;        /* workflow turns the sidecar may send ahead; 256 */
    uint32_t activities_max;   /* activities in this process, waiting ones too; 4 per thread */
    uint32_t activity_threads; /* 16 */
    uint32_t cache_max;        /* suspended workflows kept in memory; 8192 */
    bool cache_off;            /* true: none are kept, every turn replays (for tests) */
    size_t stack_size;         /* of one workflow, rounded up to pages; 65536 */
    int64_t stop_timeout_ms;   /* pawl_worker_stop waits so long for activities; 30000 */
    struct pawl_allocator allocator; /* both functions NULL: malloc and free */
    pawl_log_fn *log;                /* NULL: warnings and workflow messages go to stderr */
    void *log_context;
    bool keep_sigsegv; /* true: do not recognise stack overflow with a SIGSEGV handler */
    /* Which instances this worker runs, by the version that they were started with. */
    enum pawl_version_match version_match; /* PAWL_MATCH_ANY */
    const char *version;                   /* of this worker; needed for the other rules */
    bool version_mismatch_fails; /* an instance that no worker may run fails (VersionMismatch);
                                    false: it stalls until one comes that may */
};

/* A workflow: `version` NULL serves every version that has no function of its own.
 * An instance that is started without a version begins with the function that is `latest`;
 * if none is, with the one without a version; if there is none, with the greatest version
 * (see enum pawl_version_match). It keeps what it has begun with until it ends or continues
 * as new. */
struct pawl_workflow_def {
    const char *name;
    const char *version;
    bool latest; /* needs a version; of one name, one function */
    pawl_workflow_fn *run;
    void *user; /* pawl_workflow_user */
};

struct pawl_activity_def {
    const char *name;
    const char *version;
    pawl_activity_fn *run;
    void *user; /* pawl_activity_user; used from several threads at once */
};

/* `options` may be NULL. PAWL_E_INVALID, PAWL_E_NOMEM. Free with pawl_worker_free. */
PAWL_API PAWL_MUST_USE pawl_err pawl_worker_new(const struct pawl_worker_options *options,
                                                struct pawl_worker **ret_worker);

/* Stops it if need be and waits for its threads. NULL is fine. */
PAWL_API void pawl_worker_free(struct pawl_worker *worker);

/* Before run or start; names are copied. PAWL_E_INVALID: a bad name; PAWL_E_EXISTS: this
 * name and version is taken, or another is the latest; PAWL_E_STATE: already running; PAWL_E_LIMIT;
 * PAWL_E_NOMEM. */
PAWL_API PAWL_MUST_USE pawl_err pawl_worker_add_workflow(struct pawl_worker *worker,
                                                         const struct pawl_workflow_def *def);
PAWL_API PAWL_MUST_USE pawl_err pawl_worker_add_activity(struct pawl_worker *worker,
                                                         const struct pawl_activity_def *def);

/* Work on the calling thread until stopped. PAWL_OK after a stop. Other errors end it
 * for good: PAWL_E_DENIED (wrong token), PAWL_E_VERSION, PAWL_E_INVALID (refused by the
 * sidecar, the log says why), PAWL_E_STATE (already running), PAWL_E_NOMEM. */
PAWL_API PAWL_MUST_USE pawl_err pawl_worker_run(struct pawl_worker *worker);

/* The same on a thread of its own; returns at once. PAWL_E_STATE, PAWL_E_NOMEM. */
PAWL_API PAWL_MUST_USE pawl_err pawl_worker_start(struct pawl_worker *worker);

/* Ask it to end: no new work, activities under way are finished (stop_timeout_ms), then
 * run returns. From any thread and from a signal handler; a second call does not wait
 * for activities that have not begun. */
PAWL_API void pawl_worker_stop(struct pawl_worker *worker);

/* After pawl_worker_start: wait for the end and return what run would have returned. */
PAWL_API PAWL_MUST_USE pawl_err pawl_worker_join(struct pawl_worker *worker);

/* True while the sidecar's WELCOME stands. From any thread. */
PAWL_API bool pawl_worker_is_connected(const struct pawl_worker *worker);

#ifdef __cplusplus
}
#endif

#endif /* PAWL_WORKER_H */
