/* What the random suite does not reach: sizes, damage, and rows seen from outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "redis_client.h"
#include "redis_server.h"
#include "suite.h"

static struct redis_server server;
static struct redis_client client;
static char url[160];

static int setup(void **state)
{
    (void)state;
    redis_server_do(&server, "FLUSHALL");
    (void)snprintf(url, sizeof url, "redis+unix://%s", server.socket);
    redis_client_open(&client, url, 4, NULL);
    redis_client_wait_ready(&client, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    redis_client_close(&client);
    return 0;
}

static const struct pawl_fence fence = { .epoch = 1, .nonce = { { 7 } } };
static const struct pawl_id inc = { { 1, 2, 3 } };

static struct pawl_id commit_id(uint32_t number)
{
    struct pawl_id id = { { 0xc0 } };
    memcpy(id.bytes + 12, &number, sizeof number);
    return id;
}

static const struct redis_client_reply *acquire(void)
{
    struct pawl_store_request request = { .op = PAWL_STORE_ACQUIRE,
                                          .acquire = { .nonce = fence.nonce, .now_ms = 1 } };
    return redis_client_call(&client, &request);
}

static const struct redis_client_reply *create(const char *instance)
{
    struct pawl_store_request request = {
        .op = PAWL_STORE_CREATE,
        .create = { .instance = pawl_bytes_str(instance),
                    .request_id = PAWL_BYTES_LITERAL("r"),
                    .inc = inc,
                    .delivery = commit_id(0),
                    .body = PAWL_BYTES_LITERAL("start"),
                    .name = PAWL_BYTES_LITERAL("order"),
                    .created_ms = 1000 },
    };
    return redis_client_call(&client, &request);
}

static struct pawl_store_request commit_request(const char *instance, uint32_t number)
{
    static struct pawl_id first;
    first = commit_id(0);
    struct pawl_store_request request = {
        .op = PAWL_STORE_COMMIT,
        .commit = { .fence = fence,
                    .instance = pawl_bytes_str(instance),
                    .inc = inc,
                    .gen = 1,
                    .last = commit_id(number - 1),
                    .id = commit_id(number),
                    .now_ms = 2000,
                    .inbox_consumed = 1,
                    .consumed_count = number == 1 ? 1 : 0,
                    .consumed = &first,
                    .history_max = PAWL_HISTORY_EVENTS_MAX,
                    .status = PAWL_STATUS_RUNNING },
    };
    return request;
}

static const struct redis_client_reply *load(const char *instance)
{
    struct pawl_store_request request = {
        .op = PAWL_STORE_LOAD,
        .load = { .want = PAWL_LOAD_PENDING | PAWL_LOAD_INBOX | PAWL_LOAD_HISTORY,
                  .instance = pawl_bytes_str(instance),
                  .history_max = 512,
                  .history_size_max = 1u << 20 },
    };
    return redis_client_call(&client, &request);
}

static const struct redis_client_reply *purge(const char *instance)
{
    struct pawl_store_request request = {
        .op = PAWL_STORE_PURGE,
        .purge = { .instance = pawl_bytes_str(instance), .force = true },
    };
    return redis_client_call(&client, &request);
}

static size_t keys_count(const char *pattern)
{
    redisReply *reply = redis_server_command(&server, NULL, "KEYS %s", pattern);
    size_t count = reply->elements;
    freeReplyObject(reply);
    return count;
}

#define ROWS PAWL_TURN_ACTIONS_MAX

static void a_commit_with_ten_thousand_rows_of_everything_is_applied_and_purged(void **state)
{
    (void)state;
    assert_int_equal(acquire()->err, PAWL_OK);
    assert_int_equal(create("wide")->err, PAWL_OK);
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    struct pawl_store_request request = commit_request("wide", 1);
    struct pawl_commit *commit = &request.commit;
    commit->events_count = ROWS;
    commit->events = PAWL_ARENA_ARRAY(&arena, struct pawl_bytes, ROWS);
    commit->pending_added_count = ROWS;
    commit->pending_added = PAWL_ARENA_ARRAY(&arena, struct pawl_pending, ROWS);
    commit->reminders_added_count = ROWS;
    commit->reminders_added = PAWL_ARENA_ARRAY(&arena, struct pawl_reminder, ROWS);
    commit->messages_count = ROWS;
    commit->messages = PAWL_ARENA_ARRAY(&arena, struct pawl_message_row, ROWS);
    for (uint32_t i = 0; i < ROWS; i++) {
        struct pawl_op op = { .kind = 'a', .id = i };
        commit->events[i] = pawl_arena_printf(&arena, "event %u", i);
        commit->pending_added[i] =
            (struct pawl_pending){ .op = op, .nonce = i, .history_index = i };
        commit->reminders_added[i] = (struct pawl_reminder){ .kind = PAWL_REMINDER_ACTIVITY,
                                                             .due_ms = 5000,
                                                             .instance = commit->instance,
                                                             .inc = inc,
                                                             .gen = 1,
                                                             .op = op,
                                                             .nonce = i };
        commit->messages[i] =
            (struct pawl_message_row){ .id = commit_id(100 + i), .body = PAWL_BYTES_LITERAL("m") };
    }
    assert_string_equal(redis_client_call(&client, &request)->text,
                        "commit OK token=0 partition=0 inbox=1..1");
    assert_int_equal(keys_count("*||wide||1||history-*"), ROWS);

    const struct redis_client_reply *loaded = load("wide");
    assert_int_equal(loaded->err, PAWL_OK);
    assert_non_null(strstr(
        loaded->text, "pending a:9999 nonce=270f state=1 index=9999 event=\"event\\x209999\""));

    struct pawl_store_request done = commit_request("wide", 2);
    done.commit.pending_done_count = ROWS;
    done.commit.pending_done = PAWL_ARENA_ARRAY(&arena, struct pawl_op, ROWS);
    for (uint32_t i = 0; i < ROWS; i++) done.commit.pending_done[i] = commit->pending_added[i].op;
    assert_int_equal(redis_client_call(&client, &done)->err, PAWL_OK);
    assert_int_equal(keys_count("*||wide||pending"), 0);

    assert_int_equal(purge("wide")->err, PAWL_OK);
    assert_int_equal(keys_count("*||wide||*"), 0);
    redisReply *left = redis_server_command(&server, NULL, "ZCARD {test||app||000}||reminders");
    assert_int_equal(left->integer, ROWS); /* those of the messages */
    freeReplyObject(left);
    pawl_arena_deinit(&arena);
}

