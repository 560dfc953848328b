/* Http json: what several answers have. */
#ifndef PAWL_SIDECAR_HTTP_JSON_H
#define PAWL_SIDECAR_HTTP_JSON_H

#include "base/json.h"

/* The object by which every error is told: errorCode, message. */
void pawl_http_write_problem(struct pawl_json *json, const char *code, struct pawl_bytes message);

#endif /* PAWL_SIDECAR_HTTP_JSON_H */
