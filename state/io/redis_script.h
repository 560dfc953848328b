/* Scripts: the Lua sources under lua/, one per operation of the port. */
#ifndef PAWL_STATE_IO_REDIS_SCRIPT_H
#define PAWL_STATE_IO_REDIS_SCRIPT_H

#include "state/store.h"

/* The schema script has the number that is no operation. */
#define PAWL_REDIS_SCRIPT_SCHEMA 0

struct pawl_bytes pawl_redis_script(int op);

#endif /* PAWL_STATE_IO_REDIS_SCRIPT_H */
