/* The pure half of the HTTP front: JSON of every history event, and metrics text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/bytes.h"
#include "sdk/export_write.h"
#include "sidecar/http_info.h"

static const struct pawl_id some_id = { { 1, 2, 3 } };

/* An event with everything set: what a kind does not use must do no harm. */
static struct pawl_history_event full_event(enum pawl_event_kind kind)
{
    struct pawl_history_event event = pawl_history_event_make(kind, 1787306400123);
    event.id = 4;
    event.ref = 3;
    event.fire_at_ms = 1787306500000;
    event.start_at_ms = 1787306600000;
    event.status = PAWL_STATUS_FAILED;
    event.name = PAWL_BYTES_LITERAL("na\"me");
    event.version = PAWL_BYTES_LITERAL("v1");
    event.payload = PAWL_BYTES_LITERAL("pay\x01load");
    event.instance = PAWL_BYTES_LITERAL("other/1");
    event.target_app = PAWL_BYTES_LITERAL("app2");
    event.execution = some_id;
    event.task_execution = some_id;
    event.parent.instance = PAWL_BYTES_LITERAL("mother");
    event.failure = (struct pawl_failure_view){ .present = true,
                                                .type = PAWL_BYTES_LITERAL("T"),
                                                .message = PAWL_BYTES_LITERAL("M"),
                                                .details = PAWL_BYTES_LITERAL("\xff") };
    return event;
}

static json_t *event_json(const struct pawl_history_event *event)
{
    struct pawl_buf encoded;
    struct pawl_buf text;
    struct pawl_json json;
    pawl_buf_init(&encoded, 1 << 20);
    pawl_buf_init(&text, 1 << 20);
    pawl_history_event_encode(&encoded, event);
    pawl_json_init(&json, &text);
    pawl_export_write_event(&json, 9, pawl_buf_view(&encoded));
    json_t *parsed = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
    if (!parsed) fail_msg("%.*s", (int)text.size, (const char *)text.data);
    pawl_buf_deinit(&encoded);
    pawl_buf_deinit(&text);
    return parsed;
}

static const char *text_of(json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text ? text : "(absent)";
}

