/* Grpc listener: the sockets of one gRPC port, with or without TLS, on a libuv loop. What
 * it serves is described in sidecar/grpc.h. */
#ifndef PAWL_SIDECAR_IO_GRPC_H
#define PAWL_SIDECAR_IO_GRPC_H

#include <uv.h>

#include "base/arena.h"
#include "sidecar/grpc.h"

struct pawl_grpc_listener;

struct pawl_grpc_listener_config {
    uv_loop_t *loop;
    const char *host; /* numeric address to bind, e.g. "127.0.0.1" */
    uint16_t port;    /* 0: any free one */
    struct pawl_grpc_service service;
    const char *token; /* as in struct pawl_grpc_config */
    uint64_t seed;
    const char *tls_certificate; /* path of a PEM file; NULL: no TLS */
    const char *tls_key;         /* as above */
};

/* On failure *ret_message says what and what to do about it; it is static or in the
 * arena. Nothing stays open after the loop has run its close callbacks. */
PAWL_MUST_USE pawl_err pawl_grpc_listener_open(const struct pawl_grpc_listener_config *config,
                                               struct pawl_arena *arena,
                                               struct pawl_grpc_listener **ret_listener,
                                               const char **ret_message);

/* What methods send to. Lives until close. */
struct pawl_grpc *pawl_grpc_listener_server(struct pawl_grpc_listener *listener);
uint16_t pawl_grpc_listener_port(const struct pawl_grpc_listener *listener);

/* Take no more connections and calls; clients go elsewhere when their calls have ended. */
void pawl_grpc_listener_stop(struct pawl_grpc_listener *listener);

/* End what still runs. When this returns, the service is told nothing any more; what was
 * sent leaves within PAWL_STOP_LINGER_MS, and the memory goes in uv's close callbacks.
 * NULL is fine. */
void pawl_grpc_listener_close(struct pawl_grpc_listener *listener);

#endif /* PAWL_SIDECAR_IO_GRPC_H */
