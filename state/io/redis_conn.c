#include "state/io/redis_conn.h"

#include <hiredis/hiredis.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"
#include "state/io/redis_tls.h"

/* A batch that is being collected plus the largest single request. */
#define OUT_SIZE_MAX ((size_t)PAWL_STORE_REQUEST_SIZE_MAX + (32u << 20))

/* Larger write buffers are given back after use. */
#define OUT_SIZE_KEPT (16u << 20)

/* hiredis moves its unread bytes to the front of its buffer for every kilobyte
 * consumed, so it is fed in small pieces. */
#define FEED_SIZE ((size_t)8192)

struct pawl_redis_conn {
    const struct pawl_redis_url *url;
    struct pawl_redis_address address;
    struct pawl_redis_conn_handler handler;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    };
    uv_loop_t *loop;
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    uv_write_t write;
    struct addrinfo *addresses;
    const struct addrinfo *address_next;
    struct pawl_redis_reader *reader;
    struct pawl_redis_tls *tls; /* NULL: none, or not connected yet */
    struct pawl_buf out;
    struct pawl_buf wire; /* TLS: `out` as it goes over the wire */
    bool handle_open;
    bool resolving;
    bool connected; /* with TLS: and its handshake is through */
    bool writing;
    bool heard;         /* anything of Redis' protocol came */
    bool closed;        /* by the owner or by a failure: no more callbacks */
    int connect_status; /* of the last address that was tried */
    char why[512];
    char in[65536];
};

static void conn_try_next(struct pawl_redis_conn *conn);
static void conn_send(struct pawl_redis_conn *conn, struct pawl_buf *bytes);

static bool conn_is_unix(const struct pawl_redis_conn *conn)
{
    return conn->address.port[0] == 0;
}

static void conn_free(struct pawl_redis_conn *conn)
{
    if (conn->addresses) uv_freeaddrinfo(conn->addresses);
    pawl_redis_reader_free(conn->reader);
    pawl_redis_tls_free(conn->tls);
    pawl_buf_deinit(&conn->out);
    pawl_buf_deinit(&conn->wire);
    pawl_mem_free(conn);
}

/* libuv may still hold the handle or the name request; the last to let go frees. */
static void conn_release(struct pawl_redis_conn *conn)
{
    if (conn->closed && !conn->handle_open && !conn->resolving) conn_free(conn);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct pawl_redis_conn *conn = handle->data;
    conn->handle_open = false;
    if (conn->closed)
        conn_release(conn);
    else
        conn_try_next(conn);
}

void pawl_redis_conn_close(struct pawl_redis_conn *conn)
{
    if (!conn || conn->closed) return;
    conn->closed = true;
    if (conn->resolving)
        (void)uv_cancel((uv_req_t *)&conn->resolve); /* its callback comes anyway */
    if (conn->handle_open && !uv_is_closing(&conn->handle))
        uv_close(&conn->handle, on_handle_closed);
}

/* Only from libuv's callbacks. */
static void conn_fail(struct pawl_redis_conn *conn, const char *what, const char *detail)
{
    if (conn->closed) return;
    (void)snprintf(conn->why, sizeof conn->why, "Redis at %s: %s%s%s", conn->address.text, what,
                   detail[0] ? ": " : "", detail);
    pawl_redis_conn_close(conn);
    conn->handler.on_end(conn->handler.context, conn->why);
}

/* A server that hangs up before its first word often misses something. */
static void conn_lost(struct pawl_redis_conn *conn, const char *what, int status)
{
    const char *hint = "";
    if (!conn->heard && conn->url->is_tls && !conn->url->certfile[0])
        hint = " (if it wants a client certificate: certfile and keyfile)";
    else if (!conn->heard && !conn->url->is_tls && !conn_is_unix(conn))
        hint = " (if it wants TLS, the URL must begin with rediss)";
    char detail[200];
    (void)snprintf(detail, sizeof detail, "%s%s", uv_strerror(status), hint);
    conn_fail(conn, what, detail);
}

