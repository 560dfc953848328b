#include "actors/run.h"

#include "actors/activity.h"
#include "actors/attempts.h"
#include "actors/worker.h"
#include "actors/workflow.h"
#include "base/cover.h"
#include "base/fsm.h"
#include "base/mutant.h"

enum run_state { RUN_WAITING, RUN_ASKING, RUN_SENT, RUN_STATES_COUNT };

#define ALLOW(state) PAWL_FSM_BIT(RUN_##state)
static const struct pawl_fsm_state run_states[RUN_STATES_COUNT] = {
    [RUN_WAITING] = { "waiting", ALLOW(ASKING) | ALLOW(SENT) },
    [RUN_ASKING] = { "asking", ALLOW(WAITING) | ALLOW(SENT) },
    [RUN_SENT] = { "sent", ALLOW(WAITING) },
};
#undef ALLOW

/* How soon a host is asked after its link broke. */
#define ASK_SOON_MS 250

struct pawl_run {
    struct pawl_bytes key;               /* behind the struct: see pawl_activity_key */
    struct pawl_op_ref ref;              /* its instance is part of the key */
    uint32_t partition;                  /* of the instance */
    struct pawl_bytes event;             /* behind the struct: its TASK_SCHEDULED */
    struct pawl_history_event scheduled; /* decoded from event */
    struct pawl_id id;                   /* ASKING, SENT: new for each question and host */
    uint8_t state;
    struct pawl_host *host;    /* SENT */
    struct pawl_list link;     /* on host.runs, longest unconfirmed first, or a list of the node */
    int64_t confirmed_ms;      /* SENT: when the host was last known to have it */
    struct pawl_hosts tried;   /* owned: they do not know its name */
    struct pawl_hosts asked;   /* owned; ASKING: they have not answered */
    uint32_t questions;        /* ASKING: how often they were asked */
    struct pawl_alarm overdue; /* WAITING: nobody may begin it after this, or nobody can;
                                  ASKING: they have had time */
};

static struct pawl_bytes run_id_key(const struct pawl_run *run)
{
    return pawl_bytes_make(run->id.bytes, sizeof run->id.bytes);
}

static struct pawl_run *run_find(struct pawl_node *node, struct pawl_bytes key)
{
    return pawl_map_find(&node->runs, key);
}

static struct pawl_run *run_find_id(struct pawl_node *node, struct pawl_id id)
{
    return pawl_map_find(&node->runs_id, pawl_bytes_make(id.bytes, sizeof id.bytes));
}

static void run_on_overdue(struct pawl_node *node, struct pawl_alarm *alarm);

/* The struct, its key and its event are one allocation. */
static struct pawl_run *run_new(struct pawl_node *node, struct pawl_bytes key,
                                const struct pawl_op_ref *ref, struct pawl_bytes event)
{
    struct pawl_run *run = pawl_mem_alloc(sizeof *run + key.size + event.size);
    uint8_t *bytes = (uint8_t *)(run + 1);
    memcpy(bytes, key.data, key.size);
    memcpy(bytes + key.size, event.data, event.size);
    run->key = pawl_bytes_make(bytes, key.size);
    run->ref = *ref;
    run->ref.instance = pawl_activity_key_instance(run->key);
    run->partition = pawl_node_partition(node, run->ref.instance)->index;
    run->event = pawl_bytes_make(bytes + key.size, event.size);
    run->overdue.fire = run_on_overdue;
    pawl_err err = pawl_history_event_decode(run->event, &run->scheduled);
    PAWL_ASSERT(err == PAWL_OK); /* committed by this engine, or checked at load */
    pawl_map_insert(&node->runs, run->key, run);
    pawl_list_push_tail(&node->runs_waiting, &run->link);
    return run;
}

static void run_leave_hosts(struct pawl_node *node, struct pawl_run *run)
{
    if (run->state == RUN_WAITING) return;
    (void)pawl_map_remove(&node->runs_id, run_id_key(run));
    run->host = NULL;
    run->asked.count = 0;
    run->questions = 0;
}

