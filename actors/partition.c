#include "actors/partition.h"

#include "actors/call.h"
#include "actors/keeper.h"
#include "actors/outbox.h"
#include "actors/pace.h"
#include "actors/run.h"
#include "actors/stalled.h"
#include "actors/waiter.h"
#include "actors/watch.h"
#include "actors/workflow.h"
#include "base/cover.h"
#include "base/fsm.h"
#include "base/mutant.h"

#define ACQUIRE_AGAIN_MS 1000

/* Polls start small and double while they come back full, but bring no more than there
 * are places for (actors/pace.h): an hour's worth of due timers enters memory in pieces,
 * not at once. A partition whose reminders wait is not kept from them by others for longer
 * than PAWL_POLL_EVERY_MS. */
#define POLL_AGAIN_MS 10

#define ALLOW(state) PAWL_FSM_BIT(PAWL_PARTITION_##state)
static const struct pawl_fsm_state partition_states[PAWL_PARTITION_STATES_COUNT] = {
    [PAWL_PARTITION_FREE] = { "free", ALLOW(ACQUIRING) },
    [PAWL_PARTITION_ACQUIRING] = { "acquiring", ALLOW(OWNED) | ALLOW(FREE) },
    [PAWL_PARTITION_OWNED] = { "owned", ALLOW(ACQUIRING) | ALLOW(FREE) },
};
#undef ALLOW

static void partition_move(struct pawl_node *node, struct pawl_partition *partition,
                           enum pawl_partition_state state)
{
    if (partition->state == PAWL_PARTITION_OWNED) node->partitions_owned--;
    pawl_fsm_move(partition_states, &partition->state, (uint8_t)state);
    if (partition->state == PAWL_PARTITION_OWNED) node->partitions_owned++;
}

bool pawl_partition_is_owned(const struct pawl_partition *partition)
{
    return partition->state == PAWL_PARTITION_OWNED;
}

static bool fence_is_equal(const struct pawl_fence *a, const struct pawl_fence *b)
{
    return a->epoch == b->epoch && pawl_id_is_equal(a->nonce, b->nonce);
}

/* Polls that take what is leased for due, in turn with ordinary ones: what an earlier owner
 * was at does not wait behind all that is overdue. They lease it until later than they look, so
 * each row comes once, however many there are. */
static void partition_recover(const struct pawl_node *node, struct pawl_partition *partition)
{
    partition->recovering = true;
    partition->is_drained = false;
    partition->was_recovery = false;
    partition->recovery_skip = 0;
    partition->recover_from_ms = node->now_ms + 1;
    partition->recover_until_ms = node->now_ms + PAWL_RECOVER_MS;
}

/* Poll ----------------------------------------------------------------------------------------- */

static void partition_poll_item(struct pawl_node *node, const struct pawl_partition *partition,
                                const struct pawl_poll_item *item)
{
    if (item->reminder.kind == PAWL_REMINDER_OUTBOX)
        pawl_outbox_pump(node, partition->index, item->reminder.message, item->body);
    else
        pawl_workflow_on_reminder(node, &item->reminder);
}

static bool poll_was_full(uint32_t polled_max, const struct pawl_store_reply *reply)
{
    return reply->poll.items_count + reply->poll.skipped + reply->poll.unreadable >= polled_max;
}

static int64_t partition_next_poll_ms(const struct pawl_node *node,
                                      const struct pawl_partition *partition,
                                      const struct pawl_store_reply *reply, bool was_full)
{
    if (was_full || partition->recovering) return node->now_ms;
    int64_t next_ms = node->now_ms + PAWL_POLL_EVERY_MS;
    int64_t due_ms = reply->poll.next_due_ms;
    if (due_ms == 0 || due_ms > next_ms) return next_ms;
    return due_ms > node->now_ms ? due_ms : node->now_ms + 1;
}

/* Timers that are not due yet stay where they are: the next look begins with the last of
 * them. */
static void partition_recovery_pass(struct pawl_partition *partition,
                                    const struct pawl_store_reply *reply)
{
    if (reply->poll.skipped == 0) return;
    bool are_at_once = reply->poll.skipped_until_ms == partition->recover_from_ms;
    partition->recovery_skip = are_at_once ? partition->recovery_skip + reply->poll.skipped : 0;
    partition->recover_from_ms = reply->poll.skipped_until_ms;
}

