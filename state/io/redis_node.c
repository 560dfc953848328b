#include <stdio.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/io/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "state/io/redis_decode.h"
#include "state/io/redis_error.h"
#include "state/io/redis_store.h"

/* How often the oldest request is looked at. */
#define TICK_MS 250u

/* The loop itself stood still for this long: let replies that have arrived be read
 * before anything is called late. */
#define STALL_MS 1000u

/* One batch; what waits beyond it goes with the next. */
#define BATCH_SIZE_MAX (8u << 20)

/* Before a request that came back for a reason that passes is tried again. */
#define AGAIN_MS 10u

static void node_pump(struct pawl_redis_node *node);
static void clock_tend(struct pawl_redis_node *node, uint64_t now_ms);

static void node_check(const struct pawl_redis_node *node)
{
    PAWL_ASSERT(pawl_list_is_empty(&node->in_flight) == (node->in_flight_count == 0));
    PAWL_ASSERT(PAWL_IMPLIES(node->state == PAWL_REDIS_NODE_AWAY, node->conn == NULL));
    PAWL_ASSERT(PAWL_IMPLIES(node->state != PAWL_REDIS_NODE_READY, node->in_flight_count == 0));
}

static bool node_is_careful(const struct pawl_redis_node *node)
{
    return node->store->url.durability == PAWL_REDIS_D2;
}

/* Queues ----------------------------------------------------------------------- */

static void node_queued(struct pawl_redis_node *node, const struct pawl_redis_request *request)
{
    node->store->queued_count++;
    node->store->queued_size += request->body_size;
}

void pawl_redis_node_queue(struct pawl_redis_node *node, struct pawl_redis_request *request)
{
    pawl_list_push_tail(&node->waiting, &request->link);
    node_queued(node, request);
}

void pawl_redis_node_queue_first(struct pawl_redis_node *node, struct pawl_redis_request *request)
{
    pawl_list_push_tail(node->waiting.next, &request->link); /* which is: before the first */
    node_queued(node, request);
}

struct pawl_redis_request *pawl_redis_node_unqueue(struct pawl_redis_node *node)
{
    struct pawl_redis_request *request = pawl_redis_first(&node->waiting);
    if (!request) return NULL;
    pawl_list_remove(&request->link);
    node->store->queued_count--;
    node->store->queued_size -= request->body_size;
    return request;
}

static struct pawl_redis_request *take_in_flight(struct pawl_redis_node *node)
{
    struct pawl_redis_request *request = pawl_redis_first(&node->in_flight);
    if (!request) return NULL;
    pawl_list_remove(&request->link);
    node->in_flight_count--;
    return request;
}

static struct pawl_redis_request *take_unconfirmed(struct pawl_redis_node *node)
{
    struct pawl_redis_request *request = pawl_redis_first(&node->unconfirmed);
    if (request) pawl_list_remove(&request->link);
    return request;
}

void pawl_redis_node_fail_waiting(struct pawl_redis_node *node, pawl_err err, const char *why)
{
    uint64_t seq = node->store->submitted_seq;
    for (struct pawl_redis_request *first = pawl_redis_first(&node->waiting);
         first && first->seq <= seq; first = pawl_redis_first(&node->waiting))
        pawl_redis_fail(node->store, pawl_redis_node_unqueue(node), err, why);
}

void pawl_redis_node_fail_sent(struct pawl_redis_node *node, const char *why)
{
    for (struct pawl_redis_request *request = take_unconfirmed(node); request;
         request = take_unconfirmed(node))
        pawl_redis_fail(node->store, request, PAWL_E_UNKNOWN, why);
    for (struct pawl_redis_request *request = take_in_flight(node); request;
         request = take_in_flight(node)) {
        if (request->own)
            pawl_mem_free(request);
        else
            pawl_redis_fail(node->store, request, PAWL_E_UNKNOWN, why);
    }
    node->waits_count = 0;
}

