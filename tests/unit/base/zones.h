/* Zones for tests: a TZif file without changes of its own, made of a TZ text. */
#ifndef PAWL_TESTS_UNIT_BASE_ZONES_H
#define PAWL_TESTS_UNIT_BASE_ZONES_H

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/zone.h"

#define BERLIN   "CET-1CEST,M3.5.0,M10.5.0/3"
#define NEW_YORK "EST5EDT,M3.2.0,M11.1.0"

static inline struct pawl_zone *zone_of(const char *tz)
{
    uint8_t file[512] = { 0 };
    size_t size = 0;
    for (int version = 0; version < 2; version++) {
        uint8_t header[44] = { 'T', 'Z', 'i', 'f', '2' };
        header[39] = 1; /* one type of local time … */
        header[43] = 4; /* … and its name */
        memcpy(file + size, header, sizeof header);
        memcpy(file + size + 50, "UTC", 4);
        size += 54;
    }
    size += (size_t)snprintf((char *)file + size, sizeof file - size, "\n%s\n", tz);
    return pawl_zone_new(pawl_bytes_make(file, size));
}

#endif /* PAWL_TESTS_UNIT_BASE_ZONES_H */
