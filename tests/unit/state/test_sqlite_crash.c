/* SQLite: a process that is killed at any moment leaves whole operations only, and
 * everything it has acknowledged. A disk that refuses is reported, survived and used
 * again when it is well. */
#include "disk.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIPELINE 16u /* requests in one transaction, roughly */

static void instance_name(char name[16], uint32_t number)
{
    snprintf(name, 16, "i-%u", number);
}

/* Killed --------------------------------------------------------------------------- */

/* What the child has been told is durable goes up the pipe: the instance's number. */
static void acknowledge(struct disk *disk, const struct pawl_store_reply *reply)
{
    if (reply->err != PAWL_OK) _exit(3);
    uint32_t number = (uint32_t)reply->token;
    const int *pipe_out = disk->context;
    if (write(*pipe_out, &number, sizeof number) != sizeof number) _exit(4);
}

/* Creates instances, many per transaction, until it is killed. */
_Noreturn static void child_run(struct disk *disk, int pipe_out)
{
    void *made;
    world_setup(&made);
    uv_loop_fork(&disk->loop);
    disk->config.synchronous = "full";
    disk->on_reply = acknowledge;
    disk->context = &pipe_out;
    if (disk_open(disk) != PAWL_OK) _exit(2);
    for (uint32_t number = 0; number < DISK_REPLIES_MAX; number += PIPELINE) {
        for (uint32_t i = 0; i < PIPELINE; i++) {
            char name[16];
            instance_name(name, number + i);
            disk_submit(disk, world_create(made, name), number + i);
        }
        disk_wait(disk, number > PIPELINE ? number - PIPELINE : 0); /* two batches overlap */
    }
    for (;;) pause(); /* whoever kills us is slow today */
}

/* Starts the child, lets it acknowledge `count` requests, kills it. Returns how many
 * it has acknowledged in all. */
static uint32_t child_kill_after(struct disk *disk, uint32_t count)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[0]);
        child_run(disk, ends[1]);
    }
    close(ends[1]);
    uint32_t number, acknowledged = 0;
    while (read(ends[0], &number, sizeof number) == sizeof number) {
        assert_int_equal(number, acknowledged);
        if (++acknowledged == count) kill(child, SIGKILL);
    }
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    return acknowledged;
}

static void a_killed_process_leaves_whole_operations_and_all_it_acknowledged(void **state)
{
    struct disk *disk = *state;
    static const uint32_t kill_after[] = { 1, 7, 40, 150, 333 };
    for (size_t i = 0; i < sizeof kill_after / sizeof kill_after[0]; i++) {
        unlink(disk->path);
        uint32_t acknowledged = child_kill_after(disk, kill_after[i]);

        assert_int_equal(disk_open(disk), PAWL_OK); /* the lock died with the process */
        disk_close(disk);
        int64_t instances = disk_sql(disk, "SELECT count(*) FROM instance");
        assert_true(instances >= acknowledged);
        assert_int_equal(disk_sql(disk, "SELECT count(*) FROM inbox"), instances);
        assert_int_equal(disk_sql(disk, "SELECT count(*) FROM reminder"), instances);
        assert_int_equal(disk_sql(disk, "SELECT count(*) FROM payload"), instances);
        assert_int_equal(disk_sql(disk, "SELECT count FROM counts"), instances);
        assert_int_equal(disk_sql(disk, "SELECT count(*) FROM pragma_integrity_check"
                                        " WHERE integrity_check = 'ok'"),
                         1);
        /* Requests are applied in their order: the numbers have no gap. */
        assert_int_equal(disk_sql(disk, "SELECT count(*) FROM instance WHERE"
                                        " CAST(substr(CAST(id AS TEXT), 3) AS INTEGER)"
                                        " >= (SELECT count(*) FROM instance)"),
                         0);
    }
}

/* Together ------------------------------------------------------------------------- */

static int64_t log_size(const struct disk *disk)
{
    char path[160];
    struct stat info;
    snprintf(path, sizeof path, "%s-wal", disk->path);
    return stat(path, &info) == 0 ? (int64_t)info.st_size : 0;
}

/* How much the log grows by 64 requests with so many in each flush. */
static int64_t log_growth(struct disk *disk, uint32_t per_flush)
{
    void *made;
    world_setup(&made);
    assert_int_equal(disk_open(disk), PAWL_OK);
    int64_t before = log_size(disk);
    for (uint32_t i = 0; i < 64; i++) {
        char name[16];
        instance_name(name, i);
        disk_submit(disk, world_create(made, name), i);
        if ((i + 1) % per_flush == 0) disk_wait(disk, i + 1);
    }
    int64_t growth = log_size(disk) - before;
    disk_close(disk);
    unlink(disk->path);
    world_teardown(&made);
    return growth;
}

static void requests_of_one_flush_share_one_transaction(void **state)
{
    int64_t alone = log_growth(*state, 1), together = log_growth(*state, 64);
    assert_true(together > 0);
    assert_true(alone > together * 8);
}

/* A full disk ---------------------------------------------------------------------- */

static void file_size_limit(rlim_t size)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = size;
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(10);
}

static pawl_err create_numbered(struct disk *disk, void *world, uint32_t number)
{
    char name[16];
    instance_name(name, number);
    return disk_apply(disk, world_create(world, name));
}

static void expect_or_exit(bool condition, int code)
{
    if (!condition) _exit(code);
}

/* In a process of its own, because the limit and the signal belong to the process. */
_Noreturn static void full_disk_run(struct disk *disk)
{
    void *made;
    world_setup(&made);
    uv_loop_fork(&disk->loop);
    signal(SIGXFSZ, SIG_IGN); /* writing past the limit fails instead */
    expect_or_exit(disk_open(disk) == PAWL_OK, 11);
    expect_or_exit(create_numbered(disk, made, 0) == PAWL_OK, 12);

    file_size_limit(0);
    pawl_err err = create_numbered(disk, made, 1);
    expect_or_exit(err == PAWL_E_UNAVAILABLE || err == PAWL_E_UNKNOWN, 13);
    expect_or_exit(!disk->ready, 14); /* and says so */

    file_size_limit(RLIM_INFINITY);
    while (!disk->ready) uv_run(&disk->loop, UV_RUN_ONCE); /* it looks by itself */
    err = create_numbered(disk, made, 1);
    expect_or_exit(err == PAWL_OK || err == PAWL_E_DUPLICATE, 15);
    expect_or_exit(create_numbered(disk, made, 2) == PAWL_OK, 16);
    disk_close(disk);
    expect_or_exit(disk_sql(disk, "SELECT count(*) FROM instance") == 3, 17);
    expect_or_exit(disk_sql(disk, "SELECT count(*) FROM reminder") == 3, 18);
    world_teardown(&made);
    _exit(0);
}

static void a_full_disk_is_reported_and_used_again_when_there_is_room(void **state)
{
    struct disk *disk = *state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) full_disk_run(disk);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, disk_setup, disk_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_killed_process_leaves_whole_operations_and_all_it_acknowledged),
        T(requests_of_one_flush_share_one_transaction),
        T(a_full_disk_is_reported_and_used_again_when_there_is_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
