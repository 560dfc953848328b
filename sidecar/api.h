/* Api: how the fronts (HTTP, app stream, later gRPC) reach the engine.
 *
 * A front checks the form of a call, hands it in here and gets exactly one answer
 * later, on the loop's thread and never from inside pawl_api_call. sidecar/loop.c
 * implements it; a front's unit test implements it with a fake.
 */
#ifndef PAWL_SIDECAR_API_H
#define PAWL_SIDECAR_API_H

#include "actors/node.h"
#include "sdk/request.h"

struct pawl_api;

/* The answer and all it points to live until the callback returns. */
typedef void pawl_api_on_answer(void *context, const struct pawl_answer *answer);

/* What /v1.0/metadata and `pawl` show about this sidecar. Views live until the next
 * loop turn. */
struct pawl_api_worker {
    struct pawl_bytes name; /* as it said in HELLO */
    uint32_t workflows_count;
    const struct pawl_registration *workflows;
    uint32_t activities_count;
    const struct pawl_registration *activities;
    uint32_t in_flight;
};

/* Another sidecar of the member list. */
struct pawl_api_peer {
    struct pawl_bytes host;
    struct pawl_bytes app;
    struct pawl_bytes address;
    const char *state; /* of the link: "none", "connecting", "ready" */
    uint64_t queued;   /* bytes that wait for it */
};

/* The links to all of them. Counters only grow; gauges are as of now. */
struct pawl_peer_metrics {
    uint64_t frames_sent_total; /* content, as the next three */
    uint64_t bytes_sent_total;
    uint64_t frames_received_total;
    uint64_t bytes_received_total;
    uint64_t frames_dropped_total; /* too much waited, the link ended, or no such host */
    uint64_t links_made_total;
    uint64_t links_lost_total; /* that were ready */
    uint64_t dials_failed_total;
    uint64_t refused_total; /* connections that this sidecar refused */
    uint64_t links_ready;   /* gauge */
    uint64_t bytes_queued;  /* gauge */
};

/* The connection to the placement service. */
struct pawl_api_placement {
    bool connected;
    int64_t since_ms;          /* connected, or not, since then */
    struct pawl_bytes address; /* of the replica dialled last */
    struct pawl_bytes message; /* why not connected, for a person */
    uint64_t version;          /* of the member list that this sidecar works with; 0: none */
    uint32_t members_count;    /* sidecars of the namespace, this one included */
};

struct pawl_api_info {
    const char *app;
    const char *namespace_;
    const char *host;
    const char *version;
    const char *store_url; /* password removed */
    const char *app_endpoint;
    int64_t started_ms;        /* by the clock of the machine */
    int64_t clock_skew_ms;     /* the sidecar's time minus the clock of its machine */
    int64_t clock_left_ms;     /* the store's clock minus the sidecar's time, which is led to it */
    const char *peer_endpoint; /* where other sidecars reach it; NULL without placement */
    const struct pawl_api_placement *placement; /* NULL without */
    uint32_t peers_count;
    const struct pawl_api_peer *peers;
    const struct pawl_peer_metrics *peer_metrics; /* NULL without placement */
    bool ready;            /* store reachable, placement heard, partitions acquired */
    const char *not_ready; /* why, for a person; NULL when ready */
    uint32_t workers_count;
    const struct pawl_api_worker *workers;
    const struct pawl_node_metrics *metrics;
};

struct pawl_api_ops {
    /* The request is copied. Returns a token for cancel; never 0. The front has run
     * pawl_request_check before. */
    uint64_t (*call)(struct pawl_api *api, const struct pawl_request *request,
                     pawl_api_on_answer *on_answer, void *context);
    /* The asker has left: on_answer will not be called. */
    void (*cancel)(struct pawl_api *api, uint64_t token);
    struct pawl_api_info (*info)(struct pawl_api *api);
};

struct pawl_api {
    const struct pawl_api_ops *ops;
};

#endif /* PAWL_SIDECAR_API_H */