/* Requests at the front of in_flight that need no reply from Redis. */
static void settle(struct pawl_redis_node *node)
{
    for (;;) {
        struct pawl_redis_request *request = pawl_redis_first(&node->in_flight);
        if (!request || !request->local_err) return;
        (void)take_in_flight(node);
        if (pawl_list_is_empty(&node->unconfirmed))
            pawl_redis_fail(node->store, request, request->local_err, "");
        else
            pawl_list_push_tail(&node->unconfirmed, &request->link);
    }
}

/* Connection lost -------------------------------------------------------------- */

static void on_retry(uv_timer_t *timer)
{
    struct pawl_redis_node *node = timer->data;
    if (node->store->url.topology == PAWL_REDIS_SENTINEL)
        pawl_redis_lost(node->store, NULL); /* which leads to connect */
    else
        pawl_redis_node_connect(node);
}

void pawl_redis_node_lose(struct pawl_redis_node *node, const char *why)
{
    struct pawl_redis_store *store = node->store;
    char text[sizeof store->why];
    (void)snprintf(text, sizeof text, "%s", why);
    pawl_redis_conn_close(node->conn);
    node->conn = NULL;
    node->state = PAWL_REDIS_NODE_AWAY;
    node->was_lost = true;
    node->is_leaving = false;
    (void)uv_timer_stop(&node->tick);
    uint64_t delay_ms = pawl_redis_backoff_ms(&node->failures, &store->rng);
    (void)uv_timer_start(&node->retry, on_retry, delay_ms, 0);

    pawl_redis_node_fail_sent(node, text);
    pawl_redis_report(store, false, text);
    if (pawl_redis_is_cluster(store)) pawl_redis_lost(store, NULL);
    pawl_redis_soon(store);
    node_check(node);
}

/* Replies come in order, so any bytes that arrive belong to the oldest request: a slow
 * transfer or a busy server is not a dead one. */
static bool request_is_late(struct pawl_redis_node *node, uint64_t now_ms)
{
    size_t unsent_size = pawl_redis_conn_unsent(node->conn);
    if (unsent_size != node->unsent_size) node->progress_ms = now_ms;
    node->unsent_size = unsent_size;

    const struct pawl_redis_request *oldest = pawl_redis_first(&node->in_flight);
    if (!oldest) return false;
    uint64_t since_ms = oldest->written_ms;
    if (node->progress_ms > since_ms) since_ms = node->progress_ms;
    return now_ms - since_ms >= node->store->timeout_ms;
}

static void on_tick(uv_timer_t *timer)
{
    struct pawl_redis_node *node = timer->data;
    struct pawl_redis_store *store = node->store;
    uint64_t now_ms = uv_now(store->loop);
    bool stalled = now_ms - node->ticked_ms > STALL_MS;
    node->ticked_ms = now_ms;
    if (stalled) return;

    char why[400];
    if (node->state == PAWL_REDIS_NODE_CONNECTING) {
        if (now_ms - node->connect_started_ms < store->timeout_ms) return;
        bool is_maybe_plain = store->url.is_tls && !pawl_redis_conn_is_writable(node->conn);
        (void)snprintf(why, sizeof why, "Redis at %s: no answer to the connection within %u ms%s",
                       node->address.text, (unsigned)store->timeout_ms,
                       is_maybe_plain ? " (does it speak TLS?)" : "");
        pawl_redis_node_lose(node, why);
        return;
    }
    settle(node);
    clock_tend(node, now_ms);
    if (!request_is_late(node, now_ms)) return;
    (void)snprintf(why, sizeof why, "Redis at %s: no reply within %u ms", node->address.text,
                   (unsigned)store->timeout_ms);
    pawl_redis_node_lose(node, why);
}

/* Sending ---------------------------------------------------------------------- */

static void request_send(struct pawl_redis_node *node, struct pawl_redis_request *request)
{
    request->written_ms = uv_now(node->store->loop);
    request->is_sent = true;
    request->route->in_flight++;
    pawl_list_push_tail(&node->in_flight, &request->link);
    node->in_flight_count++;
    if (request->local_err)
        pawl_redis_soon(node->store);
    else
        pawl_redis_write(node, request, pawl_redis_conn_out(node->conn));
}

