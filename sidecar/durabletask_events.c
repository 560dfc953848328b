/* The engine's values as messages. */
#include <stdio.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/tags.h"
#include "sidecar/durabletask.h"

/* A message in the arena. init is its INIT macro. */
#define NEW_MESSAGE(with, type, init) ((type *)message_new((with), &(type)init, sizeof(type)))

static void *message_new(struct pawl_durabletask *with, const void *init, size_t size)
{
    return memcpy(pawl_arena_alloc(with->arena, size), init, size);
}

/* Texts ------------------------------------------------------------------------------------ */

struct pawl_bytes pawl_durabletask_utf8(struct pawl_durabletask *with, struct pawl_bytes text)
{
    if (text.size == 0 || pawl_utf8_is_valid(text)) return text;
    with->is_not_text = true;
    uint8_t *copy = pawl_arena_alloc(with->arena, text.size);
    for (size_t i = 0; i < text.size; i++) copy[i] = text.data[i] < 0x80 ? text.data[i] : '?';
    return pawl_bytes_make(copy, text.size);
}

/* protobuf-c's views are writable and are never written to. */
static ProtobufCBinaryData binary(struct pawl_bytes bytes)
{
    union {
        const uint8_t *shown;
        uint8_t *data;
    } view = { bytes.data };
    return (ProtobufCBinaryData){ .len = bytes.size, .data = view.data };
}

ProtobufCBinaryData pawl_durabletask_bytes(struct pawl_durabletask *with, struct pawl_bytes bytes)
{
    return binary(pawl_durabletask_utf8(with, bytes));
}

Pawl__Text *pawl_durabletask_text(struct pawl_durabletask *with, struct pawl_bytes bytes)
{
    if (pawl_bytes_is_absent(bytes)) return NULL;
    Pawl__Text *text = NEW_MESSAGE(with, Pawl__Text, PAWL__TEXT__INIT);
    text->value = pawl_durabletask_bytes(with, bytes);
    return text;
}

struct pawl_bytes pawl_durabletask_text_bytes(const Pawl__Text *text)
{
    if (!text) return PAWL_BYTES_ABSENT;
    if (text->value.len == 0) return PAWL_BYTES_LITERAL("");
    return pawl_bytes_make(text->value.data, text->value.len);
}

struct pawl_bytes pawl_durabletask_text_name(const Pawl__Text *text)
{
    return text ? pawl_protobuf_bytes(text->value) : PAWL_BYTES_ABSENT;
}

/* Times ------------------------------------------------------------------------------------ */

/* 9999-12-31T23:59:59.999Z, the end of the protocol's time. */
#define TIME_MS_MAX INT64_C(253402300799999)

static Pawl__Timestamp *timestamp_of(struct pawl_durabletask *with, int64_t ms)
{
    Pawl__Timestamp *timestamp = NEW_MESSAGE(with, Pawl__Timestamp, PAWL__TIMESTAMP__INIT);
    timestamp->seconds = ms / 1000;
    timestamp->nanos = (int32_t)(ms % 1000) * 1000000;
    return timestamp;
}

Pawl__Timestamp *pawl_durabletask_timestamp(struct pawl_durabletask *with, int64_t ms)
{
    return ms == 0 ? NULL : timestamp_of(with, ms);
}

int64_t pawl_durabletask_timestamp_ms(const Pawl__Timestamp *timestamp)
{
    if (!timestamp || timestamp->seconds < 0) return 0;
    if (timestamp->seconds > TIME_MS_MAX / 1000) return TIME_MS_MAX;
    int64_t nanos = timestamp->nanos;
    if (nanos < 0) nanos = 0;
    if (nanos > 999999999) nanos = 999999999;
    int64_t ms = timestamp->seconds * 1000 + (nanos + 999999) / 1000000;
    return ms > TIME_MS_MAX ? TIME_MS_MAX : ms;
}

/* Ids -------------------------------------------------------------------------------------- */

#define UUID_TEXT_SIZE 36u

struct pawl_bytes pawl_durabletask_uuid_text(struct pawl_durabletask *with, struct pawl_id id)
{
    static const uint8_t parts[] = { 8, 4, 4, 4, 12 };
    char hex[PAWL_ID_TEXT_SIZE];
    if (pawl_id_is_zero(id)) return PAWL_BYTES_ABSENT;
    pawl_id_format(id, hex);
    uint8_t *text = pawl_arena_alloc(with->arena, UUID_TEXT_SIZE);
    size_t from = 0, to = 0;
    for (size_t i = 0; i < sizeof parts; i++) {
        if (i > 0) text[to++] = '-';
        memcpy(text + to, hex + from, parts[i]);
        from += parts[i];
        to += parts[i];
    }
    return pawl_bytes_make(text, UUID_TEXT_SIZE);
}

