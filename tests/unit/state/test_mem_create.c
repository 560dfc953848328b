/* The reference store: owning a partition, creating, loading, purging an instance. */
#include "world.h"

#include "state/keys.h"

/* Acquire -------------------------------------------------------------------------- */

static void each_owner_gets_the_next_epoch_and_fences_the_one_before(void **state)
{
    struct world *world = *state;
    struct pawl_store_request acquire = world_acquire(world, 2);
    struct pawl_store_reply reply = world_apply(world, &acquire);
    assert_int_equal(reply.err, PAWL_OK);
    assert_int_equal(reply.acquire.epoch, world->fence.epoch + 1);

    struct pawl_store_request poll = world_poll(world, WORLD_NOW_MS);
    assert_int_equal(world_apply(world, &poll).err, PAWL_E_FENCED);
}

static void an_older_table_cannot_take_a_partition(void **state)
{
    struct world *world = *state;
    struct pawl_store_request newer = world_acquire(world, 5);
    struct pawl_store_request older = world_acquire(world, 4);
    assert_int_equal(world_apply(world, &newer).err, PAWL_OK);
    struct pawl_store_reply reply = world_apply(world, &older);
    assert_int_equal(reply.err, PAWL_E_CONFLICT);
    assert_int_equal(reply.acquire.table_version, 5);
}

static void the_same_table_may_take_a_partition_again(void **state)
{
    struct world *world = *state;
    struct pawl_store_request again = world_acquire(world, 1);
    assert_int_equal(world_apply(world, &again).err, PAWL_OK);
}

static void a_partition_that_nobody_acquired_fences_everybody(void **state)
{
    struct world *world = *state;
    struct pawl_store_request poll = world_poll(world, WORLD_NOW_MS);
    poll.partition++;
    poll.poll.fence = (struct pawl_fence){ 0, { { 0 } } };
    assert_int_equal(world_apply(world, &poll).err, PAWL_E_FENCED);
}

/* Create --------------------------------------------------------------------------- */

static void a_new_instance_is_pending_with_one_row_and_a_wake_up(void **state)
{
    struct world *world = *state;
    struct pawl_store_request create = world_create(world, "a");
    struct pawl_store_reply reply = world_apply(world, &create);
    assert_int_equal(reply.err, PAWL_OK);
    const struct pawl_metadata *metadata = &reply.create.metadata;
    assert_int_equal(metadata->gen, 1);
    assert_int_equal(metadata->turn, 0);
    assert_int_equal(metadata->status, PAWL_STATUS_PENDING);
    assert_true(pawl_id_is_equal(metadata->last, create.create.delivery));
    assert_int_equal(metadata->inbox_head, 0);
    assert_int_equal(metadata->inbox_tail, 1);
    assert_int_equal(metadata->updated_ms, WORLD_NOW_MS);

    const struct pawl_snapshot *stored = world_load(world, "a");
    assert_int_equal(stored->inbox_count, 1);
    assert_true(pawl_bytes_is_str(stored->inbox[0].body, "started"));
    assert_true(pawl_bytes_is_str(stored->payloads.input, "in"));
    assert_true(pawl_bytes_is_absent(stored->payloads.output));
    assert_int_equal(world_due(world, PAWL_REMINDER_WAKE), WORLD_NOW_MS);
}

static void a_start_in_the_future_wakes_then(void **state)
{
    struct world *world = *state;
    struct pawl_store_request create = world_create(world, "a");
    create.create.start_at_ms = WORLD_NOW_MS + 60000;
    assert_int_equal(world_apply(world, &create).err, PAWL_OK);
    assert_int_equal(world_due(world, PAWL_REMINDER_WAKE), WORLD_NOW_MS + 60000);
}

static void another_request_for_a_present_id_is_refused(void **state)
{
    struct world *world = *state;
    struct pawl_store_request first = world_create(world, "a");
    struct pawl_store_request second = world_create(world, "a");
    second.create.request_id = PAWL_BYTES_LITERAL("start-2");
    second.create.replace_terminal = true; /* it has not ended */
    assert_int_equal(world_apply(world, &first).err, PAWL_OK);
    struct pawl_store_reply reply = world_apply(world, &second);
    assert_int_equal(reply.err, PAWL_E_EXISTS);
    assert_true(pawl_id_is_equal(reply.create.metadata.inc, first.create.inc));
}

