#include "cli/io/view.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "cli/table.h"

#define DETAILS_SIZE_MAX (64u << 20)

/* A view on a string value; empty when it is none. */
static struct pawl_bytes text_of(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    if (!json_is_string(value)) return PAWL_BYTES_LITERAL("");
    return pawl_bytes_make(json_string_value(value), json_string_length(value));
}

/* "2026-08-21T10:00:00.123000000Z" as "2026-08-21 10:00:00.123". */
static void cell_time(struct pawl_table *table, struct pawl_bytes time)
{
    char text[24] = "";
    if (time.size >= 23) {
        memcpy(text, time.data, 23);
        text[10] = ' ';
    }
    pawl_table_text(table, text);
}

static void cell_int(struct pawl_table *table, json_t *value, bool hide_negative)
{
    char text[32] = "";
    json_int_t number = json_integer_value(value);
    if (json_is_integer(value) && !(hide_negative && number < 0)) {
        snprintf(text, sizeof text, "%lld", (long long)number);
    }
    pawl_table_text(table, text);
}

static void head(struct pawl_table *table, const char *const *titles, uint32_t count)
{
    pawl_table_init(table, count);
    for (uint32_t i = 0; i < count; i++) pawl_table_text(table, titles[i]);
}

void pawl_view_list(json_t *workflows, uint32_t width, struct pawl_buf *buf)
{
    static const char *const titles[] = { "INSTANCE", "WORKFLOW",     "STATUS",
                                          "CREATED",  "LAST UPDATED", "CUSTOM STATUS" };
    struct pawl_table table;
    head(&table, titles, 6);
    size_t index;
    json_t *state;
    json_array_foreach(workflows, index, state) {
        pawl_table_cell(&table, text_of(state, "instanceID"));
        pawl_table_cell(&table, text_of(state, "workflowName"));
        pawl_table_cell(&table, text_of(state, "runtimeStatus"));
        cell_time(&table, text_of(state, "createdAt"));
        cell_time(&table, text_of(state, "lastUpdatedAt"));
        pawl_table_cell(
            &table, text_of(json_object_get(state, "properties"), "dapr.workflow.custom_status"));
    }
    pawl_table_write(&table, width, buf);
    pawl_table_deinit(&table);
}

void pawl_view_dead_letters(json_t *workflows, uint32_t width, struct pawl_buf *buf)
{
    static const char *const titles[] = { "INSTANCE", "WORKFLOW", "SINCE", "CAUSE", "REASON" };
    struct pawl_table table;
    head(&table, titles, 5);
    size_t index;
    json_t *state;
    json_array_foreach(workflows, index, state) {
        json_t *properties = json_object_get(state, "properties");
        pawl_table_cell(&table, text_of(state, "instanceID"));
        pawl_table_cell(&table, text_of(state, "workflowName"));
        cell_time(&table, text_of(state, "lastUpdatedAt"));
        pawl_table_cell(&table, text_of(properties, "dapr.workflow.failure.error_type"));
        pawl_table_cell(&table, text_of(properties, "dapr.workflow.failure.error_message"));
    }
    pawl_table_write(&table, width, buf);
    pawl_table_deinit(&table);
}

static void row(struct pawl_table *table, const char *title, struct pawl_bytes value)
{
    if (value.size == 0) return;
    pawl_table_text(table, title);
    pawl_table_cell(table, value);
}

static void row_time(struct pawl_table *table, const char *title, struct pawl_bytes time)
{
    if (time.size == 0) return;
    pawl_table_text(table, title);
    cell_time(table, time);
}

static void row_property(struct pawl_table *table, const char *title, json_t *properties,
                         const char *key)
{
    char full[64];
    snprintf(full, sizeof full, "dapr.workflow.%s", key);
    row(table, title, text_of(properties, full));
    size_t used = strlen(full);
    snprintf(full + used, sizeof full - used, "Base64");
    char base64_title[64];
    snprintf(base64_title, sizeof base64_title, "%s (base64)", title);
    row(table, base64_title, text_of(properties, full));
}

