#include "sidecar/http_schedule.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/json_member.h"
#include "sdk/schedule.h"

static void write_text(struct pawl_json *json, const char *key, struct pawl_bytes text)
{
    if (text.size) pawl_json_member_text(json, key, text);
}

/* As pawl_timetext_parse_duration reads it. */
static void write_duration(struct pawl_json *json, const char *key, int64_t ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = { { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 } };
    char text[128] = "";
    size_t used = 0;
    if (ms == 0) return;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (ms < units[i].ms) continue;
        used += (size_t)snprintf(text + used, sizeof text - used, "%" PRId64 "%s", ms / units[i].ms,
                                 units[i].unit);
        ms %= units[i].ms;
    }
    pawl_json_key(json, key);
    pawl_json_str(json, text);
}

static void write_count(struct pawl_json *json, const char *key, uint64_t count)
{
    pawl_json_key(json, key);
    pawl_json_uint(json, count);
}

static void write_spec(struct pawl_json *json, const struct pawl_schedule_spec *spec)
{
    write_text(json, "workflowName", spec->workflow);
    write_text(json, "version", spec->version);
    pawl_json_payload(json, "input", spec->input);
    write_text(json, "cron", spec->cron);
    if (spec->cron.size)
        write_text(json, "timezone",
                   spec->timezone.size ? spec->timezone : PAWL_BYTES_LITERAL("UTC"));
    write_duration(json, "every", spec->every_ms);
    write_duration(json, "offset", spec->offset_ms);
    pawl_json_key(json, "overlap");
    pawl_json_str(json, pawl_overlap_name((int)spec->overlap));
    write_duration(json, "catchUp",
                   spec->catch_up_ms ? spec->catch_up_ms : (int64_t)PAWL_SCHEDULE_CATCH_UP_MS);
    pawl_json_member_time(json, "startTime", spec->from_ms);
    pawl_json_member_time(json, "endTime", spec->until_ms);
}

/* The instance that a run is, or will be. */
static void write_run(struct pawl_json *json, const char *key, struct pawl_bytes id,
                      struct pawl_schedule_run run)
{
    struct pawl_arena arena;
    if (run.time_ms == 0) return;
    pawl_arena_init(&arena);
    write_text(json, key, pawl_schedule_run_instance(&arena, id, run));
    pawl_arena_deinit(&arena);
}

static void write_recent(struct pawl_json *json, struct pawl_bytes id,
                         const struct pawl_schedule_state *state)
{
    pawl_json_key(json, "recent");
    pawl_json_array_begin(json);
    for (uint32_t i = 0; i < state->recent_count; i++) {
        const struct pawl_schedule_recent *recent = &state->recent[i];
        pawl_json_object_begin(json);
        write_run(json, "instanceID", id, recent->run);
        pawl_json_member_time(json, "time", recent->run.time_ms);
        pawl_json_member_time(json, "startedAt", recent->at_ms);
        pawl_json_key(json, "triggered");
        pawl_json_bool(json, recent->run.tag != 0);
        write_text(json, "error", recent->message);
        pawl_json_object_end(json);
    }
    pawl_json_array_end(json);
}

static void write_known(struct pawl_json *json, struct pawl_bytes id,
                        const struct pawl_schedule_state *state)
{
    write_spec(json, &state->spec);
    pawl_json_key(json, "paused");
    pawl_json_bool(json, state->paused);
    write_text(json, "reason", state->reason);
    pawl_json_member_time(json, "nextTime", state->next_ms);
    write_count(json, "started", state->started);
    write_count(json, "skipped", state->skipped);
    write_count(json, "missed", state->missed);
    write_count(json, "failed", state->failed);
    write_run(json, "starting", id, state->starting);
    write_run(json, "buffered", id, state->buffered);
    if (state->triggered_count) write_count(json, "triggered", state->triggered_count);
    write_recent(json, id, state);
}

void pawl_http_schedule_write(struct pawl_json *json, const struct pawl_instance_state *instance)
{
    struct pawl_schedule_state state;
    struct pawl_schedule_spec spec;
    struct pawl_bytes id = pawl_schedule_id(instance->instance);
    pawl_json_object_begin(json);
    pawl_json_key(json, "scheduleID");
    pawl_json_text(json, id);
    pawl_json_key(json, "runtimeStatus");
    pawl_json_str(json, pawl_status_name((int)instance->status));
    pawl_json_member_time(json, "createdAt", instance->created_ms);
    pawl_json_member_time(json, "lastUpdatedAt", instance->updated_ms);
    if (pawl_schedule_state_unpack(instance->custom_status, &state) == PAWL_OK)
        write_known(json, id, &state);
    else if (pawl_schedule_spec_unpack(instance->input, &spec) == PAWL_OK)
        write_spec(json, &spec); /* it was created this moment */
    pawl_json_object_end(json);
}

void pawl_http_schedule_write_id(struct pawl_json *json, struct pawl_bytes instance)
{
    pawl_json_object_begin(json);
    pawl_json_key(json, "scheduleID");
    pawl_json_text(json, pawl_schedule_id(instance));
    pawl_json_object_end(json);
}

static struct pawl_bytes problem_text(struct pawl_arena *arena, enum pawl_http_route route,
                                      struct pawl_bytes id, pawl_err err)
{
    switch (err) {
    case PAWL_E_NOT_FOUND:
        return pawl_arena_printf(arena, "there is no schedule '%.*s'", PAWL_BYTES_FMT(id));
    case PAWL_E_EXISTS:
        return pawl_arena_printf(
            arena, "schedule '%.*s' is there already; to change it, delete it and create it anew",
            PAWL_BYTES_FMT(id));
    case PAWL_E_TERMINAL: break;
    default: return PAWL_BYTES_ABSENT;
    }
    if (route == PAWL_HTTP_ROUTE_SCHEDULE_CREATE)
        return pawl_arena_printf(arena,
                                 "this request has created schedule '%.*s' before, and that was "
                                 "deleted since; to create it again, use another Idempotency-Key",
                                 PAWL_BYTES_FMT(id));
    return pawl_arena_printf(
        arena, "schedule '%.*s' has ended: it was terminated as a workflow; delete it",
        PAWL_BYTES_FMT(id));
}

bool pawl_http_schedule_problem(struct pawl_http_reply *reply, enum pawl_http_route route,
                                const struct pawl_request *request, pawl_err err)
{
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    struct pawl_bytes text = problem_text(&arena, route, pawl_schedule_id(request->instance), err);
    const char *code =
        err == PAWL_E_NOT_FOUND ? "ERR_SCHEDULE_NOT_FOUND" : pawl_http_route_error_code(route);
    if (text.size) pawl_http_reply_problem(reply, pawl_http_status_of(err), code, text);
    pawl_arena_deinit(&arena);
    return text.size > 0;
}
