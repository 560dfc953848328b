#include "placement/frames.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/codec.h"
#include "base/limits.h"
#include "placement/names.h"

/* What a reader passes over when a later minor version appends. */
enum { FIELDS_MAX = 64 };

/* Stores keep versions as signed numbers. */
#define VERSION_MAX ((uint64_t)INT64_MAX)

/* Of what a sidecar says it has heard of: lists can grow beyond it for a long time. */
#define VERSION_HEARD_MAX (VERSION_MAX - (UINT64_C(1) << 32))

/* Not counting the type. */
static uint32_t fields_count(enum pawl_placement_frame_type type)
{
    switch (type) {
    case PAWL_PLACEMENT_HELLO: return 12;
    case PAWL_PLACEMENT_UPDATE: return 4;
    case PAWL_PLACEMENT_HEARTBEAT: return 0;
    case PAWL_PLACEMENT_WELCOME: return 3;
    case PAWL_PLACEMENT_REFUSED: return 2;
    case PAWL_PLACEMENT_REDIRECT: return 1;
    case PAWL_PLACEMENT_MEMBERS: return 2;
    case PAWL_PLACEMENT_TYPES_END: break;
    }
    PAWL_UNREACHABLE("a frame type that does not exist");
}

enum { MEMBER_FIELDS = 7 };

/* The longest list fits a frame; 24 bytes are more than what stands between its texts. */
_Static_assert(PAWL_PLACEMENT_MEMBERS_MAX *(PAWL_HOST_SIZE_MAX + PAWL_APP_ID_SIZE_MAX
                                            + PAWL_ADDRESS_SIZE_MAX + 24)
                       + 64
                   <= PAWL_PLACEMENT_FRAME_SIZE_MAX,
               "the longest list fits a frame");

/* Encoding -------------------------------------------------------------------------- */

static void hello_encode(struct pawl_buf *buf, const struct pawl_placement_hello *hello)
{
    pawl_write_uint(buf, hello->protocol_version);
    pawl_write_bytes(buf, hello->namespace_);
    pawl_write_bytes(buf, hello->token);
    pawl_write_bytes(buf, hello->self.host);
    pawl_write_bytes(buf, hello->self.app);
    pawl_write_bytes(buf, hello->self.address);
    pawl_write_uint(buf, hello->self.partitions);
    pawl_write_bool(buf, hello->self.leaving);
    pawl_write_bool(buf, hello->self.runs_activities);
    pawl_write_id(buf, hello->process);
    pawl_write_uint(buf, hello->version);
    pawl_write_bool(buf, hello->self.runs_workflows);
}

static void member_encode(struct pawl_buf *buf, const struct pawl_member *member)
{
    pawl_write_array(buf, MEMBER_FIELDS);
    pawl_write_bytes(buf, member->host);
    pawl_write_bytes(buf, member->app);
    pawl_write_bytes(buf, member->address);
    pawl_write_uint(buf, member->partitions);
    pawl_write_bool(buf, member->leaving);
    pawl_write_bool(buf, member->runs_activities);
    pawl_write_bool(buf, member->runs_workflows);
}

static void members_encode(struct pawl_buf *buf, const struct pawl_members *members)
{
    pawl_write_uint(buf, members->version);
    pawl_write_array(buf, members->count);
    for (uint32_t i = 0; i < members->count; i++) member_encode(buf, &members->items[i]);
}

