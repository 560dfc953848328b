#include "actors/peer_frames.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/codec.h"
#include "base/limits.h"
#include "base/text.h"
#include "state/keys.h"

/* What a reader passes over when a later minor version appends. */
enum { FIELDS_MAX = 64 };

#define PLACES_ITEM_FIELDS 5u
#define FIND_ITEM_FIELDS   5u

/* The type itself is not counted. */
static uint32_t fields_count(enum pawl_peer_frame_type type)
{
    switch (type) {
    case PAWL_PEER_HELLO: return 5;
    case PAWL_PEER_WELCOME: return 5;
    case PAWL_PEER_REFUSED: return 2;
    case PAWL_PEER_PING: return 0;
    case PAWL_PEER_PONG: return 0;
    case PAWL_PEER_CREDIT: return 1;
    case PAWL_PEER_CALL: return 2;
    case PAWL_PEER_RETURN: return 3;
    case PAWL_PEER_GONE: return 1;
    case PAWL_PEER_MESSAGE: return 2;
    case PAWL_PEER_MESSAGE_DONE: return 3;
    case PAWL_PEER_RUN: return 7;
    case PAWL_PEER_RUN_REFUSED: return 2;
    case PAWL_PEER_RESULT: return 7;
    case PAWL_PEER_RESULT_DONE: return 1;
    case PAWL_PEER_ASK: return 1;
    case PAWL_PEER_ASKED: return 2;
    case PAWL_PEER_CANCEL: return 1;
    case PAWL_PEER_ATTEMPT: return 2;
    case PAWL_PEER_PLACES_WANTED: return 5;
    case PAWL_PEER_PLACES: return 5;
    case PAWL_PEER_FIND: return 1;
    case PAWL_PEER_FOUND: return 2;
    case PAWL_PEER_NEWS_WANTED: return 0;
    case PAWL_PEER_NEWS: return 1;
    case PAWL_PEER_FRAME_TYPES_END: break;
    }
    PAWL_UNREACHABLE("a peer frame type that does not exist");
}

/* Encoding --------------------------------------------------------------------------- */

static void hello_encode(struct pawl_buf *buf, const struct pawl_peer_hello *hello)
{
    pawl_write_uint(buf, hello->protocol_version);
    pawl_write_bytes(buf, hello->namespace_);
    pawl_write_bytes(buf, hello->app);
    pawl_write_bytes(buf, hello->host);
    pawl_write_bytes(buf, hello->token);
}

static void refused_encode(struct pawl_buf *buf, const struct pawl_peer_refused *refused)
{
    pawl_write_int(buf, (int64_t)refused->err);
    pawl_write_bytes(buf, refused->message);
}

static void return_encode(struct pawl_buf *buf, const struct pawl_peer_call *call)
{
    pawl_write_uint(buf, call->token);
    pawl_write_bool(buf, call->moved);
    pawl_write_bytes(buf, call->frame);
}

static void message_done_encode(struct pawl_buf *buf, const struct pawl_peer_message_done *done)
{
    pawl_write_id(buf, done->id);
    pawl_write_int(buf, (int64_t)done->err);
    pawl_write_bytes(buf, done->event);
}

static void run_encode(struct pawl_buf *buf, const struct pawl_peer_run *run)
{
    pawl_write_id(buf, run->run);
    pawl_write_bytes(buf, run->instance);
    pawl_write_id(buf, run->inc);
    pawl_write_uint(buf, run->gen);
    pawl_write_uint(buf, run->op_id);
    pawl_write_uint(buf, run->nonce);
    pawl_write_bytes(buf, run->event);
}

static void ids_encode(struct pawl_buf *buf, uint32_t count, const struct pawl_id *ids)
{
    pawl_write_array(buf, count);
    for (uint32_t i = 0; i < count; i++) pawl_write_id(buf, ids[i]);
}

