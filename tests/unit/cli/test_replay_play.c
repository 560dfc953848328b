/* A recorded history against code that has changed since: what is found, and where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> /* needs the standard ones above */

#include "base/bytes.h"
#include "base/limits.h"
#include "cli/replay_play.h"
#include "tests/unit/sdk/engine.h"

/* The code, in versions -------------------------------------------------------------------- */

enum version {
    AS_RECORDED,
    ADDED,
    REMOVED,
    REORDERED,
    RENAMED,
    OTHER_INPUT,
    TIMER_TIME,
    TIMER_GONE,
    CHILD_NAME,
    CHILD_ID,
    ENDS_EARLY,
    FAILS,
    OTHER_OUTPUT,
    NEVER_ENDS,
};

static enum version version;

static pawl_err order(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    const char *first = version == REORDERED ? "charge" : "reserve";
    const char *second = version == REORDERED ? "reserve"
                         : version == RENAMED ? "collect"
                                              : "charge";
    struct pawl_call_options options = { .instance_id = version == CHILD_ID ? "s-2" : "s-1" };
    pawl_err err = pawl_call_activity(ctx, first, input, NULL, NULL);
    if (!err && version == ADDED) err = pawl_call_activity(ctx, "audit", input, NULL, NULL);
    if (!err && version != REMOVED)
        err = pawl_call_activity(ctx, second, version == OTHER_INPUT ? pawl_text("x") : input, NULL,
                                 NULL);
    if (!err && version == ENDS_EARLY) return pawl_return(ctx, input);
    if (!err && version != TIMER_GONE) err = pawl_sleep(ctx, version == TIMER_TIME ? 2000 : 1000);
    if (!err)
        err = pawl_call_child_workflow(ctx, version == CHILD_NAME ? "deliver" : "ship", input,
                                       &options, NULL);
    if (err) return err;
    if (version == FAILS) return pawl_fail(ctx, "Bad", "luck");
    if (version == NEVER_ENDS) return pawl_wait_for_event(ctx, "more", PAWL_FOREVER, NULL);
    return pawl_return(ctx, version == OTHER_OUTPUT ? pawl_text("other") : input);
}

static void record(struct engine *engine)
{
    engine_begin(engine, "o-1", "order", PAWL_BYTES_LITERAL("tea"));
    assert_int_equal(engine_turn(engine), PAWL_OK);
    for (int32_t id = 0; id < 2; id++) {
        engine_complete(engine, id, PAWL_BYTES_LITERAL("ok"));
        assert_int_equal(engine_turn(engine), PAWL_OK);
    }
    engine->now_ms += 1000;
    engine_fire(engine, 2);
    assert_int_equal(engine_turn(engine), PAWL_OK);
    engine_child_complete(engine, 3, PAWL_BYTES_LITERAL("shipped"));
    assert_int_equal(engine_turn(engine), PAWL_OK);
}

/* An app: frames go in, answers are kept for the play. -------------------------------------- */

struct app {
    struct pawl_replay *replay;
    struct pawl_arena arena;
    struct pawl_frame answers[4];
    uint32_t answers_count;
    uint32_t turns_count;
    bool forgets; /* after each turn */
};

static void take(void *context, const struct pawl_frame *frame)
{
    struct app *app = context;
    struct pawl_buf out;
    if (frame->type == PAWL_FRAME_HISTORY) pawl_replay_on_history(app->replay, &frame->history);
    if (frame->type == PAWL_FRAME_EVICT) pawl_replay_on_evict(app->replay, frame->evict.instance);
    if (frame->type != PAWL_FRAME_TURN) return;
    app->turns_count++;
    pawl_buf_init(&out, PAWL_FRAME_SIZE_MAX);
    pawl_replay_on_turn(app->replay, &frame->turn, &out);
    struct pawl_bytes bytes = pawl_arena_copy(&app->arena, pawl_buf_view(&out));
    assert_int_equal(pawl_frame_decode(bytes, &app->arena, &app->answers[app->answers_count++]),
                     PAWL_OK);
    pawl_buf_deinit(&out);
    if (app->forgets) pawl_replay_on_evict(app->replay, frame->turn.instance);
}

struct outcome {
    struct pawl_play play;
    uint32_t turns_count;
    char text[4096];
};

/* What the report says of this version of the code. */
static void play(enum version now, bool strict, bool forgets, uint32_t events_count,
                 struct outcome *ret_outcome)
{
    struct engine recorder, player;
    engine_init(&recorder, 16);
    engine_init(&player, 16);
    version = AS_RECORDED;
    engine_add(&recorder, "order", order, NULL);
    engine_add(&player, "order", order, NULL);
    record(&recorder);
    struct pawl_export history = { .file = "o-1.json",
                                   .instance = PAWL_BYTES_LITERAL("o-1"),
                                   .name = PAWL_BYTES_LITERAL("order"),
                                   .gen = 1,
                                   .events_count = recorder.history_count,
                                   .events = recorder.history };
    if (events_count) history.events_count = events_count;

