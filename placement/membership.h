/* Membership: the service's side of placement, without sockets, clock and randomness.
 *
 * Each connection:  AWAITING_HELLO --HELLO--> READY --> CLOSING -> closed
 *                        '------ refused, redirected, silent --^
 *
 * Each member (a host of a namespace) has a connection, or lost it less than
 * PAWL_PLACEMENT_GRACE_MS ago: so a link that breaks and comes back moves nothing. A
 * silent one is closed after PAWL_PLACEMENT_SILENCE_MS and is removed at once; it had its
 * time. One that was leaving is removed with its connection: it owned nothing any more.
 *
 * Lists go out when something has changed, at most every PAWL_PLACEMENT_PUBLISH_MS per
 * namespace (and 1 ms more for each 8 members), so a hundred sidecars that start together cost a
 * few lists and not a hundred.
 *
 * Versions: the leader's epoch in the upper 32 bits, a count in the lower. Whoever leads
 * later has a higher epoch: seconds since 2020 when it was taken, or one more than the last.
 * A HELLO says which version its sidecar has heard of, and the next list is above every
 * such version: so they grow also when the epoch did not (a service without a store, after
 * its clock was set back; a store that lost the lease).
 *
 * A new leader knows nobody. If it published who came first, everybody else would be gone
 * for a moment, and all partitions would move and move back. So it listens for
 * PAWL_PLACEMENT_SETTLE_MS (longer than any follower waits between two attempts), and on
 * while sidecars still keep coming, at most PAWL_PLACEMENT_SETTLE_MS_MAX. Until then
 * nobody gets a list: they work on with the one they hold, as they did without a leader. A
 * sidecar that does not come in that time is dead or cut off, and is not in the list.
 */
#ifndef PAWL_PLACEMENT_MEMBERSHIP_H
#define PAWL_PLACEMENT_MEMBERSHIP_H

#include "placement/frames.h"

struct pawl_membership;

struct pawl_membership_config {
    struct pawl_bytes token; /* absent: none is asked for */
    uint64_t seed;           /* of its maps */
};

enum pawl_membership_event_type {
    PAWL_MEMBERSHIP_TICK = 1, /* at wake_at_ms or later */
    PAWL_MEMBERSHIP_OPENED,   /* conn */
    PAWL_MEMBERSHIP_FRAME,    /* conn, frame */
    PAWL_MEMBERSHIP_CLOSED,   /* conn, why */
    PAWL_MEMBERSHIP_LEAD,     /* epoch: this replica leads from now on */
    PAWL_MEMBERSHIP_FOLLOW,   /* leader: it does not lead (any more); absent: nobody known */
};

struct pawl_membership_event {
    enum pawl_membership_event_type type;
    int64_t now_ms; /* never goes back */
    uint64_t conn;  /* not 0, never used twice */
    struct pawl_bytes frame;
    const char *why; /* static text */
    uint32_t epoch;
    struct pawl_bytes leader;
};

enum pawl_membership_effect_type {
    PAWL_MEMBERSHIP_SEND = 1, /* conn, frame */
    PAWL_MEMBERSHIP_CLOSE,    /* conn, after what was sent to it; CLOSED follows */
};

struct pawl_membership_effect {
    enum pawl_membership_effect_type type;
    uint64_t conn;
    struct pawl_bytes frame;
};

struct pawl_membership_effects {
    uint32_t count;
    const struct pawl_membership_effect *items;
};

/* The config is copied. It follows nobody until the first LEAD or FOLLOW. */
struct pawl_membership *pawl_membership_new(const struct pawl_membership_config *config);
void pawl_membership_free(struct pawl_membership *membership);

/* The effects live until the next step. */
struct pawl_membership_effects pawl_membership_step(struct pawl_membership *membership,
                                                    const struct pawl_membership_event *event);

/* When a TICK is due next; 0: not needed now. */
int64_t pawl_membership_wake_at_ms(const struct pawl_membership *membership);

/* To look at: for HTTP, metrics and tests -------------------------------------------- */

struct pawl_membership_namespace {
    struct pawl_bytes name;
    struct pawl_members members; /* as last published; version 0: nothing published yet */
    uint32_t connected;          /* members with a connection at this moment */
};

struct pawl_membership_status {
    bool leads;
    bool settled; /* leads, and has published or may publish */
    uint32_t epoch;
    struct pawl_bytes leader; /* address, when another one leads and is known */
    uint32_t connections;
    uint32_t namespaces_count;
    struct pawl_membership_namespace *namespaces; /* by name */
    /* Since the start: */
    uint64_t lists_published;
    uint64_t joined;
    uint64_t lost; /* members that went without leaving */
    uint64_t left;
    uint64_t refused;
    uint64_t redirected;
};

/* Everything is in the arena. */
struct pawl_membership_status pawl_membership_status(const struct pawl_membership *membership,
                                                     struct pawl_arena *arena);

#endif /* PAWL_PLACEMENT_MEMBERSHIP_H */
