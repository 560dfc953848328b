/* Client: management calls to the sidecar, over the same stream as a worker.
 *
 *     struct pawl_client *client;
 *     struct pawl_result *result = NULL;
 *     pawl_err err = pawl_client_new(NULL, &client);
 *     if (!err) err = pawl_client_start(
 *                   client, &(struct pawl_start){ .name = "greet", .id = "g-1" }, NULL);
 *     if (!err) err = pawl_client_wait(client, "g-1", PAWL_FOR_COMPLETION, 60000, &result);
 *     if (!err) puts(pawl_as_text(pawl_result_instance(result)->output));
 *     pawl_result_free(result);
 *     pawl_client_free(client);
 *
 * Calls block; several threads may use one client at once. A lost connection is made
 * again and calls that can be repeated safely go on over it (start and raise carry a
 * request id, so they can).
 *
 * Results. Every call takes a `ret_result`, which may be NULL. If not, it is set to an
 * object to be freed with pawl_result_free, also when the call failed (for the message),
 * and to NULL only when memory ran out.
 *
 * Errors common to all calls: PAWL_E_INVALID (an argument; the message says which),
 * PAWL_E_TOO_LARGE, PAWL_E_UNAVAILABLE (no sidecar within the client's timeout; nothing
 * happened), PAWL_E_TIMEOUT and PAWL_E_UNKNOWN (it may or may not have happened),
 * PAWL_E_BUSY, PAWL_E_DENIED, PAWL_E_CANCELLED (the client is being freed), PAWL_E_NOMEM.
 * Further ones are named at each call.
 */
#ifndef PAWL_CLIENT_H
#define PAWL_CLIENT_H

#include "pawl/value.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pawl_client;
struct pawl_result;

/* NULL and 0 mean the default. Strings are copied. */
struct pawl_client_options {
    const char *endpoint;            /* PAWL_APP_ENDPOINT, else "tcp://127.0.0.1:3501" */
    const char *app_id;              /* PAWL_APP_ID, else "app" */
    const char *token;               /* PAWL_TOKEN, else none */
    const char *target_app;          /* the app of the namespace whose instances are meant, through
                                        this app's sidecar; NULL: app_id */
    int64_t timeout_ms;              /* of one call; 30000 */
    struct pawl_allocator allocator; /* both functions NULL: malloc and free */
};

/* What is known of one instance. Strings are never NULL. Times in ms since 1970,
 * 0: not yet. */
struct pawl_instance {
    const char *id;
    const char *name;
    const char *version;   /* "": none */
    const char *parent_id; /* "": none */
    enum pawl_status status;
    uint32_t generation;
    uint32_t history_count;
    int64_t created_ms;
    int64_t started_ms;
    int64_t updated_ms;
    int64_t completed_ms;
    size_t tags_count;
    const struct pawl_instance_tag *tags;
    struct pawl_bytes custom_status;
    struct pawl_bytes input;            /* get and wait only */
    struct pawl_bytes output;           /* get and wait only */
    const struct pawl_failure *failure; /* NULL: none */
};

/* One line of an instance's history. */
struct pawl_history_item {
    uint32_t index;
    const char *kind;     /* "TaskScheduled", … */
    const char *name;     /* of the activity, child, event; "" if it has none */
    const char *child_id; /* "" unless a child, a detached workflow or a sent event */
    int32_t id;           /* the action's number; -1: not an action */
    int32_t answers;      /* the action that this is the result of; -1: none */
    int64_t timestamp_ms;
    int64_t fire_at_ms; /* timers */
    struct pawl_bytes payload;
    const struct pawl_failure *failure; /* NULL: none */
};

/* `options` may be NULL. Does not wait for the connection. PAWL_E_INVALID, PAWL_E_NOMEM. */
PAWL_API PAWL_MUST_USE pawl_err pawl_client_new(const struct pawl_client_options *options,
                                                struct pawl_client **ret_client);

/* Calls under way on other threads end with PAWL_E_CANCELLED; they must have returned
 * before this does. Its watches (pawl/watch.h) must have been freed. NULL is fine. */
PAWL_API void pawl_client_free(struct pawl_client *client);

