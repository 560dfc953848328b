#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/codec.h"
#include "base/limits.h"
#include "base/tags.h"
#include "base/text.h"
#include "sdk/frames.h"
#include "sdk/frames_keys.h"

/* What a reader passes over when a later minor version appends. */
enum { FIELDS_MAX = 64 };

/* A cause of a cause of …: deeper ones are dropped. */
enum { FAILURE_DEPTH_MAX = 16 };

struct decoder {
    struct pawl_reader reader;
    struct pawl_arena *arena;
    uint32_t appended; /* elements of the frame behind those of the first version, unread */
};

/* Values: each read checks its range ------------------------------------------- */

static void decoder_fail(struct decoder *in)
{
    if (in->reader.err == PAWL_OK) in->reader.err = PAWL_E_PROTOCOL;
    in->reader.next = in->reader.end;
}

static void expect(struct decoder *in, bool condition)
{
    if (!condition) decoder_fail(in);
}

static uint32_t read_u32(struct decoder *in, uint32_t value_max)
{
    return (uint32_t)pawl_read_uint(&in->reader, value_max);
}

/* Times and durations. */
static int64_t read_ms(struct decoder *in)
{
    return (int64_t)pawl_read_uint(&in->reader, INT64_MAX);
}

static int32_t read_sequence(struct decoder *in)
{
    return (int32_t)pawl_read_uint(&in->reader, INT32_MAX);
}

static bool read_bool(struct decoder *in)
{
    return pawl_read_bool(&in->reader);
}

static struct pawl_id read_id(struct decoder *in)
{
    return pawl_read_id(&in->reader);
}

static struct pawl_id read_id_set(struct decoder *in)
{
    struct pawl_id id = pawl_read_id(&in->reader);
    expect(in, !pawl_id_is_zero(id));
    return id;
}

static struct pawl_bytes read_bytes(struct decoder *in, size_t size_max)
{
    struct pawl_bytes bytes = pawl_read_bytes(&in->reader);
    expect(in, bytes.size <= size_max);
    return bytes;
}

static struct pawl_bytes read_payload(struct decoder *in)
{
    return read_bytes(in, PAWL_PAYLOAD_SIZE_MAX);
}

static struct pawl_bytes read_progress(struct decoder *in)
{
    return read_bytes(in, PAWL_PROGRESS_SIZE_MAX);
}

static struct pawl_bytes read_name(struct decoder *in, size_t size_max)
{
    struct pawl_bytes name = pawl_read_bytes(&in->reader);
    expect(in, pawl_name_is_valid(name, size_max));
    return name;
}

static struct pawl_bytes read_name_optional(struct decoder *in, size_t size_max)
{
    struct pawl_bytes name = pawl_read_bytes(&in->reader);
    expect(in, pawl_bytes_is_absent(name) || pawl_name_is_valid(name, size_max));
    return name;
}

static struct pawl_bytes read_app_id_optional(struct decoder *in)
{
    struct pawl_bytes id = pawl_read_bytes(&in->reader);
    expect(in, pawl_bytes_is_absent(id) || pawl_app_id_is_valid(id));
    return id;
}

/* The elements of a frame or of an inner array: at least `count_min`. Returns how
 * many a later version has appended; pass them to skip_appended. */
static uint32_t read_fields(struct decoder *in, uint32_t count_min)
{
    uint32_t count = pawl_read_array(&in->reader, FIELDS_MAX);
    if (count < count_min) {
        decoder_fail(in);
        return 0;
    }
    return count - count_min;
}

static void skip_appended(struct decoder *in, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) pawl_read_skip(&in->reader);
}

/* Whether the writer knew this later field, too. */
static bool read_appended(struct decoder *in)
{
    if (in->appended == 0) return false;
    in->appended--;
    return true;
}

static struct pawl_bytes *read_events(struct decoder *in, uint32_t count_max, uint32_t *ret_count)
{
    uint32_t count = pawl_read_array(&in->reader, count_max);
    struct pawl_bytes *events = PAWL_ARENA_ARRAY(in->arena, struct pawl_bytes, count);
    for (uint32_t i = 0; i < count; i++) {
        events[i] = pawl_read_bytes(&in->reader);
        expect(in, events[i].size > 0);
    }
    *ret_count = count;
    return events;
}

