/* Origin: who is told when an input's effect is durable, or when it is final that it has
 * none. An acknowledgement waits for the store operation that made the input durable,
 * whichever that was. */
#ifndef PAWL_ACTORS_ORIGIN_H
#define PAWL_ACTORS_ORIGIN_H

#include "actors/node_internal.h"

struct pawl_origin {
    struct pawl_id id;  /* of the message or the run; zero: nobody */
    uint64_t host;      /* number of the peer that sent it; 0: the own outbox */
    uint32_t partition; /* of the own outbox */
    bool is_run;        /* a peer's activity result */
};

#define PAWL_ORIGIN_NONE ((struct pawl_origin){ .host = 0 })

void pawl_origin_done(struct pawl_node *node, struct pawl_origin origin);

/* Not now: it will come again. */
void pawl_origin_release(struct pawl_node *node, struct pawl_origin origin);

#endif /* PAWL_ACTORS_ORIGIN_H */
