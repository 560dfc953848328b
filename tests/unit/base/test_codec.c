#include "tests/unit/base/expect.h"

#include <string.h>

#include "base/codec.h"
#include "base/rng.h"

static struct pawl_reader reader_of(struct pawl_bytes bytes)
{
    struct pawl_reader reader;
    pawl_reader_init(&reader, bytes);
    return reader;
}

static const int64_t numbers[] = { 0,
                                   1,
                                   31,
                                   32,
                                   127,
                                   128,
                                   255,
                                   256,
                                   32767,
                                   32768,
                                   65535,
                                   65536,
                                   INT32_MAX,
                                   (int64_t)INT32_MAX + 1,
                                   UINT32_MAX,
                                   (int64_t)UINT32_MAX + 1,
                                   INT64_MAX,
                                   -1,
                                   -32,
                                   -33,
                                   -127,
                                   -128,
                                   -129,
                                   -32768,
                                   -32769,
                                   INT32_MIN,
                                   (int64_t)INT32_MIN - 1,
                                   INT64_MIN,
                                   INT64_MIN + 1 };
#define NUMBERS_COUNT (sizeof numbers / sizeof numbers[0])

static void integers_survive_at_the_edges_of_every_width(void **state)
{
    (void)state;
    struct pawl_buf buf;
    pawl_buf_init(&buf, 4096);
    for (size_t i = 0; i < NUMBERS_COUNT; i++) {
        pawl_write_int(&buf, numbers[i]);
        if (numbers[i] >= 0) pawl_write_uint(&buf, (uint64_t)numbers[i]);
    }
    pawl_write_uint(&buf, UINT64_MAX);
    struct pawl_reader reader = reader_of(pawl_buf_view(&buf));
    for (size_t i = 0; i < NUMBERS_COUNT; i++) {
        assert_true(pawl_read_int(&reader) == numbers[i]);
        if (numbers[i] < 0) continue;
        assert_true(pawl_read_uint(&reader, UINT64_MAX) == (uint64_t)numbers[i]);
    }
    assert_true(pawl_read_uint(&reader, UINT64_MAX) == UINT64_MAX);
    assert_int_equal(pawl_reader_finish(&reader), PAWL_OK);
    pawl_buf_deinit(&buf);
}

static void every_width_of_the_same_number_is_accepted(void **state)
{
    (void)state;
    const struct pawl_bytes fives[] = {
        BYTES(0x05),
        BYTES(0xcc, 5),
        BYTES(0xcd, 0, 5),
        BYTES(0xce, 0, 0, 0, 5),
        BYTES(0xcf, 0, 0, 0, 0, 0, 0, 0, 5),
        BYTES(0xd0, 5),
        BYTES(0xd1, 0, 5),
        BYTES(0xd2, 0, 0, 0, 5),
        BYTES(0xd3, 0, 0, 0, 0, 0, 0, 0, 5),
    };
    for (size_t i = 0; i < sizeof fives / sizeof fives[0]; i++) {
        struct pawl_reader reader = reader_of(fives[i]);
        assert_int_equal(pawl_read_uint(&reader, 5), 5);
        assert_int_equal(pawl_reader_finish(&reader), PAWL_OK);
        reader = reader_of(fives[i]);
        assert_int_equal(pawl_read_int(&reader), 5);
        assert_int_equal(pawl_reader_finish(&reader), PAWL_OK);
    }
    const struct pawl_bytes minus_twos[] = {
        BYTES(0xfe),
        BYTES(0xd0, 0xfe),
        BYTES(0xd1, 0xff, 0xfe),
        BYTES(0xd2, 0xff, 0xff, 0xff, 0xfe),
        BYTES(0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe),
    };
    for (size_t i = 0; i < sizeof minus_twos / sizeof minus_twos[0]; i++) {
        struct pawl_reader reader = reader_of(minus_twos[i]);
        assert_int_equal(pawl_read_int(&reader), -2);
        assert_int_equal(pawl_reader_finish(&reader), PAWL_OK);
        reader = reader_of(minus_twos[i]);
        assert_int_equal(pawl_read_uint(&reader, UINT64_MAX), 0);
        assert_int_equal(pawl_reader_finish(&reader), PAWL_E_CORRUPT);
    }
}

