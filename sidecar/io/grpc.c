#include "sidecar/io/grpc.h"

#include <stdio.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "sidecar/grpc_wire.h"
#include "sidecar/io/tls.h"

#define READ_SIZE  (64u << 10)
#define PLAIN_MAX  (4u << 20) /* what one read may decrypt to; far more than it can */
#define CIPHER_MAX (4u << 20) /* what one write may encrypt to; as above */

struct pawl_grpc_listener {
    uv_tcp_t tcp;
    uv_idle_t idle;   /* ends the turn before the loop waits … */
    uv_check_t check; /* … and this one after it has waited */
    uv_timer_t timer;
    uint32_t handles; /* not yet closed by libuv, those of sockets included */
    uint16_t port;
    int64_t unix_ms;  /* the Unix time when steady_ms was 0 */
    int64_t timer_ms; /* what the timer is set to; 0: nothing */
    struct pawl_grpc *server;
    struct pawl_tls_identity *identity; /* NULL: no TLS */
    struct pawl_list sockets;
    struct pawl_list lingering; /* sockets that have ended, the oldest first */
    uint32_t sockets_count;
    bool is_closing;
    struct pawl_buf plain;
    struct pawl_buf cipher;
    uint8_t read[READ_SIZE];
};

struct grpc_socket {
    uv_tcp_t tcp;
    uv_shutdown_t shutdown;
    struct pawl_list link; /* on sockets or lingering */
    struct pawl_grpc_listener *listener;
    struct pawl_grpc_conn *conn; /* NULL: it was told of the end */
    struct pawl_tls *tls;
    bool is_sniffed;    /* a port with TLS has looked at the first byte */
    bool is_ending;     /* what was sent leaves, then it closes */
    bool is_failed;     /* nothing can be sent any more */
    size_t unsent_size; /* in libuv's hands */
    int64_t until_ms;   /* lingering */
};

/* A write that the socket did not take at once. */
struct grpc_write {
    uv_write_t write;
    struct grpc_socket *socket;
    size_t size;
    uint8_t data[];
};

static int64_t steady_ms(void)
{
    return (int64_t)(uv_hrtime() / 1000000);
}

static int64_t now_ms(const struct pawl_grpc_listener *listener)
{
    return listener->unix_ms + steady_ms();
}

static void timer_arm(struct pawl_grpc_listener *listener);

/* The end of sockets ------------------------------------------------------------------------ */

static void listener_free(struct pawl_grpc_listener *listener)
{
    pawl_grpc_free(listener->server);
    pawl_tls_identity_close(listener->identity);
    pawl_buf_deinit(&listener->plain);
    pawl_buf_deinit(&listener->cipher);
    pawl_mem_free(listener);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct pawl_grpc_listener *listener = handle->data;
    if (--listener->handles == 0) listener_free(listener);
}

/* Its last socket takes the rest of a closing listener along. */
static void listener_end_if_empty(struct pawl_grpc_listener *listener)
{
    if (!listener->is_closing || listener->sockets_count > 0) return;
    if (uv_is_closing((uv_handle_t *)&listener->timer)) return;
    uv_close((uv_handle_t *)&listener->idle, on_handle_closed);
    uv_close((uv_handle_t *)&listener->check, on_handle_closed);
    uv_close((uv_handle_t *)&listener->timer, on_handle_closed);
}

static void on_socket_closed(uv_handle_t *handle)
{
    struct grpc_socket *socket = handle->data;
    struct pawl_grpc_listener *listener = socket->listener;
    pawl_tls_free(socket->tls);
    pawl_mem_free(socket);
    listener->handles--; /* never the last one */
    listener_end_if_empty(listener);
}

static void socket_close(struct grpc_socket *socket, const char *why)
{
    struct pawl_grpc_listener *listener = socket->listener;
    if (uv_is_closing((uv_handle_t *)&socket->tcp)) return;
    pawl_list_remove(&socket->link);
    listener->sockets_count--;
    uv_close((uv_handle_t *)&socket->tcp, on_socket_closed);
    struct pawl_grpc_conn *conn = socket->conn;
    socket->conn = NULL;
    if (conn) pawl_grpc_on_close(conn, why, now_ms(listener));
}

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
    (void)shutdown;
    (void)status; /* the peer's end, or the linger, closes it */
}

