#include "base/io/stream.h"

#include <nng/nng.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/mem.h"

/* Who may touch what
 *
 *   owner thread only    everything, but for the two lines below
 *   under hub->lock      hub->ready, hub->closing, source.link, source.done
 *   NNG, while op.busy   the memory handed to the operation: conn.in.data from
 *                        conn.in.end on (recv), conn.writing.data (send); at_once is
 *                        over when the function that posts it returns
 *
 * An operation is busy from its posting until the owner has drained its end. A
 * connection is freed only when none of its operations is busy, so no callback can
 * meet a freed one.
 *
 *   DIALING -> OPEN -> LINGERING -> CLOSING -> on_close, freed
 *      |        +----------------------^
 *      +-------------------------------^
 */

#define READ_SIZE       (64u << 10)  /* one read; the buffer of a connection at rest */
#define READS_MAX       3u           /* of one connection in a row, then it is another's turn */
#define WRITE_KEEP      (256u << 10) /* a written buffer above this is given back */
#define LINGER_MS       1000
#define ACCEPT_RETRY_MS 100 /* after "too many open files" and the like */
#define PREFIX_SIZE     4u
#define SLOT_BITS       24u /* of an id: the slot; the rest is a serial number */
#define SLOTS_MAX       (1u << SLOT_BITS)

struct source;

/* One kind of operation of a source; at most one of it is in flight. */
struct op {
    nng_aio *aio;
    struct source *source;
    unsigned bit;
    bool busy; /* posted, and its end not yet drained */
};

enum {
    OP_RECV = 1,
    OP_SEND = 2,
    OP_DIAL = 4,
    OP_LINGER = 8,
    OP_ACCEPT = 16,
};

/* Whatever has operations: a connection or a listener. */
struct source {
    struct pawl_list link; /* on hub->ready */
    struct pawl_hub *hub;
    unsigned done; /* bits of the operations that ended and were not drained */
    void (*on_done)(struct source *source, unsigned done);
};

enum conn_state { CONN_DIALING = 1, CONN_OPEN, CONN_LINGERING, CONN_CLOSING };

struct conn {
    struct source source;
    struct pawl_list dirty; /* on hub->dirty: has frames that no flush has seen */
    pawl_conn_id id;
    enum conn_state state;
    uint32_t endpoint;
    uint32_t peer_pid;
    bool accepted;
    nng_stream_dialer *dialer; /* until the dial has ended */
    nng_stream *stream;
    struct op recv;
    struct op send;
    struct op other;  /* the dial, and after it the linger clock */
    nng_aio *at_once; /* for what the kernel does at once: no callback, see send_try */
    struct {
        uint8_t *data;
        size_t start; /* bytes before it have been handled */
        size_t end;
        size_t capacity;
    } in;
    struct pawl_buf queued;
    struct pawl_buf writing;
    size_t written; /* of `writing` */
    pawl_err err;   /* CLOSING: what on_close will say */
    const char *why;
};

struct listener {
    struct source source;
    struct pawl_list link; /* on hub->listeners */
    uint32_t endpoint;
    uint16_t port;
    nng_stream_listener *nng;
    struct op accept;
};

struct pawl_hub {
    struct pawl_hub_config config;
    pthread_mutex_t lock;
    struct pawl_list ready;
    bool closing;
    bool draining;
    struct pawl_list listeners;
    struct pawl_list dirty;
    struct conn **slots; /* NULL: free */
    uint32_t slots_count;
    uint32_t slots_free; /* a hint: no free slot below it */
    uint32_t accepted_count;
    uint64_t serial;
};

/* Errors ------------------------------------------------------------------------ */

static pawl_err err_from_nng(int code)
{
    switch (code) {
    case 0: return PAWL_OK;
    case NNG_ENOMEM: return PAWL_E_NOMEM;
    case NNG_EINVAL:
    case NNG_EADDRINVAL:
    case NNG_ENOTSUP: return PAWL_E_INVALID;
    case NNG_ECANCELED: return PAWL_E_CANCELLED;
    case NNG_ETIMEDOUT: return PAWL_E_TIMEOUT;
    case NNG_EPERM: return PAWL_E_DENIED;
    default: return PAWL_E_UNAVAILABLE;
    }
}

