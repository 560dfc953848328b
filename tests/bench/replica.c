/* One replica of the app of cluster.py and of test_many.py: a worker, and clients
 * that give work, told on stdin what to do. One line per command, one line of JSON when it
 * is done.
 *
 *     bench_replica --endpoint tcp://127.0.0.1:3501 --app-id bench --records FILE
 *
 *   chain CLIENTS SECONDS       clients start workflows of 5 steps and wait for their ends
 *   fan_out NUMBER WIDTH        one workflow of so many steps at once
 *   pulse FIRST COUNT MS        workflows that step, pause so long, and so on
 *   park FIRST COUNT MS LATER   workflows that wait for an event or this time (since 1970);
 *                               each LATERth has a day longer (0: none)
 *   raise FIRST COUNT STRIDE    the event for these workflows of `park`
 *   load CLIENTS PAUSE_MS       as `chain`, with a pause before each, until `unload`
 *   counts                      records by kind
 *
 * Ends with its stdin. */
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/bench_app.h"
#include "tests/bench/replica.h"

#define CLIENTS_MAX      1024u
#define BULK_CLIENTS     128u
#define RAISE_CLIENTS    4u
#define CLIENT_STACK     (256u << 10)
#define WAIT_MS          600000
#define A_DAY_MS         INT64_C(86400000)
#define WARM_UP_SHARE    5 /* the first fifth of the time is not counted */
#define FAILED_PAUSE_MS  20
#define ACTIVITIES_MAX   4096u
#define ACTIVITY_THREADS 2u
#define TURNS_MAX        1024u
#define CACHE_MAX        8192u

static struct pawl_client *client;
static _Atomic uint64_t next_number;

/* Calls --------------------------------------------------------------------------------- */

/* A failed call is not the end: it is recorded, and who made it goes on. */
static bool call_ok(pawl_err err, uint32_t number, struct pawl_result *result)
{
    if (err) {
        record(RECORD_ERROR, number, (uint64_t)-err);
        fprintf(stderr, "workflow %" PRIu32 ": %s. %s\n", number, pawl_err_text(err),
                pawl_result_message(result));
    }
    pawl_result_free(result);
    return !err;
}

static bool start(const char *name, uint32_t number, const char *id, const char *input)
{
    struct pawl_start how = { .name = name, .id = id, .request_id = id, .input = pawl_text(input) };
    struct pawl_result *result = NULL;
    pawl_err err = pawl_client_start(client, &how, &result);
    return call_ok(err, number, result);
}

static bool wait_for_end(const char *id, uint32_t number)
{
    struct pawl_result *result = NULL;
    pawl_err err = pawl_client_wait(client, id, PAWL_FOR_COMPLETION, WAIT_MS, &result);
    if (!err && pawl_result_instance(result)->status != PAWL_STATUS_COMPLETED) err = PAWL_E_FAILED;
    return call_ok(err, number, result);
}

static bool run_chain(void)
{
    uint32_t number = (uint32_t)next_number++;
    char id[64];
    (void)snprintf(id, sizeof id, "chain-%ld-%" PRIu32, (long)getpid(), number);
    bool ok = start("chain", number, id, "{\"order\":4711,\"customer\":\"Ada Lovelace\"}")
              && wait_for_end(id, number);
    if (!ok) bench_sleep_ms(FAILED_PAUSE_MS);
    return ok;
}

/* Clients ------------------------------------------------------------------------------- */

static void clients_start(pthread_t *threads, uint32_t count, void *(*run)(void *), void *context)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, CLIENT_STACK);
    for (uint32_t i = 0; i < count; i++)
        if (pthread_create(&threads[i], &attributes, run, context) != 0) abort();
    pthread_attr_destroy(&attributes);
}

static void clients_join(const pthread_t *threads, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) pthread_join(threads[i], NULL);
}

/* The same thing for many numbers, by many clients. */
struct bulk {
    const char *name; /* of the workflow */
    uint32_t clients; /* 0: BULK_CLIENTS */
    uint32_t first, count, stride;
    int64_t value; /* its input */
    uint32_t later;
    _Atomic uint32_t taken;
    bool (*run)(const struct bulk *bulk, uint32_t number);
};

static bool bulk_start(const struct bulk *bulk, uint32_t number)
{
    bool is_later = bulk->later && number % bulk->later == 0;
    char id[64], input[32];
    (void)snprintf(id, sizeof id, "%s-%" PRIu32, bulk->name, number);
    (void)snprintf(input, sizeof input, "%" PRId64, bulk->value + (is_later ? A_DAY_MS : 0));
    return start(bulk->name, number, id, input);
}

