/* The app of the benchmark on the durabletask protocol, in either dialect: the worker, and
 * on the same connection the clients that give it work. What bench_app does over the app
 * stream, done by the fastest client that could be written, so that what is measured is the
 * sidecar. One JSON line on stdout.
 *
 *     bench_taskhub --dialect dapr --port 50001 --concurrency 32 --seconds 5 chain
 *     bench_taskhub --dialect dapr --port 50001 --watch sidecar=4711 --count 200 idle
 *
 *   chain   clients start a workflow of 5 activities, wait for its end, and again
 *   idle    streams of work, each on a connection of its own, that get nothing to do: what
 *           they cost in the sidecar's memory */
#include <arpa/inet.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "sidecar/grpc_wire.h"
#include "sidecar/proto/durabletask.pb-c.h"
#include "sidecar/protobuf.h"
#include "tests/bench/bench_app.h"

#define CHAIN_STEPS     5u
#define CONCURRENCY_MAX 1024u
#define IDLE_MAX        900u
#define TIMES_MAX       (1u << 22)
#define WARM_UP_SHARE   5 /* the first fifth of the time is not counted */
#define MESSAGE_MAX     (4u << 20)
#define WINDOW          (1 << 24)
#define COMPLETED       1

#define RPC(name) "/TaskHubSidecarService/" name

static const char input[] = "{\"order\":4711,\"customer\":\"Ada Lovelace\"}";

static struct {
    const char *dialect;
    bool is_idle; /* the scenario */
    uint16_t port;
    uint32_t concurrency;
    uint32_t count;
    double seconds;
    struct bench_watch watch;
} options = { .concurrency = 1, .count = 200, .seconds = 5 };

/* One client of the closed loop. */
struct slot {
    char instance[64];
    uint64_t begin_ns;
};

struct link;

struct call {
    struct link *link;
    void (*on_message)(struct call *call, struct pawl_bytes message); /* NULL: not looked at */
    void (*on_end)(struct call *call);
    struct slot *slot;
    struct pawl_buf request;
    size_t sent;
    struct pawl_buf body; /* messages that are not whole yet */
};

struct link {
    int fd;
    nghttp2_session *session;
    struct pawl_buf out;
    struct pawl_arena arena; /* of the message at hand */
    uint32_t answered;       /* calls that ended */
};

static struct {
    uint64_t run_id; /* in instance ids: the store may hold those of earlier runs */
    uint64_t next_number;
    bool is_counting;
    bool is_ending;
    uint64_t steps;
    uint64_t workflows;
    uint32_t running; /* workflows */
    struct bench_times times;
    struct slot slots[CONCURRENCY_MAX];
} run;

/* HTTP/2 ------------------------------------------------------------------------------------- */

static ssize_t on_read(nghttp2_session *session, int32_t stream, uint8_t *data, size_t size,
                       uint32_t *flags, nghttp2_data_source *source, void *context)
{
    (void)session;
    (void)stream;
    (void)context;
    struct call *call = source->ptr;
    size_t left = call->request.size - call->sent;
    if (size > left) size = left;
    if (size) memcpy(data, call->request.data + call->sent, size);
    call->sent += size;
    if (call->sent == call->request.size) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)size;
}