/* Texts for people -------------------------------------------------------------
 *
 * Such a text comes from anybody's code. A long one is cut and bytes that are not
 * UTF-8 become '?', rather than ending the connection: the work item would come
 * back with the same text for ever. */

static struct pawl_bytes read_text(struct decoder *in, size_t size_max)
{
    struct pawl_bytes text = pawl_text_cut(pawl_read_bytes(&in->reader), size_max);
    return pawl_text_repair(in->arena, text);
}

/* The same for the texts of a failure and of its causes. */
static void failure_repair(struct pawl_arena *arena, struct pawl_failure_view *failure,
                           uint32_t depth)
{
    failure->type = pawl_text_repair(arena, pawl_text_cut(failure->type, PAWL_NAME_SIZE_MAX));
    failure->message =
        pawl_text_repair(arena, pawl_text_cut(failure->message, PAWL_MESSAGE_SIZE_MAX));

    struct pawl_failure_view cause;
    if (depth == FAILURE_DEPTH_MAX || pawl_failure_decode(failure->inner, &cause) != PAWL_OK
        || !cause.present) {
        failure->inner = PAWL_BYTES_ABSENT;
        return;
    }
    failure_repair(arena, &cause, depth + 1);
    failure->inner = pawl_failure_pack(arena, &cause);
}

static struct pawl_failure_view read_failure(struct decoder *in)
{
    struct pawl_failure_view failure = { .present = false };
    struct pawl_bytes raw = pawl_read_raw(&in->reader);
    expect(in, raw.size <= PAWL_PAYLOAD_SIZE_MAX);
    expect(in, pawl_failure_decode(raw, &failure) == PAWL_OK);
    if (failure.present) failure_repair(in->arena, &failure, 0);
    return failure;
}

/* The connection --------------------------------------------------------------- */

static struct pawl_registration *read_registrations(struct decoder *in, uint32_t *ret_count)
{
    uint32_t count = pawl_read_array(&in->reader, PAWL_HELLO_NAMES_MAX);
    struct pawl_registration *items = PAWL_ARENA_ARRAY(in->arena, struct pawl_registration, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t appended = read_fields(in, 2);
        items[i].name = read_name(in, PAWL_NAME_SIZE_MAX);
        items[i].version = read_name_optional(in, PAWL_NAME_SIZE_MAX);
        if (appended > 0) {
            items[i].latest = read_bool(in);
            expect(in, PAWL_IMPLIES(items[i].latest, !pawl_bytes_is_absent(items[i].version)));
            appended--;
        }
        skip_appended(in, appended);
    }
    *ret_count = count;
    return items;
}

/* A HELLO of another protocol version: its further fields are unknown and stay
 * unread, the version is enough to refuse it politely. */
static bool frame_is_foreign(const struct pawl_frame *frame)
{
    return frame->type == PAWL_FRAME_HELLO
           && frame->hello.protocol_version != PAWL_PROTOCOL_VERSION;
}

static void hello_decode(struct decoder *in, struct pawl_hello *hello)
{
    hello->protocol_version = read_u32(in, UINT32_MAX);
    if (hello->protocol_version != PAWL_PROTOCOL_VERSION) {
        in->reader.next = in->reader.end; /* see frame_is_foreign */
        return;
    }
    hello->app_id = pawl_read_bytes(&in->reader);
    expect(in, pawl_app_id_is_valid(hello->app_id));
    hello->token = read_bytes(in, PAWL_TOKEN_SIZE_MAX);
    hello->worker = read_name_optional(in, PAWL_NAME_SIZE_MAX);
    hello->workflows = read_registrations(in, &hello->workflows_count);
    hello->activities = read_registrations(in, &hello->activities_count);
    if (read_appended(in)) hello->minor = read_u32(in, UINT32_MAX);
    if (read_appended(in))
        hello->match = (enum pawl_version_match)read_u32(in, PAWL_MATCH_CURRENT_OR_OLDER);
    if (read_appended(in)) hello->match_version = read_name_optional(in, PAWL_NAME_SIZE_MAX);
    if (read_appended(in)) hello->mismatch_fails = read_bool(in);
}

