#include "base/bytes.h"
#include "base/codec.h"
#include "sdk/frames.h"
#include "sdk/frames_keys.h"

/* Maps: a field is counted first and written then, and only when it has not its
 * usual value, by the same list of fields gone through twice. */
struct map_writer {
    struct pawl_buf *buf;
    uint32_t count;
    bool counting;
};

static bool map_begin_field(struct map_writer *map, uint32_t field)
{
    map->count++;
    if (map->counting) return false;
    pawl_write_uint(map->buf, field);
    return true;
}

static void map_bytes(struct map_writer *map, uint32_t field, struct pawl_bytes bytes)
{
    if (!bytes.data) return;
    if (map_begin_field(map, field)) pawl_write_bytes(map->buf, bytes);
}

static void map_int(struct map_writer *map, uint32_t field, int64_t value)
{
    if (value == 0) return;
    if (map_begin_field(map, field)) pawl_write_int(map->buf, value);
}

static void map_true(struct map_writer *map, uint32_t field, bool value)
{
    if (!value) return;
    if (map_begin_field(map, field)) pawl_write_bool(map->buf, true);
}

static void map_id(struct map_writer *map, uint32_t field, struct pawl_id id)
{
    if (pawl_id_is_zero(id)) return;
    if (map_begin_field(map, field)) pawl_write_id(map->buf, id);
}

static void map_failure(struct map_writer *map, uint32_t field,
                        const struct pawl_failure_view *failure)
{
    if (!failure->present) return;
    if (map_begin_field(map, field)) pawl_failure_encode(map->buf, failure);
}

static void write_bytes_array(struct pawl_buf *buf, uint32_t count, const struct pawl_bytes *items)
{
    pawl_write_array(buf, count);
    for (uint32_t i = 0; i < count; i++) pawl_write_bytes(buf, items[i]);
}

/* The connection -------------------------------------------------------------- */

static void registrations_encode(struct pawl_buf *buf, uint32_t count,
                                 const struct pawl_registration *registrations)
{
    pawl_write_array(buf, count);
    for (uint32_t i = 0; i < count; i++) {
        pawl_write_array(buf, registrations[i].latest ? 3 : 2);
        pawl_write_bytes(buf, registrations[i].name);
        pawl_write_bytes(buf, registrations[i].version);
        if (registrations[i].latest) pawl_write_bool(buf, true);
    }
}

static bool hello_has_match(const struct pawl_hello *hello)
{
    return hello->minor && hello->match != PAWL_MATCH_ANY;
}

static void hello_encode(struct pawl_buf *buf, const struct pawl_hello *hello)
{
    pawl_write_uint(buf, hello->protocol_version);
    pawl_write_bytes(buf, hello->app_id);
    pawl_write_bytes(buf, hello->token);
    pawl_write_bytes(buf, hello->worker);
    registrations_encode(buf, hello->workflows_count, hello->workflows);
    registrations_encode(buf, hello->activities_count, hello->activities);
    if (hello->minor) pawl_write_uint(buf, hello->minor);
    if (!hello_has_match(hello)) return;
    pawl_write_uint(buf, (uint64_t)hello->match);
    pawl_write_bytes(buf, hello->match_version);
    pawl_write_bool(buf, hello->mismatch_fails);
}

static void welcome_encode(struct pawl_buf *buf, const struct pawl_welcome *welcome)
{
    pawl_write_uint(buf, welcome->protocol_version);
    pawl_write_bytes(buf, welcome->app_id);
    pawl_write_bytes(buf, welcome->sidecar);
    pawl_write_uint(buf, welcome->payload_size_max);
}

static void refused_encode(struct pawl_buf *buf, const struct pawl_refused *refused)
{
    pawl_write_int(buf, (int64_t)refused->err);
    pawl_write_bytes(buf, refused->message);
}

static void credit_encode(struct pawl_buf *buf, const struct pawl_credit *credit)
{
    pawl_write_uint(buf, credit->turns);
    pawl_write_uint(buf, credit->activities);
}

/* Work ------------------------------------------------------------------------ */

static void history_encode(struct pawl_buf *buf, const struct pawl_history_chunk *chunk)
{
    pawl_write_id(buf, chunk->turn);
    write_bytes_array(buf, chunk->events_count, chunk->events);
}

