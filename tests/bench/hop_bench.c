/* One hop of the app stream, with nothing on it: two processes, a frame there and back.
 *
 *     bench_hop --url ipc:///tmp/hop.sock --seconds 2
 *
 * One JSON line on stdout; `hop_us` is half of a round trip. */
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/io/stream.h"
#include "base/limits.h"
#include "tests/bench/bench_app.h"

#define FRAME_SIZE 200u /* about an activity and its result */
#define TIMES_MAX  (1u << 22)

struct hop {
    struct pawl_hub *hub;
    int wake_fd;
    bool is_caller;
    bool is_ended;
    uint64_t sent_ns;
    uint64_t end_ns;
    struct bench_times times;
};

static void on_notify(void *context)
{
    struct hop *hop = context;
    uint64_t one = 1;
    ssize_t rc = write(hop->wake_fd, &one, sizeof one);
    PAWL_ASSERT(rc == sizeof one);
}

static void call(struct hop *hop, pawl_conn_id conn, struct pawl_bytes frame)
{
    hop->sent_ns = bench_now_ns();
    pawl_err err = pawl_hub_send(hop->hub, conn, frame);
    PAWL_ASSERT(err == PAWL_OK);
}

static void on_open(void *context, pawl_conn_id conn, uint32_t endpoint)
{
    static const uint8_t bytes[FRAME_SIZE] = { 1 };
    struct hop *hop = context;
    (void)endpoint;
    if (hop->is_caller) call(hop, conn, pawl_bytes_make(bytes, sizeof bytes));
}

static void on_frame(void *context, pawl_conn_id conn, struct pawl_bytes frame)
{
    struct hop *hop = context;
    if (hop->is_caller) {
        uint64_t now_ns = bench_now_ns();
        bench_times_add(&hop->times, now_ns - hop->sent_ns);
        if (now_ns >= hop->end_ns) {
            hop->is_ended = true;
            return;
        }
    }
    call(hop, conn, frame);
}

static void on_close(void *context, pawl_conn_id conn, pawl_err err, const char *why)
{
    struct hop *hop = context;
    (void)conn;
    if (hop->is_caller) {
        fprintf(stderr, "the connection ended: %s. %s\n", pawl_err_text(err), why);
        exit(1);
    }
    hop->is_ended = true;
}

static void hop_open(struct hop *hop)
{
    hop->wake_fd = eventfd(0, EFD_CLOEXEC);
    const struct pawl_hub_config config = { .frame_size_max = PAWL_FRAME_SIZE_MAX,
                                            .out_size_max = PAWL_STREAM_OUT_SIZE_MAX,
                                            .connections_max = 1,
                                            .context = hop,
                                            .notify = on_notify,
                                            .on_open = on_open,
                                            .on_frame = on_frame,
                                            .on_close = on_close };
    pawl_err err = pawl_hub_open(&config, &hop->hub);
    PAWL_ASSERT(err == PAWL_OK);
}

static void hop_run(struct hop *hop)
{
    while (!hop->is_ended) {
        uint64_t count;
        ssize_t rc = read(hop->wake_fd, &count, sizeof count);
        PAWL_ASSERT(rc == sizeof count);
        pawl_hub_drain(hop->hub);
        pawl_hub_flush(hop->hub);
    }
    pawl_hub_close(hop->hub);
    close(hop->wake_fd);
}

static void echo(const char *url, int ready_fd)
{
    struct hop hop = { .is_caller = false };
    hop_open(&hop);
    const char *why = "";
    if (pawl_hub_listen(hop.hub, url, 1, &why) != PAWL_OK) {
        fprintf(stderr, "cannot listen at %s: %s\n", url, why);
        exit(1);
    }
    ssize_t rc = write(ready_fd, "", 1);
    PAWL_ASSERT(rc == 1);
    hop_run(&hop);
    exit(0);
}

int main(int argc, char **argv)
{
    static const struct option names[] = { { "url", required_argument, NULL, 'u' },
                                           { "seconds", required_argument, NULL, 's' },
                                           { NULL, 0, NULL, 0 } };
    const char *url = NULL;
    double seconds = 2;
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (option == 'u') url = optarg;
        if (option == 's') seconds = strtod(optarg, NULL);
    }
    if (!url || seconds <= 0) {
        fprintf(stderr, "usage: %s --url ipc:///PATH [--seconds N]\n", argv[0]);
        return 2;
    }
    int ready[2];
    if (pipe(ready) != 0) return 1;
    pid_t child = fork(); /* before NNG has made a thread */
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ready[0]);
        echo(url, ready[1]);
    }
    close(ready[1]);
    char byte;
    if (child < 0 || read(ready[0], &byte, 1) != 1) return 1;

    struct hop hop = { .is_caller = true };
    bench_times_init(&hop.times, TIMES_MAX);
    hop.end_ns = bench_now_ns() + (uint64_t)(seconds * 1e9);
    hop_open(&hop);
    (void)pawl_hub_dial(hop.hub, url, 1);
    uint64_t begin_ns = bench_now_ns();
    hop_run(&hop);
    double us = (double)(bench_now_ns() - begin_ns) / 1000;
    waitpid(child, NULL, 0);

    uint32_t count = hop.times.count;
    printf("{\"bench\":\"hop\",\"round_trips\":%u,\"hop_us\":%.1f", count, us / count / 2);
    bench_times_print(&hop.times, "round_trip");
    printf("}\n");
    bench_times_deinit(&hop.times);
    return 0;
}
