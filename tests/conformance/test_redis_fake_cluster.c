/* A cluster of two servers that answer what the test wants: slots that move, errors that
 * pass, maps that are out of date, and confirmations of replicas that do not come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"
#include "redis_client.h"
#include "state/io/redis_value.h"

#define SHA          "0123456789012345678901234567890123456789"
#define NODES        2u
#define PARTITIONS   4u
#define OK           "*1\r\n$2\r\nOK\r\n"
#define HELD_SOON_MS 700u /* for what never passes */

/* The servers ---------------------------------------------------------------------- */

struct fake {
    uv_tcp_t listener;
    unsigned port;
    const char *answers[8]; /* to requests, one after another; the last one for ever */
    uint32_t answers_next;
    uint32_t requests;
    uint32_t connections;
};

struct peer {
    uv_tcp_t tcp;
    struct fake *fake;
    struct pawl_redis_reader *reader;
    bool is_blocked; /* by a WAIT: nothing behind it is even looked at */
    char in[65536];
};

static struct fake fakes[NODES];
static uint32_t map_owner;      /* of all slots, as both servers tell it */
static const char *wait_answer; /* NULL: none for now */
static uint32_t waits;
static struct peer *waiting; /* for it */
static uint32_t askings;
static struct redis_client client;

static void on_peer_closed(uv_handle_t *handle)
{
    struct peer *peer = handle->data;
    pawl_redis_reader_free(peer->reader);
    pawl_mem_free(peer);
}

static void peer_close(struct peer *peer)
{
    if (waiting == peer) waiting = NULL;
    if (!uv_is_closing((uv_handle_t *)&peer->tcp))
        uv_close((uv_handle_t *)&peer->tcp, on_peer_closed);
}

static void say(struct peer *peer, const char *text)
{
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)text, (unsigned)strlen(text));
    assert_int_equal(uv_try_write((uv_stream_t *)&peer->tcp, &buf, 1), (int)strlen(text));
}

static bool word_is(const struct pawl_redis_value *command, uint32_t index, const char *word)
{
    return index < command->count && pawl_bytes_is_str(command->items[index].text, word);
}

static void say_map(struct peer *peer)
{
    char text[128];
    (void)snprintf(text, sizeof text,
                   "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:%u\r\n",
                   fakes[map_owner].port);
    say(peer, text);
}

/* The servers' clocks are an hour apart. */
static int64_t time_of(const struct fake *fake)
{
    return INT64_C(1800000000) + 3600 * (fake - fakes);
}

static void say_time(struct peer *peer)
{
    char text[64];
    (void)snprintf(text, sizeof text, "*2\r\n$10\r\n%lld\r\n$1\r\n0\r\n",
                   (long long)time_of(peer->fake));
    say(peer, text);
}

/* "" ends the connection, "half" does so in the middle of an answer. */
static void on_request(struct peer *peer)
{
    struct fake *fake = peer->fake;
    const char *answer = fake->answers[fake->answers_next];
    fake->requests++;
    if (fake->answers[fake->answers_next + 1]) fake->answers_next++;
    if (strcmp(answer, "half") == 0) say(peer, "-MOVED 1 127.0");
    if (answer[0] == 0 || strcmp(answer, "half") == 0)
        peer_close(peer);
    else
        say(peer, answer);
}

static void on_wait(struct peer *peer)
{
    waits++;
    waiting = peer;
    peer->is_blocked = wait_answer == NULL;
    if (wait_answer) say(peer, wait_answer);
}

static void on_command(struct peer *peer, const struct pawl_redis_value *command)
{
    askings += word_is(command, 0, "ASKING");
    if (word_is(command, 0, "ROLE"))
        say(peer, "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n");
    else if (word_is(command, 0, "CLUSTER"))
        say_map(peer);
    else if (word_is(command, 0, "TIME"))
        say_time(peer);
    else if (word_is(command, 0, "SCRIPT"))
        say(peer, "$40\r\n" SHA "\r\n");
    else if (word_is(command, 0, "EVAL") && word_is(command, 2, "2"))
        say(peer, "*2\r\n$1\r\n1\r\n$1\r\n4\r\n");
    else if (word_is(command, 0, "CONFIG"))
        say(peer, "*0\r\n");
    else if (word_is(command, 0, "WAIT"))
        on_wait(peer);
    else if (word_is(command, 0, "EVALSHA"))
        on_request(peer);
    else
        say(peer, "+OK\r\n"); /* the probe, too */
}

