/* Report: each reason to wait is told with what somebody can do about it, and told as stuck
 * when it is; text and JSON say the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "base/limits.h"
#include "doctor/story.h"

#define NOW_MS   1795245330000
#define STUCK_MS 60000

static struct pawl_arena arena;
static struct pawl_doctor_sidecar sidecar;
static struct pawl_doctor_placement placement;
static struct pawl_stored_instance stored;
static struct pawl_doctor_subject subject = { .store = "redis://u:secret@db:6379",
                                              .app = "orders",
                                              .namespace_ = "default",
                                              .now_ms = NOW_MS,
                                              .stuck_ms = STUCK_MS,
                                              .sidecars = &sidecar,
                                              .placement = &placement };

static int setup(void **state)
{
    (void)state;
    pawl_arena_init(&arena);
    sidecar = (struct pawl_doctor_sidecar){ .url = "http://here" };
    subject.sidecars = &sidecar;
    subject.sidecars_count = 0;
    placement = (struct pawl_doctor_placement){ .url = NULL };
    stored = (struct pawl_stored_instance){
        .is_there = true,
        .metadata = { .status = PAWL_STATUS_RUNNING, .name = PAWL_BYTES_LITERAL("Order") },
        .has_wake = true,
        .wake_ms = NOW_MS + 1000,
    };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pawl_arena_deinit(&arena);
    return 0;
}

static void check(const struct pawl_wait *wait, bool is_stuck, const char *part)
{
    bool stuck = !is_stuck;
    struct pawl_bytes reason = pawl_doctor_reason(&subject, &arena, &stored, wait, &stuck);
    if (!memmem(reason.data, reason.size, part, strlen(part)))
        fail_msg("\"%.*s\" has no \"%s\"", PAWL_BYTES_FMT(reason), part);
    assert_int_equal(stuck, is_stuck);
}

static const struct pawl_wait activity = { .kind = PAWL_WAIT_ACTIVITY,
                                           .op = { 'a', 3 },
                                           .since_ms = NOW_MS - STUCK_MS - 1,
                                           .count = 2,
                                           .name = { (const uint8_t *)"charge", 6 } };

static void an_activity_waits_for_whoever_could_run_it(void **state)
{
    (void)state;
    check(&activity, false, "activity \"charge\" (a:3, try 2) is running or waits to run since");
    subject.sidecars_count = 1;
    check(&activity, true, "no worker of app \"orders\" is connected");
    sidecar.workers = 1;
    check(&activity, true, "no connected worker has registered the activity \"charge\"");
    sidecar.activities[0] = "charge";
    sidecar.activities_count = 1;
    check(&activity, false, "since 2026-11-21 07:14:29 UTC");
    sidecar.error = "connection refused";
    check(&activity, true, "the sidecar at http://here does not answer (connection refused)");
    stored.wake_ms = NOW_MS - STUCK_MS - 1;
    check(&activity, true, "no sidecar of app \"orders\" has taken it up since");
}

static void the_workers_of_this_app_say_nothing_about_an_activity_of_another(void **state)
{
    (void)state;
    struct pawl_wait foreign = activity;
    foreign.app = PAWL_BYTES_LITERAL("payments");
    subject.sidecars_count = 1;
    check(&foreign, false, "at app \"payments\"");
}

static void placement_knows_which_apps_are_there(void **state)
{
    (void)state;
    struct pawl_wait foreign = activity;
    foreign.app = PAWL_BYTES_LITERAL("payments");
    placement.url = "http://there";
    check(&activity, true, "placement knows no sidecar of app \"orders\"");
    check(&foreign, true, "placement knows no sidecar of app \"payments\"");
    placement.apps[0] = (struct pawl_doctor_app){ .name = "payments", .sidecars = 1 };
    placement.apps_count = 1;
    check(&foreign, true, "no worker that runs activities is connected to a sidecar of app");
    placement.apps[0].with_activities = 1;
    check(&foreign, false, "at app \"payments\" is running or waits");
    struct pawl_wait child = { .kind = PAWL_WAIT_CHILD, .app = PAWL_BYTES_LITERAL("gone") };
    check(&child, true, "placement knows no sidecar of app \"gone\"");
    placement.error = "HTTP status 503";
    check(&child, false, "has not reported its end");
    check(&activity, false, "charge");
}

static void a_young_wait_is_not_stuck(void **state)
{
    (void)state;
    struct pawl_wait young = activity;
    young.since_ms = NOW_MS - STUCK_MS;
    subject.sidecars_count = 1;
    check(&young, false, "no worker");
}

static void a_turn_waits_for_a_worker_that_knows_the_workflow(void **state)
{
    (void)state;
    struct pawl_wait turn = { .kind = PAWL_WAIT_TURN, .count = 1, .since_ms = NOW_MS - 10 };
    check(&turn, false, "1 message waits for the workflow");
    turn.since_ms = NOW_MS - STUCK_MS - 1;
    turn.count = 2;
    check(&turn, true, "name the sidecar with --http");
    subject.sidecars_count = 1;
    sidecar.workers = 1;
    check(&turn, true, "no connected worker has registered the workflow \"Order\"");
}

static const char *written(const struct pawl_doctor_report *report, bool json)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, SIZE_MAX / 2);
    if (json)
        pawl_doctor_write_json(report, &buf);
    else
        pawl_doctor_write_text(report, &buf);
    const char *text =
        (const char *)pawl_arena_printf(&arena, "%.*s", (int)buf.size, (const char *)buf.data).data;
    pawl_buf_deinit(&buf);
    return text;
}

static void a_full_limit_is_named_and_is_no_fault(void **state)
{
    (void)state;
    struct pawl_doctor_limit *limits = sidecar.limits;
    subject.sidecars_count = 1;
    sidecar.workers = 1;
    sidecar.activities_count = sidecar.workflows_count = 1;
    sidecar.activities[0] = "charge";
    sidecar.workflows[0] = "Order";
    sidecar.limits_count = 3;
    limits[0] = (struct pawl_doctor_limit){
        .is_activity = true, .name = "other", .max = 1, .places = 1, .running = 1, .waiting = 1
    };
    limits[1] = (struct pawl_doctor_limit){ .is_activity = true,
                                            .is_of_app = true,
                                            .name = "charge",
                                            .max = 5,
                                            .places = 2,
                                            .running = 2,
                                            .waiting = 7 };
    limits[2] = (struct pawl_doctor_limit){ .max = 3, .places = 3, .running = 3, .waiting = 9 };
    check(&activity, false,
          ": the app's limit of 5 for activity \"charge\" is full at http://here, where 2 run and "
          "7 wait");
    limits[1].running = 1; /* a place is free: they wait for a worker */
    check(&activity, false, "07:14:29 UTC");
    struct pawl_wait turn = { .kind = PAWL_WAIT_TURN, .count = 1, .since_ms = NOW_MS - 100000 };
    check(&turn, false, ": this sidecar's limit of 3 for all turns is full at");
    limits[2].waiting = 0;
    check(&turn, true, "perhaps no worker");
}

