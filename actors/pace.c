#include "actors/pace.h"

#include "actors/directory.h"
#include "actors/partition.h"
#include "actors/workflow.h"
#include "base/cover.h"

/* No place was given back for so long: as many more as there are places go on, so that
 * turns which never end hold up only themselves. */
#define STUCK_MS 1000

static uint32_t *pace_rest_over(struct pawl_pace *pace, int64_t at_ms)
{
    return &pace->rest_over[(uint64_t)at_ms % (PAWL_WAKE_REST_MS_MAX + 1)];
}

/* The places that were resting until now are free. */
static void pace_pass(struct pawl_node *node)
{
    struct pawl_pace *pace = &node->pace;
    int64_t from_ms = pace->rested_ms + 1;
    if (from_ms < node->now_ms - PAWL_WAKE_REST_MS_MAX)
        from_ms = node->now_ms - PAWL_WAKE_REST_MS_MAX;
    for (int64_t at_ms = from_ms; at_ms <= node->now_ms; at_ms++) {
        uint32_t *over = pace_rest_over(pace, at_ms);
        pace->resting -= *over;
        *over = 0;
    }
    pace->rested_ms = node->now_ms;
}

/* A window that has passed counts as the one before. */
static void pace_note_time(struct pawl_node *node, int64_t taken_ms)
{
    struct pawl_pace *pace = &node->pace;
    uint32_t time_ms = taken_ms < PAWL_WAKES_MAX ? (uint32_t)taken_ms : PAWL_WAKES_MAX;
    if (node->now_ms - pace->window_ms >= PAWL_WAKES_WINDOW_MS) {
        pace->quickest_before_ms = pace->quickest_ms;
        pace->quickest_ms = time_ms;
        pace->window_ms = node->now_ms;
    }
    if (time_ms < pace->quickest_ms) pace->quickest_ms = time_ms;
}

static uint32_t pace_places(const struct pawl_node *node)
{
    const struct pawl_pace *pace = &node->pace;
    uint32_t quickest_ms =
        pace->quickest_ms < pace->quickest_before_ms ? pace->quickest_ms : pace->quickest_before_ms;
    struct pawl_host **hosts;
    uint32_t sidecars = pawl_directory_own_hosts(node, &hosts);
    uint32_t share = sidecars ? (PAWL_WAKES_SHARED + sidecars - 1) / sidecars : PAWL_WAKES_SHARED;
    uint32_t places = quickest_ms * PAWL_WAKES_PER_MS;
    if (places < share) places = share;
    if (places < PAWL_WAKES_POLL_MIN) places = PAWL_WAKES_POLL_MIN;
    return places < node->config.wakes_max ? places : node->config.wakes_max;
}

static uint32_t pace_free(const struct pawl_node *node)
{
    uint32_t taken = node->pace.taken + node->pace.resting;
    uint32_t places = pace_places(node);
    return taken < places ? places - taken : 0;
}

uint32_t pawl_pace_room(struct pawl_node *node)
{
    pace_pass(node);
    uint32_t room = pace_free(node);
    return room > node->polls_expected ? room - node->polls_expected : 0;
}

bool pawl_pace_has_room(struct pawl_node *node)
{
    uint32_t max = pace_places(node);
    return pawl_pace_room(node) >= (max < PAWL_WAKES_POLL_MIN ? max : PAWL_WAKES_POLL_MIN);
}

void pawl_pace_leave_line(struct pawl_workflow *workflow)
{
    if (pawl_list_is_linked(&workflow->pace_link)) pawl_list_remove(&workflow->pace_link);
}

void pawl_pace_take(struct pawl_node *node, struct pawl_workflow *workflow)
{
    if (workflow->has_place) return;
    pawl_pace_leave_line(workflow);
    workflow->has_place = true;
    workflow->place_ms = node->now_ms;
    node->pace.taken++;
}

static void pace_set_alarm(struct pawl_node *node, int64_t due_ms)
{
    struct pawl_alarm *alarm = &node->pace.alarm;
    if (pawl_heap_node_is_linked(&alarm->node) && alarm->node.due_ms <= due_ms) return;
    pawl_alarm_set(node, alarm, due_ms);
}

