/* Ask: one management call of a client, from its request to its result. For the parts of the
 * client that are in files of their own. */
#ifndef PAWL_SDK_IO_ASK_H
#define PAWL_SDK_IO_ASK_H

#include "base/bytes.h"
#include "sdk/io/result.h"

/* Checks it, sends it and waits for the answer. `ret_result` may be NULL. */
pawl_err pawl_client_ask(struct pawl_client *client, const struct pawl_request *request,
                         struct pawl_result **ret_result);

/* 32 hex digits that nobody else has. */
void pawl_client_random_text(char text[PAWL_ID_TEXT_SIZE]);

#endif /* PAWL_SDK_IO_ASK_H */
