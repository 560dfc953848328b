#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "sidecar/http_events.h"
#include "sidecar/io/http_internal.h"

/* Life ------------------------------------------------------------------------------- */

struct pawl_exchange *pawl_exchange_new(struct pawl_http *http, struct MHD_Connection *connection,
                                        const char *target)
{
    struct pawl_exchange *exchange = PAWL_NEW(struct pawl_exchange);
    exchange->http = http;
    exchange->connection = connection;
    exchange->state = PAWL_EXCHANGE_NEW;
    pawl_arena_init(&exchange->arena);
    pawl_buf_init(&exchange->body, PAWL_IMPORT_SIZE_MAX);
    pawl_buf_init(&exchange->stream.position, PAWL_POSITION_SIZE_MAX);
    pawl_http_reply_init(&exchange->reply);

    size_t size = strlen(target);
    exchange->target_cut = size > PAWL_HTTP_URL_SIZE_MAX;
    if (exchange->target_cut) size = PAWL_HTTP_URL_SIZE_MAX;
    exchange->target = pawl_arena_copy(&exchange->arena, pawl_bytes_make(target, size));

    pawl_list_push_tail(&http->exchanges, &exchange->link);
    http->counters.in_flight++;
    return exchange;
}

static void exchange_drop_body(struct pawl_exchange *exchange)
{
    exchange->http->bodies_size -= exchange->body.size;
    pawl_buf_deinit(&exchange->body);
    pawl_buf_init(&exchange->body, PAWL_IMPORT_SIZE_MAX);
}

void pawl_exchange_free(struct pawl_exchange *exchange)
{
    PAWL_ASSERT(exchange->state != PAWL_EXCHANGE_WAITING);
    struct pawl_http *http = exchange->http;
    int class = exchange->reply.status / 100;
    if (exchange->state == PAWL_EXCHANGE_SENT || exchange->state == PAWL_EXCHANGE_STREAMING) {
        PAWL_ASSERT(class > 0 && class < (int)PAWL_HTTP_CLASSES);
        http->counters.answers[exchange->match.route][class]++;
    }
    http->counters.in_flight--;
    exchange_drop_body(exchange);
    pawl_list_remove(&exchange->link);
    pawl_http_reply_deinit(&exchange->reply);
    pawl_buf_deinit(&exchange->body);
    pawl_buf_deinit(&exchange->stream.position);
    pawl_arena_deinit(&exchange->arena);
    pawl_mem_free(exchange);
}

/* Refusals ----------------------------------------------------------------------------- */

