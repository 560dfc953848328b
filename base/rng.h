/* Rng: a seeded generator (xoshiro256**). Same seed, same numbers. Not secret:
 * tokens that guard something come from libsodium in an io/ file. */
#ifndef PAWL_BASE_RNG_H
#define PAWL_BASE_RNG_H

#include "pawl/types.h"

struct pawl_rng {
    uint64_t state[4];
};

void pawl_rng_init(struct pawl_rng *rng, uint64_t seed);
uint64_t pawl_rng_next(struct pawl_rng *rng);

/* Uniform in [0, bound); bound > 0. */
uint64_t pawl_rng_below(struct pawl_rng *rng, uint64_t bound);

/* Never all zero. */
struct pawl_id pawl_rng_id(struct pawl_rng *rng);

#endif /* PAWL_BASE_RNG_H */
