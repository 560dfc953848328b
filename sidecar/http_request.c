#include "sidecar/http_request.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/tags.h"
#include "base/timetext.h"
#include "sdk/schedule.h"
#include "sidecar/import_request.h"

/* What a build works on. The first problem stays. */
struct build {
    const struct pawl_http_input *input;
    struct pawl_arena *arena;
    struct pawl_request *request;
    struct pawl_http_problem problem; /* status 0: none yet */
};

static void build_fail(struct build *build, int status, const char *code, struct pawl_bytes message)
{
    if (build->problem.status != 0) return;
    build->problem = (struct pawl_http_problem){ status, code, message };
}

static void build_malformed(struct build *build, const char *name, struct pawl_bytes value,
                            const char *want)
{
    build_fail(build, 400, "ERR_MALFORMED_REQUEST",
               pawl_arena_printf(build->arena, "query parameter %s=%.*s: %s", name,
                                 (int)(value.size < 64 ? value.size : 64), value.data, want));
}

/* Query parameters ----------------------------------------------------------------- */

static struct pawl_bytes param(const struct build *build, const char *name)
{
    return pawl_http_url_param(build->input->url, name);
}

/* As param, but an empty value counts as absent too. */
static struct pawl_bytes param_text(const struct build *build, const char *name)
{
    struct pawl_bytes value = param(build, name);
    return value.size > 0 ? value : PAWL_BYTES_ABSENT;
}

static bool param_bool(struct build *build, const char *name, bool fallback)
{
    struct pawl_bytes value = param(build, name);
    if (pawl_bytes_is_absent(value)) return fallback;
    if (value.size == 0 || pawl_bytes_is_str(value, "true") || pawl_bytes_is_str(value, "1")) {
        return true;
    }
    if (pawl_bytes_is_str(value, "false") || pawl_bytes_is_str(value, "0")) return false;
    build_malformed(build, name, value, "write true or false");
    return fallback;
}

