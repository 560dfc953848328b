/* Workflow functions over hand-made histories: what they ask for, and when they go on.
 * Every test runs twice: kept in the worker's memory, and replayed for every turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "base/limits.h"
#include "engine.h"

static int setup_kept(void **state)
{
    struct engine *engine = malloc(sizeof *engine);
    assert_non_null(engine);
    engine_init(engine, 16);
    *state = engine;
    return 0;
}

static int setup_replayed(void **state)
{
    struct engine *engine = malloc(sizeof *engine);
    assert_non_null(engine);
    engine_init(engine, 0);
    engine->chunk_size = 3;
    *state = engine;
    return 0;
}

static int teardown(void **state)
{
    engine_deinit(*state);
    free(*state);
    return 0;
}

static void start(struct engine *engine, pawl_workflow_fn *run, const char *input)
{
    engine_add(engine, "wf", run, NULL);
    engine_begin(engine, "i-1", "wf", pawl_bytes_str(input));
    assert_int_equal(engine_turn(engine), PAWL_OK);
}

static void turn(struct engine *engine)
{
    assert_int_equal(engine_turn(engine), PAWL_OK);
}

static void assert_action(struct engine *engine, uint32_t index, enum pawl_action_kind kind,
                          const char *name)
{
    const struct pawl_action *action = engine_action(engine, index);
    assert_int_equal(action->kind, kind);
    assert_true(pawl_bytes_is_str(action->name, name));
}

static void assert_waits(struct engine *engine)
{
    assert_int_equal(engine->done.actions_count, 0);
}

static void assert_completed(struct engine *engine, const char *output)
{
    const struct pawl_action *action = engine_action(engine, engine->done.actions_count - 1);
    assert_int_equal(action->kind, PAWL_ACTION_COMPLETE);
    assert_int_equal(action->status, PAWL_STATUS_COMPLETED);
    assert_true(pawl_bytes_is_str(action->payload, output));
}

static const struct pawl_failure_view *assert_failed(struct engine *engine, const char *type,
                                                     const char *message)
{
    const struct pawl_action *action = engine_action(engine, engine->done.actions_count - 1);
    assert_int_equal(action->kind, PAWL_ACTION_COMPLETE);
    assert_int_equal(action->status, PAWL_STATUS_FAILED);
    assert_true(action->failure.present);
    assert_true(pawl_bytes_is_str(action->failure.type, type));
    if (message) assert_true(pawl_bytes_is_str(action->failure.message, message));
    return &action->failure;
}

/* Calls ---------------------------------------------------------------------------- */

static pawl_err chain(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    struct pawl_bytes text = input;
    for (int i = 0; i < 3; i++) {
        pawl_err err = pawl_call_activity(ctx, "step", text, NULL, &text);
        if (err) return err;
    }
    return pawl_return(ctx, text);
}

static void activities_in_a_row_get_each_others_output(void **state)
{
    struct engine *engine = *state;
    start(engine, chain, "a");
    assert_action(engine, 0, PAWL_ACTION_ACTIVITY, "step");
    assert_int_equal(engine_action(engine, 0)->id, 0);
    assert_true(pawl_bytes_is_str(engine_action(engine, 0)->payload, "a"));

    engine_complete(engine, 0, pawl_text("ab"));
    turn(engine);
    assert_int_equal(engine->done.actions_count, 1);
    assert_int_equal(engine_action(engine, 0)->id, 1);
    assert_true(pawl_bytes_is_str(engine_action(engine, 0)->payload, "ab"));

    engine_complete(engine, 1, pawl_text("abc"));
    turn(engine);
    engine_complete(engine, 2, pawl_text("abcd"));
    turn(engine);
    assert_completed(engine, "abcd");
    assert_false(engine->done.cached);
}

static void a_late_or_double_result_changes_nothing(void **state)
{
    struct engine *engine = *state;
    start(engine, chain, "a");
    engine_complete(engine, 0, pawl_text("ab"));
    turn(engine);
    engine_complete(engine, 0, pawl_text("wrong"));
    turn(engine);
    assert_waits(engine);
    engine_complete(engine, 1, pawl_text("abc"));
    turn(engine);
    assert_true(pawl_bytes_is_str(engine_action(engine, 0)->payload, "abc"));
}

