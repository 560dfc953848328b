/* The reference store: delivering, polling, acknowledging, listing. */
#include "world.h"

static struct world *with_instance(void **state)
{
    struct world *world = *state;
    struct pawl_store_request create = world_create(world, "a");
    assert_int_equal(world_apply(world, &create).err, PAWL_OK);
    return world;
}

/* Deliver --------------------------------------------------------------------------- */

static void an_input_is_appended_once_and_wakes_the_instance(void **state)
{
    struct world *world = with_instance(state);
    struct pawl_store_request commit = world_commit(world, "a");
    assert_int_equal(world_apply(world, &commit).err, PAWL_OK);
    struct pawl_store_request input = world_input(world, "a", "e-1");
    struct pawl_store_reply reply = world_apply(world, &input);
    assert_int_equal(reply.err, PAWL_OK);
    assert_int_equal(reply.deliver.index, 1);
    assert_int_equal(world_due(world, PAWL_REMINDER_WAKE), input.deliver.now_ms);
    assert_int_equal(world_apply(world, &input).err, PAWL_E_DUPLICATE);
    assert_int_equal(world_load(world, "a")->inbox_count, 1);
}

static void an_earlier_wake_up_is_not_put_off(void **state)
{
    struct world *world = with_instance(state);
    struct pawl_store_request input = world_input(world, "a", "e-1");
    assert_int_equal(world_apply(world, &input).err, PAWL_OK);
    assert_int_equal(world_due(world, PAWL_REMINDER_WAKE), WORLD_NOW_MS); /* the create's */
}

static void nothing_reaches_an_instance_that_is_not_there_or_has_ended(void **state)
{
    struct world *world = with_instance(state);
    struct pawl_store_request input = world_input(world, "nobody", "e-1");
    assert_int_equal(world_apply(world, &input).err, PAWL_E_NOT_FOUND);
    world_end(world, "a", PAWL_STATUS_COMPLETED);
    input = world_input(world, "a", "e-1");
    assert_int_equal(world_apply(world, &input).err, PAWL_E_TERMINAL);
}

static void a_failed_instance_is_rewound_by_the_row_that_has_its_history(void **state)
{
    struct world *world = with_instance(state);
    struct pawl_store_request commit = world_commit(world, "a");
    assert_int_equal(world_apply(world, &commit).err, PAWL_OK);
    struct pawl_store_request raise = world_input(world, "a", "e-1");
    assert_int_equal(world_apply(world, &raise).err, PAWL_OK);
    struct pawl_store_request rewind = world_input(world, "a", "r-1");
    rewind.deliver.rewind = world_load(world, "a")->metadata.last;
    assert_int_equal(world_apply(world, &rewind).err, PAWL_E_CONFLICT); /* it runs */

    world_end(world, "a", PAWL_STATUS_FAILED);
    struct pawl_metadata ended = world_load(world, "a")->metadata;
    rewind.deliver.rewind = world_id(world);
    assert_int_equal(world_apply(world, &rewind).err, PAWL_E_CONFLICT); /* another end */
    rewind.deliver.rewind = ended.last;
    struct pawl_store_reply reply = world_apply(world, &rewind);
    assert_int_equal(reply.err, PAWL_OK);

    const struct pawl_snapshot *stored = world_load(world, "a");
    assert_int_equal(stored->metadata.status, PAWL_STATUS_RUNNING);
    assert_int_equal(stored->metadata.history_count, 0);
    assert_int_equal(stored->metadata.completed_ms, 0);
    assert_int_equal(stored->metadata.turn, ended.turn);
    assert_int_equal(stored->metadata.gen, ended.gen);
    assert_true(pawl_id_is_equal(stored->metadata.inc, ended.inc));
    assert_true(pawl_id_is_equal(stored->metadata.last, rewind.deliver.delivery));
    assert_true(pawl_bytes_is_absent(stored->payloads.output));
    assert_true(pawl_bytes_is_absent(stored->payloads.failure));
    assert_int_equal(stored->inbox_count, 1);
    assert_int_equal(stored->inbox[0].index, reply.deliver.index);
    assert_int_equal(world_due(world, PAWL_REMINDER_WAKE), rewind.deliver.now_ms);
    assert_int_equal(world_apply(world, &rewind).err, PAWL_E_DUPLICATE);
    assert_int_equal(world_apply(world, &raise).err, PAWL_E_DUPLICATE); /* still known */
}