static void an_ended_instance_is_replaced_only_when_asked(void **state)
{
    struct world *world = *state;
    struct pawl_store_request first = world_create(world, "a");
    assert_int_equal(world_apply(world, &first).err, PAWL_OK);
    world_schedule(world, "a", (struct pawl_op){ 'a', 1 }, 7, WORLD_NOW_MS + 30000);
    world_end(world, "a", PAWL_STATUS_FAILED);

    struct pawl_store_request second = world_create(world, "a");
    second.create.request_id = PAWL_BYTES_LITERAL("start-2");
    assert_int_equal(world_apply(world, &second).err, PAWL_E_EXISTS);

    second.create.replace_terminal = true;
    struct pawl_store_reply reply = world_apply(world, &second);
    assert_int_equal(reply.err, PAWL_OK);
    assert_int_equal(reply.create.metadata.gen, 2);
    assert_int_equal(reply.create.metadata.history_count, 0);
    assert_int_equal(world_due(world, PAWL_REMINDER_ACTIVITY), 0);
}

static void a_repeated_start_never_replaces_what_it_made(void **state)
{
    struct world *world = *state;
    struct pawl_store_request create = world_create(world, "a");
    create.create.replace_terminal = true;
    assert_int_equal(world_apply(world, &create).err, PAWL_OK);
    world_end(world, "a", PAWL_STATUS_COMPLETED);
    struct pawl_store_reply reply = world_apply(world, &create);
    assert_int_equal(reply.err, PAWL_E_DUPLICATE);
    assert_int_equal(reply.create.metadata.status, PAWL_STATUS_COMPLETED);
}

static struct pawl_store_request child_create(struct world *world, const char *request_id,
                                              const char *parent, const char *parent_key)
{
    struct pawl_store_request create = world_create(world, "child");
    create.create.request_id = pawl_bytes_str(request_id);
    create.create.parent = pawl_bytes_str(parent);
    create.create.parent_key = pawl_bytes_str(parent_key);
    return create;
}

static void a_child_follows_its_parent_operation_to_a_new_nonce(void **state)
{
    struct world *world = *state;
    struct pawl_store_request first = child_create(world, "m-1", "p nonce 1", "p c:1");
    struct pawl_store_request again = child_create(world, "m-2", "p nonce 2", "p c:1");
    assert_int_equal(world_apply(world, &first).err, PAWL_OK);
    struct pawl_store_reply reply = world_apply(world, &again);
    assert_int_equal(reply.err, PAWL_E_DUPLICATE);
    assert_true(pawl_bytes_is_str(reply.create.metadata.parent, "p nonce 2"));
    assert_true(pawl_bytes_is_str(world_load(world, "child")->metadata.parent, "p nonce 2"));
}

static void a_late_start_does_not_get_its_child_back(void **state)
{
    struct world *world = *state;
    struct pawl_store_request first = child_create(world, "m-1", "p nonce 1", "p c:1");
    struct pawl_store_request second = child_create(world, "m-2", "p nonce 2", "p c:1");
    first.create.tombs = second.create.tombs = (struct pawl_tomb_limits){ 1000, 10 };
    assert_int_equal(world_apply(world, &first).err, PAWL_OK);
    assert_int_equal(world_apply(world, &second).err, PAWL_E_DUPLICATE);
    struct pawl_store_reply reply = world_apply(world, &first);
    assert_int_equal(reply.err, PAWL_E_DUPLICATE);
    assert_true(pawl_bytes_is_str(reply.create.metadata.parent, "p nonce 2"));
    reply = world_apply(world, &second);
    assert_int_equal(reply.err, PAWL_E_DUPLICATE); /* it is its own now */
    assert_true(pawl_bytes_is_str(reply.create.metadata.parent, "p nonce 2"));
    assert_true(pawl_bytes_is_str(reply.create.metadata.request_id, "m-2"));

    /* Nor when the second has purged it. */
    struct pawl_store_request purge = { .op = PAWL_STORE_PURGE, .partition = WORLD_PARTITION };
    purge.purge = (struct pawl_purge){ .instance = PAWL_BYTES_LITERAL("child"),
                                       .force = true,
                                       .now_ms = WORLD_NOW_MS,
                                       .tombs = first.create.tombs };
    assert_int_equal(world_apply(world, &purge).err, PAWL_OK);
    assert_int_equal(world_apply(world, &first).err, PAWL_E_TERMINAL);
    assert_int_equal(world_apply(world, &second).err, PAWL_E_TERMINAL);
}

