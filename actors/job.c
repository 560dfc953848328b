#include "actors/job.h"

void pawl_job_open(struct pawl_node *node, struct pawl_job *job)
{
    pawl_arena_init(&job->arena);
    pawl_list_push_tail(&node->jobs, &job->link);
}

void pawl_job_close(struct pawl_job *job)
{
    pawl_list_remove(&job->link);
    pawl_arena_deinit(&job->arena);
    pawl_mem_free(job);
}

void pawl_jobs_deinit(struct pawl_node *node)
{
    while (!pawl_list_is_empty(&node->jobs))
        pawl_job_close(PAWL_CONTAINER_OF(node->jobs.next, struct pawl_job, link));
}
