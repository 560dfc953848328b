/* The gRPC server without sockets: what clients and methods see of each other. */
#include "sidecar/grpc.h"

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

static struct grpc_reply *ask(struct fixture *fixture, const char *path, const char *message,
                              const char *const *headers)
{
    struct grpc_reply *reply =
        grpc_client_call(fixture->client, path, pawl_bytes_str(message), headers);
    grpc_world_run(&fixture->world);
    return reply;
}

static void assert_message(const struct grpc_reply *reply, uint32_t index, const char *text)
{
    struct pawl_bytes message = grpc_reply_message(reply, index);
    assert_false(pawl_bytes_is_absent(message));
    assert_int_equal(message.size, strlen(text));
    assert_memory_equal(message.data, text, message.size);
}

static void assert_failed(const struct grpc_reply *reply, enum pawl_grpc_status status,
                          const char *part)
{
    assert_true(reply->is_over);
    assert_int_equal(reply->http_status, 200);
    assert_int_equal(reply->status, status);
    if (!strstr(reply->message, part)) fail_msg("no '%s' in '%s'", part, reply->message);
}

static void send_text(struct fixture *fixture, const char *text)
{
    assert_int_equal(
        pawl_grpc_send(fixture->world.grpc, echo_last(&fixture->echo), pawl_bytes_str(text)),
        PAWL_OK);
}

static void finish(struct fixture *fixture, enum pawl_grpc_status status)
{
    pawl_grpc_finish(fixture->world.grpc, echo_last(&fixture->echo), status, PAWL_BYTES_ABSENT);
}

/* Unary ---------------------------------------------------------------------------------- */

static void unary_call_is_answered(void **state)
{
    struct fixture *fixture = *state;
    struct grpc_reply *reply = ask(fixture, ECHO_PATH, "hello", NULL);
    assert_true(reply->is_over);
    assert_int_equal(reply->reset_code, 0);
    assert_int_equal(reply->http_status, 200);
    assert_int_equal(reply->status, PAWL_GRPC_OK);
    assert_message(reply, 0, "hello");
    assert_int_equal(reply->headers_count, 2);
    assert_int_equal(fixture->echo.cancelled_count, 0);
}

static void empty_message_is_a_message(void **state)
{
    struct grpc_reply *reply = ask(*state, ECHO_PATH, "", NULL);
    assert_int_equal(reply->status, PAWL_GRPC_OK);
    assert_int_equal(grpc_reply_messages_count(reply), 1);
}

static void answer_may_come_later(void **state)
{
    struct fixture *fixture = *state;
    struct grpc_reply *reply = ask(fixture, LATER_PATH, "", NULL);
    assert_int_equal(reply->http_status, 0);
    assert_int_equal(fixture->echo.deadline_ms, 0);
    pawl_grpc_answer(fixture->world.grpc, echo_last(&fixture->echo), PAWL_BYTES_LITERAL("now"));
    grpc_world_run(&fixture->world);
    assert_int_equal(reply->status, PAWL_GRPC_OK);
    assert_message(reply, 0, "now");
}

static void many_calls_share_a_connection(void **state)
{
    struct fixture *fixture = *state;
    struct grpc_reply *replies[200];
    for (size_t i = 0; i < 200; i++)
        replies[i] = grpc_client_call(fixture->client, ECHO_PATH, PAWL_BYTES_LITERAL("m"), NULL);
    grpc_world_run(&fixture->world);
    for (size_t i = 0; i < 200; i++) {
        assert_int_equal(replies[i]->status, PAWL_GRPC_OK);
        assert_message(replies[i], 0, "m");
    }
    assert_int_equal(fixture->echo.calls_count, 200);
}

static void answers_of_one_turn_leave_in_one_write(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < 50; i++)
        (void)grpc_client_call(fixture->client, ECHO_PATH, PAWL_BYTES_LITERAL("m"), NULL);
    uint32_t before = fixture->link->writes_count;
    grpc_world_run(&fixture->world);
    assert_int_equal(fixture->link->writes_count, before + 1);
}

