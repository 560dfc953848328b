#include "sdk/recorded.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/bytes.h"

/* Names in descriptions are cut, so that what is behind them still fits. */
#define SHOWN_SIZE_MAX 100
#define SHOWN(b)                                                  \
    (int)((b).size < SHOWN_SIZE_MAX ? (b).size : SHOWN_SIZE_MAX), \
        (b).size ? (const char *)(b).data : ""

bool pawl_recorded_is_call(enum pawl_event_kind kind)
{
    switch (kind) {
    case PAWL_EVENT_TASK_SCHEDULED:
    case PAWL_EVENT_CHILD_CREATED:
    case PAWL_EVENT_TIMER_CREATED:
    case PAWL_EVENT_EVENT_SENT:
    case PAWL_EVENT_DETACHED_CREATED:
    case PAWL_EVENT_TASK_CANCELLED:
    case PAWL_EVENT_TIMER_CANCELLED: return true;
    default: return false;
    }
}

static enum pawl_action_kind action_kind(enum pawl_event_kind kind)
{
    switch (kind) {
    case PAWL_EVENT_TASK_SCHEDULED: return PAWL_ACTION_ACTIVITY;
    case PAWL_EVENT_TIMER_CREATED: return PAWL_ACTION_TIMER;
    case PAWL_EVENT_TIMER_CANCELLED: return PAWL_ACTION_CANCEL_TIMER;
    case PAWL_EVENT_TASK_CANCELLED: return PAWL_ACTION_CANCEL_ACTIVITY;
    case PAWL_EVENT_CHILD_CREATED: return PAWL_ACTION_CHILD;
    case PAWL_EVENT_EVENT_SENT: return PAWL_ACTION_SEND_EVENT;
    case PAWL_EVENT_DETACHED_CREATED: return PAWL_ACTION_DETACHED;
    case PAWL_EVENT_EXECUTION_COMPLETED: return PAWL_ACTION_COMPLETE;
    case PAWL_EVENT_CONTINUE_AS_NEW: return PAWL_ACTION_CONTINUE;
    default: PAWL_UNREACHABLE("not a recorded action");
    }
}

static enum pawl_event_kind event_kind(enum pawl_action_kind kind)
{
    switch (kind) {
    case PAWL_ACTION_ACTIVITY: return PAWL_EVENT_TASK_SCHEDULED;
    case PAWL_ACTION_TIMER: return PAWL_EVENT_TIMER_CREATED;
    case PAWL_ACTION_CANCEL_TIMER: return PAWL_EVENT_TIMER_CANCELLED;
    case PAWL_ACTION_CANCEL_ACTIVITY: return PAWL_EVENT_TASK_CANCELLED;
    case PAWL_ACTION_CHILD: return PAWL_EVENT_CHILD_CREATED;
    case PAWL_ACTION_SEND_EVENT: return PAWL_EVENT_EVENT_SENT;
    case PAWL_ACTION_DETACHED: return PAWL_EVENT_DETACHED_CREATED;
    case PAWL_ACTION_COMPLETE: return PAWL_EVENT_EXECUTION_COMPLETED;
    case PAWL_ACTION_CONTINUE: break;
    }
    PAWL_UNREACHABLE("continue-as-new leaves no history");
}

struct pawl_action pawl_recorded_action(const struct pawl_history_event *event)
{
    return (struct pawl_action){ .kind = action_kind(event->kind),
                                 .id = event->id,
                                 .ref = event->ref,
                                 .fire_at_ms = event->fire_at_ms,
                                 .start_at_ms = event->start_at_ms,
                                 .status = event->status,
                                 .parent_close = event->parent_close,
                                 .name = event->name,
                                 .version = event->version,
                                 .payload = event->payload,
                                 .target_app = event->target_app,
                                 .instance = event->instance,
                                 .task_execution = event->task_execution,
                                 .extra = event->extra,
                                 .tags = event->tags,
                                 .start_within_ms = event->start_within_ms,
                                 .start_to_close_ms = event->start_to_close_ms,
                                 .heartbeat_ms = event->heartbeat_ms,
                                 .progress = event->progress,
                                 .failure = event->failure };
}

struct pawl_history_event pawl_recorded_event(const struct pawl_action *action, int64_t now_ms)
{
    struct pawl_history_event event = pawl_history_event_make(event_kind(action->kind), now_ms);
    switch (action->kind) {
    case PAWL_ACTION_CANCEL_ACTIVITY:
    case PAWL_ACTION_CANCEL_TIMER: event.ref = action->ref; return event;
    case PAWL_ACTION_COMPLETE:
        event.status = action->status;
        event.payload = action->payload;
        event.failure = action->failure;
        return event;
    default: break;
    }
    event.id = action->id;
    event.name = action->name;
    event.version = action->version;
    event.payload = action->payload;
    event.target_app = action->target_app;
    event.instance = action->instance;
    event.start_at_ms = action->start_at_ms;
    event.parent_close = action->parent_close;
    event.task_execution = action->task_execution;
    event.extra = action->extra;
    event.tags = action->tags;
    event.fire_at_ms = action->fire_at_ms;
    event.start_within_ms = action->start_within_ms;
    event.start_to_close_ms = action->start_to_close_ms;
    event.heartbeat_ms = action->heartbeat_ms;
    event.progress = action->progress;
    return event;
}

