/* The rows of the reference store and how they hang together. Private to state/mem*.c.
 *
 * partition -> instances (by id) -> history, inbox, pending, seen
 *           -> reminders (by due time and member, and by member)
 *           -> outbox (by message id)
 *           -> tombs (by member, and by time)
 *           -> changes (in their order)
 *
 * Every byte string in a row is owned by the row. */
#ifndef PAWL_STATE_MEM_ROWS_H
#define PAWL_STATE_MEM_ROWS_H

#include "base/limits.h"
#include "state/mem.h"
#include "state/tree.h"

struct pawl_mem_pending {
    struct pawl_tree_node node;
    struct pawl_pending row; /* event is absent */
};

struct pawl_mem_seen {
    struct pawl_tree_node by_id;
    struct pawl_tree_node by_time;
    struct pawl_bytes request_id;
    int64_t seen_ms;
};

struct pawl_mem_message {
    struct pawl_tree_node node;
    struct pawl_message_row row;
};

struct pawl_mem_reminder {
    struct pawl_tree_node by_due;
    struct pawl_tree_node by_member;
    struct pawl_list of_instance; /* linked unless it is an OUTBOX reminder */
    struct pawl_bytes member;
    struct pawl_reminder row; /* views point into member */
    bool is_unreadable;       /* only row.due_ms has a meaning */
};

struct pawl_mem_instance {
    struct pawl_tree_node by_id;
    struct pawl_bytes id;
    struct pawl_metadata metadata;
    struct pawl_bytes parent_key;
    struct pawl_bytes custom_status;
    struct pawl_payloads payloads;
    struct pawl_bytes attempts;
    struct pawl_bytes *history; /* metadata.history_count of them */
    uint32_t history_capacity;
    struct pawl_inbox_row *inbox; /* rows [head, tail) begin at inbox_first */
    uint32_t inbox_first;
    uint32_t inbox_capacity;
    struct pawl_tree pending;
    struct pawl_tree seen_by_id;
    struct pawl_tree seen_by_time;
    struct pawl_list reminders;
};

/* What is remembered of a removed instance. */
struct pawl_mem_tomb {
    struct pawl_tree_node by_member;
    struct pawl_tree_node by_time;
    struct pawl_bytes member;
    int64_t until_ms;
};

struct pawl_mem_change {
    struct pawl_list link;
    struct pawl_change row;
};

struct pawl_mem_partition {
    uint64_t epoch; /* 0: never acquired */
    struct pawl_id nonce;
    struct pawl_bytes owner;
    uint64_t table_version;
    int64_t since_ms;
    struct pawl_tree instances;  /* by id */
    struct pawl_tree due;        /* reminders by due_ms, then member */
    struct pawl_tree members;    /* reminders by member */
    struct pawl_tree quarantine; /* reminders that cannot be read, by member */
    struct pawl_tree outbox;     /* by message id */
    struct pawl_tree tombs;      /* by member */
    struct pawl_tree forgetting; /* tombs by until_ms, then member */
    struct pawl_list changes;    /* pawl_mem_change, oldest first */
    uint32_t changes_count;
    uint64_t changes_last; /* number of the newest */
    uint64_t counts[PAWL_STATUS_COUNT];
};

struct pawl_mem {
    struct pawl_mem_partition *partitions[PAWL_PARTITIONS_MAX]; /* NULL: untouched */
    uint32_t partitions_end;                                    /* from here on all are untouched */
    uint64_t counts[PAWL_STORE_OPS_END];
    struct pawl_arena scratch; /* emptied before each request */
};

/* Owned bytes. Absent stays absent. */
struct pawl_bytes pawl_mem_bytes_copy(struct pawl_bytes bytes);
void pawl_mem_bytes_set(struct pawl_bytes *owned, struct pawl_bytes bytes);
void pawl_mem_bytes_free(struct pawl_bytes *owned);

struct pawl_mem_partition *pawl_mem_partition_new(void);
void pawl_mem_partition_free(struct pawl_mem_partition *partition);

bool pawl_mem_fence_holds(const struct pawl_mem_partition *partition,
                          const struct pawl_fence *fence);

/* Instances. A new one is empty, listed and counted by its metadata. */
struct pawl_mem_instance *pawl_mem_instance_find(const struct pawl_mem_partition *partition,
                                                 struct pawl_bytes id);
struct pawl_mem_instance *pawl_mem_instance_add(struct pawl_mem_partition *partition,
                                                struct pawl_bytes id,
                                                const struct pawl_metadata *metadata);
void pawl_mem_instance_remove(struct pawl_mem_partition *partition,
                              struct pawl_mem_instance *instance);
void pawl_mem_instance_set_status(struct pawl_mem_partition *partition,
                                  struct pawl_mem_instance *instance, enum pawl_status status);

/* History and inbox keep the metadata's counters right. */
void pawl_mem_history_append(struct pawl_mem_instance *instance, struct pawl_bytes event);
void pawl_mem_history_clear(struct pawl_mem_instance *instance);
uint32_t pawl_mem_inbox_append(struct pawl_mem_instance *instance, struct pawl_id delivery,
                               struct pawl_bytes body);
