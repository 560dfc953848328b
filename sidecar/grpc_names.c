#include "sidecar/grpc_names.h"

#include "base/bytes.h"
#include "base/limits.h"
#include "sidecar/protobuf.h"

static size_t names_count(size_t count, Pawl__Name *const *names)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) total += names[i]->n_versions ? names[i]->n_versions : 1;
    return total;
}

struct pawl_registration *pawl_grpc_names_copy(struct pawl_arena *arena, size_t count,
                                               Pawl__Name *const *names, uint32_t *ret_count)
{
    struct pawl_registration *copy =
        PAWL_ARENA_ARRAY(arena, struct pawl_registration, names_count(count, names));
    *ret_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct pawl_bytes name = pawl_arena_copy(arena, pawl_protobuf_bytes(names[i]->name));
        if (names[i]->n_versions == 0) copy[(*ret_count)++].name = name;
        for (size_t j = 0; j < names[i]->n_versions; j++) {
            struct pawl_bytes version = pawl_protobuf_bytes(names[i]->versions[j]);
            copy[*ret_count].name = name;
            /* An empty one, of no version, is taken for all: the worker judges for itself. */
            if (version.size) copy[*ret_count].version = pawl_arena_copy(arena, version);
            (*ret_count)++;
        }
    }
    return copy;
}

bool pawl_grpc_names_are_valid(size_t count, Pawl__Name *const *names)
{
    if (names_count(count, names) > PAWL_HELLO_NAMES_MAX) return false;
    for (size_t i = 0; i < count; i++) {
        if (!pawl_name_is_valid(pawl_protobuf_bytes(names[i]->name), PAWL_NAME_SIZE_MAX))
            return false;
        for (size_t j = 0; j < names[i]->n_versions; j++) {
            struct pawl_bytes version = pawl_protobuf_bytes(names[i]->versions[j]);
            if (version.size && !pawl_name_is_valid(version, PAWL_NAME_SIZE_MAX)) return false;
        }
    }
    return true;
}
