/* Server-sent events as `pawl workflow watch` reads them: the same events come of the same
 * bytes, in however many pieces they arrive. The first byte: the size of a piece. */
#include "fuzz.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "cli/event_lines.h"

/* What came, and after how many events it is enough. */
struct seen {
    uint32_t count;
    uint32_t max;
    uint64_t hash;
};

static bool on_event(void *context, struct pawl_bytes event, struct pawl_bytes data)
{
    struct seen *seen = context;
    seen->count++;
    seen->hash = seen->hash * 31 + pawl_hash_stable(event);
    seen->hash = seen->hash * 31 + (pawl_bytes_is_absent(data) ? 7 : pawl_hash_stable(data));
    return seen->count < seen->max;
}

static struct seen read_in_pieces(struct pawl_bytes bytes, size_t piece, uint32_t max)
{
    struct pawl_event_lines lines;
    struct seen seen = { .max = max };
    pawl_event_lines_init(&lines);
    for (bool goes_on = true; goes_on && bytes.size > 0;) {
        size_t size = piece < bytes.size ? piece : bytes.size;
        goes_on = pawl_event_lines_take(&lines, pawl_bytes_make(bytes.data, size), on_event, &seen);
        bytes = pawl_bytes_make(bytes.data + size, bytes.size - size);
    }
    /* A text, or none yet. */
    PAWL_ASSERT(lines.id.size == 0 || lines.id.data[lines.id.size - 1] == 0);
    seen.hash = seen.hash * 31 + pawl_hash_stable(pawl_buf_view(&lines.id));
    pawl_event_lines_deinit(&lines);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    struct pawl_bytes bytes = pawl_bytes_make(data + 1, size - 1);
    struct seen whole = read_in_pieces(bytes, SIZE_MAX, UINT32_MAX);
    struct seen pieces = read_in_pieces(bytes, 1 + data[0] % 64u, UINT32_MAX);
    PAWL_ASSERT(whole.count == pieces.count && whole.hash == pieces.hash);
    if (whole.count > 0) PAWL_ASSERT(read_in_pieces(bytes, SIZE_MAX, 1).count == 1);
    return 0;
}
