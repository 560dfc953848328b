#include "sidecar/grpc_capabilities.h"

/* The dialects' numbers. */
enum {
    MICROSOFT_HISTORY_STREAMING = 1,
    DAPR_STATEFUL_HISTORY = 2,
    DAPR_HEALTH_PING = 3,
};

static bool has_number(size_t count, const int32_t *numbers, int32_t number)
{
    for (size_t i = 0; i < count; i++)
        if (numbers[i] == number) return true;
    return false;
}

struct pawl_grpc_capabilities pawl_grpc_capabilities_of(enum pawl_dialect dialect,
                                                        const Pawl__GetWorkItemsRequest *request)
{
    if (dialect == PAWL_DIALECT_MICROSOFT)
        return (struct pawl_grpc_capabilities){
            .wants_pings = true, /* it leaves a silent stream */
            .streams_histories =
                has_number(request->n_microsoft_capabilities, request->microsoft_capabilities,
                           MICROSOFT_HISTORY_STREAMING),
        };
    size_t count = request->n_dapr_capabilities;
    return (struct pawl_grpc_capabilities){
        .wants_pings = has_number(count, request->dapr_capabilities, DAPR_HEALTH_PING),
        .holds_histories = has_number(count, request->dapr_capabilities, DAPR_STATEFUL_HISTORY),
    };
}
