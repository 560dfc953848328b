#include "redis_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define BINARY "redis-server"

static void check(bool cond, const char *what)
{
    if (cond) return;
    (void)fprintf(stderr, "redis_server: %s failed: %s\n", what, strerror(errno));
    abort();
}

bool redis_server_is_installed(void)
{
    if (system("command -v " BINARY " >/dev/null") == 0) return true;
    (void)fprintf(stderr, "SKIPPED: %s is not installed\n", BINARY);
    return false;
}

/* A port that stays ours while the socket is open: as nobody listens on it, Redis, which sets
 * SO_REUSEADDR too, can bind it, again and again; the kernel gives it to no one else. */
static int port_hold(uint16_t *ret_port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(fd >= 0, "socket");
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int yes = 1;
    check(bind(fd, (struct sockaddr *)&address, size) == 0, "bind");
    check(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0, "SO_REUSEADDR");
    check(getsockname(fd, (struct sockaddr *)&address, &size) == 0, "getsockname");
    *ret_port = ntohs(address.sin_port);
    return fd;
}

/* A sentinel rewrites its file, so it is written once only. */
static void sentinel_write_config(const struct redis_server *server, char *path, size_t path_size)
{
    (void)snprintf(path, path_size, "%s/sentinel.conf", server->folder);
    if (access(path, F_OK) == 0) return;
    FILE *file = fopen(path, "w");
    check(file != NULL, "writing sentinel.conf");
    (void)fprintf(file, "port %u\nbind 127.0.0.1\nunixsocket %s\ndir %s\n", (unsigned)server->port,
                  server->socket, server->folder);
    for (size_t i = 0; server->args[i]; i++) (void)fprintf(file, "%s\n", server->args[i]);
    (void)fclose(file);
}

static void server_exec(const struct redis_server *server, int log)
{
    char port[8], bus_port[8], path[128];
    (void)snprintf(port, sizeof port, "%u", (unsigned)server->port);
    (void)snprintf(bus_port, sizeof bus_port, "%u", (unsigned)server->bus_port);
    bool is_tls = server->kind == REDIS_SERVER_TLS;
    const char *argv[20 + REDIS_SERVER_ARGS_MAX] = {
        BINARY,           "--port",     is_tls ? "0" : port,
        "--bind",         "127.0.0.1",  "--unixsocket",
        server->socket,   "--dir",      server->folder,
        "--save",         "",           "--loglevel",
        "notice",         "--tls-port", is_tls ? port : "0",
        "--cluster-port", bus_port,
    };
    size_t count = 17;
    for (size_t i = 0; server->args[i]; i++) argv[count++] = server->args[i];
    argv[count] = NULL;
    if (server->kind == REDIS_SERVER_SENTINEL) {
        sentinel_write_config(server, path, sizeof path);
        argv[1] = path;
        argv[2] = "--sentinel";
        argv[3] = NULL;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)dup2(log, STDOUT_FILENO);
    (void)dup2(log, STDERR_FILENO);
    (void)execvp(BINARY, (char *const *)argv);
    _exit(127);
}

/* True once the line came; false when the server ended without it. */
static bool ready_wait(int log)
{
    char text[8192];
    size_t size = 0;
    while (size + 1 < sizeof text) {
        ssize_t got = read(log, text + size, sizeof text - 1 - size);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        size += (size_t)got;
        text[size] = 0;
        if (strstr(text, "eady to accept connections")) return true;
        if (strstr(text, "Sentinel ID is")) return true;
    }
    text[size] = 0;
    (void)fprintf(stderr, "%s\n", text);
    return false;
}

static bool server_spawn(struct redis_server *server)
{
    int ends[2];
    check(pipe2(ends, O_CLOEXEC) == 0, "pipe");
    server->pid = fork();
    check(server->pid >= 0, "fork");
    if (server->pid == 0) {
        /* Nobody reads what comes after the "Ready" line: a full pipe must not stop Redis. */
        (void)fcntl(ends[1], F_SETFL, O_NONBLOCK);
        server_exec(server, ends[1]);
    }
    (void)close(ends[1]);
    server->log = ends[0];
    if (ready_wait(server->log)) return true;
    redis_server_kill(server);
    return false;
}

