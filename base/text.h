/* Text: words for people that came from somebody else's code. */
#ifndef PAWL_BASE_TEXT_H
#define PAWL_BASE_TEXT_H

#include "base/arena.h"

/* At most `size_max` bytes of it, whole characters. */
struct pawl_bytes pawl_text_cut(struct pawl_bytes text, size_t size_max);

/* The text itself when it is UTF-8, else a copy in the arena where '?' stands for each
 * byte that is not ASCII. Absent stays absent. */
struct pawl_bytes pawl_text_repair(struct pawl_arena *arena, struct pawl_bytes text);

#endif /* PAWL_BASE_TEXT_H */