static void welcome_decode(struct decoder *in, struct pawl_welcome *welcome)
{
    welcome->protocol_version = read_u32(in, UINT32_MAX);
    welcome->app_id = pawl_read_bytes(&in->reader);
    expect(in, pawl_app_id_is_valid(welcome->app_id));
    welcome->sidecar = read_name_optional(in, PAWL_NAME_SIZE_MAX);
    welcome->payload_size_max = read_u32(in, PAWL_PAYLOAD_SIZE_MAX);
    expect(in, welcome->payload_size_max > 0);
}

static void refused_decode(struct decoder *in, struct pawl_refused *refused)
{
    refused->err = pawl_read_err(&in->reader);
    expect(in, refused->err != PAWL_OK);
    refused->message = read_text(in, PAWL_MESSAGE_SIZE_MAX);
}

static void credit_decode(struct decoder *in, struct pawl_credit *credit)
{
    credit->turns = read_u32(in, PAWL_CREDIT_MAX);
    credit->activities = read_u32(in, PAWL_CREDIT_MAX);
}

/* Work ------------------------------------------------------------------------- */

static void history_decode(struct decoder *in, struct pawl_history_chunk *chunk)
{
    chunk->turn = read_id_set(in);
    chunk->events = read_events(in, PAWL_HISTORY_EVENTS_MAX, &chunk->events_count);
}

static void turn_decode(struct decoder *in, struct pawl_turn *turn)
{
    turn->turn = read_id_set(in);
    turn->base = read_id(in);
    turn->inc = read_id(in);
    turn->gen = read_u32(in, UINT32_MAX);
    turn->instance = read_name(in, PAWL_INSTANCE_ID_SIZE_MAX);
    turn->name = read_name(in, PAWL_NAME_SIZE_MAX);
    turn->version = read_name_optional(in, PAWL_NAME_SIZE_MAX);
    turn->past_count = read_u32(in, UINT32_MAX);
    turn->events =
        read_events(in, PAWL_HISTORY_EVENTS_MAX + PAWL_TURN_EVENTS_MAX, &turn->events_count);
    expect(in, turn->past_count <= turn->events_count);
}

static bool event_is_raised(struct pawl_bytes bytes)
{
    struct pawl_history_event event;
    return pawl_history_event_decode(bytes, &event) == PAWL_OK
           && event.kind == PAWL_EVENT_EVENT_RAISED
           && pawl_name_is_valid(event.name, PAWL_NAME_SIZE_MAX)
           && event.payload.size <= PAWL_PAYLOAD_SIZE_MAX;
}

/* Carried events go into the store as they are, so they must be what they claim. */
static void read_carry(struct decoder *in, struct pawl_action *action)
{
    action->carry = read_events(in, PAWL_INBOX_ROWS_MAX, &action->carry_count);
    for (uint32_t i = 0; i < action->carry_count && in->reader.err == PAWL_OK; i++)
        expect(in, event_is_raised(action->carry[i]));
}

static struct pawl_bytes read_tags(struct decoder *in)
{
    struct pawl_tags tags;
    struct pawl_bytes bytes = pawl_read_bytes(&in->reader);
    expect(in, pawl_tags_unpack(bytes, &tags) == PAWL_OK);
    return bytes;
}

