#include "grpc_client.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "sidecar/grpc_wire.h"

#define BODY_SIZE_MAX ((size_t)1 << 30)

static struct grpc_reply *reply_of(nghttp2_session *session, int32_t stream)
{
    return nghttp2_session_get_stream_user_data(session, stream);
}

static void copy_text(char *to, size_t to_size, const uint8_t *value, size_t size)
{
    if (size >= to_size) size = to_size - 1;
    memcpy(to, value, size);
    to[size] = 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *context)
{
    (void)flags;
    (void)context;
    struct grpc_reply *reply = reply_of(session, frame->hd.stream_id);
    struct pawl_bytes header = pawl_bytes_make(name, name_size);
    char number[16];
    copy_text(number, sizeof number, value, value_size);
    if (!reply) return 0;
    if (pawl_bytes_is_str(header, ":status")) {
        reply->http_status = (int)strtol(number, NULL, 10);
    } else if (pawl_bytes_is_str(header, "grpc-status")) {
        reply->status = (int)strtol(number, NULL, 10);
    } else if (pawl_bytes_is_str(header, "grpc-message")) {
        copy_text(reply->message, sizeof reply->message, value, value_size);
    } else if (pawl_bytes_is_str(header, "grpc-accept-encoding")) {
        copy_text(reply->accept_encoding, sizeof reply->accept_encoding, value, value_size);
    }
    return 0;
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t stream,
                         const uint8_t *data, size_t size, void *context)
{
    (void)flags;
    struct grpc_client *client = context;
    struct grpc_reply *reply = reply_of(session, stream);
    if (reply) pawl_buf_append(&reply->body, data, size);
    nghttp2_session_consume_connection(session, size);
    if (!client->is_paused) nghttp2_session_consume_stream(session, stream, size);
    return 0;
}

static void on_goaway(struct grpc_client *client, const nghttp2_goaway *goaway)
{
    client->is_told_to_go = true;
    client->goaway_code = goaway->error_code;
    copy_text(client->goaway_text, sizeof client->goaway_text, goaway->opaque_data,
              goaway->opaque_data_len);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct grpc_client *client = context;
    struct grpc_reply *reply = reply_of(session, frame->hd.stream_id);
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        if (!reply) break;
        reply->headers_count++;
        reply->is_trailers_only =
            reply->headers_count == 1 && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
        break;
    case NGHTTP2_GOAWAY: on_goaway(client, &frame->goaway); break;
    case NGHTTP2_SETTINGS:
        if (frame->hd.flags & NGHTTP2_FLAG_ACK) break;
        client->settings_count++;
        client->max_streams =
            nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
        break;
    case NGHTTP2_PING:
        if (frame->hd.flags & NGHTTP2_FLAG_ACK) {
            client->pongs_count++;
        } else {
            client->pings_count++;
        }
        break;
    default: break;
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t code, void *context)
{
    (void)context;
    struct grpc_reply *reply = reply_of(session, stream);
    if (!reply) return 0;
    reply->is_over = true;
    reply->reset_code = code;
    return 0;
}

void grpc_client_init(struct grpc_client *client, uint32_t window)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    *client = (struct grpc_client){ 0 };
    PAWL_ASSERT(nghttp2_session_callbacks_new(&callbacks) == 0);
    PAWL_ASSERT(nghttp2_option_new(&option) == 0);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_peer_max_concurrent_streams(option, 1u << 20);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    PAWL_ASSERT(nghttp2_session_client_new2(&client->session, callbacks, client, option) == 0);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window ? window : 65535 },
    };
    PAWL_ASSERT(nghttp2_submit_settings(client->session, 0, settings, 2) == 0);
    PAWL_ASSERT(nghttp2_session_set_local_window_size(client->session, 0, 0, 1 << 30) == 0);
}

void grpc_client_deinit(struct grpc_client *client)
{
    nghttp2_session_del(client->session);
    while (client->replies) {
        struct grpc_reply *reply = client->replies;
        client->replies = reply->next;
        pawl_buf_deinit(&reply->body);
        pawl_buf_deinit(&reply->request);
        pawl_mem_free(reply);
    }
}

static ssize_t on_read(nghttp2_session *session, int32_t stream, uint8_t *data, size_t size,
                       uint32_t *flags, nghttp2_data_source *source, void *context)
{
    (void)session;
    (void)stream;
    (void)context;
    struct grpc_reply *reply = source->ptr;
    size_t left = reply->request.size - reply->request_at;
    if (size > left) size = left;
    if (size > 0) memcpy(data, reply->request.data + reply->request_at, size);
    reply->request_at += size;
    if (size == left && reply->request_ends) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    } else if (size == 0) {
        return NGHTTP2_ERR_DEFERRED;
    }
    return (ssize_t)size;
}

