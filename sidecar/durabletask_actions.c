/* What workers answer, as the engine's values. Everything comes from somebody's code, so
 * each value is checked here as sdk/frames_decode.c does it for the app stream. */
#include <stdio.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/tags.h"
#include "sidecar/durabletask.h"

/* Failures --------------------------------------------------------------------------------- */

#define CAUSES_MAX 16u

static struct pawl_bytes text_cut(struct pawl_bytes text, size_t size_max)
{
    if (text.size <= size_max) return text;
    size_t size = size_max;
    while (size > 0 && (text.data[size] & 0xc0) == 0x80) size--;
    return pawl_bytes_make(text.data, size);
}

/* Those that are too large are left out: the texts say what has happened. */
static struct pawl_bytes properties_view(struct pawl_durabletask *with,
                                         const Pawl__Failure *failure, size_t *room)
{
    Pawl__Properties properties = PAWL__PROPERTIES__INIT;
    if (failure->n_properties == 0) return PAWL_BYTES_ABSENT;
    properties.items = failure->properties;
    properties.n_items = failure->n_properties;
    struct pawl_bytes packed = pawl_protobuf_pack(with->arena, &properties.base);
    if (packed.size > *room) return PAWL_BYTES_ABSENT;
    *room -= packed.size;
    return packed;
}

/* A failure may be as large as a payload; the rest of a longer text is cut off. */
static struct pawl_failure_view failure_view(struct pawl_durabletask *with,
                                             const Pawl__Failure *failure, uint32_t depth,
                                             size_t *room)
{
    struct pawl_failure_view view = { .present = true };
    struct pawl_bytes type = pawl_protobuf_bytes(failure->type);
    view.type = pawl_durabletask_utf8(with, text_cut(type, PAWL_NAME_SIZE_MAX));
    struct pawl_bytes message = pawl_protobuf_bytes(failure->message);
    view.message = pawl_durabletask_utf8(with, text_cut(message, *room));
    *room -= view.message.size;
    struct pawl_bytes details = pawl_durabletask_text_bytes(failure->stack_trace);
    view.details = pawl_durabletask_utf8(with, text_cut(details, *room));
    *room -= view.details.size;
    view.properties = properties_view(with, failure, room);
    view.non_retriable = failure->non_retriable;
    if (!failure->inner || depth == CAUSES_MAX) return view;
    struct pawl_failure_view inner = failure_view(with, failure->inner, depth + 1, room);
    view.inner = pawl_failure_pack(with->arena, &inner);
    return view;
}

struct pawl_failure_view pawl_durabletask_failure_view(struct pawl_durabletask *with,
                                                       const Pawl__Failure *failure)
{
    size_t room = PAWL_PAYLOAD_SIZE_MAX / 2; /* types and lengths come on top */
    if (!failure) return (struct pawl_failure_view){ .present = false };
    return failure_view(with, failure, 0, &room);
}

/* Actions ---------------------------------------------------------------------------------- */

struct reader {
    struct pawl_durabletask *with;
    struct pawl_bytes instance;
    struct pawl_turn_done *done;
    struct pawl_action *action; /* at hand */
};

static void refuse(struct reader *in, pawl_err err, struct pawl_bytes message)
{
    if (in->done->err != PAWL_OK) return; /* the first mistake says most */
    in->done->err = err;
    in->done->message = message;
}

static void refuse_unknown(struct reader *in)
{
    refuse(in, PAWL_E_INVALID,
           PAWL_BYTES_LITERAL("the worker sent an action of a kind that this sidecar does not "
                              "know"));
}

static struct pawl_bytes read_name(struct reader *in, const char *what, struct pawl_bytes name,
                                   size_t size_max)
{
    if (pawl_name_is_valid(name, size_max)) return name;
    refuse(in, PAWL_E_INVALID,
           pawl_arena_printf(in->with->arena,
                             "%s of an action (%zu bytes): 1 to %zu bytes of UTF-8 without control "
                             "characters are allowed",
                             what, name.size, size_max));
    return PAWL_BYTES_LITERAL("?");
}

static struct pawl_bytes read_name_optional(struct reader *in, const char *what,
                                            struct pawl_bytes name, size_t size_max)
{
    return name.size == 0 ? PAWL_BYTES_ABSENT : read_name(in, what, name, size_max);
}

