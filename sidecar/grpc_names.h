/* Grpc names: what a worker's filters ask for, as registrations. Used by grpc_worker.c. */
#ifndef PAWL_SIDECAR_GRPC_NAMES_H
#define PAWL_SIDECAR_GRPC_NAMES_H

#include "base/arena.h"
#include "sdk/frames.h"
#include "sidecar/proto/durabletask.pb-c.h"

/* At most PAWL_HELLO_NAMES_MAX names and versions, each a name. */
bool pawl_grpc_names_are_valid(size_t count, Pawl__Name *const *names);

/* One registration for each version of a name; for a name without, one for all versions. */
struct pawl_registration *pawl_grpc_names_copy(struct pawl_arena *arena, size_t count,
                                               Pawl__Name *const *names, uint32_t *ret_count);

#endif /* PAWL_SIDECAR_GRPC_NAMES_H */
