/* Watchers: subscribers to lifecycle events, of an app or of one instance, in every fourth run.
 * They ask one sidecar after the other, now and then lose an answer, and go on behind their
 * position. What must hold: each entry of the change log comes to them, once, in its order,
 * whatever fails. (That the log itself tells the truth is seen by check.c.) */
#include "tests/sim/world.h"

#include <stdio.h>

#include "actors/position.h"
#include "base/hash.h"
#include "sdk/change.h"

#define TOKEN_BIT    (UINT64_C(1) << 43)
#define TOKENS       (UINT64_C(1) << 8) /* watchers, at most */
#define PATIENCE_MS  6000
#define CATCH_UP_MS  60000
#define LOOK_MS      500
#define TOLD_MAX     4096u
#define POSITION_MAX 256u

struct watcher {
    uint32_t app;
    struct pawl_bytes instance; /* absent: of the app */
    uint64_t attempt;           /* token of the present one */
    uint32_t asked;
    uint64_t asked_life;
    bool has_begun;
    bool was_there; /* when it began */
    enum pawl_status status;
    char position[POSITION_MAX];
    uint64_t first[SIM_PARTITIONS]; /* it began behind these */
    uint64_t last[SIM_PARTITIONS];
    uint32_t told_count;
    uint32_t told_room;
    struct pawl_lifecycle_event *told; /* owned */
};

struct sim_watchers {
    struct pawl_arena arena;
    struct pawl_rng rng;
    uint32_t count;
    struct watcher items[SIM_WATCHERS_MAX];
};

static bool is_of_instance(const struct watcher *watcher)
{
    return !pawl_bytes_is_absent(watcher->instance);
}

static uint32_t partition_of(const struct watcher *watcher)
{
    return is_of_instance(watcher) ? pawl_hash_partition(watcher->instance, SIM_PARTITIONS) : 0;
}

static void watcher_again(struct sim *sim, struct watcher *watcher, int64_t in_ms)
{
    uint32_t index = (uint32_t)(watcher - sim->watchers->items);
    struct item *item = sim_item_new(ITEM_WATCHER, index, watcher->attempt);
    sim_item_at(sim, item, sim->now_ms + in_ms);
}

/* The next token: what comes for an older one is not heard. */
static void watcher_renew(struct sim *sim, struct watcher *watcher)
{
    uint64_t index = (uint64_t)(watcher - sim->watchers->items);
    watcher->attempt = ((watcher->attempt / TOKENS + 1) * TOKENS + index) | TOKEN_BIT;
}

void sim_watchers_init(struct sim *sim, const struct sim_plan *plan)
{
    struct sim_watchers *watchers = PAWL_NEW(struct sim_watchers);
    sim->watchers = watchers;
    pawl_arena_init(&watchers->arena);
    pawl_rng_init(&watchers->rng, plan->seed ^ UINT64_C(0x7761746368));
    if (plan->seed % 4 != 3) return;
    watchers->count = SIM_WATCHERS_MAX;
    for (uint32_t i = 0; i < watchers->count; i++) {
        struct watcher *watcher = &watchers->items[i];
        const struct client *client = &sim->clients[pawl_rng_below(&watchers->rng, plan->clients)];
        if (i >= SIM_APPS)
            watcher->instance = pawl_arena_printf(&watchers->arena, "%s", client->instance);
        watcher->app = i < SIM_APPS ? i : sim_app_of(watcher->instance);
        watcher_renew(sim, watcher);
        watcher_again(sim, watcher, sim_draw_ms(&watchers->rng, SIM_SAFETY_MS / 4));
    }
}

void sim_watchers_deinit(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->watchers->count; i++) pawl_mem_free(sim->watchers->items[i].told);
    pawl_arena_deinit(&sim->watchers->arena);
    pawl_mem_free(sim->watchers);
}

/* Asking ------------------------------------------------------------------------------------ */

static void watcher_hang_up(struct sim *sim, struct watcher *watcher)
{
    const struct node *node = &sim->nodes[watcher->asked];
    bool is_there =
        watcher->asked_life && node->life == watcher->asked_life && node->paused_ms <= sim->now_ms;
    watcher->asked_life = 0;
    if (!is_there) return;
    struct pawl_node_event event = { .type = PAWL_NODE_REQUEST_GONE };
    event.request.token = watcher->attempt;
    sim_node_step(sim, watcher->asked, event);
}

