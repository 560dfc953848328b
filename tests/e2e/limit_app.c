/* The app of test_limits.py. What it runs leaves a line in the file "limited.log" of the current
 * folder when it begins, and one when it ends:
 *
 *     + <name> <process id>
 *     - <name> <process id>
 *
 * Both are written while it counts for the limits, so what the lines say is at most what runs.
 */
#include <fcntl.h>
#include <pawl/pawl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define CALLS_MAX 1000
#define TURN_NS   3000000L
#define MS_NS     1000000L

static void nap(long ns)
{
    (void)nanosleep(&(struct timespec){ .tv_sec = ns / 1000000000L, .tv_nsec = ns % 1000000000L },
                    NULL);
}

/* One write to a file opened for appending, so that lines of processes do not mix. */
static bool note(char what, const char *name)
{
    char line[128];
    int size = snprintf(line, sizeof line, "%c %s %ld\n", what, name, (long)getpid());
    int fd = open("limited.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    bool written = write(fd, line, (size_t)size) == size;
    return close(fd) == 0 && written;
}

static void wait_for_gate(void)
{
    while (access("gate", F_OK) != 0) nap(10 * MS_NS);
}

/* For so many milliseconds; -1: until there is a file "gate". */
static pawl_err work(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    const char *name = pawl_activity_name(ctx);
    if (!note('+', name)) return pawl_activity_fail(ctx, "Disk", "cannot write limited.log");
    long ms = strtol(pawl_as_text(input), NULL, 10);
    if (ms < 0) {
        wait_for_gate();
    } else {
        nap(ms * MS_NS);
    }
    if (!note('-', name)) return pawl_activity_fail(ctx, "Disk", "cannot write limited.log");
    return pawl_activity_return(ctx, input);
}

/* "n ms NAME": n of these activities at once -> n */
static pawl_err fan(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    char *rest;
    long count = strtol(pawl_as_text(input), &rest, 10);
    long ms = strtol(rest, &rest, 10);
    if (count < 0 || count > CALLS_MAX || *rest != ' ') return PAWL_E_INVALID;
    struct pawl_task **tasks = pawl_alloc(ctx, ((size_t)count + 1) * sizeof *tasks);
    for (long i = 0; i < count; i++) {
        struct pawl_bytes text = pawl_text(pawl_format(ctx, "%ld", ms));
        tasks[i] = pawl_schedule_activity(ctx, rest + 1, text, NULL);
    }
    pawl_err err = pawl_when_all(ctx, tasks, (size_t)count);
    return err ? err : pawl_return(ctx, pawl_text(pawl_format(ctx, "%ld", count)));
}

/* n turns that take their time, with an activity between two of them -> n */
static pawl_err slow(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    long count = strtol(pawl_as_text(input), NULL, 10);
    for (long i = 0; i < count; i++) {
        if (!note('+', "slow")) return PAWL_E_STATE;
        nap(TURN_NS);
        if (!note('-', "slow")) return PAWL_E_STATE;
        pawl_err err = pawl_call_activity(ctx, "free", pawl_text("0"), NULL, NULL);
        if (err) return err;
    }
    return pawl_return(ctx, input);
}

static const struct pawl_workflow_def workflows[] = {
    { .name = "fan", .run = fan },
    { .name = "slow", .run = slow },
};

static const struct pawl_activity_def activities[] = {
    { .name = "scarce", .run = work },
    { .name = "free", .run = work },
};

static struct pawl_worker *running_worker;

static void on_signal(int signal_number)
{
    (void)signal_number;
    pawl_worker_stop(running_worker);
}

int main(void)
{
    struct pawl_worker_options options = { .stop_timeout_ms = 2000 };
    pawl_err err = pawl_worker_new(&options, &running_worker);
    for (size_t i = 0; i < sizeof workflows / sizeof *workflows && !err; i++)
        err = pawl_worker_add_workflow(running_worker, &workflows[i]);
    for (size_t i = 0; i < sizeof activities / sizeof *activities && !err; i++)
        err = pawl_worker_add_activity(running_worker, &activities[i]);
    if (!err) {
        (void)signal(SIGTERM, on_signal);
        err = pawl_worker_run(running_worker);
    }
    if (err) (void)fprintf(stderr, "limit_app: %s\n", pawl_err_text(err));
    return err ? 1 : 0;
}
