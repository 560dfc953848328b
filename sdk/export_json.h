/* Export json: the JSON of an exported history, read back into the very events. Pure: bytes in,
 * values out. */
#ifndef PAWL_SDK_EXPORT_JSON_H
#define PAWL_SDK_EXPORT_JSON_H

#include "sdk/export.h"

/* False: *ret_why says what is wrong with it and where, and what to do. Everything is copied
 * to the arena. */
bool pawl_export_json_parse(struct pawl_bytes text, struct pawl_arena *arena,
                            struct pawl_export *ret_export, const char **ret_why);

#endif /* PAWL_SDK_EXPORT_JSON_H */
