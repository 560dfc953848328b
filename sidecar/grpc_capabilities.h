/* Grpc capabilities: what a worker can do, as it says when its stream begins. */
#ifndef PAWL_SIDECAR_GRPC_CAPABILITIES_H
#define PAWL_SIDECAR_GRPC_CAPABILITIES_H

#include "sidecar/durabletask.h"

struct pawl_grpc_capabilities {
    bool holds_histories;   /* it need not be sent the same again */
    bool streams_histories; /* it fetches a long past itself */
    bool wants_pings;
};

struct pawl_grpc_capabilities pawl_grpc_capabilities_of(enum pawl_dialect dialect,
                                                        const Pawl__GetWorkItemsRequest *request);

#endif /* PAWL_SIDECAR_GRPC_CAPABILITIES_H */
