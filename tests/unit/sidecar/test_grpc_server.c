/* The sockets of the gRPC server, with and without TLS: a real client on a real port. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"
#include "grpc_client.h"
#include "grpc_echo.h"
#include "sidecar/io/grpc.h"
#include "tls_files.h"

#define DEADLINE_NS UINT64_C(120000000000)
#define WIRE_MAX    ((size_t)64 << 20)

/* A certificate for the tests that want TLS. */
static struct {
    char folder[64];
    char certificate[96];
    char key[96];
    char other_key[96];
} files;

struct fixture {
    uv_loop_t loop;
    struct pawl_grpc_listener *listener;
    struct pawl_grpc *grpc;
    struct echo echo;
    struct pawl_arena arena;
};

/* One connection of a client. */
struct line {
    struct fixture *fixture;
    int fd;
    struct grpc_client client;
    SSL *ssl; /* NULL: none */
    SSL_CTX *ctx;
    struct pawl_buf out;
    struct pawl_buf in; /* of raw lines */
    bool is_raw;
    bool is_over;
};

static pawl_err listener_open(struct fixture *fixture, const char *host, uint16_t port,
                              const char *certificate, const char *key, const char **ret_message)
{
    const struct pawl_grpc_listener_config config = {
        .loop = &fixture->loop,
        .host = host,
        .port = port,
        .service = echo_service(&fixture->echo, &fixture->grpc),
        .seed = 1,
        .tls_certificate = certificate,
        .tls_key = key,
    };
    return pawl_grpc_listener_open(&config, &fixture->arena, &fixture->listener, ret_message);
}

static struct fixture *fixture_new(const char *certificate, const char *key)
{
    struct fixture *fixture = PAWL_NEW(struct fixture);
    const char *message = NULL;
    pawl_arena_init(&fixture->arena);
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    pawl_err err = listener_open(fixture, "127.0.0.1", 0, certificate, key, &message);
    if (err != PAWL_OK) fail_msg("%s", message);
    fixture->grpc = pawl_grpc_listener_server(fixture->listener);
    return fixture;
}

static int setup(void **state)
{
    *state = fixture_new(NULL, NULL);
    return 0;
}

static int setup_tls(void **state)
{
    *state = fixture_new(files.certificate, files.key);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    pawl_grpc_listener_close(fixture->listener);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    pawl_arena_deinit(&fixture->arena);
    pawl_mem_free(fixture);
    return 0;
}

/* Lines -------------------------------------------------------------------------------------- */

