/* Zone: the system's zones say what the C library says of them, and no file can do harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include <stdlib.h>
#include <time.h>

#include "base/limits.h"
#include "tests/unit/base/zones.h"

static size_t read_zone(const char *name, uint8_t *file, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
    FILE *stream = fopen(path, "rb");
    if (!stream) fail_msg("%s is not there: install tzdata", path);
    size_t got = fread(stream ? file : NULL, 1, size, stream);
    fclose(stream);
    return got;
}

static void system_zones_are_as_the_c_library_has_them(void **state)
{
    static const char *const names[] = {
        "Europe/Berlin",     "Europe/Dublin",  "America/New_York", "America/Sao_Paulo",
        "America/Nuuk",      "Asia/Kolkata",   "Asia/Kathmandu",   "Australia/Lord_Howe",
        "Africa/Casablanca", "Africa/Cairo",   "Pacific/Apia",     "America/St_Johns",
        "Asia/Tehran",       "Pacific/Easter", "Asia/Gaza",        "UTC",
    };
    static uint8_t file[PAWL_ZONE_FILE_SIZE_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t size = read_zone(names[i], file, sizeof file);
        struct pawl_zone *zone = pawl_zone_new(pawl_bytes_make(file, size));
        assert_non_null(zone);
        setenv("TZ", names[i], 1);
        tzset();
        /* Once a day, at all hours, from 1900 to 2100. */
        for (time_t at = -2208988800; at < 4102444800; at += 90001) {
            struct tm local;
            assert_non_null(localtime_r(&at, &local));
            struct pawl_zone_span span = pawl_zone_span_at(zone, at);
            if (span.offset_s != local.tm_gmtoff || at < span.from_s || at >= span.until_s)
                fail_msg("%s at %lld: %d, wanted %ld", names[i], (long long)at, span.offset_s,
                         local.tm_gmtoff);
        }
        pawl_zone_free(zone);
    }
}

static void spans_meet_and_cover_all_of_time(void **state)
{
    static const char *const zones[] = { BERLIN,
                                         NEW_YORK,
                                         "AEST-10AEDT,M10.1.0,M4.1.0/3",
                                         "IST-1GMT0,M10.5.0,M3.5.0/1",
                                         "XXX3EDT4,0/0,J365/23",
                                         "EET-2EEST,J60/0,300/24",
                                         "UTC0" };
    (void)state;
    for (size_t i = 0; i < sizeof zones / sizeof zones[0]; i++) {
        struct pawl_zone *zone = zone_of(zones[i]);
        assert_non_null(zone);
        int64_t at_s = 0;
        for (int k = 0; k < 100 && at_s != INT64_MAX; k++) {
            struct pawl_zone_span span = pawl_zone_span_at(zone, at_s);
            assert_true(span.from_s <= at_s && at_s < span.until_s);
            if (k > 0) assert_true(span.from_s == at_s);
            at_s = span.until_s;
        }
        struct pawl_zone_span last = pawl_zone_span_at(zone, INT64_MAX);
        assert_true(last.from_s < last.until_s);
        pawl_zone_free(zone);
    }
}

static void summer_all_year_is_one_offset(void **state)
{
    struct pawl_zone *zone = zone_of("XXX3EDT4,0/0,J365/23");
    (void)state;
    for (int64_t at_s = 0; at_s < 40 * INT64_C(86400) * 365; at_s += 86399)
        assert_int_equal(pawl_zone_span_at(zone, at_s).offset_s, -4 * 3600);
    pawl_zone_free(zone);
}

static void without_a_zone_it_is_utc(void **state)
{
    (void)state;
    struct pawl_zone_span span = pawl_zone_span_at(NULL, 1);
    assert_int_equal(span.offset_s, 0);
    assert_true(span.from_s == INT64_MIN);
    assert_true(span.until_s == INT64_MAX);
}

static void what_is_no_zone_is_refused(void **state)
{
    static const char *const bad[] = { "CET",
                                       "CET-1CEST",
                                       "CET-1CEST,M3.5.0",
                                       "1",
                                       "CET-99",
                                       "CET-1CEST,M13.1.0,M1.1.0",
                                       "CET-1x",
                                       "<CET-1",
                                       "CET-1CEST,J0,J1",
                                       "CET-1CEST,M3.5.0,M10.5.0/200" };
    static uint8_t file[PAWL_ZONE_FILE_SIZE_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (zone_of(bad[i])) fail_msg("%s is taken for a zone", bad[i]);
    assert_null(pawl_zone_new(PAWL_BYTES_LITERAL("")));
    size_t size = read_zone("Europe/Berlin", file, sizeof file);
    for (size_t cut = 0; cut < size; cut++) assert_null(pawl_zone_new(pawl_bytes_make(file, cut)));
}

static void names_lead_nowhere_else(void **state)
{
    (void)state;
    assert_true(pawl_zone_name_is_valid(PAWL_BYTES_LITERAL("America/Argentina/Buenos_Aires")));
    assert_true(pawl_zone_name_is_valid(PAWL_BYTES_LITERAL("Etc/GMT+5")));
    assert_false(pawl_zone_name_is_valid(PAWL_BYTES_LITERAL("")));
    assert_false(pawl_zone_name_is_valid(PAWL_BYTES_LITERAL("/etc/localtime")));
    assert_false(pawl_zone_name_is_valid(PAWL_BYTES_LITERAL("../localtime")));
    assert_false(pawl_zone_name_is_valid(PAWL_BYTES_LITERAL("Europe//Berlin")));
    assert_false(pawl_zone_name_is_valid(PAWL_BYTES_LITERAL("Europe/")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(system_zones_are_as_the_c_library_has_them),
        cmocka_unit_test(spans_meet_and_cover_all_of_time),
        cmocka_unit_test(summer_all_year_is_one_offset),
        cmocka_unit_test(without_a_zone_it_is_utc),
        cmocka_unit_test(what_is_no_zone_is_refused),
        cmocka_unit_test(names_lead_nowhere_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