/* What start does when the id is in use. */
enum pawl_id_reuse {
    PAWL_ID_REUSE_ENDED = 0, /* replace an instance that has ended, else PAWL_E_EXISTS */
    PAWL_ID_REUSE_NEVER,     /* PAWL_E_EXISTS */
    PAWL_ID_REUSE_RETURN,    /* answer with the one that is there */
    PAWL_ID_REUSE_TERMINATE /* terminate one that has not ended, its children too, and replace it */
};

struct pawl_start {
    const char *name;       /* of the workflow; the only field that must be set */
    const char *version;    /* NULL: none */
    const char *id;         /* NULL: a random one, see pawl_result_id */
    const char *request_id; /* the same twice starts once; NULL: a random one */
    struct pawl_bytes input;
    int64_t start_at_ms; /* 0: at once */
    enum pawl_id_reuse reuse;
    /* Raise this event as well; NULL: none. A new instance has it from its beginning, and with
     * PAWL_ID_REUSE_ENDED or _RETURN one that is there and has not ended gets it: never one
     * without the other. (_RETURN and an instance that has ended: PAWL_E_EXISTS.) */
    const char *event_name;
    struct pawl_bytes event_payload;
    size_t tags_count; /* at most 32, see struct pawl_instance_tag */
    const struct pawl_instance_tag *tags;
};

/* Durable when it returns; the workflow itself runs later. PAWL_E_EXISTS; PAWL_E_TERMINAL:
 * `request_id` has started an instance that was purged or replaced since. */
PAWL_API pawl_err pawl_client_start(struct pawl_client *client, const struct pawl_start *start,
                                    struct pawl_result **ret_result);

/* The instance with its payloads. PAWL_E_NOT_FOUND. */
PAWL_API pawl_err pawl_client_get(struct pawl_client *client, const char *id,
                                  struct pawl_result **ret_result);

enum pawl_wait_until {
    PAWL_FOR_START = 1, /* its first turn is over */
    PAWL_FOR_COMPLETION /* it has ended, well or badly: look at its status */
};

/* Wait until then. PAWL_E_TIMEOUT: not so after timeout_ms, the result has the present
 * state; PAWL_E_NOT_FOUND. */
PAWL_API pawl_err pawl_client_wait(struct pawl_client *client, const char *id,
                                   enum pawl_wait_until until, int64_t timeout_ms,
                                   struct pawl_result **ret_result);

/* Raise an external event. `request_id`: the same twice counts once; NULL: a random one.
 * PAWL_E_NOT_FOUND, PAWL_E_TERMINAL. */
PAWL_API pawl_err pawl_client_raise_event(struct pawl_client *client, const char *id,
                                          const char *name, struct pawl_bytes payload,
                                          const char *request_id, struct pawl_result **ret_result);

/* The code stops at its next wait until resumed; what happens meanwhile is kept.
 * `reason` may be NULL. PAWL_E_NOT_FOUND, PAWL_E_TERMINAL, PAWL_E_STATE. */
PAWL_API pawl_err pawl_client_suspend(struct pawl_client *client, const char *id,
                                      const char *reason, struct pawl_result **ret_result);
PAWL_API pawl_err pawl_client_resume(struct pawl_client *client, const char *id, const char *reason,
                                     struct pawl_result **ret_result);

/* End it now, with this output; `recursive`: its children too. Activities that run are
 * not interrupted. PAWL_E_NOT_FOUND, PAWL_E_TERMINAL. */
PAWL_API pawl_err pawl_client_terminate(struct pawl_client *client, const char *id,
                                        struct pawl_bytes output, bool recursive,
                                        struct pawl_result **ret_result);

/* Forget an instance that has ended; `recursive`: its children too; `force`: whatever
 * its status. PAWL_E_NOT_FOUND, PAWL_E_NOT_TERMINAL. */
PAWL_API pawl_err pawl_client_purge(struct pawl_client *client, const char *id, bool recursive,
                                    bool force, struct pawl_result **ret_result);

/* Descending: by created time, by completed time (ended instances only), or by id. */
enum pawl_list_by {
    PAWL_LIST_BY_DEFAULT =
        0, /* completed with a range of it, id with a prefix alone, else created */
    PAWL_LIST_BY_CREATED,
    PAWL_LIST_BY_COMPLETED,
    PAWL_LIST_BY_ID
};

