/* A certificate for localhost that signs itself, and its key, as PEM files. For an hour. */
#ifndef PAWL_TESTS_TLS_FILES_H
#define PAWL_TESTS_TLS_FILES_H

void tls_files_make(const char *certificate, const char *key);

#endif /* PAWL_TESTS_TLS_FILES_H */