static uint32_t param_uint(struct build *build, const char *name, uint32_t value_min,
                           uint32_t value_max)
{
    struct pawl_bytes text = param(build, name);
    if (pawl_bytes_is_absent(text)) return 0;
    uint64_t value = 0;
    bool good = text.size > 0 && text.size <= 10;
    for (size_t i = 0; good && i < text.size; i++) {
        good = text.data[i] >= '0' && text.data[i] <= '9';
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    if (good && value >= value_min && value <= value_max) return (uint32_t)value;
    build_malformed(build, name, text,
                    (const char *)pawl_arena_printf(
                        build->arena, "write a whole number from %u to %u", value_min, value_max)
                        .data);
    return 0;
}

static int64_t param_time(struct build *build, const char *name)
{
    struct pawl_bytes value = param(build, name);
    int64_t time_ms = 0;
    if (pawl_bytes_is_absent(value)) return 0;
    if (pawl_timetext_parse(value, &time_ms)) return time_ms;
    build_malformed(build, name, value,
                    "write an RFC 3339 time such as 2026-08-21T10:00:00Z (a '+' in a URL must be "
                    "written %2B)");
    return 0;
}

static int64_t param_duration(struct build *build, const char *name, int64_t fallback)
{
    struct pawl_bytes value = param(build, name);
    int64_t ms = 0;
    if (pawl_bytes_is_absent(value)) return fallback;
    if (pawl_timetext_parse_duration(value, &ms) && ms <= (int64_t)PAWL_WAIT_MS_MAX) return ms;
    build_malformed(build, name, value, "write a duration such as 500ms, 30s or 5m, at most 1h");
    return fallback;
}

static uint32_t param_status_mask(struct build *build)
{
    struct pawl_bytes rest = param(build, "status");
    uint32_t mask = 0;
    while (rest.size > 0) {
        const uint8_t *comma = memchr(rest.data, ',', rest.size);
        size_t size = comma ? (size_t)(comma - rest.data) : rest.size;
        enum pawl_status status;
        if (!pawl_status_parse(pawl_bytes_make(rest.data, size), &status)) {
            build_malformed(build, "status", param(build, "status"),
                            "write status names separated by commas, such as RUNNING,FAILED");
            return 0;
        }
        mask |= 1u << status;
        size_t skip = comma ? size + 1 : size;
        rest = pawl_bytes_make(rest.data + skip, rest.size - skip);
    }
    return mask;
}

/* "tag=team=blue", as often as there are tags. */
static struct pawl_bytes param_tags(struct build *build)
{
    const struct pawl_http_url *url = build->input->url;
    struct pawl_tags tags = { .count = 0 };
    for (uint32_t i = 0; i < url->params_count; i++) {
        if (!pawl_bytes_is_str(url->params[i].name, "tag")) continue;
        const char *wrong = pawl_tags_add_text(&tags, url->params[i].value);
        if (wrong) build_malformed(build, "tag", url->params[i].value, wrong);
    }
    return pawl_tags_pack(build->arena, &tags);
}

static enum pawl_list_order param_order(struct build *build)
{
    struct pawl_bytes value = param(build, "order");
    if (pawl_bytes_is_absent(value)) return PAWL_LIST_DEFAULT;
    if (pawl_bytes_is_str(value, "created")) return PAWL_LIST_CREATED;
    if (pawl_bytes_is_str(value, "completed")) return PAWL_LIST_COMPLETED;
    if (pawl_bytes_is_str(value, "id")) return PAWL_LIST_ID;
    build_malformed(build, "order", value, "write created, completed or id");
    return PAWL_LIST_DEFAULT;
}

static enum pawl_request_op param_operation(struct build *build)
{
    static const enum pawl_request_op operations[] = { PAWL_REQUEST_TERMINATE, PAWL_REQUEST_SUSPEND,
                                                       PAWL_REQUEST_RESUME, PAWL_REQUEST_PURGE,
                                                       PAWL_REQUEST_RAISE };
    struct pawl_bytes value = param(build, "operation");
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
        if (pawl_bytes_is_str(value, pawl_request_op_name((int)operations[i])))
            return operations[i];
    build_malformed(build, "operation", value,
                    "write terminate, suspend, resume, purge or raise-event");
    return PAWL_REQUEST_TERMINATE;
}

static struct pawl_bytes param_cursor(struct build *build)
{
    struct pawl_bytes text = param_text(build, "cursor");
    if (pawl_bytes_is_absent(text)) return text;
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_HTTP_URL_SIZE_MAX);
    struct pawl_bytes cursor = PAWL_BYTES_ABSENT;
    if (pawl_base64_decode(&buf, text, true) && buf.bad == PAWL_OK) {
        cursor = pawl_arena_copy(build->arena, pawl_buf_view(&buf));
    } else {
        build_malformed(build, "cursor", text, "use the cursor of the previous answer as it is");
    }
    pawl_buf_deinit(&buf);
    return cursor;
}

static enum pawl_reuse param_reuse(struct build *build)
{
    struct pawl_bytes value = param(build, "reuse");
    if (pawl_bytes_is_absent(value) || pawl_bytes_is_str(value, "terminal")) {
        return PAWL_REUSE_TERMINAL;
    }
    if (pawl_bytes_is_str(value, "refuse")) return PAWL_REUSE_REFUSE;
    if (pawl_bytes_is_str(value, "return")) return PAWL_REUSE_RETURN;
    if (pawl_bytes_is_str(value, "terminate")) return PAWL_REUSE_TERMINATE;
    build_malformed(build, "reuse", value, "write terminal, refuse, return or terminate");
    return PAWL_REUSE_TERMINAL;
}

static enum pawl_wait_for param_wait_for(struct build *build)
{
    struct pawl_bytes value = param(build, "for");
    if (pawl_bytes_is_absent(value) || pawl_bytes_is_str(value, "completed")) {
        return PAWL_WAIT_COMPLETED;
    }
    if (pawl_bytes_is_str(value, "started")) return PAWL_WAIT_STARTED;
    build_malformed(build, "for", value, "write started or completed");
    return PAWL_WAIT_COMPLETED;
}