void pawl_placement_frame_encode(struct pawl_buf *buf, const struct pawl_placement_frame *frame)
{
    pawl_write_array(buf, 1 + fields_count(frame->type));
    pawl_write_uint(buf, frame->type);
    switch (frame->type) {
    case PAWL_PLACEMENT_HELLO: hello_encode(buf, &frame->hello); return;
    case PAWL_PLACEMENT_UPDATE:
        pawl_write_bool(buf, frame->update.runs_activities);
        pawl_write_bool(buf, frame->update.leaving);
        pawl_write_uint(buf, frame->update.version);
        pawl_write_bool(buf, frame->update.runs_workflows);
        return;
    case PAWL_PLACEMENT_HEARTBEAT: return;
    case PAWL_PLACEMENT_WELCOME:
        pawl_write_uint(buf, frame->welcome.protocol_version);
        pawl_write_bytes(buf, frame->welcome.namespace_);
        pawl_write_uint(buf, frame->welcome.heartbeat_ms);
        return;
    case PAWL_PLACEMENT_REFUSED:
        pawl_write_int(buf, (int64_t)frame->refused.err);
        pawl_write_bytes(buf, frame->refused.message);
        return;
    case PAWL_PLACEMENT_REDIRECT: pawl_write_bytes(buf, frame->redirect); return;
    case PAWL_PLACEMENT_MEMBERS: members_encode(buf, &frame->members); return;
    case PAWL_PLACEMENT_TYPES_END: break;
    }
    PAWL_UNREACHABLE("a frame type that does not exist");
}

/* Decoding -------------------------------------------------------------------------- */

static void expect(struct pawl_reader *in, bool condition)
{
    if (condition) return;
    if (in->err == PAWL_OK) in->err = PAWL_E_PROTOCOL;
    in->next = in->end;
}

static void skip(struct pawl_reader *in, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) pawl_read_skip(in);
}

static uint32_t read_u32(struct pawl_reader *in)
{
    return (uint32_t)pawl_read_uint(in, UINT32_MAX);
}

static void hello_decode(struct pawl_reader *in, struct pawl_placement_hello *hello)
{
    hello->protocol_version = read_u32(in);
    if (hello->protocol_version != PAWL_PLACEMENT_PROTOCOL_VERSION) {
        in->next = in->end; /* its further fields are unknown */
        return;
    }
    hello->namespace_ = pawl_read_bytes(in);
    hello->token = pawl_read_bytes(in);
    expect(in, hello->token.size <= PAWL_TOKEN_SIZE_MAX);
    hello->self.host = pawl_read_bytes(in);
    hello->self.app = pawl_read_bytes(in);
    hello->self.address = pawl_read_bytes(in);
    hello->self.partitions = read_u32(in);
    hello->self.leaving = pawl_read_bool(in);
    hello->self.runs_activities = pawl_read_bool(in);
    hello->process = pawl_read_id(in);
    expect(in, !pawl_id_is_zero(hello->process));
    hello->version = pawl_read_uint(in, VERSION_HEARD_MAX);
    hello->self.runs_workflows = pawl_read_bool(in);
}

/* REFUSED carries a reason; other numbers are none. */
static pawl_err read_reason(struct pawl_reader *in)
{
    pawl_err err = pawl_read_err(in);
    expect(in, err != PAWL_OK);
    return err;
}

static void refused_decode(struct pawl_reader *in, struct pawl_placement_refused *refused)
{
    refused->err = read_reason(in);
    refused->message = pawl_read_bytes(in);
    expect(in, refused->message.size <= PAWL_MESSAGE_SIZE_MAX);
    expect(in, pawl_bytes_is_absent(refused->message) || pawl_utf8_is_valid(refused->message));
}

static void welcome_decode(struct pawl_reader *in, struct pawl_placement_welcome *welcome)
{
    welcome->protocol_version = read_u32(in);
    welcome->namespace_ = pawl_read_bytes(in);
    expect(in, pawl_placement_app_is_valid(welcome->namespace_));
    welcome->heartbeat_ms = (uint32_t)pawl_read_uint(in, PAWL_PLACEMENT_SILENCE_MS);
    expect(in, welcome->heartbeat_ms > 0);
}

static void member_decode(struct pawl_reader *in, struct pawl_member *member)
{
    uint32_t count = pawl_read_array(in, FIELDS_MAX);
    expect(in, count >= MEMBER_FIELDS);
    member->host = pawl_read_bytes(in);
    expect(in, pawl_placement_host_is_valid(member->host));
    member->app = pawl_read_bytes(in);
    expect(in, pawl_placement_app_is_valid(member->app));
    member->address = pawl_read_bytes(in);
    expect(in, pawl_placement_address_is_valid(member->address));
    member->partitions = (uint32_t)pawl_read_uint(in, PAWL_PARTITIONS_MAX);
    expect(in, member->partitions > 0);
    member->leaving = pawl_read_bool(in);
    member->runs_activities = pawl_read_bool(in);
    member->runs_workflows = pawl_read_bool(in);
    if (in->err == PAWL_OK) skip(in, count - MEMBER_FIELDS);
}

