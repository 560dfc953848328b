/* A small engine for tests: keeps an instance's history, sends turns to a replay and
 * records the actions that come back, as the sidecar would. */
#ifndef PAWL_TESTS_SDK_ENGINE_H
#define PAWL_TESTS_SDK_ENGINE_H

#include "sdk/replay.h"

#define ENGINE_EVENTS_MAX    8192u
#define ENGINE_FUNCTIONS_MAX 16u

struct engine_function {
    const char *name;
    const char *version;
    pawl_workflow_fn *run;
    void *user;
};

struct engine {
    struct pawl_arena arena;
    struct pawl_replay *replay;
    struct pawl_stack_pool *stacks;
    struct pawl_allocator allocator;
    struct engine_function functions[ENGINE_FUNCTIONS_MAX];
    size_t functions_count;
    int allocations_left; /* -1: no limit */
    int allocated;
    char log[4096];

    const char *instance;
    const char *name;
    bool sticky; /* send what is new over the last turn when the worker holds it */
    bool held;   /* the worker said so */
    uint32_t need_history_count;
    uint32_t chunk_size; /* events of the past per HISTORY frame; 0: in the TURN */
    uint32_t gen;
    uint64_t turns_count;
    int64_t now_ms;
    struct pawl_id base;
    struct pawl_bytes history[ENGINE_EVENTS_MAX];
    uint32_t history_count;
    struct pawl_bytes pending[ENGINE_EVENTS_MAX]; /* for the next turn */
    uint32_t pending_count;

    bool may_lack_memory; /* engine_turn may answer PAWL_E_NOMEM */
    struct pawl_id trace; /* of everything that ever entered the history */

    /* Of the last turn. */
    struct pawl_turn_done done;
    char message[2048];
};

void engine_init(struct engine *engine, uint32_t cache_max);
void engine_deinit(struct engine *engine);
void engine_add(struct engine *engine, const char *name, pawl_workflow_fn *run, void *user);
void engine_add_version(struct engine *engine, const char *name, const char *version,
                        pawl_workflow_fn *run);

/* Begin a new instance with an empty history and a start event pending. */
void engine_begin(struct engine *engine, const char *instance, const char *name,
                  struct pawl_bytes input);

/* Put an event into the next turn. */
void engine_complete(struct engine *engine, int32_t ref, struct pawl_bytes output);
void engine_fail(struct engine *engine, int32_t ref, const char *type, bool non_retriable);
void engine_child_complete(struct engine *engine, int32_t ref, struct pawl_bytes output);
void engine_child_fail(struct engine *engine, int32_t ref, const char *type);
void engine_fire(struct engine *engine, int32_t ref);
void engine_raise(struct engine *engine, const char *name, struct pawl_bytes payload);
void engine_push(struct engine *engine, const struct pawl_history_event *event);

/* Run the pending events as one turn; the outcome is in engine->done and, when PAWL_OK,
 * in the history. Continue-as-new begins the next generation with its events pending. */
pawl_err engine_turn(struct engine *engine);

/* Action `index` of the last turn. */
const struct pawl_action *engine_action(const struct engine *engine, uint32_t index);

/* Drop what the worker holds. */
void engine_forget(struct engine *engine);

#endif /* PAWL_TESTS_SDK_ENGINE_H */
