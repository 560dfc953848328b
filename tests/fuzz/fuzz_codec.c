/* The msgpack reader, called in an order that the input chooses: a first byte says
 * how many of the bytes behind it are calls, the rest is read. */
#include "fuzz.h"

#include "base/assert.h"
#include "base/codec.h"

static void check_view(struct pawl_bytes input, struct pawl_bytes view)
{
    if (!view.data) {
        PAWL_ASSERT(view.size == 0);
        return;
    }
    PAWL_ASSERT(view.data >= input.data);
    PAWL_ASSERT(view.size <= input.size);
    PAWL_ASSERT(view.data + view.size <= input.data + input.size);
}

static void call(struct pawl_reader *reader, struct pawl_bytes input, uint8_t op)
{
    uint32_t count_max = 1u << (op >> 4);
    size_t left = (size_t)(reader->end - reader->next);
    uint32_t count = 0;
    switch (op & 7) {
    case 0:
        count = pawl_read_array(reader, count_max);
        PAWL_ASSERT(count <= count_max);
        PAWL_ASSERT(count <= left);
        break;
    case 1:
        count = pawl_read_map(reader, count_max);
        PAWL_ASSERT(count <= count_max);
        PAWL_ASSERT(count <= left / 2);
        break;
    case 2: PAWL_ASSERT(pawl_read_uint(reader, count_max) <= count_max); break;
    case 3: (void)pawl_read_int(reader); break;
    case 4: (void)pawl_read_bool(reader); break;
    case 5: check_view(input, pawl_read_bytes(reader)); break;
    case 6: (void)pawl_read_id(reader); break;
    case 7: check_view(input, pawl_read_raw(reader)); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    size_t calls_count = data[0];
    if (calls_count > size - 1) calls_count = size - 1;
    struct pawl_bytes input = { data + 1 + calls_count, size - 1 - calls_count };

    struct pawl_reader reader;
    pawl_reader_init(&reader, input);
    pawl_err err = PAWL_OK;
    for (size_t i = 0; i < calls_count; i++) {
        call(&reader, input, data[1 + i]);
        PAWL_ASSERT(reader.next <= reader.end);
        PAWL_ASSERT(PAWL_IMPLIES(err != PAWL_OK, reader.err == err)); /* the first one sticks */
        err = reader.err;
    }
    err = pawl_reader_finish(&reader);
    PAWL_ASSERT(err == PAWL_OK || err == PAWL_E_CORRUPT || err == PAWL_E_TOO_LARGE);
    return 0;
}
