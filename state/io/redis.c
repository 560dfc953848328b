#include "state/io/redis.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"
#include "state/io/redis_encode.h"
#include "state/io/redis_script.h"
#include "state/io/redis_store.h"

/* How often held requests, lost nodes and empty places of the map are looked at. */
#define TEND_MS 10u

/* A place that is not known, or whose server is away, is asked for so often. */
#define ASK_MS 500u

static struct pawl_redis_node *node_of(const struct pawl_list *link)
{
    return PAWL_CONTAINER_OF(link, struct pawl_redis_node, link);
}

/* Answers ---------------------------------------------------------------------- */

void pawl_redis_finish(struct pawl_redis_store *store, struct pawl_redis_request *request,
                       struct pawl_store_reply *reply)
{
    struct pawl_redis_route *route = request->route;
    bool was_probe = request->is_probe;
    bool was_sent = request->is_sent;
    if (was_sent) route->in_flight--;
    pawl_redis_route_overtake(store, route, request->seq);
    PAWL_ASSERT(request->seq > route->answered_seq);
    route->answered_seq = request->seq;

    reply->token = request->token;
    reply->op = request->op;
    reply->partition = request->partition;
    pawl_mem_free(request);
    store->is_calling = true;
    store->on_reply(store->context, reply);
    store->is_calling = false;
    if (was_sent || was_probe) pawl_redis_route_advance(store, route, was_probe);
}

void pawl_redis_fail(struct pawl_redis_store *store, struct pawl_redis_request *request,
                     pawl_err err, const char *why)
{
    struct pawl_store_reply reply = { .err = request->local_err ? request->local_err : err };
    switch (request->local_err) {
    case PAWL_OK: reply.message = pawl_bytes_str(why); break;
    case PAWL_E_INVALID: reply.message = pawl_bytes_str("no such partition"); break;
    case PAWL_E_TOO_LARGE: reply.message = pawl_bytes_str("the request is too large"); break;
    default: reply.message = pawl_bytes_str("too many requests wait for Redis"); break;
    }
    pawl_redis_finish(store, request, &reply);
}

static void fail_queued(struct pawl_redis_store *store, pawl_err err, const char *why)
{
    for (struct pawl_list *link = store->nodes.next; link != &store->nodes; link = link->next)
        pawl_redis_node_fail_waiting(node_of(link), err, why);
    pawl_redis_routes_fail(store, err, why);
}

static void on_tend(uv_timer_t *timer);

static void on_soon(uv_timer_t *timer)
{
    struct pawl_redis_store *store = timer->data;
    if (store->is_version_wrong) fail_queued(store, PAWL_E_VERSION, store->version_why);
    for (struct pawl_list *link = store->nodes.next; link != &store->nodes; link = link->next)
        pawl_redis_node_tend(node_of(link));
    bool is_needed = pawl_redis_is_cluster(store) || !pawl_list_is_empty(&store->routes_held);
    if (is_needed && !uv_is_active((uv_handle_t *)&store->tend))
        (void)uv_timer_start(&store->tend, on_tend, TEND_MS, TEND_MS);
}

void pawl_redis_soon(struct pawl_redis_store *store)
{
    if (!store->is_closing && !uv_is_active((uv_handle_t *)&store->soon))
        (void)uv_timer_start(&store->soon, on_soon, 0, 0);
}

/* Readiness -------------------------------------------------------------------- */

static const struct pawl_redis_node *find_ready(const struct pawl_redis_store *store)
{
    for (const struct pawl_list *link = store->nodes.next; link != &store->nodes; link = link->next)
        if (node_of(link)->state == PAWL_REDIS_NODE_READY) return node_of(link);
    return NULL;
}

static void tell(struct pawl_redis_store *store, bool ready, const char *why)
{
    bool is_news = ready != store->is_ready_reported || strcmp(why, store->why) != 0;
    if (!is_news) return;
    store->is_ready_reported = ready;
    (void)snprintf(store->why, sizeof store->why, "%s", why);
    /* Being there is no news for an operator; what is to be mended on the server is. */
    const char *told = ready && store->why[0] == 0 ? NULL : store->why;
    if (store->on_state) store->on_state(store->context, ready, told);
}

