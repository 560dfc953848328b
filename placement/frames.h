/* Frames: what a sidecar and the placement service say to each other.
 *
 * A frame is a msgpack array [type, fields…]; the stream (base/io/stream.h) puts a
 * length in front. Fields are positional; a reader ignores further ones, so a later
 * minor version may append. docs/PLACEMENT.md is the same in prose.
 *
 *   sidecar -> placement                  placement -> sidecar
 *   HELLO      first, within 5 s          WELCOME   this replica leads: a list will follow
 *   UPDATE     its flags have changed     REFUSED   and close
 *                                         REDIRECT  another one leads; and close
 *                                         MEMBERS   the whole list of the namespace
 *   HEARTBEAT  either way, as often as WELCOME says
 */
#ifndef PAWL_PLACEMENT_FRAMES_H
#define PAWL_PLACEMENT_FRAMES_H

#include "base/buf.h"
#include "placement/members.h"

#define PAWL_PLACEMENT_PROTOCOL_VERSION 1u

enum pawl_placement_frame_type {
    PAWL_PLACEMENT_HELLO = 1,
    PAWL_PLACEMENT_UPDATE,
    PAWL_PLACEMENT_HEARTBEAT,
    PAWL_PLACEMENT_WELCOME,
    PAWL_PLACEMENT_REFUSED,
    PAWL_PLACEMENT_REDIRECT,
    PAWL_PLACEMENT_MEMBERS,
    PAWL_PLACEMENT_TYPES_END
};

/* Of another protocol version only the version is read; the rest stays absent. The texts
 * are as the sidecar sent them: whether they name something is for the receiver to say
 * (placement/names.h), so that it can say what is wrong. */
struct pawl_placement_hello {
    uint32_t protocol_version;
    struct pawl_bytes namespace_;
    struct pawl_bytes token; /* absent: none */
    struct pawl_member self;
    struct pawl_id process; /* random, new with each process: tells a reconnect from a twin */
    uint64_t version;       /* the newest one that the sidecar has heard of; 0: none */
};

struct pawl_placement_update {
    bool runs_activities;
    bool leaving;
    uint64_t version; /* as in HELLO */
    bool runs_workflows;
};

struct pawl_placement_welcome {
    uint32_t protocol_version;
    struct pawl_bytes namespace_;
    uint32_t heartbeat_ms; /* send something this often; so does the service */
};

struct pawl_placement_refused {
    pawl_err err;
    struct pawl_bytes message;
};

struct pawl_placement_frame {
    enum pawl_placement_frame_type type;
    union { /* HEARTBEAT has no fields */
        struct pawl_placement_hello hello;
        struct pawl_placement_update update;
        struct pawl_placement_welcome welcome;
        struct pawl_placement_refused refused;
        struct pawl_bytes redirect; /* address of the leader; absent: none is known */
        struct pawl_members members;
    };
};

/* Append one frame. Errors stay in the buf. */
void pawl_placement_frame_encode(struct pawl_buf *buf, const struct pawl_placement_frame *frame);

/* PAWL_E_PROTOCOL: malformed, of an unknown type, or outside a limit (base/limits.h).
 * Views point into `bytes`, lists are in the arena. MEMBERS come in order, each host of
 * an app once, all of an app with the same partition count. */
PAWL_MUST_USE pawl_err pawl_placement_frame_decode(struct pawl_bytes bytes,
                                                   struct pawl_arena *arena,
                                                   struct pawl_placement_frame *ret_frame);

#endif /* PAWL_PLACEMENT_FRAMES_H */
