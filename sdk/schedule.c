#include "sdk/schedule.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/codec.h"
#include "base/cron.h"
#include "base/timetext.h"

#define SPEC_FIELDS  12u
#define STATE_FIELDS 15u

const char *pawl_overlap_name(int policy)
{
    switch (policy) {
#define X(name, value, text) \
    case value: return text;
        PAWL_OVERLAP_MAP(X)
#undef X
    default: return NULL;
    }
}

bool pawl_overlap_parse(struct pawl_bytes text, enum pawl_overlap_policy *ret_policy)
{
#define X(name, value, word)               \
    if (pawl_bytes_is_str(text, word)) {   \
        *ret_policy = PAWL_OVERLAP_##name; \
        return true;                       \
    }
    PAWL_OVERLAP_MAP(X)
#undef X
    return false;
}

/* Check ------------------------------------------------------------------------------------- */

static struct pawl_bytes check_when(const struct pawl_schedule_spec *spec, struct pawl_arena *arena)
{
    struct pawl_cron cron;
    struct pawl_bytes why = PAWL_BYTES_ABSENT;
    bool has_cron = spec->cron.size > 0;
    if (has_cron == (spec->every_ms != 0))
        return PAWL_BYTES_LITERAL("a schedule needs either cron or every, and not both");
    if (spec->cron.size > PAWL_SCHEDULE_CRON_SIZE_MAX)
        return pawl_arena_printf(arena, "cron has %zu bytes; at most %u are allowed",
                                 spec->cron.size, PAWL_SCHEDULE_CRON_SIZE_MAX);
    if (has_cron && !pawl_name_is_valid(spec->cron, PAWL_SCHEDULE_CRON_SIZE_MAX))
        return PAWL_BYTES_LITERAL("cron is not text: only UTF-8 without control characters is");
    if (has_cron && !pawl_cron_parse(spec->cron, arena, &cron, &why))
        return pawl_arena_printf(arena, "cron: %.*s", PAWL_BYTES_FMT(why));
    if (!has_cron && spec->every_ms < (int64_t)PAWL_SCHEDULE_EVERY_MS_MIN)
        return pawl_arena_printf(arena, "every is %" PRId64 " ms; at least 1s is needed",
                                 spec->every_ms);
    if (spec->offset_ms < 0 || (spec->offset_ms > 0 && spec->offset_ms >= spec->every_ms))
        return PAWL_BYTES_LITERAL("offset must be less than every, and is for every only");
    if (spec->timezone.size && !has_cron)
        return PAWL_BYTES_LITERAL("timezone is for cron only; times of every are counted from "
                                  "1970-01-01T00:00:00Z");
    if (spec->timezone.size && !pawl_zone_name_is_valid(spec->timezone))
        return PAWL_BYTES_LITERAL("timezone is no name of a time zone, such as Europe/Berlin");
    return PAWL_BYTES_ABSENT;
}

static struct pawl_bytes check_spec(const struct pawl_schedule_spec *spec, struct pawl_arena *arena)
{
    if (!pawl_name_is_valid(spec->workflow, PAWL_NAME_SIZE_MAX))
        return pawl_arena_printf(arena,
                                 "workflow is missing or not valid; 1 to %u bytes of UTF-8 without "
                                 "control characters are allowed",
                                 PAWL_NAME_SIZE_MAX);
    if (pawl_bytes_is_str(spec->workflow, PAWL_SCHEDULE_NAME))
        return PAWL_BYTES_LITERAL("workflow: a schedule cannot start schedules");
    if (spec->version.size && !pawl_name_is_valid(spec->version, PAWL_NAME_SIZE_MAX))
        return PAWL_BYTES_LITERAL("version is not valid");
    if (!pawl_overlap_name((int)spec->overlap))
        return PAWL_BYTES_LITERAL("overlap is not one of skip, allow, buffer and terminate");
    if (spec->catch_up_ms != 0 && spec->catch_up_ms < (int64_t)PAWL_SCHEDULE_CATCH_UP_MS_MIN)
        return PAWL_BYTES_LITERAL("catchUp is too short; at least 10s are needed");
    if (spec->from_ms < 0 || spec->until_ms < 0)
        return PAWL_BYTES_LITERAL("startTime and endTime must not be before 1970");
    if (spec->until_ms && spec->until_ms <= spec->from_ms)
        return PAWL_BYTES_LITERAL("endTime is not after startTime: it would never run");
    return check_when(spec, arena);
}

