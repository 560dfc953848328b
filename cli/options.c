#include "cli/options.h"

#include <getopt.h>
#include <string.h>

#include "base/bytes.h"
#include "base/flags.h"
#include "base/limits.h"
#include "base/timetext.h"
#include "cli/commands.h"

#define LONGS_MAX 32u

struct parse {
    struct pawl_arena *arena;
    const struct pawl_cli_spec *spec;
    struct pawl_cli_options *options;
    const char *error;
};

static void parse_fail(struct parse *parse, const char *format, const char *what)
{
    if (parse->error) return;
    struct pawl_bytes text = pawl_arena_printf(parse->arena, format, what);
    parse->error = (const char *)pawl_arena_printf(
                       parse->arena, "%.*s\nSee: pawl %s%s --help", PAWL_BYTES_FMT(text),
                       pawl_cli_spec_group(parse->spec), parse->spec->word)
                       .data;
}

/* Something is over its bound. */
static void parse_fail_at(struct parse *parse, const char *format, uint32_t bound)
{
    parse_fail(parse, "%s", (const char *)pawl_arena_printf(parse->arena, format, bound).data);
}

static void *field(struct parse *parse, size_t offset)
{
    return (char *)parse->options + offset;
}

static bool number_parse(const char *text, uint32_t *ret_number)
{
    uint64_t value = 0;
    size_t size = strlen(text);
    if (size == 0 || size > 9) return false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    *ret_number = (uint32_t)value;
    return true;
}

static void parse_pass(struct parse *parse, const struct pawl_cli_option *option, const char *value)
{
    struct pawl_cli_options *options = parse->options;
    if (options->passed_count == PAWL_CLI_PASSED_MAX) {
        parse_fail(parse, "too many options at --%s", option->name);
        return;
    }
    options->passed[options->passed_count++] =
        (const char *)pawl_arena_printf(parse->arena, "--%s=%s", option->name, value).data;
    if (option->offset != SIZE_MAX) *(const char **)field(parse, option->offset) = value;
}

static void parse_output(struct parse *parse, const char *value)
{
    parse->options->json = strcmp(value, "json") == 0;
    if (!parse->options->json && strcmp(value, "table") != 0) {
        parse_fail(parse, "--output must be table or json, not \"%s\"", value);
    }
}

static void parse_option(struct parse *parse, const struct pawl_cli_option *option,
                         const char *value)
{
    if (strcmp(option->name, "help") == 0) {
        parse->options->command = PAWL_CLI_HELP;
        return;
    }
    if (strcmp(option->name, "output") == 0) {
        parse_output(parse, value);
        return;
    }
    switch (option->kind) {
    case PAWL_CLI_TEXT: *(const char **)field(parse, option->offset) = value; return;
    case PAWL_CLI_FLAG: *(bool *)field(parse, option->offset) = true; return;
    case PAWL_CLI_PASS: /* what `run` hands on, other commands may use themselves */
        if (parse->spec->command == PAWL_CLI_RUN)
            parse_pass(parse, option, value);
        else
            *(const char **)field(parse, option->offset) = value;
        return;
    case PAWL_CLI_TAG:
        if (parse->options->tags_count == PAWL_CLI_TAGS_MAX)
            parse_fail_at(parse, "too many tags: at most %u are allowed", PAWL_CLI_TAGS_MAX);
        else
            parse->options->tags[parse->options->tags_count++] = value;
        return;
    case PAWL_CLI_DURATION:
        if (!pawl_timetext_parse_duration(pawl_bytes_str(value), field(parse, option->offset))) {
            parse_fail(parse, "\"%s\" is not a duration: write one such as 500ms, 30s or 5m",
                       value);
        }
        return;
    case PAWL_CLI_NUMBER:
        if (!number_parse(value, field(parse, option->offset))) {
            parse_fail(parse, "\"%s\" is not a whole number of at most nine digits", value);
        }
        return;
    }
}

