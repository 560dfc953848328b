#!/usr/bin/env python3
"""Finding instances, counting them, and doing something to many, with the real sidecar and store.

    test_query.py sqlite|redis
"""

import functools
import json
import subprocess
import unittest

from checks import scenario, store_kind, test_app
from harness import ApiError, until

STORE = store_kind() if __name__ == "__main__" else "sqlite"


def with_app(body):
    """A scenario beside a fresh store, sidecar and app."""

    @functools.wraps(body)
    def test(self):
        self.store = getattr(self.h, STORE)()
        self.sidecar = self.h.sidecar("query", self.store)
        self.api = self.sidecar.api
        self.app = test_app(self.h, self.sidecar)
        body(self)

    return scenario(test)


class Query(unittest.TestCase):
    def fill(self):
        """Three that wait, six that end, with tags."""
        for i in range(3):
            self.api.start("held", instance=f"held-{i}", tags=["team=blue", f"n={i}"])
            self.api.wait(f"held-{i}", for_="started")
        for i in range(6):
            team = "blue" if i % 2 else "red"
            self.api.start("echo", "x", instance=f"echo-{i}", tags=[f"team={team}", "a=b=c"])
            self.api.wait(f"echo-{i}")

    def ids(self, **filters):
        return [s["instanceID"] for s in self.api.list(**filters)]

    def count(self, **filters):
        return self.api.list_page(count="true", **filters)

    def refused(self, words, call, *args, **options):
        with self.assertRaises(ApiError) as caught:
            call(*args, **options)
        self.assertEqual(caught.exception.status, 400, caught.exception.message)
        self.assertIn(words, caught.exception.message)

    def batch(self, operation, payload=None, **filters):
        """All pages, two instances each."""
        total, cursor = {"matched": 0, "done": 0, "failed": 0}, None
        while True:
            page = self.api.call("POST", self.api._path(), {
                **filters, "operation": operation, "limit": 2, "cursor": cursor}, payload)
            for key in total:
                total[key] += page[key]
            cursor = page.get("cursor")
            if not cursor:
                return total

    @with_app
    def test_instances_are_found_by_tags_times_and_id(self):
        self.fill()
        self.assertEqual(self.api.get("held-1")["tags"], {"team": "blue", "n": "1"})
        self.assertEqual(set(self.ids(tag="team=red")), {"echo-0", "echo-2", "echo-4"})
        self.assertEqual(set(self.ids(tag=["team=blue", "n=2"])), {"held-2"})
        self.assertEqual(self.ids(tag="a=b=c", status="RUNNING"), [])
        self.assertEqual(set(self.ids(tag="team=blue", status="RUNNING")),
                         {"held-0", "held-1", "held-2"})
        self.assertEqual(self.ids(prefix="echo-", limit=2), [f"echo-{i}" for i in range(5, -1, -1)])
        ended = self.api.list(order="completed")
        times = [s["completedAt"] for s in ended]
        self.assertEqual(times, sorted(times, reverse=True))
        self.assertEqual(len(ended), 6)
        middle = times[2]
        self.assertEqual(len(self.ids(completedFrom=middle)), 3)
        self.assertEqual(len(self.ids(completedTo=middle)), 3)
        self.assertEqual(len(self.ids(updatedFrom="2020-01-01T00:00:00Z", limit=2)), 9)
        self.assertEqual(self.ids(updatedTo="2020-01-01T00:00:00Z"), [])
        self.sidecar.restart()
        self.assertEqual(set(self.ids(tag="team=red")), {"echo-0", "echo-2", "echo-4"})
        again = self.api.rerun("echo-0")
        self.assertEqual(self.api.get(again)["tags"], {"team": "red", "a": "b=c"})
        self.api.purge("echo-2")
        self.assertEqual(set(self.ids(tag="team=red", prefix="echo-")), {"echo-0", "echo-4"})

    @with_app
    def test_counts_are_those_of_the_lists(self):
        self.fill()
        for filters in ({}, {"status": "RUNNING"}, {"name": "echo"}, {"tag": "team=blue"},
                        {"prefix": "held"}, {"name": "echo", "tag": "team=red"},
                        {"status": "COMPLETED,FAILED", "name": "echo"},
                        {"updatedFrom": "2020-01-01T00:00:00Z"},
                        {"completedFrom": "2020-01-01T00:00:00Z"}, {"name": "nobody"}):
            found = self.api.list(**filters)
            by_status = {}
            for state in found:
                by_status[state["runtimeStatus"]] = by_status.get(state["runtimeStatus"], 0) + 1
            with self.subTest(filters):
                self.assertEqual(self.count(**filters),
                                 {"count": len(found), "byStatus": by_status})

    @with_app
    def test_many_are_changed_at_once(self):
        self.fill()
        total = self.batch("suspend", tag="team=blue")
        self.assertEqual(total, {"matched": 3, "done": 3, "failed": 0})
        self.assertEqual(self.count(status="SUSPENDED")["count"], 3)
        self.assertEqual(self.batch("resume", name="held")["done"], 3)
        self.assertEqual(self.batch("raise-event", "done", name="held", event="go")["done"], 3)
        until(lambda: self.count(status="COMPLETED", name="held")["count"] == 3,
              what="the events have ended them")
        self.assertEqual(self.batch("purge", tag="team=red"),
                         {"matched": 3, "done": 3, "failed": 0})
        self.assertEqual(len(self.ids()), 6)
        self.api.start("held", instance="last")
        self.api.wait("last", for_="started")
        self.assertEqual(self.batch("purge", status="RUNNING"),
                         {"matched": 1, "done": 0, "failed": 1})
        self.assertEqual(self.batch("terminate", all="true")["done"], 1)
        self.assertEqual(self.batch("purge", all="true")["done"], 7)
        self.assertEqual(self.ids(), [])

    @with_app
    def test_a_batch_leaves_schedules_alone(self):
        self.api.call("POST", "/v1.0/schedules/s/create", {"workflow": "echo", "every": "1h"})
        self.api.start("held", instance="h")
        self.api.wait("h", for_="started")
        self.assertEqual(self.batch("terminate", all="true"),
                         {"matched": 1, "done": 1, "failed": 0})
        schedules = self.api.call("GET", "/v1.0/schedules")["schedules"]
        self.assertEqual([s["scheduleID"] for s in schedules], ["s"])
        self.assertEqual(self.ids(), ["h"])
        self.assertEqual(self.ids(status="RUNNING"), [])
        self.assertEqual(self.ids(name="pawl.Schedule"), ["pawl.schedule:s"])
        self.assertEqual(self.ids(prefix="pawl.schedule:"), ["pawl.schedule:s"])

    @with_app
    def test_what_is_wrong_is_said_and_nothing_changes(self):
        self.fill()
        self.refused("matches every instance", self.batch, "terminate")
        self.refused("matches every instance", self.batch, "purge", prefix="")
        self.refused("write terminate, suspend", self.batch, "dance", name="x")
        self.refused("event name is missing", self.batch, "raise-event", name="held")
        self.refused("no key", self.ids, tag="=x")
        self.refused("used twice", self.api.start, "echo", tags=["a=1", "a=2"])
        self.refused("0 to 256 bytes", self.api.start, "echo", tags=["a=" + 257 * "x"])
        self.refused("at most 32", self.api.start, "echo", tags=[f"k{i}=v" for i in range(33)])
        self.refused("write created, completed or id", self.ids, order="size")
        self.refused("cursor", self.api.list_page, order="id",
                     cursor=self.api.list_page(limit=1)["cursor"])
        self.refused("the range would be empty", self.ids, completedFrom="2026-01-02T00:00:00Z",
                     completedTo="2026-01-01T00:00:00Z")
        self.assertEqual(self.count()["byStatus"], {"RUNNING": 3, "COMPLETED": 6})

    @with_app
    def test_the_command_line_counts_and_does_batches(self):
        def pawl(*args, code=0):
            done = subprocess.run([self.h.build / "cli/pawl", "workflow", *args, "--address",
                                   f"http://127.0.0.1:{self.sidecar.http_port}"],
                                  text=True, capture_output=True, timeout=60, check=False)
            self.assertEqual(done.returncode, code, done.stderr)
            return done

        self.fill()
        pawl("start", "held", "-i", "mine", "--tag", "team=green", "--tag", "k")
        listed = json.loads(pawl("list", "--tag", "team=green", "-o", "json").stdout)
        self.assertEqual([s["tags"] for s in listed], [{"team": "green", "k": ""}])
        counted = json.loads(pawl("list", "--count", "--name", "echo", "-o", "json").stdout)
        self.assertEqual(counted["count"], 6)
        self.assertIn("all", pawl("list", "--count").stdout)
        self.assertIn("--all", pawl("batch", "terminate", code=1).stderr)
        done = pawl("batch", "terminate", "--tag", "team=green")
        self.assertIn("1 matched, 1 done, 0 failed", done.stdout)
        done = json.loads(pawl("batch", "purge", "--name", "echo", "-o", "json").stdout)
        self.assertEqual(done, {"matched": 6, "done": 6, "failed": 0})


if __name__ == "__main__":
    unittest.main()
