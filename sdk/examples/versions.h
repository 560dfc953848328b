/* Versions: a workflow that has changed while instances of the old one run. */
#ifndef PAWL_EXAMPLE_VERSIONS_H
#define PAWL_EXAMPLE_VERSIONS_H

#include <pawl/workflow.h>

pawl_err order_1(struct pawl_workflow_ctx *ctx, struct pawl_bytes order);
pawl_err order_2(struct pawl_workflow_ctx *ctx, struct pawl_bytes order);
pawl_err shipping(struct pawl_workflow_ctx *ctx, struct pawl_bytes order);

#endif /* PAWL_EXAMPLE_VERSIONS_H */
