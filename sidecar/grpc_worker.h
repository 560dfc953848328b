/* Grpc worker: durabletask's GetWorkItems streams as workers of the node.
 *
 * The node's frames become work items; what the worker answers in other calls
 * (CompleteWorkflowTask, CompleteActivityTask, …) becomes node events. Such a worker
 * does not say which names it has, and keeps no instance: each turn brings the whole
 * history, or the part of it that the worker says it does not hold (sidecar/grpc_held.h).
 * A worker that says it can fetches a long past itself (StreamInstanceHistory).
 *
 *   GetWorkItems --open--> WORKER_OPENED, CREDIT …  --cancelled, ended--> WORKER_CLOSED
 *
 * Every item that is sent has a completion token, the id of that dispatch: a random
 * number, so only who was given it can answer. An answer with a token that is not
 * current is stale. Two SDKs (Microsoft's Go, Dapr's JavaScript) do not echo tokens; for
 * them items are found by instance and task, oldest first.
 *
 * Nothing here may be called while the node is stepped, but for pawl_grpc_workers_send.
 */
#ifndef PAWL_SIDECAR_GRPC_WORKER_H
#define PAWL_SIDECAR_GRPC_WORKER_H

#include "sidecar/api.h"
#include "sidecar/durabletask.h"
#include "sidecar/grpc.h"

/* Ids of these workers have this bit; no connection of the app stream does. */
#define PAWL_GRPC_WORKER_BIT (UINT64_C(1) << 63)

struct pawl_grpc_workers;

struct pawl_grpc_workers_config {
    const char *app; /* must outlive it */
    uint64_t seed;   /* any random number */
    /* What is larger is not sent: its instance stalls. 0: PAWL_GRPC_WORK_ITEM_MIB. */
    uint32_t work_item_mib;
    void *context;
    /* Step the node with the event, at the present time. */
    void (*step)(void *context, struct pawl_node_event event);
    int64_t (*now_ms)(void *context); /* the node's clock: a gRPC server has one of its own */
};

struct pawl_grpc_workers *pawl_grpc_workers_new(const struct pawl_grpc_workers_config *config);

/* The node is not told any more. NULL is fine. */
void pawl_grpc_workers_free(struct pawl_grpc_workers *workers);

/* A stream begins: the call is answered from now on. `grpc` must outlive the stream. */
void pawl_grpc_workers_open(struct pawl_grpc_workers *workers, struct pawl_grpc *grpc,
                            const struct pawl_grpc_call *call, enum pawl_dialect dialect,
                            const Pawl__GetWorkItemsRequest *request);

/* As the gRPC server says it. False: the call is no stream of a worker. */
bool pawl_grpc_workers_on_cancel(struct pawl_grpc_workers *workers, const struct pawl_grpc *grpc,
                                 uint64_t call, const char *why);
bool pawl_grpc_workers_on_writable(struct pawl_grpc_workers *workers, const struct pawl_grpc *grpc,
                                   uint64_t call);

/* An answer, encoded. PAWL_E_NOT_FOUND: of an item that is not in this worker's hands any
 * more, nothing happened; PAWL_E_CORRUPT, PAWL_E_TOO_LARGE: no such message. */
PAWL_MUST_USE pawl_err pawl_grpc_workers_turn_done(struct pawl_grpc_workers *workers,
                                                   enum pawl_dialect dialect,
                                                   struct pawl_bytes response);
PAWL_MUST_USE pawl_err pawl_grpc_workers_activity_done(struct pawl_grpc_workers *workers,
                                                       enum pawl_dialect dialect,
                                                       struct pawl_bytes response);
/* The worker gives an item back. It waits PAWL_GRPC_ABANDON_MS before anybody has it. */
PAWL_MUST_USE pawl_err pawl_grpc_workers_abandon(struct pawl_grpc_workers *workers,
                                                 struct pawl_bytes token);

/* Carry out a SEND effect of one of these workers. One that is gone is ignored. */
void pawl_grpc_workers_send(struct pawl_grpc_workers *workers, uint64_t worker,
                            const struct pawl_frame *frame, int64_t now_ms);

/* Grant what there is room for, and tell the node what could not be sent. Once per turn of
 * the loop, before the store is flushed. */
void pawl_grpc_workers_settle(struct pawl_grpc_workers *workers);

/* Health pings, and what was given back. */
void pawl_grpc_workers_on_tick(struct pawl_grpc_workers *workers, int64_t now_ms);
int64_t pawl_grpc_workers_now_ms(const struct pawl_grpc_workers *workers);
int64_t pawl_grpc_workers_wake_at_ms(const struct pawl_grpc_workers *workers);

/* While it is held, streams are refused in the way that makes their workers dial again: the
 * sidecar does not serve anybody yet. It is not held at first. */
void pawl_grpc_workers_hold(struct pawl_grpc_workers *workers, bool is_held);

/* The sidecar is stopping: workers get nothing new. */
void pawl_grpc_workers_stop(struct pawl_grpc_workers *workers);

/* End every stream, in the way that makes its worker dial again. */
void pawl_grpc_workers_end_all(struct pawl_grpc_workers *workers);

uint32_t pawl_grpc_workers_count(const struct pawl_grpc_workers *workers);

/* Write the workers to `out`, which has room for pawl_grpc_workers_count. Views live until
 * the workers change. */
void pawl_grpc_workers_list(const struct pawl_grpc_workers *workers, struct pawl_api_worker *out);

#endif /* PAWL_SIDECAR_GRPC_WORKER_H */
