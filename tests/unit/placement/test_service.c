/* What the service can be told, and what it shows: without processes. */
#include "placement/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/expect.h"

#include <jansson.h>

#include "base/limits.h"
#include "placement/pages.h"

/* Options --------------------------------------------------------------------------- */

static uint32_t option_find(const char *name)
{
    for (uint32_t i = 0; i < pawl_placement_options_count; i++) {
        if (strcmp(pawl_placement_options[i].name, name) == 0) return i;
    }
    fail_msg("no option --%s", name);
    return 0;
}

static pawl_err set(struct pawl_placement_config *config, const char *name, const char *value,
                    const char **ret_message)
{
    return pawl_placement_config_set(config, option_find(name), value, ret_message);
}

static void expect_refused(const char *name, const char *value, const char *part)
{
    struct pawl_arena arena;
    struct pawl_placement_config config;
    const char *message = "";
    pawl_arena_init(&arena);
    pawl_placement_config_init(&config, &arena);
    assert_int_equal(set(&config, name, value, &message), PAWL_E_INVALID);
    if (!strstr(message, name) || !strstr(message, part)) fail_msg("%s", message);
    pawl_arena_deinit(&arena);
}

static void test_options_are_taken_as_written(void **state)
{
    (void)state;
    struct pawl_arena arena;
    struct pawl_placement_config config;
    const char *message = NULL;
    pawl_arena_init(&arena);
    pawl_placement_config_init(&config, &arena);
    assert_int_equal(set(&config, "listen", "tcp://10.0.0.1:50005,tcp://[::1]:0", &message),
                     PAWL_OK);
    assert_int_equal(set(&config, "advertise", "tcp://placement-0:50005", &message), PAWL_OK);
    assert_int_equal(set(&config, "store", "redis+unix:///run/redis.sock", &message), PAWL_OK);
    assert_int_equal(set(&config, "lease", "prod", &message), PAWL_OK);
    assert_int_equal(set(&config, "http-port", "0", &message), PAWL_OK);
    assert_int_equal(set(&config, "log-level", "debug", &message), PAWL_OK);
    assert_int_equal(set(&config, "log-format", "json", &message), PAWL_OK);
    assert_int_equal(pawl_placement_config_finish(&config, &message), PAWL_OK);
    assert_int_equal(config.listens_count, 2);
    assert_string_equal(config.listens[1], "tcp://[::1]:0");
    assert_string_equal(config.advertise, "tcp://placement-0:50005");
    assert_string_equal(config.lease, "prod");
    assert_int_equal(config.http_port, 0);
    assert_int_equal(config.log_level, 3);
    assert_true(config.log_json);
    pawl_arena_deinit(&arena);
}

static void test_defaults_are_those_of_the_help(void **state)
{
    (void)state;
    struct pawl_arena arena;
    struct pawl_placement_config config;
    const char *message = NULL;
    pawl_arena_init(&arena);
    pawl_placement_config_init(&config, &arena);
    assert_int_equal(pawl_placement_config_finish(&config, &message), PAWL_OK);
    assert_int_equal(config.listens_count, 1);
    struct pawl_buf help;
    pawl_buf_init(&help, 1u << 16);
    pawl_placement_config_help(&help);
    pawl_buf_append(&help, "", 1);
    const char *text = (const char *)help.data;
    assert_non_null(strstr(text, config.listens[0]));
    assert_non_null(strstr(text, "Default: 50006"));
    assert_int_equal(config.http_port, 50006);
    assert_non_null(strstr(text, config.http_host));
    for (const char *line = text; line;) {
        const char *end = strchr(line, '\n');
        if (end) assert_true(end - line <= 90);
        line = end ? end + 1 : NULL;
    }
    pawl_buf_deinit(&help);
    pawl_arena_deinit(&arena);
}

