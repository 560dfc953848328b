#include "cli/io/workflow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/io/clock.h"
#include "base/limits.h"
#include "cli/call.h"
#include "cli/io/client.h"
#include "cli/io/output.h"
#include "cli/io/say.h"
#include "cli/io/view.h"
#include "cli/io/watch.h"
#include "sdk/export_json.h"

#define CALL_TIMEOUT_MS 60000
#define WAIT_STEP_MS    30000 /* one request of a long wait: proxies cut longer ones */
#define LIST_DEFAULT    50u

/* Input ---------------------------------------------------------------------------------- */

static bool input_read(FILE *file, const char *name, struct pawl_buf *buf)
{
    char chunk[65536];
    size_t got;
    while (buf->bad == PAWL_OK && (got = fread(chunk, 1, sizeof chunk, file)) > 0) {
        pawl_buf_append(buf, chunk, got);
    }
    if (ferror(file)) {
        fprintf(stderr, "pawl: cannot read %s: %s\n", name, strerror(errno));
        return false;
    }
    if (buf->bad == PAWL_OK) return true;
    fprintf(stderr, "pawl: %s is larger than %zu bytes, the most that can be sent\n", name,
            buf->size_max);
    return false;
}

static bool input_load(const struct pawl_cli_options *options, struct pawl_buf *buf)
{
    const char *file = options->data_file;
    if (options->data && strcmp(options->data, "-") == 0) file = "-";
    if (!file) {
        if (options->data) pawl_buf_append_str(buf, options->data);
        return true;
    }
    if (strcmp(file, "-") == 0) return input_read(stdin, "standard input", buf);
    FILE *stream = fopen(file, "re");
    if (!stream) {
        fprintf(stderr, "pawl: cannot open %s: %s\n", file, strerror(errno));
        return false;
    }
    bool good = input_read(stream, file, buf);
    fclose(stream);
    return good;
}

/* Calls ---------------------------------------------------------------------------------- */

enum pawl_cli_exit pawl_cli_say_unreachable(const struct pawl_cli_options *options, const char *why)
{
    fprintf(stderr,
            "pawl: cannot reach the sidecar at %s: %s\n"
            "Start one with \"pawl run\", or say where it is with --address or "
            "PAWL_HTTP_ENDPOINT.\n",
            options->address, why);
    return PAWL_CLI_UNREACHABLE;
}

static enum pawl_cli_exit exit_of(long status)
{
    if (status == 404) return PAWL_CLI_NOT_FOUND;
    if (status == 409) return PAWL_CLI_CONFLICT;
    return PAWL_CLI_FAILED;
}

static const char *advice_for(const struct pawl_cli_options *options, long status)
{
    if (status == 401) return "Give the token with --token or PAWL_TOKEN.";
    if (status == 409 && options->command == PAWL_CLI_START) {
        return "Choose another --instance-id, or see --reuse.";
    }
    if (status == 409 && options->command == PAWL_CLI_IMPORT) {
        return "If its id is in use: choose another one with --instance-id.";
    }
    if (status == 409 && options->command == PAWL_CLI_PURGE) {
        return "Terminate it first, or use --force.";
    }
    bool is_schedule = pawl_cli_is_schedule(options->command);
    if (status == 404 && is_schedule) return "\"pawl schedule list\" shows those there are.";
    if (status == 404 && options->command == PAWL_CLI_RERUN)
        return "\"pawl workflow list\" shows the instances there are, \"pawl workflow history ID\" "
               "the events of one.";
    if (status == 404) return "\"pawl workflow list\" shows the instances there are.";
    if (status == 429 || status == 503) return "Try again in a moment.";
    return NULL;
}

enum pawl_cli_exit pawl_cli_say_refused(const struct pawl_cli_options *options,
                                        const struct pawl_client_answer *answer)
{
    json_t *json =
        json_loadb((const char *)answer->body.data, answer->body.size, JSON_ALLOW_NUL, NULL);
    const char *message = json_string_value(json_object_get(json, "message"));
    if (message)
        fprintf(stderr, "pawl: %s\n", message);
    else
        fprintf(stderr, "pawl: %s answered with HTTP status %ld\n", options->address,
                answer->status);
    /* A sidecar says errorCode; without one a 404 is some other server's. */
    bool is_ours = json_object_get(json, "errorCode") != NULL;
    const char *advice = advice_for(options, answer->status);
    if (is_ours && advice) fprintf(stderr, "%s\n", advice);
    if (!is_ours) fprintf(stderr, "Is this the HTTP address of a pawl sidecar?\n");
    json_decref(json);
    return is_ours ? exit_of(answer->status) : PAWL_CLI_FAILED;
}