static const char *why_from_nng(int code)
{
    switch (code) {
    case NNG_ECONNSHUT:
    case NNG_ECONNRESET:
    case NNG_ECLOSED: return "the peer closed the connection";
    case NNG_ECONNREFUSED: return "connection refused: nothing listens there";
    case NNG_ENOENT: return "no such socket: nothing listens there";
    case NNG_ETIMEDOUT: return "no answer in time";
    case NNG_EADDRINUSE: return "the address is in use by another process";
    case NNG_EADDRINVAL: return "not a valid address";
    case NNG_EPERM: return "permission denied";
    default: return nng_strerror(code);
    }
}

static const char *why_no_listen(int code)
{
    switch (code) {
    case NNG_ENOENT: return "the folder of the socket does not exist";
    case NNG_EADDRINVAL:
        return "not an address of this machine (or a socket path of more than 107 bytes)";
    default: return why_from_nng(code);
    }
}

/* Sources and operations ---------------------------------------------------------- */

/* Put a source on the ready list. Any thread. */
static void source_ready(struct source *source, unsigned bit)
{
    struct pawl_hub *hub = source->hub;
    pthread_mutex_lock(&hub->lock);
    source->done |= bit;
    if (!hub->closing && !pawl_list_is_linked(&source->link)) {
        bool was_empty = pawl_list_is_empty(&hub->ready);
        pawl_list_push_tail(&hub->ready, &source->link);
        if (was_empty) hub->config.notify(hub->config.context);
    }
    pthread_mutex_unlock(&hub->lock);
}

/* Take it off again: it is about to be freed. */
static void source_forget(struct source *source)
{
    struct pawl_hub *hub = source->hub;
    pthread_mutex_lock(&hub->lock);
    if (pawl_list_is_linked(&source->link)) pawl_list_remove(&source->link);
    pthread_mutex_unlock(&hub->lock);
}

/* NNG's thread. */
static void op_on_done(void *context)
{
    struct op *op = context;
    source_ready(op->source, op->bit);
}

static bool op_init(struct op *op, struct source *source, unsigned bit)
{
    *op = (struct op){ .source = source, .bit = bit };
    return nng_aio_alloc(&op->aio, op_on_done, op) == 0;
}

static void op_deinit(struct op *op)
{
    if (op->aio) nng_aio_free(op->aio); /* waits for its callback */
    op->aio = NULL;
}

/* Mark before posting: the callback may run before the posting call returns. */
static void op_start(struct op *op)
{
    PAWL_ASSERT(!op->busy);
    op->busy = true;
}

/* Connection: life ---------------------------------------------------------------- */

static void conn_on_done(struct source *source, unsigned done);

static uint32_t slot_take(struct pawl_hub *hub)
{
    for (uint32_t i = hub->slots_free; i < hub->slots_count; i++) {
        if (!hub->slots[i]) return i;
    }
    PAWL_ASSERT(hub->slots_count < SLOTS_MAX);
    uint32_t slot = hub->slots_count;
    uint32_t count = slot ? slot * 2 : 16;
    hub->slots = pawl_mem_resize(hub->slots, sizeof *hub->slots * count);
    memset(hub->slots + slot, 0, sizeof *hub->slots * (count - slot));
    hub->slots_count = count;
    return slot;
}

static struct conn *conn_new(struct pawl_hub *hub, uint32_t endpoint)
{
    struct conn *conn = PAWL_NEW(struct conn);
    conn->source = (struct source){ .hub = hub, .on_done = conn_on_done };
    conn->endpoint = endpoint;
    uint32_t slot = slot_take(hub);
    conn->id = ++hub->serial << SLOT_BITS | slot;
    hub->slots[slot] = conn;
    hub->slots_free = slot + 1;
    pawl_buf_init(&conn->queued, hub->config.out_size_max);
    pawl_buf_init(&conn->writing, hub->config.out_size_max);
    return conn;
}

