/* Server: the placement service in a libuv loop.
 *
 * Joins the pure machines (membership, leader) with the stream hub, the lease and HTTP.
 * Time is the steady clock. Each event is preceded by a look at the lease: a replica that
 * was asleep steps down before it says anything.
 */
#ifndef PAWL_PLACEMENT_IO_SERVER_H
#define PAWL_PLACEMENT_IO_SERVER_H

#include <uv.h>

#include "base/arena.h"
#include "pawl/err.h"

struct pawl_placement_server;

#define PAWL_PLACEMENT_LISTENS_MAX 8u

/* What the port state/lease.h says, in words of this layer; main.c joins the two. */
struct pawl_placement_lease_answer {
    uint64_t token;
    pawl_err err;
    uint32_t epoch;
    struct pawl_bytes address;
    uint32_t remaining_ms;
    struct pawl_bytes message;
};

struct pawl_placement_server_config {
    uv_loop_t *uv;
    uint32_t listens_count;
    const char *listens[PAWL_PLACEMENT_LISTENS_MAX]; /* tcp://host:port */
    const char *advertise; /* NULL: from the first listener and the host's name */
    const char *token;     /* NULL: none is asked for */
    const char *http_host;
    uint16_t http_port;
    const char *version; /* of the program */
    uint64_t seed;
    void *context;
    /* NULL: this is the only replica. Else ask the store; the answer comes by
     * pawl_placement_server_on_lease, never from inside. */
    void (*lease_take)(void *context, uint64_t token, struct pawl_bytes address);
    void (*lease_release)(void *context, uint64_t token, struct pawl_bytes address);
    uint32_t epoch; /* of the only replica: seconds since 2020 */
    /* After pawl_placement_server_stop: everybody was sent on; close it now. */
    void (*on_stopped)(void *context);
};

/* The strings of the config must outlive it. *ret_message is in the arena or static. */
PAWL_MUST_USE pawl_err pawl_placement_server_open(const struct pawl_placement_server_config *config,
                                                  struct pawl_arena *arena,
                                                  struct pawl_placement_server **ret_server,
                                                  const char **ret_message);

/* The store's answer to a lease_take or lease_release: exactly one to each, with its token.
 * Not from inside those; the views of `answer` may end with the call. */
void pawl_placement_server_on_lease(struct pawl_placement_server *server,
                                    const struct pawl_placement_lease_answer *answer);

/* What it got: with port 0 any free one. */
uint16_t pawl_placement_server_port(const struct pawl_placement_server *server);
uint16_t pawl_placement_server_http_port(const struct pawl_placement_server *server);
const char *pawl_placement_server_address(const struct pawl_placement_server *server);

/* Give the lease back, send all sidecars on; on_stopped within a second. */
void pawl_placement_server_stop(struct pawl_placement_server *server);

/* NULL is fine. Needs the loop for its uv_close callbacks. */
void pawl_placement_server_close(struct pawl_placement_server *server);

#endif /* PAWL_PLACEMENT_IO_SERVER_H */
