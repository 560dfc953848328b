/* Settings: what worker and client take from their options or the environment. */
#ifndef PAWL_SDK_IO_SETTINGS_H
#define PAWL_SDK_IO_SETTINGS_H

#include "pawl/value.h"

struct pawl_settings {
    char *endpoint;
    char *app_id;
    char *token;  /* NULL: none */
    char *worker; /* "host:pid", for the sidecar's logs */
};

/* malloc and free, unless the user gave both functions. */
struct pawl_allocator pawl_allocator_choose(struct pawl_allocator given);

/* The option, else PAWL_APP_ENDPOINT, PAWL_APP_ID, PAWL_TOKEN, else the default.
 * PAWL_E_INVALID: a value that cannot be; PAWL_E_NOMEM. */
PAWL_MUST_USE pawl_err pawl_settings_init(struct pawl_settings *settings,
                                          const struct pawl_allocator *allocator,
                                          const char *endpoint, const char *app_id,
                                          const char *token);
void pawl_settings_deinit(struct pawl_settings *settings, const struct pawl_allocator *allocator);

#endif /* PAWL_SDK_IO_SETTINGS_H */
