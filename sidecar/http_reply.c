#include "sidecar/http_reply.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/json.h"
#include "base/json_member.h"
#include "sdk/export_write.h"
#include "sidecar/http_events.h"
#include "sidecar/http_json.h"
#include "sidecar/http_schedule.h"

#define TYPE_JSON "application/json"

void pawl_http_reply_init(struct pawl_http_reply *reply)
{
    *reply = (struct pawl_http_reply){ .status = 0 };
    pawl_buf_init(&reply->body, PAWL_HTTP_REPLY_SIZE_MAX);
}

void pawl_http_reply_deinit(struct pawl_http_reply *reply)
{
    pawl_buf_deinit(&reply->body);
}

void pawl_http_reply_problem(struct pawl_http_reply *reply, int status, const char *code,
                             struct pawl_bytes message)
{
    struct pawl_json json;
    pawl_buf_clear(&reply->body);
    pawl_json_init(&json, &reply->body);
    pawl_http_write_problem(&json, code, message);
    reply->status = status;
    reply->type = TYPE_JSON;
    /* Both mean "the same request may well succeed in a moment". */
    reply->retry_after_s = status == 429 || status == 503 ? 1 : 0;
}

int pawl_http_status_of(pawl_err err)
{
    switch (err) {
    case PAWL_OK:
    case PAWL_E_DUPLICATE: return 200;
    case PAWL_E_INVALID: return 400;
    case PAWL_E_DENIED: return 403;
    case PAWL_E_NOT_FOUND: return 404;
    case PAWL_E_EXISTS:
    case PAWL_E_TERMINAL:
    case PAWL_E_NOT_TERMINAL:
    case PAWL_E_STATE: return 409;
    case PAWL_E_TOO_LARGE: return 413;
    case PAWL_E_BUSY:
    case PAWL_E_LIMIT: return 429;
    case PAWL_E_NOMEM:
    case PAWL_E_UNAVAILABLE:
    case PAWL_E_CONFLICT:
    case PAWL_E_FENCED:
    case PAWL_E_CANCELLED:
    case PAWL_E_UNKNOWN: return 503;
    case PAWL_E_TIMEOUT: return 504;
    default: return 500;
    }
}

static const char *error_code_of(enum pawl_http_route route, pawl_err err)
{
    if (err == PAWL_E_NOT_FOUND) return "ERR_INSTANCE_ID_NOT_FOUND";
    if (err == PAWL_E_INVALID) return "ERR_MALFORMED_REQUEST";
    return pawl_http_route_error_code(route);
}

/* States ---------------------------------------------------------------------------- */

/* Dapr's map of strings. */
static void write_properties(struct pawl_json *json, const struct pawl_instance_state *state)
{
    pawl_json_key(json, "properties");
    pawl_json_object_begin(json);
    pawl_json_payload(json, "dapr.workflow.input", state->input);
    pawl_json_payload(json, "dapr.workflow.output", state->output);
    pawl_json_payload(json, "dapr.workflow.custom_status", state->custom_status);
    if (state->failure.present) {
        pawl_json_member_text(json, "dapr.workflow.failure.error_type", state->failure.type);
        pawl_json_member_text(json, "dapr.workflow.failure.error_message", state->failure.message);
        pawl_json_payload(json, "dapr.workflow.failure.stack_trace", state->failure.details);
    }
    pawl_json_object_end(json);
}