/* Closing at once could take the last bytes from under a client that still sends. So it
 * has a moment to close from its side. */
static void socket_linger(struct grpc_socket *socket)
{
    struct pawl_grpc_listener *listener = socket->listener;
    socket->is_ending = true;
    pawl_list_remove(&socket->link);
    pawl_list_push_tail(&listener->lingering, &socket->link);
    socket->until_ms = now_ms(listener) + PAWL_STOP_LINGER_MS;
    if (uv_shutdown(&socket->shutdown, (uv_stream_t *)&socket->tcp, on_shutdown) != 0)
        socket->until_ms = now_ms(listener);
    timer_arm(listener);
}

/* Bytes out ----------------------------------------------------------------------------------- */

static void on_written(uv_write_t *write, int status)
{
    struct grpc_write *pending = write->data;
    struct grpc_socket *socket = pending->socket;
    socket->unsent_size -= pending->size;
    pawl_mem_free(pending);
    if (uv_is_closing((uv_handle_t *)&socket->tcp)) return;
    if (status != 0) {
        socket_close(socket, uv_strerror(status));
    } else if (socket->unsent_size == 0 && !socket->is_ending) {
        pawl_grpc_on_writable(socket->conn);
    }
}

static void write_later(struct grpc_socket *socket, struct pawl_bytes bytes)
{
    struct grpc_write *pending = pawl_mem_alloc(sizeof *pending + bytes.size);
    memcpy(pending->data, bytes.data, bytes.size);
    pending->socket = socket;
    pending->size = bytes.size;
    pending->write.data = pending;
    uv_buf_t buf = uv_buf_init((char *)pending->data, (unsigned)bytes.size);
    if (uv_write(&pending->write, (uv_stream_t *)&socket->tcp, &buf, 1, on_written) != 0) {
        socket->is_failed = true;
        pawl_mem_free(pending);
        return;
    }
    socket->unsent_size += bytes.size;
}

/* As they are. A failure shows when the socket is read. */
static void socket_write(struct grpc_socket *socket, struct pawl_bytes bytes)
{
    if (socket->is_failed || bytes.size == 0) return;
    if (socket->unsent_size == 0) {
        uv_buf_t buf = uv_buf_init((char *)(uintptr_t)bytes.data, (unsigned)bytes.size);
        int sent = uv_try_write((uv_stream_t *)&socket->tcp, &buf, 1);
        if (sent < 0 && sent != UV_EAGAIN) {
            socket->is_failed = true;
            return;
        }
        if (sent < 0) sent = 0;
        bytes = pawl_bytes_make(bytes.data + sent, bytes.size - (size_t)sent);
    }
    if (bytes.size > 0) write_later(socket, bytes);
}

static bool on_send(void *context, void *peer, struct pawl_bytes bytes)
{
    struct pawl_grpc_listener *listener = context;
    struct grpc_socket *socket = peer;
    if (socket->tls) {
        pawl_buf_clear(&listener->cipher);
        if (pawl_tls_send(socket->tls, bytes, &listener->cipher) != PAWL_OK)
            socket->is_failed = true;
        bytes = pawl_buf_view(&listener->cipher);
    }
    socket_write(socket, bytes);
    return socket->unsent_size == 0 && !socket->is_failed;
}

static void on_end(void *context, void *peer)
{
    struct pawl_grpc_listener *listener = context;
    struct grpc_socket *socket = peer;
    if (socket->tls && !socket->is_failed) {
        pawl_buf_clear(&listener->cipher);
        pawl_tls_end(socket->tls, &listener->cipher);
        socket_write(socket, pawl_buf_view(&listener->cipher));
    }
    socket_linger(socket);
}

/* Turns of the loop ------------------------------------------------------------------------------
 */

static void turn_end(struct pawl_grpc_listener *listener)
{
    uv_idle_stop(&listener->idle);
    uv_check_stop(&listener->check);
    pawl_grpc_flush(listener->server, now_ms(listener));
    timer_arm(listener);
}

