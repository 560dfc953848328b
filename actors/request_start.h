/* The management call that makes instances, and what it shares with those that run one
 * again. */
#ifndef PAWL_ACTORS_REQUEST_START_H
#define PAWL_ACTORS_REQUEST_START_H

#include "actors/node_internal.h"

/* CREATE first. What follows when the id is in use is for `reuse` to say:
 *
 *   TERMINATE   the instance is terminated, its children too, then CREATE again
 *   an event    the instance gets it (DELIVER), or has had it; if it has ended without, CREATE
 *               again in its place
 *
 * All of it can be repeated under the same request id. An instance that is made for an event
 * has it from the beginning (actors/seed.h). */
void pawl_request_start(struct pawl_node *node, uint64_t token, const struct pawl_request *request);

/* An id for an instance whose starter named none: the same request id gives the same, so a
 * repetition finds what it made. */
struct pawl_bytes pawl_request_new_instance(struct pawl_node *node, struct pawl_bytes request_id);

/* The client's request id, or one that nobody else has. */
struct pawl_bytes pawl_request_id_of(struct pawl_node *node, struct pawl_arena *arena,
                                     const struct pawl_request *request);

/* The instance's id is the answer. */
void pawl_request_answer_instance(struct pawl_node *node, uint64_t token,
                                  struct pawl_bytes instance);

/* What CREATE said, when it did not make the instance. */
void pawl_request_answer_create_err(struct pawl_node *node, uint64_t token,
                                    struct pawl_bytes instance,
                                    const struct pawl_store_reply *reply);

#endif /* PAWL_ACTORS_REQUEST_START_H */
