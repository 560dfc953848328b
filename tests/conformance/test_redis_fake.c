/* The Redis backend with a server that answers what the test wants: every error to
 * every operation, garbage, silence, and replies in single bytes. No redis-server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/io/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "redis_client.h"
#include "state/io/redis_hello.h"
#include "state/io/redis_value.h"

#define SHA "0123456789012345678901234567890123456789"

/* 2027-01-15 08:00:00.123456 */
#define TIME_TEXT "*2\r\n$10\r\n1800000000\r\n$6\r\n123456\r\n"
#define TIME_MS   INT64_C(1800000000123)

/* For the tests of a server that is silent or slow. */
#define SILENCE_MS 1500u

/* The server ------------------------------------------------------------------- */

struct fake {
    uv_pipe_t listener;
    char folder[64];
    char url[128];
    /* What it says; NULL: nothing at all. */
    const char *role;
    const char *time;
    const char *script_load;
    const char *schema;
    const char *answer; /* to requests */
    bool close_on_request;
    bool byte_by_byte;
    uint32_t byte_ms; /* and so long between them */
    uint32_t connections;
    uint32_t requests;
    uint32_t sources; /* requests that came with the script's source */
};

struct peer {
    uv_pipe_t pipe;
    uv_timer_t drip; /* one byte each time */
    struct fake *fake;
    struct pawl_redis_reader *reader;
    char in[65536];
    char out[65536];
    size_t out_size;
    uint32_t handles;
};

static struct fake fake;
static struct redis_client client;

static void on_peer_closed(uv_handle_t *handle)
{
    struct peer *peer = handle->data;
    if (--peer->handles > 0) return;
    pawl_redis_reader_free(peer->reader);
    pawl_mem_free(peer);
}

static void peer_close(struct peer *peer)
{
    if (uv_is_closing((uv_handle_t *)&peer->pipe)) return;
    uv_close((uv_handle_t *)&peer->pipe, on_peer_closed);
    uv_close((uv_handle_t *)&peer->drip, on_peer_closed);
}

static void on_drip(uv_timer_t *drip)
{
    struct peer *peer = drip->data;
    if (peer->out_size == 0) {
        (void)uv_timer_stop(drip);
        return;
    }
    uv_buf_t buf = uv_buf_init(peer->out, 1);
    assert_int_equal(uv_try_write((uv_stream_t *)&peer->pipe, &buf, 1), 1);
    memmove(peer->out, peer->out + 1, --peer->out_size);
}

static void peer_say(struct peer *peer, const char *text)
{
    if (!text) return;
    size_t size = strlen(text);
    if (peer->fake->byte_by_byte) {
        assert_true(peer->out_size + size <= sizeof peer->out);
        memcpy(peer->out + peer->out_size, text, size);
        peer->out_size += size;
        if (!uv_is_active((uv_handle_t *)&peer->drip))
            (void)uv_timer_start(&peer->drip, on_drip, 0, peer->fake->byte_ms);
        return;
    }
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)text, (unsigned)size);
    assert_int_equal(uv_try_write((uv_stream_t *)&peer->pipe, &buf, 1), (int)size);
}

static bool word_is(const struct pawl_redis_value *command, uint32_t index, const char *word)
{
    return index < command->count && pawl_bytes_is_str(command->items[index].text, word);
}

static void peer_on_request(struct peer *peer, const struct pawl_redis_value *command)
{
    struct fake *server = peer->fake;
    server->requests++;
    server->sources += word_is(command, 0, "EVAL");
    if (server->close_on_request)
        peer_close(peer);
    else
        peer_say(peer, server->answer);
}

static void peer_on_command(struct peer *peer, const struct pawl_redis_value *command)
{
    if (word_is(command, 0, "ROLE"))
        peer_say(peer, peer->fake->role);
    else if (word_is(command, 0, "TIME"))
        peer_say(peer, peer->fake->time);
    else if (word_is(command, 0, "SCRIPT"))
        peer_say(peer, peer->fake->script_load);
    else if (word_is(command, 0, "EVAL") && word_is(command, 2, "2"))
        peer_say(peer, peer->fake->schema);
    else if (word_is(command, 0, "EVAL") || word_is(command, 0, "EVALSHA"))
        peer_on_request(peer, command);
    else
        peer_say(peer, "+OK\r\n");
}

