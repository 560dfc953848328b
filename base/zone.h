/* Zone: a time zone as the tzdata package has it (a TZif file, RFC 8536), evaluated
 * without the C library and without the process's own zone. Pure: the bytes of the file
 * are an argument.
 */
#ifndef PAWL_BASE_ZONE_H
#define PAWL_BASE_ZONE_H

#include "pawl/types.h"

struct pawl_zone;

/* A stretch of time in which local time runs on evenly: local = time + offset_s for all
 * times from from_s on and before until_s. */
struct pawl_zone_span {
    int64_t from_s;   /* INT64_MIN: since ever */
    int64_t until_s;  /* INT64_MAX: for ever */
    int32_t offset_s; /* east of Greenwich is positive */
};

/* NULL: the bytes are not a TZif file, or one with leap seconds. Free the zone. */
struct pawl_zone *pawl_zone_new(struct pawl_bytes file);
void pawl_zone_free(struct pawl_zone *zone); /* NULL is fine */

/* The span that a time is in. Of NULL, which is UTC: all of time. */
struct pawl_zone_span pawl_zone_span_at(const struct pawl_zone *zone, int64_t at_s);

/* True for what may be the name of a zone: 1 to PAWL_ZONE_NAME_SIZE_MAX letters, digits,
 * - + _ and single slashes within, no dots: a path that leads nowhere else. */
bool pawl_zone_name_is_valid(struct pawl_bytes name);

#endif /* PAWL_BASE_ZONE_H */
