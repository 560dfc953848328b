#include "sidecar/app_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/log.h"

#define RECORDS_MAX 64u

/* Everything outside the stream: what it sent, closed, told the node and asked. */
struct outside {
    struct pawl_api api;
    struct pawl_app_stream *stream;
    struct pawl_arena arena;
    uint32_t sent_count;
    uint64_t sent_to[RECORDS_MAX];
    struct pawl_frame sent[RECORDS_MAX];
    uint32_t ended_count;
    uint64_t ended[RECORDS_MAX];
    bool lingered[RECORDS_MAX];
    uint32_t events_count;
    struct pawl_node_event events[RECORDS_MAX];
    uint32_t calls_count;
    pawl_api_on_answer *on_answer[RECORDS_MAX];
    void *on_answer_context[RECORDS_MAX];
    enum pawl_request_op ops[RECORDS_MAX];
    uint32_t cancelled_count;
    uint64_t cancelled[RECORDS_MAX];
    uint32_t logged_count; /* warnings and errors */
};

static pawl_err outside_send(void *context, uint64_t conn, struct pawl_bytes bytes)
{
    struct outside *outside = context;
    assert_true(outside->sent_count < RECORDS_MAX);
    outside->sent_to[outside->sent_count] = conn;
    struct pawl_frame *frame = &outside->sent[outside->sent_count++];
    struct pawl_bytes kept = pawl_arena_copy(&outside->arena, bytes);
    assert_int_equal(pawl_frame_decode(kept, &outside->arena, frame), PAWL_OK);
    return PAWL_OK;
}

static void outside_end(void *context, uint64_t conn, bool linger)
{
    struct outside *outside = context;
    assert_true(outside->ended_count < RECORDS_MAX);
    outside->lingered[outside->ended_count] = linger;
    outside->ended[outside->ended_count++] = conn;
}

static void outside_step(void *context, const struct pawl_node_event *event)
{
    struct outside *outside = context;
    assert_true(outside->events_count < RECORDS_MAX);
    outside->events[outside->events_count++] = *event;
}

static uint64_t api_call(struct pawl_api *api, const struct pawl_request *request,
                         pawl_api_on_answer *on_answer, void *context)
{
    struct outside *outside = (struct outside *)(void *)api;
    assert_true(outside->calls_count < RECORDS_MAX);
    outside->ops[outside->calls_count] = request->op;
    outside->on_answer[outside->calls_count] = on_answer;
    outside->on_answer_context[outside->calls_count] = context;
    return ++outside->calls_count;
}

static void api_cancel(struct pawl_api *api, uint64_t token)
{
    struct outside *outside = (struct outside *)(void *)api;
    outside->cancelled[outside->cancelled_count++] = token;
}

static const struct pawl_api_ops api_ops = { .call = api_call, .cancel = api_cancel };

static void log_sink(void *context, enum pawl_log_level level, const char *part, const char *text)
{
    struct outside *outside = context;
    (void)part;
    assert_null(strstr(text, "s3cret"));
    if (level <= PAWL_LOG_WARN) outside->logged_count++;
}

static struct outside *outside_new(const char *token, uint32_t frame_size_max)
{
    struct outside *outside = calloc(1, sizeof *outside);
    assert_non_null(outside);
    outside->api.ops = &api_ops;
    pawl_arena_init(&outside->arena);
    pawl_log_set(PAWL_LOG_DEBUG, log_sink, outside);
    outside->stream = pawl_app_stream_new(&(struct pawl_app_stream_config){
        .app = "shop",
        .name = "sidecar-1",
        .token = token,
        .frame_size_max = frame_size_max,
        .api = &outside->api,
        .outside = { outside, outside_send, outside_end, outside_step } });
    return outside;
}

static void outside_free(struct outside *outside)
{
    pawl_app_stream_free(outside->stream);
    pawl_arena_deinit(&outside->arena);
    pawl_log_set(PAWL_LOG_ERROR, NULL, NULL);
    free(outside);
}

