/* Subscription: workflows of an app, apart from its main function, so that a test can run
 * them too: see subscription_test.c. */
#ifndef PAWL_EXAMPLE_SUBSCRIPTION_H
#define PAWL_EXAMPLE_SUBSCRIPTION_H

#include <pawl/workflow.h>

/* Input: the customer. A month for free with a reminder each week, then a charge each month
 * until the event "cancel" comes. Output: why it ended. */
pawl_err subscription(struct pawl_workflow_ctx *ctx, struct pawl_bytes customer);

#endif /* PAWL_EXAMPLE_SUBSCRIPTION_H */
