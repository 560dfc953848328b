#include <stdio.h>

#include "tests/unit/base/expect.h"

#include "tests/unit/sdk/engine.h"

/* The code under test changes while instances run: what it is at the moment. */
enum code { OLD, FRAUD, FRAUD_LOOP, FRAUD_AND_MAIL, MAIL_AND_FRAUD, FRAUD_GONE, LATE };
static enum code code;

static pawl_err call(struct pawl_workflow_ctx *ctx, const char *name)
{
    return pawl_call_activity(ctx, name, PAWL_BYTES_ABSENT, NULL, NULL);
}

static pawl_err order(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    bool fraud = false, mail = false;
    pawl_err err = PAWL_OK;
    switch (code) {
    case OLD:
    case FRAUD_GONE: break;
    case LATE:
        err = call(ctx, "reserve");
        fraud = pawl_patched(ctx, "fraud");
        break;
    case FRAUD: fraud = pawl_patched(ctx, "fraud"); break;
    case FRAUD_AND_MAIL:
        fraud = pawl_patched(ctx, "fraud");
        mail = pawl_patched(ctx, "mail");
        break;
    case MAIL_AND_FRAUD:
        mail = pawl_patched(ctx, "mail");
        fraud = pawl_patched(ctx, "fraud");
        break;
    case FRAUD_LOOP:
        for (int i = 0; i < 2 && !err; i++)
            err = call(ctx, pawl_patched(ctx, "fraud") ? "new" : "old");
        return err;
    }
    if (!err) err = call(ctx, fraud ? "check" : "reserve");
    if (!err && mail) err = call(ctx, "mail");
    if (!err) err = call(ctx, "charge");
    return err;
}

static struct engine engine;

static void begin(enum code first)
{
    code = first;
    engine_init(&engine, 0); /* every turn replays */
    engine_add(&engine, "order", order, NULL);
    engine_begin(&engine, "i-1", "order", PAWL_BYTES_ABSENT);
    assert_int_equal(engine_turn(&engine), PAWL_OK);
}

static pawl_err step(int32_t ref)
{
    engine_complete(&engine, ref, PAWL_BYTES_ABSENT);
    return engine_turn(&engine);
}

static const char *called(void)
{
    static char name[64];
    (void)snprintf(name, sizeof name, "%.*s", PAWL_BYTES_FMT(engine_action(&engine, 0)->name));
    return name;
}

static void a_new_instance_is_patched_and_says_so_once(void **state)
{
    (void)state;
    begin(FRAUD);
    assert_string_equal(called(), "check");
    assert_int_equal(engine.done.patches_count, 1);
    assert_true(pawl_bytes_is_str(engine.done.patches[0], "fraud"));
    assert_int_equal(step(0), PAWL_OK);
    assert_string_equal(called(), "charge");
    assert_int_equal(engine.done.patches_count, 0);
    engine_deinit(&engine);
}

static void an_old_instance_stays_unpatched_to_its_end(void **state)
{
    (void)state;
    begin(OLD);
    assert_string_equal(called(), "reserve");
    code = FRAUD;
    assert_int_equal(step(0), PAWL_OK);
    assert_string_equal(called(), "charge");
    assert_int_equal(engine.done.patches_count, 0);
    assert_int_equal(step(1), PAWL_OK);
    assert_int_equal(engine_action(&engine, 0)->status, PAWL_STATUS_COMPLETED);
    engine_deinit(&engine);
}

static pawl_err old_loop(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    pawl_err err = PAWL_OK;
    for (int i = 0; i < 2 && !err; i++) err = call(ctx, "old");
    return err;
}

static pawl_err new_loop(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    code = FRAUD_LOOP;
    return order(ctx, input);
}

static pawl_err old_rounds(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    pawl_err err = call(ctx, "reserve");
    return err ? err : pawl_continue_as_new(ctx, input);
}

static pawl_err new_rounds(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    pawl_err err = call(ctx, pawl_patched(ctx, "fraud") ? "check" : "reserve");
    return err ? err : pawl_continue_as_new(ctx, input);
}

static void a_generation_stays_as_it_began_and_the_next_is_patched(void **state)
{
    (void)state;
    engine_init(&engine, 0);
    engine_add(&engine, "order", old_rounds, NULL);
    engine_begin(&engine, "i-1", "order", PAWL_BYTES_ABSENT);
    assert_int_equal(engine_turn(&engine), PAWL_OK);
    engine.functions[0].run = new_rounds;
    assert_int_equal(step(0), PAWL_OK);
    assert_int_equal(engine_action(&engine, 0)->kind, PAWL_ACTION_CONTINUE);
    assert_int_equal(engine.done.patches_count, 0);
    assert_int_equal(engine_turn(&engine), PAWL_OK);
    assert_string_equal(called(), "check");
    assert_int_equal(engine.done.patches_count, 1);
    assert_int_equal(step(0), PAWL_OK);
    assert_int_equal(engine_action(&engine, 0)->kind, PAWL_ACTION_CONTINUE);
    engine_deinit(&engine);
}

