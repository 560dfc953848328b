#include "placement/ring.h"

#include <stdio.h>
#include <stdlib.h>

#include "../base/expect.h"

#include "base/limits.h"

#define HOSTS_MAX 1001u

/* Hosts with names as real ones have: a common part and a few different digits. */
struct hosts {
    char texts[HOSTS_MAX][32];
    struct pawl_bytes names[HOSTS_MAX];
};

static struct hosts *hosts_new(uint32_t round)
{
    struct hosts *hosts = calloc(1, sizeof *hosts);
    assert_non_null(hosts);
    for (uint32_t i = 0; i < HOSTS_MAX; i++) {
        int size = snprintf(hosts->texts[i], sizeof hosts->texts[i], "orders-%u-%u", round, i);
        hosts->names[i] = pawl_bytes_make(hosts->texts[i], (size_t)size);
    }
    return hosts;
}

static uint32_t divide_up(uint32_t value, uint32_t by)
{
    return (value + by - 1) / by;
}

static void expect_balanced(uint32_t hosts, uint32_t partitions, const uint32_t *owners)
{
    uint32_t loads[HOSTS_MAX] = { 0 };
    for (uint32_t p = 0; p < partitions; p++) {
        assert_true(owners[p] < hosts);
        loads[owners[p]]++;
    }
    for (uint32_t h = 0; h < hosts; h++) {
        assert_true(loads[h] <= divide_up(5 * partitions, 4 * hosts));
        if (partitions >= 20 * hosts) assert_true(4 * loads[h] * hosts <= 5 * partitions);
    }
}

static void test_nobody_owns_anything_without_hosts(void **state)
{
    (void)state;
    uint32_t owners[8] = { 0 };
    pawl_ring_assign(0, NULL, 8, owners);
    for (uint32_t p = 0; p < 8; p++) assert_int_equal(owners[p], PAWL_RING_NOBODY);
    assert_int_equal(pawl_ring_pick(0, NULL, PAWL_BYTES_LITERAL("key")), PAWL_RING_NOBODY);
}

static void test_one_host_owns_everything(void **state)
{
    (void)state;
    struct pawl_bytes host = PAWL_BYTES_LITERAL("only");
    uint32_t owners[PAWL_PARTITIONS_MAX];
    pawl_ring_assign(1, &host, PAWL_PARTITIONS_MAX, owners);
    for (uint32_t p = 0; p < PAWL_PARTITIONS_MAX; p++) assert_int_equal(owners[p], 0);
}

static void test_the_order_of_the_hosts_does_not_matter(void **state)
{
    (void)state;
    struct hosts *hosts = hosts_new(1);
    struct pawl_bytes turned[7];
    uint32_t owners[200], turned_owners[200];
    for (uint32_t i = 0; i < 7; i++) turned[i] = hosts->names[(3 * i + 5) % 7];
    pawl_ring_assign(7, hosts->names, 200, owners);
    pawl_ring_assign(7, turned, 200, turned_owners);
    for (uint32_t p = 0; p < 200; p++) {
        EXPECT_BYTES(turned[turned_owners[p]], hosts->names[owners[p]]);
    }
    free(hosts);
}

/* Sidecars of different releases work on one list: this assignment never changes. */
static void test_the_assignment_is_the_same_in_every_release(void **state)
{
    (void)state;
    const struct pawl_bytes hosts[] = { PAWL_BYTES_LITERAL("a"), PAWL_BYTES_LITERAL("b"),
                                        PAWL_BYTES_LITERAL("c") };
    static const char expected[] = "cabbccbcbbabbbccaccacbaabacaaaba";
    uint32_t owners[32];
    char text[33] = { 0 };
    pawl_ring_assign(3, hosts, 32, owners);
    for (uint32_t p = 0; p < 32; p++) text[p] = (char)('a' + owners[p]);
    assert_string_equal(text, expected);

    const char *keys[] = { "i::1::0", "i::2::0", "i::3::0", "i::4::0", "i::5::0", "i::6::0" };
    char picks[7] = { 0 };
    for (uint32_t k = 0; k < 6; k++) {
        picks[k] = (char)('a' + pawl_ring_pick(3, hosts, pawl_bytes_str(keys[k])));
    }
    assert_string_equal(picks, "ccacac");
}

static void test_nobody_is_overloaded_for_any_number_of_hosts(void **state)
{
    (void)state;
    static const uint32_t partitions[] = { 1, 3, 128, 1000, 4096 };
    struct hosts *hosts = hosts_new(2);
    uint32_t owners[PAWL_PARTITIONS_MAX];
    for (uint32_t i = 0; i < sizeof partitions / sizeof partitions[0]; i++) {
        uint32_t step = partitions[i] > 128 ? 131 : 7;
        for (uint32_t n = 1; n <= 1000; n += n < 40 ? 1 : step) {
            pawl_ring_assign(n, hosts->names, partitions[i], owners);
            expect_balanced(n, partitions[i], owners);
        }
    }
    free(hosts);
}

