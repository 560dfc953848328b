/* Placement: both sides of the real thing, a modelled lease, and the links between
 * sidecars and replicas. */
#include "tests/sim/world.h"

#include <stdio.h>

static struct placement_link *link_of(struct sim *sim, uint64_t conn)
{
    PAWL_ASSERT(conn > 0 && conn <= sim->placement_links_count);
    return &sim->placement_links[conn - 1];
}

static int64_t link_arrival(struct sim *sim, struct placement_link *link, uint32_t direction)
{
    int64_t at_ms = sim->now_ms + sim_draw_ms(&sim->network, sim->faults.peer_ms_max);
    if (at_ms < link->arrive_ms[direction]) at_ms = link->arrive_ms[direction];
    link->arrive_ms[direction] = at_ms;
    return at_ms;
}

static struct item *link_item(struct sim *sim, uint64_t conn, enum item_kind kind, bool to_node)
{
    const struct placement_link *link = link_of(sim, conn);
    struct item *item = sim_item_new(kind, to_node ? link->node : link->placement,
                                     to_node ? link->node_life : link->placement_life);
    item->link = conn;
    return item;
}

/* Both ends hear of it, each in its time; what is under way still arrives before. */
static void link_close(struct sim *sim, uint64_t conn)
{
    struct placement_link *link = link_of(sim, conn);
    if (!link->open) return;
    link->open = false;
    sim_item_at(sim, link_item(sim, conn, ITEM_FOLLOWER_CLOSED, true), link_arrival(sim, link, 0));
    sim_item_at(sim, link_item(sim, conn, ITEM_PLACEMENT_CLOSED, false),
                link_arrival(sim, link, 1));
}

void sim_placement_cut(struct sim *sim, uint32_t node)
{
    for (uint32_t i = 0; i < sim->placement_links_count; i++)
        if (sim->placement_links[i].node == node) link_close(sim, i + 1);
}

/* Followers ---------------------------------------------------------------------------------- */

static uint64_t link_new(struct sim *sim, uint32_t target, uint64_t number, uint32_t placement)
{
    if (sim->placement_links_count == sim->placement_links_capacity) {
        sim->placement_links_capacity = sim->placement_links_capacity * 2 + 16;
        sim->placement_links = pawl_mem_resize(
            sim->placement_links, sim->placement_links_capacity * sizeof *sim->placement_links);
    }
    sim->placement_links[sim->placement_links_count++] =
        (struct placement_link){ .node = target,
                                 .node_life = sim->nodes[target].life,
                                 .number = number,
                                 .placement = placement,
                                 .placement_life = sim->placements[placement].life };
    return sim->placement_links_count;
}

static void follower_dial(struct sim *sim, uint32_t target, uint64_t number,
                          struct pawl_bytes address)
{
    uint32_t placement = address.data[7] == '0' ? 0 : 1; /* tcp://pN:1 */
    uint64_t conn = link_new(sim, target, number, placement);
    struct placement_link *link = link_of(sim, conn);
    if (!link->placement_life || sim->now_ms < sim->nodes[target].placement_cut_ms) {
        sim_item_at(sim, link_item(sim, conn, ITEM_FOLLOWER_CLOSED, true),
                    link_arrival(sim, link, 0));
        return;
    }
    link->open = true;
    sim_item_at(sim, link_item(sim, conn, ITEM_PLACEMENT_OPEN, false), link_arrival(sim, link, 1));
    struct item *opened = link_item(sim, conn, ITEM_TO_FOLLOWER, true); /* no frame: opened */
    sim_item_at(sim, opened, link_arrival(sim, link, 0));
}

static uint64_t follower_conn(struct sim *sim, uint32_t target, uint64_t number)
{
    for (uint32_t i = sim->placement_links_count; i > 0; i--) {
        const struct placement_link *link = &sim->placement_links[i - 1];
        if (link->node == target && link->node_life == sim->nodes[target].life
            && link->number == number)
            return i;
    }
    PAWL_UNREACHABLE("the follower has dialled it");
}

