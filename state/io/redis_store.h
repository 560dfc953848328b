/* What the parts of the Redis backend share. Only they include this.
 *
 *   store   redis.c        the port, answers, readiness; which server holds what
 *   route   redis_route.c  one per partition: its server, and what waits because the
 *                          partition is moving
 *   node    redis_node.c   one per server: a connection, its queues, its timers
 *
 * A request is on one list at a time: of its node (waiting, in_flight, unconfirmed) or of
 * its route (held). One server alone has one node, and its routes are open all the time
 * but for a moment after it lost its scripts.
 */
#ifndef PAWL_STATE_IO_REDIS_STORE_H
#define PAWL_STATE_IO_REDIS_STORE_H

#include <uv.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/rng.h"
#include "state/io/backends.h"
#include "state/io/redis_conn.h"
#include "state/io/redis_find.h"
#include "state/io/redis_hello.h"

/* Two names of 64 bytes, their separators, four digits, and room. */
#define PAWL_REDIS_KEY_SIZE_MAX 160u

/* What we say for ourselves among the requests. */
enum pawl_redis_own {
    PAWL_REDIS_OWN_NOTHING, /* it is a request */
    PAWL_REDIS_OWN_WAIT,    /* confirms those before it */
    PAWL_REDIS_OWN_TIME,
};

struct pawl_redis_request {
    struct pawl_list link;
    uint64_t seq; /* in the order of submit */
    uint64_t token;
    struct pawl_redis_route *route;
    uint32_t partition;
    enum pawl_store_op op;
    uint32_t history_from; /* LOAD: the reply repeats it */
    pawl_err local_err;    /* not PAWL_OK: never sent, answered with this */
    enum pawl_redis_own own;
    int64_t asked_ms; /* TIME: CLOCK_BOOTTIME */
    bool is_sent;     /* counted by its route */
    bool is_probe;
    bool send_source; /* EVAL instead of EVALSHA */
    uint64_t submitted_ms;
    uint64_t written_ms;
    const struct pawl_redis_value *value; /* on `unconfirmed`; NULL: local_err */
    size_t body_size;
    uint8_t body[];
};

/* Routes ----------------------------------------------------------------------- */

enum pawl_redis_route_state {
    PAWL_REDIS_ROUTE_OPEN = 1, /* requests go straight to the node */
    PAWL_REDIS_ROUTE_DRAINING, /* held until what was sent is answered */
    PAWL_REDIS_ROUTE_PAUSED,   /* held until probe_at_ms, or until there is a node */
    PAWL_REDIS_ROUTE_PROBING,  /* the first one was sent alone; the others follow it */
};

struct pawl_redis_route {
    struct pawl_list link;        /* of store->routes_held, unless OPEN */
    struct pawl_redis_node *node; /* NULL: not known yet */
    struct pawl_list held;        /* by seq; empty when OPEN */
    uint64_t answered_seq;        /* the last answer: replies keep the order of requests */
    uint32_t in_flight;
    uint16_t slot;
    uint8_t state;
    uint32_t tries; /* probes that were sent back */
    uint64_t held_since_ms;
    uint64_t probe_at_ms;
};

/* Nodes ------------------------------------------------------------------------ */

enum pawl_redis_node_state {
    PAWL_REDIS_NODE_AWAY = 1,   /* no connection; `retry` is running or somebody is asked */
    PAWL_REDIS_NODE_CONNECTING, /* until the hello is through */
    PAWL_REDIS_NODE_READY,
};

struct pawl_redis_node {
    struct pawl_list link; /* of store->nodes */
    struct pawl_redis_store *store;
    struct pawl_redis_address address; /* SENTINEL: empty until it is found */
    enum pawl_redis_node_state state;
    struct pawl_redis_conn *conn; /* NULL when AWAY */
    struct pawl_redis_hello hello;
    uint64_t connect_started_ms;
    uint32_t failures;     /* attempts since the last success */
    bool was_lost;         /* and that was told: so its return is news */
    uint32_t routes_count; /* that lead here */

    struct pawl_list waiting;   /* not sent yet */
    struct pawl_list in_flight; /* in the order of sending */
    uint32_t in_flight_count;
    struct pawl_list unconfirmed; /* D2: answered, but the WAIT behind them is not */
    uint32_t waits_count;         /* of in_flight */
    bool is_leaving; /* nothing is sent; when all is answered, the connection is given up */

    uv_timer_t retry;
    uv_timer_t tick; /* while connected or connecting */
    uint64_t ticked_ms;
    uint64_t progress_ms; /* bytes went either way */
    size_t unsent_size;   /* at the last tick */
    uint32_t timers_open;
};

struct pawl_redis_store {
    struct pawl_store store;
    uv_loop_t *loop;
    pawl_store_on_reply *on_reply;
    void (*on_state)(void *context, bool ready, const char *why);
    void (*on_clock)(void *context, const struct pawl_clock_reading *reading);
    void *context;
    uint32_t partitions; /* 0: as many as there are, known when ready */
    bool read_only;
    uint32_t timeout_ms;
    uint32_t waiting_max;
    uint32_t clock_ms; /* between two looks at the server's clock */
    uint32_t held_ms;  /* so long a request waits for a slot or a shard, then it is refused */
    struct pawl_redis_url url;
    char namespace_[65];
    char app[65];
    char key_head[PAWL_REDIS_KEY_SIZE_MAX]; /* {namespace||app|| */
    size_t key_head_size;

    struct pawl_list nodes;
    struct pawl_redis_route *routes; /* one per partition, and at last one for the schema */
    uint32_t routes_count;
    struct pawl_list routes_held; /* those that are not OPEN */
    struct pawl_redis_find *find; /* NULL: one server at a known place */

