#include "tests/unit/base/expect.h"

#include <string.h>

#include "base/json.h"
#include "base/rng.h"

static void objects_and_arrays_get_their_commas(void **state)
{
    (void)state;
    struct pawl_buf buf;
    struct pawl_json json;
    pawl_buf_init(&buf, 1000);
    pawl_json_init(&json, &buf);
    pawl_json_object_begin(&json);
    pawl_json_key(&json, "empty");
    pawl_json_array_begin(&json);
    pawl_json_array_end(&json);
    pawl_json_key(&json, "list");
    pawl_json_array_begin(&json);
    pawl_json_int(&json, INT64_MIN);
    pawl_json_uint(&json, UINT64_MAX);
    pawl_json_object_begin(&json);
    pawl_json_object_end(&json);
    pawl_json_bool(&json, true);
    pawl_json_bool(&json, false);
    pawl_json_array_end(&json);
    pawl_json_key(&json, "none");
    pawl_json_null(&json);
    pawl_json_key(&json, "text");
    pawl_json_str(&json, "x");
    pawl_json_key(&json, "noText");
    pawl_json_str(&json, NULL);
    pawl_json_object_end(&json);
    assert_int_equal(json.depth, 0);
    EXPECT_BYTES(
        pawl_buf_view(&buf),
        PAWL_BYTES_LITERAL("{\"empty\":[],\"list\":[-9223372036854775808,18446744073709551615,{},"
                           "true,false],\"none\":null,\"text\":\"x\",\"noText\":null}"));
    pawl_buf_deinit(&buf);
}

static void text_is_escaped_and_bytes_that_are_no_utf8_are_replaced(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *json;
    } table[] = {
        { "", "\"\"" },
        { "plain", "\"plain\"" },
        { "a\"b\\c", "\"a\\\"b\\\\c\"" },
        { "\n\r\t\x01\x1f\x7f", "\"\\n\\r\\t\\u0001\\u001f\\u007f\"" },
        { "gr\xc3\xb6\xc3\x9f"
          "e \xf0\x9f\x98\x80",
          "\"gr\xc3\xb6\xc3\x9f"
          "e \xf0\x9f\x98\x80\"" },
        { "\xff", "\"\xef\xbf\xbd\"" },
        { "a\x80z", "\"a\xef\xbf\xbdz\"" },
        { "\xc3", "\"\xef\xbf\xbd\"" },
        { "\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
        { "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct pawl_buf buf;
        struct pawl_json json;
        pawl_buf_init(&buf, 1000);
        pawl_json_init(&json, &buf);
        pawl_json_text(&json, pawl_bytes_str(table[i].text));
        EXPECT_BYTES(pawl_buf_view(&buf), pawl_bytes_str(table[i].json));
        pawl_buf_deinit(&buf);
    }
}

static void a_payload_is_text_or_base64_or_not_there(void **state)
{
    (void)state;
    struct pawl_buf buf;
    struct pawl_json json;
    pawl_buf_init(&buf, 1000);
    pawl_json_init(&json, &buf);
    pawl_json_object_begin(&json);
    pawl_json_payload(&json, "absent", PAWL_BYTES_ABSENT);
    pawl_json_payload(&json, "input", PAWL_BYTES_LITERAL("{}"));
    pawl_json_payload(&json, "empty", PAWL_BYTES_LITERAL(""));
    pawl_json_payload(&json, "output", BYTES(0xff, 0x00));
    pawl_json_key(&json, "after");
    pawl_json_int(&json, 1);
    pawl_json_object_end(&json);
    EXPECT_BYTES(pawl_buf_view(&buf),
                 PAWL_BYTES_LITERAL("{\"input\":\"{}\",\"empty\":\"\",\"outputBase64\":\"/wA=\","
                                    "\"after\":1}"));
    pawl_buf_deinit(&buf);
}

/* The examples of RFC 4648, and bytes that tell the two alphabets apart. */
static const struct {
    const char *bytes;
    const char *standard;
    const char *url;
} codes[] = {
    { "", "", "" },
    { "f", "Zg==", "Zg" },
    { "fo", "Zm8=", "Zm8" },
    { "foo", "Zm9v", "Zm9v" },
    { "foob", "Zm9vYg==", "Zm9vYg" },
    { "fooba", "Zm9vYmE=", "Zm9vYmE" },
    { "foobar", "Zm9vYmFy", "Zm9vYmFy" },
    { "\xfb\xff\xbf", "+/+/", "-_-_" },
};

static void base64_is_that_of_the_rfc_in_both_alphabets(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        for (int url = 0; url < 2; url++) {
            const char *code = url ? codes[i].url : codes[i].standard;
            struct pawl_buf buf;
            pawl_buf_init(&buf, 100);
            pawl_base64_encode(&buf, pawl_bytes_str(codes[i].bytes), url);
            EXPECT_BYTES(pawl_buf_view(&buf), pawl_bytes_str(code));
            pawl_buf_clear(&buf);
            assert_true(pawl_base64_decode(&buf, pawl_bytes_str(code), url));
            EXPECT_BYTES(pawl_buf_view(&buf), pawl_bytes_str(codes[i].bytes));
            pawl_buf_deinit(&buf);
        }
    }
}

