#include "state/io/redis_find.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/fsm.h"
#include "base/mem.h"
#include "base/rng.h"
#include "state/io/redis_conn.h"
#include "state/io/redis_error.h"
#include "state/io/redis_hello.h"

/* Between two rounds at least: a failover makes many callers curious. */
#define ROUND_MS_MIN 100u

/* A sentinel that was listened to went away: nothing is wrong with the master. */
#define LISTEN_AGAIN_MS 1000u

enum find_state {
    FIND_IDLE = 1,
    FIND_PAUSED, /* the timer starts a round */
    FIND_ASKING, /* one of them; the timer gives it up */
    FIND_LISTENING,
    FIND_CLOSED,
};

static const struct pawl_fsm_state find_states[] = {
    [FIND_IDLE] = { "idle", PAWL_FSM_BIT(FIND_PAUSED) | PAWL_FSM_BIT(FIND_CLOSED) },
    [FIND_PAUSED] = { "paused", PAWL_FSM_BIT(FIND_ASKING) | PAWL_FSM_BIT(FIND_CLOSED) },
    [FIND_ASKING] = { "asking", PAWL_FSM_BIT(FIND_IDLE) | PAWL_FSM_BIT(FIND_PAUSED)
                                    | PAWL_FSM_BIT(FIND_LISTENING) | PAWL_FSM_BIT(FIND_CLOSED) },
    [FIND_LISTENING] = { "listening", PAWL_FSM_BIT(FIND_PAUSED) | PAWL_FSM_BIT(FIND_CLOSED) },
};

struct pawl_redis_find {
    uv_loop_t *loop;
    const struct pawl_redis_url *url;
    struct pawl_redis_find_handler handler;
    uint8_t state;
    struct pawl_redis_conn *conn;
    struct pawl_redis_address asked; /* the one on `conn` */
    bool is_login_open;              /* the reply to AUTH has not come yet */
    bool has_prefer;
    struct pawl_redis_address prefer;
    uint32_t next;                  /* of the candidates */
    uint32_t left;                  /* in this round */
    uint32_t failures;              /* rounds since the last answer */
    uint64_t ended_ms;              /* the last round */
    bool has_ended;                 /* there was one */
    struct pawl_redis_slots *slots; /* CLUSTER: the last answer */
    uv_timer_t timer;
    struct pawl_rng rng;
    char why[768]; /* the last one who did not answer */
};

static void find_try(struct pawl_redis_find *find);

static void find_move(struct pawl_redis_find *find, enum find_state next)
{
    pawl_fsm_move(find_states, &find->state, (uint8_t)next);
}

static bool find_is_sentinel(const struct pawl_redis_find *find)
{
    return find->url->topology == PAWL_REDIS_SENTINEL;
}

/* Candidates: what the URL names, then what the cluster said it consists of. */

static uint32_t candidates_count(const struct pawl_redis_find *find)
{
    return find->url->seeds_count + (find->slots ? find->slots->nodes_count : 0);
}

static const struct pawl_redis_address *candidate_at(const struct pawl_redis_find *find,
                                                     uint32_t index)
{
    uint32_t seeds = find->url->seeds_count;
    return index < seeds ? &find->url->seeds[index] : &find->slots->nodes[index - seeds];
}

/* Rounds ----------------------------------------------------------------------- */

static void find_drop_conn(struct pawl_redis_find *find)
{
    pawl_redis_conn_close(find->conn);
    find->conn = NULL;
}

static void find_start_round(struct pawl_redis_find *find)
{
    find_drop_conn(find);
    find_move(find, FIND_ASKING);
    find->left = candidates_count(find);
    find_try(find);
}

static void on_timer(uv_timer_t *timer)
{
    struct pawl_redis_find *find = timer->data;
    if (find->state == FIND_PAUSED) {
        find_start_round(find);
        return;
    }
    if (find->state != FIND_ASKING) return;
    (void)snprintf(find->why, sizeof find->why, "%s: no answer within %u ms", find->asked.text,
                   PAWL_REDIS_FIND_MS);
    find_drop_conn(find);
    find_try(find);
}

static void find_pause(struct pawl_redis_find *find, uint64_t delay_ms)
{
    find_drop_conn(find);
    find_move(find, FIND_PAUSED);
    (void)uv_timer_start(&find->timer, on_timer, delay_ms, 0);
}

static void find_end_round(struct pawl_redis_find *find)
{
    find->ended_ms = uv_now(find->loop);
    find->has_ended = true;
    (void)uv_timer_stop(&find->timer);
}

