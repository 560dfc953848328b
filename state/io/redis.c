#include "state/io/redis.h"

#include <stdio.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/rng.h"
#include "state/io/redis_conn.h"
#include "state/io/redis_decode.h"
#include "state/io/redis_encode.h"
#include "state/io/redis_error.h"
#include "state/io/redis_hello.h"
#include "state/io/redis_script.h"

/* How often the oldest request is looked at. */
#define TICK_MS 250u

/* The loop itself stood still for this long: let replies that have arrived be read
 * before anything is called late. */
#define STALL_MS 1000u

/* One batch; what waits beyond it goes with the next. */
#define BATCH_SIZE_MAX (8u << 20)

/* Two names of 64 bytes, their separators, four digits, and room. */
#define KEY_SIZE_MAX 160u

enum redis_state {
    REDIS_AWAY = 1,   /* no connection; `retry` is running */
    REDIS_CONNECTING, /* until the hello is through */
    REDIS_READY,
};

struct redis_request {
    struct pawl_list link; /* on waiting, in_flight or again */
    uint64_t token;
    enum pawl_store_op op;
    uint32_t partition;
    uint32_t history_from; /* LOAD: the reply repeats it */
    pawl_err local_err;    /* not PAWL_OK: never sent, answered with this */
    bool send_source;      /* EVAL instead of EVALSHA */
    uint64_t written_ms;
    size_t body_size;
    uint8_t body[];
};

struct redis_store {
    struct pawl_store store;
    uv_loop_t *loop;
    pawl_store_on_reply *on_reply;
    void (*on_state)(void *context, bool ready, const char *why);
    void *context;
    uint32_t partitions;
    uint32_t timeout_ms;
    uint32_t waiting_max;
    struct pawl_redis_url url;
    char namespace_[65];
    char app[65];
    char key_head[KEY_SIZE_MAX]; /* {namespace||app|| */
    size_t key_head_size;

    enum redis_state state;
    struct pawl_redis_conn *conn; /* NULL when AWAY */
    struct pawl_redis_hello hello;
    uint64_t connect_started_ms;
    uint32_t failures; /* attempts since the last success */
    bool is_version_wrong;

    struct pawl_list waiting; /* oldest first */
    uint32_t waiting_count;
    uint32_t waiting_eligible; /* the first so many were flushed by the caller */
    size_t waiting_size;
    struct pawl_list in_flight; /* in the order of sending */
    uint32_t in_flight_count;
    struct pawl_list again; /* the server did not know their script */
    bool is_draining;       /* nothing is sent until in_flight is empty */
    bool is_leaving;        /* as above, and then the connection is given up */

    uv_timer_t retry;
    uv_timer_t tick; /* while connected or connecting */
    uv_timer_t soon; /* to answer without being inside submit */
    uint64_t ticked_ms;
    uint64_t progress_ms; /* bytes went either way */
    size_t unsent_size;   /* at the last tick */
    uint32_t timers_open;
    bool is_closing;
    bool is_calling; /* inside on_reply */
    bool is_ready_reported;
    char why[512]; /* the last reported reason */

    struct pawl_rng rng;
    struct pawl_buf scratch;
    struct pawl_arena arena;
};

static void store_connect(struct redis_store *store);
static void store_pump(struct redis_store *store);

static struct redis_request *first_of(const struct pawl_list *list)
{
    if (pawl_list_is_empty(list)) return NULL;
    return PAWL_CONTAINER_OF(list->next, struct redis_request, link);
}

static void store_check(const struct redis_store *store)
{
    PAWL_ASSERT(store->waiting_eligible <= store->waiting_count);
    PAWL_ASSERT(store->in_flight_count <= PAWL_STORE_IN_FLIGHT_MAX);
    PAWL_ASSERT(pawl_list_is_empty(&store->waiting) == (store->waiting_count == 0));
    PAWL_ASSERT(pawl_list_is_empty(&store->in_flight) == (store->in_flight_count == 0));
    PAWL_ASSERT(PAWL_IMPLIES(store->state == REDIS_AWAY, store->conn == NULL));
    PAWL_ASSERT(PAWL_IMPLIES(store->state != REDIS_READY, store->in_flight_count == 0));
}

/* Answers ---------------------------------------------------------------------- */

