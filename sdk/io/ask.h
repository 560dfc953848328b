/* Ask: one management call of a client, from its request to its result. For the parts of the
 * client that are in files of their own. */
#ifndef PAWL_SDK_IO_ASK_H
#define PAWL_SDK_IO_ASK_H

#include <pthread.h>

#include "base/bytes.h"
#include "sdk/io/result.h"

/* Checks it, sends it and waits for the answer. `ret_result` may be NULL. */
pawl_err pawl_client_ask(struct pawl_client *client, const struct pawl_request *request,
                         struct pawl_result **ret_result);

/* PAWL_E_INVALID with a message, as with any other bad argument. */
pawl_err pawl_client_refuse(struct pawl_client *client, const char *why,
                            struct pawl_result **ret_result);

/* Lets one thread end what another one does with the client. */
struct pawl_cancel {
    bool is_set; /* under the client's lock */
    pthread_cond_t changed;
};

/* All of them must be gone before the client is freed. */
void pawl_cancel_init(struct pawl_client *client, struct pawl_cancel *cancel);
void pawl_cancel_deinit(struct pawl_client *client, struct pawl_cancel *cancel);

/* Calls with `cancel` that wait, and those that are made later, end with PAWL_E_CANCELLED. */
void pawl_client_cancel(struct pawl_client *client, struct pawl_cancel *cancel);
bool pawl_client_is_cancelled(struct pawl_client *client, const struct pawl_cancel *cancel);

/* As pawl_client_ask, with request->timeout_ms for the sidecar to answer, unless that is 0. */
pawl_err pawl_client_ask_until(struct pawl_client *client, const struct pawl_request *request,
                               struct pawl_cancel *cancel, struct pawl_result **ret_result);

/* Sleep. False: cancelled. */
bool pawl_client_rest(struct pawl_client *client, struct pawl_cancel *cancel, int64_t ms);

const struct pawl_allocator *pawl_client_allocator(const struct pawl_client *client);

/* 32 hex digits that nobody else has. */
void pawl_client_random_text(char text[PAWL_ID_TEXT_SIZE]);

#endif /* PAWL_SDK_IO_ASK_H */
