/* Calls over gRPC that do not end at an instance of this app: of another app, or without a
 * store behind them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h> /* needs the four above */

#include "base/limits.h"
#include "hub_world.h"
#include "sidecar/proto/dapr_runtime.pb-c.h"

#define DAPR(rpc) "/dapr.proto.runtime.v1.Dapr/" rpc

static const char *const controls[] = { DAPR("GetWorkflowBeta1"), DAPR("PauseWorkflowBeta1"),
                                        DAPR("ResumeWorkflowBeta1"), DAPR("TerminateWorkflowBeta1"),
                                        DAPR("PurgeWorkflowBeta1") };
enum { CONTROLS = sizeof controls / sizeof *controls };

/* This engine runs without placement and says which app it cannot reach: so the field was
 * read. Its own app may be named. */
static void expect_app(struct hub_world *world, const struct grpc_reply *reply, const char *app)
{
    (void)world;
    assert_true(reply->is_over);
    if (strcmp(app, "shop") == 0) {
        assert_int_equal(reply->status, PAWL_GRPC_OK);
        return;
    }
    assert_int_not_equal(reply->status, PAWL_GRPC_OK);
    assert_non_null(strstr(reply->message, "cannot reach app 'bank'"));
}

static void daprs_calls_may_name_another_app(void **state)
{
    static const char *const apps[] = { "bank", "shop" };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct hub_world world;
        Pawl__Dapr__StartRequest start = PAWL__DAPR__START_REQUEST__INIT;
        Pawl__Dapr__RaiseRequest raise = PAWL__DAPR__RAISE_REQUEST__INIT;
        Pawl__Dapr__InstanceRequest instance = PAWL__DAPR__INSTANCE_REQUEST__INIT;
        hub_world_init(&world, PAWL_DIALECT_DAPR);
        start.instance_id = raise.instance_id = instance.instance_id = hub_text("i");
        start.app_id = raise.app_id = instance.app_id = hub_text(apps[i]);
        start.name = hub_text("W");
        raise.event_name = hub_text("e");
        expect_app(&world, hub_world_call(&world, DAPR("StartWorkflowBeta1"), &start.base),
                   apps[i]);
        expect_app(&world, hub_world_call(&world, DAPR("RaiseEventWorkflowBeta1"), &raise.base),
                   apps[i]);
        for (size_t k = 0; k < CONTROLS; k++)
            expect_app(&world, hub_world_call(&world, controls[k], &instance.base), apps[i]);
        hub_world_deinit(&world);
    }
}

static void without_a_store_calls_fail_and_say_so(void **state)
{
    struct hub_world world;
    Pawl__Dapr__StartRequest start = PAWL__DAPR__START_REQUEST__INIT;
    Pawl__Dapr__InstanceRequest instance = PAWL__DAPR__INSTANCE_REQUEST__INIT;
    Pawl__CreateInstanceRequest create = PAWL__CREATE_INSTANCE_REQUEST__INIT;
    (void)state;
    hub_world_init(&world, PAWL_DIALECT_DAPR);
    world.store_away = true;
    start.instance_id = instance.instance_id = create.instance_id = hub_text("i");
    start.name = create.name = hub_text("W");
    const struct grpc_reply *replies[CONTROLS + 3];
    replies[0] = hub_world_call(&world, DAPR("StartWorkflowBeta1"), &start.base);
    replies[1] = hub_world_call(&world, "StartInstance", &create.base);
    replies[2] = hub_world_call(&world, "GetInstanceHistory", &instance.base);
    for (size_t i = 0; i < CONTROLS; i++)
        replies[3 + i] = hub_world_call(&world, controls[i], &instance.base);
    hub_world_pass(&world, 120000); /* however often it is tried again */
    for (size_t i = 0; i < CONTROLS + 3; i++) {
        assert_true(replies[i]->is_over);
        assert_int_not_equal(replies[i]->status, PAWL_GRPC_OK);
        assert_int_not_equal(replies[i]->status, PAWL_GRPC_NOT_FOUND); /* nobody knows that */
        assert_int_not_equal(replies[i]->message[0], 0);
    }
    world.store_away = false;
    hub_world_pass(&world, 60000);
    assert_int_equal(hub_world_call(&world, DAPR("StartWorkflowBeta1"), &start.base)->status,
                     PAWL_GRPC_OK);
    hub_world_deinit(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(daprs_calls_may_name_another_app),
        cmocka_unit_test(without_a_store_calls_fail_and_say_so),
    };
    return cmocka_run_group_tests_name("taskhub calls", tests, NULL, NULL);
}
