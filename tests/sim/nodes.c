/* Sidecars: the real engine, stepped, and its effects carried out. */
#include <stdio.h>

#include "tests/sim/world.h"

/* Clocks are set right before they are off by more. */
#define DRIFT_MS_MAX 5000

uint32_t sim_node_app(uint32_t target)
{
    return target < SIM_NODES_OF_A ? 0 : 1;
}

static void app_send(struct sim *sim, uint32_t target, const struct pawl_frame *frame)
{
    struct node *node = &sim->nodes[target];
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_FRAME_SIZE_MAX);
    pawl_frame_encode(&buf, frame);
    PAWL_ASSERT(buf.bad == PAWL_OK);
    struct item *item = sim_item_new(ITEM_TO_APP, target, node->app.life);
    item->frame = pawl_arena_copy(&item->arena, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
    int64_t at_ms = sim->now_ms + sim_draw_ms(&sim->network, sim->faults.link_ms_max);
    if (at_ms < node->app.to_app_ms) at_ms = node->app.to_app_ms;
    node->app.to_app_ms = at_ms;
    sim_item_at(sim, item, at_ms);
}

static void node_check_sent(struct sim *sim, uint32_t target, const struct pawl_frame *frame)
{
    if (frame->type == PAWL_FRAME_TURN) sim_limits_on_turn(sim, target);
    if (frame->type == PAWL_FRAME_ACTIVITY_CANCEL)
        sim_limits_on_done(sim, target, frame->activity_cancel);
    if (frame->type != PAWL_FRAME_ACTIVITY) return;
    sim_check_activity(sim->check, &frame->activity);
    sim_limits_on_activity(sim, target, frame->activity.token);
}

static int64_t clock_drift_ms(const struct sim *sim, const struct node *node)
{
    int64_t drift_ms = (sim->now_ms - node->started_ms) * node->drift_permille / 1000;
    if (drift_ms > DRIFT_MS_MAX) return DRIFT_MS_MAX;
    return drift_ms < -DRIFT_MS_MAX ? -DRIFT_MS_MAX : drift_ms;
}

/* What others notice, since there was something to do. */
static bool effect_counts(const struct sim *sim, const struct pawl_effect *effect)
{
    return !sim->calm && sim->has_begun && effect->type != PAWL_EFFECT_LOG;
}

/* Before which of its effects it dies; UINT32_MAX: it does not. */
static uint32_t node_draw_end(struct sim *sim, const struct node *node)
{
    for (uint32_t i = 0; i < node->effects.count; i++) {
        if (!effect_counts(sim, &node->effects.items[i])) continue;
        sim->coverage->effects++;
        if (++sim->effects == sim->faults.crash_at) return i;
    }
    bool may_die = !sim->calm && sim->faults.node_crash_amid && node->effects.count > 0;
    if (!may_die || !sim_chance(&sim->wide_rng, sim->faults.node_crash_amid)) return UINT32_MAX;
    return (uint32_t)pawl_rng_below(&sim->wide_rng, node->effects.count);
}

static void node_die_amid(struct sim *sim, uint32_t target)
{
    sim->coverage->crashes_amid++;
    sim->nodes[target].is_dying = true;
    sim_item_at(sim, sim_item_new(ITEM_NODE_CRASH, target, sim->nodes[target].life), sim->now_ms);
}

static void node_carry_out(struct sim *sim, uint32_t target)
{
    struct node *node = &sim->nodes[target];
    uint32_t end = node_draw_end(sim, node);
    for (uint32_t i = 0; i < node->effects.count; i++) {
        if (i == end) {
            node_die_amid(sim, target);
            return;
        }
        const struct pawl_effect *effect = &node->effects.items[i];
        switch (effect->type) {
        case PAWL_EFFECT_STORE: sim_store_submit(sim, target, effect->store); break;
        case PAWL_EFFECT_SEND:
            node_check_sent(sim, target, effect->send.frame);
            if (effect->send.worker == node->app.life) app_send(sim, target, effect->send.frame);
            break;
        case PAWL_EFFECT_ANSWER:
            if (sim_watchers_own(effect->answer.token)) {
                sim_watcher_on_answer(sim, effect->answer.token, effect->answer.answer);
                break;
            }
            if (sim_reader_owns(effect->answer.token)) {
                sim_reader_on_answer(sim, effect->answer.token, effect->answer.answer);
                break;
            }
            if (sim_operator_owns(effect->answer.token)) break;
            if (sim_schedule_owns(effect->answer.token))
                sim_schedule_on_answer(sim, effect->answer.token, effect->answer.answer);
            else
                sim_client_on_answer(sim, effect->answer.token, effect->answer.answer);
            break;
        case PAWL_EFFECT_PEER_SEND:
            sim_peer_send(sim, target, effect->peer.host, effect->peer.frame);
            break;
        case PAWL_EFFECT_LOG:
            if (sim->verbose)
                printf("[%8lld] %s: %.*s\n", (long long)(sim->now_ms - SIM_START_MS), node->host,
                       PAWL_BYTES_FMT(effect->log.text));
            break;
        }
    }
    if (node->effects.wake_at_ms && node->effects.wake_at_ms != node->wake_ms) {
        int64_t at_ms = node->effects.wake_at_ms - node->skew_ms - clock_drift_ms(sim, node);
        node->wake_ms = node->effects.wake_at_ms;
        struct item *wake = sim_item_new(ITEM_WAKE, target, node->life);
        wake->link = ++node->wakes;
        sim_item_at(sim, wake, at_ms > sim->now_ms ? at_ms : sim->now_ms);
    }
}

