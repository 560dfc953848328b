#include "cli/commands.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"

#define AT(field) offsetof(struct pawl_cli_options, field)
#define NONE      SIZE_MAX
#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))
#define COMMON    " app address token output help"
#define FILTER                                                                                 \
    "status name prefix tag created-from created-to completed-from completed-to updated-from " \
    "updated-to "

static const struct pawl_cli_option options[] = {
    { 'a', "address", "URL",
      "HTTP address of the sidecar (PAWL_HTTP_ENDPOINT, else http://127.0.0.1:3500)", PAWL_CLI_TEXT,
      AT(address) },
    { 0, "app", "ID",
      "of this app of the namespace (default: workflows: the sidecar's own; placement: all)",
      PAWL_CLI_TEXT, AT(only_app) },
    { 't', "token", "TEXT", "API token of the sidecar (PAWL_TOKEN)", PAWL_CLI_TEXT, AT(token) },
    { 'o', "output", "FORMAT", "table (for people) or json (everything, uncut)", PAWL_CLI_TEXT,
      AT(json) },
    { 'h', "help", NULL, "show this text", PAWL_CLI_FLAG, NONE },
    { 'd', "data", "TEXT", "the payload; '-' reads it from standard input", PAWL_CLI_TEXT,
      AT(data) },
    { 0, "data-file", "FILE", "the payload from a file; '-' is standard input", PAWL_CLI_TEXT,
      AT(data_file) },
    { 'i', "instance-id", "ID", "id of the new instance (default: a random one; import: its own)",
      PAWL_CLI_TEXT, AT(instance_id) },
    { 0, "new-instance-id", "ID", "id of the new instance (default: a random one)", PAWL_CLI_TEXT,
      AT(new_instance_id) },
    { 0, "from-event", "ID", "keep what came before this call (an ID of the history)",
      PAWL_CLI_NUMBER, AT(from_event) },
    { 0, "no-input", NULL, "the call of --from-event gets no input", PAWL_CLI_FLAG, AT(no_input) },
    { 0, "new-child-id", "ID", "the child of --from-event gets this id", PAWL_CLI_TEXT,
      AT(new_child_id) },
    { 0, "start-time", "TIME", "do not begin before this time, e.g. 2026-08-21T10:00:00Z",
      PAWL_CLI_TEXT, AT(start_time) },
    { 0, "workflow-version", "TEXT", "version of the workflow to run", PAWL_CLI_TEXT,
      AT(workflow_version) },
    { 0, "reuse", "RULE",
      "if the id is in use: terminal (replace an ended one), refuse, return, terminate (end it, "
      "then replace it)",
      PAWL_CLI_TEXT, AT(reuse) },
    { 0, "event", "NAME", "raise this event; at a start also to an instance that is there",
      PAWL_CLI_TEXT, AT(event) },
    { 0, "event-data", "TEXT", "the event's payload", PAWL_CLI_TEXT, AT(event_data) },
    { 'k', "idempotency-key", "TEXT", "sent twice with the same key, it happens once",
      PAWL_CLI_TEXT, AT(key) },
    { 'w', "wait", NULL, "wait for the end and show the outcome", PAWL_CLI_FLAG, AT(wait) },
    { 0, "timeout", "DURATION", "how long to wait, e.g. 30s, 5m (default: no limit)",
      PAWL_CLI_DURATION, AT(timeout_ms) },
    { 0, "for", "WHAT", "started or completed (the default)", PAWL_CLI_TEXT, AT(wait_for) },
    { 0, "position", "TEXT", "go on behind this position of the stream", PAWL_CLI_TEXT,
      AT(position) },
    { 's', "status", "LIST", "only these, e.g. RUNNING,FAILED", PAWL_CLI_TEXT, AT(status) },
    { 'n', "name", "NAME", "only instances of this workflow", PAWL_CLI_TEXT, AT(name) },
    { 0, "prefix", "TEXT", "only ids that begin so", PAWL_CLI_TEXT, AT(prefix) },
    { 0, "created-from", "TIME", "only those created at or after this time", PAWL_CLI_TEXT,
      AT(created_from) },
    { 0, "created-to", "TIME", "only those created before this time", PAWL_CLI_TEXT,
      AT(created_to) },
    { 0, "completed-from", "TIME", "only those that ended at or after this time", PAWL_CLI_TEXT,
      AT(completed_from) },
    { 0, "completed-to", "TIME", "only those that ended before this time", PAWL_CLI_TEXT,
      AT(completed_to) },
    { 0, "updated-from", "TIME", "only those whose last turn was at or after this time",
      PAWL_CLI_TEXT, AT(updated_from) },
    { 0, "updated-to", "TIME", "only those whose last turn was before this time", PAWL_CLI_TEXT,
      AT(updated_to) },
    { 0, "tag", "KEY=VALUE", "a tag; may be given several times", PAWL_CLI_TAG, NONE },
    { 0, "order", "WHAT", "created, completed or id; the last comes first", PAWL_CLI_TEXT,
      AT(order) },
    { 0, "count", NULL, "only say how many there are", PAWL_CLI_FLAG, AT(count) },
    { 0, "all", NULL, "every instance is meant, without any filter", PAWL_CLI_FLAG, AT(all) },
    { 0, "cursor", "TEXT", "go on where a batch was interrupted", PAWL_CLI_TEXT, AT(cursor) },
    { 0, "limit", "N", "at most so many; 0: all", PAWL_CLI_NUMBER, AT(limit) },
    { 0, "from", "N", "index of the first event to show", PAWL_CLI_NUMBER, AT(from) },
    { 0, "export", NULL, "everything about the history as JSON, for pawl replay", PAWL_CLI_FLAG,
      AT(export_all) },
    { 'r', "reason", "TEXT", "why; kept in the history", PAWL_CLI_TEXT, AT(reason) },
    { 0, "resume", NULL, "let each of them go on", PAWL_CLI_FLAG, AT(resume) },
    { 0, "force", NULL, "also remove an instance that has not ended", PAWL_CLI_FLAG, AT(force) },
    { 0, "no-recursive", NULL, "leave child workflows alone", PAWL_CLI_FLAG, AT(no_recursive) },
    /* schedule */
    { 0, "workflow", "NAME", "the workflow to start", PAWL_CLI_TEXT, AT(workflow) },
    { 0, "cron", "LINE", "when: minute hour day month weekday, e.g. '0 9 * * MON-FRI'",
      PAWL_CLI_TEXT, AT(cron) },
    { 0, "timezone", "NAME", "of the cron line, e.g. Europe/Berlin (default: UTC)", PAWL_CLI_TEXT,
      AT(timezone) },
    { 0, "every", "DURATION", "when: at multiples of this since 1970, e.g. 15m, 1d", PAWL_CLI_TEXT,
      AT(every) },
    { 0, "offset", "DURATION", "with --every: so much later", PAWL_CLI_TEXT, AT(offset) },
    { 0, "overlap", "RULE",
      "if the last run has not ended: skip (the default), allow, buffer, terminate", PAWL_CLI_TEXT,
      AT(overlap) },
    { 0, "catch-up", "DURATION", "a run later than this is left out (default: 1h)", PAWL_CLI_TEXT,
      AT(catch_up) },
    { 0, "end-time", "TIME", "no run at or after this time", PAWL_CLI_TEXT, AT(end_time) },
    { 0, "paused", NULL, "begin paused", PAWL_CLI_FLAG, AT(paused) },
    /* doctor */
    { 0, "instance", "ID", "only this one (doctor: everything that is stored of it)", PAWL_CLI_TEXT,
      AT(id) },
    { 0, "stuck", "DURATION", "what should happen at once may take so long (default: 60s)",
      PAWL_CLI_DURATION, AT(stuck_ms) },
    { 0, "http", "URL,...", "sidecars of the app: workers and limits tell why something waits",
      PAWL_CLI_TEXT, AT(http) },
    { 0, "placement", "URL", "HTTP address of a placement replica: it knows which apps are there",
      PAWL_CLI_TEXT, AT(placement) },
    { 0, "json", NULL, "the same as JSON: everything, for programs", PAWL_CLI_FLAG, AT(json) },
    /* run */
    { 0, "app-id", "ID", "name of the app; its workflows are kept under this name", PAWL_CLI_TEXT,
      AT(app_id) },
    { 0, "pawld", "FILE", "the sidecar program (default: beside pawl, then in PATH)", PAWL_CLI_TEXT,
      AT(pawld) },
    { 0, "no-color", NULL, "no colours in the logs (also with NO_COLOR set)", PAWL_CLI_FLAG,
      AT(no_color) },
    { 0, "app-timeout", "DURATION",
      "how long the app may take to connect, and for each answer (default: 30s)", PAWL_CLI_DURATION,
      AT(timeout_ms) },
    { 0, "strict", NULL, "other inputs, outputs and times of timers count as different, too",
      PAWL_CLI_FLAG, AT(strict) },
    { 0, "store", "URL", "where state is kept, e.g. sqlite:///var/lib/orders.db, redis://host:6379",
      PAWL_CLI_PASS, AT(store) },
    { 0, "http-port", "PORT", "port of the sidecar's HTTP API; 0: any free one (default: 3500)",
      PAWL_CLI_PASS, NONE },
    { 0, "grpc-port", "PORT",
      "port for Dapr's workflow SDKs; off: none (default: any free one, in DAPR_GRPC_PORT)",
      PAWL_CLI_PASS, NONE },
    { 0, "durabletask-port", "PORT",
      "port for Microsoft's Durable Task SDKs; off: none (default: any free one)", PAWL_CLI_PASS,
      NONE },
    { 0, "namespace", "NAME", "namespace of the app", PAWL_CLI_PASS, AT(namespace_) },
    { 0, "config", "FILE", "configuration file of the sidecar", PAWL_CLI_PASS, NONE },
    { 0, "log-level", "LEVEL", "of the sidecar: error, warn, info or debug", PAWL_CLI_PASS, NONE },
    { 0, "turns-max", "N", "workflow turns at the app at the same time", PAWL_CLI_PASS, NONE },
    { 0, "activities-max", "N", "activities at the app at the same time", PAWL_CLI_PASS, NONE },
    { 0, "app-listen", "URL", "where the app connects (default: a socket of this run only)",
      PAWL_CLI_PASS, NONE },
};

