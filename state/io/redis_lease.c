#include "state/io/redis_lease.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/mem.h"
#include "state/io/redis_conn.h"
#include "state/io/redis_error.h"
#include "state/io/redis_find.h"
#include "state/io/redis_hello.h"

#include "lease.inc"

#define TICK_MS 100u

struct lease_request {
    struct pawl_list link;
    struct pawl_lease_request request;
    uint64_t submitted_ms;
    bool is_sent;
    uint8_t texts[]; /* holder and address */
};

struct redis_lease {
    struct pawl_lease lease;
    uv_loop_t *loop;
    uint32_t timeout_ms;
    pawl_lease_on_reply *on_reply;
    void *context;
    struct pawl_redis_url url;
    char key[96];
    struct pawl_redis_find *find; /* NULL: one server at a known place */
    bool is_asked;                /* and it has not answered yet */
    struct pawl_redis_address address;
    struct pawl_redis_conn *conn; /* NULL: none */
    bool is_open;
    uint32_t greetings; /* replies to AUTH and SELECT that are still to come */
    bool is_login_open; /* the one to AUTH is the next */
    struct pawl_list requests;
    uv_timer_t tick; /* while there are requests */
    bool is_closing;
    char why[768];
};

static void lease_pump(struct redis_lease *lease);

/* Answers --------------------------------------------------------------------------- */

static struct lease_request *request_first(struct redis_lease *lease)
{
    if (pawl_list_is_empty(&lease->requests)) return NULL;
    return PAWL_CONTAINER_OF(lease->requests.next, struct lease_request, link);
}

static void request_answer(struct redis_lease *lease, struct lease_request *request,
                           struct pawl_lease_reply *reply)
{
    pawl_list_remove(&request->link);
    if (pawl_list_is_empty(&lease->requests)) (void)uv_timer_stop(&lease->tick);
    reply->token = request->request.token;
    lease->on_reply(lease->context, reply);
    pawl_mem_free(request);
}

/* Those that were not sent have certainly done nothing. New requests of the callbacks
 * begin again. */
static void lease_lose(struct redis_lease *lease, const char *why)
{
    pawl_redis_conn_close(lease->conn);
    lease->conn = NULL;
    lease->is_open = false;
    char text[sizeof lease->why];
    (void)snprintf(text, sizeof text, "%s", why);

    struct pawl_list lost = { 0 };
    pawl_list_init(&lost);
    for (struct lease_request *request; (request = request_first(lease)) != NULL;) {
        pawl_list_remove(&request->link);
        pawl_list_push_tail(&lost, &request->link);
    }
    while (!pawl_list_is_empty(&lost) && !lease->is_closing) {
        struct lease_request *request = PAWL_CONTAINER_OF(lost.next, struct lease_request, link);
        struct pawl_lease_reply reply = {
            .err = request->is_sent ? PAWL_E_UNKNOWN : PAWL_E_UNAVAILABLE,
            .message = pawl_bytes_str(text),
        };
        request_answer(lease, request, &reply);
    }
    while (!pawl_list_is_empty(&lost)) { /* closed by a callback */
        struct lease_request *request = PAWL_CONTAINER_OF(lost.next, struct lease_request, link);
        pawl_list_remove(&request->link);
        pawl_mem_free(request);
    }
}

static struct pawl_bytes text_at(const struct pawl_redis_value *value, uint32_t index)
{
    if (index >= value->count || value->items[index].kind != PAWL_REDIS_STRING)
        return PAWL_BYTES_ABSENT;
    return value->items[index].text;
}

static uint32_t number_at(const struct pawl_redis_value *value, uint32_t index)
{
    if (index >= value->count || value->items[index].kind != PAWL_REDIS_INTEGER) return 0;
    int64_t number = value->items[index].integer;
    return number > 0 && number <= UINT32_MAX ? (uint32_t)number : 0;
}

