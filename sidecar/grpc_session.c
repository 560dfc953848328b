/* HTTP/2 of one connection: nghttp2 in the middle, bytes in and bytes out. */
#include <nghttp2/nghttp2.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/log.h"
#include "sidecar/grpc_internal.h"

/* Windows for what clients send. Requests are taken out of them as they come, and are
 * bounded otherwise, so the windows only have to cover the round trip. */
#define STREAM_WINDOW (256 << 10)
#define CONN_WINDOW   (1 << 20)

/* From nghttp2 -------------------------------------------------------------------------- */

static struct pawl_grpc_active *call_of(nghttp2_session *session, int32_t stream)
{
    return nghttp2_session_get_stream_user_data(session, stream);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct pawl_grpc_conn *conn = context;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    struct pawl_grpc_active *call = pawl_grpc_call_new(conn, frame->hd.stream_id);
    if (call) {
        nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, call);
        return 0;
    }
    pawl_grpc_conn_charge_control(conn);
    return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                     NGHTTP2_REFUSED_STREAM);
}

/* Space around a value says nothing, and comes from files with tokens. */
static struct pawl_bytes trimmed(const uint8_t *value, size_t size)
{
    while (size > 0 && (value[0] == ' ' || value[0] == '\t')) {
        value++;
        size--;
    }
    while (size > 0 && (value[size - 1] == ' ' || value[size - 1] == '\t')) size--;
    return pawl_bytes_make(value, size);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *context)
{
    (void)flags;
    (void)context;
    struct pawl_grpc_active *call = call_of(session, frame->hd.stream_id);
    if (!call || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    pawl_grpc_call_on_header(call, pawl_bytes_make(name, name_size), trimmed(value, value_size));
    return 0;
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t stream,
                         const uint8_t *data, size_t size, void *context)
{
    (void)flags;
    (void)context;
    struct pawl_grpc_active *call = call_of(session, stream);
    if (call) pawl_grpc_call_on_data(call, pawl_bytes_make(data, size));
    return 0;
}

static void on_control(struct pawl_grpc_conn *conn, const nghttp2_frame *frame)
{
    bool is_ack = (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;
    switch (frame->hd.type) {
    case NGHTTP2_RST_STREAM: pawl_grpc_conn_charge_reset(conn); break;
    case NGHTTP2_PING:
        if (is_ack) {
            conn->is_pinged = false;
        } else {
            pawl_grpc_conn_charge_control(conn);
        }
        break;
    case NGHTTP2_SETTINGS:
        if (!is_ack) {
            pawl_grpc_conn_greeted(conn);
            pawl_grpc_conn_charge_control(conn);
        }
        break;
    case NGHTTP2_PRIORITY: pawl_grpc_conn_charge_control(conn); break;
    case NGHTTP2_DATA: /* that carries nothing */
        if (frame->hd.length == 0 && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) {
            pawl_grpc_conn_charge_control(conn);
        }
        break;
    default: break;
    }
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    on_control(context, frame);
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    struct pawl_grpc_active *call = call_of(session, frame->hd.stream_id);
    if (!call) return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        pawl_grpc_call_on_headers_end(call);
    }
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) pawl_grpc_call_on_request_end(call);
    return 0;
}

/* An answer that is complete before its request is: the client need not send the rest. */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct pawl_grpc_conn *conn = context;
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR)
        conn->is_broken = true;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    pawl_grpc_conn_credit_control(conn);
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
    if (nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) != 0) return 0;
    return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                     NGHTTP2_NO_ERROR);
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t code, void *context)
{
    (void)context;
    struct pawl_grpc_active *call = call_of(session, stream);
    if (!call) return 0;
    nghttp2_session_set_stream_user_data(session, stream, NULL);
    pawl_grpc_call_on_stream_closed(call, code == NGHTTP2_CANCEL ? "the client cancelled it"
                                                                 : "its stream was reset");
    return 0;
}

static int on_error(nghttp2_session *session, int code, const char *text, size_t size,
                    void *context)
{
    (void)session;
    (void)code;
    struct pawl_grpc_conn *conn = context;
    pawl_log(PAWL_LOG_DEBUG, "grpc", "%s: %.*s", conn->name, (int)size, text);
    return 0;
}

/* Session ----------------------------------------------------------------------------------- */

