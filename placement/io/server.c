#include "placement/io/server.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/io/http_get.h"
#include "base/io/stream.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "placement/leader.h"
#include "placement/membership.h"
#include "placement/names.h"
#include "placement/pages.h"

#define STOP_MS      1000 /* for the last words to everybody */
#define HOST_SIZE    256u
#define MESSAGE_SIZE 512u

struct pawl_placement_server {
    struct pawl_placement_server_config config;
    struct pawl_hub *hub;
    struct pawl_membership *membership;
    struct pawl_leader leader;
    struct pawl_http_get *http;
    uv_async_t wake; /* from NNG's threads */
    uv_timer_t timer;
    uint32_t handles;
    char address[PAWL_ADDRESS_SIZE_MAX + 1];
    char store_error[MESSAGE_SIZE]; /* empty: it answers */
    int64_t stop_ms;                /* 0: not stopping; else then at the latest */
    uint64_t release;               /* token of the RELEASE that is out; 0: none */
    bool is_stopped;
    bool is_closing;
};

static int64_t now_ms(void)
{
    return (int64_t)(uv_hrtime() / 1000000);
}

/* Machines -------------------------------------------------------------------------- */

static void membership_step(struct pawl_placement_server *server,
                            struct pawl_membership_event event)
{
    event.now_ms = now_ms();
    struct pawl_membership_effects effects = pawl_membership_step(server->membership, &event);
    for (uint32_t i = 0; i < effects.count; i++) {
        const struct pawl_membership_effect *effect = &effects.items[i];
        if (effect->type == PAWL_MEMBERSHIP_CLOSE) {
            pawl_hub_end(server->hub, effect->conn, true);
            continue;
        }
        pawl_err err = pawl_hub_send(server->hub, effect->conn, effect->frame);
        PAWL_ASSERT(err != PAWL_E_TOO_LARGE); /* the limits see to it */
    }
}

static void leader_carry_out(struct pawl_placement_server *server,
                             const struct pawl_leader_effect *effect)
{
    const struct pawl_placement_server_config *config = &server->config;
    struct pawl_bytes address = pawl_bytes_str(server->address);
    switch (effect->type) {
    case PAWL_LEADER_TAKE: config->lease_take(config->context, effect->token, address); return;
    case PAWL_LEADER_RELEASE:
        server->release = effect->token;
        config->lease_release(config->context, effect->token, address);
        return;
    case PAWL_LEADER_LEAD:
        membership_step(server, (struct pawl_membership_event){ .type = PAWL_MEMBERSHIP_LEAD,
                                                                .epoch = effect->epoch });
        return;
    case PAWL_LEADER_FOLLOW:
        if (!pawl_bytes_is_absent(effect->address))
            pawl_log(PAWL_LOG_INFO, "placement", "the replica at %.*s leads",
                     PAWL_BYTES_FMT(effect->address));
        membership_step(server, (struct pawl_membership_event){ .type = PAWL_MEMBERSHIP_FOLLOW,
                                                                .leader = effect->address });
        return;
    }
}

static void leader_step(struct pawl_placement_server *server, struct pawl_leader_event event)
{
    if (!server->config.lease_take) return; /* the only one: it leads for good */
    event.now_ms = now_ms();
    struct pawl_leader_effects effects = pawl_leader_step(&server->leader, &event);
    for (uint32_t i = 0; i < effects.count; i++) leader_carry_out(server, &effects.items[i]);
}

static void leader_tick(struct pawl_placement_server *server)
{
    leader_step(server, (struct pawl_leader_event){ .type = PAWL_LEADER_TICK });
}

/* Loop ------------------------------------------------------------------------------ */

static void on_timer(uv_timer_t *timer);

static int64_t earlier(int64_t a, int64_t b)
{
    if (a == 0) return b;
    return b == 0 || a < b ? a : b;
}

static bool is_stop_over(const struct pawl_placement_server *server)
{
    if (server->stop_ms == 0 || server->is_stopped) return false;
    if (now_ms() >= server->stop_ms) return true;
    if (server->release != 0) return false;
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    uint32_t connections = pawl_membership_status(server->membership, &arena).connections;
    pawl_arena_deinit(&arena);
    return connections == 0;
}