static void an_uncaught_failure_fails_the_workflow_and_names_the_activity(void **state)
{
    struct engine *engine = *state;
    start(engine, chain, "a");
    engine_fail(engine, 0, "CardDeclined", true);
    turn(engine);
    const struct pawl_failure_view *failure =
        assert_failed(engine, "CardDeclined", "activity 'step' failed: it broke");
    struct pawl_failure_view inner;
    assert_int_equal(pawl_failure_decode(failure->inner, &inner), PAWL_OK);
    assert_true(pawl_bytes_is_str(inner.message, "it broke"));
    assert_true(failure->non_retriable);
}

static pawl_err catches(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    assert_null(pawl_last_failure(ctx));
    pawl_err err = pawl_call_activity(ctx, "risky", pawl_none(), NULL, NULL);
    if (err != PAWL_E_FAILED) return err;
    const struct pawl_failure *failure = pawl_last_failure(ctx);
    if (strcmp(failure->type, "Known") == 0) return pawl_return(ctx, pawl_text("handled"));
    return pawl_fail(ctx, "Outer", "could not handle %s", failure->type);
}

static void a_caught_failure_can_be_handled(void **state)
{
    struct engine *engine = *state;
    start(engine, catches, "");
    engine_fail(engine, 0, "Known", false);
    turn(engine);
    assert_completed(engine, "handled");
}

static void a_new_failure_carries_the_caught_one_as_its_cause(void **state)
{
    struct engine *engine = *state;
    start(engine, catches, "");
    engine_fail(engine, 0, "Strange", false);
    turn(engine);
    const struct pawl_failure_view *failure =
        assert_failed(engine, "Outer", "could not handle Strange");
    struct pawl_failure_view inner;
    assert_int_equal(pawl_failure_decode(failure->inner, &inner), PAWL_OK);
    assert_true(pawl_bytes_is_str(inner.type, "Strange"));
}

static pawl_err parent(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    struct pawl_call_options options = { .instance_id = input.size ? "chosen" : NULL };
    struct pawl_bytes output;
    pawl_err err = pawl_call_child_workflow(ctx, "child", input, &options, &output);
    return err ? err : pawl_return(ctx, output);
}

static void a_child_gets_an_id_from_its_parent_generation_and_number(void **state)
{
    struct engine *engine = *state;
    start(engine, parent, "");
    assert_action(engine, 0, PAWL_ACTION_CHILD, "child");
    assert_true(pawl_bytes_is_str(engine_action(engine, 0)->instance, "i-1.1.0"));
    engine_child_complete(engine, 0, pawl_text("fine"));
    turn(engine);
    assert_completed(engine, "fine");
}

static void a_child_id_stays_within_the_limit(void **state)
{
    struct engine *engine = *state;
    char id[PAWL_INSTANCE_ID_SIZE_MAX + 1];
    memset(id, 'x', sizeof id - 1);
    id[sizeof id - 1] = 0;
    engine_add(engine, "wf", parent, NULL);
    engine_begin(engine, id, "wf", pawl_none());
    turn(engine);
    struct pawl_bytes child = engine_action(engine, 0)->instance;
    assert_true(child.size <= PAWL_INSTANCE_ID_SIZE_MAX);
    assert_int_equal(child.size, 200 + 1 + 16 + 4);
    engine_child_complete(engine, 0, pawl_none());
    turn(engine); /* the same id again in a replay, or this fails */
}

static void the_failure_of_a_child_reaches_the_parent(void **state)
{
    struct engine *engine = *state;
    start(engine, parent, "x");
    assert_true(pawl_bytes_is_str(engine_action(engine, 0)->instance, "chosen"));
    engine_child_fail(engine, 0, "Sunk");
    turn(engine);
    (void)assert_failed(engine, "Sunk", "child workflow 'child' failed: it broke");
}

static pawl_err bad_arguments(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    assert_int_equal(pawl_call_activity(ctx, "", pawl_none(), NULL, NULL), PAWL_E_INVALID);
    assert_int_equal(pawl_call_activity(ctx, NULL, pawl_none(), NULL, NULL), PAWL_E_INVALID);
    static uint8_t large[PAWL_PAYLOAD_SIZE_MAX + 1];
    assert_int_equal(pawl_call_activity(ctx, "a", pawl_bytes_make(large, sizeof large), NULL, NULL),
                     PAWL_E_TOO_LARGE);
    assert_int_equal(pawl_wait_for_event(ctx, "a\nb", PAWL_FOREVER, NULL), PAWL_E_INVALID);
    assert_int_equal(pawl_send_event(ctx, "", "e", pawl_none()), PAWL_E_INVALID);
    assert_int_equal(pawl_when_any(ctx, NULL, 0, NULL), PAWL_E_INVALID);
    assert_int_equal(pawl_when_all(ctx, NULL, 0), PAWL_OK);
    return PAWL_E_BUSY;
}

