#include "sdk/determinism.h"

#include "sdk/recorded.h"

#define ADVICE                                                                                  \
    "Code that running instances still use must keep making the same calls in the same order: " \
    "put the old code back, or give the new code a new version."

static void mismatch(struct pawl_workflow_ctx *ctx, const char *message)
{
    pawl_instance_give_up(ctx, PAWL_E_NONDETERMINISM,
                          message ? message : pawl_err_text(PAWL_E_NONDETERMINISM));
}

void pawl_determinism_match(struct pawl_workflow_ctx *ctx, const struct pawl_history_event *event)
{
    if (ctx->given_up != PAWL_OK) return;
    struct pawl_action recorded = pawl_recorded_action(event);
    const struct pawl_action *made = NULL;
    if (ctx->actions_first < ctx->actions_count) made = &ctx->actions[ctx->actions_first];
    if (made && pawl_recorded_is_same(&recorded, made)) {
        ctx->actions_first++;
        return;
    }
    char recorded_text[PAWL_RECORDED_TEXT_SIZE];
    char made_text[PAWL_RECORDED_TEXT_SIZE] = "nothing and waits";
    pawl_recorded_describe(&recorded, recorded_text);
    if (made) pawl_recorded_describe(made, made_text);
    mismatch(ctx, pawl_pool_format(&ctx->turn,
                                   "The workflow code does not match its history. History event "
                                   "#%u recorded %s; at this point the code now does %s. %s",
                                   ctx->history_index, recorded_text, made_text, ADVICE));
}

void pawl_determinism_finish(struct pawl_workflow_ctx *ctx)
{
    if (ctx->given_up != PAWL_OK || ctx->actions_first == ctx->actions_count) return;
    char made_text[PAWL_RECORDED_TEXT_SIZE];
    pawl_recorded_describe(&ctx->actions[ctx->actions_first], made_text);
    mismatch(ctx, pawl_pool_format(&ctx->turn,
                                   "The workflow code does not match its history. After history "
                                   "event #%u the code now does %s; the history up to event #%u "
                                   "has no record of that. %s",
                                   ctx->actions_made_at[ctx->actions_first], made_text,
                                   ctx->history_index, ADVICE));
}