static void on_peer_alloc(uv_handle_t *handle, size_t size, uv_buf_t *ret_buf)
{
    (void)size;
    struct peer *peer = handle->data;
    *ret_buf = uv_buf_init(peer->in, sizeof peer->in);
}

static void on_peer_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    struct peer *peer = stream->data;
    if (size < 0) {
        peer_close(peer);
        return;
    }
    assert_int_equal(pawl_redis_reader_feed(peer->reader, buf->base, (size_t)size), PAWL_OK);
    while (!uv_is_closing((uv_handle_t *)&peer->pipe)) {
        const struct pawl_redis_value *command = NULL;
        assert_int_equal(pawl_redis_reader_next(peer->reader, &command), PAWL_OK);
        if (!command) return;
        peer_on_command(peer, command);
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    assert_int_equal(status, 0);
    struct peer *peer = PAWL_NEW(struct peer);
    peer->fake = listener->data;
    peer->fake->connections++;
    peer->reader = pawl_redis_reader_new();
    peer->pipe.data = peer;
    peer->drip.data = peer;
    peer->handles = 2;
    assert_int_equal(uv_pipe_init(listener->loop, &peer->pipe, 0), 0);
    assert_int_equal(uv_timer_init(listener->loop, &peer->drip), 0);
    assert_int_equal(uv_accept(listener, (uv_stream_t *)&peer->pipe), 0);
    assert_int_equal(uv_read_start((uv_stream_t *)&peer->pipe, on_peer_alloc, on_peer_read), 0);
}

/* A server as Redis is, in the client's own loop; the test changes what it says. */
static void begin_as(const struct pawl_redis_options *options)
{
    fake = (struct fake){
        .folder = "/tmp/pawl-fake-XXXXXX",
        .role = "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n",
        .time = TIME_TEXT,
        .script_load = "$40\r\n" SHA "\r\n",
        .schema = "*2\r\n$1\r\n1\r\n$1\r\n4\r\n",
        .answer = "*1\r\n$2\r\nOK\r\n",
        .byte_ms = 1,
    };
    assert_non_null(mkdtemp(fake.folder));
    (void)snprintf(fake.url, sizeof fake.url, "redis+unix://%s/s", fake.folder);
    redis_client_open(&client, fake.url, 4, options);
    assert_int_equal(uv_pipe_init(&client.loop, &fake.listener, 0), 0);
    fake.listener.data = &fake;
    assert_int_equal(uv_pipe_bind(&fake.listener, fake.url + strlen("redis+unix://")), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&fake.listener, 8, on_connection), 0);
}

static void begin_with(uint32_t timeout_ms)
{
    struct pawl_redis_options options = redis_client_patient;
    options.timeout_ms = timeout_ms;
    begin_as(&options);
}

static void begin(void)
{
    begin_as(&redis_client_patient);
}

static void finish(void)
{
    uv_close((uv_handle_t *)&fake.listener, NULL);
    redis_client_close(&client);
    (void)rmdir(fake.folder);
}

/* An empty request of each operation; the fake does not read it. */
static struct pawl_store_request any_request(enum pawl_store_op op)
{
    struct pawl_store_request request = { .op = op };
    struct pawl_bytes instance = PAWL_BYTES_LITERAL("i");
    switch (op) {
    case PAWL_STORE_CREATE: request.create.instance = instance; break;
    case PAWL_STORE_LOAD: request.load.instance = instance; break;
    case PAWL_STORE_COMMIT: request.commit.instance = instance; break;
    case PAWL_STORE_DELIVER: request.deliver.instance = instance; break;
    case PAWL_STORE_PURGE: request.purge.instance = instance; break;
    default: break;
    }
    return request;
}

static pawl_err call(enum pawl_store_op op)
{
    struct pawl_store_request request = any_request(op);
    pawl_err err = redis_client_call(&client, &request)->err;
    return err;
}

/* Answers ---------------------------------------------------------------------- */

static void check_every_operation(const char *answer, pawl_err wanted)
{
    fake.answer = answer;
    for (int op = 1; op < PAWL_STORE_OPS_END; op++) {
        redis_client_wait_ready(&client, true);
        assert_int_equal(call((enum pawl_store_op)op), wanted);
        redis_client_forget(&client);
    }
}