static void partition_on_polled(struct pawl_node *node, struct pawl_call *call,
                                const struct pawl_store_reply *reply)
{
    struct pawl_partition *partition = &node->partitions[call->request.partition];
    node->polls_expected -= *(const uint32_t *)call->context;
    if (!pawl_partition_is_owned(partition)
        || !fence_is_equal(&partition->fence, &call->request.poll.fence))
        return;
    partition->polling = false;
    if (reply->err == PAWL_E_FENCED) {
        pawl_partition_on_fenced(node, partition, &call->request.poll.fence);
        return;
    }
    if (reply->err != PAWL_OK) {
        partition_recover(node, partition); /* it may have leased what nobody has seen */
        pawl_alarm_set(node, &partition->alarm, node->now_ms + PAWL_POLL_EVERY_MS);
        return;
    }
    partition->confirmed_ms = partition->polled_ms;
    for (size_t i = 0; i < PAWL_STATUS_COUNT; i++) {
        node->metrics.instances[i] += reply->poll.counts[i] - partition->counts[i];
        partition->counts[i] = reply->poll.counts[i];
    }
    pawl_stalled_on_polled(node, partition);
    if (reply->poll.unreadable) {
        node->metrics.reminders_unreadable_total += reply->poll.unreadable;
        pawl_node_log(node, PAWL_LOG_ERROR,
                      "partition %u: %u stored reminders cannot be read and were moved aside; "
                      "`pawl doctor` shows them and what was lost with them",
                      (unsigned)partition->index, (unsigned)reply->poll.unreadable);
    }
    if (call->request.poll.max == 0) {
        pawl_alarm_set(node, &partition->alarm, node->now_ms + POLL_AGAIN_MS);
        return;
    }
    bool was_full = poll_was_full(call->request.poll.max, reply);
    int64_t next_ms = partition_next_poll_ms(node, partition, reply, was_full);
    bool was_recovery = call->request.poll.until_ms > call->request.poll.now_ms;
    if (was_recovery) partition_recovery_pass(partition, reply);
    bool is_recovered = was_recovery ? !was_full : node->now_ms >= partition->recover_until_ms;
    if (is_recovered) partition->recovering = false;
    partition->was_recovery = was_recovery;
    partition->was_full = was_full || partition->recovering;
    uint32_t grown = partition->was_full ? partition->poll_max * 2 : PAWL_POLL_ITEMS_MIN;
    partition->poll_max = grown < PAWL_POLL_ITEMS_MAX ? grown : PAWL_POLL_ITEMS_MAX;
    for (uint32_t i = 0; i < reply->poll.items_count; i++)
        partition_poll_item(node, partition, &reply->poll.items[i]);
    if (!partition->was_full && !was_recovery) partition->is_drained = true;
    if (pawl_partition_is_owned(partition)) pawl_alarm_set(node, &partition->alarm, next_ms);
    pawl_pace_on_polled(node);
}

static bool partition_looks_ahead(const struct pawl_node *node,
                                  const struct pawl_partition *partition)
{
    return partition->recovering && node->now_ms < partition->recover_until_ms
           && !partition->was_recovery;
}

/* Right after acquiring, what an earlier owner has leased is due at once: that owner is
 * fenced and will not do it. So is what a poll leased whose answer was lost. Timers keep
 * their time: which of them are leased cannot be told, so their lease is short. */
void pawl_partition_poll(struct pawl_node *node, struct pawl_partition *partition)
{
    pawl_pace_leave_poll_line(partition);
    if (partition->polling) return;
    uint32_t backlog = node->workflows_in[PAWL_WORKFLOW_LOADING]
                       + node->workflows_in[PAWL_WORKFLOW_QUEUED] - node->limits.turns_held
                       + node->polls_expected;
    bool is_full = backlog >= PAWL_BACKLOG_MAX;
    int64_t at_last_ms = partition->polled_ms + PAWL_POLL_EVERY_MS;
    if (is_full && node->now_ms < at_last_ms) {
        pawl_alarm_set(node, &partition->alarm, node->now_ms + POLL_AGAIN_MS);
        return;
    }
    bool must_wait = partition->was_full && !pawl_pace_has_room(node);
    if (must_wait && node->now_ms < at_last_ms) {
        pawl_alarm_set(node, &partition->alarm, at_last_ms);
        pawl_pace_wait_to_poll(node, partition);
        return;
    }
    partition->polled_ms = node->now_ms;
    uint32_t room = pawl_pace_room(node);
    uint32_t least = must_wait ? PAWL_POLL_ITEMS_MIN : PAWL_WAKES_POLL_MIN;
    if (room < least) room = least;
    uint32_t max = partition->poll_max < room ? partition->poll_max : room;
    bool looks_ahead = partition_looks_ahead(node, partition);
    struct pawl_call *call =
        pawl_call_new(node, PAWL_STORE_POLL, partition->index, partition_on_polled);
    call->attempts_max = 1;
    call->request.poll = (struct pawl_poll){
        .fence = partition->fence,
        .now_ms = node->now_ms,
        .from_ms = looks_ahead ? partition->recover_from_ms : 0,
        .until_ms = looks_ahead ? partition->recover_until_ms : node->now_ms,
        .skip = looks_ahead ? partition->recovery_skip : 0,
        .max = is_full ? 0 : max, /* 0: only asks whether we still own it */
    };
    uint32_t *expected = PAWL_ARENA_NEW(&call->arena, uint32_t);
    *expected = partition->was_full && !is_full ? max : 0;
    call->context = expected;
    node->polls_expected += *expected;
    partition->polling = true;
    pawl_call_send(node, call);
}