/* One exchange. On PAWL_CLI_OK *ret_json is the answer's JSON, to be released. */
static enum pawl_cli_exit call_json(const struct pawl_cli_options *options,
                                    const struct pawl_call_page *page, struct pawl_bytes body,
                                    json_t **ret_json, long *ret_status)
{
    struct pawl_call call;
    struct pawl_client_answer answer;
    if (!pawl_call_make(options, page, &call)) {
        pawl_cli_say("an argument is too long");
        return PAWL_CLI_USAGE;
    }
    struct pawl_client_request request = { .method = call.method,
                                           .url = (const char *)call.url.data,
                                           .token = options->token,
                                           .key = options->key,
                                           .body = body,
                                           .timeout_ms = CALL_TIMEOUT_MS + page->wait_ms };
    pawl_client_perform(&request, &answer);
    pawl_buf_deinit(&call.url);

    enum pawl_cli_exit code = PAWL_CLI_OK;
    if (answer.status == 0) {
        code = pawl_cli_say_unreachable(options, answer.error);
    } else if (answer.status < 200 || answer.status > 299) {
        code = pawl_cli_say_refused(options, &answer);
    } else {
        *ret_status = answer.status;
        *ret_json =
            json_loadb((const char *)answer.body.data, answer.body.size, JSON_ALLOW_NUL, NULL);
        if (!json_is_object(*ret_json)) {
            json_decref(*ret_json);
            fprintf(stderr, "pawl: %s did not answer with JSON. Is it a pawl sidecar?\n",
                    options->address);
            code = PAWL_CLI_FAILED;
        }
    }
    pawl_buf_deinit(&answer.body);
    return code;
}

/* Commands ------------------------------------------------------------------------------- */

static void buf_init(struct pawl_buf *buf)
{
    pawl_buf_init(buf, (size_t)4 * PAWL_HTTP_REPLY_SIZE_MAX);
}

static enum pawl_cli_exit print_json(json_t *json, enum pawl_cli_exit code)
{
    struct pawl_buf buf;
    buf_init(&buf);
    pawl_view_json(json, &buf);
    return pawl_cli_print(&buf, code);
}

static enum pawl_cli_exit print_state(const struct pawl_cli_options *options, json_t *state,
                                      enum pawl_cli_exit code)
{
    if (options->json) return print_json(state, code);
    struct pawl_buf buf;
    buf_init(&buf);
    if (options->command == PAWL_CLI_SCHEDULE_GET)
        pawl_view_schedule(state, pawl_cli_terminal_width(), &buf);
    else
        pawl_view_state(state, pawl_cli_terminal_width(), &buf);
    return pawl_cli_print(&buf, code);
}

static enum pawl_cli_exit run_get(const struct pawl_cli_options *options)
{
    json_t *state = NULL;
    long status;
    enum pawl_cli_exit code = call_json(options, &(struct pawl_call_page){ .from = 0 },
                                        PAWL_BYTES_ABSENT, &state, &status);
    if (code != PAWL_CLI_OK) return code;
    code = print_state(options, state, PAWL_CLI_OK);
    json_decref(state);
    return code;
}

/* A workflow that ended in any other way than COMPLETED is a failure to a script. */
static enum pawl_cli_exit wait_exit(const struct pawl_cli_options *options, json_t *state,
                                    long status)
{
    const char *runtime = json_string_value(json_object_get(state, "runtimeStatus"));
    if (!runtime) runtime = "UNKNOWN";
    if (status == 202) {
        fprintf(stderr, "pawl: the time is up and %s is still %s\n", options->id, runtime);
        return PAWL_CLI_FAILED;
    }
    if (options->wait_for && strcmp(options->wait_for, "started") == 0) return PAWL_CLI_OK;
    return strcmp(runtime, "COMPLETED") == 0 ? PAWL_CLI_OK : PAWL_CLI_FAILED;
}

