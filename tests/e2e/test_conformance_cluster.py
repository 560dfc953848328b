#!/usr/bin/env python3
"""What docs/CONFORMANCE.md promises of several sidecars and several apps: two sidecars of
"shop", one of "bank" and one of "mint" on one Redis, each with conformance_app.c beside it."""

import concurrent.futures
import functools
import sys
import time
import unittest

from checks import check_history, check_quick, read_runs, test_app, wait_connected
from cluster import Cluster
from harness import PATIENCE, ApiError, Harness, Sidecar, output_of, until

PROGRAM = "conformance_app"


def told(body):
    """Show the logs when a test fails: all tests of a class share one harness."""

    @functools.wraps(body)
    def test(self):
        try:
            body(self)
        except Exception as error:
            self.h.print_report(error)
            raise

    return test


def run_once(scenario, attempts=4):
    """`scenario` gives the executions of instances that have five activities each. None of these
    ran twice in one attempt at least: a sidecar that stands still for two seconds when others
    ask it what it runs is not waited for, and then they run it, too."""
    for attempt in range(attempts):
        runs = scenario(attempt)
        assert all(len(set(one)) == 5 for one in runs), runs
        again = sum(len(one) - 5 for one in runs)
        if not again:
            return
        print(f"{again} activities ran again in attempt {attempt + 1}", file=sys.stderr)
    raise AssertionError("held activities ran again each time")


def kinds(events):
    return [event["kind"] for event in events]