/* As long as any, but of no sense when it is longer than this. */
static int64_t param_long_duration(struct build *build, const char *name)
{
    struct pawl_bytes value = param(build, name);
    int64_t ms = 0;
    if (pawl_bytes_is_absent(value)) return 0;
    if (pawl_timetext_parse_duration(value, &ms) && ms <= PAWL_SCHEDULE_DURATION_MS_MAX) return ms;
    build_malformed(build, name, value, "write a duration such as 30s, 5m, 1h30m or 7d");
    return 0;
}

static enum pawl_overlap_policy param_overlap(struct build *build)
{
    struct pawl_bytes value = param(build, "overlap");
    enum pawl_overlap_policy policy = PAWL_OVERLAP_SKIP;
    if (!pawl_bytes_is_absent(value) && !pawl_overlap_parse(value, &policy))
        build_malformed(build, "overlap", value, "write skip, allow, buffer or terminate");
    return policy;
}

/* Names ---------------------------------------------------------------------------- */

/* Our ids may hold any character but controls; Dapr allows letters, digits, _ and -,
 * so every id of its clients is one of ours. */
static void check_instance(struct build *build, struct pawl_bytes id)
{
    if (id.size == 0) {
        build_fail(build, 400, "ERR_INSTANCE_ID_PROVIDED_MISSING",
                   PAWL_BYTES_LITERAL("the workflow instance id is empty"));
    } else if (id.size > PAWL_INSTANCE_ID_SIZE_MAX) {
        build_fail(build, 400, "ERR_INSTANCE_ID_TOO_LONG",
                   pawl_arena_printf(build->arena,
                                     "the workflow instance id has %zu bytes, at most %u are "
                                     "allowed",
                                     id.size, PAWL_INSTANCE_ID_SIZE_MAX));
    } else if (!pawl_name_is_valid(id, PAWL_INSTANCE_ID_SIZE_MAX)) {
        build_fail(build, 400, "ERR_INSTANCE_ID_INVALID",
                   PAWL_BYTES_LITERAL("the workflow instance id must be UTF-8 text without control "
                                      "characters"));
    }
}

static void check_name(struct build *build, const char *code, const char *what)
{
    struct pawl_bytes name = build->input->match->name;
    if (pawl_name_is_valid(name, PAWL_NAME_SIZE_MAX)) return;
    build_fail(build, 400, code,
               pawl_arena_printf(build->arena,
                                 "the %s name %s: it must be 1 to %u bytes of UTF-8 text without "
                                 "control characters",
                                 what, name.size == 0 ? "is missing" : "is not valid",
                                 PAWL_NAME_SIZE_MAX));
}

/* Another app of the namespace; the engine finds it. */
static struct pawl_bytes param_app(struct build *build)
{
    struct pawl_bytes app = param(build, "appID");
    if (pawl_bytes_is_absent(app) || pawl_bytes_is_equal(app, build->input->app))
        return PAWL_BYTES_ABSENT;
    if (!pawl_app_id_is_valid(app))
        build_fail(build, 400, "ERR_WORKFLOW_APP_ID_INVALID",
                   pawl_arena_printf(build->arena,
                                     "query parameter \"appID\" is no app id: 1 to %u letters, "
                                     "digits, - _ and dots are allowed (an app of another "
                                     "namespace cannot be named)",
                                     PAWL_APP_ID_SIZE_MAX));
    return app;
}

/* One function per route ------------------------------------------------------------ */

/* A body, or the query parameter that may stand for it. */
static struct pawl_bytes body_or_param(const struct build *build, const char *name)
{
    if (build->input->body.size > 0) return build->input->body;
    return name ? param_text(build, name) : PAWL_BYTES_ABSENT;
}

static void build_start(struct build *build)
{
    struct pawl_request *request = build->request;
    check_name(build, "ERR_WORKFLOW_NAME_MISSING", "workflow");
    request->name = build->input->match->name;
    request->instance = param(build, "instanceID");
    if (!pawl_bytes_is_absent(request->instance)) check_instance(build, request->instance);
    request->version = param_text(build, "version");
    request->start_at_ms = param_time(build, "startTime");
    request->reuse = param_reuse(build);
    request->tags = param_tags(build);
    request->event_name = param_text(build, "event");
    request->event_data = param_text(build, "eventData");
    request->request_id = build->input->idempotency_key;
    request->payload = body_or_param(build, NULL);
}

