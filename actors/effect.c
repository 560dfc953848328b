#include "actors/effect.h"

#include <string.h>

#include "actors/node_internal.h"

void pawl_effects_init(struct pawl_effects *effects)
{
    *effects = (struct pawl_effects){ .count = 0 };
    pawl_arena_init(&effects->arena);
}

void pawl_effects_deinit(struct pawl_effects *effects)
{
    pawl_arena_deinit(&effects->arena);
}

struct pawl_effect *pawl_effects_push(struct pawl_effects *effects, enum pawl_effect_type type)
{
    if (effects->count == effects->capacity) {
        uint32_t capacity = effects->capacity ? effects->capacity * 2 : 16;
        struct pawl_effect *items = PAWL_ARENA_ARRAY(&effects->arena, struct pawl_effect, capacity);
        if (effects->count) memcpy(items, effects->items, effects->count * sizeof *items);
        effects->items = items;
        effects->capacity = capacity;
    }
    struct pawl_effect *effect = &effects->items[effects->count++];
    effect->type = type;
    return effect;
}
