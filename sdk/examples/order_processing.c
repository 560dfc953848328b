/* Order processing: what a small shop does with an order, from stock to delivery.
 *
 *   reserve the goods ── none left ──────────────────────────> OutOfStock
 *        │
 *   over 1000? wait for the event "approval" ── no / 24 h ───> release, NotApproved
 *        │
 *   charge the card, again on trouble ── declined ───────────> release, CardDeclined
 *        │
 *   child workflow "ship_order" ── lost ─────────────────────> refund, release, …
 *        │
 *   {"status":"shipped","tracking":"…"}
 *
 * Input: {"item":"keyboard","quantity":2,"total":120,"card":"ok"}. In the demo's world a
 * "unicorn" is out of stock, the card "declined" is declined, and the payment service
 * fails at the first try of every order.
 */
#include "example.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APPROVAL_OVER     1000
#define APPROVAL_LIMIT_MS (INT64_C(24) * 3600 * 1000)

/* Input ------------------------------------------------------------------------------ */

/* The value after "name": in a flat JSON object. A real app would use a JSON library. */
static const char *find_field(struct pawl_bytes json, const char *name)
{
    char key[64];
    (void)snprintf(key, sizeof key, "\"%s\":", name);
    const char *found = strstr(pawl_as_text(json), key);
    if (!found) return "";
    found += strlen(key);
    return found + strspn(found, " \"");
}

static bool field_is(struct pawl_bytes json, const char *name, const char *value)
{
    return strncmp(find_field(json, name), value, strlen(value)) == 0;
}

static long field_number(struct pawl_bytes json, const char *name)
{
    return strtol(find_field(json, name), NULL, 10);
}

/* Activities: they touch the world ----------------------------------------------------- */

static pawl_err reserve_inventory(struct pawl_activity_ctx *ctx, struct pawl_bytes order)
{
    if (field_is(order, "item", "unicorn") || field_number(order, "quantity") <= 0) {
        struct pawl_failure failure = { .type = "OutOfStock",
                                        .message = "there are not enough of these in stock",
                                        .non_retriable = true };
        return pawl_activity_fail_with(ctx, &failure);
    }
    return pawl_activity_return(ctx, pawl_text("reserved"));
}

static pawl_err release_inventory(struct pawl_activity_ctx *ctx, struct pawl_bytes order)
{
    (void)order;
    return pawl_activity_return(ctx, pawl_text("released"));
}

/* True the first time that this call is seen in this process, so that the demo can show
 * a retry. The execution id is the same for every try of one call: a payment service
 * would get it as its idempotency key, and never charge twice. */
static bool is_first_try(const struct pawl_activity_ctx *ctx)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static char seen[64][33];
    static size_t next;
    const char *key = pawl_activity_execution_text(ctx);
    pthread_mutex_lock(&lock);
    bool first = true;
    for (size_t i = 0; i < 64; i++) {
        if (strcmp(seen[i], key) == 0) first = false;
    }
    if (first) (void)snprintf(seen[next++ % 64], sizeof seen[0], "%s", key);
    pthread_mutex_unlock(&lock);
    return first;
}

static pawl_err charge_payment(struct pawl_activity_ctx *ctx, struct pawl_bytes order)
{
    if (field_is(order, "card", "declined")) {
        struct pawl_failure failure = { .type = "CardDeclined",
                                        .message = "the bank declined the card",
                                        .non_retriable = true };
        return pawl_activity_fail_with(ctx, &failure);
    }
    if (is_first_try(ctx)) {
        return pawl_activity_fail(ctx, "PaymentUnavailable", "the payment service is busy");
    }
    return pawl_activity_return(ctx, pawl_text("charged"));
}

static pawl_err refund_payment(struct pawl_activity_ctx *ctx, struct pawl_bytes order)
{
    (void)order;
    return pawl_activity_return(ctx, pawl_text("refunded"));
}

static pawl_err pack_parcel(struct pawl_activity_ctx *ctx, struct pawl_bytes order)
{
    (void)order;
    return pawl_activity_return(ctx, pawl_text("packed"));
}

static pawl_err hand_to_carrier(struct pawl_activity_ctx *ctx, struct pawl_bytes order)
{
    if (field_is(order, "item", "crystal ball")) {
        struct pawl_failure failure = { .type = "ParcelLost",
                                        .message = "the carrier lost the parcel",
                                        .non_retriable = true };
        return pawl_activity_fail_with(ctx, &failure);
    }
    char tracking[64];
    (void)snprintf(tracking, sizeof tracking, "PAWL-%.8s", pawl_activity_execution_text(ctx));
    return pawl_activity_return(ctx, pawl_text(tracking));
}

/* Workflows: they decide ---------------------------------------------------------------- */

static const struct pawl_retry retry = { .attempts_max = 5,
                                         .first_interval_ms = 500,
                                         .backoff_coefficient = 2.0,
                                         .interval_ms_max = 30000 };
static const struct pawl_call_options with_retry = { .retry = &retry };

static pawl_err ship_order(struct pawl_workflow_ctx *ctx, struct pawl_bytes order)
{
    pawl_err err = pawl_call_activity(ctx, "pack_parcel", order, &with_retry, NULL);
    if (err) return err;
    err = pawl_sleep(ctx, 500); /* until the van comes */
    if (err) return err;
    struct pawl_bytes tracking;
    err = pawl_call_activity(ctx, "hand_to_carrier", order, &with_retry, &tracking);
    return err ? err : pawl_return(ctx, tracking);
}

