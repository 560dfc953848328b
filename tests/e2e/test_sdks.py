#!/usr/bin/env python3
"""Apps written with the workflow SDKs of Dapr and of Microsoft, unchanged, on the sidecar.

    test_sdks.py NAME        one of sdk_packages.SDKS

Each app (sdks/) is one program:

    worker               serve the workflows and activities below until it is killed
    client               run every pattern, and print a JSON line for each that ended:
                         {"name", "status", "output", "custom", "failure"}
    start PREFIX COUNT   start `chain` with 30 steps under the ids PREFIX-0, PREFIX-1, …
    wait PREFIX COUNT    wait for those, and print a line for each
"""

import json
import pathlib
import re
import sys
import unittest

import sdk_packages
from checks import check_history, scenario
from cluster import Cluster
from harness import ApiError, free_port, output_of, until

NAME = sys.argv.pop(1) if __name__ == "__main__" else "durabletask-python"
COMMAND, VARIABLES = sdk_packages.program(NAME)
IS_DAPR = NAME.startswith("dapr")
LONG = 120  # what waits for a program of an SDK: it may take long to start, and dials again late
REUSES_IDS = NAME in ("durabletask-python", "scheduler-python")
CHAINS = 20

# name -> status, output (decoded), custom status, part of the failure. What an SDK has not
# is not in its app, and then not in its answers.
EXPECTED = {
    "chain": ("COMPLETED", 5, None, None),
    "fan_out": ("COMPLETED", 55, None, None),
    "timer": ("COMPLETED", True, "slept", None),
    "event_timeout": ("COMPLETED", "timed out", None, None),
    "parent": ("COMPLETED", 40, None, None),
    "fail": ("FAILED", None, None, "boom"),
    "fail_child": ("FAILED", None, None, "boom"),
    "retry": ("COMPLETED", 3, None, None),
    "retry_child": ("COMPLETED", 3, None, None),
    "versioned": ("COMPLETED", "1.2.3", None, None),
    "again": ("COMPLETED", 5, None, None),
    "empty": ("COMPLETED", [None, None], None, None),
    "suspended": ("SUSPENDED", None, None, None),
    "events": ("COMPLETED", [1, {"x": 2}], None, None),
    "terminated": ("TERMINATED", "bye", None, None),
    "again started": ("COMPLETED", [None, None], None, None),
}
ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs/COMPATIBILITY.md"
EXAMPLE = ROOT / "sdk/examples/cross_app.py"
HAS_CUSTOM_STATUS = NAME != "dapr-go-1.11"
READS_CUSTOM_STATUS = HAS_CUSTOM_STATUS and NAME != "dapr-java"


