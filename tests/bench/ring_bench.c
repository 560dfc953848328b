/* Who owns what, by simulation: for growing numbers of hosts, how even the ring is and how
 * much one more host moves. One JSON line for each.
 *
 *     bench_ring --joins 10 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "placement/ring.h"
#include "tests/bench/bench_app.h"

#define HOSTS_MAX 1001u

struct hosts {
    char texts[HOSTS_MAX][32];
    struct pawl_bytes names[HOSTS_MAX];
};

struct figures {
    double fullest;   /* the fullest host's load / the mean, worst of all rounds */
    double moved;     /* partitions that a join moved / its share, mean */
    double moved_max; /* … worst */
    double assign_ms; /* one assignment, mean */
};

static void hosts_name(struct hosts *hosts, uint32_t round)
{
    for (uint32_t i = 0; i < HOSTS_MAX; i++) {
        int size = snprintf(hosts->texts[i], sizeof hosts->texts[i], "orders-%u-%u", round, i);
        hosts->names[i] = pawl_bytes_make(hosts->texts[i], (size_t)size);
    }
}

static uint32_t fullest_of(uint32_t partitions, const uint32_t *owners)
{
    uint32_t loads[HOSTS_MAX] = { 0 }, most = 0;
    for (uint32_t p = 0; p < partitions; p++) {
        uint32_t load = ++loads[owners[p]];
        if (load > most) most = load;
    }
    return most;
}

static struct figures measure(struct hosts *hosts, uint32_t count, uint32_t partitions,
                              uint32_t joins)
{
    static uint32_t before[PAWL_PARTITIONS_MAX], after[PAWL_PARTITIONS_MAX];
    struct figures figures = { 0 };
    double share = (double)partitions / (count + 1);
    for (uint32_t round = 0; round < joins; round++) {
        hosts_name(hosts, round);
        uint64_t begin_ns = bench_now_ns();
        pawl_ring_assign(count, hosts->names, partitions, before);
        pawl_ring_assign(count + 1, hosts->names, partitions, after);
        figures.assign_ms += (double)(bench_now_ns() - begin_ns) / 2e6 / joins;
        double fullest = (double)fullest_of(partitions, before) * count / partitions;
        if (fullest > figures.fullest) figures.fullest = fullest;
        uint32_t moved = 0;
        for (uint32_t p = 0; p < partitions; p++) moved += before[p] != after[p];
        figures.moved += moved / share / joins;
        if (moved / share > figures.moved_max) figures.moved_max = moved / share;
    }
    return figures;
}

int main(int argc, char **argv)
{
    static const struct option names[] = { { "joins", required_argument, NULL, 'j' },
                                           { NULL, 0, NULL, 0 } };
    static const struct {
        uint32_t hosts, partitions;
    } cases[] = { { 3, 128 },   { 5, 128 },    { 10, 256 },   { 30, 1024 },
                  { 60, 4096 }, { 100, 4096 }, { 200, 4096 }, { 1000, 4096 } };
    uint32_t joins = 0;
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
        if (option == 'j') joins = (uint32_t)strtoul(optarg, NULL, 10);
    if (joins == 0) {
        fprintf(stderr, "usage: %s --joins N\n", argv[0]);
        return 2;
    }
    struct hosts *hosts = calloc(1, sizeof *hosts);
    if (!hosts) abort();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct figures figures = measure(hosts, cases[i].hosts, cases[i].partitions, joins);
        printf("{\"hosts\":%u,\"partitions\":%u,\"fullest\":%.3f,\"moved\":%.3f,"
               "\"moved_max\":%.3f,\"assign_ms\":%.3f}\n",
               cases[i].hosts, cases[i].partitions, figures.fullest, figures.moved,
               figures.moved_max, figures.assign_ms);
        fflush(stdout);
    }
    free(hosts);
    return 0;
}
