#include "sdk/io/stack.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#define STACK_LSAN 1
#endif

/* Stacks per slab, and free stacks that keep their pages. */
#define SLAB_STACKS       64u
#define WARM_MAX          64u
#define SIGNAL_STACK_SIZE (64u << 10)

struct slab {
    struct slab *next;
    uint8_t *memory;
    size_t size;
    bool guarded;
};

/* A free stack's top holds the link to the next. */
struct free_stack {
    struct free_stack *next;
    bool guarded;
};

struct pawl_stack_pool {
    size_t page_size;
    size_t stack_size;
    size_t guard_size;
    size_t slot_size; /* guard + stack */
    struct slab *slabs;
    struct free_stack *free;
    size_t free_count;
    size_t guards_count;
};

pawl_err pawl_stack_pool_new(size_t stack_size, struct pawl_stack_pool **ret_pool)
{
    struct pawl_stack_pool *pool = calloc(1, sizeof *pool);
    if (!pool) return PAWL_E_NOMEM;

    pool->page_size = (size_t)sysconf(_SC_PAGESIZE);
    pool->stack_size = (stack_size + pool->page_size - 1) / pool->page_size * pool->page_size;
    /* Several pages, for a function whose large array begins past the first one. */
    pool->guard_size = 4 * pool->page_size;
    pool->slot_size = pool->stack_size + pool->guard_size;
    *ret_pool = pool;
    return PAWL_OK;
}

void pawl_stack_pool_free(struct pawl_stack_pool *pool)
{
    if (!pool) return;
    while (pool->slabs) {
        struct slab *slab = pool->slabs;
        pool->slabs = slab->next;
#ifdef STACK_LSAN
        __lsan_unregister_root_region(slab->memory, slab->size);
#endif
        (void)munmap(slab->memory, slab->size); /* fails only for a bad range */
        free(slab);
    }
    free(pool);
}

size_t pawl_stack_pool_size(const struct pawl_stack_pool *pool)
{
    return pool->stack_size;
}

static struct free_stack *top_of(const struct pawl_stack_pool *pool, uint8_t *stack)
{
    return (struct free_stack *)(void *)(stack + pool->stack_size - sizeof(struct free_stack));
}

static void push_free(struct pawl_stack_pool *pool, uint8_t *stack, bool guarded)
{
    struct free_stack *link = top_of(pool, stack);
    link->next = pool->free;
    link->guarded = guarded;
    pool->free = link;
    pool->free_count++;
}

static bool add_slab(struct pawl_stack_pool *pool)
{
    struct slab *slab = calloc(1, sizeof *slab);
    if (!slab) return false;

    slab->size = SLAB_STACKS * pool->slot_size;
    void *memory = mmap(NULL, slab->size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) {
        free(slab);
        return false;
    }
    slab->memory = memory;
    slab->guarded = pool->guards_count + SLAB_STACKS <= PAWL_STACK_GUARDS_MAX;
    for (size_t i = 0; i < SLAB_STACKS && slab->guarded; i++) {
        /* Out of mappings: the pattern has to do for the rest of this slab too. */
        if (mprotect(slab->memory + i * pool->slot_size, pool->guard_size, PROT_NONE) != 0) {
            slab->guarded = false;
        }
    }
    if (slab->guarded) pool->guards_count += SLAB_STACKS;
    slab->next = pool->slabs;
    pool->slabs = slab;
    for (size_t i = SLAB_STACKS; i > 0; i--) {
        push_free(pool, slab->memory + (i - 1) * pool->slot_size + pool->guard_size, slab->guarded);
    }
#ifdef STACK_LSAN
    /* What only a suspended workflow points to is not leaked. */
    __lsan_register_root_region(slab->memory, slab->size);
#endif
    return true;
}

void *pawl_stack_take(struct pawl_stack_pool *pool, bool *ret_guarded)
{
    if (!pool->free && !add_slab(pool)) return NULL;

    struct free_stack *link = pool->free;
    pool->free = link->next;
    pool->free_count--;
    *ret_guarded = link->guarded;
    return (uint8_t *)link + sizeof *link - pool->stack_size;
}

void pawl_stack_give(struct pawl_stack_pool *pool, void *stack, bool guarded)
{
    /* A few stay warm; the others give their pages back. */
    if (pool->free_count >= WARM_MAX) {
        int result = madvise(stack, pool->stack_size, MADV_DONTNEED);
        PAWL_ASSERT(result == 0);
    }
    push_free(pool, stack, guarded);
}

/* Overflow --------------------------------------------------------------------- */

static _Thread_local struct pawl_stack_pool *watched;
static _Thread_local void *signal_stack;
static struct sigaction previous_action;
static atomic_flag handler_installed = ATOMIC_FLAG_INIT;

static bool is_in_guard(const struct pawl_stack_pool *pool, const uint8_t *address)
{
    for (const struct slab *slab = pool->slabs; slab; slab = slab->next) {
        if (address < slab->memory || address >= slab->memory + slab->size) continue;
        return (size_t)(address - slab->memory) % pool->slot_size < pool->guard_size;
    }
    return false;
}

static void on_fault(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    if (watched && is_in_guard(watched, info->si_addr)) {
        static const char text[] =
            "pawl: a workflow function used up its stack (stack overflow). Keep large arrays in "
            "pawl_alloc memory, or set stack_size in struct pawl_worker_options.\n";
        ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
        (void)written; /* nothing is left to be done about it */
    }
    /* The same instruction faults again and meets the previous handler. */
    (void)sigaction(signal_number, &previous_action, NULL);
}

pawl_err pawl_stack_watch(struct pawl_stack_pool *pool)
{
    PAWL_ASSERT(!watched);
    signal_stack = malloc(SIGNAL_STACK_SIZE);
    if (!signal_stack) return PAWL_E_NOMEM;
    stack_t stack = { .ss_sp = signal_stack, .ss_size = SIGNAL_STACK_SIZE };
    stack_t before;
    int result = sigaltstack(NULL, &before);
    PAWL_ASSERT(result == 0);
    if (!(before.ss_flags & SS_DISABLE)) {
        /* The thread has one already (the user's, or a sanitizer's): keep it. */
        free(signal_stack);
        signal_stack = NULL;
    } else {
        result = sigaltstack(&stack, NULL);
        PAWL_ASSERT(result == 0);
    }
    watched = pool;
    if (!atomic_flag_test_and_set(&handler_installed)) {
        struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
        sigemptyset(&action.sa_mask);
        result = sigaction(SIGSEGV, &action, &previous_action);
        PAWL_ASSERT(result == 0);
    }
    return PAWL_OK;
}

void pawl_stack_unwatch(void)
{
    watched = NULL;
    if (!signal_stack) return;
    stack_t none = { .ss_flags = SS_DISABLE };
    int result = sigaltstack(&none, NULL);
    PAWL_ASSERT(result == 0);
    free(signal_stack);
    signal_stack = NULL;
}
