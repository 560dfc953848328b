#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/rng.h"
#include "state/io/redis_slots.h"

static struct pawl_redis_reader *reader;
static struct pawl_redis_slots *slots;

static int begin(void **state)
{
    (void)state;
    reader = pawl_redis_reader_new();
    slots = PAWL_NEW(struct pawl_redis_slots);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    pawl_redis_reader_free(reader);
    pawl_mem_free(slots);
    return 0;
}

static pawl_err parse(const char *reply)
{
    const struct pawl_redis_value *value = NULL;
    assert_int_equal(pawl_redis_reader_feed(reader, reply, strlen(reply)), PAWL_OK);
    assert_int_equal(pawl_redis_reader_next(reader, &value), PAWL_OK);
    assert_non_null(value);
    return pawl_redis_slots_parse(value, "asked", slots);
}

static const char *master_of(uint16_t slot)
{
    uint16_t master = slots->masters[slot];
    return master == PAWL_REDIS_SLOT_NOBODY ? "nobody" : slots->nodes[master].text;
}

static uint16_t slot_of(const char *key)
{
    return pawl_redis_slot(pawl_bytes_str(key));
}

/* Slots as CLUSTER KEYSLOT tells them. */
static void a_key_has_the_slot_that_redis_gives_it(void **state)
{
    (void)state;
    assert_int_equal(slot_of("123456789"), 0x31c3);
    assert_int_equal(slot_of(""), 0);
    assert_int_equal(slot_of("foo"), 12182);
    assert_int_equal(slot_of("{user1000}.following"), slot_of("user1000"));
    assert_int_equal(slot_of("foo{bar}{zap}"), slot_of("bar"));
    assert_int_equal(slot_of("foo{}{bar}"), 8363);
    assert_int_equal(slot_of("foo{{bar}}zap"), slot_of("{bar"));
    assert_int_equal(slot_of("{open"), 7674);
}

static void ranges_have_masters_and_replicas_are_nodes_too(void **state)
{
    (void)state;
    assert_int_equal(parse("*2\r\n"
                           "*4\r\n:0\r\n:99\r\n"
                           "*3\r\n$8\r\n10.0.0.1\r\n:7000\r\n$2\r\nid\r\n"
                           "*3\r\n$8\r\n10.0.0.2\r\n:7001\r\n$2\r\nid\r\n"
                           "*3\r\n:200\r\n:16383\r\n*2\r\n$3\r\n::1\r\n:7002\r\n"),
                     PAWL_OK);
    assert_int_equal(slots->nodes_count, 3);
    assert_string_equal(master_of(0), "10.0.0.1:7000");
    assert_string_equal(master_of(99), "10.0.0.1:7000");
    assert_string_equal(master_of(100), "nobody");
    assert_string_equal(master_of(199), "nobody");
    assert_string_equal(master_of(16383), "[::1]:7002");
}

static void a_node_that_does_not_know_its_name_is_where_it_was_asked(void **state)
{
    (void)state;
    assert_int_equal(parse("*2\r\n"
                           "*3\r\n:0\r\n:1\r\n*2\r\n$0\r\n\r\n:7000\r\n"
                           "*3\r\n:2\r\n:3\r\n*2\r\n$-1\r\n:7001\r\n"),
                     PAWL_OK);
    assert_string_equal(master_of(0), "asked:7000");
    assert_string_equal(master_of(2), "asked:7001");
}

static void a_master_without_an_address_is_nobody(void **state)
{
    (void)state;
    assert_int_equal(parse("*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\nh\r\n:0\r\n"), PAWL_OK);
    assert_string_equal(master_of(0), "nobody");
}

