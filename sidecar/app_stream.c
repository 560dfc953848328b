#include "sidecar/app_stream.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/fsm.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "sidecar/import_request.h"

enum app_state { AWAITING_HELLO = 1, READY, CLOSING };

static const struct pawl_fsm_state app_states[] = {
    [AWAITING_HELLO] = { "awaiting hello", PAWL_FSM_BIT(READY) | PAWL_FSM_BIT(CLOSING) },
    [READY] = { "ready", PAWL_FSM_BIT(CLOSING) },
    [CLOSING] = { "closing", 0 },
};

struct app_conn {
    uint64_t id;
    uint8_t state;
    bool is_worker; /* WORKER_OPENED was sent, WORKER_CLOSED not yet */
    bool said_bye;
    uint32_t pid;
    int64_t opened_ms;
    int64_t heard_ms; /* last frame from it */
    int64_t spoke_ms; /* last frame to it */
    uint32_t in_flight;
    struct pawl_list requests;
    struct pawl_arena kept; /* what HELLO said */
    struct pawl_bytes name;
    uint32_t workflows_count;
    struct pawl_registration *workflows;
    uint32_t activities_count;
    struct pawl_registration *activities;
};

/* A management call of an app that waits for its answer. */
struct app_request {
    struct pawl_list link; /* on conn->requests */
    struct pawl_app_stream *stream;
    struct app_conn *conn;
    uint64_t peer_token; /* the app's name for it */
    uint64_t api_token;
};

struct pawl_app_stream {
    struct pawl_app_stream_config config;
    struct pawl_map conns;   /* by id */
    struct pawl_arena arena; /* of the frame at hand */
    struct pawl_buf out;
    int64_t wake_at_ms;
    bool stopping;
};

/* Life ------------------------------------------------------------------------------ */

struct pawl_app_stream *pawl_app_stream_new(const struct pawl_app_stream_config *config)
{
    PAWL_ASSERT(config->outside.send && config->outside.end && config->outside.step);
    PAWL_ASSERT(config->app && config->name && config->api);

    struct pawl_app_stream *stream = PAWL_NEW(struct pawl_app_stream);
    stream->config = *config;
    pawl_map_init(&stream->conns, 0);
    pawl_arena_init(&stream->arena);
    pawl_buf_init(&stream->out, config->frame_size_max);
    return stream;
}

static struct app_conn *conn_find(const struct pawl_app_stream *stream, uint64_t id)
{
    return pawl_map_find(&stream->conns, pawl_bytes_make(&id, sizeof id));
}

static void request_free(struct app_request *request)
{
    pawl_list_remove(&request->link);
    pawl_mem_free(request);
}

static void conn_free(struct pawl_app_stream *stream, struct app_conn *conn)
{
    (void)pawl_map_remove(&stream->conns, pawl_bytes_make(&conn->id, sizeof conn->id));
    while (!pawl_list_is_empty(&conn->requests)) {
        request_free(PAWL_CONTAINER_OF(conn->requests.next, struct app_request, link));
    }
    pawl_arena_deinit(&conn->kept);
    pawl_mem_free(conn);
}

void pawl_app_stream_free(struct pawl_app_stream *stream)
{
    if (!stream) return;
    uint32_t cursor = 0;
    for (struct app_conn *conn; (conn = pawl_map_next(&stream->conns, &cursor)) != NULL;) {
        conn_free(stream, conn);
    }
    pawl_map_deinit(&stream->conns);
    pawl_arena_deinit(&stream->arena);
    pawl_buf_deinit(&stream->out);
    pawl_mem_free(stream);
}

static void wake_by(struct pawl_app_stream *stream, int64_t at_ms)
{
    if (stream->wake_at_ms == 0 || at_ms < stream->wake_at_ms) stream->wake_at_ms = at_ms;
}

int64_t pawl_app_stream_wake_at_ms(const struct pawl_app_stream *stream)
{
    return stream->wake_at_ms;
}

/* To the node ----------------------------------------------------------------------- */

