/* The HTTP front as a client on the wire sees it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "sidecar/io/http_internal.h"
#include "tests/unit/sidecar/http_fake.h"

#define V "/v1.0/workflows/dapr"

static int setup(void **state)
{
    *state = http_fake_open(NULL);
    return 0;
}

static int teardown(void **state)
{
    http_fake_close(*state);
    return 0;
}

static json_t *body_json(const char *answer)
{
    json_error_t error;
    json_t *json =
        json_loads(http_answer_body(answer), JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!json) fail_msg("not JSON: %s\n%s", error.text, answer);
    return json;
}

/* One exchange; checks status and, for errors, the errorCode and that a message is there. */
static void check(struct http_fake *fake, const char *method, const char *target,
                  const char *headers, const char *body, int status, const char *code)
{
    char *answer = http_client_do(fake->port, method, target, headers, body);
    if (http_answer_status(answer) != status) {
        fail_msg("%s %s: wanted %d, got\n%s", method, target, status, answer);
    }
    assert_non_null(strstr(answer, "X-Content-Type-Options: nosniff\r\n"));
    if (code) {
        json_t *json = body_json(answer);
        assert_string_equal(json_string_value(json_object_get(json, "errorCode")), code);
        assert_true(json_string_length(json_object_get(json, "message")) > 10);
        json_decref(json);
    }
    free(answer);
}

static void check_call(struct http_fake *fake, const char *method, const char *target,
                       const char *headers, const char *body, int status, const char *request)
{
    char last[8192];
    check(fake, method, target, headers, body, status, NULL);
    http_fake_last(fake, last, sizeof last);
    assert_string_equal(last, request);
}

