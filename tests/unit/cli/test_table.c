/* Tables and views: what a person sees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "cli/io/view.h"
#include "cli/table.h"

static void check(const struct pawl_table *table, uint32_t width, const char *text)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, 65536);
    pawl_table_write(table, width, &buf);
    pawl_buf_append(&buf, "", 1);
    assert_string_equal((const char *)buf.data, text);
    pawl_buf_deinit(&buf);
}

static void columns_line_up_by_characters_not_by_bytes(void **state)
{
    (void)state;
    struct pawl_table table;
    pawl_table_init(&table, 3);
    const char *const cells[] = { "ID", "NAME",   "X", "\xc3\xa4\xc3\xb6\xc3\xbc", "a", "1",
                                  "b",  "longer", "" };
    for (size_t i = 0; i < 9; i++) pawl_table_text(&table, cells[i]);
    check(&table, 0, "ID   NAME    X\n\xc3\xa4\xc3\xb6\xc3\xbc  a       1\nb    longer\n");
    pawl_table_deinit(&table);
}

static void long_lines_end_in_an_ellipsis_at_the_width(void **state)
{
    (void)state;
    struct pawl_table table;
    pawl_table_init(&table, 2);
    pawl_table_text(&table, "key");
    pawl_table_text(&table, "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4");
    check(&table, 10, "key  \xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\n");
    check(&table, 9, "key  \xc3\xa4\xc3\xa4\xc3\xa4\xe2\x80\xa6\n");
    check(&table, 1, "\xe2\x80\xa6\n");
    pawl_table_deinit(&table);
}

static void stored_text_cannot_steer_the_terminal(void **state)
{
    (void)state;
    struct pawl_table table;
    pawl_table_init(&table, 1);
    pawl_table_cell(&table, PAWL_BYTES_LITERAL("a\x1b[2J\nb\x7f\xc2\x9b"
                                               "c"));
    check(&table, 0, "a [2J b  c\n");
    pawl_table_deinit(&table);
}

static void check_view(void (*view)(json_t *, uint32_t, struct pawl_buf *), const char *text,
                       const char *want)
{
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    struct pawl_buf buf;
    pawl_buf_init(&buf, 65536);
    view(json, 0, &buf);
    pawl_buf_append(&buf, "", 1);
    assert_string_equal((const char *)buf.data, want);
    pawl_buf_deinit(&buf);
    json_decref(json);
}

static void history_shows_what_matters_of_each_event(void **state)
{
    (void)state;
    check_view(
        pawl_view_history,
        "[{\"index\":0,\"kind\":\"TaskScheduled\",\"eventId\":0,\"name\":\"charge\","
        "\"timestamp\":\"2026-08-21T10:00:00.123000000Z\",\"input\":\"12\"},"
        "{\"index\":1,\"kind\":\"TaskFailed\",\"eventId\":-1,\"scheduledId\":0,"
        "\"timestamp\":\"2026-08-21T10:00:01.000000000Z\","
        "\"failure\":{\"errorType\":\"Declined\",\"errorMessage\":\"no money\"}},"
        "{\"index\":2,\"kind\":\"ExecutionCompleted\",\"runtimeStatus\":\"FAILED\"}, 7]",
        "INDEX  TIME                     EVENT               ID  NAME    DETAILS\n"
        "0      2026-08-21 10:00:00.123  TaskScheduled       0   charge  input=12\n"
        "1      2026-08-21 10:00:01.000  TaskFailed                      of=0  error=Declined  "
        "message=no money\n"
        "2                               ExecutionCompleted              status=FAILED\n\n");
}

static void a_state_without_most_fields_is_still_shown(void **state)
{
    (void)state;
    check_view(pawl_view_state, "{\"instanceID\":\"a\",\"runtimeStatus\":\"PENDING\"}",
               "Instance  a\nStatus    PENDING\nHistory   0 events\n");
    check_view(pawl_view_list, "[]",
               "INSTANCE  WORKFLOW  STATUS  CREATED  LAST UPDATED  CUSTOM STATUS\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_line_up_by_characters_not_by_bytes),
        cmocka_unit_test(long_lines_end_in_an_ellipsis_at_the_width),
        cmocka_unit_test(stored_text_cannot_steer_the_terminal),
        cmocka_unit_test(history_shows_what_matters_of_each_event),
        cmocka_unit_test(a_state_without_most_fields_is_still_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