static void a_number_over_its_bound_is_an_error(void **state)
{
    (void)state;
    struct pawl_reader reader = reader_of(BYTES(100));
    assert_int_equal(pawl_read_uint(&reader, 99), 0);
    assert_int_equal(reader.err, PAWL_E_TOO_LARGE);
    reader = reader_of(BYTES(0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0));
    assert_int_equal(pawl_read_int(&reader), 0);
    assert_int_equal(reader.err, PAWL_E_TOO_LARGE);
}

static void bytes_of_every_length_class_survive(void **state)
{
    (void)state;
    static const size_t sizes[] = { 0, 1, 31, 32, 255, 256, 65535, 65536, 100000 };
    static uint8_t data[100000];
    memset(data, 'p', sizeof data);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct pawl_buf buf;
        pawl_buf_init(&buf, 1u << 20);
        pawl_write_bytes(&buf, pawl_bytes_make(data, sizes[i]));
        struct pawl_reader reader = reader_of(pawl_buf_view(&buf));
        EXPECT_BYTES(pawl_read_bytes(&reader), pawl_bytes_make(data, sizes[i]));
        assert_int_equal(pawl_reader_finish(&reader), PAWL_OK);
        pawl_buf_deinit(&buf);
    }
}

static void byte_strings_are_written_as_str_and_read_from_str_and_bin(void **state)
{
    (void)state;
    struct pawl_buf buf;
    pawl_buf_init(&buf, 100);
    pawl_write_bytes(&buf, PAWL_BYTES_LITERAL("\xff\x00"));
    EXPECT_BYTES(pawl_buf_view(&buf), BYTES(0xa2, 0xff, 0x00)); /* Lua in Redis reads this */
    pawl_buf_deinit(&buf);

    const struct pawl_bytes same[] = {
        BYTES(0xa2, 'o', 'k'),
        BYTES(0xd9, 2, 'o', 'k'),
        BYTES(0xda, 0, 2, 'o', 'k'),
        BYTES(0xdb, 0, 0, 0, 2, 'o', 'k'),
        BYTES(0xc4, 2, 'o', 'k'),
        BYTES(0xc5, 0, 2, 'o', 'k'),
        BYTES(0xc6, 0, 0, 0, 2, 'o', 'k'),
    };
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        struct pawl_reader reader = reader_of(same[i]);
        EXPECT_BYTES(pawl_read_bytes(&reader), PAWL_BYTES_LITERAL("ok"));
        assert_int_equal(pawl_reader_finish(&reader), PAWL_OK);
    }
}

static void absent_and_empty_and_the_other_kinds_survive(void **state)
{
    (void)state;
    struct pawl_id id = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 255 } };
    struct pawl_buf buf;
    pawl_buf_init(&buf, 1000);
    pawl_write_bytes(&buf, PAWL_BYTES_ABSENT);
    pawl_write_bytes(&buf, PAWL_BYTES_LITERAL(""));
    pawl_write_str(&buf, NULL);
    pawl_write_str(&buf, "text");
    pawl_write_bool(&buf, true);
    pawl_write_bool(&buf, false);
    pawl_write_id(&buf, id);
    pawl_write_nil(&buf);
    pawl_write_map(&buf, 1);
    pawl_write_uint(&buf, 1);
    pawl_write_uint(&buf, 2);

    struct pawl_reader reader = reader_of(pawl_buf_view(&buf));
    assert_true(pawl_bytes_is_absent(pawl_read_bytes(&reader)));
    EXPECT_BYTES(pawl_read_bytes(&reader), PAWL_BYTES_LITERAL(""));
    assert_true(pawl_bytes_is_absent(pawl_read_bytes(&reader)));
    EXPECT_BYTES(pawl_read_bytes(&reader), PAWL_BYTES_LITERAL("text"));
    assert_true(pawl_read_bool(&reader));
    assert_false(pawl_read_bool(&reader));
    assert_true(pawl_id_is_equal(pawl_read_id(&reader), id));
    assert_true(pawl_id_is_zero(pawl_read_id(&reader)));
    assert_int_equal(pawl_read_map(&reader, 1), 1);
    assert_int_equal(pawl_read_uint(&reader, 9), 1);
    assert_int_equal(pawl_read_uint(&reader, 9), 2);
    assert_int_equal(pawl_reader_finish(&reader), PAWL_OK);
    pawl_buf_deinit(&buf);
}

