/* Run: `pawl run`, an app and its sidecar as one thing.
 *
 * The sidecar starts first and says through a pipe when it is ready; then the app is
 * started. Whichever ends first takes the other one with it; if `pawl` itself is
 * killed, the kernel kills both.
 */
#ifndef PAWL_CLI_IO_RUN_H
#define PAWL_CLI_IO_RUN_H

#include "cli/options.h"

/* The app's exit code (128 + signal when a signal ended it), or a pawl_cli_exit. */
int pawl_cli_run(const struct pawl_cli_options *options);

#endif /* PAWL_CLI_IO_RUN_H */
