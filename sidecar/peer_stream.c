#include "sidecar/peer_stream.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "sidecar/peer_internal.h"

#define OUT_KEEP (1u << 20) /* an encode buffer above this is given back */

/* Life ------------------------------------------------------------------------------- */

struct pawl_peer_stream *pawl_peer_stream_new(const struct pawl_peer_stream_config *config)
{
    PAWL_ASSERT(config->outside.dial && config->outside.send);
    PAWL_ASSERT(config->outside.end && config->outside.step);
    PAWL_ASSERT(config->namespace_ && config->app && config->host);

    struct pawl_peer_stream *stream = PAWL_NEW(struct pawl_peer_stream);
    stream->config = *config;
    pawl_map_init(&stream->peers, 0);
    pawl_map_init(&stream->links, 0);
    pawl_arena_init(&stream->arena);
    pawl_arena_init(&stream->batch);
    pawl_buf_init(&stream->out, config->frame_size_max);
    return stream;
}

static void peer_free(struct pawl_peer_stream *stream, struct peer *peer)
{
    pawl_peer_queue_drop(stream, peer);
    pawl_arena_deinit(&peer->kept);
    pawl_mem_free(peer);
}

void pawl_peer_stream_free(struct pawl_peer_stream *stream)
{
    if (!stream) return;
    uint32_t cursor = 0;
    for (struct link *link; (link = pawl_map_next(&stream->links, &cursor)) != NULL;) {
        pawl_peer_link_free(stream, link);
    }
    cursor = 0;
    for (struct peer *peer; (peer = pawl_map_next(&stream->peers, &cursor)) != NULL;) {
        (void)pawl_map_remove(&stream->peers, peer->host);
        peer_free(stream, peer);
    }
    pawl_map_deinit(&stream->links);
    pawl_map_deinit(&stream->peers);
    pawl_arena_deinit(&stream->arena);
    pawl_arena_deinit(&stream->batch);
    pawl_buf_deinit(&stream->out);
    pawl_mem_free(stream);
}

/* Members ------------------------------------------------------------------------------ */

static const char *text_keep(struct pawl_arena *arena, struct pawl_bytes text)
{
    return (const char *)pawl_arena_printf(arena, "%.*s", PAWL_BYTES_FMT(text)).data;
}

static void peer_describe(struct peer *peer, const struct pawl_member *member)
{
    pawl_arena_reset(&peer->kept);
    peer->host = pawl_arena_copy(&peer->kept, member->host);
    peer->app = pawl_arena_copy(&peer->kept, member->app);
    peer->address = text_keep(&peer->kept, member->address);
}

static void peer_list(struct pawl_peer_stream *stream, const struct pawl_member *member)
{
    if (pawl_bytes_is_str(member->host, stream->config.host)) return;
    struct peer *peer = pawl_map_find(&stream->peers, member->host);
    if (!peer) {
        peer = PAWL_NEW(struct peer);
        pawl_arena_init(&peer->kept);
        pawl_list_init(&peer->queue);
    } else {
        peer->listed = true;
        if (pawl_bytes_is_equal(peer->app, member->app)
            && pawl_bytes_is_str(member->address, peer->address))
            return;
        (void)pawl_map_remove(&stream->peers, peer->host); /* the key is one of its texts */
    }
    peer->listed = true;
    peer_describe(peer, member);
    pawl_map_insert(&stream->peers, peer->host, peer);
}

static void peers_take(struct pawl_peer_stream *stream, const struct pawl_members *members)
{
    uint32_t cursor = 0;
    for (struct peer *peer; (peer = pawl_map_next(&stream->peers, &cursor)) != NULL;) {
        peer->listed = false;
    }
    for (uint32_t i = 0; i < members->count; i++) peer_list(stream, &members->items[i]);
}

static void peers_leave(struct pawl_peer_stream *stream, int64_t now_ms)
{
    uint32_t cursor = 0;
    for (struct peer *peer; (peer = pawl_map_next(&stream->peers, &cursor)) != NULL;) {
        if (peer->listed) continue;
        (void)pawl_map_remove(&stream->peers, peer->host); /* from here on it gets nothing */
        if (peer->link) {
            pawl_peer_link_end(stream, peer->link, true, "it has left", now_ms);
        }
        pawl_peer_queue_drop(stream, peer);
        pawl_peer_down(stream, peer, now_ms);
        peer_free(stream, peer);
    }
}

