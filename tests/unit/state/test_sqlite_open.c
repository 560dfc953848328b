/* SQLite: what opening a file refuses, and with which words; what stays after closing. */
#include "disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void assert_refused(struct disk *disk, pawl_err err, const char *words)
{
    assert_int_equal(disk_open(disk), err);
    assert_non_null(strstr(disk->message, words));
}

static void assert_refused_by_name(struct disk *disk, pawl_err err, const char *words)
{
    assert_refused(disk, err, words);
    assert_non_null(strstr(disk->message, disk->path));
}

static struct pawl_store_request create_of(struct world *world, const char *instance)
{
    return world_create(world, instance);
}

static void a_new_file_opens_and_says_so_later(void **state)
{
    struct disk *disk = *state;
    assert_int_equal(disk_open(disk), PAWL_OK);
    assert_int_equal(disk->told, 0);
    uv_run(&disk->loop, UV_RUN_ONCE);
    assert_true(disk->ready);
    assert_int_equal(disk->told, 1);
}

static void a_new_file_is_for_its_owner_alone(void **state)
{
    struct disk *disk = *state;
    assert_int_equal(disk_open(disk), PAWL_OK);
    struct stat info;
    assert_int_equal(stat(disk->path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void everything_is_there_after_a_restart(void **state)
{
    struct disk *disk = *state;
    void *made;
    world_setup(&made);
    struct world *world = made;
    disk->config.synchronous = "full";
    assert_int_equal(disk_open(disk), PAWL_OK);
    assert_int_equal(disk_apply(disk, world_acquire(world, 3)), PAWL_OK);
    assert_int_equal(disk_apply(disk, create_of(world, "a")), PAWL_OK);
    assert_int_equal(disk->epoch, 1);
    disk_close(disk);

    assert_int_equal(disk_open(disk), PAWL_OK);
    assert_int_equal(disk_apply(disk, create_of(world, "a")), PAWL_E_DUPLICATE);
    assert_int_equal(disk_apply(disk, world_acquire(world, 3)), PAWL_OK);
    assert_int_equal(disk->epoch, 2);
    assert_int_equal(disk_apply(disk, world_acquire(world, 2)), PAWL_E_CONFLICT);
    world_teardown(&made);
}

static void a_second_sidecar_is_refused_while_the_first_runs(void **state)
{
    struct disk *first = *state;
    assert_int_equal(disk_open(first), PAWL_OK);
    void *made;
    disk_setup(&made);
    struct disk *second = made;
    second->config.url = first->url;
    assert_int_equal(disk_open(second), PAWL_E_BUSY);
    assert_non_null(strstr(second->message, "in use by another process"));
    assert_non_null(strstr(second->message, first->path));
    disk_close(first);
    assert_int_equal(disk_open(second), PAWL_OK);
    disk_teardown(&made);
}

static void another_schema_version_is_refused_with_both_numbers(void **state)
{
    struct disk *disk = *state;
    assert_int_equal(disk_open(disk), PAWL_OK);
    disk_close(disk);
    disk_sql(disk, "UPDATE meta SET version = 77");
    assert_refused_by_name(disk, PAWL_E_VERSION, "version 77, this program reads version 1");
}

static void another_number_of_partitions_is_refused_with_both_numbers(void **state)
{
    struct disk *disk = *state;
    assert_int_equal(disk_open(disk), PAWL_OK);
    disk_close(disk);
    disk->config.partitions = 16;
    assert_refused_by_name(disk, PAWL_E_VERSION, "with 8 partitions, 16 are configured");
}

static void the_state_of_another_app_is_refused(void **state)
{
    struct disk *disk = *state;
    assert_int_equal(disk_open(disk), PAWL_OK);
    disk_close(disk);
    disk->config.app = "billing";
    assert_refused_by_name(disk, PAWL_E_INVALID, "app \"orders\", not to \"billing\"");
    disk->config.app = "orders";
    disk->config.namespace_ = "test";
    assert_refused_by_name(disk, PAWL_E_INVALID, "namespace \"default\", not to \"test\"");
}

static void a_file_that_is_no_database_is_left_alone(void **state)
{
    struct disk *disk = *state;
    static const char letter[] = "Dear reader, this is a letter and has never been a database. "
                                 "It is long enough to be taken for a header of one.";
    FILE *file = fopen(disk->path, "w");
    assert_non_null(file);
    fwrite(letter, 1, sizeof letter, file);
    fclose(file);
    assert_refused_by_name(disk, PAWL_E_CORRUPT, "is not a SQLite database");
    struct stat info;
    assert_int_equal(stat(disk->path, &info), 0);
    assert_int_equal(info.st_size, sizeof letter);
}

static void the_database_of_another_program_is_left_alone(void **state)
{
    struct disk *disk = *state;
    disk_sql(disk, "CREATE TABLE customers (name TEXT)");
    assert_refused_by_name(disk, PAWL_E_INVALID, "of another program");
    assert_int_equal(disk_sql(disk, "SELECT count(*) FROM sqlite_schema"), 1);
}

static void a_folder_that_is_missing_is_named(void **state)
{
    struct disk *disk = *state;
    char url[256];
    snprintf(url, sizeof url, "%s.d/state.db", disk->url);
    disk->config.url = url;
    assert_refused(disk, PAWL_E_UNAVAILABLE, "does not exist");
    assert_non_null(strstr(disk->message, "state.db.d "));
}

static void a_folder_in_place_of_the_file_is_named(void **state)
{
    struct disk *disk = *state;
    assert_int_equal(mkdir(disk->path, 0700), 0);
    assert_refused_by_name(disk, PAWL_E_INVALID, "is a folder");
    rmdir(disk->path);
}

/* As a user without rights, since root may write anything. */
static void become_nobody(struct disk *disk)
{
    if (geteuid() != 0) return;
    assert_int_equal(chmod(disk->folder, 0755), 0);
    assert_int_equal(seteuid(65534), 0);
}

static void become_myself(void)
{
    assert_int_equal(seteuid(getuid()), 0);
}

static void a_file_that_may_not_be_written_is_named(void **state)
{
    struct disk *disk = *state;
    assert_int_equal(disk_open(disk), PAWL_OK);
    disk_close(disk);
    assert_int_equal(chmod(disk->path, 0400), 0);
    become_nobody(disk);
    assert_refused_by_name(disk, PAWL_E_DENIED, "owner and mode");
    become_myself();
}

static void a_folder_that_may_not_be_written_is_named(void **state)
{
    struct disk *disk = *state;
    assert_int_equal(chmod(disk->folder, 0500), 0);
    become_nobody(disk);
    assert_refused(disk, PAWL_E_DENIED, "is not writable by this user");
    assert_non_null(strstr(disk->message, disk->folder));
    become_myself();
    assert_int_equal(chmod(disk->folder, 0700), 0);
}

static void a_url_without_a_full_path_is_refused(void **state)
{
    struct disk *disk = *state;
    static const char *const wrong[] = { "sqlite://", "sqlite:///", "sqlite://state.db" };
    for (int i = 0; i < 3; i++) {
        disk->config.url = wrong[i];
        assert_refused(disk, PAWL_E_INVALID, "three slashes");
    }
    disk->config.url = disk->url;
    disk->config.synchronous = "sometimes";
    assert_refused(disk, PAWL_E_INVALID, "\"full\", \"normal\" or \"off\"");
}

/* In the middle of a transaction, whose other requests are answered all the same. */
static void a_damaged_row_is_named_and_hurts_no_other_instance(void **state)
{
    struct disk *disk = *state;
    void *made;
    world_setup(&made);
    struct world *world = made;
    assert_int_equal(disk_open(disk), PAWL_OK);
    assert_int_equal(disk_apply(disk, create_of(world, "broken")), PAWL_OK);
    disk_close(disk);
    disk_sql(disk, "UPDATE instance SET inc = x'00'");

    assert_int_equal(disk_open(disk), PAWL_OK);
    disk_submit(disk, create_of(world, "a"), 0);
    disk_submit(disk, world_input(world, "broken", "e-1"), 1);
    disk_submit(disk, create_of(world, "b"), 2);
    disk_wait(disk, 3);
    assert_int_equal(disk->errs[0], PAWL_OK);
    assert_int_equal(disk->errs[1], PAWL_E_CORRUPT);
    assert_int_equal(disk->errs[2], PAWL_OK);
    assert_non_null(strstr(disk->text, "instance \"broken\": table instance, column inc"));
    disk_close(disk);
    assert_int_equal(disk_sql(disk, "SELECT count(*) FROM instance"), 3);
    assert_int_equal(disk_sql(disk, "SELECT count(*) FROM reminder"), 3);
    world_teardown(&made);
}

static void a_look_creates_nothing_and_takes_any_number_of_partitions(void **state)
{
    struct disk *disk = *state;
    disk->config.read_only = true;
    disk->config.partitions = 0;
    assert_refused(disk, PAWL_E_NOT_FOUND, "No such file");
    assert_int_equal(access(disk->path, F_OK), -1);

    disk->config.read_only = false;
    disk->config.partitions = 8;
    assert_int_equal(disk_open(disk), PAWL_OK);
    assert_int_equal(disk->store->partitions, 8);
    disk_close(disk);
    disk->config.read_only = true;
    disk->config.partitions = 0;
    assert_int_equal(disk_open(disk), PAWL_OK);
    assert_int_equal(disk->store->partitions, 8);
    disk_close(disk);
}

static void poll_note(struct disk *disk, const struct pawl_store_reply *reply)
{
    if (reply->op == PAWL_STORE_POLL)
        *(uint32_t *)disk->context = reply->poll.unreadable * 100 + reply->poll.items_count;
}

static void reminders_that_cannot_be_read_are_moved_aside_with_their_bytes(void **state)
{
    struct disk *disk = *state;
    void *made;
    world_setup(&made);
    struct world *world = made;
    uint32_t noted = 0;
    disk->on_reply = poll_note;
    disk->context = &noted;
    assert_int_equal(disk_open(disk), PAWL_OK);
    assert_int_equal(disk_apply(disk, create_of(world, "a")), PAWL_OK);
    disk_close(disk);
    disk_sql(disk, "INSERT INTO reminder VALUES (3, x'00ff', 1)");
    disk_sql(disk, "INSERT INTO reminder VALUES (3, 'w|text|is no blob', 2)");
    disk_sql(disk, "INSERT INTO reminder VALUES (3, 17, 3)");
    disk_sql(disk, "INSERT INTO reminder SELECT p, CAST(member AS TEXT), 4 FROM reminder "
                   "WHERE typeof(member) = 'blob' AND length(member) > 2");
    disk_sql(disk, "INSERT INTO reminder VALUES (3, x'77', 1.5)");

    assert_int_equal(disk_open(disk), PAWL_OK);
    struct pawl_store_request acquire = world_acquire(world, 1);
    assert_int_equal(disk_apply(disk, acquire), PAWL_OK);
    struct pawl_store_request poll = world_poll(world, WORLD_NOW_MS);
    poll.poll.fence = (struct pawl_fence){ disk->epoch, acquire.acquire.nonce };
    assert_int_equal(disk_apply(disk, poll), PAWL_OK);
    assert_int_equal(noted, 501);
    assert_int_equal(disk_apply(disk, poll), PAWL_OK);
    assert_int_equal(noted, 0);
    struct pawl_store_request purge = world_purge("a");
    purge.purge.force = true;
    assert_int_equal(disk_apply(disk, purge), PAWL_OK);
    disk_close(disk);
    assert_int_equal(disk_sql(disk, "SELECT count(*) FROM reminder"), 0);
    assert_int_equal(disk_sql(disk, "SELECT count(*) FROM quarantine"), 5);
    assert_int_equal(disk_sql(disk,
                              "SELECT count(*) FROM quarantine WHERE member IN (x'00ff', x'77', "
                              "CAST('w|text|is no blob' AS BLOB))"),
                     3);
    world_teardown(&made);
}

static void a_missing_history_row_is_never_taken_for_a_short_history(void **state)
{
    struct disk *disk = *state;
    void *made;
    world_setup(&made);
    struct world *world = made;
    assert_int_equal(disk_open(disk), PAWL_OK);
    struct pawl_store_request create = create_of(world, "a");
    assert_int_equal(disk_apply(disk, create), PAWL_OK);
    disk_close(disk);
    disk_sql(disk, "UPDATE instance SET history_count = 2");
    disk_sql(disk, "INSERT INTO history VALUES ((SELECT n FROM instance), 1, x'00')");

    assert_int_equal(disk_open(disk), PAWL_OK);
    struct pawl_store_request load = { .op = PAWL_STORE_LOAD, .partition = WORLD_PARTITION };
    load.load.instance = PAWL_BYTES_LITERAL("a");
    load.load.want = PAWL_LOAD_HISTORY;
    load.load.history_max = load.load.history_size_max = 100;
    assert_int_equal(disk_apply(disk, load), PAWL_E_CORRUPT);
    world_teardown(&made);
}

static void an_ended_and_a_purged_instance_leave_no_rows(void **state)
{
    struct disk *disk = *state;
    void *made;
    world_setup(&made);
    struct world *world = made;
    assert_int_equal(disk_open(disk), PAWL_OK);
    struct pawl_store_request acquire = world_acquire(world, 1);
    assert_int_equal(disk_apply(disk, acquire), PAWL_OK);
    world->fence = (struct pawl_fence){ 1, acquire.acquire.nonce };
    struct pawl_store_request create = create_of(world, "a");
    assert_int_equal(world_apply(world, &create).err, PAWL_OK); /* for world_commit */
    struct pawl_store_request commit = world_commit(world, "a");
    commit.commit.fence = world->fence;
    commit.commit.status = PAWL_STATUS_COMPLETED;
    struct pawl_bytes event = PAWL_BYTES_LITERAL("done");
    commit.commit.events_count = 1;
    commit.commit.events = &event;
    commit.commit.payloads.output = PAWL_BYTES_LITERAL("42");

    assert_int_equal(disk_apply(disk, create), PAWL_OK);
    assert_int_equal(disk_apply(disk, world_input(world, "a", "e-1")), PAWL_OK);
    assert_int_equal(disk_apply(disk, commit), PAWL_OK);
    disk_close(disk);
    assert_int_equal(disk_sql(disk, "SELECT (SELECT count(*) FROM inbox)"
                                    " + (SELECT count(*) FROM pending)"
                                    " + (SELECT count(*) FROM reminder)"),
                     0);
    assert_int_equal(disk_sql(disk, "SELECT count(*) FROM history"), 1);
    assert_int_equal(disk_sql(disk, "SELECT count(*) FROM seen"), 1);

    assert_int_equal(disk_open(disk), PAWL_OK);
    assert_int_equal(disk_apply(disk, world_purge("a")), PAWL_OK);
    disk_close(disk);
    assert_int_equal(disk_sql(disk, "SELECT (SELECT count(*) FROM instance)"
                                    " + (SELECT count(*) FROM history)"
                                    " + (SELECT count(*) FROM seen)"
                                    " + (SELECT count(*) FROM payload)"
                                    " + (SELECT sum(count) FROM counts)"),
                     0);
    world_teardown(&made);
}

static void what_waits_at_close_is_answered(void **state)
{
    struct disk *disk = *state;
    void *made;
    world_setup(&made);
    assert_int_equal(disk_open(disk), PAWL_OK);
    for (uint64_t i = 0; i < 50; i++) disk_submit(disk, create_of(made, "a"), i);
    disk_close(disk);
    assert_int_equal(disk->replies_count, 50);
    for (int i = 0; i < 50; i++) assert_int_equal(disk->errs[i], PAWL_E_UNAVAILABLE);
    world_teardown(&made);
}

#define T(name) cmocka_unit_test_setup_teardown(name, disk_setup, disk_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_new_file_opens_and_says_so_later),
        T(a_new_file_is_for_its_owner_alone),
        T(everything_is_there_after_a_restart),
        T(a_second_sidecar_is_refused_while_the_first_runs),
        T(another_schema_version_is_refused_with_both_numbers),
        T(another_number_of_partitions_is_refused_with_both_numbers),
        T(the_state_of_another_app_is_refused),
        T(a_file_that_is_no_database_is_left_alone),
        T(the_database_of_another_program_is_left_alone),
        T(a_folder_that_is_missing_is_named),
        T(a_folder_in_place_of_the_file_is_named),
        T(a_file_that_may_not_be_written_is_named),
        T(a_folder_that_may_not_be_written_is_named),
        T(a_url_without_a_full_path_is_refused),
        T(a_damaged_row_is_named_and_hurts_no_other_instance),
        T(a_look_creates_nothing_and_takes_any_number_of_partitions),
        T(reminders_that_cannot_be_read_are_moved_aside_with_their_bytes),
        T(a_missing_history_row_is_never_taken_for_a_short_history),
        T(an_ended_and_a_purged_instance_leave_no_rows),
        T(what_waits_at_close_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
