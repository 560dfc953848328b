/* Calls: from the first header to the last byte of the answer. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "base/fsm.h"
#include "base/log.h"
#include "base/mem.h"
#include "sidecar/grpc_internal.h"

#define REQUEST PAWL_GRPC_CALL_REQUEST
#define READY   PAWL_GRPC_CALL_READY
#define OPEN    PAWL_GRPC_CALL_OPEN
#define CLOSING PAWL_GRPC_CALL_CLOSING
#define GONE    PAWL_GRPC_CALL_GONE

static const struct pawl_fsm_state call_states[] = {
    [REQUEST] = { "request", PAWL_FSM_BIT(READY) },
    [READY] = { "ready", PAWL_FSM_BIT(OPEN) | PAWL_FSM_BIT(CLOSING) },
    [OPEN] = { "open", PAWL_FSM_BIT(CLOSING) | PAWL_FSM_BIT(GONE) },
    [CLOSING] = { "closing", 0 },
    [GONE] = { "gone", 0 },
};

#define KEPT_SIZE_MAX 4096u        /* an empty queue gives back more than that */
#define COMPACT_SIZE  (256u << 10) /* a queue moves up when so much of it has left */
#define PATH_SHOWN    128          /* bytes of an unknown path in our answer */

static void move(struct pawl_grpc_active *call, uint8_t state)
{
    pawl_fsm_move(call_states, &call->state, state);
}

static struct pawl_bytes id_key(const uint64_t *id)
{
    return pawl_bytes_make(id, sizeof *id);
}

static void timer_set(struct pawl_grpc_active *call, int64_t due_ms)
{
    struct pawl_heap *heap = &call->conn->grpc->call_timers;
    pawl_heap_remove(heap, &call->timer);
    if (due_ms > 0) pawl_heap_insert(heap, &call->timer, due_ms);
}

/* Buffers -------------------------------------------------------------------------------- */

static size_t queued_size(const struct pawl_grpc_active *call)
{
    return call->out.size - call->out_at;
}

static void in_release(struct pawl_grpc *grpc, struct pawl_grpc_active *call)
{
    grpc->in_size -= call->in.size;
    pawl_buf_deinit(&call->in);
    pawl_buf_deinit(&call->headers);
}

static void out_account(struct pawl_grpc_active *call, size_t added, size_t left)
{
    struct pawl_grpc_conn *conn = call->conn;
    conn->out_size += added;
    conn->out_size -= left;
    conn->grpc->out_size += added;
    conn->grpc->out_size -= left;
}

static void out_release(struct pawl_grpc_active *call)
{
    out_account(call, 0, queued_size(call));
    call->out_at = 0;
    pawl_buf_deinit(&call->out);
}

static const char unread_text[] = "the client does not read what was sent to it";

/* Whoever holds the most of what all hold together, and not who happens to add to it. */
static void out_check_all(struct pawl_grpc *grpc)
{
    struct pawl_grpc_conn *largest = NULL;
    size_t doomed_size = 0;
    for (struct pawl_list *at = grpc->conns.next; at != &grpc->conns; at = at->next) {
        struct pawl_grpc_conn *conn = PAWL_CONTAINER_OF(at, struct pawl_grpc_conn, link);
        if (conn->doom) {
            doomed_size += conn->out_size;
        } else if (!largest || conn->out_size > largest->out_size) {
            largest = conn;
        }
    }
    if (largest && grpc->out_size - doomed_size > PAWL_GRPC_OUT_SIZE_MAX)
        pawl_grpc_conn_doom(largest, PAWL_H2_ENHANCE_YOUR_CALM, unread_text);
}

/* Past these bounds nobody waits for the client any more. */
static void out_check(struct pawl_grpc_active *call)
{
    struct pawl_grpc_conn *conn = call->conn;
    if (call->out.bad != PAWL_OK || conn->out_size > PAWL_GRPC_CONN_OUT_SIZE_MAX)
        pawl_grpc_conn_doom(conn, PAWL_H2_ENHANCE_YOUR_CALM, unread_text);
    if (conn->grpc->out_size > PAWL_GRPC_OUT_SIZE_MAX) out_check_all(conn->grpc);
}

