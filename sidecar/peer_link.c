#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/fsm.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "sidecar/peer_internal.h"

static const struct pawl_fsm_state link_states[] = {
    [LINK_DIALLING] = { "dialling", PAWL_FSM_BIT(LINK_GREETING) | PAWL_FSM_BIT(LINK_CLOSING) },
    [LINK_GREETING] = { "greeting", PAWL_FSM_BIT(LINK_READY) | PAWL_FSM_BIT(LINK_CLOSING) },
    [LINK_AWAITING_HELLO] = { "awaiting hello", PAWL_FSM_BIT(LINK_AWAITING_MEMBER)
                                                    | PAWL_FSM_BIT(LINK_READY)
                                                    | PAWL_FSM_BIT(LINK_CLOSING) },
    [LINK_AWAITING_MEMBER] = { "awaiting member",
                               PAWL_FSM_BIT(LINK_READY) | PAWL_FSM_BIT(LINK_CLOSING) },
    [LINK_READY] = { "ready", PAWL_FSM_BIT(LINK_CLOSING) },
    [LINK_CLOSING] = { "closing", 0 },
};

/* Life ------------------------------------------------------------------------------- */

struct link *pawl_peer_link_new(struct pawl_peer_stream *stream, uint64_t id, enum link_state state,
                                int64_t now_ms)
{
    PAWL_ASSERT(!pawl_peer_link_find(stream, id));
    struct link *link = PAWL_NEW(struct link);
    link->id = id;
    link->state = (uint8_t)state;
    link->opened_ms = link->heard_ms = link->spoke_ms = now_ms;
    pawl_arena_init(&link->kept);
    pawl_map_insert(&stream->links, pawl_bytes_make(&link->id, sizeof link->id), link);
    pawl_peer_wake_by(stream, now_ms + PAWL_PEER_HANDSHAKE_MS);
    return link;
}

struct link *pawl_peer_link_find(const struct pawl_peer_stream *stream, uint64_t id)
{
    return pawl_map_find(&stream->links, pawl_bytes_make(&id, sizeof id));
}

void pawl_peer_link_free(struct pawl_peer_stream *stream, struct link *link)
{
    (void)pawl_map_remove(&stream->links, pawl_bytes_make(&link->id, sizeof link->id));
    pawl_arena_deinit(&link->kept);
    pawl_mem_free(link);
}

void pawl_peer_link_wait(struct link *link)
{
    pawl_fsm_move(link_states, &link->state, LINK_AWAITING_MEMBER);
    struct pawl_peer_hello *hello = &link->hello;
    hello->namespace_ = pawl_arena_copy(&link->kept, hello->namespace_);
    hello->app = pawl_arena_copy(&link->kept, hello->app);
    hello->host = pawl_arena_copy(&link->kept, hello->host);
    hello->token = pawl_arena_copy(&link->kept, hello->token);
}

void pawl_peer_wake_by(struct pawl_peer_stream *stream, int64_t at_ms)
{
    if (stream->wake_at_ms == 0 || at_ms < stream->wake_at_ms) stream->wake_at_ms = at_ms;
}

/* Sending ---------------------------------------------------------------------------- */

void pawl_peer_link_tell(struct pawl_peer_stream *stream, struct link *link,
                         const struct pawl_peer_frame *frame, int64_t now_ms)
{
    pawl_buf_clear(&stream->out);
    pawl_peer_frame_encode(&stream->out, frame);
    PAWL_ASSERT(stream->out.bad == PAWL_OK); /* these frames are small */
    pawl_err err = stream->config.outside.send(stream->config.outside.context, link->id,
                                               pawl_buf_view(&stream->out));
    PAWL_ASSERT(err != PAWL_E_TOO_LARGE);
    link->spoke_ms = now_ms;
}

void pawl_peer_link_greet(struct pawl_peer_stream *stream, struct link *link,
                          enum pawl_peer_frame_type type, int64_t now_ms)
{
    const struct pawl_peer_stream_config *config = &stream->config;
    const struct pawl_peer_frame frame = {
        .type = type,
        .hello = { .protocol_version = PAWL_PEER_PROTOCOL_VERSION,
                   .namespace_ = pawl_bytes_str(config->namespace_),
                   .app = pawl_bytes_str(config->app),
                   .host = pawl_bytes_str(config->host),
                   .token = pawl_bytes_str(config->token) },
    };
    pawl_peer_link_tell(stream, link, &frame, now_ms);
    if (type == PAWL_PEER_HELLO) pawl_fsm_move(link_states, &link->state, LINK_GREETING);
}