static void a_table_version_is_compared_in_all_its_64_bits(void **state)
{
    (void)state;
    struct pawl_store_request request = {
        .op = PAWL_STORE_ACQUIRE, .acquire = { .table_version = UINT64_MAX - 1, .nonce = { { 1 } } }
    };
    assert_int_equal(redis_client_call(&client, &request)->err, PAWL_OK);
    request.acquire.nonce.bytes[0] = 2;
    request.acquire.table_version = UINT64_MAX - 2;
    assert_string_equal(redis_client_call(&client, &request)->text,
                        "acquire CONFLICT token=0 partition=0 table=18446744073709551614");
    request.acquire.table_version = 9;
    assert_int_equal(redis_client_call(&client, &request)->err, PAWL_E_CONFLICT);
    request.acquire.table_version = UINT64_MAX;
    assert_string_equal(redis_client_call(&client, &request)->text,
                        "acquire OK token=0 partition=0 table=18446744073709551615 epoch=2");
}

static void a_lost_row_makes_a_load_corrupt_and_names_the_key(void **state)
{
    (void)state;
    assert_int_equal(acquire()->err, PAWL_OK);
    assert_int_equal(create("torn")->err, PAWL_OK);
    redis_server_do(&server, "DEL {test||app||000}||torn||inbox-000000");
    const struct redis_client_reply *loaded = load("torn");
    assert_int_equal(loaded->err, PAWL_E_CORRUPT);
    assert_non_null(strstr(loaded->message, "{test||app||000}||torn||inbox-000000"));
}

static void a_key_of_another_type_is_corrupt(void **state)
{
    (void)state;
    redis_server_do(&server, "SET {test||app||000}||odd||metadata x");
    const struct redis_client_reply *loaded = load("odd");
    assert_int_equal(loaded->err, PAWL_E_CORRUPT);
    assert_non_null(strstr(loaded->message, "WRONGTYPE"));
}

static void damaged_metadata_is_corrupt(void **state)
{
    (void)state;
    assert_int_equal(create("bad")->err, PAWL_OK);
    redis_server_do(&server, "HSET {test||app||000}||bad||metadata created_ms soon");
    assert_int_equal(load("bad")->err, PAWL_E_CORRUPT);
}