/* Reading ---------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *ret_buf)
{
    (void)size;
    struct pawl_redis_conn *conn = handle->data;
    *ret_buf = uv_buf_init(conn->in, sizeof conn->in);
}

/* False: the connection is closed. */
static bool conn_hand_over(struct pawl_redis_conn *conn)
{
    struct pawl_arena *arena = pawl_redis_reader_arena(conn->reader);
    for (;;) {
        const struct pawl_redis_value *value = NULL;
        if (pawl_redis_reader_next(conn->reader, &value)) {
            conn_fail(conn, "sent something that is not Redis' protocol", "");
            return false;
        }
        if (!value) return true;
        conn->heard = true;
        conn->handler.on_value(conn->handler.context, value, arena);
        if (conn->closed) return false;
    }
}

/* False: the connection is closed. */
static bool conn_take(struct pawl_redis_conn *conn, const char *data, size_t size)
{
    for (size_t at = 0; at < size; at += FEED_SIZE) {
        size_t piece = size - at < FEED_SIZE ? size - at : FEED_SIZE;
        if (pawl_redis_reader_feed(conn->reader, data + at, piece)) {
            conn_fail(conn, "sent a reply that is too large", "");
            return false;
        }
        if (!conn_hand_over(conn)) return false;
    }
    return true;
}

/* What TLS itself has to say: its handshake, keys that change. */
static void conn_send_tls(struct pawl_redis_conn *conn)
{
    if (conn->writing) return; /* on_rest_written comes back to it */
    pawl_redis_tls_take(conn->tls, &conn->wire);
    if (conn->wire.size) conn_send(conn, &conn->wire);
}

/* False: the connection is closed. */
static bool conn_take_tls(struct pawl_redis_conn *conn, const char *data, size_t size)
{
    char plain[FEED_SIZE];
    pawl_redis_tls_feed(conn->tls, data, size);
    for (;;) {
        size_t plain_size = 0;
        pawl_err err = pawl_redis_tls_read(conn->tls, plain, sizeof plain, &plain_size);
        conn_send_tls(conn); /* an alert, too, before the connection ends */
        if (err) {
            conn_fail(conn, pawl_redis_tls_why(conn->tls), "");
            return false;
        }
        if (!conn->connected && pawl_redis_tls_is_open(conn->tls)) {
            conn->connected = true;
            conn->handler.on_open(conn->handler.context);
            if (conn->closed) return false;
        }
        if (plain_size == 0) return true;
        if (!conn_take(conn, plain, plain_size)) return false;
    }
}

/* The first byte of an alert: the other side speaks TLS and was not greeted in it. */
#define TLS_ALERT 0x15

static void on_bytes(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    struct pawl_redis_conn *conn = stream->data;
    if (conn->closed || size == 0) return;
    if (size < 0) {
        const char *what = conn->tls && !conn->connected
                               ? "connection lost during the TLS handshake"
                               : "connection lost";
        conn_lost(conn, what, (int)size);
        return;
    }
    if (!conn->tls && buf->base[0] == TLS_ALERT) {
        conn_fail(conn, "wants TLS: the URL must begin with rediss", "");
        return;
    }
    bool is_open = conn->tls ? conn_take_tls(conn, buf->base, (size_t)size)
                             : conn_take(conn, buf->base, (size_t)size);
    if (is_open && conn->connected) conn->handler.on_read(conn->handler.context);
}

/* Connecting ------------------------------------------------------------------- */

/* on_open comes when the handshake is through. */
static void conn_start_tls(struct pawl_redis_conn *conn)
{
    char why[PAWL_REDIS_TLS_WHY_SIZE];
    conn->tls = pawl_redis_tls_new(conn->url, conn->address.host, why);
    if (conn->tls)
        conn_send_tls(conn);
    else
        conn_fail(conn, why, "");
}

