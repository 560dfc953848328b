/* Versions, test: old and new instances side by side. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> /* needs the standard ones above */

#include <pawl/testing.h>

#include "versions.h"

static void ok(struct pawl_test *test, pawl_err err)
{
    if (err) fail_msg("%s: %s", pawl_err_name(err), pawl_test_message(test));
}

static void old_and_new_instances_run_side_by_side(void **state)
{
    static const struct pawl_workflow_def definitions[] = {
        { .name = "order", .version = "1", .run = order_1 },
        { .name = "order", .version = "2", .run = order_2, .latest = true },
    };
    static const char *const activities[] = { "reserve", "check_fraud", "charge" };
    struct pawl_test *test;
    (void)state;
    assert_int_equal(pawl_test_new(NULL, &test), PAWL_OK);
    for (size_t i = 0; i < 2; i++) ok(test, pawl_test_add_workflow(test, &definitions[i]));
    for (size_t i = 0; i < 3; i++)
        ok(test, pawl_test_mock(test, &(struct pawl_test_mock){ .activity = activities[i] }));
    ok(test,
       pawl_test_start(test, &(struct pawl_start){ .name = "order", .version = "1", .id = "old" }));
    ok(test, pawl_test_start(test, &(struct pawl_start){ .name = "order", .id = "new" }));
    ok(test, pawl_test_run(test));
    assert_int_equal(pawl_test_instance(test, "old")->status, PAWL_STATUS_COMPLETED);
    assert_int_equal(pawl_test_instance(test, "new")->status, PAWL_STATUS_COMPLETED);
    assert_int_equal(pawl_test_calls_count(test, "check_fraud"), 1);
    assert_string_equal(pawl_test_call(test, "check_fraud", 1)->instance_id, "new");
    pawl_test_free(test);
}

static void a_new_instance_has_the_patch(void **state)
{
    static const struct pawl_workflow_def definition = { .name = "shipping", .run = shipping };
    static const char *const activities[] = { "pack", "insure", "hand_over" };
    struct pawl_test *test;
    (void)state;
    assert_int_equal(pawl_test_new(NULL, &test), PAWL_OK);
    ok(test, pawl_test_add_workflow(test, &definition));
    for (size_t i = 0; i < 3; i++)
        ok(test, pawl_test_mock(test, &(struct pawl_test_mock){ .activity = activities[i] }));
    ok(test, pawl_test_start(test, &(struct pawl_start){ .name = "shipping", .id = "one" }));
    ok(test, pawl_test_run(test));
    assert_int_equal(pawl_test_instance(test, "one")->status, PAWL_STATUS_COMPLETED);
    assert_int_equal(pawl_test_calls_count(test, "insure"), 1);
    pawl_test_free(test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(old_and_new_instances_run_side_by_side),
        cmocka_unit_test(a_new_instance_has_the_patch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
