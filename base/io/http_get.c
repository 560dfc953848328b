#include "base/io/http_get.h"

#include <microhttpd.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/io/listen.h"
#include "base/limits.h"
#include "base/mem.h"

struct pawl_http_get_request {
    struct MHD_Connection *connection;
    const char *path;
};

struct pawl_http_get {
    struct pawl_http_get_config config;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;   /* of the daemon's epoll descriptor */
    uv_timer_t timer; /* its timeouts */
    uint32_t handles; /* not yet closed by libuv */
    uint16_t port;
    bool again; /* another run was asked for while one was under way */
};

/* libmicrohttpd inside libuv -------------------------------------------------------- */

static void http_run(struct pawl_http_get *http);

static void on_timer(uv_timer_t *timer)
{
    http_run(timer->data);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    http_run(poll->data);
}

static void http_run(struct pawl_http_get *http)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    http->again = false;
    MHD_run(http->daemon);
    if (http->again)
        uv_timer_start(&http->timer, on_timer, 0, 0);
    else if (MHD_get_timeout(http->daemon, &timeout_ms) == MHD_YES)
        uv_timer_start(&http->timer, on_timer, timeout_ms, 0);
    else
        uv_timer_stop(&http->timer);
}

/* Where the limit was reached, libmicrohttpd accepts again only in its next run. */
static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    (void)connection;
    (void)socket_context;
    struct pawl_http_get *http = context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) http->again = true;
}

/* Requests -------------------------------------------------------------------------- */

static const char *value_of(const struct pawl_http_get_request *request, const char *name,
                            enum MHD_ValueKind kind)
{
    return MHD_lookup_connection_value(request->connection, kind, name);
}

const char *pawl_http_get_path(const struct pawl_http_get_request *request)
{
    return request->path;
}

const char *pawl_http_get_query(const struct pawl_http_get_request *request, const char *name)
{
    return value_of(request, name, MHD_GET_ARGUMENT_KIND);
}

const char *pawl_http_get_header(const struct pawl_http_get_request *request, const char *name)
{
    return value_of(request, name, MHD_HEADER_KIND);
}

static void reply_problem(struct pawl_http_get_reply *reply, unsigned status, const char *text)
{
    pawl_buf_clear(&reply->body);
    reply->status = status;
    reply->type = "text/plain; charset=utf-8";
    pawl_buf_append_str(&reply->body, text);
}

static enum MHD_Result reply_send(struct MHD_Connection *connection,
                                  struct pawl_http_get_reply *reply)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(reply->body.size, reply->body.data, MHD_RESPMEM_MUST_COPY);
    if (!response) return MHD_NO;
    if (reply->type) (void)MHD_add_response_header(response, "Content-Type", reply->type);
    (void)MHD_add_response_header(response, "Cache-Control", "no-store");
    (void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (reply->status == 405) (void)MHD_add_response_header(response, "Allow", "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(connection, reply->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result on_access(void *context, struct MHD_Connection *connection, const char *path,
                                 const char *method, const char *version, const char *data,
                                 size_t *data_size, void **stage)
{
    (void)version;
    (void)data;
    static char headers_are_in;
    struct pawl_http_get *http = context;
    if (!*stage) { /* the first call: a body may follow, which is passed over */
        *stage = &headers_are_in;
        return MHD_YES;
    }
    if (*data_size > 0) {
        *data_size = 0;
        return MHD_YES;
    }
    struct pawl_http_get_reply reply = { .status = 200, .type = "text/plain; charset=utf-8" };
    pawl_buf_init(&reply.body, PAWL_HTTP_REPLY_SIZE_MAX);
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0) {
        const struct pawl_http_get_request request = { connection, path };
        http->config.on_get(http->config.context, &request, &reply);
        if (reply.body.bad) reply_problem(&reply, 500, "the answer is too large\n");
    } else {
        reply_problem(&reply, 405, "only GET and HEAD are answered here\n");
    }
    enum MHD_Result result = reply_send(connection, &reply);
    pawl_buf_deinit(&reply.body);
    return result;
}

/* Life ------------------------------------------------------------------------------ */

static struct MHD_Daemon *daemon_start(struct pawl_http_get *http, int fd)
{
    return MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_access, http, MHD_OPTION_LISTEN_SOCKET,
                            fd, MHD_OPTION_CONNECTION_LIMIT,
                            (unsigned)PAWL_HTTP_GET_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                            (unsigned)(PAWL_HTTP_IDLE_MS / 1000),
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)PAWL_HTTP_HEADER_SIZE_MAX,
                            MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION,
                            on_connection, http, MHD_OPTION_END);
}

static bool http_attach(struct pawl_http_get *http)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (!info || uv_poll_init(http->config.loop, &http->poll, info->epoll_fd) != 0) return false;
    int status = uv_timer_init(http->config.loop, &http->timer);
    PAWL_ASSERT(status == 0);
    http->handles = 2;
    http->poll.data = http;
    http->timer.data = http;
    return uv_poll_start(&http->poll, UV_READABLE, on_readable) == 0;
}

pawl_err pawl_http_get_open(const struct pawl_http_get_config *config,
                            struct pawl_http_get **ret_http, const char **ret_message)
{
    int fd = -1;
    pawl_err err = pawl_listen_open(config->host, config->port, &fd, ret_message);
    if (err != PAWL_OK) return err;

    struct pawl_http_get *http = PAWL_NEW(struct pawl_http_get);
    http->config = *config;
    http->port = pawl_listen_port(fd);
    http->daemon = daemon_start(http, fd);
    if (!http->daemon) close(fd);
    if (http->daemon && http_attach(http)) {
        *ret_http = http;
        return PAWL_OK;
    }
    *ret_message = "the HTTP server could not start: too few file descriptors or too little memory";
    pawl_http_get_close(http);
    return PAWL_E_LIMIT;
}

uint16_t pawl_http_get_port(const struct pawl_http_get *http)
{
    return http->port;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct pawl_http_get *http = handle->data;
    if (--http->handles == 0) pawl_mem_free(http);
}

void pawl_http_get_close(struct pawl_http_get *http)
{
    if (!http) return;
    bool is_attached = http->handles > 0;
    if (is_attached) {
        uv_close((uv_handle_t *)&http->poll, on_handle_closed);
        uv_close((uv_handle_t *)&http->timer, on_handle_closed);
    }
    if (http->daemon) MHD_stop_daemon(http->daemon); /* closes the listening socket too */
    if (!is_attached) pawl_mem_free(http);
}