static struct pawl_bytes read_payload(struct reader *in, const char *what, const Pawl__Text *text)
{
    struct pawl_bytes payload = pawl_durabletask_text_bytes(text);
    if (payload.size <= PAWL_PAYLOAD_SIZE_MAX) return payload;
    refuse(in, PAWL_E_TOO_LARGE,
           pawl_arena_printf(in->with->arena, "%s has %zu bytes; at most %u are allowed", what,
                             payload.size, PAWL_PAYLOAD_SIZE_MAX));
    return PAWL_BYTES_ABSENT;
}

/* The app an action is for; absent: this one. */
static struct pawl_bytes read_target(struct reader *in, ProtobufCBinaryData packed_router)
{
    struct pawl_bytes bytes = pawl_protobuf_bytes(packed_router);
    Pawl__TaskRouter *router = NULL;
    if (in->with->dialect != PAWL_DIALECT_DAPR || bytes.size == 0) return PAWL_BYTES_ABSENT;
    if (pawl_protobuf_unpack(&pawl__task_router__descriptor, in->with->arena, bytes, &router)
        != PAWL_OK) {
        refuse(in, PAWL_E_INVALID, PAWL_BYTES_LITERAL("the router of an action is malformed"));
        return PAWL_BYTES_ABSENT;
    }
    struct pawl_bytes target = pawl_protobuf_bytes(router->target_app);
    if (target.size == 0 || pawl_bytes_is_equal(target, in->with->app)) return PAWL_BYTES_ABSENT;
    return read_name(in, "the target app id", target, PAWL_APP_ID_SIZE_MAX);
}

static void keep_extra(struct reader *in, const Pawl__Extra *extra)
{
    struct pawl_bytes bytes = pawl_protobuf_pack(in->with->arena, &extra->base);
    if (bytes.size > 0) in->action->extra = bytes;
}

/* What could not be passed on is left out: tracing is no reason to fail anything. */
static bool trace_is_valid(const Pawl__TraceContext *trace)
{
    struct pawl_bytes state =
        trace->trace_state ? pawl_protobuf_bytes(trace->trace_state->value) : PAWL_BYTES_ABSENT;
    struct pawl_bytes texts[] = { pawl_protobuf_bytes(trace->trace_parent),
                                  pawl_protobuf_bytes(trace->span_id), state };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i].size > PAWL_TRACE_TEXT_SIZE_MAX || !pawl_utf8_is_valid(texts[i])) return false;
    return texts[0].size > 0;
}

/* As W3C has it: Dapr's Go client tells the ids of trace and span apart. */
static Pawl__TraceContext *trace_copy(struct pawl_durabletask *with,
                                      const Pawl__TraceContext *trace)
{
    enum { TRACE_ID_SIZE = 32, SPAN_ID_SIZE = 16 };
    Pawl__TraceContext *copy = PAWL_ARENA_NEW(with->arena, Pawl__TraceContext);
    *copy = *trace;
    copy->base.n_unknown_fields = 0; /* nothing unknown goes along */
    if (trace->trace_parent.len != TRACE_ID_SIZE || trace->span_id.len != SPAN_ID_SIZE) return copy;
    struct pawl_bytes joined = pawl_arena_printf(
        with->arena, "00-%.*s-%.*s-01", PAWL_BYTES_FMT(pawl_protobuf_bytes(trace->trace_parent)),
        PAWL_BYTES_FMT(pawl_protobuf_bytes(trace->span_id)));
    copy->trace_parent = pawl_durabletask_bytes(with, joined);
    return copy;
}

struct pawl_bytes pawl_durabletask_start_extra(struct pawl_durabletask *with,
                                               const Pawl__TraceContext *trace)
{
    Pawl__Extra extra = PAWL__EXTRA__INIT;
    if (!trace || !trace_is_valid(trace)) return PAWL_BYTES_ABSENT;
    extra.trace = trace_copy(with, trace);
    return pawl_protobuf_pack(with->arena, &extra.base);
}

static Pawl__TraceContext *unpack_trace(struct pawl_durabletask *with, struct pawl_bytes bytes)
{
    Pawl__TraceContext *trace = NULL;
    if (bytes.size == 0
        || pawl_protobuf_unpack(&pawl__trace_context__descriptor, with->arena, bytes, &trace)
               != PAWL_OK
        || !trace_is_valid(trace))
        return NULL;
    return trace_copy(with, trace);
}

/* Of a call: what the action says, else the workflow's. */
static Pawl__TraceContext *read_trace(struct reader *in, ProtobufCBinaryData packed)
{
    Pawl__TraceContext *own = unpack_trace(in->with, pawl_protobuf_bytes(packed));
    return own ? own : unpack_trace(in->with, in->with->trace);
}

