/* Peer frames: what two sidecars of a namespace say to each other.
 *
 * A frame is a msgpack array [type, fields…], like those of the app stream
 * (sdk/frames.h). Delivery is at most once: a link may break at any moment, and then
 * whatever was on it is lost. So everything here is asked again by its sender until it
 * is answered for good, and the receiver recognises a repetition.
 *
 *   link     HELLO -> WELCOME | REFUSED     the dialling side says HELLO
 *            PING / PONG                    as on the app stream
 *            CREDIT                         how many more bytes of content it may send
 *   content  CALL -> RETURN                 a management call, for the owner of its
 *                                           instance; GONE: the asker has left
 *            MESSAGE -> MESSAGE_DONE        an outbox message for an instance that the
 *                                           receiver owns
 *            RUN -> RESULT -> RESULT_DONE   run an activity; its result, repeated until
 *                   | RUN_REFUSED           it is durable; not begun, and not here: no
 *                                           worker, or none that knows its name
 *            ASK -> ASKED                   which of these runs do you know?
 *            FIND -> FOUND                  which of these activities are you at, for an owner
 *                                           before? What is found is this run from now on
 *            CANCEL                         nobody waits for this run any more
 *            ATTEMPT                        so often this run was given to a worker, from its
 *                                           second time or first lost worker on
 *            PLACES_WANTED -> PLACES        of global limits: what the sender holds and could
 *                                           use; what it may hold from then on. Repeated
 *                                           when that has changed
 *            NEWS_WANTED                    the sender has subscribers to lifecycle events of
 *                                           its app, for some seconds from now on
 *            NEWS                           something is new in the change logs of these
 *                                           partitions; a hint that may be lost
 */
#ifndef PAWL_ACTORS_PEER_FRAMES_H
#define PAWL_ACTORS_PEER_FRAMES_H

#include "base/arena.h"
#include "base/buf.h"
#include "pawl/err.h"
#include "pawl/types.h"

#define PAWL_PEER_PROTOCOL_VERSION 1u

enum pawl_peer_frame_type {
    PAWL_PEER_HELLO = 1,
    PAWL_PEER_WELCOME,
    PAWL_PEER_REFUSED,
    PAWL_PEER_PING,
    PAWL_PEER_PONG,
    PAWL_PEER_CREDIT,
    PAWL_PEER_CALL,
    PAWL_PEER_RETURN,
    PAWL_PEER_GONE,
    PAWL_PEER_MESSAGE,
    PAWL_PEER_MESSAGE_DONE,
    PAWL_PEER_RUN,
    PAWL_PEER_RUN_REFUSED,
    PAWL_PEER_RESULT,
    PAWL_PEER_RESULT_DONE,
    PAWL_PEER_ASK,
    PAWL_PEER_ASKED,
    PAWL_PEER_CANCEL,
    PAWL_PEER_ATTEMPT,
    PAWL_PEER_PLACES_WANTED,
    PAWL_PEER_PLACES,
    PAWL_PEER_FIND,
    PAWL_PEER_FOUND,
    PAWL_PEER_NEWS_WANTED,
    PAWL_PEER_NEWS,
    PAWL_PEER_FRAME_TYPES_END
};

/* Of another protocol version only the version is read; the rest stays absent. */
struct pawl_peer_hello {
    uint32_t protocol_version;
    struct pawl_bytes namespace_;
    struct pawl_bytes app;
    struct pawl_bytes host;
    struct pawl_bytes token; /* absent: none */
};

struct pawl_peer_refused {
    pawl_err err;
    struct pawl_bytes message;
};

/* The same in both directions: `frame` is an encoded REQUEST, or ANSWER, of
 * sdk/frames.h, whose token is that of the asking sidecar. */
struct pawl_peer_call {
    uint64_t token;
    bool moved;              /* RETURN: the receiver does not own the instance; nothing happened */
    struct pawl_bytes frame; /* absent when moved */
};

/* An outbox row of the sender (actors/envelope.h). */
struct pawl_peer_message {
    struct pawl_id id;
    struct pawl_bytes body;
};

/* OK: its effect is durable, or it is final that it has none. `event`, if there, is an
 * encoded CHILD_COMPLETED or CHILD_FAILED, for the operation that sent it.
 * CONFLICT: not mine (any more). BUSY, UNAVAILABLE: not now. */
