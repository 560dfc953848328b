/* Pages: what the service shows over HTTP, as text. Pure. */
#ifndef PAWL_PLACEMENT_PAGES_H
#define PAWL_PLACEMENT_PAGES_H

#include "placement/membership.h"

struct pawl_placement_view {
    const struct pawl_membership_status *status;
    const char *address;          /* of this replica, as others reach it */
    const char *version;          /* of the program */
    const char *store_error;      /* NULL: the store answers, or is not needed */
    struct pawl_bytes namespace_; /* absent: all */
    struct pawl_bytes app;        /* absent: all */
};

/* NULL: fine. Else why not, for a person: no leader is known, or it has just begun. */
const char *pawl_placement_problem(const struct pawl_placement_view *view);

/* JSON: who is there. */
void pawl_placement_members_page(struct pawl_buf *buf, const struct pawl_placement_view *view);

/* JSON: who owns what, per app; as every sidecar computes it from the same list. */
void pawl_placement_table_page(struct pawl_buf *buf, const struct pawl_placement_view *view,
                               struct pawl_arena *arena);

/* Prometheus text. */
void pawl_placement_metrics_page(struct pawl_buf *buf, const struct pawl_placement_view *view);

#endif /* PAWL_PLACEMENT_PAGES_H */