void pawl_view_state(json_t *state, uint32_t width, struct pawl_buf *buf)
{
    json_t *properties = json_object_get(state, "properties");
    struct pawl_table table;
    pawl_table_init(&table, 2);
    row(&table, "Instance", text_of(state, "instanceID"));
    row(&table, "Workflow", text_of(state, "workflowName"));
    row(&table, "Version", text_of(state, "version"));
    row(&table, "Status", text_of(state, "runtimeStatus"));
    row_time(&table, "Created", text_of(state, "createdAt"));
    row_time(&table, "Started", text_of(state, "startedAt"));
    row_time(&table, "Last updated", text_of(state, "lastUpdatedAt"));
    row_time(&table, "Completed", text_of(state, "completedAt"));
    row(&table, "Parent", text_of(state, "parentInstanceID"));
    row(&table, "Parent's app", text_of(state, "parentAppID"));
    row(&table, "Waits for", text_of(state, "waitingFor"));
    pawl_table_text(&table, "History");
    char count[48];
    long long events = (long long)json_integer_value(json_object_get(state, "historyCount"));
    snprintf(count, sizeof count, "%lld event%s", events, events == 1 ? "" : "s");
    pawl_table_text(&table, count);
    row_property(&table, "Custom status", properties, "custom_status");
    row_property(&table, "Input", properties, "input");
    row_property(&table, "Output", properties, "output");
    row_property(&table, "Failure", properties, "failure.error_type");
    row_property(&table, "Message", properties, "failure.error_message");
    row_property(&table, "Details", properties, "failure.stack_trace");
    pawl_table_write(&table, width, buf);
    pawl_table_deinit(&table);
}

