/* Audit: each kind of damage, planted in the reference store or shown as a row, is found
 * by name; what is sound is not. */
#include "world.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "state/audit_walk.h"
#include "state/keys.h"
#include "state/mem_rows.h"

static char found[8192]; /* "RULE instance subject\n" each */

static void on_finding(void *context, const struct pawl_finding *finding)
{
    struct pawl_arena *arena = context;
    struct pawl_bytes line =
        pawl_arena_printf(arena, "%s %.*s %.*s\n", pawl_audit_rule_name(finding->rule),
                          PAWL_BYTES_FMT(finding->instance), PAWL_BYTES_FMT(finding->subject));
    assert_true(strlen(found) + line.size < sizeof found);
    memcpy(found + strlen(found), line.data, line.size + 1);
    assert_true(finding->text.size > 10);
    assert_int_equal(finding->partition, WORLD_PARTITION);
}

static const char *audit(struct world *world, int64_t now_ms)
{
    struct pawl_audit_walk walk;
    struct pawl_store_request request;
    found[0] = 0;
    pawl_audit_walk_init(&walk, WORLD_PARTITION, now_ms, on_finding, &world->arena,
                         PAWL_BYTES_ABSENT);
    walk.with_strays = true;
    while (pawl_audit_walk_next(&walk, &request)) {
        struct pawl_store_reply reply = world_apply(world, &request);
        pawl_audit_walk_take(&walk, &reply);
    }
    pawl_audit_walk_deinit(&walk);
    return found;
}

#define AUDIT(world, expected) assert_string_equal(audit((world), WORLD_NOW_MS), (expected))

static struct pawl_mem_partition *partition_of(struct world *world)
{
    return world->mem->partitions[WORLD_PARTITION];
}

static struct pawl_mem_instance *instance_of(struct world *world, const char *id)
{
    return pawl_mem_instance_find(partition_of(world), pawl_bytes_str(id));
}

static void reminder_lose(struct world *world, enum pawl_reminder_kind kind)
{
    for (struct pawl_tree_node *node = pawl_tree_first(&partition_of(world)->members); node;
         node = pawl_tree_next(node)) {
        struct pawl_mem_reminder *reminder =
            PAWL_CONTAINER_OF(node, struct pawl_mem_reminder, by_member);
        if (reminder->row.kind != kind) continue;
        pawl_mem_reminder_free(partition_of(world), reminder);
        return;
    }
    fail();
}

static const struct pawl_op timer = { 't', 1 };

/* An instance with a message in its inbox, one with an open timer, an ended one. */
static struct world *with_instances(void **state)
{
    struct world *world = *state;
    static const char *const ids[] = { "new", "timed", "ended" };
    for (int i = 0; i < 3; i++) {
        struct pawl_store_request create = world_create(world, ids[i]);
        assert_int_equal(world_apply(world, &create).err, PAWL_OK);
    }
    world_schedule(world, "timed", timer, 7, WORLD_NOW_MS + 500);
    world_end(world, "ended", PAWL_STATUS_COMPLETED);
    return world;
}

static void a_sound_store_has_no_findings(void **state)
{
    struct world *world = with_instances(state);
    AUDIT(world, "");
    assert_string_equal(audit(world, WORLD_NOW_MS + 1000000000), ""); /* late is not wrong */
}

static void every_instance_of_many_is_looked_at(void **state)
{
    struct world *world = *state;
    char expected[4096] = "";
    for (uint32_t i = 0; i < 2 * PAWL_INSPECT_ROWS_MAX + 3; i++) {
        char id[16];
        snprintf(id, sizeof id, "i%06u", i);
        struct pawl_store_request create = world_create(world, id);
        assert_int_equal(world_apply(world, &create).err, PAWL_OK);
        if (i % 100 != 7) continue;
        instance_of(world, id)->metadata.history_size = 1;
        snprintf(expected + strlen(expected), 64, "STRUCT %s history size\n", id);
    }
    AUDIT(world, expected);
}

static void lost_reminders_are_found(void **state)
{
    struct world *world = with_instances(state);
    reminder_lose(world, PAWL_REMINDER_TIMER);
    AUDIT(world, "WAKE timed t:1\n");
    reminder_lose(world, PAWL_REMINDER_WAKE); /* the first one: of "new" */
    AUDIT(world, "WAKE new wake\nWAKE timed t:1\n");
}

static void an_open_activity_needs_the_wake_up_of_its_instance(void **state)
{
    struct world *world = *state;
    struct pawl_store_request create = world_create(world, "busy");
    assert_int_equal(world_apply(world, &create).err, PAWL_OK);
    struct pawl_store_request commit = world_commit(world, "busy");
    struct pawl_bytes event = PAWL_BYTES_LITERAL("scheduled");
    struct pawl_pending pending = { .op = { 'a', 0 }, .nonce = 5 };
    commit.commit.events_count = 1;
    commit.commit.events = &event;
    commit.commit.pending_added_count = 1;
    commit.commit.pending_added = &pending;
    commit.commit.wake_keep = true;
    assert_int_equal(world_apply(world, &commit).err, PAWL_OK);
    AUDIT(world, "");
    reminder_lose(world, PAWL_REMINDER_WAKE);
    AUDIT(world, "WAKE busy a:0\n");
}