static void conn_free(struct conn *conn)
{
    struct pawl_hub *hub = conn->source.hub;
    uint32_t slot = (uint32_t)(conn->id & (SLOTS_MAX - 1));
    hub->slots[slot] = NULL;
    if (slot < hub->slots_free) hub->slots_free = slot;
    if (conn->accepted) hub->accepted_count--;
    if (pawl_list_is_linked(&conn->dirty)) pawl_list_remove(&conn->dirty);

    op_deinit(&conn->recv);
    op_deinit(&conn->send);
    op_deinit(&conn->other);
    if (conn->at_once) nng_aio_free(conn->at_once);
    source_forget(&conn->source);
    if (conn->stream) nng_stream_free(conn->stream);
    if (conn->dialer) nng_stream_dialer_free(conn->dialer);
    pawl_buf_deinit(&conn->queued);
    pawl_buf_deinit(&conn->writing);
    pawl_mem_free(conn->in.data);
    pawl_mem_free(conn);
}

static struct conn *conn_find(const struct pawl_hub *hub, pawl_conn_id id)
{
    uint32_t slot = (uint32_t)(id & (SLOTS_MAX - 1));
    if (slot >= hub->slots_count) return NULL;
    struct conn *conn = hub->slots[slot];
    return conn && conn->id == id ? conn : NULL;
}

/* Begin the end. The rest happens in a drain, when NNG has let go of everything. */
static void conn_abort(struct conn *conn, pawl_err err, const char *why)
{
    if (conn->state == CONN_CLOSING) return;
    conn->state = CONN_CLOSING;
    conn->err = err;
    conn->why = why;
    if (conn->stream) nng_stream_close(conn->stream);
    /* An operation posted to a stream that NNG itself had closed just before (the peer
     * hung up) would wait for ever. */
    if (conn->recv.busy) nng_aio_cancel(conn->recv.aio);
    if (conn->send.busy) nng_aio_cancel(conn->send.aio);
    if (conn->other.busy) nng_aio_cancel(conn->other.aio);
    source_ready(&conn->source, 0);
}

/* Report and free a closing connection once nothing of it is in flight. */
static void conn_settle(struct conn *conn)
{
    if (conn->state != CONN_CLOSING) return;
    if (conn->recv.busy || conn->send.busy || conn->other.busy) return;

    struct pawl_hub *hub = conn->source.hub;
    pawl_conn_id id = conn->id;
    pawl_err err = conn->err;
    const char *why = conn->why;
    conn_free(conn);
    hub->config.on_close(hub->config.context, id, err, why);
}

/* Connection: writing ------------------------------------------------------------- */

static size_t conn_out_size(const struct conn *conn)
{
    return conn->queued.size + conn->writing.size - conn->written;
}

/* Point an operation at what is left of `writing`. */
static void send_set(struct conn *conn, nng_aio *aio)
{
    nng_iov iov = { .iov_buf = conn->writing.data + conn->written,
                    .iov_len = conn->writing.size - conn->written };
    (void)nng_aio_set_iov(aio, 1, &iov); /* fails only for more than 8 parts */
}

/* Hand what is left of `writing` to NNG. */
static void send_post(struct conn *conn)
{
    send_set(conn, conn->send.aio);
    op_start(&conn->send);
    nng_stream_send(conn->stream, conn->send.aio);
}

/* NNG writes from inside the posting call what the kernel takes at once, which is nearly
 * always everything. An operation without a callback then has ended, and no thread of
 * NNG's needs to wake up, to wake us up, to say so. One that has not ended is taken back
 * (a send that is waiting has sent nothing yet); the callback way is for that. */
static int send_try(struct conn *conn)
{
    send_set(conn, conn->at_once);
    nng_stream_send(conn->stream, conn->at_once);
    nng_aio_cancel(conn->at_once);
    nng_aio_wait(conn->at_once);
    int result = nng_aio_result(conn->at_once);
    if (result == 0) conn->written += nng_aio_count(conn->at_once);
    return result == NNG_ECANCELED ? 0 : result;
}

static void buf_recycle(struct pawl_buf *buf)
{
    size_t size_max = buf->size_max;
    if (buf->capacity <= WRITE_KEEP) {
        pawl_buf_clear(buf);
        return;
    }
    pawl_buf_deinit(buf);
    pawl_buf_init(buf, size_max);
}

