"""The placement service with real processes: who is there, who is gone, who leads.

Sidecars are played by tests/e2e/placement_wire.py, which was written from the protocol's
page alone.
"""

import functools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

from checks import check_quick
from harness import Harness, until
from placement_wire import HEARTBEAT, REDIRECT, REFUSED, UPDATE, WELCOME, Conn, Follower

HARNESS = PULSE = None
PAUSE_MAX = 0.4  # seconds; placement forgives a lost link 0.5 s, and silence 2.5 s
EXISTS, INVALID, PROTOCOL, VERSION, DENIED = -9, -6, -16, -17, -18


def setUpModule():
    global HARNESS, PULSE
    HARNESS = Harness().__enter__()
    PULSE = Pulse()


def tearDownModule():
    HARNESS.close()


class Pulse(threading.Thread):
    """Knows how long this process, which plays sidecars, has stood still."""

    EVERY = 0.05

    def __init__(self):
        super().__init__(daemon=True)
        self.longest = 0.0
        self.start()

    def run(self):
        last = time.monotonic()
        while True:
            time.sleep(self.EVERY)
            now = time.monotonic()
            self.longest = max(self.longest, now - last - self.EVERY)
            last = now


def steady(test):
    """A test in which no sidecar may seem to be lost: it is repeated when it fails after this
    process was held up for so long that they rightly did."""

    @functools.wraps(test)
    def repeated(self):
        for _ in range(4):
            PULSE.longest = 0.0
            try:
                return test(self)
            except Exception as error:
                time.sleep(2 * Pulse.EVERY)  # for a pause that still goes on to be noted
                if PULSE.longest < PAUSE_MAX:
                    raise
                print(f"once more, this process stood still for {PULSE.longest:.1f} s: {error}",
                      file=sys.stderr)
            self.tearDown()
            self.setUp()
        return test(self)

    return repeated


class Placement(unittest.TestCase):
    serial = 0

    def setUp(self):
        Placement.serial += 1
        self.h = HARNESS
        self.followers = []
        self.started = []

    def tearDown(self):
        failed = any(error for _, error in getattr(self._outcome, "errors", []) or [])
        if failed:
            self.h.print_report(AssertionError(self.id()))
        for follower in self.followers:
            follower.close()
        for process in self.started:
            process.resume()
            process.kill()

    def placement(self, name="p", **settings):
        process = self.h.placement(f"{name}-{self.serial}", **settings)
        self.started.append(process)
        return process

    def redis(self):
        process = self.h.redis(f"redis-{self.serial}")
        self.started.append(process)
        return process

    def follower(self, *replicas, **hello):
        follower = Follower([replica.address for replica in replicas], **hello)
        self.followers.append(follower)
        return follower

    def trio(self, *replicas):
        return [self.follower(*replicas, host=f"h{i}") for i in range(3)]