/* Decide about a link that has said HELLO. */
static void hello_decide(struct pawl_peer_stream *stream, struct link *link, bool may_wait,
                         int64_t now_ms)
{
    struct pawl_bytes text = PAWL_BYTES_ABSENT;
    pawl_err err = pawl_peer_hello_check(stream, &link->hello, &text);
    if (err == PAWL_OK) {
        struct peer *peer = pawl_map_find(&stream->peers, link->hello.host);
        pawl_peer_link_accept(stream, link, peer, now_ms);
    } else if (err != PAWL_E_UNAVAILABLE || !may_wait) {
        pawl_peer_link_refuse(stream, link, err, text, now_ms);
    } else if (link->state == LINK_AWAITING_HELLO) {
        pawl_peer_link_wait(link);
    }
}

/* Those that waited for a list with their host in it. Deciding about one may bring new
 * links, so they are collected first. */
static void waiting_decide(struct pawl_peer_stream *stream, int64_t now_ms)
{
    pawl_arena_reset(&stream->batch);
    uint64_t *ids = PAWL_ARENA_ARRAY(&stream->batch, uint64_t, stream->links.count);
    uint32_t count = 0;
    uint32_t cursor = 0;
    for (struct link *link; (link = pawl_map_next(&stream->links, &cursor)) != NULL;) {
        if (link->state == LINK_AWAITING_MEMBER) ids[count++] = link->id;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct link *link = pawl_peer_link_find(stream, ids[i]);
        if (!link || link->state != LINK_AWAITING_MEMBER) continue;
        pawl_arena_reset(&stream->arena);
        hello_decide(stream, link, true, now_ms);
    }
}

void pawl_peer_stream_on_members(struct pawl_peer_stream *stream,
                                 const struct pawl_members *members, int64_t now_ms)
{
    if (stream->ended || members->version <= stream->members_version) return;
    stream->members_version = members->version;
    peers_take(stream, members);
    const struct pawl_node_event event = { .type = PAWL_NODE_MEMBERS,
                                           .now_ms = now_ms,
                                           .members = members };
    stream->config.outside.step(stream->config.outside.context, &event);
    peers_leave(stream, now_ms);
    waiting_decide(stream, now_ms);
}

/* From the node -------------------------------------------------------------------------- */

static void content_encode_and_send(struct pawl_peer_stream *stream, struct peer *peer,
                                    const struct pawl_peer_frame *frame, int64_t now_ms)
{
    pawl_buf_clear(&stream->out);
    pawl_peer_frame_encode(&stream->out, frame);
    if (stream->out.bad == PAWL_OK) {
        pawl_peer_content(stream, peer, pawl_buf_view(&stream->out), now_ms);
    } else {
        /* The engine bounds what it sends, so this is a mistake of ours. */
        pawl_log(PAWL_LOG_ERROR, "peers", "a frame of type %d for host %.*s cannot be sent: %s",
                 (int)frame->type, PAWL_BYTES_FMT(peer->host), pawl_err_text(stream->out.bad));
        stream->metrics.frames_dropped_total++;
    }
    if (stream->out.capacity > OUT_KEEP) {
        pawl_buf_deinit(&stream->out);
        pawl_buf_init(&stream->out, stream->config.frame_size_max);
    }
}

void pawl_peer_stream_send(struct pawl_peer_stream *stream, struct pawl_bytes host,
                           const struct pawl_peer_frame *frame, int64_t now_ms)
{
    PAWL_ASSERT(frame->type >= PAWL_PEER_CALL && frame->type < PAWL_PEER_FRAME_TYPES_END);
    struct peer *peer = pawl_map_find(&stream->peers, host);
    if (!peer || stream->ended) {
        stream->metrics.frames_dropped_total++;
        return;
    }
    peer->owed = true;
    content_encode_and_send(stream, peer, frame, now_ms);
    if (peer->link) return;
    if (now_ms >= peer->dial_at_ms) {
        pawl_peer_dial(stream, peer, now_ms);
    } else {
        pawl_peer_wake_by(stream, peer->dial_at_ms);
    }
}