size_t pawl_grpc_call_read(struct pawl_grpc_active *call, uint8_t *data, size_t size)
{
    struct pawl_grpc *grpc = call->conn->grpc;
    size_t queued = queued_size(call);
    if (size > queued) size = queued;
    if (size == 0) return 0;
    memcpy(data, call->out.data + call->out_at, size);
    call->out_at += size;
    call->progress_ms = grpc->now_ms;
    out_account(call, 0, size);
    if (call->out_at == call->out.size) {
        call->out_at = 0;
        pawl_buf_clear(&call->out);
        if (call->out.capacity > KEPT_SIZE_MAX) pawl_buf_deinit(&call->out);
    } else if (call->out_at >= COMPACT_SIZE && call->out_at >= call->out.size / 2) {
        pawl_buf_consume(&call->out, call->out_at);
        call->out_at = 0;
    }
    if (call->wants_writable && !pawl_list_is_linked(&call->queue_link)
        && queued_size(call) <= PAWL_GRPC_STREAM_OUT_SIZE_MAX / 2)
        pawl_list_push_tail(&grpc->writable, &call->queue_link);
    return size;
}

bool pawl_grpc_call_is_drained(const struct pawl_grpc_active *call)
{
    return call->state == CLOSING && queued_size(call) == 0;
}

/* Life ----------------------------------------------------------------------------------- */

struct pawl_grpc_active *pawl_grpc_call_new(struct pawl_grpc_conn *conn, int32_t stream)
{
    struct pawl_grpc *grpc = conn->grpc;
    if (conn->doom || grpc->counters.calls >= PAWL_GRPC_CALLS_MAX) return NULL;
    struct pawl_grpc_active *call = PAWL_NEW(struct pawl_grpc_active);
    call->conn = conn;
    call->stream = stream;
    call->state = REQUEST;
    pawl_buf_init(&call->headers, 2 * (size_t)PAWL_GRPC_HEADERS_SIZE_MAX);
    pawl_buf_init(&call->in, (size_t)PAWL_GRPC_MESSAGE_IN_SIZE_MAX + PAWL_GRPC_PREFIX_SIZE);
    pawl_buf_init(&call->out, SIZE_MAX / 2); /* out_check bounds it */
    pawl_buf_init(&call->text, PAWL_MESSAGE_SIZE_MAX);
    pawl_list_push_tail(&conn->calls, &call->conn_link);
    conn->calls_count++;
    grpc->counters.calls++;
    timer_set(call, grpc->now_ms + PAWL_GRPC_REQUEST_MS);
    return call;
}

static void leave_conn(struct pawl_grpc_active *call)
{
    struct pawl_grpc_conn *conn = call->conn;
    timer_set(call, 0);
    in_release(conn->grpc, call);
    out_release(call);
    pawl_list_remove(&call->conn_link);
    conn->calls_count--;
    conn->idle_ms = conn->grpc->now_ms;
    conn->grpc->counters.calls--;
    call->conn = NULL;
}

static void leave_queue(struct pawl_grpc_active *call)
{
    if (pawl_list_is_linked(&call->queue_link)) pawl_list_remove(&call->queue_link);
}

static void call_free(struct pawl_grpc_active *call)
{
    leave_queue(call);
    if (call->conn) leave_conn(call);
    pawl_buf_deinit(&call->text);
    pawl_mem_free(call);
}

void pawl_grpc_call_on_stream_closed(struct pawl_grpc_active *call, const char *why)
{
    struct pawl_grpc *grpc = call->conn->grpc;
    pawl_grpc_conn_touch(call->conn); /* it may have been the last one */
    if (call->state != OPEN) {
        call_free(call);
        return;
    }
    move(call, GONE);
    call->why = why;
    leave_queue(call);
    leave_conn(call);
    pawl_list_push_tail(&grpc->gone, &call->queue_link);
}