static void a_refusal_of_redis_makes_every_operation_unavailable(void **state)
{
    (void)state;
    begin();
    check_every_operation("-OOM command not allowed when used memory > 'maxmemory'.\r\n",
                          PAWL_E_UNAVAILABLE);
    check_every_operation("-MISCONF Redis is configured to save\r\n", PAWL_E_UNAVAILABLE);
    check_every_operation("-NOREPLICAS Not enough good replicas\r\n", PAWL_E_UNAVAILABLE);
    check_every_operation("-LOADING Redis is loading\r\n", PAWL_E_UNAVAILABLE);
    check_every_operation("-BUSY Redis is busy running a script\r\n", PAWL_E_UNAVAILABLE);
    check_every_operation("-CLUSTERDOWN The cluster is down\r\n", PAWL_E_UNAVAILABLE);
    check_every_operation("-NOPERM no permissions\r\n", PAWL_E_UNAVAILABLE);
    assert_int_equal(fake.connections, 1);
    finish();
}

static void a_server_that_may_not_be_written_is_left_after_the_answer(void **state)
{
    (void)state;
    begin();
    check_every_operation("-READONLY You can't write against a read only replica.\r\n",
                          PAWL_E_UNAVAILABLE);
    assert_int_equal(fake.connections, PAWL_STORE_OPS_END - 1); /* one each */
    finish();
}

static void an_unexpected_error_makes_every_operation_unknown(void **state)
{
    (void)state;
    begin();
    check_every_operation("-ERR something new\r\n", PAWL_E_UNKNOWN);
    finish();
}

static void an_answer_of_a_wrong_shape_makes_every_operation_corrupt(void **state)
{
    (void)state;
    begin();
    check_every_operation("+OK\r\n", PAWL_E_CORRUPT);
    check_every_operation("*2\r\n:1\r\n:2\r\n", PAWL_E_CORRUPT);
    finish();
}

static void a_server_without_a_script_cache_gets_the_source(void **state)
{
    (void)state;
    begin();
    check_every_operation("-NOSCRIPT No matching script.\r\n", PAWL_E_UNAVAILABLE);
    assert_int_equal(fake.sources, PAWL_STORE_OPS_END - 1);
    assert_int_equal(fake.requests, 2 * (PAWL_STORE_OPS_END - 1));
    finish();
}

static void garbage_ends_the_connection_and_the_next_one_works(void **state)
{
    (void)state;
    begin();
    redis_client_wait_ready(&client, true);
    fake.answer = "HTTP/1.1 400 Bad Request\r\n\r\n";
    assert_int_equal(call(PAWL_STORE_PURGE), PAWL_E_UNKNOWN);
    assert_false(client.ready);
    assert_non_null(strstr(client.why, "not Redis' protocol"));
    fake.answer = "*1\r\n$2\r\nOK\r\n";
    assert_int_equal(call(PAWL_STORE_PURGE), PAWL_OK);
    assert_int_equal(fake.connections, 2);
    finish();
}

static void a_reply_that_nobody_asked_for_ends_the_connection(void **state)
{
    (void)state;
    begin();
    redis_client_wait_ready(&client, true);
    fake.answer = "*1\r\n$2\r\nOK\r\n*1\r\n$2\r\nOK\r\n";
    assert_int_equal(call(PAWL_STORE_PURGE), PAWL_OK);
    redis_client_wait_ready(&client, false);
    assert_non_null(strstr(client.why, "belongs to no request"));
    finish();
}

static void a_connection_that_ends_under_requests_makes_all_of_them_unknown_in_order(void **state)
{
    (void)state;
    begin();
    redis_client_wait_ready(&client, true);
    fake.close_on_request = true;
    for (uint64_t i = 0; i < 10; i++) {
        struct pawl_store_request request = any_request(PAWL_STORE_COMMIT);
        request.token = i;
        redis_client_submit(&client, &request);
    }
    redis_client_flush(&client);
    redis_client_wait_replies(&client, 10);
    for (uint64_t i = 0; i < 10; i++) {
        assert_int_equal(client.replies[i].err, PAWL_E_UNKNOWN);
        assert_int_equal(client.replies[i].token, i);
    }
    finish();
}

/* How long the loop stood still at most, because the machine did. */
struct pulse {
    uv_timer_t timer;
    uint64_t last_ms;
    uint64_t gap_ms;
};

