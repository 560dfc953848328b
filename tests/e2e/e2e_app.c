/* The app of the end-to-end tests. Every workflow has an output that its input decides, so
 * that a test knows it beforehand whatever was killed in between. Every run of an activity
 * first leaves a line in the file "ran.log" of the current folder:
 *
 *     <activity> <instance> <execution id> <input> <process id>
 *
 *   --code 2     the workflow "drift" does something else than with --code 1
 *   --mended     the workflow "crasher" no longer ends this process
 *   --no-cache   every turn replays its whole history
 */
#include <fcntl.h>
#include <getopt.h>
#include <pawl/pawl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FAN_MAX      2000
#define FLAKY_FAILS  2
#define GATE_LOOK_NS 5000000L
#define LARGE_MAX    (5u << 20)

static struct {
    long code;
    bool mended;
} settings = { 1, false };

/* Activities -------------------------------------------------------------------------- */

/* One write to a file opened for appending, so that lines of threads and of processes that
 * die do not mix. */
static bool note(const struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    char line[1024];
    int size = snprintf(line, sizeof line, "%s %s %s %.64s %ld\n", pawl_activity_name(ctx),
                        pawl_activity_instance(ctx), pawl_activity_execution_text(ctx),
                        pawl_as_text(input), (long)getpid());
    if (size < 0 || (size_t)size >= sizeof line) return false;
    int fd = open("ran.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    bool written = write(fd, line, (size_t)size) == size;
    return close(fd) == 0 && written;
}

static long number_of(struct pawl_bytes bytes)
{
    return strtol(pawl_as_text(bytes), NULL, 10);
}

static pawl_err return_number(struct pawl_activity_ctx *ctx, long number)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%ld", number);
    return pawl_activity_return(ctx, pawl_text(text));
}

static pawl_err add_one(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    if (!note(ctx, input)) return pawl_activity_fail(ctx, "Disk", "cannot write ran.log");
    return return_number(ctx, number_of(input) + 1);
}

static pawl_err square(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    if (!note(ctx, input)) return pawl_activity_fail(ctx, "Disk", "cannot write ran.log");
    return return_number(ctx, number_of(input) * number_of(input));
}

/* Fails FLAKY_FAILS times for each call of a workflow. The count is in files, since this
 * process may die between two tries. */
static pawl_err flaky(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    if (!note(ctx, input)) return pawl_activity_fail(ctx, "Disk", "cannot write ran.log");
    for (int i = 0; i < FLAKY_FAILS; i++) {
        char path[96];
        (void)snprintf(path, sizeof path, "flaky-%s-%d", pawl_activity_execution_text(ctx), i);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0) continue;
        (void)close(fd);
        return pawl_activity_fail(ctx, "Flaky", "not yet, %d", i);
    }
    return pawl_activity_return(ctx, input);
}

/* Runs until the file "gate-<input>" is there. */
static pawl_err gated(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    if (!note(ctx, input)) return pawl_activity_fail(ctx, "Disk", "cannot write ran.log");
    char path[256];
    (void)snprintf(path, sizeof path, "gate-%.200s", pawl_as_text(input));
    while (access(path, F_OK) != 0) {
        (void)nanosleep(&(struct timespec){ .tv_nsec = GATE_LOOK_NS }, NULL);
    }
    return return_number(ctx, (long)pawl_activity_attempt(ctx));
}

static pawl_err refuse(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    if (!note(ctx, input)) return pawl_activity_fail(ctx, "Disk", "cannot write ran.log");
    return pawl_activity_fail(ctx, "CardDeclined", "no money on the card %s", pawl_as_text(input));
}

/* Workflows that always end ------------------------------------------------------------ */

static struct pawl_bytes text_of(struct pawl_workflow_ctx *ctx, long number)
{
    return pawl_text(pawl_format(ctx, "%ld", number));
}

static pawl_err call_add_one(struct pawl_workflow_ctx *ctx, long *number)
{
    struct pawl_bytes output;
    pawl_err err = pawl_call_activity(ctx, "add_one", text_of(ctx, *number), NULL, &output);
    if (!err) *number = number_of(output);
    return err;
}

/* n activities one after the other -> n */
static pawl_err chain(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    long count = number_of(input), value = 0;
    for (long i = 0; i < count; i++) {
        pawl_err err = call_add_one(ctx, &value);
        if (err) return err;
    }
    return pawl_return(ctx, text_of(ctx, value));
}

