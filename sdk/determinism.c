#include "sdk/determinism.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"

#define ADVICE                                                                                  \
    "Code that running instances still use must keep making the same calls in the same order: " \
    "put the old code back, or give the new code a new version."

/* Names in messages are cut, so that the advice at the end still fits. */
#define SHOWN_SIZE_MAX 100
#define SHOWN(b)                                                  \
    (int)((b).size < SHOWN_SIZE_MAX ? (b).size : SHOWN_SIZE_MAX), \
        (b).size ? (const char *)(b).data : ""

bool pawl_determinism_is_record(enum pawl_event_kind kind)
{
    switch (kind) {
    case PAWL_EVENT_TASK_SCHEDULED:
    case PAWL_EVENT_CHILD_CREATED:
    case PAWL_EVENT_TIMER_CREATED:
    case PAWL_EVENT_EVENT_SENT:
    case PAWL_EVENT_TIMER_CANCELLED: return true;
    default: return false;
    }
}

/* The action that this event recorded, as far as it is compared. */
static struct pawl_action recorded_action(const struct pawl_history_event *event)
{
    struct pawl_action action = { .id = event->id, .name = event->name };
    switch (event->kind) {
    case PAWL_EVENT_TASK_SCHEDULED: action.kind = PAWL_ACTION_ACTIVITY; break;
    case PAWL_EVENT_TIMER_CREATED: action.kind = PAWL_ACTION_TIMER; break;
    case PAWL_EVENT_CHILD_CREATED:
        action.kind = PAWL_ACTION_CHILD;
        action.instance = event->instance;
        break;
    case PAWL_EVENT_EVENT_SENT:
        action.kind = PAWL_ACTION_SEND_EVENT;
        action.instance = event->instance;
        break;
    case PAWL_EVENT_TIMER_CANCELLED:
        action.kind = PAWL_ACTION_CANCEL_TIMER;
        action.id = -1;
        action.ref = event->ref;
        break;
    default: PAWL_UNREACHABLE("not a recorded action");
    }
    return action;
}

static bool is_same(const struct pawl_action *recorded, const struct pawl_action *made)
{
    if (recorded->kind != made->kind || recorded->id != made->id) return false;
    switch (recorded->kind) {
    case PAWL_ACTION_CANCEL_TIMER: return recorded->ref == made->ref;
    case PAWL_ACTION_TIMER:
        /* The reason for a timer is a note that a history may lack. */
        return pawl_bytes_is_absent(recorded->name)
               || pawl_bytes_is_equal(recorded->name, made->name);
    case PAWL_ACTION_ACTIVITY: return pawl_bytes_is_equal(recorded->name, made->name);
    default:
        return pawl_bytes_is_equal(recorded->name, made->name)
               && pawl_bytes_is_equal(recorded->instance, made->instance);
    }
}

/* In the words of an app's author; "" only when there is no memory. */
static const char *describe(struct pawl_workflow_ctx *ctx, const struct pawl_action *action)
{
    const char *text = NULL;
    switch (action->kind) {
    case PAWL_ACTION_ACTIVITY:
        text = pawl_pool_format(&ctx->turn, "a call of activity '%.*s' (action %d)",
                                SHOWN(action->name), action->id);
        break;
    case PAWL_ACTION_CHILD:
        text = pawl_pool_format(&ctx->turn,
                                "the start of child workflow '%.*s' with instance id '%.*s' "
                                "(action %d)",
                                SHOWN(action->name), SHOWN(action->instance), action->id);
        break;
    case PAWL_ACTION_TIMER:
        text = pawl_pool_format(&ctx->turn, "the start of a timer of kind '%.*s' (action %d)",
                                SHOWN(action->name), action->id);
        break;
    case PAWL_ACTION_SEND_EVENT:
        text = pawl_pool_format(&ctx->turn,
                                "the sending of event '%.*s' to instance '%.*s' (action %d)",
                                SHOWN(action->name), SHOWN(action->instance), action->id);
        break;
    case PAWL_ACTION_CANCEL_TIMER:
        text = pawl_pool_format(&ctx->turn, "the cancelling of timer %d", action->ref);
        break;
    case PAWL_ACTION_COMPLETE:
        text = action->status == PAWL_STATUS_COMPLETED ? "the end of the workflow"
                                                       : "the failure of the workflow";
        break;
    case PAWL_ACTION_CONTINUE: text = "continue-as-new"; break;
    }
    return text ? text : "";
}

static void mismatch(struct pawl_workflow_ctx *ctx, const char *message)
{
    pawl_instance_give_up(ctx, PAWL_E_NONDETERMINISM,
                          message ? message : pawl_err_text(PAWL_E_NONDETERMINISM));
}

void pawl_determinism_match(struct pawl_workflow_ctx *ctx, const struct pawl_history_event *event)
{
    if (ctx->given_up != PAWL_OK) return;
    struct pawl_action recorded = recorded_action(event);
    if (ctx->actions_first == ctx->actions_count) {
        mismatch(ctx,
                 pawl_pool_format(&ctx->turn,
                                  "The workflow code does not match its history. History event "
                                  "#%u recorded %s; at this point the code now does nothing "
                                  "and waits. %s",
                                  ctx->history_index, describe(ctx, &recorded), ADVICE));
        return;
    }
    const struct pawl_action *made = &ctx->actions[ctx->actions_first];
    if (is_same(&recorded, made)) {
        ctx->actions_first++;
        return;
    }
    mismatch(ctx, pawl_pool_format(&ctx->turn,
                                   "The workflow code does not match its history. History event "
                                   "#%u recorded %s; at this point the code now does %s. %s",
                                   ctx->history_index, describe(ctx, &recorded),
                                   describe(ctx, made), ADVICE));
}

void pawl_determinism_finish(struct pawl_workflow_ctx *ctx)
{
    if (ctx->given_up != PAWL_OK || ctx->actions_first == ctx->actions_count) return;
    const struct pawl_action *made = &ctx->actions[ctx->actions_first];
    mismatch(ctx, pawl_pool_format(&ctx->turn,
                                   "The workflow code does not match its history. After history "
                                   "event #%u the code now does %s; the history up to event #%u "
                                   "has no record of that. %s",
                                   ctx->actions_made_at[ctx->actions_first], describe(ctx, made),
                                   ctx->history_index, ADVICE));
}
