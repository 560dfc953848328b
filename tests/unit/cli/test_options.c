/* What is typed, and what it comes to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/timetext.h"
#include "cli/call.h"
#include "cli/options.h"

#define WORDS_MAX 24

struct parsed {
    struct pawl_arena arena;
    struct pawl_cli_options options;
    const char *error;
    bool good;
    char *argv[WORDS_MAX];
    char line[1024];
};

/* `line` is split at spaces. */
static void parse(struct parsed *parsed, const char *line, const char *env_address)
{
    *parsed = (struct parsed){ .error = NULL };
    pawl_arena_init(&parsed->arena);
    snprintf(parsed->line, sizeof parsed->line, "%s", line);
    int argc = 0;
    for (char *word = parsed->line; word;) {
        char *space = strchr(word, ' ');
        if (space) *space++ = 0;
        parsed->argv[argc++] = word;
        word = space;
    }
    parsed->good = pawl_cli_parse(argc, parsed->argv, env_address, NULL, &parsed->arena,
                                  &parsed->options, &parsed->error);
}

static void parsed_deinit(struct parsed *parsed)
{
    pawl_arena_deinit(&parsed->arena);
}

static void check_error(const char *line, const char *part)
{
    struct parsed parsed;
    parse(&parsed, line, NULL);
    assert_false(parsed.good);
    if (!strstr(parsed.error, part)) fail_msg("%s: \"%s\"", line, parsed.error);
    assert_non_null(strstr(parsed.error, "See: pawl"));
    parsed_deinit(&parsed);
}

static void check_help(const char *line, const char *part)
{
    struct parsed parsed;
    parse(&parsed, line, NULL);
    assert_true(parsed.good);
    assert_int_equal(parsed.options.command, PAWL_CLI_HELP);
    if (!strstr(parsed.options.help, part)) fail_msg("%s: no \"%s\"", line, part);
    parsed_deinit(&parsed);
}

static void wrong_usage_names_the_word_and_the_help_that_explains_it(void **state)
{
    (void)state;
    check_error("pawl", "needs a command");
    check_error("pawl dance", "\"pawl dance\"");
    check_error("pawl workflow", "needs a command");
    check_error("pawl doctor --app-id a", "--store is missing\nSee: pawl doctor");
    check_error("pawl doctor --store redis://x", "--app-id is missing");
    check_error("pawl doctor --store x --app-id a --stuck soon", "\"soon\" is not a duration");
    check_error("pawl doctor --store x --app-id a more", "unexpected argument \"more\"");
    check_error("pawl replay", "at least one file");
    check_error("pawl replay -- ./app", "at least one file");
    check_error("pawl replay a.json", "behind --");
    check_error("pawl replay a.json --", "behind --");
    check_error("pawl replay a.json --from 3 -- ./app", "unknown option");
    check_error("pawl workflow history i --export --from 3", "leave --from and --limit out");
    check_error("pawl workflow dance", "\"pawl workflow dance\"");
    check_error("pawl workflow get", "<instance-id>");
    check_error("pawl workflow get a b", "unexpected argument \"b\"");
    check_error("pawl workflow raise-event a", "<event>");
    check_error("pawl workflow get a --nope", "unknown option --nope");
    check_error("pawl workflow get a --force", "unknown option --force");
    check_error("pawl workflow start order --id a", "unknown option --id");
    check_error("pawl workflow start order --id=a", "unknown option --id=a");
    check_error("pawl workflow start order --wai", "unknown option --wai");
    check_error("pawl workflow start W -d", "needs a value");
    check_error("pawl workflow start W --wait --timeout 5", "\"5\" is not a duration");
    check_error("pawl workflow start W --timeout 5s", "--timeout needs --wait");
    check_error("pawl workflow start W -d x --data-file y", "exclude");
    check_error("pawl workflow list --limit many", "\"many\"");
    check_error("pawl workflow list --limit 9999999999", "whole number");
    check_error("pawl workflow list -o xml", "\"xml\"");
    check_error("pawl workflow wait a --for ever", "\"ever\"");
    check_error("pawl run -- ./app", "--app-id is missing");
    check_error("pawl run --app-id a", "command is missing");
}

