/* The operator: a person who looks for what has stalled because its workers were lost, and
 * resumes it, in runs where few attempts are allowed. What must hold: everything ends all the
 * same, with the right output. */
#include "tests/sim/world.h"

#define LOOK_EVERY_MS 2000
#define TOKEN_BIT     (UINT64_C(1) << 41)

bool sim_operator_owns(uint64_t token)
{
    return token >= TOKEN_BIT;
}

void sim_operator_init(struct sim *sim, const struct sim_plan *plan)
{
    pawl_rng_init(&sim->operator_rng, plan->seed ^ UINT64_C(0x6f70657261));
    sim->operator_token = TOKEN_BIT;
    /* The others show that innocent ones survive any storm. */
    bool is_strict = pawl_rng_below(&sim->operator_rng, 4) == 0;
    sim->attempts_max =
        is_strict ? 1 + (uint32_t)pawl_rng_below(&sim->operator_rng, 3) : UINT32_MAX;
    if (!is_strict) return;
    sim_item_at(sim, sim_item_new(ITEM_OPERATOR, 0, 0), sim->now_ms + LOOK_EVERY_MS);
}

struct look {
    uint32_t count;
    char instances[SIM_ROOTS_MAX][64];
};

static void look_at(void *context, uint32_t partition, struct pawl_bytes instance,
                    const struct pawl_snapshot *snapshot, uint32_t reminders_count,
                    const struct pawl_reminder *reminders)
{
    struct look *look = context;
    struct pawl_failure_view failure;
    (void)partition;
    (void)reminders_count;
    (void)reminders;
    if (snapshot->metadata.status != PAWL_STATUS_STALLED || look->count == SIM_ROOTS_MAX) return;
    pawl_err err = pawl_failure_decode(snapshot->payloads.failure, &failure);
    PAWL_ASSERT(err == PAWL_OK);
    if (!pawl_bytes_is_str(failure.type, "WorkerLost")) return;
    PAWL_ASSERT(instance.size < sizeof look->instances[0]);
    memcpy(look->instances[look->count], instance.data, instance.size);
    look->instances[look->count++][instance.size] = 0;
}

static void operator_resume(struct sim *sim, uint32_t app, const char *instance)
{
    uint32_t nodes = app == 0 ? SIM_NODES_OF_A : SIM_NODES - SIM_NODES_OF_A;
    uint32_t target =
        (app == 0 ? 0 : SIM_NODES_OF_A) + (uint32_t)pawl_rng_below(&sim->operator_rng, nodes);
    if (!sim->nodes[target].life || sim->nodes[target].paused_ms > sim->now_ms) return;
    struct pawl_request request = { .op = PAWL_REQUEST_RESUME,
                                    .instance = pawl_bytes_str(instance) };
    struct pawl_node_event event = { .type = PAWL_NODE_REQUEST };
    event.request.token = ++sim->operator_token;
    event.request.request = &request;
    sim->coverage->poison_resumed++;
    sim_node_step(sim, target, event);
}

/* Whoever is not resumed, because the sidecar is away or the answer lost, is seen again. */
void sim_operator_step(struct sim *sim)
{
    for (uint32_t app = 0; app < SIM_APPS; app++) {
        struct look look = { .count = 0 };
        pawl_mem_store_visit(sim->shards[app].mem, PAWL_LOAD_PAYLOADS, look_at, &look);
        for (uint32_t i = 0; i < look.count; i++) operator_resume(sim, app, look.instances[i]);
    }
    sim_item_at(sim, sim_item_new(ITEM_OPERATOR, 0, 0), sim->now_ms + LOOK_EVERY_MS);
}
