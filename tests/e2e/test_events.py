#!/usr/bin/env python3
"""The lifecycle stream of real sidecars: nothing is missing, whoever is killed meanwhile.

    test_events.py sqlite|redis
"""

import contextlib
import http.server
import json
import os
import subprocess
import threading
import unittest
import urllib.parse

from checks import scenario, store_kind, test_app
from cluster import Cluster
from events import Subscriber, check_without_gaps
from harness import PATIENCE, ApiError, until

STORE = store_kind() if __name__ == "__main__" else "sqlite"


def path_of(instance):
    return f"/v1.0/workflows/dapr/{urllib.parse.quote(instance, safe='')}/events"


@contextlib.contextmanager
def odd_server(body):
    """Answers every request with this; its port."""
    class Odd(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass
    with http.server.HTTPServer(("127.0.0.1", 0), Odd) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


class Events(unittest.TestCase):
    def begin(self):
        self.store = getattr(self.h, STORE)()
        self.sidecar = self.h.sidecar("events", self.store)
        self.api = self.sidecar.api
        self.app = test_app(self.h, self.sidecar)

    def subscribe(self, path="/v1.0/events", position=None):
        subscriber = Subscriber(lambda: [self.sidecar.http_port], path, position)
        self.assertTrue(subscriber.opened.wait(PATIENCE), subscriber.errors)
        return subscriber

    def watch(self, *arguments, port=None):
        base = {k: v for k, v in os.environ.items() if not k.startswith("PAWL_")}
        return subprocess.Popen(
            [self.h.build / "cli/pawl", "workflow", "watch", *arguments], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**base, "PAWL_HTTP_ENDPOINT": f"http://127.0.0.1:{port or self.sidecar.http_port}"})

    @scenario
    def test_one_instance_from_before_its_start_to_its_removal(self):
        self.begin()
        one = self.subscribe(path_of("a/1"))
        self.assertEqual(one.kinds(), ["absent"])
        self.api.start("held", instance="a/1")
        self.api.start("held", instance="other")
        self.api.wait("a/1", for_="started")
        self.api.suspend("a/1")
        self.api.resume("a/1")
        self.api.raise_event("a/1", "go", "x")
        self.api.wait("a/1")
        self.api.purge("a/1")
        until(lambda: any("purged" in change["what"] for change in one.changes()), what="purged")
        self.assertEqual(one.statuses("a/1"), ["PENDING", "RUNNING", "SUSPENDED", "RUNNING",
                                               "COMPLETED", "COMPLETED"])
        self.assertEqual(one.statuses("other"), [])
        one.stop()

    @scenario
    def test_who_comes_later_sees_the_present_state_first(self):
        self.begin()
        self.api.start("held", instance="i")
        self.api.wait("i", for_="started")
        one = self.subscribe(path_of("i"))
        self.assertEqual([(k, e["runtimeStatus"]) for k, e in one.events], [("state", "RUNNING")])
        self.api.terminate("i")
        until(lambda: one.statuses("i") == ["TERMINATED"], what="its end")

    @scenario
    def test_only_a_name_or_a_status_when_that_is_asked_for(self):
        self.begin()
        named = self.subscribe("/v1.0/events?name=echo")
        ended = self.subscribe("/v1.0/events?status=COMPLETED,FAILED")
        self.api.start("held", instance="h")
        self.api.start("echo", "1", instance="e")
        self.api.wait("e")
        until(lambda: named.statuses("e")[-1:] == ["COMPLETED"], what="the end of e")
        until(lambda: ended.statuses("e") == ["COMPLETED"], what="the end of e")
        self.assertEqual(named.statuses("h") + ended.statuses("h"), [])

    @scenario
    def test_nothing_is_missing_when_the_sidecar_is_killed_again_and_again(self):
        self.begin()
        everything = self.subscribe()
        expected = [f"i{n}" for n in range(30)]
        for n, instance in enumerate(expected):
            self.api.start("chain", "5", instance=instance, request_id=instance)
            if n in (7, 15, 23):
                before = everything.connections
                self.sidecar.kill()
                self.sidecar.start()
                until(lambda b=before: everything.connections > b, what="it is connected again")
        for instance in expected:
            self.api.wait(instance)
        for instance in expected:
            until(lambda i=instance: everything.statuses(i)[-1:] == ["COMPLETED"],
                  what=f"the end of {instance}")
            self.assertEqual(everything.statuses(instance), ["PENDING", "RUNNING", "COMPLETED"])
        check_without_gaps(everything)
        self.assertGreaterEqual(everything.connections, 4)
        again = self.subscribe(position="a3k-" + "." * 127)  # all of it, from the first on
        until(lambda: len(again.changes()) >= len(everything.changes()), what="the same again")
        self.assertEqual(sorted(c["key"] for c in again.changes()),
                         sorted(c["key"] for c in everything.changes()))

    @scenario
    def test_a_wrong_position_or_parameter_is_refused(self):
        self.begin()
        for query in ({"from": "nonsense"}, {"from": "a3k-1"}, {"status": "GONE"}, {"x": "1"}):
            with self.assertRaises(ApiError) as caught:
                self.api.call("GET", "/v1.0/events", query)
            self.assertEqual(caught.exception.status, 400, query)

    @scenario
    def test_the_command_line_follows_past_a_killed_sidecar(self):
        self.begin()
        self.api.start("held", instance="i")
        self.api.wait("i", for_="started")
        one = self.watch("--instance", "i", "-o", "json")
        self.assertEqual(json.loads(one.stdout.readline())["event"], "state")
        self.sidecar.kill()
        self.sidecar.start()
        self.api.raise_event("i", "go", "x")
        out, err = one.communicate(timeout=2 * PATIENCE)
        self.assertEqual(one.returncode, 0, err)
        last = json.loads(out.splitlines()[-1])
        self.assertEqual((last["event"], last["data"]["runtimeStatus"]), ("change", "COMPLETED"))
        self.assertIn("going on behind", err)
        again = self.watch("--position", last["position"], "--instance", "i")
        self.api.purge("i")
        out, err = again.communicate(timeout=2 * PATIENCE)
        self.assertIn("purged", out)
        for line in out.splitlines():
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z  i +held +COMPLETED +\w+")
        wrong = self.watch("--position", "nonsense")
        self.assertEqual((wrong.communicate(timeout=2 * PATIENCE)[0], wrong.returncode), ("", 1))


