#!/usr/bin/env python3
"""Every call at every sidecar, calls between apps, and more than one placement replica.
What becomes of sidecars that die is in test_cluster.py.

    test_apps.py
"""

import socket
import threading
import time
import unittest

from checks import check_history, executions_in, read_runs, scenario, test_app, whole_lines
from cluster import Cluster
from harness import ApiError, output_of, until
from placement_wire import HEARTBEAT, MEMBERS, WELCOME, Conn
from test_cluster import Load
from wire import ANSWER, GET, RAISE, START, WAIT, Worker


class Apps(unittest.TestCase):
    """self.shop: sidecars of the app "shop", self.bank of "bank", each with a worker."""

    def set_up(self, shop=3, bank=0, **settings):
        self.cluster = Cluster(self.h, shop, **settings)
        self.shop = [pair.sidecar for pair in self.cluster.pairs]
        self.workers = {pair.app.pid for pair in self.cluster.pairs}
        self.bank = []
        if bank:
            pairs = self.cluster.neighbour(bank, "bank").pairs
            self.bank = [pair.sidecar for pair in pairs]
            self.bank_workers = {pair.app.pid for pair in pairs}

    def metric(self, name):
        return [sidecar.api.metrics()[f'{name}{{app="shop"}}'] for sidecar in self.shop]

    def check_all(self, instances):
        """The history of each is sound, and what it says was run was run."""
        runs = read_runs(self.h)
        for instance in instances:
            events = self.shop[0].api.history(instance)
            check_history(instance, events)
            self.assertLessEqual(executions_in(events), set(runs.get(instance, [])))


class AnySidecar(Apps):
    @scenario
    def test_every_call_works_at_every_sidecar(self):
        self.set_up()
        apis = [sidecar.api for sidecar in self.shop]
        for number in range(12):
            at = [apis[(number + shift) % 3] for shift in range(3)]
            chain, held = f"chain-{number}", f"held-{number}"
            at[0].start("chain", "3", chain)
            self.assertEqual(output_of(at[1].wait(chain)), 3)
            self.assertEqual(at[2].get(chain)["runtimeStatus"], "COMPLETED")
            at[0].start("held", None, held)
            at[1].wait(held, for_="started")
            at[1].suspend(held)
            self.assertEqual(at[2].get(held)["runtimeStatus"], "SUSPENDED")
            at[0].raise_event(held, "go", "7")
            at[2].resume(held)
            self.assertEqual(output_of(at[0].wait(held)), 7)
            with self.assertRaises(ApiError) as caught:
                at[1].start("held", None, held, reuse="refuse")
            self.assertEqual(caught.exception.status, 409)
            at[1].start("held", None, held)  # an ended one is replaced
            at[2].wait(held, for_="started")
            at[0].terminate(held, '"enough"')
            self.assertEqual(at[1].get(held)["runtimeStatus"], "TERMINATED")
            again = at[2].rerun(held, f"again-{number}")
            at[0].raise_event(again, "go", "8")
            self.assertEqual(output_of(at[1].wait(again)), 8)
            at[2].purge(held)
            with self.assertRaises(ApiError) as caught:
                at[0].get(held)
            self.assertEqual(caught.exception.status, 404)
        for api in apis:
            self.assertEqual(len(api.list(prefix="chain-")), 12)
        self.check_all([f"chain-{number}" for number in range(12)])

    @scenario
    def test_the_app_stream_of_any_sidecar_reaches_any_instance(self):
        self.set_up()
        for number in range(9):
            start_at, raise_at, wait_at = [self.shop[(number + i) % 3] for i in range(3)]
            instance = f"held-{number}"
            for sidecar, op, fields in (
                    (start_at, START, {"name": "held"}),
                    (raise_at, RAISE, {"name": "go", "payload": b"5"}),
                    (wait_at, WAIT, {"wait_for": 2, "timeout_ms": 20000, "with_payloads": True})):
                with Worker(sidecar) as client:
                    client.request(op, instance=instance, **fields)
                    answer = client.next(ANSWER, timeout=60)
                    self.assertEqual(answer.err, 0, answer)
            self.assertEqual(output_of(self.shop[0].api.get(instance)), 5)

    @scenario
    def test_activities_run_at_all_workers(self):
        self.set_up()
        api = self.shop[0].api
        started = []
        pids = self.workers

        def running():
            return [int(line.split(" ")[-1]) for line in whole_lines(self.h.folder / "ran.log")]

        # Which of the others have workers is heard of a moment after who they are.
        def runs_everywhere():
            started.append(f"many-{len(started)}")
            api.start("waiting_many", "3", started[-1])
            return set(running()) == pids

        until(runs_everywhere, what="every worker runs some")
        (self.h.folder / "gate-all").touch()
        for instance in started:
            self.assertEqual(output_of(api.wait(instance)), 3)
        self.check_all(started)


