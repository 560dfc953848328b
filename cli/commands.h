/* Commands: the table of what there is to type. */
#ifndef PAWL_CLI_COMMANDS_H
#define PAWL_CLI_COMMANDS_H

#include "cli/options.h"

enum pawl_cli_kind {
    PAWL_CLI_TEXT = 1,
    PAWL_CLI_FLAG,
    PAWL_CLI_DURATION,
    PAWL_CLI_NUMBER,
    PAWL_CLI_TAG, /* may come several times */
    PAWL_CLI_PASS
};

struct pawl_cli_option {
    char letter; /* 0: none */
    const char *name;
    const char *value; /* placeholder in help; NULL: takes none */
    const char *help;
    enum pawl_cli_kind kind;
    size_t offset; /* into struct pawl_cli_options */
};

struct pawl_cli_spec {
    enum pawl_cli_command command;
    const char *word;
    const char *arguments; /* e.g. "<instance-id> <event>" */
    size_t positional[2];  /* offsets of their fields; SIZE_MAX: none */
    const char *summary;
    const char *about;
    const char *options; /* names, separated by spaces */
    const char *examples;
};

const struct pawl_cli_option *pawl_cli_option_find(const char *name, size_t size);
const struct pawl_cli_spec *pawl_cli_spec_run(void);
const struct pawl_cli_spec *pawl_cli_spec_doctor(void);
const struct pawl_cli_spec *pawl_cli_spec_replay(void);

/* NULL: no such command of workflow, placement or schedule. */
const struct pawl_cli_spec *pawl_cli_spec_find(const char *word);
const struct pawl_cli_spec *pawl_cli_spec_find_placement(const char *word);
const struct pawl_cli_spec *pawl_cli_spec_find_schedule(const char *word);

/* What stands between "pawl" and its word: "workflow ", or nothing. */
const char *pawl_cli_spec_group(const struct pawl_cli_spec *spec);

/* Help texts, made in the arena. */
const char *pawl_cli_help_main(struct pawl_arena *arena);
const char *pawl_cli_help_workflow(struct pawl_arena *arena);
const char *pawl_cli_help_schedule(struct pawl_arena *arena);
const char *pawl_cli_help_placement(struct pawl_arena *arena);
const char *pawl_cli_help_spec(struct pawl_arena *arena, const struct pawl_cli_spec *spec);

#endif /* PAWL_CLI_COMMANDS_H */
