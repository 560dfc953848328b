/* What the sidecar shows of a history, read back: the very bytes must come out again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> /* needs the standard ones above */

#include "base/bytes.h"
#include "base/json.h"
#include "sdk/export_json.h"
#include "sidecar/http_reply.h"
#include "tests/unit/sdk/samples.h"

static void read_back(uint32_t events_count, struct pawl_bytes *events, struct pawl_arena *arena,
                      struct pawl_export *ret_history)
{
    struct pawl_http_reply reply;
    struct pawl_request request = { .op = PAWL_REQUEST_HISTORY,
                                    .instance = PAWL_BYTES_LITERAL("order-1") };
    struct pawl_instance_state state = { .instance = request.instance,
                                         .name = PAWL_BYTES_LITERAL("Order"),
                                         .version = PAWL_BYTES_LITERAL("v2"),
                                         .gen = 3,
                                         .inc = pawl_sample_id(7) };
    struct pawl_answer answer = { .instance = request.instance,
                                  .states_count = 1,
                                  .states = &state,
                                  .events_total = events_count,
                                  .events_count = events_count,
                                  .events = events };
    pawl_http_reply_init(&reply);
    pawl_http_reply_answer(&reply, PAWL_HTTP_ROUTE_HISTORY, &request, &answer);
    assert_int_equal(reply.status, 200);
    const char *why = NULL;
    if (!pawl_export_json_parse(pawl_buf_view(&reply.body), arena, ret_history, &why))
        fail_msg("%s: %.*s", why, PAWL_BYTES_FMT(pawl_buf_view(&reply.body)));
    pawl_http_reply_deinit(&reply);
}

static void expect_same(struct pawl_bytes *events, uint32_t events_count, struct pawl_arena *arena)
{
    struct pawl_export history;
    read_back(events_count, events, arena, &history);
    assert_true(pawl_bytes_is_str(history.instance, "order-1"));
    assert_true(pawl_bytes_is_str(history.name, "Order"));
    assert_true(pawl_bytes_is_str(history.version, "v2"));
    assert_true(pawl_id_is_equal(history.inc, pawl_sample_id(7)));
    assert_int_equal(history.gen, 3);
    assert_int_equal(history.events_count, events_count);
    for (uint32_t i = 0; i < events_count; i++) {
        assert_int_equal(history.events[i].size, events[i].size);
        assert_memory_equal(history.events[i].data, events[i].data, events[i].size);
    }
}

