#include "base/version.h"

#include "tests/unit/base/expect.h"

static int compare(const char *a, const char *b)
{
    return pawl_version_compare(pawl_bytes_str(a), pawl_bytes_str(b));
}

static void versions_are_in_the_order_that_people_mean(void **state)
{
    static const char *const ascending[] = { NULL,
                                             "0",
                                             "1",
                                             "1.0",
                                             "1.2",
                                             "1.2.0",
                                             "1.010",
                                             "1.11",
                                             "2",
                                             "2.beta",
                                             "10",
                                             "99999999999999999999",
                                             "100000000000000000000",
                                             "v1",
                                             "v2" };
    size_t count = sizeof ascending / sizeof ascending[0];
    (void)state;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(compare(ascending[i], ascending[i]), 0);
        for (size_t j = i + 1; j < count; j++) {
            assert_true(compare(ascending[i], ascending[j]) < 0);
            assert_true(compare(ascending[j], ascending[i]) > 0);
        }
    }
}

static void zeros_in_front_and_odd_dots_change_nothing_unforeseen(void **state)
{
    (void)state;
    assert_int_equal(compare("1.02", "1.2"), 0);
    assert_int_equal(compare("00", "0"), 0);
    assert_true(compare("1..2", "1.0") > 0); /* an empty part is no number */
    assert_true(compare("", NULL) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_are_in_the_order_that_people_mean),
        cmocka_unit_test(zeros_in_front_and_odd_dots_change_nothing_unforeseen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
