#include "actors/directory.h"

#include "actors/activity.h"
#include "actors/keeper.h"
#include "actors/news.h"
#include "actors/outbox.h"
#include "actors/partition.h"
#include "actors/places.h"
#include "actors/presence.h"
#include "actors/router.h"
#include "actors/run.h"
#include "base/cover.h"
#include "base/hash.h"
#include "base/mutant.h"
#include "placement/ring.h"

void pawl_directory_init(struct pawl_node *node)
{
    struct pawl_directory *directory = &node->directory;
    pawl_map_init(&directory->hosts, pawl_rng_next(&node->rng));
    pawl_map_init(&directory->numbers, pawl_rng_next(&node->rng));
    pawl_map_init(&directory->apps, pawl_rng_next(&node->rng));
}

/* Hosts ------------------------------------------------------------------------------------ */

static struct pawl_bytes host_number_key(const struct pawl_host *host)
{
    return pawl_bytes_make(host->number_key, sizeof host->number_key);
}

static void host_on_refused_alarm(struct pawl_node *node, struct pawl_alarm *alarm);

static struct pawl_host *host_new(struct pawl_node *node, struct pawl_bytes name)
{
    struct pawl_directory *directory = &node->directory;
    struct pawl_host *host = PAWL_NEW(struct pawl_host);
    host->number = ++directory->next_number;
    memcpy(host->number_key, &host->number, sizeof host->number);
    host->name = pawl_bytes_dup(name);
    host->hash = pawl_ring_hash(name);
    host->is_self = pawl_bytes_is_str(name, node->host);
    host->ask_runs.fire = pawl_runs_on_ask_alarm;
    host->refused.fire = host_on_refused_alarm;
    pawl_list_init(&host->runs);
    pawl_list_init(&host->asks);
    pawl_list_init(&host->messages);
    pawl_map_insert(&directory->hosts, host->name, host);
    pawl_map_insert(&directory->numbers, host_number_key(host), host);
    return host;
}

static void host_unlist(struct pawl_node *node, struct pawl_host *host)
{
    (void)pawl_map_remove(&node->directory.hosts, host->name);
    (void)pawl_map_remove(&node->directory.numbers, host_number_key(host));
}

static void host_free(struct pawl_node *node, struct pawl_host *host)
{
    pawl_alarm_clear(node, &host->ask_runs);
    pawl_alarm_clear(node, &host->refused);
    PAWL_ASSERT(pawl_list_is_empty(&host->runs));
    PAWL_ASSERT(pawl_list_is_empty(&host->asks));
    PAWL_ASSERT(pawl_list_is_empty(&host->messages));
    pawl_bytes_free(host->name);
    pawl_mem_free(host);
}

struct pawl_host *pawl_directory_find(struct pawl_node *node, struct pawl_bytes name)
{
    return pawl_map_find(&node->directory.hosts, name);
}

struct pawl_host *pawl_directory_find_number(struct pawl_node *node, uint64_t number)
{
    return pawl_map_find(&node->directory.numbers, pawl_bytes_make(&number, sizeof number));
}

/* Apps ------------------------------------------------------------------------------------- */

static void app_free(struct pawl_node *node, struct pawl_app *app)
{
    (void)pawl_map_remove(&node->directory.apps, app->id);
    pawl_mem_free(app->hosts);
    pawl_mem_free(app->owning);
    pawl_mem_free(app->owners);
    pawl_mem_free(app->runners);
    pawl_mem_free(app->runner_hashes);
    pawl_bytes_free(app->id);
    pawl_mem_free(app);
}

static void apps_clear(struct pawl_node *node)
{
    uint32_t cursor = 0;
    for (struct pawl_app *app; (app = pawl_map_next(&node->directory.apps, &cursor)) != NULL;)
        app_free(node, app);
}

static struct pawl_app *app_of(struct pawl_node *node, const struct pawl_member *member)
{
    struct pawl_app *app = pawl_map_find(&node->directory.apps, member->app);
    if (app) return app;
    app = PAWL_NEW(struct pawl_app);
    app->id = pawl_bytes_dup(member->app);
    app->partitions = member->partitions;
    pawl_map_insert(&node->directory.apps, app->id, app);
    return app;
}

static bool host_runs_activities(const struct pawl_node *node, const struct pawl_host *host)
{
    if (host->leaving || host->is_refusing) return false;
    return host->is_self ? node->task_workers > 0 : host->runs_activities;
}

