#include "state/mem_rows.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/mutant.h"
#include "state/keys.h"

static pawl_err check(const struct pawl_mem_instance *instance, const struct pawl_commit *commit)
{
    const struct pawl_metadata *metadata = &instance->metadata;
    if (!pawl_id_is_equal(metadata->inc, commit->inc)) return PAWL_E_CONFLICT;
    if (metadata->gen != commit->gen) return PAWL_E_CONFLICT;
    if (!pawl_id_is_equal(metadata->last, commit->last) && !PAWL_MUTANT(NO_LAST_CHECK))
        return PAWL_E_CONFLICT;
    if (pawl_store_status_is_terminal(metadata->status)) return PAWL_E_CONFLICT;

    uint32_t head = commit->inbox_consumed;
    if (head < metadata->inbox_head || head > metadata->inbox_tail) return PAWL_E_CONFLICT;
    if (commit->consumed_count != head - metadata->inbox_head) return PAWL_E_CONFLICT;
    for (uint32_t i = 0; i < commit->consumed_count; i++) {
        struct pawl_id stored = pawl_mem_inbox_at(instance, metadata->inbox_head + i)->delivery;
        if (!pawl_id_is_equal(stored, commit->consumed[i])) return PAWL_E_CONFLICT;
    }

    uint64_t history_count = (uint64_t)metadata->history_count + commit->events_count;
    return history_count > commit->history_max ? PAWL_E_TOO_LARGE : PAWL_OK;
}

static void write_pending(struct pawl_mem_instance *instance, const struct pawl_commit *commit,
                          uint32_t history_before)
{
    for (uint32_t i = 0; i < commit->pending_done_count && !PAWL_MUTANT(PENDING_STAYS); i++)
        pawl_mem_pending_remove(instance, commit->pending_done[i]);
    for (uint32_t i = 0; i < commit->pending_added_count && !PAWL_MUTANT(PENDING_LOST); i++) {
        struct pawl_pending pending = commit->pending_added[i];
        pending.history_index += history_before;
        pending.state = PAWL_PENDING_OPEN;
        pawl_mem_pending_put(instance, &pending);
    }
}

static void write_reminders(struct pawl_mem *mem, struct pawl_mem_partition *partition,
                            struct pawl_mem_instance *instance, const struct pawl_commit *commit)
{
    for (uint32_t i = 0; i < commit->reminders_removed_count && !PAWL_MUTANT(REMINDERS_STAY); i++)
        pawl_mem_reminder_remove(mem, partition, &commit->reminders_removed[i]);
    for (uint32_t i = 0; i < commit->reminders_added_count; i++) {
        PAWL_ASSERT(pawl_bytes_is_equal(commit->reminders_added[i].instance, commit->instance));
        pawl_mem_reminder_put(mem, partition, instance, &commit->reminders_added[i]);
    }
}

static void write_messages(struct pawl_mem *mem, struct pawl_mem_partition *partition,
                           const struct pawl_commit *commit)
{
    for (uint32_t i = 0; i < commit->messages_count; i++) {
        struct pawl_reminder retry = { .kind = PAWL_REMINDER_OUTBOX,
                                       .due_ms = commit->now_ms + PAWL_LEASE_OUTBOX_MS,
                                       .message = commit->messages[i].id };
        pawl_mem_message_put(partition, &commit->messages[i]);
        if (!PAWL_MUTANT(OUTBOX_FORGOTTEN)) pawl_mem_reminder_put(mem, partition, NULL, &retry);
    }
}

static void write_payloads(struct pawl_mem_instance *instance, const struct pawl_commit *commit)
{
    struct pawl_payloads *stored = &instance->payloads;
    if (commit->custom_status_set)
        pawl_mem_bytes_set(&instance->custom_status, commit->custom_status);
    if (!pawl_bytes_is_absent(commit->payloads.input))
        pawl_mem_bytes_set(&stored->input, commit->payloads.input);
    if (!pawl_bytes_is_absent(commit->payloads.output))
        pawl_mem_bytes_set(&stored->output, commit->payloads.output);
    if (!pawl_bytes_is_absent(commit->payloads.failure))
        pawl_mem_bytes_set(&stored->failure, commit->payloads.failure);
    if (pawl_bytes_is_absent(commit->attempts)) return;
    pawl_mem_bytes_set(&instance->attempts,
                       commit->attempts.size ? commit->attempts : PAWL_BYTES_ABSENT);
}

static void write_metadata(struct pawl_mem_partition *partition, struct pawl_mem_instance *instance,
                           const struct pawl_commit *commit)
{
    struct pawl_metadata *metadata = &instance->metadata;
    pawl_mem_instance_set_status(partition, instance, commit->status);
    if (metadata->turn == 0) metadata->started_ms = pawl_commit_ms(commit, commit->started_ms);
    if (pawl_store_status_is_terminal(commit->status))
        metadata->completed_ms = pawl_commit_ms(commit, commit->completed_ms);
    metadata->updated_ms = pawl_commit_ms(commit, commit->updated_ms);
    metadata->last = commit->id;
    metadata->turn++;
}

/* The carried rows go in front of what arrived meanwhile; every row gets an index that
 * was never used before in this incarnation. */
