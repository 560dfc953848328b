#include "sdk/request.h"

#include <inttypes.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/tags.h"
#include "sdk/schedule.h"

#define STATUS_MASK_ALL ((UINT32_C(1) << PAWL_STATUS_COUNT) - 1)

/* One check in progress: the first thing wrong is kept, the rest is passed over. */
struct check {
    struct pawl_arena *arena;
    pawl_err err;
    struct pawl_bytes message;
};

/* Every message names the field, what is wrong with it, and what is allowed. */
#define CHECK_FAIL(check, code, ...)                                       \
    do {                                                                   \
        (check)->err = (code);                                             \
        (check)->message = pawl_arena_printf((check)->arena, __VA_ARGS__); \
    } while (0)

/* A text that names something: an id or a name. */
static void check_text(struct check *check, const char *field, struct pawl_bytes text,
                       size_t size_max)
{
    if (check->err != PAWL_OK) return;
    if (pawl_name_is_valid(text, size_max)) return;

    const char *allowed = "bytes of UTF-8 without control characters are allowed";
    if (text.size == 0)
        CHECK_FAIL(check, PAWL_E_INVALID, "%s is empty; 1 to %zu %s", field, size_max, allowed);
    else if (text.size > size_max)
        CHECK_FAIL(check, PAWL_E_INVALID, "%s has %zu bytes; 1 to %zu %s", field, text.size,
                   size_max, allowed);
    else if (!pawl_utf8_is_valid(text))
        CHECK_FAIL(check, PAWL_E_INVALID, "%s is not valid UTF-8; 1 to %zu %s", field, size_max,
                   allowed);
    else
        CHECK_FAIL(check, PAWL_E_INVALID, "%s contains a control character; 1 to %zu %s", field,
                   size_max, allowed);
}

static void check_required(struct check *check, const char *field, struct pawl_bytes text,
                           size_t size_max)
{
    if (check->err != PAWL_OK) return;
    if (pawl_bytes_is_absent(text))
        CHECK_FAIL(check, PAWL_E_INVALID, "%s is missing; 1 to %zu bytes of text are needed", field,
                   size_max);
    else
        check_text(check, field, text, size_max);
}

static void check_optional(struct check *check, const char *field, struct pawl_bytes text,
                           size_t size_max)
{
    if (!pawl_bytes_is_absent(text)) check_text(check, field, text, size_max);
}

static void check_payload(struct check *check, const char *field, struct pawl_bytes payload)
{
    if (check->err != PAWL_OK || payload.size <= PAWL_PAYLOAD_SIZE_MAX) return;
    CHECK_FAIL(check, PAWL_E_TOO_LARGE, "%s has %zu bytes; at most %u are allowed", field,
               payload.size, PAWL_PAYLOAD_SIZE_MAX);
}

static void check_time(struct check *check, const char *field, int64_t time_ms)
{
    if (check->err != PAWL_OK || time_ms >= 0) return;
    CHECK_FAIL(check, PAWL_E_INVALID,
               "%s is %" PRId64 "; milliseconds since 1970 are expected, 0 for none", field,
               time_ms);
}

static void check_range(struct check *check, const char *field, int64_t value, int64_t min,
                        int64_t max)
{
    if (check->err != PAWL_OK || (value >= min && value <= max)) return;
    CHECK_FAIL(check, PAWL_E_INVALID, "%s is %" PRId64 "; %" PRId64 " to %" PRId64 " are allowed",
               field, value, min, max);
}

/* The name and the ids that schedules have are theirs alone. */
static void check_schedule(struct check *check, const struct pawl_request *request)
{
    if (check->err != PAWL_OK) return;
    struct pawl_bytes id = pawl_schedule_id(request->instance);
    bool is_named = pawl_bytes_is_str(request->name, PAWL_SCHEDULE_NAME);
    if (!is_named && pawl_bytes_is_absent(id)) return;
    if (!is_named || pawl_bytes_is_absent(id)) {
        CHECK_FAIL(check, PAWL_E_INVALID,
                   "workflows named " PAWL_SCHEDULE_NAME
                   " and ids that begin with " PAWL_SCHEDULE_PREFIX
                   " are schedules; create them as such");
        return;
    }
    check_text(check, "schedule id", id, PAWL_SCHEDULE_ID_SIZE_MAX);
    if (check->err == PAWL_OK && !pawl_bytes_is_absent(request->event_name))
        CHECK_FAIL(check, PAWL_E_INVALID, "event name: a schedule takes none with its start");
    struct pawl_schedule_spec spec;
    if (check->err != PAWL_OK) return;
    if (pawl_schedule_spec_unpack(request->payload, &spec) != PAWL_OK) {
        CHECK_FAIL(check, PAWL_E_INVALID, "the input is no schedule; create schedules as such");
        return;
    }
    check->err = pawl_schedule_check(&spec, check->arena, &check->message);
}