/* The same list as requests: replies come in the order of sending. */
static void own_send(struct pawl_redis_node *node, enum pawl_redis_own own)
{
    struct pawl_redis_request *request = PAWL_NEW(struct pawl_redis_request);
    request->own = own;
    request->written_ms = uv_now(node->store->loop);
    request->asked_ms = pawl_clock_ms(CLOCK_BOOTTIME);
    pawl_list_push_tail(&node->in_flight, &request->link);
    node->in_flight_count++;
}

/* One for everything that was written with this flush. */
static void wait_send(struct pawl_redis_node *node)
{
    pawl_redis_wait(pawl_redis_conn_out(node->conn), &node->store->url);
    own_send(node, PAWL_REDIS_OWN_WAIT);
    node->waits_count++;
}

static bool node_may_send(const struct pawl_redis_node *node)
{
    return node->state == PAWL_REDIS_NODE_READY && node->store->is_schema_ok && !node->is_leaving
           && node->waits_count < PAWL_STORE_WAITS_MAX && pawl_redis_conn_is_writable(node->conn);
}

static void node_pump(struct pawl_redis_node *node)
{
    if (!node_may_send(node)) return;
    const struct pawl_buf *out = pawl_redis_conn_out(node->conn);
    for (const struct pawl_redis_request *first = pawl_redis_first(&node->waiting);
         first && first->seq <= node->store->flushed_seq
         && node->in_flight_count < PAWL_STORE_IN_FLIGHT_MAX && out->size < BATCH_SIZE_MAX;
         first = pawl_redis_first(&node->waiting))
        request_send(node, pawl_redis_node_unqueue(node));
    if (node_is_careful(node) && out->size) wait_send(node);
    pawl_redis_conn_flush(node->conn);
    node_check(node);
}

void pawl_redis_node_tend(struct pawl_redis_node *node)
{
    settle(node);
    if (node->state == PAWL_REDIS_NODE_READY) {
        node_pump(node);
        return;
    }
    for (struct pawl_redis_request *first = pawl_redis_first(&node->waiting);
         first && first->local_err; first = pawl_redis_first(&node->waiting))
        pawl_redis_fail(node->store, pawl_redis_node_unqueue(node), first->local_err, "");
}

/* Clock ------------------------------------------------------------------------ */

static void clock_tell(struct pawl_redis_node *node, const struct pawl_clock_reading *reading)
{
    struct pawl_redis_store *store = node->store;
    store->clock_asked_ms = uv_now(store->loop);
    if (store->on_clock) store->on_clock(store->context, reading);
}

static void clock_tend(struct pawl_redis_node *node, uint64_t now_ms)
{
    struct pawl_redis_store *store = node->store;
    if (!pawl_redis_has_clock(node) || now_ms - store->clock_asked_ms < store->clock_ms) return;
    if (!node_may_send(node)) return;
    store->clock_asked_ms = now_ms;
    pawl_redis_time(pawl_redis_conn_out(node->conn));
    own_send(node, PAWL_REDIS_OWN_TIME);
    pawl_redis_conn_flush(node->conn);
}

static void clock_on_value(struct pawl_redis_node *node, int64_t asked_ms,
                           const struct pawl_redis_value *value)
{
    struct pawl_clock_reading reading = { .asked_ms = asked_ms,
                                          .answered_ms = pawl_clock_ms(CLOCK_BOOTTIME) };
    if (pawl_redis_time_parse(value, &reading.unix_ms)) {
        clock_tell(node, &reading);
        return;
    }
    struct pawl_bytes error = value->kind == PAWL_REDIS_ERROR ? value->text : PAWL_BYTES_ABSENT;
    char why[sizeof node->store->why];
    (void)snprintf(why, sizeof why,
                   "Redis at %s: asked again, it did not tell its time (TIME)%s%.*s; this sidecar "
                   "goes on by what is known",
                   node->address.text, error.size ? ": " : "",
                   (int)(error.size < 200 ? error.size : 200),
                   error.size ? (const char *)error.data : "");
    pawl_redis_report(node->store, true, why);
}

/* Replies ---------------------------------------------------------------------- */

