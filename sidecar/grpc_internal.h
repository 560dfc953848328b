/* Inside the gRPC server: the server and its connections (grpc.c), calls (grpc_call.c),
 * and HTTP/2 (grpc_session.c, the only file that knows nghttp2).
 *
 * nghttp2 must not be re-entered, and neither must the methods. So what happens inside of
 * nghttp2 only marks calls, and puts them on a list of the server; pawl_grpc_deliver
 * walks that list from the outermost function and talks to the methods.
 */
#ifndef PAWL_SIDECAR_GRPC_INTERNAL_H
#define PAWL_SIDECAR_GRPC_INTERNAL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/heap.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/map.h"
#include "sidecar/grpc.h"
#include "sidecar/grpc_wire.h"

struct nghttp2_session;

/* Error codes of HTTP/2. */
enum pawl_h2_code {
    PAWL_H2_NO_ERROR = 0,
    PAWL_H2_PROTOCOL_ERROR = 1,
    PAWL_H2_REFUSED_STREAM = 7,
    PAWL_H2_CANCEL = 8,
    PAWL_H2_ENHANCE_YOUR_CALM = 11,
};

/* A token bucket. */
struct pawl_grpc_budget {
    int64_t thousandths; /* of a token */
    int64_t at_ms;       /* when it was that full */
};

/*   SNIFFING --preface--> GREETING --SETTINGS--> OPEN --GOAWAY--> DRAINING -> ENDED
 *
 * Each may end at once. In ENDED the transport was told to close; there is no session and
 * there are no calls, and bytes are ignored. */
enum pawl_grpc_conn_state {
    PAWL_GRPC_CONN_SNIFFING = 1,
    PAWL_GRPC_CONN_GREETING,
    PAWL_GRPC_CONN_OPEN,
    PAWL_GRPC_CONN_DRAINING,
    PAWL_GRPC_CONN_ENDED,
};

struct pawl_grpc_conn {
    struct pawl_list link;       /* on grpc->conns */
    struct pawl_list dirty_link; /* on grpc->dirty: look at it in the next flush */
    struct pawl_heap_node timer;
    struct pawl_grpc *grpc;
    void *peer;
    uint64_t id;
    char name[64];
    uint8_t state;
    bool is_blocked; /* the transport holds enough */
    bool is_pinged;  /* our PING is not answered */
    bool is_broken;  /* nghttp2 ends it for an error of the client */
    bool is_http1;   /* … speaks the client: it gets a word of it */
    uint8_t doom_code;
    const char *doom; /* why the next flush ends it; NULL: it does not */
    uint8_t first[PAWL_GRPC_PREFACE_SIZE];
    uint8_t first_size;
    struct nghttp2_session *session;
    struct pawl_list calls;
    uint32_t calls_count;
    size_t out_size; /* queued by all its calls */
    int64_t opened_ms;
    int64_t heard_ms;
    int64_t idle_ms; /* since when it has no call */
    struct pawl_grpc_budget resets;
    struct pawl_grpc_budget controls;
};

/*   REQUEST --whole, or refused--> READY --on_call--> OPEN --finish, cancel--> CLOSING
 *                                    '------ refused ----------------------------^
 *
 * A call is freed when its stream closes; one that was OPEN rests in GONE until its method
 * was told. */
enum pawl_grpc_call_state {
    PAWL_GRPC_CALL_REQUEST = 1,
    PAWL_GRPC_CALL_READY,
    PAWL_GRPC_CALL_OPEN,
    PAWL_GRPC_CALL_CLOSING,
    PAWL_GRPC_CALL_GONE,
};

/* Headers in a row: two sizes of 16 bits, then name and value. */
struct pawl_grpc_metadata {
    struct pawl_bytes bytes;
};

/* One stream of HTTP/2. */
struct pawl_grpc_active {
    struct pawl_list conn_link;  /* on conn->calls */
    struct pawl_list queue_link; /* on one of the server's lists */
    struct pawl_heap_node timer; /* what it is for depends on the state */
    struct pawl_grpc_conn *conn; /* NULL: GONE */
    const struct pawl_grpc_method *method;
    uint64_t id; /* 0: not yet OPEN */
    int32_t stream;
    uint8_t state;
    bool is_post;
    bool is_grpc;    /* its content-type */
    bool is_encoded; /* grpc-encoding is not identity */
    bool timeout_is_bad;
    size_t headers_size;  /* as HTTP/2 counts them */
    bool answer_begun;    /* response headers were handed to nghttp2 */
    bool is_deferred;     /* nghttp2 waits for pawl_grpc_session_resume */
    bool wants_writable;  /* BUSY was said */
    bool was_sent;        /* a message was */
    uint16_t http_status; /* of a refusal that is not gRPC; 0: it is */
    uint8_t status;       /* CLOSING, or READY and refused */
    bool is_refused;
    int64_t deadline_ms;     /* 0: none */
    int64_t progress_ms;     /* when the client last took a piece */
    struct pawl_buf headers; /* what pawl_grpc_metadata shows */
    struct pawl_buf in;
    struct pawl_buf out;
    size_t out_at;        /* what of `out` has left */
    struct pawl_buf text; /* of the status */
    const char *why;      /* GONE */
};

