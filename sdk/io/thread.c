#include "sdk/io/thread.h"

#include <signal.h>
#include <stddef.h>

pawl_err pawl_thread_start(pthread_t *ret_thread, void *(*run)(void *), void *context)
{
    static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS };
    sigset_t blocked, before;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) sigdelset(&blocked, own[i]);
    /* A thread begins with the mask of the one that makes it. */
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int result = pthread_create(ret_thread, NULL, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result == 0 ? PAWL_OK : PAWL_E_NOMEM;
}