/* Comparing ---------------------------------------------------------------------------- */

bool pawl_recorded_is_same(const struct pawl_action *recorded, const struct pawl_action *made)
{
    if (recorded->kind != made->kind) return false;
    switch (recorded->kind) {
    case PAWL_ACTION_CANCEL_ACTIVITY:
    case PAWL_ACTION_CANCEL_TIMER: return recorded->ref == made->ref;
    case PAWL_ACTION_COMPLETE: return recorded->status == made->status;
    case PAWL_ACTION_CONTINUE: return true;
    default: break;
    }
    if (recorded->id != made->id) return false;
    switch (recorded->kind) {
    case PAWL_ACTION_TIMER:
        /* The reason for a timer is a note that a history may lack. */
        return pawl_bytes_is_absent(recorded->name)
               || pawl_bytes_is_equal(recorded->name, made->name);
    /* Whose child, or to whom, is the history's to say: a run that began with another one's
     * has other ids. */
    default: return pawl_bytes_is_equal(recorded->name, made->name);
    }
}

static bool is_same_failure(const struct pawl_failure_view *a, const struct pawl_failure_view *b)
{
    return a->present == b->present && a->non_retriable == b->non_retriable
           && pawl_bytes_is_equal(a->type, b->type) && pawl_bytes_is_equal(a->message, b->message)
           && pawl_bytes_is_equal(a->details, b->details)
           && pawl_bytes_is_equal(a->inner, b->inner);
}

const char *pawl_recorded_difference(const struct pawl_action *recorded,
                                     const struct pawl_action *made)
{
    bool is_end = recorded->kind == PAWL_ACTION_COMPLETE;
    bool is_detached = recorded->kind == PAWL_ACTION_DETACHED;
    bool is_call = recorded->kind == PAWL_ACTION_ACTIVITY || recorded->kind == PAWL_ACTION_CHILD
                   || is_detached;
    if (recorded->kind == PAWL_ACTION_CANCEL_TIMER || recorded->kind == PAWL_ACTION_CANCEL_ACTIVITY)
        return NULL;
    bool is_timer = recorded->kind == PAWL_ACTION_TIMER; /* its payload is a note */
    if (!is_timer && !pawl_bytes_is_equal(recorded->payload, made->payload))
        return is_end    ? "the output is another one"
               : is_call ? "the input is another one"
                         : "the payload is another one";
    if (is_end && !is_same_failure(&recorded->failure, &made->failure))
        return "the failure is another one";
    if (is_timer && recorded->fire_at_ms != made->fire_at_ms)
        return "the timer is due at another time";
    if (is_call && !pawl_bytes_is_equal(recorded->version, made->version))
        return "another version is asked for";
    if (is_call && !pawl_bytes_is_equal(recorded->target_app, made->target_app))
        return "another app is to run it";
    if (!pawl_bytes_is_equal(recorded->instance, made->instance))
        return is_detached ? "the detached workflow has another instance id"
               : is_call   ? "the child has another instance id"
                           : "it goes to another instance";
    if (recorded->parent_close != made->parent_close)
        return "the child has another parent close policy";
    if (recorded->start_at_ms != made->start_at_ms)
        return "the detached workflow starts at another time";
    if (is_detached && !pawl_bytes_is_equal(recorded->tags, made->tags))
        return "the detached workflow has other tags";
    return NULL;
}

