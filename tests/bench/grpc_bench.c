/* What gRPC costs beside the app stream, with nothing behind either: a server hands out
 * items of 200 bytes on a stream, so many at once; the client answers each, with a call of
 * its own (gRPC) or a frame (app stream), and gets the next one.
 *
 *     bench_grpc [--items N]
 *
 * One JSON line per case on stdout. cpu_us is the server's CPU time per item; the last
 * lines are the ratio, and the server's memory per idle stream of work. */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/io/stream.h"
#include "base/limits.h"
#include "sidecar/grpc_wire.h"
#include "sidecar/io/grpc.h"
#include "tests/bench/bench_app.h"

#define ITEM_SIZE    200u
#define AT_ONCE      64u
#define IDLE_STREAMS 200u
#define ITEMS        300000u

static const uint8_t item[ITEM_SIZE] = { 1 };

struct server {
    uint32_t left; /* items not yet handed out */
    uint32_t open; /* items not yet answered */
    pid_t pid;
    uint16_t port;
    /* gRPC */
    struct pawl_grpc_listener *listener;
    struct pawl_grpc *grpc;
    uint64_t work; /* the stream */
    /* app stream */
    struct pawl_hub *hub;
    int wake_fd;
    bool is_over;
};

/* The server of gRPC ------------------------------------------------------------------------ */

static void hand_out(struct server *server)
{
    if (server->left > 0) {
        pawl_err err =
            pawl_grpc_send(server->grpc, server->work, pawl_bytes_make(item, sizeof item));
        PAWL_ASSERT(err == PAWL_OK);
        server->left--;
        server->open++;
    } else if (server->open == 0) {
        pawl_grpc_finish(server->grpc, server->work, PAWL_GRPC_OK, PAWL_BYTES_ABSENT);
    }
}

static void on_work(void *context, const struct pawl_grpc_call *call)
{
    struct server *server = context;
    server->work = call->id;
    for (uint32_t i = 0; i < AT_ONCE; i++) hand_out(server);
}

static void on_done(void *context, const struct pawl_grpc_call *call)
{
    struct server *server = context;
    pawl_grpc_answer(server->grpc, call->id, PAWL_BYTES_LITERAL(""));
    server->open--;
    hand_out(server);
}

static void on_echo(void *context, const struct pawl_grpc_call *call)
{
    struct server *server = context;
    pawl_grpc_answer(server->grpc, call->id, call->message);
}

static void on_idle(void *context, const struct pawl_grpc_call *call)
{
    (void)context;
    (void)call;
}

static void on_cancel(void *context, uint64_t call, const char *why, int64_t now_ms)
{
    (void)context;
    (void)call;
    (void)why;
    (void)now_ms;
}

static void on_writable(void *context, uint64_t call, int64_t now_ms)
{
    (void)context;
    (void)call;
    (void)now_ms;
}

static void on_term(uv_signal_t *signal, int number)
{
    (void)number;
    struct server *server = signal->data;
    pawl_grpc_listener_close(server->listener);
    uv_close((uv_handle_t *)signal, NULL);
}

static void serve_grpc(struct server *server, int ready_fd)
{
    static const struct pawl_grpc_method methods[] = {
        { "/b/Work", PAWL_GRPC_SERVER_STREAM, on_work },
        { "/b/Done", PAWL_GRPC_UNARY, on_done },
        { "/b/Echo", PAWL_GRPC_UNARY, on_echo },
        { "/b/Idle", PAWL_GRPC_SERVER_STREAM, on_idle },
    };
    struct pawl_arena arena;
    const char *message = "";
    uv_loop_t loop;
    uv_signal_t term = { .data = server };
    pawl_arena_init(&arena);
    PAWL_ASSERT(uv_loop_init(&loop) == 0);
    PAWL_ASSERT(uv_signal_init(&loop, &term) == 0);
    PAWL_ASSERT(uv_signal_start(&term, on_term, SIGTERM) == 0);
    const struct pawl_grpc_listener_config config = {
        .loop = &loop,
        .host = "127.0.0.1",
        .service = { "a benchmark", methods, 4, server, on_cancel, on_writable },
        .seed = 1,
    };
    pawl_err err = pawl_grpc_listener_open(&config, &arena, &server->listener, &message);
    PAWL_ASSERT(err == PAWL_OK);
    server->grpc = pawl_grpc_listener_server(server->listener);
    uint16_t port = pawl_grpc_listener_port(server->listener);
    PAWL_ASSERT(write(ready_fd, &port, sizeof port) == sizeof port);
    uv_run(&loop, UV_RUN_DEFAULT);
    exit(0);
}

