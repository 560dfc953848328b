/* Listen: a TCP socket for an HTTP server, with a reason when it cannot be had. Servers
 * that open their own would not say why. */
#ifndef PAWL_BASE_IO_LISTEN_H
#define PAWL_BASE_IO_LISTEN_H

#include "pawl/err.h"
#include "pawl/types.h"

/* `host` is a numeric address; port 0 is any free one. The descriptor does not block, is
 * not inherited, and is the caller's to close. PAWL_E_INVALID: no such address;
 * PAWL_E_UNAVAILABLE: in use or not allowed; *ret_message (static) says which. */
PAWL_MUST_USE pawl_err pawl_listen_open(const char *host, uint16_t port, int *ret_fd,
                                        const char **ret_message);

/* The port it got; 0 when the system does not say. */
uint16_t pawl_listen_port(int fd);

#endif /* PAWL_BASE_IO_LISTEN_H */