/* Acquire -------------------------------------------------------------------------------------- */

/* Without placement there is no newer list to wait for: the versions in the store are left
 * from a time when there was. */
static void partition_adopt_version(struct pawl_node *node, struct pawl_partition *partition,
                                    uint64_t version)
{
    partition->table_version = version;
    pawl_alarm_set(node, &partition->alarm, node->now_ms);
    if (node->table_version_adopted) return;
    node->table_version_adopted = true;
    pawl_node_log(
        node, PAWL_LOG_WARN,
        "these workflows were last run under placement, and this sidecar runs without: it "
        "takes all of them. If other sidecars of the app still run, stop them, or start "
        "this one with --placement");
}

/* Once for all partitions: they share the store, and so its refusal. */
static void partition_log_refused(struct pawl_node *node, const struct pawl_partition *partition,
                                  const struct pawl_store_reply *reply)
{
    if (reply->err == node->acquire_err_logged) return;
    node->acquire_err_logged = reply->err;
    if (reply->err == PAWL_E_CONFLICT)
        pawl_node_log(node, PAWL_LOG_WARN,
                      "partition %u, and perhaps others, is owned under a newer placement table; "
                      "waiting",
                      partition->index);
    else
        pawl_node_log(
            node, PAWL_LOG_ERROR,
            "partition %u, and perhaps others, cannot be acquired: %s (%.*s); trying again "
            "every second",
            partition->index, pawl_err_text(reply->err), PAWL_BYTES_FMT(reply->message));
}

static void partition_on_acquired(struct pawl_node *node, struct pawl_call *call,
                                  const struct pawl_store_reply *reply)
{
    struct pawl_partition *partition = &node->partitions[call->request.partition];
    if (partition->state != PAWL_PARTITION_ACQUIRING) return;
    if (!pawl_id_is_equal(partition->fence.nonce, call->request.acquire.nonce)) return;
    if (reply->err == PAWL_E_CONFLICT && reply->acquire.table_version > node->table_version_seen)
        node->table_version_seen = reply->acquire.table_version;
    if (reply->err == PAWL_E_CONFLICT) PAWL_COVER(ACQUIRE_REFUSED);
    if (reply->err == PAWL_E_CONFLICT && !node->config.placed) {
        partition_adopt_version(node, partition, reply->acquire.table_version);
        return;
    }
    if (reply->err != PAWL_OK) {
        partition_log_refused(node, partition, reply);
        pawl_alarm_set(node, &partition->alarm, node->now_ms + ACQUIRE_AGAIN_MS);
        return;
    }
    node->acquire_err_logged = PAWL_OK;
    partition->fence.epoch = reply->acquire.epoch;
    partition->look_for_stalled = true;
    partition_recover(node, partition);
    partition->poll_max = PAWL_POLL_ITEMS_MIN;
    partition->was_full = false;
    partition->polling = false;
    partition->confirmed_ms = 0;
    partition_move(node, partition, PAWL_PARTITION_OWNED);
    if (partition->index == 0) pawl_keeper_on_acquired(node);
    pawl_partition_poll(node, partition);
}

static void partition_acquire(struct pawl_node *node, struct pawl_partition *partition)
{
    partition->fence = (struct pawl_fence){ .nonce = pawl_rng_id(&node->rng) };
    struct pawl_call *call =
        pawl_call_new(node, PAWL_STORE_ACQUIRE, partition->index, partition_on_acquired);
    call->request.acquire = (struct pawl_acquire){ .table_version = partition->table_version,
                                                   .nonce = partition->fence.nonce,
                                                   .owner = pawl_bytes_str(node->host),
                                                   .now_ms = node->now_ms };
    pawl_call_send(node, call);
}

