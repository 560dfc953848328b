/* Starts: a start of a child that another one has replaced changes nothing any more. */
#ifndef PAWL_TESTS_SIM_STARTS_H
#define PAWL_TESTS_SIM_STARTS_H

#include "state/store.h"

struct sim_starts;
struct sim_starts *sim_starts_new(void);
void sim_starts_free(struct sim_starts *starts);

/* After each applied request. */
void sim_starts_on_applied(struct sim_starts *starts, const struct pawl_store_request *request,
                           const struct pawl_store_reply *reply);

/* Nothing is known of the app's instances any more: some of it did not happen. */
void sim_starts_forget(struct sim_starts *starts, uint32_t app);

#endif /* PAWL_TESTS_SIM_STARTS_H */
