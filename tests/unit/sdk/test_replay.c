/* Replay: the cache, the determinism check, and that being kept in memory and being
 * replayed are the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/rng.h"
#include "engine.h"

/* Code changes ---------------------------------------------------------------------------- */

/* Variant 0 is what was deployed first. */
static int variant;

static pawl_err wait_for_ever(struct pawl_workflow_ctx *ctx)
{
    return pawl_wait_for_event(ctx, "never", PAWL_FOREVER, NULL);
}

/* v0: reserve, then charge, then wait. */
static pawl_err calls(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    const char *first = variant == 1 ? "rezerve" : variant == 6 ? "charge" : "reserve";
    if (variant == 5) (void)pawl_schedule_activity(ctx, "audit", pawl_none(), NULL);
    pawl_err err = pawl_call_activity(ctx, first, pawl_none(), NULL, NULL);
    if (err) return err;
    switch (variant) {
    case 2: return pawl_sleep(ctx, 1000);
    case 3: return pawl_call_child_workflow(ctx, "charge", pawl_none(), NULL, NULL);
    case 4: return pawl_return(ctx, pawl_none());
    case 7: return wait_for_ever(ctx);
    case 8: return pawl_send_event(ctx, "i-2", "charge", pawl_none());
    case 9: return pawl_continue_as_new(ctx, pawl_none());
    case 10: return pawl_fail(ctx, "Changed", "my mind");
    case 11: {
        struct pawl_retry retry = { .attempts_max = 3 };
        struct pawl_call_options options = { .retry = &retry };
        (void)pawl_schedule_activity(ctx, "charge", pawl_none(), &options);
        return pawl_sleep(ctx, 1);
    }
    default: break;
    }
    err = pawl_call_activity(ctx, "charge", pawl_none(), NULL, NULL);
    if (variant == 12) (void)pawl_schedule_activity(ctx, "notify", pawl_none(), NULL);
    return err ? err : wait_for_ever(ctx);
}

/* v0: child, sent event, timer, cancelled timer, then wait. */
static pawl_err others(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    struct pawl_call_options options = { .instance_id = variant == 1 ? "k-2" : "k-1" };
    (void)pawl_schedule_child_workflow(ctx, variant == 2 ? "kid" : "child", pawl_none(), &options);
    pawl_err err = pawl_send_event(ctx, variant == 3 ? "j-2" : "j-1",
                                   variant == 4 ? "hullo" : "hello", pawl_none());
    if (err) return err;
    if (variant == 5) {
        (void)pawl_expect_event(ctx, "x", 1000);
    } else {
        (void)pawl_create_timer(ctx, 1000);
    }
    struct pawl_task *given_up = pawl_create_timer(ctx, 5000);
    if (variant != 6) err = pawl_task_cancel(ctx, given_up);
    return err ? err : wait_for_ever(ctx);
}

struct change {
    pawl_workflow_fn *run;
    int variant;
    const char *index;    /* where it was noticed */
    const char *recorded; /* "" when the history has nothing there */
    const char *made;
};

static const struct change changes[] = {
    { calls, 1, "#2", "a call of activity 'reserve' (action 0)",
      "a call of activity 'rezerve' (action 0)" },
    { calls, 2, "#5", "a call of activity 'charge' (action 1)",
      "the start of a timer of kind 'timer' (action 1)" },
    { calls, 3, "#5", "a call of activity 'charge'",
      "the start of child workflow 'charge' with instance id 'i-1.1.1' (action 1)" },
    { calls, 4, "#5", "a call of activity 'charge'", "the end of the workflow" },
    { calls, 5, "#2", "a call of activity 'reserve'", "a call of activity 'audit'" },
    { calls, 6, "#2", "a call of activity 'reserve'", "a call of activity 'charge'" },
    { calls, 7, "#5", "a call of activity 'charge'", "nothing and waits" },
    { calls, 8, "#5", "a call of activity 'charge'",
      "the sending of event 'charge' to instance 'i-2'" },
    { calls, 9, "#5", "a call of activity 'charge'", "continue-as-new" },
    { calls, 10, "#5", "a call of activity 'charge'", "the failure of the workflow" },
    { calls, 11, "#4", "", "the start of a timer" },
    { calls, 12, "#7", "", "a call of activity 'notify' (action 2)" },
    { others, 2, "#2", "child workflow 'child'", "child workflow 'kid'" },
    { others, 4, "#3", "event 'hello'", "event 'hullo'" },
    { others, 5, "#4", "a timer of kind 'timer'", "a timer of kind 'event time limit'" },
    { others, 6, "#6", "the cancelling of timer 3", "nothing and waits" },
};

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part)) assert_string_equal(text, part);
}

