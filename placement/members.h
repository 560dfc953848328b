/* Members: who is there. The one thing that placement tells sidecars.
 *
 * No table travels: who owns which partition follows from this list (ring.h), and
 * everybody computes the same. The list holds all apps of one namespace.
 */
#ifndef PAWL_PLACEMENT_MEMBERS_H
#define PAWL_PLACEMENT_MEMBERS_H

#include "base/arena.h"
#include "pawl/types.h"

/* One sidecar. */
struct pawl_member {
    struct pawl_bytes host;    /* unique in the namespace, new with each process */
    struct pawl_bytes app;     /* id of the app it serves */
    struct pawl_bytes address; /* where its peers reach it: tcp://host:port */
    uint32_t partitions;       /* of its app: the same for all sidecars of an app */
    bool leaving;              /* owns nothing and gets no new activities any more */
    bool runs_activities;      /* a worker that registered activities is connected to it */
    bool runs_workflows;       /* the same for workflows, but not of the moment: see below */
};

/* Turns run at the workers of the sidecar that owns the instance. So of an app's members
 * those own its partitions that have the highest rank, unless it is 0: those with a worker
 * for workflows, and all that stay when nobody has one. */
static inline uint32_t pawl_member_owner_rank(const struct pawl_member *member)
{
    if (member->leaving) return 0;
    return member->runs_workflows ? 2 : 1;
}

struct pawl_members {
    uint64_t version; /* grows with every change, across leaders too; 0: none known yet */
    uint32_t count;
    struct pawl_member *items; /* by app, then by host (byte order) */
};

#endif /* PAWL_PLACEMENT_MEMBERS_H */