static void places_encode(struct pawl_buf *buf, const struct pawl_peer_places *places)
{
    pawl_write_uint(buf, places->version);
    pawl_write_uint(buf, places->kept_epoch);
    pawl_write_id(buf, places->process);
    pawl_write_uint(buf, places->number);
    pawl_write_array(buf, places->items_count * PLACES_ITEM_FIELDS);
    for (uint32_t i = 0; i < places->items_count; i++) {
        const struct pawl_peer_places_item *item = &places->items[i];
        pawl_write_bool(buf, item->is_task);
        pawl_write_bytes(buf, item->name);
        pawl_write_uint(buf, item->max);
        pawl_write_uint(buf, item->held);
        pawl_write_uint(buf, item->wanted);
    }
}

static void finds_encode(struct pawl_buf *buf, const struct pawl_peer_finds *finds)
{
    pawl_write_array(buf, finds->count * FIND_ITEM_FIELDS);
    for (uint32_t i = 0; i < finds->count; i++) {
        const struct pawl_peer_find *find = &finds->items[i];
        pawl_write_id(buf, find->run);
        pawl_write_bytes(buf, find->instance);
        pawl_write_id(buf, find->inc);
        pawl_write_uint(buf, find->gen);
        pawl_write_uint(buf, find->nonce);
    }
}

static void news_encode(struct pawl_buf *buf, const struct pawl_peer_news *news)
{
    pawl_write_array(buf, news->count);
    for (uint32_t i = 0; i < news->count; i++) pawl_write_uint(buf, news->partitions[i]);
}

void pawl_peer_frame_encode(struct pawl_buf *buf, const struct pawl_peer_frame *frame)
{
    pawl_write_array(buf, 1 + fields_count(frame->type));
    pawl_write_uint(buf, (uint64_t)frame->type);

    switch (frame->type) {
    case PAWL_PEER_HELLO:
    case PAWL_PEER_WELCOME: hello_encode(buf, &frame->hello); break;
    case PAWL_PEER_REFUSED: refused_encode(buf, &frame->refused); break;
    case PAWL_PEER_CREDIT: pawl_write_uint(buf, frame->credit); break;
    case PAWL_PEER_CALL:
        pawl_write_uint(buf, frame->call.token);
        pawl_write_bytes(buf, frame->call.frame);
        break;
    case PAWL_PEER_RETURN: return_encode(buf, &frame->call); break;
    case PAWL_PEER_GONE: pawl_write_uint(buf, frame->call.token); break;
    case PAWL_PEER_MESSAGE:
        pawl_write_id(buf, frame->message.id);
        pawl_write_bytes(buf, frame->message.body);
        break;
    case PAWL_PEER_MESSAGE_DONE: message_done_encode(buf, &frame->message_done); break;
    case PAWL_PEER_RUN:
    case PAWL_PEER_RESULT: run_encode(buf, &frame->run); break;
    case PAWL_PEER_RUN_REFUSED:
        pawl_write_id(buf, frame->run_refused.run);
        pawl_write_bool(buf, frame->run_refused.unregistered);
        break;
    case PAWL_PEER_RESULT_DONE:
    case PAWL_PEER_CANCEL: pawl_write_id(buf, frame->run_id); break;
    case PAWL_PEER_ATTEMPT:
        pawl_write_id(buf, frame->run_attempt.run);
        pawl_write_uint(buf, frame->run_attempt.count);
        break;
    case PAWL_PEER_ASK: ids_encode(buf, frame->runs.known_count, frame->runs.known); break;
    case PAWL_PEER_FIND: finds_encode(buf, &frame->finds); break;
    case PAWL_PEER_FOUND:
    case PAWL_PEER_ASKED:
        ids_encode(buf, frame->runs.known_count, frame->runs.known);
        ids_encode(buf, frame->runs.unknown_count, frame->runs.unknown);
        break;
    case PAWL_PEER_PLACES_WANTED:
    case PAWL_PEER_PLACES: places_encode(buf, &frame->places); break;
    case PAWL_PEER_NEWS: news_encode(buf, &frame->news); break;
    case PAWL_PEER_NEWS_WANTED:
    case PAWL_PEER_PING:
    case PAWL_PEER_PONG:
    case PAWL_PEER_FRAME_TYPES_END: break;
    }
}