static void build_raise(struct build *build)
{
    check_name(build, "ERR_WORKFLOW_EVENT_NAME_MISSING", "event");
    build->request->name = build->input->match->name;
    build->request->request_id = build->input->idempotency_key;
    build->request->payload = body_or_param(build, NULL);
}

static void build_schedule_create(struct build *build)
{
    struct pawl_schedule_spec spec = {
        .workflow = param_text(build, "workflow"),
        .version = param_text(build, "version"),
        .input = body_or_param(build, NULL),
        .cron = param_text(build, "cron"),
        .timezone = param_text(build, "timezone"),
        .every_ms = param_long_duration(build, "every"),
        .offset_ms = param_long_duration(build, "offset"),
        .overlap = param_overlap(build),
        .catch_up_ms = param_long_duration(build, "catchUp"),
        .from_ms = param_time(build, "startTime"),
        .until_ms = param_time(build, "endTime"),
        .paused = param_bool(build, "paused", false),
    };
    struct pawl_request *request = build->request;
    request->name = PAWL_BYTES_LITERAL(PAWL_SCHEDULE_NAME);
    request->payload = pawl_schedule_spec_pack(build->arena, &spec);
    request->reuse = PAWL_REUSE_TERMINAL;
    request->request_id = build->input->idempotency_key;
}

/* What is done to schedules are events. */
static void build_schedule_event(struct build *build, const char *event)
{
    build->request->name = pawl_bytes_str(event);
    build->request->request_id = build->input->idempotency_key;
}

static void build_schedule_list(struct build *build)
{
    struct pawl_bytes prefix = param(build, "prefix");
    build->request->name = PAWL_BYTES_LITERAL(PAWL_SCHEDULE_NAME);
    build->request->prefix = pawl_schedule_instance(build->arena, prefix);
    build->request->limit = param_uint(build, "limit", 1, PAWL_QUERY_ITEMS_MAX);
    build->request->cursor = param_cursor(build);
}

static void check_schedule(struct build *build, struct pawl_bytes id)
{
    if (pawl_name_is_valid(id, PAWL_SCHEDULE_ID_SIZE_MAX)) return;
    build_fail(build, 400, "ERR_SCHEDULE_ID_INVALID",
               pawl_arena_printf(build->arena,
                                 "the schedule id %s: it must be 1 to %u bytes of UTF-8 text "
                                 "without control characters",
                                 id.size == 0                          ? "is missing"
                                 : id.size > PAWL_SCHEDULE_ID_SIZE_MAX ? "is too long"
                                                                       : "is not valid",
                                 PAWL_SCHEDULE_ID_SIZE_MAX));
}

static void build_filter(struct build *build)
{
    struct pawl_request *request = build->request;
    request->status_mask = param_status_mask(build);
    request->name = param_text(build, "name");
    request->prefix = param_text(build, "prefix");
    request->tags = param_tags(build);
    request->created_from_ms = param_time(build, "createdFrom");
    request->created_to_ms = param_time(build, "createdTo");
    request->completed_from_ms = param_time(build, "completedFrom");
    request->completed_to_ms = param_time(build, "completedTo");
    request->updated_from_ms = param_time(build, "updatedFrom");
    request->updated_to_ms = param_time(build, "updatedTo");
    request->limit = param_uint(build, "limit", 1, PAWL_QUERY_ITEMS_MAX);
    request->cursor = param_cursor(build);
}

static void build_list(struct build *build)
{
    build_filter(build);
    build->request->order = param_order(build);
    if (param_bool(build, "count", false)) build->request->op = PAWL_REQUEST_COUNT;
}

static void build_batch(struct build *build)
{
    struct pawl_request *request = build->request;
    build_filter(build);
    request->batch_op = param_operation(build);
    request->all = param_bool(build, "all", false);
    request->force = param_bool(build, "force", false);
    request->recursive = param_bool(build, "recursive", true);
    request->request_id = build->input->idempotency_key;
    switch (request->batch_op) {
    case PAWL_REQUEST_RAISE:
        request->event_name = param_text(build, "event");
        request->event_data = body_or_param(build, NULL);
        break;
    case PAWL_REQUEST_TERMINATE: request->payload = body_or_param(build, "output"); break;
    case PAWL_REQUEST_SUSPEND:
    case PAWL_REQUEST_RESUME: request->payload = body_or_param(build, "reason"); break;
    default: break;
    }
}