static void take_commands(struct peer *peer)
{
    while (!peer->is_blocked && !uv_is_closing((uv_handle_t *)&peer->tcp)) {
        const struct pawl_redis_value *command = NULL;
        assert_int_equal(pawl_redis_reader_next(peer->reader, &command), PAWL_OK);
        if (!command) return;
        on_command(peer, command);
    }
}

/* The answer that a WAIT has been without, and on with what came behind it. */
static void confirm(const char *answer)
{
    waiting->is_blocked = false;
    say(waiting, answer);
    take_commands(waiting);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *ret_buf)
{
    (void)size;
    struct peer *peer = handle->data;
    *ret_buf = uv_buf_init(peer->in, sizeof peer->in);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    struct peer *peer = stream->data;
    if (size < 0) {
        peer_close(peer);
        return;
    }
    assert_int_equal(pawl_redis_reader_feed(peer->reader, buf->base, (size_t)size), PAWL_OK);
    take_commands(peer);
}

static void on_connection(uv_stream_t *listener, int status)
{
    assert_int_equal(status, 0);
    struct peer *peer = PAWL_NEW(struct peer);
    peer->fake = listener->data;
    peer->fake->connections++;
    peer->reader = pawl_redis_reader_new();
    peer->tcp.data = peer;
    assert_int_equal(uv_tcp_init(listener->loop, &peer->tcp), 0);
    assert_int_equal(uv_accept(listener, (uv_stream_t *)&peer->tcp), 0);
    assert_int_equal(uv_read_start((uv_stream_t *)&peer->tcp, on_alloc, on_read), 0);
}

/* The port is known before the client's loop exists. */
static int listener_fds[NODES];

static void fake_bind(uint32_t index)
{
    struct sockaddr_in address;
    assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &address), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    socklen_t size = sizeof address;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    fakes[index] = (struct fake){ .port = ntohs(address.sin_port), .answers = { OK } };
    listener_fds[index] = fd;
}

static void fake_listen(uint32_t index)
{
    struct fake *fake = &fakes[index];
    assert_int_equal(uv_tcp_init(&client.loop, &fake->listener), 0);
    fake->listener.data = fake;
    assert_int_equal(uv_tcp_open(&fake->listener, listener_fds[index]), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&fake->listener, 8, on_connection), 0);
}

static void begin_as(const char *scheme, const char *parameters, uint32_t held_ms,
                     uint32_t clock_ms)
{
    struct pawl_redis_options options = redis_client_patient;
    options.held_ms = held_ms;
    options.clock_ms = clock_ms;
    options.wait_ms = 0;
    map_owner = 0;
    wait_answer = ":1\r\n";
    waits = 0;
    waiting = NULL;
    askings = 0;
    for (uint32_t i = 0; i < NODES; i++) fake_bind(i);
    char url[200];
    (void)snprintf(url, sizeof url, "%s://127.0.0.1:%u%s", scheme, fakes[0].port, parameters);
    redis_client_open(&client, url, PARTITIONS, &options);
    for (uint32_t i = 0; i < NODES; i++) fake_listen(i);
    redis_client_wait_ready(&client, true);
}

static void begin_held(const char *scheme, const char *parameters, uint32_t held_ms)
{
    begin_as(scheme, parameters, held_ms, 0);
}

static void begin(const char *scheme, const char *parameters)
{
    begin_held(scheme, parameters, redis_client_patient.held_ms);
}

static void finish(void)
{
    for (uint32_t i = 0; i < NODES; i++) uv_close((uv_handle_t *)&fakes[i].listener, NULL);
    redis_client_close(&client);
}

/* `count` requests of one partition in one flush. */
static void submit_many(uint32_t partition, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct pawl_store_request request = { .token = i,
                                              .op = PAWL_STORE_PURGE,
                                              .partition = partition,
                                              .purge = { .instance = PAWL_BYTES_LITERAL("i") } };
        redis_client_submit(&client, &request);
    }
    redis_client_flush(&client);
}

