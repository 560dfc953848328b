#include "sidecar/grpc.h"

#include <stdio.h>

#include "base/bytes.h"
#include "base/fsm.h"
#include "base/log.h"
#include "base/mem.h"
#include "sidecar/grpc_internal.h"

#define SNIFFING PAWL_GRPC_CONN_SNIFFING
#define GREETING PAWL_GRPC_CONN_GREETING
#define OPEN     PAWL_GRPC_CONN_OPEN
#define DRAINING PAWL_GRPC_CONN_DRAINING
#define ENDED    PAWL_GRPC_CONN_ENDED

static const struct pawl_fsm_state conn_states[] = {
    [SNIFFING] = { "sniffing", PAWL_FSM_BIT(GREETING) | PAWL_FSM_BIT(ENDED) },
    [GREETING] = { "greeting", PAWL_FSM_BIT(OPEN) | PAWL_FSM_BIT(ENDED) },
    [OPEN] = { "open", PAWL_FSM_BIT(DRAINING) | PAWL_FSM_BIT(ENDED) },
    [DRAINING] = { "draining", PAWL_FSM_BIT(ENDED) },
    [ENDED] = { "ended", 0 },
};

#define WRITE_SIZE (256u << 10) /* about what leaves one connection in one write */

static void move(struct pawl_grpc_conn *conn, uint8_t state)
{
    pawl_fsm_move(conn_states, &conn->state, state);
}

/* Budgets -------------------------------------------------------------------------------- */

static struct pawl_grpc_budget budget_full(uint32_t max, int64_t now_ms)
{
    return (struct pawl_grpc_budget){ .thousandths = (int64_t)max * 1000, .at_ms = now_ms };
}

/* False: there was nothing left to take. */
static bool budget_take(struct pawl_grpc_budget *budget, uint32_t max, uint32_t per_s,
                        int64_t now_ms)
{
    int64_t full = (int64_t)max * 1000;
    int64_t missing = full - budget->thousandths;
    int64_t passed_ms = now_ms - budget->at_ms;
    budget->at_ms = now_ms;
    budget->thousandths =
        passed_ms >= missing / per_s + 1 ? full : budget->thousandths + passed_ms * per_s;
    if (budget->thousandths < 1000) return false;
    budget->thousandths -= 1000;
    return true;
}

void pawl_grpc_conn_charge_reset(struct pawl_grpc_conn *conn)
{
    if (!budget_take(&conn->resets, PAWL_GRPC_RESETS_MAX, PAWL_GRPC_RESETS_PER_S,
                     conn->grpc->now_ms))
        pawl_grpc_conn_doom(conn, PAWL_H2_ENHANCE_YOUR_CALM, "too_many_resets");
}

/* gRPC clients know the text, and send fewer PINGs on their next connection. */
void pawl_grpc_conn_charge_control(struct pawl_grpc_conn *conn)
{
    if (!budget_take(&conn->controls, PAWL_GRPC_CONTROLS_MAX, PAWL_GRPC_CONTROLS_PER_S,
                     conn->grpc->now_ms))
        pawl_grpc_conn_doom(conn, PAWL_H2_ENHANCE_YOUR_CALM, "too_many_pings");
}

void pawl_grpc_conn_credit_control(struct pawl_grpc_conn *conn)
{
    if (conn->controls.thousandths < (int64_t)PAWL_GRPC_CONTROLS_MAX * 1000)
        conn->controls.thousandths += 1000;
}

/* Server --------------------------------------------------------------------------------- */

struct pawl_grpc *pawl_grpc_new(const struct pawl_grpc_config *config)
{
    struct pawl_grpc *grpc = PAWL_NEW(struct pawl_grpc);
    const struct pawl_grpc_service *service = &config->service;
    grpc->config = *config;
    pawl_map_init(&grpc->methods, config->seed);
    pawl_map_init(&grpc->calls, 0);
    for (uint32_t i = 0; i < service->methods_count; i++) {
        const struct pawl_grpc_method *method = &service->methods[i];
        pawl_map_insert(&grpc->methods, pawl_bytes_str(method->path), (void *)(uintptr_t)method);
    }
    pawl_heap_init(&grpc->call_timers);
    pawl_heap_init(&grpc->conn_timers);
    pawl_list_init(&grpc->conns);
    pawl_list_init(&grpc->dirty);
    pawl_list_init(&grpc->ready);
    pawl_list_init(&grpc->gone);
    pawl_list_init(&grpc->writable);
    pawl_buf_init(&grpc->scratch, 2 * (size_t)WRITE_SIZE);
    return grpc;
}

