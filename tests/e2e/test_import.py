#!/usr/bin/env python3
"""Import: an instance that was exported comes in again, at the same sidecar or at another one
with another store; and what cannot come in is refused and changes nothing."""

import json
import os
import subprocess
import unittest

from checks import (check_history, executions_in, read_runs, scenario, store_kind, test_app,
                    wait_connected)
from harness import ApiError, output_of, until

STORE = store_kind()
OK, FAILED, USAGE, NOT_FOUND, CONFLICT = range(5)

# What an import may not change of an instance that has ended.
KEPT = ("workflowName", "version", "runtimeStatus", "createdAt", "startedAt", "lastUpdatedAt",
        "completedAt", "historyCount", "tags", "properties", "parentInstanceID")


class Import(unittest.TestCase):
    def begin(self):
        self.sidecar = self.h.sidecar("import", self.new_store("first"), "pawld-1")
        self.app = test_app(self.h, self.sidecar)
        self.api = self.sidecar.api

    def new_store(self, name):
        return self.h.redis(name) if STORE == "redis" else self.h.sqlite(f"{name}.db")

    def other_sidecar(self):
        """Another one, on another store, and an app that is connected to it."""
        other = self.h.sidecar("import", self.new_store("second"), "pawld-2")
        app = test_app(self.h, other, name="app-2")
        wait_connected(app, other)
        return other

    def pawl(self, sidecar, *arguments, code=OK):
        base = {k: v for k, v in os.environ.items() if not k.startswith("PAWL_")}
        done = subprocess.run([self.h.build / "cli/pawl", "workflow", *arguments, "-a",
                               f"http://127.0.0.1:{sidecar.http_port}"], text=True, timeout=120,
                              capture_output=True, check=False, cwd=self.h.folder, env=base)
        self.assertEqual(done.returncode, code, f"{arguments}: {done.stdout}{done.stderr}")
        self.said = done.stderr
        return done.stdout

    def export(self, instance):
        """To a file; its name."""
        name = f"{instance}.json"
        (self.h.folder / name).write_text(self.pawl(self.sidecar, "history", instance, "--export"))
        return name

    def start_parent(self):
        """It waits for its child "parent-1", which is held."""
        self.api.start("parent", 1, instance="parent")
        until(lambda: "parent-1" in self.instances(), what="the child")
        self.api.wait("parent-1", for_="started")

    def instances(self):
        return {state["instanceID"] for state in self.api.list()}

    @scenario
    def test_what_has_ended_comes_in_as_it_was(self):
        self.begin()
        self.api.start("chain", 3, instance="chain", tags=["team=blue", "x=y"])
        self.api.start("failing", "x", instance="failing")
        self.api.start("held", "x", instance="held")
        self.api.wait("held", for_="started")
        self.api.terminate("held", "enough")
        self.start_parent()
        self.api.raise_event("parent-1", "go", "gone")
        for instance in ("chain", "failing", "held", "parent", "parent-1"):
            self.api.wait(instance)
            file = self.export(instance)
            before, events = self.api.get(instance), self.api.history(instance)
            said = self.pawl(self.sidecar, "import", file, "--instance-id", f"{instance}/copy")
            self.assertEqual(said, f"{instance}/copy is imported\n")
            after = self.api.wait(f"{instance}/copy")
            for key in KEPT:
                self.assertEqual(after.get(key), before.get(key), key)
            copied = self.api.history(f"{instance}/copy")
            if instance != "parent":  # whose child has another id now
                self.assertEqual(copied, events)
            check_history(instance, copied)
            self.api.purge(instance, recursive=False)
            self.pawl(self.sidecar, "import", file)  # under its own id
            self.assertEqual(self.api.wait(instance)["completedAt"], before["completedAt"])
            self.assertEqual(self.api.history(instance), events)
        self.assertEqual({s["instanceID"] for s in self.api.list(tag="team=blue")},
                         {"chain", "chain/copy"})
        self.assertEqual(output_of(self.api.wait(self.api.rerun("chain/copy"))), 3)
        self.assertEqual(output_of(self.api.wait(self.api.rerun("chain/copy", event=1))), 3)
        self.api.purge("chain/copy")
        self.assertNotIn("chain/copy", self.instances())

    @scenario
    def test_what_waits_goes_on_at_another_sidecar(self):
        self.begin()
        self.api.start("held", "x", instance="held")
        self.api.start("waiting", "x", instance="waiting")
        self.api.wait("held", for_="started")
        until(lambda: "waiting" in read_runs(self.h), what="the activity to begin")
        self.api.suspend("held", "it moves")
        self.api.raise_event("held", "go", "came before the move")
        files = [self.export(instance) for instance in ("held", "waiting")]
        asked = executions_in(self.api.history("waiting"))
        self.app.kill()  # the activity waits for its gate
        self.sidecar.stop()

        other = self.other_sidecar()
        for file in files:
            self.pawl(other, "import", file)
        state = other.api.get("held")
        until(lambda: other.api.get("held")["runtimeStatus"] == "SUSPENDED", what="held to rest")
        self.assertEqual(other.api.get("held")["properties"]["dapr.workflow.custom_status"],
                         "waiting for go")
        self.assertEqual(other.api.get("held")["createdAt"], state["createdAt"])
        other.api.resume("held", "it is there")
        self.assertEqual(output_of(other.api.wait("held"), json_=False), "came before the move")
        (self.h.folder / "gate-x").touch()
        other.api.wait("waiting")
        for instance in ("held", "waiting"):
            check_history(instance, other.api.history(instance))
        self.assertEqual({run.replace("-", "") for run in read_runs(self.h)["waiting"]}, asked)

    @scenario
    def test_what_cannot_come_in_is_refused_and_changes_nothing(self):
        self.begin()
        self.api.start("chain", 3, instance="chain")
        self.start_parent()
        self.api.wait("chain")
        chain, parent = self.export("chain"), self.export("parent")
        text = (self.h.folder / chain).read_text()
        there = self.instances()

        def refused(change, said, code=FAILED):
            export = json.loads(text)
            change(export)
            (self.h.folder / "bad.json").write_text(json.dumps(export))
            self.pawl(self.sidecar, "import", "bad.json", "-i", "new", code=code)
            self.assertIn(said, self.said)

        self.pawl(self.sidecar, "import", chain, code=CONFLICT)
        self.assertIn("already exists", self.said)
        self.pawl(self.sidecar, "import", parent, "-i", "new", code=CONFLICT)
        self.assertRegex(self.said, r"event \d+ \(ChildWorkflowCreated\): child workflow 'parent-1'")
        refused(lambda e: e["events"].pop(), "events of its history")
        refused(lambda e: (e["events"].pop(), e.update(total=e["total"] - 1)),
                "but its last event")
        refused(lambda e: e["events"].pop(3), "event 3: \"index\" is not its place", USAGE)
        refused(lambda e: e["events"][3].update(kind="Nonsense"), "event 3: \"kind\"", USAGE)
        refused(lambda e: e.update(runtimeStatus="RUNNING"), "is said to be RUNNING")
        refused(lambda e: e.update(workflowName="other"), "is of workflow 'chain'")
        refused(lambda e: e.update(events=[], total=0), "the history is empty", CONFLICT)
        refused(lambda e: e.update(tags={"": "x"}), "\"tags\"", USAGE)
        refused(lambda e: e.update(workflowName="pawl.Schedule"), "a schedule cannot be imported")
        (self.h.folder / "bad.json").write_text(text[:len(text) // 2])
        self.pawl(self.sidecar, "import", "bad.json", code=USAGE)
        self.assertIn("it is not JSON", self.said)
        with (self.h.folder / "bad.json").open("w") as file:
            file.truncate((16 << 20) + 1)
        self.pawl(self.sidecar, "import", "bad.json", code=USAGE)
        self.assertIn("larger than 16777216 bytes", self.said)
        self.pawl(self.sidecar, "import", "nowhere.json", code=USAGE)
        self.assertEqual(self.instances(), there)

    @scenario
    def test_over_http_it_happens_once(self):
        self.begin()
        self.api.start("chain", 1, instance="chain")
        self.api.wait("chain")
        text = (self.h.folder / self.export("chain")).read_text()
        path = "/v1.0/workflows/dapr/copy/import"
        for key, status in (("one", 202), ("one", 202), ("two", 409)):
            got, _, body = self.api.raw("POST", path, None, text.encode(),
                                        {"Idempotency-Key": key})
            self.assertEqual(got, status, body)
        self.assertEqual(self.api.wait("copy")["historyCount"],
                         self.api.get("chain")["historyCount"])
        for body, said in ((b"", "nothing to import"), (b"[", "it is not JSON"),
                           (b'{"instanceID": 1}', "is not a text"),
                           (b"[" + b"[],[]," * 1000000 + b"7]", "more values than any history")):
            got, _, answer = self.api.raw("POST", path, None, body)
            self.assertEqual(got, 400, answer)
            self.assertIn(said, json.loads(answer)["message"])
        got, _, answer = self.api.raw("POST", path, None, b" " * ((16 << 20) + 1))
        self.assertEqual(got, 413, answer)
        with self.assertRaises(ApiError) as no_other:
            self.api.call("POST", "/v1.0/workflows/dapr/copy/import", {"instanceID": "x"})
        self.assertEqual(no_other.exception.status, 400)


if __name__ == "__main__":
    unittest.main()