static const struct pawl_cli_spec run_spec = {
    PAWL_CLI_RUN,
    "run",
    "-- <command> [arguments]",
    { NONE, NONE },
    "run an app with its sidecar beside it",
    "Starts pawld, waits until it is ready, then starts the app. The app finds its\n"
    "sidecar through PAWL_APP_ENDPOINT, PAWL_HTTP_ENDPOINT, PAWL_APP_ID and PAWL_TOKEN;\n"
    "an app of Dapr's SDKs through DAPR_GRPC_PORT and DAPR_HTTP_PORT, one of Microsoft's\n"
    "Durable Task SDKs through DURABLE_TASK_SCHEDULER_CONNECTION_STRING.\n"
    "Ctrl-C stops the app first and then the sidecar. The exit code is the app's; 5 when\n"
    "the sidecar could not start or ended while the app was running.",
    "app-id store http-port grpc-port durabletask-port namespace config log-level turns-max "
    "activities-max app-listen "
    "token pawld no-color help",
    "  pawl run --app-id orders -- ./orders\n"
    "  pawl run --app-id orders --store redis://127.0.0.1:6379 --http-port 0 -- ./orders --fast\n",
};

static const struct pawl_cli_spec doctor_spec = {
    PAWL_CLI_DOCTOR,
    "doctor",
    "",
    { NONE, NONE },
    "check what is stored, and say what waits for what",
    "Looks through the state of one app and changes nothing. Tells whether its rows hang\n"
    "together, who owned its partitions last, what each unfinished instance waits for, and\n"
    "which ones are stuck. Sidecars may go on meanwhile: what is found is looked at twice.\n"
    "A SQLite file is read while no sidecar uses it: stop the sidecar, or check a copy made\n"
    "together with the -wal file beside it.",
    "store app-id namespace instance stuck http token placement json help",
    "  pawl doctor --store redis://127.0.0.1:6379 --app-id orders\n"
    "  pawl doctor --store sqlite:///var/lib/orders.db --app-id orders --instance order-17\n"
    "  pawl doctor --store redis://db --app-id orders --http http://127.0.0.1:3500 --stuck 5m\n",
};