    version = now;
    struct app app = { .replay = player.replay, .forgets = forgets };
    pawl_arena_init(&app.arena);
    pawl_play_start(&ret_outcome->play, &history, &app.arena, take, &app);
    while (ret_outcome->play.state == PAWL_PLAY_WAITING) {
        assert_int_equal(app.answers_count, 1);
        app.answers_count = 0;
        pawl_play_on_frame(&ret_outcome->play, &app.answers[0], take, &app);
    }
    ret_outcome->turns_count = app.turns_count;
    struct pawl_buf buf;
    pawl_buf_init(&buf, sizeof ret_outcome->text - 1);
    pawl_play_report(&ret_outcome->play, strict, &buf);
    memcpy(ret_outcome->text, buf.data, buf.size);
    ret_outcome->text[buf.size] = 0;
    pawl_buf_deinit(&buf);
    pawl_arena_deinit(&app.arena);
    engine_deinit(&recorder);
    engine_deinit(&player);
}

static void expect(enum version now, bool strict, bool good, const char *text)
{
    struct outcome outcome;
    play(now, strict, false, 0, &outcome);
    if (pawl_play_is_good(&outcome.play, strict) != good || !strstr(outcome.text, text))
        fail_msg("version %d: %s", (int)now, outcome.text);
}

static void test_the_same_code_does_the_same(void **state)
{
    (void)state;
    struct outcome outcome;
    for (int forgets = 0; forgets <= 1; forgets++) {
        play(AS_RECORDED, true, forgets != 0, 0, &outcome);
        assert_true(pawl_play_is_good(&outcome.play, true));
        assert_string_equal(outcome.text,
                            "same       o-1.json: order 'o-1', 15 events, 5 turns the same\n");
        /* Each turn, those that had to be given again, and all of them once more. */
        assert_int_equal(outcome.turns_count, forgets ? 10 : 6);
    }
}

static void test_each_change_is_found_at_its_place(void **state)
{
    (void)state;
    expect(ADDED, false, false,
           "  Event #5 recorded a call of activity 'charge' (action 1).\n"
           "  At this point the code now does a call of activity 'audit' (action 1).\n");
    expect(REMOVED, false, false,
           "  Event #5 recorded a call of activity 'charge' (action 1).\n"
           "  At this point the code now does the start of a timer of kind 'timer' (action 1).\n");
    expect(REORDERED, false, false,
           "  Event #2 recorded a call of activity 'reserve' (action 0).\n"
           "  At this point the code now does a call of activity 'charge' (action 0).\n");
    expect(RENAMED, false, false, "the code now does a call of activity 'collect' (action 1).\n");
    expect(TIMER_GONE, false, false,
           "  Event #8 recorded the start of a timer of kind 'timer' (action 2).\n"
           "  At this point the code now does the start of child workflow 'ship'");
    expect(CHILD_NAME, false, false,
           "  Event #11 recorded the start of child workflow 'ship' with instance id 's-1' (action "
           "3).\n  At this point the code now does the start of child workflow 'deliver'");
    expect(ENDS_EARLY, false, false, "At this point the code now does the end of the workflow.");
    expect(FAILS, false, false,
           "  Event #14 recorded the end of the workflow.\n"
           "  At this point the code now does the failure of the workflow.\n");
    expect(NEVER_ENDS, false, false, "At this point the code now does nothing and waits.");
}

static void test_what_an_instance_does_not_mind_is_a_note(void **state)
{
    (void)state;
    static const struct {
        enum version version;
        const char *text;
    } notes[] = {
        { OTHER_INPUT, "event #5, a call of activity 'charge' (action 1): the input is another" },
        { TIMER_TIME, "the timer is due at another time" },
        { CHILD_ID, "the child has another instance id" },
        { OTHER_OUTPUT, "event #14, the end of the workflow: the output is another one" },
    };
    for (size_t i = 0; i < sizeof notes / sizeof notes[0]; i++) {
        expect(notes[i].version, false, true, "  Note: ");
        expect(notes[i].version, false, true, notes[i].text);
        expect(notes[i].version, true, false, "DIFFERENT");
        expect(notes[i].version, true, false, notes[i].text);
    }
}

/* A history that still grows is good at each end of a turn. */
static void test_a_history_that_has_not_ended(void **state)
{
    (void)state;
    struct outcome outcome;
    for (uint32_t count = 3; count <= 15; count += 3) {
        play(AS_RECORDED, true, false, count, &outcome);
        assert_true(pawl_play_is_good(&outcome.play, true));
        assert_int_equal(outcome.play.turns_count, count / 3);
    }
    /* What has changed behind it is no matter of this instance. */
    play(ADDED, false, false, 3, &outcome);
    assert_true(pawl_play_is_good(&outcome.play, false));
    play(ADDED, false, false, 6, &outcome);
    assert_false(pawl_play_is_good(&outcome.play, false));
}

