/* SQLite: lists cost what they show. Each query goes by an index, and nothing is sorted;
 * a file of a time without these indexes gets them. */
#include "disk.h"

#include <sqlite3.h>
#include <stdio.h>

#include "state/io/sqlite_db.h"

static const struct {
    const char *name;
    const char *text;
} statements[] = {
#define X(name, text) { #name, text },
    PAWL_SQLITE_STATEMENTS(X)
#undef X
};

static void assert_planned(sqlite3 *connection, const char *name, const char *text)
{
    sqlite3_stmt *stmt = NULL;
    char *explain = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", text);
    assert_int_equal(sqlite3_prepare_v2(connection, explain, -1, &stmt, NULL), SQLITE_OK);
    uint32_t steps = 0;
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        const char *step = (const char *)sqlite3_column_text(stmt, 3);
        if (strstr(step, "TEMP B-TREE") || strstr(step, "SCAN")) fail_msg("%s: %s", name, step);
        steps++;
    }
    assert_true(steps > 0);
    sqlite3_finalize(stmt);
    sqlite3_free(explain);
}

static void no_query_sorts_or_reads_a_whole_table(void **state)
{
    struct disk *disk = *state;
    assert_int_equal(disk_open(disk), PAWL_OK);
    disk_close(disk);
    sqlite3 *connection = NULL;
    assert_int_equal(sqlite3_open(disk->path, &connection), SQLITE_OK);
    uint32_t queries = 0;
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        bool is_query = strncmp(statements[i].name, "QUERY", 5) == 0;
        bool is_count = strncmp(statements[i].name, "COUNT_", 6) == 0;
        if (!is_query && !is_count) continue;
        assert_planned(connection, statements[i].name, statements[i].text);
        queries++;
    }
    assert_int_equal(queries, 14);
    sqlite3_close(connection);
}

static void a_file_of_a_time_without_the_indexes_gets_them(void **state)
{
    struct disk *disk = *state;
    void *made;
    world_setup(&made);
    assert_int_equal(disk_open(disk), PAWL_OK);
    assert_int_equal(disk_apply(disk, world_create(made, "old")), PAWL_OK);
    disk_close(disk);
    static const char *const older[] = {
        "DROP TRIGGER tag_moves",
        "DROP TRIGGER tag_goes",
        "DROP TABLE tag",
        "DROP INDEX instance_status",
        "DROP INDEX instance_name",
        "DROP INDEX instance_ended",
        "DROP INDEX instance_ended_name",
        "ALTER TABLE instance DROP COLUMN tags",
    };
    for (size_t i = 0; i < sizeof older / sizeof older[0]; i++) disk_sql(disk, older[i]);

    assert_int_equal(disk_open(disk), PAWL_OK);
    struct pawl_store_request tagged = world_create(made, "new");
    tagged.create.tags = PAWL_BYTES_LITERAL("\x92\xa4team\xa1x");
    assert_int_equal(disk_apply(disk, tagged), PAWL_OK);
    disk_close(disk);
    assert_int_equal(disk_sql(disk, "SELECT count(*) FROM instance INDEXED BY instance_status "
                                    "WHERE p >= 0 AND status = 6"),
                     2);
    assert_int_equal(disk_sql(disk, "SELECT count(*) FROM tag"), 1);
    /* Also a program that knows no tags leaves none behind. */
    disk_sql(disk, "UPDATE instance SET status = 1, completed_ms = 7 WHERE tags IS NOT NULL");
    assert_int_equal(disk_sql(disk, "SELECT tag_completed_ms FROM tag WHERE tag_status = 1"), 7);
    disk_sql(disk, "DELETE FROM instance");
    assert_int_equal(disk_sql(disk, "SELECT count(*) FROM tag"), 0);
    world_teardown(&made);
}

#define T(name) cmocka_unit_test_setup_teardown(name, disk_setup, disk_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(no_query_sorts_or_reads_a_whole_table),
        T(a_file_of_a_time_without_the_indexes_gets_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