static void on_idle(uv_idle_t *idle)
{
    turn_end(idle->data);
}

static void on_check(uv_check_t *check)
{
    turn_end(check->data);
}

/* An active idle handle also keeps the loop from waiting. */
static void on_wake(void *context)
{
    struct pawl_grpc_listener *listener = context;
    if (listener->is_closing) return;
    uv_idle_start(&listener->idle, on_idle);
    uv_check_start(&listener->check, on_check);
}

static struct grpc_socket *lingering_first(const struct pawl_grpc_listener *listener)
{
    if (pawl_list_is_empty(&listener->lingering)) return NULL;
    return PAWL_CONTAINER_OF(listener->lingering.next, struct grpc_socket, link);
}

static void on_timer(uv_timer_t *timer)
{
    struct pawl_grpc_listener *listener = timer->data;
    struct grpc_socket *socket;
    listener->timer_ms = 0;
    while ((socket = lingering_first(listener)) && socket->until_ms <= now_ms(listener))
        socket_close(socket, "closed");
    if (!listener->is_closing) pawl_grpc_on_tick(listener->server, now_ms(listener));
    timer_arm(listener);
}

static void timer_arm(struct pawl_grpc_listener *listener)
{
    const struct grpc_socket *socket = lingering_first(listener);
    int64_t due_ms = listener->is_closing ? 0 : pawl_grpc_wake_at_ms(listener->server);
    if (socket && (due_ms == 0 || socket->until_ms < due_ms)) due_ms = socket->until_ms;
    /* One that is set too early comes back here. */
    if (due_ms == 0 || uv_is_closing((uv_handle_t *)&listener->timer)) return;
    if (listener->timer_ms != 0 && listener->timer_ms <= due_ms) return;
    int64_t wait_ms = due_ms - now_ms(listener);
    listener->timer_ms = due_ms;
    uv_timer_start(&listener->timer, on_timer, wait_ms > 0 ? (uint64_t)wait_ms + 1 : 1, 0);
}

/* Bytes in ------------------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    (void)suggested;
    struct grpc_socket *socket = handle->data;
    *ret_buf = uv_buf_init((char *)socket->listener->read, READ_SIZE);
}

static const char plain_answer[] =
    "This port speaks gRPC over TLS. Use https:// or the TLS credentials of your client.\n";

/* A client without TLS would wait for an answer that it can read. */
static void answer_plain(struct grpc_socket *socket)
{
    char text[256];
    snprintf(text, sizeof text,
             "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
             "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
             sizeof plain_answer - 1, plain_answer);
    pawl_log(PAWL_LOG_INFO, "grpc", "a client without TLS was sent away");
    socket_write(socket, pawl_bytes_str(text));
    struct pawl_grpc_conn *conn = socket->conn;
    socket->conn = NULL;
    pawl_grpc_on_close(conn, "the client does not speak TLS", now_ms(socket->listener));
    socket_linger(socket);
}

static void receive_tls(struct grpc_socket *socket, struct pawl_bytes bytes)
{
    struct pawl_grpc_listener *listener = socket->listener;
    const char *message = NULL;
    if (!socket->is_sniffed) {
        socket->is_sniffed = true;
        if (pawl_grpc_caller_of(bytes) != PAWL_GRPC_CALLER_TLS) {
            answer_plain(socket);
            return;
        }
    }
    pawl_buf_clear(&listener->plain);
    pawl_buf_clear(&listener->cipher);
    pawl_err err =
        pawl_tls_receive(socket->tls, bytes, &listener->plain, &listener->cipher, &message);
    socket_write(socket, pawl_buf_view(&listener->cipher));
    if (err != PAWL_OK) {
        pawl_log(PAWL_LOG_INFO, "grpc", "a TLS connection failed: %s", message);
        socket->is_failed = true;
        socket_close(socket, "TLS failed");
        return;
    }
    if (listener->plain.size > 0)
        pawl_grpc_on_bytes(socket->conn, pawl_buf_view(&listener->plain), now_ms(listener));
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    struct grpc_socket *socket = stream->data;
    if (size == UV_EOF) {
        socket_close(socket, "the client closed the connection");
    } else if (size < 0) {
        socket_close(socket, uv_strerror((int)size));
    } else if (size == 0 || socket->is_ending) {
        return;
    } else if (socket->tls) {
        receive_tls(socket, pawl_bytes_make(buf->base, (size_t)size));
    } else {
        pawl_grpc_on_bytes(socket->conn, pawl_bytes_make(buf->base, (size_t)size),
                           now_ms(socket->listener));
    }
}

