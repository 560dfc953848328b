/* Event: everything that can reach the core from outside, as one value.
 *
 * The core reads no clock and draws no entropy: the time of a step is the time its
 * event carries, and random numbers come from a generator seeded at init. The same
 * events in the same order give the same effects. Everything an event points to is
 * borrowed for the step.
 */
#ifndef PAWL_ACTORS_EVENT_H
#define PAWL_ACTORS_EVENT_H

#include "actors/peer_frames.h"
#include "placement/members.h"
#include "sdk/frames.h"
#include "state/store.h"

enum pawl_node_event_type {
    PAWL_NODE_TICK = 1, /* the wake-up the core asked for; spurious ones are fine */
    PAWL_NODE_OWN,      /* this sidecar is to own a partition (runs without placement) */
    PAWL_NODE_DISOWN,   /* … no longer */
    PAWL_NODE_STORE_REPLY,
    PAWL_NODE_STORE_BACK,    /* it was away, and takes requests again: a hint not to wait */
    PAWL_NODE_WORKER_OPENED, /* a worker said HELLO and was accepted */
    PAWL_NODE_WORKER_CLOSED, /* its connection is gone */
    PAWL_NODE_WORKER_CREDIT,
    PAWL_NODE_WORKER_BYE, /* give it nothing new */
    PAWL_NODE_TURN_DONE,
    PAWL_NODE_NEED_HISTORY,
    PAWL_NODE_TURN_RETURNED, /* the worker gives it back: another may have it */
    PAWL_NODE_ACTIVITY_DONE,
    PAWL_NODE_ACTIVITY_RETURNED, /* the worker gives it back: another may have it */
    PAWL_NODE_ACTIVITY_HEARTBEAT,
    PAWL_NODE_REQUEST,      /* a management call; exactly one ANSWER effect follows */
    PAWL_NODE_REQUEST_GONE, /* its asker has left: no answer is wanted */
    PAWL_NODE_MEMBERS,      /* placement's news; older versions than the last are ignored */
    PAWL_NODE_PEER_FRAME,   /* content from a peer that said HELLO and was accepted */
    PAWL_NODE_PEER_DOWN,    /* its link has ended or could not be made: what was sent may be
                               lost. Not repeated until something was sent again */
};

struct pawl_node_event {
    enum pawl_node_event_type type;
    int64_t now_ms;  /* Unix time, never going back from one event to the next */
    uint64_t worker; /* WORKER_*, TURN_*, NEED_HISTORY, ACTIVITY_*: which one */
    union {
        struct {
            uint32_t partition;
            uint64_t table_version;
        } own; /* OWN, DISOWN */
        const struct pawl_store_reply *store_reply;
        const struct pawl_hello *hello; /* WORKER_OPENED */
        struct pawl_credit credit;      /* WORKER_CREDIT */
        const struct pawl_turn_done *turn_done;
        struct pawl_need_history need_history; /* NEED_HISTORY, TURN_RETURNED */
        const struct pawl_activity_done *activity_done;
        struct pawl_id activity_returned; /* the token of its dispatch */
        const struct pawl_activity_beat *activity_beat;
        struct {
            uint64_t token;                     /* chosen by the asker, unique while in flight */
            const struct pawl_request *request; /* REQUEST; passed pawl_request_check */
        } request;
        const struct pawl_members *members;
        struct {
            struct pawl_bytes host; /* as in the member list */
            struct pawl_bytes app;
            const struct pawl_peer_frame *frame; /* PEER_FRAME */
        } peer;
    };
};

#endif /* PAWL_ACTORS_EVENT_H */
