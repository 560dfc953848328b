"""What the end-to-end tests share beyond the harness: the test app, and what must be true
of any history and of the file "ran.log" that the app's activities write."""

import functools
import sys

from harness import Harness, until

SCHEDULED = {"TaskScheduled": "task", "TimerCreated": "timer", "ChildWorkflowCreated": "child"}
RESOLVED = {"TaskCompleted": "task", "TaskFailed": "task", "TimerFired": "timer",
            "TimerCancelled": "timer", "ChildWorkflowCompleted": "child",
            "ChildWorkflowFailed": "child"}


def store_kind():
    """The store that the command line of a test script names: sqlite or redis."""
    if len(sys.argv) < 2 or sys.argv[1] not in ("sqlite", "redis"):
        sys.exit(f"usage: {sys.argv[0]} sqlite|redis")
    return sys.argv.pop(1)


def scenario(body):
    """Run a test in a harness of its own, as self.h; show all logs when it fails."""

    @functools.wraps(body)
    def test(self):
        with Harness() as harness:
            self.h = harness
            body(self)

    return test


def test_app(harness, sidecar, *options, name="app", program="e2e_app"):
    """The app e2e_app.c, or another one of this folder, connected."""
    app = harness.app([harness.build / "tests/e2e" / program, *options], sidecar, name)
    wait_connected(app, sidecar)
    return app


def wait_connected(app, sidecar):
    """Until the worker of this process is known to the sidecar; its name ends with its pid."""

    def is_connected():
        app.fail_if_dead()
        workers = sidecar.api.metadata()["workflows"]["workers"]
        return any(worker["name"].endswith(f":{app.pid}") for worker in workers)

    until(is_connected, what=f"{app.name} connected")


def check_quick(measure, seconds, attempts=5):
    """What `measure` measures, in seconds, takes no longer than that in one of so many attempts:
    a machine that stands still for a moment must not look like a product that is slow.

    It catches what has become slow always, not what is slow now and then. For that there are, in
    virtual time, the unit tests of the engine and the simulator's bound on when all must have ended; and,
    over many of them and with the slowest shown, recoveries in tests/chaos (docs/CHAOS.md) and pauses
    in tests/bench/cluster.py (docs/BENCHMARK.md)."""
    took = []
    while not took or (min(took) >= seconds and len(took) < attempts):
        took.append(measure())
    assert min(took) < seconds, f"it took {took} s, and not once less than {seconds:g} s"


def check_history(instance, events):
    """Nothing twice, nothing out of nowhere, nothing out of order."""
    scheduled, resolved = {}, set()

    def expect(condition, what, event):
        assert condition, f"{instance}: {what}: {event}\nin {events}"

    for index, event in enumerate(events):
        kind = event["kind"]
        expect(event["index"] == index, f"index {event['index']} at place {index}", event)
        if kind == "ExecutionStarted":
            expect("start" not in scheduled, "started twice", event)
            scheduled["start"] = "start"
        if kind in SCHEDULED:
            id_ = event["eventId"]
            expect(id_ not in scheduled, "scheduled twice", event)
            scheduled[id_] = SCHEDULED[kind]
        if kind in RESOLVED:
            id_ = event["scheduledId"]
            expect(scheduled.get(id_) == RESOLVED[kind], "answers nothing", event)
            expect(id_ not in resolved, "answered twice", event)
            resolved.add(id_)
        if kind == "ExecutionCompleted":
            expect(index == len(events) - 1, "not the last", event)
    ids = [event["eventId"] for event in events if event["kind"] in SCHEDULED]
    assert ids == sorted(ids), f"{instance}: scheduled out of order: {ids}"
    assert "start" in scheduled, f"{instance}: no ExecutionStarted in {events}"


def executions_in(events):
    """Execution ids of the activities that a history has scheduled."""
    return {event["taskExecutionId"].replace("-", "") for event in events
            if event["kind"] == "TaskScheduled"}


def read_runs(harness):
    """{instance: [execution id, …]} of what the app's activities have written."""
    runs = {}
    for line in whole_lines(harness.folder / "ran.log"):
        _, instance, execution, *_ = line.split(" ")
        runs.setdefault(instance, []).append(execution)
    return runs


def whole_lines(path):
    """Those of a file that others write to, without one that is half written."""
    text = path.read_text() if path.exists() else ""
    return text[:text.rfind("\n") + 1].splitlines()
