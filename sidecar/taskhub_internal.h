/* Taskhub, inside: what its files share.
 *
 *   taskhub.c          a call from its beginning to its end; work; the table of methods
 *   taskhub_manage.c   calls about one instance
 *   taskhub_query.c    calls about many: list, query, purge; histories
 *   taskhub_dapr.c     dapr.proto.runtime.v1.Dapr */
#ifndef PAWL_SIDECAR_TASKHUB_INTERNAL_H
#define PAWL_SIDECAR_TASKHUB_INTERNAL_H

#include "base/assert.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/mem.h"
#include "sidecar/taskhub.h"

struct pawl_taskhub {
    struct pawl_taskhub_config config;
    struct pawl_grpc *grpc;
    struct pawl_map calls; /* by gRPC call: those that wait for an answer */
    uint32_t methods_count;
    struct pawl_grpc_method *methods;
};

struct pawl_taskhub_call;
typedef void pawl_taskhub_next(struct pawl_taskhub_call *call, const struct pawl_answer *answer);

/* One call. It ends with pawl_taskhub_answer, pawl_taskhub_finish or pawl_taskhub_fail, and then is
 * gone. */
struct pawl_taskhub_call {
    uint64_t id; /* of the gRPC call */
    struct pawl_taskhub *hub;
    uint64_t asked;          /* the management call it waits for; 0: none */
    pawl_taskhub_next *next; /* who takes its answer */
    struct pawl_arena arena; /* of the call: its message and all that follows from it */
    struct pawl_durabletask with;
    struct pawl_bytes app;       /* whose instances it is about; absent: this sidecar's */
    struct pawl_request request; /* the one that is asked */
    struct pawl_buf out;         /* of answers that are gathered */
    int64_t remaining_ms;        /* at the beginning, until its deadline */
    void *state;                 /* of who handles it; in the arena */
    void (*resume)(
        struct pawl_taskhub_call *call); /* a stream has room again; NULL: it is not one */
};

/* The call, with its message unpacked; NULL: it is over, because there is something wrong
 * with it. */
struct pawl_taskhub_call *pawl_taskhub_begin(void *hub, const struct pawl_grpc_call *call,
                                             const ProtobufCMessageDescriptor *descriptor,
                                             void *ret_message);

/* Ask call->request; `next` is called with the answer. What the request points to must
 * lie in the call's arena. */
void pawl_taskhub_ask(struct pawl_taskhub_call *call, pawl_taskhub_next *next);

void pawl_taskhub_answer(struct pawl_taskhub_call *call, const ProtobufCMessage *message);
void pawl_taskhub_answer_bytes(struct pawl_taskhub_call *call, struct pawl_bytes message);
void pawl_taskhub_answer_empty(struct pawl_taskhub_call *call);
void pawl_taskhub_finish(struct pawl_taskhub_call *call, enum pawl_grpc_status status,
                         struct pawl_bytes text);
/* With the status and the text that go with the answer's error. */
void pawl_taskhub_fail(struct pawl_taskhub_call *call, const struct pawl_answer *answer);
enum pawl_grpc_status pawl_taskhub_status_of(pawl_err err);

int64_t pawl_taskhub_now_ms(const struct pawl_taskhub *hub);

/* The call is about another app's instances: any but the own one. */
void pawl_taskhub_set_app(struct pawl_taskhub_call *call, struct pawl_bytes app);

/* Dapr's clients name another app so; NULL: they do not. */
void pawl_taskhub_set_target(struct pawl_taskhub_call *call, const Pawl__TaskRouter *router);

static inline bool pawl_taskhub_is_dapr(const struct pawl_taskhub_call *call)
{
    return call->hub->config.dialect == PAWL_DIALECT_DAPR;
}

typedef void pawl_taskhub_method(void *hub, const struct pawl_grpc_call *call);

/* taskhub_manage.c */
pawl_taskhub_method pawl_taskhub_on_hello, pawl_taskhub_on_start, pawl_taskhub_on_get,
    pawl_taskhub_on_wait_start, pawl_taskhub_on_wait_completion;
pawl_taskhub_method pawl_taskhub_on_raise, pawl_taskhub_on_terminate, pawl_taskhub_on_suspend,
    pawl_taskhub_on_resume, pawl_taskhub_on_restart;
pawl_taskhub_method pawl_taskhub_on_rerun, pawl_taskhub_on_rewind, pawl_taskhub_on_create_task_hub;

/* taskhub_query.c */
pawl_taskhub_method pawl_taskhub_on_query, pawl_taskhub_on_list_ids, pawl_taskhub_on_list_ids_dapr,
    pawl_taskhub_on_purge, pawl_taskhub_on_history;
pawl_taskhub_method pawl_taskhub_on_stream_history, pawl_taskhub_on_skip_graceful;

/* taskhub_dapr.c */
extern const struct pawl_grpc_method pawl_taskhub_dapr_methods[];
extern const uint32_t pawl_taskhub_dapr_methods_count;

/* Wait until the instance has started or ended, as long as it takes; `next` is called when
 * that is so, or with an error. call->request.instance and with_payloads are set; with
 * may_be_absent it also waits for one that is not there yet. */
void pawl_taskhub_wait(struct pawl_taskhub_call *call, enum pawl_wait_for wait_for,
                       pawl_taskhub_next *next);

#endif /* PAWL_SIDECAR_TASKHUB_INTERNAL_H */