static void the_sidecars_that_were_asked_and_their_limits_are_shown(void **state)
{
    (void)state;
    struct pawl_doctor_sidecar both[2] = { { .url = "http://a",
                                             .workers = 1,
                                             .limits_count = 1,
                                             .limits = { { .is_activity = true,
                                                           .is_of_app = true,
                                                           .max = 4,
                                                           .places = 3,
                                                           .running = 2 } } },
                                           { .url = "http://b", .error = "gone" } };
    subject.sidecars = both;
    subject.sidecars_count = 2;
    struct pawl_doctor_report *report = pawl_doctor_report_new(&subject, 1);
    const char *text = written(report, false);
    assert_non_null(strstr(text, "Sidecar http://a: 1 worker connected\n  the app's limit of 4 for "
                                 "all activities: 3 places here, 2 running, 0 waiting\n"));
    assert_non_null(strstr(text, "Sidecar http://b: does not answer: gone"));
    check(&activity, true, "no connected worker has registered");
    pawl_doctor_report_free(report);
}

static void timers_are_late_when_their_time_is_over(void **state)
{
    (void)state;
    struct pawl_wait timer = { .kind = PAWL_WAIT_TIMER, .until_ms = NOW_MS + 5 };
    check(&timer, false, "a timer fires at 2026");
    timer.until_ms = NOW_MS - STUCK_MS - 1;
    check(&timer, true, "which is over: is a sidecar running?");
    timer.kind = PAWL_WAIT_RETRY;
    check(&timer, true, "is tried again at");
    timer.text = PAWL_BYTES_LITERAL("try 2 of 5 of activity 'charge'");
    timer.until_ms = NOW_MS;
    check(&timer, false, "2026-11-21 07:15:30 UTC (try 2 of 5 of activity 'charge')");
    timer.text = PAWL_BYTES_ABSENT;
    timer.until_ms = NOW_MS - STUCK_MS - 1;
    timer.kind = PAWL_WAIT_EVENT;
    check(&timer, true, "an external event, with a time limit at");
    timer.until_ms = 0;
    check(&timer, false, "nothing else is open");
}