static bool bulk_raise(const struct bulk *bulk, uint32_t number)
{
    char id[64], request_id[64];
    (void)snprintf(id, sizeof id, "%s-%" PRIu32, bulk->name, number);
    (void)snprintf(request_id, sizeof request_id, "go-%" PRIu32, number);
    struct pawl_result *result = NULL;
    pawl_err err = pawl_client_raise_event(client, id, "go", pawl_text(""), request_id, &result);
    return call_ok(err, number, result);
}

/* What fails is tried again until it works: both calls carry a request id. */
static void *bulk_client(void *context)
{
    struct bulk *bulk = context;
    uint32_t i;
    while ((i = bulk->taken++) < bulk->count)
        while (!bulk->run(bulk, bulk->first + i * bulk->stride)) bench_sleep_ms(FAILED_PAUSE_MS);
    return NULL;
}

static void bulk_run(struct bulk *bulk)
{
    pthread_t threads[BULK_CLIENTS];
    uint64_t begin_ns = bench_now_ns();
    uint32_t count = bulk->clients ? bulk->clients : BULK_CLIENTS;
    clients_start(threads, count, bulk_client, bulk);
    clients_join(threads, count);
    printf("{\"count\":%" PRIu32 ",\"seconds\":%.3f}\n", bulk->count,
           (double)(bench_now_ns() - begin_ns) / 1e9);
}

/* Commands ------------------------------------------------------------------------------ */

static struct {
    pthread_t threads[CLIENTS_MAX];
    uint32_t count;
    int64_t pause_ms;
    _Atomic bool is_ending;
    _Atomic uint64_t done;
} clients;

static void *chain_client(void *context)
{
    while (!clients.is_ending)
        if (run_chain()) clients.done++;
    return context;
}

static bool command_chain(const int64_t *args)
{
    if (args[0] < 1 || args[0] > CLIENTS_MAX || args[1] < 1) return false;
    int64_t all_ms = args[1] * 1000;
    uint64_t steps_begin = work_steps();
    clients.is_ending = false;
    clients.count = (uint32_t)args[0];
    clients_start(clients.threads, clients.count, chain_client, NULL);
    bench_sleep_ms(all_ms / WARM_UP_SHARE);
    uint64_t from_ns = bench_now_ns(), steps_from = work_steps(), done_from = clients.done;
    bench_sleep_ms(all_ms - all_ms / WARM_UP_SHARE);
    uint64_t to_ns = bench_now_ns(), steps_to = work_steps(), done_to = clients.done;
    clients.is_ending = true;
    clients_join(clients.threads, clients.count);
    printf("{\"seconds\":%.4f,\"steps\":%" PRIu64 ",\"workflows\":%" PRIu64
           ",\"steps_in_all\":%" PRIu64 "}\n",
           (double)(to_ns - from_ns) / 1e9, steps_to - steps_from, done_to - done_from,
           work_steps() - steps_begin);
    return true;
}

static bool command_fan_out(const int64_t *args)
{
    uint32_t number = (uint32_t)args[0];
    char id[64], input[32];
    (void)snprintf(id, sizeof id, "fan_out-%" PRIu32, number);
    (void)snprintf(input, sizeof input, "%" PRId64, args[1]);
    uint64_t begin_ns = bench_now_ns();
    bool ok = start("fan_out", number, id, input) && wait_for_end(id, number);
    printf("{\"ok\":%s,\"seconds\":%.6f}\n", ok ? "true" : "false",
           (double)(bench_now_ns() - begin_ns) / 1e9);
    return true;
}

static bool command_pulse(const int64_t *args)
{
    bulk_run(&(struct bulk){ .name = "pulse",
                             .first = (uint32_t)args[0],
                             .count = (uint32_t)args[1],
                             .stride = 1,
                             .value = args[2],
                             .run = bulk_start });
    return true;
}

static bool command_park(const int64_t *args)
{
    bulk_run(&(struct bulk){ .name = "park",
                             .first = (uint32_t)args[0],
                             .count = (uint32_t)args[1],
                             .stride = 1,
                             .value = args[2],
                             .later = (uint32_t)args[3],
                             .run = bulk_start });
    return true;
}

static bool command_raise(const int64_t *args)
{
    bulk_run(&(struct bulk){ .name = "park",
                             .first = (uint32_t)args[0],
                             .count = (uint32_t)args[1],
                             .stride = (uint32_t)args[2],
                             .clients = RAISE_CLIENTS,
                             .run = bulk_raise });
    return true;
}