/* The server of the app stream --------------------------------------------------------------- */

static void on_notify(void *context)
{
    struct server *server = context;
    uint64_t one = 1;
    PAWL_ASSERT(write(server->wake_fd, &one, sizeof one) == sizeof one);
}

static void hub_send(struct server *server, pawl_conn_id conn, size_t size)
{
    pawl_err err = pawl_hub_send(server->hub, conn, pawl_bytes_make(item, size));
    PAWL_ASSERT(err == PAWL_OK);
}

static void on_open(void *context, pawl_conn_id conn, uint32_t endpoint)
{
    (void)endpoint;
    struct server *server = context;
    for (uint32_t i = 0; i < AT_ONCE && server->left > 0; i++, server->left--) {
        hub_send(server, conn, ITEM_SIZE);
        server->open++;
    }
}

static void on_frame(void *context, pawl_conn_id conn, struct pawl_bytes frame)
{
    (void)frame;
    struct server *server = context;
    server->open--;
    if (server->left > 0) {
        server->left--;
        server->open++;
        hub_send(server, conn, ITEM_SIZE);
    } else if (server->open == 0) {
        hub_send(server, conn, 1); /* that was all */
    }
}

static void on_close(void *context, pawl_conn_id conn, pawl_err err, const char *why)
{
    (void)conn;
    (void)err;
    (void)why;
    struct server *server = context;
    server->is_over = true;
}

static void hub_open(struct server *server, void (*frame)(void *, pawl_conn_id, struct pawl_bytes),
                     void (*open)(void *, pawl_conn_id, uint32_t))
{
    server->wake_fd = eventfd(0, EFD_CLOEXEC);
    const struct pawl_hub_config config = { .frame_size_max = PAWL_FRAME_SIZE_MAX,
                                            .out_size_max = PAWL_STREAM_OUT_SIZE_MAX,
                                            .connections_max = 1,
                                            .context = server,
                                            .notify = on_notify,
                                            .on_open = open,
                                            .on_frame = frame,
                                            .on_close = on_close };
    pawl_err err = pawl_hub_open(&config, &server->hub);
    PAWL_ASSERT(err == PAWL_OK);
}

static void hub_run(struct server *server)
{
    while (!server->is_over) {
        uint64_t count;
        PAWL_ASSERT(read(server->wake_fd, &count, sizeof count) == sizeof count);
        pawl_hub_drain(server->hub);
        pawl_hub_flush(server->hub);
    }
    pawl_hub_close(server->hub);
    close(server->wake_fd);
}

static void serve_hub(struct server *server, int ready_fd)
{
    const char *why = "";
    hub_open(server, on_frame, on_open);
    pawl_err err = pawl_hub_listen(server->hub, "tcp://127.0.0.1:0", 1, &why);
    PAWL_ASSERT(err == PAWL_OK);
    uint16_t port = pawl_hub_port(server->hub, 1);
    PAWL_ASSERT(write(ready_fd, &port, sizeof port) == sizeof port);
    hub_run(server);
    exit(0);
}

/* Processes ---------------------------------------------------------------------------------- */

/* A server with `items` to hand out, as a child. */
static struct server server_start(void (*serve)(struct server *, int), uint32_t items)
{
    struct server server = { .left = items };
    int ready[2];
    PAWL_ASSERT(pipe(ready) == 0);
    server.pid = fork(); /* before NNG has made a thread */
    PAWL_ASSERT(server.pid >= 0);
    if (server.pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(&server, ready[1]);
    }
    PAWL_ASSERT(read(ready[0], &server.port, sizeof server.port) == sizeof server.port);
    close(ready[0]);
    close(ready[1]);
    return server;
}

/* Its CPU time in s. */
static double server_end(const struct server *server)
{
    struct rusage usage;
    (void)kill(server->pid, SIGTERM);
    PAWL_ASSERT(wait4(server->pid, NULL, 0, &usage) == server->pid);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
           + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static long server_rss_kb(const struct server *server)
{
    char path[64];
    char line[128] = "";
    char *rest;
    snprintf(path, sizeof path, "/proc/%ld/statm", (long)server->pid);
    FILE *file = fopen(path, "r");
    PAWL_ASSERT(file != NULL);
    PAWL_ASSERT(fgets(line, sizeof line, file) != NULL);
    (void)fclose(file);
    (void)strtol(line, &rest, 10);
    return strtol(rest, NULL, 10) * (sysconf(_SC_PAGESIZE) / 1024);
}

/* The client of gRPC --------------------------------------------------------------------------- */

struct client {
    int fd;
    nghttp2_session *session;
    struct pawl_buf out;
    int32_t work; /* the stream with the items; 0: none */
    size_t work_size;
    uint32_t left; /* calls to be made */
    uint32_t calls_open;
    uint32_t answered;
    bool is_work_over;
    const char *path;

    struct pawl_buf request;
};

static ssize_t on_read(nghttp2_session *session, int32_t stream, uint8_t *data, size_t size,
                       uint32_t *flags, nghttp2_data_source *source, void *context)
{
    (void)session;
    (void)stream;
    (void)source;
    struct client *client = context;
    PAWL_ASSERT(client->request.size <= size);
    memcpy(data, client->request.data, client->request.size);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)client->request.size;
}

