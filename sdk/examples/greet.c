/* Greet: the smallest program. Everything that it needs is in this file:
 *
 *     cc greet.c $(pkg-config --cflags --libs pawl) -o greet
 *     pawl run --app-id greeter -- ./greet
 */
#include <pawl/pawl.h>
#include <stdio.h>

/* An activity touches the world. */
static pawl_err compose(struct pawl_activity_ctx *ctx, struct pawl_bytes name)
{
    char text[100];
    (void)snprintf(text, sizeof text, "Hello, %s!", pawl_as_text(name));
    return pawl_activity_return(ctx, pawl_text(text));
}

/* A workflow decides what happens. */
static pawl_err greet(struct pawl_workflow_ctx *ctx, struct pawl_bytes name)
{
    struct pawl_bytes text;
    pawl_err err = pawl_call_activity(ctx, "compose", name, NULL, &text);
    if (err) return err;
    err = pawl_sleep(ctx, 24 * 3600 * 1000); /* a day; survives every restart */
    if (err) return err;
    return pawl_return(ctx, text);
}

int main(void)
{
    static const struct pawl_workflow_def workflow = { .name = "greet", .run = greet };
    static const struct pawl_activity_def activity = { .name = "compose", .run = compose };
    struct pawl_worker *worker;
    pawl_err err = pawl_worker_new(NULL, &worker);
    if (!err) err = pawl_worker_add_workflow(worker, &workflow);
    if (!err) err = pawl_worker_add_activity(worker, &activity);
    if (!err) err = pawl_worker_run(worker); /* until pawl_worker_stop */
    pawl_worker_free(worker);
    return err ? 1 : 0;
}
