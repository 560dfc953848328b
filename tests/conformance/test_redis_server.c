/* The Redis backend with a server that logs in, forgets, dies, hangs and fills up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/io/clock.h"
#include "base/limits.h"
#include "redis_client.h"
#include "redis_server.h"

#define PARTITIONS 4u

static struct redis_server server;
static struct redis_client client;

/* For the tests of a server that is silent. In all others a silence is the busy machine's. */
static const struct pawl_redis_options hasty = { .timeout_ms = 1500,
                                                 .waiting_max = 10000,
                                                 .held_ms = PAWL_STORE_HELD_MS_MAX };

static const char *unix_url(const char *parameters)
{
    static char url[320];
    (void)snprintf(url, sizeof url, "redis+unix://%s%s", server.socket, parameters);
    return url;
}

static const char *tcp_url(const char *login, const char *db)
{
    static char url[320];
    (void)snprintf(url, sizeof url, "redis://%s127.0.0.1:%u%s", login, (unsigned)server.port, db);
    return url;
}

static void start(const char *const *args)
{
    redis_server_start(&server, args);
}

static void open_ready(const char *url)
{
    redis_client_open(&client, url, PARTITIONS, NULL);
    redis_client_wait_ready(&client, true);
}

/* What a hasty client cannot do on a busy machine is done by a patient one. */
static void open_again(const struct pawl_redis_options *options)
{
    redis_client_close(&client);
    redis_client_open(&client, unix_url(""), PARTITIONS, options);
    redis_client_wait_ready(&client, true);
}

static void finish(void)
{
    redis_client_close(&client);
    redis_server_stop(&server);
}

/* Requests --------------------------------------------------------------------- */

static const struct pawl_fence fence = { .epoch = 1, .nonce = { { 7 } } };

static struct pawl_id number_id(uint8_t kind, uint32_t number)
{
    struct pawl_id id = { { kind } };
    memcpy(id.bytes + 12, &number, sizeof number);
    return id;
}

static struct pawl_bytes name_of(uint32_t number)
{
    static char names[32][16];
    char *name = names[number % 32];
    (void)snprintf(name, sizeof names[0], "i%u", number);
    return pawl_bytes_str(name);
}

static struct pawl_store_request acquire_request(uint32_t partition)
{
    return (struct pawl_store_request){ .op = PAWL_STORE_ACQUIRE,
                                        .partition = partition,
                                        .acquire = { .nonce = fence.nonce } };
}

static struct pawl_store_request create_request(uint32_t number)
{
    return (struct pawl_store_request){
        .token = number,
        .op = PAWL_STORE_CREATE,
        .partition = number % PARTITIONS,
        .create = { .instance = name_of(number),
                    .request_id = PAWL_BYTES_LITERAL("r"),
                    .inc = number_id(1, number),
                    .delivery = number_id(2, number),
                    .body = PAWL_BYTES_LITERAL("start"),
                    .name = PAWL_BYTES_LITERAL("order"),
                    .created_ms = 1000 },
    };
}

static struct pawl_bytes one_event[1];
static struct pawl_id one_row[1];

static struct pawl_store_request commit_request(uint32_t number)
{
    one_event[0] = PAWL_BYTES_LITERAL("event");
    one_row[0] = number_id(2, number);
    return (struct pawl_store_request){
        .token = number,
        .op = PAWL_STORE_COMMIT,
        .partition = number % PARTITIONS,
        .commit = { .fence = fence,
                    .instance = name_of(number),
                    .inc = number_id(1, number),
                    .gen = 1,
                    .last = number_id(2, number),
                    .id = number_id(3, number),
                    .now_ms = 2000,
                    .inbox_consumed = 1,
                    .consumed_count = 1,
                    .consumed = one_row,
                    .history_max = 100,
                    .events_count = 1,
                    .events = one_event,
                    .status = PAWL_STATUS_RUNNING },
    };
}

static struct pawl_store_request load_request(uint32_t number)
{
    return (struct pawl_store_request){ .token = number,
                                        .op = PAWL_STORE_LOAD,
                                        .partition = number % PARTITIONS,
                                        .load = { .instance = name_of(number),
                                                  .want = PAWL_LOAD_HISTORY,
                                                  .history_max = 10,
                                                  .history_size_max = 1000 } };
}