static void action_read_field(struct decoder *in, struct pawl_action *action)
{
    switch (read_u32(in, UINT32_MAX)) {
    case PAWL_ACTION_FIELD_KIND:
        action->kind = (enum pawl_action_kind)read_u32(in, PAWL_ACTION_DETACHED);
        break;
    case PAWL_ACTION_FIELD_ID: action->id = read_sequence(in); break;
    case PAWL_ACTION_FIELD_REF: action->ref = read_sequence(in); break;
    case PAWL_ACTION_FIELD_NAME: action->name = read_name_optional(in, PAWL_NAME_SIZE_MAX); break;
    case PAWL_ACTION_FIELD_VERSION:
        action->version = read_name_optional(in, PAWL_NAME_SIZE_MAX);
        break;
    case PAWL_ACTION_FIELD_PAYLOAD: action->payload = read_payload(in); break;
    case PAWL_ACTION_FIELD_TARGET_APP: action->target_app = read_app_id_optional(in); break;
    case PAWL_ACTION_FIELD_INSTANCE:
        action->instance = read_name_optional(in, PAWL_INSTANCE_ID_SIZE_MAX);
        break;
    case PAWL_ACTION_FIELD_FIRE_AT_MS: action->fire_at_ms = read_ms(in); break;
    case PAWL_ACTION_FIELD_START_WITHIN_MS: action->start_within_ms = read_ms(in); break;
    case PAWL_ACTION_FIELD_START_TO_CLOSE_MS: action->start_to_close_ms = read_ms(in); break;
    case PAWL_ACTION_FIELD_HEARTBEAT_MS: action->heartbeat_ms = read_ms(in); break;
    case PAWL_ACTION_FIELD_PROGRESS: action->progress = read_progress(in); break;
    case PAWL_ACTION_FIELD_START_AT_MS: action->start_at_ms = read_ms(in); break;
    case PAWL_ACTION_FIELD_TAGS: action->tags = read_tags(in); break;
    case PAWL_ACTION_FIELD_PARENT_CLOSE:
        action->parent_close =
            (enum pawl_parent_close_policy)read_u32(in, PAWL_PARENT_CLOSE_TERMINATE);
        break;
    case PAWL_ACTION_FIELD_STATUS:
        action->status = (enum pawl_status)read_u32(in, PAWL_STATUS_COUNT - 1);
        break;
    case PAWL_ACTION_FIELD_TASK_EXECUTION: action->task_execution = read_id(in); break;
    case PAWL_ACTION_FIELD_FAILURE: action->failure = read_failure(in); break;
    case PAWL_ACTION_FIELD_CARRY: read_carry(in, action); break;
    default: pawl_read_skip(&in->reader); break;
    }
}

static bool action_is_whole(const struct pawl_action *action)
{
    switch (action->kind) {
    case PAWL_ACTION_ACTIVITY:
    case PAWL_ACTION_CHILD: return !pawl_bytes_is_absent(action->name);
    case PAWL_ACTION_DETACHED:
    case PAWL_ACTION_SEND_EVENT:
        return !pawl_bytes_is_absent(action->name) && !pawl_bytes_is_absent(action->instance);
    case PAWL_ACTION_COMPLETE:
        return action->status == PAWL_STATUS_COMPLETED || action->status == PAWL_STATUS_FAILED;
    case PAWL_ACTION_TIMER:
    case PAWL_ACTION_CANCEL_TIMER:
    case PAWL_ACTION_CANCEL_ACTIVITY:
    case PAWL_ACTION_CONTINUE: return true;
    }
    return false; /* no kind was given */
}

static void action_decode(struct decoder *in, struct pawl_action *action)
{
    uint32_t count = pawl_read_map(&in->reader, FIELDS_MAX);
    for (uint32_t i = 0; i < count; i++) action_read_field(in, action);
    expect(in, action_is_whole(action));
}

static void read_actions(struct decoder *in, struct pawl_turn_done *done)
{
    uint32_t count = pawl_read_array(&in->reader, PAWL_FRAME_ACTIONS_MAX);
    done->actions = PAWL_ARENA_ARRAY(in->arena, struct pawl_action, count);
    done->actions_count = count;
    for (uint32_t i = 0; i < count && in->reader.err == PAWL_OK; i++) {
        struct pawl_action *action = &done->actions[i];
        action_decode(in, action);
        bool is_end = action->kind == PAWL_ACTION_COMPLETE || action->kind == PAWL_ACTION_CONTINUE;
        expect(in, PAWL_IMPLIES(is_end, i == count - 1));
    }
}

