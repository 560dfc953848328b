/* A reference store with one owned partition, and requests that are right unless a
 * test changes them. */
#ifndef PAWL_TESTS_STATE_WORLD_H
#define PAWL_TESTS_STATE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "base/limits.h"
#include "state/mem.h"

#define WORLD_PARTITION 3u
#define WORLD_NOW_MS    1000000

struct world {
    struct pawl_mem *mem;
    struct pawl_arena arena;
    struct pawl_fence fence;
    uint8_t next_id;
};

int world_setup(void **state);
int world_teardown(void **state);

/* An id that was not used before. */
struct pawl_id world_id(struct world *world);

struct pawl_store_reply world_apply(struct world *world, const struct pawl_store_request *request);
struct pawl_bytes world_dump(struct world *world);

/* The instance as it is stored; NULL: there is none. */
const struct pawl_snapshot *world_load(struct world *world, const char *instance);

struct pawl_store_request world_acquire(struct world *world, uint64_t table_version);
struct pawl_store_request world_create(struct world *world, const char *instance);
/* By the owner, who has read everything; consumes all rows, status RUNNING. */
struct pawl_store_request world_commit(struct world *world, const char *instance);
struct pawl_store_request world_input(struct world *world, const char *instance,
                                      const char *request_id);
struct pawl_store_request world_result(struct world *world, const char *instance, struct pawl_op op,
                                       uint64_t nonce);
struct pawl_store_request world_poll(struct world *world, int64_t now_ms);
struct pawl_store_request world_purge(const char *instance);
struct pawl_store_request world_query(void);

/* A commit that schedules one operation, with its event and its reminder. */
void world_schedule(struct world *world, const char *instance, struct pawl_op op, uint64_t nonce,
                    int64_t due_ms);
void world_end(struct world *world, const char *instance, enum pawl_status status);

/* Due time of the only reminder of that kind; 0: there is none. */
int64_t world_due(struct world *world, enum pawl_reminder_kind kind);

#endif /* PAWL_TESTS_STATE_WORLD_H */