void pawl_http_state_write(struct pawl_json *json, const struct pawl_instance_state *state)
{
    pawl_json_object_begin(json);
    pawl_json_key(json, "instanceID");
    pawl_json_text(json, state->instance);
    pawl_json_key(json, "workflowName");
    pawl_json_text(json, state->name);
    pawl_json_member_text(json, "version", state->version);
    pawl_json_member_time(json, "createdAt", state->created_ms);
    pawl_json_member_time(json, "startedAt", state->started_ms);
    pawl_json_member_time(json, "lastUpdatedAt", state->updated_ms);
    pawl_json_member_time(json, "completedAt", state->completed_ms);
    const char *status = pawl_status_name((int)state->status);
    pawl_json_key(json, "runtimeStatus");
    pawl_json_str(json, status ? status : "UNKNOWN");
    pawl_json_key(json, "generation");
    pawl_json_uint(json, state->gen);
    pawl_json_key(json, "historyCount");
    pawl_json_uint(json, state->history_count);
    pawl_export_write_tags(json, state->tags);
    pawl_json_member_text(json, "parentInstanceID", state->parent_instance);
    pawl_json_member_text(json, "parentAppID", state->parent_app);
    pawl_json_member_text(json, "waitingFor", state->waiting_for);
    write_properties(json, state);
    pawl_json_object_end(json);
}

static void write_cursor(struct pawl_json *json, struct pawl_bytes cursor)
{
    if (pawl_bytes_is_absent(cursor)) return;
    pawl_json_key(json, "cursor");
    pawl_buf_append(json->buf, "\"", 1);
    pawl_base64_encode(json->buf, cursor, true);
    pawl_buf_append(json->buf, "\"", 1);
    json->comma = true;
}

/* Statuses that nothing has are left out. */
static void write_count(struct pawl_json *json, const struct pawl_answer *answer)
{
    uint64_t total = 0;
    pawl_json_object_begin(json);
    pawl_json_key(json, "byStatus");
    pawl_json_object_begin(json);
    for (int i = 0; i < PAWL_STATUS_COUNT; i++) {
        total += answer->counts[i];
        if (answer->counts[i] == 0) continue;
        pawl_json_key(json, pawl_status_name(i));
        pawl_json_uint(json, answer->counts[i]);
    }
    pawl_json_object_end(json);
    pawl_json_key(json, "count");
    pawl_json_uint(json, total);
    pawl_json_object_end(json);
}

static void write_batch(struct pawl_json *json, const struct pawl_answer *answer)
{
    pawl_json_object_begin(json);
    pawl_json_key(json, "matched");
    pawl_json_uint(json, answer->batch.matched);
    pawl_json_key(json, "done");
    pawl_json_uint(json, answer->batch.done);
    pawl_json_key(json, "failed");
    pawl_json_uint(json, answer->batch.failed);
    if (answer->message.size) pawl_json_member_text(json, "failure", answer->message);
    write_cursor(json, answer->cursor);
    pawl_json_object_end(json);
}

static void write_list(struct pawl_json *json, const char *key, const struct pawl_answer *answer)
{
    bool is_schedules = strcmp(key, "schedules") == 0;
    pawl_json_object_begin(json);
    pawl_json_key(json, key);
    pawl_json_array_begin(json);
    for (uint32_t i = 0; i < answer->states_count; i++) {
        if (is_schedules)
            pawl_http_schedule_write(json, &answer->states[i]);
        else
            pawl_http_state_write(json, &answer->states[i]);
    }
    pawl_json_array_end(json);
    write_cursor(json, answer->cursor);
    pawl_json_object_end(json);
}

static void write_history(struct pawl_json *json, const struct pawl_request *request,
                          const struct pawl_answer *answer)
{
    PAWL_ASSERT(answer->states_count == 1);
    uint32_t count = pawl_export_history_count(request, answer);
    pawl_json_object_begin(json);
    pawl_export_write_head(json, request->instance, answer->states);
    pawl_json_key(json, "total");
    pawl_json_uint(json, answer->events_total);
    pawl_export_write_events(json, "events", request->from, answer->events, count);
    if (request->with_payloads)
        pawl_export_write_events(json, "waiting", 0, answer->events + count,
                                 answer->events_count - count);
    uint64_t next = (uint64_t)request->from + count;
    if (next < answer->events_total && count > 0) {
        pawl_json_key(json, "next");
        pawl_json_uint(json, next);
    }
    pawl_json_object_end(json);
}

