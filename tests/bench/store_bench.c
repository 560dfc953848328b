/* How many turns a store commits per second: the ceiling for the engine above it.
 *
 *     bench_store --url sqlite:///tmp/bench.db --in-flight 64 --seconds 5
 *
 * Each of the instances in flight always has one commit on its way, the one of an
 * activity step: 3 history rows, one pending operation done and one added, the wake-up
 * kept. After 20 turns it ends and its slot starts another one. One JSON line on stdout. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/rng.h"
#include "state/io/backends.h"

#define PARTITIONS    16u
#define TURNS         20u
#define IN_FLIGHT_MAX 4096u
#define LATENCIES_MAX (4u << 20)
#define NS_PER_S      1000000000u
#define WARM_UP_SHARE 5u /* the first fifth of the time is not counted */

struct slot {
    char instance[32];
    uint32_t partition;
    uint32_t turn;
    uint32_t number; /* of instances this slot has started */
    uint64_t sent_ns;
    struct pawl_id inc;
    struct pawl_id last;
    struct pawl_id next; /* id of the commit on its way */
    struct pawl_id delivery;
};

struct bench {
    uv_loop_t loop;
    uv_check_t flush;
    uv_timer_t warm_up;
    uv_timer_t end;
    struct pawl_store *store;
    struct pawl_rng rng;
    struct pawl_fence fences[PARTITIONS];
    struct slot slots[IN_FLIGHT_MAX];
    uint32_t slots_count;
    uint32_t acquired;
    uint32_t in_flight;
    bool counting;
    bool ending;
    uint64_t started_ns;
    uint64_t ended_ns;
    uint64_t commits;
    uint32_t *latencies_us;
    uint32_t latencies_count;
};

static const uint8_t event_bytes[200] = { 0x93, 1 };

static void submit(struct bench *bench, const struct pawl_store_request *request)
{
    bench->in_flight++;
    bench->store->ops->submit(bench->store, request);
}

static struct pawl_store_request request_of(const struct bench *bench, const struct slot *slot,
                                            enum pawl_store_op op)
{
    return (struct pawl_store_request){ .token = (uint64_t)(slot - bench->slots),
                                        .op = op,
                                        .partition = slot->partition };
}

static void slot_create(struct bench *bench, struct slot *slot)
{
    snprintf(slot->instance, sizeof slot->instance, "bench-%u-%u", (unsigned)(slot - bench->slots),
             slot->number++);
    slot->turn = 0;
    slot->inc = pawl_rng_id(&bench->rng);
    slot->delivery = pawl_rng_id(&bench->rng);
    slot->last = slot->delivery;
    struct pawl_store_request request = request_of(bench, slot, PAWL_STORE_CREATE);
    request.create.instance = pawl_bytes_str(slot->instance);
    request.create.request_id = request.create.instance;
    request.create.inc = slot->inc;
    request.create.delivery = slot->delivery;
    request.create.body = pawl_bytes_make(event_bytes, sizeof event_bytes);
    request.create.name = PAWL_BYTES_LITERAL("bench");
    request.create.created_ms = (int64_t)(uv_hrtime() / 1000000);
    submit(bench, &request);
}

