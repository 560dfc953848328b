/* The lease on a real Redis: what state/mem_lease.c says, and what happens when the server
 * is away. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "redis_server.h"
#include "state/io/redis_lease.h"

#define TTL_MS     600000u
#define PATIENT_MS 120000u /* a busy machine may stand still for a while */
#define HASTY_MS   1000u   /* for a server that is silent */

struct client {
    uv_loop_t loop;
    struct pawl_lease *lease;
    bool is_answered;
    struct pawl_lease_reply reply;
    char holder[PAWL_LEASE_HOLDER_SIZE_MAX + 1];
    char address[300];
    char message[600];
    uint64_t tokens;
};

static struct redis_server server;

static void text_take(char *ret_text, size_t size, struct pawl_bytes from)
{
    (void)snprintf(ret_text, size, "%.*s", PAWL_BYTES_FMT(from));
}

static void on_reply(void *context, const struct pawl_lease_reply *reply)
{
    struct client *client = context;
    assert_false(client->is_answered);
    client->is_answered = true;
    client->reply = *reply;
    text_take(client->holder, sizeof client->holder, reply->holder);
    text_take(client->address, sizeof client->address, reply->address);
    text_take(client->message, sizeof client->message, reply->message);
}

static void client_open(struct client *client, const char *url, uint32_t timeout_ms)
{
    *client = (struct client){ .tokens = 0 };
    assert_int_equal(uv_loop_init(&client->loop), 0);
    const struct pawl_redis_lease_config config = {
        .loop = &client->loop,
        .url = url,
        .name = "test",
        .timeout_ms = timeout_ms,
        .on_reply = on_reply,
        .context = client,
    };
    const char *message = NULL;
    assert_int_equal(pawl_redis_lease_open(&config, &client->lease, &message), PAWL_OK);
}

static void client_close(struct client *client)
{
    client->lease->ops->close(client->lease);
    uv_run(&client->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&client->loop), 0);
}

static pawl_err ask(struct client *client, enum pawl_lease_op op, const char *holder,
                    uint32_t ttl_ms)
{
    const struct pawl_lease_request request = { .op = op,
                                                .token = ++client->tokens,
                                                .holder = pawl_bytes_str(holder),
                                                .address = PAWL_BYTES_LITERAL("tcp://p:50005"),
                                                .ttl_ms = ttl_ms };
    client->is_answered = false;
    client->lease->ops->submit(client->lease, &request);
    assert_false(client->is_answered); /* never from inside */
    while (!client->is_answered) uv_run(&client->loop, UV_RUN_ONCE);
    assert_int_equal(client->reply.token, client->tokens);
    return client->reply.err;
}

static pawl_err take(struct client *client, const char *holder)
{
    return ask(client, PAWL_LEASE_TAKE, holder, TTL_MS);
}

/* Of a server that wakes up or begins, and may be slow at it. */
static void take_at_last(struct client *client, const char *holder)
{
    pawl_err err;
    do {
        err = take(client, holder);
    } while (err == PAWL_E_UNKNOWN || err == PAWL_E_UNAVAILABLE);
    assert_int_equal(err, PAWL_OK);
}

static void url_make(char *ret_url, size_t size)
{
    (void)snprintf(ret_url, size, "redis+unix://%s?db=3", server.socket);
}

