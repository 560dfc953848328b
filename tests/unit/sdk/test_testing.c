/* The testing kit: what a user sees of it, and that it finds what it is for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> /* needs the standard ones above */

#include "pawl/testing.h"

#define HOUR INT64_C(3600000)
#define DAY  (24 * HOUR)

/* What most tests want: it worked, or the reason. */
#define OK(test, call)                                                  \
    do {                                                                \
        pawl_err ok_err = (call);                                       \
        if (ok_err) fail_msg("%s: %s", #call, pawl_test_message(test)); \
    } while (0)

static struct pawl_test *test_new(const struct pawl_test_options *options)
{
    struct pawl_test *test;
    assert_int_equal(pawl_test_new(options, &test), PAWL_OK);
    return test;
}

static void add(struct pawl_test *test, const char *name, pawl_workflow_fn *run, void *user)
{
    OK(test, pawl_test_add_workflow(
                 test, &(struct pawl_workflow_def){ .name = name, .run = run, .user = user }));
}

static void start(struct pawl_test *test, const char *name, const char *id, const char *input)
{
    OK(test, pawl_test_start(
                 test, &(struct pawl_start){ .name = name, .id = id, .input = pawl_text(input) }));
}

static void answer(struct pawl_test *test, const char *activity, const char *output)
{
    OK(test, pawl_test_mock(test, &(struct pawl_test_mock){ .activity = activity,
                                                            .output = pawl_text(output) }));
}

static void expect_output(struct pawl_test *test, const char *id, const char *output)
{
    const struct pawl_instance *instance = pawl_test_instance(test, id);
    assert_non_null(instance);
    if (instance->status != PAWL_STATUS_COMPLETED)
        fail_msg("%s is %s: %s\n%s", id, pawl_status_text(instance->status),
                 instance->failure ? instance->failure->message : "",
                 pawl_test_history_text(test, id));
    assert_string_equal(pawl_as_text(instance->output), output);
}

/* The kinds of the events, separated by spaces. */
static void expect_kinds(struct pawl_test *test, const char *id, const char *kinds)
{
    char text[4096] = "";
    size_t count, used = 0;
    const struct pawl_history_item *items = pawl_test_history(test, id, &count);
    for (size_t i = 0; i < count; i++)
        used +=
            (size_t)snprintf(text + used, sizeof text - used, "%s%s", i ? " " : "", items[i].kind);
    assert_string_equal(text, kinds);
}

/* Activities and time -------------------------------------------------------------------- */

static pawl_err two_steps(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    struct pawl_bytes output;
    pawl_err err = pawl_call_activity(ctx, "first", input, NULL, &output);
    if (err) return err;
    err = pawl_call_activity(ctx, "second", output, NULL, &output);
    if (err) return err;
    return pawl_return(ctx, output);
}

static pawl_err shout(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%s!", pawl_as_text(input));
    return pawl_activity_return(ctx, pawl_text(text));
}

static void test_runs_activities_and_mocks(void **state)
{
    (void)state;
    struct pawl_test *test = test_new(NULL);
    add(test, "two", two_steps, NULL);
    OK(test,
       pawl_test_add_activity(test, &(struct pawl_activity_def){ .name = "first", .run = shout }));
    answer(test, "second", "done");
    start(test, "two", "a", "hello");
    OK(test, pawl_test_run(test));
    expect_output(test, "a", "done");
    expect_kinds(test, "a",
                 "WorkflowStarted ExecutionStarted TaskScheduled WorkflowStarted TaskCompleted "
                 "TaskScheduled WorkflowStarted TaskCompleted ExecutionCompleted");

    assert_int_equal(pawl_test_calls_count(test, "first"), 1);
    const struct pawl_test_call *call = pawl_test_call(test, "second", 1);
    assert_string_equal(pawl_as_text(call->input), "hello!");
    assert_string_equal(call->instance_id, "a");
    assert_true(call->mocked);
    assert_false(pawl_test_call(test, "first", 1)->mocked);
    assert_null(pawl_test_call(test, "second", 2));
    size_t count;
    assert_string_equal(pawl_test_calls(test, &count)[0].name, "first");
    assert_int_equal(count, 2);
    assert_non_null(
        strstr(pawl_test_history_text(test, "a"), "TaskScheduled id=1 'second' hello!"));
    pawl_test_free(test);
}

static pawl_err month(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    for (int day = 1; day <= 30; day++) {
        pawl_err err = pawl_sleep(ctx, DAY);
        if (!err) err = pawl_call_activity(ctx, "remind", input, NULL, NULL);
        if (err) return err;
        (void)pawl_set_custom_status(ctx, pawl_text(pawl_format(ctx, "day %d", day)));
    }
    return pawl_return(ctx, pawl_text("over"));
}

static void test_a_month_passes_at_once(void **state)
{
    (void)state;
    struct pawl_test *test = test_new(NULL);
    add(test, "month", month, NULL);
    answer(test, "remind", "");
    start(test, "month", "m", "x");
    int64_t begin_ms = pawl_test_now_ms(test);
    OK(test, pawl_test_run_until(test, begin_ms + 10 * DAY + HOUR));
    assert_int_equal(pawl_test_now_ms(test), begin_ms + 10 * DAY + HOUR);
    assert_int_equal(pawl_test_calls_count(test, "remind"), 10);
    assert_string_equal(pawl_as_text(pawl_test_instance(test, "m")->custom_status), "day 10");
    OK(test, pawl_test_run_for(test, DAY));
    assert_int_equal(pawl_test_calls_count(test, "remind"), 11);
    OK(test, pawl_test_run_to_end(test, "m"));
    assert_int_equal(pawl_test_now_ms(test), begin_ms + 30 * DAY);
    expect_output(test, "m", "over");
    pawl_test_free(test);
}

static pawl_err retrying(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    static const struct pawl_retry retry = { .attempts_max = 3,
                                             .first_interval_ms = 1000,
                                             .backoff_coefficient = 2.0 };
    struct pawl_call_options options = { .retry = &retry };
    struct pawl_bytes output;
    pawl_err err = pawl_call_activity(ctx, "charge", input, &options, &output);
    if (err) return err;
    return pawl_return(ctx, output);
}

static void test_the_nth_call_fails(void **state)
{
    (void)state;
    static const struct pawl_failure declined = { .type = "Declined", .message = "no money" };
    struct pawl_test *test = test_new(NULL);
    add(test, "retrying", retrying, NULL);
    answer(test, "charge", "receipt");
    for (uint32_t n = 1; n <= 2; n++)
        OK(test, pawl_test_mock(test, &(struct pawl_test_mock){ .activity = "charge",
                                                                .call = n,
                                                                .failure = &declined,
                                                                .takes_ms = 500 }));
    start(test, "retrying", "r", NULL);
    int64_t begin_ms = pawl_test_now_ms(test);
    OK(test, pawl_test_run_to_end(test, "r"));
    expect_output(test, "r", "receipt");
    assert_int_equal(pawl_test_calls_count(test, "charge"), 3);
    /* 500 + 1000 + 500 + 2000 */
    assert_int_equal(pawl_test_now_ms(test), begin_ms + 4000);

    OK(test, pawl_test_mock(
                 test, &(struct pawl_test_mock){ .activity = "charge", .failure = &declined }));
    start(test, "retrying", "s", NULL);
    OK(test, pawl_test_run_to_end(test, "s"));
    const struct pawl_instance *instance = pawl_test_instance(test, "s");
    assert_int_equal(instance->status, PAWL_STATUS_FAILED);
    assert_string_equal(instance->failure->type, "Declined");
    assert_string_equal(instance->failure->message, "activity 'charge' failed: no money");
    pawl_test_free(test);
}

static pawl_err slow(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    struct pawl_test *test = pawl_activity_user(ctx);
    (void)input;
    pawl_test_take_time(test, 3 * HOUR);
    assert_int_equal(pawl_test_run(test), PAWL_E_STATE);
    return pawl_activity_fail(ctx, "Tired", "after %d", 3);
}

static pawl_err in_time(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    struct pawl_task *race[] = { pawl_schedule_activity(ctx, "slow", input, NULL),
                                 pawl_create_timer(ctx, 2 * HOUR) };
    size_t first;
    pawl_err err = pawl_when_any(ctx, race, 2, &first);
    if (err) return err;
    if (first == 1) return pawl_return(ctx, pawl_text("late"));
    return pawl_task_error(race[0]);
}

static void test_functions_take_time(void **state)
{
    (void)state;
    struct pawl_test *test = test_new(NULL);
    add(test, "in_time", in_time, NULL);
    OK(test, pawl_test_add_activity(
                 test, &(struct pawl_activity_def){ .name = "slow", .run = slow, .user = test }));
    start(test, "in_time", NULL, NULL);
    OK(test, pawl_test_run(test));
    expect_output(test, "in_time-1", "late");
    pawl_test_free(test);
}

/* Copies 9 rows, one in a minute; the first attempt hangs after the fifth. */
static pawl_err copies(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    struct pawl_test *test = pawl_activity_user(ctx);
    struct pawl_bytes before = pawl_activity_last_progress(ctx);
    int row = before.size ? pawl_as_text(before)[0] - '0' : 0, first = row;
    char text[2] = { 0 };
    (void)input;
    for (int64_t minutes = 1; row < 9; minutes++) {
        if (first == 0 && row == 5) minutes += 60;
        pawl_test_take_time(test, minutes * 60000);
        text[0] = (char)('0' + row + 1);
        if (pawl_activity_heartbeat(ctx, pawl_text(text)) == PAWL_E_CANCELLED) {
            assert_true(pawl_activity_is_cancelled(ctx));
            return pawl_activity_return(ctx, pawl_text("ignored"));
        }
        row++;
    }
    return pawl_activity_return(ctx, pawl_text(first == 5 ? "went on from 5" : "all at once"));
}

static pawl_err imports(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    static const struct pawl_retry twice = { .attempts_max = 2 };
    struct pawl_call_options options = { .retry = &twice, .heartbeat_ms = 10 * 60000 };
    struct pawl_bytes output;
    pawl_err err = pawl_call_activity(ctx, "copies", input, &options, &output);
    if (err) return err;
    options = (struct pawl_call_options){ .start_to_close_ms = HOUR };
    err = pawl_call_activity(ctx, "hangs", input, &options, NULL);
    assert_int_equal(err, PAWL_E_FAILED);
    assert_string_equal(pawl_last_failure(ctx)->type, "StartToCloseTimeout");
    options = (struct pawl_call_options){ .heartbeat_ms = HOUR };
    err = pawl_call_activity(ctx, "hangs", input, &options, NULL);
    if (err) return err;
    err = pawl_call_activity(ctx, "dies", input, &options, NULL);
    assert_int_equal(err, PAWL_E_FAILED);
    assert_string_equal(pawl_last_failure(ctx)->type, "HeartbeatTimeout");
    struct pawl_task *given_up = pawl_schedule_activity(ctx, "hangs", input, NULL);
    err = pawl_sleep(ctx, HOUR);
    if (!err) err = pawl_task_cancel(ctx, given_up);
    return err ? err : pawl_return(ctx, output);
}

static void test_limits_of_activities_hold_and_progress_goes_on(void **state)
{
    (void)state;
    struct pawl_test *test = test_new(NULL);
    add(test, "imports", imports, NULL);
    OK(test, pawl_test_add_activity(test, &(struct pawl_activity_def){
                                              .name = "copies", .run = copies, .user = test }));
    OK(test,
       pawl_test_mock(test, &(struct pawl_test_mock){ .activity = "hangs", .takes_ms = 2 * DAY }));
    OK(test, pawl_test_mock(test, &(struct pawl_test_mock){
                                      .activity = "dies", .takes_ms = 2 * DAY, .silent = true }));
    start(test, "imports", NULL, NULL);
    int64_t begin_ms = pawl_test_now_ms(test);
    OK(test, pawl_test_run_to_end(test, "imports-1"));
    expect_output(test, "imports-1", "went on from 5");
    /* 5 rows and 10 minutes of silence, a pause, 4 rows; one hour, two days, one hour, and
     * the hour after which nobody waits any more */
    assert_int_equal(pawl_test_now_ms(test) - begin_ms,
                     15 * 60000 + 1000 + 4 * 60000 + 3 * HOUR + 2 * DAY);
    assert_non_null(strstr(pawl_test_history_text(test, "imports-1"), "TaskCancelled"));
    pawl_test_free(test);
}

/* Events --------------------------------------------------------------------------------- */

static pawl_err approval(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    struct pawl_bytes answer;
    (void)input;
    pawl_err err = pawl_wait_for_event(ctx, "Approved", 3 * DAY, &answer);
    if (err == PAWL_E_TIMEOUT) return pawl_return(ctx, pawl_text("nobody answered"));
    if (err) return err;
    return pawl_return(ctx, answer);
}

static void test_events(void **state)
{
    (void)state;
    struct pawl_test *test = test_new(NULL);
    add(test, "approval", approval, NULL);
    start(test, "approval", "in-time", NULL);
    start(test, "approval", "too-late", NULL);
    start(test, "approval", "early", NULL);
    start(test, "approval", "waits", NULL);
    OK(test, pawl_test_raise_event(test, "early", "approved", pawl_text("at once")));
    OK(test, pawl_test_raise_when_waiting(test, "waits", "APPROVED", pawl_text("when asked")));
    OK(test, pawl_test_run_for(test, 2 * DAY));
    expect_output(test, "early", "at once");
    expect_output(test, "waits", "when asked");
    OK(test, pawl_test_raise_event(test, "in-time", "approved", pawl_text("yes")));
    OK(test, pawl_test_run(test));
    expect_output(test, "in-time", "yes");
    expect_output(test, "too-late", "nobody answered");
    assert_int_equal(pawl_test_raise_event(test, "too-late", "approved", pawl_none()),
                     PAWL_E_TERMINAL);
    assert_int_equal(pawl_test_raise_event(test, "nobody", "approved", pawl_none()),
                     PAWL_E_NOT_FOUND);
    assert_int_equal(pawl_test_raise_when_waiting(test, "nobody", "approved", pawl_none()),
                     PAWL_E_NOT_FOUND);
    assert_int_equal(pawl_test_raise_event(test, "too-late", "", pawl_none()), PAWL_E_INVALID);
    assert_non_null(strstr(pawl_test_message(test), "name"));
    pawl_test_free(test);
}

static void approve_now(struct pawl_test *test, void *context)
{
    *(int64_t *)context = pawl_test_now_ms(test);
    OK(test, pawl_test_raise_event(test, "a", "approved", pawl_text("planned")));
}

static void test_planned_calls(void **state)
{
    (void)state;
    struct pawl_test *test = test_new(NULL);
    int64_t called_ms = 0, at_ms = pawl_test_now_ms(test) + 5 * HOUR;
    add(test, "approval", approval, NULL);
    start(test, "approval", "a", NULL);
    OK(test, pawl_test_at(test, at_ms, approve_now, &called_ms));
    OK(test, pawl_test_run(test));
    assert_int_equal(called_ms, at_ms);
    expect_output(test, "a", "planned");
    pawl_test_free(test);
}

static pawl_err for_ever(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    return pawl_wait_for_event(ctx, input.size ? pawl_as_text(input) : "never", PAWL_FOREVER, NULL);
}

static void test_says_what_it_waits_for(void **state)
{
    (void)state;
    struct pawl_test *test = test_new(NULL);
    add(test, "for_ever", for_ever, NULL);
    start(test, "for_ever", "a", "payment");
    assert_int_equal(pawl_test_run_to_end(test, "a"), PAWL_E_TIMEOUT);
    assert_string_equal(pawl_test_message(test),
                        "nothing more can happen, but instance 'a' is RUNNING and waits for event "
                        "'payment'");
    assert_int_equal(pawl_test_run_to_end(test, "b"), PAWL_E_NOT_FOUND);
    OK(test, pawl_test_suspend(test, "a", "lunch"));
    OK(test, pawl_test_raise_event(test, "a", "payment", pawl_none()));
    assert_int_equal(pawl_test_run_to_end(test, "a"), PAWL_E_TIMEOUT);
    assert_non_null(strstr(pawl_test_message(test), "'a' is SUSPENDED"));
    assert_int_equal(pawl_test_resume(test, "b", NULL), PAWL_E_NOT_FOUND);
    OK(test, pawl_test_resume(test, "a", NULL));
    assert_int_equal(pawl_test_resume(test, "a", NULL), PAWL_E_STATE);
    OK(test, pawl_test_run_to_end(test, "a"));
    expect_kinds(test, "a",
                 "WorkflowStarted ExecutionStarted ExecutionSuspended ExecutionResumed "
                 "WorkflowStarted EventRaised ExecutionCompleted");
    pawl_test_free(test);
}

/* Children ----------------------------------------------------------------------------------- */

static pawl_err parent(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    struct pawl_bytes output;
    pawl_err err = pawl_call_child_workflow(ctx, "two", input, NULL, &output);
    if (err == PAWL_E_FAILED) return pawl_return(ctx, pawl_text(pawl_last_failure(ctx)->type));
    if (err) return err;
    return pawl_return(ctx, output);
}

static void test_children(void **state)
{
    (void)state;
    struct pawl_test *test = test_new(NULL);
    add(test, "parent", parent, NULL);
    add(test, "two", two_steps, NULL);
    answer(test, "first", "1");
    answer(test, "second", "2");
    start(test, "parent", "p", "x");
    OK(test, pawl_test_run(test));
    expect_output(test, "p", "2");
    expect_output(test, "p.1.0", "2");
    assert_string_equal(pawl_test_instance(test, "p.1.0")->parent_id, "p");
    assert_true(pawl_test_call(test, "two", 1)->is_child);

    OK(test,
       pawl_test_mock(test, &(struct pawl_test_mock){
                                .child = "two", .output = pawl_text("mocked"), .takes_ms = HOUR }));
    start(test, "parent", "q", "x");
    OK(test, pawl_test_run_to_end(test, "q"));
    expect_output(test, "q", "mocked");
    assert_null(pawl_test_instance(test, "q.1.0"));
    assert_true(pawl_test_call(test, "two", 2)->mocked);
    pawl_test_free(test);
}

static void test_terminate_takes_children_along(void **state)
{
    (void)state;
    struct pawl_test *test = test_new(NULL);
    add(test, "parent", parent, NULL);
    add(test, "two", for_ever, NULL);
    for (int recursive = 0; recursive <= 1; recursive++) {
        start(test, "parent", "p", "x");
        OK(test, pawl_test_run(test));
        OK(test, pawl_test_terminate(test, "p", pawl_text("stop"), recursive != 0));
        assert_int_equal(pawl_test_instance(test, "p")->status, PAWL_STATUS_TERMINATED);
        assert_string_equal(pawl_as_text(pawl_test_instance(test, "p")->output), "stop");
        assert_int_equal(pawl_test_instance(test, recursive ? "p.2.0" : "p.1.0")->status,
                         recursive ? PAWL_STATUS_TERMINATED : PAWL_STATUS_RUNNING);
    }
    start(test, "parent", "q", "x");
    OK(test, pawl_test_run(test));
    OK(test, pawl_test_terminate(test, "q.1.0", pawl_none(), false));
    OK(test, pawl_test_run_to_end(test, "q"));
    expect_output(test, "q", "WorkflowTerminated");
    pawl_test_free(test);
}

static pawl_err leaving(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    struct pawl_call_options options = { .parent_close = PAWL_PARENT_CLOSE_TERMINATE };
    struct pawl_call_options late = { .parent_close = PAWL_PARENT_CLOSE_TERMINATE,
                                      .instance_id = "late" };
    (void)pawl_schedule_child_workflow(ctx, "two", input, NULL);
    (void)pawl_schedule_child_workflow(ctx, "two", input, &options);
    pawl_err err = pawl_sleep(ctx, HOUR);
    if (err) return err;
    (void)pawl_schedule_child_workflow(ctx, "two", input, &late);
    return *input.data == 'c' ? pawl_continue_as_new(ctx, pawl_text("x")) : PAWL_OK;
}

static void test_children_end_with_their_parent_when_they_are_to(void **state)
{
    (void)state;
    for (int continues = 0; continues <= 1; continues++) {
        struct pawl_test *test = test_new(NULL);
        add(test, "leaving", leaving, NULL);
        add(test, "two", for_ever, NULL);
        start(test, "leaving", "p", continues ? "c" : "x");
        OK(test, pawl_test_run_for(test, HOUR + 1));
        assert_int_equal(pawl_test_instance(test, "p.1.0")->status, PAWL_STATUS_RUNNING);
        assert_int_equal(pawl_test_instance(test, "p.1.1")->status, PAWL_STATUS_TERMINATED);
        assert_null(pawl_test_instance(test, "late"));
        pawl_test_free(test);
    }
}

static pawl_err spawning(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    struct pawl_detached_options later = { .instance_id = "later",
                                           .start_at_ms = pawl_now_ms(ctx) + HOUR };
    pawl_err err = pawl_start_detached_workflow(ctx, "two", input, NULL, NULL);
    if (!err) err = pawl_start_detached_workflow(ctx, "mocked", input, NULL, NULL);
    if (!err) err = pawl_start_detached_workflow(ctx, "two", input, &later, NULL);
    return err;
}

static void test_detached_workflows_run_by_themselves(void **state)
{
    (void)state;
    struct pawl_test *test = test_new(NULL);
    add(test, "spawning", spawning, NULL);
    add(test, "two", for_ever, NULL);
    OK(test, pawl_test_mock(test, &(struct pawl_test_mock){ .child = "mocked" }));
    start(test, "spawning", "s", "x");
    OK(test, pawl_test_run_to_end(test, "s"));
    OK(test, pawl_test_run_for(test, 1));
    expect_output(test, "s", "");
    expect_kinds(test, "s",
                 "WorkflowStarted ExecutionStarted DetachedWorkflowCreated DetachedWorkflowCreated "
                 "DetachedWorkflowCreated ExecutionCompleted");
    assert_int_equal(pawl_test_instance(test, "s.1.0")->status, PAWL_STATUS_RUNNING);
    assert_string_equal(pawl_test_instance(test, "s.1.0")->parent_id, "");
    assert_int_equal(pawl_test_instance(test, "later")->status, PAWL_STATUS_PENDING);
    assert_null(pawl_test_instance(test, "s.1.1")); /* a stand-in took its place */
    OK(test, pawl_test_run(test));
    assert_int_equal(pawl_test_instance(test, "later")->status, PAWL_STATUS_RUNNING);
    assert_int_equal(pawl_test_calls_count(test, "mocked"), 1);
    pawl_test_free(test);
}

/* Continue as new --------------------------------------------------------------------------------
 */

static pawl_err counting(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    long count = strtol(pawl_as_text(input), NULL, 10);
    struct pawl_bytes payload;
    pawl_err err = pawl_wait_for_event(ctx, "add", PAWL_FOREVER, &payload);
    if (err) return err;
    count += strtol(pawl_as_text(payload), NULL, 10);
    if (count >= 100) return pawl_return(ctx, pawl_text(pawl_format(ctx, "%ld", count)));
    return pawl_continue_as_new(ctx, pawl_text(pawl_format(ctx, "%ld", count)));
}

static void test_continue_as_new_loses_nothing(void **state)
{
    (void)state;
    struct pawl_test *test = test_new(NULL);
    add(test, "counting", counting, NULL);
    start(test, "counting", "c", "0");
    for (int i = 0; i < 50; i++) OK(test, pawl_test_raise_event(test, "c", "add", pawl_text("2")));
    OK(test, pawl_test_run_to_end(test, "c"));
    expect_output(test, "c", "100");
    assert_int_equal(pawl_test_instance(test, "c")->generation, 50);
    pawl_test_free(test);
}

static pawl_err restless(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    pawl_err err = pawl_sleep(ctx, 1);
    if (err) return err;
    return pawl_continue_as_new(ctx, input);
}

static void test_a_workflow_without_end_is_stopped(void **state)
{
    (void)state;
    struct pawl_test *test = test_new(&(struct pawl_test_options){ .turns_max = 500 });
    add(test, "restless", restless, NULL);
    start(test, "restless", "r", NULL);
    assert_int_equal(pawl_test_run(test), PAWL_E_LIMIT);
    assert_non_null(strstr(pawl_test_message(test), "more than 500 turns"));
    pawl_test_free(test);
}

/* Starting
 * ------------------------------------------------------------------------------------------ */

static void test_start_rules(void **state)
{
    (void)state;
    struct pawl_test *test = test_new(NULL);
    add(test, "approval", approval, NULL);
    int64_t at_ms = pawl_test_now_ms(test) + DAY;
    struct pawl_start later = { .name = "approval", .id = "a", .start_at_ms = at_ms };
    OK(test, pawl_test_start(test, &later));
    OK(test, pawl_test_run_for(test, HOUR));
    assert_int_equal(pawl_test_instance(test, "a")->status, PAWL_STATUS_PENDING);
    assert_int_equal(pawl_test_start(test, &later), PAWL_E_EXISTS);
    later.reuse = PAWL_ID_REUSE_RETURN;
    OK(test, pawl_test_start(test, &later));
    OK(test, pawl_test_run_until(test, at_ms));
    assert_int_equal(pawl_test_instance(test, "a")->status, PAWL_STATUS_RUNNING);
    OK(test, pawl_test_run(test));
    assert_int_equal(pawl_test_now_ms(test), at_ms + 3 * DAY);
    later.reuse = PAWL_ID_REUSE_NEVER;
    assert_int_equal(pawl_test_start(test, &later), PAWL_E_EXISTS);
    later.reuse = PAWL_ID_REUSE_ENDED;
    OK(test, pawl_test_start(test, &later));
    assert_int_equal(pawl_test_instance(test, "a")->generation, 2);
    assert_int_equal(pawl_test_start(test, &(struct pawl_start){ .name = NULL }), PAWL_E_INVALID);
    assert_null(pawl_test_instance(test, "b"));
    size_t count = 1;
    assert_null(pawl_test_history(test, "b", &count));
    assert_int_equal(count, 0);
    assert_string_equal(pawl_test_history_text(test, "b"), "");
    pawl_test_free(test);
}

static void test_bad_arguments(void **state)
{
    (void)state;
    struct pawl_test *test;
    assert_int_equal(pawl_test_new(&(struct pawl_test_options){ .stack_size = 1 }, &test),
                     PAWL_E_INVALID);
    assert_null(test);
    pawl_test_free(NULL);
    test = test_new(NULL);
    assert_string_equal(pawl_test_message(test), "");
    add(test, "approval", approval, NULL);
    assert_int_equal(pawl_test_add_workflow(
                         test, &(struct pawl_workflow_def){ .name = "approval", .run = approval }),
                     PAWL_E_EXISTS);
    assert_int_equal(
        pawl_test_add_workflow(test, &(struct pawl_workflow_def){ .name = "", .run = approval }),
        PAWL_E_INVALID);
    assert_int_equal(pawl_test_add_activity(test, &(struct pawl_activity_def){ .name = "x" }),
                     PAWL_E_INVALID);
    assert_int_equal(pawl_test_mock(test, &(struct pawl_test_mock){ .call = 1 }), PAWL_E_INVALID);
    assert_int_equal(
        pawl_test_mock(test, &(struct pawl_test_mock){ .activity = "a", .child = "b" }),
        PAWL_E_INVALID);
    assert_int_equal(
        pawl_test_mock(test, &(struct pawl_test_mock){ .activity = "a", .takes_ms = -1 }),
        PAWL_E_INVALID);
    assert_int_equal(pawl_test_at(test, 0, NULL, NULL), PAWL_E_INVALID);
    pawl_test_free(test);
}

static void test_what_is_missing_is_named(void **state)
{
    (void)state;
    struct pawl_test *test = test_new(NULL);
    add(test, "two", two_steps, NULL);
    start(test, "two", "a", "x");
    assert_int_equal(pawl_test_run(test), PAWL_E_NOT_REGISTERED);
    assert_non_null(strstr(pawl_test_message(test), "instance 'a' called activity 'first'"));
    OK(test, pawl_test_run(test));
    assert_string_equal(pawl_test_instance(test, "a")->failure->type, "ActivityNotRegistered");
    start(test, "unknown", "b", "x");
    assert_int_equal(pawl_test_run(test), PAWL_E_NOT_REGISTERED);
    assert_non_null(strstr(pawl_test_message(test), "'unknown'"));
    assert_string_equal(pawl_test_instance(test, "b")->failure->type, "WorkflowNotRegistered");
    pawl_test_free(test);
}

static pawl_err versioned(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    return pawl_return(ctx, pawl_text(pawl_workflow_user(ctx)));
}

static void test_versions(void **state)
{
    (void)state;
    static char one[] = "one", any[] = "any";
    struct pawl_test *test = test_new(NULL);
    OK(test, pawl_test_add_workflow(
                 test, &(struct pawl_workflow_def){
                           .name = "v", .version = "1", .run = versioned, .user = one }));
    add(test, "v", versioned, any);
    OK(test, pawl_test_start(test, &(struct pawl_start){ .name = "v", .version = "1" }));
    OK(test, pawl_test_start(test, &(struct pawl_start){ .name = "v", .version = "2" }));
    OK(test, pawl_test_run(test));
    expect_output(test, "v-1", "one");
    expect_output(test, "v-2", "any");
    pawl_test_free(test);
}

/* Code that is not deterministic
 * --------------------------------------------------------------------- */

static pawl_err counts_its_runs(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    int *runs = pawl_workflow_user(ctx);
    const char *mode = pawl_as_text(input);
    bool again = (*runs)++ > 0;
    pawl_err err = PAWL_OK;
    if (strcmp(mode, "name") == 0)
        err = pawl_call_activity(ctx, again ? "other" : "one", input, NULL, NULL);
    if (strcmp(mode, "input") == 0)
        err = pawl_call_activity(ctx, "one", pawl_text(again ? "b" : "a"), NULL, NULL);
    if (strcmp(mode, "less") == 0 && !again)
        err = pawl_call_activity(ctx, "one", input, NULL, NULL);
    if (strcmp(mode, "more") == 0 && again) err = pawl_call_activity(ctx, "one", input, NULL, NULL);
    if (strcmp(mode, "timer") == 0) err = pawl_sleep(ctx, again ? 2000 : 1000);
    if (strcmp(mode, "output") == 0) return pawl_return(ctx, pawl_text(again ? "b" : "a"));
    if (strcmp(mode, "continue") == 0)
        return again ? pawl_return(ctx, input) : pawl_continue_as_new(ctx, input);
    if (err) return err;
    return pawl_return(ctx, pawl_text("end"));
}

static void expect_found(const char *mode, const char *text)
{
    struct pawl_test *test = test_new(NULL);
    int runs = 0;
    add(test, "bad", counts_its_runs, &runs);
    answer(test, "one", "");
    answer(test, "other", "");
    start(test, "bad", "b", mode);
    pawl_err err = pawl_test_run(test);
    if (err != PAWL_E_NONDETERMINISM) fail_msg("%s: %s", mode, pawl_err_name(err));
    if (!strstr(pawl_test_message(test), text)) fail_msg("%s: %s", mode, pawl_test_message(test));
    pawl_test_free(test);
}

static void test_finds_code_that_is_not_deterministic(void **state)
{
    (void)state;
    expect_found("name", "The first time it did a call of activity 'one' (action 0) (history event "
                         "#2); the second time it did a call of activity 'other'");
    expect_found("input", "#2 came out differently: a call of activity 'one' (action 0), the input "
                          "is another one");
    expect_found("less", "the second time it did the end of the workflow");
    expect_found("more", "the second time it did a call of activity 'one'");
    expect_found("timer", "the timer is due at another time");
    expect_found("output", "the output is another one");
    expect_found("continue", "The first time it did continue-as-new");
    expect_found("continue", "pawl_now_ms");
}

/* The shadow alone would miss what only goes wrong the third time. */
static pawl_err third_time(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    int *runs = pawl_workflow_user(ctx);
    const char *name = (*runs)++ == 1 ? "other" : "one";
    for (int i = 0; i < 6; i++) {
        pawl_err err = pawl_call_activity(ctx, name, input, NULL, NULL);
        if (err) return err;
    }
    return PAWL_OK;
}

static void test_every_nth_turn_replays(void **state)
{
    (void)state;
    for (uint32_t every = 1; every <= 5; every++) {
        struct pawl_test *test = test_new(&(struct pawl_test_options){ .replay_every = every });
        int runs = 0;
        add(test, "third", third_time, &runs);
        answer(test, "one", "");
        answer(test, "other", "");
        start(test, "third", "t", NULL);
        assert_int_equal(pawl_test_run(test), PAWL_E_NONDETERMINISM);
        assert_int_equal(pawl_test_instance(test, "t")->status, PAWL_STATUS_STALLED);
        assert_int_equal(pawl_test_calls_count(test, "one"), every == 1 ? 1 : every - 1);
        assert_non_null(strstr(pawl_test_message(test), "does not match its history"));
        pawl_test_free(test);
    }
}

static pawl_err uses_the_test(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    struct pawl_test *test = pawl_workflow_user(ctx);
    assert_int_equal(pawl_test_raise_event(test, "u", "x", pawl_none()), PAWL_E_STATE);
    assert_int_equal(pawl_test_run(test), PAWL_E_STATE);
    return pawl_return(ctx, input);
}

static void test_workflow_code_may_not_use_the_test(void **state)
{
    (void)state;
    struct pawl_test *test = test_new(NULL);
    add(test, "u", uses_the_test, test);
    start(test, "u", "u", "fine");
    OK(test, pawl_test_run(test));
    expect_output(test, "u", "fine");
    pawl_test_free(test);
}

static pawl_err random_ids(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    return pawl_return(ctx, pawl_text(pawl_uuid_text(ctx)));
}

static void test_equal_seeds_give_equal_tests(void **state)
{
    (void)state;
    char first[64] = "";
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct pawl_test *test = test_new(&(struct pawl_test_options){ .seed = seed < 3 ? 7 : 8 });
        add(test, "ids", random_ids, NULL);
        start(test, "ids", "i", NULL);
        OK(test, pawl_test_run(test));
        const char *output = pawl_as_text(pawl_test_instance(test, "i")->output);
        if (seed == 1) (void)snprintf(first, sizeof first, "%s", output);
        assert_int_equal(strcmp(first, output) == 0, seed < 3);
        pawl_test_free(test);
    }
}