static void hear(struct outside *outside, uint64_t conn, struct pawl_frame frame, int64_t now_ms)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_FRAME_SIZE_MAX);
    pawl_frame_encode(&buf, &frame);
    assert_int_equal(buf.bad, PAWL_OK);
    pawl_app_stream_on_frame(outside->stream, conn, pawl_buf_view(&buf), now_ms);
    pawl_buf_deinit(&buf);
}

static struct pawl_registration greet[] = { { .name = { (const uint8_t *)"greet", 5 } } };

static struct pawl_frame hello_make(const char *app, const char *token)
{
    return (struct pawl_frame){ .type = PAWL_FRAME_HELLO,
                                .hello = { .protocol_version = PAWL_PROTOCOL_VERSION,
                                           .app_id = pawl_bytes_str(app),
                                           .token = pawl_bytes_str(token),
                                           .worker = PAWL_BYTES_LITERAL("host:1"),
                                           .workflows_count = 1,
                                           .workflows = greet } };
}

/* A connection that has said HELLO; the records of that are dropped. */
static void worker_open(struct outside *outside, uint64_t conn, int64_t now_ms)
{
    pawl_app_stream_on_open(outside->stream, conn, 77, now_ms);
    hear(outside, conn, hello_make("shop", NULL), now_ms);
    outside->sent_count = 0;
    outside->events_count = 0;
}

static void assert_refused(const struct outside *outside, uint64_t conn, pawl_err err,
                           const char *says)
{
    assert_true(outside->sent_count > 0);
    const struct pawl_frame *last = &outside->sent[outside->sent_count - 1];
    assert_int_equal(last->type, PAWL_FRAME_REFUSED);
    assert_int_equal(last->refused.err, err);
    char text[PAWL_MESSAGE_SIZE_MAX + 1];
    assert_true(last->refused.message.size < sizeof text);
    memcpy(text, last->refused.message.data, last->refused.message.size);
    text[last->refused.message.size] = 0;
    if (!strstr(text, says)) fail_msg("'%s' does not say '%s'", text, says);
    assert_int_equal(outside->ended_count, 1);
    assert_int_equal(outside->ended[0], conn);
    assert_true(outside->lingered[0]);
    assert_true(outside->logged_count > 0);
}

static struct pawl_frame get_make(uint64_t token, const char *instance)
{
    return (struct pawl_frame){
        .type = PAWL_FRAME_REQUEST,
        .request = { .token = token,
                     .request = { .op = PAWL_REQUEST_GET, .instance = pawl_bytes_str(instance) } }
    };
}

/* HELLO ------------------------------------------------------------------------------ */

static void hello_is_welcomed_and_makes_a_worker(void **state)
{
    (void)state;
    struct outside *outside = outside_new(NULL, PAWL_FRAME_SIZE_MAX);
    pawl_app_stream_on_open(outside->stream, 5, 77, 1000);
    assert_int_equal(outside->events_count, 0);
    hear(outside, 5, hello_make("shop", NULL), 1001);

    assert_int_equal(outside->sent_count, 1);
    assert_int_equal(outside->sent_to[0], 5);
    assert_int_equal(outside->sent[0].type, PAWL_FRAME_WELCOME);
    assert_true(pawl_bytes_is_str(outside->sent[0].welcome.app_id, "shop"));
    assert_int_equal(outside->sent[0].welcome.payload_size_max, PAWL_PAYLOAD_SIZE_MAX);
    assert_int_equal(outside->events_count, 1);
    assert_int_equal(outside->events[0].type, PAWL_NODE_WORKER_OPENED);
    assert_int_equal(outside->events[0].worker, 5);
    assert_int_equal(outside->events[0].now_ms, 1001);

    uint32_t count = 0;
    const struct pawl_api_worker *workers =
        pawl_app_stream_workers(outside->stream, &outside->arena, &count);
    assert_int_equal(count, 1);
    assert_true(pawl_bytes_is_str(workers[0].name, "host:1"));
    assert_int_equal(workers[0].workflows_count, 1);
    assert_true(pawl_bytes_is_str(workers[0].workflows[0].name, "greet"));
    outside_free(outside);
}

