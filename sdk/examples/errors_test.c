/* Errors, test: what errors.c does about each failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> /* needs the standard ones above */

#include <pawl/testing.h>

#include "errors.h"

/* The instance after paying with this card; the test is to be freed. */
static const struct pawl_instance *pay_with(const char *card, struct pawl_test **ret_test)
{
    struct pawl_test *test;
    struct pawl_start start = { .name = "pay", .id = "p", .input = pawl_text(card) };
    pawl_err err = pawl_test_new(NULL, &test);
    if (!err)
        err =
            pawl_test_add_workflow(test, &(struct pawl_workflow_def){ .name = "pay", .run = pay });
    if (!err)
        err = pawl_test_add_activity(
            test, &(struct pawl_activity_def){ .name = "charge_card", .run = charge_card });
    if (!err) err = pawl_test_start(test, &start);
    if (!err) err = pawl_test_run_to_end(test, "p");
    if (err) fail_msg("%s", pawl_test_message(test));
    *ret_test = test;
    return pawl_test_instance(test, "p");
}

static void a_good_card_gives_a_receipt(void **state)
{
    struct pawl_test *test;
    (void)state;
    assert_int_equal(pay_with("4111", &test)->output.size, 32);
    pawl_test_free(test);
}

static void a_refused_card_is_not_tried_again_and_is_no_failure(void **state)
{
    struct pawl_test *test;
    (void)state;
    const struct pawl_instance *instance = pay_with("x411", &test);
    assert_string_equal(pawl_as_text(instance->output), "please use another card");
    assert_int_equal(pawl_test_calls_count(test, "charge_card"), 1);
    pawl_test_free(test);
}

static void a_service_that_is_away_is_tried_five_times(void **state)
{
    struct pawl_test *test;
    (void)state;
    const struct pawl_instance *instance = pay_with("t411", &test);
    assert_int_equal(instance->status, PAWL_STATUS_FAILED);
    assert_string_equal(instance->failure->type, "NotPaid");
    assert_string_equal(instance->failure->cause->type, "GatewayDown");
    assert_int_equal(pawl_test_calls_count(test, "charge_card"), 5);
    /* After 1, 2, 4 and 8 seconds. */
    assert_int_equal(instance->completed_ms - instance->created_ms, 15000);
    pawl_test_free(test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_card_gives_a_receipt),
        cmocka_unit_test(a_refused_card_is_not_tried_again_and_is_no_failure),
        cmocka_unit_test(a_service_that_is_away_is_tried_five_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
