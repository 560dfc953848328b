/* The functions of pawl/worker.h. */
#include "pawl/worker.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/version.h"
#include "sdk/io/activities.h"
#include "sdk/io/link.h"
#include "sdk/io/settings.h"
#include "sdk/io/stack.h"
#include "sdk/io/thread.h"
#include "sdk/replay.h"

/* Bounds of what the options may ask for. */
#define THREADS_MAX 1024u
#define CACHE_MAX   1000000u

/* After the work is over, the last frames get so long to leave. */
#define GOODBYE_MS 1500

struct definition {
    struct pawl_bytes name;
    struct pawl_bytes version; /* absent: every version without its own */
    bool latest;               /* workflow: for new instances without a version */
    pawl_workflow_fn *workflow;
    pawl_activity_fn *activity;
    void *user;
};

struct definitions {
    struct definition *items;
    uint32_t count;
    uint32_t capacity;
};

enum worker_state {
    WORKER_IDLE,      /* may register, may run */
    WORKER_PREPARING, /* no more registration; the link is being made */
    WORKER_RUNNING,   /* the link is there */
    WORKER_ENDED,
};

struct pawl_worker {
    struct pawl_allocator allocator;
    struct pawl_worker_options options; /* defaults filled in; strings are in settings */
    struct pawl_settings settings;
    struct pawl_pool names;
    struct pawl_bytes version; /* of the options, in names */
    struct definitions workflows;
    struct definitions activities_known;
    struct pawl_hello hello;

    struct pawl_link *link;
    struct pawl_stack_pool *stacks;
    struct pawl_replay *replay;
    struct pawl_activities *activities;
    struct pawl_buf out;

    /* I/O thread. */
    uint32_t turns_to_grant;
    uint32_t activities_to_grant;
    uint32_t activities_out; /* submitted and not yet taken back, of any connection */
    uint32_t stops_seen;
    int64_t stop_at_ms;
    pawl_err fatal;

    /* Any thread. */
    atomic_int state;
    atomic_uint stops;
    atomic_bool connected;
    pthread_t thread;
    bool has_thread;
    pawl_err result;
};

static void worker_log(const struct pawl_worker *worker, enum pawl_level level, const char *format,
                       ...) __attribute__((format(printf, 3, 4)));

static void worker_log(const struct pawl_worker *worker, enum pawl_level level, const char *format,
                       ...)
{
    char text[PAWL_MESSAGE_SIZE_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    worker->options.log(worker->options.log_context, level, text);
}

static void log_to_stderr(void *context, enum pawl_level level, const char *text)
{
    (void)context;
    if (level > PAWL_LEVEL_INFO) return;
    static const char *const names[] = { "", "error: ", "warning: ", "" };
    (void)fprintf(stderr, "pawl: %s%s\n", names[level], text);
}

/* Making one ------------------------------------------------------------------------------ */

static void *take_stack(void *stacks, bool *ret_guarded)
{
    return pawl_stack_take(stacks, ret_guarded);
}

static void give_stack(void *stacks, void *stack, bool guarded)
{
    pawl_stack_give(stacks, stack, guarded);
}

static bool version_fits(struct pawl_bytes known, struct pawl_bytes wanted, bool exactly)
{
    if (exactly) return pawl_bytes_is_equal(known, wanted);
    return pawl_bytes_is_absent(known);
}

/* The function of exactly this version, else the one for every version. */
static const struct definition *find(const struct definitions *definitions, struct pawl_bytes name,
                                     struct pawl_bytes version)
{
    for (int exactly = 1; exactly >= 0; exactly--) {
        for (uint32_t i = 0; i < definitions->count; i++) {
            const struct definition *definition = &definitions->items[i];
            if (!pawl_bytes_is_equal(definition->name, name)) continue;
            if (version_fits(definition->version, version, exactly != 0)) return definition;
        }
    }
    return NULL;
}

static const struct definition *find_latest(const struct definitions *definitions,
                                            struct pawl_bytes name)
{
    for (uint32_t i = 0; i < definitions->count; i++) {
        const struct definition *definition = &definitions->items[i];
        if (definition->latest && pawl_bytes_is_equal(definition->name, name)) return definition;
    }
    return NULL;
}

/* Where the author marked none and has no function for all versions, the greatest one. */
static void choose_latest(struct definitions *definitions)
{
    for (uint32_t i = 0; i < definitions->count; i++) {
        struct definition *definition = &definitions->items[i];
        if (pawl_bytes_is_absent(definition->version)) continue;
        if (find(definitions, definition->name, PAWL_BYTES_ABSENT)) continue;
        struct definition *best = definition;
        bool is_marked = false;
        for (uint32_t j = 0; j < definitions->count; j++) {
            struct definition *other = &definitions->items[j];
            if (!pawl_bytes_is_equal(other->name, definition->name)) continue;
            is_marked = is_marked || other->latest;
            if (pawl_version_compare(other->version, best->version) > 0) best = other;
        }
        if (!is_marked) best->latest = true;
    }
}

static bool find_workflow(void *context, const struct pawl_code_wanted *wanted,
                          struct pawl_code *ret_code)
{
    const struct pawl_worker *worker = context;
    const struct definition *definition = NULL;
    if (wanted->is_new) definition = find_latest(&worker->workflows, wanted->name);
    if (!definition) definition = find(&worker->workflows, wanted->name, wanted->version);
    if (!definition) return false;
    *ret_code = (struct pawl_code){ .run = definition->workflow,
                                    .user = definition->user,
                                    .version = definition->version };
    return true;
}

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
    return value ? value : otherwise;
}

