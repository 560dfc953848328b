#include "base/zone.h"

#include "base/bytes.h"
#include "base/civil.h"
#include "base/limits.h"
#include "base/mem.h"

#define DAY_S          INT64_C(86400)
#define HEADER_SIZE    44u
#define OFFSET_S_MAX   93600 /* 26 hours: RFC 8536 allows less */
#define RULE_HOURS_MAX 167u
#define AT_S_MAX       (INT64_C(1) << 56) /* what is further away is taken for this */

/* What TZ says of one change in each year, in the words of POSIX. */
enum rule_kind {
    RULE_NTH_WEEKDAY, /* Mm.w.d */
    RULE_NO_LEAP,     /* Jn: 1 to 365, 29 February is never counted */
    RULE_DAY,         /* n: 0 to 365 */
};

struct rule {
    enum rule_kind kind;
    int32_t month, week, weekday;
    int32_t day;
    int32_t time_s; /* local, from the day's midnight; may be negative or over a day */
};

/* What holds after the last change in the file. */
struct tail {
    bool present;
    bool has_summer;
    int32_t offset_s;
    int32_t summer_offset_s;
    struct rule summer_begins, summer_ends;
};

struct change {
    int64_t at_s;
    int32_t offset_s; /* from then on */
};

struct pawl_zone {
    int32_t first_offset_s; /* before all changes */
    struct tail tail;
    uint32_t changes_count;
    struct change changes[];
};

/* POSIX TZ -------------------------------------------------------------------------------- */

struct scan {
    const uint8_t *next;
    const uint8_t *end;
    bool bad;
};

static bool scan_take(struct scan *scan, char wanted)
{
    if (scan->next == scan->end || *scan->next != (uint8_t)wanted) return false;
    scan->next++;
    return true;
}

static void scan_need(struct scan *scan, char wanted)
{
    if (!scan_take(scan, wanted)) scan->bad = true;
}

static int32_t scan_number(struct scan *scan, uint32_t min, uint32_t max)
{
    uint32_t value = 0, digits = 0;
    while (scan->next < scan->end && *scan->next >= '0' && *scan->next <= '9' && digits < 4) {
        value = value * 10 + (uint32_t)(*scan->next++ - '0');
        digits++;
    }
    if (digits == 0 || value < min || value > max) scan->bad = true;
    return scan->bad ? 0 : (int32_t)value;
}

/* [+-]hh[:mm[:ss]] */
static int32_t scan_time(struct scan *scan, uint32_t hours_max)
{
    bool is_negative = scan_take(scan, '-');
    if (!is_negative) (void)scan_take(scan, '+');
    int32_t seconds = scan_number(scan, 0, hours_max) * 3600;
    if (scan_take(scan, ':')) seconds += scan_number(scan, 0, 59) * 60;
    if (scan_take(scan, ':')) seconds += scan_number(scan, 0, 59);
    return is_negative ? -seconds : seconds;
}

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void scan_name(struct scan *scan)
{
    const uint8_t *from = scan->next;
    if (scan_take(scan, '<')) {
        while (scan->next < scan->end && *scan->next != '>') scan->next++;
        scan_need(scan, '>');
        return;
    }
    while (scan->next < scan->end && is_letter(*scan->next)) scan->next++;
    if (scan->next == from) scan->bad = true;
}

static struct rule scan_rule(struct scan *scan)
{
    struct rule rule = { .kind = RULE_DAY, .time_s = 2 * 3600 };
    scan_need(scan, ',');
    if (scan_take(scan, 'M')) {
        rule.kind = RULE_NTH_WEEKDAY;
        rule.month = scan_number(scan, 1, 12);
        scan_need(scan, '.');
        rule.week = scan_number(scan, 1, 5);
        scan_need(scan, '.');
        rule.weekday = scan_number(scan, 0, 6);
    } else if (scan_take(scan, 'J')) {
        rule.kind = RULE_NO_LEAP;
        rule.day = scan_number(scan, 1, 365);
    } else {
        rule.day = scan_number(scan, 0, 365);
    }
    if (scan_take(scan, '/')) rule.time_s = scan_time(scan, RULE_HOURS_MAX);
    return rule;
}

