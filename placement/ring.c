#include "placement/ring.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"

/* How much a host wants a partition and a partition a host: the place in the host's
 * permutation above, then bits that only keep two hosts from being equal. */
#define PLACE_SHIFT 20u
#define TIE_MASK    ((UINT32_C(1) << PLACE_SHIFT) - 1)

_Static_assert(PAWL_PARTITIONS_MAX <= UINT32_C(1) << (32 - PLACE_SHIFT), "places fit");

/* Bounds are computed with 16 bits after the point: the fraction rounds by host. */
#define POINT_SHIFT 16u
#define POINT_ONE   (UINT64_C(1) << POINT_SHIFT)

struct ring_host {
    struct pawl_bytes name;
    uint32_t index; /* in the caller's list */
    uint64_t hash;
    uint32_t load_max;
    uint32_t load;
    uint32_t *held; /* partitions, load of them */
};

struct ring {
    uint32_t hosts_count;
    uint32_t partitions;
    struct ring_host *hosts; /* by name, so that nothing depends on the caller's order */
    uint32_t *wishes;        /* [partition][host], higher is dearer */
    uint32_t *held;          /* memory of hosts[].held */
    uint32_t *waiting;       /* partitions that look for a host */
    uint32_t waiting_count;
    uint32_t *asked; /* per partition: hosts that are dearer than this have refused it */
    uint32_t *asked_host;
};

/* splitmix64's finalizer. */
static uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

static uint64_t stream_next(uint64_t *stream)
{
    *stream += UINT64_C(0x9e3779b97f4a7c15);
    return mix(*stream);
}

/* Bounds ---------------------------------------------------------------------------- */

static uint32_t divide_up(uint64_t value, uint64_t by)
{
    return (uint32_t)((value + by - 1) / by);
}

/* ceil(1.25 x mean): nobody's bound is above it, and the sum of it always suffices. */
static uint32_t load_bound(uint32_t hosts, uint32_t partitions)
{
    return divide_up((uint64_t)PAWL_RING_LOAD_NUM * partitions,
                     (uint64_t)PAWL_RING_LOAD_DEN * hosts);
}

/* What the bounds are on average: 1.25 x mean, and from 20 partitions per host on one
 * less, so that rounding up stays under it. Between 12 and 20 it changes little by little:
 * a step would have all hosts give up one partition at once. */
static uint64_t load_mean_max(uint32_t hosts, uint32_t partitions)
{
    uint64_t mean = ((uint64_t)partitions << POINT_SHIFT) / hosts;
    uint64_t mean_max = mean * PAWL_RING_LOAD_NUM / PAWL_RING_LOAD_DEN;
    if (mean <= 12 * POINT_ONE) return mean_max;
    if (mean >= 20 * POINT_ONE) return mean_max - POINT_ONE;
    return mean_max - (mean - 12 * POINT_ONE) / 8;
}

static void bounds_set(struct ring *ring)
{
    uint32_t bound = load_bound(ring->hosts_count, ring->partitions);
    uint64_t mean_max = load_mean_max(ring->hosts_count, ring->partitions);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < ring->hosts_count; i++) {
        struct ring_host *host = &ring->hosts[i];
        uint64_t rounding = mix(host->hash ^ UINT64_C(0x6c6f6164)) >> (64 - POINT_SHIFT);
        uint32_t load_max = (uint32_t)((mean_max + rounding) >> POINT_SHIFT);
        if (load_max < 1) load_max = 1;
        host->load_max = load_max < bound ? load_max : bound;
        sum += host->load_max;
    }
    /* A few partitions, and all names round down: then everybody has the largest bound. */
    if (sum >= ring->partitions) return;
    for (uint32_t i = 0; i < ring->hosts_count; i++) ring->hosts[i].load_max = bound;
}

/* Wishes ---------------------------------------------------------------------------- */

