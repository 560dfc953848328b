#include "tests/unit/sidecar/http_fake.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"

/* The engine's bounds are another folder's business. */
const double pawl_histogram_bounds[PAWL_HISTOGRAM_BUCKETS - 1] = {
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300,
};

/* Engine --------------------------------------------------------------------------------- */

static void append(struct http_fake *fake, const char *key, struct pawl_bytes value)
{
    if (pawl_bytes_is_absent(value)) return;
    size_t used = strlen(fake->last);
    snprintf(fake->last + used, sizeof fake->last - used, " %s=%.*s", key, PAWL_BYTES_FMT(value));
}

static void append_int(struct http_fake *fake, const char *key, int64_t value)
{
    if (value == 0) return;
    size_t used = strlen(fake->last);
    snprintf(fake->last + used, sizeof fake->last - used, " %s=%lld", key, (long long)value);
}

static void describe(struct http_fake *fake, const struct pawl_request *request)
{
    snprintf(fake->last, sizeof fake->last, "%s", pawl_request_op_name((int)request->op));
    append(fake, "app", request->app);
    append(fake, "instance", request->instance);
    append(fake, "new", request->new_instance);
    append(fake, "name", request->name);
    append(fake, "version", request->version);
    append(fake, "request_id", request->request_id);
    append(fake, "payload", request->payload);
    append(fake, "prefix", request->prefix);
    append(fake, "cursor", request->cursor);
    append(fake, "event", request->event_name);
    append(fake, "new_child", request->new_child);
    append_int(fake, "from_event", request->has_event ? (int64_t)request->event_id + 1 : 0);
    append_int(fake, "overwrite", request->overwrite);
    append(fake, "event_data", request->event_data);
    append_int(fake, "start_at", request->start_at_ms);
    append_int(fake, "wait_for", request->wait_for);
    append_int(fake, "timeout", request->timeout_ms);
    append_int(fake, "recursive", request->recursive);
    append_int(fake, "force", request->force);
    append_int(fake, "payloads", request->with_payloads);
    append_int(fake, "mask", request->status_mask);
    append_int(fake, "limit", request->limit);
    append_int(fake, "from", request->from);
    append_int(fake, "created_from", request->created_from_ms);
    append_int(fake, "created_to", request->created_to_ms);
    append_int(fake, "completed_from", request->completed_from_ms);
    append_int(fake, "completed_to", request->completed_to_ms);
    append_int(fake, "updated_from", request->updated_from_ms);
    append_int(fake, "updated_to", request->updated_to_ms);
    append_int(fake, "order", request->order);
    append_int(fake, "batch_op", request->batch_op);
    append_int(fake, "all", request->all);
    append_int(fake, "tags_size", (int64_t)request->tags.size);
}

static void answer_all(struct http_fake *fake)
{
    for (uint32_t i = 0; i < HTTP_FAKE_CALLS_MAX; i++) {
        struct http_fake_call call = fake->calls[i];
        if (call.token == 0) continue;
        fake->calls[i] = (struct http_fake_call){ .token = 0 };
        call.on_answer(call.context, &fake->answer);
    }
}

static void on_idle(uv_idle_t *idle)
{
    struct http_fake *fake = idle->data;
    uv_idle_stop(idle);
    pthread_mutex_lock(&fake->lock);
    if (!fake->hold) answer_all(fake);
    pthread_mutex_unlock(&fake->lock);
}

static struct http_fake *fake_of(struct pawl_api *api)
{
    return (struct http_fake *)(void *)api; /* api is the first member */
}

static uint64_t fake_call(struct pawl_api *api, const struct pawl_request *request,
                          pawl_api_on_answer *on_answer, void *context)
{
    struct http_fake *fake = fake_of(api);
    pthread_mutex_lock(&fake->lock);
    uint32_t i = 0;
    while (fake->calls[i].token != 0) i++;
    fake->calls[i] = (struct http_fake_call){ ++fake->tokens, on_answer, context };
    describe(fake, request);
    fake->calls_total++;
    if (!fake->hold) uv_idle_start(&fake->idle, on_idle);
    uint64_t token = fake->tokens;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
    return token;
}

static void fake_cancel(struct pawl_api *api, uint64_t token)
{
    struct http_fake *fake = fake_of(api);
    pthread_mutex_lock(&fake->lock);
    uint32_t i = 0;
    while (i < HTTP_FAKE_CALLS_MAX && fake->calls[i].token != token) i++;
    if (i == HTTP_FAKE_CALLS_MAX) {
        fprintf(stderr, "cancel of a call that is not there\n");
        abort();
    }
    fake->calls[i] = (struct http_fake_call){ .token = 0 };
    fake->cancels_total++;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
}