/* The request is on no list any more and ends here. */
static void request_answer(struct redis_store *store, struct redis_request *request,
                           struct pawl_store_reply *reply)
{
    reply->token = request->token;
    reply->op = request->op;
    reply->partition = request->partition;
    pawl_mem_free(request);
    store->is_calling = true;
    store->on_reply(store->context, reply);
    store->is_calling = false;
}

static void request_fail(struct redis_store *store, struct redis_request *request, pawl_err err,
                         const char *why)
{
    struct pawl_store_reply reply = { .err = request->local_err ? request->local_err : err };
    switch (request->local_err) {
    case PAWL_OK: reply.message = pawl_bytes_str(why); break;
    case PAWL_E_INVALID: reply.message = pawl_bytes_str("no such partition"); break;
    case PAWL_E_TOO_LARGE: reply.message = pawl_bytes_str("the request is too large"); break;
    default: reply.message = pawl_bytes_str("too many requests wait for Redis"); break;
    }
    request_answer(store, request, &reply);
}

static struct redis_request *take_waiting(struct redis_store *store)
{
    struct redis_request *request = first_of(&store->waiting);
    if (!request) return NULL;
    pawl_list_remove(&request->link);
    store->waiting_count--;
    store->waiting_size -= request->body_size;
    if (store->waiting_eligible > 0) store->waiting_eligible--;
    return request;
}

static struct redis_request *take_in_flight(struct redis_store *store)
{
    struct redis_request *request = first_of(&store->in_flight);
    if (!request) return NULL;
    pawl_list_remove(&request->link);
    store->in_flight_count--;
    return request;
}

static struct redis_request *take_again(struct redis_store *store, uint32_t partition, bool any)
{
    for (struct pawl_list *link = store->again.next; link != &store->again; link = link->next) {
        struct redis_request *request = PAWL_CONTAINER_OF(link, struct redis_request, link);
        if (!any && request->partition != partition) continue;
        pawl_list_remove(link);
        return request;
    }
    return NULL;
}

/* Everything that waits now; what callbacks add waits for the next occasion. */
static void fail_waiting(struct redis_store *store, pawl_err err, const char *why)
{
    for (uint32_t count = store->waiting_count; count > 0; count--)
        request_fail(store, take_waiting(store), err, why);
}

/* The server forgot our scripts. What it answers meanwhile on the same partition was
 * applied out of turn, so the earlier one is refused rather than applied late. */
static void answer_overtaken(struct redis_store *store, uint32_t partition)
{
    if (pawl_list_is_empty(&store->again)) return;
    for (struct redis_request *request = take_again(store, partition, false); request;
         request = take_again(store, partition, false))
        request_fail(store, request, PAWL_E_UNAVAILABLE,
                     "Redis lost its script cache while requests were on their way");
}

/* Requests at the front of in_flight that need no reply from Redis. */
static void settle(struct redis_store *store)
{
    for (;;) {
        struct redis_request *request = first_of(&store->in_flight);
        if (!request || !request->local_err) return;
        (void)take_in_flight(store);
        answer_overtaken(store, request->partition);
        request_fail(store, request, request->local_err, "");
    }
}

static void on_soon(uv_timer_t *timer)
{
    struct redis_store *store = timer->data;
    if (store->is_version_wrong) fail_waiting(store, PAWL_E_VERSION, store->why);
    settle(store);
    if (store->state == REDIS_READY) {
        store_pump(store);
        return;
    }
    for (struct redis_request *first = first_of(&store->waiting); first && first->local_err;
         first = first_of(&store->waiting))
        request_fail(store, take_waiting(store), first->local_err, "");
}

static void answer_soon(struct redis_store *store)
{
    if (!uv_is_active((uv_handle_t *)&store->soon))
        (void)uv_timer_start(&store->soon, on_soon, 0, 0);
}

/* State ------------------------------------------------------------------------ */

static void report(struct redis_store *store, bool ready, const char *why)
{
    bool is_news = ready != store->is_ready_reported || strcmp(why, store->why) != 0;
    store->is_ready_reported = ready;
    (void)snprintf(store->why, sizeof store->why, "%s", why);
    if (is_news && store->on_state) store->on_state(store->context, ready, store->why);
}

static void on_retry(uv_timer_t *timer)
{
    store_connect(timer->data);
}