class OneReplica(Placement):
    @steady
    def test_members_come_and_go(self):
        replica = self.placement()
        first = self.follower(replica, host="h1")
        first.wait_for(lambda m: m.hosts == ["h1"])
        second = self.follower(replica, host="h2")
        other = self.follower(replica, host="h0", app="billing", partitions=16)
        lists = first.wait_for(lambda m: m.hosts == ["h0", "h1", "h2"])
        self.assertEqual(second.wait_for(lambda m: len(m.hosts) == 3).hosts, lists.hosts)

        second.close()
        first.wait_for(lambda m: m.hosts == ["h0", "h1"])

        other.leave()
        left = first.wait_for(lambda m: m.items[0]["leaving"])
        self.assertEqual(left.hosts, ["h0", "h1"])
        other.close()
        first.wait_for(lambda m: m.hosts == ["h1"])
        versions = [members.version for _, members in first.lists]
        self.assertEqual(versions, sorted(set(versions)))

    def test_one_that_is_silent_or_killed_is_gone_within_three_seconds(self):
        replica = self.placement()
        first = self.follower(replica, host="h1")
        first.wait_for(lambda m: True)

        def silence():
            conn = Conn(replica.address)
            conn.hello(host="h2")
            conn.next(WELCOME)
            first.wait_for(lambda m: m.hosts == ["h1", "h2"])
            silent = time.monotonic()
            first.wait_for(lambda m: m.hosts == ["h1"])
            took = time.monotonic() - silent
            self.assertTrue(conn.is_closed())
            conn.close()
            return took

        def death():
            second = self.follower(replica, host="h2")
            first.wait_for(lambda m: m.hosts == ["h1", "h2"])
            killed = time.monotonic()
            second.close()
            first.wait_for(lambda m: m.hosts == ["h1"])
            return time.monotonic() - killed

        check_quick(silence, 3.0)
        check_quick(death, 3.0)

    @steady
    def test_a_link_that_comes_back_moves_nothing(self):
        replica = self.placement()
        first, second = self.follower(replica, host="h1"), self.follower(replica, host="h2")
        version = first.wait_for(lambda m: m.hosts == ["h1", "h2"]).version
        second.wait_for(lambda m: m.hosts == ["h1", "h2"])
        count = len(second.lists)
        second.conn.socket.shutdown(socket.SHUT_RDWR)
        until(lambda: len(second.lists) > count, what="the list again")
        self.assertEqual(second.lists[-1][1].version, version)
        self.assertEqual(first.members.version, version)

    @steady
    def test_bad_input_is_refused_and_disturbs_nobody(self):
        replica = self.placement()
        first = self.follower(replica, host="h1")
        version = first.wait_for(lambda m: m.hosts == ["h1"]).version

        def refused(**hello):
            conn = Conn(replica.address)
            conn.hello(**{"host": "h2", **hello})
            frame = conn.next(REFUSED)
            self.assertTrue(conn.is_closed())
            conn.close()
            return frame[1], frame[2].decode()

        self.assertEqual(refused(protocol=7)[0], VERSION)
        self.assertIn("needs a host id of its own", refused(host="h1")[1])
        self.assertEqual(refused(host="h1")[0], EXISTS)
        self.assertIn("h1' has 128", refused(partitions=64)[1])
        self.assertEqual(refused(app="../../etc")[0], INVALID)
        self.assertEqual(refused(address="localhost")[0], INVALID)

        for garbage in (b"\x93\x07\x01\xdd\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n", b""):
            conn = Conn(replica.address)
            conn.send_bytes(garbage)
            self.assertEqual(conn.next(REFUSED)[1], PROTOCOL)
            conn.close()
        for raw in (b"GET / HTTP/1.1\r\n\r\n", (2 << 20).to_bytes(4, "big"), os.urandom(64)):
            conn = Conn(replica.address)
            conn.socket.sendall(b"\x7f" + raw if raw[:1] < b"\x10" else raw)
            self.assertTrue(conn.is_closed(), raw)
            conn.close()
        conn = Conn(replica.address)
        conn.send(HEARTBEAT)
        self.assertIn("must be HELLO", conn.next(REFUSED)[2].decode())
        conn.close()
        conn = Conn(replica.address)  # says nothing at all
        self.assertTrue(conn.is_closed())
        conn.close()
        self.assertEqual(first.members.version, version)
        self.assertEqual(replica.metrics()["pawl_placement_lost_total"], 0)

    @steady
    def test_one_that_does_not_read_holds_up_nobody(self):
        replica = self.placement()
        first = self.follower(replica, host="h1")
        conn = Conn(replica.address)
        conn.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        conn.hello(host="h2")
        first.wait_for(lambda m: m.hosts == ["h1", "h2"])
        for i in range(30):
            conn.send(HEARTBEAT)
            conn.send(UPDATE, i % 2 == 0, False, 0, False)
            first.wait_for(lambda m: m.items[1]["runs_activities"] == (i % 2 == 0))
        conn.close()
        first.wait_for(lambda m: m.hosts == ["h1"])

    def test_the_token_is_asked_for(self):
        replica = self.placement(token="s3cret")
        outside = self.follower(replica, host="h2")
        first = self.follower(replica, host="h1", token="s3cret")
        first.wait_for(lambda m: m.hosts == ["h1"])
        until(lambda: outside.refusals, what="the refusal")
        self.assertEqual(outside.refusals[0][0], DENIED)
        status, _, _ = replica.api.raw("GET", "/v1.0/placement/members")
        self.assertEqual(status, 401)
        status, _, _ = replica.api.raw("GET", "/v1.0/placement/members",
                                       headers={"Authorization": "bearer s3cret"})
        self.assertEqual(status, 200)
        self.assertNotIn("s3cret", replica.log())

    @steady
    def test_what_http_shows(self):
        replica = self.placement()
        trio = self.trio(replica)
        other = self.follower(replica, host="x1", app="billing", namespace="test", partitions=8)
        other.wait_for(lambda m: m.hosts == ["x1"])
        trio[0].wait_for(lambda m: len(m.hosts) == 3)
        self.assertTrue(replica.is_healthy())

        members = replica.api.call("GET", "/v1.0/placement/members")
        self.assertTrue(members["leads"])
        self.assertEqual([n["namespace"] for n in members["namespaces"]], ["default", "test"])
        self.assertEqual([m["host"] for m in members["namespaces"][0]["members"]],
                         ["h0", "h1", "h2"])
        self.assertEqual(int(members["namespaces"][0]["version"]), trio[0].members.version)

        table = replica.api.call("GET", "/v1.0/placement/table", {"namespace": "default"})
        (app,) = table["namespaces"][0]["apps"]
        self.assertEqual((app["app"], app["partitions"]), ("orders", 128))
        owned = sorted(p for host in app["hosts"] for p in host["partitions"])
        self.assertEqual(owned, list(range(128)))
        for host in app["hosts"]:
            self.assertEqual(host["count"], len(host["partitions"]))
            self.assertLessEqual(host["count"], 128 / 3 * 1.25)

        trio[2].leave()
        trio[0].wait_for(lambda m: m.items[2]["leaving"])
        table = replica.api.call("GET", "/v1.0/placement/table", {"app": "orders"})
        self.assertEqual(table["namespaces"][0]["apps"][0]["hosts"][2]["count"], 0)

        metrics = replica.metrics()
        self.assertEqual(metrics["pawl_placement_leads"], 1)
        self.assertEqual(metrics['pawl_placement_members{namespace="default",app="orders",'
                                 'leaving="false"}'], 2)
        self.assertEqual(metrics['pawl_placement_members{namespace="default",app="orders",'
                                 'leaving="true"}'], 1)
        for path, expected in (("/nothing", 404), ("/v1.0/placement/members/x", 404)):
            self.assertEqual(replica.api.raw("GET", path)[0], expected)
        self.assertEqual(replica.api.raw("POST", "/metrics", body=b"x")[0], 405)

    def pawl(self, *arguments):
        """(exit status, output, errors) of the command line."""
        done = subprocess.run([self.h.build / "cli/pawl", "placement", *arguments], text=True,
                              capture_output=True, timeout=60,
                              env={k: v for k, v in os.environ.items() if "PAWL" not in k})
        return done.returncode, done.stdout, done.stderr

    @steady
    def test_the_command_line(self):
        replica = self.placement(token="s3cret")
        trio = [self.follower(replica, host=f"h{i}", token="s3cret", runs_activities=i == 1)
                for i in range(3)]
        trio[0].wait_for(lambda m: len(m.hosts) == 3)
        address = f"--address=http://127.0.0.1:{replica.http_port}"
        status, output, _ = self.pawl("members", address, "--token=s3cret")
        self.assertEqual(status, 0)
        rows = [line.split() for line in output.splitlines()]
        self.assertEqual(rows[0][:4], ["NAMESPACE", "APP", "HOST", "ADDRESS"])
        self.assertEqual(rows[2], ["default", "orders", "h1", "tcp://127.0.0.1:3502", "128",
                                   "yes"])

        status, output, _ = self.pawl("table", address, "--token=s3cret", "--app=orders")
        self.assertEqual(status, 0)
        owned = []
        for line in output.splitlines()[1:]:
            _, _, _, owns, of, ranges = line.split()
            mine = []
            for part in ranges.split(","):
                first, _, last = part.partition("-")
                mine += range(int(first), int(last or first) + 1)
            self.assertEqual((len(mine), int(of)), (int(owns), 128))
            owned += mine
        self.assertEqual(sorted(owned), list(range(128)))

        status, output, _ = self.pawl("members", address, "--token=s3cret", "--json")
        self.assertEqual(len(json.loads(output)["namespaces"][0]["members"]), 3)
        status, output, _ = self.pawl("members", address, "--token=s3cret", "--namespace=none")
        self.assertEqual((status, len(output.splitlines())), (0, 1))

        status, _, errors = self.pawl("members", address)
        self.assertEqual(status, 1)
        self.assertIn("--token", errors)
        replica.kill()
        status, _, errors = self.pawl("members", address)
        self.assertEqual(status, 5)
        self.assertIn("cannot reach the placement service", errors)

    @steady
    def test_a_restart_moves_nothing(self):
        replica = self.placement()
        trio = self.trio(replica)
        for follower in trio:
            follower.wait_for(lambda m: len(m.hosts) == 3)
        version = max(follower.members.version for follower in trio)
        replica.kill()
        replica.start()
        for follower in trio:
            follower.wait_for(lambda m: m.version > version)
            self.assertEqual({len(m.hosts) for _, m in follower.lists if m.version > version},
                             {3})

    @steady
    def test_a_frozen_service_forgives_the_time_it_slept(self):
        replica = self.placement()
        trio = self.trio(replica)
        for follower in trio:
            follower.wait_for(lambda m: len(m.hosts) == 3)
        counts = [len(follower.lists) for follower in trio]
        replica.pause()
        paused = time.monotonic()
        until(lambda: time.monotonic() - paused > 5, what="five seconds")
        replica.resume()
        until(replica.is_healthy, what="its health")
        until(lambda: all(len(f.lists) > n for f, n in zip(trio, counts)), what="lists again")
        for follower, count in zip(trio, counts):
            self.assertEqual({len(m.hosts) for _, m in follower.lists[count:]}, {3})
        self.assertEqual(replica.metrics()["pawl_placement_lost_total"], 0)

    def test_it_stops_when_told(self):
        replica = self.placement()
        conn = Conn(replica.address)
        conn.hello()
        conn.next(WELCOME)
        os.kill(replica.pid, signal.SIGTERM)
        self.assertIsNone(conn.next(REDIRECT)[1])
        conn.close()
        self.assertEqual(replica.wait(), 0)

    def test_what_it_cannot_do_it_says(self):
        for options, status, text in (
            (["--listen=ipc:///tmp/x"], 2, "is not a list of at most 8 addresses"),
            (["--advertise=tcp://x"], 2, "is not an address"),
            (["--store=sqlite:///x"], 2, "a single replica needs no store"),
            (["--store=redis://host:port"], 1, "cannot start"),
            (["--http-port=70000"], 2, "is not a port"),
            (["--log-level=loud"], 2, "error|warn|info|debug"),
            (["--http-host=example"], 1, "numeric IP address"),
            (["--token-file=/nonexistent"], 1, "cannot read the token file"),
            (["extra"], 2, "unexpected argument"),
            (["--http-p", "0"], 2, "unknown option --http-p"),
        ):
            argv = [self.h.build / "placement/pawl-placement", "--listen=tcp://127.0.0.1:0",
                    "--http-port=0", *options]
            process = self.h.process(argv, f"wrong-{len(self.h.processes)}")
            self.assertEqual(process.wait(), status, process.log())
            self.assertIn(text, process.log())


