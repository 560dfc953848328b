/* Url: where Redis is, how to log in, and how careful to be.
 *
 *   redis://[user:password@]host[:port][/db]                 one server
 *   redis+unix:///path/to.sock[?db=n&user=u&password=p]      the same, by its socket
 *   redis+sentinel://[user:password@]host[:port][,…]/service[/db]
 *   redis+cluster://[user:password@]host[:port][,…]
 *   rediss://…, rediss+sentinel://…, rediss+cluster://…      the same over TLS
 *
 * Parameters (?name=value&…):
 *   durability=d0|d1|d2, replicas=n, wait_ms=n               see docs/STATE.md
 *   cafile, certfile, keyfile, servername, verify=full|ca|none       TLS only
 *   sentinel_user, sentinel_password                         Sentinel only
 *
 * %XX in every part is decoded. An IPv6 host stands in brackets.
 */
#ifndef PAWL_STATE_IO_REDIS_URL_H
#define PAWL_STATE_IO_REDIS_URL_H

#include "base/limits.h"
#include "pawl/err.h"
#include "pawl/types.h"

enum pawl_redis_topology {
    PAWL_REDIS_SINGLE = 1,
    PAWL_REDIS_SENTINEL,
    PAWL_REDIS_CLUSTER,
};

/* What is asked of the server's certificate. */
enum pawl_redis_verify {
    PAWL_REDIS_VERIFY_FULL = 1, /* a known authority, and the name */
    PAWL_REDIS_VERIFY_CA,       /* a known authority */
    PAWL_REDIS_VERIFY_NONE,
};

enum pawl_redis_durability {
    PAWL_REDIS_D0 = 0, /* whatever the server does */
    PAWL_REDIS_D1,     /* the server writes to disk before it answers */
    PAWL_REDIS_D2,     /* and replicas have it: WAIT after every flush */
};

struct pawl_redis_address {
    char host[256];
    char port[6];   /* empty: `host` is the path of a Unix socket */
    char text[270]; /* host:port or path, for messages */
};

struct pawl_redis_url {
    enum pawl_redis_topology topology;
    struct pawl_redis_address seeds[PAWL_REDIS_SEEDS_MAX]; /* SINGLE: the one server */
    uint32_t seeds_count;
    char service[128]; /* SENTINEL: the name of the master */
    char user[256];    /* empty: the default user */
    char password[512];
    bool has_password;
    char sentinel_user[256];
    char sentinel_password[512];
    uint32_t db;
    bool is_tls;
    enum pawl_redis_verify verify;
    char cafile[512]; /* empty: what the system trusts */
    char certfile[512];
    char keyfile[512];
    char servername[256]; /* empty: the host that is connected to */
    enum pawl_redis_durability durability;
    uint32_t replicas; /* D2: how many must have a write */
    uint32_t wait_ms;  /* D2: and how long they get for it */
    char text[300];    /* for messages: nothing secret */
};

/* PAWL_E_INVALID: *ret_message says what is wrong and never repeats the URL, which
 * may hold a password. */
PAWL_MUST_USE pawl_err pawl_redis_url_parse(const char *text, struct pawl_redis_url *ret_url,
                                            const char **ret_message);

/* False: host or port do not fit. An IPv6 host is given without brackets. */
bool pawl_redis_address_set(struct pawl_redis_address *address, struct pawl_bytes host,
                            struct pawl_bytes port);

bool pawl_redis_address_is_equal(const struct pawl_redis_address *a,
                                 const struct pawl_redis_address *b);

#endif /* PAWL_STATE_IO_REDIS_URL_H */