static void follower_send(struct sim *sim, uint32_t target, uint64_t number,
                          struct pawl_bytes frame)
{
    uint64_t conn = follower_conn(sim, target, number);
    struct placement_link *link = link_of(sim, conn);
    if (!link->open) return;
    struct item *item = link_item(sim, conn, ITEM_TO_PLACEMENT, false);
    item->frame = pawl_arena_copy(&item->arena, frame);
    sim_item_at(sim, item, link_arrival(sim, link, 1));
}

static void follower_news(struct sim *sim, uint32_t target)
{
    struct node *node = &sim->nodes[target];
    const struct pawl_members *members = pawl_follower_members(node->follower);
    PAWL_ASSERT(members->version > node->version); /* they only grow */
    /* … and not for ever, when nobody comes and goes any more. */
    PAWL_ASSERT(!sim->calm || sim->now_ms < sim->calm_ms + SIM_RESTLESS_MS);
    node->version = members->version;
    sim->coverage->lists++;
    sim_limits_on_members(sim, sim_node_app(target), members);
    sim_runs_on_members(sim, target, members);
    sim_node_step(sim, target,
                  (struct pawl_node_event){ .type = PAWL_NODE_MEMBERS, .members = members });
}

void sim_follower_step(struct sim *sim, uint32_t target, struct pawl_follower_event event)
{
    struct node *node = &sim->nodes[target];
    event.now_ms = sim->now_ms;
    struct pawl_follower_effects effects = pawl_follower_step(node->follower, &event);
    bool is_news = false;
    for (uint32_t i = 0; i < effects.count; i++) {
        const struct pawl_follower_effect *effect = &effects.items[i];
        switch (effect->type) {
        case PAWL_FOLLOWER_DIAL: follower_dial(sim, target, effect->link, effect->address); break;
        case PAWL_FOLLOWER_SEND: follower_send(sim, target, effect->link, effect->frame); break;
        case PAWL_FOLLOWER_CLOSE: link_close(sim, follower_conn(sim, target, effect->link)); break;
        case PAWL_FOLLOWER_NEWS: is_news = true; break;
        }
    }
    if (is_news) follower_news(sim, target);
    int64_t wake_ms = pawl_follower_wake_at_ms(node->follower);
    if (wake_ms == node->follower_wake_ms) return;
    node->follower_wake_ms = wake_ms;
    sim_item_at(sim, sim_item_new(ITEM_FOLLOWER_WAKE, target, node->life),
                wake_ms > sim->now_ms ? wake_ms : sim->now_ms);
}

/* What the sidecar's loop tells it: what runs here, and that it leaves. */
void sim_follower_tell(struct sim *sim, uint32_t target)
{
    struct node *node = &sim->nodes[target];
    node->runs_activities = pawl_node_runs_activities(node->node);
    node->runs_workflows = pawl_node_runs_workflows(node->node);
    sim_follower_step(
        sim, target,
        (struct pawl_follower_event){ .type = PAWL_FOLLOWER_UPDATE,
                                      .runs_activities = node->runs_activities,
                                      .runs_workflows = node->runs_workflows,
                                      .leaving = node->leaving,
                                      .version = pawl_node_table_version(node->node) });
}

void sim_follower_on_item(struct sim *sim, struct item *item)
{
    struct node *node = &sim->nodes[item->target];
    struct pawl_follower_event event = { .type = PAWL_FOLLOWER_TICK };
    if (item->kind == ITEM_FOLLOWER_WAKE) {
        if (node->follower_wake_ms <= sim->now_ms) node->follower_wake_ms = 0;
        sim_follower_step(sim, item->target, event);
        return;
    }
    event.link = link_of(sim, item->link)->number;
    event.why = "cut";
    event.frame = item->frame;
    if (item->kind == ITEM_FOLLOWER_CLOSED)
        event.type = PAWL_FOLLOWER_CLOSED;
    else
        event.type = pawl_bytes_is_absent(item->frame) ? PAWL_FOLLOWER_OPENED : PAWL_FOLLOWER_FRAME;
    sim_follower_step(sim, item->target, event);
}

