/* Envelope: the bytes the engine puts into inbox rows and outbox rows. The store
 * passes them on unread. */
#ifndef PAWL_ACTORS_ENVELOPE_H
#define PAWL_ACTORS_ENVELOPE_H

#include "sdk/history.h"
#include "state/store.h"

/* An inbox row: an event, and for a result which schedule of which generation it
 * answers; the first row of an instance may have a seed (actors/seed.h), whose events
 * take the place of its event. The generation matters: ids restart with each one, and a row that
 * was delivered to the old generation travels into the new one's inbox. */
struct pawl_inbox_body {
    uint32_t gen; /* 0: an external input */
    uint64_t nonce;
    struct pawl_bytes event; /* encoded history event */
    struct pawl_bytes seed;  /* encoded pawl_seed; absent: none */
};

struct pawl_bytes pawl_inbox_body_pack(struct pawl_arena *arena,
                                       const struct pawl_inbox_body *body);
PAWL_MUST_USE pawl_err pawl_inbox_body_unpack(struct pawl_bytes bytes,
                                              struct pawl_inbox_body *ret_body);

/* A DELIVER of this body to `instance`, with the product's bounds; the caller adds the
 * operation or the request id. */
struct pawl_deliver pawl_deliver_make(struct pawl_arena *arena, struct pawl_bytes instance,
                                      const struct pawl_inbox_body *body, struct pawl_id delivery,
                                      int64_t now_ms);

enum pawl_message_kind {
    PAWL_MESSAGE_START_CHILD = 1, /* instance, parent, event: its EXECUTION_STARTED */
    PAWL_MESSAGE_CHILD_DONE,      /* parent names the waiting operation; event: result */
    PAWL_MESSAGE_EVENT,           /* instance, event: EVENT_RAISED */
    PAWL_MESSAGE_TERMINATE,       /* instance, event: EXECUTION_TERMINATED; only a child
                                     whose parent is `parent` */
    PAWL_MESSAGE_START_DETACHED,  /* instance, event: its EXECUTION_STARTED, whose execution
                                     makes the request id */
};

/* An outbox row: what one instance says to another. */
struct pawl_message_body {
    enum pawl_message_kind kind;
    struct pawl_bytes app; /* of the receiver; absent: the sender's */
    int64_t start_by_ms;   /* START_CHILD: too late after this; 0: never */
    bool rewind;           /* START_CHILD: if it is there and has failed it is rewound */
    bool asks;             /* START_CHILD: sent again; the store says that it is still waited for */
    struct pawl_bytes instance;
    struct pawl_parent parent;
    struct pawl_bytes event;
};

struct pawl_bytes pawl_message_body_pack(struct pawl_arena *arena,
                                         const struct pawl_message_body *body);
PAWL_MUST_USE pawl_err pawl_message_body_unpack(struct pawl_bytes bytes,
                                                struct pawl_message_body *ret_body);

/* What of a parent names the operation, without its nonce (see CREATE in
 * state/store.h). */
struct pawl_bytes pawl_parent_key(struct pawl_arena *arena, const struct pawl_parent *parent);

/* The nonce of an operation scheduled by the commit `id`, the `nth` of its instance. A later call
 * under the same id has a greater one. */
uint64_t pawl_op_nonce(struct pawl_id id, uint32_t nth, struct pawl_op op);

/* True when a child that is bound to the call `bound` is for `caller` to terminate: it is that
 * call, or an earlier one of the same operation, whose start came late (see Rewind in
 * docs/ENGINE.md). Never a later one: that is of a parent that was rewound since. */
bool pawl_parent_may_end(const struct pawl_parent *caller, const struct pawl_parent *bound);

#endif /* PAWL_ACTORS_ENVELOPE_H */