static struct line *dial(struct fixture *fixture)
{
    struct line *line = PAWL_NEW(struct line);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(pawl_grpc_listener_port(fixture->listener)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    line->fixture = fixture;
    line->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(line->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(fcntl(line->fd, F_SETFL, O_NONBLOCK), 0);
    grpc_client_init(&line->client, 0);
    pawl_buf_init(&line->out, WIRE_MAX);
    pawl_buf_init(&line->in, WIRE_MAX);
    return line;
}

static struct line *dial_raw(struct fixture *fixture, const char *text)
{
    struct line *line = dial(fixture);
    line->is_raw = true;
    pawl_buf_append_str(&line->out, text);
    return line;
}

static struct line *dial_tls(struct fixture *fixture, const char *alpn)
{
    struct line *line = dial(fixture);
    line->ctx = SSL_CTX_new(TLS_client_method());
    assert_int_equal(SSL_CTX_load_verify_locations(line->ctx, files.certificate, NULL), 1);
    SSL_CTX_set_verify(line->ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(line->ctx,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    line->ssl = SSL_new(line->ctx);
    SSL_set_fd(line->ssl, line->fd);
    SSL_set_connect_state(line->ssl);
    if (alpn)
        assert_int_equal(
            SSL_set_alpn_protos(line->ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn)), 0);
    return line;
}

static void hang_up(struct line *line)
{
    if (line->fd >= 0) close(line->fd);
    SSL_free(line->ssl);
    SSL_CTX_free(line->ctx);
    grpc_client_deinit(&line->client);
    pawl_buf_deinit(&line->out);
    pawl_buf_deinit(&line->in);
    pawl_mem_free(line);
}

static ssize_t line_send(struct line *line)
{
    if (!line->ssl) return send(line->fd, line->out.data, line->out.size, MSG_NOSIGNAL);
    int size = SSL_write(line->ssl, line->out.data, (int)line->out.size);
    return size > 0 ? size : -1;
}

static ssize_t line_receive(struct line *line, uint8_t *data, size_t size)
{
    if (!line->ssl) {
        ssize_t got = recv(line->fd, data, size, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN)) line->is_over = true;
        return got;
    }
    int got = SSL_read(line->ssl, data, (int)size);
    if (got > 0) return got;
    int why = SSL_get_error(line->ssl, got);
    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) line->is_over = true;
    ERR_clear_error();
    return -1;
}

static void line_pump(struct line *line)
{
    uint8_t data[16384];
    if (!line->is_raw) grpc_client_take(&line->client, &line->out);
    if (line->out.size > 0) {
        ssize_t sent = line_send(line);
        if (sent > 0) pawl_buf_consume(&line->out, (size_t)sent);
    }
    ssize_t got;
    while ((got = line_receive(line, data, sizeof data)) > 0) {
        struct pawl_bytes bytes = pawl_bytes_make(data, (size_t)got);
        if (line->is_raw) {
            pawl_buf_append_bytes(&line->in, bytes);
        } else {
            grpc_client_receive(&line->client, bytes);
        }
    }
}

/* Turn the server's loop and the line until `done` is no longer false. */
#define WAIT_FOR(line, done)                                              \
    do {                                                                  \
        uint64_t until_ns = uv_hrtime() + DEADLINE_NS;                    \
        while (!(done)) {                                                 \
            if (uv_hrtime() > until_ns) fail_msg("waited for %s", #done); \
            line_pump(line);                                              \
            uv_run(&(line)->fixture->loop, UV_RUN_NOWAIT);                \
        }                                                                 \
    } while (0)

static struct grpc_reply *call(struct line *line, const char *path, const char *message)
{
    return grpc_client_call(&line->client, path, pawl_bytes_str(message), NULL);
}

static void assert_answers(struct line *line)
{
    struct grpc_reply *reply = call(line, ECHO_PATH, "hello");
    WAIT_FOR(line, reply->is_over);
    assert_int_equal(reply->status, PAWL_GRPC_OK);
    assert_true(pawl_bytes_is_str(grpc_reply_message(reply, 0), "hello"));
}

/* Without TLS ---------------------------------------------------------------------------------- */

static void unary_calls_are_answered(void **state)
{
    struct line *line = dial(*state);
    for (uint32_t i = 0; i < 3; i++) assert_answers(line);
    hang_up(line);
}

static void large_messages_go_both_ways(void **state)
{
    struct line *line = dial(*state);
    const size_t size = 8u << 20;
    uint8_t *message = pawl_mem_alloc(size);
    for (size_t i = 0; i < size; i++) message[i] = (uint8_t)(i * 7 + (i >> 11));
    struct grpc_reply *reply =
        grpc_client_call(&line->client, ECHO_PATH, pawl_bytes_make(message, size), NULL);
    WAIT_FOR(line, reply->is_over);
    struct pawl_bytes answer = grpc_reply_message(reply, 0);
    assert_int_equal(answer.size, size);
    assert_memory_equal(answer.data, message, size);
    pawl_mem_free(message);
    hang_up(line);
}

static void stream_flows_past_every_buffer(void **state)
{
    struct fixture *fixture = *state;
    struct line *line = dial(fixture);
    fixture->echo.count_size = 20000;
    struct grpc_reply *reply = call(line, COUNT_PATH, "1000");
    WAIT_FOR(line, reply->is_over);
    assert_int_equal(reply->status, PAWL_GRPC_OK);
    assert_int_equal(grpc_reply_messages_count(reply), 1000);
    hang_up(line);
}

static void client_that_hangs_up_cancels_its_calls(void **state)
{
    struct fixture *fixture = *state;
    struct line *line = dial(fixture);
    struct line *other = dial(fixture);
    (void)call(line, STREAM_PATH, "");
    (void)call(line, LATER_PATH, "");
    WAIT_FOR(line, fixture->echo.calls_count == 2);
    hang_up(line);
    WAIT_FOR(other, fixture->echo.cancelled_count == 2);
    assert_answers(other);
    hang_up(other);
}

/* A reset connection shows as an error and not as an end. */
static void connection_that_is_reset_cancels_its_calls(void **state)
{
    struct fixture *fixture = *state;
    struct line *line = dial(fixture);
    struct line *other = dial(fixture);
    (void)call(line, STREAM_PATH, "");
    WAIT_FOR(line, fixture->echo.calls_count == 1);
    const struct linger now = { .l_onoff = 1, .l_linger = 0 };
    assert_int_equal(setsockopt(line->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    hang_up(line);
    WAIT_FOR(other, fixture->echo.cancelled_count == 1);
    hang_up(other);
}

static void deadline_passes_by_itself(void **state)
{
    struct fixture *fixture = *state;
    struct line *line = dial(fixture);
    const char *headers[] = { "grpc-timeout", "20m", NULL };
    struct grpc_reply *reply =
        grpc_client_call(&line->client, LATER_PATH, PAWL_BYTES_LITERAL(""), headers);
    WAIT_FOR(line, reply->is_over);
    assert_int_equal(reply->status, PAWL_GRPC_DEADLINE_EXCEEDED);
    assert_int_equal(fixture->echo.cancelled_count, 1);
    hang_up(line);
}

static void assert_raw_answer(struct line *line, const char *part)
{
    WAIT_FOR(line, line->is_over);
    pawl_buf_append(&line->in, "", 1);
    assert_memory_equal(line->in.data, "HTTP/1.1 400 ", 13);
    if (!strstr((const char *)line->in.data, part)) fail_msg("%s", (const char *)line->in.data);
}

static void http1_client_is_told(void **state)
{
    struct line *line = dial_raw(*state, "GET /v1.0/metadata HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_raw_answer(line, "speaks gRPC");
    hang_up(line);
}

static void garbage_is_closed_and_others_are_served(void **state)
{
    struct fixture *fixture = *state;
    struct line *other = dial(fixture);
    static const char *const garbage[] = { "\x16\x03\x01\x02", "hello\r\n",
                                           "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nXXXXXXXXXXXXXXXXXXX" };
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        struct line *line = dial_raw(fixture, garbage[i]);
        WAIT_FOR(line, line->is_over);
        hang_up(line);
    }
    assert_answers(other);
    hang_up(other);
}

/* The worst reader: it asks for much and takes nothing off its socket. */
static void client_that_never_reads_holds_up_nobody(void **state)
{
    struct fixture *fixture = *state;
    struct line *greedy = dial(fixture);
    struct line *other = dial(fixture);
    fixture->echo.count_size = 100000;
    assert_int_equal(nghttp2_session_set_local_window_size(greedy->client.session, 0, 0, 1 << 30),
                     0);
    (void)call(greedy, COUNT_PATH, "100000");
    grpc_client_take(&greedy->client, &greedy->out);
    assert_int_equal(line_send(greedy), (ssize_t)greedy->out.size);
    WAIT_FOR(other, fixture->echo.calls_count == 1);
    for (uint32_t i = 0; i < 20; i++) assert_answers(other);
    assert_true(fixture->echo.count_left > 90000);
    hang_up(greedy);
    WAIT_FOR(other, fixture->echo.cancelled_count == 1);
    hang_up(other);
}

static void stop_lets_calls_end_and_close_ends_them(void **state)
{
    struct fixture *fixture = *state;
    struct line *line = dial(fixture);
    struct grpc_reply *unary = call(line, LATER_PATH, "");
    WAIT_FOR(line, fixture->echo.calls_count == 1);
    uint64_t id = echo_last(&fixture->echo);
    struct grpc_reply *stream = call(line, STREAM_PATH, "");
    WAIT_FOR(line, fixture->echo.calls_count == 2);
    pawl_grpc_listener_stop(fixture->listener);
    WAIT_FOR(line, line->client.is_told_to_go);
    pawl_grpc_answer(fixture->grpc, id, PAWL_BYTES_LITERAL("done"));
    WAIT_FOR(line, unary->is_over);
    assert_int_equal(unary->status, PAWL_GRPC_OK);
    assert_false(stream->is_over);

    pawl_grpc_listener_close(fixture->listener);
    fixture->listener = NULL;
    assert_int_equal(fixture->echo.cancelled_count, 1); /* told before close returned */
    WAIT_FOR(line, line->is_over);
    assert_int_equal(stream->status, PAWL_GRPC_UNAVAILABLE);
    hang_up(line);
}

static void addresses_that_cannot_be_had_are_explained(void **state)
{
    struct fixture *fixture = *state;
    struct pawl_grpc_listener *kept = fixture->listener;
    uint16_t port = pawl_grpc_listener_port(kept);
    const char *message = NULL;
    assert_int_equal(listener_open(fixture, "localhost", 0, NULL, NULL, &message), PAWL_E_INVALID);
    assert_non_null(strstr(message, "numeric"));
    assert_int_equal(listener_open(fixture, "127.0.0.1", port, NULL, NULL, &message),
                     PAWL_E_UNAVAILABLE);
    assert_non_null(strstr(message, "in use"));
    assert_int_equal(listener_open(fixture, "203.0.113.1", 0, NULL, NULL, &message),
                     PAWL_E_UNAVAILABLE);
    assert_non_null(strstr(message, "not one of this machine"));
    fixture->listener = kept;
}

/* With TLS ------------------------------------------------------------------------------------- */

static void tls_client_is_served(void **state)
{
    struct fixture *fixture = *state;
    struct line *line = dial_tls(fixture, "\x02h2");
    for (uint32_t i = 0; i < 3; i++) assert_answers(line);
    const unsigned char *alpn;
    unsigned size;
    SSL_get0_alpn_selected(line->ssl, &alpn, &size);
    assert_int_equal(size, 2);
    assert_memory_equal(alpn, "h2", 2);
    fixture->echo.count_size = 20000;
    struct grpc_reply *reply = call(line, COUNT_PATH, "500");
    WAIT_FOR(line, reply->is_over);
    assert_int_equal(grpc_reply_messages_count(reply), 500);
    hang_up(line);
}

static void tls_client_without_alpn_is_served(void **state)
{
    struct line *line = dial_tls(*state, NULL);
    assert_answers(line);
    hang_up(line);
}

static void https_client_without_http2_is_told(void **state)
{
    struct line *line = dial_tls(*state, "\x08http/1.1");
    line->is_raw = true;
    pawl_buf_append_str(&line->out, "GET / HTTP/1.1\r\n\r\n");
    assert_raw_answer(line, "speaks gRPC");
    hang_up(line);
}

static void plain_client_is_told_to_use_tls(void **state)
{
    struct fixture *fixture = *state;
    static const char *const plain[] = { "GET / HTTP/1.1\r\n\r\n",
                                         "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" };
    for (size_t i = 0; i < 2; i++) {
        struct line *line = dial_raw(fixture, plain[i]);
        assert_raw_answer(line, "TLS");
        hang_up(line);
    }
}

static void broken_tls_is_closed(void **state)
{
    struct fixture *fixture = *state;
    struct line *line = dial_raw(fixture, "\x16\x03\x01\x01\x01broken, broken, broken");
    struct line *other = dial_tls(fixture, "\x02h2");
    assert_answers(other);
    char more[512];
    memset(more, 'x', sizeof more);
    pawl_buf_append(&line->out, more, sizeof more);
    WAIT_FOR(line, line->is_over);
    assert_answers(other);
    hang_up(line);
    hang_up(other);
}

static void close_tells_clients_with_tls(void **state)
{
    struct fixture *fixture = *state;
    struct line *line = dial_tls(fixture, "\x02h2");
    struct grpc_reply *stream = call(line, STREAM_PATH, "");
    WAIT_FOR(line, fixture->echo.calls_count == 1);
    pawl_grpc_listener_close(fixture->listener);
    fixture->listener = NULL;
    WAIT_FOR(line, line->is_over);
    assert_int_equal(stream->status, PAWL_GRPC_UNAVAILABLE);
    hang_up(line);
}

static void identities_that_are_none_are_explained(void **state)
{
    struct fixture *fixture = *state;
    struct pawl_grpc_listener *kept = fixture->listener;
    const char *host = "127.0.0.1";
    const char *message = NULL;
    assert_int_equal(listener_open(fixture, host, 0, files.certificate, NULL, &message),
                     PAWL_E_INVALID);
    assert_non_null(strstr(message, "both"));
    assert_int_equal(listener_open(fixture, host, 0, "/no/such/file", files.key, &message),
                     PAWL_E_INVALID);
    assert_non_null(strstr(message, "/no/such/file"));
    assert_int_equal(
        listener_open(fixture, host, 0, files.certificate, files.certificate, &message),
        PAWL_E_INVALID);
    assert_non_null(strstr(message, "TLS key"));
    assert_int_equal(listener_open(fixture, host, 0, files.certificate, files.other_key, &message),
                     PAWL_E_INVALID);
    assert_non_null(strstr(message, "key"));
    fixture->listener = kept;
}

/* Files ------------------------------------------------------------------------------------------
 */

static int files_make(void **state)
{
    (void)state;
    snprintf(files.folder, sizeof files.folder, "/tmp/pawl-grpc-XXXXXX");
    assert_non_null(mkdtemp(files.folder));
    snprintf(files.certificate, sizeof files.certificate, "%s/certificate.pem", files.folder);
    snprintf(files.key, sizeof files.key, "%s/key.pem", files.folder);
    snprintf(files.other_key, sizeof files.other_key, "%s/other.pem", files.folder);
    tls_files_make(files.certificate, files.other_key); /* the first one is replaced */
    tls_files_make(files.certificate, files.key);
    return 0;
}

static int files_remove(void **state)
{
    (void)state;
    (void)unlink(files.certificate);
    (void)unlink(files.key);
    (void)unlink(files.other_key);
    return rmdir(files.folder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TLS(name)  cmocka_unit_test_setup_teardown(name, setup_tls, teardown)

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* as pawld does */
    const struct CMUnitTest tests[] = {
        TEST(unary_calls_are_answered),
        TEST(large_messages_go_both_ways),
        TEST(stream_flows_past_every_buffer),
        TEST(client_that_hangs_up_cancels_its_calls),
        TEST(connection_that_is_reset_cancels_its_calls),
        TEST(deadline_passes_by_itself),
        TEST(http1_client_is_told),
        TEST(garbage_is_closed_and_others_are_served),
        TEST(client_that_never_reads_holds_up_nobody),
        TEST(stop_lets_calls_end_and_close_ends_them),
        TEST(addresses_that_cannot_be_had_are_explained),
        TLS(tls_client_is_served),
        TLS(tls_client_without_alpn_is_served),
        TLS(https_client_without_http2_is_told),
        TLS(plain_client_is_told_to_use_tls),
        TLS(broken_tls_is_closed),
        TLS(close_tells_clients_with_tls),
        TLS(identities_that_are_none_are_explained),
    };
    return cmocka_run_group_tests(tests, files_make, files_remove);
}