static void node_step(struct pawl_app_stream *stream, struct pawl_node_event event)
{
    stream->config.outside.step(stream->config.outside.context, &event);
}

/* The worker is gone for the node, and so are its questions. */
static void worker_close(struct pawl_app_stream *stream, struct app_conn *conn, int64_t now_ms)
{
    while (!pawl_list_is_empty(&conn->requests)) {
        struct app_request *request =
            PAWL_CONTAINER_OF(conn->requests.next, struct app_request, link);
        stream->config.api->ops->cancel(stream->config.api, request->api_token);
        request_free(request);
    }
    if (!conn->is_worker) return;
    conn->is_worker = false;
    conn->in_flight = 0;
    node_step(stream, (struct pawl_node_event){
                          .type = PAWL_NODE_WORKER_CLOSED, .now_ms = now_ms, .worker = conn->id });
}

/* To the app ------------------------------------------------------------------------ */

/* PAWL_E_TOO_LARGE: the frame does not fit and was not sent. */
static pawl_err conn_send(struct pawl_app_stream *stream, struct app_conn *conn,
                          const struct pawl_frame *frame, int64_t now_ms)
{
    pawl_buf_clear(&stream->out);
    pawl_frame_encode(&stream->out, frame);
    if (stream->out.bad) return stream->out.bad;
    pawl_err err = stream->config.outside.send(stream->config.outside.context, conn->id,
                                               pawl_buf_view(&stream->out));
    if (err == PAWL_OK) conn->spoke_ms = now_ms;

    /* One large frame should not hold its memory for ever. */
    if (stream->out.capacity > PAWL_HISTORY_CHUNK_SIZE) {
        pawl_buf_deinit(&stream->out);
        pawl_buf_init(&stream->out, stream->config.frame_size_max);
    }
    return err;
}

/* For frames that always fit. */
static void conn_tell(struct pawl_app_stream *stream, struct app_conn *conn,
                      const struct pawl_frame *frame, int64_t now_ms)
{
    pawl_err err = conn_send(stream, conn, frame, now_ms);
    PAWL_ASSERT(err != PAWL_E_TOO_LARGE);
}

static void conn_end(struct pawl_app_stream *stream, struct app_conn *conn, bool linger,
                     int64_t now_ms)
{
    if (conn->state == CLOSING) return;
    pawl_fsm_move(app_states, &conn->state, CLOSING);
    stream->config.outside.end(stream->config.outside.context, conn->id, linger);
    worker_close(stream, conn, now_ms);
}

static void conn_refuse(struct pawl_app_stream *stream, struct app_conn *conn, pawl_err reason,
                        struct pawl_bytes text, int64_t now_ms)
{
    pawl_log(PAWL_LOG_WARN, "app", "refused worker %.*s (pid %" PRIu32 "): %.*s",
             PAWL_BYTES_FMT(conn->name), conn->pid, PAWL_BYTES_FMT(text));
    struct pawl_frame frame = { .type = PAWL_FRAME_REFUSED,
                                .refused = { .err = reason, .message = text } };
    conn_tell(stream, conn, &frame, now_ms);
    conn_end(stream, conn, true, now_ms);
}

static void item_sent(struct app_conn *conn, enum pawl_frame_type type)
{
    if (type == PAWL_FRAME_TURN || type == PAWL_FRAME_ACTIVITY) conn->in_flight++;
}

static void item_done(struct app_conn *conn)
{
    if (conn->in_flight > 0) conn->in_flight--;
}

void pawl_app_stream_send(struct pawl_app_stream *stream, uint64_t worker,
                          const struct pawl_frame *frame, int64_t now_ms)
{
    struct app_conn *conn = conn_find(stream, worker);
    if (!conn || conn->state != READY) return;

    pawl_err err = conn_send(stream, conn, frame, now_ms);
    if (err == PAWL_OK) {
        item_sent(conn, frame->type);
        return;
    }
    /* The node bounds what it sends, so this is a mistake of ours. Without the frame the
     * item would hang: losing the connection gives it back. The close must not reach the
     * node from here, inside its effects: the transport reports it later. */
    pawl_log(PAWL_LOG_ERROR, "app", "a frame for worker %.*s cannot be sent (%s): closing it",
             PAWL_BYTES_FMT(conn->name), pawl_err_text(err));
    stream->config.outside.end(stream->config.outside.context, conn->id, false);
}