static bool app_is_owning(const struct pawl_app *app, const struct pawl_host *host)
{
    return app->owning_count > 0 && app->owning[0]->owner_rank == host->owner_rank;
}

/* Silent ones are left out as long as others are there. */
static void app_pick_runners(const struct pawl_node *node, struct pawl_app *app)
{
    app->runners_count = 0;
    app->runners_own = true;
    for (int with_silent = 0; with_silent < 2 && app->runners_count == 0; with_silent++)
        for (uint32_t i = 0; i < app->hosts_count; i++) {
            struct pawl_host *host = app->hosts[i];
            if (!host_runs_activities(node, host) || (host->silent && !with_silent)) continue;
            if (!app_is_owning(app, host)) app->runners_own = false;
            app->runners[app->runners_count] = host;
            app->runner_hashes[app->runners_count++] = host->hash;
        }
}

static void app_add_host(struct pawl_app *app, struct pawl_host *host)
{
    uint32_t count = app->hosts_count + 1;
    app->hosts = pawl_mem_resize(app->hosts, count * sizeof(struct pawl_host *));
    app->hosts[app->hosts_count] = host;
    app->hosts_count = count;
    host->app = app;
}

static void app_pick_owning(struct pawl_app *app)
{
    uint32_t rank_max = 1;
    for (uint32_t i = 0; i < app->hosts_count; i++)
        if (app->hosts[i]->owner_rank > rank_max) rank_max = app->hosts[i]->owner_rank;
    app->owning = pawl_mem_alloc(app->hosts_count * sizeof(struct pawl_host *));
    for (uint32_t i = 0; i < app->hosts_count; i++)
        if (app->hosts[i]->owner_rank == rank_max) app->owning[app->owning_count++] = app->hosts[i];
}

static void app_finish(const struct pawl_node *node, struct pawl_app *app)
{
    app_pick_owning(app);
    app->runners = pawl_mem_alloc(app->hosts_count * sizeof(struct pawl_host *));
    app->runner_hashes = pawl_mem_alloc(app->hosts_count * sizeof *app->runner_hashes);
    app_pick_runners(node, app);
}

/* Computed when first asked for: most apps are never called. */
static void app_assign(struct pawl_node *node, struct pawl_app *app)
{
    if (app->owners) return;
    struct pawl_bytes *names =
        PAWL_ARENA_ARRAY(&node->effects->arena, struct pawl_bytes, app->owning_count);
    for (uint32_t i = 0; i < app->owning_count; i++) names[i] = app->owning[i]->name;
    app->owners = pawl_mem_alloc(app->partitions * sizeof *app->owners);
    pawl_ring_assign(app->owning_count, names, app->partitions, app->owners);
}

static struct pawl_app *app_find(const struct pawl_node *node, struct pawl_bytes app)
{
    return pawl_map_find(&node->directory.apps, app.size ? app : pawl_bytes_str(node->app));
}

bool pawl_directory_may_keep(const struct pawl_node *node)
{
    const struct pawl_host *self = node->directory.self;
    return self && self->app && host_runs_activities(node, self) && self->app->runners_own;
}

bool pawl_directory_is_own_app(const struct pawl_node *node, struct pawl_bytes app)
{
    return app.size == 0 || pawl_bytes_is_str(app, node->app);
}

uint32_t pawl_directory_own_hosts(const struct pawl_node *node, struct pawl_host ***ret_hosts)
{
    const struct pawl_app *app = app_find(node, PAWL_BYTES_ABSENT);
    *ret_hosts = app ? app->hosts : NULL;
    return app ? app->hosts_count : 0;
}

/* A new list ------------------------------------------------------------------------------- */

static void list_take_member(struct pawl_node *node, const struct pawl_member *member)
{
    struct pawl_host *host = pawl_directory_find(node, member->host);
    if (!host) host = host_new(node, member->host);
    host->listed = true;
    host->leaving = member->leaving;
    host->runs_activities = member->runs_activities;
    host->is_refusing = false;
    pawl_alarm_clear(node, &host->refused);
    host->runs_workflows = member->runs_workflows;
    host->owner_rank = pawl_member_owner_rank(member);
    if (PAWL_MUTANT(WORKERLESS_OWN) && host->owner_rank) host->owner_rank = 1;
    if (host->is_self) node->directory.self = host;
    app_add_host(app_of(node, member), host);
}

