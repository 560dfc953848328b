/* Checked state machine: a table of states and the moves each one allows.
 *
 * A move that the table does not allow is a bug and stops the program. The
 * table is also what the docs are drawn from, so keep it beside the enum.
 */
#ifndef PAWL_BASE_FSM_H
#define PAWL_BASE_FSM_H

#include <stdint.h>

#include "base/assert.h"

struct pawl_fsm_state {
    const char *name;
    uint32_t next; /* PAWL_FSM_BIT of every state that may follow */
};

#define PAWL_FSM_BIT(state) (UINT32_C(1) << (state))

static inline void pawl_fsm_move(const struct pawl_fsm_state *table, uint8_t *state, uint8_t next)
{
    PAWL_ASSERT((table[*state].next & PAWL_FSM_BIT(next)) != 0);
    *state = next;
}

#endif /* PAWL_BASE_FSM_H */
