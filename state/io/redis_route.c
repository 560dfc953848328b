#include "base/assert.h"
#include "base/fsm.h"
#include "base/limits.h"
#include "state/io/redis_store.h"

/* Between two tries of a request that was sent back. */
#define PROBE_MS_MIN 10u
#define PROBE_MS_MAX 250u

static const struct pawl_fsm_state route_states[] = {
    [PAWL_REDIS_ROUTE_OPEN] = { "open", PAWL_FSM_BIT(PAWL_REDIS_ROUTE_DRAINING) },
    [PAWL_REDIS_ROUTE_DRAINING] = { "draining", PAWL_FSM_BIT(PAWL_REDIS_ROUTE_PAUSED)
                                                    | PAWL_FSM_BIT(PAWL_REDIS_ROUTE_OPEN) },
    [PAWL_REDIS_ROUTE_PAUSED] = { "paused", PAWL_FSM_BIT(PAWL_REDIS_ROUTE_PROBING)
                                                | PAWL_FSM_BIT(PAWL_REDIS_ROUTE_OPEN) },
    [PAWL_REDIS_ROUTE_PROBING] = { "probing", PAWL_FSM_BIT(PAWL_REDIS_ROUTE_DRAINING)
                                                  | PAWL_FSM_BIT(PAWL_REDIS_ROUTE_OPEN) },
};

static void route_move(struct pawl_redis_route *route, enum pawl_redis_route_state next)
{
    pawl_fsm_move(route_states, &route->state, (uint8_t)next);
}

void pawl_redis_route_init(struct pawl_redis_route *route, uint16_t slot)
{
    *route = (struct pawl_redis_route){ .slot = slot, .state = PAWL_REDIS_ROUTE_OPEN };
    pawl_list_init(&route->held);
}

/* Held requests ---------------------------------------------------------------- */

/* By seq; almost always it belongs at the end. */
static void held_insert(struct pawl_redis_store *store, struct pawl_redis_request *request)
{
    struct pawl_list *behind = &request->route->held;
    while (behind->prev != &request->route->held) {
        struct pawl_redis_request *before =
            PAWL_CONTAINER_OF(behind->prev, struct pawl_redis_request, link);
        if (before->seq < request->seq) break;
        behind = behind->prev;
    }
    pawl_list_push_tail(behind, &request->link); /* which is: before `behind` */
    request->is_probe = false;
    store->queued_count++;
    store->queued_size += request->body_size;
}

static struct pawl_redis_request *held_take(struct pawl_redis_store *store,
                                            struct pawl_redis_route *route)
{
    struct pawl_redis_request *request = pawl_redis_first(&route->held);
    if (!request) return NULL;
    pawl_list_remove(&request->link);
    store->queued_count--;
    store->queued_size -= request->body_size;
    return request;
}

void pawl_redis_route_overtake(struct pawl_redis_store *store, struct pawl_redis_route *route,
                               uint64_t seq)
{
    for (struct pawl_redis_request *first = pawl_redis_first(&route->held);
         first && first->seq < seq; first = pawl_redis_first(&route->held))
        pawl_redis_fail(store, held_take(store, route), PAWL_E_UNAVAILABLE,
                        "Redis took a later request first");
}

/* All that is held now; what callbacks add stays. */
static void held_fail(struct pawl_redis_store *store, struct pawl_redis_route *route, pawl_err err,
                      const char *why)
{
    uint64_t seq = store->submitted_seq;
    for (struct pawl_redis_request *first = pawl_redis_first(&route->held);
         first && first->seq <= seq; first = pawl_redis_first(&route->held))
        pawl_redis_fail(store, held_take(store, route), err, why);
}

/* Moves ------------------------------------------------------------------------ */

/* What waits for the node comes back, in order: so all that is not sent is in one place,
 * but for the probe. */
static void route_pull(struct pawl_redis_store *store, struct pawl_redis_route *route)
{
    if (!route->node) return;
    struct pawl_list *waiting = &route->node->waiting;
    for (struct pawl_list *link = waiting->next; link != waiting;) {
        struct pawl_redis_request *request =
            PAWL_CONTAINER_OF(link, struct pawl_redis_request, link);
        link = link->next;
        if (request->route != route) continue;
        pawl_list_remove(&request->link);
        store->queued_count--; /* which held_insert adds again */
        store->queued_size -= request->body_size;
        held_insert(store, request);
    }
}

static void route_close(struct pawl_redis_store *store, struct pawl_redis_route *route)
{
    if (route->state == PAWL_REDIS_ROUTE_DRAINING || route->state == PAWL_REDIS_ROUTE_PAUSED)
        return;
    if (route->state == PAWL_REDIS_ROUTE_OPEN) {
        pawl_list_push_tail(&store->routes_held, &route->link);
        route->held_since_ms = uv_now(store->loop);
        route->probe_at_ms = 0;
        route->tries = 0;
    }
    route_pull(store, route);
    route_move(route, PAWL_REDIS_ROUTE_DRAINING);
}

/* Held ones go before what has come to the node since. */
static void route_open(struct pawl_redis_store *store, struct pawl_redis_route *route)
{
    route_move(route, PAWL_REDIS_ROUTE_OPEN);
    pawl_list_remove(&route->link);
    while (!pawl_list_is_empty(&route->held)) {
        struct pawl_redis_request *last =
            PAWL_CONTAINER_OF(route->held.prev, struct pawl_redis_request, link);
        pawl_list_remove(&last->link);
        store->queued_count--;
        store->queued_size -= last->body_size;
        pawl_redis_node_queue_first(route->node, last);
    }
    pawl_redis_soon(store);
}