static void lost_and_wrong_rows_are_found(void **state)
{
    struct world *world = with_instances(state);
    struct pawl_mem_instance *timed = instance_of(world, "timed");
    timed->metadata.history_size++;
    AUDIT(world, "STRUCT timed history size\n");
    timed->metadata.history_size--;
    pawl_mem_bytes_free(&timed->history[0]);
    AUDIT(world, "STRUCT timed history-000000\n");
    pawl_mem_pending_find(timed, timer)->row.history_index = 9;
    AUDIT(world, "STRUCT timed t:1\nSTRUCT timed history-000000\n");
}

static void what_an_ended_instance_left_behind_is_found(void **state)
{
    struct world *world = with_instances(state);
    struct pawl_store_request input = world_input(world, "timed", "r");
    assert_int_equal(world_apply(world, &input).err, PAWL_OK);
    pawl_mem_instance_set_status(partition_of(world), instance_of(world, "timed"),
                                 PAWL_STATUS_FAILED);
    AUDIT(world, "TERMINAL timed inbox\nTERMINAL timed pending\nTERMINAL timed wake\n");
    /* By then its timer leads nowhere, too. */
    audit(world, WORLD_NOW_MS + 500 + PAWL_AUDIT_OVERDUE_MS);
    assert_non_null(strstr(found, "STRUCT timed t|timed|"));
}

static void wrong_counters_are_found(void **state)
{
    struct world *world = with_instances(state);
    partition_of(world)->counts[PAWL_STATUS_STALLED]++;
    AUDIT(world, "COUNTS  status 8\n");
    partition_of(world)->counts[PAWL_STATUS_STALLED]--;
}

static void reminders_that_lead_nowhere_are_found_when_nobody_takes_them_up(void **state)
{
    struct world *world = with_instances(state);
    struct pawl_bytes ghost = PAWL_BYTES_LITERAL("w|ghost|00000000000000000000000000000001|0|-|-");
    pawl_mem_store_plant_reminder(world->mem, WORLD_PARTITION, ghost,
                                  WORLD_NOW_MS - PAWL_AUDIT_OVERDUE_MS + 1);
    AUDIT(world, "");
    pawl_mem_store_plant_reminder(world->mem, WORLD_PARTITION, ghost,
                                  WORLD_NOW_MS - PAWL_AUDIT_OVERDUE_MS);
    AUDIT(world, "STRUCT ghost w|ghost|00000000000000000000000000000001|0|-|-\n");
}

static void unreadable_reminders_are_found_before_and_after_they_are_moved(void **state)
{
    struct world *world = with_instances(state);
    pawl_mem_store_plant_reminder(world->mem, WORLD_PARTITION, PAWL_BYTES_LITERAL("?"),
                                  WORLD_NOW_MS + 1);
    AUDIT(world, "STRUCT  ?\n");
    struct pawl_store_request poll = world_poll(world, WORLD_NOW_MS + 1);
    assert_int_equal(world_apply(world, &poll).poll.unreadable, 1);
    AUDIT(world, "STRUCT  ?\n");
}

static void a_message_without_reminder_is_found(void **state)
{
    struct world *world = with_instances(state);
    struct pawl_store_request commit = world_commit(world, "new");
    struct pawl_message_row message = { { { 0xab } }, PAWL_BYTES_LITERAL("letter") };
    commit.commit.messages_count = 1;
    commit.commit.messages = &message;
    assert_int_equal(world_apply(world, &commit).err, PAWL_OK);
    AUDIT(world, "");
    reminder_lose(world, PAWL_REMINDER_OUTBOX);
    AUDIT(world, "WAKE  outbox ab000000000000000000000000000000\n");
}

/* What the reference store cannot hold: shown to the audit as rows. --------------- */

static const char *audit_rows(struct world *world, const struct pawl_stored_instance *stored)
{
    const struct pawl_audit rows = { .report = on_finding,
                                     .context = &world->arena,
                                     .arena = &world->arena,
                                     .partition = WORLD_PARTITION };
    found[0] = 0;
    pawl_audit_instance(&rows, PAWL_BYTES_LITERAL("x"), stored);
    pawl_audit_rows(&rows, PAWL_BYTES_LITERAL("x"), stored);
    return found;
}

static struct pawl_stored_instance sound_instance(void)
{
    return (struct pawl_stored_instance){
        .is_indexed = true,
        .indexed_ms = 5,
        .is_there = true,
        .metadata = { .status = PAWL_STATUS_RUNNING, .created_ms = 5 },
    };
}

static void an_index_that_disagrees_is_found(void **state)
{
    struct world *world = *state;
    struct pawl_stored_instance stored = sound_instance();
    assert_string_equal(audit_rows(world, &stored), "");
    stored.indexed_ms = 6;
    assert_string_equal(audit_rows(world, &stored), "STRUCT x index\n");
    stored.is_indexed = false;
    assert_string_equal(audit_rows(world, &stored), "STRUCT x index\n");
    stored.is_there = false;
    assert_string_equal(audit_rows(world, &stored), "");
    stored.is_indexed = true;
    assert_string_equal(audit_rows(world, &stored), "STRUCT x metadata\n");
}