static void an_id_of_another_length_is_an_error(void **state)
{
    (void)state;
    struct pawl_reader reader = reader_of(BYTES(0xa3, 1, 2, 3));
    assert_true(pawl_id_is_zero(pawl_read_id(&reader)));
    assert_int_equal(reader.err, PAWL_E_CORRUPT);
}

static void counts_survive_in_every_width(void **state)
{
    (void)state;
    static const uint32_t counts[] = { 0, 1, 15, 16, 65535, 65536, 70000 };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct pawl_buf buf;
        pawl_buf_init(&buf, 1u << 20);
        pawl_write_array(&buf, counts[i]);
        for (uint32_t j = 0; j < counts[i]; j++) pawl_write_nil(&buf);
        pawl_write_map(&buf, counts[i]);
        for (uint32_t j = 0; j < 2 * counts[i]; j++) pawl_write_nil(&buf);
        assert_int_equal(buf.bad, PAWL_OK);

        struct pawl_reader reader = reader_of(pawl_buf_view(&buf));
        assert_int_equal(pawl_read_array(&reader, 70000), counts[i]);
        for (uint32_t j = 0; j < counts[i]; j++) pawl_read_skip(&reader);
        assert_int_equal(pawl_read_map(&reader, 70000), counts[i]);
        for (uint32_t j = 0; j < 2 * counts[i]; j++) pawl_read_skip(&reader);
        assert_int_equal(pawl_reader_finish(&reader), PAWL_OK);
        pawl_buf_deinit(&buf);
    }
}

static void a_count_larger_than_its_input_or_its_bound_is_an_error(void **state)
{
    (void)state;
    const struct pawl_bytes liars[] = {
        BYTES(0xdd, 0xff, 0xff, 0xff, 0xff, 1),
        BYTES(0xdc, 0, 2, 1),
        BYTES(0x92, 1),
    };
    for (size_t i = 0; i < sizeof liars / sizeof liars[0]; i++) {
        struct pawl_reader reader = reader_of(liars[i]);
        assert_int_equal(pawl_read_array(&reader, UINT32_MAX), 0);
        assert_int_equal(reader.err, PAWL_E_CORRUPT);
        reader = reader_of(liars[i]);
        pawl_read_skip(&reader);
        assert_int_equal(reader.err, PAWL_E_CORRUPT);
    }
    struct pawl_reader reader = reader_of(BYTES(0xdf, 0xff, 0xff, 0xff, 0xff, 1, 2));
    assert_int_equal(pawl_read_map(&reader, UINT32_MAX), 0);
    assert_int_equal(reader.err, PAWL_E_CORRUPT);
    reader = reader_of(BYTES(0x82, 1, 2, 3)); /* a pair needs two bytes */
    assert_int_equal(pawl_read_map(&reader, UINT32_MAX), 0);
    assert_int_equal(reader.err, PAWL_E_CORRUPT);

    reader = reader_of(BYTES(0x93, 1, 2, 3));
    assert_int_equal(pawl_read_array(&reader, 2), 0);
    assert_int_equal(reader.err, PAWL_E_TOO_LARGE);
    reader = reader_of(BYTES(0x82, 1, 2, 3, 4));
    assert_int_equal(pawl_read_map(&reader, 1), 0);
    assert_int_equal(reader.err, PAWL_E_TOO_LARGE);
}

static void a_length_larger_than_its_input_is_an_error(void **state)
{
    (void)state;
    const struct pawl_bytes liars[] = {
        BYTES(0xa1),
        BYTES(0xd9, 2, 'x'),
        BYTES(0xda, 0xff, 0xff, 'x'),
        BYTES(0xdb, 0xff, 0xff, 0xff, 0xff, 'x'),
        BYTES(0xc4, 2, 'x'),
        BYTES(0xc6, 0xff, 0xff, 0xff, 0xff, 'x'),
        BYTES(0xdb, 0xff, 0xff), /* even the length is cut */
    };
    for (size_t i = 0; i < sizeof liars / sizeof liars[0]; i++) {
        struct pawl_reader reader = reader_of(liars[i]);
        assert_true(pawl_bytes_is_absent(pawl_read_bytes(&reader)));
        assert_int_equal(reader.err, PAWL_E_CORRUPT);
        reader = reader_of(liars[i]);
        assert_true(pawl_bytes_is_absent(pawl_read_raw(&reader)));
        assert_int_equal(reader.err, PAWL_E_CORRUPT);
    }
}

