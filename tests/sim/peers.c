/* Links between sidecars: at most once, in order while a link lives. A link is made by
 * the first frame; a break tells both ends and loses what was on it. */
#include "tests/sim/world.h"

/* Until both ends know that a link is broken. */
#define DOWN_TOLD_MS 500

static struct peer_link *peer_link(struct sim *sim, uint32_t a, uint32_t b)
{
    return a < b ? &sim->peers[a][b] : &sim->peers[b][a];
}

static uint32_t peer_find(const struct sim *sim, struct pawl_bytes host)
{
    for (uint32_t i = 0; i < SIM_NODES; i++)
        if (sim->nodes[i].life && pawl_bytes_is_str(host, sim->nodes[i].host)) return i;
    return SIM_NODES;
}

static void peer_tell_down(struct sim *sim, uint32_t target, struct pawl_bytes host)
{
    struct item *item = sim_item_new(ITEM_PEER_DOWN, target, sim->nodes[target].life);
    item->host = pawl_arena_copy(&item->arena, host);
    sim_item_at(sim, item, sim->now_ms + sim_draw_ms(&sim->network, DOWN_TOLD_MS));
}

/* The connection breaks, and cannot be made again for so long. */
void sim_peer_cut(struct sim *sim, uint32_t a, uint32_t b, int64_t for_ms)
{
    struct peer_link *link = peer_link(sim, a, b);
    link->generation++;
    sim_limits_on_cut(sim, a, for_ms);
    sim_limits_on_cut(sim, b, for_ms);
    /* Of one that is gone nothing is expected; but it comes back to links that stay cut. */
    if (for_ms > 0 || (sim->nodes[a].life && sim->nodes[b].life)) {
        sim_runs_disturb(sim, a, sim->now_ms + for_ms + DOWN_TOLD_MS);
        sim_runs_disturb(sim, b, sim->now_ms + for_ms + DOWN_TOLD_MS);
    }
    if (sim->now_ms + for_ms > link->cut_ms) link->cut_ms = sim->now_ms + for_ms;
    if (sim->nodes[a].life) peer_tell_down(sim, a, pawl_bytes_str(sim->nodes[b].host));
    if (sim->nodes[b].life) peer_tell_down(sim, b, pawl_bytes_str(sim->nodes[a].host));
}

void sim_peer_stall(struct sim *sim, uint32_t from, uint32_t to, int64_t for_ms)
{
    int64_t *arrive_ms = &peer_link(sim, from, to)->arrive_ms[from < to];
    int64_t until_ms = sim->now_ms + for_ms;
    sim->coverage->stalls++;
    if (until_ms > *arrive_ms) *arrive_ms = until_ms;
    sim_limits_on_cut(sim, from, for_ms);
    sim_limits_on_cut(sim, to, for_ms);
    sim_runs_disturb(sim, from, until_ms);
    sim_runs_disturb(sim, to, until_ms);
}

void sim_peer_send(struct sim *sim, uint32_t from, struct pawl_bytes host,
                   const struct pawl_peer_frame *frame)
{
    uint32_t to = peer_find(sim, host);
    if (to == SIM_NODES || sim->now_ms < peer_link(sim, from, to)->cut_ms) {
        peer_tell_down(sim, from, host);
        return;
    }
    PAWL_ASSERT(to != from); /* nobody sends to himself */
    sim->coverage->peer_frames[frame->type]++;
    if (frame->type == PAWL_PEER_RUN) sim_runs_on_run(sim, from, to, &frame->run);
    if (!sim->calm && sim_chance(&sim->network, sim->faults.peer_drop)) {
        sim_runs_disturb(sim, from, sim->now_ms);
        sim_runs_disturb(sim, to, sim->now_ms);
        return;
    }
    struct peer_link *link = peer_link(sim, from, to);
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_FRAME_SIZE_MAX);
    pawl_peer_frame_encode(&buf, frame);
    PAWL_ASSERT(buf.bad == PAWL_OK);
    struct item *item = sim_item_new(ITEM_PEER_FRAME, to, sim->nodes[to].life);
    item->from = from;
    item->link = link->generation;
    item->host = pawl_arena_copy(&item->arena, pawl_bytes_str(sim->nodes[from].host));
    item->frame = pawl_arena_copy(&item->arena, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
    int64_t at_ms = sim->now_ms + sim_draw_ms(&sim->network, sim->faults.peer_ms_max);
    int64_t *arrive_ms = &link->arrive_ms[from < to];
    if (at_ms < *arrive_ms) at_ms = *arrive_ms;
    *arrive_ms = at_ms;
    sim_item_at(sim, item, at_ms);
}

void sim_peer_on_frame(struct sim *sim, struct item *item)
{
    if (peer_link(sim, item->from, item->target)->generation != item->link) return;
    struct pawl_peer_frame frame;
    pawl_err err = pawl_peer_frame_decode(item->frame, &item->arena, &frame);
    PAWL_ASSERT(err == PAWL_OK);
    struct pawl_node_event event = { .type = PAWL_NODE_PEER_FRAME };
    event.peer.host = item->host;
    event.peer.app = pawl_bytes_str(sim_app_name(sim_node_app(item->from)));
    event.peer.frame = &frame;
    sim_node_step(sim, item->target, event);
}

void sim_peer_on_down(struct sim *sim, struct item *item)
{
    sim->coverage->peer_downs++;
    struct pawl_node_event event = { .type = PAWL_NODE_PEER_DOWN };
    event.peer.host = item->host;
    sim_node_step(sim, item->target, event);
}