static void error_is_told_in_one_frame(void **state)
{
    struct grpc_reply *reply = ask(*state, FAIL_PATH, "no such thing", NULL);
    assert_failed(reply, PAWL_GRPC_NOT_FOUND, "no such thing");
    assert_true(reply->is_trailers_only);
    assert_int_equal(reply->reset_code, 0);
}

static void error_text_is_percent_encoded(void **state)
{
    struct grpc_reply *reply = ask(*state, FAIL_PATH, "50% \xc3\xa4\n", NULL);
    assert_string_equal(reply->message, "50%25 %C3%A4%0A");
}

static void long_error_text_is_cut_at_a_character(void **state)
{
    struct fixture *fixture = *state;
    char text[PAWL_MESSAGE_SIZE_MAX + 100];
    memset(text, 'x', sizeof text);
    memcpy(text + PAWL_MESSAGE_SIZE_MAX - 1, "\xc3\xa4", 2);
    text[sizeof text - 1] = 0;
    struct grpc_reply *reply = ask(fixture, FAIL_PATH, text, NULL);
    assert_int_equal(reply->status, PAWL_GRPC_NOT_FOUND);
    assert_int_equal(strlen(reply->message), PAWL_MESSAGE_SIZE_MAX - 1);
}

static void method_that_gives_no_answer_is_an_error(void **state)
{
    struct fixture *fixture = *state;
    struct grpc_reply *reply = ask(fixture, LATER_PATH, "", NULL);
    finish(fixture, PAWL_GRPC_OK);
    grpc_world_run(&fixture->world);
    assert_failed(reply, PAWL_GRPC_INTERNAL, "no answer");
}

static void metadata_reaches_the_method(void **state)
{
    struct fixture *fixture = *state;
    const char *headers[] = { "x-other", "1", "who", "me", "who", "not me", NULL };
    assert_message(ask(fixture, WHO_PATH, "", headers), 0, "me");
    assert_message(ask(fixture, WHO_PATH, "", NULL), 0, "nobody");
}

static void space_around_metadata_is_nothing(void **state)
{
    const char *headers[] = { "who", " \tme and you \t", "x-empty", "  ", NULL };
    assert_message(ask(*state, WHO_PATH, "", headers), 0, "me and you");
}

static void id_that_is_over_does_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct grpc_reply *reply = ask(fixture, ECHO_PATH, "a", NULL);
    uint64_t id = echo_last(&fixture->echo);
    assert_int_equal(pawl_grpc_send(fixture->world.grpc, id, PAWL_BYTES_LITERAL("b")),
                     PAWL_E_CANCELLED);
    pawl_grpc_finish(fixture->world.grpc, id, PAWL_GRPC_INTERNAL, PAWL_BYTES_ABSENT);
    pawl_grpc_finish(fixture->world.grpc, 0, PAWL_GRPC_INTERNAL, PAWL_BYTES_ABSENT);
    grpc_world_run(&fixture->world);
    assert_int_equal(reply->status, PAWL_GRPC_OK);
    assert_int_equal(grpc_reply_messages_count(reply), 1);
}

static void connections_are_told_apart(void **state)
{
    struct fixture *fixture = *state;
    (void)ask(fixture, ECHO_PATH, "", NULL);
    uint64_t first = fixture->echo.conn;
    (void)ask(fixture, ECHO_PATH, "", NULL);
    assert_int_equal(fixture->echo.conn, first);
    struct grpc_link *other = grpc_world_connect(&fixture->world, 0);
    (void)grpc_client_call(&other->client, ECHO_PATH, PAWL_BYTES_LITERAL(""), NULL);
    grpc_world_run(&fixture->world);
    assert_int_not_equal(fixture->echo.conn, first);
    assert_int_equal(pawl_grpc_count(fixture->world.grpc), 2);
}

/* Streams -------------------------------------------------------------------------------- */

static void stream_stands_before_its_first_message(void **state)
{
    struct fixture *fixture = *state;
    struct grpc_reply *reply = ask(fixture, STREAM_PATH, "", NULL);
    assert_int_equal(reply->http_status, 200);
    assert_int_equal(reply->status, -1);
    assert_false(reply->is_over);
}

