/* Peer stream: the links between this sidecar and the others of its namespace, without
 * the sockets. actors/peer_frames.h is the contract.
 *
 * There is one link per pair of sidecars. It is dialled when the first frame is to be
 * sent, by whoever has one:
 *
 *   DIALLING -> GREETING --WELCOME--.
 *                                    > READY --end, silence, mistake--> CLOSING -> closed
 *   AWAITING_HELLO -> AWAITING_MEMBER'
 *
 * A host is accepted under the name and app with which it is in the member list, and
 * under no other. A HELLO may be faster than the list that names its host: it waits for
 * the list, not longer than a handshake may take. When both sides have dialled, the link
 * dialled by the host with the smaller name (byte order) stays.
 *
 * Content is sent against credit in bytes: the receiver grants a window and renews what
 * it has taken in; a frame may overdraw it. Frames without credit, and those for a link
 * that is being made, wait in a bounded queue; beyond it they are dropped and counted,
 * since whoever sent them asks again. Heartbeats need no credit, so a slow peer is only
 * cut off for silence.
 *
 * Whenever a link ends or cannot be made, the node gets one PEER_DOWN, if it had sent
 * something to that host since the last one.
 *
 * The functions given at new may call pawl_peer_stream_send while they run, and nothing
 * else here.
 */
#ifndef PAWL_SIDECAR_PEER_STREAM_H
#define PAWL_SIDECAR_PEER_STREAM_H

#include "sidecar/api.h"

struct pawl_peer_stream;

/* What the stream needs done. */
struct pawl_peer_stream_outside {
    void *context;
    /* Begin to connect; pawl_peer_stream_on_open or on_close follows with the returned
     * id, later. */
    uint64_t (*dial)(void *context, const char *url);
    /* Send one frame. PAWL_E_TOO_LARGE: nothing was sent. */
    pawl_err (*send)(void *context, uint64_t conn, struct pawl_bytes frame);
    /* Close; pawl_peer_stream_on_close follows. `linger`: after what was sent. */
    void (*end)(void *context, uint64_t conn, bool linger);
    /* Step the node. Everything in the event lives for the call; now_ms is set. */
    void (*step)(void *context, const struct pawl_node_event *event);
};

struct pawl_peer_stream_config {
    const char *namespace_;
    const char *app;
    const char *host;  /* of this sidecar, as in the member list */
    const char *token; /* that both sides of a link must know; NULL: none is asked for */
    uint32_t frame_size_max;
    struct pawl_peer_stream_outside outside;
};

/* The strings of the config must outlive it. */
struct pawl_peer_stream *pawl_peer_stream_new(const struct pawl_peer_stream_config *config);

/* Nothing is sent or closed any more. NULL is fine. */
void pawl_peer_stream_free(struct pawl_peer_stream *stream);

/* Placement's news. The node is stepped with it (MEMBERS) when the new hosts can be sent
 * to and before the links of those that left end. A list that is not newer than the last
 * one is ignored. */
void pawl_peer_stream_on_members(struct pawl_peer_stream *stream,
                                 const struct pawl_members *members, int64_t now_ms);

/* From the transport. `dialled`: by this side. */
void pawl_peer_stream_on_open(struct pawl_peer_stream *stream, uint64_t conn, bool dialled,
                              int64_t now_ms);
void pawl_peer_stream_on_frame(struct pawl_peer_stream *stream, uint64_t conn,
                               struct pawl_bytes frame, int64_t now_ms);
void pawl_peer_stream_on_close(struct pawl_peer_stream *stream, uint64_t conn, const char *why,
                               int64_t now_ms);

/* Carry out a PEER_SEND effect. A host that is not in the list is ignored. */
void pawl_peer_stream_send(struct pawl_peer_stream *stream, struct pawl_bytes host,
                           const struct pawl_peer_frame *frame, int64_t now_ms);

/* Heartbeats, silence, handshakes that take too long, and dialling again. */
void pawl_peer_stream_on_tick(struct pawl_peer_stream *stream, int64_t now_ms);

/* When on_tick should be called next; 0: not needed now. */
int64_t pawl_peer_stream_wake_at_ms(const struct pawl_peer_stream *stream);

/* Close every link after what was sent on it. Nothing is sent or accepted any more, and
 * the node hears no more. */
void pawl_peer_stream_end_all(struct pawl_peer_stream *stream, int64_t now_ms);

/* Connections that on_close has not ended yet. */
uint32_t pawl_peer_stream_count(const struct pawl_peer_stream *stream);

/* The other hosts of the member list, into the arena. */
const struct pawl_api_peer *pawl_peer_stream_peers(const struct pawl_peer_stream *stream,
                                                   struct pawl_arena *arena, uint32_t *ret_count);

const struct pawl_peer_metrics *pawl_peer_stream_metrics(const struct pawl_peer_stream *stream);

#endif /* PAWL_SIDECAR_PEER_STREAM_H */