/* A late copy of it would start what nobody waits for, when the id is free again. */
static void a_refusal_that_is_kept_stands_whoever_has_the_id(void **state)
{
    struct world *world = *state;
    struct pawl_store_request other = child_create(world, "m-1", "q nonce 1", "q c:1");
    struct pawl_store_request child = child_create(world, "m-2", "p nonce 1", "p c:1");
    child.create.tombs = (struct pawl_tomb_limits){ 1000, 10 };
    child.create.replace_terminal = true;
    struct pawl_store_request plain = child;
    plain.create.request_id = PAWL_BYTES_LITERAL("m-3");
    child.create.keep_refusal = true;
    assert_int_equal(world_apply(world, &other).err, PAWL_OK);
    assert_int_equal(world_apply(world, &child).err, PAWL_E_EXISTS);
    assert_int_equal(world_apply(world, &plain).err, PAWL_E_EXISTS);
    world_end(world, "child", PAWL_STATUS_COMPLETED);
    struct pawl_store_reply reply = world_apply(world, &child);
    assert_int_equal(reply.err, PAWL_E_EXISTS);
    assert_true(pawl_bytes_is_str(reply.create.metadata.request_id, "m-1"));

    struct pawl_store_request purge = { .op = PAWL_STORE_PURGE, .partition = WORLD_PARTITION };
    purge.purge =
        (struct pawl_purge){ .instance = PAWL_BYTES_LITERAL("child"), .now_ms = WORLD_NOW_MS };
    assert_int_equal(world_apply(world, &purge).err, PAWL_OK);
    reply = world_apply(world, &child);
    assert_int_equal(reply.err, PAWL_E_EXISTS);
    assert_true(pawl_bytes_is_absent(reply.create.metadata.request_id));
    assert_int_equal(world_apply(world, &plain).err, PAWL_OK);       /* it was not asked to */
    assert_int_equal(world_apply(world, &child).err, PAWL_E_EXISTS); /* not even bound to it */

    child.create.created_ms += 1000;
    assert_int_equal(world_apply(world, &child).err, PAWL_E_DUPLICATE); /* it has been long */
}

/* The first one comes for the first time when the second is there: so it looks like the later. */
static void who_is_waited_for_gets_the_child_back(void **state)
{
    struct world *world = *state;
    struct pawl_store_request late = child_create(world, "m-1", "p nonce 1", "p c:1");
    struct pawl_store_request right = child_create(world, "m-2", "p nonce 2", "p c:1");
    late.create.tombs = right.create.tombs = (struct pawl_tomb_limits){ 1000, 10 };
    assert_int_equal(world_apply(world, &right).err, PAWL_OK);
    assert_int_equal(world_apply(world, &late).err, PAWL_E_DUPLICATE);
    assert_int_equal(world_apply(world, &right).err, PAWL_E_DUPLICATE);
    assert_true(pawl_bytes_is_str(world_load(world, "child")->metadata.parent, "p nonce 1"));
    right.create.rebind_late = true;
    assert_int_equal(world_apply(world, &right).err, PAWL_E_DUPLICATE);
    assert_true(pawl_bytes_is_str(world_load(world, "child")->metadata.parent, "p nonce 2"));
    assert_int_equal(world_apply(world, &late).err, PAWL_E_DUPLICATE);
    assert_true(pawl_bytes_is_str(world_load(world, "child")->metadata.parent, "p nonce 2"));
}

static void an_ended_child_is_not_run_again_for_the_same_attempt(void **state)
{
    struct world *world = *state;
    struct pawl_store_request first = child_create(world, "m-1", "p nonce 1", "p c:1");
    assert_int_equal(world_apply(world, &first).err, PAWL_OK);
    world_end(world, "child", PAWL_STATUS_COMPLETED);
    struct pawl_store_request again = child_create(world, "m-2", "p nonce 1", "p c:1");
    again.create.replace_terminal = true;
    struct pawl_store_reply reply = world_apply(world, &again);
    assert_int_equal(reply.err, PAWL_E_DUPLICATE);
    assert_int_equal(reply.create.metadata.status, PAWL_STATUS_COMPLETED);
}

