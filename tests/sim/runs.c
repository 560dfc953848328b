/* Runs: while nothing goes wrong, no sidecar has an activity begun that another one is at.
 *
 * Sidecars may come, leave in order and get or lose apps meanwhile, so instances get new
 * owners. What cannot be promised is left out: an activity is not watched any more once its
 * sidecar stood still, was missing in somebody's member list, or lost a frame or a link; nor
 * does it count what a sidecar does that was so lately. And an activity counts when it has run
 * for a while: a first RUN may be on its way when its instance gets another owner. Nor does one
 * count that was sent or begun by somebody who could not know: it may be at two since. */
#include "actors/activity.h"
#include "base/hash.h"
#include "tests/sim/world.h"

#define RUNNING_LONG_MS 1000
/* After it an answer may still be missing, and what was asked before it. */
#define DISTURBED_MS 1000
/* Before that a sidecar does not answer: it has not heard of who asks. */
#define KNOWN_MS ((int64_t)PAWL_FIND_MS * 2)

static uint64_t run_key(struct pawl_bytes key)
{
    return pawl_hash_stable(key);
}

static uint32_t doubt_bit(uint64_t key)
{
    return (uint32_t)(key % (SIM_DOUBTS * 8));
}

static void doubt(struct sim *sim, uint64_t key)
{
    sim->doubts[doubt_bit(key) / 8] |= (uint8_t)(1u << doubt_bit(key) % 8);
}

static bool is_doubtful(const struct sim *sim, uint64_t key)
{
    return sim->doubts[doubt_bit(key) / 8] & 1u << doubt_bit(key) % 8;
}

/* What waits there for a worker is as lost to others as what runs. */
static void doubt_all(struct sim *sim, struct pawl_node *node)
{
    uint32_t cursor = 0;
    for (const struct pawl_activity *activity;
         (activity = pawl_map_next(&node->activities, &cursor)) != NULL;)
        doubt(sim, run_key(activity->key));
}

void sim_runs_disturb(struct sim *sim, uint32_t target, int64_t until_ms)
{
    struct node *node = &sim->nodes[target];
    for (uint32_t i = 0; i < node->running_count; i++) node->running[i].is_disturbed = true;
    if (node->life) doubt_all(sim, node->node);
    if (until_ms > node->disturbed_ms) node->disturbed_ms = until_ms;
}

void sim_runs_on_members(struct sim *sim, uint32_t target, const struct pawl_members *members)
{
    struct node *node = &sim->nodes[target];
    for (uint32_t other = 0; other < SIM_NODES; other++) {
        uint64_t life = 0;
        for (uint32_t i = 0; i < members->count; i++)
            if (pawl_bytes_is_str(members->items[i].host, sim->nodes[other].host))
                life = sim->nodes[other].life;
        if (life == 0) sim_runs_disturb(sim, other, 0);
        if (node->knows[other].life == life) continue;
        node->knows[other] = (struct acquaintance){ .life = life, .since_ms = sim->now_ms };
    }
}

static bool knows(const struct sim *sim, uint32_t target, uint32_t other, int64_t for_ms)
{
    const struct acquaintance *known = &sim->nodes[target].knows[other];
    return known->life == sim->nodes[other].life && known->since_ms + for_ms <= sim->now_ms;
}

static bool is_disturbed(const struct sim *sim, uint32_t target)
{
    return sim->now_ms < sim->nodes[target].disturbed_ms + DISTURBED_MS;
}

void sim_runs_on_activity(struct sim *sim, uint32_t target, struct running *running)
{
    const struct pawl_node *node = sim->nodes[target].node;
    const struct pawl_activity *activity =
        pawl_map_find(&node->activities_token,
                      pawl_bytes_make(running->token.bytes, sizeof running->token.bytes));
    if (activity) running->key = run_key(activity->key);
    running->since_ms = sim->now_ms;
    if (is_disturbed(sim, target)) doubt(sim, running->key);
}

static bool is_at(const struct sim *sim, uint32_t target, uint64_t key)
{
    const struct node *node = &sim->nodes[target];
    for (uint32_t i = 0; i < node->running_count; i++) {
        const struct running *running = &node->running[i];
        if (running->key == key && !running->is_disturbed
            && running->since_ms + RUNNING_LONG_MS <= sim->now_ms)
            return true;
    }
    return false;
}

void sim_runs_on_run(struct sim *sim, uint32_t from, uint32_t to, const struct pawl_peer_run *run)
{
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    struct pawl_op_ref ref = pawl_op_ref_of_run(run);
    uint64_t key = run_key(pawl_activity_key(&arena, &ref));
    pawl_arena_deinit(&arena);
    if (is_disturbed(sim, from) || is_disturbed(sim, to)) doubt(sim, key);
    if (is_doubtful(sim, key)) return;
    for (uint32_t other = 0; other < SIM_NODES; other++) {
        if (other == to || other == from || !sim->nodes[other].life) continue;
        bool can_tell = !is_disturbed(sim, other) && knows(sim, from, other, RUNNING_LONG_MS)
                        && knows(sim, other, from, KNOWN_MS);
        PAWL_ASSERT(!can_tell || !is_at(sim, other, key)); /* it would run twice */
    }
}
