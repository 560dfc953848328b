/* Effects: everything that one step asks of the outside, in order.
 *
 * The one rule of order: what leaves has been committed. A turn puts its rows in a
 * STORE effect and its consequences in the instance's outbox; they become effects
 * only in the step that receives the commit's OK. There is no other way to send.
 *
 * Everything an effect points to lives until the next step: carry effects out (or
 * copy) before stepping again.
 */
#ifndef PAWL_ACTORS_EFFECT_H
#define PAWL_ACTORS_EFFECT_H

#include "actors/peer_frames.h"
#include "sdk/frames.h"
#include "state/store.h"

enum pawl_effect_type {
    PAWL_EFFECT_STORE = 1, /* submit; its reply comes back as STORE_REPLY */
    PAWL_EFFECT_SEND,      /* a frame to a worker: HISTORY TURN EVICT ACTIVITY ACTIVITY_CANCEL */
    PAWL_EFFECT_ANSWER,    /* the answer to a management call */
    PAWL_EFFECT_PEER_SEND, /* content to a peer, at most once; a link is made when needed */
    PAWL_EFFECT_LOG,       /* something an operator should know */
};

struct pawl_effect {
    enum pawl_effect_type type;
    union {
        struct pawl_store_request *store;
        struct {
            uint64_t worker;
            const struct pawl_frame *frame;
        } send;
        struct {
            uint64_t token;
            const struct pawl_answer *answer;
        } answer;
        struct {
            struct pawl_bytes host; /* in the member list given last */
            const struct pawl_peer_frame *frame;
        } peer;
        struct {
            int level; /* enum pawl_log_level */
            struct pawl_bytes text;
        } log;
    };
};

struct pawl_effects {
    struct pawl_arena arena; /* reset by the next step */
    struct pawl_effect *items;
    uint32_t count;
    uint32_t capacity;
    int64_t wake_at_ms; /* a TICK is wanted at this time; 0: none */
};

void pawl_effects_init(struct pawl_effects *effects);
void pawl_effects_deinit(struct pawl_effects *effects);

#endif /* PAWL_ACTORS_EFFECT_H */
