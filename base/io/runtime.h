/* Runtime: what a process of ours needs from the operating system before it can start. */
#ifndef PAWL_BASE_IO_RUNTIME_H
#define PAWL_BASE_IO_RUNTIME_H

#include "base/arena.h"
#include "pawl/err.h"

/* Make a folder that only this user can enter. One that exists must be ours and closed
 * to others: in /tmp anybody could have made it. PAWL_E_DENIED: *ret_message says why. */
PAWL_MUST_USE pawl_err pawl_runtime_folder_make(const char *path, struct pawl_arena *arena,
                                                const char **ret_message);

/* The first line of a small file, without the line's end. PAWL_E_UNAVAILABLE: *ret_message
 * says why it cannot be read. */
PAWL_MUST_USE pawl_err pawl_runtime_line_read(const char *path, struct pawl_arena *arena,
                                              const char **ret_line, const char **ret_message);

/* The token in the first line of a file. PAWL_E_UNAVAILABLE, or PAWL_E_INVALID when `is_valid`
 * says that it is none: *ret_message is a whole sentence. */
PAWL_MUST_USE pawl_err pawl_runtime_token_read(const char *path, bool (*is_valid)(const char *),
                                               struct pawl_arena *arena, const char **ret_token,
                                               const char **ret_message);

/* A file descriptor as it is written for --ready-fd. False: that is none. */
PAWL_MUST_USE bool pawl_runtime_fd_parse(const char *text, int *ret_fd);

/* Tell who has started us: write `line` to *fd, close it and set it to -1. Nothing when it is
 * -1 already. The log of `part` says when it cannot be written. */
void pawl_runtime_ready_tell(int *fd, struct pawl_bytes line, const char *part);

/* "<host name>-<process id>-<random>", as a name for placement/names.h: what a host name
 * may have and a host id may not becomes '-'. */
const char *pawl_runtime_host_id(struct pawl_arena *arena);

/* The machine's first address that is not of the loopback interface, IPv4 before IPv6, as
 * in a URL (IPv6 in brackets). NULL: there is none. */
const char *pawl_runtime_address(struct pawl_arena *arena);

/* 128 bits that nobody can guess. */
struct pawl_id pawl_runtime_id(void);

/* 64 bits that nobody can guess. */
uint64_t pawl_runtime_seed(void);

#endif /* PAWL_BASE_IO_RUNTIME_H */
