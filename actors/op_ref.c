#include "actors/op_ref.h"

#include "base/bytes.h"

struct pawl_op_ref pawl_op_ref_copy(struct pawl_arena *arena, const struct pawl_op_ref *ref)
{
    struct pawl_op_ref copy = *ref;
    copy.instance = pawl_arena_copy(arena, ref->instance);
    return copy;
}

struct pawl_op_ref pawl_op_ref_of_run(const struct pawl_peer_run *run)
{
    return (struct pawl_op_ref){ .instance = run->instance,
                                 .inc = run->inc,
                                 .gen = run->gen,
                                 .op = { 'a', run->op_id },
                                 .nonce = run->nonce };
}

struct pawl_op_ref pawl_op_ref_of_find(const struct pawl_peer_find *find)
{
    return (struct pawl_op_ref){
        .instance = find->instance, .inc = find->inc, .gen = find->gen, .nonce = find->nonce
    };
}