static void every_level_has_help_with_examples(void **state)
{
    (void)state;
    check_help("pawl --help", "Examples");
    check_help("pawl workflow --help", "Exit codes");
    check_help("pawl run --help", "--app-id ID");
    check_help("pawl doctor --help", "2  wrong usage, or the store cannot be read");
    const char *const commands[] = { "start",       "list",    "get",    "history",   "wait",
                                     "raise-event", "suspend", "resume", "terminate", "purge",
                                     "rerun",       "restart", "rewind" };
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        char line[64];
        snprintf(line, sizeof line, "pawl workflow %s --help", commands[i]);
        check_help(line, "\nExamples\n");
        check_help(line, "  5  the sidecar cannot be reached");
        check_help(line, commands[i]);
        check_help(line, "-o, --output FORMAT");
    }
}

static void schedules_have_commands_of_their_own(void **state)
{
    struct parsed parsed;
    struct pawl_call call;
    (void)state;
    parse(&parsed,
          "pawl schedule create a/b --workflow W --every 15m --overlap buffer --paused -a h:1",
          NULL);
    assert_true(parsed.good);
    assert_true(pawl_call_make(&parsed.options, &(struct pawl_call_page){ .from = 0 }, &call));
    assert_string_equal(call.method, "POST");
    assert_string_equal((const char *)call.url.data,
                        "http://h:1/v1.0/schedules/a%2Fb/create?workflow=W&every=15m&overlap=buffer"
                        "&paused=true");
    pawl_buf_deinit(&call.url);
    parsed_deinit(&parsed);
    parse(&parsed, "pawl schedule pause s -r why -a h:1", NULL);
    assert_true(parsed.good);
    assert_true(pawl_call_make(&parsed.options, &(struct pawl_call_page){ .from = 0 }, &call));
    assert_string_equal((const char *)call.url.data,
                        "http://h:1/v1.0/schedules/s/pause?reason=why");
    pawl_buf_deinit(&call.url);
    parsed_deinit(&parsed);
    check_help("pawl schedule --help", "trigger");
    check_help("pawl schedule create --help",
               "pawl schedule create: start a workflow by the clock");
    check_error("pawl schedule", "needs a command");
    check_error("pawl schedule run", "no command \"pawl schedule run\"");
    check_error("pawl schedule create s --every 1s", "--workflow is missing");
    check_error("pawl schedule create s --workflow W", "--cron or with --every");
    check_error("pawl schedule create s --workflow W --cron @daily --every 1d", "not both");
    check_error("pawl schedule get", "missing argument");
}

static void placement_has_an_address_and_filters_of_its_own(void **state)
{
    (void)state;
    struct parsed parsed;
    parse(&parsed, "pawl placement table --namespace n/1 --app a --json", "http://env:2");
    assert_true(parsed.good);
    assert_int_equal(parsed.options.command, PAWL_CLI_PLACEMENT_TABLE);
    assert_true(parsed.options.json);
    struct pawl_call call;
    assert_true(pawl_call_make(&parsed.options, &(struct pawl_call_page){ .from = 0 }, &call));
    assert_string_equal(call.method, "GET");
    assert_string_equal((const char *)call.url.data,
                        "http://127.0.0.1:50006/v1.0/placement/table?namespace=n%2F1&app=a");
    pawl_buf_deinit(&call.url);
    parsed_deinit(&parsed);
    parse(&parsed, "pawl placement members --address h:1/", NULL);
    assert_true(parsed.good);
    assert_true(pawl_call_make(&parsed.options, &(struct pawl_call_page){ .from = 0 }, &call));
    assert_string_equal((const char *)call.url.data, "http://h:1/v1.0/placement/members");
    pawl_buf_deinit(&call.url);
    parsed_deinit(&parsed);

    check_help("pawl placement --help", "members");
    check_help("pawl placement table --help", "pawl placement table: show which");
    check_error("pawl placement", "needs a command");
    check_error("pawl placement move", "no command \"pawl placement move\"");
    check_error("pawl placement members h1", "unexpected argument \"h1\"");
    check_error("pawl placement members --prefix x", "unknown option --prefix");
}

