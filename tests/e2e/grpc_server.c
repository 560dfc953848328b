/* The gRPC server with a service for tests, as a process.
 *
 *     grpc_server [--token TEXT] [--tls FOLDER]
 *
 * Prints the port as one line. With --tls it makes certificate.pem and key.pem in the
 * folder first. SIGTERM stops it: running calls have 2 s. The methods of /test.Echo/ take
 * and give texts:
 *
 *     Echo     the request
 *     Fail     "CODE TEXT": that status
 *     Wait     never answers
 *     Count    a stream: "N SIZE": N messages of SIZE bytes, each beginning with its number
 *     Open     a stream without messages that stays open
 *     Stats    "open=… cancelled=… connections=… rss_kb=…"
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/list.h"
#include "base/mem.h"
#include "sidecar/io/grpc.h"
#include "tests/unit/sidecar/tls_files.h"

#define NUMBER_SIZE     10u /* of a message, as text */
#define NUMBER_SIZE_MAX 20u
#define STOP_MS         2000u
#define STOP_LOOK_MS    20u

struct server {
    uv_loop_t loop;
    uv_signal_t signal;
    uv_timer_t timer;
    struct pawl_grpc_listener *listener;
    struct pawl_grpc *grpc;
    struct pawl_list calls; /* that are open */
    uint32_t calls_count;
    uint32_t cancelled_count;
    uint64_t stop_at_ms;
};

struct open_call {
    struct pawl_list link;
    uint64_t id;
    unsigned long sent; /* of Count */
    unsigned long total;
    size_t size;
};

static void text_of(const struct pawl_grpc_call *call, char ret_text[256])
{
    snprintf(ret_text, 256, "%.*s", PAWL_BYTES_FMT(call->message));
}

static struct open_call *call_keep(struct server *server, uint64_t id)
{
    struct open_call *open = PAWL_NEW(struct open_call);
    open->id = id;
    pawl_list_push_tail(&server->calls, &open->link);
    server->calls_count++;
    return open;
}

static struct open_call *call_find(const struct server *server, uint64_t id)
{
    for (struct pawl_list *at = server->calls.next; at != &server->calls; at = at->next) {
        struct open_call *open = PAWL_CONTAINER_OF(at, struct open_call, link);
        if (open->id == id) return open;
    }
    return NULL;
}

static void call_drop(struct server *server, struct open_call *open)
{
    pawl_list_remove(&open->link);
    server->calls_count--;
    pawl_mem_free(open);
}

static void on_echo(void *context, const struct pawl_grpc_call *call)
{
    struct server *server = context;
    pawl_grpc_answer(server->grpc, call->id, call->message);
}

static void on_fail(void *context, const struct pawl_grpc_call *call)
{
    struct server *server = context;
    char text[256];
    char *rest;
    text_of(call, text);
    unsigned long code = strtoul(text, &rest, 10);
    if (*rest == ' ') rest++;
    pawl_grpc_finish(server->grpc, call->id, (enum pawl_grpc_status)code, pawl_bytes_str(rest));
}

static void on_wait(void *context, const struct pawl_grpc_call *call)
{
    (void)call_keep(context, call->id);
}

static void count_on(struct server *server, struct open_call *open)
{
    uint8_t *message = pawl_mem_alloc(open->size + NUMBER_SIZE_MAX + 1);
    pawl_err err = PAWL_OK;
    while (open->sent < open->total && err == PAWL_OK) {
        snprintf((char *)message, NUMBER_SIZE_MAX + 1, "%010lu", open->sent);
        err = pawl_grpc_send(server->grpc, open->id, pawl_bytes_make(message, open->size));
        if (err == PAWL_OK) open->sent++;
    }
    pawl_mem_free(message);
    if (err != PAWL_OK) return;
    pawl_grpc_finish(server->grpc, open->id, PAWL_GRPC_OK, PAWL_BYTES_ABSENT);
    call_drop(server, open);
}

static void on_count(void *context, const struct pawl_grpc_call *call)
{
    struct server *server = context;
    struct open_call *open = call_keep(server, call->id);
    char text[256];
    char *rest;
    text_of(call, text);
    open->total = strtoul(text, &rest, 10);
    open->size = strtoul(rest, NULL, 10);
    if (open->size < NUMBER_SIZE) open->size = NUMBER_SIZE;
    count_on(server, open);
}

static unsigned long rss_kb(void)
{
    unsigned long pages = 0;
    char line[128] = "";
    char *rest;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file) return 0;
    if (fgets(line, sizeof line, file)) {
        (void)strtoul(line, &rest, 10);
        pages = strtoul(rest, NULL, 10);
    }
    (void)fclose(file);
    return pages * (unsigned long)sysconf(_SC_PAGESIZE) / 1024;
}

