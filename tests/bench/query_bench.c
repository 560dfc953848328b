/* What a list costs among very many instances, at the store's port.
 *
 *     bench_query --url sqlite:///tmp/query.db --instances 1000000 --seconds 5
 *
 * Fills the store, over as many partitions as a sidecar has by default: of 1000 instances 960
 * have completed, 20 failed, 15 run and 5 are suspended, under 20 names. Then it asks for
 * pages of 50 by status and name as the engine does: a few rows of each partition, all at
 * once. One JSON line on stdout. The store can be used by a sidecar of the app "bench". */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/rng.h"
#include "state/io/backends.h"

#define PARTITIONS    PAWL_PARTITIONS_DEFAULT
#define WINDOW        1024u
#define NAMES         20u
#define ROWS_ASKED    3u /* of a partition, as in actors/request_list.c */
#define LATENCIES_MAX 100000u
#define NS_PER_S      1000000000u

struct slot {
    uint32_t number;
    char instance[32];
    char name[16];
    uint32_t partition;
    struct pawl_id inc;
    struct pawl_id delivery;
};

struct bench {
    uv_loop_t loop;
    struct pawl_store *store;
    struct pawl_rng rng;
    struct pawl_fence fences[PARTITIONS];
    struct slot slots[WINDOW];
    uint32_t instances;
    uint32_t started;
    uint32_t in_flight;
    uint32_t rows;
    bool ready;
};

static const uint8_t event_bytes[200] = { 0x93, 1 };

static void submit(struct bench *bench, const struct pawl_store_request *request)
{
    bench->in_flight++;
    bench->store->ops->submit(bench->store, request);
}

static enum pawl_status status_of(uint32_t number)
{
    uint32_t kind = number % 1000;
    if (kind < 20) return PAWL_STATUS_FAILED;
    if (kind < 35) return PAWL_STATUS_RUNNING;
    return kind < 40 ? PAWL_STATUS_SUSPENDED : PAWL_STATUS_COMPLETED;
}

static void slot_create(struct bench *bench, struct slot *slot)
{
    slot->number = bench->started++;
    (void)snprintf(slot->instance, sizeof slot->instance, "order-%08" PRIu32, slot->number);
    (void)snprintf(slot->name, sizeof slot->name, "Workflow%" PRIu32, slot->number / 7 % NAMES);
    slot->partition = pawl_hash_partition(pawl_bytes_str(slot->instance), PARTITIONS);
    slot->inc = pawl_rng_id(&bench->rng);
    slot->delivery = pawl_rng_id(&bench->rng);
    struct pawl_store_request request = { .token = (uint64_t)(slot - bench->slots),
                                          .op = PAWL_STORE_CREATE,
                                          .partition = slot->partition };
    request.create.instance = pawl_bytes_str(slot->instance);
    request.create.request_id = request.create.instance;
    request.create.inc = slot->inc;
    request.create.delivery = slot->delivery;
    request.create.body = pawl_bytes_make(event_bytes, sizeof event_bytes);
    request.create.name = pawl_bytes_str(slot->name);
    request.create.created_ms = 1700000000000 + slot->number;
    submit(bench, &request);
}

static void slot_commit(struct bench *bench, const struct slot *slot)
{
    struct pawl_bytes event = pawl_bytes_make(event_bytes, sizeof event_bytes);
    struct pawl_id delivery = slot->delivery;
    struct pawl_store_request request = { .token = (uint64_t)(slot - bench->slots),
                                          .op = PAWL_STORE_COMMIT,
                                          .partition = slot->partition };
    struct pawl_commit *commit = &request.commit;
    commit->fence = bench->fences[slot->partition];
    commit->instance = pawl_bytes_str(slot->instance);
    commit->inc = slot->inc;
    commit->gen = 1;
    commit->last = slot->delivery;
    commit->id = pawl_rng_id(&bench->rng);
    commit->now_ms = 1700000000000 + slot->number + 1000;
    commit->inbox_consumed = 1;
    commit->consumed_count = 1;
    commit->consumed = &delivery;
    commit->history_max = 1000;
    commit->events_count = 1;
    commit->events = &event;
    commit->status = status_of(slot->number);
    submit(bench, &request);
}

static void on_reply(void *context, const struct pawl_store_reply *reply)
{
    struct bench *bench = context;
    bench->in_flight--;
    if (reply->err) {
        fprintf(stderr, "%s was answered with %s: %.*s\n", pawl_store_op_name((int)reply->op),
                pawl_err_name(reply->err), PAWL_BYTES_FMT(reply->message));
        exit(1);
    }
    struct slot *slot = &bench->slots[reply->token % WINDOW];
    switch (reply->op) {
    case PAWL_STORE_ACQUIRE: bench->fences[reply->partition].epoch = reply->acquire.epoch; return;
    case PAWL_STORE_CREATE: slot_commit(bench, slot); return;
    case PAWL_STORE_COMMIT:
        if (bench->started < bench->instances) slot_create(bench, slot);
        return;
    case PAWL_STORE_QUERY: bench->rows += reply->query.rows_count; return;
    default: return;
    }
}

static void on_state(void *context, bool ready, const char *why)
{
    struct bench *bench = context;
    if (!ready) {
        fprintf(stderr, "the store is not ready: %s\n", why);
        exit(1);
    }
    bench->ready = true;
}