static void on_connect(uv_connect_t *request, int status)
{
    struct pawl_redis_conn *conn = request->data;
    if (conn->closed) return;
    if (status == 0) status = uv_read_start(&conn->stream, on_alloc, on_bytes);
    if (status < 0) {
        conn->connect_status = status;
        uv_close(&conn->handle, on_handle_closed); /* which tries the next address */
        return;
    }
    if (!conn_is_unix(conn)) {
        (void)uv_tcp_nodelay(&conn->tcp, 1);       /* only slower without */
        (void)uv_tcp_keepalive(&conn->tcp, 1, 30); /* requests have their own timeout */
    }
    if (conn->url->is_tls) {
        conn_start_tls(conn);
        return;
    }
    conn->connected = true;
    conn->handler.on_open(conn->handler.context);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *addresses)
{
    struct pawl_redis_conn *conn = request->data;
    conn->resolving = false;
    conn->addresses = addresses;
    if (conn->closed) {
        conn_release(conn);
        return;
    }
    if (status < 0) {
        conn_fail(conn, "the host name cannot be resolved", uv_strerror(status));
        conn_release(conn);
        return;
    }
    conn->address_next = addresses;
    conn->connect_status = UV_EADDRNOTAVAIL;
    conn_try_next(conn);
}

static void conn_try_next(struct pawl_redis_conn *conn)
{
    const struct addrinfo *address = conn->address_next;
    if (!address) {
        conn_fail(conn, "cannot connect", uv_strerror(conn->connect_status));
        conn_release(conn);
        return;
    }
    conn->address_next = address->ai_next;
    int status = uv_tcp_init(conn->loop, &conn->tcp);
    PAWL_ASSERT(status == 0);
    conn->handle.data = conn;
    conn->handle_open = true;
    conn->connect.data = conn;
    status = uv_tcp_connect(&conn->connect, &conn->tcp, address->ai_addr, on_connect);
    if (status < 0) {
        conn->connect_status = status;
        uv_close(&conn->handle, on_handle_closed);
    }
}

static int conn_start_unix(struct pawl_redis_conn *conn)
{
    int status = uv_pipe_init(conn->loop, &conn->pipe, 0);
    if (status < 0) return status;
    conn->handle.data = conn;
    conn->handle_open = true;
    conn->connect.data = conn;
    uv_pipe_connect(&conn->connect, &conn->pipe, conn->address.host, on_connect);
    return 0;
}

static int conn_start_tcp(struct pawl_redis_conn *conn)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    conn->resolve.data = conn;
    int status = uv_getaddrinfo(conn->loop, &conn->resolve, on_resolved, conn->address.host,
                                conn->address.port, &hints);
    conn->resolving = status == 0;
    return status;
}

struct pawl_redis_conn *pawl_redis_conn_open(uv_loop_t *loop, const struct pawl_redis_url *url,
                                             const struct pawl_redis_address *address,
                                             const struct pawl_redis_conn_handler *handler,
                                             const char **ret_why)
{
    struct pawl_redis_conn *conn = PAWL_NEW(struct pawl_redis_conn);
    conn->loop = loop;
    conn->url = url;
    conn->address = *address;
    conn->handler = *handler;
    conn->reader = pawl_redis_reader_new();
    pawl_buf_init(&conn->out, OUT_SIZE_MAX);
    pawl_buf_init(&conn->wire, 2 * OUT_SIZE_MAX);

    int status = conn_is_unix(conn) ? conn_start_unix(conn) : conn_start_tcp(conn);
    if (status < 0) {
        *ret_why = uv_strerror(status);
        conn_free(conn);
        return NULL;
    }
    return conn;
}

/* Writing ---------------------------------------------------------------------- */

bool pawl_redis_conn_is_writable(const struct pawl_redis_conn *conn)
{
    return conn->connected && !conn->closed && !conn->writing;
}

size_t pawl_redis_conn_unsent(const struct pawl_redis_conn *conn)
{
    return conn->handle_open ? uv_stream_get_write_queue_size(&conn->stream) : 0;
}

struct pawl_buf *pawl_redis_conn_out(struct pawl_redis_conn *conn)
{
    return &conn->out;
}

