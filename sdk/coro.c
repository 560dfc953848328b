#include "sdk/coro.h"

#include <string.h>

#include "base/assert.h"

#if defined(__SANITIZE_ADDRESS__)
#define CORO_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CORO_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define CORO_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CORO_TSAN 1
#endif
#endif

#ifdef CORO_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef CORO_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#if !defined(PAWL_CORO_UCONTEXT) && !defined(__x86_64__) && !defined(__aarch64__)
#define PAWL_CORO_UCONTEXT 1
#endif

#define CANARY_BYTE 0xA5

/* Sanitizers ------------------------------------------------------------------- */

static void leave_host(struct pawl_coro *coro)
{
#ifdef CORO_ASAN
    __sanitizer_start_switch_fiber(&coro->host_fake, coro->stack, coro->stack_size);
#endif
#ifdef CORO_TSAN
    coro->host_fiber = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(coro->fiber, 0);
#endif
    (void)coro;
}

static void enter_host(struct pawl_coro *coro)
{
#ifdef CORO_ASAN
    __sanitizer_finish_switch_fiber(coro->host_fake, NULL, NULL);
#endif
    (void)coro;
}

static void leave_coro(struct pawl_coro *coro, bool for_ever)
{
#ifdef CORO_ASAN
    __sanitizer_start_switch_fiber(for_ever ? NULL : &coro->own_fake, coro->host_stack,
                                   coro->host_stack_size);
#endif
#ifdef CORO_TSAN
    __tsan_switch_to_fiber(coro->host_fiber, 0);
#endif
    (void)coro;
    (void)for_ever;
}

static void enter_coro(struct pawl_coro *coro, bool first)
{
#ifdef CORO_ASAN
    __sanitizer_finish_switch_fiber(first ? NULL : coro->own_fake, &coro->host_stack,
                                    &coro->host_stack_size);
#endif
    (void)coro;
    (void)first;
}

/* The switch ------------------------------------------------------------------- */

static void coro_switch(struct pawl_coro *coro);

/* The first function on the new stack. Never returns: there is nothing below it. */
static void coro_main(struct pawl_coro *coro)
{
    enter_coro(coro, true);
    coro->run(coro->argument);
    coro->done = true;
    leave_coro(coro, true);
    coro_switch(coro);
    PAWL_UNREACHABLE("a coroutine that ended was resumed");
}

#ifdef PAWL_CORO_UCONTEXT

#include <ucontext.h>

struct contexts {
    ucontext_t own;
    ucontext_t host;
    bool inside;
};

/* makecontext passes ints only. */
static void context_main(unsigned int high, unsigned int low)
{
    uintptr_t address = ((uintptr_t)high << 16 << 16) | (uintptr_t)low;
    coro_main((struct pawl_coro *)address);
}

static void coro_prepare(struct pawl_coro *coro)
{
    /* Both contexts live at the top of the stack. */
    uintptr_t top = (uintptr_t)(coro->stack + coro->stack_size - sizeof(struct contexts));
    struct contexts *contexts = (struct contexts *)(top & ~(uintptr_t)63);
    memset(contexts, 0, sizeof *contexts);
    coro->sp = contexts;
    int result = getcontext(&contexts->own);
    PAWL_ASSERT(result == 0);
    contexts->own.uc_stack.ss_sp = coro->stack;
    contexts->own.uc_stack.ss_size = (size_t)((uint8_t *)contexts - coro->stack);
    contexts->own.uc_link = NULL;
    uintptr_t address = (uintptr_t)coro;
    makecontext(&contexts->own, (void (*)(void))context_main, 2,
                (unsigned int)(address >> 16 >> 16), (unsigned int)(address & 0xffffffffu));
}

static void coro_switch(struct pawl_coro *coro)
{
    struct contexts *contexts = coro->sp;
    contexts->inside = !contexts->inside;
    int result = contexts->inside ? swapcontext(&contexts->host, &contexts->own)
                                  : swapcontext(&contexts->own, &contexts->host);
    PAWL_ASSERT(result == 0);
}

#else

/* In coro_switch.S: save the callee-saved registers and the sp, load the other sp.
 * `*sp` is swapped with the present one. */
void pawl_coro_asm_switch(void **sp);
void pawl_coro_asm_start(void);

static void coro_prepare(struct pawl_coro *coro)
{
    uintptr_t top = (uintptr_t)(coro->stack + coro->stack_size) & ~(uintptr_t)15;
    void **frame = (void **)top;
    void (*entry)(struct pawl_coro *) = coro_main;
    void (*start)(void) = pawl_coro_asm_start;
    void *entry_address, *start_address;
    memcpy(&entry_address, &entry, sizeof entry_address);
    memcpy(&start_address, &start, sizeof start_address);
#if defined(__x86_64__)
    /* low to high: mxcsr+fpucw, r15 r14 r13 r12 rbx rbp, return address, a zero that
     * ends backtraces. At asm_start the sp is then a multiple of 16. */
    frame -= 10;
    memset(frame, 0, 10 * sizeof *frame);
    uint32_t control[2] = { 0x1f80, 0x037f }; /* the defaults of the ABI */
    memcpy(frame, control, sizeof control);
    frame[3] = entry_address; /* r13 */
    frame[4] = coro;          /* r12 */
    frame[7] = start_address;
#else
    /* low to high: x19 … x30 (12), d8 … d15 (8) */
    frame -= 20;
    memset(frame, 0, 20 * sizeof *frame);
    frame[0] = coro;           /* x19 */
    frame[1] = entry_address;  /* x20 */
    frame[11] = start_address; /* x30 */
#endif
    coro->sp = frame;
}

static void coro_switch(struct pawl_coro *coro)
{
    pawl_coro_asm_switch(&coro->sp);
}

#endif

/* Entry points ----------------------------------------------------------------- */

void pawl_coro_init(struct pawl_coro *coro, void *stack, size_t stack_size, bool guarded,
                    void (*run)(void *argument), void *argument)
{
    PAWL_ASSERT(((uintptr_t)stack & 15) == 0);
    PAWL_ASSERT(stack_size >= 4096);
    *coro = (struct pawl_coro){ .stack = stack,
                                .stack_size = stack_size,
                                .guarded = guarded,
                                .run = run,
                                .argument = argument };
    if (!guarded) memset(stack, CANARY_BYTE, PAWL_CORO_CANARY_SIZE);
    coro_prepare(coro);
#ifdef CORO_TSAN
    coro->fiber = __tsan_create_fiber(0);
#endif
}

bool pawl_coro_resume(struct pawl_coro *coro)
{
    PAWL_ASSERT(!coro->done);
    leave_host(coro);
    coro_switch(coro);
    enter_host(coro);
    return coro->done;
}

void pawl_coro_yield(struct pawl_coro *coro)
{
    leave_coro(coro, false);
    coro_switch(coro);
    enter_coro(coro, false);
}

void pawl_coro_deinit(struct pawl_coro *coro)
{
#ifdef CORO_ASAN
    /* The frames that never returned left their red zones behind. */
    __asan_unpoison_memory_region(coro->stack, coro->stack_size);
#endif
#ifdef CORO_TSAN
    __tsan_destroy_fiber(coro->fiber);
#endif
    *coro = (struct pawl_coro){ .done = true };
}

bool pawl_coro_is_intact(const struct pawl_coro *coro)
{
    for (size_t i = 0; i < PAWL_CORO_CANARY_SIZE && !coro->guarded; i++) {
        if (coro->stack[i] != CANARY_BYTE) return false;
    }
    return true;
}
