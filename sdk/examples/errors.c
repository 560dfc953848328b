#include "errors.h"

#include <string.h>

/* In the place of a payment service: cards with an x are refused, those with a t meet a
 * service that is not there. */
pawl_err charge_card(struct pawl_activity_ctx *ctx, struct pawl_bytes card)
{
    if (pawl_as_text(card)[0] == 'x') {
        struct pawl_failure failure = { .type = "CardRefused",
                                        .message = "the bank refused the card",
                                        .non_retriable = true };
        return pawl_activity_fail_with(ctx, &failure);
    }
    if (pawl_as_text(card)[0] == 't') {
        return pawl_activity_fail(ctx, "GatewayDown", "no answer from the payment service");
    }
    /* The other side sees the same key for every try of this call. */
    return pawl_activity_return(ctx, pawl_text(pawl_activity_execution_text(ctx)));
}

/* Only what may pass by itself is worth another try. Must be deterministic. */
static bool is_passing(void *context, const struct pawl_failure *failure, uint32_t attempts)
{
    (void)context;
    (void)attempts;
    return strcmp(failure->type, "GatewayDown") == 0;
}

static const struct pawl_retry retry = { .attempts_max = 5,
                                         .first_interval_ms = 1000,
                                         .backoff_coefficient = 2.0,
                                         .interval_ms_max = 60000,
                                         .timeout_ms = 600000,
                                         .should_retry = is_passing };

pawl_err pay(struct pawl_workflow_ctx *ctx, struct pawl_bytes card)
{
    struct pawl_call_options options = { .retry = &retry };
    struct pawl_bytes receipt;
    pawl_err err = pawl_call_activity(ctx, "charge_card", card, &options, &receipt);
    if (err == PAWL_E_FAILED) {
        const struct pawl_failure *failure = pawl_last_failure(ctx);
        if (strcmp(failure->type, "CardRefused") == 0) {
            return pawl_return(ctx, pawl_text("please use another card"));
        }
        return pawl_fail(ctx, "NotPaid", "given up: %s", failure->message);
    }
    if (err) return err;
    return pawl_return(ctx, receipt);
}
