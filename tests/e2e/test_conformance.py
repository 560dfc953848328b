#!/usr/bin/env python3
"""What docs/CONFORMANCE.md promises, on one sidecar: many small cases beside one store and one
app, conformance_app.c, whose workflow "steps" does what its input spells out.

    test_conformance.py sqlite|redis
    test_conformance.py redis two       # on two sidecars, each with an app; every call goes to the
                                        # other one than the call before it
"""

import concurrent.futures
import datetime
import functools
import json
import pathlib
import sys
import time
import unittest

import wire
from checks import (check_history, check_quick, read_runs, store_kind, test_app, wait_connected,
                    whole_lines)
from cluster import Cluster
from harness import PATIENCE, ApiError, Harness, output_of, until
from wire import ACTIVITY, TURN, Worker

IS_PAIR = sys.argv[-1:] == ["two"]
if IS_PAIR:
    del sys.argv[-1]
STORE = store_kind() if __name__ == "__main__" else "sqlite"
ALONE = unittest.skipIf(IS_PAIR, "it is about one sidecar and its worker")
PAYLOAD_MAX = 4 << 20
IN_USE = "WorkflowInstanceAlreadyExists"
KEPT_ON_REDIS = unittest.skipUnless(STORE == "redis", "a SQLite file has no process of its own")


def told(body):
    """Show the logs when a test fails: all tests of a class share one harness."""

    @functools.wraps(body)
    def test(self):
        try:
            body(self)
        except unittest.SkipTest:
            raise
        except Exception as error:
            self.h.print_report(error)
            raise

    return test


def kinds(events):
    return [event["kind"] for event in events]


def moment(state, key):
    return datetime.datetime.fromisoformat(state[key][:26] + "+00:00")


class Rows:
    """What an instance has in the store."""

    def __init__(self, store):
        self.store = store

    def reminders(self, instance):
        """The kinds of its wake-ups: t is a timer, w the instance itself, a an activity."""
        if STORE == "redis":
            members = [member for key in self.store.keys("*||reminders")
                       for member in self.store.command("ZRANGE", key, 0, -1)]
        else:
            members = [row[0] for row in self.store.query("SELECT member FROM reminder")]
        parts = [bytes(member).split(b"|") for member in members]
        return sorted(part[0].decode() for part in parts if part[1] == instance.encode())

    def timers(self, instance):
        return self.reminders(instance).count("t")

    def messages(self):
        """So many that are not delivered yet."""
        if STORE == "redis":
            return sum(self.store.command("HLEN", key) for key in self.store.keys("*||outbox"))
        return self.store.count("outbox")

    def count(self, instance):
        """Rows or keys of this id."""
        if STORE == "redis":
            return len(self.store.keys(f"*||{instance}||*"))
        rows = self.store.query("SELECT n FROM instance WHERE id = ?", (instance.encode(),))
        return sum(1 + self.store.query(
            "SELECT (SELECT count(*) FROM history WHERE n = ?1) + "
            "(SELECT count(*) FROM payload WHERE n = ?1) + "
            "(SELECT count(*) FROM inbox WHERE n = ?1) + "
            "(SELECT count(*) FROM pending WHERE n = ?1)", (n,))[0][0] for (n,) in rows)


class Pair(Cluster):
    """Two sidecars whose instances leave memory as soon as they rest."""

    def options(self):
        return [*super().options(), "--instance-idle=100ms"]


class Both:
    """The apps of both as if they were one."""

    def __init__(self, pairs):
        self.pairs = pairs

    def stop(self):
        return max(pair.app.stop() for pair in self.pairs)

    def start(self):
        for pair in self.pairs:
            pair.app.start()
            wait_connected(pair.app, pair.sidecar)


class Cases(unittest.TestCase):
    """One sidecar whose instances leave memory as soon as they rest, and one app; or two."""

    sidecar_env = None

    @classmethod
    def setUpClass(cls):
        cls.h = cls.enterClassContext(Harness())
        cls.store = getattr(cls.h, STORE)()
        cls.rows = Rows(cls.store)
        if IS_PAIR:
            cluster = Pair(cls.h, 2, store=cls.store, program="conformance_app")
            cls.sidecar, cls.api = cluster.pairs[0].sidecar, cluster.client()
            cls.app = Both(cluster.pairs)
            return
        cls.sidecar = cls.h.sidecar("shop", cls.store, options=["--instance-idle=100ms"],
                                    env=cls.sidecar_env)
        cls.api = cls.sidecar.api
        cls.app = test_app(cls.h, cls.sidecar, program="conformance_app")

    def connected(self):
        if not IS_PAIR:
            wait_connected(self.app, self.sidecar)

    def start(self, steps, instance=None, **options):
        return self.api.start("steps", f"|{steps}", instance, **options)

    def end(self, instance):
        """The output of an instance that completes."""
        state = self.api.wait(instance)
        self.assertEqual(state["runtimeStatus"], "COMPLETED", state)
        check_history(instance, self.api.history(instance))
        return output_of(state, json_=False)

    def run_steps(self, steps, instance=None, **options):
        return self.end(self.start(steps, instance, **options))

    def status(self, instance):
        return self.api.get(instance)["runtimeStatus"]

    def gate(self, name):
        (self.h.folder / f"gate-{name}").touch()

    def ran(self, instance):
        """Inputs of the activities of this instance, as often as they ran."""
        words = [line.split(" ") for line in whole_lines(self.h.folder / "ran.log")]
        return [word[3] for word in words if word[1] == instance]

    def wait_for_runs(self, instance, count):
        until(lambda: len(self.ran(instance)) >= count, what=f"{count} activities of {instance}")

    def wait_for_event(self, instance, kind, count=1):
        until(lambda: kinds(self.api.history(instance)).count(kind) >= count,
              what=f"{count} {kind} of {instance}")

    def wait_begun(self, instance):
        """One that somebody else starts: a child is there a moment after its parent's turn."""
        until(lambda: instance in [state["instanceID"] for state in self.api.list(prefix=instance)],
              what=f"{instance} is there")
        self.api.wait(instance, for_="started")

    def refused(self, status, call, *args, **options):
        with self.assertRaises(ApiError) as caught:
            call(*args, **options)
        self.assertEqual(caught.exception.status, status, caught.exception)
        return caught.exception.message


