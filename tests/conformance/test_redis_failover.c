/* Masters that die or are replaced under load, and slots that are torn apart for a while.
 * The load creates instances and gives each one turn, sends again what failed, and knows
 * what it was told had happened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "redis_client.h"
#include "redis_group.h"
#include "state/io/redis_lease.h"
#include "state/io/redis_slots.h"

#define PARTITIONS     16u
#define INSTANCES_MAX  200000u
#define IN_FLIGHT_MAX  64u
#define LOAD_MS_MAX    600000u
#define HELD_SOON_MS   4000u /* then a request without a server is refused, and asked again */
#define AFTER_FAILOVER 2000u /* instances more, when things are well again */

static struct redis_group group;
static struct redis_client client;

/* Load --------------------------------------------------------------------------- */

enum step { NEW, CREATED, DONE };

struct load {
    enum step steps[INSTANCES_MAX]; /* what was acknowledged */
    uint32_t started;
    uint32_t done;
    uint32_t in_flight;
    uint32_t failures; /* answers UNKNOWN and UNAVAILABLE */
    uint32_t again[INSTANCES_MAX];
    uint32_t again_count;
    uint64_t started_ms;
};

static struct load load;

static struct pawl_id number_id(uint8_t kind, uint32_t number)
{
    struct pawl_id id = { { kind } };
    memcpy(id.bytes + 12, &number, sizeof number);
    return id;
}

static const struct pawl_fence fence = { .epoch = 1, .nonce = { { 7 } } };

static struct pawl_store_request create_request(uint32_t number, struct pawl_bytes name)
{
    return (struct pawl_store_request){ .op = PAWL_STORE_CREATE,
                                        .create = { .instance = name,
                                                    .request_id = PAWL_BYTES_LITERAL("r"),
                                                    .inc = number_id(1, number),
                                                    .delivery = number_id(2, number),
                                                    .body = PAWL_BYTES_LITERAL("start"),
                                                    .name = PAWL_BYTES_LITERAL("order"),
                                                    .created_ms = 1000 } };
}

static struct pawl_id one_row[1];

static struct pawl_store_request commit_request(uint32_t number, struct pawl_bytes name)
{
    one_row[0] = number_id(2, number);
    return (struct pawl_store_request){ .op = PAWL_STORE_COMMIT,
                                        .commit = { .fence = fence,
                                                    .instance = name,
                                                    .inc = number_id(1, number),
                                                    .gen = 1,
                                                    .last = number_id(2, number),
                                                    .id = number_id(3, number),
                                                    .now_ms = 2000,
                                                    .inbox_consumed = 1,
                                                    .consumed_count = 1,
                                                    .consumed = one_row,
                                                    .history_max = 100,
                                                    .status = PAWL_STATUS_RUNNING } };
}

static struct pawl_store_request load_request(struct pawl_bytes name)
{
    return (struct pawl_store_request){ .op = PAWL_STORE_LOAD, .load = { .instance = name } };
}

static void ask(uint32_t number, struct pawl_store_request (*make)(uint32_t, struct pawl_bytes))
{
    char name[16];
    (void)snprintf(name, sizeof name, "i%u", (unsigned)number);
    struct pawl_store_request request = make(number, pawl_bytes_str(name));
    request.token = number;
    request.partition = number % PARTITIONS;
    redis_client_submit(&client, &request);
    load.in_flight++;
}

static void load_ask(uint32_t number)
{
    ask(number, load.steps[number] == NEW ? create_request : commit_request);
}

static void load_take(const struct redis_client_reply *reply)
{
    uint32_t number = (uint32_t)reply->token;
    load.in_flight--;
    if (reply->err == PAWL_E_UNKNOWN || reply->err == PAWL_E_UNAVAILABLE) {
        load.failures++;
        load.again[load.again_count++] = number;
        return;
    }
    /* A create that was sent again may find itself. */
    bool is_again = load.steps[number] == NEW && reply->err == PAWL_E_DUPLICATE;
    if (reply->err != PAWL_OK && !is_again) print_message("%s %s\n", reply->text, reply->message);
    assert_true(reply->err == PAWL_OK || is_again);
    load.steps[number]++;
    if (load.steps[number] == DONE)
        load.done++;
    else
        load_ask(number);
}