static void an_ended_child_is_rebound_for_who_rewinds_it(void **state)
{
    struct world *world = *state;
    struct pawl_store_request first = child_create(world, "m-1", "p nonce 1", "p c:1");
    assert_int_equal(world_apply(world, &first).err, PAWL_OK);
    world_end(world, "child", PAWL_STATUS_FAILED);
    struct pawl_store_request again = child_create(world, "m-2", "p nonce 2", "p c:1");
    again.create.replace_terminal = true;
    again.create.rebind_ended = true;
    struct pawl_store_reply reply = world_apply(world, &again);
    assert_int_equal(reply.err, PAWL_E_DUPLICATE);
    assert_int_equal(reply.create.metadata.status, PAWL_STATUS_FAILED);
    assert_true(pawl_bytes_is_str(reply.create.metadata.parent, "p nonce 2"));
}

static void an_ended_child_is_replaced_when_its_parent_tries_again(void **state)
{
    struct world *world = *state;
    struct pawl_store_request first = child_create(world, "m-1", "p nonce 1", "p c:1");
    first.create.tombs = (struct pawl_tomb_limits){ 1000, 10 };
    first.create.replace_terminal = true;
    assert_int_equal(world_apply(world, &first).err, PAWL_OK);
    world_end(world, "child", PAWL_STATUS_FAILED);
    struct pawl_store_request again = child_create(world, "m-2", "p nonce 2", "p c:1");
    again.create.replace_terminal = true;
    again.create.tombs = first.create.tombs;
    struct pawl_store_reply reply = world_apply(world, &again);
    assert_int_equal(reply.err, PAWL_OK);
    assert_int_equal(reply.create.metadata.gen, 2);
    assert_true(pawl_bytes_is_str(reply.create.metadata.parent, "p nonce 2"));
    /* A late copy of the first attempt changes nothing, whatever became of the second. */
    assert_int_equal(world_apply(world, &first).err, PAWL_E_DUPLICATE);
    assert_true(pawl_bytes_is_str(world_load(world, "child")->metadata.parent, "p nonce 2"));
    world_end(world, "child", PAWL_STATUS_COMPLETED);
    assert_int_equal(world_apply(world, &first).err, PAWL_E_DUPLICATE);
    assert_int_equal(world_load(world, "child")->metadata.status, PAWL_STATUS_COMPLETED);
}

static void another_parent_operation_does_not_get_the_child(void **state)
{
    struct world *world = *state;
    struct pawl_store_request first = child_create(world, "m-1", "p nonce 1", "p c:1");
    struct pawl_store_request other = child_create(world, "m-2", "q nonce 1", "q c:1");
    assert_int_equal(world_apply(world, &first).err, PAWL_OK);
    assert_int_equal(world_apply(world, &other).err, PAWL_E_EXISTS);
    assert_true(pawl_bytes_is_str(world_load(world, "child")->metadata.parent, "p nonce 1"));
}

/* Load ----------------------------------------------------------------------------- */

static struct pawl_store_request load_history(uint32_t from, uint32_t max, uint32_t size_max)
{
    struct pawl_store_request load = { .op = PAWL_STORE_LOAD, .partition = WORLD_PARTITION };
    load.load.instance = PAWL_BYTES_LITERAL("a");
    load.load.want = PAWL_LOAD_HISTORY;
    load.load.history_from = from;
    load.load.history_max = max;
    load.load.history_size_max = size_max;
    return load;
}

static void three_events(struct world *world)
{
    struct pawl_store_request create = world_create(world, "a");
    assert_int_equal(world_apply(world, &create).err, PAWL_OK);
    struct pawl_store_request commit = world_commit(world, "a");
    struct pawl_bytes events[] = { PAWL_BYTES_LITERAL("12345"), PAWL_BYTES_LITERAL("67890"),
                                   PAWL_BYTES_LITERAL("x") };
    commit.commit.events_count = 3;
    commit.commit.events = events;
    assert_int_equal(world_apply(world, &commit).err, PAWL_OK);
}

