/* Rewind: an instance that has failed goes on from before the calls that failed. */
#ifndef PAWL_ACTORS_REQUEST_REWIND_H
#define PAWL_ACTORS_REQUEST_REWIND_H

#include "actors/node_internal.h"

/* REWIND. The history is read page by page, cut (actors/again.h), and goes into one inbox row,
 * which replaces it and sets the instance going in the same step (DELIVER in state/store.h). */
void pawl_request_rewind(struct pawl_node *node, uint64_t token,
                         const struct pawl_request *request);

/* PAWL_OK: it goes on. PAWL_E_DUPLICATE: this request did it before. PAWL_E_STATE: it has not
 * failed. Else as the store says, PAWL_E_TOO_LARGE or PAWL_E_CORRUPT. */
typedef void pawl_rewind_on_done(struct pawl_node *node, struct pawl_id message, pawl_err err);

/* The same to a child, for a message of its parent. */
void pawl_rewind_child(struct pawl_node *node, struct pawl_bytes instance, struct pawl_id message,
                       pawl_rewind_on_done *on_done);

#endif /* PAWL_ACTORS_REQUEST_REWIND_H */