/* Connections ------------------------------------------------------------------------------------
 */

union address {
    struct sockaddr any;
    struct sockaddr_in ip4;
    struct sockaddr_in6 ip6;
    struct sockaddr_storage storage;
};

static uint16_t address_port(const union address *address)
{
    return ntohs(address->any.sa_family == AF_INET6 ? address->ip6.sin6_port
                                                    : address->ip4.sin_port);
}

static void peer_name(const uv_tcp_t *tcp, char ret_name[64])
{
    union address address = { .any = { .sa_family = AF_UNSPEC } };
    int size = sizeof address;
    char host[INET6_ADDRSTRLEN] = "?";
    (void)uv_tcp_getpeername(tcp, &address.any, &size);
    (void)uv_ip_name(&address.any, host, sizeof host);
    snprintf(ret_name, 64, address.any.sa_family == AF_INET6 ? "[%s]:%u" : "%s:%u", host,
             address_port(&address));
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct pawl_grpc_listener *listener = stream->data;
    char name[64];
    if (status != 0) return;
    struct grpc_socket *socket = PAWL_NEW(struct grpc_socket);
    socket->listener = listener;
    int rc = uv_tcp_init(stream->loop, &socket->tcp);
    PAWL_ASSERT(rc == 0);
    socket->tcp.data = socket;
    listener->handles++;
    listener->sockets_count++;
    pawl_list_push_tail(&listener->sockets, &socket->link);
    if (uv_accept(stream, (uv_stream_t *)&socket->tcp) != 0) {
        socket_close(socket, "not accepted");
        return;
    }
    peer_name(&socket->tcp, name);
    socket->conn = pawl_grpc_open(listener->server, socket, name, now_ms(listener));
    if (!socket->conn) {
        socket_close(socket, "too many connections");
        return;
    }
    if (listener->identity) socket->tls = pawl_tls_new(listener->identity);
    (void)uv_tcp_nodelay(&socket->tcp, 1);
    rc = uv_read_start((uv_stream_t *)&socket->tcp, on_alloc, on_read);
    PAWL_ASSERT(rc == 0);
    timer_arm(listener);
}

/* Open ----------------------------------------------------------------------------------------- */

static const char *address_parse(const char *host, uint16_t port, union address *ret_address)
{
    *ret_address = (union address){ .any = { .sa_family = AF_UNSPEC } };
    if (uv_ip4_addr(host, port, &ret_address->ip4) == 0) return NULL;
    if (uv_ip6_addr(host, port, &ret_address->ip6) == 0) return NULL;
    return "the gRPC address must be a numeric IP address such as 127.0.0.1, 0.0.0.0 or ::1";
}

static const char *bind_error(int error)
{
    switch (error) {
    case UV_EADDRINUSE: return "the gRPC port is in use by another process: choose another port";
    case UV_EACCES: return "not allowed to listen on the gRPC port: choose one above 1023";
    case UV_EADDRNOTAVAIL: return "the gRPC address is not one of this machine";
    default: return "cannot listen on the gRPC address and port";
    }
}

static void handle_join(struct pawl_grpc_listener *listener, uv_handle_t *handle, int rc)
{
    PAWL_ASSERT(rc == 0); /* init without a descriptor cannot fail */
    handle->data = listener;
    listener->handles++;
}