static void continue_as_new(struct pawl_mem_instance *instance, const struct pawl_commit *commit)
{
    PAWL_ASSERT(commit->events_count == 0);
    PAWL_ASSERT(commit->pending_added_count == 0);
    PAWL_ASSERT(!pawl_store_status_is_terminal(commit->status));

    struct pawl_metadata *metadata = &instance->metadata;
    metadata->gen++;
    pawl_mem_history_clear(instance);
    if (!PAWL_MUTANT(CONTINUE_KEEPS_PENDING)) pawl_mem_pending_clear(instance);

    uint32_t old_head = metadata->inbox_head, old_tail = metadata->inbox_tail;
    for (uint32_t i = 0; i < commit->carry_count; i++)
        pawl_mem_inbox_append(instance, commit->carry[i].delivery, commit->carry[i].body);
    for (uint32_t index = old_head; index < old_tail; index++) {
        struct pawl_inbox_row row = *pawl_mem_inbox_at(instance, index);
        pawl_mem_inbox_append(instance, row.delivery, row.body);
    }
    pawl_mem_inbox_consume(instance, old_tail);

    pawl_mem_bytes_set(&metadata->name, commit->name);
    pawl_mem_bytes_set(&metadata->version, commit->version);
    pawl_mem_bytes_set(&instance->payloads.input, commit->payloads.input);
}

static void end(struct pawl_mem_instance *instance)
{
    pawl_mem_inbox_consume(instance, instance->metadata.inbox_tail);
    pawl_mem_pending_clear(instance);
    if (PAWL_MUTANT(END_FORGETS_SEEN)) pawl_mem_seen_clear(instance);
}

static bool wake_is_there(struct pawl_mem *mem, struct pawl_mem_partition *partition,
                          const struct pawl_reminder *wake)
{
    return pawl_mem_reminder_find(partition, pawl_reminder_format(&mem->scratch, wake)) != NULL;
}

static void write_wake(struct pawl_mem *mem, struct pawl_mem_partition *partition,
                       struct pawl_mem_instance *instance, const struct pawl_commit *commit,
                       bool rows_went)
{
    const struct pawl_metadata *metadata = &instance->metadata;
    bool rows_wait = metadata->inbox_head != metadata->inbox_tail; /* never when terminal */
    int64_t lease_ms = commit->now_ms + PAWL_LEASE_WAKE_MS;
    int64_t due_ms = commit->wake_at_ms;
    if (due_ms == 0 || (rows_wait && due_ms > lease_ms)) due_ms = lease_ms;

    struct pawl_reminder wake = pawl_mem_wake(instance, due_ms);
    bool is_kept = commit->wake_keep && !pawl_store_status_is_terminal(commit->status);
    if (commit->wake_at_ms != 0 || rows_wait)
        pawl_mem_reminder_put(mem, partition, instance, &wake);
    else if (!is_kept)
        pawl_mem_reminder_remove(mem, partition, &wake);
    else if (rows_went || !wake_is_there(mem, partition, &wake))
        pawl_mem_reminder_put(mem, partition, instance, &wake);
}

/* What of it others may wait for; 0: nothing. Before it is written. */
static uint32_t what_changes(const struct pawl_mem_instance *instance,
                             const struct pawl_commit *commit)
{
    uint32_t what = 0;
    if (instance->metadata.status != commit->status) what |= PAWL_CHANGE_STATUS;
    if (commit->custom_status_set
        && !pawl_bytes_is_equal(instance->custom_status, commit->custom_status))
        what |= PAWL_CHANGE_CUSTOM_STATUS;
    if (commit->carry_count > 0) what |= PAWL_CHANGE_CONTINUED;
    return what;
}

static void write(struct pawl_mem *mem, struct pawl_mem_partition *partition,
                  struct pawl_mem_instance *instance, const struct pawl_commit *commit)
{
    uint32_t history_before = instance->metadata.history_count;
    bool rows_went = commit->inbox_consumed != instance->metadata.inbox_head;
    uint32_t what = what_changes(instance, commit);
    uint32_t events_count = commit->events_count;
    if (PAWL_MUTANT(HISTORY_SHORT) && events_count > 0) events_count--;
    for (uint32_t i = 0; i < events_count; i++)
        pawl_mem_history_append(instance, commit->events[i]);
    uint32_t consumed = commit->inbox_consumed;
    if (PAWL_MUTANT(CONSUME_UNREAD)) consumed = instance->metadata.inbox_tail;
    if (PAWL_MUTANT(CONSUME_NOTHING)) consumed = instance->metadata.inbox_head;
    pawl_mem_inbox_consume(instance, consumed);
    write_pending(instance, commit, history_before);
    write_reminders(mem, partition, instance, commit);
    write_messages(mem, partition, commit);
    write_payloads(instance, commit);
    write_metadata(partition, instance, commit);
    if (commit->carry_count > 0) continue_as_new(instance, commit);
    if (pawl_store_status_is_terminal(commit->status)) end(instance);
    write_wake(mem, partition, instance, commit, rows_went);
    if (what && !PAWL_MUTANT(CHANGE_UNTOLD))
        pawl_mem_change_add(partition, commit->changes_max, what, instance, commit->now_ms);
}

void pawl_mem_commit(struct pawl_mem *mem, struct pawl_mem_partition *partition,
                     const struct pawl_commit *commit, struct pawl_store_reply *reply)
{
    if (!pawl_mem_fence_holds(partition, &commit->fence)) {
        reply->err = PAWL_E_FENCED;
        return;
    }
    struct pawl_mem_instance *instance = pawl_mem_instance_find(partition, commit->instance);
    if (!instance) {
        reply->err = PAWL_E_NOT_FOUND;
        return;
    }
    bool is_applied = pawl_id_is_equal(instance->metadata.last, commit->id);
    if (!is_applied) reply->err = check(instance, commit);
    if (reply->err) return;
    if (!is_applied) write(mem, partition, instance, commit);
    reply->commit.inbox_head = instance->metadata.inbox_head;
    reply->commit.inbox_tail = instance->metadata.inbox_tail;
}
