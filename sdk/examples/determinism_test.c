/* Determinism, test: the testing kit finds by itself what a replay cannot follow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h> /* needs the standard ones above */

#include <pawl/testing.h>

#include "determinism.h"

static struct pawl_test *new_test(pawl_err (*run)(struct pawl_workflow_ctx *, struct pawl_bytes))
{
    static const char *const activities[] = { "draw_number", "send_prize", "send_regrets" };
    const struct pawl_workflow_def definition = { .name = "raffle", .run = run };
    struct pawl_test *test;
    assert_int_equal(pawl_test_new(NULL, &test), PAWL_OK);
    assert_int_equal(pawl_test_add_workflow(test, &definition), PAWL_OK);
    for (size_t i = 0; i < sizeof activities / sizeof *activities; i++) {
        struct pawl_test_mock mock = { .activity = activities[i], .output = pawl_text("700") };
        assert_int_equal(pawl_test_mock(test, &mock), PAWL_OK);
    }
    struct pawl_start start = { .name = "raffle", .id = "r", .input = pawl_text("Ada") };
    assert_int_equal(pawl_test_start(test, &start), PAWL_OK);
    return test;
}

static void what_is_asked_of_the_sdk_is_the_same_in_each_replay(void **state)
{
    (void)state;
    struct pawl_test *test = new_test(raffle);
    assert_int_equal(pawl_test_run(test), PAWL_OK);
    assert_int_equal(pawl_test_instance(test, "r")->status, PAWL_STATUS_COMPLETED);
    assert_int_equal(pawl_test_calls_count(test, "send_prize"), 1);
    pawl_test_free(test);
}

static void a_global_that_changes_is_found(void **state)
{
    (void)state;
    struct pawl_test *test = new_test(raffle_wrong);
    assert_int_equal(pawl_test_run(test), PAWL_E_NONDETERMINISM);
    assert_non_null(strstr(pawl_test_message(test), "'raffle' is not deterministic"));
    pawl_test_free(test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked_of_the_sdk_is_the_same_in_each_replay),
        cmocka_unit_test(a_global_that_changes_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