static void options_may_stand_before_and_behind_the_arguments(void **state)
{
    (void)state;
    struct parsed parsed;
    parse(&parsed, "pawl workflow raise-event -d x a --address http://h:1 e -o json",
          "http://env:2");
    assert_true(parsed.good);
    assert_int_equal(parsed.options.command, PAWL_CLI_RAISE);
    assert_string_equal(parsed.options.id, "a");
    assert_string_equal(parsed.options.name, "e");
    assert_string_equal(parsed.options.data, "x");
    assert_string_equal(parsed.options.address, "http://h:1");
    assert_true(parsed.options.json);
    parsed_deinit(&parsed);

    parse(&parsed, "pawl workflow get -- -x", "http://env:2");
    assert_true(parsed.good);
    assert_string_equal(parsed.options.id, "-x");
    assert_string_equal(parsed.options.address, "http://env:2");
    parsed_deinit(&parsed);
}

static void doctor_is_told_where_to_look(void **state)
{
    struct parsed parsed;
    (void)state;
    parse(&parsed, "pawl doctor --store redis://db --app-id a --instance i --stuck 5m --json",
          NULL);
    assert_true(parsed.good);
    assert_int_equal(parsed.options.command, PAWL_CLI_DOCTOR);
    assert_string_equal(parsed.options.store, "redis://db");
    assert_string_equal(parsed.options.app_id, "a");
    assert_string_equal(parsed.options.id, "i");
    assert_int_equal(parsed.options.stuck_ms, 300000);
    assert_true(parsed.options.json);
    parsed_deinit(&parsed);
}

static void options_of_the_app_stay_with_the_app(void **state)
{
    (void)state;
    struct parsed parsed;
    parse(&parsed, "pawl run --app-id a --http-port 0 --store=mem:// -- ./app --store x", NULL);
    assert_true(parsed.good);
    assert_string_equal(parsed.options.app_id, "a");
    assert_int_equal(parsed.options.passed_count, 2);
    assert_string_equal(parsed.options.passed[0], "--http-port=0");
    assert_string_equal(parsed.options.passed[1], "--store=mem://");
    assert_string_equal(parsed.options.app[0], "./app");
    assert_string_equal(parsed.options.app[1], "--store");
    assert_null(parsed.options.app[3]);
    parsed_deinit(&parsed);

    parse(&parsed, "pawl run --app-id a ./app --http-port 1", NULL);
    assert_true(parsed.good);
    assert_int_equal(parsed.options.passed_count, 0);
    assert_string_equal(parsed.options.app[1], "--http-port");
    parsed_deinit(&parsed);
}

static void check_url(const char *line, const struct pawl_call_page *page, const char *method,
                      const char *url)
{
    struct parsed parsed;
    struct pawl_call call;
    parse(&parsed, line, "h:1/");
    assert_true(parsed.good);
    assert_true(pawl_call_make(&parsed.options, page, &call));
    assert_string_equal(call.method, method);
    assert_string_equal((const char *)call.url.data, url);
    pawl_buf_deinit(&call.url);
    parsed_deinit(&parsed);
}