/* HELLO ----------------------------------------------------------------------------- */

static pawl_err hello_check(struct pawl_app_stream *stream, const struct pawl_hello *hello,
                            struct pawl_bytes *ret_text)
{
    const struct pawl_app_stream_config *config = &stream->config;
    if (hello->protocol_version != PAWL_PROTOCOL_VERSION) {
        *ret_text =
            pawl_arena_printf(&stream->arena,
                              "this sidecar speaks protocol version %u and the app speaks %" PRIu32
                              "; use a Pawl library and a pawld of the same release",
                              PAWL_PROTOCOL_VERSION, hello->protocol_version);
        return PAWL_E_VERSION;
    }
    if (config->token && !pawl_bytes_is_equal_secret(pawl_bytes_str(config->token), hello->token)) {
        *ret_text = pawl_arena_printf(
            &stream->arena, "%s; the app and its sidecar must be given the same token (PAWL_TOKEN)",
            pawl_bytes_is_absent(hello->token) ? "this sidecar asks for a token and none was sent"
                                               : "the token is not the one of this sidecar");
        return PAWL_E_DENIED;
    }
    if (!pawl_bytes_is_str(hello->app_id, config->app)) {
        *ret_text = pawl_arena_printf(&stream->arena,
                                      "this sidecar serves app '%s', the worker says it is '%.*s'; "
                                      "check the app id of both and the address the worker dials",
                                      config->app, PAWL_BYTES_FMT(hello->app_id));
        return PAWL_E_INVALID;
    }
    if (stream->stopping) {
        *ret_text = PAWL_BYTES_LITERAL("this sidecar is stopping; connect again in a moment");
        return PAWL_E_UNAVAILABLE;
    }
    return PAWL_OK;
}

static struct pawl_registration *registrations_copy(struct pawl_arena *arena, uint32_t count,
                                                    const struct pawl_registration *from)
{
    struct pawl_registration *copy = PAWL_ARENA_ARRAY(arena, struct pawl_registration, count);
    for (uint32_t i = 0; i < count; i++) {
        copy[i].name = pawl_arena_copy(arena, from[i].name);
        copy[i].version = pawl_arena_copy(arena, from[i].version);
    }
    return copy;
}

static void on_hello(struct pawl_app_stream *stream, struct app_conn *conn,
                     const struct pawl_hello *hello, int64_t now_ms)
{
    conn->name = pawl_arena_copy(&conn->kept, hello->worker);
    struct pawl_bytes text = PAWL_BYTES_ABSENT;
    pawl_err err = hello_check(stream, hello, &text);
    if (err != PAWL_OK) {
        conn_refuse(stream, conn, err, text, now_ms);
        return;
    }
    conn->workflows_count = hello->workflows_count;
    conn->workflows = registrations_copy(&conn->kept, hello->workflows_count, hello->workflows);
    conn->activities_count = hello->activities_count;
    conn->activities = registrations_copy(&conn->kept, hello->activities_count, hello->activities);
    pawl_fsm_move(app_states, &conn->state, READY);
    bool serves = conn->workflows_count > 0 || conn->activities_count > 0;
    pawl_log(serves ? PAWL_LOG_INFO : PAWL_LOG_DEBUG, "app",
             "%s %.*s connected (pid %" PRIu32 "): %" PRIu32 " workflows, %" PRIu32 " activities",
             serves ? "worker" : "client", PAWL_BYTES_FMT(conn->name), conn->pid,
             conn->workflows_count, conn->activities_count);

    struct pawl_frame welcome = {
        .type = PAWL_FRAME_WELCOME,
        .welcome = { .protocol_version = PAWL_PROTOCOL_VERSION,
                     .app_id = pawl_bytes_str(stream->config.app),
                     .sidecar = pawl_bytes_str(stream->config.name),
                     .payload_size_max = PAWL_PAYLOAD_SIZE_MAX },
    };
    conn_tell(stream, conn, &welcome, now_ms);
    if (!serves) return; /* it only asks: the node need not know it */
    conn->is_worker = true;
    node_step(stream, (struct pawl_node_event){ .type = PAWL_NODE_WORKER_OPENED,
                                                .now_ms = now_ms,
                                                .worker = conn->id,
                                                .hello = hello });
}