/* Values: each read checks its range -------------------------------------------------- */

struct decoder {
    struct pawl_reader reader;
    struct pawl_arena *arena;
};

static void expect(struct decoder *in, bool condition)
{
    if (condition) return;
    if (in->reader.err == PAWL_OK) in->reader.err = PAWL_E_PROTOCOL;
    in->reader.next = in->reader.end;
}

static uint32_t read_u32(struct decoder *in, uint32_t value_max)
{
    return (uint32_t)pawl_read_uint(&in->reader, value_max);
}

static uint64_t read_u64(struct decoder *in)
{
    return pawl_read_uint(&in->reader, UINT64_MAX);
}

static struct pawl_id read_id(struct decoder *in)
{
    struct pawl_id id = pawl_read_id(&in->reader);
    expect(in, !pawl_id_is_zero(id));
    return id;
}

static struct pawl_bytes read_app_id(struct decoder *in)
{
    struct pawl_bytes id = pawl_read_bytes(&in->reader);
    expect(in, pawl_app_id_is_valid(id));
    return id;
}

static struct pawl_bytes read_name(struct decoder *in, size_t size_max)
{
    struct pawl_bytes name = pawl_read_bytes(&in->reader);
    expect(in, pawl_name_is_valid(name, size_max));
    return name;
}

/* Bytes that somebody else reads: there, and not empty. */
static struct pawl_bytes read_inner(struct decoder *in)
{
    struct pawl_bytes inner = pawl_read_bytes(&in->reader);
    expect(in, inner.size > 0);
    return inner;
}

static struct pawl_bytes read_inner_optional(struct decoder *in)
{
    struct pawl_bytes inner = pawl_read_bytes(&in->reader);
    expect(in, pawl_bytes_is_absent(inner) || inner.size > 0);
    return inner;
}

static struct pawl_id *read_ids(struct decoder *in, uint32_t count_max, uint32_t *ret_count)
{
    uint32_t count = pawl_read_array(&in->reader, count_max);
    struct pawl_id *ids = PAWL_ARENA_ARRAY(in->arena, struct pawl_id, count);
    for (uint32_t i = 0; i < count; i++) ids[i] = read_id(in);
    *ret_count = count;
    return ids;
}

/* Decoding --------------------------------------------------------------------------- */

/* A HELLO or WELCOME of another protocol version: its further fields are unknown and
 * stay unread, the version is enough to refuse it politely. */
static bool frame_is_foreign(const struct pawl_peer_frame *frame)
{
    return (frame->type == PAWL_PEER_HELLO || frame->type == PAWL_PEER_WELCOME)
           && frame->hello.protocol_version != PAWL_PEER_PROTOCOL_VERSION;
}

static void hello_decode(struct decoder *in, struct pawl_peer_hello *hello)
{
    hello->protocol_version = read_u32(in, UINT32_MAX);
    if (hello->protocol_version != PAWL_PEER_PROTOCOL_VERSION) {
        in->reader.next = in->reader.end; /* see frame_is_foreign */
        return;
    }
    hello->namespace_ = read_app_id(in);
    hello->app = read_app_id(in);
    hello->host = read_name(in, PAWL_HOST_SIZE_MAX);
    hello->token = pawl_read_bytes(&in->reader);
    expect(in, hello->token.size <= PAWL_TOKEN_SIZE_MAX);
}

static void refused_decode(struct decoder *in, struct pawl_peer_refused *refused)
{
    refused->err = pawl_read_err(&in->reader);
    expect(in, refused->err != PAWL_OK);
    refused->message = pawl_text_repair(
        in->arena, pawl_text_cut(pawl_read_bytes(&in->reader), PAWL_MESSAGE_SIZE_MAX));
}

