/* A cron line, a zone's file, a time: what comes next comes later, and again the same. The
 * first byte is the size of the line, the next eight the time, the rest is the file. */
#include "fuzz.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/cron.h"

static void check_next(const struct pawl_cron *cron, const struct pawl_zone *zone, int64_t after_s)
{
    for (int i = 0; i < 20; i++) {
        int64_t next_s = pawl_cron_next(cron, zone, after_s);
        if (next_s == PAWL_CRON_NEVER) return;
        PAWL_ASSERT(next_s > after_s);
        /* Nothing between the two is passed over. */
        PAWL_ASSERT(pawl_cron_next(cron, zone, next_s - 1) == next_s);
        PAWL_ASSERT(pawl_cron_next(cron, zone, after_s + (next_s - 1 - after_s) / 2) == next_s);
        after_s = next_s;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 9 || size - 9 < data[0]) return 0;
    uint64_t at = 0;
    for (int i = 1; i <= 8; i++) at = at << 8 | data[i];
    struct pawl_bytes line = pawl_bytes_make(data + 9, data[0]);
    struct pawl_bytes file = pawl_bytes_make(data + 9 + data[0], size - 9 - data[0]);
    struct pawl_arena arena;
    struct pawl_cron cron;
    struct pawl_bytes why = PAWL_BYTES_ABSENT;
    pawl_arena_init(&arena);
    struct pawl_zone *zone = pawl_zone_new(file);
    if (zone) {
        struct pawl_zone_span span = pawl_zone_span_at(zone, (int64_t)at);
        PAWL_ASSERT(span.from_s < span.until_s);
    }
    if (!pawl_cron_parse(line, &arena, &cron, &why))
        PAWL_ASSERT(why.size > 0);
    else
        check_next(&cron, zone, (int64_t)at);
    pawl_zone_free(zone);
    pawl_arena_deinit(&arena);
    return 0;
}
