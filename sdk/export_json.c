#include "sdk/export_json.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/tags.h"
#include "base/timetext.h"

#define ADVICE "Write the file with: pawl workflow history <instance-id> --export"

/* A reading under way: the first thing that is wrong ends it. */
struct read {
    struct pawl_arena *arena;
    const char *why; /* NULL: nothing is wrong so far */
    long long event; /* its place in the list; -1: the head */
};

static void wrong(struct read *read, const char *key, const char *what)
{
    if (read->why) return;
    char place[48] = "";
    if (read->event >= 0) (void)snprintf(place, sizeof place, "event %lld: ", read->event);
    read->why = (const char *)pawl_arena_printf(read->arena, "%s\"%s\" %s", place, key, what).data;
}

static struct pawl_bytes keep(struct read *read, json_t *text)
{
    return pawl_arena_copy(read->arena,
                           pawl_bytes_make(json_string_value(text), json_string_length(text)));
}

/* Absent when it is not there. */
static struct pawl_bytes read_text(struct read *read, json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    if (!value) return PAWL_BYTES_ABSENT;
    if (!json_is_string(value)) {
        wrong(read, key, "is not a text");
        return PAWL_BYTES_ABSENT;
    }
    return keep(read, value);
}

static struct pawl_bytes need_text(struct read *read, json_t *object, const char *key)
{
    struct pawl_bytes text = read_text(read, object, key);
    if (pawl_bytes_is_absent(text)) wrong(read, key, "is missing. " ADVICE);
    return text;
}

/* A text, or base64 under the key with "Base64" behind it. */
static struct pawl_bytes read_payload(struct read *read, json_t *object, const char *key)
{
    char base64_key[64];
    (void)snprintf(base64_key, sizeof base64_key, "%sBase64", key);
    struct pawl_bytes base64 = read_text(read, object, base64_key);
    if (pawl_bytes_is_absent(base64)) return read_text(read, object, key);
    struct pawl_buf buf;
    pawl_buf_init(&buf, UINT32_MAX);
    struct pawl_bytes payload = PAWL_BYTES_ABSENT;
    if (pawl_base64_decode(&buf, base64, false))
        payload = pawl_arena_copy(read->arena, pawl_buf_view(&buf));
    else
        wrong(read, base64_key, "is not base64");
    pawl_buf_deinit(&buf);
    return payload;
}

static int64_t read_number(struct read *read, json_t *object, const char *key, int64_t otherwise,
                           int64_t min, int64_t max)
{
    json_t *value = json_object_get(object, key);
    if (!value) return otherwise;
    int64_t number = (int64_t)json_integer_value(value);
    if (json_is_integer(value) && number >= min && number <= max) return number;
    wrong(read, key, "is not a number that it may be");
    return otherwise;
}

static bool read_flag(struct read *read, json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    if (value && !json_is_boolean(value)) wrong(read, key, "is not true or false");
    return json_is_true(value);
}

static enum pawl_parent_close_policy read_policy(struct read *read, json_t *object)
{
    struct pawl_bytes text = read_text(read, object, "parentClosePolicy");
    if (pawl_bytes_is_absent(text)) return PAWL_PARENT_CLOSE_ABANDON;
    if (!pawl_bytes_is_str(text, "TERMINATE"))
        wrong(read, "parentClosePolicy", "is none that is known");
    return PAWL_PARENT_CLOSE_TERMINATE;
}

/* 0 when it is not there. */
static int64_t read_time(struct read *read, json_t *object, const char *key)
{
    char number_key[64];
    int64_t ms = 0;
    struct pawl_bytes text = read_text(read, object, key);
    if (!pawl_bytes_is_absent(text) && !pawl_timetext_parse(text, &ms))
        wrong(read, key, "is not a time");
    (void)snprintf(number_key, sizeof number_key, "%sMs", key);
    return read_number(read, object, number_key, ms, INT64_MIN, INT64_MAX);
}

