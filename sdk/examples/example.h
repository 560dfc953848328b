/* What the examples share, so that each can show only its own subject: a main function
 * that registers, connects and runs, and the printing of a demo.
 *
 *   <example>          works until Ctrl-C; start workflows with `pawl workflow start`
 *   <example> --demo   also starts workflows itself, prints what happens, and ends
 *
 * Both connect to the sidecar at PAWL_APP_ENDPOINT (tcp://127.0.0.1:3501 unless set) as
 * the app PAWL_APP_ID. `pawl run -- <example> --demo` brings a sidecar along.
 */
#ifndef PAWL_EXAMPLE_H
#define PAWL_EXAMPLE_H

#include <pawl/pawl.h>

struct example {
    const struct pawl_workflow_def *workflows;  /* until one without a name */
    const struct pawl_activity_def *activities; /* the same */
    bool (*demo)(struct pawl_client *client);   /* true: everything went as expected */
};

/* All of main(): the exit status is 0 when the demo went as expected or the worker was
 * stopped. */
int example_main(int argc, char **argv, const struct example *example);

/* Start `workflow` with this input and print both; false (and a message) when it cannot.
 * `id` receives the instance id, 0-terminated. */
bool example_start(struct pawl_client *client, const char *workflow, const char *input,
                   char id[static 64]);

/* Raise an event and say so. */
bool example_raise(struct pawl_client *client, const char *id, const char *event,
                   const char *payload);

/* Wait for the end, print every step and the outcome. True: it ended with this status, and
 * its output (or its failure's type) contains `expected`. */
bool example_finish(struct pawl_client *client, const char *id, enum pawl_status status,
                    const char *expected);

#endif /* PAWL_EXAMPLE_H */
