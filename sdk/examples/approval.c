/* Approval: wait for a person, but not for ever.
 *
 * The workflow asks, then waits for the event "decision" or for its time limit, whichever
 * comes first. Waiting costs nothing: it may take seconds or months, and the app may be
 * restarted meanwhile.
 */
#include "example.h"

#include <stdio.h>
#include <string.h>

/* Short, so that the demo can show it; an hour or a week works as well. */
#define LIMIT_MS 8000

static pawl_err ask_manager(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    /* Here a mail or chat message would be sent, with the instance id to answer to. */
    (void)input;
    return pawl_activity_return(ctx, pawl_text(pawl_activity_instance(ctx)));
}

static pawl_err approval(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    pawl_err err = pawl_call_activity(ctx, "ask_manager", input, NULL, NULL);
    if (err) return err;
    err = pawl_set_custom_status(ctx, pawl_text("waiting for a decision"));
    if (err) return err;

    struct pawl_bytes decision;
    err = pawl_wait_for_event(ctx, "decision", LIMIT_MS, &decision);
    if (err == PAWL_E_TIMEOUT) return pawl_return(ctx, pawl_text("nobody decided in time"));
    if (err) return err;
    bool granted = strcmp(pawl_as_text(decision), "yes") == 0;
    return pawl_return(ctx, pawl_text(granted ? "approved" : "rejected"));
}

static bool demo(struct pawl_client *client)
{
    char first[64], second[64];
    return example_start(client, "approval", "a new desk", first)
           && example_raise(client, first, "decision", "yes")
           && example_finish(client, first, PAWL_STATUS_COMPLETED, "approved")
           && example_start(client, "approval", "a golden desk", second)
           && example_finish(client, second, PAWL_STATUS_COMPLETED, "nobody decided in time");
}

int main(int argc, char **argv)
{
    static const struct pawl_workflow_def workflows[] = { { .name = "approval", .run = approval },
                                                          { .name = NULL } };
    static const struct pawl_activity_def activities[] = {
        { .name = "ask_manager", .run = ask_manager }, { .name = NULL }
    };
    return example_main(argc, argv, &(struct example){ workflows, activities, demo });
}
