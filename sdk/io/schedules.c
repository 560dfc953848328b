#include "pawl/schedule.h"

#include "sdk/io/ask.h"
#include "sdk/schedule.h"

static struct pawl_schedule_spec spec_of(const struct pawl_schedule *schedule)
{
    static const enum pawl_overlap_policy policies[] = {
        [PAWL_OVERLAP_IS_SKIPPED] = PAWL_OVERLAP_SKIP,
        [PAWL_OVERLAP_IS_ALLOWED] = PAWL_OVERLAP_ALLOW,
        [PAWL_OVERLAP_IS_BUFFERED] = PAWL_OVERLAP_BUFFER_ONE,
        [PAWL_OVERLAP_TERMINATES] = PAWL_OVERLAP_TERMINATE,
    };
    return (struct pawl_schedule_spec){ .workflow = pawl_bytes_str(schedule->workflow),
                                        .version = pawl_bytes_str(schedule->version),
                                        .input = schedule->input,
                                        .cron = pawl_bytes_str(schedule->cron),
                                        .timezone = pawl_bytes_str(schedule->timezone),
                                        .every_ms = schedule->every_ms,
                                        .offset_ms = schedule->offset_ms,
                                        .overlap = policies[schedule->overlap],
                                        .catch_up_ms = schedule->catch_up_ms,
                                        .from_ms = schedule->from_ms,
                                        .until_ms = schedule->until_ms,
                                        .paused = schedule->paused };
}

/* A call about the schedule with this id. */
static pawl_err ask(struct pawl_client *client, struct pawl_request request, const char *id,
                    struct pawl_result **ret_result)
{
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    request.instance = pawl_schedule_instance(&arena, pawl_bytes_str(id ? id : ""));
    pawl_err err = pawl_client_ask(client, &request, ret_result);
    pawl_arena_deinit(&arena);
    return err;
}

static pawl_err raise(struct pawl_client *client, const char *id, const char *event,
                      const char *reason, const char *request_id, struct pawl_result **ret_result)
{
    char random[PAWL_ID_TEXT_SIZE];
    pawl_client_random_text(random);
    struct pawl_request request = { .op = PAWL_REQUEST_RAISE,
                                    .name = pawl_bytes_str(event),
                                    .payload = pawl_bytes_str(reason),
                                    .request_id =
                                        pawl_bytes_str(request_id ? request_id : random) };
    return ask(client, request, id, ret_result);
}

pawl_err pawl_client_create_schedule(struct pawl_client *client,
                                     const struct pawl_schedule *schedule, const char *request_id,
                                     struct pawl_result **ret_result)
{
    if ((unsigned int)schedule->overlap > PAWL_OVERLAP_TERMINATES)
        return pawl_client_refuse(client, "overlap: none of enum pawl_overlap", ret_result);
    struct pawl_arena arena;
    char random[PAWL_ID_TEXT_SIZE];
    pawl_arena_init(&arena);
    pawl_client_random_text(random);
    struct pawl_schedule_spec spec = spec_of(schedule);
    struct pawl_request request = { .op = PAWL_REQUEST_START,
                                    .reuse = PAWL_REUSE_TERMINAL,
                                    .name = PAWL_BYTES_LITERAL(PAWL_SCHEDULE_NAME),
                                    .payload = pawl_schedule_spec_pack(&arena, &spec),
                                    .request_id =
                                        pawl_bytes_str(request_id ? request_id : random) };
    pawl_err err = ask(client, request, schedule->id, ret_result);
    pawl_arena_deinit(&arena);
    return err;
}

pawl_err pawl_client_get_schedule(struct pawl_client *client, const char *id,
                                  struct pawl_result **ret_result)
{
    struct pawl_request request = { .op = PAWL_REQUEST_GET, .with_payloads = true };
    return ask(client, request, id, ret_result);
}

pawl_err pawl_client_list_schedules(struct pawl_client *client, const char *id_prefix,
                                    uint32_t limit, const char *cursor,
                                    struct pawl_result **ret_result)
{
    struct pawl_arena arena;
    pawl_arena_init(&arena);
    struct pawl_request request = {
        .op = PAWL_REQUEST_LIST,
        .name = PAWL_BYTES_LITERAL(PAWL_SCHEDULE_NAME),
        .prefix = pawl_schedule_instance(&arena, pawl_bytes_str(id_prefix ? id_prefix : "")),
        .limit = limit,
        .cursor = pawl_bytes_str(cursor),
    };
    pawl_err err = pawl_client_ask(client, &request, ret_result);
    pawl_arena_deinit(&arena);
    return err;
}

pawl_err pawl_client_pause_schedule(struct pawl_client *client, const char *id, const char *reason,
                                    struct pawl_result **ret_result)
{
    return raise(client, id, PAWL_SCHEDULE_PAUSE, reason, NULL, ret_result);
}

pawl_err pawl_client_resume_schedule(struct pawl_client *client, const char *id,
                                     struct pawl_result **ret_result)
{
    return raise(client, id, PAWL_SCHEDULE_RESUME, NULL, NULL, ret_result);
}

pawl_err pawl_client_trigger_schedule(struct pawl_client *client, const char *id,
                                      const char *request_id, struct pawl_result **ret_result)
{
    return raise(client, id, PAWL_SCHEDULE_TRIGGER, NULL, request_id, ret_result);
}

pawl_err pawl_client_delete_schedule(struct pawl_client *client, const char *id,
                                     struct pawl_result **ret_result)
{
    struct pawl_request request = { .op = PAWL_REQUEST_PURGE, .force = true };
    return ask(client, request, id, ret_result);
}
