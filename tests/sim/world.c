/* The world: a queue of things that happen, in virtual time. */
#include "tests/sim/world.h"

#include <stdio.h>

#include "base/hash.h"

bool sim_chance(struct pawl_rng *rng, uint32_t permille)
{
    return pawl_rng_below(rng, 1000) < permille;
}

int64_t sim_draw_ms(struct pawl_rng *rng, uint32_t max_ms)
{
    return 1 + (int64_t)pawl_rng_below(rng, max_ms ? max_ms : 1);
}

struct item *sim_item_new(enum item_kind kind, uint32_t target, uint64_t life)
{
    struct item *item = PAWL_NEW(struct item);
    item->kind = kind;
    item->target = target;
    item->life = life;
    pawl_arena_init(&item->arena);
    return item;
}

void sim_item_free(struct item *item)
{
    pawl_arena_deinit(&item->arena);
    pawl_mem_free(item);
}

void sim_item_at(struct sim *sim, struct item *item, int64_t at_ms)
{
    pawl_heap_insert(&sim->queue, &item->node, at_ms);
}

/* Run ------------------------------------------------------------------------------------------ */

enum target_kind { TARGET_WORLD, TARGET_NODE, TARGET_PLACEMENT };

static enum target_kind item_target(enum item_kind kind)
{
    switch (kind) {
    case ITEM_STORE_REPLY:
    case ITEM_TO_NODE:
    case ITEM_WAKE:
    case ITEM_STORE_BACK:
    case ITEM_NODE_STOP:
    case ITEM_NODE_CRASH:
    case ITEM_PEER_FRAME:
    case ITEM_PEER_DOWN:
    case ITEM_FOLLOWER_WAKE:
    case ITEM_TO_FOLLOWER:
    case ITEM_FOLLOWER_CLOSED: return TARGET_NODE;
    case ITEM_PLACEMENT_WAKE:
    case ITEM_LEASE_REPLY:
    case ITEM_PLACEMENT_OPEN:
    case ITEM_TO_PLACEMENT:
    case ITEM_PLACEMENT_CLOSED: return TARGET_PLACEMENT;
    default: return TARGET_WORLD;
    }
}

static void item_run_at_node(struct sim *sim, struct item *item)
{
    struct node *node = &sim->nodes[item->target];
    switch (item->kind) {
    case ITEM_STORE_REPLY:
        if (sim_store_is_lost(sim, item) || sim_store_is_unheard(sim, item))
            item->reply.err = PAWL_E_UNKNOWN;
        if (item->reply.err == PAWL_E_UNKNOWN) sim->coverage->unknown++;
        sim_node_step(
            sim, item->target,
            (struct pawl_node_event){ .type = PAWL_NODE_STORE_REPLY, .store_reply = &item->reply });
        return;
    case ITEM_WAKE:
        if (item->link != node->wakes) return; /* it has asked for another time since */
        node->wake_ms = 0;
        sim_node_step(sim, item->target, (struct pawl_node_event){ .type = PAWL_NODE_TICK });
        return;
    case ITEM_STORE_BACK:
        sim_node_step(sim, item->target, (struct pawl_node_event){ .type = PAWL_NODE_STORE_BACK });
        return;
    case ITEM_TO_NODE: sim_node_on_frame(sim, item); return;
    case ITEM_NODE_STOP: sim_node_stop(sim, item->target); return;
    case ITEM_NODE_CRASH: sim_node_crash(sim, item->target); return;
    case ITEM_PEER_FRAME: sim_peer_on_frame(sim, item); return;
    case ITEM_PEER_DOWN: sim_peer_on_down(sim, item); return;
    default: sim_follower_on_item(sim, item); return;
    }
}

static void item_run_in_world(struct sim *sim, struct item *item)
{
    switch (item->kind) {
    case ITEM_TO_APP: sim_app_on_frame(sim, item); return;
    case ITEM_NODE_START:
        if (!sim->nodes[item->target].life) sim_node_start(sim, item->target);
        return;
    case ITEM_LEASE_APPLY: sim_lease_apply(sim, item); return;
    case ITEM_PLACEMENT_START: sim_placement_start(sim, item->target); return;
    case ITEM_APP_CONNECT: sim_app_connect(sim, item->target); return;
    case ITEM_APP_RENEW: sim_app_renew(sim, item); return;
    case ITEM_ACTIVITY_END: sim_activity_end(sim, item); return;
    case ITEM_CLIENT:
        if (sim->clients[item->target].attempt == item->life) sim_client_step(sim, item->target);
        return;
    case ITEM_SCHEDULE:
        if (sim->schedules[item->target].attempt == item->life)
            sim_schedule_step(sim, item->target);
        return;
    case ITEM_OPERATOR: sim_operator_step(sim); return;
    case ITEM_WATCHER: sim_watcher_step(sim, item->target, item->life); return;
    case ITEM_FAULTS: sim_faults_happen(sim); return;
    default: PAWL_UNREACHABLE("not an item of the world");
    }
}