struct pawl_inbox_row *pawl_mem_inbox_at(const struct pawl_mem_instance *instance, uint32_t index);
void pawl_mem_inbox_consume(struct pawl_mem_instance *instance, uint32_t head);

struct pawl_mem_pending *pawl_mem_pending_find(const struct pawl_mem_instance *instance,
                                               struct pawl_op op);
void pawl_mem_pending_put(struct pawl_mem_instance *instance, const struct pawl_pending *pending);
void pawl_mem_pending_remove(struct pawl_mem_instance *instance, struct pawl_op op);
void pawl_mem_pending_clear(struct pawl_mem_instance *instance);

/* Seen request ids. count_since: those not older than since_ms. */
const struct pawl_mem_seen *pawl_mem_seen_find(const struct pawl_mem_instance *instance,
                                               struct pawl_bytes request_id);
uint32_t pawl_mem_seen_count_since(const struct pawl_mem_instance *instance, int64_t since_ms);
void pawl_mem_seen_drop_older(struct pawl_mem_instance *instance, int64_t since_ms);
void pawl_mem_seen_put(struct pawl_mem_instance *instance, struct pawl_bytes request_id,
                       int64_t seen_ms);
void pawl_mem_seen_clear(struct pawl_mem_instance *instance);

/* Reminders, named by their member bytes. `instance` is NULL for OUTBOX. */
struct pawl_mem_reminder *pawl_mem_reminder_find(const struct pawl_mem_partition *partition,
                                                 struct pawl_bytes member);
void pawl_mem_reminder_put(struct pawl_mem *mem, struct pawl_mem_partition *partition,
                           struct pawl_mem_instance *instance,
                           const struct pawl_reminder *reminder);
void pawl_mem_reminder_move(struct pawl_mem_partition *partition,
                            struct pawl_mem_reminder *reminder, int64_t due_ms);
void pawl_mem_reminder_remove(struct pawl_mem *mem, struct pawl_mem_partition *partition,
                              const struct pawl_reminder *reminder);
void pawl_mem_reminder_free(struct pawl_mem_partition *partition,
                            struct pawl_mem_reminder *reminder);

/* Any bytes, for tests; and out of the way of POLL. */
void pawl_mem_reminder_plant(struct pawl_mem_partition *partition, struct pawl_bytes member,
                             int64_t due_ms);
void pawl_mem_reminder_quarantine(struct pawl_mem_partition *partition,
                                  struct pawl_mem_reminder *reminder);

struct pawl_mem_message *pawl_mem_message_find(const struct pawl_mem_partition *partition,
                                               struct pawl_id id);
void pawl_mem_message_put(struct pawl_mem_partition *partition,
                          const struct pawl_message_row *message);
void pawl_mem_message_remove(struct pawl_mem_partition *partition, struct pawl_id id);

/* Tombs of removed instances. add: within the limits, see store.h. */
bool pawl_mem_tomb_holds(const struct pawl_mem_partition *partition, struct pawl_bytes member,
                         int64_t now_ms);
void pawl_mem_tomb_add(struct pawl_mem_partition *partition, struct pawl_bytes member,
                       int64_t now_ms, const struct pawl_tomb_limits *limits);

/* The change log; within `max`, see store.h. `custom_status` counts with CUSTOM_STATUS. */
void pawl_mem_change_add(struct pawl_mem_partition *partition, uint32_t max, uint32_t what,
                         const struct pawl_mem_instance *instance, int64_t at_ms);
void pawl_mem_changes_clear(struct pawl_mem_partition *partition);
void pawl_mem_changes(const struct pawl_mem_partition *partition,
                      const struct pawl_changes *changes, struct pawl_arena *arena,
                      struct pawl_store_reply *reply);

/* Operations, one function each. */
void pawl_mem_commit(struct pawl_mem *mem, struct pawl_mem_partition *partition,
                     const struct pawl_commit *commit, struct pawl_store_reply *reply);
void pawl_mem_load(const struct pawl_mem_partition *partition, const struct pawl_load *load,
                   struct pawl_arena *arena, struct pawl_store_reply *reply);
void pawl_mem_poll(struct pawl_mem_partition *partition, const struct pawl_poll *poll,
                   struct pawl_arena *arena, struct pawl_store_reply *reply);
void pawl_mem_query(const struct pawl_mem_partition *partition, const struct pawl_query *query,
                    struct pawl_arena *arena, struct pawl_store_reply *reply);

void pawl_mem_inspect(const struct pawl_mem_partition *partition,
                      const struct pawl_inspect *inspect, struct pawl_arena *arena,
                      struct pawl_store_reply *reply);

/* Everything of one instance, copied into `arena`. */
void pawl_mem_snapshot(const struct pawl_mem_instance *instance, const struct pawl_load *load,
                       struct pawl_arena *arena, struct pawl_snapshot *ret_snapshot);
void pawl_mem_metadata_copy(struct pawl_arena *arena, const struct pawl_metadata *metadata,
                            struct pawl_metadata *ret_metadata);

/* The WAKE reminder of an instance's present incarnation. */
struct pawl_reminder pawl_mem_wake(const struct pawl_mem_instance *instance, int64_t due_ms);

#endif /* PAWL_STATE_MEM_ROWS_H */
