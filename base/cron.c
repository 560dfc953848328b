#include "base/cron.h"

#include "base/bytes.h"
#include "base/civil.h"
#include "base/text.h"

#define DAY_S          INT64_C(86400)
#define SHOWN_SIZE_MAX 64u /* of somebody's text, in a message */

/* A line that is true on some day is true on one within so many days: 29 February is
 * left out in 2100, so up to eight years apart. */
#define SEARCH_DAYS (9 * 366)

/* Clocks are set at most four times a year: so many spans are 25 years. */
#define SPANS_MAX 100

enum field { SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS_COUNT };

static const struct {
    const char *name;
    uint32_t min;
    uint32_t max;
    const char *words; /* three letters each; the first one stands for `min` */
} fields[FIELDS_COUNT] = {
    [SECOND] = { "second", 0, 59, "" },
    [MINUTE] = { "minute", 0, 59, "" },
    [HOUR] = { "hour", 0, 23, "" },
    [DAY] = { "day of month", 1, 31, "" },
    [MONTH] = { "month", 1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC" },
    [WEEKDAY] = { "day of week", 0, 7, "SUNMONTUEWEDTHUFRISAT" },
};

/* A field being read. The first thing wrong with it stays. */
struct scan {
    struct pawl_arena *arena;
    struct pawl_bytes text; /* of the field */
    size_t at;
    enum field field;
    uint32_t number; /* of the field in the line, from 1 */
    struct pawl_bytes why;
};

static void scan_fail(struct scan *scan, struct pawl_bytes what)
{
    if (scan->why.data) return;
    struct pawl_bytes text = pawl_text_cut(scan->text, SHOWN_SIZE_MAX);
    scan->why =
        pawl_arena_printf(scan->arena, "field %u (%s) \"%.*s\": %.*s", scan->number,
                          fields[scan->field].name, PAWL_BYTES_FMT(text), PAWL_BYTES_FMT(what));
}

static bool scan_take(struct scan *scan, char wanted)
{
    if (scan->at >= scan->text.size || scan->text.data[scan->at] != (uint8_t)wanted) return false;
    scan->at++;
    return true;
}

static uint8_t upper(uint8_t c)
{
    return c >= 'a' && c <= 'z' ? (uint8_t)(c - 'a' + 'A') : c;
}

static bool scan_word(struct scan *scan, uint32_t *ret_value)
{
    const char *words = fields[scan->field].words;
    if (scan->text.size - scan->at < 3) return false;
    const uint8_t *next = scan->text.data + scan->at;
    for (uint32_t i = 0; words[3 * i]; i++) {
        const char *word = words + 3 * (size_t)i;
        if (upper(next[0]) != (uint8_t)word[0] || upper(next[1]) != (uint8_t)word[1]
            || upper(next[2]) != (uint8_t)word[2])
            continue;
        scan->at += 3;
        *ret_value = fields[scan->field].min + i;
        return true;
    }
    return false;
}

static uint32_t scan_number(struct scan *scan, uint32_t min, uint32_t max)
{
    uint32_t value = 0, digits = 0;
    while (scan->at < scan->text.size && scan->text.data[scan->at] >= '0'
           && scan->text.data[scan->at] <= '9' && digits < 6) {
        value = value * 10 + (uint32_t)(scan->text.data[scan->at++] - '0');
        digits++;
    }
    if (digits == 0) {
        const char *also = scan->field == MONTH     ? ", JAN to DEC"
                           : scan->field == WEEKDAY ? ", SUN to SAT"
                                                    : "";
        scan_fail(scan,
                  pawl_arena_printf(scan->arena,
                                    "a number is expected at character %zu; values %u to "
                                    "%u%s, ranges such as %u-%u, lists and steps are allowed",
                                    scan->at + 1, fields[scan->field].min, fields[scan->field].max,
                                    also, fields[scan->field].min, fields[scan->field].min + 1));
    } else if (value < min || value > max)
        scan_fail(scan, pawl_arena_printf(scan->arena, "%u is out of range, %u to %u are allowed",
                                          value, min, max));
    return value;
}

static uint32_t scan_value(struct scan *scan)
{
    uint32_t value = 0;
    if (scan_word(scan, &value)) return value;
    return scan_number(scan, fields[scan->field].min, fields[scan->field].max);
}

/* One item of the list: its values as bits. */
static uint64_t scan_item(struct scan *scan)
{
    uint32_t first = fields[scan->field].min, last = fields[scan->field].max, step = 1;
    bool is_day = scan->field == DAY || scan->field == WEEKDAY;
    bool is_any = scan_take(scan, '*') || (is_day && scan_take(scan, '?'));
    if (is_any && scan->field == WEEKDAY) last = 6;
    if (!is_any) {
        first = last = scan_value(scan);
        if (scan_take(scan, '-')) {
            last = scan_value(scan);
        } else if (scan->at < scan->text.size && scan->text.data[scan->at] == '/') {
            last = scan->field == WEEKDAY ? 6 : fields[scan->field].max;
            if (first > last) last = first;
        }
    }
    if (scan_take(scan, '/')) step = scan_number(scan, 1, fields[scan->field].max);
    if (scan->why.data) return 0;
    if (first > last) {
        scan_fail(scan,
                  pawl_arena_printf(scan->arena, "the range %u-%u runs backwards; write two ranges",
                                    first, last));
        return 0;
    }
    uint64_t bits = 0;
    for (uint32_t value = first; value <= last; value += step) bits |= UINT64_C(1) << value;
    return bits;
}

static uint64_t scan_field(struct scan *scan)
{
    uint64_t bits = 0;
    do {
        bits |= scan_item(scan);
    } while (!scan->why.data && scan_take(scan, ','));
    if (!scan->why.data && scan->at < scan->text.size)
        scan_fail(scan, pawl_arena_printf(scan->arena, "\"%c\" at character %zu is not understood",
                                          scan->text.data[scan->at] >= 0x20
                                                  && scan->text.data[scan->at] < 0x7f
                                              ? scan->text.data[scan->at]
                                              : '?',
                                          scan->at + 1));
    return bits;
}

static void cron_set(struct pawl_cron *cron, enum field field, uint64_t bits,
                     struct pawl_bytes text)
{
    bool is_any = text.size && (text.data[0] == '*' || text.data[0] == '?');
    switch (field) {
    case SECOND: cron->seconds = bits; break;
    case MINUTE:
        cron->minutes = bits;
        cron->follows_clock |= is_any;
        break;
    case HOUR:
        cron->hours = (uint32_t)bits;
        cron->follows_clock |= is_any;
        break;
    case DAY:
        cron->days = (uint32_t)bits;
        cron->any_day = is_any;
        break;
    case MONTH: cron->months = (uint16_t)bits; break;
    case WEEKDAY:
        cron->weekdays = (uint8_t)((bits & 0x7f) | (bits >> 7 & 1)); /* 7 is Sunday, too */
        cron->any_weekday = is_any;
        break;
    case FIELDS_COUNT: break;
    }
}

static const char *cron_nickname(struct pawl_bytes text)
{
    static const struct {
        const char *name;
        const char *line;
    } nicknames[] = {
        { "@yearly", "0 0 1 1 *" }, { "@annually", "0 0 1 1 *" }, { "@monthly", "0 0 1 * *" },
        { "@weekly", "0 0 * * 0" }, { "@daily", "0 0 * * *" },    { "@midnight", "0 0 * * *" },
        { "@hourly", "0 * * * *" },
    };
    for (size_t i = 0; i < sizeof nicknames / sizeof nicknames[0]; i++)
        if (pawl_bytes_is_str(text, nicknames[i].name)) return nicknames[i].line;
    return NULL;
}

static uint32_t cron_split(struct pawl_bytes text, struct pawl_bytes ret_fields[FIELDS_COUNT])
{
    uint32_t count = 0;
    size_t at = 0;
    for (;;) {
        while (at < text.size && (text.data[at] == ' ' || text.data[at] == '\t')) at++;
        if (at == text.size) return count;
        size_t from = at;
        while (at < text.size && text.data[at] != ' ' && text.data[at] != '\t') at++;
        if (count < FIELDS_COUNT) ret_fields[count] = pawl_bytes_make(text.data + from, at - from);
        count++;
    }
}

/* Next, in local time -------------------------------------------------------------------- */

static bool cron_has_day(const struct pawl_cron *cron, int64_t days, struct pawl_civil_date date)
{
    bool is_day = cron->days >> date.day & 1;
    bool is_weekday = cron->weekdays >> pawl_civil_weekday(days) & 1;
    if (!(cron->months >> date.month & 1)) return false;
    if (cron->any_day || cron->any_weekday) return is_day && is_weekday;
    return is_day || is_weekday;
}

/* The first bit of `bits` from `from` on; 64: none. */
static uint32_t first_bit(uint64_t bits, uint32_t from)
{
    for (uint32_t i = from; i < 64; i++)
        if (bits >> i & 1) return i;
    return 64;
}

/* The first second of a day from `from` on; -1: none. */
static int64_t cron_in_day(const struct pawl_cron *cron, int64_t from)
{
    uint32_t second = (uint32_t)(from % 60), minute = (uint32_t)(from / 60 % 60);
    uint32_t hour = (uint32_t)(from / 3600);
    second = first_bit(cron->seconds, second);
    if (second == 64) {
        second = first_bit(cron->seconds, 0);
        minute++;
    }
    uint32_t first = first_bit(cron->minutes, minute);
    if (first != minute) second = first_bit(cron->seconds, 0);
    minute = first;
    if (minute == 64) {
        minute = first_bit(cron->minutes, 0);
        second = first_bit(cron->seconds, 0);
        hour++;
    }
    first = first_bit(cron->hours, hour);
    if (first == 64) return -1;
    if (first != hour) {
        minute = first_bit(cron->minutes, 0);
        second = first_bit(cron->seconds, 0);
    }
    return (int64_t)first * 3600 + minute * 60 + second;
}

/* The first time at or after `local_s` in a clock that is never set. */
static int64_t cron_next_local(const struct pawl_cron *cron, int64_t local_s)
{
    int64_t today = pawl_floor_div(local_s, DAY_S);
    int64_t from = local_s - today * DAY_S;
    for (int64_t days = today; days < today + SEARCH_DAYS; days++, from = 0) {
        if (!cron_has_day(cron, days, pawl_civil_date(days))) continue;
        int64_t at = cron_in_day(cron, from);
        if (at >= 0) return days * DAY_S + at;
    }
    return PAWL_CRON_NEVER;
}

/* Next, in a zone ------------------------------------------------------------------------- */

/* Far from both ends of the type, so that no sum below overflows. */
#define FAR_S (INT64_C(1) << 40)

int64_t pawl_cron_next(const struct pawl_cron *cron, const struct pawl_zone *zone, int64_t after_s)
{
    if (after_s < -FAR_S || after_s > FAR_S) return PAWL_CRON_NEVER;
    int64_t from_s = after_s + 1;
    for (int i = 0; i < SPANS_MAX; i++) {
        struct pawl_zone_span span = pawl_zone_span_at(zone, from_s);
        int64_t local_s = from_s + span.offset_s;
        if (!cron->follows_clock && span.from_s != INT64_MIN) {
            struct pawl_zone_span before = pawl_zone_span_at(zone, span.from_s - 1);
            /* What clocks would have shown at the change, and what they were set to. */
            int64_t left_s = span.from_s + before.offset_s;
            int64_t set_s = span.from_s + span.offset_s;
            if (from_s == span.from_s && left_s < set_s && cron_next_local(cron, left_s) < set_s)
                return span.from_s <= FAR_S ? span.from_s : PAWL_CRON_NEVER;
            if (local_s < left_s) local_s = left_s; /* there before, and came then */
        }
        int64_t next_s = cron_next_local(cron, local_s);
        if (next_s != PAWL_CRON_NEVER && next_s - span.offset_s < span.until_s) {
            next_s -= span.offset_s;
            return next_s <= FAR_S ? next_s : PAWL_CRON_NEVER;
        }
        if (span.until_s == INT64_MAX) return PAWL_CRON_NEVER;
        from_s = span.until_s;
    }
    return PAWL_CRON_NEVER;
}

bool pawl_cron_parse(struct pawl_bytes text, struct pawl_arena *arena, struct pawl_cron *ret_cron,
                     struct pawl_bytes *ret_why)
{
    const char *nickname = cron_nickname(text);
    struct pawl_bytes parts[FIELDS_COUNT] = { PAWL_BYTES_ABSENT };
    uint32_t count = cron_split(nickname ? pawl_bytes_str(nickname) : text, parts);
    if (count > 0 && parts[0].data[0] == '@') {
        struct pawl_bytes word = pawl_text_cut(parts[0], SHOWN_SIZE_MAX);
        *ret_why = pawl_arena_printf(
            arena, "\"%.*s\" is not known; @yearly, @monthly, @weekly, @daily and @hourly are",
            PAWL_BYTES_FMT(word));
        return false;
    }
    if (count != 5 && count != 6) {
        *ret_why = pawl_arena_printf(arena,
                                     "%u fields; five are needed (minute, hour, day of month, "
                                     "month, day of week), or six with the second first",
                                     count);
        return false;
    }
    struct pawl_cron cron = { .seconds = 1 };
    for (uint32_t i = 0; i < count; i++) {
        struct scan scan = { .arena = arena,
                             .text = parts[i],
                             .field = (enum field)(i + (count == 5 ? 1 : 0)),
                             .number = i + 1 };
        cron_set(&cron, scan.field, scan_field(&scan), parts[i]);
        if (!scan.why.data) continue;
        *ret_why = scan.why;
        return false;
    }
    if (cron_next_local(&cron, 0) == PAWL_CRON_NEVER) {
        *ret_why = PAWL_BYTES_LITERAL("no day matches: the months it names have no such day");
        return false;
    }
    *ret_cron = cron;
    return true;
}