/* getopt_long's tables, from ours. Values of long options are the index + 256. */
struct getopt_tables {
    char letters[2 * LONGS_MAX + 3];
    struct option longs[LONGS_MAX + 1];
    const struct pawl_cli_option *options[LONGS_MAX];
    int count;
};

static void tables_make(struct getopt_tables *tables, const struct pawl_cli_spec *spec)
{
    *tables = (struct getopt_tables){ .count = 0 };
    size_t used = 0;
    tables->letters[used++] = spec->command == PAWL_CLI_RUN ? '+' : ':';
    if (spec->command == PAWL_CLI_RUN) tables->letters[used++] = ':';
    for (const char *name = spec->options; *name && tables->count < (int)LONGS_MAX;) {
        size_t size = strcspn(name, " ");
        const struct pawl_cli_option *option = pawl_cli_option_find(name, size);
        name += size + (name[size] == ' ' ? 1 : 0);
        if (!option) continue;
        int takes = option->value ? required_argument : no_argument;
        tables->longs[tables->count] =
            (struct option){ option->name, takes, NULL, 256 + tables->count };
        tables->options[tables->count++] = option;
        if (!option->letter) continue;
        tables->letters[used++] = option->letter;
        if (option->value) tables->letters[used++] = ':';
    }
}

static const struct pawl_cli_option *tables_find(const struct getopt_tables *tables, int got)
{
    if (got >= 256) return tables->options[got - 256];
    for (int i = 0; i < tables->count; i++) {
        if (tables->options[i]->letter == got) return tables->options[i];
    }
    return NULL;
}

static void parse_positional(struct parse *parse, int argc, char **argv)
{
    for (size_t i = 0; i < 2; i++) {
        size_t offset = parse->spec->positional[i];
        if (offset == SIZE_MAX) break;
        if (optind == argc) {
            parse_fail(parse, "missing argument: %s", parse->spec->arguments);
            return;
        }
        const char *value = argv[optind++];
        if (value[0] == 0) parse_fail(parse, "an argument is empty: %s", parse->spec->arguments);
        *(const char **)field(parse, offset) = value;
    }
    if (optind < argc) parse_fail(parse, "unexpected argument \"%s\"", argv[optind]);
}

static void parse_app(struct parse *parse, int argc, char **argv)
{
    if (!parse->options->app_id) {
        parse_fail(parse, "%s",
                   "--app-id is missing: the name under which the app's workflows are kept");
    } else if (optind == argc) {
        parse_fail(parse, "%s", "the app's command is missing: write it behind --");
    }
    parse->options->app = argv + optind;
}

/* Files, --, and the app's command line; `end` is where the -- stands. */
static void parse_replay(struct parse *parse, int end, int argc, char **argv)
{
    parse->options->files = argv + optind;
    parse->options->files_count = end - optind;
    if (optind == end)
        parse_fail(parse, "%s", "name at least one file or folder with recorded histories");
    else if (end + 1 >= argc)
        parse_fail(parse, "%s", "the app's command is missing: write it behind --");
    else
        parse->options->app = argv + end + 1;
}

/* Where the words of pawl itself end: at the -- of a replay, else at the end. */
static int words_end(const struct parse *parse, int argc, char **argv)
{
    if (parse->spec->command != PAWL_CLI_REPLAY) return argc;
    int end = 0;
    while (end < argc && strcmp(argv[end], "--") != 0) end++;
    return end;
}

static void parse_words(struct parse *parse, int argc, char **argv)
{
    struct getopt_tables tables;
    tables_make(&tables, parse->spec);
    int end = words_end(parse, argc, argv);
    optind = 0; /* glibc: begin anew, whatever was parsed before */
    opterr = 0;
    int got;
    while ((got = getopt_long(end, argv, tables.letters, tables.longs, NULL)) != -1) {
        if (got == ':') {
            parse_fail(parse, "option %s needs a value", argv[optind - 1]);
            return;
        }
        const struct pawl_cli_option *option = got == '?' ? NULL : tables_find(&tables, got);
        if (!option) {
            parse_fail(parse, "unknown option %s", argv[optind - 1]);
            return;
        }
        const char *cut = pawl_flag_cut_short(argv, optind, optarg, option->name);
        if (cut) {
            parse_fail(parse, "unknown option %s", cut);
            return;
        }
        parse_option(parse, option, optarg);
        if (parse->options->command == PAWL_CLI_HELP) return;
    }
    if (parse->spec->command == PAWL_CLI_RUN)
        parse_app(parse, argc, argv);
    else if (parse->spec->command == PAWL_CLI_REPLAY)
        parse_replay(parse, end, argc, argv);
    else
        parse_positional(parse, argc, argv);
}

