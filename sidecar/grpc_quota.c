#include "sidecar/grpc_quota.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"

/* Dapr's JavaScript worker drops what is above 110 items of both kinds, and does not say
 * so. */
static uint32_t quota_usual(const struct pawl_grpc_call *call)
{
    struct pawl_bytes agent = pawl_grpc_metadata_find(call->metadata, "user-agent");
    bool drops = pawl_bytes_starts_with(agent, PAWL_BYTES_LITERAL("dapr-js-sdk/"));
    return drops ? PAWL_GRPC_WORK_ITEMS_MAX_JS : PAWL_GRPC_WORK_ITEMS_MAX;
}

uint32_t pawl_grpc_quota_max(int32_t wanted, const struct pawl_grpc_call *call)
{
    uint32_t usual = quota_usual(call);
    return wanted > 0 && (uint32_t)wanted < usual ? (uint32_t)wanted : usual;
}

void pawl_grpc_quota_use(struct pawl_grpc_quota *quota)
{
    PAWL_ASSERT(quota->credit > 0);
    quota->credit--;
    quota->held++;
}

uint32_t pawl_grpc_quota_grant(struct pawl_grpc_quota *quota, uint32_t usual)
{
    uint32_t taken = quota->held + quota->credit;
    uint32_t room = taken < quota->max ? quota->max - taken : 0;
    uint32_t wanted = usual - quota->credit;
    uint32_t granted = wanted < room ? wanted : room;
    quota->credit += granted;
    return granted;
}
