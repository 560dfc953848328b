/* Small parsers of text: ids, UTF-8, base64, times and durations. What parses must
 * come back when it is written and parsed again. */
#include "fuzz.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/json.h"
#include "base/timetext.h"

static void check_id(struct pawl_bytes text)
{
    struct pawl_id id, again;
    if (!pawl_id_parse(text, &id)) return;
    PAWL_ASSERT(text.size == 32);
    char formatted[PAWL_ID_TEXT_SIZE];
    pawl_id_format(id, formatted);
    PAWL_ASSERT(pawl_id_parse(pawl_bytes_str(formatted), &again));
    PAWL_ASSERT(pawl_id_is_equal(id, again));
}

static void check_name(struct pawl_bytes text)
{
    if (!pawl_name_is_valid(text, 256)) return;
    PAWL_ASSERT(text.size >= 1);
    PAWL_ASSERT(text.size <= 256);
    PAWL_ASSERT(pawl_utf8_is_valid(text));
}

static void check_base64(struct pawl_bytes bytes, bool url)
{
    struct pawl_buf encoded, decoded;
    pawl_buf_init(&encoded, 1u << 20);
    pawl_buf_init(&decoded, 1u << 20);
    pawl_base64_encode(&encoded, bytes, url);
    PAWL_ASSERT(pawl_base64_decode(&decoded, pawl_buf_view(&encoded), url));
    PAWL_ASSERT(pawl_bytes_is_equal(pawl_buf_view(&decoded), bytes));
    pawl_buf_clear(&decoded);
    if (!pawl_base64_decode(&decoded, bytes, url)) PAWL_ASSERT(decoded.size == 0);
    pawl_buf_deinit(&encoded);
    pawl_buf_deinit(&decoded);
}

static void check_time(struct pawl_bytes text)
{
    int64_t time_ms = 0, again_ms = 0, duration_ms = 0;
    if (pawl_timetext_parse(text, &time_ms)) {
        char formatted[PAWL_TIMETEXT_SIZE];
        pawl_timetext_format(time_ms, formatted);
        PAWL_ASSERT(pawl_timetext_parse(pawl_bytes_str(formatted), &again_ms));
        /* An offset can lead just outside the years that can be shown. */
        bool is_shown = time_ms >= INT64_C(-62167219200000) && time_ms < INT64_C(253402300800000);
        PAWL_ASSERT(PAWL_IMPLIES(is_shown, again_ms == time_ms));
    }
    if (pawl_timetext_parse_duration(text, &duration_ms)) PAWL_ASSERT(duration_ms >= 0);
}

static void check_json(struct pawl_bytes text)
{
    struct pawl_buf buf;
    struct pawl_json json;
    pawl_buf_init(&buf, 1u << 20);
    pawl_json_init(&json, &buf);
    pawl_json_object_begin(&json);
    pawl_json_payload(&json, "payload", text);
    pawl_json_key(&json, "text");
    pawl_json_text(&json, text);
    pawl_json_object_end(&json);
    PAWL_ASSERT(buf.bad == PAWL_OK);
    PAWL_ASSERT(pawl_utf8_is_valid(pawl_buf_view(&buf)));
    pawl_buf_deinit(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t nothing[1];
    struct pawl_bytes text = pawl_bytes_make(size ? data : nothing, size);
    check_id(text);
    check_name(text);
    check_base64(text, false);
    check_base64(text, true);
    check_time(text);
    check_json(text);
    return 0;
}
