/* Leader: when this replica leads, by a lease in the store. Pure.
 *
 *   FOLLOWING --TAKE answered OK--> LEADING --own clock, CONFLICT, stop--> FOLLOWING
 *
 * The lease counts from before the request was sent and ends PAWL_LEADER_MARGIN_MS early,
 * all by this process' steady clock: so the leader has stepped down before the store gives
 * the lease to anybody else, however late the answer came and whatever wall clocks say. A
 * process that was frozen notices with the first event it sees, before anything else.
 *
 * Two leaders at once (a store whose clock jumps, a failover that loses the lease) do no
 * harm: their lists differ in epoch, sidecars ignore the older one, and what sidecars own
 * is decided by the store and never by a list.
 */
#ifndef PAWL_PLACEMENT_LEADER_H
#define PAWL_PLACEMENT_LEADER_H

#include "pawl/err.h"
#include "pawl/types.h"

#define PAWL_LEADER_ADDRESS_SIZE_MAX 256u /* PAWL_ADDRESS_SIZE_MAX */

struct pawl_leader {
    uint8_t state;
    bool stopped;
    uint32_t epoch;       /* LEADING: ours */
    uint64_t asked;       /* token of the question that is out; 0: none */
    uint64_t asked_count; /* tokens given out */
    int64_t asked_ms;
    int64_t until_ms; /* LEADING: the lease ends for us */
    int64_t ask_ms;   /* the next question */
    uint64_t seed;    /* of the jitter */
    uint16_t other_size;
    uint8_t other[PAWL_LEADER_ADDRESS_SIZE_MAX]; /* FOLLOWING: who leads, if known */
};

enum pawl_leader_event_type {
    PAWL_LEADER_TICK = 1, /* at wake_at_ms or later; the first one starts it */
    PAWL_LEADER_ANSWER,   /* to a TAKE effect */
    PAWL_LEADER_STOP,     /* this process ends: give the lease back */
};

/* ANSWER: token and err as in state/lease.h: OK epoch | CONFLICT address, remaining_ms |
 * anything else: the store does not say. */
struct pawl_leader_event {
    enum pawl_leader_event_type type;
    int64_t now_ms; /* steady; never goes back */
    uint64_t token;
    pawl_err err;
    uint32_t epoch;
    struct pawl_bytes address;
    uint32_t remaining_ms;
};

enum pawl_leader_effect_type {
    PAWL_LEADER_TAKE = 1, /* ask the store for the lease: token */
    PAWL_LEADER_RELEASE,  /* token; its answer is of no interest */
    PAWL_LEADER_LEAD,     /* epoch: this replica leads from now on */
    PAWL_LEADER_FOLLOW,   /* it does not (any more); address: who does, absent: not known */
};

struct pawl_leader_effect {
    enum pawl_leader_effect_type type;
    uint64_t token;
    uint32_t epoch;
    struct pawl_bytes address;
};

#define PAWL_LEADER_EFFECTS_MAX 4u

/* In the order in which they are to be carried out; views point into the machine. */
struct pawl_leader_effects {
    uint32_t count;
    struct pawl_leader_effect items[PAWL_LEADER_EFFECTS_MAX];
};

void pawl_leader_init(struct pawl_leader *leader, uint64_t seed);

/* Hand it every event of the process's loop as a TICK first: a leader that has been asleep
 * must step down before it says anything. */
struct pawl_leader_effects pawl_leader_step(struct pawl_leader *leader,
                                            const struct pawl_leader_event *event);

/* When a TICK is due next; never 0 before STOP, 0 after it. */
int64_t pawl_leader_wake_at_ms(const struct pawl_leader *leader);

bool pawl_leader_leads(const struct pawl_leader *leader);

#endif /* PAWL_PLACEMENT_LEADER_H */