static nghttp2_nv nv(const char *name, const char *value)
{
    return (nghttp2_nv){ (uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                         strlen(value), NGHTTP2_NV_FLAG_NONE };
}

static struct call *call_new(struct link *link, const char *path, const ProtobufCMessage *message)
{
    const nghttp2_nv nvs[] = { nv(":method", "POST"),
                               nv(":scheme", "http"),
                               nv(":path", path),
                               nv(":authority", "localhost"),
                               nv("te", "trailers"),
                               nv("content-type", "application/grpc"),
                               nv("user-agent", "bench_taskhub") };
    uint8_t prefix[PAWL_GRPC_PREFIX_SIZE];
    struct call *call = PAWL_NEW(struct call);
    call->link = link;
    pawl_buf_init(&call->request, MESSAGE_MAX);
    pawl_buf_init(&call->body, MESSAGE_MAX);
    struct pawl_bytes bytes = pawl_protobuf_pack(&link->arena, message);
    pawl_grpc_prefix_write(prefix, (uint32_t)bytes.size);
    pawl_buf_append(&call->request, prefix, sizeof prefix);
    pawl_buf_append_bytes(&call->request, bytes);
    const nghttp2_data_provider provider = { .source.ptr = call, .read_callback = on_read };
    int32_t stream = nghttp2_submit_request(link->session, NULL, nvs, 7, &provider, call);
    PAWL_ASSERT(stream > 0);
    return call;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t size, void *context)
{
    (void)flags;
    (void)context;
    struct call *call = nghttp2_session_get_stream_user_data(session, stream);
    if (!call || !call->on_message) return 0;
    pawl_buf_append(&call->body, data, size);
    PAWL_ASSERT(call->body.bad == PAWL_OK);
    size_t at = 0;
    while (call->body.size - at >= PAWL_GRPC_PREFIX_SIZE) {
        const uint8_t *head = call->body.data + at;
        size_t length =
            (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
        if (call->body.size - at - PAWL_GRPC_PREFIX_SIZE < length) break;
        call->on_message(call, pawl_bytes_make(head + PAWL_GRPC_PREFIX_SIZE, length));
        pawl_arena_reset(&call->link->arena);
        at += PAWL_GRPC_PREFIX_SIZE + length;
    }
    pawl_buf_consume(&call->body, at);
    return 0;
}

/* Whatever is refused ends the benchmark: its numbers would mean nothing. */
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *context)
{
    (void)session;
    (void)frame;
    (void)flags;
    (void)context;
    bool is_refused = name_size == 12 && memcmp(name, "grpc-message", 12) == 0;
    if (!is_refused) return 0;
    fprintf(stderr, "a call was refused: %.*s\n", (int)value_size, (const char *)value);
    exit(1);
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t code, void *context)
{
    struct link *link = context;
    struct call *call = nghttp2_session_get_stream_user_data(session, stream);
    if (!call) return 0;
    if (code != 0) {
        fprintf(stderr, "a call was reset with code %u\n", code);
        exit(1);
    }
    link->answered++;
    if (call->on_end) call->on_end(call);
    pawl_arena_reset(&link->arena);
    pawl_buf_deinit(&call->request);
    pawl_buf_deinit(&call->body);
    pawl_mem_free(call);
    return 0;
}

static void link_open(struct link *link)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(options.port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const nghttp2_settings_entry settings = { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW };
    nghttp2_session_callbacks *callbacks;
    int one = 1;
    *link = (struct link){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    if (connect(link->fd, (struct sockaddr *)&address, sizeof address) != 0) {
        fprintf(stderr, "nobody listens on port %u\n", options.port);
        exit(1);
    }
    PAWL_ASSERT(setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
    PAWL_ASSERT(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    PAWL_ASSERT(nghttp2_session_client_new(&link->session, callbacks, link) == 0);
    nghttp2_session_callbacks_del(callbacks);
    PAWL_ASSERT(nghttp2_submit_settings(link->session, 0, &settings, 1) == 0);
    PAWL_ASSERT(nghttp2_session_set_local_window_size(link->session, 0, 0, WINDOW) == 0);
    pawl_buf_init(&link->out, 64u << 20);
    pawl_arena_init(&link->arena);
}

static void link_send(struct link *link)
{
    const uint8_t *data;
    ssize_t size;
    pawl_buf_clear(&link->out);
    while ((size = nghttp2_session_mem_send(link->session, &data)) > 0)
        pawl_buf_append(&link->out, data, (size_t)size);
    for (size_t at = 0; at < link->out.size; at += (size_t)size) {
        size = send(link->fd, link->out.data + at, link->out.size - at, MSG_NOSIGNAL);
        PAWL_ASSERT(size > 0);
    }
}

/* What there is to send and to receive; waits for at most so many ms. */
static void link_turn(struct link *link, int wait_ms)
{
    static uint8_t data[256 << 10];
    struct pollfd poll_fd = { .fd = link->fd, .events = POLLIN };
    link_send(link);
    if (poll(&poll_fd, 1, wait_ms) <= 0) return;
    ssize_t size = recv(link->fd, data, sizeof data, 0);
    if (size <= 0) {
        fprintf(stderr, "the sidecar closed the connection\n");
        exit(1);
    }
    PAWL_ASSERT(nghttp2_session_mem_recv(link->session, data, (size_t)size) == size);
}

/* Clients ------------------------------------------------------------------------------------ */

static ProtobufCBinaryData text(const char *value)
{
    return (ProtobufCBinaryData){ strlen(value), (uint8_t *)(uintptr_t)value };
}

static void slot_start(struct link *link, struct slot *slot);

static void on_waited(struct call *call, struct pawl_bytes message)
{
    Pawl__GetInstanceResponse *response = NULL;
    pawl_err err = pawl_protobuf_unpack(&pawl__get_instance_response__descriptor,
                                        &call->link->arena, message, &response);
    if (err == PAWL_OK && response->exists && response->state->status == COMPLETED) return;
    fprintf(stderr, "%s did not complete\n", call->slot->instance);
    exit(1);
}

static void on_completed(struct call *call)
{
    run.running--;
    if (run.is_counting) {
        run.workflows++;
        bench_times_add(&run.times, bench_now_ns() - call->slot->begin_ns);
    }
    if (!run.is_ending) slot_start(call->link, call->slot);
}

static void on_started(struct call *call)
{
    Pawl__GetInstanceRequest wait = PAWL__GET_INSTANCE_REQUEST__INIT;
    wait.instance_id = text(call->slot->instance);
    struct call *next = call_new(call->link, RPC("WaitForInstanceCompletion"), &wait.base);
    next->slot = call->slot;
    next->on_message = on_waited;
    next->on_end = on_completed;
}

static void slot_start(struct link *link, struct slot *slot)
{
    Pawl__CreateInstanceRequest start = PAWL__CREATE_INSTANCE_REQUEST__INIT;
    Pawl__Text given = PAWL__TEXT__INIT;
    snprintf(slot->instance, sizeof slot->instance, "chain-%" PRIx64 "-%" PRIu64, run.run_id,
             run.next_number++);
    slot->begin_ns = bench_now_ns();
    given.value = text(input);
    start.instance_id = text(slot->instance);
    start.name = text("chain");
    start.input = &given;
    struct call *call = call_new(link, RPC("StartInstance"), &start.base);
    call->slot = slot;
    call->on_end = on_started;
    run.running++;
}

/* The worker --------------------------------------------------------------------------------- */

struct seen {
    uint32_t done;
    Pawl__Text *value; /* of the last result, or the input */
};

static void see(struct seen *seen, size_t count, Pawl__HistoryEvent **events)
{
    for (size_t i = 0; i < count; i++) {
        const Pawl__HistoryEvent *event = events[i];
        if (event->kind_case == PAWL__HISTORY_EVENT__KIND_EXECUTION_STARTED)
            seen->value = event->execution_started->input;
        if (event->kind_case != PAWL__HISTORY_EVENT__KIND_TASK_COMPLETED) continue;
        seen->value = event->task_completed->result;
        seen->done++;
    }
}

static void turn_answer(struct link *link, const Pawl__WorkItem *item)
{
    const Pawl__WorkflowRequest *turn = item->workflow;
    struct seen seen = { .done = 0 };
    see(&seen, turn->n_past_events, turn->past_events);
    see(&seen, turn->n_new_events, turn->new_events);
    Pawl__WorkflowResponse response = PAWL__WORKFLOW_RESPONSE__INIT;
    Pawl__Action action = PAWL__ACTION__INIT, *actions[] = { &action };
    Pawl__ScheduleTask schedule = PAWL__SCHEDULE_TASK__INIT;
    Pawl__CompleteWorkflow complete = PAWL__COMPLETE_WORKFLOW__INIT;
    action.id = (int32_t)seen.done;
    if (seen.done < CHAIN_STEPS) {
        schedule.name = text("step");
        schedule.input = seen.value;
        action.kind_case = PAWL__ACTION__KIND_SCHEDULE_TASK;
        action.schedule_task = &schedule;
    } else {
        complete.status = COMPLETED;
        complete.result = seen.value;
        action.kind_case = PAWL__ACTION__KIND_COMPLETE_WORKFLOW;
        action.complete_workflow = &complete;
    }
    response.instance_id = turn->instance_id;
    response.completion_token = item->completion_token;
    response.actions = actions;
    response.n_actions = 1;
    (void)call_new(link, RPC("CompleteOrchestratorTask"), &response.base);
}

static void activity_answer(struct link *link, const Pawl__WorkItem *item)
{
    Pawl__ActivityResponse response = PAWL__ACTIVITY_RESPONSE__INIT;
    response.instance_id = item->activity->instance->instance_id;
    response.task_id = item->activity->task_id;
    response.completion_token = item->completion_token;
    response.result = item->activity->input;
    (void)call_new(link, RPC("CompleteActivityTask"), &response.base);
    if (run.is_counting) run.steps++;
}

static void on_item(struct call *call, struct pawl_bytes message)
{
    Pawl__WorkItem *item = NULL;
    pawl_err err =
        pawl_protobuf_unpack(&pawl__work_item__descriptor, &call->link->arena, message, &item);
    PAWL_ASSERT(err == PAWL_OK);
    if (item->request_case == PAWL__WORK_ITEM__REQUEST_WORKFLOW) turn_answer(call->link, item);
    if (item->request_case == PAWL__WORK_ITEM__REQUEST_ACTIVITY) activity_answer(call->link, item);
}

static void work_open(struct link *link)
{
    Pawl__GetWorkItemsRequest request = PAWL__GET_WORK_ITEMS_REQUEST__INIT;
    call_new(link, RPC("GetWorkItems"), &request.base)->on_message = on_item;
}

static void hello(struct link *link)
{
    Pawl__Empty nothing = PAWL__EMPTY__INIT;
    uint32_t before = link->answered;
    (void)call_new(link, RPC("Hello"), &nothing.base);
    while (link->answered == before) link_turn(link, 1000);
}

/* Scenarios ---------------------------------------------------------------------------------- */

static void run_until(struct link *link, uint64_t end_ns)
{
    while (bench_now_ns() < end_ns) link_turn(link, 20);
}

static void run_chain(void)
{
    static struct link link;
    uint64_t all_ns = (uint64_t)(options.seconds * 1e9);
    bench_times_init(&run.times, TIMES_MAX);
    link_open(&link);
    work_open(&link);
    hello(&link);
    uint64_t begin_ns = bench_now_ns();
    run.run_id = begin_ns ^ (uint64_t)getpid();
    for (uint32_t i = 0; i < options.concurrency; i++) slot_start(&link, &run.slots[i]);
    run_until(&link, begin_ns + all_ns / WARM_UP_SHARE);
    run.is_counting = true;
    struct bench_usage from = bench_usage_now(&options.watch);
    run_until(&link, begin_ns + all_ns);
    struct bench_usage to = bench_usage_now(&options.watch);
    run.is_counting = false;
    run.is_ending = true;
    while (run.running > 0) link_turn(&link, 1000);

    double seconds = (double)(to.time_ns - from.time_ns) / 1e9;
    printf("{\"bench\":\"chain\",\"dialect\":\"%s\",\"concurrency\":%u,\"workflows\":%" PRIu64
           ",\"workflows_per_s\":%.1f,\"steps\":%" PRIu64 ",\"steps_per_s\":%.1f",
           options.dialect, options.concurrency, run.workflows, (double)run.workflows / seconds,
           run.steps, (double)run.steps / seconds);
    bench_times_print(&run.times, "workflow");
    bench_usage_print(&options.watch, &from, &to);
    printf("}\n");
    bench_times_deinit(&run.times);
}

static long rss_kb(long pid)
{
    char path[64], line[128] = "", *rest;
    snprintf(path, sizeof path, "/proc/%ld/statm", pid);
    FILE *file = fopen(path, "r");
    if (!file || !fgets(line, sizeof line, file)) {
        fprintf(stderr, "process %ld is gone\n", pid);
        exit(1);
    }
    (void)fclose(file);
    (void)strtol(line, &rest, 10);
    return strtol(rest, NULL, 10) * (sysconf(_SC_PAGESIZE) / 1024);
}

static void run_idle(void)
{
    static struct link links[IDLE_MAX];
    long before_kb = 0;
    for (uint32_t i = 0; i < options.count; i++) {
        link_open(&links[i]);
        work_open(&links[i]);
        hello(&links[i]); /* answered behind the stream, so that is there */
        if (i == 0) before_kb = rss_kb(options.watch.pids[0]);
    }
    long after_kb = rss_kb(options.watch.pids[0]);
    printf("{\"bench\":\"idle\",\"dialect\":\"%s\",\"streams\":%u,\"kb_each\":%.1f}\n",
           options.dialect, options.count, (double)(after_kb - before_kb) / (options.count - 1));
}

/* Start -------------------------------------------------------------------------------------- */

static void usage(const char *program)
{
    fprintf(stderr,
            "usage: %s --dialect dapr|microsoft --port N [option]… chain|idle\n"
            "  --concurrency N    chain: clients at the same time, 1 to %u\n"
            "  --seconds N        chain: how long\n"
            "  --count N          idle: streams, 2 to %u\n"
            "  --watch NAME=PID   report the CPU time and memory of this process too; idle needs\n"
            "                     the sidecar as the first\n",
            program, CONCURRENCY_MAX, IDLE_MAX);
    exit(2);
}

static uint32_t number(const char *value)
{
    return (uint32_t)strtoul(value, NULL, 10);
}

static void parse(int argc, char **argv)
{
    static const struct option names[] = { { "dialect", required_argument, NULL, 'd' },
                                           { "port", required_argument, NULL, 'p' },
                                           { "concurrency", required_argument, NULL, 'c' },
                                           { "seconds", required_argument, NULL, 's' },
                                           { "count", required_argument, NULL, 'n' },
                                           { "watch", required_argument, NULL, 'w' },
                                           { NULL, 0, NULL, 0 } };
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 'd': options.dialect = optarg; break;
        case 'p': options.port = (uint16_t)number(optarg); break;
        case 'c': options.concurrency = number(optarg); break;
        case 's': options.seconds = strtod(optarg, NULL); break;
        case 'n': options.count = number(optarg); break;
        case 'w':
            if (!bench_watch_add(&options.watch, optarg)) usage(argv[0]);
            break;
        default: usage(argv[0]);
        }
    }
    if (optind + 1 != argc || !options.dialect || options.port == 0 || options.concurrency < 1
        || options.concurrency > CONCURRENCY_MAX || options.seconds <= 0 || options.count < 2
        || options.count > IDLE_MAX)
        usage(argv[0]);
    const char *scenario = argv[optind];
    options.is_idle = strcmp(scenario, "idle") == 0;
    if (!options.is_idle && strcmp(scenario, "chain") != 0) usage(argv[0]);
    if (options.is_idle && options.watch.count == 0) usage(argv[0]);
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    (void)signal(SIGPIPE, SIG_IGN);
    if (options.is_idle)
        run_idle();
    else
        run_chain();
    return 0;
}
