/* Detached workflows, as workflow code starts them. */
#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "pawl/workflow.h"
#include "sdk/instance.h"
#include "sdk/tags.h"

static pawl_err check_text(const char *text, size_t size_max)
{
    bool is_good = !text || pawl_name_is_valid(pawl_bytes_str(text), size_max);
    return is_good ? PAWL_OK : PAWL_E_INVALID;
}

static pawl_err check(const char *name, struct pawl_bytes input,
                      const struct pawl_detached_options *options)
{
    if (!name || check_text(name, PAWL_NAME_SIZE_MAX)) return PAWL_E_INVALID;
    if (check_text(options->version, PAWL_NAME_SIZE_MAX)) return PAWL_E_INVALID;
    if (check_text(options->instance_id, PAWL_INSTANCE_ID_SIZE_MAX)) return PAWL_E_INVALID;
    if (options->app_id && !pawl_app_id_is_valid(pawl_bytes_str(options->app_id)))
        return PAWL_E_INVALID;
    if (options->start_at_ms < 0) return PAWL_E_INVALID;
    return input.size > PAWL_PAYLOAD_SIZE_MAX ? PAWL_E_TOO_LARGE : PAWL_OK;
}

static pawl_err copy_tags(struct pawl_workflow_ctx *ctx,
                          const struct pawl_detached_options *options, struct pawl_bytes *ret_tags)
{
    struct pawl_arena arena;
    struct pawl_bytes packed = PAWL_BYTES_ABSENT;
    pawl_arena_init(&arena);
    const char *wrong =
        pawl_instance_tags_pack(&arena, options->tags_count, options->tags, &packed);
    *ret_tags = PAWL_BYTES_ABSENT;
    bool is_copied = pawl_pool_copy(&ctx->turn, packed, ret_tags);
    pawl_arena_deinit(&arena); /* before the stack may be left for good */
    if (!is_copied) pawl_instance_give_up_for_memory(ctx);
    return wrong ? PAWL_E_INVALID : PAWL_OK;
}

pawl_err pawl_start_detached_workflow(struct pawl_workflow_ctx *ctx, const char *name,
                                      struct pawl_bytes input,
                                      const struct pawl_detached_options *options,
                                      const char **ret_instance_id)
{
    static const struct pawl_detached_options none;
    PAWL_ASSERT(ctx->inside);
    if (!options) options = &none;
    struct pawl_action action = { .kind = PAWL_ACTION_DETACHED };
    pawl_err err = check(name, input, options);
    if (err == PAWL_OK) err = copy_tags(ctx, options, &action.tags);
    if (err != PAWL_OK) return err;

    action.instance =
        options->instance_id
            ? pawl_instance_copy(ctx, &ctx->pool, pawl_bytes_str(options->instance_id))
            : pawl_instance_next_child_id(ctx);
    action.name = pawl_instance_copy(ctx, &ctx->turn, pawl_bytes_str(name));
    action.version = pawl_instance_copy(ctx, &ctx->turn, pawl_bytes_str(options->version));
    action.target_app = pawl_instance_copy(ctx, &ctx->turn, pawl_bytes_str(options->app_id));
    if (!ctx->replaying) action.payload = pawl_instance_copy(ctx, &ctx->turn, input);
    action.start_at_ms = options->start_at_ms;
    pawl_instance_act(ctx, action, NULL);
    if (ret_instance_id) *ret_instance_id = (const char *)action.instance.data;
    return PAWL_OK;
}
