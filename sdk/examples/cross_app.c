/* Cross-app: two apps, in two languages, call each other's activities.
 *
 * This one is "shop". Its workflow asks "pricing", cross_app.py beside this file, which is
 * written with Dapr's SDK for Python, for a price; and it offers an activity that a workflow
 * there calls. Nothing here says in which language or where "pricing" runs: its id is enough,
 * and it need not be there yet.
 *
 *   pawl-placement
 *   pawld --app-id shop --store redis://127.0.0.1 --placement 127.0.0.1
 *   pawld --app-id pricing --store redis://127.0.0.1 --placement 127.0.0.1 --grpc-port 50001 …
 *
 * Each sidecar needs ports of its own when they share a machine; docs/OPERATIONS.md has them.
 */
#include "example.h"

#include <stdio.h>

/* The input is a JSON text, as other SDKs write it: "apple", with its quotes. */
static pawl_err reserve(struct pawl_activity_ctx *ctx, struct pawl_bytes item)
{
    char text[256];
    (void)snprintf(text, sizeof text, "{\"reserved\":%s}", pawl_as_text(item));
    return pawl_activity_return(ctx, pawl_text(text));
}

static pawl_err checkout(struct pawl_workflow_ctx *ctx, struct pawl_bytes item)
{
    struct pawl_call_options at_pricing = { .app_id = "pricing" };
    struct pawl_bytes price;
    pawl_err err = pawl_call_activity(ctx, "price", item, &at_pricing, &price);
    if (err) return err;
    return pawl_return(ctx, pawl_text(pawl_format(ctx, "{\"item\":%s,\"price\":%s}",
                                                  pawl_as_text(item), pawl_as_text(price))));
}

static bool demo(struct pawl_client *client)
{
    char id[64];
    return example_start(client, "checkout", "\"apple\"", id)
           && example_finish(client, id, PAWL_STATUS_COMPLETED, "\"price\":50");
}

int main(int argc, char **argv)
{
    static const struct pawl_workflow_def workflows[] = { { .name = "checkout", .run = checkout },
                                                          { .name = NULL } };
    static const struct pawl_activity_def activities[] = { { .name = "reserve", .run = reserve },
                                                           { .name = NULL } };
    return example_main(argc, argv, &(struct example){ workflows, activities, demo });
}
