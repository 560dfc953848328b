"""The test app on Microsoft's durabletask for Python. See test_sdks.py for what it must do.

    durabletask_app.py worker | client | start PREFIX COUNT | wait PREFIX COUNT

With DURABLE_TASK_SCHEDULER_CONNECTION_STRING it uses the scheduler's package, to which apps
give the parts of that string. RECEIVE_MAX raises the worker's receive limit.
"""

import json
import os
import sys
import threading
from datetime import timedelta

from durabletask import client, grpc_options, task, worker

ADDRESS = f"127.0.0.1:{os.environ['SDK_PORT']}"
SCHEDULER = dict(part.split("=", 1) for part in os.environ.get(
    "DURABLE_TASK_SCHEDULER_CONNECTION_STRING", "").split(";") if part)
LONG = 180
attempts = child_attempts = 0


def plus(_, number):
    return number + 1


def boom(_, __):
    raise ValueError("boom")


def flaky(_, __):
    global attempts
    attempts += 1
    if attempts < 3:
        raise RuntimeError("not yet")
    return attempts


def nothing(_, __):
    return None


def fat(_, size):
    return "x" * size


def connect(plain, scheduled, **options):
    """A worker or a client."""
    if not SCHEDULER:
        return plain(host_address=ADDRESS, **options)
    import durabletask.azuremanaged.client
    import durabletask.azuremanaged.worker

    assert SCHEDULER["Authentication"] == "None"
    package = getattr(durabletask.azuremanaged, "worker" if "Worker" in scheduled else "client")
    return getattr(package, scheduled)(host_address=SCHEDULER["Endpoint"],
                                       taskhub=SCHEDULER["TaskHub"], token_credential=None,
                                       **options)


def chain(ctx, steps):
    number = 0
    for _ in range(steps):
        number = yield ctx.call_activity(plus, input=number)
    return number


def fan_out(ctx, count):
    results = yield task.when_all([ctx.call_activity(plus, input=i) for i in range(count)])
    return sum(results)


def timer(ctx, _):
    before = ctx.current_utc_datetime
    yield ctx.create_timer(timedelta(milliseconds=200))
    ctx.set_custom_status("slept")
    return ctx.current_utc_datetime - before >= timedelta(milliseconds=200)


def events(ctx, _):
    first = yield ctx.wait_for_external_event("a")
    second = yield ctx.wait_for_external_event("b")
    return [first, second]


def event_timeout(ctx, _):
    event = ctx.wait_for_external_event("never")
    winner = yield task.when_any([event, ctx.create_timer(timedelta(milliseconds=100))])
    return "event" if winner == event else "timed out"


def child(ctx, number):
    number = yield ctx.call_activity(plus, input=number)
    return number * 10


def parent(ctx, number):
    return (yield ctx.call_sub_orchestrator(child, input=number))


def fail(ctx, _):
    return (yield ctx.call_activity(boom, input=1))


def fail_child(ctx, _):
    return (yield ctx.call_sub_orchestrator(fail, input=1))


def retry(ctx, _):
    policy = task.RetryPolicy(first_retry_interval=timedelta(milliseconds=50),
                              max_number_of_attempts=5)
    return (yield ctx.call_activity(flaky, input=1, retry_policy=policy))


def flaky_child(ctx, number):
    global child_attempts
    if not ctx.is_replaying:
        child_attempts += 1
    number = yield ctx.call_activity(plus, input=number)
    if child_attempts < 3:
        raise RuntimeError("not yet")
    return number


def retry_child(ctx, _):
    policy = task.RetryPolicy(first_retry_interval=timedelta(milliseconds=50),
                              max_number_of_attempts=5)
    return (yield ctx.call_sub_orchestrator(flaky_child, input=2, retry_policy=policy))


def versioned(ctx, _):
    return ctx.version


def large(ctx, steps):
    """A past of `steps` times 900 KB."""
    for _ in range(steps):
        yield ctx.call_activity(fat, input=900_000)
    return steps