static void content_send(struct pawl_peer_stream *stream, struct link *link,
                         struct pawl_bytes frame, int64_t now_ms)
{
    pawl_err err = stream->config.outside.send(stream->config.outside.context, link->id, frame);
    PAWL_ASSERT(err != PAWL_E_TOO_LARGE); /* the encoder has the same bound */
    link->spoke_ms = now_ms;
    link->credit -= (int64_t)frame.size;
    stream->metrics.frames_sent_total++;
    stream->metrics.bytes_sent_total += frame.size;
}

/* Once, until it takes something in again. */
static void queue_complain(struct pawl_peer_stream *stream, struct peer *peer)
{
    stream->metrics.frames_dropped_total++;
    if (peer->is_full) return;
    peer->is_full = true;
    pawl_log(PAWL_LOG_WARN, "peers",
             "host %.*s of app %.*s takes nothing in: %zu bytes wait for it, further frames are "
             "dropped and asked again later",
             PAWL_BYTES_FMT(peer->host), PAWL_BYTES_FMT(peer->app), peer->queue_size);
}

static void queue_push(struct pawl_peer_stream *stream, struct peer *peer, struct pawl_bytes frame)
{
    if (peer->queue_size + frame.size > PAWL_PEER_QUEUE_SIZE_MAX
        || stream->metrics.bytes_queued + frame.size > PAWL_PEER_QUEUES_SIZE_MAX) {
        queue_complain(stream, peer);
        return;
    }
    struct peer_waiting *waiting = pawl_mem_alloc(sizeof *waiting + frame.size);
    waiting->size = frame.size;
    memcpy(waiting + 1, frame.data, frame.size);
    pawl_list_push_tail(&peer->queue, &waiting->link);
    peer->queue_size += frame.size;
    stream->metrics.bytes_queued += frame.size;
}

static struct peer_waiting *queue_first(struct peer *peer)
{
    if (pawl_list_is_empty(&peer->queue)) return NULL;
    return PAWL_CONTAINER_OF(peer->queue.next, struct peer_waiting, link);
}

static void queue_pop(struct pawl_peer_stream *stream, struct peer *peer,
                      struct peer_waiting *waiting)
{
    pawl_list_remove(&waiting->link);
    peer->queue_size -= waiting->size;
    stream->metrics.bytes_queued -= waiting->size;
    pawl_mem_free(waiting);
}

void pawl_peer_queue_drop(struct pawl_peer_stream *stream, struct peer *peer)
{
    for (struct peer_waiting *w; (w = queue_first(peer)) != NULL;) {
        stream->metrics.frames_dropped_total++;
        queue_pop(stream, peer, w);
    }
}

void pawl_peer_content(struct pawl_peer_stream *stream, struct peer *peer, struct pawl_bytes frame,
                       int64_t now_ms)
{
    struct link *link = peer->link;
    if (link && link->state == LINK_READY && link->credit > 0) {
        PAWL_ASSERT(pawl_list_is_empty(&peer->queue)); /* credit and a queue never meet */
        content_send(stream, link, frame, now_ms);
        return;
    }
    queue_push(stream, peer, frame);
}

/* Credit ------------------------------------------------------------------------------- */

bool pawl_peer_link_credit(struct pawl_peer_stream *stream, struct link *link, uint64_t bytes,
                           int64_t now_ms)
{
    link->credit += (int64_t)bytes;
    link->peer->is_full = false;
    if (link->credit > (int64_t)PAWL_PEER_WINDOW) return false;
    for (struct peer_waiting *w; link->credit > 0 && (w = queue_first(link->peer)) != NULL;) {
        content_send(stream, link, pawl_bytes_make(w + 1, w->size), now_ms);
        queue_pop(stream, link->peer, w);
    }
    return true;
}

static void grant(struct pawl_peer_stream *stream, struct link *link, uint64_t bytes,
                  int64_t now_ms)
{
    const struct pawl_peer_frame frame = { .type = PAWL_PEER_CREDIT, .credit = bytes };
    pawl_peer_link_tell(stream, link, &frame, now_ms);
}

