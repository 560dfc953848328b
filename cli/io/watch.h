/* Watch: `pawl workflow watch`, a lifecycle stream that outlives its connections. */
#ifndef PAWL_CLI_IO_WATCH_H
#define PAWL_CLI_IO_WATCH_H

#include "cli/options.h"

enum pawl_cli_exit pawl_cli_watch(const struct pawl_cli_options *options);

#endif /* PAWL_CLI_IO_WATCH_H */
