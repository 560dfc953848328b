#include "suite.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"

#define RING          256u /* more than can be in flight */
#define IN_FLIGHT_MAX 64u
#define SEQUENCE_OPS  500u
#define SEED_DEFAULT  20260801u
#define ERRORS_COUNT  32u

struct expectation {
    struct pawl_arena arena;
    struct pawl_bytes request;
    struct pawl_bytes reply;
    bool is_open;
};

struct run {
    const struct suite_options *options;
    uv_loop_t loop;
    struct pawl_store *store;
    bool ready;
    struct pawl_mem *mem;
    struct suite_generator generator;
    struct expectation ring[RING];
    uint64_t next_token;
    uint64_t last_token[SUITE_PARTITIONS]; /* replied to */
    uint32_t in_flight;
    uint64_t differences;
    uint64_t outcomes[PAWL_STORE_OPS_END][ERRORS_COUNT]; /* by -err */
};

/* Replies -------------------------------------------------------------------------- */

static void report(struct run *run, const struct expectation *expected, struct pawl_bytes got)
{
    if (++run->differences > 5) return;
    fprintf(stderr,
            "%s differs from the reference\n asked    %.*s\n expected %.*s\n got      %.*s\n",
            run->options->name, PAWL_BYTES_FMT(expected->request), PAWL_BYTES_FMT(expected->reply),
            PAWL_BYTES_FMT(got));
}

static void check_order(struct run *run, const struct pawl_store_reply *reply)
{
    uint64_t *last = &run->last_token[reply->partition];
    if (reply->token <= *last) {
        fprintf(stderr, "%s: replies of partition %" PRIu32 " came out of order\n",
                run->options->name, reply->partition);
        run->differences++;
    }
    *last = reply->token;
}

static void on_reply(void *context, const struct pawl_store_reply *reply)
{
    struct run *run = context;
    struct expectation *expected = &run->ring[reply->token % RING];
    PAWL_ASSERT(expected->is_open);
    struct pawl_bytes got = suite_reply_text(&expected->arena, reply);
    if (!pawl_bytes_is_equal(got, expected->reply)) {
        report(run, expected, got);
        if (run->differences <= 5 && !pawl_bytes_is_absent(reply->message))
            fprintf(stderr, " message  %.*s\n", PAWL_BYTES_FMT(reply->message));
    }
    check_order(run, reply);
    expected->is_open = false;
    run->in_flight--;
}

static void on_state(void *context, bool ready, const char *why)
{
    struct run *run = context;
    run->ready = ready;
    if (!ready) fprintf(stderr, "%s: %s\n", run->options->name, why);
}

/* Requests ------------------------------------------------------------------------- */

static void ask(struct run *run, struct pawl_store_request request)
{
    request.token = ++run->next_token;
    struct expectation *expected = &run->ring[request.token % RING];
    PAWL_ASSERT(!expected->is_open);
    pawl_arena_reset(&expected->arena);

    struct pawl_store_reply reply;
    pawl_mem_store_apply(run->mem, &request, &expected->arena, &reply);
    suite_learn(&run->generator, &request, &reply);
    run->outcomes[request.op][-(int)reply.err]++;
    expected->request = suite_request_text(&expected->arena, &request);
    expected->reply = suite_reply_text(&expected->arena, &reply);
    expected->is_open = true;
    run->in_flight++;
    run->store->ops->submit(run->store, &request);
}

static void wait_until_below(struct run *run, uint32_t in_flight)
{
    run->store->ops->flush(run->store);
    while (run->in_flight >= in_flight) uv_run(&run->loop, UV_RUN_ONCE);
}

/* Sometimes one at a time, sometimes a pile; sometimes several flushes before a reply. */
static void pump(struct run *run)
{
    struct pawl_rng *rng = &run->generator.rng;
    if (pawl_rng_below(rng, 4) != 0 && run->in_flight < IN_FLIGHT_MAX) return;
    run->store->ops->flush(run->store);
    if (run->in_flight < IN_FLIGHT_MAX && pawl_rng_below(rng, 2) == 0) return;
    wait_until_below(run, 1 + (uint32_t)pawl_rng_below(rng, IN_FLIGHT_MAX));
}

/* Everything ------------------------------------------------------------------------ */

