/* Fixture: one node on the reference store, without loss or delay. Requests are applied
 * as soon as the node asks; frames and answers are kept for the test to look at. */
#ifndef PAWL_TESTS_UNIT_ACTORS_FIXTURE_H
#define PAWL_TESTS_UNIT_ACTORS_FIXTURE_H

#include "actors/node.h"
#include "sdk/change.h"
#include "state/mem.h"

#define FIXTURE_SENT_MAX    4096u
#define FIXTURE_ANSWERS_MAX 64u
#define FIXTURE_CHANGES_MAX 256u

struct todo;

struct fixture {
    struct pawl_node *node;
    struct pawl_mem *mem;
    struct pawl_effects effects;
    struct pawl_arena arena; /* of everything kept below */
    int64_t now_ms;
    int64_t wake_at_ms;
    uint32_t sent_count;
    uint64_t sent_to[FIXTURE_SENT_MAX];
    struct pawl_frame *sent[FIXTURE_SENT_MAX]; /* copies, oldest first */
    uint32_t sent_seen;
    uint32_t answers_count;
    uint64_t answer_tokens[FIXTURE_ANSWERS_MAX];
    pawl_err answer_errs[FIXTURE_ANSWERS_MAX];
    struct pawl_bytes answer_texts[FIXTURE_ANSWERS_MAX];
    enum pawl_status answer_status; /* of the last answer with a state */
    struct pawl_failure_view answer_failure;
    struct pawl_bytes answer_custom_status;
    struct pawl_node_config config;
    uint32_t listed_count; /* of the last answer with states: their ids, and the next page */
    struct pawl_bytes *listed;
    struct pawl_bytes cursor;
    uint32_t history_kinds_count; /* of the last answer with events */
    enum pawl_event_kind history_kinds[FIXTURE_ANSWERS_MAX];
    uint32_t changes_count; /* of the last answer: lifecycle events */
    struct pawl_lifecycle_event changes[FIXTURE_CHANGES_MAX];
    bool answer_reached;
    uint64_t answer_counts[PAWL_STATUS_COUNT]; /* of the last answer */
    struct pawl_batch answer_batch;
    bool store_away;               /* requests are refused */
    enum pawl_store_op reply_lost; /* the next of this kind is applied, and nobody hears of it */
    enum pawl_store_op reply_late; /* the next of this kind is applied, and is heard of later */
    struct todo *late;
    enum pawl_store_op refuse; /* of this kind … */
    uint32_t refuse_count;     /* … so many are refused */
    uint64_t last_token;
    struct todo *todo;
};

/* A node that owns all of its partitions. */
struct fixture *fixture_new(const struct pawl_node_config *config);
void fixture_free(struct fixture *fixture);

/* A node with one partition, and a worker as fixture_connect makes it, with credit for all. */
struct fixture *fixture_with_worker(uint64_t worker);

/* The node dies, and another one begins on the same store. */
void fixture_restart(struct fixture *fixture);

/* One event, and all store operations that follow from it. */
void fixture_step(struct fixture *fixture, struct pawl_node_event event);

/* The reply that is late comes now. */
void fixture_reply_late(struct fixture *fixture);

/* Let time pass; the node is woken when it asked to be. */
void fixture_pass(struct fixture *fixture, int64_t ms);

/* A worker of the workflow "W" and the activity "A", with credit. */
void fixture_connect(struct fixture *fixture, uint64_t worker, uint32_t turns, uint32_t activities);
void fixture_disconnect(struct fixture *fixture, uint64_t worker);
void fixture_credit(struct fixture *fixture, uint64_t worker, uint32_t turns, uint32_t activities);

/* Make a management call and return its token. */
uint64_t fixture_call(struct fixture *fixture, const struct pawl_request *request);
uint64_t fixture_start(struct fixture *fixture, const char *instance);
enum pawl_status fixture_status(struct fixture *fixture, const char *instance);

/* Of the last answer: its error, and whether its message has this text. */
pawl_err fixture_last_err(const struct fixture *fixture);
bool fixture_has_told(const struct fixture *fixture, const char *text);

/* The next unseen frame to a worker of this type, or NULL. */
const struct pawl_frame *fixture_next(struct fixture *fixture, enum pawl_frame_type type);

/* The next turn; there must be one. */
const struct pawl_turn *fixture_next_turn(struct fixture *fixture);

void fixture_turn_done(struct fixture *fixture, uint64_t worker, const struct pawl_turn *turn,
                       uint32_t actions_count, struct pawl_action *actions);
void fixture_activity_done(struct fixture *fixture, uint64_t worker,
                           const struct pawl_activity_item *item);

/* An action with everything else absent. */
struct pawl_action fixture_action(enum pawl_action_kind kind, int32_t id);

/* Store operations that change or read rows for an instance: everything but polls. */
uint64_t fixture_operations(const struct fixture *fixture);

#endif /* PAWL_TESTS_UNIT_ACTORS_FIXTURE_H */
