/* The world around a peer stream under test: it records what it is asked to do. */
#ifndef PAWL_TESTS_PEER_FAKE_H
#define PAWL_TESTS_PEER_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include "base/arena.h"
#include "sidecar/peer_stream.h"

#define RECORDS_MAX 256u
#define START       INT64_C(1700000000000)

/* Everything outside the stream: what it dialled, sent, closed and told the node. The
 * stream is host b of app shop; a and c are others. */
struct outside {
    struct pawl_peer_stream *stream;
    struct pawl_arena arena;
    uint64_t next_conn;
    uint32_t dials_count;
    char dialled[RECORDS_MAX][64];
    uint32_t sent_count;
    uint64_t sent_to[RECORDS_MAX];
    size_t sent_size[RECORDS_MAX];
    struct pawl_peer_frame sent[RECORDS_MAX];
    uint32_t ended_count;
    uint64_t ended[RECORDS_MAX];
    bool lingered[RECORDS_MAX];
    uint32_t events_count;
    struct pawl_node_event events[RECORDS_MAX]; /* hosts and apps are copies */
    uint32_t warned_count;
    struct pawl_bytes reply_to; /* the node sends this host something on PEER_DOWN, MEMBERS */
    uint64_t version;
};

/* A small frame of content. */
struct pawl_peer_frame peer_gone(uint64_t token);
struct outside *outside_new(const char *token);
void outside_free(struct outside *outside);
int outside_setup(void **state);
int outside_teardown(void **state);
/* Say that these hosts ("a", "b", "c": of app bank) are there, in a newer list. */
void outside_list(struct outside *outside, const char *hosts, int64_t now_ms);
void outside_hear(struct outside *outside, uint64_t conn, struct pawl_peer_frame frame,
                  int64_t now_ms);
/* A HELLO or WELCOME as it should be. */
struct pawl_peer_frame peer_greeting(enum pawl_peer_frame_type type, const char *host);
void outside_credit(struct outside *outside, uint64_t conn, uint64_t bytes, int64_t now_ms);
void outside_node_sends(struct outside *outside, const char *host, uint64_t token, int64_t now_ms);
/* A MESSAGE with a body of this size. */
void outside_node_sends_bytes(struct outside *outside, const char *host, size_t size,
                              int64_t now_ms);
/* Everything that was recorded so far is of no interest any more. */
void outside_forget(struct outside *outside);
/* A link that the host has dialled; it grants the whole window. Forgets. */
void outside_accepted(struct outside *outside, const char *host, uint64_t conn, int64_t now_ms);
/* The same, dialled by this side; what made it dial (token 1) has been sent. */
uint64_t outside_dialled(struct outside *outside, const char *host, int64_t now_ms);
const struct pawl_peer_metrics *outside_metrics(const struct outside *outside);
void assert_ended(const struct outside *outside, uint64_t conn);
/* The last thing said on the connection was a refusal, whose text says this. */
void assert_refused(const struct outside *outside, uint64_t conn, pawl_err err, const char *says);
void assert_down(const struct outside *outside, uint32_t at, const char *host);

#endif /* PAWL_TESTS_PEER_FAKE_H */
