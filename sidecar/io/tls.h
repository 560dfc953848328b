/* Tls: the server's side of TLS connections (OpenSSL), without the sockets: what comes
 * in, and what should go out, is bytes. TLS 1.2 and 1.3; ALPN prefers h2.
 */
#ifndef PAWL_SIDECAR_IO_TLS_H
#define PAWL_SIDECAR_IO_TLS_H

#include "base/arena.h"
#include "base/buf.h"
#include "pawl/err.h"

/* A certificate and its key, for all connections of a port. */
struct pawl_tls_identity;

/* Paths of PEM files. On failure *ret_message, in the arena, names the file and what is
 * wrong with it. */
PAWL_MUST_USE pawl_err pawl_tls_identity_open(const char *certificate, const char *key,
                                              struct pawl_arena *arena,
                                              struct pawl_tls_identity **ret_identity,
                                              const char **ret_message);
void pawl_tls_identity_close(struct pawl_tls_identity *identity);

struct pawl_tls;

struct pawl_tls *pawl_tls_new(struct pawl_tls_identity *identity);
void pawl_tls_free(struct pawl_tls *tls);

/* Take bytes from the peer. What they decrypt to is appended to `plain`, what must be
 * answered to `out`. PAWL_E_PROTOCOL: the connection is of no use any more; *ret_message
 * is static text. */
PAWL_MUST_USE pawl_err pawl_tls_receive(struct pawl_tls *tls, struct pawl_bytes bytes,
                                        struct pawl_buf *plain, struct pawl_buf *out,
                                        const char **ret_message);

/* Encrypt; appended to `out`. Only after the handshake, that is after something was
 * received. */
PAWL_MUST_USE pawl_err pawl_tls_send(struct pawl_tls *tls, struct pawl_bytes bytes,
                                     struct pawl_buf *out);

/* Say that nothing more will be sent. */
void pawl_tls_end(struct pawl_tls *tls, struct pawl_buf *out);

#endif /* PAWL_SIDECAR_IO_TLS_H */