struct pawl_grpc {
    struct pawl_grpc_config config;
    struct pawl_map methods; /* by path */
    struct pawl_map calls;   /* OPEN and GONE, by id */
    struct pawl_heap call_timers;
    struct pawl_heap conn_timers;
    struct pawl_list conns;
    struct pawl_list dirty;
    struct pawl_list ready;    /* calls to be begun or refused */
    struct pawl_list gone;     /* calls to be cancelled */
    struct pawl_list writable; /* calls that may send again */
    struct pawl_buf scratch;   /* what leaves in one write */
    struct pawl_grpc_counters counters;
    size_t in_size;  /* held by requests */
    size_t out_size; /* held by answers */
    uint64_t next_call;
    uint64_t next_conn;
    int64_t now_ms;
    bool is_awake; /* wake was asked, flush has not come */
    bool is_stopping;
};

/* grpc.c ------------------------------------------------------------------------------ */

/* Look at the connection in the next flush. */
void pawl_grpc_conn_touch(struct pawl_grpc_conn *conn);

/* End it in the next flush. `why` is static text; the first reason stands. */
void pawl_grpc_conn_doom(struct pawl_grpc_conn *conn, enum pawl_h2_code code, const char *why);

/* From the session: the client's first SETTINGS came. */
void pawl_grpc_conn_greeted(struct pawl_grpc_conn *conn);

/* From the session: frames that are cheap to send and not to receive. */
void pawl_grpc_conn_charge_reset(struct pawl_grpc_conn *conn);
void pawl_grpc_conn_charge_control(struct pawl_grpc_conn *conn);
/* We have sent something of use: clients measure their links with PINGs then. */
void pawl_grpc_conn_credit_control(struct pawl_grpc_conn *conn);

/* Tell the methods what has happened. */
void pawl_grpc_deliver(struct pawl_grpc *grpc);

/* grpc_call.c ------------------------------------------------------------------------- */

/* From the session, inside of nghttp2. NULL: refuse the stream. */
struct pawl_grpc_active *pawl_grpc_call_new(struct pawl_grpc_conn *conn, int32_t stream);
void pawl_grpc_call_on_header(struct pawl_grpc_active *call, struct pawl_bytes name,
                              struct pawl_bytes value);
void pawl_grpc_call_on_headers_end(struct pawl_grpc_active *call);
void pawl_grpc_call_on_data(struct pawl_grpc_active *call, struct pawl_bytes data);
void pawl_grpc_call_on_request_end(struct pawl_grpc_active *call);
void pawl_grpc_call_on_stream_closed(struct pawl_grpc_active *call, const char *why);
/* The next bytes of the answer, at most `size`. 0: none now. */
size_t pawl_grpc_call_read(struct pawl_grpc_active *call, uint8_t *data, size_t size);
bool pawl_grpc_call_is_drained(const struct pawl_grpc_active *call);

/* From the server. */
void pawl_grpc_call_begin(struct pawl_grpc_active *call);
void pawl_grpc_call_tell_gone(struct pawl_grpc *grpc, struct pawl_grpc_active *call);
void pawl_grpc_call_tell_writable(struct pawl_grpc_active *call);
void pawl_grpc_call_on_timer(struct pawl_grpc_active *call);

/* End a call that is not CLOSING, on our side; an OPEN one is told. */
void pawl_grpc_call_cancel(struct pawl_grpc_active *call, enum pawl_grpc_status status,
                           const char *why);
/* Its connection is gone. */
void pawl_grpc_call_drop(struct pawl_grpc_active *call, const char *why);

/* grpc_session.c ---------------------------------------------------------------------- */

void pawl_grpc_session_open(struct pawl_grpc_conn *conn);
void pawl_grpc_session_close(struct pawl_grpc_conn *conn);

/* False: the session is of no use any more. */
bool pawl_grpc_session_receive(struct pawl_grpc_conn *conn, struct pawl_bytes bytes);

/* Append what should be sent to `out`, about size_max bytes. False: as above. */
bool pawl_grpc_session_send(struct pawl_grpc_conn *conn, struct pawl_buf *out, size_t size_max);
bool pawl_grpc_session_wants_to_send(const struct pawl_grpc_conn *conn);
bool pawl_grpc_session_is_over(const struct pawl_grpc_conn *conn);

void pawl_grpc_session_ping(struct pawl_grpc_conn *conn);
void pawl_grpc_session_goaway(struct pawl_grpc_conn *conn, enum pawl_h2_code code,
                              const char *text);

/* Response headers; the status follows what is queued. */
void pawl_grpc_session_respond(struct pawl_grpc_active *call);
/* The whole answer in one HEADERS frame: a status and nothing else. */
void pawl_grpc_session_respond_status(struct pawl_grpc_active *call);
/* A refusal of HTTP: call->http_status, call->text. */
void pawl_grpc_session_respond_http(struct pawl_grpc_active *call);
void pawl_grpc_session_resume(struct pawl_grpc_active *call);
void pawl_grpc_session_reset(struct pawl_grpc_active *call, enum pawl_h2_code code);

#endif /* PAWL_SIDECAR_GRPC_INTERNAL_H */
