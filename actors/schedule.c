#include "actors/schedule.h"

#include <stdio.h>

#include "actors/partition.h"
#include "actors/request.h"
#include "actors/router.h"
#include "actors/workflow_state.h"
#include "base/cover.h"
#include "base/hash.h"
#include "base/mutant.h"

/* A call on behalf of a schedule. It may outlive the instance's time in memory. */
struct schedule_ask {
    struct pawl_list link; /* on node.schedule_asks */
    struct pawl_bytes id;  /* owned: of the instance that the schedule is */
    enum pawl_schedule_wish wish;
    struct pawl_schedule_run run; /* the one it is about */
};

struct pawl_scheduler {
    struct pawl_bytes bytes;          /* owned: the state as stored; absent: not begun */
    struct pawl_schedule_state state; /* its views point into bytes */
    struct schedule_ask *ask;         /* under way */
    int64_t again_ms;                 /* not to be asked before */
    bool unarmed;                     /* the wake-up row may not be where it should */
    bool zone_told;                   /* that its zone is not there, to the log */
    /* What an answer has brought, not committed yet. Each is of one run and means nothing
     * for another. */
    enum pawl_schedule_known known;
    struct pawl_schedule_run known_run;
    struct pawl_schedule_run outcome_run;
    struct pawl_bytes why_not; /* owned; absent: outcome_run was started */
};

static bool run_is_equal(struct pawl_schedule_run a, struct pawl_schedule_run b)
{
    return a.time_ms == b.time_ms && a.tag == b.tag;
}

/* In memory --------------------------------------------------------------------------------- */

/* Takes a copy. */
static pawl_err schedule_take(struct pawl_scheduler *schedule, struct pawl_bytes bytes)
{
    struct pawl_bytes owned = pawl_bytes_dup(bytes);
    pawl_err err = pawl_schedule_state_unpack(owned, &schedule->state);
    if (err != PAWL_OK) {
        pawl_bytes_free(owned);
        return PAWL_E_CORRUPT;
    }
    pawl_bytes_free(schedule->bytes);
    schedule->bytes = owned;
    return PAWL_OK;
}

pawl_err pawl_schedule_attach(struct pawl_workflow *workflow, struct pawl_bytes custom_status)
{
    if (!pawl_bytes_is_str(workflow->metadata.name, PAWL_SCHEDULE_NAME)) return PAWL_OK;
    if (!workflow->schedule) workflow->schedule = PAWL_NEW(struct pawl_scheduler);
    if (custom_status.size) return schedule_take(workflow->schedule, custom_status);
    pawl_bytes_free(workflow->schedule->bytes);
    workflow->schedule->bytes = PAWL_BYTES_ABSENT;
    return PAWL_OK;
}

void pawl_schedule_detach(struct pawl_workflow *workflow)
{
    struct pawl_scheduler *schedule = workflow->schedule;
    if (!schedule) return;
    pawl_bytes_free(schedule->bytes);
    pawl_bytes_free(schedule->why_not);
    pawl_mem_free(schedule);
    workflow->schedule = NULL;
}

static void ask_free(struct schedule_ask *ask)
{
    pawl_list_remove(&ask->link);
    pawl_bytes_free(ask->id);
    pawl_mem_free(ask);
}

void pawl_schedules_deinit(struct pawl_node *node)
{
    while (!pawl_list_is_empty(&node->schedule_asks))
        ask_free(PAWL_CONTAINER_OF(node->schedule_asks.next, struct schedule_ask, link));
}

/* Zones --------------------------------------------------------------------------------------- */

/* NULL for UTC. False: it is named and not there. */
static bool zone_find(const struct pawl_node *node, const struct pawl_schedule_spec *spec,
                      const struct pawl_zone **ret_zone)
{
    *ret_zone = NULL;
    if (spec->timezone.size == 0 || pawl_bytes_is_str(spec->timezone, "UTC")) return true;
    if (!node->config.zone_find) return false;
    *ret_zone = node->config.zone_find(node->config.zone_context, spec->timezone);
    return *ret_zone != NULL;
}