static void on_pulse(uv_timer_t *timer)
{
    struct pulse *pulse = timer->data;
    uint64_t now_ms = uv_hrtime() / 1000000;
    if (now_ms - pulse->last_ms > pulse->gap_ms) pulse->gap_ms = now_ms - pulse->last_ms;
    pulse->last_ms = now_ms;
}

/* False when nothing can be told: the bytes stopped because everything did. */
static bool trickles_in(void)
{
    redis_client_wait_ready(&client, true);
    struct pulse pulse = { .last_ms = uv_hrtime() / 1000000 };
    pulse.timer.data = &pulse;
    assert_int_equal(uv_timer_init(&client.loop, &pulse.timer), 0);
    assert_int_equal(uv_timer_start(&pulse.timer, on_pulse, 10, 10), 0);
    uint32_t connections = fake.connections;
    fake.byte_by_byte = true;
    pawl_err err = call(PAWL_STORE_COMMIT);
    fake.byte_by_byte = false;
    uv_close((uv_handle_t *)&pulse.timer, NULL);
    (void)uv_run(&client.loop, UV_RUN_NOWAIT);
    if (err == PAWL_E_UNKNOWN && pulse.gap_ms > SILENCE_MS / 2) return false;
    assert_int_equal(err, PAWL_OK);
    assert_int_equal(fake.connections, connections);
    return true;
}

static void a_reply_that_trickles_in_is_slow_and_not_lost(void **state)
{
    (void)state;
    begin_with(SILENCE_MS);
    fake.byte_ms = 120; /* 29 bytes: more than twice the timeout */
    fake.answer = "*3\r\n$2\r\nOK\r\n$4\r\n1234\r\n:5678\r\n";
    while (!trickles_in()) continue;
    finish();
}

static void replies_in_single_bytes_are_put_together(void **state)
{
    (void)state;
    begin();
    fake.byte_by_byte = true;
    redis_client_wait_ready(&client, true);
    fake.answer = "*3\r\n$2\r\nOK\r\n$1\r\n4\r\n:7\r\n";
    struct pawl_store_request request = any_request(PAWL_STORE_COMMIT);
    for (int i = 0; i < 3; i++) redis_client_submit(&client, &request);
    redis_client_flush(&client);
    redis_client_wait_replies(&client, 3);
    for (int i = 0; i < 3; i++)
        assert_string_equal(client.replies[i].text, "commit OK token=0 partition=0 inbox=4..7");
    finish();
}

/* Hello ------------------------------------------------------------------------ */

static void a_server_that_is_loading_is_waited_for(void **state)
{
    (void)state;
    begin();
    fake.script_load = "-LOADING Redis is loading the dataset in memory\r\n";
    redis_client_wait_ready(&client, false);
    assert_non_null(strstr(client.why, "still loading its data"));
    fake.script_load = "$40\r\n" SHA "\r\n";
    redis_client_wait_ready(&client, true);
    finish();
}

static void a_server_that_does_not_know_the_scripts_dialect_is_called_too_old(void **state)
{
    (void)state;
    begin();
    fake.script_load = "-ERR Error compiling script (new function): user_script:1: "
                       "unexpected symbol near '#'\r\n";
    redis_client_wait_ready(&client, false);
    assert_non_null(strstr(client.why, "too old: Redis 7.0 or newer is needed"));
    finish();
}

static void a_schema_that_was_put_right_is_accepted_without_a_restart(void **state)
{
    (void)state;
    begin();
    fake.schema = "*2\r\n$1\r\n1\r\n$2\r\n64\r\n";
    assert_int_equal(call(PAWL_STORE_PURGE), PAWL_E_VERSION);
    fake.schema = "*2\r\n$1\r\n1\r\n$1\r\n4\r\n";
    redis_client_wait_ready(&client, true);
    assert_int_equal(call(PAWL_STORE_PURGE), PAWL_OK);
    finish();
}

static void a_replica_is_not_even_asked_for_its_schema(void **state)
{
    (void)state;
    begin();
    fake.role = "*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:6379\r\n$9\r\nconnected\r\n:1\r\n";
    fake.schema = "-ERR must not be asked\r\n";
    redis_client_wait_ready(&client, false);
    assert_non_null(strstr(client.why, "is a replica, not the master"));
    finish();
}

