/* Faults: which ones a seed has, and when they strike. */
#include "tests/sim/world.h"

static uint32_t draw_rate(struct pawl_rng *rng, uint32_t max)
{
    if (pawl_rng_below(rng, 2) == 0) return 0;
    uint32_t rate = 1;
    while (rate < max && pawl_rng_below(rng, 4) != 0) rate *= 2;
    return rate < max ? rate : max;
}

/* Swarm: each fault may be off; a storm seed takes one to the extreme. */
static void faults_draw(struct pawl_rng *rng, struct sim_faults *faults)
{
    *faults = (struct sim_faults){
        .node_crash = draw_rate(rng, 60),
        .node_pause = draw_rate(rng, 60),
        .node_leave = draw_rate(rng, 40),
        .app_crash = draw_rate(rng, 100),
        .link_cut = draw_rate(rng, 100),
        .peer_cut = draw_rate(rng, 60),
        .peer_isolate = draw_rate(rng, 30),
        .peer_drop = draw_rate(rng, 50),
        .placement_crash = draw_rate(rng, 60),
        .placement_pause = draw_rate(rng, 60),
        .placement_cut = draw_rate(rng, 60),
        .failover = draw_rate(rng, 60),
        .store_refuse = draw_rate(rng, 50),
        .request_lost = draw_rate(rng, 50),
        .reply_lost = draw_rate(rng, 50),
        .request_late = draw_rate(rng, 30),
        .request_twice = draw_rate(rng, 50),
        .cache_drop = draw_rate(rng, 200),
        .answer_lost = draw_rate(rng, 300),
        .skew_ms_max = draw_rate(rng, 3000),
        .store_ms_max = 1 + (uint32_t)pawl_rng_below(rng, 40),
        .link_ms_max = 1 + (uint32_t)pawl_rng_below(rng, 20),
        .peer_ms_max = 1 + (uint32_t)pawl_rng_below(rng, 40),
        .activity_ms_max = 1 + (uint32_t)pawl_rng_below(rng, 4000),
    };
    if (pawl_rng_below(rng, 3) == 0)
        faults->replica_ms_max = 1 + (uint32_t)pawl_rng_below(rng, 400);
    if (pawl_rng_below(rng, 4) != 0) return;
    uint32_t *storm[] = { &faults->node_crash,   &faults->node_pause,   &faults->node_leave,
                          &faults->app_crash,    &faults->link_cut,     &faults->peer_cut,
                          &faults->peer_isolate, &faults->peer_drop,    &faults->placement_crash,
                          &faults->reply_lost,   &faults->request_late, &faults->cache_drop,
                          &faults->request_twice };
    *storm[pawl_rng_below(rng, sizeof storm / sizeof storm[0])] = 400;
}

/* What only wide worlds have. */
static void faults_draw_wide(struct pawl_rng *rng, struct sim_faults *faults)
{
    faults->node_crash_amid = draw_rate(rng, 4);
    faults->store_cut = draw_rate(rng, 30);
    faults->store_deaf = draw_rate(rng, 30);
    faults->failover_half = draw_rate(rng, 60);
    faults->peer_stall = draw_rate(rng, 20);
    faults->link_stall = draw_rate(rng, 20);
    faults->placement_away = draw_rate(rng, 30);
    faults->drift_permille = draw_rate(rng, 100);
    faults->app_hostile = draw_rate(rng, 100);
    faults->lease_lost = draw_rate(rng, 60);
    if (faults->failover_half && faults->replica_ms_max == 0)
        faults->replica_ms_max = 1 + (uint32_t)pawl_rng_below(rng, 400);
    if (pawl_rng_below(rng, 4) != 0) return;
    uint32_t *storm[] = { &faults->failover,       &faults->failover_half,  &faults->store_refuse,
                          &faults->request_lost,   &faults->store_cut,      &faults->store_deaf,
                          &faults->placement_cut,  &faults->placement_away, &faults->peer_stall,
                          &faults->placement_pause };
    uint32_t *extreme = storm[pawl_rng_below(rng, sizeof storm / sizeof storm[0])];
    *extreme = 300;
    if (faults->replica_ms_max == 0) faults->replica_ms_max = 100;
}

/* Of each app one is always there. */
static uint32_t draw_absent(struct pawl_rng *rng)
{
    uint32_t of_a = UINT32_C(1) << pawl_rng_below(rng, SIM_NODES_OF_A);
    uint32_t of_b =
        UINT32_C(1) << (SIM_NODES_OF_A + pawl_rng_below(rng, SIM_NODES - SIM_NODES_OF_A));
    uint32_t some = (uint32_t)pawl_rng_below(rng, UINT32_C(1) << SIM_NODES);
    return some & ~(of_a | of_b);
}

struct sim_plan sim_plan_draw_narrow(uint64_t seed)
{
    struct sim_plan plan = { .seed = seed, .safety_ms = SIM_SAFETY_MS };
    struct pawl_rng rng;
    pawl_rng_init(&rng, seed ^ UINT64_C(0x706c616e));
    faults_draw(&rng, &plan.faults);
    plan.clients = 1 + (uint32_t)pawl_rng_below(&rng, SIM_ROOTS_MAX);
    plan.faults.app_old = draw_rate(&rng, 300);
    if (pawl_rng_below(&rng, 4) == 0)
        plan.schedules = 1 + (uint32_t)pawl_rng_below(&rng, SIM_SCHEDULES_MAX);
    plan.faults.app_away = draw_rate(&rng, 60);
    if (pawl_rng_below(&rng, 2) == 0) plan.faults.apps_absent = draw_absent(&rng);
    return plan;
}

