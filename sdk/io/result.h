/* Result: the answer to a management call in the form of pawl/client.h. */
#ifndef PAWL_SDK_IO_RESULT_H
#define PAWL_SDK_IO_RESULT_H

#include "pawl/schedule.h"
#include "pawl/watch.h"
#include "sdk/pool.h"
#include "sdk/request.h"

/* A page of a history as an export has it: pieces of JSON. */
struct pawl_export_page {
    struct pawl_bytes head;    /* '{' and the members before the events */
    struct pawl_bytes events;  /* items of an array, as the next */
    struct pawl_bytes waiting; /* only with the end of the history */
    uint32_t count;            /* of the events … */
    uint32_t total;            /* … that there are */
    struct pawl_id inc;
    uint32_t gen;
};

struct pawl_result {
    struct pawl_allocator allocator; /* a copy: a result may outlive its client */
    struct pawl_pool pool;
    const char *message;
    const char *id;
    const char *cursor; /* NULL: none */
    size_t instances_count;
    struct pawl_instance *instances;
    size_t schedules_count; /* of the instances that are schedules */
    struct pawl_schedule_info *schedules;
    size_t history_count;
    uint32_t history_total;
    struct pawl_history_item *history;
    struct pawl_export_page page; /* of a HISTORY with_payloads, in place of items */
    struct pawl_bytes json;       /* of an export, and a NUL behind it */
    bool reached;                 /* as in the answer */
    size_t changes_count;         /* of a WATCH; without positions */
    struct pawl_watch_event *changes;
    uint64_t counts[PAWL_STATUS_COUNT];
    struct pawl_batch batch;
};

/* A deep copy of the answer to `request`; NULL: no memory. */
struct pawl_result *pawl_result_from_answer(const struct pawl_allocator *allocator,
                                            const struct pawl_request *request,
                                            const struct pawl_answer *answer);

/* A result with nothing but a message about `request`. */
struct pawl_result *pawl_result_from_message(const struct pawl_allocator *allocator,
                                             const struct pawl_request *request,
                                             struct pawl_bytes message);

#endif /* PAWL_SDK_IO_RESULT_H */