class Together(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.h = cls.enterClassContext(Harness())
        cls.cluster = Cluster(cls.h, 2, "shop", program=PROGRAM)
        cls.shop = [pair.api for pair in cls.cluster.pairs]
        cls.bank = cls.cluster.neighbour(1, "bank").pairs[0]
        cls.mint = cls.cluster.neighbour(1, "mint").pairs[0]

    def start(self, steps, instance, at=0):
        return self.shop[at].start("steps", f"|{steps}", instance)

    def end(self, instance, api=None, timeout=2 * PATIENCE):
        api = api or self.shop[1]
        state = api.wait(instance, timeout)
        self.assertEqual(state["runtimeStatus"], "COMPLETED", state)
        check_history(instance, api.history(instance))
        return output_of(state, json_=False)

    def gate(self, name):
        (self.h.folder / f"gate-{name}").touch()

    def runs(self, instance):
        """[(input, process id)] of the activities of this instance."""
        path = self.h.folder / "ran.log"
        lines = [line.split(" ") for line in path.read_text().splitlines()] if path.exists() else []
        return [(line[3], int(line[4])) for line in lines if line[1] == instance]

    def wait_for_runs(self, instance, count=1):
        until(lambda: len(self.runs(instance)) >= count, what=f"{count} activities of {instance}")

    def wait_for_status(self, api, instance, status):
        until(lambda: self.status(api, instance) == status, what=f"{instance} {status}")

    def status(self, api, instance):
        try:
            return api.get(instance)["runtimeStatus"]
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def away(self, pair):
        """Its sidecar and its app are killed, as a machine that burns."""
        pair.kill()
        self.addCleanup(self.back, pair)

    def back(self, pair):
        if pair.sidecar.is_alive():
            return
        pair.sidecar.start()
        pair.app.start()
        wait_connected(pair.app, pair.sidecar)

    def check_waits(self, instance, *words):
        """It runs, and says what it waits for."""

        def says_so():
            waits = self.shop[0].get(instance).get("waitingFor", "")
            return all(word in waits for word in words)
        until(says_so, what=f"{instance} waits for {words}")
        self.assertEqual(self.status(self.shop[0], instance), "RUNNING")


class Apps(Together):
    @told
    def test_work_for_an_app_that_is_not_there_waits_and_the_rest_goes_on(self):
        cases = {
            "remote": ("a@late:echo:1", "1"),
            "local-remote": ("a:echo:1 a@late:echo:2", "1,2"),
            "remote-local": ("a@late:echo:1 a:echo:2", "1,2"),
            "both-at-once": ("a:echo:1+a@late:echo:2+a@bank:echo:3", "1,2,3"),
            "two-apps": ("a@bank:echo:1+a@late:echo:2", "1,2"),
            "with-timer": ("t:20+a@late:echo:1 t:1", "t,1,t"),
            "child": ("c@late:{a:echo:1}", "1"),
            "local-child": ("c:{a:echo:1} c@late:{a:echo:2}", "1,2"),
            "child-local": ("c@late:{a:echo:1} c:{a:echo:2}", "1,2"),
            "children-at-once": ("c:{a:echo:1}+c@late:{a:echo:2}+c@bank:{a:echo:3}", "1,2,3"),
            "two-children": ("c@bank:{a:echo:1}+c@late:{a:echo:2}", "1,2"),
            "child-timer": ("t:20+c@late:{a:echo:1}", "t,1"),
        }
        for instance, (steps, _) in cases.items():
            self.start(steps, instance)
        for instance in cases:
            self.check_waits(instance, "app 'late'")
        for instance in ("both-at-once", "children-at-once", "two-apps", "two-children",
                         "with-timer", "child-timer"):  # what can be done is done
            done = 2 if instance.endswith("at-once") else 1
            until(lambda i=instance, d=done: sum(
                kind in ("TaskCompleted", "ChildWorkflowCompleted", "TimerFired")
                for kind in kinds(self.shop[1].history(i))) == d, what=f"the rest of {instance}")
        before = {instance: self.shop[0].history(instance) for instance in cases}
        time.sleep(1)  # of waiting, in which nothing may happen: the input of this test
        for instance in cases:
            self.assertEqual(self.shop[1].history(instance), before[instance], instance)

        late = self.h.sidecar("late", self.cluster.store, "pawld-late",
                              options=self.cluster.options())
        app = test_app(self.h, late, name="app-late", program=PROGRAM)
        for instance, (_, output) in cases.items():
            self.assertEqual(self.end(instance), output, instance)
            runs = read_runs(self.h).get(instance, [])
            self.assertEqual(len(runs), len(set(runs)), f"{instance} ran an activity twice")
        app.stop()
        late.stop()

    @told
    def test_an_activity_of_an_app_that_goes_away_runs_when_it_is_back(self):
        self.start("a:gated:here+a@bank:gated:there a@bank:echo:after", "interrupted")
        self.wait_for_runs("interrupted", 2)
        self.away(self.bank)
        self.gate("here")
        until(lambda: "TaskCompleted" in kinds(self.shop[0].history("interrupted")),
              what="the own activity")
        self.check_waits("interrupted", "app 'bank'")
        self.gate("there")
        self.assertFalse(self.shop[0].wait_once("interrupted", 0.5)[0])
        self.back(self.bank)
        self.assertEqual(self.end("interrupted"), "here,there,after")
        inputs = [given for given, _ in self.runs("interrupted")]
        self.assertEqual((inputs.count("here"), inputs.count("after")), (1, 1))
        self.assertEqual(inputs.count("there"), 2)  # the first died with its process

        # The worker alone is lost: its sidecar gives the activity to the next one.
        self.start("a@bank:gated:again", "cut-off")
        self.wait_for_runs("cut-off")
        self.bank.app.kill()
        self.gate("again")
        self.bank.app.start()
        self.assertEqual(self.end("cut-off"), "again")
        wait_connected(self.bank.app, self.bank.sidecar)

    @told
    def test_a_child_of_an_app_that_goes_away_goes_on_when_it_is_back(self):
        self.start("c@bank=away-child:{a:echo:1 e:go} a:echo:2", "parent")
        self.start("c@bank=lost-child:{e:go}", "doomed")
        for child in ("away-child", "lost-child"):
            self.wait_for_status(self.bank.api, child, "RUNNING")
        until(lambda: "TaskCompleted" in kinds(self.bank.api.history("away-child")), what="stored")
        self.away(self.bank)
        self.shop[1].terminate("doomed", "enough")  # though its child cannot hear of it
        self.assertEqual(self.shop[0].wait("doomed")["runtimeStatus"], "TERMINATED")
        self.assertFalse(self.shop[0].wait_once("parent", 0.5)[0])
        self.assertEqual(self.status(self.shop[0], "parent"), "RUNNING")
        self.back(self.bank)
        until(lambda: self.status(self.bank.api, "lost-child") == "TERMINATED",
              what="the child hears of it")
        self.bank.api.raise_event("away-child", "go", "now")
        self.assertEqual(self.end("parent"), "1,now,2")
        self.assertEqual([given for given, _ in self.runs("away-child")], ["1"])

    @told
    def test_a_detached_workflow_of_another_app_is_started_there(self):
        self.start("d@bank=free-there:{e:go a:echo:1} a:echo:2", "spawner")
        self.assertEqual(self.end("spawner"), "free-there,2")
        self.wait_for_status(self.bank.api, "free-there", "RUNNING")
        self.assertIsNone(self.status(self.shop[0], "free-there"))
        self.bank.api.raise_event("free-there", "go", "now")
        self.assertEqual(self.end("free-there", self.bank.api), "now,1")
        self.assertEqual([given for given, _ in self.runs("free-there")], ["1"])
        # It waits for an app that is away, and its starter does not.
        self.away(self.bank)
        self.start("d@bank=kept-start:{a:echo:3} a:echo:4", "spawner-2")
        self.assertEqual(self.end("spawner-2"), "kept-start,4")
        self.back(self.bank)
        until(lambda: self.status(self.bank.api, "kept-start"), what="the start")
        self.assertEqual(self.end("kept-start", self.bank.api), "3")

    @told
    def test_results_for_an_app_that_is_away_are_kept_for_it(self):
        bank = self.bank.api
        bank.start("steps", "|a@mint:gated:kept a:echo:1", "kept")
        bank.start("steps", "|a@mint:gated:kept2", "kept-over-restart")
        bank.start("steps", "|a@mint:gated:orphan", "orphan")
        for instance in ("kept", "kept-over-restart", "orphan"):
            self.wait_for_runs(instance)
        bank.purge("orphan", force=True)
        self.gate("orphan")  # its result has nowhere to go
        self.away(self.bank)
        for name in ("kept", "kept2"):
            self.gate(name)
        busy = 'pawl_activities_running{app="mint"}'
        until(lambda: self.mint.api.metrics().get(busy, 0) == 0, what="the activities are done")
        self.assertEqual(self.mint.app.stop(), 0)
        self.mint.app.start()
        self.back(self.bank)
        wait_connected(self.mint.app, self.mint.sidecar)
        self.assertEqual(self.end("kept", self.bank.api), "kept,1")
        self.assertEqual(self.end("kept-over-restart", self.bank.api), "kept2")
        for instance in ("kept", "kept-over-restart"):
            count = sum(given.startswith("kept") for given, _ in self.runs(instance))
            self.assertEqual(count, 1, f"{instance}: run again though it was done")
        self.assertIsNone(self.status(self.bank.api, "orphan"))
        until(lambda: not self.undelivered(), what="all outboxes empty")
        until(lambda: not self.reminders_of("orphan"), what="nothing left of the orphan")

    def undelivered(self):
        store = self.cluster.store
        return [key for key in store.keys("*||outbox") if store.command("HLEN", key)]

    def reminders_of(self, instance):
        store = self.cluster.store
        return [member for key in store.keys("*||reminders")
                for member in store.command("ZRANGE", key, 0, -1)
                if f"|{instance}|".encode() in member]

    @told
    def test_children_and_activities_over_three_apps(self):
        apps = ["bank", "mint", "shop"]
        steps = "a:echo:end"
        for level in range(5, -1, -1):
            steps = f"a@{apps[level % 3]}:echo:{level} c@{apps[level % 3]}:{{{steps}}}"
        self.start(steps, "deep")
        self.assertEqual(self.end("deep"), "0,1,2,3,4,5,end")
        self.start("a@bank:echo:1 a@mint:echo:2 a:echo:3 a@bank:echo:4", "hops")
        self.assertEqual(self.end("hops"), "1,2,3,4")
        pids = [pid for _, pid in self.runs("hops")]
        self.assertEqual((pids[0], pids[1], pids[3]),
                         (self.bank.app.pid, self.mint.app.pid, self.bank.app.pid))

    @told
    def test_foreign_children_are_purged_with_their_parents(self):
        def tree(name, last):
            steps = f"c@bank={name}-b:{{c@mint={name}-m:{{{last}}} {last}}}"
            self.start(steps, name)
            return [(self.shop[0], name), (self.bank.api, f"{name}-b"), (self.mint.api,
                                                                         f"{name}-m")]

        def check_gone(members):
            for api, instance in members:
                until(lambda a=api, i=instance: self.status(a, i) is None, what=f"{instance} gone")

        done = tree("done", "a:echo:1")
        self.assertEqual(self.end("done"), "1,1")
        self.shop[1].purge("done")
        check_gone(done)
        early = tree("early", "a:echo:1")
        self.assertEqual(self.end("early"), "1,1")
        self.mint.api.purge("early-m")
        self.bank.api.purge("early-b")
        self.shop[0].purge("early")
        check_gone(early)
        running = tree("running", "e:never")
        self.wait_for_status(self.mint.api, "running-m", "RUNNING")
        with self.assertRaises(ApiError) as caught:
            self.shop[0].purge("running")
        self.assertEqual(caught.exception.status, 409)
        self.shop[0].purge("running", force=True)
        check_gone(running)

    @told
    def test_calls_for_another_app_say_what_is_wrong(self):
        shop = self.shop[0]
        self.start("e:go", "here")

        def call(method, path, app="bank"):
            return shop.raw(method, f"/v1.0/workflows/pawl{path}", {"appID": app})

        for method, path in (("GET", "/nobody"), ("GET", "/nobody/history"),
                             ("GET", "/nobody/wait"), ("POST", "/nobody/pause"),
                             ("POST", "/nobody/resume"), ("POST", "/nobody/terminate"),
                             ("POST", "/nobody/purge"), ("POST", "/nobody/raiseEvent/go"),
                             ("POST", "/here/terminate"), ("POST", "/here/purge")):

            def refusal(method=method, path=path):
                began = time.monotonic()
                status, _, text = call(method, path)
                self.assertEqual(status, 404, (path, text))
                self.assertIn(b"ERR_INSTANCE_ID_NOT_FOUND", text)
                return time.monotonic() - began
            check_quick(refusal, 5)
        for app in ("x.y/z", "", "a b", "|"):
            self.assertEqual(call("GET", "/here", app)[0], 400, app)
        self.assertEqual(self.status(shop, "here"), "RUNNING")
        shop.terminate("here")

        self.start("a@bank:echo:1 c@bank=seen-child:{}", "seen")
        self.end("seen")
        by_kind = {event["kind"]: event for event in shop.history("seen")}
        self.assertEqual(by_kind["TaskScheduled"]["appID"], "bank")
        self.assertEqual(by_kind["ChildWorkflowCreated"]["appID"], "bank")
        self.assertEqual(by_kind["ChildWorkflowCreated"]["instanceID"], "seen-child")
        began = self.bank.api.history("seen-child")[1]
        self.assertEqual((began["parent"]["instanceID"], began["parent"]["appID"]),
                         ("seen", "shop"))

    @told
    def test_an_app_runs_anothers_instance_anew(self):
        self.bank.api.start("steps", "|a:echo:1 a:echo:2", "bank-ran")
        self.bank.api.wait("bank-ran")
        second = [event["eventId"] for event in self.bank.api.history("bank-ran")
                  if event["kind"] == "TaskScheduled"][1]
        path = "/v1.0/workflows/pawl/bank-ran/rerun"
        query = {"appID": "bank", "newInstanceID": "bank-again", "eventID": second}
        for sidecar in self.shop:
            query["newInstanceID"] += "+"
            self.assertEqual(sidecar.call("POST", path, query, "3")["instanceID"],
                             query["newInstanceID"])
            self.assertEqual(self.end(query["newInstanceID"], self.bank.api), "1,3")
            self.assertEqual([run[0] for run in self.runs(query["newInstanceID"])], ["3"])
        query["eventID"] = 77
        with self.assertRaises(ApiError) as caught:
            self.shop[0].call("POST", path, {**query, "newInstanceID": "none"})
        self.assertEqual(caught.exception.status, 404)

    @told
    def test_a_child_whose_id_is_in_use_in_the_other_app_fails(self):
        self.bank.api.start("steps", "|e:go", "taken")
        self.bank.api.wait("taken", for_="started")
        self.start("?c@bank=taken:{a:echo:1} a:echo:on", "unlucky")
        self.assertEqual(self.end("unlucky"), "WorkflowInstanceAlreadyExists,on")
        self.bank.api.raise_event("taken", "go", "own")
        self.assertEqual(self.end("taken", self.bank.api), "own")


class Sidecars(Together):
    @told
    def test_programs_over_several_sidecars(self):
        steps = ("a:echo:1 n a:echo:2 c:{a:echo:3 t:10} e:item n t:10 "
                 "e:item c:{c:{a:echo:4}} a*2:flaky:5 g")
        for n in range(12):
            self.start(steps, f"program-{n}", n % 2)
            self.shop[(n + 1) % 2].raise_event(f"program-{n}", "item", "x")
        for n in range(12):
            self.shop[n % 2].raise_event(f"program-{n}", "item", "y")
        for n in range(12):
            self.assertEqual(self.end(f"program-{n}", self.shop[n % 2]),
                             "1,2,3,t,x,t,y,4,5,3")

    @told
    def test_of_many_starts_at_many_sidecars_one_wins(self):
        for _ in range(3):
            self.shop[0].start("steps", "|e:go", "wanted")
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                self.assertEqual(list(pool.map(self.start_held, range(8))), [409] * 8)
            self.shop[1].terminate("wanted")
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(self.start_held, range(8)))
            self.assertEqual(answers.count("wanted"), 1, answers)
            self.assertEqual(answers.count(409), 7, answers)
            self.shop[0].raise_event("wanted", "go", "now")
            self.assertEqual(self.end("wanted"), f"{answers.index('wanted')},now")

    def start_held(self, number):
        """The id, or the status of the refusal."""
        try:
            return self.start(f"a:echo:{number} e:go", "wanted", number % 2)
        except ApiError as error:
            return error.status

    @told
    def test_all_that_wait_anywhere_hear_of_the_end(self):
        self.start("e:go", "awaited")
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            waiting = [pool.submit(self.shop[n % 2].wait, "awaited") for n in range(12)]
            asked = 'pawl_requests_waiting{app="shop"}'
            until(lambda: sum(api.metrics().get(asked, 0) for api in self.shop) >= 12,
                  what="all of them wait")
            self.shop[0].raise_event("awaited", "go", "now")
            for one in waiting:
                self.assertEqual(output_of(one.result(3 * PATIENCE), json_=False), "now")

    @told
    def test_every_sidecar_manages_what_others_run(self):
        for n in range(8):
            instance, api = f"managed-{n}", self.shop[n % 2]
            api.start("steps", "|a:echo:1 e:go", instance)
            self.shop[1].wait(instance, for_="started")
            until(lambda i=instance: "TaskCompleted" in kinds(self.shop[1].history(i)), what="a")
            self.shop[1].suspend(instance)
            self.assertEqual(self.status(self.shop[0], instance), "SUSPENDED")
            self.shop[1].resume(instance)
            if n % 4 < 2:
                self.shop[1].raise_event(instance, "go", "now")
                self.assertEqual(self.end(instance), "1,now")
            else:
                self.shop[1].terminate(instance)
                self.assertEqual(self.status(self.shop[0], instance), "TERMINATED")
        for call in (self.shop[1].get, self.shop[1].suspend, self.shop[1].terminate):
            with self.assertRaises(ApiError) as caught:
                call("managed-by-nobody")
            self.assertEqual(caught.exception.status, 404)

        # A sidecar that has never run anything purges what others run.
        for n in range(6):
            self.start("e:go ~t:3600000", f"forced-{n}", n % 2)
            self.shop[0].wait(f"forced-{n}", for_="started")
        fresh = Sidecar(self.h, "pawld-fresh", "shop", self.cluster.store,
                        options=self.cluster.options()).start()
        for n in range(6):
            api = (*self.shop, fresh.api)[n % 3]
            api.purge(f"forced-{n}", force=True)
            for each in (*self.shop, fresh.api):
                self.assertIsNone(self.status(each, f"forced-{n}"))
            self.assertEqual(self.cluster.store.keys(f"*||forced-{n}||*"), [])
        self.assertEqual(fresh.stop(), 0)

    @told
    def test_held_activities_run_once_though_store_and_placement_restart(self):
        run_once(self.restart_beside_held)

    def restart_beside_held(self, attempt):
        names = [f"held{attempt}{n}" for n in range(6)]
        held = [self.start("+".join([f"a:gated:{name}"] * 5), f"on-{name}", n % 2)
                for n, name in enumerate(names)]
        for instance in held:
            self.wait_for_runs(instance, 5)
        self.cluster.placement.kill()
        self.cluster.placement.start()
        self.cluster.store.restart()
        for pair in self.cluster.pairs:
            until(pair.api.is_healthy, what="healthy again")
        self.cluster.settle()
        for n, name in enumerate(names):
            self.assertEqual(self.status(self.shop[n % 2], held[n]), "RUNNING")
            self.gate(name)
        for instance in held:
            self.assertEqual(self.end(instance).count("held"), 5)
        runs = read_runs(self.h)
        return [runs[instance] for instance in held]


