/* The library's own threads leave the app's signals alone. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include "sdk/io/thread.h"

static void *mask_take(void *ret_mask)
{
    pthread_sigmask(SIG_BLOCK, NULL, ret_mask);
    return NULL;
}

static void a_thread_gets_only_the_signals_that_its_own_code_causes(void **state)
{
    (void)state;
    static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS };
    static const int others[] = { SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGALRM, SIGUSR1, SIGPIPE };
    pthread_t thread;
    sigset_t mask, before, after;
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    assert_int_equal(pawl_thread_start(&thread, mask_take, &mask), PAWL_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        assert_int_equal(sigismember(&mask, own[i]), 0);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_int_equal(sigismember(&mask, others[i]), 1);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    for (int number = 1; number < SIGRTMIN; number++)
        assert_int_equal(sigismember(&after, number), sigismember(&before, number));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_gets_only_the_signals_that_its_own_code_causes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
