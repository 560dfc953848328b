/* The gRPC server against clients that want too much, say nothing, or break HTTP/2: each
 * bound of base/limits.h, and what happens at it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"
#include "grpc_echo.h"
#include "grpc_world.h"
#include "sidecar/grpc_internal.h"

#define PREFACE   "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define RAW(text) pawl_bytes_make("" text, sizeof(text) - 1)

struct fixture {
    struct grpc_world world;
    struct echo echo;
    struct grpc_link *link;
    struct grpc_client *client;
};

static int setup(void **state)
{
    struct fixture *fixture = PAWL_NEW(struct fixture);
    struct pawl_grpc_service service = echo_service(&fixture->echo, &fixture->world.grpc);
    grpc_world_init(&fixture->world, &service, NULL);
    fixture->link = grpc_world_connect(&fixture->world, 0);
    fixture->client = &fixture->link->client;
    grpc_world_run(&fixture->world);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    grpc_world_deinit(&fixture->world);
    pawl_mem_free(fixture);
    return 0;
}

static struct grpc_reply *ask(struct fixture *fixture, const char *path, const char *message)
{
    struct grpc_reply *reply =
        grpc_client_call(fixture->client, path, pawl_bytes_str(message), NULL);
    grpc_world_run(&fixture->world);
    return reply;
}

static void assert_failed(const struct grpc_reply *reply, enum pawl_grpc_status status,
                          const char *part)
{
    assert_true(reply->is_over);
    assert_int_equal(reply->status, status);
    if (!strstr(reply->message, part)) fail_msg("no '%s' in '%s'", part, reply->message);
}

static void assert_told_to_calm(const struct fixture *fixture, const char *text)
{
    assert_true(fixture->link->is_ended);
    assert_null(fixture->link->conn);
    assert_int_equal(fixture->client->goaway_code, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_string_equal(fixture->client->goaway_text, text);
}

/* The server still serves others. */
static void assert_others_are_served(struct fixture *fixture)
{
    struct grpc_link *other = grpc_world_connect(&fixture->world, 0);
    struct grpc_reply *reply =
        grpc_client_call(&other->client, ECHO_PATH, PAWL_BYTES_LITERAL("still here"), NULL);
    grpc_world_run(&fixture->world);
    assert_int_equal(reply->status, PAWL_GRPC_OK);
}

/* A connection whose bytes are the test's. */
static struct grpc_link *connect_raw(struct fixture *fixture)
{
    struct grpc_link *link = grpc_world_connect(&fixture->world, 0);
    link->is_raw = true;
    return link;
}

static void feed(struct grpc_link *link, struct pawl_bytes bytes)
{
    grpc_link_feed(link, bytes);
    grpc_world_run(link->world);
}

/* Sizes -------------------------------------------------------------------------------------- */

static void largest_request_is_taken_and_a_larger_one_refused(void **state)
{
    struct fixture *fixture = *state;
    uint8_t *message = pawl_mem_alloc(PAWL_GRPC_MESSAGE_IN_SIZE_MAX + 1);
    struct grpc_reply *reply = grpc_client_call(
        fixture->client, ECHO_PATH, pawl_bytes_make(message, PAWL_GRPC_MESSAGE_IN_SIZE_MAX), NULL);
    grpc_world_run(&fixture->world);
    assert_int_equal(reply->status, PAWL_GRPC_OK);
    assert_int_equal(grpc_reply_message(reply, 0).size, PAWL_GRPC_MESSAGE_IN_SIZE_MAX);

    reply = grpc_client_call(fixture->client, ECHO_PATH,
                             pawl_bytes_make(message, PAWL_GRPC_MESSAGE_IN_SIZE_MAX + 1), NULL);
    grpc_world_run(&fixture->world);
    assert_failed(reply, PAWL_GRPC_RESOURCE_EXHAUSTED, "at most");
    assert_int_equal(fixture->world.grpc->in_size, 0);
    pawl_mem_free(message);
}

