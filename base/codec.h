/* Codec: bounded msgpack, the only place that knows the format's bytes.
 *
 * Writing goes through msgpack-c into a pawl_buf. Reading is a cursor over the
 * bytes: no tree, no allocation, every count checked against the bytes that are
 * left. (msgpack-c's unpacker allocates what a hostile count asks for; see
 * docs/PROTOCOL.md.) Byte strings are written as msgpack str, because the Lua
 * scripts in Redis cannot read bin; str and bin are both accepted.
 */
#ifndef PAWL_BASE_CODEC_H
#define PAWL_BASE_CODEC_H

#include "base/buf.h"

/* Writing. Errors stay in the buf. */
void pawl_write_array(struct pawl_buf *buf, uint32_t count);
void pawl_write_map(struct pawl_buf *buf, uint32_t count);
void pawl_write_uint(struct pawl_buf *buf, uint64_t value);
void pawl_write_int(struct pawl_buf *buf, int64_t value);
void pawl_write_bool(struct pawl_buf *buf, bool value);
void pawl_write_nil(struct pawl_buf *buf);
void pawl_write_bytes(struct pawl_buf *buf, struct pawl_bytes bytes); /* nil when absent */
void pawl_write_str(struct pawl_buf *buf, const char *text);          /* nil when NULL */
void pawl_write_id(struct pawl_buf *buf, struct pawl_id id);          /* 16 bytes */

/* Reading. The first error sticks (PAWL_E_CORRUPT or PAWL_E_TOO_LARGE); after it
 * every read returns zero or absent, so a decoder asks once, at the end. Views
 * point into the input. */
struct pawl_reader {
    const uint8_t *next;
    const uint8_t *end;
    pawl_err err;
};

void pawl_reader_init(struct pawl_reader *reader, struct pawl_bytes bytes);

/* At most as many elements as bytes remain, and at most count_max. */
uint32_t pawl_read_array(struct pawl_reader *reader, uint32_t count_max);
uint32_t pawl_read_map(struct pawl_reader *reader, uint32_t count_max);
uint64_t pawl_read_uint(struct pawl_reader *reader, uint64_t value_max);
int64_t pawl_read_int(struct pawl_reader *reader);
bool pawl_read_bool(struct pawl_reader *reader);
struct pawl_bytes pawl_read_bytes(struct pawl_reader *reader); /* nil reads as absent */
struct pawl_id pawl_read_id(struct pawl_reader *reader);       /* nil reads as zero */

/* PAWL_OK or a code of the table; another number is the reader's error PAWL_E_PROTOCOL: frames
 * carry codes, stored rows do not. */
pawl_err pawl_read_err(struct pawl_reader *reader);

/* Skip one value of any kind; nesting deeper than 16 is an error. */
void pawl_read_skip(struct pawl_reader *reader);

/* The bytes of one whole value, skipped: for values that are passed on unread. */
struct pawl_bytes pawl_read_raw(struct pawl_reader *reader);

/* Everything was read and nothing was wrong. */
PAWL_MUST_USE pawl_err pawl_reader_finish(struct pawl_reader *reader);

#endif /* PAWL_BASE_CODEC_H */