static const struct pawl_cli_spec replay_spec = {
    PAWL_CLI_REPLAY,
    "replay",
    "<history>... -- <command> [arguments]",
    { NONE, NONE },
    "run recorded histories against the code of an app",
    "Finds out whether instances that are running can go on with this code. Needs no sidecar\n"
    "and no store, and runs no activity: it starts the app, gives it each history turn by turn,\n"
    "and shows the first place where the code does something else than it did then. A\n"
    "<history> is a file of \"pawl workflow history <id> --export\", or a folder of such files\n"
    "with names that end in .json. The app finds its way through PAWL_APP_ENDPOINT.",
    "app-id strict app-timeout help",
    "  pawl workflow history order-17 --export >histories/order-17.json\n"
    "  pawl replay histories -- ./orders\n"
    "\nExit codes\n"
    "  0  all came out the same\n"
    "  1  code and history differ\n"
    "  2  not all could be checked: a bad file, or an app that did not answer\n",
};

static const struct pawl_cli_spec specs[] = {
    { PAWL_CLI_START,
      "start",
      "<workflow>",
      { AT(name), NONE },
      "start a workflow",
      "Prints the id of the new instance. With --wait it shows the outcome instead, and the\n"
      "exit code is 1 when the workflow did not complete.",
      "instance-id data data-file start-time workflow-version reuse event event-data tag "
      "idempotency-key wait "
      "timeout" COMMON,
      "  pawl workflow start Order -i order-17 -d '{\"item\":\"tea\"}'\n"
      "  pawl workflow start Order --data-file order.json --wait --timeout 1m\n" },
    { PAWL_CLI_LIST,
      "list",
      "",
      { NONE, NONE },
      "list instances, the newest first",
      NULL,
      FILTER "order count limit" COMMON,
      "  pawl workflow list --status RUNNING,SUSPENDED\n"
      "  pawl workflow list --tag team=blue --status FAILED --count\n"
      "  pawl workflow list --name Order --created-from 2026-08-21T00:00:00Z --limit 0 -o json\n" },
    { PAWL_CLI_DEAD_LETTERS,
      "dead-letters",
      "",
      { NONE, NONE },
      "list what is stalled, why and since when; or let it go on",
      "What lacks its code goes on by itself when a worker that has it connects. What has\n"
      "killed its workers again and again waits for --resume, or for \"resume\" of one.",
      "name prefix limit resume reason" COMMON,
      "  pawl workflow dead-letters\n"
      "  pawl workflow dead-letters --name Order --resume -r 'mended in build 7'\n" },
    { PAWL_CLI_GET,
      "get",
      "<instance-id>",
      { AT(id), NONE },
      "show one instance",
      NULL,
      &COMMON[1],
      "  pawl workflow get order-17\n" },
    { PAWL_CLI_HISTORY,
      "history",
      "<instance-id>",
      { AT(id), NONE },
      "show what has happened so far",
      NULL,
      "from limit export" COMMON,
      "  pawl workflow history order-17\n"
      "  pawl workflow history order-17 --export >order-17.json\n"
      "  pawl workflow history order-17 --from 100 --limit 20 -o json\n" },
    { PAWL_CLI_WAIT,
      "wait",
      "<instance-id>",
      { AT(id), NONE },
      "wait until an instance has ended",
      "Shows the instance when it is so far. The exit code is 1 when the time was up first,\n"
      "or when the workflow ended without completing.",
      "for timeout" COMMON,
      "  pawl workflow wait order-17 --timeout 5m\n" },
    { PAWL_CLI_WATCH,
      "watch",
      "",
      { NONE, NONE },
      "show what happens to instances, as it happens",
      "Shows starts, changes of the status and of the custom status, and removals, of the whole\n"
      "app or of what the options say, until it is interrupted; with --instance until that one\n"
      "has ended. When the sidecar goes away it connects again and goes on where it was. Each\n"
      "line of JSON has the position behind it, for --position at another time or place.",
      "instance name status position" COMMON,
      "  pawl workflow watch --name Order --status FAILED,STALLED\n"
      "  pawl workflow watch --instance order-17 -o json\n" },
    { PAWL_CLI_RAISE,
      "raise-event",
      "<instance-id> <event>",
      { AT(id), AT(name) },
      "send an event to a workflow",
      "The event waits until the workflow asks for it.",
      "data data-file idempotency-key" COMMON,
      "  pawl workflow raise-event order-17 paid -d '{\"amount\":12}'\n" },
    { PAWL_CLI_SUSPEND,
      "suspend",
      "<instance-id>",
      { AT(id), NONE },
      "pause an instance",
      NULL,
      "reason" COMMON,
      "  pawl workflow suspend order-17 -r 'stock count'\n" },
    { PAWL_CLI_RESUME,
      "resume",
      "<instance-id>",
      { AT(id), NONE },
      "let a paused instance go on",
      NULL,
      "reason" COMMON,
      "  pawl workflow resume order-17\n" },
    { PAWL_CLI_TERMINATE,
      "terminate",
      "<instance-id>",
      { AT(id), NONE },
      "end an instance at once, and its children",
      "The payload becomes the output of the terminated instance.",
      "data data-file no-recursive" COMMON,
      "  pawl workflow terminate order-17 -d '\"gave up\"'\n" },
    { PAWL_CLI_PURGE,
      "purge",
      "<instance-id>",
      { AT(id), NONE },
      "remove an ended instance and its history",
      NULL,
      "force no-recursive" COMMON,
      "  pawl workflow purge order-17\n" },
    { PAWL_CLI_RERUN,
      "rerun",
      "<instance-id>",
      { AT(id), NONE },
      "start an ended instance anew, under a new id",
      "The new instance gets the input of the old one, unless a payload is given. With\n"
      "--from-event it gets its history, too, up to the turn that made this call, and only from\n"
      "there the code runs anew; a payload is then the call's new input.",
      "new-instance-id data data-file from-event no-input new-child-id" COMMON,
      "  pawl workflow rerun order-17 --new-instance-id order-17b\n"
      "  pawl workflow rerun order-17 --from-event 3 -d '{\"item\":\"tea\"}'\n" },
    { PAWL_CLI_RESTART,
      "restart",
      "<instance-id>",
      { AT(id), NONE },
      "start an ended instance once more, under its own id",
      "The new instance has the name, version, tags and input of the old one and takes its\n"
      "place; with --new-instance-id the old one stays.",
      "new-instance-id idempotency-key" COMMON,
      "  pawl workflow restart order-17\n" },
    { PAWL_CLI_REWIND,
      "rewind",
      "<instance-id>",
      { AT(id), NONE },
      "let a failed instance go on from before what failed",
      "The activities and child workflows whose failures made it fail are done again, failed\n"
      "children are rewound, too, and whatever had succeeded stays as it is.",
      "reason idempotency-key" COMMON,
      "  pawl workflow rewind order-17 -r 'the bank is back'\n" },
    { PAWL_CLI_IMPORT,
      "import",
      "<file>",
      { AT(data_file), NONE },
      "bring in an instance that was exported, here or elsewhere",
      "The file is what \"pawl workflow history <id> --export\" writes; '-' is standard input.\n"
      "One that has ended comes in as it was. One that has not goes on from where it was: its\n"
      "timers, events and activities, too. Suspend such a one before you export it, and purge\n"
      "it with --force where it came from, so that it does not run twice.",
      "instance-id idempotency-key" COMMON,
      "  pawl workflow import order-17.json\n"
      "  pawl workflow import order-17.json --instance-id order-17-copy\n" },
    { PAWL_CLI_BATCH,
      "batch",
      "<operation>",
      { AT(operation), NONE },
      "do something to all instances that match",
      "<operation> is terminate, suspend, resume, purge or raise-event. Without --status it is\n"
      "for those that it makes sense for: purge for ended ones, resume for suspended and stalled\n"
      "ones, the others for those that have not ended. A filter that matches every instance is\n"
      "refused, unless --all is given. It goes page by page, tells how far it is, and can be\n"
      "stopped and begun again, or gone on with --cursor.",
      FILTER "all event data data-file reason force no-recursive idempotency-key cursor" COMMON,
      "  pawl workflow batch terminate --name Order --tag team=blue\n"
      "  pawl workflow batch purge --completed-to 2026-08-01T00:00:00Z\n"
      "  pawl workflow batch raise-event --event price-changed -d 12 --name Order\n" },
};