static void stream_delivers_in_order_and_then_the_status(void **state)
{
    struct fixture *fixture = *state;
    struct grpc_reply *reply = ask(fixture, STREAM_PATH, "", NULL);
    send_text(fixture, "one");
    grpc_world_run(&fixture->world);
    assert_message(reply, 0, "one");
    send_text(fixture, "two");
    send_text(fixture, "three");
    finish(fixture, PAWL_GRPC_ABORTED);
    grpc_world_run(&fixture->world);
    assert_int_equal(grpc_reply_messages_count(reply), 3);
    assert_message(reply, 1, "two");
    assert_message(reply, 2, "three");
    assert_int_equal(reply->status, PAWL_GRPC_ABORTED);
    assert_true(reply->is_over);
}

static void empty_stream_may_end_well(void **state)
{
    struct fixture *fixture = *state;
    struct grpc_reply *reply = ask(fixture, COUNT_PATH, "0", NULL);
    assert_int_equal(reply->status, PAWL_GRPC_OK);
    assert_true(reply->is_over);
    assert_int_equal(reply->body.size, 0);
}

static void messages_of_one_turn_leave_in_one_write(void **state)
{
    struct fixture *fixture = *state;
    struct grpc_reply *reply = ask(fixture, STREAM_PATH, "", NULL);
    uint32_t before = fixture->link->writes_count;
    for (uint32_t i = 0; i < 20; i++) send_text(fixture, "message");
    grpc_world_run(&fixture->world);
    assert_int_equal(grpc_reply_messages_count(reply), 20);
    assert_int_equal(fixture->link->writes_count, before + 1);
}

static void slow_reader_blocks_only_its_stream(void **state)
{
    struct fixture *fixture = *state;
    grpc_client_pause(fixture->client);
    fixture->echo.count_size = 1000;
    struct grpc_reply *slow = ask(fixture, COUNT_PATH, "5000", NULL);
    assert_true(fixture->echo.count_left > 4000);      /* the queue is bounded */
    assert_true(fixture->echo.count_left < 5000 - 65); /* the window was used */
    uint32_t before = fixture->echo.count_left;

    struct grpc_reply *other = ask(fixture, ECHO_PATH, "quick", NULL);
    assert_int_equal(other->status, PAWL_GRPC_OK);
    assert_int_equal(fixture->echo.count_left, before);
    assert_int_equal(slow->status, -1);

    grpc_client_read_on(fixture->client);
    grpc_world_run(&fixture->world);
    assert_int_equal(fixture->echo.count_left, 0);
    assert_int_equal(slow->status, PAWL_GRPC_OK);
    assert_int_equal(grpc_reply_messages_count(slow), 5000);
    assert_true(fixture->echo.writable_count > 10);
}

static void busy_stream_is_told_once_when_there_is_room(void **state)
{
    struct fixture *fixture = *state;
    grpc_client_pause(fixture->client);
    struct grpc_reply *reply = ask(fixture, STREAM_PATH, "", NULL);
    uint64_t id = echo_last(&fixture->echo);
    const size_t size = PAWL_GRPC_STREAM_OUT_SIZE_MAX / 4;
    uint8_t *message = pawl_mem_alloc(size);
    uint32_t sent = 0;
    while (pawl_grpc_send(fixture->world.grpc, id, pawl_bytes_make(message, size)) == PAWL_OK)
        sent++;
    assert_int_equal(sent, 3); /* each has its prefix, too */
    assert_int_equal(pawl_grpc_send(fixture->world.grpc, id, pawl_bytes_make(message, size)),
                     PAWL_E_BUSY);
    grpc_world_run(&fixture->world);
    assert_int_equal(fixture->echo.writable_count, 0); /* more than half is still there */
    grpc_client_read_on(fixture->client);
    grpc_world_run(&fixture->world);
    assert_int_equal(fixture->echo.writable_count, 1);
    assert_int_equal(fixture->echo.writable, id);
    assert_int_equal(grpc_reply_messages_count(reply), 3);
    pawl_mem_free(message);
}

static void first_message_is_never_refused_as_busy(void **state)
{
    struct fixture *fixture = *state;
    const size_t size = PAWL_GRPC_STREAM_OUT_SIZE_MAX * 4;
    uint8_t *message = pawl_mem_alloc(size);
    struct grpc_reply *reply = ask(fixture, LATER_PATH, "", NULL);
    pawl_grpc_answer(fixture->world.grpc, echo_last(&fixture->echo),
                     pawl_bytes_make(message, size));
    grpc_world_run(&fixture->world);
    assert_int_equal(reply->status, PAWL_GRPC_OK);
    assert_int_equal(grpc_reply_message(reply, 0).size, size);
    pawl_mem_free(message);
}

