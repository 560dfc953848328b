#include "sdk/history.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/codec.h"
#include "base/limits.h"

/* An event is [format, kind, timestamp_ms, {field: value, …}]. A field that has
 * its usual value is not written, so it costs nothing. Stored bytes are for ever:
 * numbers here are never reused, new fields get new numbers. */
enum {
    EVENT_FORMAT = 1,
    EVENT_ELEMENTS = 4,      /* of the outer array; a later format 1 may append */
    EVENT_ELEMENTS_MAX = 16, /* that a reader skips over */
    EVENT_FIELDS_MAX = 64,
};

enum event_field {
    FIELD_ID = 1,
    FIELD_REF = 2,
    FIELD_NAME = 3,
    FIELD_VERSION = 4,
    FIELD_PAYLOAD = 5,
    FIELD_INSTANCE = 6,
    FIELD_TARGET_APP = 7,
    FIELD_FIRE_AT_MS = 8,
    FIELD_START_AT_MS = 9,
    FIELD_STATUS = 10,
    FIELD_RECURSIVE = 11,
    FIELD_EXECUTION = 12,
    FIELD_TASK_EXECUTION = 13,
    FIELD_PARENT = 14, /* [app, instance, inc, gen, op_id, nonce, name?] */
    FIELD_FAILURE = 15,
    FIELD_EXTRA = 16,
    FIELD_START_WITHIN_MS = 17,
    FIELD_START_TO_CLOSE_MS = 18,
    FIELD_HEARTBEAT_MS = 19,
    FIELD_PROGRESS = 20,
    FIELD_PATCHES = 21, /* the names in a row */
    FIELD_REWOUND = 22,
    FIELD_RERUN_OF = 23,
    FIELD_PARENT_CLOSE = 24,
    FIELD_TAGS = 60,
    FIELD_ATTEMPTS = 61,
};

enum failure_field {
    FAILURE_NON_RETRIABLE = 1, /* always written: an empty map is "no failure" */
    FAILURE_TYPE = 2,
    FAILURE_MESSAGE = 3,
    FAILURE_DETAILS = 4,
    FAILURE_INNER = 5,
    FAILURE_PROPERTIES = 6,
};

enum { PARENT_ELEMENTS = 6 };

/* Most bytes that a value of each sort takes, its field number included. */
enum {
    HEAD_SIZE_MAX = 1 + 1 + 2 + 9 + 3,
    NUMBER_SIZE_MAX = 1 + 9,
    BYTES_HEAD_SIZE_MAX = 1 + 5,
    ID_SIZE_MAX = 1 + 2 + 16,
    PARENT_SIZE_MAX = 1 + 1 + 3 * BYTES_HEAD_SIZE_MAX + ID_SIZE_MAX + 3 * NUMBER_SIZE_MAX,
    FAILURE_SIZE_MAX = 1 + 1 + NUMBER_SIZE_MAX + 5 * BYTES_HEAD_SIZE_MAX,
};

/* A buf that writes straight into the arena and never grows: the bytes are copied
 * once, and nothing is allocated but the arena's own. */
static struct pawl_buf buf_in_arena(struct pawl_arena *arena, size_t size_max)
{
    return (struct pawl_buf){ .data = pawl_arena_alloc(arena, size_max),
                              .capacity = size_max,
                              .size_max = size_max };
}

static struct pawl_bytes buf_finish(const struct pawl_buf *buf)
{
    PAWL_ASSERT(buf->bad == PAWL_OK);
    return pawl_bytes_make(buf->data, buf->size);
}

/* Failures --------------------------------------------------------------------- */

static void field_write_bytes(struct pawl_buf *buf, uint32_t field, struct pawl_bytes bytes)
{
    if (!bytes.data) return;
    pawl_write_uint(buf, field);
    pawl_write_bytes(buf, bytes);
}