static enum pawl_cli_exit run_wait(const struct pawl_cli_options *options)
{
    int64_t until_ms =
        options->timeout_ms < 0 ? INT64_MAX : pawl_clock_ms(CLOCK_MONOTONIC) + options->timeout_ms;
    for (;;) {
        int64_t left_ms = until_ms - pawl_clock_ms(CLOCK_MONOTONIC);
        if (left_ms < 0) left_ms = 0;
        struct pawl_call_page page = { .wait_ms = left_ms < WAIT_STEP_MS ? left_ms : WAIT_STEP_MS };
        json_t *state = NULL;
        long status = 0;
        enum pawl_cli_exit code = call_json(options, &page, PAWL_BYTES_ABSENT, &state, &status);
        if (code != PAWL_CLI_OK) return code;
        if (status == 200 || left_ms <= WAIT_STEP_MS) {
            code = print_state(options, state, wait_exit(options, state, status));
            json_decref(state);
            return code;
        }
        json_decref(state);
    }
}

static uint32_t page_limit(uint32_t wanted, size_t have, uint32_t page_max)
{
    if (wanted == 0 || wanted - have > page_max) return page_max;
    return wanted - (uint32_t)have;
}

/* Page by page into `all`, until there are no more or enough. */
static enum pawl_cli_exit list_collect(const struct pawl_cli_options *options, uint32_t wanted,
                                       json_t *all)
{
    char cursor[4096] = "";
    do {
        struct pawl_call_page page = {
            .cursor = cursor[0] ? cursor : NULL,
            .limit = page_limit(wanted, json_array_size(all), PAWL_QUERY_ITEMS_MAX),
        };
        json_t *json = NULL;
        long status = 0;
        enum pawl_cli_exit code = call_json(options, &page, PAWL_BYTES_ABSENT, &json, &status);
        if (code != PAWL_CLI_OK) return code;
        bool is_schedules = options->command == PAWL_CLI_SCHEDULE_LIST;
        json_array_extend(all, json_object_get(json, is_schedules ? "schedules" : "workflows"));
        const char *next = json_string_value(json_object_get(json, "cursor"));
        snprintf(cursor, sizeof cursor, "%s", next ? next : "");
        json_decref(json);
    } while (cursor[0] && (wanted == 0 || json_array_size(all) < wanted));
    if (cursor[0] && !options->json) {
        fprintf(stderr, "There are more: see --limit.\n");
    }
    return PAWL_CLI_OK;
}

static enum pawl_cli_exit history_collect(const struct pawl_cli_options *options, uint32_t wanted,
                                          json_t *all)
{
    uint32_t from = options->from;
    for (;;) {
        struct pawl_call_page page = {
            .from = from, .limit = page_limit(wanted, json_array_size(all), PAWL_LOAD_HISTORY_MAX)
        };
        json_t *json = NULL;
        long status = 0;
        enum pawl_cli_exit code = call_json(options, &page, PAWL_BYTES_ABSENT, &json, &status);
        if (code != PAWL_CLI_OK) return code;
        json_array_extend(all, json_object_get(json, "events"));
        json_t *next = json_object_get(json, "next");
        bool more = json_is_integer(next) && json_integer_value(next) > from;
        if (more) from = (uint32_t)json_integer_value(next);
        json_decref(json);
        if (!more || (wanted > 0 && json_array_size(all) >= wanted)) return PAWL_CLI_OK;
    }
}

/* True: the instance has changed since the page before. */
static bool is_other_moment(json_t *head, json_t *page)
{
    static const char *const keys[] = { "incarnation", "generation", "total" };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (!json_equal(json_object_get(head, keys[i]), json_object_get(page, keys[i])))
            return true;
    return false;
}

static enum pawl_cli_exit export_restless(const struct pawl_cli_options *options)
{
    fprintf(stderr,
            "pawl: workflow \"%s\" changes faster than its history can be read\n"
            "Suspend it, export it, then resume it.\n",
            options->id);
    return PAWL_CLI_FAILED;
}

/* The first page's object, with the events of all pages and what waits from the last: all of
 * one moment, or an importer would miss what was under way between them. */
static enum pawl_cli_exit export_collect(const struct pawl_cli_options *options, json_t **ret_all)
{
    json_t *all = NULL;
    uint32_t total = 0, changes = 0;
    for (;;) {
        json_t *json = NULL;
        long status = 0;
        json_t *events = json_object_get(all, "events");
        uint32_t from = (uint32_t)json_array_size(events);
        struct pawl_call_page page = { .from = from,
                                       .limit = PAWL_LOAD_HISTORY_MAX,
                                       .waiting = true };
        enum pawl_cli_exit code = call_json(options, &page, PAWL_BYTES_ABSENT, &json, &status);
        if (code != PAWL_CLI_OK) {
            json_decref(all);
            return code;
        }
        if (!all) {
            all = json;
            total = (uint32_t)json_integer_value(json_object_get(all, "total"));
        } else if (is_other_moment(all, json)) {
            json_decref(json);
            json_decref(all);
            all = NULL;
            if (++changes == PAWL_EXPORT_MOMENTS_MAX) return export_restless(options);
            continue;
        } else {
            size_t got = json_array_size(json_object_get(json, "events"));
            json_array_extend(events, json_object_get(json, "events"));
            json_object_set(all, "waiting", json_object_get(json, "waiting"));
            json_decref(json);
            if (got == 0) break; /* a sidecar that does not keep its word */
        }
        if (json_array_size(json_object_get(all, "events")) >= total) break;
    }
    json_object_del(all, "next");
    *ret_all = all;
    return PAWL_CLI_OK;
}

