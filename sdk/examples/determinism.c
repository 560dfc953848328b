#include "determinism.h"

#include <stdlib.h>

#define HOUR_MS (INT64_C(60) * 60 * 1000)

pawl_err raffle(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    (void)input;
    struct pawl_bytes number; /* not rand: an activity, whose result is recorded */
    pawl_err err = pawl_call_activity(ctx, "draw_number", pawl_none(), NULL, &number);
    if (err) return err;

    const char *ticket = pawl_uuid_text(ctx);                       /* not getrandom */
    int64_t hour = pawl_now_ms(ctx) / HOUR_MS;                      /* not time */
    err = pawl_sleep(ctx, (hour + 1) * HOUR_MS - pawl_now_ms(ctx)); /* not sleep */
    if (err) return err;

    bool wins = strtol(pawl_as_text(number), NULL, 10) % 100 == 0;
    err = pawl_call_activity(ctx, wins ? "send_prize" : "send_regrets", pawl_text(ticket), NULL,
                             NULL);
    return err ? err : pawl_return(ctx, number);
}

static long tickets; /* another one in each process, and after each replay */

pawl_err raffle_wrong(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    bool wins = ++tickets % 2 == 1;
    return pawl_call_activity(ctx, wins ? "send_prize" : "send_regrets", input, NULL, NULL);
}
