#include "base/timetext.h"

#include <stdio.h>

#include "base/bytes.h"

#define DAY_MS   INT64_C(86400000)
#define TIME_MIN INT64_C(-62167219200000) /* 0000-01-01T00:00:00Z */
#define TIME_MAX INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

struct civil {
    int64_t year;
    int64_t month;
    int64_t day;
};

/* Days are counted in eras of 400 years (146097 days) that begin on 1 March, so that
 * the leap day is the last of its year and needs no case of its own. */
static int64_t civil_to_days(struct civil civil)
{
    int64_t year = civil.month <= 2 ? civil.year - 1 : civil.year;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t month = (civil.month + 9) % 12;
    int64_t day_of_year = (153 * month + 2) / 5 + civil.day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static struct civil days_to_civil(int64_t days)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    struct civil civil = { .day = day_of_year - (153 * month + 2) / 5 + 1,
                           .month = month < 10 ? month + 3 : month - 9,
                           .year = year_of_era + era * 400 };
    if (civil.month <= 2) civil.year++;
    return civil;
}

void pawl_timetext_format(int64_t unix_ms, char ret_text[PAWL_TIMETEXT_SIZE])
{
    if (unix_ms < TIME_MIN) unix_ms = TIME_MIN;
    if (unix_ms > TIME_MAX) unix_ms = TIME_MAX;

    int64_t days = unix_ms / DAY_MS - (unix_ms % DAY_MS < 0 ? 1 : 0);
    unsigned ms = (unsigned)(unix_ms - days * DAY_MS);
    struct civil civil = days_to_civil(days);
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

static int64_t month_days(int64_t year, int64_t month)
{
    static const int8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

bool pawl_timetext_parse(struct pawl_bytes text, int64_t *ret_unix_ms)
{
    if (text.size == 0) return false;
    struct scan scan = { text.data, text.data + text.size, false };

    struct civil civil = { .year = 0 };
    civil.year = scan_number(&scan, 4, 0, 9999);
    scan_expect(&scan, '-');
    civil.month = scan_number(&scan, 2, 1, 12);
    scan_expect(&scan, '-');
    if (scan.bad) return false;
    civil.day = scan_number(&scan, 2, 1, month_days(civil.year, civil.month));
    scan_expect(&scan, 'T');
    int64_t hour = scan_number(&scan, 2, 0, 23);
    scan_expect(&scan, ':');
    int64_t minute = scan_number(&scan, 2, 0, 59);
    scan_expect(&scan, ':');
    int64_t second = scan_number(&scan, 2, 0, 60); /* 60: a leap second */
    int64_t ms = scan_fraction_ms(&scan);
    int64_t offset_ms = scan_offset_ms(&scan);
    if (scan.bad || scan.next != scan.end) return false;

    *ret_unix_ms = civil_to_days(civil) * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000 + ms
                   - offset_ms;
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