static void on_stats(void *context, const struct pawl_grpc_call *call)
{
    struct server *server = context;
    char text[256];
    snprintf(text, sizeof text,
             "open=%" PRIu32 " cancelled=%" PRIu32 " connections=%" PRIu32 " rss_kb=%lu",
             server->calls_count, server->cancelled_count, pawl_grpc_count(server->grpc), rss_kb());
    pawl_grpc_answer(server->grpc, call->id, pawl_bytes_str(text));
}

static void on_cancel(void *context, uint64_t call, const char *why, int64_t now_ms)
{
    (void)why;
    (void)now_ms;
    struct server *server = context;
    struct open_call *open = call_find(server, call);
    PAWL_ASSERT(open != NULL);
    call_drop(server, open);
    server->cancelled_count++;
}

static void on_writable(void *context, uint64_t call, int64_t now_ms)
{
    (void)now_ms;
    struct server *server = context;
    struct open_call *open = call_find(server, call);
    PAWL_ASSERT(open != NULL);
    count_on(server, open);
}

static const struct pawl_grpc_method methods[] = {
    { "/test.Echo/Echo", PAWL_GRPC_UNARY, on_echo },
    { "/test.Echo/Fail", PAWL_GRPC_UNARY, on_fail },
    { "/test.Echo/Wait", PAWL_GRPC_UNARY, on_wait },
    { "/test.Echo/Count", PAWL_GRPC_SERVER_STREAM, on_count },
    { "/test.Echo/Open", PAWL_GRPC_SERVER_STREAM, on_wait },
    { "/test.Echo/Stats", PAWL_GRPC_UNARY, on_stats },
};

static void on_stop_look(uv_timer_t *timer)
{
    struct server *server = timer->data;
    bool is_over = uv_now(&server->loop) >= server->stop_at_ms;
    if (pawl_grpc_count(server->grpc) > 0 && !is_over) return;
    pawl_grpc_listener_close(server->listener);
    uv_close((uv_handle_t *)&server->timer, NULL);
    uv_close((uv_handle_t *)&server->signal, NULL);
}

static void on_signal(uv_signal_t *signal, int number)
{
    (void)number;
    struct server *server = signal->data;
    uv_signal_stop(signal);
    pawl_grpc_listener_stop(server->listener);
    server->stop_at_ms = uv_now(&server->loop) + STOP_MS;
    uv_timer_start(&server->timer, on_stop_look, 0, STOP_LOOK_MS);
}

static void server_run(struct pawl_grpc_listener_config *config, struct pawl_arena *arena)
{
    struct server server = { .calls_count = 0 };
    const char *message = NULL;
    pawl_list_init(&server.calls);
    PAWL_ASSERT(uv_loop_init(&server.loop) == 0);
    config->loop = &server.loop;
    config->service.context = &server;
    if (pawl_grpc_listener_open(config, arena, &server.listener, &message) != PAWL_OK) {
        (void)fprintf(stderr, "grpc_server: %s\n", message);
        exit(1);
    }
    server.grpc = pawl_grpc_listener_server(server.listener);
    PAWL_ASSERT(uv_timer_init(&server.loop, &server.timer) == 0);
    PAWL_ASSERT(uv_signal_init(&server.loop, &server.signal) == 0);
    server.timer.data = server.signal.data = &server;
    PAWL_ASSERT(uv_signal_start(&server.signal, on_signal, SIGTERM) == 0);
    printf("%u\n", pawl_grpc_listener_port(server.listener));
    (void)fflush(stdout);
    uv_run(&server.loop, UV_RUN_DEFAULT);
    PAWL_ASSERT(uv_loop_close(&server.loop) == 0);
    PAWL_ASSERT(server.calls_count == 0);
}

int main(int argc, char **argv)
{
    static const struct option flags[] = { { "token", required_argument, NULL, 't' },
                                           { "tls", required_argument, NULL, 's' },
                                           { NULL, 0, NULL, 0 } };
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    struct pawl_grpc_listener_config config = {
        .host = "127.0.0.1",
        .seed = 1,
        .service = { .what = "echoes for tests (test.Echo)",
                     .methods = methods,
                     .methods_count = sizeof methods / sizeof methods[0],
                     .on_cancel = on_cancel,
                     .on_writable = on_writable },
    };
    (void)signal(SIGPIPE, SIG_IGN);
    for (int flag; (flag = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
        if (flag == 't') config.token = optarg;
        if (flag == 's') {
            config.tls_certificate =
                (const char *)pawl_arena_printf(&arena, "%s/certificate.pem", optarg).data;
            config.tls_key = (const char *)pawl_arena_printf(&arena, "%s/key.pem", optarg).data;
            tls_files_make(config.tls_certificate, config.tls_key);
        }
        if (flag == '?') return 2;
    }
    server_run(&config, &arena);
    pawl_arena_deinit(&arena);
    return 0;
}