/* Zero and NULL: any. Ends of times are exclusive. */
struct pawl_list_query {
    uint32_t status_mask; /* bits 1 << status */
    const char *name;
    const char *id_prefix;
    int64_t created_from_ms;
    int64_t created_to_ms;
    uint32_t limit;     /* 1 to 1000; of a list 50, of a batch 100 */
    const char *cursor; /* pawl_result_cursor of the page before, with the same query */
    int64_t completed_from_ms;
    int64_t completed_to_ms;
    int64_t updated_from_ms;
    int64_t updated_to_ms;
    size_t tags_count; /* all of these; the rarest first is fastest */
    const struct pawl_instance_tag *tags;
    enum pawl_list_by order;
};

/* Instances, newest first unless the query says otherwise, without payloads. `query` may be
 * NULL. A page may be short of `limit`; the last one has no cursor. */
PAWL_API pawl_err pawl_client_list(struct pawl_client *client, const struct pawl_list_query *query,
                                   struct pawl_result **ret_result);

/* How many instances there are: pawl_result_count. Limit and cursor are not looked at. */
PAWL_API pawl_err pawl_client_count(struct pawl_client *client, const struct pawl_list_query *query,
                                    struct pawl_result **ret_result);

enum pawl_batch_action {
    PAWL_BATCH_TERMINATE = 1, /* those that have not ended, unless the query names statuses */
    PAWL_BATCH_SUSPEND,       /* as above */
    PAWL_BATCH_RESUME,        /* suspended and stalled ones, unless … */
    PAWL_BATCH_PURGE,         /* ended ones, unless …; with `force` all */
    PAWL_BATCH_RAISE_EVENT    /* those that have not ended, unless … */
};

struct pawl_batch_request {
    enum pawl_batch_action action;
    struct pawl_list_query query;
    bool all;       /* needed when the query matches every instance */
    bool recursive; /* terminate, purge: their children, too */
    bool force;     /* purge: whatever their status */
    const char *event_name;
    struct pawl_bytes payload; /* terminate: output; suspend, resume: reason; else the event's */
    const char *request_id;    /* raise: repeated with the same one it counts once; NULL: random */
};

/* Do it to one page of the instances that match: pawl_result_batch_…. Go on with
 * pawl_result_cursor in query.cursor until that is NULL; a batch that was cut off may be
 * begun anew as well. PAWL_E_INVALID: the query matches everything and `all` is not set. */
PAWL_API pawl_err pawl_client_batch(struct pawl_client *client,
                                    const struct pawl_batch_request *batch,
                                    struct pawl_result **ret_result);

/* A page of the history from index `from`; `limit` 1 to 512, 0: 512. PAWL_E_NOT_FOUND. */
PAWL_API pawl_err pawl_client_history(struct pawl_client *client, const char *id, uint32_t from,
                                      uint32_t limit, struct pawl_result **ret_result);

/* Start a new instance like one that has ended. `new_id` NULL: a random one; `input` absent:
 * the old one. PAWL_E_NOT_FOUND, PAWL_E_NOT_TERMINAL, PAWL_E_EXISTS. */
PAWL_API pawl_err pawl_client_rerun(struct pawl_client *client, const char *id, const char *new_id,
                                    struct pawl_bytes input, struct pawl_result **ret_result);

/* Run anew, but only from a call of an activity, child or timer on. */
struct pawl_rerun {
    const char *new_id;   /* NULL: a random one */
    uint32_t event_id;    /* of the call: `id` in the history */
    bool overwrite_input; /* the call gets `input`, which may be absent */
    struct pawl_bytes input;
    const char *new_child_id; /* a child gets this instance id; NULL: the one it had, made anew of
                                 the new instance's where it was made of the old one's */
};

/* Start a new instance with the history of one that has ended, up to the turn that made the
 * call; from there the code runs anew. Calls that had no result by then are made again.
 * PAWL_E_NOT_FOUND (also: no such call), PAWL_E_NOT_TERMINAL, PAWL_E_EXISTS, PAWL_E_INVALID (it is
 * a child; or the change does not fit the call), PAWL_E_TOO_LARGE (its history). */
PAWL_API pawl_err pawl_client_rerun_from(struct pawl_client *client, const char *id,
                                         const struct pawl_rerun *rerun,
                                         struct pawl_result **ret_result);