static nghttp2_nv nv(const char *name, const char *value)
{
    return (nghttp2_nv){ (uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                         strlen(value), NGHTTP2_NV_FLAG_NONE };
}

static int32_t client_call(struct client *client, const char *path)
{
    const nghttp2_nv nvs[] = { nv(":method", "POST"),
                               nv(":scheme", "http"),
                               nv(":path", path),
                               nv(":authority", "localhost"),
                               nv("te", "trailers"),
                               nv("content-type", "application/grpc"),
                               nv("user-agent", "bench_grpc") };
    const nghttp2_data_provider provider = { .read_callback = on_read };
    int32_t stream = nghttp2_submit_request(client->session, NULL, nvs, 7, &provider, NULL);
    PAWL_ASSERT(stream > 0);
    client->calls_open++;
    return stream;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t size, void *context)
{
    (void)session;
    (void)flags;
    (void)data;
    struct client *client = context;
    if (stream != client->work) return 0;
    const size_t framed = ITEM_SIZE + PAWL_GRPC_PREFIX_SIZE;
    for (client->work_size += size; client->work_size >= framed; client->work_size -= framed)
        (void)client_call(client, client->path);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t code, void *context)
{
    (void)session;
    struct client *client = context;
    PAWL_ASSERT(code == 0);
    client->calls_open--;
    if (stream == client->work) {
        client->is_work_over = true;
        return 0;
    }
    client->answered++;
    if (client->left > 0) {
        client->left--;
        (void)client_call(client, client->path);
    }
    return 0;
}

static void client_open(struct client *client, uint16_t port, const char *path, size_t size)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int one = 1;
    nghttp2_session_callbacks *callbacks;
    uint8_t prefix[PAWL_GRPC_PREFIX_SIZE];
    *client = (struct client){ .path = path };
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    PAWL_ASSERT(connect(client->fd, (struct sockaddr *)&address, sizeof address) == 0);
    PAWL_ASSERT(setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
    PAWL_ASSERT(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    PAWL_ASSERT(nghttp2_session_client_new(&client->session, callbacks, client) == 0);
    nghttp2_session_callbacks_del(callbacks);
    PAWL_ASSERT(nghttp2_submit_settings(client->session, 0, NULL, 0) == 0);
    pawl_buf_init(&client->out, 64u << 20);
    pawl_buf_init(&client->request, 1u << 20);
    pawl_grpc_prefix_write(prefix, (uint32_t)size);
    pawl_buf_append(&client->request, prefix, sizeof prefix);
    pawl_buf_append(&client->request, item, size);
}

static void client_close(struct client *client)
{
    nghttp2_session_del(client->session);
    pawl_buf_deinit(&client->out);
    pawl_buf_deinit(&client->request);
    close(client->fd);
}

static void client_send(struct client *client)
{
    const uint8_t *data;
    ssize_t size;
    pawl_buf_clear(&client->out);
    while ((size = nghttp2_session_mem_send(client->session, &data)) > 0)
        pawl_buf_append(&client->out, data, (size_t)size);
    for (size_t at = 0; at < client->out.size; at += (size_t)size) {
        size = send(client->fd, client->out.data + at, client->out.size - at, MSG_NOSIGNAL);
        PAWL_ASSERT(size > 0);
    }
}

static void client_turn(struct client *client)
{
    static uint8_t data[256 << 10];
    client_send(client);
    ssize_t size = recv(client->fd, data, sizeof data, 0);
    PAWL_ASSERT(size > 0);
    PAWL_ASSERT(nghttp2_session_mem_recv(client->session, data, (size_t)size) == size);
}

/* Cases --------------------------------------------------------------------------------------- */

static void print_case(const char *name, uint32_t items, uint64_t from_ns, double cpu_s)
{
    double s = (double)(bench_now_ns() - from_ns) / 1e9;
    printf("{\"bench\":\"grpc\",\"case\":\"%s\",\"items\":%u,\"per_s\":%.0f,\"cpu_us\":%.2f}\n",
           name, items, items / s, cpu_s * 1e6 / items);
}

static void run_unary(uint32_t items, uint32_t at_once)
{
    struct server server = server_start(serve_grpc, 0);
    struct client client;
    client_open(&client, server.port, "/b/Echo", ITEM_SIZE);
    uint64_t from_ns = bench_now_ns();
    client.left = items - at_once;
    for (uint32_t i = 0; i < at_once; i++) (void)client_call(&client, client.path);
    while (client.answered < items) client_turn(&client);
    char name[32];
    snprintf(name, sizeof name, "unary, %u at once", at_once);
    double cpu_s = server_end(&server);
    print_case(name, items, from_ns, cpu_s);
    client_close(&client);
}

static double run_work(uint32_t items)
{
    struct server server = server_start(serve_grpc, items);
    struct client client;
    client_open(&client, server.port, "/b/Done", ITEM_SIZE);
    uint64_t from_ns = bench_now_ns();
    client.work = client_call(&client, "/b/Work");
    while (!client.is_work_over || client.calls_open > 0) client_turn(&client);
    PAWL_ASSERT(client.answered == items);
    double cpu_s = server_end(&server);
    print_case("work over gRPC", items, from_ns, cpu_s);
    client_close(&client);
    return cpu_s / items;
}

static void on_item(void *context, pawl_conn_id conn, struct pawl_bytes frame)
{
    struct server *self = context;
    if (frame.size == ITEM_SIZE) {
        hub_send(self, conn, ITEM_SIZE);
    } else {
        self->is_over = true;
    }
}

static void on_dialled(void *context, pawl_conn_id conn, uint32_t endpoint)
{
    (void)context;
    (void)conn;
    (void)endpoint;
}

/* In a child of its own, because NNG's threads would not survive the next fork. */
static double run_native(uint32_t items)
{
    struct server server = server_start(serve_hub, items);
    uint64_t from_ns = bench_now_ns();
    pid_t pid = fork();
    PAWL_ASSERT(pid >= 0);
    if (pid == 0) {
        struct server self = { .left = 0 };
        char url[64];
        snprintf(url, sizeof url, "tcp://127.0.0.1:%u", server.port);
        hub_open(&self, on_item, on_dialled);
        (void)pawl_hub_dial(self.hub, url, 1);
        hub_run(&self);
        exit(0);
    }
    PAWL_ASSERT(waitpid(pid, NULL, 0) == pid);
    double cpu_s = server_end(&server);
    print_case("work over the app stream", items, from_ns, cpu_s);
    return cpu_s / items;
}

static void run_idle(void)
{
    struct server server = server_start(serve_grpc, 0);
    static struct client clients[IDLE_STREAMS];
    long before_kb = 0;
    for (uint32_t i = 0; i < IDLE_STREAMS; i++) {
        struct client *client = &clients[i];
        client_open(client, server.port, "/b/Echo", ITEM_SIZE);
        (void)client_call(client, "/b/Idle");
        (void)client_call(client, client->path);
        while (client->answered < 1) client_turn(client);
        if (i == 0) before_kb = server_rss_kb(&server);
    }
    long after_kb = server_rss_kb(&server);
    printf("{\"bench\":\"grpc\",\"case\":\"idle stream\",\"kb\":%.1f}\n",
           (double)(after_kb - before_kb) / (IDLE_STREAMS - 1));
    (void)server_end(&server);
    for (uint32_t i = 0; i < IDLE_STREAMS; i++) client_close(&clients[i]);
}

int main(int argc, char **argv)
{
    static const struct option names[] = { { "items", required_argument, NULL, 'n' },
                                           { NULL, 0, NULL, 0 } };
    unsigned long items = ITEMS;
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (option == 'n') items = strtoul(optarg, NULL, 10);
    }
    if (items < AT_ONCE || items > 100000000 || optind != argc) {
        (void)fprintf(stderr, "usage: %s [--items N]   (N from %u)\n", argv[0], AT_ONCE);
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    run_unary((uint32_t)items / 4 + 1, 1);
    run_unary((uint32_t)items, AT_ONCE);
    double grpc_s = run_work((uint32_t)items);
    double native_s = run_native((uint32_t)items);
    printf("{\"bench\":\"grpc\",\"case\":\"cpu of gRPC / of the app stream\",\"ratio\":%.2f}\n",
           grpc_s / native_s);
    run_idle();
    return 0;
}
