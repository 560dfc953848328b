#include "placement/leader.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/fsm.h"
#include "base/limits.h"
#include "base/rng.h"

_Static_assert(PAWL_LEADER_ADDRESS_SIZE_MAX == PAWL_ADDRESS_SIZE_MAX, "room for an address");

enum leader_state { FOLLOWING = 1, LEADING };

static const struct pawl_fsm_state leader_states[] = {
    [FOLLOWING] = { "following", PAWL_FSM_BIT(LEADING) },
    [LEADING] = { "leading", PAWL_FSM_BIT(FOLLOWING) },
};

void pawl_leader_init(struct pawl_leader *leader, uint64_t seed)
{
    *leader = (struct pawl_leader){ .state = FOLLOWING, .seed = seed };
}

bool pawl_leader_leads(const struct pawl_leader *leader)
{
    return leader->state == LEADING;
}

static struct pawl_leader_effect *effect_add(struct pawl_leader_effects *effects,
                                             enum pawl_leader_effect_type type)
{
    PAWL_ASSERT(effects->count < PAWL_LEADER_EFFECTS_MAX);
    struct pawl_leader_effect *effect = &effects->items[effects->count++];
    *effect = (struct pawl_leader_effect){ .type = type };
    return effect;
}

static struct pawl_bytes other(const struct pawl_leader *leader)
{
    if (leader->other_size == 0) return PAWL_BYTES_ABSENT;
    return pawl_bytes_make(leader->other, leader->other_size);
}

static void other_set(struct pawl_leader *leader, struct pawl_bytes address)
{
    bool fits = address.size <= sizeof leader->other;
    leader->other_size = fits ? (uint16_t)address.size : 0;
    if (leader->other_size > 0) memcpy(leader->other, address.data, address.size);
}

/* Asking ---------------------------------------------------------------------------- */

/* Between half of it and all of it, so that replicas do not ask in step. */
static int64_t jittered(struct pawl_leader *leader, int64_t wait_ms)
{
    struct pawl_rng rng;
    pawl_rng_init(&rng, leader->seed++);
    return wait_ms / 2 + (int64_t)pawl_rng_below(&rng, (uint64_t)wait_ms / 2 + 1);
}

static void ask(struct pawl_leader *leader, int64_t now_ms, struct pawl_leader_effects *effects)
{
    leader->asked = ++leader->asked_count;
    leader->asked_ms = now_ms;
    effect_add(effects, PAWL_LEADER_TAKE)->token = leader->asked;
}

static void ask_if_due(struct pawl_leader *leader, int64_t now_ms,
                       struct pawl_leader_effects *effects)
{
    if (leader->stopped) return;
    /* An answer that late is not waited for; should it come, its token is old. */
    if (leader->asked != 0 && now_ms >= leader->asked_ms + PAWL_LEADER_TIMEOUT_MS) {
        leader->asked = 0;
        leader->ask_ms = now_ms;
    }
    if (leader->asked == 0 && now_ms >= leader->ask_ms) ask(leader, now_ms, effects);
}

/* Leading --------------------------------------------------------------------------- */

static void step_down(struct pawl_leader *leader, struct pawl_leader_effects *effects)
{
    pawl_fsm_move(leader_states, &leader->state, FOLLOWING);
    effect_add(effects, PAWL_LEADER_FOLLOW)->address = other(leader);
}

static void step_down_if_over(struct pawl_leader *leader, int64_t now_ms,
                              struct pawl_leader_effects *effects)
{
    if (leader->state != LEADING || now_ms < leader->until_ms) return;
    other_set(leader, PAWL_BYTES_ABSENT);
    step_down(leader, effects);
}

static void on_taken(struct pawl_leader *leader, const struct pawl_leader_event *event,
                     struct pawl_leader_effects *effects)
{
    int64_t until_ms = leader->asked_ms + PAWL_LEADER_LEASE_MS - PAWL_LEADER_MARGIN_MS;
    leader->ask_ms = leader->asked_ms + PAWL_LEADER_LEASE_MS / 4;
    if (event->now_ms >= until_ms) return; /* taken, but too long ago to count on it */

    /* The lease was lost on the way and taken anew: somebody may have led in between. */
    other_set(leader, PAWL_BYTES_ABSENT);
    if (leader->state == LEADING && event->epoch != leader->epoch) step_down(leader, effects);
    leader->until_ms = until_ms;
    if (leader->state == LEADING) return;
    leader->epoch = event->epoch;
    pawl_fsm_move(leader_states, &leader->state, LEADING);
    effect_add(effects, PAWL_LEADER_LEAD)->epoch = event->epoch;
}

static void on_held(struct pawl_leader *leader, const struct pawl_leader_event *event,
                    struct pawl_leader_effects *effects)
{
    bool is_news = !pawl_bytes_is_equal(other(leader), event->address);
    other_set(leader, event->address);
    int64_t wait_ms = PAWL_LEADER_ASK_MS;
    if (event->remaining_ms < wait_ms) wait_ms = event->remaining_ms;
    leader->ask_ms = event->now_ms + wait_ms + jittered(leader, PAWL_LEADER_ASK_MS / 10);
    if (leader->state == LEADING)
        step_down(leader, effects);
    else if (is_news)
        effect_add(effects, PAWL_LEADER_FOLLOW)->address = other(leader);
}

static void on_answer(struct pawl_leader *leader, const struct pawl_leader_event *event,
                      struct pawl_leader_effects *effects)
{
    if (leader->asked == 0 || event->token != leader->asked || leader->stopped) return;
    leader->asked = 0;
    switch (event->err) {
    case PAWL_OK: on_taken(leader, event, effects); return;
    case PAWL_E_CONFLICT: on_held(leader, event, effects); return;
    default: leader->ask_ms = event->now_ms + jittered(leader, PAWL_LEADER_ASK_MS); return;
    }
}

static void on_stop(struct pawl_leader *leader, struct pawl_leader_effects *effects)
{
    if (leader->stopped) return;
    leader->stopped = true;
    leader->asked = 0;
    other_set(leader, PAWL_BYTES_ABSENT);
    /* Also when it only asked: the answer may be on its way. */
    effect_add(effects, PAWL_LEADER_RELEASE)->token = ++leader->asked_count;
    if (leader->state == LEADING) step_down(leader, effects);
}

struct pawl_leader_effects pawl_leader_step(struct pawl_leader *leader,
                                            const struct pawl_leader_event *event)
{
    struct pawl_leader_effects effects = { .count = 0 };
    step_down_if_over(leader, event->now_ms, &effects);
    switch (event->type) {
    case PAWL_LEADER_TICK: break;
    case PAWL_LEADER_ANSWER: on_answer(leader, event, &effects); break;
    case PAWL_LEADER_STOP: on_stop(leader, &effects); break;
    }
    ask_if_due(leader, event->now_ms, &effects);
    return effects;
}

int64_t pawl_leader_wake_at_ms(const struct pawl_leader *leader)
{
    if (leader->stopped) return 0;
    int64_t at_ms = leader->asked != 0 ? leader->asked_ms + PAWL_LEADER_TIMEOUT_MS : leader->ask_ms;
    if (leader->state == LEADING && leader->until_ms < at_ms) at_ms = leader->until_ms;
    return at_ms > 0 ? at_ms : 1;
}