class Callback(unittest.TestCase):
    """The watch of the C library."""

    begin = Events.begin

    def begin_watch(self, *arguments, name="watch"):
        watch = self.h.app([self.h.build / "tests/e2e/e2e_watch", *arguments], self.sidecar, name)
        until(lambda: "begun" in watch.log() or "refused" in watch.log(), what="the watch")
        return watch

    def changes(self, watch):
        """key -> (instance, status), in the order of their first arrival."""
        lines = [line.split() for line in watch.log().splitlines(keepends=True)
                 if line.startswith("change ") and line.endswith("\n")]
        return {line[1]: (line[2], line[3]) for line in lines}

    def statuses(self, watch, instance):
        return [status for one, status in self.changes(watch).values() if one == instance]

    @scenario
    def test_it_goes_on_by_itself_whenever_the_sidecar_is_killed(self):
        self.begin()
        named = self.begin_watch("--name", "chain")
        ids = [f"i{n}" for n in range(24)]
        for n, instance in enumerate(ids):
            self.api.start("chain", "3", instance=instance, request_id=instance)
            self.api.start("echo", "1", instance="e" + instance, request_id="e" + instance)
            if n in (5, 11, 17):
                self.sidecar.kill()
                self.sidecar.start()
        for instance in ids:
            self.api.wait(instance)
        for instance in ids:
            until(lambda i=instance: self.statuses(named, i)[-1:] == ["COMPLETED"],
                  what=f"the end of {instance}")
            self.assertEqual(self.statuses(named, instance), ["PENDING", "RUNNING", "COMPLETED"])
        self.assertEqual([i for i, _ in self.changes(named).values() if i.startswith("e")], [])
        self.assertNotIn("\ngap", named.log())
        self.assertEqual(named.stop(), 0)

    @scenario
    def test_a_position_goes_on_in_another_process(self):
        self.begin()
        first = self.begin_watch("--instance", "i", name="first")
        until(lambda: "absent" in first.log(), what="that it is not there")
        self.api.start("held", instance="i")
        until(lambda: self.statuses(first, "i") == ["PENDING", "RUNNING"], what="its start")
        position = first.log().splitlines()[-1].split()[-1]
        self.assertEqual(first.stop(), 0)
        self.api.raise_event("i", "go", "x")
        self.api.wait("i")
        second = self.begin_watch("--instance", "i", "--position", position, name="second")
        until(lambda: self.statuses(second, "i") == ["COMPLETED"], what="its end")
        wrong = self.begin_watch("--position", "nonsense", name="wrong")
        self.assertEqual(wrong.wait(), 1)
        self.assertIn("the position is none of this stream", wrong.log())


class OddServer(unittest.TestCase):
    watch = Events.watch

    @scenario
    def test_the_command_line_says_so_when_a_server_sends_something_else(self):
        for data in (b"no json", b"7", b'{"what":"purged"}', b'{"what":[1]}', b"x" * (2 << 20)):
            good = b'event: change\ndata: {"what":["status"]}\nid: i3k-1-2\n\n'
            with odd_server(good + b"event: change\ndata: " + data + b"\n\n") as port:
                one = self.watch("--instance", "i", port=port)
                out, err = one.communicate(timeout=2 * PATIENCE)
            self.assertEqual((one.returncode, out.count("status")), (1, 1), err)
            self.assertIn(f"127.0.0.1:{port} cannot be read", err)
            self.assertIn("--position i3k-1-2", err)


@unittest.skipUnless(STORE == "redis", "several sidecars need Redis")
class Several(unittest.TestCase):
    @scenario
    def test_any_sidecar_serves_it_and_any_may_die(self):
        cluster = Cluster(self.h, 3)
        everything = Subscriber(lambda: [pair.sidecar.http_port for pair in cluster.pairs])
        self.assertTrue(everything.opened.wait(PATIENCE))
        client = cluster.client()
        expected = [f"i{n}" for n in range(40)]
        for n, instance in enumerate(expected):
            client.start("chain", "3", instance, request_id=instance)
            if n in (10, 25):
                cluster.kill(n % 3)
                cluster.replace(n % 3)
        for instance in expected:
            client.wait(instance)
        for instance in expected:
            until(lambda i=instance: everything.statuses(i)[-1:] == ["COMPLETED"],
                  what=f"the end of {instance}")
            self.assertEqual(everything.statuses(instance), ["PENDING", "RUNNING", "COMPLETED"])
        check_without_gaps(everything)


if __name__ == "__main__":
    unittest.main(verbosity=2)