static void list_take(struct pawl_node *node, const struct pawl_members *members)
{
    uint32_t cursor = 0;
    for (struct pawl_host *host; (host = pawl_map_next(&node->directory.hosts, &cursor)) != NULL;) {
        host->listed = false;
        host->app = NULL;
    }
    apps_clear(node);
    node->directory.version = members->version;
    node->directory.self = NULL;
    for (uint32_t i = 0; i < members->count; i++) list_take_member(node, &members->items[i]);
    cursor = 0;
    for (struct pawl_app *app; (app = pawl_map_next(&node->directory.apps, &cursor)) != NULL;)
        app_finish(node, app);
}

static void list_own(struct pawl_node *node)
{
    struct pawl_app *app = app_find(node, PAWL_BYTES_ABSENT);
    if (app) app_assign(node, app);
    for (uint32_t i = 0; i < node->config.partitions; i++) {
        bool is_mine = app && i < app->partitions && app->owners[i] != PAWL_RING_NOBODY
                       && app->owning[app->owners[i]]->is_self;
        if (is_mine)
            pawl_partition_on_own(node, i, node->directory.version);
        else
            pawl_partition_on_disown(node, i);
    }
}

static void list_drop_gone(struct pawl_node *node)
{
    uint32_t cursor = 0;
    for (struct pawl_host *host; (host = pawl_map_next(&node->directory.hosts, &cursor)) != NULL;) {
        if (host->listed) continue;
        host_unlist(node, host);
        pawl_runs_on_host_gone(node, host);
        pawl_router_on_host_gone(node, host);
        pawl_outbox_on_host_gone(node, host);
        host_free(node, host);
    }
}

void pawl_directory_on_members(struct pawl_node *node, const struct pawl_members *members)
{
    if (members->version <= node->directory.version) return; /* from the past */
    uint64_t before = node->directory.version;
    list_take(node, members);
    pawl_keeper_on_members(node, before);
    list_own(node);
    list_drop_gone(node);
    pawl_runs_route_waiting(node);
    pawl_outbox_route_waiting(node);
    pawl_router_route_parked(node);
    pawl_activities_tell_again(node);
    pawl_keeper_after_members(node);
    pawl_presence_look(node);
}

bool pawl_directory_others_run_workflows(const struct pawl_node *node)
{
    const struct pawl_app *app = app_find(node, PAWL_BYTES_ABSENT);
    for (uint32_t i = 0; app && i < app->hosts_count; i++) {
        const struct pawl_host *host = app->hosts[i];
        if (!host->is_self && !host->leaving && host->runs_workflows) return true;
    }
    return false;
}

void pawl_directory_on_own_workers(struct pawl_node *node)
{
    struct pawl_app *app = app_find(node, PAWL_BYTES_ABSENT);
    if (app) app_pick_runners(node, app);
    pawl_runs_route_waiting(node);
}

/* Routes ----------------------------------------------------------------------------------- */

static struct pawl_route route_to(struct pawl_host *host)
{
    return (struct pawl_route){ .kind = host->is_self ? PAWL_ROUTE_HERE : PAWL_ROUTE_PEER,
                                .host = host };
}

static struct pawl_route route_nowhere(const struct pawl_node *node, struct pawl_bytes app)
{
    bool is_own = pawl_directory_is_own_app(node, app);
    return (struct pawl_route){ .kind = is_own ? PAWL_ROUTE_HERE : PAWL_ROUTE_NOWHERE };
}

struct pawl_route pawl_directory_owner(struct pawl_node *node, struct pawl_bytes app,
                                       struct pawl_bytes instance)
{
    struct pawl_app *found = app_find(node, app);
    if (!found || found->owning_count == 0) return route_nowhere(node, app);
    app_assign(node, found);
    uint32_t owner = found->owners[pawl_hash_partition(instance, found->partitions)];
    if (owner == PAWL_RING_NOBODY) return route_nowhere(node, app);
    return route_to(found->owning[owner]);
}

struct pawl_host *pawl_directory_keeper(struct pawl_node *node)
{
    struct pawl_app *app = app_find(node, PAWL_BYTES_ABSENT);
    if (!app || app->owning_count == 0) return NULL;
    app_assign(node, app);
    return app->owners[0] == PAWL_RING_NOBODY ? NULL : app->owning[app->owners[0]];
}