class OtherApps(Apps):
    @scenario
    def test_activities_and_children_run_in_another_app(self):
        self.set_up(shop=1, bank=2)
        shop, bank = self.shop[0].api, self.bank[0].api
        for n in range(5):
            shop.start("remote_fan", "bank 10", f"fan-{n}")
            shop.start("remote_child", "bank chain 4", f"child-{n}")
            bank.start("remote_child", "shop chain 3", f"back-{n}")
        for n in range(5):
            self.assertEqual(output_of(shop.wait(f"fan-{n}")), 385)
            self.assertEqual(output_of(shop.wait(f"child-{n}")), 4)
            self.assertEqual(output_of(bank.wait(f"back-{n}")), 3)
            child, = bank.list(prefix=f"child-{n}-1")
            self.assertEqual((child["parentInstanceID"], child["parentAppID"]),
                             (f"child-{n}", "shop"))
            self.assertEqual(bank.get(f"child-{n}-1")["parentAppID"], "shop")
        self.check_all([f"fan-{n}" for n in range(5)])
        for line in (self.h.folder / "ran.log").read_text().splitlines():
            if line.startswith("square"):
                self.assertIn(int(line.split(" ")[-1]), self.bank_workers)

    @scenario
    def test_an_app_that_is_not_there_yet_is_waited_for(self):
        self.set_up(shop=1)
        shop = self.shop[0].api
        shop.start("remote_fan", "bank 3", "fan")
        shop.start("remote_child", "bank chain 2", "child")
        hurry = shop.start("remote_hurry", "bank 400", "hurry")
        young = shop.start("remote_hurry_child", "bank 400", "young")
        for instance in (hurry, young):
            self.assertEqual(output_of(shop.wait(instance), json_=False), "ScheduleToStartTimeout")
        for instance, what in (("fan", "activity 'square'"), ("child", "child workflow 'chain'")):
            unknown = "no sidecar of app 'bank' is known in namespace 'default'"
            until(lambda: all(text in shop.get(instance).get("waitingFor", "")
                              for text in (what, unknown)), what="what it waits for is said")
        bank = self.h.sidecar("bank", self.cluster.store, "pawld-bank",
                              options=self.cluster.options())
        until(lambda: "no worker" in shop.get("fan").get("waitingFor", ""),
              what="the missing worker is named")
        test_app(self.h, bank, name="app-bank")
        self.assertEqual(output_of(shop.wait("fan")), 14)
        self.assertEqual(output_of(shop.wait("child")), 2)
        self.assertNotIn("waitingFor", shop.get("fan"))
        self.assertIsNone(self.status(bank.api, "young-1"), "it was too late for this one")

    @scenario
    def test_terminate_and_purge_reach_children_in_the_other_app(self):
        self.set_up(shop=2, bank=1)
        shop, bank = self.shop[0].api, self.bank[0].api
        for n in range(4):
            shop.start("remote_child", "bank held", f"mother-{n}")
        for n in range(4):
            until(lambda: self.status(bank, f"mother-{n}-1") == "RUNNING", what="the child")
            self.shop[1].api.terminate(f"mother-{n}")
            until(lambda: self.status(bank, f"mother-{n}-1") == "TERMINATED", what="child ended")
            self.shop[n % 2].api.purge(f"mother-{n}")
            until(lambda: self.status(bank, f"mother-{n}-1") is None, what="child purged")

    @staticmethod
    def status(api, instance):
        try:
            return api.get(instance)["runtimeStatus"]
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    @scenario
    def test_events_and_management_calls_name_another_app(self):
        self.set_up(shop=2, bank=2)
        shop, bank = self.shop[0].api, self.bank[0].api
        bank.start("held", None, "told")
        self.shop[1].api.start("remote_tell", "bank told")
        self.assertEqual(output_of(bank.wait("told"), json_=False), "told")

        def call(method, path, **query):
            return shop.call(method, f"/v1.0/workflows/pawl{path}", {"appID": "bank", **query})

        for n in range(4):
            call("POST", "/held/start", instanceID=f"far-{n}")
            self.assertEqual(call("GET", f"/far-{n}/wait", **{"for": "started"})["runtimeStatus"],
                             "RUNNING")
            call("POST", f"/far-{n}/pause")
            call("POST", f"/far-{n}/raiseEvent/go")
            call("POST", f"/far-{n}/resume")
            self.assertEqual(call("GET", f"/far-{n}/wait")["runtimeStatus"], "COMPLETED")
            self.assertGreater(call("GET", f"/far-{n}/history")["total"], 4)
            self.assertEqual(bank.get(f"far-{n}")["runtimeStatus"], "COMPLETED")
            self.assertIsNone(self.status(shop, f"far-{n}"))
        self.assertEqual(len(call("GET", "", prefix="far-")["workflows"]), 4)
        call("POST", "/far-0/purge")
        self.assertIsNone(self.status(bank, "far-0"))
        with Worker(self.shop[1]) as client:
            client.request(GET, instance="far-1", app="bank")
            self.assertEqual(client.next(ANSWER).err, 0)
        began = time.monotonic()
        status, _, text = shop.raw("GET", "/v1.0/workflows/pawl/x", {"appID": "nobody"})
        self.assertEqual(status, 503, text)
        self.assertIn(b"no sidecar of app 'nobody'", text)
        self.assertLess(time.monotonic() - began, 50)