static void on_alarm(uv_timer_t *timer)
{
    (void)timer; /* only to wake the loop */
}

/* One turn of the loop with as much as may be in flight. */
static void load_turn(bool grow)
{
    uint32_t again_count = load.again_count;
    load.again_count = 0;
    for (uint32_t i = 0; i < again_count; i++) load_ask(load.again[i]);
    while (grow && load.in_flight < IN_FLIGHT_MAX && load.started < INSTANCES_MAX)
        load_ask(load.started++);
    redis_client_flush(&client);
    (void)uv_run(&client.loop, UV_RUN_ONCE);
    uint32_t count = client.replies_count;
    for (uint32_t i = 0; i < count; i++) load_take(&client.replies[i]);
    redis_client_forget(&client);
    bool is_late = uv_hrtime() / 1000000 - load.started_ms > LOAD_MS_MAX;
    if (is_late) {
        print_message("late: %u done, %u failures, %s\n", load.done, load.failures, client.why);
        for (uint32_t i = 0; i < group.count; i++) redis_server_print_log(&group.servers[i]);
        for (uint32_t i = 0; i < group.sentinels_count; i++)
            redis_server_print_log(&group.sentinels[i]);
    }
    assert_false(is_late);
}

static void load_until_done(uint32_t count)
{
    while (load.done < count) load_turn(true);
}

static void load_drain(void)
{
    while (load.in_flight > 0 || load.again_count > 0) load_turn(false);
}

static uv_timer_t alarm_timer;

/* A server that is killed is noticed at once: no test here needs a short timeout. */
static void begin_held(const char *parameters, uint32_t held_ms)
{
    struct pawl_redis_options options = redis_client_patient;
    options.held_ms = held_ms;
    static struct load none;
    load = none;
    load.started_ms = uv_hrtime() / 1000000;
    char url[700];
    (void)snprintf(url, sizeof url, "%s%s", group.url, parameters);
    redis_client_open(&client, url, PARTITIONS, &options);
    (void)uv_timer_init(&client.loop, &alarm_timer);
    (void)uv_timer_start(&alarm_timer, on_alarm, 20, 20);
    redis_client_wait_ready(&client, true);
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        struct pawl_store_request request = { .op = PAWL_STORE_ACQUIRE,
                                              .partition = i,
                                              .acquire = { .nonce = fence.nonce } };
        const struct redis_client_reply *reply = redis_client_call(&client, &request);
        assert_int_equal(reply->err, PAWL_OK);
    }
    redis_client_forget(&client);
}

static void begin(const char *parameters)
{
    begin_held(parameters, HELD_SOON_MS);
}

static void finish(void)
{
    uv_close((uv_handle_t *)&alarm_timer, NULL);
    redis_client_close(&client);
    redis_group_stop(&group);
}

/* What was acknowledged is there: every instance with its one turn. */
static void check_nothing_lost(void)
{
    load_drain();
    for (uint32_t number = 0; number < load.started; number++) {
        char name[16];
        (void)snprintf(name, sizeof name, "i%u", (unsigned)number);
        struct pawl_store_request request = load_request(pawl_bytes_str(name));
        request.partition = number % PARTITIONS;
        redis_client_submit(&client, &request);
        if (client.replies_count + 64 < REDIS_CLIENT_REPLIES_MAX && number % 64 != 63
            && number + 1 < load.started)
            continue;
        redis_client_flush(&client);
        redis_client_wait_replies(&client, number % 64 + 1);
        for (uint32_t i = 0; i < client.replies_count; i++) {
            assert_int_equal(client.replies[i].err, PAWL_OK);
            assert_non_null(strstr(client.replies[i].text, " turn=1 "));
        }
        redis_client_forget(&client);
    }
}