static void run_draw_id(struct pawl_node *node, struct pawl_run *run)
{
    run->id = pawl_rng_id(&node->rng);
    pawl_map_insert(&node->runs_id, run_id_key(run), run);
}

static void hosts_add(struct pawl_hosts *hosts, const struct pawl_host *host)
{
    hosts->numbers = pawl_mem_resize(hosts->numbers, (hosts->count + 1) * sizeof(uint64_t));
    hosts->numbers[hosts->count++] = host->number;
}

/* False: it is not among them. */
static bool hosts_remove(struct pawl_hosts *hosts, const struct pawl_host *host)
{
    for (uint32_t i = 0; i < hosts->count; i++) {
        if (hosts->numbers[i] != host->number) continue;
        hosts->numbers[i] = hosts->numbers[--hosts->count];
        return true;
    }
    return false;
}

static void run_free(struct pawl_node *node, struct pawl_run *run)
{
    run_leave_hosts(node, run);
    pawl_list_remove(&run->link);
    pawl_alarm_clear(node, &run->overdue);
    (void)pawl_map_remove(&node->runs, run->key);
    pawl_mem_free(run->tried.numbers);
    pawl_mem_free(run->asked.numbers);
    pawl_mem_free(run);
}

/* Send ------------------------------------------------------------------------------------- */

static struct pawl_bytes run_event(struct pawl_node *node, const struct pawl_run *run)
{
    struct pawl_arena *arena = &node->effects->arena;
    if (run->scheduled.attempts == 0) return pawl_arena_copy(arena, run->event);
    return pawl_history_event_pack(arena, &run->scheduled);
}

static void run_send_frame(struct pawl_node *node, const struct pawl_run *run)
{
    struct pawl_peer_frame *frame = pawl_node_peer_frame(node, PAWL_PEER_RUN);
    struct pawl_arena *arena = &node->effects->arena;
    frame->run = (struct pawl_peer_run){ .run = run->id,
                                         .instance = pawl_arena_copy(arena, run->ref.instance),
                                         .inc = run->ref.inc,
                                         .gen = run->ref.gen,
                                         .op_id = run->ref.op.id,
                                         .nonce = run->ref.nonce,
                                         .event = run_event(node, run) };
    pawl_node_peer_send(node, run->host, frame);
}

static void run_be_at(struct pawl_node *node, struct pawl_run *run, struct pawl_host *host)
{
    pawl_fsm_move(run_states, &run->state, RUN_SENT);
    pawl_alarm_clear(node, &run->overdue);
    pawl_list_remove(&run->link);
    if (pawl_list_is_empty(&host->runs))
        pawl_alarm_set(node, &host->ask_runs, node->now_ms + PAWL_RUN_ASK_EVERY_MS);
    pawl_list_push_tail(&host->runs, &run->link);
    run->host = host;
    run->confirmed_ms = node->now_ms;
}

static void run_send(struct pawl_node *node, struct pawl_run *run, struct pawl_host *host)
{
    run_be_at(node, run, host);
    run_draw_id(node, run);
    run_send_frame(node, run);
}

static void run_start_here(struct pawl_node *node, struct pawl_run *run)
{
    struct pawl_arena *arena = &node->effects->arena;
    struct pawl_op_ref ref = pawl_op_ref_copy(arena, &run->ref);
    struct pawl_bytes event = run_event(node, run);
    run_free(node, run);
    pawl_activity_spawn(node, &ref, event);
}

/* What an instance does one at a time is done where it is, while a worker here is free: that
 * costs no frames. What fans out is spread, and so is what takes long: of that there soon are
 * many. */
static bool run_stays(struct pawl_node *node, const struct pawl_run *run)
{
    if (run->tried.count || !pawl_directory_is_own_app(node, run->scheduled.target_app)
        || node->metrics.activities_running >= node->config.activities_kept_max)
        return false;
    const struct pawl_workflow *workflow = pawl_workflow_find(node, run->ref.instance);
    return workflow && workflow->activities_open == 1 && pawl_directory_may_keep(node)
           && pawl_worker_is_free_for(node, run->scheduled.name, run->scheduled.version);
}