static void check_replies(uint32_t count, pawl_err wanted)
{
    redis_client_wait_replies(&client, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(client.replies[i].token, i);
        assert_int_equal(client.replies[i].err, wanted);
    }
    redis_client_forget(&client);
}

static const char *moved_to(uint32_t index)
{
    static char text[64];
    (void)snprintf(text, sizeof text, "-MOVED 1 127.0.0.1:%u\r\n", fakes[index].port);
    return text;
}

/* Moved slots ---------------------------------------------------------------------- */

static void a_moved_slot_is_followed_in_order(void **state)
{
    (void)state;
    begin("redis+cluster", "");
    submit_many(1, 10);
    check_replies(10, PAWL_OK);
    fakes[0].answers[0] = moved_to(1);
    map_owner = 1;
    submit_many(1, 10);
    check_replies(10, PAWL_OK);
    assert_int_equal(fakes[1].requests, 10);
    submit_many(2, 5); /* the new map is for all */
    check_replies(5, PAWL_OK);
    assert_int_equal(fakes[1].requests, 15);
    finish();
}

/* The first one waits for a connection to the new server; more come, and it is not lost. */
static void requests_that_come_while_the_first_one_tries_follow_it(void **state)
{
    (void)state;
    begin("redis+cluster", "");
    fakes[0].answers[0] = moved_to(1);
    map_owner = 1;
    submit_many(1, 3);
    while (fakes[0].requests < 3) (void)uv_run(&client.loop, UV_RUN_ONCE);
    uint64_t end_ns = uv_hrtime() + 20000000000u;
    while (fakes[1].requests == 0) {
        assert_true(uv_hrtime() < end_ns);
        struct pawl_store_request more = { .token = 100,
                                           .op = PAWL_STORE_PURGE,
                                           .partition = 1,
                                           .purge = { .instance = PAWL_BYTES_LITERAL("i") } };
        redis_client_submit(&client, &more);
        redis_client_flush(&client);
        (void)uv_run(&client.loop, UV_RUN_ONCE);
    }
    redis_client_wait_replies(&client, 4);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(client.replies[i].err, PAWL_OK);
        assert_int_equal(client.replies[i].token, i < 3 ? i : 100);
    }
    finish();
}

static void a_map_that_is_out_of_date_delays_and_fails_nothing(void **state)
{
    (void)state;
    begin("redis+cluster", "");
    fakes[0].answers[0] = moved_to(1); /* and both go on to say that 0 has it */
    for (int i = 0; i < 5; i++) {
        submit_many(3, 10);
        check_replies(10, PAWL_OK);
    }
    finish();
}

static void a_move_to_nowhere_asks_for_the_map(void **state)
{
    (void)state;
    begin("redis+cluster", "");
    fakes[0].answers[0] = "-MOVED 1 nowhere\r\n";
    map_owner = 1;
    submit_many(1, 3);
    check_replies(3, PAWL_OK);
    assert_int_equal(fakes[1].requests, 3);
    finish();
}

static void two_servers_that_point_at_each_other_are_given_up(void **state)
{
    (void)state;
    begin_held("redis+cluster", "", HELD_SOON_MS);
    char to_first[64];
    (void)snprintf(to_first, sizeof to_first, "%s", moved_to(0));
    fakes[1].answers[0] = to_first;
    fakes[0].answers[0] = moved_to(1);
    submit_many(1, 3);
    check_replies(3, PAWL_E_UNAVAILABLE);
    assert_in_range(fakes[0].requests, 2, 200); /* with pauses */
    finish();
}

/* Slots on their way --------------------------------------------------------------- */

static void a_slot_on_its_way_is_waited_for_and_never_followed(void **state)
{
    (void)state;
    begin("redis+cluster", "");
    static char ask[64];
    (void)snprintf(ask, sizeof ask, "-ASK 1 127.0.0.1:%u\r\n", fakes[1].port);
    for (uint32_t i = 0; i < 3; i++) fakes[0].answers[i] = ask;
    fakes[0].answers[3] = OK;
    submit_many(1, 3);
    check_replies(3, PAWL_OK);
    assert_int_equal(askings, 0);
    assert_int_equal(fakes[1].requests, 0);
    finish();
}