static void turn_encode(struct pawl_buf *buf, const struct pawl_turn *turn)
{
    pawl_write_id(buf, turn->turn);
    pawl_write_id(buf, turn->base);
    pawl_write_id(buf, turn->inc);
    pawl_write_uint(buf, turn->gen);
    pawl_write_bytes(buf, turn->instance);
    pawl_write_bytes(buf, turn->name);
    pawl_write_bytes(buf, turn->version);
    pawl_write_uint(buf, turn->past_count);
    write_bytes_array(buf, turn->events_count, turn->events);
}

static bool action_has_id(enum pawl_action_kind kind)
{
    return kind == PAWL_ACTION_ACTIVITY || kind == PAWL_ACTION_TIMER || kind == PAWL_ACTION_CHILD
           || kind == PAWL_ACTION_SEND_EVENT || kind == PAWL_ACTION_DETACHED;
}

static void action_fields(struct map_writer *map, const struct pawl_action *action)
{
    map_int(map, PAWL_ACTION_FIELD_KIND, (int64_t)action->kind);
    if (action_has_id(action->kind)) map_int(map, PAWL_ACTION_FIELD_ID, action->id);
    if (action->kind == PAWL_ACTION_CANCEL_TIMER || action->kind == PAWL_ACTION_CANCEL_ACTIVITY)
        map_int(map, PAWL_ACTION_FIELD_REF, action->ref);
    map_bytes(map, PAWL_ACTION_FIELD_NAME, action->name);
    map_bytes(map, PAWL_ACTION_FIELD_VERSION, action->version);
    map_bytes(map, PAWL_ACTION_FIELD_PAYLOAD, action->payload);
    map_bytes(map, PAWL_ACTION_FIELD_TARGET_APP, action->target_app);
    map_bytes(map, PAWL_ACTION_FIELD_INSTANCE, action->instance);
    map_int(map, PAWL_ACTION_FIELD_FIRE_AT_MS, action->fire_at_ms);
    map_int(map, PAWL_ACTION_FIELD_START_WITHIN_MS, action->start_within_ms);
    map_int(map, PAWL_ACTION_FIELD_START_TO_CLOSE_MS, action->start_to_close_ms);
    map_int(map, PAWL_ACTION_FIELD_HEARTBEAT_MS, action->heartbeat_ms);
    map_bytes(map, PAWL_ACTION_FIELD_PROGRESS, action->progress);
    map_int(map, PAWL_ACTION_FIELD_START_AT_MS, action->start_at_ms);
    map_bytes(map, PAWL_ACTION_FIELD_TAGS, action->tags);
    map_int(map, PAWL_ACTION_FIELD_PARENT_CLOSE, (int64_t)action->parent_close);
    map_int(map, PAWL_ACTION_FIELD_STATUS, (int64_t)action->status);
    map_id(map, PAWL_ACTION_FIELD_TASK_EXECUTION, action->task_execution);
    map_failure(map, PAWL_ACTION_FIELD_FAILURE, &action->failure);
    if (action->carry_count > 0 && map_begin_field(map, PAWL_ACTION_FIELD_CARRY))
        write_bytes_array(map->buf, action->carry_count, action->carry);
}

static void action_encode(struct pawl_buf *buf, const struct pawl_action *action)
{
    struct map_writer count = { .counting = true };
    action_fields(&count, action);
    pawl_write_map(buf, count.count);
    action_fields(&(struct map_writer){ .buf = buf }, action);
}

static bool turn_done_is_versioned(const struct pawl_turn_done *done)
{
    return !pawl_bytes_is_absent(done->version) || done->patches_count > 0;
}

static void turn_done_encode(struct pawl_buf *buf, const struct pawl_turn_done *done)
{
    pawl_write_id(buf, done->turn);
    pawl_write_bytes(buf, done->instance);
    pawl_write_bool(buf, done->cached);
    pawl_write_int(buf, (int64_t)done->err);
    pawl_write_bytes(buf, done->message);
    pawl_write_bool(buf, done->custom_status_set);
    pawl_write_bytes(buf, done->custom_status);
    pawl_write_array(buf, done->actions_count);
    for (uint32_t i = 0; i < done->actions_count; i++) action_encode(buf, &done->actions[i]);
    if (!turn_done_is_versioned(done)) return;
    pawl_write_bytes(buf, done->version);
    write_bytes_array(buf, done->patches_count, done->patches);
}

