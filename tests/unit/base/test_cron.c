/* Cron: what is understood, what is refused and how, and when a line is next true, also
 * where clocks are set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include "base/cron.h"
#include "base/timetext.h"
#include "tests/unit/base/zones.h"

static int64_t seconds(const char *text)
{
    int64_t ms = 0;
    assert_true(pawl_timetext_parse(pawl_bytes_str(text), &ms));
    return ms / 1000;
}

static struct pawl_cron parse(const char *line)
{
    struct pawl_arena arena;
    struct pawl_cron cron = { .seconds = 0 };
    struct pawl_bytes why = PAWL_BYTES_ABSENT;
    pawl_arena_init(&arena);
    if (!pawl_cron_parse(pawl_bytes_str(line), &arena, &cron, &why))
        fail_msg("%s: %.*s", line, PAWL_BYTES_FMT(why));
    pawl_arena_deinit(&arena);
    return cron;
}

/* The times that follow are exactly these, in UTC and without seconds' fractions. */
static void expect(const char *line, const char *tz, const char *after, uint32_t count,
                   const char *const *times)
{
    struct pawl_cron cron = parse(line);
    struct pawl_zone *zone = tz ? zone_of(tz) : NULL;
    if (tz) assert_non_null(zone);
    int64_t at_s = seconds(after);
    for (uint32_t i = 0; i < count; i++) {
        char text[PAWL_TIMETEXT_SIZE];
        at_s = pawl_cron_next(&cron, zone, at_s);
        assert_true(at_s != PAWL_CRON_NEVER);
        pawl_timetext_format(at_s * 1000, text);
        text[19] = 'Z';
        text[20] = 0;
        if (strcmp(text, times[i]) != 0)
            fail_msg("%s (%s), time %u: %s, wanted %s", line, tz ? tz : "UTC", i, text, times[i]);
    }
    pawl_zone_free(zone);
}

#define EXPECT(line, tz, after, ...)                                                      \
    do {                                                                                  \
        static const char *const times[] = { __VA_ARGS__ };                               \
        expect((line), (tz), (after), (uint32_t)(sizeof times / sizeof times[0]), times); \
    } while (0)

static void lines_are_true_when_cron_says_so(void **state)
{
    (void)state;
    EXPECT("* * * * *", NULL, "2026-08-21T10:00:30Z", "2026-08-21T10:01:00Z",
           "2026-08-21T10:02:00Z");
    EXPECT("*/15 9-10 * * *", NULL, "2026-08-21T10:31:00Z", "2026-08-21T10:45:00Z",
           "2026-08-22T09:00:00Z", "2026-08-22T09:15:00Z");
    EXPECT("0 9 * * MON-FRI", NULL, "2026-08-21T09:00:00Z", "2026-08-24T09:00:00Z",
           "2026-08-25T09:00:00Z");
    EXPECT("0 0 1,15 * *", NULL, "2026-08-15T00:00:00Z", "2026-09-01T00:00:00Z",
           "2026-09-15T00:00:00Z");
    EXPECT("30 4 29 FEB *", NULL, "2096-03-01T00:00:00Z", "2104-02-29T04:30:00Z");
    EXPECT("0 12 31 * *", NULL, "2026-08-31T12:00:00Z", "2026-10-31T12:00:00Z",
           "2026-12-31T12:00:00Z");
    EXPECT("59 23 31 12 *", NULL, "2026-12-31T23:59:00Z", "2027-12-31T23:59:00Z");
    EXPECT("5/20 * * * *", NULL, "2026-08-21T10:00:00Z", "2026-08-21T10:05:00Z",
           "2026-08-21T10:25:00Z", "2026-08-21T10:45:00Z", "2026-08-21T11:05:00Z");
    EXPECT("@weekly", NULL, "2026-08-21T10:00:00Z", "2026-08-23T00:00:00Z");
    EXPECT("0 0 * * 7", NULL, "2026-08-21T10:00:00Z", "2026-08-23T00:00:00Z");
    EXPECT("0 0 * * 5-7", NULL, "2026-08-20T10:00:00Z", "2026-08-21T00:00:00Z",
           "2026-08-22T00:00:00Z", "2026-08-23T00:00:00Z", "2026-08-28T00:00:00Z");
    EXPECT("  0\t0   ?  jan  sun ", NULL, "2026-08-21T10:00:00Z", "2027-01-03T00:00:00Z");
}