static const struct redis_client_reply *call(struct pawl_store_request request)
{
    return redis_client_call(&client, &request);
}

static void acquire_all(void)
{
    for (uint32_t i = 0; i < PARTITIONS; i++) assert_int_equal(call(acquire_request(i))->err, 0);
    redis_client_forget(&client);
}

/* `count` requests in one flush. */
static void submit_many(struct pawl_store_request (*make)(uint32_t), uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct pawl_store_request request = make(i);
        redis_client_submit(&client, &request);
    }
    redis_client_flush(&client);
}

/* All are answered with OK, those of one partition in their order. */
static void call_many(struct pawl_store_request (*make)(uint32_t), uint32_t count)
{
    submit_many(make, count);
    redis_client_wait_replies(&client, count);
    uint64_t next[PARTITIONS];
    for (uint32_t i = 0; i < PARTITIONS; i++) next[i] = i;
    for (uint32_t i = 0; i < count; i++) {
        const struct redis_client_reply *reply = &client.replies[i];
        if (reply->err) print_message("%s\n", reply->message);
        assert_int_equal(reply->err, PAWL_OK);
        assert_int_equal(reply->token, next[reply->token % PARTITIONS]);
        next[reply->token % PARTITIONS] += PARTITIONS;
    }
    redis_client_forget(&client);
}

/* Every instance has had exactly one turn, with its one event. */
static void check_one_turn_each(uint32_t count)
{
    submit_many(load_request, count);
    redis_client_wait_replies(&client, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(client.replies[i].err, PAWL_OK);
        assert_non_null(strstr(client.replies[i].text, " turn=1 history=1/5 inbox=1..1 "));
    }
    redis_client_forget(&client);
}

static bool command_is_true(const char *format, uint32_t number)
{
    redisReply *reply = redis_server_command(&server, NULL, format, number);
    bool is_true = (reply->type == REDIS_REPLY_INTEGER && reply->integer != 0)
                   || (reply->type == REDIS_REPLY_STRING && strcmp(reply->str, "1") == 0);
    freeReplyObject(reply);
    return is_true;
}

/* Logging in ------------------------------------------------------------------- */

static const char *const with_password[] = { "--requirepass", "p@ss:/word", NULL };

static void a_password_and_a_database_are_taken_from_the_url(void **state)
{
    (void)state;
    start(with_password);
    open_ready(tcp_url(":p%40ss%3A%2Fword@", "/3"));
    assert_int_equal(call(create_request(1))->err, PAWL_OK);
    redis_client_close(&client);

    redisContext *context = redisConnectUnix(server.socket);
    freeReplyObject(redisCommand(context, "AUTH p@ss:/word"));
    freeReplyObject(redisCommand(context, "SELECT 3"));
    redisReply *reply = redisCommand(context, "EXISTS {test||app||001}||i1||metadata");
    assert_int_equal(reply->integer, 1);
    freeReplyObject(reply);
    redisFree(context);
    redis_server_stop(&server);
}

static void the_unix_url_takes_the_same_parameters(void **state)
{
    (void)state;
    start(with_password);
    open_ready(unix_url("?db=2&password=p%40ss%3A%2Fword"));
    assert_int_equal(call(create_request(1))->err, PAWL_OK);
    finish();
}

static void a_user_restricted_to_the_apps_keys_is_enough(void **state)
{
    (void)state;
    start(NULL);
    redis_server_do(&server, "ACL SETUSER pawl on >secret ~{test||app||* ~{test||app}* +@all "
                             "-@dangerous -@admin");
    open_ready(tcp_url("pawl:secret@", ""));
    acquire_all();
    call_many(create_request, 8);
    call_many(commit_request, 8);
    check_one_turn_each(8);
    finish();
}

static void a_user_who_may_not_write_is_noticed_before_the_first_request(void **state)
{
    (void)state;
    start(NULL);
    redis_server_do(&server, "ACL SETUSER pawl on >secret ~* +@all -zadd");
    redis_client_open(&client, tcp_url("pawl:secret@", ""), PARTITIONS, NULL);
    redis_client_wait_ready(&client, false);
    assert_non_null(strstr(client.why, "may not do what Pawl needs"));
    finish();
}

