/* Error codes: one table gives the name, the number, what to do, and the text.
 *
 * A caller decides from the class, not from the code:
 *
 *   RETRY   nothing happened; the same call may succeed later
 *   STALE   nothing happened; our view is old, read again before deciding
 *   UNSURE  it may or may not have happened; read again before deciding
 *   NEVER   nothing happened and no retry will help
 *
 * Numbers are part of the wire protocol and of the ABI: never reuse one.
 */
#ifndef PAWL_ERR_H
#define PAWL_ERR_H

#ifdef __cplusplus
extern "C" {
#endif

#define PAWL_ERR_MAP(X)                                                           \
    X(NOMEM, -1, RETRY, "out of memory")                                          \
    X(LIMIT, -2, RETRY, "a fixed limit was reached")                              \
    X(UNAVAILABLE, -3, RETRY, "peer or store cannot be reached")                  \
    X(CONFLICT, -4, STALE, "someone else committed first")                        \
    X(UNKNOWN, -5, UNSURE, "the outcome of the operation was lost")               \
    X(INVALID, -6, NEVER, "invalid argument")                                     \
    X(CORRUPT, -7, NEVER, "stored or received data is malformed")                 \
    X(NOT_FOUND, -8, NEVER, "no such workflow instance")                          \
    X(EXISTS, -9, NEVER, "a workflow instance with this id already exists")       \
    X(DUPLICATE, -10, NEVER, "this request was applied before")                   \
    X(FENCED, -11, STALE, "another sidecar owns this partition now")              \
    X(TERMINAL, -12, NEVER, "the workflow instance has already ended")            \
    X(NOT_TERMINAL, -13, NEVER, "the workflow instance has not ended yet")        \
    X(BUSY, -14, RETRY, "too much is queued for this instance or partition")      \
    X(TOO_LARGE, -15, NEVER, "larger than the limit allows")                      \
    X(PROTOCOL, -16, NEVER, "the peer broke the protocol")                        \
    X(VERSION, -17, NEVER, "incompatible version")                                \
    X(DENIED, -18, NEVER, "not allowed")                                          \
    X(TIMEOUT, -19, UNSURE, "timed out")                                          \
    X(CANCELLED, -20, NEVER, "cancelled")                                         \
    X(FAILED, -21, NEVER, "the activity or child workflow failed")                \
    X(NONDETERMINISM, -22, NEVER, "the workflow code does not match its history") \
    X(NOT_REGISTERED, -23, NEVER, "no function is registered under this name")    \
    X(STATE, -24, NEVER, "not possible in the present state")                     \
    X(SUPERSEDED, -25, NEVER, "the receiver no longer waits for this result")

typedef enum pawl_err {
    PAWL_OK = 0,
#define X(name, value, class, text) PAWL_E_##name = (value),
    PAWL_ERR_MAP(X)
#undef X
} pawl_err;

enum pawl_err_class {
    PAWL_ERR_CLASS_NONE, /* PAWL_OK */
    PAWL_ERR_CLASS_RETRY,
    PAWL_ERR_CLASS_STALE,
    PAWL_ERR_CLASS_UNSURE,
    PAWL_ERR_CLASS_NEVER,
};

#define PAWL_MUST_USE __attribute__((warn_unused_result))

/* Symbols that the shared library offers; everything else stays hidden. */
#define PAWL_API __attribute__((visibility("default")))

/* The class of a code. A number that is no pawl_err is NEVER. */
PAWL_API enum pawl_err_class pawl_err_class(pawl_err err);

/* Static text for a person; never NULL, never freed. */
PAWL_API const char *pawl_err_text(pawl_err err);

/* The name without the PAWL_E_ prefix, e.g. "NOT_FOUND"; "OK" for PAWL_OK. */
PAWL_API const char *pawl_err_name(pawl_err err);

#ifdef __cplusplus
}
#endif

#endif /* PAWL_ERR_H */