static pawl_err sum_of(struct pawl_workflow_ctx *ctx, struct pawl_task *const *tasks, size_t count,
                       long *ret_sum)
{
    pawl_err err = pawl_when_all(ctx, tasks, count);
    *ret_sum = 0;
    for (size_t i = 0; i < count; i++) *ret_sum += number_of(pawl_task_output(tasks[i]));
    return err;
}

/* n activities at once -> the sum of the squares of 1 … n */
static pawl_err fan(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    long count = number_of(input), sum;
    if (count < 0 || count > FAN_MAX) return PAWL_E_INVALID;
    struct pawl_task **tasks = pawl_alloc(ctx, ((size_t)count + 1) * sizeof *tasks);
    for (long i = 0; i < count; i++) {
        tasks[i] = pawl_schedule_activity(ctx, "square", text_of(ctx, i + 1), NULL);
    }
    pawl_err err = sum_of(ctx, tasks, (size_t)count, &sum);
    return err ? err : pawl_return(ctx, text_of(ctx, sum));
}

/* n timers one after the other -> n */
static pawl_err ticks(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    for (long i = 0; i < number_of(input); i++) {
        pawl_err err = pawl_sleep(ctx, 20 + 10 * (i % 5));
        if (err) return err;
    }
    return pawl_return(ctx, input);
}

/* n children "chain" of 2 steps at once -> 2 n */
static pawl_err family(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    long count = number_of(input), sum;
    if (count < 0 || count > FAN_MAX) return PAWL_E_INVALID;
    struct pawl_task **tasks = pawl_alloc(ctx, ((size_t)count + 1) * sizeof *tasks);
    for (long i = 0; i < count; i++) {
        tasks[i] = pawl_schedule_child_workflow(ctx, "chain", pawl_text("2"), NULL);
    }
    pawl_err err = sum_of(ctx, tasks, (size_t)count, &sum);
    return err ? err : pawl_return(ctx, text_of(ctx, sum));
}

/* n events "item" -> their payloads in the order they came, with commas */
static pawl_err collect(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    const char *all = "";
    for (long i = 0; i < number_of(input); i++) {
        struct pawl_bytes item;
        pawl_err err = pawl_wait_for_event(ctx, "item", PAWL_FOREVER, &item);
        if (err) return err;
        all = pawl_format(ctx, "%s%s%s", all, i > 0 ? "," : "", pawl_as_text(item));
    }
    return pawl_return(ctx, pawl_text(all));
}

/* The same with one generation per event; an activity in each. Input: "n:" and what the
 * generations before have collected. */
static pawl_err collect_again(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    char *before;
    long left = strtol(pawl_as_text(input), &before, 10);
    if (left == 0) return pawl_return(ctx, pawl_text(before + 1));
    pawl_err err = call_add_one(ctx, &(long){ left });
    if (err) return err;
    struct pawl_bytes item;
    err = pawl_wait_for_event(ctx, "item", PAWL_FOREVER, &item);
    if (err) return err;
    const char *comma = before[1] ? "," : "";
    return pawl_continue_as_new(
        ctx, pawl_text(pawl_format(ctx, "%ld%s%s%s", left - 1, before, comma, pawl_as_text(item))));
}

/* Takes 50 events "item" in each of its generations. An event is "sender:number", and each of the
 * senders counts from 1; one that is lost, doubled or overtaken fails the workflow. Input: the
 * generations that are left, then what each of the 50 senders sent last -> the same */
static pawl_err drain(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    enum { SENDERS = 50 };
    long last[SENDERS];
    char *next;
    long left = strtol(pawl_as_text(input), &next, 10);
    for (int i = 0; i < SENDERS; i++) last[i] = strtol(next, &next, 10);
    for (int i = 0; i < SENDERS && left > 0; i++) {
        struct pawl_bytes item;
        pawl_err err = pawl_wait_for_event(ctx, "item", PAWL_FOREVER, &item);
        if (err) return err;
        long sender = strtol(pawl_as_text(item), &next, 10);
        if (sender < 0 || sender >= SENDERS || strtol(next + 1, NULL, 10) != ++last[sender])
            return pawl_fail(ctx, "Order", "%s came, and not number %ld", pawl_as_text(item),
                             last[sender]);
    }
    const char *all = pawl_format(ctx, "%ld", left > 0 ? left - 1 : 0);
    for (int i = 0; i < SENDERS; i++) all = pawl_format(ctx, "%s %ld", all, last[i]);
    return left > 0 ? pawl_continue_as_new(ctx, pawl_text(all)) : pawl_return(ctx, pawl_text(all));
}

