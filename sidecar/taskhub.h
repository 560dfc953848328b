/* Taskhub: the durabletask protocol's service TaskHubSidecarService on one gRPC port, in
 * one of its dialects. Dapr's port also serves the workflow calls of Dapr's own API
 * (sidecar/taskhub_dapr.c).
 *
 * A call becomes one or more management calls (sidecar/api.h) and their answers become
 * its answer. Work items and what workers answer go to sidecar/grpc_worker.h. */
#ifndef PAWL_SIDECAR_TASKHUB_H
#define PAWL_SIDECAR_TASKHUB_H

#include "sidecar/grpc_worker.h"

struct pawl_taskhub;

/* Everything must outlive it. */
struct pawl_taskhub_config {
    enum pawl_dialect dialect;
    struct pawl_api *api;
    struct pawl_grpc_workers *workers;
};

struct pawl_taskhub *pawl_taskhub_new(const struct pawl_taskhub_config *config);

/* Its gRPC server must have been closed. NULL is fine. */
void pawl_taskhub_free(struct pawl_taskhub *hub);

/* What the server of the port serves; then tell which server that is, before the first
 * call. */
struct pawl_grpc_service pawl_taskhub_service(struct pawl_taskhub *hub);
void pawl_taskhub_attach(struct pawl_taskhub *hub, struct pawl_grpc *grpc);

#endif /* PAWL_SIDECAR_TASKHUB_H */
