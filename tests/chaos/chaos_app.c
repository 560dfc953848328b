/* The app of the chaos run: the workflow "program" carries out a program that its input
 * spells out, so that programs.py knows its output beforehand; "ticker" and "spread_ticker"
 * show that time goes on. Every run of an activity first leaves a line in the file "chaos.log" of
 * the current folder:
 *
 *     <activity> <instance> <execution id> <attempt> <hash of the input> <output, or -what it fails
 * with> tick <instance> <number> <Unix ms>
 *
 * Input of a program: "accumulator|steps", its output is the accumulator. Steps are separated
 * by blanks; "@APP" behind a letter means another app:
 *
 *     a3 a3@bank   activities at once        t50     a timer of 50 ms
 *     r50          an activity against a timer        q50     no event comes for 50 ms
 *     e            the event "item"          x       an activity that fails
 *     f            one that fails at first   l       one that takes long
 *     c{…} c@bank{…}  a child program        k{…}    one that sends its parent an event, too
 *     u@shop       that event, to the parent in shop
 *     n            continue as new with the steps that follow
 */
#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pawl/pawl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FAN_MAX          64
#define FLAKY_FAILS      2
#define LONG_MS          2500
#define SHORT_MS         25
#define SPREAD_TICKS     2
#define TICK_MS          100
#define TICKS_GENERATION 20

/* Values ---------------------------------------------------------------------------------- */

