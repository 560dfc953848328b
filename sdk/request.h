/* Request: one management call and its answer, as values.
 *
 * The HTTP API, the app stream and the tests all build the same struct; the
 * engine answers it. None of them needs a connected worker.
 *
 *   op         uses                                       answers with
 *   START      instance(optional) request_id(optional)    instance; EXISTS INVALID TERMINAL
 *              name version payload start_at_ms reuse
 *              event_name(optional) event_data tags
 *              extra(optional)
 *   GET        instance with_payloads                     state; NOT_FOUND
 *   WAIT       instance wait_for timeout_ms               state (also when the time is
 *              with_payloads may_be_absent                up: see reached); NOT_FOUND
 *   RAISE      instance name payload request_id(opt.)     NOT_FOUND TERMINAL BUSY
 *   SUSPEND    instance payload(reason)                   NOT_FOUND TERMINAL STATE
 *   RESUME     instance payload(reason)                   NOT_FOUND TERMINAL STATE
 *   TERMINATE  instance payload(output) recursive         NOT_FOUND TERMINAL
 *   PURGE      instance force recursive                   NOT_FOUND NOT_TERMINAL
 *   LIST       the filter, order limit cursor             states, cursor
 *   COUNT      the filter                                 counts
 *   BATCH      the filter, all batch_op limit cursor      batch, cursor; message: of the
 *              payload force recursive event_name           first that failed
 *              event_data request_id(optional)
 *   HISTORY    instance from limit with_payloads          events, events_total, state;
 *                                                         NOT_FOUND
 *   WATCH      instance(opt.) name(opt.) status_mask      cursor, reached, state, events: see
 *              cursor limit timeout_ms                    below; BUSY INVALID
 *   RERUN      instance(source) new_instance(optional)    instance; NOT_FOUND NOT_TERMINAL
 *              payload(absent: the old input)             EXISTS
 *     … from   has_event event_id overwrite payload       instance; as above; NOT_FOUND also of
 *     an event new_child(optional)                        the event; INVALID TOO_LARGE
 *   RESTART    instance new_instance(optional: the same)  instance; NOT_FOUND NOT_TERMINAL
 *              request_id(optional)                       EXISTS
 *   REWIND     instance payload(reason)                   NOT_FOUND STATE TOO_LARGE
 *              request_id(optional)
 *   IMPORT     instance name version tags payload         instance; EXISTS INVALID STATE
 *              request_id(optional)                       TOO_LARGE TERMINAL
 *
 * With payloads, the last page of a HISTORY also has the events raised that no turn has taken:
 * behind the events_total'th. The payload of an IMPORT is packed (actors/import.h); a client of
 * the app stream sends the JSON of an export instead, and may leave out the rest.
 *
 * The filter: status_mask name prefix tags created_… completed_… updated_…; what is 0 or
 * absent matches all. A BATCH does its operation to one page of instances and is asked again
 * with the cursor until there is none; one without any filter is refused unless `all`.
 *
 * Each may name another app of the namespace in `app`; its sidecars do it then.
 *
 * A WATCH asks for lifecycle events (sdk/change.h) behind a position, of one instance or of
 * all, narrowed down by name and the status after the event. It is answered as soon as there
 * is one, or when the time is up; whoever subscribes asks again with the position of the
 * answer (cursor), whenever and wherever. Without a position it is answered at once with the
 * present one. `reached` false: events between the position and those of the answer are
 * forgotten. Then, and without a position, the answer for one instance has its present state
 * (none: it is not there), which comes before the events.
 *
 * A WAIT that may_be_absent waits for an instance that is not there yet, too; when the time is
 * up there is no state in the answer. NOT_FOUND then says that it was there and is gone.
 *
 * A START is one indivisible step together with its event: never one without the other.
 * SUSPEND has happened when it is answered: the status is SUSPENDED. RAISE is
 * durable when answered. TERMINATE is terminal when answered. After a REWIND the status is
 * RUNNING.
 */