static void a_client_that_registers_nothing_may_ask_and_is_no_worker(void **state)
{
    (void)state;
    struct outside *outside = outside_new(NULL, PAWL_FRAME_SIZE_MAX);
    struct pawl_frame hello = hello_make("shop", NULL);
    hello.hello.workflows_count = 0;
    pawl_app_stream_on_open(outside->stream, 5, 77, 1000);
    hear(outside, 5, hello, 1001);
    assert_int_equal(outside->sent[0].type, PAWL_FRAME_WELCOME);
    hear(outside, 5, (struct pawl_frame){ .type = PAWL_FRAME_CREDIT, .credit = { 3, 4 } }, 1002);
    hear(outside, 5, get_make(1, "a"), 1002);
    assert_int_equal(outside->calls_count, 1);
    uint32_t count = 9;
    (void)pawl_app_stream_workers(outside->stream, &outside->arena, &count);
    assert_int_equal(count, 0);
    pawl_app_stream_on_close(outside->stream, 5, "closed", 1003);
    assert_int_equal(outside->events_count, 0);
    assert_int_equal(outside->cancelled_count, 1);
    outside_free(outside);
}

static void a_worker_of_another_app_is_refused(void **state)
{
    (void)state;
    struct outside *outside = outside_new(NULL, PAWL_FRAME_SIZE_MAX);
    pawl_app_stream_on_open(outside->stream, 5, 0, 1000);
    hear(outside, 5, hello_make("shoe", NULL), 1000);
    assert_refused(outside, 5, PAWL_E_INVALID, "serves app 'shop', the worker says it is 'shoe'");
    assert_int_equal(outside->events_count, 0);
    pawl_app_stream_on_close(outside->stream, 5, "closed", 1001);
    assert_int_equal(outside->events_count, 0);
    outside_free(outside);
}

static void only_the_right_token_is_let_in(void **state)
{
    (void)state;
    const char *wrong[] = { NULL, "", "s3cres", "s3cret-and-more", "s3c" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct outside *outside = outside_new("s3cret", PAWL_FRAME_SIZE_MAX);
        pawl_app_stream_on_open(outside->stream, 5, 0, 1000);
        hear(outside, 5, hello_make("shop", wrong[i]), 1000);
        assert_refused(outside, 5, PAWL_E_DENIED, "token");
        outside_free(outside);
    }
    struct outside *outside = outside_new("s3cret", PAWL_FRAME_SIZE_MAX);
    pawl_app_stream_on_open(outside->stream, 5, 0, 1000);
    hear(outside, 5, hello_make("shop", "s3cret"), 1000);
    assert_int_equal(outside->sent[0].type, PAWL_FRAME_WELCOME);
    outside_free(outside);
}

static void another_protocol_version_is_refused_with_both_numbers(void **state)
{
    (void)state;
    struct outside *outside = outside_new(NULL, PAWL_FRAME_SIZE_MAX);
    pawl_app_stream_on_open(outside->stream, 5, 0, 1000);
    struct pawl_frame hello = hello_make("shop", NULL);
    hello.hello.protocol_version = 9;
    hear(outside, 5, hello, 1000);
    assert_refused(outside, 5, PAWL_E_VERSION, "version 1 and the app speaks 9");
    outside_free(outside);
}