/* A part of `writing` has gone out, or an error came. */
static void conn_wrote(struct conn *conn, int result)
{
    if (result != 0) {
        conn_abort(conn, err_from_nng(result), why_from_nng(result));
        return;
    }
    if (conn->written < conn->writing.size) { /* the kernel took less than all */
        send_post(conn);
        return;
    }
    buf_recycle(&conn->writing);
    conn->written = 0;
}

static void conn_write(struct conn *conn)
{
    if (conn->state != CONN_OPEN && conn->state != CONN_LINGERING) return;
    if (conn->send.busy) return;
    if (conn->queued.size > 0) {
        struct pawl_buf empty = conn->writing;
        conn->writing = conn->queued;
        conn->queued = empty;
        conn_wrote(conn, send_try(conn));
    }
    if (conn->state == CONN_LINGERING && !conn->send.busy) {
        conn_abort(conn, PAWL_E_CANCELLED, "closed by this side");
    }
}

static void conn_on_written(struct conn *conn)
{
    conn->send.busy = false;
    if (conn->state == CONN_CLOSING) return;
    int result = nng_aio_result(conn->send.aio);
    if (result == 0) conn->written += nng_aio_count(conn->send.aio);
    conn_wrote(conn, result);
    conn_write(conn);
}

/* Connection: reading ------------------------------------------------------------- */

/* Point an operation at the free part of the buffer. */
static void recv_set(struct conn *conn, nng_aio *aio)
{
    nng_iov iov = { .iov_buf = conn->in.data + conn->in.end,
                    .iov_len = conn->in.capacity - conn->in.end };
    (void)nng_aio_set_iov(aio, 1, &iov); /* fails only for more than 8 parts */
}

static void conn_read(struct conn *conn)
{
    if (conn->state != CONN_OPEN && conn->state != CONN_LINGERING) return;
    recv_set(conn, conn->recv.aio);
    op_start(&conn->recv);
    nng_stream_recv(conn->stream, conn->recv.aio);
}

/* Bytes that are there already, without waking two threads for them; as send_try. */
static int recv_try(struct conn *conn, size_t *ret_size)
{
    recv_set(conn, conn->at_once);
    nng_stream_recv(conn->stream, conn->at_once);
    nng_aio_cancel(conn->at_once);
    nng_aio_wait(conn->at_once);
    int result = nng_aio_result(conn->at_once);
    *ret_size = result == 0 ? nng_aio_count(conn->at_once) : 0;
    return result == NNG_ECANCELED ? 0 : result;
}

