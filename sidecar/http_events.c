#include "sidecar/http_events.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/json_member.h"
#include "sdk/change.h"
#include "sidecar/http_json.h"
#include "sidecar/http_reply.h"

static void block_begin(struct pawl_buf *buf, const char *event)
{
    pawl_buf_printf(buf, "event: %s\ndata: ", event);
}

static void write_gap(struct pawl_buf *buf)
{
    struct pawl_json json;
    block_begin(buf, "gap");
    pawl_json_init(&json, buf);
    pawl_json_object_begin(&json);
    pawl_json_key(&json, "message");
    pawl_json_str(&json, "events behind your position are no longer kept; what follows is newer. "
                         "Read the present state of what you follow");
    pawl_json_object_end(&json);
    pawl_buf_append_str(buf, "\n");
}

static void write_present(struct pawl_buf *buf, const struct pawl_request *request,
                          const struct pawl_answer *answer)
{
    struct pawl_json json;
    block_begin(buf, answer->states_count ? "state" : "absent");
    pawl_json_init(&json, buf);
    if (answer->states_count) {
        pawl_http_state_write(&json, answer->states);
    } else {
        pawl_json_object_begin(&json);
        pawl_json_member_text(&json, "instanceID", request->instance);
        pawl_json_object_end(&json);
    }
    pawl_buf_append_str(buf, "\n");
}

static void write_what(struct pawl_json *json, uint32_t what)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = { { PAWL_CHANGE_CREATED, "created" },
                  { PAWL_CHANGE_STATUS, "status" },
                  { PAWL_CHANGE_CUSTOM_STATUS, "customStatus" },
                  { PAWL_CHANGE_CONTINUED, "continuedAsNew" },
                  { PAWL_CHANGE_PURGED, "purged" } };
    pawl_json_key(json, "what");
    pawl_json_array_begin(json);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (what & names[i].bit) pawl_json_str(json, names[i].name);
    pawl_json_array_end(json);
}

static void write_change(struct pawl_buf *buf, const struct pawl_lifecycle_event *event)
{
    struct pawl_json json;
    char key[40];
    (void)snprintf(key, sizeof key, "%" PRIu32 ":%" PRIu64, event->partition, event->number);
    block_begin(buf, "change");
    pawl_json_init(&json, buf);
    pawl_json_object_begin(&json);
    pawl_json_key(&json, "key");
    pawl_json_str(&json, key);
    pawl_json_member_moment(&json, "time", event->at_ms);
    pawl_json_member_text(&json, "instanceID", event->instance);
    pawl_json_member_text(&json, "workflowName", event->name);
    write_what(&json, event->what);
    pawl_json_key(&json, "runtimeStatus");
    pawl_json_str(&json, pawl_status_name((int)event->status));
    pawl_json_key(&json, "generation");
    pawl_json_uint(&json, event->gen);
    pawl_json_member_id(&json, "incarnation", event->inc);
    pawl_json_payload(&json, "customStatus", event->custom_status);
    if (event->what & PAWL_CHANGE_CUSTOM_OMITTED) {
        pawl_json_key(&json, "customStatusOmitted");
        pawl_json_bool(&json, true);
    }
    pawl_json_object_end(&json);
    pawl_buf_append_str(buf, "\n");
}

/* Between two blocks: the id belongs to the last one, so that whoever has not read all of
 * them gets them again. */
static void block_end(struct pawl_buf *buf, bool *begun)
{
    if (*begun) pawl_buf_append_str(buf, "\n");
    *begun = true;
}

void pawl_http_events_write(struct pawl_buf *buf, const struct pawl_request *request, bool is_first,
                            const struct pawl_answer *answer)
{
    bool begun = false;
    bool is_of_instance = !pawl_bytes_is_absent(request->instance);
    if (!answer->reached) {
        block_end(buf, &begun);
        write_gap(buf);
    }
    if (is_of_instance && (is_first || !answer->reached)) {
        block_end(buf, &begun);
        write_present(buf, request, answer);
    }
    for (uint32_t i = 0; i < answer->events_count; i++) {
        struct pawl_lifecycle_event event;
        if (pawl_lifecycle_event_unpack(answer->events[i], &event) != PAWL_OK) continue;
        block_end(buf, &begun);
        write_change(buf, &event);
    }
    if (!begun) pawl_buf_append_str(buf, ": nothing new\n");
    pawl_buf_append_str(buf, "id: ");
    pawl_buf_append(buf, answer->cursor.data, answer->cursor.size);
    pawl_buf_append_str(buf, "\n\n");
}

void pawl_http_events_write_end(struct pawl_buf *buf, const char *code, struct pawl_bytes message)
{
    struct pawl_json json;
    block_begin(buf, "end");
    pawl_json_init(&json, buf);
    pawl_http_write_problem(&json, code, message);
    pawl_buf_append_str(buf, "\n\n");
}
