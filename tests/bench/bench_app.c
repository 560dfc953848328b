/* The app of the benchmark: the worker, and in the same process the clients that give it
 * work. One scenario per run, one JSON line about it on stdout.
 *
 *     bench_app --endpoint ipc:///run/app.sock chain --concurrency 32 --seconds 5
 *
 *   chain      clients start a workflow of 5 activities, wait for its end, and again
 *   start      clients create instances that are due in an hour
 *   fan_out    one workflow at a time with --count activities side by side
 *   sequence   one workflow with --count activities one after the other
 *   timers     --count workflows that sleep until --due-ms; a line when all have been
 *              created and a second one when all have woken up
 *
 * An activity here does nothing: what is measured is the engine. */
#include <getopt.h>
#include <inttypes.h>
#include <pawl/pawl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench_app.h"

#define CHAIN_STEPS     5u
#define CONCURRENCY_MAX 1024u
#define FAN_OUT_MAX     10000u
#define TIMES_MAX       (1u << 22)
#define WAIT_MS         600000
#define IN_AN_HOUR_MS   3600000
#define WARM_UP_SHARE   5 /* the first fifth of the time is not counted */

struct options {
    struct pawl_worker_options worker;
    const char *scenario;
    uint32_t concurrency;
    uint32_t count;
    uint32_t repeat;
    double seconds;
    int64_t due_ms;
    struct bench_watch watch;
};

static struct options options = { .concurrency = 1, .count = 1, .repeat = 1, .seconds = 5 };
static struct pawl_client *client;
static uint64_t run_id; /* in instance ids: the store may hold those of earlier runs */
static struct bench_times workflow_times;

static _Atomic bool is_counting;
static _Atomic bool is_ending;
static _Atomic uint64_t steps;
static _Atomic uint64_t workflows;
static _Atomic uint64_t slept;
static _Atomic uint64_t woken;
static _Atomic uint64_t next_number;

static uint64_t *step_times_ns; /* of `sequence`: when each step was done */

static void check(pawl_err err, const char *what, const struct pawl_result *result)
{
    if (err == PAWL_OK) return;
    fprintf(stderr, "%s: %s. %s\n", what, pawl_err_text(err), pawl_result_message(result));
    exit(1);
}

/* Workflows -------------------------------------------------------------------------- */

static pawl_err step(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    steps++;
    return pawl_activity_return(ctx, input);
}

static pawl_err chain(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    for (uint32_t i = 0; i < CHAIN_STEPS; i++) {
        pawl_err err = pawl_call_activity(ctx, "step", input, NULL, &input);
        if (err) return err;
    }
    return pawl_return(ctx, input);
}

/* Reads the clock and writes outside of itself, which a workflow must not do; here it
 * is the measurement, and a step that is replayed is timed once, by its first run. */
static pawl_err sequence(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    for (uint32_t i = 0; i < options.count; i++) {
        pawl_err err = pawl_call_activity(ctx, "step", input, NULL, NULL);
        if (err) return err;
        if (step_times_ns[i] == 0) step_times_ns[i] = bench_now_ns();
    }
    return PAWL_OK;
}

static pawl_err fan_out(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    struct pawl_task **tasks = pawl_alloc(ctx, options.count * sizeof(struct pawl_task *));
    for (uint32_t i = 0; i < options.count; i++) {
        tasks[i] = pawl_schedule_activity(ctx, "step", input, NULL);
    }
    return pawl_when_all(ctx, tasks, options.count);
}

static pawl_err sleeper(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    if (!pawl_is_replaying(ctx)) slept++;
    pawl_err err = pawl_sleep_until(ctx, options.due_ms);
    if (!pawl_is_replaying(ctx)) woken++;
    return err;
}

/* Clients ----------------------------------------------------------------------------- */

