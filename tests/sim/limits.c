/* Concurrency limits: what a world is configured with, and that no more run than it says.
 *
 * What counts against a global limit is what sidecars run whom the others have not lost: an
 * activity that was running when its sidecar fell out of somebody's member list, was frozen or
 * could not be reached for long, is not counted from then on (docs/OPERATIONS.md); nor what it
 * begins outside of the list, on places that it may use for a moment yet. */
#include "tests/sim/world.h"

/* A keeper of places that hears nothing from somebody for longer may settle without it. */
#define LONG_CUT_MS 3000

#define SHORT_ACTIVITY_MS 500

static void rule_add(struct limits *limits, struct pawl_limit_rule rule, uint32_t max)
{
    rule.max = 1 + (uint32_t)pawl_rng_below(&limits->rng, max);
    limits->rules[limits->count++] = rule;
}

/* Half of the worlds have limits. */
void sim_limits_init(struct sim *sim)
{
    struct limits *limits = &sim->limits;
    const struct pawl_bytes work = PAWL_BYTES_LITERAL("Work");
    const struct pawl_bytes program = PAWL_BYTES_LITERAL("Program");
    pawl_rng_init(&limits->rng, sim->seed ^ UINT64_C(0x11a17511a175));
    if (pawl_rng_below(&limits->rng, 2)) return;
    if (pawl_rng_below(&limits->rng, 4))
        rule_add(limits,
                 (struct pawl_limit_rule){ .is_task = true, .is_global = true, .name = work }, 5);
    if (pawl_rng_below(&limits->rng, 2))
        rule_add(limits, (struct pawl_limit_rule){ .is_global = true, .name = program }, 3);
    if (pawl_rng_below(&limits->rng, 2))
        rule_add(limits, (struct pawl_limit_rule){ .is_task = true, .is_global = true }, 8);
    if (pawl_rng_below(&limits->rng, 2))
        rule_add(limits, (struct pawl_limit_rule){ .is_task = true, .name = work }, 4);
    if (pawl_rng_below(&limits->rng, 2))
        rule_add(limits, (struct pawl_limit_rule){ .name = program }, 3);
    /* One after the other they are to be done in time. */
    if (limits->count && sim->faults.activity_ms_max > SHORT_ACTIVITY_MS)
        sim->faults.activity_ms_max = SHORT_ACTIVITY_MS;
}

/* What runs ------------------------------------------------------------------------------- */

void sim_limits_clear(struct sim *sim, uint32_t target)
{
    sim->nodes[target].running_count = 0;
}

static void running_remove(struct node *node, struct pawl_id token)
{
    for (uint32_t i = 0; i < node->running_count; i++) {
        if (!pawl_id_is_equal(node->running[i].token, token)) continue;
        node->running[i] = node->running[--node->running_count];
        return;
    }
}

void sim_limits_on_done(struct sim *sim, uint32_t target, struct pawl_id token)
{
    running_remove(&sim->nodes[target], token);
}

/* Nobody can know any more what it runs. */
static void node_touch(struct node *node)
{
    for (uint32_t i = 0; i < node->running_count; i++) node->running[i].is_lost = true;
}

void sim_limits_on_members(struct sim *sim, uint32_t app, const struct pawl_members *members)
{
    for (uint32_t target = 0; target < SIM_NODES; target++) {
        struct node *node = &sim->nodes[target];
        if (!node->life || sim_node_app(target) != app) continue;
        bool is_listed = false;
        for (uint32_t i = 0; i < members->count; i++)
            if (pawl_bytes_is_str(members->items[i].host, node->host)) is_listed = true;
        if (!is_listed) node_touch(node);
        if (members->version < node->listed_version) continue; /* somebody is late with it */
        node->listed_version = members->version;
        node->is_unlisted = !is_listed;
    }
}

void sim_limits_on_pause(struct sim *sim, uint32_t target)
{
    struct node *node = &sim->nodes[target];
    if (node->paused_ms >= sim->now_ms + LONG_CUT_MS) node_touch(node);
}

void sim_limits_on_cut(struct sim *sim, uint32_t target, int64_t for_ms)
{
    struct node *node = &sim->nodes[target];
    if (for_ms < LONG_CUT_MS) return;
    node_touch(node);
    if (sim->now_ms + for_ms > node->cut_ms) node->cut_ms = sim->now_ms + for_ms;
}

/* What must hold --------------------------------------------------------------------------- */

static uint32_t count_at(const struct node *node, bool with_lost)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < node->running_count; i++)
        if (with_lost || !node->running[i].is_lost) count++;
    return count;
}

static void check_rule(const struct sim *sim, uint32_t target, const struct pawl_limit_rule *rule)
{
    uint32_t count = 0;
    if (!rule->is_global) {
        count = count_at(&sim->nodes[target], true);
        PAWL_ASSERT(count <= rule->max);
        return;
    }
    for (uint32_t other = 0; other < SIM_NODES; other++)
        if (sim->nodes[other].life && sim_node_app(other) == sim_node_app(target))
            count += count_at(&sim->nodes[other], false);
    PAWL_ASSERT(count <= rule->max); /* in the whole app */
}

void sim_limits_on_activity(struct sim *sim, uint32_t target, struct pawl_id token)
{
    struct node *node = &sim->nodes[target];
    PAWL_ASSERT(node->running_count < SIM_RUNNING_MAX);
    node->running[node->running_count++] =
        (struct running){ .token = token,
                          .is_lost = sim->now_ms < node->cut_ms || node->is_unlisted };
    sim_runs_on_activity(sim, target, &node->running[node->running_count - 1]);
    for (uint32_t i = 0; i < sim->limits.count; i++)
        if (sim->limits.rules[i].is_task) check_rule(sim, target, &sim->limits.rules[i]);
}

/* Turns are counted by the engine, apart from its limits. */
void sim_limits_on_turn(const struct sim *sim, uint32_t target)
{
    uint64_t count = pawl_node_metrics(sim->nodes[target].node)->turns_running;
    for (uint32_t i = 0; i < sim->limits.count; i++) {
        const struct pawl_limit_rule *rule = &sim->limits.rules[i];
        if (!rule->is_task) PAWL_ASSERT(count <= rule->max);
    }
}