void sim_node_step(struct sim *sim, uint32_t target, struct pawl_node_event event)
{
    struct node *node = &sim->nodes[target];
    if (node->is_dying) return;
    event.now_ms = sim->now_ms + node->skew_ms + clock_drift_ms(sim, node);
    pawl_node_step(node->node, &event, &node->effects);
    sim->coverage->steps++;
    node_carry_out(sim, target);
    if (node->is_dying) return;
    if (event.type == PAWL_NODE_WORKER_OPENED || event.type == PAWL_NODE_WORKER_CLOSED
        || node->runs_workflows != pawl_node_runs_workflows(node->node))
        sim_follower_tell(sim, target);
}

static bool node_is_idle(const struct pawl_node_metrics *metrics)
{
    for (uint32_t i = 0; i < metrics->limits_count; i++)
        if (metrics->limits[i].running || metrics->limits[i].waiting) return false;
    return metrics->activities_sent == 0 && metrics->activities_queued == 0
           && metrics->activities_running == 0 && metrics->messages == 0
           && metrics->active_instances == 0;
}

bool sim_nodes_are_idle(const struct sim *sim, struct pawl_arena *arena, struct pawl_bytes *ret_why)
{
    for (uint32_t i = 0; i < SIM_NODES; i++) {
        if (!sim->nodes[i].life) continue;
        const struct pawl_node_metrics *metrics = pawl_node_metrics(sim->nodes[i].node);
        if (node_is_idle(metrics)) continue;
        *ret_why = pawl_arena_printf(
            arena,
            "sidecar %s has %lu instances, %lu activities sent, %lu queued, %lu running and "
            "%lu messages, or something has or wants a place",
            sim->nodes[i].host, metrics->active_instances, metrics->activities_sent,
            metrics->activities_queued, metrics->activities_running, metrics->messages);
        return false;
    }
    return true;
}

void sim_app_disconnect(struct sim *sim, uint32_t target, bool process_dies)
{
    struct node *node = &sim->nodes[target];
    uint64_t gone = node->app.life;
    if (!gone) return;
    node->app.life = 0;
    sim_limits_clear(sim, target);
    if (process_dies) sim_app_drop_all(&node->app);
    pawl_arena_reset(&node->app.past);
    node->app.past_count = 0;
    if (node->life)
        sim_node_step(sim, target,
                      (struct pawl_node_event){ .type = PAWL_NODE_WORKER_CLOSED, .worker = gone });
    sim_item_at(sim, sim_item_new(ITEM_APP_CONNECT, target, node->life),
                sim->now_ms + sim_draw_ms(&sim->world, 2000));
}

void sim_app_stay_away(struct sim *sim, uint32_t target)
{
    if (!sim->nodes[target].app.life) return;
    sim->coverage->apps_away++;
    sim->nodes[target].app.away_ms = sim->now_ms + sim_draw_ms(&sim->apps_rng, 20000);
    sim_app_disconnect(sim, target, true);
}

void sim_app_stall(struct sim *sim, uint32_t target, int64_t for_ms)
{
    struct app *app = &sim->nodes[target].app;
    int64_t until_ms = sim->now_ms + for_ms;
    sim->coverage->stalls++;
    if (until_ms > app->to_app_ms) app->to_app_ms = until_ms;
    if (until_ms > app->to_node_ms) app->to_node_ms = until_ms;
}

static void node_end(struct sim *sim, uint32_t target)
{
    struct node *node = &sim->nodes[target];
    node->life = 0;
    node->app.life = 0;
    sim_limits_clear(sim, target);
    pawl_arena_reset(&node->app.past);
    node->app.past_count = 0;
    for (uint32_t other = 0; other < SIM_NODES; other++)
        if (other != target) sim_peer_cut(sim, target, other, 0);
    sim_placement_cut(sim, target);
    pawl_node_free(node->node);
    node->node = NULL;
    pawl_follower_free(node->follower);
    node->follower = NULL;
    sim_item_at(sim, sim_item_new(ITEM_NODE_START, target, 0),
                sim->now_ms + sim_draw_ms(&sim->world, 3000));
}

