/* Http json: members that several answers have. What is not there is left out. */
#ifndef PAWL_SIDECAR_HTTP_JSON_H
#define PAWL_SIDECAR_HTTP_JSON_H

#include "base/json.h"
#include "pawl/types.h"

/* Absent: left out; an empty one is written. */
void pawl_http_write_text(struct pawl_json *json, const char *key, struct pawl_bytes text);

/* Zero: left out. */
void pawl_http_write_id(struct pawl_json *json, const char *key, struct pawl_id id);

/* As a date; 0: left out. */
void pawl_http_write_time(struct pawl_json *json, const char *key, int64_t unix_ms);

/* As a date, 0 as well: where a reader needs the member. */
void pawl_http_write_moment(struct pawl_json *json, const char *key, int64_t unix_ms);

/* The object by which every error is told: errorCode, message. */
void pawl_http_write_problem(struct pawl_json *json, const char *code, struct pawl_bytes message);

#endif /* PAWL_SIDECAR_HTTP_JSON_H */
