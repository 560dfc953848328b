/* Async HTTP: something long is asked for over HTTP, an id comes back at once, and whoever
 * asked looks again later, or waits.
 *
 * Nothing of this program speaks HTTP: its sidecar does, for every workflow. What the workflow
 * adds is its custom status, which tells how far it is. docs/PATTERNS.md has the calls.
 */
#include "example.h"

#include <stdio.h>
#include <time.h>

#define PARTS   3
#define PART_NS 200000000L

static pawl_err export_part(struct pawl_activity_ctx *ctx, struct pawl_bytes part)
{
    (void)nanosleep(&(struct timespec){ .tv_nsec = PART_NS }, NULL); /* the work */
    return pawl_activity_return(ctx, part);
}

static pawl_err export_data(struct pawl_workflow_ctx *ctx, struct pawl_bytes what)
{
    for (int part = 1; part <= PARTS; part++) {
        const char *progress = pawl_format(ctx, "part %d of %d", part, PARTS);
        pawl_err err = pawl_set_custom_status(ctx, pawl_text(progress));
        if (!err) err = pawl_call_activity(ctx, "export_part", pawl_text(progress), NULL, NULL);
        if (err) return err;
    }
    return pawl_return(ctx, pawl_text(pawl_format(ctx, "%s.csv", pawl_as_text(what))));
}

/* What POST …/start with an Idempotency-Key is in C: sent twice it starts once. */
static bool ask(struct pawl_client *client)
{
    const struct pawl_start start = {
        .name = "export", .id = "export-7", .request_id = "order-4711", .input = pawl_text("sales")
    };
    return pawl_client_start(client, &start, NULL) == PAWL_OK
           && pawl_client_start(client, &start, NULL) == PAWL_OK;
}

/* What GET …/export-7 is. */
static bool look(struct pawl_client *client)
{
    struct pawl_result *result = NULL;
    pawl_err err = pawl_client_get(client, "export-7", &result);
    const struct pawl_instance *instance = pawl_result_instance(result);
    if (!err)
        (void)printf("export-7 is %s: %s\n", pawl_status_text(instance->status),
                     pawl_as_text(instance->custom_status));
    pawl_result_free(result);
    return err == PAWL_OK;
}

static bool demo(struct pawl_client *client)
{
    return ask(client) && look(client)
           && example_finish(client, "export-7", PAWL_STATUS_COMPLETED, "sales.csv");
}

int main(int argc, char **argv)
{
    static const struct pawl_workflow_def workflows[] = { { .name = "export", .run = export_data },
                                                          { .name = NULL } };
    static const struct pawl_activity_def activities[] = {
        { .name = "export_part", .run = export_part }, { .name = NULL }
    };
    return example_main(argc, argv, &(struct example){ workflows, activities, demo });
}
