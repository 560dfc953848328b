/* The real process: how it starts, what it says, how it ends. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "sdk/frames.h"

#define ARGS_MAX  24
#define WAIT_MS   60000
#define READY_FD  "5"
#define TEXT_SIZE (64u << 10)

extern char **environ;

struct process {
    pid_t pid;
    int ready; /* the other end of --ready-fd */
    int log;   /* its standard error */
    int out;   /* its standard output */
    char text[TEXT_SIZE];
};

static char folder[64];

static void start(struct process *process, const char *const *extra)
{
    const char *args[ARGS_MAX] = { PAWLD, "--ready-fd", READY_FD };
    int count = 3;
    for (; *extra; extra++) {
        assert_true(count < ARGS_MAX - 1);
        args[count++] = *extra;
    }
    int ready[2];
    int log[2];
    int out[2];
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(log, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawn_file_actions_adddup2(&actions, log[1], 2);
    /* Not onto a number that one of the pipes has: pipes are above it or not inherited. */
    int high = fcntl(ready[1], F_DUPFD_CLOEXEC, 20);
    posix_spawn_file_actions_adddup2(&actions, high, 5);
    char *const *argv = (char *const *)(uintptr_t)args;
    assert_int_equal(posix_spawn(&process->pid, PAWLD, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(high);
    close(ready[1]);
    close(log[1]);
    close(out[1]);
    process->ready = ready[0];
    process->log = log[0];
    process->out = out[0];
}

/* Everything until the other side closes. */
static const char *read_all(struct process *process, int fd)
{
    size_t size = 0;
    for (;;) {
        struct pollfd poller = { .fd = fd, .events = POLLIN };
        assert_int_equal(poll(&poller, 1, WAIT_MS), 1);
        ssize_t n = read(fd, process->text + size, sizeof process->text - 1 - size);
        assert_true(n >= 0);
        if (n == 0) break;
        size += (size_t)n;
    }
    process->text[size] = 0;
    return process->text;
}

/* The exit status; everything it logged is then in process->text. */
static int end(struct process *process)
{
    (void)read_all(process, process->log);
    int status = 0;
    assert_int_equal(waitpid(process->pid, &status, 0), process->pid);
    close(process->ready);
    close(process->log);
    close(process->out);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void assert_says(const struct process *process, const char *text)
{
    if (!strstr(process->text, text)) fail_msg("'%s' does not say '%s'", process->text, text);
}

static unsigned http_port_of(const char *line)
{
    static const char start_text[] = "{\"http\":";
    assert_int_equal(strncmp(line, start_text, sizeof start_text - 1), 0);
    char *end_of_port = NULL;
    unsigned long port = strtoul(line + sizeof start_text - 1, &end_of_port, 10);
    assert_int_equal(strncmp(end_of_port, ",\"app\":\"", 8), 0);
    assert_true(port <= UINT16_MAX);
    return (unsigned)port;
}

#define FREE_PORTS \
    "--app-id", "shop", "--store", "mem://", "--http-port", "0", "--app-listen", "tcp://127.0.0.1:0"

static void it_says_when_it_is_ready_and_ends_well_on_a_signal(void **state)
{
    (void)state;
    const int signals[] = { SIGTERM, SIGINT };
    for (int i = 0; i < 2; i++) {
        struct process p;
        start(&p, (const char *const[]){ FREE_PORTS, NULL });
        const char *line = read_all(&p, p.ready); /* it closes the descriptor */
        assert_non_null(strchr(line, '\n'));
        assert_non_null(strstr(line, ",\"app\":\"tcp://127.0.0.1:"));
        assert_true(http_port_of(line) > 0);
        kill(p.pid, signals[i]);
        assert_int_equal(end(&p), 0);
        assert_says(&p, "level=info part=sidecar msg=\"ready: app shop at tcp://127.0.0.1:");
        assert_says(&p, "msg=\"stopped\"");
    }
}

static void frame_send(int fd, const struct pawl_frame *frame)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_FRAME_SIZE_MAX);
    pawl_frame_encode(&buf, frame);
    uint32_t prefix = htonl((uint32_t)buf.size);
    assert_int_equal(write(fd, &prefix, sizeof prefix), sizeof prefix);
    assert_int_equal(write(fd, buf.data, buf.size), buf.size);
    pawl_buf_deinit(&buf);
}

static enum pawl_frame_type frame_read(int fd)
{
    uint32_t prefix = 0;
    uint8_t bytes[4096];
    assert_int_equal(recv(fd, &prefix, sizeof prefix, MSG_WAITALL), sizeof prefix);
    size_t size = ntohl(prefix);
    assert_true(size <= sizeof bytes);
    assert_int_equal(recv(fd, bytes, size, MSG_WAITALL), size);
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    struct pawl_frame frame;
    assert_int_equal(pawl_frame_decode(pawl_bytes_make(bytes, size), &arena, &frame), PAWL_OK);
    pawl_arena_deinit(&arena);
    return frame.type;
}

/* A worker that has been given a turn and never says anything again. */
static int hold_a_turn(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    assert_true(strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    struct pawl_registration wait = { .name = PAWL_BYTES_LITERAL("wait") };
    const struct pawl_frame frames[] = {
        { .type = PAWL_FRAME_HELLO,
          .hello = { .protocol_version = PAWL_PROTOCOL_VERSION,
                     .app_id = PAWL_BYTES_LITERAL("shop"),
                     .worker = PAWL_BYTES_LITERAL("w:1"),
                     .workflows_count = 1,
                     .workflows = &wait } },
        { .type = PAWL_FRAME_CREDIT, .credit = { .turns = 1 } },
        { .type = PAWL_FRAME_REQUEST,
          .request = { .token = 1,
                       .request = { .op = PAWL_REQUEST_START,
                                    .reuse = PAWL_REUSE_TERMINAL,
                                    .instance = PAWL_BYTES_LITERAL("a"),
                                    .name = PAWL_BYTES_LITERAL("wait") } } },
    };
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) frame_send(fd, &frames[i]);
    while (frame_read(fd) != PAWL_FRAME_TURN) {
    }
    return fd;
}

static void read_until(struct process *process, int fd, const char *text)
{
    size_t size = 0;
    do {
        struct pollfd poller = { .fd = fd, .events = POLLIN };
        assert_int_equal(poll(&poller, 1, WAIT_MS), 1);
        ssize_t n = read(fd, process->text + size, sizeof process->text - 1 - size);
        assert_true(n > 0);
        size += (size_t)n;
        process->text[size] = 0;
    } while (!strstr(process->text, text));
}

static void a_stop_waits_for_a_running_turn_but_not_after_a_second_signal(void **state)
{
    (void)state;
    char url[128];
    snprintf(url, sizeof url, "ipc://%s/c.sock", folder);
    struct process p;
    start(&p, (const char *const[]){ "--app-id", "shop", "--store", "mem://", "--http-port", "0",
                                     "--app-listen", url, NULL });
    (void)read_all(&p, p.ready);
    int worker = hold_a_turn(url + strlen("ipc://"));
    kill(p.pid, SIGTERM);
    read_until(&p, p.log, "stopping");
    struct pollfd says_more = { .fd = p.log, .events = POLLIN };
    do {
        kill(p.pid, SIGINT); /* of no effect at first */
    } while (poll(&says_more, 1, 50) == 0);
    assert_int_equal(end(&p), 3);
    assert_says(&p, "second signal");
    close(worker);
}

/* timeout(1) signals its child, and then the whole process group. */
static void signals_that_come_together_are_one(void **state)
{
    (void)state;
    struct process p;
    start(&p, (const char *const[]){ FREE_PORTS, NULL });
    (void)read_all(&p, p.ready);
    kill(p.pid, SIGSTOP);
    kill(p.pid, SIGTERM);
    kill(p.pid, SIGINT);
    kill(p.pid, SIGCONT);
    assert_int_equal(end(&p), 0);
    assert_says(&p, "msg=\"stopped\"");
}

static void an_occupied_http_port_is_told_with_what_to_do(void **state)
{
    (void)state;
    struct process first;
    struct process second;
    start(&first, (const char *const[]){ FREE_PORTS, NULL });
    char port[16];
    snprintf(port, sizeof port, "%u", http_port_of(read_all(&first, first.ready)));
    start(&second, (const char *const[]){ FREE_PORTS, "--http-port", port, NULL });
    assert_int_equal(end(&second), 1);
    assert_says(&second, "level=error");
    assert_says(&second, port);
    assert_says(&second, "in use");
    assert_says(&second, "--http-port");
    kill(first.pid, SIGTERM);
    assert_int_equal(end(&first), 0);
}

static void an_occupied_app_address_is_told_with_what_to_do(void **state)
{
    (void)state;
    char url[128];
    snprintf(url, sizeof url, "ipc://%s/a.sock", folder);
    const char *const args[] = { "--app-id", "shop",         "--store", "mem://", "--http-port",
                                 "0",        "--app-listen", url,       NULL };
    struct process first;
    struct process second;
    start(&first, args);
    assert_non_null(strstr(read_all(&first, first.ready), url));
    start(&second, args);
    assert_int_equal(end(&second), 1);
    assert_says(&second, url);
    assert_says(&second, "in use");
    assert_says(&second, "--app-listen");
    kill(first.pid, SIGTERM);
    assert_int_equal(end(&first), 0);
}

/* What a killed sidecar leaves behind must not keep the next one from starting. */
static void it_starts_again_after_a_kill(void **state)
{
    (void)state;
    char url[128];
    char store[128];
    snprintf(url, sizeof url, "ipc://%s/b.sock", folder);
    snprintf(store, sizeof store, "sqlite://%s/b.db", folder);
    const char *const args[] = { "--app-id", "shop",         "--store", store, "--http-port",
                                 "0",        "--app-listen", url,       NULL };
    struct process p;
    start(&p, args);
    (void)read_all(&p, p.ready);
    kill(p.pid, SIGKILL);
    assert_int_equal(waitpid(p.pid, NULL, 0), p.pid);
    close(p.ready);
    close(p.log);
    close(p.out);
    start(&p, args);
    assert_non_null(strstr(read_all(&p, p.ready), url));
    kill(p.pid, SIGTERM);
    assert_int_equal(end(&p), 0);
}

static void wrong_options_end_with_status_2_and_a_sentence(void **state)
{
    (void)state;
    const struct {
        const char *args[5];
        const char *says;
    } cases[] = {
        { { NULL }, "--app-id" },
        { { "--app-id", "a b", NULL }, "letters" },
        { { "--app-id", "a", "--http-port", "x", NULL }, "--http-port: \"x\"" },
        { { "--app-id", "a", "stray", NULL }, "unexpected argument \"stray\"" },
        { { "--app-id", "a", "--http-p", "0", NULL }, "unknown option --http-p\n" },
        { { "--app-id", "a", "--http-p=0", NULL }, "unknown option --http-p=0\n" },
        { { "--bogus", NULL }, "--bogus" },
        { { "--config", "/nowhere.yaml", NULL }, "/nowhere.yaml" },
        { { "--ready-fd", "x", NULL }, "--ready-fd" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct process p;
        start(&p, cases[i].args);
        assert_int_equal(end(&p), 2);
        assert_says(&p, cases[i].says);
        assert_says(&p, "pawld --help");
    }
}

static void a_store_that_cannot_be_opened_ends_it_with_status_1(void **state)
{
    (void)state;
    struct process p;
    start(&p, (const char *const[]){ FREE_PORTS, "--store", "sqlite:///nowhere/x.db", NULL });
    assert_int_equal(end(&p), 1);
    assert_says(&p, "/nowhere");
}

static void help_and_version_are_printed_and_nothing_else_happens(void **state)
{
    (void)state;
    struct process p;
    start(&p, (const char *const[]){ "--help", NULL });
    assert_non_null(strstr(read_all(&p, p.out), "--app-id ID"));
    assert_int_equal(end(&p), 0);
    assert_string_equal(p.text, "");
    start(&p, (const char *const[]){ "--version", NULL });
    assert_int_equal(strncmp(read_all(&p, p.out), "pawld ", 6), 0);
    assert_int_equal(end(&p), 0);
}

static void the_log_can_be_json(void **state)
{
    (void)state;
    struct process p;
    start(&p, (const char *const[]){ FREE_PORTS, "--log-format", "json", NULL });
    (void)read_all(&p, p.ready);
    kill(p.pid, SIGTERM);
    assert_int_equal(end(&p), 0);
    for (char *line = p.text; *line; line = strchr(line, '\n') + 1) {
        assert_int_equal(strncmp(line, "{\"time\":\"", 9), 0);
        assert_int_equal(line[9 + 23], 'Z'); /* milliseconds */
        assert_non_null(strchr(line, '\n'));
        assert_int_equal(strchr(line, '\n')[-1], '}');
    }
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/pawld-XXXXXX");
    unsetenv("PAWL_APP_ID");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    const char *const names[] = { "a.sock", "b.sock", "c.sock", "b.db", "b.db-wal", "b.db-shm" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    (void)rmdir(folder); /* a store may keep further files in it */
    return 0;
}

static void without_an_event_loop_it_cannot_start_and_says_so(void **state)
{
    (void)state;
    /* Enough descriptors to load a program, too few for libuv's loop, its pipe and its event. */
    FILE *file = popen("exec 2>&1 3>&- 4>&- 5>&- 6>&- 7>&-; ulimit -n 8; exec " PAWLD
                       " --app-id a --store mem://",
                       "re");
    assert_non_null(file);
    char text[4096];
    size_t size = fread(text, 1, sizeof text - 1, file);
    text[size] = 0;
    int status = pclose(file);
    if (!strstr(text, "cannot start: cannot make an event loop")) fail_msg("%s", text);
    assert_null(strstr(text, "--help"));
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_FAILURE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_when_it_is_ready_and_ends_well_on_a_signal),
        cmocka_unit_test(a_stop_waits_for_a_running_turn_but_not_after_a_second_signal),
        cmocka_unit_test(signals_that_come_together_are_one),
        cmocka_unit_test(an_occupied_http_port_is_told_with_what_to_do),
        cmocka_unit_test(an_occupied_app_address_is_told_with_what_to_do),
        cmocka_unit_test(it_starts_again_after_a_kill),
        cmocka_unit_test(wrong_options_end_with_status_2_and_a_sentence),
        cmocka_unit_test(a_store_that_cannot_be_opened_ends_it_with_status_1),
        cmocka_unit_test(help_and_version_are_printed_and_nothing_else_happens),
        cmocka_unit_test(the_log_can_be_json),
        cmocka_unit_test(without_an_event_loop_it_cannot_start_and_says_so),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