pawl_err pawl_schedule_check(const struct pawl_schedule_spec *spec, struct pawl_arena *arena,
                             struct pawl_bytes *ret_message)
{
    if (spec->input.size > PAWL_SCHEDULE_INPUT_SIZE_MAX) {
        *ret_message = pawl_arena_printf(arena,
                                         "the input has %zu bytes; at most %u are allowed for a "
                                         "schedule",
                                         spec->input.size, PAWL_SCHEDULE_INPUT_SIZE_MAX);
        return PAWL_E_TOO_LARGE;
    }
    struct pawl_bytes why = check_spec(spec, arena);
    if (pawl_bytes_is_absent(why)) return PAWL_OK;
    *ret_message = why;
    return PAWL_E_INVALID;
}

/* Spec --------------------------------------------------------------------------------------- */

static void spec_write(struct pawl_buf *buf, const struct pawl_schedule_spec *spec)
{
    pawl_write_array(buf, SPEC_FIELDS);
    pawl_write_bytes(buf, spec->workflow);
    pawl_write_bytes(buf, spec->version);
    pawl_write_bytes(buf, spec->input);
    pawl_write_bytes(buf, spec->cron);
    pawl_write_bytes(buf, spec->timezone);
    pawl_write_int(buf, spec->every_ms);
    pawl_write_int(buf, spec->offset_ms);
    pawl_write_uint(buf, (uint64_t)spec->overlap);
    pawl_write_int(buf, spec->catch_up_ms);
    pawl_write_int(buf, spec->from_ms);
    pawl_write_int(buf, spec->until_ms);
    pawl_write_bool(buf, spec->paused);
}

/* What a newer program has added stands at the end. */
static void fields_skip(struct pawl_reader *reader, uint32_t count, uint32_t known)
{
    if (count < known && reader->err == PAWL_OK) reader->err = PAWL_E_CORRUPT;
    for (uint32_t i = known; i < count; i++) pawl_read_skip(reader);
}

static void spec_read(struct pawl_reader *reader, struct pawl_schedule_spec *spec)
{
    uint32_t count = pawl_read_array(reader, 64);
    spec->workflow = pawl_read_bytes(reader);
    spec->version = pawl_read_bytes(reader);
    spec->input = pawl_read_bytes(reader);
    spec->cron = pawl_read_bytes(reader);
    spec->timezone = pawl_read_bytes(reader);
    spec->every_ms = pawl_read_int(reader);
    spec->offset_ms = pawl_read_int(reader);
    spec->overlap = (enum pawl_overlap_policy)pawl_read_uint(reader, PAWL_OVERLAP_TERMINATE);
    spec->catch_up_ms = pawl_read_int(reader);
    spec->from_ms = pawl_read_int(reader);
    spec->until_ms = pawl_read_int(reader);
    spec->paused = pawl_read_bool(reader);
    fields_skip(reader, count, SPEC_FIELDS);
}

static struct pawl_bytes buf_keep(struct pawl_buf *buf, struct pawl_arena *arena)
{
    struct pawl_bytes packed =
        buf->bad == PAWL_OK ? pawl_arena_copy(arena, pawl_buf_view(buf)) : PAWL_BYTES_ABSENT;
    pawl_buf_deinit(buf);
    return packed;
}

struct pawl_bytes pawl_schedule_spec_pack(struct pawl_arena *arena,
                                          const struct pawl_schedule_spec *spec)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, 2 * PAWL_PAYLOAD_SIZE_MAX);
    spec_write(&buf, spec);
    return buf_keep(&buf, arena);
}

pawl_err pawl_schedule_spec_unpack(struct pawl_bytes bytes, struct pawl_schedule_spec *ret_spec)
{
    struct pawl_reader reader;
    struct pawl_schedule_spec spec = { .every_ms = 0 };
    pawl_reader_init(&reader, bytes);
    spec_read(&reader, &spec);
    pawl_err err = pawl_reader_finish(&reader);
    if (err == PAWL_OK) *ret_spec = spec;
    return err;
}

/* State -------------------------------------------------------------------------------------- */

static void run_write(struct pawl_buf *buf, struct pawl_schedule_run run)
{
    pawl_write_array(buf, 2);
    pawl_write_int(buf, run.time_ms);
    pawl_write_uint(buf, run.tag);
}

static struct pawl_schedule_run run_read(struct pawl_reader *reader)
{
    struct pawl_schedule_run run = { .time_ms = 0 };
    uint32_t count = pawl_read_array(reader, 8);
    run.time_ms = pawl_read_int(reader);
    run.tag = (uint32_t)pawl_read_uint(reader, UINT32_MAX);
    fields_skip(reader, count, 2);
    return run;
}

static void recent_write(struct pawl_buf *buf, const struct pawl_schedule_recent *recent)
{
    pawl_write_array(buf, 4);
    run_write(buf, recent->run);
    pawl_write_int(buf, recent->at_ms);
    pawl_write_uint(buf, (uint64_t)recent->outcome);
    pawl_write_bytes(buf, recent->message);
}