static void test_every_kind_comes_back_as_it_was(void **state)
{
    (void)state;
    struct pawl_arena arena;
    struct pawl_bytes events[32];
    uint32_t count = 0;
    pawl_arena_init(&arena);
#define X(name, value, text)                                        \
    {                                                               \
        struct pawl_history_event event = pawl_sample_event(value); \
        if (event.kind == PAWL_EVENT_EXECUTION_STARTED)             \
            event.tags = PAWL_BYTES_LITERAL("\x94\xa1z\xa1x\xa1"    \
                                            "a\xa0");               \
        if (event.kind == PAWL_EVENT_CHILD_CREATED)                 \
            event.parent_close = PAWL_PARENT_CLOSE_TERMINATE;       \
        events[count++] = pawl_history_event_pack(&arena, &event);  \
        event = pawl_history_event_make(PAWL_EVENT_##name, 1);      \
        events[count++] = pawl_history_event_pack(&arena, &event);  \
        if (count > 28) {                                           \
            expect_same(events, count, &arena);                     \
            count = 0;                                              \
        }                                                           \
    }
    PAWL_EVENT_KIND_MAP(X)
#undef X
    expect_same(events, count, &arena);
    pawl_arena_deinit(&arena);
}

/* What a text format loses easily. */
static void test_odd_values_come_back_as_they_were(void **state)
{
    (void)state;
    struct pawl_arena arena;
    struct pawl_bytes events[6];
    pawl_arena_init(&arena);
    struct pawl_history_event event = pawl_history_event_make(PAWL_EVENT_TASK_SCHEDULED, 1);
    event.start_within_ms = INT64_MAX;
    event.start_to_close_ms = 30000;
    event.rerun_of = PAWL_BYTES_LITERAL("o-0");
    event.heartbeat_ms = 1;
    event.progress = PAWL_BYTES_LITERAL("\xff\x00 7/9");
    struct pawl_bytes patches[2] = { PAWL_BYTES_LITERAL("fraud"),
                                     PAWL_BYTES_LITERAL("m\xc3\xa4il") };
    event.patches = pawl_patches_pack(&arena, 2, patches);
    event.id = INT32_MAX;
    event.payload = PAWL_BYTES_LITERAL(""); /* empty is not absent */
    events[0] = pawl_history_event_pack(&arena, &event);
    event.payload = PAWL_BYTES_LITERAL("\xff\x00\x80 not UTF-8");
    event.extra = PAWL_BYTES_LITERAL("\x01\xff");
    events[1] = pawl_history_event_pack(&arena, &event);
    event.payload = pawl_bytes_make("a\0b\"\\\n\xe2\x82\xac", 9);
    event.extra = PAWL_BYTES_ABSENT;
    events[2] = pawl_history_event_pack(&arena, &event);
    event = pawl_history_event_make(PAWL_EVENT_TIMER_CREATED, INT64_C(253402300799999));
    event.fire_at_ms = INT64_MAX; /* a year that no date has */
    events[3] = pawl_history_event_pack(&arena, &event);
    event = pawl_history_event_make(PAWL_EVENT_EXECUTION_STARTED, 0);
    event.parent = (struct pawl_parent){ .instance = PAWL_BYTES_LITERAL("p"),
                                         .name = PAWL_BYTES_LITERAL("Shop"),
                                         .inc = pawl_sample_id(200),
                                         .gen = UINT32_MAX,
                                         .op_id = INT32_MAX,
                                         .nonce = UINT64_MAX };
    events[4] = pawl_history_event_pack(&arena, &event);
    event = pawl_history_event_make(PAWL_EVENT_TASK_FAILED, 5);
    struct pawl_failure_view failure = { .present = true }, outer = pawl_sample_failure();
    for (int i = 0; i < 10; i++) {
        outer.inner = pawl_failure_pack(&arena, &failure);
        failure = outer;
    }
    event.failure = failure;
    events[5] = pawl_history_event_pack(&arena, &event);
    expect_same(events, 6, &arena);
    pawl_arena_deinit(&arena);
}

static void expect_refused(const char *text, const char *why_part)
{
    struct pawl_arena arena;
    struct pawl_export history;
    const char *why = NULL;
    pawl_arena_init(&arena);
    assert_false(pawl_export_json_parse(pawl_bytes_str(text), &arena, &history, &why));
    if (!strstr(why, why_part)) fail_msg("'%s' says: %s", text, why);
    pawl_arena_deinit(&arena);
}

#define HEAD                                                              \
    "\"instanceID\": \"i\", \"workflowName\": \"W\", \"generation\": 1, " \
    "\"incarnation\": \"0102030405060708090a0b0c0d0e0f10\", "
#define EVENT "\"kind\": \"TimerCreated\", \"timestamp\": \"2026-01-01T00:00:00Z\""

static void test_what_is_no_history_is_refused_with_the_place(void **state)
{
    (void)state;
    expect_refused("", "line 1: it is not JSON");
    expect_refused("{\n\"a\": }", "line 2: it is not JSON");
    expect_refused("[]", "list of events without the instance");
    expect_refused("7", "it is not JSON");
    expect_refused("{}", "\"instanceID\" is missing. Write the file with: pawl workflow history");
    expect_refused("{\"instanceID\": 7}", "\"instanceID\" is not a text");
    expect_refused("{\"instanceID\": \"i\", \"workflowName\": \"W\", \"generation\": 0}",
                   "\"generation\" is not a number");
    expect_refused("{\"instanceID\": \"\", \"workflowName\": \"W\", \"incarnation\": "
                   "\"0102030405060708090a0b0c0d0e0f10\"}",
                   "\"instanceID\" is no instance id");
    expect_refused("{" HEAD "\"x\": 1}", "\"events\" is missing");
    expect_refused("{" HEAD "\"events\": [7]}", "event 0: \"events\" holds");
    expect_refused("{" HEAD "\"events\": [{}]}", "event 0: \"kind\" is missing");
    expect_refused("{" HEAD "\"events\": [{\"kind\": \"X\"}]}", "event 0: \"kind\" is none");
    expect_refused("{" HEAD "\"events\": [{\"kind\": \"TimerFired\"}]}",
                   "event 0: \"timestamp\" is missing");
    expect_refused("{" HEAD "\"events\": [{" EVENT "}, {" EVENT ", \"index\": 5}]}",
                   "event 1: \"index\" is not its place");
    expect_refused("{" HEAD "\"events\": [{" EVENT ", \"fireAt\": \"noon\"}]}",
                   "event 0: \"fireAt\" is not a time");
    expect_refused("{" HEAD "\"events\": [{" EVENT ", \"dataBase64\": \"?\"}]}",
                   "event 0: \"dataBase64\" is not base64");
    expect_refused("{" HEAD "\"events\": [{" EVENT ", \"executionId\": \"12\"}]}",
                   "event 0: \"executionId\" is not an id");
    expect_refused("{" HEAD "\"events\": [{" EVENT ", \"failure\": 7}]}",
                   "event 0: \"failure\" is not an object");
    expect_refused("{" HEAD "\"events\": [{" EVENT ", \"eventId\": 2147483648}]}",
                   "event 0: \"eventId\" is not a number");
    expect_refused("{" HEAD "\"events\": [{" EVENT ", \"recursive\": 1}]}", "\"recursive\"");
    expect_refused("{" HEAD "\"events\": [{" EVENT ", \"runtimeStatus\": \"X\"}]}", "no status");
    expect_refused("{" HEAD "\"events\": [{" EVENT
                   ", \"parent\": {\"instanceID\": \"p\", \"nonce\": \"x\"}}]}",
                   "event 0: \"nonce\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_comes_back_as_it_was),
        cmocka_unit_test(test_odd_values_come_back_as_they_were),
        cmocka_unit_test(test_what_is_no_history_is_refused_with_the_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
