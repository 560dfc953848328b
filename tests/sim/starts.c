#include "tests/sim/starts.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"
#include "tests/sim/sim.h"

#define REPLACED_MAX 32u

/* Of one id. */
struct start {
    struct pawl_bytes instance; /* behind the struct */
    uint64_t present;           /* hash of the request whose the instance is; 0: not known */
    uint32_t replaced_count;
    uint64_t replaced[REPLACED_MAX]; /* the last ones before, in a ring */
    uint32_t refused_count;
    uint64_t refused[REPLACED_MAX]; /* told that the id is in use: a ring, too */
};

struct sim_starts {
    struct pawl_map by_instance;
};

struct sim_starts *sim_starts_new(void)
{
    struct sim_starts *starts = PAWL_NEW(struct sim_starts);
    pawl_map_init(&starts->by_instance, 1);
    return starts;
}

void sim_starts_free(struct sim_starts *starts)
{
    uint32_t cursor = 0;
    for (struct start *start; (start = pawl_map_next(&starts->by_instance, &cursor)) != NULL;)
        pawl_mem_free(start);
    pawl_map_deinit(&starts->by_instance);
    pawl_mem_free(starts);
}

void sim_starts_forget(struct sim_starts *starts, uint32_t app)
{
    uint32_t cursor = 0;
    for (struct start *start; (start = pawl_map_next(&starts->by_instance, &cursor)) != NULL;) {
        if (sim_app_of(start->instance) != app) continue;
        start->present = 0;
        start->replaced_count = 0;
        start->refused_count = 0;
    }
}

static struct start *start_of(struct sim_starts *starts, struct pawl_bytes instance)
{
    struct start *start = pawl_map_find(&starts->by_instance, instance);
    if (start) return start;
    start = pawl_mem_alloc(sizeof *start + instance.size);
    memcpy(start + 1, instance.data, instance.size);
    start->instance = pawl_bytes_make((const uint8_t *)(start + 1), instance.size);
    pawl_map_insert(&starts->by_instance, start->instance, start);
    return start;
}

static bool ring_has(const uint64_t *ring, uint32_t count, uint64_t request)
{
    for (uint32_t i = 0; i < count && i < REPLACED_MAX; i++)
        if (ring[i] == request) return true;
    return false;
}

static bool is_replaced(const struct start *start, uint64_t request)
{
    return ring_has(start->replaced, start->replaced_count, request);
}

static bool is_refused(const struct start *start, uint64_t request)
{
    return ring_has(start->refused, start->refused_count, request);
}

static void replace(struct start *start, uint64_t request)
{
    if (start->present && start->present != request)
        start->replaced[start->replaced_count++ % REPLACED_MAX] = start->present;
    start->present = request;
}

static void on_create(struct sim_starts *starts, const struct pawl_create *create,
                      const struct pawl_store_reply *reply)
{
    if (pawl_bytes_is_absent(create->request_id)) return;
    struct start *start = start_of(starts, create->instance);
    uint64_t request = pawl_hash_stable(create->request_id);
    bool is_bound = reply->err == PAWL_E_DUPLICATE && !pawl_bytes_is_absent(create->parent)
                    && pawl_bytes_is_equal(create->parent, reply->create.metadata.parent);
    if (reply->err == PAWL_E_EXISTS && create->keep_refusal && !is_refused(start, request))
        start->refused[start->refused_count++ % REPLACED_MAX] = request;
    if (reply->err != PAWL_OK && !is_bound) return;
    PAWL_ASSERT(!is_refused(start, request)); /* whoever was told so relies on it */
    bool is_late = is_replaced(start, request) && start->present != request;
    PAWL_ASSERT(!is_late || create->rebind_late);
    replace(start, request);
}

void sim_starts_on_applied(struct sim_starts *starts, const struct pawl_store_request *request,
                           const struct pawl_store_reply *reply)
{
    if (request->op == PAWL_STORE_CREATE) on_create(starts, &request->create, reply);
    if (request->op == PAWL_STORE_PURGE && reply->err == PAWL_OK)
        replace(start_of(starts, request->purge.instance), 0);
}