void pawl_grpc_free(struct pawl_grpc *grpc)
{
    if (!grpc) return;
    PAWL_ASSERT(pawl_list_is_empty(&grpc->conns));
    PAWL_ASSERT(pawl_list_is_empty(&grpc->gone));
    PAWL_ASSERT(grpc->counters.calls == 0 && grpc->in_size == 0 && grpc->out_size == 0);
    pawl_buf_deinit(&grpc->scratch);
    pawl_heap_deinit(&grpc->call_timers);
    pawl_heap_deinit(&grpc->conn_timers);
    pawl_map_deinit(&grpc->calls);
    pawl_map_deinit(&grpc->methods);
    pawl_mem_free(grpc);
}

static struct pawl_list *list_pop(struct pawl_list *list)
{
    if (pawl_list_is_empty(list)) return NULL;
    struct pawl_list *link = list->next;
    pawl_list_remove(link);
    return link;
}

static struct pawl_grpc_active *call_pop(struct pawl_list *list)
{
    struct pawl_list *link = list_pop(list);
    return link ? PAWL_CONTAINER_OF(link, struct pawl_grpc_active, queue_link) : NULL;
}

/* Those that are gone first: what begins may want their place. */
void pawl_grpc_deliver(struct pawl_grpc *grpc)
{
    struct pawl_grpc_active *call;
    for (;;) {
        if ((call = call_pop(&grpc->gone))) {
            pawl_grpc_call_tell_gone(grpc, call);
        } else if ((call = call_pop(&grpc->ready))) {
            pawl_grpc_call_begin(call);
        } else if ((call = call_pop(&grpc->writable))) {
            pawl_grpc_call_tell_writable(call);
        } else {
            return;
        }
    }
}

const struct pawl_grpc_counters *pawl_grpc_counters(const struct pawl_grpc *grpc)
{
    return &grpc->counters;
}

uint32_t pawl_grpc_count(const struct pawl_grpc *grpc)
{
    return grpc->counters.connections;
}

/* Connections ------------------------------------------------------------------------------- */

static void timer_set(struct pawl_grpc_conn *conn, int64_t due_ms)
{
    pawl_heap_remove(&conn->grpc->conn_timers, &conn->timer);
    pawl_heap_insert(&conn->grpc->conn_timers, &conn->timer, due_ms);
}

struct pawl_grpc_conn *pawl_grpc_open(struct pawl_grpc *grpc, void *peer, const char *name,
                                      int64_t now_ms)
{
    grpc->now_ms = now_ms;
    if (grpc->is_stopping || grpc->counters.connections >= PAWL_GRPC_CONNECTIONS_MAX) {
        grpc->counters.connections_refused_total++;
        return NULL;
    }
    struct pawl_grpc_conn *conn = PAWL_NEW(struct pawl_grpc_conn);
    conn->grpc = grpc;
    conn->peer = peer;
    conn->id = ++grpc->next_conn;
    snprintf(conn->name, sizeof conn->name, "%s", name);
    conn->state = SNIFFING;
    conn->opened_ms = conn->heard_ms = conn->idle_ms = now_ms;
    conn->resets = budget_full(PAWL_GRPC_RESETS_MAX, now_ms);
    conn->controls = budget_full(PAWL_GRPC_CONTROLS_MAX, now_ms);
    pawl_list_init(&conn->calls);
    pawl_list_push_tail(&grpc->conns, &conn->link);
    grpc->counters.connections++;
    grpc->counters.connections_total++;
    timer_set(conn, now_ms + PAWL_HANDSHAKE_MS);
    return conn;
}

void pawl_grpc_conn_touch(struct pawl_grpc_conn *conn)
{
    struct pawl_grpc *grpc = conn->grpc;
    if (!pawl_list_is_linked(&conn->dirty_link))
        pawl_list_push_tail(&grpc->dirty, &conn->dirty_link);
    if (grpc->is_awake) return;
    grpc->is_awake = true;
    grpc->config.outside.wake(grpc->config.outside.context);
}

