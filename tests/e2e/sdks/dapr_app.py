"""The test app on Dapr's workflow SDK for Python. See test_sdks.py for what it must do.

    dapr_app.py worker | client | start PREFIX COUNT | wait PREFIX COUNT
"""

import json
import sys
import threading
from datetime import timedelta

import dapr.ext.workflow as wf

LONG = 180
attempts = 0
runtime = wf.WorkflowRuntime()


@runtime.activity(name="plus")
def plus(_, number):
    return number + 1


@runtime.activity(name="boom")
def boom(_, __):
    raise ValueError("boom")


@runtime.activity(name="flaky")
def flaky(_, __):
    global attempts
    attempts += 1
    if attempts < 3:
        raise RuntimeError("not yet")
    return attempts


@runtime.activity(name="nothing")
def nothing(_, __=None):
    return None


@runtime.activity(name="square")
def square(_, number):
    return number * number


@runtime.workflow(name="abroad")
def abroad(ctx, app):
    """An activity and a child of another app."""
    number = yield ctx.call_activity("square", input=7, app_id=app)
    child = yield ctx.call_child_workflow("chain", input=3, app_id=app)
    return [number, child]


@runtime.workflow(name="chain")
def chain(ctx, steps):
    number = 0
    for _ in range(steps):
        number = yield ctx.call_activity(plus, input=number)
    return number


@runtime.workflow(name="fan_out")
def fan_out(ctx, count):
    results = yield wf.when_all([ctx.call_activity(plus, input=i) for i in range(count)])
    return sum(results)


@runtime.workflow(name="timer")
def timer(ctx, _):
    before = ctx.current_utc_datetime
    yield ctx.create_timer(timedelta(milliseconds=200))
    ctx.set_custom_status("slept")
    return ctx.current_utc_datetime - before >= timedelta(milliseconds=200)


@runtime.workflow(name="events")
def events(ctx, _):
    first = yield ctx.wait_for_external_event("a")
    second = yield ctx.wait_for_external_event("b")
    return [first, second]


@runtime.workflow(name="event_timeout")
def event_timeout(ctx, _):
    event = ctx.wait_for_external_event("never")
    winner = yield wf.when_any([event, ctx.create_timer(timedelta(milliseconds=100))])
    return "event" if winner == event else "timed out"


@runtime.workflow(name="child")
def child(ctx, number):
    number = yield ctx.call_activity(plus, input=number)
    return number * 10


@runtime.workflow(name="parent")
def parent(ctx, number):
    return (yield ctx.call_child_workflow(child, input=number))


@runtime.workflow(name="fail")
def fail(ctx, _):
    return (yield ctx.call_activity(boom, input=1))


@runtime.workflow(name="fail_child")
def fail_child(ctx, _):
    return (yield ctx.call_child_workflow(fail, input=1))


@runtime.workflow(name="retry")
def retry(ctx, _):
    policy = wf.RetryPolicy(first_retry_interval=timedelta(milliseconds=50),
                            max_number_of_attempts=5)
    return (yield ctx.call_activity(flaky, input=1, retry_policy=policy))


@runtime.workflow(name="again")
def again(ctx, number):
    yield ctx.create_timer(timedelta(milliseconds=5))
    if number < 5:
        ctx.continue_as_new(number + 1)
        return None
    return number


@runtime.versioned_workflow(name="versioned", version_name="1.0.0", is_latest=False)
def versioned_first(ctx, _):
    return "1.0.0"


@runtime.versioned_workflow(name="versioned", version_name="1.2.3", is_latest=True)
def versioned(ctx, _):
    yield ctx.call_activity(plus, input=1)
    return "1.2.3" if ctx.is_patched("a patch") else "not patched"


@runtime.workflow(name="empty")
def empty(ctx, given):
    result = yield ctx.call_activity(nothing)
    return [given, result]


def show(name, state):
    failure = state.failure_details
    print(json.dumps({
        "name": name,
        "status": state.runtime_status.name,
        "output": state.serialized_output,
        "custom": state.serialized_custom_status,
        "failure": failure.message if failure else None,
    }), flush=True)


def run_client(hub):
    for name, given in (("chain", 5), ("fan_out", 10), ("timer", None), ("event_timeout", None),
                        ("parent", 3), ("fail", None), ("fail_child", None), ("retry", None),
                        ("again", 0), ("empty", None), ("versioned", None)):
        instance = hub.schedule_new_workflow(name, input=given)
        show(name, hub.wait_for_workflow_completion(instance, timeout_in_seconds=LONG))

    instance = hub.schedule_new_workflow("events")
    hub.wait_for_workflow_start(instance, timeout_in_seconds=LONG)
    hub.raise_workflow_event(instance, "a", data=1)
    hub.pause_workflow(instance)
    show("suspended", hub.get_workflow_state(instance))
    hub.raise_workflow_event(instance, "b", data={"x": 2})
    hub.resume_workflow(instance)
    show("events", hub.wait_for_workflow_completion(instance, timeout_in_seconds=LONG))

    instance = hub.schedule_new_workflow("events")
    hub.terminate_workflow(instance, output="bye")
    show("terminated", hub.get_workflow_state(instance))
    hub.purge_workflow(instance)
    assert hub.get_workflow_state(instance) is None

    instance = hub.schedule_new_workflow("events", instance_id="twice")
    try:
        hub.schedule_new_workflow("events", instance_id="twice")
        raise AssertionError("one id was started twice")
    except Exception as error:  # which class it is differs from version to version
        assert "already exists" in str(error), error


def main():
    if sys.argv[1] == "worker":
        runtime.start()
        threading.Event().wait()
    hub = wf.DaprWorkflowClient()
    if sys.argv[1] == "client":
        run_client(hub)
    for number in range(int(sys.argv[3]) if len(sys.argv) > 3 else 0):
        instance = f"{sys.argv[2]}-{number}"
        if sys.argv[1] == "start":
            hub.schedule_new_workflow("chain", input=30, instance_id=instance)
        else:
            show("chain", hub.wait_for_workflow_completion(instance, timeout_in_seconds=LONG))


main()
