#include "cli/call.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

#define URL_SIZE_MAX 65536u

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'
           || c == '_' || c == '.' || c == '~';
}

static void add_escaped(struct pawl_buf *url, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (is_unreserved(*c))
            pawl_buf_append(url, c, 1);
        else
            pawl_buf_printf(url, "%%%02X", (unsigned)(unsigned char)*c);
    }
}

/* "." and ".." would be taken for steps of the path by anything in between. */
static void add_segment(struct pawl_buf *url, const char *text)
{
    pawl_buf_append(url, "/", 1);
    if (strcmp(text, ".") == 0)
        pawl_buf_append_str(url, "%2E");
    else if (strcmp(text, "..") == 0)
        pawl_buf_append_str(url, "%2E%2E");
    else
        add_escaped(url, text);
}

static void add_param(struct pawl_buf *url, const char *name, const char *value)
{
    if (!value) return;
    char mark = memchr(url->data, '?', url->size) ? '&' : '?';
    pawl_buf_printf(url, "%c%s=", mark, name);
    add_escaped(url, value);
}

static void add_number(struct pawl_buf *url, const char *name, int64_t number, const char *unit)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64 "%s", number, unit);
    add_param(url, name, text);
}

static void add_origin(struct pawl_buf *url, const char *address)
{
    size_t size = strlen(address);
    while (size > 0 && address[size - 1] == '/') size--;
    if (!strstr(address, "://")) pawl_buf_append_str(url, "http://");
    pawl_buf_append(url, address, size);
}

static void call_placement(struct pawl_buf *url, const struct pawl_cli_options *options)
{
    bool is_table = options->command == PAWL_CLI_PLACEMENT_TABLE;
    pawl_buf_append_str(url, is_table ? "/v1.0/placement/table" : "/v1.0/placement/members");
    add_param(url, "namespace", options->namespace_);
    add_param(url, "app", options->only_app);
}

static void add_tags(struct pawl_buf *url, const struct pawl_cli_options *options)
{
    for (uint32_t i = 0; i < options->tags_count; i++) add_param(url, "tag", options->tags[i]);
}

static void add_filter(struct pawl_buf *url, const struct pawl_cli_options *options)
{
    add_param(url, "status", options->status);
    add_param(url, "name", options->name);
    add_param(url, "prefix", options->prefix);
    add_tags(url, options);
    add_param(url, "createdFrom", options->created_from);
    add_param(url, "createdTo", options->created_to);
    add_param(url, "completedFrom", options->completed_from);
    add_param(url, "completedTo", options->completed_to);
    add_param(url, "updatedFrom", options->updated_from);
    add_param(url, "updatedTo", options->updated_to);
}

static void call_batch(struct pawl_buf *url, const struct pawl_cli_options *options,
                       const struct pawl_call_page *page)
{
    add_param(url, "operation", options->operation);
    add_filter(url, options);
    if (options->all) add_param(url, "all", "true");
    add_param(url, "event", options->event);
    add_param(url, "reason", options->reason);
    if (options->force) add_param(url, "force", "true");
    if (options->no_recursive) add_param(url, "recursive", "false");
    add_param(url, "cursor", page->cursor);
}

static void call_start(struct pawl_buf *url, const struct pawl_cli_options *options)
{
    add_segment(url, options->name);
    pawl_buf_append_str(url, "/start");
    add_param(url, "instanceID", options->instance_id);
    add_param(url, "startTime", options->start_time);
    add_param(url, "version", options->workflow_version);
    add_param(url, "reuse", options->reuse);
    add_tags(url, options);
    add_param(url, "event", options->event);
    add_param(url, "eventData", options->event_data);
}

static void call_list(struct pawl_buf *url, const struct pawl_cli_options *options,
                      const struct pawl_call_page *page)
{
    add_filter(url, options);
    add_param(url, "order", options->order);
    if (options->count) add_param(url, "count", "true");
    if (page->limit > 0) add_number(url, "limit", page->limit, "");
    add_param(url, "cursor", page->cursor);
}

static void call_wait(struct pawl_buf *url, const struct pawl_cli_options *options,
                      const struct pawl_call_page *page)
{
    pawl_buf_append_str(url, "/wait");
    add_param(url, "for", options->wait_for);
    add_number(url, "timeout", page->wait_ms, "ms");
}

static void call_history(struct pawl_buf *url, const struct pawl_call_page *page)
{
    pawl_buf_append_str(url, "/history");
    add_number(url, "from", page->from, "");
    if (page->waiting) add_param(url, "waiting", "true");
    if (page->limit > 0) add_number(url, "limit", page->limit, "");
}

static void call_purge(struct pawl_buf *url, const struct pawl_cli_options *options)
{
    pawl_buf_append_str(url, "/purge");
    if (options->force) add_param(url, "force", "true");
    if (options->no_recursive) add_param(url, "recursive", "false");
}

static void call_schedule_create(struct pawl_buf *url, const struct pawl_cli_options *options)
{
    pawl_buf_append_str(url, "/create");
    add_param(url, "workflow", options->workflow);
    add_param(url, "version", options->workflow_version);
    add_param(url, "cron", options->cron);
    add_param(url, "timezone", options->timezone);
    add_param(url, "every", options->every);
    add_param(url, "offset", options->offset);
    add_param(url, "overlap", options->overlap);
    add_param(url, "catchUp", options->catch_up);
    add_param(url, "startTime", options->start_time);
    add_param(url, "endTime", options->end_time);
    if (options->paused) add_param(url, "paused", "true");
}

