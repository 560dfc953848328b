#include "actors/keeper.h"

#include "actors/directory.h"
#include "actors/partition.h"
#include "actors/places.h"
#include "base/bytes.h"
#include "base/cover.h"
#include "base/mutant.h"

#define NO_GOAL UINT32_MAX

/* What one sidecar has of one limit. */
struct share {
    struct pawl_list of_pool;
    struct pawl_list of_holder;
    struct pool *pool;
    struct holder *holder;
    uint32_t max;    /* as it is configured there */
    uint32_t places; /* it holds no more than these */
    uint32_t wanted;
    uint32_t goal;      /* see pool_set_goals */
    uint32_t goal_told; /* in the last answer */
    int64_t told_ms;
    uint64_t given; /* when it was last given something, in order */
};

/* One limit. */
struct pool {
    struct pawl_list link; /* keeper.pools */
    bool is_task;
    struct pawl_bytes name; /* owned */
    struct pawl_list shares;
};

/* One sidecar. */
struct holder {
    struct pawl_list link; /* keeper.holders */
    uint64_t host;         /* its number */
    struct pawl_id process;
    uint64_t number;  /* of its last question */
    uint64_t version; /* of the member list it had then */
    int64_t heard_ms;
    bool is_lost; /* not in the list any more */
    bool is_new;  /* what it has is to be told */
    struct pawl_list shares;
};

#define OF(link, type, member) PAWL_CONTAINER_OF(link, struct type, member)
/* Shares ----------------------------------------------------------------------------------- */

static void pool_free(struct pool *pool)
{
    pawl_list_remove(&pool->link);
    pawl_bytes_free(pool->name);
    pawl_mem_free(pool);
}

static void share_free(struct share *share)
{
    struct pool *pool = share->pool;
    pawl_list_remove(&share->of_pool);
    pawl_list_remove(&share->of_holder);
    pawl_mem_free(share);
    if (pawl_list_is_empty(&pool->shares)) pool_free(pool);
}

static void holder_clear(struct holder *holder)
{
    while (!pawl_list_is_empty(&holder->shares))
        share_free(OF(holder->shares.next, share, of_holder));
}

static void holder_free(struct holder *holder)
{
    holder_clear(holder);
    pawl_list_remove(&holder->link);
    pawl_mem_free(holder);
}

static struct holder *holder_find(struct pawl_keeper *keeper, uint64_t host)
{
    PAWL_LIST_EACH(holder, holder, &keeper->holders, link)
        if (holder->host == host) return holder;
    return NULL;
}

static struct holder *holder_get(struct pawl_keeper *keeper, uint64_t host)
{
    struct holder *holder = holder_find(keeper, host);
    if (holder) return holder;
    holder = PAWL_NEW(struct holder);
    holder->host = host;
    pawl_list_init(&holder->shares);
    pawl_list_push_tail(&keeper->holders, &holder->link);
    return holder;
}

static struct pool *pool_get(struct pawl_keeper *keeper, const struct pawl_peer_places_item *item)
{
    PAWL_LIST_EACH(pool, pool, &keeper->pools, link)
        if (pool->is_task == item->is_task && pawl_bytes_is_equal(pool->name, item->name))
            return pool;
    struct pool *pool = PAWL_NEW(struct pool);
    pool->is_task = item->is_task;
    pool->name = pawl_bytes_dup(item->name);
    pawl_list_init(&pool->shares);
    pawl_list_push_tail(&keeper->pools, &pool->link);
    return pool;
}

static struct share *share_get(struct pawl_keeper *keeper, struct holder *holder,
                               const struct pawl_peer_places_item *item)
{
    PAWL_LIST_EACH(share, share, &holder->shares, of_holder)
        if (share->pool->is_task == item->is_task
            && pawl_bytes_is_equal(share->pool->name, item->name))
            return share;
    struct share *share = PAWL_NEW(struct share);
    share->pool = pool_get(keeper, item);
    share->holder = holder;
    share->goal_told = NO_GOAL;
    pawl_list_push_tail(&share->pool->shares, &share->of_pool);
    pawl_list_push_tail(&holder->shares, &share->of_holder);
    return share;
}

/* Dividing --------------------------------------------------------------------------------- */

/* While a new configuration is rolled out, the smallest number holds. */
static uint32_t pool_max(const struct pool *pool)
{
    uint32_t max = UINT32_MAX;
    PAWL_LIST_EACH(share, share, &pool->shares, of_pool)
        if (!share->holder->is_lost && share->max < max) max = share->max;
    return max;
}

