#include "sdk/replay.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/limits.h"
#include "sdk/determinism.h"
#include "sdk/patch.h"
#include "sdk/recorded.h"

/* The past of a turn that has not come yet. */
struct pending_history {
    struct pending_history *next;
    struct pawl_id turn;
    struct pawl_pool pool;
    struct history_part *parts;
    struct history_part **parts_end;
    bool no_memory;
};

struct history_part {
    struct history_part *next;
    uint32_t events_count;
    struct pawl_bytes *events;
};

struct pawl_replay {
    struct pawl_replay_config config;
    struct pawl_workflow_ctx **buckets; /* made once, so that holding cannot fail */
    uint32_t buckets_count;
    uint32_t held_count;
    struct pawl_list lru; /* the next to go first */
    struct pending_history *pending;
    uint8_t key[16];
};

static const struct pawl_allocator *allocator_of(const struct pawl_replay *replay)
{
    return replay->config.host.allocator;
}

pawl_err pawl_replay_new(const struct pawl_replay_config *config, struct pawl_replay **ret_replay)
{
    const struct pawl_allocator *allocator = config->host.allocator;
    uint32_t buckets_count = 16;
    while (buckets_count < config->cache_max && buckets_count < UINT32_C(1) << 24) {
        buckets_count *= 2;
    }
    struct pawl_replay *replay = allocator->alloc(allocator->context, sizeof *replay);
    struct pawl_workflow_ctx **buckets =
        allocator->alloc(allocator->context, sizeof *buckets * buckets_count);
    if (!replay || !buckets) {
        allocator->free(allocator->context, replay);
        allocator->free(allocator->context, buckets);
        return PAWL_E_NOMEM;
    }
    memset(buckets, 0, sizeof *buckets * buckets_count);
    *replay = (struct pawl_replay){ .config = *config,
                                    .buckets = buckets,
                                    .buckets_count = buckets_count };
    memcpy(replay->key, &config->seed, sizeof config->seed);
    pawl_list_init(&replay->lru);
    *ret_replay = replay;
    return PAWL_OK;
}

void pawl_replay_free(struct pawl_replay *replay)
{
    if (!replay) return;
    pawl_replay_clear(replay);
    const struct pawl_allocator *allocator = allocator_of(replay);
    allocator->free(allocator->context, replay->buckets);
    allocator->free(allocator->context, replay);
}

/* The cache ---------------------------------------------------------------------- */

static struct pawl_workflow_ctx **bucket_of(struct pawl_replay *replay, struct pawl_bytes id)
{
    uint64_t hash = pawl_hash_keyed(replay->key, id);
    return &replay->buckets[hash & (replay->buckets_count - 1)];
}

/* Out of the cache, to the caller; NULL: not held. */
static struct pawl_workflow_ctx *cache_take(struct pawl_replay *replay, struct pawl_bytes id)
{
    struct pawl_workflow_ctx **link = bucket_of(replay, id);
    while (*link && !pawl_bytes_is_equal((*link)->id, id)) link = &(*link)->bucket_next;
    struct pawl_workflow_ctx *ctx = *link;
    if (!ctx) return NULL;
    *link = ctx->bucket_next;
    ctx->bucket_next = NULL;
    pawl_list_remove(&ctx->lru);
    replay->held_count--;
    return ctx;
}

/* The oldest makes room. cache_max > 0. */
static void cache_put(struct pawl_replay *replay, struct pawl_workflow_ctx *ctx)
{
    if (replay->held_count == replay->config.cache_max) {
        struct pawl_workflow_ctx *oldest =
            PAWL_CONTAINER_OF(replay->lru.next, struct pawl_workflow_ctx, lru);
        struct pawl_workflow_ctx *taken = cache_take(replay, oldest->id);
        PAWL_ASSERT(taken == oldest);
        pawl_instance_free(taken);
    }
    struct pawl_workflow_ctx **bucket = bucket_of(replay, ctx->id);
    ctx->bucket_next = *bucket;
    *bucket = ctx;
    pawl_list_push_tail(&replay->lru, &ctx->lru);
    replay->held_count++;
}

void pawl_replay_on_evict(struct pawl_replay *replay, struct pawl_bytes instance)
{
    pawl_instance_free(cache_take(replay, instance));
}

struct pawl_bytes pawl_replay_awaited_event(struct pawl_replay *replay, struct pawl_bytes instance,
                                            uint32_t n)
{
    const struct pawl_workflow_ctx *ctx = *bucket_of(replay, instance);
    while (ctx && !pawl_bytes_is_equal(ctx->id, instance)) ctx = ctx->bucket_next;
    for (uint32_t i = 0; ctx && i < PAWL_EVENT_BUCKETS; i++) {
        const struct pawl_event_name *name = ctx->event_names[i];
        for (; name; name = name->next)
            if (!pawl_list_is_empty(&name->waiters) && n-- == 0) return name->name;
    }
    return PAWL_BYTES_ABSENT;
}