/* Replicas ------------------------------------------------------------------------------------ */

static void placement_step(struct sim *sim, uint32_t target, struct pawl_membership_event event)
{
    struct placement *placement = &sim->placements[target];
    event.now_ms = sim->now_ms;
    struct pawl_membership_effects effects = pawl_membership_step(placement->membership, &event);
    for (uint32_t i = 0; i < effects.count; i++) {
        const struct pawl_membership_effect *effect = &effects.items[i];
        struct placement_link *link = link_of(sim, effect->conn);
        if (effect->type == PAWL_MEMBERSHIP_CLOSE) {
            link_close(sim, effect->conn);
            continue;
        }
        if (!link->open) continue;
        struct item *item = link_item(sim, effect->conn, ITEM_TO_FOLLOWER, true);
        item->frame = pawl_arena_copy(&item->arena, effect->frame);
        sim_item_at(sim, item, link_arrival(sim, link, 0));
    }
    int64_t wake_ms = pawl_membership_wake_at_ms(placement->membership);
    if (wake_ms == 0 || wake_ms == placement->wake_ms) return;
    placement->wake_ms = wake_ms;
    sim_item_at(sim, sim_item_new(ITEM_PLACEMENT_WAKE, target, placement->life),
                wake_ms > sim->now_ms ? wake_ms : sim->now_ms);
}

/* Leader --------------------------------------------------------------------------------------- */

static struct pawl_bytes placement_address(uint32_t target)
{
    return target == 0 ? PAWL_BYTES_LITERAL("tcp://p0:1") : PAWL_BYTES_LITERAL("tcp://p1:1");
}

/* The question may get lost, and so may its answer. */
static void lease_ask(struct sim *sim, uint32_t target, uint64_t token)
{
    struct item *item = sim_item_new(ITEM_LEASE_APPLY, target, sim->placements[target].life);
    item->link = token;
    item->silent = !sim->calm && sim_chance(&sim->network, sim->faults.reply_lost);
    if (!sim->calm && sim_chance(&sim->network, sim->faults.request_lost)) {
        sim_item_free(item);
        return;
    }
    sim_item_at(sim, item, sim->now_ms + sim_draw_ms(&sim->network, sim->faults.store_ms_max));
}

/* A failover takes a second at least, and epochs are made of seconds. */
void sim_lease_lose(struct sim *sim)
{
    sim->coverage->leases_lost++;
    memset(&sim->lease, 0, sizeof sim->lease);
    sim->lease_away_ms = sim->now_ms + 1000 + sim_draw_ms(&sim->wide_rng, 2000);
}

static void lease_take(struct sim *sim, const struct item *item, struct pawl_lease_reply *ret_reply)
{
    char holder[32];
    int size =
        snprintf(holder, sizeof holder, "%u-%llu", item->target, (unsigned long long)item->life);
    const struct pawl_lease_request request = {
        .op = PAWL_LEASE_TAKE,
        .token = item->link,
        .holder = pawl_bytes_make((const uint8_t *)holder, (size_t)size),
        .address = placement_address(item->target),
        .ttl_ms = PAWL_LEADER_LEASE_MS,
    };
    *ret_reply = (struct pawl_lease_reply){ .token = item->link, .err = PAWL_E_UNAVAILABLE };
    if (sim->now_ms < sim->lease_away_ms) return;
    int64_t unix_ms = (int64_t)PAWL_LEASE_EPOCH_ZERO_S * 1000 + sim->now_ms;
    pawl_mem_lease_apply(&sim->lease, &request, unix_ms, ret_reply);
}

/* The lease in the store: taken, renewed, or somebody else's. */
void sim_lease_apply(struct sim *sim, struct item *item)
{
    struct pawl_lease_reply taken;
    lease_take(sim, item, &taken);
    if (item->silent) return;
    struct item *reply = sim_item_new(ITEM_LEASE_REPLY, item->target, item->life);
    reply->lease =
        (struct pawl_leader_event){ .type = PAWL_LEADER_ANSWER,
                                    .token = taken.token,
                                    .err = taken.err,
                                    .epoch = taken.epoch,
                                    .address = pawl_arena_copy(&reply->arena, taken.address),
                                    .remaining_ms = taken.remaining_ms };
    sim_item_at(sim, reply, sim->now_ms + sim_draw_ms(&sim->network, sim->faults.store_ms_max));
}

