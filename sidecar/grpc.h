/* Grpc: a gRPC server for one port, without the sockets. Bytes of HTTP/2 connections
 * come in and become calls of methods; what the methods answer becomes bytes.
 *
 * The upper half of this file is for whoever implements methods (a dialect). The lower
 * half is for whoever owns the connections: sidecar/io/grpc.c, or a test.
 *
 * A call as its methods see it:
 *
 *   on_call -> OPEN --finish----------------------------------------> over
 *                '---on_cancel: peer gone, cancelled, deadline, stop-> over
 *
 * Exactly one of the two ends each call, and after it the call's id names nothing: every
 * function given an id that is over does nothing and says PAWL_E_CANCELLED. Ids are never
 * used twice. What was sent before finish is delivered before the status.
 *
 * The callbacks of a service run on the loop's thread, one at a time and never from inside
 * a function that methods call. Within them everything of the upper half may be called,
 * for any call; nothing of the lower half.
 */
#ifndef PAWL_SIDECAR_GRPC_H
#define PAWL_SIDECAR_GRPC_H

#include "pawl/err.h"
#include "pawl/types.h"

struct pawl_grpc;

/* For methods ------------------------------------------------------------------------- */

/* The codes of the gRPC specification. */
enum pawl_grpc_status {
    PAWL_GRPC_OK = 0,
    PAWL_GRPC_CANCELLED = 1,
    PAWL_GRPC_UNKNOWN = 2,
    PAWL_GRPC_INVALID_ARGUMENT = 3,
    PAWL_GRPC_DEADLINE_EXCEEDED = 4,
    PAWL_GRPC_NOT_FOUND = 5,
    PAWL_GRPC_ALREADY_EXISTS = 6,
    PAWL_GRPC_PERMISSION_DENIED = 7,
    PAWL_GRPC_RESOURCE_EXHAUSTED = 8,
    PAWL_GRPC_FAILED_PRECONDITION = 9,
    PAWL_GRPC_ABORTED = 10,
    PAWL_GRPC_OUT_OF_RANGE = 11,
    PAWL_GRPC_UNIMPLEMENTED = 12,
    PAWL_GRPC_INTERNAL = 13,
    PAWL_GRPC_UNAVAILABLE = 14,
    PAWL_GRPC_DATA_LOSS = 15,
    PAWL_GRPC_UNAUTHENTICATED = 16,
};

enum pawl_grpc_kind {
    PAWL_GRPC_UNARY = 1,     /* one message, then finish; or finish alone with an error */
    PAWL_GRPC_SERVER_STREAM, /* any number of messages, then finish */
};

/* A call that begins. All it points to lives until on_call returns. */
struct pawl_grpc_call {
    uint64_t id; /* never 0 */
    const struct pawl_grpc_method *method;
    struct pawl_bytes message; /* the request, whole; never absent */
    int64_t deadline_ms;       /* kept by the server: on_cancel; 0: none */
    int64_t now_ms;
    uint64_t conn;    /* calls with the same number share a connection */
    const char *peer; /* address and port of the client, for logs */
    const struct pawl_grpc_metadata *metadata;
};

/* The first value of a header, by its lower-case name ("taskhub"); absent when the client
 * did not send it. Values of names that end in -bin come as on the wire (base64). */
struct pawl_bytes pawl_grpc_metadata_find(const struct pawl_grpc_metadata *metadata,
                                          const char *name);

struct pawl_grpc_method {
    const char *path; /* "/TaskHubSidecarService/StartInstance" */
    enum pawl_grpc_kind kind;
    void (*on_call)(void *context, const struct pawl_grpc_call *call);
};

/* What this port serves. The table and the strings must outlive the server. */
struct pawl_grpc_service {
    /* For the answer to an unknown path: "the Dapr workflow protocol (Dapr SDKs)". */
    const char *what;
    const struct pawl_grpc_method *methods;
    uint32_t methods_count;
    void *context;
    /* Once for a call that ends without its finish; the id is already over. `why` is a
     * short text for logs. */
    void (*on_cancel)(void *context, uint64_t call, const char *why, int64_t now_ms);
    /* Once after each PAWL_E_BUSY of pawl_grpc_send, unless the call ends first: there is
     * room again. */
    void (*on_writable)(void *context, uint64_t call, int64_t now_ms);
};

/* Queue one message; the bytes are copied. It leaves in this turn of the loop, as far as
 * the client's flow control allows.
 *   PAWL_E_BUSY       the queue of this stream is full (PAWL_GRPC_STREAM_OUT_SIZE_MAX, or
 *                     the client does not read): nothing was queued, on_writable follows.
 *                     Never for the first message, so a unary method need not look.
 *   PAWL_E_TOO_LARGE  more than PAWL_GRPC_MESSAGE_OUT_SIZE_MAX: nothing was queued, and
 *                     nothing follows by itself
 *   PAWL_E_CANCELLED  the call is over */
