/* Frames: what app and sidecar say to each other. The contract of the stream.
 *
 * A frame is a msgpack array [type, fields…]; the stream (base/io/stream.h) puts
 * a length in front. Fields are positional; a reader ignores further ones, so a
 * later minor version may append. docs/PROTOCOL.md is the same in prose.
 *
 *   app -> sidecar                       sidecar -> app
 *   HELLO      first, within 5 s         WELCOME    or REFUSED and close
 *   CREDIT     more turns, activities    TURN       run a workflow
 *   TURN_DONE  its actions               HISTORY    older events of the next TURN
 *   NEED_HISTORY  I do not hold that     EVICT      forget this instance
 *   ACTIVITY_DONE                        ACTIVITY   run an activity
 *   ACTIVITY_HEARTBEAT  it is alive      ACTIVITY_CANCEL  nobody waits for it any more
 *   REQUEST    management call           ANSWER
 *   PING / PONG either way, every 5 s; 15 s of silence end the connection
 *   BYE        app: no more work, please (in-flight items still get done)
 *
 * Credit: the app starts with none, grants with CREDIT (added up), and each item
 * takes one. A completed item does not give it back: the app grants again.
 */
#ifndef PAWL_SDK_FRAMES_H
#define PAWL_SDK_FRAMES_H

#include "sdk/request.h"

#define PAWL_PROTOCOL_VERSION 1u

/* What a HELLO may say besides: what the app knows beyond the first version. Frames that
 * an app does not know are not sent to it.
 *   1  ACTIVITY_HEARTBEAT, ACTIVITY_CANCEL
 *   2  version and patches of TURN_DONE; such an app reads them from WORKFLOW_STARTED */
#define PAWL_PROTOCOL_MINOR 2u

enum pawl_frame_type {
    PAWL_FRAME_HELLO = 1,
    PAWL_FRAME_WELCOME,
    PAWL_FRAME_REFUSED,
    PAWL_FRAME_PING,
    PAWL_FRAME_PONG,
    PAWL_FRAME_CREDIT,
    PAWL_FRAME_HISTORY,
    PAWL_FRAME_TURN,
    PAWL_FRAME_TURN_DONE,
    PAWL_FRAME_NEED_HISTORY,
    PAWL_FRAME_EVICT,
    PAWL_FRAME_ACTIVITY,
    PAWL_FRAME_ACTIVITY_DONE,
    PAWL_FRAME_REQUEST,
    PAWL_FRAME_ANSWER,
    PAWL_FRAME_BYE,
    PAWL_FRAME_ACTIVITY_HEARTBEAT,
    PAWL_FRAME_ACTIVITY_CANCEL,
    PAWL_FRAME_TYPES_END
};

/* A registered function; an absent version serves every version. */
struct pawl_registration {
    struct pawl_bytes name;
    struct pawl_bytes version;
    bool latest; /* appended; of a workflow with a version: instances that were started
                    without one may begin with it */
};

/* Of another protocol version only the version is read; the rest stays absent. */
struct pawl_hello {
    uint32_t protocol_version;
    struct pawl_bytes app_id;
    struct pawl_bytes token;  /* absent: none */
    struct pawl_bytes worker; /* for logs: host and pid */
    bool any_name;            /* serves what no other worker has registered; not sent over the
                                 app stream: only gRPC workers do not say what they have */
    bool filters;             /* what it did not register it may have: that waits; not sent */
    bool holds_past;          /* a turn is shorter where the last one ran; not sent, either */
    uint32_t workflows_count;
    struct pawl_registration *workflows;
    uint32_t activities_count;
    struct pawl_registration *activities;
    uint32_t minor; /* see PAWL_PROTOCOL_MINOR; appended, 0 is not sent */
    /* Appended, sent when match is not ANY: of workflows. An absent version is none. */
    enum pawl_version_match match;
    struct pawl_bytes match_version;
    bool mismatch_fails; /* what no worker may run fails (else it stalls) */
};