def documented():
    """The patterns that docs/COMPATIBILITY.md says are run with this SDK."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")]
            for line in DOCS.read_text().splitlines() if line.startswith("| ")]
    head = next(row for row in rows if row[0] == "pattern")
    column = head.index(f"`{NAME}`")
    patterns = [row for row in rows if row[1:2] and re.fullmatch("`[a-z_ ]+`", row[1])]
    assert {row[1].strip("`") for row in patterns} == set(EXPECTED), patterns
    return {row[1].strip("`") for row in patterns if row[column] == "yes"}


class Sdk(unittest.TestCase):
    def open(self, store=None, options=(), name="pawld"):
        self.sidecar = self.h.sidecar("sdk", store or self.h.sqlite(), name, options=[
            f"--grpc-port={free_port()}", f"--durabletask-port={free_port()}", *options])
        ports = self.sidecar.ready
        self.env = {"DAPR_GRPC_PORT": str(ports["grpc"]), "DAPR_HTTP_PORT": str(ports["http"]),
                    "SDK_PORT": str(ports["grpc" if IS_DAPR else "durabletask"]), **VARIABLES}
        if NAME.startswith("scheduler"):
            self.env["DURABLE_TASK_SCHEDULER_CONNECTION_STRING"] = (
                f"Endpoint=http://localhost:{ports['durabletask']};TaskHub=sdk;Authentication=None")

    def worker(self, name="worker", **variables):
        worker = self.h.process([*COMMAND, "worker"], name, {**self.env, **variables})

        def is_connected():
            worker.fail_if_dead()
            return len(self.sidecar.api.metadata()["workflows"]["workers"]) > 0

        until(is_connected, LONG, f"{name} connected")
        return worker

    def client(self, *args):
        """Run it to its end; what it printed, by name or in order."""
        client = self.h.process([*COMMAND, *args], f"client-{args[0]}", self.env)
        self.assertEqual(client.wait(400), 0, client.log())
        lines = [json.loads(line) for line in client.log().splitlines() if line.startswith("{")
                 and '"status"' in line]
        for line in lines:
            line["status"] = line["status"].removeprefix("ORCHESTRATION_STATUS_")
        return lines

    def check(self, line):
        status, output, custom, failure = EXPECTED[line["name"]]
        self.assertEqual(line["status"], status, line)
        self.assertEqual(line["output"] and json.loads(line["output"]), output, line)
        if custom and READS_CUSTOM_STATUS:
            self.assertIn(custom, line["custom"], line)
        else:
            self.assertFalse(line["custom"], line)
        if failure and "-go" not in NAME:  # their clients do not read failures
            self.assertIn(failure, line["failure"], line)
        elif not failure:
            self.assertFalse(line["failure"], line)

    @scenario
    def test_every_pattern(self):
        self.open()
        self.worker()
        lines = self.client("client")
        for line in lines:
            self.check(line)
        self.assertEqual(documented(), {line["name"] for line in lines})
        # The same instances, seen by everybody else.
        states = self.sidecar.api.list()
        self.assertGreaterEqual(len(states), len(lines) - 2)
        for state in states:
            if state["workflowName"] == "fail":
                failed = self.sidecar.api.get(state["instanceID"])["properties"]
                self.assertIn("boom", failed["dapr.workflow.failure.error_message"])
            if state["workflowName"] == "timer" and HAS_CUSTOM_STATUS:
                timer = self.sidecar.api.get(state["instanceID"])["properties"]
                self.assertIn("slept", timer["dapr.workflow.custom_status"])
            if state["workflowName"] in ("retry", "retry_child") and REUSES_IDS:
                continue  # it schedules what failed again under the same id
            check_history(state["instanceID"], self.sidecar.api.history(state["instanceID"]))
        self.assertEqual(self.sidecar.stop(), 0)

    def chains_begin(self):
        """They are started over HTTP: whoever starts an instance, it is the same engine."""
        self.open()
        worker = self.worker()
        for number in range(CHAINS):
            self.sidecar.api.start("chain", 30, instance=f"chain-{number}")
        return worker

    def some_run(self, events):
        """Wait until the last chain has so many events."""
        last = f"chain-{CHAINS - 1}"

        def has_so_many():
            try:
                return len(self.sidecar.api.history(last)) >= events
            except ApiError as error:
                if error.status != 503:  # its owner may be away
                    raise
                return False

        until(has_so_many, LONG, f"{events} events of {last}")

    def chains_end(self):
        lines = self.client("wait", "chain", CHAINS)
        self.assertEqual(len(lines), CHAINS)
        for i, line in enumerate(lines):
            self.assertEqual((line["status"], line["output"]), ("COMPLETED", "30"), line)
            check_history(f"chain-{i}", self.sidecar.api.history(f"chain-{i}"))

    @scenario
    def test_a_killed_sidecar_loses_nothing(self):
        worker = self.chains_begin()
        for events in (5, 20, 40):
            self.some_run(events)
            self.sidecar.kill()
            self.sidecar.start()
            # The first gives up when its first stream breaks, the others wait longer each time.
            if NAME == "dapr-js" or "-go" in NAME:
                worker.kill()
                worker = self.h.process([*COMMAND, "worker"], f"worker-{events}", self.env)
        self.chains_end()

    @scenario
    def test_a_worker_comes_back_to_a_sidecar_that_was_restarted(self):
        self.open()
        self.worker()
        self.assertEqual(self.sidecar.stop(), 0)
        self.sidecar.start()
        self.sidecar.api.start("chain", 3, instance="after")
        state = self.sidecar.api.wait("after", LONG)
        self.assertEqual(state["properties"]["dapr.workflow.output"], "3")

    @scenario
    def test_a_killed_worker_loses_nothing(self):
        worker = self.chains_begin()
        for events in (5, 20, 40):
            self.some_run(events)
            worker.kill()
            worker = self.h.process([*COMMAND, "worker"], f"worker-{events}", self.env)
        self.chains_end()

    @scenario
    def test_a_workflow_waits_for_its_worker(self):
        self.open()
        instance = self.sidecar.api.start("chain", 3)
        worker = self.worker()
        state = self.sidecar.api.wait(instance, LONG)
        self.assertEqual(state["runtimeStatus"], "COMPLETED")
        self.assertEqual(state["properties"]["dapr.workflow.output"], "3")
        worker.kill()
        until(lambda: not self.sidecar.api.metadata()["workflows"]["workers"], LONG, "it is gone")

    @unittest.skipUnless(NAME == "durabletask-python", "one SDK whose limit can be set is enough")
    @scenario
    def test_a_turn_that_is_too_large_stalls_until_its_worker_may_have_it(self):
        self.open()
        worker = self.worker()
        self.sidecar.api.start("large", 8, instance="large")

        def stalls(cause):
            state = self.sidecar.api.get("large")
            text = str(state)
            return text if state["runtimeStatus"] == "STALLED" and cause in text else None

        text = until(lambda: stalls("PayloadTooLarge"), LONG, "the instance is stalled")
        self.assertIn("--work-item-size", text)
        self.client("wait", "nothing", 0)  # others are not disturbed
        worker.kill()
        self.assertEqual(self.sidecar.stop(), 0)

        # The sidecar may send more, and its worker does not take it: that is seen, too.
        self.sidecar.options = [*self.sidecar.options, "--work-item-size=16", "--turn-attempts=2"]
        self.sidecar.start()
        worker = self.worker("too-small")
        self.sidecar.wait_for_log("the receive limit of its gRPC client is lower", LONG)
        until(lambda: stalls("WorkerLost"), LONG, "it is stalled because of its worker")
        worker.kill()

        self.worker("large-enough", RECEIVE_MAX=str(16 << 20))
        self.sidecar.api.resume("large")
        self.assertEqual(output_of(self.sidecar.api.wait("large", LONG)), 8)

    @unittest.skipUnless(NAME == "dapr-python", "one SDK that names other apps is enough")
    @scenario
    def test_apps_in_c_and_of_an_sdk_call_each_other(self):
        bank = Cluster(self.h, 1, "bank")
        self.open(bank.store, bank.options())
        self.worker()
        here, there = self.sidecar.api, bank.pairs[0].api
        here.start("abroad", '"bank"', "out")
        self.assertEqual(output_of(here.wait("out", LONG)), [49, 3])
        there.start("remote_fan", "sdk 4", "in")
        self.assertEqual(output_of(there.wait("in", LONG)), 1 + 4 + 9 + 16)
        there.start("remote_child", "sdk chain 5", "child")
        self.assertEqual(output_of(there.wait("child", LONG)), 5)
        for api, instance in ((here, "out"), (there, "in"), (there, "child"), (here, "child-1")):
            check_history(instance, api.history(instance))

    @unittest.skipUnless(NAME == "dapr-python", "its worker holds histories")
    @scenario
    def test_workers_that_hold_histories_at_several_sidecars(self):
        placement, store = self.h.placement(), self.h.redis()
        options = [f"--placement={placement.address}", "--peer-listen=127.0.0.1:0"]
        sidecars, workers = [], []
        for number in range(2):
            self.open(store, options, name=f"sidecar-{number}")
            sidecars.append(self.sidecar)
            workers.append(self.worker(f"worker-{number}"))
        for number in range(CHAINS):
            sidecars[number % 2].api.start("chain", 30, instance=f"chain-{number}")
        for lost, events in ((0, 20), (1, 60)):  # what one had goes to the other, and back
            self.sidecar = sidecars[1 - lost]
            self.some_run(events)
            sidecars[lost].kill()
            workers[lost].kill()
            self.some_run(events + 20)
            sidecars[lost].start()
            workers[lost].start()
        self.sidecar = sidecars[0]
        self.chains_end()

    @unittest.skipUnless(NAME == "dapr-python", "the example is written with it")
    @scenario
    def test_the_example_of_two_apps(self):
        shop = Cluster(self.h, 1, "shop", program=self.h.build / "sdk/examples/example_cross_app")
        pricing = self.h.sidecar("pricing", shop.store, options=["--grpc-port=0", *shop.options()])
        port = str(pricing.ready["grpc"])
        there, here = shop.pairs[0].api, pricing.api
        there.start("checkout", '"apple"', "early")  # before the other app has come
        self.h.process([COMMAND[0], EXAMPLE], "pricing-app", {"DAPR_GRPC_PORT": port, **VARIABLES})
        self.assertEqual(output_of(there.wait("early", LONG)), {"item": "apple", "price": 50})
        here.start("restock", '"pear"', "restock")
        self.assertEqual(output_of(here.wait("restock", LONG)), "pear")
        demo = self.h.app([self.h.build / "sdk/examples/example_cross_app", "--demo"],
                          shop.pairs[0].sidecar, "demo")
        self.assertEqual(demo.wait(LONG), 0, demo.log())


if __name__ == "__main__":
    unittest.main()
