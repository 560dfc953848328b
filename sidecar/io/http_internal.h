/* Inside the HTTP front: the server (http.c) and one request on its way
 * (http_exchange.c).
 *
 * An exchange begins with the request line and ends when libmicrohttpd says that the
 * request is over. In between:
 *
 *   NEW --headers--> READING --last byte--> WAITING --engine--> ANSWERED --> SENT
 *                       |                      |
 *                       +--our own answer------|--------------> ANSWERED
 *                                              +--client left-> GONE
 *
 *   An event stream goes on: ANSWERED --> STREAMING --all is sent--> WAITING --engine-->
 *   STREAMING …, until one side ends it. So there is one batch of events at most in memory,
 *   and a slow reader is read for later.
 *
 * Only in WAITING is the connection suspended and does the engine know of it.
 */
#ifndef PAWL_SIDECAR_IO_HTTP_INTERNAL_H
#define PAWL_SIDECAR_IO_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <uv.h>

#include "base/list.h"
#include "sidecar/http_info.h"
#include "sidecar/io/http.h"

enum pawl_exchange_state {
    PAWL_EXCHANGE_NEW = 1,
    PAWL_EXCHANGE_READING,
    PAWL_EXCHANGE_WAITING,
    PAWL_EXCHANGE_ANSWERED,
    PAWL_EXCHANGE_SENT,
    PAWL_EXCHANGE_STREAMING,
    PAWL_EXCHANGE_GONE,
};

struct pawl_exchange;

/* One connection's socket, watched for its end. libmicrohttpd does not look at a
 * suspended connection, and misses an end that comes together with the last bytes.
 * libuv closes handles later, so a peer outlives its connection. */
struct pawl_peer {
    uv_poll_t poll;
    struct pawl_http *http;
    struct MHD_Connection *connection;
    struct pawl_exchange *waiting; /* the exchange that the engine works on */
    bool stopped_sending;
    bool gone;
};

struct pawl_exchange {
    struct pawl_list link; /* on pawl_http.exchanges */
    struct pawl_http *http;
    struct MHD_Connection *connection;
    enum pawl_exchange_state state;
    struct pawl_arena arena;  /* the URL and all views of the request */
    struct pawl_bytes target; /* as on the wire */
    bool target_cut;          /* it was longer than PAWL_HTTP_URL_SIZE_MAX */
    enum pawl_http_method method;
    struct pawl_http_url url;
    struct pawl_http_match match;
    struct pawl_buf body;
    size_t drained_size; /* body bytes of a refused request, thrown away */
    bool refused;        /* `reply` stands although the body is still coming */
    struct pawl_request request;
    uint64_t token; /* WAITING: names the call to the engine */
    struct pawl_http_reply reply;
    struct { /* of an event stream; the reply's body is its present part */
        bool begun;
        bool ended;               /* nothing follows the present part */
        size_t sent;              /* of the present part */
        struct pawl_buf position; /* where the next part begins */
    } stream;
};

struct pawl_http {
    uv_loop_t *loop;
    struct pawl_api *api;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;   /* of the daemon's epoll descriptor */
    uv_timer_t timer; /* the daemon's timeouts */
    uint32_t handles; /* not yet closed by libuv */
    char host[64];
    uint16_t port;
    char *token; /* NULL: none */
    bool closing;
    bool again;         /* another run was asked for while one was under way */
    size_t bodies_size; /* held by all exchanges */
    struct pawl_list exchanges;
    struct pawl_http_counters counters;
};

struct pawl_exchange *pawl_exchange_new(struct pawl_http *http, struct MHD_Connection *connection,
                                        const char *target);
void pawl_exchange_free(struct pawl_exchange *exchange);

/* libmicrohttpd has headers, body bytes, the end of the body, or a resumed connection
 * for us. */
enum MHD_Result pawl_exchange_on_access(struct pawl_exchange *exchange, const char *method,
                                        const char *data, size_t *data_size);

/* *ret_peer: freed by pawl_peer_close; left alone when the socket cannot be watched, which
 * costs nothing but that its end is noticed later. */
void pawl_peer_open(struct pawl_http *http, struct MHD_Connection *connection,
                    struct pawl_peer **ret_peer);

/* NULL is fine. Needs the loop for its uv_close callback. */
void pawl_peer_close(struct pawl_peer *peer);

/* NULL: its socket could not be watched. */
struct pawl_peer *pawl_peer_of(struct MHD_Connection *connection);

/* True when nobody will read the answer to `request`. */
bool pawl_peer_has_left(const struct pawl_peer *peer, const struct pawl_request *request);

/* WAITING: take the call back from the engine, because nobody will read the answer. */
void pawl_exchange_leave(struct pawl_exchange *exchange);

/* WAITING: take the call back from the engine and answer 503. */
void pawl_exchange_abort(struct pawl_exchange *exchange);

/* Run libmicrohttpd in the next turn of the loop, once for all who ask: resuming a
 * connection, for one, does not wake its epoll. */
void pawl_http_run_soon(struct pawl_http *http);

/* What the system says of this process now; -1 for what it does not say. */
void pawl_process_stats_read(struct pawl_process_stats *ret_stats);

#endif /* PAWL_SIDECAR_IO_HTTP_INTERNAL_H */
