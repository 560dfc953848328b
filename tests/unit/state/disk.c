#include "disk.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

static void on_reply(void *context, const struct pawl_store_reply *reply)
{
    struct disk *disk = context;
    assert_true(reply->token < DISK_REPLIES_MAX);
    assert_false(disk->replied[reply->token]);
    disk->replied[reply->token] = true;
    disk->errs[reply->token] = reply->err;
    disk->replies_count++;
    if (!pawl_bytes_is_absent(reply->message))
        snprintf(disk->text, sizeof disk->text, "%.*s", PAWL_BYTES_FMT(reply->message));
    if (reply->op == PAWL_STORE_ACQUIRE && reply->err == PAWL_OK)
        disk->epoch = reply->acquire.epoch;
    if (disk->on_reply) disk->on_reply(disk, reply);
}

static void on_state(void *context, bool ready, const char *why)
{
    struct disk *disk = context;
    assert_true(ready || why); /* why it is not */
    disk->ready = ready;
    disk->told++;
}

int disk_setup(void **state)
{
    struct disk *disk = PAWL_NEW(struct disk);
    snprintf(disk->folder, sizeof disk->folder, "/tmp/pawl-sqlite-XXXXXX");
    assert_non_null(mkdtemp(disk->folder));
    snprintf(disk->path, sizeof disk->path, "%s/state.db", disk->folder);
    snprintf(disk->url, sizeof disk->url, "sqlite://%s", disk->path);
    uv_loop_init(&disk->loop);
    disk->config = (struct pawl_store_config){ .loop = &disk->loop,
                                               .url = disk->url,
                                               .app = "orders",
                                               .namespace_ = "default",
                                               .partitions = 8,
                                               .synchronous = "off",
                                               .on_reply = on_reply,
                                               .on_state = on_state,
                                               .context = disk };
    *state = disk;
    return 0;
}

int disk_teardown(void **state)
{
    struct disk *disk = *state;
    if (disk->store) disk_close(disk);
    uv_loop_close(&disk->loop);
    static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
    for (int i = 0; i < 4; i++) {
        char path[160];
        snprintf(path, sizeof path, "%s%s", disk->path, suffixes[i]);
        unlink(path);
    }
    rmdir(disk->folder);
    pawl_mem_free(disk);
    return 0;
}

pawl_err disk_open(struct disk *disk)
{
    memset(disk->replied, 0, sizeof disk->replied);
    disk->replies_count = 0;
    pawl_err err = pawl_store_sqlite_open(&disk->config, &disk->store, &disk->message);
    if (err) disk->store = NULL;
    return err;
}

void disk_close(struct disk *disk)
{
    disk->store->ops->close(disk->store);
    disk->store = NULL;
    uv_run(&disk->loop, UV_RUN_DEFAULT);
}

void disk_submit(struct disk *disk, struct pawl_store_request request, uint64_t token)
{
    request.token = token;
    disk->store->ops->submit(disk->store, &request);
}

void disk_wait(struct disk *disk, uint32_t replies_count)
{
    disk->store->ops->flush(disk->store);
    while (disk->replies_count < replies_count) uv_run(&disk->loop, UV_RUN_ONCE);
}

pawl_err disk_apply(struct disk *disk, struct pawl_store_request request)
{
    uint32_t token = disk->replies_count;
    disk_submit(disk, request, token);
    disk_wait(disk, token + 1);
    return disk->errs[token];
}

int64_t disk_sql(struct disk *disk, const char *sql)
{
    sqlite3 *connection;
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_open(disk->path, &connection), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(connection, sql, -1, &stmt, NULL), SQLITE_OK);
    int code = sqlite3_step(stmt);
    assert_true(code == SQLITE_ROW || code == SQLITE_DONE);
    int64_t value = code == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : -1;
    sqlite3_finalize(stmt);
    assert_int_equal(sqlite3_close(connection), SQLITE_OK);
    return value;
}
