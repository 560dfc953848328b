#include "cli/io/run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "base/bytes.h"
#include "base/io/clock.h"
#include "base/limits.h"
#include "cli/io/child.h"
#include "cli/io/say.h"

#define STOP_MS 15000 /* how long a stopped process may take before it is killed */

struct run {
    const struct pawl_cli_options *options;
    struct pawl_arena arena;
    struct pawl_child sidecar;
    struct pawl_child app;
    int signals; /* signalfd */
    int ready;   /* read end; -1: the line has come */
    struct pawl_buf ready_line;
    char *folder; /* of this run's socket; NULL: the user chose where to listen */
    bool colors;
    uint32_t stops;     /* how often we were asked to stop */
    int64_t kill_at_ms; /* 0: nothing has been asked to stop */
    int code;
};

/* Sidecar -------------------------------------------------------------------------------- */

/* Beside this program, as installed or built; else the name alone, for PATH. */
static const char *sidecar_find(struct run *run)
{
    static const char *const places[] = { "pawld", "../sidecar/pawld", "../sbin/pawld" };
    if (run->options->pawld) return run->options->pawld;
    char own[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", own, sizeof own - 1);
    for (size_t i = 0; size > 0 && i < sizeof places / sizeof places[0]; i++) {
        own[size] = 0;
        char *slash = strrchr(own, '/');
        const char *path = (const char *)pawl_arena_printf(&run->arena, "%.*s%s",
                                                           (int)(slash + 1 - own), own, places[i])
                               .data;
        if (access(path, X_OK) == 0) return path;
    }
    return "pawld";
}

static bool options_pass(const struct pawl_cli_options *options, const char *name)
{
    size_t size = strlen(name);
    for (uint32_t i = 0; i < options->passed_count; i++) {
        if (strncmp(options->passed[i], name, size) == 0) return true;
    }
    return false;
}

static const char *print(struct run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static const char *print(struct run *run, const char *format, ...)
{
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it has been started */
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return (const char *)pawl_arena_printf(&run->arena, "%s", text).data;
}

/* A socket of its own lets several apps run side by side without choosing ports. */
static const char *socket_make(struct run *run)
{
    if (options_pass(run->options, "--app-listen=") || getenv("PAWL_APP_LISTEN")) return NULL;
    run->folder = strdup("/tmp/pawl-run-XXXXXX");
    if (!run->folder || !mkdtemp(run->folder)) {
        pawl_cli_say("cannot make a folder in /tmp for the app's socket: %s", strerror(errno));
        free(run->folder);
        run->folder = NULL;
        return NULL;
    }
    return print(run, "--app-listen=ipc://%s/app.sock", run->folder);
}

static bool sidecar_start(struct run *run)
{
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) != 0) {
        pawl_cli_say("cannot make a pipe: %s", strerror(errno));
        return false;
    }
    char fd[32];
    snprintf(fd, sizeof fd, "--ready-fd=%d", ready[1]);
    const char *argv[PAWL_CLI_PASSED_MAX + 10];
    size_t count = 0;
    const char *program = sidecar_find(run);
    argv[count++] = program;
    argv[count++] = print(run, "--app-id=%s", run->options->app_id);
    argv[count++] = fd;
    const char *listen = socket_make(run);
    if (listen) argv[count++] = listen;
    /* The app is told which ports they are, so any will do. */
    if (!options_pass(run->options, "--grpc-port=") && !getenv("PAWL_GRPC_PORT"))
        argv[count++] = "--grpc-port=0";
    if (!options_pass(run->options, "--durabletask-port=") && !getenv("PAWL_DURABLETASK_PORT"))
        argv[count++] = "--durabletask-port=0";
    for (uint32_t i = 0; i < run->options->passed_count; i++)
        argv[count++] = run->options->passed[i];
    argv[count] = NULL;

    /* By the environment: arguments can be read by every user of the machine. */
    const char *env[] = { run->options->token ? print(run, "PAWL_TOKEN=%s", run->options->token)
                                              : NULL,
                          NULL };
    struct pawl_child_spec spec = { .argv = (char *const *)(uintptr_t)argv,
                                    .env = env,
                                    .keep_fd = ready[1],
                                    .own_group = true,
                                    .label = "pawld",
                                    .out_color = run->colors ? "\x1b[36m" : NULL,
                                    .out_fd = STDERR_FILENO,
                                    .err_fd = STDERR_FILENO };
    int error = pawl_child_start(&run->sidecar, &spec);
    close(ready[1]);
    run->ready = ready[0];
    if (error == 0) return true;
    pawl_cli_say("cannot start the sidecar \"%s\": %s\nSay where it is with --pawld.", program,
                 strerror(error));
    return false;
}

/* App ------------------------------------------------------------------------------------ */

/* A variable with one of the ports of the sidecar; NULL: it does not say it. */
static const char *port_variable(struct run *run, const json_t *ready, const char *key,
                                 const char *name)
{
    const json_t *port = json_object_get(ready, key);
    if (!json_is_integer(port)) return NULL;
    return print(run, "%s=%lld", name, (long long)json_integer_value(port));
}

