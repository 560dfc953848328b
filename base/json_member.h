/* Json member: members of objects that are written in many places. What is not there is left
 * out. */
#ifndef PAWL_BASE_JSON_MEMBER_H
#define PAWL_BASE_JSON_MEMBER_H

#include "base/json.h"
#include "pawl/types.h"

/* Absent: left out; an empty one is written. */
void pawl_json_member_text(struct pawl_json *json, const char *key, struct pawl_bytes text);

/* Zero: left out. */
void pawl_json_member_id(struct pawl_json *json, const char *key, struct pawl_id id);

/* As a date; 0: left out. */
void pawl_json_member_time(struct pawl_json *json, const char *key, int64_t unix_ms);

/* As a date, 0 as well: where a reader needs the member. */
void pawl_json_member_moment(struct pawl_json *json, const char *key, int64_t unix_ms);

#endif /* PAWL_BASE_JSON_MEMBER_H */
