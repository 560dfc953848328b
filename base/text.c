#include "base/text.h"

#include "base/bytes.h"

struct pawl_bytes pawl_text_cut(struct pawl_bytes text, size_t size_max)
{
    if (text.size <= size_max) return text;
    size_t size = size_max;
    while (size > 0 && (text.data[size] & 0xc0) == 0x80) size--;
    return pawl_bytes_make(text.data, size);
}

struct pawl_bytes pawl_text_repair(struct pawl_arena *arena, struct pawl_bytes text)
{
    if (pawl_bytes_is_absent(text) || pawl_utf8_is_valid(text)) return text;
    uint8_t *copy = pawl_arena_alloc(arena, text.size);
    for (size_t i = 0; i < text.size; i++) copy[i] = text.data[i] < 0x80 ? text.data[i] : '?';
    return pawl_bytes_make(copy, text.size);
}