/* After every batch of events: what they wrote leaves together. */
static void settle(struct pawl_placement_server *server)
{
    pawl_hub_flush(server->hub);
    if (is_stop_over(server)) {
        server->is_stopped = true;
        server->config.on_stopped(server->config.context); /* may close us */
        return;
    }
    int64_t at_ms = pawl_membership_wake_at_ms(server->membership);
    if (server->config.lease_take) at_ms = earlier(at_ms, pawl_leader_wake_at_ms(&server->leader));
    at_ms = earlier(at_ms, server->stop_ms);
    if (at_ms == 0) {
        (void)uv_timer_stop(&server->timer);
        return;
    }
    int64_t wait_ms = at_ms - now_ms();
    uv_update_time(server->config.uv);
    (void)uv_timer_start(&server->timer, on_timer, wait_ms > 0 ? (uint64_t)wait_ms : 0, 0);
}

/* What has arrived counts before anybody is called silent. */
static void on_timer(uv_timer_t *timer)
{
    struct pawl_placement_server *server = timer->data;
    leader_tick(server);
    pawl_hub_drain(server->hub);
    membership_step(server, (struct pawl_membership_event){ .type = PAWL_MEMBERSHIP_TICK });
    settle(server);
}

static void on_wake(uv_async_t *wake)
{
    struct pawl_placement_server *server = wake->data;
    if (server->is_closing) return;
    leader_tick(server);
    pawl_hub_drain(server->hub);
    settle(server);
}

/* Any of NNG's threads. */
static void on_notify(void *context)
{
    struct pawl_placement_server *server = context;
    (void)uv_async_send(&server->wake);
}

static void on_open(void *context, pawl_conn_id conn, uint32_t endpoint)
{
    (void)endpoint;
    membership_step(context,
                    (struct pawl_membership_event){ .type = PAWL_MEMBERSHIP_OPENED, .conn = conn });
}

static void on_frame(void *context, pawl_conn_id conn, struct pawl_bytes frame)
{
    membership_step(context, (struct pawl_membership_event){
                                 .type = PAWL_MEMBERSHIP_FRAME, .conn = conn, .frame = frame });
}

static void on_close(void *context, pawl_conn_id conn, pawl_err err, const char *why)
{
    (void)err;
    membership_step(context, (struct pawl_membership_event){
                                 .type = PAWL_MEMBERSHIP_CLOSED, .conn = conn, .why = why });
}

void pawl_placement_server_on_lease(struct pawl_placement_server *server,
                                    const struct pawl_placement_lease_answer *answer)
{
    if (answer->token == server->release) {
        server->release = 0;
        settle(server);
        return;
    }
    bool has_answered = answer->err == PAWL_OK || answer->err == PAWL_E_CONFLICT;
    if (has_answered) {
        if (server->store_error[0]) pawl_log(PAWL_LOG_INFO, "placement", "the store answers again");
        server->store_error[0] = 0;
    } else {
        if (!server->store_error[0])
            pawl_log(PAWL_LOG_WARN, "placement", "the store does not answer about the lease: %.*s",
                     PAWL_BYTES_FMT(answer->message));
        (void)snprintf(server->store_error, sizeof server->store_error,
                       "who leads is not known: %.*s", PAWL_BYTES_FMT(answer->message));
    }
    leader_step(server, (struct pawl_leader_event){ .type = PAWL_LEADER_ANSWER,
                                                    .token = answer->token,
                                                    .err = answer->err,
                                                    .epoch = answer->epoch,
                                                    .address = answer->address,
                                                    .remaining_ms = answer->remaining_ms });
    settle(server);
}

/* HTTP ------------------------------------------------------------------------------ */

static bool is_allowed(const struct pawl_placement_server *server,
                       const struct pawl_http_get_request *request)
{
    struct pawl_bytes want = pawl_bytes_str(server->config.token);
    if (pawl_bytes_is_absent(want)) return true;
    struct pawl_bytes have = pawl_bytes_str(pawl_http_get_header(request, "pawl-api-token"));
    if (pawl_bytes_is_equal_secret(have, want)) return true;
    const char *bearer = pawl_http_get_header(request, "Authorization");
    if (!bearer || strncasecmp(bearer, "Bearer ", 7) != 0) return false;
    return pawl_bytes_is_equal_secret(pawl_bytes_str(bearer + 7), want);
}

static void answer_health(const struct pawl_placement_view *view, struct pawl_http_get_reply *reply)
{
    const char *problem = pawl_placement_problem(view);
    reply->status = problem ? 503 : 204;
    if (problem)
        pawl_buf_printf(&reply->body, "%s\n", problem);
    else
        reply->type = NULL;
}