static void size_that_is_only_claimed_takes_no_memory(void **state)
{
    struct fixture *fixture = *state;
    const char *headers[] = {
        ":method",   "POST",         ":scheme",          "http", ":path", ECHO_PATH, ":authority",
        "localhost", "content-type", "application/grpc", NULL
    };
    (void)grpc_client_request(fixture->client, headers, RAW("\0\1\0\0\0"), false); /* 16 MiB */
    grpc_world_run(&fixture->world);
    assert_int_equal(fixture->world.grpc->in_size, 5);
}

static void half_requests_are_bounded_together(void **state)
{
    struct fixture *fixture = *state;
    fixture->world.grpc->in_size += PAWL_GRPC_IN_SIZE_MAX - 10;
    struct grpc_reply *reply = ask(fixture, ECHO_PATH, "0123456789");
    assert_failed(reply, PAWL_GRPC_RESOURCE_EXHAUSTED, "too many large requests");
    fixture->world.grpc->in_size -= PAWL_GRPC_IN_SIZE_MAX - 10;
    assert_int_equal(ask(fixture, ECHO_PATH, "0123456789")->status, PAWL_GRPC_OK);
}

static void answer_that_is_too_large_is_told(void **state)
{
    struct fixture *fixture = *state;
    const size_t size = (size_t)PAWL_GRPC_MESSAGE_OUT_SIZE_MAX + 1;
    uint8_t *message = pawl_mem_alloc(size);
    struct grpc_reply *reply = ask(fixture, LATER_PATH, "");
    uint64_t id = echo_last(&fixture->echo);
    assert_int_equal(pawl_grpc_send(fixture->world.grpc, id, pawl_bytes_make(message, size)),
                     PAWL_E_TOO_LARGE);
    pawl_grpc_answer(fixture->world.grpc, id, pawl_bytes_make(message, size));
    grpc_world_run(&fixture->world);
    assert_failed(reply, PAWL_GRPC_RESOURCE_EXHAUSTED, "at most");
    pawl_mem_free(message);
}

static void reader_that_is_far_too_slow_is_cut_off(void **state)
{
    struct fixture *fixture = *state;
    grpc_client_pause(fixture->client);
    const size_t size = 16u << 20;
    uint8_t *message = pawl_mem_alloc(size);
    for (uint32_t i = 0; i < PAWL_GRPC_CONN_OUT_SIZE_MAX / size; i++) {
        (void)ask(fixture, LATER_PATH, "");
        pawl_grpc_answer(fixture->world.grpc, echo_last(&fixture->echo),
                         pawl_bytes_make(message, size));
        grpc_world_run(&fixture->world);
    }
    assert_false(fixture->link->is_ended); /* the windows have taken a little of each */
    (void)ask(fixture, LATER_PATH, "");
    pawl_grpc_answer(fixture->world.grpc, echo_last(&fixture->echo),
                     pawl_bytes_make(message, size));
    grpc_world_run(&fixture->world);
    assert_told_to_calm(fixture, "the client does not read what was sent to it");
    assert_int_equal(fixture->world.grpc->out_size, 0);
    assert_others_are_served(fixture);
    pawl_mem_free(message);
}

static struct grpc_link *connect_slow(struct fixture *fixture, const uint8_t *message, size_t size)
{
    struct grpc_link *link = grpc_world_connect(&fixture->world, 0);
    grpc_client_pause(&link->client);
    (void)grpc_client_call(&link->client, LATER_PATH, PAWL_BYTES_LITERAL(""), NULL);
    grpc_world_run(&fixture->world);
    pawl_grpc_answer(fixture->world.grpc, echo_last(&fixture->echo),
                     pawl_bytes_make(message, size));
    grpc_world_run(&fixture->world);
    return link;
}