/* The same from a field that is something else in Dapr's dialect. */
static Pawl__TraceContext *read_microsofts_trace(struct reader *in, ProtobufCBinaryData packed)
{
    const ProtobufCBinaryData nothing = { 0 };
    return read_trace(in, in->with->dialect == PAWL_DIALECT_MICROSOFT ? packed : nothing);
}

/* NULL: it is none, and the answer is refused. */
static Pawl__Tag *read_tag(struct reader *in, struct pawl_bytes packed)
{
    Pawl__Tag *tag = NULL;
    if (pawl_protobuf_unpack(&pawl__tag__descriptor, in->with->arena, packed, &tag) == PAWL_OK
        && pawl_utf8_is_valid(pawl_protobuf_bytes(tag->key))
        && pawl_utf8_is_valid(pawl_protobuf_bytes(tag->value)))
        return tag;
    refuse(in, PAWL_E_INVALID, PAWL_BYTES_LITERAL("a tag of an action is malformed"));
    return NULL;
}

/* Dapr's workers may ask for the history to go along. To leave it out without a word would be
 * to lose something. */
static void refuse_propagation(struct reader *in)
{
    refuse(in, PAWL_E_INVALID,
           PAWL_BYTES_LITERAL("the workflow passes its history on to what it calls, which this "
                              "sidecar cannot do; pass what is needed in the input"));
}

static void read_schedule(struct reader *in, const Pawl__ScheduleTask *task,
                          ProtobufCBinaryData router)
{
    struct pawl_action *action = in->action;
    action->kind = PAWL_ACTION_ACTIVITY;
    action->name =
        read_name(in, "the activity's name", pawl_protobuf_bytes(task->name), PAWL_NAME_SIZE_MAX);
    action->version =
        read_name_optional(in, "the activity's version", pawl_durabletask_text_name(task->version),
                           PAWL_NAME_SIZE_MAX);
    action->payload = read_payload(in, "the activity's input", task->input);
    Pawl__Extra extra = PAWL__EXTRA__INIT;
    extra.trace = read_microsofts_trace(in, task->trace_or_task_execution);
    if (in->with->dialect == PAWL_DIALECT_DAPR) {
        if (router.len == 0 && task->n_tags_or_router > 0) router = task->tags_or_router[0];
        action->target_app = read_target(in, router);
        action->task_execution =
            pawl_durabletask_uuid(pawl_protobuf_bytes(task->trace_or_task_execution));
        if (task->propagation) refuse_propagation(in);
        keep_extra(in, &extra);
        return;
    }
    extra.tags = PAWL_ARENA_ARRAY(in->with->arena, Pawl__Tag *, task->n_tags_or_router);
    for (size_t i = 0; i < task->n_tags_or_router; i++) {
        Pawl__Tag *tag = read_tag(in, pawl_protobuf_bytes(task->tags_or_router[i]));
        if (tag) extra.tags[extra.n_tags++] = tag;
    }
    keep_extra(in, &extra);
}

/* Field 6: Microsoft's tags; how much of its history goes along, in Dapr's. */
enum { CHILD_EITHER_FIELD = 6 };

static Pawl__SourceInstance *read_retry_parent(struct reader *in, Pawl__SourceInstance *parent)
{
    if (!parent) return NULL;
    parent->base.n_unknown_fields = 0;
    if (!pawl_utf8_is_valid(pawl_protobuf_bytes(parent->instance_id)))
        refuse(in, PAWL_E_INVALID, PAWL_BYTES_LITERAL("the first attempt of a child is no text"));
    return parent;
}

static void add_tag(struct reader *in, struct pawl_tags *tags, const Pawl__Tag *tag)
{
    const char *wrong =
        pawl_tags_add(tags, pawl_protobuf_bytes(tag->key), pawl_protobuf_bytes(tag->value));
    if (wrong)
        refuse(in, PAWL_E_INVALID,
               pawl_arena_printf(in->with->arena, "the tags of a child or detached workflow: %s",
                                 wrong));
}

/* Microsoft's, which are the child's from its beginning. */
static void read_child_tags(struct reader *in, const Pawl__CreateChild *child)
{
    struct pawl_tags tags = { .count = 0 };
    uint32_t cursor = 0;
    for (;;) {
        struct pawl_bytes packed =
            pawl_protobuf_unknown_bytes(&child->base, CHILD_EITHER_FIELD, &cursor);
        if (pawl_bytes_is_absent(packed)) break;
        const Pawl__Tag *tag = read_tag(in, packed);
        if (tag) add_tag(in, &tags, tag);
    }
    in->action->tags = pawl_tags_pack(in->with->arena, &tags);
}

