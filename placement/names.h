/* Names: what may name a namespace, an app, a host, and where one may be reached. */
#ifndef PAWL_PLACEMENT_NAMES_H
#define PAWL_PLACEMENT_NAMES_H

#include "pawl/types.h"

/* 1 to PAWL_APP_ID_SIZE_MAX letters, digits, '-', '_', '.': namespaces and apps. */
bool pawl_placement_app_is_valid(struct pawl_bytes text);

/* 1 to PAWL_HOST_SIZE_MAX of the same. */
bool pawl_placement_host_is_valid(struct pawl_bytes text);

/* tcp://host:port with a port of 1 to 65535, at most PAWL_ADDRESS_SIZE_MAX bytes. The
 * host is a name, an IPv4 address, or an IPv6 address in brackets. */
bool pawl_placement_address_is_valid(struct pawl_bytes text);

#endif /* PAWL_PLACEMENT_NAMES_H */