static void what_a_person_or_the_code_stopped_says_why(void **state)
{
    (void)state;
    struct pawl_wait held = { .kind = PAWL_WAIT_SUSPENDED,
                              .since_ms = NOW_MS - 1000000,
                              .text = PAWL_BYTES_LITERAL("stock count") };
    check(&held, false, "(stock count); `resume`");
    held.kind = PAWL_WAIT_STALLED;
    held.name = PAWL_BYTES_LITERAL("NonDeterminism");
    held.text = PAWL_BYTES_LITERAL("event 4 is another one");
    check(&held, true, "NonDeterminism: event 4 is another one; mend that, then `resume` it");
    held.kind = PAWL_WAIT_START;
    held.until_ms = NOW_MS + 1000;
    check(&held, false, "its start is set for 2026-11-21 07:15:31 UTC");
    held.kind = PAWL_WAIT_CHILD;
    held.instance = PAWL_BYTES_LITERAL("kid");
    held.app = PAWL_BYTES_LITERAL("other");
    check(&held, false, "instance kid at app \"other\", started at");
}

static void a_report_counts_everything_and_keeps_a_bounded_part(void **state)
{
    (void)state;
    struct pawl_doctor_report *report = pawl_doctor_report_new(&subject, 4);
    assert_true(pawl_doctor_is_healthy(report));
    assert_non_null(strstr(written(report, false), "no findings"));
    assert_null(strstr(written(report, false), "secret"));
    assert_null(strstr(written(report, true), "secret"));

    struct pawl_stored_partition partition = { .epoch = 3,
                                               .owner = PAWL_BYTES_LITERAL("host-a"),
                                               .has_tally = true,
                                               .tally = { 2 },
                                               .instances = 2,
                                               .first_due_ms = NOW_MS - 5000 };
    for (uint32_t i = 0; i < 3; i++) pawl_doctor_add_partition(report, i, &partition);
    const char *text = written(report, false);
    assert_non_null(strstr(text, "  3  last owner host-a, epoch 3"));
    assert_non_null(strstr(text, "oldest overdue reminder: 5 s: 0-2\n"));
    assert_non_null(strstr(text, "  1  never owned; nothing overdue: 3\n"));
    assert_non_null(strstr(text, "Instances: 6"));

    const struct pawl_wait stalled = { .kind = PAWL_WAIT_STALLED };
    for (uint32_t i = 0; i < PAWL_DOCTOR_WAITING_MAX + 5; i++)
        pawl_doctor_add_instance(report, 0, PAWL_BYTES_LITERAL("x"), &stored, 1, &stalled);
    assert_false(pawl_doctor_is_healthy(report));
    assert_non_null(strstr(written(report, false), "Stuck: 205"));
    assert_non_null(strstr(written(report, false), "... and 5 more"));
    assert_non_null(strstr(written(report, true), "\"stuckTotal\":205"));

    const struct pawl_finding finding = { .rule = PAWL_AUDIT_WAKE,
                                          .severity = PAWL_AUDIT_ERROR,
                                          .subject = PAWL_BYTES_LITERAL("a:1"),
                                          .text = PAWL_BYTES_LITERAL("it sleeps for ever") };
    for (uint32_t i = 0; i < PAWL_DOCTOR_FINDINGS_MAX + 1; i++)
        pawl_doctor_add_finding(report, &finding);
    assert_non_null(strstr(written(report, false), "it sleeps for ever"));
    assert_non_null(strstr(written(report, false), "... and 1 more"));
    assert_non_null(strstr(written(report, true), "\"findingsTotal\":1001"));
    assert_non_null(strstr(written(report, true), "\"healthy\":false"));
    pawl_doctor_report_free(report);
}