static void read_child(struct reader *in, const Pawl__CreateChild *child,
                       ProtobufCBinaryData router)
{
    struct pawl_action *action = in->action;
    action->kind = PAWL_ACTION_CHILD;
    action->name =
        read_name(in, "the child's name", pawl_protobuf_bytes(child->name), PAWL_NAME_SIZE_MAX);
    action->version = read_name_optional(
        in, "the child's version", pawl_durabletask_text_name(child->version), PAWL_NAME_SIZE_MAX);
    action->payload = read_payload(in, "the child's input", child->input);
    struct pawl_bytes id = pawl_protobuf_bytes(child->instance_id);
    if (id.size == 0)
        id = pawl_arena_printf(in->with->arena, "%.*s:%04x", PAWL_BYTES_FMT(in->instance),
                               (unsigned)action->id);
    action->instance = read_name(in, "the child's instance id", id, PAWL_INSTANCE_ID_SIZE_MAX);
    Pawl__Extra extra = PAWL__EXTRA__INIT;
    extra.trace = read_microsofts_trace(in, child->trace_or_router);
    if (in->with->dialect == PAWL_DIALECT_DAPR) {
        action->target_app = read_target(in, router.len ? router : child->trace_or_router);
        extra.retry_parent = read_retry_parent(in, child->retry_parent);
        if (pawl_protobuf_unknown_varint(&child->base, CHILD_EITHER_FIELD)) refuse_propagation(in);
    } else {
        read_child_tags(in, child);
    }
    keep_extra(in, &extra);
}

static struct pawl_bytes read_instance_tags(struct reader *in, size_t count, Pawl__Tag **from)
{
    struct pawl_tags tags = { .count = 0 };
    for (size_t i = 0; i < count; i++) add_tag(in, &tags, from[i]);
    return pawl_tags_pack(in->with->arena, &tags);
}

static void read_detached(struct reader *in, const Pawl__CreateDetached *detached,
                          ProtobufCBinaryData router)
{
    struct pawl_action *action = in->action;
    if (in->with->dialect != PAWL_DIALECT_DAPR) {
        refuse_unknown(in);
        return;
    }
    action->kind = PAWL_ACTION_DETACHED;
    action->name = read_name(in, "the detached workflow's name",
                             pawl_protobuf_bytes(detached->name), PAWL_NAME_SIZE_MAX);
    action->version =
        read_name_optional(in, "the detached workflow's version",
                           pawl_durabletask_text_name(detached->version), PAWL_NAME_SIZE_MAX);
    action->payload = read_payload(in, "the detached workflow's input", detached->input);
    action->instance =
        read_name(in, "the detached workflow's instance id",
                  pawl_protobuf_bytes(detached->instance_id), PAWL_INSTANCE_ID_SIZE_MAX);
    action->start_at_ms = pawl_durabletask_timestamp_ms(detached->scheduled_start);
    action->tags = read_instance_tags(in, detached->n_tags, detached->tags);
    action->target_app = read_target(in, router);
    Pawl__Extra extra = PAWL__EXTRA__INIT;
    extra.trace = read_trace(in, detached->trace);
    keep_extra(in, &extra);
}

/* What a timer is for, to be shown to a person. */
static struct pawl_bytes timer_name(const Pawl__CreateTimer *timer)
{
    struct pawl_bytes name = pawl_protobuf_bytes(timer->name);
    if (name.size == 0 && timer->origin_case == PAWL__CREATE_TIMER__ORIGIN_EXTERNAL_EVENT)
        name = pawl_protobuf_bytes(timer->external_event->name);
    return pawl_name_is_valid(name, PAWL_NAME_SIZE_MAX) ? name : PAWL_BYTES_ABSENT;
}

static bool timer_is_text(const Pawl__CreateTimer *timer)
{
    const Pawl__TimerOrigin *origin = NULL;
    switch (timer->origin_case) {
    case PAWL__CREATE_TIMER__ORIGIN_CREATE_TIMER: origin = timer->create_timer; break;
    case PAWL__CREATE_TIMER__ORIGIN_EXTERNAL_EVENT: origin = timer->external_event; break;
    case PAWL__CREATE_TIMER__ORIGIN_ACTIVITY_RETRY: origin = timer->activity_retry; break;
    case PAWL__CREATE_TIMER__ORIGIN_CHILD_RETRY: origin = timer->child_retry; break;
    default: break;
    }
    return pawl_utf8_is_valid(pawl_protobuf_bytes(timer->name))
           && (!origin || pawl_utf8_is_valid(pawl_protobuf_bytes(origin->name)));
}