static void a_user_who_may_not_ask_for_the_role_is_let_in(void **state)
{
    (void)state;
    begin();
    fake.role = "-NOPERM this user has no permissions to run the 'role' command\r\n";
    redis_client_wait_ready(&client, true);
    finish();
}

static void a_server_that_never_answers_the_hello_is_given_up(void **state)
{
    (void)state;
    begin_with(SILENCE_MS);
    fake.schema = NULL;
    redis_client_wait_ready(&client, false);
    assert_non_null(strstr(client.why, "no answer to the connection within 1500 ms"));
    fake.schema = "*2\r\n$1\r\n1\r\n$1\r\n4\r\n";
    redis_client_wait_ready(&client, true);
    finish();
}

/* The clock -------------------------------------------------------------------- */

static const char *const no_times[] = {
    "+OK\r\n",
    ":1800000000\r\n",
    "$-1\r\n",
    "*-1\r\n",
    "*0\r\n",
    "*1\r\n$10\r\n1800000000\r\n",
    "*3\r\n$10\r\n1800000000\r\n$1\r\n0\r\n$1\r\n0\r\n",
    "*2\r\n:1800000000\r\n:0\r\n",
    "*2\r\n$0\r\n\r\n$1\r\n0\r\n",
    "*2\r\n$10\r\n1800000000\r\n$0\r\n\r\n",
    "*2\r\n$11\r\n-1800000000\r\n$1\r\n0\r\n",
    "*2\r\n$10\r\n18000 0000\r\n$1\r\n0\r\n",
    "*2\r\n$10\r\n1800000000\r\n$7\r\n1000000\r\n",
    "*2\r\n$1\r\n0\r\n$1\r\n0\r\n", /* 1970: never set */
    "*2\r\n$12\r\n253402300800\r\n$1\r\n0\r\n",
    "*2\r\n$40\r\n9999999999999999999999999999999999999999\r\n$1\r\n0\r\n",
    "-NOPERM this user has no permissions to run the 'time' command\r\n",
    "-ERR unknown command 'TIME'\r\n",
};

static void the_clock_is_read_before_the_store_is_ready(void **state)
{
    (void)state;
    begin();
    int64_t before_ms = pawl_clock_ms(CLOCK_BOOTTIME);
    redis_client_wait_ready(&client, true);
    assert_int_equal(client.clocks_count, 1);
    assert_true(client.clock.unix_ms == TIME_MS);
    assert_true(before_ms <= client.clock.asked_ms);
    assert_true(client.clock.asked_ms <= client.clock.answered_ms);
    assert_true(client.clock.answered_ms <= pawl_clock_ms(CLOCK_BOOTTIME));
    assert_string_equal(client.why, "");
    finish();
}

static void what_is_no_time_is_told_and_nothing_else_follows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof no_times / sizeof *no_times; i++) {
        begin();
        fake.time = no_times[i];
        redis_client_wait_ready(&client, true);
        assert_non_null(strstr(client.why, "does not tell its time"));
        assert_int_equal(client.clocks_count, 0);
        assert_int_equal(call(PAWL_STORE_PURGE), PAWL_OK);
        assert_int_equal(fake.connections, 1);
        finish();
    }
}

/* A hello up to the answer to TIME. */
static void hello_reach_clock(struct pawl_redis_hello *hello, const struct pawl_redis_url *url,
                              struct pawl_buf *out)
{
    *hello = (struct pawl_redis_hello){ .url = url,
                                        .address = &url->seeds[0],
                                        .namespace_ = "n",
                                        .app = "a",
                                        .partitions = 4,
                                        .wants_clock = true };
    pawl_redis_hello_start(hello, out, 10000);
}

static pawl_err hello_hears(struct pawl_redis_hello *hello, struct pawl_buf *out, const char *text,
                            int64_t now_ms)
{
    struct pawl_redis_reader *reader = pawl_redis_reader_new();
    const struct pawl_redis_value *value = NULL;
    bool done = false;
    assert_int_equal(pawl_redis_reader_feed(reader, text, strlen(text)), PAWL_OK);
    assert_int_equal(pawl_redis_reader_next(reader, &value), PAWL_OK);
    pawl_err err = pawl_redis_hello_on_value(hello, value, out, now_ms, &done);
    assert_false(done);
    pawl_redis_reader_free(reader);
    return err;
}