/* This server is not, or no more, the one that may be written to; the address may lead to
 * another one by now. */
static bool error_is_wrong_server(struct pawl_bytes text)
{
    return pawl_redis_error_is(text, "READONLY") || pawl_redis_error_is(text, "MASTERDOWN")
           || pawl_redis_error_is(text, "NOAUTH");
}

static void request_on_value(struct pawl_redis_node *node, struct pawl_redis_request *request,
                             const struct pawl_redis_value *value)
{
    struct pawl_store_reply reply = { .op = request->op };
    if (value->kind == PAWL_REDIS_ERROR) {
        reply.err = pawl_redis_error_class(value->text);
        reply.message = value->text;
        node->is_leaving = node->is_leaving || error_is_wrong_server(value->text);
    } else {
        pawl_redis_decode(value, pawl_redis_conn_arena(node->conn), &reply);
        if (request->op == PAWL_STORE_LOAD && reply.err == PAWL_OK)
            reply.load.snapshot.history_from = request->history_from;
    }
    pawl_redis_finish(node->store, request, &reply);
}

/* A slot that moved for good. Others have probably moved as well. */
static void node_on_moved(struct pawl_redis_node *node, struct pawl_redis_route *route,
                          struct pawl_bytes text)
{
    struct pawl_redis_store *store = node->store;
    struct pawl_redis_address address;
    if (pawl_redis_moved_parse(text, node->address.host, &address)) {
        pawl_redis_lost(store, NULL);
        return;
    }
    struct pawl_redis_node *target = pawl_redis_node_at(store, &address);
    for (uint32_t i = 0; i < store->routes_count; i++)
        if (store->routes[i].slot == route->slot)
            pawl_redis_route_set(store, &store->routes[i], target);
    pawl_redis_lost(store, target);
}

/* Errors that say: not applied, and it will work, here or elsewhere. While a slot is on
 * its way from one server to another, each has a part of the partition's keys, and a
 * script would take the missing ones for never written. So ASK, which invites to go on at
 * the other server, is waited out like TRYAGAIN: the partition stands still until its
 * slot has arrived, and MOVED says so. */
static bool request_is_sent_back(struct pawl_redis_node *node, struct pawl_redis_request *request,
                                 const struct pawl_redis_value *value)
{
    if (value->kind != PAWL_REDIS_ERROR) return false;
    struct pawl_redis_store *store = node->store;
    uint64_t delay_ms = 0;
    bool is_moved = false;
    if (pawl_redis_error_is_noscript(value->text) && !request->send_source) {
        request->send_source = true;
    } else if (!pawl_redis_is_cluster(store)) {
        return false;
    } else if (pawl_redis_error_is(value->text, "MOVED")) {
        is_moved = true;
    } else if (pawl_redis_error_is(value->text, "ASK")
               || pawl_redis_error_is(value->text, "TRYAGAIN")) {
        delay_ms = AGAIN_MS;
    } else if (pawl_redis_error_is(value->text, "CLUSTERDOWN")) {
        delay_ms = AGAIN_MS;
        pawl_redis_lost(store, NULL);
    } else {
        return false;
    }
    struct pawl_redis_route *route = request->route;
    request->is_sent = false;
    route->in_flight--;
    pawl_redis_route_hold(store, request, delay_ms);
    if (is_moved) node_on_moved(node, route, value->text);
    pawl_redis_route_advance(store, route, false);
    return true;
}

/* D2: so many replicas have everything before it. */
static void node_confirm(struct pawl_redis_node *node, const struct pawl_redis_value *value)
{
    const struct pawl_redis_url *url = &node->store->url;
    int64_t acks = value->kind == PAWL_REDIS_INTEGER ? value->integer : 0;
    char why[200];
    (void)snprintf(why, sizeof why, "%d of %u replicas of Redis at %.100s confirmed within %u ms",
                   (int)acks, (unsigned)url->replicas, node->address.text, (unsigned)url->wait_ms);
    for (struct pawl_redis_request *request = take_unconfirmed(node); request;
         request = take_unconfirmed(node)) {
        if (request->local_err)
            pawl_redis_fail(node->store, request, request->local_err, "");
        else if (request->value->kind != PAWL_REDIS_ERROR && acks < (int64_t)url->replicas)
            pawl_redis_fail(node->store, request, PAWL_E_UNKNOWN, why);
        else
            request_on_value(node, request, request->value);
    }
    pawl_redis_conn_keep(node->conn, false);
}