void pawl_peer_link_took(struct pawl_peer_stream *stream, struct link *link, size_t size,
                         int64_t now_ms)
{
    link->taken += size;
    while (link->taken >= PAWL_PEER_WINDOW / 4) {
        uint64_t bytes = link->taken < PAWL_PEER_WINDOW ? link->taken : PAWL_PEER_WINDOW;
        link->taken -= bytes;
        grant(stream, link, bytes, now_ms);
    }
}

/* Beginning -------------------------------------------------------------------------------- */

void pawl_peer_dial(struct pawl_peer_stream *stream, struct peer *peer, int64_t now_ms)
{
    PAWL_ASSERT(!peer->link);
    uint64_t id = stream->config.outside.dial(stream->config.outside.context, peer->address);
    struct link *link = pawl_peer_link_new(stream, id, LINK_DIALLING, now_ms);
    link->dialled = true;
    link->peer = peer;
    peer->link = link;
}

void pawl_peer_link_ready(struct pawl_peer_stream *stream, struct link *link, int64_t now_ms)
{
    struct peer *peer = link->peer;
    PAWL_ASSERT(peer->link == link);
    pawl_fsm_move(link_states, &link->state, LINK_READY);
    pawl_arena_deinit(&link->kept);
    pawl_arena_init(&link->kept);
    peer->ready_ms = now_ms;
    peer->complained = false;
    stream->metrics.links_made_total++;
    stream->metrics.links_ready++;
    pawl_log(PAWL_LOG_INFO, "peers", "linked with host %.*s of app %.*s (%s)",
             PAWL_BYTES_FMT(peer->host), PAWL_BYTES_FMT(peer->app),
             link->dialled ? peer->address : "it called");
    grant(stream, link, PAWL_PEER_WINDOW, now_ms);
}

/* Ending ----------------------------------------------------------------------------------- */

void pawl_peer_down(struct pawl_peer_stream *stream, struct peer *peer, int64_t now_ms)
{
    if (!peer->owed || stream->ended) return;
    peer->owed = false;
    const struct pawl_node_event event = { .type = PAWL_NODE_PEER_DOWN,
                                           .now_ms = now_ms,
                                           .peer = { .host = peer->host, .app = peer->app } };
    stream->config.outside.step(stream->config.outside.context, &event);
}

/* Dial again at once only when the link had been a good one. */
static void back_off(struct peer *peer, bool was_ready, int64_t now_ms)
{
    if (peer->rests) {
        peer->rests = false;
        peer->retry_ms = PAWL_PEER_REST_MS;
    } else if (was_ready && now_ms >= peer->ready_ms + PAWL_PEER_RETRY_MS_MAX) {
        peer->retry_ms = 0;
    } else if (peer->retry_ms == 0) {
        peer->retry_ms = PAWL_PEER_RETRY_MS_MIN;
    } else {
        peer->retry_ms *= 2;
        if (peer->retry_ms > PAWL_PEER_RETRY_MS_MAX) peer->retry_ms = PAWL_PEER_RETRY_MS_MAX;
    }
    peer->dial_at_ms = now_ms + peer->retry_ms;
}

/* Once for each time that a link is away, however often it is tried. */
static void complain(struct peer *peer, bool was_ready, const char *why)
{
    if (was_ready) {
        pawl_log(PAWL_LOG_INFO, "peers", "the link with host %.*s of app %.*s ended: %s",
                 PAWL_BYTES_FMT(peer->host), PAWL_BYTES_FMT(peer->app), why);
        return;
    }
    pawl_log(peer->complained ? PAWL_LOG_DEBUG : PAWL_LOG_WARN, "peers",
             "no link with host %.*s of app %.*s at %s: %s; trying again when there is something "
             "for it",
             PAWL_BYTES_FMT(peer->host), PAWL_BYTES_FMT(peer->app), peer->address, why);
    peer->complained = true;
}

/* Cut the tie between a link that is going and its peer. True: it was READY. */
static bool link_detach(struct pawl_peer_stream *stream, struct link *link)
{
    bool was_ready = link->state == LINK_READY;
    if (was_ready) stream->metrics.links_ready--;
    pawl_fsm_move(link_states, &link->state, LINK_CLOSING);
    if (link->peer && link->peer->link == link) link->peer->link = NULL;
    link->peer = NULL;
    return was_ready;
}