static void a_change_of_the_code_is_noticed_and_explained(void **state)
{
    (void)state;
    static struct engine engine;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        const struct change *change = &changes[i];
        variant = 0;
        engine_init(&engine, 4);
        engine_add(&engine, "wf", change->run, NULL);
        engine_begin(&engine, "i-1", "wf", pawl_none());
        assert_int_equal(engine_turn(&engine), PAWL_OK);
        if (change->run == calls) {
            engine_complete(&engine, 0, pawl_none());
            assert_int_equal(engine_turn(&engine), PAWL_OK);
            engine_complete(&engine, 1, pawl_none());
            assert_int_equal(engine_turn(&engine), PAWL_OK);
        }
        engine_forget(&engine);
        variant = change->variant;
        engine_raise(&engine, "poke", pawl_none());
        assert_int_equal(engine_turn(&engine), PAWL_E_NONDETERMINISM);
        assert_contains(engine.message, "does not match its history");
        assert_contains(engine.message, change->index);
        assert_contains(engine.message, change->recorded);
        assert_contains(engine.message, change->made);
        assert_contains(engine.message, "put the old code back");
        assert_int_equal(engine.done.actions_count, 0);
        assert_false(engine.done.cached);
        assert_int_equal(pawl_replay_held_count(engine.replay), 0);

        variant = 0; /* the old code goes on as if nothing had been */
        engine_raise(&engine, "poke", pawl_none());
        assert_int_equal(engine_turn(&engine), PAWL_OK);
        engine_deinit(&engine);
    }
}

static void to_whom_a_call_goes_is_the_historys_to_say(void **state)
{
    (void)state;
    static struct engine engine;
    static const int unnoticed[] = { 1, 3 }; /* the child's id; the receiver of the event */
    for (size_t i = 0; i < 2; i++) {
        variant = 0;
        engine_init(&engine, 4);
        engine_add(&engine, "wf", others, NULL);
        engine_begin(&engine, "i-1", "wf", pawl_none());
        assert_int_equal(engine_turn(&engine), PAWL_OK);
        engine_forget(&engine);
        variant = unnoticed[i];
        engine_raise(&engine, "poke", pawl_none());
        assert_int_equal(engine_turn(&engine), PAWL_OK);
        engine_deinit(&engine);
    }
}

static void a_message_with_long_names_still_ends_with_the_advice(void **state)
{
    (void)state;
    static struct engine engine;
    engine_init(&engine, 4);
    engine_add(&engine, "wf", calls, NULL);
    engine_begin(&engine, "i-1", "wf", pawl_none());
    variant = 0;
    assert_int_equal(engine_turn(&engine), PAWL_OK);
    engine_forget(&engine);
    struct pawl_history_event event;
    assert_int_equal(pawl_history_event_decode(engine.history[2], &event), PAWL_OK);
    char name[PAWL_NAME_SIZE_MAX];
    memset(name, 'n', sizeof name);
    event.name = pawl_bytes_make(name, sizeof name);
    engine.history[2] = pawl_history_event_pack(&engine.arena, &event);
    assert_int_equal(engine_turn(&engine), PAWL_E_NONDETERMINISM);
    assert_true(strlen(engine.message) <= PAWL_MESSAGE_SIZE_MAX);
    assert_contains(engine.message, "give the new code a new version.");
    engine_deinit(&engine);
}

