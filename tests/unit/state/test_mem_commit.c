/* The reference store: what a commit checks, in which order, and what it writes. */
#include "world.h"

#include "state/keys.h"

static struct world *with_instance(void **state)
{
    struct world *world = *state;
    struct pawl_store_request create = world_create(world, "a");
    assert_int_equal(world_apply(world, &create).err, PAWL_OK);
    return world;
}

static pawl_err refused(struct world *world, const struct pawl_store_request *commit)
{
    struct pawl_bytes before = world_dump(world);
    pawl_err err = world_apply(world, commit).err;
    assert_true(pawl_bytes_is_equal(world_dump(world), before));
    return err;
}

/* Checks --------------------------------------------------------------------------- */

static void a_commit_needs_the_present_owner(void **state)
{
    struct world *world = with_instance(state);
    struct pawl_store_request commit = world_commit(world, "a");
    commit.commit.fence.epoch++;
    assert_int_equal(refused(world, &commit), PAWL_E_FENCED);
    commit.commit.fence = (struct pawl_fence){ world->fence.epoch, world_id(world) };
    assert_int_equal(refused(world, &commit), PAWL_E_FENCED);
    commit.commit.instance = PAWL_BYTES_LITERAL("nobody");
    assert_int_equal(refused(world, &commit), PAWL_E_FENCED);
    commit.commit.fence = world->fence;
    assert_int_equal(refused(world, &commit), PAWL_E_NOT_FOUND);
}

static void a_commit_needs_the_state_it_was_made_from(void **state)
{
    struct world *world = with_instance(state);
    const struct pawl_store_request right = world_commit(world, "a");
    struct pawl_store_request commit = right;
    commit.commit.inc = world_id(world);
    assert_int_equal(refused(world, &commit), PAWL_E_CONFLICT);
    commit = right;
    commit.commit.gen++;
    assert_int_equal(refused(world, &commit), PAWL_E_CONFLICT);
    commit = right;
    commit.commit.last = world_id(world);
    assert_int_equal(refused(world, &commit), PAWL_E_CONFLICT);
}

static void an_ended_instance_takes_no_commit(void **state)
{
    struct world *world = with_instance(state);
    world_end(world, "a", PAWL_STATUS_COMPLETED);
    struct pawl_store_request commit = world_commit(world, "a");
    assert_int_equal(refused(world, &commit), PAWL_E_CONFLICT);
}

static void the_consumed_rows_must_be_the_rows_that_were_read(void **state)
{
    struct world *world = with_instance(state);
    const struct pawl_store_request right = world_commit(world, "a");
    struct pawl_store_request commit = right;
    struct pawl_id wrong = world_id(world);
    commit.commit.consumed = &wrong;
    assert_int_equal(refused(world, &commit), PAWL_E_CONFLICT);
    commit = right;
    commit.commit.inbox_consumed++;
    assert_int_equal(refused(world, &commit), PAWL_E_CONFLICT);
    commit = right;
    commit.commit.consumed_count = 0;
    assert_int_equal(refused(world, &commit), PAWL_E_CONFLICT);
    commit.commit.inbox_consumed = 0;
    assert_int_equal(world_apply(world, &commit).err, PAWL_OK);
}

/* After a failover another row may stand where one was read, and the last be the same. */
static void each_of_the_consumed_rows_counts(void **state)
{
    struct world *world = with_instance(state);
    struct pawl_store_request input = world_input(world, "a", "one");
    assert_int_equal(world_apply(world, &input).err, PAWL_OK);
    struct pawl_store_request commit = world_commit(world, "a");
    assert_int_equal(commit.commit.consumed_count, 2);
    struct pawl_id right = commit.commit.consumed[0];
    commit.commit.consumed[0] = world_id(world);
    assert_int_equal(refused(world, &commit), PAWL_E_CONFLICT);
    commit.commit.consumed[0] = right;
    assert_int_equal(world_apply(world, &commit).err, PAWL_OK);
}

static void a_row_below_the_head_cannot_be_consumed_again(void **state)
{
    struct world *world = with_instance(state);
    struct pawl_store_request first = world_commit(world, "a");
    assert_int_equal(world_apply(world, &first).err, PAWL_OK);
    struct pawl_store_request commit = world_commit(world, "a");
    commit.commit.inbox_consumed = 0;
    commit.commit.consumed_count = 0;
    assert_int_equal(refused(world, &commit), PAWL_E_CONFLICT);
}