/* Frames ----------------------------------------------------------------------------------- */

static void mistake(struct pawl_peer_stream *stream, struct link *link, struct pawl_bytes text,
                    int64_t now_ms)
{
    pawl_peer_link_refuse(stream, link, PAWL_E_PROTOCOL, text, now_ms);
}

static void on_hello(struct pawl_peer_stream *stream, struct link *link,
                     const struct pawl_peer_frame *frame, int64_t now_ms)
{
    if (frame->type != PAWL_PEER_HELLO) {
        mistake(stream, link, PAWL_BYTES_LITERAL("the first frame must be HELLO"), now_ms);
        return;
    }
    link->hello = frame->hello;
    hello_decide(stream, link, true, now_ms);
}

/* The other side does not want us. Its text goes to the log. */
static void on_refused(struct pawl_peer_stream *stream, struct link *link,
                       const struct pawl_peer_refused *refused, int64_t now_ms)
{
    if (link->state == LINK_GREETING && refused->err == PAWL_E_CONFLICT) {
        pawl_peer_link_yield(stream, link, now_ms);
        return;
    }
    const char *why =
        (const char *)pawl_arena_printf(&stream->arena, "the other side refused: %.*s",
                                        PAWL_BYTES_FMT(refused->message))
            .data;
    link->peer->rests = refused->err != PAWL_E_UNAVAILABLE;
    pawl_peer_link_end(stream, link, false, why, now_ms);
}

static void on_answer_to_hello(struct pawl_peer_stream *stream, struct link *link,
                               const struct pawl_peer_frame *frame, int64_t now_ms)
{
    if (frame->type == PAWL_PEER_REFUSED) {
        on_refused(stream, link, &frame->refused, now_ms);
        return;
    }
    if (frame->type != PAWL_PEER_WELCOME) {
        mistake(stream, link, PAWL_BYTES_LITERAL("the answer to HELLO must be WELCOME"), now_ms);
        return;
    }
    struct pawl_bytes text = PAWL_BYTES_ABSENT;
    pawl_err err = pawl_peer_welcome_check(stream, link->peer, &frame->hello, &text);
    if (err == PAWL_OK) {
        pawl_peer_link_ready(stream, link, now_ms);
    } else {
        pawl_peer_link_refuse(stream, link, err, text, now_ms);
    }
}

static void on_content(struct pawl_peer_stream *stream, struct link *link,
                       const struct pawl_peer_frame *frame, size_t size, int64_t now_ms)
{
    stream->metrics.frames_received_total++;
    stream->metrics.bytes_received_total += size;
    pawl_peer_link_took(stream, link, size, now_ms);
    const struct pawl_node_event event = {
        .type = PAWL_NODE_PEER_FRAME,
        .now_ms = now_ms,
        .peer = { .host = link->peer->host, .app = link->peer->app, .frame = frame },
    };
    stream->config.outside.step(stream->config.outside.context, &event);
}

static void on_ready_frame(struct pawl_peer_stream *stream, struct link *link,
                           const struct pawl_peer_frame *frame, size_t size, int64_t now_ms)
{
    switch (frame->type) {
    case PAWL_PEER_PING: {
        const struct pawl_peer_frame pong = { .type = PAWL_PEER_PONG };
        pawl_peer_link_tell(stream, link, &pong, now_ms);
        return;
    }
    case PAWL_PEER_PONG: return;
    case PAWL_PEER_CREDIT:
        if (pawl_peer_link_credit(stream, link, frame->credit, now_ms)) return;
        mistake(stream, link, PAWL_BYTES_LITERAL("more credit was granted than the window"),
                now_ms);
        return;
    case PAWL_PEER_REFUSED: on_refused(stream, link, &frame->refused, now_ms); return;
    case PAWL_PEER_HELLO:
    case PAWL_PEER_WELCOME:
        mistake(stream, link, PAWL_BYTES_LITERAL("HELLO and WELCOME are said once"), now_ms);
        return;
    default: on_content(stream, link, frame, size, now_ms); return;
    }
}