static bool wants_more(const struct share *share)
{
    return !share->holder->is_lost && share->goal < share->wanted;
}

static bool is_before(const struct share *share, const struct share *other)
{
    if (share->goal != other->goal) return share->goal < other->goal;
    return share->given < other->given;
}

static struct share *pool_longest_ago(const struct pool *pool)
{
    struct share *first = NULL;
    PAWL_LIST_EACH(share, share, &pool->shares, of_pool)
        if (wants_more(share) && (!first || is_before(share, first))) first = share;
    return first;
}

static uint32_t pool_count_hungry(const struct pool *pool)
{
    uint32_t count = 0;
    PAWL_LIST_EACH(share, share, &pool->shares, of_pool)
        if (wants_more(share)) count++;
    return count;
}

/* Equal parts; what one does not want goes to the others in equal parts, and so on. */
static void pool_set_goals(struct pool *pool, uint32_t max)
{
    uint32_t left = max;
    PAWL_LIST_EACH(share, share, &pool->shares, of_pool) share->goal = 0;
    for (uint32_t hungry; left > 0 && (hungry = pool_count_hungry(pool)) > 0;) {
        uint32_t part = left / hungry;
        if (part == 0) {
            pool_longest_ago(pool)->goal++;
            left--;
            continue;
        }
        PAWL_LIST_EACH(share, share, &pool->shares, of_pool) {
            if (!wants_more(share)) continue;
            uint32_t more = share->wanted - share->goal;
            if (more > part) more = part;
            share->goal += more;
            left -= more;
        }
    }
}

static uint32_t pool_taken(const struct pool *pool)
{
    uint64_t taken = 0;
    PAWL_LIST_EACH(share, share, &pool->shares, of_pool) taken += share->places;
    return taken < UINT32_MAX ? (uint32_t)taken : UINT32_MAX;
}

/* The next to be given something: who was last longest ago. */
static struct share *pool_next(const struct pool *pool)
{
    struct share *next = NULL;
    PAWL_LIST_EACH(share, share, &pool->shares, of_pool) {
        if (share->holder->is_lost || share->places >= share->goal) continue;
        if (!next || share->given < next->given) next = share;
    }
    return next;
}

static void pool_divide(struct pawl_keeper *keeper, struct pool *pool, int64_t now_ms)
{
    uint32_t max = pool_max(pool);
    uint32_t taken = pool_taken(pool);
    uint32_t free_count = max > taken ? max - taken : 0;
    if (PAWL_MUTANT(PLACES_TWICE)) free_count = max;
    pool_set_goals(pool, max);
    for (struct share *share; free_count > 0 && (share = pool_next(pool)) != NULL;) {
        uint32_t more = share->goal - share->places;
        if (more > free_count) more = free_count;
        share->places += more;
        free_count -= more;
        share->given = ++keeper->given;
        share->holder->is_new = true;
    }
    /* Who still lacks some waits for what others have above their goals. */
    bool is_scarce = pool_next(pool) != NULL;
    PAWL_LIST_EACH(share, share, &pool->shares, of_pool) {
        if (!is_scarce) share->goal = NO_GOAL;
        bool is_told =
            share->goal_told == share->goal && now_ms < share->told_ms + PAWL_PLACES_AGAIN_MS;
        if (share->goal < share->places && !is_told) share->holder->is_new = true;
    }
}

/* Answers ---------------------------------------------------------------------------------- */

static bool keeper_is_confirmed(const struct pawl_node *node)
{
    const struct pawl_partition *partition = &node->partitions[0];
    return pawl_partition_is_owned(partition)
           && node->now_ms < partition->confirmed_ms + PAWL_KEEPER_LEASE_MS;
}

static void holder_tell(struct pawl_node *node, struct holder *holder)
{
    struct pawl_arena *arena = &node->effects->arena;
    const struct pawl_host *host = pawl_directory_find_number(node, holder->host);
    holder->is_new = false;
    if (!host || holder->number == 0) return;
    uint32_t count = 0;
    PAWL_LIST_EACH(share, share, &holder->shares, of_holder) count++;
    struct pawl_peer_frame *frame = pawl_node_peer_frame(node, PAWL_PEER_PLACES);
    struct pawl_peer_places *answer = &frame->places;
    answer->version = node->directory.version;
    answer->process = holder->process;
    answer->number = holder->number;
    answer->items = PAWL_ARENA_ARRAY(arena, struct pawl_peer_places_item, count);
    PAWL_LIST_EACH(share, share, &holder->shares, of_holder) {
        share->goal_told = node->keeper.is_settled ? share->goal : NO_GOAL;
        share->told_ms = node->now_ms;
        answer->items[answer->items_count++] =
            (struct pawl_peer_places_item){ .is_task = share->pool->is_task,
                                            .name = pawl_arena_copy(arena, share->pool->name),
                                            .max = share->max,
                                            .held = share->places,
                                            .wanted = share->goal_told };
    }
    if (host->is_self)
        pawl_places_on_answer(node, host, answer);
    else
        pawl_node_peer_send(node, host, frame);
}