static void run_route(struct pawl_node *node, struct pawl_run *run)
{
    PAWL_ASSERT(run->state == RUN_WAITING);
    if (run_stays(node, run)) {
        PAWL_COVER(RUN_STAYED);
        run_start_here(node, run);
        return;
    }
    struct pawl_route route =
        pawl_directory_runner(node, run->scheduled.target_app, run->key, &run->tried);
    switch (route.kind) {
    case PAWL_ROUTE_HERE: run_start_here(node, run); return;
    case PAWL_ROUTE_PEER: run_send(node, run, route.host); return;
    case PAWL_ROUTE_NOWHERE: break;
    }
    if (run->tried.count) {
        pawl_alarm_set(node, &run->overdue, node->now_ms);
        return;
    }
    if (run->scheduled.start_within_ms && !pawl_heap_node_is_linked(&run->overdue.node))
        pawl_alarm_set(
            node, &run->overdue,
            pawl_limit_at_ms(run->scheduled.timestamp_ms, run->scheduled.start_within_ms));
}

static void run_wait(struct pawl_node *node, struct pawl_run *run)
{
    run_leave_hosts(node, run);
    pawl_alarm_clear(node, &run->overdue);
    pawl_fsm_move(run_states, &run->state, RUN_WAITING);
    pawl_list_remove(&run->link);
    pawl_list_push_tail(&node->runs_waiting, &run->link);
}

static void run_begin(struct pawl_node *node, struct pawl_run *run)
{
    run_wait(node, run);
    run_route(node, run);
}

static void run_route_again(struct pawl_node *node, struct pawl_run *run)
{
    node->metrics.activities_lost_total++;
    run_begin(node, run);
}

/* Whoever is at it -------------------------------------------------------------------------- */

static struct pawl_run *run_first(const struct pawl_list *runs)
{
    return PAWL_CONTAINER_OF(runs->next, struct pawl_run, link);
}

/* They may leave the new list one by one, or be freed, while it is worked on. */
static uint32_t runs_take(struct pawl_list *runs, uint32_t max, struct pawl_list *ret_taken)
{
    uint32_t count = 0;
    pawl_list_init(ret_taken);
    for (; count < max && !pawl_list_is_empty(runs); count++) {
        struct pawl_list *link = runs->next;
        pawl_list_remove(link);
        pawl_list_push_tail(ret_taken, link);
    }
    return count;
}

/* Others come, and all go in one frame to each sidecar. */
static void run_line_up_to_ask(struct pawl_node *node, struct pawl_run *run)
{
    run->asked.count = 0;
    pawl_list_remove(&run->link);
    if (pawl_list_is_empty(&node->runs_to_ask))
        pawl_alarm_set(node, &node->find_alarm, node->now_ms + PAWL_FIND_GATHER_MS);
    pawl_list_push_tail(&node->runs_to_ask, &run->link);
}

static void run_ask(struct pawl_node *node, struct pawl_run *run)
{
    bool has_peers = pawl_directory_has_peers(node, run->scheduled.target_app);
    if (!has_peers || PAWL_MUTANT(FIND_NOBODY)) {
        run_route(node, run);
        return;
    }
    pawl_fsm_move(run_states, &run->state, RUN_ASKING);
    run_draw_id(node, run);
    run_line_up_to_ask(node, run);
}

/* Frames may be lost, and who is new to somebody is not answered. */
static void run_on_unanswered(struct pawl_node *node, struct pawl_run *run)
{
    PAWL_COVER(RUN_FIND_UNANSWERED);
    if (run->questions < PAWL_FIND_QUESTIONS_MAX)
        run_line_up_to_ask(node, run);
    else
        run_begin(node, run);
}

