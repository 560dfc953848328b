#include "base/io/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/io/clock.h"
#include "base/json.h"
#include "base/timetext.h"

#define LINE_SIZE_MAX (16u << 10)
#define TIME_SIZE     24u /* with milliseconds: "2026-03-01T12:00:00.123Z" */

static bool log_json; /* set once, before any thread starts */

static void time_text(char ret_text[PAWL_TIMETEXT_SIZE])
{
    pawl_timetext_format(pawl_clock_ms(CLOCK_REALTIME), ret_text);
    ret_text[TIME_SIZE - 1] = 'Z';
    ret_text[TIME_SIZE] = 0;
}

/* In quotes, on one line, whatever is in it. */
static void append_quoted(struct pawl_buf *buf, const char *text)
{
    pawl_buf_append_str(buf, "\"");
    for (const char *c = text; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte == '"' || byte == '\\') {
            pawl_buf_printf(buf, "\\%c", byte);
        } else if (byte < 0x20 || byte == 0x7f) {
            pawl_buf_printf(buf, "\\x%02x", byte);
        } else {
            pawl_buf_append(buf, c, 1);
        }
    }
    pawl_buf_append_str(buf, "\"");
}

static void line_text(struct pawl_buf *buf, const char *time, enum pawl_log_level level,
                      const char *part, const char *text)
{
    pawl_buf_printf(buf, "time=%s level=%s part=%s msg=", time, pawl_log_level_name(level), part);
    append_quoted(buf, text);
}

static void line_json(struct pawl_buf *buf, const char *time, enum pawl_log_level level,
                      const char *part, const char *text)
{
    struct pawl_json json;
    pawl_json_init(&json, buf);
    pawl_json_object_begin(&json);
    pawl_json_key(&json, "time");
    pawl_json_str(&json, time);
    pawl_json_key(&json, "level");
    pawl_json_str(&json, pawl_log_level_name(level));
    pawl_json_key(&json, "part");
    pawl_json_str(&json, part);
    pawl_json_key(&json, "msg");
    pawl_json_text(&json, pawl_bytes_str(text));
    pawl_json_object_end(&json);
}

static void write_line(const struct pawl_buf *buf)
{
    size_t written = 0;
    while (written < buf->size) {
        ssize_t n = write(STDERR_FILENO, buf->data + written, buf->size - written);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return; /* nobody reads the log: nothing better to do than to go on */
        written += (size_t)n;
    }
}

static void log_sink(void *context, enum pawl_log_level level, const char *part, const char *text)
{
    (void)context;
    char time[PAWL_TIMETEXT_SIZE];
    time_text(time);
    struct pawl_buf buf;
    pawl_buf_init(&buf, LINE_SIZE_MAX);
    if (log_json) {
        line_json(&buf, time, level, part, text);
    } else {
        line_text(&buf, time, level, part, text);
    }
    pawl_buf_append_str(&buf, "\n");
    write_line(&buf);
    pawl_buf_deinit(&buf);
}

void pawl_log_open(enum pawl_log_level level, bool json)
{
    log_json = json;
    pawl_log_set(level, log_sink, NULL);
}
