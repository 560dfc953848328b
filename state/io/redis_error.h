/* Error: what an error reply of Redis says about the request.
 *
 * The scripts check first and then only write, and `#!lua` makes Redis refuse a
 * script before its first command when it may not write. So the refusals in the
 * table mean that nothing was applied; what is not in it may mean anything.
 */
#ifndef PAWL_STATE_IO_REDIS_ERROR_H
#define PAWL_STATE_IO_REDIS_ERROR_H

#include "pawl/err.h"
#include "pawl/types.h"

#define PAWL_REDIS_ERROR_TEXT_SIZE 256u

/* PAWL_E_UNAVAILABLE, PAWL_E_UNKNOWN or PAWL_E_CORRUPT (a key of another type). */
pawl_err pawl_redis_error_class(struct pawl_bytes text);

/* The script cache of the server lost our script: send its source. */
bool pawl_redis_error_is_noscript(struct pawl_bytes text);

/* What it means for the person who set this up, and what the server said. The words of a
 * refused AUTH stay untold: those of Redis are harmless, but something in between may repeat
 * the password. `is_login`: it answers AUTH. */
void pawl_redis_error_explain(struct pawl_bytes text, bool is_login,
                              char ret_text[PAWL_REDIS_ERROR_TEXT_SIZE]);

/* True when `text` begins with the error code `code`. */
bool pawl_redis_error_is(struct pawl_bytes text, const char *code);

#endif /* PAWL_STATE_IO_REDIS_ERROR_H */
