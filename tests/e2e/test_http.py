#!/usr/bin/env python3
"""What the HTTP API promises, with the real sidecar, store and app behind it.

    test_http.py sqlite|redis
"""

import base64
import datetime
import functools
import json
import subprocess
import unittest

from checks import check_history, read_runs, scenario, store_kind, test_app
from harness import ApiError, output_of, until

STORE = store_kind() if __name__ == "__main__" else "sqlite"


def with_app(body):
    """A scenario beside a fresh store, sidecar and app."""

    @functools.wraps(body)
    def test(self):
        self.store = getattr(self.h, STORE)()
        self.sidecar = self.h.sidecar("http", self.store)
        self.api = self.sidecar.api
        self.app = test_app(self.h, self.sidecar)
        body(self)

    return scenario(test)


def text_of(state):
    return output_of(state, json_=False)


def kinds(events):
    return [event["kind"] for event in events]


class Http(unittest.TestCase):
    def expect_error(self, expected_status, code, call, *args, **options):
        with self.assertRaises(ApiError) as caught:
            call(*args, **options)
        error = caught.exception
        self.assertEqual((error.status, error.code), (expected_status, code), error.message)
        return error.message

    def status(self, instance):
        return self.api.get(instance)["runtimeStatus"]

    def wait_for_wait(self, instance):
        """Until the workflow's code has come to its first wait."""
        self.api.wait(instance, for_="started")
        return instance