/* Those who take little pay nothing for those who take much. */
static void answers_are_bounded_together(void **state)
{
    struct fixture *fixture = *state;
    struct pawl_grpc *grpc = fixture->world.grpc;
    uint8_t *message = pawl_mem_alloc(1u << 20);
    struct grpc_link *small = connect_slow(fixture, message, 100000);
    struct grpc_link *large = connect_slow(fixture, message, 1u << 20);
    const size_t others = PAWL_GRPC_OUT_SIZE_MAX - grpc->out_size;
    grpc->out_size += others;
    struct grpc_reply *reply = ask(fixture, ECHO_PATH, "0123456789");
    assert_true(large->is_ended);
    assert_int_equal(large->client.goaway_code, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_false(small->is_ended);
    assert_int_equal(reply->status, PAWL_GRPC_OK);
    grpc->out_size -= others;
    assert_others_are_served(fixture);
    pawl_mem_free(message);
}

static void nothing_is_queued_for_a_connection_that_ends(void **state)
{
    struct fixture *fixture = *state;
    grpc_client_pause(fixture->client);
    const size_t size = 48u << 20;
    uint8_t *message = pawl_mem_alloc(size);
    uint64_t calls[5];
    for (size_t i = 0; i < 5; i++) {
        (void)ask(fixture, LATER_PATH, "");
        calls[i] = echo_last(&fixture->echo);
    }
    for (size_t i = 0; i < 5; i++) {
        pawl_err err =
            pawl_grpc_send(fixture->world.grpc, calls[i], pawl_bytes_make(message, size));
        assert_int_equal(err, PAWL_OK);
    }
    assert_true(fixture->world.grpc->out_size < 4 * size); /* the third was one too many */
    grpc_world_run(&fixture->world);
    assert_true(fixture->link->is_ended);
    assert_int_equal(fixture->echo.cancelled_count, 5);
    pawl_mem_free(message);
}

static void headers_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    char value[PAWL_GRPC_HEADERS_SIZE_MAX];
    memset(value, 'x', sizeof value);
    value[sizeof value - 1000] = 0;
    const char *headers[] = { "x-large", value, NULL };
    struct grpc_reply *reply =
        grpc_client_call(fixture->client, ECHO_PATH, PAWL_BYTES_LITERAL(""), headers);
    grpc_world_run(&fixture->world);
    assert_int_equal(reply->status, PAWL_GRPC_OK);

    value[sizeof value - 1000] = 'x';
    value[sizeof value - 1] = 0;
    reply = grpc_client_call(fixture->client, ECHO_PATH, PAWL_BYTES_LITERAL(""), headers);
    grpc_world_run(&fixture->world);
    assert_failed(reply, PAWL_GRPC_RESOURCE_EXHAUSTED, "headers");
}

/* One header of 4 KB in the table, named again and again for a byte each. */
static void headers_that_unpack_to_megabytes_are_not_kept(void **state)
{
    struct fixture *fixture = *state;
    char value[3001];
    memset(value, 'x', sizeof value);
    value[sizeof value - 1] = 0;
    const char *once[] = { "x-large", value, NULL };
    (void)grpc_client_call(fixture->client, ECHO_PATH, PAWL_BYTES_LITERAL(""), once);
    grpc_world_run(&fixture->world);
    const char *again[] = { "x-large", value,     "x-large", value,     "x-large", value, "x-large",
                            value,     "x-large", value,     "x-large", value,     NULL };
    for (uint32_t i = 0; i < 20; i++) {
        struct grpc_reply *reply =
            grpc_client_call(fixture->client, ECHO_PATH, PAWL_BYTES_LITERAL(""), again);
        grpc_world_run(&fixture->world);
        assert_failed(reply, PAWL_GRPC_RESOURCE_EXHAUSTED, "headers");
    }
}

/* Counts ------------------------------------------------------------------------------------- */

static void connections_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    struct pawl_grpc *grpc = fixture->world.grpc;
    struct pawl_grpc_conn *conns[PAWL_GRPC_CONNECTIONS_MAX];
    uint32_t count = 0;
    while (pawl_grpc_count(grpc) < PAWL_GRPC_CONNECTIONS_MAX) {
        conns[count] = pawl_grpc_open(grpc, NULL, "test:2", fixture->world.now_ms);
        assert_non_null(conns[count++]);
    }
    assert_null(pawl_grpc_open(grpc, NULL, "test:3", fixture->world.now_ms));
    while (count > 0) pawl_grpc_on_close(conns[--count], "", fixture->world.now_ms);
    assert_others_are_served(fixture);
}