/* False: that is no answer of our script. */
static bool reply_decode(const struct lease_request *request, const struct pawl_redis_value *value,
                         struct pawl_lease_reply *reply)
{
    if (value->kind == PAWL_REDIS_ERROR) {
        reply->err = pawl_redis_error_class(value->text);
        reply->message = value->text;
        return true;
    }
    if (value->kind != PAWL_REDIS_ARRAY) return false;
    struct pawl_bytes word = text_at(value, 0);
    bool is_take = request->request.op == PAWL_LEASE_TAKE;
    reply->epoch = number_at(value, 1);
    if (pawl_bytes_is_str(word, "OK")) return PAWL_IMPLIES(is_take, reply->epoch > 0);
    if (!pawl_bytes_is_str(word, "CONFLICT")) return false;
    reply->err = PAWL_E_CONFLICT;
    if (!is_take) return true;
    reply->holder = text_at(value, 2);
    reply->address = text_at(value, 3);
    reply->remaining_ms = number_at(value, 4);
    return reply->epoch > 0 && reply->holder.size > 0;
}

/* Connection ------------------------------------------------------------------------ */

static void greet(struct redis_lease *lease)
{
    struct pawl_buf *out = pawl_redis_conn_out(lease->conn);
    const struct pawl_redis_url *url = &lease->url;
    lease->is_login_open = pawl_redis_login(out, url->user, url->password);
    lease->greetings = lease->is_login_open ? 1 : 0;
    if (url->db == 0) return;
    char db[16];
    (void)snprintf(db, sizeof db, "%u", url->db);
    const struct pawl_bytes words[] = { PAWL_BYTES_LITERAL("SELECT"), pawl_bytes_str(db) };
    pawl_redis_command(out, 2, words);
    lease->greetings++;
}

static void request_send(struct redis_lease *lease, struct lease_request *request)
{
    char ttl[16];
    (void)snprintf(ttl, sizeof ttl, "%u", request->request.ttl_ms);
    bool is_take = request->request.op == PAWL_LEASE_TAKE;
    const struct pawl_bytes words[] = {
        PAWL_BYTES_LITERAL("EVAL"),
        pawl_bytes_make(lua_lease, sizeof lua_lease),
        PAWL_BYTES_LITERAL("1"),
        pawl_bytes_str(lease->key),
        pawl_bytes_str(is_take ? "take" : "release"),
        request->request.holder,
        request->request.address,
        pawl_bytes_str(ttl),
    };
    pawl_redis_command(pawl_redis_conn_out(lease->conn), sizeof words / sizeof words[0], words);
    request->is_sent = true;
}

static void on_open(void *context)
{
    struct redis_lease *lease = context;
    lease->is_open = true;
    greet(lease);
    pawl_redis_conn_flush(lease->conn);
    lease_pump(lease);
}

/* Not this server's lease, or not any more. */
static bool error_is_elsewhere(struct pawl_bytes text)
{
    return pawl_redis_error_is(text, "MOVED") || pawl_redis_error_is(text, "READONLY")
           || pawl_redis_error_is(text, "MASTERDOWN");
}

static void on_greeting(struct redis_lease *lease, const struct pawl_redis_value *value)
{
    bool is_login = lease->is_login_open;
    lease->is_login_open = false;
    lease->greetings--;
    if (value->kind != PAWL_REDIS_ERROR) {
        lease_pump(lease);
        return;
    }
    char what[PAWL_REDIS_ERROR_TEXT_SIZE], why[sizeof lease->why];
    pawl_redis_error_explain(value->text, is_login, what);
    (void)snprintf(why, sizeof why, "Redis at %s: %s", lease->address.text, what);
    lease_lose(lease, why);
}