static pawl_err choose_options(struct pawl_worker *worker)
{
    struct pawl_worker_options *options = &worker->options;
    options->turns_max = or_default(options->turns_max, 256);
    options->activity_threads = or_default(options->activity_threads, 16);
    options->activities_max = or_default(options->activities_max, options->activity_threads * 4);
    options->cache_max = or_default(options->cache_max, 8192);
    if (options->cache_off) options->cache_max = 0;
    if (options->stack_size == 0) options->stack_size = 64u << 10;
    if (options->stop_timeout_ms == 0) options->stop_timeout_ms = 30000;
    if (!options->log) options->log = log_to_stderr;
    bool is_match =
        options->version_match <= PAWL_MATCH_CURRENT_OR_OLDER
        && (options->version_match == PAWL_MATCH_ANY || options->version)
        && (!options->version
            || pawl_name_is_valid(pawl_bytes_str(options->version), PAWL_NAME_SIZE_MAX));
    if (!is_match) return PAWL_E_INVALID;
    bool fits = options->turns_max <= PAWL_CREDIT_MAX && options->activities_max <= PAWL_CREDIT_MAX
                && options->activity_threads <= THREADS_MAX && options->cache_max <= CACHE_MAX
                && options->stack_size >= PAWL_STACK_SIZE_MIN
                && options->stack_size <= PAWL_STACK_SIZE_MAX && options->stop_timeout_ms > 0;
    return fits ? PAWL_OK : PAWL_E_INVALID;
}

static pawl_err make_replay(struct pawl_worker *worker)
{
    pawl_err err = pawl_stack_pool_new(worker->options.stack_size, &worker->stacks);
    if (err != PAWL_OK) return err;
    struct pawl_replay_config config = {
        .host = { .allocator = &worker->allocator,
                  .stack_size = pawl_stack_pool_size(worker->stacks),
                  .stacks = worker->stacks,
                  .stack_take = take_stack,
                  .stack_give = give_stack,
                  .log = worker->options.log,
                  .log_context = worker->options.log_context },
        .cache_max = worker->options.cache_max,
        .find = find_workflow,
        .find_context = worker,
    };
    /* Any seed works; an unpredictable one keeps chosen ids from colliding. */
    if (getrandom(&config.seed, sizeof config.seed, 0) != sizeof config.seed) config.seed = 1;
    return pawl_replay_new(&config, &worker->replay);
}

pawl_err pawl_worker_new(const struct pawl_worker_options *options, struct pawl_worker **ret_worker)
{
    static const struct pawl_worker_options defaults;
    if (!options) options = &defaults;
    struct pawl_allocator allocator = pawl_allocator_choose(options->allocator);
    struct pawl_worker *worker = allocator.alloc(allocator.context, sizeof *worker);
    if (!worker) return PAWL_E_NOMEM;

    *worker = (struct pawl_worker){ .allocator = allocator, .options = *options };
    pawl_pool_init(&worker->names, &worker->allocator);
    pawl_buf_init(&worker->out, PAWL_FRAME_SIZE_MAX);
    pawl_err err = choose_options(worker);
    if (err == PAWL_OK
        && !pawl_pool_copy(&worker->names, pawl_bytes_str(options->version), &worker->version))
        err = PAWL_E_NOMEM;
    if (err == PAWL_OK) {
        err = pawl_settings_init(&worker->settings, &worker->allocator, options->endpoint,
                                 options->app_id, options->token);
    }
    if (err == PAWL_OK) err = make_replay(worker);
    if (err != PAWL_OK) {
        pawl_worker_free(worker);
        return err;
    }
    *ret_worker = worker;
    return PAWL_OK;
}

