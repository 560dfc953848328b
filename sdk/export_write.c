#include "sdk/export_write.h"

#include <stdio.h>

#include "base/bytes.h"
#include "base/json_member.h"
#include "base/limits.h"
#include "base/tags.h"
#include "base/timetext.h"

/* A timer may be due in a year that no date has: then the number follows, too. */
static void write_due(struct pawl_json *json, const char *key, int64_t unix_ms)
{
    if (unix_ms == 0) return;
    char text[PAWL_TIMETEXT_SIZE], number_key[32];
    int64_t shown_ms;
    pawl_json_member_time(json, key, unix_ms);
    pawl_timetext_format(unix_ms, text);
    if (pawl_timetext_parse(pawl_bytes_str(text), &shown_ms) && shown_ms == unix_ms) return;
    (void)snprintf(number_key, sizeof number_key, "%sMs", key);
    pawl_json_key(json, number_key);
    pawl_json_int(json, unix_ms);
}

/* Causes nest inside each other; what is deeper than any reader wants is left out. */
static void write_failure(struct pawl_json *json, const struct pawl_failure_view *failure,
                          uint32_t depth)
{
    pawl_json_object_begin(json);
    pawl_json_member_text(json, "errorType", failure->type);
    pawl_json_member_text(json, "errorMessage", failure->message);
    pawl_json_payload(json, "stackTrace", failure->details);
    pawl_json_key(json, "isNonRetriable");
    pawl_json_bool(json, failure->non_retriable);
    struct pawl_failure_view inner;
    if (!pawl_bytes_is_absent(failure->inner) && depth < PAWL_JSON_DEPTH_MAX / 4
        && pawl_failure_decode(failure->inner, &inner) == PAWL_OK) {
        pawl_json_key(json, "innerFailure");
        write_failure(json, &inner, depth + 1);
    }
    pawl_json_object_end(json);
}

void pawl_export_write_failure(struct pawl_json *json, const struct pawl_failure_view *failure)
{
    write_failure(json, failure, 0);
}

/* What a payload is called follows from the kind. */
static const char *payload_key(enum pawl_event_kind kind)
{
    switch (kind) {
    case PAWL_EVENT_EXECUTION_STARTED:
    case PAWL_EVENT_TASK_SCHEDULED:
    case PAWL_EVENT_CHILD_CREATED:
    case PAWL_EVENT_DETACHED_CREATED:
    case PAWL_EVENT_CONTINUE_AS_NEW: return "input";
    case PAWL_EVENT_EXECUTION_COMPLETED:
    case PAWL_EVENT_EXECUTION_TERMINATED:
    case PAWL_EVENT_TASK_COMPLETED:
    case PAWL_EVENT_CHILD_COMPLETED: return "output";
    case PAWL_EVENT_EXECUTION_SUSPENDED:
    case PAWL_EVENT_EXECUTION_RESUMED:
    case PAWL_EVENT_EXECUTION_REWOUND:
    case PAWL_EVENT_EXECUTION_STALLED: return "reason";
    default: return "data";
    }
}

static void write_parent(struct pawl_json *json, const struct pawl_parent *parent)
{
    if (pawl_bytes_is_absent(parent->instance)) return;
    pawl_json_key(json, "parent");
    pawl_json_object_begin(json);
    pawl_json_member_text(json, "appID", parent->app);
    pawl_json_member_text(json, "instanceID", parent->instance);
    pawl_json_member_text(json, "workflowName", parent->name);
    pawl_json_key(json, "eventId");
    pawl_json_uint(json, parent->op_id);
    pawl_json_key(json, "generation");
    pawl_json_uint(json, parent->gen);
    pawl_json_member_id(json, "incarnation", parent->inc);
    /* As text: more digits than a JSON number keeps in every language. */
    char nonce[24];
    (void)snprintf(nonce, sizeof nonce, "%llu", (unsigned long long)parent->nonce);
    pawl_json_key(json, "nonce");
    pawl_json_str(json, nonce);
    pawl_json_object_end(json);
}

static void write_status(struct pawl_json *json, const struct pawl_history_event *event)
{
    if (event->kind == PAWL_EVENT_EXECUTION_COMPLETED) {
        pawl_json_key(json, "runtimeStatus");
        pawl_json_str(json, pawl_status_name((int)event->status));
    }
    if (event->kind == PAWL_EVENT_EXECUTION_TERMINATED) {
        pawl_json_key(json, "recursive");
        pawl_json_bool(json, event->recursive);
    }
    if (event->parent_close == PAWL_PARENT_CLOSE_TERMINATE) {
        pawl_json_key(json, "parentClosePolicy");
        pawl_json_str(json, "TERMINATE");
    }
    if (event->rewound) {
        pawl_json_key(json, "rewound");
        pawl_json_bool(json, true);
    }
}

/* Limits of an activity or child; 0: none, and left out. */
static void write_limit(struct pawl_json *json, const char *key, int64_t limit_ms)
{
    if (limit_ms == 0) return;
    pawl_json_key(json, key);
    pawl_json_int(json, limit_ms);
}