static void keeper_tell_news(struct pawl_node *node)
{
    PAWL_LIST_EACH(holder, holder, &node->keeper.holders, link)
        if (holder->is_new) holder_tell(node, holder);
}

static void keeper_divide_all(struct pawl_node *node)
{
    struct pawl_keeper *keeper = &node->keeper;
    if (!keeper->is_settled || !keeper_is_confirmed(node)) return;
    PAWL_LIST_EACH(pool, pool, &keeper->pools, link) pool_divide(keeper, pool, node->now_ms);
    keeper_tell_news(node);
}

/* Settling --------------------------------------------------------------------------------- */

static bool keeper_heard_all(const struct pawl_node *node)
{
    const struct pawl_app *app = node->directory.self ? node->directory.self->app : NULL;
    if (!app) return false;
    for (uint32_t i = 0; i < app->hosts_count; i++) {
        bool was_heard = false;
        PAWL_LIST_EACH(holder, holder, &node->keeper.holders, link)
            if (holder->host == app->hosts[i]->number && holder->version == node->directory.version)
                was_heard = true;
        if (!was_heard) return false;
    }
    return true;
}

static void keeper_look_settled(struct pawl_node *node)
{
    struct pawl_keeper *keeper = &node->keeper;
    if (keeper->is_settled || !pawl_partition_is_owned(&node->partitions[0])) return;
    bool is_over = node->now_ms >= keeper->acquired_ms + PAWL_KEEPER_SETTLE_MS;
    uint64_t epoch = node->partitions[0].fence.epoch;
    bool is_next = keeper->handed_epoch + 1 == epoch || PAWL_MUTANT(KEEPER_CREDULOUS);
    bool is_handed_over =
        is_next && keeper->handed_version == node->directory.version && keeper_heard_all(node);
    if (is_handed_over) PAWL_COVER(KEEPER_HANDED_OVER);
    if (is_over) PAWL_COVER(KEEPER_WAITED);
    keeper->is_settled = epoch == 1 || is_over || is_handed_over || PAWL_MUTANT(KEEPER_HASTY);
}

static void keeper_set_alarm(struct pawl_node *node)
{
    struct pawl_keeper *keeper = &node->keeper;
    int64_t due_ms = INT64_MAX;
    if (!keeper->is_settled) due_ms = keeper->acquired_ms + PAWL_KEEPER_SETTLE_MS;
    PAWL_LIST_EACH(holder, holder, &keeper->holders, link) {
        int64_t over_ms = holder->heard_ms + PAWL_PLACES_LOST_MS;
        if (holder->is_lost && over_ms < due_ms) due_ms = over_ms;
    }
    pawl_alarm_clear(node, &keeper->alarm);
    if (due_ms == INT64_MAX) return;
    pawl_alarm_set(node, &keeper->alarm, due_ms > node->now_ms ? due_ms : node->now_ms);
}

void pawl_keeper_on_acquired(struct pawl_node *node)
{
    struct pawl_keeper *keeper = &node->keeper;
    keeper->is_settled = false;
    keeper->acquired_ms = node->now_ms;
    if (!node->config.placed) return; /* there is nobody to hand out to */
    keeper_look_settled(node);
    keeper_set_alarm(node);
}

void pawl_keeper_on_lost(struct pawl_node *node)
{
    struct pawl_keeper *keeper = &node->keeper;
    keeper->is_settled = false;
    pawl_alarm_clear(node, &keeper->alarm);
    keeper->handed_version = 0;
    while (!pawl_list_is_empty(&keeper->holders))
        holder_free(OF(keeper->holders.next, holder, link));
}

/* Questions -------------------------------------------------------------------------------- */

static bool is_outdated(const struct holder *holder, const struct pawl_peer_places *wanted)
{
    if (!pawl_id_is_equal(holder->process, wanted->process)) return false;
    return wanted->number < holder->number;
}