static void history_comes_in_pages_of_at_least_one_row(void **state)
{
    struct world *world = *state;
    three_events(world);
    static const struct {
        uint32_t from, max, size_max, rows;
    } cases[] = { { 0, 100, 100, 3 }, { 0, 2, 100, 2 }, { 1, 100, 100, 2 }, { 0, 100, 5, 1 },
                  { 0, 100, 6, 2 },   { 0, 100, 0, 1 }, { 3, 100, 100, 0 }, { 9, 100, 100, 0 } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pawl_store_request load =
            load_history(cases[i].from, cases[i].max, cases[i].size_max);
        struct pawl_store_reply reply = world_apply(world, &load);
        assert_int_equal(reply.load.snapshot.history_count, cases[i].rows);
        assert_int_equal(reply.load.snapshot.metadata.history_count, 3);
        assert_int_equal(reply.load.snapshot.metadata.history_size, 11);
    }
}

static void the_history_of_another_generation_is_empty(void **state)
{
    struct world *world = *state;
    three_events(world);
    struct pawl_store_request load = load_history(0, 100, 100);
    load.load.gen = 2;
    struct pawl_store_reply reply = world_apply(world, &load);
    assert_int_equal(reply.err, PAWL_OK);
    assert_int_equal(reply.load.snapshot.history_count, 0);
    load.load.gen = 1;
    assert_int_equal(world_apply(world, &load).load.snapshot.history_count, 3);
}

static void a_fenced_load_is_for_the_owner_alone(void **state)
{
    struct world *world = *state;
    three_events(world);
    struct pawl_store_request load = load_history(0, 1, 1);
    load.load.want |= PAWL_LOAD_FENCED;
    assert_int_equal(world_apply(world, &load).err, PAWL_E_FENCED);
    load.load.fence = world->fence;
    assert_int_equal(world_apply(world, &load).err, PAWL_OK);
    load.load.instance = PAWL_BYTES_LITERAL("nobody");
    assert_int_equal(world_apply(world, &load).err, PAWL_E_NOT_FOUND);
    load.load.fence.epoch++;
    assert_int_equal(world_apply(world, &load).err, PAWL_E_FENCED);
}

/* Purge ---------------------------------------------------------------------------- */

static void purge_leaves_nothing_of_an_ended_instance(void **state)
{
    struct world *world = *state;
    struct pawl_bytes before = world_dump(world);
    struct pawl_store_request create = world_create(world, "a|b");
    assert_int_equal(world_apply(world, &create).err, PAWL_OK);
    world_schedule(world, "a|b", (struct pawl_op){ 't', 1 }, 7, WORLD_NOW_MS + 1);
    world_end(world, "a|b", PAWL_STATUS_TERMINATED);
    struct pawl_store_request purge = world_purge("a|b");
    assert_int_equal(world_apply(world, &purge).err, PAWL_OK);
    assert_true(pawl_bytes_is_equal(world_dump(world), before));
    assert_int_equal(world_apply(world, &purge).err, PAWL_E_NOT_FOUND);
}

static void purge_spares_a_running_instance_unless_forced(void **state)
{
    struct world *world = *state;
    struct pawl_store_request create = world_create(world, "a");
    assert_int_equal(world_apply(world, &create).err, PAWL_OK);
    struct pawl_store_request purge = world_purge("a");
    assert_int_equal(world_apply(world, &purge).err, PAWL_E_NOT_TERMINAL);
    purge.purge.force = true;
    assert_int_equal(world_apply(world, &purge).err, PAWL_OK);
}

static void purge_of_another_incarnation_is_refused_first(void **state)
{
    struct world *world = *state;
    struct pawl_store_request create = world_create(world, "a");
    assert_int_equal(world_apply(world, &create).err, PAWL_OK);
    struct pawl_store_request purge = world_purge("a");
    purge.purge.inc = world_id(world);
    assert_int_equal(world_apply(world, &purge).err, PAWL_E_CONFLICT);
    purge.purge.force = true;
    assert_int_equal(world_apply(world, &purge).err, PAWL_E_CONFLICT);
    purge.purge.inc = create.create.inc;
    assert_int_equal(world_apply(world, &purge).err, PAWL_OK);
}

