/* Node world: the real engine on the reference store, with a worker beside it that runs
 * workflow functions, and a clock that jumps; driven in the order that sdk/test_engine.h
 * promises: first all that is due at an instant, then one turn, and so on. */
#ifndef PAWL_TESTS_SDK_NODE_WORLD_H
#define PAWL_TESTS_SDK_NODE_WORLD_H

#include "actors/node.h"
#include "pawl/workflow.h"
#include "sdk/io/result.h"

/* One workflow function for every name, and one activity, which says how long it takes. */
typedef void node_world_activity_fn(struct pawl_bytes input, struct pawl_arena *arena,
                                    int64_t *ret_takes_ms, struct pawl_activity_done *ret_done);

struct node_world;

struct node_world *node_world_new(int64_t now_ms, uint64_t seed, const char *workflow,
                                  pawl_workflow_fn *run, const char *activity,
                                  node_world_activity_fn *activity_run);
void node_world_free(struct node_world *world);

/* Up to this time, everything that is due by then included. */
void node_world_run_until(struct node_world *world, int64_t until_ms);

/* A management call; the result is owned by the world. *ret_err as the client sees it. */
const struct pawl_result *node_world_request(struct node_world *world,
                                             const struct pawl_request *request, pawl_err *ret_err);

#endif /* PAWL_TESTS_SDK_NODE_WORLD_H */