class Running(Cases):
    @told
    def test_a_state_shows_what_is_known_and_no_more(self):
        state = self.api.wait(self.start("s:half a:echo:1 v", "plain"))
        self.assertNotIn("version", state)
        self.assertEqual(state["properties"], {
            "dapr.workflow.input": "|s:half a:echo:1 v", "dapr.workflow.output": "1,",
            "dapr.workflow.custom_status": "half"})
        self.assertLessEqual(moment(state, "createdAt"), moment(state, "startedAt"))
        self.assertEqual(self.api.get("plain", payloads=False)["properties"],
                         {"dapr.workflow.custom_status": "half"})
        self.assertEqual(self.run_steps("v", "versioned", version="v1"), "v1")
        self.assertEqual(self.api.get("versioned")["version"], "v1")

        state = self.api.wait(self.start("a:echo:1 !:Sunk", "sunk"))
        self.assertEqual(state["runtimeStatus"], "FAILED")
        properties = state["properties"]
        self.assertEqual(properties["dapr.workflow.failure.error_type"], "Sunk")
        self.assertEqual(properties["dapr.workflow.failure.error_message"], "it was told to")
        self.assertNotIn("dapr.workflow.output", properties)

    @told
    def test_an_agent_loses_no_event_while_its_tool_runs(self):
        rounds = " ".join(f"e:go:600000 a:tool:{n}" for n in range(8))
        agents = [self.start(rounds, f"agent-{n}") for n in range(3)]
        for agent in agents:
            self.api.raise_event(agent, "go", "first")
        expected = ["first"] + [str(n // 2) for n in range(15)]
        for agent in agents:
            self.assertEqual(self.end(agent).split(","), expected)
            self.assertEqual(self.ran(agent), [str(n) for n in range(8)])

    @told
    def test_a_tree_of_fan_outs_runs_every_activity(self):
        leaves = "+".join(f"a:echo:{n}" for n in range(3))
        branches = "+".join(f"c=tree-{n}:{{{leaves}+a:echo:branch}}" for n in range(3))
        self.assertEqual(self.run_steps(f"{branches}+a:echo:root", "tree"),
                         ",".join(["0,1,2,branch"] * 3 + ["root"]))
        self.assertEqual(self.ran("tree"), ["root"])
        for n in range(3):
            self.assertEqual(sorted(self.ran(f"tree-{n}")), ["0", "1", "2", "branch"])

    @told
    def test_activities_that_nobody_waits_for_run(self):
        calls = "+".join(f"~a:echo:{n}" for n in range(30))
        self.start(f"{calls} e:end", "unheeded")
        self.wait_for_runs("unheeded", 30)
        self.api.raise_event("unheeded", "end", "over")
        self.assertEqual(self.end("unheeded"), "over")
        self.assertEqual(sorted(self.ran("unheeded"), key=int), [str(n) for n in range(30)])

    @told
    def test_activities_are_under_way_at_the_same_time(self):
        self.start("+".join(["a:gated:together"] * 10), "parallel")
        self.wait_for_runs("parallel", 10)  # none has ended
        self.assertEqual(kinds(self.api.history("parallel")).count("TaskCompleted"), 0)
        self.gate("together")
        self.assertEqual(self.end("parallel"), ",".join(["together"] * 10))

    @told
    def test_results_up_to_the_limit_come_back_and_larger_ones_fail(self):
        self.assertEqual(len(self.run_steps(f"a:big:{PAYLOAD_MAX}", "fits")), PAYLOAD_MAX)
        self.assertEqual(self.run_steps(f"?a:big:{PAYLOAD_MAX + 1} a:echo:on", "bursts"),
                         "TOO_LARGE,on")

    @told
    def test_ids_may_hold_any_characters(self):
        ids = ["a\u00a6b@c", "x::0", "x.1.0", "{x}||y", "%25 +", "\u017e", "h|1||history-000000"]
        self.start("c:{e:go}", "x")  # its child is x.1.0 itself
        self.wait_begun("x.1.0")
        for id_ in ids:
            if id_ == "x.1.0":
                continue
            self.assertEqual(self.start("a:echo:1 e:go t:10 c:{a:echo:2}", id_), id_)
        for id_ in ids:
            self.api.raise_event(id_, "go", "now")
            self.assertEqual(self.end(id_), "now" if id_ == "x.1.0" else "1,now,t,2")
            listed = [state["instanceID"] for state in self.api.list(prefix=id_)]
            self.assertIn(id_, listed)
        self.assertEqual(self.end("x"), "now")

    @told
    def test_a_start_in_the_past_is_now(self):
        state = self.api.wait(self.start("a:echo:1", "past", start_time="2001-01-01T00:00:00Z"))
        self.assertEqual(output_of(state), 1)
        self.assertGreater(moment(state, "startedAt").year, 2001)

    @told
    def test_of_many_starts_of_one_id_one_wins(self):
        def start(number):
            try:
                return self.start(f"a:echo:{number} e:go", "wanted")
            except ApiError as error:
                return error

        for _ in range(3):
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(start, range(8)))
            self.assertEqual(answers.count("wanted"), 1, answers)
            for error in answers:
                if error != "wanted":
                    self.assertEqual((error.status, error.code), (409, "ERR_START_WORKFLOW"))
                    self.assertIn("wanted", error.message)
            winner = answers.index("wanted")
            self.api.raise_event("wanted", "go", "now")
            self.assertEqual(self.end("wanted"), f"{winner},now")

    @told
    def test_histories_have_exactly_these_events(self):
        began = ["WorkflowStarted", "ExecutionStarted"]
        step = ["TaskScheduled", "WorkflowStarted", "TaskCompleted"]
        child = ["ChildWorkflowCreated", "WorkflowStarted", "ChildWorkflowCompleted"]
        for steps, events in (("", []), ("a:echo:1 a:echo:2 a:echo:3", step * 3),
                              ("c:{}", child)):
            instance = self.start(steps)
            self.end(instance)
            history = self.api.history(instance)
            self.assertEqual(kinds(history), began + events + ["ExecutionCompleted"], steps)
            self.assertEqual([event["index"] for event in history], list(range(len(history))))
        self.assertEqual(history[2]["instanceID"], f"{instance}.1.0")
        self.assertEqual(kinds(self.api.history(f"{instance}.1.0")),
                         began + ["ExecutionCompleted"])

    @told
    def test_tries_of_children_and_activities_keep_apart(self):
        # Each fails once; the next try of a child is another instance, whose activity may
        # fail once more, so that it is allowed two tries.
        self.assertEqual(self.run_steps("a*3:flaky:x+a*3:flaky:y+a*3:flaky:x", "tries"), "x,y,x")
        scheduled = [event for event in self.api.history("tries")
                     if event["kind"] == "TaskScheduled"]
        by_execution = {}
        for event in scheduled:
            by_execution.setdefault(event["taskExecutionId"], []).append(event["input"])
        self.assertEqual(sorted(by_execution.values()), [["x", "x"], ["x", "x"], ["y", "y"]])

        two = "c*2:{a*2:flaky:1}+c*2:{a*2:flaky:2}"
        self.assertEqual(self.run_steps(two, "distinct"), "1,2")
        self.assertEqual(self.run_steps("?c*3:{a:refuse:1}+?c*3:{a:refuse:1}", "all-fail"),
                         "Refused,Refused")
        self.assertEqual(self.run_steps("?c*2:{a:refuse:1}+c*2:{a:echo:1}", "one-fails"),
                         "Refused,1")
        self.assertEqual(self.run_steps("?c*2:{a:refuse:1} c*2:{a:echo:2}", "in-a-row"),
                         "Refused,2")
        for instance, tries in (("distinct", 2), ("all-fail", 6), ("one-fails", 3),
                                ("in-a-row", 3)):
            children = [event["instanceID"] for event in self.api.history(instance)
                        if event["kind"] == "ChildWorkflowCreated"]
            self.assertEqual(len(children), tries, instance)
            self.assertEqual(len(set(children)), tries, instance)
        self.assertEqual(self.run_steps("?a*:refuse:once", "default"), "Refused")
        self.assertEqual(self.ran("default"), ["once"])

    @told
    def test_a_child_whose_id_is_in_use_fails(self):
        self.start("e:go", "occupant")
        self.api.wait("occupant", for_="started")
        before = self.api.history("occupant")
        self.assertEqual(self.run_steps("?c=occupant:{a:echo:1} a:echo:on"), f"{IN_USE},on")
        many = "+".join(["c:{a:echo:1}", "?c=occupant:{a:echo:2}", "c:{a:echo:3}"])
        self.assertEqual(self.run_steps(many), f"1,{IN_USE},3")
        state = self.api.wait(self.start("c=occupant:{a:echo:1}"))
        self.assertEqual(state["runtimeStatus"], "FAILED")
        self.assertIn("occupant", json.dumps(state["properties"]))
        self.assertEqual(self.api.history("occupant"), before)
        patient = self.start("c*1000=occupant:{a:echo:mine}")  # until it is free
        self.wait_for_event(patient, "ChildWorkflowFailed", 2)
        self.api.raise_event("occupant", "go", "over")
        self.assertEqual(self.end(patient), "mine")


class Detached(Cases):
    """Workflows that others start and then forget."""

    def status(self, instance):
        """None while there is no such instance: its starter does not wait for it."""
        try:
            return super().status(instance)
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def appears(self, instance, status="RUNNING"):
        until(lambda: self.status(instance) == status, 60, f"{instance} {status}")

    @told
    def test_a_detached_workflow_is_started_once_and_nobody_waits_for_it(self):
        self.start("d=free:{e:go a:echo:1} a:echo:2 e:on a:echo:3", "caller")
        self.wait_for_event("caller", "TaskCompleted")
        self.assertEqual(self.app.stop(), 0)  # the next turn is a replay
        self.app.start()
        self.connected()
        self.api.raise_event("caller", "on", "now")
        self.assertEqual(self.end("caller"), "free,2,now,3")
        before = self.api.history("caller")
        self.assertEqual(kinds(before).count("DetachedWorkflowCreated"), 1)
        self.assertFalse([kind for kind in kinds(before) if kind.startswith("Child")])
        self.appears("free")
        self.api.raise_event("free", "go", "went")
        self.assertEqual(self.end("free"), "went,1")
        self.assertEqual(self.ran("free"), ["1"])
        self.assertNotIn("parentInstanceID", self.api.get("free"))
        started = [event for event in self.api.history("free")
                   if event["kind"] == "ExecutionStarted"]
        self.assertEqual(len(started), 1)
        self.assertNotIn("parent", started[0])
        self.assertEqual(self.api.history("caller"), before)

    @told
    def test_a_detached_workflow_without_an_id_gets_one_that_is_its_own(self):
        self.assertEqual(self.run_steps("d:{} d=own-id:{} d:{} n d:{}", "namer"),
                         "namer.1.0,own-id,namer.1.2,namer.2.0")
        for instance in ("namer.1.0", "own-id", "namer.1.2", "namer.2.0"):
            self.appears(instance, "COMPLETED")

    @told
    def test_a_detached_workflow_that_fails_concerns_nobody(self):
        self.assertEqual(self.run_steps("d=fails:{!:Sunk} t:50 a:echo:1", "unmoved"), "fails,t,1")
        self.appears("fails", "FAILED")
        self.assertEqual(self.status("unmoved"), "COMPLETED")

    @told
    def test_a_detached_workflow_may_start_later(self):
        self.assertEqual(self.run_steps("d=later:{a:echo:1}:1500 a:echo:2", "early"), "later,2")
        self.appears("later", "COMPLETED")
        self.assertEqual(self.end("later"), "1")
        started = next(event for event in self.api.history("later")
                       if event["kind"] == "ExecutionStarted")
        created = next(event for event in self.api.history("early")
                       if event["kind"] == "DetachedWorkflowCreated")
        self.assertEqual(started["startTime"], created["startTime"])
        self.assertGreaterEqual(moment(self.api.get("later"), "startedAt"),
                                moment(started, "startTime"))

    @told
    def test_a_detached_workflow_is_started_once_after_continue_as_new(self):
        self.assertEqual(self.run_steps("a:echo:1 n d=next:{a:echo:2} a:echo:3 n a:echo:4", "gone"),
                         "1,next,3,4")
        self.appears("next", "COMPLETED")
        self.assertEqual(self.ran("next"), ["2"])

    @told
    def test_terminate_and_purge_leave_a_detached_workflow_alone(self):
        self.start("d=spared:{e:go} c=taken:{e:go}", "fallen")
        self.appears("spared")
        self.appears("taken")
        self.api.terminate("fallen", "enough", recursive=True)
        self.assertEqual(self.api.wait("taken")["runtimeStatus"], "TERMINATED")
        self.assertEqual(self.status("spared"), "RUNNING")
        self.api.purge("fallen", recursive=True)
        self.refused(404, self.api.get, "fallen")
        self.refused(404, self.api.get, "taken")
        self.assertEqual(self.status("spared"), "RUNNING")
        self.api.raise_event("spared", "go", "on")
        self.assertEqual(self.end("spared"), "on")

    @told
    def test_a_detached_workflow_whose_id_is_in_use_is_dropped(self):
        self.start("e:go", "holder")
        self.api.wait("holder", for_="started")
        before = self.api.history("holder")
        self.assertEqual(self.run_steps("d=holder:{a:echo:1} a:echo:2"), "holder,2")
        until(lambda: self.rows.messages() == 0, what="the start has come")
        self.assertEqual(self.api.history("holder"), before)
        self.api.raise_event("holder", "go", "mine")
        self.assertEqual(self.end("holder"), "mine")
        # One that has ended is replaced, as by any start.
        self.assertEqual(self.run_steps("d=holder:{a:echo:1} a:echo:2"), "holder,2")
        until(lambda: self.ran("holder") == ["1"], 60, "the second one")
        self.assertEqual(self.end("holder"), "1")

    @told
    def test_nothing_runs_anew_from_the_start_of_a_detached_workflow(self):
        self.run_steps("a:echo:1 d=once:{a:echo:2} a:echo:3 a:echo:4", "past")
        self.appears("once", "COMPLETED")
        event = next(event["eventId"] for event in self.api.history("past")
                     if event["kind"] == "DetachedWorkflowCreated")
        self.assertIn("DetachedWorkflowCreated",
                      self.refused(400, self.api.rerun, "past", "past-again", None, event))
        self.assertEqual(self.end(self.api.rerun("past", "past-later", None, event + 2)),
                         "1,once,3,4")
        self.assertEqual(self.ran("once"), ["2"])


class ParentClose(Cases):
    @told
    def test_children_end_with_their_parent_or_outlive_it(self):
        for parent, end, status in (("completes", "", "COMPLETED"), ("fails", "!:Sunk", "FAILED"),
                                    ("goes-on", "n e:go", "RUNNING"), ("dies", "e:go", "TERMINATED")):
            ends, stays = f"{parent}-ends", f"{parent}-stays"
            self.start(f"~c.={ends}:{{c=below-{ends}:{{e:go}}}} ~c={stays}:{{e:go}} e:on {end}",
                       parent)
            for child in (f"below-{ends}", stays):
                self.wait_begun(child)
            history = [event for event in self.api.history(parent)
                       if event["kind"] == "ChildWorkflowCreated"]
            self.assertEqual([event.get("parentClosePolicy") for event in history],
                             ["TERMINATE", None])
            if parent == "dies":
                self.api.terminate(parent, "enough", recursive=False)
            else:
                self.api.raise_event(parent, "on")
            until(lambda: self.status(ends) == "TERMINATED", what=f"{ends} ends")
            self.assertEqual(self.status(parent), status)
            self.assertEqual(self.status(f"below-{ends}"), "RUNNING")  # as its own call says
            self.assertEqual(self.status(stays), "RUNNING")
            self.api.raise_event(stays, "go", "by itself")
            self.assertEqual(self.end(stays), "by itself")


class Generations(Cases):
    @told
    def test_each_generation_runs_its_activities_once(self):
        self.assertEqual(self.run_steps("a:echo:1 g n a:echo:2 a:echo:3 g n a:echo:4 g", "gens"),
                         "1,1,2,3,2,4,3")
        self.assertEqual(self.ran("gens"), ["1", "2", "3", "4"])

    @told
    def test_events_cross_generations_in_order(self):
        count = 50
        self.assertEqual(self.app.stop(), 0)  # so that all of them wait
        self.start(" ".join(["e:item", "n"] * count) + " e:other g", "crowd")
        self.start(" ".join(["e:item e:item", "n"] * 10) + " e:other", "pairs")
        self.api.raise_event("pairs", "OTHER", "last")
        for n in range(count):
            self.api.raise_event("crowd", "item", str(n))
            if n < 25:
                self.api.raise_event("pairs", "Item", str(n))
        self.api.raise_event("crowd", "other", "end")
        self.app.start()
        self.connected()
        self.assertEqual(self.end("crowd"), ",".join([*map(str, range(count)), "end", "51"]))
        self.assertEqual(self.end("pairs"), ",".join([*map(str, range(20)), "last"]))

        def shout(n):
            self.api.raise_event("loud", "item", str(n))

        self.start(" ".join(["e:item", "n", "a:echo:x"] * count), "loud")
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            list(pool.map(shout, range(count)))
        taken = [item for item in self.end("loud").split(",") if item != "x"]
        self.assertEqual(sorted(taken, key=int), [str(n) for n in range(count)])

    @told
    def test_edges_of_continue_as_new(self):
        self.assertEqual(self.run_steps("n " * 30 + "g"), "31")
        self.assertEqual(self.run_steps("?a:refuse:1 n ?a:refuse:2 n g"), "Refused,Refused,3")
        self.assertEqual(self.run_steps("t:20 n t:20 c:{a:echo:1} n c:{a:echo:2} g"),
                         "t,t,1,2,3")
        bare = self.start("a:echo:1 N")
        self.assertEqual(self.end(bare), "no input")
        self.assertEqual(self.api.get(bare)["generation"], 2)
        self.assertNotIn("dapr.workflow.input", self.api.get(bare)["properties"])

        both = self.start("s:first t:20 e:go n t:20 e:go", "both")
        self.api.raise_event(both, "go", "1")
        until(lambda: self.api.get(both)["generation"] == 2, 60, "its second generation")
        # It stays until there is another; SDKs of Dapr say with every turn that there is none.
        self.assertEqual(self.api.get(both)["properties"]["dapr.workflow.custom_status"], "first")
        self.api.raise_event(both, "go", "2")
        self.assertEqual(self.end(both), "t,1,t,2")

    @told
    def test_what_a_former_generation_left_running_answers_nothing(self):
        # In the next generation the same numbers belong to other calls.
        self.start("~c=strayed:{a:gated:stray} ~a:gated:stray t:1 n "
                   "c:{a:gated:own} a:gated:own2 e:go", "former")
        until(lambda: self.api.get("former")["generation"] == 2, 60, "its second generation")
        self.wait_for_runs("strayed", 1)
        self.wait_for_runs("former.2.0", 1)
        self.gate("stray")
        self.assertEqual(self.end("strayed"), "stray")
        self.gate("own")
        self.wait_for_event("former", "ChildWorkflowCompleted")
        self.gate("own2")
        self.api.raise_event("former", "go", "now")
        self.assertEqual(self.end("former"), "t,own,own2,now")

    @told
    def test_a_semaphore_made_of_workflows_keeps_its_bound(self):
        bound, count = 3, 12
        self.api.start("semaphore", f"{bound} {count} ", "semaphore")
        for n in range(count):
            self.api.start("bounded", "semaphore", f"bounded-{n}")
        for n in range(count):
            self.end(f"bounded-{n}")
        self.assertEqual(self.end("semaphore"), f"{bound} free")
        at_once = most = 0
        for line in (self.h.folder / "work.log").read_text().splitlines():
            at_once += 1 if line == "+" else -1
            most = max(most, at_once)
        self.assertEqual(at_once, 0)
        self.assertTrue(1 <= most <= bound, most)


class Events(Cases):
    @told
    def test_equal_events_are_two_events(self):
        self.start("e:go e:go e:end", "twice")
        for _ in range(2):
            self.api.raise_event("twice", "go", "same")
        for _ in range(2):
            self.api.raise_event("twice", "end", "once", request_id="once")
        self.assertEqual(self.end("twice"), "same,same,once")
        self.assertEqual(kinds(self.api.history("twice")).count("EventRaised"), 3)

    def timers_become(self, instance, count):
        until(lambda: self.rows.timers(instance) == count, what=f"{count} timers of {instance}")

    @told
    def test_waits_that_are_over_leave_no_timer(self):
        hour = 3600000
        self.start(f"e:a:{hour} a:echo:1 e:B:{hour} e:b:{hour} e:go", "one-by-one")
        for name in ("A", "b", "B"):
            self.timers_become("one-by-one", 1)
            self.api.raise_event("one-by-one", name, name)
        self.timers_become("one-by-one", 0)
        self.assertEqual(self.status("one-by-one"), "RUNNING")
        self.api.raise_event("one-by-one", "go", "on")
        self.assertEqual(self.end("one-by-one"), "A,1,b,B,on")

        self.start(f"e:a:{hour}+e:b:{hour}+e:c:{hour} e:go", "at-once")
        for left, name in ((3, "b"), (2, "a"), (1, "c")):
            self.timers_become("at-once", left)
            self.api.raise_event("at-once", name, name)
        self.timers_become("at-once", 0)
        self.api.raise_event("at-once", "go", "on")
        self.assertEqual(self.end("at-once"), "a,b,c,on")

        self.start(f"~t:{hour} e:a:{hour} e:go", "the-right-one")
        self.timers_become("the-right-one", 2)
        self.api.raise_event("the-right-one", "a", "a")
        self.timers_become("the-right-one", 1)
        gone = [event["scheduledId"] for event in self.api.history("the-right-one")
                if event["kind"] == "TimerCancelled"]
        self.assertEqual(gone, [1])
        self.api.raise_event("the-right-one", "go", "on")
        self.assertEqual(self.end("the-right-one"), "a,on")
        self.assertEqual(self.run_steps("e:never:20 a:echo:1", "in-vain"), "timeout,1")

        self.start("e:go", "for-ever")
        self.api.wait("for-ever", for_="started")
        self.assertEqual(self.rows.timers("for-ever"), 0)
        self.api.raise_event("for-ever", "go", "on")
        self.end("for-ever")
        for instance in ("one-by-one", "at-once", "the-right-one", "in-vain", "for-ever"):
            self.assertEqual(self.rows.reminders(instance), [], instance)

    @told
    def test_timers_of_years_are_kept(self):
        year = 365 * 24 * 3600 * 1000
        for instance, years in (("decade", 10), ("century", 100), ("far", 10_000)):
            self.start(f"t:{years * year}+e:go", instance)
            self.wait_for_event(instance, "TimerCreated")
            created = next(event for event in self.api.history(instance)
                           if event["kind"] == "TimerCreated")
            then = datetime.datetime.now().year + years
            if years < 5000:
                self.assertIn(int(created["fireAt"][:4]), (then - 1, then, then + 1))
            else:  # what cannot be shown as a date is shown as a number
                self.assertGreater(created["fireAtMs"], years * year)
            self.api.raise_event(instance, "go", "x")
            self.wait_for_event(instance, "EventRaised")
            self.assertEqual((self.status(instance), self.rows.timers(instance)), ("RUNNING", 1))
            self.api.terminate(instance)
            self.api.wait(instance)
            self.assertEqual(self.rows.timers(instance), 0)

    @told
    def test_timers_are_never_early_and_outlast_a_suspension(self):
        # They cannot end before they are suspended, however slow this is.
        self.start("t:1500+a:gated:early", "early")
        self.start("t:300+a:gated:late", "late")
        for instance in ("early", "late"):
            self.wait_for_event(instance, "TimerCreated")
            self.api.suspend(instance)
            self.gate(instance)
        self.api.resume("early")
        self.assertEqual(self.run_steps(" ".join(f"t:{ms}" for ms in range(1, 60, 7)), "short"),
                         ",".join(["t"] * 9))
        self.end("early")
        self.assertEqual(self.status("late"), "SUSPENDED")
        resumed = time.time()
        self.api.resume("late")
        state = self.api.wait("late")
        self.assertGreaterEqual(moment(state, "completedAt").timestamp(), resumed - 0.001)
        for instance in ("early", "late", "short"):
            due = {}
            for event in self.api.history(instance):
                if event["kind"] == "TimerCreated":
                    due[event["eventId"]] = event["fireAt"]
                if event["kind"] == "TimerFired":
                    self.assertGreaterEqual(event["timestamp"], due.pop(event["scheduledId"]))
            self.assertEqual(due, {})


class Ending(Cases):
    @told
    def test_trees_are_terminated_and_purged_whole(self):
        leaf = "t:3600000 a:echo:never"
        middle = "+".join(f"c={{0}}-{{1}}-{n}:{{{{{leaf}}}}}" for n in range(3))
        for root in ("dead", "gone"):
            branches = "+".join(f"c={root}-{b}:{{{middle.format(root, b)}}}" for b in range(3))
            self.start(branches, root)
            for b in range(3):
                for n in range(3):
                    until(lambda i=f"{root}-{b}-{n}": self.api.list(prefix=i), 60, "the leaf")
                    self.wait_for_event(f"{root}-{b}-{n}", "TimerCreated")
        tree = ["dead"] + [f"dead-{b}" for b in range(3)] + [
            f"dead-{b}-{n}" for b in range(3) for n in range(3)]
        self.api.terminate("dead", "stop")
        for instance in tree:
            self.assertEqual(self.api.wait(instance)["runtimeStatus"], "TERMINATED")
            self.assertEqual(self.ran(instance), [])
        self.api.purge("dead-0")  # a part of it may be gone before
        self.api.purge("dead")
        for instance in tree:
            self.refused(404, self.api.get, instance)
        self.assertEqual(len(self.api.list(prefix="gone")), 13)
        self.api.purge("gone", force=True)
        self.assertEqual(self.api.list(prefix="gone"), [])
        self.assertEqual([self.rows.count(i) for i in tree], [0] * 13)

    @told
    def test_terminate_ends_whatever_it_is_doing(self):
        self.start("t:3600000", "in-timer")
        self.start("e:never", "in-event")
        self.start("e:never:3600000", "in-limit")
        self.start("a:echo:1 n " * 8000, "in-loop")
        self.wait_for_event("in-timer", "TimerCreated")
        self.wait_for_event("in-limit", "TimerCreated")
        self.api.wait("in-event", for_="started")
        until(lambda: self.api.get("in-loop")["generation"] > 3, 60, "some generations")
        for instance in ("in-loop", "in-timer", "in-event", "in-limit"):
            self.api.terminate(instance, "enough")
            state = self.api.wait(instance)
            self.assertEqual((state["runtimeStatus"], output_of(state, json_=False)),
                             ("TERMINATED", "enough"))
            self.assertEqual(self.rows.reminders(instance), [])

    @told
    def test_a_forced_purge_leaves_nothing_and_nothing_comes_back(self):
        self.start("~t:3600000 ~t:3600001 ~t:3600002 a:gated:late", "purged")
        self.wait_for_runs("purged", 1)
        self.assertEqual(self.rows.timers("purged"), 3)
        self.refused(409, self.api.purge, "purged")
        self.assertGreaterEqual(self.rows.count("purged"), 5)
        self.api.purge("purged", force=True)
        self.assertEqual(self.rows.count("purged"), 0)
        self.assertEqual(self.rows.reminders("purged"), [])
        self.gate("late")
        self.assertEqual(self.app.stop(), 0)  # it has handed in the late result
        self.refused(404, self.api.get, "purged")
        self.assertEqual(self.rows.count("purged"), 0)

        self.start("a:echo:1", "waiting")  # nobody is there
        self.refused(409, self.api.purge, "waiting")
        self.api.purge("waiting", force=True)
        self.assertEqual((self.rows.count("waiting"), self.rows.reminders("waiting")), (0, []))
        self.refused(404, self.api.purge, "waiting", force=True)
        self.refused(404, self.api.purge, "nobody", force=True)
        self.app.start()
        self.connected()

    @told
    def test_finished_runs_leave_so_many_rows(self):
        # SQLite: the instance, its input and its output, and its events; Redis has the
        # payloads in the instance's hash. A child is an instance of its own.
        own = 3 if STORE == "sqlite" else 1
        nothing, step, event = own + 3, 3, 2
        for name, steps, raised, rows, child in (
                ("activity0", "", 0, nothing, 0), ("activity1", "a:echo:1", 0, nothing + step, 0),
                ("activity2", "a:echo:1 a:echo:2", 0, nothing + 2 * step, 0),
                ("raise1", "e:go", 1, nothing + event, 0),
                ("raise2", "e:go e:go", 2, nothing + 2 * event, 0),
                ("child1", "c=child1-x:{}", 0, nothing + step, nothing),
                ("child1activity1", "c=child1activity1-x:{a:echo:1}", 0, nothing + step,
                 nothing + step),
                ("child2", "c=child2-x:{} c=child2-y:{}", 0, nothing + 2 * step, nothing),
                ("child2activity2", "c=child2activity2-x:{a:echo:1} c=child2activity2-y:{}"
                 " a:echo:2", 0, nothing + 3 * step, nothing + step),
                ("timer1", "t:1", 0, nothing + step, 0),
                ("timer2", "t:1 t:1", 0, nothing + 2 * step, 0)):
            self.start(steps, name)
            for _ in range(raised):
                self.wait_for_event(name, "WorkflowStarted")
                taken = kinds(self.api.history(name)).count("EventRaised")
                self.api.raise_event(name, "go", "1")
                self.wait_for_event(name, "EventRaised", taken + 1)
            self.end(name)
            # What a raised event leaves besides is its request id, so that it counts once.
            ids = 1 if raised and STORE == "redis" else 0
            self.assertEqual(self.rows.count(name), rows + ids, name)
            if child:
                self.assertEqual(self.rows.count(f"{name}-x"), child, name)
            self.assertEqual(self.rows.reminders(name), [], name)

    @told
    def test_failed_and_terminated_instances_run_again(self):
        self.assertEqual(self.api.wait(self.start("a:refuse:1", "failed"))["runtimeStatus"],
                         "FAILED")
        self.start("e:go", "ended")
        self.api.wait("ended", for_="started")
        self.api.suspend("ended")
        self.refused(409, self.api.rerun, "ended", "too-early")
        self.api.terminate("ended")
        self.assertEqual(self.api.rerun("failed", "failed-again"), "failed-again")
        self.assertEqual(self.api.wait("failed-again")["runtimeStatus"], "FAILED")
        self.assertEqual(self.api.rerun("ended", "ended-again"), "ended-again")
        self.api.raise_event("ended-again", "go", "now")
        self.assertEqual(self.end("ended-again"), "now")
        again = [self.api.rerun("failed", f"more-{n}", f"|a:echo:{n}") for n in range(10)]
        for n, instance in enumerate(again):
            self.assertEqual(self.end(instance), str(n))


class Again(Cases):
    """Restarted and rewound."""

    def mend(self, what):
        (self.h.folder / f"mended-{what}").touch()

    @told
    def test_a_restart_takes_the_place_of_what_has_ended(self):
        self.start("a:echo:1 e:go", "twice", tags=["k=v"])
        self.api.wait("twice", for_="started")
        self.refused(409, self.api.restart, "twice")
        self.refused(404, self.api.restart, "nobody")
        self.api.terminate("twice")
        self.assertEqual(self.api.restart("twice", request_id="r"), "twice")
        self.api.restart("twice", request_id="r")  # repeated: once
        self.api.raise_event("twice", "go", "now")
        self.assertEqual(self.end("twice"), "1,now")
        self.assertEqual(self.api.get("twice")["tags"], {"k": "v"})
        self.assertEqual(self.api.restart("twice", "thrice"), "thrice")
        self.api.raise_event("thrice", "go", "later")
        self.assertEqual(self.end("thrice"), "1,later")
        self.refused(409, self.api.restart, "twice", "thrice")

    @told
    def test_a_failed_workflow_goes_on_from_what_failed(self):
        self.start("a:echo:1 a:echo:2+a:fragile:one a:echo:3", "broken")
        self.assertEqual(self.api.wait("broken")["runtimeStatus"], "FAILED")
        created = self.api.get("broken")["createdAt"]
        self.api.rewind("broken", "too early")
        failed = self.api.wait("broken")
        self.assertEqual(failed["runtimeStatus"], "FAILED")
        self.mend("one")
        self.sidecar.restart(kill=True)
        self.api.rewind("broken", "mended")
        self.assertEqual(self.end("broken"), "1,2,one,3")
        state = self.api.get("broken")
        self.assertEqual(state["createdAt"], created)
        self.assertNotIn("dapr.workflow.failure.error_type", state["properties"])
        events = self.api.history("broken")
        self.assertNotIn("TaskFailed", kinds(events))
        self.assertEqual([e["reason"] for e in events if e["kind"] == "ExecutionRewound"],
                         ["too early", "mended"])
        runs = read_runs(self.h)["broken"]  # the one that failed three times, the others once
        self.assertEqual((len(runs), len(set(runs))), (6, 4))
        self.refused(409, self.api.rewind, "broken")
        self.refused(404, self.api.rewind, "nobody")
        self.start("e:go", "waits")
        self.api.wait("waits", for_="started")
        self.refused(409, self.api.rewind, "waits")

    @told
    def test_failed_children_are_rewound_with_their_parents(self):
        self.start("a:echo:0 c=mid:{c=leaf:{a:echo:1 a:fragile:leaf} a:echo:2} a:echo:3", "top")
        self.assertEqual(self.api.wait("top")["runtimeStatus"], "FAILED")
        self.mend("leaf")
        self.api.rewind("top", "mended")
        self.end("top")
        for child in ("mid", "leaf"):
            self.end(child)
            self.assertIn("ExecutionRewound", kinds(self.api.history(child)), child)

    @told
    def test_a_child_that_was_purged_begins_anew_in_a_rewind(self):
        self.start("c=gone:{a:echo:1 a:fragile:gone} a:echo:3", "above")
        self.assertEqual(self.api.wait("above")["runtimeStatus"], "FAILED")
        self.mend("gone")
        self.api.purge("gone")
        self.api.rewind("above")
        self.end("above")
        self.assertNotIn("ExecutionRewound", kinds(self.api.history("gone")))


class Anew(Cases):
    """Runs anew from a call of one that has ended."""

    def again(self, instance, new, event, payload=None, **options):
        query = {"newInstanceID": new, "eventID": event, **options}
        return self.api.call("POST", f"/v1.0/workflows/pawl/{instance}/rerun", query,
                             payload)["instanceID"]

    def call_of(self, instance, kind, index=0):
        """The id of its so many-th call of this kind."""
        return [event["eventId"] for event in self.api.history(instance)
                if event["kind"] == kind][index]

    @told
    def test_a_child_runs_anew_with_the_input_and_the_id_that_are_asked_for(self):
        self.assertEqual(self.run_steps("a:echo:1 c:{a:echo:2}", "p"), "1,2")
        child = self.call_of("p", "ChildWorkflowCreated")
        self.assertEqual(self.end(self.again("p", "p-same", child)), "1,2")
        self.assertEqual(self.end(self.again("p", "p-new", child, "|a:echo:3")), "1,3")
        self.assertEqual(self.end(self.again("p", "p-over", child, "|a:echo:4",
                                             overwriteInput="true")), "1,4")
        self.assertEqual([self.ran(i) for i in ("p-same", "p-new", "p-over")], [[]] * 3)

        self.assertEqual(self.run_steps("c=chosen:{a:echo:1}", "q"), "1")
        child = self.call_of("q", "ChildWorkflowCreated")
        self.assertEqual(self.end(self.again("q", "q-id", child, newChildInstanceID="mine")), "1")
        self.assertEqual(self.ran("mine"), ["1"])
        self.assertEqual(self.end(self.again("q", "q-both", child, "|a:echo:5",
                                             newChildInstanceID="both")), "5")
        self.assertEqual(self.ran("both"), ["5"])
        self.assertEqual(self.ran("chosen"), ["1"])

    @told
    def test_a_child_id_that_is_in_use_fails_in_a_rerun_too(self):
        self.assertEqual(self.run_steps("c=taken:{a:echo:1}", "first"), "1")
        child = self.call_of("first", "ChildWorkflowCreated")
        self.api.purge("taken")
        self.start("e:go", "taken")
        self.api.wait("taken", for_="started")
        state = self.api.wait(self.again("first", "second", child))
        self.assertEqual(state["runtimeStatus"], "FAILED")
        self.assertIn("taken", json.dumps(state["properties"]))
        self.assertEqual(self.status("taken"), "RUNNING")

    @told
    def test_from_a_timer_on_it_fires_anew(self):
        self.assertEqual(self.run_steps("a:echo:1 t:20 a:echo:2", "timed"), "1,t,2")
        timer = self.call_of("timed", "TimerCreated")
        self.assertEqual(self.end(self.again("timed", "timed-2", timer)), "1,t,2")
        self.assertEqual(self.ran("timed-2"), ["2"])
        self.assertEqual(kinds(self.api.history("timed-2")).count("TimerFired"), 1)
        self.refused(400, self.again, "timed", "no", timer, newChildInstanceID="x")
        self.refused(400, self.again, "timed", "no", timer, "1")

        self.start("a:echo:1 t:3000+t:3001+t:3002+e:go", "pending")
        self.wait_for_event("pending", "TimerCreated", 3)
        self.api.terminate("pending")
        again = self.again("pending", "pending-2", self.call_of("pending", "TimerCreated", 1))
        self.api.raise_event(again, "go", "now")
        self.assertEqual(self.end(again), "1,t,t,t,now")
        self.assertEqual(self.ran(again), [])

    @told
    def test_from_a_wait_on_it_waits_anew(self):
        hour = 3600000
        self.start(f"a:echo:1 e:go:{hour} a:echo:2", "over")
        self.wait_for_event("over", "TimerCreated")
        self.api.raise_event("over", "go", "first")
        self.assertEqual(self.end("over"), "1,first,2")
        wait = self.call_of("over", "TimerCreated")
        self.again("over", "over-2", wait)
        self.wait_for_event("over-2", "TimerCreated")
        self.assertEqual(self.status("over-2"), "RUNNING")
        self.api.raise_event("over-2", "go", "second")
        self.assertEqual(self.end("over-2"), "1,second,2")
        self.assertEqual(self.ran("over-2"), ["2"])
        self.refused(400, self.again, "over", "no", wait, "first")

        self.start(f"a:echo:1 e:x:{hour}+e:y:{hour}", "waits")
        self.wait_for_event("waits", "TimerCreated", 2)
        self.api.terminate("waits")
        for index in range(2):
            new = self.again("waits", f"waits-{index}", self.call_of("waits", "TimerCreated", index))
            for name in ("y", "x"):
                self.api.raise_event(new, name, name)
            self.assertEqual(self.end(new), "1,x,y")


@ALONE
class Lost(Cases):
    """Workers, sidecars and stores that go away."""

    @told
    def test_an_id_is_used_again_after_each_restart(self):
        def seconds_to_run(n):
            self.sidecar.restart(kill=n == 1)
            self.connected()
            began = time.monotonic()
            self.assertEqual(self.run_steps(f"a:echo:{n} t:1", "again"), f"{n},t")
            return time.monotonic() - began

        for n in range(3):
            check_quick(functools.partial(seconds_to_run, n), 10)  # it waits for no lease

    @told
    def test_a_workflow_goes_on_with_the_next_worker(self):
        self.start("e:go a:echo:1", "left")
        self.api.wait("left", for_="started")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(self.api.wait, "left")
            self.assertEqual(self.app.stop(), 0)
            self.api.raise_event("left", "go", "now")
            self.app.start()
            state = waiting.result()
        self.assertEqual(output_of(state, json_=False), "now,1")
        self.connected()

    @told
    def test_the_next_worker_takes_up_what_the_first_dropped(self):
        def worker(number):
            return Worker(self.sidecar, workflows=["Order"], activities=["Charge"],
                          name=f"worker-{number}")

        def turn_for(number):
            """The turn goes to the first of two workers, who drops it."""
            first = worker(number)
            first.credit(turns=1)
            dropped = first.next(TURN, timeout=60)
            second = worker(number + 1)
            second.credit(turns=1)
            first.close()
            again = second.next(TURN, timeout=60)
            self.assertEqual(again.instance, dropped.instance)
            self.assertNotEqual(again.turn, dropped.turn)
            self.assertEqual(again.decoded[-1]["kind"], dropped.decoded[-1]["kind"])
            return second, again

        # A name that nobody has registered would fail; this one takes no turns.
        self.enterContext(worker(0)).stay()
        self.api.start("Order", "5", "order")
        second, turn = turn_for(1)  # the first turn
        second.turn_done(turn, [wire.activity(0, "Charge", b"5")])
        second.credit(activities=1)
        second.activity_done(second.next(ACTIVITY), b"paid")
        second.close()
        second, turn = turn_for(3)  # in the middle
        self.assertEqual(turn.decoded[-1]["kind"], wire.TASK_COMPLETED)
        second.turn_done(turn)
        second.close()
        self.api.raise_event("order", "sent", "1")
        second, turn = turn_for(5)  # at an event
        self.assertEqual(turn.decoded[-1]["kind"], wire.EVENT_RAISED)
        second.turn_done(turn)
        second.close()
        self.api.raise_event("order", "sent", "2")
        second, turn = turn_for(7)  # the last
        second.turn_done(turn, [wire.complete(b'"all"')])
        self.assertEqual(output_of(self.api.wait("order")), "all")
        second.close()
        check_history("order", self.api.history("order"))

    @KEPT_ON_REDIS
    @told
    def test_held_activities_run_once_though_the_store_restarts(self):
        held = [self.start("+".join([f"a:gated:held{n}"] * 4), f"held-{n}") for n in range(5)]
        for instance in held:
            self.wait_for_runs(instance, 4)
        self.store.restart()
        for instance in held:
            state = self.api.get(instance, retry_for=PATIENCE)
            self.assertEqual(state["runtimeStatus"], "RUNNING")
        for n in range(5):
            self.gate(f"held{n}")
        for instance in held:
            self.end(instance)
            runs = read_runs(self.h)[instance]
            self.assertEqual((len(runs), len(set(runs))), (4, 4))


@ALONE
class Memory(Cases):
    sidecar_env = {"ASAN_OPTIONS": "quarantine_size_mb=4"}  # what a sanitizer holds back

    def resident(self):
        status = pathlib.Path(f"/proc/{self.sidecar.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) >> 10

    @told
    def test_memory_does_not_grow_with_what_is_over(self):
        def run(number):
            payload = f"a:big:{1 << 20} n a:big:{1 << 19}"
            self.assertGreater(len(self.run_steps(payload, f"heavy-{number}")), 1 << 20)

        for number in range(2):
            run(number)
        before = self.resident()
        for number in range(2, 14):
            run(number)
        self.assertLess(self.resident() - before, 35)


if __name__ == "__main__":
    sys.exit(unittest.main())