static void what_is_no_map_is_refused(void **state)
{
    (void)state;
    static const char *const replies[] = {
        "+OK\r\n",
        "*1\r\n+OK\r\n",
        "*1\r\n*2\r\n:0\r\n:1\r\n",
        "*1\r\n*3\r\n:-1\r\n:1\r\n*2\r\n$1\r\nh\r\n:1\r\n",
        "*1\r\n*3\r\n:2\r\n:1\r\n*2\r\n$1\r\nh\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\nh\r\n:1\r\n",
        "*1\r\n*3\r\n$1\r\n0\r\n:1\r\n*2\r\n$1\r\nh\r\n:1\r\n",
    };
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++)
        assert_int_equal(parse(replies[i]), PAWL_E_PROTOCOL);
    assert_int_equal(parse("*0\r\n"), PAWL_OK);
    assert_int_equal(slots->nodes_count, 0);
}

static void more_nodes_than_there_is_room_for_are_not_seen(void **state)
{
    (void)state;
    for (uint32_t i = 0; i <= PAWL_REDIS_NODES_MAX; i++) {
        char text[96];
        if (i == 0)
            (void)snprintf(text, sizeof text, "*%u\r\n", PAWL_REDIS_NODES_MAX + 1);
        else
            (void)snprintf(text, sizeof text, "*3\r\n:%u\r\n:%u\r\n*2\r\n$1\r\nh\r\n:%u\r\n",
                           (unsigned)i, (unsigned)i, (unsigned)i);
        assert_int_equal(pawl_redis_reader_feed(reader, text, strlen(text)), PAWL_OK);
    }
    assert_int_equal(parse("*3\r\n:9000\r\n:9000\r\n*2\r\n$1\r\nh\r\n:9000\r\n"), PAWL_OK);
    assert_int_equal(slots->nodes_count, PAWL_REDIS_NODES_MAX);
    assert_string_equal(master_of(1024), "h:1024");
    assert_string_equal(master_of(9000), "nobody");
}

static void check_moved(const char *text, const char *wanted)
{
    struct pawl_redis_address address;
    pawl_err err = pawl_redis_moved_parse(pawl_bytes_str(text), "asked", &address);
    if (wanted) {
        assert_int_equal(err, PAWL_OK);
        assert_string_equal(address.text, wanted);
    } else {
        assert_int_equal(err, PAWL_E_PROTOCOL);
    }
}

static void moved_says_where_to(void **state)
{
    (void)state;
    check_moved("MOVED 3999 127.0.0.1:6381", "127.0.0.1:6381");
    check_moved("MOVED 3999 redis.example.org:6381", "redis.example.org:6381");
    check_moved("MOVED 3999 ::1:6381", "[::1]:6381");
    check_moved("MOVED 3999 :6381", "asked:6381");
    check_moved("MOVED 3999 h:0", NULL);
    check_moved("MOVED 3999 h:65536", NULL);
    check_moved("MOVED 3999 h:", NULL);
    check_moved("MOVED 3999 h", NULL);
    check_moved("MOVED", NULL);
    check_moved("MOVED 3999 ", NULL);
}

static void random_moves_stay_within_their_bounds(void **state)
{
    (void)state;
    static const char letters[] = "MOVED 0123456789:.[]a";
    struct pawl_rng rng;
    pawl_rng_init(&rng, 5);
    for (int round = 0; round < 20000; round++) {
        char text[400] = "";
        size_t size = pawl_rng_below(&rng, sizeof text - 1);
        for (size_t i = 0; i < size; i++)
            text[i] = letters[pawl_rng_below(&rng, sizeof letters - 1)];
        struct pawl_redis_address address;
        if (pawl_redis_moved_parse(pawl_bytes_str(text), "asked", &address)) continue;
        assert_true(address.host[0] != 0);
        assert_true(address.port[0] != 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_key_has_the_slot_that_redis_gives_it),
        TEST(ranges_have_masters_and_replicas_are_nodes_too),
        TEST(a_node_that_does_not_know_its_name_is_where_it_was_asked),
        TEST(a_master_without_an_address_is_nobody),
        TEST(what_is_no_map_is_refused),
        TEST(more_nodes_than_there_is_room_for_are_not_seen),
        TEST(moved_says_where_to),
        TEST(random_moves_stay_within_their_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
