/* The management calls that take several store operations: list and purge. And what
 * they share with request.c. */
#ifndef PAWL_ACTORS_REQUEST_LIST_H
#define PAWL_ACTORS_REQUEST_LIST_H

#include "actors/call.h"

/* Asks every partition for its newest matches and merges them. */
void pawl_request_list(struct pawl_node *node, uint64_t token, const struct pawl_request *request);

void pawl_request_count(struct pawl_node *node, uint64_t token, const struct pawl_request *request);

/* One page: the cursor leads to the next one. */
void pawl_request_batch(struct pawl_node *node, uint64_t token, const struct pawl_request *request);

/* Children first when recursive, so that a purge that was cut off can be repeated. */
void pawl_request_purge(struct pawl_node *node, uint64_t token, const struct pawl_request *request);

/* A store call on behalf of a client: few attempts, because somebody waits. */
struct pawl_call *pawl_request_call(struct pawl_node *node, uint64_t token, enum pawl_store_op op,
                                    struct pawl_bytes instance, pawl_call_on_reply *on_reply);

void pawl_request_answer_store_err(struct pawl_node *node, uint64_t token,
                                   struct pawl_bytes instance,
                                   const struct pawl_store_reply *reply);

void pawl_request_answer_state(struct pawl_node *node, uint64_t token, struct pawl_bytes instance,
                               const struct pawl_snapshot *snapshot, bool reached);

/* Views point to what metadata points to. */
void pawl_request_fill_state(struct pawl_bytes instance, const struct pawl_metadata *metadata,
                             struct pawl_bytes custom_status,
                             struct pawl_instance_state *ret_state);

#endif /* PAWL_ACTORS_REQUEST_LIST_H */