static void calls_of_a_connection_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(fixture->client->max_streams, PAWL_GRPC_CONN_CALLS_MAX);
    for (uint32_t i = 0; i < PAWL_GRPC_CONN_CALLS_MAX; i++)
        (void)grpc_client_call(fixture->client, LATER_PATH, PAWL_BYTES_LITERAL(""), NULL);
    struct grpc_reply *one_more =
        grpc_client_call(fixture->client, ECHO_PATH, PAWL_BYTES_LITERAL(""), NULL);
    grpc_world_run(&fixture->world);
    assert_int_equal(fixture->echo.calls_count, PAWL_GRPC_CONN_CALLS_MAX);
    assert_int_equal(one_more->status, -1);
    pawl_grpc_answer(fixture->world.grpc, echo_last(&fixture->echo), PAWL_BYTES_LITERAL(""));
    grpc_world_run(&fixture->world);
    assert_int_equal(one_more->status, PAWL_GRPC_OK); /* it waited in the client */
}

static void calls_of_all_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    fixture->world.grpc->counters.calls += PAWL_GRPC_CALLS_MAX;
    struct grpc_reply *reply = ask(fixture, ECHO_PATH, "");
    assert_true(reply->is_over);
    assert_int_equal(reply->reset_code, NGHTTP2_REFUSED_STREAM);
    fixture->world.grpc->counters.calls -= PAWL_GRPC_CALLS_MAX;
    assert_int_equal(ask(fixture, ECHO_PATH, "")->status, PAWL_GRPC_OK);
}

/* Times -------------------------------------------------------------------------------------- */

static void request_that_does_not_end_is_given_up(void **state)
{
    struct fixture *fixture = *state;
    const char *headers[] = {
        ":method",   "POST",         ":scheme",          "http", ":path", ECHO_PATH, ":authority",
        "localhost", "content-type", "application/grpc", NULL
    };
    struct grpc_reply *reply =
        grpc_client_request(fixture->client, headers, RAW("\0\0\0\0\7half"), false);
    grpc_world_run(&fixture->world);
    grpc_world_pass(&fixture->world, PAWL_GRPC_REQUEST_MS - 1);
    assert_false(reply->is_over);
    grpc_world_pass(&fixture->world, 1);
    assert_failed(reply, PAWL_GRPC_CANCELLED, "whole");
    assert_int_equal(fixture->world.grpc->in_size, 0);
    assert_int_equal(fixture->echo.calls_count, 0);
}

static void deadline_counts_while_the_request_comes(void **state)
{
    struct fixture *fixture = *state;
    const char *headers[] = {
        ":method",      "POST",       ":scheme",   "http",         ":path",
        ECHO_PATH,      ":authority", "localhost", "content-type", "application/grpc",
        "grpc-timeout", "2S",         NULL
    };
    struct grpc_reply *reply =
        grpc_client_request(fixture->client, headers, RAW("\0\0\0\0\7half"), false);
    grpc_world_run(&fixture->world);
    grpc_world_pass(&fixture->world, 2000);
    assert_failed(reply, PAWL_GRPC_DEADLINE_EXCEEDED, "deadline");
}

static void answer_that_nobody_reads_is_dropped(void **state)
{
    struct fixture *fixture = *state;
    grpc_client_pause(fixture->client);
    fixture->echo.count_size = 100000;
    struct grpc_reply *reply = ask(fixture, COUNT_PATH, "2");
    assert_true(fixture->world.grpc->out_size > 0);
    grpc_world_pass(&fixture->world, PAWL_GRPC_LINGER_MS - 1);
    assert_false(reply->is_over);
    grpc_world_pass(&fixture->world, 1);
    assert_true(reply->is_over);
    assert_int_equal(reply->reset_code, NGHTTP2_CANCEL);
    assert_int_equal(fixture->world.grpc->out_size, 0);
    assert_int_equal(fixture->echo.cancelled_count, 0);
}

