#include "actors/envelope.h"

#include "base/bytes.h"
#include "base/codec.h"
#include "base/hash.h"
#include "base/limits.h"

#define ENVELOPE_SIZE_MAX (PAWL_PAYLOAD_SIZE_MAX * 2u)

static struct pawl_bytes envelope_take(struct pawl_arena *arena, struct pawl_buf *buf)
{
    struct pawl_bytes bytes = PAWL_BYTES_ABSENT;
    if (buf->bad == PAWL_OK) bytes = pawl_arena_copy(arena, pawl_buf_view(buf));
    pawl_buf_deinit(buf);
    return bytes;
}

struct pawl_bytes pawl_inbox_body_pack(struct pawl_arena *arena, const struct pawl_inbox_body *body)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, ENVELOPE_SIZE_MAX + PAWL_SEED_SIZE_MAX);
    bool has_seed = !pawl_bytes_is_absent(body->seed);
    pawl_write_array(&buf, has_seed ? 4 : 3);
    pawl_write_uint(&buf, body->gen);
    pawl_write_uint(&buf, body->nonce);
    pawl_write_bytes(&buf, body->event);
    if (has_seed) pawl_write_bytes(&buf, body->seed);
    return envelope_take(arena, &buf);
}

pawl_err pawl_inbox_body_unpack(struct pawl_bytes bytes, struct pawl_inbox_body *ret_body)
{
    struct pawl_reader reader;
    struct pawl_inbox_body body;
    pawl_reader_init(&reader, bytes);
    uint32_t fields = pawl_read_array(&reader, 16);
    body.gen = (uint32_t)pawl_read_uint(&reader, UINT32_MAX);
    body.nonce = pawl_read_uint(&reader, UINT64_MAX);
    body.event = pawl_read_bytes(&reader);
    body.seed = fields > 3 ? pawl_read_bytes(&reader) : PAWL_BYTES_ABSENT;
    for (uint32_t i = 4; i < fields; i++) pawl_read_skip(&reader);
    pawl_err err = pawl_reader_finish(&reader);
    if (err != PAWL_OK) return err;
    if (fields < 3 || pawl_bytes_is_absent(body.event)) return PAWL_E_CORRUPT;
    *ret_body = body;
    return PAWL_OK;
}

struct pawl_deliver pawl_deliver_make(struct pawl_arena *arena, struct pawl_bytes instance,
                                      const struct pawl_inbox_body *body, struct pawl_id delivery,
                                      int64_t now_ms)
{
    return (struct pawl_deliver){ .instance = instance,
                                  .delivery = delivery,
                                  .body = pawl_inbox_body_pack(arena, body),
                                  .now_ms = now_ms,
                                  .inbox_max = PAWL_INBOX_ROWS_MAX,
                                  .seen_max = PAWL_SEEN_REQUESTS_MAX,
                                  .seen_ms_max = PAWL_SEEN_MS };
}

struct pawl_bytes pawl_message_body_pack(struct pawl_arena *arena,
                                         const struct pawl_message_body *body)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, ENVELOPE_SIZE_MAX);
    pawl_write_array(&buf, body->asks ? 8 : body->rewind ? 7 : 6);
    pawl_write_uint(&buf, (uint64_t)body->kind);
    pawl_write_bytes(&buf, body->instance);
    pawl_parent_encode(&buf, &body->parent);
    pawl_write_bytes(&buf, body->event);
    pawl_write_bytes(&buf, body->app);
    pawl_write_uint(&buf, (uint64_t)body->start_by_ms);
    if (body->rewind || body->asks) pawl_write_bool(&buf, body->rewind);
    if (body->asks) pawl_write_bool(&buf, true);
    return envelope_take(arena, &buf);
}

pawl_err pawl_message_body_unpack(struct pawl_bytes bytes, struct pawl_message_body *ret_body)
{
    struct pawl_reader reader;
    struct pawl_message_body body;
    pawl_reader_init(&reader, bytes);
    uint32_t fields = pawl_read_array(&reader, 16);
    uint64_t kind = pawl_read_uint(&reader, PAWL_MESSAGE_START_DETACHED);
    body.instance = pawl_read_bytes(&reader);
    struct pawl_bytes parent = pawl_read_raw(&reader);
    body.event = pawl_read_bytes(&reader);
    body.app = fields > 4 ? pawl_read_bytes(&reader) : PAWL_BYTES_ABSENT;
    body.start_by_ms = fields > 5 ? (int64_t)pawl_read_uint(&reader, INT64_MAX) : 0;
    body.rewind = fields > 6 && pawl_read_bool(&reader);
    body.asks = fields > 7 && pawl_read_bool(&reader);
    for (uint32_t i = 8; i < fields; i++) pawl_read_skip(&reader);
    pawl_err err = pawl_reader_finish(&reader);
    if (err != PAWL_OK) return err;
    if (body.app.size > PAWL_APP_ID_SIZE_MAX) return PAWL_E_CORRUPT;
    if (fields < 4 || kind == 0 || pawl_bytes_is_absent(body.event)) return PAWL_E_CORRUPT;
    if (pawl_parent_decode(parent, &body.parent) != PAWL_OK) return PAWL_E_CORRUPT;
    body.kind = (enum pawl_message_kind)kind;
    *ret_body = body;
    return PAWL_OK;
}

struct pawl_bytes pawl_parent_key(struct pawl_arena *arena, const struct pawl_parent *parent)
{
    struct pawl_parent key = *parent;
    key.nonce = 0;
    key.name = PAWL_BYTES_ABSENT; /* keys of older versions have none */
    return pawl_parent_pack(arena, &key);
}

uint64_t pawl_op_nonce(struct pawl_id id, uint32_t nth, struct pawl_op op)
{
    uint8_t name[5] = { (uint8_t)op.kind, (uint8_t)(op.id >> 24), (uint8_t)(op.id >> 16),
                        (uint8_t)(op.id >> 8), (uint8_t)op.id };
    uint64_t hash = pawl_hash_keyed(id.bytes, pawl_bytes_make(name, sizeof name));
    return (uint64_t)nth << 32 | (hash & UINT32_MAX);
}

bool pawl_parent_may_end(const struct pawl_parent *caller, const struct pawl_parent *bound)
{
    if (!pawl_bytes_is_equal(bound->instance, caller->instance)) return false;
    if (bound->nonce == caller->nonce) return true;
    return pawl_id_is_equal(bound->inc, caller->inc) && bound->gen == caller->gen
           && bound->op_id == caller->op_id && bound->nonce < caller->nonce;
}
