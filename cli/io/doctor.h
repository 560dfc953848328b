/* `pawl doctor`. */
#ifndef PAWL_CLI_IO_DOCTOR_H
#define PAWL_CLI_IO_DOCTOR_H

#include "cli/options.h"

/* Exit code: enum pawl_doctor_outcome. */
int pawl_cli_doctor(const struct pawl_cli_options *options);

#endif /* PAWL_CLI_IO_DOCTOR_H */