static void answer_that_is_read_slowly_arrives(void **state)
{
    struct fixture *fixture = *state;
    grpc_client_pause(fixture->client);
    fixture->echo.count_size = 200000;
    struct grpc_reply *reply = ask(fixture, COUNT_PATH, "1");
    for (uint32_t i = 0; i < 4; i++) {
        grpc_world_pass(&fixture->world, PAWL_GRPC_LINGER_MS - 1);
        grpc_client_read_on(fixture->client);
        fixture->client->is_paused = true;
        grpc_world_run(&fixture->world);
    }
    assert_int_equal(reply->status, PAWL_GRPC_OK);
    assert_int_equal(grpc_reply_messages_count(reply), 1);
}

static void connection_without_calls_is_sent_away(void **state)
{
    struct fixture *fixture = *state;
    (void)ask(fixture, ECHO_PATH, "");
    grpc_world_pass(&fixture->world, PAWL_GRPC_IDLE_MS - PAWL_GRPC_PING_MS);
    assert_false(fixture->link->is_ended);
    grpc_world_pass(&fixture->world, 2 * PAWL_GRPC_PING_MS);
    assert_true(fixture->link->is_ended);
    assert_int_equal(fixture->client->goaway_code, NGHTTP2_NO_ERROR);
}

static void connection_with_a_stream_stays(void **state)
{
    struct fixture *fixture = *state;
    (void)ask(fixture, STREAM_PATH, "");
    grpc_world_pass(&fixture->world, 2 * PAWL_GRPC_IDLE_MS);
    assert_false(fixture->link->is_ended);
    assert_in_range(fixture->client->pings_count, 100, 121);
    assert_int_equal(fixture->echo.cancelled_count, 0);
}

static void silent_client_is_asked_and_then_cut_off(void **state)
{
    struct fixture *fixture = *state;
    (void)ask(fixture, STREAM_PATH, "");
    fixture->link->is_raw = true; /* it hears nothing any more */
    grpc_world_pass(&fixture->world, PAWL_GRPC_SILENCE_MS - 1);
    assert_false(fixture->link->is_ended);
    assert_true(fixture->link->to_client.size >= 17); /* a PING */
    grpc_world_pass(&fixture->world, 1);
    assert_true(fixture->link->is_ended);
    assert_int_equal(fixture->echo.cancelled_count, 1);
    assert_string_equal(fixture->echo.why, "the client is silent");
    assert_others_are_served(fixture);
}

static void connection_that_does_not_begin_is_closed(void **state)
{
    struct fixture *fixture = *state;
    struct grpc_link *links[3];
    static const char half[] = "PRI * HT";
    for (size_t i = 0; i < 3; i++) links[i] = connect_raw(fixture);
    feed(links[1], pawl_bytes_str(half));
    feed(links[2], pawl_bytes_str(PREFACE)); /* and no SETTINGS */
    grpc_world_pass(&fixture->world, PAWL_HANDSHAKE_MS - 1);
    for (size_t i = 0; i < 3; i++) assert_false(links[i]->is_ended);
    grpc_world_pass(&fixture->world, 1);
    for (size_t i = 0; i < 3; i++) assert_true(links[i]->is_ended);
}

/* Floods ------------------------------------------------------------------------------------- */

static void reset_many(struct fixture *fixture, uint32_t count)
{
    while (count-- > 0 && fixture->link->conn) {
        struct grpc_reply *reply =
            grpc_client_call(fixture->client, STREAM_PATH, PAWL_BYTES_LITERAL(""), NULL);
        grpc_client_take(fixture->client, &fixture->link->to_server);
        grpc_client_cancel(fixture->client, reply);
    }
    grpc_world_run(&fixture->world);
}

static void rapid_resets_end_the_connection(void **state)
{
    struct fixture *fixture = *state;
    reset_many(fixture, PAWL_GRPC_RESETS_MAX);
    assert_false(fixture->link->is_ended);
    assert_int_equal(fixture->world.grpc->counters.calls, 0);
    reset_many(fixture, 1);
    assert_told_to_calm(fixture, "too_many_resets");
    assert_int_equal(fixture->echo.cancelled_count, fixture->echo.calls_count);
    assert_others_are_served(fixture);
}