class Namespaces(Apps):
    @scenario
    def test_those_of_another_namespace_are_not_there(self):
        self.set_up(shop=2)
        other = self.h.sidecar("shop", self.cluster.store, "pawld-other",
                               options=[*self.cluster.options(), "--namespace=other"])
        bank = self.cluster.neighbour(1, "bank").pairs[0]
        self.assertEqual(other.api.metrics()['pawl_members{app="shop"}'], 1)
        status, _, text = other.api.raw("GET", "/v1.0/workflows/pawl/x", {"appID": "bank"})
        self.assertEqual(status, 503)
        self.assertIn(b"no sidecar of app 'bank' is known in namespace 'other'", text)
        bank.api.start("echo", "1", "here")
        self.assertIsNone(OtherApps.status(self.shop[0].api, "here"))
        self.assertEqual(output_of(bank.api.wait("here")), 1)


class Replicas(Apps):
    """Of placement."""

    def leader(self):
        return next(p for p in self.cluster.placements if p.metrics()["pawl_placement_leads"])

    @scenario
    def test_all_killed_and_started_again_move_nothing(self):
        self.set_up(shop=3, replicas=2)
        load = Load(self.cluster)
        load.wait_for(6)
        # A sidecar that stands still for seconds meanwhile is rightly taken for lost.
        kept = any(self.moves_nothing(load) for _ in range(4))
        self.assertEqual(load.stop(), [])
        self.assertTrue(kept, "partitions moved each time")

    def moves_nothing(self, load):
        def owners():
            return self.metric("pawl_partitions_owned"), sum(self.metric("pawl_fenced_total"))

        before = owners()
        for placement in self.cluster.placements:
            placement.kill()
        until(lambda: not any(self.metric("pawl_placement_connected")), what="they are missed")
        load.wait_for(len(load.done) + 60)
        without = owners()
        for placement in self.cluster.placements:
            placement.start()
        until(lambda: all(self.metric("pawl_placement_connected")), what="they are found again")
        load.wait_for(len(load.done) + 20)
        return before == without == owners()

    @scenario
    def test_a_killed_leader_is_replaced_and_sidecars_may_join_the_next(self):
        self.set_up(shop=2, replicas=2)
        load = Load(self.cluster)
        load.wait_for(6)
        self.leader().kill()
        self.cluster.pairs.append(self.cluster.make())
        self.cluster.settle()
        self.assertEqual(load.stop(), [])

    @scenario
    def test_a_member_list_of_the_past_changes_nothing(self):
        """A replica of long ago: it knows of one sidecar only, and its list is older."""
        with FakePlacement() as past:
            real = self.h.placement()
            self.set_up(shop=2, placements=[real, past])
            load = Load(self.cluster)
            load.wait_for(6)
            before = self.metric("pawl_members_version"), self.metric("pawl_partitions_owned")
            self.assertEqual(len(set(before[0])), 1)
            first = self.shop[0].api.metadata()["extended"]["host"]
            past.members = (1, [[first, "shop", "tcp://127.0.0.1:1", 128, False, True, True]])
            real.kill()
            until(lambda: len(past.told) == 2, what="both at the replica of the past")
            load.wait_for(len(load.done) + 20)
            self.assertEqual(load.stop(), [])
            self.assertEqual((self.metric("pawl_members_version"),
                              self.metric("pawl_partitions_owned")), before)


class FakePlacement:
    """Welcomes every sidecar and sends it self.members, (version, rows), once that is set."""

    def __init__(self):
        self.members, self.told = None, set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, socket_):
        conn = Conn.__new__(Conn)
        conn.take(socket_)
        try:
            hello = conn.receive(10)
            if self.members is None:
                return  # not now: the real one is there
            conn.send(WELCOME, 1, "default", 500)
            conn.send(MEMBERS, *self.members)
            while True:
                conn.receive(10)
                conn.send(HEARTBEAT)
                self.told.add(hello[4].decode())
        except OSError:
            pass
        finally:
            conn.close()


if __name__ == "__main__":
    unittest.main()
