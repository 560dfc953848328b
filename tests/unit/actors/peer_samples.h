/* Samples: one peer frame of each type with every field set to something of its own.
 * The golden bytes and the fuzz corpus are made of them, so a change here must not
 * change old ones. */
#ifndef PAWL_TESTS_PEER_SAMPLES_H
#define PAWL_TESTS_PEER_SAMPLES_H

#include "actors/peer_frames.h"

/* `type` must be one. What the frame points to lives in the arena or is static. */
struct pawl_peer_frame pawl_sample_peer_frame(int type, struct pawl_arena *arena);

#endif /* PAWL_TESTS_PEER_SAMPLES_H */