static void on_hello_value(struct pawl_redis_node *node, const struct pawl_redis_value *value)
{
    struct pawl_redis_store *store = node->store;
    bool done = false;
    pawl_err err = pawl_redis_hello_on_value(&node->hello, value, pawl_redis_conn_out(node->conn),
                                             pawl_clock_ms(CLOCK_BOOTTIME), &done);
    if (err) {
        if (err == PAWL_E_VERSION) {
            store->is_version_wrong = true;
            (void)snprintf(store->version_why, sizeof store->version_why, "%s", node->hello.why);
        }
        pawl_redis_node_lose(node, node->hello.why);
        return;
    }
    if (!done) {
        if (pawl_redis_conn_is_writable(node->conn)) pawl_redis_conn_flush(node->conn);
        return;
    }
    node->state = PAWL_REDIS_NODE_READY;
    node->failures = 0;
    if (node->hello.is_schema_ok) {
        store->is_schema_ok = true;
        store->partitions = store->store.partitions = node->hello.partitions;
    }
    if (node->hello.has_clock && store->is_schema_ok) clock_tell(node, &node->hello.clock);
    const char *advice = node->hello.advice;
    char text[sizeof store->why];
    text[0] = 0;
    if (advice[0])
        (void)snprintf(text, sizeof text, "Redis at %s: %s", node->address.text, advice);
    else if (store->is_ready_reported && node->was_lost)
        (void)snprintf(text, sizeof text, "Redis at %s is back", node->address.text);
    if (!store->is_ready_reported || text[0]) pawl_redis_report(store, true, text);
    node->was_lost = false;
    pawl_redis_soon(store); /* all nodes may have waited for the schema */
}

static void own_on_value(struct pawl_redis_node *node, struct pawl_redis_request *own,
                         const struct pawl_redis_value *value)
{
    bool is_wait = own->own == PAWL_REDIS_OWN_WAIT;
    int64_t asked_ms = own->asked_ms;
    pawl_mem_free(own);
    if (is_wait) {
        node->waits_count--;
        node_confirm(node, value);
    } else {
        clock_on_value(node, asked_ms, value);
    }
}

static void on_value(void *context, const struct pawl_redis_value *value, struct pawl_arena *arena)
{
    (void)arena;
    struct pawl_redis_node *node = context;
    if (node->state == PAWL_REDIS_NODE_CONNECTING) {
        on_hello_value(node, value);
        return;
    }
    settle(node);
    struct pawl_redis_request *request = take_in_flight(node);
    if (!request) {
        char why[400];
        (void)snprintf(why, sizeof why, "Redis at %s: a reply that belongs to no request",
                       node->address.text);
        pawl_redis_node_lose(node, why);
        return;
    }
    if (request->own) {
        own_on_value(node, request, value);
    } else if (!request_is_sent_back(node, request, value)) {
        if (node_is_careful(node)) {
            request->value = value;
            pawl_redis_conn_keep(node->conn, true);
            pawl_list_push_tail(&node->unconfirmed, &request->link);
        } else {
            request_on_value(node, request, value);
        }
    }
    settle(node);
}

static void on_read(void *context)
{
    struct pawl_redis_node *node = context;
    node->progress_ms = uv_now(node->store->loop);
    if (node->state != PAWL_REDIS_NODE_READY) return;
    if (node->is_leaving && node->in_flight_count == 0) {
        char why[400];
        (void)snprintf(why, sizeof why, "Redis at %s: refuses writes", node->address.text);
        pawl_redis_node_lose(node, why);
        return;
    }
    node_pump(node);
}