static void *load_client(void *context)
{
    while (!clients.is_ending) {
        bench_sleep_ms(clients.pause_ms);
        uint64_t begin_ns = bench_now_ns();
        if (run_chain()) record(RECORD_DONE, 0, bench_now_ns() - begin_ns);
    }
    return context;
}

static bool command_load(const int64_t *args)
{
    if (args[0] < 1 || args[0] > CLIENTS_MAX || args[1] < 0) return false;
    clients.is_ending = false;
    clients.count = (uint32_t)args[0];
    clients.pause_ms = args[1];
    clients_start(clients.threads, clients.count, load_client, NULL);
    printf("{}\n");
    return true;
}

static bool command_unload(const int64_t *args)
{
    (void)args;
    clients.is_ending = true;
    clients_join(clients.threads, clients.count);
    clients.count = 0;
    printf("{}\n");
    return true;
}

static bool command_counts(const int64_t *args)
{
    (void)args;
    printf("{\"beat\":%" PRIu64 ",\"run\":%" PRIu64 ",\"parked\":%" PRIu64 ",\"woken\":%" PRIu64
           ",\"done\":%" PRIu64 ",\"error\":%" PRIu64 ",\"steps\":%" PRIu64 "}\n",
           records_of(RECORD_BEAT), records_of(RECORD_RUN), records_of(RECORD_PARKED),
           records_of(RECORD_WOKEN), records_of(RECORD_DONE), records_of(RECORD_ERROR),
           work_steps());
    return true;
}

#define ARGS_MAX 4
static const struct {
    const char *name;
    int args;
    bool (*run)(const int64_t *args);
} commands[] = {
    { "chain", 2, command_chain },   { "fan_out", 2, command_fan_out },
    { "pulse", 3, command_pulse },   { "park", 4, command_park },
    { "raise", 3, command_raise },   { "load", 2, command_load },
    { "unload", 0, command_unload }, { "counts", 0, command_counts },
};

static bool obey(char *line)
{
    int64_t args[ARGS_MAX] = { 0 };
    int count = 0;
    char *rest = NULL, *name = strtok_r(line, " \n", &rest);
    for (char *word; count < ARGS_MAX && (word = strtok_r(NULL, " \n", &rest)) != NULL; count++)
        args[count] = strtoll(word, NULL, 10);
    for (size_t i = 0; name && i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(name, commands[i].name) == 0 && count == commands[i].args)
            return commands[i].run(args);
    return false;
}

/* Start --------------------------------------------------------------------------------- */

static struct pawl_worker *worker_start(const char *endpoint, const char *app_id)
{
    const struct pawl_worker_options options = { .endpoint = endpoint,
                                                 .app_id = app_id,
                                                 .turns_max = TURNS_MAX,
                                                 .activities_max = ACTIVITIES_MAX,
                                                 .activity_threads = ACTIVITY_THREADS,
                                                 .cache_max = CACHE_MAX };
    struct pawl_worker *worker;
    pawl_err err = pawl_worker_new(&options, &worker);
    if (!err && !work_register(worker)) exit(1);
    if (!err) err = pawl_worker_start(worker);
    if (err) {
        fprintf(stderr, "the worker cannot start: %s\n", pawl_err_text(err));
        exit(1);
    }
    return worker;
}

static void usage(const char *program)
{
    fprintf(stderr,
            "usage: %s --endpoint URL --app-id ID --records FILE\n"
            "Reads commands from its standard input; the head of replica.c lists them.\n",
            program);
    exit(2);
}

int main(int argc, char **argv)
{
    static const struct option names[] = { { "endpoint", required_argument, NULL, 'e' },
                                           { "app-id", required_argument, NULL, 'a' },
                                           { "records", required_argument, NULL, 'r' },
                                           { NULL, 0, NULL, 0 } };
    const char *endpoint = NULL, *app_id = NULL, *records = NULL;
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 'e': endpoint = optarg; break;
        case 'a': app_id = optarg; break;
        case 'r': records = optarg; break;
        default: usage(argv[0]);
        }
    }
    if (!endpoint || !app_id || !records || optind != argc) usage(argv[0]);
    if (!records_open(records)) {
        perror(records);
        return 1;
    }
    struct pawl_worker *worker = worker_start(endpoint, app_id);
    const struct pawl_client_options client_options = { .endpoint = endpoint, .app_id = app_id };
    if (pawl_client_new(&client_options, &client) != PAWL_OK) abort();

    char line[256];
    while (fgets(line, sizeof line, stdin)) {
        if (!obey(line)) {
            fprintf(stderr, "not a command: %s", line);
            return 2;
        }
        fflush(stdout);
    }
    pawl_client_free(client);
    pawl_worker_free(worker);
    return 0;
}
