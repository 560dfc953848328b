#include "cli/io/placement.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "cli/call.h"
#include "cli/io/client.h"
#include "cli/io/output.h"
#include "cli/io/say.h"
#include "cli/io/view.h"

#define CALL_TIMEOUT_MS 10000

static enum pawl_cli_exit say_unreachable(const struct pawl_cli_options *options, const char *why)
{
    fprintf(stderr,
            "pawl: cannot reach the placement service at %s: %s\n"
            "Say with --address where one of its replicas serves HTTP (its --http-port).\n",
            options->address, why);
    return PAWL_CLI_UNREACHABLE;
}

static enum pawl_cli_exit say_refused(const struct pawl_cli_options *options, long status)
{
    if (status == 401) {
        fputs("pawl: the placement service asks for a token. Give it with --token or "
              "PAWL_TOKEN.\n",
              stderr);
        return PAWL_CLI_FAILED;
    }
    fprintf(stderr, "pawl: %s answered with HTTP status %ld. Is it pawl-placement?\n",
            options->address, status);
    return PAWL_CLI_FAILED;
}

/* The answer's JSON, to be released; NULL: *ret_code. */
static json_t *ask(const struct pawl_cli_options *options, enum pawl_cli_exit *ret_code)
{
    struct pawl_call call;
    struct pawl_client_answer answer;
    if (!pawl_call_make(options, &(struct pawl_call_page){ .from = 0 }, &call)) {
        pawl_cli_say("an argument is too long");
        *ret_code = PAWL_CLI_USAGE;
        return NULL;
    }
    const struct pawl_client_request request = { .method = call.method,
                                                 .url = (const char *)call.url.data,
                                                 .token = options->token,
                                                 .timeout_ms = CALL_TIMEOUT_MS };
    pawl_client_perform(&request, &answer);
    pawl_buf_deinit(&call.url);
    json_t *json = NULL;
    if (answer.status == 0) {
        *ret_code = say_unreachable(options, answer.error);
    } else if (answer.status != 200) {
        *ret_code = say_refused(options, answer.status);
    } else {
        json = json_loadb((const char *)answer.body.data, answer.body.size, 0, NULL);
        if (!json_is_array(json_object_get(json, "namespaces"))) {
            json_decref(json);
            json = NULL;
            *ret_code = say_refused(options, answer.status);
        }
    }
    pawl_buf_deinit(&answer.body);
    return json;
}

/* A replica that does not lead has no list to show. */
static bool say_follower(const struct pawl_cli_options *options, json_t *json)
{
    const char *problem = json_string_value(json_object_get(json, "problem"));
    if (problem) {
        fprintf(stderr, "pawl: %s: %s\n", options->address, problem);
        return true;
    }
    if (json_is_true(json_object_get(json, "leads"))) return false;
    const char *leader = json_string_value(json_object_get(json, "leader"));
    fprintf(stderr,
            "pawl: the replica at %s does not lead and has no list; the one that sidecars reach at "
            "%s does. Give that one's HTTP address with --address.\n",
            options->address, leader ? leader : "an unknown address");
    return true;
}

static enum pawl_cli_exit show(const struct pawl_cli_options *options, json_t *json)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, (size_t)4 * PAWL_HTTP_REPLY_SIZE_MAX);
    if (options->json)
        pawl_view_json(json, &buf);
    else if (options->command == PAWL_CLI_PLACEMENT_TABLE)
        pawl_view_owners(json, pawl_cli_terminal_width(), &buf);
    else
        pawl_view_members(json, pawl_cli_terminal_width(), &buf);
    return pawl_cli_print(&buf, PAWL_CLI_OK);
}

enum pawl_cli_exit pawl_cli_placement(const struct pawl_cli_options *options)
{
    enum pawl_cli_exit code = PAWL_CLI_FAILED;
    json_t *json = ask(options, &code);
    if (!json) return code;
    /* JSON is for programs, which see for themselves who leads. */
    if (options->json || !say_follower(options, json)) code = show(options, json);
    json_decref(json);
    return code;
}