static pawl_err get_approval(struct pawl_workflow_ctx *ctx, struct pawl_bytes order)
{
    if (field_number(order, "total") <= APPROVAL_OVER) return PAWL_OK;
    pawl_err err = pawl_set_custom_status(ctx, pawl_text("waiting for approval"));
    if (err) return err;
    struct pawl_bytes decision;
    err = pawl_wait_for_event(ctx, "approval", APPROVAL_LIMIT_MS, &decision);
    if (err == PAWL_E_TIMEOUT) return pawl_fail(ctx, "NotApproved", "nobody approved in time");
    if (err) return err;
    if (strcmp(pawl_as_text(decision), "yes") == 0) return PAWL_OK;
    return pawl_fail(ctx, "NotApproved", "the order was not approved");
}

static pawl_err say(struct pawl_workflow_ctx *ctx, const char *status)
{
    return pawl_set_custom_status(ctx, pawl_text(status));
}

/* Give back what was taken so far, then fail with what went wrong. */
static pawl_err undo(struct pawl_workflow_ctx *ctx, struct pawl_bytes order, bool charged)
{
    const struct pawl_failure *cause = pawl_last_failure(ctx);
    pawl_err err = say(ctx, "undoing");
    if (!err && charged) err = pawl_call_activity(ctx, "refund_payment", order, &with_retry, NULL);
    if (!err) err = pawl_call_activity(ctx, "release_inventory", order, &with_retry, NULL);
    if (err) return err;
    /* Without a cause the failure is the one that get_approval has set. */
    return cause ? pawl_fail(ctx, cause->type, "%s", cause->message) : PAWL_E_FAILED;
}

static pawl_err order_processing(struct pawl_workflow_ctx *ctx, struct pawl_bytes order)
{
    pawl_err err = say(ctx, "reserving");
    if (!err) err = pawl_call_activity(ctx, "reserve_inventory", order, &with_retry, NULL);
    if (err) return err;

    err = get_approval(ctx, order);
    if (err) return undo(ctx, order, false);

    err = say(ctx, "charging");
    if (!err) err = pawl_call_activity(ctx, "charge_payment", order, &with_retry, NULL);
    if (err) return undo(ctx, order, false);

    struct pawl_bytes tracking;
    err = say(ctx, "shipping");
    if (!err) err = pawl_call_child_workflow(ctx, "ship_order", order, NULL, &tracking);
    if (err) return undo(ctx, order, true);

    err = say(ctx, "shipped");
    if (err) return err;
    return pawl_return(ctx,
                       pawl_text(pawl_format(ctx, "{\"status\":\"shipped\",\"tracking\":\"%s\"}",
                                             pawl_as_text(tracking))));
}

/* Demo ------------------------------------------------------------------------------------- */

static bool demo(struct pawl_client *client)
{
    static const char small[] =
        "{\"item\":\"keyboard\",\"quantity\":2,\"total\":120,\"card\":\"ok\"}";
    static const char large[] =
        "{\"item\":\"server\",\"quantity\":1,\"total\":4800,\"card\":\"ok\"}";
    static const char declined[] =
        "{\"item\":\"mouse\",\"quantity\":1,\"total\":25,\"card\":\"declined\"}";
    static const char lost[] =
        "{\"item\":\"crystal ball\",\"quantity\":1,\"total\":80,\"card\":\"ok\"}";
    char id[64];
    (void)printf("1. A small order. The payment service fails once and is tried again.\n");
    if (!example_start(client, "order_processing", small, id)) return false;
    if (!example_finish(client, id, PAWL_STATUS_COMPLETED, "shipped")) return false;

    (void)printf("2. A large order. It waits for somebody to approve it.\n");
    if (!example_start(client, "order_processing", large, id)) return false;
    if (!example_raise(client, id, "approval", "yes")) return false;
    if (!example_finish(client, id, PAWL_STATUS_COMPLETED, "shipped")) return false;

    (void)printf("3. The card is declined. The reserved goods are released.\n");
    if (!example_start(client, "order_processing", declined, id)) return false;
    if (!example_finish(client, id, PAWL_STATUS_FAILED, "CardDeclined")) return false;

    (void)printf("4. The parcel gets lost. Payment and goods are given back.\n");
    if (!example_start(client, "order_processing", lost, id)) return false;
    return example_finish(client, id, PAWL_STATUS_FAILED, "ParcelLost");
}

int main(int argc, char **argv)
{
    static const struct pawl_workflow_def workflows[] = {
        { .name = "order_processing", .run = order_processing },
        { .name = "ship_order", .run = ship_order },
        { .name = NULL },
    };
    static const struct pawl_activity_def activities[] = {
        { .name = "reserve_inventory", .run = reserve_inventory },
        { .name = "release_inventory", .run = release_inventory },
        { .name = "charge_payment", .run = charge_payment },
        { .name = "refund_payment", .run = refund_payment },
        { .name = "pack_parcel", .run = pack_parcel },
        { .name = "hand_to_carrier", .run = hand_to_carrier },
        { .name = NULL },
    };
    return example_main(argc, argv, &(struct example){ workflows, activities, demo });
}