static void parse_check(struct parse *parse)
{
    struct pawl_cli_options *options = parse->options;
    if (options->data && options->data_file) {
        parse_fail(parse, "%s", "--data and --data-file exclude each other");
    }
    if (options->timeout_ms >= 0 && options->command == PAWL_CLI_START && !options->wait) {
        parse_fail(parse, "%s", "--timeout needs --wait");
    }
    if (options->command == PAWL_CLI_DOCTOR && (!options->store || !options->app_id)) {
        parse_fail(parse, "--%s is missing", options->store ? "app-id" : "store");
    }
    if (options->export_all && (options->from > 0 || options->limit != UINT32_MAX)) {
        parse_fail(parse, "%s", "--export is the whole history: leave --from and --limit out");
    }
    if (options->command == PAWL_CLI_SCHEDULE_CREATE) {
        if (!options->workflow) parse_fail(parse, "%s", "--workflow is missing: what is to run");
        if (!options->cron == !options->every)
            parse_fail(parse, "%s", "say when: with --cron or with --every, not both");
    }
    if (options->position && strlen(options->position) > PAWL_POSITION_SIZE_MAX)
        parse_fail_at(parse, "--position is longer than %u bytes, as no sidecar gives one out",
                      PAWL_POSITION_SIZE_MAX);
    if (options->wait_for && strcmp(options->wait_for, "started") != 0
        && strcmp(options->wait_for, "completed") != 0) {
        parse_fail(parse, "--for must be started or completed, not \"%s\"", options->wait_for);
    }
}