static void check_tags(struct check *check, struct pawl_bytes tags)
{
    struct pawl_tags unpacked;
    if (check->err != PAWL_OK || pawl_tags_unpack(tags, &unpacked) == PAWL_OK) return;
    CHECK_FAIL(check, PAWL_E_INVALID,
               "tags cannot be read: at most %u pairs are allowed, each a key of 1 to %u bytes "
               "without '=', used once, and a value of at most %u bytes, both UTF-8 without "
               "control characters",
               PAWL_TAGS_MAX, PAWL_TAG_KEY_SIZE_MAX, PAWL_TAG_VALUE_SIZE_MAX);
}

static void check_start(struct check *check, const struct pawl_request *request)
{
    check_optional(check, "instance", request->instance, PAWL_INSTANCE_ID_SIZE_MAX);
    check_optional(check, "request_id", request->request_id, PAWL_REQUEST_ID_SIZE_MAX);
    check_required(check, "name", request->name, PAWL_NAME_SIZE_MAX);
    check_optional(check, "version", request->version, PAWL_NAME_SIZE_MAX);
    check_payload(check, "input", request->payload);
    check_time(check, "start_at_ms", request->start_at_ms);
    check_tags(check, request->tags);
    if (check->err == PAWL_OK && request->extra.size > PAWL_EXTRA_SIZE_MAX)
        CHECK_FAIL(check, PAWL_E_TOO_LARGE, "extra has %zu bytes; at most %u are allowed",
                   request->extra.size, PAWL_EXTRA_SIZE_MAX);
    check_range(check, "reuse", (int64_t)request->reuse, PAWL_REUSE_REFUSE, PAWL_REUSE_LAST);
    check_optional(check, "event name", request->event_name, PAWL_NAME_SIZE_MAX);
    check_payload(check, "event data", request->event_data);
    if (check->err == PAWL_OK && pawl_bytes_is_absent(request->event_name)
        && request->event_data.size)
        CHECK_FAIL(check, PAWL_E_INVALID, "event data without an event name: name the event");
    check_schedule(check, request);
}

static void check_wait(struct check *check, const struct pawl_request *request)
{
    check_range(check, "wait_for", (int64_t)request->wait_for, PAWL_WAIT_STARTED,
                PAWL_WAIT_COMPLETED);
    check_range(check, "timeout_ms", request->timeout_ms, 0, PAWL_WAIT_MS_MAX);
}

static void check_raise(struct check *check, const struct pawl_request *request)
{
    check_required(check, "event name", request->name, PAWL_NAME_SIZE_MAX);
    check_payload(check, "event payload", request->payload);
    check_optional(check, "request_id", request->request_id, PAWL_REQUEST_ID_SIZE_MAX);
}

static void check_times(struct check *check, const char *from_field, int64_t from_ms,
                        const char *to_field, int64_t to_ms)
{
    check_time(check, from_field, from_ms);
    check_time(check, to_field, to_ms);
    if (check->err != PAWL_OK || to_ms == 0 || to_ms > from_ms) return;
    CHECK_FAIL(check, PAWL_E_INVALID,
               "%s is %" PRId64 ", not after %s (%" PRId64 "); the range would be empty", to_field,
               to_ms, from_field, from_ms);
}