static void six_fields_begin_with_the_second(void **state)
{
    (void)state;
    EXPECT("*/20 59 23 * * *", NULL, "2026-08-21T23:59:20Z", "2026-08-21T23:59:40Z",
           "2026-08-22T23:59:00Z");
    EXPECT("* * * * * *", NULL, "2026-08-21T23:59:58Z", "2026-08-21T23:59:59Z",
           "2026-08-22T00:00:00Z");
    EXPECT("7,5 0 * * * *", NULL, "2026-08-21T10:00:05Z", "2026-08-21T10:00:07Z",
           "2026-08-21T11:00:05Z");
}

static void two_restricted_fields_of_days_need_one_match(void **state)
{
    (void)state;
    EXPECT("0 0 13 * FRI", NULL, "2026-08-10T00:00:00Z", "2026-08-13T00:00:00Z",
           "2026-08-14T00:00:00Z", "2026-08-21T00:00:00Z");
    /* A field that begins with * does not count as restricted. */
    EXPECT("0 0 */2 * FRI", NULL, "2026-08-10T00:00:00Z", "2026-08-21T00:00:00Z",
           "2026-09-11T00:00:00Z");
}

static void a_time_of_day_that_is_left_out_comes_after_the_gap(void **state)
{
    (void)state;
    /* In Berlin 2026-03-29 02:00 becomes 03:00, which is 01:00 UTC. */
    EXPECT("30 2 * * *", BERLIN, "2026-03-28T00:00:00Z", "2026-03-28T01:30:00Z",
           "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z");
    EXPECT("0,30 2 * * *", BERLIN, "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z",
           "2026-03-30T00:00:00Z");
    EXPECT("0 3 * * *", BERLIN, "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z",
           "2026-03-30T01:00:00Z");
    EXPECT("30 2 29 3 *", BERLIN, "2026-03-29T01:00:00Z", "2027-03-29T00:30:00Z");
    EXPECT("15 2 * * *", NEW_YORK, "2026-03-08T00:00:00Z", "2026-03-08T07:00:00Z",
           "2026-03-09T06:15:00Z");
}

static void a_time_of_day_that_is_there_twice_comes_once(void **state)
{
    (void)state;
    /* In Berlin 2026-10-25 03:00 becomes 02:00 again, which is 01:00 UTC. */
    EXPECT("30 2 * * *", BERLIN, "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z",
           "2026-10-26T01:30:00Z");
    EXPECT("0 2,3 * * *", BERLIN, "2026-10-24T12:00:00Z", "2026-10-25T00:00:00Z",
           "2026-10-25T02:00:00Z", "2026-10-26T01:00:00Z");
    EXPECT("30 1 * * *", NEW_YORK, "2026-11-01T00:00:00Z", "2026-11-01T05:30:00Z",
           "2026-11-02T06:30:00Z");
}

static void lines_with_a_star_follow_the_clock(void **state)
{
    (void)state;
    EXPECT("30 * * * *", BERLIN, "2026-03-29T00:00:00Z", "2026-03-29T00:30:00Z",
           "2026-03-29T01:30:00Z", "2026-03-29T02:30:00Z");
    EXPECT("30 * * * *", BERLIN, "2026-10-24T23:50:00Z", "2026-10-25T00:30:00Z",
           "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z");
    EXPECT("*/30 2 * * *", BERLIN, "2026-03-28T23:00:00Z", "2026-03-30T00:00:00Z");
    EXPECT("*/30 2 * * *", BERLIN, "2026-10-24T23:00:00Z", "2026-10-25T00:00:00Z",
           "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z",
           "2026-10-26T01:00:00Z");
}