static void on_value(void *context, const struct pawl_redis_value *value, struct pawl_arena *arena)
{
    (void)arena;
    struct redis_lease *lease = context;
    if (lease->greetings > 0) {
        on_greeting(lease, value);
        return;
    }
    char why[sizeof lease->why];
    struct lease_request *request = request_first(lease);
    struct pawl_lease_reply reply = { .err = PAWL_OK };
    if (request && request->is_sent && reply_decode(request, value, &reply)) {
        bool is_elsewhere = value->kind == PAWL_REDIS_ERROR && error_is_elsewhere(value->text);
        (void)snprintf(why, sizeof why, "Redis at %s: %.*s", lease->address.text,
                       PAWL_BYTES_FMT(reply.message));
        request_answer(lease, request, &reply);
        if (is_elsewhere && !lease->is_closing) lease_lose(lease, why);
        return;
    }
    (void)snprintf(why, sizeof why, "Redis at %s sent an answer to the lease that makes no sense",
                   lease->address.text);
    lease_lose(lease, why);
}

static void on_quiet(void *context)
{
    (void)context;
}

static void on_written(void *context)
{
    lease_pump(context);
}

static void on_end(void *context, const char *why)
{
    lease_lose(context, why);
}

/* PAWL_OK, or why there is no connection. */
static const char *lease_connect(struct redis_lease *lease)
{
    const struct pawl_redis_conn_handler handler = {
        .context = lease,
        .on_open = on_open,
        .on_value = on_value,
        .on_read = on_quiet,
        .on_written = on_written,
        .on_end = on_end,
    };
    const char *why = NULL;
    lease->conn = pawl_redis_conn_open(lease->loop, &lease->url, &lease->address, &handler, &why);
    return lease->conn ? NULL : why;
}

static void lease_reach(struct redis_lease *lease)
{
    const char *why = lease_connect(lease);
    if (why) lease_lose(lease, why);
}

/* A place that was asked for, or that the sentinels tell unasked. */
static void lease_on_place(struct redis_lease *lease, const struct pawl_redis_address *address)
{
    lease->is_asked = false;
    if (lease->conn && pawl_redis_address_is_equal(&lease->address, address)) return;
    lease->address = *address;
    if (lease->conn) lease_lose(lease, "Redis has another master now");
    if (!lease->is_closing && !lease->conn && request_first(lease)) lease_reach(lease);
}

static void on_master(void *context, const struct pawl_redis_address *address)
{
    lease_on_place(context, address);
}

static void on_slots(void *context, const struct pawl_redis_slots *slots)
{
    struct redis_lease *lease = context;
    uint16_t master = slots->masters[pawl_redis_slot(pawl_bytes_str(lease->key))];
    if (master != PAWL_REDIS_SLOT_NOBODY) {
        lease_on_place(lease, &slots->nodes[master]);
        return;
    }
    lease->is_asked = false;
    lease_lose(lease, "no node of the Redis cluster holds the slot of the lease");
}

static void on_find_fail(void *context, const char *why)
{
    struct redis_lease *lease = context;
    lease->is_asked = false;
    lease_lose(lease, why);
}

static void lease_pump(struct redis_lease *lease)
{
    if (!lease->conn || !lease->is_open || lease->greetings > 0) return;
    if (!pawl_redis_conn_is_writable(lease->conn)) return;
    for (struct pawl_list *link = lease->requests.next; link != &lease->requests;
         link = link->next) {
        struct lease_request *request = PAWL_CONTAINER_OF(link, struct lease_request, link);
        if (!request->is_sent) request_send(lease, request);
    }
    pawl_redis_conn_flush(lease->conn);
}

static void on_tick(uv_timer_t *timer)
{
    struct redis_lease *lease = timer->data;
    struct lease_request *request = request_first(lease);
    if (!request) return;
    if (!lease->conn && !lease->find) {
        lease_reach(lease);
        return;
    }
    if (!lease->conn && !lease->is_asked) {
        lease->is_asked = true;
        pawl_redis_find_ask(lease->find, NULL);
    }
    if (uv_now(lease->loop) < request->submitted_ms + lease->timeout_ms) return;
    char why[sizeof lease->why];
    (void)snprintf(why, sizeof why, "Redis at %s has not answered for %u ms", lease->address.text,
                   (unsigned)lease->timeout_ms);
    lease_lose(lease, why);
}

