#include "base/codec.h"

#include <msgpack.h>
#include <string.h>

#define SKIP_DEPTH_MAX 16

/* Writing ---------------------------------------------------------------------- */

/* msgpack-c hands over pieces of a few bytes, so the usual case, room enough, is
 * decided here without a call. */
static int write_piece(void *context, const char *data, size_t size)
{
    struct pawl_buf *buf = (struct pawl_buf *)context;
    if (buf->bad != PAWL_OK || size > buf->capacity - buf->size) {
        pawl_buf_append(buf, data, size);
        return buf->bad == PAWL_OK ? 0 : -1;
    }
    memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    return 0;
}

static msgpack_packer packer(struct pawl_buf *buf)
{
    return (msgpack_packer){ .data = buf, .callback = write_piece };
}

void pawl_write_array(struct pawl_buf *buf, uint32_t count)
{
    msgpack_packer pk = packer(buf);
    msgpack_pack_array(&pk, count);
}

void pawl_write_map(struct pawl_buf *buf, uint32_t count)
{
    msgpack_packer pk = packer(buf);
    msgpack_pack_map(&pk, count);
}

void pawl_write_uint(struct pawl_buf *buf, uint64_t value)
{
    msgpack_packer pk = packer(buf);
    msgpack_pack_uint64(&pk, value);
}

void pawl_write_int(struct pawl_buf *buf, int64_t value)
{
    msgpack_packer pk = packer(buf);
    msgpack_pack_int64(&pk, value);
}

void pawl_write_bool(struct pawl_buf *buf, bool value)
{
    msgpack_packer pk = packer(buf);
    if (value) {
        msgpack_pack_true(&pk);
    } else {
        msgpack_pack_false(&pk);
    }
}

void pawl_write_nil(struct pawl_buf *buf)
{
    msgpack_packer pk = packer(buf);
    msgpack_pack_nil(&pk);
}

void pawl_write_bytes(struct pawl_buf *buf, struct pawl_bytes bytes)
{
    if (!bytes.data) {
        pawl_write_nil(buf);
        return;
    }
    if (bytes.size > UINT32_MAX) { /* the format has no longer ones */
        if (buf->bad == PAWL_OK) buf->bad = PAWL_E_TOO_LARGE;
        return;
    }
    msgpack_packer pk = packer(buf);
    msgpack_pack_str(&pk, bytes.size);
    pawl_buf_append(buf, bytes.data, bytes.size);
}

void pawl_write_str(struct pawl_buf *buf, const char *text)
{
    pawl_write_bytes(buf, (struct pawl_bytes){ (const uint8_t *)text, text ? strlen(text) : 0 });
}

void pawl_write_id(struct pawl_buf *buf, struct pawl_id id)
{
    pawl_write_bytes(buf, (struct pawl_bytes){ id.bytes, sizeof id.bytes });
}

/* Reading ---------------------------------------------------------------------- */

/* First byte of each kind; the "fix" kinds hold a small value in their low bits. */
enum {
    FIXMAP = 0x80,
    FIXARRAY = 0x90,
    FIXSTR = 0xa0,
    NIL = 0xc0,
    NEVER_USED = 0xc1,
    FALSE_ = 0xc2,
    TRUE_ = 0xc3,
    BIN8 = 0xc4, /* then bin16, bin32 */
    BIN32 = 0xc6,
    EXT8 = 0xc7, /* then ext16, ext32 */
    EXT32 = 0xc9,
    FLOAT32 = 0xca,
    FLOAT64 = 0xcb,
    UINT8 = 0xcc, /* then uint16, uint32, uint64 */
    UINT64 = 0xcf,
    INT8 = 0xd0, /* then int16, int32, int64 */
    INT64 = 0xd3,
    FIXEXT1 = 0xd4, /* then fixext2, 4, 8, 16 */
    FIXEXT16 = 0xd8,
    STR8 = 0xd9, /* then str16, str32 */
    STR32 = 0xdb,
    ARRAY16 = 0xdc,
    ARRAY32 = 0xdd,
    MAP16 = 0xde,
    MAP32 = 0xdf,
    FIXINT_NEGATIVE = 0xe0,
};

void pawl_reader_init(struct pawl_reader *reader, struct pawl_bytes bytes)
{
    static const uint8_t nothing[1];
    const uint8_t *data = bytes.data ? bytes.data : nothing;
    *reader = (struct pawl_reader){ .next = data, .end = data + bytes.size, .err = PAWL_OK };
}

/* After an error nothing is left to read, so every later read fails by itself. */
static void reader_fail(struct pawl_reader *reader, pawl_err err)
{
    if (reader->err == PAWL_OK) reader->err = err;
    reader->next = reader->end;
}

