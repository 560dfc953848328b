/* A watch of the C library, for test_events.py: one line per event on standard output, until
 * it is terminated.
 *
 *   e2e_watch [--name NAME] [--instance ID] [--position POSITION]
 *
 *   change <key> <id> <status> <what> <position>
 *   state <id> <status> <position>    absent|gap|idle <position>    end <err> <message>
 */
#include <getopt.h>
#include <pawl/pawl.h>
#include <signal.h>
#include <stdio.h>

static bool on_event(void *context, const struct pawl_watch_event *event)
{
    static const char *const kinds[] = {
        [PAWL_WATCH_ABSENT] = "absent", [PAWL_WATCH_GAP] = "gap", [PAWL_WATCH_IDLE] = "idle"
    };
    (void)context;
    switch (event->kind) {
    case PAWL_WATCH_CHANGE:
        (void)printf("change %s %s %s %u %s\n", event->key, event->id,
                     pawl_status_text(event->status), (unsigned int)event->what, event->position);
        break;
    case PAWL_WATCH_STATE:
        (void)printf("state %s %s %s\n", event->id, pawl_status_text(event->status),
                     event->position);
        break;
    case PAWL_WATCH_END: (void)printf("end %d %s\n", event->err, event->message); break;
    default: (void)printf("%s %s\n", kinds[event->kind], event->position); break;
    }
    return fflush(stdout) == 0;
}

static struct pawl_watch_options read_options(int argc, char **argv)
{
    static const struct option known[] = { { "name", required_argument, NULL, 'n' },
                                           { "instance", required_argument, NULL, 'i' },
                                           { "position", required_argument, NULL, 'p' },
                                           { NULL, 0, NULL, 0 } };
    struct pawl_watch_options options = { .on_event = on_event };
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (c == 'n') options.name = optarg;
        if (c == 'i') options.id = optarg;
        if (c == 'p') options.position = optarg;
    }
    return options;
}

int main(int argc, char **argv)
{
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &ends, NULL); /* before there is any thread */

    struct pawl_watch_options options = read_options(argc, argv);
    struct pawl_client *client = NULL;
    struct pawl_watch *watch = NULL;
    struct pawl_result *result = NULL;
    pawl_err err = pawl_client_new(NULL, &client);
    if (!err) err = pawl_client_watch(client, &options, &watch, &result);
    if (err) (void)printf("refused %d %s\n", err, pawl_result_message(result));
    if (!err) (void)printf("begun\n");
    (void)fflush(stdout);
    pawl_result_free(result);
    int signal_number;
    if (!err) (void)sigwait(&ends, &signal_number);
    pawl_watch_free(watch);
    pawl_client_free(client);
    return err ? 1 : 0;
}