static const char *const careful[] = { "--appendonly",
                                       "yes",
                                       "--appendfsync",
                                       "always",
                                       "--min-replicas-to-write",
                                       "1",
                                       "--min-replicas-max-lag",
                                       "2",
                                       NULL };

/* Sentinel ----------------------------------------------------------------------- */

static void a_master_that_is_killed_is_replaced_and_loses_nothing_acknowledged(void **state)
{
    (void)state;
    redis_group_start_sentinel(&group, careful);
    begin("?durability=d2");
    assert_null(strstr(client.why, "durability"));
    load_until_done(1000);
    redis_group_replace_soon(&group);
    redis_server_kill(&group.servers[0]);
    while (!redis_group_is_master(&group, 1) && !redis_group_is_master(&group, 2)) load_turn(true);
    assert_true(load.failures > 0);
    load_until_done(load.done + AFTER_FAILOVER);
    check_nothing_lost();
    assert_true(client.ready);
    finish();
}

/* The former master is well and would go on answering, and so would the replica that is
 * not promoted: only all of them together know what the next master knows. */
static void a_planned_failover_moves_the_connection_and_loses_nothing(void **state)
{
    (void)state;
    redis_group_start_sentinel(&group, careful);
    begin("?durability=d2&replicas=2");
    load_until_done(1000);
    redis_server_do(&group.sentinels[0], "SENTINEL FAILOVER pawl");
    while (redis_group_is_master(&group, 0)) load_turn(true);
    load_until_done(load.done + AFTER_FAILOVER);
    check_nothing_lost();
    finish();
}

static void sentinels_that_are_away_are_passed_over(void **state)
{
    (void)state;
    redis_group_start_sentinel(&group, NULL);
    redis_server_kill(&group.sentinels[0]);
    redis_server_pause(&group.sentinels[1]);
    begin("");
    load_until_done(100);
    load_drain();
    redis_server_continue(&group.sentinels[1]);
    finish();
}

static void a_service_that_no_sentinel_knows_is_said(void **state)
{
    (void)state;
    redis_group_start_sentinel(&group, NULL);
    char url[600];
    (void)snprintf(url, sizeof url, "%s2", group.url);
    redis_client_open(&client, url, PARTITIONS, NULL);
    redis_client_wait_ready(&client, false);
    assert_non_null(strstr(client.why, "no Redis sentinel helps"));
    assert_non_null(strstr(client.why, "knows no master named: pawl2"));
    redis_client_close(&client);
    redis_group_stop(&group);
}

/* Cluster ------------------------------------------------------------------------ */

static uint16_t slot_of_partition(uint32_t partition)
{
    char key[40];
    (void)snprintf(key, sizeof key, "{test||app||%03u}", (unsigned)partition);
    return pawl_redis_slot(pawl_bytes_str(key));
}

static void a_shard_that_is_killed_is_replaced_and_loses_nothing_acknowledged(void **state)
{
    (void)state;
    redis_group_start_cluster(&group, REDIS_SERVER_PLAIN, true, careful);
    begin("?durability=d2");
    load_until_done(1000);
    redis_group_replace_soon(&group);
    redis_server_kill(&group.servers[0]);
    while (!redis_group_is_master(&group, 3)) load_turn(true);
    redis_server_restart(&group.servers[0]); /* as the replica that d2 needs */
    load_until_done(load.done + AFTER_FAILOVER);
    check_nothing_lost();
    assert_true(client.ready);
    finish();
}

/* Redis gives one up that takes more than 5 s. */
static void failover_under_load(uint32_t shard)
{
    uint32_t replica = shard + REDIS_GROUP_SHARDS;
    uint64_t asked_ms = 0;
    while (!redis_group_is_master(&group, replica)) {
        uint64_t now_ms = uv_hrtime() / 1000000;
        if (now_ms - asked_ms > 6000) {
            redis_server_do(&group.servers[replica], "CLUSTER FAILOVER");
            asked_ms = now_ms;
        }
        load_turn(true);
    }
}

