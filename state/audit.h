/* Audit: does what is stored hang together? Pure: rows as INSPECT gives them in,
 * findings out. What needs to know what the engine writes into the rows is in
 * actors/audit.h; who asks for the rows, page by page, is state/audit_walk.h. */
#ifndef PAWL_STATE_AUDIT_H
#define PAWL_STATE_AUDIT_H

#include "state/store.h"

#define PAWL_AUDIT_RULE_MAP(X)                                                     \
    X(WAKE, "unfinished work has a reminder that brings it back")                  \
    X(STRUCT, "every row that the metadata tells of is there, and no other")       \
    X(ONCE, "a step is scheduled once and has one result at most, after that")     \
    X(MATCH, "what is pending is what the history has scheduled and not resolved") \
    X(TERMINAL, "an ended instance leaves nothing to do behind")                   \
    X(COUNTS, "the counters of a partition are the number of its instances")

enum pawl_audit_rule {
#define X(name, text) PAWL_AUDIT_##name,
    PAWL_AUDIT_RULE_MAP(X)
#undef X
        PAWL_AUDIT_RULES_COUNT
};

enum pawl_audit_severity {
    PAWL_AUDIT_ERROR = 1, /* work is lost, or cannot go on */
    PAWL_AUDIT_WARNING,   /* left over; harms nobody */
};

/* What is wrong. Rule, instance and subject together name it, so that a second look can
 * tell whether it is still so; the text may say more. */
struct pawl_finding {
    enum pawl_audit_rule rule;
    enum pawl_audit_severity severity;
    uint32_t partition;
    struct pawl_bytes instance; /* absent: the partition itself */
    struct pawl_bytes subject;  /* "history-000003", "a:3", … */
    struct pawl_bytes text;     /* one sentence, for a person */
};

typedef void pawl_audit_report(void *context, const struct pawl_finding *finding);

struct pawl_audit {
    pawl_audit_report *report; /* the finding lives until it returns */
    void *context;
    struct pawl_arena *arena; /* of texts; the caller empties it between rows */
    uint32_t partition;
    int64_t now_ms;
};

/* How long a reminder that leads nowhere may be overdue: whoever takes it up removes it. */
#define PAWL_AUDIT_OVERDUE_MS 60000

/* "WAKE", …, and what it means. */
const char *pawl_audit_rule_name(enum pawl_audit_rule rule);
const char *pawl_audit_rule_text(enum pawl_audit_rule rule);

/* Report one finding; the text like printf's. */
void pawl_audit_find(const struct pawl_audit *audit, enum pawl_audit_rule rule,
                     enum pawl_audit_severity severity, struct pawl_bytes instance,
                     struct pawl_bytes subject, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

/* Counters. A partition with too many instances to count in one step is checked by its
 * sum only. */
void pawl_audit_partition(const struct pawl_audit *audit,
                          const struct pawl_stored_partition *stored);

/* Metadata, index, pending operations and reminders of one instance, and that it left
 * nothing behind. `stored` is its first page. */
void pawl_audit_instance(const struct pawl_audit *audit, struct pawl_bytes id,
                         const struct pawl_stored_instance *stored);

/* The rows of history and inbox of any page. */
void pawl_audit_rows(const struct pawl_audit *audit, struct pawl_bytes id,
                     const struct pawl_stored_instance *stored);

/* After the last page: `size` is what the history rows of all pages had together. */
void pawl_audit_size(const struct pawl_audit *audit, struct pawl_bytes id,
                     const struct pawl_metadata *metadata, uint64_t size);

void pawl_audit_reminder(const struct pawl_audit *audit, const struct pawl_stored_reminder *stored);
void pawl_audit_quarantined(const struct pawl_audit *audit,
                            const struct pawl_stored_reminder *stored);
void pawl_audit_message(const struct pawl_audit *audit, const struct pawl_stored_message *stored);
void pawl_audit_stray(const struct pawl_audit *audit, struct pawl_bytes name);

#endif /* PAWL_STATE_AUDIT_H */
