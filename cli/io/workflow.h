/* Workflow: `pawl workflow …`, from the options to the exit code. */
#ifndef PAWL_CLI_IO_WORKFLOW_H
#define PAWL_CLI_IO_WORKFLOW_H

#include "cli/options.h"

enum pawl_cli_exit pawl_cli_workflow(const struct pawl_cli_options *options);

#endif /* PAWL_CLI_IO_WORKFLOW_H */
