#include "versions.h"

/* As it was deployed first. Stays as long as instances of it run. */
pawl_err order_1(struct pawl_workflow_ctx *ctx, struct pawl_bytes order)
{
    pawl_err err = pawl_call_activity(ctx, "reserve", order, NULL, NULL);
    if (!err) err = pawl_sleep(ctx, 60 * 1000);
    if (!err) err = pawl_call_activity(ctx, "charge", order, NULL, NULL);
    return err;
}

/* With one step more. */
pawl_err order_2(struct pawl_workflow_ctx *ctx, struct pawl_bytes order)
{
    pawl_err err = pawl_call_activity(ctx, "reserve", order, NULL, NULL);
    if (!err) err = pawl_sleep(ctx, 60 * 1000);
    if (!err) err = pawl_call_activity(ctx, "check_fraud", order, NULL, NULL);
    if (!err) err = pawl_call_activity(ctx, "charge", order, NULL, NULL);
    return err;
}

/* One function for both: an order that passed here before the change goes the old way. */
pawl_err shipping(struct pawl_workflow_ctx *ctx, struct pawl_bytes order)
{
    pawl_err err = pawl_call_activity(ctx, "pack", order, NULL, NULL);
    if (!err && pawl_patched(ctx, "insurance"))
        err = pawl_call_activity(ctx, "insure", order, NULL, NULL);
    if (!err) err = pawl_call_activity(ctx, "hand_over", order, NULL, NULL);
    return err;
}
