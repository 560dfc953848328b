/* History: the durable facts of an instance, and their bytes.
 *
 * Kinds and fields are a superset of the durabletask HistoryEvent, with the same
 * kind numbers, so that both gRPC dialects can be served from them without loss.
 * The same bytes are stored, sent over the app stream and kept in the inbox: the
 * engine encodes an event once and passes it on unread.
 *
 * This file is the contract between the engine (actors/) and whoever runs
 * workflow code (sdk/replay.c). It knows nothing of either.
 */
#ifndef PAWL_SDK_HISTORY_H
#define PAWL_SDK_HISTORY_H

#include "base/arena.h"
#include "base/buf.h"

#define PAWL_EVENT_KIND_MAP(X)                         \
    X(EXECUTION_STARTED, 3, "ExecutionStarted")        \
    X(EXECUTION_COMPLETED, 4, "ExecutionCompleted")    \
    X(EXECUTION_TERMINATED, 5, "ExecutionTerminated")  \
    X(TASK_SCHEDULED, 6, "TaskScheduled")              \
    X(TASK_COMPLETED, 7, "TaskCompleted")              \
    X(TASK_FAILED, 8, "TaskFailed")                    \
    X(CHILD_CREATED, 9, "ChildWorkflowCreated")        \
    X(CHILD_COMPLETED, 10, "ChildWorkflowCompleted")   \
    X(CHILD_FAILED, 11, "ChildWorkflowFailed")         \
    X(TIMER_CREATED, 12, "TimerCreated")               \
    X(TIMER_FIRED, 13, "TimerFired")                   \
    X(WORKFLOW_STARTED, 14, "WorkflowStarted")         \
    X(EVENT_SENT, 16, "EventSent")                     \
    X(EVENT_RAISED, 17, "EventRaised")                 \
    X(CONTINUE_AS_NEW, 20, "ContinueAsNew")            \
    X(EXECUTION_SUSPENDED, 21, "ExecutionSuspended")   \
    X(EXECUTION_RESUMED, 22, "ExecutionResumed")       \
    X(EXECUTION_REWOUND, 30, "ExecutionRewound")       \
    X(EXECUTION_STALLED, 31, "ExecutionStalled")       \
    X(DETACHED_CREATED, 32, "DetachedWorkflowCreated") \
    X(TIMER_CANCELLED, 100, "TimerCancelled")          \
    X(TASK_CANCELLED, 101, "TaskCancelled")

enum pawl_event_kind {
#define X(name, value, text) PAWL_EVENT_##name = (value),
    PAWL_EVENT_KIND_MAP(X)
#undef X
};

/* Why an activity, a child or a workflow failed. */
struct pawl_failure_view {
    bool present;
    bool non_retriable;
    struct pawl_bytes type;    /* e.g. "PaymentDeclined" */
    struct pawl_bytes message; /* for a person */
    struct pawl_bytes details; /* stack trace or any payload; may be absent */
    struct pawl_bytes inner;   /* an encoded failure (the cause); may be absent */
    /* sidecar/proto/durabletask.proto, Properties: what only gRPC clients read; may be absent */
    struct pawl_bytes properties;
};

/* Whose child an instance is; absent instance: nobody's. */
struct pawl_parent {
    struct pawl_bytes app; /* absent: the same app */
    struct pawl_bytes instance;
    struct pawl_id inc;
    uint32_t gen;
    uint32_t op_id;         /* the parent's operation `c:<op_id>` */
    uint64_t nonce;         /* that operation's nonce */
    struct pawl_bytes name; /* of the parent's workflow; appended, not sent when absent */
};

/* One event; which fields have a meaning follows from the kind:
 *
 *   kind                   fields
 *   EXECUTION_STARTED      name version payload(input) execution parent start_at_ms tags
 *                          (once per generation)
 *   EXECUTION_COMPLETED    status payload(output) failure
 *   EXECUTION_TERMINATED   payload(reason/output) recursive
 *   TASK_SCHEDULED         id name version payload(input) target_app task_execution
 *                          start_within_ms start_to_close_ms heartbeat_ms
 *                          progress(of the try before) attempts(on its way to whoever runs
 *                          it: those that were made)
 *   TASK_COMPLETED         ref payload(output)
 *   TASK_FAILED            ref failure progress(said last) status(STALLED: it has lost too
 *                          many workers; on its way to the owner, never in a history)
 *   CHILD_CREATED          id name version payload(input) target_app instance tags parent_close
 *                          start_within_ms rewound(a failed one is rewound)
 *   CHILD_COMPLETED        ref payload(output)
 *   CHILD_FAILED           ref failure
 *   DETACHED_CREATED       id name version payload(input) target_app instance start_at_ms tags
 *   TIMER_CREATED          id fire_at_ms name(origin, for a person; may be absent)
 *   TIMER_FIRED            ref fire_at_ms
 *   TIMER_CANCELLED        ref                 (own: the workflow gave the timer up)
 *   TASK_CANCELLED         ref                 (own: the workflow gave the activity up)
 *   WORKFLOW_STARTED       version patches
 *                          (first of each turn; timestamp_ms is the turn's "now")
 *   EVENT_SENT             id name payload instance target_app
 *   EVENT_RAISED           name payload
 *   CONTINUE_AS_NEW        payload(new input)
 *   EXECUTION_SUSPENDED    payload(reason)
 *   EXECUTION_RESUMED      payload(reason)
 *   EXECUTION_REWOUND      payload(reason)
 *   EXECUTION_STALLED      name(cause) payload(text for a person)
 *
 * Timestamps of a history never go back: what a turn takes in carries the turn's time.
 * `extra` may come with any of them: what only gRPC clients read, passed on unread.
 * `id` is the sequence number of the action that made the event (>= 0, restarts
 * with each generation), -1 for all others; `ref` is the id it answers. */