static void a_wrong_password_is_said_without_repeating_it(void **state)
{
    (void)state;
    start(with_password);
    redis_client_open(&client, tcp_url(":guess123@", ""), PARTITIONS, NULL);
    redis_client_wait_ready(&client, false);
    assert_non_null(strstr(client.why, "user name or password is wrong"));
    assert_null(strstr(client.why, "guess123"));
    finish();
}

static void a_missing_password_is_said(void **state)
{
    (void)state;
    start(with_password);
    redis_client_open(&client, tcp_url("", ""), PARTITIONS, NULL);
    redis_client_wait_ready(&client, false);
    assert_non_null(strstr(client.why, "a password is needed"));
    finish();
}

static void a_replica_is_not_written_to(void **state)
{
    (void)state;
    start(NULL);
    open_ready(unix_url(""));
    acquire_all();
    call_many(create_request, 2);
    redis_server_do(&server, "REPLICAOF 127.0.0.1 1");
    redis_server_do(&server, "CONFIG SET replica-serve-stale-data yes");
    const struct redis_client_reply *reply = call(commit_request(1));
    assert_int_equal(reply->err, PAWL_E_UNAVAILABLE);
    assert_non_null(strstr(reply->message, "READONLY"));
    redis_client_wait_ready(&client, false);

    redis_client_forget(&client);
    submit_many(commit_request, 2); /* waits */
    redis_server_do(&server, "REPLICAOF NO ONE");
    redis_client_wait_replies(&client, 2);
    assert_int_equal(client.replies[1].err, PAWL_OK);
    assert_true(client.ready);
    finish();
}

/* Schema ----------------------------------------------------------------------- */

static void another_number_of_partitions_is_refused_with_key_found_and_expected(void **state)
{
    (void)state;
    start(NULL);
    open_ready(unix_url(""));
    redis_client_close(&client);

    redis_client_open(&client, unix_url(""), 8, NULL);
    struct pawl_store_request request = acquire_request(0);
    redis_client_submit(&client, &request);
    redis_client_flush(&client);
    redis_client_wait_replies(&client, 1);
    assert_int_equal(client.replies[0].err, PAWL_E_VERSION);
    assert_non_null(strstr(client.replies[0].message, "{test||app}||schema has 4 partitions, 8"));
    redis_client_wait_ready(&client, false);
    assert_int_equal(call(acquire_request(1))->err, PAWL_E_VERSION);
    finish();
}

static void another_schema_version_is_refused(void **state)
{
    (void)state;
    start(NULL);
    redis_server_do(&server, "HSET {test||app}||schema version 77 partitions 4");
    redis_client_open(&client, unix_url(""), PARTITIONS, NULL);
    assert_int_equal(call(acquire_request(0))->err, PAWL_E_VERSION);
    assert_non_null(strstr(client.replies[0].message, "version 77, this program needs version 1"));
    finish();
}

/* Scripts ---------------------------------------------------------------------- */

static void a_script_flush_between_requests_is_not_noticed_by_anyone(void **state)
{
    (void)state;
    start(NULL);
    open_ready(unix_url(""));
    acquire_all();
    redis_server_do(&server, "SCRIPT FLUSH");
    call_many(create_request, 500);
    redis_server_do(&server, "SCRIPT FLUSH");
    call_many(commit_request, 500);
    redis_server_do(&server, "SCRIPT FLUSH");
    check_one_turn_each(500);
    finish();
}

static void a_script_flush_among_requests_under_way_loses_and_reorders_nothing(void **state)
{
    (void)state;
    start(NULL);
    open_ready(unix_url(""));
    acquire_all();
    call_many(create_request, 2000);
    for (uint32_t i = 0; i < 2000; i++) {
        struct pawl_store_request request = commit_request(i);
        redis_client_submit(&client, &request);
        redis_client_flush(&client);
        if (i % 100 == 50) redis_server_do(&server, "SCRIPT FLUSH");
        if (i % 10 == 0) (void)uv_run(&client.loop, UV_RUN_NOWAIT);
    }
    redis_client_wait_replies(&client, 2000);
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        uint64_t last = p;
        for (uint32_t i = 0; i < 2000; i++) {
            if (client.replies[i].partition != p) continue;
            assert_int_equal(client.replies[i].token, last);
            last += PARTITIONS;
            /* Refused ones were overtaken and definitely not applied. */
            bool is_fine =
                client.replies[i].err == PAWL_OK || client.replies[i].err == PAWL_E_UNAVAILABLE;
            assert_true(is_fine);
        }
    }
    redis_client_forget(&client);
    call_many(commit_request, 2000);
    check_one_turn_each(2000);
    finish();
}