static void days_are_those_of_the_zone(void **state)
{
    (void)state;
    EXPECT("0 0 1 * *", "JST-9", "2026-08-21T00:00:00Z", "2026-08-31T15:00:00Z");
    EXPECT("0 0 * * MON", "<-1130>11:30", "2026-08-21T00:00:00Z", "2026-08-24T11:30:00Z");
    /* Summer in the south, and a day that begins with the change. */
    EXPECT("30 2 * * *", "AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-10-03T00:00:00Z",
           "2026-10-03T16:00:00Z", "2026-10-04T15:30:00Z");
    EXPECT("0 0 * * *", "<-03>3<-02>,M3.5.0/-2,M10.5.0/-1", "2026-03-28T00:00:00Z",
           "2026-03-28T03:00:00Z", "2026-03-29T02:00:00Z");
}

static void what_is_wrong_is_told_by_field(void **state)
{
    static const struct {
        const char *line;
        const char *why;
    } cases[] = {
        { "", "0 fields; five are needed (minute, hour, day of month, month, day of week), or six "
              "with the second first" },
        { "* * * *", "4 fields; five are needed (minute, hour, day of month, month, day of week), "
                     "or six with the second first" },
        { "61 * * * *", "field 1 (minute) \"61\": 61 is out of range, 0 to 59 are allowed" },
        { "0 24 * * *", "field 2 (hour) \"24\": 24 is out of range, 0 to 23 are allowed" },
        { "0 0 0 * *", "field 3 (day of month) \"0\": 0 is out of range, 1 to 31 are allowed" },
        { "0 0 * 13 *", "field 4 (month) \"13\": 13 is out of range, 1 to 12 are allowed" },
        { "0 0 * * 8", "field 5 (day of week) \"8\": 8 is out of range, 0 to 7 are allowed" },
        { "0 60 * * * *", "field 2 (minute) \"60\": 60 is out of range, 0 to 59 are allowed" },
        { "0 0 * * FRY", "field 5 (day of week) \"FRY\": a number is expected at character 1; "
                         "values 0 to 7, SUN to SAT, ranges such as 0-1, lists and steps are "
                         "allowed" },
        { "5-1 * * * *", "field 1 (minute) \"5-1\": the range 5-1 runs backwards; write two "
                         "ranges" },
        { "*/0 * * * *", "field 1 (minute) \"*/0\": 0 is out of range, 1 to 59 are allowed" },
        { "0 0 L * *", "field 3 (day of month) \"L\": a number is expected at character 1; values "
                       "1 to 31, ranges such as 1-2, lists and steps are allowed" },
        { "1,,2 * * * *", "field 1 (minute) \"1,,2\": a number is expected at character 3; values "
                          "0 to 59, ranges such as 0-1, lists and steps are allowed" },
        { "1x * * * *", "field 1 (minute) \"1x\": \"x\" at character 2 is not understood" },
        { "@reboot", "\"@reboot\" is not known; @yearly, @monthly, @weekly, @daily and @hourly "
                     "are" },
        { "0 0 30 2 *", "no day matches: the months it names have no such day" },
        { "0 0 31 4,6,9,11 *", "no day matches: the months it names have no such day" },
    };
    struct pawl_arena arena;
    (void)state;
    pawl_arena_init(&arena);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pawl_cron cron;
        struct pawl_bytes why = PAWL_BYTES_ABSENT;
        assert_false(pawl_cron_parse(pawl_bytes_str(cases[i].line), &arena, &cron, &why));
        if (!pawl_bytes_is_str(why, cases[i].why))
            fail_msg("%s: %.*s", cases[i].line, PAWL_BYTES_FMT(why));
    }
    pawl_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_true_when_cron_says_so),
        cmocka_unit_test(six_fields_begin_with_the_second),
        cmocka_unit_test(two_restricted_fields_of_days_need_one_match),
        cmocka_unit_test(a_time_of_day_that_is_left_out_comes_after_the_gap),
        cmocka_unit_test(a_time_of_day_that_is_there_twice_comes_once),
        cmocka_unit_test(lines_with_a_star_follow_the_clock),
        cmocka_unit_test(days_are_those_of_the_zone),
        cmocka_unit_test(what_is_wrong_is_told_by_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