static void bad_arguments_make_no_action(void **state)
{
    struct engine *engine = *state;
    start(engine, bad_arguments, "");
    assert_int_equal(engine->done.actions_count, 1);
    (void)assert_failed(engine, "BUSY", pawl_err_text(PAWL_E_BUSY));
}

/* Many at once ----------------------------------------------------------------------- */

enum { WIDE = 1000 };

static pawl_err wide(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    struct pawl_task **tasks = pawl_alloc(ctx, sizeof *tasks * WIDE);
    for (int i = 0; i < WIDE; i++) {
        tasks[i] = pawl_schedule_activity(ctx, "part", pawl_none(), NULL);
    }
    pawl_err err = pawl_when_all(ctx, tasks, WIDE);
    if (err) return err;
    int sum = 0;
    for (int i = 0; i < WIDE; i++)
        sum += (int)strtol(pawl_as_text(pawl_task_output(tasks[i])), NULL, 10);
    return pawl_return(ctx, pawl_text(pawl_format(ctx, "%d", sum)));
}

static void a_thousand_results_of_one_turn_are_all_there_when_the_code_goes_on(void **state)
{
    struct engine *engine = *state;
    start(engine, wide, "");
    assert_int_equal(engine->done.actions_count, WIDE);
    for (int32_t i = 0; i < WIDE - 1; i++) engine_complete(engine, i, pawl_text("2"));
    turn(engine);
    assert_waits(engine);
    engine_complete(engine, WIDE - 1, pawl_text("2"));
    turn(engine);
    assert_completed(engine, "2000");
}

static void when_all_reports_the_first_that_failed_after_all_ended(void **state)
{
    struct engine *engine = *state;
    start(engine, wide, "");
    engine_fail(engine, 700, "Late", false);
    engine_fail(engine, 3, "Early", false);
    turn(engine);
    assert_waits(engine);
    for (int32_t i = 0; i < WIDE; i++) {
        if (i != 700 && i != 3) engine_complete(engine, i, pawl_text("2"));
    }
    turn(engine);
    (void)assert_failed(engine, "Early", "activity 'part' failed: it broke");
}

static pawl_err race(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    struct pawl_task *tasks[3] = {
        pawl_schedule_activity(ctx, "a", pawl_none(), NULL),
        pawl_schedule_activity(ctx, "b", pawl_none(), NULL),
        pawl_create_timer(ctx, 5000),
    };
    assert_int_equal(pawl_task_error(tasks[0]), PAWL_E_STATE);
    size_t index;
    pawl_err err = pawl_when_any(ctx, tasks, 3, &index);
    if (err) return err;
    if (!pawl_task_is_done(tasks[2])) {
        err = pawl_task_cancel(ctx, tasks[2]);
        if (err) return err;
        assert_int_equal(pawl_task_error(tasks[2]), PAWL_E_CANCELLED);
    }
    return pawl_return(ctx, pawl_text(pawl_format(ctx, "%zu", index)));
}

static pawl_err gives_up(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    static const struct pawl_retry retry = { .attempts_max = 3, .first_interval_ms = 60000 };
    struct pawl_call_options options = { .retry = &retry,
                                         .start_to_close_ms = 30000,
                                         .heartbeat_ms = 3000 };
    struct pawl_task *child = pawl_schedule_child_workflow(ctx, "c", pawl_none(), NULL);
    struct pawl_task *task = pawl_schedule_activity(ctx, "a", pawl_none(), &options);
    pawl_err err = pawl_sleep(ctx, 5000);
    if (err) return err;
    assert_int_equal(pawl_task_cancel(ctx, child), PAWL_E_STATE);
    assert_int_equal(pawl_task_cancel(ctx, task), PAWL_OK);
    assert_int_equal(pawl_task_cancel(ctx, task), PAWL_OK); /* no effect */
    assert_int_equal(pawl_await(ctx, task, NULL), PAWL_E_CANCELLED);
    err = pawl_sleep(ctx, 5000);
    return err ? err : pawl_return(ctx, pawl_text("without it"));
}