/* An activity that fails at first -> the input */
static pawl_err stubborn(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    static const struct pawl_retry retry = { .attempts_max = FLAKY_FAILS + 1,
                                             .first_interval_ms = 20,
                                             .backoff_coefficient = 2.0 };
    struct pawl_bytes output;
    pawl_err err = pawl_call_activity(ctx, "flaky", input,
                                      &(struct pawl_call_options){ .retry = &retry }, &output);
    return err ? err : pawl_return(ctx, output);
}

/* Races, whose winner depends on time and kills; the output (n + 7) does not. */
static pawl_err mixed(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    struct pawl_task *const tasks[] = {
        pawl_create_timer(ctx, 40),
        pawl_schedule_child_workflow(ctx, "chain", input, NULL),
        pawl_schedule_activity(ctx, "square", pawl_text("2"), NULL),
        pawl_expect_event(ctx, "never", 60),
    };
    size_t first;
    pawl_err err = pawl_when_any(ctx, tasks, 4, &first);
    if (err) return err;
    long extra = 0;
    for (int i = 0; i < 3; i++) {
        err = call_add_one(ctx, &extra);
        if (err) return err;
    }
    err = pawl_when_all(ctx, tasks, 3);
    if (err) return err;
    if (pawl_await(ctx, tasks[3], NULL) != PAWL_E_TIMEOUT) return PAWL_E_STATE;
    long sum =
        extra + number_of(pawl_task_output(tasks[1])) + number_of(pawl_task_output(tasks[2]));
    return pawl_return(ctx, text_of(ctx, sum));
}

static pawl_err echo(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    return pawl_return(ctx, input);
}

/* n bytes of output */
static pawl_err large(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    long size = number_of(input);
    if (size < 0 || size > (long)LARGE_MAX) return PAWL_E_INVALID;
    char *text = pawl_alloc(ctx, (size_t)size + 1);
    memset(text, 'x', (size_t)size);
    return pawl_return(ctx, pawl_text(text));
}

/* Workflows that wait or fail ------------------------------------------------------------ */

/* Until the event "go" -> its payload */
static pawl_err held(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    pawl_err err = pawl_set_custom_status(ctx, pawl_text("waiting for go"));
    if (err) return err;
    struct pawl_bytes payload;
    err = pawl_wait_for_event(ctx, "go", PAWL_FOREVER, &payload);
    return err ? err : pawl_return(ctx, payload);
}

/* Waits for n children "held", called <own id>-1 … */
static pawl_err parent(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    long count = number_of(input);
    if (count < 0 || count > FAN_MAX) return PAWL_E_INVALID;
    struct pawl_task **tasks = pawl_alloc(ctx, ((size_t)count + 1) * sizeof *tasks);
    for (long i = 0; i < count; i++) {
        struct pawl_call_options options = { .instance_id = pawl_format(
                                                 ctx, "%s-%ld", pawl_instance_id(ctx), i + 1) };
        tasks[i] = pawl_schedule_child_workflow(ctx, "held", pawl_none(), &options);
    }
    pawl_err err = pawl_when_all(ctx, tasks, (size_t)count);
    return err ? err : pawl_return(ctx, input);
}

static pawl_err waiting(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    struct pawl_bytes output;
    pawl_err err = pawl_call_activity(ctx, "gated", input, NULL, &output);
    return err ? err : pawl_return(ctx, output);
}

/* n activities at once that all wait for the gate "all" */
static pawl_err waiting_many(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    long count = number_of(input), attempts;
    if (count < 0 || count > FAN_MAX) return PAWL_E_INVALID;
    struct pawl_task **tasks = pawl_alloc(ctx, ((size_t)count + 1) * sizeof *tasks);
    for (long i = 0; i < count; i++) {
        tasks[i] = pawl_schedule_activity(ctx, "gated", pawl_text("all"), NULL);
    }
    pawl_err err = sum_of(ctx, tasks, (size_t)count, &attempts);
    return err ? err : pawl_return(ctx, input);
}

static pawl_err refused(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    return pawl_call_activity(ctx, "refuse", input, NULL, NULL);
}

