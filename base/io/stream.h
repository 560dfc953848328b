/* Stream: framed connections over nng_stream, for every link of the product
 * (app - sidecar, sidecar - sidecar, sidecar - placement).
 *
 * A frame is a 4-byte big-endian length and that many bytes. The length is checked
 * against frame_size_max before anything is allocated. Reads take as much as there
 * is and yield many frames; writes queued between two flushes leave together.
 *
 * Threads: NNG completes operations on its own threads. Those only append to a
 * queue inside the hub and call `notify` when it was empty; the owner then calls
 * pawl_hub_drain on its own thread, and every handler runs there. All functions but
 * the internals belong to that one owner thread.
 *
 * A connection is named by an id, never by a pointer: using a stale id is a no-op,
 * so a connection may die at any moment without harm.
 */
#ifndef PAWL_BASE_IO_STREAM_H
#define PAWL_BASE_IO_STREAM_H

#include "pawl/err.h"
#include "pawl/types.h"

struct pawl_hub;

/* 0 is no connection. Ids are never used twice. */
typedef uint64_t pawl_conn_id;

struct pawl_hub_config {
    uint32_t frame_size_max;  /* PAWL_FRAME_SIZE_MAX */
    uint32_t out_size_max;    /* queued bytes per connection; beyond: it is closed, BUSY */
    uint32_t connections_max; /* accepted ones; further ones are closed at once */
    uint32_t linger_ms;       /* how long pawl_hub_end may linger; 0: a second */
    void *context;            /* for all four below */
    /* Any NNG thread: work is waiting, call pawl_hub_drain soon. May be called while
     * the hub's lock is held: it must only signal (uv_async_send, eventfd, condition). */
    void (*notify)(void *context);
    /* Owner thread, from pawl_hub_drain: */
    void (*on_open)(void *context, pawl_conn_id conn, uint32_t endpoint);
    void (*on_frame)(void *context, pawl_conn_id conn, struct pawl_bytes frame);
    /* Exactly once per opened connection, and once per failed dial (conn is then the
     * dial's id, and on_open never came). CANCELLED: this side ended it; BUSY: the peer
     * reads too slowly; TOO_LARGE: it announced a frame over the limit; TIMEOUT: no answer
     * to a dial; else UNAVAILABLE or another reason that NNG gave. `why` is static text. */
    void (*on_close)(void *context, pawl_conn_id conn, pawl_err err, const char *why);
};

PAWL_MUST_USE pawl_err pawl_hub_open(const struct pawl_hub_config *config,
                                     struct pawl_hub **ret_hub);

/* Closes every connection and listener without callbacks, waits for NNG's threads
 * to be done with them, frees. NULL is fine. */
void pawl_hub_close(struct pawl_hub *hub);

/* Listen at `url`: ipc:///path, tcp://host:port (port 0: any free one). `endpoint`
 * comes back with on_open. PAWL_E_INVALID: not such a URL; PAWL_E_UNAVAILABLE: in use
 * or not allowed; *ret_why then holds a static text. A stale ipc socket file whose
 * owner is gone is replaced; one that still answers is in use. */
PAWL_MUST_USE pawl_err pawl_hub_listen(struct pawl_hub *hub, const char *url, uint32_t endpoint,
                                       const char **ret_why);

/* The port a tcp listener got; 0 for others. */
uint16_t pawl_hub_port(const struct pawl_hub *hub, uint32_t endpoint);

/* One attempt to connect; ends in on_open or on_close with the returned id. */
pawl_conn_id pawl_hub_dial(struct pawl_hub *hub, const char *url, uint32_t endpoint);

/* Queue one frame; it is copied. PAWL_E_TOO_LARGE: over frame_size_max, nothing
 * queued. A stale id is ignored (its on_close tells). */
PAWL_MUST_USE pawl_err pawl_hub_send(struct pawl_hub *hub, pawl_conn_id conn,
                                     struct pawl_bytes frame);

/* Start writing what was queued since the last flush, on all connections. */
void pawl_hub_flush(struct pawl_hub *hub);

/* Close; what was flushed before may or may not arrive unless `linger`, which first
 * writes what is queued (bounded by linger_ms). on_close follows in a later drain. */
void pawl_hub_end(struct pawl_hub *hub, pawl_conn_id conn, bool linger);

/* Queued and not yet written bytes. */
size_t pawl_hub_out_size(const struct pawl_hub *hub, pawl_conn_id conn);

/* Process id of the peer of an ipc connection; 0: unknown. */
uint32_t pawl_hub_peer_pid(const struct pawl_hub *hub, pawl_conn_id conn);

/* Run the handlers for everything that waits. Handlers may call any function here
 * but drain and close. */
void pawl_hub_drain(struct pawl_hub *hub);

#endif /* PAWL_BASE_IO_STREAM_H */
