#include "sdk/change.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/codec.h"
#include "base/limits.h"

#define FIELDS     11u
#define FIELDS_MAX 64u /* a later version may append some */

struct pawl_bytes pawl_lifecycle_event_pack(struct pawl_arena *arena,
                                            const struct pawl_lifecycle_event *event)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_FRAME_SIZE_MAX);
    pawl_write_array(&buf, FIELDS);
    pawl_write_uint(&buf, event->partition);
    pawl_write_uint(&buf, event->number);
    pawl_write_int(&buf, event->at_ms);
    pawl_write_uint(&buf, event->what);
    pawl_write_uint(&buf, (uint64_t)event->status);
    pawl_write_uint(&buf, event->gen);
    pawl_write_uint(&buf, event->turn);
    pawl_write_id(&buf, event->inc);
    pawl_write_bytes(&buf, event->instance);
    pawl_write_bytes(&buf, event->name);
    pawl_write_bytes(&buf, event->custom_status);
    PAWL_ASSERT(buf.bad == PAWL_OK);
    struct pawl_bytes packed = pawl_arena_copy(arena, pawl_buf_view(&buf));
    pawl_buf_deinit(&buf);
    return packed;
}

pawl_err pawl_lifecycle_event_unpack(struct pawl_bytes bytes,
                                     struct pawl_lifecycle_event *ret_event)
{
    struct pawl_reader reader;
    pawl_reader_init(&reader, bytes);
    uint32_t fields = pawl_read_array(&reader, FIELDS_MAX);
    if (fields < FIELDS) return PAWL_E_PROTOCOL;
    *ret_event = (struct pawl_lifecycle_event){
        .partition = (uint32_t)pawl_read_uint(&reader, PAWL_PARTITIONS_MAX - 1),
    };
    ret_event->number = pawl_read_uint(&reader, UINT64_MAX);
    ret_event->at_ms = pawl_read_int(&reader);
    ret_event->what = (uint32_t)pawl_read_uint(&reader, UINT32_MAX);
    ret_event->status = (enum pawl_status)pawl_read_uint(&reader, PAWL_STATUS_COUNT - 1);
    ret_event->gen = (uint32_t)pawl_read_uint(&reader, UINT32_MAX);
    ret_event->turn = (uint32_t)pawl_read_uint(&reader, UINT32_MAX);
    ret_event->inc = pawl_read_id(&reader);
    ret_event->instance = pawl_read_bytes(&reader);
    ret_event->name = pawl_read_bytes(&reader);
    ret_event->custom_status = pawl_read_bytes(&reader);
    for (uint32_t i = FIELDS; i < fields; i++) pawl_read_skip(&reader);
    bool is_named = ret_event->instance.size > 0;
    return pawl_reader_finish(&reader) == PAWL_OK && is_named ? PAWL_OK : PAWL_E_PROTOCOL;
}
