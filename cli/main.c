/* `pawl`: the command line. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <curl/curl.h>

#include "base/arena.h"
#include "cli/io/doctor.h"
#include "cli/io/placement.h"
#include "cli/io/replay.h"
#include "cli/io/run.h"
#include "cli/io/workflow.h"

static int perform(const struct pawl_cli_options *options)
{
    switch (options->command) {
    case PAWL_CLI_HELP: fputs(options->help, stdout); return PAWL_CLI_OK;
    case PAWL_CLI_VERSION: puts("pawl " PAWL_VERSION_TEXT); return PAWL_CLI_OK;
    case PAWL_CLI_RUN: return pawl_cli_run(options);
    case PAWL_CLI_DOCTOR: return pawl_cli_doctor(options);
    case PAWL_CLI_REPLAY: return pawl_cli_replay(options);
    case PAWL_CLI_PLACEMENT_MEMBERS:
    case PAWL_CLI_PLACEMENT_TABLE: return (int)pawl_cli_placement(options);
    default: return (int)pawl_cli_workflow(options);
    }
}

int main(int argc, char **argv)
{
    struct pawl_arena arena;
    struct pawl_cli_options options;
    const char *error = NULL;
    pawl_arena_init(&arena);
    signal(SIGPIPE, SIG_IGN);
    curl_global_init(CURL_GLOBAL_DEFAULT);

    int code = PAWL_CLI_USAGE;
    if (pawl_cli_parse(argc, argv, getenv("PAWL_HTTP_ENDPOINT"), getenv("PAWL_TOKEN"), &arena,
                       &options, &error)) {
        code = perform(&options);
    } else {
        fprintf(stderr, "pawl: %s\n", error);
    }
    curl_global_cleanup();
    pawl_arena_deinit(&arena);
    return code;
}
