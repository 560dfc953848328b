#include "base/io/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

union address {
    struct sockaddr any;
    struct sockaddr_in ip4;
    struct sockaddr_in6 ip6;
};

/* Its size; 0: not a numeric address. */
static socklen_t address_parse(const char *host, uint16_t port, union address *ret_address)
{
    *ret_address = (union address){ .any = { .sa_family = AF_UNSPEC } };
    if (inet_pton(AF_INET, host, &ret_address->ip4.sin_addr) == 1) {
        ret_address->ip4.sin_family = AF_INET;
        ret_address->ip4.sin_port = htons(port);
        return sizeof ret_address->ip4;
    }
    if (inet_pton(AF_INET6, host, &ret_address->ip6.sin6_addr) == 1) {
        ret_address->ip6.sin6_family = AF_INET6;
        ret_address->ip6.sin6_port = htons(port);
        return sizeof ret_address->ip6;
    }
    return 0;
}

static const char *bind_error(int error)
{
    switch (error) {
    case EADDRINUSE: return "the HTTP port is in use by another process: choose another port";
    case EACCES: return "not allowed to listen on the HTTP port: choose one above 1023";
    case EADDRNOTAVAIL: return "the HTTP address is not one of this machine";
    default: return "cannot listen on the HTTP address and port";
    }
}

pawl_err pawl_listen_open(const char *host, uint16_t port, int *ret_fd, const char **ret_message)
{
    union address address;
    socklen_t size = address_parse(host, port, &address);
    if (size == 0) {
        *ret_message =
            "the HTTP address must be a numeric IP address such as 127.0.0.1, 0.0.0.0 or ::1";
        return PAWL_E_INVALID;
    }
    int one = 1;
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        *ret_message = bind_error(errno);
        return PAWL_E_UNAVAILABLE;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, &address.any, size) == 0 && listen(fd, SOMAXCONN) == 0) {
        *ret_fd = fd;
        return PAWL_OK;
    }
    *ret_message = bind_error(errno);
    close(fd);
    return PAWL_E_UNAVAILABLE;
}

uint16_t pawl_listen_port(int fd)
{
    union address address = { .any = { .sa_family = AF_UNSPEC } };
    socklen_t size = sizeof address;
    if (getsockname(fd, &address.any, &size) != 0) return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.ip6.sin6_port : address.ip4.sin_port);
}
