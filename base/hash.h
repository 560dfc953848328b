/* Hash: keyed and fixed hashes (libsodium). */
#ifndef PAWL_BASE_HASH_H
#define PAWL_BASE_HASH_H

#include "pawl/types.h"

/* SipHash-2-4 of `bytes` under a 16-byte key. */
uint64_t pawl_hash_keyed(const uint8_t key[16], struct pawl_bytes bytes);

/* BLAKE2b, shortened to 64 bits: stable for ever, used where the value is stored
 * or must be the same on every machine (partitions, op nonces, derived ids). */
uint64_t pawl_hash_stable(struct pawl_bytes bytes);

/* BLAKE2b-128 of two parts, length-prefixed so that they cannot be shifted. */
struct pawl_id pawl_hash_id(struct pawl_bytes a, struct pawl_bytes b);

/* The partition of an instance: hash_stable(instance) mod count. count > 0. */
uint32_t pawl_hash_partition(struct pawl_bytes instance, uint32_t count);

#endif /* PAWL_BASE_HASH_H */