static void read_timer(struct reader *in, const Pawl__CreateTimer *timer)
{
    in->action->kind = PAWL_ACTION_TIMER;
    in->action->fire_at_ms = pawl_durabletask_timestamp_ms(timer->fire_at);
    in->action->name = timer_name(timer);
    /* Some SDKs know one of their timers by its exact time. */
    bool is_exact = !timer->fire_at || timer->fire_at->nanos % 1000000 == 0;
    if (is_exact && timer->name.len == 0
        && timer->origin_case == PAWL__CREATE_TIMER__ORIGIN__NOT_SET)
        return;
    if (!timer_is_text(timer)) {
        refuse(in, PAWL_E_INVALID, PAWL_BYTES_LITERAL("a timer's name or origin is not UTF-8"));
        return;
    }
    Pawl__CreateTimer kept = *timer;
    Pawl__Extra extra = PAWL__EXTRA__INIT;
    if (is_exact) kept.fire_at = NULL;
    kept.base.n_unknown_fields = 0;
    extra.timer = &kept;
    keep_extra(in, &extra);
}

static void read_send_event(struct reader *in, const Pawl__SendEvent *send,
                            ProtobufCBinaryData router)
{
    struct pawl_bytes to =
        send->instance ? pawl_protobuf_bytes(send->instance->instance_id) : PAWL_BYTES_ABSENT;
    in->action->kind = PAWL_ACTION_SEND_EVENT;
    in->action->instance =
        read_name(in, "the instance id of an event", to, PAWL_INSTANCE_ID_SIZE_MAX);
    in->action->name =
        read_name(in, "an event's name", pawl_protobuf_bytes(send->name), PAWL_NAME_SIZE_MAX);
    in->action->payload = read_payload(in, "an event's payload", send->data);
    in->action->target_app = read_target(in, router);
}

static void read_carried(struct reader *in, const Pawl__CompleteWorkflow *complete)
{
    struct pawl_action *action = in->action;
    struct pawl_arena *arena = in->with->arena;
    if (complete->n_carryover_events > PAWL_INBOX_ROWS_MAX) {
        refuse(
            in, PAWL_E_TOO_LARGE,
            PAWL_BYTES_LITERAL("more than 10000 events are carried over to the next generation"));
        return;
    }
    action->carry = PAWL_ARENA_ARRAY(arena, struct pawl_bytes, complete->n_carryover_events);
    for (size_t i = 0; i < complete->n_carryover_events; i++) {
        const Pawl__HistoryEvent *carried = complete->carryover_events[i];
        if (carried->kind_case != PAWL__HISTORY_EVENT__KIND_EVENT_RAISED) {
            refuse(in, PAWL_E_INVALID,
                   PAWL_BYTES_LITERAL("only raised events can be carried over to the next "
                                      "generation"));
            return;
        }
        struct pawl_history_event event = pawl_history_event_make(
            PAWL_EVENT_EVENT_RAISED, pawl_durabletask_timestamp_ms(carried->timestamp));
        event.name =
            read_name(in, "the name of a carried event",
                      pawl_protobuf_bytes(carried->event_raised->name), PAWL_NAME_SIZE_MAX);
        event.payload = read_payload(in, "a carried event", carried->event_raised->input);
        action->carry[action->carry_count++] = pawl_history_event_pack(arena, &event);
    }
}