static void a_history_over_its_limit_is_too_large(void **state)
{
    struct world *world = with_instance(state);
    struct pawl_store_request commit = world_commit(world, "a");
    struct pawl_bytes events[] = { PAWL_BYTES_LITERAL("1"), PAWL_BYTES_LITERAL("2") };
    commit.commit.events_count = 2;
    commit.commit.events = events;
    commit.commit.history_max = 1;
    assert_int_equal(refused(world, &commit), PAWL_E_TOO_LARGE);
    commit.commit.history_max = 2;
    assert_int_equal(world_apply(world, &commit).err, PAWL_OK);
}

static void an_applied_commit_is_recognised_even_after_the_end(void **state)
{
    struct world *world = with_instance(state);
    struct pawl_store_request commit = world_commit(world, "a");
    commit.commit.status = PAWL_STATUS_COMPLETED;
    struct pawl_store_reply first = world_apply(world, &commit);
    struct pawl_bytes before = world_dump(world);
    struct pawl_store_reply again = world_apply(world, &commit);
    assert_int_equal(again.err, PAWL_OK);
    assert_int_equal(again.commit.inbox_head, first.commit.inbox_head);
    assert_int_equal(again.commit.inbox_tail, first.commit.inbox_tail);
    assert_true(pawl_bytes_is_equal(world_dump(world), before));
}

/* Writes --------------------------------------------------------------------------- */

static void the_metadata_follows_each_commit(void **state)
{
    struct world *world = with_instance(state);
    struct pawl_store_request first = world_commit(world, "a");
    assert_int_equal(world_apply(world, &first).err, PAWL_OK);
    struct pawl_store_request second = world_commit(world, "a");
    second.commit.now_ms = WORLD_NOW_MS + 500;
    second.commit.status = PAWL_STATUS_FAILED;
    assert_int_equal(world_apply(world, &second).err, PAWL_OK);

    const struct pawl_metadata *metadata = &world_load(world, "a")->metadata;
    assert_int_equal(metadata->turn, 2);
    assert_true(pawl_id_is_equal(metadata->last, second.commit.id));
    assert_int_equal(metadata->started_ms, WORLD_NOW_MS + 100);
    assert_int_equal(metadata->updated_ms, WORLD_NOW_MS + 500);
    assert_int_equal(metadata->completed_ms, WORLD_NOW_MS + 500);
    assert_int_equal(metadata->status, PAWL_STATUS_FAILED);
}

static void pending_operations_point_at_the_event_that_scheduled_them(void **state)
{
    struct world *world = with_instance(state);
    world_schedule(world, "a", (struct pawl_op){ 't', 1 }, 11, WORLD_NOW_MS + 5);
    struct pawl_store_request commit = world_commit(world, "a");
    struct pawl_bytes events[] = { PAWL_BYTES_LITERAL("other"), PAWL_BYTES_LITERAL("mine") };
    struct pawl_pending added = { .op = { 'a', 2 }, .nonce = 12, .history_index = 1 };
    commit.commit.events_count = 2;
    commit.commit.events = events;
    commit.commit.pending_added_count = 1;
    commit.commit.pending_added = &added;
    assert_int_equal(world_apply(world, &commit).err, PAWL_OK);

    const struct pawl_snapshot *stored = world_load(world, "a");
    assert_int_equal(stored->pending_count, 2);
    assert_int_equal(stored->pending[0].op.kind, 'a'); /* by kind, then id */
    assert_int_equal(stored->pending[0].history_index, 2);
    assert_true(pawl_bytes_is_str(stored->pending[0].event, "mine"));
    assert_int_equal(stored->pending[0].state, PAWL_PENDING_OPEN);
    assert_true(pawl_bytes_is_str(stored->pending[1].event, "scheduled"));
}

