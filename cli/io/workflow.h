/* Workflow: `pawl workflow …`, from the options to the exit code. */
#ifndef PAWL_CLI_IO_WORKFLOW_H
#define PAWL_CLI_IO_WORKFLOW_H

#include "cli/io/client.h"
#include "cli/options.h"

enum pawl_cli_exit pawl_cli_workflow(const struct pawl_cli_options *options);

/* Why there was no answer, or not the one that was wanted, on stderr; and what to exit with. */
enum pawl_cli_exit pawl_cli_say_unreachable(const struct pawl_cli_options *options,
                                            const char *why);
enum pawl_cli_exit pawl_cli_say_refused(const struct pawl_cli_options *options,
                                        const struct pawl_client_answer *answer);

#endif /* PAWL_CLI_IO_WORKFLOW_H */