static void start(const char *name, int64_t start_at_ms, char id[static 64])
{
    snprintf(id, 64, "%s-%" PRIx64 "-%" PRIu64, name, run_id, next_number++);
    struct pawl_result *result = NULL;
    struct pawl_start how = { .name = name,
                              .id = id,
                              .input = pawl_text("{\"order\":4711,\"customer\":\"Ada Lovelace\"}"),
                              .start_at_ms = start_at_ms };
    check(pawl_client_start(client, &how, &result), "start", result);
    pawl_result_free(result);
}

static void wait_for_end(const char *id)
{
    struct pawl_result *result = NULL;
    check(pawl_client_wait(client, id, PAWL_FOR_COMPLETION, WAIT_MS, &result), "wait", result);
    const struct pawl_instance *instance = pawl_result_instance(result);
    if (instance->status != PAWL_STATUS_COMPLETED) {
        fprintf(stderr, "%s ended as %s: %s\n", id, pawl_status_text(instance->status),
                instance->failure ? instance->failure->message : "");
        exit(1);
    }
    pawl_result_free(result);
}

static void *chain_client(void *context)
{
    char id[64];
    while (!is_ending) {
        uint64_t begin_ns = bench_now_ns();
        start("chain", 0, id);
        wait_for_end(id);
        if (!is_counting) continue;
        workflows++;
        bench_times_add(&workflow_times, bench_now_ns() - begin_ns);
    }
    return context;
}

static void *start_client(void *context)
{
    char id[64];
    while (!is_ending) {
        uint64_t begin_ns = bench_now_ns();
        start("chain", bench_wall_ms() + IN_AN_HOUR_MS, id);
        if (!is_counting) continue;
        workflows++;
        bench_times_add(&workflow_times, bench_now_ns() - begin_ns);
    }
    return context;
}

static void *timers_client(void *context)
{
    char id[64];
    while (workflows++ < options.count) start("sleeper", 0, id);
    return context;
}

static void clients_start(pthread_t *threads, void *(*run)(void *))
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256u << 10);
    for (uint32_t i = 0; i < options.concurrency; i++) {
        if (pthread_create(&threads[i], &attributes, run, NULL) != 0) abort();
    }
    pthread_attr_destroy(&attributes);
}

static void clients_join(const pthread_t *threads)
{
    for (uint32_t i = 0; i < options.concurrency; i++) pthread_join(threads[i], NULL);
}

/* Scenarios --------------------------------------------------------------------------- */

static void print_head(void)
{
    printf("{\"bench\":\"%s\",\"concurrency\":%" PRIu32 ",\"count\":%" PRIu32, options.scenario,
           options.concurrency, options.count);
}

static void print_usage(const struct bench_usage *from, const struct bench_usage *to)
{
    bench_usage_print(&options.watch, from, to);
    printf("}\n");
    fflush(stdout);
}

/* Clients as fast as they can for a time. */
static void run_for_a_time(void *(*run)(void *))
{
    pthread_t threads[CONCURRENCY_MAX];
    bench_times_init(&workflow_times, TIMES_MAX);
    clients_start(threads, run);
    int64_t all_ms = (int64_t)(options.seconds * 1000);
    bench_sleep_ms(all_ms / WARM_UP_SHARE);

    is_counting = true;
    struct bench_usage from = bench_usage_now(&options.watch);
    uint64_t steps_before = steps, workflows_before = workflows;
    bench_sleep_ms(all_ms - all_ms / WARM_UP_SHARE);
    struct bench_usage to = bench_usage_now(&options.watch);
    uint64_t steps_done = steps - steps_before, workflows_done = workflows - workflows_before;
    is_counting = false;
    is_ending = true;
    clients_join(threads);

    double seconds = (double)(to.time_ns - from.time_ns) / 1e9;
    print_head();
    printf(",\"workflows\":%" PRIu64 ",\"workflows_per_s\":%.1f,\"steps\":%" PRIu64
           ",\"steps_per_s\":%.1f",
           workflows_done, (double)workflows_done / seconds, steps_done,
           (double)steps_done / seconds);
    bench_times_print(&workflow_times, "workflow");
    print_usage(&from, &to);
    bench_times_deinit(&workflow_times);
}

