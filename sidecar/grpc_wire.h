/* Grpc wire: the texts and prefixes of gRPC over HTTP/2, without HTTP/2. */
#ifndef PAWL_SIDECAR_GRPC_WIRE_H
#define PAWL_SIDECAR_GRPC_WIRE_H

#include "base/buf.h"

/* Who is there, by the first bytes of a connection. */
enum pawl_grpc_caller {
    PAWL_GRPC_CALLER_UNSURE = 1, /* more bytes are needed */
    PAWL_GRPC_CALLER_HTTP2,      /* PAWL_GRPC_PREFACE_SIZE bytes are the preface */
    PAWL_GRPC_CALLER_HTTP1,
    PAWL_GRPC_CALLER_TLS,
    PAWL_GRPC_CALLER_STRANGER,
};

#define PAWL_GRPC_PREFACE_SIZE 24u

enum pawl_grpc_caller pawl_grpc_caller_of(struct pawl_bytes first);

/* "application/grpc", also with "+proto" and parameters. */
bool pawl_grpc_content_type_is_ours(struct pawl_bytes text);

/* The value of grpc-timeout, e.g. "500m", in ms, rounded up. False when malformed. */
bool pawl_grpc_timeout_parse(struct pawl_bytes text, int64_t *ret_ms);

/* The value of grpc-message: printable ASCII, all else percent-encoded. */
void pawl_grpc_message_encode(struct pawl_bytes text, struct pawl_buf *out);

/* Before each message: whether it is compressed, and its size. */
#define PAWL_GRPC_PREFIX_SIZE 5u
void pawl_grpc_prefix_write(uint8_t ret_prefix[PAWL_GRPC_PREFIX_SIZE], uint32_t size);
void pawl_grpc_prefix_read(const uint8_t prefix[PAWL_GRPC_PREFIX_SIZE], uint8_t *ret_flags,
                           uint32_t *ret_size);

#endif /* PAWL_SIDECAR_GRPC_WIRE_H */
