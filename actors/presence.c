#include "actors/presence.h"

#include "actors/directory.h"
#include "base/fsm.h"

enum presence_state { ABSENT, ARRIVED, PRESENT, MISSED, STATES_COUNT };

#define ALLOW(state) PAWL_FSM_BIT(state)
static const struct pawl_fsm_state presence_states[STATES_COUNT] = {
    [ABSENT] = { "absent", ALLOW(ARRIVED) },
    [ARRIVED] = { "arrived", ALLOW(ABSENT) | ALLOW(PRESENT) },
    [PRESENT] = { "present", ALLOW(MISSED) },
    [MISSED] = { "missed", ALLOW(PRESENT) | ALLOW(ABSENT) },
};
#undef ALLOW

static void presence_move(struct pawl_node *node, enum presence_state state)
{
    pawl_fsm_move(presence_states, &node->presence.state, (uint8_t)state);
    node->presence.since_ms = node->now_ms;
    pawl_alarm_clear(node, &node->presence.alarm);
}

static int64_t presence_steady_ms(const struct pawl_presence *presence)
{
    int64_t steady_ms = PAWL_PRESENCE_STEADY_MS;
    for (uint32_t i = 0; i < presence->falls && steady_ms < PAWL_PRESENCE_STEADY_MS_MAX; i++)
        steady_ms *= 2;
    return steady_ms;
}

static void presence_on_arrived(struct pawl_node *node)
{
    struct pawl_presence *presence = &node->presence;
    int64_t steady_ms = presence->since_ms + presence_steady_ms(presence);
    bool is_steady = node->now_ms >= steady_ms || !pawl_directory_others_run_workflows(node);
    if (!is_steady) {
        pawl_alarm_set(node, &presence->alarm, steady_ms);
        return;
    }
    presence_move(node, PRESENT);
    presence->present_ms = node->now_ms;
}

static void presence_on_missed(struct pawl_node *node)
{
    struct pawl_presence *presence = &node->presence;
    int64_t over_ms = presence->since_ms + PAWL_PRESENCE_GRACE_MS;
    if (node->now_ms < over_ms) {
        pawl_alarm_set(node, &presence->alarm, over_ms);
        return;
    }
    int64_t stayed_ms = presence->since_ms - presence->present_ms;
    if (stayed_ms >= PAWL_PRESENCE_STEADY_MS_MAX) presence->falls = 0;
    if (presence_steady_ms(presence) < PAWL_PRESENCE_STEADY_MS_MAX) presence->falls++;
    presence_move(node, ABSENT);
    pawl_node_log(node, PAWL_LOG_WARN,
                  "no worker that runs workflows has been connected for %u s; %s",
                  PAWL_PRESENCE_GRACE_MS / 1000,
                  pawl_directory_others_run_workflows(node)
                      ? "the workflows of this sidecar go to others of the app"
                      : "no other sidecar of the app has one either, so workflows wait");
}

void pawl_presence_look(struct pawl_node *node)
{
    if (!node->config.placed) return;
    bool is_here = node->turn_workers > node->turn_workers_leaving;
    struct pawl_presence *presence = &node->presence;
    if (presence->state == ABSENT && is_here) presence_move(node, ARRIVED);
    if (presence->state == ARRIVED && !is_here) presence_move(node, ABSENT);
    if (presence->state == PRESENT && !is_here) presence_move(node, MISSED);
    if (presence->state == MISSED && is_here) presence_move(node, PRESENT);
    if (presence->state == ARRIVED) presence_on_arrived(node);
    if (presence->state == MISSED) presence_on_missed(node);
}

static void presence_on_alarm(struct pawl_node *node, struct pawl_alarm *alarm)
{
    (void)alarm;
    pawl_presence_look(node);
}

void pawl_presence_init(struct pawl_node *node)
{
    node->presence.alarm.fire = presence_on_alarm;
}

void pawl_presence_deinit(struct pawl_node *node)
{
    pawl_alarm_clear(node, &node->presence.alarm);
}

bool pawl_presence_is_told(const struct pawl_node *node)
{
    return node->presence.state == PRESENT || node->presence.state == MISSED;
}
