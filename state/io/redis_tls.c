#include "state/io/redis_tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"

struct pawl_redis_tls {
    SSL_CTX *context;
    SSL *ssl;
    BIO *in;
    BIO *out;
    char name[256]; /* that the certificate must be for */
    char why[PAWL_REDIS_TLS_WHY_SIZE];
};

static const char *last_error(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *text = code ? ERR_reason_error_string(code) : NULL;
    return text ? text : "unknown error";
}

/* Opening ---------------------------------------------------------------------- */

static bool load_authorities(SSL_CTX *context, const struct pawl_redis_url *url, char *ret_why)
{
    if (url->verify == PAWL_REDIS_VERIFY_NONE) return true;
    if (!url->cafile[0]) return SSL_CTX_set_default_verify_paths(context) == 1;
    if (SSL_CTX_load_verify_locations(context, url->cafile, NULL) == 1) return true;
    (void)snprintf(ret_why, PAWL_REDIS_TLS_WHY_SIZE,
                   "cafile %.200s cannot be used: %s (a PEM file with the authority's certificate)",
                   url->cafile, last_error());
    return false;
}

static bool load_own_certificate(SSL_CTX *context, const struct pawl_redis_url *url, char *ret_why)
{
    if (!url->certfile[0]) return true;
    if (SSL_CTX_use_certificate_chain_file(context, url->certfile) != 1) {
        (void)snprintf(ret_why, PAWL_REDIS_TLS_WHY_SIZE, "certfile %.200s cannot be used: %s",
                       url->certfile, last_error());
        return false;
    }
    if (SSL_CTX_use_PrivateKey_file(context, url->keyfile, SSL_FILETYPE_PEM) == 1) return true;
    (void)snprintf(ret_why, PAWL_REDIS_TLS_WHY_SIZE, "keyfile %.200s cannot be used: %s",
                   url->keyfile, last_error());
    return false;
}

/* The certificate must name the address or the host, whichever was connected to. */
static bool expect_name(struct pawl_redis_tls *tls, const struct pawl_redis_url *url)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(tls->ssl);
    bool is_address = X509_VERIFY_PARAM_set1_ip_asc(param, tls->name) == 1;
    if (is_address) {
        if (url->verify != PAWL_REDIS_VERIFY_FULL)
            return X509_VERIFY_PARAM_set1_ip(param, NULL, 0) == 1;
        return true;
    }
    if (url->verify == PAWL_REDIS_VERIFY_FULL && SSL_set1_host(tls->ssl, tls->name) != 1)
        return false;
    return SSL_set_tlsext_host_name(tls->ssl, tls->name) == 1;
}

static bool tls_start(struct pawl_redis_tls *tls, const struct pawl_redis_url *url, char *ret_why)
{
    ERR_clear_error();
    tls->context = SSL_CTX_new(TLS_client_method());
    if (!tls->context) return false;
    if (SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION) != 1) return false;
    if (!load_authorities(tls->context, url, ret_why)) return false;
    if (!load_own_certificate(tls->context, url, ret_why)) return false;
    bool is_checked = url->verify != PAWL_REDIS_VERIFY_NONE;
    SSL_CTX_set_verify(tls->context, is_checked ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);

    tls->ssl = SSL_new(tls->context);
    tls->in = BIO_new(BIO_s_mem());
    tls->out = BIO_new(BIO_s_mem());
    if (!tls->ssl || !tls->in || !tls->out) return false;
    SSL_set_bio(tls->ssl, tls->in, tls->out); /* which owns them from here */
    SSL_set_connect_state(tls->ssl);
    if (!expect_name(tls, url)) return false;
    (void)SSL_do_handshake(tls->ssl); /* writes the first message; nothing can be wrong yet */
    return true;
}

struct pawl_redis_tls *pawl_redis_tls_new(const struct pawl_redis_url *url, const char *host,
                                          char ret_why[PAWL_REDIS_TLS_WHY_SIZE])
{
    struct pawl_redis_tls *tls = PAWL_NEW(struct pawl_redis_tls);
    (void)snprintf(tls->name, sizeof tls->name, "%s", url->servername[0] ? url->servername : host);
    ret_why[0] = 0;
    if (tls_start(tls, url, ret_why)) return tls;
    if (!ret_why[0])
        (void)snprintf(ret_why, PAWL_REDIS_TLS_WHY_SIZE, "TLS cannot be set up: %s", last_error());
    pawl_redis_tls_free(tls);
    return NULL;
}

