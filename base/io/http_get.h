/* Http_get: a small HTTP server for looking at a process: health, metrics, tables.
 *
 * GET and HEAD only, answered at once on the loop's thread; libmicrohttpd inside the libuv
 * loop, without threads. The management API of the sidecar is another one
 * (sidecar/io/http.h): its requests have bodies and wait for the engine.
 */
#ifndef PAWL_BASE_IO_HTTP_GET_H
#define PAWL_BASE_IO_HTTP_GET_H

#include <uv.h>

#include "base/buf.h"

struct pawl_http_get;
struct pawl_http_get_request; /* valid during on_get */

/* `body` is empty at first. */
struct pawl_http_get_reply {
    unsigned status;
    const char *type; /* static */
    struct pawl_buf body;
};

struct pawl_http_get_config {
    uv_loop_t *loop;
    const char *host; /* numeric address to bind */
    uint16_t port;    /* 0: any free one */
    void *context;
    /* Fills the reply; a body that has become bad is answered with 500. */
    void (*on_get)(void *context, const struct pawl_http_get_request *request,
                   struct pawl_http_get_reply *reply);
};

/* As pawl_listen_open; PAWL_E_LIMIT: too few descriptors or too little memory. */
PAWL_MUST_USE pawl_err pawl_http_get_open(const struct pawl_http_get_config *config,
                                          struct pawl_http_get **ret_http,
                                          const char **ret_message);
uint16_t pawl_http_get_port(const struct pawl_http_get *http);

/* Drops open connections. NULL is fine. Needs the loop for its uv_close callbacks. */
void pawl_http_get_close(struct pawl_http_get *http);

/* Decoded path, such as "/metrics". */
const char *pawl_http_get_path(const struct pawl_http_get_request *request);

/* The first value of a query parameter or of a header; NULL: not there. */
const char *pawl_http_get_query(const struct pawl_http_get_request *request, const char *name);
const char *pawl_http_get_header(const struct pawl_http_get_request *request, const char *name);

#endif /* PAWL_BASE_IO_HTTP_GET_H */