static struct pawl_grpc_listener *listener_new(const struct pawl_grpc_listener_config *config)
{
    struct pawl_grpc_listener *listener = PAWL_NEW(struct pawl_grpc_listener);
    uv_timeval64_t now = { 0, 0 };
    (void)uv_gettimeofday(&now);
    listener->unix_ms = now.tv_sec * 1000 + now.tv_usec / 1000 - steady_ms();
    pawl_list_init(&listener->sockets);
    pawl_list_init(&listener->lingering);
    pawl_buf_init(&listener->plain, PLAIN_MAX);
    pawl_buf_init(&listener->cipher, CIPHER_MAX);
    uv_loop_t *loop = config->loop;
    handle_join(listener, (uv_handle_t *)&listener->tcp, uv_tcp_init(loop, &listener->tcp));
    handle_join(listener, (uv_handle_t *)&listener->idle, uv_idle_init(loop, &listener->idle));
    handle_join(listener, (uv_handle_t *)&listener->check, uv_check_init(loop, &listener->check));
    handle_join(listener, (uv_handle_t *)&listener->timer, uv_timer_init(loop, &listener->timer));
    const struct pawl_grpc_config server = {
        .service = config->service,
        .token = config->token && config->token[0] ? config->token : NULL,
        .seed = config->seed,
        .outside = { .context = listener, .wake = on_wake, .send = on_send, .end = on_end },
    };
    listener->server = pawl_grpc_new(&server);
    return listener;
}

static int listener_bind(struct pawl_grpc_listener *listener, const union address *address)
{
    union address bound;
    int size = sizeof bound;
    int rc = uv_tcp_bind(&listener->tcp, &address->any, 0);
    if (rc == 0) rc = uv_listen((uv_stream_t *)&listener->tcp, SOMAXCONN, on_connection);
    if (rc == 0) rc = uv_tcp_getsockname(&listener->tcp, &bound.any, &size);
    if (rc == 0) listener->port = address_port(&bound);
    return rc;
}

static pawl_err identity_open(const struct pawl_grpc_listener_config *config,
                              struct pawl_arena *arena, struct pawl_tls_identity **ret_identity,
                              const char **ret_message)
{
    *ret_identity = NULL;
    if (!config->tls_certificate && !config->tls_key) return PAWL_OK;
    if (!config->tls_certificate || !config->tls_key) {
        *ret_message = "TLS needs both a certificate and its key";
        return PAWL_E_INVALID;
    }
    return pawl_tls_identity_open(config->tls_certificate, config->tls_key, arena, ret_identity,
                                  ret_message);
}

pawl_err pawl_grpc_listener_open(const struct pawl_grpc_listener_config *config,
                                 struct pawl_arena *arena, struct pawl_grpc_listener **ret_listener,
                                 const char **ret_message)
{
    union address address;
    struct pawl_tls_identity *identity;
    *ret_message = address_parse(config->host, config->port, &address);
    if (*ret_message) return PAWL_E_INVALID;
    pawl_err err = identity_open(config, arena, &identity, ret_message);
    if (err != PAWL_OK) return err;

    struct pawl_grpc_listener *listener = listener_new(config);
    listener->identity = identity;
    int rc = listener_bind(listener, &address);
    if (rc != 0) {
        *ret_message = bind_error(rc);
        pawl_grpc_listener_close(listener);
        return PAWL_E_UNAVAILABLE;
    }
    *ret_listener = listener;
    return PAWL_OK;
}

struct pawl_grpc *pawl_grpc_listener_server(struct pawl_grpc_listener *listener)
{
    return listener->server;
}

uint16_t pawl_grpc_listener_port(const struct pawl_grpc_listener *listener)
{
    return listener->port;
}

/* Close ---------------------------------------------------------------------------------------- */

static void listen_end(struct pawl_grpc_listener *listener)
{
    if (!uv_is_closing((uv_handle_t *)&listener->tcp))
        uv_close((uv_handle_t *)&listener->tcp, on_handle_closed);
}

void pawl_grpc_listener_stop(struct pawl_grpc_listener *listener)
{
    listen_end(listener);
    pawl_grpc_stop(listener->server, now_ms(listener));
}

void pawl_grpc_listener_close(struct pawl_grpc_listener *listener)
{
    if (!listener) return;
    listen_end(listener);
    pawl_grpc_end_all(listener->server, now_ms(listener));
    pawl_grpc_flush(listener->server, now_ms(listener));
    listener->is_closing = true;
    uv_idle_stop(&listener->idle);
    uv_check_stop(&listener->check);
    listener->timer_ms = 0;
    timer_arm(listener);
    listener_end_if_empty(listener);
}
