/* Deep copies of requests, for adapters: submit must not keep the caller's memory. */
#ifndef PAWL_STATE_COPY_H
#define PAWL_STATE_COPY_H

#include "state/store.h"

/* Everything the request points to is copied into `arena`. */
void pawl_store_request_copy(struct pawl_arena *arena, const struct pawl_store_request *request,
                             struct pawl_store_request *ret_copy);

#endif /* PAWL_STATE_COPY_H */