void pawl_failure_encode(struct pawl_buf *buf, const struct pawl_failure_view *failure)
{
    if (!failure->present) {
        pawl_write_map(buf, 0);
        return;
    }
    pawl_write_map(buf, 1u + (failure->type.data != NULL) + (failure->message.data != NULL)
                            + (failure->details.data != NULL) + (failure->inner.data != NULL)
                            + (failure->properties.data != NULL));
    pawl_write_uint(buf, FAILURE_NON_RETRIABLE);
    pawl_write_bool(buf, failure->non_retriable);
    field_write_bytes(buf, FAILURE_TYPE, failure->type);
    field_write_bytes(buf, FAILURE_MESSAGE, failure->message);
    field_write_bytes(buf, FAILURE_DETAILS, failure->details);
    field_write_bytes(buf, FAILURE_INNER, failure->inner);
    field_write_bytes(buf, FAILURE_PROPERTIES, failure->properties);
}

/* No encoding of the failure is longer; the same holds for the two below. */
static size_t failure_size_max(const struct pawl_failure_view *failure)
{
    return FAILURE_SIZE_MAX + failure->type.size + failure->message.size + failure->details.size
           + failure->inner.size + failure->properties.size;
}

struct pawl_bytes pawl_failure_pack(struct pawl_arena *arena,
                                    const struct pawl_failure_view *failure)
{
    struct pawl_buf buf = buf_in_arena(arena, failure_size_max(failure));
    pawl_failure_encode(&buf, failure);
    return buf_finish(&buf);
}

static struct pawl_failure_view failure_read(struct pawl_reader *reader)
{
    uint32_t count = pawl_read_map(reader, EVENT_FIELDS_MAX);
    struct pawl_failure_view failure = { .present = count > 0 };

    for (uint32_t i = 0; i < count; i++) {
        switch (pawl_read_uint(reader, UINT32_MAX)) {
        case FAILURE_NON_RETRIABLE: failure.non_retriable = pawl_read_bool(reader); break;
        case FAILURE_TYPE: failure.type = pawl_read_bytes(reader); break;
        case FAILURE_MESSAGE: failure.message = pawl_read_bytes(reader); break;
        case FAILURE_DETAILS: failure.details = pawl_read_bytes(reader); break;
        case FAILURE_INNER: failure.inner = pawl_read_bytes(reader); break;
        case FAILURE_PROPERTIES: failure.properties = pawl_read_bytes(reader); break;
        default: pawl_read_skip(reader); break;
        }
    }
    return failure;
}

pawl_err pawl_failure_decode(struct pawl_bytes bytes, struct pawl_failure_view *ret_failure)
{
    if (pawl_bytes_is_absent(bytes)) {
        *ret_failure = (struct pawl_failure_view){ .present = false };
        return PAWL_OK;
    }
    struct pawl_reader reader;
    pawl_reader_init(&reader, bytes);
    struct pawl_failure_view failure = failure_read(&reader);
    if (pawl_reader_finish(&reader) != PAWL_OK) return PAWL_E_CORRUPT;
    *ret_failure = failure;
    return PAWL_OK;
}

/* Parents ---------------------------------------------------------------------- */

void pawl_parent_encode(struct pawl_buf *buf, const struct pawl_parent *parent)
{
    pawl_write_array(buf, PARENT_ELEMENTS + (parent->name.data != NULL));
    pawl_write_bytes(buf, parent->app);
    pawl_write_bytes(buf, parent->instance);
    pawl_write_id(buf, parent->inc);
    pawl_write_uint(buf, parent->gen);
    pawl_write_uint(buf, parent->op_id);
    pawl_write_uint(buf, parent->nonce);
    if (parent->name.data) pawl_write_bytes(buf, parent->name);
}

static size_t parent_size_max(const struct pawl_parent *parent)
{
    return PARENT_SIZE_MAX + parent->app.size + parent->instance.size + parent->name.size;
}

struct pawl_bytes pawl_parent_pack(struct pawl_arena *arena, const struct pawl_parent *parent)
{
    struct pawl_buf buf = buf_in_arena(arena, parent_size_max(parent));
    pawl_parent_encode(&buf, parent);
    return buf_finish(&buf);
}