static pawl_err failing(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    static const struct pawl_failure cause = { .type = "Inner", .message = "the first reason" };
    struct pawl_failure failure = { .type = "Outer",
                                    .message = "it went wrong",
                                    .details = pawl_text("line 1\nline 2"),
                                    .non_retriable = true,
                                    .cause = &cause };
    return pawl_fail_with(ctx, &failure);
}

/* Two activities with the event "go" between them; other ones with --code 2. */
static pawl_err drift(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    const char *name = settings.code == 1 ? "add_one" : "square";
    struct pawl_bytes output;
    pawl_err err = pawl_call_activity(ctx, name, input, NULL, &output);
    if (!err) err = pawl_wait_for_event(ctx, "go", PAWL_FOREVER, NULL);
    if (!err) err = pawl_call_activity(ctx, name, output, NULL, &output);
    return err ? err : pawl_return(ctx, output);
}

static pawl_err crasher(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    if (!settings.mended) _exit(70);
    return pawl_return(ctx, input);
}

/* Workflows that reach into other apps ------------------------------------------------------ */

/* "APP REST": the first word; *ret_rest is what follows its blank. */
static const char *first_word(struct pawl_workflow_ctx *ctx, struct pawl_bytes input,
                              const char **ret_rest)
{
    const char *text = pawl_as_text(input);
    size_t size = strcspn(text, " ");
    *ret_rest = text + size + (text[size] == ' ' ? 1 : 0);
    return pawl_format(ctx, "%.*s", (int)size, text);
}

/* "APP n": n activities of that app at once -> the sum of the squares of 1 … n */
static pawl_err remote_fan(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    const char *rest;
    struct pawl_call_options options = { .app_id = first_word(ctx, input, &rest) };
    long count = strtol(rest, NULL, 10), sum;
    if (count < 0 || count > FAN_MAX) return PAWL_E_INVALID;
    struct pawl_task **tasks = pawl_alloc(ctx, ((size_t)count + 1) * sizeof *tasks);
    for (long i = 0; i < count; i++) {
        tasks[i] = pawl_schedule_activity(ctx, "square", text_of(ctx, i + 1), &options);
    }
    pawl_err err = sum_of(ctx, tasks, (size_t)count, &sum);
    return err ? err : pawl_return(ctx, text_of(ctx, sum));
}

/* "APP WORKFLOW INPUT": that child there, called <own id>-1 -> its output */
static pawl_err remote_child(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    const char *rest;
    struct pawl_call_options options = { .app_id = first_word(ctx, input, &rest),
                                         .instance_id =
                                             pawl_format(ctx, "%s-1", pawl_instance_id(ctx)) };
    const char *name = first_word(ctx, pawl_text(rest), &rest);
    struct pawl_bytes output;
    pawl_err err = pawl_call_child_workflow(ctx, name, pawl_text(rest), &options, &output);
    return err ? err : pawl_return(ctx, output);
}

/* "APP INSTANCE": the event "go" with the payload "told" to it */
static pawl_err remote_tell(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    const char *instance;
    const char *app = first_word(ctx, input, &instance);
    pawl_err err = pawl_send_event_to_app(ctx, app, instance, "go", pawl_text("told"));
    return err ? err : pawl_return(ctx, input);
}

/* From "APP ms": there, and it must begin so soon. */
static struct pawl_call_options in_a_hurry(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    const char *rest;
    struct pawl_call_options options = { .app_id = first_word(ctx, input, &rest) };
    options.schedule_to_start_ms = strtol(rest, NULL, 10);
    return options;
}

static pawl_err return_failure_type(struct pawl_workflow_ctx *ctx, pawl_err err)
{
    if (err != PAWL_E_FAILED) return err ? err : pawl_return(ctx, pawl_text("begun"));
    return pawl_return(ctx, pawl_text(pawl_last_failure(ctx)->type));
}

/* "APP ms": an activity that must begin so soon -> the type of its failure */
static pawl_err remote_hurry(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    struct pawl_call_options options = in_a_hurry(ctx, input);
    return return_failure_type(ctx,
                               pawl_call_activity(ctx, "square", pawl_text("3"), &options, NULL));
}