static void resets_at_a_pace_are_fine(void **state)
{
    struct fixture *fixture = *state;
    for (uint32_t i = 0; i < 20; i++) {
        reset_many(fixture, PAWL_GRPC_RESETS_PER_S);
        grpc_world_pass(&fixture->world, 1000);
    }
    assert_false(fixture->link->is_ended);
}

static void ping_many(struct fixture *fixture, uint32_t count)
{
    while (count-- > 0) grpc_client_ping(fixture->client);
    grpc_world_run(&fixture->world);
}

static void ping_flood_ends_the_connection(void **state)
{
    struct fixture *fixture = *state;
    /* Our SETTINGS and theirs were the first exchange. */
    ping_many(fixture, PAWL_GRPC_CONTROLS_MAX - 1);
    assert_int_equal(fixture->client->pongs_count, PAWL_GRPC_CONTROLS_MAX - 1);
    assert_false(fixture->link->is_ended);
    ping_many(fixture, 1);
    assert_told_to_calm(fixture, "too_many_pings");
    assert_others_are_served(fixture);
}

static void pings_at_a_pace_are_answered(void **state)
{
    struct fixture *fixture = *state;
    for (uint32_t i = 0; i < 30; i++) {
        ping_many(fixture, PAWL_GRPC_CONTROLS_PER_S);
        grpc_world_pass(&fixture->world, 1000);
    }
    assert_false(fixture->link->is_ended);
    assert_int_equal(fixture->client->pongs_count, 30 * PAWL_GRPC_CONTROLS_PER_S);
}

/* gRPC clients measure the link with a PING for each piece of data. */
static void pings_with_data_are_answered(void **state)
{
    struct fixture *fixture = *state;
    for (uint32_t i = 0; i < 5 * PAWL_GRPC_CONTROLS_MAX; i++) {
        grpc_client_ping(fixture->client);
        (void)ask(fixture, ECHO_PATH, "");
    }
    assert_false(fixture->link->is_ended);
}

static void feed_many(struct grpc_link *link, struct pawl_bytes frame, uint32_t count)
{
    while (count-- > 0) grpc_link_feed(link, frame);
    grpc_world_run(link->world);
}

static const struct pawl_bytes empty_settings = { (const uint8_t *)"\0\0\0\4\0\0\0\0\0", 9 };

static struct grpc_link *connect_greeted(struct fixture *fixture)
{
    struct grpc_link *link = connect_raw(fixture);
    feed(link, pawl_bytes_str(PREFACE));
    feed(link, empty_settings);
    return link;
}

static void floods_of_cheap_frames_end_the_connection(void **state)
{
    struct fixture *fixture = *state;
    static const struct pawl_bytes priority = { (const uint8_t *)"\0\0\5\2\0\0\0\0\3\0\0\0\0\x10",
                                                14 };
    const struct pawl_bytes frames[] = { empty_settings, priority };
    for (size_t i = 0; i < 2; i++) {
        struct grpc_link *link = connect_greeted(fixture);
        feed_many(link, frames[i], PAWL_GRPC_CONTROLS_MAX - 1);
        assert_false(link->is_ended);
        feed_many(link, frames[i], 1);
        assert_true(link->is_ended);
    }
    assert_others_are_served(fixture);
}

static void floods_of_empty_data_end_the_connection(void **state)
{
    struct fixture *fixture = *state;
    const char *headers[] = {
        ":method",   "POST",         ":scheme",          "http", ":path", ECHO_PATH, ":authority",
        "localhost", "content-type", "application/grpc", NULL
    };
    struct grpc_reply *reply =
        grpc_client_request(fixture->client, headers, RAW("\0\0\0\0\7half"), false);
    grpc_world_run(&fixture->world);
    uint8_t empty_data[9] = { 0 };
    empty_data[8] = (uint8_t)reply->stream;
    feed_many(fixture->link, pawl_bytes_make(empty_data, 9), PAWL_GRPC_CONTROLS_MAX);
    assert_told_to_calm(fixture, "too_many_pings");
}

