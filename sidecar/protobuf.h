/* Protobuf: messages from anybody become protobuf-c's structs, within bounds.
 *
 * protobuf-c follows nested messages by recursion and allocates for each field it meets,
 * so a small message can end a process. Here a message is walked over first, without
 * memory: too deep, too many fields or not protobuf at all, and it is refused. What is
 * unpacked lies in an arena and needs no freeing. */
#ifndef PAWL_SIDECAR_PROTOBUF_H
#define PAWL_SIDECAR_PROTOBUF_H

#include <protobuf-c/protobuf-c.h>

#include "base/arena.h"
#include "pawl/err.h"

/* *ret_message is a struct of the descriptor's message, in the arena.
 *   PAWL_E_CORRUPT    not such a message
 *   PAWL_E_TOO_LARGE  nested deeper than PAWL_PROTOBUF_DEPTH_MAX, or would take more than
 *                     PAWL_PROTOBUF_MEMORY_MAX */
PAWL_MUST_USE pawl_err pawl_protobuf_unpack(const ProtobufCMessageDescriptor *descriptor,
                                            struct pawl_arena *arena, struct pawl_bytes bytes,
                                            void *ret_message);

/* The message's bytes, in the arena. */
struct pawl_bytes pawl_protobuf_pack(struct pawl_arena *arena, const ProtobufCMessage *message);

/* A bytes field of a message: a view. An empty one is absent: proto3 cannot tell. */
struct pawl_bytes pawl_protobuf_bytes(ProtobufCBinaryData data);

/* The value of an unknown varint field; 0 when it is not there. */
uint64_t pawl_protobuf_unknown_varint(const ProtobufCMessage *message, uint32_t number);

/* The next unknown length-delimited field with this number: its content. Begin with
 * *cursor = 0; absent at the end. */
struct pawl_bytes pawl_protobuf_unknown_bytes(const ProtobufCMessage *message, uint32_t number,
                                              uint32_t *cursor);

#endif /* PAWL_SIDECAR_PROTOBUF_H */