static void a_connection_without_hello_is_closed_in_time(void **state)
{
    (void)state;
    struct outside *outside = outside_new(NULL, PAWL_FRAME_SIZE_MAX);
    assert_int_equal(pawl_app_stream_wake_at_ms(outside->stream), 0);
    pawl_app_stream_on_open(outside->stream, 5, 0, 1000);
    assert_int_equal(pawl_app_stream_wake_at_ms(outside->stream), 1000 + PAWL_HANDSHAKE_MS);
    pawl_app_stream_on_tick(outside->stream, 1000 + PAWL_HANDSHAKE_MS - 1);
    assert_int_equal(outside->ended_count, 0);
    pawl_app_stream_on_tick(outside->stream, 1000 + PAWL_HANDSHAKE_MS);
    assert_int_equal(outside->ended_count, 1);
    assert_int_equal(outside->events_count, 0);
    assert_int_equal(pawl_app_stream_wake_at_ms(outside->stream), 0);
    outside_free(outside);
}

static void anything_but_hello_comes_too_early(void **state)
{
    (void)state;
    struct outside *outside = outside_new(NULL, PAWL_FRAME_SIZE_MAX);
    pawl_app_stream_on_open(outside->stream, 5, 0, 1000);
    hear(outside, 5, (struct pawl_frame){ .type = PAWL_FRAME_CREDIT, .credit = { 1, 1 } }, 1000);
    assert_refused(outside, 5, PAWL_E_PROTOCOL, "HELLO");
    hear(outside, 5, hello_make("shop", NULL), 1000); /* too late now */
    assert_int_equal(outside->events_count, 0);
    assert_int_equal(outside->sent_count, 1);
    outside_free(outside);
}

/* Frames ----------------------------------------------------------------------------- */

static void a_malformed_frame_ends_the_worker_and_gives_its_work_back(void **state)
{
    (void)state;
    const struct pawl_bytes bad[] = { PAWL_BYTES_LITERAL(""), PAWL_BYTES_LITERAL("\xc1"),
                                      PAWL_BYTES_LITERAL("\x91\x7f"),
                                      PAWL_BYTES_LITERAL("\x92\x06\xa1") };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct outside *outside = outside_new(NULL, PAWL_FRAME_SIZE_MAX);
        worker_open(outside, 5, 1000);
        pawl_app_stream_on_frame(outside->stream, 5, bad[i], 1001);
        assert_refused(outside, 5, PAWL_E_PROTOCOL, "malformed");
        assert_int_equal(outside->events_count, 1);
        assert_int_equal(outside->events[0].type, PAWL_NODE_WORKER_CLOSED);
        pawl_app_stream_on_close(outside->stream, 5, "closed by this side", 1002);
        assert_int_equal(outside->events_count, 1); /* once */
        outside_free(outside);
    }
}

static void frames_of_the_sidecar_are_not_taken_from_an_app(void **state)
{
    (void)state;
    const struct pawl_frame frames[] = {
        { .type = PAWL_FRAME_WELCOME,
          .welcome = { .protocol_version = 1,
                       .app_id = PAWL_BYTES_LITERAL("shop"),
                       .sidecar = PAWL_BYTES_LITERAL("x"),
                       .payload_size_max = 1 } },
        { .type = PAWL_FRAME_EVICT, .evict = { .instance = PAWL_BYTES_LITERAL("i") } },
        hello_make("shop", NULL),
    };
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        struct outside *outside = outside_new(NULL, PAWL_FRAME_SIZE_MAX);
        worker_open(outside, 5, 1000);
        hear(outside, 5, frames[i], 1001);
        assert_refused(outside, 5, PAWL_E_PROTOCOL, "not for an app to send");
        outside_free(outside);
    }
}