/* Start an instance that has ended once more, with its name, version, tags and input. `new_id`
 * NULL: under its own id, in its place. PAWL_E_NOT_FOUND, PAWL_E_NOT_TERMINAL, PAWL_E_EXISTS. */
PAWL_API pawl_err pawl_client_restart(struct pawl_client *client, const char *id,
                                      const char *new_id, struct pawl_result **ret_result);

/* Let an instance that has FAILED go on from before the activities and children that failed:
 * these are done again, failed children are rewound too, and whatever had succeeded stays.
 * `reason` may be NULL. PAWL_E_NOT_FOUND, PAWL_E_STATE (it has not failed), PAWL_E_TOO_LARGE (its
 * history). */
PAWL_API pawl_err pawl_client_rewind(struct pawl_client *client, const char *id, const char *reason,
                                     struct pawl_result **ret_result);

/* The instance with its whole history as JSON, which is what `pawl workflow history --export`
 * writes and pawl_client_import reads: pawl_result_json. PAWL_E_NOT_FOUND, PAWL_E_BUSY (it changes
 * faster than its pages can be read: suspend it first), PAWL_E_TOO_LARGE (above 512 MiB). */
PAWL_API pawl_err pawl_client_export(struct pawl_client *client, const char *id,
                                     struct pawl_result **ret_result);

/* Bring in an instance that was exported, here or at another sidecar: `json` is what
 * pawl_client_export and `pawl workflow history --export` write, or `GET …/history` of HTTP when
 * that is one page. One that has ended comes in as it was; one that has not goes on from its last
 * turn, with the events that waited for it, its timers, and the activities without a result, which
 * are run again. `new_id` NULL: under its own id. `request_id`: sent twice with the same, it
 * happens once; may be NULL. PAWL_E_EXISTS (the id is in use), PAWL_E_INVALID (it cannot be read,
 * or contradicts itself: the message names the event), PAWL_E_STATE (it had not begun, or a child
 * of it ran), PAWL_E_TOO_LARGE. */
PAWL_API pawl_err pawl_client_import(struct pawl_client *client, struct pawl_bytes json,
                                     const char *new_id, const char *request_id,
                                     struct pawl_result **ret_result);

/* Results. Everything lives until pawl_result_free; NULL is fine everywhere. ------- */

PAWL_API void pawl_result_free(struct pawl_result *result);

/* A sentence for a person about the error; "" when there was none. */
PAWL_API const char *pawl_result_message(const struct pawl_result *result);

/* The id of the instance that was started or asked about. */
PAWL_API const char *pawl_result_id(const struct pawl_result *result);

/* The only or first instance; NULL: none. */
PAWL_API const struct pawl_instance *pawl_result_instance(const struct pawl_result *result);
PAWL_API size_t pawl_result_instances_count(const struct pawl_result *result);
PAWL_API const struct pawl_instance *pawl_result_instances(const struct pawl_result *result);

/* For the next page of a list; NULL at the end. */
PAWL_API const char *pawl_result_cursor(const struct pawl_result *result);

/* Of a count: with this status, or in all. */
PAWL_API uint64_t pawl_result_count(const struct pawl_result *result, enum pawl_status status);
PAWL_API uint64_t pawl_result_count_all(const struct pawl_result *result);

/* Of a page of a batch. Failed: gone or in another state meanwhile, or out of reach; the
 * message tells of the first. */
PAWL_API uint32_t pawl_result_batch_matched(const struct pawl_result *result);
PAWL_API uint32_t pawl_result_batch_done(const struct pawl_result *result);
PAWL_API uint32_t pawl_result_batch_failed(const struct pawl_result *result);

/* History: the page, and how many there are in all. */
PAWL_API size_t pawl_result_history_count(const struct pawl_result *result);
PAWL_API const struct pawl_history_item *pawl_result_history(const struct pawl_result *result);
PAWL_API uint32_t pawl_result_history_total(const struct pawl_result *result);

/* Of an export: its text, with a NUL behind it that does not count; absent: no export. */
PAWL_API struct pawl_bytes pawl_result_json(const struct pawl_result *result);

#ifdef __cplusplus
}
#endif

#endif /* PAWL_CLIENT_H */
