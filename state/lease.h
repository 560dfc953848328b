/* Lease: who leads, agreed on in the store. The second, small port of this layer.
 *
 * A lease has a name, a holder and an end by the store's clock. Taking it, renewing it and
 * asking who holds it are one atomic operation. Each time it passes to a holder it gets an
 * epoch above every earlier one, so what a holder does can be told from what an earlier
 * one did. The epoch is the store's time in seconds since 2020, or one more than the last:
 * so it grows also over a store that lost the lease.
 *
 * A holder counts its time from before it asked, by its own clock, and so knows the end
 * before anybody else can take over (placement/leader.h).
 */
#ifndef PAWL_STATE_LEASE_H
#define PAWL_STATE_LEASE_H

#include "pawl/err.h"
#include "pawl/types.h"

#define PAWL_LEASE_EPOCH_ZERO_S INT64_C(1577836800) /* 2020-01-01T00:00:00Z */

#define PAWL_LEASE_NAME_SIZE_MAX   64u
#define PAWL_LEASE_HOLDER_SIZE_MAX 64u

enum pawl_lease_op {
    PAWL_LEASE_TAKE = 1, /* or renew */
    PAWL_LEASE_RELEASE,  /* if held; the next TAKE of anybody succeeds */
};

struct pawl_lease_request {
    enum pawl_lease_op op;
    uint64_t token;            /* comes back in the reply */
    struct pawl_bytes holder;  /* random, new with each process */
    struct pawl_bytes address; /* told to those who ask while it is held */
    uint32_t ttl_ms;
};

/* TAKE:    OK epoch | CONFLICT epoch, holder, address, remaining_ms: another one holds it
 * RELEASE: OK | CONFLICT: not held by this holder
 * Both:    UNAVAILABLE: nothing was done; UNKNOWN: perhaps; message says why */
struct pawl_lease_reply {
    uint64_t token;
    pawl_err err;
    uint32_t epoch;
    struct pawl_bytes holder;
    struct pawl_bytes address;
    uint32_t remaining_ms;
    struct pawl_bytes message;
};

typedef void pawl_lease_on_reply(void *context, const struct pawl_lease_reply *reply);

struct pawl_lease;

struct pawl_lease_ops {
    /* Exactly one reply, never from inside submit. Everything in the request is copied. */
    void (*submit)(struct pawl_lease *lease, const struct pawl_lease_request *request);
    /* No reply comes after this. */
    void (*close)(struct pawl_lease *lease);
};

struct pawl_lease {
    const struct pawl_lease_ops *ops;
};

/* The reference: what the store does, as a value. All zero is a lease never taken. */
struct pawl_mem_lease {
    uint32_t epoch;
    int64_t until_ms;
    uint8_t holder_size;
    uint16_t address_size;
    uint8_t holder[PAWL_LEASE_HOLDER_SIZE_MAX];
    uint8_t address[256];
};

/* One operation at `now_ms` of the store's clock (Unix time). The views in the reply point
 * into the lease. */
void pawl_mem_lease_apply(struct pawl_mem_lease *lease, const struct pawl_lease_request *request,
                          int64_t now_ms, struct pawl_lease_reply *ret_reply);

#endif /* PAWL_STATE_LEASE_H */
