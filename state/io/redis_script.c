#include "state/io/redis_script.h"

#include "base/assert.h"
#include "base/bytes.h"

#include "acquire.inc"
#include "changes.inc"
#include "commit.inc"
#include "create.inc"
#include "deliver.inc"
#include "inspect.inc"
#include "load.inc"
#include "outdone.inc"
#include "poll.inc"
#include "purge.inc"
#include "query.inc"
#include "schema.inc"

struct pawl_bytes pawl_redis_script(int op)
{
    switch (op) {
    case PAWL_REDIS_SCRIPT_SCHEMA: return pawl_bytes_make(lua_schema, sizeof lua_schema);
    case PAWL_STORE_ACQUIRE: return pawl_bytes_make(lua_acquire, sizeof lua_acquire);
    case PAWL_STORE_CREATE: return pawl_bytes_make(lua_create, sizeof lua_create);
    case PAWL_STORE_LOAD: return pawl_bytes_make(lua_load, sizeof lua_load);
    case PAWL_STORE_COMMIT: return pawl_bytes_make(lua_commit, sizeof lua_commit);
    case PAWL_STORE_DELIVER: return pawl_bytes_make(lua_deliver, sizeof lua_deliver);
    case PAWL_STORE_POLL: return pawl_bytes_make(lua_poll, sizeof lua_poll);
    case PAWL_STORE_PURGE: return pawl_bytes_make(lua_purge, sizeof lua_purge);
    case PAWL_STORE_OUTDONE: return pawl_bytes_make(lua_outdone, sizeof lua_outdone);
    case PAWL_STORE_QUERY: return pawl_bytes_make(lua_query, sizeof lua_query);
    case PAWL_STORE_CHANGES: return pawl_bytes_make(lua_changes, sizeof lua_changes);
    case PAWL_STORE_INSPECT: return pawl_bytes_make(lua_inspect, sizeof lua_inspect);
    }
    PAWL_UNREACHABLE("every operation has a script");
}