struct pawl_bytes pawl_durabletask_execution_text(struct pawl_durabletask *with,
                                                  struct pawl_id execution)
{
    if (with->dialect == PAWL_DIALECT_DAPR) return pawl_durabletask_uuid_text(with, execution);
    if (pawl_id_is_zero(execution)) return PAWL_BYTES_ABSENT;
    char *hex = pawl_arena_alloc(with->arena, PAWL_ID_TEXT_SIZE);
    pawl_id_format(execution, hex);
    return pawl_bytes_make(hex, PAWL_ID_TEXT_SIZE - 1);
}

struct pawl_id pawl_durabletask_uuid(struct pawl_bytes text)
{
    char hex[32];
    struct pawl_id id = { { 0 } };
    if (text.size == 0) return id;
    uint32_t count = 0;
    for (size_t i = 0; text.size == 36 && i < 36; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (is_dash != (text.data[i] == '-')) break;
        if (is_dash) continue;
        uint8_t c = text.data[i];
        hex[count++] = (char)(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
    }
    if (count == 32 && pawl_id_parse(pawl_bytes_make(hex, 32), &id)) return id;
    return pawl_hash_id(PAWL_BYTES_LITERAL("task"), text);
}

static Pawl__WorkflowInstance *instance_of(struct pawl_durabletask *with,
                                           struct pawl_bytes instance, struct pawl_id execution)
{
    Pawl__WorkflowInstance *out =
        NEW_MESSAGE(with, Pawl__WorkflowInstance, PAWL__WORKFLOW_INSTANCE__INIT);
    out->instance_id = pawl_durabletask_bytes(with, instance);
    out->execution_id =
        pawl_durabletask_text(with, pawl_durabletask_execution_text(with, execution));
    return out;
}

/* Failures --------------------------------------------------------------------------------- */

static bool property_is_text(const Pawl__Property *property);

/* What a client would refuse, and all of its message with it, is left out. */
static bool value_is_text(const Pawl__Value *value)
{
    if (!value) return true;
    switch (value->kind_case) {
    case PAWL__VALUE__KIND_TEXT: return pawl_utf8_is_valid(pawl_protobuf_bytes(value->text));
    case PAWL__VALUE__KIND_PROPERTIES:
        for (size_t i = 0; i < value->properties->n_items; i++)
            if (!property_is_text(value->properties->items[i])) return false;
        return true;
    case PAWL__VALUE__KIND_LIST:
        for (size_t i = 0; i < value->list->n_values; i++)
            if (!value_is_text(value->list->values[i])) return false;
        return true;
    default: return true;
    }
}

static bool property_is_text(const Pawl__Property *property)
{
    return pawl_utf8_is_valid(pawl_protobuf_bytes(property->key)) && value_is_text(property->value);
}

static void write_properties(struct pawl_durabletask *with, struct pawl_bytes packed,
                             Pawl__Failure *out)
{
    Pawl__Properties *properties = NULL;
    if (packed.size == 0 || with->dialect != PAWL_DIALECT_MICROSOFT) return;
    if (pawl_protobuf_unpack(&pawl__properties__descriptor, with->arena, packed, &properties)
        != PAWL_OK)
        return;
    for (size_t i = 0; i < properties->n_items; i++)
        if (property_is_text(properties->items[i]))
            properties->items[out->n_properties++] = properties->items[i];
    out->properties = properties->items;
}

Pawl__Failure *pawl_durabletask_failure(struct pawl_durabletask *with,
                                        const struct pawl_failure_view *failure)
{
    if (!failure->present) return NULL;
    Pawl__Failure *root = NULL;
    Pawl__Failure **next = &root;
    struct pawl_failure_view view = *failure;
    for (uint32_t depth = 0; view.present && depth < PAWL_PROTOBUF_DEPTH_MAX / 2; depth++) {
        Pawl__Failure *out = NEW_MESSAGE(with, Pawl__Failure, PAWL__FAILURE__INIT);
        out->type = pawl_durabletask_bytes(with, view.type);
        out->message = pawl_durabletask_bytes(with, view.message);
        out->stack_trace = pawl_durabletask_text(with, view.details);
        out->non_retriable = view.non_retriable;
        write_properties(with, view.properties, out);
        *next = out;
        next = &out->inner;
        if (pawl_failure_decode(view.inner, &view) != PAWL_OK) break;
    }
    return root;
}

/* Extra ------------------------------------------------------------------------------------ */

static const Pawl__Extra no_extra = PAWL__EXTRA__INIT;

static const Pawl__Extra *extra_of(struct pawl_durabletask *with, struct pawl_bytes bytes)
{
    Pawl__Extra *extra = NULL;
    if (bytes.size == 0
        || pawl_protobuf_unpack(&pawl__extra__descriptor, with->arena, bytes, &extra) != PAWL_OK)
        return &no_extra;
    return extra;
}

/* The field that is Microsoft's tags and a text of Dapr's. */
static void either_set(struct pawl_durabletask *with, size_t tags_count, Pawl__Tag **tags,
                       struct pawl_bytes dapr_text, size_t *ret_count,
                       ProtobufCBinaryData **ret_values)
{
    if (with->dialect == PAWL_DIALECT_DAPR) {
        if (dapr_text.size == 0) return;
        *ret_values = PAWL_ARENA_NEW(with->arena, ProtobufCBinaryData);
        **ret_values = binary(dapr_text);
        *ret_count = 1;
        return;
    }
    *ret_values = PAWL_ARENA_ARRAY(with->arena, ProtobufCBinaryData, tags_count);
    for (size_t i = 0; i < tags_count; i++)
        (*ret_values)[i] = binary(pawl_protobuf_pack(with->arena, &tags[i]->base));
    *ret_count = tags_count;
}

/* Events ----------------------------------------------------------------------------------- */

static Pawl__Tag **tags_of(struct pawl_durabletask *with, struct pawl_bytes bytes,
                           size_t *ret_count)
{
    struct pawl_tags tags;
    if (pawl_tags_unpack(bytes, &tags) != PAWL_OK) tags.count = 0;
    Pawl__Tag **out = PAWL_ARENA_ARRAY(with->arena, Pawl__Tag *, tags.count);
    for (uint32_t i = 0; i < tags.count; i++) {
        out[i] = NEW_MESSAGE(with, Pawl__Tag, PAWL__TAG__INIT);
        out[i]->key = pawl_durabletask_bytes(with, tags.items[i].key);
        out[i]->value = pawl_durabletask_bytes(with, tags.items[i].value);
    }
    *ret_count = tags.count;
    return out;
}

/* What an execution's calls belong to. After continue as new it is one of its own, else the
 * trace of a workflow that goes on for ever would grow for ever. */
static Pawl__TraceContext *trace_of_start(struct pawl_durabletask *with, const Pawl__Extra *extra,
                                          const struct pawl_history_event *started)
{
    enum { SPAN_BYTES = 8 };
    if (!extra->new_trace) return extra->trace;
    char hex[PAWL_ID_TEXT_SIZE];
    pawl_id_format(started->execution, hex);
    Pawl__TraceContext *trace = NEW_MESSAGE(with, Pawl__TraceContext, PAWL__TRACE_CONTEXT__INIT);
    trace->trace_parent =
        binary(pawl_arena_printf(with->arena, "00-%s-%.*s-01", hex, 2 * SPAN_BYTES, hex));
    return trace;
}

struct pawl_bytes pawl_durabletask_trace(struct pawl_durabletask *with, uint32_t count,
                                         const struct pawl_bytes *events)
{
    struct pawl_history_event event;
    uint32_t i = 0;
    while (i < count && pawl_history_event_kind(events[i]) != PAWL_EVENT_EXECUTION_STARTED) i++;
    if (i == count || pawl_history_event_decode(events[i], &event) != PAWL_OK)
        return PAWL_BYTES_ABSENT;
    const Pawl__TraceContext *trace = trace_of_start(with, extra_of(with, event.extra), &event);
    return trace ? pawl_protobuf_pack(with->arena, &trace->base) : PAWL_BYTES_ABSENT;
}

static void write_started(struct pawl_durabletask *with, struct pawl_bytes instance,
                          const struct pawl_history_event *event, Pawl__HistoryEvent *out)
{
    Pawl__ExecutionStarted *body =
        NEW_MESSAGE(with, Pawl__ExecutionStarted, PAWL__EXECUTION_STARTED__INIT);
    const Pawl__Extra *extra = extra_of(with, event->extra);
    body->name = pawl_durabletask_bytes(with, event->name);
    body->version = pawl_durabletask_text(with, event->version);
    body->input = pawl_durabletask_text(with, event->payload);
    body->instance = instance_of(with, instance, event->execution);
    body->scheduled_start = pawl_durabletask_timestamp(with, event->start_at_ms);
    body->trace = trace_of_start(with, extra, event);
    body->tags = tags_of(with, event->tags, &body->n_tags);
    if (!pawl_bytes_is_absent(event->parent.instance)) {
        body->parent = NEW_MESSAGE(with, Pawl__Parent, PAWL__PARENT__INIT);
        body->parent->task_scheduled_id = (int32_t)event->parent.op_id;
        body->parent->name = pawl_durabletask_text(with, event->parent.name);
        body->parent->instance =
            instance_of(with, event->parent.instance, (struct pawl_id){ { 0 } });
        body->parent->app = pawl_durabletask_bytes(with, event->parent.app);
    }
    out->kind_case = PAWL__HISTORY_EVENT__KIND_EXECUTION_STARTED;
    out->execution_started = body;
}

static void write_completed(struct pawl_durabletask *with, const struct pawl_history_event *event,
                            Pawl__HistoryEvent *out)
{
    out->kind_case = PAWL__HISTORY_EVENT__KIND_EXECUTION_COMPLETED;
    out->execution_completed =
        NEW_MESSAGE(with, Pawl__ExecutionCompleted, PAWL__EXECUTION_COMPLETED__INIT);
    out->execution_completed->status = (int32_t)event->status;
    out->execution_completed->result = pawl_durabletask_text(with, event->payload);
    out->execution_completed->failure = pawl_durabletask_failure(with, &event->failure);
}

static void write_terminated(struct pawl_durabletask *with, const struct pawl_history_event *event,
                             Pawl__HistoryEvent *out)
{
    out->kind_case = PAWL__HISTORY_EVENT__KIND_EXECUTION_TERMINATED;
    out->execution_terminated =
        NEW_MESSAGE(with, Pawl__ExecutionTerminated, PAWL__EXECUTION_TERMINATED__INIT);
    out->execution_terminated->input = pawl_durabletask_text(with, event->payload);
    out->execution_terminated->recurse = event->recursive;
}

/* NULL: it is no call of a rerun, or the dialect does not know them. */
static Pawl__SourceInstance *rerun_parent_of(struct pawl_durabletask *with,
                                             const struct pawl_history_event *event)
{
    if (event->rerun_of.size == 0 || with->dialect != PAWL_DIALECT_DAPR) return NULL;
    Pawl__SourceInstance *parent =
        NEW_MESSAGE(with, Pawl__SourceInstance, PAWL__SOURCE_INSTANCE__INIT);
    parent->instance_id = pawl_durabletask_bytes(with, event->rerun_of);
    return parent;
}

static void write_scheduled(struct pawl_durabletask *with, const struct pawl_history_event *event,
                            Pawl__HistoryEvent *out)
{
    Pawl__TaskScheduled *body = NEW_MESSAGE(with, Pawl__TaskScheduled, PAWL__TASK_SCHEDULED__INIT);
    const Pawl__Extra *extra = extra_of(with, event->extra);
    body->name = pawl_durabletask_bytes(with, event->name);
    body->version = pawl_durabletask_text(with, event->version);
    body->input = pawl_durabletask_text(with, event->payload);
    body->trace = extra->trace;
    either_set(with, extra->n_tags, extra->tags,
               pawl_durabletask_uuid_text(with, event->task_execution),
               &body->n_tags_or_task_execution, &body->tags_or_task_execution);
    body->rerun_parent = rerun_parent_of(with, event);
    out->kind_case = PAWL__HISTORY_EVENT__KIND_TASK_SCHEDULED;
    out->task_scheduled = body;
}

static Pawl__TaskCompleted *completed_of(struct pawl_durabletask *with,
                                         const struct pawl_history_event *event)
{
    Pawl__TaskCompleted *body = NEW_MESSAGE(with, Pawl__TaskCompleted, PAWL__TASK_COMPLETED__INIT);
    body->scheduled_id = event->ref;
    body->result = pawl_durabletask_text(with, event->payload);
    if (with->dialect == PAWL_DIALECT_DAPR)
        body->task_execution = binary(pawl_durabletask_uuid_text(with, event->task_execution));
    return body;
}

static Pawl__TaskFailed *failed_of(struct pawl_durabletask *with,
                                   const struct pawl_history_event *event)
{
    Pawl__TaskFailed *body = NEW_MESSAGE(with, Pawl__TaskFailed, PAWL__TASK_FAILED__INIT);
    body->scheduled_id = event->ref;
    body->failure = pawl_durabletask_failure(with, &event->failure);
    if (with->dialect == PAWL_DIALECT_DAPR)
        body->task_execution = binary(pawl_durabletask_uuid_text(with, event->task_execution));
    return body;
}

static void write_child_created(struct pawl_durabletask *with,
                                const struct pawl_history_event *event, Pawl__HistoryEvent *out)
{
    Pawl__ChildCreated *body = NEW_MESSAGE(with, Pawl__ChildCreated, PAWL__CHILD_CREATED__INIT);
    const Pawl__Extra *extra = extra_of(with, event->extra);
    body->instance_id = pawl_durabletask_bytes(with, event->instance);
    body->name = pawl_durabletask_bytes(with, event->name);
    body->version = pawl_durabletask_text(with, event->version);
    body->input = pawl_durabletask_text(with, event->payload);
    body->trace = extra->trace;
    size_t tags_count = extra->n_tags;
    Pawl__Tag **tags = extra->tags;
    if (event->tags.size) tags = tags_of(with, event->tags, &tags_count);
    Pawl__SourceInstance *source = rerun_parent_of(with, event);
    either_set(with, tags_count, tags,
               source ? pawl_protobuf_pack(with->arena, &source->base) : PAWL_BYTES_ABSENT,
               &body->n_tags_or_rerun_parent, &body->tags_or_rerun_parent);
    if (with->dialect == PAWL_DIALECT_DAPR) body->retry_parent = extra->retry_parent;
    out->kind_case = PAWL__HISTORY_EVENT__KIND_CHILD_CREATED;
    out->child_created = body;
}

static void write_timer_created(struct pawl_durabletask *with,
                                const struct pawl_history_event *event, Pawl__HistoryEvent *out)
{
    Pawl__TimerCreated *body = NEW_MESSAGE(with, Pawl__TimerCreated, PAWL__TIMER_CREATED__INIT);
    body->fire_at = timestamp_of(with, event->fire_at_ms);
    body->rerun_parent = rerun_parent_of(with, event);
    out->kind_case = PAWL__HISTORY_EVENT__KIND_TIMER_CREATED;
    out->timer_created = body;
    const Pawl__CreateTimer *asked = extra_of(with, event->extra)->timer;
    if (asked && asked->fire_at) body->fire_at = asked->fire_at;
    if (!asked || with->dialect != PAWL_DIALECT_DAPR) return;
    body->name = asked->name;
    switch (asked->origin_case) {
    case PAWL__CREATE_TIMER__ORIGIN_CREATE_TIMER:
        body->origin_case = PAWL__TIMER_CREATED__ORIGIN_CREATE_TIMER;
        body->create_timer = asked->create_timer;
        break;
    case PAWL__CREATE_TIMER__ORIGIN_EXTERNAL_EVENT:
        body->origin_case = PAWL__TIMER_CREATED__ORIGIN_EXTERNAL_EVENT;
        body->external_event = asked->external_event;
        break;
    case PAWL__CREATE_TIMER__ORIGIN_ACTIVITY_RETRY:
        body->origin_case = PAWL__TIMER_CREATED__ORIGIN_ACTIVITY_RETRY;
        body->activity_retry = asked->activity_retry;
        break;
    case PAWL__CREATE_TIMER__ORIGIN_CHILD_RETRY:
        body->origin_case = PAWL__TIMER_CREATED__ORIGIN_CHILD_RETRY;
        body->child_retry = asked->child_retry;
        break;
    default: break;
    }
}

static void write_timer_fired(struct pawl_durabletask *with, const struct pawl_history_event *event,
                              Pawl__HistoryEvent *out)
{
    out->kind_case = PAWL__HISTORY_EVENT__KIND_TIMER_FIRED;
    out->timer_fired = NEW_MESSAGE(with, Pawl__TimerFired, PAWL__TIMER_FIRED__INIT);
    out->timer_fired->timer_id = event->ref;
    out->timer_fired->fire_at = timestamp_of(with, event->fire_at_ms);
}

static void write_sent(struct pawl_durabletask *with, const struct pawl_history_event *event,
                       Pawl__HistoryEvent *out)
{
    out->kind_case = PAWL__HISTORY_EVENT__KIND_EVENT_SENT;
    out->event_sent = NEW_MESSAGE(with, Pawl__EventSent, PAWL__EVENT_SENT__INIT);
    out->event_sent->instance_id = pawl_durabletask_bytes(with, event->instance);
    out->event_sent->name = pawl_durabletask_bytes(with, event->name);
    out->event_sent->input = pawl_durabletask_text(with, event->payload);
}

static void write_detached(struct pawl_durabletask *with, const struct pawl_history_event *event,
                           Pawl__HistoryEvent *out)
{
    out->kind_case = PAWL__HISTORY_EVENT__KIND_DETACHED_CREATED;
    out->detached_created = NEW_MESSAGE(with, Pawl__DetachedCreated, PAWL__DETACHED_CREATED__INIT);
    out->detached_created->instance_id = pawl_durabletask_bytes(with, event->instance);
}

static void write_raised(struct pawl_durabletask *with, const struct pawl_history_event *event,
                         Pawl__HistoryEvent *out)
{
    out->kind_case = PAWL__HISTORY_EVENT__KIND_EVENT_RAISED;
    out->event_raised = NEW_MESSAGE(with, Pawl__EventRaised, PAWL__EVENT_RAISED__INIT);
    out->event_raised->name = pawl_durabletask_bytes(with, event->name);
    out->event_raised->input = pawl_durabletask_text(with, event->payload);
}

static Pawl__Noted *noted_of(struct pawl_durabletask *with, const struct pawl_history_event *event)
{
    Pawl__Noted *noted = NEW_MESSAGE(with, Pawl__Noted, PAWL__NOTED__INIT);
    noted->input = pawl_durabletask_text(with, event->payload);
    return noted;
}

static void write_stalled(struct pawl_durabletask *with, const struct pawl_history_event *event,
                          Pawl__HistoryEvent *out)
{
    enum { PATCH_MISMATCH, VERSION_NOT_AVAILABLE, PAYLOAD_SIZE_EXCEEDED };
    out->kind_case = PAWL__HISTORY_EVENT__KIND_EXECUTION_STALLED;
    out->execution_stalled =
        NEW_MESSAGE(with, Pawl__ExecutionStalled, PAWL__EXECUTION_STALLED__INIT);
    out->execution_stalled->description = pawl_durabletask_bytes(with, event->payload);
    out->execution_stalled->reason = PATCH_MISMATCH;
    if (pawl_bytes_is_str(event->name, "VersionNotAvailable"))
        out->execution_stalled->reason = VERSION_NOT_AVAILABLE;
    if (pawl_bytes_is_str(event->name, "PayloadTooLarge"))
        out->execution_stalled->reason = PAYLOAD_SIZE_EXCEEDED;
}

static void write_patches(struct pawl_durabletask *with, struct pawl_bytes patches,
                          Pawl__WorkflowVersion *out)
{
    struct pawl_bytes name;
    size_t cursor = 0, count = 0;
    while (pawl_patches_next(patches, &cursor, &name)) count++;
    out->patches = PAWL_ARENA_ARRAY(with->arena, ProtobufCBinaryData, count);
    for (cursor = 0; pawl_patches_next(patches, &cursor, &name);)
        out->patches[out->n_patches++] = pawl_durabletask_bytes(with, name);
}

static void write_workflow_started(struct pawl_durabletask *with,
                                   struct pawl_durabletask_history *history,
                                   const struct pawl_history_event *event, Pawl__HistoryEvent *out)
{
    struct pawl_bytes span = pawl_protobuf_bytes(extra_of(with, event->extra)->span);
    if (with->dialect == PAWL_DIALECT_MICROSOFT && span.size > 0) history->span = span;
    out->kind_case = PAWL__HISTORY_EVENT__KIND_WORKFLOW_STARTED;
    out->workflow_started = NEW_MESSAGE(with, Pawl__WorkflowStarted, PAWL__WORKFLOW_STARTED__INIT);
    bool says_nothing = event->patches.size == 0 && pawl_bytes_is_absent(event->version);
    if (with->dialect != PAWL_DIALECT_DAPR || says_nothing) return;
    Pawl__WorkflowVersion *version =
        NEW_MESSAGE(with, Pawl__WorkflowVersion, PAWL__WORKFLOW_VERSION__INIT);
    version->name = pawl_durabletask_bytes(with, event->version);
    write_patches(with, event->patches, version);
    out->workflow_started->version = version;
}

/* Who sent it and to whom. Dapr's Python learns its own app id from it. */
static Pawl__TaskRouter *router_of(struct pawl_durabletask *with,
                                   const struct pawl_history_event *event)
{
    Pawl__TaskRouter *router = NEW_MESSAGE(with, Pawl__TaskRouter, PAWL__TASK_ROUTER__INIT);
    bool is_from_other = event->kind == PAWL_EVENT_EXECUTION_STARTED && event->parent.app.size > 0;
    router->source_app = binary(is_from_other ? event->parent.app : with->app);
    router->target_app = binary(is_from_other ? with->app : event->target_app);
    return router;
}

/* False: the protocol has no word for it. */
static bool write_event(struct pawl_durabletask *with, struct pawl_durabletask_history *history,
                        struct pawl_bytes instance, const struct pawl_history_event *event,
                        Pawl__HistoryEvent *out)
{
    switch (event->kind) {
    case PAWL_EVENT_EXECUTION_STARTED:
        history->execution = event->execution;
        write_started(with, instance, event, out);
        return true;
    case PAWL_EVENT_EXECUTION_COMPLETED: write_completed(with, event, out); return true;
    case PAWL_EVENT_EXECUTION_TERMINATED: write_terminated(with, event, out); return true;
    case PAWL_EVENT_TASK_SCHEDULED: write_scheduled(with, event, out); return true;
    case PAWL_EVENT_TASK_COMPLETED:
        out->kind_case = PAWL__HISTORY_EVENT__KIND_TASK_COMPLETED;
        out->task_completed = completed_of(with, event);
        return true;
    case PAWL_EVENT_TASK_FAILED:
        out->kind_case = PAWL__HISTORY_EVENT__KIND_TASK_FAILED;
        out->task_failed = failed_of(with, event);
        return true;
    case PAWL_EVENT_CHILD_CREATED: write_child_created(with, event, out); return true;
    case PAWL_EVENT_CHILD_COMPLETED:
        out->kind_case = PAWL__HISTORY_EVENT__KIND_CHILD_COMPLETED;
        out->child_completed = completed_of(with, event);
        return true;
    case PAWL_EVENT_CHILD_FAILED:
        out->kind_case = PAWL__HISTORY_EVENT__KIND_CHILD_FAILED;
        out->child_failed = failed_of(with, event);
        return true;
    case PAWL_EVENT_TIMER_CREATED: write_timer_created(with, event, out); return true;
    case PAWL_EVENT_TIMER_FIRED: write_timer_fired(with, event, out); return true;
    case PAWL_EVENT_WORKFLOW_STARTED:
        write_workflow_started(with, history, event, out);
        return true;
    case PAWL_EVENT_EVENT_SENT: write_sent(with, event, out); return true;
    case PAWL_EVENT_EVENT_RAISED: write_raised(with, event, out); return true;
    case PAWL_EVENT_DETACHED_CREATED:
        if (with->dialect != PAWL_DIALECT_DAPR) return false;
        write_detached(with, event, out);
        return true;
    case PAWL_EVENT_CONTINUE_AS_NEW:
        out->kind_case = PAWL__HISTORY_EVENT__KIND_CONTINUE_AS_NEW;
        out->continue_as_new = noted_of(with, event);
        return true;
    case PAWL_EVENT_EXECUTION_SUSPENDED:
        history->is_suspended = true;
        out->kind_case = PAWL__HISTORY_EVENT__KIND_EXECUTION_SUSPENDED;
        out->execution_suspended = noted_of(with, event);
        return true;
    case PAWL_EVENT_EXECUTION_RESUMED:
        /* A stalled instance is resumed, too, and some SDKs take that amiss. */
        if (!history->is_suspended) return false;
        history->is_suspended = false;
        out->kind_case = PAWL__HISTORY_EVENT__KIND_EXECUTION_RESUMED;
        out->execution_resumed = noted_of(with, event);
        return true;
    case PAWL_EVENT_EXECUTION_STALLED:
        if (!history->for_clients || with->dialect != PAWL_DIALECT_DAPR) return false;
        write_stalled(with, event, out);
        return true;
    case PAWL_EVENT_EXECUTION_REWOUND: /* a worker that saw it would rewind by itself */
    case PAWL_EVENT_TASK_CANCELLED:    /* what these protocols do not know */
    case PAWL_EVENT_TIMER_CANCELLED: return false;
    }
    return false;
}

static void history_push(struct pawl_durabletask *with, struct pawl_durabletask_history *history,
                         Pawl__HistoryEvent *event)
{
    if (history->count == history->capacity) {
        size_t wanted = history->capacity ? history->capacity * 2 : 16;
        Pawl__HistoryEvent **grown = PAWL_ARENA_ARRAY(with->arena, Pawl__HistoryEvent *, wanted);
        if (history->count) memcpy(grown, history->events, history->count * sizeof *grown);
        history->events = grown;
        history->capacity = wanted;
    }
    history->events[history->count++] = event;
}

pawl_err pawl_durabletask_add_event(struct pawl_durabletask *with,
                                    struct pawl_durabletask_history *history,
                                    struct pawl_bytes instance, struct pawl_bytes bytes)
{
    struct pawl_history_event event;
    if (pawl_history_event_decode(bytes, &event) != PAWL_OK) return PAWL_E_CORRUPT;
    Pawl__HistoryEvent *out = NEW_MESSAGE(with, Pawl__HistoryEvent, PAWL__HISTORY_EVENT__INIT);
    if (!write_event(with, history, instance, &event, out)) return PAWL_OK;
    out->event_id = event.id;
    out->timestamp = timestamp_of(with, event.timestamp_ms);
    if (with->dialect == PAWL_DIALECT_DAPR) out->router = router_of(with, &event);
    history_push(with, history, out);
    return PAWL_OK;
}

/* Activities ------------------------------------------------------------------------------- */

Pawl__ActivityRequest *pawl_durabletask_activity(struct pawl_durabletask *with,
                                                 const struct pawl_activity_item *item)
{
    Pawl__ActivityRequest *out =
        NEW_MESSAGE(with, Pawl__ActivityRequest, PAWL__ACTIVITY_REQUEST__INIT);
    const Pawl__Extra *extra = extra_of(with, item->extra);
    out->name = pawl_durabletask_bytes(with, item->name);
    out->version = pawl_durabletask_text(with, item->version);
    out->input = pawl_durabletask_text(with, item->payload);
    out->instance = instance_of(with, item->instance, (struct pawl_id){ { 0 } });
    out->task_id = item->id;
    out->trace = extra->trace;
    either_set(with, extra->n_tags, extra->tags,
               pawl_durabletask_uuid_text(with, item->task_execution),
               &out->n_tags_or_task_execution, &out->tags_or_task_execution);
    return out;
}

/* Instances -------------------------------------------------------------------------------- */

/* Microsoft's clients do not know STALLED; resuming is what helps, as it does for SUSPENDED. */
static int32_t status_number(const struct pawl_durabletask *with, enum pawl_status status)
{
    bool is_unknown = status == PAWL_STATUS_STALLED && with->dialect == PAWL_DIALECT_MICROSOFT;
    return (int32_t)(is_unknown ? PAWL_STATUS_SUSPENDED : status);
}

Pawl__WorkflowState *pawl_durabletask_state(struct pawl_durabletask *with,
                                            const struct pawl_instance_state *state)
{
    Pawl__WorkflowState *out = NEW_MESSAGE(with, Pawl__WorkflowState, PAWL__WORKFLOW_STATE__INIT);
    out->instance_id = pawl_durabletask_bytes(with, state->instance);
    out->name = pawl_durabletask_bytes(with, state->name);
    out->version = pawl_durabletask_text(with, state->version);
    out->status = status_number(with, state->status);
    out->scheduled_start = pawl_durabletask_timestamp(with, state->start_at_ms);
    out->created = pawl_durabletask_timestamp(with, state->created_ms);
    out->updated = pawl_durabletask_timestamp(with, state->updated_ms);
    out->completed = pawl_durabletask_timestamp(with, state->completed_ms);
    if (with->dialect == PAWL_DIALECT_DAPR)
        out->started = pawl_durabletask_timestamp(with, state->started_ms);
    out->input = pawl_durabletask_text(with, state->input);
    out->output = pawl_durabletask_text(with, state->output);
    out->custom_status = pawl_durabletask_text(with, state->custom_status);
    out->failure = pawl_durabletask_failure(with, &state->failure);
    out->parent_instance_id = pawl_durabletask_text(with, state->parent_instance);
    if (with->dialect == PAWL_DIALECT_DAPR)
        out->parent_app = pawl_durabletask_text(with, state->parent_app);
    out->tags = tags_of(with, state->tags, &out->n_tags);
    return out;
}

uint32_t pawl_durabletask_status_mask(size_t count, const int32_t *statuses)
{
    uint32_t mask = 0;
    for (size_t i = 0; i < count; i++)
        if (statuses[i] >= 0 && statuses[i] < PAWL_STATUS_COUNT) mask |= 1u << statuses[i];
    return mask;
}
