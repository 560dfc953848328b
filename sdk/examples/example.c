#include "example.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEMO_WAIT_MS 60000

static struct pawl_worker *running_worker;

static void on_signal(int signal_number)
{
    (void)signal_number;
    /* NOLINTNEXTLINE(bugprone-signal-handler): worker.h promises that a handler may call it */
    pawl_worker_stop(running_worker);
}

static pawl_err register_all(struct pawl_worker *worker, const struct example *example)
{
    pawl_err err = PAWL_OK;
    const struct pawl_workflow_def *workflow = example->workflows;
    for (; workflow && workflow->name && !err; workflow++) {
        err = pawl_worker_add_workflow(worker, workflow);
    }
    const struct pawl_activity_def *activity = example->activities;
    for (; activity && activity->name && !err; activity++) {
        err = pawl_worker_add_activity(worker, activity);
    }
    return err;
}

static bool run_demo(struct pawl_worker *worker, const struct example *example)
{
    struct pawl_client *client = NULL;
    pawl_err err = pawl_worker_start(worker);
    if (!err) err = pawl_client_new(NULL, &client);
    bool expected = !err && example->demo(client);
    pawl_client_free(client);
    pawl_worker_stop(worker);
    err = pawl_worker_join(worker);
    if (err) (void)fprintf(stderr, "the worker ended: %s\n", pawl_err_text(err));
    return expected && !err;
}

int example_main(int argc, char **argv, const struct example *example)
{
    bool demo = argc > 1 && strcmp(argv[1], "--demo") == 0;
    if (argc > 1 && !demo) {
        (void)fprintf(stderr, "usage: %s [--demo]\n", argv[0]);
        return 2;
    }
    struct pawl_worker *worker;
    pawl_err err = pawl_worker_new(NULL, &worker);
    if (!err) err = register_all(worker, example);
    if (err) {
        (void)fprintf(stderr, "%s: %s\n", argv[0], pawl_err_text(err));
        return 1;
    }
    running_worker = worker;
    (void)signal(SIGINT, on_signal);
    (void)signal(SIGTERM, on_signal);

    bool good;
    if (demo) {
        good = run_demo(worker, example);
        (void)printf("%s\n", good ? "The demo ended as expected." : "The demo FAILED.");
    } else {
        err = pawl_worker_run(worker);
        if (err) (void)fprintf(stderr, "%s: %s\n", argv[0], pawl_err_text(err));
        good = err == PAWL_OK;
    }
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGTERM, SIG_DFL);
    pawl_worker_free(worker);
    return good ? 0 : 1;
}

static bool report(pawl_err err, const char *what, const struct pawl_result *result)
{
    if (err == PAWL_OK) return true;
    (void)fprintf(stderr, "%s failed: %s. %s\n", what, pawl_err_text(err),
                  pawl_result_message(result));
    return false;
}

bool example_start(struct pawl_client *client, const char *workflow, const char *input,
                   char id[static 64])
{
    struct pawl_result *result = NULL;
    struct pawl_start start = { .name = workflow, .input = pawl_text(input) };
    pawl_err err = pawl_client_start(client, &start, &result);
    bool started = report(err, "starting the workflow", result);
    if (started) {
        (void)snprintf(id, 64, "%s", pawl_result_id(result));
        (void)printf("Workflow '%s', instance %s\n  Input:  %s\n", workflow, id, input);
    }
    pawl_result_free(result);
    return started;
}

bool example_raise(struct pawl_client *client, const char *id, const char *event,
                   const char *payload)
{
    struct pawl_result *result = NULL;
    pawl_err err = pawl_client_raise_event(client, id, event, pawl_text(payload), NULL, &result);
    bool raised = report(err, "raising the event", result);
    if (raised) (void)printf("  Event:  '%s' with '%s' was raised from outside\n", event, payload);
    pawl_result_free(result);
    return raised;
}

/* Steps ------------------------------------------------------------------------------- */

/* The item that started what `item` is the result of. */
static const struct pawl_history_item *find_cause(const struct pawl_history_item *items,
                                                  size_t count,
                                                  const struct pawl_history_item *item)
{
    for (size_t i = 0; i < count; i++) {
        if (item->answers >= 0 && items[i].id == item->answers) return &items[i];
    }
    return item;
}

static void print_step(const struct pawl_history_item *items, size_t count,
                       const struct pawl_history_item *item)
{
    const char *kind = item->kind;
    const char *payload = pawl_as_text(item->payload);
    const struct pawl_history_item *cause = find_cause(items, count, item);
    if (strcmp(kind, "TaskScheduled") == 0) {
        (void)printf("    call activity %s(%s)\n", item->name, payload);
    } else if (strcmp(kind, "TaskCompleted") == 0) {
        (void)printf("    activity %s returned '%s'\n", cause->name, payload);
    } else if (strcmp(kind, "TaskFailed") == 0 || strcmp(kind, "ChildWorkflowFailed") == 0) {
        (void)printf("    %s FAILED: %s\n", cause->name,
                     item->failure ? item->failure->message : "");
    } else if (strcmp(kind, "ChildWorkflowCreated") == 0) {
        (void)printf("    start child workflow %s(%s) as %s\n", item->name, payload,
                     item->child_id);
    } else if (strcmp(kind, "ChildWorkflowCompleted") == 0) {
        (void)printf("    child workflow %s returned '%s'\n", cause->name, payload);
    } else if (strcmp(kind, "TimerCreated") == 0) {
        (void)printf("    start a timer of %lld ms (%s)\n",
                     (long long)(item->fire_at_ms - item->timestamp_ms), item->name);
    } else if (strcmp(kind, "TimerFired") == 0) {
        (void)printf("    the timer is over\n");
    } else if (strcmp(kind, "EventRaised") == 0) {
        (void)printf("    event '%s' arrived with '%s'\n", item->name, payload);
    }
}

static bool print_steps(struct pawl_client *client, const char *id)
{
    struct pawl_result *result = NULL;
    pawl_err err = pawl_client_history(client, id, 0, 0, &result);
    bool good = report(err, "reading the history", result);
    const struct pawl_history_item *items = pawl_result_history(result);
    size_t count = pawl_result_history_count(result);
    if (good) (void)printf("  Steps:\n");
    for (size_t i = 0; good && i < count; i++) print_step(items, count, &items[i]);
    pawl_result_free(result);
    return good;
}

static bool is_expected(const struct pawl_instance *instance, enum pawl_status status,
                        const char *expected)
{
    const char *text = instance->failure ? instance->failure->type : pawl_as_text(instance->output);
    return instance->status == status && strstr(text, expected) != NULL;
}

bool example_finish(struct pawl_client *client, const char *id, enum pawl_status status,
                    const char *expected)
{
    struct pawl_result *result = NULL;
    pawl_err err = pawl_client_wait(client, id, PAWL_FOR_COMPLETION, DEMO_WAIT_MS, &result);
    bool good = report(err, "waiting for the workflow", result) && print_steps(client, id);
    const struct pawl_instance *instance = pawl_result_instance(result);
    if (good && instance) {
        (void)printf("  Result: %s", pawl_status_text(instance->status));
        if (instance->failure) {
            (void)printf(" %s: %s\n", instance->failure->type, instance->failure->message);
        } else {
            (void)printf(" %s\n", pawl_as_text(instance->output));
        }
        good = is_expected(instance, status, expected);
        if (!good) {
            (void)printf("  This was NOT expected: it should be %s with '%s'.\n",
                         pawl_status_text(status), expected);
        }
        (void)printf("\n");
    }
    pawl_result_free(result);
    return good && instance;
}