static const struct pawl_cli_spec schedule_specs[] = {
    { PAWL_CLI_SCHEDULE_CREATE,
      "create",
      "<schedule-id>",
      { AT(id), NONE },
      "start a workflow by the clock from now on",
      "Each run is an instance with the id <schedule-id>-<time>, e.g. daily-20260821T090000Z.",
      "workflow cron timezone every offset data data-file workflow-version overlap catch-up "
      "start-time end-time paused idempotency-key" COMMON,
      "  pawl schedule create daily --workflow Report --cron '0 9 * * *' --timezone "
      "Europe/Berlin\n"
      "  pawl schedule create poll --workflow Poll --every 15m --overlap buffer -d '{\"q\":1}'\n" },
    { PAWL_CLI_SCHEDULE_LIST,
      "list",
      "",
      { NONE, NONE },
      "list schedules",
      NULL,
      "prefix limit" COMMON,
      "  pawl schedule list\n" },
    { PAWL_CLI_SCHEDULE_GET,
      "get",
      "<schedule-id>",
      { AT(id), NONE },
      "show a schedule and its last runs",
      NULL,
      &COMMON[1],
      "  pawl schedule get daily\n" },
    { PAWL_CLI_SCHEDULE_PAUSE,
      "pause",
      "<schedule-id>",
      { AT(id), NONE },
      "start nothing by the clock",
      "Times that pass meanwhile are not made up for. A trigger still works.",
      "reason" COMMON,
      "  pawl schedule pause daily -r 'stock count'\n" },
    { PAWL_CLI_SCHEDULE_RESUME,
      "resume",
      "<schedule-id>",
      { AT(id), NONE },
      "go on with the next time",
      NULL,
      &COMMON[1],
      "  pawl schedule resume daily\n" },
    { PAWL_CLI_SCHEDULE_TRIGGER,
      "trigger",
      "<schedule-id>",
      { AT(id), NONE },
      "start a run now, besides those by the clock",
      "The rule for overlapping runs holds for it, too.",
      "idempotency-key" COMMON,
      "  pawl schedule trigger daily\n" },
    { PAWL_CLI_SCHEDULE_DELETE,
      "delete",
      "<schedule-id>",
      { AT(id), NONE },
      "forget a schedule; its runs stay",
      NULL,
      &COMMON[1],
      "  pawl schedule delete daily\n" },
};