class Members(unittest.TestCase):
    def test_held_activities_run_once_though_sidecars_join(self):
        run_once(self.join_beside_held)

    def join_beside_held(self, _):
        with Harness() as self.h:
            return self.joined()

    def joined(self):
        cluster = Cluster(self.h, 2, program=PROGRAM)
        held = [cluster.pairs[n % 2].api.start("steps", "|" + "+".join(["a:gated:on"] * 5),
                                               f"held-{n}") for n in range(8)]
        until(lambda: sum(map(len, read_runs(self.h).values())) >= 40, what="all of them run")
        for _ in range(2):
            cluster.pairs.append(cluster.make())
            cluster.settle()
            for n, instance in enumerate(held):  # which their new owners must read for that
                cluster.pairs[n % 2].api.suspend(instance)
                cluster.pairs[n % 2].api.resume(instance)
        (self.h.folder / "gate-on").touch()
        for n, instance in enumerate(held):
            state = cluster.pairs[n % 4].api.wait(instance)
            self.assertEqual(output_of(state, json_=False), ",".join(["on"] * 5))
        return list(read_runs(self.h).values())


class Workers(unittest.TestCase):
    """Replicas of which some have no worker: then they own no workflows."""

    def ids(self, name):
        """Started at either sidecar."""
        ids = [f"{name}-{n}" for n in range(10)]
        for n, instance in enumerate(ids):
            self.pairs[n % 2].api.start("steps", "|a:echo:1 e:go a:echo:2", instance)
        return ids

    def finish(self, ids):
        for n, instance in enumerate(ids):
            self.pairs[(n + 1) % 2].api.raise_event(instance, "go", "now")
        for n, instance in enumerate(ids):
            api = self.pairs[n % 2].api
            state = api.wait(instance)
            self.assertEqual((state["runtimeStatus"], output_of(state, json_=False)),
                             ("COMPLETED", "1,now,2"))
            check_history(instance, api.history(instance))

    def wait_until_owned_by(self, index):
        until(lambda: [self.cluster.owned(pair) for pair in self.pairs]
              == [128 * (n == index) for n in range(2)], what=f"sidecar {index} owns everything")

    def members(self):
        page = self.cluster.placement.api.call("GET", "/v1.0/placement/table")
        hosts = page["namespaces"][0]["apps"][0]["hosts"]
        return {(host["runsWorkflows"], host["count"]) for host in hosts}

    @told
    def test_workflows_go_to_the_sidecar_that_has_a_worker_and_follow_it(self):
        self.h = self.enterContext(Harness())
        self.cluster = Cluster(self.h, 2, program=PROGRAM)
        self.pairs = self.cluster.pairs
        moving = self.ids("moving")
        for index in (0, 1, 0):  # … is the only one with a worker
            here, other = self.pairs[index], self.pairs[1 - index]
            if not here.app.is_alive():
                here.app.start()
                wait_connected(here.app, here.sidecar)
            # The app of the other one crashes, and stays away.
            other.app.kill()
            started = self.ids(f"only-{index}-{len(moving)}")
            self.wait_until_owned_by(index)
            self.assertEqual(self.members(), {(True, 128), (False, 0)})
            self.finish(started)
            moving += self.ids(f"moving-{len(moving)}")

        # The app is away everywhere, and comes back elsewhere: nothing is lost.
        self.pairs[0].app.kill()
        waiting = self.ids("waiting")
        self.pairs[1].app.start()
        wait_connected(self.pairs[1].app, self.pairs[1].sidecar)
        self.finish(moving + waiting)

    @told
    def test_all_workers_away_and_back(self):
        self.h = self.enterContext(Harness())
        self.cluster = Cluster(self.h, 2, program=PROGRAM)
        self.pairs = self.cluster.pairs
        ids = self.ids("away")
        for pair in self.pairs:
            pair.app.kill()
        until(lambda: {runs for runs, _ in self.members()} == {False}, what="both are told")
        ids += self.ids("meanwhile")
        for pair in self.pairs:
            pair.app.start()
            wait_connected(pair.app, pair.sidecar)
        self.cluster.settle()
        self.finish(ids)


