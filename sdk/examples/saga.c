/* Saga: several steps in other systems that cannot be rolled back together.
 *
 * Each step has a counterpart that undoes it. When a step fails for good, the ones that
 * succeeded are undone in reverse order, each with patience: undoing must work in the end.
 */
#include "example.h"

#include <stdio.h>
#include <string.h>

struct step {
    const char *book;
    const char *cancel;
};

static const struct step steps[] = { { "book_flight", "cancel_flight" },
                                     { "book_hotel", "cancel_hotel" },
                                     { "book_car", "cancel_car" } };
#define STEPS_COUNT (sizeof steps / sizeof steps[0])

/* One function serves all bookings: the activity's name says which. */
static pawl_err book(struct pawl_activity_ctx *ctx, struct pawl_bytes destination)
{
    const char *what = pawl_activity_name(ctx);
    if (strcmp(what, "book_car") == 0 && strcmp(pawl_as_text(destination), "Venice") == 0) {
        struct pawl_failure failure = { .type = "NothingAvailable",
                                        .message = "there are no cars in Venice",
                                        .non_retriable = true };
        return pawl_activity_fail_with(ctx, &failure);
    }
    return pawl_activity_return(ctx, pawl_text("booked"));
}

static pawl_err cancel(struct pawl_activity_ctx *ctx, struct pawl_bytes destination)
{
    (void)destination;
    return pawl_activity_return(ctx, pawl_text("cancelled"));
}

static pawl_err undo(struct pawl_workflow_ctx *ctx, struct pawl_bytes destination, size_t done)
{
    static const struct pawl_retry patient = { .attempts_max = 100,
                                               .first_interval_ms = 1000,
                                               .backoff_coefficient = 2.0,
                                               .interval_ms_max = 60000 };
    struct pawl_call_options options = { .retry = &patient };
    while (done > 0) {
        done--;
        pawl_err err = pawl_call_activity(ctx, steps[done].cancel, destination, &options, NULL);
        if (err) return err;
    }
    return PAWL_OK;
}

static pawl_err saga(struct pawl_workflow_ctx *ctx, struct pawl_bytes destination)
{
    struct pawl_retry retry = { .attempts_max = 3, .first_interval_ms = 200 };
    struct pawl_call_options options = { .retry = &retry };
    for (size_t i = 0; i < STEPS_COUNT; i++) {
        pawl_err err = pawl_call_activity(ctx, steps[i].book, destination, &options, NULL);
        if (!err) continue;
        const struct pawl_failure *cause = pawl_last_failure(ctx);
        const char *why = cause ? cause->message : pawl_err_text(err);
        err = undo(ctx, destination, i);
        if (err) return err;
        return pawl_fail(ctx, "TripNotBooked", "everything was cancelled again: %s", why);
    }
    return pawl_return(ctx, pawl_text("trip booked"));
}

static bool demo(struct pawl_client *client)
{
    char good[64], bad[64];
    return example_start(client, "saga", "Lisbon", good)
           && example_finish(client, good, PAWL_STATUS_COMPLETED, "trip booked")
           && example_start(client, "saga", "Venice", bad)
           && example_finish(client, bad, PAWL_STATUS_FAILED, "TripNotBooked");
}

int main(int argc, char **argv)
{
    static const struct pawl_workflow_def workflows[] = { { .name = "saga", .run = saga },
                                                          { .name = NULL } };
    static const struct pawl_activity_def activities[] = {
        { .name = "book_flight", .run = book },
        { .name = "cancel_flight", .run = cancel },
        { .name = "book_hotel", .run = book },
        { .name = "cancel_hotel", .run = cancel },
        { .name = "book_car", .run = book },
        { .name = "cancel_car", .run = cancel },
        { .name = NULL },
    };
    return example_main(argc, argv, &(struct example){ workflows, activities, demo });
}