static void build_wait(struct build *build)
{
    build->request->wait_for = param_wait_for(build);
    build->request->timeout_ms = param_duration(build, "timeout", 30000);
    build->request->with_payloads = param_bool(build, "payloads", true);
}

/* A browser that connects again repeats the URL, and says in the header how far it got. */
static void build_watch(struct build *build)
{
    struct pawl_request *request = build->request;
    request->status_mask = param_status_mask(build);
    request->name = param_text(build, "name");
    request->cursor = param_text(build, "from");
    if (build->input->last_event_id.size) request->cursor = build->input->last_event_id;
    request->timeout_ms = PAWL_HTTP_EVENTS_BEAT_MS;
}

static void build_new_instance(struct build *build)
{
    build->request->new_instance = param(build, "newInstanceID");
    if (!pawl_bytes_is_absent(build->request->new_instance)) {
        check_instance(build, build->request->new_instance);
    }
}

static void build_restart(struct build *build)
{
    build_new_instance(build);
    build->request->request_id = build->input->idempotency_key;
}

static void build_rewind(struct build *build)
{
    build->request->request_id = build->input->idempotency_key;
    build->request->payload = body_or_param(build, "reason");
}

static void build_import(struct build *build)
{
    struct pawl_bytes message = PAWL_BYTES_ABSENT;
    build->request->request_id = build->input->idempotency_key;
    if (build->problem.status != 0) return;
    pawl_err err =
        pawl_import_request_fill(build->input->body, build->arena, build->request, &message);
    if (err != PAWL_OK)
        build_fail(build, err == PAWL_E_TOO_LARGE ? 413 : 400, "ERR_MALFORMED_REQUEST", message);
}

static void build_rerun(struct build *build)
{
    build_new_instance(build);
    build->request->payload = body_or_param(build, NULL);
    build->request->has_event = !pawl_bytes_is_absent(param(build, "eventID"));
    build->request->event_id = param_uint(build, "eventID", 0, INT32_MAX);
    build->request->overwrite =
        param_bool(build, "overwriteInput", build->request->has_event && build->input->body.size);
    build->request->new_child = param_text(build, "newChildInstanceID");
}

static void build_route(struct build *build)
{
    struct pawl_request *request = build->request;
    switch (build->input->match->route) {
    case PAWL_HTTP_ROUTE_START: build_start(build); break;
    case PAWL_HTTP_ROUTE_GET: request->with_payloads = param_bool(build, "payloads", true); break;
    case PAWL_HTTP_ROUTE_RAISE: build_raise(build); break;
    case PAWL_HTTP_ROUTE_SUSPEND:
    case PAWL_HTTP_ROUTE_RESUME: request->payload = body_or_param(build, "reason"); break;
    case PAWL_HTTP_ROUTE_TERMINATE:
        request->payload = body_or_param(build, "output");
        request->recursive = param_bool(build, "recursive", true);
        break;
    case PAWL_HTTP_ROUTE_PURGE:
        request->force = param_bool(build, "force", false);
        request->recursive = param_bool(build, "recursive", true);
        break;
    case PAWL_HTTP_ROUTE_LIST: build_list(build); break;
    case PAWL_HTTP_ROUTE_BATCH: build_batch(build); break;
    case PAWL_HTTP_ROUTE_HISTORY:
        request->from = param_uint(build, "from", 0, UINT32_MAX);
        request->limit = param_uint(build, "limit", 1, PAWL_LOAD_HISTORY_MAX);
        request->with_payloads = param_bool(build, "waiting", false);
        break;
    case PAWL_HTTP_ROUTE_WATCH:
    case PAWL_HTTP_ROUTE_WATCH_ALL: build_watch(build); break;
    case PAWL_HTTP_ROUTE_WAIT: build_wait(build); break;
    case PAWL_HTTP_ROUTE_RERUN: build_rerun(build); break;
    case PAWL_HTTP_ROUTE_RESTART: build_restart(build); break;
    case PAWL_HTTP_ROUTE_REWIND: build_rewind(build); break;
    case PAWL_HTTP_ROUTE_IMPORT: build_import(build); break;
    case PAWL_HTTP_ROUTE_SCHEDULE_CREATE: build_schedule_create(build); break;
    case PAWL_HTTP_ROUTE_SCHEDULE_LIST: build_schedule_list(build); break;
    case PAWL_HTTP_ROUTE_SCHEDULE_GET: request->with_payloads = true; break;
    case PAWL_HTTP_ROUTE_SCHEDULE_PAUSE:
        build_schedule_event(build, PAWL_SCHEDULE_PAUSE);
        request->payload = body_or_param(build, "reason");
        break;
    case PAWL_HTTP_ROUTE_SCHEDULE_RESUME: build_schedule_event(build, PAWL_SCHEDULE_RESUME); break;
    case PAWL_HTTP_ROUTE_SCHEDULE_TRIGGER:
        build_schedule_event(build, PAWL_SCHEDULE_TRIGGER);
        break;
    case PAWL_HTTP_ROUTE_SCHEDULE_DELETE: request->force = true; break;
    default: PAWL_UNREACHABLE("a route without an operation");
    }
}