static void partition_on_alarm(struct pawl_node *node, struct pawl_alarm *alarm)
{
    struct pawl_partition *partition = PAWL_CONTAINER_OF(alarm, struct pawl_partition, alarm);
    switch ((enum pawl_partition_state)partition->state) {
    case PAWL_PARTITION_ACQUIRING: partition_acquire(node, partition); return;
    case PAWL_PARTITION_OWNED: pawl_partition_poll(node, partition); return;
    default: return;
    }
}

/* Everything in memory rests on ownership: without it, none of it may be used. */
static void partition_forget_all(struct pawl_node *node, struct pawl_partition *partition,
                                 pawl_err err)
{
    pawl_pace_leave_poll_line(partition);
    uint32_t cursor = 0;
    for (struct pawl_workflow *workflow;
         (workflow = pawl_map_next(&node->workflows, &cursor)) != NULL;)
        if (workflow->partition == partition) pawl_workflow_forget(node, workflow, err);
    pawl_runs_on_partition_lost(node, partition);
    pawl_outbox_on_partition_lost(node, partition);
    if (node->config.placed) pawl_waiters_on_partition_lost(node, partition);
    if (node->config.placed) pawl_watches_on_partition_lost(node, partition);
}

void pawl_partition_on_fenced(struct pawl_node *node, struct pawl_partition *partition,
                              const struct pawl_fence *fence)
{
    if (!pawl_partition_is_owned(partition) || !fence_is_equal(&partition->fence, fence)) return;
    if (PAWL_MUTANT(FENCED_IGNORED)) return;
    node->metrics.fenced_total++;
    pawl_node_log(node, PAWL_LOG_WARN,
                  "partition %u was taken over by another sidecar; dropped what was held of it",
                  partition->index);
    partition_move(node, partition, PAWL_PARTITION_ACQUIRING);
    if (partition->index == 0) pawl_keeper_on_lost(node);
    partition_forget_all(node, partition, PAWL_E_FENCED);
    pawl_alarm_set(node, &partition->alarm, node->now_ms + ACQUIRE_AGAIN_MS);
}

void pawl_partition_on_own(struct pawl_node *node, uint32_t index, uint64_t table_version)
{
    PAWL_ASSERT(index < node->config.partitions);
    struct pawl_partition *partition = &node->partitions[index];
    bool is_news = partition->table_version != table_version;
    partition->table_version = table_version;
    if (partition->state == PAWL_PARTITION_ACQUIRING && is_news) {
        PAWL_COVER(ACQUIRE_NEWS);
        pawl_alarm_set(node, &partition->alarm, node->now_ms); /* it may be ours by now */
    }
    if (partition->state != PAWL_PARTITION_FREE) return;
    node->partitions_wanted++;
    partition_move(node, partition, PAWL_PARTITION_ACQUIRING);
    partition_acquire(node, partition);
}

void pawl_partition_on_disown(struct pawl_node *node, uint32_t index)
{
    PAWL_ASSERT(index < node->config.partitions);
    struct pawl_partition *partition = &node->partitions[index];
    if (partition->state == PAWL_PARTITION_FREE) return;
    node->partitions_wanted--;
    pawl_alarm_clear(node, &partition->alarm);
    partition_move(node, partition, PAWL_PARTITION_FREE);
    if (partition->index == 0) pawl_keeper_on_lost(node);
    partition_forget_all(node, partition, PAWL_E_FENCED);
    for (size_t i = 0; i < PAWL_STATUS_COUNT; i++) {
        node->metrics.instances[i] -= partition->counts[i];
        partition->counts[i] = 0;
    }
}

void pawl_partitions_init(struct pawl_node *node)
{
    uint32_t count = node->config.partitions;
    node->partitions = pawl_mem_alloc(count * sizeof *node->partitions);
    for (uint32_t i = 0; i < count; i++) {
        node->partitions[i].index = i;
        node->partitions[i].alarm.fire = partition_on_alarm;
    }
}

void pawl_partitions_deinit(struct pawl_node *node)
{
    for (uint32_t i = 0; i < node->config.partitions; i++)
        pawl_alarm_clear(node, &node->partitions[i].alarm);
    pawl_mem_free(node->partitions);
}