static void find_fail_round(struct pawl_redis_find *find)
{
    find_end_round(find);
    find_pause(find, pawl_redis_backoff_ms(&find->failures, &find->rng));

    char why[sizeof find->why + 64];
    (void)snprintf(why, sizeof why, "%s: %s",
                   find_is_sentinel(find) ? "no Redis sentinel helps"
                                          : "no node of the Redis cluster answers",
                   find->why);
    find->handler.on_fail(find->handler.context, why);
}

/* Answers ---------------------------------------------------------------------- */

/* This one did not help; on with the next. */
static void find_reject(struct pawl_redis_find *find, const char *what, struct pawl_bytes detail)
{
    (void)snprintf(find->why, sizeof find->why, "%s: %s%s%.*s", find->asked.text, what,
                   detail.size ? ": " : "", (int)(detail.size < 200 ? detail.size : 200),
                   detail.size ? (const char *)detail.data : "");
    find_drop_conn(find);
    find_try(find);
}

static bool master_take(const struct pawl_redis_value *host, const struct pawl_redis_value *port,
                        struct pawl_redis_address *ret_address)
{
    return host->kind == PAWL_REDIS_STRING && port->kind == PAWL_REDIS_STRING
           && pawl_redis_address_set(ret_address, host->text, port->text);
}

static void find_on_master(struct pawl_redis_find *find, const struct pawl_redis_value *value)
{
    struct pawl_redis_address master;
    if (value->kind != PAWL_REDIS_ARRAY || value->count != 2
        || !master_take(&value->items[0], &value->items[1], &master)) {
        find_reject(find, "this sentinel knows no master named",
                    pawl_bytes_str(find->url->service));
        return;
    }
    find_end_round(find);
    find->failures = 0;
    find_move(find, FIND_LISTENING);
    find->handler.on_master(find->handler.context, &master);
}

static void find_on_slots(struct pawl_redis_find *find, const struct pawl_redis_value *value)
{
    struct pawl_redis_slots *slots = PAWL_NEW(struct pawl_redis_slots);
    if (pawl_redis_slots_parse(value, find->asked.host, slots) || slots->nodes_count == 0) {
        pawl_mem_free(slots);
        find_reject(find, "this node knows no slots of the cluster", PAWL_BYTES_ABSENT);
        return;
    }
    pawl_mem_free(find->slots);
    find->slots = slots;
    find_end_round(find);
    find->failures = 0;
    find_drop_conn(find);
    find_move(find, FIND_IDLE);
    find->handler.on_slots(find->handler.context, slots);
}

/* The n-th word of a text, counted from 0. */
static struct pawl_bytes word_at(struct pawl_bytes text, uint32_t index)
{
    const uint8_t *from = text.data;
    const uint8_t *end = text.data + text.size;
    for (;;) {
        const uint8_t *space = from < end ? memchr(from, ' ', (size_t)(end - from)) : NULL;
        const uint8_t *to = space ? space : end;
        if (index == 0) return pawl_bytes_make(from, (size_t)(to - from));
        if (!space) return PAWL_BYTES_ABSENT;
        from = space + 1;
        index--;
    }
}

/* message, +switch-master, "mymaster 10.0.0.1 6379 10.0.0.2 6379" */
static void find_on_message(struct pawl_redis_find *find, const struct pawl_redis_value *value)
{
    if (value->kind != PAWL_REDIS_ARRAY || value->count != 3) return;
    if (value->items[0].kind != PAWL_REDIS_STRING || value->items[2].kind != PAWL_REDIS_STRING)
        return;
    if (!pawl_bytes_is_str(value->items[0].text, "message")) return;
    struct pawl_bytes text = value->items[2].text;
    struct pawl_redis_address master;
    if (!pawl_bytes_is_str(word_at(text, 0), find->url->service)) return;
    struct pawl_bytes host = word_at(text, 3), port = word_at(text, 4);
    if (host.size == 0 || port.size == 0 || !pawl_redis_address_set(&master, host, port)) return;
    find->handler.on_master(find->handler.context, &master);
}

/* Connection ------------------------------------------------------------------- */

static void find_say_sentinel(struct pawl_redis_find *find, struct pawl_buf *out)
{
    struct pawl_bytes ask[] = { PAWL_BYTES_LITERAL("SENTINEL"),
                                PAWL_BYTES_LITERAL("get-master-addr-by-name"),
                                pawl_bytes_str(find->url->service) };
    pawl_redis_command(out, 3, ask);
    struct pawl_bytes listen[] = { PAWL_BYTES_LITERAL("SUBSCRIBE"),
                                   PAWL_BYTES_LITERAL("+switch-master") };
    pawl_redis_command(out, 2, listen);
}