static void an_activity_that_is_given_up_ends_at_once_and_its_result_is_ignored(void **state)
{
    struct engine *engine = *state;
    start(engine, gives_up, "");
    assert_int_equal(engine_action(engine, 1)->kind, PAWL_ACTION_ACTIVITY);
    assert_int_equal(engine_action(engine, 1)->start_to_close_ms, 30000);
    assert_int_equal(engine_action(engine, 1)->heartbeat_ms, 3000);
    engine_fire(engine, 2);
    turn(engine);
    assert_int_equal(engine_action(engine, 0)->kind, PAWL_ACTION_CANCEL_ACTIVITY);
    assert_int_equal(engine_action(engine, 0)->ref, 1);
    engine_complete(engine, 1, pawl_text("late"));
    engine_fire(engine, 3);
    turn(engine);
    assert_completed(engine, "without it");
}

static void a_try_that_waits_for_its_turn_is_given_up_too(void **state)
{
    struct engine *engine = *state;
    start(engine, gives_up, "");
    engine_fail(engine, 1, "Early", false);
    turn(engine);
    assert_int_equal(engine_action(engine, 0)->kind, PAWL_ACTION_TIMER); /* the pause */
    assert_true(pawl_bytes_is_str(engine_action(engine, 0)->payload, "try 2 of 3 of activity 'a'"));
    engine_fire(engine, 2);
    turn(engine);
    assert_int_equal(engine_action(engine, 0)->kind, PAWL_ACTION_CANCEL_TIMER);
    assert_int_equal(engine_action(engine, 0)->ref, 3);
    engine_fire(engine, 4);
    turn(engine);
    assert_completed(engine, "without it");
}

static pawl_err wrong_limits(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    static const struct pawl_call_options wrong[] = { { .schedule_to_start_ms = -1 },
                                                      { .start_to_close_ms = -1 },
                                                      { .heartbeat_ms = -1 } };
    static const struct pawl_call_options of_activities[] = { { .start_to_close_ms = 1 },
                                                              { .heartbeat_ms = 1 } };
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pawl_call_activity(ctx, "a", pawl_none(), &wrong[i], NULL),
                         PAWL_E_INVALID);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pawl_call_child_workflow(ctx, "c", pawl_none(), &of_activities[i], NULL),
                         PAWL_E_INVALID);
    return pawl_return(ctx, pawl_text("refused"));
}

static void limits_that_cannot_be_are_refused(void **state)
{
    struct engine *engine = *state;
    start(engine, wrong_limits, "");
    assert_completed(engine, "refused");
}

static void when_any_says_which_ended_first_within_a_turn(void **state)
{
    struct engine *engine = *state;
    start(engine, race, "");
    assert_int_equal(engine_action(engine, 2)->fire_at_ms, engine->now_ms + 5000);
    engine_complete(engine, 1, pawl_none());
    engine_complete(engine, 0, pawl_none());
    turn(engine);
    assert_int_equal(engine_action(engine, 0)->kind, PAWL_ACTION_CANCEL_TIMER);
    assert_int_equal(engine_action(engine, 0)->ref, 2);
    assert_completed(engine, "1");
}

static void a_timer_that_fired_in_the_same_turn_is_not_cancelled(void **state)
{
    struct engine *engine = *state;
    start(engine, race, "");
    engine_complete(engine, 0, pawl_none());
    engine_fire(engine, 2);
    turn(engine);
    assert_int_equal(engine->done.actions_count, 1);
    assert_completed(engine, "0");
}

/* Retries ------------------------------------------------------------------------------- */

static bool only_flaky(void *context, const struct pawl_failure *failure, uint32_t attempts)
{
    (void)context;
    (void)attempts;
    return strcmp(failure->type, "Flaky") == 0;
}

static pawl_err retries(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    struct pawl_retry retry = { .attempts_max = 5,
                                .first_interval_ms = 100,
                                .backoff_coefficient = 3.0,
                                .interval_ms_max = 500 };
    if (input.size && input.data[0] == 'p') retry.should_retry = only_flaky;
    if (input.size && input.data[0] == 't') retry.timeout_ms = 250;
    struct pawl_call_options options = { .retry = &retry };
    struct pawl_bytes output;
    pawl_err err = input.size && input.data[0] == 'c'
                       ? pawl_call_child_workflow(ctx, "flaky", input, &options, &output)
                       : pawl_call_activity(ctx, "flaky", input, &options, &output);
    return err ? err : pawl_return(ctx, output);
}

