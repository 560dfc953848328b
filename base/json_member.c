#include "base/json_member.h"

#include "base/bytes.h"
#include "base/timetext.h"

void pawl_json_member_text(struct pawl_json *json, const char *key, struct pawl_bytes text)
{
    if (pawl_bytes_is_absent(text)) return;
    pawl_json_key(json, key);
    pawl_json_text(json, text);
}

void pawl_json_member_id(struct pawl_json *json, const char *key, struct pawl_id id)
{
    if (pawl_id_is_zero(id)) return;
    char text[PAWL_ID_TEXT_SIZE];
    pawl_id_format(id, text);
    pawl_json_key(json, key);
    pawl_json_str(json, text);
}

void pawl_json_member_time(struct pawl_json *json, const char *key, int64_t unix_ms)
{
    if (unix_ms != 0) pawl_json_member_moment(json, key, unix_ms);
}

void pawl_json_member_moment(struct pawl_json *json, const char *key, int64_t unix_ms)
{
    char text[PAWL_TIMETEXT_SIZE];
    pawl_timetext_format(unix_ms, text);
    pawl_json_key(json, key);
    pawl_json_str(json, text);
}