static void a_result_is_taken_once_by_the_operation_that_waits_for_it(void **state)
{
    struct world *world = with_instance(state);
    const struct pawl_op op = { 'a', 1 };
    world_schedule(world, "a", op, 11, WORLD_NOW_MS + 5);
    struct pawl_store_request right = world_result(world, "a", op, 11), wrong = right;
    wrong.deliver.nonce = 12;
    assert_int_equal(world_apply(world, &wrong).err, PAWL_E_CONFLICT);
    wrong = right;
    wrong.deliver.inc = world_id(world);
    assert_int_equal(world_apply(world, &wrong).err, PAWL_E_CONFLICT);
    wrong = right;
    wrong.deliver.gen++;
    assert_int_equal(world_apply(world, &wrong).err, PAWL_E_CONFLICT);
    wrong = right;
    wrong.deliver.op.id = 2;
    assert_int_equal(world_apply(world, &wrong).err, PAWL_E_CONFLICT);

    assert_int_equal(world_apply(world, &right).err, PAWL_OK);
    assert_int_equal(world_load(world, "a")->pending[0].state, PAWL_PENDING_DELIVERED);
    assert_int_equal(world_apply(world, &right).err, PAWL_E_DUPLICATE);
    /* Its lease stays until the turn that consumes the result. */
    assert_int_equal(world_due(world, PAWL_REMINDER_ACTIVITY), WORLD_NOW_MS + 5);
}

static void a_fired_timer_loses_its_reminder(void **state)
{
    struct world *world = with_instance(state);
    const struct pawl_op op = { 't', 1 };
    world_schedule(world, "a", op, 11, WORLD_NOW_MS + 5);
    struct pawl_store_request fired = world_result(world, "a", op, 11);
    assert_int_equal(world_apply(world, &fired).err, PAWL_OK);
    assert_int_equal(world_due(world, PAWL_REMINDER_TIMER), 0);
}

static void a_former_owner_may_hand_in_a_result(void **state)
{
    struct world *world = with_instance(state);
    const struct pawl_op op = { 'a', 1 };
    world_schedule(world, "a", op, 11, WORLD_NOW_MS + 5);
    struct pawl_store_request result = world_result(world, "a", op, 11);
    struct pawl_store_request acquire = world_acquire(world, 9);
    assert_int_equal(world_apply(world, &acquire).err, PAWL_OK);
    assert_int_equal(world_apply(world, &result).err, PAWL_OK);
}

static void a_full_inbox_is_busy_but_knows_duplicates(void **state)
{
    struct world *world = with_instance(state);
    struct pawl_store_request first = world_input(world, "a", "e-1");
    assert_int_equal(world_apply(world, &first).err, PAWL_OK);
    struct pawl_store_request second = world_input(world, "a", "e-2");
    second.deliver.inbox_max = 2;
    assert_int_equal(world_apply(world, &second).err, PAWL_E_BUSY);
    first.deliver.inbox_max = 2;
    assert_int_equal(world_apply(world, &first).err, PAWL_E_DUPLICATE);
    second.deliver.inbox_max = 3;
    assert_int_equal(world_apply(world, &second).err, PAWL_OK);
}

static void request_ids_are_bounded_and_forgotten_with_age(void **state)
{
    struct world *world = with_instance(state);
    struct pawl_store_request first = world_input(world, "a", "e-1");
    assert_int_equal(world_apply(world, &first).err, PAWL_OK);
    struct pawl_store_request second = world_input(world, "a", "e-2");
    second.deliver.seen_max = 1;
    assert_int_equal(world_apply(world, &second).err, PAWL_E_BUSY);

    second.deliver.now_ms = first.deliver.now_ms + first.deliver.seen_ms_max; /* just young */
    assert_int_equal(world_apply(world, &second).err, PAWL_E_BUSY);
    first.deliver.now_ms = second.deliver.now_ms;
    assert_int_equal(world_apply(world, &first).err, PAWL_E_DUPLICATE);

    second.deliver.now_ms++; /* old */
    assert_int_equal(world_apply(world, &second).err, PAWL_OK);
    first.deliver.now_ms++;
    assert_int_equal(world_apply(world, &first).err, PAWL_OK);
}