void pawl_grpc_conn_doom(struct pawl_grpc_conn *conn, enum pawl_h2_code code, const char *why)
{
    if (conn->doom || conn->state == ENDED) return;
    conn->doom = why;
    conn->doom_code = (uint8_t)code;
    pawl_grpc_conn_touch(conn);
}

void pawl_grpc_conn_greeted(struct pawl_grpc_conn *conn)
{
    if (conn->state == GREETING) move(conn, OPEN);
}

static void drop_calls(struct pawl_grpc_conn *conn, const char *why)
{
    while (!pawl_list_is_empty(&conn->calls)) {
        pawl_grpc_call_drop(PAWL_CONTAINER_OF(conn->calls.next, struct pawl_grpc_active, conn_link),
                            why);
    }
    if (conn->session) pawl_grpc_session_close(conn);
}

static void conn_end(struct pawl_grpc_conn *conn, const char *why)
{
    const struct pawl_grpc_outside *outside = &conn->grpc->config.outside;
    drop_calls(conn, why);
    move(conn, ENDED);
    pawl_heap_remove(&conn->grpc->conn_timers, &conn->timer);
    outside->end(outside->context, conn->peer);
}

void pawl_grpc_on_close(struct pawl_grpc_conn *conn, const char *why, int64_t now_ms)
{
    struct pawl_grpc *grpc = conn->grpc;
    grpc->now_ms = now_ms;
    drop_calls(conn, why);
    pawl_heap_remove(&grpc->conn_timers, &conn->timer);
    if (pawl_list_is_linked(&conn->dirty_link)) pawl_list_remove(&conn->dirty_link);
    pawl_list_remove(&conn->link);
    grpc->counters.connections--;
    pawl_mem_free(conn);
    pawl_grpc_deliver(grpc);
}

/* Bytes in --------------------------------------------------------------------------------- */

static const char broken_text[] = "the client broke the rules of HTTP/2";

static void feed(struct pawl_grpc_conn *conn, struct pawl_bytes bytes)
{
    if (bytes.size == 0 || conn->doom) return;
    if (!pawl_grpc_session_receive(conn, bytes))
        pawl_grpc_conn_doom(conn, PAWL_H2_PROTOCOL_ERROR, broken_text);
}

/* The first bytes of a connection; what is left of them. */
static struct pawl_bytes sniff(struct pawl_grpc_conn *conn, struct pawl_bytes bytes)
{
    size_t taken = sizeof conn->first - conn->first_size;
    if (taken > bytes.size) taken = bytes.size;
    memcpy(conn->first + conn->first_size, bytes.data, taken);
    conn->first_size = (uint8_t)(conn->first_size + taken);

    struct pawl_bytes first = pawl_bytes_make(conn->first, conn->first_size);
    switch (pawl_grpc_caller_of(first)) {
    case PAWL_GRPC_CALLER_UNSURE: break;
    case PAWL_GRPC_CALLER_HTTP2:
        move(conn, GREETING);
        pawl_grpc_session_open(conn);
        feed(conn, first);
        break;
    case PAWL_GRPC_CALLER_HTTP1:
        conn->is_http1 = true;
        pawl_grpc_conn_doom(conn, PAWL_H2_PROTOCOL_ERROR,
                            "the client speaks HTTP/1.1; this port is for gRPC");
        break;
    case PAWL_GRPC_CALLER_TLS:
        pawl_grpc_conn_doom(conn, PAWL_H2_PROTOCOL_ERROR,
                            "the client speaks TLS; this port is without");
        break;
    case PAWL_GRPC_CALLER_STRANGER:
        pawl_grpc_conn_doom(conn, PAWL_H2_PROTOCOL_ERROR, "the client does not speak HTTP/2");
        break;
    }
    return pawl_bytes_make(bytes.data + taken, bytes.size - taken);
}

void pawl_grpc_on_bytes(struct pawl_grpc_conn *conn, struct pawl_bytes bytes, int64_t now_ms)
{
    struct pawl_grpc *grpc = conn->grpc;
    grpc->now_ms = now_ms;
    if (conn->state == ENDED || conn->doom || bytes.size == 0) return;
    conn->heard_ms = now_ms;
    if (conn->state == SNIFFING) bytes = sniff(conn, bytes);
    if (conn->session) {
        feed(conn, bytes);
        pawl_grpc_conn_touch(conn);
    }
    pawl_grpc_deliver(grpc);
}

