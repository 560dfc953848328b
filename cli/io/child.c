#include "cli/io/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bytes.h"

#define LINE_SIZE_MAX 65536u       /* longer lines are passed on in pieces */
#define PUMP_SIZE_MAX (256u << 10) /* in one go, of an app that never pauses */

/* Output --------------------------------------------------------------------------------- */

static void relay_init(struct pawl_relay *relay, int fd, int out_fd, const char *label,
                       const char *color)
{
    *relay = (struct pawl_relay){ .fd = fd, .out_fd = out_fd, .label = label, .color = color };
    pawl_buf_init(&relay->line, (size_t)2 * LINE_SIZE_MAX);
    fcntl(fd, F_SETFL, O_NONBLOCK);
}

static void write_all(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, data, size);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return; /* nobody reads our output: the app must not suffer */
        data += written;
        size -= (size_t)written;
    }
}

static void relay_line(const struct pawl_relay *relay, const uint8_t *data, size_t size)
{
    struct pawl_buf text;
    pawl_buf_init(&text, size + 256);
    if (relay->color)
        pawl_buf_printf(&text, "%s%s |\x1b[0m ", relay->color, relay->label);
    else
        pawl_buf_printf(&text, "%s | ", relay->label);
    pawl_buf_append(&text, data, size);
    pawl_buf_append(&text, "\n", 1);
    write_all(relay->out_fd, text.data, text.size);
    pawl_buf_deinit(&text);
}

static void relay_lines(struct pawl_relay *relay)
{
    struct pawl_buf *line = &relay->line;
    size_t done = 0;
    while (done < line->size) {
        const uint8_t *start = line->data + done;
        const uint8_t *end = memchr(start, '\n', line->size - done);
        if (!end) break;
        relay_line(relay, start, (size_t)(end - start));
        done += (size_t)(end - start) + 1;
    }
    pawl_buf_consume(line, done);
    if (line->size < LINE_SIZE_MAX) return;
    relay_line(relay, line->data, line->size);
    pawl_buf_clear(line);
}

int pawl_child_signals_open(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* `size_max` bytes or a little more. */
static void relay_read(struct pawl_relay *relay, size_t size_max)
{
    uint8_t chunk[16384];
    for (size_t done = 0; relay->fd >= 0 && done < size_max;) {
        ssize_t got = read(relay->fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) {
            close(relay->fd);
            relay->fd = -1;
            return;
        }
        pawl_buf_append(&relay->line, chunk, (size_t)got);
        relay_lines(relay);
        done += (size_t)got;
    }
}

void pawl_relay_pump(struct pawl_relay *relay)
{
    relay_read(relay, PUMP_SIZE_MAX);
}

void pawl_relay_finish(struct pawl_relay *relay)
{
    /* A child of the dead one may hold the pipe and go on writing. */
    int left = relay->fd >= 0 ? fcntl(relay->fd, F_GETPIPE_SZ) : 0;
    relay_read(relay, left > 0 ? (size_t)left : 0);
    if (relay->line.size > 0) relay_line(relay, relay->line.data, relay->line.size);
    pawl_buf_clear(&relay->line);
}

static void relay_deinit(struct pawl_relay *relay)
{
    if (relay->fd >= 0) close(relay->fd);
    relay->fd = -1;
    pawl_buf_deinit(&relay->line);
}

/* Start ---------------------------------------------------------------------------------- */

struct start_pipes {
    int out[2];
    int err[2];
    int failure[2]; /* the child's errno when it cannot become the program */
};

static void pipes_close(struct start_pipes *pipes)
{
    int *fds[] = { pipes->out, pipes->err, pipes->failure };
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 2; k++) {
            if (fds[i][k] >= 0) close(fds[i][k]);
        }
    }
}

static _Noreturn void child_fail(const struct start_pipes *pipes, int error)
{
    ssize_t unused = write(pipes->failure[1], &error, sizeof error);
    (void)unused; /* nothing else can be told from here */
    _exit(127);
}

static _Noreturn void child_main(const struct pawl_child_spec *spec, struct start_pipes *pipes,
                                 pid_t parent)
{
    /* If the parent is killed, so are we; if that has happened already, this is it. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    if (spec->own_group) setpgid(0, 0);

    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    if (dup2(pipes->out[1], STDOUT_FILENO) < 0 || dup2(pipes->err[1], STDERR_FILENO) < 0) {
        child_fail(pipes, errno);
    }
    if (spec->keep_fd >= 0) fcntl(spec->keep_fd, F_SETFD, 0);
    for (const char *const *pair = spec->env; pair && *pair; pair++) {
        const char *equals = strchr(*pair, '=');
        char *name = strndup(*pair, (size_t)(equals - *pair));
        if (!name || setenv(name, equals + 1, 1) != 0) child_fail(pipes, ENOMEM);
        free(name);
    }
    execvp(spec->argv[0], spec->argv);
    child_fail(pipes, errno);
}

static int child_await_exec(struct pawl_child *child, struct start_pipes *pipes)
{
    int error = 0;
    close(pipes->failure[1]);
    pipes->failure[1] = -1;
    ssize_t got;
    do {
        got = read(pipes->failure[0], &error, sizeof error);
    } while (got < 0 && errno == EINTR);
    if (got != sizeof error) return 0; /* closed by exec */
    waitpid(child->pid, &child->status, 0);
    child->pid = 0;
    return error;
}

int pawl_child_start(struct pawl_child *child, const struct pawl_child_spec *spec)
{
    struct start_pipes pipes = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
    *child = (struct pawl_child){ .out = { .fd = -1 }, .err = { .fd = -1 } };
    if (pipe2(pipes.out, O_CLOEXEC) != 0 || pipe2(pipes.err, O_CLOEXEC) != 0
        || pipe2(pipes.failure, O_CLOEXEC) != 0) {
        int error = errno;
        pipes_close(&pipes);
        return error;
    }
    pid_t parent = getpid();
    child->pid = fork();
    if (child->pid == 0) child_main(spec, &pipes, parent);
    int error = child->pid < 0 ? errno : child_await_exec(child, &pipes);
    if (error != 0) {
        child->pid = 0;
        pipes_close(&pipes);
        return error;
    }
    relay_init(&child->out, pipes.out[0], spec->out_fd, spec->label, spec->out_color);
    relay_init(&child->err, pipes.err[0], spec->err_fd, spec->label, spec->out_color);
    pipes.out[0] = -1;
    pipes.err[0] = -1;
    pipes_close(&pipes);
    return 0;
}

void pawl_child_deinit(struct pawl_child *child)
{
    relay_deinit(&child->out);
    relay_deinit(&child->err);
}

/* Life ----------------------------------------------------------------------------------- */

void pawl_child_signal(const struct pawl_child *child, int signal_number)
{
    if (child->pid > 0) kill(child->pid, signal_number);
}

bool pawl_child_reap(struct pawl_child *child)
{
    if (child->pid <= 0 || waitpid(child->pid, &child->status, WNOHANG) != child->pid) return false;
    child->pid = 0;
    child->ended = true;
    return true;
}

int pawl_child_exit_code(const struct pawl_child *child)
{
    PAWL_ASSERT(child->ended);
    if (WIFSIGNALED(child->status)) return 128 + WTERMSIG(child->status);
    return WEXITSTATUS(child->status);
}