static void commands_become_urls_with_every_name_escaped(void **state)
{
    (void)state;
    const struct pawl_call_page none = { .from = 0 };
#define V "http://h:1/v1.0/workflows/dapr"
    check_url("pawl workflow get a/b?c%", &none, "GET", V "/a%2Fb%3Fc%25");
    check_url("pawl workflow get ..", &none, "GET", V "/%2E%2E");
    check_url("pawl workflow start W/1 -i a&b --reuse return", &none, "POST",
              V "/W%2F1/start?instanceID=a%26b&reuse=return");
    check_url("pawl workflow start W --reuse terminate --event go --event-data a=b", &none, "POST",
              V "/W/start?reuse=terminate&event=go&eventData=a%3Db");
    check_url("pawl workflow raise-event a x/y", &none, "POST", V "/a/raiseEvent/x%2Fy");
    check_url("pawl workflow suspend a -r why", &none, "POST", V "/a/pause?reason=why");
    check_url("pawl workflow terminate a --no-recursive", &none, "POST",
              V "/a/terminate?recursive=false");
    check_url("pawl workflow purge a --force --no-recursive", &none, "POST",
              V "/a/purge?force=true&recursive=false");
    check_url("pawl workflow rerun a --from-event 3 --no-input --new-child-id c", &none, "POST",
              V "/a/rerun?eventID=3&overwriteInput=true&newChildInstanceID=c");
    check_url("pawl workflow restart a --new-instance-id b", &none, "POST",
              V "/a/restart?newInstanceID=b");
    check_url("pawl workflow rewind a -r b/c", &none, "POST", V "/a/rewind?reason=b%2Fc");
    check_url("pawl workflow rerun a --new-instance-id b", &none, "POST",
              V "/a/rerun?newInstanceID=b");
    check_url("pawl workflow list --created-from 2026-08-21T10:00:00+02:00",
              &(struct pawl_call_page){ .limit = 7, .cursor = "c" }, "GET",
              V "?createdFrom=2026-08-21T10%3A00%3A00%2B02%3A00&limit=7&cursor=c");
    check_url("pawl workflow list --tag a=b --tag c --order id --count",
              &(struct pawl_call_page){ .limit = 0 }, "GET",
              V "?tag=a%3Db&tag=c&order=id&count=true");
    check_url("pawl workflow start W --tag a=b", &(struct pawl_call_page){ .limit = 0 }, "POST",
              V "/W/start?tag=a%3Db");
    check_url("pawl workflow batch raise-event --event e --name N --all --updated-to T",
              &(struct pawl_call_page){ .cursor = "c" }, "POST",
              V "?operation=raise-event&name=N&updatedTo=T&all=true&event=e&cursor=c");
    check_url("pawl workflow history a", &(struct pawl_call_page){ .from = 3, .limit = 2 }, "GET",
              V "/a/history?from=3&limit=2");
    check_url("pawl workflow wait a --for started", &(struct pawl_call_page){ .wait_ms = 1500 },
              "GET", V "/a/wait?for=started&timeout=1500ms");
}

/* A text of `size` bytes. */
static char *text_of(size_t size)
{
    char *text = malloc(size + 1);
    assert_non_null(text);
    memset(text, 'x', size);
    text[size] = 0;
    return text;
}

static bool parse_watch(struct parsed *parsed, char *option, char *value)
{
    char pawl[] = "pawl", workflow[] = "workflow", watch[] = "watch";
    char *argv[] = { pawl, workflow, watch, option, value, NULL };
    *parsed = (struct parsed){ .error = NULL };
    pawl_arena_init(&parsed->arena);
    return pawl_cli_parse(5, argv, "h:1", NULL, &parsed->arena, &parsed->options, &parsed->error);
}

static void an_argument_too_long_for_a_url_makes_none(void **state)
{
    (void)state;
    struct parsed parsed;
    struct pawl_call call;
    char *name = text_of(65536);
    char option[] = "--name";
    assert_true(parse_watch(&parsed, option, name));
    const struct pawl_call_page page = { .from = 0 };
    assert_false(pawl_call_make(&parsed.options, &page, &call));
    name[65000] = 0;
    assert_true(pawl_call_make(&parsed.options, &page, &call));
    pawl_buf_deinit(&call.url);
    parsed_deinit(&parsed);
    free(name);
}

static void a_position_is_as_long_as_a_sidecar_makes_it(void **state)
{
    (void)state;
    struct parsed parsed;
    char *position = text_of(PAWL_POSITION_SIZE_MAX + 1);
    char option[] = "--position";
    assert_false(parse_watch(&parsed, option, position));
    assert_non_null(strstr(parsed.error, "--position is longer than 65536 bytes"));
    parsed_deinit(&parsed);
    position[PAWL_POSITION_SIZE_MAX] = 0;
    assert_true(parse_watch(&parsed, option, position));
    parsed_deinit(&parsed);
    free(position);
}