/* The client has left an OPEN call. */
static void count_left(struct pawl_grpc *grpc)
{
    grpc->counters.ended_total[PAWL_GRPC_CANCELLED]++;
}

/* Of a call that is no longer among grpc->calls. */
static void tell_cancelled(struct pawl_grpc *grpc, uint64_t id, const char *why)
{
    const struct pawl_grpc_service *service = &grpc->config.service;
    service->on_cancel(service->context, id, why, grpc->now_ms);
}

void pawl_grpc_call_tell_gone(struct pawl_grpc *grpc, struct pawl_grpc_active *call)
{
    uint64_t id = call->id;
    const char *why = call->why;
    (void)pawl_map_remove(&grpc->calls, id_key(&call->id));
    call_free(call);
    count_left(grpc);
    tell_cancelled(grpc, id, why);
}

void pawl_grpc_call_drop(struct pawl_grpc_active *call, const char *why)
{
    struct pawl_grpc *grpc = call->conn->grpc;
    uint64_t id = call->state == OPEN ? call->id : 0;
    if (id != 0) (void)pawl_map_remove(&grpc->calls, id_key(&call->id));
    call_free(call);
    if (id == 0) return;
    count_left(grpc);
    tell_cancelled(grpc, id, why);
}

/* The answer --------------------------------------------------------------------------------- */

/* The longest start of `text` that fits and does not end inside a character. */
static struct pawl_bytes text_cut(struct pawl_bytes text)
{
    if (text.size <= PAWL_MESSAGE_SIZE_MAX) return text;
    size_t size = PAWL_MESSAGE_SIZE_MAX;
    while (size > 0 && (text.data[size] & 0xc0) == 0x80) size--;
    return pawl_bytes_make(text.data, size);
}

static void text_set(struct pawl_grpc_active *call, struct pawl_bytes text)
{
    pawl_buf_clear(&call->text);
    pawl_buf_append_bytes(&call->text, text_cut(text));
}

/* From READY or OPEN: the status, after what is queued. */
static void call_close(struct pawl_grpc_active *call, enum pawl_grpc_status status)
{
    leave_queue(call);
    move(call, CLOSING);
    call->status = (uint8_t)status;
    call->conn->grpc->counters.ended_total[status]++;
    call->progress_ms = call->conn->grpc->now_ms;
    call->wants_writable = false;
    in_release(call->conn->grpc, call);
    timer_set(call, call->progress_ms + PAWL_GRPC_LINGER_MS);
    if (call->answer_begun) {
        pawl_grpc_session_resume(call);
    } else if (queued_size(call) > 0) {
        pawl_grpc_session_respond(call);
    } else {
        pawl_grpc_session_respond_status(call);
    }
}

static void call_refuse_http(struct pawl_grpc_active *call)
{
    leave_queue(call);
    move(call, CLOSING);
    call->conn->grpc->counters.refused_http_total++;
    call->progress_ms = call->conn->grpc->now_ms;
    in_release(call->conn->grpc, call);
    timer_set(call, call->progress_ms + PAWL_GRPC_LINGER_MS);
    pawl_buf_append_bytes(&call->out, pawl_buf_view(&call->text));
    out_account(call, call->out.size, 0);
    pawl_grpc_session_respond_http(call);
}

/* May be inside of nghttp2: the answer leaves from pawl_grpc_call_begin. */
static void refuse(struct pawl_grpc_active *call, enum pawl_grpc_status status, const char *format,
                   ...) __attribute__((format(printf, 3, 4)));
