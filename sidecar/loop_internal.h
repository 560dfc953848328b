/* Loop, inside: what its files share.
 *
 *   loop.c        one turn, the node, the store, start and stop
 *   loop_clock.c  the one clock
 *   loop_calls.c  management calls, from their asking to their answer
 *   loop_apps.c   the connections of apps
 *   loop_grpc.c   workers that speak gRPC
 *   loop_peers.c  placement, and the links to the other sidecars
 */
#ifndef PAWL_SIDECAR_LOOP_INTERNAL_H
#define PAWL_SIDECAR_LOOP_INTERNAL_H

#include "base/io/stream.h"
#include "base/list.h"
#include "base/map.h"
#include "sidecar/app_stream.h"
#include "sidecar/grpc_worker.h"
#include "sidecar/loop.h"
#include "sidecar/peer_stream.h"

enum loop_state {
    LOOP_RUNNING = 1,
    LOOP_LEAVING,
    LOOP_STOPPING,
    LOOP_ENDING,
    LOOP_STOPPED,
    LOOP_CLOSED
};

/* A management call, from its asking to its answer.
 *
 *   QUEUED -> ASKED -> answered
 *      |        '----> GONE (its asker has left, the node is not told yet) -> told
 *      '-> REFUSED instead of ASKED, when there are too many or we are stopping */
enum call_state { CALL_QUEUED = 1, CALL_REFUSED, CALL_ASKED, CALL_GONE };

struct call {
    struct pawl_list link; /* on loop->queue, but for ASKED */
    enum call_state state;
    uint64_t token;
    pawl_api_on_answer *on_answer;
    void *context;
    struct pawl_request request; /* QUEUED; its texts lie behind this struct */
};

struct pawl_loop {
    struct pawl_api api; /* first: fronts have a pointer to it */
    struct pawl_loop_config config;
    enum loop_state state;

    uv_async_t hub_async;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_timer_t timer;
    uint32_t handles_open;

    struct pawl_node *node;
    struct pawl_effects effects;
    bool stepping;
    bool is_begun; /* the store was ready, so the time is known and the node is told things */
    bool was_ready;
    bool rival_seen; /* the log says that another sidecar owns the same partitions */

    struct pawl_store *store;
    bool store_dirty; /* something was submitted since the last flush */
    bool store_ready;
    bool store_was_ready; /* once */
    bool store_is_back;   /* and the node does not know yet */
    bool store_was_away;  /* it said so */
    char store_why[256];
    int64_t give_up_ms; /* the store is away: answer then whom it leaves waiting; 0: no */

    struct pawl_hub *hub;
    struct pawl_app_stream *app;
    struct pawl_grpc_workers *grpc_workers;
    char app_endpoint[256];

    uv_async_t peer_async;
    struct pawl_hub *peer_hub; /* NULL without placement, as the next two */
    struct pawl_peer_stream *peers;
    struct pawl_follower *follower;
    struct pawl_map placement_links; /* by connection */
    bool runs_activities;            /* as placement was told */
    bool runs_workflows;             /* the same */
    bool leaving;                    /* the same */
    uint64_t version_told;           /* the newest table that the store knows: the same */
    int64_t leave_by_ms;
    uint64_t leave_owned; /* partitions, when it began to leave */
    char peer_endpoint[PAWL_ADDRESS_SIZE_MAX + 1];

    struct pawl_map calls; /* by token */
    struct pawl_list queue;
    uint64_t next_token;
    struct pawl_arena info_arena; /* of one loop turn */

    struct pawl_slew clock;
    bool clock_was_read; /* the store's */
    int64_t started_ms;
    int64_t node_wake_ms;
    int64_t stop_by_ms;
    int64_t armed_ms; /* what the timer is set to; 0: it is not */
};

/* loop_clock.c */

/* The one clock: Unix ms. */
int64_t pawl_loop_now_ms(const struct pawl_loop *loop);

/* As the machine's says, until the store tells what its own does. */
void pawl_loop_clock_init(struct pawl_loop *loop);
void pawl_loop_clock_on_reading(void *context, const struct pawl_clock_reading *reading);

/* From now on until the clock shows `wake_ms`, for a timer. */
uint64_t pawl_loop_clock_wait_ms(const struct pawl_loop *loop, int64_t wake_ms);
void pawl_loop_clock_info(const struct pawl_loop *loop, struct pawl_api_info *info);

/* loop.c */

/* The only place that steps the node. Carrying out its effects calls nothing that could
 * come back here: stores reply later, fronts only queue. */
void pawl_loop_step(struct pawl_loop *loop, const struct pawl_node_event *event);

/* Why the sidecar is not ready, for a person; NULL: it is. */
const char *pawl_loop_not_ready(struct pawl_loop *loop);

/* loop_calls.c */
extern const struct pawl_api_ops pawl_loop_api_ops;
void pawl_loop_calls_init(struct pawl_loop *loop);
void pawl_loop_calls_deinit(struct pawl_loop *loop);

/* Carry out an ANSWER effect. */
void pawl_loop_calls_answer(struct pawl_loop *loop, uint64_t token,
                            const struct pawl_answer *answer);

/* Nothing is left to answer, but for waits and watches, which go on elsewhere. */
bool pawl_loop_calls_are_over(const struct pawl_loop *loop);

/* Give the node what was asked since the last time. */
void pawl_loop_calls_run(struct pawl_loop *loop);

/* The store has been away for so long that clients had better hear of it. The engine
 * goes on with what they asked for, once the store is back. */
void pawl_loop_calls_give_up(struct pawl_loop *loop);

/* loop_peers.c: all do nothing without placement. */
PAWL_MUST_USE pawl_err pawl_loop_peers_open(struct pawl_loop *loop, struct pawl_arena *arena,
                                            const char **ret_message);
void pawl_loop_peers_on_async(uv_async_t *async);
void pawl_loop_peers_on_tick(struct pawl_loop *loop, int64_t now_ms);
int64_t pawl_loop_peers_wake_at_ms(const struct pawl_loop *loop);

/* The end of a loop turn: tell placement what has changed here, and send. */
void pawl_loop_peers_settle(struct pawl_loop *loop);

/* The others know that this sidecar leaves, or there are none. */
bool pawl_loop_peers_have_heard(const struct pawl_loop *loop);
void pawl_loop_peers_close(struct pawl_loop *loop);

/* Why there is no member list yet; NULL: there is one, or none is needed. */
const char *pawl_loop_peers_missing(struct pawl_loop *loop);
void pawl_loop_peers_info(struct pawl_loop *loop, struct pawl_api_info *info);

/* loop_grpc.c */
void pawl_loop_grpc_init(struct pawl_loop *loop);

/* All workers, however they are connected. */
void pawl_loop_workers(struct pawl_loop *loop, struct pawl_api_info *info);

/* loop_apps.c */
void pawl_loop_apps_init(struct pawl_loop *loop);
PAWL_MUST_USE pawl_err pawl_loop_apps_open(struct pawl_loop *loop);
PAWL_MUST_USE pawl_err pawl_loop_apps_listen(struct pawl_loop *loop, struct pawl_arena *arena,
                                             const char **ret_message);
void pawl_loop_apps_on_async(uv_async_t *async);

#endif /* PAWL_SIDECAR_LOOP_INTERNAL_H */