static struct pawl_id read_id(struct read *read, json_t *object, const char *key)
{
    struct pawl_id id = { { 0 } };
    struct pawl_bytes text = read_text(read, object, key);
    if (!pawl_bytes_is_absent(text) && !pawl_id_parse(text, &id))
        wrong(read, key, "is not an id of 32 hex digits");
    return id;
}

static struct pawl_bytes read_tags(struct read *read, json_t *object)
{
    struct pawl_tags tags = { .count = 0 };
    const char *key;
    json_t *value;
    if (object && !json_is_object(object)) wrong(read, "tags", "is not an object");
    json_object_foreach(object, key, value)
    {
        const char *text = json_string_value(value);
        if (!text || pawl_tags_add(&tags, pawl_bytes_str(key), pawl_bytes_str(text)))
            wrong(read, "tags", "has one that is no tag");
    }
    return pawl_tags_pack(read->arena, &tags);
}

/* Events --------------------------------------------------------------------------------- */

static enum pawl_event_kind read_kind(struct read *read, json_t *object)
{
    static const int kinds[] = {
#define X(name, value, text) value,
        PAWL_EVENT_KIND_MAP(X)
#undef X
    };
    struct pawl_bytes text = need_text(read, object, "kind");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (pawl_bytes_is_str(text, pawl_event_kind_name(kinds[i])))
            return (enum pawl_event_kind)kinds[i];
    wrong(read, "kind", "is none that this version of pawl knows");
    return PAWL_EVENT_WORKFLOW_STARTED;
}

static struct pawl_failure_view read_failure(struct read *read, json_t *object, uint32_t depth)
{
    struct pawl_failure_view failure = { .present = object != NULL };
    if (!object) return failure;
    if (!json_is_object(object)) wrong(read, "failure", "is not an object");
    failure.non_retriable = read_flag(read, object, "isNonRetriable");
    failure.type = read_text(read, object, "errorType");
    failure.message = read_text(read, object, "errorMessage");
    failure.details = read_payload(read, object, "stackTrace");
    json_t *inner = json_object_get(object, "innerFailure");
    if (inner && depth < PAWL_JSON_DEPTH_MAX) {
        struct pawl_failure_view cause = read_failure(read, inner, depth + 1);
        failure.inner = pawl_failure_pack(read->arena, &cause);
    }
    return failure;
}

static struct pawl_parent read_parent(struct read *read, json_t *object)
{
    struct pawl_parent parent = { .op_id = 0 };
    if (!object) return parent;
    parent.app = read_text(read, object, "appID");
    parent.instance = need_text(read, object, "instanceID");
    parent.name = read_text(read, object, "workflowName");
    parent.op_id = (uint32_t)read_number(read, object, "eventId", 0, 0, INT32_MAX);
    parent.gen = (uint32_t)read_number(read, object, "generation", 0, 0, UINT32_MAX);
    parent.inc = read_id(read, object, "incarnation");
    struct pawl_bytes nonce = read_text(read, object, "nonce");
    if (!pawl_bytes_is_absent(nonce)) {
        char digits[24] = "", *end;
        (void)snprintf(digits, sizeof digits, "%.*s", PAWL_BYTES_FMT(nonce));
        parent.nonce = strtoull(digits, &end, 10);
        if (nonce.size == 0 || *end) wrong(read, "nonce", "is not a number");
    }
    return parent;
}

static enum pawl_status read_status(struct read *read, json_t *object)
{
    enum pawl_status status = PAWL_STATUS_RUNNING;
    struct pawl_bytes text = read_text(read, object, "runtimeStatus");
    if (!pawl_bytes_is_absent(text) && !pawl_status_parse(text, &status))
        wrong(read, "runtimeStatus", "is no status");
    return status;
}

/* Whichever name the payload goes by. */
static struct pawl_bytes read_any_payload(struct read *read, json_t *object)
{
    static const char *const keys[] = { "input", "output", "reason", "data" };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct pawl_bytes payload = read_payload(read, object, keys[i]);
        if (!pawl_bytes_is_absent(payload)) return payload;
    }
    return PAWL_BYTES_ABSENT;
}