static nghttp2_option *options_make(void)
{
    nghttp2_option *option = NULL;
    int err = nghttp2_option_new(&option);
    PAWL_ASSERT(err == 0);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(option, 1);
    /* Its own limit reads the clock; pawl_grpc_conn_charge_reset is ours. */
    nghttp2_option_set_stream_reset_rate_limit(option, UINT32_MAX, UINT32_MAX);
    return option;
}

static nghttp2_session_callbacks *callbacks_make(void)
{
    nghttp2_session_callbacks *callbacks = NULL;
    int err = nghttp2_session_callbacks_new(&callbacks);
    PAWL_ASSERT(err == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_error_callback2(callbacks, on_error);
    return callbacks;
}

void pawl_grpc_session_open(struct pawl_grpc_conn *conn)
{
    nghttp2_option *option = options_make();
    nghttp2_session_callbacks *callbacks = callbacks_make();
    int err = nghttp2_session_server_new2(&conn->session, callbacks, conn, option);
    PAWL_ASSERT(err == 0);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);

    const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, PAWL_GRPC_CONN_CALLS_MAX },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, PAWL_GRPC_HEADERS_SIZE_MAX },
    };
    err = nghttp2_submit_settings(conn->session, NGHTTP2_FLAG_NONE, settings,
                                  sizeof settings / sizeof settings[0]);
    PAWL_ASSERT(err == 0);
    err = nghttp2_session_set_local_window_size(conn->session, NGHTTP2_FLAG_NONE, 0, CONN_WINDOW);
    PAWL_ASSERT(err == 0);
}

void pawl_grpc_session_close(struct pawl_grpc_conn *conn)
{
    nghttp2_session_del(conn->session); /* tells nobody of the streams it still had */
    conn->session = NULL;
}

bool pawl_grpc_session_receive(struct pawl_grpc_conn *conn, struct pawl_bytes bytes)
{
    return nghttp2_session_mem_recv(conn->session, bytes.data, bytes.size) == (ssize_t)bytes.size;
}

bool pawl_grpc_session_send(struct pawl_grpc_conn *conn, struct pawl_buf *out, size_t size_max)
{
    while (out->size < size_max) {
        const uint8_t *data = NULL;
        ssize_t size = nghttp2_session_mem_send(conn->session, &data);
        if (size < 0) return false;
        if (size == 0) break;
        pawl_buf_append(out, data, (size_t)size);
    }
    return true;
}

bool pawl_grpc_session_wants_to_send(const struct pawl_grpc_conn *conn)
{
    return nghttp2_session_want_write(conn->session) != 0;
}

bool pawl_grpc_session_is_over(const struct pawl_grpc_conn *conn)
{
    return nghttp2_session_want_read(conn->session) == 0
           && nghttp2_session_want_write(conn->session) == 0;
}

void pawl_grpc_session_ping(struct pawl_grpc_conn *conn)
{
    int err = nghttp2_submit_ping(conn->session, NGHTTP2_FLAG_NONE, NULL);
    PAWL_ASSERT(err == 0);
}

void pawl_grpc_session_goaway(struct pawl_grpc_conn *conn, enum pawl_h2_code code, const char *text)
{
    int32_t last = nghttp2_session_get_last_proc_stream_id(conn->session);
    (void)nghttp2_submit_goaway(conn->session, NGHTTP2_FLAG_NONE, last, code, (const uint8_t *)text,
                                strlen(text));
}

/* Answers ------------------------------------------------------------------------------------- */

static nghttp2_nv nv(const char *name, const char *value, size_t value_size)
{
    /* nghttp2 copies both; it only lacks const. */
    return (nghttp2_nv){ .name = (uint8_t *)(uintptr_t)name,
                         .value = (uint8_t *)(uintptr_t)value,
                         .namelen = strlen(name),
                         .valuelen = value_size };
}

/* Both are constants, which nghttp2 need not copy. */
static nghttp2_nv nv_constant(const char *name, const char *value)
{
    nghttp2_nv made = nv(name, value, strlen(value));
    made.flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;
    return made;
}

static const char *status_text(uint8_t status)
{
    static const char *const texts[] = { "0", "1",  "2",  "3",  "4",  "5",  "6",  "7", "8",
                                         "9", "10", "11", "12", "13", "14", "15", "16" };
    PAWL_ASSERT(status < sizeof texts / sizeof texts[0]);
    return texts[status];
}