pawl_err pawl_schedule_check_zone(const struct pawl_node *node, const struct pawl_request *request,
                                  struct pawl_arena *arena, struct pawl_bytes *ret_message)
{
    struct pawl_schedule_spec spec;
    const struct pawl_zone *zone;
    if (!pawl_bytes_is_str(request->name, PAWL_SCHEDULE_NAME)) return PAWL_OK;
    if (pawl_schedule_spec_unpack(request->payload, &spec) != PAWL_OK) return PAWL_OK;
    if (zone_find(node, &spec, &zone)) return PAWL_OK;
    *ret_message =
        pawl_arena_printf(arena,
                          "timezone \"%.*s\" is not known to the sidecar; it looks in "
                          "/usr/share/zoneinfo (package tzdata), where names are such as "
                          "Europe/Berlin",
                          PAWL_BYTES_FMT(spec.timezone));
    return PAWL_E_INVALID;
}

/* Inputs -------------------------------------------------------------------------------------- */

static uint32_t tag_of(struct pawl_id delivery)
{
    return (uint32_t)delivery.bytes[0] << 24 | (uint32_t)delivery.bytes[1] << 16
           | (uint32_t)delivery.bytes[2] << 8 | delivery.bytes[3];
}

static const char *schedule_begin(struct pawl_turn_draft *turn, struct pawl_workflow *workflow,
                                  const struct pawl_history_event *started,
                                  struct pawl_schedule_state *state)
{
    struct pawl_schedule_spec spec;
    struct pawl_bytes why = PAWL_BYTES_ABSENT;
    if (pawl_bytes_is_absent(pawl_schedule_id(workflow->id)))
        return "only ids that begin with " PAWL_SCHEDULE_PREFIX " can be schedules";
    if (pawl_schedule_spec_unpack(started->payload, &spec) != PAWL_OK)
        return "the input is no schedule";
    if (pawl_schedule_check(&spec, &turn->call->arena, &why) != PAWL_OK)
        return (const char *)pawl_arena_printf(&turn->call->arena, "%.*s", PAWL_BYTES_FMT(why))
            .data;
    *state = pawl_schedule_begin(&spec, workflow->metadata.created_ms);
    return NULL;
}

static void schedule_on_event(struct pawl_schedule_state *state, const struct pawl_input *input,
                              const struct pawl_history_event *event, int64_t now_ms)
{
    if (pawl_bytes_is_str(event->name, PAWL_SCHEDULE_PAUSE))
        pawl_schedule_pause(
            state, pawl_bytes_make(event->payload.data, event->payload.size < PAWL_MESSAGE_SIZE_MAX
                                                            ? event->payload.size
                                                            : PAWL_MESSAGE_SIZE_MAX));
    else if (pawl_bytes_is_str(event->name, PAWL_SCHEDULE_RESUME))
        pawl_schedule_resume(state, now_ms);
    else if (pawl_bytes_is_str(event->name, PAWL_SCHEDULE_TRIGGER))
        pawl_schedule_trigger(state, now_ms, tag_of(input->delivery));
}

/* NULL, or why the instance fails. What the state then points to lives as long as the
 * inputs, which is until the commit. */
static const char *schedule_take_inputs(struct pawl_workflow *workflow,
                                        struct pawl_turn_draft *turn,
                                        struct pawl_schedule_state *state)
{
    bool has_begun = !pawl_bytes_is_absent(workflow->schedule->bytes);
    struct pawl_list *link = workflow->inputs.next;
    for (; link != &workflow->inputs; link = link->next) {
        const struct pawl_input *input = PAWL_CONTAINER_OF(link, struct pawl_input, link);
        struct pawl_history_event event;
        if (turn->inputs_taken >= PAWL_TURN_EVENTS_MAX) break;
        pawl_turn_consume(turn, input);
        if (pawl_history_event_decode(input->event, &event) != PAWL_OK) continue;
        if (event.kind == PAWL_EVENT_EXECUTION_STARTED && !has_begun) {
            const char *wrong = schedule_begin(turn, workflow, &event, state);
            if (wrong) return wrong;
            has_begun = true;
        }
        if (event.kind == PAWL_EVENT_EVENT_RAISED && has_begun)
            schedule_on_event(state, input, &event, turn->now_ms);
    }
    return has_begun ? NULL : "it was never started";
}

static bool schedule_take_answers(struct pawl_scheduler *schedule,
                                  struct pawl_schedule_state *state, int64_t now_ms,
                                  enum pawl_schedule_known *ret_known)
{
    bool is_outcome =
        schedule->outcome_run.time_ms != 0 && run_is_equal(schedule->outcome_run, state->starting);
    if (is_outcome) pawl_schedule_on_started(state, now_ms, schedule->why_not);
    bool is_known =
        schedule->known_run.time_ms != 0 && run_is_equal(schedule->known_run, state->running);
    *ret_known = is_known ? schedule->known : PAWL_SCHEDULE_UNKNOWN;
    return is_outcome;
}

