#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define CAPACITY_MIN ((size_t)64)

void pawl_buf_init(struct pawl_buf *buf, size_t size_max)
{
    *buf = (struct pawl_buf){ .size_max = size_max };
}

void pawl_buf_deinit(struct pawl_buf *buf)
{
    free(buf->data);
    pawl_buf_init(buf, buf->size_max);
}

void pawl_buf_clear(struct pawl_buf *buf)
{
    buf->size = 0;
    buf->bad = PAWL_OK;
}

/* Room for at least `needed` bytes in all, doubling, never past size_max. */
static bool buf_grow(struct pawl_buf *buf, size_t needed)
{
    size_t capacity = buf->capacity ? buf->capacity : CAPACITY_MIN;
    while (capacity < needed && capacity <= SIZE_MAX / 2) capacity *= 2;
    if (capacity < needed) capacity = needed;
    if (capacity > buf->size_max) capacity = buf->size_max;

    /* Not base/mem.h: the SDK encodes in somebody else's process and must not
     * end it when memory is short. */
    uint8_t *data = (uint8_t *)realloc(buf->data, capacity ? capacity : 1);
    if (!data) {
        buf->bad = PAWL_E_NOMEM;
        return false;
    }
    buf->data = data;
    buf->capacity = capacity;
    return true;
}

uint8_t *pawl_buf_reserve(struct pawl_buf *buf, size_t size)
{
    if (buf->bad != PAWL_OK) return NULL;
    PAWL_ASSERT(buf->size <= buf->size_max);
    if (size > buf->size_max - buf->size) {
        buf->bad = PAWL_E_TOO_LARGE;
        return NULL;
    }
    if (!buf->data || size > buf->capacity - buf->size) {
        if (!buf_grow(buf, buf->size + size)) return NULL;
    }
    return buf->data + buf->size;
}

void pawl_buf_append(struct pawl_buf *buf, const void *data, size_t size)
{
    if (size == 0) return;
    uint8_t *room = pawl_buf_reserve(buf, size);
    if (!room) return;
    memcpy(room, data, size);
    buf->size += size;
}

void pawl_buf_append_bytes(struct pawl_buf *buf, struct pawl_bytes bytes)
{
    pawl_buf_append(buf, bytes.data, bytes.size);
}

void pawl_buf_append_str(struct pawl_buf *buf, const char *text)
{
    pawl_buf_append(buf, text, strlen(text));
}

void pawl_buf_printf(struct pawl_buf *buf, const char *format, ...)
{
    if (buf->bad != PAWL_OK) return;
    size_t room = buf->data ? buf->capacity - buf->size : 0;
    va_list args;
    va_start(args, format);
    int printed = vsnprintf(room ? (char *)buf->data + buf->size : NULL, room, format, args);
    va_end(args);
    PAWL_ASSERT(printed >= 0);
    size_t size = (size_t)printed;
    if (size < room) {
        buf->size += size;
        return;
    }

    /* It did not fit. vsnprintf writes a final 0 that is not part of the content
     * and that may have no room under size_max, so print beside and append. */
    char *text = (char *)malloc(size + 1);
    if (!text) {
        buf->bad = PAWL_E_NOMEM;
        return;
    }
    va_start(args, format);
    printed = vsnprintf(text, size + 1, format, args);
    va_end(args);
    PAWL_ASSERT((size_t)printed == size);
    pawl_buf_append(buf, text, size);
    free(text);
}

void pawl_buf_consume(struct pawl_buf *buf, size_t size)
{
    PAWL_ASSERT(size <= buf->size);
    if (size == 0) return;
    buf->size -= size;
    if (buf->size) memmove(buf->data, buf->data + size, buf->size);
}

struct pawl_bytes pawl_buf_view(const struct pawl_buf *buf)
{
    static const uint8_t nothing[1];
    return (struct pawl_bytes){ buf->data ? buf->data : nothing, buf->size };
}
