#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "sidecar/config_internal.h"

#define TEXT(bytes) ((const char *)(bytes).data)

/* The last = is the one before the number: a name may have others. */
static bool limit_parse(char *text, struct pawl_config_limit *limit)
{
    char *equals = strrchr(text, '=');
    int64_t max = 0;
    if (!equals || !pawl_config_number_parse(equals + 1, 1, PAWL_LIMIT_PLACES_MAX, &max))
        return false;
    limit->name = pawl_bytes_make(text, (size_t)(equals - text));
    limit->max = (uint32_t)max;
    return pawl_name_is_valid(limit->name, PAWL_NAME_SIZE_MAX);
}

static const struct pawl_config_limit *limit_find(const struct pawl_config *config,
                                                  const struct pawl_config_limit *limit)
{
    for (uint32_t i = 0; i < config->limits_count; i++) {
        const struct pawl_config_limit *other = &config->limits[i];
        if (other->is_task == limit->is_task && other->is_global == limit->is_global
            && pawl_bytes_is_equal(other->name, limit->name))
            return other;
    }
    return NULL;
}

static pawl_err limit_add(struct pawl_config *config, struct pawl_config_limit limit,
                          const char *option, const char **ret_message)
{
    const struct pawl_config_limit *other = limit_find(config, &limit);
    if (other) {
        *ret_message = TEXT(pawl_arena_printf(
            config->arena, "--%s: \"%.*s\" is given twice, with %" PRIu32 " and with %" PRIu32,
            option, PAWL_BYTES_FMT(limit.name), other->max, limit.max));
        return PAWL_E_INVALID;
    }
    if (config->limits_count == PAWL_LIMITS_MAX) {
        *ret_message = TEXT(pawl_arena_printf(
            config->arena, "--%s: at most %u concurrency limits are allowed, of all kinds together",
            option, PAWL_LIMITS_MAX));
        return PAWL_E_INVALID;
    }
    config->limits[config->limits_count++] = limit;
    return PAWL_OK;
}

static pawl_err split_limits(struct pawl_config *config, const struct pawl_config_list *list,
                             const char *option, struct pawl_config_limit like,
                             const char **ret_message)
{
    if (!list->text) return PAWL_OK;
    char *rest =
        (char *)(uintptr_t)(const char *)pawl_arena_printf(config->arena, "%s", list->text).data;
    for (char *text; (text = strsep(&rest, ",")) != NULL;) {
        if (!limit_parse(text, &like))
            return pawl_config_refuse(config, pawl_config_find(option), list->source, text,
                                      ret_message);
        pawl_err err = limit_add(config, like, option, ret_message);
        if (err != PAWL_OK) return err;
    }
    return PAWL_OK;
}

pawl_err pawl_config_finish_limits(struct pawl_config *config, const char **ret_message)
{
    const struct {
        const char *option;
        const struct pawl_config_list *list;
        struct pawl_config_limit like;
    } lists[] = {
        { "turn-limits", &config->turn_limits, { .max = 0 } },
        { "activity-limits", &config->activity_limits, { .is_task = true } },
        { "global-turn-limits", &config->global_turn_limits, { .is_global = true } },
        { "global-activity-limits",
          &config->global_activity_limits,
          { .is_task = true, .is_global = true } },
    };
    config->limits = PAWL_ARENA_ARRAY(config->arena, struct pawl_config_limit, PAWL_LIMITS_MAX + 2);
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        pawl_err err =
            split_limits(config, lists[i].list, lists[i].option, lists[i].like, ret_message);
        if (err != PAWL_OK) return err;
    }
    struct pawl_config_limit of_all[] = {
        { .is_global = true, .max = config->global_turns_max },
        { .is_task = true, .is_global = true, .max = config->global_activities_max },
    };
    for (size_t i = 0; i < sizeof of_all / sizeof of_all[0]; i++)
        if (of_all[i].max) config->limits[config->limits_count++] = of_all[i];
    return PAWL_OK;
}