/* How Microsoft's scheduler packages are told where to connect. */
static const char *connection_string(struct run *run, const json_t *ready)
{
    const json_t *port = json_object_get(ready, "durabletask");
    if (!json_is_integer(port)) return NULL;
    return print(run,
                 "DURABLE_TASK_SCHEDULER_CONNECTION_STRING="
                 "Endpoint=http://127.0.0.1:%lld;TaskHub=%s;Authentication=None",
                 (long long)json_integer_value(port), run->options->app_id);
}

/* What the app finds its sidecar by, ended by NULL. */
#define APP_VARIABLES_MAX 12u

static void app_variables(struct run *run, const char *endpoint, const json_t *ready,
                          const char *ret_env[APP_VARIABLES_MAX])
{
    long long http_port = (long long)json_integer_value(json_object_get(ready, "http"));
    const char *token = run->options->token;
    const char *all[] = {
        print(run, "PAWL_APP_ID=%s", run->options->app_id),
        print(run, "PAWL_APP_ENDPOINT=%s", endpoint),
        print(run, "PAWL_HTTP_ENDPOINT=http://127.0.0.1:%lld", http_port),
        token ? print(run, "PAWL_TOKEN=%s", token) : NULL,
        print(run, "APP_ID=%s", run->options->app_id),
        port_variable(run, ready, "http", "DAPR_HTTP_PORT"),
        port_variable(run, ready, "grpc", "DAPR_GRPC_PORT"),
        token ? print(run, "DAPR_API_TOKEN=%s", token) : NULL,
        port_variable(run, ready, "durabletask", "DURABLETASK_PORT"),
        connection_string(run, ready),
    };
    uint32_t count = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]) ret_env[count++] = all[i];
    ret_env[count] = NULL;
}

static bool app_start(struct run *run, const char *endpoint, const json_t *ready)
{
    const char *env[APP_VARIABLES_MAX];
    app_variables(run, endpoint, ready, env);
    struct pawl_child_spec spec = { .argv = run->options->app,
                                    .env = env,
                                    .keep_fd = -1,
                                    .label = run->options->app_id,
                                    .out_color = run->colors ? "\x1b[32m" : NULL,
                                    .out_fd = STDOUT_FILENO,
                                    .err_fd = STDERR_FILENO };
    int error = pawl_child_start(&run->app, &spec);
    if (error == 0) return true;
    pawl_cli_say("cannot start \"%s\": %s", run->options->app[0], strerror(error));
    run->code = error == ENOENT ? 127 : 126;
    return false;
}

static void run_stop_sidecar(struct run *run)
{
    pawl_child_signal(&run->sidecar, SIGTERM);
    run->kill_at_ms = pawl_clock_ms(CLOCK_MONOTONIC) + STOP_MS;
}

static void run_on_ready(struct run *run)
{
    json_t *json = json_loadb((const char *)run->ready_line.data, run->ready_line.size, 0, NULL);
    const char *endpoint = json_string_value(json_object_get(json, "app"));
    json_t *port = json_object_get(json, "http");
    if (!endpoint || !json_is_integer(port)) {
        pawl_cli_say(
            "the sidecar did not say where it listens; do pawl and pawld have the same version?");
        run->code = PAWL_CLI_UNREACHABLE;
        run_stop_sidecar(run);
    } else if (run->stops > 0 || !app_start(run, endpoint, json)) {
        run_stop_sidecar(run);
    }
    json_decref(json);
}

static void run_read_ready(struct run *run)
{
    uint8_t chunk[512];
    ssize_t got = read(run->ready, chunk, sizeof chunk);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (got > 0) pawl_buf_append(&run->ready_line, chunk, (size_t)got);
    bool whole = run->ready_line.size > 0
                 && memchr(run->ready_line.data, '\n', run->ready_line.size) != NULL;
    if (got > 0 && !whole && run->ready_line.bad == PAWL_OK) return;
    close(run->ready);
    run->ready = -1;
    if (whole) run_on_ready(run);
    /* else its end, which follows, says all */
}

/* Ends ------------------------------------------------------------------------------------- */

static void run_on_app_end(struct run *run)
{
    run->code = pawl_child_exit_code(&run->app);
    run_stop_sidecar(run);
}

static void run_on_sidecar_end(struct run *run)
{
    int code = pawl_child_exit_code(&run->sidecar);
    bool has_app = run->app.pid > 0;
    if (has_app) {
        pawl_cli_say(
            "the sidecar has ended (exit code %d): stopping the app. Workflows go on when both "
            "run again.",
            code);
        pawl_child_signal(&run->app, SIGTERM);
        run->kill_at_ms = pawl_clock_ms(CLOCK_MONOTONIC) + STOP_MS;
    } else if (!run->app.ended && run->stops == 0 && run->code == 0) {
        pawl_cli_say("the sidecar could not start (exit code %d); its messages are above", code);
    }
    if (has_app || (!run->app.ended && run->stops == 0 && run->code == 0)) {
        run->code = PAWL_CLI_UNREACHABLE;
    }
}