static void write_instance(struct pawl_json *json, struct pawl_bytes instance)
{
    pawl_json_object_begin(json);
    pawl_json_key(json, "instanceID");
    pawl_json_text(json, instance);
    pawl_json_object_end(json);
}

/* Answers ---------------------------------------------------------------------------- */

static void reply_success(struct pawl_http_reply *reply, enum pawl_http_route route,
                          const struct pawl_request *request, const struct pawl_answer *answer)
{
    struct pawl_json json;
    pawl_buf_clear(&reply->body);
    pawl_json_init(&json, &reply->body);
    reply->status = 200;
    reply->type = TYPE_JSON;
    switch (route) {
    case PAWL_HTTP_ROUTE_WATCH:
    case PAWL_HTTP_ROUTE_WATCH_ALL:
        reply->type = "text/event-stream";
        pawl_http_events_write(&reply->body, request, pawl_bytes_is_absent(request->cursor),
                               answer);
        break;
    case PAWL_HTTP_ROUTE_SCHEDULE_CREATE:
        reply->status = 202;
        pawl_http_schedule_write_id(&json, request->instance);
        break;
    case PAWL_HTTP_ROUTE_SCHEDULE_GET:
        PAWL_ASSERT(answer->states_count == 1);
        pawl_http_schedule_write(&json, answer->states);
        break;
    case PAWL_HTTP_ROUTE_SCHEDULE_LIST: write_list(&json, "schedules", answer); break;
    case PAWL_HTTP_ROUTE_START:
    case PAWL_HTTP_ROUTE_RERUN:
    case PAWL_HTTP_ROUTE_RESTART:
    case PAWL_HTTP_ROUTE_IMPORT:
        reply->status = 202;
        write_instance(&json, answer->instance);
        break;
    case PAWL_HTTP_ROUTE_WAIT:
        reply->status = answer->reached ? 200 : 202;
        PAWL_ASSERT(answer->states_count == 1);
        pawl_http_state_write(&json, answer->states);
        break;
    case PAWL_HTTP_ROUTE_GET:
        PAWL_ASSERT(answer->states_count == 1);
        pawl_http_state_write(&json, answer->states);
        break;
    case PAWL_HTTP_ROUTE_LIST:
        if (request->op == PAWL_REQUEST_COUNT)
            write_count(&json, answer);
        else
            write_list(&json, "workflows", answer);
        break;
    case PAWL_HTTP_ROUTE_BATCH: write_batch(&json, answer); break;
    case PAWL_HTTP_ROUTE_HISTORY: write_history(&json, request, answer); break;
    default:
        reply->status = 202;
        pawl_json_object_begin(&json);
        pawl_json_object_end(&json);
    }
}

void pawl_http_reply_answer(struct pawl_http_reply *reply, enum pawl_http_route route,
                            const struct pawl_request *request, const struct pawl_answer *answer)
{
    /* DUPLICATE: the first of two equal requests has done it, which is what an
     * idempotency key asks for. */
    if (answer->err != PAWL_OK && answer->err != PAWL_E_DUPLICATE) {
        struct pawl_bytes message = answer->message;
        if (message.size == 0) message = pawl_bytes_str(pawl_err_text(answer->err));
        if (pawl_http_route_is_schedule(route)
            && pawl_http_schedule_problem(reply, route, request, answer->err))
            return;
        pawl_http_reply_problem(reply, pawl_http_status_of(answer->err),
                                error_code_of(route, answer->err), message);
        return;
    }
    reply_success(reply, route, request, answer);
    if (reply->body.bad == PAWL_OK) return;
    pawl_http_reply_problem(reply, 500, pawl_http_route_error_code(route),
                            PAWL_BYTES_LITERAL("the answer is larger than one HTTP answer may be: "
                                               "ask for fewer with limit=, or without payloads"));
}