def again(ctx, number):
    yield ctx.create_timer(timedelta(milliseconds=5))
    if number < 5:
        ctx.continue_as_new(number + 1)
        return None
    return number


def empty(ctx, given):
    result = yield ctx.call_activity(nothing)
    return [given, result]


WORKFLOWS = (chain, fan_out, timer, events, event_timeout, child, parent, fail, fail_child, retry,
             flaky_child, retry_child, versioned, large, again, empty)


def run_worker():
    limit = int(os.environ.get("RECEIVE_MAX", 0)) or None
    options = grpc_options.GrpcChannelOptions(max_receive_message_length=limit)
    with connect(worker.TaskHubGrpcWorker, "DurableTaskSchedulerWorker",
                 channel_options=options) as hub:
        for workflow in WORKFLOWS:
            hub.add_orchestrator(workflow)
        for activity in (plus, boom, flaky, nothing, fat):
            hub.add_activity(activity)
        hub.start()
        threading.Event().wait()


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
    def simple(name, given=None, version=None):
        instance = hub.schedule_new_orchestration(name, input=given, version=version)
        show(name, hub.wait_for_orchestration_completion(instance, timeout=LONG))
        return instance

    for name, given in (("chain", 5), ("fan_out", 10), ("timer", None), ("event_timeout", None),
                        ("parent", 3), ("fail", None), ("fail_child", None), ("retry", None),
                        ("retry_child", None), ("again", 0), ("empty", None)):
        last = simple(name, given)
    simple("versioned", version="1.2.3")

    instance = hub.schedule_new_orchestration("events")
    hub.wait_for_orchestration_start(instance, timeout=LONG)
    hub.raise_orchestration_event(instance, "a", data=1)
    hub.suspend_orchestration(instance)
    show("suspended", hub.get_orchestration_state(instance))
    hub.raise_orchestration_event(instance, "b", data={"x": 2})
    hub.resume_orchestration(instance)
    show("events", hub.wait_for_orchestration_completion(instance, timeout=LONG))

    instance = hub.schedule_new_orchestration("events")
    hub.wait_for_orchestration_start(instance, timeout=LONG)
    hub.terminate_orchestration(instance, output="bye")
    show("terminated", hub.wait_for_orchestration_completion(instance, timeout=LONG))
    assert hub.purge_orchestration(instance).deleted_instance_count == 1
    assert hub.get_orchestration_state(instance) is None
    assert hub.purge_orchestration(instance).deleted_instance_count == 0

    states = hub.get_all_orchestration_states()
    assert len(states) >= 11, len(states)
    assert {"chain", "fan_out"} <= {state.name for state in states}
    kinds = [type(event).__name__ for event in hub.get_orchestration_history(last)]
    assert kinds[:3] == ["OrchestratorStartedEvent", "ExecutionStartedEvent",
                         "TaskScheduledEvent"], kinds
    try:
        hub.raise_orchestration_event("no-such-instance", "a")
        raise AssertionError("an event for nobody was taken")
    except client.grpc.RpcError as error:
        assert error.code() == client.grpc.StatusCode.NOT_FOUND, error
    show("again started", hub.get_orchestration_state(restart(hub, last)))


def restart(hub, instance):
    new = hub.restart_orchestration(instance, restart_with_new_instance_id=True)
    hub.wait_for_orchestration_completion(new, timeout=LONG)
    return new


def main():
    if sys.argv[1] == "worker":
        run_worker()
    hub = connect(client.TaskHubGrpcClient, "DurableTaskSchedulerClient")
    if sys.argv[1] == "client":
        run_client(hub)
    for number in range(int(sys.argv[3]) if len(sys.argv) > 3 else 0):
        instance = f"{sys.argv[2]}-{number}"
        if sys.argv[1] == "start":
            hub.schedule_new_orchestration("chain", input=30, instance_id=instance)
        else:
            show("chain", hub.wait_for_orchestration_completion(instance, timeout=LONG))


main()