/* After a second request to stop both are killed, and which is seen first means nothing. */
static void run_reap(struct run *run)
{
    bool killed = run->stops > 1;
    bool sidecar_first = run->sidecar.ended && !killed;
    if (pawl_child_reap(&run->app) && !sidecar_first) run_on_app_end(run);
    if (pawl_child_reap(&run->sidecar) && !killed) run_on_sidecar_end(run);
}

/* The first request to stop goes to the app, which may finish what it does; the sidecar
 * follows when the app has ended. A second one ends both at once. */
static void run_on_stop(struct run *run, const struct signalfd_siginfo *signal_info)
{
    run->stops++;
    if (run->stops > 1) {
        pawl_child_signal(&run->app, SIGKILL);
        pawl_child_signal(&run->sidecar, SIGKILL);
        return;
    }
    if (run->app.pid <= 0) {
        run->code = 128 + (int)signal_info->ssi_signo;
        run_stop_sidecar(run);
        return;
    }
    /* Ctrl-C has reached the app already: it is in the terminal's foreground group. */
    bool from_terminal = signal_info->ssi_code == SI_KERNEL;
    if (!from_terminal) pawl_child_signal(&run->app, (int)signal_info->ssi_signo);
}

static void run_read_signals(struct run *run)
{
    struct signalfd_siginfo signal_info;
    while (read(run->signals, &signal_info, sizeof signal_info) == sizeof signal_info) {
        if (signal_info.ssi_signo == SIGCHLD)
            run_reap(run);
        else
            run_on_stop(run, &signal_info);
    }
}

static void run_kill_late(struct run *run)
{
    if (run->kill_at_ms == 0 || pawl_clock_ms(CLOCK_MONOTONIC) < run->kill_at_ms) return;
    run->kill_at_ms = 0;
    pawl_cli_say("%s still runs after %d s: killed", run->sidecar.ended ? "the app" : "the sidecar",
                 STOP_MS / 1000);
    if (run->sidecar.ended) pawl_child_signal(&run->app, SIGKILL);
    pawl_child_signal(&run->sidecar, SIGKILL);
}

/* Loop ------------------------------------------------------------------------------------ */

static int run_timeout(const struct run *run)
{
    if (run->kill_at_ms == 0) return -1;
    int64_t left_ms = run->kill_at_ms - pawl_clock_ms(CLOCK_MONOTONIC);
    return left_ms > 0 ? (int)left_ms : 0;
}

static void run_loop(struct run *run)
{
    struct pawl_relay *relays[] = { &run->sidecar.out, &run->sidecar.err, &run->app.out,
                                    &run->app.err };
    while (run->sidecar.pid > 0 || run->app.pid > 0) {
        struct pollfd fds[6];
        for (int i = 0; i < 4; i++) {
            fds[i] = (struct pollfd){ .fd = relays[i]->fd, .events = POLLIN };
        }
        fds[4] = (struct pollfd){ .fd = run->signals, .events = POLLIN };
        fds[5] = (struct pollfd){ .fd = run->ready, .events = POLLIN };
        if (poll(fds, 6, run_timeout(run)) < 0 && errno != EINTR) break;
        for (int i = 0; i < 4; i++) {
            if (fds[i].revents) pawl_relay_pump(relays[i]);
        }
        if (fds[5].revents) run_read_ready(run);
        if (fds[4].revents) run_read_signals(run);
        run_kill_late(run);
    }
    for (int i = 0; i < 4; i++) pawl_relay_finish(relays[i]);
}

static void run_deinit(struct run *run)
{
    pawl_child_deinit(&run->sidecar);
    pawl_child_deinit(&run->app);
    if (run->folder) {
        unlink(print(run, "%s/app.sock", run->folder));
        rmdir(run->folder);
        free(run->folder);
    }
    if (run->ready >= 0) close(run->ready);
    if (run->signals >= 0) close(run->signals);
    pawl_buf_deinit(&run->ready_line);
    pawl_arena_deinit(&run->arena);
}

int pawl_cli_run(const struct pawl_cli_options *options)
{
    struct run run = { .options = options,
                       .ready = -1,
                       .sidecar = { .out = { .fd = -1 }, .err = { .fd = -1 } },
                       .app = { .out = { .fd = -1 }, .err = { .fd = -1 } } };
    pawl_arena_init(&run.arena);
    pawl_buf_init(&run.ready_line, PAWL_READY_LINE_SIZE_MAX);
    run.colors = !options->no_color && !getenv("NO_COLOR") && isatty(STDERR_FILENO);
    run.signals = pawl_child_signals_open();
    if (run.signals < 0) {
        pawl_cli_say("cannot listen for signals: %s", strerror(errno));
        run.code = PAWL_CLI_FAILED;
    } else if (sidecar_start(&run)) {
        run_loop(&run);
    } else {
        run.code = PAWL_CLI_UNREACHABLE;
    }
    int code = run.code;
    run_deinit(&run);
    return code;
}
