/* What the parts of the configuration share. Included by sidecar/config*.c only. */
#ifndef PAWL_SIDECAR_CONFIG_INTERNAL_H
#define PAWL_SIDECAR_CONFIG_INTERNAL_H

#include "sidecar/config.h"

/* PAWL_E_INVALID, with a message that names the option as the user did. */
PAWL_MUST_USE pawl_err pawl_config_refuse(struct pawl_config *config,
                                          const struct pawl_config_option *option,
                                          enum pawl_config_source source, const char *value,
                                          const char **ret_message);

/* Decimal digits only. */
bool pawl_config_number_parse(const char *text, int64_t min, int64_t max, int64_t *ret_value);

/* Concurrency limits: fills in config.limits. */
PAWL_MUST_USE pawl_err pawl_config_finish_limits(struct pawl_config *config,
                                                 const char **ret_message);

#endif /* PAWL_SIDECAR_CONFIG_INTERNAL_H */