static void read_patches(struct decoder *in, struct pawl_turn_done *done)
{
    uint32_t count = pawl_read_array(&in->reader, PAWL_TURN_PATCHES_MAX);
    done->patches = PAWL_ARENA_ARRAY(in->arena, struct pawl_bytes, count);
    done->patches_count = count;
    for (uint32_t i = 0; i < count; i++) done->patches[i] = read_name(in, PAWL_NAME_SIZE_MAX);
}

static void turn_done_decode(struct decoder *in, struct pawl_turn_done *done)
{
    done->turn = read_id_set(in);
    done->instance = read_name(in, PAWL_INSTANCE_ID_SIZE_MAX);
    done->cached = read_bool(in);
    done->err = pawl_read_err(&in->reader);
    expect(in, done->err == PAWL_OK || done->err == PAWL_E_NONDETERMINISM
                   || done->err == PAWL_E_NOT_REGISTERED);
    done->message = read_text(in, PAWL_MESSAGE_SIZE_MAX);
    done->custom_status_set = read_bool(in);
    done->custom_status = read_bytes(in, PAWL_CUSTOM_STATUS_SIZE_MAX);
    expect(in, PAWL_IMPLIES(done->custom_status.data, done->custom_status_set));
    read_actions(in, done);
    expect(in, PAWL_IMPLIES(done->err != PAWL_OK, done->actions_count == 0));
    if (read_appended(in)) done->version = read_name_optional(in, PAWL_NAME_SIZE_MAX);
    if (read_appended(in)) read_patches(in, done);
}

static void activity_decode(struct decoder *in, struct pawl_activity_item *item)
{
    item->token = read_id_set(in);
    item->instance = read_name(in, PAWL_INSTANCE_ID_SIZE_MAX);
    item->task_execution = read_id(in);
    item->id = read_sequence(in);
    item->attempt = read_u32(in, UINT32_MAX);
    item->name = read_name(in, PAWL_NAME_SIZE_MAX);
    item->version = read_name_optional(in, PAWL_NAME_SIZE_MAX);
    item->payload = read_payload(in);
    item->takes_heartbeats = read_appended(in);
    if (item->takes_heartbeats) item->start_to_close_ms = read_ms(in);
    if (read_appended(in)) item->heartbeat_ms = read_ms(in);
    if (read_appended(in)) item->progress = read_progress(in);
}

static void activity_done_decode(struct decoder *in, struct pawl_activity_done *done)
{
    done->token = read_id_set(in);
    done->payload = read_payload(in);
    done->failure = read_failure(in);
}

/* Management calls --------------------------------------------------------------
 *
 * Sizes of a request's texts are left to pawl_request_check, whose answer tells the
 * caller what is wrong; here only what the struct cannot hold is refused. */

