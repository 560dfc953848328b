#include "base/timetext.h"

#include <stdio.h>

#include "base/bytes.h"
#include "base/civil.h"

#define DAY_MS   INT64_C(86400000)
#define TIME_MIN INT64_C(-62167219200000) /* 0000-01-01T00:00:00Z */
#define TIME_MAX INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

void pawl_timetext_format(int64_t unix_ms, char ret_text[PAWL_TIMETEXT_SIZE])
{
    if (unix_ms < TIME_MIN) unix_ms = TIME_MIN;
    if (unix_ms > TIME_MAX) unix_ms = TIME_MAX;

    int64_t days = unix_ms / DAY_MS - (unix_ms % DAY_MS < 0 ? 1 : 0);
    unsigned ms = (unsigned)(unix_ms - days * DAY_MS);
    struct pawl_civil_date civil = pawl_civil_date(days);
    char text[64];
    snprintf(text, sizeof text, "%04u-%02u-%02uT%02u:%02u:%02u.%03u000000Z", (unsigned)civil.year,
             (unsigned)civil.month, (unsigned)civil.day, ms / 3600000, ms / 60000 % 60,
             ms / 1000 % 60, ms % 1000);
    memcpy(ret_text, text, PAWL_TIMETEXT_SIZE);
    ret_text[PAWL_TIMETEXT_SIZE - 1] = 0;
}

/* A cursor over the text; the first thing that is not as it must be sets `bad`. */
struct scan {
    const uint8_t *next;
    const uint8_t *end;
    bool bad;
};

static bool scan_is_digit(const struct scan *scan)
{
    return scan->next < scan->end && *scan->next >= '0' && *scan->next <= '9';
}

static int64_t scan_number(struct scan *scan, unsigned digits, int64_t min, int64_t max)
{
    int64_t value = 0;
    for (unsigned i = 0; i < digits; i++) {
        if (!scan_is_digit(scan)) {
            scan->bad = true;
            return 0;
        }
        value = value * 10 + (*scan->next++ - '0');
    }
    if (value < min || value > max) scan->bad = true;
    return value;
}

static bool scan_take(struct scan *scan, char upper)
{
    if (scan->next == scan->end) return false;
    char c = (char)*scan->next;
    if (c >= 'a' && c <= 'z') c = (char)(c - 'a' + 'A');
    if (c != upper) return false;
    scan->next++;
    return true;
}

static void scan_expect(struct scan *scan, char upper)
{
    if (!scan_take(scan, upper)) scan->bad = true;
}

static int64_t scan_fraction_ms(struct scan *scan)
{
    if (!scan_take(scan, '.')) return 0;
    if (!scan_is_digit(scan)) scan->bad = true;
    int64_t ms = 0;
    for (int64_t weight = 100; scan_is_digit(scan); weight /= 10) {
        ms += (*scan->next++ - '0') * weight;
    }
    return ms;
}

static int64_t scan_offset_ms(struct scan *scan)
{
    if (scan_take(scan, 'Z')) return 0;
    int64_t sign = scan_take(scan, '-') ? -1 : 1;
    if (sign > 0) scan_expect(scan, '+');
    int64_t hours = scan_number(scan, 2, 0, 23);
    scan_expect(scan, ':');
    int64_t minutes = scan_number(scan, 2, 0, 59);
    return sign * (hours * 60 + minutes) * 60000;
}

bool pawl_timetext_parse(struct pawl_bytes text, int64_t *ret_unix_ms)
{
    if (text.size == 0) return false;
    struct scan scan = { text.data, text.data + text.size, false };

    int64_t year = scan_number(&scan, 4, 0, 9999);
    scan_expect(&scan, '-');
    int32_t month = (int32_t)scan_number(&scan, 2, 1, 12);
    scan_expect(&scan, '-');
    if (scan.bad) return false;
    int32_t day = (int32_t)scan_number(&scan, 2, 1, pawl_civil_month_days(year, month));
    scan_expect(&scan, 'T');
    int64_t hour = scan_number(&scan, 2, 0, 23);
    scan_expect(&scan, ':');
    int64_t minute = scan_number(&scan, 2, 0, 59);
    scan_expect(&scan, ':');
    int64_t second = scan_number(&scan, 2, 0, 60); /* 60: a leap second */
    int64_t ms = scan_fraction_ms(&scan);
    int64_t offset_ms = scan_offset_ms(&scan);
    if (scan.bad || scan.next != scan.end) return false;

    *ret_unix_ms = pawl_civil_days(year, month, day) * DAY_MS
                   + ((hour * 60 + minute) * 60 + second) * 1000 + ms - offset_ms;
    return true;
}

static int64_t scan_unit_ms(struct scan *scan)
{
    if (scan_take(scan, 'S')) return 1000;
    if (scan_take(scan, 'H')) return 3600000;
    if (scan_take(scan, 'D')) return DAY_MS;
    if (scan_take(scan, 'M')) return scan_take(scan, 'S') ? 1 : 60000;
    scan->bad = true;
    return 0;
}

bool pawl_timetext_parse_duration(struct pawl_bytes text, int64_t *ret_ms)
{
    if (text.size == 0) return false;
    struct scan scan = { text.data, text.data + text.size, false };
    int64_t total = 0;
    while (scan.next < scan.end) {
        if (!scan_is_digit(&scan)) return false;
        int64_t value = 0;
        while (scan_is_digit(&scan)) {
            value = value * 10 + (*scan.next++ - '0');
            if (value > INT64_C(1000000000000)) return false;
        }
        int64_t unit = scan_unit_ms(&scan);
        if (scan.bad) return false;
        if (value > (INT64_MAX - total) / unit) return false;
        total += value * unit;
    }
    *ret_ms = total;
    return true;
}