struct pawl_route pawl_directory_any(struct pawl_node *node, struct pawl_bytes app)
{
    struct pawl_app *found = app_find(node, app);
    if (pawl_directory_is_own_app(node, app) || !found || found->hosts_count == 0)
        return route_nowhere(node, app);
    return route_to(found->hosts[pawl_rng_below(&node->rng, found->hosts_count)]);
}

bool pawl_directory_is_peer_of(const struct pawl_node *node, const struct pawl_host *host,
                               struct pawl_bytes app)
{
    return !host->is_self && host->app && host->app == app_find(node, app);
}

bool pawl_directory_has_peers(const struct pawl_node *node, struct pawl_bytes app)
{
    const struct pawl_app *found = app_find(node, app);
    for (uint32_t i = 0; found && i < found->hosts_count; i++)
        if (!found->hosts[i]->is_self) return true;
    return false;
}

static bool hosts_have(const struct pawl_hosts *hosts, const struct pawl_host *host)
{
    for (uint32_t i = 0; i < hosts->count; i++)
        if (hosts->numbers[i] == host->number) return true;
    return false;
}

/* As among the runners; a silent one is better than none. */
static struct pawl_host *app_other_runner(const struct pawl_node *node, const struct pawl_app *app,
                                          struct pawl_bytes key, const struct pawl_hosts *tried)
{
    struct pawl_arena *arena = &node->effects->arena;
    struct pawl_host **others = PAWL_ARENA_ARRAY(arena, struct pawl_host *, app->hosts_count);
    uint64_t *hashes = PAWL_ARENA_ARRAY(arena, uint64_t, app->hosts_count);
    uint32_t count = 0;
    for (int with_silent = 0; with_silent < 2 && count == 0; with_silent++)
        for (uint32_t i = 0; i < app->hosts_count; i++) {
            struct pawl_host *host = app->hosts[i];
            if (!host_runs_activities(node, host) || (host->silent && !with_silent)) continue;
            if (hosts_have(tried, host)) continue;
            others[count] = host;
            hashes[count++] = host->hash;
        }
    uint32_t picked = pawl_ring_pick_hashed(count, hashes, key);
    return picked == PAWL_RING_NOBODY ? NULL : others[picked];
}

struct pawl_route pawl_directory_runner(struct pawl_node *node, struct pawl_bytes app,
                                        struct pawl_bytes key, const struct pawl_hosts *tried)
{
    const struct pawl_app *found = app_find(node, app);
    if (found && tried && tried->count) {
        struct pawl_host *other = app_other_runner(node, found, key, tried);
        return other ? route_to(other) : (struct pawl_route){ .kind = PAWL_ROUTE_NOWHERE };
    }
    uint32_t picked = PAWL_RING_NOBODY;
    if (found) picked = pawl_ring_pick_hashed(found->runners_count, found->runner_hashes, key);
    if (picked == PAWL_RING_NOBODY) return (struct pawl_route){ .kind = PAWL_ROUTE_NOWHERE };
    return route_to(found->runners[picked]);
}

struct pawl_bytes pawl_directory_why_nowhere(struct pawl_node *node, struct pawl_arena *arena,
                                             struct pawl_bytes app)
{
    const struct pawl_app *found = app_find(node, app);
    struct pawl_bytes id = app.size ? app : pawl_bytes_str(node->app);
    if (!found || found->hosts_count == 0)
        return pawl_arena_printf(arena, "no sidecar of app '%.*s' is known in namespace '%s'",
                                 PAWL_BYTES_FMT(id),
                                 node->config.namespace_ ? node->config.namespace_ : "default");
    return pawl_arena_printf(arena, "no worker that runs activities is connected to app '%.*s'",
                             PAWL_BYTES_FMT(id));
}

/* Peers ------------------------------------------------------------------------------------ */

struct pawl_peer_frame *pawl_node_peer_frame(struct pawl_node *node, enum pawl_peer_frame_type type)
{
    struct pawl_peer_frame *frame = PAWL_ARENA_NEW(&node->effects->arena, struct pawl_peer_frame);
    frame->type = type;
    return frame;
}

void pawl_node_peer_send(struct pawl_node *node, const struct pawl_host *host,
                         const struct pawl_peer_frame *frame)
{
    struct pawl_effect *effect = pawl_effects_push(node->effects, PAWL_EFFECT_PEER_SEND);
    effect->peer.host = pawl_arena_copy(&node->effects->arena, host->name);
    effect->peer.frame = frame;
}

