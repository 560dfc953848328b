/* Schedule: a workflow that is started by the clock, every working day at nine in Berlin.
 *
 * The schedule is kept by the sidecar: it goes on when this program ends, and its runs wait for
 * a worker. The demo does not wait for nine o'clock, but triggers a run.
 */
#include "example.h"

#include <stdio.h>
#include <time.h>

static pawl_err report(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    char text[256];
    (void)snprintf(text, sizeof text, "report of %s", pawl_as_text(input));
    return pawl_return(ctx, pawl_text(text));
}

static pawl_err create(struct pawl_client *client, struct pawl_result **ret_result)
{
    struct pawl_schedule daily = { .id = "daily",
                                   .workflow = "report",
                                   .input = pawl_text("sales"),
                                   .cron = "0 9 * * MON-FRI",
                                   .timezone = "Europe/Berlin",
                                   .overlap = PAWL_OVERLAP_IS_BUFFERED };
    return pawl_client_create_schedule(client, &daily, NULL, ret_result);
}

/* The instance id of the last run into `id`. */
static bool wait_for_run(struct pawl_client *client, char id[static 64])
{
    for (int i = 0; i < 1000; i++) {
        struct pawl_result *result = NULL;
        pawl_err err = pawl_client_get_schedule(client, "daily", &result);
        const struct pawl_schedule_info *info = pawl_result_schedules(result);
        bool has_run = !err && info && info->started > 0;
        if (has_run) (void)snprintf(id, 64, "%s", info->last_run);
        pawl_result_free(result);
        if (has_run) return true;
        (void)nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    }
    return false;
}

static bool demo(struct pawl_client *client)
{
    char id[64];
    struct pawl_result *result = NULL;
    pawl_err err = create(client, &result);
    if (err) (void)printf("schedule daily: %s\n", pawl_result_message(result));
    pawl_result_free(result);
    if (err && err != PAWL_E_EXISTS) return false;
    (void)printf("trigger daily\n");
    return pawl_client_trigger_schedule(client, "daily", NULL, NULL) == PAWL_OK
           && wait_for_run(client, id)
           && example_finish(client, id, PAWL_STATUS_COMPLETED, "report of sales");
}

int main(int argc, char **argv)
{
    static const struct pawl_workflow_def workflows[] = { { .name = "report", .run = report },
                                                          { .name = NULL } };
    return example_main(argc, argv, &(struct example){ workflows, NULL, demo });
}