/* Losing the server ------------------------------------------------------------ */

static const char *const durable[] = { "--appendonly", "yes", "--appendfsync", "always", NULL };

static void requests_wait_for_a_server_that_starts_later(void **state)
{
    (void)state;
    start(NULL);
    redis_server_kill(&server);
    redis_client_open(&client, unix_url(""), PARTITIONS, NULL);
    submit_many(create_request, 10);
    redis_client_wait_ready(&client, false);
    assert_int_equal(client.replies_count, 0);
    redis_server_restart(&server);
    redis_client_wait_replies(&client, 10);
    for (uint32_t i = 0; i < 10; i++) assert_int_equal(client.replies[i].err, PAWL_OK);
    finish();
}

static void a_full_queue_without_a_server_is_given_back_in_order(void **state)
{
    (void)state;
    start(NULL);
    redis_server_kill(&server);
    struct pawl_redis_options narrow = redis_client_patient;
    narrow.waiting_max = 10;
    redis_client_open(&client, unix_url(""), PARTITIONS, &narrow);
    submit_many(create_request, 10);
    redis_client_wait_ready(&client, false);
    assert_int_equal(client.replies_count, 0);
    struct pawl_store_request request = create_request(10);
    redis_client_submit(&client, &request);
    redis_client_wait_replies(&client, 11);
    for (uint32_t i = 0; i < 11; i++) {
        assert_int_equal(client.replies[i].token, i);
        assert_int_equal(client.replies[i].err, PAWL_E_UNAVAILABLE);
    }
    finish();
}

static void after_kill_and_restart_resent_commits_are_applied_exactly_once(void **state)
{
    (void)state;
    start(durable);
    open_ready(tcp_url("", ""));
    acquire_all();
    call_many(create_request, 1000);
    submit_many(commit_request, 1000);
    redis_client_wait_replies(&client, 1);
    redis_server_kill(&server);
    redis_client_wait_replies(&client, 1000);
    redis_client_wait_ready(&client, false);

    static bool acknowledged[1000];
    for (uint32_t i = 0; i < 1000; i++) {
        pawl_err err = client.replies[i].err;
        assert_true(err == PAWL_OK || err == PAWL_E_UNKNOWN);
        acknowledged[client.replies[i].token] = err == PAWL_OK;
    }
    redis_client_forget(&client);

    redis_server_restart(&server);
    redis_client_wait_ready(&client, true);
    for (uint32_t i = 0; i < 1000; i++)
        if (acknowledged[i]) assert_true(command_is_true("EXISTS {test||app||%03u}||owner", i % 4));
    call_many(commit_request, 1000); /* identical, applied or not */
    check_one_turn_each(1000);
    finish();
}

static void an_acknowledged_commit_is_there_after_kill_and_restart(void **state)
{
    (void)state;
    start(durable);
    open_ready(unix_url(""));
    acquire_all();
    call_many(create_request, 100);
    call_many(commit_request, 100);
    redis_server_restart(&server);
    redis_client_wait_ready(&client, false);
    redis_client_wait_ready(&client, true);
    check_one_turn_each(100);
    finish();
}

static void a_silent_server_makes_written_requests_unknown_and_they_may_still_happen(void **state)
{
    (void)state;
    start(NULL);
    open_ready(unix_url(""));
    acquire_all();
    call_many(create_request, 50);
    open_again(&hasty);
    redis_server_pause(&server);
    submit_many(commit_request, 50);
    redis_client_wait_replies(&client, 50);
    for (uint32_t i = 0; i < 50; i++) assert_int_equal(client.replies[i].err, PAWL_E_UNKNOWN);
    assert_non_null(strstr(client.replies[0].message, "no reply within 1500 ms"));
    redis_client_forget(&client);

    /* It wakes up and finds the commits in its socket: applied, and nobody knows. */
    redis_server_continue(&server);
    while (!command_is_true("HGET {test||app||001}||i%u||metadata turn", 49)) continue;
    redis_client_wait_ready(&client, true);
    open_again(NULL);
    call_many(commit_request, 50);
    check_one_turn_each(50);
    finish();
}