static void reminders_are_removed_before_others_are_added(void **state)
{
    struct world *world = with_instance(state);
    world_schedule(world, "a", (struct pawl_op){ 'a', 1 }, 11, WORLD_NOW_MS + 5);
    struct pawl_store_request commit = world_commit(world, "a");
    struct pawl_reminder same = { .kind = PAWL_REMINDER_ACTIVITY,
                                  .due_ms = WORLD_NOW_MS + 9,
                                  .instance = commit.commit.instance,
                                  .inc = commit.commit.inc,
                                  .gen = commit.commit.gen,
                                  .op = { 'a', 1 },
                                  .nonce = 11 };
    commit.commit.reminders_removed_count = commit.commit.reminders_added_count = 1;
    commit.commit.reminders_removed = commit.commit.reminders_added = &same;
    assert_int_equal(world_apply(world, &commit).err, PAWL_OK);
    assert_int_equal(world_due(world, PAWL_REMINDER_ACTIVITY), WORLD_NOW_MS + 9);
}

static void messages_wait_in_the_outbox_with_a_reminder(void **state)
{
    struct world *world = with_instance(state);
    struct pawl_store_request commit = world_commit(world, "a");
    struct pawl_message_row message = { world_id(world), PAWL_BYTES_LITERAL("letter") };
    commit.commit.messages_count = 1;
    commit.commit.messages = &message;
    assert_int_equal(world_apply(world, &commit).err, PAWL_OK);

    struct pawl_message_row *rows;
    assert_int_equal(pawl_mem_store_outbox(world->mem, WORLD_PARTITION, &world->arena, &rows), 1);
    assert_true(pawl_bytes_is_str(rows[0].body, "letter"));
    struct pawl_store_request poll =
        world_poll(world, commit.commit.now_ms + PAWL_LEASE_OUTBOX_MS - 1);
    assert_int_equal(world_apply(world, &poll).poll.items_count, 0);
    poll.poll.now_ms++;
    assert_int_equal(world_apply(world, &poll).poll.items_count, 1);
}

static void payloads_and_custom_status_change_only_when_set(void **state)
{
    struct world *world = with_instance(state);
    struct pawl_store_request commit = world_commit(world, "a");
    commit.commit.payloads.output = PAWL_BYTES_LITERAL("");
    commit.commit.custom_status_set = true;
    commit.commit.custom_status = PAWL_BYTES_LITERAL("half way");
    assert_int_equal(world_apply(world, &commit).err, PAWL_OK);
    commit = world_commit(world, "a");
    assert_int_equal(world_apply(world, &commit).err, PAWL_OK);
    const struct pawl_snapshot *stored = world_load(world, "a");
    assert_true(pawl_bytes_is_str(stored->payloads.input, "in"));
    assert_true(pawl_bytes_is_str(stored->payloads.output, "")); /* empty is not absent */
    assert_true(pawl_bytes_is_absent(stored->payloads.failure));
    assert_true(pawl_bytes_is_str(stored->custom_status, "half way"));

    commit = world_commit(world, "a");
    commit.commit.custom_status_set = true;
    assert_int_equal(world_apply(world, &commit).err, PAWL_OK);
    assert_true(pawl_bytes_is_absent(world_load(world, "a")->custom_status));
}

static void an_end_clears_what_only_a_running_instance_needs(void **state)
{
    struct world *world = with_instance(state);
    world_schedule(world, "a", (struct pawl_op){ 'a', 1 }, 11, WORLD_NOW_MS + 5);
    struct pawl_store_request commit = world_commit(world, "a");
    struct pawl_store_request input = world_input(world, "a", "e-1");
    assert_int_equal(world_apply(world, &input).err, PAWL_OK);
    commit.commit.status = PAWL_STATUS_CANCELED; /* made before the input came */
    struct pawl_store_reply reply = world_apply(world, &commit);
    assert_int_equal(reply.err, PAWL_OK);
    assert_int_equal(reply.commit.inbox_head, reply.commit.inbox_tail);

    const struct pawl_snapshot *stored = world_load(world, "a");
    assert_int_equal(stored->inbox_count, 0);
    assert_int_equal(stored->pending_count, 0);
    assert_int_equal(world_due(world, PAWL_REMINDER_WAKE), 0);
}

/* Wake-up --------------------------------------------------------------------------- */

static void the_wake_up_stays_exactly_while_rows_wait(void **state)
{
    struct world *world = with_instance(state);
    struct pawl_store_request commit = world_commit(world, "a");
    struct pawl_store_request input = world_input(world, "a", "e-1");
    assert_int_equal(world_apply(world, &input).err, PAWL_OK);
    assert_int_equal(world_apply(world, &commit).err, PAWL_OK); /* leaves the input */
    assert_int_equal(world_due(world, PAWL_REMINDER_WAKE),
                     commit.commit.now_ms + PAWL_LEASE_WAKE_MS);
    commit = world_commit(world, "a");
    assert_int_equal(world_apply(world, &commit).err, PAWL_OK);
    assert_int_equal(world_due(world, PAWL_REMINDER_WAKE), 0);
}

