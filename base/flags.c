#include "base/flags.h"

#include <stdbool.h>
#include <string.h>

const char *pawl_flag_cut_short(char *const *argv, int next, const char *value, const char *name)
{
    bool is_behind = value && value == argv[next - 1];
    const char *written = argv[next - (is_behind ? 2 : 1)];
    bool is_cut = strncmp(written, "--", 2) == 0 && strcspn(written + 2, "=") != strlen(name);
    return is_cut ? written : NULL;
}