class Lifecycle(Http):
    @with_app
    def test_a_workflow_runs_from_start_to_output(self):
        instance = self.api.start("chain", "3", instance="c/1 ü")
        self.assertEqual(instance, "c/1 ü")
        state = self.api.wait(instance)
        self.assertEqual((state["runtimeStatus"], text_of(state)), ("COMPLETED", "3"))
        self.assertEqual(state["properties"]["dapr.workflow.input"], "3")
        times = [state[key] for key in ("createdAt", "startedAt", "completedAt")]
        self.assertEqual(times, sorted(times))
        events = self.api.history(instance)
        check_history(instance, events)
        self.assertEqual(state["historyCount"], len(events))
        self.assertEqual(kinds(events).count("TaskScheduled"), 3)
        self.assertNotIn("dapr.workflow.input", self.api.get(instance, payloads=False)["properties"])

    @with_app
    def test_suspended_means_suspended_when_answered(self):
        instance = self.wait_for_wait(self.api.start("held"))
        self.api.suspend(instance, "lunch")
        self.assertEqual(self.status(instance), "SUSPENDED")
        self.api.suspend(instance)  # twice is no error
        self.api.raise_event(instance, "go", "while suspended")
        reached, state = self.api.wait_once(instance, 0.3)
        self.assertFalse(reached)
        self.assertEqual(state["runtimeStatus"], "SUSPENDED")
        self.sidecar.restart()
        self.assertEqual(self.status(instance), "SUSPENDED")
        self.api.resume(instance, "lunch is over")
        state = self.api.wait(instance)
        self.assertEqual((state["runtimeStatus"], text_of(state)), ("COMPLETED", "while suspended"))
        events = self.api.history(instance)
        reasons = [(e["kind"], e.get("reason")) for e in events if "reason" in e]
        self.assertEqual(reasons, [("ExecutionSuspended", "lunch"),
                                   ("ExecutionResumed", "lunch is over")])

    @with_app
    def test_a_suspended_workflow_takes_no_step_though_its_activity_ends(self):
        instance = self.api.start("waiting", "a", instance="slow")
        until(lambda: instance in read_runs(self.h), what="the activity running")
        self.api.suspend(instance)
        (self.h.folder / "gate-a").touch()
        self.assertFalse(self.api.wait_once(instance, 0.3)[0])
        self.assertEqual(self.status(instance), "SUSPENDED")
        self.api.resume(instance)
        self.assertEqual(self.api.wait(instance)["runtimeStatus"], "COMPLETED")
        self.assertEqual(len(read_runs(self.h)[instance]), 1)

    @with_app
    def test_controls_of_an_ended_or_unknown_instance_are_refused(self):
        self.api.wait(self.api.start("echo", "x", instance="done"))
        for call, code in ((self.api.suspend, "PAUSE"), (self.api.resume, "RESUME"),
                           (self.api.terminate, "TERMINATE")):
            self.expect_error(409, f"ERR_{code}_WORKFLOW", call, "done")
            self.expect_error(404, "ERR_INSTANCE_ID_NOT_FOUND", call, "nobody")
        self.expect_error(409, "ERR_RAISE_EVENT_WORKFLOW", self.api.raise_event, "done", "go")
        for call in (self.api.get, self.api.history, self.api.purge, self.api.wait,
                     self.api.rerun):
            message = self.expect_error(404, "ERR_INSTANCE_ID_NOT_FOUND", call, "nobody")
            self.assertIn("nobody", message)
        held = self.wait_for_wait(self.api.start("held"))
        self.expect_error(409, "ERR_RESUME_WORKFLOW", self.api.resume, held)

    @with_app
    def test_terminate_takes_the_children_along_or_leaves_them(self):
        for instance, recursive in (("all", True), ("alone", False)):
            self.api.start("parent", "3", instance=instance)
            children = [f"{instance}-{n}" for n in (1, 2, 3)]
            for child in children:
                until(lambda c=child: any(s["instanceID"] == c for s in self.api.list(prefix=c)),
                      what=f"{child} created")
                self.wait_for_wait(child)
            self.api.terminate(instance, "enough", recursive=recursive)
            state = self.api.wait(instance)
            self.assertEqual((state["runtimeStatus"], text_of(state)), ("TERMINATED", "enough"))
            for child in children:
                if recursive:
                    self.assertEqual(self.api.wait(child)["runtimeStatus"], "TERMINATED")
                else:
                    self.api.raise_event(child, "go", "1")
                    self.assertEqual(self.api.wait(child)["runtimeStatus"], "COMPLETED")

    @with_app
    def test_a_terminated_workflow_ignores_its_late_activity(self):
        self.api.start("waiting", "b", instance="late")
        until(lambda: "late" in read_runs(self.h), what="the activity running")
        self.api.terminate("late")
        self.assertEqual(self.api.wait("late")["runtimeStatus"], "TERMINATED")
        before = self.api.history("late")
        (self.h.folder / "gate-b").touch()
        self.assertEqual(self.app.stop(), 0)  # it has handed in the late result
        self.assertEqual(self.api.history("late"), before)

    @with_app
    def test_purge_is_refused_while_running_and_removes_everything_after(self):
        self.api.start("parent", "2", instance="p")
        for child in ("p-1", "p-2"):
            until(lambda c=child: self.api.list(prefix=c), what=f"{child} created")
        self.expect_error(409, "ERR_PURGE_WORKFLOW", self.api.purge, "p")
        self.assertEqual(self.status("p"), "RUNNING")
        for child in ("p-1", "p-2"):
            self.api.raise_event(child, "go", "1")
        self.api.wait("p")
        self.api.purge("p")
        self.assertEqual(self.api.list(), [])
        self.expect_error(404, "ERR_INSTANCE_ID_NOT_FOUND", self.api.get, "p-1")
        self.api.start("echo", "new", instance="p")
        self.assertEqual(text_of(self.api.wait("p")), "new")

    @with_app
    def test_purge_can_be_forced_and_can_spare_the_children(self):
        self.api.start("parent", "1", instance="q")
        until(lambda: self.api.list(prefix="q-1"), what="the child created")
        self.wait_for_wait("q-1")
        self.api.purge("q", force=True, recursive=False)
        self.assertEqual([s["instanceID"] for s in self.api.list()], ["q-1"])
        self.api.raise_event("q-1", "go", "1")
        self.assertEqual(self.api.wait("q-1")["runtimeStatus"], "COMPLETED")

    @with_app
    def test_nothing_of_a_purged_instance_is_left_in_the_store(self):
        for number in range(5):
            self.api.start("collect_again", "2:", instance=f"g{number}")
            for event in ("a", "b"):
                self.api.raise_event(f"g{number}", "item", event)
            self.api.wait(f"g{number}")
        self.assertEqual(self.app.stop(), 0)
        self.assertNotEqual(self.rows_of_instances(), 0)
        for number in range(5):
            self.api.purge(f"g{number}")
        self.assertEqual(self.rows_of_instances(), 0)

    def rows_of_instances(self):
        if STORE == "redis":
            lists = ("||instances", "||reminders", "||outbox")
            return sum(b"||g" in key or key.decode().endswith(lists) for key in self.store.keys())
        return sum(self.store.count(table) for table in ("instance", "payload", "history", "inbox",
                                                         "pending", "seen", "reminder", "outbox"))