/* "0 9 * * * Europe/Berlin", or "every 15m". */
static void cell_when(struct pawl_table *table, json_t *schedule)
{
    struct pawl_bytes cron = text_of(schedule, "cron");
    struct pawl_buf buf;
    pawl_buf_init(&buf, 4096);
    if (cron.size) {
        pawl_buf_append_bytes(&buf, cron);
        pawl_buf_append_str(&buf, " ");
        pawl_buf_append_bytes(&buf, text_of(schedule, "timezone"));
    } else {
        pawl_buf_append_str(&buf, "every ");
        pawl_buf_append_bytes(&buf, text_of(schedule, "every"));
    }
    pawl_table_cell(table, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
}

static const char *schedule_status(json_t *schedule)
{
    const char *status = json_string_value(json_object_get(schedule, "runtimeStatus"));
    bool is_paused = json_is_true(json_object_get(schedule, "paused"));
    if (is_paused) return "paused";
    bool is_active = status && (strcmp(status, "RUNNING") == 0 || strcmp(status, "PENDING") == 0);
    return is_active ? "active" : status;
}

void pawl_view_schedules(json_t *schedules, uint32_t width, struct pawl_buf *buf)
{
    static const char *const titles[] = { "SCHEDULE", "WORKFLOW", "WHEN",
                                          "STATUS",   "NEXT",     "STARTED" };
    struct pawl_table table;
    head(&table, titles, 6);
    size_t index;
    json_t *schedule;
    json_array_foreach(schedules, index, schedule) {
        pawl_table_cell(&table, text_of(schedule, "scheduleID"));
        pawl_table_cell(&table, text_of(schedule, "workflowName"));
        cell_when(&table, schedule);
        pawl_table_text(&table, schedule_status(schedule));
        cell_time(&table, text_of(schedule, "nextTime"));
        cell_int(&table, json_object_get(schedule, "started"), false);
    }
    pawl_table_write(&table, width, buf);
    pawl_table_deinit(&table);
}

static void row_count(struct pawl_table *table, const char *title, json_t *value)
{
    if (json_integer_value(value) == 0) return;
    pawl_table_text(table, title);
    cell_int(table, value, false);
}

static void schedule_rows(struct pawl_table *table, json_t *schedule)
{
    row(table, "Schedule", text_of(schedule, "scheduleID"));
    row(table, "Workflow", text_of(schedule, "workflowName"));
    row(table, "Version", text_of(schedule, "version"));
    row(table, "Input", text_of(schedule, "input"));
    row(table, "Input (base64)", text_of(schedule, "inputBase64"));
    pawl_table_text(table, "When");
    cell_when(table, schedule);
    row(table, "Offset", text_of(schedule, "offset"));
    row(table, "Overlap", text_of(schedule, "overlap"));
    row(table, "Catch-up", text_of(schedule, "catchUp"));
    row_time(table, "Not before", text_of(schedule, "startTime"));
    row_time(table, "Not after", text_of(schedule, "endTime"));
    pawl_table_text(table, "Status");
    pawl_table_text(table, schedule_status(schedule));
    row(table, "Reason", text_of(schedule, "reason"));
    row_time(table, "Next", text_of(schedule, "nextTime"));
    row_count(table, "Started", json_object_get(schedule, "started"));
    row_count(table, "Skipped", json_object_get(schedule, "skipped"));
    row_count(table, "Missed", json_object_get(schedule, "missed"));
    row_count(table, "Failed", json_object_get(schedule, "failed"));
    row(table, "Starting", text_of(schedule, "starting"));
    row(table, "Waits its turn", text_of(schedule, "buffered"));
}

void pawl_view_schedule(json_t *schedule, uint32_t width, struct pawl_buf *buf)
{
    static const char *const titles[] = { "RUN", "STARTED", "" };
    struct pawl_table table;
    pawl_table_init(&table, 2);
    schedule_rows(&table, schedule);
    pawl_table_write(&table, width, buf);
    pawl_table_deinit(&table);
    json_t *recent = json_object_get(schedule, "recent");
    if (json_array_size(recent) == 0) return;
    pawl_buf_append_str(buf, "\n");
    head(&table, titles, 3);
    size_t index;
    json_t *run;
    json_array_foreach(recent, index, run) {
        pawl_table_cell(&table, text_of(run, "instanceID"));
        cell_time(&table, text_of(run, "startedAt"));
        pawl_table_cell(&table, text_of(run, "error"));
    }
    pawl_table_write(&table, width, buf);
    pawl_table_deinit(&table);
}

static void detail(struct pawl_buf *buf, const char *label, struct pawl_bytes value)
{
    if (value.size == 0) return;
    if (buf->size > 0) pawl_buf_append(buf, "  ", 2);
    pawl_buf_printf(buf, "%s=", label);
    pawl_buf_append_bytes(buf, value);
}

/* What tells most about an event stands first, because the end may be cut. */
static void cell_details(struct pawl_table *table, json_t *event)
{
    static const char *const payloads[] = { "input",      "output",      "data",
                                            "reason",     "inputBase64", "outputBase64",
                                            "dataBase64", "reasonBase64" };
    struct pawl_buf buf;
    pawl_buf_init(&buf, DETAILS_SIZE_MAX);
    json_t *scheduled = json_object_get(event, "scheduledId");
    if (json_is_integer(scheduled)) {
        pawl_buf_printf(&buf, "of=%lld", (long long)json_integer_value(scheduled));
    }
    json_t *failure = json_object_get(event, "failure");
    detail(&buf, "error", text_of(failure, "errorType"));
    detail(&buf, "message", text_of(failure, "errorMessage"));
    detail(&buf, "status", text_of(event, "runtimeStatus"));
    detail(&buf, "instance", text_of(event, "instanceID"));
    detail(&buf, "app", text_of(event, "appID"));
    detail(&buf, "fires", text_of(event, "fireAt"));
    detail(&buf, "start", text_of(event, "startTime"));
    detail(&buf, "version", text_of(event, "version"));
    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
        detail(&buf, payloads[i], text_of(event, payloads[i]));
    }
    pawl_table_cell(table, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
}

void pawl_view_history(json_t *events, uint32_t width, struct pawl_buf *buf)
{
    static const char *const titles[] = { "INDEX", "TIME", "EVENT", "ID", "NAME", "DETAILS" };
    struct pawl_table table;
    head(&table, titles, 6);
    size_t index;
    json_t *event;
    json_array_foreach(events, index, event) {
        cell_int(&table, json_object_get(event, "index"), false);
        cell_time(&table, text_of(event, "timestamp"));
        pawl_table_cell(&table, text_of(event, "kind"));
        cell_int(&table, json_object_get(event, "eventId"), true);
        pawl_table_cell(&table, text_of(event, "name"));
        cell_details(&table, event);
    }
    pawl_table_write(&table, width, buf);
    pawl_table_deinit(&table);
}

static int buf_append_json(const char *data, size_t size, void *context)
{
    pawl_buf_append(context, data, size);
    return 0;
}

void pawl_view_json(json_t *json, struct pawl_buf *buf)
{
    if (json_dump_callback(json, buf_append_json, buf, JSON_INDENT(2)) != 0) {
        pawl_buf_append_str(buf, "null");
    }
    pawl_buf_append(buf, "\n", 1);
}

/* Placement ------------------------------------------------------------------------------ */

static const char *yes(json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key)) ? "yes" : "";
}

