/* SQLite answers as the reference does: many calls without syncing, then a smaller run
 * with every commit synced. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "suite.h"

#define SYNCED_SHARE 25u /* one operation in so many is repeated with full syncing */

static int run_in(const char *folder, const struct suite_options *given, const char *synchronous,
                  uint64_t ops)
{
    char path[128], url[256];
    snprintf(path, sizeof path, "%s/state-%s.db", folder, synchronous);
    snprintf(url, sizeof url, "sqlite://%s", path);
    struct suite_options options = *given;
    options.url = url;
    options.synchronous = synchronous;
    options.ops = ops;
    int result = suite_run(&options);
    unlink(path);
    return result;
}

int main(int argc, char **argv)
{
    struct suite_options options = { .name = "sqlite",
                                     .open = pawl_store_sqlite_open,
                                     .ops = 200000 };
    suite_parse(&options, argc, argv);

    char folder[] = "/tmp/pawl-conformance-XXXXXX";
    if (!mkdtemp(folder)) {
        perror(folder);
        return 1;
    }
    int result = run_in(folder, &options, "off", options.ops);
    if (result == 0) {
        uint64_t synced = options.ops / SYNCED_SHARE;
        result = run_in(folder, &options, "full", synced < 20000 ? 20000 : synced);
    }
    rmdir(folder);
    return result;
}