static void a_result_for_something_never_asked_for_is_a_mismatch(void **state)
{
    (void)state;
    static struct engine engine;
    variant = 0;
    engine_init(&engine, 4);
    engine_add(&engine, "wf", calls, NULL);
    engine_begin(&engine, "i-1", "wf", pawl_none());
    assert_int_equal(engine_turn(&engine), PAWL_OK);
    engine_complete(&engine, 7, pawl_none());
    assert_int_equal(engine_turn(&engine), PAWL_E_NONDETERMINISM);
    assert_contains(engine.message, "is the result of action 7");
    engine_fire(&engine, 0);
    assert_int_equal(engine_turn(&engine), PAWL_E_NONDETERMINISM);
    assert_contains(engine.message, "of another kind");
    engine_deinit(&engine);
}

static void a_history_that_cannot_be_read_stalls_instead_of_failing(void **state)
{
    (void)state;
    static struct engine engine;
    variant = 0;
    engine_init(&engine, 4);
    engine_add(&engine, "wf", calls, NULL);
    engine_begin(&engine, "i-1", "wf", pawl_none());
    assert_int_equal(engine_turn(&engine), PAWL_OK);
    engine_forget(&engine);
    struct pawl_bytes good = engine.history[1];
    engine.history[1] = PAWL_BYTES_LITERAL("\xff\xff");
    assert_int_equal(engine_turn(&engine), PAWL_E_NONDETERMINISM);
    assert_contains(engine.message, "cannot be read");
    engine.history[1] = good;
    engine.history_count = 1; /* the beginning alone, without EXECUTION_STARTED */
    assert_int_equal(engine_turn(&engine), PAWL_E_NONDETERMINISM);
    assert_contains(engine.message, "no beginning");
    engine_deinit(&engine);
}

/* The cache -------------------------------------------------------------------------------- */

static void the_oldest_instance_makes_room_and_needs_its_history_later(void **state)
{
    (void)state;
    static struct engine first, second;
    variant = 0;
    engine_init(&first, 1);
    engine_add(&first, "wf", calls, NULL);
    engine_begin(&first, "i-1", "wf", pawl_none());
    assert_int_equal(engine_turn(&first), PAWL_OK);
    assert_int_equal(pawl_replay_held_count(first.replay), 1);

    second = first; /* another instance at the same worker */
    pawl_arena_init(&second.arena);
    engine_begin(&second, "i-2", "wf", pawl_none());
    assert_int_equal(engine_turn(&second), PAWL_OK);
    assert_int_equal(pawl_replay_held_count(first.replay), 1);

    engine_complete(&first, 0, pawl_none());
    assert_int_equal(engine_turn(&first), PAWL_OK);
    assert_int_equal(first.need_history_count, 1);
    assert_int_equal(first.done.actions_count, 1);

    engine_complete(&second, 0, pawl_none());
    assert_int_equal(engine_turn(&second), PAWL_OK);
    assert_int_equal(second.need_history_count, 1);
    pawl_arena_deinit(&second.arena);
    engine_deinit(&first);
}

static void a_turn_over_another_base_needs_history_and_drops_what_was_held(void **state)
{
    (void)state;
    static struct engine engine;
    variant = 0;
    engine_init(&engine, 4);
    engine_add(&engine, "wf", calls, NULL);
    engine_begin(&engine, "i-1", "wf", pawl_none());
    assert_int_equal(engine_turn(&engine), PAWL_OK);
    engine.base.bytes[0] ^= 1; /* as after a turn whose commit was lost */
    engine_complete(&engine, 0, pawl_none());
    assert_int_equal(engine_turn(&engine), PAWL_OK);
    assert_int_equal(engine.need_history_count, 1);
    assert_int_equal(engine.done.actions_count, 1);
    assert_int_equal(pawl_replay_held_count(engine.replay), 1);
    pawl_replay_clear(engine.replay);
    assert_int_equal(pawl_replay_held_count(engine.replay), 0);
    engine_deinit(&engine);
}

