/* Slots: which server of a Redis Cluster holds which key. Pure. */
#ifndef PAWL_STATE_IO_REDIS_SLOTS_H
#define PAWL_STATE_IO_REDIS_SLOTS_H

#include "state/io/redis_url.h"
#include "state/io/redis_value.h"

#define PAWL_REDIS_SLOTS 16384u

/* The slot of a key: of its hash tag when it has one ({…} with something in it). */
uint16_t pawl_redis_slot(struct pawl_bytes key);

#define PAWL_REDIS_SLOT_NOBODY UINT16_MAX

/* About a megabyte: never on the stack. */
struct pawl_redis_slots {
    uint32_t nodes_count; /* masters and replicas */
    struct pawl_redis_address nodes[PAWL_REDIS_NODES_MAX];
    uint16_t masters[PAWL_REDIS_SLOTS]; /* index in nodes, or PAWL_REDIS_SLOT_NOBODY */
};

/* Takes a reply to CLUSTER SLOTS. `host` is where it was asked: a server that does not
 * know its own name means that one. PAWL_E_PROTOCOL: it is not such a reply. */
PAWL_MUST_USE pawl_err pawl_redis_slots_parse(const struct pawl_redis_value *value,
                                              const char *host, struct pawl_redis_slots *slots);

/* The address in "MOVED 3999 127.0.0.1:6381"; `host` as above. */
PAWL_MUST_USE pawl_err pawl_redis_moved_parse(struct pawl_bytes text, const char *host,
                                              struct pawl_redis_address *ret_address);

#endif /* PAWL_STATE_IO_REDIS_SLOTS_H */
