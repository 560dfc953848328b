/* Tls: one connection's encryption, between bytes in memory and bytes in memory.
 *
 * The connection feeds what came from the network, reads what it means, writes what is
 * to be said, and takes what must go out. Nothing here touches a socket; only the
 * certificate files are read, once, by new.
 */
#ifndef PAWL_STATE_IO_REDIS_TLS_H
#define PAWL_STATE_IO_REDIS_TLS_H

#include "base/buf.h"
#include "state/io/redis_url.h"

struct pawl_redis_tls;

#define PAWL_REDIS_TLS_WHY_SIZE 400u

/* A client's side, its first message ready to be taken. `host` is what was connected to;
 * the certificate must be for it, unless the URL has a servername. NULL: `ret_why` says
 * which file cannot be used and why. */
struct pawl_redis_tls *pawl_redis_tls_new(const struct pawl_redis_url *url, const char *host,
                                          char ret_why[PAWL_REDIS_TLS_WHY_SIZE]);
void pawl_redis_tls_free(struct pawl_redis_tls *tls);

/* The handshake is through. */
bool pawl_redis_tls_is_open(const struct pawl_redis_tls *tls);

void pawl_redis_tls_feed(struct pawl_redis_tls *tls, const void *data, size_t size);

/* Goes on with the handshake, then decrypts. *ret_size 0: more must be fed. Not PAWL_OK:
 * the connection is of no more use, pawl_redis_tls_why says why. */
PAWL_MUST_USE pawl_err pawl_redis_tls_read(struct pawl_redis_tls *tls, void *ret_data, size_t size,
                                           size_t *ret_size);

/* Only when open. Errors as above. */
PAWL_MUST_USE pawl_err pawl_redis_tls_write(struct pawl_redis_tls *tls, const void *data,
                                            size_t size);

/* Moves what must go out to the end of `out`. */
void pawl_redis_tls_take(struct pawl_redis_tls *tls, struct pawl_buf *out);

const char *pawl_redis_tls_why(const struct pawl_redis_tls *tls);

#endif /* PAWL_STATE_IO_REDIS_TLS_H */