#ifndef PAWL_SDK_REQUEST_H
#define PAWL_SDK_REQUEST_H

#include "sdk/history.h"

#define PAWL_REQUEST_OP_MAP(X)   \
    X(START, 1, "start")         \
    X(GET, 2, "get")             \
    X(WAIT, 3, "wait")           \
    X(RAISE, 4, "raise-event")   \
    X(SUSPEND, 5, "suspend")     \
    X(RESUME, 6, "resume")       \
    X(TERMINATE, 7, "terminate") \
    X(PURGE, 8, "purge")         \
    X(LIST, 9, "list")           \
    X(HISTORY, 10, "history")    \
    X(RERUN, 11, "rerun")        \
    X(COUNT, 12, "count")        \
    X(BATCH, 13, "batch")        \
    X(RESTART, 14, "restart")    \
    X(REWIND, 15, "rewind")      \
    X(WATCH, 16, "watch")        \
    X(IMPORT, 17, "import")

enum pawl_request_op {
#define X(name, value, text) PAWL_REQUEST_##name = (value),
    PAWL_REQUEST_OP_MAP(X)
#undef X
};

/* Asks for what has not happened yet, so its answer may be far away. */
static inline bool pawl_request_op_is_wait(enum pawl_request_op op)
{
    return op == PAWL_REQUEST_WAIT || op == PAWL_REQUEST_WATCH;
}

/* What START does when the id is in use. With an event (event_name), a new instance has the
 * event from its beginning; one that runs gets it, but for REFUSE and TERMINATE; and RETURN
 * answers EXISTS when it has ended. */
enum pawl_reuse {
    PAWL_REUSE_REFUSE = 0,   /* EXISTS, whatever its status */
    PAWL_REUSE_TERMINAL = 1, /* replace an ended instance, else EXISTS (the default) */
    PAWL_REUSE_RETURN = 2,   /* answer with the existing one */
    /* As TERMINAL, but terminate one that runs, its children too, and then replace it. */
    PAWL_REUSE_TERMINATE = 3,
    PAWL_REUSE_LAST = PAWL_REUSE_TERMINATE,
};

enum pawl_wait_for {
    PAWL_WAIT_STARTED = 1, /* status is not PENDING: its first turn is committed */
    PAWL_WAIT_COMPLETED,   /* status is terminal */
};

/* Descending. The default: COMPLETED with a completed range; ID with a prefix and neither
 * statuses, name nor tags; with an updated range first what has not ended as CREATED, then
 * what has ended as COMPLETED; else CREATED. Each is cheap for what it is the default of. */
enum pawl_list_order {
    PAWL_LIST_DEFAULT = 0,
    PAWL_LIST_CREATED,
    PAWL_LIST_COMPLETED, /* ended instances only */
    PAWL_LIST_ID,
    PAWL_LIST_ORDER_LAST = PAWL_LIST_ID,
};