static void read_complete(struct reader *in, const Pawl__CompleteWorkflow *complete)
{
    struct pawl_action *action = in->action;
    action->payload = read_payload(in, "the workflow's result", complete->result);
    if (complete->status == PAWL_STATUS_CONTINUED_AS_NEW) {
        action->kind = PAWL_ACTION_CONTINUE;
        action->version = read_name_optional(in, "the new version",
                                             pawl_durabletask_text_name(complete->new_version),
                                             PAWL_NAME_SIZE_MAX);
        Pawl__Extra extra = PAWL__EXTRA__INIT;
        extra.new_trace = in->with->trace.size > 0;
        keep_extra(in, &extra);
        read_carried(in, complete);
        return;
    }
    action->kind = PAWL_ACTION_COMPLETE;
    if (complete->status < 0 || complete->status >= PAWL_STATUS_COUNT
        || !pawl_status_is_terminal((enum pawl_status)complete->status)) {
        refuse(in, PAWL_E_INVALID,
               pawl_arena_printf(in->with->arena, "a workflow cannot end with status %d",
                                 complete->status));
        return;
    }
    action->status = (enum pawl_status)complete->status;
    if (action->status == PAWL_STATUS_COMPLETED) return;
    action->failure = pawl_durabletask_failure_view(in->with, complete->failure);
    if (!action->failure.present && action->status == PAWL_STATUS_FAILED)
        action->failure = (struct pawl_failure_view){
            .present = true,
            .type = PAWL_BYTES_LITERAL("WorkflowFailed"),
            .message = PAWL_BYTES_LITERAL("the workflow failed and its worker did not say why")
        };
}

static void read_action(struct reader *in, const Pawl__Action *from)
{
    in->action->id = from->id;
    in->action->ref = -1;
    switch (from->kind_case) {
    case PAWL__ACTION__KIND_SCHEDULE_TASK:
        read_schedule(in, from->schedule_task, from->rewind_or_router);
        break;
    case PAWL__ACTION__KIND_CREATE_CHILD:
        read_child(in, from->create_child, from->rewind_or_router);
        break;
    case PAWL__ACTION__KIND_CREATE_TIMER: read_timer(in, from->create_timer); break;
    case PAWL__ACTION__KIND_SEND_EVENT:
        read_send_event(in, from->send_event, from->rewind_or_router);
        break;
    case PAWL__ACTION__KIND_COMPLETE_WORKFLOW: read_complete(in, from->complete_workflow); return;
    case PAWL__ACTION__KIND_VERSION_NOT_AVAILABLE:
        refuse(in, PAWL_E_VERSION,
               PAWL_BYTES_LITERAL("the worker does not have the version of the workflow that this "
                                  "instance began with; it goes on when one connects that has it"));
        return;
    case PAWL__ACTION__KIND_SEND_ENTITY_MESSAGE:
        refuse(in, PAWL_E_INVALID,
               PAWL_BYTES_LITERAL("the workflow uses an entity, and this sidecar has no entities"));
        return;
    case PAWL__ACTION__KIND_CREATE_DETACHED:
        read_detached(in, from->create_detached, from->rewind_or_router);
        break;
    case PAWL__ACTION__KIND_TERMINATE_WORKFLOW:
        refuse(in, PAWL_E_INVALID,
               PAWL_BYTES_LITERAL("the workflow terminates another workflow, which this sidecar "
                                  "cannot do from workflow code; use a client"));
        return;
    default: refuse_unknown(in); return;
    }
    if (from->id < 0)
        refuse(in, PAWL_E_INVALID,
               PAWL_BYTES_LITERAL("the worker sent an action with a negative "
                                  "id"));
}

/* The end comes last, the others by id: SDKs do not always send them so. */
static bool action_is_before(const Pawl__Action *a, const Pawl__Action *b)
{
    bool a_ends = a->kind_case == PAWL__ACTION__KIND_COMPLETE_WORKFLOW;
    bool b_ends = b->kind_case == PAWL__ACTION__KIND_COMPLETE_WORKFLOW;
    if (a_ends != b_ends) return b_ends;
    return a->id < b->id;
}

static void actions_merge(Pawl__Action **from, Pawl__Action **to, size_t start, size_t middle,
                          size_t end)
{
    size_t left = start, right = middle;
    for (size_t i = start; i < end; i++) {
        bool take_right =
            left == middle || (right < end && action_is_before(from[right], from[left]));
        to[i] = take_right ? from[right++] : from[left++];
    }
}

/* A merge sort, because it is stable and needs no more than twice the room. */
static Pawl__Action **actions_sort(struct pawl_arena *arena, Pawl__Action **actions, size_t count)
{
    bool is_sorted = true;
    for (size_t i = 1; i < count && is_sorted; i++)
        is_sorted = !action_is_before(actions[i], actions[i - 1]);
    if (is_sorted) return actions;
    Pawl__Action **other = PAWL_ARENA_ARRAY(arena, Pawl__Action *, count);
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t start = 0; start < count; start += 2 * width) {
            size_t middle = start + width < count ? start + width : count;
            size_t end = start + 2 * width < count ? start + 2 * width : count;
            actions_merge(actions, other, start, middle, end);
        }
        Pawl__Action **sorted = other;
        other = actions;
        actions = sorted;
    }
    return actions;
}

