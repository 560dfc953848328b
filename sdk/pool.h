/* Pool: memory that belongs to one workflow instance and dies with it.
 *
 * Unlike base/arena this may fail: the SDK lives in somebody else's process and takes
 * memory from that process's allocator. Every block ends up in one list; small pieces
 * share blocks.
 */
#ifndef PAWL_SDK_POOL_H
#define PAWL_SDK_POOL_H

#include <stdarg.h>

#include "pawl/value.h"

struct pawl_pool_block;

struct pawl_pool {
    const struct pawl_allocator *allocator;
    struct pawl_pool_block *blocks;
    uint8_t *next; /* free bytes of the present block */
    size_t left;
};

void pawl_pool_init(struct pawl_pool *pool, const struct pawl_allocator *allocator);
void pawl_pool_deinit(struct pawl_pool *pool);

/* Zeroed, aligned for any type; NULL: no memory. */
void *pawl_pool_alloc(struct pawl_pool *pool, size_t size);

/* A copy with a 0 byte behind it. Absent stays absent. False: no memory. */
PAWL_MUST_USE bool pawl_pool_copy(struct pawl_pool *pool, struct pawl_bytes bytes,
                                  struct pawl_bytes *ret_copy);

/* The bytes as a C string, "" when absent; NULL: no memory. */
char *pawl_pool_text(struct pawl_pool *pool, struct pawl_bytes bytes);

char *pawl_pool_vformat(struct pawl_pool *pool, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
char *pawl_pool_format(struct pawl_pool *pool, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define PAWL_POOL_NEW(pool, type) ((type *)pawl_pool_alloc((pool), sizeof(type)))

#endif /* PAWL_SDK_POOL_H */
