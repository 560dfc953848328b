#include "sidecar/grpc_wire.h"

#include "base/bytes.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

_Static_assert(sizeof PREFACE - 1 == PAWL_GRPC_PREFACE_SIZE, "the preface has 24 bytes");

/* A method of HTTP/1.1 is a word of capitals. */
static bool looks_like_http1(struct pawl_bytes first)
{
    for (size_t i = 0; i < first.size; i++) {
        if (i > 0 && first.data[i] == ' ') return true;
        if (first.data[i] < 'A' || first.data[i] > 'Z') return false;
    }
    return true;
}

enum pawl_grpc_caller pawl_grpc_caller_of(struct pawl_bytes first)
{
    if (first.size == 0) return PAWL_GRPC_CALLER_UNSURE;
    size_t common = first.size < PAWL_GRPC_PREFACE_SIZE ? first.size : PAWL_GRPC_PREFACE_SIZE;
    if (memcmp(first.data, PREFACE, common) == 0) {
        return common < PAWL_GRPC_PREFACE_SIZE ? PAWL_GRPC_CALLER_UNSURE : PAWL_GRPC_CALLER_HTTP2;
    }
    if (first.data[0] == 0x16) return PAWL_GRPC_CALLER_TLS; /* a handshake record */
    return looks_like_http1(first) ? PAWL_GRPC_CALLER_HTTP1 : PAWL_GRPC_CALLER_STRANGER;
}

static char lower(uint8_t byte)
{
    return (char)(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
}

/* True and the rest, when `text` begins with the lower-case `start`. */
static bool skip(struct pawl_bytes *text, const char *start)
{
    size_t size = strlen(start);
    if (text->size < size) return false;
    for (size_t i = 0; i < size; i++) {
        if (lower(text->data[i]) != start[i]) return false;
    }
    *text = pawl_bytes_make(text->data + size, text->size - size);
    return true;
}

bool pawl_grpc_content_type_is_ours(struct pawl_bytes text)
{
    if (!skip(&text, "application/grpc")) return false;
    (void)skip(&text, "+proto");
    return text.size == 0 || text.data[0] == ';' || text.data[0] == ' ';
}

#define TIMEOUT_DIGITS_MAX 8u /* says the specification */

bool pawl_grpc_timeout_parse(struct pawl_bytes text, int64_t *ret_ms)
{
    if (text.size < 2 || text.size > TIMEOUT_DIGITS_MAX + 1) return false;
    int64_t value = 0;
    for (size_t i = 0; i + 1 < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return false;
        value = value * 10 + (text.data[i] - '0');
    }
    switch (text.data[text.size - 1]) {
    case 'H': *ret_ms = value * 3600000; return true;
    case 'M': *ret_ms = value * 60000; return true;
    case 'S': *ret_ms = value * 1000; return true;
    case 'm': *ret_ms = value; return true;
    case 'u': *ret_ms = (value + 999) / 1000; return true;
    case 'n': *ret_ms = (value + 999999) / 1000000; return true;
    default: return false;
    }
}

void pawl_grpc_message_encode(struct pawl_bytes text, struct pawl_buf *out)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        if (byte >= 0x20 && byte <= 0x7e && byte != '%') {
            pawl_buf_append(out, &byte, 1);
        } else {
            pawl_buf_printf(out, "%%%02X", byte);
        }
    }
}

void pawl_grpc_prefix_write(uint8_t ret_prefix[PAWL_GRPC_PREFIX_SIZE], uint32_t size)
{
    ret_prefix[0] = 0; /* not compressed */
    ret_prefix[1] = (uint8_t)(size >> 24);
    ret_prefix[2] = (uint8_t)(size >> 16);
    ret_prefix[3] = (uint8_t)(size >> 8);
    ret_prefix[4] = (uint8_t)size;
}

void pawl_grpc_prefix_read(const uint8_t prefix[PAWL_GRPC_PREFIX_SIZE], uint8_t *ret_flags,
                           uint32_t *ret_size)
{
    *ret_flags = prefix[0];
    *ret_size = (uint32_t)prefix[1] << 24 | (uint32_t)prefix[2] << 16 | (uint32_t)prefix[3] << 8
                | prefix[4];
}