static void a_first_look_at_the_clock_that_takes_long_is_repeated_and_the_best_counts(void **state)
{
    (void)state;
    /* When the answers come, the first one being to a question at 10000; which look counts. */
    static const struct {
        int64_t answers_ms[3];
        uint32_t looks;
        int64_t asked_ms;
        int64_t answered_ms;
    } cases[] = {
        { { 10500 }, 1, 10000, 10500 },
        { { 10501, 10600 }, 2, 10501, 10600 },
        { { 12000, 13000, 13900 }, 3, 13000, 13900 },
        { { 11000, 13000, 15000 }, 3, 10000, 11000 }, /* and that is it */
    };
    struct pawl_redis_url url;
    const char *message;
    assert_int_equal(pawl_redis_url_parse("redis://h", &url, &message), PAWL_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pawl_redis_hello hello;
        struct pawl_buf out;
        pawl_buf_init(&out, 1u << 20);
        hello_reach_clock(&hello, &url, &out);
        assert_int_equal(hello_hears(&hello, &out, "+OK\r\n", 10000), PAWL_OK); /* the name */
        assert_int_equal(hello_hears(&hello, &out, "*1\r\n$6\r\nmaster\r\n", 10000), PAWL_OK);
        for (uint32_t look = 0; look < cases[i].looks; look++) {
            int64_t now_ms = cases[i].answers_ms[look];
            assert_int_equal(hello_hears(&hello, &out, TIME_TEXT, now_ms), PAWL_OK);
            assert_int_equal(hello.clock_tries, look + 1 < cases[i].looks ? look + 2 : look + 1);
            if (look == 0) /* what was asked with it is answered before the next one */
                assert_int_equal(hello_hears(&hello, &out, "$0\r\n\r\n", now_ms), PAWL_OK);
        }
        assert_true(hello.has_clock);
        assert_true(hello.clock.asked_ms == cases[i].asked_ms);
        assert_true(hello.clock.answered_ms == cases[i].answered_ms);
        assert_string_equal(hello.advice, "");
        pawl_buf_deinit(&out);
    }
}

static void wait_for_clocks(uint32_t count)
{
    while (client.clocks_count < count) (void)uv_run(&client.loop, UV_RUN_ONCE);
}

/* Requests that cross it keep their answers. */
static void the_clock_is_read_again_and_again(void **state)
{
    (void)state;
    struct pawl_redis_options options = redis_client_patient;
    options.clock_ms = 1;
    begin_as(&options);
    for (uint32_t i = 0; i < 4; i++) {
        wait_for_clocks(2 * i + 1);
        assert_int_equal(call(PAWL_STORE_PURGE), PAWL_OK);
    }
    fake.time = "*2\r\n$10\r\n1800003600\r\n$1\r\n0\r\n";
    while (client.clock.unix_ms == TIME_MS) wait_for_clocks(client.clocks_count + 1);
    assert_true(client.clock.unix_ms == INT64_C(1800003600000));
    assert_int_equal(fake.connections, 1);
    finish();
}

static void what_is_no_time_later_is_told_as_well(void **state)
{
    (void)state;
    struct pawl_redis_options options = redis_client_patient;
    options.clock_ms = 1;
    for (size_t i = 0; i < sizeof no_times / sizeof *no_times; i += 4) {
        begin_as(&options);
        redis_client_wait_ready(&client, true);
        assert_string_equal(client.why, "");
        fake.time = no_times[i];
        while (!strstr(client.why, "did not tell its time"))
            (void)uv_run(&client.loop, UV_RUN_ONCE);
        assert_true(client.ready);
        assert_int_equal(call(PAWL_STORE_PURGE), PAWL_OK);
        uint32_t before = client.clocks_count;
        fake.time = TIME_TEXT;
        wait_for_clocks(before + 1);
        assert_int_equal(fake.connections, 1);
        finish();
    }
}

/* As a request without an answer would. */
static void a_clock_that_never_answers_ends_the_connection(void **state)
{
    (void)state;
    struct pawl_redis_options options = redis_client_patient;
    options.timeout_ms = SILENCE_MS;
    options.clock_ms = 1;
    begin_as(&options);
    redis_client_wait_ready(&client, true);
    fake.time = NULL;
    redis_client_wait_ready(&client, false);
    assert_non_null(strstr(client.why, "no reply within 1500 ms"));
    fake.time = TIME_TEXT;
    redis_client_wait_ready(&client, true);
    finish();
}

