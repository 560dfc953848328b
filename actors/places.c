#include "actors/places.h"

#include "actors/directory.h"
#include "actors/keeper.h"
#include "actors/partition.h"
#include "actors/worker.h"
#include "base/bytes.h"
#include "base/cover.h"
#include "base/mutant.h"

/* Whoever has no goal may keep what it has. */
#define NO_GOAL UINT32_MAX

static void places_on_alarm(struct pawl_node *node, struct pawl_alarm *alarm)
{
    (void)node; /* the pump at the end of this step looks */
    (void)alarm;
}

void pawl_places_init(struct pawl_node *node)
{
    node->places.alarm.fire = places_on_alarm;
}

void pawl_places_deinit(struct pawl_node *node)
{
    pawl_alarm_clear(node, &node->places.alarm);
}

static bool places_hold(const struct pawl_node *node)
{
    return node->now_ms < node->places.until_ms || PAWL_MUTANT(PLACES_FOR_EVER);
}

uint32_t pawl_places_of(const struct pawl_node *node, const struct pawl_limit *limit)
{
    if (!node->config.placed) return limit->rule.max; /* there is nobody else */
    return places_hold(node) ? limit->places : 0;
}

/* What the workers here would take at once: a place that waits for a worker is lost for
 * the others. */
static uint32_t credit_of(const struct pawl_node *node, bool is_task)
{
    uint32_t cursor = 0;
    uint64_t credit = 0;
    for (const struct pawl_worker *worker;
         (worker = pawl_map_next(&node->workers, &cursor)) != NULL;)
        if (!worker->leaving) credit += is_task ? worker->task_credit : worker->turn_credit;
    return credit < UINT32_MAX ? (uint32_t)credit : UINT32_MAX;
}

/* Of what waits at a gate, no more can use a place of the limit for all than the limits of
 * the name allow. */
static uint32_t gate_could_use(const struct pawl_gate *gate)
{
    uint32_t count = gate->waiting;
    for (uint32_t i = 0; i < gate->limits_count; i++) {
        const struct pawl_limit *limit = gate->limits[i];
        if (pawl_bytes_is_absent(limit->rule.name)) continue;
        uint32_t room = limit->rule.max > limit->running ? limit->rule.max - limit->running : 0;
        if (count > room) count = room;
    }
    return count;
}

static uint32_t all_could_use(const struct pawl_node *node, bool is_task)
{
    const struct pawl_limits *limits = &node->limits;
    uint64_t count = limits->gate_for_all[is_task]->waiting;
    uint32_t cursor = 0;
    for (const struct pawl_gate *gate;
         (gate = pawl_map_next(&limits->gates[is_task], &cursor)) != NULL;)
        count += gate_could_use(gate);
    return count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
}

/* Places of a name are asked for only when there are places of the limit for all to use them
 * with. Else two sidecars could each hold what the other one lacks, for ever. */
static uint32_t name_could_use(const struct pawl_node *node, const struct pawl_limit *limit)
{
    const struct pawl_gate *for_all = node->limits.gate_for_all[limit->rule.is_task];
    uint32_t count = limit->waiting;
    for (uint32_t i = 0; i < for_all->limits_count; i++) {
        const struct pawl_limit *all = for_all->limits[i];
        if (!all->rule.is_global) continue;
        uint32_t places = pawl_places_of(node, all);
        uint32_t room = places > all->running ? places - all->running : 0;
        if (count > room) count = room;
    }
    return count;
}

static uint32_t limit_wants(const struct pawl_node *node, const struct pawl_limit *limit)
{
    bool is_for_all = pawl_bytes_is_absent(limit->rule.name);
    uint32_t more = 0;
    if (limit->waiting > 0) {
        uint32_t credit = credit_of(node, limit->rule.is_task);
        more = is_for_all ? all_could_use(node, limit->rule.is_task) : name_could_use(node, limit);
        if (more > credit) more = credit;
    }
    uint64_t wanted = (uint64_t)limit->running + more;
    return wanted < limit->rule.max ? (uint32_t)wanted : limit->rule.max;
}