static void flood_of_continuations_ends_the_connection(void **state)
{
    struct fixture *fixture = *state;
    struct grpc_link *link = connect_greeted(fixture);
    feed(link, RAW("\0\0\1\1\0\0\0\0\1\x83"));
    feed_many(link, RAW("\0\0\1\x9\0\0\0\0\1\x84"), 100);
    assert_true(link->is_ended);
    assert_others_are_served(fixture);
}

/* The client never takes a byte off the wire. */
static void client_that_never_reads_is_bounded(void **state)
{
    struct fixture *fixture = *state;
    fixture->echo.count_size = 10000;
    grpc_world_run(&fixture->world);
    for (uint32_t i = 0; i < 50; i++)
        (void)grpc_client_call(fixture->client, COUNT_PATH, PAWL_BYTES_LITERAL("1000"), NULL);
    grpc_client_take(fixture->client, &fixture->link->to_server);
    fixture->link->is_raw = true;
    fixture->link->is_stuck = true;
    grpc_world_run(&fixture->world);
    assert_true(fixture->link->to_client.size < 1u << 20);
    assert_true(fixture->world.grpc->out_size
                <= 50 * ((size_t)PAWL_GRPC_STREAM_OUT_SIZE_MAX + 10000));
    grpc_world_pass(&fixture->world, PAWL_GRPC_SILENCE_MS);
    assert_true(fixture->link->is_ended);
    assert_int_equal(fixture->world.grpc->out_size, 0);
    assert_others_are_served(fixture);
}

/* Strangers ---------------------------------------------------------------------------------- */

static void http1_client_gets_an_answer_it_understands(void **state)
{
    struct fixture *fixture = *state;
    static const char *const requests[] = { "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST", "P",
                                            "OPTIONS *" };
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        struct grpc_link *link = connect_raw(fixture);
        feed(link, pawl_bytes_str(requests[i]));
        if (strcmp(requests[i], "P") == 0) {
            assert_false(link->is_ended); /* it may still become HTTP/2 */
            feed(link, pawl_bytes_str("UT / HTTP/1.1"));
        }
        assert_true(link->is_ended);
        pawl_buf_append(&link->to_client, "", 1);
        const char *answer = (const char *)link->to_client.data;
        assert_memory_equal(answer, "HTTP/1.1 400 ", 13);
        assert_non_null(strstr(answer, "gRPC"));
        assert_non_null(strstr(answer, "echoes for tests"));
    }
}

static void strangers_are_closed(void **state)
{
    struct fixture *fixture = *state;
    const struct pawl_bytes strangers[] = {
        RAW("\x16\x03\x01\x02\x00"), /* TLS */
        RAW("\0\0\0\0\0\0\0\0"),
        RAW("hello, is there anybody?"),
        RAW("PRI * HTTP/1.0\r\n\r\nSM\r\n\r\n"),
        RAW(PREFACE "garbage that is no frame at all, garbage that is no frame"),
        RAW(PREFACE "\0\0\0\4\0\0\0\0\1"),                         /* SETTINGS on a stream */
        RAW(PREFACE "\0\0\1\4\0\0\0\0\0x"),                        /* SETTINGS of one byte */
        RAW(PREFACE "\0\0\0\4\0\0\0\0\0\xff\xff\xff\1\4\0\0\0\1"), /* a frame of 16 MB */
        RAW(PREFACE "\0\0\0\4\0\0\0\0\0\0\0\1\1\4\0\0\0\2\x83"),   /* an even stream */
        RAW(PREFACE "\0\0\0\4\0\0\0\0\0\0\0\1\1\4\0\0\0\1\xff"),   /* broken HPACK */
    };
    const size_t count = sizeof strangers / sizeof strangers[0];
    for (size_t i = 0; i < count; i++) {
        struct grpc_link *link = connect_raw(fixture);
        feed(link, strangers[i]);
        if (!link->is_ended) fail_msg("stranger %zu is still there", i);
    }
    assert_int_equal(pawl_grpc_counters(fixture->world.grpc)->connections_cut_total, count);
    assert_int_equal(fixture->echo.calls_count, 0);
    assert_others_are_served(fixture);
}