static void a_value_of_another_kind_is_an_error(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        uint8_t data[64] = { (uint8_t)first };
        struct pawl_bytes bytes = pawl_bytes_make(data, sizeof data);
        bool is_int = first < 0x80 || first >= 0xe0 || (first >= 0xcc && first <= 0xd3);
        bool is_map = (first & 0xf0) == 0x80 || first == 0xde || first == 0xdf;
        bool is_array = (first & 0xf0) == 0x90 || first == 0xdc || first == 0xdd;
        bool is_bytes = (first & 0xe0) == 0xa0 || first == 0xc0 || (first >= 0xc4 && first <= 0xc6)
                        || (first >= 0xd9 && first <= 0xdb);
        bool is_bool = first == 0xc2 || first == 0xc3;

        struct pawl_reader reader = reader_of(bytes);
        pawl_read_int(&reader);
        assert_int_equal(reader.err, is_int ? PAWL_OK : PAWL_E_CORRUPT);
        reader = reader_of(bytes);
        pawl_read_map(&reader, UINT32_MAX);
        assert_int_equal(reader.err, is_map ? PAWL_OK : PAWL_E_CORRUPT);
        reader = reader_of(bytes);
        pawl_read_array(&reader, UINT32_MAX);
        assert_int_equal(reader.err, is_array ? PAWL_OK : PAWL_E_CORRUPT);
        reader = reader_of(bytes);
        pawl_read_bytes(&reader);
        assert_int_equal(reader.err, is_bytes ? PAWL_OK : PAWL_E_CORRUPT);
        reader = reader_of(bytes);
        pawl_read_bool(&reader);
        assert_int_equal(reader.err, is_bool ? PAWL_OK : PAWL_E_CORRUPT);
        reader = reader_of(bytes);
        pawl_read_skip(&reader);
        assert_int_equal(reader.err, first == 0xc1 ? PAWL_E_CORRUPT : PAWL_OK);
    }
}

static void the_first_error_sticks_and_later_reads_give_nothing(void **state)
{
    (void)state;
    struct pawl_reader reader = reader_of(BYTES(100, 0xa1, 'x', 0xc3, 0x91, 1));
    pawl_read_uint(&reader, 5);
    assert_int_equal(pawl_read_uint(&reader, 5), 0);
    assert_int_equal(pawl_read_int(&reader), 0);
    assert_false(pawl_read_bool(&reader));
    assert_true(pawl_bytes_is_absent(pawl_read_bytes(&reader)));
    assert_true(pawl_bytes_is_absent(pawl_read_raw(&reader)));
    assert_true(pawl_id_is_zero(pawl_read_id(&reader)));
    assert_int_equal(pawl_read_array(&reader, 5), 0);
    assert_int_equal(pawl_read_map(&reader, 5), 0);
    pawl_read_skip(&reader);
    assert_int_equal(pawl_reader_finish(&reader), PAWL_E_TOO_LARGE);
}

static void bytes_left_over_are_an_error(void **state)
{
    (void)state;
    struct pawl_reader reader = reader_of(BYTES(1, 2));
    assert_int_equal(pawl_read_uint(&reader, 5), 1);
    assert_int_equal(pawl_reader_finish(&reader), PAWL_E_CORRUPT);
    reader = reader_of(PAWL_BYTES_ABSENT);
    assert_int_equal(pawl_reader_finish(&reader), PAWL_OK);
    reader = reader_of(PAWL_BYTES_ABSENT);
    assert_int_equal(pawl_read_uint(&reader, 5), 0);
    assert_int_equal(pawl_reader_finish(&reader), PAWL_E_CORRUPT);
}

/* `depth` arrays of one element around a nil. */
static struct pawl_bytes nested(uint8_t *data, size_t depth)
{
    memset(data, 0x91, depth);
    data[depth] = 0xc0;
    return pawl_bytes_make(data, depth + 1);
}

static void nesting_is_skipped_sixteen_deep_and_no_deeper(void **state)
{
    (void)state;
    static uint8_t data[100001];
    struct pawl_reader reader = reader_of(nested(data, 16));
    pawl_read_skip(&reader);
    assert_int_equal(pawl_reader_finish(&reader), PAWL_OK);
    static const size_t too_deep[] = { 17, 18, 100, 100000 };
    for (size_t i = 0; i < sizeof too_deep / sizeof too_deep[0]; i++) {
        reader = reader_of(nested(data, too_deep[i]));
        pawl_read_skip(&reader);
        assert_int_equal(reader.err, PAWL_E_TOO_LARGE);
    }
}