static void holder_take(struct pawl_keeper *keeper, struct holder *holder,
                        const struct pawl_peer_places *wanted)
{
    for (uint32_t i = 0; i < wanted->items_count; i++) {
        const struct pawl_peer_places_item *item = &wanted->items[i];
        struct share *share = share_get(keeper, holder, item);
        share->max = item->max;
        share->places = item->held;
        share->wanted = item->wanted;
        share->goal = NO_GOAL;
    }
}

void pawl_keeper_on_wanted(struct pawl_node *node, struct pawl_host *host,
                           const struct pawl_peer_places *wanted)
{
    struct pawl_keeper *keeper = &node->keeper;
    const struct pawl_host *keeping = pawl_directory_keeper(node);
    bool is_own = pawl_directory_is_own_app(node, host->app->id);
    if (!keeping || !keeping->is_self || !is_own) return; /* by an older list, or a newer one */
    struct holder *holder = holder_get(keeper, host->number);
    if (is_outdated(holder, wanted)) return;
    holder->process = wanted->process;
    holder->number = wanted->number;
    holder->version = wanted->version;
    holder->heard_ms = node->now_ms;
    holder_take(keeper, holder, wanted);
    if (wanted->kept_epoch && wanted->version == node->directory.version) {
        keeper->handed_version = wanted->version;
        keeper->handed_epoch = wanted->kept_epoch;
    }
    keeper_look_settled(node);
    holder->is_new = true;
    if (keeper->is_settled)
        keeper_divide_all(node);
    else if (keeper_is_confirmed(node))
        holder_tell(node, holder);
}

/* Members ---------------------------------------------------------------------------------- */

static bool holder_holds(const struct holder *holder)
{
    PAWL_LIST_EACH(share, share, &holder->shares, of_holder)
        if (share->places) return true;
    return false;
}

static void keeper_drop_lost(struct pawl_node *node)
{
    struct pawl_keeper *keeper = &node->keeper;
    struct pawl_list *link = keeper->holders.next;
    while (link != &keeper->holders) {
        struct holder *holder = OF(link, holder, link);
        link = link->next;
        if (!holder->is_lost) continue;
        bool is_over = node->now_ms >= holder->heard_ms + PAWL_PLACES_LOST_MS;
        if (is_over || !holder_holds(holder)) holder_free(holder);
    }
}

static void keeper_on_alarm(struct pawl_node *node, struct pawl_alarm *alarm)
{
    (void)alarm;
    if (!pawl_partition_is_owned(&node->partitions[0])) return;
    keeper_drop_lost(node);
    keeper_look_settled(node);
    keeper_divide_all(node);
    keeper_set_alarm(node);
}

static bool holder_is_listed(struct pawl_node *node, const struct holder *holder)
{
    const struct pawl_host *host = pawl_directory_find_number(node, holder->host);
    return host && host->listed;
}

/* Whoever holds places and cannot tell a new keeper of them leaves it with the waiting. */
void pawl_keeper_on_members(struct pawl_node *node, uint64_t before)
{
    struct pawl_keeper *keeper = &node->keeper;
    bool may_claim =
        keeper->is_settled && keeper_is_confirmed(node) && node->directory.version == before + 1;
    PAWL_LIST_EACH(holder, holder, &keeper->holders, link)
        if (holder_holds(holder) && !holder_is_listed(node, holder)) may_claim = false;
    keeper->kept_epoch = may_claim ? node->partitions[0].fence.epoch : 0;
}

void pawl_keeper_after_members(struct pawl_node *node)
{
    struct pawl_keeper *keeper = &node->keeper;
    /* Also of those that have asked while the partition is still being acquired. */
    PAWL_LIST_EACH(holder, holder, &keeper->holders, link)
        holder->is_lost = pawl_directory_find_number(node, holder->host) == NULL;
    if (!pawl_partition_is_owned(&node->partitions[0])) return;
    keeper_drop_lost(node);
    keeper_look_settled(node);
    keeper_divide_all(node);
    keeper_set_alarm(node);
}

uint64_t pawl_keeper_claim(const struct pawl_node *node)
{
    return node->keeper.kept_epoch;
}

void pawl_keeper_init(struct pawl_node *node)
{
    struct pawl_keeper *keeper = &node->keeper;
    pawl_list_init(&keeper->holders);
    pawl_list_init(&keeper->pools);
    keeper->alarm.fire = keeper_on_alarm;
}

void pawl_keeper_deinit(struct pawl_node *node)
{
    pawl_keeper_on_lost(node);
    PAWL_ASSERT(pawl_list_is_empty(&node->keeper.pools));
}
