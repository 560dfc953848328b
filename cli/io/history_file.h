/* History file: the JSON of an exported history, read back into the very events. */
#ifndef PAWL_CLI_IO_HISTORY_FILE_H
#define PAWL_CLI_IO_HISTORY_FILE_H

#include <jansson.h>

#include "cli/history.h"

/* False: *ret_why says what is wrong with it and where, and what to do. Everything is copied
 * to the arena. */
bool pawl_history_file_read(json_t *json, struct pawl_arena *arena,
                            struct pawl_cli_history *ret_history, const char **ret_why);

/* The same from a file's text. */
bool pawl_history_file_parse(struct pawl_bytes text, struct pawl_arena *arena,
                             struct pawl_cli_history *ret_history, const char **ret_why);

#endif /* PAWL_CLI_IO_HISTORY_FILE_H */
