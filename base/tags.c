#include "base/tags.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/codec.h"

/* Both as str with a header of five bytes at most, and the array's. */
#define TAGS_SIZE_MAX (PAWL_TAGS_MAX * (PAWL_TAG_KEY_SIZE_MAX + PAWL_TAG_VALUE_SIZE_MAX + 10u) + 5u)

/* The texts below say so. */
_Static_assert(PAWL_TAGS_MAX == 32 && PAWL_TAG_KEY_SIZE_MAX == 128
                   && PAWL_TAG_VALUE_SIZE_MAX == 256,
               "messages of tags");

static bool tags_have(const struct pawl_tags *tags, struct pawl_bytes key)
{
    for (uint32_t i = 0; i < tags->count; i++)
        if (pawl_bytes_is_equal(tags->items[i].key, key)) return true;
    return false;
}

static bool value_is_valid(struct pawl_bytes value)
{
    return value.size == 0 || pawl_name_is_valid(value, PAWL_TAG_VALUE_SIZE_MAX);
}

const char *pawl_tags_add(struct pawl_tags *tags, struct pawl_bytes key, struct pawl_bytes value)
{
    if (tags->count == PAWL_TAGS_MAX) return "too many tags: at most 32 are allowed";
    if (key.size == 0) return "a tag has no key; write key=value";
    if (!pawl_name_is_valid(key, PAWL_TAG_KEY_SIZE_MAX))
        return "a tag's key is not 1 to 128 bytes of UTF-8 without control characters";
    if (memchr(key.data, '=', key.size)) return "a tag's key contains '='";
    if (!value_is_valid(value))
        return "a tag's value is not 0 to 256 bytes of UTF-8 without control characters";
    if (tags_have(tags, key)) return "a tag's key is used twice";
    if (pawl_bytes_is_absent(value)) value = PAWL_BYTES_LITERAL("");
    tags->items[tags->count++] = (struct pawl_tag){ key, value };
    return NULL;
}

const char *pawl_tags_add_text(struct pawl_tags *tags, struct pawl_bytes text)
{
    const uint8_t *equals = text.size ? memchr(text.data, '=', text.size) : NULL;
    if (!equals) return pawl_tags_add(tags, text, PAWL_BYTES_LITERAL(""));
    size_t key_size = (size_t)(equals - text.data);
    return pawl_tags_add(tags, pawl_bytes_make(text.data, key_size),
                         pawl_bytes_make(equals + 1, text.size - key_size - 1));
}

struct pawl_bytes pawl_tags_pack(struct pawl_arena *arena, const struct pawl_tags *tags)
{
    if (tags->count == 0) return PAWL_BYTES_ABSENT;
    struct pawl_buf buf;
    pawl_buf_init(&buf, TAGS_SIZE_MAX);
    pawl_write_array(&buf, 2 * tags->count);
    for (uint32_t i = 0; i < tags->count; i++) {
        pawl_write_bytes(&buf, tags->items[i].key);
        pawl_write_bytes(&buf, tags->items[i].value);
    }
    PAWL_ASSERT(buf.bad == PAWL_OK);
    struct pawl_bytes bytes = pawl_arena_copy(arena, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
    return bytes;
}

pawl_err pawl_tags_unpack(struct pawl_bytes bytes, struct pawl_tags *ret_tags)
{
    ret_tags->count = 0;
    if (pawl_bytes_is_absent(bytes)) return PAWL_OK;
    struct pawl_reader reader;
    pawl_reader_init(&reader, bytes);
    uint32_t texts = pawl_read_array(&reader, 2 * PAWL_TAGS_MAX);
    if (texts == 0 || texts % 2 != 0) return PAWL_E_CORRUPT;
    for (uint32_t i = 0; i < texts; i += 2) {
        struct pawl_bytes key = pawl_read_bytes(&reader);
        struct pawl_bytes value = pawl_read_bytes(&reader);
        if (pawl_bytes_is_absent(value) || pawl_tags_add(ret_tags, key, value))
            return PAWL_E_CORRUPT;
    }
    return pawl_reader_finish(&reader) == PAWL_OK ? PAWL_OK : PAWL_E_CORRUPT;
}

static bool tags_have_pair(const struct pawl_tags *tags, const struct pawl_tag *wanted)
{
    for (uint32_t i = 0; i < tags->count; i++)
        if (pawl_bytes_is_equal(tags->items[i].key, wanted->key)
            && pawl_bytes_is_equal(tags->items[i].value, wanted->value))
            return true;
    return false;
}

bool pawl_tags_hold(struct pawl_bytes tags, struct pawl_bytes wanted)
{
    struct pawl_tags have, want;
    if (pawl_bytes_is_absent(wanted)) return true;
    if (pawl_tags_unpack(wanted, &want) != PAWL_OK) return false;
    if (pawl_tags_unpack(tags, &have) != PAWL_OK) return false;
    for (uint32_t i = 0; i < want.count; i++)
        if (!tags_have_pair(&have, &want.items[i])) return false;
    return true;
}
