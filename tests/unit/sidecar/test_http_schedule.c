/* Schedules over HTTP, the pure half: what a query comes to, and what is shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h> /* needs the five above */
#include <jansson.h>

#include "base/bytes.h"
#include "sdk/schedule.h"
#include "sidecar/http_schedule.h"

struct built {
    struct pawl_arena arena;
    struct pawl_http_url url;
    struct pawl_http_match match;
    struct pawl_request request;
    struct pawl_http_problem problem;
    bool good;
};

static void build(struct built *built, enum pawl_http_method method, const char *target,
                  struct pawl_bytes body)
{
    struct pawl_bytes message = PAWL_BYTES_ABSENT;
    *built = (struct built){ .good = false };
    pawl_arena_init(&built->arena);
    assert_int_equal(
        pawl_http_url_parse(pawl_bytes_str(target), &built->arena, &built->url, &message), PAWL_OK);
    built->match = pawl_http_route_find(&built->url, method);
    assert_int_equal(built->match.miss, PAWL_HTTP_FOUND);
    struct pawl_http_input input = { .match = &built->match,
                                     .url = &built->url,
                                     .body = body,
                                     .idempotency_key = PAWL_BYTES_LITERAL("key"),
                                     .app = PAWL_BYTES_LITERAL("shop") };
    built->good = pawl_http_request_build(&input, &built->arena, &built->request, &built->problem);
}

static void a_schedule_is_created_from_the_query_and_the_body(void **state)
{
    struct built built;
    struct pawl_schedule_spec spec;
    (void)state;
    build(&built, PAWL_HTTP_POST,
          "/v1.0/schedules/a%2Fb/create?workflow=Report&version=2&cron=0+9+*+*+1-5"
          "&timezone=Europe%2FBerlin&overlap=buffer&catchUp=1d&startTime=2030-01-01T00:00:00Z"
          "&endTime=2031-01-01T00:00:00Z&paused=true",
          PAWL_BYTES_LITERAL("in"));
    assert_true(built.good);
    assert_int_equal(built.request.op, PAWL_REQUEST_START);
    assert_true(pawl_bytes_is_str(built.request.instance, PAWL_SCHEDULE_PREFIX "a/b"));
    assert_true(pawl_bytes_is_str(built.request.request_id, "key"));
    assert_int_equal(pawl_schedule_spec_unpack(built.request.payload, &spec), PAWL_OK);
    assert_true(pawl_bytes_is_str(spec.workflow, "Report"));
    assert_true(pawl_bytes_is_str(spec.version, "2"));
    assert_true(pawl_bytes_is_str(spec.input, "in"));
    assert_true(pawl_bytes_is_str(spec.cron, "0 9 * * 1-5"));
    assert_true(pawl_bytes_is_str(spec.timezone, "Europe/Berlin"));
    assert_int_equal(spec.overlap, PAWL_OVERLAP_BUFFER_ONE);
    assert_int_equal(spec.catch_up_ms, 86400000);
    assert_int_equal(spec.from_ms, 1893456000000);
    assert_int_equal(spec.until_ms, 1924992000000);
    assert_true(spec.paused);
    pawl_arena_deinit(&built.arena);
}