struct pawl_history_event {
    enum pawl_event_kind kind;
    int32_t id;
    int32_t ref;
    int64_t timestamp_ms; /* Unix time */
    int64_t fire_at_ms;
    int64_t start_at_ms;       /* 0: at once */
    int64_t start_within_ms;   /* of timestamp_ms, or it fails (schedule to start); 0: any time */
    int64_t start_to_close_ms; /* of each attempt, or it fails; 0: no limit */
    int64_t heartbeat_ms;      /* longest silence of an attempt, or it fails; 0: no limit */
    enum pawl_status status;
    bool recursive;
    enum pawl_parent_close_policy parent_close;
    uint32_t attempts;
    bool rewound;
    struct pawl_bytes name;
    struct pawl_bytes version;
    struct pawl_bytes payload;
    struct pawl_bytes instance;
    struct pawl_bytes target_app;
    struct pawl_id execution;      /* new with each generation */
    struct pawl_id task_execution; /* stable over retries of one activity */
    struct pawl_parent parent;
    struct pawl_failure_view failure;
    struct pawl_bytes extra;    /* sidecar/proto/extra.proto; may be absent */
    struct pawl_bytes progress; /* of an activity's heartbeats; may be absent */
    struct pawl_bytes patches;  /* pawl_patches_pack; absent: none */
    struct pawl_bytes rerun_of; /* a call that a rerun makes again: the instance id of the source;
                                   absent: none */
    struct pawl_bytes tags;     /* base/tags.h; may be absent */
};

/* The names of the patches that the code of a turn was told to apply, in order, as the
 * value of the field. */
struct pawl_bytes pawl_patches_pack(struct pawl_arena *arena, uint32_t count,
                                    const struct pawl_bytes *names);

/* The name at *cursor (0 at first), which is moved on. False: there is no further one. */
bool pawl_patches_next(struct pawl_bytes patches, size_t *cursor, struct pawl_bytes *ret_name);

/* An event with id = ref = -1 and everything else absent. */
struct pawl_history_event pawl_history_event_make(enum pawl_event_kind kind, int64_t timestamp_ms);

/* Append the encoded event. Errors stay in the buf. */
void pawl_history_event_encode(struct pawl_buf *buf, const struct pawl_history_event *event);

/* Encode into the arena; the usual way in the engine. */
struct pawl_bytes pawl_history_event_pack(struct pawl_arena *arena,
                                          const struct pawl_history_event *event);

/* A copy in the arena whose timestamp is not before `not_before_ms`; the same bytes
 * when it is later. `bytes` must be an event. */
struct pawl_bytes pawl_history_event_restamp(struct pawl_arena *arena, struct pawl_bytes bytes,
                                             int64_t not_before_ms);

/* Views in *ret_event point into `bytes`. PAWL_E_CORRUPT: not an event. Unknown
 * fields are skipped, an unknown kind is corrupt. */
PAWL_MUST_USE pawl_err pawl_history_event_decode(struct pawl_bytes bytes,
                                                 struct pawl_history_event *ret_event);

/* The kind alone, which costs little; 0: not an event. */
int pawl_history_event_kind(struct pawl_bytes bytes);

/* Nothing there (`present` is false) is a value of its own; decoding absent bytes
 * gives the same. */
void pawl_failure_encode(struct pawl_buf *buf, const struct pawl_failure_view *failure);
struct pawl_bytes pawl_failure_pack(struct pawl_arena *arena,
                                    const struct pawl_failure_view *failure);
PAWL_MUST_USE pawl_err pawl_failure_decode(struct pawl_bytes bytes,
                                           struct pawl_failure_view *ret_failure);

/* Decoding absent bytes gives nobody's child. */
void pawl_parent_encode(struct pawl_buf *buf, const struct pawl_parent *parent);
struct pawl_bytes pawl_parent_pack(struct pawl_arena *arena, const struct pawl_parent *parent);
PAWL_MUST_USE pawl_err pawl_parent_decode(struct pawl_bytes bytes, struct pawl_parent *ret_parent);

/* "TaskScheduled" …; NULL for a number that is no kind. */
const char *pawl_event_kind_name(int kind);

/* "RUNNING" …; NULL for a number that is no status. */
const char *pawl_status_name(int status);
bool pawl_status_is_terminal(enum pawl_status status);

/* True and *ret_status when `text` is a status name (any case). */
bool pawl_status_parse(struct pawl_bytes text, enum pawl_status *ret_status);

#endif /* PAWL_SDK_HISTORY_H */
