/* The workflows of bench_replica. They look at the clock and write outside of themselves,
 * which a workflow must not do; here that is the measurement, and what is replayed leaves
 * no second record. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/bench_app.h"
#include "tests/bench/replica.h"

#define CHAIN_STEPS 5u
#define FAN_OUT_MAX 10000u
#define BEATS_EACH  20u /* then the history begins anew */

static int records_fd = -1;
static _Atomic uint64_t counts[RECORD_KINDS];
static _Atomic uint64_t steps;

bool records_open(const char *path)
{
    records_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    return records_fd >= 0;
}

void record(enum record_kind kind, uint32_t number, uint64_t value)
{
    struct record entry = {
        .time_ns = bench_now_ns(), .value = value, .number = number, .kind = kind
    };
    if (write(records_fd, &entry, sizeof entry) != (ssize_t)sizeof entry) {
        perror("cannot write the records");
        exit(1);
    }
    counts[kind]++;
}

uint64_t records_of(enum record_kind kind)
{
    return counts[kind];
}

uint64_t work_steps(void)
{
    return steps;
}

/* Ids end with "-<number>". */
static uint32_t number_of(const char *id)
{
    const char *dash = strrchr(id, '-');
    return dash ? (uint32_t)strtoul(dash + 1, NULL, 10) : 0;
}

static int64_t value_of(struct pawl_bytes input)
{
    return strtoll(pawl_as_text(input), NULL, 10);
}

static pawl_err step(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    steps++;
    return pawl_activity_return(ctx, input);
}

static pawl_err timed_step(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    record(RECORD_RUN, number_of(pawl_activity_instance(ctx)), 0);
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

static pawl_err fan_out(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    int64_t width = value_of(input);
    if (width < 1 || width > FAN_OUT_MAX) return PAWL_E_INVALID;
    struct pawl_task **tasks = pawl_alloc(ctx, (size_t)width * sizeof *tasks);
    for (int64_t i = 0; i < width; i++)
        tasks[i] = pawl_schedule_activity(ctx, "timed_step", input, NULL);
    return pawl_when_all(ctx, tasks, (size_t)width);
}

/* A step, a pause of the milliseconds given, and so on for ever. */
static pawl_err pulse(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    uint32_t number = number_of(pawl_instance_id(ctx));
    for (uint32_t i = 0; i < BEATS_EACH; i++) {
        pawl_err err = pawl_call_activity(ctx, "step", input, NULL, NULL);
        if (err) return err;
        if (!pawl_is_replaying(ctx)) record(RECORD_BEAT, number, 0);
        err = pawl_sleep(ctx, value_of(input));
        if (err) return err;
    }
    return pawl_continue_as_new(ctx, input);
}

/* Waits for the event "go", until the time given at the longest. */
static pawl_err park(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    uint32_t number = number_of(pawl_instance_id(ctx));
    if (!pawl_is_replaying(ctx)) record(RECORD_PARKED, number, 0);
    int64_t wait_ms = value_of(input) - pawl_now_ms(ctx);
    pawl_err err = pawl_wait_for_event(ctx, "go", wait_ms > 0 ? wait_ms : 0, NULL);
    if (err && err != PAWL_E_TIMEOUT) return err;
    if (!pawl_is_replaying(ctx)) record(RECORD_WOKEN, number, err == PAWL_E_TIMEOUT);
    return PAWL_OK;
}

bool work_register(struct pawl_worker *worker)
{
    static const struct pawl_workflow_def workflows[] = { { .name = "chain", .run = chain },
                                                          { .name = "fan_out", .run = fan_out },
                                                          { .name = "pulse", .run = pulse },
                                                          { .name = "park", .run = park } };
    static const struct pawl_activity_def activities[] = {
        { .name = "step", .run = step }, { .name = "timed_step", .run = timed_step }
    };
    pawl_err err = PAWL_OK;
    for (size_t i = 0; i < sizeof workflows / sizeof workflows[0] && !err; i++)
        err = pawl_worker_add_workflow(worker, &workflows[i]);
    for (size_t i = 0; i < sizeof activities / sizeof activities[0] && !err; i++)
        err = pawl_worker_add_activity(worker, &activities[i]);
    if (err) fprintf(stderr, "cannot register: %s\n", pawl_err_text(err));
    return !err;
}
