/* App stream: the sidecar's side of the worker connections, without the sockets.
 *
 * Frames come in as bytes and become node events, or calls of the management API;
 * what the node wants sent becomes frames. sdk/frames.h is the contract.
 *
 *   opened -> AWAITING_HELLO --HELLO--> READY --end, silence, mistake--> CLOSING -> closed
 *                   '------- REFUSED, too late ------------------------------^
 *
 * A READY connection that has registered something is a worker of the node: its id is
 * the worker's id, and WORKER_CLOSED follows WORKER_OPENED exactly once. One that has
 * registered nothing is a client: it asks, and the node does not know it. Whatever was
 * asked and not answered is cancelled when its connection goes.
 *
 * The functions given at new may call pawl_app_stream_send and answer api calls while
 * they run, and nothing else here.
 */
#ifndef PAWL_SIDECAR_APP_STREAM_H
#define PAWL_SIDECAR_APP_STREAM_H

#include "sidecar/api.h"

struct pawl_app_stream;

/* What the stream needs done. */
struct pawl_app_stream_outside {
    void *context;
    /* Send one frame. PAWL_E_TOO_LARGE: nothing was sent. */
    pawl_err (*send)(void *context, uint64_t conn, struct pawl_bytes frame);
    /* Close; pawl_app_stream_on_close follows. `linger`: after what was sent. */
    void (*end)(void *context, uint64_t conn, bool linger);
    /* Step the node. Everything in the event lives for the call; now_ms is set. */
    void (*step)(void *context, const struct pawl_node_event *event);
};

struct pawl_app_stream_config {
    const char *app;   /* the app id that this sidecar serves */
    const char *name;  /* of this sidecar, for the worker's logs */
    const char *token; /* NULL: none is asked for */
    uint32_t frame_size_max;
    struct pawl_api *api;
    struct pawl_app_stream_outside outside;
};

/* The strings of the config must outlive it. */
struct pawl_app_stream *pawl_app_stream_new(const struct pawl_app_stream_config *config);

/* Nothing is sent, closed or cancelled any more. NULL is fine. */
void pawl_app_stream_free(struct pawl_app_stream *stream);

/* From the transport. `pid` is the peer's process id, 0 when unknown. */
void pawl_app_stream_on_open(struct pawl_app_stream *stream, uint64_t conn, uint32_t pid,
                             int64_t now_ms);
void pawl_app_stream_on_frame(struct pawl_app_stream *stream, uint64_t conn,
                              struct pawl_bytes frame, int64_t now_ms);
void pawl_app_stream_on_close(struct pawl_app_stream *stream, uint64_t conn, const char *why,
                              int64_t now_ms);

/* Carry out a SEND effect. A worker that is gone is ignored. */
void pawl_app_stream_send(struct pawl_app_stream *stream, uint64_t worker,
                          const struct pawl_frame *frame, int64_t now_ms);

/* Heartbeats, silence and handshakes that take too long. */
void pawl_app_stream_on_tick(struct pawl_app_stream *stream, int64_t now_ms);

/* When on_tick should be called next; 0: not needed now. */
int64_t pawl_app_stream_wake_at_ms(const struct pawl_app_stream *stream);

/* The sidecar is stopping: workers get nothing new, and no new ones are taken. */
void pawl_app_stream_stop(struct pawl_app_stream *stream, int64_t now_ms);

/* Close every connection after what was sent to it. */
void pawl_app_stream_end_all(struct pawl_app_stream *stream, int64_t now_ms);

/* Connections that on_close has not ended yet. */
uint32_t pawl_app_stream_count(const struct pawl_app_stream *stream);

/* The workers, into the arena. */
const struct pawl_api_worker *pawl_app_stream_workers(const struct pawl_app_stream *stream,
                                                      struct pawl_arena *arena,
                                                      uint32_t *ret_count);

#endif /* PAWL_SIDECAR_APP_STREAM_H */
