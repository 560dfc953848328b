/* Values that cross the public API: fixed width, passed by value. */
#ifndef PAWL_TYPES_H
#define PAWL_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A read-only view of bytes owned by somebody else. `data == NULL` means that
 * the value is absent; a non-NULL pointer with `size == 0` is an empty value.
 * The two differ wherever a payload is stored or sent. */
struct pawl_bytes {
    const uint8_t *data;
    size_t size;
};

/* 128 random bits: incarnations, commit ids, delivery nonces. All zero: unset. */
struct pawl_id {
    uint8_t bytes[16];
};

/* Status of a workflow instance. Numbers are the durabletask ones, so every
 * dialect can show them as they are. */
#define PAWL_STATUS_MAP(X)        \
    X(RUNNING, 0, false)          \
    X(COMPLETED, 1, true)         \
    X(CONTINUED_AS_NEW, 2, false) \
    X(FAILED, 3, true)            \
    X(CANCELED, 4, true)          \
    X(TERMINATED, 5, true)        \
    X(PENDING, 6, false)          \
    X(SUSPENDED, 7, false)        \
    X(STALLED, 8, false)

enum pawl_status {
#define X(name, value, terminal) PAWL_STATUS_##name = (value),
    PAWL_STATUS_MAP(X)
#undef X
        PAWL_STATUS_COUNT
};

/* What happened to an instance; several of these in one change. */
enum pawl_change_what {
    PAWL_CHANGE_CREATED = 1,
    PAWL_CHANGE_STATUS = 2,         /* it is another one than before */
    PAWL_CHANGE_CUSTOM_STATUS = 4,  /* as above */
    PAWL_CHANGE_CONTINUED = 8,      /* as new: a generation begins */
    PAWL_CHANGE_PURGED = 16,        /* nothing is left of it; status: the last it had */
    PAWL_CHANGE_CUSTOM_OMITTED = 32 /* the custom status is set, and too large to be told here */
};

/* What becomes of a child workflow that runs when its parent's generation ends: when the
 * parent completes, fails, is terminated or continues as new. */
enum pawl_parent_close_policy {
    PAWL_PARENT_CLOSE_ABANDON = 0, /* it goes on, and its result is told to nobody */
    PAWL_PARENT_CLOSE_TERMINATE    /* it is terminated */
};

/* Which instances a worker runs, by comparing their version with its own. */
enum pawl_version_match {
    PAWL_MATCH_ANY = 0,          /* whatever their version, if there is a function for it */
    PAWL_MATCH_STRICT,           /* those of exactly its version */
    PAWL_MATCH_CURRENT_OR_OLDER, /* those of its version, of older ones and of none:
                                    1.2 < 1.2.0 < 1.10 < 2 < 2.beta */
};

#endif /* PAWL_TYPES_H */