uint32_t pawl_replay_held_count(const struct pawl_replay *replay)
{
    return replay->held_count;
}

/* Histories on their way ------------------------------------------------------------ */

static void pending_free(struct pawl_replay *replay, struct pending_history *pending)
{
    if (!pending) return;
    pawl_pool_deinit(&pending->pool);
    allocator_of(replay)->free(allocator_of(replay)->context, pending);
}

static struct pending_history **pending_find(struct pawl_replay *replay, struct pawl_id turn)
{
    struct pending_history **link = &replay->pending;
    while (*link && !pawl_id_is_equal((*link)->turn, turn)) link = &(*link)->next;
    return link;
}

static struct pending_history *pending_take(struct pawl_replay *replay, struct pawl_id turn)
{
    struct pending_history **link = pending_find(replay, turn);
    struct pending_history *pending = *link;
    if (pending) *link = pending->next;
    return pending;
}

void pawl_replay_clear(struct pawl_replay *replay)
{
    while (!pawl_list_is_empty(&replay->lru)) {
        struct pawl_workflow_ctx *ctx =
            PAWL_CONTAINER_OF(replay->lru.next, struct pawl_workflow_ctx, lru);
        pawl_replay_on_evict(replay, ctx->id);
    }
    while (replay->pending) {
        struct pending_history *pending = replay->pending;
        replay->pending = pending->next;
        pending_free(replay, pending);
    }
}

static struct pending_history *pending_new(struct pawl_replay *replay, struct pawl_id turn)
{
    const struct pawl_allocator *allocator = allocator_of(replay);
    struct pending_history *pending = allocator->alloc(allocator->context, sizeof *pending);
    if (!pending) return NULL;
    *pending = (struct pending_history){ .turn = turn, .next = replay->pending };
    pending->parts_end = &pending->parts;
    pawl_pool_init(&pending->pool, allocator);
    replay->pending = pending;
    return pending;
}

static bool pending_add(struct pending_history *pending, const struct pawl_history_chunk *chunk)
{
    struct history_part *part = PAWL_POOL_NEW(&pending->pool, struct history_part);
    if (!part) return false;
    part->events = pawl_pool_alloc(&pending->pool, sizeof *part->events * chunk->events_count);
    if (!part->events) return false;
    for (uint32_t i = 0; i < chunk->events_count; i++) {
        if (!pawl_pool_copy(&pending->pool, chunk->events[i], &part->events[i])) return false;
        part->events_count++;
    }
    *pending->parts_end = part;
    pending->parts_end = &part->next;
    return true;
}

void pawl_replay_on_history(struct pawl_replay *replay, const struct pawl_history_chunk *chunk)
{
    struct pending_history *pending = *pending_find(replay, chunk->turn);
    if (!pending) pending = pending_new(replay, chunk->turn);
    /* Without memory for the first part the turn meets a history without its beginning,
     * which it refuses. */
    if (!pending) return;
    if (!pending_add(pending, chunk)) pending->no_memory = true;
}

/* Turns -------------------------------------------------------------------------------- */

static void begin_turn(struct pawl_workflow_ctx *ctx, bool replaying)
{
    pawl_pool_deinit(&ctx->turn);
    ctx->actions = NULL;
    ctx->actions_made_at = NULL;
    ctx->actions_first = 0;
    ctx->actions_count = 0;
    ctx->actions_capacity = 0;
    ctx->custom_status_set = false;
    ctx->custom_status = PAWL_BYTES_ABSENT;
    ctx->patches_new = NULL;
    ctx->patches_new_count = 0;
    ctx->replaying = replaying;
}

static void feed(struct pawl_workflow_ctx *ctx, struct pawl_bytes encoded)
{
    struct pawl_history_event event;
    if (ctx->given_up != PAWL_OK) return;
    if (pawl_history_event_decode(encoded, &event) != PAWL_OK) {
        /* Reported as a mismatch, which stalls the instance: a newer worker may read it. */
        pawl_instance_give_up(ctx, PAWL_E_NONDETERMINISM,
                              "a history event cannot be read by this version of the library");
        return;
    }
    if (event.kind == PAWL_EVENT_WORKFLOW_STARTED) {
        pawl_instance_run(ctx);
        pawl_patch_turn_ends(ctx);
    }
    if (pawl_recorded_is_call(event.kind)) {
        pawl_instance_run(ctx);
        pawl_patch_turn_ends(ctx); /* the code has run; its calls may differ because of one */
        if (ctx->replaying) pawl_determinism_match(ctx, &event);
    } else {
        pawl_instance_apply(ctx, &event, encoded);
    }
    ctx->history_index++;
}