static void call_schedule_list(struct pawl_buf *url, const struct pawl_cli_options *options,
                               const struct pawl_call_page *page)
{
    add_param(url, "prefix", options->prefix);
    add_number(url, "limit", page->limit, "");
    add_param(url, "cursor", page->cursor);
}

static void call_rerun(struct pawl_buf *url, const struct pawl_cli_options *options)
{
    pawl_buf_append_str(url, "/rerun");
    add_param(url, "newInstanceID", options->new_instance_id);
    if (options->from_event != UINT32_MAX) add_number(url, "eventID", options->from_event, "");
    if (options->no_input) add_param(url, "overwriteInput", "true");
    add_param(url, "newChildInstanceID", options->new_child_id);
}

static void call_watch(struct pawl_buf *url, const struct pawl_cli_options *options)
{
    pawl_buf_append_str(url, "/events");
    add_param(url, "name", options->name);
    add_param(url, "status", options->status);
}

/* "/pause" and the like, with the reason where one may be given. */
static void call_change(struct pawl_buf *url, const char *what, const char *reason)
{
    pawl_buf_append_str(url, what);
    add_param(url, "reason", reason);
}

static void call_workflow(struct pawl_buf *url, const struct pawl_cli_options *options,
                          const struct pawl_call_page *page)
{
    switch (options->command) {
    case PAWL_CLI_START: call_start(url, options); break;
    case PAWL_CLI_LIST: call_list(url, options, page); break;
    case PAWL_CLI_GET: break;
    case PAWL_CLI_HISTORY: call_history(url, page); break;
    case PAWL_CLI_WAIT: call_wait(url, options, page); break;
    case PAWL_CLI_WATCH: call_watch(url, options); break;
    case PAWL_CLI_RAISE:
        pawl_buf_append_str(url, "/raiseEvent");
        add_segment(url, options->name);
        break;
    case PAWL_CLI_SUSPEND: call_change(url, "/pause", options->reason); break;
    case PAWL_CLI_RESUME: call_change(url, "/resume", options->reason); break;
    case PAWL_CLI_TERMINATE:
        pawl_buf_append_str(url, "/terminate");
        if (options->no_recursive) add_param(url, "recursive", "false");
        break;
    case PAWL_CLI_PURGE: call_purge(url, options); break;
    case PAWL_CLI_BATCH: call_batch(url, options, page); break;
    case PAWL_CLI_RERUN: call_rerun(url, options); break;
    case PAWL_CLI_RESTART:
        pawl_buf_append_str(url, "/restart");
        add_param(url, "newInstanceID", options->new_instance_id);
        break;
    case PAWL_CLI_IMPORT: pawl_buf_append_str(url, "/import"); break;
    case PAWL_CLI_REWIND: call_change(url, "/rewind", options->reason); break;
    default: PAWL_UNREACHABLE("a command that makes no call");
    }
}

static void call_schedule(struct pawl_buf *url, const struct pawl_cli_options *options,
                          const struct pawl_call_page *page)
{
    switch (options->command) {
    case PAWL_CLI_SCHEDULE_CREATE: call_schedule_create(url, options); break;
    case PAWL_CLI_SCHEDULE_LIST: call_schedule_list(url, options, page); break;
    case PAWL_CLI_SCHEDULE_GET: break;
    case PAWL_CLI_SCHEDULE_PAUSE: call_change(url, "/pause", options->reason); break;
    case PAWL_CLI_SCHEDULE_RESUME: call_change(url, "/resume", NULL); break;
    case PAWL_CLI_SCHEDULE_TRIGGER: pawl_buf_append_str(url, "/trigger"); break;
    case PAWL_CLI_SCHEDULE_DELETE: pawl_buf_append_str(url, "/delete"); break;
    default: PAWL_UNREACHABLE("a command that makes no call");
    }
}

static bool is_placement(enum pawl_cli_command command)
{
    return command == PAWL_CLI_PLACEMENT_MEMBERS || command == PAWL_CLI_PLACEMENT_TABLE;
}

static bool only_reads(enum pawl_cli_command command)
{
    switch (command) {
    case PAWL_CLI_LIST:
    case PAWL_CLI_GET:
    case PAWL_CLI_HISTORY:
    case PAWL_CLI_WAIT:
    case PAWL_CLI_WATCH:
    case PAWL_CLI_SCHEDULE_LIST:
    case PAWL_CLI_SCHEDULE_GET: return true;
    default: return is_placement(command);
    }
}

/* Where the things of this kind are. */
static void add_folder(struct pawl_buf *url, const struct pawl_cli_options *options)
{
    if (pawl_cli_is_schedule(options->command))
        pawl_buf_append_str(url, "/v1.0/schedules");
    else if (options->command == PAWL_CLI_WATCH && !options->id)
        pawl_buf_append_str(url, "/v1.0");
    else
        pawl_buf_append_str(url, "/v1.0/workflows/dapr");
    if (options->id) add_segment(url, options->id);
}

bool pawl_call_make(const struct pawl_cli_options *options, const struct pawl_call_page *page,
                    struct pawl_call *ret_call)
{
    struct pawl_buf *url = &ret_call->url;
    pawl_buf_init(url, URL_SIZE_MAX);
    ret_call->method = only_reads(options->command) ? "GET" : "POST";
    add_origin(url, options->address);
    if (is_placement(options->command)) {
        call_placement(url, options);
    } else {
        add_folder(url, options);
        if (pawl_cli_is_schedule(options->command))
            call_schedule(url, options, page);
        else
            call_workflow(url, options, page);
        add_param(url, "appID", options->only_app);
    }
    pawl_buf_append(url, "", 1);
    if (url->bad == PAWL_OK) return true;
    pawl_buf_deinit(url);
    return false;
}
