#include "sdk/patch.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"

#define ADVICE                                                                             \
    "What running instances were told to apply must stay in the code, in the same order: " \
    "put the pawl_patched call back."

static struct pawl_patch *patch_find(const struct pawl_workflow_ctx *ctx, struct pawl_bytes name)
{
    struct pawl_patch *patch = ctx->patches;
    while (patch && !pawl_bytes_is_equal(patch->name, name)) patch = patch->next;
    return patch;
}

static struct pawl_patch *patch_add(struct pawl_workflow_ctx *ctx, struct pawl_bytes name)
{
    struct pawl_patch *patch = pawl_instance_alloc(ctx, &ctx->pool, sizeof *patch);
    if (!patch) return NULL;
    *patch = (struct pawl_patch){ .name = pawl_instance_copy(ctx, &ctx->pool, name) };
    *ctx->patches_end = patch;
    ctx->patches_end = &patch->next;
    return patch;
}

void pawl_patch_turn_begins(struct pawl_workflow_ctx *ctx, struct pawl_bytes patches)
{
    struct pawl_bytes name;
    size_t cursor = 0;
    ctx->turn_is_recorded = ctx->replaying || !pawl_bytes_is_absent(patches);
    while (pawl_patches_next(patches, &cursor, &name)) {
        if (patch_find(ctx, name)) continue;
        struct pawl_patch *patch = patch_add(ctx, name);
        if (!patch) return;
        patch->applies = true;
        if (!ctx->patches_unmet) ctx->patches_unmet = patch;
    }
}

void pawl_patch_turn_ends(struct pawl_workflow_ctx *ctx)
{
    const struct pawl_patch *unmet = ctx->patches_unmet;
    if (!unmet || ctx->given_up != PAWL_OK) return;
    pawl_instance_give_up(
        ctx, PAWL_E_NONDETERMINISM,
        pawl_pool_format(&ctx->turn,
                         "The workflow code does not match its history. Before history event #%u "
                         "it was told to apply patch '%.*s', and the code now does not ask for "
                         "it. %s",
                         ctx->history_index, PAWL_BYTES_FMT(unmet->name), ADVICE));
}

/* Of those that a turn recorded the code asks in the same order. */
static void patch_meet(struct pawl_workflow_ctx *ctx, struct pawl_patch *patch)
{
    PAWL_ASSERT(ctx->patches_unmet != NULL);
    if (patch != ctx->patches_unmet)
        pawl_instance_give_up(
            ctx, PAWL_E_NONDETERMINISM,
            pawl_pool_format(&ctx->turn,
                             "The workflow code does not match its history, which recorded a "
                             "question for patch '%.*s'; at this point the code now asks for "
                             "patch '%.*s'. %s",
                             PAWL_BYTES_FMT(ctx->patches_unmet->name), PAWL_BYTES_FMT(patch->name),
                             ADVICE));
    patch->met = true;
    /* Between them are those that the code asked for, and that were not recorded. */
    do ctx->patches_unmet = ctx->patches_unmet->next;
    while (ctx->patches_unmet && ctx->patches_unmet->met);
}

static void patch_record(struct pawl_workflow_ctx *ctx, struct pawl_bytes name)
{
    if (!ctx->patches_new)
        ctx->patches_new =
            pawl_instance_alloc(ctx, &ctx->turn, PAWL_TURN_PATCHES_MAX * sizeof *ctx->patches_new);
    if (ctx->patches_new_count == PAWL_TURN_PATCHES_MAX)
        pawl_instance_give_up(ctx, PAWL_E_LIMIT,
                              "the workflow asked for more than 256 new patches in one turn");
    ctx->patches_new[ctx->patches_new_count++] = name;
}

bool pawl_patched(struct pawl_workflow_ctx *ctx, const char *name)
{
    PAWL_ASSERT(ctx->inside);
    struct pawl_bytes bytes = pawl_bytes_str(name);
    if (!pawl_name_is_valid(bytes, PAWL_NAME_SIZE_MAX))
        pawl_instance_give_up(ctx, PAWL_E_NONDETERMINISM,
                              "pawl_patched was called with a name that is not 1 to 256 bytes of "
                              "UTF-8 without control characters");
    struct pawl_patch *patch = patch_find(ctx, bytes);
    if (patch && patch->met) return patch->applies;
    if (patch) {
        patch_meet(ctx, patch);
        return true;
    }
    patch = patch_add(ctx, bytes);
    patch->met = true;
    patch->applies = !ctx->turn_is_recorded;
    if (patch->applies) patch_record(ctx, patch->name);
    return patch->applies;
}