static void release(const struct pawl_worker *worker, void *memory)
{
    worker->allocator.free(worker->allocator.context, memory);
}

void pawl_worker_free(struct pawl_worker *worker)
{
    if (!worker) return;
    if (worker->has_thread) {
        pawl_worker_stop(worker);
        pawl_err ignored = pawl_worker_join(worker);
        (void)ignored; /* nobody is left to be told */
    }
    PAWL_ASSERT(atomic_load(&worker->state) != WORKER_RUNNING);
    pawl_activities_free(worker->activities);
    pawl_link_free(worker->link);
    pawl_replay_free(worker->replay);
    pawl_stack_pool_free(worker->stacks);
    pawl_buf_deinit(&worker->out);
    pawl_pool_deinit(&worker->names);
    pawl_settings_deinit(&worker->settings, &worker->allocator);
    release(worker, worker->workflows.items);
    release(worker, worker->activities_known.items);
    release(worker, worker->hello.workflows);
    release(worker, worker->hello.activities);
    struct pawl_allocator allocator = worker->allocator;
    allocator.free(allocator.context, worker);
}

/* Registration ------------------------------------------------------------------------------ */

static pawl_err grow(struct pawl_worker *worker, struct definitions *definitions)
{
    if (definitions->count < definitions->capacity) return PAWL_OK;
    uint32_t capacity = definitions->capacity ? definitions->capacity * 2 : 16;
    struct definition *items =
        worker->allocator.alloc(worker->allocator.context, capacity * sizeof *items);
    if (!items) return PAWL_E_NOMEM;
    if (definitions->count) {
        memcpy(items, definitions->items, definitions->count * sizeof *items);
    }
    release(worker, definitions->items);
    definitions->items = items;
    definitions->capacity = capacity;
    return PAWL_OK;
}

static pawl_err add(struct pawl_worker *worker, struct definitions *definitions, const char *name,
                    const char *version, struct definition definition)
{
    if (atomic_load(&worker->state) != WORKER_IDLE) return PAWL_E_STATE;
    struct pawl_bytes name_bytes = pawl_bytes_str(name);
    struct pawl_bytes version_bytes = pawl_bytes_str(version);
    if (!pawl_name_is_valid(name_bytes, PAWL_NAME_SIZE_MAX)) return PAWL_E_INVALID;
    if (version && !pawl_name_is_valid(version_bytes, PAWL_NAME_SIZE_MAX)) return PAWL_E_INVALID;
    if (!definition.workflow && !definition.activity) return PAWL_E_INVALID;
    for (uint32_t i = 0; i < definitions->count; i++) {
        if (pawl_bytes_is_equal(definitions->items[i].name, name_bytes)
            && pawl_bytes_is_equal(definitions->items[i].version, version_bytes)) {
            return PAWL_E_EXISTS;
        }
    }
    if (definition.latest && !version) return PAWL_E_INVALID;
    if (definition.latest && find_latest(definitions, name_bytes)) return PAWL_E_EXISTS;
    if (definitions->count == PAWL_HELLO_NAMES_MAX) return PAWL_E_LIMIT;
    if (grow(worker, definitions)) return PAWL_E_NOMEM;
    if (!pawl_pool_copy(&worker->names, name_bytes, &definition.name)) return PAWL_E_NOMEM;
    if (!pawl_pool_copy(&worker->names, version_bytes, &definition.version)) return PAWL_E_NOMEM;
    definitions->items[definitions->count++] = definition;
    return PAWL_OK;
}

pawl_err pawl_worker_add_workflow(struct pawl_worker *worker, const struct pawl_workflow_def *def)
{
    return add(
        worker, &worker->workflows, def->name, def->version,
        (struct definition){ .workflow = def->run, .user = def->user, .latest = def->latest });
}

pawl_err pawl_worker_add_activity(struct pawl_worker *worker, const struct pawl_activity_def *def)
{
    return add(worker, &worker->activities_known, def->name, def->version,
               (struct definition){ .activity = def->run, .user = def->user });
}

