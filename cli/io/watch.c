#include "cli/io/watch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "base/bytes.h"
#include "cli/call.h"
#include "cli/event_lines.h"
#include "cli/io/say.h"
#include "cli/io/workflow.h"
#include "sdk/history.h"

#define SILENCE_MS 45000 /* three times as long as the sidecar is ever silent */
#define AGAIN_MS   500   /* before the next connection */

struct watch {
    const struct pawl_cli_options *options;
    struct pawl_call call; /* that each connection makes */
    struct pawl_event_lines lines;
    bool is_over; /* the instance that was asked for has ended */
    bool cannot_write;
    bool cannot_read; /* what came is no event of a sidecar */
};

static const char *text_of(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text ? text : "";
}

/* `what` may be missing, but is a list of texts when it is there. */
static bool is_readable(const json_t *json)
{
    json_t *list = json_object_get(json, "what"), *what;
    size_t index;
    if (!json_is_object(json) || (list && !json_is_array(list))) return false;
    json_array_foreach(list, index, what) {
        if (!json_is_string(what)) return false;
    }
    return true;
}

static bool has_ended(const json_t *json)
{
    enum pawl_status status;
    return pawl_status_parse(pawl_bytes_str(text_of(json, "runtimeStatus")), &status)
           && pawl_status_is_terminal(status);
}

static bool is_purged(const json_t *json)
{
    size_t index;
    json_t *what;
    json_array_foreach(json_object_get(json, "what"), index, what) {
        if (strcmp(json_string_value(what), "purged") == 0) return true;
    }
    return false;
}

static void print_what(const json_t *json)
{
    size_t index;
    json_t *what;
    json_array_foreach(json_object_get(json, "what"), index, what) {
        printf("%s%s", index ? "," : "", json_string_value(what));
    }
}

/* The columns that every line has; they nearly always fit. The time as far as milliseconds. */
static void print_columns(const json_t *json, const char *time)
{
    printf("%.23s%s  %-36s  %-20s  %-11s  ", time, time[0] ? "Z" : "", text_of(json, "instanceID"),
           text_of(json, "workflowName"), text_of(json, "runtimeStatus"));
}

/* One line for a person. */
static void print_line(struct pawl_bytes event, const json_t *json)
{
    if (pawl_bytes_is_str(event, "gap") || pawl_bytes_is_str(event, "end")) {
        fprintf(stderr, "pawl: %s\n", text_of(json, "message"));
    } else if (pawl_bytes_is_str(event, "absent")) {
        fprintf(stderr, "pawl: there is no instance %s yet\n", text_of(json, "instanceID"));
    } else if (pawl_bytes_is_str(event, "state")) {
        print_columns(json, text_of(json, "lastUpdatedAt"));
        puts("state");
    } else {
        print_columns(json, text_of(json, "time"));
        print_what(json);
        printf("  %s\n", text_of(json, "customStatus"));
    }
}

static void print_json(const struct watch *watch, struct pawl_bytes event, struct pawl_bytes data)
{
    const struct pawl_buf *id = &watch->lines.id;
    printf("{\"event\":\"%.*s\",\"data\":%.*s,\"position\":\"%s\"}\n", PAWL_BYTES_FMT(event),
           PAWL_BYTES_FMT(data), id->size ? (const char *)id->data : "");
}

static bool watch_on_event(void *context, struct pawl_bytes event, struct pawl_bytes data)
{
    struct watch *watch = context;
    if (pawl_bytes_is_absent(data)) return true;
    json_t *json = json_loadb((const char *)data.data, data.size, JSON_ALLOW_NUL, NULL);
    watch->cannot_read = !is_readable(json);
    if (watch->cannot_read) {
        json_decref(json);
        return false;
    }
    if (watch->options->json)
        print_json(watch, event, data);
    else
        print_line(event, json);
    watch->cannot_write = fflush(stdout) != 0;
    bool is_end = has_ended(json) || is_purged(json);
    if (watch->options->id && is_end) watch->is_over = true;
    json_decref(json);
    return !watch->is_over && !watch->cannot_write;
}

static bool watch_on_data(void *context, struct pawl_bytes data)
{
    struct watch *watch = context;
    bool goes_on = pawl_event_lines_take(&watch->lines, data, watch_on_event, watch);
    if (!goes_on && !watch->is_over && !watch->cannot_write) watch->cannot_read = true;
    return goes_on;
}

/* One connection, as long as it lasts. */
static void watch_connect(struct watch *watch, struct pawl_client_answer *ret_answer)
{
    const struct pawl_buf *id = &watch->lines.id;
    const struct pawl_client_request request = {
        .method = watch->call.method,
        .url = (const char *)watch->call.url.data,
        .token = watch->options->token,
        .event_stream = id->size ? (const char *)id->data : "",
        .silence_ms = SILENCE_MS,
        .on_data = watch_on_data,
        .context = watch,
    };
    pawl_event_lines_reset(&watch->lines);
    pawl_client_perform(&request, ret_answer);
}

/* What can be mended by nobody but the person who typed it. */
static bool is_refusal(long status)
{
    return status >= 400 && status != 429 && status != 503;
}

static enum pawl_cli_exit say_unreadable(const struct watch *watch)
{
    const struct pawl_buf *id = &watch->lines.id;
    fprintf(stderr,
            "pawl: what came from %s cannot be read as lifecycle events; is a sidecar of this "
            "version listening there?\n",
            watch->options->address);
    if (id->size)
        fprintf(stderr, "Go on later behind the last event with --position %s\n",
                (const char *)id->data);
    return PAWL_CLI_FAILED;
}

static enum pawl_cli_exit watch_follow(struct watch *watch)
{
    const struct timespec rest = { .tv_nsec = AGAIN_MS * 1000000L };
    for (bool was_there = false;;) {
        struct pawl_client_answer answer;
        watch_connect(watch, &answer);
        long status = answer.status;
        enum pawl_cli_exit code = PAWL_CLI_OK;
        if (!was_there && status == 0)
            code = pawl_cli_say_unreachable(watch->options, answer.error);
        else if (is_refusal(status) || (!was_there && status != 200))
            code = pawl_cli_say_refused(watch->options, &answer);
        pawl_buf_deinit(&answer.body);
        if (code != PAWL_CLI_OK || watch->is_over) return code;
        if (watch->cannot_write) {
            fprintf(stderr, "pawl: cannot write the output: %s\n", strerror(errno));
            return PAWL_CLI_FAILED;
        }
        if (watch->cannot_read) return say_unreadable(watch);
        if (status == 200)
            fprintf(stderr, "pawl: the connection has ended; going on behind the last event\n");
        was_there = true;
        nanosleep(&rest, NULL);
    }
}

enum pawl_cli_exit pawl_cli_watch(const struct pawl_cli_options *options)
{
    struct watch watch = { .options = options };
    if (!pawl_call_make(options, &(struct pawl_call_page){ .from = 0 }, &watch.call)) {
        pawl_cli_say("an argument is too long");
        return PAWL_CLI_USAGE;
    }
    pawl_event_lines_init(&watch.lines);
    if (options->position) {
        pawl_buf_append_str(&watch.lines.id, options->position);
        pawl_buf_append(&watch.lines.id, "", 1);
    }
    enum pawl_cli_exit code = watch_follow(&watch);
    pawl_event_lines_deinit(&watch.lines);
    pawl_buf_deinit(&watch.call.url);
    return code;
}