/* True: it waits for a target that stands still; behind what waits already, even when it comes
 * in the very moment in which that goes on. */
static bool item_is_deferred(struct sim *sim, struct item *item, int64_t paused_ms)
{
    if (paused_ms < sim->now_ms || item->deferred_ms == paused_ms) return false;
    item->deferred_ms = paused_ms;
    sim_item_at(sim, item, paused_ms);
    return true;
}

/* TO_NODE is of the worker's connection, whose life is another. */
static void item_run(struct sim *sim, struct item *item)
{
    if (item->kind == ITEM_STORE_APPLY) {
        sim_store_apply(sim, item); /* keeps or frees it */
        return;
    }
    switch (item_target(item->kind)) {
    case TARGET_NODE: {
        struct node *node = &sim->nodes[item->target];
        bool is_meant = node->life && (item->kind == ITEM_TO_NODE || node->life == item->life);
        if (is_meant && item_is_deferred(sim, item, node->paused_ms)) return;
        if (is_meant) item_run_at_node(sim, item);
        break;
    }
    case TARGET_PLACEMENT: {
        struct placement *placement = &sim->placements[item->target];
        bool is_meant = placement->life && placement->life == item->life;
        if (is_meant && item_is_deferred(sim, item, placement->paused_ms)) return;
        if (is_meant) sim_placement_on_item(sim, item);
        break;
    }
    case TARGET_WORLD: item_run_in_world(sim, item); break;
    }
    sim_item_free(item);
}

static void sim_init(struct sim *sim, const struct sim_plan *plan)
{
    struct pawl_rng seeds;
    pawl_rng_init(&seeds, plan->seed);
    pawl_rng_init(&sim->world, pawl_rng_next(&seeds));
    pawl_rng_init(&sim->network, pawl_rng_next(&seeds));
    pawl_rng_init(&sim->workload, pawl_rng_next(&seeds));
    pawl_rng_init(&sim->apps_rng, pawl_rng_next(&seeds));
    pawl_rng_init(&sim->wide_rng, pawl_rng_next(&seeds));
    sim->now_ms = SIM_START_MS;
    pawl_heap_init(&sim->queue);
    struct pawl_mem *mems[SIM_APPS];
    for (uint32_t i = 0; i < SIM_APPS; i++) {
        sim_store_init(sim, i);
        mems[i] = sim->shards[i].mem;
    }
    sim->check = sim_check_new(mems);
    sim->faults = plan->faults;
    sim_operator_init(sim, plan);
    sim_limits_init(sim);
    sim_hostile_init(&sim->hostile);
    for (uint32_t i = 0; i < SIM_PLACEMENTS; i++) sim_placement_start(sim, i);
    for (uint32_t i = 0; i < SIM_NODES; i++) {
        pawl_effects_init(&sim->nodes[i].effects);
        pawl_list_init(&sim->nodes[i].app.held);
        pawl_arena_init(&sim->nodes[i].app.past);
        sim_node_start(sim, i);
    }
    sim->clients_count = plan->clients;
    for (uint32_t i = 0; i < sim->clients_count; i++) {
        struct client *client = &sim->clients[i];
        struct pawl_arena arena;
        pawl_arena_init(&arena);
        uint32_t app = pawl_rng_below(&sim->workload, 3) == 0;
        snprintf(client->instance, sizeof client->instance, "%s%u", sim_app_name(app), i);
        client->seed = pawl_rng_next(&sim->workload) >> 8;
        client->will_suspend = pawl_rng_below(&sim->workload, 5) == 0;
        client->will_terminate = pawl_rng_below(&sim->workload, 10) == 0;
        client->will_wait = client->will_suspend || pawl_rng_below(&sim->workload, 3) == 0;
        client->through_other_app = pawl_rng_below(&sim->workload, 4) == 0;
        client->attempt = i;
        (void)sim_program_expected(&arena, client->seed, &client->events_wanted);
        sim_client_draw_end(client, plan->seed, i);
        sim_client_draw_signals(client, plan->seed, i);
        sim_client_draw_rerun(client, plan->seed, i);
        sim_client_draw_breaks(client, plan->seed, i);
        sim_client_draw_import(client, plan->seed, i);
        pawl_arena_deinit(&arena);
        sim_client_again(sim, i, sim_draw_ms(&sim->workload, SIM_SAFETY_MS / 2));
    }
    sim_schedules_init(sim, plan);
    sim_watchers_init(sim, plan);
    sim_item_at(sim, sim_item_new(ITEM_FAULTS, 0, 0), sim->now_ms + 1000);
}