static bool some_reply_is_unknown(void)
{
    for (uint32_t i = 0; i < client.replies_count; i++)
        if (client.replies[i].err == PAWL_E_UNKNOWN) return true;
    return false;
}

/* False when the machine itself stood still for as long as the client is patient. */
static bool unsent_ones_wait(void)
{
    redis_server_pause(&server);
    submit_many(create_request, 5);
    redis_client_wait_replies(&client, 5);
    assert_int_equal(client.replies[0].err, PAWL_E_UNKNOWN);
    redis_client_forget(&client);
    submit_many(create_request, 5);
    uint64_t from_ms = uv_hrtime() / 1000000;
    redis_server_continue(&server);
    redis_client_wait_replies(&client, 5);
    bool is_late = uv_hrtime() / 1000000 - from_ms >= hasty.timeout_ms;
    if (is_late && some_reply_is_unknown()) return false;
    for (uint32_t i = 0; i < 5; i++)
        assert_true(client.replies[i].err == PAWL_OK || client.replies[i].err == PAWL_E_DUPLICATE);
    return true;
}

static void what_was_not_sent_waits_for_the_next_connection(void **state)
{
    (void)state;
    start(NULL);
    open_ready(unix_url(""));
    acquire_all();
    open_again(&hasty);
    while (!unsent_ones_wait()) open_again(&hasty);
    finish();
}

/* Bounds ----------------------------------------------------------------------- */

static void a_full_memory_refuses_commits_whole_and_lets_purge_through(void **state)
{
    (void)state;
    start(NULL);
    open_ready(unix_url(""));
    acquire_all();
    call_many(create_request, 2);
    redis_server_do(&server, "CONFIG SET maxmemory 1");
    const struct redis_client_reply *reply = call(commit_request(1));
    assert_int_equal(reply->err, PAWL_E_UNAVAILABLE);
    assert_non_null(strstr(reply->message, "OOM"));
    assert_false(command_is_true("EXISTS {test||app||001}||i%u||1||history-000000", 1));

    reply = call(load_request(1));
    assert_int_equal(reply->err, PAWL_OK);
    assert_non_null(strstr(reply->text, " turn=0 history=0/0 inbox=0..1 "));
    struct pawl_store_request purge = { .op = PAWL_STORE_PURGE,
                                        .purge = { .instance = name_of(0), .force = true } };
    assert_int_equal(call(purge)->err, PAWL_OK);

    redis_server_do(&server, "CONFIG SET maxmemory 0");
    assert_int_equal(call(commit_request(1))->err, PAWL_OK);
    finish();
}

static void a_server_that_would_drop_our_keys_is_named_as_such(void **state)
{
    (void)state;
    start(NULL);
    redis_server_do(&server, "CONFIG SET maxmemory-policy volatile-lru");
    open_ready(unix_url(""));
    assert_null(strstr(client.why, "noeviction"));
    redis_client_close(&client);
    redis_server_do(&server, "CONFIG SET maxmemory-policy allkeys-lru");
    open_ready(unix_url(""));
    assert_non_null(strstr(client.why, "set maxmemory-policy to noeviction"));
    finish();
}

static void more_requests_than_may_be_in_flight_are_answered_in_order(void **state)
{
    (void)state;
    start(NULL);
    open_ready(unix_url(""));
    acquire_all();
    call_many(create_request, 8000);
    finish();
}

static void a_request_larger_than_the_socket_buffer_arrives_whole(void **state)
{
    (void)state;
    start(NULL);
    open_ready(tcp_url("", ""));
    acquire_all();
    call_many(create_request, 1);
    static uint8_t large[PAWL_TURN_SIZE_MAX];
    memset(large, 'x', sizeof large);
    struct pawl_bytes events[1] = { { large, sizeof large } };
    struct pawl_store_request request = commit_request(0);
    request.commit.events = events;
    redis_client_submit(&client, &request);
    redis_client_flush(&client);
    request = create_request(4); /* behind it, while it is being written */
    redis_client_submit(&client, &request);
    redis_client_flush(&client);
    redis_client_wait_replies(&client, 2);
    assert_int_equal(client.replies[0].err, PAWL_OK);
    assert_int_equal(client.replies[1].err, PAWL_OK);
    request = load_request(0);
    request.load.history_size_max = UINT32_MAX;
    assert_true(strlen(redis_client_call(&client, &request)->text) > sizeof large);
    finish();
}

