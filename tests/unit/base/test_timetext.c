#include "tests/unit/base/expect.h"

#include "base/rng.h"
#include "base/timetext.h"

static const struct {
    int64_t unix_ms;
    const char *text;
} times[] = {
    { 0, "1970-01-01T00:00:00.000000000Z" },
    { INT64_C(1787306400123), "2026-08-21T10:00:00.123000000Z" },
    { INT64_C(951868799999), "2000-02-29T23:59:59.999000000Z" },
    { -1, "1969-12-31T23:59:59.999000000Z" },
    { INT64_C(-2203891200000), "1900-03-01T00:00:00.000000000Z" },
    { INT64_C(4107501296789), "2100-02-28T12:34:56.789000000Z" },
    { INT64_C(-62135596800000), "0001-01-01T00:00:00.000000000Z" },
    { INT64_C(-62167219200000), "0000-01-01T00:00:00.000000000Z" },
    { INT64_C(253402300799999), "9999-12-31T23:59:59.999000000Z" },
};

static void known_times_are_written_and_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        char text[PAWL_TIMETEXT_SIZE];
        int64_t unix_ms = 0;
        pawl_timetext_format(times[i].unix_ms, text);
        assert_string_equal(text, times[i].text);
        assert_true(pawl_timetext_parse(pawl_bytes_str(text), &unix_ms));
        assert_true(unix_ms == times[i].unix_ms);
    }
}

static void years_outside_the_four_digits_are_shown_as_the_nearest_inside(void **state)
{
    (void)state;
    char text[PAWL_TIMETEXT_SIZE];
    pawl_timetext_format(INT64_MIN, text);
    assert_string_equal(text, "0000-01-01T00:00:00.000000000Z");
    pawl_timetext_format(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999000000Z");
}

static void any_time_survives_being_written_and_read(void **state)
{
    (void)state;
    struct pawl_rng rng;
    pawl_rng_init(&rng, 8);
    for (int round = 0; round < 20000; round++) {
        int64_t unix_ms =
            INT64_C(-62167219200000) + (int64_t)pawl_rng_below(&rng, UINT64_C(315569520000000));
        char text[PAWL_TIMETEXT_SIZE];
        int64_t back = 0;
        pawl_timetext_format(unix_ms, text);
        assert_true(pawl_timetext_parse(pawl_bytes_str(text), &back));
        assert_true(back == unix_ms);
    }
}

static void other_ways_to_write_the_same_time_are_read(void **state)
{
    (void)state;
    static const char *const same[] = {
        "2026-08-21T10:00:00Z",      "2026-08-21t10:00:00z",
        "2026-08-21T10:00:00.0Z",    "2026-08-21T10:00:00.000999999999999Z",
        "2026-08-21T12:30:00+02:30", "2026-08-21T05:00:00-05:00",
        "2026-08-22T09:59:00+23:59", "2026-08-21T09:59:60Z",
    };
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        int64_t unix_ms = 0;
        assert_true(pawl_timetext_parse(pawl_bytes_str(same[i]), &unix_ms));
        assert_true(unix_ms == INT64_C(1787306400000));
    }
}

static void what_is_no_time_is_refused_and_leaves_the_result_alone(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "2026",
        "2026-08-21",
        "2026-08-21T10:00:00",
        "2026-08-21 10:00:00Z",
        "2026-08-21T10:00Z",
        "2026-00-21T10:00:00Z",
        "2026-13-21T10:00:00Z",
        "2026-08-00T10:00:00Z",
        "2026-08-32T10:00:00Z",
        "2026-02-29T10:00:00Z",
        "1900-02-29T10:00:00Z",
        "2026-04-31T10:00:00Z",
        "2026-08-21T24:00:00Z",
        "2026-08-21T10:60:00Z",
        "2026-08-21T10:00:61Z",
        "2026-08-21T10:00:00.Z",
        "2026-08-21T10:00:00+0200",
        "2026-08-21T10:00:00+24:00",
        "2026-08-21T10:00:00Zx",
        "-026-08-21T10:00:00Z",
        "12026-08-21T10:00:00Z",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int64_t unix_ms = 77;
        assert_false(pawl_timetext_parse(pawl_bytes_str(wrong[i]), &unix_ms));
        assert_true(unix_ms == 77);
    }
}

static void durations_are_read_in_every_unit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } table[] = {
        { "0s", 0 },          { "1ms", 1 },       { "30s", 30000 },
        { "5m", 300000 },     { "2h", 7200000 },  { "1d", 86400000 },
        { "1h30m", 5400000 }, { "1m1ms", 60001 }, { "1d2h3m4s5ms", 93784005 },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        int64_t ms = -1;
        assert_true(pawl_timetext_parse_duration(pawl_bytes_str(table[i].text), &ms));
        assert_true(ms == table[i].ms);
    }
}

static void what_is_no_duration_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "5",
        "s",
        "-5s",
        "+5s",
        "1.5h",
        "5 s",
        "5s ",
        " 5s",
        "5y",
        "5sm",
        "1h30",
        "1000000000001s",
        "99999999999999999999999999ms",
        "1000000000000d",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int64_t ms = 77;
        assert_false(pawl_timetext_parse_duration(pawl_bytes_str(wrong[i]), &ms));
        assert_true(ms == 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_times_are_written_and_read),
        cmocka_unit_test(years_outside_the_four_digits_are_shown_as_the_nearest_inside),
        cmocka_unit_test(any_time_survives_being_written_and_read),
        cmocka_unit_test(other_ways_to_write_the_same_time_are_read),
        cmocka_unit_test(what_is_no_time_is_refused_and_leaves_the_result_alone),
        cmocka_unit_test(durations_are_read_in_every_unit),
        cmocka_unit_test(what_is_no_duration_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
