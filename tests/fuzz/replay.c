/* Run a fuzz target over every file of the folders given: what the fuzzer has once
 * found stays found, with any compiler. */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define INPUT_SIZE_MAX (1u << 20)

static bool replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) return false;
    uint8_t *room = malloc(INPUT_SIZE_MAX);
    if (!room) abort();
    size_t size = fread(room, 1, INPUT_SIZE_MAX, file);
    (void)fclose(file); /* it was only read */

    /* An exact copy, so that a sanitizer sees a read one byte too far. */
    uint8_t *data = malloc(size ? size : 1);
    if (!data) abort();
    memcpy(data, room, size);
    free(room);
    (void)LLVMFuzzerTestOneInput(data, size); /* always 0 */
    free(data);
    return true;
}

/* How many files; 0 when the folder cannot be read. */
static unsigned replay_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    if (!dir) return 0;
    unsigned count = 0;
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        char path[4096];
        if (entry->d_name[0] == '.') continue;
        int length = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (length > 0 && (size_t)length < sizeof path && replay_file(path)) count++;
    }
    (void)closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    for (int i = 1; i < argc; i++) count += replay_folder(argv[i]);
    printf("%u inputs replayed\n", count);
    return count > 0 ? 0 : 1; /* an empty corpus proves nothing */
}