/* A new place may wait a moment for one of another limit, without which it is of no use. */
static uint32_t limit_goal(const struct pawl_node *node, const struct pawl_limit *limit)
{
    bool is_new = limit->is_unused && node->now_ms < limit->grown_ms + PAWL_PLACES_KEEP_MS;
    return is_new ? NO_GOAL : limit->goal;
}

static bool renewal_is_due(const struct pawl_node *node)
{
    return node->now_ms >= node->places.asked_ms + PAWL_PLACES_RENEW_MS;
}

/* The keeper, who divides by what each wanted last, must hear that nothing is wanted any more. */
static bool limit_is_idle(const struct pawl_node *node, const struct pawl_limit *limit)
{
    return limit->running == 0 && limit->waiting == 0 && renewal_is_due(node);
}

/* What is given up before the keeper is told counts there until it is. */
static void limit_give_back(const struct pawl_node *node, struct pawl_limit *limit, uint32_t wanted)
{
    bool is_leaving = node->directory.self && node->directory.self->leaving;
    bool may_keep = limit->goal == NO_GOAL && !is_leaving && places_hold(node);
    if (may_keep && !limit_is_idle(node, limit)) return;
    uint32_t goal = limit_goal(node, limit);
    if (wanted < goal) goal = wanted;
    if (!places_hold(node) || goal < limit->running) goal = limit->running;
    if (limit->places > goal) limit->places = goal;
}

/* True when the keeper is to hear of it now. */
static bool limit_look(const struct pawl_node *node, struct pawl_limit *limit)
{
    uint32_t wanted = limit_wants(node, limit);
    limit_give_back(node, limit, wanted);
    bool is_less = limit->places < limit->held_told;
    bool is_more = wanted > limit->places && wanted > limit->wanted_told;
    return is_less || is_more;
}

/* As long as this sidecar wants or holds something, the keeper hears of it. */
static bool is_in_use(const struct pawl_node *node)
{
    for (uint32_t i = 0; i < node->limits.count; i++) {
        const struct pawl_limit *limit = &node->limits.items[i];
        if (limit->rule.is_global && (limit->running || limit->waiting || limit->held_told))
            return true;
    }
    return false;
}

static void places_ask(struct pawl_node *node, struct pawl_host *keeper)
{
    struct pawl_places_state *places = &node->places;
    struct pawl_arena *arena = &node->effects->arena;
    struct pawl_peer_frame *frame = pawl_node_peer_frame(node, PAWL_PEER_PLACES_WANTED);
    struct pawl_peer_places *wanted = &frame->places;
    wanted->version = node->directory.version;
    wanted->kept_epoch = pawl_keeper_claim(node);
    if (places->number == 0) places->process = pawl_rng_id(&node->rng);
    wanted->process = places->process;
    wanted->number = ++places->number;
    wanted->items = PAWL_ARENA_ARRAY(arena, struct pawl_peer_places_item, node->limits.count);
    for (uint32_t i = 0; i < node->limits.count; i++) {
        struct pawl_limit *limit = &node->limits.items[i];
        if (!limit->rule.is_global) continue;
        if (!places_hold(node)) limit->places = limit->running;
        limit->held_told = limit->places;
        limit->held_asked = limit->places;
        limit->wanted_told = limit_wants(node, limit);
        limit->voided = 0;
        wanted->items[wanted->items_count++] = (struct pawl_peer_places_item){
            .is_task = limit->rule.is_task,
            .name = pawl_arena_copy(arena, limit->rule.name),
            .max = limit->rule.max,
            .held = limit->held_told,
            .wanted = limit->wanted_told,
        };
    }
    places->is_asking = true;
    places->asked_ms = node->now_ms;
    places->asked_version = node->directory.version;
    places->keeper = keeper->number;
    if (keeper->is_self)
        pawl_keeper_on_wanted(node, keeper, wanted);
    else
        pawl_node_peer_send(node, keeper, frame);
}

static struct pawl_limit *limit_find(struct pawl_node *node,
                                     const struct pawl_peer_places_item *item)
{
    for (uint32_t i = 0; i < node->limits.count; i++) {
        struct pawl_limit *limit = &node->limits.items[i];
        bool is_it = limit->rule.is_global && limit->rule.is_task == item->is_task
                     && pawl_bytes_is_equal(limit->rule.name, item->name);
        if (is_it) return limit;
    }
    return NULL;
}