static void an_ended_instance_knows_the_events_it_has_taken(void **state)
{
    struct world *world = with_instance(state);
    struct pawl_store_request first = world_input(world, "a", "e-1");
    assert_int_equal(world_apply(world, &first).err, PAWL_OK);
    struct pawl_store_request end = world_commit(world, "a");
    end.commit.status = PAWL_STATUS_COMPLETED; /* by that very event */
    assert_int_equal(world_apply(world, &end).err, PAWL_OK);

    assert_int_equal(world_apply(world, &first).err, PAWL_E_DUPLICATE);
    struct pawl_store_request other = world_input(world, "a", "e-2");
    other.deliver.seen_max = 1; /* final comes before busy */
    assert_int_equal(world_apply(world, &other).err, PAWL_E_TERMINAL);
    first.deliver.now_ms += first.deliver.seen_ms_max; /* just young */
    assert_int_equal(world_apply(world, &first).err, PAWL_E_DUPLICATE);
    first.deliver.now_ms++; /* old */
    assert_int_equal(world_apply(world, &first).err, PAWL_E_TERMINAL);
    assert_int_equal(world_load(world, "a")->inbox_count, 0);
}

static void the_next_instance_knows_no_event_of_the_one_it_replaced(void **state)
{
    struct world *world = with_instance(state);
    struct pawl_store_request input = world_input(world, "a", "e-1");
    assert_int_equal(world_apply(world, &input).err, PAWL_OK);
    struct pawl_store_request end = world_commit(world, "a");
    end.commit.status = PAWL_STATUS_COMPLETED;
    assert_int_equal(world_apply(world, &end).err, PAWL_OK);

    struct pawl_store_request create = world_create(world, "a");
    create.create.replace_terminal = true;
    create.create.request_id = PAWL_BYTES_LITERAL("another");
    assert_int_equal(world_apply(world, &create).err, PAWL_OK);
    assert_int_equal(world_apply(world, &input).err, PAWL_OK);
}

/* Poll ------------------------------------------------------------------------------ */

static void due_reminders_come_oldest_first_each_under_a_lease(void **state)
{
    struct world *world = with_instance(state);
    struct pawl_store_request other = world_create(world, "b");
    other.create.created_ms = WORLD_NOW_MS - 1;
    assert_int_equal(world_apply(world, &other).err, PAWL_OK);
    struct pawl_store_request same = world_create(world, "B");
    assert_int_equal(world_apply(world, &same).err, PAWL_OK);

    struct pawl_store_request poll = world_poll(world, WORLD_NOW_MS);
    struct pawl_store_reply reply = world_apply(world, &poll);
    assert_int_equal(reply.poll.items_count, 3);
    assert_true(pawl_bytes_is_str(reply.poll.items[0].reminder.instance, "b"));
    assert_int_equal(reply.poll.items[0].reminder.due_ms, WORLD_NOW_MS - 1);
    assert_true(pawl_bytes_is_str(reply.poll.items[1].reminder.instance, "B"));
    assert_true(pawl_bytes_is_str(reply.poll.items[2].reminder.instance, "a"));
    assert_int_equal(reply.poll.next_due_ms, WORLD_NOW_MS + PAWL_LEASE_WAKE_MS);
    assert_int_equal(reply.poll.counts[PAWL_STATUS_PENDING], 3);
    assert_int_equal(world_apply(world, &poll).poll.items_count, 0);
}

static void poll_looks_at_no_more_than_max_behind_skip(void **state)
{
    struct world *world = with_instance(state);
    struct pawl_store_request b = world_create(world, "b"), c = world_create(world, "c");
    assert_int_equal(world_apply(world, &b).err, PAWL_OK);
    assert_int_equal(world_apply(world, &c).err, PAWL_OK);
    struct pawl_store_request poll = world_poll(world, WORLD_NOW_MS);
    poll.poll.skip = 1;
    poll.poll.max = 1;
    struct pawl_store_reply reply = world_apply(world, &poll);
    assert_int_equal(reply.poll.items_count, 1);
    assert_true(pawl_bytes_is_str(reply.poll.items[0].reminder.instance, "b"));
    assert_int_equal(reply.poll.next_due_ms, WORLD_NOW_MS); /* a's, passed over */
}

