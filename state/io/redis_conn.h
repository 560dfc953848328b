/* Conn: one connection to Redis over libuv, TLS or not; bytes out, values in.
 *
 * hiredis only parses: its own connections resolve names blocking, know no timeouts and
 * lose connect errors. A connection lives for one attempt; whoever wants another opens
 * another.
 */
#ifndef PAWL_STATE_IO_REDIS_CONN_H
#define PAWL_STATE_IO_REDIS_CONN_H

#include <uv.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/rng.h"
#include "state/io/redis_url.h"
#include "state/io/redis_value.h"

struct pawl_redis_conn;

/* Called on the loop's thread, never from inside a function of this header. */
struct pawl_redis_conn_handler {
    void *context;
    void (*on_open)(void *context);
    /* `arena` and the value live until the callback returns. */
    void (*on_value)(void *context, const struct pawl_redis_value *value, struct pawl_arena *arena);
    /* Everything that was read in one go has been handed over. */
    void (*on_read)(void *context);
    /* Everything flushed has been given to the kernel, after it could not be at once. */
    void (*on_written)(void *context);
    /* The connection failed; it is closed and must not be used any more. */
    void (*on_end)(void *context, const char *why);
};

/* Starts to resolve and connect to `address`, which is copied. TLS, when asked for, is as
 * `url` says, which must outlive the connection. NULL: not even that; *ret_why (valid
 * until the next call) says why. */
struct pawl_redis_conn *pawl_redis_conn_open(uv_loop_t *loop, const struct pawl_redis_url *url,
                                             const struct pawl_redis_address *address,
                                             const struct pawl_redis_conn_handler *handler,
                                             const char **ret_why);

/* No callback comes after this. The memory goes when libuv has let go of it. */
void pawl_redis_conn_close(struct pawl_redis_conn *conn);

/* True when what is appended to pawl_redis_conn_out may be flushed now. */
bool pawl_redis_conn_is_writable(const struct pawl_redis_conn *conn);

/* Bytes for the next flush; append only while the connection is writable. */
struct pawl_buf *pawl_redis_conn_out(struct pawl_redis_conn *conn);

/* Bytes flushed and not yet taken by the kernel. */
size_t pawl_redis_conn_unsent(const struct pawl_redis_conn *conn);

void pawl_redis_conn_flush(struct pawl_redis_conn *conn);

/* Memory that lives as long as the values that were handed over last. */
struct pawl_arena *pawl_redis_conn_arena(struct pawl_redis_conn *conn);

/* While on, values that were handed over stay valid; switched off, their memory goes with
 * the next one. Only from on_value. */
void pawl_redis_conn_keep(struct pawl_redis_conn *conn, bool keep);

/* How long to wait before the next attempt, after *failures in a row, which it counts:
 * doubling, with jitter, so that a herd of sidecars spreads. */
uint64_t pawl_redis_backoff_ms(uint32_t *failures, struct pawl_rng *rng);

/* One command, formatted onto `out`. */
void pawl_redis_command(struct pawl_buf *out, uint32_t count, const struct pawl_bytes *words);

#endif /* PAWL_STATE_IO_REDIS_CONN_H */