static struct pawl_parent parent_read(struct pawl_reader *reader)
{
    struct pawl_parent parent = { .gen = 0 };
    uint32_t count = pawl_read_array(reader, EVENT_ELEMENTS_MAX);
    if (count < PARENT_ELEMENTS) {
        if (reader->err == PAWL_OK) reader->err = PAWL_E_CORRUPT;
        reader->next = reader->end;
        return parent;
    }
    parent.app = pawl_read_bytes(reader);
    parent.instance = pawl_read_bytes(reader);
    parent.inc = pawl_read_id(reader);
    parent.gen = (uint32_t)pawl_read_uint(reader, UINT32_MAX);
    parent.op_id = (uint32_t)pawl_read_uint(reader, UINT32_MAX);
    parent.nonce = pawl_read_uint(reader, UINT64_MAX);
    if (count > PARENT_ELEMENTS) parent.name = pawl_read_bytes(reader);
    for (uint32_t i = PARENT_ELEMENTS + 1; i < count; i++) pawl_read_skip(reader);
    return parent;
}

pawl_err pawl_parent_decode(struct pawl_bytes bytes, struct pawl_parent *ret_parent)
{
    if (pawl_bytes_is_absent(bytes)) {
        *ret_parent = (struct pawl_parent){ .gen = 0 };
        return PAWL_OK;
    }
    struct pawl_reader reader;
    pawl_reader_init(&reader, bytes);
    struct pawl_parent parent = parent_read(&reader);
    if (pawl_reader_finish(&reader) != PAWL_OK) return PAWL_E_CORRUPT;
    *ret_parent = parent;
    return PAWL_OK;
}

/* Events ----------------------------------------------------------------------- */

struct pawl_history_event pawl_history_event_make(enum pawl_event_kind kind, int64_t timestamp_ms)
{
    return (struct pawl_history_event){
        .kind = kind, .id = -1, .ref = -1, .timestamp_ms = timestamp_ms
    };
}

static uint32_t event_fields_count(const struct pawl_history_event *event)
{
    uint32_t count = 0;
    count += event->id >= 0;
    count += event->ref >= 0;
    count += event->name.data != NULL;
    count += event->version.data != NULL;
    count += event->payload.data != NULL;
    count += event->instance.data != NULL;
    count += event->target_app.data != NULL;
    count += event->fire_at_ms != 0;
    count += event->start_at_ms != 0;
    count += event->start_within_ms != 0;
    count += event->status != PAWL_STATUS_RUNNING;
    count += event->recursive;
    count += event->rewound;
    count += event->parent_close != PAWL_PARENT_CLOSE_ABANDON;
    count += !pawl_id_is_zero(event->execution);
    count += !pawl_id_is_zero(event->task_execution);
    count += event->parent.instance.data != NULL;
    count += event->failure.present;
    count += event->extra.data != NULL;
    count += event->start_to_close_ms != 0;
    count += event->heartbeat_ms != 0;
    count += event->progress.data != NULL;
    count += event->patches.data != NULL;
    count += event->tags.data != NULL;
    count += event->rerun_of.data != NULL;
    count += event->attempts != 0;
    return count;
}

static void field_write_int(struct pawl_buf *buf, uint32_t field, int64_t value)
{
    pawl_write_uint(buf, field);
    pawl_write_int(buf, value);
}

static void field_write_id(struct pawl_buf *buf, uint32_t field, struct pawl_id id)
{
    if (pawl_id_is_zero(id)) return;
    pawl_write_uint(buf, field);
    pawl_write_id(buf, id);
}