static void blocked_transport_holds_one_piece(void **state)
{
    struct fixture *fixture = *state;
    fixture->echo.count_size = 10000;
    struct grpc_link *link = grpc_world_connect(&fixture->world, 100u << 20);
    grpc_world_run(&fixture->world);
    link->is_stuck = true;
    uint32_t before = link->writes_count;
    struct grpc_reply *reply =
        grpc_client_call(&link->client, COUNT_PATH, PAWL_BYTES_LITERAL("1000"), NULL);
    grpc_world_run(&fixture->world);
    assert_int_equal(link->writes_count, before + 1);
    assert_true(fixture->echo.count_left > 0);
    link->is_stuck = false;
    pawl_grpc_on_writable(link->conn);
    grpc_world_run(&fixture->world);
    assert_int_equal(reply->status, PAWL_GRPC_OK);
    assert_int_equal(grpc_reply_messages_count(reply), 1000);
}

/* The end of calls -------------------------------------------------------------------------- */

static void cancel_reaches_the_method_once(void **state)
{
    struct fixture *fixture = *state;
    struct grpc_reply *reply = ask(fixture, STREAM_PATH, "", NULL);
    uint64_t id = echo_last(&fixture->echo);
    grpc_client_cancel(fixture->client, reply);
    grpc_world_run(&fixture->world);
    assert_int_equal(fixture->echo.cancelled_count, 1);
    assert_int_equal(fixture->echo.cancelled[0], id);
    assert_string_equal(fixture->echo.why, "the client cancelled it");
    grpc_link_cut(fixture->link);
    assert_int_equal(fixture->echo.cancelled_count, 1);
}

static void call_that_is_finished_is_not_cancelled(void **state)
{
    struct fixture *fixture = *state;
    grpc_client_pause(fixture->client);
    fixture->echo.count_size = 100000;
    struct grpc_reply *reply = ask(fixture, COUNT_PATH, "2", NULL);
    assert_int_equal(fixture->echo.count_left, 0); /* finished, and not yet delivered */
    assert_int_equal(reply->status, -1);
    grpc_client_cancel(fixture->client, reply);
    grpc_world_run(&fixture->world);
    grpc_link_cut(fixture->link);
    assert_int_equal(fixture->echo.cancelled_count, 0);
}

static void lost_connection_cancels_its_calls(void **state)
{
    struct fixture *fixture = *state;
    (void)ask(fixture, STREAM_PATH, "", NULL);
    (void)ask(fixture, LATER_PATH, "", NULL);
    (void)ask(fixture, ECHO_PATH, "", NULL);
    grpc_link_cut(fixture->link);
    assert_int_equal(fixture->echo.cancelled_count, 2);
    assert_string_equal(fixture->echo.why, "the client is gone");
    assert_int_equal(pawl_grpc_count(fixture->world.grpc), 0);
}

static void deadline_cancels_and_is_told(void **state)
{
    struct fixture *fixture = *state;
    const char *headers[] = { "grpc-timeout", "250m", NULL };
    struct grpc_reply *reply = ask(fixture, LATER_PATH, "", headers);
    assert_int_equal(fixture->echo.deadline_ms, fixture->world.now_ms + 250);
    assert_int_equal(pawl_grpc_wake_at_ms(fixture->world.grpc), fixture->world.now_ms + 250);
    grpc_world_pass(&fixture->world, 249);
    assert_int_equal(fixture->echo.cancelled_count, 0);
    grpc_world_pass(&fixture->world, 1);
    assert_int_equal(fixture->echo.cancelled_count, 1);
    assert_failed(reply, PAWL_GRPC_DEADLINE_EXCEEDED, "deadline");
}