class Code(unittest.TestCase):
    """Replicas with other code, as in a roll-out that went wrong. Two workers per sidecar."""

    def workers(self, pair, name, *options):
        return [test_app(self.h, pair.sidecar, *options, name=f"{name}-{n}") for n in range(2)]

    @told
    def test_workflows_stalled_at_several_sidecars_go_on_with_the_right_code(self):
        self.h = self.enterContext(Harness())
        pairs = Cluster(self.h, 2).pairs
        apis = [pair.api for pair in pairs]
        ids = [f"drift-{n}" for n in range(8)]
        for n, instance in enumerate(ids):
            apis[n % 2].start("drift", "5", instance)
            until(lambda i=instance: "TaskCompleted" in kinds(apis[0].history(i)), what="a step")
        for pair in pairs:
            self.assertEqual(pair.app.stop(), 0)
        wrong = [self.workers(pair, f"wrong-{n}", "--code", "2") for n, pair in enumerate(pairs)]
        for instance in ids:
            apis[0].raise_event(instance, "go", "now")
        for instance in ids:
            until(lambda i=instance: apis[1].get(i)["runtimeStatus"] == "STALLED", what="STALLED")
        for n, pair in enumerate(pairs):  # one replica after the other
            for worker in wrong[n]:
                self.assertEqual(worker.stop(), 0)
            self.workers(pair, f"right-{n}")
        for instance in ids:
            state = apis[0].wait(instance)
            self.assertEqual((state["runtimeStatus"], output_of(state)), ("COMPLETED", 7))
            self.assertGreaterEqual(kinds(apis[1].history(instance)).count("ExecutionStalled"), 1)


if __name__ == "__main__":
    sys.exit(unittest.main())