static void refuse(struct pawl_grpc_active *call, enum pawl_grpc_status status, const char *format,
                   ...)
{
    char text[PAWL_MESSAGE_SIZE_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    text_set(call, pawl_bytes_str(text));
    call->is_refused = true;
    call->status = (uint8_t)status;
    in_release(call->conn->grpc, call);
    move(call, READY);
    pawl_list_push_tail(&call->conn->grpc->ready, &call->queue_link);
}

/* The request -------------------------------------------------------------------------------- */

static void on_timeout_header(struct pawl_grpc_active *call, struct pawl_bytes value)
{
    int64_t timeout_ms = 0;
    call->timeout_is_bad = !pawl_grpc_timeout_parse(value, &timeout_ms);
    call->deadline_ms = call->conn->grpc->now_ms + timeout_ms;
}

static void header_keep(struct pawl_grpc_active *call, struct pawl_bytes name,
                        struct pawl_bytes value)
{
    const uint16_t sizes[2] = { (uint16_t)name.size, (uint16_t)value.size };
    pawl_buf_append(&call->headers, sizes, sizeof sizes);
    pawl_buf_append_bytes(&call->headers, name);
    pawl_buf_append_bytes(&call->headers, value);
}

#define HEADER_OVERHEAD 32u /* per header, says HTTP/2 */

void pawl_grpc_call_on_header(struct pawl_grpc_active *call, struct pawl_bytes name,
                              struct pawl_bytes value)
{
    if (call->headers_size <= PAWL_GRPC_HEADERS_SIZE_MAX)
        call->headers_size += name.size + value.size + HEADER_OVERHEAD;
    if (call->headers_size > PAWL_GRPC_HEADERS_SIZE_MAX) return;
    if (pawl_bytes_is_str(name, ":path")) {
        call->method = pawl_map_find(&call->conn->grpc->methods, value);
        if (!call->method) header_keep(call, name, value);
    } else if (pawl_bytes_is_str(name, ":method")) {
        call->is_post = pawl_bytes_is_str(value, "POST");
    } else if (pawl_bytes_is_str(name, "content-type")) {
        call->is_grpc = pawl_grpc_content_type_is_ours(value);
    } else if (pawl_bytes_is_str(name, "grpc-timeout")) {
        on_timeout_header(call, value);
    } else if (pawl_bytes_is_str(name, "grpc-encoding")) {
        call->is_encoded = !pawl_bytes_is_str(value, "identity");
    } else {
        header_keep(call, name, value);
    }
}

struct pawl_bytes pawl_grpc_metadata_find(const struct pawl_grpc_metadata *metadata,
                                          const char *name)
{
    struct pawl_bytes rest = metadata->bytes;
    uint16_t sizes[2];
    while (rest.size >= sizeof sizes) {
        memcpy(sizes, rest.data, sizeof sizes);
        struct pawl_bytes found = pawl_bytes_make(rest.data + sizeof sizes, sizes[0]);
        struct pawl_bytes value = pawl_bytes_make(found.data + sizes[0], sizes[1]);
        if (pawl_bytes_is_str(found, name)) return value;
        size_t used = sizeof sizes + sizes[0] + sizes[1];
        rest = pawl_bytes_make(rest.data + used, rest.size - used);
    }
    return PAWL_BYTES_ABSENT;
}

static struct pawl_grpc_metadata metadata_of(const struct pawl_grpc_active *call)
{
    return (struct pawl_grpc_metadata){ pawl_buf_view(&call->headers) };
}

static bool is_authorized(const struct pawl_grpc_active *call)
{
    static const char *const names[] = { "pawl-api-token", "dapr-api-token" };
    struct pawl_bytes want = pawl_bytes_str(call->conn->grpc->config.token);
    if (pawl_bytes_is_absent(want)) return true;
    struct pawl_grpc_metadata metadata = metadata_of(call);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct pawl_bytes have = pawl_grpc_metadata_find(&metadata, names[i]);
        if (pawl_bytes_is_equal_secret(have, want)) return true;
    }
    struct pawl_bytes bearer = pawl_grpc_metadata_find(&metadata, "authorization");
    const size_t scheme_size = strlen("Bearer ");
    if (bearer.size < scheme_size
        || strncasecmp((const char *)bearer.data, "Bearer ", scheme_size) != 0)
        return false;
    struct pawl_bytes have = pawl_bytes_make(bearer.data + scheme_size, bearer.size - scheme_size);
    return pawl_bytes_is_equal_secret(have, want);
}