static void on_open(void *context)
{
    struct pawl_redis_find *find = context;
    const struct pawl_redis_url *url = find->url;
    struct pawl_buf *out = pawl_redis_conn_out(find->conn);
    bool is_sentinel = find_is_sentinel(find);
    find->is_login_open = pawl_redis_login(out, is_sentinel ? url->sentinel_user : url->user,
                                           is_sentinel ? url->sentinel_password : url->password);
    struct pawl_bytes slots[] = { PAWL_BYTES_LITERAL("CLUSTER"), PAWL_BYTES_LITERAL("SLOTS") };
    if (is_sentinel)
        find_say_sentinel(find, out);
    else
        pawl_redis_command(out, 2, slots);
    pawl_redis_conn_flush(find->conn);
}

static void on_value(void *context, const struct pawl_redis_value *value, struct pawl_arena *arena)
{
    (void)arena;
    struct pawl_redis_find *find = context;
    if (find->state == FIND_LISTENING) {
        find_on_message(find, value);
        return;
    }
    bool is_login = find->is_login_open;
    find->is_login_open = false;
    if (value->kind == PAWL_REDIS_ERROR) {
        char why[PAWL_REDIS_ERROR_TEXT_SIZE];
        pawl_redis_error_explain(value->text, is_login, why);
        find_reject(find, why, PAWL_BYTES_ABSENT);
        return;
    }
    if (is_login) return;
    if (find_is_sentinel(find))
        find_on_master(find, value);
    else
        find_on_slots(find, value);
}

static void on_nothing(void *context)
{
    (void)context;
}

static void on_end(void *context, const char *why)
{
    struct pawl_redis_find *find = context;
    (void)snprintf(find->why, sizeof find->why, "%s", why);
    find->conn = NULL;
    if (find->state == FIND_LISTENING)
        find_pause(find, LISTEN_AGAIN_MS);
    else
        find_try(find);
}

/* Whether the connection could be started. */
static bool find_connect(struct pawl_redis_find *find)
{
    const struct pawl_redis_conn_handler handler = { .context = find,
                                                     .on_open = on_open,
                                                     .on_value = on_value,
                                                     .on_read = on_nothing,
                                                     .on_written = on_nothing,
                                                     .on_end = on_end };
    const char *why = "";
    find->conn = pawl_redis_conn_open(find->loop, find->url, &find->asked, &handler, &why);
    if (find->conn) {
        (void)uv_timer_start(&find->timer, on_timer, PAWL_REDIS_FIND_MS, 0);
        return true;
    }
    (void)snprintf(find->why, sizeof find->why, "%s: %s", find->asked.text, why);
    return false;
}

/* The next one, or the round was in vain. */
static void find_try(struct pawl_redis_find *find)
{
    for (;;) {
        if (find->has_prefer) {
            find->asked = find->prefer;
            find->has_prefer = false;
        } else if (find->left > 0) {
            find->asked = *candidate_at(find, find->next++ % candidates_count(find));
            find->left--;
        } else {
            find_fail_round(find);
            return;
        }
        if (find_connect(find)) return;
    }
}

/* Interface -------------------------------------------------------------------- */

void pawl_redis_find_ask(struct pawl_redis_find *find, const struct pawl_redis_address *prefer)
{
    PAWL_ASSERT(find->state != FIND_CLOSED);
    if (prefer) {
        find->prefer = *prefer;
        find->has_prefer = true;
    }
    if (find->state == FIND_ASKING) return;
    uint64_t since_ms = uv_now(find->loop) - find->ended_ms;
    bool is_soon = find->has_ended && since_ms < ROUND_MS_MIN;
    if (find->state != FIND_PAUSED) find_pause(find, is_soon ? ROUND_MS_MIN - since_ms : 0);
}

struct pawl_redis_find *pawl_redis_find_open(uv_loop_t *loop, const struct pawl_redis_url *url,
                                             const struct pawl_redis_find_handler *handler)
{
    PAWL_ASSERT(url->topology != PAWL_REDIS_SINGLE);
    struct pawl_redis_find *find = PAWL_NEW(struct pawl_redis_find);
    find->loop = loop;
    find->url = url;
    find->handler = *handler;
    find->state = FIND_IDLE;
    pawl_rng_init(&find->rng, uv_hrtime());
    int status = uv_timer_init(loop, &find->timer);
    PAWL_ASSERT(status == 0);
    find->timer.data = find;
    return find;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct pawl_redis_find *find = handle->data;
    pawl_mem_free(find->slots);
    pawl_mem_free(find);
}

void pawl_redis_find_close(struct pawl_redis_find *find)
{
    if (!find) return;
    find_drop_conn(find);
    find_move(find, FIND_CLOSED);
    uv_close((uv_handle_t *)&find->timer, on_timer_closed);
}