/* Work ---------------------------------------------------------------------------------------- */

/* The frame was lost for want of memory: with the connection the sidecar takes all its work
 * back and hands it out again, so nothing is lost. */
static void give_work_back(struct pawl_worker *worker)
{
    worker_log(worker, PAWL_LEVEL_ERROR,
               "no memory left: handing all work back to the sidecar and starting over");
    pawl_link_end(worker->link, false);
}

static void send_out(struct pawl_worker *worker)
{
    if (worker->out.bad != PAWL_OK
        || pawl_link_send_bytes(worker->link, pawl_buf_view(&worker->out)) != PAWL_OK) {
        give_work_back(worker);
    }
}

static void on_turn(struct pawl_worker *worker, const struct pawl_turn *turn)
{
    pawl_buf_clear(&worker->out);
    pawl_replay_on_turn(worker->replay, turn, &worker->out);
    worker->turns_to_grant++;
    send_out(worker);
}

static void refuse_activity(struct pawl_worker *worker, const struct pawl_activity_item *item)
{
    char message[PAWL_MESSAGE_SIZE_MAX];
    (void)snprintf(message, sizeof message, "this worker has no activity named '%.*s'",
                   PAWL_BYTES_FMT(item->name));
    struct pawl_frame frame = { .type = PAWL_FRAME_ACTIVITY_DONE };
    frame.activity_done = (struct pawl_activity_done){
        .token = item->token,
        .failure = { .present = true,
                     .non_retriable = true,
                     .type = PAWL_BYTES_LITERAL("NotRegistered"),
                     .message = pawl_bytes_str(message) },
    };
    if (pawl_link_send(worker->link, &frame) != PAWL_OK) give_work_back(worker);
    worker->activities_to_grant++;
}

static void on_activity(struct pawl_worker *worker, const struct pawl_activity_item *item)
{
    const struct definition *definition =
        find(&worker->activities_known, item->name, item->version);
    if (!definition) {
        refuse_activity(worker, item);
        return;
    }
    pawl_err err = pawl_activities_submit(worker->activities, item, pawl_link_epoch(worker->link),
                                          definition->activity, definition->user);
    if (err != PAWL_OK) {
        give_work_back(worker);
        return;
    }
    worker->activities_out++;
}

static void on_frame(void *context, const struct pawl_frame *frame)
{
    struct pawl_worker *worker = context;
    switch (frame->type) {
    case PAWL_FRAME_HISTORY: pawl_replay_on_history(worker->replay, &frame->history); break;
    case PAWL_FRAME_TURN: on_turn(worker, &frame->turn); break;
    case PAWL_FRAME_EVICT: pawl_replay_on_evict(worker->replay, frame->evict.instance); break;
    case PAWL_FRAME_ACTIVITY: on_activity(worker, &frame->activity); break;
    case PAWL_FRAME_ACTIVITY_CANCEL:
        pawl_activities_cancel(worker->activities, frame->activity_cancel,
                               pawl_link_epoch(worker->link));
        break;
    default: break; /* a later minor version may say more */
    }
}

static void on_up(void *context)
{
    struct pawl_worker *worker = context;
    atomic_store(&worker->connected, true);
    worker_log(worker, PAWL_LEVEL_DEBUG, "connected to the sidecar at %s",
               worker->settings.endpoint);
    worker->turns_to_grant = worker->options.turns_max;
    /* Activities of the last connection that still run keep their places. */
    worker->activities_to_grant = worker->options.activities_max > worker->activities_out
                                      ? worker->options.activities_max - worker->activities_out
                                      : 0;
}

static void on_down(void *context, bool was_up, pawl_err refused, const char *why)
{
    struct pawl_worker *worker = context;
    atomic_store(&worker->connected, false);
    worker->turns_to_grant = 0;
    worker->activities_to_grant = 0;
    worker->activities_out -= pawl_activities_drop(worker->activities);
    pawl_activities_cancel_all(worker->activities); /* others run them from now on */
    pawl_replay_clear(worker->replay);
    if (refused != PAWL_OK) {
        worker_log(worker, PAWL_LEVEL_ERROR, "the sidecar at %s refuses this worker: %s",
                   worker->settings.endpoint, why);
        if (pawl_err_class(refused) == PAWL_ERR_CLASS_NEVER) worker->fatal = refused;
    } else if (worker->stops_seen == 0) {
        worker_log(worker, was_up ? PAWL_LEVEL_WARN : PAWL_LEVEL_DEBUG,
                   "no connection to the sidecar at %s (%s); trying again",
                   worker->settings.endpoint, why);
    }
}