static size_t reader_left(const struct pawl_reader *reader)
{
    return (size_t)(reader->end - reader->next);
}

/* The next `size` bytes, or NULL and an error. */
static const uint8_t *reader_take(struct pawl_reader *reader, size_t size)
{
    if (size > reader_left(reader)) {
        reader_fail(reader, PAWL_E_CORRUPT);
        return NULL;
    }
    const uint8_t *taken = reader->next;
    reader->next += size;
    return taken;
}

/* A value's first byte; NEVER_USED, which no kind accepts, at the end. */
static uint8_t reader_first(struct pawl_reader *reader)
{
    const uint8_t *first = reader_take(reader, 1);
    return first ? *first : (uint8_t)NEVER_USED;
}

/* A big-endian number of 1, 2, 4 or 8 bytes; 0 at the end. */
static uint64_t reader_number(struct pawl_reader *reader, size_t size)
{
    const uint8_t *bytes = reader_take(reader, size);
    uint64_t value = 0;
    for (size_t i = 0; bytes && i < size; i++) value = value << 8 | bytes[i];
    return value;
}

/* An integer of any width. Values below 0 come back as their 64-bit pattern. */
static uint64_t reader_integer(struct pawl_reader *reader, bool *ret_is_negative)
{
    *ret_is_negative = false;
    uint8_t first = reader_first(reader);
    if (first < FIXMAP) return first;
    if (first >= UINT8 && first <= UINT64) {
        return reader_number(reader, (size_t)1 << (first - UINT8));
    }
    uint64_t value = 0;
    if (first >= FIXINT_NEGATIVE) {
        value = UINT64_MAX << 8 | first;
    } else if (first >= INT8 && first <= INT64) {
        size_t size = (size_t)1 << (first - INT8);
        value = reader_number(reader, size);
        uint64_t sign = UINT64_C(1) << (8 * size - 1);
        value = (value ^ sign) - sign; /* the sign bit fills what is above it */
    } else {
        reader_fail(reader, PAWL_E_CORRUPT);
    }
    *ret_is_negative = value >> 63 != 0;
    return value;
}

uint64_t pawl_read_uint(struct pawl_reader *reader, uint64_t value_max)
{
    bool is_negative = false;
    uint64_t value = reader_integer(reader, &is_negative);
    if (is_negative) {
        reader_fail(reader, PAWL_E_CORRUPT);
        return 0;
    }
    if (value > value_max) {
        reader_fail(reader, PAWL_E_TOO_LARGE);
        return 0;
    }
    return value;
}

int64_t pawl_read_int(struct pawl_reader *reader)
{
    bool is_negative = false;
    uint64_t value = reader_integer(reader, &is_negative);
    if (is_negative) return -(int64_t)(UINT64_MAX - value) - 1;
    if (value > INT64_MAX) {
        reader_fail(reader, PAWL_E_TOO_LARGE);
        return 0;
    }
    return (int64_t)value;
}

bool pawl_read_bool(struct pawl_reader *reader)
{
    uint8_t first = reader_first(reader);
    if (first == TRUE_) return true;
    if (first != FALSE_) reader_fail(reader, PAWL_E_CORRUPT);
    return false;
}

/* Each element takes at least `element_size` bytes: a larger count lies. */
static uint32_t reader_count(struct pawl_reader *reader, uint8_t first, uint8_t fix, uint8_t wide,
                             size_t element_size, uint32_t count_max)
{
    uint64_t count = 0;
    if (first >= fix && first <= fix + 15) {
        count = first & 15;
    } else if (first == wide || first == wide + 1) {
        count = reader_number(reader, first == wide ? 2 : 4);
    } else {
        reader_fail(reader, PAWL_E_CORRUPT);
    }
    if (count > reader_left(reader) / element_size) {
        reader_fail(reader, PAWL_E_CORRUPT);
        return 0;
    }
    if (count > count_max) {
        reader_fail(reader, PAWL_E_TOO_LARGE);
        return 0;
    }
    return (uint32_t)count;
}

uint32_t pawl_read_array(struct pawl_reader *reader, uint32_t count_max)
{
    uint8_t first = reader_first(reader);
    return reader_count(reader, first, FIXARRAY, ARRAY16, 1, count_max);
}

uint32_t pawl_read_map(struct pawl_reader *reader, uint32_t count_max)
{
    uint8_t first = reader_first(reader);
    return reader_count(reader, first, FIXMAP, MAP16, 2, count_max);
}

