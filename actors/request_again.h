/* The management call that runs again what has ended, from a call of its history. */
#ifndef PAWL_ACTORS_REQUEST_AGAIN_H
#define PAWL_ACTORS_REQUEST_AGAIN_H

#include "actors/node_internal.h"

/* RERUN from an event. The history is read page by page, cut (actors/again.h), and is the seed
 * of the new instance: one CREATE, so there is nothing in between. */
void pawl_request_rerun_from(struct pawl_node *node, uint64_t token,
                             const struct pawl_request *request);

#endif /* PAWL_ACTORS_REQUEST_AGAIN_H */
