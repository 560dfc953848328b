/* Configuration: what a person writes is taken or refused with a sentence. The input is
 * lines of option=value; an option that does not exist is given to the parsers of
 * tokens and URLs instead. */
#include "fuzz.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "placement/names.h"
#include "sidecar/config.h"

static void check_message(pawl_err err, const char *message)
{
    PAWL_ASSERT(err == PAWL_E_INVALID);
    PAWL_ASSERT(message != NULL);
    PAWL_ASSERT(message[0] != 0);
}

static void check_line(struct pawl_config *config, char *line)
{
    char *value = strchr(line, '=');
    if (!value) return;
    *value++ = 0;
    const struct pawl_config_option *option = pawl_config_find(line);
    if (!option) {
        (void)pawl_config_token_is_valid(value); /* either answer is right here */
        PAWL_ASSERT(pawl_config_url_redact(config->arena, value) != NULL);
        return;
    }
    const char *message = NULL;
    pawl_err err = pawl_config_set(config, option, PAWL_CONFIG_FLAG, value, &message);
    if (err != PAWL_OK) check_message(err, message);
}

static void check_whole(struct pawl_config *config)
{
    const char *message = NULL;
    const struct pawl_config_surroundings surroundings = { .work_folder = "/srv", .uid = 1000 };
    pawl_err err = pawl_config_finish(config, &surroundings, &message);
    if (err != PAWL_OK) {
        check_message(err, message);
        return;
    }
    PAWL_ASSERT(config->app_id != NULL);
    PAWL_ASSERT(config->store != NULL);
    PAWL_ASSERT(config->partitions >= 1);
    PAWL_ASSERT(config->app_urls_count >= 1);
    PAWL_ASSERT(config->app_urls_count <= PAWL_CONFIG_URLS_MAX);
    PAWL_ASSERT(pawl_config_synchronous(config) != NULL);
    for (uint32_t i = 0; i < config->placement_urls_count; i++)
        PAWL_ASSERT(pawl_placement_address_is_valid(config->placement_urls[i]));
    PAWL_ASSERT(strncmp(config->peer_listen, "tcp://", 6) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    struct pawl_config config;
    pawl_config_init(&config, &arena);

    char *text = pawl_arena_alloc(&arena, size + 1);
    if (size) memcpy(text, data, size);
    for (char *line; (line = strsep(&text, "\n")) != NULL;) check_line(&config, line);
    check_whole(&config);
    pawl_arena_deinit(&arena);
    return 0;
}
