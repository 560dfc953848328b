/* Replay: `pawl replay HISTORY… -- ./app`, from the files to the exit code. */
#ifndef PAWL_CLI_IO_REPLAY_H
#define PAWL_CLI_IO_REPLAY_H

#include "cli/options.h"

int pawl_cli_replay(const struct pawl_cli_options *options);

#endif /* PAWL_CLI_IO_REPLAY_H */