static void a_failover_that_was_asked_for_fails_no_request_for_good(void **state)
{
    (void)state;
    redis_group_start_cluster(&group, REDIS_SERVER_PLAIN, true, NULL);
    redis_group_replace_soon(&group);
    begin("");
    for (uint32_t shard = 0; shard < REDIS_GROUP_SHARDS; shard++) {
        load_until_done(load.done + 500);
        failover_under_load(shard);
    }
    load_until_done(load.done + AFTER_FAILOVER);
    check_nothing_lost();
    finish();
}

/* One attempt for each partition. */
static bool all_are_created(void)
{
    uint32_t count = 0;
    for (uint32_t number = 0; number < PARTITIONS; number++) ask(number, create_request);
    redis_client_flush(&client);
    redis_client_wait_replies(&client, PARTITIONS);
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        pawl_err err = client.replies[i].err;
        bool is_there = err == PAWL_OK || err == PAWL_E_DUPLICATE;
        assert_true(is_there || err == PAWL_E_UNAVAILABLE);
        count += is_there;
    }
    redis_client_forget(&client);
    return count == PARTITIONS;
}

static void the_other_shards_go_on_while_one_is_away(void **state)
{
    (void)state;
    static const char *const partial[] = { "--cluster-require-full-coverage", "no", NULL };
    redis_group_start_cluster(&group, REDIS_SERVER_PLAIN, false, partial);
    begin("");
    redis_server_kill(&group.servers[2]);
    for (uint32_t number = 0; number < PARTITIONS; number++) ask(number, create_request);
    redis_client_flush(&client);
    redis_client_wait_replies(&client, PARTITIONS);
    uint32_t refused = 0;
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        const struct redis_client_reply *reply = &client.replies[i];
        uint16_t slot = slot_of_partition(reply->partition);
        bool is_away = slot >= 2u * 16384 / 3;
        refused += is_away;
        assert_true(is_away ? reply->err == PAWL_E_UNAVAILABLE || reply->err == PAWL_E_UNKNOWN
                            : reply->err == PAWL_OK);
    }
    assert_true(refused > 0);
    assert_true(client.ready);
    redis_server_restart(&group.servers[2]);
    redis_client_forget(&client);
    while (!all_are_created()) continue; /* it joins the others when it can */
    finish();
}

/* Half of the partition's keys are here, half there: whoever runs a script on either half
 * takes the other for never written. So nothing is answered until all are together. */
static void a_partition_whose_slot_is_torn_apart_stands_still_and_the_others_go_on(void **state)
{
    (void)state;
    redis_group_start_cluster(&group, REDIS_SERVER_PLAIN, false, NULL);
    begin_held("", REDIS_CLIENT_PATIENCE_MS);
    load_until_done(300);
    load_drain();
    uint16_t slot = slot_of_partition(5);
    uint32_t from = redis_group_slot_owner(&group, slot);
    uint32_t to = (from + 1) % group.count;
    redis_group_slot_begin(&group, slot, from, to);
    assert_int_equal(redis_group_slot_move_keys(&group, slot, from, to, 20), 20);

    load.in_flight = 0;
    uint32_t torn = 5; /* i5 and i21 are of partition 5, i6 is not */
    ask(torn, create_request);
    ask(torn + PARTITIONS, create_request);
    redis_client_flush(&client);
    for (uint32_t i = 0; i < 50; i++) {
        struct pawl_store_request other = load_request(PAWL_BYTES_LITERAL("i6"));
        other.partition = 6;
        uint32_t before = client.replies_count;
        redis_client_submit(&client, &other);
        redis_client_flush(&client);
        redis_client_wait_replies(&client, before + 1);
        assert_int_equal(client.replies[before].partition, 6);
    }
    redis_client_forget(&client);
    while (redis_group_slot_move_keys(&group, slot, from, to, 100) > 0) continue;
    redis_group_slot_end(&group, slot, from, to);
    redis_client_wait_replies(&client, 2);
    assert_int_equal(client.replies[0].token, torn);
    assert_int_equal(client.replies[1].token, torn + PARTITIONS);
    for (uint32_t i = 0; i < 2; i++) assert_int_equal(client.replies[i].err, PAWL_E_DUPLICATE);
    finish();
}