static void run_chain(void)
{
    run_for_a_time(chain_client);
}

static void run_start(void)
{
    run_for_a_time(start_client);
}

static void run_fan_out(void)
{
    char id[64];
    bench_times_init(&workflow_times, options.repeat);
    struct bench_usage from = bench_usage_now(&options.watch);
    for (uint32_t i = 0; i < options.repeat; i++) {
        uint64_t begin_ns = bench_now_ns();
        start("fan_out", 0, id);
        wait_for_end(id);
        bench_times_add(&workflow_times, bench_now_ns() - begin_ns);
    }
    struct bench_usage to = bench_usage_now(&options.watch);
    double seconds = (double)(to.time_ns - from.time_ns) / 1e9;
    print_head();
    printf(",\"workflows\":%" PRIu32 ",\"steps\":%" PRIu64 ",\"steps_per_s\":%.1f", options.repeat,
           steps, (double)steps / seconds);
    bench_times_print(&workflow_times, "workflow");
    print_usage(&from, &to);
    bench_times_deinit(&workflow_times);
}

/* Cost of one step, over a tenth of all of them. */
static double tenth_us(uint32_t first)
{
    uint32_t count = options.count / 10;
    uint64_t ns = step_times_ns[first + count - 1] - step_times_ns[first];
    return (double)ns / 1000 / (count - 1);
}

static void run_sequence(void)
{
    char id[64];
    if (options.count < 20) options.count = 20;
    step_times_ns = calloc(options.count, sizeof *step_times_ns);
    bench_times_init(&workflow_times, options.count);
    struct bench_usage from = bench_usage_now(&options.watch);
    start("sequence", 0, id);
    wait_for_end(id);
    struct bench_usage to = bench_usage_now(&options.watch);
    for (uint32_t i = 1; i < options.count; i++) {
        bench_times_add(&workflow_times, step_times_ns[i] - step_times_ns[i - 1]);
    }
    print_head();
    printf(",\"steps\":%" PRIu64 ",\"first_tenth_us\":%.1f,\"last_tenth_us\":%.1f", steps,
           tenth_us(0), tenth_us(options.count - options.count / 10));
    bench_times_print(&workflow_times, "step");
    print_usage(&from, &to);
    bench_times_deinit(&workflow_times);
    free(step_times_ns);
}

static void wait_until_all(const _Atomic uint64_t *counter)
{
    while (*counter < options.count) bench_sleep_ms(2);
}

static void run_timers(void)
{
    pthread_t threads[CONCURRENCY_MAX];
    struct bench_usage from = bench_usage_now(&options.watch);
    clients_start(threads, timers_client);
    clients_join(threads);
    wait_until_all(&slept);
    struct bench_usage to = bench_usage_now(&options.watch);
    print_head();
    printf(",\"phase\":\"created\",\"ahead_ms\":%" PRId64, options.due_ms - bench_wall_ms());
    print_usage(&from, &to);

    while (bench_wall_ms() < options.due_ms) bench_sleep_ms(1);
    from = bench_usage_now(&options.watch);
    wait_until_all(&woken);
    to = bench_usage_now(&options.watch);
    print_head();
    printf(",\"phase\":\"fired\",\"late_ms\":%" PRId64, bench_wall_ms() - options.due_ms);
    print_usage(&from, &to);
}

