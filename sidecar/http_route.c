#include "sidecar/http_route.h"

#include "base/assert.h"
#include "base/bytes.h"

#define PATTERN_MAX 5u

/* Segments behind the version prefix. One that begins with '{' takes anything. */
struct route_row {
    enum pawl_http_route route;
    enum pawl_http_method method;
    const char *pattern[PATTERN_MAX + 1];
};

static const struct route_row route_rows[] = {
    { PAWL_HTTP_ROUTE_LIST, PAWL_HTTP_GET, { "workflows", "{component}" } },
    { PAWL_HTTP_ROUTE_GET, PAWL_HTTP_GET, { "workflows", "{component}", "{instance}" } },
    { PAWL_HTTP_ROUTE_HISTORY,
      PAWL_HTTP_GET,
      { "workflows", "{component}", "{instance}", "history" } },
    { PAWL_HTTP_ROUTE_WAIT, PAWL_HTTP_GET, { "workflows", "{component}", "{instance}", "wait" } },
    { PAWL_HTTP_ROUTE_WATCH,
      PAWL_HTTP_GET,
      { "workflows", "{component}", "{instance}", "events" } },
    { PAWL_HTTP_ROUTE_WATCH_ALL, PAWL_HTTP_GET, { "events" } },
    { PAWL_HTTP_ROUTE_START, PAWL_HTTP_POST, { "workflows", "{component}", "{name}", "start" } },
    { PAWL_HTTP_ROUTE_SUSPEND,
      PAWL_HTTP_POST,
      { "workflows", "{component}", "{instance}", "pause" } },
    { PAWL_HTTP_ROUTE_RESUME,
      PAWL_HTTP_POST,
      { "workflows", "{component}", "{instance}", "resume" } },
    { PAWL_HTTP_ROUTE_TERMINATE,
      PAWL_HTTP_POST,
      { "workflows", "{component}", "{instance}", "terminate" } },
    { PAWL_HTTP_ROUTE_PURGE,
      PAWL_HTTP_POST,
      { "workflows", "{component}", "{instance}", "purge" } },
    { PAWL_HTTP_ROUTE_RERUN,
      PAWL_HTTP_POST,
      { "workflows", "{component}", "{instance}", "rerun" } },
    { PAWL_HTTP_ROUTE_RESTART,
      PAWL_HTTP_POST,
      { "workflows", "{component}", "{instance}", "restart" } },
    { PAWL_HTTP_ROUTE_IMPORT,
      PAWL_HTTP_POST,
      { "workflows", "{component}", "{instance}", "import" } },
    { PAWL_HTTP_ROUTE_REWIND,
      PAWL_HTTP_POST,
      { "workflows", "{component}", "{instance}", "rewind" } },
    { PAWL_HTTP_ROUTE_RAISE,
      PAWL_HTTP_POST,
      { "workflows", "{component}", "{instance}", "raiseEvent", "{name}" } },
    { PAWL_HTTP_ROUTE_SCHEDULE_LIST, PAWL_HTTP_GET, { "schedules" } },
    { PAWL_HTTP_ROUTE_SCHEDULE_GET, PAWL_HTTP_GET, { "schedules", "{schedule}" } },
    { PAWL_HTTP_ROUTE_SCHEDULE_CREATE, PAWL_HTTP_POST, { "schedules", "{schedule}", "create" } },
    { PAWL_HTTP_ROUTE_SCHEDULE_PAUSE, PAWL_HTTP_POST, { "schedules", "{schedule}", "pause" } },
    { PAWL_HTTP_ROUTE_SCHEDULE_RESUME, PAWL_HTTP_POST, { "schedules", "{schedule}", "resume" } },
    { PAWL_HTTP_ROUTE_SCHEDULE_TRIGGER, PAWL_HTTP_POST, { "schedules", "{schedule}", "trigger" } },
    { PAWL_HTTP_ROUTE_SCHEDULE_DELETE, PAWL_HTTP_POST, { "schedules", "{schedule}", "delete" } },
    { PAWL_HTTP_ROUTE_HEALTH, PAWL_HTTP_GET, { "healthz" } },
    { PAWL_HTTP_ROUTE_HEALTH, PAWL_HTTP_GET, { "healthz", "outbound" } },
    { PAWL_HTTP_ROUTE_METADATA, PAWL_HTTP_GET, { "metadata" } },
};

static const char *const prefixes[] = { "v1.0", "v1.0-beta1", "v1.0-alpha1" };

/* What else Dapr serves under these prefixes: whoever asks for it should learn that it
 * is the wrong kind of sidecar and not that the path is misspelt. */
static const char *const other_apis[] = {
    "state",         "publish",      "subscribe", "invoke",    "bindings", "secrets",
    "actors",        "lock",         "unlock",    "crypto",    "jobs",     "shutdown",
    "configuration", "conversation", "subtle",    "components"
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool text_is_one_of(struct pawl_bytes text, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (pawl_bytes_is_str(text, list[i])) return true;
    }
    return false;
}

