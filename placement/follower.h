/* Follower: the sidecar's side of placement, without sockets, clock and randomness.
 *
 *   WAITING --due--> DIALING --opened--> GREETING --WELCOME--> CONNECTED
 *      ^                |                   |                      |
 *      '----------------+--- closed, refused, redirected, silent --'
 *
 * It tries the configured addresses in turn, waits a little longer after each round that
 * found no leader, follows REDIRECT to the leader, and never gives up. It keeps the last
 * list for as long as it lives: placement may be away for days and the sidecar works on.
 *
 * Events go in, effects come out. It names its links itself, by numbers that are never
 * used twice; whoever carries out DIAL reports OPENED and CLOSED under that number. Every
 * link that was dialled ends in exactly one CLOSED, also one that a CLOSE effect asked
 * for. Events of links that it has left are ignored, so late ones do no harm.
 */
#ifndef PAWL_PLACEMENT_FOLLOWER_H
#define PAWL_PLACEMENT_FOLLOWER_H

#include "placement/frames.h"

struct pawl_follower;

struct pawl_follower_config {
    struct pawl_bytes namespace_;
    struct pawl_bytes token; /* absent: none */
    struct pawl_member self; /* the flags: as they are at the start */
    struct pawl_id process;  /* random, not zero, new with each process */
    uint64_t seed;           /* for the jitter of its waits */
    uint32_t addresses_count;
    const struct pawl_bytes *addresses; /* of the placement replicas: tcp://host:port */
};

enum pawl_follower_event_type {
    PAWL_FOLLOWER_TICK = 1, /* at wake_at_ms or later; the first one starts it */
    PAWL_FOLLOWER_OPENED,   /* link */
    PAWL_FOLLOWER_FRAME,    /* link, frame */
    PAWL_FOLLOWER_CLOSED,   /* link, why */
    PAWL_FOLLOWER_UPDATE,   /* the flags and version: as they are now */
};

struct pawl_follower_event {
    enum pawl_follower_event_type type;
    int64_t now_ms; /* never goes back */
    uint64_t link;
    struct pawl_bytes frame;
    const char *why; /* static text */
    bool runs_activities;
    bool runs_workflows;
    bool leaving; /* once true it stays true */
    /* The newest table version that the store has answered to an acquire. When it is above
     * every list's (placement was set up anew), placement has to go above it. 0: unknown. */
    uint64_t version;
};

enum pawl_follower_effect_type {
    PAWL_FOLLOWER_DIAL = 1, /* link, address */
    PAWL_FOLLOWER_SEND,     /* link, frame */
    PAWL_FOLLOWER_CLOSE,    /* link: at once, nothing more will be sent on it */
    PAWL_FOLLOWER_NEWS,     /* pawl_follower_members has a newer list */
};

struct pawl_follower_effect {
    enum pawl_follower_effect_type type;
    uint64_t link;
    struct pawl_bytes address;
    struct pawl_bytes frame;
};

/* In the order in which they are to be carried out. */
struct pawl_follower_effects {
    uint32_t count;
    const struct pawl_follower_effect *items;
};

/* The config is copied. addresses_count > 0; the texts of `self` and the addresses are
 * valid by placement/names.h. */
struct pawl_follower *pawl_follower_new(const struct pawl_follower_config *config);

/* NULL is fine. Links that are open are the caller's to close. */
void pawl_follower_free(struct pawl_follower *follower);

/* The effects live until the next step. */
struct pawl_follower_effects pawl_follower_step(struct pawl_follower *follower,
                                                const struct pawl_follower_event *event);

/* When a TICK is due next; never 0. */
int64_t pawl_follower_wake_at_ms(const struct pawl_follower *follower);

/* The newest list ever seen; version 0 before the first. Valid until the step that
 * returns the next NEWS. */
const struct pawl_members *pawl_follower_members(const struct pawl_follower *follower);

/* Everybody who asks placement knows that this sidecar leaves: a list with leaving = true
 * for it has come (or without it). A sidecar that stops waits for this, but no longer
 * than PAWL_PLACEMENT_LEAVE_MS, since placement may be away. */
bool pawl_follower_has_left(const struct pawl_follower *follower);

struct pawl_follower_status {
    const char *state; /* "waiting", "dialing", "greeting", "connected" */
    bool connected;
    int64_t since_ms;          /* connected or not connected since then */
    struct pawl_bytes address; /* dialled last; absent before the first */
    pawl_err err;              /* why it is not connected */
    struct pawl_bytes message; /* the same for a person; empty: nothing wrong is known */
    uint64_t lists_taken;
    uint64_t lists_ignored; /* older than the one held: a table from the past */
};

/* The texts are valid until the next step. */
struct pawl_follower_status pawl_follower_status(const struct pawl_follower *follower);

#endif /* PAWL_PLACEMENT_FOLLOWER_H */