static struct pawl_api_info fake_info(struct pawl_api *api)
{
    struct http_fake *fake = fake_of(api);
    pthread_mutex_lock(&fake->lock);
    struct pawl_api_info info = fake->info;
    pthread_mutex_unlock(&fake->lock);
    return info;
}

static const struct pawl_api_ops fake_ops = { fake_call, fake_cancel, fake_info };

/* Thread --------------------------------------------------------------------------------- */

static void on_wake(uv_async_t *async)
{
    struct http_fake *fake = async->data;
    pthread_mutex_lock(&fake->lock);
    void (*job)(struct http_fake *) = fake->job;
    pthread_mutex_unlock(&fake->lock);
    if (job) job(fake);
    pthread_mutex_lock(&fake->lock);
    fake->job = NULL;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
}

static void *fake_main(void *context)
{
    struct http_fake *fake = context;
    uv_run(&fake->loop, UV_RUN_DEFAULT);
    return NULL;
}

static void fake_wait(struct http_fake *fake)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 120;
    assert_int_equal(pthread_cond_timedwait(&fake->changed, &fake->lock, &until), 0);
}

void http_fake_run(struct http_fake *fake, void (*job)(struct http_fake *fake))
{
    pthread_mutex_lock(&fake->lock);
    fake->job = job;
    uv_async_send(&fake->wake);
    while (fake->job) fake_wait(fake);
    pthread_mutex_unlock(&fake->lock);
}

void http_fake_await_calls(struct http_fake *fake, uint32_t calls_total)
{
    pthread_mutex_lock(&fake->lock);
    while (fake->calls_total < calls_total) fake_wait(fake);
    pthread_mutex_unlock(&fake->lock);
}

void http_fake_await_cancels(struct http_fake *fake, uint32_t cancels_total)
{
    pthread_mutex_lock(&fake->lock);
    while (fake->cancels_total < cancels_total) fake_wait(fake);
    pthread_mutex_unlock(&fake->lock);
}

/* A sample of everything a state can hold. */
static struct pawl_instance_state sample_state = {
    .status = PAWL_STATUS_RUNNING,
    .gen = 1,
    .history_count = 3,
    .created_ms = 1787306400123,
    .started_ms = 1787306400200,
    .updated_ms = 1787306401000,
};

static struct pawl_bytes sample_events[2];
static struct pawl_buf sample_buffers[2];

static void sample_init(void)
{
    sample_state.instance = PAWL_BYTES_LITERAL("order-1");
    sample_state.name = PAWL_BYTES_LITERAL("Order");
    sample_state.custom_status = PAWL_BYTES_LITERAL("half done");
    sample_state.input = PAWL_BYTES_LITERAL("{\"item\":\"tea\"}");
    sample_state.output = PAWL_BYTES_LITERAL("\xff\x00\x01");
    sample_state.parent_app = PAWL_BYTES_LITERAL("shop");
    sample_state.waiting_for = PAWL_BYTES_LITERAL("activity 'charge': nobody is there");

    struct pawl_history_event started =
        pawl_history_event_make(PAWL_EVENT_EXECUTION_STARTED, 1787306400123);
    started.name = sample_state.name;
    started.payload = sample_state.input;
    struct pawl_history_event task =
        pawl_history_event_make(PAWL_EVENT_TASK_SCHEDULED, 1787306400201);
    task.id = 0;
    task.name = PAWL_BYTES_LITERAL("charge");
    task.payload = PAWL_BYTES_LITERAL("\xfe");
    const struct pawl_history_event *events[] = { &started, &task };
    for (int i = 0; i < 2; i++) {
        pawl_buf_init(&sample_buffers[i], 4096);
        pawl_history_event_encode(&sample_buffers[i], events[i]);
        sample_events[i] = pawl_buf_view(&sample_buffers[i]);
    }
}