static const char *header(const struct pawl_exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

static void exchange_refuse(struct pawl_exchange *exchange, int status, const char *code,
                            struct pawl_bytes message)
{
    exchange->refused = true;
    exchange_drop_body(exchange);
    pawl_http_reply_problem(&exchange->reply, status, code, message);
}

static bool exchange_is_authorized(const struct pawl_exchange *exchange)
{
    struct pawl_bytes want = pawl_bytes_str(exchange->http->token);
    if (pawl_bytes_is_absent(want)) return true;
    const char *names[] = { "pawl-api-token", "dapr-api-token" };
    for (size_t i = 0; i < 2; i++) {
        struct pawl_bytes have = pawl_bytes_str(header(exchange, names[i]));
        if (pawl_bytes_is_equal_secret(have, want)) return true;
    }
    const char *bearer = header(exchange, "Authorization");
    if (!bearer || strncasecmp(bearer, "Bearer ", 7) != 0) return false;
    return pawl_bytes_is_equal_secret(pawl_bytes_str(bearer + 7), want);
}

/* A page that some other site has opened in a browser on this machine can send us
 * requests; the browser then says so in Origin. Comparing with Host would not do: a
 * name that is re-bound to 127.0.0.1 makes both equal. */
static bool exchange_is_foreign(const struct pawl_exchange *exchange)
{
    const char *origin = header(exchange, "Origin");
    if (!origin) return false;
    const struct pawl_http *http = exchange->http;
    const char *hosts[] = { "127.0.0.1", "localhost", "[::1]", http->host };
    for (size_t i = 0; i < 4; i++) {
        char own[128];
        snprintf(own, sizeof own, "http://%s:%u", hosts[i], http->port);
        if (strcasecmp(origin, own) == 0) return false;
    }
    return true;
}

static void exchange_refuse_miss(struct pawl_exchange *exchange)
{
    switch (exchange->match.miss) {
    case PAWL_HTTP_OTHER_METHOD:
        exchange_refuse(
            exchange, 405, "ERR_METHOD_NOT_ALLOWED",
            pawl_arena_printf(&exchange->arena, "use %s for this route", exchange->match.allow));
        exchange->reply.allow = exchange->match.allow;
        return;
    case PAWL_HTTP_OTHER_API:
        exchange_refuse(exchange, 501, "ERR_API_UNIMPLEMENTED",
                        PAWL_BYTES_LITERAL("this sidecar serves workflows only; this building "
                                           "block of Dapr is not part of it"));
        return;
    default:
        exchange_refuse(exchange, 404, "ERR_ROUTE_NOT_FOUND",
                        PAWL_BYTES_LITERAL("there is no such route; workflows are under "
                                           "/v1.0/workflows/dapr, see docs/HTTP.md"));
    }
}

/* Everything that can be said before the body. The route is found first, because a
 * probe of /healthz has no token. */
static void exchange_check_headers(struct pawl_exchange *exchange)
{
    struct pawl_bytes message;
    if (exchange->target_cut) {
        exchange_refuse(exchange, 414, "ERR_URL_TOO_LONG",
                        pawl_arena_printf(&exchange->arena, "the URL is longer than %u bytes",
                                          PAWL_HTTP_URL_SIZE_MAX));
        return;
    }
    if (pawl_http_url_parse(exchange->target, &exchange->arena, &exchange->url, &message)
        != PAWL_OK) {
        exchange_refuse(exchange, 400, "ERR_MALFORMED_REQUEST", message);
        return;
    }
    exchange->match = pawl_http_route_find(&exchange->url, exchange->method);
    if (exchange->match.route != PAWL_HTTP_ROUTE_HEALTH && !exchange_is_authorized(exchange)) {
        exchange_refuse(exchange, 401, "ERR_UNAUTHORIZED",
                        PAWL_BYTES_LITERAL("this sidecar wants its API token: send it in the "
                                           "header pawl-api-token, dapr-api-token or "
                                           "Authorization: Bearer"));
        return;
    }
    bool changes = exchange->method != PAWL_HTTP_GET && exchange->method != PAWL_HTTP_HEAD;
    if (changes && exchange_is_foreign(exchange)) {
        exchange_refuse(exchange, 403, "ERR_FOREIGN_ORIGIN",
                        PAWL_BYTES_LITERAL("a web page of another origin may not change "
                                           "workflows; call the sidecar from a server or from the "
                                           "command line"));
        return;
    }
    if (exchange->match.miss != PAWL_HTTP_FOUND) exchange_refuse_miss(exchange);
}

/* Body ------------------------------------------------------------------------------- */

/* Most bodies are one payload; one is a whole history. */
static size_t body_size_max(const struct pawl_exchange *exchange)
{
    bool is_import = exchange->match.route == PAWL_HTTP_ROUTE_IMPORT;
    return is_import ? PAWL_IMPORT_SIZE_MAX : PAWL_HTTP_BODY_SIZE_MAX;
}

static void exchange_refuse_size(struct pawl_exchange *exchange)
{
    exchange_refuse(exchange, 413, "ERR_BODY_TOO_LARGE",
                    pawl_arena_printf(&exchange->arena,
                                      "the body is larger than %zu bytes: store large data "
                                      "elsewhere and pass a reference to it",
                                      body_size_max(exchange)));
}

static void exchange_take_body(struct pawl_exchange *exchange, const char *data, size_t size)
{
    struct pawl_http *http = exchange->http;
    http->counters.received_bytes += size;
    /* A body where none belongs (GET) is read and forgotten. */
    if (exchange->refused || exchange->method != PAWL_HTTP_POST) {
        exchange->drained_size += size;
        return;
    }
    if (size > body_size_max(exchange) - exchange->body.size) {
        exchange_refuse_size(exchange);
        return;
    }
    if (http->bodies_size + size > PAWL_HTTP_BODIES_SIZE_MAX) {
        exchange_refuse(exchange, 503, "ERR_OVERLOADED",
                        PAWL_BYTES_LITERAL("too many large requests at once; try again"));
        return;
    }
    pawl_buf_append(&exchange->body, data, size);
    PAWL_ASSERT(exchange->body.bad == PAWL_OK);
    http->bodies_size += size;
}

static uint64_t declared_size(const struct pawl_exchange *exchange)
{
    const char *text = header(exchange, MHD_HTTP_HEADER_CONTENT_LENGTH);
    return text ? strtoull(text, NULL, 10) : 0;
}

/* A part of an event stream is asked for when libmicrohttpd has sent the one before. */
#define STREAM_BLOCK_SIZE 4096u
static ssize_t exchange_on_stream(void *context, uint64_t at, char *block, size_t size);

/* Send ------------------------------------------------------------------------------- */

static struct MHD_Response *exchange_response(struct pawl_exchange *exchange)
{
    const struct pawl_buf *body = &exchange->reply.body;
    if (exchange->stream.begun)
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK_SIZE,
                                                 exchange_on_stream, exchange, NULL);
    return MHD_create_response_from_buffer(body->size, body->data, MHD_RESPMEM_MUST_COPY);
}

