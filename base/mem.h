/* Memory for the sidecar and for pure code: allocation that cannot fail.
 *
 * Everything the sidecar keeps has a bound (base/limits.h), so running out of
 * memory means that the machine is too small for its configuration; the process
 * stops with a message and the store still has every step. The SDK, which lives
 * in somebody else's process, uses its own allocator and returns PAWL_E_NOMEM.
 */
#ifndef PAWL_BASE_MEM_H
#define PAWL_BASE_MEM_H

#include <stddef.h>

/* Zeroed memory; never NULL. `size` may be 0. Free with pawl_mem_free. */
void *pawl_mem_alloc(size_t size);

/* As realloc, but never NULL; new bytes are not zeroed. */
void *pawl_mem_resize(void *memory, size_t size);

void pawl_mem_free(void *memory);

#define PAWL_NEW(type) ((type *)pawl_mem_alloc(sizeof(type)))

#endif /* PAWL_BASE_MEM_H */
