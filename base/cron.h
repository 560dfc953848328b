/* Cron: what a cron line says and when it is next true. Pure: time zones are data
 * (base/zone.h), the time is an argument.
 *
 * A line has five fields: minute (0-59), hour (0-23), day of month (1-31), month (1-12 or
 * JAN-DEC), day of week (0-7 or SUN-SAT; 0 and 7 are Sunday); with six, the first one is the
 * second (0-59). A field is a list of values, ranges a-b and steps a-b/n and a/n (a to the end). A
 * question mark stands for * in the two fields of days. When both fields of days are restricted, a
 * day need match only one of them, as in every cron. @yearly, @monthly, @weekly, @daily and
 * @hourly are understood.
 *
 * When a clock is set forward or back, lines behave as cron users know them: one whose
 * minute and hour do not begin with * names times of day. Each of these comes once: a
 * time that is left out comes at the first moment after the gap, and of a time that is there
 * twice the first counts. All other lines follow the clock: what is left out does not come,
 * and what is there twice comes twice.
 */
#ifndef PAWL_BASE_CRON_H
#define PAWL_BASE_CRON_H

#include "base/arena.h"
#include "base/zone.h"
#include "pawl/err.h"

struct pawl_cron {
    uint64_t seconds; /* bit n: second n */
    uint64_t minutes;
    uint32_t hours;
    uint32_t days; /* bits 1 to 31 */
    uint16_t months;
    uint8_t weekdays; /* bit 0: Sunday */
    bool any_day;     /* the field begins with * or is ? */
    bool any_weekday;
    bool follows_clock; /* minute or hour begin with *: see above */
};

/* No such time. */
#define PAWL_CRON_NEVER INT64_MAX

/* False: *ret_why says which field and what is wrong with it, in the arena. A line that is
 * true on no day at all (30 February) is refused, too. */
PAWL_MUST_USE bool pawl_cron_parse(struct pawl_bytes text, struct pawl_arena *arena,
                                   struct pawl_cron *ret_cron, struct pawl_bytes *ret_why);

/* The first time after `after_s` (seconds since 1970) at which the line is true in the zone
 * (NULL: UTC); PAWL_CRON_NEVER when there is none that can be told. */
int64_t pawl_cron_next(const struct pawl_cron *cron, const struct pawl_zone *zone, int64_t after_s);

#endif /* PAWL_BASE_CRON_H */