static void worker_frames_become_node_events(void **state)
{
    (void)state;
    struct outside *outside = outside_new(NULL, PAWL_FRAME_SIZE_MAX);
    worker_open(outside, 5, 1000);
    const struct pawl_id id = { { 1 } };
    hear(outside, 5, (struct pawl_frame){ .type = PAWL_FRAME_CREDIT, .credit = { 3, 4 } }, 1001);
    hear(outside, 5,
         (struct pawl_frame){
             .type = PAWL_FRAME_TURN_DONE,
             .turn_done = { .turn = id, .instance = PAWL_BYTES_LITERAL("i"), .cached = true } },
         1002);
    hear(outside, 5,
         (struct pawl_frame){ .type = PAWL_FRAME_NEED_HISTORY,
                              .need_history = { id, PAWL_BYTES_LITERAL("i") } },
         1003);
    hear(outside, 5,
         (struct pawl_frame){
             .type = PAWL_FRAME_ACTIVITY_DONE,
             .activity_done = { .token = id, .payload = PAWL_BYTES_LITERAL("out") } },
         1004);
    hear(outside, 5, (struct pawl_frame){ .type = PAWL_FRAME_BYE }, 1005);

    const enum pawl_node_event_type types[] = { PAWL_NODE_WORKER_CREDIT, PAWL_NODE_TURN_DONE,
                                                PAWL_NODE_NEED_HISTORY, PAWL_NODE_ACTIVITY_DONE,
                                                PAWL_NODE_WORKER_BYE };
    assert_int_equal(outside->events_count, 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(outside->events[i].type, types[i]);
        assert_int_equal(outside->events[i].worker, 5);
        assert_int_equal(outside->events[i].now_ms, 1001 + i);
    }
    assert_int_equal(outside->events[0].credit.turns, 3);
    assert_int_equal(outside->events[0].credit.activities, 4);
    assert_int_equal(outside->ended_count, 0);
    outside_free(outside);
}

static void items_in_flight_are_counted_until_they_come_back(void **state)
{
    (void)state;
    struct outside *outside = outside_new(NULL, PAWL_FRAME_SIZE_MAX);
    worker_open(outside, 5, 1000);
    struct pawl_frame item = { .type = PAWL_FRAME_ACTIVITY,
                               .activity = { .token = { { 1 } },
                                             .instance = PAWL_BYTES_LITERAL("i"),
                                             .attempt = 1,
                                             .name = PAWL_BYTES_LITERAL("greet") } };
    pawl_app_stream_send(outside->stream, 5, &item, 1001);
    pawl_app_stream_send(outside->stream, 5, &item, 1001);
    pawl_app_stream_send(outside->stream, 99, &item, 1001); /* nobody */
    assert_int_equal(outside->sent_count, 2);
    hear(outside, 5,
         (struct pawl_frame){ .type = PAWL_FRAME_ACTIVITY_DONE,
                              .activity_done = { .token = { { 1 } } } },
         1002);
    uint32_t count = 0;
    assert_int_equal(pawl_app_stream_workers(outside->stream, &outside->arena, &count)[0].in_flight,
                     1);
    outside_free(outside);
}

/* Calls ------------------------------------------------------------------------------ */

static void a_call_is_answered_under_the_tokens_of_its_asker(void **state)
{
    (void)state;
    struct outside *outside = outside_new(NULL, PAWL_FRAME_SIZE_MAX);
    worker_open(outside, 5, 1000);
    worker_open(outside, 6, 1000);
    hear(outside, 5, get_make(42, "a"), 1001);
    hear(outside, 6, get_make(42, "b"), 1001); /* the same token: another asker */
    assert_int_equal(outside->calls_count, 2);
    assert_int_equal(outside->sent_count, 0);

    struct pawl_answer answer = { .err = PAWL_E_NOT_FOUND, .message = PAWL_BYTES_LITERAL("none") };
    outside->on_answer[1](outside->on_answer_context[1], &answer);
    outside->on_answer[0](outside->on_answer_context[0], &answer);
    assert_int_equal(outside->sent_count, 2);
    assert_int_equal(outside->sent_to[0], 6);
    assert_int_equal(outside->sent_to[1], 5);
    assert_int_equal(outside->sent[0].type, PAWL_FRAME_ANSWER);
    assert_int_equal(outside->sent[0].answer.token, 42);
    assert_int_equal(outside->sent[0].answer.answer.err, PAWL_E_NOT_FOUND);
    outside_free(outside);
}