void sim_watcher_step(struct sim *sim, uint32_t index, uint64_t attempt)
{
    struct watcher *watcher = &sim->watchers->items[index];
    struct pawl_rng *rng = &sim->watchers->rng;
    if (watcher->attempt != attempt) return;
    watcher_hang_up(sim, watcher);
    watcher_renew(sim, watcher);
    watcher_again(sim, watcher, PATIENCE_MS);
    uint32_t app = pawl_rng_below(rng, 4) == 0 ? 1 - watcher->app : watcher->app;
    uint32_t nodes = app == 0 ? SIM_NODES_OF_A : SIM_NODES - SIM_NODES_OF_A;
    uint32_t target = (app == 0 ? 0 : SIM_NODES_OF_A) + (uint32_t)pawl_rng_below(rng, nodes);
    if (!sim->nodes[target].life || sim->nodes[target].paused_ms > sim->now_ms) return;
    struct pawl_request request = { .op = PAWL_REQUEST_WATCH,
                                    .instance = watcher->instance,
                                    .limit = 1 + (uint32_t)pawl_rng_below(rng, 4),
                                    .timeout_ms = sim_draw_ms(rng, 3000) };
    if (watcher->has_begun) request.cursor = pawl_bytes_str(watcher->position);
    if (app != watcher->app) request.app = pawl_bytes_str(sim_app_name(watcher->app));
    struct pawl_node_event event = { .type = PAWL_NODE_REQUEST };
    event.request.token = watcher->attempt;
    event.request.request = &request;
    watcher->asked = target;
    watcher->asked_life = sim->nodes[target].life;
    sim_node_step(sim, target, event);
}

/* Answers ----------------------------------------------------------------------------------- */

static void watcher_take_event(struct sim *sim, struct watcher *watcher, struct pawl_bytes packed)
{
    struct pawl_lifecycle_event event;
    packed = pawl_arena_copy(&sim->watchers->arena, packed);
    pawl_err err = pawl_lifecycle_event_unpack(packed, &event);
    PAWL_ASSERT(err == PAWL_OK);
    PAWL_ASSERT(event.partition < SIM_PARTITIONS);
    PAWL_ASSERT(event.number > watcher->last[event.partition]); /* in order, and once */
    watcher->last[event.partition] = event.number;
    PAWL_ASSERT(watcher->told_count < TOLD_MAX);
    if (watcher->told_count == watcher->told_room) {
        watcher->told_room = watcher->told_room * 2 + 16;
        watcher->told = pawl_mem_resize(watcher->told, watcher->told_room * sizeof *watcher->told);
    }
    watcher->told[watcher->told_count++] = event;
    sim->coverage->watched++;
}

static void watcher_take_position(struct watcher *watcher, struct pawl_bytes cursor)
{
    uint64_t numbers[SIM_PARTITIONS];
    uint32_t first = partition_of(watcher);
    uint32_t count = is_of_instance(watcher) ? 1 : SIM_PARTITIONS;
    PAWL_ASSERT(cursor.size < POSITION_MAX);
    (void)snprintf(watcher->position, POSITION_MAX, "%.*s", PAWL_BYTES_FMT(cursor));
    bool is_good = pawl_position_parse(cursor, SIM_PARTITIONS, first, count, numbers);
    PAWL_ASSERT(is_good);
    for (uint32_t i = 0; i < count; i++) {
        PAWL_ASSERT(numbers[i] >= watcher->last[first + i]); /* nothing comes twice */
        watcher->last[first + i] = numbers[i];
    }
    if (!watcher->has_begun) memcpy(watcher->first, watcher->last, sizeof watcher->first);
}

static void watcher_begin(struct watcher *watcher, const struct pawl_answer *answer)
{
    watcher->was_there = answer->states_count == 1;
    if (watcher->was_there) watcher->status = answer->states[0].status;
}

bool sim_watchers_own(uint64_t token)
{
    return (token & TOKEN_BIT) != 0;
}

void sim_watcher_on_answer(struct sim *sim, uint64_t token, const struct pawl_answer *answer)
{
    struct watcher *watcher = &sim->watchers->items[token % TOKENS];
    if (watcher->attempt != token) return;
    watcher->asked_life = 0;
    if (!sim->calm && sim_chance(&sim->watchers->rng, sim->faults.answer_lost)) return;
    PAWL_ASSERT(answer->err != PAWL_E_INVALID);
    if (answer->err == PAWL_OK) {
        PAWL_ASSERT(answer->reached); /* the log is long enough for a run */
        if (!watcher->has_begun) watcher_begin(watcher, answer);
        for (uint32_t i = 0; i < answer->events_count; i++)
            watcher_take_event(sim, watcher, answer->events[i]);
        watcher_take_position(watcher, answer->cursor);
        watcher->has_begun = true;
    }
    watcher_renew(sim, watcher);
    watcher_again(sim, watcher, sim_draw_ms(&sim->watchers->rng, answer->err ? 500 : 100));
}

/* The end ----------------------------------------------------------------------------------- */

static void log_read(struct sim *sim, const struct watcher *watcher, uint32_t partition,
                     uint64_t after, struct pawl_store_reply *ret_reply)
{
    struct pawl_store_request request = { .op = PAWL_STORE_CHANGES, .partition = partition };
    request.changes = (struct pawl_changes){ .after = after,
                                             .max = PAWL_CHANGES_ITEMS_MAX,
                                             .keep = PAWL_CHANGES_MAX };
    pawl_mem_store_apply(sim->shards[watcher->app].mem, &request, &sim->watchers->arena, ret_reply);
    PAWL_ASSERT(ret_reply->err == PAWL_OK);
}

