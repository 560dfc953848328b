/* Runtime: what a process of ours needs from the operating system before it can start. */
#ifndef PAWL_BASE_IO_RUNTIME_H
#define PAWL_BASE_IO_RUNTIME_H

#include "base/arena.h"
#include "pawl/err.h"

/* Make a folder that only this user can enter. One that exists must be ours and closed
 * to others: in /tmp anybody could have made it. PAWL_E_DENIED: *ret_message says why. */
PAWL_MUST_USE pawl_err pawl_runtime_folder_make(const char *path, struct pawl_arena *arena,
                                                const char **ret_message);

/* The first line of a small file, without the line's end. */
PAWL_MUST_USE pawl_err pawl_runtime_line_read(const char *path, struct pawl_arena *arena,
                                              const char **ret_line, const char **ret_message);

/* "<host name>:<process id>" */
const char *pawl_runtime_name(struct pawl_arena *arena);

/* 64 bits that nobody can guess. */
uint64_t pawl_runtime_seed(void);

#endif /* PAWL_BASE_IO_RUNTIME_H */
