/* Export write: an instance and its history as JSON, as HTTP shows them and an export holds
 * them. docs/HTTP.md names the fields. */
#ifndef PAWL_SDK_EXPORT_WRITE_H
#define PAWL_SDK_EXPORT_WRITE_H

#include "base/json.h"
#include "sdk/request.h"

/* What stands before the events: the instance as the answer to a HISTORY request has it. */
void pawl_export_write_head(struct pawl_json *json, struct pawl_bytes instance,
                            const struct pawl_instance_state *state);

/* `key` and an array of events, of which the first has this index. */
void pawl_export_write_events(struct pawl_json *json, const char *key, uint32_t index,
                              const struct pawl_bytes *events, uint32_t count);

/* `encoded` is a stored event; one that cannot be read is shown as such, so that the
 * rest of a damaged history can still be looked at. */
void pawl_export_write_event(struct pawl_json *json, uint32_t index, struct pawl_bytes encoded);

/* How many of the events of an answer to a HISTORY request are of the history: behind them come
 * those that wait. */
uint32_t pawl_export_history_count(const struct pawl_request *request,
                                   const struct pawl_answer *answer);

/* {"errorType":…,"errorMessage":…,"stackTrace":…,"isNonRetriable":…,"innerFailure":{…}} */
void pawl_export_write_failure(struct pawl_json *json, const struct pawl_failure_view *failure);

/* "tags":{key:value,…}, unless there are none. */
void pawl_export_write_tags(struct pawl_json *json, struct pawl_bytes tags);

#endif /* PAWL_SDK_EXPORT_WRITE_H */
