/* Hello: what is said on a new connection before the first request.
 *
 * First log in, choose the database, and ask for the role and for what the durability
 * level needs; then, on a master only, load the scripts and agree on the schema. Pure:
 * commands go into a buffer, replies come in one by one.
 */
#ifndef PAWL_STATE_IO_REDIS_HELLO_H
#define PAWL_STATE_IO_REDIS_HELLO_H

#include "base/buf.h"
#include "base/slew.h"
#include "state/io/redis_url.h"
#include "state/io/redis_value.h"
#include "state/store.h"

enum pawl_redis_hello_step {
    PAWL_REDIS_HELLO_AUTH = 1,
    PAWL_REDIS_HELLO_SELECT,
    PAWL_REDIS_HELLO_NAME,
    PAWL_REDIS_HELLO_ROLE,
    PAWL_REDIS_HELLO_CLOCK,  /* what it shows */
    PAWL_REDIS_HELLO_MEMORY, /* what happens when memory is full */
    PAWL_REDIS_HELLO_CONFIG, /* d1, d2: how it keeps what it acknowledged */
    PAWL_REDIS_HELLO_WAIT,   /* d2: how many replicas there are */
    PAWL_REDIS_HELLO_SCRIPT, /* one per operation */
    PAWL_REDIS_HELLO_PROBE,  /* cluster: may we do all this here? */
    PAWL_REDIS_HELLO_SCHEMA,
};

#define PAWL_REDIS_HELLO_STEPS_MAX 20u

struct pawl_redis_hello {
    const struct pawl_redis_url *url;
    const struct pawl_redis_address *address;
    const char *namespace_;
    const char *app;
    uint32_t partitions; /* 0: any; then the stored number */
    bool read_only;      /* the schema is looked at, not made */
    /* CLUSTER: what this server is thought to hold. */
    bool has_schema;
    bool has_partition;
    uint32_t partition; /* one of those */
    bool wants_clock;   /* sidecars go by the clock of this server */
    /* Results. */
    char sha[PAWL_STORE_OPS_END][41];
    char why[512];     /* after an error */
    char advice[512];  /* usable, but: what its operator should change; mostly empty */
    bool is_schema_ok; /* the schema was here, and is ours */
    bool has_clock;
    struct pawl_clock_reading clock; /* of several, the one that took least */
    int64_t clock_asked_ms;          /* the last one */
    uint32_t clock_tries;
    /* The expected replies, in order. */
    struct {
        enum pawl_redis_hello_step step;
        int op;
    } expected[PAWL_REDIS_HELLO_STEPS_MAX];
    uint32_t expected_count;
    uint32_t expected_next;
    bool second_half;
};

/* Appends the first commands. `now_ms` is CLOCK_BOOTTIME. */
void pawl_redis_hello_start(struct pawl_redis_hello *hello, struct pawl_buf *out, int64_t now_ms);

/* Takes one reply; may append further commands. *ret_done when the connection is ready.
 * PAWL_E_UNAVAILABLE: not now, hello->why says why. PAWL_E_VERSION: another schema. */
PAWL_MUST_USE pawl_err pawl_redis_hello_on_value(struct pawl_redis_hello *hello,
                                                 const struct pawl_redis_value *value,
                                                 struct pawl_buf *out, int64_t now_ms,
                                                 bool *ret_done);

/* AUTH, unless `password` is empty. True: it was appended. */
bool pawl_redis_login(struct pawl_buf *out, const char *user, const char *password);

/* WAIT for as many replicas and as long as the URL says. */
void pawl_redis_wait(struct pawl_buf *out, const struct pawl_redis_url *url);

/* TIME, and what comes back: the server's Unix time in ms. False: that is no time, or one that
 * no clock shows which was ever set. */
void pawl_redis_time(struct pawl_buf *out);
bool pawl_redis_time_parse(const struct pawl_redis_value *value, int64_t *ret_unix_ms);

#endif /* PAWL_STATE_IO_REDIS_HELLO_H */
