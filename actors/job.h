/* Job: a request that takes several calls of the store or of other sidecars. Jobs are known to
 * their node, which frees what is under way when it ends. */
#ifndef PAWL_ACTORS_JOB_H
#define PAWL_ACTORS_JOB_H

#include "actors/node_internal.h"

/* The first member of a job that was allocated with pawl_mem_alloc. */
struct pawl_job {
    struct pawl_list link;
    struct pawl_arena arena; /* what lives as long as the job */
};

void pawl_job_open(struct pawl_node *node, struct pawl_job *job);

/* Frees the whole of it. */
void pawl_job_close(struct pawl_job *job);

void pawl_jobs_deinit(struct pawl_node *node);

#endif /* PAWL_ACTORS_JOB_H */
