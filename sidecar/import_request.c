#include "sidecar/import_request.h"

#include "actors/import.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "sdk/export_json.h"

#define FAIL(code, ...)                                       \
    do {                                                      \
        *ret_message = pawl_arena_printf(arena, __VA_ARGS__); \
        return (code);                                        \
    } while (0)

/* What only an import needs; a replay does with less. */
static pawl_err export_check(const struct pawl_export *export, struct pawl_arena *arena,
                             struct pawl_bytes *ret_message)
{
    if (!export->has_status)
        FAIL(PAWL_E_INVALID, "the export cannot be read: \"runtimeStatus\" is missing");
    if (export->total != export->events_count)
        FAIL(PAWL_E_INVALID,
             "the export has %u of the %u events of its history. Write the whole history with: "
             "pawl workflow history <instance-id> --export",
             export->events_count, export->total);
    if ((uint64_t) export->events_count + export->waiting_count > PAWL_SEED_EVENTS_MAX)
        FAIL(PAWL_E_TOO_LARGE, "the export has %u events; at most %u can be imported",
             export->events_count, PAWL_SEED_EVENTS_MAX);
    if (export->custom_status.size > PAWL_CUSTOM_STATUS_SIZE_MAX)
        FAIL(PAWL_E_TOO_LARGE, "the custom status has %zu bytes; at most %u are allowed",
             export->custom_status.size, PAWL_CUSTOM_STATUS_SIZE_MAX);
    return PAWL_OK;
}

static struct pawl_bytes export_pack(const struct pawl_export *export, struct pawl_arena *arena)
{
    struct pawl_import import = { .source = export->instance,
                                  .source_gen = export->gen,
                                  .status = export->status,
                                  .created_ms = export->created_ms,
                                  .started_ms = export->started_ms,
                                  .updated_ms = export->updated_ms,
                                  .completed_ms = export->completed_ms,
                                  .custom_status = export->custom_status,
                                  .events_count = export->events_count,
                                  .events = export->events,
                                  .waiting_count = export->waiting_count,
                                  .waiting = export->waiting };
    return pawl_import_pack(arena, &import);
}

pawl_err pawl_import_request_fill(struct pawl_bytes json, struct pawl_arena *arena,
                                  struct pawl_request *request, struct pawl_bytes *ret_message)
{
    struct pawl_export export;
    const char *why = NULL;
    if (json.size == 0)
        FAIL(PAWL_E_INVALID, "there is nothing to import: send the JSON of an export");
    if (json.size > PAWL_IMPORT_SIZE_MAX)
        FAIL(PAWL_E_TOO_LARGE, "the export has %zu bytes; at most %u can be imported", json.size,
             PAWL_IMPORT_SIZE_MAX);
    if (!pawl_export_json_parse(json, arena, &export, &why))
        FAIL(PAWL_E_INVALID, "the export cannot be read: %s", why);
    pawl_err err = export_check(&export, arena, ret_message);
    if (err != PAWL_OK) return err;
    request->payload = export_pack(&export, arena);
    if (pawl_bytes_is_absent(request->payload))
        FAIL(PAWL_E_TOO_LARGE, "the history is larger than one that can be imported (%u MiB)",
             PAWL_SEED_SIZE_MAX >> 20);
    request->name = export.name;
    request->version = export.version;
    request->tags = export.tags;
    if (pawl_bytes_is_absent(request->instance)) request->instance = export.instance;
    return PAWL_OK;
}