static void ask_instances(struct run *run, uint32_t partition)
{
    for (uint32_t i = 0; suite_instance(i); i++) {
        struct pawl_store_request request = { .op = PAWL_STORE_LOAD, .partition = partition };
        request.load.instance = pawl_bytes_str(suite_instance(i));
        request.load.want =
            PAWL_LOAD_PENDING | PAWL_LOAD_INBOX | PAWL_LOAD_HISTORY | PAWL_LOAD_PAYLOADS;
        request.load.history_max = PAWL_LOAD_HISTORY_MAX;
        request.load.history_size_max = PAWL_LOAD_HISTORY_SIZE_MAX;
        ask(run, request);
    }
}

static void ask_reminders(struct run *run, const struct suite_partition *partition)
{
    struct pawl_store_request request = { .op = PAWL_STORE_POLL, .partition = partition->index };
    request.poll.fence = partition->fence;
    request.poll.now_ms = run->generator.now_ms + 1000000000;
    request.poll.until_ms = request.poll.now_ms;
    request.poll.max = PAWL_POLL_ITEMS_MAX;
    ask(run, request);
}

static void ask_list(struct run *run, uint32_t partition)
{
    struct pawl_store_request request = { .op = PAWL_STORE_QUERY, .partition = partition };
    request.query.limit = PAWL_QUERY_ITEMS_MAX;
    request.query.scan_max = PAWL_QUERY_ITEMS_MAX;
    ask(run, request);
}

/* Each index of its own: a row that stayed where it does not belong, or went missing. */
static void ask_indexes(struct run *run, uint32_t partition)
{
    for (int order = 0; order < PAWL_QUERY_ORDERS_END; order++) {
        for (uint32_t status = 0; status <= PAWL_STATUS_COUNT; status++) {
            for (int filter = 0; filter < 3; filter++) {
                struct pawl_store_request request = { .op = PAWL_STORE_QUERY,
                                                      .partition = partition };
                request.query.order = (enum pawl_query_order)order;
                if (status < PAWL_STATUS_COUNT) request.query.status_mask = 1u << status;
                if (filter == 1) request.query.name = PAWL_BYTES_LITERAL("name-1");
                if (filter == 2) request.query.tags = PAWL_BYTES_LITERAL("\x92\xa4team\xa1x");
                request.query.limit = PAWL_QUERY_ITEMS_MAX;
                request.query.scan_max = PAWL_QUERY_ITEMS_MAX;
                ask(run, request);
                request.query.count_only = true;
                ask(run, request);
                wait_until_below(run, IN_FLIGHT_MAX);
            }
        }
    }
}

/* In one page each, whose order does not matter then. */
static void ask_rows(struct run *run, uint32_t partition)
{
    static const enum pawl_inspect_what lists[] = {
        PAWL_INSPECT_INSTANCES,  PAWL_INSPECT_REMINDERS, PAWL_INSPECT_OUTBOX,
        PAWL_INSPECT_QUARANTINE, PAWL_INSPECT_STRAYS,    PAWL_INSPECT_PARTITION,
    };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        struct pawl_store_request request = { .op = PAWL_STORE_INSPECT, .partition = partition };
        request.inspect.what = lists[i];
        request.inspect.limit = 1000000;
        ask(run, request);
    }
}

static void purge_all(struct run *run, uint32_t partition)
{
    for (uint32_t i = 0; suite_instance(i); i++) {
        struct pawl_store_request request = { .op = PAWL_STORE_PURGE, .partition = partition };
        request.purge.instance = pawl_bytes_str(suite_instance(i));
        request.purge.force = true;
        ask(run, request);
    }
}

/* The whole state as it can be seen, after each sequence. */
static void ask_everything(struct run *run)
{
    for (int i = 0; i < 2; i++) {
        const struct suite_partition *partition = &run->generator.partitions[i];
        wait_until_below(run, 1);
        ask_instances(run, partition->index);
        ask_list(run, partition->index);
        ask_indexes(run, partition->index);
        ask_rows(run, partition->index);
        ask_reminders(run, partition);
        if (pawl_rng_below(&run->generator.rng, 3) == 0) {
            purge_all(run, partition->index);
            ask_reminders(run, partition); /* messages at most are left */
        }
    }
    wait_until_below(run, 1);
}

static void sequence(struct run *run, uint64_t number, uint64_t ops)
{
    uint32_t first = (uint32_t)(number * 2 % SUITE_PARTITIONS);
    suite_generator_use(&run->generator, first, first + 1);
    for (uint64_t i = 0; i < ops && run->differences == 0; i++) {
        ask(run, suite_generate(&run->generator));
        pump(run);
    }
    wait_until_below(run, 1);
    if (run->differences == 0) ask_everything(run);
    if (run->differences)
        fprintf(stderr, "%s: in sequence %" PRIu64 ", seed %" PRIu64 "\n", run->options->name,
                number, run->options->seed ? run->options->seed : SEED_DEFAULT);
}

