/* The app of test_conformance.py. The workflow "steps" does what its input spells out, so that
 * a test says in one line what it is about. Every run of an activity first leaves a line in the
 * file "ran.log" of the current folder, as in e2e_app.c:
 *
 *     <activity> <instance> <execution id> <input> <process id>
 *
 * Input: "outputs so far|steps"; the output is all of them, with commas. Steps are separated by
 * blanks; "+" joins tasks that are started together and waited for in their order:
 *
 *     a:NAME:INPUT   an activity               c:{STEPS}      a child; its outputs are one
 *     t:MS           a timer                   e:NAME         an event      e:NAME:MS  … in time
 *     s:TEXT         set the custom status     g  v           show generation, version
 *     !:TYPE         fail                      n  N           continue as new with the steps that
 *                                                             follow; without any input
 *     d:{STEPS}:MS   a detached workflow that starts so much later; the output is its id
 *
 * Before a letter: "~" nobody waits for it, "?" its failure is taken as its output. Behind it:
 * "*N" so many tries, "@APP" another app, "=ID" the child's id, "." it ends with its parent. {…}
 * holds what has blanks.
 */
#include <fcntl.h>
#include <pawl/pawl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TASKS_MAX    64
#define LOOK_NS      5000000L
#define WORK_NS      20000000L
#define CALL_TIMEOUT 20000

/* Activities -------------------------------------------------------------------------- */

/* One write to a file opened for appending, so that lines of threads do not mix. */
static bool append(const char *path, const char *line, int size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    bool written = write(fd, line, (size_t)size) == size;
    return close(fd) == 0 && written;
}

static pawl_err note(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    char line[1024];
    int size = snprintf(line, sizeof line, "%s %s %s %.64s %ld\n", pawl_activity_name(ctx),
                        pawl_activity_instance(ctx), pawl_activity_execution_text(ctx),
                        pawl_as_text(input), (long)getpid());
    if (size > 0 && (size_t)size < sizeof line && append("ran.log", line, size)) return PAWL_OK;
    return pawl_activity_fail(ctx, "Disk", "cannot write ran.log");
}

static void nap(long ns)
{
    (void)nanosleep(&(struct timespec){ .tv_nsec = ns }, NULL);
}

static pawl_err echo(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    pawl_err err = note(ctx, input);
    return err ? err : pawl_activity_return(ctx, input);
}

/* Runs until the file "gate-<input>" is there. */
static pawl_err gated(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    char path[256];
    pawl_err err = note(ctx, input);
    (void)snprintf(path, sizeof path, "gate-%.200s", pawl_as_text(input));
    while (!err && access(path, F_OK) != 0) nap(LOOK_NS);
    return err ? err : pawl_activity_return(ctx, input);
}

/* Fails until the file "mended-<input>" is there. */
static pawl_err fragile(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    char path[256];
    pawl_err err = note(ctx, input);
    (void)snprintf(path, sizeof path, "mended-%.200s", pawl_as_text(input));
    if (!err && access(path, F_OK) != 0) err = pawl_activity_fail(ctx, "Fragile", "not mended");
    return err ? err : pawl_activity_return(ctx, input);
}

static pawl_err quiet(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    return pawl_activity_return(ctx, input);
}

static pawl_err refuse(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    pawl_err err = note(ctx, input);
    return err ? err : pawl_activity_fail(ctx, "Refused", "not %s", pawl_as_text(input));
}

/* Fails at first, and not when the same call is tried again. */
static pawl_err flaky(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    char path[96];
    pawl_err err = note(ctx, input);
    (void)snprintf(path, sizeof path, "flaky-%s", pawl_activity_execution_text(ctx));
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) (void)close(fd);
    if (!err && fd >= 0) return pawl_activity_fail(ctx, "Flaky", "not yet");
    return err ? err : pawl_activity_return(ctx, input);
}

/* n bytes */
static pawl_err big(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    size_t size = strtoul(pawl_as_text(input), NULL, 10);
    char *text = malloc(size + 1);
    if (!text) return PAWL_E_NOMEM;
    memset(text, 'x', size);
    text[size] = 0;
    pawl_err err = pawl_activity_return(ctx, pawl_text(text));
    free(text);
    return err;
}

