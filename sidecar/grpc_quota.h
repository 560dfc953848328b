/* Grpc quota: how many turns, or activities, one stream of work may have. Used by
 * grpc_worker.c. */
#ifndef PAWL_SIDECAR_GRPC_QUOTA_H
#define PAWL_SIDECAR_GRPC_QUOTA_H

#include "sidecar/grpc.h"

struct pawl_grpc_quota {
    uint32_t max;
    uint32_t credit; /* granted, not yet used */
    uint32_t held;   /* items in the worker's hands */
};

/* What a worker takes that asked for `wanted` (0: it did not say). */
uint32_t pawl_grpc_quota_max(int32_t wanted, const struct pawl_grpc_call *call);

/* An item is handed out; there must be credit for it. */
void pawl_grpc_quota_use(struct pawl_grpc_quota *quota);

/* Credit that may be granted on top, so that there is `usual` of it, or less when the
 * stream's hands are full. */
uint32_t pawl_grpc_quota_grant(struct pawl_grpc_quota *quota, uint32_t usual);

#endif /* PAWL_SIDECAR_GRPC_QUOTA_H */
