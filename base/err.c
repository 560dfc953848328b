#include "pawl/err.h"

/* Codes arrive from peers of other versions, so a foreign number is answered
 * and not asserted against. */

enum pawl_err_class pawl_err_class(pawl_err err)
{
    switch (err) {
    case PAWL_OK: return PAWL_ERR_CLASS_NONE;
#define X(name, value, class, text) \
    case PAWL_E_##name: return PAWL_ERR_CLASS_##class;
        PAWL_ERR_MAP(X)
#undef X
    }
    return PAWL_ERR_CLASS_NEVER;
}

const char *pawl_err_text(pawl_err err)
{
    switch (err) {
    case PAWL_OK: return "ok";
#define X(name, value, class, text) \
    case PAWL_E_##name: return (text);
        PAWL_ERR_MAP(X)
#undef X
    }
    return "an error code that this version does not know";
}

const char *pawl_err_name(pawl_err err)
{
    switch (err) {
    case PAWL_OK: return "OK";
#define X(name, value, class, text) \
    case PAWL_E_##name: return #name;
        PAWL_ERR_MAP(X)
#undef X
    }
    return "UNDEFINED"; /* not "UNKNOWN": that is a code of its own */
}
