/* Detached workflows, and children with a parent close policy, as workflow code starts them:
 * kept in the worker's memory, and replayed for every turn. */
#include "tests/unit/base/expect.h"

#include "base/bytes.h"
#include "tests/unit/sdk/engine.h"

static pawl_err start_bad(struct pawl_workflow_ctx *ctx, const char *name,
                          struct pawl_detached_options options)
{
    return pawl_start_detached_workflow(ctx, name, PAWL_BYTES_ABSENT, &options, NULL);
}

static const struct pawl_instance_tag tag = { "team", "growth" }, bad_tag = { "a=b", "" };
static pawl_err refused[5];

static pawl_err spawner(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    const char *ids[2] = { "", "" };
    struct pawl_detached_options options = { .instance_id = "own",
                                             .app_id = "bank",
                                             .version = "2",
                                             .start_at_ms = pawl_now_ms(ctx) + 1000,
                                             .tags_count = 1,
                                             .tags = &tag };
    refused[0] = start_bad(ctx, "", (struct pawl_detached_options){ 0 });
    refused[1] =
        start_bad(ctx, "x", (struct pawl_detached_options){ .tags_count = 1, .tags = &bad_tag });
    refused[2] = start_bad(ctx, "x", (struct pawl_detached_options){ .app_id = "no app" });
    refused[3] = start_bad(ctx, "x", (struct pawl_detached_options){ .instance_id = "" });
    refused[4] = start_bad(ctx, "x", (struct pawl_detached_options){ .start_at_ms = -1 });
    pawl_err err = pawl_start_detached_workflow(ctx, "first", input, NULL, &ids[0]);
    if (!err) err = pawl_sleep(ctx, 60000);
    if (!err) err = pawl_start_detached_workflow(ctx, "second", input, &options, &ids[1]);
    if (err) return err;
    return pawl_return(ctx, pawl_text(pawl_format(ctx, "%s %s", ids[0], ids[1])));
}

static void check(uint32_t cache)
{
    struct engine engine;
    engine_init(&engine, cache);
    engine_add(&engine, "wf", spawner, NULL);
    engine_begin(&engine, "i-1", "wf", pawl_bytes_str("x"));
    assert_int_equal(engine_turn(&engine), PAWL_OK);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_int_equal(refused[i], PAWL_E_INVALID);
    assert_int_equal(engine.done.actions_count, 2);
    const struct pawl_action *first = engine_action(&engine, 0);
    assert_int_equal(first->kind, PAWL_ACTION_DETACHED);
    assert_true(pawl_bytes_is_str(first->name, "first"));
    assert_true(pawl_bytes_is_str(first->instance, "i-1.1.0"));
    assert_true(pawl_bytes_is_str(first->payload, "x"));

    int64_t begun_ms = engine.now_ms;
    engine.now_ms += 60001;
    engine_fire(&engine, 1);
    assert_int_equal(engine_turn(&engine), PAWL_OK);
    assert_int_equal(engine.done.actions_count, 2);
    const struct pawl_action *second = engine_action(&engine, 0);
    assert_int_equal(second->kind, PAWL_ACTION_DETACHED);
    assert_int_equal(second->id, 2);
    assert_true(pawl_bytes_is_str(second->instance, "own"));
    assert_true(pawl_bytes_is_str(second->target_app, "bank"));
    assert_true(pawl_bytes_is_str(second->version, "2"));
    assert_int_equal(second->start_at_ms, begun_ms + 1000);
    assert_true(pawl_bytes_is_str(second->tags, "\x92\xa4team\xa6growth"));
    assert_true(pawl_bytes_is_str(engine_action(&engine, 1)->payload, "i-1.1.0 own"));
    engine_deinit(&engine);
}

static void a_workflow_in_memory_starts_them_and_goes_on(void **state)
{
    (void)state;
    check(16);
}

static void a_replay_starts_none_again(void **state)
{
    (void)state;
    check(0);
}