static bool parse_spec(const struct pawl_cli_spec *spec, int argc, char **argv,
                       struct pawl_arena *arena, struct pawl_cli_options *options,
                       const char **ret_error)
{
    struct parse parse = { .arena = arena, .spec = spec, .options = options };
    options->command = spec->command;
    parse_words(&parse, argc, argv);
    if (options->command == PAWL_CLI_HELP) {
        options->help = pawl_cli_help_spec(arena, spec);
        return true;
    }
    parse_check(&parse);
    *ret_error = parse.error;
    return parse.error == NULL;
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

static bool parse_placement(int argc, char **argv, struct pawl_arena *arena,
                            struct pawl_cli_options *options, const char **ret_error)
{
    options->address = "http://127.0.0.1:50006"; /* PAWL_HTTP_ENDPOINT is the sidecar's */
    if (argc >= 2 && is_help(argv[1])) {
        options->command = PAWL_CLI_HELP;
        options->help = pawl_cli_help_placement(arena);
        return true;
    }
    if (argc < 2) {
        *ret_error = "pawl placement needs a command: members or table\n"
                     "See: pawl placement --help";
        return false;
    }
    const struct pawl_cli_spec *spec = pawl_cli_spec_find_placement(argv[1]);
    if (spec) return parse_spec(spec, argc - 1, argv + 1, arena, options, ret_error);
    *ret_error =
        (const char *)pawl_arena_printf(
            arena, "there is no command \"pawl placement %s\"\nSee: pawl placement --help", argv[1])
            .data;
    return false;
}

bool pawl_cli_is_schedule(enum pawl_cli_command command)
{
    return command >= PAWL_CLI_SCHEDULE_CREATE && command <= PAWL_CLI_SCHEDULE_DELETE;
}

static bool parse_schedule(int argc, char **argv, struct pawl_arena *arena,
                           struct pawl_cli_options *options, const char **ret_error)
{
    if (argc >= 2 && is_help(argv[1])) {
        options->command = PAWL_CLI_HELP;
        options->help = pawl_cli_help_schedule(arena);
        return true;
    }
    if (argc < 2) {
        *ret_error = "pawl schedule needs a command\nSee: pawl schedule --help";
        return false;
    }
    const char *word = strcmp(argv[1], "ls") == 0 ? "list" : argv[1];
    const struct pawl_cli_spec *spec = pawl_cli_spec_find_schedule(word);
    if (spec) return parse_spec(spec, argc - 1, argv + 1, arena, options, ret_error);
    *ret_error =
        (const char *)pawl_arena_printf(
            arena, "there is no command \"pawl schedule %s\"\nSee: pawl schedule --help", argv[1])
            .data;
    return false;
}

static bool parse_workflow(int argc, char **argv, struct pawl_arena *arena,
                           struct pawl_cli_options *options, const char **ret_error)
{
    if (argc >= 2 && is_help(argv[1])) {
        options->command = PAWL_CLI_HELP;
        options->help = pawl_cli_help_workflow(arena);
        return true;
    }
    if (argc < 2) {
        *ret_error = "pawl workflow needs a command\nSee: pawl workflow --help";
        return false;
    }
    const char *word = strcmp(argv[1], "ls") == 0 ? "list" : argv[1];
    const struct pawl_cli_spec *spec = pawl_cli_spec_find(word);
    if (spec) return parse_spec(spec, argc - 1, argv + 1, arena, options, ret_error);
    *ret_error =
        (const char *)pawl_arena_printf(
            arena, "there is no command \"pawl workflow %s\"\nSee: pawl workflow --help", argv[1])
            .data;
    return false;
}

bool pawl_cli_parse(int argc, char **argv, const char *env_address, const char *env_token,
                    struct pawl_arena *arena, struct pawl_cli_options *ret_options,
                    const char **ret_error)
{
    *ret_options = (struct pawl_cli_options){
        .address = env_address && env_address[0] ? env_address : "http://127.0.0.1:3500",
        .token = env_token && env_token[0] ? env_token : NULL,
        .timeout_ms = -1,
        .stuck_ms = -1,
        .limit = UINT32_MAX,
        .from_event = UINT32_MAX,
    };
    if (argc >= 2 && is_help(argv[1])) {
        ret_options->command = PAWL_CLI_HELP;
        ret_options->help = pawl_cli_help_main(arena);
        return true;
    }
    if (argc >= 2 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0)) {
        ret_options->command = PAWL_CLI_VERSION;
        return true;
    }
    if (argc >= 2 && strcmp(argv[1], "run") == 0) {
        return parse_spec(pawl_cli_spec_run(), argc - 1, argv + 1, arena, ret_options, ret_error);
    }
    if (argc >= 2 && strcmp(argv[1], "doctor") == 0) {
        return parse_spec(pawl_cli_spec_doctor(), argc - 1, argv + 1, arena, ret_options,
                          ret_error);
    }
    if (argc >= 2 && strcmp(argv[1], "replay") == 0) {
        return parse_spec(pawl_cli_spec_replay(), argc - 1, argv + 1, arena, ret_options,
                          ret_error);
    }
    if (argc >= 2 && (strcmp(argv[1], "workflow") == 0 || strcmp(argv[1], "wf") == 0)) {
        return parse_workflow(argc - 1, argv + 1, arena, ret_options, ret_error);
    }
    if (argc >= 2 && strcmp(argv[1], "schedule") == 0) {
        return parse_schedule(argc - 1, argv + 1, arena, ret_options, ret_error);
    }
    if (argc >= 2 && strcmp(argv[1], "placement") == 0) {
        return parse_placement(argc - 1, argv + 1, arena, ret_options, ret_error);
    }
    const char *word = argc >= 2 ? argv[1] : NULL;
    *ret_error =
        word ? (const char *)pawl_arena_printf(
                   arena, "there is no command \"pawl %s\"\nSee: pawl --help", word)
                   .data
             : "pawl needs a command: run, workflow, schedule, placement, replay or doctor\n"
               "See: pawl --help";
    return false;
}