static void a_wanted_wake_up_is_set_rows_or_not(void **state)
{
    struct world *world = with_instance(state);
    struct pawl_store_request commit = world_commit(world, "a");
    commit.commit.wake_at_ms = WORLD_NOW_MS + 77777;
    assert_int_equal(world_apply(world, &commit).err, PAWL_OK);
    assert_int_equal(world_due(world, PAWL_REMINDER_WAKE), WORLD_NOW_MS + 77777);
}

/* Continue as new -------------------------------------------------------------------- */

static void continue_as_new_starts_a_generation_with_the_carried_rows_first(void **state)
{
    struct world *world = with_instance(state);
    world_schedule(world, "a", (struct pawl_op){ 'a', 1 }, 11, WORLD_NOW_MS + 5);
    struct pawl_store_request commit = world_commit(world, "a");
    struct pawl_store_request late = world_input(world, "a", "late");
    uint32_t late_index = world_apply(world, &late).deliver.index;
    struct pawl_inbox_row carry[] = { { 0, world_id(world), PAWL_BYTES_LITERAL("start again") },
                                      { 0, world_id(world), PAWL_BYTES_LITERAL("kept") } };
    commit.commit.carry_count = 2;
    commit.commit.carry = carry;
    commit.commit.name = PAWL_BYTES_LITERAL("order-2");
    struct pawl_store_reply reply = world_apply(world, &commit);
    assert_int_equal(reply.err, PAWL_OK);

    const struct pawl_snapshot *stored = world_load(world, "a");
    assert_int_equal(stored->metadata.gen, 2);
    assert_int_equal(stored->metadata.history_count, 0);
    assert_int_equal(stored->metadata.history_size, 0);
    assert_int_equal(stored->pending_count, 0);
    assert_true(pawl_bytes_is_str(stored->metadata.name, "order-2"));
    assert_true(pawl_bytes_is_absent(stored->payloads.input)); /* replaced by the absent one */
    assert_int_equal(stored->inbox_count, 3);
    assert_true(pawl_bytes_is_str(stored->inbox[0].body, "start again"));
    assert_true(pawl_bytes_is_str(stored->inbox[1].body, "kept"));
    assert_true(pawl_bytes_is_str(stored->inbox[2].body, "raised"));
    assert_true(pawl_id_is_equal(stored->inbox[2].delivery, late.deliver.delivery));
    assert_true(stored->inbox[0].index > late_index); /* an index is used once */
    assert_int_equal(reply.commit.inbox_head, stored->inbox[0].index);
    assert_int_equal(reply.commit.inbox_tail, stored->inbox[2].index + 1);
    assert_int_equal(world_due(world, PAWL_REMINDER_WAKE),
                     commit.commit.now_ms + PAWL_LEASE_WAKE_MS);

    struct pawl_store_request again = world_input(world, "a", "late"); /* seen survives */
    assert_int_equal(world_apply(world, &again).err, PAWL_E_DUPLICATE);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_commit_needs_the_present_owner),
        T(a_commit_needs_the_state_it_was_made_from),
        T(an_ended_instance_takes_no_commit),
        T(the_consumed_rows_must_be_the_rows_that_were_read),
        T(each_of_the_consumed_rows_counts),
        T(a_row_below_the_head_cannot_be_consumed_again),
        T(a_history_over_its_limit_is_too_large),
        T(an_applied_commit_is_recognised_even_after_the_end),
        T(the_metadata_follows_each_commit),
        T(pending_operations_point_at_the_event_that_scheduled_them),
        T(reminders_are_removed_before_others_are_added),
        T(messages_wait_in_the_outbox_with_a_reminder),
        T(payloads_and_custom_status_change_only_when_set),
        T(an_end_clears_what_only_a_running_instance_needs),
        T(the_wake_up_stays_exactly_while_rows_wait),
        T(a_wanted_wake_up_is_set_rows_or_not),
        T(continue_as_new_starts_a_generation_with_the_carried_rows_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