static void route_probe(struct pawl_redis_store *store, struct pawl_redis_route *route)
{
    if (pawl_list_is_empty(&route->held)) {
        route_open(store, route);
        return;
    }
    route_move(route, PAWL_REDIS_ROUTE_PROBING);
    struct pawl_redis_request *request = held_take(store, route);
    request->is_probe = true;
    pawl_redis_node_queue_first(route->node, request);
    pawl_redis_soon(store);
}

/* Nothing is under way any more. */
static void route_drained(struct pawl_redis_store *store, struct pawl_redis_route *route)
{
    route_move(route, PAWL_REDIS_ROUTE_PAUSED);
    if (route->node && route->probe_at_ms <= uv_now(store->loop))
        route_probe(store, route);
    else
        pawl_redis_soon(store); /* which sees to the timer */
}

void pawl_redis_route_advance(struct pawl_redis_store *store, struct pawl_redis_route *route,
                              bool was_probe)
{
    if (was_probe && route->state == PAWL_REDIS_ROUTE_PROBING) {
        route_open(store, route);
        return;
    }
    if (route->state == PAWL_REDIS_ROUTE_DRAINING && route->in_flight == 0)
        route_drained(store, route);
}

void pawl_redis_route_submit(struct pawl_redis_store *store, struct pawl_redis_request *request)
{
    struct pawl_redis_route *route = request->route;
    if (route->node && route->state == PAWL_REDIS_ROUTE_OPEN) {
        pawl_redis_node_queue(route->node, request);
        return;
    }
    bool is_closed = route->state != PAWL_REDIS_ROUTE_OPEN;
    if (!is_closed) route_close(store, route);
    held_insert(store, request);
    if (!is_closed && route->in_flight == 0) route_drained(store, route);
}

/* A probe that comes back, or a late one of the first to come back. */
void pawl_redis_route_hold(struct pawl_redis_store *store, struct pawl_redis_request *request,
                           uint64_t delay_ms)
{
    struct pawl_redis_route *route = request->route;
    bool was_probe = request->is_probe;
    route_close(store, route);
    held_insert(store, request);
    if (was_probe) route->tries++;
    if (delay_ms == 0 && route->tries > 1) delay_ms = PROBE_MS_MIN;
    uint32_t doublings = route->tries < 5 ? route->tries : 5;
    delay_ms <<= doublings;
    if (delay_ms > PROBE_MS_MAX) delay_ms = PROBE_MS_MAX;
    uint64_t probe_at_ms = uv_now(store->loop) + delay_ms;
    if (delay_ms && route->probe_at_ms < probe_at_ms) route->probe_at_ms = probe_at_ms;
}

void pawl_redis_route_set(struct pawl_redis_store *store, struct pawl_redis_route *route,
                          struct pawl_redis_node *node)
{
    if (route->node == node) return;
    route_close(store, route);
    if (route->node) route->node->routes_count--;
    route->node = node;
    node->routes_count++;
    if (route->tries <= 1) route->probe_at_ms = 0; /* two servers may disagree for a while */
    if (route->state == PAWL_REDIS_ROUTE_PAUSED && route->probe_at_ms <= uv_now(store->loop))
        route_probe(store, route);
    else if (route->state == PAWL_REDIS_ROUTE_DRAINING && route->in_flight == 0)
        route_drained(store, route);
}

/* Time ------------------------------------------------------------------------- */

/* What is being answered by a server, or was sent, has limits of its own. */
static bool route_is_overdue(const struct pawl_redis_store *store,
                             const struct pawl_redis_route *route, uint64_t now_ms)
{
    return store->is_ready_reported && route->state == PAWL_REDIS_ROUTE_PAUSED
           && now_ms - route->held_since_ms >= store->held_ms;
}

static void route_tend(struct pawl_redis_store *store, struct pawl_redis_route *route,
                       uint64_t now_ms)
{
    if (route_is_overdue(store, route, now_ms)) {
        held_fail(store, route, PAWL_E_UNAVAILABLE,
                  route->node ? "the slot of this partition is being moved by the Redis cluster"
                              : "no node of the Redis cluster holds the slot of this partition");
        route->held_since_ms = now_ms; /* for what comes next */
    }
    if (route->state == PAWL_REDIS_ROUTE_PAUSED && route->node && route->probe_at_ms <= now_ms)
        route_probe(store, route);
}

void pawl_redis_routes_tend(struct pawl_redis_store *store, uint64_t now_ms)
{
    for (struct pawl_list *link = store->routes_held.next; link != &store->routes_held;) {
        struct pawl_redis_route *route = PAWL_CONTAINER_OF(link, struct pawl_redis_route, link);
        link = link->next; /* the route may leave the list */
        route_tend(store, route, now_ms);
    }
}

void pawl_redis_routes_fail(struct pawl_redis_store *store, pawl_err err, const char *why)
{
    for (struct pawl_list *link = store->routes_held.next; link != &store->routes_held;
         link = link->next)
        held_fail(store, PAWL_CONTAINER_OF(link, struct pawl_redis_route, link), err, why);
}