static void a_call_that_cannot_be_right_is_answered_at_once(void **state)
{
    (void)state;
    struct outside *outside = outside_new(NULL, PAWL_FRAME_SIZE_MAX);
    worker_open(outside, 5, 1000);
    hear(outside, 5, get_make(7, ""), 1001);
    assert_int_equal(outside->calls_count, 0);
    assert_int_equal(outside->sent_count, 1);
    assert_int_equal(outside->sent[0].answer.token, 7);
    assert_int_equal(outside->sent[0].answer.answer.err, PAWL_E_INVALID);
    assert_true(outside->sent[0].answer.answer.message.size > 0);
    outside_free(outside);
}

static void an_answer_that_fits_no_frame_becomes_an_error(void **state)
{
    (void)state;
    struct outside *outside = outside_new(NULL, 400);
    worker_open(outside, 5, 1000);
    hear(outside, 5, get_make(7, "a"), 1001);
    uint8_t cursor[500] = { 1 };
    struct pawl_answer answer = { .err = PAWL_OK, .cursor = pawl_bytes_make(cursor, 500) };
    outside->on_answer[0](outside->on_answer_context[0], &answer);
    assert_int_equal(outside->sent_count, 1);
    assert_int_equal(outside->sent[0].answer.answer.err, PAWL_E_TOO_LARGE);
    assert_int_equal(outside->ended_count, 0);
    outside_free(outside);
}

static void a_lost_connection_closes_the_worker_and_cancels_its_calls(void **state)
{
    (void)state;
    struct outside *outside = outside_new(NULL, PAWL_FRAME_SIZE_MAX);
    worker_open(outside, 5, 1000);
    hear(outside, 5, get_make(1, "a"), 1001);
    hear(outside, 5, get_make(2, "b"), 1001);
    hear(outside, 5, get_make(3, "c"), 1001);
    struct pawl_answer answer = { .err = PAWL_OK };
    outside->on_answer[1](outside->on_answer_context[1], &answer);

    pawl_app_stream_on_close(outside->stream, 5, "the peer closed the connection", 1002);
    assert_int_equal(outside->cancelled_count, 2);
    assert_int_equal(outside->cancelled[0], 1);
    assert_int_equal(outside->cancelled[1], 3);
    assert_int_equal(outside->events_count, 1);
    assert_int_equal(outside->events[0].type, PAWL_NODE_WORKER_CLOSED);
    assert_int_equal(outside->events[0].worker, 5);
    uint32_t count = 9;
    (void)pawl_app_stream_workers(outside->stream, &outside->arena, &count);
    assert_int_equal(count, 0);
    outside_free(outside);
}

/* Time ------------------------------------------------------------------------------- */

static void a_quiet_connection_is_pinged_and_a_ping_is_answered(void **state)
{
    (void)state;
    struct outside *outside = outside_new(NULL, PAWL_FRAME_SIZE_MAX);
    worker_open(outside, 5, 1000);
    pawl_app_stream_on_tick(outside->stream, 1000 + PAWL_HEARTBEAT_MS - 1);
    assert_int_equal(outside->sent_count, 0);
    pawl_app_stream_on_tick(outside->stream, 1000 + PAWL_HEARTBEAT_MS);
    assert_int_equal(outside->sent_count, 1);
    assert_int_equal(outside->sent[0].type, PAWL_FRAME_PING);
    assert_int_equal(pawl_app_stream_wake_at_ms(outside->stream), 1000 + 2 * PAWL_HEARTBEAT_MS);

    hear(outside, 5, (struct pawl_frame){ .type = PAWL_FRAME_PING }, 6500);
    assert_int_equal(outside->sent_count, 2);
    assert_int_equal(outside->sent[1].type, PAWL_FRAME_PONG);
    /* That was something said: the next ping comes later. */
    pawl_app_stream_on_tick(outside->stream, 1000 + 2 * PAWL_HEARTBEAT_MS);
    assert_int_equal(outside->sent_count, 2);
    assert_int_equal(pawl_app_stream_wake_at_ms(outside->stream), 6500 + PAWL_HEARTBEAT_MS);
    outside_free(outside);
}