/* Raises the event "go" at its own instance, as an app's tool may, and ends after that. */
static pawl_err tool(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    struct pawl_client *client;
    pawl_err err = note(ctx, input);
    if (err) return err;
    err = pawl_client_new(&(struct pawl_client_options){ .timeout_ms = CALL_TIMEOUT }, &client);
    if (err) return err;
    err = pawl_client_raise_event(client, pawl_activity_instance(ctx), "go", input, NULL, NULL);
    pawl_client_free(client);
    return err ? err : pawl_activity_return(ctx, input);
}

/* Says in "work.log" when it begins and when it ends. */
static pawl_err work(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    static const char begins[] = "+\n", ends[] = "-\n";
    (void)input;
    if (!append("work.log", begins, 2)) return pawl_activity_fail(ctx, "Disk", "no work.log");
    nap(WORK_NS);
    if (!append("work.log", ends, 2)) return pawl_activity_fail(ctx, "Disk", "no work.log");
    return PAWL_OK;
}

/* Reading steps ------------------------------------------------------------------------ */

struct call {
    char kind;
    bool is_forgotten;
    bool is_caught;
    bool is_tried;
    bool ends_with_us;
    uint32_t attempts;
    const char *app; /* NULL: this one */
    const char *id;  /* NULL: none chosen */
    const char *first;
    const char *second; /* NULL: not there */
};

struct run {
    struct pawl_workflow_ctx *ctx;
    const char *next; /* in the text of the steps */
    const char *outputs;
    bool has_ended;
};

static const char *read_word(struct run *run)
{
    size_t size = strcspn(run->next, " +:*@=");
    const char *word = pawl_format(run->ctx, "%.*s", (int)size, run->next);
    run->next += size;
    return word;
}

/* What is between the braces, which may hold braces. */
static const char *read_braces(struct run *run)
{
    const char *from = ++run->next;
    for (int depth = 1; depth > 0 && *run->next; run->next++) {
        if (*run->next == '{') depth++;
        if (*run->next == '}') depth--;
    }
    return pawl_format(run->ctx, "%.*s", (int)(run->next - from - 1), from);
}

static const char *read_argument(struct run *run)
{
    return *run->next == '{' ? read_braces(run) : read_word(run);
}

static void read_behind(struct run *run, struct call *call)
{
    char sign = *run->next++;
    if (sign == '*') {
        call->is_tried = true;
        call->attempts = (uint32_t)strtoul(read_word(run), NULL, 10);
    } else if (sign == '.') {
        call->ends_with_us = true;
    } else if (sign == '@') {
        call->app = read_word(run);
    } else if (sign == '=') {
        call->id = read_word(run);
    } else if (!call->first) {
        call->first = read_argument(run);
    } else {
        call->second = read_argument(run);
    }
}

static struct call read_call(struct run *run)
{
    struct call call = { 0 };
    for (; *run->next == '~' || *run->next == '?'; run->next++) {
        call.is_forgotten |= *run->next == '~';
        call.is_caught |= *run->next == '?';
    }
    call.kind = *run->next;
    if (call.kind) run->next++;
    while (*run->next && *run->next != ' ' && *run->next != '+') read_behind(run, &call);
    return call;
}

/* Running them --------------------------------------------------------------------------- */

static void put(struct run *run, const char *text)
{
    run->outputs = pawl_format(run->ctx, "%s%s%s", run->outputs, *run->outputs ? "," : "", text);
}

static struct pawl_bytes text_of(const char *text)
{
    return text ? pawl_text(text) : pawl_none();
}

static struct pawl_task *start_call(struct run *run, const struct call *call)
{
    struct pawl_retry retry = { .attempts_max = call->attempts, .first_interval_ms = 10 };
    struct pawl_call_options options = { .app_id = call->app,
                                         .instance_id = call->id,
                                         .retry = call->is_tried ? &retry : NULL,
                                         .parent_close = call->ends_with_us
                                                             ? PAWL_PARENT_CLOSE_TERMINATE
                                                             : PAWL_PARENT_CLOSE_ABANDON };
    long number = call->first ? strtol(call->first, NULL, 10) : 0;
    switch (call->kind) {
    case 'a': return pawl_schedule_activity(run->ctx, call->first, text_of(call->second), &options);
    case 'c':
        return pawl_schedule_child_workflow(
            run->ctx, "steps",
            pawl_text(pawl_format(run->ctx, "|%s", call->first ? call->first : "")), &options);
    case 't': return pawl_create_timer(run->ctx, number);
    case 'e':
        return pawl_expect_event(run->ctx, call->first,
                                 call->second ? strtol(call->second, NULL, 10) : PAWL_FOREVER);
    default: return NULL;
    }
}

