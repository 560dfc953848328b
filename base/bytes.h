/* Bytes: helpers on views (pawl/types.h). A view never owns what it shows. */
#ifndef PAWL_BASE_BYTES_H
#define PAWL_BASE_BYTES_H

#include <string.h>

#include "pawl/types.h"

/* A view of a string literal, without its final 0. */
#define PAWL_BYTES_LITERAL(text) \
    ((struct pawl_bytes){ (const uint8_t *)("" text), sizeof(text) - 1 })

#define PAWL_BYTES_ABSENT ((struct pawl_bytes){ NULL, 0 })

/* A printf argument pair for "%.*s". */
#define PAWL_BYTES_FMT(b) (int)(b).size, (b).size ? (const char *)(b).data : ""

static inline struct pawl_bytes pawl_bytes_make(const void *data, size_t size)
{
    return (struct pawl_bytes){ (const uint8_t *)data, size };
}

/* A view of a C string; absent for NULL. */
static inline struct pawl_bytes pawl_bytes_str(const char *text)
{
    if (!text) return PAWL_BYTES_ABSENT;
    return pawl_bytes_make(text, strlen(text));
}

static inline bool pawl_bytes_is_absent(struct pawl_bytes bytes)
{
    return bytes.data == NULL;
}

/* Same content; absent equals only absent. */
static inline bool pawl_bytes_is_equal(struct pawl_bytes a, struct pawl_bytes b)
{
    if (!a.data || !b.data) return a.data == b.data;
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool pawl_bytes_is_str(struct pawl_bytes a, const char *text)
{
    return pawl_bytes_is_equal(a, pawl_bytes_str(text));
}

/* As pawl_bytes_is_equal, for secrets: it takes the same time wherever the two differ;
 * only their sizes show. */
bool pawl_bytes_is_equal_secret(struct pawl_bytes a, struct pawl_bytes b);

/* Order as memcmp, a prefix first: the order Redis gives members of a zset. */
static inline int pawl_bytes_compare(struct pawl_bytes a, struct pawl_bytes b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common ? memcmp(a.data, b.data, common) : 0;
    if (order != 0) return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

static inline bool pawl_bytes_starts_with(struct pawl_bytes bytes, struct pawl_bytes prefix)
{
    return bytes.size >= prefix.size
           && (prefix.size == 0 || memcmp(bytes.data, prefix.data, prefix.size) == 0);
}

static inline bool pawl_id_is_equal(struct pawl_id a, struct pawl_id b)
{
    return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

static inline bool pawl_id_is_zero(struct pawl_id id)
{
    return pawl_id_is_equal(id, (struct pawl_id){ { 0 } });
}

/* 32 lower-case hex digits and a final 0. */
#define PAWL_ID_TEXT_SIZE 33u
void pawl_id_format(struct pawl_id id, char ret_text[PAWL_ID_TEXT_SIZE]);

/* False when `text` is not exactly 32 hex digits. */
bool pawl_id_parse(struct pawl_bytes text, struct pawl_id *ret_id);

/* True for well-formed UTF-8 (no overlong form, no surrogate, <= U+10FFFF). */
bool pawl_utf8_is_valid(struct pawl_bytes text);

/* True for what may name an instance or a workflow: 1 to `size_max` bytes of
 * UTF-8 without control characters (U+0000..U+001F, U+007F..U+009F). */
bool pawl_name_is_valid(struct pawl_bytes text, size_t size_max);

/* True for what may be an app's id: 1 to PAWL_APP_ID_SIZE_MAX letters, digits, - _ and
 * dots. */
bool pawl_app_id_is_valid(struct pawl_bytes id);

#endif /* PAWL_BASE_BYTES_H */
