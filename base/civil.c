#include "base/civil.h"

int64_t pawl_floor_div(int64_t value, int64_t by)
{
    return value / by - (value % by < 0 ? 1 : 0);
}

/* Days are counted in eras of 400 years (146097 days) that begin on 1 March, so that
 * the leap day is the last of its year and needs no case of its own. */
int64_t pawl_civil_days(int64_t year, int32_t month, int32_t day)
{
    if (month <= 2) year--;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

struct pawl_civil_date pawl_civil_date(int64_t days)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    struct pawl_civil_date date = { .day = (int32_t)(day_of_year - (153 * month + 2) / 5 + 1),
                                    .month = (int32_t)(month < 10 ? month + 3 : month - 9),
                                    .year = year_of_era + era * 400 };
    if (date.month <= 2) date.year++;
    return date;
}

int32_t pawl_civil_weekday(int64_t days)
{
    return (int32_t)((days % 7 + 11) % 7); /* 1970 began on a Thursday */
}

int32_t pawl_civil_month_days(int64_t year, int32_t month)
{
    static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && is_leap ? 29 : days[month - 1];
}
