/* Random requests that mostly make sense: their fences, incarnations, commit ids and
 * inbox positions come from the reference store, now and then spoiled. */
#ifndef PAWL_TESTS_CONFORMANCE_REDIS_RANDOM_H
#define PAWL_TESTS_CONFORMANCE_REDIS_RANDOM_H

#include "base/rng.h"
#include "state/mem.h"

#define REDIS_RANDOM_INSTANCES 6
extern const char *const redis_random_instances[REDIS_RANDOM_INSTANCES];

struct redis_random {
    struct pawl_rng rng;
    struct pawl_mem *mem; /* looked at, never changed by the generator */
    int64_t now_ms;
    struct pawl_fence fences[4];
};

void redis_random_init(struct redis_random *random, uint64_t seed, struct pawl_mem *mem);

/* The request points into `arena`. */
void redis_random_next(struct redis_random *random, struct pawl_arena *arena,
                       struct pawl_store_request *ret_request);

/* The generator learns the epochs. */
void redis_random_learn(struct redis_random *random, const struct pawl_store_request *request,
                        const struct pawl_store_reply *reply);

#endif /* PAWL_TESTS_CONFORMANCE_REDIS_RANDOM_H */