void sim_until(struct sim *sim, int64_t end_ms, bool stop_when_finished)
{
    uint64_t events = 0;
    for (;;) {
        struct pawl_heap_node *next = pawl_heap_peek(&sim->queue);
        if (!next || next->due_ms > end_ms) break;
        struct item *item = PAWL_CONTAINER_OF(next, struct item, node);
        pawl_heap_remove(&sim->queue, next);
        sim->now_ms = item->node.due_ms;
        sim->trace =
            (sim->trace ^ ((uint64_t)sim->now_ms * 31 + (uint64_t)item->kind * 7 + item->target))
            * UINT64_C(1099511628211);
        item_run(sim, item);
        if (!stop_when_finished || ++events % 512) continue;
        struct pawl_arena arena;
        struct pawl_bytes why;
        pawl_arena_init(&arena);
        bool is_finished = sim_check_is_finished(sim->check, &arena, &why)
                           && sim_nodes_are_idle(sim, &arena, &why);
        for (uint32_t i = 0; i < sim->clients_count; i++)
            is_finished = is_finished && sim->clients[i].state == CLIENT_DONE;
        for (uint32_t i = 0; i < sim->schedules_count; i++)
            is_finished = is_finished && sim->schedules[i].state == SCHEDULE_DONE;
        pawl_arena_deinit(&arena);
        if (is_finished) return;
    }
    sim->now_ms = end_ms;
}

static void sim_deinit(struct sim *sim)
{
    for (struct pawl_heap_node *node; (node = pawl_heap_peek(&sim->queue)) != NULL;) {
        pawl_heap_remove(&sim->queue, node);
        sim_item_free(PAWL_CONTAINER_OF(node, struct item, node));
    }
    for (uint32_t i = 0; i < sim->clients_count; i++) pawl_buf_deinit(&sim->clients[i].exported);
    pawl_heap_deinit(&sim->queue);
    for (uint32_t i = 0; i < SIM_NODES; i++) {
        pawl_node_free(sim->nodes[i].node);
        pawl_follower_free(sim->nodes[i].follower);
        pawl_effects_deinit(&sim->nodes[i].effects);
        sim_app_drop_all(&sim->nodes[i].app);
        pawl_arena_deinit(&sim->nodes[i].app.past);
    }
    for (uint32_t i = 0; i < SIM_PLACEMENTS; i++)
        pawl_membership_free(sim->placements[i].membership);
    pawl_mem_free(sim->placement_links);
    sim_check_free(sim->check);
    sim_watchers_deinit(sim);
    sim_hostile_deinit(&sim->hostile);
    for (uint32_t i = 0; i < SIM_APPS; i++) sim_store_deinit(sim, i);
}

uint64_t sim_run(const struct sim_plan *plan, bool verbose, struct sim_coverage *coverage)
{
    struct sim *sim = PAWL_NEW(struct sim);
    sim->seed = plan->seed;
    sim->verbose = verbose;
    sim->is_wide = plan->wide != 0;
    sim->coverage = coverage;
    sim_init(sim, plan);
    sim_until(sim, SIM_START_MS + plan->safety_ms, false);

    sim->calm = true;
    sim->calm_ms = sim->now_ms;
    /* From now on every app has the whole code: those that run ask for it when they can. And
     * some go and never come back. */
    for (uint32_t i = 0; i < SIM_NODES; i++) {
        const struct node *node = &sim->nodes[i];
        int64_t at_ms = node->paused_ms > sim->now_ms ? node->paused_ms : sim->now_ms;
        sim_item_at(sim, sim_item_new(ITEM_APP_CONNECT, i, node->life), at_ms + 1);
    }
    /* The start of a detached workflow that was dropped, as its id was in use, may be carried
     * out by a late copy when it is not any more: before all is looked at. */
    if (sim_detaches(sim) && sim->faults.request_twice)
        sim_until(sim, sim->calm_ms + SIM_COPIES_MS, false);
    sim_until(sim, SIM_START_MS + plan->safety_ms + SIM_LIVENESS_MS, true);
    struct pawl_arena arena;
    struct pawl_bytes why;
    pawl_arena_init(&arena);
    if (!sim_check_is_finished(sim->check, &arena, &why)
        || !sim_nodes_are_idle(sim, &arena, &why)) {
        fprintf(stderr, "seed %llu did not finish: %.*s\n", (unsigned long long)plan->seed,
                PAWL_BYTES_FMT(why));
        for (uint32_t i = 0; i < sim->clients_count; i++)
            if (sim->clients[i].state != CLIENT_DONE)
                fprintf(stderr, "client %u of %s: state %d, %u of %u events raised\n", i,
                        sim->clients[i].instance, (int)sim->clients[i].state,
                        sim->clients[i].events_raised, sim->clients[i].events_wanted);
        for (uint32_t i = 0; i < sim->schedules_count; i++)
            fprintf(stderr, "schedule %s: state %d\n", sim->schedules[i].id,
                    (int)sim->schedules[i].state);
        PAWL_ASSERT(!"everything ends when faults have stopped");
    }
    pawl_arena_deinit(&arena);
    for (uint32_t i = 0; i < sim->clients_count; i++) sim_client_check_stored(sim, i);
    for (uint32_t i = 0; i < sim->schedules_count; i++) sim_schedule_check_stored(sim, i);
    sim_detached_check_stored(sim);
    sim_watchers_check(sim);
    sim_reader_check(sim);
    uint64_t trace = sim->trace;
    sim_deinit(sim);
    pawl_mem_free(sim);
    return trace;
}
