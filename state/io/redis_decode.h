/* Decode: the answer of a script as a reply of the port.
 *
 * A script answers an array whose first item is the name of a pawl_err ("OK",
 * "FENCED", …). Anything else is PAWL_E_CORRUPT with a text: what comes over a socket
 * is never trusted to have the right shape.
 */
#ifndef PAWL_STATE_IO_REDIS_DECODE_H
#define PAWL_STATE_IO_REDIS_DECODE_H

#include "state/io/redis_value.h"
#include "state/store.h"

/* Fills err, message and the part of `ret_reply->op`; that and the token are the
 * caller's. The reply points into `value` and `arena`. */
void pawl_redis_decode(const struct pawl_redis_value *value, struct pawl_arena *arena,
                       struct pawl_store_reply *ret_reply);

#endif /* PAWL_STATE_IO_REDIS_DECODE_H */
