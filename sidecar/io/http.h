/* Http: the management API over HTTP/1.1 (libmicrohttpd inside the libuv loop).
 *
 * Dapr's workflow routes with honest status codes, the routes it lacks (list,
 * history, wait, rerun), health, metadata and Prometheus metrics: docs/HTTP.md.
 */
#ifndef PAWL_SIDECAR_IO_HTTP_H
#define PAWL_SIDECAR_IO_HTTP_H

#include <uv.h>

#include "sidecar/api.h"
#include "sidecar/grpc.h"

struct pawl_http;

struct pawl_http_config {
    uv_loop_t *loop;
    struct pawl_api *api;
    const char *host;  /* numeric address to bind, e.g. "127.0.0.1" */
    uint16_t port;     /* 0: any free one */
    const char *token; /* NULL: none; else required as dapr-api-token / pawl-api-token or Bearer */
};

PAWL_MUST_USE pawl_err pawl_http_open(const struct pawl_http_config *config,
                                      struct pawl_http **ret_http, const char **ret_message);
uint16_t pawl_http_port(const struct pawl_http *http);

/* Show a gRPC port with the metrics, under the name of its dialect (static text). NULL: no
 * longer; at most PAWL_HTTP_GRPC_PORTS_MAX names. */
void pawl_http_show_grpc(struct pawl_http *http, const char *name,
                         const struct pawl_grpc_counters *counters);

/* Stop accepting, answer what waits with 503, free. Needs no loop turn afterwards
 * besides uv_close callbacks. */
void pawl_http_close(struct pawl_http *http);

#endif /* PAWL_SIDECAR_IO_HTTP_H */
