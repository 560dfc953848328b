/* Loop: carries events into the node and its effects out, on one libuv loop.
 *
 * Everything here runs on the loop's thread. Whatever reaches the sidecar becomes a
 * node event; the node is stepped from the top of a callback only, never from inside
 * a step. What one loop turn has produced leaves together: one flush of the store and
 * one of the streams per turn. There is one clock (Unix ms, never going back, led by the
 * store's) and one timer, so an idle sidecar sleeps. Until the store is ready for the first
 * time the time is not known: connections wait, and the node hears of nothing.
 *
 *   open -> RUNNING --stop--> STOPPING --quiet, or too long--> ENDING --> on_stopped
 *                  '-> LEAVING -^
 *
 * LEAVING, with placement only, goes on as before but for telling placement, until the
 * others know that the partitions go to them; STOPPING refuses new calls and lets running
 * turns and activities end; ENDING sends off what is queued for workers and peers.
 */
#ifndef PAWL_SIDECAR_LOOP_H
#define PAWL_SIDECAR_LOOP_H

#include <uv.h>

#include "base/slew.h"
#include "placement/follower.h"
#include "sidecar/api.h"

struct pawl_loop;

/* What a store is opened with; the concrete adapter is named in main.c only. */
struct pawl_loop_store_events {
    pawl_store_on_reply *on_reply;
    void (*on_state)(void *context, bool ready, const char *why);
    void (*on_clock)(void *context, const struct pawl_clock_reading *reading);
    void *context;
};

typedef pawl_err pawl_loop_store_open(void *context, uv_loop_t *uv,
                                      const struct pawl_loop_store_events *events,
                                      struct pawl_store **ret_store, const char **ret_message);

/* Being one of several. */
struct pawl_loop_placement {
    uint32_t addresses_count; /* 0: no placement, every partition is this sidecar's */
    const struct pawl_bytes *addresses;
    struct pawl_id process;     /* random, new with each process */
    const char *listen;         /* for the other sidecars: tcp://host:port */
    const char *advertise_host; /* where they reach it, as in a URL */
    uint16_t advertise_port;    /* 0: the one that the listener got */
};

/* All strings must outlive the loop. node.placed and node.namespace_ are set here. */
struct pawl_loop_config {
    uv_loop_t *uv;
    struct pawl_node_config node;
    const char *namespace_;
    const char *version;
    const char *store_url;  /* to be shown: without password */
    const char *token;      /* asked from workers; NULL: none */
    uint32_t work_item_mib; /* of gRPC workers: see pawl_grpc_workers_config */
    const char *const *app_urls;
    uint32_t app_urls_count;
    struct pawl_loop_placement placement;
    void *context; /* for all three below */
    pawl_loop_store_open *store_open;
    /* Once: the store answers, placement did, and every partition to own is acquired. */
    void (*on_ready)(void *context);
    void (*on_stopped)(void *context); /* once, after stop: call pawl_loop_close */
};

/* On failure *ret_message says what and what to do about it; nothing stays open after
 * the uv loop has run its close callbacks. */
PAWL_MUST_USE pawl_err pawl_loop_open(const struct pawl_loop_config *config,
                                      struct pawl_loop **ret_loop, struct pawl_arena *arena,
                                      const char **ret_message);

struct pawl_api *pawl_loop_api(struct pawl_loop *loop);

struct pawl_grpc_workers;

/* The workers that speak gRPC: for whoever opens a port for them. Their streams must have
 * ended before the loop is closed. */
struct pawl_grpc_workers *pawl_loop_grpc_workers(struct pawl_loop *loop);

/* Where apps dial: the first address, with the port it got. */
const char *pawl_loop_app_endpoint(const struct pawl_loop *loop);

/* What is advertised to the other sidecars; NULL without placement. */
const char *pawl_loop_peer_endpoint(const struct pawl_loop *loop);

/* Begin to stop; on_stopped follows within PAWL_STOP_MS_MAX + PAWL_STOP_LINGER_MS. */
void pawl_loop_stop(struct pawl_loop *loop);

/* Closes everything; the memory goes in uv's close callbacks. NULL is fine. */
void pawl_loop_close(struct pawl_loop *loop);

#endif /* PAWL_SIDECAR_LOOP_H */