static void rows_that_cannot_be_read_are_found(void **state)
{
    struct world *world = *state;
    struct pawl_stored_instance stored = sound_instance();
    stored.unreadable = PAWL_BYTES_LITERAL("column inc");
    assert_string_equal(audit_rows(world, &stored), "STRUCT x metadata\n");

    stored = sound_instance();
    struct pawl_stored_inbox inbox[] = { { .row.index = 3, .is_missing = true },
                                         { .row.index = 4 },
                                         { .row.index = 5, .is_unreadable = true } };
    stored.inbox = inbox;
    stored.inbox_count = 3;
    stored.metadata.inbox_head = 3;
    stored.metadata.inbox_tail = 6;
    stored.has_wake = true;
    stored.strays = 1;
    assert_string_equal(audit_rows(world, &stored),
                        "STRUCT x strays\nSTRUCT x inbox-000003\nSTRUCT x inbox-000005\n");

    stored = sound_instance();
    struct pawl_stored_pending pending = { .is_unreadable = true,
                                           .name = PAWL_BYTES_LITERAL("q:?") };
    stored.pending = &pending;
    stored.pending_count = 1;
    assert_string_equal(audit_rows(world, &stored), "STRUCT x q:?\n");
}

static void a_partition_too_large_to_count_is_checked_by_its_sum(void **state)
{
    struct world *world = *state;
    const struct pawl_audit rows = { .report = on_finding,
                                     .context = &world->arena,
                                     .arena = &world->arena,
                                     .partition = WORLD_PARTITION };
    struct pawl_stored_partition stored = { .counts = { 3, 4 }, .instances = 7 };
    found[0] = 0;
    pawl_audit_partition(&rows, &stored);
    assert_string_equal(found, "");
    stored.instances = 8;
    pawl_audit_partition(&rows, &stored);
    assert_string_equal(found, "COUNTS  sum\n");
}

/* Between its pages an instance may change: it is read anew. ----------------------- */

static uint32_t changes, pages;

static void on_changed(void *context, struct pawl_bytes id)
{
    (void)context;
    (void)id;
    changes++;
}

static void on_instance(void *context, struct pawl_bytes id,
                        const struct pawl_stored_instance *stored, bool is_first, bool is_last)
{
    (void)context;
    (void)id;
    (void)is_first;
    pages++;
    if (is_last) assert_int_equal(stored->history_from + stored->history_count, 301);
}

static void an_instance_that_changes_between_pages_is_read_anew(void **state)
{
    struct world *world = *state;
    struct pawl_store_request create = world_create(world, "long"), request;
    assert_int_equal(world_apply(world, &create).err, PAWL_OK);
    struct pawl_store_request commit = world_commit(world, "long");
    struct pawl_bytes events[300];
    for (int i = 0; i < 300; i++) events[i] = PAWL_BYTES_LITERAL("event");
    commit.commit.events = events;
    commit.commit.events_count = commit.commit.history_max = 300;
    assert_int_equal(world_apply(world, &commit).err, PAWL_OK);

    struct pawl_audit_walk walk;
    found[0] = 0;
    changes = pages = 0;
    pawl_audit_walk_init(&walk, WORLD_PARTITION, WORLD_NOW_MS, on_finding, &world->arena,
                         PAWL_BYTES_LITERAL("long"));
    walk.visitor =
        (struct pawl_audit_visitor){ .on_instance = on_instance, .on_changed = on_changed };
    while (pawl_audit_walk_next(&walk, &request)) {
        struct pawl_store_reply reply = world_apply(world, &request);
        if (pages == 1 && changes == 0) {
            commit = world_commit(world, "long");
            commit.commit.events = events;
            commit.commit.events_count = 1;
            commit.commit.history_max = 400;
            assert_int_equal(world_apply(world, &commit).err, PAWL_OK);
            reply = world_apply(world, &request);
        }
        pawl_audit_walk_take(&walk, &reply);
    }
    pawl_audit_walk_deinit(&walk);
    assert_string_equal(found, "");
    assert_int_equal(changes, 1);
    assert_int_equal(pages, 3);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_sound_store_has_no_findings),
        T(every_instance_of_many_is_looked_at),
        T(lost_reminders_are_found),
        T(an_open_activity_needs_the_wake_up_of_its_instance),
        T(lost_and_wrong_rows_are_found),
        T(what_an_ended_instance_left_behind_is_found),
        T(wrong_counters_are_found),
        T(reminders_that_lead_nowhere_are_found_when_nobody_takes_them_up),
        T(unreadable_reminders_are_found_before_and_after_they_are_moved),
        T(a_message_without_reminder_is_found),
        T(an_index_that_disagrees_is_found),
        T(rows_that_cannot_be_read_are_found),
        T(a_partition_too_large_to_count_is_checked_by_its_sum),
        T(an_instance_that_changes_between_pages_is_read_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