static void deadline_that_has_passed_reaches_no_method(void **state)
{
    struct fixture *fixture = *state;
    const char *headers[] = { "grpc-timeout", "0n", NULL };
    struct grpc_reply *reply = ask(fixture, LATER_PATH, "", headers);
    assert_failed(reply, PAWL_GRPC_DEADLINE_EXCEEDED, "deadline");
    assert_int_equal(fixture->echo.calls_count, 0);
}

static void malformed_deadline_is_refused(void **state)
{
    const char *headers[] = { "grpc-timeout", "soon", NULL };
    struct grpc_reply *reply = ask(*state, LATER_PATH, "", headers);
    assert_failed(reply, PAWL_GRPC_INVALID_ARGUMENT, "grpc-timeout");
}

/* Wrong requests ------------------------------------------------------------------------------ */

static void unknown_method_is_named_and_so_is_what_is_served(void **state)
{
    struct grpc_reply *reply = ask(*state, "/TaskHubSidecarService/Dance", "", NULL);
    assert_failed(reply, PAWL_GRPC_UNIMPLEMENTED, "/TaskHubSidecarService/Dance");
    assert_non_null(strstr(reply->message, "echoes for tests"));
}

static void compression_is_refused_with_what_is_understood(void **state)
{
    const char *headers[] = { "grpc-encoding", "gzip", NULL };
    struct grpc_reply *reply = ask(*state, ECHO_PATH, "", headers);
    assert_failed(reply, PAWL_GRPC_UNIMPLEMENTED, "compress");
    assert_string_equal(reply->accept_encoding, "identity");
}

static void identity_is_no_compression(void **state)
{
    const char *headers[] = { "grpc-encoding", "identity", NULL };
    assert_int_equal(ask(*state, ECHO_PATH, "", headers)->status, PAWL_GRPC_OK);
}

static struct grpc_reply *ask_raw(struct fixture *fixture, const char *method, const char *type,
                                  struct pawl_bytes body)
{
    const char *headers[] = { ":method",    method,      ":scheme",      "http", ":path", ECHO_PATH,
                              ":authority", "localhost", "content-type", type,   NULL };
    struct grpc_reply *reply = grpc_client_request(fixture->client, headers, body, true);
    grpc_world_run(&fixture->world);
    return reply;
}

static void other_content_types_are_415(void **state)
{
    struct fixture *fixture = *state;
    static const char *const wrong[] = { "application/json", "application/grpc-web",
                                         "application/grpc+json", "application/grp" };
    static const char *const right[] = { "application/grpc", "application/grpc+proto",
                                         "Application/GRPC; charset=x" };
    const struct pawl_bytes body = { (const uint8_t *)"\0\0\0\0\0", 5 };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct grpc_reply *reply = ask_raw(fixture, "POST", wrong[i], body);
        assert_int_equal(reply->http_status, 415);
        assert_true(reply->is_over);
        assert_true(reply->body.size > 0);
        assert_int_equal(reply->status, -1);
    }
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        assert_int_equal(ask_raw(fixture, "POST", right[i], body)->status, PAWL_GRPC_OK);
    assert_int_equal(ask_raw(fixture, "GET", "text/plain", PAWL_BYTES_ABSENT)->http_status, 405);
}

static void bodies_that_are_no_message_are_refused(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        struct pawl_bytes body;
        enum pawl_grpc_status status;
        const char *text;
    } cases[] = {
        { { (const uint8_t *)"", 0 }, PAWL_GRPC_INTERNAL, "ended before" },
        { { (const uint8_t *)"\0\0\0", 3 }, PAWL_GRPC_INTERNAL, "ended before" },
        { { (const uint8_t *)"\0\0\0\0\2x", 6 }, PAWL_GRPC_INTERNAL, "ended before" },
        { { (const uint8_t *)"\0\0\0\0\1xy", 7 }, PAWL_GRPC_UNIMPLEMENTED, "second message" },
        { { (const uint8_t *)"\1\0\0\0\1x", 6 }, PAWL_GRPC_INTERNAL, "compressed" },
        { { (const uint8_t *)"\0\xff\xff\xff\xff", 5 }, PAWL_GRPC_RESOURCE_EXHAUSTED, "at most" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct grpc_reply *reply = ask_raw(fixture, "POST", "application/grpc", cases[i].body);
        assert_failed(reply, cases[i].status, cases[i].text);
    }
    assert_int_equal(fixture->echo.calls_count, 0);
}