static void closing_answers_everything_that_is_outstanding(void **state)
{
    (void)state;
    start(NULL);
    open_ready(unix_url(""));
    redis_server_pause(&server);
    submit_many(create_request, 3);
    struct pawl_store_request request = create_request(3);
    redis_client_submit(&client, &request); /* not flushed */
    client.store->ops->close(client.store);
    assert_int_equal(client.replies_count, 4);
    for (uint32_t i = 0; i < 3; i++) assert_int_equal(client.replies[i].err, PAWL_E_UNKNOWN);
    assert_int_equal(client.replies[3].err, PAWL_E_UNAVAILABLE);
    (void)uv_run(&client.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&client.loop), 0);
    redis_client_forget(&client);
    redis_server_stop(&server);
}

static void a_host_that_does_not_exist_is_said(void **state)
{
    (void)state;
    redis_client_open(&client, "redis://no-such-host.invalid:6379", PARTITIONS, NULL);
    redis_client_wait_ready(&client, false);
    assert_non_null(strstr(client.why, "no-such-host.invalid:6379"));
    redis_client_close(&client);
}

#define MINUTE_MS 60000

/* Of this very machine; somebody may be setting it meanwhile. */
static void the_clock_of_a_server_is_read(void **state)
{
    (void)state;
    struct pawl_redis_options options = redis_client_patient;
    options.clock_ms = 1;
    start(NULL);
    redis_client_open(&client, unix_url(""), PARTITIONS, &options);
    redis_client_wait_ready(&client, true);
    assert_int_equal(client.clocks_count, 1);
    while (client.clocks_count < 4) (void)uv_run(&client.loop, UV_RUN_ONCE);
    int64_t offset_ms = pawl_clock_ms(CLOCK_REALTIME) - pawl_clock_ms(CLOCK_BOOTTIME);
    assert_true(client.clock.unix_ms - client.clock.answered_ms <= offset_ms + MINUTE_MS);
    assert_true(client.clock.unix_ms - client.clock.asked_ms >= offset_ms - MINUTE_MS);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_password_and_a_database_are_taken_from_the_url),
        cmocka_unit_test(the_unix_url_takes_the_same_parameters),
        cmocka_unit_test(a_user_restricted_to_the_apps_keys_is_enough),
        cmocka_unit_test(a_user_who_may_not_write_is_noticed_before_the_first_request),
        cmocka_unit_test(a_wrong_password_is_said_without_repeating_it),
        cmocka_unit_test(a_missing_password_is_said),
        cmocka_unit_test(a_replica_is_not_written_to),
        cmocka_unit_test(another_number_of_partitions_is_refused_with_key_found_and_expected),
        cmocka_unit_test(another_schema_version_is_refused),
        cmocka_unit_test(a_script_flush_between_requests_is_not_noticed_by_anyone),
        cmocka_unit_test(a_script_flush_among_requests_under_way_loses_and_reorders_nothing),
        cmocka_unit_test(requests_wait_for_a_server_that_starts_later),
        cmocka_unit_test(a_full_queue_without_a_server_is_given_back_in_order),
        cmocka_unit_test(after_kill_and_restart_resent_commits_are_applied_exactly_once),
        cmocka_unit_test(an_acknowledged_commit_is_there_after_kill_and_restart),
        cmocka_unit_test(a_silent_server_makes_written_requests_unknown_and_they_may_still_happen),
        cmocka_unit_test(what_was_not_sent_waits_for_the_next_connection),
        cmocka_unit_test(a_full_memory_refuses_commits_whole_and_lets_purge_through),
        cmocka_unit_test(a_server_that_would_drop_our_keys_is_named_as_such),
        cmocka_unit_test(more_requests_than_may_be_in_flight_are_answered_in_order),
        cmocka_unit_test(a_request_larger_than_the_socket_buffer_arrives_whole),
        cmocka_unit_test(closing_answers_everything_that_is_outstanding),
        cmocka_unit_test(a_host_that_does_not_exist_is_said),
        cmocka_unit_test(the_clock_of_a_server_is_read),
    };
    if (!redis_server_is_installed()) return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
