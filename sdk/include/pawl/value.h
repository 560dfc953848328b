/* Values that workflow, activity and client code share. */
#ifndef PAWL_VALUE_H
#define PAWL_VALUE_H

#include <string.h>

#include "pawl/err.h"
#include "pawl/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Payloads are bytes; Pawl never looks inside. Every payload that the library
 * hands out is followed by one 0 byte that `size` does not count, so that text
 * (JSON, a number) can be used as a C string. */

/* A view of a C string without its final 0; the absent value for NULL. The view
 * lives as long as the string. */
static inline struct pawl_bytes pawl_text(const char *text)
{
    struct pawl_bytes bytes = { (const uint8_t *)text, text ? strlen(text) : 0 };
    return bytes;
}

/* The absent value: no payload, which differs from an empty one. */
static inline struct pawl_bytes pawl_none(void)
{
    struct pawl_bytes bytes = { NULL, 0 };
    return bytes;
}

/* The payload as a C string: "" for an absent one. Only for payloads that came
 * from the library (see above). Lives as long as the payload. */
static inline const char *pawl_as_text(struct pawl_bytes bytes)
{
    return bytes.data ? (const char *)bytes.data : "";
}

/* Why something failed. Strings end in 0 and are never NULL when the library
 * hands the struct out. */
struct pawl_failure {
    const char *type;                 /* a word that code can compare, e.g. "CardDeclined" */
    const char *message;              /* a sentence for a person */
    struct pawl_bytes details;        /* anything more; may be absent */
    bool non_retriable;               /* true: a retry policy does not try again */
    const struct pawl_failure *cause; /* NULL: none */
};

/* What an instance is found by beside its id and name. Strings: UTF-8 without control
 * characters; a key has 1 to 128 bytes and no '=', a value at most 256. */
struct pawl_instance_tag {
    const char *key;
    const char *value;
};

/* Memory for the library. `alloc` returns memory aligned for any type, or NULL;
 * `free` accepts NULL. Both are called from several threads at once. */
struct pawl_allocator {
    void *context;
    void *(*alloc)(void *context, size_t size);
    void (*free)(void *context, void *memory);
};

/* Levels of the library's log lines and of pawl_log_message. */
enum pawl_level { PAWL_LEVEL_ERROR = 1, PAWL_LEVEL_WARN, PAWL_LEVEL_INFO, PAWL_LEVEL_DEBUG };

/* Receives one line without a newline; `text` lives for the call. Called from
 * several threads at once. */
typedef void pawl_log_fn(void *context, enum pawl_level level, const char *text);

/* "RUNNING", "COMPLETED", …; "UNKNOWN" for a number that is no status. Static. */
PAWL_API const char *pawl_status_text(enum pawl_status status);

/* True when an instance with this status has ended and will not run again. */
PAWL_API bool pawl_status_has_ended(enum pawl_status status);

#ifdef __cplusplus
}
#endif

#endif /* PAWL_VALUE_H */