static void a_retry_waits_longer_each_time_and_keeps_the_execution_id(void **state)
{
    struct engine *engine = *state;
    start(engine, retries, "x");
    struct pawl_id execution = engine_action(engine, 0)->task_execution;
    assert_false(pawl_id_is_zero(execution));
    static const int64_t delays[] = { 100, 300, 500, 500 };
    int32_t id = 0;
    for (size_t i = 0; i < 4; i++) {
        engine->now_ms += 7;
        engine_fail(engine, id, "Flaky", false);
        turn(engine);
        assert_int_equal(engine->done.actions_count, 1);
        assert_action(engine, 0, PAWL_ACTION_TIMER, "retry");
        assert_int_equal(engine_action(engine, 0)->id, id + 1);
        assert_int_equal(engine_action(engine, 0)->fire_at_ms, engine->now_ms + delays[i]);
        engine->now_ms += delays[i];
        engine_fire(engine, id + 1);
        turn(engine);
        assert_action(engine, 0, PAWL_ACTION_ACTIVITY, "flaky");
        assert_int_equal(engine_action(engine, 0)->id, id + 2);
        assert_true(pawl_bytes_is_str(engine_action(engine, 0)->payload, "x"));
        assert_true(pawl_id_is_equal(engine_action(engine, 0)->task_execution, execution));
        id += 2;
    }
    engine_fail(engine, id, "Flaky", false);
    turn(engine);
    (void)assert_failed(engine, "Flaky", NULL);
}

static void a_later_try_may_succeed(void **state)
{
    struct engine *engine = *state;
    start(engine, retries, "x");
    engine_fail(engine, 0, "Flaky", false);
    turn(engine);
    engine_fire(engine, 1);
    turn(engine);
    engine_complete(engine, 2, pawl_text("at last"));
    turn(engine);
    assert_completed(engine, "at last");
}

static void a_non_retriable_failure_is_not_tried_again(void **state)
{
    struct engine *engine = *state;
    start(engine, retries, "x");
    engine_fail(engine, 0, "Flaky", true);
    turn(engine);
    (void)assert_failed(engine, "Flaky", NULL);
}

static void the_predicate_decides_about_retries(void **state)
{
    struct engine *engine = *state;
    start(engine, retries, "p");
    engine_fail(engine, 0, "Flaky", true);
    turn(engine);
    assert_action(engine, 0, PAWL_ACTION_TIMER, "retry");
    engine_fire(engine, 1);
    turn(engine);
    engine_fail(engine, 2, "Solid", false);
    turn(engine);
    (void)assert_failed(engine, "Solid", NULL);
}

static void no_retry_begins_after_the_retry_timeout(void **state)
{
    struct engine *engine = *state;
    start(engine, retries, "t");
    engine_fail(engine, 0, "Flaky", false);
    turn(engine);
    engine->now_ms += 100;
    engine_fire(engine, 1);
    turn(engine);
    engine_fail(engine, 2, "Flaky", false);
    turn(engine); /* the next would begin 400 ms after the first */
    (void)assert_failed(engine, "Flaky", NULL);
}

static void each_try_of_a_child_is_a_new_instance(void **state)
{
    struct engine *engine = *state;
    start(engine, retries, "c");
    assert_true(pawl_bytes_is_str(engine_action(engine, 0)->instance, "i-1.1.0"));
    engine_child_fail(engine, 0, "Flaky");
    turn(engine);
    engine_fire(engine, 1);
    turn(engine);
    assert_true(pawl_bytes_is_str(engine_action(engine, 0)->instance, "i-1.1.2"));
    engine_child_complete(engine, 2, pawl_text("ok"));
    turn(engine);
    assert_completed(engine, "ok");
}

/* Events ------------------------------------------------------------------------------------ */

static pawl_err two_events(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    struct pawl_bytes first, second, other;
    pawl_err err = pawl_call_activity(ctx, "before", pawl_none(), NULL, NULL);
    if (!err) err = pawl_wait_for_event(ctx, "Approval", PAWL_FOREVER, &first);
    if (!err) err = pawl_wait_for_event(ctx, "approval", PAWL_FOREVER, &second);
    if (!err) err = pawl_wait_for_event(ctx, "other", PAWL_FOREVER, &other);
    if (err) return err;
    return pawl_return(ctx, pawl_text(pawl_format(ctx, "%s %s %s", pawl_as_text(first),
                                                  pawl_as_text(second), pawl_as_text(other))));
}