static void request_read_field(struct decoder *in, struct pawl_request *request)
{
    struct pawl_reader *reader = &in->reader;
    switch (read_u32(in, UINT32_MAX)) {
    case PAWL_REQUEST_FIELD_INSTANCE: request->instance = pawl_read_bytes(reader); break;
    case PAWL_REQUEST_FIELD_NEW_INSTANCE: request->new_instance = pawl_read_bytes(reader); break;
    case PAWL_REQUEST_FIELD_REQUEST_ID: request->request_id = pawl_read_bytes(reader); break;
    case PAWL_REQUEST_FIELD_NAME: request->name = pawl_read_bytes(reader); break;
    case PAWL_REQUEST_FIELD_VERSION: request->version = pawl_read_bytes(reader); break;
    case PAWL_REQUEST_FIELD_PAYLOAD: request->payload = pawl_read_bytes(reader); break;
    case PAWL_REQUEST_FIELD_PREFIX: request->prefix = pawl_read_bytes(reader); break;
    case PAWL_REQUEST_FIELD_CURSOR: request->cursor = pawl_read_bytes(reader); break;
    case PAWL_REQUEST_FIELD_REUSE:
        request->reuse = (enum pawl_reuse)read_u32(in, PAWL_REUSE_LAST);
        break;
    case PAWL_REQUEST_FIELD_WAIT_FOR:
        request->wait_for = (enum pawl_wait_for)read_u32(in, PAWL_WAIT_COMPLETED);
        break;
    case PAWL_REQUEST_FIELD_WITH_PAYLOADS: request->with_payloads = read_bool(in); break;
    case PAWL_REQUEST_FIELD_RECURSIVE: request->recursive = read_bool(in); break;
    case PAWL_REQUEST_FIELD_FORCE: request->force = read_bool(in); break;
    case PAWL_REQUEST_FIELD_STATUS_MASK: request->status_mask = read_u32(in, UINT32_MAX); break;
    case PAWL_REQUEST_FIELD_LIMIT: request->limit = read_u32(in, UINT32_MAX); break;
    case PAWL_REQUEST_FIELD_FROM: request->from = read_u32(in, UINT32_MAX); break;
    case PAWL_REQUEST_FIELD_START_AT_MS: request->start_at_ms = pawl_read_int(reader); break;
    case PAWL_REQUEST_FIELD_TIMEOUT_MS: request->timeout_ms = pawl_read_int(reader); break;
    case PAWL_REQUEST_FIELD_CREATED_FROM_MS:
        request->created_from_ms = pawl_read_int(reader);
        break;
    case PAWL_REQUEST_FIELD_CREATED_TO_MS: request->created_to_ms = pawl_read_int(reader); break;
    case PAWL_REQUEST_FIELD_APP: request->app = pawl_read_bytes(reader); break;
    case PAWL_REQUEST_FIELD_PARENT: request->parent = pawl_read_bytes(reader); break;
    case PAWL_REQUEST_FIELD_TAGS: request->tags = pawl_read_bytes(reader); break;
    case PAWL_REQUEST_FIELD_ORDER:
        request->order = (enum pawl_list_order)read_u32(in, PAWL_LIST_ORDER_LAST);
        break;
    case PAWL_REQUEST_FIELD_COMPLETED_FROM_MS:
        request->completed_from_ms = pawl_read_int(reader);
        break;
    case PAWL_REQUEST_FIELD_COMPLETED_TO_MS:
        request->completed_to_ms = pawl_read_int(reader);
        break;
    case PAWL_REQUEST_FIELD_UPDATED_FROM_MS:
        request->updated_from_ms = pawl_read_int(reader);
        break;
    case PAWL_REQUEST_FIELD_UPDATED_TO_MS: request->updated_to_ms = pawl_read_int(reader); break;
    case PAWL_REQUEST_FIELD_BATCH_OP:
        request->batch_op = (enum pawl_request_op)read_u32(in, UINT8_MAX);
        break;
    case PAWL_REQUEST_FIELD_ALL: request->all = read_bool(in); break;
    case PAWL_REQUEST_FIELD_EXTRA: request->extra = pawl_read_bytes(reader); break;
    case PAWL_REQUEST_FIELD_MAY_BE_ABSENT: request->may_be_absent = read_bool(in); break;
    case PAWL_REQUEST_FIELD_STATUS_ONLY: request->status_only = read_bool(in); break;
    case PAWL_REQUEST_FIELD_EVENT_NAME: request->event_name = pawl_read_bytes(reader); break;
    case PAWL_REQUEST_FIELD_EVENT_DATA: request->event_data = pawl_read_bytes(reader); break;
    case PAWL_REQUEST_FIELD_HAS_EVENT: request->has_event = read_bool(in); break;
    case PAWL_REQUEST_FIELD_EVENT_ID: request->event_id = read_u32(in, UINT32_MAX); break;
    case PAWL_REQUEST_FIELD_OVERWRITE: request->overwrite = read_bool(in); break;
    case PAWL_REQUEST_FIELD_NEW_CHILD: request->new_child = pawl_read_bytes(reader); break;
    default: pawl_read_skip(reader); break;
    }
}

static void request_decode(struct decoder *in, struct pawl_request_frame *frame)
{
    frame->token = pawl_read_uint(&in->reader, UINT64_MAX);
    frame->request.op = (enum pawl_request_op)read_u32(in, UINT8_MAX);
    uint32_t count = pawl_read_map(&in->reader, FIELDS_MAX);
    for (uint32_t i = 0; i < count; i++) request_read_field(in, &frame->request);
}

