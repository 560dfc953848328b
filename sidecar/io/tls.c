#include "sidecar/io/tls.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"

/* A BIO of our own: it reads from the bytes at hand and appends to the buffer at hand, so
 * a connection at rest holds neither. */
struct pawl_tls_identity {
    SSL_CTX *ctx;
    BIO_METHOD *bio;
};

struct pawl_tls {
    SSL *ssl;
    struct pawl_bytes in;
    struct pawl_buf *out; /* NULL: nothing may be written now */
};

static int bio_read(BIO *bio, char *data, int size)
{
    struct pawl_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (tls->in.size == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t taken = (size_t)size < tls->in.size ? (size_t)size : tls->in.size;
    memcpy(data, tls->in.data, taken);
    tls->in = pawl_bytes_make(tls->in.data + taken, tls->in.size - taken);
    return (int)taken;
}

static int bio_write(BIO *bio, const char *data, int size)
{
    struct pawl_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (!tls->out) return -1;
    pawl_buf_append(tls->out, data, (size_t)size);
    return tls->out->bad == PAWL_OK ? size : -1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

/* Identity ------------------------------------------------------------------------------- */

static int on_alpn(SSL *ssl, const unsigned char **ret_protocol, unsigned char *ret_size,
                   const unsigned char *offered, unsigned offered_size, void *context)
{
    static const unsigned char ours[] = "\x02h2";
    unsigned char *chosen;
    (void)ssl;
    (void)context;
    int rc = SSL_select_next_proto(&chosen, ret_size, ours, sizeof ours - 1, offered, offered_size);
    /* Without h2 the server sees what the client sends and tells it in its own language. */
    if (rc != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_NOACK;
    *ret_protocol = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static const char *reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());
    return text ? text : "unknown error";
}

static const char *explain(struct pawl_arena *arena, const char *what, const char *path)
{
    struct pawl_bytes text = pawl_arena_printf(arena, "%s %s: %s", what, path, reason());
    ERR_clear_error();
    return (const char *)text.data;
}

static const char *files_load(SSL_CTX *ctx, const char *certificate, const char *key,
                              struct pawl_arena *arena)
{
    if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1)
        return explain(arena, "cannot use the TLS certificate", certificate);
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        return explain(arena, "cannot use the TLS key", key);
    if (SSL_CTX_check_private_key(ctx) != 1)
        return explain(arena, "the TLS key does not belong to the certificate:", key);
    return NULL;
}

pawl_err pawl_tls_identity_open(const char *certificate, const char *key, struct pawl_arena *arena,
                                struct pawl_tls_identity **ret_identity, const char **ret_message)
{
    struct pawl_tls_identity *identity = PAWL_NEW(struct pawl_tls_identity);
    identity->ctx = SSL_CTX_new(TLS_server_method());
    identity->bio = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "pawl");
    PAWL_ASSERT(identity->ctx != NULL && identity->bio != NULL);
    BIO_meth_set_read(identity->bio, bio_read);
    BIO_meth_set_write(identity->bio, bio_write);
    BIO_meth_set_ctrl(identity->bio, bio_ctrl);

    SSL_CTX_set_min_proto_version(identity->ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(identity->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION
                                           | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(identity->ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(identity->ctx, 0);
    SSL_CTX_set_mode(identity->ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_alpn_select_cb(identity->ctx, on_alpn, NULL);

    *ret_message = files_load(identity->ctx, certificate, key, arena);
    if (*ret_message) {
        pawl_tls_identity_close(identity);
        return PAWL_E_INVALID;
    }
    *ret_identity = identity;
    return PAWL_OK;
}

void pawl_tls_identity_close(struct pawl_tls_identity *identity)
{
    if (!identity) return;
    SSL_CTX_free(identity->ctx);
    BIO_meth_free(identity->bio);
    pawl_mem_free(identity);
}

/* Connection ------------------------------------------------------------------------------- */

struct pawl_tls *pawl_tls_new(struct pawl_tls_identity *identity)
{
    struct pawl_tls *tls = PAWL_NEW(struct pawl_tls);
    BIO *bio = BIO_new(identity->bio);
    tls->ssl = SSL_new(identity->ctx);
    PAWL_ASSERT(bio != NULL && tls->ssl != NULL);
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_accept_state(tls->ssl);
    return tls;
}

void pawl_tls_free(struct pawl_tls *tls)
{
    if (!tls) return;
    SSL_free(tls->ssl);
    pawl_mem_free(tls);
}

#define PIECE_SIZE 16384 /* of one record */

static pawl_err records_read(struct pawl_tls *tls, struct pawl_buf *plain, const char **ret_message)
{
    for (;;) {
        uint8_t *room = pawl_buf_reserve(plain, PIECE_SIZE);
        if (!room) {
            *ret_message = "it sent too much at once";
            return PAWL_E_PROTOCOL;
        }
        int size = SSL_read(tls->ssl, room, PIECE_SIZE);
        if (size > 0) {
            plain->size += (size_t)size;
            continue;
        }
        switch (SSL_get_error(tls->ssl, size)) {
        case SSL_ERROR_WANT_READ: return PAWL_OK;
        case SSL_ERROR_ZERO_RETURN: return PAWL_OK; /* the end of the socket follows */
        default: *ret_message = reason(); return PAWL_E_PROTOCOL;
        }
    }
}

pawl_err pawl_tls_receive(struct pawl_tls *tls, struct pawl_bytes bytes, struct pawl_buf *plain,
                          struct pawl_buf *out, const char **ret_message)
{
    ERR_clear_error();
    tls->in = bytes;
    tls->out = out;
    pawl_err err = records_read(tls, plain, ret_message);
    tls->in = PAWL_BYTES_ABSENT;
    tls->out = NULL;
    ERR_clear_error();
    return err;
}

pawl_err pawl_tls_send(struct pawl_tls *tls, struct pawl_bytes bytes, struct pawl_buf *out)
{
    PAWL_ASSERT(bytes.size > 0 && bytes.size <= INT_MAX);
    ERR_clear_error();
    tls->out = out;
    int size = SSL_write(tls->ssl, bytes.data, (int)bytes.size);
    tls->out = NULL;
    ERR_clear_error();
    return size == (int)bytes.size ? PAWL_OK : PAWL_E_PROTOCOL;
}

void pawl_tls_end(struct pawl_tls *tls, struct pawl_buf *out)
{
    ERR_clear_error();
    tls->out = out;
    if (SSL_is_init_finished(tls->ssl)) (void)SSL_shutdown(tls->ssl);
    tls->out = NULL;
    ERR_clear_error();
}