static void events_are_kept_in_order_per_name_whatever_the_case(void **state)
{
    struct engine *engine = *state;
    start(engine, two_events, "");
    engine_raise(engine, "OTHER", pawl_text("o"));
    engine_raise(engine, "APPROVAL", pawl_text("1"));
    engine_raise(engine, "approval", pawl_text("2"));
    turn(engine);
    assert_waits(engine);
    engine_complete(engine, 0, pawl_none());
    turn(engine);
    assert_completed(engine, "1 2 o");
}

static void an_event_meets_the_code_that_waits_for_it(void **state)
{
    struct engine *engine = *state;
    start(engine, two_events, "");
    engine_complete(engine, 0, pawl_none());
    turn(engine);
    engine_raise(engine, "approval", pawl_text("1"));
    turn(engine);
    assert_waits(engine);
    engine_raise(engine, "aPProval", pawl_text("2"));
    engine_raise(engine, "Other", pawl_text("o"));
    turn(engine);
    assert_completed(engine, "1 2 o");
}

static pawl_err with_limit(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    struct pawl_bytes payload = pawl_none();
    if (pawl_wait_for_event(ctx, "go", 0, NULL) != PAWL_E_TIMEOUT) return PAWL_E_INVALID;
    pawl_err err = pawl_wait_for_event(ctx, "go", 1000, &payload);
    if (err == PAWL_E_TIMEOUT)
        payload = pawl_text("too late");
    else if (err)
        return err;
    struct pawl_bytes done;
    err = pawl_wait_for_event(ctx, "go", PAWL_FOREVER, &done);
    if (err) return err;
    return pawl_return(
        ctx, pawl_text(pawl_format(ctx, "%s, %s", pawl_as_text(payload), pawl_as_text(done))));
}

static void an_event_in_time_cancels_its_limit(void **state)
{
    struct engine *engine = *state;
    start(engine, with_limit, "");
    assert_int_equal(engine->done.actions_count, 1);
    assert_int_equal(engine_action(engine, 0)->kind, PAWL_ACTION_TIMER);
    assert_int_equal(engine_action(engine, 0)->fire_at_ms, engine->now_ms + 1000);
    engine_raise(engine, "go", pawl_text("now"));
    turn(engine);
    assert_int_equal(engine->done.actions_count, 1);
    assert_int_equal(engine_action(engine, 0)->kind, PAWL_ACTION_CANCEL_TIMER);
    assert_int_equal(engine_action(engine, 0)->ref, 0);
    engine_raise(engine, "go", pawl_text("end"));
    turn(engine);
    assert_completed(engine, "now, end");
}

static void an_event_after_the_limit_is_left_for_the_next_wait(void **state)
{
    struct engine *engine = *state;
    start(engine, with_limit, "");
    engine_fire(engine, 0);
    engine_raise(engine, "go", pawl_text("late"));
    turn(engine);
    assert_int_equal(engine->done.actions_count, 1);
    assert_completed(engine, "too late, late");
}

static void an_event_just_before_its_limit_in_one_turn_wins_and_cancels_nothing(void **state)
{
    struct engine *engine = *state;
    start(engine, with_limit, "");
    engine_raise(engine, "go", pawl_text("just"));
    engine_fire(engine, 0);
    turn(engine);
    assert_waits(engine);
    engine_raise(engine, "go", pawl_text("end"));
    turn(engine);
    assert_completed(engine, "just, end");
}

static void an_empty_payload_differs_from_an_absent_one(void **state)
{
    struct engine *engine = *state;
    start(engine, chain, "a");
    engine_complete(engine, 0, pawl_text(""));
    turn(engine);
    assert_false(pawl_bytes_is_absent(engine_action(engine, 0)->payload));
    engine_complete(engine, 1, pawl_none());
    turn(engine);
    assert_true(pawl_bytes_is_absent(engine_action(engine, 0)->payload));
}

static void the_engines_own_events_do_not_disturb_the_code(void **state)
{
    struct engine *engine = *state;
    start(engine, chain, "a");
    struct pawl_history_event event =
        pawl_history_event_make(PAWL_EVENT_EXECUTION_SUSPENDED, engine->now_ms);
    engine_push(engine, &event);
    turn(engine);
    assert_waits(engine);
    event.kind = PAWL_EVENT_EXECUTION_RESUMED;
    engine_push(engine, &event);
    engine_complete(engine, 0, pawl_text("ab"));
    turn(engine);
    assert_action(engine, 0, PAWL_ACTION_ACTIVITY, "step");
}