static void refuse_http(struct pawl_grpc_active *call, uint16_t http_status, const char *what)
{
    call->http_status = http_status;
    refuse(call, PAWL_GRPC_UNKNOWN, "%s: this port speaks gRPC and serves %s\n", what,
           call->conn->grpc->config.service.what);
}

static void refuse_unknown(struct pawl_grpc_active *call)
{
    struct pawl_grpc_metadata metadata = metadata_of(call);
    struct pawl_bytes path = pawl_grpc_metadata_find(&metadata, ":path");
    char text[PATH_SHOWN + 1];
    snprintf(text, sizeof text, "%.*s", PAWL_BYTES_FMT(path));
    refuse(call, PAWL_GRPC_UNIMPLEMENTED, "there is no method %s on this port: it serves %s", text,
           call->conn->grpc->config.service.what);
}

void pawl_grpc_call_on_headers_end(struct pawl_grpc_active *call)
{
    struct pawl_grpc_conn *conn = call->conn;
    if (call->headers_size > PAWL_GRPC_HEADERS_SIZE_MAX) {
        pawl_grpc_conn_charge_control(conn);
        refuse(call, PAWL_GRPC_RESOURCE_EXHAUSTED,
               "the headers of the call are larger than %u bytes", PAWL_GRPC_HEADERS_SIZE_MAX);
    } else if (!call->is_post) {
        refuse_http(call, 405, "only POST is understood here");
    } else if (!call->is_grpc) {
        refuse_http(call, 415, "the content-type must be application/grpc");
    } else if (!is_authorized(call)) {
        refuse(call, PAWL_GRPC_UNAUTHENTICATED,
               "this sidecar wants its API token: send it in the metadata pawl-api-token, "
               "dapr-api-token or authorization (Bearer)");
    } else if (!call->method) {
        refuse_unknown(call);
    } else if (call->is_encoded) {
        refuse(call, PAWL_GRPC_UNIMPLEMENTED,
               "compressed messages are not understood: switch compression off in the client");
    } else if (call->timeout_is_bad) {
        refuse(call, PAWL_GRPC_INVALID_ARGUMENT, "the header grpc-timeout is malformed");
    } else if (call->deadline_ms != 0) {
        int64_t patience_ms = conn->grpc->now_ms + PAWL_GRPC_REQUEST_MS;
        timer_set(call, call->deadline_ms < patience_ms ? call->deadline_ms : patience_ms);
    }
}

/* Refuses what the prefix says before anything of that size is held. */
static void prefix_check(struct pawl_grpc_active *call)
{
    uint8_t flags = 0;
    uint32_t size = 0;
    if (call->in.size < PAWL_GRPC_PREFIX_SIZE) return;
    pawl_grpc_prefix_read(call->in.data, &flags, &size);
    if (flags != 0) {
        refuse(call, PAWL_GRPC_INTERNAL,
               "the message is marked as compressed, and no grpc-encoding was announced");
    } else if (size > PAWL_GRPC_MESSAGE_IN_SIZE_MAX) {
        refuse(call, PAWL_GRPC_RESOURCE_EXHAUSTED,
               "the message has %u bytes; at most %u are taken: send less at once", size,
               PAWL_GRPC_MESSAGE_IN_SIZE_MAX);
    } else if (call->in.size > PAWL_GRPC_PREFIX_SIZE + (size_t)size) {
        refuse(call, PAWL_GRPC_UNIMPLEMENTED,
               "a second message came: the methods of this port take one");
    }
}

static void in_append(struct pawl_grpc_active *call, struct pawl_bytes data)
{
    size_t before = call->in.size;
    pawl_buf_append_bytes(&call->in, data);
    call->conn->grpc->in_size += call->in.size - before;
}

