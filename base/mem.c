#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static _Noreturn void out_of_memory(size_t size)
{
    fprintf(stderr,
            "pawl: out of memory while asking for %zu bytes. Give the process more memory or lower "
            "its limits; stored workflows are safe and continue after a restart.\n",
            size);
    _Exit(EXIT_FAILURE);
}

void *pawl_mem_alloc(size_t size)
{
    void *memory = calloc(1, size ? size : 1);
    if (!memory) out_of_memory(size);
    return memory;
}

void *pawl_mem_resize(void *memory, size_t size)
{
    void *resized = realloc(memory, size ? size : 1);
    if (!resized) out_of_memory(size);
    return resized;
}

void pawl_mem_free(void *memory)
{
    free(memory);
}
