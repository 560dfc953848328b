#include "state/store.h"

#include "state/keys.h"

const char *pawl_store_op_name(int op)
{
    switch (op) {
    case PAWL_STORE_ACQUIRE: return "acquire";
    case PAWL_STORE_CREATE: return "create";
    case PAWL_STORE_LOAD: return "load";
    case PAWL_STORE_COMMIT: return "commit";
    case PAWL_STORE_DELIVER: return "deliver";
    case PAWL_STORE_POLL: return "poll";
    case PAWL_STORE_PURGE: return "purge";
    case PAWL_STORE_OUTDONE: return "outdone";
    case PAWL_STORE_QUERY: return "query";
    case PAWL_STORE_INSPECT: return "inspect";
    case PAWL_STORE_CHANGES: return "changes";
    default: return NULL;
    }
}

bool pawl_store_status_is_terminal(enum pawl_status status)
{
    switch (status) {
#define X(name, value, terminal) \
    case PAWL_STATUS_##name: return terminal;
        PAWL_STATUS_MAP(X)
#undef X
    case PAWL_STATUS_COUNT: break;
    }
    return false;
}