/* Management calls ------------------------------------------------------------------- */

static void answer_send(struct pawl_app_stream *stream, struct app_conn *conn, uint64_t token,
                        const struct pawl_answer *answer)
{
    struct pawl_frame frame = { .type = PAWL_FRAME_ANSWER,
                                .answer = { .token = token, .answer = *answer } };
    if (conn_send(stream, conn, &frame, conn->heard_ms) != PAWL_E_TOO_LARGE) return;

    const struct pawl_answer too_large = {
        .err = PAWL_E_TOO_LARGE,
        .message = PAWL_BYTES_LITERAL("the answer is larger than a frame may be; ask for less at "
                                      "once (a smaller limit, or without payloads)"),
    };
    frame.answer.answer = too_large;
    conn_tell(stream, conn, &frame, conn->heard_ms);
}

/* pawl_api_on_answer */
static void on_answer(void *context, const struct pawl_answer *answer)
{
    struct app_request *request = context;
    answer_send(request->stream, request->conn, request->peer_token, answer);
    request_free(request);
}

static void on_request(struct pawl_app_stream *stream, struct app_conn *conn,
                       const struct pawl_request_frame *frame)
{
    struct pawl_answer answer = { .err = PAWL_OK };
    struct pawl_request asked = frame->request;
    if (asked.op == PAWL_REQUEST_IMPORT)
        answer.err =
            pawl_import_request_fill(asked.payload, &stream->arena, &asked, &answer.message);
    if (answer.err == PAWL_OK)
        answer.err = pawl_request_check(&asked, &stream->arena, &answer.message);
    if (answer.err != PAWL_OK) {
        answer_send(stream, conn, frame->token, &answer);
        return;
    }
    struct app_request *request = PAWL_NEW(struct app_request);
    request->stream = stream;
    request->conn = conn;
    request->peer_token = frame->token;
    pawl_list_push_tail(&conn->requests, &request->link);
    request->api_token =
        stream->config.api->ops->call(stream->config.api, &asked, on_answer, request);
}

/* Frames ----------------------------------------------------------------------------- */

/* A frame of a READY connection. False: an app may not send this. */
static bool on_ready_frame(struct pawl_app_stream *stream, struct app_conn *conn,
                           const struct pawl_frame *frame, int64_t now_ms)
{
    struct pawl_node_event event = { .now_ms = now_ms, .worker = conn->id };
    switch (frame->type) {
    case PAWL_FRAME_PING: {
        struct pawl_frame pong = { .type = PAWL_FRAME_PONG };
        conn_tell(stream, conn, &pong, now_ms);
        return true;
    }
    case PAWL_FRAME_PONG: return true;
    case PAWL_FRAME_CREDIT:
        if (conn->said_bye || stream->stopping) return true; /* it gets nothing new */
        event.type = PAWL_NODE_WORKER_CREDIT;
        event.credit = frame->credit;
        break;
    case PAWL_FRAME_BYE:
        if (conn->said_bye) return true;
        conn->said_bye = true;
        event.type = PAWL_NODE_WORKER_BYE;
        break;
    case PAWL_FRAME_TURN_DONE:
        item_done(conn);
        event.type = PAWL_NODE_TURN_DONE;
        event.turn_done = &frame->turn_done;
        break;
    case PAWL_FRAME_NEED_HISTORY:
        item_done(conn);
        event.type = PAWL_NODE_NEED_HISTORY;
        event.need_history = frame->need_history;
        break;
    case PAWL_FRAME_ACTIVITY_DONE:
        item_done(conn);
        event.type = PAWL_NODE_ACTIVITY_DONE;
        event.activity_done = &frame->activity_done;
        break;
    case PAWL_FRAME_ACTIVITY_HEARTBEAT:
        event.type = PAWL_NODE_ACTIVITY_HEARTBEAT;
        event.activity_beat = &frame->activity_beat;
        break;
    case PAWL_FRAME_REQUEST: on_request(stream, conn, &frame->request); return true;
    case PAWL_FRAME_HELLO:
    case PAWL_FRAME_WELCOME:
    case PAWL_FRAME_REFUSED:
    case PAWL_FRAME_HISTORY:
    case PAWL_FRAME_TURN:
    case PAWL_FRAME_EVICT:
    case PAWL_FRAME_ACTIVITY:
    case PAWL_FRAME_ACTIVITY_CANCEL:
    case PAWL_FRAME_ANSWER:
    case PAWL_FRAME_TYPES_END: return false;
    }
    if (conn->is_worker) node_step(stream, event);
    return true;
}