#define PLACEMENT "namespace app address token output json help"

static const struct pawl_cli_spec placement_specs[] = {
    { PAWL_CLI_PLACEMENT_MEMBERS,
      "members",
      "",
      { NONE, NONE },
      "list the sidecars that are there",
      "As the placement service knows them. --address is the HTTP address of one of its\n"
      "replicas (default: http://127.0.0.1:50006); only the one that leads has the list.",
      PLACEMENT,
      "  pawl placement members\n"
      "  pawl placement members --namespace prod --app orders --json\n" },
    { PAWL_CLI_PLACEMENT_TABLE,
      "table",
      "",
      { NONE, NONE },
      "show which sidecar owns which partitions",
      "As every sidecar computes it from the list of members. --address is the HTTP address\n"
      "of one replica of the placement service (default: http://127.0.0.1:50006); only the\n"
      "one that leads has the list.",
      PLACEMENT,
      "  pawl placement table\n"
      "  pawl placement table --namespace prod --app orders --json\n" },
};

const struct pawl_cli_option *pawl_cli_option_find(const char *name, size_t size)
{
    for (size_t i = 0; i < COUNT(options); i++) {
        if (strlen(options[i].name) == size && memcmp(options[i].name, name, size) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

const struct pawl_cli_spec *pawl_cli_spec_doctor(void)
{
    return &doctor_spec;
}

const struct pawl_cli_spec *pawl_cli_spec_run(void)
{
    return &run_spec;
}

const struct pawl_cli_spec *pawl_cli_spec_replay(void)
{
    return &replay_spec;
}

const struct pawl_cli_spec *pawl_cli_spec_find(const char *word)
{
    for (size_t i = 0; i < COUNT(specs); i++) {
        if (strcmp(specs[i].word, word) == 0) return &specs[i];
    }
    return NULL;
}

const struct pawl_cli_spec *pawl_cli_spec_find_placement(const char *word)
{
    for (size_t i = 0; i < COUNT(placement_specs); i++) {
        if (strcmp(placement_specs[i].word, word) == 0) return &placement_specs[i];
    }
    return NULL;
}

const struct pawl_cli_spec *pawl_cli_spec_find_schedule(const char *word)
{
    for (size_t i = 0; i < COUNT(schedule_specs); i++) {
        if (strcmp(schedule_specs[i].word, word) == 0) return &schedule_specs[i];
    }
    return NULL;
}

const char *pawl_cli_spec_group(const struct pawl_cli_spec *spec)
{
    if (pawl_cli_is_schedule(spec->command)) return "schedule ";
    switch (spec->command) {
    case PAWL_CLI_RUN:
    case PAWL_CLI_DOCTOR:
    case PAWL_CLI_REPLAY: return "";
    case PAWL_CLI_PLACEMENT_MEMBERS:
    case PAWL_CLI_PLACEMENT_TABLE: return "placement ";
    default: return "workflow ";
    }
}

/* Help --------------------------------------------------------------------------------- */

static const char exit_codes[] =
    "\nExit codes\n"
    "  0  done\n"
    "  1  it failed; the message says why\n"
    "  2  wrong usage\n"
    "  3  no such instance, or schedule\n"
    "  4  not possible now: the id is in use, or the instance is in another state\n"
    "  5  the sidecar cannot be reached, or the placement service\n";

static const char doctor_exit_codes[] = "\nExit codes\n"
                                        "  0  healthy: no finding, nothing stuck\n"
                                        "  1  findings, or something is stuck\n"
                                        "  2  wrong usage, or the store cannot be read; the "
                                        "message says why\n";

static const char *text_keep(struct pawl_arena *arena, struct pawl_buf *buf)
{
    pawl_buf_append(buf, "", 1);
    const char *text = (const char *)pawl_arena_copy(arena, pawl_buf_view(buf)).data;
    pawl_buf_deinit(buf);
    return text;
}

const char *pawl_cli_help_main(struct pawl_arena *arena)
{
    (void)arena;
    return "pawl: durable workflows for ordinary programs\n"
           "\n"
           "Usage\n"
           "  pawl run --app-id <id> [options] -- <command>    run an app with its sidecar\n"
           "  pawl workflow <command> [options]                look at and steer workflows\n"
           "  pawl schedule <command> [options]                start workflows by the clock\n"
           "  pawl doctor --store <url> --app-id <id>          check what is stored\n"
           "  pawl replay <history>... -- <command>            try new code on recorded histories\n"
           "  pawl placement <command> [options]               look at who is there and owns what\n"
           "  pawl --version\n"
           "\n"
           "Examples\n"
           "  pawl run --app-id orders -- ./orders\n"
           "  pawl workflow start Order -d '{\"item\":\"tea\"}' --wait\n"
           "  pawl workflow list --status FAILED\n"
           "  pawl doctor --store redis://127.0.0.1:6379 --app-id orders\n"
           "\n"
           "Help for each: pawl run --help, pawl replay --help, pawl doctor --help,\n"
           "pawl workflow --help, pawl workflow start --help\n";
}

const char *pawl_cli_help_workflow(struct pawl_arena *arena)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, 65536);
    pawl_buf_append_str(&buf, "pawl workflow: look at and steer workflows\n\n"
                              "Usage\n  pawl workflow <command> [options]\n\nCommands\n");
    for (size_t i = 0; i < COUNT(specs); i++) {
        pawl_buf_printf(&buf, "  %-12s %-22s %s\n", specs[i].word, specs[i].arguments,
                        specs[i].summary);
    }
    pawl_buf_append_str(&buf, "\nExamples\n"
                              "  pawl workflow start Order -i order-17 -d '{\"item\":\"tea\"}'\n"
                              "  pawl workflow history order-17\n"
                              "  pawl workflow raise-event order-17 paid\n"
                              "\nOptions of a command: pawl workflow <command> --help\n");
    pawl_buf_append_str(&buf, exit_codes);
    return text_keep(arena, &buf);
}

const char *pawl_cli_help_schedule(struct pawl_arena *arena)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, 65536);
    pawl_buf_append_str(&buf, "pawl schedule: start workflows by the clock\n\n"
                              "Usage\n  pawl schedule <command> [options]\n\nCommands\n");
    for (size_t i = 0; i < COUNT(schedule_specs); i++) {
        pawl_buf_printf(&buf, "  %-8s %-14s %s\n", schedule_specs[i].word,
                        schedule_specs[i].arguments, schedule_specs[i].summary);
    }
    pawl_buf_append_str(&buf,
                        "\nExamples\n"
                        "  pawl schedule create daily --workflow Report --cron '0 9 * * MON-FRI'\n"
                        "  pawl schedule trigger daily\n"
                        "\nOptions of a command: pawl schedule <command> --help\n");
    pawl_buf_append_str(&buf, exit_codes);
    return text_keep(arena, &buf);
}