static void a_history_near_its_limit_is_pointed_out_before_it_is_too_late(void **state)
{
    (void)state;
    struct pawl_doctor_report *report = pawl_doctor_report_new(&subject, 1);
    const struct pawl_wait event = { .kind = PAWL_WAIT_EVENT, .since_ms = NOW_MS };
    stored.metadata.history_count = PAWL_HISTORY_EVENTS_MAX / 10 * 8;
    pawl_doctor_add_instance(report, 0, PAWL_BYTES_LITERAL("x"), &stored, 1, &event);
    assert_null(strstr(written(report, false), "continue as new"));
    stored.metadata.history_count++;
    pawl_doctor_add_instance(report, 0, PAWL_BYTES_LITERAL("x"), &stored, 1, &event);
    assert_non_null(strstr(written(report, false), "let the workflow continue as new"));
    assert_true(pawl_doctor_is_healthy(report));
    pawl_doctor_report_free(report);
}

static void the_story_shows_what_is_missing_or_cannot_be_read(void **state)
{
    (void)state;
    struct pawl_doctor_subject one = subject;
    one.instance = "x";
    struct pawl_doctor_story *story = pawl_doctor_story_new(&one, 7);
    struct pawl_doctor_report *report = pawl_doctor_report_new(&one, 8);
    assert_false(pawl_doctor_story_is_there(story));
    struct pawl_bytes history[] = { PAWL_BYTES_ABSENT, PAWL_BYTES_LITERAL("?") };
    struct pawl_stored_inbox inbox[] = { { .row.index = 4, .is_missing = true },
                                         { .row.index = 5, .row.body = PAWL_BYTES_LITERAL("?") } };
    struct pawl_stored_pending pending = { .is_unreadable = true,
                                           .name = PAWL_BYTES_LITERAL("q:1") };
    stored.history = history;
    stored.history_count = 2;
    stored.inbox = inbox;
    stored.inbox_count = 2;
    stored.pending = &pending;
    stored.pending_count = 1;
    stored.custom_status = PAWL_BYTES_LITERAL("line\nbreak");
    pawl_doctor_story_page(story, &stored, true);
    pawl_doctor_story_page(story, &stored, true); /* it changed between two pages */
    struct pawl_buf buf;
    pawl_buf_init(&buf, 1 << 20);
    pawl_doctor_story_write(story, report, &buf);
    pawl_buf_append(&buf, "", 1);
    const char *text = (const char *)buf.data;
    static const char *const parts[] = { "partition 007",          "history-000000  MISSING",
                                         "history-000001  cannot", "inbox-000004  MISSING",
                                         "inbox-000005  cannot",   "q:1  cannot be read",
                                         "line\\x0abreak" };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const char *at = strstr(text, parts[i]);
        if (!at) fail_msg("no \"%s\" in %s", parts[i], text);
        assert_null(strstr(at + 1, parts[i])); /* once */
    }
    pawl_buf_deinit(&buf);
    pawl_doctor_story_free(story);
    pawl_doctor_report_free(report);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_activity_waits_for_whoever_could_run_it),
        T(the_workers_of_this_app_say_nothing_about_an_activity_of_another),
        T(placement_knows_which_apps_are_there),
        T(a_young_wait_is_not_stuck),
        T(a_turn_waits_for_a_worker_that_knows_the_workflow),
        T(a_full_limit_is_named_and_is_no_fault),
        T(the_sidecars_that_were_asked_and_their_limits_are_shown),
        T(timers_are_late_when_their_time_is_over),
        T(what_a_person_or_the_code_stopped_says_why),
        T(a_report_counts_everything_and_keeps_a_bounded_part),
        T(a_history_near_its_limit_is_pointed_out_before_it_is_too_late),
        T(the_story_shows_what_is_missing_or_cannot_be_read),
    };
    return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