static void host_find(struct pawl_node *node, const struct pawl_host *host,
                      const struct pawl_list *runs, uint32_t runs_count)
{
    struct pawl_arena *arena = &node->effects->arena;
    struct pawl_peer_frame *frame = pawl_node_peer_frame(node, PAWL_PEER_FIND);
    struct pawl_peer_finds *finds = &frame->finds;
    finds->items = PAWL_ARENA_ARRAY(arena, struct pawl_peer_find, runs_count);
    for (const struct pawl_list *link = runs->next; link != runs; link = link->next) {
        struct pawl_run *run = PAWL_CONTAINER_OF(link, struct pawl_run, link);
        if (!pawl_directory_is_peer_of(node, host, run->scheduled.target_app)) continue;
        finds->items[finds->count++] =
            (struct pawl_peer_find){ .run = run->id,
                                     .instance = pawl_arena_copy(arena, run->ref.instance),
                                     .inc = run->ref.inc,
                                     .gen = run->ref.gen,
                                     .nonce = run->ref.nonce };
        hosts_add(&run->asked, host);
    }
    if (finds->count) pawl_node_peer_send(node, host, frame);
}

static void runs_on_find_alarm(struct pawl_node *node, struct pawl_alarm *alarm)
{
    struct pawl_list runs;
    uint32_t count = runs_take(&node->runs_to_ask, PAWL_PEER_RUNS_MAX, &runs);
    uint32_t cursor = 0;
    for (struct pawl_host *host; (host = pawl_map_next(&node->directory.hosts, &cursor)) != NULL;)
        host_find(node, host, &runs, count);
    while (!pawl_list_is_empty(&runs)) {
        struct pawl_run *run = run_first(&runs);
        pawl_list_remove(&run->link);
        pawl_list_push_tail(&node->runs_asking, &run->link);
        run->questions++;
        if (run->asked.count)
            pawl_alarm_set(node, &run->overdue, node->now_ms + PAWL_FIND_MS);
        else
            run_begin(node, run);
    }
    if (!pawl_list_is_empty(&node->runs_to_ask)) pawl_alarm_set(node, alarm, node->now_ms);
}

/* It is not at it, or will not say. */
static void run_unask(struct pawl_node *node, struct pawl_run *run, const struct pawl_host *host)
{
    if (hosts_remove(&run->asked, host) && run->asked.count == 0) run_begin(node, run);
}

static void runs_unask(struct pawl_node *node, const struct pawl_host *host)
{
    struct pawl_list runs;
    (void)runs_take(&node->runs_asking, UINT32_MAX, &runs);
    while (!pawl_list_is_empty(&runs)) {
        struct pawl_run *run = run_first(&runs);
        pawl_list_remove(&run->link);
        pawl_list_push_tail(&node->runs_asking, &run->link);
        run_unask(node, run, host);
    }
}

void pawl_runs_on_found(struct pawl_node *node, struct pawl_host *host,
                        const struct pawl_peer_runs *runs)
{
    for (uint32_t i = 0; i < runs->known_count; i++) {
        struct pawl_run *run = run_find_id(node, runs->known[i]);
        if (!run || !hosts_remove(&run->asked, host)) continue;
        PAWL_COVER(RUN_FOUND);
        run->asked.count = 0;
        run_be_at(node, run, host);
    }
    for (uint32_t i = 0; i < runs->unknown_count; i++) {
        struct pawl_run *run = run_find_id(node, runs->unknown[i]);
        if (run) run_unask(node, run, host);
    }
}

/* Life -------------------------------------------------------------------------------------- */

/* NULL: it is under way. */
static struct pawl_run *run_add(struct pawl_node *node, const struct pawl_op_ref *ref,
                                struct pawl_bytes event)
{
    struct pawl_bytes key = pawl_activity_key(&node->effects->arena, ref);
    if (run_find(node, key) || pawl_activity_is_known(node, key)) return NULL;
    return run_new(node, key, ref, event);
}

void pawl_run_spawn(struct pawl_node *node, const struct pawl_op_ref *ref, struct pawl_bytes event)
{
    if (!node->config.placed) {
        pawl_activity_spawn(node, ref, event);
        return;
    }
    struct pawl_run *run = run_add(node, ref, event);
    if (run) run_route(node, run);
}

