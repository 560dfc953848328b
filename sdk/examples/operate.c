/* Operate: what an operator's own program can do with instances: count them, look at what is
 * stalled, end and remove many at once, carry one to another place. The command line does the
 * same (docs/CLI.md).
 */
#include "example.h"

#include <stdio.h>

#define ENDED \
    ((1u << PAWL_STATUS_COMPLETED) | (1u << PAWL_STATUS_FAILED) | (1u << PAWL_STATUS_TERMINATED))

static const struct pawl_instance_tag team = { "team", "blue" };

/* How many are there, by status? */
static bool count(struct pawl_client *client, enum pawl_status status, uint64_t *ret_count)
{
    struct pawl_list_query query = { .tags = &team, .tags_count = 1 };
    struct pawl_result *result = NULL;
    pawl_err err = pawl_client_count(client, &query, &result);
    *ret_count = pawl_result_count(result, status);
    if (!err)
        (void)printf("team blue: %llu in all, %llu %s\n",
                     (unsigned long long)pawl_result_count_all(result),
                     (unsigned long long)*ret_count, pawl_status_text(status));
    pawl_result_free(result);
    return err == PAWL_OK;
}

/* The dead letters: what waits for somebody to mend something, and why. */
static bool list_stalled(struct pawl_client *client)
{
    struct pawl_list_query query = { .status_mask = 1u << PAWL_STATUS_STALLED };
    struct pawl_result *result = NULL;
    pawl_err err = pawl_client_list(client, &query, &result);
    const struct pawl_instance *stalled = pawl_result_instances(result);
    for (size_t i = 0; i < pawl_result_instances_count(result); i++)
        (void)printf("%s (%s): %s\n", stalled[i].id, stalled[i].name,
                     stalled[i].failure ? stalled[i].failure->message : "");
    (void)printf("%zu stalled\n", pawl_result_instances_count(result));
    pawl_result_free(result);
    return err == PAWL_OK;
}

/* Do it to all that match, a page per call. */
static bool batch(struct pawl_client *client, struct pawl_batch_request request)
{
    pawl_err err = PAWL_OK;
    struct pawl_result *page = NULL;
    uint32_t done = 0;
    do {
        struct pawl_result *next = NULL;
        err = pawl_client_batch(client, &request, &next);
        pawl_result_free(page); /* the cursor in the request was this page's */
        page = next;
        done += pawl_result_batch_done(page);
        request.query.cursor = pawl_result_cursor(page);
    } while (!err && request.query.cursor);
    (void)printf("%u done%s%s\n", done, err ? ", then: " : "", pawl_result_message(page));
    pawl_result_free(page);
    return err == PAWL_OK;
}

static bool terminate_the_teams(struct pawl_client *client)
{
    struct pawl_list_query query = { .name = "held", .tags = &team, .tags_count = 1 };
    return batch(client, (struct pawl_batch_request){
                             .action = PAWL_BATCH_TERMINATE, .query = query, .recursive = true });
}

static bool purge_the_teams(struct pawl_client *client)
{
    struct pawl_list_query query = { .status_mask = ENDED, .tags = &team, .tags_count = 1 };
    return batch(client, (struct pawl_batch_request){ .action = PAWL_BATCH_PURGE, .query = query });
}

/* One with its whole history, as JSON; and the same again under another id, which could as well
 * be at another sidecar, with a store of its own. What had not ended goes on there. */
static bool copy(struct pawl_client *client, const char *id, const char *new_id)
{
    struct pawl_result *exported = NULL, *imported = NULL;
    pawl_err err = pawl_client_export(client, id, &exported);
    if (!err) err = pawl_client_import(client, pawl_result_json(exported), new_id, NULL, &imported);
    (void)printf("%s: %s\n", new_id, err ? pawl_result_message(imported) : "imported");
    pawl_result_free(exported);
    pawl_result_free(imported);
    return !err && pawl_client_wait(client, new_id, PAWL_FOR_START, 30000, NULL) == PAWL_OK;
}

static pawl_err held(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    pawl_err err = pawl_wait_for_event(ctx, "go", PAWL_FOREVER, NULL);
    return err ? err : pawl_return(ctx, input);
}

static bool begin(struct pawl_client *client, int number)
{
    char id[32];
    (void)snprintf(id, sizeof id, "held-%d", number);
    const struct pawl_start start = { .name = "held", .id = id, .tags = &team, .tags_count = 1 };
    return pawl_client_start(client, &start, NULL) == PAWL_OK
           && pawl_client_wait(client, id, PAWL_FOR_START, 30000, NULL) == PAWL_OK;
}

static bool demo(struct pawl_client *client)
{
    uint64_t running = 0, terminated = 0, left = 1;
    for (int i = 1; i <= 3; i++)
        if (!begin(client, i)) return false;
    return count(client, PAWL_STATUS_RUNNING, &running) && running == 3 && list_stalled(client)
           && copy(client, "held-1", "held-4") && terminate_the_teams(client)
           && count(client, PAWL_STATUS_TERMINATED, &terminated) && terminated == 4
           && purge_the_teams(client) && count(client, PAWL_STATUS_TERMINATED, &left) && left == 0;
}

int main(int argc, char **argv)
{
    static const struct pawl_workflow_def workflows[] = { { .name = "held", .run = held },
                                                          { .name = NULL } };
    return example_main(argc, argv, &(struct example){ workflows, NULL, demo });
}
