#include "actors/limit.h"

#include "actors/places.h"
#include "base/bytes.h"
#include "base/mutant.h"

/* Gates ------------------------------------------------------------------------------------ */

static struct pawl_gate *gates_find(const struct pawl_limits *limits, bool is_task,
                                    struct pawl_bytes name)
{
    struct pawl_gate *gate = pawl_map_find(&limits->gates[is_task], name);
    return gate ? gate : limits->gate_for_all[is_task];
}

struct pawl_gate *pawl_limits_gate(struct pawl_node *node, bool is_task, struct pawl_bytes name)
{
    return gates_find(&node->limits, is_task, name);
}

static void gate_add(struct pawl_gate *gate, struct pawl_limit *limit)
{
    PAWL_ASSERT(gate->limits_count < PAWL_GATE_LIMITS_MAX);
    gate->limits[gate->limits_count++] = limit;
}

static bool limit_is_for(const struct pawl_limit *limit, bool is_task, struct pawl_bytes name)
{
    if (limit->rule.is_task != is_task) return false;
    return pawl_bytes_is_absent(limit->rule.name) || pawl_bytes_is_equal(limit->rule.name, name);
}

static struct pawl_gate *gate_new(struct pawl_limits *limits, bool is_task, struct pawl_bytes name)
{
    struct pawl_gate *gate = PAWL_NEW(struct pawl_gate);
    gate->is_task = is_task;
    gate->name = name;
    for (uint32_t i = 0; i < limits->count; i++)
        if (limit_is_for(&limits->items[i], is_task, name)) gate_add(gate, &limits->items[i]);
    return gate;
}

static void gates_make(struct pawl_limits *limits)
{
    for (int is_task = 0; is_task < 2; is_task++)
        limits->gate_for_all[is_task] = gate_new(limits, is_task, PAWL_BYTES_ABSENT);
    for (uint32_t i = 0; i < limits->count; i++) {
        const struct pawl_limit_rule *rule = &limits->items[i].rule;
        struct pawl_map *gates = &limits->gates[rule->is_task];
        if (pawl_bytes_is_absent(rule->name) || pawl_map_find(gates, rule->name)) continue;
        pawl_map_insert(gates, rule->name, gate_new(limits, rule->is_task, rule->name));
    }
}

/* Life ------------------------------------------------------------------------------------- */

static void limit_add(struct pawl_limits *limits, struct pawl_limit_rule rule)
{
    PAWL_ASSERT(rule.max > 0);
    rule.name = pawl_bytes_dup(rule.name);
    if (rule.is_global) limits->global_count++;
    limits->items[limits->count++] = (struct pawl_limit){ .rule = rule, .goal = UINT32_MAX };
}

void pawl_limits_init(struct pawl_node *node)
{
    struct pawl_limits *limits = &node->limits;
    const struct pawl_node_config *config = &node->config;
    uint32_t count_max = config->limits_count + 2;
    limits->items = pawl_mem_alloc(count_max * sizeof *limits->items);
    limits->metrics = pawl_mem_alloc(count_max * sizeof *limits->metrics);
    if (config->turns_in_flight_max)
        limit_add(limits, (struct pawl_limit_rule){ .max = config->turns_in_flight_max });
    if (config->activities_in_flight_max)
        limit_add(limits, (struct pawl_limit_rule){ .is_task = true,
                                                    .max = config->activities_in_flight_max });
    for (uint32_t i = 0; i < config->limits_count; i++) limit_add(limits, config->limits[i]);
    for (int is_task = 0; is_task < 2; is_task++)
        pawl_map_init(&limits->gates[is_task], config->seed);
    gates_make(limits);
}

void pawl_limits_deinit(struct pawl_node *node)
{
    struct pawl_limits *limits = &node->limits;
    for (int is_task = 0; is_task < 2; is_task++) {
        uint32_t cursor = 0;
        for (struct pawl_gate *gate;
             (gate = pawl_map_next(&limits->gates[is_task], &cursor)) != NULL;)
            pawl_mem_free(gate);
        pawl_map_deinit(&limits->gates[is_task]);
        pawl_mem_free(limits->gate_for_all[is_task]);
    }
    for (uint32_t i = 0; i < limits->count; i++) pawl_bytes_free(limits->items[i].rule.name);
    pawl_mem_free(limits->items);
    pawl_mem_free(limits->metrics);
}

/* Passing ---------------------------------------------------------------------------------- */

static uint32_t limit_places(const struct pawl_node *node, const struct pawl_limit *limit)
{
    return limit->rule.is_global ? pawl_places_of(node, limit) : limit->rule.max;
}

bool pawl_gate_is_open(const struct pawl_node *node, const struct pawl_gate *gate)
{
    if (PAWL_MUTANT(LIMIT_IGNORED)) return true;
    for (uint32_t i = 0; i < gate->limits_count; i++)
        if (gate->limits[i]->running >= limit_places(node, gate->limits[i])) return false;
    return true;
}

bool pawl_gate_is_named(const struct pawl_gate *gate)
{
    return !pawl_bytes_is_absent(gate->name);
}

void pawl_gate_wait(struct pawl_node *node, struct pawl_gate *gate)
{
    gate->waiting++;
    if (!gate->is_task && pawl_gate_is_named(gate)) node->limits.turns_held++;
    for (uint32_t i = 0; i < gate->limits_count; i++) gate->limits[i]->waiting++;
}

void pawl_gate_unwait(struct pawl_node *node, struct pawl_gate *gate)
{
    PAWL_ASSERT(gate->waiting > 0);
    gate->waiting--;
    if (!gate->is_task && pawl_gate_is_named(gate)) node->limits.turns_held--;
    for (uint32_t i = 0; i < gate->limits_count; i++) gate->limits[i]->waiting--;
}

void pawl_gate_enter(struct pawl_node *node, struct pawl_gate *gate)
{
    (void)node;
    for (uint32_t i = 0; i < gate->limits_count; i++) {
        gate->limits[i]->running++;
        gate->limits[i]->is_unused = false;
    }
}

void pawl_gate_leave(struct pawl_node *node, struct pawl_gate *gate)
{
    (void)node;
    for (uint32_t i = 0; i < gate->limits_count; i++) {
        PAWL_ASSERT(gate->limits[i]->running > 0);
        gate->limits[i]->running--;
        pawl_places_on_leave(gate->limits[i]);
    }
}

const struct pawl_limit_metrics *pawl_limits_metrics(struct pawl_node *node)
{
    struct pawl_limits *limits = &node->limits;
    for (uint32_t i = 0; i < limits->count; i++) {
        const struct pawl_limit *limit = &limits->items[i];
        limits->metrics[i] = (struct pawl_limit_metrics){ .rule = limit->rule,
                                                          .running = limit->running,
                                                          .waiting = limit->waiting,
                                                          .places = limit_places(node, limit) };
    }
    return limits->metrics;
}