static void silence_ends_a_worker_and_any_frame_postpones_that(void **state)
{
    (void)state;
    struct outside *outside = outside_new(NULL, PAWL_FRAME_SIZE_MAX);
    worker_open(outside, 5, 1000);
    hear(outside, 5, (struct pawl_frame){ .type = PAWL_FRAME_PONG }, 3000);
    pawl_app_stream_on_tick(outside->stream, 1000 + PAWL_SILENCE_MS);
    assert_int_equal(outside->ended_count, 0);
    pawl_app_stream_on_tick(outside->stream, 3000 + PAWL_SILENCE_MS);
    assert_int_equal(outside->ended_count, 1);
    assert_int_equal(outside->events_count, 1);
    assert_int_equal(outside->events[0].type, PAWL_NODE_WORKER_CLOSED);
    outside_free(outside);
}

static void a_stopping_sidecar_gives_nothing_new_and_takes_no_new_worker(void **state)
{
    (void)state;
    struct outside *outside = outside_new(NULL, PAWL_FRAME_SIZE_MAX);
    worker_open(outside, 5, 1000);
    pawl_app_stream_stop(outside->stream, 1001);
    assert_int_equal(outside->events_count, 1);
    assert_int_equal(outside->events[0].type, PAWL_NODE_WORKER_BYE);
    hear(outside, 5, (struct pawl_frame){ .type = PAWL_FRAME_CREDIT, .credit = { 1, 1 } }, 1002);
    hear(outside, 5, (struct pawl_frame){ .type = PAWL_FRAME_BYE }, 1002);
    assert_int_equal(outside->events_count, 1);

    pawl_app_stream_on_open(outside->stream, 6, 0, 1003);
    hear(outside, 6, hello_make("shop", NULL), 1003);
    assert_refused(outside, 6, PAWL_E_UNAVAILABLE, "stopping");
    outside_free(outside);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_is_welcomed_and_makes_a_worker),
        cmocka_unit_test(a_client_that_registers_nothing_may_ask_and_is_no_worker),
        cmocka_unit_test(a_worker_of_another_app_is_refused),
        cmocka_unit_test(only_the_right_token_is_let_in),
        cmocka_unit_test(another_protocol_version_is_refused_with_both_numbers),
        cmocka_unit_test(a_connection_without_hello_is_closed_in_time),
        cmocka_unit_test(anything_but_hello_comes_too_early),
        cmocka_unit_test(a_malformed_frame_ends_the_worker_and_gives_its_work_back),
        cmocka_unit_test(frames_of_the_sidecar_are_not_taken_from_an_app),
        cmocka_unit_test(worker_frames_become_node_events),
        cmocka_unit_test(items_in_flight_are_counted_until_they_come_back),
        cmocka_unit_test(a_call_is_answered_under_the_tokens_of_its_asker),
        cmocka_unit_test(a_call_that_cannot_be_right_is_answered_at_once),
        cmocka_unit_test(an_answer_that_fits_no_frame_becomes_an_error),
        cmocka_unit_test(a_lost_connection_closes_the_worker_and_cancels_its_calls),
        cmocka_unit_test(a_quiet_connection_is_pinged_and_a_ping_is_answered),
        cmocka_unit_test(silence_ends_a_worker_and_any_frame_postpones_that),
        cmocka_unit_test(a_stopping_sidecar_gives_nothing_new_and_takes_no_new_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