void pawl_peer_stream_on_frame(struct pawl_peer_stream *stream, uint64_t id,
                               struct pawl_bytes bytes, int64_t now_ms)
{
    struct link *link = pawl_peer_link_find(stream, id);
    if (!link || link->state == LINK_CLOSING) return;
    link->heard_ms = now_ms;
    pawl_arena_reset(&stream->arena);
    struct pawl_peer_frame frame;
    if (pawl_peer_frame_decode(bytes, &stream->arena, &frame) != PAWL_OK) {
        mistake(stream, link,
                pawl_arena_printf(&stream->arena,
                                  "a frame of %zu bytes is malformed or of an unknown type",
                                  bytes.size),
                now_ms);
        return;
    }
    switch ((enum link_state)link->state) {
    case LINK_AWAITING_HELLO: on_hello(stream, link, &frame, now_ms); return;
    case LINK_AWAITING_MEMBER:
        mistake(stream, link, PAWL_BYTES_LITERAL("nothing may be sent before WELCOME"), now_ms);
        return;
    case LINK_GREETING: on_answer_to_hello(stream, link, &frame, now_ms); return;
    case LINK_READY: on_ready_frame(stream, link, &frame, bytes.size, now_ms); return;
    case LINK_DIALLING:
    case LINK_CLOSING: break;
    }
    PAWL_UNREACHABLE("a frame on a connection that is not open");
}

/* Transport --------------------------------------------------------------------------------- */

void pawl_peer_stream_on_open(struct pawl_peer_stream *stream, uint64_t id, bool dialled,
                              int64_t now_ms)
{
    struct link *link = pawl_peer_link_find(stream, id);
    if (dialled) {
        if (!link || link->state == LINK_CLOSING) return; /* ended meanwhile */
        pawl_peer_link_greet(stream, link, PAWL_PEER_HELLO, now_ms);
        return;
    }
    link = pawl_peer_link_new(stream, id, LINK_AWAITING_HELLO, now_ms);
    if (stream->ended) pawl_peer_link_end(stream, link, false, "stopping", now_ms);
}

void pawl_peer_stream_on_close(struct pawl_peer_stream *stream, uint64_t id, const char *why,
                               int64_t now_ms)
{
    struct link *link = pawl_peer_link_find(stream, id);
    if (!link) return;
    if (link->state != LINK_CLOSING) pawl_peer_link_lost(stream, link, why, now_ms);
    pawl_peer_link_free(stream, link);
}

/* Time --------------------------------------------------------------------------------------- */

/* A connection that is nobody's link yet. */
static void stranger_on_tick(struct pawl_peer_stream *stream, struct link *link, int64_t now_ms)
{
    if (link->peer || link->state == LINK_CLOSING) return;
    int64_t until_ms = link->opened_ms + PAWL_PEER_HANDSHAKE_MS;
    if (now_ms < until_ms) {
        pawl_peer_wake_by(stream, until_ms);
    } else if (link->state == LINK_AWAITING_MEMBER) {
        pawl_arena_reset(&stream->arena);
        hello_decide(stream, link, false, now_ms);
    } else {
        pawl_log(PAWL_LOG_WARN, "peers", "a connection said no HELLO for %u ms: closed",
                 PAWL_PEER_HANDSHAKE_MS);
        pawl_peer_link_end(stream, link, false, "no HELLO", now_ms);
    }
}

/* This process itself was away (stopped, or the machine asleep): what the others have
 * said meanwhile is still unread, so their silence counts from now. */
static void silence_forgive(struct pawl_peer_stream *stream, int64_t now_ms)
{
    uint32_t cursor = 0;
    for (struct link *link; (link = pawl_map_next(&stream->links, &cursor)) != NULL;) {
        link->heard_ms = now_ms;
    }
}