/* Without placement nobody else can be at it. */
void pawl_run_resume(struct pawl_node *node, const struct pawl_op_ref *ref, struct pawl_bytes event)
{
    if (!node->config.placed) {
        pawl_run_spawn(node, ref, event);
        return;
    }
    struct pawl_run *run = run_add(node, ref, event);
    if (run) run_ask(node, run);
}

void pawl_run_spawn_elsewhere(struct pawl_node *node, const struct pawl_op_ref *ref,
                              struct pawl_bytes event)
{
    PAWL_ASSERT(node->config.placed);
    struct pawl_run *run = run_add(node, ref, event);
    if (!run) return;
    if (node->directory.self) hosts_add(&run->tried, node->directory.self);
    run_route(node, run);
}

static void run_send_cancel(struct pawl_node *node, const struct pawl_run *run,
                            const struct pawl_host *host)
{
    PAWL_COVER(RUN_CANCELLED);
    struct pawl_peer_frame *frame = pawl_node_peer_frame(node, PAWL_PEER_CANCEL);
    frame->run_id = run->id;
    pawl_node_peer_send(node, host, frame);
}

void pawl_run_done(struct pawl_node *node, const struct pawl_op_ref *ref)
{
    if (node->runs.count == 0) return;
    struct pawl_run *run = run_find(node, pawl_activity_key(&node->effects->arena, ref));
    if (run) run_free(node, run);
}

void pawl_run_forget(struct pawl_node *node, const struct pawl_op_ref *ref)
{
    struct pawl_bytes key = pawl_activity_key(&node->effects->arena, ref);
    struct pawl_run *run = run_find(node, key);
    if (!run) {
        pawl_activity_forget(node, key);
        return;
    }
    if (run->state == RUN_SENT) run_send_cancel(node, run, run->host);
    for (uint32_t i = 0; i < run->asked.count; i++) {
        const struct pawl_host *host = pawl_directory_find_number(node, run->asked.numbers[i]);
        if (host) run_send_cancel(node, run, host);
    }
    run_free(node, run);
}

/* The end of a run --------------------------------------------------------------------------- */

static struct pawl_bytes run_failure(struct pawl_node *node, const struct pawl_run *run,
                                     const char *type, struct pawl_bytes message)
{
    struct pawl_history_event event = pawl_history_event_make(PAWL_EVENT_TASK_FAILED, node->now_ms);
    event.ref = run->scheduled.id;
    event.task_execution = run->scheduled.task_execution;
    event.failure = (struct pawl_failure_view){
        .present = true, .non_retriable = true, .type = pawl_bytes_str(type), .message = message
    };
    return pawl_history_event_pack(&node->effects->arena, &event);
}

static void run_finish(struct pawl_node *node, struct pawl_run *run, struct pawl_bytes event)
{
    struct pawl_op_ref ref = pawl_op_ref_copy(&node->effects->arena, &run->ref);
    run_free(node, run);
    pawl_workflow_on_result(node, &ref, event, PAWL_ORIGIN_NONE);
}

static void run_on_overdue(struct pawl_node *node, struct pawl_alarm *alarm)
{
    struct pawl_run *run = PAWL_CONTAINER_OF(alarm, struct pawl_run, overdue);
    if (run->state == RUN_ASKING) {
        run_on_unanswered(node, run);
        return;
    }
    struct pawl_arena *arena = &node->effects->arena;
    struct pawl_bytes app = run->scheduled.target_app;
    if (run->tried.count) {
        run_finish(node, run,
                   run_failure(node, run, "ActivityNotRegistered",
                               pawl_activity_why_not_registered(node, app, run->scheduled.name)));
        return;
    }
    struct pawl_bytes why = pawl_directory_why_nowhere(node, arena, app);
    run_finish(node, run,
               run_failure(node, run, "ScheduleToStartTimeout",
                           pawl_arena_printf(
                               arena, "not begun within the %lld ms that it may wait: %.*s",
                               (long long)run->scheduled.start_within_ms, PAWL_BYTES_FMT(why))));
}