class TwoReplicas(Placement):
    def pair(self):
        redis = self.redis()
        return redis, [self.placement(f"p{i}", store=redis.url) for i in range(2)]

    def leader_of(self, replicas):
        def find():
            leading = [r for r in replicas if r.is_alive() and not r.is_paused() and r.leads()]
            return leading[0] if len(leading) == 1 else None
        return until(find, what="one leader")

    @steady
    def test_when_the_leader_dies_the_other_leads(self):
        _, replicas = self.pair()
        trio = self.trio(*replicas)
        for _ in range(3):
            for follower in trio:
                follower.wait_for(lambda m: len(m.hosts) == 3)
            leader = self.leader_of(replicas)
            other = next(r for r in replicas if r is not leader)
            until(lambda: other.api.call("GET", "/v1.0/placement/members")["leader"]
                  == leader.address, what="the follower to know its leader")
            status, _, errors = OneReplica.pawl(
                self, "table", f"--address=http://127.0.0.1:{other.http_port}")
            self.assertEqual(status, 1)
            self.assertIn(leader.address, errors)
            version = max(follower.members.version for follower in trio)
            leader.kill()
            for follower in trio:
                follower.wait_for(lambda m: m.version > version)
                later = [m for _, m in follower.lists if m.version > version]
                self.assertEqual({len(m.hosts) for m in later}, {3}, later)  # nothing moved
                self.assertGreater(later[0].version >> 32, version >> 32)
            self.assertTrue(self.leader_of([other]))
            leader.start()

    def test_a_leader_that_stops_hands_over_at_once(self):
        _, replicas = self.pair()

        def handover():
            leader = self.leader_of(replicas)
            other = next(r for r in replicas if r is not leader)
            self.assertEqual(leader.stop(), 0)
            stopped = time.monotonic()
            until(other.leads, what="the other leading")
            took = time.monotonic() - stopped
            leader.start()
            return took

        check_quick(handover, 4.0)  # the lease was not waited for

    def test_a_frozen_leader_that_wakes_up_leads_nobody(self):
        _, replicas = self.pair()
        trio = self.trio(*replicas)
        for follower in trio:
            follower.wait_for(lambda m: len(m.hosts) == 3)
        leader = self.leader_of(replicas)
        other = next(r for r in replicas if r is not leader)
        version = max(follower.members.version for follower in trio)
        leader.pause()
        for follower in trio:
            follower.wait_for(lambda m: m.version > version)
        leader.resume()
        until(lambda: not leader.leads(), what="it to have stepped down")
        until(other.leads, what="the other one leading")
        until(lambda: leader.api.call("GET", "/v1.0/placement/members")["leader"]
              == other.address, what="it to learn who leads")
        conn = Conn(leader.address)
        conn.hello(host="h9")
        self.assertEqual(conn.next(REDIRECT)[1].decode(), other.address)
        conn.close()

    @steady
    def test_without_the_store_the_list_stays(self):
        redis, replicas = self.pair()
        trio = self.trio(*replicas)
        for follower in trio:
            follower.wait_for(lambda m: len(m.hosts) == 3)
        leader = self.leader_of(replicas)
        redis.kill()
        until(lambda: not leader.leads(), what="it to step down")

        def says_so():
            status, _, text = leader.api.raw("GET", "/healthz")
            return status == 503 and b"Redis at 127.0.0.1" in text
        until(says_so, what="its health to tell")
        version = max(follower.members.version for follower in trio)
        redis.start()
        for follower in trio:
            follower.wait_for(lambda m: m.version > version)
            self.assertEqual({len(m.hosts) for _, m in follower.lists if len(m.hosts) > 0
                              and m.version > version}, {3})

    def test_a_store_that_forgets_does_no_harm(self):
        redis, replicas = self.pair()
        trio = self.trio(*replicas)
        for follower in trio:
            follower.wait_for(lambda m: len(m.hosts) == 3)
        version = max(follower.members.version for follower in trio)
        redis.command("FLUSHALL")
        leader = self.leader_of(replicas)
        leader.kill()
        for follower in trio:
            follower.wait_for(lambda m: m.version > version)


if __name__ == "__main__":
    unittest.main(verbosity=2)
