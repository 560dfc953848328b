/* A redis-server of one's own for a test: a folder from mkdtemp, a unix socket in it, ports
 * that nobody else gets until it is stopped, killed with the test whatever happens. */
#ifndef PAWL_TESTS_CONFORMANCE_REDIS_SERVER_H
#define PAWL_TESTS_CONFORMANCE_REDIS_SERVER_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define REDIS_SERVER_ARGS_MAX 32

enum redis_server_kind {
    REDIS_SERVER_PLAIN,
    REDIS_SERVER_TLS,      /* the port speaks TLS; the socket does not */
    REDIS_SERVER_SENTINEL, /* `args` become lines of its configuration file */
};

struct redis_server {
    pid_t pid; /* 0: not running */
    enum redis_server_kind kind;
    char folder[64];
    char socket[96];
    uint16_t port;
    uint16_t bus_port; /* for the other servers of a cluster, if it belongs to one */
    int held[2];       /* sockets that keep the two ports from everybody else */
    int log;           /* what it writes; its "Ready" line is what start waits for */
    const char *args[REDIS_SERVER_ARGS_MAX]; /* further options, NULL-ended */
};

/* False when redis-server is not installed; says so on standard error. */
bool redis_server_is_installed(void);

/* `args`: NULL or a NULL-ended list of options, which must outlive the server. Returns
 * when it accepts connections. */
void redis_server_start(struct redis_server *server, const char *const *args);

void redis_server_start_as(struct redis_server *server, enum redis_server_kind kind,
                           const char *const *args);

/* kill -9; the folder and the port stay. */
void redis_server_kill(struct redis_server *server);

/* Again in the same folder on the same port, with what it had written. */
void redis_server_restart(struct redis_server *server);

/* SIGSTOP and SIGCONT: it hangs and goes on. */
void redis_server_pause(const struct redis_server *server);
void redis_server_continue(const struct redis_server *server);

/* Kills it and removes the folder. */
void redis_server_stop(struct redis_server *server);

/* What it has logged since it was ready, to standard error. */
void redis_server_print_log(const struct redis_server *server);

/* One command over a connection of its own; fails the test when Redis answers an error.
 * The caller frees the reply. `login`: NULL or "AUTH …" sent first. */
redisReply *redis_server_command(const struct redis_server *server, const char *login,
                                 const char *format, ...) __attribute__((format(printf, 3, 4)));

/* As above, for commands whose reply does not matter. */
void redis_server_do(const struct redis_server *server, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif /* PAWL_TESTS_CONFORMANCE_REDIS_SERVER_H */