/* "APP ms": the same of a child workflow "held", called <own id>-1 */
static pawl_err remote_hurry_child(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    struct pawl_call_options options = in_a_hurry(ctx, input);
    options.instance_id = pawl_format(ctx, "%s-1", pawl_instance_id(ctx));
    return return_failure_type(ctx,
                               pawl_call_child_workflow(ctx, "held", pawl_none(), &options, NULL));
}

/* Main ------------------------------------------------------------------------------------ */

static const struct pawl_workflow_def workflows[] = {
    { .name = "chain", .run = chain },
    { .name = "collect", .run = collect },
    { .name = "collect_again", .run = collect_again },
    { .name = "crasher", .run = crasher },
    { .name = "drain", .run = drain },
    { .name = "drift", .run = drift },
    { .name = "echo", .run = echo },
    { .name = "failing", .run = failing },
    { .name = "family", .run = family },
    { .name = "fan", .run = fan },
    { .name = "held", .run = held },
    { .name = "large", .run = large },
    { .name = "mixed", .run = mixed },
    { .name = "parent", .run = parent },
    { .name = "refused", .run = refused },
    { .name = "remote_child", .run = remote_child },
    { .name = "remote_fan", .run = remote_fan },
    { .name = "remote_hurry", .run = remote_hurry },
    { .name = "remote_hurry_child", .run = remote_hurry_child },
    { .name = "remote_tell", .run = remote_tell },
    { .name = "stubborn", .run = stubborn },
    { .name = "ticks", .run = ticks },
    { .name = "waiting", .run = waiting },
    { .name = "waiting_many", .run = waiting_many },
};

static const struct pawl_activity_def activities[] = {
    { .name = "add_one", .run = add_one }, { .name = "flaky", .run = flaky },
    { .name = "gated", .run = gated },     { .name = "refuse", .run = refuse },
    { .name = "square", .run = square },
};

static struct pawl_worker *running_worker;

static void on_signal(int signal_number)
{
    (void)signal_number;
    pawl_worker_stop(running_worker);
}

static pawl_err register_all(struct pawl_worker *worker)
{
    pawl_err err = PAWL_OK;
    for (size_t i = 0; i < sizeof workflows / sizeof *workflows && !err; i++) {
        err = pawl_worker_add_workflow(worker, &workflows[i]);
    }
    for (size_t i = 0; i < sizeof activities / sizeof *activities && !err; i++) {
        err = pawl_worker_add_activity(worker, &activities[i]);
    }
    return err;
}

/* waits for the event go and says in which version it runs */
static pawl_err versioned(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    pawl_err err = pawl_wait_for_event(ctx, "go", PAWL_FOREVER, NULL);
    return err ? err : pawl_return(ctx, pawl_text(pawl_workflow_version(ctx)));
}

/* The version is that of the code. */
static pawl_err register_versioned(struct pawl_worker *worker)
{
    char version[16];
    (void)snprintf(version, sizeof version, "%ld", settings.code);
    return pawl_worker_add_workflow(
        worker, &(struct pawl_workflow_def){
                    .name = "versioned", .version = version, .latest = true, .run = versioned });
}

static bool options_read(int argc, char **argv, struct pawl_worker_options *options)
{
    static const struct option flags[] = { { "code", required_argument, NULL, 'c' },
                                           { "mended", no_argument, NULL, 'm' },
                                           { "no-cache", no_argument, NULL, 'n' },
                                           { NULL, 0, NULL, 0 } };
    for (int flag; (flag = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
        switch (flag) {
        case 'c': settings.code = strtol(optarg, NULL, 10); break;
        case 'm': settings.mended = true; break;
        case 'n': options->cache_off = true; break;
        default: return false;
        }
    }
    return optind == argc;
}

int main(int argc, char **argv)
{
    struct pawl_worker_options options = { .stop_timeout_ms = 20000 };
    if (!options_read(argc, argv, &options)) return 2;

    pawl_err err = pawl_worker_new(&options, &running_worker);
    if (!err) err = register_all(running_worker);
    if (!err) err = register_versioned(running_worker);
    if (!err) {
        (void)signal(SIGINT, on_signal);
        (void)signal(SIGTERM, on_signal);
        err = pawl_worker_run(running_worker);
        (void)signal(SIGINT, SIG_DFL);
        (void)signal(SIGTERM, SIG_DFL);
    }
    pawl_worker_free(running_worker);
    if (err) (void)fprintf(stderr, "e2e_app: %s\n", pawl_err_text(err));
    return err ? 1 : 0;
}
