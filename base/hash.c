#include "base/hash.h"

#include <sodium.h>
#include <string.h>

#include "base/assert.h"

_Static_assert(crypto_shorthash_KEYBYTES == 16, "SipHash key");
_Static_assert(crypto_generichash_BYTES_MIN <= 16, "BLAKE2b-128 must be offered");

/* Little-endian on every machine: the results are stored and compared. */
static uint64_t load_u64(const uint8_t bytes[8])
{
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--) value = value << 8 | bytes[i];
    return value;
}

static void store_u64(uint8_t bytes[8], uint64_t value)
{
    for (int i = 0; i < 8; i++, value >>= 8) bytes[i] = (uint8_t)value;
}

uint64_t pawl_hash_keyed(const uint8_t key[16], struct pawl_bytes bytes)
{
    uint8_t out[crypto_shorthash_BYTES];
    crypto_shorthash(out, bytes.data, bytes.size, key);
    return load_u64(out);
}

uint64_t pawl_hash_stable(struct pawl_bytes bytes)
{
    uint8_t out[16];
    int rc = crypto_generichash(out, sizeof out, bytes.data, bytes.size, NULL, 0);
    PAWL_ASSERT(rc == 0);
    return load_u64(out);
}

static void hash_part(crypto_generichash_state *state, struct pawl_bytes part)
{
    uint8_t size[8];
    store_u64(size, part.size);
    int rc = crypto_generichash_update(state, size, sizeof size);
    PAWL_ASSERT(rc == 0);
    rc = crypto_generichash_update(state, part.data, part.size);
    PAWL_ASSERT(rc == 0);
}

struct pawl_id pawl_hash_id(struct pawl_bytes a, struct pawl_bytes b)
{
    struct pawl_id id;
    crypto_generichash_state state;
    int rc = crypto_generichash_init(&state, NULL, 0, sizeof id.bytes);
    PAWL_ASSERT(rc == 0);
    hash_part(&state, a);
    hash_part(&state, b);
    rc = crypto_generichash_final(&state, id.bytes, sizeof id.bytes);
    PAWL_ASSERT(rc == 0);
    return id;
}

uint32_t pawl_hash_partition(struct pawl_bytes instance, uint32_t count)
{
    PAWL_ASSERT(count > 0);
    return (uint32_t)(pawl_hash_stable(instance) % count);
}