static void activity_encode(struct pawl_buf *buf, const struct pawl_activity_item *item)
{
    pawl_write_id(buf, item->token);
    pawl_write_bytes(buf, item->instance);
    pawl_write_id(buf, item->task_execution);
    pawl_write_int(buf, item->id);
    pawl_write_uint(buf, item->attempt);
    pawl_write_bytes(buf, item->name);
    pawl_write_bytes(buf, item->version);
    pawl_write_bytes(buf, item->payload);
    if (!item->takes_heartbeats) return;
    pawl_write_int(buf, item->start_to_close_ms);
    pawl_write_int(buf, item->heartbeat_ms);
    pawl_write_bytes(buf, item->progress);
}

static void activity_done_encode(struct pawl_buf *buf, const struct pawl_activity_done *done)
{
    pawl_write_id(buf, done->token);
    pawl_write_bytes(buf, done->payload);
    pawl_failure_encode(buf, &done->failure);
}

/* Management calls ------------------------------------------------------------- */

static void request_fields(struct map_writer *map, const struct pawl_request *request)
{
    map_bytes(map, PAWL_REQUEST_FIELD_INSTANCE, request->instance);
    map_bytes(map, PAWL_REQUEST_FIELD_NEW_INSTANCE, request->new_instance);
    map_bytes(map, PAWL_REQUEST_FIELD_REQUEST_ID, request->request_id);
    map_bytes(map, PAWL_REQUEST_FIELD_NAME, request->name);
    map_bytes(map, PAWL_REQUEST_FIELD_VERSION, request->version);
    map_bytes(map, PAWL_REQUEST_FIELD_PAYLOAD, request->payload);
    map_bytes(map, PAWL_REQUEST_FIELD_PREFIX, request->prefix);
    map_bytes(map, PAWL_REQUEST_FIELD_CURSOR, request->cursor);
    map_int(map, PAWL_REQUEST_FIELD_REUSE, (int64_t)request->reuse);
    map_int(map, PAWL_REQUEST_FIELD_WAIT_FOR, (int64_t)request->wait_for);
    map_true(map, PAWL_REQUEST_FIELD_WITH_PAYLOADS, request->with_payloads);
    map_true(map, PAWL_REQUEST_FIELD_RECURSIVE, request->recursive);
    map_true(map, PAWL_REQUEST_FIELD_FORCE, request->force);
    map_int(map, PAWL_REQUEST_FIELD_STATUS_MASK, request->status_mask);
    map_int(map, PAWL_REQUEST_FIELD_LIMIT, request->limit);
    map_int(map, PAWL_REQUEST_FIELD_FROM, request->from);
    map_int(map, PAWL_REQUEST_FIELD_START_AT_MS, request->start_at_ms);
    map_int(map, PAWL_REQUEST_FIELD_TIMEOUT_MS, request->timeout_ms);
    map_int(map, PAWL_REQUEST_FIELD_CREATED_FROM_MS, request->created_from_ms);
    map_int(map, PAWL_REQUEST_FIELD_CREATED_TO_MS, request->created_to_ms);
    map_bytes(map, PAWL_REQUEST_FIELD_APP, request->app);
    map_bytes(map, PAWL_REQUEST_FIELD_PARENT, request->parent);
    map_bytes(map, PAWL_REQUEST_FIELD_TAGS, request->tags);
    map_int(map, PAWL_REQUEST_FIELD_ORDER, (int64_t)request->order);
    map_int(map, PAWL_REQUEST_FIELD_COMPLETED_FROM_MS, request->completed_from_ms);
    map_int(map, PAWL_REQUEST_FIELD_COMPLETED_TO_MS, request->completed_to_ms);
    map_int(map, PAWL_REQUEST_FIELD_UPDATED_FROM_MS, request->updated_from_ms);
    map_int(map, PAWL_REQUEST_FIELD_UPDATED_TO_MS, request->updated_to_ms);
    map_int(map, PAWL_REQUEST_FIELD_BATCH_OP, (int64_t)request->batch_op);
    map_true(map, PAWL_REQUEST_FIELD_ALL, request->all);
    map_bytes(map, PAWL_REQUEST_FIELD_EXTRA, request->extra);
    map_true(map, PAWL_REQUEST_FIELD_MAY_BE_ABSENT, request->may_be_absent);
    map_true(map, PAWL_REQUEST_FIELD_STATUS_ONLY, request->status_only);
    map_bytes(map, PAWL_REQUEST_FIELD_EVENT_NAME, request->event_name);
    map_bytes(map, PAWL_REQUEST_FIELD_EVENT_DATA, request->event_data);
    map_true(map, PAWL_REQUEST_FIELD_HAS_EVENT, request->has_event);
    map_int(map, PAWL_REQUEST_FIELD_EVENT_ID, request->event_id);
    map_true(map, PAWL_REQUEST_FIELD_OVERWRITE, request->overwrite);
    map_bytes(map, PAWL_REQUEST_FIELD_NEW_CHILD, request->new_child);
}