static void slot_commit(struct bench *bench, struct slot *slot)
{
    int64_t now_ms = (int64_t)(uv_hrtime() / 1000000);
    struct pawl_bytes event = pawl_bytes_make(event_bytes, sizeof event_bytes);
    struct pawl_bytes events[] = { event, event, event };
    struct pawl_op done = { 'a', slot->turn };
    struct pawl_pending added = { .op = { 'a', slot->turn + 1 },
                                  .nonce = pawl_rng_next(&bench->rng) };
    bool is_first = slot->turn == 0, is_last = slot->turn + 1 == TURNS;

    struct pawl_store_request request = request_of(bench, slot, PAWL_STORE_COMMIT);
    struct pawl_commit *commit = &request.commit;
    commit->fence = bench->fences[slot->partition];
    commit->instance = pawl_bytes_str(slot->instance);
    commit->inc = slot->inc;
    commit->gen = 1;
    commit->last = slot->last;
    commit->id = slot->next = pawl_rng_id(&bench->rng);
    commit->now_ms = now_ms;
    commit->inbox_consumed = 1;
    commit->consumed_count = is_first ? 1 : 0;
    commit->consumed = &slot->delivery;
    commit->history_max = 1000;
    commit->events_count = 3;
    commit->events = events;
    commit->pending_done_count = is_first ? 0 : 1;
    commit->pending_done = &done;
    commit->pending_added_count = is_last ? 0 : 1;
    commit->pending_added = &added;
    commit->wake_keep = !is_last;
    commit->status = is_last ? PAWL_STATUS_COMPLETED : PAWL_STATUS_RUNNING;
    slot->sent_ns = uv_hrtime();
    submit(bench, &request);
}

/* Replies -------------------------------------------------------------------------- */

static void count(struct bench *bench, const struct slot *slot)
{
    if (!bench->counting) return;
    bench->commits++;
    if (bench->latencies_count == LATENCIES_MAX) return;
    bench->latencies_us[bench->latencies_count++] =
        (uint32_t)((uv_hrtime() - slot->sent_ns) / 1000);
}

static void slots_start(struct bench *bench)
{
    for (uint32_t i = 0; i < bench->slots_count; i++) {
        bench->slots[i].partition = i % PARTITIONS;
        slot_create(bench, &bench->slots[i]);
    }
}

static void on_acquired(struct bench *bench, const struct pawl_store_reply *reply)
{
    bench->fences[reply->partition].epoch = reply->acquire.epoch;
    if (++bench->acquired == PARTITIONS) slots_start(bench);
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
    if (reply->op == PAWL_STORE_ACQUIRE) {
        on_acquired(bench, reply);
        return;
    }
    struct slot *slot = &bench->slots[reply->token];
    if (reply->op == PAWL_STORE_COMMIT) {
        count(bench, slot);
        slot->last = slot->next;
        slot->turn++;
    }
    if (bench->ending) return;
    if (slot->turn == TURNS)
        slot_create(bench, slot);
    else
        slot_commit(bench, slot);
}

static void on_state(void *context, bool ready, const char *why)
{
    struct bench *bench = context;
    if (!ready) {
        fprintf(stderr, "the store is not ready: %s\n", why);
        exit(1);
    }
    if (bench->acquired != 0 || bench->in_flight != 0) return;
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        struct pawl_store_request request = { .op = PAWL_STORE_ACQUIRE, .partition = i };
        request.acquire.nonce = bench->fences[i].nonce = pawl_rng_id(&bench->rng);
        request.acquire.table_version = 1;
        request.acquire.owner = PAWL_BYTES_LITERAL("bench");
        submit(bench, &request);
    }
}

/* Time ----------------------------------------------------------------------------- */

static void on_check(uv_check_t *check)
{
    struct bench *bench = check->data;
    bench->store->ops->flush(bench->store);
    if (bench->ending && bench->in_flight == 0) uv_stop(&bench->loop);
}

static void on_warm(uv_timer_t *timer)
{
    struct bench *bench = timer->data;
    bench->counting = true;
    bench->started_ns = uv_hrtime();
}

static void on_end(uv_timer_t *timer)
{
    struct bench *bench = timer->data;
    bench->ended_ns = uv_hrtime();
    bench->counting = false;
    bench->ending = true;
}

static void clocks_start(struct bench *bench, uint32_t seconds)
{
    uint64_t all_ms = (uint64_t)seconds * 1000;
    uv_check_init(&bench->loop, &bench->flush);
    uv_timer_init(&bench->loop, &bench->warm_up);
    uv_timer_init(&bench->loop, &bench->end);
    bench->flush.data = bench->warm_up.data = bench->end.data = bench;
    uv_check_start(&bench->flush, on_check);
    uv_timer_start(&bench->warm_up, on_warm, all_ms / WARM_UP_SHARE, 0);
    uv_timer_start(&bench->end, on_end, all_ms, 0);
}