void pawl_durabletask_turn_done(struct pawl_durabletask *with,
                                const Pawl__WorkflowResponse *response, struct pawl_bytes instance,
                                struct pawl_turn_done *ret_done)
{
    *ret_done = (struct pawl_turn_done){ .instance = instance, .custom_status_set = true };
    struct reader in = { .with = with, .instance = instance, .done = ret_done };
    ret_done->custom_status = pawl_durabletask_text_bytes(response->custom_status);
    if (ret_done->custom_status.size > PAWL_CUSTOM_STATUS_SIZE_MAX)
        refuse(&in, PAWL_E_TOO_LARGE,
               pawl_arena_printf(with->arena,
                                 "the custom status has %zu bytes; at most %u are "
                                 "allowed",
                                 ret_done->custom_status.size, PAWL_CUSTOM_STATUS_SIZE_MAX));
    if (response->n_actions > PAWL_FRAME_ACTIONS_MAX)
        refuse(&in, PAWL_E_TOO_LARGE,
               PAWL_BYTES_LITERAL("the worker sent more actions in one turn than the limit allows "
                                  "(10000)"));
    if (ret_done->err == PAWL_OK) {
        Pawl__Action **sorted = actions_sort(with->arena, response->actions, response->n_actions);
        ret_done->actions = PAWL_ARENA_ARRAY(with->arena, struct pawl_action, response->n_actions);
        ret_done->actions_count = (uint32_t)response->n_actions;
        for (size_t i = 0; i < response->n_actions && ret_done->err == PAWL_OK; i++) {
            in.action = &ret_done->actions[i];
            read_action(&in, sorted[i]);
        }
    }
    if (ret_done->err == PAWL_OK) return;
    ret_done->actions_count = 0;
    ret_done->custom_status_set = false;
    ret_done->custom_status = PAWL_BYTES_ABSENT;
}

/* Which code it ran ------------------------------------------------------------------------ */

static void patches_mismatch(struct pawl_durabletask *with, struct pawl_turn_done *done,
                             struct pawl_bytes recorded, struct pawl_bytes met)
{
    struct pawl_bytes shown = pawl_bytes_is_absent(met) ? PAWL_BYTES_LITERAL("none") : met;
    *done = (struct pawl_turn_done){
        .turn = done->turn,
        .instance = done->instance,
        .err = PAWL_E_NONDETERMINISM,
        .message = pawl_arena_printf(with->arena,
                                     "The workflow code does not match its history, which recorded "
                                     "patch '%.*s'; the patch that the code met there is: %.*s. It "
                                     "goes on when a worker connects that fits.",
                                     PAWL_BYTES_FMT(recorded), PAWL_BYTES_FMT(shown))
    };
}

static bool version_is_valid(const Pawl__WorkflowVersion *version)
{
    struct pawl_bytes name = pawl_protobuf_bytes(version->name);
    if (name.size && !pawl_name_is_valid(name, PAWL_NAME_SIZE_MAX)) return false;
    for (size_t i = 0; i < version->n_patches; i++)
        if (!pawl_name_is_valid(pawl_protobuf_bytes(version->patches[i]), PAWL_NAME_SIZE_MAX))
            return false;
    return true;
}

/* What the history recorded comes first; NULL when it does not. */
static const Pawl__WorkflowVersion *read_version(struct pawl_durabletask *with,
                                                 const Pawl__WorkflowResponse *response,
                                                 struct pawl_turn_done *done)
{
    static const Pawl__WorkflowVersion nothing = PAWL__WORKFLOW_VERSION__INIT;
    struct pawl_bytes bytes = pawl_protobuf_bytes(response->span_or_version);
    Pawl__WorkflowVersion *version = NULL;
    if (bytes.size == 0) return &nothing;
    if (pawl_protobuf_unpack(&pawl__workflow_version__descriptor, with->arena, bytes, &version)
            == PAWL_OK
        && version_is_valid(version))
        return version;
    *done = (struct pawl_turn_done){ .turn = done->turn,
                                     .instance = done->instance,
                                     .err = PAWL_E_INVALID,
                                     .message = PAWL_BYTES_LITERAL(
                                         "the worker sent a version or patch that is no name") };
    return NULL;
}

