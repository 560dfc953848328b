/* Test verify: running code over a history, and a second time on the shadow. Used by
 * sdk/test_engine.c. */
#ifndef PAWL_SDK_TEST_VERIFY_H
#define PAWL_SDK_TEST_VERIFY_H

#include "sdk/test_turn.h"

/* One TURN over the first `past_count` events of the instance and then `fresh`; from `base`,
 * when it is not NULL and the replay holds it, without the past. */
void pawl_test_ask_code(struct pawl_test_engine *engine, struct pawl_replay *replay,
                        const struct pawl_test_instance *instance, struct pawl_id id,
                        const struct pawl_id *base, uint32_t past_count, uint32_t fresh_count,
                        const struct pawl_bytes *fresh, struct pawl_arena *arena,
                        struct pawl_frame *ret_frame);

/* What has come since the last time, on the shadow; a difference is noted as a problem. */
void pawl_test_verify_instance(struct pawl_test_engine *engine,
                               struct pawl_test_instance *instance);

/* The same before the history of a generation goes, with the draft that ends it behind it. */
void pawl_test_verify_generation(struct pawl_test_engine *engine,
                                 struct pawl_test_instance *instance,
                                 struct pawl_test_draft *draft);

/* Begin again with the first event. */
void pawl_test_verify_reset(struct pawl_test_engine *engine, struct pawl_test_instance *instance);

#endif /* PAWL_SDK_TEST_VERIFY_H */
