#include "sidecar/protobuf.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"

/* Walking ------------------------------------------------------------------------------ */

/* What protobuf-c takes per field while it unpacks, above the value itself. */
#define FIELD_COST 64u

struct walk {
    const uint8_t *next;
    const uint8_t *end;
    bool bad;
};

static uint64_t walk_varint(struct walk *walk)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70 && walk->next < walk->end; shift += 7) {
        uint8_t byte = *walk->next++;
        if (shift < 64) value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return value;
    }
    walk->bad = true;
    return 0;
}

static struct pawl_bytes walk_bytes(struct walk *walk, uint64_t size)
{
    if (size > (uint64_t)(walk->end - walk->next)) {
        walk->bad = true;
        return PAWL_BYTES_ABSENT;
    }
    struct pawl_bytes bytes = pawl_bytes_make(walk->next, (size_t)size);
    walk->next += size;
    return bytes;
}

/* The content of a field; for all but length-delimited ones only its size means anything. */
static struct pawl_bytes walk_value(struct walk *walk, unsigned wire_type)
{
    const uint8_t *from = walk->next;
    switch (wire_type) {
    case 0: (void)walk_varint(walk); return pawl_bytes_make(from, (size_t)(walk->next - from));
    case 1: return walk_bytes(walk, 8);
    case 2: return walk_bytes(walk, walk_varint(walk));
    case 5: return walk_bytes(walk, 4);
    default: walk->bad = true; return PAWL_BYTES_ABSENT; /* groups are long gone */
    }
}

/* A list of numbers in one field grows: each takes a byte on the wire and up to eight. */
static size_t field_memory(const ProtobufCFieldDescriptor *field, size_t size)
{
    bool is_packed =
        field && field->label == PROTOBUF_C_LABEL_REPEATED && field->type != PROTOBUF_C_TYPE_BYTES;
    return is_packed ? 8 * size : size;
}

static pawl_err message_check(const ProtobufCMessageDescriptor *descriptor, struct pawl_bytes bytes,
                              uint32_t depth, size_t *memory)
{
    struct walk walk = { .next = bytes.data, .end = bytes.data + bytes.size };
    *memory += descriptor->sizeof_message;
    while (walk.next < walk.end) {
        uint64_t tag = walk_varint(&walk);
        struct pawl_bytes value = walk_value(&walk, (unsigned)(tag & 7));
        if (walk.bad || tag >> 3 == 0 || tag >> 3 > 0x1fffffff) return PAWL_E_CORRUPT;
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(descriptor, (unsigned)(tag >> 3));
        bool is_message = field && field->type == PROTOBUF_C_TYPE_MESSAGE && (tag & 7) == 2;
        *memory += FIELD_COST + (is_message ? 0 : field_memory(field, value.size));
        if (*memory > PAWL_PROTOBUF_MEMORY_MAX) return PAWL_E_TOO_LARGE;
        if (!is_message) continue;
        if (depth == PAWL_PROTOBUF_DEPTH_MAX) return PAWL_E_TOO_LARGE;
        pawl_err err = message_check(field->descriptor, value, depth + 1, memory);
        if (err != PAWL_OK) return err;
    }
    return PAWL_OK;
}

/* Both ways ---------------------------------------------------------------------------- */

static void *arena_alloc(void *arena, size_t size)
{
    return pawl_arena_alloc(arena, size);
}

static void arena_free(void *arena, void *memory)
{
    (void)arena;
    (void)memory;
}

pawl_err pawl_protobuf_unpack(const ProtobufCMessageDescriptor *descriptor,
                              struct pawl_arena *arena, struct pawl_bytes bytes, void *ret_message)
{
    size_t memory = 0;
    pawl_err err = message_check(descriptor, bytes, 0, &memory);
    if (err != PAWL_OK) return err;
    ProtobufCAllocator allocator = { arena_alloc, arena_free, arena };
    void *message = protobuf_c_message_unpack(descriptor, &allocator, bytes.size, bytes.data);
    if (!message) return PAWL_E_CORRUPT;
    memcpy(ret_message, &message, sizeof message);
    return PAWL_OK;
}

struct pawl_bytes pawl_protobuf_pack(struct pawl_arena *arena, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = pawl_arena_alloc(arena, size);
    size_t packed = protobuf_c_message_pack(message, bytes);
    PAWL_ASSERT(packed == size);
    return pawl_bytes_make(bytes, size);
}

struct pawl_bytes pawl_protobuf_bytes(ProtobufCBinaryData data)
{
    return data.len ? pawl_bytes_make(data.data, data.len) : PAWL_BYTES_ABSENT;
}

/* Unknown fields ------------------------------------------------------------------------- */

uint64_t pawl_protobuf_unknown_varint(const ProtobufCMessage *message, uint32_t number)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < message->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *field = &message->unknown_fields[i];
        if (field->tag != number || field->wire_type != PROTOBUF_C_WIRE_TYPE_VARINT) continue;
        struct walk walk = { .next = field->data, .end = field->data + field->len };
        value = walk_varint(&walk); /* the last one counts */
    }
    return value;
}

struct pawl_bytes pawl_protobuf_unknown_bytes(const ProtobufCMessage *message, uint32_t number,
                                              uint32_t *cursor)
{
    while (*cursor < message->n_unknown_fields) {
        const ProtobufCMessageUnknownField *field = &message->unknown_fields[(*cursor)++];
        if (field->tag != number || field->wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
            continue;
        struct walk walk = { .next = field->data, .end = field->data + field->len };
        struct pawl_bytes content = walk_bytes(&walk, walk_varint(&walk));
        if (!walk.bad) return content.data ? content : PAWL_BYTES_LITERAL("");
    }
    return PAWL_BYTES_ABSENT;
}