static void everything_else_is_a_call_for_its_instance(void **state)
{
    static const struct {
        enum pawl_http_method method;
        const char *target;
        enum pawl_request_op op;
        const char *name;
    } rows[] = {
        { PAWL_HTTP_GET, "/v1.0/schedules/s", PAWL_REQUEST_GET, NULL },
        { PAWL_HTTP_POST, "/v1.0/schedules/s/pause?reason=r", PAWL_REQUEST_RAISE, "pause" },
        { PAWL_HTTP_POST, "/v1.0/schedules/s/resume", PAWL_REQUEST_RAISE, "resume" },
        { PAWL_HTTP_POST, "/v1.0/schedules/s/trigger", PAWL_REQUEST_RAISE, "trigger" },
        { PAWL_HTTP_POST, "/v1.0/schedules/s/delete", PAWL_REQUEST_PURGE, NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct built built;
        build(&built, rows[i].method, rows[i].target, PAWL_BYTES_LITERAL(""));
        assert_true(built.good);
        assert_int_equal(built.request.op, rows[i].op);
        assert_true(pawl_bytes_is_str(built.request.instance, PAWL_SCHEDULE_PREFIX "s"));
        assert_true(pawl_bytes_is_equal(built.request.name, pawl_bytes_str(rows[i].name)));
        pawl_arena_deinit(&built.arena);
    }
    struct built built;
    build(&built, PAWL_HTTP_GET, "/v1.0/schedules?prefix=da&limit=7", PAWL_BYTES_ABSENT);
    assert_int_equal(built.request.op, PAWL_REQUEST_LIST);
    assert_true(pawl_bytes_is_str(built.request.name, PAWL_SCHEDULE_NAME));
    assert_true(pawl_bytes_is_str(built.request.prefix, PAWL_SCHEDULE_PREFIX "da"));
    assert_int_equal(built.request.limit, 7);
    pawl_arena_deinit(&built.arena);
}

static json_t *parsed(struct pawl_buf *buf)
{
    json_t *json = json_loadb((const char *)buf->data, buf->size, JSON_REJECT_DUPLICATES, NULL);
    if (!json) fail_msg("%.*s", (int)buf->size, (const char *)buf->data);
    return json;
}

static const char *text_of(json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text ? text : "(absent)";
}

static void a_state_is_shown_with_its_runs(void **state)
{
    struct pawl_arena arena;
    struct pawl_buf buf;
    struct pawl_json writer;
    (void)state;
    pawl_arena_init(&arena);
    pawl_buf_init(&buf, 1 << 20);
    struct pawl_schedule_state schedule = {
        .spec = { .workflow = PAWL_BYTES_LITERAL("W"),
                  .input = PAWL_BYTES_LITERAL("\xff"),
                  .every_ms = 90061001,
                  .overlap = PAWL_OVERLAP_TERMINATE },
        .next_ms = 1787306400000,
        .started = 2,
        .failed = 1,
        .starting = { .time_ms = 1787306400000 },
        .recent_count = 2,
        .recent = { { .run = { .time_ms = 1787306400123, .tag = 0xab },
                      .at_ms = 1787306401000,
                      .outcome = PAWL_SCHEDULE_STARTED },
                    { .run = { .time_ms = 1787306400000 },
                      .at_ms = 1787306401000,
                      .outcome = PAWL_SCHEDULE_FAILED,
                      .message = PAWL_BYTES_LITERAL("in use") } },
    };
    struct pawl_instance_state instance = {
        .instance = PAWL_BYTES_LITERAL(PAWL_SCHEDULE_PREFIX "s"),
        .status = PAWL_STATUS_RUNNING,
        .custom_status = pawl_schedule_state_pack(&arena, &schedule),
    };
    pawl_json_init(&writer, &buf);
    pawl_http_schedule_write(&writer, &instance);
    json_t *json = parsed(&buf);
    assert_string_equal(text_of(json, "scheduleID"), "s");
    assert_string_equal(text_of(json, "every"), "1d1h1m1s1ms");
    assert_string_equal(text_of(json, "inputBase64"), "/w==");
    assert_string_equal(text_of(json, "overlap"), "terminate");
    assert_string_equal(text_of(json, "catchUp"), "1h");
    assert_string_equal(text_of(json, "starting"), "s-20260821T100000Z");
    json_t *recent = json_object_get(json, "recent");
    assert_string_equal(text_of(json_array_get(recent, 0), "instanceID"),
                        "s-20260821T100000Z-000000ab");
    assert_string_equal(text_of(json_array_get(recent, 1), "error"), "in use");
    json_decref(json);
    pawl_buf_deinit(&buf);
    pawl_arena_deinit(&arena);
}

static void one_that_was_created_this_moment_shows_what_it_was_given(void **state)
{
    struct pawl_arena arena;
    struct pawl_buf buf;
    struct pawl_json writer;
    (void)state;
    pawl_arena_init(&arena);
    pawl_buf_init(&buf, 1 << 20);
    struct pawl_schedule_spec spec = { .workflow = PAWL_BYTES_LITERAL("W"),
                                       .cron = PAWL_BYTES_LITERAL("@daily") };
    struct pawl_instance_state instance = { .instance =
                                                PAWL_BYTES_LITERAL(PAWL_SCHEDULE_PREFIX "s"),
                                            .status = PAWL_STATUS_PENDING,
                                            .input = pawl_schedule_spec_pack(&arena, &spec) };
    pawl_json_init(&writer, &buf);
    pawl_http_schedule_write(&writer, &instance);
    json_t *json = parsed(&buf);
    assert_string_equal(text_of(json, "cron"), "@daily");
    assert_string_equal(text_of(json, "timezone"), "UTC");
    assert_string_equal(text_of(json, "runtimeStatus"), "PENDING");
    json_decref(json);
    pawl_buf_deinit(&buf);
    pawl_arena_deinit(&arena);
}

static void every_cut_of_a_state_is_refused(void **state)
{
    struct pawl_arena arena;
    (void)state;
    pawl_arena_init(&arena);
    struct pawl_schedule_state schedule = {
        .spec = { .workflow = PAWL_BYTES_LITERAL("W"), .every_ms = 1000 },
        .triggered_count = 1,
        .triggered = { { .time_ms = 5, .tag = 7 } },
    };
    struct pawl_bytes packed = pawl_schedule_state_pack(&arena, &schedule);
    struct pawl_schedule_state again;
    assert_int_equal(pawl_schedule_state_unpack(packed, &again), PAWL_OK);
    assert_int_equal(again.triggered[0].tag, 7);
    for (size_t size = 0; size < packed.size; size++)
        assert_int_not_equal(pawl_schedule_state_unpack(pawl_bytes_make(packed.data, size), &again),
                             PAWL_OK);
    pawl_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_schedule_is_created_from_the_query_and_the_body),
        cmocka_unit_test(everything_else_is_a_call_for_its_instance),
        cmocka_unit_test(a_state_is_shown_with_its_runs),
        cmocka_unit_test(one_that_was_created_this_moment_shows_what_it_was_given),
        cmocka_unit_test(every_cut_of_a_state_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