/* POSIX counts offsets to the west. */
static bool tail_parse(struct pawl_bytes text, struct tail *ret_tail)
{
    struct tail tail = { .present = true };
    struct scan scan = { text.data, text.data + text.size, false };
    scan_name(&scan);
    tail.offset_s = -scan_time(&scan, 24);
    if (!scan.bad && scan.next < scan.end) {
        tail.has_summer = true;
        scan_name(&scan);
        bool has_offset = scan.next < scan.end && *scan.next != ',';
        tail.summer_offset_s = has_offset ? -scan_time(&scan, 24) : tail.offset_s + 3600;
        tail.summer_begins = scan_rule(&scan);
        tail.summer_ends = scan_rule(&scan);
    }
    if (scan.bad || scan.next != scan.end) return false;
    *ret_tail = tail;
    return true;
}

static int64_t rule_day(const struct rule *rule, int64_t year)
{
    if (rule->kind == RULE_DAY) return pawl_civil_days(year, 1, 1) + rule->day;
    if (rule->kind == RULE_NO_LEAP) {
        bool is_leap = pawl_civil_month_days(year, 2) == 29;
        return pawl_civil_days(year, 1, 1) + rule->day - 1 + (is_leap && rule->day > 59 ? 1 : 0);
    }
    int64_t first = pawl_civil_days(year, rule->month, 1);
    int32_t day = (rule->weekday - pawl_civil_weekday(first) + 7) % 7 + (rule->week - 1) * 7;
    while (day >= pawl_civil_month_days(year, rule->month)) day -= 7; /* week 5: the last */
    return first + day;
}

static struct change tail_change(const struct tail *tail, int64_t year, bool begins)
{
    const struct rule *rule = begins ? &tail->summer_begins : &tail->summer_ends;
    /* The clock that is read just before. */
    int32_t before_s = begins ? tail->offset_s : tail->summer_offset_s;
    return (struct change){ rule_day(rule, year) * DAY_S + rule->time_s - before_s,
                            begins ? tail->summer_offset_s : tail->offset_s };
}

/* The file ---------------------------------------------------------------------------------- */

static int64_t read_int(const uint8_t *data, uint32_t size)
{
    uint64_t value = data[0] & 0x80 ? UINT64_MAX : 0;
    for (uint32_t i = 0; i < size; i++) value = value << 8 | data[i];
    return (int64_t)value;
}

/* One of the two blocks of a file: with times of four, or of eight bytes. */
struct block {
    uint32_t time_size;
    uint32_t utc_count, standard_count, leaps_count, times_count, types_count, names_size;
    const uint8_t *data; /* behind the header */
    size_t size;         /* of the data */
};

static bool block_read(struct pawl_bytes bytes, uint32_t time_size, struct block *ret_block)
{
    if (bytes.size < HEADER_SIZE || memcmp(bytes.data, "TZif", 4) != 0) return false;
    uint32_t counts[6];
    for (uint32_t i = 0; i < 6; i++) {
        int64_t count = read_int(bytes.data + 20 + (size_t)i * 4, 4);
        if (count < 0 || count > (int64_t)PAWL_ZONE_FILE_SIZE_MAX) return false;
        counts[i] = (uint32_t)count;
    }
    struct block block = { .time_size = time_size,
                           .utc_count = counts[0],
                           .standard_count = counts[1],
                           .leaps_count = counts[2],
                           .times_count = counts[3],
                           .types_count = counts[4],
                           .names_size = counts[5],
                           .data = bytes.data + HEADER_SIZE };
    block.size = (size_t)block.times_count * (time_size + 1) + (size_t)block.types_count * 6
                 + block.names_size + (size_t)block.leaps_count * (time_size + 4)
                 + block.standard_count + block.utc_count;
    if (block.size > bytes.size - HEADER_SIZE) return false;
    *ret_block = block;
    return true;
}

static struct pawl_zone *block_zone(const struct block *block)
{
    if (block->types_count == 0 || block->leaps_count > 0) return NULL;
    const uint8_t *indexes = block->data + (size_t)block->times_count * block->time_size;
    const uint8_t *types = indexes + block->times_count;
    struct pawl_zone *zone =
        pawl_mem_alloc(sizeof *zone + block->times_count * sizeof zone->changes[0]);
    zone->first_offset_s = (int32_t)read_int(types, 4);
    bool is_good = zone->first_offset_s >= -OFFSET_S_MAX && zone->first_offset_s <= OFFSET_S_MAX;
    for (uint32_t i = 0; i < block->times_count && is_good; i++) {
        struct change *change = &zone->changes[zone->changes_count++];
        if (indexes[i] >= block->types_count) {
            is_good = false;
            break;
        }
        change->at_s = read_int(block->data + (size_t)i * block->time_size, block->time_size);
        change->offset_s = (int32_t)read_int(types + (size_t)indexes[i] * 6, 4);
        is_good = change->offset_s >= -OFFSET_S_MAX && change->offset_s <= OFFSET_S_MAX
                  && (i == 0 || change->at_s > change[-1].at_s)
                  && change->at_s > -(INT64_C(1) << 60) && change->at_s < INT64_C(1) << 60;
    }
    if (is_good) return zone;
    pawl_mem_free(zone);
    return NULL;
}