void pawl_peer_link_lost(struct pawl_peer_stream *stream, struct link *link, const char *why,
                         int64_t now_ms)
{
    struct peer *peer = link->peer;
    bool was_ready = link_detach(stream, link);
    if (!peer || stream->ended) return;
    if (was_ready) {
        stream->metrics.links_lost_total++;
    } else {
        stream->metrics.dials_failed_total++;
    }
    complain(peer, was_ready, why);
    back_off(peer, was_ready, now_ms);
    pawl_peer_queue_drop(stream, peer);
    pawl_peer_down(stream, peer, now_ms);
}

void pawl_peer_link_yield(struct pawl_peer_stream *stream, struct link *link, int64_t now_ms)
{
    struct peer *peer = link->peer;
    stream->config.outside.end(stream->config.outside.context, link->id, false);
    (void)link_detach(stream, link);
    back_off(peer, false, now_ms);
    pawl_peer_wake_by(stream, peer->dial_at_ms);
}

void pawl_peer_link_end(struct pawl_peer_stream *stream, struct link *link, bool linger,
                        const char *why, int64_t now_ms)
{
    if (link->state == LINK_CLOSING) return;
    stream->config.outside.end(stream->config.outside.context, link->id, linger);
    pawl_peer_link_lost(stream, link, why, now_ms);
}

void pawl_peer_link_refuse(struct pawl_peer_stream *stream, struct link *link, pawl_err reason,
                           struct pawl_bytes text, int64_t now_ms)
{
    struct peer *peer = link->peer;
    stream->metrics.refused_total++;
    pawl_log(reason == PAWL_E_CONFLICT ? PAWL_LOG_DEBUG : PAWL_LOG_WARN, "peers",
             "refused %s%.*s: %.*s", peer ? "host " : "a connection",
             peer ? (int)peer->host.size : 0, peer ? (const char *)peer->host.data : "",
             PAWL_BYTES_FMT(text));
    const struct pawl_peer_frame frame = { .type = PAWL_PEER_REFUSED,
                                           .refused = { .err = reason, .message = text } };
    pawl_peer_link_tell(stream, link, &frame, now_ms);
    if (peer) peer->rests = true;
    pawl_peer_link_end(stream, link, true, "this side refused what it heard", now_ms);
}

/* Two links of one pair -------------------------------------------------------------------- */

/* Ours stays when we have the smaller name. That it may be dead without our knowing is
 * found out by speaking on it: the other side then answers with a reset. */
static void keep_ours(struct pawl_peer_stream *stream, struct link *ours, struct link *theirs,
                      int64_t now_ms)
{
    pawl_peer_link_refuse(stream, theirs, PAWL_E_CONFLICT,
                          PAWL_BYTES_LITERAL("both sides have called each other; the call of the "
                                             "host with the smaller name stays"),
                          now_ms);
    if (ours->state != LINK_READY) return;
    const struct pawl_peer_frame ping = { .type = PAWL_PEER_PING };
    pawl_peer_link_tell(stream, ours, &ping, now_ms);
}

void pawl_peer_link_accept(struct pawl_peer_stream *stream, struct link *link, struct peer *peer,
                           int64_t now_ms)
{
    struct link *other = peer->link;
    bool is_smaller = pawl_bytes_compare(pawl_bytes_str(stream->config.host), peer->host) < 0;
    if (other && other->dialled && is_smaller) {
        keep_ours(stream, other, link, now_ms);
        return;
    }
    bool was_ready = false;
    if (other) {
        stream->config.outside.end(stream->config.outside.context, other->id, false);
        was_ready = link_detach(stream, other);
    }
    /* From here on what the node sends waits for this link. */
    link->peer = peer;
    peer->link = link;
    if (was_ready) {
        stream->metrics.links_lost_total++;
        pawl_peer_queue_drop(stream, peer);
        pawl_peer_down(stream, peer, now_ms);
    }
    pawl_peer_link_greet(stream, link, PAWL_PEER_WELCOME, now_ms);
    pawl_peer_link_ready(stream, link, now_ms);
}