static pawl_err take_end(struct run *run, const struct call *call, struct pawl_task *task)
{
    struct pawl_bytes output;
    pawl_err err = pawl_await(run->ctx, task, &output);
    if (!err) {
        bool is_timer = call->kind == 't';
        put(run, is_timer ? "t" : pawl_as_text(output));
    } else if (err == PAWL_E_TIMEOUT) {
        put(run, "timeout");
    } else if (err == PAWL_E_FAILED && call->is_caught) {
        put(run, pawl_task_failure(task)->type);
    } else {
        return err;
    }
    return PAWL_OK;
}

/* Everything that is joined by "+", and begins with this call. */
static pawl_err run_calls(struct run *run, struct call first)
{
    struct call calls[TASKS_MAX];
    struct pawl_task *tasks[TASKS_MAX];
    size_t count = 0;
    for (struct call call = first;; call = read_call(run)) {
        if (count == TASKS_MAX) return PAWL_E_INVALID;
        calls[count] = call;
        tasks[count] = start_call(run, &call);
        if (!tasks[count++]) return PAWL_E_INVALID;
        if (*run->next != '+') break;
        run->next++;
    }
    for (size_t i = 0; i < count; i++) {
        if (calls[i].is_forgotten) continue;
        pawl_err err = take_end(run, &calls[i], tasks[i]);
        if (err) return err;
    }
    return PAWL_OK;
}

static pawl_err go_on(struct run *run, bool with_input)
{
    run->has_ended = true;
    if (!with_input) return pawl_continue_as_new(run->ctx, pawl_none());
    return pawl_continue_as_new(run->ctx,
                                pawl_text(pawl_format(run->ctx, "%s|%s", run->outputs, run->next)));
}

static pawl_err start_detached(struct run *run, const struct call *call)
{
    long delay_ms = call->second ? strtol(call->second, NULL, 10) : 0;
    struct pawl_detached_options options = {
        .app_id = call->app,
        .instance_id = call->id,
        .start_at_ms = delay_ms ? pawl_now_ms(run->ctx) + delay_ms : 0,
    };
    const char *id = "";
    const char *steps = pawl_format(run->ctx, "|%s", call->first ? call->first : "");
    pawl_err err = pawl_start_detached_workflow(run->ctx, "steps", pawl_text(steps), &options, &id);
    if (!err) put(run, id);
    return err;
}

static pawl_err run_step(struct run *run)
{
    struct call call = read_call(run);
    switch (call.kind) {
    case 's': return pawl_set_custom_status(run->ctx, text_of(call.first));
    case 'g': put(run, pawl_format(run->ctx, "%u", pawl_generation(run->ctx))); return PAWL_OK;
    case 'v': put(run, pawl_workflow_version(run->ctx)); return PAWL_OK;
    case '!': return pawl_fail(run->ctx, call.first, "it was told to");
    case 'd': return start_detached(run, &call);
    case 'n': return go_on(run, true);
    case 'N': return go_on(run, false);
    default: return run_calls(run, call);
    }
}

static pawl_err steps(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    const char *bar = input.size ? strchr(pawl_as_text(input), '|') : NULL;
    if (!input.size) return pawl_return(ctx, pawl_text("no input"));
    if (!bar) return PAWL_E_INVALID;
    struct run run = { .ctx = ctx, .next = bar + 1 };
    run.outputs = pawl_format(ctx, "%.*s", (int)(bar - pawl_as_text(input)), pawl_as_text(input));
    for (;;) {
        while (*run.next == ' ') run.next++;
        if (!*run.next) return pawl_return(ctx, pawl_text(run.outputs));
        pawl_err err = run_step(&run);
        if (err || run.has_ended) return err;
    }
}

/* A semaphore ------------------------------------------------------------------------------ */

static pawl_err grant(struct pawl_workflow_ctx *ctx, const char *instance)
{
    return pawl_send_event(ctx, instance, "granted", pawl_none());
}

/* "FREE LEFT WAITING": so many may begin, so many are still to end, and these (each with a
 * comma behind it) wait. Each event "call" is "+INSTANCE", which wants to begin, or "-"; each
 * is a generation of its own. */