/* The port -------------------------------------------------------------------------- */

static struct redis_lease *lease_of(struct pawl_lease *base)
{
    return PAWL_CONTAINER_OF(base, struct redis_lease, lease);
}

static void redis_lease_submit(struct pawl_lease *base, const struct pawl_lease_request *request)
{
    struct redis_lease *lease = lease_of(base);
    PAWL_ASSERT(!lease->is_closing);
    size_t size = request->holder.size + request->address.size;
    struct lease_request *copy = pawl_mem_alloc(sizeof *copy + size);
    copy->request = *request;
    copy->submitted_ms = uv_now(lease->loop);
    uint8_t *address = copy->texts + request->holder.size;
    memcpy(copy->texts, request->holder.data, request->holder.size);
    memcpy(address, request->address.data, request->address.size);
    copy->request.holder = pawl_bytes_make(copy->texts, request->holder.size);
    copy->request.address = pawl_bytes_make(address, request->address.size);

    /* The timer connects: failures must not be answered from in here. */
    bool is_first = pawl_list_is_empty(&lease->requests);
    pawl_list_push_tail(&lease->requests, &copy->link);
    if (is_first || !lease->conn) (void)uv_timer_start(&lease->tick, on_tick, 0, TICK_MS);
    lease_pump(lease);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct redis_lease *lease = handle->data;
    explicit_bzero(&lease->url, sizeof lease->url);
    pawl_mem_free(lease);
}

static void redis_lease_close(struct pawl_lease *base)
{
    struct redis_lease *lease = lease_of(base);
    PAWL_ASSERT(!lease->is_closing);
    lease->is_closing = true;
    pawl_redis_conn_close(lease->conn);
    lease->conn = NULL;
    pawl_redis_find_close(lease->find);
    for (struct lease_request *request; (request = request_first(lease)) != NULL;) {
        pawl_list_remove(&request->link);
        pawl_mem_free(request);
    }
    uv_close((uv_handle_t *)&lease->tick, on_timer_closed);
}

pawl_err pawl_redis_lease_open(const struct pawl_redis_lease_config *config,
                               struct pawl_lease **ret_lease, const char **ret_message)
{
    static const struct pawl_lease_ops ops = { .submit = redis_lease_submit,
                                               .close = redis_lease_close };
    PAWL_ASSERT(strlen(config->name) <= PAWL_LEASE_NAME_SIZE_MAX);
    struct pawl_redis_url url;
    pawl_err err = pawl_redis_url_parse(config->url, &url, ret_message);
    if (err != PAWL_OK) return err;

    struct redis_lease *lease = PAWL_NEW(struct redis_lease);
    lease->lease.ops = &ops;
    lease->loop = config->loop;
    lease->timeout_ms = config->timeout_ms ? config->timeout_ms : PAWL_LEADER_TIMEOUT_MS;
    lease->on_reply = config->on_reply;
    lease->context = config->context;
    lease->url = url;
    explicit_bzero(&url, sizeof url);
    (void)snprintf(lease->key, sizeof lease->key, "{pawl}||lease||%s", config->name);
    lease->address = lease->url.seeds[0];
    const struct pawl_redis_find_handler handler = {
        .context = lease, .on_master = on_master, .on_slots = on_slots, .on_fail = on_find_fail
    };
    if (lease->url.topology != PAWL_REDIS_SINGLE)
        lease->find = pawl_redis_find_open(lease->loop, &lease->url, &handler);
    pawl_list_init(&lease->requests);
    int status = uv_timer_init(lease->loop, &lease->tick);
    PAWL_ASSERT(status == 0);
    lease->tick.data = lease;
    *ret_lease = &lease->lease;
    return PAWL_OK;
}