static void test_wrong_options_are_explained(void **state)
{
    (void)state;
    expect_refused("listen", "ipc:///tmp/x", "ipc:///tmp/x");
    expect_refused("listen", "tcp://a:1,", "at most 8");
    expect_refused("listen",
                   "tcp://a:1,tcp://a:2,tcp://a:3,tcp://a:4,tcp://a:5,tcp://a:6,tcp://a:7,"
                   "tcp://a:8,tcp://a:9",
                   "at most 8");
    expect_refused("advertise", "tcp://a:0", "tcp://placement-0:50005");
    expect_refused("lease", "a b", "letters");
    expect_refused("http-port", "65536", "0 to 65535");
    expect_refused("http-port", "80x", "0 to 65535");
    expect_refused("log-level", "warning", "error|warn|info|debug");

    struct pawl_arena arena;
    struct pawl_placement_config config;
    const char *message = NULL;
    pawl_arena_init(&arena);
    pawl_placement_config_init(&config, &arena);
    assert_int_equal(set(&config, "store", "sqlite:///x", &message), PAWL_OK);
    assert_int_equal(pawl_placement_config_finish(&config, &message), PAWL_E_INVALID);
    assert_non_null(strstr(message, "--store"));
    pawl_arena_deinit(&arena);

    assert_true(pawl_placement_token_is_valid("s3cret"));
    assert_false(pawl_placement_token_is_valid(""));
    assert_false(pawl_placement_token_is_valid("two words"));
    assert_false(pawl_placement_token_is_valid("\x7f"));
}

/* Pages ----------------------------------------------------------------------------- */

static struct pawl_member member_make(const char *app, const char *host, bool leaving)
{
    return (struct pawl_member){ .host = pawl_bytes_str(host),
                                 .app = pawl_bytes_str(app),
                                 .address = PAWL_BYTES_LITERAL("tcp://h:3502"),
                                 .partitions = 16,
                                 .leaving = leaving };
}

/* One namespace with two apps, as a leader shows it. */
struct shown {
    struct pawl_member members[4];
    struct pawl_membership_namespace home;
    struct pawl_membership_status status;
    struct pawl_placement_view view;
};

static void shown_make(struct shown *shown)
{
    *shown = (struct shown){
        .members = { member_make("billing", "b1", true), member_make("orders", "o1", false),
                     member_make("orders", "o2", false), member_make("orders", "o3", true) },
        .status = { .leads = true, .settled = true, .epoch = 5, .namespaces_count = 1 },
        .view = { .address = "tcp://p0:50005", .version = "1.2.3" },
    };
    shown->home = (struct pawl_membership_namespace){
        .name = PAWL_BYTES_LITERAL("default"),
        .members = { UINT64_C(1) << 60, 4, shown->members },
    };
    shown->status.namespaces = &shown->home;
    shown->view.status = &shown->status;
}

static json_t *json_of(struct pawl_buf *buf)
{
    assert_int_equal(buf->bad, PAWL_OK);
    json_t *json = json_loadb((const char *)buf->data, buf->size, 0, NULL);
    assert_non_null(json);
    pawl_buf_clear(buf);
    return json;
}

static json_t *app_of(json_t *page, size_t index)
{
    json_t *home = json_array_get(json_object_get(page, "namespaces"), 0);
    return json_array_get(json_object_get(home, "apps"), index);
}

static void test_the_table_gives_each_partition_to_one_that_stays(void **state)
{
    (void)state;
    struct shown shown;
    struct pawl_arena arena;
    struct pawl_buf buf;
    shown_make(&shown);
    pawl_arena_init(&arena);
    pawl_buf_init(&buf, 1u << 20);
    pawl_placement_table_page(&buf, &shown.view, &arena);
    json_t *page = json_of(&buf);
    assert_string_equal(json_string_value(json_object_get(page, "leader")), "tcp://p0:50005");

    /* All of billing's sidecars leave: nobody owns anything. */
    json_t *host = json_array_get(json_object_get(app_of(page, 0), "hosts"), 0);
    assert_int_equal(json_integer_value(json_object_get(host, "count")), 0);

    bool seen[16] = { false };
    json_t *hosts = json_object_get(app_of(page, 1), "hosts");
    assert_int_equal(json_array_size(hosts), 3);
    for (size_t h = 0; h < 3; h++) {
        json_t *owned = json_object_get(json_array_get(hosts, h), "partitions");
        if (h == 2) assert_int_equal(json_array_size(owned), 0); /* leaves */
        for (size_t i = 0; i < json_array_size(owned); i++) {
            json_int_t partition = json_integer_value(json_array_get(owned, i));
            assert_false(seen[partition]);
            seen[partition] = true;
        }
    }
    for (int i = 0; i < 16; i++) assert_true(seen[i]);
    json_decref(page);
    pawl_buf_deinit(&buf);
    pawl_arena_deinit(&arena);
}