static void a_look_ahead_takes_leases_over_but_fires_no_timer_early(void **state)
{
    struct world *world = with_instance(state);
    world_schedule(world, "a", (struct pawl_op){ 't', 1 }, 11, WORLD_NOW_MS + 500);
    world_schedule(world, "a", (struct pawl_op){ 'a', 2 }, 12, WORLD_NOW_MS + 600);
    struct pawl_store_request poll = world_poll(world, WORLD_NOW_MS + 200);
    poll.poll.until_ms = WORLD_NOW_MS + 1000;
    struct pawl_store_reply reply = world_apply(world, &poll);
    assert_int_equal(reply.poll.items_count, 1);
    assert_int_equal(reply.poll.items[0].reminder.kind, PAWL_REMINDER_ACTIVITY);
    assert_int_equal(reply.poll.skipped, 1);
    assert_int_equal(reply.poll.skipped_until_ms, WORLD_NOW_MS + 500);
    assert_int_equal(world_due(world, PAWL_REMINDER_TIMER), WORLD_NOW_MS + 500);
    assert_int_equal(world_due(world, PAWL_REMINDER_ACTIVITY),
                     WORLD_NOW_MS + 200 + PAWL_LEASE_ACTIVITY_MS);

    poll = world_poll(world, WORLD_NOW_MS + 500);
    assert_int_equal(world_apply(world, &poll).poll.items_count, 1);
    assert_int_equal(world_due(world, PAWL_REMINDER_TIMER),
                     WORLD_NOW_MS + 500 + PAWL_LEASE_TIMER_MS);
}

static void poll_looks_at_nothing_that_is_due_before_its_begin(void **state)
{
    struct world *world = with_instance(state); /* its wake-up is due */
    struct pawl_store_request poll = world_poll(world, WORLD_NOW_MS + 10);
    poll.poll.from_ms = WORLD_NOW_MS + 1;
    struct pawl_store_reply reply = world_apply(world, &poll);
    assert_int_equal(reply.poll.items_count, 0);
    assert_int_equal(reply.poll.next_due_ms, WORLD_NOW_MS); /* of all that there is */
    poll.poll.from_ms = WORLD_NOW_MS;
    assert_int_equal(world_apply(world, &poll).poll.items_count, 1);
}

/* Otherwise a look at more rows than one poll brings would never come to its end. */
static void a_look_ahead_leases_until_later_than_it_looks(void **state)
{
    struct world *world = with_instance(state); /* its wake-up is due */
    struct pawl_store_request poll = world_poll(world, WORLD_NOW_MS);
    poll.poll.until_ms = WORLD_NOW_MS + PAWL_LEASE_WAKE_MS;
    assert_int_equal(world_apply(world, &poll).poll.items_count, 1);
    assert_int_equal(world_due(world, PAWL_REMINDER_WAKE), poll.poll.until_ms + 1);
    poll.poll.now_ms = WORLD_NOW_MS + 5000;
    assert_int_equal(world_apply(world, &poll).poll.items_count, 0);
    poll.poll.until_ms = WORLD_NOW_MS + PAWL_LEASE_WAKE_MS + 1; /* another look */
    assert_int_equal(world_apply(world, &poll).poll.items_count, 1);
    assert_int_equal(world_due(world, PAWL_REMINDER_WAKE),
                     WORLD_NOW_MS + 5000 + PAWL_LEASE_WAKE_MS);
}

static void an_acknowledged_message_is_gone_with_its_reminder(void **state)
{
    struct world *world = with_instance(state);
    struct pawl_store_request commit = world_commit(world, "a");
    struct pawl_message_row message = { world_id(world), PAWL_BYTES_LITERAL("letter") };
    commit.commit.messages_count = 1;
    commit.commit.messages = &message;
    assert_int_equal(world_apply(world, &commit).err, PAWL_OK);

    struct pawl_store_request poll = world_poll(world, WORLD_NOW_MS + 1000000);
    struct pawl_store_reply reply = world_apply(world, &poll);
    assert_int_equal(reply.poll.items_count, 1);
    assert_true(pawl_bytes_is_str(reply.poll.items[0].body, "letter"));
    assert_true(pawl_id_is_equal(reply.poll.items[0].reminder.message, message.id));

    struct pawl_store_request outdone = { .op = PAWL_STORE_OUTDONE, .partition = WORLD_PARTITION };
    outdone.outdone.ids_count = 1;
    outdone.outdone.ids = &message.id;
    assert_int_equal(world_apply(world, &outdone).err, PAWL_OK);
    assert_int_equal(world_apply(world, &outdone).err, PAWL_OK); /* also when it is gone */
    poll = world_poll(world, WORLD_NOW_MS + 9000000);
    reply = world_apply(world, &poll);
    assert_int_equal(reply.poll.items_count, 0);
    assert_int_equal(reply.poll.next_due_ms, 0);
}

