/* Config file: the options of sidecar/config.h as a flat YAML mapping.
 *
 *   app-id: shop
 *   http-port: 3500
 *   app-listen: tcp://127.0.0.1:3501
 */
#ifndef PAWL_SIDECAR_IO_CONFIG_YAML_H
#define PAWL_SIDECAR_IO_CONFIG_YAML_H

#include "sidecar/config.h"

/* Set what the file says, as PAWL_CONFIG_FILE. PAWL_E_UNAVAILABLE: it cannot be read.
 * PAWL_E_INVALID: *ret_message says what is wrong, with line and column where it is
 * about the form of the file. */
PAWL_MUST_USE pawl_err pawl_config_yaml_load(struct pawl_config *config, const char *path,
                                             const char **ret_message);

#endif /* PAWL_SIDECAR_IO_CONFIG_YAML_H */