/* Coverage -------------------------------------------------------------------------- */

struct outcome {
    enum pawl_store_op op;
    pawl_err err;
};

/* Every outcome that the port documents. */
static const struct outcome outcomes[] = {
    { PAWL_STORE_ACQUIRE, PAWL_OK },
    { PAWL_STORE_ACQUIRE, PAWL_E_CONFLICT },
    { PAWL_STORE_CREATE, PAWL_OK },
    { PAWL_STORE_CREATE, PAWL_E_DUPLICATE },
    { PAWL_STORE_CREATE, PAWL_E_TERMINAL },
    { PAWL_STORE_CREATE, PAWL_E_EXISTS },
    { PAWL_STORE_LOAD, PAWL_OK },
    { PAWL_STORE_LOAD, PAWL_E_NOT_FOUND },
    { PAWL_STORE_LOAD, PAWL_E_FENCED },
    { PAWL_STORE_COMMIT, PAWL_OK },
    { PAWL_STORE_COMMIT, PAWL_E_FENCED },
    { PAWL_STORE_COMMIT, PAWL_E_NOT_FOUND },
    { PAWL_STORE_COMMIT, PAWL_E_CONFLICT },
    { PAWL_STORE_COMMIT, PAWL_E_TOO_LARGE },
    { PAWL_STORE_DELIVER, PAWL_OK },
    { PAWL_STORE_DELIVER, PAWL_E_NOT_FOUND },
    { PAWL_STORE_DELIVER, PAWL_E_TERMINAL },
    { PAWL_STORE_DELIVER, PAWL_E_CONFLICT },
    { PAWL_STORE_DELIVER, PAWL_E_DUPLICATE },
    { PAWL_STORE_DELIVER, PAWL_E_BUSY },
    { PAWL_STORE_POLL, PAWL_OK },
    { PAWL_STORE_POLL, PAWL_E_FENCED },
    { PAWL_STORE_PURGE, PAWL_OK },
    { PAWL_STORE_PURGE, PAWL_E_NOT_FOUND },
    { PAWL_STORE_PURGE, PAWL_E_NOT_TERMINAL },
    { PAWL_STORE_PURGE, PAWL_E_CONFLICT },
    { PAWL_STORE_OUTDONE, PAWL_OK },
    { PAWL_STORE_QUERY, PAWL_OK },
    { PAWL_STORE_INSPECT, PAWL_OK },
    { PAWL_STORE_CHANGES, PAWL_OK },
};
#define OUTCOMES_COUNT (sizeof outcomes / sizeof outcomes[0])

static bool outcome_is_documented(int op, int err_number)
{
    for (size_t i = 0; i < OUTCOMES_COUNT; i++)
        if ((int)outcomes[i].op == op && -(int)outcomes[i].err == err_number) return true;
    return false;
}

static int check_outcomes(const struct run *run)
{
    int missing = 0;
    for (size_t i = 0; i < OUTCOMES_COUNT; i++) {
        if (run->outcomes[outcomes[i].op][-(int)outcomes[i].err]) continue;
        fprintf(stderr, "%s: %s never answered %s; more operations are needed\n",
                run->options->name, pawl_store_op_name((int)outcomes[i].op),
                pawl_err_name(outcomes[i].err));
        missing++;
    }
    for (int op = 1; op < PAWL_STORE_OPS_END; op++)
        for (int number = 0; number < (int)ERRORS_COUNT; number++)
            if (run->outcomes[op][number] && !outcome_is_documented(op, number)) {
                fprintf(stderr, "the reference answered %s with %s, which is not documented\n",
                        pawl_store_op_name(op), pawl_err_name((pawl_err)-number));
                missing++;
            }
    return missing;
}

