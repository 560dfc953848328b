#include "sidecar/io/config_yaml.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"

#define OPTIONS_MAX    64u
#define COMPLAINT_SIZE 512u

/* The schema follows from the table of options: each is a key, and libcyaml leaves a
 * pointer in the slot of the same index. NULL: the file does not have it. */
struct slots {
    void *values[OPTIONS_MAX];
};

/* libcyaml tells what is wrong through its log only, in pieces. */
struct complaint {
    char text[COMPLAINT_SIZE];
    size_t size;
};

static void complaint_add(cyaml_log_t level, void *context, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

static void complaint_add(cyaml_log_t level, void *context, const char *format, va_list args)
{
    struct complaint *complaint = context;
    if (level < CYAML_LOG_ERROR) return;
    size_t room = sizeof complaint->text - complaint->size;
    int size = vsnprintf(complaint->text + complaint->size, room, format, args);
    if (size > 0) complaint->size += (size_t)size < room ? (size_t)size : room - 1;
}

static void replace(char *text, size_t size_max, const char *from, const char *to)
{
    size_t from_size = strlen(from);
    size_t to_size = strlen(to);
    for (char *at = text; (at = strstr(at, from)) != NULL; at += to_size) {
        if (strlen(text) + to_size >= size_max + from_size) return;
        memmove(at + to_size, at + from_size, strlen(at + from_size) + 1);
        for (size_t i = 0; i < to_size; i++) at[i] = to[i];
    }
}

/* "Expecting STRING, got event: SEQUENCE_START at …" */
static void complaint_expect(char text[COMPLAINT_SIZE])
{
    char expected[COMPLAINT_SIZE];
    const char *place = strstr(text, " at ");
    if (place) {
        snprintf(expected, sizeof expected, "expected a single value%.400s", place);
    } else {
        snprintf(expected, sizeof expected, "expected lines of \"key: value\"");
    }
    snprintf(text, COMPLAINT_SIZE, "%s", expected);
}

/* Line ends and runs of spaces become one space. */
static void squeeze(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        bool space = *from == '\n' || *from == ' ';
        if (space && (to == text || to[-1] == ' ')) continue;
        *to = *from;
        if (space) *to = ' ';
        to++;
    }
    if (to > text && to[-1] == ' ') to--;
    *to = 0;
}

/* One line, in words that need no knowledge of the library. */
static void complaint_tidy(struct complaint *complaint)
{
    static const char *const words[][2] = {
        { "Load: Backtrace:", "" },
        { "Load: ", "" },
        { "libyaml: ", "" },
        { "Unexpected key: ", "unknown key: " },
        { "Mapping field already seen: ", "given twice: " },
        { "Invalid uint64_t value: ", "not a whole number: " },
        { "in mapping field", "at" },
        { "in mapping", "at" },
    };
    squeeze(complaint->text);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        replace(complaint->text, sizeof complaint->text, words[i][0], words[i][1]);
    }
    if (strstr(complaint->text, ", got event: ")) complaint_expect(complaint->text);
    squeeze(complaint->text);
}

/* The line that begins with the key, from 1; 0: none does. */
static uint32_t line_find(const char *path, const char *key)
{
    FILE *file = fopen(path, "re");
    if (!file) return 0;
    char line[1024];
    uint32_t number = 0;
    bool found = false;
    while (!found && fgets(line, sizeof line, file)) {
        number++;
        const char *start = line + strspn(line, " \"'");
        found = strncmp(start, key, strlen(key)) == 0;
    }
    fclose(file);
    return found ? number : 0;
}

/* For an unknown key the library tells the place of the value before it. */
static void complaint_place(struct complaint *complaint, const char *path)
{
    static const char unknown[] = "unknown key: ";
    if (strncmp(complaint->text, unknown, sizeof unknown - 1) != 0) return;
    char key[256];
    snprintf(key, sizeof key, "%s", complaint->text + sizeof unknown - 1);
    char *end = strstr(key, " at ");
    if (end) *end = 0;
    uint32_t line = line_find(path, key);
    if (line == 0) return;
    snprintf(complaint->text, sizeof complaint->text,
             "unknown key: %s (line: %" PRIu32 "); pawld --help lists the known ones", key, line);
}

static void schema_make(cyaml_schema_field_t fields[OPTIONS_MAX + 1])
{
    PAWL_ASSERT(pawl_config_options_count <= OPTIONS_MAX);
    for (uint32_t i = 0; i < pawl_config_options_count; i++) {
        bool number = pawl_config_options[i].kind == PAWL_CONFIG_NUMBER;
        fields[i] = (cyaml_schema_field_t){
            .key = pawl_config_options[i].name,
            .data_offset = (uint32_t)(offsetof(struct slots, values) + i * sizeof(void *)),
            .value = { .type = number ? CYAML_UINT : CYAML_STRING,
                       .flags = CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER,
                       .data_size = number ? sizeof(uint64_t) : 1 },
        };
        if (!number) fields[i].value.string.max = 4096;
    }
    fields[pawl_config_options_count] = (cyaml_schema_field_t){ .key = NULL };
}

static pawl_err slots_apply(struct pawl_config *config, const struct slots *slots,
                            const char **ret_message)
{
    for (uint32_t i = 0; i < pawl_config_options_count; i++) {
        const struct pawl_config_option *option = &pawl_config_options[i];
        if (!slots->values[i]) continue;
        const char *value = slots->values[i];
        char number[32];
        if (option->kind == PAWL_CONFIG_NUMBER) {
            snprintf(number, sizeof number, "%" PRIu64, *(const uint64_t *)slots->values[i]);
            value = number;
        }
        pawl_err err = pawl_config_set(config, option, PAWL_CONFIG_FILE, value, ret_message);
        if (err != PAWL_OK) return err;
    }
    return PAWL_OK;
}

static const char *say(struct pawl_config *config, const char *path, const char *text)
{
    return (const char *)pawl_arena_printf(config->arena, "configuration file %s: %s", path, text)
        .data;
}

pawl_err pawl_config_yaml_load(struct pawl_config *config, const char *path,
                               const char **ret_message)
{
    if (access(path, R_OK) != 0) {
        *ret_message = say(config, path, strerror(errno));
        return PAWL_E_UNAVAILABLE;
    }
    cyaml_schema_field_t fields[OPTIONS_MAX + 1];
    schema_make(fields);
    const cyaml_schema_value_t schema = { .type = CYAML_MAPPING,
                                          .flags = CYAML_FLAG_POINTER,
                                          .data_size = sizeof(struct slots),
                                          .mapping = { .fields = fields } };
    struct complaint complaint = { .size = 0 };
    const cyaml_config_t cyaml = { .log_fn = complaint_add,
                                   .log_ctx = &complaint,
                                   .mem_fn = cyaml_mem,
                                   .log_level = CYAML_LOG_ERROR,
                                   .flags = CYAML_CFG_NO_ALIAS };
    cyaml_data_t *data = NULL;
    cyaml_err_t rc = cyaml_load_file(path, &cyaml, &schema, &data, NULL);
    if (rc != CYAML_OK) {
        complaint_tidy(&complaint);
        complaint_place(&complaint, path);
        *ret_message = say(config, path, complaint.text[0] ? complaint.text : cyaml_strerror(rc));
        return PAWL_E_INVALID;
    }
    if (!data) return PAWL_OK; /* an empty file says nothing */
    pawl_err err = slots_apply(config, data, ret_message);
    (void)cyaml_free(&cyaml, &schema, data, 0); /* fails only for a wrong schema */
    return err;
}