static void take_beats(struct pawl_worker *worker)
{
    uint64_t epoch;
    pawl_buf_clear(&worker->out);
    while (pawl_activities_take_beat(worker->activities, &worker->out, &epoch)) {
        if (epoch == pawl_link_epoch(worker->link)) send_out(worker);
        pawl_buf_clear(&worker->out);
    }
}

/* Its newest progress goes before it, for the next try. */
static void send_finished(struct pawl_worker *worker, struct pawl_activity_ctx *item)
{
    pawl_buf_clear(&worker->out);
    if (pawl_activities_last_beat(item, &worker->out)) send_out(worker);
    if (item->frame.bad != PAWL_OK
        || pawl_link_send_bytes(worker->link, pawl_buf_view(&item->frame)) != PAWL_OK) {
        give_work_back(worker);
    }
}

static void take_finished(struct pawl_worker *worker)
{
    struct pawl_activity_ctx *item;
    while ((item = pawl_activities_take(worker->activities)) != NULL) {
        PAWL_ASSERT(worker->activities_out > 0);
        worker->activities_out--;
        worker->activities_to_grant++;
        if (item->epoch == pawl_link_epoch(worker->link)) send_finished(worker, item);
        pawl_activities_item_free(item);
    }
}

static void grant_credit(struct pawl_worker *worker)
{
    if (!pawl_link_is_up(worker->link) || worker->stops_seen > 0) return;
    if (worker->turns_to_grant == 0 && worker->activities_to_grant == 0) return;
    struct pawl_frame frame = { .type = PAWL_FRAME_CREDIT };
    frame.credit = (struct pawl_credit){ .turns = worker->turns_to_grant,
                                         .activities = worker->activities_to_grant };
    worker->turns_to_grant = 0;
    worker->activities_to_grant = 0;
    if (pawl_link_send(worker->link, &frame) != PAWL_OK) give_work_back(worker);
}

/* Running and stopping ----------------------------------------------------------------------------
 */

static void notice_stop(struct pawl_worker *worker)
{
    uint32_t stops = atomic_load(&worker->stops);
    if (stops == worker->stops_seen) return;
    if (worker->stops_seen == 0) {
        worker->stop_at_ms = pawl_link_now_ms() + worker->options.stop_timeout_ms;
        struct pawl_frame frame = { .type = PAWL_FRAME_BYE };
        if (pawl_link_send(worker->link, &frame) != PAWL_OK) give_work_back(worker);
    }
    worker->stops_seen = stops;
    if (stops > 1) worker->activities_out -= pawl_activities_drop(worker->activities);
}

static bool is_finished(const struct pawl_worker *worker)
{
    if (worker->fatal != PAWL_OK) return true;
    if (worker->stops_seen == 0) return false;
    /* Results can no longer reach anybody without the connection they belong to. */
    if (!pawl_link_is_up(worker->link) || worker->activities_out == 0) return true;
    return pawl_link_now_ms() >= worker->stop_at_ms;
}

static void say_goodbye(struct pawl_worker *worker)
{
    int64_t until_ms = pawl_link_now_ms() + GOODBYE_MS;
    pawl_link_end(worker->link, true);
    while (!pawl_link_is_over(worker->link)) {
        (void)pawl_link_step(worker->link);
        pawl_link_flush(worker->link);
        int64_t left_ms = until_ms - pawl_link_now_ms();
        if (left_ms <= 0 || pawl_link_is_over(worker->link)) return;
        pawl_link_wait(worker->link, left_ms);
    }
}

static void worker_loop(struct pawl_worker *worker)
{
    for (;;) {
        int64_t timeout_ms = pawl_link_step(worker->link);
        take_beats(worker);
        take_finished(worker);
        notice_stop(worker);
        grant_credit(worker);
        pawl_link_flush(worker->link);
        if (is_finished(worker)) break;
        if (worker->stops_seen > 0) {
            int64_t left_ms = worker->stop_at_ms - pawl_link_now_ms();
            if (left_ms < timeout_ms) timeout_ms = left_ms;
        }
        pawl_link_wait(worker->link, timeout_ms);
    }
    say_goodbye(worker);
}