#define STATUS_NVS_MAX 3u

/* The status of a call as headers; its text lives in `message`. */
static size_t status_nvs(const struct pawl_grpc_active *call, struct pawl_buf *message,
                         nghttp2_nv ret_nvs[STATUS_NVS_MAX])
{
    size_t count = 0;
    ret_nvs[count++] = nv_constant("grpc-status", status_text(call->status));
    pawl_grpc_message_encode(pawl_buf_view(&call->text), message);
    if (message->size > 0) {
        ret_nvs[count++] = nv("grpc-message", (const char *)message->data, message->size);
    }
    if (call->is_encoded) ret_nvs[count++] = nv_constant("grpc-accept-encoding", "identity");
    return count;
}

static void message_init(struct pawl_buf *message)
{
    pawl_buf_init(message, 3 * (size_t)PAWL_MESSAGE_SIZE_MAX);
}

static void trailers_submit(struct pawl_grpc_active *call)
{
    struct pawl_buf message;
    nghttp2_nv nvs[STATUS_NVS_MAX];
    message_init(&message);
    size_t count = status_nvs(call, &message, nvs);
    (void)nghttp2_submit_trailer(call->conn->session, call->stream, nvs, count);
    pawl_buf_deinit(&message);
}

/* nghttp2 asks for the next bytes of an answer. */
static ssize_t on_read(nghttp2_session *session, int32_t stream, uint8_t *data, size_t size,
                       uint32_t *flags, nghttp2_data_source *source, void *context)
{
    (void)source;
    (void)context;
    struct pawl_grpc_active *call = call_of(session, stream);
    if (!call) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t read = pawl_grpc_call_read(call, data, size);
    if (pawl_grpc_call_is_drained(call)) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (call->http_status == 0) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            trailers_submit(call);
        }
        return (ssize_t)read;
    }
    if (read > 0) return (ssize_t)read;
    call->is_deferred = true;
    return NGHTTP2_ERR_DEFERRED;
}

/* A stream that is closing already takes no answer; it is freed when it has closed. */
static void respond(struct pawl_grpc_active *call, const nghttp2_nv *nvs, size_t count,
                    bool has_body)
{
    nghttp2_data_provider provider = { .read_callback = on_read };
    call->answer_begun = true;
    (void)nghttp2_submit_response(call->conn->session, call->stream, nvs, count,
                                  has_body ? &provider : NULL);
    pawl_grpc_conn_touch(call->conn);
}

void pawl_grpc_session_respond(struct pawl_grpc_active *call)
{
    const nghttp2_nv nvs[] = {
        nv_constant(":status", "200"),
        nv_constant("content-type", "application/grpc"),
    };
    respond(call, nvs, 2, true);
}

void pawl_grpc_session_respond_status(struct pawl_grpc_active *call)
{
    struct pawl_buf message;
    nghttp2_nv nvs[2 + STATUS_NVS_MAX] = {
        nv_constant(":status", "200"),
        nv_constant("content-type", "application/grpc"),
    };
    message_init(&message);
    size_t count = status_nvs(call, &message, nvs + 2);
    respond(call, nvs, 2 + count, false);
    pawl_buf_deinit(&message);
}

void pawl_grpc_session_respond_http(struct pawl_grpc_active *call)
{
    char status[8];
    snprintf(status, sizeof status, "%u", call->http_status);
    const nghttp2_nv nvs[] = {
        nv(":status", status, strlen(status)),
        nv_constant("content-type", "text/plain; charset=utf-8"),
        nv_constant("allow", "POST"),
    };
    respond(call, nvs, call->http_status == 405 ? 3 : 2, true);
}

void pawl_grpc_session_resume(struct pawl_grpc_active *call)
{
    if (call->is_deferred) {
        call->is_deferred = false;
        (void)nghttp2_session_resume_data(call->conn->session, call->stream);
    }
    pawl_grpc_conn_touch(call->conn);
}

void pawl_grpc_session_reset(struct pawl_grpc_active *call, enum pawl_h2_code code)
{
    (void)nghttp2_submit_rst_stream(call->conn->session, NGHTTP2_FLAG_NONE, call->stream, code);
    pawl_grpc_conn_touch(call->conn);
}