struct http_fake *http_fake_open(const char *token)
{
    struct http_fake *fake = calloc(1, sizeof *fake);
    sample_init();
    fake->api.ops = &fake_ops;
    fake->info = (struct pawl_api_info){ .app = "orders",
                                         .namespace_ = "default",
                                         .host = "here",
                                         .version = "0.1.0",
                                         .store_url = "sqlite:///tmp/x",
                                         .app_endpoint = "ipc:///tmp/y",
                                         .started_ms = 1787306400000,
                                         .ready = true,
                                         .metrics = &fake->metrics };
    fake->answer = (struct pawl_answer){ .reached = true,
                                         .instance = PAWL_BYTES_LITERAL("order-1"),
                                         .states_count = 1,
                                         .states = &sample_state,
                                         .events_total = 7,
                                         .events_count = 2,
                                         .events = sample_events };
    pthread_mutex_init(&fake->lock, NULL);
    pthread_cond_init(&fake->changed, NULL);
    uv_loop_init(&fake->loop);
    uv_async_init(&fake->loop, &fake->wake, on_wake);
    uv_idle_init(&fake->loop, &fake->idle);
    fake->wake.data = fake;
    fake->idle.data = fake;
    struct pawl_http_config config = { &fake->loop, &fake->api, "127.0.0.1", 0, token };
    const char *message = NULL;
    pawl_err err = pawl_http_open(&config, &fake->http, &message);
    assert_int_equal(err, PAWL_OK);
    fake->port = pawl_http_port(fake->http);
    assert_int_not_equal(fake->port, 0);
    assert_int_equal(pthread_create(&fake->thread, NULL, fake_main, fake), 0);
    return fake;
}

static void job_close(struct http_fake *fake)
{
    pawl_http_close(fake->http);
    fake->http = NULL;
    uv_close((uv_handle_t *)&fake->idle, NULL);
    uv_close((uv_handle_t *)&fake->wake, NULL);
}

void http_fake_close(struct http_fake *fake)
{
    http_fake_run(fake, job_close);
    pthread_join(fake->thread, NULL);
    assert_int_equal(uv_loop_close(&fake->loop), 0); /* no handle was forgotten */
    for (int i = 0; i < 2; i++) pawl_buf_deinit(&sample_buffers[i]);
    pthread_mutex_destroy(&fake->lock);
    pthread_cond_destroy(&fake->changed);
    free(fake);
}

void http_fake_last(struct http_fake *fake, char *ret_text, size_t size)
{
    pthread_mutex_lock(&fake->lock);
    snprintf(ret_text, size, "%s", fake->last);
    pthread_mutex_unlock(&fake->lock);
}

void http_fake_set_error(struct http_fake *fake, pawl_err err, const char *message)
{
    pthread_mutex_lock(&fake->lock);
    fake->answer.err = err;
    fake->answer.message = pawl_bytes_str(message);
    pthread_mutex_unlock(&fake->lock);
}

void http_fake_set_hold(struct http_fake *fake, bool hold)
{
    pthread_mutex_lock(&fake->lock);
    fake->hold = hold;
    pthread_mutex_unlock(&fake->lock);
}

/* Client ----------------------------------------------------------------------------------- */

int http_client_connect(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval timeout = { .tv_sec = 120 };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* The server may have ended the connection already; what it said then counts. */
void http_client_send(int fd, const void *data, size_t size)
{
    const char *next = data;
    while (size > 0) {
        ssize_t sent = send(fd, next, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return;
        next += sent;
        size -= (size_t)sent;
    }
}

ssize_t http_client_receive(int fd, void *data, size_t size, int flags)
{
    char *next = data;
    size_t done = 0;
    do {
        ssize_t got = recv(fd, next + done, size - done, flags);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return done ? (ssize_t)done : got;
        done += (size_t)got;
    } while (done == 0 || ((flags & MSG_WAITALL) && done < size));
    return (ssize_t)done;
}

char *http_client_drain(int fd)
{
    size_t size = 0;
    size_t capacity = 65536;
    char *text = malloc(capacity);
    for (;;) {
        if (capacity - size < 32768) text = realloc(text, capacity *= 2);
        ssize_t got = http_client_receive(fd, text + size, capacity - size - 1, 0);
        if (got <= 0) break;
        size += (size_t)got;
    }
    text[size] = 0;
    close(fd);
    return text;
}

char *http_client_do(uint16_t port, const char *method, const char *target, const char *headers,
                     const char *body)
{
    char *text;
    size_t body_size = body ? strlen(body) : 0;
    int size = asprintf(&text,
                        "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s"
                        "Content-Length: %zu\r\n\r\n%s",
                        method, target, headers ? headers : "", body_size, body ? body : "");
    assert_true(size > 0);
    int fd = http_client_connect(port);
    http_client_send(fd, text, (size_t)size);
    free(text);
    return http_client_drain(fd);
}

int http_answer_status(const char *answer)
{
    return strncmp(answer, "HTTP/1.", 7) == 0 ? (int)strtol(answer + 9, NULL, 10) : 0;
}

const char *http_answer_body(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n");
    return end ? end + 4 : "";
}