void pawl_app_stream_on_frame(struct pawl_app_stream *stream, uint64_t id, struct pawl_bytes bytes,
                              int64_t now_ms)
{
    struct app_conn *conn = conn_find(stream, id);
    if (!conn || conn->state == CLOSING) return;

    conn->heard_ms = now_ms;
    pawl_arena_reset(&stream->arena);
    struct pawl_frame frame;
    if (pawl_frame_decode(bytes, &stream->arena, &frame) != PAWL_OK) {
        conn_refuse(stream, conn, PAWL_E_PROTOCOL,
                    pawl_arena_printf(&stream->arena,
                                      "a frame of %zu bytes is malformed or of an unknown type",
                                      bytes.size),
                    now_ms);
        return;
    }
    if (conn->state == AWAITING_HELLO) {
        if (frame.type == PAWL_FRAME_HELLO) {
            on_hello(stream, conn, &frame.hello, now_ms);
            return;
        }
        conn_refuse(stream, conn, PAWL_E_PROTOCOL,
                    PAWL_BYTES_LITERAL("the first frame must be HELLO"), now_ms);
        return;
    }
    if (!on_ready_frame(stream, conn, &frame, now_ms)) {
        conn_refuse(stream, conn, PAWL_E_PROTOCOL,
                    pawl_arena_printf(&stream->arena, "frame type %d is not for an app to send %s",
                                      (int)frame.type,
                                      frame.type == PAWL_FRAME_HELLO ? "twice" : "at all"),
                    now_ms);
    }
}

/* Transport -------------------------------------------------------------------------- */

void pawl_app_stream_on_open(struct pawl_app_stream *stream, uint64_t id, uint32_t pid,
                             int64_t now_ms)
{
    PAWL_ASSERT(!conn_find(stream, id));
    struct app_conn *conn = PAWL_NEW(struct app_conn);
    conn->id = id;
    conn->state = AWAITING_HELLO;
    conn->pid = pid;
    conn->opened_ms = conn->heard_ms = conn->spoke_ms = now_ms;
    conn->name = PAWL_BYTES_LITERAL("(unknown)");
    pawl_list_init(&conn->requests);
    pawl_arena_init(&conn->kept);
    pawl_map_insert(&stream->conns, pawl_bytes_make(&conn->id, sizeof conn->id), conn);
    wake_by(stream, now_ms + PAWL_HANDSHAKE_MS);
}

void pawl_app_stream_on_close(struct pawl_app_stream *stream, uint64_t id, const char *why,
                              int64_t now_ms)
{
    struct app_conn *conn = conn_find(stream, id);
    if (!conn) return;
    if (conn->state == READY) {
        pawl_log(conn->is_worker ? PAWL_LOG_INFO : PAWL_LOG_DEBUG, "app", "%s %.*s is gone: %s",
                 conn->is_worker ? "worker" : "client", PAWL_BYTES_FMT(conn->name), why);
    }
    conn->state = CLOSING;
    worker_close(stream, conn, now_ms);
    conn_free(stream, conn);
}

