/* Call: one store operation in flight.
 *
 * A call owns the request and everything it points to, so that the identical request
 * can be sent again when the store was away (UNAVAILABLE) or the reply was lost
 * (UNKNOWN). The store recognises a repetition, so nothing is ever decided twice.
 * The one who made the call hears only final answers.
 */
#ifndef PAWL_ACTORS_CALL_H
#define PAWL_ACTORS_CALL_H

#include "actors/node_internal.h"

/* The reply and the call live until the callback returns; then the call is gone. */
typedef void pawl_call_on_reply(struct pawl_node *node, struct pawl_call *call,
                                const struct pawl_store_reply *reply);

struct pawl_call {
    struct pawl_list link; /* on calls_finished or calls_unused */
    struct pawl_arena arena;
    struct pawl_store_request request;
    pawl_call_on_reply *on_reply;
    uint32_t attempts;
    uint32_t attempts_max; /* 0: as often as it takes */
    bool sent;
    bool unsure;     /* sent again after an attempt that may have been applied */
    int64_t sent_ms; /* first time */
    struct pawl_alarm retry;
    /* What the maker wants to find again. */
    struct pawl_bytes instance; /* in the arena */
    uint64_t request_token;     /* a management call that waits for this; 0: none */
    void *context;              /* in the arena, or owned by the maker */
};

/* An unsent call; fill `request` (token excepted) and the rest, using its arena. */
struct pawl_call *pawl_call_new(struct pawl_node *node, enum pawl_store_op op, uint32_t partition,
                                pawl_call_on_reply *on_reply);

/* Give up an unsent call. */
void pawl_call_drop(struct pawl_node *node, struct pawl_call *call);

void pawl_call_send(struct pawl_node *node, struct pawl_call *call);

void pawl_call_on_store_reply(struct pawl_node *node, const struct pawl_store_reply *reply);

/* What waits to be sent again because the store was away is sent at once. */
void pawl_calls_on_store_back(struct pawl_node *node);

/* The effects of the last step have been carried out: what it finished is reusable. */
void pawl_calls_recycle(struct pawl_node *node);

/* Free everything, sent or not (end of the node). */
void pawl_calls_deinit(struct pawl_node *node);

#endif /* PAWL_ACTORS_CALL_H */