static void an_unknown_workflow_is_not_registered(void **state)
{
    (void)state;
    static struct engine engine;
    engine_init(&engine, 4);
    engine_begin(&engine, "i-1", "nobody", pawl_none());
    assert_int_equal(engine_turn(&engine), PAWL_E_NOT_REGISTERED);
    assert_contains(engine.message, "nobody");
    engine_deinit(&engine);
}

/* Random programs ---------------------------------------------------------------------------- */

static const char *const event_names[] = { "a", "B", "c" };

static pawl_err random_call(struct pawl_workflow_ctx *ctx, struct pawl_rng *rng,
                            struct pawl_task **ret_task)
{
    struct pawl_retry retry = { .attempts_max = 1 + (uint32_t)pawl_rng_below(rng, 3),
                                .first_interval_ms = 10,
                                .backoff_coefficient = 2.0 };
    struct pawl_call_options options = { .retry = pawl_rng_below(rng, 2) ? &retry : NULL };
    const char *name = pawl_format(ctx, "f%llu", (unsigned long long)pawl_rng_below(rng, 4));
    struct pawl_bytes input = pawl_text(pawl_uuid_text(ctx));
    switch (pawl_rng_below(rng, 5)) {
    case 0: *ret_task = pawl_create_timer(ctx, (int64_t)pawl_rng_below(rng, 100)); break;
    case 1: *ret_task = pawl_schedule_child_workflow(ctx, name, input, &options); break;
    case 2:
        *ret_task = pawl_expect_event(ctx, event_names[pawl_rng_below(rng, 3)],
                                      (int64_t)pawl_rng_below(rng, 200));
        break;
    default: *ret_task = pawl_schedule_activity(ctx, name, input, &options); break;
    }
    return PAWL_OK;
}

/* What was learned decides what is done next, as in real code. */
static void mix(struct pawl_rng *rng, const struct pawl_task *task)
{
    struct pawl_bytes output = pawl_task_output(task);
    uint64_t value = pawl_hash_stable(output.data ? output : PAWL_BYTES_LITERAL("-"));
    pawl_rng_init(rng, pawl_rng_next(rng) ^ value ^ (uint64_t)(uint32_t)pawl_task_error(task));
}

static pawl_err random_program(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    struct pawl_rng rng;
    pawl_rng_init(&rng, pawl_hash_stable(input));
    for (int step = 0; step < 12; step++) {
        struct pawl_task *tasks[6];
        size_t count = 1 + (size_t)pawl_rng_below(&rng, 6);
        for (size_t i = 0; i < count; i++) (void)random_call(ctx, &rng, &tasks[i]);
        pawl_err ignored;
        if (pawl_rng_below(&rng, 2)) {
            ignored = pawl_when_all(ctx, tasks, count);
            for (size_t i = 0; i < count; i++) mix(&rng, tasks[i]);
        } else {
            size_t index = 0;
            ignored = pawl_when_any(ctx, tasks, count, &index);
            mix(&rng, tasks[index]);
            for (size_t i = 0; i < count; i++) {
                if (pawl_rng_below(&rng, 2)) (void)pawl_task_cancel(ctx, tasks[i]);
            }
        }
        if (pawl_rng_below(&rng, 4) == 0) {
            ignored = pawl_send_event(ctx, "other", "e", pawl_text("x"));
        }
        if (pawl_rng_below(&rng, 4) == 0) {
            ignored = pawl_set_custom_status(ctx, pawl_text(pawl_format(ctx, "%d", step)));
        }
        (void)ignored; /* failures are part of the program */
        if (pawl_generation(ctx) < 3 && pawl_rng_below(&rng, 12) == 0) {
            return pawl_continue_as_new(ctx, pawl_text(pawl_uuid_text(ctx)));
        }
    }
    return pawl_return(ctx, pawl_text(pawl_uuid_text(ctx)));
}

