/* Redis servers that belong together: a cluster, or a master with replica and sentinels;
 * certificates for those that speak TLS. */
#ifndef PAWL_TESTS_CONFORMANCE_REDIS_GROUP_H
#define PAWL_TESTS_CONFORMANCE_REDIS_GROUP_H

#include "redis_server.h"

#define REDIS_GROUP_SHARDS    3u
#define REDIS_GROUP_SENTINELS 3u
#define REDIS_GROUP_REPLICAS  2u /* of the master that sentinels watch */
#define REDIS_GROUP_MAX       6u

struct redis_group {
    struct redis_server servers[REDIS_GROUP_MAX];
    uint32_t count;
    struct redis_server sentinels[REDIS_GROUP_SENTINELS];
    uint32_t sentinels_count;
    char lines[4][128]; /* of the sentinels' configuration */
    char url[512];      /* as --store takes it, without parameters */
};

/* Three masters, each with a replica when `replicas`: servers 0 to 2 are the masters, 3 to
 * 5 the replicas of 0 to 2. `args` are further options for all of them, TLS with `kind`. */
void redis_group_start_cluster(struct redis_group *group, enum redis_server_kind kind,
                               bool replicas, const char *const *args);

/* Server 0 is the master "pawl", the others its replicas, and three sentinels watch. */
void redis_group_start_sentinel(struct redis_group *group, const char *const *args);

/* From now on a server that is silent for some seconds is replaced; until then one that
 * is slow, on a busy machine, is left alone. For tests that take one away. */
void redis_group_replace_soon(const struct redis_group *group);

void redis_group_stop(struct redis_group *group);

/* False for one that does not run. */
bool redis_group_is_master(const struct redis_group *group, uint32_t index);

/* The server that is the master of this slot, once all that run agree on it. */
uint32_t redis_group_slot_owner(const struct redis_group *group, uint16_t slot);

/* Waits until all know that `owner` has it, and each other's newest epoch. Needed before the
 * slot is passed on. */
void redis_group_slot_settle(const struct redis_group *group, uint16_t slot, uint32_t owner);

/* In the three steps of a slot's way, so that a test can look in between. */
void redis_group_slot_begin(const struct redis_group *group, uint16_t slot, uint32_t from,
                            uint32_t to);
/* At most `count` keys; how many there were. */
uint32_t redis_group_slot_move_keys(const struct redis_group *group, uint16_t slot, uint32_t from,
                                    uint32_t to, uint32_t count);
void redis_group_slot_end(const struct redis_group *group, uint16_t slot, uint32_t from,
                          uint32_t to);

/* Certificates ----------------------------------------------------------------- */

struct redis_certificates {
    char folder[64];
    char ca[96];
    char cert[96]; /* for localhost and 127.0.0.1 */
    char key[96];
    char other[96]; /* for another host, same key */
    char expired[96];
    char other_ca[96];
};

/* Made by the openssl command. False when it is not installed; says so. */
bool redis_certificates_make(struct redis_certificates *certificates);
void redis_certificates_remove(const struct redis_certificates *certificates);

#endif /* PAWL_TESTS_CONFORMANCE_REDIS_GROUP_H */