static void feed_past_end(struct pawl_workflow_ctx *ctx)
{
    if (!ctx->replaying) return;
    pawl_instance_run(ctx);
    pawl_patch_turn_ends(ctx);
    if (ctx->history_index > 0) ctx->history_index--; /* the last event of the past */
    pawl_determinism_finish(ctx);
    ctx->history_index++;
    ctx->replaying = false;
}

static void feed_turn(struct pawl_workflow_ctx *ctx, const struct pawl_turn *turn,
                      const struct pending_history *past)
{
    if (past && past->no_memory) pawl_instance_give_up_for_memory(ctx);
    for (const struct history_part *part = past ? past->parts : NULL; part; part = part->next) {
        for (uint32_t i = 0; i < part->events_count; i++) feed(ctx, part->events[i]);
    }
    for (uint32_t i = 0; i < turn->events_count; i++) {
        if (i == turn->past_count) feed_past_end(ctx);
        feed(ctx, turn->events[i]);
    }
    if (turn->past_count >= turn->events_count) feed_past_end(ctx);
    pawl_instance_run(ctx);
    pawl_patch_turn_ends(ctx);
    if (ctx->given_up == PAWL_OK && !ctx->started) {
        pawl_instance_give_up(ctx, PAWL_E_NONDETERMINISM, "the history has no beginning");
    }
}

static struct pawl_bytes cut_message(const char *text)
{
    struct pawl_bytes message = pawl_bytes_str(text ? text : "");
    if (message.size <= PAWL_MESSAGE_SIZE_MAX) return message;
    message.size = PAWL_MESSAGE_SIZE_MAX;
    while (message.size > 0 && (message.data[message.size] & 0xC0) == 0x80) message.size--;
    return message;
}

static void answer_refused(const struct pawl_turn *turn, pawl_err err, const char *message,
                           struct pawl_buf *out)
{
    struct pawl_frame frame = { .type = PAWL_FRAME_TURN_DONE };
    frame.turn_done = (struct pawl_turn_done){
        .turn = turn->turn, .instance = turn->instance, .err = err, .message = cut_message(message)
    };
    pawl_frame_encode(out, &frame);
}

static void answer_need_history(const struct pawl_turn *turn, struct pawl_buf *out)
{
    struct pawl_frame frame = { .type = PAWL_FRAME_NEED_HISTORY };
    frame.need_history =
        (struct pawl_need_history){ .turn = turn->turn, .instance = turn->instance };
    pawl_frame_encode(out, &frame);
}

/* The turn ends the workflow with a failure of the library's own. */
static void answer_failed(const struct pawl_turn *turn, const char *type, const char *message,
                          struct pawl_buf *out)
{
    struct pawl_action action = { .kind = PAWL_ACTION_COMPLETE,
                                  .id = -1,
                                  .status = PAWL_STATUS_FAILED,
                                  .failure = { .present = true,
                                               .non_retriable = true,
                                               .type = pawl_bytes_str(type),
                                               .message = cut_message(message) } };
    struct pawl_frame frame = { .type = PAWL_FRAME_TURN_DONE };
    frame.turn_done = (struct pawl_turn_done){
        .turn = turn->turn, .instance = turn->instance, .actions_count = 1, .actions = &action
    };
    pawl_frame_encode(out, &frame);
}

/* False: another answer had to be given, and the instance must not be kept. */
static bool answer_done(const struct pawl_workflow_ctx *ctx, const struct pawl_turn *turn,
                        bool cached, struct pawl_buf *out)
{
    struct pawl_frame frame = { .type = PAWL_FRAME_TURN_DONE };
    frame.turn_done = (struct pawl_turn_done){
        .turn = turn->turn,
        .instance = turn->instance,
        .cached = cached,
        .custom_status_set = ctx->custom_status_set,
        .custom_status = ctx->custom_status,
        .actions_count = ctx->actions_count - ctx->actions_first,
        .actions = ctx->actions ? ctx->actions + ctx->actions_first : NULL,
        .patches_count = ctx->patches_new_count,
        .patches = ctx->patches_new,
    };
    if (ctx->version_is_news) frame.turn_done.version = ctx->version;
    size_t before = out->size;
    pawl_frame_encode(out, &frame);
    if (out->bad != PAWL_E_TOO_LARGE) return out->bad == PAWL_OK;
    /* The buffer holds one frame's worth, so nothing else can have filled it. */
    out->size = before;
    out->bad = PAWL_OK;
    answer_failed(turn, "TurnTooLarge",
                  "the payloads of the calls that the workflow made in one go are larger than a "
                  "frame (18 MB) allows; wait in between, or pass references to large data",
                  out);
    return false;
}