/* Over the app stream, and back. */
static pawl_err pass(struct pawl_arena *arena, struct pawl_action *action,
                     struct pawl_frame *ret_frame)
{
    struct pawl_frame frame = { .type = PAWL_FRAME_TURN_DONE };
    struct pawl_buf buf;
    frame.turn_done = (struct pawl_turn_done){ .turn = { { 1 } },
                                               .instance = PAWL_BYTES_LITERAL("i"),
                                               .actions_count = 1,
                                               .actions = action };
    pawl_buf_init(&buf, 4096);
    pawl_frame_encode(&buf, &frame);
    struct pawl_bytes bytes = pawl_arena_copy(arena, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
    return pawl_frame_decode(bytes, arena, ret_frame);
}

static void an_action_has_a_name_an_id_and_tags_that_can_be_read(void **state)
{
    struct pawl_arena arena;
    struct pawl_frame back;
    const struct pawl_action good = { .kind = PAWL_ACTION_DETACHED,
                                      .id = 4,
                                      .name = PAWL_BYTES_LITERAL("Ship"),
                                      .instance = PAWL_BYTES_LITERAL("ship-1"),
                                      .start_at_ms = 5000,
                                      .tags = PAWL_BYTES_LITERAL("\x92\xa4team\xa6growth") };
    (void)state;
    pawl_arena_init(&arena);
    struct pawl_action action = good;
    assert_int_equal(pass(&arena, &action, &back), PAWL_OK);
    assert_int_equal(back.turn_done.actions[0].id, 4);
    assert_int_equal(back.turn_done.actions[0].start_at_ms, 5000);
    assert_true(pawl_bytes_is_equal(back.turn_done.actions[0].tags, good.tags));
    action.tags = PAWL_BYTES_ABSENT;
    assert_int_equal(pass(&arena, &action, &back), PAWL_OK);
    action.tags = PAWL_BYTES_LITERAL("\x91\xa4team");
    assert_int_equal(pass(&arena, &action, &back), PAWL_E_PROTOCOL);
    action = good;
    action.start_at_ms = -1;
    assert_int_equal(pass(&arena, &action, &back), PAWL_E_PROTOCOL);
    action = good;
    action.instance = PAWL_BYTES_ABSENT;
    assert_int_equal(pass(&arena, &action, &back), PAWL_E_PROTOCOL);
    action = good;
    action.name = PAWL_BYTES_ABSENT;
    assert_int_equal(pass(&arena, &action, &back), PAWL_E_PROTOCOL);
    pawl_arena_deinit(&arena);
}

static pawl_err parent(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    struct pawl_call_options options = { .parent_close = PAWL_PARENT_CLOSE_TERMINATE };
    struct pawl_call_options unknown = { .parent_close = (enum pawl_parent_close_policy)7 };
    (void)pawl_schedule_child_workflow(ctx, "closed", input, &options);
    (void)pawl_schedule_child_workflow(ctx, "left", input, NULL);
    refused[0] = pawl_call_activity(ctx, "a", input, &options, NULL);
    refused[1] = pawl_call_child_workflow(ctx, "c", input, &unknown, NULL);
    return PAWL_OK;
}

static void a_child_says_what_becomes_of_it_when_its_parent_ends(void **state)
{
    struct engine engine;
    struct pawl_arena arena;
    struct pawl_frame back;
    (void)state;
    engine_init(&engine, 16);
    engine_add(&engine, "wf", parent, NULL);
    engine_begin(&engine, "i-1", "wf", pawl_bytes_str("x"));
    assert_int_equal(engine_turn(&engine), PAWL_OK);
    assert_int_equal(refused[0], PAWL_E_INVALID);
    assert_int_equal(refused[1], PAWL_E_INVALID);
    assert_int_equal(engine.done.actions_count, 3);
    struct pawl_action closed = *engine_action(&engine, 0);
    assert_int_equal(closed.parent_close, PAWL_PARENT_CLOSE_TERMINATE);
    assert_int_equal(engine_action(&engine, 1)->parent_close, PAWL_PARENT_CLOSE_ABANDON);

    pawl_arena_init(&arena);
    assert_int_equal(pass(&arena, &closed, &back), PAWL_OK);
    assert_int_equal(back.turn_done.actions[0].parent_close, PAWL_PARENT_CLOSE_TERMINATE);
    closed.parent_close = (enum pawl_parent_close_policy)2;
    assert_int_equal(pass(&arena, &closed, &back), PAWL_E_PROTOCOL);
    pawl_arena_deinit(&arena);
    engine_deinit(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_action_has_a_name_an_id_and_tags_that_can_be_read),
        cmocka_unit_test(a_workflow_in_memory_starts_them_and_goes_on),
        cmocka_unit_test(a_replay_starts_none_again),
        cmocka_unit_test(a_child_says_what_becomes_of_it_when_its_parent_ends),
    };
    return cmocka_run_group_tests_name("detached", tests, NULL, NULL);
}