/* The first run of it in this process is like the recorded one, a second one is not. */
static pawl_err only_once(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    int *runs = pawl_workflow_user(ctx);
    pawl_err err = pawl_call_activity(ctx, (*runs)++ == 0 ? "reserve" : "other", input, NULL, NULL);
    if (!err) err = pawl_call_activity(ctx, "charge", input, NULL, NULL);
    return err;
}

static void test_code_that_does_not_do_the_same_twice(void **state)
{
    (void)state;
    struct engine recorder, player;
    struct pawl_play one;
    int runs[2] = { 0, 0 };
    engine_init(&recorder, 16);
    engine_init(&player, 16);
    engine_add(&recorder, "order", only_once, &runs[0]);
    engine_add(&player, "order", only_once, &runs[1]);
    engine_begin(&recorder, "o-1", "order", PAWL_BYTES_LITERAL("tea"));
    assert_int_equal(engine_turn(&recorder), PAWL_OK);
    engine_complete(&recorder, 0, PAWL_BYTES_LITERAL("x"));
    assert_int_equal(engine_turn(&recorder), PAWL_OK);
    struct pawl_export history = { .file = "f",
                                   .instance = PAWL_BYTES_LITERAL("o-1"),
                                   .name = PAWL_BYTES_LITERAL("order"),
                                   .gen = 1,
                                   .events_count = recorder.history_count,
                                   .events = recorder.history };
    struct app app = { .replay = player.replay };
    pawl_arena_init(&app.arena);
    pawl_play_start(&one, &history, &app.arena, take, &app);
    while (one.state == PAWL_PLAY_WAITING) {
        app.answers_count = 0;
        pawl_play_on_frame(&one, &app.answers[0], take, &app);
    }
    assert_int_equal(one.state, PAWL_PLAY_DIFFERENT);
    assert_int_equal(one.turns_count, 2);
    const char *message = (const char *)one.message.data;
    assert_non_null(strstr(message, "History event #2 recorded a call of activity 'reserve'"));
    assert_non_null(strstr(message, "the code now does a call of activity 'other'"));
    pawl_arena_deinit(&app.arena);
    engine_deinit(&recorder);
    engine_deinit(&player);
}

static void send_nothing(void *context, const struct pawl_frame *frame)
{
    (void)frame;
    ++*(uint32_t *)context;
}

static void test_answers_that_make_no_sense(void **state)
{
    (void)state;
    struct pawl_arena arena;
    struct pawl_play one;
    uint32_t sent = 0;
    pawl_arena_init(&arena);
    struct pawl_history_event started = pawl_history_event_make(PAWL_EVENT_WORKFLOW_STARTED, 1);
    struct pawl_bytes events[1] = { pawl_history_event_pack(&arena, &started) };
    struct pawl_export history = { .file = "f",
                                   .instance = PAWL_BYTES_LITERAL("i"),
                                   .name = PAWL_BYTES_LITERAL("order"),
                                   .version = PAWL_BYTES_LITERAL("7"),
                                   .events_count = 1,
                                   .events = events };
    struct pawl_frame frame = { .type = PAWL_FRAME_TURN_DONE };
    pawl_play_start(&one, &history, &arena, send_nothing, &sent);
    assert_int_equal(sent, 1);
    pawl_play_on_frame(&one, &frame, send_nothing, &sent);
    assert_int_equal(one.state, PAWL_PLAY_FAILED);

    pawl_play_start(&one, &history, &arena, send_nothing, &sent);
    frame.type = PAWL_FRAME_NEED_HISTORY;
    frame.need_history = (struct pawl_need_history){ .turn = one.id };
    pawl_play_on_frame(&one, &frame, send_nothing, &sent);
    assert_int_equal(one.state, PAWL_PLAY_FAILED);

    pawl_play_start(&one, &history, &arena, send_nothing, &sent);
    frame.type = PAWL_FRAME_TURN_DONE;
    frame.turn_done = (struct pawl_turn_done){ .turn = one.id, .err = PAWL_E_NOT_REGISTERED };
    pawl_play_on_frame(&one, &frame, send_nothing, &sent);
    assert_int_equal(one.state, PAWL_PLAY_DIFFERENT);
    assert_true(pawl_bytes_is_str(
        one.message, "The app has no workflow 'order' for this history's version '7'."));

    history.events_count = 0;
    pawl_play_start(&one, &history, &arena, send_nothing, &sent);
    assert_int_equal(one.state, PAWL_PLAY_SAME);
    pawl_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_code_does_the_same),
        cmocka_unit_test(test_each_change_is_found_at_its_place),
        cmocka_unit_test(test_what_an_instance_does_not_mind_is_a_note),
        cmocka_unit_test(test_a_history_that_has_not_ended),
        cmocka_unit_test(test_code_that_does_not_do_the_same_twice),
        cmocka_unit_test(test_answers_that_make_no_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