/* Doubling with jitter, so that a herd of sidecars spreads. */
static uint64_t retry_delay_ms(struct redis_store *store)
{
    uint64_t delay_ms = PAWL_RECONNECT_MS_MAX;
    if (store->failures < 6) delay_ms = (uint64_t)PAWL_RECONNECT_MS_MIN << store->failures;
    if (delay_ms > PAWL_RECONNECT_MS_MAX) delay_ms = PAWL_RECONNECT_MS_MAX;
    store->failures++;
    return delay_ms / 2 + pawl_rng_below(&store->rng, delay_ms / 2 + 1);
}

/* Without a connection from here on. What was written may or may not have been applied;
 * what the server sent back for want of its script was not. */
static void store_lose(struct redis_store *store, const char *why)
{
    char text[sizeof store->why];
    (void)snprintf(text, sizeof text, "%s", why);
    pawl_redis_conn_close(store->conn);
    store->conn = NULL;
    store->state = REDIS_AWAY;
    store->is_draining = false;
    store->is_leaving = false;
    (void)uv_timer_stop(&store->tick);
    (void)uv_timer_start(&store->retry, on_retry, retry_delay_ms(store), 0);

    for (struct redis_request *request = take_again(store, 0, true); request;
         request = take_again(store, 0, true))
        request_fail(store, request, PAWL_E_UNAVAILABLE, text);
    for (struct redis_request *request = take_in_flight(store); request;
         request = take_in_flight(store))
        request_fail(store, request, PAWL_E_UNKNOWN, text);
    report(store, false, text);
    if (store->is_version_wrong) fail_waiting(store, PAWL_E_VERSION, store->why);
    store_check(store);
}

/* Replies come in order, so any bytes that arrive belong to the oldest request: a slow
 * transfer or a busy server is not a dead one. */
static bool request_is_late(struct redis_store *store, uint64_t now_ms)
{
    size_t unsent_size = pawl_redis_conn_unsent(store->conn);
    if (unsent_size != store->unsent_size) store->progress_ms = now_ms;
    store->unsent_size = unsent_size;

    const struct redis_request *oldest = first_of(&store->in_flight);
    if (!oldest) return false;
    uint64_t since_ms = oldest->written_ms;
    if (store->progress_ms > since_ms) since_ms = store->progress_ms;
    return now_ms - since_ms >= store->timeout_ms;
}

static void on_tick(uv_timer_t *timer)
{
    struct redis_store *store = timer->data;
    uint64_t now_ms = uv_now(store->loop);
    bool stalled = now_ms - store->ticked_ms > STALL_MS;
    store->ticked_ms = now_ms;
    if (stalled) return;

    char why[400];
    if (store->state == REDIS_CONNECTING) {
        if (now_ms - store->connect_started_ms < store->timeout_ms) return;
        (void)snprintf(why, sizeof why, "Redis at %s: no answer to the connection within %u ms",
                       store->url.text, (unsigned)store->timeout_ms);
        store_lose(store, why);
        return;
    }
    settle(store);
    if (!request_is_late(store, now_ms)) return;
    (void)snprintf(why, sizeof why, "Redis at %s: no reply within %u ms", store->url.text,
                   (unsigned)store->timeout_ms);
    store_lose(store, why);
}

/* Sending ---------------------------------------------------------------------- */

/* {namespace||app||017}||: what the keys of a partition begin with. */
static size_t key_format(const struct redis_store *store, uint32_t partition,
                         char key[static KEY_SIZE_MAX])
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

static void request_write(struct redis_store *store, const struct redis_request *request,
                          struct pawl_buf *out)
{
    char key[KEY_SIZE_MAX];
    size_t key_size = key_format(store, request->partition, key);
    struct pawl_bytes words[] = { PAWL_BYTES_LITERAL("EVALSHA"),
                                  pawl_bytes_make(store->hello.sha[request->op], 40),
                                  PAWL_BYTES_LITERAL("1"), pawl_bytes_make(key, key_size),
                                  pawl_bytes_make(request->body, request->body_size) };
    if (request->send_source) {
        words[0] = PAWL_BYTES_LITERAL("EVAL");
        words[1] = pawl_redis_script((int)request->op);
    }
    pawl_redis_command(out, 5, words);
}

static void request_send(struct redis_store *store, struct redis_request *request)
{
    request->written_ms = uv_now(store->loop);
    pawl_list_push_tail(&store->in_flight, &request->link);
    store->in_flight_count++;
    if (request->local_err)
        answer_soon(store);
    else
        request_write(store, request, pawl_redis_conn_out(store->conn));
}