void pawl_redis_tls_free(struct pawl_redis_tls *tls)
{
    if (!tls) return;
    SSL_free(tls->ssl);
    SSL_CTX_free(tls->context);
    pawl_mem_free(tls);
}

/* Errors ----------------------------------------------------------------------- */

static void explain_certificate(struct pawl_redis_tls *tls, long result)
{
    const char *text = X509_verify_cert_error_string(result);
    switch (result) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        (void)snprintf(tls->why, sizeof tls->why,
                       "the server's certificate is not for %s (%s): connect by a name that is in "
                       "it, or give that name as servername",
                       tls->name, text);
        return;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        (void)snprintf(tls->why, sizeof tls->why,
                       "the server's certificate, or that of its authority, is not valid today: "
                       "%s",
                       text);
        return;
    default:
        (void)snprintf(tls->why, sizeof tls->why,
                       "the server's certificate is not trusted: %s; the certificate of its "
                       "authority is given as cafile",
                       text);
        return;
    }
}

static void explain(struct pawl_redis_tls *tls)
{
    long result = SSL_get_verify_result(tls->ssl);
    unsigned long code = ERR_peek_error();
    int reason = code ? ERR_GET_REASON(code) : 0;
    if (!SSL_is_init_finished(tls->ssl) && result != X509_V_OK) {
        explain_certificate(tls, result);
        return;
    }
    switch (reason) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_UNEXPECTED_MESSAGE:
        (void)snprintf(tls->why, sizeof tls->why,
                       "the server does not speak TLS on this port (%s); without TLS a URL begins "
                       "with redis, not rediss",
                       ERR_reason_error_string(code));
        return;
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
        (void)snprintf(tls->why, sizeof tls->why,
                       "the server ended the TLS handshake (%s): it wants a client certificate, "
                       "given as certfile and keyfile",
                       ERR_reason_error_string(code));
        return;
    default:
        (void)snprintf(tls->why, sizeof tls->why, "TLS failed: %s",
                       code ? ERR_reason_error_string(code) : "the server closed it");
        return;
    }
}

const char *pawl_redis_tls_why(const struct pawl_redis_tls *tls)
{
    return tls->why;
}

/* Bytes ------------------------------------------------------------------------ */

bool pawl_redis_tls_is_open(const struct pawl_redis_tls *tls)
{
    return SSL_is_init_finished(tls->ssl) != 0;
}

void pawl_redis_tls_feed(struct pawl_redis_tls *tls, const void *data, size_t size)
{
    size_t taken = 0;
    int ok = BIO_write_ex(tls->in, data, size, &taken); /* to memory: all of it */
    PAWL_ASSERT(ok == 1);
    PAWL_ASSERT(taken == size);
}

pawl_err pawl_redis_tls_read(struct pawl_redis_tls *tls, void *ret_data, size_t size,
                             size_t *ret_size)
{
    ERR_clear_error();
    *ret_size = 0;
    int ok = SSL_read_ex(tls->ssl, ret_data, size, ret_size);
    if (ok == 1) return PAWL_OK;
    int error = SSL_get_error(tls->ssl, ok);
    *ret_size = 0;
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return PAWL_OK;
    explain(tls);
    return PAWL_E_PROTOCOL;
}

pawl_err pawl_redis_tls_write(struct pawl_redis_tls *tls, const void *data, size_t size)
{
    PAWL_ASSERT(pawl_redis_tls_is_open(tls));
    ERR_clear_error();
    size_t written = 0;
    if (SSL_write_ex(tls->ssl, data, size, &written) == 1) return PAWL_OK;
    explain(tls);
    return PAWL_E_PROTOCOL;
}

void pawl_redis_tls_take(struct pawl_redis_tls *tls, struct pawl_buf *out)
{
    char *data = NULL;
    long size = BIO_get_mem_data(tls->out, &data);
    if (size <= 0) return;
    pawl_buf_append(out, data, (size_t)size);
    (void)BIO_reset(tls->out);
}
