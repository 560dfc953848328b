/* Http events: the lifecycle stream as server-sent events (docs/EVENTS.md). */
#ifndef PAWL_SIDECAR_HTTP_EVENTS_H
#define PAWL_SIDECAR_HTTP_EVENTS_H

#include "base/buf.h"
#include "sdk/request.h"

/* What one answer to a WATCH has: gap, state or absent, changes; the last block has the
 * position as its id. `is_first`: the stream begins with it, without a position. */
void pawl_http_events_write(struct pawl_buf *buf, const struct pawl_request *request, bool is_first,
                            const struct pawl_answer *answer);

/* The last event of a stream that the sidecar ends: why, and that it can be resumed. */
void pawl_http_events_write_end(struct pawl_buf *buf, const char *code, struct pawl_bytes message);

#endif /* PAWL_SIDECAR_HTTP_EVENTS_H */