static bool is_caught_up(struct sim *sim, const struct watcher *watcher)
{
    for (uint32_t i = 0; i < SIM_PARTITIONS; i++) {
        struct pawl_store_reply reply;
        if (is_of_instance(watcher) && i != partition_of(watcher)) continue;
        log_read(sim, watcher, i, UINT64_MAX - 1, &reply);
        if (!watcher->has_begun || watcher->last[i] != reply.changes.last) return false;
    }
    return true;
}

static bool is_meant(const struct watcher *watcher, const struct pawl_change *change)
{
    if (is_of_instance(watcher)) return pawl_bytes_is_equal(change->instance, watcher->instance);
    return !pawl_bytes_is_str(change->name, PAWL_SCHEDULE_NAME);
}

static void check_told(const struct pawl_lifecycle_event *told, const struct pawl_change *change)
{
    PAWL_ASSERT(told->number == change->number);
    PAWL_ASSERT(told->what == change->what && told->status == change->status);
    PAWL_ASSERT(told->gen == change->gen && pawl_id_is_equal(told->inc, change->inc));
    PAWL_ASSERT(pawl_bytes_is_equal(told->instance, change->instance));
    PAWL_ASSERT(pawl_bytes_is_equal(told->name, change->name));
    PAWL_ASSERT(pawl_bytes_is_equal(told->custom_status, change->custom_status));
}

/* What of the partition was told, in order; `*at` goes from one to the next. */
static const struct pawl_lifecycle_event *told_next(const struct watcher *watcher,
                                                    uint32_t partition, uint32_t *at)
{
    while (*at < watcher->told_count && watcher->told[*at].partition != partition) ++*at;
    return *at < watcher->told_count ? &watcher->told[(*at)++] : NULL;
}

/* The one instance as it was at some entry of the log. */
static bool was_shown(const struct watcher *watcher, bool is_there, enum pawl_status status)
{
    return is_there == watcher->was_there && (!is_there || status == watcher->status);
}

/* From the first entry that it was told of on, nothing is missing; and before that entry
 * nothing, but what it was shown of the one instance. That is read behind the log, and may be
 * as the first answer's events leave it. */
static void check_partition(struct sim *sim, const struct watcher *watcher, uint32_t partition)
{
    uint32_t at = 0;
    const struct pawl_lifecycle_event *told = told_next(watcher, partition, &at);
    uint64_t after = is_of_instance(watcher) ? 0 : watcher->first[partition];
    /* The first answer may tell something already. */
    if (told && told->number <= after) after = told->number - 1;
    bool is_there = false, is_right = false;
    enum pawl_status status = PAWL_STATUS_COUNT;
    for (bool goes_on = true; goes_on;) {
        struct pawl_store_reply reply;
        log_read(sim, watcher, partition, after, &reply);
        for (uint32_t i = 0; i < reply.changes.count; i++) {
            const struct pawl_change *change = &reply.changes.items[i];
            after = change->number;
            if (!is_meant(watcher, change)) continue;
            bool is_before = !told || change->number < told->number;
            bool is_first = is_of_instance(watcher) && change->number <= watcher->first[partition];
            if (!is_before) is_right = is_right || was_shown(watcher, is_there, status);
            if (is_first) {
                is_there = !(change->what & PAWL_CHANGE_PURGED);
                status = change->status;
                if (is_before) continue;
            }
            PAWL_ASSERT(told); /* one is missing */
            check_told(told, change);
            told = told_next(watcher, partition, &at);
        }
        goes_on = reply.changes.count > 0;
    }
    PAWL_ASSERT(!told);
    if (!is_of_instance(watcher) || sim->faults.replica_ms_max) return; /* reads may be lost */
    PAWL_ASSERT(is_right || was_shown(watcher, is_there, status));
}

static bool all_are_caught_up(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->watchers->count; i++)
        if (!is_caught_up(sim, &sim->watchers->items[i])) return false;
    return true;
}

void sim_watchers_check(struct sim *sim)
{
    int64_t end_ms = sim->now_ms + CATCH_UP_MS;
    while (!all_are_caught_up(sim) && sim->now_ms < end_ms)
        sim_until(sim, sim->now_ms + LOOK_MS, false);
    for (uint32_t i = 0; i < sim->watchers->count; i++) {
        const struct watcher *watcher = &sim->watchers->items[i];
        PAWL_ASSERT(is_caught_up(sim, watcher));
        for (uint32_t partition = 0; partition < SIM_PARTITIONS; partition++)
            if (!is_of_instance(watcher) || partition == partition_of(watcher))
                check_partition(sim, watcher, partition);
    }
}