static uint64_t hash_text(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *text; text++) hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t mix(uint64_t accumulator, const char *text)
{
    return (accumulator ^ hash_text(text)) * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

/* Activities ------------------------------------------------------------------------------- */

/* One write to a file opened for appending, so that lines of processes that die do not mix. */
static bool log_line(const char *line, int size)
{
    int fd = open("chaos.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    bool written = write(fd, line, (size_t)size) == size;
    return close(fd) == 0 && written;
}

static bool note(const struct pawl_activity_ctx *ctx, struct pawl_bytes input, const char *output)
{
    char line[1024];
    int size = snprintf(line, sizeof line, "%s %s %s %" PRIu32 " %" PRIu64 " %s\n",
                        pawl_activity_name(ctx), pawl_activity_instance(ctx),
                        pawl_activity_execution_text(ctx), pawl_activity_attempt(ctx),
                        hash_text(pawl_as_text(input)), output);
    return size > 0 && (size_t)size < sizeof line && log_line(line, size);
}

static void nap(long ms)
{
    (void)nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

static pawl_err work_for(struct pawl_activity_ctx *ctx, struct pawl_bytes input, long ms)
{
    char output[32];
    (void)snprintf(output, sizeof output, "%" PRIu64, hash_text(pawl_as_text(input)));
    if (!note(ctx, input, output)) return pawl_activity_fail(ctx, "Disk", "cannot write the log");
    nap(ms);
    return pawl_activity_return(ctx, pawl_text(output));
}

static pawl_err work(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    return work_for(ctx, input, (long)(hash_text(pawl_as_text(input)) % SHORT_MS));
}

static pawl_err toil(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    return work_for(ctx, input, LONG_MS);
}

static pawl_err refuse(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    if (!note(ctx, input, "-declined"))
        return pawl_activity_fail(ctx, "Disk", "cannot write the log");
    return pawl_activity_fail(ctx, "Declined", "not today");
}

/* Fails FLAKY_FAILS times for each call. The count is in files: this process may die. */
static pawl_err flaky(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    for (int i = 0; i < FLAKY_FAILS; i++) {
        char path[96];
        (void)snprintf(path, sizeof path, "flaky-%s-%d", pawl_activity_execution_text(ctx), i);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0) continue;
        (void)close(fd);
        if (!note(ctx, input, i == 0 ? "-first" : "-second"))
            return pawl_activity_fail(ctx, "Disk", "cannot write the log");
        return pawl_activity_fail(ctx, "Flaky", "not yet");
    }
    return work_for(ctx, input, 0);
}

static pawl_err tick(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    char line[512];
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    int size = snprintf(line, sizeof line, "tick %s %s %lld\n", pawl_activity_instance(ctx),
                        pawl_as_text(input), (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    if (size < 0 || (size_t)size >= sizeof line || !log_line(line, size))
        return pawl_activity_fail(ctx, "Disk", "cannot write the log");
    return PAWL_OK;
}

/* Programs --------------------------------------------------------------------------------- */

struct program {
    struct pawl_workflow_ctx *ctx;
    const char *next; /* in the text of the steps */
    uint64_t accumulator;
    bool continues;
};

struct step {
    char kind;
    long number;
    const char *app;  /* NULL: this one */
    const char *body; /* of a child */
};

static const char *read_word(struct program *program, char end_a, char end_b)
{
    size_t size = 0;
    while (program->next[size] && program->next[size] != end_a && program->next[size] != end_b)
        size++;
    const char *word = pawl_format(program->ctx, "%.*s", (int)size, program->next);
    program->next += size;
    return word;
}

/* What is between the braces, which may hold braces. */
static const char *read_body(struct program *program)
{
    const char *from = ++program->next;
    for (int depth = 1; depth > 0 && *program->next; program->next++) {
        if (*program->next == '{') depth++;
        if (*program->next == '}') depth--;
    }
    return pawl_format(program->ctx, "%.*s", (int)(program->next - from - 1), from);
}

static bool read_step(struct program *program, struct step *ret_step)
{
    while (*program->next == ' ') program->next++;
    if (!*program->next) return false;
    *ret_step = (struct step){ .kind = *program->next++ };
    char *end;
    if (isdigit((unsigned char)*program->next)) {
        ret_step->number = strtol(program->next, &end, 10);
        program->next = end;
    }
    if (*program->next == '@') {
        program->next++;
        ret_step->app = read_word(program, ' ', '{');
    }
    if (*program->next == '{') ret_step->body = read_body(program);
    return true;
}

static void take(struct program *program, const char *text)
{
    program->accumulator = mix(program->accumulator, text);
}

static struct pawl_bytes input_of(struct program *program, char kind, long number)
{
    return pawl_text(
        pawl_format(program->ctx, "%c%" PRIu64 ".%ld", kind, program->accumulator, number));
}

static struct pawl_task *start_work(struct program *program, const struct step *step, long number,
                                    const char *name)
{
    static const struct pawl_retry retry = { .attempts_max = FLAKY_FAILS + 1,
                                             .first_interval_ms = 20 };
    struct pawl_call_options options = { .app_id = step->app,
                                         .retry = step->kind == 'f' ? &retry : NULL };
    return pawl_schedule_activity(program->ctx, name, input_of(program, step->kind, number),
                                  &options);
}

static pawl_err take_output(struct program *program, struct pawl_task *task)
{
    struct pawl_bytes output;
    pawl_err err = pawl_await(program->ctx, task, &output);
    if (!err) take(program, pawl_as_text(output));
    return err;
}

static pawl_err run_activities(struct program *program, const struct step *step)
{
    struct pawl_task *tasks[FAN_MAX];
    if (step->number > FAN_MAX) return PAWL_E_INVALID;
    for (long i = 0; i < step->number; i++) tasks[i] = start_work(program, step, i, "work");
    pawl_err err = pawl_when_all(program->ctx, tasks, (size_t)step->number);
    for (long i = 0; i < step->number && !err; i++) err = take_output(program, tasks[i]);
    return err;
}

static pawl_err run_race(struct program *program, const struct step *step)
{
    struct pawl_task *tasks[] = { start_work(program, step, 0, "work"),
                                  pawl_create_timer(program->ctx, step->number) };
    size_t first;
    pawl_err err = pawl_when_any(program->ctx, tasks, 2, &first);
    if (!err && first == 0) err = pawl_task_cancel(program->ctx, tasks[1]);
    return err ? err : take_output(program, tasks[0]);
}

static pawl_err run_refused(struct program *program, const struct step *step)
{
    struct pawl_task *task = start_work(program, step, 0, "refuse");
    if (pawl_await(program->ctx, task, NULL) != PAWL_E_FAILED) return PAWL_E_STATE;
    take(program, pawl_task_failure(task)->type);
    return PAWL_OK;
}

static pawl_err run_silence(struct program *program, const struct step *step)
{
    pawl_err err = pawl_wait_for_event(program->ctx, "never", step->number, NULL);
    if (err != PAWL_E_TIMEOUT) return PAWL_E_STATE;
    take(program, "silence");
    return PAWL_OK;
}

static pawl_err run_event(struct program *program, const char *name)
{
    struct pawl_bytes payload;
    pawl_err err = pawl_wait_for_event(program->ctx, name, PAWL_FOREVER, &payload);
    if (!err) take(program, pawl_as_text(payload));
    return err;
}

static pawl_err run_child(struct program *program, const struct step *step)
{
    struct pawl_call_options options = { .app_id = step->app };
    const char *input = pawl_format(program->ctx, "%" PRIu64 "|%s", program->accumulator,
                                    step->body ? step->body : "");
    struct pawl_task *task =
        pawl_schedule_child_workflow(program->ctx, "program", pawl_text(input), &options);
    pawl_err err = step->kind == 'k' ? run_event(program, "child") : PAWL_OK;
    return err ? err : take_output(program, task);
}

static pawl_err run_step(struct program *program, const struct step *step)
{
    switch (step->kind) {
    case 'a': return run_activities(program, step);
    case 't': return pawl_sleep(program->ctx, step->number);
    case 'r': return run_race(program, step);
    case 'e': return run_event(program, "item");
    case 'q': return run_silence(program, step);
    case 'x': return run_refused(program, step);
    case 'f': return take_output(program, start_work(program, step, 0, "flaky"));
    case 'l': return take_output(program, start_work(program, step, 0, "toil"));
    case 'c':
    case 'k': return run_child(program, step);
    case 'u':
        return pawl_send_event_to_app(program->ctx, step->app, pawl_parent_id(program->ctx),
                                      "child", pawl_text("told"));
    case 'n': program->continues = true; return PAWL_OK;
    default: return PAWL_E_INVALID;
    }
}

static pawl_err run_program(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    char *bar;
    struct program program = { .ctx = ctx };
    program.accumulator = strtoull(pawl_as_text(input), &bar, 10);
    if (*bar != '|') return PAWL_E_INVALID;
    program.next = bar + 1;
    struct step step;
    pawl_err err = PAWL_OK;
    while (!err && !program.continues && read_step(&program, &step)) {
        err = run_step(&program, &step);
    }
    if (err) return err;
    const char *value = pawl_format(ctx, "%" PRIu64, program.accumulator);
    if (!program.continues) return pawl_return(ctx, pawl_text(value));
    return pawl_continue_as_new(ctx, pawl_text(pawl_format(ctx, "%s|%s", value, program.next)));
}

static pawl_err tick_at_once(struct pawl_workflow_ctx *ctx, long first, long width)
{
    struct pawl_task *tasks[SPREAD_TICKS];
    for (long i = 0; i < width; i++)
        tasks[i] = pawl_schedule_activity(ctx, "tick",
                                          pawl_text(pawl_format(ctx, "%ld", first + i)), NULL);
    pawl_err err = pawl_when_all(ctx, tasks, (size_t)width);
    for (long i = 0; i < width && !err; i++) err = pawl_await(ctx, tasks[i], NULL);
    return err;
}

/* So many ticks at once every TICK_MS until the event "stop" -> how many there were */
static pawl_err run_ticks(struct pawl_workflow_ctx *ctx, struct pawl_bytes input, long width)
{
    long count = strtol(pawl_as_text(input), NULL, 10);
    for (int i = 0; i < TICKS_GENERATION; i++) {
        pawl_err err = pawl_wait_for_event(ctx, "stop", TICK_MS, NULL);
        if (err != PAWL_E_TIMEOUT)
            return err ? err : pawl_return(ctx, pawl_text(pawl_format(ctx, "%ld", count)));
        err = tick_at_once(ctx, count, width);
        if (err) return err;
        count += width;
    }
    return pawl_continue_as_new(ctx, pawl_text(pawl_format(ctx, "%ld", count)));
}

/* One activity at a time runs at the sidecar that owns the workflow. */
static pawl_err ticker(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    return run_ticks(ctx, input, 1);
}

/* Several at once are spread over all sidecars. */
static pawl_err spread_ticker(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    return run_ticks(ctx, input, SPREAD_TICKS);
}

/* Main ------------------------------------------------------------------------------------- */

static struct pawl_worker *running_worker;

static void on_signal(int signal_number)
{
    (void)signal_number;
    /* NOLINTNEXTLINE(bugprone-signal-handler): worker.h promises that a handler may call it */
    pawl_worker_stop(running_worker);
}

static pawl_err register_all(struct pawl_worker *worker)
{
    static const struct pawl_activity_def activities[] = {
        { .name = "work", .run = work },     { .name = "toil", .run = toil },
        { .name = "refuse", .run = refuse }, { .name = "flaky", .run = flaky },
        { .name = "tick", .run = tick },
    };
    static const struct pawl_workflow_def workflows[] = {
        { .name = "program", .run = run_program },
        { .name = "ticker", .run = ticker },
        { .name = "spread_ticker", .run = spread_ticker },
    };
    pawl_err err = PAWL_OK;
    for (size_t i = 0; i < sizeof activities / sizeof *activities && !err; i++)
        err = pawl_worker_add_activity(worker, &activities[i]);
    for (size_t i = 0; i < sizeof workflows / sizeof *workflows && !err; i++)
        err = pawl_worker_add_workflow(worker, &workflows[i]);
    return err;
}

int main(void)
{
    struct pawl_worker_options options = { .stop_timeout_ms = 4000 };
    pawl_err err = pawl_worker_new(&options, &running_worker);
    if (!err) err = register_all(running_worker);
    if (!err) {
        (void)signal(SIGTERM, on_signal);
        err = pawl_worker_run(running_worker);
        (void)signal(SIGTERM, SIG_DFL);
    }
    pawl_worker_free(running_worker);
    if (err) (void)fprintf(stderr, "chaos_app: %s\n", pawl_err_text(err));
    return err ? 1 : 0;
}