static pawl_err make_hello(struct pawl_worker *worker, const struct definitions *definitions,
                           uint32_t *ret_count, struct pawl_registration **ret_registrations)
{
    size_t size = (definitions->count + 1) * sizeof(struct pawl_registration);
    struct pawl_registration *registrations =
        worker->allocator.alloc(worker->allocator.context, size);
    if (!registrations) return PAWL_E_NOMEM;
    for (uint32_t i = 0; i < definitions->count; i++) {
        registrations[i] =
            (struct pawl_registration){ definitions->items[i].name, definitions->items[i].version,
                                        definitions->items[i].latest };
    }
    *ret_registrations = registrations;
    *ret_count = definitions->count;
    return PAWL_OK;
}

static void wake_link(void *context)
{
    struct pawl_worker *worker = context;
    pawl_link_wake(worker->link);
}

/* The state moves first, so that nobody registers any more. */
static pawl_err prepare(struct pawl_worker *worker)
{
    int expected = WORKER_IDLE;
    if (!atomic_compare_exchange_strong(&worker->state, &expected, WORKER_PREPARING)) {
        return PAWL_E_STATE;
    }
    struct pawl_hello *hello = &worker->hello;
    hello->protocol_version = PAWL_PROTOCOL_VERSION;
    hello->minor = PAWL_PROTOCOL_MINOR;
    hello->app_id = pawl_bytes_str(worker->settings.app_id);
    hello->token = pawl_bytes_str(worker->settings.token);
    hello->worker = pawl_bytes_str(worker->settings.worker);
    hello->match = worker->options.version_match;
    hello->match_version = worker->version;
    hello->mismatch_fails = worker->options.version_mismatch_fails;
    choose_latest(&worker->workflows);
    pawl_err err =
        make_hello(worker, &worker->workflows, &hello->workflows_count, &hello->workflows);
    if (err == PAWL_OK) {
        err = make_hello(worker, &worker->activities_known, &hello->activities_count,
                         &hello->activities);
    }
    struct pawl_link_config config = { .allocator = &worker->allocator,
                                       .endpoint = worker->settings.endpoint,
                                       .hello = hello,
                                       .context = worker,
                                       .on_up = on_up,
                                       .on_frame = on_frame,
                                       .on_down = on_down };
    struct pawl_link *link = NULL;
    if (err == PAWL_OK) err = pawl_link_new(&config, &link);
    worker->link = link;
    if (err == PAWL_OK) {
        err = pawl_activities_new(&worker->allocator, worker->options.activity_threads, wake_link,
                                  worker, &worker->activities);
    }
    atomic_store(&worker->state, err == PAWL_OK ? WORKER_RUNNING : WORKER_ENDED);
    return err;
}

static pawl_err work(struct pawl_worker *worker)
{
    bool watch = !worker->options.keep_sigsegv;
    pawl_err err = watch ? pawl_stack_watch(worker->stacks) : PAWL_OK;
    if (err == PAWL_OK) {
        worker_loop(worker);
        pawl_replay_clear(worker->replay);
        if (watch) pawl_stack_unwatch();
        err = worker->fatal;
    }
    atomic_store(&worker->state, WORKER_ENDED);
    return err;
}

pawl_err pawl_worker_run(struct pawl_worker *worker)
{
    pawl_err err = prepare(worker);
    return err == PAWL_OK ? work(worker) : err;
}

static void *worker_main(void *argument)
{
    struct pawl_worker *worker = argument;
    worker->result = work(worker);
    return NULL;
}

pawl_err pawl_worker_start(struct pawl_worker *worker)
{
    pawl_err err = prepare(worker);
    if (err != PAWL_OK) return err;
    err = pawl_thread_start(&worker->thread, worker_main, worker);
    worker->has_thread = err == PAWL_OK;
    if (err != PAWL_OK) atomic_store(&worker->state, WORKER_ENDED);
    return err;
}

pawl_err pawl_worker_join(struct pawl_worker *worker)
{
    if (!worker->has_thread) return PAWL_E_STATE;
    pthread_join(worker->thread, NULL);
    worker->has_thread = false;
    return worker->result;
}

void pawl_worker_stop(struct pawl_worker *worker)
{
    atomic_fetch_add(&worker->stops, 1);
    /* Before run there is no link yet; run looks at `stops` first thing. */
    if (atomic_load(&worker->state) == WORKER_RUNNING) pawl_link_wake(worker->link);
}

bool pawl_worker_is_connected(const struct pawl_worker *worker)
{
    return atomic_load(&worker->connected);
}