/* The host's permutation of the partitions: each has a place of its own. */
static void places_shuffle(uint32_t *places, uint32_t partitions, uint64_t hash)
{
    for (uint32_t i = 0; i < partitions; i++) places[i] = i;
    uint64_t stream = hash;
    for (uint32_t i = partitions; i-- > 1;) {
        uint32_t other = (uint32_t)(((stream_next(&stream) >> 32) * (i + 1)) >> 32);
        uint32_t place = places[i];
        places[i] = places[other];
        places[other] = place;
    }
}

static void wishes_set(struct ring *ring)
{
    uint32_t *places = pawl_mem_alloc(sizeof *places * ring->partitions);
    for (uint32_t h = 0; h < ring->hosts_count; h++) {
        uint64_t hash = ring->hosts[h].hash;
        places_shuffle(places, ring->partitions, hash);
        for (uint32_t p = 0; p < ring->partitions; p++) {
            uint32_t tie = (uint32_t)mix(hash + p) & TIE_MASK;
            ring->wishes[(size_t)p * ring->hosts_count + h] = places[p] << PLACE_SHIFT | tie;
        }
    }
    pawl_mem_free(places);
}

static uint32_t wish(const struct ring *ring, uint32_t partition, uint32_t host)
{
    return ring->wishes[(size_t)partition * ring->hosts_count + host];
}

/* Dearer in the strict order of a partition: by wish, then by name. */
static bool is_dearer(uint32_t wish_a, uint32_t host_a, uint32_t wish_b, uint32_t host_b)
{
    return wish_a != wish_b ? wish_a > wish_b : host_a < host_b;
}

/* The dearest host that has not refused the partition yet. */
static uint32_t host_next(const struct ring *ring, uint32_t partition)
{
    uint32_t asked = ring->asked[partition];
    uint32_t asked_host = ring->asked_host[partition];
    uint32_t best = PAWL_RING_NOBODY;
    uint32_t best_wish = 0;
    for (uint32_t h = 0; h < ring->hosts_count; h++) {
        uint32_t its = wish(ring, partition, h);
        bool refused = asked_host != PAWL_RING_NOBODY
                       && (h == asked_host || is_dearer(its, h, asked, asked_host));
        if (refused) continue;
        if (best != PAWL_RING_NOBODY && !is_dearer(its, h, best_wish, best)) continue;
        best = h;
        best_wish = its;
    }
    PAWL_ASSERT(best != PAWL_RING_NOBODY); /* the bounds have room for all */
    return best;
}

/* Offers ---------------------------------------------------------------------------- */

/* Where in held[] the partition is that the host wants least. A permutation has no two
 * equal places, so the least is one. */
static uint32_t held_least(const struct ring *ring, uint32_t host)
{
    const struct ring_host *it = &ring->hosts[host];
    uint32_t least = 0;
    for (uint32_t i = 1; i < it->load; i++) {
        if (wish(ring, it->held[i], host) < wish(ring, it->held[least], host)) least = i;
    }
    return least;
}

static void offer(struct ring *ring, uint32_t partition)
{
    uint32_t h = host_next(ring, partition);
    struct ring_host *host = &ring->hosts[h];
    ring->asked[partition] = wish(ring, partition, h);
    ring->asked_host[partition] = h;
    if (host->load < host->load_max) {
        host->held[host->load++] = partition;
        return;
    }
    uint32_t least = held_least(ring, h);
    if (wish(ring, host->held[least], h) > ring->asked[partition]) {
        ring->waiting[ring->waiting_count++] = partition;
        return;
    }
    ring->waiting[ring->waiting_count++] = host->held[least];
    host->held[least] = partition;
}

static int host_compare(const void *a, const void *b)
{
    const struct ring_host *left = a, *right = b;
    return pawl_bytes_compare(left->name, right->name);
}

static struct ring_host *hosts_sorted(uint32_t count, const struct pawl_bytes *names)
{
    struct ring_host *hosts = pawl_mem_alloc(sizeof *hosts * count);
    for (uint32_t i = 0; i < count; i++) {
        hosts[i].name = names[i];
        hosts[i].index = i;
        hosts[i].hash = pawl_ring_hash(names[i]);
    }
    qsort(hosts, count, sizeof *hosts, host_compare);
    return hosts;
}

