#include "sidecar/io/http.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/io/listen.h"
#include "base/log.h"
#include "base/mem.h"
#include "sidecar/io/http_internal.h"

/* libmicrohttpd inside libuv ------------------------------------------------------------ */

static void http_run(struct pawl_http *http);

static void http_on_timer(uv_timer_t *timer)
{
    http_run(timer->data);
}

static void http_on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    http_run(poll->data);
}

static void http_run(struct pawl_http *http)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    http->again = false;
    MHD_run(http->daemon);
    if (http->again) return; /* pawl_http_run_soon has set the timer */
    if (MHD_get_timeout(http->daemon, &timeout_ms) == MHD_YES) {
        uv_timer_start(&http->timer, http_on_timer, timeout_ms, 0);
    } else {
        uv_timer_stop(&http->timer);
    }
}

void pawl_http_run_soon(struct pawl_http *http)
{
    http->again = true;
    uv_timer_start(&http->timer, http_on_timer, 0, 0);
}

/* The request line, untouched: everything after this is decoded by libmicrohttpd in ways
 * that cannot be undone. */
static void *http_on_target(void *context, const char *target, struct MHD_Connection *connection)
{
    return pawl_exchange_new(context, connection, target);
}

/* "Decoded" as it is: we decode each segment ourselves. */
static size_t http_on_unescape(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context;
    (void)connection;
    return strlen(text);
}

static enum MHD_Result http_on_access(void *context, struct MHD_Connection *connection,
                                      const char *url, const char *method, const char *version,
                                      const char *data, size_t *data_size, void **request)
{
    (void)context;
    (void)connection;
    (void)url;
    (void)version;
    if (!*request) return MHD_NO;
    return pawl_exchange_on_access(*request, method, data, data_size);
}

static void http_on_completed(void *context, struct MHD_Connection *connection, void **request,
                              enum MHD_RequestTerminationCode code)
{
    (void)context;
    (void)connection;
    (void)code;
    if (!*request) return;
    pawl_exchange_free(*request);
    *request = NULL;
}

static void http_on_connection(void *context, struct MHD_Connection *connection, void **peer,
                               enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        pawl_peer_open(context, connection, (struct pawl_peer **)peer);
    } else {
        /* Where the limit was reached, libmicrohttpd accepts again only in its next run. */
        struct pawl_http *http = context;
        pawl_peer_close(*peer);
        *peer = NULL;
        if (!http->closing) pawl_http_run_soon(http);
    }
}

static void http_on_log(void *context, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
static void http_on_log(void *context, const char *format, va_list arguments)
{
    (void)context;
    char text[512];
    vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = 0;
    pawl_log(PAWL_LOG_DEBUG, "http", "%s", text);
}

/* Open ------------------------------------------------------------------------------------ */

static struct MHD_Daemon *daemon_start(struct pawl_http *http, int fd)
{
    return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL,
                            NULL, http_on_access, http, MHD_OPTION_EXTERNAL_LOGGER, http_on_log,
                            NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
                            (unsigned)PAWL_HTTP_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                            (unsigned)(PAWL_HTTP_IDLE_MS / 1000),
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)PAWL_HTTP_HEADER_SIZE_MAX,
                            MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK,
                            http_on_target, http, MHD_OPTION_UNESCAPE_CALLBACK, http_on_unescape,
                            NULL, MHD_OPTION_NOTIFY_COMPLETED, http_on_completed, http,
                            MHD_OPTION_NOTIFY_CONNECTION, http_on_connection, http, MHD_OPTION_END);
}

static void http_free(struct pawl_http *http)
{
    if (http->token) memset(http->token, 0, strlen(http->token));
    pawl_mem_free(http->token);
    pawl_mem_free(http);
}

static void http_on_handle_closed(uv_handle_t *handle)
{
    struct pawl_http *http = handle->data;
    if (--http->handles == 0) http_free(http);
}

