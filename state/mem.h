/* Mem: the reference store. Plain code, one function per operation, no I/O: what
 * every backend must do, written to be read. The simulator runs on it and the
 * conformance suite compares the others with it. */
#ifndef PAWL_STATE_MEM_H
#define PAWL_STATE_MEM_H

#include "state/store.h"

struct pawl_mem;

struct pawl_mem *pawl_mem_store_new(void);
void pawl_mem_store_free(struct pawl_mem *mem);

/* Apply one request and answer it, at once. The reply points into `arena`. */
void pawl_mem_store_apply(struct pawl_mem *mem, const struct pawl_store_request *request,
                          struct pawl_arena *arena, struct pawl_store_reply *ret_reply);

/* Every row as text, sorted, one per line: equal dumps mean equal states. For tests,
 * the simulator's invariants and `pawl doctor`. */
struct pawl_bytes pawl_mem_store_dump(const struct pawl_mem *mem, struct pawl_arena *arena);

/* For tests: a reminder row as damage leaves it, of any bytes. */
void pawl_mem_store_plant_reminder(struct pawl_mem *mem, uint32_t partition,
                                   struct pawl_bytes member, int64_t due_ms);

/* How often each operation was applied since the start: the cost rule's meter. */
uint64_t pawl_mem_store_count(const struct pawl_mem *mem, enum pawl_store_op op);

/* Iterate instances (for invariant checks): every partition in order, instances in
 * id order. `visit` gets a snapshot with what `want` names (PAWL_LOAD_*; the whole history,
 * if any) and the reminders of that instance. */
typedef void pawl_mem_visit(void *context, uint32_t partition, struct pawl_bytes instance,
                            const struct pawl_snapshot *snapshot, uint32_t reminders_count,
                            const struct pawl_reminder *reminders);
void pawl_mem_store_visit(const struct pawl_mem *mem, uint32_t want, pawl_mem_visit *visit,
                          void *context);

/* Outbox rows of a partition, in id order. Returns their count. */
uint32_t pawl_mem_store_outbox(const struct pawl_mem *mem, uint32_t partition,
                               struct pawl_arena *arena, struct pawl_message_row **ret_rows);

#endif /* PAWL_STATE_MEM_H */
