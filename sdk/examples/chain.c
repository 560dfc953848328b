/* Chain: one activity after the other, each with the output of the one before.
 *
 * If the process dies between two steps, the workflow goes on where it was: steps that
 * are done are not done again.
 */
#include "example.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static pawl_err greet(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    char text[256];
    (void)snprintf(text, sizeof text, "hello %s", pawl_as_text(input));
    return pawl_activity_return(ctx, pawl_text(text));
}

static pawl_err shout(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    char text[256];
    (void)snprintf(text, sizeof text, "%s", pawl_as_text(input));
    for (char *c = text; *c; c++) *c = (char)toupper((unsigned char)*c);
    return pawl_activity_return(ctx, pawl_text(text));
}

static pawl_err decorate(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    char text[256];
    (void)snprintf(text, sizeof text, "*** %s ***", pawl_as_text(input));
    return pawl_activity_return(ctx, pawl_text(text));
}

static pawl_err chain(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    static const char *const steps[] = { "greet", "shout", "decorate" };
    struct pawl_bytes text = input;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        pawl_err err = pawl_call_activity(ctx, steps[i], text, NULL, &text);
        if (err) return err;
    }
    return pawl_return(ctx, text);
}

static bool demo(struct pawl_client *client)
{
    char id[64];
    return example_start(client, "chain", "Ada", id)
           && example_finish(client, id, PAWL_STATUS_COMPLETED, "*** HELLO ADA ***");
}

int main(int argc, char **argv)
{
    static const struct pawl_workflow_def workflows[] = { { .name = "chain", .run = chain },
                                                          { .name = NULL } };
    static const struct pawl_activity_def activities[] = { { .name = "greet", .run = greet },
                                                           { .name = "shout", .run = shout },
                                                           { .name = "decorate", .run = decorate },
                                                           { .name = NULL } };
    return example_main(argc, argv, &(struct example){ workflows, activities, demo });
}