/* What stands between the two line feeds at the end. */
static bool zone_read_tail(struct pawl_bytes rest, struct tail *ret_tail)
{
    if (rest.size < 2 || rest.data[0] != '\n') return false;
    const uint8_t *end = memchr(rest.data + 1, '\n', rest.size - 1);
    if (!end) return false;
    size_t size = (size_t)(end - rest.data) - 1;
    return size == 0 || tail_parse(pawl_bytes_make(rest.data + 1, size), ret_tail);
}

struct pawl_zone *pawl_zone_new(struct pawl_bytes file)
{
    struct block block;
    if (file.size > PAWL_ZONE_FILE_SIZE_MAX || !block_read(file, 4, &block)) return NULL;
    if (file.data[4] == 0) return block_zone(&block); /* version 1: nothing follows */
    size_t skip = HEADER_SIZE + block.size;
    struct pawl_bytes second = pawl_bytes_make(file.data + skip, file.size - skip);
    if (!block_read(second, 8, &block)) return NULL;
    struct tail tail = { .present = false };
    skip = HEADER_SIZE + block.size;
    if (!zone_read_tail(pawl_bytes_make(second.data + skip, second.size - skip), &tail))
        return NULL;
    struct pawl_zone *zone = block_zone(&block);
    if (zone) zone->tail = tail;
    return zone;
}

void pawl_zone_free(struct pawl_zone *zone)
{
    pawl_mem_free(zone);
}

/* Spans --------------------------------------------------------------------------------------- */

/* How many of the changes have happened by then. */
static uint32_t zone_changes_before(const struct pawl_zone *zone, int64_t at_s)
{
    uint32_t low = 0, high = zone->changes_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (zone->changes[middle].at_s <= at_s)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Of the years around: at most two changes each. When both are at the same moment, as
 * when summer lasts all year, the one that begins it has the last word. */
static void tail_span(const struct tail *tail, int64_t at_s, struct pawl_zone_span *span)
{
    span->offset_s = tail->offset_s;
    if (!tail->has_summer) return;
    int64_t year = pawl_civil_date(pawl_floor_div(at_s, DAY_S)).year;
    struct change last = { INT64_MIN, tail->offset_s };
    for (int64_t y = year - 1; y <= year + 1; y++) {
        for (int begins = 0; begins < 2; begins++) {
            struct change change = tail_change(tail, y, begins);
            if (change.at_s <= at_s && change.at_s >= last.at_s) last = change;
            if (change.at_s > at_s && change.at_s < span->until_s) span->until_s = change.at_s;
        }
    }
    span->offset_s = last.offset_s;
    if (last.at_s > span->from_s) span->from_s = last.at_s;
}

struct pawl_zone_span pawl_zone_span_at(const struct pawl_zone *zone, int64_t at_s)
{
    struct pawl_zone_span span = { INT64_MIN, INT64_MAX, 0 };
    if (!zone) return span;
    if (at_s > AT_S_MAX) at_s = AT_S_MAX;
    if (at_s < -AT_S_MAX) at_s = -AT_S_MAX;
    uint32_t past = zone_changes_before(zone, at_s);
    span.offset_s = past ? zone->changes[past - 1].offset_s : zone->first_offset_s;
    if (past) span.from_s = zone->changes[past - 1].at_s;
    if (past < zone->changes_count)
        span.until_s = zone->changes[past].at_s;
    else if (zone->tail.present)
        tail_span(&zone->tail, at_s, &span);
    return span;
}

bool pawl_zone_name_is_valid(struct pawl_bytes name)
{
    if (name.size == 0 || name.size > PAWL_ZONE_NAME_SIZE_MAX) return false;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        if (is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '_') continue;
        if (c != '/' || i == 0 || i + 1 == name.size || name.data[i - 1] == '/') return false;
    }
    return true;
}
