/* Errors: failing, retrying, catching. See errors_test.c for what comes of it. */
#ifndef PAWL_EXAMPLE_ERRORS_H
#define PAWL_EXAMPLE_ERRORS_H

#include <pawl/activity.h>
#include <pawl/workflow.h>

/* Input: a card number; the outcome follows from its first character. */
pawl_err charge_card(struct pawl_activity_ctx *ctx, struct pawl_bytes card);

/* Input: a card number. Output: a receipt, or what to ask the customer. */
pawl_err pay(struct pawl_workflow_ctx *ctx, struct pawl_bytes card);

#endif /* PAWL_EXAMPLE_ERRORS_H */
