/* Options: what was typed, as a value. One table says which command takes what; the
 * parser and the help texts both come from it. */
#ifndef PAWL_CLI_OPTIONS_H
#define PAWL_CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

/* Exit codes of `pawl`; `pawl run` gives the app's instead. `pawl replay`: 0, 1 when code and
 * history differ, 2 when not everything could be checked. */
enum pawl_cli_exit {
    PAWL_CLI_OK = 0,
    PAWL_CLI_FAILED = 1,
    PAWL_CLI_USAGE = 2,
    PAWL_CLI_NOT_FOUND = 3,
    PAWL_CLI_CONFLICT = 4,
    PAWL_CLI_UNREACHABLE = 5,
};

enum pawl_cli_command {
    PAWL_CLI_HELP = 1,
    PAWL_CLI_VERSION,
    PAWL_CLI_RUN,
    PAWL_CLI_START,
    PAWL_CLI_LIST,
    PAWL_CLI_DEAD_LETTERS,
    PAWL_CLI_GET,
    PAWL_CLI_HISTORY,
    PAWL_CLI_WAIT,
    PAWL_CLI_WATCH,
    PAWL_CLI_RAISE,
    PAWL_CLI_SUSPEND,
    PAWL_CLI_RESUME,
    PAWL_CLI_TERMINATE,
    PAWL_CLI_PURGE,
    PAWL_CLI_RERUN,
    PAWL_CLI_RESTART,
    PAWL_CLI_REWIND,
    PAWL_CLI_IMPORT,
    PAWL_CLI_BATCH,
    PAWL_CLI_DOCTOR,
    PAWL_CLI_REPLAY,
    PAWL_CLI_SCHEDULE_CREATE,
    PAWL_CLI_SCHEDULE_LIST,
    PAWL_CLI_SCHEDULE_GET,
    PAWL_CLI_SCHEDULE_PAUSE,
    PAWL_CLI_SCHEDULE_RESUME,
    PAWL_CLI_SCHEDULE_TRIGGER,
    PAWL_CLI_SCHEDULE_DELETE,
    PAWL_CLI_PLACEMENT_MEMBERS,
    PAWL_CLI_PLACEMENT_TABLE,
};

#define PAWL_CLI_PASSED_MAX 32u
#define PAWL_CLI_TAGS_MAX   32u

struct pawl_cli_options {
    enum pawl_cli_command command;
    const char *help; /* HELP: the text to show */
    /* run */
    const char *app_id;
    const char *pawld;
    bool no_color;
    uint32_t passed_count;
    const char *passed[PAWL_CLI_PASSED_MAX]; /* options for pawld, as they are */
    char *const *app;                        /* the app's command line, ended by NULL */
    /* doctor; `id`: the instance */
    const char *store; /* also of run, as it was passed on */
    const char *namespace_;
    const char *http;
    const char *placement;
    int64_t stuck_ms; /* -1: not given */
    /* replay */
    int files_count;
    char *const *files;
    bool strict;
    /* workflow */
    const char *address;
    const char *token;
    bool json;
    const char *id;   /* instance */
    const char *name; /* of the workflow or the event; filter of list */
    const char *data;
    const char *data_file;
    const char *instance_id;
    const char *new_instance_id;
    const char *start_time;
    const char *workflow_version;
    const char *reuse;
    const char *event;
    const char *event_data;
    const char *key;
    const char *reason;
    const char *wait_for;
    const char *position; /* watch: where to go on */
    const char *status;
    const char *prefix;
    const char *created_from;
    const char *created_to;
    /* schedule; `id`: its own */
    const char *workflow;
    const char *cron;
    const char *timezone;
    const char *every;
    const char *offset;
    const char *overlap;
    const char *catch_up;
    const char *end_time;
    bool paused;
    const char *completed_from;
    const char *completed_to;
    const char *updated_from;
    const char *updated_to;
    const char *order;
    const char *operation; /* batch */
    const char *cursor;    /* batch: where to go on */
    uint32_t tags_count;
    const char *tags[PAWL_CLI_TAGS_MAX]; /* "key=value" */
    bool all;
    bool count;
    const char *only_app; /* placement: only this one */
    bool wait;
    bool resume;
    bool force;
    bool no_recursive;
    bool export_all;
    int64_t timeout_ms; /* -1: not given */
    uint32_t limit;     /* UINT32_MAX: not given */
    uint32_t from;
    uint32_t from_event; /* UINT32_MAX: not given */
    bool no_input;
    const char *new_child_id;
};

bool pawl_cli_is_schedule(enum pawl_cli_command command);

/* Defaults for --address and --token come from `env_address`, `env_token` (NULL: not
 * set). False: *ret_error says what is wrong and which help to ask for. Texts in
 * *ret_options belong to argv or the arena. */
bool pawl_cli_parse(int argc, char **argv, const char *env_address, const char *env_token,
                    struct pawl_arena *arena, struct pawl_cli_options *ret_options,
                    const char **ret_error);

#endif /* PAWL_CLI_OPTIONS_H */