void pawl_history_event_encode(struct pawl_buf *buf, const struct pawl_history_event *event)
{
    PAWL_ASSERT(pawl_event_kind_name((int)event->kind) != NULL);
    PAWL_ASSERT(event->id >= -1);
    PAWL_ASSERT(event->ref >= -1);

    pawl_write_array(buf, EVENT_ELEMENTS);
    pawl_write_uint(buf, EVENT_FORMAT);
    pawl_write_uint(buf, (uint64_t)event->kind);
    pawl_write_int(buf, event->timestamp_ms);

    pawl_write_map(buf, event_fields_count(event));
    if (event->id >= 0) field_write_int(buf, FIELD_ID, event->id);
    if (event->ref >= 0) field_write_int(buf, FIELD_REF, event->ref);
    field_write_bytes(buf, FIELD_NAME, event->name);
    field_write_bytes(buf, FIELD_VERSION, event->version);
    field_write_bytes(buf, FIELD_PAYLOAD, event->payload);
    field_write_bytes(buf, FIELD_INSTANCE, event->instance);
    field_write_bytes(buf, FIELD_TARGET_APP, event->target_app);
    if (event->fire_at_ms != 0) field_write_int(buf, FIELD_FIRE_AT_MS, event->fire_at_ms);
    if (event->start_at_ms != 0) field_write_int(buf, FIELD_START_AT_MS, event->start_at_ms);
    if (event->start_within_ms != 0)
        field_write_int(buf, FIELD_START_WITHIN_MS, event->start_within_ms);
    if (event->status != PAWL_STATUS_RUNNING)
        field_write_int(buf, FIELD_STATUS, (int64_t)event->status);
    if (event->recursive) {
        pawl_write_uint(buf, FIELD_RECURSIVE);
        pawl_write_bool(buf, true);
    }
    if (event->rewound) {
        pawl_write_uint(buf, FIELD_REWOUND);
        pawl_write_bool(buf, true);
    }
    if (event->parent_close != PAWL_PARENT_CLOSE_ABANDON)
        field_write_int(buf, FIELD_PARENT_CLOSE, (int64_t)event->parent_close);
    field_write_id(buf, FIELD_EXECUTION, event->execution);
    field_write_id(buf, FIELD_TASK_EXECUTION, event->task_execution);
    if (event->parent.instance.data) {
        pawl_write_uint(buf, FIELD_PARENT);
        pawl_parent_encode(buf, &event->parent);
    }
    if (event->failure.present) {
        pawl_write_uint(buf, FIELD_FAILURE);
        pawl_failure_encode(buf, &event->failure);
    }
    field_write_bytes(buf, FIELD_EXTRA, event->extra);
    if (event->start_to_close_ms != 0)
        field_write_int(buf, FIELD_START_TO_CLOSE_MS, event->start_to_close_ms);
    if (event->heartbeat_ms != 0) field_write_int(buf, FIELD_HEARTBEAT_MS, event->heartbeat_ms);
    field_write_bytes(buf, FIELD_PROGRESS, event->progress);
    field_write_bytes(buf, FIELD_PATCHES, event->patches);
    field_write_bytes(buf, FIELD_RERUN_OF, event->rerun_of);
    field_write_bytes(buf, FIELD_TAGS, event->tags);
    if (event->attempts != 0) field_write_int(buf, FIELD_ATTEMPTS, event->attempts);
}

static size_t event_size_max(const struct pawl_history_event *event)
{
    size_t size = HEAD_SIZE_MAX + 12 * NUMBER_SIZE_MAX + 10 * BYTES_HEAD_SIZE_MAX + 2 * ID_SIZE_MAX;
    size += event->name.size + event->version.size + event->payload.size;
    size += event->instance.size + event->target_app.size + event->extra.size;
    size += event->progress.size + event->patches.size + event->tags.size + event->rerun_of.size;
    if (event->parent.instance.data) size += 1 + parent_size_max(&event->parent);
    if (event->failure.present) size += 1 + failure_size_max(&event->failure);
    return size;
}

struct pawl_bytes pawl_history_event_pack(struct pawl_arena *arena,
                                          const struct pawl_history_event *event)
{
    struct pawl_buf buf = buf_in_arena(arena, event_size_max(event));
    pawl_history_event_encode(&buf, event);
    return buf_finish(&buf);
}