static void answer_not_found(struct pawl_http_get_reply *reply)
{
    reply->status = 404;
    pawl_buf_append_str(&reply->body, "not found. This is pawl-placement; there are /healthz, "
                                      "/metrics, /v1.0/placement/members and "
                                      "/v1.0/placement/table (?namespace=N&app=A)\n");
}

static void answer(const struct pawl_placement_server *server,
                   const struct pawl_http_get_request *request,
                   const struct pawl_placement_view *view, struct pawl_arena *arena,
                   struct pawl_http_get_reply *reply)
{
    const char *path = pawl_http_get_path(request);
    if (strcmp(path, "/healthz") == 0) {
        answer_health(view, reply);
        return;
    }
    if (strcmp(path, "/metrics") == 0) {
        reply->type = "text/plain; version=0.0.4; charset=utf-8";
        pawl_placement_metrics_page(&reply->body, view);
        return;
    }
    bool is_members = strcmp(path, "/v1.0/placement/members") == 0;
    bool is_table = strcmp(path, "/v1.0/placement/table") == 0;
    if (!is_members && !is_table) {
        answer_not_found(reply);
        return;
    }
    if (!is_allowed(server, request)) {
        reply->status = 401;
        pawl_buf_append_str(&reply->body, "this placement service asks for a token: send it as "
                                          "Authorization: Bearer … or pawl-api-token\n");
        return;
    }
    reply->type = "application/json";
    if (is_members)
        pawl_placement_members_page(&reply->body, view);
    else
        pawl_placement_table_page(&reply->body, view, arena);
}

static void on_get(void *context, const struct pawl_http_get_request *request,
                   struct pawl_http_get_reply *reply)
{
    struct pawl_placement_server *server = context;
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    struct pawl_membership_status status = pawl_membership_status(server->membership, &arena);
    const struct pawl_placement_view view = {
        .status = &status,
        .address = server->address,
        .version = server->config.version,
        .store_error = server->store_error[0] ? server->store_error : NULL,
        .namespace_ = pawl_bytes_str(pawl_http_get_query(request, "namespace")),
        .app = pawl_bytes_str(pawl_http_get_query(request, "app")),
    };
    answer(server, request, &view, &arena, reply);
    pawl_arena_deinit(&arena);
}

/* Open ------------------------------------------------------------------------------ */

static const char *say(struct pawl_arena *arena, const char *where, const char *why,
                       const char *advice)
{
    return (const char *)pawl_arena_printf(arena, "%s: %s (%s)", where, why, advice).data;
}

static bool is_wildcard(struct pawl_bytes host)
{
    return pawl_bytes_is_str(host, "0.0.0.0") || pawl_bytes_is_str(host, "[::]");
}

/* Where others reach us: as said, or where we listen, with the host's name for "any". */
static bool address_set(struct pawl_placement_server *server)
{
    if (server->config.advertise) {
        (void)snprintf(server->address, sizeof server->address, "%s", server->config.advertise);
    } else {
        const char *host = server->config.listens[0] + strlen("tcp://");
        const char *colon = strrchr(host, ':');
        if (!colon) return false;
        struct pawl_bytes text = pawl_bytes_make(host, (size_t)(colon - host));
        char name[HOST_SIZE] = "localhost";
        if (is_wildcard(text)) {
            (void)gethostname(name, sizeof name - 1);
            text = pawl_bytes_str(name);
        }
        (void)snprintf(server->address, sizeof server->address, "tcp://%.*s:%u",
                       PAWL_BYTES_FMT(text), pawl_placement_server_port(server));
    }
    return pawl_placement_address_is_valid(pawl_bytes_str(server->address));
}

static pawl_err listen_all(struct pawl_placement_server *server, struct pawl_arena *arena,
                           const char **ret_message)
{
    const struct pawl_placement_server_config *config = &server->config;
    for (uint32_t i = 0; i < config->listens_count; i++) {
        const char *why = NULL;
        pawl_err err = pawl_hub_listen(server->hub, config->listens[i], i, &why);
        if (err == PAWL_OK) continue;
        *ret_message = say(arena, config->listens[i], why, "--listen says where to listen");
        return err;
    }
    if (address_set(server)) return PAWL_OK;
    *ret_message = say(arena, server->address, "sidecars could not reach this address",
                       "say with --advertise tcp://host:port where they reach this replica");
    return PAWL_E_INVALID;
}