static int check_marks(const struct run *run)
{
    static const char *const names[SUITE_MARKS_COUNT] = {
        [SUITE_CREATE_REBIND] = "create rebinds a child",
        [SUITE_CREATE_LATE] = "create comes late for a child that is another request's",
        [SUITE_CREATE_REFUSED_STILL] = "create stays refused when its id is free",
        [SUITE_CREATE_REPLACE] = "create replaces an ended instance",
        [SUITE_COMMIT_RESENT] = "commit is sent twice",
        [SUITE_COMMIT_CARRY_BEFORE_ROWS] = "continue as new with rows that came meanwhile",
        [SUITE_COMMIT_TERMINAL] = "commit ends an instance",
        [SUITE_COMMIT_WAKE_AT] = "commit sets a wake-up",
        [SUITE_DELIVER_TIMER] = "a timer is delivered",
        [SUITE_DELIVER_SEEN_BY_ENDED] = "an ended instance knows an event that is repeated",
        [SUITE_DELIVER_FORGOTTEN_BY_ENDED] = "an ended instance has forgotten an old event",
        [SUITE_DELIVER_REWINDS] = "a failed instance is rewound",
        [SUITE_DELIVER_REWINDS_NOT] = "what has not failed is not rewound",
        [SUITE_LOAD_OTHER_GEN] = "history of another generation is asked for",
        [SUITE_LOAD_PART_OF_HISTORY] = "history comes in pages",
        [SUITE_POLL_FUTURE_TIMERS] = "poll passes over future timers",
        [SUITE_POLL_MESSAGE] = "poll returns a message",
        [SUITE_QUERY_MORE] = "query stops before the end",
        [SUITE_QUERY_TAGS] = "query finds by tags",
        [SUITE_QUERY_COUNT] = "query counts",
        [SUITE_QUERY_COMPLETED] = "query finds by completed time",
        [SUITE_QUERY_BY_ID] = "query goes by id",
        [SUITE_CHANGES_FORGOTTEN] = "changes are asked for that are forgotten",
        [SUITE_CHANGES_OMITTED] = "a custom status is too large for the change log",
    };
    int missing = 0;
    for (int i = 0; i < SUITE_MARKS_COUNT; i++) {
        if (run->generator.marks[i]) continue;
        fprintf(stderr, "%s: never happened: %s\n", run->options->name, names[i]);
        missing++;
    }
    return missing;
}

/* Run -------------------------------------------------------------------------------- */

static bool open_store(struct run *run)
{
    const struct pawl_store_config config = {
        .loop = &run->loop,
        .url = run->options->url,
        .app = "conformance",
        .namespace_ = "tests",
        .partitions = SUITE_PARTITIONS,
        .synchronous = run->options->synchronous,
        .on_reply = on_reply,
        .on_state = on_state,
        .context = run,
    };
    const char *message = "";
    pawl_err err = run->options->open(&config, &run->store, &message);
    if (err) {
        fprintf(stderr, "%s cannot be opened: %s: %s\n", run->options->name, pawl_err_name(err),
                message);
        return false;
    }
    while (!run->ready) uv_run(&run->loop, UV_RUN_ONCE);
    return true;
}

static void run_sequences(struct run *run)
{
    uint64_t left = run->options->ops;
    for (uint64_t number = 0; left > 0 && run->differences == 0; number++) {
        uint64_t ops = left < SEQUENCE_OPS ? left : SEQUENCE_OPS;
        sequence(run, number, ops);
        left -= ops;
    }
}

static void close_store(struct run *run)
{
    run->store->ops->close(run->store);
    uv_run(&run->loop, UV_RUN_DEFAULT);
}

int suite_run(const struct suite_options *options)
{
    static struct run run;
    run = (struct run){ .options = options };
    for (uint32_t i = 0; i < RING; i++) pawl_arena_init(&run.ring[i].arena);
    run.mem = pawl_mem_store_new();
    suite_generator_init(&run.generator, options->seed ? options->seed : SEED_DEFAULT, run.mem);
    uv_loop_init(&run.loop);

    int failures = 1;
    if (open_store(&run)) {
        run_sequences(&run);
        close_store(&run);
        failures = run.differences ? 1 : check_outcomes(&run) + check_marks(&run);
    }
    printf("%s: %" PRIu64 " operations, %s\n", options->name, run.next_token,
           failures ? "FAILED" : "all as the reference");
    uv_loop_close(&run.loop);
    suite_generator_deinit(&run.generator);
    pawl_mem_store_free(run.mem);
    for (uint32_t i = 0; i < RING; i++) pawl_arena_deinit(&run.ring[i].arena);
    return failures ? 1 : 0;
}

void suite_parse(struct suite_options *options, int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        char *end = NULL;
        uint64_t value = i + 1 < argc ? strtoull(argv[i + 1], &end, 10) : 0;
        bool is_number = end && *end == 0;
        if (is_number && strcmp(argv[i], "--ops") == 0)
            options->ops = value;
        else if (is_number && strcmp(argv[i], "--seed") == 0)
            options->seed = value;
        else {
            fprintf(stderr, "usage: %s [--ops N] [--seed N]\n", argv[0]);
            exit(2);
        }
    }
}