/* A frame may be cut anywhere. */
static void bytes_may_come_one_by_one(void **state)
{
    struct fixture *fixture = *state;
    struct grpc_link *link = connect_raw(fixture);
    struct grpc_reply *reply =
        grpc_client_call(&link->client, ECHO_PATH, PAWL_BYTES_LITERAL("slowly"), NULL);
    struct pawl_buf bytes;
    pawl_buf_init(&bytes, 1u << 20);
    for (uint32_t turn = 0; turn < 3; turn++) {
        pawl_buf_clear(&bytes);
        grpc_client_take(&link->client, &bytes);
        for (size_t i = 0; i < bytes.size; i++) feed(link, pawl_bytes_make(bytes.data + i, 1));
        grpc_client_receive(&link->client, pawl_buf_view(&link->to_client));
        pawl_buf_clear(&link->to_client);
    }
    assert_int_equal(reply->status, PAWL_GRPC_OK);
    assert_false(link->is_ended);
    pawl_buf_deinit(&bytes);
}

static void connection_may_end_after_any_byte(void **state)
{
    struct fixture *fixture = *state;
    struct pawl_buf bytes;
    pawl_buf_init(&bytes, 1u << 20);
    struct grpc_client client;
    grpc_client_init(&client, 0);
    (void)grpc_client_call(&client, STREAM_PATH, PAWL_BYTES_LITERAL("message"), NULL);
    grpc_client_take(&client, &bytes);
    for (size_t size = 0; size <= bytes.size; size++) {
        struct grpc_link *link = connect_raw(fixture);
        feed(link, pawl_bytes_make(bytes.data, size));
        grpc_link_cut(link);
    }
    assert_int_equal(fixture->echo.calls_count, 1);
    assert_int_equal(fixture->echo.cancelled_count, 1);
    assert_int_equal(fixture->world.grpc->counters.calls, 0);
    grpc_client_deinit(&client);
    pawl_buf_deinit(&bytes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(largest_request_is_taken_and_a_larger_one_refused),
        TEST(size_that_is_only_claimed_takes_no_memory),
        TEST(half_requests_are_bounded_together),
        TEST(answer_that_is_too_large_is_told),
        TEST(reader_that_is_far_too_slow_is_cut_off),
        TEST(answers_are_bounded_together),
        TEST(nothing_is_queued_for_a_connection_that_ends),
        TEST(headers_are_bounded),
        TEST(headers_that_unpack_to_megabytes_are_not_kept),
        TEST(connections_are_bounded),
        TEST(calls_of_a_connection_are_bounded),
        TEST(calls_of_all_are_bounded),
        TEST(request_that_does_not_end_is_given_up),
        TEST(deadline_counts_while_the_request_comes),
        TEST(answer_that_nobody_reads_is_dropped),
        TEST(answer_that_is_read_slowly_arrives),
        TEST(connection_without_calls_is_sent_away),
        TEST(connection_with_a_stream_stays),
        TEST(silent_client_is_asked_and_then_cut_off),
        TEST(connection_that_does_not_begin_is_closed),
        TEST(rapid_resets_end_the_connection),
        TEST(resets_at_a_pace_are_fine),
        TEST(ping_flood_ends_the_connection),
        TEST(pings_at_a_pace_are_answered),
        TEST(pings_with_data_are_answered),
        TEST(floods_of_cheap_frames_end_the_connection),
        TEST(floods_of_empty_data_end_the_connection),
        TEST(flood_of_continuations_ends_the_connection),
        TEST(client_that_never_reads_is_bounded),
        TEST(http1_client_gets_an_answer_it_understands),
        TEST(strangers_are_closed),
        TEST(bytes_may_come_one_by_one),
        TEST(connection_may_end_after_any_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