struct grpc_reply *grpc_client_request(struct grpc_client *client, const char *const *headers,
                                       struct pawl_bytes body, bool ends)
{
    nghttp2_nv nvs[GRPC_CLIENT_HEADERS_MAX];
    size_t count = 0;
    for (; headers[count * 2]; count++) {
        PAWL_ASSERT(count < GRPC_CLIENT_HEADERS_MAX);
        const char *name = headers[count * 2];
        const char *value = headers[count * 2 + 1];
        nvs[count] = (nghttp2_nv){ (uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value,
                                   strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE };
    }
    struct grpc_reply *reply = PAWL_NEW(struct grpc_reply);
    reply->status = -1;
    reply->next = client->replies;
    client->replies = reply;
    pawl_buf_init(&reply->body, BODY_SIZE_MAX);
    pawl_buf_init(&reply->request, BODY_SIZE_MAX);
    pawl_buf_append_bytes(&reply->request, body);
    reply->request_ends = ends;
    nghttp2_data_provider provider = { .source.ptr = reply, .read_callback = on_read };
    bool has_body = body.size > 0 || !ends;
    reply->stream = nghttp2_submit_request(client->session, NULL, nvs, count,
                                           has_body ? &provider : NULL, reply);
    PAWL_ASSERT(reply->stream > 0);
    return reply;
}

struct grpc_reply *grpc_client_call(struct grpc_client *client, const char *path,
                                    struct pawl_bytes message, const char *const *headers)
{
    const char *all[2 * GRPC_CLIENT_HEADERS_MAX + 1] = {
        ":method",   "POST",         ":scheme",          "http", ":path",    path, ":authority",
        "localhost", "content-type", "application/grpc", "te",   "trailers",
    };
    for (size_t i = 0; headers && headers[i]; i++) all[12 + i] = headers[i];
    struct pawl_buf body = grpc_frame_message(message);
    struct grpc_reply *reply = grpc_client_request(client, all, pawl_buf_view(&body), true);
    pawl_buf_deinit(&body);
    return reply;
}

void grpc_client_more(struct grpc_client *client, struct grpc_reply *reply, struct pawl_bytes body,
                      bool ends)
{
    pawl_buf_append_bytes(&reply->request, body);
    reply->request_ends = ends;
    (void)nghttp2_session_resume_data(client->session, reply->stream);
}

void grpc_client_cancel(struct grpc_client *client, struct grpc_reply *reply)
{
    PAWL_ASSERT(nghttp2_submit_rst_stream(client->session, 0, reply->stream, NGHTTP2_CANCEL) == 0);
}

void grpc_client_ping(struct grpc_client *client)
{
    PAWL_ASSERT(nghttp2_submit_ping(client->session, 0, NULL) == 0);
}

void grpc_client_pause(struct grpc_client *client)
{
    client->is_paused = true;
}

void grpc_client_read_on(struct grpc_client *client)
{
    client->is_paused = false;
    for (struct grpc_reply *reply = client->replies; reply; reply = reply->next) {
        int32_t held =
            nghttp2_session_get_stream_effective_recv_data_length(client->session, reply->stream);
        if (held > 0) nghttp2_session_consume_stream(client->session, reply->stream, (size_t)held);
    }
}

void grpc_client_receive(struct grpc_client *client, struct pawl_bytes bytes)
{
    ssize_t size = nghttp2_session_mem_recv(client->session, bytes.data, bytes.size);
    if (size != (ssize_t)bytes.size) client->is_broken = true;
}

void grpc_client_take(struct grpc_client *client, struct pawl_buf *out)
{
    const uint8_t *data;
    ssize_t size;
    while ((size = nghttp2_session_mem_send(client->session, &data)) > 0)
        pawl_buf_append(out, data, (size_t)size);
    PAWL_ASSERT(size == 0);
}

struct pawl_bytes grpc_reply_message(const struct grpc_reply *reply, uint32_t index)
{
    size_t at = 0;
    while (reply->body.size - at >= PAWL_GRPC_PREFIX_SIZE) {
        uint8_t flags;
        uint32_t size;
        pawl_grpc_prefix_read(reply->body.data + at, &flags, &size);
        PAWL_ASSERT(flags == 0);
        at += PAWL_GRPC_PREFIX_SIZE;
        if (size > reply->body.size - at) break;
        if (index-- == 0) return pawl_bytes_make(reply->body.data + at, size);
        at += size;
    }
    return PAWL_BYTES_ABSENT;
}

uint32_t grpc_reply_messages_count(const struct grpc_reply *reply)
{
    uint32_t count = 0;
    size_t at = 0;
    while (reply->body.size - at >= PAWL_GRPC_PREFIX_SIZE) {
        uint8_t flags;
        uint32_t size;
        pawl_grpc_prefix_read(reply->body.data + at, &flags, &size);
        at += PAWL_GRPC_PREFIX_SIZE;
        if (size > reply->body.size - at) break;
        at += size;
        count++;
    }
    return count;
}

struct pawl_buf grpc_frame_message(struct pawl_bytes message)
{
    struct pawl_buf buf;
    uint8_t prefix[PAWL_GRPC_PREFIX_SIZE];
    pawl_buf_init(&buf, BODY_SIZE_MAX);
    pawl_grpc_prefix_write(prefix, (uint32_t)message.size);
    pawl_buf_append(&buf, prefix, sizeof prefix);
    pawl_buf_append_bytes(&buf, message);
    return buf;
}
