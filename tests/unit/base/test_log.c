#include "tests/unit/base/expect.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

struct seen {
    int count;
    enum pawl_log_level level;
    char part[32];
    char text[4096];
};

static void remember(void *context, enum pawl_log_level level, const char *part, const char *text)
{
    struct seen *seen = (struct seen *)context;
    seen->count++;
    seen->level = level;
    snprintf(seen->part, sizeof seen->part, "%s", part);
    snprintf(seen->text, sizeof seen->text, "%s", text);
}

static void without_a_sink_everything_is_dropped(void **state)
{
    (void)state;
    pawl_log_set(PAWL_LOG_DEBUG, NULL, NULL);
    pawl_log(PAWL_LOG_ERROR, "store", "nobody reads this: %d", 1);
    assert_string_equal(pawl_log_level_name(PAWL_LOG_ERROR), "error");
}

static void what_is_below_the_level_does_not_reach_the_sink(void **state)
{
    (void)state;
    struct seen seen = { 0 };
    pawl_log_set(PAWL_LOG_WARN, remember, &seen);
    pawl_log(PAWL_LOG_INFO, "app", "not this");
    pawl_log(PAWL_LOG_DEBUG, "app", "nor this");
    assert_int_equal(seen.count, 0);
    pawl_log(PAWL_LOG_WARN, "app", "but %s", "this");
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.level, PAWL_LOG_WARN);
    assert_string_equal(seen.part, "app");
    assert_string_equal(seen.text, "but this");
    pawl_log(PAWL_LOG_ERROR, "store", "and this");
    assert_int_equal(seen.count, 2);
    pawl_log_set(PAWL_LOG_ERROR, NULL, NULL);
}

static void a_name_with_line_breaks_stays_on_one_line(void **state)
{
    (void)state;
    struct seen seen = { 0 };
    pawl_log_set(PAWL_LOG_INFO, remember, &seen);
    pawl_log(PAWL_LOG_INFO, "app", "workflow %s started", "a\nerror store: fake\r\x1b[2K\x7f");
    assert_string_equal(seen.text, "workflow a error store: fake  [2K  started");
    pawl_log_set(PAWL_LOG_ERROR, NULL, NULL);
}

static void a_long_message_is_cut(void **state)
{
    (void)state;
    struct seen seen = { 0 };
    pawl_log_set(PAWL_LOG_INFO, remember, &seen);
    pawl_log(PAWL_LOG_INFO, "app", "%2000d", 1);
    assert_int_equal(strlen(seen.text), 1023);
    pawl_log_set(PAWL_LOG_ERROR, NULL, NULL);
}

static void levels_have_names(void **state)
{
    (void)state;
    assert_string_equal(pawl_log_level_name(PAWL_LOG_ERROR), "error");
    assert_string_equal(pawl_log_level_name(PAWL_LOG_WARN), "warn");
    assert_string_equal(pawl_log_level_name(PAWL_LOG_INFO), "info");
    assert_string_equal(pawl_log_level_name(PAWL_LOG_DEBUG), "debug");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_sink_everything_is_dropped),
        cmocka_unit_test(what_is_below_the_level_does_not_reach_the_sink),
        cmocka_unit_test(a_name_with_line_breaks_stays_on_one_line),
        cmocka_unit_test(a_long_message_is_cut),
        cmocka_unit_test(levels_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