static void check_filter(struct check *check, const struct pawl_request *request)
{
    check_range(check, "status_mask", request->status_mask, 0, STATUS_MASK_ALL);
    check_optional(check, "name", request->name, PAWL_NAME_SIZE_MAX);
    if (request->prefix.size > 0)
        check_text(check, "prefix", request->prefix, PAWL_INSTANCE_ID_SIZE_MAX);
    check_tags(check, request->tags);
    check_times(check, "created_from_ms", request->created_from_ms, "created_to_ms",
                request->created_to_ms);
    check_times(check, "completed_from_ms", request->completed_from_ms, "completed_to_ms",
                request->completed_to_ms);
    check_times(check, "updated_from_ms", request->updated_from_ms, "updated_to_ms",
                request->updated_to_ms);
    check_range(check, "order", (int64_t)request->order, 0, PAWL_LIST_ORDER_LAST);
    check_range(check, "limit", request->limit, 0, PAWL_QUERY_ITEMS_MAX);
    check_optional(check, "cursor", request->cursor, PAWL_CURSOR_SIZE_MAX);
}

static bool filter_is_empty(const struct pawl_request *request)
{
    bool has_time = request->created_from_ms || request->created_to_ms || request->completed_from_ms
                    || request->completed_to_ms || request->updated_from_ms
                    || request->updated_to_ms;
    bool has_status = request->status_mask != 0 && request->status_mask != STATUS_MASK_ALL;
    return !has_status && !has_time && request->name.size == 0 && request->prefix.size == 0
           && request->tags.size == 0;
}

uint32_t pawl_request_batch_mask(const struct pawl_request *request)
{
    uint32_t ended = 0;
    for (int i = 0; i < PAWL_STATUS_COUNT; i++)
        if (pawl_status_is_terminal((enum pawl_status)i)) ended |= 1u << i;
    switch (request->batch_op) {
    case PAWL_REQUEST_TERMINATE:
    case PAWL_REQUEST_SUSPEND:
    case PAWL_REQUEST_RAISE: return STATUS_MASK_ALL & ~ended;
    case PAWL_REQUEST_RESUME: return 1u << PAWL_STATUS_SUSPENDED | 1u << PAWL_STATUS_STALLED;
    case PAWL_REQUEST_PURGE: return request->force ? 0 : ended;
    default: return 0;
    }
}

static void check_batch(struct check *check, const struct pawl_request *request)
{
    check_filter(check, request);
    if (check->err != PAWL_OK) return;
    switch (request->batch_op) {
    case PAWL_REQUEST_RAISE:
        check_required(check, "event name", request->event_name, PAWL_NAME_SIZE_MAX);
        check_payload(check, "event payload", request->event_data);
        check_optional(check, "request_id", request->request_id, PAWL_REQUEST_ID_SIZE_MAX);
        break;
    case PAWL_REQUEST_TERMINATE: check_payload(check, "output", request->payload); break;
    case PAWL_REQUEST_SUSPEND:
    case PAWL_REQUEST_RESUME:
    case PAWL_REQUEST_REWIND: check_payload(check, "reason", request->payload); break;
    case PAWL_REQUEST_PURGE: break;
    default:
        CHECK_FAIL(check, PAWL_E_INVALID,
                   "batch_op is %d; terminate, suspend, resume, purge and raise-event can be done "
                   "to many",
                   (int)request->batch_op);
        return;
    }
    if (check->err != PAWL_OK || request->all || !filter_is_empty(request)) return;
    CHECK_FAIL(check, PAWL_E_INVALID,
               "the filter matches every instance, so nothing was done; narrow it by status, name, "
               "prefix, tags or times, or say that all are meant (all=true, --all)");
}

static void check_rerun_from(struct check *check, const struct pawl_request *request)
{
    check_optional(check, "new_child", request->new_child, PAWL_INSTANCE_ID_SIZE_MAX);
    if (check->err != PAWL_OK) return;
    if (request->has_event) {
        check_range(check, "event_id", request->event_id, 0, INT32_MAX);
        if (request->payload.size && !request->overwrite)
            CHECK_FAIL(check, PAWL_E_INVALID,
                       "an input for event %" PRIu32 " without overwrite: say that its input is "
                       "to be overwritten",
                       request->event_id);
    } else if (request->overwrite || !pawl_bytes_is_absent(request->new_child)) {
        CHECK_FAIL(check, PAWL_E_INVALID,
                   "overwrite and new_child belong to an event: say from which event it is to run");
    }
}

static void check_app(struct check *check, struct pawl_bytes app)
{
    if (check->err != PAWL_OK || pawl_bytes_is_absent(app) || pawl_app_id_is_valid(app)) return;
    CHECK_FAIL(check, PAWL_E_INVALID,
               "app is no app id: 1 to %u letters, digits, - _ and dots are allowed (an app of "
               "another namespace cannot be named)",
               PAWL_APP_ID_SIZE_MAX);
}

