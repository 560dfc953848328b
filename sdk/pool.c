#include "sdk/pool.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/bytes.h"

/* Blocks for small pieces; anything over a quarter of it gets its own. */
#define BLOCK_SIZE 4000u
#define ALIGNMENT  16u

struct pawl_pool_block {
    struct pawl_pool_block *next;
    size_t unused; /* keeps what follows aligned to 16 */
};

void pawl_pool_init(struct pawl_pool *pool, const struct pawl_allocator *allocator)
{
    *pool = (struct pawl_pool){ .allocator = allocator };
}

void pawl_pool_deinit(struct pawl_pool *pool)
{
    while (pool->blocks) {
        struct pawl_pool_block *block = pool->blocks;
        pool->blocks = block->next;
        pool->allocator->free(pool->allocator->context, block);
    }
    pool->next = NULL;
    pool->left = 0;
}

static uint8_t *add_block(struct pawl_pool *pool, size_t size)
{
    const struct pawl_allocator *allocator = pool->allocator;
    struct pawl_pool_block *block = allocator->alloc(allocator->context, sizeof *block + size);
    if (!block) return NULL;
    block->next = pool->blocks;
    pool->blocks = block;
    return (uint8_t *)(block + 1);
}

void *pawl_pool_alloc(struct pawl_pool *pool, size_t size)
{
    if (size > SIZE_MAX / 2) return NULL;
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (size == 0) size = ALIGNMENT;

    uint8_t *memory;
    if (size <= pool->left) {
        memory = pool->next;
        pool->next += size;
        pool->left -= size;
    } else if (size > BLOCK_SIZE / 4) {
        memory = add_block(pool, size);
    } else {
        memory = add_block(pool, BLOCK_SIZE);
        if (memory) {
            pool->next = memory + size;
            pool->left = BLOCK_SIZE - size;
        }
    }
    if (memory) memset(memory, 0, size);
    return memory;
}

bool pawl_pool_copy(struct pawl_pool *pool, struct pawl_bytes bytes, struct pawl_bytes *ret_copy)
{
    if (pawl_bytes_is_absent(bytes)) {
        *ret_copy = bytes;
        return true;
    }
    uint8_t *copy = pawl_pool_alloc(pool, bytes.size + 1);
    if (!copy) return false;
    if (bytes.size) memcpy(copy, bytes.data, bytes.size);
    *ret_copy = pawl_bytes_make(copy, bytes.size);
    return true;
}

char *pawl_pool_text(struct pawl_pool *pool, struct pawl_bytes bytes)
{
    char *text = pawl_pool_alloc(pool, bytes.size + 1);
    if (text && bytes.size) memcpy(text, bytes.data, bytes.size);
    return text;
}

char *pawl_pool_vformat(struct pawl_pool *pool, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    char *text = size < 0 ? NULL : pawl_pool_alloc(pool, (size_t)size + 1);
    if (text) {
        int written = vsnprintf(text, (size_t)size + 1, format, again);
        PAWL_ASSERT(written == size);
    }
    va_end(again);
    return text;
}

char *pawl_pool_format(struct pawl_pool *pool, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = pawl_pool_vformat(pool, format, arguments);
    va_end(arguments);
    return text;
}