/* Scripts that the server had lost go with their source, in their old order. */
static void send_again(struct redis_store *store)
{
    for (struct redis_request *request = take_again(store, 0, true); request;
         request = take_again(store, 0, true)) {
        request->send_source = true;
        request_send(store, request);
    }
}

static void store_pump(struct redis_store *store)
{
    if (store->state != REDIS_READY) return;
    if (store->is_draining || store->is_leaving) return;
    if (!pawl_redis_conn_is_writable(store->conn)) return;

    const struct pawl_buf *out = pawl_redis_conn_out(store->conn);
    while (store->waiting_eligible > 0 && store->in_flight_count < PAWL_STORE_IN_FLIGHT_MAX
           && out->size < BATCH_SIZE_MAX)
        request_send(store, take_waiting(store));
    pawl_redis_conn_flush(store->conn);
    store_check(store);
}

/* Connection ------------------------------------------------------------------- */

static void on_open(void *context)
{
    struct redis_store *store = context;
    pawl_redis_hello_start(&store->hello, pawl_redis_conn_out(store->conn));
    pawl_redis_conn_flush(store->conn);
}

static void on_hello_value(struct redis_store *store, const struct pawl_redis_value *value)
{
    bool done = false;
    pawl_err err =
        pawl_redis_hello_on_value(&store->hello, value, pawl_redis_conn_out(store->conn), &done);
    if (err) {
        store->is_version_wrong = err == PAWL_E_VERSION;
        store_lose(store, store->hello.why);
        return;
    }
    if (!done) {
        if (pawl_redis_conn_is_writable(store->conn)) pawl_redis_conn_flush(store->conn);
        return;
    }
    store->state = REDIS_READY;
    store->partitions = store->store.partitions = store->hello.partitions;
    store->failures = 0;
    char text[sizeof store->why];
    (void)snprintf(text, sizeof text, "connected to Redis at %s%s", store->url.text,
                   store->hello.may_evict ? ", which may drop workflow state when its memory is "
                                            "full: set maxmemory-policy to noeviction"
                                          : "");
    report(store, true, text);
    store_pump(store);
}

/* This server is not, or no more, the one that may be written to; the address may lead to
 * another one by now. */
static bool error_is_wrong_server(struct pawl_bytes text)
{
    return pawl_redis_error_is(text, "READONLY") || pawl_redis_error_is(text, "MASTERDOWN")
           || pawl_redis_error_is(text, "NOAUTH");
}

static void request_on_value(struct redis_store *store, struct redis_request *request,
                             const struct pawl_redis_value *value, struct pawl_arena *arena)
{
    struct pawl_store_reply reply = { .op = request->op };
    if (value->kind == PAWL_REDIS_ERROR) {
        reply.err = pawl_redis_error_class(value->text);
        reply.message = value->text;
        store->is_leaving = store->is_leaving || error_is_wrong_server(value->text);
    } else {
        pawl_redis_decode(value, arena, &reply);
        if (request->op == PAWL_STORE_LOAD && reply.err == PAWL_OK)
            reply.load.snapshot.history_from = request->history_from;
    }
    answer_overtaken(store, request->partition);
    request_answer(store, request, &reply);
}

static void on_value(void *context, const struct pawl_redis_value *value, struct pawl_arena *arena)
{
    struct redis_store *store = context;
    if (store->state == REDIS_CONNECTING) {
        on_hello_value(store, value);
        return;
    }
    settle(store);
    struct redis_request *request = take_in_flight(store);
    if (!request) {
        char why[400];
        (void)snprintf(why, sizeof why, "Redis at %s: a reply that belongs to no request",
                       store->url.text);
        store_lose(store, why);
        return;
    }
    bool is_lost_script = value->kind == PAWL_REDIS_ERROR
                          && pawl_redis_error_is_noscript(value->text) && !request->send_source;
    if (is_lost_script) {
        pawl_list_push_tail(&store->again, &request->link);
        store->is_draining = true;
    } else {
        request_on_value(store, request, value, arena);
    }
    settle(store);
}