class Starting(Http):
    @with_app
    def test_an_id_in_use_is_refused_and_an_ended_one_is_replaced(self):
        self.wait_for_wait(self.api.start("held", instance="x"))
        message = self.expect_error(409, "ERR_START_WORKFLOW", self.api.start, "echo", "1", "x")
        self.assertIn("x", message)
        self.assertEqual(self.api.start("echo", "1", "x", reuse="return"), "x")
        self.assertEqual(self.api.get("x")["workflowName"], "held")
        self.api.terminate("x")
        self.api.wait("x")
        self.expect_error(409, "ERR_START_WORKFLOW", self.api.start, "echo", "1", "x",
                          reuse="refuse")
        self.api.start("echo", "again", "x")
        self.assertEqual(text_of(self.api.wait("x")), "again")

    @with_app
    def test_the_same_idempotency_key_starts_and_raises_once(self):
        for _ in range(3):
            self.assertEqual(self.api.start("collect", "3", "k", request_id="s1"), "k")
        for key, item in (("e1", "a"), ("e1", "a"), ("e2", "b"), ("e1", "a"), ("e3", "c")):
            self.api.raise_event("k", "item", item, request_id=key)
        self.assertEqual(text_of(self.api.wait("k")), "a,b,c")
        self.sidecar.restart()
        self.assertEqual(self.api.start("collect", "3", "k", request_id="s1"), "k")
        self.assertEqual(self.status("k"), "COMPLETED")
        self.assertEqual(kinds(self.api.history("k")).count("EventRaised"), 3)

    @with_app
    def test_the_key_alone_identifies_a_start_without_an_id(self):
        first = self.api.start("echo", "1", request_id="only-once")
        second = self.api.start("echo", "1", request_id="only-once")
        self.assertEqual(first, second)
        self.assertEqual(len(self.api.list()), 1)

    @with_app
    def test_a_start_in_the_future_waits_over_a_restart(self):
        def start_in(seconds, instance):
            at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
            self.api.start("echo", "later", instance,
                           start_time=at.isoformat().replace("+00:00", "Z"))
            return at

        start_in(3600, "far")
        at = start_in(3, "near")
        self.assertEqual(self.status("far"), "PENDING")
        reached, state = self.api.wait_once("far", 0.2, for_="started")
        self.assertEqual((reached, state["runtimeStatus"]), (False, "PENDING"))
        self.sidecar.restart()
        self.assertEqual(self.status("far"), "PENDING")
        state = self.api.wait("near")
        self.assertEqual(text_of(state), "later")
        self.assertGreaterEqual(state["startedAt"], at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3])
        self.assertEqual(self.status("far"), "PENDING")

    @with_app
    def test_an_unknown_workflow_fails_and_says_so(self):
        state = self.api.wait(self.api.start("no such workflow", "1"))
        self.assertEqual(state["runtimeStatus"], "FAILED")
        failure = state["properties"]
        self.assertEqual(failure["dapr.workflow.failure.error_type"], "WorkflowNotRegistered")
        self.assertIn("no such workflow", failure["dapr.workflow.failure.error_message"])

    @with_app
    def test_a_rerun_takes_the_old_input_or_another(self):
        self.api.wait(self.api.start("chain", "2", "old"))
        again = self.api.rerun("old")
        self.assertNotEqual(again, "old")
        self.assertEqual(text_of(self.api.wait(again)), "2")
        self.assertEqual(self.api.rerun("old", "new", "4"), "new")
        self.assertEqual(text_of(self.api.wait("new")), "4")
        self.expect_error(409, "ERR_RERUN_WORKFLOW", self.api.rerun, "old", "new")
        held = self.wait_for_wait(self.api.start("held"))
        self.expect_error(409, "ERR_RERUN_WORKFLOW", self.api.rerun, held)

    @with_app
    def test_a_workflow_whose_app_is_away_waits_for_it(self):
        self.assertEqual(self.app.stop(), 0)
        self.api.start("chain", "2", "w")
        reached, state = self.api.wait_once("w", 0.2, for_="started")
        self.assertEqual((reached, state["runtimeStatus"]), (False, "PENDING"))
        self.app.start()
        self.assertEqual(text_of(self.api.wait("w")), "2")