/* Bytes out -------------------------------------------------------------------------------- */

static void http1_answer(struct pawl_grpc_conn *conn, struct pawl_buf *out)
{
    char text[512];
    snprintf(text, sizeof text,
             "This port speaks gRPC (HTTP/2) and serves %s. Pawl's HTTP API is on another port "
             "(--http-port, 3500 unless it was changed).\n",
             conn->grpc->config.service.what);
    pawl_buf_printf(out,
                    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
                    "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                    strlen(text), text);
}

static void note_cut(struct pawl_grpc_conn *conn, const char *why)
{
    if (conn->grpc->is_stopping) return; /* not the client's fault */
    conn->grpc->counters.connections_cut_total++;
    pawl_log(PAWL_LOG_INFO, "grpc", "%s: closed: %s", conn->name, why);
}

/* Something goes out with the end, so that the client knows why. */
static void conn_end_doomed(struct pawl_grpc_conn *conn)
{
    struct pawl_buf *out = &conn->grpc->scratch;
    const struct pawl_grpc_outside *outside = &conn->grpc->config.outside;
    note_cut(conn, conn->doom);
    if (conn->session) {
        pawl_grpc_session_goaway(conn, conn->doom_code, conn->doom);
        (void)pawl_grpc_session_send(conn, out, WRITE_SIZE);
    } else if (conn->is_http1) {
        http1_answer(conn, out);
    }
    if (out->size > 0) (void)outside->send(outside->context, conn->peer, pawl_buf_view(out));
    conn_end(conn, conn->doom);
}

/* Both sides have said all, or nghttp2 has told the client what it did wrong. */
static void conn_end_over(struct pawl_grpc_conn *conn)
{
    if (conn->is_broken) {
        note_cut(conn, broken_text);
        conn_end(conn, broken_text);
    } else {
        pawl_log(PAWL_LOG_DEBUG, "grpc", "%s: closed: there is nothing more to say", conn->name);
        conn_end(conn, "the connection ended");
    }
}

static void conn_flush(struct pawl_grpc_conn *conn)
{
    struct pawl_buf *out = &conn->grpc->scratch;
    const struct pawl_grpc_outside *outside = &conn->grpc->config.outside;
    pawl_buf_clear(out);
    if (conn->doom && conn->state != ENDED) conn_end_doomed(conn);
    if (!conn->session || conn->is_blocked) return;

    bool is_sound = pawl_grpc_session_send(conn, out, WRITE_SIZE);
    if (out->size > 0)
        conn->is_blocked = !outside->send(outside->context, conn->peer, pawl_buf_view(out));
    if (!is_sound) {
        pawl_grpc_conn_doom(conn, PAWL_H2_PROTOCOL_ERROR, broken_text);
    } else if (pawl_grpc_session_is_over(conn)) {
        conn_end_over(conn);
    } else if (out->size >= WRITE_SIZE) {
        pawl_grpc_conn_touch(conn); /* others first */
    }
}

void pawl_grpc_flush(struct pawl_grpc *grpc, int64_t now_ms)
{
    grpc->now_ms = now_ms;
    grpc->is_awake = false;
    struct pawl_list *last = grpc->dirty.prev;
    bool is_last = pawl_list_is_empty(&grpc->dirty);
    while (!is_last) {
        struct pawl_list *link = list_pop(&grpc->dirty);
        is_last = link == last;
        conn_flush(PAWL_CONTAINER_OF(link, struct pawl_grpc_conn, dirty_link));
    }
    pawl_grpc_deliver(grpc);
}

void pawl_grpc_on_writable(struct pawl_grpc_conn *conn)
{
    conn->is_blocked = false;
    pawl_grpc_conn_touch(conn);
}

/* Time ------------------------------------------------------------------------------------- */

static void conn_drain(struct pawl_grpc_conn *conn, const char *why)
{
    if (conn->state != OPEN) return;
    move(conn, DRAINING);
    pawl_grpc_session_goaway(conn, PAWL_H2_NO_ERROR, why);
    pawl_grpc_conn_touch(conn);
}

static void conn_keep_alive(struct pawl_grpc_conn *conn, int64_t now_ms)
{
    if (now_ms >= conn->heard_ms + PAWL_GRPC_SILENCE_MS) {
        pawl_grpc_conn_doom(conn, PAWL_H2_NO_ERROR, "the client is silent");
        return;
    }
    if (!conn->is_pinged && now_ms >= conn->heard_ms + PAWL_GRPC_PING_MS) {
        conn->is_pinged = true;
        pawl_grpc_session_ping(conn);
        pawl_grpc_conn_touch(conn);
    }
    if (conn->calls_count == 0 && now_ms >= conn->idle_ms + PAWL_GRPC_IDLE_MS)
        conn_drain(conn, "idle");
    int64_t silent_ms = conn->heard_ms + PAWL_GRPC_SILENCE_MS;
    int64_t look_ms = (conn->is_pinged ? now_ms : conn->heard_ms) + PAWL_GRPC_PING_MS;
    timer_set(conn, look_ms < silent_ms ? look_ms : silent_ms);
}

static void conn_on_timer(struct pawl_grpc_conn *conn, int64_t now_ms)
{
    if (conn->state == OPEN || conn->state == DRAINING) {
        conn_keep_alive(conn, now_ms);
    } else if (now_ms >= conn->opened_ms + PAWL_HANDSHAKE_MS) {
        pawl_grpc_conn_doom(conn, PAWL_H2_PROTOCOL_ERROR,
                            "the client did not begin to speak HTTP/2 in time");
    } else {
        timer_set(conn, conn->opened_ms + PAWL_HANDSHAKE_MS);
    }
}

void pawl_grpc_on_tick(struct pawl_grpc *grpc, int64_t now_ms)
{
    struct pawl_heap_node *node;
    grpc->now_ms = now_ms;
    while ((node = pawl_heap_peek(&grpc->call_timers)) && node->due_ms <= now_ms) {
        pawl_heap_remove(&grpc->call_timers, node);
        pawl_grpc_call_on_timer(PAWL_CONTAINER_OF(node, struct pawl_grpc_active, timer));
    }
    while ((node = pawl_heap_peek(&grpc->conn_timers)) && node->due_ms <= now_ms) {
        pawl_heap_remove(&grpc->conn_timers, node);
        conn_on_timer(PAWL_CONTAINER_OF(node, struct pawl_grpc_conn, timer), now_ms);
    }
    pawl_grpc_deliver(grpc);
}

int64_t pawl_grpc_wake_at_ms(const struct pawl_grpc *grpc)
{
    const struct pawl_heap_node *call = pawl_heap_peek(&grpc->call_timers);
    const struct pawl_heap_node *conn = pawl_heap_peek(&grpc->conn_timers);
    if (!call || !conn) return call ? call->due_ms : conn ? conn->due_ms : 0;
    return call->due_ms < conn->due_ms ? call->due_ms : conn->due_ms;
}

/* Stop ------------------------------------------------------------------------------------- */

static const char stopping_text[] = "the sidecar is stopping";

void pawl_grpc_stop(struct pawl_grpc *grpc, int64_t now_ms)
{
    grpc->now_ms = now_ms;
    grpc->is_stopping = true;
    for (struct pawl_list *link = grpc->conns.next; link != &grpc->conns; link = link->next) {
        struct pawl_grpc_conn *conn = PAWL_CONTAINER_OF(link, struct pawl_grpc_conn, link);
        if (conn->state == SNIFFING || conn->state == GREETING) {
            pawl_grpc_conn_doom(conn, PAWL_H2_NO_ERROR, stopping_text);
        } else {
            conn_drain(conn, stopping_text);
        }
    }
}

void pawl_grpc_end_all(struct pawl_grpc *grpc, int64_t now_ms)
{
    grpc->now_ms = now_ms;
    grpc->is_stopping = true;
    for (struct pawl_list *at = grpc->conns.next; at != &grpc->conns; at = at->next) {
        struct pawl_grpc_conn *conn = PAWL_CONTAINER_OF(at, struct pawl_grpc_conn, link);
        for (struct pawl_list *link = conn->calls.next; link != &conn->calls; link = link->next) {
            pawl_grpc_call_cancel(PAWL_CONTAINER_OF(link, struct pawl_grpc_active, conn_link),
                                  PAWL_GRPC_UNAVAILABLE, stopping_text);
        }
        pawl_grpc_conn_doom(conn, PAWL_H2_NO_ERROR, stopping_text);
    }
}