static void on_read(void *context)
{
    struct redis_store *store = context;
    store->progress_ms = uv_now(store->loop);
    if (store->state != REDIS_READY) return;
    if (store->is_leaving && store->in_flight_count == 0) {
        char why[400];
        (void)snprintf(why, sizeof why, "Redis at %s: refuses writes", store->url.text);
        store_lose(store, why);
        return;
    }
    if (store->is_draining && store->in_flight_count == 0
        && pawl_redis_conn_is_writable(store->conn)) {
        store->is_draining = false;
        send_again(store);
        pawl_redis_conn_flush(store->conn);
    }
    store_pump(store);
}

static void on_written(void *context)
{
    struct redis_store *store = context;
    if (store->state == REDIS_READY)
        on_read(store);
    else if (pawl_redis_conn_is_writable(store->conn))
        pawl_redis_conn_flush(store->conn);
}

static void on_end(void *context, const char *why)
{
    struct redis_store *store = context;
    char text[sizeof store->why];
    (void)snprintf(text, sizeof text, "%s", why);
    store_lose(store, text);
}

static void store_connect(struct redis_store *store)
{
    static const struct pawl_redis_conn_handler callbacks = {
        .on_open = on_open,
        .on_value = on_value,
        .on_read = on_read,
        .on_written = on_written,
        .on_end = on_end,
    };
    struct pawl_redis_conn_handler handler = callbacks;
    handler.context = store;
    PAWL_ASSERT(store->state == REDIS_AWAY);
    store->is_version_wrong = false; /* to be found out anew */

    const char *why = "";
    store->conn = pawl_redis_conn_open(store->loop, &store->url, &handler, &why);
    if (!store->conn) {
        store_lose(store, why);
        return;
    }
    store->state = REDIS_CONNECTING;
    store->connect_started_ms = uv_now(store->loop);
    store->ticked_ms = store->connect_started_ms;
    (void)uv_timer_start(&store->tick, on_tick, TICK_MS, TICK_MS);
}

/* The port --------------------------------------------------------------------- */

static struct redis_request *request_new(struct redis_store *store,
                                         const struct pawl_store_request *request)
{
    pawl_err err = request->partition < store->partitions ? PAWL_OK : PAWL_E_INVALID;
    pawl_buf_clear(&store->scratch);
    pawl_arena_reset(&store->arena);
    if (!err) {
        pawl_redis_encode(&store->scratch, &store->arena, request);
        err = store->scratch.bad;
    }
    size_t size = err ? 0 : store->scratch.size;
    bool is_full = store->waiting_count >= store->waiting_max
                   || store->waiting_size + size > PAWL_STORE_WAITING_SIZE_MAX;
    if (!err && is_full) {
        err = PAWL_E_UNAVAILABLE;
        size = 0;
    }
    struct redis_request *copy = pawl_mem_resize(NULL, sizeof *copy + size);
    *copy = (struct redis_request){
        .token = request->token,
        .op = request->op,
        .partition = request->partition,
        .history_from = request->op == PAWL_STORE_LOAD && request->load.want & PAWL_LOAD_HISTORY
                            ? request->load.history_from
                            : 0,
        .local_err = err,
        .body_size = size,
    };
    if (size) memcpy(copy->body, store->scratch.data, size);
    return copy;
}

/* Without a connection nothing before this one will be answered soon, so a full queue
 * is given back as a whole, in order. */
static void mark_waiting_refused(struct redis_store *store)
{
    for (struct pawl_list *link = store->waiting.next; link != &store->waiting; link = link->next) {
        struct redis_request *request = PAWL_CONTAINER_OF(link, struct redis_request, link);
        if (!request->local_err) request->local_err = PAWL_E_UNAVAILABLE;
    }
}

static void redis_submit(struct pawl_store *base, const struct pawl_store_request *request)
{
    struct redis_store *store = PAWL_CONTAINER_OF(base, struct redis_store, store);
    PAWL_ASSERT(!store->is_closing);
    PAWL_ASSERT(request->op > 0);
    PAWL_ASSERT(request->op < PAWL_STORE_OPS_END);

    struct redis_request *copy = request_new(store, request);
    pawl_list_push_tail(&store->waiting, &copy->link);
    store->waiting_count++;
    store->waiting_size += copy->body_size;
    if (copy->local_err == PAWL_E_UNAVAILABLE && store->state != REDIS_READY)
        mark_waiting_refused(store);
    if (copy->local_err || store->is_version_wrong) answer_soon(store);
}

