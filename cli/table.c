#include "cli/table.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"

void pawl_table_init(struct pawl_table *table, uint32_t columns_count)
{
    PAWL_ASSERT(columns_count > 0 && columns_count <= PAWL_TABLE_COLUMNS_MAX);
    *table = (struct pawl_table){ .columns_count = columns_count };
    pawl_arena_init(&table->arena);
}

void pawl_table_deinit(struct pawl_table *table)
{
    pawl_arena_deinit(&table->arena);
    pawl_mem_free(table->cells);
}

void pawl_table_cell(struct pawl_table *table, struct pawl_bytes text)
{
    if (table->cells_count == table->cells_capacity) {
        table->cells_capacity = table->cells_capacity ? 2 * table->cells_capacity : 64;
        table->cells =
            pawl_mem_resize(table->cells, table->cells_capacity * sizeof(struct pawl_bytes));
    }
    uint8_t *copy = pawl_arena_alloc(&table->arena, text.size + 1);
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        /* U+0080..U+009F are controls too: C2 80..C2 9F. */
        bool is_c1 = c == 0xc2 && i + 1 < text.size && text.data[i + 1] < 0xa0;
        if (is_c1) i++;
        copy[size++] = c < 0x20 || c == 0x7f || is_c1 ? ' ' : c;
    }
    table->cells[table->cells_count++] = pawl_bytes_make(copy, size);
}

void pawl_table_text(struct pawl_table *table, const char *text)
{
    pawl_table_cell(table, pawl_bytes_str(text ? text : ""));
}

size_t pawl_text_width(struct pawl_bytes text)
{
    size_t width = 0;
    for (size_t i = 0; i < text.size; i++) width += (text.data[i] & 0xc0) != 0x80;
    return width;
}

/* The first `width` characters. */
static struct pawl_bytes text_cut(struct pawl_bytes text, size_t width)
{
    size_t size = 0;
    while (size < text.size) {
        if ((text.data[size] & 0xc0) != 0x80 && width-- == 0) break;
        size++;
    }
    return pawl_bytes_make(text.data, size);
}

static void row_write(const struct pawl_table *table, uint32_t first, const size_t *widths,
                      struct pawl_buf *line)
{
    for (uint32_t column = 0; column < table->columns_count; column++) {
        struct pawl_bytes cell = table->cells[first + column];
        pawl_buf_append_bytes(line, cell);
        if (column + 1 == table->columns_count) break;
        for (size_t used = pawl_text_width(cell); used < widths[column] + 2; used++) {
            pawl_buf_append(line, " ", 1);
        }
    }
    while (line->size > 0 && line->data[line->size - 1] == ' ') line->size--;
}

void pawl_table_write(const struct pawl_table *table, uint32_t width, struct pawl_buf *buf)
{
    PAWL_ASSERT(table->cells_count % table->columns_count == 0);
    size_t widths[PAWL_TABLE_COLUMNS_MAX] = { 0 };
    for (uint32_t i = 0; i < table->cells_count; i++) {
        size_t cell = pawl_text_width(table->cells[i]);
        size_t *widest = &widths[i % table->columns_count];
        if (cell > *widest) *widest = cell;
    }
    struct pawl_buf line;
    pawl_buf_init(&line, buf->size_max);
    for (uint32_t i = 0; i < table->cells_count; i += table->columns_count) {
        pawl_buf_clear(&line);
        row_write(table, i, widths, &line);
        struct pawl_bytes text = pawl_buf_view(&line);
        bool cut = width > 0 && pawl_text_width(text) > width;
        pawl_buf_append_bytes(buf, cut ? text_cut(text, width - 1) : text);
        pawl_buf_append_str(buf, cut ? "\xe2\x80\xa6\n" : "\n");
    }
    pawl_buf_deinit(&line);
}
