#include "actors/seed.h"

#include "base/bytes.h"
#include "base/codec.h"
#include "base/limits.h"
#include "sdk/history.h"

enum { FIELDS = 8, FIELDS_OF_RERUN = FIELDS + 1, FIELDS_OF_IMPORT = FIELDS_OF_RERUN + 5 };

static void import_write(struct pawl_buf *buf, const struct pawl_seed *seed)
{
    pawl_write_uint(buf, (uint64_t)seed->status);
    pawl_write_int(buf, seed->started_ms);
    pawl_write_int(buf, seed->updated_ms);
    pawl_write_int(buf, seed->completed_ms);
    pawl_write_bytes(buf, seed->custom_status);
}

static void import_read(struct pawl_reader *reader, struct pawl_seed *seed)
{
    seed->is_import = true;
    seed->status = (enum pawl_status)pawl_read_uint(reader, PAWL_STATUS_COUNT - 1);
    seed->started_ms = pawl_read_int(reader);
    seed->updated_ms = pawl_read_int(reader);
    seed->completed_ms = pawl_read_int(reader);
    seed->custom_status = pawl_read_bytes(reader);
}

bool pawl_seed_is_settled(const struct pawl_seed *seed)
{
    return seed->is_import && seed->status != PAWL_STATUS_RUNNING;
}

struct pawl_bytes pawl_seed_pack(struct pawl_arena *arena, const struct pawl_seed *seed)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_SEED_SIZE_MAX);
    pawl_write_array(&buf, seed->is_import ? FIELDS_OF_IMPORT : FIELDS_OF_RERUN);
    pawl_write_uint(&buf, seed->past_count);
    pawl_write_array(&buf, seed->events_count);
    for (uint32_t i = 0; i < seed->events_count; i++) pawl_write_bytes(&buf, seed->events[i]);
    pawl_write_array(&buf, seed->reopened_count);
    for (uint32_t i = 0; i < seed->reopened_count; i++) pawl_write_uint(&buf, seed->reopened[i]);
    pawl_write_bool(&buf, seed->has_change);
    pawl_write_int(&buf, seed->change_id);
    pawl_write_bool(&buf, seed->change_input);
    pawl_write_bytes(&buf, seed->input);
    pawl_write_bytes(&buf, seed->child);
    pawl_write_bytes(&buf, seed->rerun_of);
    if (seed->is_import) import_write(&buf, seed);
    struct pawl_bytes packed = PAWL_BYTES_ABSENT;
    if (buf.bad == PAWL_OK) packed = pawl_arena_copy(arena, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
    return packed;
}

static bool call_is_one(struct pawl_bytes bytes)
{
    struct pawl_history_event event;
    if (pawl_history_event_decode(bytes, &event) != PAWL_OK) return false;
    return event.id >= 0
           && (event.kind == PAWL_EVENT_TASK_SCHEDULED || event.kind == PAWL_EVENT_TIMER_CREATED
               || event.kind == PAWL_EVENT_CHILD_CREATED);
}

static bool import_is_sound(const struct pawl_seed *seed)
{
    struct pawl_history_event last;
    if (seed->status == PAWL_STATUS_RUNNING || seed->status == PAWL_STATUS_SUSPENDED) return true;
    if (!pawl_status_is_terminal(seed->status) || seed->reopened_count > 0) return false;
    return seed->past_count == seed->events_count
           && pawl_history_event_decode(seed->events[seed->events_count - 1], &last) == PAWL_OK
           && last.kind == PAWL_EVENT_EXECUTION_COMPLETED;
}

static bool seed_is_sound(const struct pawl_seed *seed)
{
    struct pawl_history_event event;
    if (seed->events_count == 0 || seed->past_count > seed->events_count) return false;
    for (uint32_t i = 0; i < seed->events_count; i++)
        if (pawl_history_event_decode(seed->events[i], &event) != PAWL_OK) return false;
    for (uint32_t i = 0; i < seed->reopened_count; i++) {
        if (seed->reopened[i] >= seed->past_count) return false;
        if (i > 0 && seed->reopened[i] <= seed->reopened[i - 1]) return false;
        if (!call_is_one(seed->events[seed->reopened[i]])) return false;
    }
    return !seed->is_import || import_is_sound(seed);
}

pawl_err pawl_seed_unpack(struct pawl_arena *arena, struct pawl_bytes bytes,
                          struct pawl_seed *ret_seed)
{
    struct pawl_reader reader;
    struct pawl_seed seed = { .past_count = 0 };
    pawl_reader_init(&reader, bytes);
    uint32_t fields = pawl_read_array(&reader, 16);
    seed.past_count = (uint32_t)pawl_read_uint(&reader, PAWL_SEED_EVENTS_MAX);
    seed.events_count = pawl_read_array(&reader, PAWL_SEED_EVENTS_MAX);
    seed.events = PAWL_ARENA_ARRAY(arena, struct pawl_bytes, seed.events_count);
    for (uint32_t i = 0; i < seed.events_count; i++) seed.events[i] = pawl_read_bytes(&reader);
    seed.reopened_count = pawl_read_array(&reader, PAWL_SEED_EVENTS_MAX);
    seed.reopened = PAWL_ARENA_ARRAY(arena, uint32_t, seed.reopened_count);
    for (uint32_t i = 0; i < seed.reopened_count; i++)
        seed.reopened[i] = (uint32_t)pawl_read_uint(&reader, PAWL_SEED_EVENTS_MAX);
    seed.has_change = pawl_read_bool(&reader);
    seed.change_id = (int32_t)pawl_read_int(&reader);
    seed.change_input = pawl_read_bool(&reader);
    seed.input = pawl_read_bytes(&reader);
    seed.child = pawl_read_bytes(&reader);
    if (fields >= FIELDS_OF_RERUN) seed.rerun_of = pawl_read_bytes(&reader);
    if (fields >= FIELDS_OF_IMPORT) import_read(&reader, &seed);
    /* One with some fields of an import more than a rerun's is of no version. */
    bool is_known = fields <= FIELDS_OF_RERUN || fields >= FIELDS_OF_IMPORT;
    for (uint32_t i = FIELDS_OF_IMPORT; i < fields; i++) pawl_read_skip(&reader);
    if (pawl_reader_finish(&reader) != PAWL_OK || fields < FIELDS || !is_known
        || !seed_is_sound(&seed))
        return PAWL_E_CORRUPT;
    *ret_seed = seed;
    return PAWL_OK;
}
