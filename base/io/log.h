/* Log sink of our processes: one line per event on standard error.
 *
 *   text  time=2026-03-01T12:00:00.123Z level=info part=store msg="…"
 *   json  {"time":"2026-03-01T12:00:00.123Z","level":"info","part":"store","msg":"…"}
 *
 * A line is written with one system call, so lines of several threads do not mix.
 */
#ifndef PAWL_BASE_IO_LOG_H
#define PAWL_BASE_IO_LOG_H

#include <stdbool.h>

#include "base/log.h"

/* Set the process-wide log. Call before any thread starts. */
void pawl_log_open(enum pawl_log_level level, bool json);

#endif /* PAWL_BASE_IO_LOG_H */
