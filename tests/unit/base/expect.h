/* What every cmocka file needs first, in the order that cmocka asks for. */
#ifndef PAWL_TESTS_UNIT_BASE_EXPECT_H
#define PAWL_TESTS_UNIT_BASE_EXPECT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"

/* The same content; absent equals only absent. */
#define EXPECT_BYTES(actual, expected) assert_true(pawl_bytes_is_equal((actual), (expected)))

/* A view of an array of byte values. */
#define BYTES(...) \
    pawl_bytes_make((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

#endif /* PAWL_TESTS_UNIT_BASE_EXPECT_H */