/* Patches that the code of the turn was told to apply. */
static void write_patches(struct pawl_json *json, struct pawl_bytes patches)
{
    struct pawl_bytes name;
    size_t cursor = 0;
    if (pawl_bytes_is_absent(patches)) return;
    pawl_json_key(json, "patches");
    pawl_json_array_begin(json);
    while (pawl_patches_next(patches, &cursor, &name)) pawl_json_text(json, name);
    pawl_json_array_end(json);
}

void pawl_export_write_tags(struct pawl_json *json, struct pawl_bytes bytes)
{
    struct pawl_tags tags;
    if (pawl_tags_unpack(bytes, &tags) != PAWL_OK || tags.count == 0) return;
    pawl_json_key(json, "tags");
    pawl_json_object_begin(json);
    for (uint32_t i = 0; i < tags.count; i++) {
        pawl_json_key_text(json, tags.items[i].key);
        pawl_json_text(json, tags.items[i].value);
    }
    pawl_json_object_end(json);
}

static void write_event(struct pawl_json *json, const struct pawl_history_event *event)
{
    pawl_json_key(json, "kind");
    pawl_json_str(json, pawl_event_kind_name((int)event->kind));
    pawl_json_key(json, "eventId");
    pawl_json_int(json, event->id);
    if (event->ref >= 0) {
        pawl_json_key(json, "scheduledId");
        pawl_json_int(json, event->ref);
    }
    pawl_json_member_moment(json, "timestamp", event->timestamp_ms);
    pawl_json_member_text(json, "name", event->name);
    pawl_json_member_text(json, "version", event->version);
    write_patches(json, event->patches);
    pawl_json_member_text(json, "instanceID", event->instance);
    pawl_json_member_text(json, "appID", event->target_app);
    write_status(json, event);
    write_due(json, "fireAt", event->fire_at_ms);
    write_due(json, "startTime", event->start_at_ms);
    pawl_json_payload(json, payload_key(event->kind), event->payload);
    if (event->failure.present) {
        pawl_json_key(json, "failure");
        pawl_export_write_failure(json, &event->failure);
    }
    write_parent(json, &event->parent);
    pawl_json_member_id(json, "executionId", event->execution);
    pawl_json_member_id(json, "taskExecutionId", event->task_execution);
    pawl_json_member_text(json, "rerunParentInstanceID", event->rerun_of);
    write_limit(json, "scheduleToStartMs", event->start_within_ms);
    write_limit(json, "startToCloseMs", event->start_to_close_ms);
    write_limit(json, "heartbeatMs", event->heartbeat_ms);
    pawl_json_payload(json, "progress", event->progress);
    pawl_json_payload(json, "extra", event->extra);
    pawl_export_write_tags(json, event->tags);
}

void pawl_export_write_event(struct pawl_json *json, uint32_t index, struct pawl_bytes encoded)
{
    struct pawl_history_event event;
    pawl_json_object_begin(json);
    pawl_json_key(json, "index");
    pawl_json_uint(json, index);
    if (pawl_history_event_decode(encoded, &event) == PAWL_OK) {
        write_event(json, &event);
    } else {
        pawl_json_key(json, "kind");
        pawl_json_str(json, "Unreadable");
        pawl_json_payload(json, "data", encoded);
    }
    pawl_json_object_end(json);
}

void pawl_export_write_events(struct pawl_json *json, const char *key, uint32_t index,
                              const struct pawl_bytes *events, uint32_t count)
{
    pawl_json_key(json, key);
    pawl_json_array_begin(json);
    for (uint32_t i = 0; i < count; i++) pawl_export_write_event(json, index + i, events[i]);
    pawl_json_array_end(json);
}

void pawl_export_write_head(struct pawl_json *json, struct pawl_bytes instance,
                            const struct pawl_instance_state *state)
{
    const char *status = pawl_status_name((int)state->status);
    pawl_json_key(json, "instanceID");
    pawl_json_text(json, instance);
    pawl_json_key(json, "workflowName");
    pawl_json_text(json, state->name);
    pawl_json_member_text(json, "version", state->version);
    pawl_json_key(json, "runtimeStatus");
    pawl_json_str(json, status ? status : "UNKNOWN");
    pawl_json_key(json, "generation");
    pawl_json_uint(json, state->gen);
    pawl_json_member_id(json, "incarnation", state->inc);
    pawl_json_member_time(json, "createdAt", state->created_ms);
    pawl_json_member_time(json, "startedAt", state->started_ms);
    pawl_json_member_time(json, "lastUpdatedAt", state->updated_ms);
    pawl_json_member_time(json, "completedAt", state->completed_ms);
    pawl_export_write_tags(json, state->tags);
    pawl_json_payload(json, "customStatus", state->custom_status);
}

uint32_t pawl_export_history_count(const struct pawl_request *request,
                                   const struct pawl_answer *answer)
{
    uint32_t left = request->from < answer->events_total ? answer->events_total - request->from : 0;
    return answer->events_count < left ? answer->events_count : left;
}
