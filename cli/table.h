/* Table: rows of text in aligned columns, cut to a width. */
#ifndef PAWL_CLI_TABLE_H
#define PAWL_CLI_TABLE_H

#include "base/arena.h"
#include "base/buf.h"

#define PAWL_TABLE_COLUMNS_MAX 8u

struct pawl_table {
    struct pawl_arena arena;
    uint32_t columns_count;
    uint32_t cells_count;
    uint32_t cells_capacity;
    struct pawl_bytes *cells; /* row by row */
};

void pawl_table_init(struct pawl_table *table, uint32_t columns_count);
void pawl_table_deinit(struct pawl_table *table);

/* The next cell, from left to right; copied. Line ends and other control characters
 * become spaces, so that stored data cannot steer a terminal. */
void pawl_table_cell(struct pawl_table *table, struct pawl_bytes text);
void pawl_table_text(struct pawl_table *table, const char *text); /* NULL: empty */

/* Columns are two spaces apart; lines are at most `width` characters (0: as long as
 * they are) and end in an ellipsis where they were cut. */
void pawl_table_write(const struct pawl_table *table, uint32_t width, struct pawl_buf *buf);

/* Characters (code points) of UTF-8 text. */
size_t pawl_text_width(struct pawl_bytes text);

#endif /* PAWL_CLI_TABLE_H */