static struct pawl_bytes read_patches(struct read *read, json_t *object)
{
    json_t *list = json_object_get(object, "patches");
    if (!list) return PAWL_BYTES_ABSENT;
    size_t count = json_array_size(list);
    if (!json_is_array(list) || count > PAWL_TURN_PATCHES_MAX) {
        wrong(read, "patches", "is not a list of at most 256 names");
        return PAWL_BYTES_ABSENT;
    }
    struct pawl_bytes *names = PAWL_ARENA_ARRAY(read->arena, struct pawl_bytes, count);
    for (size_t i = 0; i < count; i++) {
        const json_t *name = json_array_get(list, i);
        names[i] = pawl_bytes_make(json_string_value(name), json_string_length(name));
        if (json_is_string(name) && pawl_name_is_valid(names[i], PAWL_NAME_SIZE_MAX)) continue;
        wrong(read, "patches", "has something that is not a name");
        return PAWL_BYTES_ABSENT;
    }
    return pawl_patches_pack(read->arena, (uint32_t)count, names);
}

static struct pawl_bytes read_event(struct read *read, json_t *object)
{
    if (!json_is_object(object)) {
        wrong(read, "events", "holds something that is no event");
        return PAWL_BYTES_ABSENT;
    }
    struct pawl_history_event event = pawl_history_event_make(read_kind(read, object), 0);
    if (pawl_bytes_is_absent(read_text(read, object, "timestamp")))
        wrong(read, "timestamp", "is missing");
    event.timestamp_ms = read_time(read, object, "timestamp");
    event.id = (int32_t)read_number(read, object, "eventId", -1, -1, INT32_MAX);
    event.ref = (int32_t)read_number(read, object, "scheduledId", -1, -1, INT32_MAX);
    event.name = read_text(read, object, "name");
    event.version = read_text(read, object, "version");
    event.instance = read_text(read, object, "instanceID");
    event.target_app = read_text(read, object, "appID");
    event.status = read_status(read, object);
    event.recursive = read_flag(read, object, "recursive");
    event.rewound = read_flag(read, object, "rewound");
    event.parent_close = read_policy(read, object);
    event.fire_at_ms = read_time(read, object, "fireAt");
    event.start_at_ms = read_time(read, object, "startTime");
    event.payload = read_any_payload(read, object);
    event.failure = read_failure(read, json_object_get(object, "failure"), 0);
    event.parent = read_parent(read, json_object_get(object, "parent"));
    event.execution = read_id(read, object, "executionId");
    event.task_execution = read_id(read, object, "taskExecutionId");
    event.start_within_ms = read_number(read, object, "scheduleToStartMs", 0, 0, INT64_MAX);
    event.start_to_close_ms = read_number(read, object, "startToCloseMs", 0, 0, INT64_MAX);
    event.heartbeat_ms = read_number(read, object, "heartbeatMs", 0, 0, INT64_MAX);
    event.progress = read_payload(read, object, "progress");
    event.extra = read_payload(read, object, "extra");
    event.patches = read_patches(read, object);
    event.rerun_of = read_text(read, object, "rerunParentInstanceID");
    event.tags = read_tags(read, json_object_get(object, "tags"));
    return read->why ? PAWL_BYTES_ABSENT : pawl_history_event_pack(read->arena, &event);
}

/* A list of events; the first one of `key` has the number 0. */
static uint32_t read_list(struct read *read, json_t *list, const char *key,
                          struct pawl_bytes **ret_events)
{
    size_t count = json_array_size(list);
    *ret_events = NULL;
    if (!json_is_array(list)) {
        wrong(read, key, "is missing. " ADVICE);
        return 0;
    }
    if (count > 4u * PAWL_HISTORY_EVENTS_MAX) {
        wrong(read, key, "has more events than a history may have");
        return 0;
    }
    *ret_events = PAWL_ARENA_ARRAY(read->arena, struct pawl_bytes, count);
    for (size_t i = 0; i < count && !read->why; i++) {
        read->event = (long long)i;
        json_t *event = json_array_get(list, i);
        if (read_number(read, event, "index", (int64_t)i, 0, UINT32_MAX) != (int64_t)i)
            wrong(read, "index", "is not its place: events are missing or in disorder");
        (*ret_events)[i] = read_event(read, event);
    }
    read->event = -1;
    return (uint32_t)count;
}