static void return_decode(struct decoder *in, struct pawl_peer_call *call)
{
    call->token = read_u64(in);
    call->moved = pawl_read_bool(&in->reader);
    call->frame = read_inner_optional(in);
    expect(in, call->moved == pawl_bytes_is_absent(call->frame));
}

static void message_done_decode(struct decoder *in, struct pawl_peer_message_done *done)
{
    done->id = read_id(in);
    done->err = pawl_read_err(&in->reader);
    done->event = read_inner_optional(in);
    expect(in, done->err == PAWL_OK || pawl_bytes_is_absent(done->event));
}

static void run_decode(struct decoder *in, struct pawl_peer_run *run)
{
    run->run = read_id(in);
    run->instance = read_name(in, PAWL_INSTANCE_ID_SIZE_MAX);
    run->inc = read_id(in);
    run->gen = read_u32(in, UINT32_MAX);
    expect(in, run->gen > 0);
    run->op_id = read_u32(in, INT32_MAX);
    run->nonce = read_u64(in);
    run->event = read_inner(in);
}

static void asked_decode(struct decoder *in, struct pawl_peer_runs *runs)
{
    runs->known = read_ids(in, PAWL_PEER_RUNS_MAX, &runs->known_count);
    runs->unknown = read_ids(in, PAWL_PEER_RUNS_MAX - runs->known_count, &runs->unknown_count);
}

static void places_item_decode(struct decoder *in, struct pawl_peer_places_item *item)
{
    item->is_task = pawl_read_bool(&in->reader);
    item->name = pawl_read_bytes(&in->reader);
    expect(in,
           pawl_bytes_is_absent(item->name) || pawl_name_is_valid(item->name, PAWL_NAME_SIZE_MAX));
    item->max = read_u32(in, PAWL_LIMIT_PLACES_MAX);
    expect(in, item->max > 0);
    item->held = read_u32(in, UINT32_MAX);
    item->wanted = read_u32(in, UINT32_MAX);
}

static void places_decode(struct decoder *in, struct pawl_peer_places *places)
{
    places->version = read_u64(in);
    places->kept_epoch = read_u64(in);
    places->process = read_id(in);
    places->number = read_u64(in);
    expect(in, places->number > 0);
    uint32_t count = pawl_read_array(&in->reader, PAWL_PEER_PLACES_MAX * PLACES_ITEM_FIELDS);
    expect(in, count % PLACES_ITEM_FIELDS == 0);
    places->items_count = count / PLACES_ITEM_FIELDS;
    places->items = PAWL_ARENA_ARRAY(in->arena, struct pawl_peer_places_item, places->items_count);
    for (uint32_t i = 0; i < places->items_count; i++) places_item_decode(in, &places->items[i]);
}

static void find_decode(struct decoder *in, struct pawl_peer_find *find)
{
    find->run = read_id(in);
    find->instance = read_name(in, PAWL_INSTANCE_ID_SIZE_MAX);
    find->inc = read_id(in);
    find->gen = read_u32(in, UINT32_MAX);
    expect(in, find->gen > 0);
    find->nonce = read_u64(in);
}

static void finds_decode(struct decoder *in, struct pawl_peer_finds *finds)
{
    uint32_t count = pawl_read_array(&in->reader, PAWL_PEER_RUNS_MAX * FIND_ITEM_FIELDS);
    expect(in, count % FIND_ITEM_FIELDS == 0);
    finds->count = count / FIND_ITEM_FIELDS;
    finds->items = PAWL_ARENA_ARRAY(in->arena, struct pawl_peer_find, finds->count);
    for (uint32_t i = 0; i < finds->count; i++) find_decode(in, &finds->items[i]);
}

static void news_decode(struct decoder *in, struct pawl_peer_news *news)
{
    news->count = pawl_read_array(&in->reader, PAWL_PARTITIONS_MAX);
    news->partitions = PAWL_ARENA_ARRAY(in->arena, uint32_t, news->count);
    for (uint32_t i = 0; i < news->count; i++)
        news->partitions[i] = read_u32(in, PAWL_PARTITIONS_MAX - 1);
}