void pawl_recorded_describe(const struct pawl_action *action,
                            char ret_text[PAWL_RECORDED_TEXT_SIZE])
{
    char *text = ret_text;
    size_t size = PAWL_RECORDED_TEXT_SIZE;
    switch (action->kind) {
    case PAWL_ACTION_ACTIVITY:
        (void)snprintf(text, size, "a call of activity '%.*s' (action %d)", SHOWN(action->name),
                       action->id);
        return;
    case PAWL_ACTION_CHILD:
        (void)snprintf(text, size,
                       "the start of child workflow '%.*s' with instance id '%.*s' (action %d)",
                       SHOWN(action->name), SHOWN(action->instance), action->id);
        return;
    case PAWL_ACTION_DETACHED:
        (void)snprintf(text, size,
                       "the start of detached workflow '%.*s' with instance id '%.*s' (action %d)",
                       SHOWN(action->name), SHOWN(action->instance), action->id);
        return;
    case PAWL_ACTION_TIMER:
        (void)snprintf(text, size, "the start of a timer of kind '%.*s' (action %d)",
                       SHOWN(action->name), action->id);
        return;
    case PAWL_ACTION_SEND_EVENT:
        (void)snprintf(text, size, "the sending of event '%.*s' to instance '%.*s' (action %d)",
                       SHOWN(action->name), SHOWN(action->instance), action->id);
        return;
    case PAWL_ACTION_CANCEL_TIMER:
        (void)snprintf(text, size, "the cancelling of timer %d", action->ref);
        return;
    case PAWL_ACTION_CANCEL_ACTIVITY:
        (void)snprintf(text, size, "the cancelling of activity %d", action->ref);
        return;
    case PAWL_ACTION_COMPLETE:
        (void)snprintf(text, size, "%s",
                       action->status == PAWL_STATUS_COMPLETED ? "the end of the workflow"
                                                               : "the failure of the workflow");
        return;
    case PAWL_ACTION_CONTINUE: (void)snprintf(text, size, "continue-as-new"); return;
    }
}

/* Turns -------------------------------------------------------------------------------- */

static bool read_event(struct pawl_bytes bytes, struct pawl_history_event *ret_event)
{
    if (pawl_history_event_decode(bytes, ret_event) == PAWL_OK) return true;
    *ret_event = pawl_history_event_make(PAWL_EVENT_EXECUTION_RESUMED, 0);
    return false;
}

/* Failures that the engine gives an instance whose code did not say so: in actors/turn.c
 * and actors/workflow.c. */
static bool is_engine_failure(const struct pawl_failure_view *failure)
{
    return failure->present
           && (pawl_bytes_is_str(failure->type, "PawlLimitExceeded")
               || pawl_bytes_is_str(failure->type, "WorkflowNotRegistered")
               || pawl_bytes_is_str(failure->type, "VersionMismatch"));
}

static bool is_record(enum pawl_event_kind kind)
{
    return pawl_recorded_is_call(kind) || kind == PAWL_EVENT_EXECUTION_COMPLETED
           || kind == PAWL_EVENT_CONTINUE_AS_NEW;
}

bool pawl_recorded_next_turn(const struct pawl_bytes *events, uint32_t events_count, uint32_t from,
                             struct pawl_recorded_turn *ret_turn)
{
    struct pawl_history_event event;
    uint32_t i = from;
    while (i < events_count
           && !(read_event(events[i], &event) && event.kind == PAWL_EVENT_WORKFLOW_STARTED))
        i++;
    if (i == events_count) return false;

    *ret_turn = (struct pawl_recorded_turn){ .first = i, .now_ms = event.timestamp_ms };
    for (i++; i < events_count; i++) {
        read_event(events[i], &event);
        if (event.kind == PAWL_EVENT_EXECUTION_TERMINATED) ret_turn->by_engine = true;
        if (event.kind == PAWL_EVENT_EXECUTION_TERMINATED || is_record(event.kind)
            || event.kind == PAWL_EVENT_WORKFLOW_STARTED)
            break;
    }
    ret_turn->records = i;
    for (; i < events_count; i++) {
        read_event(events[i], &event);
        if (!is_record(event.kind)) break;
        if (event.kind == PAWL_EVENT_EXECUTION_COMPLETED && is_engine_failure(&event.failure))
            ret_turn->by_engine = true;
    }
    ret_turn->end = i;
    return true;
}

bool pawl_recorded_compare(const struct pawl_bytes *events, const struct pawl_recorded_turn *turn,
                           uint32_t actions_count, const struct pawl_action *actions,
                           pawl_divergence_fn *report, void *context)
{
    uint32_t records_count = turn->end - turn->records;
    for (uint32_t i = 0; i < records_count || i < actions_count; i++) {
        struct pawl_divergence divergence = { .index = turn->records + i };
        struct pawl_action recorded = { .kind = 0 };
        const struct pawl_action *made = i < actions_count ? &actions[i] : NULL;
        if (i < records_count) {
            struct pawl_history_event event;
            read_event(events[turn->records + i], &event);
            recorded = pawl_recorded_action(&event);
            pawl_recorded_describe(&recorded, divergence.recorded);
        }
        if (made) pawl_recorded_describe(made, divergence.made);
        divergence.breaks = !made || i >= records_count || !pawl_recorded_is_same(&recorded, made);
        if (!divergence.breaks) divergence.difference = pawl_recorded_difference(&recorded, made);
        if (divergence.breaks || divergence.difference) report(context, &divergence);
        if (divergence.breaks) return false;
    }
    return true;
}