static void leader_step(struct sim *sim, uint32_t target, struct pawl_leader_event event)
{
    struct placement *placement = &sim->placements[target];
    event.now_ms = sim->now_ms;
    struct pawl_leader_effects effects = pawl_leader_step(&placement->leader, &event);
    for (uint32_t i = 0; i < effects.count; i++) {
        const struct pawl_leader_effect *effect = &effects.items[i];
        struct pawl_membership_event told = { .epoch = effect->epoch, .leader = effect->address };
        switch (effect->type) {
        case PAWL_LEADER_TAKE: lease_ask(sim, target, effect->token); continue;
        case PAWL_LEADER_RELEASE: continue;
        case PAWL_LEADER_LEAD: told.type = PAWL_MEMBERSHIP_LEAD; break;
        case PAWL_LEADER_FOLLOW: told.type = PAWL_MEMBERSHIP_FOLLOW; break;
        }
        placement_step(sim, target, told);
    }
    int64_t wake_ms = pawl_leader_wake_at_ms(&placement->leader);
    if (wake_ms == 0 || wake_ms == placement->leader_wake_ms) return;
    placement->leader_wake_ms = wake_ms;
    sim_item_at(sim, sim_item_new(ITEM_PLACEMENT_WAKE, target, placement->life),
                wake_ms > sim->now_ms ? wake_ms : sim->now_ms);
}

void sim_placement_start(struct sim *sim, uint32_t target)
{
    struct placement *placement = &sim->placements[target];
    if (placement->life) return;
    const struct pawl_membership_config config = { .seed = pawl_rng_next(&sim->world) };
    placement->life = ++sim->lives;
    placement->membership = pawl_membership_new(&config);
    placement->wake_ms = 0;
    placement->leader_wake_ms = 0;
    placement->paused_ms = 0;
    pawl_leader_init(&placement->leader, pawl_rng_next(&sim->world));
    leader_step(sim, target, (struct pawl_leader_event){ .type = PAWL_LEADER_TICK });
}

void sim_placement_crash(struct sim *sim, uint32_t target)
{
    struct placement *placement = &sim->placements[target];
    if (!placement->life) return;
    sim->coverage->placement_crashes++;
    pawl_membership_free(placement->membership);
    placement->membership = NULL;
    for (uint32_t i = 0; i < sim->placement_links_count; i++)
        if (sim->placement_links[i].placement == target) link_close(sim, i + 1);
    placement->life = 0;
    sim_item_at(sim, sim_item_new(ITEM_PLACEMENT_START, target, 0),
                sim->now_ms + sim_draw_ms(&sim->world, 5000));
}

/* Whatever happens, the leader looks at its clock first. */
void sim_placement_on_item(struct sim *sim, struct item *item)
{
    struct placement *placement = &sim->placements[item->target];
    struct pawl_membership_event event = { .conn = item->link, .why = "cut" };
    leader_step(sim, item->target, (struct pawl_leader_event){ .type = PAWL_LEADER_TICK });
    switch (item->kind) {
    case ITEM_LEASE_REPLY: leader_step(sim, item->target, item->lease); return;
    case ITEM_PLACEMENT_WAKE:
        if (placement->wake_ms <= sim->now_ms) placement->wake_ms = 0;
        event.type = PAWL_MEMBERSHIP_TICK;
        break;
    case ITEM_PLACEMENT_OPEN: event.type = PAWL_MEMBERSHIP_OPENED; break;
    case ITEM_PLACEMENT_CLOSED: event.type = PAWL_MEMBERSHIP_CLOSED; break;
    default: event.type = PAWL_MEMBERSHIP_FRAME; event.frame = item->frame;
    }
    placement_step(sim, item->target, event);
}