static void the_hello_takes_any_reply_without_harm(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "+OK\r\n",
        ":1\r\n",
        "$-1\r\n",
        "*0\r\n",
        "*2\r\n$1\r\n1\r\n$1\r\n4\r\n",
        "-ERR x\r\n",
        "-\r\n",
        "*-1\r\n",
        "$0\r\n\r\n",
        "$40\r\n" SHA "\r\n",
        "*1\r\n$6\r\nmaster\r\n",
        TIME_TEXT,
    };
    struct pawl_redis_url url;
    const char *message;
    assert_int_equal(pawl_redis_url_parse("redis://u:p@h/1", &url, &message), PAWL_OK);
    struct pawl_rng rng;
    pawl_rng_init(&rng, 3);
    uint32_t refused = 0;
    for (int round = 0; round < 5000; round++) {
        struct pawl_redis_hello hello = { .url = &url,
                                          .address = &url.seeds[0],
                                          .namespace_ = "n",
                                          .app = "a",
                                          .partitions = 4,
                                          .wants_clock = true };
        struct pawl_buf out;
        pawl_buf_init(&out, 1u << 20);
        pawl_redis_hello_start(&hello, &out, 1);
        struct pawl_redis_reader *reader = pawl_redis_reader_new();
        bool done = false;
        for (pawl_err err = PAWL_OK; !err && !done;) {
            const char *text = texts[pawl_rng_below(&rng, sizeof texts / sizeof *texts)];
            const struct pawl_redis_value *value = NULL;
            assert_int_equal(pawl_redis_reader_feed(reader, text, strlen(text)), PAWL_OK);
            assert_int_equal(pawl_redis_reader_next(reader, &value), PAWL_OK);
            err = pawl_redis_hello_on_value(&hello, value, &out, 2, &done);
            refused += err != PAWL_OK;
            if (err) assert_null(strstr(hello.why, "u:p"));
        }
        pawl_redis_reader_free(reader);
        pawl_buf_deinit(&out);
    }
    assert_true(refused > 4000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_of_redis_makes_every_operation_unavailable),
        cmocka_unit_test(a_server_that_may_not_be_written_is_left_after_the_answer),
        cmocka_unit_test(an_unexpected_error_makes_every_operation_unknown),
        cmocka_unit_test(an_answer_of_a_wrong_shape_makes_every_operation_corrupt),
        cmocka_unit_test(a_server_without_a_script_cache_gets_the_source),
        cmocka_unit_test(garbage_ends_the_connection_and_the_next_one_works),
        cmocka_unit_test(a_reply_that_nobody_asked_for_ends_the_connection),
        cmocka_unit_test(a_connection_that_ends_under_requests_makes_all_of_them_unknown_in_order),
        cmocka_unit_test(a_reply_that_trickles_in_is_slow_and_not_lost),
        cmocka_unit_test(replies_in_single_bytes_are_put_together),
        cmocka_unit_test(a_server_that_is_loading_is_waited_for),
        cmocka_unit_test(a_server_that_does_not_know_the_scripts_dialect_is_called_too_old),
        cmocka_unit_test(a_schema_that_was_put_right_is_accepted_without_a_restart),
        cmocka_unit_test(a_replica_is_not_even_asked_for_its_schema),
        cmocka_unit_test(a_user_who_may_not_ask_for_the_role_is_let_in),
        cmocka_unit_test(a_server_that_never_answers_the_hello_is_given_up),
        cmocka_unit_test(the_clock_is_read_before_the_store_is_ready),
        cmocka_unit_test(what_is_no_time_is_told_and_nothing_else_follows),
        cmocka_unit_test(a_first_look_at_the_clock_that_takes_long_is_repeated_and_the_best_counts),
        cmocka_unit_test(the_clock_is_read_again_and_again),
        cmocka_unit_test(what_is_no_time_later_is_told_as_well),
        cmocka_unit_test(a_clock_that_never_answers_ends_the_connection),
        cmocka_unit_test(the_hello_takes_any_reply_without_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
