/* Doctor: looks through a store and tells what it found. Blocks; runs a loop of its own. */
#ifndef PAWL_DOCTOR_IO_DOCTOR_H
#define PAWL_DOCTOR_IO_DOCTOR_H

#include "doctor/report.h"

enum pawl_doctor_outcome {
    PAWL_DOCTOR_HEALTHY = 0,
    PAWL_DOCTOR_FINDINGS = 1,
    PAWL_DOCTOR_UNREACHABLE = 2, /* or nothing to look at; why is in ret_text */
};

/* subject.now_ms is set here. Appends the report to `ret_text`. */
enum pawl_doctor_outcome pawl_doctor_run(const struct pawl_doctor_subject *subject, bool json,
                                         struct pawl_buf *ret_text);

#endif /* PAWL_DOCTOR_IO_DOCTOR_H */