static void read_events(struct read *read, json_t *json, struct pawl_export *export)
{
    json_t *waiting = json_object_get(json, "waiting");
    export->events_count =
        read_list(read, json_object_get(json, "events"), "events", &export->events);
    export->total = (uint32_t)read_number(read, json, "total", export->events_count, 0, UINT32_MAX);
    if (waiting && !read->why)
        export->waiting_count = read_list(read, waiting, "waiting", &export->waiting);
}

/* What is said of the instance besides its events. */
static void read_state(struct read *read, json_t *json, struct pawl_export *export)
{
    export->has_status = json_object_get(json, "runtimeStatus") != NULL;
    export->status = read_status(read, json);
    export->created_ms = read_time(read, json, "createdAt");
    export->started_ms = read_time(read, json, "startedAt");
    export->updated_ms = read_time(read, json, "lastUpdatedAt");
    export->completed_ms = read_time(read, json, "completedAt");
    export->custom_status = read_payload(read, json, "customStatus");
    export->tags = read_tags(read, json_object_get(json, "tags"));
}

static bool read_export(json_t *json, struct pawl_arena *arena, struct pawl_export *ret_export,
                        const char **ret_why)
{
    struct read read = { .arena = arena, .event = -1 };
    *ret_export = (struct pawl_export){ .file = NULL };
    if (json_is_array(json)) {
        *ret_why = "it is a list of events without the instance they belong to. " ADVICE;
        return false;
    }
    if (!json_is_object(json)) {
        *ret_why = "it is not the JSON of a history. " ADVICE;
        return false;
    }
    ret_export->instance = need_text(&read, json, "instanceID");
    ret_export->name = need_text(&read, json, "workflowName");
    ret_export->version = read_text(&read, json, "version");
    ret_export->gen = (uint32_t)read_number(&read, json, "generation", 1, 1, UINT32_MAX);
    (void)need_text(&read, json, "incarnation");
    ret_export->inc = read_id(&read, json, "incarnation");
    if (!read.why && !pawl_name_is_valid(ret_export->instance, PAWL_INSTANCE_ID_SIZE_MAX))
        wrong(&read, "instanceID", "is no instance id");
    if (!read.why && !pawl_name_is_valid(ret_export->name, PAWL_NAME_SIZE_MAX))
        wrong(&read, "workflowName", "is no name of a workflow");
    if (!read.why) read_state(&read, json, ret_export);
    if (!read.why) read_events(&read, json, ret_export);
    *ret_why = read.why;
    return read.why == NULL;
}

/* A tree of JSON takes many times the memory of its text: what no history has so many of is
 * refused before one is made. */
static bool is_modest(struct pawl_bytes text)
{
    size_t objects = 0, values = 0;
    bool in_text = false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (in_text && c == '\\') i++;
        if (c == '"') in_text = !in_text;
        if (in_text) continue;
        objects += c == '{' || c == '[';
        values += c == ',';
    }
    return objects <= PAWL_EXPORT_OBJECTS_MAX && values <= PAWL_EXPORT_VALUES_MAX;
}

bool pawl_export_json_parse(struct pawl_bytes text, struct pawl_arena *arena,
                            struct pawl_export *ret_export, const char **ret_why)
{
    json_error_t error;
    if (!is_modest(text)) {
        *ret_why = "it has more values than any history";
        return false;
    }
    json_t *json = json_loadb((const char *)text.data, text.size, JSON_ALLOW_NUL, &error);
    if (!json) {
        *ret_why = (const char *)pawl_arena_printf(arena, "line %d: it is not JSON (%s). " ADVICE,
                                                   error.line, error.text)
                       .data;
        return false;
    }
    bool good = read_export(json, arena, ret_export, ret_why);
    json_decref(json);
    return good;
}
