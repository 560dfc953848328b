#include "cli/event_lines.h"

#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"

#define LINE_SIZE_MAX (1u << 20)

void pawl_event_lines_init(struct pawl_event_lines *lines)
{
    pawl_buf_init(&lines->line, LINE_SIZE_MAX);
    pawl_buf_init(&lines->event, LINE_SIZE_MAX);
    pawl_buf_init(&lines->data, LINE_SIZE_MAX);
    pawl_buf_init(&lines->id, PAWL_POSITION_SIZE_MAX + 1);
}

void pawl_event_lines_deinit(struct pawl_event_lines *lines)
{
    pawl_buf_deinit(&lines->line);
    pawl_buf_deinit(&lines->event);
    pawl_buf_deinit(&lines->data);
    pawl_buf_deinit(&lines->id);
}

void pawl_event_lines_reset(struct pawl_event_lines *lines)
{
    pawl_buf_clear(&lines->line);
    pawl_buf_clear(&lines->event);
    pawl_buf_clear(&lines->data);
}

/* "field: value"; the blank behind the colon is not part of it. */
static bool field_is(struct pawl_bytes line, const char *name, struct pawl_bytes *ret_value)
{
    size_t size = strlen(name);
    if (line.size < size || memcmp(line.data, name, size) != 0) return false;
    size_t skip = line.size > size && line.data[size] == ' ' ? size + 1 : size;
    *ret_value = pawl_bytes_make(line.data + skip, line.size - skip);
    return true;
}

static void keep(struct pawl_buf *buf, struct pawl_bytes value)
{
    pawl_buf_clear(buf);
    pawl_buf_append(buf, value.data, value.size);
}

static bool line_take(struct pawl_event_lines *lines, struct pawl_bytes line,
                      pawl_on_event *on_event, void *context)
{
    struct pawl_bytes value;
    if (line.size == 0) {
        bool goes_on = on_event(context, pawl_buf_view(&lines->event),
                                lines->data.size ? pawl_buf_view(&lines->data) : PAWL_BYTES_ABSENT);
        pawl_buf_clear(&lines->event);
        pawl_buf_clear(&lines->data);
        return goes_on;
    }
    if (field_is(line, "event:", &value)) keep(&lines->event, value);
    if (field_is(line, "data:", &value)) {
        if (lines->data.size) pawl_buf_append_str(&lines->data, "\n");
        pawl_buf_append(&lines->data, value.data, value.size);
    }
    if (field_is(line, "id:", &value)) {
        if (value.size > PAWL_POSITION_SIZE_MAX) return false;
        keep(&lines->id, value);
        pawl_buf_append(&lines->id, "", 1);
    }
    return true; /* comments and what is not known are passed over */
}

bool pawl_event_lines_take(struct pawl_event_lines *lines, struct pawl_bytes bytes,
                           pawl_on_event *on_event, void *context)
{
    while (bytes.size > 0) {
        const uint8_t *end = memchr(bytes.data, '\n', bytes.size);
        size_t size = end ? (size_t)(end - bytes.data) : bytes.size;
        pawl_buf_append(&lines->line, bytes.data, size);
        if (lines->line.bad != PAWL_OK) return false;
        size_t taken = end ? size + 1 : size;
        bytes = pawl_bytes_make(bytes.data + taken, bytes.size - taken);
        if (!end) continue;
        struct pawl_bytes line = pawl_buf_view(&lines->line);
        if (line.size > 0 && line.data[line.size - 1] == '\r') line.size--;
        bool goes_on = line_take(lines, line, on_event, context);
        pawl_buf_clear(&lines->line);
        if (!goes_on || lines->data.bad != PAWL_OK) return false;
    }
    return true;
}
