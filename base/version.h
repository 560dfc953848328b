/* Version: which of two version names is the older one. */
#ifndef PAWL_BASE_VERSION_H
#define PAWL_BASE_VERSION_H

#include "pawl/types.h"

/* Below 0: `a` is older, 0: neither, above 0: `b` is. Part by part between dots: two
 * numbers by their value, anything else by its bytes; a number is older than a word. What
 * has run out of parts is older, so 1.2 < 1.2.0 < 1.10 < 2 < 2.beta. Absent is the oldest. */
int pawl_version_compare(struct pawl_bytes a, struct pawl_bytes b);

#endif /* PAWL_BASE_VERSION_H */
