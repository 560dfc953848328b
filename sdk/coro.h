/* Coro: a function on a stack of its own that can stop in the middle.
 *
 * The switch is a few instructions of assembly on x86-64 and aarch64 and ucontext
 * elsewhere (or with PAWL_CORO_UCONTEXT). Sanitizers are told about every switch.
 *
 * A coroutine is resumed by one thread and yields back to it; it stays on that thread
 * for life, because compilers keep the address of thread-local things (errno) over
 * calls. A suspended coroutine holds nothing but its stack: to drop it, forget it.
 */
#ifndef PAWL_SDK_CORO_H
#define PAWL_SDK_CORO_H

#include "pawl/types.h"

/* Bytes at the low end of a stack without a guard page that keep a pattern. With one they
 * are left alone, since writing there would cost a page of memory. */
#define PAWL_CORO_CANARY_SIZE 64u

struct pawl_coro {
    void *sp;       /* of whichever side is not running */
    uint8_t *stack; /* low end */
    size_t stack_size;
    void (*run)(void *argument);
    void *argument;
    bool done;
    bool guarded;
    /* For the sanitizers; unused without them. */
    void *own_fake;
    void *host_fake;
    const void *host_stack;
    size_t host_stack_size;
    void *fiber;
    void *host_fiber;
};

/* Prepare `run(argument)` on this stack; it starts with the first resume. `stack` is
 * aligned to 16 and at least 4096 bytes; `guarded`: what lies below it is no memory. */
void pawl_coro_init(struct pawl_coro *coro, void *stack, size_t stack_size, bool guarded,
                    void (*run)(void *argument), void *argument);

/* Run until it yields or ends; true: it ended. Must not have ended before. */
bool pawl_coro_resume(struct pawl_coro *coro);

/* From inside: back to whoever resumed. */
void pawl_coro_yield(struct pawl_coro *coro);

/* Forget a coroutine that ended or is suspended; its stack may be used again. */
void pawl_coro_deinit(struct pawl_coro *coro);

/* False when the low end of the stack was overwritten: it grew past its end. Always true
 * for a guarded one, whose overflow is a fault instead. */
bool pawl_coro_is_intact(const struct pawl_coro *coro);

#endif /* PAWL_SDK_CORO_H */
