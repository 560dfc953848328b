#include "base/rng.h"

#include <string.h>

#include "base/assert.h"

static uint64_t rotate_left(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

/* splitmix64: turns any seed, also 0, into a state that is not all zero. */
static uint64_t seed_next(uint64_t *seed)
{
    *seed += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t mixed = *seed;
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ mixed >> 31;
}

void pawl_rng_init(struct pawl_rng *rng, uint64_t seed)
{
    for (int i = 0; i < 4; i++) rng->state[i] = seed_next(&seed);
}

uint64_t pawl_rng_next(struct pawl_rng *rng)
{
    uint64_t *s = rng->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t pawl_rng_below(struct pawl_rng *rng, uint64_t bound)
{
    PAWL_ASSERT(bound > 0);
    /* 2^64 mod bound: numbers under it would make small results likelier. */
    uint64_t unfair = (UINT64_C(0) - bound) % bound;
    uint64_t number = pawl_rng_next(rng);
    while (number < unfair) number = pawl_rng_next(rng);
    return number % bound;
}

struct pawl_id pawl_rng_id(struct pawl_rng *rng)
{
    struct pawl_id id;
    uint64_t bits[2];
    do {
        bits[0] = pawl_rng_next(rng);
        bits[1] = pawl_rng_next(rng);
    } while (bits[0] == 0 && bits[1] == 0);
    /* Byte by byte, so that a seed gives the same ids on every machine. */
    for (size_t i = 0; i < sizeof id.bytes; i++) {
        id.bytes[i] = (uint8_t)(bits[i / 8] >> (8 * (i % 8)));
    }
    return id;
}
