#include "base/json.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/bytes.h"

void pawl_json_init(struct pawl_json *json, struct pawl_buf *buf)
{
    *json = (struct pawl_json){ .buf = buf };
}

static void json_separate(struct pawl_json *json)
{
    if (json->comma) pawl_buf_append(json->buf, ",", 1);
    json->comma = true;
}

static void json_begin(struct pawl_json *json, const char *bracket)
{
    json_separate(json);
    pawl_buf_append(json->buf, bracket, 1);
    json->depth++;
    json->comma = false;
}

static void json_end(struct pawl_json *json, const char *bracket)
{
    PAWL_ASSERT(json->depth > 0);
    pawl_buf_append(json->buf, bracket, 1);
    json->depth--;
    json->comma = true;
}

void pawl_json_object_begin(struct pawl_json *json)
{
    json_begin(json, "{");
}

void pawl_json_object_end(struct pawl_json *json)
{
    json_end(json, "}");
}

void pawl_json_array_begin(struct pawl_json *json)
{
    json_begin(json, "[");
}

void pawl_json_array_end(struct pawl_json *json)
{
    json_end(json, "]");
}

void pawl_json_key(struct pawl_json *json, const char *key)
{
    PAWL_ASSERT(json->depth > 0);
    json_separate(json);
    pawl_buf_append(json->buf, "\"", 1);
    pawl_buf_append_str(json->buf, key);
    pawl_buf_append(json->buf, "\":", 2);
    json->comma = false;
}

/* Size of the well-formed UTF-8 character at `text`; 0: there is none. */
static size_t utf8_character(struct pawl_bytes text)
{
    uint8_t first = text.data[0];
    size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (size > text.size) return 0;
    return pawl_utf8_is_valid(pawl_bytes_make(text.data, size)) ? size : 0;
}

static void json_escape(struct pawl_buf *buf, uint8_t c)
{
    switch (c) {
    case '"': pawl_buf_append(buf, "\\\"", 2); return;
    case '\\': pawl_buf_append(buf, "\\\\", 2); return;
    case '\n': pawl_buf_append(buf, "\\n", 2); return;
    case '\r': pawl_buf_append(buf, "\\r", 2); return;
    case '\t': pawl_buf_append(buf, "\\t", 2); return;
    default: pawl_buf_printf(buf, "\\u%04x", c);
    }
}

static bool json_is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

void pawl_json_text(struct pawl_json *json, struct pawl_bytes text)
{
    struct pawl_buf *buf = json->buf;
    json_separate(json);
    pawl_buf_append(buf, "\"", 1);
    for (size_t i = 0; i < text.size;) {
        size_t run = i;
        while (run < text.size && json_is_plain(text.data[run])) run++;
        pawl_buf_append(buf, text.data + i, run - i);
        i = run;
        if (i == text.size) break;

        if (text.data[i] < 0x80) {
            json_escape(buf, text.data[i++]);
            continue;
        }
        size_t size = utf8_character(pawl_bytes_make(text.data + i, text.size - i));
        if (size > 0)
            pawl_buf_append(buf, text.data + i, size);
        else
            pawl_buf_append(buf, "\xef\xbf\xbd", 3);
        i += size > 0 ? size : 1;
    }
    pawl_buf_append(buf, "\"", 1);
}

void pawl_json_str(struct pawl_json *json, const char *text)
{
    if (!text)
        pawl_json_null(json);
    else
        pawl_json_text(json, pawl_bytes_str(text));
}

void pawl_json_key_text(struct pawl_json *json, struct pawl_bytes key)
{
    PAWL_ASSERT(json->depth > 0);
    pawl_json_text(json, key);
    pawl_buf_append(json->buf, ":", 1);
    json->comma = false;
}

void pawl_json_int(struct pawl_json *json, int64_t value)
{
    json_separate(json);
    pawl_buf_printf(json->buf, "%" PRId64, value);
}

void pawl_json_uint(struct pawl_json *json, uint64_t value)
{
    json_separate(json);
    pawl_buf_printf(json->buf, "%" PRIu64, value);
}

void pawl_json_bool(struct pawl_json *json, bool value)
{
    json_separate(json);
    pawl_buf_append_str(json->buf, value ? "true" : "false");
}

void pawl_json_null(struct pawl_json *json)
{
    json_separate(json);
    pawl_buf_append_str(json->buf, "null");
}

void pawl_json_payload(struct pawl_json *json, const char *key, struct pawl_bytes payload)
{
    if (pawl_bytes_is_absent(payload)) return;
    if (pawl_utf8_is_valid(payload)) {
        pawl_json_key(json, key);
        pawl_json_text(json, payload);
        return;
    }
    json_separate(json);
    pawl_buf_printf(json->buf, "\"%sBase64\":\"", key);
    pawl_base64_encode(json->buf, payload, false);
    pawl_buf_append(json->buf, "\"", 1);
}

/* Base64 ------------------------------------------------------------------------ */

static const char base64_standard[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void pawl_base64_encode(struct pawl_buf *buf, struct pawl_bytes bytes, bool url)
{
    const char *alphabet = url ? base64_url : base64_standard;
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t size = bytes.size - i < 3 ? bytes.size - i : 3;
        uint32_t bits = (uint32_t)bytes.data[i] << 16;
        if (size > 1) bits |= (uint32_t)bytes.data[i + 1] << 8;
        if (size > 2) bits |= bytes.data[i + 2];

        char group[4] = { alphabet[bits >> 18], alphabet[bits >> 12 & 63], '=', '=' };
        if (size > 1) group[2] = alphabet[bits >> 6 & 63];
        if (size > 2) group[3] = alphabet[bits & 63];
        pawl_buf_append(buf, group, url ? size + 1 : 4);
    }
}

static int base64_value(uint8_t c, bool url)
{
    if (c == 0) return -1;
    const char *alphabet = url ? base64_url : base64_standard;
    const char *found = strchr(alphabet, c);
    return found ? (int)(found - alphabet) : -1;
}

bool pawl_base64_decode(struct pawl_buf *buf, struct pawl_bytes text, bool url)
{
    size_t before = buf->size;
    size_t size = text.size;
    if (!url) {
        if (size % 4 != 0) return false;
        if (size > 0 && text.data[size - 1] == '=') size--;
        if (size > 0 && text.data[size - 1] == '=') size--;
    }
    if (size % 4 == 1) return false;

    uint32_t bits = 0;
    uint32_t bits_count = 0;
    for (size_t i = 0; i < size; i++) {
        int value = base64_value(text.data[i], url);
        if (value < 0) {
            buf->size = before;
            return false;
        }
        bits = bits << 6 | (uint32_t)value;
        bits_count += 6;
        if (bits_count < 8) continue;
        bits_count -= 8;
        uint8_t byte = (uint8_t)(bits >> bits_count & 0xff);
        pawl_buf_append(buf, &byte, 1);
    }
    return true;
}