static enum MHD_Result exchange_send(struct pawl_exchange *exchange)
{
    struct pawl_http_reply *reply = &exchange->reply;
    PAWL_ASSERT(reply->status >= 200);
    struct MHD_Response *response = exchange_response(exchange);
    if (!response) return MHD_NO;

    bool good = true;
    if (reply->type) good &= MHD_add_response_header(response, "Content-Type", reply->type);
    if (reply->allow) good &= MHD_add_response_header(response, "Allow", reply->allow);
    if (reply->status == 401)
        good &= MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
    if (reply->retry_after_s) {
        char text[16];
        snprintf(text, sizeof text, "%u", reply->retry_after_s);
        good &= MHD_add_response_header(response, "Retry-After", text);
    }
    good &= MHD_add_response_header(response, "Cache-Control", "no-store");
    good &= MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (good) good = MHD_queue_response(exchange->connection, (unsigned)reply->status, response);
    MHD_destroy_response(response);
    if (!good) return MHD_NO;

    exchange->state = exchange->stream.begun ? PAWL_EXCHANGE_STREAMING : PAWL_EXCHANGE_SENT;
    if (!exchange->stream.begun) exchange->http->counters.sent_bytes += reply->body.size;
    return MHD_YES;
}

/* Waiting for the engine ----------------------------------------------------------------- */

static void exchange_wake(struct pawl_exchange *exchange, enum pawl_exchange_state state)
{
    PAWL_ASSERT(exchange->state == PAWL_EXCHANGE_WAITING);
    struct pawl_peer *peer = pawl_peer_of(exchange->connection);
    if (peer) peer->waiting = NULL;
    exchange->token = 0;
    exchange->state = state;
    MHD_resume_connection(exchange->connection);
    pawl_http_run_soon(exchange->http);
}

void pawl_exchange_leave(struct pawl_exchange *exchange)
{
    PAWL_ASSERT(exchange->state == PAWL_EXCHANGE_WAITING);
    struct pawl_http *http = exchange->http;
    http->counters.cancelled_total++;
    http->api->ops->cancel(http->api, exchange->token);
    exchange_wake(exchange, PAWL_EXCHANGE_GONE);
}

/* Where the next part begins is kept before the answer goes. */
static void stream_take(struct pawl_exchange *exchange, const struct pawl_answer *answer)
{
    struct pawl_buf *position = &exchange->stream.position;
    pawl_buf_clear(position);
    pawl_buf_append(position, answer->cursor.data, answer->cursor.size);
    exchange->request.cursor = pawl_buf_view(position);
}

static void stream_on_answer(struct pawl_exchange *exchange, const struct pawl_answer *answer)
{
    struct pawl_buf *part = &exchange->reply.body;
    exchange->stream.sent = 0;
    pawl_buf_clear(part);
    if (answer->err == PAWL_OK) {
        pawl_http_events_write(part, &exchange->request, false, answer);
        stream_take(exchange, answer);
    } else {
        struct pawl_bytes message = answer->message;
        if (message.size == 0) message = pawl_bytes_str(pawl_err_text(answer->err));
        pawl_http_events_write_end(part, pawl_http_route_error_code(exchange->match.route),
                                   message);
        exchange->stream.ended = true;
    }
    exchange_wake(exchange, PAWL_EXCHANGE_STREAMING);
}