class Reading(Http):
    @with_app
    def test_the_list_can_be_filtered_and_paged(self):
        ends = {f"echo-{n}": "COMPLETED" for n in range(7)}
        ends.update({f"fail-{n}": "FAILED" for n in range(4)})
        for instance in ends:
            self.api.start(instance[:4].replace("fail", "failing"), "1", instance)
            self.api.wait(instance)
        self.wait_for_wait(self.api.start("held", instance="held-0"))
        ends["held-0"] = "RUNNING"

        def ids(**filters):
            return [s["instanceID"] for s in self.api.list(**filters)]

        everything = ids()
        self.assertEqual(set(everything), set(ends))
        created = [s["createdAt"] for s in self.api.list()]
        self.assertEqual(created, sorted(created, reverse=True))
        for limit in (1, 2, 5, 12, 1000):
            self.assertEqual(ids(limit=limit), everything, limit)
        page = self.api.list_page(limit=5)
        self.assertEqual(len(page["workflows"]), 5)
        self.assertIn("cursor", page)
        for filters, expected in (
                ({"status": "FAILED"}, {i for i in ends if i.startswith("fail")}),
                ({"status": "RUNNING,FAILED"}, {i for i in ends if not i.startswith("echo")}),
                ({"name": "echo"}, {i for i in ends if i.startswith("echo")}),
                ({"prefix": "echo-1"}, {"echo-1"}),
                ({"prefix": "zzz"}, set()),
                ({"name": "echo", "status": "FAILED"}, set())):
            self.assertEqual(set(ids(**filters)), expected, filters)
            self.assertEqual(set(ids(limit=2, **filters)), expected, filters)
        middle = created[5]
        self.assertEqual(len(ids(createdFrom=middle)) + len(ids(createdTo=middle)), len(ends))
        for bad in ({"status": "DANCING"}, {"limit": 0}, {"limit": 1001}, {"cursor": "xyz"},
                    {"colour": "red"}, {"createdTo": "yesterday"}):
            with self.subTest(bad):
                self.expect_error(400, "ERR_MALFORMED_REQUEST", self.api.list_page, **bad)

    @with_app
    def test_wait_tells_started_completed_and_time_up(self):
        instance = self.api.start("held", instance="h")
        state = self.api.wait(instance, for_="started")
        self.assertEqual(state["runtimeStatus"], "RUNNING")
        self.assertEqual(state["properties"]["dapr.workflow.custom_status"], "waiting for go")
        reached, state = self.api.wait_once(instance, 0.2)
        self.assertEqual((reached, state["runtimeStatus"]), (False, "RUNNING"))
        self.api.raise_event(instance, "GO", "the case of a name does not matter")
        self.assertEqual(self.api.wait(instance)["runtimeStatus"], "COMPLETED")
        for query in ({"timeout": "2h"}, {"timeout": "5"}, {"for": "christmas"}):
            status, _, text = self.api.raw("GET", "/v1.0/workflows/dapr/h/wait", query)
            self.assertEqual(status, 400, text)

    @with_app
    def test_failures_are_shown_with_all_they_say(self):
        failed = self.api.wait(self.api.start("failing", instance="f"))["properties"]
        self.assertEqual(failed["dapr.workflow.failure.error_type"], "Outer")
        self.assertEqual(failed["dapr.workflow.failure.error_message"], "it went wrong")
        self.assertEqual(failed["dapr.workflow.failure.stack_trace"], "line 1\nline 2")
        failure = self.api.history("f")[-1]["failure"]
        self.assertTrue(failure["isNonRetriable"])
        self.assertEqual(failure["innerFailure"]["errorType"], "Inner")

        state = self.api.wait(self.api.start("refused", "1234", instance="r"))
        self.assertEqual(state["runtimeStatus"], "FAILED")
        self.assertIn("CardDeclined", json.dumps(state))
        self.assertIn("no money on the card 1234", json.dumps(state))
        failed = [e for e in self.api.history("r") if e["kind"] == "TaskFailed"]
        self.assertEqual(failed[0]["failure"]["errorType"], "CardDeclined")

    @with_app
    def test_payloads_of_any_bytes_come_back(self):
        for instance, payload in (("empty", b""), ("zero", b"\x00"), ("bytes", bytes(range(256))),
                                  ("text", "žluťoučký \U0001f40e".encode()),
                                  ("big", b"\xfe" * (4 << 20))):
            self.api.start("echo", payload, instance)
            properties = self.api.wait(instance)["properties"]
            if payload == b"":
                self.assertNotIn("dapr.workflow.output", properties)
            elif instance == "text":
                self.assertEqual(properties["dapr.workflow.output"].encode(), payload)
            elif instance != "zero":
                self.assertEqual(base64.b64decode(properties["dapr.workflow.outputBase64"]), payload)
            else:
                self.assertEqual(properties["dapr.workflow.output"], "\x00")

    @with_app
    def test_metadata_metrics_and_health_tell_what_runs(self):
        self.assertTrue(self.api.is_healthy())
        self.api.wait(self.api.start("chain", "2"))
        text = json.dumps(self.api.metadata())
        for word in ("chain", "add_one", "http"):
            self.assertIn(word, text)
        metrics = self.api.metrics()
        self.assertTrue(any("turns" in key and value >= 3 for key, value in metrics.items()), metrics)