static void a_reminder_that_cannot_be_read_is_moved_aside_once(void **state)
{
    struct world *world = with_instance(state);
    pawl_mem_store_plant_reminder(world->mem, WORLD_PARTITION, PAWL_BYTES_LITERAL("t|broken"),
                                  WORLD_NOW_MS - 5);
    pawl_mem_store_plant_reminder(world->mem, WORLD_PARTITION, PAWL_BYTES_LITERAL("later"),
                                  WORLD_NOW_MS + 5000);
    struct pawl_store_request poll = world_poll(world, WORLD_NOW_MS);
    struct pawl_store_reply reply = world_apply(world, &poll);
    assert_int_equal(reply.err, PAWL_OK);
    assert_int_equal(reply.poll.unreadable, 1);
    assert_int_equal(reply.poll.items_count, 1); /* the instance's own wake-up */
    assert_int_equal(reply.poll.next_due_ms, WORLD_NOW_MS + 5000);
    assert_int_equal(world_apply(world, &poll).poll.unreadable, 0);

    pawl_mem_store_plant_reminder(world->mem, WORLD_PARTITION, PAWL_BYTES_LITERAL("t|broken"),
                                  WORLD_NOW_MS); /* the same bytes again */
    assert_int_equal(world_apply(world, &poll).poll.unreadable, 1);
    const char *dump = (const char *)world_dump(world).data;
    assert_non_null(strstr(dump, "quarantine member=\"t|broken\" due=1000000"));
}

/* Query ----------------------------------------------------------------------------- */

static void three_instances(struct world *world)
{
    static const char *const ids[] = { "x1", "x2", "y1" };
    for (int i = 0; i < 3; i++) {
        struct pawl_store_request create = world_create(world, ids[i]);
        create.create.created_ms = WORLD_NOW_MS + (i == 2 ? 1000 : 0);
        if (i == 1) create.create.name = PAWL_BYTES_LITERAL("other");
        assert_int_equal(world_apply(world, &create).err, PAWL_OK);
    }
    world_end(world, "x1", PAWL_STATUS_COMPLETED);
}

static void assert_rows(struct world *world, const struct pawl_store_request *query,
                        const char *expected)
{
    struct pawl_store_reply reply = world_apply(world, query);
    struct pawl_bytes got = PAWL_BYTES_LITERAL("");
    for (uint32_t i = 0; i < reply.query.rows_count; i++)
        got = pawl_arena_printf(&world->arena, "%.*s%.*s ", PAWL_BYTES_FMT(got),
                                PAWL_BYTES_FMT(reply.query.rows[i].instance));
    got = pawl_arena_printf(&world->arena, "%.*s%s", PAWL_BYTES_FMT(got),
                            reply.query.more ? "more" : "");
    assert_string_equal((const char *)got.data, expected);
}

static void instances_are_listed_newest_first_and_filtered(void **state)
{
    struct world *world = *state;
    three_instances(world);
    struct pawl_store_request query = world_query();
    assert_rows(world, &query, "y1 x2 x1 ");
    query.query.prefix = PAWL_BYTES_LITERAL("x");
    assert_rows(world, &query, "x2 x1 ");
    query.query.status_mask = 1u << PAWL_STATUS_COMPLETED;
    assert_rows(world, &query, "x1 ");
    query = world_query();
    query.query.name = PAWL_BYTES_LITERAL("other");
    assert_rows(world, &query, "x2 ");
    query = world_query();
    query.query.created_from_ms = WORLD_NOW_MS + 1;
    assert_rows(world, &query, "y1 ");
    query = world_query();
    query.query.created_to_ms = WORLD_NOW_MS + 1000; /* exclusive */
    assert_rows(world, &query, "x2 x1 ");
}