static void request_encode(struct pawl_buf *buf, const struct pawl_request_frame *frame)
{
    pawl_write_uint(buf, frame->token);
    pawl_write_uint(buf, (uint64_t)frame->request.op);
    struct map_writer count = { .counting = true };
    request_fields(&count, &frame->request);
    pawl_write_map(buf, count.count);
    request_fields(&(struct map_writer){ .buf = buf }, &frame->request);
}

static void state_fields(struct map_writer *map, const struct pawl_instance_state *state)
{
    map_bytes(map, PAWL_STATE_FIELD_INSTANCE, state->instance);
    map_bytes(map, PAWL_STATE_FIELD_NAME, state->name);
    map_bytes(map, PAWL_STATE_FIELD_VERSION, state->version);
    map_int(map, PAWL_STATE_FIELD_STATUS, (int64_t)state->status);
    map_int(map, PAWL_STATE_FIELD_GEN, state->gen);
    map_int(map, PAWL_STATE_FIELD_HISTORY_COUNT, state->history_count);
    map_int(map, PAWL_STATE_FIELD_CREATED_MS, state->created_ms);
    map_int(map, PAWL_STATE_FIELD_STARTED_MS, state->started_ms);
    map_int(map, PAWL_STATE_FIELD_UPDATED_MS, state->updated_ms);
    map_int(map, PAWL_STATE_FIELD_COMPLETED_MS, state->completed_ms);
    map_bytes(map, PAWL_STATE_FIELD_CUSTOM_STATUS, state->custom_status);
    map_bytes(map, PAWL_STATE_FIELD_INPUT, state->input);
    map_bytes(map, PAWL_STATE_FIELD_OUTPUT, state->output);
    map_failure(map, PAWL_STATE_FIELD_FAILURE, &state->failure);
    map_bytes(map, PAWL_STATE_FIELD_PARENT_INSTANCE, state->parent_instance);
    map_bytes(map, PAWL_STATE_FIELD_PARENT_APP, state->parent_app);
    map_bytes(map, PAWL_STATE_FIELD_WAITING_FOR, state->waiting_for);
    map_id(map, PAWL_STATE_FIELD_INC, state->inc);
    map_bytes(map, PAWL_STATE_FIELD_TAGS, state->tags);
    map_int(map, PAWL_STATE_FIELD_START_AT_MS, state->start_at_ms);
}

static void state_encode(struct pawl_buf *buf, const struct pawl_instance_state *state)
{
    struct map_writer count = { .counting = true };
    state_fields(&count, state);
    pawl_write_map(buf, count.count);
    state_fields(&(struct map_writer){ .buf = buf }, state);
}

/* What only COUNT and BATCH answer. */
static bool answer_has_numbers(const struct pawl_answer *answer)
{
    if (answer->batch.matched) return true;
    for (int i = 0; i < PAWL_STATUS_COUNT; i++)
        if (answer->counts[i]) return true;
    return false;
}

