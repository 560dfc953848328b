/* Zones: the system's time zones (/usr/share/zoneinfo, package tzdata), read when they are
 * first asked for and kept. */
#ifndef PAWL_SIDECAR_IO_ZONES_H
#define PAWL_SIDECAR_IO_ZONES_H

#include "base/zone.h"

struct pawl_zones;

/* `folder`: NULL for the system's. */
struct pawl_zones *pawl_zones_new(const char *folder);
void pawl_zones_free(struct pawl_zones *zones);

/* For pawl_node_config.zone_find, with the zones as context. NULL: there is no such zone, or
 * its file cannot be read; it is looked for again the next time. */
const struct pawl_zone *pawl_zones_find(void *zones, struct pawl_bytes name);

#endif /* PAWL_SIDECAR_IO_ZONES_H */
