/* Value: one reply of Redis as a tree in an arena, built by hiredis' reader.
 *
 * The reader keeps its half-read bytes and tree between feeds; a finished tree lives
 * until the next call of pawl_redis_reader_next. Counts and sizes are bounded before
 * anything is allocated for them.
 */
#ifndef PAWL_STATE_IO_REDIS_VALUE_H
#define PAWL_STATE_IO_REDIS_VALUE_H

#include "base/arena.h"
#include "pawl/err.h"

enum pawl_redis_kind {
    PAWL_REDIS_NIL = 1,
    PAWL_REDIS_INTEGER,
    PAWL_REDIS_STRING, /* status replies too */
    PAWL_REDIS_ERROR,
    PAWL_REDIS_ARRAY,
};

struct pawl_redis_value {
    enum pawl_redis_kind kind;
    int64_t integer;
    struct pawl_bytes text; /* STRING, ERROR; never absent there */
    uint32_t count;
    struct pawl_redis_value *items;
};

struct pawl_redis_reader;

struct pawl_redis_reader *pawl_redis_reader_new(void);
void pawl_redis_reader_free(struct pawl_redis_reader *reader);

/* Take bytes from the connection. */
PAWL_MUST_USE pawl_err pawl_redis_reader_feed(struct pawl_redis_reader *reader, const void *data,
                                              size_t size);

/* The next whole reply; *ret_value is NULL when more bytes are needed.
 * PAWL_E_PROTOCOL: these bytes are not Redis'; the reader is of no more use. */
PAWL_MUST_USE pawl_err pawl_redis_reader_next(struct pawl_redis_reader *reader,
                                              const struct pawl_redis_value **ret_value);

/* While on, replies stay valid beyond the next call; switched off, all of them go with it.
 * Switch it off only when the last call returned a whole reply. */
void pawl_redis_reader_keep(struct pawl_redis_reader *reader, bool keep);

/* Memory of the present reply, for what is decoded from it. */
struct pawl_arena *pawl_redis_reader_arena(struct pawl_redis_reader *reader);

#endif /* PAWL_STATE_IO_REDIS_VALUE_H */