static void a_list_goes_on_behind_the_last_one_looked_at(void **state)
{
    struct world *world = *state;
    three_instances(world);
    struct pawl_store_request query = world_query();
    query.query.limit = 1;
    assert_rows(world, &query, "y1 more");
    struct pawl_store_reply reply = world_apply(world, &query);
    query.query.before_ms = reply.query.scanned_ms;
    query.query.before_instance = reply.query.scanned_instance;
    assert_rows(world, &query, "x2 more");
    query.query.limit = 2;
    assert_rows(world, &query, "x2 x1 ");

    query = world_query();
    query.query.scan_max = 2; /* looks at y1 and x2, finds neither */
    query.query.prefix = PAWL_BYTES_LITERAL("x1");
    assert_rows(world, &query, "more");
    query.query.scan_max = 3;
    assert_rows(world, &query, "x1 ");
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

static void a_query_looks_at_what_its_index_holds_and_no_more(void **state)
{
    struct world *world = *state;
    three_instances(world);
    struct pawl_store_request query = world_query();
    query.query.scan_max = 1;
    query.query.status_mask = 1u << PAWL_STATUS_COMPLETED;
    assert_rows(world, &query, "x1 ");
    query.query.order = PAWL_QUERY_COMPLETED;
    query.query.status_mask = 0;
    assert_rows(world, &query, "x1 ");
    query = world_query();
    query.query.scan_max = 2;
    query.query.order = PAWL_QUERY_ID;
    assert_rows(world, &query, "y1 x2 more");
    query.query.prefix = PAWL_BYTES_LITERAL("x");
    assert_rows(world, &query, "x2 x1 ");
}

static void instances_are_found_by_tags_and_times(void **state)
{
    struct world *world = *state;
    three_instances(world);
    struct pawl_store_request create = world_create(world, "z");
    create.create.tags = PAWL_BYTES_LITERAL("\x94\xa1t\xa1x\xa1u\xa1y");
    assert_int_equal(world_apply(world, &create).err, PAWL_OK);
    struct pawl_store_request query = world_query();
    query.query.tags = PAWL_BYTES_LITERAL("\x92\xa1u\xa1y");
    assert_rows(world, &query, "z ");
    query.query.tags = PAWL_BYTES_LITERAL("\x94\xa1u\xa1y\xa1t\xa1z");
    assert_rows(world, &query, "");
    query = world_query();
    query.query.completed_from_ms = 1;
    assert_rows(world, &query, "x1 ");
    query.query.completed_to_ms = 2;
    assert_rows(world, &query, "");
    query = world_query();
    query.query.updated_to_ms = 2;
    assert_rows(world, &query, "");
}

static void a_query_counts_by_status(void **state)
{
    struct world *world = *state;
    three_instances(world);
    struct pawl_store_request query = world_query();
    query.query.count_only = true;
    query.query.scan_max = 1; /* nothing has to be looked at */
    struct pawl_store_reply reply = world_apply(world, &query);
    assert_int_equal(reply.query.rows_count, 0);
    assert_int_equal(reply.query.counts[PAWL_STATUS_COMPLETED], 1);
    assert_int_equal(reply.query.counts[PAWL_STATUS_PENDING], 2);
    assert_false(reply.query.more);
    query.query.prefix = PAWL_BYTES_LITERAL("x");
    reply = world_apply(world, &query);
    assert_int_equal(reply.query.counts[PAWL_STATUS_PENDING], 0); /* y1 was looked at */
    assert_true(reply.query.more);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_input_is_appended_once_and_wakes_the_instance),
        T(an_earlier_wake_up_is_not_put_off),
        T(a_failed_instance_is_rewound_by_the_row_that_has_its_history),
        T(nothing_reaches_an_instance_that_is_not_there_or_has_ended),
        T(a_result_is_taken_once_by_the_operation_that_waits_for_it),
        T(a_fired_timer_loses_its_reminder),
        T(a_former_owner_may_hand_in_a_result),
        T(a_full_inbox_is_busy_but_knows_duplicates),
        T(request_ids_are_bounded_and_forgotten_with_age),
        T(an_ended_instance_knows_the_events_it_has_taken),
        T(the_next_instance_knows_no_event_of_the_one_it_replaced),
        T(due_reminders_come_oldest_first_each_under_a_lease),
        T(poll_looks_at_no_more_than_max_behind_skip),
        T(a_look_ahead_takes_leases_over_but_fires_no_timer_early),
        T(poll_looks_at_nothing_that_is_due_before_its_begin),
        T(a_look_ahead_leases_until_later_than_it_looks),
        T(an_acknowledged_message_is_gone_with_its_reminder),
        T(a_reminder_that_cannot_be_read_is_moved_aside_once),
        T(instances_are_listed_newest_first_and_filtered),
        T(a_query_looks_at_what_its_index_holds_and_no_more),
        T(instances_are_found_by_tags_and_times),
        T(a_query_counts_by_status),
        T(a_list_goes_on_behind_the_last_one_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