/* Time ------------------------------------------------------------------------------- */

static void conn_on_tick(struct pawl_app_stream *stream, struct app_conn *conn, int64_t now_ms)
{
    if (conn->state == CLOSING) return;
    if (conn->state == AWAITING_HELLO) {
        int64_t until_ms = conn->opened_ms + PAWL_HANDSHAKE_MS;
        if (now_ms < until_ms) {
            wake_by(stream, until_ms);
            return;
        }
        pawl_log(PAWL_LOG_WARN, "app",
                 "a connection (pid %" PRIu32 ") said no HELLO for %u ms: closed", conn->pid,
                 PAWL_HANDSHAKE_MS);
        conn_end(stream, conn, false, now_ms);
        return;
    }
    if (now_ms >= conn->heard_ms + PAWL_SILENCE_MS) {
        pawl_log(PAWL_LOG_WARN, "app",
                 "worker %.*s was silent for %u ms: closed, its work goes back",
                 PAWL_BYTES_FMT(conn->name), PAWL_SILENCE_MS);
        conn_end(stream, conn, false, now_ms);
        return;
    }
    if (now_ms >= conn->spoke_ms + PAWL_HEARTBEAT_MS) {
        struct pawl_frame ping = { .type = PAWL_FRAME_PING };
        conn_tell(stream, conn, &ping, now_ms);
        conn->spoke_ms = now_ms;
    }
    wake_by(stream, conn->heard_ms + PAWL_SILENCE_MS);
    wake_by(stream, conn->spoke_ms + PAWL_HEARTBEAT_MS);
}

void pawl_app_stream_on_tick(struct pawl_app_stream *stream, int64_t now_ms)
{
    if (stream->wake_at_ms == 0 || now_ms < stream->wake_at_ms) return;
    stream->wake_at_ms = 0;
    uint32_t cursor = 0;
    for (struct app_conn *conn; (conn = pawl_map_next(&stream->conns, &cursor)) != NULL;) {
        conn_on_tick(stream, conn, now_ms);
    }
}

void pawl_app_stream_stop(struct pawl_app_stream *stream, int64_t now_ms)
{
    stream->stopping = true;
    uint32_t cursor = 0;
    for (struct app_conn *conn; (conn = pawl_map_next(&stream->conns, &cursor)) != NULL;) {
        if (!conn->is_worker || conn->said_bye) continue;
        conn->said_bye = true;
        node_step(stream, (struct pawl_node_event){
                              .type = PAWL_NODE_WORKER_BYE, .now_ms = now_ms, .worker = conn->id });
    }
}

void pawl_app_stream_end_all(struct pawl_app_stream *stream, int64_t now_ms)
{
    uint32_t cursor = 0;
    for (struct app_conn *conn; (conn = pawl_map_next(&stream->conns, &cursor)) != NULL;) {
        conn_end(stream, conn, true, now_ms);
    }
}

uint32_t pawl_app_stream_count(const struct pawl_app_stream *stream)
{
    return stream->conns.count;
}

const struct pawl_api_worker *pawl_app_stream_workers(const struct pawl_app_stream *stream,
                                                      struct pawl_arena *arena, uint32_t *ret_count)
{
    struct pawl_api_worker *workers =
        PAWL_ARENA_ARRAY(arena, struct pawl_api_worker, stream->conns.count);
    uint32_t count = 0;
    uint32_t cursor = 0;
    for (const struct app_conn *conn; (conn = pawl_map_next(&stream->conns, &cursor)) != NULL;) {
        if (!conn->is_worker) continue;
        workers[count++] = (struct pawl_api_worker){
            .name = conn->name,
            .workflows_count = conn->workflows_count,
            .workflows = conn->workflows,
            .activities_count = conn->activities_count,
            .activities = conn->activities,
            .in_flight = conn->in_flight,
        };
    }
    *ret_count = count;
    return workers;
}