static void answer(struct engine *engine, struct pawl_rng *rng, int32_t id,
                   enum pawl_event_kind kind)
{
    bool fails = pawl_rng_below(rng, 4) == 0;
    struct pawl_bytes output =
        pawl_arena_printf(&engine->arena, "%llu", (unsigned long long)pawl_rng_next(rng));
    if (kind == PAWL_EVENT_TIMER_CREATED) {
        engine_fire(engine, id);
    } else if (kind == PAWL_EVENT_CHILD_CREATED) {
        if (fails)
            engine_child_fail(engine, id, "ChildBroke");
        else
            engine_child_complete(engine, id, output);
    } else if (fails) {
        engine_fail(engine, id, "Broke", pawl_rng_below(rng, 5) == 0);
    } else {
        engine_complete(engine, id, output);
    }
}

/* Answer some of what is open, in random order; at least one thing. */
static void answer_some(struct engine *engine, struct pawl_rng *rng)
{
    static int32_t open_ids[1024];
    static enum pawl_event_kind open_kinds[1024];
    size_t open_count = 0;
    for (uint32_t i = 0; i < engine->history_count; i++) {
        struct pawl_history_event event;
        assert_int_equal(pawl_history_event_decode(engine->history[i], &event), PAWL_OK);
        if (event.id >= 0 && event.kind != PAWL_EVENT_EVENT_SENT) {
            assert_true(open_count < 1024);
            open_ids[open_count] = event.id;
            open_kinds[open_count++] = event.kind;
        }
        for (size_t k = 0; event.ref >= 0 && k < open_count; k++) {
            if (open_ids[k] != event.ref) continue;
            open_ids[k] = open_ids[--open_count];
            open_kinds[k] = open_kinds[open_count];
        }
    }
    uint64_t wanted = 1 + pawl_rng_below(rng, 4);
    for (; wanted > 0 && open_count > 0; wanted--) {
        size_t k = (size_t)pawl_rng_below(rng, open_count);
        answer(engine, rng, open_ids[k], open_kinds[k]);
        open_ids[k] = open_ids[--open_count];
        open_kinds[k] = open_kinds[open_count];
    }
    if (pawl_rng_below(rng, 3) == 0) {
        engine_raise(engine, event_names[pawl_rng_below(rng, 3)], pawl_text("event"));
    }
}

static bool has_ended(const struct engine *engine)
{
    if (engine->done.actions_count == 0) return false;
    return engine_action(engine, engine->done.actions_count - 1)->kind == PAWL_ACTION_COMPLETE;
}

enum way { WAY_KEPT, WAY_REPLAYED, WAY_REPLAYED_IN_CHUNKS, WAY_FORGETFUL, WAYS_COUNT };

static struct pawl_id run_random(uint64_t seed, enum way way)
{
    static struct engine engine;
    struct pawl_rng rng, forget;
    pawl_rng_init(&rng, seed);
    pawl_rng_init(&forget, seed + 1);
    bool keeps = way == WAY_KEPT || way == WAY_FORGETFUL;
    engine_init(&engine, keeps ? 4 : 0);
    if (way == WAY_REPLAYED_IN_CHUNKS) engine.chunk_size = 7;
    engine_add(&engine, "wf", random_program, NULL);
    char input[32];
    (void)snprintf(input, sizeof input, "%llu", (unsigned long long)seed);
    engine_begin(&engine, "i-1", "wf", pawl_text(input));
    int turns = 0;
    do {
        pawl_err err = engine_turn(&engine);
        if (err) fail_msg("seed %d way %d: %s", (int)seed, (int)way, engine.message);
        if (has_ended(&engine)) break;
        engine.now_ms += (int64_t)pawl_rng_below(&rng, 50);
        answer_some(&engine, &rng);
        if (way == WAY_FORGETFUL && pawl_rng_below(&forget, 3) == 0) engine_forget(&engine);
    } while (++turns < 400);
    assert_true(turns < 400);
    struct pawl_id trace = engine.trace;
    engine_deinit(&engine);
    return trace;
}

