/* Op ref: which operation of which run of an instance. An activity, a child's call and their
 * results name it; ids begin anew with a generation, and a nonce tells calls of one id apart. */
#ifndef PAWL_ACTORS_OP_REF_H
#define PAWL_ACTORS_OP_REF_H

#include "actors/peer_frames.h"
#include "state/store.h"

struct pawl_op_ref {
    struct pawl_bytes instance; /* borrowed */
    struct pawl_id inc;
    uint32_t gen;
    struct pawl_op op;
    uint64_t nonce;
};

/* The same, with its instance's id in the arena. */
struct pawl_op_ref pawl_op_ref_copy(struct pawl_arena *arena, const struct pawl_op_ref *ref);

/* The activity that a RUN, or its RESULT, is about. */
struct pawl_op_ref pawl_op_ref_of_run(const struct pawl_peer_run *run);

/* The activity that a sidecar looks for. */
struct pawl_op_ref pawl_op_ref_of_find(const struct pawl_peer_find *find);

#endif /* PAWL_ACTORS_OP_REF_H */
