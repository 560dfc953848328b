/* Position: how far a subscriber has read the change logs, as a text that he keeps.
 *
 *   i<partitions>-<partition>-<number>      of one instance
 *   a<partitions>-<number>.<number>.…       of all partitions
 *
 * Numbers are those of the last entries read, in base 36; an empty one is 0. */
#ifndef PAWL_ACTORS_POSITION_H
#define PAWL_ACTORS_POSITION_H

#include "base/arena.h"

/* `first`, `count`: which partitions; all of them, or one. `numbers`: count of them. */
struct pawl_bytes pawl_position_format(struct pawl_arena *arena, uint32_t partitions,
                                       uint32_t first, uint32_t count, const uint64_t *numbers);

/* False: it is none of these partitions. */
bool pawl_position_parse(struct pawl_bytes text, uint32_t partitions, uint32_t first,
                         uint32_t count, uint64_t *ret_numbers);

#endif /* PAWL_ACTORS_POSITION_H */