/* In order, and of one mind about the partitions. */
static bool member_may_follow(const struct pawl_member *before, const struct pawl_member *member)
{
    int order = pawl_bytes_compare(before->app, member->app);
    if (order != 0) return order < 0;
    return pawl_bytes_compare(before->host, member->host) < 0
           && before->partitions == member->partitions;
}

static void members_decode(struct pawl_reader *in, struct pawl_arena *arena,
                           struct pawl_members *members)
{
    members->version = pawl_read_uint(in, VERSION_MAX);
    expect(in, members->version > 0);
    members->count = pawl_read_array(in, PAWL_PLACEMENT_MEMBERS_MAX);
    members->items = PAWL_ARENA_ARRAY(arena, struct pawl_member, members->count);
    for (uint32_t i = 0; i < members->count && in->err == PAWL_OK; i++) {
        struct pawl_member *member = &members->items[i];
        member_decode(in, member);
        expect(in, i == 0 || member_may_follow(member - 1, member));
    }
}

static void fields_decode(struct pawl_reader *in, struct pawl_arena *arena,
                          struct pawl_placement_frame *frame)
{
    switch (frame->type) {
    case PAWL_PLACEMENT_HELLO: hello_decode(in, &frame->hello); return;
    case PAWL_PLACEMENT_UPDATE:
        frame->update.runs_activities = pawl_read_bool(in);
        frame->update.leaving = pawl_read_bool(in);
        frame->update.version = pawl_read_uint(in, VERSION_HEARD_MAX);
        frame->update.runs_workflows = pawl_read_bool(in);
        return;
    case PAWL_PLACEMENT_HEARTBEAT: return;
    case PAWL_PLACEMENT_WELCOME: welcome_decode(in, &frame->welcome); return;
    case PAWL_PLACEMENT_REFUSED: refused_decode(in, &frame->refused); return;
    case PAWL_PLACEMENT_REDIRECT:
        frame->redirect = pawl_read_bytes(in);
        expect(in, pawl_bytes_is_absent(frame->redirect)
                       || pawl_placement_address_is_valid(frame->redirect));
        return;
    case PAWL_PLACEMENT_MEMBERS: members_decode(in, arena, &frame->members); return;
    case PAWL_PLACEMENT_TYPES_END: break;
    }
    expect(in, false);
}

static bool is_foreign(const struct pawl_placement_frame *frame)
{
    return frame->type == PAWL_PLACEMENT_HELLO
           && frame->hello.protocol_version != PAWL_PLACEMENT_PROTOCOL_VERSION;
}

pawl_err pawl_placement_frame_decode(struct pawl_bytes bytes, struct pawl_arena *arena,
                                     struct pawl_placement_frame *ret_frame)
{
    *ret_frame = (struct pawl_placement_frame){ 0 };
    struct pawl_reader in;
    pawl_reader_init(&in, bytes);
    uint32_t count = pawl_read_array(&in, FIELDS_MAX);
    uint64_t type = pawl_read_uint(&in, PAWL_PLACEMENT_TYPES_END - 1);
    if (in.err != PAWL_OK || count == 0 || type == 0) return PAWL_E_PROTOCOL;

    ret_frame->type = (enum pawl_placement_frame_type)type;
    uint32_t expected = 1 + fields_count(ret_frame->type);
    bool is_hello = ret_frame->type == PAWL_PLACEMENT_HELLO; /* may be of another version */
    if (count < expected && !(is_hello && count >= 2)) return PAWL_E_PROTOCOL;

    fields_decode(&in, arena, ret_frame);
    if (in.err != PAWL_OK) return PAWL_E_PROTOCOL;
    if (is_foreign(ret_frame)) return PAWL_OK;
    if (count < expected) return PAWL_E_PROTOCOL;
    skip(&in, count - expected);
    return pawl_reader_finish(&in) == PAWL_OK ? PAWL_OK : PAWL_E_PROTOCOL;
}