const char *pawl_cli_help_placement(struct pawl_arena *arena)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, 65536);
    pawl_buf_append_str(&buf, "pawl placement: look at who is there and owns what\n\n"
                              "Usage\n  pawl placement <command> [options]\n\nCommands\n");
    for (size_t i = 0; i < COUNT(placement_specs); i++) {
        pawl_buf_printf(&buf, "  %-12s %s\n", placement_specs[i].word, placement_specs[i].summary);
    }
    pawl_buf_append_str(&buf, "\nOptions of a command: pawl placement <command> --help\n");
    pawl_buf_append_str(&buf, exit_codes);
    return text_keep(arena, &buf);
}

static void help_option(struct pawl_buf *buf, const struct pawl_cli_option *option)
{
    char left[64];
    int size = option->letter
                   ? snprintf(left, sizeof left, "-%c, --%s", option->letter, option->name)
                   : snprintf(left, sizeof left, "    --%s", option->name);
    if (option->value) {
        snprintf(left + size, sizeof left - (size_t)size, " %s", option->value);
    }
    pawl_buf_printf(buf, "  %-30s %s\n", left, option->help);
}

const char *pawl_cli_help_spec(struct pawl_arena *arena, const struct pawl_cli_spec *spec)
{
    enum pawl_cli_command command = spec->command;
    bool is_grouped = pawl_cli_spec_group(spec)[0] != 0;
    struct pawl_buf buf;
    pawl_buf_init(&buf, 65536);
    pawl_buf_printf(&buf, "pawl %s%s: %s\n\nUsage\n  pawl %s%s ", pawl_cli_spec_group(spec),
                    spec->word, spec->summary, pawl_cli_spec_group(spec), spec->word);
    if (command == PAWL_CLI_RUN)
        pawl_buf_printf(&buf, "--app-id <id> [options] %s\n", spec->arguments);
    else if (command == PAWL_CLI_DOCTOR)
        pawl_buf_append_str(&buf, "--store <url> --app-id <id> [options]\n");
    else if (command == PAWL_CLI_REPLAY)
        pawl_buf_printf(&buf, "[options] %s\n", spec->arguments);
    else
        pawl_buf_printf(&buf, "%s%s[options]\n", spec->arguments, spec->arguments[0] ? " " : "");
    if (spec->about) pawl_buf_printf(&buf, "\n%s\n", spec->about);
    pawl_buf_append_str(&buf, "\nOptions\n");
    for (const char *name = spec->options; *name;) {
        size_t size = strcspn(name, " ");
        const struct pawl_cli_option *option = pawl_cli_option_find(name, size);
        if (option) help_option(&buf, option);
        name += size + (name[size] == ' ' ? 1 : 0);
    }
    pawl_buf_printf(&buf, "\nExamples\n%s", spec->examples);
    if (command == PAWL_CLI_DOCTOR) pawl_buf_append_str(&buf, doctor_exit_codes);
    if (is_grouped) pawl_buf_append_str(&buf, exit_codes);
    return text_keep(arena, &buf);
}