static void event_read_fields(struct pawl_reader *reader, struct pawl_history_event *event)
{
    uint32_t count = pawl_read_map(reader, EVENT_FIELDS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        switch (pawl_read_uint(reader, UINT32_MAX)) {
        case FIELD_ID: event->id = (int32_t)pawl_read_uint(reader, INT32_MAX); break;
        case FIELD_REF: event->ref = (int32_t)pawl_read_uint(reader, INT32_MAX); break;
        case FIELD_NAME: event->name = pawl_read_bytes(reader); break;
        case FIELD_VERSION: event->version = pawl_read_bytes(reader); break;
        case FIELD_PAYLOAD: event->payload = pawl_read_bytes(reader); break;
        case FIELD_INSTANCE: event->instance = pawl_read_bytes(reader); break;
        case FIELD_TARGET_APP: event->target_app = pawl_read_bytes(reader); break;
        case FIELD_FIRE_AT_MS: event->fire_at_ms = pawl_read_int(reader); break;
        case FIELD_START_AT_MS: event->start_at_ms = pawl_read_int(reader); break;
        case FIELD_START_WITHIN_MS: event->start_within_ms = pawl_read_int(reader); break;
        case FIELD_STATUS:
            event->status = (enum pawl_status)pawl_read_uint(reader, PAWL_STATUS_COUNT - 1);
            break;
        case FIELD_RECURSIVE: event->recursive = pawl_read_bool(reader); break;
        case FIELD_REWOUND: event->rewound = pawl_read_bool(reader); break;
        case FIELD_PARENT_CLOSE:
            event->parent_close =
                (enum pawl_parent_close_policy)pawl_read_uint(reader, PAWL_PARENT_CLOSE_TERMINATE);
            break;
        case FIELD_EXECUTION: event->execution = pawl_read_id(reader); break;
        case FIELD_TASK_EXECUTION: event->task_execution = pawl_read_id(reader); break;
        case FIELD_PARENT: event->parent = parent_read(reader); break;
        case FIELD_FAILURE: event->failure = failure_read(reader); break;
        case FIELD_EXTRA: event->extra = pawl_read_bytes(reader); break;
        case FIELD_START_TO_CLOSE_MS: event->start_to_close_ms = pawl_read_int(reader); break;
        case FIELD_HEARTBEAT_MS: event->heartbeat_ms = pawl_read_int(reader); break;
        case FIELD_PROGRESS: event->progress = pawl_read_bytes(reader); break;
        case FIELD_PATCHES: event->patches = pawl_read_bytes(reader); break;
        case FIELD_RERUN_OF: event->rerun_of = pawl_read_bytes(reader); break;
        case FIELD_TAGS: event->tags = pawl_read_bytes(reader); break;
        case FIELD_ATTEMPTS: event->attempts = (uint32_t)pawl_read_uint(reader, UINT32_MAX); break;
        default: pawl_read_skip(reader); break;
        }
    }
}

pawl_err pawl_history_event_decode(struct pawl_bytes bytes, struct pawl_history_event *ret_event)
{
    struct pawl_reader reader;
    pawl_reader_init(&reader, bytes);

    uint32_t count = pawl_read_array(&reader, EVENT_ELEMENTS_MAX);
    if (count < EVENT_ELEMENTS) return PAWL_E_CORRUPT;
    if (pawl_read_uint(&reader, UINT32_MAX) != EVENT_FORMAT) return PAWL_E_CORRUPT;
    int kind = (int)pawl_read_uint(&reader, INT32_MAX);
    if (!pawl_event_kind_name(kind)) return PAWL_E_CORRUPT;

    struct pawl_history_event event =
        pawl_history_event_make((enum pawl_event_kind)kind, pawl_read_int(&reader));
    event_read_fields(&reader, &event);
    for (uint32_t i = EVENT_ELEMENTS; i < count; i++) pawl_read_skip(&reader);
    if (pawl_reader_finish(&reader) != PAWL_OK) return PAWL_E_CORRUPT;
    *ret_event = event;
    return PAWL_OK;
}

