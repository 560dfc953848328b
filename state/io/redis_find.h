/* Find: asks sentinels where the master is, or the nodes of a cluster who holds what.
 *
 * It asks one after another until somebody answers, round after round. Of a sentinel the
 * connection is kept and listened to: when it announces another master, that is an
 * answer, too.
 */
#ifndef PAWL_STATE_IO_REDIS_FIND_H
#define PAWL_STATE_IO_REDIS_FIND_H

#include <uv.h>

#include "state/io/redis_slots.h"

struct pawl_redis_find;

/* Called on the loop's thread, never from inside a function of this header. What is
 * pointed to lives until the callback returns. */
struct pawl_redis_find_handler {
    void *context;
    void (*on_master)(void *context, const struct pawl_redis_address *address);
    void (*on_slots)(void *context, const struct pawl_redis_slots *slots);
    /* Nobody answered this time; it goes on asking. */
    void (*on_fail)(void *context, const char *why);
};

/* Does nothing before it is asked. `url` must outlive it. */
struct pawl_redis_find *pawl_redis_find_open(uv_loop_t *loop, const struct pawl_redis_url *url,
                                             const struct pawl_redis_find_handler *handler);

/* No callback comes after this. The memory goes when libuv has let go of it. */
void pawl_redis_find_close(struct pawl_redis_find *find);

/* Answered by on_master or on_slots; asking twice is asking once. `prefer`: who may know
 * best and is asked first; may be NULL. */
void pawl_redis_find_ask(struct pawl_redis_find *find, const struct pawl_redis_address *prefer);

#endif /* PAWL_STATE_IO_REDIS_FIND_H */