static void times_and_durations_are_read_as_written(void **state)
{
    (void)state;
    const struct {
        const char *text;
        int64_t ms;
    } good[] = { { "0s", 0 },          { "500ms", 500 },   { "30s", 30000 },
                 { "1h30m", 5400000 }, { "1d", 86400000 }, { "1m1ms", 60001 } };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        int64_t ms = -1;
        assert_true(pawl_timetext_parse_duration(pawl_bytes_str(good[i].text), &ms));
        assert_int_equal(ms, good[i].ms);
    }
    const char *const bad[] = { "", "5", "s", "-1s", "1.5s", "1x", "99999999999999999999s", "1s " };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t ms;
        assert_false(pawl_timetext_parse_duration(pawl_bytes_str(bad[i]), &ms));
    }

    const char *const bad_times[] = { "",
                                      "2026-08-21",
                                      "2026-08-21T10:00:00",
                                      "2026-13-21T10:00:00Z",
                                      "2026-02-29T10:00:00Z",
                                      "2026-08-21T24:00:00Z",
                                      "2026-08-21T10:00:00.Z",
                                      "2026-08-21T10:00:00+2:00",
                                      "2026-08-21T10:00:00Zz",
                                      "2026-08-21 10:00:00Z" };
    for (size_t i = 0; i < sizeof bad_times / sizeof bad_times[0]; i++) {
        int64_t ms;
        if (pawl_timetext_parse(pawl_bytes_str(bad_times[i]), &ms)) fail_msg("%s", bad_times[i]);
    }
    const struct {
        const char *text;
        int64_t ms;
        const char *shown;
    } times[] = {
        { "1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00.000000000Z" },
        { "2026-08-21t12:00:00.1239+02:00", 1787306400123, "2026-08-21T10:00:00.123000000Z" },
        { "2024-02-29T23:59:59.999999999Z", 1709251199999, "2024-02-29T23:59:59.999000000Z" },
        { "1969-12-31T23:59:59.999Z", -1, "1969-12-31T23:59:59.999000000Z" },
        { "9999-12-31T23:59:59.999Z", 253402300799999, "9999-12-31T23:59:59.999000000Z" },
        { "0000-01-01T00:00:00Z", -62167219200000, "0000-01-01T00:00:00.000000000Z" },
    };
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        int64_t ms = 0;
        char shown[PAWL_TIMETEXT_SIZE];
        assert_true(pawl_timetext_parse(pawl_bytes_str(times[i].text), &ms));
        assert_int_equal(ms, times[i].ms);
        pawl_timetext_format(ms, shown);
        assert_string_equal(shown, times[i].shown);
    }
}

static void a_replay_has_files_before_its_app(void **state)
{
    (void)state;
    struct parsed parsed;
    parse(&parsed, "pawl replay a.json --strict folder --app-timeout 2s -- ./app --strict -- x",
          NULL);
    assert_true(parsed.good);
    assert_int_equal(parsed.options.command, PAWL_CLI_REPLAY);
    assert_true(parsed.options.strict);
    assert_int_equal(parsed.options.timeout_ms, 2000);
    assert_int_equal(parsed.options.files_count, 2);
    assert_string_equal(parsed.options.files[0], "a.json");
    assert_string_equal(parsed.options.files[1], "folder");
    assert_string_equal(parsed.options.app[0], "./app");
    assert_string_equal(parsed.options.app[1], "--strict");
    assert_string_equal(parsed.options.app[2], "--");
    parsed_deinit(&parsed);
    check_help("pawl replay --help", "Exit codes\n  0  all came out the same");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_usage_names_the_word_and_the_help_that_explains_it),
        cmocka_unit_test(every_level_has_help_with_examples),
        cmocka_unit_test(schedules_have_commands_of_their_own),
        cmocka_unit_test(placement_has_an_address_and_filters_of_its_own),
        cmocka_unit_test(options_may_stand_before_and_behind_the_arguments),
        cmocka_unit_test(doctor_is_told_where_to_look),
        cmocka_unit_test(options_of_the_app_stay_with_the_app),
        cmocka_unit_test(a_replay_has_files_before_its_app),
        cmocka_unit_test(commands_become_urls_with_every_name_escaped),
        cmocka_unit_test(an_argument_too_long_for_a_url_makes_none),
        cmocka_unit_test(a_position_is_as_long_as_a_sidecar_makes_it),
        cmocka_unit_test(times_and_durations_are_read_as_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