struct pawl_arena *pawl_redis_conn_arena(struct pawl_redis_conn *conn)
{
    return pawl_redis_reader_arena(conn->reader);
}

void pawl_redis_conn_keep(struct pawl_redis_conn *conn, bool keep)
{
    pawl_redis_reader_keep(conn->reader, keep);
}

static void buf_empty(struct pawl_buf *buf)
{
    pawl_buf_clear(buf);
    if (buf->capacity <= OUT_SIZE_KEPT) return;
    size_t size_max = buf->size_max;
    pawl_buf_deinit(buf);
    pawl_buf_init(buf, size_max);
}

static void on_rest_written(uv_write_t *request, int status)
{
    struct pawl_redis_conn *conn = request->data;
    conn->writing = false;
    if (conn->closed) return;
    if (status < 0) {
        conn_lost(conn, "connection lost while sending", status);
        return;
    }
    buf_empty(conn->tls ? &conn->wire : &conn->out);
    if (conn->tls) conn_send_tls(conn);
    if (conn->connected && !conn->writing) conn->handler.on_written(conn->handler.context);
}

/* Mostly the kernel takes everything at once and no request object is needed. An error
 * shows up as one of the rest's write or of the read side. */
static void conn_send(struct pawl_redis_conn *conn, struct pawl_buf *bytes)
{
    PAWL_ASSERT(!conn->writing);
    PAWL_ASSERT(bytes->bad == PAWL_OK);
    uv_buf_t buf = uv_buf_init((char *)bytes->data, (unsigned)bytes->size);
    int result = uv_try_write(&conn->stream, &buf, 1);
    size_t sent = result > 0 ? (size_t)result : 0;
    if (sent == bytes->size) {
        buf_empty(bytes);
        return;
    }
    buf = uv_buf_init((char *)bytes->data + sent, (unsigned)(bytes->size - sent));
    conn->write.data = conn;
    conn->writing = true;
    int status = uv_write(&conn->write, &conn->stream, &buf, 1, on_rest_written);
    PAWL_ASSERT(status == 0); /* only bad arguments fail at once */
}

void pawl_redis_conn_flush(struct pawl_redis_conn *conn)
{
    PAWL_ASSERT(pawl_redis_conn_is_writable(conn));
    PAWL_ASSERT(conn->out.bad == PAWL_OK);
    if (conn->out.size == 0) return;
    if (!conn->tls) {
        conn_send(conn, &conn->out);
        return;
    }
    /* An error here shows on the read side, which may call back. */
    pawl_err err = pawl_redis_tls_write(conn->tls, conn->out.data, conn->out.size);
    buf_empty(&conn->out);
    if (err == PAWL_OK) conn_send_tls(conn);
}

/* `mark`, a number and a line end. By hand: five of them per request. */
static void head_append(struct pawl_buf *out, char mark, size_t number)
{
    char text[24];
    size_t at = sizeof text;
    text[--at] = '\n';
    text[--at] = '\r';
    do {
        text[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    text[--at] = mark;
    pawl_buf_append(out, text + at, sizeof text - at);
}

void pawl_redis_command(struct pawl_buf *out, uint32_t count, const struct pawl_bytes *words)
{
    head_append(out, '*', count);
    for (uint32_t i = 0; i < count; i++) {
        head_append(out, '$', words[i].size);
        if (words[i].size) pawl_buf_append_bytes(out, words[i]);
        pawl_buf_append(out, "\r\n", 2);
    }
}

uint64_t pawl_redis_backoff_ms(uint32_t *failures, struct pawl_rng *rng)
{
    uint64_t delay_ms = PAWL_STORE_RECONNECT_MS_MAX;
    if (*failures < 6) delay_ms = (uint64_t)PAWL_RECONNECT_MS_MIN << *failures;
    if (delay_ms > PAWL_STORE_RECONNECT_MS_MAX) delay_ms = PAWL_STORE_RECONNECT_MS_MAX;
    (*failures)++;
    return delay_ms / 2 + pawl_rng_below(rng, delay_ms / 2 + 1);
}
