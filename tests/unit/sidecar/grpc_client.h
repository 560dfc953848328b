/* A gRPC client for tests: one HTTP/2 connection (nghttp2), bytes in and bytes out. */
#ifndef PAWL_TESTS_GRPC_CLIENT_H
#define PAWL_TESTS_GRPC_CLIENT_H

#include <nghttp2/nghttp2.h>

#include "base/buf.h"

#define GRPC_CLIENT_HEADERS_MAX 16u

/* What the server said about one call. */
struct grpc_reply {
    int32_t stream;
    int http_status; /* 0: no headers yet */
    int status;      /* of gRPC; -1: not yet */
    char message[4096];
    char accept_encoding[32];
    bool is_trailers_only; /* the headers ended the stream */
    bool is_over;
    uint32_t reset_code;    /* how the stream closed */
    uint32_t headers_count; /* HEADERS frames */
    struct pawl_buf body;
    struct pawl_buf request;
    size_t request_at; /* what of it was sent */
    bool request_ends;
    struct grpc_reply *next;
};

struct grpc_client {
    nghttp2_session *session;
    struct grpc_reply *replies;
    bool is_paused; /* gives no window back */
    bool is_told_to_go;
    uint32_t goaway_code;
    char goaway_text[128];
    uint32_t settings_count;
    uint32_t max_streams;
    uint32_t pings_count; /* asked by the server */
    uint32_t pongs_count; /* answers to ours */
    bool is_broken;       /* the server broke HTTP/2 */
};

/* `window`: for each stream; 0: the default of 65,535. The connection's is unbounded. */
void grpc_client_init(struct grpc_client *client, uint32_t window);
void grpc_client_deinit(struct grpc_client *client);

/* A unary call, or one of a server stream. `headers`: names and values in turn, NULL at
 * the end; may be NULL. */
struct grpc_reply *grpc_client_call(struct grpc_client *client, const char *path,
                                    struct pawl_bytes message, const char *const *headers);

/* The same with nothing added: all headers are the caller's, and the body as it is.
 * `ends`: the request ends after the body. */
struct grpc_reply *grpc_client_request(struct grpc_client *client, const char *const *headers,
                                       struct pawl_bytes body, bool ends);
/* More of the body of a request that did not end. */
void grpc_client_more(struct grpc_client *client, struct grpc_reply *reply, struct pawl_bytes body,
                      bool ends);
void grpc_client_cancel(struct grpc_client *client, struct grpc_reply *reply);
void grpc_client_ping(struct grpc_client *client);

/* Stop giving windows back; or give everything back that was held, and go on. */
void grpc_client_pause(struct grpc_client *client);
void grpc_client_read_on(struct grpc_client *client);

void grpc_client_receive(struct grpc_client *client, struct pawl_bytes bytes);
/* What should go to the server, appended. */
void grpc_client_take(struct grpc_client *client, struct pawl_buf *out);

/* The message with that number (0…) of a reply; absent when it has not come whole. */
struct pawl_bytes grpc_reply_message(const struct grpc_reply *reply, uint32_t index);
uint32_t grpc_reply_messages_count(const struct grpc_reply *reply);

/* The bytes of a message behind its prefix. Free with pawl_buf_deinit. */
struct pawl_buf grpc_frame_message(struct pawl_bytes message);

#endif /* PAWL_TESTS_GRPC_CLIENT_H */