static void state_read_field(struct decoder *in, struct pawl_instance_state *state)
{
    struct pawl_reader *reader = &in->reader;
    switch (read_u32(in, UINT32_MAX)) {
    case PAWL_STATE_FIELD_INSTANCE:
        state->instance = read_name(in, PAWL_INSTANCE_ID_SIZE_MAX);
        break;
    case PAWL_STATE_FIELD_NAME: state->name = read_name_optional(in, PAWL_NAME_SIZE_MAX); break;
    case PAWL_STATE_FIELD_VERSION:
        state->version = read_name_optional(in, PAWL_NAME_SIZE_MAX);
        break;
    case PAWL_STATE_FIELD_STATUS:
        state->status = (enum pawl_status)read_u32(in, PAWL_STATUS_COUNT - 1);
        break;
    case PAWL_STATE_FIELD_GEN: state->gen = read_u32(in, UINT32_MAX); break;
    case PAWL_STATE_FIELD_HISTORY_COUNT: state->history_count = read_u32(in, UINT32_MAX); break;
    case PAWL_STATE_FIELD_CREATED_MS: state->created_ms = read_ms(in); break;
    case PAWL_STATE_FIELD_STARTED_MS: state->started_ms = read_ms(in); break;
    case PAWL_STATE_FIELD_UPDATED_MS: state->updated_ms = read_ms(in); break;
    case PAWL_STATE_FIELD_COMPLETED_MS: state->completed_ms = read_ms(in); break;
    case PAWL_STATE_FIELD_CUSTOM_STATUS:
        state->custom_status = read_bytes(in, PAWL_CUSTOM_STATUS_SIZE_MAX);
        break;
    case PAWL_STATE_FIELD_INPUT: state->input = read_payload(in); break;
    case PAWL_STATE_FIELD_OUTPUT: state->output = read_payload(in); break;
    case PAWL_STATE_FIELD_FAILURE: state->failure = read_failure(in); break;
    case PAWL_STATE_FIELD_INC: state->inc = read_id(in); break;
    case PAWL_STATE_FIELD_TAGS: state->tags = read_tags(in); break;
    case PAWL_STATE_FIELD_START_AT_MS: state->start_at_ms = read_ms(in); break;
    case PAWL_STATE_FIELD_PARENT_INSTANCE:
        state->parent_instance = read_name_optional(in, PAWL_INSTANCE_ID_SIZE_MAX);
        break;
    case PAWL_STATE_FIELD_PARENT_APP: state->parent_app = read_app_id_optional(in); break;
    case PAWL_STATE_FIELD_WAITING_FOR:
        state->waiting_for = read_text(in, PAWL_MESSAGE_SIZE_MAX);
        break;
    default: pawl_read_skip(reader); break;
    }
}

static struct pawl_instance_state *read_states(struct decoder *in, uint32_t *ret_count)
{
    uint32_t count = pawl_read_array(&in->reader, PAWL_QUERY_ITEMS_MAX);
    struct pawl_instance_state *states =
        PAWL_ARENA_ARRAY(in->arena, struct pawl_instance_state, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t fields = pawl_read_map(&in->reader, FIELDS_MAX);
        for (uint32_t k = 0; k < fields; k++) state_read_field(in, &states[i]);
        expect(in, !pawl_bytes_is_absent(states[i].instance));
    }
    *ret_count = count;
    return states;
}

static void answer_numbers_decode(struct decoder *in, struct pawl_answer *answer)
{
    uint32_t count = pawl_read_array(&in->reader, FIELDS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t number = pawl_read_uint(&in->reader, UINT64_MAX);
        if (i < PAWL_STATUS_COUNT) answer->counts[i] = number;
    }
    if (!read_appended(in)) return;
    expect(in, pawl_read_array(&in->reader, 3) == 3);
    answer->batch.matched = read_u32(in, UINT32_MAX);
    answer->batch.done = read_u32(in, UINT32_MAX);
    answer->batch.failed = read_u32(in, UINT32_MAX);
}