void pawl_directory_on_refused(struct pawl_node *node, struct pawl_host *host)
{
    if (host->is_refusing) return;
    host->is_refusing = true;
    app_pick_runners(node, host->app);
    pawl_alarm_set(node, &host->refused, node->now_ms + PAWL_RUN_REFUSED_MS);
}

static void host_on_refused_alarm(struct pawl_node *node, struct pawl_alarm *alarm)
{
    struct pawl_host *host = PAWL_CONTAINER_OF(alarm, struct pawl_host, refused);
    if (PAWL_MUTANT(REFUSED_FOR_EVER)) return;
    host->is_refusing = false;
    app_pick_runners(node, host->app);
    PAWL_COVER(RUN_TRIED_AGAIN);
    pawl_runs_route_waiting(node);
}

static void host_set_silent(struct pawl_node *node, struct pawl_host *host, bool silent)
{
    if (host->silent == silent) return;
    host->silent = silent;
    app_pick_runners(node, host->app);
}

void pawl_directory_set_silent(struct pawl_node *node, struct pawl_host *host)
{
    host_set_silent(node, host, true);
}

void pawl_directory_on_frame(struct pawl_node *node, struct pawl_bytes name,
                             const struct pawl_peer_frame *frame)
{
    struct pawl_host *host = pawl_directory_find(node, name);
    if (!host) return; /* it left meanwhile; what it asked for it asks again elsewhere */
    host_set_silent(node, host, false);
    switch (frame->type) {
    case PAWL_PEER_CALL: pawl_router_on_call(node, host, &frame->call); return;
    case PAWL_PEER_RETURN: pawl_router_on_return(node, host, &frame->call); return;
    case PAWL_PEER_GONE: pawl_router_on_gone(node, host->number, frame->call.token); return;
    case PAWL_PEER_MESSAGE: pawl_outbox_on_message(node, host, &frame->message); return;
    case PAWL_PEER_MESSAGE_DONE:
        pawl_outbox_on_message_done(node, host, &frame->message_done);
        return;
    case PAWL_PEER_RUN: pawl_activity_on_run(node, host, &frame->run); return;
    case PAWL_PEER_RUN_REFUSED: pawl_run_on_refused(node, host, &frame->run_refused); return;
    case PAWL_PEER_RESULT: pawl_run_on_result(node, host, &frame->run); return;
    case PAWL_PEER_RESULT_DONE: pawl_activity_on_result_done(node, frame->run_id); return;
    case PAWL_PEER_ASK: pawl_activity_on_ask(node, host, &frame->runs); return;
    case PAWL_PEER_ASKED: pawl_runs_on_asked(node, host, &frame->runs); return;
    case PAWL_PEER_FIND: pawl_activity_on_find(node, host, &frame->finds); return;
    case PAWL_PEER_FOUND: pawl_runs_on_found(node, host, &frame->runs); return;
    case PAWL_PEER_CANCEL: pawl_activity_on_cancel(node, frame->run_id); return;
    case PAWL_PEER_ATTEMPT: pawl_run_on_attempt(node, host, &frame->run_attempt); return;
    case PAWL_PEER_PLACES_WANTED: pawl_keeper_on_wanted(node, host, &frame->places); return;
    case PAWL_PEER_PLACES: pawl_places_on_answer(node, host, &frame->places); return;
    case PAWL_PEER_NEWS_WANTED: pawl_news_on_wanted(node, host); return;
    case PAWL_PEER_NEWS: pawl_news_on_told(node, &frame->news); return;
    default: return; /* the link's own */
    }
}

void pawl_directory_on_down(struct pawl_node *node, struct pawl_bytes name)
{
    struct pawl_host *host = pawl_directory_find(node, name);
    if (!host) return;
    host_set_silent(node, host, true);
    pawl_runs_on_peer_down(node, host);
    pawl_router_on_peer_down(node, host);
    pawl_outbox_on_peer_down(node, host);
    pawl_activities_on_peer_down(node, host);
}

void pawl_directory_deinit(struct pawl_node *node)
{
    apps_clear(node);
    uint32_t cursor = 0;
    for (struct pawl_host *host; (host = pawl_map_next(&node->directory.hosts, &cursor)) != NULL;) {
        host_unlist(node, host);
        host_free(node, host);
    }
    pawl_map_deinit(&node->directory.hosts);
    pawl_map_deinit(&node->directory.numbers);
    pawl_map_deinit(&node->directory.apps);
}