static void random_programs_do_the_same_kept_or_replayed(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct pawl_id kept = run_random(seed, WAY_KEPT);
        for (enum way way = WAY_REPLAYED; way < WAYS_COUNT; way++) {
            struct pawl_id other = run_random(seed, way);
            if (!pawl_id_is_equal(kept, other)) fail_msg("seed %d way %d", (int)seed, (int)way);
        }
    }
}

/* Memory ----------------------------------------------------------------------------------------
 */

static int deferred_count;

static void count_deferred(void *argument)
{
    (void)argument;
    deferred_count--;
}

static pawl_err hungry(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    pawl_defer(ctx, count_deferred, NULL);
    deferred_count++;
    for (int i = 0; i < 3; i++) {
        memset(pawl_alloc(ctx, 3000), 1, 3000);
        struct pawl_retry retry = { .attempts_max = 2 };
        struct pawl_call_options options = { .retry = &retry };
        pawl_err err = pawl_call_activity(ctx, "a", input, &options, NULL);
        if (err) return err;
        err = pawl_wait_for_event(ctx, pawl_format(ctx, "e%d", i), 1000, NULL);
        if (err) return err;
    }
    return pawl_fail(ctx, "Done", "%d", 3);
}

/* The whole life with `allocations` allocations per turn; false: they were not enough. */
static bool run_hungry(struct engine *engine, int allocations)
{
    engine_begin(engine, "i-1", "wf", pawl_text("input"));
    engine_raise(engine, "e0", pawl_text("kept"));
    for (int32_t turn = 0; turn < 9; turn++) {
        engine->allocations_left = allocations;
        pawl_err err = engine_turn(engine);
        engine->allocations_left = -1;
        if (err == PAWL_E_NOMEM) return false;
        assert_int_equal(err, PAWL_OK);
        if (has_ended(engine)) return true;
        const struct pawl_action *last = engine_action(engine, engine->done.actions_count - 1);
        if (last->kind == PAWL_ACTION_ACTIVITY)
            engine_complete(engine, last->id, pawl_text("o"));
        else
            engine_raise(engine, "e1", pawl_text("now"));
        if (last->kind == PAWL_ACTION_TIMER) engine_raise(engine, "e2", pawl_text("now"));
    }
    fail_msg("it did not end");
    return false;
}

static void out_of_memory_anywhere_gives_the_turn_up_and_leaks_nothing(void **state)
{
    (void)state;
    static struct engine engine;
    for (int kept = 0; kept <= 1; kept++) {
        engine_init(&engine, kept ? 4 : 0);
        engine_add(&engine, "wf", hungry, NULL);
        engine.may_lack_memory = true;
        engine.chunk_size = kept ? 0 : 2;
        int allocations = 0;
        deferred_count = 0;
        while (!run_hungry(&engine, allocations)) {
            engine_forget(&engine);
            pawl_replay_clear(engine.replay);
            assert_int_equal(deferred_count, 0);
            allocations++;
            assert_true(allocations < 200);
        }
        assert_true(allocations > 3);
        assert_int_equal(deferred_count, 0);
        engine_deinit(&engine);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_of_the_code_is_noticed_and_explained),
        cmocka_unit_test(to_whom_a_call_goes_is_the_historys_to_say),
        cmocka_unit_test(a_message_with_long_names_still_ends_with_the_advice),
        cmocka_unit_test(a_result_for_something_never_asked_for_is_a_mismatch),
        cmocka_unit_test(a_history_that_cannot_be_read_stalls_instead_of_failing),
        cmocka_unit_test(the_oldest_instance_makes_room_and_needs_its_history_later),
        cmocka_unit_test(a_turn_over_another_base_needs_history_and_drops_what_was_held),
        cmocka_unit_test(an_unknown_workflow_is_not_registered),
        cmocka_unit_test(random_programs_do_the_same_kept_or_replayed),
        cmocka_unit_test(out_of_memory_anywhere_gives_the_turn_up_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
