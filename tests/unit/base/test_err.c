#include "tests/unit/base/expect.h"

#include <string.h>

#include "pawl/err.h"

static const struct {
    pawl_err err;
    int number;
    const char *name;
    enum pawl_err_class class;
} table[] = {
    /* Written out and not taken from the map: numbers are part of the protocol. */
    { PAWL_OK, 0, "OK", PAWL_ERR_CLASS_NONE },
    { PAWL_E_NOMEM, -1, "NOMEM", PAWL_ERR_CLASS_RETRY },
    { PAWL_E_LIMIT, -2, "LIMIT", PAWL_ERR_CLASS_RETRY },
    { PAWL_E_UNAVAILABLE, -3, "UNAVAILABLE", PAWL_ERR_CLASS_RETRY },
    { PAWL_E_CONFLICT, -4, "CONFLICT", PAWL_ERR_CLASS_STALE },
    { PAWL_E_UNKNOWN, -5, "UNKNOWN", PAWL_ERR_CLASS_UNSURE },
    { PAWL_E_INVALID, -6, "INVALID", PAWL_ERR_CLASS_NEVER },
    { PAWL_E_CORRUPT, -7, "CORRUPT", PAWL_ERR_CLASS_NEVER },
    { PAWL_E_NOT_FOUND, -8, "NOT_FOUND", PAWL_ERR_CLASS_NEVER },
    { PAWL_E_EXISTS, -9, "EXISTS", PAWL_ERR_CLASS_NEVER },
    { PAWL_E_DUPLICATE, -10, "DUPLICATE", PAWL_ERR_CLASS_NEVER },
    { PAWL_E_FENCED, -11, "FENCED", PAWL_ERR_CLASS_STALE },
    { PAWL_E_TERMINAL, -12, "TERMINAL", PAWL_ERR_CLASS_NEVER },
    { PAWL_E_NOT_TERMINAL, -13, "NOT_TERMINAL", PAWL_ERR_CLASS_NEVER },
    { PAWL_E_BUSY, -14, "BUSY", PAWL_ERR_CLASS_RETRY },
    { PAWL_E_TOO_LARGE, -15, "TOO_LARGE", PAWL_ERR_CLASS_NEVER },
    { PAWL_E_PROTOCOL, -16, "PROTOCOL", PAWL_ERR_CLASS_NEVER },
    { PAWL_E_VERSION, -17, "VERSION", PAWL_ERR_CLASS_NEVER },
    { PAWL_E_DENIED, -18, "DENIED", PAWL_ERR_CLASS_NEVER },
    { PAWL_E_TIMEOUT, -19, "TIMEOUT", PAWL_ERR_CLASS_UNSURE },
    { PAWL_E_CANCELLED, -20, "CANCELLED", PAWL_ERR_CLASS_NEVER },
    { PAWL_E_FAILED, -21, "FAILED", PAWL_ERR_CLASS_NEVER },
    { PAWL_E_NONDETERMINISM, -22, "NONDETERMINISM", PAWL_ERR_CLASS_NEVER },
    { PAWL_E_NOT_REGISTERED, -23, "NOT_REGISTERED", PAWL_ERR_CLASS_NEVER },
    { PAWL_E_STATE, -24, "STATE", PAWL_ERR_CLASS_NEVER },
    { PAWL_E_SUPERSEDED, -25, "SUPERSEDED", PAWL_ERR_CLASS_NEVER },
};

#define COUNT (sizeof table / sizeof table[0])

static void every_code_keeps_its_number_name_and_class(void **state)
{
    (void)state;
    size_t in_map = 1;
#define X(name, value, class, text) in_map++;
    PAWL_ERR_MAP(X)
#undef X
    assert_int_equal(in_map, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal((int)table[i].err, table[i].number);
        assert_string_equal(pawl_err_name(table[i].err), table[i].name);
        assert_int_equal(pawl_err_class(table[i].err), table[i].class);
    }
}

static void every_code_has_a_text_of_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(strlen(pawl_err_text(table[i].err)) > 1);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(pawl_err_text(table[i].err), pawl_err_text(table[j].err));
        }
    }
}

static void a_foreign_number_is_never_retried_and_has_a_text(void **state)
{
    (void)state;
    static const int foreign[] = { 1, -26, -1000 };
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        /* Read from the wire: an enum made by a peer of another version. */
        pawl_err err = PAWL_OK;
        memcpy(&err, &foreign[i], sizeof err);
        assert_int_equal(pawl_err_class(err), PAWL_ERR_CLASS_NEVER);
        assert_string_equal(pawl_err_name(err), "UNDEFINED");
        assert_non_null(strstr(pawl_err_text(err), "does not know"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_keeps_its_number_name_and_class),
        cmocka_unit_test(every_code_has_a_text_of_its_own),
        cmocka_unit_test(a_foreign_number_is_never_retried_and_has_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