static pawl_err hub_open(struct pawl_placement_server *server)
{
    const struct pawl_hub_config hub = {
        .frame_size_max = PAWL_PLACEMENT_FRAME_SIZE_MAX,
        .out_size_max = PAWL_PLACEMENT_OUT_SIZE_MAX,
        .connections_max = PAWL_PLACEMENT_CONNECTIONS_MAX,
        .context = server,
        .notify = on_notify,
        .on_open = on_open,
        .on_frame = on_frame,
        .on_close = on_close,
    };
    return pawl_hub_open(&hub, &server->hub);
}

static pawl_err http_open(struct pawl_placement_server *server, struct pawl_arena *arena,
                          const char **ret_message)
{
    const struct pawl_http_get_config http = { .loop = server->config.uv,
                                               .host = server->config.http_host,
                                               .port = server->config.http_port,
                                               .context = server,
                                               .on_get = on_get };
    const char *why = NULL;
    pawl_err err = pawl_http_get_open(&http, &server->http, &why);
    if (err == PAWL_OK) return PAWL_OK;
    const char *where = (const char *)pawl_arena_printf(arena, "%s:%u", server->config.http_host,
                                                        server->config.http_port)
                            .data;
    *ret_message =
        say(arena, where, why, "--http-host and --http-port say where; port 0 takes any free one");
    return err;
}

static void handles_open(struct pawl_placement_server *server)
{
    int status = uv_async_init(server->config.uv, &server->wake, on_wake);
    PAWL_ASSERT(status == 0);
    status = uv_timer_init(server->config.uv, &server->timer);
    PAWL_ASSERT(status == 0);
    server->wake.data = server;
    server->timer.data = server;
    server->handles = 2;
}

static void begin(struct pawl_placement_server *server)
{
    if (server->config.lease_take)
        leader_tick(server);
    else
        membership_step(server, (struct pawl_membership_event){ .type = PAWL_MEMBERSHIP_LEAD,
                                                                .epoch = server->config.epoch });
    settle(server);
}

pawl_err pawl_placement_server_open(const struct pawl_placement_server_config *config,
                                    struct pawl_arena *arena,
                                    struct pawl_placement_server **ret_server,
                                    const char **ret_message)
{
    PAWL_ASSERT(config->listens_count > 0);
    PAWL_ASSERT(config->on_stopped != NULL);
    struct pawl_placement_server *server = PAWL_NEW(struct pawl_placement_server);
    server->config = *config;
    const struct pawl_membership_config membership = { .token = pawl_bytes_str(config->token),
                                                       .seed = config->seed };
    server->membership = pawl_membership_new(&membership);
    pawl_leader_init(&server->leader, config->seed);
    handles_open(server);

    *ret_message = "too little memory";
    pawl_err err = hub_open(server);
    if (err == PAWL_OK) err = listen_all(server, arena, ret_message);
    if (err == PAWL_OK) err = http_open(server, arena, ret_message);
    if (err != PAWL_OK) {
        pawl_placement_server_close(server);
        return err;
    }
    begin(server);
    *ret_server = server;
    return PAWL_OK;
}

uint16_t pawl_placement_server_port(const struct pawl_placement_server *server)
{
    return pawl_hub_port(server->hub, 0);
}

uint16_t pawl_placement_server_http_port(const struct pawl_placement_server *server)
{
    return pawl_http_get_port(server->http);
}

const char *pawl_placement_server_address(const struct pawl_placement_server *server)
{
    return server->address;
}

/* Close ----------------------------------------------------------------------------- */

void pawl_placement_server_stop(struct pawl_placement_server *server)
{
    if (server->stop_ms != 0) return;
    server->stop_ms = now_ms() + STOP_MS;
    leader_step(server, (struct pawl_leader_event){ .type = PAWL_LEADER_STOP });
    membership_step(server, (struct pawl_membership_event){ .type = PAWL_MEMBERSHIP_FOLLOW });
    settle(server);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct pawl_placement_server *server = handle->data;
    if (--server->handles > 0) return;
    pawl_membership_free(server->membership);
    pawl_mem_free(server);
}

void pawl_placement_server_close(struct pawl_placement_server *server)
{
    if (!server) return;
    server->is_closing = true;
    pawl_hub_close(server->hub); /* waits for NNG's threads: nobody uses `wake` any more */
    server->hub = NULL;
    pawl_http_get_close(server->http);
    uv_close((uv_handle_t *)&server->wake, on_handle_closed);
    uv_close((uv_handle_t *)&server->timer, on_handle_closed);
}
