/* Peer stream, inside: what its three files share.
 *
 *   peer_stream.c  what reaches it: members, connections, frames, time
 *   peer_link.c    one link: made, chosen, used, lost
 *   peer_hello.c   who may be at the other end
 */
#ifndef PAWL_SIDECAR_PEER_INTERNAL_H
#define PAWL_SIDECAR_PEER_INTERNAL_H

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "sidecar/peer_stream.h"

enum link_state {
    LINK_DIALLING = 1,
    LINK_GREETING, /* HELLO said, WELCOME awaited */
    LINK_AWAITING_HELLO,
    LINK_AWAITING_MEMBER, /* HELLO heard, its host is not in the list yet */
    LINK_READY,
    LINK_CLOSING,
};

/* A frame that waits for credit or for its link. Its bytes lie behind this struct. */
struct peer_waiting {
    struct pawl_list link; /* on peer->queue */
    size_t size;
};

/* Another host of the member list. */
struct peer {
    struct pawl_arena kept; /* the texts; new with each change of them */
    struct pawl_bytes host;
    struct pawl_bytes app;
    const char *address;
    bool listed; /* on_members: in the list at hand */

    struct link *link; /* the one that counts; NULL: none */
    bool owed;         /* the node sent something since the last PEER_DOWN */
    int64_t retry_ms;  /* the last wait before dialling; 0: none was needed */
    int64_t dial_at_ms;
    int64_t ready_ms; /* since when its link is READY */
    bool complained;  /* the log says why there is no link */
    bool rests;       /* this loss is for a reason that will not pass soon */

    struct pawl_list queue;
    size_t queue_size;
    bool is_full; /* the log says that frames are dropped */
};

/* One connection. */
struct link {
    uint64_t id;
    uint8_t state;
    bool dialled;
    struct peer *peer; /* whose link it is; NULL before HELLO, and when CLOSING */
    int64_t opened_ms;
    int64_t heard_ms;
    int64_t spoke_ms;
    int64_t credit; /* bytes of content that may be sent; below 0: overdrawn */
    uint64_t taken; /* taken in since the last grant */
    struct pawl_arena kept;
    struct pawl_peer_hello hello; /* what it said; AWAITING_MEMBER: in `kept` */
};

struct pawl_peer_stream {
    struct pawl_peer_stream_config config;
    struct pawl_map peers;   /* by host */
    struct pawl_map links;   /* by id */
    struct pawl_arena arena; /* of the frame at hand */
    struct pawl_arena batch; /* of the member list at hand */
    struct pawl_buf out;
    uint64_t members_version;
    int64_t wake_at_ms;
    bool ended;
    struct pawl_peer_metrics metrics;
};

/* peer_hello.c: PAWL_OK, or why not, with a text in stream->arena for the other side and
 * for the log. UNAVAILABLE: the host is not in the list (yet). */
pawl_err pawl_peer_hello_check(struct pawl_peer_stream *stream, const struct pawl_peer_hello *hello,
                               struct pawl_bytes *ret_text);
pawl_err pawl_peer_welcome_check(struct pawl_peer_stream *stream, const struct peer *peer,
                                 const struct pawl_peer_hello *welcome,
                                 struct pawl_bytes *ret_text);

/* peer_link.c */
struct link *pawl_peer_link_new(struct pawl_peer_stream *stream, uint64_t id, enum link_state state,
                                int64_t now_ms);
struct link *pawl_peer_link_find(const struct pawl_peer_stream *stream, uint64_t id);
void pawl_peer_link_free(struct pawl_peer_stream *stream, struct link *link);

/* Send a frame that needs no credit. */
void pawl_peer_link_tell(struct pawl_peer_stream *stream, struct link *link,
                         const struct pawl_peer_frame *frame, int64_t now_ms);

/* What its HELLO said is kept until its host is in the list. */
void pawl_peer_link_wait(struct link *link);

/* Say HELLO or WELCOME. */
void pawl_peer_link_greet(struct pawl_peer_stream *stream, struct link *link,
                          enum pawl_peer_frame_type type, int64_t now_ms);

/* Its peer, if it has one, has lost its link then (pawl_peer_link_lost). `why` is for the
 * log. */
void pawl_peer_link_end(struct pawl_peer_stream *stream, struct link *link, bool linger,
                        const char *why, int64_t now_ms);

/* The same with a REFUSED before it, and a longer rest after it. */
void pawl_peer_link_refuse(struct pawl_peer_stream *stream, struct link *link, pawl_err reason,
                           struct pawl_bytes text, int64_t now_ms);

/* A link that was its peer's is gone, or could not be made: what waited is dropped, the
 * node is told, and the next dial waits a while. */
void pawl_peer_link_lost(struct pawl_peer_stream *stream, struct link *link, const char *why,
                         int64_t now_ms);

/* The other side's own call stays: it will come in a moment, and what waits waits for it. */
void pawl_peer_link_yield(struct pawl_peer_stream *stream, struct link *link, int64_t now_ms);

/* A HELLO was accepted: the link is the peer's now, unless another one stays. */
void pawl_peer_link_accept(struct pawl_peer_stream *stream, struct link *link, struct peer *peer,
                           int64_t now_ms);
void pawl_peer_link_ready(struct pawl_peer_stream *stream, struct link *link, int64_t now_ms);

/* `size` bytes of content were taken in: grant them again, in larger pieces. */
void pawl_peer_link_took(struct pawl_peer_stream *stream, struct link *link, size_t size,
                         int64_t now_ms);

/* The other side grants more. False: more than the window. */
PAWL_MUST_USE bool pawl_peer_link_credit(struct pawl_peer_stream *stream, struct link *link,
                                         uint64_t bytes, int64_t now_ms);

/* Send content at once, or queue it. */
void pawl_peer_content(struct pawl_peer_stream *stream, struct peer *peer, struct pawl_bytes frame,
                       int64_t now_ms);
void pawl_peer_dial(struct pawl_peer_stream *stream, struct peer *peer, int64_t now_ms);
void pawl_peer_queue_drop(struct pawl_peer_stream *stream, struct peer *peer);

/* PEER_DOWN, if one is owed. */
void pawl_peer_down(struct pawl_peer_stream *stream, struct peer *peer, int64_t now_ms);

void pawl_peer_wake_by(struct pawl_peer_stream *stream, int64_t at_ms);

#endif /* PAWL_SIDECAR_PEER_INTERNAL_H */
