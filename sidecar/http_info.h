/* Http info: what a sidecar says about itself: health, metadata, metrics. */
#ifndef PAWL_SIDECAR_HTTP_INFO_H
#define PAWL_SIDECAR_HTTP_INFO_H

#include "sidecar/api.h"
#include "sidecar/grpc.h"
#include "sidecar/http_reply.h"

/* Status codes by their first digit, 1xx to 5xx. */
#define PAWL_HTTP_CLASSES 6u

#define PAWL_HTTP_GRPC_PORTS_MAX 2u

/* Another front that is shown with this one. */
struct pawl_http_grpc_port {
    const char *name;                          /* of its dialect */
    const struct pawl_grpc_counters *counters; /* NULL: not there */
};

/* Counters of the front itself; PAWL_HTTP_ROUTE_NONE counts what matched no route. */
struct pawl_http_counters {
    uint64_t answers[PAWL_HTTP_ROUTE_COUNT][PAWL_HTTP_CLASSES];
    uint64_t cancelled_total; /* the client left before the answer */
    uint64_t received_bytes;  /* of bodies */
    uint64_t sent_bytes;
    uint32_t in_flight;
    struct pawl_http_grpc_port grpc[PAWL_HTTP_GRPC_PORTS_MAX];
};

/* From /proc/self; an io/ file reads it. A value that could not be read is -1. */
struct pawl_process_stats {
    double cpu_seconds;
    int64_t resident_bytes;
    int64_t open_fds;
    int64_t max_fds;
};

/* 204, or 503 with the reason. */
void pawl_http_health_reply(struct pawl_http_reply *reply, const struct pawl_api_info *info);

void pawl_http_metadata_reply(struct pawl_http_reply *reply, const struct pawl_api_info *info);

/* Prometheus text 0.0.4. `bounds` has PAWL_HISTOGRAM_BUCKETS - 1 entries. */
void pawl_http_metrics_reply(struct pawl_http_reply *reply, const struct pawl_api_info *info,
                             const struct pawl_http_counters *counters,
                             const struct pawl_process_stats *process, const double *bounds);

#endif /* PAWL_SIDECAR_HTTP_INFO_H */