static void ring_init(struct ring *ring, uint32_t hosts_count, const struct pawl_bytes *hosts,
                      uint32_t partitions)
{
    *ring = (struct ring){ .hosts_count = hosts_count, .partitions = partitions };
    ring->hosts = hosts_sorted(hosts_count, hosts);
    bounds_set(ring);
    ring->wishes = pawl_mem_alloc(sizeof *ring->wishes * hosts_count * partitions);
    wishes_set(ring);

    size_t held_count = 0;
    for (uint32_t h = 0; h < hosts_count; h++) held_count += ring->hosts[h].load_max;
    ring->held = pawl_mem_alloc(sizeof *ring->held * held_count);
    uint32_t *held = ring->held;
    for (uint32_t h = 0; h < hosts_count; h++) {
        ring->hosts[h].held = held;
        held += ring->hosts[h].load_max;
    }
    ring->asked = pawl_mem_alloc(sizeof *ring->asked * partitions);
    ring->asked_host = pawl_mem_alloc(sizeof *ring->asked_host * partitions);
    ring->waiting = pawl_mem_alloc(sizeof *ring->waiting * partitions);
    for (uint32_t p = 0; p < partitions; p++) {
        ring->asked_host[p] = PAWL_RING_NOBODY;
        ring->waiting[ring->waiting_count++] = p;
    }
}

static void ring_deinit(struct ring *ring)
{
    pawl_mem_free(ring->hosts);
    pawl_mem_free(ring->wishes);
    pawl_mem_free(ring->held);
    pawl_mem_free(ring->asked);
    pawl_mem_free(ring->asked_host);
    pawl_mem_free(ring->waiting);
}

void pawl_ring_assign(uint32_t hosts_count, const struct pawl_bytes *hosts, uint32_t partitions,
                      uint32_t *ret_owners)
{
    PAWL_ASSERT(partitions > 0 && partitions <= PAWL_PARTITIONS_MAX);
    for (uint32_t p = 0; p < partitions; p++) ret_owners[p] = PAWL_RING_NOBODY;
    if (hosts_count == 0) return;

    struct ring ring;
    ring_init(&ring, hosts_count, hosts, partitions);
    while (ring.waiting_count > 0) offer(&ring, ring.waiting[--ring.waiting_count]);
    for (uint32_t h = 0; h < hosts_count; h++) {
        for (uint32_t i = 0; i < ring.hosts[h].load; i++) {
            ret_owners[ring.hosts[h].held[i]] = ring.hosts[h].index;
        }
    }
    ring_deinit(&ring);
}

/* One thing on one host -------------------------------------------------------------- */

struct pick {
    uint32_t best;
    uint64_t best_score;
};

static void pick_offer(struct pick *pick, uint32_t index, uint64_t host_hash, uint64_t key_hash)
{
    uint64_t score = mix(host_hash ^ key_hash);
    if (pick->best != PAWL_RING_NOBODY && score <= pick->best_score) return;
    pick->best = index;
    pick->best_score = score;
}

uint64_t pawl_ring_hash(struct pawl_bytes host)
{
    return pawl_hash_stable(host);
}

uint32_t pawl_ring_pick_hashed(uint32_t hosts_count, const uint64_t *hashes, struct pawl_bytes key)
{
    struct pick pick = { .best = PAWL_RING_NOBODY };
    uint64_t key_hash = pawl_hash_stable(key);
    for (uint32_t h = 0; h < hosts_count; h++) pick_offer(&pick, h, hashes[h], key_hash);
    return pick.best;
}

uint32_t pawl_ring_pick(uint32_t hosts_count, const struct pawl_bytes *hosts, struct pawl_bytes key)
{
    struct pick pick = { .best = PAWL_RING_NOBODY };
    uint64_t key_hash = pawl_hash_stable(key);
    for (uint32_t h = 0; h < hosts_count; h++) {
        pick_offer(&pick, h, pawl_ring_hash(hosts[h]), key_hash);
    }
    return pick.best;
}