/* Whether somebody waits for it, the workflow knows, or else the store. */
void pawl_run_on_result(struct pawl_node *node, struct pawl_host *host,
                        const struct pawl_peer_run *result)
{
    struct pawl_history_event event;
    bool is_result =
        pawl_history_event_decode(result->event, &event) == PAWL_OK
        && (event.kind == PAWL_EVENT_TASK_COMPLETED || event.kind == PAWL_EVENT_TASK_FAILED)
        && event.ref >= 0 && (uint32_t)event.ref == result->op_id;
    if (!is_result) {
        pawl_node_log(node, PAWL_LOG_ERROR,
                      "sidecar %.*s sent an activity result that is none; ignored",
                      PAWL_BYTES_FMT(host->name));
        return;
    }
    struct pawl_origin origin = { .id = result->run, .host = host->number, .is_run = true };
    struct pawl_op_ref ref = pawl_op_ref_of_run(result);
    pawl_run_done(node, &ref); /* it may have run for a former owner, under another id */
    pawl_workflow_on_result(node, &ref, result->event, origin);
}

void pawl_run_on_refused(struct pawl_node *node, struct pawl_host *host,
                         const struct pawl_peer_run_refused *refused)
{
    struct pawl_run *run = run_find_id(node, refused->run);
    if (!run || run->host != host) return;
    if (refused->unregistered) {
        PAWL_COVER(RUN_UNREGISTERED);
        hosts_add(&run->tried, host);
        run_begin(node, run);
        return;
    }
    PAWL_COVER(RUN_REFUSED);
    pawl_directory_on_refused(node, host);
    run_route_again(node, run);
}

/* Attempts ------------------------------------------------------------------------------------- */

static void run_count(struct pawl_node *node, struct pawl_run *run, uint32_t count)
{
    if (run->scheduled.attempts >= count) return;
    run->scheduled.attempts = count;
    pawl_attempts_on_dispatch(node, &run->ref, count);
}

void pawl_run_on_attempt(struct pawl_node *node, const struct pawl_host *host,
                         const struct pawl_peer_run_attempt *attempt)
{
    struct pawl_run *run = run_find_id(node, attempt->run);
    if (!run || run->host != host) return;
    PAWL_COVER(RUN_ATTEMPT_TOLD);
    run_count(node, run, attempt->count);
}

/* What it ran may have been the end of it. A host that said that it would go takes nothing
 * with it but what was cut short. */
static void host_count_lost(struct pawl_node *node, const struct pawl_host *host)
{
    if (host->leaving) return;
    for (struct pawl_list *link = host->runs.next; link != &host->runs; link = link->next) {
        struct pawl_run *run = PAWL_CONTAINER_OF(link, struct pawl_run, link);
        run_count(node, run, run->scheduled.attempts + 1);
    }
}

/* Asking --------------------------------------------------------------------------------------- */

/* Those that wait longest for a word, one question's worth of them. They go to the end of
 * the list, so the next question is about others. */
static void host_ask_runs(struct pawl_node *node, struct pawl_host *host)
{
    struct pawl_peer_frame *frame = pawl_node_peer_frame(node, PAWL_PEER_ASK);
    frame->runs.known = PAWL_ARENA_ARRAY(&node->effects->arena, struct pawl_id, PAWL_RUN_ASK_MAX);
    struct pawl_list asked;
    pawl_list_init(&asked);
    while (!pawl_list_is_empty(&host->runs) && frame->runs.known_count < PAWL_RUN_ASK_MAX) {
        struct pawl_run *run = run_first(&host->runs);
        pawl_list_remove(&run->link);
        pawl_list_push_tail(&asked, &run->link);
        frame->runs.known[frame->runs.known_count++] = run->id;
    }
    while (!pawl_list_is_empty(&asked)) {
        struct pawl_list *link = asked.next;
        pawl_list_remove(link);
        pawl_list_push_tail(&host->runs, link);
    }
    pawl_node_peer_send(node, host, frame);
}

