/* Tags: pairs of key and value that a workflow instance is given at its start and found
 * by later. As bytes they are a msgpack array of texts: key, value, key, value, …, which
 * the Lua scripts of the Redis store read as well. */
#ifndef PAWL_BASE_TAGS_H
#define PAWL_BASE_TAGS_H

#include "base/arena.h"
#include "base/limits.h"
#include "pawl/err.h"
#include "pawl/types.h"

struct pawl_tag {
    struct pawl_bytes key;
    struct pawl_bytes value; /* may be empty, never absent */
};

struct pawl_tags {
    uint32_t count;
    struct pawl_tag items[PAWL_TAGS_MAX];
};

/* Append one. NULL, or what is wrong with it, for a person: the key empty, too long, with
 * a '=' or used twice, the value too long, text that is none, one tag too many. */
const char *pawl_tags_add(struct pawl_tags *tags, struct pawl_bytes key, struct pawl_bytes value);

/* As pawl_tags_add with "key=value"; a text without '=' is a key with an empty value. */
const char *pawl_tags_add_text(struct pawl_tags *tags, struct pawl_bytes text);

/* Encoded, in `arena`; absent when there are none. */
struct pawl_bytes pawl_tags_pack(struct pawl_arena *arena, const struct pawl_tags *tags);

/* Absent bytes are no tags. The texts point into `bytes`. PAWL_E_CORRUPT unless every tag
 * is one that pawl_tags_add takes. */
PAWL_MUST_USE pawl_err pawl_tags_unpack(struct pawl_bytes bytes, struct pawl_tags *ret_tags);

/* Whether every one of `wanted` is among `tags`, both encoded. Bytes that cannot be read
 * hold nothing, and are held by nothing. */
bool pawl_tags_hold(struct pawl_bytes tags, struct pawl_bytes wanted);

#endif /* PAWL_BASE_TAGS_H */