/* Generations ------------------------------------------------------------------------------- */

static pawl_err counts_down(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    int left = (int)strtol(pawl_as_text(input), NULL, 10);
    struct pawl_bytes payload;
    pawl_err err = pawl_wait_for_event(ctx, "tick", PAWL_FOREVER, &payload);
    if (err) return err;
    if (left == 0) {
        return pawl_return(ctx, pawl_text(pawl_format(ctx, "%s in %u", pawl_as_text(payload),
                                                      pawl_generation(ctx))));
    }
    return pawl_continue_as_new(ctx, pawl_text(pawl_format(ctx, "%d", left - 1)));
}

static void continue_as_new_takes_events_that_nobody_waited_for_along(void **state)
{
    struct engine *engine = *state;
    start(engine, counts_down, "2");
    engine_raise(engine, "tick", pawl_text("a"));
    engine_raise(engine, "unknown", pawl_text("u"));
    engine_raise(engine, "TICK", pawl_text("b"));
    engine_raise(engine, "tick", pawl_text("c"));
    turn(engine);
    const struct pawl_action *action = engine_action(engine, 0);
    assert_int_equal(action->kind, PAWL_ACTION_CONTINUE);
    assert_true(pawl_bytes_is_str(action->payload, "1"));
    assert_int_equal(action->carry_count, 3);
    static const char *names[] = { "unknown", "TICK", "tick" };
    for (uint32_t i = 0; i < 3; i++) {
        struct pawl_history_event event;
        assert_int_equal(pawl_history_event_decode(action->carry[i], &event), PAWL_OK);
        assert_true(pawl_bytes_is_str(event.name, names[i]));
    }
    assert_false(engine->done.cached);
    turn(engine);
    assert_int_equal(engine_action(engine, 0)->carry_count, 2);
    turn(engine);
    assert_completed(engine, "c in 3");
}

static pawl_err drops_events(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    pawl_err err = pawl_wait_for_event(ctx, "tick", PAWL_FOREVER, NULL);
    return err ? err : pawl_continue_as_new_without_events(ctx, pawl_none());
}

static void continue_as_new_can_leave_events_behind(void **state)
{
    struct engine *engine = *state;
    start(engine, drops_events, "");
    engine_raise(engine, "tick", pawl_none());
    engine_raise(engine, "tick", pawl_none());
    turn(engine);
    assert_int_equal(engine_action(engine, 0)->kind, PAWL_ACTION_CONTINUE);
    assert_int_equal(engine_action(engine, 0)->carry_count, 0);
}

/* Facts -------------------------------------------------------------------------------------- */

static int cleanups;

static void count_cleanup(void *argument)
{
    cleanups = cleanups * 10 + *(int *)argument;
}

static pawl_err facts(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    static int one = 1, two = 2;
    pawl_defer(ctx, count_cleanup, &one);
    pawl_defer(ctx, count_cleanup, &two);
    int64_t begun = pawl_now_ms(ctx);
    const char *id = pawl_uuid_text(ctx);
    assert_int_equal(strlen(id), 36);
    pawl_log_message(ctx, PAWL_LEVEL_INFO, "began");
    pawl_err err = pawl_set_custom_status(ctx, pawl_text("half"));
    if (!err) err = pawl_sleep(ctx, 60000);
    pawl_log_message(ctx, PAWL_LEVEL_INFO, "slept %d", 60);
    if (!err) err = pawl_send_event(ctx, "other", "hello", pawl_text("x"));
    if (err) return err;
    assert_string_not_equal(id, pawl_uuid_text(ctx));
    return pawl_return(
        ctx, pawl_text(pawl_format(ctx, "%lld %s %s %s %u", (long long)(pawl_now_ms(ctx) - begun),
                                   id, pawl_instance_id(ctx), pawl_workflow_name(ctx),
                                   pawl_generation(ctx))));
}