/* Answer, and keep the instance or let it go. */
static void conclude(struct pawl_replay *replay, struct pawl_workflow_ctx *ctx,
                     const struct pawl_turn *turn, struct pawl_buf *out)
{
    bool keep = ctx->given_up == PAWL_OK && !ctx->returned && replay->config.cache_max > 0;
    if (ctx->given_up == PAWL_E_NOMEM) {
        out->bad = PAWL_E_NOMEM;
    } else if (ctx->given_up == PAWL_E_LIMIT) {
        answer_failed(turn, "TooManyCalls", ctx->given_up_message, out);
    } else if (ctx->given_up != PAWL_OK) {
        answer_refused(turn, ctx->given_up, ctx->given_up_message, out);
    } else {
        keep = answer_done(ctx, turn, keep, out) && keep;
    }
    if (!keep) {
        pawl_instance_free(ctx);
        return;
    }
    ctx->version_is_news = false;
    begin_turn(ctx, false); /* gives the memory of this turn back */
    ctx->held = turn->turn;
    cache_put(replay, ctx);
}

/* The first turn says which version it chose; one that is played from a record says so. */
static bool first_started(const struct pawl_bytes *events, uint32_t count, uint32_t *ret_index,
                          struct pawl_history_event *ret_event)
{
    for (uint32_t i = 0; i < count; i++) {
        if (pawl_history_event_decode(events[i], ret_event) != PAWL_OK) return false;
        *ret_index = i;
        if (ret_event->kind == PAWL_EVENT_WORKFLOW_STARTED) return true;
    }
    return false;
}

static struct pawl_code_wanted code_wanted(const struct pawl_turn *turn,
                                           const struct pending_history *past)
{
    struct pawl_code_wanted wanted = { .name = turn->name, .version = turn->version };
    struct pawl_history_event started;
    if (!pawl_bytes_is_absent(turn->version)) return wanted;
    uint32_t index;
    for (const struct history_part *part = past ? past->parts : NULL; part; part = part->next) {
        if (!first_started(part->events, part->events_count, &index, &started)) continue;
        wanted.version = started.version;
        return wanted;
    }
    if (!first_started(turn->events, turn->events_count, &index, &started)) return wanted;
    wanted.version = started.version;
    wanted.is_new = index >= turn->past_count && pawl_bytes_is_absent(started.version)
                    && pawl_bytes_is_absent(started.patches);
    return wanted;
}

static void run_from_start(struct pawl_replay *replay, const struct pawl_turn *turn,
                           const struct pending_history *past, struct pawl_buf *out)
{
    struct pawl_code_wanted wanted = code_wanted(turn, past);
    struct pawl_code code = { .run = NULL };
    if (!replay->config.find(replay->config.find_context, &wanted, &code)) {
        char message[PAWL_MESSAGE_SIZE_MAX];
        (void)snprintf(message, sizeof message,
                       "this worker has no workflow named '%.*s' that serves version '%.*s'",
                       PAWL_BYTES_FMT(wanted.name), PAWL_BYTES_FMT(wanted.version));
        answer_refused(turn, PAWL_E_NOT_REGISTERED, message, out);
        return;
    }
    struct pawl_workflow_ctx *ctx =
        pawl_instance_new(&replay->config.host, turn, code.run, code.user);
    if (!ctx || !pawl_instance_set_version(ctx, wanted.is_new ? code.version : wanted.version)) {
        pawl_instance_free(ctx);
        out->bad = PAWL_E_NOMEM;
        return;
    }
    ctx->version_is_news = wanted.is_new;
    begin_turn(ctx, past || turn->past_count > 0);
    feed_turn(ctx, turn, past);
    conclude(replay, ctx, turn, out);
}

void pawl_replay_on_turn(struct pawl_replay *replay, const struct pawl_turn *turn,
                         struct pawl_buf *out)
{
    struct pending_history *past = pending_take(replay, turn->turn);
    struct pawl_workflow_ctx *ctx = cache_take(replay, turn->instance);

    if (pawl_id_is_zero(turn->base)) {
        pawl_instance_free(ctx);
        run_from_start(replay, turn, past, out);
    } else if (!ctx || !pawl_id_is_equal(ctx->held, turn->base)) {
        pawl_instance_free(ctx);
        answer_need_history(turn, out);
    } else {
        begin_turn(ctx, false);
        feed_turn(ctx, turn, NULL);
        conclude(replay, ctx, turn, out);
    }
    pending_free(replay, past);
}
