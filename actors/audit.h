/* Audit, the part that knows what the engine writes: does an instance's history follow
 * the rules of events, does it agree with what is pending and with the inbox, and what
 * does the instance wait for? Pure; fed with the pages of one instance after another. */
#ifndef PAWL_ACTORS_AUDIT_H
#define PAWL_ACTORS_AUDIT_H

#include "sdk/history.h"
#include "state/audit.h"

/* Why an instance that has not ended does not move on by itself. */
enum pawl_wait_kind {
    PAWL_WAIT_SUSPENDED = 1, /* since; text: the reason given */
    PAWL_WAIT_STALLED,       /* since; name: the cause; text: for a person */
    PAWL_WAIT_START,         /* until: its start time */
    PAWL_WAIT_TURN,          /* count messages wait for the workflow to run; since: as far as
                                can be told, when the oldest came (0: unknown) */
    PAWL_WAIT_ACTIVITY,      /* name, app (absent: its own), since; count: which try, 0: unknown */
    PAWL_WAIT_RETRY,         /* until; pause before another try of an activity or child;
                              * text: which try of what, may be absent */
    PAWL_WAIT_TIMER,         /* until */
    PAWL_WAIT_EVENT,         /* an external event; until: its time limit, 0: none */
    PAWL_WAIT_CHILD,         /* instance, name, app (absent: its own), since */
};

struct pawl_wait {
    enum pawl_wait_kind kind;
    struct pawl_op op; /* of a pending one */
    uint64_t nonce;    /* as above */
    int64_t since_ms;
    int64_t until_ms;
    uint32_t count;
    struct pawl_bytes name;
    struct pawl_bytes app;
    struct pawl_bytes instance;
    struct pawl_bytes text;
};

struct pawl_instance_audit;

struct pawl_instance_audit *pawl_instance_audit_new(void);
void pawl_instance_audit_free(struct pawl_instance_audit *self);

/* The next page (see pawl_audit_visitor.on_instance); a first page begins anew. Damage in
 * the page is reported at once, what needs all pages with the last one. */
void pawl_instance_audit_page(struct pawl_instance_audit *self, const struct pawl_audit *audit,
                              struct pawl_bytes id, const struct pawl_stored_instance *stored,
                              bool is_first, bool is_last);

/* After the last page: what it waits for; none when it has ended. Valid until the next
 * page. */
uint32_t pawl_instance_audit_waits(struct pawl_instance_audit *self, int64_t now_ms,
                                   const struct pawl_wait **ret_waits);

/* A message of the outbox can be read. */
void pawl_message_audit(const struct pawl_audit *audit, const struct pawl_stored_message *stored);

#endif /* PAWL_ACTORS_AUDIT_H */