static void schedule_drop_answers(struct pawl_scheduler *schedule)
{
    schedule->known_run = (struct pawl_schedule_run){ .time_ms = 0 };
    schedule->outcome_run = (struct pawl_schedule_run){ .time_ms = 0 };
    pawl_bytes_free(schedule->why_not);
    schedule->why_not = PAWL_BYTES_ABSENT;
}

/* Calls ---------------------------------------------------------------------------------------- */

static bool err_is_passing(pawl_err err)
{
    switch (err) {
    case PAWL_E_UNAVAILABLE:
    case PAWL_E_UNKNOWN:
    case PAWL_E_TIMEOUT:
    case PAWL_E_BUSY:
    case PAWL_E_LIMIT:
    case PAWL_E_FENCED:
    case PAWL_E_CONFLICT:
    case PAWL_E_CANCELLED:
    case PAWL_E_NOMEM: return true;
    default: return false;
    }
}

static void schedule_know(struct pawl_scheduler *schedule, const struct schedule_ask *ask,
                          enum pawl_schedule_known known)
{
    schedule->known = known;
    schedule->known_run = ask->run;
}

static void schedule_on_started(struct pawl_node *node, struct pawl_scheduler *schedule,
                                const struct schedule_ask *ask, const struct pawl_answer *answer)
{
    /* TERMINAL: this very request has started it, and it was purged since. */
    bool is_started =
        answer->err == PAWL_OK || answer->err == PAWL_E_DUPLICATE || answer->err == PAWL_E_TERMINAL;
    schedule->outcome_run = ask->run;
    pawl_bytes_free(schedule->why_not);
    schedule->why_not = PAWL_BYTES_ABSENT;
    if (is_started) return;
    struct pawl_bytes why =
        answer->message.size ? answer->message : pawl_bytes_str(pawl_err_text(answer->err));
    if (why.size > PAWL_MESSAGE_SIZE_MAX) why.size = PAWL_MESSAGE_SIZE_MAX;
    schedule->why_not = pawl_bytes_dup(why);
    pawl_node_log(node, PAWL_LOG_WARN, "%.*s: a run could not be started: %.*s",
                  PAWL_BYTES_FMT(ask->id), PAWL_BYTES_FMT(why));
}

static void schedule_on_answer(struct pawl_node *node, struct pawl_scheduler *schedule,
                               const struct schedule_ask *ask, const struct pawl_answer *answer)
{
    pawl_err err = answer->err;
    if (err_is_passing(err)) {
        PAWL_COVER(SCHEDULE_REFUSED);
        schedule->again_ms = node->now_ms + PAWL_SCHEDULE_AGAIN_MS;
        return;
    }
    /* A run that cannot be read any more does not go on either. */
    bool is_gone = err == PAWL_E_NOT_FOUND || err == PAWL_E_TERMINAL || err == PAWL_E_CORRUPT;
    bool has_state = err == PAWL_OK && answer->states_count == 1;
    bool has_ended = has_state && pawl_status_is_terminal(answer->states[0].status);
    switch (ask->wish) {
    case PAWL_SCHEDULE_START: schedule_on_started(node, schedule, ask, answer); break;
    case PAWL_SCHEDULE_TERMINATE:
        if (is_gone || err == PAWL_OK)
            schedule_know(schedule, ask, PAWL_SCHEDULE_ENDED);
        else
            schedule->again_ms = node->now_ms + PAWL_SCHEDULE_AGAIN_MS;
        break;
    case PAWL_SCHEDULE_LOOK:
        schedule_know(schedule, ask,
                      is_gone || has_ended ? PAWL_SCHEDULE_ENDED : PAWL_SCHEDULE_RUNS);
        break;
    case PAWL_SCHEDULE_AWAIT:
        if (is_gone || has_ended)
            schedule_know(schedule, ask, PAWL_SCHEDULE_ENDED);
        else if (!has_state)
            schedule->again_ms = node->now_ms + PAWL_SCHEDULE_AGAIN_MS;
        break;
    case PAWL_SCHEDULE_REST: PAWL_UNREACHABLE("nothing was asked");
    }
}

