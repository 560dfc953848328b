/* Test turn: what one step of an instance changes, from the inputs it takes to what it tells
 * others. The part of actors/turn.c that is not about rows; used by sdk/test_engine.c. */
#ifndef PAWL_SDK_TEST_TURN_H
#define PAWL_SDK_TEST_TURN_H

#include "sdk/test_engine.h"

/* Something that the next turn is told. */
struct pawl_test_input {
    struct pawl_list link;
    bool durable; /* the engine would have stored it before the turn */
    uint32_t gen; /* result: which generation's operation; 0: external */
    uint64_t nonce;
    enum pawl_event_kind kind;
    int32_t ref;
    struct pawl_bytes event; /* behind the struct */
};

/* What a turn tells others once it is committed. */
enum pawl_test_message_kind {
    PAWL_TEST_MESSAGE_CHILD_START,
    PAWL_TEST_MESSAGE_CHILD_DONE,
    PAWL_TEST_MESSAGE_EVENT,
    PAWL_TEST_MESSAGE_TERMINATE,
    PAWL_TEST_MESSAGE_DETACHED_START
};

struct pawl_test_message {
    enum pawl_test_message_kind kind;
    struct pawl_bytes instance; /* the receiver */
    struct pawl_bytes sender;   /* DETACHED_START */
    struct pawl_parent parent;
    struct pawl_bytes event;
};

/* A turn that is being built. */
struct pawl_test_draft {
    struct pawl_arena arena;
    struct pawl_bytes self; /* the instance's id; it may be replaced while messages leave */
    struct pawl_id id;
    int64_t now_ms;
    uint32_t inputs_taken;
    uint32_t events_count;
    uint32_t events_capacity;
    struct pawl_bytes *events;
    size_t events_size;
    uint32_t inputs_events_count;
    uint32_t ops_count;
    uint32_t ops_capacity;
    struct pawl_test_op *ops;
    uint32_t *op_events; /* for each: its event */
    uint32_t messages_count;
    uint32_t messages_capacity;
    struct pawl_test_message *messages;
    uint32_t resolved_count;
    enum pawl_status status;
    bool cached;
    bool set_output;
    struct pawl_bytes output;
    bool set_failure;
    struct pawl_bytes failure;
    bool set_custom_status;
    struct pawl_bytes custom_status;
    const struct pawl_action *continued;
};

/* Room for one more; what was there is left behind in the arena. */
void *pawl_test_grow(struct pawl_arena *arena, void *items, uint32_t count, uint32_t *capacity,
                     size_t item_size);

#define PAWL_TEST_PUSH(arena, owner, field)                                               \
    ((owner)->field = pawl_test_grow((arena), (owner)->field, (owner)->field##_count,     \
                                     &(owner)->field##_capacity, sizeof *(owner)->field), \
     &(owner)->field[(owner)->field##_count++])

/* Of the operation that such an event resolves; 0: it is no result. Timers fire by
 * themselves. */
char pawl_test_result_op_kind(enum pawl_event_kind kind);

/* The pending operation of this kind and id, or NULL. */
struct pawl_test_op *pawl_test_op_find(const struct pawl_test_instance *instance, char kind,
                                       uint32_t id);

/* A turn with nothing in it; deinit also gives back what it has taken of the instance. */
void pawl_test_draft_init(struct pawl_test_engine *engine,
                          const struct pawl_test_instance *instance, struct pawl_test_draft *draft);
void pawl_test_draft_deinit(struct pawl_test_instance *instance, struct pawl_test_draft *draft);

void pawl_test_draft_add(struct pawl_test_draft *draft, const struct pawl_history_event *event);

/* WORKFLOW_STARTED, the inputs that count, and due timers. */
void pawl_test_draft_take_inputs(struct pawl_test_engine *engine,
                                 struct pawl_test_instance *instance,
                                 struct pawl_test_draft *draft);

/* What the code answered. What the engine refuses fails the instance. */
void pawl_test_draft_apply(struct pawl_test_engine *engine, struct pawl_test_instance *instance,
                           struct pawl_test_draft *draft, const struct pawl_turn_done *done);

/* End the instance: TERMINATED. Children are told when `recursive`. */
void pawl_test_draft_terminate(struct pawl_test_engine *engine, struct pawl_test_instance *instance,
                               struct pawl_test_draft *draft, struct pawl_bytes output,
                               bool recursive);

#endif /* PAWL_SDK_TEST_TURN_H */