void pawl_view_members(json_t *answer, uint32_t width, struct pawl_buf *buf)
{
    static const char *const titles[] = { "NAMESPACE",  "APP",       "HOST",       "ADDRESS",
                                          "PARTITIONS", "WORKFLOWS", "ACTIVITIES", "LEAVING" };
    struct pawl_table table;
    head(&table, titles, 8);
    size_t index, inner;
    json_t *home, *member;
    json_array_foreach(json_object_get(answer, "namespaces"), index, home) {
        json_array_foreach(json_object_get(home, "members"), inner, member) {
            pawl_table_cell(&table, text_of(home, "namespace"));
            pawl_table_cell(&table, text_of(member, "app"));
            pawl_table_cell(&table, text_of(member, "host"));
            pawl_table_cell(&table, text_of(member, "address"));
            cell_int(&table, json_object_get(member, "partitions"), true);
            pawl_table_text(&table, yes(member, "runsWorkflows"));
            pawl_table_text(&table, yes(member, "runsActivities"));
            pawl_table_text(&table, yes(member, "leaving"));
        }
    }
    pawl_table_write(&table, width, buf);
    pawl_table_deinit(&table);
}

/* Partitions one after another as 3-7. */
static void cell_ranges(struct pawl_table *table, json_t *numbers)
{
    struct pawl_buf text;
    pawl_buf_init(&text, DETAILS_SIZE_MAX);
    size_t count = json_array_size(numbers);
    for (size_t from = 0; from < count;) {
        json_int_t first = json_integer_value(json_array_get(numbers, from));
        size_t end = from + 1;
        while (end < count
               && json_integer_value(json_array_get(numbers, end))
                      == first + (json_int_t)(end - from))
            end++;
        pawl_buf_printf(&text, "%s%lld", from ? "," : "", (long long)first);
        if (end - from > 1)
            pawl_buf_printf(&text, "-%lld", (long long)(first + (json_int_t)(end - from) - 1));
        from = end;
    }
    pawl_table_cell(table, pawl_buf_view(&text));
    pawl_buf_deinit(&text);
}

static void owner_rows(struct pawl_table *table, json_t *home, json_t *app)
{
    size_t index;
    json_t *host;
    json_array_foreach(json_object_get(app, "hosts"), index, host) {
        pawl_table_cell(table, text_of(home, "namespace"));
        pawl_table_cell(table, text_of(app, "app"));
        pawl_table_cell(table, text_of(host, "host"));
        cell_int(table, json_object_get(host, "count"), true);
        cell_int(table, json_object_get(app, "partitions"), true);
        cell_ranges(table, json_object_get(host, "partitions"));
    }
}

void pawl_view_owners(json_t *answer, uint32_t width, struct pawl_buf *buf)
{
    static const char *const titles[] = { "NAMESPACE", "APP", "HOST", "OWNS", "OF", "PARTITIONS" };
    struct pawl_table table;
    head(&table, titles, 6);
    size_t index, inner;
    json_t *home, *app;
    json_array_foreach(json_object_get(answer, "namespaces"), index, home) {
        json_array_foreach(json_object_get(home, "apps"), inner, app) {
            owner_rows(&table, home, app);
        }
    }
    pawl_table_write(&table, width, buf);
    pawl_table_deinit(&table);
}