/* Nobody knows whether the keeper still counted what was held here: it may be given out by
 * now. So what runs keeps its place until it ends, and nothing follows it there. */
static void limit_lapse(struct pawl_limit *limit)
{
    limit->lapsed = limit->running;
    limit->voided = limit->held_asked > limit->running ? limit->held_asked - limit->running : 0;
}

void pawl_places_on_leave(struct pawl_limit *limit)
{
    if (limit->lapsed == 0) return;
    limit->lapsed--;
    limit->voided++;
    if (limit->places > 0) limit->places--;
}

static void limit_take(struct pawl_node *node, struct pawl_limit *limit,
                       const struct pawl_peer_places_item *item)
{
    uint32_t places = item->held > limit->voided ? item->held - limit->voided : 0;
    if (places > limit->places) {
        node->places.has_more = true;
        limit->is_unused = true;
        limit->grown_ms = node->now_ms;
    }
    limit->places = places;
    limit->held_told = item->held;
    limit->goal = item->wanted;
}

void pawl_places_on_answer(struct pawl_node *node, const struct pawl_host *host,
                           const struct pawl_peer_places *answer)
{
    struct pawl_places_state *places = &node->places;
    bool is_last = answer->number == places->number && host->number == places->keeper
                   && pawl_id_is_equal(answer->process, places->process);
    if (!is_last && !PAWL_MUTANT(PLACES_OF_BEFORE)) {
        PAWL_COVER(PLACES_OUTDATED);
        return;
    }
    bool has_lapsed = !places_hold(node);
    places->is_asking = false;
    places->until_ms = places->asked_ms + PAWL_PLACES_LEASE_MS;
    for (uint32_t i = 0; i < answer->items_count; i++) {
        struct pawl_limit *limit = limit_find(node, &answer->items[i]);
        if (!limit) continue;
        if (has_lapsed) limit_lapse(limit);
        limit_take(node, limit, &answer->items[i]);
    }
}

void pawl_places_yield(struct pawl_node *node)
{
    if (!node->config.placed || node->limits.global_count == 0) return;
    for (uint32_t i = 0; i < node->limits.count; i++) {
        struct pawl_limit *limit = &node->limits.items[i];
        if (limit->rule.is_global) limit_give_back(node, limit, limit_wants(node, limit));
    }
}

static bool must_ask(struct pawl_node *node, const struct pawl_host *keeper)
{
    const struct pawl_places_state *places = &node->places;
    bool is_news =
        keeper->number != places->keeper || places->asked_version != node->directory.version;
    for (uint32_t i = 0; i < node->limits.count; i++)
        if (node->limits.items[i].rule.is_global && limit_look(node, &node->limits.items[i]))
            is_news = true;
    if (keeper->number != places->keeper) return true;
    if (places->is_asking) return node->now_ms >= places->asked_ms + PAWL_PLACES_AGAIN_MS;
    return is_news || (is_in_use(node) && renewal_is_due(node));
}

/* The end of a lease needs no alarm: it closes gates. */
static void places_set_alarm(struct pawl_node *node)
{
    struct pawl_places_state *places = &node->places;
    pawl_alarm_clear(node, &places->alarm);
    if (places->is_asking)
        pawl_alarm_set(node, &places->alarm, places->asked_ms + PAWL_PLACES_AGAIN_MS);
    else if (is_in_use(node))
        pawl_alarm_set(node, &places->alarm, places->asked_ms + PAWL_PLACES_RENEW_MS);
}

bool pawl_places_pump(struct pawl_node *node)
{
    struct pawl_places_state *places = &node->places;
    if (!node->config.placed || node->limits.global_count == 0) return false;
    struct pawl_host *keeper = pawl_directory_keeper(node);
    if (!keeper) return false;
    if (must_ask(node, keeper)) places_ask(node, keeper);
    places_set_alarm(node);
    bool has_more = places->has_more;
    places->has_more = false;
    return has_more;
}
