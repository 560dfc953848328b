#include <poll.h>

#include "base/mem.h"
#include "sidecar/io/http_internal.h"

#define GONE_TIMEOUT_S 1u

/* A client that has only ended its own sending side still reads (nc -N does that), so
 * short calls are answered all the same. A long wait is given up: nobody keeps half a
 * connection open for minutes, and a closed one looks the same from here. */
bool pawl_peer_has_left(const struct pawl_peer *peer, const struct pawl_request *request)
{
    return peer->gone || (peer->stopped_sending && pawl_request_op_is_wait(request->op));
}

static void peer_on_event(uv_poll_t *handle, int status, int events)
{
    (void)status;
    (void)events; /* asked below: libuv does not tell half an end from a whole one */
    struct pawl_peer *peer = handle->data;
    struct pollfd fd = { .events = POLLRDHUP };
    if (uv_fileno((uv_handle_t *)handle, &fd.fd) != 0 || poll(&fd, 1, 0) < 0) return;

    peer->gone = (fd.revents & (POLLHUP | POLLERR)) != 0;
    peer->stopped_sending = peer->gone || (fd.revents & POLLRDHUP) != 0;
    if (!peer->stopped_sending) return;
    /* The end of sending is reported for ever; from now on only errors are of interest. */
    if (peer->gone || uv_poll_start(handle, UV_PRIORITIZED, peer_on_event) != 0) {
        uv_poll_stop(handle);
    }
    /* Nothing more will come, so a request that is not whole by now never will be. */
    MHD_set_connection_option(peer->connection, MHD_CONNECTION_OPTION_TIMEOUT, GONE_TIMEOUT_S);
    pawl_http_run_soon(peer->http);
    if (peer->waiting && pawl_peer_has_left(peer, &peer->waiting->request)) {
        pawl_exchange_leave(peer->waiting);
    }
}

void pawl_peer_open(struct pawl_http *http, struct MHD_Connection *connection,
                    struct pawl_peer **ret_peer)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (!info) return;
    struct pawl_peer *peer = PAWL_NEW(struct pawl_peer);
    if (uv_poll_init(http->loop, &peer->poll, info->connect_fd) != 0) {
        pawl_mem_free(peer);
        return;
    }
    peer->poll.data = peer;
    peer->http = http;
    peer->connection = connection;
    if (uv_poll_start(&peer->poll, UV_DISCONNECT, peer_on_event) != 0) {
        pawl_peer_close(peer);
        return;
    }
    *ret_peer = peer;
}

static void peer_on_closed(uv_handle_t *handle)
{
    pawl_mem_free(handle->data);
}

void pawl_peer_close(struct pawl_peer *peer)
{
    if (peer) uv_close((uv_handle_t *)&peer->poll, peer_on_closed);
}

struct pawl_peer *pawl_peer_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}