/* Start ------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*run)(void);
} scenarios[] = { { "chain", run_chain },
                  { "start", run_start },
                  { "fan_out", run_fan_out },
                  { "sequence", run_sequence },
                  { "timers", run_timers } };

static void usage(const char *program)
{
    fprintf(stderr,
            "usage: %s --endpoint URL [option]… chain|start|fan_out|sequence|timers\n"
            "  --app-id ID            bench\n"
            "  --concurrency N        clients at the same time, 1 to %u\n"
            "  --seconds N            chain, start: how long\n"
            "  --count N              fan_out, sequence: activities; timers: workflows\n"
            "  --repeat N             fan_out: workflows, one after the other\n"
            "  --due-ms N             timers: wake up so many ms from now\n"
            "  --activity-threads N   threads that run activities; 2\n"
            "  --watch NAME=PID       report the CPU time and memory of this process too\n",
            program, CONCURRENCY_MAX);
    exit(2);
}

static uint32_t number(const char *text)
{
    return (uint32_t)strtoul(text, NULL, 10);
}

static void parse(int argc, char **argv)
{
    static const struct option names[] = { { "endpoint", required_argument, NULL, 'e' },
                                           { "app-id", required_argument, NULL, 'a' },
                                           { "concurrency", required_argument, NULL, 'c' },
                                           { "seconds", required_argument, NULL, 's' },
                                           { "count", required_argument, NULL, 'n' },
                                           { "repeat", required_argument, NULL, 'r' },
                                           { "due-ms", required_argument, NULL, 'd' },
                                           { "activity-threads", required_argument, NULL, 't' },
                                           { "watch", required_argument, NULL, 'w' },
                                           { NULL, 0, NULL, 0 } };
    options.worker = (struct pawl_worker_options){
        .app_id = "bench", .activity_threads = 2, .activities_max = 4096, .turns_max = 1024
    };
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 'e': options.worker.endpoint = optarg; break;
        case 'a': options.worker.app_id = optarg; break;
        case 'c': options.concurrency = number(optarg); break;
        case 's': options.seconds = strtod(optarg, NULL); break;
        case 'n': options.count = number(optarg); break;
        case 'r': options.repeat = number(optarg); break;
        case 'd': options.due_ms = bench_wall_ms() + strtoll(optarg, NULL, 10); break;
        case 't': options.worker.activity_threads = number(optarg); break;
        case 'w':
            if (!bench_watch_add(&options.watch, optarg)) usage(argv[0]);
            break;
        default: usage(argv[0]);
        }
    }
    if (optind + 1 != argc || !options.worker.endpoint || options.concurrency < 1
        || options.concurrency > CONCURRENCY_MAX || options.count < 1
        || (options.count > FAN_OUT_MAX && strcmp(argv[optind], "fan_out") == 0)
        || options.repeat < 1 || options.seconds <= 0)
        usage(argv[0]);
    options.scenario = argv[optind];
}

static struct pawl_worker *worker_start(void)
{
    static const struct pawl_workflow_def defs[] = { { .name = "chain", .run = chain },
                                                     { .name = "sequence", .run = sequence },
                                                     { .name = "fan_out", .run = fan_out },
                                                     { .name = "sleeper", .run = sleeper } };
    static const struct pawl_activity_def step_def = { .name = "step", .run = step };
    struct pawl_worker *worker;
    check(pawl_worker_new(&options.worker, &worker), "worker", NULL);
    for (size_t i = 0; i < sizeof defs / sizeof defs[0]; i++) {
        check(pawl_worker_add_workflow(worker, &defs[i]), defs[i].name, NULL);
    }
    check(pawl_worker_add_activity(worker, &step_def), step_def.name, NULL);
    check(pawl_worker_start(worker), "worker", NULL);
    return worker;
}

/* Everything is awake and has been used once. */
static void warm_up(void)
{
    uint64_t begin_ns = bench_now_ns();
    char id[64];
    start("chain", 0, id);
    wait_for_end(id);
    steps = 0;
    if (bench_now_ns() - begin_ns > 5000000000u) fprintf(stderr, "the first workflow was slow\n");
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    run_id = bench_now_ns();
    struct pawl_worker *worker = worker_start();
    const struct pawl_client_options client_options = { .endpoint = options.worker.endpoint,
                                                        .app_id = options.worker.app_id };
    check(pawl_client_new(&client_options, &client), "client", NULL);
    warm_up();

    bool found = false;
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        if (strcmp(scenarios[i].name, options.scenario) != 0) continue;
        scenarios[i].run();
        found = true;
    }
    pawl_client_free(client);
    pawl_worker_free(worker);
    if (!found) usage(argv[0]);
    return 0;
}