struct pawl_bytes pawl_durabletask_patches(struct pawl_arena *arena, uint32_t count,
                                           const struct pawl_bytes *events)
{
    struct pawl_bytes *found = PAWL_ARENA_ARRAY(arena, struct pawl_bytes, count);
    struct pawl_history_event event;
    uint32_t found_count = 0;
    size_t size = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (pawl_history_event_kind(events[i]) != PAWL_EVENT_WORKFLOW_STARTED) continue;
        if (pawl_history_event_decode(events[i], &event) != PAWL_OK) continue;
        if (event.patches.size == 0) continue;
        found[found_count++] = event.patches;
        size += event.patches.size;
    }
    uint8_t *joined = pawl_arena_alloc(arena, size);
    size = 0;
    for (uint32_t i = 0; i < found_count; i++) {
        memcpy(joined + size, found[i].data, found[i].size);
        size += found[i].size;
    }
    return pawl_bytes_make(joined, size);
}

void pawl_durabletask_read_code(struct pawl_durabletask *with,
                                const Pawl__WorkflowResponse *response, struct pawl_bytes recorded,
                                struct pawl_turn_done *done)
{
    struct pawl_bytes name;
    size_t cursor = 0, met = 0;
    if (with->dialect != PAWL_DIALECT_DAPR || done->err != PAWL_OK) return;
    const Pawl__WorkflowVersion *version = read_version(with, response, done);
    if (!version) return;
    for (; pawl_patches_next(recorded, &cursor, &name); met++) {
        struct pawl_bytes patch = met < version->n_patches
                                      ? pawl_protobuf_bytes(version->patches[met])
                                      : PAWL_BYTES_ABSENT;
        if (pawl_bytes_is_equal(patch, name)) continue;
        patches_mismatch(with, done, name, patch);
        return;
    }
    size_t news = version->n_patches - met;
    if (news > PAWL_TURN_PATCHES_MAX) {
        done->err = PAWL_E_TOO_LARGE;
        done->actions_count = 0;
        done->message = PAWL_BYTES_LITERAL("more than 256 new patches in one turn");
        return;
    }
    if (version->name.len) done->version = pawl_protobuf_bytes(version->name);
    done->patches = PAWL_ARENA_ARRAY(with->arena, struct pawl_bytes, news);
    for (size_t i = 0; i < news; i++)
        done->patches[done->patches_count++] = pawl_protobuf_bytes(version->patches[met + i]);
}

/* Only what can be read by the next worker. */
static bool span_is_valid(struct pawl_durabletask *with, struct pawl_bytes bytes)
{
    enum { SPAN_SIZE_MAX = 256 };
    Pawl__Span *span = NULL;
    return bytes.size > 0 && bytes.size <= SPAN_SIZE_MAX
           && pawl_protobuf_unpack(&pawl__span__descriptor, with->arena, bytes, &span) == PAWL_OK
           && pawl_utf8_is_valid(pawl_durabletask_text_bytes(span->span_id));
}

void pawl_durabletask_read_span(struct pawl_durabletask *with,
                                const Pawl__WorkflowResponse *response, struct pawl_turn_done *done)
{
    struct pawl_bytes span = pawl_protobuf_bytes(response->span_or_version);
    if (with->dialect != PAWL_DIALECT_MICROSOFT || done->err != PAWL_OK) return;
    if (!span_is_valid(with, span)) return;
    Pawl__Extra extra = PAWL__EXTRA__INIT;
    extra.span = response->span_or_version;
    done->extra = pawl_protobuf_pack(with->arena, &extra.base);
}

void pawl_durabletask_activity_done(struct pawl_durabletask *with,
                                    const Pawl__ActivityResponse *response,
                                    struct pawl_activity_done *ret_done)
{
    ret_done->failure = pawl_durabletask_failure_view(with, response->failure);
    ret_done->payload = PAWL_BYTES_ABSENT;
    if (ret_done->failure.present) return;
    ret_done->payload = pawl_durabletask_text_bytes(response->result);
    if (ret_done->payload.size <= PAWL_PAYLOAD_SIZE_MAX) return;
    ret_done->failure = (struct pawl_failure_view){
        .present = true,
        .non_retriable = true,
        .type = PAWL_BYTES_LITERAL("ResultTooLarge"),
        .message = pawl_arena_printf(with->arena,
                                     "the activity's result has %zu bytes; at most %u are allowed",
                                     ret_done->payload.size, PAWL_PAYLOAD_SIZE_MAX),
    };
    ret_done->payload = PAWL_BYTES_ABSENT;
}