static void any_bytes_survive_base64(void **state)
{
    (void)state;
    struct pawl_rng rng;
    pawl_rng_init(&rng, 5);
    for (int round = 0; round < 500; round++) {
        uint8_t data[100];
        size_t size = (size_t)pawl_rng_below(&rng, sizeof data);
        for (size_t i = 0; i < size; i++) data[i] = (uint8_t)pawl_rng_next(&rng);
        struct pawl_buf code;
        struct pawl_buf back;
        pawl_buf_init(&code, 1000);
        pawl_buf_init(&back, 1000);
        pawl_base64_encode(&code, pawl_bytes_make(data, size), round % 2);
        assert_true(pawl_base64_decode(&back, pawl_buf_view(&code), round % 2));
        EXPECT_BYTES(pawl_buf_view(&back), pawl_bytes_make(data, size));
        pawl_buf_deinit(&code);
        pawl_buf_deinit(&back);
    }
}

static void what_is_no_base64_is_refused_and_nothing_is_appended(void **state)
{
    (void)state;
    static const char *const wrong[] = { "Z",    "Zg",    "Zg=",   "Zm9vY", "Z===",
                                         "====", "Zm9=v", "Zm 9v", "Zm9-",  "Zg==Zg==" };
    struct pawl_buf buf;
    pawl_buf_init(&buf, 100);
    pawl_buf_append_str(&buf, "kept");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(pawl_base64_decode(&buf, pawl_bytes_str(wrong[i]), false));
        EXPECT_BYTES(pawl_buf_view(&buf), PAWL_BYTES_LITERAL("kept"));
    }
    assert_false(pawl_base64_decode(&buf, PAWL_BYTES_LITERAL("Zg=="), true));
    assert_false(pawl_base64_decode(&buf, PAWL_BYTES_LITERAL("Zm9/"), true));
    assert_false(pawl_base64_decode(&buf, PAWL_BYTES_LITERAL("Zm9\0"), true));
    EXPECT_BYTES(pawl_buf_view(&buf), PAWL_BYTES_LITERAL("kept"));
    pawl_buf_deinit(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_and_arrays_get_their_commas),
        cmocka_unit_test(text_is_escaped_and_bytes_that_are_no_utf8_are_replaced),
        cmocka_unit_test(a_payload_is_text_or_base64_or_not_there),
        cmocka_unit_test(base64_is_that_of_the_rfc_in_both_alphabets),
        cmocka_unit_test(any_bytes_survive_base64),
        cmocka_unit_test(what_is_no_base64_is_refused_and_nothing_is_appended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