/* A host that answers nothing for so long is as good as gone, whatever placement says. */
static void host_drop_silent(struct pawl_node *node, struct pawl_host *host)
{
    struct pawl_list *link = host->runs.next;
    while (link != &host->runs) {
        struct pawl_run *run = PAWL_CONTAINER_OF(link, struct pawl_run, link);
        link = link->next;
        if (node->now_ms < run->confirmed_ms + PAWL_RUN_SILENT_MS) continue;
        pawl_directory_set_silent(node, host);
        run_route_again(node, run);
    }
}

void pawl_runs_on_ask_alarm(struct pawl_node *node, struct pawl_alarm *alarm)
{
    struct pawl_host *host = PAWL_CONTAINER_OF(alarm, struct pawl_host, ask_runs);
    if (PAWL_MUTANT(NO_RUN_QUESTIONS)) return;
    host_drop_silent(node, host);
    if (pawl_list_is_empty(&host->runs)) return;
    host_ask_runs(node, host);
    pawl_alarm_set(node, &host->ask_runs, node->now_ms + PAWL_RUN_ASK_EVERY_MS);
}

void pawl_runs_on_asked(struct pawl_node *node, struct pawl_host *host,
                        const struct pawl_peer_runs *runs)
{
    for (uint32_t i = 0; i < runs->known_count; i++) {
        struct pawl_run *run = run_find_id(node, runs->known[i]);
        if (run && run->host == host) run->confirmed_ms = node->now_ms;
    }
    for (uint32_t i = 0; i < runs->unknown_count; i++) {
        struct pawl_run *run = run_find_id(node, runs->unknown[i]);
        if (!run || run->host != host) continue;
        PAWL_COVER(RUN_UNKNOWN);
        if (PAWL_MUTANT(LOST_RUN_STAYS)) {
            run->confirmed_ms = node->now_ms;
            continue;
        }
        node->metrics.activities_lost_total++;
        run_wait(node, run);
        run_ask(node, run);
    }
}

void pawl_runs_on_peer_down(struct pawl_node *node, struct pawl_host *host)
{
    runs_unask(node, host);
    if (pawl_list_is_empty(&host->runs)) return;
    pawl_alarm_set(node, &host->ask_runs, node->now_ms + ASK_SOON_MS);
}

static void runs_route_all(struct pawl_node *node, struct pawl_list *runs)
{
    struct pawl_list moved;
    (void)runs_take(runs, UINT32_MAX, &moved);
    while (!pawl_list_is_empty(&moved)) {
        struct pawl_run *run = run_first(&moved);
        if (run->state == RUN_SENT)
            run_route_again(node, run);
        else {
            pawl_list_remove(&run->link);
            pawl_list_push_tail(&node->runs_waiting, &run->link);
            run_route(node, run);
        }
    }
}

void pawl_runs_on_host_gone(struct pawl_node *node, struct pawl_host *host)
{
    pawl_alarm_clear(node, &host->ask_runs);
    if (!pawl_list_is_empty(&host->runs)) PAWL_COVER(RUN_HOST_GONE);
    host_count_lost(node, host);
    runs_unask(node, host);
    runs_route_all(node, &host->runs);
}

void pawl_runs_route_waiting(struct pawl_node *node)
{
    runs_route_all(node, &node->runs_waiting);
}

void pawl_runs_on_partition_lost(struct pawl_node *node, const struct pawl_partition *partition)
{
    uint32_t cursor = 0;
    for (struct pawl_run *run; (run = pawl_map_next(&node->runs, &cursor)) != NULL;)
        if (run->partition == partition->index) run_free(node, run);
}

void pawl_runs_init(struct pawl_node *node)
{
    pawl_list_init(&node->runs_waiting);
    pawl_list_init(&node->runs_to_ask);
    pawl_list_init(&node->runs_asking);
    node->find_alarm.fire = runs_on_find_alarm;
}

void pawl_runs_deinit(struct pawl_node *node)
{
    pawl_alarm_clear(node, &node->find_alarm);
    uint32_t cursor = 0;
    for (struct pawl_run *run; (run = pawl_map_next(&node->runs, &cursor)) != NULL;)
        run_free(node, run);
    pawl_map_deinit(&node->runs);
    pawl_map_deinit(&node->runs_id);
}
