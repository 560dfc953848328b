#!/usr/bin/env python3
"""Several sidecars of one app: any of them serves any workflow, any may die or be replaced at
any moment, placement may be away, and who does not belong there is refused."""

import math
import random
import re
import socket
import struct
import sys
import threading
import time
import unittest
from collections import Counter

from checks import (check_history, check_quick, executions_in, read_runs, scenario, test_app,
                    wait_connected)
from cluster import Cluster
from harness import PATIENCE, TERMINAL, Placement, Sidecar, free_port, output_of, until
from wire import pack, unpack

RECOVERY_SECONDS = 5.0
PEER_HELLO, PEER_REFUSED = 1, 3
DENIED, VERSION, PROTOCOL = -18, -17, -16


class Load:
    """Clients that start chains and wait for their ends, one after another, until told to
    stop. An answer that is not what it should be is kept in `errors`."""

    def __init__(self, cluster, clients=6, size=10):
        self.cluster, self.size = cluster, size
        self.done, self.errors, self.slowest, self.over = [], [], 0.0, False
        self.clients = [cluster.client() for _ in range(clients)]
        self.threads = [threading.Thread(target=self.run, args=(number,), daemon=True)
                        for number in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        client = self.clients[number]
        count = 0
        while not self.over and len(self.errors) < 10:
            instance = f"load-{number}-{count}"
            count += 1
            started = time.monotonic()
            try:
                client.start("chain", str(self.size), instance, request_id=f"start-{instance}")
                state = client.wait(instance)
                if output_of(state) != self.size:
                    raise AssertionError(state)
            except Exception as error:  # told by the main thread
                self.errors.append((instance, repr(error)))
                continue
            self.slowest = max(self.slowest, time.monotonic() - started)
            self.done.append(instance)

    def wait_for(self, count):
        until(lambda: len(self.done) >= count or self.errors, 2 * PATIENCE,
              f"{count} workflows done")

    def repeated(self):
        return sum((client.repeated for client in self.clients), Counter())

    def stop(self):
        self.over = True
        for thread in self.threads:
            thread.join(3 * PATIENCE)
        return self.errors


class Sharing(unittest.TestCase):
    @scenario
    def test_any_sidecar_serves_any_workflow_and_all_share_the_work(self):
        cluster = Cluster(self.h, 3)
        apis = [pair.api for pair in cluster.pairs]
        for number in range(30):
            apis[number % 3].start("fan", "20", f"fan-{number}")
        for number in range(30):
            state = apis[(number + 1) % 3].wait(f"fan-{number}")
            self.assertEqual(output_of(state), sum(i * i for i in range(21)))
        for number in range(6):  # an event, a suspension and a history through strangers
            instance = f"collect-{number}"
            apis[number % 3].start("collect", "2", instance)
            apis[(number + 1) % 3].raise_event(instance, "item", "x")
            apis[(number + 2) % 3].suspend(instance)
            self.assertEqual(apis[number % 3].get(instance)["runtimeStatus"], "SUSPENDED")
            apis[(number + 1) % 3].resume(instance)
            apis[(number + 2) % 3].raise_event(instance, "item", "y")
            self.assertEqual(output_of(apis[number % 3].wait(instance), json_=False), "x,y")
            check_history(instance, apis[(number + 1) % 3].history(instance))
        lists = [sorted(state["instanceID"] for state in api.list()) for api in apis]
        self.assertEqual(lists[0], lists[1])
        self.assertEqual(lists[0], lists[2])
        self.assertEqual(len(lists[0]), 36)
        for pair in cluster.pairs:
            metrics = pair.api.metrics()
            self.assertGreater(metrics['pawl_activities_total{app="shop"}'], 50, "all take part")
            self.assertEqual(metrics['pawl_peer_links{app="shop"}'], 2)
            self.assertEqual(metrics['pawl_peer_links_lost_total{app="shop"}'], 0)
            self.assertEqual(metrics['pawl_placement_connected{app="shop"}'], 1)

    @scenario
    def test_metadata_shows_placement_and_the_others(self):
        cluster = Cluster(self.h, 2)
        cluster.client().start("chain", "5", "x")
        shown = [pair.api.metadata() for pair in cluster.pairs]
        for one, other in (shown, shown[::-1]):
            self.assertTrue(one["placement"]["connected"])
            self.assertEqual(one["placement"]["members"], 2)
            self.assertEqual([peer["host"] for peer in one["peers"]], [other["extended"]["host"]])
            self.assertEqual(one["peers"][0]["address"], other["extended"]["peerEndpoint"])


class Loss(unittest.TestCase):
    batches = 0

    def states(self, cluster):
        """Of the workflows that were started last."""
        states = cluster.pairs[0].api.list(prefix=f"long-{self.batches}-", limit=100)
        return {state["instanceID"]: state for state in states}

    def start_long(self, cluster, count=24):
        self.batches += 1
        client = cluster.client()
        for number in range(count):
            instance = f"long-{self.batches}-{number}"
            client.start("chain", "2000", instance, request_id=f"start-{instance}")
        until(lambda: min(state["historyCount"] for state in self.states(cluster).values()) > 20,
              what="all of them run")

    def seconds_until_all_move(self, cluster, since):
        """How long it took from `since` until each workflow that ran then had taken a step."""
        first = {instance: state["historyCount"]
                 for instance, state in self.states(cluster).items()
                 if state["runtimeStatus"] not in TERMINAL}
        left = set(first)
        while left:
            now = self.states(cluster)
            left = {instance for instance in left
                    if now[instance]["historyCount"] == first[instance]}
            if time.monotonic() - since > PATIENCE:
                raise AssertionError(f"{left} stand still")
        return time.monotonic() - since if first else math.inf  # nothing was left to be seen

    def check_ends(self, cluster, prefix="long-"):
        """Each has its output; nothing was done without a record or recorded twice."""
        client = cluster.client()
        instances = [state["instanceID"] for state in client.list(prefix=prefix, limit=100)]
        for instance in instances:
            self.assertEqual(client.wait(instance, 300)["runtimeStatus"], "COMPLETED")
        runs = read_runs(self.h)
        for instance in instances:
            events = client.history(instance)
            check_history(instance, events)
            self.assertEqual(executions_in(events), set(runs[instance]), instance)

    @scenario
    def test_what_a_killed_sidecar_had_goes_on_elsewhere(self):
        cluster = Cluster(self.h, 3)

        def recovery():
            self.start_long(cluster)
            cluster.kill(2)
            took = self.seconds_until_all_move(cluster, time.monotonic())
            cluster.replace(2)
            cluster.settle()
            return took
        check_quick(recovery, RECOVERY_SECONDS)
        self.check_ends(cluster)

    @scenario
    def test_a_frozen_sidecar_is_replaced_and_does_no_harm_when_it_wakes(self):
        cluster = Cluster(self.h, 3)

        def recovery():
            self.start_long(cluster)
            cluster.pairs[2].sidecar.pause()
            took = self.seconds_until_all_move(cluster, time.monotonic())
            cluster.pairs[2].sidecar.resume()
            cluster.settle()
            wait_connected(cluster.pairs[2].app, cluster.pairs[2].sidecar)
            return took
        check_quick(recovery, 2 * RECOVERY_SECONDS)
        self.check_ends(cluster)

    @scenario
    def test_a_rolling_restart_under_load_shows_no_failed_call(self):
        cluster = Cluster(self.h, 3, replicas=2)
        load = Load(cluster)
        load.wait_for(10)
        for placement in cluster.placements:
            self.assertEqual(placement.stop(), 0)
            placement.start()
            load.wait_for(len(load.done) + 20)
        leavers = cluster.pairs[:]
        for old in leavers:
            cluster.pairs.append(cluster.make())
            cluster.settle()
            left = cluster.left()
            self.assertEqual(old.sidecar.stop(), 0)
            cluster.pairs.remove(old)
            until(lambda: cluster.left() == left + 1, what="it was heard that it leaves")
            old.app.stop()
            load.wait_for(len(load.done) + 20)
        cluster.settle()
        self.assertEqual(load.stop(), [])
        self.assertGreater(len(load.done), 100)
        print(f"{len(load.done)} workflows, the slowest took {load.slowest:.2f} s; calls that were "
              f"repeated elsewhere: {dict(load.repeated())}", file=sys.stderr)
        self.assertLessEqual(set(load.repeated()), {old.sidecar.name for old in leavers},
                             "those that stay answer every call")
        logs = [old.sidecar.log() for old in leavers]
        for log in logs:
            self.assertNotIn("work in flight", log)
        # Who is not heard in time leaves all the same: where a machine stands still, others wait.
        self.assertTrue(any(re.search(r"gave up ([1-9]\d*) of \1 partitions", log) for log in logs),
                        "nothing was handed over")
        self.check_ends(cluster, "load-0-")

    @scenario
    def test_kills_under_load_lose_nothing(self):
        cluster = Cluster(self.h, 3)
        load = Load(cluster)
        for _ in range(4):
            load.wait_for(len(load.done) + 10)
            victim = self.h.rng.randrange(3)
            cluster.kill(victim)
            time.sleep(self.h.rng.uniform(0, 1))  # how long it is away is the input
            cluster.replace(victim)
        load.wait_for(len(load.done) + 10)
        self.assertEqual(load.stop(), [])
        self.check_ends(cluster, "load-1-")


class WithoutPlacement(unittest.TestCase):
    @scenario
    def test_no_workflow_notices_that_placement_has_died(self):
        cluster = Cluster(self.h, 2)
        load = Load(cluster)
        load.wait_for(5)
        cluster.placement.kill()
        for pair in cluster.pairs:
            until(lambda: not pair.api.metadata()["placement"]["connected"], what="it is noticed")
            self.assertTrue(pair.api.is_healthy(), "and work goes on")
        load.wait_for(len(load.done) + 30)
        self.assertEqual(load.errors, [])
        cluster.placement.start()
        cluster.settle()
        cluster.pairs.append(cluster.make())  # and one may join again
        cluster.settle()
        load.wait_for(len(load.done) + 10)
        self.assertEqual(load.stop(), [])

    @scenario
    def test_a_sidecar_that_starts_without_placement_waits_and_says_so(self):
        store = self.h.redis()
        port = free_port()
        sidecar = lonely(self.h, "early", store, port)
        wait_for_health(sidecar, "no placement", f"127.0.0.1:{port}", "refused")
        sidecar.api.start("chain", "3", "early")  # is kept, and runs when somebody owns it

        placement = Placement(self.h, "placement")
        placement.port = port
        placement.start()
        until(sidecar.api.is_healthy, what="ready")
        sidecar.endpoint = sidecar.api.metadata()["extended"]["appEndpoint"]
        test_app(self.h, sidecar)
        self.assertEqual(output_of(sidecar.api.wait("early")), 3)


def lonely(harness, name, store, placement_port, *options):
    """A sidecar that may never become ready."""
    sidecar = Sidecar(harness, name, "shop", store,
                      options=[f"--placement=127.0.0.1:{placement_port}",
                               "--peer-listen=127.0.0.1:0", *options])
    harness.ready_ends = getattr(harness, "ready_ends", []) + [sidecar.start_without_waiting()]
    return sidecar


def wait_for_health(sidecar, *words):
    """Until health gives a reason with all these words why the sidecar is not ready."""

    def says_so():
        sidecar.fail_if_dead()
        try:
            status, _, text = sidecar.api.raw("GET", "/v1.0/healthz")
        except OSError:
            return False
        return status == 503 and all(word in text.decode() for word in words)

    until(says_so, what=f"health says {words}")


class Refused(unittest.TestCase):
    @scenario
    def test_a_host_id_that_is_in_use_is_refused(self):
        cluster = Cluster(self.h, 1)
        host = cluster.pairs[0].api.metadata()["extended"]["host"]
        twin = lonely(self.h, "twin", cluster.store, cluster.placement.port,
                      f"--host-id={host}")
        wait_for_health(twin, "no placement", host)
        self.check_undisturbed(cluster)

    @scenario
    def test_another_partition_count_is_refused(self):
        cluster = Cluster(self.h, 1)
        store = f"{cluster.store.url}/1"  # the store itself would refuse it, too
        other = lonely(self.h, "other", store, cluster.placement.port, "--partitions=64")
        wait_for_health(other, "no placement", "128", "64")
        self.check_undisturbed(cluster)

    @scenario
    def test_who_does_not_belong_here_is_refused_and_nobody_else_notices(self):
        cluster = Cluster(self.h, 2)
        load = Load(cluster, clients=2)
        shown = cluster.pairs[0].api.metadata()
        address = ("127.0.0.1", int(shown["extended"]["peerEndpoint"].rsplit(":", 1)[1]))
        peer, own = shown["peers"][0]["host"], shown["extended"]["host"]
        cases = [
            ((1, "default", "bank", peer), DENIED, "joined as a sidecar of app 'shop'"),
            ((1, "test", "shop", peer), DENIED, "namespace"),
            ((1, "default", "shop", own), DENIED, "--host-id"),
            ((9, "default", "shop", peer), VERSION, "version"),
        ]
        for fields, code, says in cases:
            answer = self.say(address, pack([PEER_HELLO, *fields, None]))
            self.assertEqual(answer[:2], [PEER_REFUSED, code], answer)
            self.assertIn(says, answer[2].decode())
        self.assertEqual(self.say(address, b"\xc1garbage")[:2], [PEER_REFUSED, PROTOCOL])
        rng = random.Random(self.h.rng.random())
        for _ in range(50):
            self.throw(address, rng.randbytes(rng.randrange(1, 2000)))
        self.throw(address, struct.pack(">I", 0xFFFFFFFF))
        silent = [socket.create_connection(address, PATIENCE) for _ in range(20)]
        load.wait_for(len(load.done) + 10)
        for conn in silent:
            self.assertEqual(conn.recv(100), b"", "one that says nothing is closed")
            conn.close()
        self.assertEqual(load.stop(), [])
        metrics = cluster.pairs[0].api.metrics()
        self.assertGreaterEqual(metrics['pawl_peer_refused_total{app="shop"}'], 5)
        self.assertEqual(metrics['pawl_peer_links_lost_total{app="shop"}'], 0)
        self.check_undisturbed(cluster)

    def say(self, address, frame):
        """One frame, and the one that comes back."""
        with socket.create_connection(address, PATIENCE) as conn:
            conn.sendall(struct.pack(">I", len(frame)) + frame)
            with conn.makefile("rb") as reader:
                size = struct.unpack(">I", reader.read(4))[0]
                return unpack(reader.read(size))

    def throw(self, address, data):
        """Bytes, without caring what comes of it."""
        with socket.create_connection(address, PATIENCE) as conn:
            try:
                conn.sendall(data)
            except OSError:
                pass  # it may hang up in the middle

    def check_undisturbed(self, cluster):
        for pair in cluster.pairs:
            pair.sidecar.fail_if_dead()
            self.assertTrue(pair.api.is_healthy())
        self.assertEqual(output_of(cluster.client().start_and_wait("chain", "5", "after")), 5)


if __name__ == "__main__":
    unittest.main()