static void test_the_table_gives_nothing_to_one_without_workers_while_another_has_some(void **state)
{
    (void)state;
    struct shown shown;
    struct pawl_arena arena;
    struct pawl_buf buf;
    shown_make(&shown);
    shown.members[2].runs_workflows = true; /* o2 */
    shown.members[3].runs_workflows = true; /* o3, which leaves */
    pawl_arena_init(&arena);
    pawl_buf_init(&buf, 1u << 20);
    pawl_placement_table_page(&buf, &shown.view, &arena);
    json_t *page = json_of(&buf);
    json_t *hosts = json_object_get(app_of(page, 1), "hosts");
    const json_int_t counts[] = { 0, 16, 0 };
    for (size_t h = 0; h < 3; h++) {
        const json_t *host = json_array_get(hosts, h);
        assert_int_equal(json_integer_value(json_object_get(host, "count")), counts[h]);
        assert_int_equal(json_is_true(json_object_get(host, "runsWorkflows")), h > 0);
    }
    json_decref(page);
    pawl_buf_deinit(&buf);
    pawl_arena_deinit(&arena);
}

static void test_members_are_shown_as_asked_for(void **state)
{
    (void)state;
    struct shown shown;
    struct pawl_buf buf;
    shown_make(&shown);
    pawl_buf_init(&buf, 1u << 20);
    shown.view.app = PAWL_BYTES_LITERAL("billing");
    pawl_placement_members_page(&buf, &shown.view);
    json_t *page = json_of(&buf);
    json_t *home = json_array_get(json_object_get(page, "namespaces"), 0);
    assert_int_equal(json_array_size(json_object_get(home, "members")), 1);
    assert_string_equal(json_string_value(json_object_get(home, "version")),
                        "1152921504606846976"); /* as text: uncut */
    json_decref(page);
    shown.view.namespace_ = PAWL_BYTES_LITERAL("other");
    pawl_placement_members_page(&buf, &shown.view);
    page = json_of(&buf);
    assert_int_equal(json_array_size(json_object_get(page, "namespaces")), 0);
    json_decref(page);
    pawl_buf_deinit(&buf);
}

static void test_metrics_count_by_app(void **state)
{
    (void)state;
    struct shown shown;
    struct pawl_buf buf;
    shown_make(&shown);
    shown.status.lost = 7;
    pawl_buf_init(&buf, 1u << 20);
    pawl_placement_metrics_page(&buf, &shown.view);
    pawl_buf_append(&buf, "", 1);
    const char *text = (const char *)buf.data;
    assert_non_null(strstr(text, "\npawl_placement_members{namespace=\"default\",app=\"orders\","
                                 "leaving=\"false\"} 2\n"));
    assert_non_null(strstr(text, "\npawl_placement_members{namespace=\"default\",app=\"billing\","
                                 "leaving=\"true\"} 1\n"));
    assert_non_null(strstr(text, "\npawl_placement_lost_total 7\n"));
    assert_non_null(strstr(text, "\npawl_placement_leads 1\n"));
    assert_non_null(strstr(text, "{version=\"1.2.3\"} 1\n"));
    pawl_buf_deinit(&buf);
}

static void test_health_says_why_not(void **state)
{
    (void)state;
    struct shown shown;
    shown_make(&shown);
    assert_null(pawl_placement_problem(&shown.view));
    shown.status.settled = false;
    assert_non_null(strstr(pawl_placement_problem(&shown.view), "just become the leader"));
    shown.status.leads = false;
    assert_non_null(strstr(pawl_placement_problem(&shown.view), "leads at this moment"));
    shown.view.store_error = "Redis is away";
    assert_string_equal(pawl_placement_problem(&shown.view), "Redis is away");
    shown.status.leader = PAWL_BYTES_LITERAL("tcp://p1:50005");
    assert_null(pawl_placement_problem(&shown.view));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_are_taken_as_written),
        cmocka_unit_test(test_defaults_are_those_of_the_help),
        cmocka_unit_test(test_wrong_options_are_explained),
        cmocka_unit_test(test_the_table_gives_each_partition_to_one_that_stays),
        cmocka_unit_test(
            test_the_table_gives_nothing_to_one_without_workers_while_another_has_some),
        cmocka_unit_test(test_members_are_shown_as_asked_for),
        cmocka_unit_test(test_metrics_count_by_app),
        cmocka_unit_test(test_health_says_why_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
