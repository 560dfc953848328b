#include "subscription.h"

#include <string.h>

#define DAY_MS   (INT64_C(24) * 3600 * 1000)
#define WEEK_MS  (7 * DAY_MS)
#define MONTH_MS (30 * DAY_MS)

/* True when the customer cancels within that time. */
static pawl_err wait_or_cancel(struct pawl_workflow_ctx *ctx, int64_t ms, bool *ret_cancelled)
{
    pawl_err err = pawl_wait_for_event(ctx, "cancel", ms, NULL);
    *ret_cancelled = err == PAWL_OK;
    return err == PAWL_E_TIMEOUT ? PAWL_OK : err;
}

static pawl_err trial(struct pawl_workflow_ctx *ctx, struct pawl_bytes customer,
                      bool *ret_cancelled)
{
    for (int week = 1; week <= 4; week++) {
        pawl_err err = wait_or_cancel(ctx, WEEK_MS, ret_cancelled);
        if (err || *ret_cancelled) return err;
        err = pawl_call_activity(ctx, "send_reminder", customer, NULL, NULL);
        if (err) return err;
    }
    return PAWL_OK;
}

/* A charge that fails is tried again for two days, then the subscription ends. */
static pawl_err charge(struct pawl_workflow_ctx *ctx, struct pawl_bytes customer)
{
    static const struct pawl_retry retry = { .attempts_max = 100,
                                             .first_interval_ms = 60 * 60 * 1000,
                                             .backoff_coefficient = 2.0,
                                             .timeout_ms = 2 * DAY_MS };
    struct pawl_call_options options = { .retry = &retry };
    return pawl_call_activity(ctx, "charge", customer, &options, NULL);
}

pawl_err subscription(struct pawl_workflow_ctx *ctx, struct pawl_bytes customer)
{
    bool cancelled = false;
    pawl_err err = PAWL_OK;
    if (pawl_generation(ctx) == 1) err = trial(ctx, customer, &cancelled);
    if (!err && cancelled) return pawl_return(ctx, pawl_text("cancelled in the trial"));
    if (!err) err = charge(ctx, customer);
    if (err == PAWL_E_FAILED) return pawl_return(ctx, pawl_text("not paid"));
    if (!err) err = wait_or_cancel(ctx, MONTH_MS, &cancelled);
    if (err) return err;
    if (cancelled) return pawl_return(ctx, pawl_text("cancelled"));
    return pawl_continue_as_new(ctx, customer); /* a history of one month at most */
}