static void every_kind_is_json_with_its_name_and_its_payload(void **state)
{
    (void)state;
    const struct {
        enum pawl_event_kind kind;
        const char *name;
        const char *payload;
    } rows[] = {
        { PAWL_EVENT_EXECUTION_STARTED, "ExecutionStarted", "input" },
        { PAWL_EVENT_EXECUTION_COMPLETED, "ExecutionCompleted", "output" },
        { PAWL_EVENT_EXECUTION_TERMINATED, "ExecutionTerminated", "output" },
        { PAWL_EVENT_TASK_SCHEDULED, "TaskScheduled", "input" },
        { PAWL_EVENT_TASK_COMPLETED, "TaskCompleted", "output" },
        { PAWL_EVENT_CHILD_CREATED, "ChildWorkflowCreated", "input" },
        { PAWL_EVENT_CHILD_COMPLETED, "ChildWorkflowCompleted", "output" },
        { PAWL_EVENT_DETACHED_CREATED, "DetachedWorkflowCreated", "input" },
        { PAWL_EVENT_EVENT_SENT, "EventSent", "data" },
        { PAWL_EVENT_EVENT_RAISED, "EventRaised", "data" },
        { PAWL_EVENT_CONTINUE_AS_NEW, "ContinueAsNew", "input" },
        { PAWL_EVENT_EXECUTION_SUSPENDED, "ExecutionSuspended", "reason" },
        { PAWL_EVENT_EXECUTION_RESUMED, "ExecutionResumed", "reason" },
        { PAWL_EVENT_EXECUTION_STALLED, "ExecutionStalled", "reason" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pawl_history_event event = full_event(rows[i].kind);
        json_t *json = event_json(&event);
        assert_string_equal(text_of(json, "kind"), rows[i].name);
        assert_string_equal(text_of(json, rows[i].payload), "pay\x01load");
        assert_string_equal(text_of(json, "timestamp"), "2026-08-21T10:00:00.123000000Z");
        assert_int_equal(json_integer_value(json_object_get(json, "index")), 9);
        json_decref(json);
    }
    for (int kind = 0; kind < 128; kind++) {
        if (!pawl_event_kind_name(kind)) continue;
        struct pawl_history_event event = full_event((enum pawl_event_kind)kind);
        json_t *json = event_json(&event);
        assert_string_equal(text_of(json, "kind"), pawl_event_kind_name(kind));
        json_decref(json);
    }
}

static void a_failed_task_shows_its_failure_and_what_it_answers(void **state)
{
    (void)state;
    struct pawl_history_event event = pawl_history_event_make(PAWL_EVENT_TASK_FAILED, 5);
    event.ref = 3;
    event.failure = full_event(PAWL_EVENT_TASK_FAILED).failure;
    json_t *json = event_json(&event);
    json_t *failure = json_object_get(json, "failure");
    assert_string_equal(text_of(failure, "errorType"), "T");
    assert_string_equal(text_of(failure, "errorMessage"), "M");
    assert_string_equal(text_of(failure, "stackTraceBase64"), "/w==");
    assert_int_equal(json_integer_value(json_object_get(json, "scheduledId")), 3);
    assert_int_equal(json_integer_value(json_object_get(json, "eventId")), -1);
    json_decref(json);
}

static void causes_nested_without_end_are_cut(void **state)
{
    (void)state;
    struct pawl_buf inner;
    struct pawl_buf outer;
    pawl_buf_init(&inner, 1 << 20);
    pawl_buf_init(&outer, 1 << 20);
    struct pawl_failure_view failure = { .present = true, .type = PAWL_BYTES_LITERAL("T") };
    for (int i = 0; i < 200; i++) {
        pawl_buf_clear(&outer);
        pawl_failure_encode(&outer, &failure);
        struct pawl_buf swap = inner;
        inner = outer;
        outer = swap;
        failure.inner = pawl_buf_view(&inner);
    }
    struct pawl_history_event event = pawl_history_event_make(PAWL_EVENT_TASK_FAILED, 5);
    event.failure = failure;
    json_t *json = event_json(&event);
    int depth = 0;
    for (json_t *at = json_object_get(json, "failure"); at;
         at = json_object_get(at, "innerFailure")) {
        depth++;
    }
    assert_in_range(depth, 4, PAWL_JSON_DEPTH_MAX / 2);
    json_decref(json);
    pawl_buf_deinit(&inner);
    pawl_buf_deinit(&outer);
}

static void an_unreadable_event_is_shown_as_such(void **state)
{
    (void)state;
    struct pawl_buf text;
    struct pawl_json json;
    pawl_buf_init(&text, 4096);
    pawl_json_init(&json, &text);
    pawl_export_write_event(&json, 2, PAWL_BYTES_LITERAL("\xc1\xff"));
    json_t *parsed = json_loadb((const char *)text.data, text.size, 0, NULL);
    assert_string_equal(text_of(parsed, "kind"), "Unreadable");
    assert_string_equal(text_of(parsed, "dataBase64"), "wf8=");
    json_decref(parsed);
    pawl_buf_deinit(&text);
}

static void an_answer_over_the_limit_says_how_to_ask_for_less(void **state)
{
    (void)state;
    struct pawl_http_reply reply;
    struct pawl_instance_state states[50];
    for (int i = 0; i < 50; i++) {
        states[i] = (struct pawl_instance_state){ .instance = PAWL_BYTES_LITERAL("a"),
                                                  .name = PAWL_BYTES_LITERAL("N") };
    }
    struct pawl_request request = { .op = PAWL_REQUEST_LIST };
    struct pawl_answer answer = { .states_count = 50, .states = states };
    pawl_http_reply_init(&reply);
    assert_int_equal(reply.body.size_max, PAWL_HTTP_REPLY_SIZE_MAX);
    pawl_http_reply_answer(&reply, PAWL_HTTP_ROUTE_LIST, &request, &answer);
    assert_int_equal(reply.status, 200);
    reply.body.size_max = 1000;
    pawl_http_reply_answer(&reply, PAWL_HTTP_ROUTE_LIST, &request, &answer);
    assert_int_equal(reply.status, 500);
    pawl_buf_append(&reply.body, "", 1);
    assert_non_null(strstr((const char *)reply.body.data, "limit="));
    pawl_http_reply_deinit(&reply);
}

/* Metrics --------------------------------------------------------------------------------- */

static const double bounds[PAWL_HISTOGRAM_BUCKETS - 1] = { 0.001, 0.002, 0.005, 0.01, 0.02,
                                                           0.05,  0.1,   0.5,   1,    5,
                                                           10,    60,    300 };

static char *metrics_text(void)
{
    struct pawl_node_metrics metrics = { .turns_total = 17 };
    metrics.turn_seconds.buckets[0] = 2;
    metrics.turn_seconds.buckets[3] = 1;
    metrics.turn_seconds.buckets[PAWL_HISTOGRAM_BUCKETS - 1] = 1;
    metrics.turn_seconds.count = 4;
    metrics.turn_seconds.sum_seconds = 400.5;
    struct pawl_api_info info = { .app = "we\"ird\\\n",
                                  .version = "1",
                                  .ready = true,
                                  .metrics = &metrics,
                                  .clock_skew_ms = -3600250,
                                  .clock_left_ms = 5 };
    const struct pawl_api_placement placement = { .version = 12, .members_count = 3 };
    const struct pawl_peer_metrics peers = { .frames_dropped_total = 4, .links_ready = 2 };
    info.placement = &placement;
    info.peer_metrics = &peers;
    struct pawl_http_counters counters = { .in_flight = 1 };
    counters.answers[PAWL_HTTP_ROUTE_START][2] = 5;
    counters.answers[PAWL_HTTP_ROUTE_NONE][4] = 6;
    const struct pawl_grpc_counters grpc = {
        .ended_total = { [PAWL_GRPC_OK] = 8, [PAWL_GRPC_UNAVAILABLE] = 9 },
        .bytes_sent_total = UINT64_C(1) << 40,
        .connections_cut_total = 11,
        .connections = 12,
        .calls = 13,
    };
    counters.grpc[0] = (struct pawl_http_grpc_port){ "dapr", &grpc };
    struct pawl_process_stats process = { .cpu_seconds = 1.5, .resident_bytes = -1, .open_fds = 3 };
    struct pawl_http_reply reply;
    pawl_http_reply_init(&reply);
    pawl_http_metrics_reply(&reply, &info, &counters, &process, bounds);
    pawl_buf_append(&reply.body, "", 1);
    char *text = strdup((const char *)reply.body.data);
    pawl_http_reply_deinit(&reply);
    return text;
}

/* The name of the sample in `line`, without the endings that a histogram adds. */
static void sample_name(const char *line, char *name, size_t size)
{
    size_t length = strcspn(line, "{ ");
    assert_true(length > 0 && length < size);
    memcpy(name, line, length);
    name[length] = 0;
    if (!strstr(name, "_seconds")) return;
    const char *const endings[] = { "_bucket", "_sum", "_count" };
    for (int i = 0; i < 3; i++) {
        size_t ending = strlen(endings[i]);
        if (length > ending && strcmp(name + length - ending, endings[i]) == 0) {
            name[length - ending] = 0;
            return;
        }
    }
}

/* The next line, ended by a 0; NULL at the end. */
static char *line_next(char **rest)
{
    char *line = *rest;
    char *end = strchr(line, '\n');
    if (!end) return NULL;
    *end = 0;
    *rest = end + 1;
    return line;
}

static void every_metric_has_help_and_type_once_and_before_its_samples(void **state)
{
    (void)state;
    char *text = metrics_text();
    char current[128] = "";
    int families = 0;
    assert_int_equal(text[strlen(text) - 1], '\n');
    char *rest = text;
    for (char *line = line_next(&rest); line; line = line_next(&rest)) {
        char name[128];
        if (strncmp(line, "# HELP ", 7) == 0) {
            sample_name(line + 7, current, sizeof current);
            line = line_next(&rest);
            assert_non_null(line);
            assert_int_equal(strncmp(line, "# TYPE ", 7), 0);
            sample_name(line + 7, name, sizeof name);
            families++;
        } else {
            sample_name(line, name, sizeof name);
        }
        if (strcmp(name, current) != 0) fail_msg("sample of %s under %s", name, current);
    }
    assert_true(families > 35);
    free(text);
}

static void histograms_are_cumulative_and_labels_are_escaped(void **state)
{
    (void)state;
    char *text = metrics_text();
    const char *const lines[] = {
        "\npawl_turns_total{app=\"we\\\"ird\\\\\\n\"} 17\n",
        "\npawl_turn_duration_seconds_bucket{app=\"we\\\"ird\\\\\\n\",le=\"0.001\"} 2\n",
        "le=\"0.005\"} 2\n",
        "le=\"0.01\"} 3\n",
        "le=\"300\"} 3\n",
        "le=\"+Inf\"} 4\n",
        "\npawl_turn_duration_seconds_sum{app=\"we\\\"ird\\\\\\n\"} 400.5\n",
        "\npawl_turn_duration_seconds_count{app=\"we\\\"ird\\\\\\n\"} 4\n",
        "route=\"start\",code=\"2xx\"} 5\n",
        "route=\"none\",code=\"4xx\"} 6\n",
        "\npawl_clock_skew_seconds{app=\"we\\\"ird\\\\\\n\"} -3600.250\n",
        "\npawl_clock_left_seconds{app=\"we\\\"ird\\\\\\n\"} 0.005\n",
        "\npawl_placement_connected{app=\"we\\\"ird\\\\\\n\"} 0\n",
        "\npawl_members_version{app=\"we\\\"ird\\\\\\n\"} 12\n",
        "\npawl_peer_links{app=\"we\\\"ird\\\\\\n\"} 2\n",
        "\npawl_peer_frames_dropped_total{app=\"we\\\"ird\\\\\\n\"} 4\n",
        ",port=\"dapr\",status=\"OK\"} 8\n",
        ",port=\"dapr\",status=\"UNAVAILABLE\"} 9\n",
        "\npawl_grpc_sent_bytes_total{app=\"we\\\"ird\\\\\\n\",port=\"dapr\"} 1099511627776\n",
        "\npawl_grpc_connections_cut_total{app=\"we\\\"ird\\\\\\n\",port=\"dapr\"} 11\n",
        "\npawl_grpc_connections{app=\"we\\\"ird\\\\\\n\",port=\"dapr\"} 12\n",
        "\npawl_grpc_calls{app=\"we\\\"ird\\\\\\n\",port=\"dapr\"} 13\n",
        "\nprocess_cpu_seconds_total 1.50\n",
        "\nprocess_open_fds 3\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (!strstr(text, lines[i])) fail_msg("no %s in\n%s", lines[i], text);
    }
    assert_null(strstr(text, "process_resident_memory_bytes")); /* it could not be read */
    free(text);
}

static json_t *metadata_json(const struct pawl_api_info *info)
{
    struct pawl_http_reply reply;
    pawl_http_reply_init(&reply);
    pawl_http_metadata_reply(&reply, info);
    json_t *json =
        json_loadb((const char *)reply.body.data, reply.body.size, JSON_REJECT_DUPLICATES, NULL);
    if (!json) fail_msg("%.*s", (int)reply.body.size, (const char *)reply.body.data);
    pawl_http_reply_deinit(&reply);
    return json;
}

static void metadata_tells_of_placement_and_of_the_other_sidecars(void **state)
{
    (void)state;
    const struct pawl_node_metrics metrics = { .limits_count = 0 };
    struct pawl_api_info info = { .app = "shop", .ready = true, .metrics = &metrics };
    json_t *json = metadata_json(&info);
    assert_null(json_object_get(json, "placement"));
    assert_null(json_object_get(json, "peers"));
    json_decref(json);

    const struct pawl_api_placement placement = {
        .since_ms = 1787306400123,
        .address = PAWL_BYTES_LITERAL("tcp://one:50005"),
        .message = PAWL_BYTES_LITERAL("connection refused"),
        .version = 12,
        .members_count = 3,
    };
    const struct pawl_api_peer peer = { .host = PAWL_BYTES_LITERAL("b-1"),
                                        .app = PAWL_BYTES_LITERAL("bank"),
                                        .address = PAWL_BYTES_LITERAL("tcp://b:3502"),
                                        .state = "ready",
                                        .queued = 77 };
    info.placement = &placement;
    info.peers = &peer;
    info.peers_count = 1;
    info.peer_endpoint = "tcp://a:3502";
    json = metadata_json(&info);
    json_t *shown = json_object_get(json, "placement");
    assert_true(json_is_false(json_object_get(shown, "connected")));
    assert_string_equal(text_of(shown, "problem"), "connection refused");
    assert_string_equal(text_of(shown, "since"), "2026-08-21T10:00:00.123000000Z");
    assert_int_equal(json_integer_value(json_object_get(shown, "version")), 12);
    assert_int_equal(json_integer_value(json_object_get(shown, "members")), 3);
    shown = json_array_get(json_object_get(json, "peers"), 0);
    assert_string_equal(text_of(shown, "host"), "b-1");
    assert_string_equal(text_of(shown, "app"), "bank");
    assert_string_equal(text_of(shown, "link"), "ready");
    assert_int_equal(json_integer_value(json_object_get(shown, "queuedBytes")), 77);
    assert_string_equal(text_of(json_object_get(json, "extended"), "peerEndpoint"), "tcp://a:3502");
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_json_with_its_name_and_its_payload),
        cmocka_unit_test(a_failed_task_shows_its_failure_and_what_it_answers),
        cmocka_unit_test(causes_nested_without_end_are_cut),
        cmocka_unit_test(an_unreadable_event_is_shown_as_such),
        cmocka_unit_test(an_answer_over_the_limit_says_how_to_ask_for_less),
        cmocka_unit_test(every_metric_has_help_and_type_once_and_before_its_samples),
        cmocka_unit_test(histograms_are_cumulative_and_labels_are_escaped),
        cmocka_unit_test(metadata_tells_of_placement_and_of_the_other_sidecars),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