/* Of the servers that connected before the store was ready. */
static void tell_advice(struct pawl_redis_store *store)
{
    if (!pawl_redis_is_cluster(store)) return; /* the one server was told just now */
    for (const struct pawl_list *link = store->nodes.next; link != &store->nodes;
         link = link->next) {
        const struct pawl_redis_node *node = node_of(link);
        if (node->state != PAWL_REDIS_NODE_READY || !node->hello.advice[0]) continue;
        char text[sizeof store->why];
        (void)snprintf(text, sizeof text, "Redis at %s: %s", node->address.text,
                       node->hello.advice);
        tell(store, true, text);
    }
}

/* A cluster is there when the schema is known and any of its servers is: what the others
 * hold waits for them. */
void pawl_redis_report(struct pawl_redis_store *store, bool is_up, const char *why)
{
    if (!find_ready(store)) store->is_schema_ok = false;
    bool ready = store->is_schema_ok && !store->is_version_wrong;
    if (is_up && !ready) return; /* a part of a cluster, and not all that is needed yet */
    bool was_ready = store->is_ready_reported;
    tell(store, ready, why);
    if (ready && !was_ready) tell_advice(store);
}

/* Places ----------------------------------------------------------------------- */

/* {namespace||app||017}||: what the keys of a partition begin with. */
static size_t key_format(const struct pawl_redis_store *store, uint32_t partition,
                         char key[static PAWL_REDIS_KEY_SIZE_MAX])
{
    PAWL_ASSERT(partition < PAWL_PARTITIONS_MAX);
    size_t size = store->key_head_size;
    memcpy(key, store->key_head, size);
    if (partition >= 1000) key[size++] = (char)('0' + partition / 1000);
    key[size++] = (char)('0' + partition / 100 % 10);
    key[size++] = (char)('0' + partition / 10 % 10);
    key[size++] = (char)('0' + partition % 10);
    /* A key has a size, not an end. NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
    memcpy(key + size, "}||", 3);
    return size + 3;
}

void pawl_redis_write(const struct pawl_redis_node *node, const struct pawl_redis_request *request,
                      struct pawl_buf *out)
{
    char key[PAWL_REDIS_KEY_SIZE_MAX];
    size_t key_size = key_format(node->store, request->partition, key);
    struct pawl_bytes words[] = { PAWL_BYTES_LITERAL("EVALSHA"),
                                  pawl_bytes_make(node->hello.sha[request->op], 40),
                                  PAWL_BYTES_LITERAL("1"), pawl_bytes_make(key, key_size),
                                  pawl_bytes_make(request->body, request->body_size) };
    if (request->send_source) {
        words[0] = PAWL_BYTES_LITERAL("EVAL");
        words[1] = pawl_redis_script((int)request->op);
    }
    pawl_redis_command(out, 5, words);
}

static void routes_init(struct pawl_redis_store *store)
{
    uint32_t partitions = store->partitions ? store->partitions : PAWL_PARTITIONS_MAX;
    store->routes_count = partitions + 1;
    store->routes = pawl_mem_alloc(store->routes_count * sizeof *store->routes);
    char key[PAWL_REDIS_KEY_SIZE_MAX];
    for (uint32_t i = 0; i < partitions; i++) {
        size_t size = key_format(store, i, key);
        pawl_redis_route_init(&store->routes[i], pawl_redis_slot(pawl_bytes_make(key, size)));
    }
    int size = snprintf(key, sizeof key, "{%s||%s}||schema", store->namespace_, store->app);
    PAWL_ASSERT(size > 0 && (size_t)size < sizeof key);
    pawl_redis_route_init(&store->routes[partitions], pawl_redis_slot(pawl_bytes_str(key)));
}

static struct pawl_redis_node *node_add(struct pawl_redis_store *store,
                                        const struct pawl_redis_address *address)
{
    struct pawl_redis_node *node = pawl_redis_node_new(store, address);
    pawl_list_push_tail(&store->nodes, &node->link);
    return node;
}

struct pawl_redis_node *pawl_redis_node_at(struct pawl_redis_store *store,
                                           const struct pawl_redis_address *address)
{
    for (struct pawl_list *link = store->nodes.next; link != &store->nodes; link = link->next)
        if (pawl_redis_address_is_equal(&node_of(link)->address, address)) return node_of(link);
    return node_add(store, address);
}

/* Servers that hold nothing of ours any more. */
static void nodes_sweep(struct pawl_redis_store *store)
{
    for (struct pawl_list *link = store->nodes.next; link != &store->nodes;) {
        struct pawl_redis_node *node = node_of(link);
        link = link->next;
        if (node->routes_count || node->in_flight_count) continue;
        pawl_list_remove(&node->link);
        pawl_redis_node_close(node);
    }
}

void pawl_redis_lost(struct pawl_redis_store *store, const struct pawl_redis_node *node)
{
    if (!node) node = find_ready(store);
    bool is_helpful = pawl_redis_is_cluster(store) && node != NULL;
    pawl_redis_find_ask(store->find, is_helpful ? &node->address : NULL);
}

static void on_slots(void *context, const struct pawl_redis_slots *slots)
{
    struct pawl_redis_store *store = context;
    for (uint32_t i = 0; i < store->routes_count; i++) {
        struct pawl_redis_route *route = &store->routes[i];
        uint16_t master = slots->masters[route->slot];
        if (master == PAWL_REDIS_SLOT_NOBODY) continue; /* as before; asked again */
        pawl_redis_route_set(store, route, pawl_redis_node_at(store, &slots->nodes[master]));
    }
    /* New ones, and those whose place is as it was: perhaps they are back. */
    for (struct pawl_list *link = store->nodes.next; link != &store->nodes; link = link->next)
        if (node_of(link)->failures == 0) pawl_redis_node_connect(node_of(link));
    pawl_redis_soon(store);
}

static void on_master(void *context, const struct pawl_redis_address *address)
{
    struct pawl_redis_store *store = context;
    struct pawl_redis_node *node = node_of(store->nodes.next);
    bool is_same = pawl_redis_address_is_equal(&node->address, address);
    if (is_same && node->state != PAWL_REDIS_NODE_AWAY) return;
    if (node->state != PAWL_REDIS_NODE_AWAY) {
        char why[700];
        (void)snprintf(why, sizeof why, "Redis at %s: the sentinels have another master, %s",
                       node->address.text, address->text);
        pawl_redis_node_lose(node, why);
    }
    node->address = *address;
    pawl_redis_node_connect(node);
}

static void on_find_fail(void *context, const char *why)
{
    struct pawl_redis_store *store = context;
    if (!find_ready(store)) pawl_redis_report(store, false, why);
}

/* Time ------------------------------------------------------------------------- */

/* Requests that wait for a server which does not come back. As long as no server at all
 * is there, they wait, and clients are told. */
static void node_refuse_overdue(struct pawl_redis_node *node, uint64_t now_ms)
{
    if (node->state == PAWL_REDIS_NODE_READY || !node->store->is_ready_reported) return;
    char why[400];
    (void)snprintf(why, sizeof why, "Redis at %s is away", node->address.text);
    for (const struct pawl_redis_request *first = pawl_redis_first(&node->waiting);
         first && now_ms - first->submitted_ms >= node->store->held_ms;
         first = pawl_redis_first(&node->waiting))
        pawl_redis_fail(node->store, pawl_redis_node_unqueue(node), PAWL_E_UNAVAILABLE, why);
}

static bool map_has_holes(const struct pawl_redis_store *store)
{
    for (uint32_t i = 0; i < store->routes_count; i++) {
        const struct pawl_redis_node *node = store->routes[i].node;
        if (!node || node->state != PAWL_REDIS_NODE_READY) return true;
    }
    return false;
}

/* The schema moved here while nobody had read it yet: the next hello does. */
static void schema_tend(struct pawl_redis_store *store)
{
    struct pawl_redis_node *node = store->routes[store->routes_count - 1].node;
    if (store->is_schema_ok || !node || node->state != PAWL_REDIS_NODE_READY) return;
    char why[400];
    (void)snprintf(why, sizeof why, "Redis at %s: connecting again, to read the schema",
                   node->address.text);
    pawl_redis_node_lose(node, why);
}

static void cluster_tend(struct pawl_redis_store *store, uint64_t now_ms)
{
    for (struct pawl_list *link = store->nodes.next; link != &store->nodes; link = link->next)
        node_refuse_overdue(node_of(link), now_ms);
    if (now_ms - store->tended_ms < ASK_MS) return;
    store->tended_ms = now_ms;
    nodes_sweep(store);
    schema_tend(store);
    if (map_has_holes(store)) pawl_redis_lost(store, NULL);
}

static void on_tend(uv_timer_t *timer)
{
    struct pawl_redis_store *store = timer->data;
    uint64_t now_ms = uv_now(store->loop);
    pawl_redis_routes_tend(store, now_ms);
    if (pawl_redis_is_cluster(store))
        cluster_tend(store, now_ms);
    else if (pawl_list_is_empty(&store->routes_held))
        (void)uv_timer_stop(&store->tend);
}

/* The port --------------------------------------------------------------------- */

static struct pawl_redis_request *request_new(struct pawl_redis_store *store,
                                              const struct pawl_store_request *request)
{
    bool has_partition = request->partition < store->partitions;
    pawl_err err = has_partition ? PAWL_OK : PAWL_E_INVALID;
    pawl_buf_clear(&store->scratch);
    pawl_arena_reset(&store->arena);
    if (!err) {
        pawl_redis_encode(&store->scratch, &store->arena, request);
        err = store->scratch.bad;
    }
    size_t size = err ? 0 : store->scratch.size;
    bool is_full = store->queued_count >= store->waiting_max
                   || store->queued_size + size > PAWL_STORE_WAITING_SIZE_MAX;
    if (!err && is_full) {
        err = PAWL_E_UNAVAILABLE;
        size = 0;
    }
    struct pawl_redis_request *copy = pawl_mem_resize(NULL, sizeof *copy + size);
    *copy = (struct pawl_redis_request){
        .seq = ++store->submitted_seq,
        .token = request->token,
        .route = &store->routes[has_partition ? request->partition : 0],
        .op = request->op,
        .partition = request->partition,
        .history_from = request->op == PAWL_STORE_LOAD && request->load.want & PAWL_LOAD_HISTORY
                            ? request->load.history_from
                            : 0,
        .local_err = err,
        .submitted_ms = uv_now(store->loop),
        .body_size = size,
    };
    if (size) memcpy(copy->body, store->scratch.data, size);
    return copy;
}

/* Without a connection nothing before this one will be answered soon, so a full queue
 * is given back as a whole, in order. */
static void mark_waiting_refused(const struct pawl_redis_node *node)
{
    for (struct pawl_list *link = node->waiting.next; link != &node->waiting; link = link->next) {
        struct pawl_redis_request *request =
            PAWL_CONTAINER_OF(link, struct pawl_redis_request, link);
        if (!request->local_err) request->local_err = PAWL_E_UNAVAILABLE;
    }
}

static void redis_submit(struct pawl_store *base, const struct pawl_store_request *request)
{
    struct pawl_redis_store *store = PAWL_CONTAINER_OF(base, struct pawl_redis_store, store);
    PAWL_ASSERT(!store->is_closing);
    PAWL_ASSERT(request->op > 0);
    PAWL_ASSERT(request->op < PAWL_STORE_OPS_END);

    struct pawl_redis_request *copy = request_new(store, request);
    pawl_err err = copy->local_err;
    const struct pawl_redis_node *node = copy->route->node;
    pawl_redis_route_submit(store, copy);
    if (err == PAWL_E_UNAVAILABLE && node && node->state != PAWL_REDIS_NODE_READY)
        mark_waiting_refused(node);
    if (err || store->is_version_wrong) pawl_redis_soon(store);
}

static void redis_flush(struct pawl_store *base)
{
    struct pawl_redis_store *store = PAWL_CONTAINER_OF(base, struct pawl_redis_store, store);
    store->flushed_seq = store->submitted_seq;
    for (struct pawl_list *link = store->nodes.next; link != &store->nodes; link = link->next)
        if (node_of(link)->state == PAWL_REDIS_NODE_READY) pawl_redis_node_tend(node_of(link));
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct pawl_redis_store *store = handle->data;
    if (--store->timers_open > 0) return;
    explicit_bzero(&store->url, sizeof store->url);
    pawl_buf_deinit(&store->scratch);
    pawl_arena_deinit(&store->arena);
    pawl_mem_free(store->routes);
    pawl_mem_free(store);
}

static void redis_close(struct pawl_store *base)
{
    struct pawl_redis_store *store = PAWL_CONTAINER_OF(base, struct pawl_redis_store, store);
    PAWL_ASSERT(!store->is_calling);
    PAWL_ASSERT(!store->is_closing);
    store->is_closing = true;
    for (struct pawl_list *link = store->nodes.next; link != &store->nodes; link = link->next)
        pawl_redis_node_fail_sent(node_of(link), "the store was closed");
    fail_queued(store, PAWL_E_UNAVAILABLE, "the store was closed");
    while (!pawl_list_is_empty(&store->nodes)) {
        struct pawl_redis_node *node = node_of(store->nodes.next);
        pawl_list_remove(&node->link);
        pawl_redis_node_close(node);
    }
    pawl_redis_find_close(store->find);
    uv_close((uv_handle_t *)&store->soon, on_timer_closed);
    uv_close((uv_handle_t *)&store->tend, on_timer_closed);
}

static const struct pawl_store_ops redis_ops = {
    .submit = redis_submit,
    .flush = redis_flush,
    .close = redis_close,
};

static void on_first(uv_timer_t *timer)
{
    struct pawl_redis_store *store = timer->data;
    if (store->find)
        pawl_redis_find_ask(store->find, NULL);
    else
        pawl_redis_node_connect(node_of(store->nodes.next));
    pawl_redis_soon(store);
}

/* The first attempt comes from the loop, because on_state must not be called from inside
 * open. */
static void store_start(struct pawl_redis_store *store)
{
    uv_timer_t *timers[] = { &store->soon, &store->tend };
    for (size_t i = 0; i < sizeof timers / sizeof *timers; i++) {
        int status = uv_timer_init(store->loop, timers[i]);
        PAWL_ASSERT(status == 0);
        timers[i]->data = store;
        store->timers_open++;
    }
    const struct pawl_redis_find_handler handler = {
        .context = store, .on_master = on_master, .on_slots = on_slots, .on_fail = on_find_fail
    };
    if (store->url.topology != PAWL_REDIS_SINGLE)
        store->find = pawl_redis_find_open(store->loop, &store->url, &handler);
    if (!pawl_redis_is_cluster(store)) {
        bool is_known = store->url.topology == PAWL_REDIS_SINGLE;
        struct pawl_redis_node *node = node_add(store, is_known ? &store->url.seeds[0] : NULL);
        for (uint32_t i = 0; i < store->routes_count; i++) store->routes[i].node = node;
        node->routes_count = store->routes_count;
    }
    (void)uv_timer_start(&store->soon, on_first, 0, 0);
}

pawl_err pawl_redis_store_open(const struct pawl_store_config *config,
                               const struct pawl_redis_options *options,
                               struct pawl_store **ret_store, const char **ret_message)
{
    struct pawl_redis_store *store = PAWL_NEW(struct pawl_redis_store);
    pawl_err err = pawl_redis_url_parse(config->url, &store->url, ret_message);
    if (err) {
        pawl_mem_free(store);
        return err;
    }
    store->store.ops = &redis_ops;
    store->loop = config->loop;
    store->on_reply = config->on_reply;
    store->on_state = config->on_state;
    store->on_clock = config->on_clock;
    store->context = config->context;
    store->partitions = config->partitions;
    store->read_only = config->read_only;
    store->timeout_ms = options->timeout_ms;
    store->waiting_max = options->waiting_max;
    store->held_ms = options->held_ms;
    store->clock_ms = options->clock_ms ? options->clock_ms : PAWL_STORE_CLOCK_MS;
    if (options->wait_ms) store->url.wait_ms = options->wait_ms;
    (void)snprintf(store->namespace_, sizeof store->namespace_, "%s", config->namespace_);
    (void)snprintf(store->app, sizeof store->app, "%s", config->app);
    store->key_head_size = (size_t)snprintf(store->key_head, sizeof store->key_head, "{%s||%s||",
                                            store->namespace_, store->app);
    pawl_list_init(&store->nodes);
    pawl_list_init(&store->routes_held);
    pawl_buf_init(&store->scratch, PAWL_STORE_REQUEST_SIZE_MAX);
    pawl_arena_init(&store->arena);
    pawl_rng_init(&store->rng, uv_hrtime());
    routes_init(store);
    store_start(store);
    *ret_store = &store->store;
    return PAWL_OK;
}

pawl_err pawl_store_redis_open(const struct pawl_store_config *config,
                               struct pawl_store **ret_store, const char **ret_message)
{
    static const struct pawl_redis_options options = { .timeout_ms = PAWL_STORE_TIMEOUT_MS,
                                                       .waiting_max = PAWL_STORE_WAITING_MAX,
                                                       .held_ms = PAWL_STORE_HELD_MS_MAX };
    return pawl_redis_store_open(config, &options, ret_store, ret_message);
}