/* Members with a little damage: the script and the reference must agree on each. */
static size_t member_damage(struct pawl_rng *rng, char member[static 128])
{
    static const char *const whole[] = {
        "w|inst|01020300000000000000000000000000|0|-|-",
        "t|a|b|01020300000000000000000000000000|2|t:7|00000000000000ff",
        "c|x|01020300000000000000000000000000|4294967295|c:4294967295|0123456789abcdef",
        "o|01020300000000000000000000000000",
    };
    static const char letters[] = "|0-:awtco1F f\n\xff";
    size_t size = (size_t)snprintf(member, 128, "%s", whole[pawl_rng_below(rng, 4)]);
    for (uint64_t changes = pawl_rng_below(rng, 3); changes > 0; changes--) {
        size_t at = pawl_rng_below(rng, size);
        switch (pawl_rng_below(rng, 3)) {
        case 0: member[at] = letters[pawl_rng_below(rng, sizeof letters)]; break;
        case 1: memmove(member + at, member + at + 1, --size - at); break;
        default:
            memmove(member + at + 1, member + at, size++ - at);
            member[at] = letters[pawl_rng_below(rng, sizeof letters)];
        }
    }
    return size;
}

static void reminder_put(redisContext *redis, int due, const char *member, size_t size)
{
    char score[16];
    (void)snprintf(score, sizeof score, "%d", due);
    const char *words[] = { "ZADD", "{test||app||000}||reminders", score, member };
    const size_t sizes[] = { 4, strlen(words[1]), strlen(score), size };
    redisReply *reply = redisCommandArgv(redis, 4, words, sizes);
    assert_non_null(reply);
    assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
    freeReplyObject(reply);
}

static void unreadable_reminders_are_moved_aside_as_in_the_reference(void **state)
{
    (void)state;
    struct pawl_mem *mem = pawl_mem_store_new();
    struct pawl_arena arena;
    struct pawl_rng rng;
    pawl_arena_init(&arena);
    pawl_rng_init(&rng, 7);
    assert_int_equal(acquire()->err, PAWL_OK);
    struct pawl_store_request request = { .op = PAWL_STORE_ACQUIRE,
                                          .acquire = { .nonce = fence.nonce, .now_ms = 1 } };
    struct pawl_store_reply reply;
    pawl_mem_store_apply(mem, &request, &arena, &reply);
    redisContext *redis = redisConnectUnix(server.socket);
    for (int i = 0; i < 2000; i++) {
        char member[128];
        size_t size = member_damage(&rng, member);
        pawl_mem_store_plant_reminder(mem, 0, pawl_bytes_make(member, size), i);
        reminder_put(redis, i, member, size);
    }
    redisFree(redis);
    uint32_t unreadable = 0, items = 0;
    struct pawl_store_request poll = { .op = PAWL_STORE_POLL,
                                       .poll = { .fence = fence, .now_ms = 5000, .max = 100 } };
    do {
        pawl_arena_reset(&arena);
        pawl_mem_store_apply(mem, &poll, &arena, &reply);
        unreadable += reply.poll.unreadable;
        items += reply.poll.items_count;
        assert_string_equal(
            redis_client_call(&client, &poll)->text,
            pawl_arena_printf(&arena, "%.*s", PAWL_BYTES_FMT(suite_reply_text(&arena, &reply)))
                .data);
    } while (reply.poll.next_due_ms != 0 && reply.poll.next_due_ms <= 5000);
    assert_in_range(unreadable, 300, 2000);
    assert_in_range(items, 50, 2000);
    redisReply *kept = redis_server_command(&server, NULL, "ZCARD {test||app||000}||quarantine");
    assert_int_equal(kept->integer, unreadable);
    freeReplyObject(kept);
    pawl_arena_deinit(&arena);
    pawl_mem_store_free(mem);
}

static void a_due_time_that_is_none_is_moved_aside_too(void **state)
{
    (void)state;
    assert_int_equal(acquire()->err, PAWL_OK);
    redis_server_do(&server, "ZADD {test||app||000}||reminders -inf w|a|x 1.5 w|b|x 1e300 w|c|x");
    struct pawl_store_request poll = { .op = PAWL_STORE_POLL,
                                       .poll = { .fence = fence, .now_ms = 5000, .max = 100 } };
    assert_non_null(strstr(redis_client_call(&client, &poll)->text, "unreadable=2 next_due=0"));
    redisReply *kept =
        redis_server_command(&server, NULL, "ZRANGE {test||app||000}||quarantine 0 -1 WITHSCORES");
    assert_int_equal(kept->elements, 4);
    assert_string_equal(kept->element[0]->str, "w|a|x");
    assert_string_equal(kept->element[1]->str, "-inf");
    freeReplyObject(kept);
}

static void a_look_makes_nothing_and_takes_any_number_of_partitions(void **state)
{
    (void)state;
    static struct redis_client looking;
    redis_client_open(&looking, url, 0, NULL);
    redis_client_wait_ready(&looking, true);
    assert_int_equal(looking.store->partitions, 4);
    redis_client_close(&looking);

    redis_server_do(&server, "FLUSHALL");
    redis_client_open(&looking, url, 0, NULL);
    while (!strstr(looking.why, "nothing is stored of app \"app\" in namespace \"test\""))
        uv_run(&looking.loop, UV_RUN_ONCE);
    redisReply *size = redis_server_command(&server, NULL, "DBSIZE");
    assert_int_equal(size->integer, 0);
    freeReplyObject(size);
    redis_client_close(&looking);
}

