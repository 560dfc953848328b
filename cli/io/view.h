/* View: the sidecar's JSON as text for people. */
#ifndef PAWL_CLI_IO_VIEW_H
#define PAWL_CLI_IO_VIEW_H

#include <jansson.h>

#include "base/buf.h"

/* `width`: of the terminal; 0: do not cut. */
void pawl_view_list(json_t *workflows, uint32_t width, struct pawl_buf *buf);

/* Stalled ones: since when and why. */
void pawl_view_dead_letters(json_t *workflows, uint32_t width, struct pawl_buf *buf);
void pawl_view_state(json_t *state, uint32_t width, struct pawl_buf *buf);
void pawl_view_history(json_t *events, uint32_t width, struct pawl_buf *buf);

void pawl_view_schedules(json_t *schedules, uint32_t width, struct pawl_buf *buf);
void pawl_view_schedule(json_t *schedule, uint32_t width, struct pawl_buf *buf);

/* `answer`: of the placement service. */
void pawl_view_members(json_t *answer, uint32_t width, struct pawl_buf *buf);
void pawl_view_owners(json_t *answer, uint32_t width, struct pawl_buf *buf);

/* As it came, indented, with a newline. */
void pawl_view_json(json_t *json, struct pawl_buf *buf);

#endif /* PAWL_CLI_IO_VIEW_H */