struct pawl_peer_message_done {
    struct pawl_id id;
    pawl_err err;
    struct pawl_bytes event;
};

/* One execution of an activity. `run` names it on both sides; a repetition with the
 * same run is the same execution. */
struct pawl_peer_run {
    struct pawl_id run;
    struct pawl_bytes instance;
    struct pawl_id inc;
    uint32_t gen;
    uint32_t op_id;
    uint64_t nonce;
    struct pawl_bytes event; /* RUN: its TASK_SCHEDULED; RESULT: TASK_COMPLETED or _FAILED */
};

struct pawl_peer_run_refused {
    struct pawl_id run;
    bool unregistered; /* there are workers, and none has registered its name */
};

struct pawl_peer_run_attempt {
    struct pawl_id run;
    uint32_t count;
};

/* An activity, by its key, and the run that it is to be. */
struct pawl_peer_find {
    struct pawl_id run;
    struct pawl_bytes instance;
    struct pawl_id inc;
    uint32_t gen;
    uint64_t nonce;
};

struct pawl_peer_finds {
    uint32_t count; /* up to PAWL_PEER_RUNS_MAX */
    struct pawl_peer_find *items;
};

/* ASKED, FOUND: those of the asked ones that the receiver knows, and those it does not. */
struct pawl_peer_runs {
    uint32_t known_count; /* ASK: all */
    struct pawl_id *known;
    uint32_t unknown_count;
    struct pawl_id *unknown;
};

/* Of one global limit, at the sidecar that asks. */
struct pawl_peer_places_item {
    bool is_task;           /* of activities; else of turns */
    struct pawl_bytes name; /* absent: of all */
    uint32_t max;           /* the limit, as it is configured there; at least 1 */
    uint32_t held;          /* WANTED: it holds no more places; PLACES: … from now on */
    uint32_t wanted;        /* WANTED: what it could use; PLACES: what it is to come down to;
                               UINT32_MAX: nothing */
};

struct pawl_peer_places {
    uint64_t version;       /* of the sender's member list */
    uint64_t kept_epoch;    /* WANTED: see pawl_keeper_claim */
    struct pawl_id process; /* that asks */
    uint64_t number;        /* of the question; the answer repeats it. At least 1 */
    uint32_t items_count;   /* up to PAWL_PEER_PLACES_MAX */
    struct pawl_peer_places_item *items;
};

struct pawl_peer_news {
    uint32_t count; /* up to PAWL_PARTITIONS_MAX */
    uint32_t *partitions;
};

struct pawl_peer_frame {
    enum pawl_peer_frame_type type;
    union {
        struct pawl_peer_hello hello;     /* HELLO, WELCOME (of the answering side) */
        struct pawl_peer_refused refused; /* REFUSED */
        uint64_t credit;                  /* CREDIT: bytes */
        struct pawl_peer_call call;       /* CALL, RETURN, GONE */
        struct pawl_peer_message message;
        struct pawl_peer_message_done message_done;
        struct pawl_peer_run run; /* RUN, RESULT */
        struct pawl_peer_run_refused run_refused;
        struct pawl_peer_run_attempt run_attempt;
        struct pawl_id run_id;      /* RESULT_DONE, CANCEL */
        struct pawl_peer_runs runs; /* ASK, ASKED, FOUND */
        struct pawl_peer_finds finds;
        struct pawl_peer_places places;
        struct pawl_peer_news news;
    };
};

/* Append the frame's bytes (no length prefix). Errors stay in the buf. */
void pawl_peer_frame_encode(struct pawl_buf *buf, const struct pawl_peer_frame *frame);

/* Byte views point into `bytes`, arrays into the arena. PAWL_E_PROTOCOL: unknown type,
 * malformed, or a value out of its range (counts, lengths of names, zero ids). What
 * `body` and `event` hold is checked by the engine. */
PAWL_MUST_USE pawl_err pawl_peer_frame_decode(struct pawl_bytes bytes, struct pawl_arena *arena,
                                              struct pawl_peer_frame *ret_frame);

#endif /* PAWL_ACTORS_PEER_FRAMES_H */