bool pawl_pace_take_or_wait(struct pawl_node *node, struct pawl_workflow *workflow)
{
    if (workflow->has_place) return true;
    struct pawl_pace *pace = &node->pace;
    pace_pass(node);
    if (pawl_list_is_empty(&pace->waiting) && pace_free(node) > 0) {
        pawl_pace_take(node, workflow);
        return true;
    }
    if (pawl_list_is_empty(&pace->waiting)) pace->released_ms = node->now_ms;
    if (!pawl_list_is_linked(&workflow->pace_link)) {
        PAWL_COVER(PACE_WAITED);
        pawl_list_push_tail(&pace->waiting, &workflow->pace_link);
    }
    pace_set_alarm(node, node->now_ms + (pace->resting > 0 ? 1 : STUCK_MS));
    return false;
}

void pawl_pace_wait_to_poll(struct pawl_node *node, struct pawl_partition *partition)
{
    struct pawl_pace *pace = &node->pace;
    pawl_list_push_tail(&pace->polls_waiting, &partition->pace_link);
    if (pace->resting > 0) pace_set_alarm(node, node->now_ms + 1);
}

void pawl_pace_leave_poll_line(struct pawl_partition *partition)
{
    if (pawl_list_is_linked(&partition->pace_link)) pawl_list_remove(&partition->pace_link);
}

void pawl_pace_on_polled(struct pawl_node *node)
{
    if (!pawl_list_is_empty(&node->pace.polls_waiting)) pace_set_alarm(node, node->now_ms);
}

static bool pace_is_awaited(const struct pawl_pace *pace)
{
    return !pawl_list_is_empty(&pace->waiting) || !pawl_list_is_empty(&pace->polls_waiting);
}

void pawl_pace_release(struct pawl_node *node, struct pawl_workflow *workflow)
{
    pawl_pace_leave_line(workflow);
    if (!workflow->has_place) return;
    workflow->has_place = false;
    struct pawl_pace *pace = &node->pace;
    pace_pass(node);
    PAWL_ASSERT(pace->taken > 0);
    pace->taken--;
    pace->released_ms = node->now_ms;
    int64_t rest_ms = node->now_ms - workflow->place_ms;
    pace_note_time(node, rest_ms);
    if (rest_ms > PAWL_WAKE_REST_MS_MAX) rest_ms = PAWL_WAKE_REST_MS_MAX;
    if (rest_ms > 0) {
        pace->resting++;
        ++*pace_rest_over(pace, node->now_ms + rest_ms);
    }
    if (pace_is_awaited(pace)) pace_set_alarm(node, node->now_ms + rest_ms);
}

static void pace_poll(struct pawl_node *node)
{
    struct pawl_list *line = &node->pace.polls_waiting;
    while (!pawl_list_is_empty(line) && pawl_pace_has_room(node))
        pawl_partition_poll(node, PAWL_CONTAINER_OF(line->next, struct pawl_partition, pace_link));
}

static void pace_on_alarm(struct pawl_node *node, struct pawl_alarm *alarm)
{
    (void)alarm;
    struct pawl_pace *pace = &node->pace;
    pace_pass(node);
    uint32_t count = pace_free(node);
    if (node->now_ms - pace->released_ms >= STUCK_MS) {
        count = pace_places(node);
        pace->released_ms = node->now_ms;
    }
    for (; count > 0 && !pawl_list_is_empty(&pace->waiting); count--) {
        struct pawl_workflow *first =
            PAWL_CONTAINER_OF(pace->waiting.next, struct pawl_workflow, pace_link);
        pawl_pace_take(node, first);
        pawl_workflow_advance(node, first);
    }
    pace_poll(node);
    if (pace_is_awaited(pace))
        pace_set_alarm(node, node->now_ms + (pace->resting > 0 ? 1 : STUCK_MS));
}

void pawl_pace_init(struct pawl_node *node)
{
    pawl_list_init(&node->pace.waiting);
    pawl_list_init(&node->pace.polls_waiting);
    node->pace.alarm.fire = pace_on_alarm;
}

void pawl_pace_deinit(struct pawl_node *node)
{
    pawl_alarm_clear(node, &node->pace.alarm);
}
