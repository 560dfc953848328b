/* Watch: be told of what happens to workflows, instead of asking again and again.
 *
 * A program that shows orders, or writes their ends into a database, subscribes once. The
 * position of the last event that it has dealt with is all that it must keep in order to go on
 * there after its own end, without missing one.
 */
#include "example.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

/* The callback runs on a thread of the watch. */
struct tracker {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_over;
    bool was_packing;
};

static bool on_event(void *context, const struct pawl_watch_event *event)
{
    struct tracker *tracker = context;
    if (event->kind == PAWL_WATCH_END) (void)printf("  watch ended: %s\n", event->message);
    if (event->kind != PAWL_WATCH_CHANGE) return true;

    (void)printf("  %s %s %s\n", event->name, pawl_status_text(event->status),
                 pawl_as_text(event->custom_status));
    pthread_mutex_lock(&tracker->lock);
    if (event->what & PAWL_CHANGE_CUSTOM_STATUS) tracker->was_packing = true;
    if (event->status == PAWL_STATUS_COMPLETED) tracker->is_over = true;
    pthread_cond_signal(&tracker->changed);
    pthread_mutex_unlock(&tracker->lock);
    return true; /* more of them */
}

static pawl_err order(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    pawl_err err = pawl_set_custom_status(ctx, pawl_text("packing"));
    if (!err) err = pawl_sleep(ctx, 300);
    return err ? err : pawl_return(ctx, input);
}

static bool await_end(struct tracker *tracker)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    int result = 0;
    pthread_mutex_lock(&tracker->lock);
    while (!tracker->is_over && result == 0)
        result = pthread_cond_timedwait(&tracker->changed, &tracker->lock, &until);
    bool is_expected = tracker->is_over && tracker->was_packing;
    pthread_mutex_unlock(&tracker->lock);
    return is_expected;
}

static bool demo(struct pawl_client *client)
{
    struct tracker tracker = { .lock = PTHREAD_MUTEX_INITIALIZER,
                               .changed = PTHREAD_COND_INITIALIZER };
    struct pawl_watch_options options = { .name = "order",
                                          .on_event = on_event,
                                          .context = &tracker };
    struct pawl_watch *watch;
    struct pawl_result *result = NULL;
    pawl_err err = pawl_client_watch(client, &options, &watch, &result);
    if (err) (void)printf("no watch: %s\n", pawl_result_message(result));
    pawl_result_free(result);
    if (err) return false;

    char id[64];
    bool good = example_start(client, "order", "two books", id) && await_end(&tracker);
    pawl_watch_free(watch);
    return good;
}

int main(int argc, char **argv)
{
    static const struct pawl_workflow_def workflows[] = { { .name = "order", .run = order },
                                                          { .name = NULL } };
    return example_main(argc, argv, &(struct example){ workflows, NULL, demo });
}