void redis_server_start(struct redis_server *server, const char *const *args)
{
    redis_server_start_as(server, REDIS_SERVER_PLAIN, args);
}

void redis_server_start_as(struct redis_server *server, enum redis_server_kind kind,
                           const char *const *args)
{
    *server = (struct redis_server){ .log = -1, .kind = kind };
    for (size_t i = 0; args && args[i]; i++) {
        check(i + 1 < REDIS_SERVER_ARGS_MAX, "too many arguments");
        server->args[i] = args[i];
    }
    (void)snprintf(server->folder, sizeof server->folder, "/tmp/pawl-redis-XXXXXX");
    check(mkdtemp(server->folder) != NULL, "mkdtemp");
    (void)snprintf(server->socket, sizeof server->socket, "%s/redis.sock", server->folder);
    server->held[0] = port_hold(&server->port);
    server->held[1] = port_hold(&server->bus_port);
    check(server_spawn(server), "starting redis-server");
}

void redis_server_kill(struct redis_server *server)
{
    if (server->pid == 0) return;
    (void)kill(server->pid, SIGKILL);
    while (waitpid(server->pid, NULL, 0) < 0 && errno == EINTR) continue;
    server->pid = 0;
    (void)close(server->log);
}

void redis_server_restart(struct redis_server *server)
{
    redis_server_kill(server);
    check(server_spawn(server), "restarting redis-server");
}

void redis_server_print_log(const struct redis_server *server)
{
    if (server->pid == 0) return;
    (void)fprintf(stderr, "--- redis at port %u:\n", (unsigned)server->port);
    check(fcntl(server->log, F_SETFL, O_NONBLOCK) == 0, "fcntl");
    char text[4096];
    for (ssize_t got; (got = read(server->log, text, sizeof text)) > 0;)
        (void)fwrite(text, 1, (size_t)got, stderr);
}

void redis_server_pause(const struct redis_server *server)
{
    check(kill(server->pid, SIGSTOP) == 0, "SIGSTOP");
    int status;
    check(waitpid(server->pid, &status, WUNTRACED) == server->pid, "waiting for SIGSTOP");
}

void redis_server_continue(const struct redis_server *server)
{
    check(kill(server->pid, SIGCONT) == 0, "SIGCONT");
}

void redis_server_stop(struct redis_server *server)
{
    redis_server_kill(server);
    for (int i = 0; i < 2; i++) (void)close(server->held[i]);
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", server->folder);
    check(system(command) == 0, "removing the folder");
}

static redisReply *command_run(const struct redis_server *server, const char *login,
                               const char *format, va_list args)
{
    redisContext *context = redisConnectUnix(server->socket);
    check(context && !context->err, "connecting");
    if (login) {
        redisReply *reply = redisCommand(context, login);
        check(reply && reply->type != REDIS_REPLY_ERROR, "login");
        freeReplyObject(reply);
    }
    redisReply *reply = redisvCommand(context, format, args);
    check(reply != NULL, "command");
    if (reply->type == REDIS_REPLY_ERROR) (void)fprintf(stderr, "%s: %s\n", format, reply->str);
    check(reply->type != REDIS_REPLY_ERROR, "command");
    redisFree(context);
    return reply;
}

redisReply *redis_server_command(const struct redis_server *server, const char *login,
                                 const char *format, ...)
{
    va_list args;
    va_start(args, format);
    redisReply *reply = command_run(server, login, format, args);
    va_end(args);
    return reply;
}

void redis_server_do(const struct redis_server *server, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    freeReplyObject(command_run(server, NULL, format, args));
    va_end(args);
}
