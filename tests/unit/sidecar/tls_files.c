#include "tls_files.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/assert.h"

static X509 *certificate_make(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1,
                               0);
    X509_set_issuer_name(certificate, name);
    X509_set_pubkey(certificate, key);
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost");
    X509_add_ext(certificate, names, -1);
    X509_EXTENSION_free(names);
    PAWL_ASSERT(X509_sign(certificate, key, EVP_sha256()) > 0);
    return certificate;
}

void tls_files_make(const char *certificate_path, const char *key_path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = certificate_make(key);
    FILE *file = fopen(key_path, "w");
    PAWL_ASSERT(file != NULL);
    PAWL_ASSERT(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1);
    PAWL_ASSERT(fclose(file) == 0);
    file = fopen(certificate_path, "w");
    PAWL_ASSERT(file != NULL);
    PAWL_ASSERT(PEM_write_X509(file, certificate) == 1);
    PAWL_ASSERT(fclose(file) == 0);
    X509_free(certificate);
    EVP_PKEY_free(key);
}
