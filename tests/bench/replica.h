/* What bench_replica measures with: a record of everything worth a time, in a file that is
 * whole up to the last record even when the process is killed. The clock is the machine's,
 * so the records of several processes fit together. */
#ifndef PAWL_TESTS_REPLICA_H
#define PAWL_TESTS_REPLICA_H

#include <pawl/pawl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* As in replicas.py. */
enum record_kind {
    RECORD_BEAT = 1, /* a workflow of `pulse` has done one more step */
    RECORD_RUN,      /* an activity of a fan-out begins */
    RECORD_PARKED,   /* a workflow of `park` waits */
    RECORD_WOKEN,    /* … and goes on; value: 1 by its timer, 0 by an event */
    RECORD_DONE,     /* a workflow of `load` has ended; value: ns since the client began */
    RECORD_ERROR,    /* a client's call failed; value: the error, negated */
    RECORD_KINDS
};

struct record {
    uint64_t time_ns;
    uint64_t value;
    uint32_t number; /* of the workflow */
    uint32_t kind;
};

/* Appends to this file. False: it cannot be opened, see errno. */
bool records_open(const char *path);
void record(enum record_kind kind, uint32_t number, uint64_t value);
uint64_t records_of(enum record_kind kind);

/* The workflows and activities; false after a message on stderr. */
bool work_register(struct pawl_worker *worker);
uint64_t work_steps(void); /* activities run so far */

#endif /* PAWL_TESTS_REPLICA_H */
