/* The end of a generation: from what the code returned to its last action. */
#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "sdk/instance.h"

/* The code passed on the failure of something it called: say what that was. */
static struct pawl_failure passed_on(struct pawl_workflow_ctx *ctx)
{
    const struct pawl_failure *cause = ctx->last_failure;
    const struct pawl_task *task = ctx->last_failed;
    const char *what = task->kind == PAWL_TASK_CHILD ? "child workflow" : "activity";
    const char *message = pawl_pool_format(&ctx->turn, "%s '%.*s' failed: %s", what,
                                           PAWL_BYTES_FMT(task->name), cause->message);
    return (struct pawl_failure){ .type = cause->type,
                                  .message = message ? message : cause->message,
                                  .details = cause->details,
                                  .non_retriable = cause->non_retriable,
                                  .cause = cause };
}

static struct pawl_failure choose_failure(struct pawl_workflow_ctx *ctx)
{
    if (ctx->failure) return *ctx->failure;
    if (ctx->result == PAWL_E_FAILED && ctx->last_failure) return passed_on(ctx);
    return (struct pawl_failure){ .type = pawl_err_name(ctx->result),
                                  .message = pawl_err_text(ctx->result) };
}

static void end_continued(struct pawl_workflow_ctx *ctx)
{
    struct pawl_action action = { .kind = PAWL_ACTION_CONTINUE,
                                  .payload = ctx->continued_input,
                                  .version = ctx->version_asked };
    uint32_t count = 0;
    struct pawl_list *kept = &ctx->kept_events;
    if (ctx->continued_with_events) {
        for (struct pawl_list *link = kept->next; link != kept; link = link->next) count++;
    }
    if (count > 0) {
        action.carry = pawl_instance_alloc(ctx, &ctx->turn, sizeof *action.carry * count);
        if (!action.carry) return;
        for (struct pawl_list *link = kept->next; link != kept; link = link->next) {
            struct pawl_kept_event *event =
                PAWL_CONTAINER_OF(link, struct pawl_kept_event, in_order);
            action.carry[action.carry_count++] = event->encoded;
        }
    }
    pawl_instance_act(ctx, action, NULL);
}

void pawl_instance_end(struct pawl_workflow_ctx *ctx)
{
    PAWL_ASSERT(ctx->returned);
    if (ctx->result == PAWL_OK && ctx->continued) {
        end_continued(ctx);
        return;
    }
    struct pawl_action action = { .kind = PAWL_ACTION_COMPLETE };
    if (ctx->result == PAWL_OK) {
        action.status = PAWL_STATUS_COMPLETED;
        action.payload = ctx->output;
    } else {
        struct pawl_failure failure = choose_failure(ctx);
        action.status = PAWL_STATUS_FAILED;
        action.failure = pawl_failure_to_view(&ctx->turn, &failure);
    }
    pawl_instance_act(ctx, action, NULL);
}