static void frame_read_fields(struct decoder *in, struct pawl_peer_frame *frame)
{
    switch (frame->type) {
    case PAWL_PEER_HELLO:
    case PAWL_PEER_WELCOME: hello_decode(in, &frame->hello); break;
    case PAWL_PEER_REFUSED: refused_decode(in, &frame->refused); break;
    case PAWL_PEER_CREDIT: frame->credit = pawl_read_uint(&in->reader, PAWL_PEER_WINDOW); break;
    case PAWL_PEER_CALL:
        frame->call.token = read_u64(in);
        frame->call.frame = read_inner(in);
        break;
    case PAWL_PEER_RETURN: return_decode(in, &frame->call); break;
    case PAWL_PEER_GONE: frame->call.token = read_u64(in); break;
    case PAWL_PEER_MESSAGE:
        frame->message.id = read_id(in);
        frame->message.body = read_inner(in);
        break;
    case PAWL_PEER_MESSAGE_DONE: message_done_decode(in, &frame->message_done); break;
    case PAWL_PEER_RUN:
    case PAWL_PEER_RESULT: run_decode(in, &frame->run); break;
    case PAWL_PEER_RUN_REFUSED:
        frame->run_refused.run = read_id(in);
        frame->run_refused.unregistered = pawl_read_bool(&in->reader);
        break;
    case PAWL_PEER_RESULT_DONE:
    case PAWL_PEER_CANCEL: frame->run_id = read_id(in); break;
    case PAWL_PEER_ATTEMPT:
        frame->run_attempt.run = read_id(in);
        frame->run_attempt.count = read_u32(in, UINT32_MAX);
        break;
    case PAWL_PEER_ASK:
        frame->runs.known = read_ids(in, PAWL_PEER_RUNS_MAX, &frame->runs.known_count);
        break;
    case PAWL_PEER_PLACES_WANTED:
    case PAWL_PEER_PLACES: places_decode(in, &frame->places); break;
    case PAWL_PEER_FIND: finds_decode(in, &frame->finds); break;
    case PAWL_PEER_NEWS: news_decode(in, &frame->news); break;
    case PAWL_PEER_FOUND:
    case PAWL_PEER_ASKED: asked_decode(in, &frame->runs); break;
    case PAWL_PEER_NEWS_WANTED:
    case PAWL_PEER_PING:
    case PAWL_PEER_PONG:
    case PAWL_PEER_FRAME_TYPES_END: break;
    }
}

pawl_err pawl_peer_frame_decode(struct pawl_bytes bytes, struct pawl_arena *arena,
                                struct pawl_peer_frame *ret_frame)
{
    struct decoder in = { .arena = arena };
    pawl_reader_init(&in.reader, bytes);

    uint32_t elements_count = pawl_read_array(&in.reader, FIELDS_MAX);
    uint32_t type = read_u32(&in, PAWL_PEER_FRAME_TYPES_END - 1);
    if (elements_count == 0 || type == 0) return PAWL_E_PROTOCOL;

    struct pawl_peer_frame frame = { .type = (enum pawl_peer_frame_type)type };
    uint32_t count = fields_count(frame.type);
    bool is_short = elements_count - 1 < count;
    frame_read_fields(&in, &frame);
    if (frame_is_foreign(&frame) && elements_count > 1 && in.reader.err == PAWL_OK) {
        *ret_frame = frame;
        return PAWL_OK;
    }
    if (is_short) return PAWL_E_PROTOCOL;
    for (uint32_t i = count; i < elements_count - 1; i++) pawl_read_skip(&in.reader);
    if (pawl_reader_finish(&in.reader) != PAWL_OK) return PAWL_E_PROTOCOL;
    *ret_frame = frame;
    return PAWL_OK;
}
