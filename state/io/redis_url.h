/* Url: where Redis is and how to log in.
 *
 *   redis://[user[:password]@]host[:port][/db]      redis://:password@host
 *   redis+unix:///path/to.sock[?db=n&user=u&password=p]
 *
 * %XX in every part is decoded. An IPv6 host stands in brackets.
 */
#ifndef PAWL_STATE_IO_REDIS_URL_H
#define PAWL_STATE_IO_REDIS_URL_H

#include "pawl/err.h"
#include "pawl/types.h"

struct pawl_redis_url {
    bool is_unix;
    char host[256];
    char port[6];
    char path[104]; /* what fits a socket address */
    char user[256]; /* empty: the default user */
    char password[512];
    bool has_password;
    uint32_t db;
    char text[300]; /* host:port or path, for messages: nothing secret */
};

/* PAWL_E_INVALID: *ret_message says what is wrong and never repeats the URL, which
 * may hold a password. */
PAWL_MUST_USE pawl_err pawl_redis_url_parse(const char *text, struct pawl_redis_url *ret_url,
                                            const char **ret_message);

#endif /* PAWL_STATE_IO_REDIS_URL_H */