struct pawl_welcome {
    uint32_t protocol_version;
    struct pawl_bytes app_id;
    struct pawl_bytes sidecar; /* for logs */
    uint32_t payload_size_max;
};

struct pawl_refused {
    pawl_err err;
    struct pawl_bytes message;
};

struct pawl_credit {
    uint32_t turns;
    uint32_t activities;
};

/* A turn: run the instance from `base` over `events`.
 *
 * `turn` is new for every dispatch; it is also the id that the commit will have.
 * `base` is the turn whose result the worker must hold in its cache; zero: `events`
 * and the HISTORY frames sent before with the same turn are everything, start
 * from nothing. `past_count` of the events are replayed history, the rest is new. */
struct pawl_turn {
    struct pawl_id turn;
    struct pawl_id base;
    struct pawl_id inc;
    uint32_t gen;
    struct pawl_bytes instance;
    struct pawl_bytes name;
    struct pawl_bytes version;
    uint32_t past_count; /* of the events in this frame */
    uint32_t events_count;
    struct pawl_bytes *events; /* encoded history events */
};

/* A part of the past of the TURN that follows with the same id. */
struct pawl_history_chunk {
    struct pawl_id turn;
    uint32_t events_count;
    struct pawl_bytes *events;
};

enum pawl_action_kind {
    PAWL_ACTION_ACTIVITY = 1,    /* id name version payload target_app task_execution
                                    start_within_ms start_to_close_ms heartbeat_ms progress */
    PAWL_ACTION_TIMER,           /* id fire_at_ms name(origin) */
    PAWL_ACTION_CANCEL_TIMER,    /* ref */
    PAWL_ACTION_CHILD,           /* id name version payload target_app instance
                                    start_within_ms parent_close */
    PAWL_ACTION_SEND_EVENT,      /* id name payload instance target_app */
    PAWL_ACTION_COMPLETE,        /* status (COMPLETED or FAILED) payload failure */
    PAWL_ACTION_CONTINUE,        /* payload(new input) version carry: continue as new */
    PAWL_ACTION_CANCEL_ACTIVITY, /* ref */
    PAWL_ACTION_DETACHED,        /* id name version payload target_app instance start_at_ms tags */
};

/* Ids count up from 0 in each generation over all actions that have one. COMPLETE
 * or CONTINUE, if there, is the last action. */
struct pawl_action {
    enum pawl_action_kind kind;
    int32_t id;
    int32_t ref;
    int64_t fire_at_ms;
    int64_t start_at_ms;        /* 0: at once */
    int64_t start_within_ms;    /* 0: any time */
    int64_t start_to_close_ms;  /* of each attempt; 0: no limit */
    int64_t heartbeat_ms;       /* longest silence of an attempt; 0: no limit */
    struct pawl_bytes progress; /* what the try before this one said last; may be absent */
    enum pawl_status status;
    enum pawl_parent_close_policy parent_close;
    struct pawl_bytes name;
    struct pawl_bytes version;
    struct pawl_bytes payload;
    struct pawl_bytes target_app;
    struct pawl_bytes instance;
    struct pawl_id task_execution;
    struct pawl_failure_view failure;
    uint32_t carry_count; /* CONTINUE: encoded EVENT_RAISED events not yet consumed */
    struct pawl_bytes *carry;
    struct pawl_bytes extra; /* of gRPC workers, for the event; not sent over the app stream */
    struct pawl_bytes tags;  /* CHILD, DETACHED: base/tags.h, of the one that is started */
};