static void recent_read(struct pawl_reader *reader, struct pawl_schedule_recent *recent)
{
    uint32_t count = pawl_read_array(reader, 16);
    recent->run = run_read(reader);
    recent->at_ms = pawl_read_int(reader);
    recent->outcome = (enum pawl_schedule_outcome)pawl_read_uint(reader, 255);
    recent->message = pawl_read_bytes(reader);
    fields_skip(reader, count, 4);
}

struct pawl_bytes pawl_schedule_state_pack(struct pawl_arena *arena,
                                           const struct pawl_schedule_state *state)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_CUSTOM_STATUS_SIZE_MAX);
    pawl_write_array(&buf, STATE_FIELDS);
    spec_write(&buf, &state->spec);
    pawl_write_bool(&buf, state->paused);
    pawl_write_bytes(&buf, state->reason);
    pawl_write_int(&buf, state->last_ms);
    pawl_write_int(&buf, state->next_ms);
    pawl_write_uint(&buf, state->started);
    pawl_write_uint(&buf, state->skipped);
    pawl_write_uint(&buf, state->missed);
    pawl_write_uint(&buf, state->failed);
    pawl_write_bool(&buf, state->terminates);
    run_write(&buf, state->starting);
    run_write(&buf, state->buffered);
    run_write(&buf, state->running);
    pawl_write_array(&buf, state->triggered_count);
    for (uint32_t i = 0; i < state->triggered_count; i++) run_write(&buf, state->triggered[i]);
    pawl_write_array(&buf, state->recent_count);
    for (uint32_t i = 0; i < state->recent_count; i++) recent_write(&buf, &state->recent[i]);
    return buf_keep(&buf, arena);
}

pawl_err pawl_schedule_state_unpack(struct pawl_bytes bytes, struct pawl_schedule_state *ret_state)
{
    struct pawl_reader reader;
    struct pawl_schedule_state state = { .paused = false };
    pawl_reader_init(&reader, bytes);
    uint32_t count = pawl_read_array(&reader, 64);
    spec_read(&reader, &state.spec);
    state.paused = pawl_read_bool(&reader);
    state.reason = pawl_read_bytes(&reader);
    state.last_ms = pawl_read_int(&reader);
    state.next_ms = pawl_read_int(&reader);
    state.started = pawl_read_uint(&reader, UINT64_MAX);
    state.skipped = pawl_read_uint(&reader, UINT64_MAX);
    state.missed = pawl_read_uint(&reader, UINT64_MAX);
    state.failed = pawl_read_uint(&reader, UINT64_MAX);
    state.terminates = pawl_read_bool(&reader);
    state.starting = run_read(&reader);
    state.buffered = run_read(&reader);
    state.running = run_read(&reader);
    state.triggered_count = pawl_read_array(&reader, PAWL_SCHEDULE_TRIGGERS_MAX);
    for (uint32_t i = 0; i < state.triggered_count; i++) state.triggered[i] = run_read(&reader);
    state.recent_count = pawl_read_array(&reader, PAWL_SCHEDULE_RECENT_MAX);
    for (uint32_t i = 0; i < state.recent_count; i++) recent_read(&reader, &state.recent[i]);
    fields_skip(&reader, count, STATE_FIELDS);
    pawl_err err = pawl_reader_finish(&reader);
    if (err == PAWL_OK) *ret_state = state;
    return err;
}

/* Names --------------------------------------------------------------------------------------- */

struct pawl_bytes pawl_schedule_instance(struct pawl_arena *arena, struct pawl_bytes id)
{
    return pawl_arena_printf(arena, PAWL_SCHEDULE_PREFIX "%.*s", PAWL_BYTES_FMT(id));
}

struct pawl_bytes pawl_schedule_id(struct pawl_bytes instance)
{
    struct pawl_bytes prefix = PAWL_BYTES_LITERAL(PAWL_SCHEDULE_PREFIX);
    if (!pawl_bytes_starts_with(instance, prefix)) return PAWL_BYTES_ABSENT;
    return pawl_bytes_make(instance.data + prefix.size, instance.size - prefix.size);
}

/* 20260821T090000Z; with milliseconds when there are any. */
struct pawl_bytes pawl_schedule_run_instance(struct pawl_arena *arena, struct pawl_bytes id,
                                             struct pawl_schedule_run run)
{
    char time[PAWL_TIMETEXT_SIZE], tag[16] = "", ms[8] = "";
    pawl_timetext_format(run.time_ms, time);
    if (run.time_ms % 1000 && !run.tag) (void)snprintf(ms, sizeof ms, ".%.3s", time + 20);
    if (run.tag) (void)snprintf(tag, sizeof tag, "-%08" PRIx32, run.tag);
    return pawl_arena_printf(arena, "%.*s-%.4s%.2s%.2sT%.2s%.2s%.2s%sZ%s", PAWL_BYTES_FMT(id), time,
                             time + 5, time + 8, time + 11, time + 14, time + 17, ms, tag);
}