static void schedule_on_answered(struct pawl_node *node, void *context,
                                 const struct pawl_answer *answer)
{
    struct schedule_ask *ask = context;
    struct pawl_workflow *workflow = pawl_workflow_find(node, ask->id);
    bool is_awaited = workflow && workflow->schedule && workflow->schedule->ask == ask;
    if (is_awaited) {
        workflow->schedule->ask = NULL;
        schedule_on_answer(node, workflow->schedule, ask, answer);
    }
    ask_free(ask);
    if (is_awaited) pawl_workflow_advance(node, workflow);
}

/* The same for the same run of the same schedule, whoever asks. */
static struct pawl_bytes run_request_id(const struct pawl_workflow *workflow,
                                        struct pawl_arena *arena, struct pawl_bytes instance)
{
    char hex[PAWL_ID_TEXT_SIZE];
    const struct pawl_id *inc = &workflow->metadata.inc;
    pawl_id_format(pawl_hash_id(pawl_bytes_make(inc->bytes, sizeof inc->bytes), instance), hex);
    return pawl_arena_printf(arena, "schedule-%s", hex);
}

/* The answer may come before this returns: nothing may follow it. */
static void schedule_ask(struct pawl_node *node, struct pawl_workflow *workflow,
                         enum pawl_schedule_wish wish)
{
    const struct pawl_schedule_state *state = &workflow->schedule->state;
    struct pawl_arena *arena = &node->effects->arena;
    struct schedule_ask *ask = PAWL_NEW(struct schedule_ask);
    ask->id = pawl_bytes_dup(workflow->id);
    ask->wish = wish;
    ask->run = wish == PAWL_SCHEDULE_START ? state->starting : state->running;
    pawl_list_push_tail(&node->schedule_asks, &ask->link);
    workflow->schedule->ask = ask;

    struct pawl_request request = {
        .instance = pawl_schedule_run_instance(arena, pawl_schedule_id(workflow->id), ask->run),
    };
    switch (wish) {
    case PAWL_SCHEDULE_START:
        request.op = PAWL_REQUEST_START;
        request.reuse = PAWL_REUSE_REFUSE;
        request.request_id = run_request_id(workflow, arena, request.instance);
        if (PAWL_MUTANT(SCHEDULE_ANY_REQUEST)) {
            request.request_id = PAWL_BYTES_ABSENT;
            request.reuse = PAWL_REUSE_TERMINAL;
        }
        request.name = state->spec.workflow;
        request.version = state->spec.version;
        request.payload = state->spec.input;
        pawl_request_complete(node, &request);
        break;
    case PAWL_SCHEDULE_TERMINATE:
        request.op = PAWL_REQUEST_TERMINATE;
        request.recursive = true;
        break;
    case PAWL_SCHEDULE_LOOK: request.op = PAWL_REQUEST_GET; break;
    case PAWL_SCHEDULE_AWAIT:
        request.op = PAWL_REQUEST_WAIT;
        request.wait_for = PAWL_WAIT_COMPLETED;
        request.timeout_ms = PAWL_LEASE_WAKE_MS;
        break;
    case PAWL_SCHEDULE_REST: PAWL_UNREACHABLE("there is nothing to ask");
    }
    pawl_router_ask(node, &request, schedule_on_answered, ask);
}

/* Advance ---------------------------------------------------------------------------------------
 */

/* When somebody must look after it, should nobody else do before. */
static int64_t schedule_wake_ms(const struct pawl_schedule_plan *plan, int64_t now_ms)
{
    if (plan->zone_absent) return now_ms + PAWL_SCHEDULE_ZONE_AGAIN_MS;
    bool is_resting = plan->wish == PAWL_SCHEDULE_REST;
    int64_t lease_ms = now_ms + PAWL_LEASE_WAKE_MS;
    if (plan->next_ms == 0) return is_resting ? 0 : lease_ms;
    return is_resting || plan->next_ms < lease_ms ? plan->next_ms : lease_ms;
}

static void schedule_commit(struct pawl_node *node, struct pawl_workflow *workflow,
                            struct pawl_turn_draft *turn, const struct pawl_schedule_state *state,
                            const struct pawl_schedule_plan *plan)
{
    turn->custom_status = pawl_schedule_state_pack(&turn->call->arena, state);
    if (pawl_bytes_is_absent(turn->custom_status)) {
        pawl_turn_fail(node, workflow, turn, "PawlLimitExceeded",
                       PAWL_BYTES_LITERAL("the state of the schedule is larger than a custom "
                                          "status may be"));
    } else {
        turn->status = PAWL_STATUS_RUNNING;
        turn->custom_status_set = true;
        turn->wake_at_ms = schedule_wake_ms(plan, node->now_ms);
        turn->is_schedule = true;
    }
    if (PAWL_MUTANT(SCHEDULE_NO_WAKE)) turn->wake_at_ms = 0;
    pawl_workflow_commit(node, workflow, turn);
}