static void a_request_for_a_partition_that_does_not_exist_is_invalid(void **state)
{
    (void)state;
    struct pawl_store_request request = { .op = PAWL_STORE_OUTDONE, .partition = 4 };
    assert_int_equal(redis_client_call(&client, &request)->err, PAWL_E_INVALID);
}

static void metadata_is_readable_with_redis_cli(void **state)
{
    (void)state;
    assert_int_equal(create("plain")->err, PAWL_OK);
    redisReply *reply = redis_server_command(&server, NULL,
                                             "HMGET {test||app||000}||plain||metadata inc gen "
                                             "status name created_ms inbox_tail");
    static const char *const wanted[] = {
        "01020300000000000000000000000000", "1", "6", "order", "1000", "1"
    };
    for (size_t i = 0; i < 6; i++) assert_string_equal(reply->element[i]->str, wanted[i]);
    freeReplyObject(reply);
}

static const char *query_text(enum pawl_query_order order, bool count_only)
{
    struct pawl_store_request request = { .op = PAWL_STORE_QUERY,
                                          .query = { .order = order,
                                                     .count_only = count_only,
                                                     .status_mask = 1u << PAWL_STATUS_PENDING,
                                                     .name = PAWL_BYTES_LITERAL("order"),
                                                     .limit = 1000,
                                                     .scan_max = 1000 } };
    return redis_client_call(&client, &request)->text;
}

/* As a version without an index left them. */
static void create_many_without_index(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "i-%u", (unsigned)i);
        assert_int_equal(create(name)->err, PAWL_OK);
    }
    redis_server_do(&server, "DEL {test||app||000}||ids {test||app||000}||created||6||all "
                             "{test||app||000}||created||6||name:order");
}

static void instances_of_a_time_without_index_get_into_it_with_the_polls(void **state)
{
    (void)state;
    assert_int_equal(acquire()->err, PAWL_OK);
    create_many_without_index(450);
    assert_non_null(strstr(query_text(PAWL_QUERY_CREATED, false), "i-449"));
    assert_non_null(strstr(query_text(PAWL_QUERY_ID, false), "BUSY"));
    assert_non_null(strstr(query_text(PAWL_QUERY_CREATED, true), "BUSY"));

    struct pawl_store_request poll = { .op = PAWL_STORE_POLL,
                                       .poll = { .fence = fence, .now_ms = 1, .max = 1 } };
    uint32_t polls = 0;
    while (strstr(query_text(PAWL_QUERY_CREATED, true), "BUSY")) {
        assert_int_equal(redis_client_call(&client, &poll)->err, PAWL_OK);
        assert_true(++polls < 10);
    }
    assert_true(polls > 1); /* not all of it at once */
    assert_non_null(strstr(query_text(PAWL_QUERY_CREATED, true), "6:450"));
    assert_non_null(strstr(query_text(PAWL_QUERY_ID, false), "i-449"));
}

static void damaged_tags_hinder_no_purge(void **state)
{
    (void)state;
    assert_int_equal(create("odd")->err, PAWL_OK);
    redis_server_do(&server, "HSET {test||app||000}||odd||metadata tags \xc1");
    assert_int_equal(purge("odd")->err, PAWL_OK);
    assert_non_null(strstr(query_text(PAWL_QUERY_CREATED, true), "OK"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_commit_with_ten_thousand_rows_of_everything_is_applied_and_purged, setup, teardown),
        cmocka_unit_test_setup_teardown(a_table_version_is_compared_in_all_its_64_bits, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_lost_row_makes_a_load_corrupt_and_names_the_key, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_key_of_another_type_is_corrupt, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_metadata_is_corrupt, setup, teardown),
        cmocka_unit_test_setup_teardown(unreadable_reminders_are_moved_aside_as_in_the_reference,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_due_time_that_is_none_is_moved_aside_too, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_look_makes_nothing_and_takes_any_number_of_partitions,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_request_for_a_partition_that_does_not_exist_is_invalid,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(metadata_is_readable_with_redis_cli, setup, teardown),
        cmocka_unit_test_setup_teardown(
            instances_of_a_time_without_index_get_into_it_with_the_polls, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_tags_hinder_no_purge, setup, teardown),
    };
    if (!redis_server_is_installed()) return 77;
    redis_server_start(&server, NULL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    redis_server_stop(&server);
    return failed;
}