static uint32_t prefix_read(const uint8_t *data)
{
    return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

/* Bytes of the frame at in.start, prefix included; 0: not known yet. */
static size_t conn_frame_size(const struct conn *conn)
{
    if (conn->in.end - conn->in.start < PREFIX_SIZE) return 0;
    return PREFIX_SIZE + (size_t)prefix_read(conn->in.data + conn->in.start);
}

/* Room for the next read. A large frame's buffer grows as its bytes arrive, so that
 * claiming a size costs the peer those bytes. */
static void conn_make_room(struct conn *conn)
{
    size_t rest = conn->in.end - conn->in.start;
    if (conn->in.start > 0 && rest > 0) {
        memmove(conn->in.data, conn->in.data + conn->in.start, rest);
    }
    conn->in.start = 0;
    conn->in.end = rest;

    size_t wanted = READ_SIZE;
    size_t frame_size = conn_frame_size(conn);
    if (frame_size > wanted) wanted = frame_size;
    if (wanted > READ_SIZE && wanted > rest * 2)
        wanted = rest * 2 > READ_SIZE ? rest * 2 : READ_SIZE;
    if (wanted > conn->in.capacity || (rest == 0 && conn->in.capacity > READ_SIZE)) {
        conn->in.data = pawl_mem_resize(conn->in.data, wanted);
        conn->in.capacity = wanted;
    }
    PAWL_ASSERT(conn->in.end < conn->in.capacity);
}

/* Hand out every complete frame. A handler may end this connection at any time. */
static void conn_take_frames(struct conn *conn)
{
    struct pawl_hub *hub = conn->source.hub;
    while (conn->state == CONN_OPEN) {
        size_t size = conn_frame_size(conn);
        if (size == 0) return;
        if (size > PREFIX_SIZE + (size_t)hub->config.frame_size_max) {
            conn_abort(conn, PAWL_E_TOO_LARGE, "the peer announced a frame over the size limit");
            return;
        }
        if (conn->in.end - conn->in.start < size) return;
        struct pawl_bytes frame =
            pawl_bytes_make(conn->in.data + conn->in.start + PREFIX_SIZE, size - PREFIX_SIZE);
        conn->in.start += size;
        hub->config.on_frame(hub->config.context, conn->id, frame);
    }
}

static void conn_took(struct conn *conn, size_t size)
{
    conn->in.end += size;
    conn_take_frames(conn);
    /* While lingering, read and drop: unread bytes would make the kernel reset the
     * connection and take our last frames with it. */
    if (conn->state == CONN_LINGERING) conn->in.start = conn->in.end;
    if (conn->state != CONN_CLOSING) conn_make_room(conn);
}

static void conn_on_read(struct conn *conn)
{
    conn->recv.busy = false;
    int result = nng_aio_result(conn->recv.aio);
    size_t size = nng_aio_count(conn->recv.aio);
    for (uint32_t reads = 1; result == 0 && size > 0; reads++) {
        conn_took(conn, size);
        if (conn->state == CONN_CLOSING) return;
        size = 0;
        if (reads < READS_MAX) result = recv_try(conn, &size);
    }
    if (result != 0) {
        conn_abort(conn, err_from_nng(result), why_from_nng(result));
        return;
    }
    conn_read(conn);
}

/* Connection: opening ------------------------------------------------------------- */

static uint32_t stream_peer_pid(nng_stream *stream)
{
    uint64_t pid = 0;
    if (nng_stream_get_uint64(stream, NNG_OPT_IPC_PEER_PID, &pid) != 0) return 0;
    return (uint32_t)pid;
}

/* Takes the stream over. */
static void conn_open(struct conn *conn, nng_stream *stream)
{
    struct pawl_hub *hub = conn->source.hub;
    conn->stream = stream;
    /* Frames are gathered here already; a delay by the kernel only adds to each step.
     * Refused by ipc, which has none. */
    (void)nng_stream_set_bool(stream, NNG_OPT_TCP_NODELAY, true);
    if (!op_init(&conn->recv, &conn->source, OP_RECV)
        || !op_init(&conn->send, &conn->source, OP_SEND)
        || nng_aio_alloc(&conn->at_once, NULL, NULL) != 0) {
        conn_abort(conn, PAWL_E_NOMEM, "out of memory");
        return;
    }
    conn->peer_pid = stream_peer_pid(stream);
    conn->state = CONN_OPEN;
    conn_make_room(conn);
    hub->config.on_open(hub->config.context, conn->id, conn->endpoint);
    conn_read(conn);
}

static void conn_on_dialed(struct conn *conn)
{
    conn->other.busy = false;
    int result = nng_aio_result(conn->other.aio);
    nng_stream *stream = result == 0 ? nng_aio_get_output(conn->other.aio, 0) : NULL;
    nng_stream_dialer_free(conn->dialer);
    conn->dialer = NULL;
    op_deinit(&conn->other);

    if (conn->state == CONN_CLOSING) {
        if (stream) nng_stream_free(stream);
        return;
    }
    if (result != 0) {
        conn_abort(conn, err_from_nng(result), why_from_nng(result));
        return;
    }
    conn_open(conn, stream);
}

static void conn_on_lingered(struct conn *conn)
{
    conn->other.busy = false;
    conn_abort(conn, PAWL_E_CANCELLED, "closed by this side before everything was written");
}

static void conn_on_done(struct source *source, unsigned done)
{
    struct conn *conn = PAWL_CONTAINER_OF(source, struct conn, source);
    if (done & OP_DIAL) conn_on_dialed(conn);
    if (done & OP_LINGER) conn_on_lingered(conn);
    if (done & OP_SEND) conn_on_written(conn);
    if (done & OP_RECV) conn_on_read(conn);
    conn_settle(conn);
}

static int dial_start(struct conn *conn, const char *url)
{
    int result = nng_stream_dialer_alloc(&conn->dialer, url);
    if (result != 0) return result;
    if (!op_init(&conn->other, &conn->source, OP_DIAL)) {
        return NNG_ENOMEM;
    }
    nng_aio_set_timeout(conn->other.aio, (nng_duration)PAWL_HANDSHAKE_MS);
    op_start(&conn->other);
    nng_stream_dialer_dial(conn->dialer, conn->other.aio);
    return 0;
}

pawl_conn_id pawl_hub_dial(struct pawl_hub *hub, const char *url, uint32_t endpoint)
{
    struct conn *conn = conn_new(hub, endpoint);
    conn->state = CONN_DIALING;
    pawl_conn_id id = conn->id;
    int result = dial_start(conn, url);
    if (result != 0) conn_abort(conn, err_from_nng(result), why_from_nng(result));
    return id;
}

/* Listener ------------------------------------------------------------------------ */

static void listener_accept(struct listener *listener)
{
    (void)nng_aio_set_output(listener->accept.aio, 0, NULL); /* index 0 always exists */
    op_start(&listener->accept);
    nng_stream_listener_accept(listener->nng, listener->accept.aio);
}

static void listener_pause(struct listener *listener)
{
    (void)nng_aio_set_output(listener->accept.aio, 0, NULL); /* index 0 always exists */
    op_start(&listener->accept);
    nng_sleep_aio(ACCEPT_RETRY_MS, listener->accept.aio);
}

static void listener_take(struct listener *listener, nng_stream *stream)
{
    struct pawl_hub *hub = listener->source.hub;
    if (hub->accepted_count >= hub->config.connections_max) {
        nng_stream_free(stream);
        return;
    }
    struct conn *conn = conn_new(hub, listener->endpoint);
    conn->accepted = true;
    hub->accepted_count++;
    conn_open(conn, stream);
    conn_settle(conn);
}

static void listener_on_done(struct source *source, unsigned done)
{
    struct listener *listener = PAWL_CONTAINER_OF(source, struct listener, source);
    if (!(done & OP_ACCEPT)) return;
    listener->accept.busy = false;
    int result = nng_aio_result(listener->accept.aio);
    nng_stream *stream = result == 0 ? nng_aio_get_output(listener->accept.aio, 0) : NULL;

    switch (result) {
    case 0:
    case NNG_ECONNABORTED:
    case NNG_ECONNRESET: listener_accept(listener); break;
    case NNG_ECLOSED: break;
    default: listener_pause(listener); break; /* out of files or memory: not for ever */
    }
    if (stream) listener_take(listener, stream);
}

static void listener_free(struct listener *listener)
{
    if (listener->nng) nng_stream_listener_close(listener->nng);
    if (listener->accept.aio) nng_aio_stop(listener->accept.aio);
    /* Accepted, but never drained: nobody else knows of it. */
    if (listener->accept.busy && nng_aio_result(listener->accept.aio) == 0) {
        nng_stream *stream = nng_aio_get_output(listener->accept.aio, 0);
        if (stream) nng_stream_free(stream);
    }
    op_deinit(&listener->accept);
    if (listener->nng) nng_stream_listener_free(listener->nng);
    if (pawl_list_is_linked(&listener->link)) pawl_list_remove(&listener->link);
    pawl_mem_free(listener);
}

/* ipc:///path or tcp://host:port, and no other transport of NNG's. */
static bool url_is_valid(const char *url)
{
    if (strncmp(url, "ipc:///", 7) == 0) return url[7] != 0;
    if (strncmp(url, "tcp://", 6) != 0) return false;

    const char *port = strrchr(url + 6, ':');
    if (!port || port == url + 6 || port[1] == 0) return false;
    uint32_t value = 0;
    for (const char *c = port + 1; *c; c++) {
        if (*c < '0' || *c > '9') return false;
        value = value * 10 + (uint32_t)(*c - '0');
        if (value > UINT16_MAX) return false;
    }
    return true;
}

static int listener_open(struct listener *listener, const char *url)
{
    int result = nng_stream_listener_alloc(&listener->nng, url);
    if (result == 0) result = nng_stream_listener_listen(listener->nng);
    if (result != 0) return result;
    if (!op_init(&listener->accept, &listener->source, OP_ACCEPT)) {
        return NNG_ENOMEM;
    }
    int port = 0;
    if (nng_stream_listener_get_int(listener->nng, NNG_OPT_TCP_BOUND_PORT, &port) == 0) {
        listener->port = (uint16_t)port;
    }
    return 0;
}

pawl_err pawl_hub_listen(struct pawl_hub *hub, const char *url, uint32_t endpoint,
                         const char **ret_why)
{
    if (!url_is_valid(url)) {
        *ret_why = "not a stream address: use ipc:///path/to/socket or tcp://host:port";
        return PAWL_E_INVALID;
    }
    struct listener *listener = PAWL_NEW(struct listener);
    listener->source = (struct source){ .hub = hub, .on_done = listener_on_done };
    listener->endpoint = endpoint;
    int result = listener_open(listener, url);
    if (result != 0) {
        *ret_why = why_no_listen(result);
        pawl_err err = err_from_nng(result);
        listener_free(listener);
        return err == PAWL_E_INVALID || err == PAWL_E_NOMEM ? err : PAWL_E_UNAVAILABLE;
    }
    pawl_list_push_tail(&hub->listeners, &listener->link);
    listener_accept(listener);
    return PAWL_OK;
}

uint16_t pawl_hub_port(const struct pawl_hub *hub, uint32_t endpoint)
{
    for (const struct pawl_list *l = hub->listeners.next; l != &hub->listeners; l = l->next) {
        const struct listener *listener = PAWL_CONTAINER_OF(l, struct listener, link);
        if (listener->endpoint == endpoint) return listener->port;
    }
    return 0;
}

/* Hub ------------------------------------------------------------------------------ */

pawl_err pawl_hub_open(const struct pawl_hub_config *config, struct pawl_hub **ret_hub)
{
    PAWL_ASSERT(config->notify && config->on_open && config->on_frame && config->on_close);
    PAWL_ASSERT(config->out_size_max >= config->frame_size_max);

    struct pawl_hub *hub = PAWL_NEW(struct pawl_hub);
    hub->config = *config;
    if (hub->config.linger_ms == 0) hub->config.linger_ms = LINGER_MS;
    if (pthread_mutex_init(&hub->lock, NULL) != 0) {
        pawl_mem_free(hub);
        return PAWL_E_NOMEM;
    }
    pawl_list_init(&hub->ready);
    pawl_list_init(&hub->listeners);
    pawl_list_init(&hub->dirty);
    *ret_hub = hub;
    return PAWL_OK;
}

/* Stop NNG's part of a connection that is freed without being drained. */
static void conn_stop(struct conn *conn)
{
    if (conn->stream) nng_stream_close(conn->stream);
    if (conn->dialer) nng_stream_dialer_close(conn->dialer);
    if (conn->recv.aio) nng_aio_stop(conn->recv.aio);
    if (conn->send.aio) nng_aio_stop(conn->send.aio);
    if (!conn->other.aio) return;
    nng_aio_stop(conn->other.aio);
    /* Connected, but never drained: nobody else knows of the stream. */
    if (conn->dialer && conn->other.busy && nng_aio_result(conn->other.aio) == 0) {
        conn->stream = nng_aio_get_output(conn->other.aio, 0);
    }
}

void pawl_hub_close(struct pawl_hub *hub)
{
    if (!hub) return;
    PAWL_ASSERT(!hub->draining);
    pthread_mutex_lock(&hub->lock);
    hub->closing = true;
    pthread_mutex_unlock(&hub->lock);

    while (!pawl_list_is_empty(&hub->listeners)) {
        struct listener *listener = PAWL_CONTAINER_OF(hub->listeners.next, struct listener, link);
        struct source *source = &listener->source;
        source_forget(source);
        listener_free(listener);
    }
    for (uint32_t i = 0; i < hub->slots_count; i++) {
        if (!hub->slots[i]) continue;
        conn_stop(hub->slots[i]);
        conn_free(hub->slots[i]);
    }
    PAWL_ASSERT(pawl_list_is_empty(&hub->ready));
    pawl_mem_free(hub->slots);
    pthread_mutex_destroy(&hub->lock);
    pawl_mem_free(hub);
}

pawl_err pawl_hub_send(struct pawl_hub *hub, pawl_conn_id id, struct pawl_bytes frame)
{
    if (frame.size > hub->config.frame_size_max) return PAWL_E_TOO_LARGE;
    struct conn *conn = conn_find(hub, id);
    if (!conn || conn->state != CONN_OPEN) return PAWL_OK;

    size_t size = PREFIX_SIZE + frame.size;
    if (conn_out_size(conn) + size > hub->config.out_size_max) {
        conn_abort(conn, PAWL_E_BUSY, "the peer reads too slowly: too much is queued for it");
        return PAWL_OK;
    }
    uint32_t n = (uint32_t)frame.size;
    uint8_t prefix[PREFIX_SIZE] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8),
                                    (uint8_t)n };
    pawl_buf_append(&conn->queued, prefix, sizeof prefix);
    pawl_buf_append_bytes(&conn->queued, frame);
    if (conn->queued.bad) {
        conn_abort(conn, conn->queued.bad, "out of memory");
        return PAWL_OK;
    }
    if (!pawl_list_is_linked(&conn->dirty)) pawl_list_push_tail(&hub->dirty, &conn->dirty);
    return PAWL_OK;
}