static pawl_err wide(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    enum { COUNT = 3000 };
    struct pawl_task **tasks = pawl_alloc(ctx, sizeof(struct pawl_task *) * COUNT);
    for (int i = 0; i < COUNT; i++) tasks[i] = pawl_schedule_activity(ctx, "one", input, NULL);
    pawl_err err = pawl_when_all(ctx, tasks, COUNT);
    if (err) return err;
    return pawl_return(ctx, input);
}

static pawl_err too_wide(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 6000; k++) (void)pawl_create_timer(ctx, DAY);
        pawl_err err = pawl_sleep(ctx, 0);
        if (err) return err;
    }
    return PAWL_OK;
}

static void test_limits_of_the_engine(void **state)
{
    (void)state;
    struct pawl_test *test = test_new(NULL);
    add(test, "wide", wide, NULL);
    add(test, "too_wide", too_wide, NULL);
    answer(test, "one", "");
    start(test, "wide", "w", "x");
    start(test, "too_wide", "t", "x");
    OK(test, pawl_test_run(test));
    expect_output(test, "w", "x");
    size_t count;
    uint32_t turns = 0;
    const struct pawl_history_item *items = pawl_test_history(test, "w", &count);
    for (size_t i = 0; i < count; i++) turns += strcmp(items[i].kind, "WorkflowStarted") == 0;
    assert_int_equal(turns, 3); /* 2048 events at most in one */
    const struct pawl_instance *instance = pawl_test_instance(test, "t");
    assert_int_equal(instance->status, PAWL_STATUS_FAILED);
    assert_string_equal(instance->failure->type, "PawlLimitExceeded");
    pawl_test_free(test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_activities_and_mocks),
        cmocka_unit_test(test_a_month_passes_at_once),
        cmocka_unit_test(test_the_nth_call_fails),
        cmocka_unit_test(test_functions_take_time),
        cmocka_unit_test(test_limits_of_activities_hold_and_progress_goes_on),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_planned_calls),
        cmocka_unit_test(test_says_what_it_waits_for),
        cmocka_unit_test(test_children),
        cmocka_unit_test(test_terminate_takes_children_along),
        cmocka_unit_test(test_children_end_with_their_parent_when_they_are_to),
        cmocka_unit_test(test_detached_workflows_run_by_themselves),
        cmocka_unit_test(test_continue_as_new_loses_nothing),
        cmocka_unit_test(test_a_workflow_without_end_is_stopped),
        cmocka_unit_test(test_start_rules),
        cmocka_unit_test(test_bad_arguments),
        cmocka_unit_test(test_what_is_missing_is_named),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_finds_code_that_is_not_deterministic),
        cmocka_unit_test(test_every_nth_turn_replays),
        cmocka_unit_test(test_workflow_code_may_not_use_the_test),
        cmocka_unit_test(test_equal_seeds_give_equal_tests),
        cmocka_unit_test(test_limits_of_the_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
