/* Civil: days since 1970 as dates of the Gregorian calendar, and back. */
#ifndef PAWL_BASE_CIVIL_H
#define PAWL_BASE_CIVIL_H

#include "pawl/types.h"

struct pawl_civil_date {
    int64_t year;
    int32_t month; /* 1 to 12 */
    int32_t day;   /* 1 to 31 */
};

int64_t pawl_civil_days(int64_t year, int32_t month, int32_t day);
struct pawl_civil_date pawl_civil_date(int64_t days);
int32_t pawl_civil_weekday(int64_t days); /* 0: Sunday */
int32_t pawl_civil_month_days(int64_t year, int32_t month);

/* Rounded down, also below 0. */
int64_t pawl_floor_div(int64_t value, int64_t by);

#endif /* PAWL_BASE_CIVIL_H */