static void every_route_reaches_the_engine_as_the_request_it_means(void **state)
{
    struct http_fake *fake = *state;
    const struct {
        const char *method;
        const char *target;
        const char *body;
        int status;
        const char *request;
    } rows[] = {
        { "POST", V "/Order/start?instanceID=a&startTime=2026-08-21T10:00:00.5Z&version=2", "in",
          202, "start instance=a name=Order version=2 payload=in start_at=1787306400500" },
        { "POST", V "/Order/start", NULL, 202, "start name=Order" },
        { "POST", V "/Order/start?reuse=terminate&event=go&eventData=a%3Db", "in", 202,
          "start name=Order payload=in event=go event_data=a=b" },
        { "GET", V "/a", NULL, 200, "get instance=a payloads=1" },
        { "GET", V "/a?payloads=false", NULL, 200, "get instance=a" },
        { "POST", V "/a/raiseEvent/paid", "yes", 202,
          "raise-event instance=a name=paid payload=yes" },
        { "POST", V "/a/pause?reason=lunch", NULL, 202, "suspend instance=a payload=lunch" },
        { "POST", V "/a/resume", "back", 202, "resume instance=a payload=back" },
        { "POST", V "/a/terminate?output=no", NULL, 202,
          "terminate instance=a payload=no recursive=1" },
        { "POST", V "/a/terminate?recursive=false", "no", 202, "terminate instance=a payload=no" },
        { "POST", V "/a/purge", NULL, 202, "purge instance=a recursive=1" },
        { "POST", V "/a/purge?force=true&recursive=0", NULL, 202, "purge instance=a force=1" },
        { "GET", V "?status=RUNNING,failed&name=N&prefix=p&limit=7&cursor=YWI", NULL, 200,
          "list name=N prefix=p cursor=ab mask=9 limit=7" },
        { "GET", V "?createdFrom=2026-08-21T10:00:00Z&createdTo=2026-08-21T12:00:00%2B01:00", NULL,
          200, "list created_from=1787306400000 created_to=1787310000000" },
        { "GET", V "?tag=a=b&tag=c&order=id&updatedFrom=2026-08-21T10:00:00Z", NULL, 200,
          "list updated_from=1787306400000 order=3 tags_size=8" },
        { "GET", V "?count=true&completedTo=2026-08-21T10:00:00Z", NULL, 200,
          "count completed_to=1787306400000" },
        { "POST", V "?operation=suspend&name=N&limit=7", "lunch", 200,
          "batch name=N payload=lunch recursive=1 limit=7 batch_op=5" },
        { "POST", V "?operation=raise-event&all=true&event=E", "yes", 200,
          "batch event=E event_data=yes recursive=1 batch_op=4 all=1" },
        { "GET", V "/a/history?from=3&limit=2", NULL, 200, "history instance=a limit=2 from=3" },
        { "GET", V "/a/wait?for=started&timeout=1m30s", NULL, 200,
          "wait instance=a wait_for=1 timeout=90000 payloads=1" },
        { "GET", V "/a/wait", NULL, 200, "wait instance=a wait_for=2 timeout=30000 payloads=1" },
        { "POST", V "/a/rerun?newInstanceID=b", "other", 202,
          "rerun instance=a new=b payload=other" },
        { "POST", V "/a/rerun?eventID=0", NULL, 202, "rerun instance=a from_event=1" },
        { "POST", V "/a/rerun?eventID=7&newChildInstanceID=c", "x", 202,
          "rerun instance=a payload=x new_child=c from_event=8 overwrite=1" },
        { "POST", V "/a/rerun?eventID=7&overwriteInput=true", NULL, 202,
          "rerun instance=a from_event=8 overwrite=1" },
        { "POST", V "/a/restart", NULL, 202, "restart instance=a" },
        { "POST", V "/a/restart?newInstanceID=b", NULL, 202, "restart instance=a new=b" },
        { "POST", V "/a/rewind", "mended", 202, "rewind instance=a payload=mended" },
        { "POST", V "/a/rewind?reason=mended", NULL, 202, "rewind instance=a payload=mended" },
        { "GET", "/v1.0-beta1/workflows/any/a", NULL, 200, "get instance=a payloads=1" },
        { "GET", "/v1.0-alpha1/workflows/any/a", NULL, 200, "get instance=a payloads=1" },
        { "GET", V "/a?appID=orders", NULL, 200, "get instance=a payloads=1" },
        { "GET", V "/a?appID=other", NULL, 200, "get app=other instance=a payloads=1" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check_call(fake, rows[i].method, rows[i].target, NULL, rows[i].body, rows[i].status,
                   rows[i].request);
    }
}

static void an_id_is_decoded_exactly_once_and_may_hold_slashes(void **state)
{
    struct http_fake *fake = *state;
    check_call(fake, "GET", V "/a%2Fb%252Fc+d%20e?payloads=false", NULL, NULL, 200,
               "get instance=a/b%2Fc+d e");
    check_call(fake, "GET", V "/%C3%A4%3F%23?payloads=false", NULL, NULL, 200,
               "get instance=\xc3\xa4?#");
    check_call(fake, "POST", V "/x/start?instanceID=a%2Bb+c%26", NULL, NULL, 202,
               "start instance=a+b c& name=x");
}

static void the_idempotency_key_becomes_the_request_id(void **state)
{
    struct http_fake *fake = *state;
    check_call(fake, "POST", V "/Order/start?instanceID=a", "Idempotency-Key: k1\r\n", NULL, 202,
               "start instance=a name=Order request_id=k1");
    check_call(fake, "POST", V "/a/raiseEvent/e", "Idempotency-Key: k2\r\n", NULL, 202,
               "raise-event instance=a name=e request_id=k2");
}

static void a_state_has_the_shape_that_dapr_clients_expect(void **state)
{
    struct http_fake *fake = *state;
    char *answer = http_client_do(fake->port, "GET", V "/order-1", NULL, NULL);
    json_t *json = body_json(answer);
    assert_string_equal(json_string_value(json_object_get(json, "instanceID")), "order-1");
    assert_string_equal(json_string_value(json_object_get(json, "workflowName")), "Order");
    assert_string_equal(json_string_value(json_object_get(json, "createdAt")),
                        "2026-08-21T10:00:00.123000000Z");
    assert_string_equal(json_string_value(json_object_get(json, "lastUpdatedAt")),
                        "2026-08-21T10:00:01.000000000Z");
    assert_string_equal(json_string_value(json_object_get(json, "runtimeStatus")), "RUNNING");
    json_t *properties = json_object_get(json, "properties");
    assert_string_equal(json_string_value(json_object_get(properties, "dapr.workflow.input")),
                        "{\"item\":\"tea\"}");
    assert_string_equal(
        json_string_value(json_object_get(properties, "dapr.workflow.outputBase64")), "/wAB");
    assert_null(json_object_get(properties, "dapr.workflow.output"));
    json_decref(json);
    free(answer);
}

static void history_and_list_are_json_with_a_way_to_go_on(void **state)
{
    struct http_fake *fake = *state;
    char *answer = http_client_do(fake->port, "GET", V "/order-1/history?from=2", NULL, NULL);
    json_t *json = body_json(answer);
    assert_int_equal(json_integer_value(json_object_get(json, "total")), 7);
    assert_int_equal(json_integer_value(json_object_get(json, "next")), 4);
    json_t *task = json_array_get(json_object_get(json, "events"), 1);
    assert_int_equal(json_integer_value(json_object_get(task, "index")), 3);
    assert_string_equal(json_string_value(json_object_get(task, "kind")), "TaskScheduled");
    assert_string_equal(json_string_value(json_object_get(task, "inputBase64")), "/g==");
    json_decref(json);
    free(answer);

    pthread_mutex_lock(&fake->lock);
    fake->answer.cursor = PAWL_BYTES_LITERAL("a\xc3\xbf?>");
    pthread_mutex_unlock(&fake->lock);
    answer = http_client_do(fake->port, "GET", V, NULL, NULL);
    json = body_json(answer);
    assert_int_equal(json_array_size(json_object_get(json, "workflows")), 1);
    assert_string_equal(json_string_value(json_object_get(json, "cursor")), "YcO_Pz4");
    json_decref(json);
    free(answer);
    check_call(fake, "GET", V "?cursor=YcO_Pz4", NULL, NULL, 200, "list cursor=a\xc3\xbf?>");
}

static void a_wait_whose_time_is_up_answers_202_with_the_state(void **state)
{
    struct http_fake *fake = *state;
    pthread_mutex_lock(&fake->lock);
    fake->answer.reached = false;
    pthread_mutex_unlock(&fake->lock);
    check(fake, "GET", V "/order-1/wait?timeout=1ms", NULL, NULL, 202, NULL);
}

static void every_engine_error_has_its_status_and_its_code(void **state)
{
    struct http_fake *fake = *state;
    const struct {
        const char *method;
        const char *target;
        pawl_err err;
        int status;
        const char *code;
    } rows[] = {
        { "POST", V "/N/start?instanceID=a", PAWL_E_EXISTS, 409, "ERR_START_WORKFLOW" },
        { "GET", V "/a", PAWL_E_NOT_FOUND, 404, "ERR_INSTANCE_ID_NOT_FOUND" },
        { "POST", V "/a/raiseEvent/e", PAWL_E_NOT_FOUND, 404, "ERR_INSTANCE_ID_NOT_FOUND" },
        { "POST", V "/a/pause", PAWL_E_NOT_FOUND, 404, "ERR_INSTANCE_ID_NOT_FOUND" },
        { "POST", V "/a/resume", PAWL_E_NOT_FOUND, 404, "ERR_INSTANCE_ID_NOT_FOUND" },
        { "POST", V "/a/terminate", PAWL_E_NOT_FOUND, 404, "ERR_INSTANCE_ID_NOT_FOUND" },
        { "POST", V "/a/purge", PAWL_E_NOT_FOUND, 404, "ERR_INSTANCE_ID_NOT_FOUND" },
        { "POST", V "/a/rerun", PAWL_E_NOT_FOUND, 404, "ERR_INSTANCE_ID_NOT_FOUND" },
        { "GET", V "/a/history", PAWL_E_NOT_FOUND, 404, "ERR_INSTANCE_ID_NOT_FOUND" },
        { "GET", V "/a/wait", PAWL_E_NOT_FOUND, 404, "ERR_INSTANCE_ID_NOT_FOUND" },
        { "POST", V "/a/raiseEvent/e", PAWL_E_TERMINAL, 409, "ERR_RAISE_EVENT_WORKFLOW" },
        { "POST", V "/a/pause", PAWL_E_STATE, 409, "ERR_PAUSE_WORKFLOW" },
        { "POST", V "/a/resume", PAWL_E_STATE, 409, "ERR_RESUME_WORKFLOW" },
        { "POST", V "/a/terminate", PAWL_E_TERMINAL, 409, "ERR_TERMINATE_WORKFLOW" },
        { "POST", V "/a/purge", PAWL_E_NOT_TERMINAL, 409, "ERR_PURGE_WORKFLOW" },
        { "POST", V "/a/rerun", PAWL_E_NOT_TERMINAL, 409, "ERR_RERUN_WORKFLOW" },
        { "POST", V "/a/restart", PAWL_E_NOT_TERMINAL, 409, "ERR_RESTART_WORKFLOW" },
        { "POST", V "/a/rewind", PAWL_E_STATE, 409, "ERR_REWIND_WORKFLOW" },
        { "POST", V "/a/rewind", PAWL_E_NOT_FOUND, 404, "ERR_INSTANCE_ID_NOT_FOUND" },
        { "POST", V "/a/rewind", PAWL_E_TOO_LARGE, 413, "ERR_REWIND_WORKFLOW" },
        { "POST", V "/N/start", PAWL_E_INVALID, 400, "ERR_MALFORMED_REQUEST" },
        { "POST", V "/N/start", PAWL_E_TOO_LARGE, 413, "ERR_START_WORKFLOW" },
        { "POST", V "/a/raiseEvent/e", PAWL_E_BUSY, 429, "ERR_RAISE_EVENT_WORKFLOW" },
        { "POST", V "/N/start", PAWL_E_UNAVAILABLE, 503, "ERR_START_WORKFLOW" },
        { "POST", V "/N/start", PAWL_E_UNKNOWN, 503, "ERR_START_WORKFLOW" },
        { "GET", V "/a", PAWL_E_CORRUPT, 500, "ERR_GET_WORKFLOW" },
        { "GET", V, PAWL_E_UNAVAILABLE, 503, "ERR_LIST_WORKFLOWS" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        http_fake_set_error(fake, rows[i].err, "it says why, in words");
        check(fake, rows[i].method, rows[i].target, NULL, NULL, rows[i].status, rows[i].code);
    }
    http_fake_set_error(fake, PAWL_E_DUPLICATE, NULL);
    check(fake, "POST", V "/a/raiseEvent/e", "Idempotency-Key: k\r\n", NULL, 202, NULL);

    http_fake_set_error(fake, PAWL_E_BUSY, NULL);
    char *answer = http_client_do(fake->port, "POST", V "/a/raiseEvent/e", NULL, NULL);
    assert_non_null(strstr(answer, "Retry-After: 1\r\n"));
    assert_non_null(strstr(answer, pawl_err_text(PAWL_E_BUSY)));
    free(answer);
}

static void bad_input_is_answered_400_and_never_reaches_the_engine(void **state)
{
    struct http_fake *fake = *state;
    const struct {
        const char *method;
        const char *target;
        const char *code;
    } rows[] = {
        { "GET", V "/a%2", "ERR_MALFORMED_REQUEST" },
        { "GET", V "/a%zz", "ERR_MALFORMED_REQUEST" },
        { "GET", V "/%", "ERR_MALFORMED_REQUEST" },
        { "GET", V "/a?payloads=%4", "ERR_MALFORMED_REQUEST" },
        { "GET", V "/", "ERR_INSTANCE_ID_PROVIDED_MISSING" },
        { "GET", V "/a%00b", "ERR_INSTANCE_ID_INVALID" },
        { "GET", V "/a%0Ab", "ERR_INSTANCE_ID_INVALID" },
        { "GET", V "/%FF%FE", "ERR_INSTANCE_ID_INVALID" },
        { "GET", V "/%C0%AF", "ERR_INSTANCE_ID_INVALID" },
        { "POST", V "//start", "ERR_WORKFLOW_NAME_MISSING" },
        { "POST", V "/N/start?instanceID=", "ERR_INSTANCE_ID_PROVIDED_MISSING" },
        { "POST", V "/a/raiseEvent/", "ERR_WORKFLOW_EVENT_NAME_MISSING" },
        { "POST", V "/N/start?startTime=tomorrow", "ERR_MALFORMED_REQUEST" },
        { "POST", V "/N/start?startTime=2026-02-30T00:00:00Z", "ERR_MALFORMED_REQUEST" },
        { "POST", V "/N/start?reuse=maybe", "ERR_MALFORMED_REQUEST" },
        { "POST", V "/N/start?eventData=x", "ERR_MALFORMED_REQUEST" },
        { "POST", V "/a/rerun?eventID=x", "ERR_MALFORMED_REQUEST" },
        { "POST", V "/a/rerun?overwriteInput=true", "ERR_MALFORMED_REQUEST" },
        { "POST", V "/a/purge?recursiv=false", "ERR_MALFORMED_REQUEST" },
        { "POST", V "/a/purge?force=yes", "ERR_MALFORMED_REQUEST" },
        { "POST", V "/a/purge?force=true&force=false", "ERR_MALFORMED_REQUEST" },
        { "GET", V "?status=SLEEPING", "ERR_MALFORMED_REQUEST" },
        { "GET", V "?limit=1001", "ERR_MALFORMED_REQUEST" },
        { "GET", V "?limit=-1", "ERR_MALFORMED_REQUEST" },
        { "GET", V "?limit=99999999999999999999", "ERR_MALFORMED_REQUEST" },
        { "GET", V "?cursor=***", "ERR_MALFORMED_REQUEST" },
        { "GET", V "/a/history?limit=513", "ERR_MALFORMED_REQUEST" },
        { "GET", V "/a/history?from=x", "ERR_MALFORMED_REQUEST" },
        { "GET", V "/a/wait?timeout=5", "ERR_MALFORMED_REQUEST" },
        { "GET", V "/a/wait?timeout=2h", "ERR_MALFORMED_REQUEST" },
        { "GET", V "/a/wait?for=ever", "ERR_MALFORMED_REQUEST" },
        { "GET", V "/a?appID=", "ERR_WORKFLOW_APP_ID_INVALID" },
        { "GET", V "/a?appID=x%2Fshop", "ERR_WORKFLOW_APP_ID_INVALID" },
        { "GET", V "?1&2&3&4&5&6&7&8&9&a&b&c&d&e&f&g&h", "ERR_MALFORMED_REQUEST" },
        { "GET", "/v1.0/metadata?x=1", "ERR_MALFORMED_REQUEST" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check(fake, rows[i].method, rows[i].target, NULL, NULL, 400, rows[i].code);
    }
    char target[600];
    snprintf(target, sizeof target, V "/%0300d", 1);
    check(fake, "GET", target, NULL, NULL, 400, "ERR_INSTANCE_ID_TOO_LONG");
    snprintf(target, sizeof target, "Idempotency-Key: %0200d\r\n", 1);
    check(fake, "POST", V "/N/start", target, NULL, 400, "ERR_MALFORMED_REQUEST");
    assert_int_equal(fake->calls_total, 0);
}

static void unknown_routes_and_methods_say_what_is_there(void **state)
{
    struct http_fake *fake = *state;
    check(fake, "GET", "/", NULL, NULL, 404, "ERR_ROUTE_NOT_FOUND");
    check(fake, "GET", "/v2.0/workflows/dapr", NULL, NULL, 404, "ERR_ROUTE_NOT_FOUND");
    check(fake, "GET", "/v1.0/workflows", NULL, NULL, 404, "ERR_ROUTE_NOT_FOUND");
    check(fake, "GET", "/1/2/3/4/5/6/7/8/9/10", NULL, NULL, 404, "ERR_ROUTE_NOT_FOUND");
    check(fake, "POST", V "/a/explode", NULL, NULL, 404, "ERR_ROUTE_NOT_FOUND");
    check(fake, "GET", "/v1.0/state/store/key", NULL, NULL, 501, "ERR_API_UNIMPLEMENTED");
    check(fake, "DELETE", V "/a", NULL, NULL, 405, "ERR_METHOD_NOT_ALLOWED");
    char *answer = http_client_do(fake->port, "GET", V "/a/purge", NULL, NULL);
    assert_int_equal(http_answer_status(answer), 405);
    assert_non_null(strstr(answer, "Allow: POST\r\n"));
    free(answer);
    answer = http_client_do(fake->port, "POST", V "/a/history", NULL, NULL);
    assert_int_equal(http_answer_status(answer), 405);
    assert_non_null(strstr(answer, "Allow: GET, HEAD\r\n"));
    free(answer);
    answer = http_client_do(fake->port, "DELETE", V, NULL, NULL);
    assert_int_equal(http_answer_status(answer), 405);
    assert_non_null(strstr(answer, "Allow: GET, HEAD, POST\r\n"));
    free(answer);
}

static void pages_of_another_origin_may_read_but_not_change(void **state)
{
    struct http_fake *fake = *state;
    char own[64];
    snprintf(own, sizeof own, "Origin: http://localhost:%u\r\n", fake->port);
    check(fake, "POST", V "/a/purge", "Origin: http://evil.example\r\n", NULL, 403,
          "ERR_FOREIGN_ORIGIN");
    check(fake, "POST", V "/a/purge", "Origin: null\r\n", NULL, 403, "ERR_FOREIGN_ORIGIN");
    check(fake, "DELETE", V "/a", "Origin: http://evil.example\r\n", NULL, 403,
          "ERR_FOREIGN_ORIGIN");
    assert_int_equal(fake->calls_total, 0);
    check(fake, "POST", V "/a/purge", own, NULL, 202, NULL);
    check(fake, "GET", V "/a", "Origin: http://evil.example\r\n", NULL, 200, NULL);
}

static void with_a_token_only_health_is_open(void **state)
{
    (void)state;
    struct http_fake *fake = http_fake_open("s3cret");
    check(fake, "GET", "/v1.0/healthz", NULL, NULL, 204, NULL);
    check(fake, "GET", V "/a", NULL, NULL, 401, "ERR_UNAUTHORIZED");
    check(fake, "GET", "/metrics", NULL, NULL, 401, "ERR_UNAUTHORIZED");
    check(fake, "GET", "/v1.0/metadata", NULL, NULL, 401, "ERR_UNAUTHORIZED");
    check(fake, "GET", "/nowhere", NULL, NULL, 401, "ERR_UNAUTHORIZED");
    check(fake, "GET", V "/a", "dapr-api-token: s3cre\r\n", NULL, 401, "ERR_UNAUTHORIZED");
    check(fake, "GET", V "/a", "dapr-api-token: s3crets\r\n", NULL, 401, "ERR_UNAUTHORIZED");
    check(fake, "GET", V "/a", "Authorization: Basic s3cret\r\n", NULL, 401, "ERR_UNAUTHORIZED");
    assert_int_equal(fake->calls_total, 0);
    check(fake, "GET", V "/a", "dapr-api-token: s3cret\r\n", NULL, 200, NULL);
    check(fake, "GET", V "/a", "pawl-api-token: s3cret\r\n", NULL, 200, NULL);
    check(fake, "GET", V "/a", "Authorization: Bearer s3cret\r\n", NULL, 200, NULL);
    http_fake_close(fake);
}

static void health_metadata_and_metrics_tell_about_the_sidecar(void **state)
{
    struct http_fake *fake = *state;
    check(fake, "GET", "/v1.0/healthz", NULL, NULL, 204, NULL);
    check(fake, "GET", "/v1.0/healthz/outbound", NULL, NULL, 204, NULL);
    pthread_mutex_lock(&fake->lock);
    fake->info.ready = false;
    fake->info.not_ready = "the store does not answer";
    pthread_mutex_unlock(&fake->lock);
    check(fake, "GET", "/v1.0/healthz", NULL, NULL, 503, "ERR_HEALTH_NOT_READY");

    char *answer = http_client_do(fake->port, "GET", "/v1.0/metadata", NULL, NULL);
    json_t *json = body_json(answer);
    assert_string_equal(json_string_value(json_object_get(json, "id")), "orders");
    json_t *workflows = json_object_get(json, "workflows");
    assert_int_equal(json_integer_value(json_object_get(workflows, "connectedWorkers")), 0);
    json_decref(json);
    free(answer);

    answer = http_client_do(fake->port, "GET", "/metrics", NULL, NULL);
    assert_int_equal(http_answer_status(answer), 200);
    assert_non_null(strstr(answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert_non_null(strstr(answer, "\npawl_ready{app=\"orders\"} 0\n"));
    assert_non_null(strstr(answer, "route=\"healthz\",code=\"2xx\"} 2\n"));
    assert_non_null(strstr(answer, "\nprocess_resident_memory_bytes "));
    assert_non_null(strstr(answer, "\nprocess_open_fds "));
    free(answer);
}

static void a_body_at_the_limit_passes_and_one_byte_more_is_413(void **state)
{
    struct http_fake *fake = *state;
    char *body = malloc(PAWL_HTTP_BODY_SIZE_MAX + 2);
    memset(body, 'x', PAWL_HTTP_BODY_SIZE_MAX + 1);
    body[PAWL_HTTP_BODY_SIZE_MAX] = 0;
    check(fake, "POST", V "/N/start", NULL, body, 202, NULL);
    assert_int_equal(fake->calls_total, 1);
    body[PAWL_HTTP_BODY_SIZE_MAX] = 'x';
    body[PAWL_HTTP_BODY_SIZE_MAX + 1] = 0;
    check(fake, "POST", V "/N/start", NULL, body, 413, "ERR_BODY_TOO_LARGE");
    assert_int_equal(fake->calls_total, 1);
    free(body);
}

static void a_client_that_asks_first_is_refused_before_it_sends(void **state)
{
    struct http_fake *fake = *state;
    int fd = http_client_connect(fake->port);
    const char head[] = "POST " V "/N/start HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                        "Content-Length: 5000000\r\n\r\n";
    http_client_send(fd, head, sizeof head - 1);
    char *answer = http_client_drain(fd);
    assert_int_equal(http_answer_status(answer), 413);
    free(answer);

    fd = http_client_connect(fake->port);
    const char good[] = "POST " V "/N/start HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                        "Connection: close\r\nContent-Length: 2\r\n\r\n";
    http_client_send(fd, good, sizeof good - 1);
    char first[26] = { 0 };
    assert_int_equal(http_client_receive(fd, first, 25, MSG_WAITALL), 25);
    assert_string_equal(first, "HTTP/1.1 100 Continue\r\n\r\n");
    http_client_send(fd, "ok", 2);
    answer = http_client_drain(fd);
    assert_int_equal(http_answer_status(answer), 202);
    free(answer);
    char last[256];
    http_fake_last(fake, last, sizeof last);
    assert_string_equal(last, "start name=N payload=ok");
}

static void a_chunked_body_is_read_and_bounded(void **state)
{
    struct http_fake *fake = *state;
    const char head[] = "POST " V "/N/start HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                        "Transfer-Encoding: chunked\r\n\r\n";
    int fd = http_client_connect(fake->port);
    http_client_send(fd, head, sizeof head - 1);
    http_client_send(fd, "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n", 23);
    char *answer = http_client_drain(fd);
    assert_int_equal(http_answer_status(answer), 202);
    free(answer);
    char last[256];
    http_fake_last(fake, last, sizeof last);
    assert_string_equal(last, "start name=N payload=abcdefg");

    fd = http_client_connect(fake->port);
    http_client_send(fd, head, sizeof head - 1);
    char chunk[65536 + 9];
    memcpy(chunk, "10000\r\n", 7);
    memset(chunk + 7, 'y', 65536);
    memcpy(chunk + 7 + 65536, "\r\n", 2);
    for (int i = 0; i < 65; i++) http_client_send(fd, chunk, sizeof chunk);
    http_client_send(fd, "0\r\n\r\n", 5);
    answer = http_client_drain(fd);
    assert_int_equal(http_answer_status(answer), 413);
    free(answer);
    assert_int_equal(fake->calls_total, 1);
}

static void urls_and_headers_over_the_limit_are_refused(void **state)
{
    struct http_fake *fake = *state;
    char *target = malloc(70000);
    memset(target, 'a', 70000);
    memcpy(target, V "/", strlen(V) + 1);
    target[PAWL_HTTP_URL_SIZE_MAX + 1] = 0;
    check(fake, "GET", target, NULL, NULL, 414, "ERR_URL_TOO_LONG");
    target[PAWL_HTTP_URL_SIZE_MAX] = 0;
    check(fake, "GET", target, NULL, NULL, 400, "ERR_INSTANCE_ID_TOO_LONG");

    /* Beyond the memory of a connection the library answers by itself. */
    memset(target, 'a', 70000);
    memcpy(target, V "/", strlen(V) + 1);
    target[60000] = 0;
    char *answer = http_client_do(fake->port, "GET", target, NULL, NULL);
    assert_in_range(http_answer_status(answer), 400, 431);
    free(answer);
    memcpy(target, "X-Long: ", 8);
    memcpy(target + 59998, "\r\n", 3);
    answer = http_client_do(fake->port, "GET", V "/a", target, NULL);
    assert_in_range(http_answer_status(answer), 400, 431);
    free(answer);
    free(target);
    assert_int_equal(fake->calls_total, 0);
    check(fake, "GET", V "/a", NULL, NULL, 200, NULL);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct http_fake *fake = *state;
    const char two[] = "GET " V "/a HTTP/1.1\r\nHost: x\r\n\r\n"
                       "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
                       "HEAD " V "/a HTTP/1.1\r\nHost: x\r\n\r\n"
                       "GET /v1.0/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    int fd = http_client_connect(fake->port);
    http_client_send(fd, two, sizeof two - 1);
    char *answer = http_client_drain(fd);
    char *second = strstr(answer + 1, "HTTP/1.1 404");
    assert_int_equal(http_answer_status(answer), 200);
    assert_non_null(second);
    char *third = strstr(second + 1, "HTTP/1.1 200");
    assert_non_null(third);
    char *fourth = strstr(third + 1, "HTTP/1.1 204");
    assert_non_null(fourth);
    *fourth = 0;
    assert_string_equal(http_answer_body(third), ""); /* HEAD has none */
    assert_null(strstr(third, "Content-Length: 0\r\n"));
    free(answer);
}

static void a_client_that_leaves_while_it_waits_is_cancelled(void **state)
{
    struct http_fake *fake = *state;
    http_fake_set_hold(fake, true);
    const char wait[] = "GET " V "/a/wait?timeout=1h HTTP/1.1\r\nHost: x\r\n\r\n";
    const char get[] = "GET " V "/a HTTP/1.1\r\nHost: x\r\n\r\n";
    const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

    int fd = http_client_connect(fake->port);
    http_client_send(fd, wait, sizeof wait - 1);
    http_fake_await_calls(fake, 1);
    close(fd);
    http_fake_await_cancels(fake, 1);

    fd = http_client_connect(fake->port);
    http_client_send(fd, get, sizeof get - 1);
    http_fake_await_calls(fake, 2);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
    http_fake_await_cancels(fake, 2);

    http_fake_set_hold(fake, false);
    check(fake, "GET", V "/a", NULL, NULL, 200, NULL);
    assert_int_equal(fake->cancels_total, 2);
}

static void job_answer(struct http_fake *fake)
{
    for (uint32_t i = 0; i < HTTP_FAKE_CALLS_MAX; i++) {
        struct http_fake_call call = fake->calls[i];
        if (call.token == 0) continue;
        fake->calls[i] = (struct http_fake_call){ .token = 0 };
        call.on_answer(call.context, &fake->answer);
    }
}

static void a_client_that_only_stops_sending_still_gets_a_short_answer(void **state)
{
    struct http_fake *fake = *state;
    http_fake_set_hold(fake, true);
    const char get[] = "GET " V "/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    int fd = http_client_connect(fake->port);
    http_client_send(fd, get, sizeof get - 1);
    http_fake_await_calls(fake, 1);
    shutdown(fd, SHUT_WR);
    /* Two turns of the loop, so that it has seen the half-closed socket. */
    check(fake, "GET", "/v1.0/healthz", NULL, NULL, 204, NULL);
    check(fake, "GET", "/v1.0/healthz", NULL, NULL, 204, NULL);
    http_fake_run(fake, job_answer);
    char *answer = http_client_drain(fd);
    assert_int_equal(http_answer_status(answer), 200);
    assert_int_equal(fake->cancels_total, 0);
    free(answer);
}

static void a_request_that_can_never_become_whole_ends_soon(void **state)
{
    struct http_fake *fake = *state;
    const char *const halves[] = { "GET", "\r\n\r\n",
                                   "POST " V
                                   "/N/start HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nhalf",
                                   "\x16\x03\x01\x02", "GET * HTTP/1.1\r\nHost: x\r\n\r\n" };
    enum { COUNT = sizeof halves / sizeof halves[0] };
    int fds[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        fds[i] = http_client_connect(fake->port);
        http_client_send(fds[i], halves[i], strlen(halves[i]));
        shutdown(fds[i], SHUT_WR);
    }
    for (size_t i = 0; i < COUNT; i++) {
        char byte;
        ssize_t got;
        do {
            got = http_client_receive(fds[i], &byte, 1, 0);
        } while (got > 0);
        if (got < 0) fail_msg("half %zu was kept open", i); /* the timeout of the client */
        close(fds[i]);
    }
    assert_int_equal(fake->calls_total, 0);
}

static void fill_bodies(struct http_fake *fake)
{
    fake->http->bodies_size = PAWL_HTTP_BODIES_SIZE_MAX - 10;
}

static void empty_bodies(struct http_fake *fake)
{
    fake->http->bodies_size -= PAWL_HTTP_BODIES_SIZE_MAX - 10;
}

static void bodies_together_have_a_limit_too(void **state)
{
    struct http_fake *fake = *state;
    http_fake_run(fake, fill_bodies);
    check(fake, "POST", V "/N/start", NULL, "0123456789a", 503, "ERR_OVERLOADED");
    assert_int_equal(fake->calls_total, 0);
    check(fake, "POST", V "/N/start", NULL, "0123456789", 202, NULL);
    http_fake_run(fake, empty_bodies);
    check(fake, "POST", V "/N/start", NULL, "0123456789a", 202, NULL);
    assert_int_equal(fake->http->bodies_size, 0);
}

static void a_refused_body_is_not_read_for_ever(void **state)
{
    struct http_fake *fake = *state;
    const char chunked[] =
        "POST " V "/N/start HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        "8000000\r\n";
    size_t size = 1 << 20;
    char *block = calloc(1, size);
    int fd = http_client_connect(fake->port);
    http_client_send(fd, chunked, sizeof chunked - 1);
    for (size_t i = 0; i <= (PAWL_HTTP_BODY_SIZE_MAX + PAWL_HTTP_DRAIN_SIZE_MAX) / size; i++) {
        http_client_send(fd, block, size);
    }
    char *answer = http_client_drain(fd);
    assert_string_equal(answer, "");
    free(answer);
    free(block);

    fd = http_client_connect(fake->port);
    const char declared[] =
        "POST " V "/N/start HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n";
    http_client_send(fd, declared, sizeof declared - 1);
    answer = http_client_drain(fd);
    assert_int_equal(http_answer_status(answer), 413);
    free(answer);
    assert_int_equal(fake->calls_total, 0);
}

static const char get_health[] = "GET /v1.0/healthz HTTP/1.1\r\nHost: x\r\n\r\n";

/* As many as there may be. False when it took so long that the first ones may be taken for
 * idle before the test is over. */
static bool open_all(struct http_fake *fake, int *fds)
{
    char answer[13] = { 0 };
    uint64_t from_ms = uv_hrtime() / 1000000;
    for (uint32_t i = 0; i < PAWL_HTTP_CONNECTIONS_MAX; i++) {
        fds[i] = http_client_connect(fake->port);
        http_client_send(fds[i], get_health, sizeof get_health - 1);
        assert_int_equal(http_client_receive(fds[i], answer, 12, MSG_WAITALL), 12);
        assert_string_equal(answer, "HTTP/1.1 204");
    }
    return uv_hrtime() / 1000000 - from_ms < PAWL_HTTP_IDLE_MS / 2;
}

static void close_all(const int *fds)
{
    for (uint32_t i = 0; i < PAWL_HTTP_CONNECTIONS_MAX; i++) close(fds[i]);
}

static void connections_over_the_limit_wait_until_one_ends(void **state)
{
    struct http_fake *fake = *state;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < 2 * PAWL_HTTP_CONNECTIONS_MAX + 100) skip();

    static int fds[PAWL_HTTP_CONNECTIONS_MAX];
    char answer[13] = { 0 };
    while (!open_all(fake, fds)) close_all(fds);
    int late = http_client_connect(fake->port);
    http_client_send(late, get_health, sizeof get_health - 1);
    /* The front is alive and has had its chance to accept the late one. */
    http_client_send(fds[1], get_health, sizeof get_health - 1);
    char rest[4096];
    ssize_t size = 0;
    while (!memmem(rest, (size_t)size, "HTTP/1.1 204", 12)) {
        ssize_t got = http_client_receive(fds[1], rest + size, sizeof rest - (size_t)size, 0);
        assert_true(got > 0);
        size += got;
    }
    assert_int_equal(http_client_receive(late, answer, 1, MSG_DONTWAIT), -1);
    close(fds[0]);
    fds[0] = late;
    assert_int_equal(http_client_receive(late, answer, 12, MSG_WAITALL), 12);
    assert_string_equal(answer, "HTTP/1.1 204");
    close_all(fds);
}

static void many_clients_wait_at_once_and_all_are_answered(void **state)
{
    struct http_fake *fake = *state;
    enum { COUNT = 300 };
    int fds[COUNT];
    http_fake_set_hold(fake, true);
    const char get[] = "GET " V "/a/wait HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    for (int i = 0; i < COUNT; i++) {
        fds[i] = http_client_connect(fake->port);
        http_client_send(fds[i], get, sizeof get - 1);
    }
    http_fake_await_calls(fake, COUNT);
    http_fake_run(fake, job_answer);
    for (int i = 0; i < COUNT; i++) {
        char *answer = http_client_drain(fds[i]);
        assert_int_equal(http_answer_status(answer), 200);
        free(answer);
    }
}

static void garbage_does_not_disturb_the_server(void **state)
{
    struct http_fake *fake = *state;
    const char *const texts[] = {
        "",
        "\r\n\r\n\r\n",
        "GET",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST " V "/N/start HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nhalf",
        "POST " V "/N/start HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET http://other/ HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET " V "/a HTTP/9.9\r\n\r\n",
        ": : :\r\n",
        "GET " V "/\xff\xfe\x80 HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET " V "/a b c HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST " V "/N/start HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    };
    uint32_t random = 12345;
    for (int i = 0; i < 300; i++) {
        int fd = http_client_connect(fake->port);
        char noise[600];
        size_t count = sizeof texts / sizeof texts[0];
        if (i % 2) {
            const char *text = texts[(size_t)(i / 2) % count];
            http_client_send(fd, text, strlen(text));
        } else {
            for (size_t k = 0; k < sizeof noise; k++) {
                random = random * 1664525u + 1013904223u;
                noise[k] = (char)(random >> 24);
            }
            http_client_send(fd, noise, sizeof noise);
        }
        close(fd);
        if (i % 20 == 0) check(fake, "GET", V "/a", NULL, NULL, 200, NULL);
    }
}

static void *close_later(void *context)
{
    http_fake_close(context);
    return NULL;
}

static void closing_answers_what_waits_with_503(void **state)
{
    (void)state;
    struct http_fake *fake = http_fake_open(NULL);
    http_fake_set_hold(fake, true);
    const char wait[] = "GET " V "/a/wait HTTP/1.1\r\nHost: x\r\n\r\n";
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = http_client_connect(fake->port);
        http_client_send(fds[i], wait, sizeof wait - 1);
    }
    int half = http_client_connect(fake->port);
    http_client_send(half, wait, 20);
    http_fake_await_calls(fake, 3);
    pthread_t closer;
    assert_int_equal(pthread_create(&closer, NULL, close_later, fake), 0);
    for (int i = 0; i < 3; i++) {
        char *answer = http_client_drain(fds[i]);
        assert_int_equal(http_answer_status(answer), 503);
        assert_non_null(strstr(answer, "ERR_SHUTTING_DOWN"));
        free(answer);
    }
    pthread_join(closer, NULL);
    close(half);
}

static void opening_says_why_it_cannot_listen(void **state)
{
    struct http_fake *fake = *state;
    struct pawl_http *http = NULL;
    const char *message = NULL;
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct pawl_http_config config = { &loop, &fake->api, "127.0.0.1", fake->port, NULL };
    assert_int_equal(pawl_http_open(&config, &http, &message), PAWL_E_UNAVAILABLE);
    assert_non_null(strstr(message, "in use"));
    config.host = "localhost";
    assert_int_equal(pawl_http_open(&config, &http, &message), PAWL_E_INVALID);
    assert_non_null(strstr(message, "numeric"));
    config.host = "::1";
    config.port = 0;
    if (pawl_http_open(&config, &http, &message) == PAWL_OK) {
        assert_int_not_equal(pawl_http_port(http), 0);
        pawl_http_close(http);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
#define WITH_FAKE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_FAKE(every_route_reaches_the_engine_as_the_request_it_means),
        WITH_FAKE(an_id_is_decoded_exactly_once_and_may_hold_slashes),
        WITH_FAKE(the_idempotency_key_becomes_the_request_id),
        WITH_FAKE(a_state_has_the_shape_that_dapr_clients_expect),
        WITH_FAKE(history_and_list_are_json_with_a_way_to_go_on),
        WITH_FAKE(a_wait_whose_time_is_up_answers_202_with_the_state),
        WITH_FAKE(every_engine_error_has_its_status_and_its_code),
        WITH_FAKE(bad_input_is_answered_400_and_never_reaches_the_engine),
        WITH_FAKE(unknown_routes_and_methods_say_what_is_there),
        WITH_FAKE(pages_of_another_origin_may_read_but_not_change),
        cmocka_unit_test(with_a_token_only_health_is_open),
        WITH_FAKE(health_metadata_and_metrics_tell_about_the_sidecar),
        WITH_FAKE(a_body_at_the_limit_passes_and_one_byte_more_is_413),
        WITH_FAKE(a_client_that_asks_first_is_refused_before_it_sends),
        WITH_FAKE(a_chunked_body_is_read_and_bounded),
        WITH_FAKE(urls_and_headers_over_the_limit_are_refused),
        WITH_FAKE(pipelined_requests_are_answered_in_order),
        WITH_FAKE(a_client_that_leaves_while_it_waits_is_cancelled),
        WITH_FAKE(a_client_that_only_stops_sending_still_gets_a_short_answer),
        WITH_FAKE(a_request_that_can_never_become_whole_ends_soon),
        WITH_FAKE(bodies_together_have_a_limit_too),
        WITH_FAKE(a_refused_body_is_not_read_for_ever),
        WITH_FAKE(connections_over_the_limit_wait_until_one_ends),
        WITH_FAKE(many_clients_wait_at_once_and_all_are_answered),
        WITH_FAKE(garbage_does_not_disturb_the_server),
        cmocka_unit_test(closing_answers_what_waits_with_503),
        WITH_FAKE(opening_says_why_it_cannot_listen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