static void ready_on_tick(struct pawl_peer_stream *stream, struct link *link, int64_t now_ms)
{
    if (now_ms >= link->heard_ms + PAWL_PEER_SILENCE_MS) {
        pawl_log(PAWL_LOG_WARN, "peers", "host %.*s of app %.*s was silent for %u ms",
                 PAWL_BYTES_FMT(link->peer->host), PAWL_BYTES_FMT(link->peer->app),
                 PAWL_PEER_SILENCE_MS);
        pawl_peer_link_end(stream, link, false, "it was silent for too long", now_ms);
        return;
    }
    if (now_ms >= link->spoke_ms + PAWL_PEER_HEARTBEAT_MS) {
        const struct pawl_peer_frame ping = { .type = PAWL_PEER_PING };
        pawl_peer_link_tell(stream, link, &ping, now_ms);
    }
    pawl_peer_wake_by(stream, link->heard_ms + PAWL_PEER_SILENCE_MS);
    pawl_peer_wake_by(stream, link->spoke_ms + PAWL_PEER_HEARTBEAT_MS);
}

static void peer_on_tick(struct pawl_peer_stream *stream, struct peer *peer, int64_t now_ms)
{
    struct link *link = peer->link;
    if (link && link->state == LINK_READY) {
        ready_on_tick(stream, link, now_ms);
    } else if (link) {
        int64_t until_ms = link->opened_ms + PAWL_PEER_HANDSHAKE_MS;
        if (now_ms >= until_ms) {
            pawl_peer_link_end(stream, link, false, "no answer in time", now_ms);
        } else {
            pawl_peer_wake_by(stream, until_ms);
        }
    } else if (!pawl_list_is_empty(&peer->queue)) {
        if (now_ms >= peer->dial_at_ms) {
            pawl_peer_dial(stream, peer, now_ms);
        } else {
            pawl_peer_wake_by(stream, peer->dial_at_ms);
        }
    }
}

/* Ending a link may step the node, which may send, which may dial: that adds links, but
 * no peers. So strangers, whose end is nobody's loss, come first. */
void pawl_peer_stream_on_tick(struct pawl_peer_stream *stream, int64_t now_ms)
{
    if (stream->ended || stream->wake_at_ms == 0 || now_ms < stream->wake_at_ms) return;
    if (now_ms >= stream->wake_at_ms + PAWL_PEER_HEARTBEAT_MS) silence_forgive(stream, now_ms);
    stream->wake_at_ms = 0;
    uint32_t cursor = 0;
    for (struct link *link; (link = pawl_map_next(&stream->links, &cursor)) != NULL;) {
        stranger_on_tick(stream, link, now_ms);
    }
    cursor = 0;
    for (struct peer *peer; (peer = pawl_map_next(&stream->peers, &cursor)) != NULL;) {
        peer_on_tick(stream, peer, now_ms);
    }
}

int64_t pawl_peer_stream_wake_at_ms(const struct pawl_peer_stream *stream)
{
    return stream->wake_at_ms;
}

void pawl_peer_stream_end_all(struct pawl_peer_stream *stream, int64_t now_ms)
{
    stream->ended = true;
    stream->wake_at_ms = 0;
    uint32_t cursor = 0;
    for (struct link *link; (link = pawl_map_next(&stream->links, &cursor)) != NULL;) {
        pawl_peer_link_end(stream, link, true, "stopping", now_ms);
    }
}

/* Shown ---------------------------------------------------------------------------------------- */

uint32_t pawl_peer_stream_count(const struct pawl_peer_stream *stream)
{
    return stream->links.count;
}

static const char *state_text(const struct peer *peer)
{
    if (!peer->link) return "none";
    return peer->link->state == LINK_READY ? "ready" : "connecting";
}

const struct pawl_api_peer *pawl_peer_stream_peers(const struct pawl_peer_stream *stream,
                                                   struct pawl_arena *arena, uint32_t *ret_count)
{
    struct pawl_api_peer *peers =
        PAWL_ARENA_ARRAY(arena, struct pawl_api_peer, stream->peers.count);
    uint32_t count = 0;
    uint32_t cursor = 0;
    for (const struct peer *peer; (peer = pawl_map_next(&stream->peers, &cursor)) != NULL;) {
        peers[count++] = (struct pawl_api_peer){ .host = peer->host,
                                                 .app = peer->app,
                                                 .address = pawl_bytes_str(peer->address),
                                                 .state = state_text(peer),
                                                 .queued = peer->queue_size };
    }
    *ret_count = count;
    return peers;
}

const struct pawl_peer_metrics *pawl_peer_stream_metrics(const struct pawl_peer_stream *stream)
{
    return &stream->metrics;
}