static void purge_of_one_leaves_ids_that_begin_alike(void **state)
{
    struct world *world = *state;
    struct pawl_store_request a = world_create(world, "a"), ab = world_create(world, "a|b");
    assert_int_equal(world_apply(world, &ab).err, PAWL_OK);
    struct pawl_bytes before = world_dump(world);
    assert_int_equal(world_apply(world, &a).err, PAWL_OK);
    struct pawl_store_request purge = world_purge("a");
    purge.purge.force = true;
    assert_int_equal(world_apply(world, &purge).err, PAWL_OK);
    assert_true(pawl_bytes_is_equal(world_dump(world), before));
}

/* Dump ------------------------------------------------------------------------------- */

static struct pawl_store_request tomb_create(struct world *world, const char *request_id,
                                             int64_t now_ms)
{
    struct pawl_store_request create = world_create(world, "a");
    create.create.request_id = pawl_bytes_str(request_id);
    create.create.created_ms = now_ms;
    create.create.tombs = (struct pawl_tomb_limits){ 1000, 2 };
    return create;
}

/* Made by this request at this time, and purged at once. */
static void tomb_make(struct world *world, const char *request_id, int64_t now_ms)
{
    struct pawl_store_request create = tomb_create(world, request_id, now_ms);
    assert_int_equal(world_apply(world, &create).err, PAWL_OK);
    struct pawl_store_request purge = world_purge("a");
    purge.purge.force = true;
    purge.purge.now_ms = now_ms;
    purge.purge.tombs = (struct pawl_tomb_limits){ 1000, 2 };
    assert_int_equal(world_apply(world, &purge).err, PAWL_OK);
}

static void a_start_that_is_repeated_after_the_purge_makes_nothing(void **state)
{
    struct world *world = *state;
    tomb_make(world, "one", WORLD_NOW_MS);
    struct pawl_store_request late = tomb_create(world, "one", WORLD_NOW_MS);
    struct pawl_store_reply reply = world_apply(world, &late);
    assert_int_equal(reply.err, PAWL_E_TERMINAL);
    assert_true(pawl_bytes_is_absent(reply.create.metadata.request_id));
    assert_null(world_load(world, "a"));

    struct pawl_store_request other_id = tomb_create(world, "one", WORLD_NOW_MS);
    other_id.create.instance = PAWL_BYTES_LITERAL("b");
    assert_int_equal(world_apply(world, &other_id).err, PAWL_OK);
    struct pawl_store_request other_request = tomb_create(world, "two", WORLD_NOW_MS);
    assert_int_equal(world_apply(world, &other_request).err, PAWL_OK);
    assert_int_equal(world_apply(world, &late).err, PAWL_E_TERMINAL); /* rather than EXISTS */
}

static void the_start_of_a_replaced_instance_is_remembered(void **state)
{
    struct world *world = *state;
    struct pawl_store_request first = tomb_create(world, "one", WORLD_NOW_MS);
    struct pawl_store_request second = tomb_create(world, "two", WORLD_NOW_MS + 1);
    first.create.replace_terminal = second.create.replace_terminal = true;
    assert_int_equal(world_apply(world, &first).err, PAWL_OK);
    world_end(world, "a", PAWL_STATUS_COMPLETED);
    assert_int_equal(world_apply(world, &second).err, PAWL_OK);
    world_end(world, "a", PAWL_STATUS_COMPLETED);
    assert_int_equal(world_apply(world, &first).err, PAWL_E_TERMINAL);
    assert_int_equal(world_apply(world, &second).err, PAWL_E_DUPLICATE);
}

static void a_purged_start_is_forgotten_in_time(void **state)
{
    struct world *world = *state;
    tomb_make(world, "one", WORLD_NOW_MS);
    struct pawl_store_request late = tomb_create(world, "one", WORLD_NOW_MS + 999);
    assert_int_equal(world_apply(world, &late).err, PAWL_E_TERMINAL);
    late = tomb_create(world, "one", WORLD_NOW_MS + 1000);
    assert_int_equal(world_apply(world, &late).err, PAWL_OK);
}