/* Nothing to do before next_ms: sleep until then, or leave memory. */
static void schedule_rest(struct pawl_node *node, struct pawl_workflow *workflow,
                          const struct pawl_schedule_plan *plan)
{
    int64_t next_ms = schedule_wake_ms(plan, node->now_ms);
    int64_t idle_ms = workflow->active_ms + node->config.instance_idle_ms;
    if (next_ms == 0) next_ms = INT64_MAX;
    if (idle_ms <= node->now_ms && next_ms > node->now_ms + node->config.instance_idle_ms) {
        pawl_workflow_forget(node, workflow, PAWL_E_UNAVAILABLE);
        return;
    }
    bool is_idle_first = idle_ms > node->now_ms && idle_ms < next_ms;
    pawl_alarm_set(node, &workflow->alarm, is_idle_first ? idle_ms : next_ms);
}

static void schedule_act(struct pawl_node *node, struct pawl_workflow *workflow,
                         const struct pawl_schedule_plan *plan)
{
    const struct pawl_scheduler *schedule = workflow->schedule;
    if (plan->wish == PAWL_SCHEDULE_REST) {
        schedule_rest(node, workflow, plan);
        return;
    }
    if (schedule->again_ms > node->now_ms) {
        pawl_alarm_set(node, &workflow->alarm, schedule->again_ms);
        return;
    }
    /* While one call is under way another time may come due: of AWAIT that is so. */
    if (plan->next_ms > node->now_ms) pawl_alarm_set(node, &workflow->alarm, plan->next_ms);
    bool is_asked =
        schedule->ask && (schedule->ask->wish == plan->wish || plan->wish == PAWL_SCHEDULE_AWAIT);
    if (!is_asked) schedule_ask(node, workflow, plan->wish);
}

void pawl_schedule_advance(struct pawl_node *node, struct pawl_workflow *workflow)
{
    PAWL_ASSERT(workflow->state == PAWL_WORKFLOW_READY);
    struct pawl_scheduler *schedule = workflow->schedule;
    struct pawl_schedule_state state = schedule->state;
    struct pawl_schedule_plan plan;
    struct pawl_turn_draft *turn = pawl_turn_new(node, workflow, pawl_workflow_on_committed);
    const char *wrong = schedule_take_inputs(workflow, turn, &state);
    if (wrong) {
        pawl_turn_fail(node, workflow, turn, "InvalidSchedule", pawl_bytes_str(wrong));
        pawl_workflow_commit(node, workflow, turn);
        return;
    }
    const struct pawl_zone *zone;
    enum pawl_schedule_known known;
    bool is_zone_there = zone_find(node, &state.spec, &zone);
    bool has_changed = schedule_take_answers(schedule, &state, node->now_ms, &known);
    pawl_schedule_decide(&state, zone, !is_zone_there, node->now_ms, known, &plan);
    if (plan.zone_absent && !schedule->zone_told)
        pawl_node_log(node, PAWL_LOG_WARN,
                      "%.*s: time zone %.*s is not known to this sidecar (package tzdata); nothing "
                      "is started by time until it is",
                      PAWL_BYTES_FMT(workflow->id), PAWL_BYTES_FMT(state.spec.timezone));
    schedule->zone_told = plan.zone_absent;

    has_changed = has_changed || plan.changed || turn->inputs_taken || workflow->clear_wake
                  || schedule->unarmed;
    if (has_changed) {
        workflow->active_ms = node->now_ms;
        schedule_commit(node, workflow, turn, &state, &plan);
        return;
    }
    pawl_turn_drop(node, turn);
    schedule_act(node, workflow, &plan);
}

void pawl_schedule_on_committed(struct pawl_workflow *workflow, const struct pawl_turn_draft *turn)
{
    struct pawl_scheduler *schedule = workflow->schedule;
    if (!schedule) return;
    schedule->unarmed = !turn->is_schedule;
    if (!turn->is_schedule) return;
    schedule_drop_answers(schedule);
    pawl_err err = schedule_take(schedule, turn->custom_status);
    PAWL_ASSERT(err == PAWL_OK); /* packed by this engine */
}
