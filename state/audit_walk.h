/* Walk: all rows of one partition, a page per request. Whoever has a store asks
 * pawl_audit_walk_next for a request, hands the reply to pawl_audit_walk_take, and so on
 * until there is no more. Memory is bounded by one page. */
#ifndef PAWL_STATE_AUDIT_WALK_H
#define PAWL_STATE_AUDIT_WALK_H

#include "state/audit.h"

/* What others want to see on the way; each may be NULL. All views live until it returns. */
struct pawl_audit_visitor {
    void *context;
    void (*on_partition)(void *context, const struct pawl_stored_partition *stored);
    /* Each page of an instance; the metadata is that of the first one. Not for an
     * instance that is not there or cannot be read. */
    void (*on_instance)(void *context, struct pawl_bytes id,
                        const struct pawl_stored_instance *stored, bool is_first, bool is_last);
    /* The instance changed between two pages: what was seen of it is void. */
    void (*on_changed)(void *context, struct pawl_bytes id);
    void (*on_reminder)(void *context, const struct pawl_stored_reminder *stored);
    void (*on_message)(void *context, const struct pawl_stored_message *stored);
};

struct pawl_audit_walk {
    struct pawl_audit audit;
    struct pawl_audit_visitor visitor;
    bool with_history; /* false: history rows are not read */
    bool with_strays;  /* look for rows without instance on the server of this partition */
    /* Where it is. */
    enum pawl_inspect_what what; /* PAWL_INSPECT_END: done */
    struct pawl_bytes only;      /* not absent: this instance alone */
    struct pawl_arena cursor_arena[2];
    uint32_t cursor_turn;
    struct pawl_bytes cursor; /* of the next page of what is walked through */
    bool is_last_page;
    struct pawl_arena ids_arena;
    struct pawl_bytes *ids; /* instances of the page */
    uint32_t ids_count;
    uint32_t ids_next;
    uint32_t restarts;
    bool is_first; /* the next page of the instance is its first */
    struct pawl_id inc;
    struct pawl_id last;
    uint32_t gen;
    uint32_t history_next;
    uint32_t inbox_next;
    uint64_t history_size;
    bool history_is_whole;
    struct pawl_arena texts;
};

/* `only`: absent for the whole partition. Free with deinit. */
void pawl_audit_walk_init(struct pawl_audit_walk *walk, uint32_t partition, int64_t now_ms,
                          pawl_audit_report *report, void *context, struct pawl_bytes only);
void pawl_audit_walk_deinit(struct pawl_audit_walk *walk);

/* False: it is done. The request is valid until the next call. */
bool pawl_audit_walk_next(struct pawl_audit_walk *walk, struct pawl_store_request *ret_request);

/* The reply to that request. CORRUPT is a finding; any other error is the caller's to
 * deal with: ask again. */
void pawl_audit_walk_take(struct pawl_audit_walk *walk, const struct pawl_store_reply *reply);

#endif /* PAWL_STATE_AUDIT_WALK_H */