static void answer_numbers_encode(struct pawl_buf *buf, const struct pawl_answer *answer)
{
    pawl_write_array(buf, PAWL_STATUS_COUNT);
    for (int i = 0; i < PAWL_STATUS_COUNT; i++) pawl_write_uint(buf, answer->counts[i]);
    pawl_write_array(buf, 3);
    pawl_write_uint(buf, answer->batch.matched);
    pawl_write_uint(buf, answer->batch.done);
    pawl_write_uint(buf, answer->batch.failed);
}

static void answer_encode(struct pawl_buf *buf, const struct pawl_answer_frame *frame)
{
    const struct pawl_answer *answer = &frame->answer;
    pawl_write_uint(buf, frame->token);
    pawl_write_int(buf, (int64_t)answer->err);
    pawl_write_bytes(buf, answer->message);
    pawl_write_bool(buf, answer->reached);
    pawl_write_bytes(buf, answer->instance);
    pawl_write_array(buf, answer->states_count);
    for (uint32_t i = 0; i < answer->states_count; i++) state_encode(buf, &answer->states[i]);
    pawl_write_bytes(buf, answer->cursor);
    pawl_write_uint(buf, answer->events_total);
    write_bytes_array(buf, answer->events_count, answer->events);
    if (answer_has_numbers(answer)) answer_numbers_encode(buf, answer);
}

/* Entry point ------------------------------------------------------------------ */

/* Fields behind those of the first version, written when they say anything. */
static uint32_t appended_count(const struct pawl_frame *frame)
{
    if (frame->type == PAWL_FRAME_HELLO)
        return (frame->hello.minor ? 1u : 0) + (hello_has_match(&frame->hello) ? 3u : 0);
    if (frame->type == PAWL_FRAME_TURN_DONE)
        return turn_done_is_versioned(&frame->turn_done) ? 2 : 0;
    if (frame->type == PAWL_FRAME_ANSWER) return answer_has_numbers(&frame->answer.answer) ? 2 : 0;
    if (frame->type == PAWL_FRAME_ACTIVITY) return frame->activity.takes_heartbeats ? 3 : 0;
    return 0;
}

void pawl_frame_encode(struct pawl_buf *buf, const struct pawl_frame *frame)
{
    pawl_write_array(buf, 1 + pawl_frame_fields_count(frame->type) + appended_count(frame));
    pawl_write_uint(buf, (uint64_t)frame->type);

    switch (frame->type) {
    case PAWL_FRAME_HELLO: hello_encode(buf, &frame->hello); break;
    case PAWL_FRAME_WELCOME: welcome_encode(buf, &frame->welcome); break;
    case PAWL_FRAME_REFUSED: refused_encode(buf, &frame->refused); break;
    case PAWL_FRAME_CREDIT: credit_encode(buf, &frame->credit); break;
    case PAWL_FRAME_HISTORY: history_encode(buf, &frame->history); break;
    case PAWL_FRAME_TURN: turn_encode(buf, &frame->turn); break;
    case PAWL_FRAME_TURN_DONE: turn_done_encode(buf, &frame->turn_done); break;
    case PAWL_FRAME_NEED_HISTORY:
        pawl_write_id(buf, frame->need_history.turn);
        pawl_write_bytes(buf, frame->need_history.instance);
        break;
    case PAWL_FRAME_EVICT: pawl_write_bytes(buf, frame->evict.instance); break;
    case PAWL_FRAME_ACTIVITY: activity_encode(buf, &frame->activity); break;
    case PAWL_FRAME_ACTIVITY_DONE: activity_done_encode(buf, &frame->activity_done); break;
    case PAWL_FRAME_ACTIVITY_HEARTBEAT:
        pawl_write_id(buf, frame->activity_beat.token);
        pawl_write_bytes(buf, frame->activity_beat.progress);
        break;
    case PAWL_FRAME_ACTIVITY_CANCEL: pawl_write_id(buf, frame->activity_cancel); break;
    case PAWL_FRAME_REQUEST: request_encode(buf, &frame->request); break;
    case PAWL_FRAME_ANSWER: answer_encode(buf, &frame->answer); break;
    case PAWL_FRAME_PING:
    case PAWL_FRAME_PONG:
    case PAWL_FRAME_BYE:
    case PAWL_FRAME_TYPES_END: break;
    }
}