void pawl_grpc_call_on_data(struct pawl_grpc_active *call, struct pawl_bytes data)
{
    if (call->state != REQUEST || call->conn->doom) return; /* refused: the rest is dropped */
    struct pawl_grpc *grpc = call->conn->grpc;
    if (grpc->in_size + data.size > PAWL_GRPC_IN_SIZE_MAX) {
        refuse(call, PAWL_GRPC_RESOURCE_EXHAUSTED,
               "too many large requests are under way at this sidecar: try again");
        return;
    }
    if (call->in.size < PAWL_GRPC_PREFIX_SIZE) {
        size_t missing = PAWL_GRPC_PREFIX_SIZE - call->in.size;
        if (missing > data.size) missing = data.size;
        in_append(call, pawl_bytes_make(data.data, missing));
        prefix_check(call);
        if (call->state != REQUEST) return;
        data = pawl_bytes_make(data.data + missing, data.size - missing);
    }
    if (data.size == 0) return;
    in_append(call, data);
    if (call->in.bad != PAWL_OK) {
        refuse(call, PAWL_GRPC_UNIMPLEMENTED,
               "a second message came: the methods of this port take one");
        return;
    }
    prefix_check(call);
}

void pawl_grpc_call_on_request_end(struct pawl_grpc_active *call)
{
    if (call->state != REQUEST || call->conn->doom) return;
    uint8_t flags = 0;
    uint32_t size = 0;
    if (call->in.size >= PAWL_GRPC_PREFIX_SIZE) pawl_grpc_prefix_read(call->in.data, &flags, &size);
    if (call->in.size != PAWL_GRPC_PREFIX_SIZE + (size_t)size) {
        refuse(call, PAWL_GRPC_INTERNAL, "the request ended before its message did");
        return;
    }
    move(call, READY);
    pawl_list_push_tail(&call->conn->grpc->ready, &call->queue_link);
}

/* Begin ---------------------------------------------------------------------------------- */

static const char deadline_text[] = "the deadline passed";

static void call_open(struct pawl_grpc *grpc, struct pawl_grpc_active *call)
{
    move(call, OPEN);
    call->id = ++grpc->next_call;
    pawl_map_insert(&grpc->calls, id_key(&call->id), call);
    timer_set(call, call->deadline_ms);
    const struct pawl_grpc_metadata metadata = metadata_of(call);
    const struct pawl_grpc_call told = {
        .id = call->id,
        .method = call->method,
        .message = pawl_bytes_make(call->in.data + PAWL_GRPC_PREFIX_SIZE,
                                   call->in.size - PAWL_GRPC_PREFIX_SIZE),
        .deadline_ms = call->deadline_ms,
        .now_ms = grpc->now_ms,
        .conn = call->conn->id,
        .peer = call->conn->name,
        .metadata = &metadata,
    };
    /* The buffers are the call's, and finish would free them under the method's eyes. */
    struct pawl_buf in = call->in;
    struct pawl_buf headers = call->headers;
    grpc->in_size -= in.size;
    grpc->counters.messages_received_total++;
    grpc->counters.bytes_received_total += told.message.size;
    pawl_buf_init(&call->in, in.size_max);
    pawl_buf_init(&call->headers, headers.size_max);
    call->method->on_call(grpc->config.service.context, &told);
    pawl_buf_deinit(&in);
    pawl_buf_deinit(&headers);

    /* The client of a stream sees at once that it stands. */
    if (call->state == OPEN && call->method->kind == PAWL_GRPC_SERVER_STREAM && !call->answer_begun)
        pawl_grpc_session_respond(call);
}

