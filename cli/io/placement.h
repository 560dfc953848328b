/* Placement: `pawl placement …`, from the options to the exit code. */
#ifndef PAWL_CLI_IO_PLACEMENT_H
#define PAWL_CLI_IO_PLACEMENT_H

#include "cli/options.h"

enum pawl_cli_exit pawl_cli_placement(const struct pawl_cli_options *options);

#endif /* PAWL_CLI_IO_PLACEMENT_H */
