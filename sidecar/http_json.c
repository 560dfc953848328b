#include "sidecar/http_json.h"

void pawl_http_write_problem(struct pawl_json *json, const char *code, struct pawl_bytes message)
{
    pawl_json_object_begin(json);
    pawl_json_key(json, "errorCode");
    pawl_json_str(json, code);
    pawl_json_key(json, "message");
    pawl_json_text(json, message);
    pawl_json_object_end(json);
}