struct pawl_turn_done {
    struct pawl_id turn;
    struct pawl_bytes instance;
    bool cached; /* the worker now holds the instance at `turn` */
    /* PAWL_OK; PAWL_E_NONDETERMINISM (stalls the instance, message says why);
     * PAWL_E_NOT_REGISTERED (fails it if it is new, else stalls it). No actions unless PAWL_OK.
     * On behalf of gRPC workers also VERSION (another worker, else it stalls), LIMIT (stalls),
     * INVALID and TOO_LARGE (fail). */
    pawl_err err;
    struct pawl_bytes message;
    bool custom_status_set;
    struct pawl_bytes custom_status; /* absent: cleared */
    uint32_t actions_count;
    struct pawl_action *actions;
    /* Appended, sent when one of them is there: recorded in the turn's WORKFLOW_STARTED. */
    struct pawl_bytes version; /* of the code that it chose for this generation */
    uint32_t patches_count;
    struct pawl_bytes *patches; /* names that the code asked for in this turn and was told yes */
    struct pawl_bytes extra;    /* of gRPC workers, for that event; not sent over the app stream */
};

/* NEED_HISTORY names the turn that could not run; EVICT an instance. */
struct pawl_need_history {
    struct pawl_id turn;
    struct pawl_bytes instance;
};

struct pawl_evict {
    struct pawl_bytes instance;
};

struct pawl_activity_item {
    struct pawl_id token; /* new for every dispatch */
    struct pawl_bytes instance;
    struct pawl_id task_execution;
    int32_t id;
    uint32_t attempt; /* 1, 2, …: dispatches of this schedule */
    struct pawl_bytes name;
    struct pawl_bytes version;
    struct pawl_bytes payload;
    struct pawl_bytes extra; /* of the TASK_SCHEDULED event; not sent over the app stream */
    /* Appended. False: the sidecar knows no ACTIVITY_HEARTBEAT, the rest is absent. With a
     * limit the app sends one when the function begins: the limits count from there. */
    bool takes_heartbeats;
    int64_t start_to_close_ms;  /* 0: no limit */
    int64_t heartbeat_ms;       /* 0: no limit */
    struct pawl_bytes progress; /* what the attempt before said last; may be absent */
};

struct pawl_activity_done {
    struct pawl_id token;
    struct pawl_bytes payload;
    struct pawl_failure_view failure; /* present: it failed */
};

/* It has begun, or still runs. */
struct pawl_activity_beat {
    struct pawl_id token;
    struct pawl_bytes progress; /* absent: as before */
};

/* `token` is chosen by the asker and comes back with the answer. */
struct pawl_request_frame {
    uint64_t token;
    struct pawl_request request;
};

struct pawl_answer_frame {
    uint64_t token;
    struct pawl_answer answer;
};

struct pawl_frame {
    enum pawl_frame_type type;
    union {
        struct pawl_hello hello;
        struct pawl_welcome welcome;
        struct pawl_refused refused;
        struct pawl_credit credit;
        struct pawl_history_chunk history;
        struct pawl_turn turn;
        struct pawl_turn_done turn_done;
        struct pawl_need_history need_history;
        struct pawl_evict evict;
        struct pawl_activity_item activity;
        struct pawl_activity_done activity_done;
        struct pawl_activity_beat activity_beat; /* ACTIVITY_HEARTBEAT */
        struct pawl_id activity_cancel;          /* ACTIVITY_CANCEL: the token */
        struct pawl_request_frame request;
        struct pawl_answer_frame answer;
    };
};

/* Append the frame's bytes (no length prefix). Errors stay in the buf. */
void pawl_frame_encode(struct pawl_buf *buf, const struct pawl_frame *frame);

/* Byte views point into `bytes`, arrays into the arena. PAWL_E_PROTOCOL: unknown
 * type or malformed; *ret_frame is then not to be read. Every value is checked for
 * its range here (enums, counts, string limits), so no other code has to, but for:
 *   - a REQUEST, which goes through pawl_request_check so that its asker learns why;
 *   - a TURN_DONE, which may hold PAWL_FRAME_ACTIONS_MAX actions, so that the engine
 *     can fail an instance that makes more than PAWL_TURN_ACTIONS_MAX.
 * Messages and the texts of failures are cut to their limit and made UTF-8 here. */
PAWL_MUST_USE pawl_err pawl_frame_decode(struct pawl_bytes bytes, struct pawl_arena *arena,
                                         struct pawl_frame *ret_frame);

#endif /* PAWL_SDK_FRAMES_H */