void sim_node_crash(struct sim *sim, uint32_t target)
{
    if (!sim->nodes[target].life) return;
    sim->coverage->node_crashes++;
    node_end(sim, target);
}

/* As SIGTERM does: tell placement, go on until the partitions are handed over and what
 * runs has ended, but not for ever. */
void sim_node_leave(struct sim *sim, uint32_t target)
{
    struct node *node = &sim->nodes[target];
    if (!node->life || node->leaving) return;
    sim->coverage->leaves++;
    node->leaving = true;
    node->stop_by_ms = sim->now_ms + PAWL_STOP_MS_MAX;
    sim_follower_tell(sim, target);
    sim_item_at(sim, sim_item_new(ITEM_NODE_STOP, target, node->life), sim->now_ms + 50);
}

void sim_node_stop(struct sim *sim, uint32_t target)
{
    struct node *node = &sim->nodes[target];
    bool is_over = pawl_follower_has_left(node->follower) && pawl_node_is_quiet(node->node);
    if (is_over || sim->now_ms >= node->stop_by_ms)
        node_end(sim, target);
    else
        sim_item_at(sim, sim_item_new(ITEM_NODE_STOP, target, node->life), sim->now_ms + 50);
}

static void node_start_follower(struct sim *sim, uint32_t target)
{
    struct node *node = &sim->nodes[target];
    const struct pawl_bytes addresses[SIM_PLACEMENTS] = { PAWL_BYTES_LITERAL("tcp://p0:1"),
                                                          PAWL_BYTES_LITERAL("tcp://p1:1") };
    struct pawl_follower_config config = {
        .namespace_ = PAWL_BYTES_LITERAL("sim"),
        .self = { .host = pawl_bytes_str(node->host),
                  .app = pawl_bytes_str(sim_app_name(sim_node_app(target))),
                  .address = PAWL_BYTES_LITERAL("tcp://h:1"),
                  .partitions = SIM_PARTITIONS },
        .process = pawl_rng_id(&sim->world),
        .seed = pawl_rng_next(&sim->world),
        .addresses_count = SIM_PLACEMENTS,
        .addresses = addresses,
    };
    node->follower = pawl_follower_new(&config);
    node->follower_wake_ms = 0;
    node->runs_activities = false;
    node->runs_workflows = false;
    node->leaving = false;
    node->version = 0;
    sim_follower_step(sim, target, (struct pawl_follower_event){ .type = PAWL_FOLLOWER_TICK });
}

static int64_t clock_draw_drift(struct sim *sim)
{
    int64_t max = sim->faults.drift_permille;
    return max ? sim_draw_ms(&sim->wide_rng, (uint32_t)(2 * max + 1)) - max - 1 : 0;
}

int64_t sim_clock_off_ms(const struct sim *sim)
{
    return sim->faults.skew_ms_max + (sim->faults.drift_permille ? DRIFT_MS_MAX : 0);
}

void sim_node_start(struct sim *sim, uint32_t target)
{
    struct node *node = &sim->nodes[target];
    node->life = ++sim->lives;
    snprintf(node->host, sizeof node->host, "%s%u-%llu", sim_app_name(sim_node_app(target)), target,
             (unsigned long long)node->life);
    struct pawl_node_config config = { .app = sim_app_name(sim_node_app(target)),
                                       .host = node->host,
                                       .partitions = SIM_PARTITIONS,
                                       .placed = true,
                                       .seed = pawl_rng_next(&sim->world),
                                       .instance_idle_ms = 2000,
                                       /* At every other one the clock's work stands in line. */
                                       .wakes_max = target % 2 ? 1 : 0,
                                       /* So few that some go where their key says. */
                                       .activities_kept_max = 16,
                                       .limits_count = sim->limits.count,
                                       .limits = sim->limits.rules,
                                       .turn_attempts_max = sim->attempts_max,
                                       .activity_attempts_max = sim->attempts_max };
    for (int i = 0; i < PAWL_STATUS_COUNT; i++)
        if (pawl_status_is_terminal((enum pawl_status)i))
            config.retention_ms[i] = sim->retention_ms;
    node->node = pawl_node_new(&config);
    node->skew_ms = sim_draw_ms(&sim->world, 2 * sim->faults.skew_ms_max + 1)
                    - (int64_t)sim->faults.skew_ms_max - 1;
    node->started_ms = sim->now_ms;
    node->drift_permille = clock_draw_drift(sim);
    node->is_dying = false;
    node->wake_ms = 0;
    node->paused_ms = 0;
    memset(node->knows, 0, sizeof node->knows);
    node_start_follower(sim, target);
    sim_item_at(sim, sim_item_new(ITEM_APP_CONNECT, target, node->life),
                sim->now_ms + sim_draw_ms(&sim->world, 500));
}
