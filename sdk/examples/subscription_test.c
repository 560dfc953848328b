/* Subscription, test: months of a workflow in milliseconds, with cmocka and pawl/testing.h.
 *
 *     cc subscription_test.c subscription.c $(pkg-config --cflags --libs pawl cmocka) -o test
 *     ./test
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> /* needs the standard ones above */

#include <pawl/testing.h>

#include "subscription.h"

#define DAY (INT64_C(24) * 3600 * 1000)

static void ok(struct pawl_test *test, pawl_err err)
{
    if (err) fail_msg("%s: %s", pawl_err_name(err), pawl_test_message(test));
}

/* A customer "Ada" with the subscription "s". */
static int set_up(void **state)
{
    struct pawl_test *test;
    if (pawl_test_new(NULL, &test) != PAWL_OK) return -1;
    ok(test, pawl_test_add_workflow(
                 test, &(struct pawl_workflow_def){ .name = "subscription", .run = subscription }));
    ok(test, pawl_test_mock(test, &(struct pawl_test_mock){ .activity = "send_reminder" }));
    ok(test, pawl_test_mock(test, &(struct pawl_test_mock){ .activity = "charge" }));
    ok(test,
       pawl_test_start(test, &(struct pawl_start){
                                 .name = "subscription", .id = "s", .input = pawl_text("Ada") }));
    *state = test;
    return 0;
}

static int tear_down(void **state)
{
    pawl_test_free(*state);
    return 0;
}

static void a_month_is_free_and_then_each_one_is_charged(void **state)
{
    struct pawl_test *test = *state;
    ok(test, pawl_test_run_for(test, 27 * DAY));
    assert_int_equal(pawl_test_calls_count(test, "send_reminder"), 3);
    assert_int_equal(pawl_test_calls_count(test, "charge"), 0);

    ok(test, pawl_test_run_for(test, 365 * DAY));
    assert_int_equal(pawl_test_calls_count(test, "send_reminder"), 4);
    assert_int_equal(pawl_test_calls_count(test, "charge"), 13);
    assert_string_equal(pawl_as_text(pawl_test_call(test, "charge", 1)->input), "Ada");
}

static void who_cancels_in_the_trial_pays_nothing(void **state)
{
    struct pawl_test *test = *state;
    ok(test, pawl_test_run_for(test, 10 * DAY));
    ok(test, pawl_test_raise_event(test, "s", "cancel", pawl_none()));
    ok(test, pawl_test_run_to_end(test, "s"));
    assert_string_equal(pawl_as_text(pawl_test_instance(test, "s")->output),
                        "cancelled in the trial");
    assert_int_equal(pawl_test_calls_count(test, "charge"), 0);
}

static void a_charge_that_fails_twice_is_tried_again(void **state)
{
    struct pawl_test *test = *state;
    static const struct pawl_failure declined = { .type = "Declined", .message = "no money" };
    for (uint32_t n = 1; n <= 2; n++)
        ok(test, pawl_test_mock(test, &(struct pawl_test_mock){
                                          .activity = "charge", .call = n, .failure = &declined }));
    ok(test, pawl_test_run_for(test, 29 * DAY));
    assert_int_equal(pawl_test_calls_count(test, "charge"), 3);
    assert_int_equal(pawl_test_instance(test, "s")->status, PAWL_STATUS_RUNNING);
}

static void who_does_not_pay_for_two_days_is_out(void **state)
{
    struct pawl_test *test = *state;
    static const struct pawl_failure declined = { .type = "Declined", .message = "no money" };
    ok(test, pawl_test_mock(
                 test, &(struct pawl_test_mock){ .activity = "charge", .failure = &declined }));
    int64_t begin_ms = pawl_test_now_ms(test);
    ok(test, pawl_test_run_to_end(test, "s"));
    assert_string_equal(pawl_as_text(pawl_test_instance(test, "s")->output), "not paid");
    assert_true(pawl_test_now_ms(test) - begin_ms < 31 * DAY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_month_is_free_and_then_each_one_is_charged, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(who_cancels_in_the_trial_pays_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_charge_that_fails_twice_is_tried_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(who_does_not_pay_for_two_days_is_out, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