pawl_err pawl_grpc_send(struct pawl_grpc *grpc, uint64_t call, struct pawl_bytes message);

/* End a call. `text` (UTF-8, may be absent) is for a person; cut at
 * PAWL_MESSAGE_SIZE_MAX. A unary call that ends with PAWL_GRPC_OK must have sent its
 * message. No-op when the call is over. */
void pawl_grpc_finish(struct pawl_grpc *grpc, uint64_t call, enum pawl_grpc_status status,
                      struct pawl_bytes text);

/* Both of them, for unary calls. A message that is too large becomes RESOURCE_EXHAUSTED. */
void pawl_grpc_answer(struct pawl_grpc *grpc, uint64_t call, struct pawl_bytes message);

/* The name of a status code, e.g. "NOT_FOUND"; "UNKNOWN" for a number that is none. */
const char *pawl_grpc_status_name(enum pawl_grpc_status status);

/* For the owner of the connections ------------------------------------------------------ */

struct pawl_grpc_conn;

/* What the server needs done. `peer` is what pawl_grpc_open was given. */
struct pawl_grpc_outside {
    void *context;
    /* There may be something to send or to close: call pawl_grpc_flush in this turn of the
     * loop. Asked once until then. */
    void (*wake)(void *context);
    /* Send; the bytes live for the call. False: the transport holds enough, send no more
     * before pawl_grpc_on_writable. (These bytes were taken all the same.) */
    bool (*send)(void *context, void *peer, struct pawl_bytes bytes);
    /* Close after what was sent. pawl_grpc_on_close must follow, but not from inside. */
    void (*end)(void *context, void *peer);
};

struct pawl_grpc_config {
    struct pawl_grpc_service service;
    const char *token; /* asked from callers; NULL: none. Must outlive the server. */
    uint64_t seed;     /* any random number */
    struct pawl_grpc_outside outside;
};

struct pawl_grpc *pawl_grpc_new(const struct pawl_grpc_config *config);

/* Every connection must have been closed. NULL is fine. */
void pawl_grpc_free(struct pawl_grpc *grpc);

/* A connection begins; NULL when there are PAWL_GRPC_CONNECTIONS_MAX. `name` (address and
 * port) is copied. */
struct pawl_grpc_conn *pawl_grpc_open(struct pawl_grpc *grpc, void *peer, const char *name,
                                      int64_t now_ms);
void pawl_grpc_on_bytes(struct pawl_grpc_conn *conn, struct pawl_bytes bytes, int64_t now_ms);
void pawl_grpc_on_writable(struct pawl_grpc_conn *conn);

/* The connection is gone, and its calls with it: on_cancel for each. */
void pawl_grpc_on_close(struct pawl_grpc_conn *conn, const char *why, int64_t now_ms);

/* Send what there is, end what has ended, and tell methods that may send again. */
void pawl_grpc_flush(struct pawl_grpc *grpc, int64_t now_ms);

/* Deadlines, keepalive, connections that are idle or do not get on. */
void pawl_grpc_on_tick(struct pawl_grpc *grpc, int64_t now_ms);

/* When on_tick should be called next; 0: not needed now. */
int64_t pawl_grpc_wake_at_ms(const struct pawl_grpc *grpc);

/* The sidecar is stopping: clients are told to go elsewhere (GOAWAY), new calls are
 * refused, running ones may end. A connection closes after its last call. */
void pawl_grpc_stop(struct pawl_grpc *grpc, int64_t now_ms);

/* End what still runs: on_cancel, and UNAVAILABLE for the client. Close everything. */
void pawl_grpc_end_all(struct pawl_grpc *grpc, int64_t now_ms);

/* Connections that on_close has not ended yet. */
uint32_t pawl_grpc_count(const struct pawl_grpc *grpc);

#define PAWL_GRPC_STATUS_COUNT 17

struct pawl_grpc_counters {
    uint64_t ended_total[PAWL_GRPC_STATUS_COUNT]; /* calls by the status they ended with;
                                                     CANCELLED: also by the client */
    uint64_t refused_http_total;                  /* … without one: 405, 415 */
    uint64_t messages_received_total;
    uint64_t bytes_received_total; /* of messages */
    uint64_t messages_sent_total;
    uint64_t bytes_sent_total;
    uint64_t connections_total;
    uint64_t connections_refused_total; /* more than PAWL_GRPC_CONNECTIONS_MAX */
    uint64_t connections_cut_total;     /* by the server, for what the client did or did not */
    uint32_t connections;
    uint32_t calls; /* in any state */
};

/* Kept up to date as long as the server lives. */
const struct pawl_grpc_counters *pawl_grpc_counters(const struct pawl_grpc *grpc);

#endif /* PAWL_SIDECAR_GRPC_H */
