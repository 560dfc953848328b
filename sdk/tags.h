/* The tags that user code gives, encoded. */
#ifndef PAWL_SDK_TAGS_H
#define PAWL_SDK_TAGS_H

#include "base/tags.h"
#include "pawl/value.h"

/* NULL and *ret_bytes, absent when there are none; or what is wrong with one of them, for a
 * person. */
const char *pawl_instance_tags_pack(struct pawl_arena *arena, size_t count,
                                    const struct pawl_instance_tag *tags,
                                    struct pawl_bytes *ret_bytes);

#endif /* PAWL_SDK_TAGS_H */
