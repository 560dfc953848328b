/* What a fuzz target offers: libFuzzer and replay.c call it. A wrong answer of the
 * code under test is an assertion that fails. */
#ifndef PAWL_TESTS_FUZZ_H
#define PAWL_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif /* PAWL_TESTS_FUZZ_H */