void pawl_grpc_call_begin(struct pawl_grpc_active *call)
{
    struct pawl_grpc *grpc = call->conn->grpc;
    leave_queue(call);
    if (call->conn->doom) return; /* it goes with its connection */
    if (call->http_status != 0) {
        call_refuse_http(call);
    } else if (call->is_refused) {
        call_close(call, call->status);
    } else if (grpc->is_stopping) {
        text_set(call, PAWL_BYTES_LITERAL("this sidecar is stopping; try another, or again"));
        call_close(call, PAWL_GRPC_UNAVAILABLE);
    } else if (call->deadline_ms != 0 && call->deadline_ms <= grpc->now_ms) {
        text_set(call, pawl_bytes_str(deadline_text));
        call_close(call, PAWL_GRPC_DEADLINE_EXCEEDED);
    } else {
        call_open(grpc, call);
    }
}

void pawl_grpc_call_tell_writable(struct pawl_grpc_active *call)
{
    const struct pawl_grpc_service *service = &call->conn->grpc->config.service;
    leave_queue(call);
    call->wants_writable = false;
    service->on_writable(service->context, call->id, call->conn->grpc->now_ms);
}

/* End ------------------------------------------------------------------------------------- */

void pawl_grpc_call_cancel(struct pawl_grpc_active *call, enum pawl_grpc_status status,
                           const char *why)
{
    struct pawl_grpc *grpc = call->conn->grpc;
    if (call->state == CLOSING) return;
    if (call->state == REQUEST) move(call, READY);
    uint64_t id = call->state == OPEN ? call->id : 0;
    if (id != 0) (void)pawl_map_remove(&grpc->calls, id_key(&call->id));
    text_set(call, pawl_bytes_str(why));
    call->http_status = 0;
    call_close(call, status);
    if (id != 0) tell_cancelled(grpc, id, why);
}

static void closing_on_timer(struct pawl_grpc_active *call)
{
    struct pawl_grpc *grpc = call->conn->grpc;
    if (grpc->now_ms < call->progress_ms + PAWL_GRPC_LINGER_MS) {
        timer_set(call, call->progress_ms + PAWL_GRPC_LINGER_MS);
        return;
    }
    pawl_log(PAWL_LOG_DEBUG, "grpc", "%s: an answer was not read for %u s and is dropped",
             call->conn->name, PAWL_GRPC_LINGER_MS / 1000);
    timer_set(call, 0);
    pawl_grpc_session_reset(call, PAWL_H2_CANCEL);
}

void pawl_grpc_call_on_timer(struct pawl_grpc_active *call)
{
    int64_t now_ms = call->conn->grpc->now_ms;
    if (call->state == CLOSING) {
        closing_on_timer(call);
    } else if (call->deadline_ms != 0 && call->deadline_ms <= now_ms) {
        pawl_grpc_call_cancel(call, PAWL_GRPC_DEADLINE_EXCEEDED, deadline_text);
    } else {
        pawl_grpc_call_cancel(call, PAWL_GRPC_CANCELLED,
                              "the request did not become whole in time");
    }
}

/* For methods --------------------------------------------------------------------------------- */

static struct pawl_grpc_active *call_find(struct pawl_grpc *grpc, uint64_t id)
{
    return pawl_map_find(&grpc->calls, id_key(&id));
}

pawl_err pawl_grpc_send(struct pawl_grpc *grpc, uint64_t id, struct pawl_bytes message)
{
    struct pawl_grpc_active *call = call_find(grpc, id);
    if (!call) return PAWL_E_CANCELLED;
    if (call->state == GONE || call->conn->doom) return PAWL_OK; /* on_cancel is on its way */
    if (message.size > PAWL_GRPC_MESSAGE_OUT_SIZE_MAX) return PAWL_E_TOO_LARGE;
    size_t queued = queued_size(call);
    size_t added = PAWL_GRPC_PREFIX_SIZE + message.size;
    if (queued > 0 && queued + added > PAWL_GRPC_STREAM_OUT_SIZE_MAX) {
        call->wants_writable = true;
        return PAWL_E_BUSY;
    }
    uint8_t prefix[PAWL_GRPC_PREFIX_SIZE];
    pawl_grpc_prefix_write(prefix, (uint32_t)message.size);
    pawl_buf_append(&call->out, prefix, sizeof prefix);
    pawl_buf_append_bytes(&call->out, message);
    out_account(call, queued_size(call) - queued, 0);
    out_check(call);
    call->was_sent = true;
    grpc->counters.messages_sent_total++;
    grpc->counters.bytes_sent_total += message.size;
    if (call->method->kind == PAWL_GRPC_UNARY) return PAWL_OK; /* finish sends both at once */
    if (call->answer_begun) {
        pawl_grpc_session_resume(call);
    } else {
        pawl_grpc_session_respond(call);
    }
    return PAWL_OK;
}