static void answer_decode(struct decoder *in, struct pawl_answer_frame *frame)
{
    struct pawl_answer *answer = &frame->answer;
    frame->token = pawl_read_uint(&in->reader, UINT64_MAX);
    answer->err = pawl_read_err(&in->reader);
    answer->message = read_text(in, PAWL_MESSAGE_SIZE_MAX);
    answer->reached = read_bool(in);
    answer->instance = read_name_optional(in, PAWL_INSTANCE_ID_SIZE_MAX);
    answer->states = read_states(in, &answer->states_count);
    answer->cursor = read_bytes(in, PAWL_POSITION_SIZE_MAX);
    answer->events_total = read_u32(in, UINT32_MAX);
    answer->events = read_events(in, PAWL_LOAD_HISTORY_MAX, &answer->events_count);
    if (read_appended(in)) answer_numbers_decode(in, answer);
}

/* Entry point ------------------------------------------------------------------ */

static void frame_read_fields(struct decoder *in, struct pawl_frame *frame)
{
    switch (frame->type) {
    case PAWL_FRAME_HELLO: hello_decode(in, &frame->hello); break;
    case PAWL_FRAME_WELCOME: welcome_decode(in, &frame->welcome); break;
    case PAWL_FRAME_REFUSED: refused_decode(in, &frame->refused); break;
    case PAWL_FRAME_CREDIT: credit_decode(in, &frame->credit); break;
    case PAWL_FRAME_HISTORY: history_decode(in, &frame->history); break;
    case PAWL_FRAME_TURN: turn_decode(in, &frame->turn); break;
    case PAWL_FRAME_TURN_DONE: turn_done_decode(in, &frame->turn_done); break;
    case PAWL_FRAME_NEED_HISTORY:
        frame->need_history.turn = read_id_set(in);
        frame->need_history.instance = read_name(in, PAWL_INSTANCE_ID_SIZE_MAX);
        break;
    case PAWL_FRAME_EVICT: frame->evict.instance = read_name(in, PAWL_INSTANCE_ID_SIZE_MAX); break;
    case PAWL_FRAME_ACTIVITY: activity_decode(in, &frame->activity); break;
    case PAWL_FRAME_ACTIVITY_DONE: activity_done_decode(in, &frame->activity_done); break;
    case PAWL_FRAME_ACTIVITY_HEARTBEAT:
        frame->activity_beat.token = read_id_set(in);
        frame->activity_beat.progress = read_progress(in);
        break;
    case PAWL_FRAME_ACTIVITY_CANCEL: frame->activity_cancel = read_id_set(in); break;
    case PAWL_FRAME_REQUEST: request_decode(in, &frame->request); break;
    case PAWL_FRAME_ANSWER: answer_decode(in, &frame->answer); break;
    case PAWL_FRAME_PING:
    case PAWL_FRAME_PONG:
    case PAWL_FRAME_BYE:
    case PAWL_FRAME_TYPES_END: break;
    }
}

pawl_err pawl_frame_decode(struct pawl_bytes bytes, struct pawl_arena *arena,
                           struct pawl_frame *ret_frame)
{
    struct decoder in = { .arena = arena };
    pawl_reader_init(&in.reader, bytes);

    uint32_t elements_count = pawl_read_array(&in.reader, FIELDS_MAX);
    uint32_t type = read_u32(&in, PAWL_FRAME_TYPES_END - 1);
    if (elements_count == 0 || type == 0) return PAWL_E_PROTOCOL;
    uint32_t fields_count = pawl_frame_fields_count((enum pawl_frame_type)type);
    if (elements_count - 1 < fields_count) return PAWL_E_PROTOCOL;

    struct pawl_frame frame = { .type = (enum pawl_frame_type)type };
    in.appended = elements_count - 1 - fields_count;
    frame_read_fields(&in, &frame);
    if (!frame_is_foreign(&frame)) skip_appended(&in, in.appended);
    if (pawl_reader_finish(&in.reader) != PAWL_OK) return PAWL_E_PROTOCOL;
    *ret_frame = frame;
    return PAWL_OK;
}