/* The first answer holds, also where the code is ahead of the past. */
static void a_question_that_is_repeated_has_the_same_answer(void **state)
{
    (void)state;
    engine_init(&engine, 0);
    engine_add(&engine, "order", old_loop, NULL);
    engine_begin(&engine, "i-1", "order", PAWL_BYTES_ABSENT);
    assert_int_equal(engine_turn(&engine), PAWL_OK);
    engine.functions[0].run = new_loop;
    assert_int_equal(step(0), PAWL_OK);
    assert_string_equal(called(), "old");
    engine_deinit(&engine);
    begin(FRAUD_LOOP);
    assert_string_equal(called(), "new");
    assert_int_equal(step(0), PAWL_OK);
    assert_string_equal(called(), "new");
    engine_deinit(&engine);
}

static void a_place_that_was_not_reached_yet_is_patched(void **state)
{
    (void)state;
    begin(OLD); /* has called reserve, as LATE does first */
    code = LATE;
    assert_int_equal(step(0), PAWL_OK);
    assert_string_equal(called(), "check");
    assert_int_equal(engine.done.patches_count, 1);
    assert_int_equal(step(1), PAWL_OK);
    assert_string_equal(called(), "charge");
    engine_deinit(&engine);
}

static void a_patch_that_was_applied_must_stay(void **state)
{
    (void)state;
    begin(FRAUD);
    code = FRAUD_GONE;
    assert_int_equal(step(0), PAWL_E_NONDETERMINISM);
    assert_non_null(strstr(engine.message, "fraud"));
    code = FRAUD; /* put back: it goes on */
    assert_int_equal(step(0), PAWL_OK);
    assert_string_equal(called(), "charge");
    engine_deinit(&engine);
}

static void the_order_of_patches_must_stay_too(void **state)
{
    (void)state;
    begin(FRAUD_AND_MAIL);
    assert_int_equal(engine.done.patches_count, 2);
    code = MAIL_AND_FRAUD;
    assert_int_equal(step(0), PAWL_E_NONDETERMINISM);
    assert_non_null(strstr(engine.message, "mail"));
    engine_deinit(&engine);
}

static void a_second_patch_is_decided_by_itself(void **state)
{
    (void)state;
    begin(FRAUD);
    code = FRAUD_AND_MAIL; /* mail was passed without */
    assert_int_equal(step(0), PAWL_OK);
    assert_string_equal(called(), "charge");
    engine_deinit(&engine);
}

static pawl_err one(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    assert_string_equal(pawl_workflow_version(ctx), "1");
    return call(ctx, "one");
}

static pawl_err two(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    assert_string_equal(pawl_workflow_version(ctx), "2");
    pawl_err err = call(ctx, "two");
    return err ? err : pawl_continue_as_new(ctx, PAWL_BYTES_ABSENT);
}

static pawl_err three(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    assert_string_equal(pawl_workflow_version(ctx), "3");
    return call(ctx, "three");
}

/* The engine of the test chooses the version that was added last. */
static void a_new_instance_takes_the_latest_version_and_keeps_it(void **state)
{
    (void)state;
    engine_init(&engine, 0);
    engine_add_version(&engine, "order", "1", one);
    engine_add_version(&engine, "order", "2", two);
    engine_begin(&engine, "i-1", "order", PAWL_BYTES_ABSENT);
    assert_int_equal(engine_turn(&engine), PAWL_OK);
    assert_string_equal(called(), "two");
    assert_true(pawl_bytes_is_str(engine.done.version, "2"));
    engine_add_version(&engine, "order", "3", three);
    assert_int_equal(step(0), PAWL_OK); /* two goes on, and continues as new */
    assert_true(pawl_bytes_is_absent(engine.done.version));
    const struct pawl_action *end = engine_action(&engine, 0);
    assert_int_equal(end->kind, PAWL_ACTION_CONTINUE);
    assert_true(pawl_bytes_is_absent(end->version)); /* it was not asked for */
    assert_int_equal(engine_turn(&engine), PAWL_OK);
    assert_string_equal(called(), "three");
    engine_deinit(&engine);
}

static void a_version_that_is_gone_is_not_replaced_by_another(void **state)
{
    (void)state;
    engine_init(&engine, 0);
    engine_add_version(&engine, "order", "1", one);
    engine_begin(&engine, "i-1", "order", PAWL_BYTES_ABSENT);
    assert_int_equal(engine_turn(&engine), PAWL_OK);
    engine.functions_count = 0;
    engine_add_version(&engine, "order", "2", two);
    assert_int_equal(step(0), PAWL_E_NOT_REGISTERED);
    assert_non_null(strstr(engine.message, "'1'"));
    engine_deinit(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_instance_is_patched_and_says_so_once),
        cmocka_unit_test(an_old_instance_stays_unpatched_to_its_end),
        cmocka_unit_test(a_generation_stays_as_it_began_and_the_next_is_patched),
        cmocka_unit_test(a_question_that_is_repeated_has_the_same_answer),
        cmocka_unit_test(a_place_that_was_not_reached_yet_is_patched),
        cmocka_unit_test(a_patch_that_was_applied_must_stay),
        cmocka_unit_test(the_order_of_patches_must_stay_too),
        cmocka_unit_test(a_second_patch_is_decided_by_itself),
        cmocka_unit_test(a_new_instance_takes_the_latest_version_and_keeps_it),
        cmocka_unit_test(a_version_that_is_gone_is_not_replaced_by_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