    uint64_t submitted_seq;
    uint64_t flushed_seq;
    uint32_t queued_count; /* on waiting and held, everywhere */
    size_t queued_size;

    uint64_t clock_asked_ms; /* the last look; uv_now */

    bool is_schema_ok;
    bool is_version_wrong;
    bool is_ready_reported;
    bool is_closing;
    bool is_calling;       /* inside on_reply */
    char why[1024];        /* the last reported reason */
    char version_why[512]; /* when is_version_wrong */

    uv_timer_t soon; /* to answer and send without being inside a callback */
    uv_timer_t tend; /* while routes are held, and always in a cluster */
    uint64_t tended_ms;
    uint32_t timers_open;
    struct pawl_rng rng;
    struct pawl_buf scratch;
    struct pawl_arena arena;
};

static inline bool pawl_redis_is_cluster(const struct pawl_redis_store *store)
{
    return store->url.topology == PAWL_REDIS_CLUSTER;
}

/* redis.c ---------------------------------------------------------------------- */

/* The request is on no list any more; it is answered and ends here. What its route still
 * holds from before it is refused first. */
void pawl_redis_finish(struct pawl_redis_store *store, struct pawl_redis_request *request,
                       struct pawl_store_reply *reply);

/* As above, with an error; a local error of the request wins. */
void pawl_redis_fail(struct pawl_redis_store *store, struct pawl_redis_request *request,
                     pawl_err err, const char *why);

/* The request as a command. */
void pawl_redis_write(const struct pawl_redis_node *node, const struct pawl_redis_request *request,
                      struct pawl_buf *out);

/* A server came or went; tells the owner of the store when that is news. */
void pawl_redis_report(struct pawl_redis_store *store, bool is_up, const char *why);

/* Whatever can be answered or sent is, soon, but not now. */
void pawl_redis_soon(struct pawl_redis_store *store);

/* The node at this address, made when there is none. */
struct pawl_redis_node *pawl_redis_node_at(struct pawl_redis_store *store,
                                           const struct pawl_redis_address *address);

/* Somebody must be asked where things are: `node` (may be NULL) may know best. */
void pawl_redis_lost(struct pawl_redis_store *store, const struct pawl_redis_node *node);

/* Redis' clock for all sidecars of the app: that of the server which has the schema, so in a
 * cluster they take the same one. */
static inline bool pawl_redis_has_clock(const struct pawl_redis_node *node)
{
    return node->store->routes[node->store->routes_count - 1].node == node;
}

/* redis_route.c ---------------------------------------------------------------- */

void pawl_redis_route_init(struct pawl_redis_route *route, uint16_t slot);

/* Queue a new request. */
void pawl_redis_route_submit(struct pawl_redis_store *store, struct pawl_redis_request *request);

/* The request came back unapplied, or must not overtake those that did: keep it. It is on
 * no list. `delay_ms` until it is tried again, longer each time; 0: at once, the first
 * time. */
void pawl_redis_route_hold(struct pawl_redis_store *store, struct pawl_redis_request *request,
                           uint64_t delay_ms);

/* A sent request of this route was answered or held: go on with the others. */
void pawl_redis_route_advance(struct pawl_redis_store *store, struct pawl_redis_route *route,
                              bool was_probe);

/* Refuse what is held from before `seq`. */
void pawl_redis_route_overtake(struct pawl_redis_store *store, struct pawl_redis_route *route,
                               uint64_t seq);

/* The partition is at this node from now on. */
void pawl_redis_route_set(struct pawl_redis_store *store, struct pawl_redis_route *route,
                          struct pawl_redis_node *node);

/* Send probes that are due; refuse what was held for too long. */
void pawl_redis_routes_tend(struct pawl_redis_store *store, uint64_t now_ms);

/* Refuse everything that is held. */
void pawl_redis_routes_fail(struct pawl_redis_store *store, pawl_err err, const char *why);

/* redis_node.c ----------------------------------------------------------------- */

struct pawl_redis_node *pawl_redis_node_new(struct pawl_redis_store *store,
                                            const struct pawl_redis_address *address);

/* Nothing may be queued. The memory goes when libuv has let go of it. */
void pawl_redis_node_close(struct pawl_redis_node *node);

/* Starts a connection, unless there is one. */
void pawl_redis_node_connect(struct pawl_redis_node *node);

/* Without a connection from here on. What was written may or may not have been applied. */
void pawl_redis_node_lose(struct pawl_redis_node *node, const char *why);

/* Answer what needs no server, send what may be sent. */
void pawl_redis_node_tend(struct pawl_redis_node *node);

/* First in, first out; `request` is on no list. */
void pawl_redis_node_queue(struct pawl_redis_node *node, struct pawl_redis_request *request);
void pawl_redis_node_queue_first(struct pawl_redis_node *node, struct pawl_redis_request *request);

/* What is not sent, off its list; NULL: nothing. */
struct pawl_redis_request *pawl_redis_node_unqueue(struct pawl_redis_node *node);

/* All of it that waits now is answered with an error. */
void pawl_redis_node_fail_waiting(struct pawl_redis_node *node, pawl_err err, const char *why);

/* And what was sent: it may have been applied. */
void pawl_redis_node_fail_sent(struct pawl_redis_node *node, const char *why);

/* Requests by their list; NULL when it is empty. */
static inline struct pawl_redis_request *pawl_redis_first(const struct pawl_list *list)
{
    if (pawl_list_is_empty(list)) return NULL;
    return PAWL_CONTAINER_OF(list->next, struct pawl_redis_request, link);
}

#endif /* PAWL_STATE_IO_REDIS_STORE_H */