static void on_written(void *context)
{
    struct pawl_redis_node *node = context;
    if (node->state == PAWL_REDIS_NODE_READY)
        on_read(node);
    else if (pawl_redis_conn_is_writable(node->conn))
        pawl_redis_conn_flush(node->conn);
}

/* Connecting ------------------------------------------------------------------- */

static void on_open(void *context)
{
    struct pawl_redis_node *node = context;
    pawl_redis_hello_start(&node->hello, pawl_redis_conn_out(node->conn),
                           pawl_clock_ms(CLOCK_BOOTTIME));
    pawl_redis_conn_flush(node->conn);
}

static void on_end(void *context, const char *why)
{
    pawl_redis_node_lose(context, why);
}

/* What of ours this server of a cluster is thought to hold. */
static void hello_prepare(struct pawl_redis_node *node)
{
    struct pawl_redis_store *store = node->store;
    struct pawl_redis_hello *hello = &node->hello;
    *hello = (struct pawl_redis_hello){ .url = &store->url,
                                        .address = &node->address,
                                        .namespace_ = store->namespace_,
                                        .app = store->app,
                                        .partitions = store->partitions,
                                        .read_only = store->read_only,
                                        .wants_clock = pawl_redis_has_clock(node) };
    for (uint32_t i = 0; i + 1 < store->routes_count && !hello->has_partition; i++) {
        hello->has_partition = store->routes[i].node == node;
        hello->partition = i;
    }
    hello->has_schema = store->routes[store->routes_count - 1].node == node && !store->is_schema_ok;
    if (!pawl_redis_is_cluster(store) || hello->has_schema)
        store->is_version_wrong = false; /* to be found out anew */
}

void pawl_redis_node_connect(struct pawl_redis_node *node)
{
    if (node->state != PAWL_REDIS_NODE_AWAY) return;
    const struct pawl_redis_conn_handler handler = { .context = node,
                                                     .on_open = on_open,
                                                     .on_value = on_value,
                                                     .on_read = on_read,
                                                     .on_written = on_written,
                                                     .on_end = on_end };
    (void)uv_timer_stop(&node->retry);
    hello_prepare(node);
    const char *why = "";
    node->conn =
        pawl_redis_conn_open(node->store->loop, &node->store->url, &node->address, &handler, &why);
    if (!node->conn) {
        pawl_redis_node_lose(node, why);
        return;
    }
    node->state = PAWL_REDIS_NODE_CONNECTING;
    node->connect_started_ms = uv_now(node->store->loop);
    node->ticked_ms = node->connect_started_ms;
    (void)uv_timer_start(&node->tick, on_tick, TICK_MS, TICK_MS);
}

/* Life ------------------------------------------------------------------------- */

struct pawl_redis_node *pawl_redis_node_new(struct pawl_redis_store *store,
                                            const struct pawl_redis_address *address)
{
    struct pawl_redis_node *node = PAWL_NEW(struct pawl_redis_node);
    node->store = store;
    if (address) node->address = *address;
    node->state = PAWL_REDIS_NODE_AWAY;
    pawl_list_init(&node->waiting);
    pawl_list_init(&node->in_flight);
    pawl_list_init(&node->unconfirmed);
    uv_timer_t *timers[] = { &node->retry, &node->tick };
    for (size_t i = 0; i < sizeof timers / sizeof *timers; i++) {
        int status = uv_timer_init(store->loop, timers[i]);
        PAWL_ASSERT(status == 0);
        timers[i]->data = node;
        node->timers_open++;
    }
    return node;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct pawl_redis_node *node = handle->data;
    if (--node->timers_open == 0) pawl_mem_free(node);
}

void pawl_redis_node_close(struct pawl_redis_node *node)
{
    PAWL_ASSERT(node->in_flight_count == 0);
    PAWL_ASSERT(pawl_list_is_empty(&node->unconfirmed));
    PAWL_ASSERT(pawl_list_is_empty(&node->waiting));
    pawl_redis_conn_close(node->conn);
    node->conn = NULL;
    uv_close((uv_handle_t *)&node->retry, on_timer_closed);
    uv_close((uv_handle_t *)&node->tick, on_timer_closed);
}