/* Compare from the second segment on; on a match fill what the row names. */
static bool row_matches(const struct route_row *row, const struct pawl_http_url *url,
                        struct pawl_http_match *match)
{
    struct pawl_http_match found = *match;
    uint32_t i = 0;
    for (; row->pattern[i]; i++) {
        if (i + 1 >= url->segments_count) return false;
        const char *want = row->pattern[i];
        struct pawl_bytes have = url->segments[i + 1];
        if (want[0] != '{' && !pawl_bytes_is_str(have, want)) return false;
        if (strcmp(want, "{instance}") == 0) found.instance = have;
        if (strcmp(want, "{name}") == 0) found.name = have;
        if (strcmp(want, "{schedule}") == 0) found.schedule = have;
    }
    if (i + 1 != url->segments_count) return false;
    *match = found;
    return true;
}

static bool method_fits(enum pawl_http_method want, enum pawl_http_method have)
{
    return have == want || (have == PAWL_HTTP_HEAD && want == PAWL_HTTP_GET);
}

static struct pawl_http_match match_take(struct pawl_http_match match, enum pawl_http_route route,
                                         enum pawl_http_method want, enum pawl_http_method have)
{
    match.route = route;
    match.allow = want == PAWL_HTTP_GET ? "GET, HEAD" : "POST";
    match.miss = method_fits(want, have) ? PAWL_HTTP_FOUND : PAWL_HTTP_OTHER_METHOD;
    return match;
}

struct pawl_http_match pawl_http_route_find(const struct pawl_http_url *url,
                                            enum pawl_http_method method)
{
    struct pawl_http_match none = { .miss = PAWL_HTTP_NO_ROUTE };
    if (url->segments_more || url->segments_count == 0) return none;
    if (url->segments_count == 1 && pawl_bytes_is_str(url->segments[0], "metrics")) {
        return match_take(none, PAWL_HTTP_ROUTE_METRICS, PAWL_HTTP_GET, method);
    }
    if (url->segments_count < 2 || !text_is_one_of(url->segments[0], prefixes, COUNT(prefixes))) {
        return none;
    }
    struct pawl_http_match found = none;
    for (size_t i = 0; i < COUNT(route_rows) && found.route == PAWL_HTTP_ROUTE_NONE; i++) {
        struct pawl_http_match match = none;
        if (!row_matches(&route_rows[i], url, &match)) continue;
        found = match_take(match, route_rows[i].route, route_rows[i].method, method);
    }
    if (found.route == PAWL_HTTP_ROUTE_LIST && found.miss == PAWL_HTTP_OTHER_METHOD) {
        /* The only path with a second method. */
        found = match_take(none, PAWL_HTTP_ROUTE_BATCH, PAWL_HTTP_POST, method);
        found.allow = "GET, HEAD, POST";
    }
    if (found.route != PAWL_HTTP_ROUTE_NONE) return found;
    if (text_is_one_of(url->segments[1], other_apis, COUNT(other_apis))) {
        none.miss = PAWL_HTTP_OTHER_API;
    }
    return none;
}

enum pawl_http_method pawl_http_method_parse(const char *method)
{
    if (strcmp(method, "GET") == 0) return PAWL_HTTP_GET;
    if (strcmp(method, "HEAD") == 0) return PAWL_HTTP_HEAD;
    if (strcmp(method, "POST") == 0) return PAWL_HTTP_POST;
    return PAWL_HTTP_OTHER;
}

/* Facts about routes -------------------------------------------------------------- */

struct route_facts {
    int op;
    const char *code;
    const char *name;
    const char *params;
};

static const struct route_facts route_facts[PAWL_HTTP_ROUTE_COUNT] = {
#define X(name, op, code, text, params) [PAWL_HTTP_ROUTE_##name] = { op, code, text, params },
    PAWL_HTTP_ROUTE_MAP(X)
#undef X
};

static const struct route_facts *facts(enum pawl_http_route route)
{
    PAWL_ASSERT(route > PAWL_HTTP_ROUTE_NONE && route < PAWL_HTTP_ROUTE_COUNT);
    return &route_facts[route];
}

bool pawl_http_route_is_stream(enum pawl_http_route route)
{
    return route == PAWL_HTTP_ROUTE_WATCH || route == PAWL_HTTP_ROUTE_WATCH_ALL;
}

bool pawl_http_route_is_schedule(enum pawl_http_route route)
{
    return route >= PAWL_HTTP_ROUTE_SCHEDULE_CREATE && route <= PAWL_HTTP_ROUTE_SCHEDULE_DELETE;
}

const char *pawl_http_route_name(enum pawl_http_route route)
{
    return facts(route)->name;
}

const char *pawl_http_route_error_code(enum pawl_http_route route)
{
    return facts(route)->code;
}

const char *pawl_http_route_params(enum pawl_http_route route)
{
    return facts(route)->params;
}

int pawl_http_route_op(enum pawl_http_route route)
{
    return facts(route)->op;
}