static enum pawl_cli_exit run_export(const struct pawl_cli_options *options)
{
    json_t *all;
    enum pawl_cli_exit code = export_collect(options, &all);
    if (code != PAWL_CLI_OK) return code;
    code = print_json(all, PAWL_CLI_OK);
    json_decref(all);
    return code;
}

static enum pawl_cli_exit run_many(const struct pawl_cli_options *options)
{
    bool is_schedules = options->command == PAWL_CLI_SCHEDULE_LIST;
    bool is_list = options->command == PAWL_CLI_LIST || is_schedules;
    uint32_t wanted = options->limit != UINT32_MAX ? options->limit : is_list ? LIST_DEFAULT : 0;
    json_t *all = json_array();
    enum pawl_cli_exit code =
        is_list ? list_collect(options, wanted, all) : history_collect(options, wanted, all);
    struct pawl_buf buf;
    buf_init(&buf);
    if (code == PAWL_CLI_OK) {
        if (options->json)
            pawl_view_json(all, &buf);
        else if (is_schedules)
            pawl_view_schedules(all, pawl_cli_terminal_width(), &buf);
        else if (is_list)
            pawl_view_list(all, pawl_cli_terminal_width(), &buf);
        else
            pawl_view_history(all, pawl_cli_terminal_width(), &buf);
        code = pawl_cli_print(&buf, code);
    }
    pawl_buf_deinit(&buf);
    json_decref(all);
    return code;
}

/* One that has gone on, ended or left meanwhile is no failure of the others. */
static enum pawl_cli_exit resume_each(const struct pawl_cli_options *options, json_t *stalled)
{
    enum pawl_cli_exit worst = PAWL_CLI_OK;
    size_t index;
    json_t *state;
    json_array_foreach(stalled, index, state) {
        struct pawl_cli_options resume = *options;
        json_t *json = NULL;
        long status = 0;
        resume.command = PAWL_CLI_RESUME;
        resume.id = json_string_value(json_object_get(state, "instanceID"));
        resume.name = NULL;
        enum pawl_cli_exit code = call_json(&resume, &(struct pawl_call_page){ .from = 0 },
                                            PAWL_BYTES_ABSENT, &json, &status);
        json_decref(json);
        if (code == PAWL_CLI_OK && !options->json) printf("%s goes on\n", resume.id);
        if (code != PAWL_CLI_OK && code != PAWL_CLI_NOT_FOUND && code != PAWL_CLI_CONFLICT)
            return code;
        if (code != PAWL_CLI_OK) worst = code;
    }
    return fflush(stdout) == 0 ? worst : PAWL_CLI_FAILED;
}

static enum pawl_cli_exit run_dead_letters(const struct pawl_cli_options *options)
{
    struct pawl_cli_options list = *options;
    list.command = PAWL_CLI_LIST;
    list.status = "STALLED";
    json_t *all = json_array();
    uint32_t wanted = options->limit != UINT32_MAX ? options->limit : 0;
    enum pawl_cli_exit code = list_collect(&list, wanted, all);
    if (code == PAWL_CLI_OK && options->resume) {
        code = resume_each(options, all);
    } else if (code == PAWL_CLI_OK && options->json) {
        code = print_json(all, code);
    } else if (code == PAWL_CLI_OK) {
        struct pawl_buf buf;
        buf_init(&buf);
        pawl_view_dead_letters(all, pawl_cli_terminal_width(), &buf);
        code = pawl_cli_print(&buf, code);
    }
    json_decref(all);
    return code;
}

