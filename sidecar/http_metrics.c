#include "sidecar/http_info.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

/* One exposition: every sample carries the app's id, so that one Prometheus can
 * watch the sidecars of many apps. */
struct expo {
    struct pawl_buf *buf;
    const char *app;
};

/* Label values escape backslash, quote and newline. */
static void write_label(struct expo *expo, const char *value)
{
    for (const char *c = value; *c; c++) {
        if (*c == '\n')
            pawl_buf_append(expo->buf, "\\n", 2);
        else if (*c == '"' || *c == '\\')
            pawl_buf_printf(expo->buf, "\\%c", *c);
        else
            pawl_buf_append(expo->buf, c, 1);
    }
}

static void write_head(struct expo *expo, const char *name, const char *type, const char *help)
{
    pawl_buf_printf(expo->buf, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* name{app="…"[,label="value"]} and a space */
static void write_name(struct expo *expo, const char *name, const char *label, const char *value)
{
    pawl_buf_printf(expo->buf, "%s{app=\"", name);
    write_label(expo, expo->app);
    pawl_buf_append(expo->buf, "\"", 1);
    if (label) {
        pawl_buf_printf(expo->buf, ",%s=\"", label);
        write_label(expo, value);
        pawl_buf_append(expo->buf, "\"", 1);
    }
    pawl_buf_append(expo->buf, "} ", 2);
}

static void write_uint(struct expo *expo, const char *name, const char *label, const char *value,
                       uint64_t number)
{
    write_name(expo, name, label, value);
    pawl_buf_printf(expo->buf, "%" PRIu64 "\n", number);
}

static void write_one(struct expo *expo, const char *name, const char *type, const char *help,
                      uint64_t number)
{
    write_head(expo, name, type, help);
    write_uint(expo, name, NULL, NULL, number);
}

static void write_histogram(struct expo *expo, const char *name, const char *help,
                            const struct pawl_histogram *histogram, const double *bounds)
{
    write_head(expo, name, "histogram", help);
    char bucket[96];
    snprintf(bucket, sizeof bucket, "%s_bucket", name);
    uint64_t below = 0;
    for (uint32_t i = 0; i < PAWL_HISTOGRAM_BUCKETS; i++) {
        char le[32] = "+Inf";
        if (i + 1 < PAWL_HISTOGRAM_BUCKETS) snprintf(le, sizeof le, "%g", bounds[i]);
        below += histogram->buckets[i];
        write_uint(expo, bucket, "le", le, below);
    }
    char part[96];
    snprintf(part, sizeof part, "%s_sum", name);
    write_name(expo, part, NULL, NULL);
    pawl_buf_printf(expo->buf, "%.9g\n", histogram->sum_seconds);
    snprintf(part, sizeof part, "%s_count", name);
    write_uint(expo, part, NULL, NULL, histogram->count);
}

/* The engine -------------------------------------------------------------------------- */

static void write_engine_counters(struct expo *expo, const struct pawl_node_metrics *m)
{
    const struct {
        const char *name;
        const char *help;
        uint64_t value;
    } rows[] = {
        { "pawl_turns_total", "Committed turns that ran workflow code.", m->turns_total },
        { "pawl_turns_retried_total", "Turns dispatched again.", m->turns_retried_total },
        { "pawl_steps_total", "Resolved activities, timers and child workflows.", m->steps_total },
        { "pawl_activities_total", "Activity executions that ended.", m->activities_total },
        { "pawl_activities_failed_total", "Activity executions that ended with a failure.",
          m->activities_failed_total },
        { "pawl_activities_lost_total", "Activities whose worker went away before the end.",
          m->activities_lost_total },
        { "pawl_activities_timed_out_total",
          "Attempts that passed a time limit: start to close, or between two heartbeats.",
          m->activities_timed_out_total },
        { "pawl_activities_cancelled_total",
          "Activities called off while a worker had them, because nobody waits any more.",
          m->activities_cancelled_total },
        { "pawl_commits_total", "Turns written to the store.", m->commits_total },
        { "pawl_commits_conflict_total", "Turns refused because somebody else wrote first.",
          m->commits_conflict_total },
        { "pawl_commits_unknown_total", "Commits whose reply was lost and that were sent again.",
          m->commits_unknown_total },
        { "pawl_fenced_total", "Store calls refused because another sidecar owns the partition.",
          m->fenced_total },
        { "pawl_reminders_unreadable_total",
          "Stored reminders that could not be read and were moved aside; see pawl doctor.",
          m->reminders_unreadable_total },
        { "pawl_workflows_started_total", "Workflow instances created here.", m->started_total },
        { "pawl_events_total", "External events accepted.", m->events_total },
        { "pawl_purged_total", "Ended instances purged because their time was up.",
          m->purged_total },
        { "pawl_requests_total", "Management requests answered by the engine.", m->requests_total },
        { "pawl_requests_failed_total", "Management requests that were refused or failed.",
          m->requests_failed_total },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        write_one(expo, rows[i].name, "counter", rows[i].help, rows[i].value);
    }
}

static void write_engine_gauges(struct expo *expo, const struct pawl_node_metrics *m)
{
    const struct {
        const char *name;
        const char *help;
        uint64_t value;
    } rows[] = {
        { "pawl_active_instances", "Workflow actors in memory.", m->active_instances },
        { "pawl_turns_queued", "Turns that wait for a worker.", m->turns_queued },
        { "pawl_turns_running", "Turns that a worker runs now.", m->turns_running },
        { "pawl_activities_queued", "Activities that wait for a worker.", m->activities_queued },
        { "pawl_activities_running", "Activities that a worker runs now.", m->activities_running },
        { "pawl_activities_sent", "Activities of own workflows that other sidecars have or should.",
          m->activities_sent },
        { "pawl_messages", "Messages between workflows that are on their way.", m->messages },
        { "pawl_requests_waiting", "Management requests without an answer yet.",
          m->requests_waiting },
        { "pawl_workers", "Connected workers.", m->workers },
        { "pawl_partitions_owned", "Partitions this sidecar owns.", m->partitions_owned },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        write_one(expo, rows[i].name, "gauge", rows[i].help, rows[i].value);
    }
}

static void write_by_status(struct expo *expo, const char *name, const char *type, const char *help,
                            const uint64_t counts[PAWL_STATUS_COUNT], bool terminal_only)
{
    write_head(expo, name, type, help);
    for (int status = 0; status < PAWL_STATUS_COUNT; status++) {
        if (terminal_only && !pawl_status_is_terminal((enum pawl_status)status)) continue;
        write_uint(expo, name, "status", pawl_status_name(status), counts[status]);
    }
}

static void write_limit(struct expo *expo, const char *metric, const struct pawl_limit_rule *rule,
                        uint32_t value)
{
    char name[PAWL_NAME_SIZE_MAX + 1];
    snprintf(name, sizeof name, "%.*s", PAWL_BYTES_FMT(rule->name));
    pawl_buf_printf(expo->buf, "%s{app=\"", metric);
    write_label(expo, expo->app);
    pawl_buf_printf(expo->buf, "\",kind=\"%s\",scope=\"%s\",name=\"",
                    rule->is_task ? "activity" : "turn", rule->is_global ? "app" : "sidecar");
    write_label(expo, name);
    pawl_buf_printf(expo->buf, "\"} %" PRIu32 "\n", value);
}

#define LIMIT_FIELD(field) offsetof(struct pawl_limit_metrics, field)

static void write_limits(struct expo *expo, const struct pawl_node_metrics *m)
{
    static const struct {
        const char *name;
        const char *help;
        size_t offset;
    } rows[] = {
        { "pawl_limit", "Configured concurrency limits; an empty name stands for all names.",
          LIMIT_FIELD(rule.max) },
        { "pawl_limit_places", "Of a limit, how many may run at this sidecar at present.",
          LIMIT_FIELD(places) },
        { "pawl_limit_running", "Of a limit, how many run at this sidecar.", LIMIT_FIELD(running) },
        { "pawl_limit_waiting", "How many wait here for a place of a limit, or for a worker.",
          LIMIT_FIELD(waiting) },
    };
    if (m->limits_count == 0) return;
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        write_head(expo, rows[row].name, "gauge", rows[row].help);
        for (uint32_t i = 0; i < m->limits_count; i++) {
            uint32_t value = 0;
            memcpy(&value, (const char *)&m->limits[i] + rows[row].offset, sizeof value);
            write_limit(expo, rows[row].name, &m->limits[i].rule, value);
        }
    }
}

static void write_engine(struct expo *expo, const struct pawl_node_metrics *m, const double *bounds)
{
    write_engine_counters(expo, m);
    write_engine_gauges(expo, m);
    write_limits(expo, m);
    write_by_status(expo, "pawl_workflows_ended_total", "counter", "Workflow instances that ended.",
                    m->ended_total, true);
    write_by_status(expo, "pawl_instances", "gauge", "Stored instances of the owned partitions.",
                    m->instances, false);

    write_head(expo, "pawl_store_operations_total", "counter", "Operations sent to the store.");
    for (int op = 1; op < PAWL_STORE_OPS_END; op++) {
        write_uint(expo, "pawl_store_operations_total", "operation", pawl_store_op_name(op),
                   m->store_ops_total[op]);
    }
    write_histogram(expo, "pawl_turn_duration_seconds", "From handing a turn out to its result.",
                    &m->turn_seconds, bounds);
    write_histogram(expo, "pawl_commit_duration_seconds", "From sending a commit to its reply.",
                    &m->commit_seconds, bounds);
    write_histogram(expo, "pawl_activity_duration_seconds",
                    "From handing an activity out to its result.", &m->activity_seconds, bounds);
    write_histogram(expo, "pawl_workflow_duration_seconds",
                    "From the creation of a workflow instance to its end.", &m->workflow_seconds,
                    bounds);
}

/* The clock ---------------------------------------------------------------------------- */

static void write_seconds(struct expo *expo, const char *name, const char *help, int64_t ms)
{
    write_head(expo, name, "gauge", help);
    write_name(expo, name, NULL, NULL);
    pawl_buf_printf(expo->buf, "%.3f\n", (double)ms / 1000.0);
}

static void write_clock(struct expo *expo, const struct pawl_api_info *info)
{
    write_seconds(expo, "pawl_clock_skew_seconds",
                  "The sidecar's time, which is the store's, minus the clock of its machine.",
                  info->clock_skew_ms);
    write_seconds(expo, "pawl_clock_left_seconds",
                  "The store's clock minus the sidecar's time, which is led to it.",
                  info->clock_left_ms);
}

/* Placement and the links to other sidecars ---------------------------------------------- */

static void write_placement(struct expo *expo, const struct pawl_api_placement *placement)
{
    write_one(expo, "pawl_placement_connected", "gauge",
              "1 when a placement replica is connected, else 0.", placement->connected ? 1 : 0);
    write_one(expo, "pawl_members_version", "gauge",
              "Version of the member list that this sidecar works with; 0: none yet.",
              placement->version);
    write_one(expo, "pawl_members", "gauge", "Sidecars of the namespace, this one included.",
              placement->members_count);
}

static void write_peers(struct expo *expo, const struct pawl_peer_metrics *m)
{
    const struct {
        const char *name;
        const char *type;
        const char *help;
        uint64_t value;
    } rows[] = {
        { "pawl_peer_links", "gauge", "Other sidecars with a link.", m->links_ready },
        { "pawl_peer_queued_bytes", "gauge", "Bytes that wait for a link or for credit.",
          m->bytes_queued },
        { "pawl_peer_frames_sent_total", "counter", "Frames sent to other sidecars.",
          m->frames_sent_total },
        { "pawl_peer_bytes_sent_total", "counter", "Bytes of them.", m->bytes_sent_total },
        { "pawl_peer_frames_received_total", "counter", "Frames from other sidecars.",
          m->frames_received_total },
        { "pawl_peer_bytes_received_total", "counter", "Bytes of them.", m->bytes_received_total },
        { "pawl_peer_frames_dropped_total", "counter",
          "Frames that were not sent: too much waited, or the link ended. They are asked again.",
          m->frames_dropped_total },
        { "pawl_peer_links_made_total", "counter", "Links made.", m->links_made_total },
        { "pawl_peer_links_lost_total", "counter", "Links that ended.", m->links_lost_total },
        { "pawl_peer_dials_failed_total", "counter", "Calls that made no link.",
          m->dials_failed_total },
        { "pawl_peer_refused_total", "counter", "Connections that this sidecar refused.",
          m->refused_total },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        write_one(expo, rows[i].name, rows[i].type, rows[i].help, rows[i].value);
    }
}

/* The front and the process ------------------------------------------------------------ */

static void write_http(struct expo *expo, const struct pawl_http_counters *counters)
{
    write_head(expo, "pawl_http_requests_total", "counter", "Answered HTTP requests.");
    for (int route = 0; route < PAWL_HTTP_ROUTE_COUNT; route++) {
        const char *name = route == PAWL_HTTP_ROUTE_NONE
                               ? "none"
                               : pawl_http_route_name((enum pawl_http_route)route);
        for (unsigned class = 2; class < PAWL_HTTP_CLASSES; class ++) {
            if (counters->answers[route][class] == 0) continue;
            char labels[64];
            snprintf(labels, sizeof labels, "%uxx", class);
            pawl_buf_printf(expo->buf, "pawl_http_requests_total{app=\"");
            write_label(expo, expo->app);
            pawl_buf_printf(expo->buf, "\",route=\"%s\",code=\"%s\"} %" PRIu64 "\n", name, labels,
                            counters->answers[route][class]);
        }
    }
    write_one(expo, "pawl_http_requests_cancelled_total", "counter",
              "HTTP requests whose client left before the answer.", counters->cancelled_total);
    write_one(expo, "pawl_http_received_bytes_total", "counter", "Bytes of request bodies.",
              counters->received_bytes);
    write_one(expo, "pawl_http_sent_bytes_total", "counter", "Bytes of answer bodies.",
              counters->sent_bytes);
    write_one(expo, "pawl_http_requests_in_flight", "gauge", "HTTP requests being handled now.",
              counters->in_flight);
}

static void write_grpc_calls(struct expo *expo, const struct pawl_http_grpc_port *ports)
{
    write_head(expo, "pawl_grpc_calls_total", "counter",
               "gRPC calls that ended, by their status; CANCELLED also by their clients.");
    for (size_t i = 0; i < PAWL_HTTP_GRPC_PORTS_MAX; i++) {
        if (!ports[i].counters) continue;
        for (int status = 0; status < PAWL_GRPC_STATUS_COUNT; status++) {
            if (ports[i].counters->ended_total[status] == 0) continue;
            pawl_buf_printf(expo->buf, "pawl_grpc_calls_total{app=\"");
            write_label(expo, expo->app);
            pawl_buf_printf(expo->buf, "\",port=\"%s\",status=\"%s\"} %" PRIu64 "\n", ports[i].name,
                            pawl_grpc_status_name((enum pawl_grpc_status)status),
                            ports[i].counters->ended_total[status]);
        }
    }
}

#define GRPC_FIELD(field) offsetof(struct pawl_grpc_counters, field)

static const struct {
    const char *name;
    const char *type;
    const char *help;
    size_t offset;
    bool is_now; /* a gauge of 32 bits */
} grpc_rows[] = {
    { "pawl_grpc_refused_http_total", "counter", "Requests that were not gRPC.",
      GRPC_FIELD(refused_http_total), false },
    { "pawl_grpc_messages_received_total", "counter", "gRPC requests.",
      GRPC_FIELD(messages_received_total), false },
    { "pawl_grpc_received_bytes_total", "counter", "Bytes of them.",
      GRPC_FIELD(bytes_received_total), false },
    { "pawl_grpc_messages_sent_total", "counter", "gRPC messages to clients.",
      GRPC_FIELD(messages_sent_total), false },
    { "pawl_grpc_sent_bytes_total", "counter", "Bytes of them.", GRPC_FIELD(bytes_sent_total),
      false },
    { "pawl_grpc_connections_total", "counter", "gRPC connections that were made.",
      GRPC_FIELD(connections_total), false },
    { "pawl_grpc_connections_refused_total", "counter",
      "gRPC connections that were closed at once: too many.", GRPC_FIELD(connections_refused_total),
      false },
    { "pawl_grpc_connections_cut_total", "counter",
      "gRPC connections that the sidecar ended for what the client did; the log says what.",
      GRPC_FIELD(connections_cut_total), false },
    { "pawl_grpc_connections", "gauge", "gRPC connections now.", GRPC_FIELD(connections), true },
    { "pawl_grpc_calls", "gauge", "gRPC calls and streams now.", GRPC_FIELD(calls), true },
};

static uint64_t grpc_value(const struct pawl_grpc_counters *counters, size_t row)
{
    const char *field = (const char *)counters + grpc_rows[row].offset;
    uint64_t value = 0;
    uint32_t now = 0;
    if (grpc_rows[row].is_now) {
        memcpy(&now, field, sizeof now);
        return now;
    }
    memcpy(&value, field, sizeof value);
    return value;
}

static void write_grpc(struct expo *expo, const struct pawl_http_grpc_port *ports)
{
    write_grpc_calls(expo, ports);
    for (size_t row = 0; row < sizeof grpc_rows / sizeof grpc_rows[0]; row++) {
        write_head(expo, grpc_rows[row].name, grpc_rows[row].type, grpc_rows[row].help);
        for (size_t i = 0; i < PAWL_HTTP_GRPC_PORTS_MAX; i++) {
            if (!ports[i].counters) continue;
            write_uint(expo, grpc_rows[row].name, "port", ports[i].name,
                       grpc_value(ports[i].counters, row));
        }
    }
}

/* The names that every Prometheus client library uses, without our label. */
static void write_process(struct expo *expo, const struct pawl_api_info *info,
                          const struct pawl_process_stats *process)
{
    if (process->cpu_seconds >= 0) {
        write_head(expo, "process_cpu_seconds_total", "counter",
                   "User and system CPU time in seconds.");
        pawl_buf_printf(expo->buf, "process_cpu_seconds_total %.2f\n", process->cpu_seconds);
    }
    const struct {
        const char *name;
        const char *help;
        int64_t value;
    } rows[] = {
        { "process_resident_memory_bytes", "Resident memory.", process->resident_bytes },
        { "process_open_fds", "Open file descriptors.", process->open_fds },
        { "process_max_fds", "Limit of open file descriptors.", process->max_fds },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].value < 0) continue;
        write_head(expo, rows[i].name, "gauge", rows[i].help);
        pawl_buf_printf(expo->buf, "%s %" PRId64 "\n", rows[i].name, rows[i].value);
    }
    write_head(expo, "process_start_time_seconds", "gauge", "Start time since the Unix epoch.");
    pawl_buf_printf(expo->buf, "process_start_time_seconds %.3f\n",
                    (double)info->started_ms / 1000.0);
}

void pawl_http_metrics_reply(struct pawl_http_reply *reply, const struct pawl_api_info *info,
                             const struct pawl_http_counters *counters,
                             const struct pawl_process_stats *process, const double *bounds)
{
    struct expo expo = { .buf = &reply->body, .app = info->app };
    pawl_buf_clear(&reply->body);
    reply->status = 200;
    reply->type = "text/plain; version=0.0.4; charset=utf-8";

    write_head(&expo, "pawl_info", "gauge", "Always 1; the version is in the label.");
    write_uint(&expo, "pawl_info", "version", info->version, 1);
    write_one(&expo, "pawl_ready", "gauge", "1 when the sidecar can serve workflows, else 0.",
              info->ready ? 1 : 0);
    write_engine(&expo, info->metrics, bounds);
    write_clock(&expo, info);
    if (info->placement) write_placement(&expo, info->placement);
    if (info->peer_metrics) write_peers(&expo, info->peer_metrics);
    write_http(&expo, counters);
    if (counters->grpc[0].counters || counters->grpc[1].counters) write_grpc(&expo, counters->grpc);
    write_process(&expo, info, process);
}