struct pawl_bytes pawl_read_bytes(struct pawl_reader *reader)
{
    uint8_t first = reader_first(reader);
    uint64_t size = 0;
    if (first >= FIXSTR && first < NIL) {
        size = first & 31;
    } else if (first >= STR8 && first <= STR32) {
        size = reader_number(reader, (size_t)1 << (first - STR8));
    } else if (first >= BIN8 && first <= BIN32) {
        size = reader_number(reader, (size_t)1 << (first - BIN8));
    } else if (first != NIL) {
        reader_fail(reader, PAWL_E_CORRUPT);
    }
    if (first == NIL || reader->err != PAWL_OK) return (struct pawl_bytes){ NULL, 0 };

    const uint8_t *data = reader_take(reader, size);
    return (struct pawl_bytes){ data, data ? size : 0 };
}

struct pawl_id pawl_read_id(struct pawl_reader *reader)
{
    struct pawl_id id = { { 0 } };
    struct pawl_bytes bytes = pawl_read_bytes(reader);
    if (!bytes.data) return id;
    if (bytes.size != sizeof id.bytes) {
        reader_fail(reader, PAWL_E_CORRUPT);
        return id;
    }
    memcpy(id.bytes, bytes.data, sizeof id.bytes);
    return id;
}

/* Step over one value without its elements; how many those are. */
static uint64_t skip_head(struct pawl_reader *reader)
{
    uint8_t first = reader_first(reader);
    uint64_t size = 0;
    if (first < FIXMAP || first >= FIXINT_NEGATIVE) return 0;
    if (first < FIXARRAY) return 2 * (uint64_t)(first & 15);
    if (first < FIXSTR) return first & 15;
    if (first < NIL) {
        size = first & 31;
    } else if (first == NIL || first == FALSE_ || first == TRUE_) {
        return 0;
    } else if (first == NEVER_USED) {
        reader_fail(reader, PAWL_E_CORRUPT);
        return 0;
    } else if (first <= BIN32) {
        size = reader_number(reader, (size_t)1 << (first - BIN8));
    } else if (first <= EXT32) {
        size = reader_number(reader, (size_t)1 << (first - EXT8)) + 1;
    } else if (first <= FLOAT64) {
        size = first == FLOAT32 ? 4 : 8;
    } else if (first <= UINT64) {
        size = (uint64_t)1 << (first - UINT8);
    } else if (first <= INT64) {
        size = (uint64_t)1 << (first - INT8);
    } else if (first <= FIXEXT16) {
        size = ((uint64_t)1 << (first - FIXEXT1)) + 1;
    } else if (first <= STR32) {
        size = reader_number(reader, (size_t)1 << (first - STR8));
    } else if (first <= ARRAY32) {
        return reader_number(reader, first == ARRAY16 ? 2 : 4);
    } else {
        return 2 * reader_number(reader, first == MAP16 ? 2 : 4);
    }
    reader_take(reader, size);
    return 0;
}

pawl_err pawl_read_err(struct pawl_reader *reader)
{
    int64_t value = pawl_read_int(reader);
    switch (value) {
    case PAWL_OK:
#define X(name, number, class, text) case number:
        PAWL_ERR_MAP(X)
#undef X
        return (pawl_err)value;
    default: reader_fail(reader, PAWL_E_PROTOCOL); return PAWL_E_PROTOCOL;
    }
}

void pawl_read_skip(struct pawl_reader *reader)
{
    /* Elements still to be skipped at each depth; [0] is the value itself. */
    uint64_t waiting[SKIP_DEPTH_MAX + 1] = { 1 };
    size_t depth = 0;
    for (;;) {
        while (waiting[depth] == 0) {
            if (depth == 0) return;
            depth--;
        }
        waiting[depth]--;
        uint64_t elements = skip_head(reader);
        if (elements > reader_left(reader)) reader_fail(reader, PAWL_E_CORRUPT);
        if (reader->err != PAWL_OK) return;
        if (elements == 0) continue;
        if (depth == SKIP_DEPTH_MAX) {
            reader_fail(reader, PAWL_E_TOO_LARGE);
            return;
        }
        waiting[++depth] = elements;
    }
}

struct pawl_bytes pawl_read_raw(struct pawl_reader *reader)
{
    const uint8_t *start = reader->next;
    pawl_read_skip(reader);
    if (reader->err != PAWL_OK) return (struct pawl_bytes){ NULL, 0 };
    return (struct pawl_bytes){ start, (size_t)(reader->next - start) };
}

pawl_err pawl_reader_finish(struct pawl_reader *reader)
{
    if (reader->err == PAWL_OK && reader->next != reader->end) {
        reader_fail(reader, PAWL_E_CORRUPT);
    }
    return reader->err;
}