void pawl_grpc_finish(struct pawl_grpc *grpc, uint64_t id, enum pawl_grpc_status status,
                      struct pawl_bytes text)
{
    struct pawl_grpc_active *call = call_find(grpc, id);
    if (!call) return;
    (void)pawl_map_remove(&grpc->calls, id_key(&call->id));
    if (call->state == GONE) {
        call_free(call);
        return;
    }
    if ((unsigned)status >= PAWL_GRPC_STATUS_COUNT) status = PAWL_GRPC_UNKNOWN;
    if (status == PAWL_GRPC_OK && call->method->kind == PAWL_GRPC_UNARY && !call->was_sent) {
        status = PAWL_GRPC_INTERNAL;
        text = PAWL_BYTES_LITERAL("the method gave no answer");
    }
    text_set(call, text);
    call_close(call, status);
}

void pawl_grpc_answer(struct pawl_grpc *grpc, uint64_t id, struct pawl_bytes message)
{
    pawl_err err = pawl_grpc_send(grpc, id, message);
    if (err == PAWL_E_TOO_LARGE) {
        char text[128];
        snprintf(text, sizeof text, "the answer has %zu bytes; at most %u are sent", message.size,
                 PAWL_GRPC_MESSAGE_OUT_SIZE_MAX);
        pawl_grpc_finish(grpc, id, PAWL_GRPC_RESOURCE_EXHAUSTED, pawl_bytes_str(text));
    } else {
        pawl_grpc_finish(grpc, id, PAWL_GRPC_OK, PAWL_BYTES_ABSENT);
    }
}

static const char *const status_names[] = {
    [PAWL_GRPC_OK] = "OK",
    [PAWL_GRPC_CANCELLED] = "CANCELLED",
    [PAWL_GRPC_UNKNOWN] = "UNKNOWN",
    [PAWL_GRPC_INVALID_ARGUMENT] = "INVALID_ARGUMENT",
    [PAWL_GRPC_DEADLINE_EXCEEDED] = "DEADLINE_EXCEEDED",
    [PAWL_GRPC_NOT_FOUND] = "NOT_FOUND",
    [PAWL_GRPC_ALREADY_EXISTS] = "ALREADY_EXISTS",
    [PAWL_GRPC_PERMISSION_DENIED] = "PERMISSION_DENIED",
    [PAWL_GRPC_RESOURCE_EXHAUSTED] = "RESOURCE_EXHAUSTED",
    [PAWL_GRPC_FAILED_PRECONDITION] = "FAILED_PRECONDITION",
    [PAWL_GRPC_ABORTED] = "ABORTED",
    [PAWL_GRPC_OUT_OF_RANGE] = "OUT_OF_RANGE",
    [PAWL_GRPC_UNIMPLEMENTED] = "UNIMPLEMENTED",
    [PAWL_GRPC_INTERNAL] = "INTERNAL",
    [PAWL_GRPC_UNAVAILABLE] = "UNAVAILABLE",
    [PAWL_GRPC_DATA_LOSS] = "DATA_LOSS",
    [PAWL_GRPC_UNAUTHENTICATED] = "UNAUTHENTICATED",
};

const char *pawl_grpc_status_name(enum pawl_grpc_status status)
{
    unsigned number = (unsigned)status;
    if (number >= sizeof status_names / sizeof status_names[0]) return "UNKNOWN";
    return status_names[number];
}
