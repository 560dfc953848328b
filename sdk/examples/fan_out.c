/* Fan out: many activities at the same time, but never more than a few at once.
 *
 * The workflow keeps a window of running tasks: whenever one ends, the next begins. For
 * "all at once" schedule every task and wait with pawl_when_all.
 */
#include "example.h"

#include <stdio.h>
#include <stdlib.h>

#define AT_ONCE 5

/* The work on one item: here just its square. */
static pawl_err square(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    long number = strtol(pawl_as_text(input), NULL, 10);
    char text[32];
    (void)snprintf(text, sizeof text, "%ld", number * number);
    return pawl_activity_return(ctx, pawl_text(text));
}

static struct pawl_task *begin(struct pawl_workflow_ctx *ctx, long number)
{
    return pawl_schedule_activity(ctx, "square", pawl_text(pawl_format(ctx, "%ld", number)), NULL);
}

/* Input: how many numbers. Output: the sum of the squares of 1 … n. */
static pawl_err fan_out(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    long count = strtol(pawl_as_text(input), NULL, 10);
    struct pawl_task *window[AT_ONCE];
    size_t running = 0;
    long begun = 0, sum = 0;
    while (begun < count || running > 0) {
        while (begun < count && running < AT_ONCE) window[running++] = begin(ctx, ++begun);

        size_t index;
        pawl_err err = pawl_when_any(ctx, window, running, &index);
        if (err) return err;
        struct pawl_bytes output;
        err = pawl_await(ctx, window[index], &output); /* is done: gives its outcome */
        if (err) return err;
        sum += strtol(pawl_as_text(output), NULL, 10);
        window[index] = window[--running];
    }
    return pawl_return(ctx, pawl_text(pawl_format(ctx, "%ld", sum)));
}

static bool demo(struct pawl_client *client)
{
    char id[64];
    return example_start(client, "fan_out", "20", id)
           && example_finish(client, id, PAWL_STATUS_COMPLETED, "2870");
}

int main(int argc, char **argv)
{
    static const struct pawl_workflow_def workflows[] = { { .name = "fan_out", .run = fan_out },
                                                          { .name = NULL } };
    static const struct pawl_activity_def activities[] = { { .name = "square", .run = square },
                                                           { .name = NULL } };
    return example_main(argc, argv, &(struct example){ workflows, activities, demo });
}
