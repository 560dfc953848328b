/* Http route: which of our routes a method and a path name. docs/HTTP.md lists them. */
#ifndef PAWL_SIDECAR_HTTP_ROUTE_H
#define PAWL_SIDECAR_HTTP_ROUTE_H

#include "sdk/request.h"
#include "sidecar/http_url.h"

/* Which instances: parameters of a list, a count, a batch. */
#define PAWL_HTTP_FILTER                                                                  \
    "status name prefix tag createdFrom createdTo completedFrom completedTo updatedFrom " \
    "updatedTo "

/* name, the engine's operation (0: answered by the front itself), Dapr's error name,
 * what it is called in metrics, query parameters it takes */
#define PAWL_HTTP_ROUTE_MAP(X)                                                                     \
    X(START, PAWL_REQUEST_START, "ERR_START_WORKFLOW", "start",                                    \
      "instanceID startTime version reuse event eventData tag appID")                              \
    X(GET, PAWL_REQUEST_GET, "ERR_GET_WORKFLOW", "get", "payloads appID")                          \
    X(RAISE, PAWL_REQUEST_RAISE, "ERR_RAISE_EVENT_WORKFLOW", "raise-event", "appID")               \
    X(SUSPEND, PAWL_REQUEST_SUSPEND, "ERR_PAUSE_WORKFLOW", "pause", "reason appID")                \
    X(RESUME, PAWL_REQUEST_RESUME, "ERR_RESUME_WORKFLOW", "resume", "reason appID")                \
    X(TERMINATE, PAWL_REQUEST_TERMINATE, "ERR_TERMINATE_WORKFLOW", "terminate",                    \
      "output recursive appID")                                                                    \
    X(PURGE, PAWL_REQUEST_PURGE, "ERR_PURGE_WORKFLOW", "purge", "force recursive appID")           \
    X(LIST, PAWL_REQUEST_LIST, "ERR_LIST_WORKFLOWS", "list",                                       \
      PAWL_HTTP_FILTER "order count limit cursor appID")                                           \
    X(BATCH, PAWL_REQUEST_BATCH, "ERR_BATCH_WORKFLOWS", "batch",                                   \
      PAWL_HTTP_FILTER "operation all event reason output force recursive limit cursor appID")     \
    X(HISTORY, PAWL_REQUEST_HISTORY, "ERR_GET_WORKFLOW_HISTORY", "history",                        \
      "from limit waiting appID")                                                                  \
    X(WAIT, PAWL_REQUEST_WAIT, "ERR_WAIT_WORKFLOW", "wait", "for timeout payloads appID")          \
    X(RERUN, PAWL_REQUEST_RERUN, "ERR_RERUN_WORKFLOW", "rerun",                                    \
      "newInstanceID eventID overwriteInput newChildInstanceID appID")                             \
    X(RESTART, PAWL_REQUEST_RESTART, "ERR_RESTART_WORKFLOW", "restart", "newInstanceID appID")     \
    X(REWIND, PAWL_REQUEST_REWIND, "ERR_REWIND_WORKFLOW", "rewind", "reason appID")                \
    X(IMPORT, PAWL_REQUEST_IMPORT, "ERR_IMPORT_WORKFLOW", "import", "appID")                       \
    X(WATCH, PAWL_REQUEST_WATCH, "ERR_WATCH_WORKFLOW", "watch", "status from appID")               \
    X(WATCH_ALL, PAWL_REQUEST_WATCH, "ERR_WATCH_WORKFLOWS", "watch-all", "name status from appID") \
    X(SCHEDULE_CREATE, PAWL_REQUEST_START, "ERR_SCHEDULE_CREATE", "schedule-create",               \
      "workflow version cron timezone every offset overlap catchUp startTime endTime paused "      \
      "appID")                                                                                     \
    X(SCHEDULE_LIST, PAWL_REQUEST_LIST, "ERR_SCHEDULE_LIST", "schedule-list",                      \
      "prefix limit cursor appID")                                                                 \
    X(SCHEDULE_GET, PAWL_REQUEST_GET, "ERR_SCHEDULE_GET", "schedule-get", "appID")                 \
    X(SCHEDULE_PAUSE, PAWL_REQUEST_RAISE, "ERR_SCHEDULE_PAUSE", "schedule-pause", "reason appID")  \
    X(SCHEDULE_RESUME, PAWL_REQUEST_RAISE, "ERR_SCHEDULE_RESUME", "schedule-resume", "appID")      \
    X(SCHEDULE_TRIGGER, PAWL_REQUEST_RAISE, "ERR_SCHEDULE_TRIGGER", "schedule-trigger", "appID")   \
    X(SCHEDULE_DELETE, PAWL_REQUEST_PURGE, "ERR_SCHEDULE_DELETE", "schedule-delete", "appID")      \
    X(HEALTH, 0, "ERR_HEALTH_NOT_READY", "healthz", "appid")                                       \
    X(METADATA, 0, "ERR_METADATA_GET", "metadata", "")                                             \
    X(METRICS, 0, "ERR_METRICS", "metrics", "")

enum pawl_http_route {
    PAWL_HTTP_ROUTE_NONE = 0,
#define X(name, op, code, text, params) PAWL_HTTP_ROUTE_##name,
    PAWL_HTTP_ROUTE_MAP(X)
#undef X
        PAWL_HTTP_ROUTE_COUNT
};

enum pawl_http_method {
    PAWL_HTTP_GET = 1,
    PAWL_HTTP_HEAD = 2,
    PAWL_HTTP_POST = 4,
    PAWL_HTTP_OTHER = 8,
};

enum pawl_http_miss {
    PAWL_HTTP_FOUND = 0,
    PAWL_HTTP_NO_ROUTE,     /* 404 */
    PAWL_HTTP_OTHER_METHOD, /* 405; `allow` says which */
    PAWL_HTTP_OTHER_API,    /* 501: a Dapr building block that is not served here */
};

struct pawl_http_match {
    enum pawl_http_miss miss;
    enum pawl_http_route route;
    const char *allow;          /* value of the Allow header */
    struct pawl_bytes instance; /* absent where the route has none */
    struct pawl_bytes name;     /* of the workflow or the event */
    struct pawl_bytes schedule; /* its id */
};

enum pawl_http_method pawl_http_method_parse(const char *method);

struct pawl_http_match pawl_http_route_find(const struct pawl_http_url *url,
                                            enum pawl_http_method method);

/* Of a real route. */
bool pawl_http_route_is_stream(enum pawl_http_route route); /* its answer goes on and on */
bool pawl_http_route_is_schedule(enum pawl_http_route route);
const char *pawl_http_route_name(enum pawl_http_route route);
const char *pawl_http_route_error_code(enum pawl_http_route route);
const char *pawl_http_route_params(enum pawl_http_route route); /* separated by spaces */
int pawl_http_route_op(enum pawl_http_route route);             /* 0: none */

#endif /* PAWL_SIDECAR_HTTP_ROUTE_H */