static void print_done(const struct pawl_cli_options *options, json_t *json)
{
    switch (options->command) {
    case PAWL_CLI_START:
    case PAWL_CLI_RESTART:
    case PAWL_CLI_RERUN:
        printf("%s\n", json_string_value(json_object_get(json, "instanceID")));
        return;
    case PAWL_CLI_RAISE: printf("event %s sent to %s\n", options->name, options->id); return;
    case PAWL_CLI_SUSPEND: printf("%s is suspended\n", options->id); return;
    case PAWL_CLI_RESUME:
    case PAWL_CLI_REWIND: printf("%s goes on\n", options->id); return;
    case PAWL_CLI_TERMINATE: printf("%s is terminated\n", options->id); return;
    case PAWL_CLI_SCHEDULE_CREATE: printf("%s is created\n", options->id); return;
    case PAWL_CLI_SCHEDULE_PAUSE: printf("%s is paused\n", options->id); return;
    case PAWL_CLI_SCHEDULE_RESUME: printf("%s goes on\n", options->id); return;
    case PAWL_CLI_SCHEDULE_TRIGGER: printf("%s is triggered\n", options->id); return;
    case PAWL_CLI_SCHEDULE_DELETE: printf("%s is deleted\n", options->id); return;
    default: printf("%s is purged\n", options->id);
    }
}

static enum pawl_cli_exit wait_for_started(const struct pawl_cli_options *options, json_t *json)
{
    struct pawl_cli_options wait = *options;
    wait.command = PAWL_CLI_WAIT;
    wait.id = json_string_value(json_object_get(json, "instanceID"));
    wait.name = NULL;
    return run_wait(&wait);
}

static enum pawl_cli_exit run_change(const struct pawl_cli_options *options)
{
    struct pawl_buf body;
    pawl_buf_init(&body, PAWL_PAYLOAD_SIZE_MAX);
    json_t *json = NULL;
    long status = 0;
    enum pawl_cli_exit code = PAWL_CLI_USAGE;
    if (input_load(options, &body)) {
        code = call_json(options, &(struct pawl_call_page){ .from = 0 }, pawl_buf_view(&body),
                         &json, &status);
    }
    pawl_buf_deinit(&body);
    if (code != PAWL_CLI_OK) return code;

    bool has_id = json_is_string(json_object_get(json, "instanceID"));
    bool makes_one = options->command == PAWL_CLI_START || options->command == PAWL_CLI_RERUN
                     || options->command == PAWL_CLI_RESTART;
    if (makes_one && !has_id) {
        fprintf(stderr, "pawl: the answer has no instance id. Is %s a pawl sidecar?\n",
                options->address);
        code = PAWL_CLI_FAILED;
    } else if (options->command == PAWL_CLI_START && options->wait) {
        code = wait_for_started(options, json);
    } else if (options->json) {
        code = print_json(json, PAWL_CLI_OK);
    } else {
        print_done(options, json);
        code = fflush(stdout) == 0 ? PAWL_CLI_OK : PAWL_CLI_FAILED;
    }
    json_decref(json);
    return code;
}

/* Import ------------------------------------------------------------------------------------ */

/* Looked at here already: whoever waits for a large file to be sent wants to know first. */
static const char *import_check(const char *file, struct pawl_bytes text, struct pawl_arena *arena)
{
    struct pawl_export export;
    const char *why = NULL;
    if (pawl_export_json_parse(text, arena, &export, &why))
        return (const char *)pawl_arena_printf(arena, "%.*s", PAWL_BYTES_FMT(export.instance)).data;
    fprintf(stderr, "pawl: %s cannot be imported: %s\n", file, why);
    return NULL;
}

static enum pawl_cli_exit run_import(const struct pawl_cli_options *options)
{
    struct pawl_cli_options import = *options;
    struct pawl_buf body;
    struct pawl_arena arena;
    json_t *json = NULL;
    long status = 0;
    enum pawl_cli_exit code = PAWL_CLI_USAGE;
    pawl_buf_init(&body, PAWL_IMPORT_SIZE_MAX);
    pawl_arena_init(&arena);
    bool is_read = input_load(options, &body);
    const char *id =
        is_read ? import_check(options->data_file, pawl_buf_view(&body), &arena) : NULL;
    import.id = options->instance_id ? options->instance_id : id;
    if (id)
        code = call_json(&import, &(struct pawl_call_page){ .from = 0 }, pawl_buf_view(&body),
                         &json, &status);
    if (code == PAWL_CLI_OK && options->json) code = print_json(json, code);
    if (code == PAWL_CLI_OK && !options->json) {
        printf("%s is imported\n", import.id);
        if (fflush(stdout) != 0) code = PAWL_CLI_FAILED;
    }
    json_decref(json);
    pawl_arena_deinit(&arena);
    pawl_buf_deinit(&body);
    return code;
}