struct pawl_request {
    enum pawl_request_op op;
    enum pawl_request_op batch_op; /* TERMINATE SUSPEND RESUME PURGE RAISE */
    enum pawl_list_order order;
    bool all; /* BATCH: a filter that matches everything is meant so */
    enum pawl_reuse reuse;
    enum pawl_wait_for wait_for;
    bool with_payloads;
    bool may_be_absent; /* WAIT */
    bool status_only;   /* WAIT: the rest of the state need not be read */
    bool recursive;
    bool force;
    uint32_t status_mask; /* bit 1 << status; 0: any */
    uint32_t limit;       /* LIST 1..1000 (0: 50), BATCH 1..1000 (0: 100),
                             HISTORY 1..512 (0: 512) */
    uint32_t from;        /* HISTORY: index of the first event wanted */
    int64_t start_at_ms;
    int64_t timeout_ms;
    int64_t created_from_ms; /* 0: any */
    int64_t created_to_ms;   /* exclusive; 0: any */
    int64_t completed_from_ms;
    int64_t completed_to_ms;
    int64_t updated_from_ms;
    int64_t updated_to_ms;
    struct pawl_bytes app; /* whose instance; absent: the sidecar's own app */
    struct pawl_bytes instance;
    struct pawl_bytes new_instance;
    struct pawl_bytes request_id;
    struct pawl_bytes name;
    struct pawl_bytes version;
    struct pawl_bytes payload;
    struct pawl_bytes tags;   /* START, or a filter; base/tags.h */
    struct pawl_bytes prefix; /* LIST: of the instance id */
    struct pawl_bytes cursor; /* LIST: from the previous answer */
    bool has_event;           /* RERUN: run anew from the call with this number (event id) */
    uint32_t event_id;
    bool overwrite;               /* … which gets `payload` as its input, also an absent one */
    struct pawl_bytes new_child;  /* … and, as a child workflow, this instance id */
    struct pawl_bytes event_name; /* START: raise this event as well; absent: none. BATCH */
    struct pawl_bytes event_data;
    struct pawl_bytes extra;  /* START: of the EXECUTION_STARTED event, see history.h */
    struct pawl_bytes parent; /* PURGE, between sidecars: only if it is a child of this
                                 (encoded pawl_parent); else there is nothing to do */
};

/* What is known of one instance. Payload fields are absent unless asked for. */
struct pawl_instance_state {
    struct pawl_bytes instance;
    struct pawl_bytes name;
    struct pawl_bytes version;
    enum pawl_status status;
    uint32_t gen;
    uint32_t history_count;
    int64_t created_ms;
    int64_t start_at_ms;             /* 0: it was to start at once */
    int64_t started_ms;              /* 0: not yet */
    int64_t updated_ms;              /* of the last commit */
    int64_t completed_ms;            /* 0: not yet */
    struct pawl_bytes tags;          /* base/tags.h; absent: none */
    struct pawl_bytes custom_status; /* shown with or without payloads */
    struct pawl_bytes input;
    struct pawl_bytes output;
    struct pawl_failure_view failure;
    struct pawl_bytes parent_instance; /* absent: no parent */
    struct pawl_bytes parent_app;      /* absent: the same app, or no parent */
    struct pawl_bytes waiting_for;     /* for a person: what it needs to go on; absent: unknown */
    struct pawl_id inc;                /* HISTORY only: the incarnation */
};

/* Of one page of a BATCH. */
struct pawl_batch {
    uint32_t matched;
    uint32_t done;
    uint32_t failed; /* gone or in another state meanwhile, or could not be reached */
};

struct pawl_answer {
    pawl_err err;
    struct pawl_bytes message; /* for a person; set when err is not PAWL_OK; BATCH: why the
                                  first instance failed */
    bool reached;              /* WAIT: what was waited for is so; WATCH: nothing is missing */
    struct pawl_bytes instance;
    uint32_t states_count; /* GET, WAIT, HISTORY: 1; LIST: any */
    struct pawl_instance_state *states;
    struct pawl_bytes cursor; /* LIST: absent at the end */
    uint32_t events_total;    /* HISTORY */
    uint32_t events_count;
    struct pawl_bytes *events;          /* encoded history events; WATCH: packed changes */
    uint64_t counts[PAWL_STATUS_COUNT]; /* COUNT: instances by status */
    struct pawl_batch batch;
};

/* The statuses that an operation of a BATCH is for when none are asked for: terminate,
 * suspend and raise what has not ended, resume what stands, purge what has ended (with force
 * everything). 0: all. */
uint32_t pawl_request_batch_mask(const struct pawl_request *request);

/* Check everything that can be checked without state. On PAWL_E_INVALID or
 * PAWL_E_TOO_LARGE *ret_message says which field and why. */
PAWL_MUST_USE pawl_err pawl_request_check(const struct pawl_request *request,
                                          struct pawl_arena *arena, struct pawl_bytes *ret_message);

const char *pawl_request_op_name(int op); /* NULL: no such op */

#endif /* PAWL_SDK_REQUEST_H */