static void errors_that_pass_are_waited_out(void **state)
{
    (void)state;
    begin("redis+cluster", "");
    fakes[0].answers[0] = "-TRYAGAIN Multiple keys request during rehashing of slot\r\n";
    fakes[0].answers[1] = "-CLUSTERDOWN The cluster is down\r\n";
    fakes[0].answers[2] = OK;
    submit_many(1, 1);
    check_replies(1, PAWL_OK);
    assert_int_equal(fakes[0].requests, 3);
    finish();
}

static void errors_that_do_not_pass_are_given_back_in_order(void **state)
{
    (void)state;
    begin_held("redis+cluster", "", HELD_SOON_MS);
    fakes[0].answers[0] = "-TRYAGAIN Multiple keys request during rehashing of slot\r\n";
    submit_many(1, 10);
    check_replies(10, PAWL_E_UNAVAILABLE);
    fakes[0].answers[0] = OK;
    submit_many(1, 10);
    check_replies(10, PAWL_OK);
    finish();
}

static void a_request_that_was_overtaken_is_refused_before_the_other_is_answered(void **state)
{
    (void)state;
    begin("redis+cluster", "");
    fakes[0].answers[0] = "-TRYAGAIN Multiple keys request during rehashing of slot\r\n";
    fakes[0].answers[1] = OK;
    submit_many(1, 2);
    redis_client_wait_replies(&client, 2);
    assert_int_equal(client.replies[0].token, 0);
    assert_int_equal(client.replies[0].err, PAWL_E_UNAVAILABLE);
    assert_int_equal(client.replies[1].token, 1);
    assert_int_equal(client.replies[1].err, PAWL_OK);
    finish();
}

static void an_answer_that_ends_in_the_middle_is_unknown(void **state)
{
    (void)state;
    begin("redis+cluster", "");
    fakes[0].answers[0] = "half";
    fakes[0].answers[1] = OK;
    submit_many(1, 3);
    check_replies(3, PAWL_E_UNKNOWN);
    submit_many(1, 3);
    check_replies(3, PAWL_OK);
    assert_int_equal(fakes[0].connections, 2 + 1 + 1); /* two of them for a map */
    finish();
}

/* Confirmations -------------------------------------------------------------------- */

static void run_until_waiting(uint32_t count)
{
    while (waits < count) (void)uv_run(&client.loop, UV_RUN_ONCE);
    for (int i = 0; i < 5; i++) (void)uv_run(&client.loop, UV_RUN_NOWAIT);
}

static void nothing_is_answered_before_replicas_confirmed(void **state)
{
    (void)state;
    begin("redis", "?durability=d2");
    assert_int_equal(waits, 1); /* of the hello */
    wait_answer = NULL;
    submit_many(1, 10);
    run_until_waiting(2);
    assert_int_equal(fakes[0].requests, 10);
    assert_int_equal(client.replies_count, 0);
    confirm(":1\r\n");
    check_replies(10, PAWL_OK);
    assert_int_equal(waits, 2); /* one for all of them */
    finish();
}

static void too_few_confirmations_make_what_was_done_unknown(void **state)
{
    (void)state;
    begin("redis", "?durability=d2&replicas=2&wait_ms=10");
    assert_non_null(strstr(client.why, "durability d2 needs"));
    fakes[0].answers[0] = OK;
    fakes[0].answers[1] = "-NOREPLICAS Not enough good replicas to write.\r\n";
    fakes[0].answers[2] = OK;
    submit_many(1, 3); /* the fake confirms one replica */
    redis_client_wait_replies(&client, 3);
    assert_int_equal(client.replies[0].err, PAWL_E_UNKNOWN);
    assert_non_null(strstr(client.replies[0].message, "1 of 2 replicas"));
    assert_int_equal(client.replies[1].err, PAWL_E_UNAVAILABLE); /* definitely not done */
    assert_int_equal(client.replies[2].err, PAWL_E_UNKNOWN);
    redis_client_forget(&client);
    wait_answer = ":2\r\n";
    submit_many(1, 3);
    check_replies(3, PAWL_OK);
    finish();
}

static void a_connection_lost_before_the_confirmation_makes_all_of_it_unknown(void **state)
{
    (void)state;
    begin("redis", "?durability=d2");
    wait_answer = NULL;
    submit_many(1, 5);
    run_until_waiting(2);
    peer_close(waiting);
    wait_answer = ":1\r\n";
    check_replies(5, PAWL_E_UNKNOWN);
    submit_many(1, 5);
    check_replies(5, PAWL_OK);
    finish();
}