static int setup(void **state)
{
    (void)state;
    redis_server_start(&server, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    redis_server_stop(&server);
    return 0;
}

static void test_one_holds_it_and_the_others_learn_who(void **state)
{
    (void)state;
    char url[200];
    url_make(url, sizeof url);
    struct client client;
    client_open(&client, url, PATIENT_MS);
    assert_int_equal(take(&client, "a"), PAWL_OK);
    uint32_t epoch = client.reply.epoch;
    assert_true(epoch > 100000000); /* seconds since 2020 */
    assert_int_equal(take(&client, "a"), PAWL_OK);
    assert_int_equal(client.reply.epoch, epoch);

    assert_int_equal(take(&client, "b"), PAWL_E_CONFLICT);
    assert_int_equal(client.reply.epoch, epoch);
    assert_string_equal(client.holder, "a");
    assert_string_equal(client.address, "tcp://p:50005");
    assert_in_range(client.reply.remaining_ms, 1, TTL_MS);

    assert_int_equal(ask(&client, PAWL_LEASE_RELEASE, "b", TTL_MS), PAWL_E_CONFLICT);
    assert_int_equal(ask(&client, PAWL_LEASE_RELEASE, "a", TTL_MS), PAWL_OK);
    assert_int_equal(take(&client, "b"), PAWL_OK);
    assert_true(client.reply.epoch > epoch);
    client_close(&client);
}

static void test_it_ends_by_the_clock_of_the_server(void **state)
{
    (void)state;
    char url[200];
    url_make(url, sizeof url);
    struct client client;
    client_open(&client, url, PATIENT_MS);
    assert_int_equal(ask(&client, PAWL_LEASE_TAKE, "a", 30), PAWL_OK);
    uint32_t epoch = client.reply.epoch;
    pawl_err err = PAWL_E_CONFLICT;
    while (err == PAWL_E_CONFLICT) {
        err = take(&client, "b");
        if (err == PAWL_E_CONFLICT) assert_in_range(client.reply.remaining_ms, 1, 30);
    }
    assert_int_equal(err, PAWL_OK);
    assert_true(client.reply.epoch > epoch);
    client_close(&client);
}

static void test_an_end_far_away_is_brought_near(void **state)
{
    (void)state;
    char url[200];
    url_make(url, sizeof url);
    struct client client;
    client_open(&client, url, PATIENT_MS);
    assert_int_equal(take(&client, "a"), PAWL_OK);
    uint32_t epoch = client.reply.epoch;
    /* As if the clock had been set back by a hundred years. */
    redis_server_do(&server, "EVAL %s 0",
                    "redis.call('SELECT', 3) "
                    "redis.call('HSET', '{pawl}||lease||test', 'until', '5000000000000')");
    assert_int_equal(ask(&client, PAWL_LEASE_TAKE, "b", 30), PAWL_E_CONFLICT);
    assert_in_range(client.reply.remaining_ms, 1, 30);
    while (ask(&client, PAWL_LEASE_TAKE, "b", 30) == PAWL_E_CONFLICT) continue;
    assert_true(client.reply.epoch > epoch);
    client_close(&client);
}

static void test_a_server_that_goes_and_comes_back(void **state)
{
    (void)state;
    char url[200];
    url_make(url, sizeof url);
    struct client client;
    client_open(&client, url, HASTY_MS);
    take_at_last(&client, "a");
    uint32_t epoch = client.reply.epoch;

    redis_server_pause(&server);
    assert_int_equal(take(&client, "a"), PAWL_E_UNKNOWN);
    assert_non_null(strstr(client.message, "has not answered"));
    redis_server_continue(&server);
    take_at_last(&client, "a");

    redis_server_kill(&server);
    pawl_err err = take(&client, "a");
    assert_true(err == PAWL_E_UNKNOWN || err == PAWL_E_UNAVAILABLE);
    while (take(&client, "a") == PAWL_E_UNKNOWN) continue;
    assert_int_equal(client.reply.err, PAWL_E_UNAVAILABLE);
    assert_true(client.message[0] != 0);

    redis_server_restart(&server); /* without its data */
    redis_server_do(&server, "FLUSHALL");
    take_at_last(&client, "a");
    assert_true(client.reply.epoch >= epoch);
    client_close(&client);
}

static void check_login(const char *login, const char *said)
{
    char url[200];
    (void)snprintf(url, sizeof url, "redis+unix://%s?%s&db=3", server.socket, login);
    struct client client;
    client_open(&client, url, PATIENT_MS);
    assert_int_equal(take(&client, "a"), PAWL_E_UNAVAILABLE);
    assert_non_null(strstr(client.message, said));
    client_close(&client);
}

static void test_a_refusal_is_told(void **state)
{
    (void)state;
    char url[200];
    struct client client;
    check_login("password=wrong", "the login was refused"); /* there is none: not Redis' words */
    check_login("user=u&password=wrong", "user name or password is wrong (WRONGPASS");

    url_make(url, sizeof url);
    client_open(&client, url, PATIENT_MS);
    redis_server_do(&server, "CONFIG SET min-replicas-to-write 1");
    assert_int_equal(take(&client, "a"), PAWL_E_UNAVAILABLE);
    redis_server_do(&server, "CONFIG SET min-replicas-to-write 0");
    assert_int_equal(take(&client, "a"), PAWL_OK);
    client_close(&client);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    if (!redis_server_is_installed()) return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_holds_it_and_the_others_learn_who, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_it_ends_by_the_clock_of_the_server, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_end_far_away_is_brought_near, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_server_that_goes_and_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_refusal_is_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