struct sim_plan sim_plan_draw(uint64_t seed)
{
    struct sim_plan plan = sim_plan_draw_narrow(seed);
    struct pawl_rng rng;
    pawl_rng_init(&rng, seed ^ UINT64_C(0x77696465));
    plan.wide = pawl_rng_below(&rng, 2) == 0;
    if (plan.wide) faults_draw_wide(&rng, &plan.faults);
    return plan;
}

/* What lasts: links and stores that cannot be reached for a while. */
static void node_faults_wide(struct sim *sim, uint32_t target)
{
    struct pawl_rng *rng = &sim->wide_rng;
    const struct sim_faults *faults = &sim->faults;
    struct node *node = &sim->nodes[target];
    if (sim_chance(rng, faults->store_cut)) sim_store_cut(sim, target, sim_draw_ms(rng, 8000));
    if (sim_chance(rng, faults->store_deaf))
        node->store_deaf_ms = sim->now_ms + sim_draw_ms(rng, 8000);
    if (sim_chance(rng, faults->placement_away)) {
        node->placement_cut_ms = sim->now_ms + sim_draw_ms(rng, 20000);
        sim_placement_cut(sim, target);
    }
    if (sim_chance(rng, faults->link_stall)) sim_app_stall(sim, target, sim_draw_ms(rng, 10000));
    uint32_t other = (uint32_t)pawl_rng_below(rng, SIM_NODES);
    if (other != target && sim_chance(rng, faults->peer_stall))
        sim_peer_stall(sim, target, other, sim_draw_ms(rng, 30000));
}

static void store_faults(struct sim *sim, uint32_t app)
{
    const uint32_t all = (UINT32_C(1) << SIM_PARTITIONS) - 1;
    const uint32_t half = (UINT32_C(1) << SIM_PARTITIONS / 2) - 1;
    if (sim_chance(&sim->world, sim->faults.failover)) sim_store_fail_over(sim, app, all);
    if (!sim->is_wide || !sim_chance(&sim->wide_rng, sim->faults.failover_half)) return;
    sim->coverage->half_failovers++;
    sim_store_fail_over(sim, app, pawl_rng_below(&sim->wide_rng, 2) ? half : all & ~half);
}

/* One that stands still already goes on when it was to: were that changed, what came first
 * could wait for longer than what came after it on the same stream. */
static void stand_still(struct sim *sim, int64_t *paused_ms)
{
    int64_t until_ms = sim->now_ms + sim_draw_ms(&sim->world, 6000);
    if (*paused_ms < sim->now_ms) *paused_ms = until_ms;
}

static void node_faults(struct sim *sim, uint32_t target)
{
    struct pawl_rng *rng = &sim->world;
    const struct sim_faults *faults = &sim->faults;
    struct node *node = &sim->nodes[target];
    if (sim_chance(rng, faults->node_crash)) sim_node_crash(sim, target);
    if (sim_chance(rng, faults->node_leave)) sim_node_leave(sim, target);
    if (sim_chance(rng, faults->node_pause) && node->life) {
        sim->coverage->pauses++;
        stand_still(sim, &node->paused_ms);
        sim_limits_on_pause(sim, target);
        sim_runs_disturb(sim, target, node->paused_ms);
    }
    bool is_awake = node->paused_ms <= sim->now_ms;
    if (sim_chance(rng, faults->app_crash) && is_awake) {
        sim->coverage->app_crashes++;
        sim_app_disconnect(sim, target, true);
    }
    if (is_awake && sim_chance(&sim->apps_rng, faults->app_away)) sim_app_stay_away(sim, target);
    if (sim_chance(rng, faults->link_cut) && is_awake) sim_app_disconnect(sim, target, false);
    if (sim_chance(rng, faults->placement_cut)) sim_placement_cut(sim, target);
    uint32_t other = (uint32_t)pawl_rng_below(rng, SIM_NODES);
    if (other == target) return;
    if (sim_chance(rng, faults->peer_cut)) sim_peer_cut(sim, target, other, 0);
    if (sim_chance(rng, faults->peer_isolate))
        sim_peer_cut(sim, target, other, sim_draw_ms(rng, 8000));
}

void sim_faults_happen(struct sim *sim)
{
    sim_check_wake(sim->check);
    for (uint32_t i = 0; i < SIM_NODES && !sim->calm; i++) node_faults(sim, i);
    for (uint32_t i = 0; i < SIM_NODES && !sim->calm && sim->is_wide; i++) node_faults_wide(sim, i);
    for (uint32_t i = 0; i < SIM_APPS && !sim->calm; i++) store_faults(sim, i);
    for (uint32_t i = 0; i < SIM_PLACEMENTS && !sim->calm; i++) {
        if (sim_chance(&sim->world, sim->faults.placement_crash)) sim_placement_crash(sim, i);
        if (sim->is_wide && sim_chance(&sim->wide_rng, sim->faults.lease_lost)) sim_lease_lose(sim);
        if (sim_chance(&sim->world, sim->faults.placement_pause))
            stand_still(sim, &sim->placements[i].paused_ms);
    }
    sim_item_at(sim, sim_item_new(ITEM_FAULTS, 0, 0), sim->now_ms + 1000);
}