/* Two flushes may be under way; the third waits and takes all that has come since. */
static void flushes_pile_up_behind_a_slow_confirmation(void **state)
{
    (void)state;
    begin("redis", "?durability=d2");
    wait_answer = NULL;
    submit_many(1, 1);
    run_until_waiting(2);
    for (int i = 0; i < 20; i++) submit_many(2, 1);
    for (int i = 0; i < 5; i++) (void)uv_run(&client.loop, UV_RUN_NOWAIT);
    assert_int_equal(fakes[0].requests, 1);
    wait_answer = ":1\r\n";
    confirm(wait_answer);
    redis_client_wait_replies(&client, 21);
    assert_int_equal(waits, 1 + 3); /* one for 1, one for 1, one for 19 */
    finish();
}

/* The clock ------------------------------------------------------------------------ */

/* Until what was read is the clock of that server. */
static void wait_for_clock(uint32_t index)
{
    while (client.clock.unix_ms != 1000 * time_of(&fakes[index]))
        (void)uv_run(&client.loop, UV_RUN_ONCE);
}

static void wait_for_clocks(uint32_t count)
{
    while (client.clocks_count < count) (void)uv_run(&client.loop, UV_RUN_ONCE);
}

/* So all sidecars of an app go by the same one. */
static void the_clock_is_that_of_the_server_with_the_schema(void **state)
{
    (void)state;
    begin_as("redis+cluster", "", redis_client_patient.held_ms, 1);
    assert_int_equal(client.clocks_count, 1);
    wait_for_clock(0);
    fakes[0].answers[0] = moved_to(1);
    map_owner = 1;
    submit_many(1, 3);
    check_replies(3, PAWL_OK);
    wait_for_clock(1);
    uint32_t count = client.clocks_count;
    while (client.clocks_count < count + 3) {
        wait_for_clock(1);
        wait_for_clocks(client.clocks_count + 1);
    }
    wait_for_clock(1);
    finish();
}

/* Nobody needs to confirm it. */
static void a_look_at_the_clock_is_nothing_that_replicas_confirm(void **state)
{
    (void)state;
    begin_as("redis", "?durability=d2", redis_client_patient.held_ms, 1);
    uint32_t before = waits;
    wait_for_clocks(3);
    assert_int_equal(waits, before);
    wait_answer = NULL;
    submit_many(1, 3);
    while (!waiting || !waiting->is_blocked) (void)uv_run(&client.loop, UV_RUN_ONCE);
    wait_answer = ":1\r\n";
    confirm(wait_answer);
    check_replies(3, PAWL_OK);
    wait_for_clocks(client.clocks_count + 2);
    assert_int_equal(waits, before + 1);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_moved_slot_is_followed_in_order),
        cmocka_unit_test(requests_that_come_while_the_first_one_tries_follow_it),
        cmocka_unit_test(a_map_that_is_out_of_date_delays_and_fails_nothing),
        cmocka_unit_test(a_move_to_nowhere_asks_for_the_map),
        cmocka_unit_test(two_servers_that_point_at_each_other_are_given_up),
        cmocka_unit_test(a_slot_on_its_way_is_waited_for_and_never_followed),
        cmocka_unit_test(errors_that_pass_are_waited_out),
        cmocka_unit_test(errors_that_do_not_pass_are_given_back_in_order),
        cmocka_unit_test(a_request_that_was_overtaken_is_refused_before_the_other_is_answered),
        cmocka_unit_test(an_answer_that_ends_in_the_middle_is_unknown),
        cmocka_unit_test(nothing_is_answered_before_replicas_confirmed),
        cmocka_unit_test(too_few_confirmations_make_what_was_done_unknown),
        cmocka_unit_test(a_connection_lost_before_the_confirmation_makes_all_of_it_unknown),
        cmocka_unit_test(flushes_pile_up_behind_a_slow_confirmation),
        cmocka_unit_test(the_clock_is_that_of_the_server_with_the_schema),
        cmocka_unit_test(a_look_at_the_clock_is_nothing_that_replicas_confirm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