void pawl_hub_flush(struct pawl_hub *hub)
{
    while (!pawl_list_is_empty(&hub->dirty)) {
        struct conn *conn = PAWL_CONTAINER_OF(hub->dirty.next, struct conn, dirty);
        pawl_list_remove(&conn->dirty);
        conn_write(conn);
    }
}

static bool linger_start(struct conn *conn)
{
    PAWL_ASSERT(!conn->other.aio);
    if (!op_init(&conn->other, &conn->source, OP_LINGER)) return false;
    conn->state = CONN_LINGERING;
    op_start(&conn->other);
    nng_sleep_aio((nng_duration)conn->source.hub->config.linger_ms, conn->other.aio);
    conn_write(conn);
    return true;
}

void pawl_hub_end(struct pawl_hub *hub, pawl_conn_id id, bool linger)
{
    struct conn *conn = conn_find(hub, id);
    if (!conn || conn->state == CONN_CLOSING) return;
    if (linger && conn->state == CONN_LINGERING) return;
    bool waiting = conn->send.busy || conn->queued.size > 0;
    if (linger && conn->state == CONN_OPEN && waiting && linger_start(conn)) return;
    conn_abort(conn, PAWL_E_CANCELLED, "closed by this side");
}

size_t pawl_hub_out_size(const struct pawl_hub *hub, pawl_conn_id id)
{
    const struct conn *conn = conn_find(hub, id);
    return conn ? conn_out_size(conn) : 0;
}