/* Counts and batches ------------------------------------------------------------------------ */

static enum pawl_cli_exit run_count(const struct pawl_cli_options *options)
{
    json_t *json = NULL;
    long status = 0;
    enum pawl_cli_exit code = call_json(options, &(struct pawl_call_page){ .from = 0 },
                                        PAWL_BYTES_ABSENT, &json, &status);
    if (code != PAWL_CLI_OK) return code;
    if (options->json) {
        code = print_json(json, PAWL_CLI_OK);
    } else {
        const char *name;
        json_t *count;
        json_object_foreach(json_object_get(json, "byStatus"), name, count)
            printf("%-10s %lld\n", name, (long long)json_integer_value(count));
        printf("%-10s %lld\n", "all",
               (long long)json_integer_value(json_object_get(json, "count")));
    }
    json_decref(json);
    return code;
}

struct batch {
    long long matched;
    long long done;
    long long failed;
    char cursor[4096];
};

static long long batch_number(json_t *json, const char *key)
{
    return (long long)json_integer_value(json_object_get(json, key));
}

/* Progress is for whoever watches, so it goes to standard error. */
static void batch_take(const struct pawl_cli_options *options, struct batch *batch, json_t *json)
{
    const char *failure = json_string_value(json_object_get(json, "failure"));
    const char *cursor = json_string_value(json_object_get(json, "cursor"));
    if (failure) fprintf(stderr, "pawl: %s\n", failure);
    batch->matched += batch_number(json, "matched");
    batch->done += batch_number(json, "done");
    batch->failed += batch_number(json, "failed");
    snprintf(batch->cursor, sizeof batch->cursor, "%s", cursor ? cursor : "");
    if (cursor)
        fprintf(stderr, "%s: %lld matched, %lld done, %lld failed so far; go on with --cursor %s\n",
                options->operation, batch->matched, batch->done, batch->failed, cursor);
}

static enum pawl_cli_exit batch_print(const struct pawl_cli_options *options,
                                      const struct batch *batch)
{
    if (options->json)
        printf("{\"matched\":%lld,\"done\":%lld,\"failed\":%lld}\n", batch->matched, batch->done,
               batch->failed);
    else
        printf("%s: %lld matched, %lld done, %lld failed\n", options->operation, batch->matched,
               batch->done, batch->failed);
    bool is_written = fflush(stdout) == 0;
    return is_written && batch->failed == 0 ? PAWL_CLI_OK : PAWL_CLI_FAILED;
}

static enum pawl_cli_exit run_batch(const struct pawl_cli_options *options)
{
    struct pawl_buf body;
    struct batch batch = { .matched = 0 };
    pawl_buf_init(&body, PAWL_PAYLOAD_SIZE_MAX);
    if (options->cursor) snprintf(batch.cursor, sizeof batch.cursor, "%s", options->cursor);
    enum pawl_cli_exit code = input_load(options, &body) ? PAWL_CLI_OK : PAWL_CLI_USAGE;
    while (code == PAWL_CLI_OK) {
        json_t *json = NULL;
        long status = 0;
        struct pawl_call_page page = { .cursor = batch.cursor[0] ? batch.cursor : NULL };
        code = call_json(options, &page, pawl_buf_view(&body), &json, &status);
        if (code != PAWL_CLI_OK) break;
        batch_take(options, &batch, json);
        json_decref(json);
        if (batch.cursor[0] == 0) break;
    }
    pawl_buf_deinit(&body);
    return code == PAWL_CLI_OK ? batch_print(options, &batch) : code;
}

enum pawl_cli_exit pawl_cli_workflow(const struct pawl_cli_options *options)
{
    switch (options->command) {
    case PAWL_CLI_SCHEDULE_GET:
    case PAWL_CLI_GET: return run_get(options);
    case PAWL_CLI_WAIT: return run_wait(options);
    case PAWL_CLI_HISTORY: return options->export_all ? run_export(options) : run_many(options);
    case PAWL_CLI_SCHEDULE_LIST: return run_many(options);
    case PAWL_CLI_LIST: return options->count ? run_count(options) : run_many(options);
    case PAWL_CLI_BATCH: return run_batch(options);
    case PAWL_CLI_WATCH: return pawl_cli_watch(options);
    case PAWL_CLI_DEAD_LETTERS: return run_dead_letters(options);
    case PAWL_CLI_IMPORT: return run_import(options);
    default: return run_change(options);
    }
}
