/* Encode: a request as the one argument of its script.
 *
 * A msgpack array by position; each script lists what it reads. Ids and nonces are
 * hex text, so that redis-cli shows something readable, and numbers that a script only
 * passes on are decimal text, because a Lua number is a double and formatting one is
 * the dearest thing a script does.
 */
#ifndef PAWL_STATE_IO_REDIS_ENCODE_H
#define PAWL_STATE_IO_REDIS_ENCODE_H

#include "base/buf.h"
#include "state/store.h"

/* Appends to `buf`; `arena` holds texts on the way. Errors stay in the buf. */
void pawl_redis_encode(struct pawl_buf *buf, struct pawl_arena *arena,
                       const struct pawl_store_request *request);

#endif /* PAWL_STATE_IO_REDIS_ENCODE_H */
