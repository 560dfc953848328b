/* Event lines: server-sent events, from the bytes of a stream to whole events. */
#ifndef PAWL_CLI_EVENT_LINES_H
#define PAWL_CLI_EVENT_LINES_H

#include "base/buf.h"

struct pawl_event_lines {
    struct pawl_buf line; /* not whole yet */
    struct pawl_buf event;
    struct pawl_buf data;
    struct pawl_buf id; /* the last one, ended by a zero; at most PAWL_POSITION_SIZE_MAX */
};

void pawl_event_lines_init(struct pawl_event_lines *lines);
void pawl_event_lines_deinit(struct pawl_event_lines *lines);

/* Begin anew on another connection; the last id stays. */
void pawl_event_lines_reset(struct pawl_event_lines *lines);

/* One whole event; the views live until it returns. An absent `data`: only the id is new.
 * False: no more of them. */
typedef bool pawl_on_event(void *context, struct pawl_bytes event, struct pawl_bytes data);

/* Take some bytes of the stream. False: on_event wants no more, or a line or an id is too
 * long; the last id stays. */
bool pawl_event_lines_take(struct pawl_event_lines *lines, struct pawl_bytes bytes,
                           pawl_on_event *on_event, void *context);

#endif /* PAWL_CLI_EVENT_LINES_H */
