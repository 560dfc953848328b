/* Json: a streaming writer. No tree: what is written goes straight to a pawl_buf.
 *
 * The caller begins, writes keys and values in order, and ends; commas are put by
 * the writer. Errors stay in the buf. Text that is not UTF-8 cannot be shown in
 * JSON: pawl_json_payload then writes base64 under a key that says so.
 */
#ifndef PAWL_BASE_JSON_H
#define PAWL_BASE_JSON_H

#include "base/buf.h"

struct pawl_json {
    struct pawl_buf *buf;
    uint32_t depth; /* open objects and arrays */
    bool comma;     /* a value stands before the next one */
};

void pawl_json_init(struct pawl_json *json, struct pawl_buf *buf);

void pawl_json_object_begin(struct pawl_json *json);
void pawl_json_object_end(struct pawl_json *json);
void pawl_json_array_begin(struct pawl_json *json);
void pawl_json_array_end(struct pawl_json *json);

/* The next value belongs to this key. `key` is plain ASCII of ours. */
void pawl_json_key(struct pawl_json *json, const char *key);
/* The same with a key of any text. */
void pawl_json_key_text(struct pawl_json *json, struct pawl_bytes key);

/* A string. Each byte that is not part of well-formed UTF-8 becomes U+FFFD. */
void pawl_json_text(struct pawl_json *json, struct pawl_bytes text);
void pawl_json_str(struct pawl_json *json, const char *text); /* null when NULL */
void pawl_json_int(struct pawl_json *json, int64_t value);
void pawl_json_uint(struct pawl_json *json, uint64_t value);
void pawl_json_bool(struct pawl_json *json, bool value);
void pawl_json_null(struct pawl_json *json);

/* `key` and a payload: as a string when it is UTF-8, else as base64 under the key
 * with "Base64" behind it. Nothing at all when it is absent. */
void pawl_json_payload(struct pawl_json *json, const char *key, struct pawl_bytes payload);

/* Standard base64 with padding, or the URL-safe alphabet without. */
void pawl_base64_encode(struct pawl_buf *buf, struct pawl_bytes bytes, bool url);

/* Append the decoded bytes. False (and nothing appended) when `text` is not base64 in
 * that form. */
bool pawl_base64_decode(struct pawl_buf *buf, struct pawl_bytes text, bool url);

#endif /* PAWL_BASE_JSON_H */
