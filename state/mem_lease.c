#include "base/assert.h"
#include "base/bytes.h"
#include "state/lease.h"

static struct pawl_bytes holder_of(const struct pawl_mem_lease *lease)
{
    return pawl_bytes_make(lease->holder, lease->holder_size);
}

/* A clock that was set back must not keep a dead holder in place: nobody has more time
 * left than was asked for. */
static void end_bound(struct pawl_mem_lease *lease, uint32_t ttl_ms, int64_t now_ms)
{
    if (lease->until_ms > now_ms + ttl_ms) lease->until_ms = now_ms + ttl_ms;
}

static uint32_t epoch_next(uint32_t epoch, int64_t now_ms)
{
    int64_t seconds = now_ms / 1000 - PAWL_LEASE_EPOCH_ZERO_S;
    return seconds > epoch ? (uint32_t)seconds : epoch + 1;
}

static void take(struct pawl_mem_lease *lease, const struct pawl_lease_request *request,
                 int64_t now_ms, struct pawl_lease_reply *reply)
{
    end_bound(lease, request->ttl_ms, now_ms);
    bool is_free = lease->until_ms <= now_ms;
    bool is_mine = pawl_bytes_is_equal(holder_of(lease), request->holder);
    if (!is_free && !is_mine) {
        reply->err = PAWL_E_CONFLICT;
        reply->epoch = lease->epoch;
        reply->holder = holder_of(lease);
        reply->address = pawl_bytes_make(lease->address, lease->address_size);
        reply->remaining_ms = (uint32_t)(lease->until_ms - now_ms);
        return;
    }
    if (is_free) lease->epoch = epoch_next(lease->epoch, now_ms);
    lease->until_ms = now_ms + request->ttl_ms;
    lease->holder_size = (uint8_t)request->holder.size;
    lease->address_size = (uint16_t)request->address.size;
    memcpy(lease->holder, request->holder.data, request->holder.size);
    memcpy(lease->address, request->address.data, request->address.size);
    reply->epoch = lease->epoch;
}

void pawl_mem_lease_apply(struct pawl_mem_lease *lease, const struct pawl_lease_request *request,
                          int64_t now_ms, struct pawl_lease_reply *ret_reply)
{
    PAWL_ASSERT(request->holder.size > 0);
    PAWL_ASSERT(request->holder.size <= sizeof lease->holder);
    PAWL_ASSERT(request->address.size > 0);
    PAWL_ASSERT(request->address.size <= sizeof lease->address);
    *ret_reply = (struct pawl_lease_reply){ .token = request->token };
    if (request->op == PAWL_LEASE_TAKE) {
        take(lease, request, now_ms, ret_reply);
        return;
    }
    bool is_mine = pawl_bytes_is_equal(holder_of(lease), request->holder);
    if (is_mine)
        lease->until_ms = 0;
    else
        ret_reply->err = PAWL_E_CONFLICT;
}