uint32_t pawl_hub_peer_pid(const struct pawl_hub *hub, pawl_conn_id id)
{
    const struct conn *conn = conn_find(hub, id);
    return conn ? conn->peer_pid : 0;
}

/* Move all of the ready list to `batch`. The next arrival finds the list empty and
 * notifies again, so a handler that keeps producing cannot hold the owner here. */
static void ready_take(struct pawl_hub *hub, struct pawl_list *batch)
{
    pawl_list_init(batch);
    pthread_mutex_lock(&hub->lock);
    while (!pawl_list_is_empty(&hub->ready)) {
        struct pawl_list *link = hub->ready.next;
        pawl_list_remove(link);
        pawl_list_push_tail(batch, link);
    }
    pthread_mutex_unlock(&hub->lock);
}

/* The links in a batch stay under the lock: an operation of a waiting source may end
 * meanwhile. */
static struct source *batch_next(struct pawl_hub *hub, struct pawl_list *batch, unsigned *ret_done)
{
    struct source *source = NULL;
    pthread_mutex_lock(&hub->lock);
    if (!pawl_list_is_empty(batch)) {
        source = PAWL_CONTAINER_OF(batch->next, struct source, link);
        pawl_list_remove(&source->link);
        *ret_done = source->done;
        source->done = 0;
    }
    pthread_mutex_unlock(&hub->lock);
    return source;
}

void pawl_hub_drain(struct pawl_hub *hub)
{
    PAWL_ASSERT(!hub->draining);
    hub->draining = true;
    struct pawl_list batch;
    ready_take(hub, &batch);
    unsigned done = 0;
    for (struct source *s; (s = batch_next(hub, &batch, &done)) != NULL;) s->on_done(s, done);
    hub->draining = false;
}
