/* Import request: from the JSON of an exported history to the engine's request. Pure. */
#ifndef PAWL_SIDECAR_IMPORT_REQUEST_H
#define PAWL_SIDECAR_IMPORT_REQUEST_H

#include "sdk/request.h"

/* Fills what the export says: name, version, tags and the packed payload, and the instance
 * unless that is set. Everything points into the arena. On an error (INVALID, TOO_LARGE)
 * *ret_message says what is wrong with the export, and where. */
PAWL_MUST_USE pawl_err pawl_import_request_fill(struct pawl_bytes json, struct pawl_arena *arena,
                                                struct pawl_request *request,
                                                struct pawl_bytes *ret_message);

#endif /* PAWL_SIDECAR_IMPORT_REQUEST_H */
