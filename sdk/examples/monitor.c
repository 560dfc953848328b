/* Monitor: look at something again and again until it is as it should be.
 *
 * A loop that may run for years must not collect a history for years. So each round ends
 * with continue-as-new: the next round is the same function with a new input and an empty
 * history. Events that arrive between two rounds are not lost.
 */
#include "example.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_MS 300

/* A job that is ready when it has been looked at five times. */
static pawl_err check_job(struct pawl_activity_ctx *ctx, struct pawl_bytes round)
{
    bool ready = strtol(pawl_as_text(round), NULL, 10) >= 5;
    return pawl_activity_return(ctx, pawl_text(ready ? "ready" : "running"));
}

/* Input: the number of the round, from 1. */
static pawl_err monitor(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    struct pawl_bytes state;
    pawl_err err = pawl_call_activity(ctx, "check_job", input, NULL, &state);
    if (err) return err;

    long round = strtol(pawl_as_text(input), NULL, 10);
    if (strcmp(pawl_as_text(state), "ready") == 0) {
        return pawl_return(ctx, pawl_text(pawl_format(ctx, "ready in round %ld", round)));
    }
    err = pawl_sleep(ctx, PAUSE_MS);
    if (err) return err;
    return pawl_continue_as_new(ctx, pawl_text(pawl_format(ctx, "%ld", round + 1)));
}

static bool demo(struct pawl_client *client)
{
    char id[64];
    (void)printf("(Only the steps of the last round are shown: each round has its own history.)\n");
    return example_start(client, "monitor", "1", id)
           && example_finish(client, id, PAWL_STATUS_COMPLETED, "ready in round 5");
}

int main(int argc, char **argv)
{
    static const struct pawl_workflow_def workflows[] = { { .name = "monitor", .run = monitor },
                                                          { .name = NULL } };
    static const struct pawl_activity_def activities[] = {
        { .name = "check_job", .run = check_job }, { .name = NULL }
    };
    return example_main(argc, argv, &(struct example){ workflows, activities, demo });
}