/* What one join moves; a leave is the same the other way round. */
static uint32_t moved_by_join(const struct hosts *hosts, uint32_t n, uint32_t partitions)
{
    uint32_t before[PAWL_PARTITIONS_MAX], after[PAWL_PARTITIONS_MAX];
    pawl_ring_assign(n, hosts->names, partitions, before);
    pawl_ring_assign(n + 1, hosts->names, partitions, after);
    uint32_t moved = 0;
    for (uint32_t p = 0; p < partitions; p++) moved += before[p] != after[p];
    return moved;
}

struct moves {
    uint32_t joins;
    uint32_t sum;
    uint32_t most;
};

static struct moves moves_measure(uint32_t n, uint32_t partitions, uint32_t joins)
{
    struct moves moves = { .joins = joins };
    for (uint32_t round = 0; round < joins; round++) {
        struct hosts *hosts = hosts_new(round);
        uint32_t moved = moved_by_join(hosts, n, partitions);
        moves.sum += moved;
        if (moved > moves.most) moves.most = moved;
        free(hosts);
    }
    return moves;
}

static double ideal_of(uint32_t n, uint32_t partitions)
{
    return (double)partitions / (n + 1);
}

static void moves_print(uint32_t n, uint32_t partitions, struct moves moves)
{
    double ideal = ideal_of(n, partitions);
    printf("  %4u + 1 hosts, %4u partitions: a join moves %.2f x its share, at most %.2f x\n", n,
           partitions, moves.sum / (ideal * moves.joins), moves.most / ideal);
}

static void test_a_join_moves_little_more_than_its_share(void **state)
{
    (void)state;
    static const struct {
        uint32_t n, partitions, joins;
    } cases[] = {
        { 3, 128, 60 },   { 5, 128, 60 },   { 7, 128, 60 },   { 6, 128, 60 },  { 4, 128, 60 },
        { 3, 1024, 30 },  { 10, 512, 40 },  { 14, 256, 40 },  { 30, 512, 30 }, { 25, 512, 30 },
        { 15, 1024, 30 }, { 50, 1024, 20 }, { 63, 1024, 20 }, { 3, 4096, 10 }, { 60, 4096, 10 },
        { 100, 4096, 8 }, { 200, 4096, 6 },
    };
    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t n = cases[i].n, partitions = cases[i].partitions;
        struct moves moves = moves_measure(n, partitions, cases[i].joins);
        moves_print(n, partitions, moves);
        double ideal = ideal_of(n, partitions);
        assert_true(moves.sum <= 1.3 * ideal * moves.joins);
        if (partitions >= 64 * (n + 1)) assert_true(moves.most <= (uint32_t)(1.3 * ideal) + 1);
    }
}

/* With a handful of partitions per host the integers rule: see ring.h. */
static void test_with_few_partitions_a_join_moves_a_few_more(void **state)
{
    (void)state;
    static const struct {
        uint32_t n, partitions, joins;
    } cases[] = {
        { 10, 128, 40 },  { 20, 128, 40 },  { 31, 128, 40 },  { 63, 128, 40 },   { 127, 128, 40 },
        { 300, 128, 10 }, { 1000, 128, 5 }, { 340, 4096, 5 }, { 1000, 4096, 3 },
    };
    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t n = cases[i].n, partitions = cases[i].partitions;
        struct moves moves = moves_measure(n, partitions, cases[i].joins);
        moves_print(n, partitions, moves);
        assert_true(moves.sum <= (ideal_of(n, partitions) + 5) * moves.joins);
    }
}

static void test_a_picked_host_changes_only_when_it_must(void **state)
{
    (void)state;
    struct hosts *hosts = hosts_new(3);
    uint64_t hashes[10];
    uint32_t counts[10] = { 0 };
    for (uint32_t h = 0; h < 10; h++) hashes[h] = pawl_ring_hash(hosts->names[h]);
    for (uint32_t i = 0; i < 10000; i++) {
        char text[24];
        int size = snprintf(text, sizeof text, "order-%u::3::0", i);
        struct pawl_bytes key = pawl_bytes_make(text, (size_t)size);
        uint32_t with = pawl_ring_pick(10, hosts->names, key);
        uint32_t without = pawl_ring_pick(9, hosts->names, key);
        assert_true(with == without || with == 9);
        assert_int_equal(pawl_ring_pick_hashed(10, hashes, key), with);
        counts[with]++;
    }
    for (uint32_t h = 0; h < 10; h++) assert_in_range(counts[h], 850, 1150);
    free(hosts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_owns_anything_without_hosts),
        cmocka_unit_test(test_one_host_owns_everything),
        cmocka_unit_test(test_the_order_of_the_hosts_does_not_matter),
        cmocka_unit_test(test_the_assignment_is_the_same_in_every_release),
        cmocka_unit_test(test_nobody_is_overloaded_for_any_number_of_hosts),
        cmocka_unit_test(test_a_join_moves_little_more_than_its_share),
        cmocka_unit_test(test_with_few_partitions_a_join_moves_a_few_more),
        cmocka_unit_test(test_a_picked_host_changes_only_when_it_must),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
