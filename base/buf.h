/* Buf: a growable byte buffer, born with its maximum.
 *
 * Appending cannot fail visibly: past the maximum (or out of memory) the buffer
 * becomes `bad`, keeps what it had, and ignores further appends. The owner asks
 * once, at the end. So encoders are straight lines.
 */
#ifndef PAWL_BASE_BUF_H
#define PAWL_BASE_BUF_H

#include "pawl/err.h"
#include "pawl/types.h"

struct pawl_buf {
    uint8_t *data;
    size_t size;
    size_t capacity;
    size_t size_max;
    pawl_err bad; /* PAWL_OK, PAWL_E_TOO_LARGE or PAWL_E_NOMEM */
};

/* No memory is taken before the first append. */
void pawl_buf_init(struct pawl_buf *buf, size_t size_max);
void pawl_buf_deinit(struct pawl_buf *buf);

/* Empty and good again; keeps the memory. */
void pawl_buf_clear(struct pawl_buf *buf);

void pawl_buf_append(struct pawl_buf *buf, const void *data, size_t size);
void pawl_buf_append_bytes(struct pawl_buf *buf, struct pawl_bytes bytes);
void pawl_buf_append_str(struct pawl_buf *buf, const char *text);
void pawl_buf_printf(struct pawl_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Room for `size` more bytes at the end, to be filled by the caller, who then
 * adds to buf->size. NULL when the buffer is or becomes bad. */
uint8_t *pawl_buf_reserve(struct pawl_buf *buf, size_t size);

/* Drop the first `size` bytes. */
void pawl_buf_consume(struct pawl_buf *buf, size_t size);

/* A view, valid until the next change. Never absent. */
struct pawl_bytes pawl_buf_view(const struct pawl_buf *buf);

#endif /* PAWL_BASE_BUF_H */