static void time_ids_status_and_log_lines_are_the_same_in_every_replay(void **state)
{
    struct engine *engine = *state;
    cleanups = 0;
    start(engine, facts, "");
    assert_int_equal(engine->done.actions_count, 1);
    assert_true(engine->done.custom_status_set);
    assert_true(pawl_bytes_is_str(engine->done.custom_status, "half"));
    engine->now_ms += 60001;
    engine_fire(engine, 0);
    turn(engine);
    assert_false(engine->done.custom_status_set);
    assert_action(engine, 0, PAWL_ACTION_SEND_EVENT, "hello");
    assert_true(pawl_bytes_is_str(engine_action(engine, 0)->instance, "other"));
    assert_int_equal(engine_action(engine, 0)->id, 1);
    struct pawl_bytes output = engine_action(engine, 1)->payload;
    assert_true(pawl_bytes_starts_with(output, pawl_text("60001 ")));
    assert_non_null(
        strstr((const char *)pawl_arena_printf(&engine->arena, "%.*s", PAWL_BYTES_FMT(output)).data,
               " i-1 wf 1"));
    assert_string_equal(engine->log, "i-1: began\ni-1: slept 60\n");
    /* Last given, first called; once for each time that the code began. */
    assert_int_equal(cleanups, engine->sticky ? 21 : 2121);
}

static pawl_err runaway(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    for (int i = 0; i < 100000; i++) {
        (void)pawl_schedule_activity(ctx, "again", pawl_none(), NULL);
    }
    return PAWL_OK;
}

static void a_workflow_that_never_waits_is_failed_with_advice(void **state)
{
    struct engine *engine = *state;
    start(engine, runaway, "");
    assert_int_equal(engine->done.actions_count, 1);
    (void)assert_failed(engine, "TooManyCalls", NULL);
}

static pawl_err huge(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    size_t size = PAWL_PAYLOAD_SIZE_MAX;
    struct pawl_bytes payload = { pawl_alloc(ctx, size), size };
    for (int i = 0; i < 5; i++) (void)pawl_schedule_activity(ctx, "large", payload, NULL);
    return pawl_sleep(ctx, 1);
}

static void a_turn_that_does_not_fit_into_a_frame_fails_with_advice(void **state)
{
    struct engine *engine = *state;
    start(engine, huge, "");
    assert_int_equal(engine->done.actions_count, 1);
    assert_false(engine->done.cached);
    (void)assert_failed(engine, "TurnTooLarge", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name)                                         \
    { #name " (kept)", name, setup_kept, teardown, NULL }, \
        { #name " (replayed)", name, setup_replayed, teardown, NULL }
        TEST(activities_in_a_row_get_each_others_output),
        TEST(a_late_or_double_result_changes_nothing),
        TEST(an_uncaught_failure_fails_the_workflow_and_names_the_activity),
        TEST(a_caught_failure_can_be_handled),
        TEST(a_new_failure_carries_the_caught_one_as_its_cause),
        TEST(a_child_gets_an_id_from_its_parent_generation_and_number),
        TEST(a_child_id_stays_within_the_limit),
        TEST(the_failure_of_a_child_reaches_the_parent),
        TEST(bad_arguments_make_no_action),
        TEST(a_thousand_results_of_one_turn_are_all_there_when_the_code_goes_on),
        TEST(when_all_reports_the_first_that_failed_after_all_ended),
        TEST(when_any_says_which_ended_first_within_a_turn),
        TEST(a_timer_that_fired_in_the_same_turn_is_not_cancelled),
        TEST(an_activity_that_is_given_up_ends_at_once_and_its_result_is_ignored),
        TEST(a_try_that_waits_for_its_turn_is_given_up_too),
        TEST(limits_that_cannot_be_are_refused),
        TEST(a_retry_waits_longer_each_time_and_keeps_the_execution_id),
        TEST(a_later_try_may_succeed),
        TEST(a_non_retriable_failure_is_not_tried_again),
        TEST(the_predicate_decides_about_retries),
        TEST(no_retry_begins_after_the_retry_timeout),
        TEST(each_try_of_a_child_is_a_new_instance),
        TEST(events_are_kept_in_order_per_name_whatever_the_case),
        TEST(an_event_meets_the_code_that_waits_for_it),
        TEST(an_event_in_time_cancels_its_limit),
        TEST(an_event_after_the_limit_is_left_for_the_next_wait),
        TEST(an_event_just_before_its_limit_in_one_turn_wins_and_cancels_nothing),
        TEST(an_empty_payload_differs_from_an_absent_one),
        TEST(the_engines_own_events_do_not_disturb_the_code),
        TEST(continue_as_new_takes_events_that_nobody_waited_for_along),
        TEST(continue_as_new_can_leave_events_behind),
        TEST(time_ids_status_and_log_lines_are_the_same_in_every_replay),
        TEST(a_workflow_that_never_waits_is_failed_with_advice),
        TEST(a_turn_that_does_not_fit_into_a_frame_fails_with_advice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