static void check_watch(struct check *check, const struct pawl_request *request)
{
    check_optional(check, "instance", request->instance, PAWL_INSTANCE_ID_SIZE_MAX);
    check_optional(check, "name", request->name, PAWL_NAME_SIZE_MAX);
    check_optional(check, "position", request->cursor, PAWL_POSITION_SIZE_MAX);
    check_range(check, "limit", request->limit, 0, PAWL_CHANGES_ITEMS_MAX);
    check_range(check, "timeout_ms", request->timeout_ms, 0, PAWL_WAIT_MS_MAX);
    check_range(check, "status_mask", request->status_mask, 0, STATUS_MASK_ALL);
}

static void check_import(struct check *check, const struct pawl_request *request)
{
    check_required(check, "name", request->name, PAWL_NAME_SIZE_MAX);
    check_optional(check, "version", request->version, PAWL_NAME_SIZE_MAX);
    check_optional(check, "request_id", request->request_id, PAWL_REQUEST_ID_SIZE_MAX);
    check_tags(check, request->tags);
    if (check->err != PAWL_OK) return;
    bool is_schedule = pawl_bytes_is_str(request->name, PAWL_SCHEDULE_NAME)
                       || !pawl_bytes_is_absent(pawl_schedule_id(request->instance));
    if (is_schedule)
        CHECK_FAIL(check, PAWL_E_INVALID,
                   "a schedule cannot be imported: create it, and it goes on by the clock");
    else if (request->payload.size > PAWL_SEED_SIZE_MAX)
        CHECK_FAIL(check, PAWL_E_TOO_LARGE, "the history has %zu bytes; at most %u are allowed",
                   request->payload.size, PAWL_SEED_SIZE_MAX);
}

static void check_fields(struct check *check, const struct pawl_request *request)
{
    check_app(check, request->app);
    switch (request->op) {
    case PAWL_REQUEST_START: check_start(check, request); return;
    case PAWL_REQUEST_LIST:
    case PAWL_REQUEST_COUNT: check_filter(check, request); return;
    case PAWL_REQUEST_BATCH: check_batch(check, request); return;
    case PAWL_REQUEST_WATCH: check_watch(check, request); return;
    default: break;
    }
    /* All others are about one instance that is named. */
    check_required(check, "instance", request->instance, PAWL_INSTANCE_ID_SIZE_MAX);
    switch (request->op) {
    case PAWL_REQUEST_WAIT: check_wait(check, request); break;
    case PAWL_REQUEST_RAISE: check_raise(check, request); break;
    case PAWL_REQUEST_SUSPEND:
    case PAWL_REQUEST_RESUME: check_payload(check, "reason", request->payload); break;
    case PAWL_REQUEST_TERMINATE: check_payload(check, "output", request->payload); break;
    case PAWL_REQUEST_HISTORY:
        check_range(check, "limit", request->limit, 0, PAWL_LOAD_HISTORY_MAX);
        break;
    case PAWL_REQUEST_RERUN:
        check_optional(check, "new_instance", request->new_instance, PAWL_INSTANCE_ID_SIZE_MAX);
        check_payload(check, "input", request->payload);
        check_rerun_from(check, request);
        break;
    case PAWL_REQUEST_RESTART:
        check_optional(check, "new_instance", request->new_instance, PAWL_INSTANCE_ID_SIZE_MAX);
        break;
    case PAWL_REQUEST_IMPORT: check_import(check, request); break;
    default: break;
    }
}

pawl_err pawl_request_check(const struct pawl_request *request, struct pawl_arena *arena,
                            struct pawl_bytes *ret_message)
{
    struct check check = { .arena = arena, .err = PAWL_OK };
    if (!pawl_request_op_name((int)request->op))
        CHECK_FAIL(&check, PAWL_E_INVALID, "op is %d; 1 (start) to 17 (import) are known",
                   (int)request->op);
    else
        check_fields(&check, request);

    if (check.err != PAWL_OK) *ret_message = check.message;
    return check.err;
}

const char *pawl_request_op_name(int op)
{
    switch (op) {
#define X(name, value, text) \
    case value: return text;
        PAWL_REQUEST_OP_MAP(X)
#undef X
    default: return NULL;
    }
}