static void of_too_many_purged_starts_the_oldest_are_forgotten(void **state)
{
    struct world *world = *state;
    tomb_make(world, "one", WORLD_NOW_MS);
    tomb_make(world, "two", WORLD_NOW_MS + 1);
    tomb_make(world, "three", WORLD_NOW_MS + 2);
    struct pawl_store_request late = tomb_create(world, "two", WORLD_NOW_MS + 3);
    assert_int_equal(world_apply(world, &late).err, PAWL_E_TERMINAL);
    late = tomb_create(world, "three", WORLD_NOW_MS + 3);
    assert_int_equal(world_apply(world, &late).err, PAWL_E_TERMINAL);
    late = tomb_create(world, "one", WORLD_NOW_MS + 3);
    assert_int_equal(world_apply(world, &late).err, PAWL_OK);
}

static void a_dump_depends_on_the_state_and_not_on_the_way_to_it(void **state)
{
    struct world *world = *state;
    struct pawl_store_request a = world_create(world, "a"), b = world_create(world, "b");
    assert_int_equal(world_apply(world, &a).err, PAWL_OK);
    assert_int_equal(world_apply(world, &b).err, PAWL_OK);
    struct pawl_bytes dump = world_dump(world);

    struct pawl_store_request purge = world_purge("a");
    purge.purge.force = true;
    assert_int_equal(world_apply(world, &purge).err, PAWL_OK);
    assert_false(pawl_bytes_is_equal(world_dump(world), dump));
    assert_int_equal(world_apply(world, &a).err, PAWL_OK); /* now behind b */
    assert_true(pawl_bytes_is_equal(world_dump(world), dump));
}

static void a_dump_tells_absent_from_empty_and_hides_no_byte(void **state)
{
    struct world *world = *state;
    struct pawl_store_request create = world_create(world, "a");
    create.create.input = PAWL_BYTES_LITERAL("x\0\"y\n");
    create.create.version = PAWL_BYTES_LITERAL("");
    assert_int_equal(world_apply(world, &create).err, PAWL_OK);
    struct pawl_bytes dump = world_dump(world);
    const char *text =
        (const char *)pawl_arena_printf(&world->arena, "%.*s", PAWL_BYTES_FMT(dump)).data;
    assert_non_null(strstr(text, " input=\"x\\x00\\x22y\\x0a\""));
    assert_non_null(strstr(text, " version=\"\""));
    assert_non_null(strstr(text, " output=-"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(each_owner_gets_the_next_epoch_and_fences_the_one_before),
        T(an_older_table_cannot_take_a_partition),
        T(the_same_table_may_take_a_partition_again),
        T(a_partition_that_nobody_acquired_fences_everybody),
        T(a_new_instance_is_pending_with_one_row_and_a_wake_up),
        T(a_start_in_the_future_wakes_then),
        T(another_request_for_a_present_id_is_refused),
        T(an_ended_instance_is_replaced_only_when_asked),
        T(a_repeated_start_never_replaces_what_it_made),
        T(a_child_follows_its_parent_operation_to_a_new_nonce),
        T(a_late_start_does_not_get_its_child_back),
        T(a_refusal_that_is_kept_stands_whoever_has_the_id),
        T(who_is_waited_for_gets_the_child_back),
        T(an_ended_child_is_not_run_again_for_the_same_attempt),
        T(an_ended_child_is_rebound_for_who_rewinds_it),
        T(an_ended_child_is_replaced_when_its_parent_tries_again),
        T(another_parent_operation_does_not_get_the_child),
        T(history_comes_in_pages_of_at_least_one_row),
        T(the_history_of_another_generation_is_empty),
        T(a_fenced_load_is_for_the_owner_alone),
        T(purge_leaves_nothing_of_an_ended_instance),
        T(purge_spares_a_running_instance_unless_forced),
        T(purge_of_another_incarnation_is_refused_first),
        T(purge_of_one_leaves_ids_that_begin_alike),
        T(a_start_that_is_repeated_after_the_purge_makes_nothing),
        T(the_start_of_a_replaced_instance_is_remembered),
        T(a_purged_start_is_forgotten_in_time),
        T(of_too_many_purged_starts_the_oldest_are_forgotten),
        T(a_dump_depends_on_the_state_and_not_on_the_way_to_it),
        T(a_dump_tells_absent_from_empty_and_hides_no_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