static void finish(struct bench *bench)
{
    while (bench->in_flight > 0) {
        bench->store->ops->flush(bench->store);
        uv_run(&bench->loop, UV_RUN_ONCE);
    }
}

static void acquire_all(struct bench *bench)
{
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        struct pawl_store_request request = { .op = PAWL_STORE_ACQUIRE, .partition = i };
        request.acquire.nonce = bench->fences[i].nonce = pawl_rng_id(&bench->rng);
        request.acquire.owner = PAWL_BYTES_LITERAL("bench");
        submit(bench, &request);
    }
    finish(bench);
}

static double fill(struct bench *bench)
{
    uint64_t before = uv_hrtime();
    for (uint32_t i = 0; i < WINDOW && bench->started < bench->instances; i++)
        slot_create(bench, &bench->slots[i]);
    finish(bench);
    return (double)(uv_hrtime() - before) / NS_PER_S;
}

/* Time of one round over all partitions, in µs. */
static uint32_t ask_all(struct bench *bench, uint32_t status_mask, const char *name,
                        bool count_only)
{
    uint64_t before = uv_hrtime();
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        struct pawl_store_request request = { .op = PAWL_STORE_QUERY, .partition = i };
        request.query.status_mask = status_mask;
        request.query.name = pawl_bytes_str(name);
        request.query.count_only = count_only;
        request.query.limit = ROWS_ASKED;
        request.query.scan_max = 1000;
        submit(bench, &request);
    }
    finish(bench);
    return (uint32_t)((uv_hrtime() - before) / 1000);
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void measure(struct bench *bench, const char *what, uint32_t status_mask, bool count_only,
                    uint32_t seconds)
{
    static uint32_t times[LATENCIES_MAX];
    uint32_t count = 0;
    uint64_t end = uv_hrtime() + (uint64_t)seconds * NS_PER_S;
    bench->rows = 0;
    while (count < LATENCIES_MAX && (count == 0 || uv_hrtime() < end)) {
        char name[16];
        (void)snprintf(name, sizeof name, "Workflow%" PRIu32, count % NAMES);
        times[count++] = ask_all(bench, status_mask, name, count_only);
    }
    qsort(times, count, sizeof times[0], by_value);
    printf("{\"bench\":\"query\",\"what\":\"%s\",\"instances\":%" PRIu32 ",\"rounds\":%" PRIu32
           ",\"rows\":%" PRIu32 ",\"p50_us\":%" PRIu32 ",\"p99_us\":%" PRIu32 "}\n",
           what, bench->instances, count, bench->rows / count, times[count / 2],
           times[(count - 1) * 99 / 100]);
}

struct options {
    const char *url;
    uint32_t instances;
    uint32_t seconds;
};

static struct options parse(int argc, char **argv)
{
    struct options options = { .instances = 1000000, .seconds = 3 };
    static const struct option names[] = { { "url", required_argument, NULL, 'u' },
                                           { "instances", required_argument, NULL, 'i' },
                                           { "seconds", required_argument, NULL, 's' },
                                           { NULL, 0, NULL, 0 } };
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 'u': options.url = optarg; break;
        case 'i': options.instances = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 's': options.seconds = (uint32_t)strtoul(optarg, NULL, 10); break;
        default: break;
        }
    }
    if (options.url && options.instances > 0) return options;
    fprintf(stderr, "usage: %s --url URL [--instances N] [--seconds N]\n", argv[0]);
    exit(2);
}

static void measure_all(struct bench *bench, uint32_t seconds)
{
    measure(bench, "list failed by name", 1u << PAWL_STATUS_FAILED, false, seconds);
    measure(bench, "list completed by name", 1u << PAWL_STATUS_COMPLETED, false, seconds);
    measure(bench, "list by name", 0, false, seconds);
    measure(bench, "count completed by name", 1u << PAWL_STATUS_COMPLETED, true, seconds);
}

int main(int argc, char **argv)
{
    struct options options = parse(argc, argv);
    struct bench *bench = PAWL_NEW(struct bench);
    bench->instances = options.instances;
    uv_loop_init(&bench->loop);
    pawl_rng_init(&bench->rng, uv_hrtime());
    const struct pawl_store_config config = { .loop = &bench->loop,
                                              .url = options.url,
                                              .app = "bench",
                                              .namespace_ = "default",
                                              .partitions = PARTITIONS,
                                              .synchronous = "off",
                                              .on_reply = on_reply,
                                              .on_state = on_state,
                                              .context = bench };
    const char *message;
    if (pawl_store_open(&config, &bench->store, &message) != PAWL_OK) {
        fprintf(stderr, "%s\n", message);
        return 1;
    }
    while (!bench->ready) uv_run(&bench->loop, UV_RUN_ONCE);
    acquire_all(bench);
    double seconds = fill(bench);
    printf("{\"bench\":\"query\",\"what\":\"fill\",\"instances\":%" PRIu32 ",\"seconds\":%.1f}\n",
           bench->instances, seconds);
    measure_all(bench, options.seconds);
    bench->store->ops->close(bench->store);
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    uv_loop_close(&bench->loop);
    pawl_mem_free(bench);
    return 0;
}