static void exchange_on_answer(void *context, const struct pawl_answer *answer)
{
    struct pawl_exchange *exchange = context;
    PAWL_ASSERT(exchange->state == PAWL_EXCHANGE_WAITING);
    if (exchange->stream.begun) {
        stream_on_answer(exchange, answer);
        return;
    }
    bool is_stream = pawl_http_route_is_stream(exchange->match.route);
    exchange->stream.begun = is_stream && answer->err == PAWL_OK;
    pawl_http_reply_answer(&exchange->reply, exchange->match.route, &exchange->request, answer);
    if (exchange->stream.begun) stream_take(exchange, answer);
    exchange_wake(exchange, PAWL_EXCHANGE_ANSWERED);
}

static void exchange_reply_closing(struct pawl_exchange *exchange)
{
    pawl_http_reply_problem(&exchange->reply, 503, "ERR_SHUTTING_DOWN",
                            PAWL_BYTES_LITERAL("this sidecar is stopping; the call may or may not "
                                               "have happened, try again"));
}

static void stream_end_closing(struct pawl_exchange *exchange)
{
    exchange->stream.sent = 0;
    exchange->stream.ended = true;
    pawl_buf_clear(&exchange->reply.body);
    pawl_http_events_write_end(&exchange->reply.body, "ERR_SHUTTING_DOWN",
                               PAWL_BYTES_LITERAL("this sidecar is stopping; go on from your "
                                                  "position at another one, or here later"));
}

void pawl_exchange_abort(struct pawl_exchange *exchange)
{
    PAWL_ASSERT(exchange->state == PAWL_EXCHANGE_WAITING);
    struct pawl_api *api = exchange->http->api;
    api->ops->cancel(api, exchange->token);
    if (exchange->stream.begun) {
        stream_end_closing(exchange);
        exchange_wake(exchange, PAWL_EXCHANGE_STREAMING);
        return;
    }
    exchange_reply_closing(exchange);
    exchange_wake(exchange, PAWL_EXCHANGE_ANSWERED);
}

/* Streams ------------------------------------------------------------------------------ */

static void stream_ask(struct pawl_exchange *exchange)
{
    struct pawl_api *api = exchange->http->api;
    struct pawl_peer *peer = pawl_peer_of(exchange->connection);
    exchange->state = PAWL_EXCHANGE_WAITING;
    MHD_suspend_connection(exchange->connection);
    if (peer) peer->waiting = exchange;
    exchange->token = api->ops->call(api, &exchange->request, exchange_on_answer, exchange);
}

static ssize_t exchange_on_stream(void *context, uint64_t at, char *block, size_t size)
{
    (void)at;
    struct pawl_exchange *exchange = context;
    const struct pawl_buf *part = &exchange->reply.body;
    struct pawl_peer *peer = pawl_peer_of(exchange->connection);
    bool has_left = peer && pawl_peer_has_left(peer, &exchange->request);
    if (exchange->state == PAWL_EXCHANGE_GONE || has_left) return MHD_CONTENT_READER_END_WITH_ERROR;
    bool is_sent = exchange->stream.sent == part->size;
    if (is_sent && !exchange->stream.ended && exchange->http->closing) {
        stream_end_closing(exchange);
        is_sent = false;
    }
    if (is_sent && exchange->stream.ended) return MHD_CONTENT_READER_END_OF_STREAM;
    if (is_sent) {
        stream_ask(exchange);
        return 0;
    }
    size_t left = part->size - exchange->stream.sent;
    if (left < size) size = left;
    memcpy(block, part->data + exchange->stream.sent, size);
    exchange->stream.sent += size;
    exchange->http->counters.sent_bytes += size;
    return (ssize_t)size;
}

/* Calls ------------------------------------------------------------------------------ */

static bool exchange_build(struct pawl_exchange *exchange, const struct pawl_api_info *info)
{
    struct pawl_http_input input = {
        .match = &exchange->match,
        .url = &exchange->url,
        .body = pawl_buf_view(&exchange->body),
        .idempotency_key = pawl_bytes_str(header(exchange, "Idempotency-Key")),
        .last_event_id = pawl_bytes_str(header(exchange, "Last-Event-ID")),
        .app = pawl_bytes_str(info->app),
    };
    struct pawl_http_problem problem;
    if (pawl_http_request_build(&input, &exchange->arena, &exchange->request, &problem)) {
        return true;
    }
    pawl_http_reply_problem(&exchange->reply, problem.status, problem.code, problem.message);
    return false;
}

