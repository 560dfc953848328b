/* Stack: memory for coroutine stacks, and the message when one overflows.
 *
 * Stacks come from slabs of address space; the kernel gives a page when it is first
 * touched, so a stack that only used its top costs a page or two. The first
 * PAWL_STACK_GUARDS_MAX stacks have a guard page below them (the kernel allows only
 * some 65,000 mappings per process), the others rely on the pattern that pawl_coro
 * checks after every switch. One thread uses a pool.
 */
#ifndef PAWL_SDK_IO_STACK_H
#define PAWL_SDK_IO_STACK_H

#include "pawl/err.h"
#include "pawl/types.h"

struct pawl_stack_pool;

/* Stacks with a guard page; further ones have none. */
#define PAWL_STACK_GUARDS_MAX 8192u

/* `stack_size` is rounded up to pages. PAWL_E_NOMEM. */
PAWL_MUST_USE pawl_err pawl_stack_pool_new(size_t stack_size, struct pawl_stack_pool **ret_pool);
void pawl_stack_pool_free(struct pawl_stack_pool *pool);

/* The usable size of each stack. */
size_t pawl_stack_pool_size(const struct pawl_stack_pool *pool);

/* The low end of a stack, or NULL when there is no memory. *ret_guarded: an overflow hits
 * a guard page. */
void *pawl_stack_take(struct pawl_stack_pool *pool, bool *ret_guarded);
void pawl_stack_give(struct pawl_stack_pool *pool, void *stack, bool guarded);

/* Recognise a fault in a guard page of `pool` while this thread runs, and say so on
 * stderr before the process ends as it would have. Gives this thread a signal stack and
 * installs a handler for SIGSEGV that passes everything else on to the previous one. */
PAWL_MUST_USE pawl_err pawl_stack_watch(struct pawl_stack_pool *pool);

/* The thread's end of watching; takes back its signal stack. */
void pawl_stack_unwatch(void);

#endif /* PAWL_SDK_IO_STACK_H */