static void refusal_does_not_wait_for_the_rest_of_the_request(void **state)
{
    struct fixture *fixture = *state;
    const char *headers[] = {
        ":method",   "POST",         ":scheme",          "http", ":path", "/no/where", ":authority",
        "localhost", "content-type", "application/grpc", NULL
    };
    struct grpc_reply *reply =
        grpc_client_request(fixture->client, headers, PAWL_BYTES_LITERAL("begin"), false);
    grpc_world_run(&fixture->world);
    assert_failed(reply, PAWL_GRPC_UNIMPLEMENTED, "/no/where");
    assert_int_equal(reply->reset_code, NGHTTP2_NO_ERROR);
    assert_int_equal(ask(fixture, ECHO_PATH, "", NULL)->status, PAWL_GRPC_OK);
}

/* A token ---------------------------------------------------------------------------------------
 */

static int setup_token(void **state)
{
    struct fixture *fixture = PAWL_NEW(struct fixture);
    struct pawl_grpc_service service = echo_service(&fixture->echo, &fixture->world.grpc);
    grpc_world_init(&fixture->world, &service, "secret");
    fixture->link = grpc_world_connect(&fixture->world, 0);
    fixture->client = &fixture->link->client;
    *state = fixture;
    return 0;
}

static void token_is_asked_for(void **state)
{
    struct fixture *fixture = *state;
    static const char *const right[][3] = { { "dapr-api-token", "secret", NULL },
                                            { "pawl-api-token", "secret", NULL },
                                            { "authorization", "Bearer secret", NULL },
                                            { "authorization", "bearer secret", NULL },
                                            { "authorization", "BEARER secret", NULL } };
    static const char *const wrong[][3] = { { "dapr-api-token", "secreT", NULL },
                                            { "dapr-api-token", "secret1", NULL },
                                            { "authorization", "secret", NULL },
                                            { "x", "secret", NULL } };
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(ask(fixture, ECHO_PATH, "", right[i])->status, PAWL_GRPC_OK);
        assert_failed(ask(fixture, ECHO_PATH, "", wrong[i]), PAWL_GRPC_UNAUTHENTICATED, "token");
    }
    assert_int_equal(fixture->echo.calls_count, 4);
}

/* The end of the server -------------------------------------------------------------------------
 */

static void stop_lets_running_calls_end(void **state)
{
    struct fixture *fixture = *state;
    struct grpc_link *idle = grpc_world_connect(&fixture->world, 0);
    struct grpc_reply *reply = ask(fixture, LATER_PATH, "", NULL);
    pawl_grpc_stop(fixture->world.grpc, fixture->world.now_ms);
    grpc_world_run(&fixture->world);
    assert_true(fixture->client->is_told_to_go);
    assert_int_equal(fixture->client->goaway_code, NGHTTP2_NO_ERROR);
    assert_true(idle->is_ended); /* it had nothing to wait for */
    assert_false(fixture->link->is_ended);

    pawl_grpc_answer(fixture->world.grpc, echo_last(&fixture->echo), PAWL_BYTES_LITERAL("late"));
    grpc_world_run(&fixture->world);
    assert_message(reply, 0, "late");
    assert_int_equal(reply->status, PAWL_GRPC_OK);
    assert_true(fixture->link->is_ended);
    assert_int_equal(fixture->echo.cancelled_count, 0);
    assert_null(grpc_world_connect(&fixture->world, 0)->conn);
}

static void end_cancels_what_still_runs(void **state)
{
    struct fixture *fixture = *state;
    struct grpc_reply *stream = ask(fixture, STREAM_PATH, "", NULL);
    struct grpc_reply *unary = ask(fixture, LATER_PATH, "", NULL);
    pawl_grpc_stop(fixture->world.grpc, fixture->world.now_ms);
    grpc_world_run(&fixture->world);
    pawl_grpc_end_all(fixture->world.grpc, fixture->world.now_ms);
    grpc_world_run(&fixture->world);
    assert_int_equal(fixture->echo.cancelled_count, 2);
    assert_failed(stream, PAWL_GRPC_UNAVAILABLE, "stopping");
    assert_failed(unary, PAWL_GRPC_UNAVAILABLE, "stopping");
    assert_true(fixture->link->is_ended);
    assert_int_equal(pawl_grpc_count(fixture->world.grpc), 0);
}