/* The engine's own check has the last word; what it names is said in its words. */
static void build_check(struct build *build)
{
    struct pawl_bytes message = PAWL_BYTES_ABSENT;
    pawl_err err = pawl_request_check(build->request, build->arena, &message);
    if (err == PAWL_OK) return;
    build_fail(build, err == PAWL_E_TOO_LARGE ? 413 : 400, "ERR_MALFORMED_REQUEST", message);
}

bool pawl_http_request_check_params(enum pawl_http_route route, const struct pawl_http_url *url,
                                    struct pawl_arena *arena, struct pawl_http_problem *ret_problem)
{
    const char *known = pawl_http_route_params(route);
    for (uint32_t i = 0; i < url->params_count; i++) {
        struct pawl_bytes name = url->params[i].name;
        bool found = false;
        for (const char *word = known; *word && !found;) {
            size_t size = strcspn(word, " ");
            found = pawl_bytes_is_equal(name, pawl_bytes_make(word, size));
            word += size + (word[size] == ' ' ? 1 : 0);
        }
        bool twice = false;
        for (uint32_t k = 0; k < i && !pawl_bytes_is_str(name, "tag"); k++) {
            if (pawl_bytes_is_equal(url->params[k].name, name)) twice = true;
        }
        if (found && !twice) continue;
        *ret_problem = (struct pawl_http_problem){
            400, "ERR_MALFORMED_REQUEST",
            pawl_arena_printf(arena, "query parameter \"%.*s\" %s; this route takes: %s",
                              (int)(name.size < 64 ? name.size : 64), name.data,
                              twice ? "is given twice" : "is not known", known[0] ? known : "none")
        };
        return false;
    }
    return true;
}

bool pawl_http_request_build(const struct pawl_http_input *input, struct pawl_arena *arena,
                             struct pawl_request *ret_request,
                             struct pawl_http_problem *ret_problem)
{
    PAWL_ASSERT(input->match->miss == PAWL_HTTP_FOUND);
    enum pawl_http_route route = input->match->route;
    if (!pawl_http_request_check_params(route, input->url, arena, ret_problem)) return false;

    struct pawl_request request = { .op = (enum pawl_request_op)pawl_http_route_op(route) };
    struct build build = { .input = input, .arena = arena, .request = &request };
    if (!pawl_bytes_is_absent(input->match->instance)) {
        request.instance = input->match->instance;
        check_instance(&build, request.instance);
    }
    if (!pawl_bytes_is_absent(input->match->schedule)) {
        request.instance = pawl_schedule_instance(arena, input->match->schedule);
        check_schedule(&build, input->match->schedule);
    }
    request.app = param_app(&build);
    build_route(&build);
    if (build.problem.status == 0) build_check(&build);
    if (build.problem.status != 0) {
        *ret_problem = build.problem;
        return false;
    }
    *ret_request = request;
    return true;
}