static enum MHD_Result exchange_call(struct pawl_exchange *exchange,
                                     const struct pawl_api_info *info)
{
    struct pawl_api *api = exchange->http->api;
    if (!exchange_build(exchange, info)) return exchange_send(exchange);
    if (exchange->http->closing) {
        exchange_reply_closing(exchange);
        return exchange_send(exchange);
    }

    struct pawl_peer *peer = pawl_peer_of(exchange->connection);
    if (peer && pawl_peer_has_left(peer, &exchange->request)) {
        exchange->http->counters.cancelled_total++;
        return MHD_NO;
    }
    exchange->state = PAWL_EXCHANGE_WAITING;
    MHD_suspend_connection(exchange->connection);
    if (peer) peer->waiting = exchange;
    exchange->token = api->ops->call(api, &exchange->request, exchange_on_answer, exchange);
    PAWL_ASSERT(exchange->token != 0);
    /* The engine has its own copy. Nothing that the answer needs is in the body. */
    exchange->request.payload = PAWL_BYTES_ABSENT;
    exchange_drop_body(exchange);
    return MHD_YES;
}

static void exchange_reply_metrics(struct pawl_exchange *exchange, const struct pawl_api_info *info)
{
    struct pawl_process_stats process;
    pawl_process_stats_read(&process);
    pawl_http_metrics_reply(&exchange->reply, info, &exchange->http->counters, &process,
                            pawl_histogram_bounds);
}

static enum MHD_Result exchange_perform(struct pawl_exchange *exchange)
{
    struct pawl_http *http = exchange->http;
    enum pawl_http_route route = exchange->match.route;
    struct pawl_api_info info = http->api->ops->info(http->api);
    if (pawl_http_route_op(route) != 0) return exchange_call(exchange, &info);

    struct pawl_http_problem problem;
    if (!pawl_http_request_check_params(route, &exchange->url, &exchange->arena, &problem)) {
        pawl_http_reply_problem(&exchange->reply, problem.status, problem.code, problem.message);
        return exchange_send(exchange);
    }
    switch (route) {
    case PAWL_HTTP_ROUTE_HEALTH: pawl_http_health_reply(&exchange->reply, &info); break;
    case PAWL_HTTP_ROUTE_METADATA: pawl_http_metadata_reply(&exchange->reply, &info); break;
    case PAWL_HTTP_ROUTE_METRICS: exchange_reply_metrics(exchange, &info); break;
    default: PAWL_UNREACHABLE("a route that nobody answers");
    }
    return exchange_send(exchange);
}

/* Entry point -------------------------------------------------------------------------- */

/* A refusal may go out before the body only where that ends the exchange cleanly: the
 * client waits for 100-continue, or the body is too long to be worth reading. Else the
 * body is read and thrown away, so that the client gets to see the answer. */
static enum MHD_Result exchange_on_headers(struct pawl_exchange *exchange, const char *method)
{
    exchange->state = PAWL_EXCHANGE_READING;
    exchange->method = pawl_http_method_parse(method);
    uint64_t size = declared_size(exchange);
    exchange_check_headers(exchange);
    if (!exchange->refused && exchange->method == PAWL_HTTP_POST
        && size > body_size_max(exchange)) {
        exchange_refuse_size(exchange);
    }
    bool waits = header(exchange, MHD_HTTP_HEADER_EXPECT) != NULL;
    bool now = exchange->refused && (waits || size > PAWL_HTTP_DRAIN_SIZE_MAX);
    return now ? exchange_send(exchange) : MHD_YES;
}

enum MHD_Result pawl_exchange_on_access(struct pawl_exchange *exchange, const char *method,
                                        const char *data, size_t *data_size)
{
    switch (exchange->state) {
    case PAWL_EXCHANGE_NEW: return exchange_on_headers(exchange, method);
    case PAWL_EXCHANGE_READING:
        if (*data_size == 0) {
            return exchange->refused ? exchange_send(exchange) : exchange_perform(exchange);
        }
        exchange_take_body(exchange, data, *data_size);
        *data_size = 0;
        return exchange->drained_size <= PAWL_HTTP_DRAIN_SIZE_MAX ? MHD_YES : MHD_NO;
    case PAWL_EXCHANGE_ANSWERED: return exchange_send(exchange);
    case PAWL_EXCHANGE_GONE: return MHD_NO;
    default: return MHD_YES;
    }
}
