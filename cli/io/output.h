/* Output: what a command prints, for a person or a program. */
#ifndef PAWL_CLI_IO_OUTPUT_H
#define PAWL_CLI_IO_OUTPUT_H

#include "base/buf.h"
#include "cli/options.h"

/* Columns of the terminal that standard output is. 0: it is none, or its width is unknown. */
uint32_t pawl_cli_terminal_width(void);

/* Print `buf` and free it. Returns `code`, or FAILED when not all could be written, which is
 * said on standard error. */
enum pawl_cli_exit pawl_cli_print(struct pawl_buf *buf, enum pawl_cli_exit code);

#endif /* PAWL_CLI_IO_OUTPUT_H */
