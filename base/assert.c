#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void pawl_assert_fail(const char *cond, const char *file, int line)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, cond);
    abort();
}
