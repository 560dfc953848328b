/* Timetext: times and durations as people write them. Pure: knows no clock. */
#ifndef PAWL_BASE_TIMETEXT_H
#define PAWL_BASE_TIMETEXT_H

#include "pawl/types.h"

/* "2026-08-21T10:00:00.123000000Z" and a final 0. */
#define PAWL_TIMETEXT_SIZE 31u

/* RFC 3339 in UTC with nine digits of a second; years outside 0..9999 are shown as
 * the nearest one inside. */
void pawl_timetext_format(int64_t unix_ms, char ret_text[PAWL_TIMETEXT_SIZE]);

/* RFC 3339: date, T, time, optional fraction (cut to ms), Z or an offset. */
bool pawl_timetext_parse(struct pawl_bytes text, int64_t *ret_unix_ms);

/* One or more <whole number><unit>, unit ms, s, m, h or d: "30s", "1h30m", "0s". */
bool pawl_timetext_parse_duration(struct pawl_bytes text, int64_t *ret_ms);

#endif /* PAWL_BASE_TIMETEXT_H */