static pawl_err semaphore(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    char *next;
    struct pawl_bytes call;
    long free_count = strtol(pawl_as_text(input), &next, 10), left = strtol(next, &next, 10);
    const char *waiting = *next ? next + 1 : next;
    if (left == 0) return pawl_return(ctx, pawl_text(pawl_format(ctx, "%ld free", free_count)));
    pawl_err err = pawl_wait_for_event(ctx, "call", PAWL_FOREVER, &call);
    if (err) return err;
    const char *text = pawl_as_text(call);
    const char *comma = strchr(waiting, ',');
    if (*text == '+' && free_count > 0) {
        free_count--;
        err = grant(ctx, text + 1);
    } else if (*text == '+') {
        waiting = pawl_format(ctx, "%s%s,", waiting, text + 1);
    } else if (comma) {
        left--;
        err = grant(ctx, pawl_format(ctx, "%.*s", (int)(comma - waiting), waiting));
        waiting = comma + 1;
    } else {
        left--;
        free_count++;
    }
    if (err) return err;
    return pawl_continue_as_new(
        ctx, pawl_text(pawl_format(ctx, "%ld %ld %s", free_count, left, waiting)));
}

/* Works when the semaphore, an instance, lets it. */
static pawl_err bounded(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    const char *own = pawl_format(ctx, "+%s", pawl_instance_id(ctx));
    pawl_err err = pawl_send_event(ctx, pawl_as_text(input), "call", pawl_text(own));
    if (!err) err = pawl_wait_for_event(ctx, "granted", PAWL_FOREVER, NULL);
    if (!err) err = pawl_call_activity(ctx, "work", pawl_none(), NULL, NULL);
    if (!err) err = pawl_send_event(ctx, pawl_as_text(input), "call", pawl_text("-"));
    return err;
}

/* Main ------------------------------------------------------------------------------------- */

static struct pawl_worker *running_worker;

static void on_signal(int signal_number)
{
    (void)signal_number;
    /* NOLINTNEXTLINE(bugprone-signal-handler): worker.h promises that a handler may call it */
    pawl_worker_stop(running_worker);
}

/* "ROUNDS COUNT": so many activities at once, so often; the output is how many there were. */
static pawl_err wide(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    char *rest = NULL;
    unsigned long rounds = strtoul(pawl_as_text(input), &rest, 10), count = strtoul(rest, NULL, 10);
    struct pawl_task **tasks = pawl_alloc(ctx, (count + 1) * sizeof(struct pawl_task *));
    pawl_err err = PAWL_OK;
    for (unsigned long round = 0; round < rounds && !err; round++) {
        for (unsigned long i = 0; i < count; i++)
            tasks[i] = pawl_schedule_activity(ctx, "quiet", pawl_none(), NULL);
        err = pawl_when_all(ctx, tasks, count);
    }
    return err ? err : pawl_return(ctx, pawl_text(pawl_format(ctx, "%lu", rounds * count)));
}

static pawl_err register_all(struct pawl_worker *worker)
{
    static const struct pawl_workflow_def workflows[] = {
        { .name = "steps", .run = steps },
        { .name = "semaphore", .run = semaphore },
        { .name = "bounded", .run = bounded },
        { .name = "wide", .run = wide },
    };
    static const struct pawl_activity_def activities[] = {
        { .name = "echo", .run = echo },       { .name = "gated", .run = gated },
        { .name = "refuse", .run = refuse },   { .name = "flaky", .run = flaky },
        { .name = "fragile", .run = fragile }, { .name = "big", .run = big },
        { .name = "tool", .run = tool },       { .name = "work", .run = work },
        { .name = "quiet", .run = quiet },
    };
    pawl_err err = PAWL_OK;
    for (size_t i = 0; i < sizeof workflows / sizeof *workflows && !err; i++)
        err = pawl_worker_add_workflow(worker, &workflows[i]);
    for (size_t i = 0; i < sizeof activities / sizeof *activities && !err; i++)
        err = pawl_worker_add_activity(worker, &activities[i]);
    return err;
}

int main(void)
{
    struct pawl_worker_options options = { .activity_threads = 40, .stop_timeout_ms = 20000 };
    pawl_err err = pawl_worker_new(&options, &running_worker);
    if (!err) err = register_all(running_worker);
    if (!err) {
        (void)signal(SIGTERM, on_signal);
        err = pawl_worker_run(running_worker);
        (void)signal(SIGTERM, SIG_DFL);
    }
    pawl_worker_free(running_worker);
    if (err) (void)fprintf(stderr, "conformance_app: %s\n", pawl_err_text(err));
    return err ? 1 : 0;
}