/* Report --------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static uint32_t percentile(const struct bench *bench, uint32_t permille)
{
    if (bench->latencies_count == 0) return 0;
    return bench->latencies_us[(uint64_t)(bench->latencies_count - 1) * permille / 1000];
}

static void report(struct bench *bench, const char *url, const char *synchronous)
{
    qsort(bench->latencies_us, bench->latencies_count, sizeof *bench->latencies_us, by_value);
    double seconds = (double)(bench->ended_ns - bench->started_ns) / NS_PER_S;
    printf("{\"bench\":\"store\",\"backend\":\"%.*s\",\"synchronous\":\"%s\",\"in_flight\":%" PRIu32
           ",\"seconds\":%.2f,\"commits\":%" PRIu64 ",\"commits_per_s\":%.0f,\"p50_us\":%" PRIu32
           ",\"p99_us\":%" PRIu32 "}\n",
           (int)strcspn(url, ":"), url, synchronous, bench->slots_count, seconds, bench->commits,
           (double)bench->commits / seconds, percentile(bench, 500), percentile(bench, 990));
}

struct options {
    const char *url;
    const char *synchronous;
    uint32_t in_flight;
    uint32_t seconds;
};

static void usage(const char *program)
{
    fprintf(stderr,
            "usage: %s --url URL [--in-flight 1..%u] [--seconds N] [--synchronous full]\n"
            "The store is filled with finished instances; use one made for this.\n",
            program, IN_FLIGHT_MAX);
    exit(2);
}

static struct options parse(int argc, char **argv)
{
    struct options options = { .synchronous = "full", .in_flight = 64, .seconds = 5 };
    static const struct option names[] = { { "url", required_argument, NULL, 'u' },
                                           { "in-flight", required_argument, NULL, 'i' },
                                           { "seconds", required_argument, NULL, 's' },
                                           { "synchronous", required_argument, NULL, 'y' },
                                           { NULL, 0, NULL, 0 } };
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 'u': options.url = optarg; break;
        case 'i': options.in_flight = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 's': options.seconds = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'y': options.synchronous = optarg; break;
        default: usage(argv[0]);
        }
    }
    if (!options.url || options.in_flight < 1 || options.in_flight > IN_FLIGHT_MAX
        || options.seconds < 1)
        usage(argv[0]);
    return options;
}

int main(int argc, char **argv)
{
    struct options options = parse(argc, argv);
    struct bench *bench = PAWL_NEW(struct bench);
    bench->slots_count = options.in_flight;
    bench->latencies_us = pawl_mem_alloc(LATENCIES_MAX * sizeof *bench->latencies_us);
    uv_loop_init(&bench->loop);
    pawl_rng_init(&bench->rng, uv_hrtime()); /* ids must differ from an earlier run's */

    const struct pawl_store_config config = { .loop = &bench->loop,
                                              .url = options.url,
                                              .app = "bench",
                                              .namespace_ = "default",
                                              .partitions = PARTITIONS,
                                              .synchronous = options.synchronous,
                                              .on_reply = on_reply,
                                              .on_state = on_state,
                                              .context = bench };
    const char *message;
    if (pawl_store_open(&config, &bench->store, &message) != PAWL_OK) {
        fprintf(stderr, "%s\n", message);
        return 1;
    }
    clocks_start(bench, options.seconds);
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    report(bench, options.url, options.synchronous);

    bench->store->ops->close(bench->store);
    uv_close((uv_handle_t *)&bench->flush, NULL);
    uv_close((uv_handle_t *)&bench->warm_up, NULL);
    uv_close((uv_handle_t *)&bench->end, NULL);
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    uv_loop_close(&bench->loop);
    pawl_mem_free(bench->latencies_us);
    pawl_mem_free(bench);
    return 0;
}
