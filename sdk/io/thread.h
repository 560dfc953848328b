/* Thread: one of the library's own, in somebody else's process. */
#ifndef PAWL_SDK_IO_THREAD_H
#define PAWL_SDK_IO_THREAD_H

#include <pthread.h>

#include "pawl/err.h"

/* Start one, to be joined by the caller. It gets no signals, which belong to the app's own
 * threads, but for those that its own code causes: a handler of crashes is called in it.
 * PAWL_E_NOMEM: the system has no thread left. */
PAWL_MUST_USE pawl_err pawl_thread_start(pthread_t *ret_thread, void *(*run)(void *),
                                         void *context);

#endif /* PAWL_SDK_IO_THREAD_H */