static void a_raw_value_is_passed_on_byte_by_byte(void **state)
{
    (void)state;
    struct pawl_bytes input = BYTES(7, 0x82, 0xa1, 'k', 0x92, 1, 0xc0, 2, 0xd4, 9, 9, 8);
    struct pawl_reader reader = reader_of(input);
    pawl_read_uint(&reader, 9);
    struct pawl_bytes raw = pawl_read_raw(&reader);
    EXPECT_BYTES(raw, pawl_bytes_make(input.data + 1, input.size - 2));
    assert_int_equal(pawl_read_uint(&reader, 9), 8);
    assert_int_equal(pawl_reader_finish(&reader), PAWL_OK);
}

/* One value of every kind, as written by anyone who follows the format. */
static const uint8_t everything[] = { 0x9d, 5,   0xcd, 1,    2,    0xd2, 0xff, 0xff, 0xff, 0xfe,
                                      0xca, 1,   2,    3,    4,    0xcb, 1,    2,    3,    4,
                                      5,    6,   7,    8,    0xa3, 'a',  'b',  'c',  0xd9, 2,
                                      'x',  'y', 0xc4, 1,    9,    0xc7, 2,    1,    7,    7,
                                      0xd5, 1,   7,    7,    0x82, 1,    2,    3,    0x91, 0xc0,
                                      0xde, 0,   1,    0xc2, 0xc3, 0xdc, 0,    2,    1,    1 };

static void every_truncation_is_an_error_and_reads_nothing_past_the_end(void **state)
{
    (void)state;
    struct pawl_reader reader = reader_of(pawl_bytes_make(everything, sizeof everything));
    pawl_read_skip(&reader);
    assert_int_equal(pawl_reader_finish(&reader), PAWL_OK);
    for (size_t size = 0; size < sizeof everything; size++) {
        /* A copy that ends with its memory: ASan sees one byte too many. */
        uint8_t *copy = (uint8_t *)test_malloc(size + 1) + 1;
        memcpy(copy, everything, size);
        reader = reader_of(pawl_bytes_make(copy, size));
        pawl_read_skip(&reader);
        assert_int_equal(reader.err, PAWL_E_CORRUPT);
        test_free(copy - 1);
    }
}

static void random_bytes_end_every_read_inside_the_input(void **state)
{
    (void)state;
    struct pawl_rng rng;
    pawl_rng_init(&rng, 11);
    for (int round = 0; round < 20000; round++) {
        uint8_t data[32];
        size_t size = (size_t)pawl_rng_below(&rng, sizeof data + 1);
        for (size_t i = 0; i < size; i++) data[i] = (uint8_t)pawl_rng_next(&rng);
        struct pawl_reader reader = reader_of(pawl_bytes_make(data, size));
        for (int step = 0; step < 8; step++) {
            const uint8_t *before = reader.next;
            switch (pawl_rng_below(&rng, 8)) {
            case 0: pawl_read_array(&reader, 10); break;
            case 1: pawl_read_map(&reader, 10); break;
            case 2: pawl_read_uint(&reader, 1000); break;
            case 3: pawl_read_int(&reader); break;
            case 4: pawl_read_bool(&reader); break;
            case 5: pawl_read_bytes(&reader); break;
            case 6: pawl_read_id(&reader); break;
            default: pawl_read_skip(&reader); break;
            }
            assert_true(reader.next >= before);
            assert_true(reader.next <= data + size);
            if (reader.err == PAWL_OK) assert_true(reader.next > before);
        }
    }
}

static void a_full_buffer_is_bad_and_never_over_its_limit(void **state)
{
    (void)state;
    for (size_t size_max = 0; size_max < 40; size_max++) {
        struct pawl_buf buf;
        pawl_buf_init(&buf, size_max);
        pawl_write_array(&buf, 3);                                          /* 1 byte */
        pawl_write_uint(&buf, 70000);                                       /* 5 */
        pawl_write_bytes(&buf, PAWL_BYTES_LITERAL("twenty bytes of text")); /* 21 */
        pawl_write_bool(&buf, true);                                        /* 1 */
        assert_int_equal(buf.bad, size_max < 28 ? PAWL_E_TOO_LARGE : PAWL_OK);
        assert_true(buf.size <= size_max);
        pawl_buf_deinit(&buf);
    }
}