static void what_happens_is_counted(void **state)
{
    struct fixture *fixture = *state;
    const struct pawl_grpc_counters *counters = pawl_grpc_counters(fixture->world.grpc);
    (void)ask(fixture, ECHO_PATH, "12345", NULL);
    (void)ask(fixture, FAIL_PATH, "1", NULL);
    (void)ask_raw(fixture, "GET", "text/plain", PAWL_BYTES_ABSENT);
    grpc_client_cancel(fixture->client, ask(fixture, STREAM_PATH, "", NULL));
    grpc_world_run(&fixture->world);
    (void)ask(fixture, STREAM_PATH, "", NULL);
    assert_int_equal(counters->calls, 1);
    assert_int_equal(counters->connections, 1);
    grpc_link_cut(fixture->link);
    assert_int_equal(counters->ended_total[PAWL_GRPC_OK], 1);
    assert_int_equal(counters->ended_total[PAWL_GRPC_NOT_FOUND], 1);
    assert_int_equal(counters->ended_total[PAWL_GRPC_CANCELLED], 2);
    assert_int_equal(counters->refused_http_total, 1);
    assert_int_equal(counters->messages_received_total, 4);
    assert_int_equal(counters->bytes_received_total, 6);
    assert_int_equal(counters->messages_sent_total, 1);
    assert_int_equal(counters->bytes_sent_total, 5);
    assert_int_equal(counters->connections_total, 1);
    assert_int_equal(counters->connections_cut_total, 0);
    assert_int_equal(counters->connections, 0);
    assert_int_equal(counters->calls, 0);
}

static void status_codes_have_names(void **state)
{
    (void)state;
    assert_string_equal(pawl_grpc_status_name(PAWL_GRPC_OK), "OK");
    assert_string_equal(pawl_grpc_status_name(PAWL_GRPC_UNAUTHENTICATED), "UNAUTHENTICATED");
    assert_string_equal(pawl_grpc_status_name((enum pawl_grpc_status)17), "UNKNOWN");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(unary_call_is_answered),
        TEST(empty_message_is_a_message),
        TEST(answer_may_come_later),
        TEST(many_calls_share_a_connection),
        TEST(answers_of_one_turn_leave_in_one_write),
        TEST(error_is_told_in_one_frame),
        TEST(error_text_is_percent_encoded),
        TEST(long_error_text_is_cut_at_a_character),
        TEST(method_that_gives_no_answer_is_an_error),
        TEST(metadata_reaches_the_method),
        TEST(space_around_metadata_is_nothing),
        TEST(id_that_is_over_does_nothing),
        TEST(connections_are_told_apart),
        TEST(stream_stands_before_its_first_message),
        TEST(stream_delivers_in_order_and_then_the_status),
        TEST(empty_stream_may_end_well),
        TEST(messages_of_one_turn_leave_in_one_write),
        TEST(slow_reader_blocks_only_its_stream),
        TEST(busy_stream_is_told_once_when_there_is_room),
        TEST(first_message_is_never_refused_as_busy),
        TEST(blocked_transport_holds_one_piece),
        TEST(cancel_reaches_the_method_once),
        TEST(call_that_is_finished_is_not_cancelled),
        TEST(lost_connection_cancels_its_calls),
        TEST(deadline_cancels_and_is_told),
        TEST(deadline_that_has_passed_reaches_no_method),
        TEST(malformed_deadline_is_refused),
        TEST(unknown_method_is_named_and_so_is_what_is_served),
        TEST(compression_is_refused_with_what_is_understood),
        TEST(identity_is_no_compression),
        TEST(other_content_types_are_415),
        TEST(bodies_that_are_no_message_are_refused),
        TEST(refusal_does_not_wait_for_the_rest_of_the_request),
        cmocka_unit_test_setup_teardown(token_is_asked_for, setup_token, teardown),
        TEST(stop_lets_running_calls_end),
        TEST(end_cancels_what_still_runs),
        TEST(what_happens_is_counted),
        cmocka_unit_test(status_codes_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