int pawl_history_event_kind(struct pawl_bytes bytes)
{
    struct pawl_reader reader;
    pawl_reader_init(&reader, bytes);
    if (pawl_read_array(&reader, EVENT_ELEMENTS_MAX) < EVENT_ELEMENTS) return 0;
    if (pawl_read_uint(&reader, UINT32_MAX) != EVENT_FORMAT) return 0;
    int kind = (int)pawl_read_uint(&reader, INT32_MAX);
    return pawl_event_kind_name(kind) ? kind : 0;
}

struct pawl_bytes pawl_history_event_restamp(struct pawl_arena *arena, struct pawl_bytes bytes,
                                             int64_t not_before_ms)
{
    struct pawl_history_event event;
    pawl_err err = pawl_history_event_decode(bytes, &event);
    PAWL_ASSERT(err == PAWL_OK);
    if (event.timestamp_ms >= not_before_ms) return pawl_arena_copy(arena, bytes);
    event.timestamp_ms = not_before_ms;
    return pawl_history_event_pack(arena, &event);
}

/* Patches ---------------------------------------------------------------------- */

struct pawl_bytes pawl_patches_pack(struct pawl_arena *arena, uint32_t count,
                                    const struct pawl_bytes *names)
{
    size_t size_max = 1;
    for (uint32_t i = 0; i < count; i++) size_max += BYTES_HEAD_SIZE_MAX + names[i].size;
    struct pawl_buf buf = buf_in_arena(arena, size_max);
    for (uint32_t i = 0; i < count; i++) pawl_write_bytes(&buf, names[i]);
    return buf_finish(&buf);
}

bool pawl_patches_next(struct pawl_bytes patches, size_t *cursor, struct pawl_bytes *ret_name)
{
    if (*cursor >= patches.size) return false;
    struct pawl_reader reader;
    pawl_reader_init(&reader, pawl_bytes_make(patches.data + *cursor, patches.size - *cursor));
    struct pawl_bytes name = pawl_read_bytes(&reader);
    if (reader.err != PAWL_OK || !pawl_name_is_valid(name, PAWL_NAME_SIZE_MAX)) return false;
    *cursor = (size_t)(reader.next - patches.data);
    *ret_name = name;
    return true;
}

/* Names ------------------------------------------------------------------------ */

const char *pawl_event_kind_name(int kind)
{
    switch (kind) {
#define X(name, value, text) \
    case value: return text;
        PAWL_EVENT_KIND_MAP(X)
#undef X
    default: return NULL;
    }
}

const char *pawl_status_name(int status)
{
    switch (status) {
#define X(name, value, terminal) \
    case value: return #name;
        PAWL_STATUS_MAP(X)
#undef X
    default: return NULL;
    }
}

bool pawl_status_is_terminal(enum pawl_status status)
{
    switch (status) {
#define X(name, value, terminal) \
    case PAWL_STATUS_##name: return terminal;
        PAWL_STATUS_MAP(X)
#undef X
    case PAWL_STATUS_COUNT: break;
    }
    return false;
}

/* `upper` is in capitals. The C library's comparison would depend on the locale. */
static bool text_is_any_case(struct pawl_bytes text, const char *upper)
{
    if (text.size != strlen(upper)) return false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        if (byte >= 'a' && byte <= 'z') byte = (uint8_t)(byte - 'a' + 'A');
        if (byte != (uint8_t)upper[i]) return false;
    }
    return true;
}

bool pawl_status_parse(struct pawl_bytes text, enum pawl_status *ret_status)
{
    for (int status = 0; status < PAWL_STATUS_COUNT; status++) {
        if (!text_is_any_case(text, pawl_status_name(status))) continue;
        *ret_status = (enum pawl_status)status;
        return true;
    }
    return false;
}