static void redis_flush(struct pawl_store *base)
{
    struct redis_store *store = PAWL_CONTAINER_OF(base, struct redis_store, store);
    store->waiting_eligible = store->waiting_count;
    store_pump(store);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct redis_store *store = handle->data;
    if (--store->timers_open > 0) return;
    explicit_bzero(&store->url, sizeof store->url);
    pawl_buf_deinit(&store->scratch);
    pawl_arena_deinit(&store->arena);
    pawl_mem_free(store);
}

static void redis_close(struct pawl_store *base)
{
    struct redis_store *store = PAWL_CONTAINER_OF(base, struct redis_store, store);
    PAWL_ASSERT(!store->is_calling);
    PAWL_ASSERT(!store->is_closing);
    store->is_closing = true;
    pawl_redis_conn_close(store->conn);
    store->conn = NULL;
    store->state = REDIS_AWAY;

    for (struct redis_request *request = take_again(store, 0, true); request;
         request = take_again(store, 0, true))
        request_fail(store, request, PAWL_E_UNAVAILABLE, "the store was closed");
    for (struct redis_request *request = take_in_flight(store); request;
         request = take_in_flight(store))
        request_fail(store, request, PAWL_E_UNKNOWN, "the store was closed");
    fail_waiting(store, PAWL_E_UNAVAILABLE, "the store was closed");

    uv_close((uv_handle_t *)&store->retry, on_timer_closed);
    uv_close((uv_handle_t *)&store->tick, on_timer_closed);
    uv_close((uv_handle_t *)&store->soon, on_timer_closed);
}

static const struct pawl_store_ops redis_ops = {
    .submit = redis_submit,
    .flush = redis_flush,
    .close = redis_close,
};

static void store_start_timers(struct redis_store *store)
{
    uv_timer_t *timers[] = { &store->retry, &store->tick, &store->soon };
    for (size_t i = 0; i < sizeof timers / sizeof *timers; i++) {
        int status = uv_timer_init(store->loop, timers[i]);
        PAWL_ASSERT(status == 0);
        timers[i]->data = store;
        store->timers_open++;
    }
    /* The first attempt comes from the loop, because on_state must not be called from
     * inside open. */
    (void)uv_timer_start(&store->retry, on_retry, 0, 0);
}

pawl_err pawl_redis_store_open(const struct pawl_store_config *config,
                               const struct pawl_redis_options *options,
                               struct pawl_store **ret_store, const char **ret_message)
{
    struct pawl_redis_url url;
    pawl_err err = pawl_redis_url_parse(config->url, &url, ret_message);
    if (err) return err;

    struct redis_store *store = PAWL_NEW(struct redis_store);
    store->store.ops = &redis_ops;
    store->loop = config->loop;
    store->on_reply = config->on_reply;
    store->on_state = config->on_state;
    store->context = config->context;
    store->partitions = config->partitions;
    store->timeout_ms = options->timeout_ms;
    store->waiting_max = options->waiting_max;
    store->url = url;
    (void)snprintf(store->namespace_, sizeof store->namespace_, "%s", config->namespace_);
    (void)snprintf(store->app, sizeof store->app, "%s", config->app);
    store->key_head_size = (size_t)snprintf(store->key_head, sizeof store->key_head, "{%s||%s||",
                                            store->namespace_, store->app);
    store->state = REDIS_AWAY;
    store->hello = (struct pawl_redis_hello){ .url = &store->url,
                                              .namespace_ = store->namespace_,
                                              .app = store->app,
                                              .partitions = config->partitions,
                                              .read_only = config->read_only };
    pawl_list_init(&store->waiting);
    pawl_list_init(&store->in_flight);
    pawl_list_init(&store->again);
    pawl_buf_init(&store->scratch, PAWL_STORE_REQUEST_SIZE_MAX);
    pawl_arena_init(&store->arena);
    pawl_rng_init(&store->rng, uv_hrtime());
    store_start_timers(store);
    explicit_bzero(&url, sizeof url);
    *ret_store = &store->store;
    return PAWL_OK;
}

pawl_err pawl_store_redis_open(const struct pawl_store_config *config,
                               struct pawl_store **ret_store, const char **ret_message)
{
    static const struct pawl_redis_options options = { .timeout_ms = PAWL_STORE_TIMEOUT_MS,
                                                       .waiting_max = PAWL_STORE_WAITING_MAX };
    return pawl_redis_store_open(config, &options, ret_store, ret_message);
}
