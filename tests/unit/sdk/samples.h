/* Samples: one history event of each kind and one frame of each type, with every
 * field that has a meaning there set to something of its own. The golden bytes and
 * the fuzz corpora are made of them, so a change here must not change old ones. */
#ifndef PAWL_TESTS_SAMPLES_H
#define PAWL_TESTS_SAMPLES_H

#include "sdk/frames.h"

#define PAWL_SAMPLE_TIME_MS INT64_C(1700000000123)

/* 16 bytes: first, first + 1, … */
struct pawl_id pawl_sample_id(uint8_t first);

struct pawl_failure_view pawl_sample_failure(void);

/* `kind` must be one. */
struct pawl_history_event pawl_sample_event(int kind);

/* `type` must be one. What the frame points to lives in the arena or is static. */
struct pawl_frame pawl_sample_frame(int type, struct pawl_arena *arena);

/* One request that passes pawl_request_check, per op. */
struct pawl_request pawl_sample_request(int op);

#endif /* PAWL_TESTS_SAMPLES_H */