static void after_a_failed_write_nothing_more_is_written(void **state)
{
    (void)state;
    struct pawl_buf buf;
    pawl_buf_init(&buf, 10);
    pawl_write_uint(&buf, 1);
    pawl_write_bytes(&buf, PAWL_BYTES_LITERAL("twenty bytes of text"));
    assert_int_equal(buf.bad, PAWL_E_TOO_LARGE);
    size_t size = buf.size;
    pawl_write_bool(&buf, true); /* it would fit, and would be taken for the text */
    pawl_write_str(&buf, "x");
    assert_int_equal(buf.size, size);
    pawl_buf_deinit(&buf);
}

static void bytes_longer_than_the_format_can_say_are_an_error(void **state)
{
    (void)state;
    struct pawl_buf buf;
    pawl_buf_init(&buf, SIZE_MAX);
    pawl_write_bytes(&buf, pawl_bytes_make("", (size_t)UINT32_MAX + 1)); /* never read */
    assert_int_equal(buf.bad, PAWL_E_TOO_LARGE);
    assert_int_equal(buf.size, 0);
    pawl_buf_deinit(&buf);
}

static struct pawl_reader reader_of_int(struct pawl_buf *buf, int64_t value)
{
    pawl_buf_clear(buf);
    pawl_write_int(buf, value);
    return reader_of(pawl_buf_view(buf));
}

static void a_code_that_the_table_does_not_have_is_an_error(void **state)
{
    (void)state;
    struct pawl_buf buf;
    pawl_buf_init(&buf, 64);
    struct pawl_reader reader = reader_of_int(&buf, PAWL_OK);
    assert_int_equal(pawl_read_err(&reader), PAWL_OK);
    assert_int_equal(pawl_reader_finish(&reader), PAWL_OK);
    reader = reader_of_int(&buf, PAWL_E_FENCED);
    assert_int_equal(pawl_read_err(&reader), PAWL_E_FENCED);
    assert_int_equal(pawl_reader_finish(&reader), PAWL_OK);
    static const int64_t strangers[] = { 1, -9999, (INT64_C(1) << 32) + PAWL_E_FENCED, INT64_MIN };
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        reader = reader_of_int(&buf, strangers[i]);
        assert_int_equal(pawl_read_err(&reader), PAWL_E_PROTOCOL);
        assert_int_equal(pawl_reader_finish(&reader), PAWL_E_PROTOCOL);
    }
    pawl_buf_deinit(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_survive_at_the_edges_of_every_width),
        cmocka_unit_test(every_width_of_the_same_number_is_accepted),
        cmocka_unit_test(a_number_over_its_bound_is_an_error),
        cmocka_unit_test(bytes_of_every_length_class_survive),
        cmocka_unit_test(byte_strings_are_written_as_str_and_read_from_str_and_bin),
        cmocka_unit_test(absent_and_empty_and_the_other_kinds_survive),
        cmocka_unit_test(an_id_of_another_length_is_an_error),
        cmocka_unit_test(counts_survive_in_every_width),
        cmocka_unit_test(a_count_larger_than_its_input_or_its_bound_is_an_error),
        cmocka_unit_test(a_length_larger_than_its_input_is_an_error),
        cmocka_unit_test(a_value_of_another_kind_is_an_error),
        cmocka_unit_test(the_first_error_sticks_and_later_reads_give_nothing),
        cmocka_unit_test(bytes_left_over_are_an_error),
        cmocka_unit_test(nesting_is_skipped_sixteen_deep_and_no_deeper),
        cmocka_unit_test(a_raw_value_is_passed_on_byte_by_byte),
        cmocka_unit_test(a_code_that_the_table_does_not_have_is_an_error),
        cmocka_unit_test(every_truncation_is_an_error_and_reads_nothing_past_the_end),
        cmocka_unit_test(random_bytes_end_every_read_inside_the_input),
        cmocka_unit_test(a_full_buffer_is_bad_and_never_over_its_limit),
        cmocka_unit_test(after_a_failed_write_nothing_more_is_written),
        cmocka_unit_test(bytes_longer_than_the_format_can_say_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