class Versions(Http):
    @with_app
    def test_a_version_that_is_gone_stalls_visibly_and_goes_on_when_it_is_back(self):
        self.api.start("versioned", "x", "old")
        until(lambda: self.status("old") == "RUNNING", what="begun")
        self.assertEqual(self.api.history("old")[0]["version"], "1")
        self.assertEqual(self.app.stop(), 0)
        test_app(self.h, self.sidecar, "--code", "2", name="newer")
        self.api.start("versioned", "x", "new")
        self.api.raise_event("new", "go")
        self.assertEqual(text_of(self.api.wait("new")), "2")

        self.api.raise_event("old", "go")
        until(lambda: self.status("old") == "STALLED", what="STALLED")
        stalled, = self.api.list(status="STALLED")
        self.assertEqual(stalled["instanceID"], "old")
        self.assertEqual(stalled["properties"]["dapr.workflow.failure.error_type"],
                         "VersionNotAvailable")
        done = subprocess.run(
            [self.h.build / "cli/pawl", "workflow", "dead-letters", "--address",
             f"http://127.0.0.1:{self.sidecar.http_port}"],
            capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        for word in ("old", "versioned", "VersionNotAvailable", "'1'"):
            self.assertIn(word, done.stdout)
        self.app.start()
        self.assertEqual(text_of(self.api.wait("old")), "1")
        self.assertEqual(self.api.list(status="STALLED"), [])


class Determinism(Http):
    @with_app
    def test_changed_code_stalls_the_workflow_until_it_is_mended(self):
        self.api.start("drift", "5", "d")
        until(lambda: "TaskCompleted" in kinds(self.api.history("d")), what="the first activity")
        self.assertEqual(self.app.stop(), 0)
        changed = test_app(self.h, self.sidecar, "--code", "2", name="changed")
        self.api.raise_event("d", "go")
        until(lambda: self.status("d") == "STALLED", what="STALLED")
        event = self.api.history("d")[-1]
        self.assertEqual(event["kind"], "ExecutionStalled")
        scheduled = next(e for e in self.api.history("d") if e["kind"] == "TaskScheduled")
        message = event["reason"]
        for word in ("add_one", "square", str(scheduled["index"])):
            self.assertIn(word, message)
        self.assertIn(message, json.dumps(self.api.get("d")))

        # Resumed too early, it stalls again and nothing is spoilt.
        self.api.resume("d")
        until(lambda: kinds(self.api.history("d")).count("ExecutionStalled") == 2, what="again")
        self.assertEqual(changed.stop(), 0)
        self.app.start()  # it goes on by itself
        state = self.api.wait("d")
        self.assertEqual((state["runtimeStatus"], text_of(state)), ("COMPLETED", "7"))
        self.assertNotIn("dapr.workflow.failure.error_type", state["properties"])

    @with_app
    def test_replay_without_a_cache_gives_the_same(self):
        self.assertEqual(self.app.stop(), 0)
        test_app(self.h, self.sidecar, "--no-cache", name="forgetful")
        expected = {"chain": "20", "fan": "285", "family": "6", "mixed": "9", "ticks": "3",
                    "stubborn": "1"}
        sizes = {"chain": 20, "fan": 9, "family": 3, "mixed": 2, "ticks": 3, "stubborn": 1}
        for name, size in sizes.items():
            self.api.start(name, str(size), name)
        for name, output in expected.items():
            self.assertEqual(text_of(self.api.wait(name)), output, name)
            check_history(name, self.api.history(name))


if __name__ == "__main__":
    unittest.main()