/* Lease -------------------------------------------------------------------------- */

struct lease_answer {
    bool is_there;
    pawl_err err;
    uint32_t epoch;
};

static void on_lease(void *context, const struct pawl_lease_reply *reply)
{
    struct lease_answer *answer = context;
    *answer = (struct lease_answer){ .is_there = true, .err = reply->err, .epoch = reply->epoch };
}

/* The epoch, after as many tries as it takes. */
static uint32_t lease_take(uv_loop_t *loop, struct pawl_lease *lease, struct lease_answer *answer)
{
    uint64_t end_ms = uv_hrtime() / 1000000 + LOAD_MS_MAX;
    for (;;) {
        const struct pawl_lease_request request = { .op = PAWL_LEASE_TAKE,
                                                    .holder = PAWL_BYTES_LITERAL("me"),
                                                    .address = PAWL_BYTES_LITERAL("here"),
                                                    .ttl_ms = 60000 };
        answer->is_there = false;
        lease->ops->submit(lease, &request);
        while (!answer->is_there) (void)uv_run(loop, UV_RUN_ONCE);
        if (answer->err == PAWL_OK) return answer->epoch;
        assert_true(answer->err == PAWL_E_UNKNOWN || answer->err == PAWL_E_UNAVAILABLE);
        assert_true(uv_hrtime() / 1000000 < end_ms);
    }
}

static void check_lease(uint32_t killed)
{
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    struct lease_answer answer = { .err = PAWL_OK };
    const struct pawl_redis_lease_config config = {
        .loop = &loop, .url = group.url, .name = "test", .on_reply = on_lease, .context = &answer
    };
    struct pawl_lease *lease = NULL;
    const char *message = NULL;
    assert_int_equal(pawl_redis_lease_open(&config, &lease, &message), PAWL_OK);
    assert_true(lease_take(&loop, lease, &answer) > 0);
    redis_group_replace_soon(&group);
    redis_server_kill(&group.servers[killed]);
    assert_true(lease_take(&loop, lease, &answer) > 0);
    lease->ops->close(lease);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void a_lease_follows_the_master_that_sentinels_name(void **state)
{
    (void)state;
    redis_group_start_sentinel(&group, NULL);
    check_lease(0);
    redis_group_stop(&group);
}

static void a_lease_follows_its_slot(void **state)
{
    (void)state;
    redis_group_start_cluster(&group, REDIS_SERVER_PLAIN, true, NULL);
    uint16_t slot = pawl_redis_slot(PAWL_BYTES_LITERAL("{pawl}||lease||test"));
    check_lease(redis_group_slot_owner(&group, slot));
    redis_group_stop(&group);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest usual[] = {
        cmocka_unit_test(a_master_that_is_killed_is_replaced_and_loses_nothing_acknowledged),
        cmocka_unit_test(sentinels_that_are_away_are_passed_over),
        cmocka_unit_test(a_service_that_no_sentinel_knows_is_said),
        cmocka_unit_test(the_other_shards_go_on_while_one_is_away),
        cmocka_unit_test(a_partition_whose_slot_is_torn_apart_stands_still_and_the_others_go_on),
    };
    const struct CMUnitTest slow[] = {
        cmocka_unit_test(a_planned_failover_moves_the_connection_and_loses_nothing),
        cmocka_unit_test(a_shard_that_is_killed_is_replaced_and_loses_nothing_acknowledged),
        cmocka_unit_test(a_failover_that_was_asked_for_fails_no_request_for_good),
        cmocka_unit_test(a_lease_follows_the_master_that_sentinels_name),
        cmocka_unit_test(a_lease_follows_its_slot),
    };
    if (!redis_server_is_installed()) return 77;
    bool is_slow = argc > 1 && strcmp(argv[1], "--slow") == 0;
    return is_slow ? cmocka_run_group_tests(slow, NULL, NULL)
                   : cmocka_run_group_tests(usual, NULL, NULL);
}
