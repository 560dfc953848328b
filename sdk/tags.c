#include "sdk/tags.h"

#include "base/bytes.h"

const char *pawl_instance_tags_pack(struct pawl_arena *arena, size_t count,
                                    const struct pawl_instance_tag *tags,
                                    struct pawl_bytes *ret_bytes)
{
    struct pawl_tags packed = { .count = 0 };
    for (size_t i = 0; i < count; i++) {
        const char *wrong =
            pawl_tags_add(&packed, pawl_bytes_str(tags[i].key), pawl_bytes_str(tags[i].value));
        if (wrong) return wrong;
    }
    *ret_bytes = pawl_tags_pack(arena, &packed);
    return NULL;
}
