/* Http history: one history event as a JSON object. docs/HTTP.md names the fields. */
#ifndef PAWL_SIDECAR_HTTP_HISTORY_H
#define PAWL_SIDECAR_HTTP_HISTORY_H

#include "base/json.h"
#include "sdk/history.h"

/* `encoded` is a stored event; one that cannot be read is shown as such, so that the
 * rest of a damaged history can still be looked at. */
void pawl_http_history_write(struct pawl_json *json, uint32_t index, struct pawl_bytes encoded);

/* {"errorType":…,"errorMessage":…,"stackTrace":…,"isNonRetriable":…,"innerFailure":{…}} */
void pawl_http_failure_write(struct pawl_json *json, const struct pawl_failure_view *failure);

/* "tags":{key:value,…}, unless there are none. */
void pawl_http_tags_write(struct pawl_json *json, struct pawl_bytes tags);

#endif /* PAWL_SIDECAR_HTTP_HISTORY_H */
