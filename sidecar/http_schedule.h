/* Http schedule: what is known of a schedule, as JSON. */
#ifndef PAWL_SIDECAR_HTTP_SCHEDULE_H
#define PAWL_SIDECAR_HTTP_SCHEDULE_H

#include "base/json.h"
#include "sidecar/http_reply.h"

/* `state` is of the instance that a schedule is (sdk/schedule.h). */
void pawl_http_schedule_write(struct pawl_json *json, const struct pawl_instance_state *state);

/* {"scheduleID":…} */
void pawl_http_schedule_write_id(struct pawl_json *json, struct pawl_bytes instance);

/* The errors that speak of instances otherwise. False: it is none of these. */
bool pawl_http_schedule_problem(struct pawl_http_reply *reply, enum pawl_http_route route,
                                const struct pawl_request *request, pawl_err err);

#endif /* PAWL_SIDECAR_HTTP_SCHEDULE_H */