static struct pawl_http *http_new(const struct pawl_http_config *config)
{
    struct pawl_http *http = PAWL_NEW(struct pawl_http);
    http->loop = config->loop;
    http->api = config->api;
    snprintf(http->host, sizeof http->host, strchr(config->host, ':') ? "[%s]" : "%s",
             config->host);
    pawl_list_init(&http->exchanges);
    if (config->token && config->token[0]) {
        size_t size = strlen(config->token) + 1;
        http->token = pawl_mem_alloc(size);
        memcpy(http->token, config->token, size);
    }
    return http;
}

static pawl_err http_attach(struct pawl_http *http)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (!info || uv_poll_init(http->loop, &http->poll, info->epoll_fd) != 0) return PAWL_E_LIMIT;
    int unused = uv_timer_init(http->loop, &http->timer);
    PAWL_ASSERT(unused == 0);
    http->handles = 2;
    http->poll.data = http;
    http->timer.data = http;
    if (uv_poll_start(&http->poll, UV_READABLE, http_on_readable) != 0) return PAWL_E_LIMIT;
    return PAWL_OK;
}

pawl_err pawl_http_open(const struct pawl_http_config *config, struct pawl_http **ret_http,
                        const char **ret_message)
{
    int fd = -1;
    pawl_err err = pawl_listen_open(config->host, config->port, &fd, ret_message);
    if (err != PAWL_OK) return err;

    struct pawl_http *http = http_new(config);
    http->port = pawl_listen_port(fd);
    http->daemon = daemon_start(http, fd);
    if (!http->daemon) {
        close(fd);
        http_free(http);
        *ret_message = "the HTTP server could not start: too few file descriptors or too little "
                       "memory";
        return PAWL_E_LIMIT;
    }
    if (http_attach(http) != PAWL_OK) {
        *ret_message = "the HTTP server could not join the event loop";
        pawl_http_close(http);
        return PAWL_E_LIMIT;
    }
    *ret_http = http;
    return PAWL_OK;
}

uint16_t pawl_http_port(const struct pawl_http *http)
{
    return http->port;
}

void pawl_http_show_grpc(struct pawl_http *http, const char *name,
                         const struct pawl_grpc_counters *counters)
{
    for (size_t i = 0; i < PAWL_HTTP_GRPC_PORTS_MAX; i++) {
        struct pawl_http_grpc_port *port = &http->counters.grpc[i];
        if (port->name && strcmp(port->name, name) != 0) continue;
        port->name = name;
        port->counters = counters;
        return;
    }
    PAWL_UNREACHABLE("more gRPC ports than there are dialects");
}

/* Close --------------------------------------------------------------------------------- */

static void http_abort_all(struct pawl_http *http)
{
    struct pawl_list *link = http->exchanges.next;
    while (link != &http->exchanges) {
        struct pawl_exchange *exchange = PAWL_CONTAINER_OF(link, struct pawl_exchange, link);
        link = link->next;
        if (exchange->state == PAWL_EXCHANGE_WAITING) pawl_exchange_abort(exchange);
    }
}

void pawl_http_close(struct pawl_http *http)
{
    if (!http) return;
    http->closing = true;
    int listen_fd = MHD_quiesce_daemon(http->daemon);
    if (listen_fd >= 0) close(listen_fd);

    /* No call begins any more. What the clients' sockets take at once is still sent. */
    http_abort_all(http);
    for (int i = 0; i < 4; i++) MHD_run(http->daemon);
    if (http->handles > 0) {
        uv_close((uv_handle_t *)&http->poll, http_on_handle_closed);
        uv_close((uv_handle_t *)&http->timer, http_on_handle_closed);
    }
    MHD_stop_daemon(http->daemon);
    http->daemon = NULL;
    PAWL_ASSERT(pawl_list_is_empty(&http->exchanges));
    if (http->handles == 0) http_free(http);
}
