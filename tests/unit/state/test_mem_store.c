/* The reference behind the port: later answers, true copies, a clean end. */
#include "world.h"

#include "base/mem.h"
#include "state/io/backends.h"

struct client {
    uv_loop_t loop;
    struct pawl_store *store;
    void *world;
    uint64_t tokens[8]; /* in the order of replies */
    pawl_err errs[8];
    uint32_t replies_count;
    bool ready;
    bool submit_on_reply;
};

static void on_reply(void *context, const struct pawl_store_reply *reply)
{
    struct client *client = context;
    client->tokens[client->replies_count] = reply->token;
    client->errs[client->replies_count++] = reply->err;
    if (!client->submit_on_reply) return;
    client->submit_on_reply = false;
    struct pawl_store_request next = world_create(client->world, "from a reply");
    client->store->ops->submit(client->store, &next);
    client->store->ops->flush(client->store);
    assert_int_equal(client->replies_count, 1);
}

static void on_state(void *context, bool ready, const char *why)
{
    assert_non_null(why);
    ((struct client *)context)->ready = ready;
}

static int setup(void **state)
{
    struct client *client = PAWL_NEW(struct client);
    world_setup(&client->world);
    uv_loop_init(&client->loop);
    const struct pawl_store_config config = { .loop = &client->loop,
                                              .url = "mem://",
                                              .app = "a",
                                              .namespace_ = "n",
                                              .partitions = 8,
                                              .on_reply = on_reply,
                                              .on_state = on_state,
                                              .context = client };
    const char *message;
    assert_int_equal(pawl_store_mem_open(&config, &client->store, &message), PAWL_OK);
    *state = client;
    return 0;
}

static int teardown(void **state)
{
    struct client *client = *state;
    if (client->store) client->store->ops->close(client->store);
    uv_run(&client->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&client->loop), 0);
    world_teardown(&client->world);
    pawl_mem_free(client);
    return 0;
}

static void replies_come_later_and_in_order(void **state)
{
    struct client *client = *state;
    struct pawl_store_request create = world_create(client->world, "a");
    for (create.token = 1; create.token <= 3; create.token++)
        client->store->ops->submit(client->store, &create);
    client->store->ops->flush(client->store);
    assert_int_equal(client->replies_count, 0);
    assert_false(client->ready);

    uv_run(&client->loop, UV_RUN_ONCE);
    assert_true(client->ready);
    assert_int_equal(client->replies_count, 3);
    assert_int_equal(client->tokens[0], 1);
    assert_int_equal(client->errs[0], PAWL_OK);
    assert_int_equal(client->tokens[2], 3);
    assert_int_equal(client->errs[2], PAWL_E_DUPLICATE);
}

static void what_a_request_pointed_to_may_change_after_submit(void **state)
{
    struct client *client = *state;
    char name[] = "first";
    struct pawl_store_request create = world_create(client->world, name);
    client->store->ops->submit(client->store, &create);
    memcpy(name, "other", sizeof name);
    client->store->ops->submit(client->store, &create); /* another instance now */
    client->store->ops->flush(client->store);
    uv_run(&client->loop, UV_RUN_ONCE);
    assert_int_equal(client->errs[0], PAWL_OK);
    assert_int_equal(client->errs[1], PAWL_OK);
}

static void a_reply_may_submit_and_is_not_entered_again(void **state)
{
    struct client *client = *state;
    client->submit_on_reply = true;
    struct pawl_store_request create = world_create(client->world, "a");
    client->store->ops->submit(client->store, &create);
    client->store->ops->flush(client->store);
    while (client->replies_count < 2) uv_run(&client->loop, UV_RUN_ONCE);
    assert_int_equal(client->errs[1], PAWL_OK);
}

static void closing_answers_what_waits(void **state)
{
    struct client *client = *state;
    struct pawl_store_request create = world_create(client->world, "a");
    client->store->ops->submit(client->store, &create);
    client->store->ops->close(client->store);
    client->store = NULL;
    assert_int_equal(client->replies_count, 1);
    assert_int_equal(client->errs[0], PAWL_E_UNAVAILABLE);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(replies_come_later_and_in_order),
        T(what_a_request_pointed_to_may_change_after_submit),
        T(a_reply_may_submit_and_is_not_entered_again),
        T(closing_answers_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
